#!/bin/sh
# Instructions that target-lite spends on one 4 KiB command (the mean of a read and an in-capsule write)
# from its arrival to the answer's last byte, copies left out, counted by callgrind. Needs valgrind and
# `make unit`.
set -eu
mode=${MODE:-release}
program=${1:-build/$mode/tests/unit/target-lite/tcp/cost_test}
command -v valgrind >/dev/null || { echo "valgrind is not installed"; exit 77; }
[ -x "$program" ] || { echo "$program is missing: make MODE=$mode unit"; exit 1; }
out=$(mktemp)
trap 'rm -f "$out"' EXIT
valgrind --tool=callgrind --callgrind-out-file="$out" --toggle-collect=conn_event "$program" \
	>/dev/null 2>&1
callgrind_annotate --auto=no --threshold=100 "$out" | sed 's/ \[.*//' | awk '
	!/:/ || /tests\/unit/ || /mem(cpy|move|set)|:mem/ { next }
	{ gsub(",", "", $1); sum += $1 }
	END { printf "instructions a command: %.1f\n", sum / 4000 }'
