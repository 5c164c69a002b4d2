#!/bin/bash
# peer: the lab
# A guest's script gives its output and status back; a hang and a panic are bounded and shown.
set -u
dir=$(mktemp -d)
VM_ROOT=$(cd "$(dirname "$(readlink -f "$0")")/../../.." && pwd)
passed=0 failed=0
. "$VM_ROOT/tests/vm/holds.sh"
trap 'rm -rf "$dir"' EXIT

script() # NAME, its lines from stdin
{
	{ echo "#!/bin/bash"; cat; } >"$dir/$1"
	chmod +x "$dir/$1"
}
ends_with() # STATUS SCRIPT [ARG...]
{
	local want=$1 got
	shift
	"$VM_ROOT/tests/vm/run" "$@" >"$dir/log" 2>&1
	got=$?
	[ "$got" = "$want" ] || { echo "exit $got, not $want:"; cat "$dir/log"; return 1; }
}

script status <<'S'
echo "args: $1|$2, user $(id -u)"; rm "$0"; exit 7
S
holds "a script's status comes back" ends_with 7 "$dir/status" "a 'b" c
holds "a script's output comes back" has "args: a 'b\|c, user 0" "$dir/log"
holds "nothing that the guest writes reaches the host" test -s "$dir/status"
script hang <<'S'
# vm: timeout=10
sleep 1000
S
holds "a hang ends in its time" ends_with 124 "$dir/hang"
holds "a hang is shown" has "ran out of its" "$dir/log"
script long <<'S'
# vm: timeout=200
echo running; sleep 190
S
interrupted() # its guest goes with it, at once
{
	"$VM_ROOT/tests/vm/run" "$dir/long" >"$dir/log" 2>&1 &
	local run=$!
	until_true 100 grep -q running "$dir/log"
	kill $run
	until_true 10 refused kill -0 $run && refused pgrep -P $run
}
holds "interrupted, it ends at once" interrupted
script panic <<'S'
# vm: timeout=60
echo c >/proc/sysrq-trigger
S
holds "a panic ends the guest" ends_with 125 "$dir/panic"
holds "a panic is shown" has "Kernel panic|sysrq triggered crash|SysRq" "$dir/log"
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
