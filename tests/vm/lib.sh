# What vm tests share; sourced first. Outside a guest it boots the one that the test's header asks for and
# runs the test in it. Inside: holds "NAME" COMMAND counts what holds, until_true waits with a
# deadline, target_lite and the nvhost of this build stand ready, and the end prints the counts.
# The report (tests/vm/report) is made of the "ok NAME" and "FAIL NAME" lines.
# shellcheck shell=bash
[ "${VM_GUEST:-}" ] || exec "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/run" "$0" "$@"
set -u
BIN=${BIN:-$VM_ROOT/build/bin}
PATH=$BIN:$PATH
dir=$(mktemp -d) # the test's own, in the guest's memory
passed=0 failed=0
export NVHOST_RUNTIME_DIR=/run/nvhost NVHOST_STATE_DIR=$dir NVHOST_CONFIG_DIR=$dir

. "$VM_ROOT/tests/vm/holds.sh"

# The kernel numbers its disks in the order in which their scans end, not by NSID.
disk_of() # NSID [CONTROLLER]: the disk of it, once it is there
{
	local i d
	for ((i = 0; i < 200; i++)); do
		for d in /sys/block/nvme[0-9]*n[0-9]*; do
			if [ "$(cat "$d/nsid" 2>/dev/null)" = "$1" ] && [ -b "/dev/${d##*/}" ]; then
				echo "/dev/${d##*/}"
				return
			fi
		done
		sleep 0.1
	done
	echo "/dev/no-disk-of-namespace-$1"
}

TL_RPC=$dir/target.sock
target_lite() # ARGS...: started and ready
{
	target-lite --rpc "$TL_RPC" "$@" >>"$dir/target.log" 2>&1 &
	target_pid=$!
	until_true 20 grep -q ^ready "$dir/target.log"
}
target_kill() # NOW is the signal KILL, else TERM; waits
{
	kill "-${1:-TERM}" "$target_pid"
	wait "$target_pid" 2>/dev/null
	: >"$dir/target.log"
	rm -f "$TL_RPC"
}
tl() { target-lite rpc -s "$TL_RPC" "$@"; } # METHOD [JSON]

finish()
{
	local rc=$?
	trap - EXIT
	if dmesg | grep -E 'BUG:|WARNING:|Oops|Call Trace|blocked for more' >"$dir/kernel"; then
		# The kernel's word on our peer behaviour: shown, and a failure.
		echo "FAIL  the kernel has nothing to complain about"
		dmesg | grep -A 25 -E 'BUG:|WARNING:|Oops|Call Trace|blocked for more' | head -60 | sed 's/^/    | /'
		failed=$((failed + 1))
	fi
	if [ $failed -gt 0 ] || [ $rc -ne 0 ]; then
		for log in "$dir/target.log" /run/nvhost/nvhostd.log; do
			[ ! -s "$log" ] || { echo "--- $log"; tail -n 30 "$log"; }
		done
		echo "--- dmesg"
		dmesg | grep -i nvm | tail -n 30
	fi
	echo "$passed passed, $failed failed, 0 skipped"
	[ $failed -eq 0 ] || rc=1
	exit $rc
}
trap finish EXIT
