#!/bin/sh
# Runs test programs one after the other (JOBS=N: N at a time) and sums what they report.
#
#   tests/run.sh [-t SECONDS] TEST...
#
# A test program passes with exit 0, is skipped with 77 (its last output line says why), fails with
# anything else or when it outlives its time. When it prints "N passed, N failed[, N skipped]" as
# its last such line, those counts are taken; else the program itself counts as one test.
# DEADLINE=SECONDS since 1970: the time that all of them have; what is not done then fails.
# ALLOWED_SKIPS=FILE: a skip whose test name is not listed there is a failure (CI sets it).
set -u
limit=300
[ "${1:-}" = -t ] && { limit=$2; shift 2; }
logs=${TEST_LOGS:-build/test-logs}
mkdir -p "$logs"
jobs=${JOBS:-2}

run_one()
{
	name=$(echo "$1" | sed 's,^build/[^/]*/,,; s,/,_,g')
	log=$logs/$name.log
	start=$(date +%s)
	left=$((${DEADLINE:-$((start + limit))} - start))
	[ "$left" -ge "$limit" ] || limit=$((left > 1 ? left : 1))
	timeout -k 10 "$limit" "$1" >"$log" 2>&1 </dev/null
	status=$?
	took=$(($(date +%s) - start))
	counts=$(grep -aE '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -n 1)
	case $status in
	0) verdict=ok; pass=1; fail=0; skip=0 ;;
	77) verdict=skip; pass=0; fail=0; skip=1 ;;
	124 | 137) verdict="FAIL (over $limit s)"; pass=0; fail=1; skip=0 ;;
	*) verdict="FAIL (exit $status)"; pass=0; fail=1; skip=0 ;;
	esac
	if [ -n "$counts" ] && [ "$status" -ne 77 ]; then
		pass=$(echo "$counts" | sed 's/ passed.*//')
		f=$(echo "$counts" | sed 's/.*passed, //; s/ failed.*//')
		[ "$f" -gt "$fail" ] && fail=$f
		skip=$(echo "$counts" | sed -n 's/.*failed, //; s/ skipped//p')
		skip=${skip:-0}
	fi
	if [ "$status" -eq 77 ] && [ -n "${ALLOWED_SKIPS:-}" ] &&
		! grep -qxF "$(basename "$1")" "$ALLOWED_SKIPS"; then
		verdict="FAIL (skipped, not in $ALLOWED_SKIPS)"; fail=1; skip=0
	fi
	why=
	[ "$verdict" = skip ] && why=": $(tail -n 1 "$log")"
	printf '%-6s %s (%s s)%s\n' "$verdict" "$name" "$took" "$why"
	case $verdict in FAIL*) tail -n 40 "$log" | sed 's/^/    | /' ;; esac
	echo "$pass $fail $skip" >"$logs/$name.count"
}

if [ "${RUN_ONE:-}" ]; then
	RUN_ONE= run_one "$1"
	exit 0
fi

for t in "$@"; do
	rm -f "$logs/$(echo "$t" | sed 's,^build/[^/]*/,,; s,/,_,g').count"
done
[ $# -gt 0 ] || { echo "run.sh: no tests given" >&2; exit 2; }
printf '%s\n' "$@" | RUN_ONE=1 xargs -P "$jobs" -n 1 "$0" -t "$limit"

pass=0 fail=0 skip=0
for t in "$@"; do
	f=$logs/$(echo "$t" | sed 's,^build/[^/]*/,,; s,/,_,g').count
	if [ -r "$f" ]; then
		read -r p q s <"$f"
		pass=$((pass + p)) fail=$((fail + q)) skip=$((skip + s))
	else
		echo "FAIL   $t left no result"
		fail=$((fail + 1))
	fi
done
echo "$pass passed, $fail failed, $skip skipped"
[ "$fail" -eq 0 ]
