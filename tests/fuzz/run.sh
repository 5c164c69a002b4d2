#!/bin/sh
# Runs fuzz targets for FUZZ_SECONDS each (JOBS at a time) from their kept corpus and counts:
#
#	tests/fuzz/run.sh TARGET...
#
# What a run finds anew goes to build/fuzz/corpus/NAME; an input that breaks a target is kept as
# build/fuzz/crash/NAME-* and its path is shown. A target without a kept corpus fails.
set -u
seconds=${FUZZ_SECONDS:-10}
jobs=${JOBS:-2}
out=build/fuzz

run_one()
{
	name=$(basename "$1" _fuzz)
	kept=tests/fuzz/corpus/$name
	log=$out/log/$name.log
	mkdir -p "$out/corpus/$name" "$out/crash" "$out/log"
	rm -f "$out/log/$name.ok"
	if [ -z "$(ls -A "$kept" 2>/dev/null)" ]; then
		echo "FAIL   fuzz $name: no corpus in $kept"
		return
	fi
	dict=
	[ -f "tests/fuzz/$name.dict" ] && dict="-dict=tests/fuzz/$name.dict"
	# shellcheck disable=SC2086
	timeout -k 10 $((seconds + 120)) "$1" $dict -max_total_time="$seconds" -timeout=10 \
		-rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$out/crash/$name-" \
		"$out/corpus/$name" "$kept" >"$log" 2>&1 </dev/null
	status=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	if [ "$status" -eq 0 ] && [ "${runs:-0}" -gt 0 ]; then
		echo "ok     fuzz $name ($runs inputs)"
		: >"$out/log/$name.ok"
	else
		echo "FAIL   fuzz $name (exit $status, see $log)"
		tail -n 40 "$log" | sed 's/^/    | /'
	fi
}

if [ "${FUZZ_ONE:-}" ]; then
	run_one "$1"
	exit 0
fi
[ $# -gt 0 ] || { echo "run.sh: no fuzz targets given" >&2; exit 2; }
printf '%s\n' "$@" | FUZZ_ONE=1 xargs -P "$jobs" -n 1 "$0"
pass=0 fail=0
for t in "$@"; do
	if [ -e "$out/log/$(basename "$t" _fuzz).ok" ]; then
		pass=$((pass + 1))
	else
		fail=$((fail + 1))
	fi
done
echo "$pass passed, $fail failed, 0 skipped"
[ "$fail" -eq 0 ]
