#!/bin/sh
# Instructions of one 4 KiB read over PCIe in the initiator: public API, multipath, queue, driver and
# reactor, from nvh_submit to the callback, counted by callgrind as the difference between two runs
# of different length. What belongs to the test (its controller, its load) is not counted.
set -eu
mode=${MODE:-release}
program=${1:-build/$mode/tests/bench/pcie_cost}
depth=${DEPTH:-128}
command -v valgrind >/dev/null || { echo "valgrind is not installed"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for count in 5000 25000; do
	valgrind --tool=callgrind --dump-line=no --callgrind-out-file="$dir/$count" "$program" \
		$count "$depth" >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
	callgrind_annotate --auto=no --threshold=100 --show-percs=no "$dir/$count" |
		sed 's/ \[.*//' >"$dir/$count.txt"
done
grep reads "$dir/log"
awk -v show="${SHOW:-}" '
	!/^ *[0-9,]+ +[^ ]+:/ || /tests\/(bench|pcie)|vg_replace|malloc|soft_/ { next }
	{ n = $1; gsub(",", "", n); name = $2; sum[name] += FILENAME ~ /\/25000/ ? n : -n }
	END {
		for (name in sum) {
			each = sum[name] / 20000
			if (name ~ /nvhi_pcie_|(^|\/)pcie\//) part = "driver"
			else if (name ~ /ioq/) part = "queue"
			else if (name ~ /nvh_submit|nvhi_(channel|part|lane|io)_|multipath/) part = "API and multipath"
			else part = "reactor and others"
			parts[part] += each
			total += each
			if (show && each >= 0.5) printf "%8.1f %s\n", each, name | "sort -rn"
		}
		close("sort -rn")
		for (part in parts) printf "%s %.0f, ", part, parts[part]
		printf "in all %.0f instructions a 4 KiB read\n", total
	}' "$dir/5000.txt" "$dir/25000.txt"
