# The second way to meet the kernel: our programs run here, native, and a guest's nvmet-tcp is reached through a
# forwarded port. Sourced by tests that run on this machine; guest "COMMAND" runs a line in the guest.
# The environment says which build (BIN); under a sanitizer its reports fail the test.
# shellcheck shell=bash
set -u
VM_ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
BIN=${NATIVE_BIN:-${BIN:-$VM_ROOT/build/bin}}
PATH=$BIN:$PATH
dir=$(mktemp -d)
NQN=nqn.2026-01.io.nvhost:kernel
export NVHOST_RUNTIME_DIR=$dir/run NVHOST_STATE_DIR=$dir NVHOST_CONFIG_DIR=$dir
export LSAN_OPTIONS=suppressions=$VM_ROOT/tests/lsan.supp:print_suppressions=0
mkdir -m 700 "$dir/run"
passed=0 failed=0 guest_pid=''
# shellcheck source=tests/vm/holds.sh
. "$VM_ROOT/tests/vm/holds.sh"

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

guest_start() # SCRIPT: one that reads commands from stdin (native/*)
{
	port=$(free_port)
	mkfifo "$dir/to" "$dir/from"
	VM_FORWARD_PORT=$port "$VM_ROOT/tests/vm/run" -i "$1" <"$dir/to" >"$dir/from" 2>"$dir/guest.err" &
	guest_pid=$!
	exec 5>"$dir/to" 6<"$dir/from"
	guest true
}

guest() # COMMAND: its output and status
{
	local line
	echo "$1" >&5
	while IFS= read -r -t 120 line <&6; do
		case $line in
		"= "*) return "${line#= }" ;;
		*) echo "$line" ;;
		esac
	done
	echo "the guest does not answer: $(cat "$dir/guest.err")"
	return 1
}

finish()
{
	local rc=$? pid
	trap - EXIT
	pid=$(cat "$dir/run/nvhostd.pid" 2>/dev/null)
	if [ "$pid" ]; then
		kill "$pid"
		holds "nvhostd ends in order" until_true 30 refused kill -0 "$pid" 2>/dev/null
		holds "the sanitizers have nothing to say" refused grep -E 'Sanitizer|runtime error:' "$dir/run/nvhostd.log"
	fi
	[ -z "$guest_pid" ] || { echo "exit 0" >&5; exec 5>&- 6<&-; wait "$guest_pid"; }
	if [ $failed -gt 0 ] || [ $rc -ne 0 ]; then
		tail -n 40 "$dir/run/nvhostd.log" "$dir/guest.err"
		rc=1
	fi
	mountpoint -q "$dir/mnt" && umount -l "$dir/mnt"
	rm -rf "$dir"
	echo "$passed passed, $failed failed, 0 skipped"
	exit $rc
}
trap finish EXIT
