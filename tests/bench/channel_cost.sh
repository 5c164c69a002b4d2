#!/bin/sh
# Instructions of one 4 KiB read in the public API, multipath and the queue above the transport, from
# nvh_submit to the callback, counted by callgrind. Needs valgrind and `make unit`.
set -eu
mode=${MODE:-release}
program=${1:-build/$mode/tests/unit/multipath/cost_test}
command -v valgrind >/dev/null || { echo "valgrind is not installed"; exit 77; }
[ -x "$program" ] || { echo "$program is missing: make MODE=$mode unit"; exit 1; }
out=$(mktemp)
trap 'rm -f "$out"' EXIT
valgrind --tool=callgrind --callgrind-out-file="$out" --toggle-collect=nvh_submit \
	--toggle-collect=ioq_req_done "$program" >/dev/null 2>&1
callgrind_annotate --auto=no --threshold=100 "$out" | sed 's/ \[.*//' | awk '
	!/:/ || /tests\/unit/ { next }
	{ gsub(",", "", $1) }
	/host\/ctrlr\/ioq|:(nvhi_)?ioq_/ { queue += $1; next }
	/multipath|host\/api|:nvhi_(io|part|lane|channel)_/ { upper += $1 }
	END { printf "instructions an I/O: API and multipath %d, queue %d\n", upper / 10000, queue / 10000 }'
