#!/bin/sh
# The main job, seen: a target comes up, nvhost discovers it, connects, a namespace appears as a
# file, data is written and verified through it. Real sockets, no root, nothing left behind.
set -eu
bin=${BIN:-$(dirname "$0")/../build/bin}
bin=$(cd "$bin" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/nvhost-demo.XXXXXX")
export XDG_RUNTIME_DIR="$work/run" XDG_STATE_HOME="$work/state" XDG_CONFIG_HOME="$work/config"
export NVHOST_SOCKET="$work/run/nvhostd.sock"
mkdir -p -m 700 "$XDG_RUNTIME_DIR" "$XDG_STATE_HOME" "$XDG_CONFIG_HOME" "$work/mnt"
nqn=nqn.2016-06.io.spdk:cnode1
target=

cleanup()
{
	status=$?
	"$bin/nvhost" umount "$work/mnt" >/dev/null 2>&1 || true
	"$bin/nvhost" disconnect-all >/dev/null 2>&1 || true
	[ -r "$work/run/nvhostd.pid" ] && kill "$(cat "$work/run/nvhostd.pid")" 2>/dev/null || true
	[ -n "$target" ] && kill "$target" 2>/dev/null && wait "$target" 2>/dev/null || true
	rm -rf "$work"
	exit $status
}
trap cleanup EXIT
trap 'exit 1' INT TERM

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
run()
{
	printf '\033[36m$ %s\033[0m\n' "$(echo "$*" | sed "s,$bin/,,g; s,$work,\$DEMO,g")"
	"$@"
}

say "1. A target: one 64 MiB namespace in memory, on a free port of 127.0.0.1"
"$bin/target-lite" --listen tcp:127.0.0.1:0 --ns malloc:64M --nqn "$nqn" --rpc "$work/target.sock" \
	>"$work/target.out" 2>&1 &
target=$!
for _ in $(seq 200); do
	grep -q '^ready' "$work/target.out" && break
	kill -0 "$target" 2>/dev/null || { cat "$work/target.out"; exit 1; }
	sleep 0.02
done
port=$(sed -n 's/.*tcp:127.0.0.1:\([0-9]*\).*/\1/p' "$work/target.out" | head -n 1)
cat "$work/target.out"

say "2. What is there?"
run "$bin/nvhost" discover -t tcp -a 127.0.0.1 -s "$port"

say "3. Connect"
run "$bin/nvhost" connect -t tcp -a 127.0.0.1 -s "$port" -n "$nqn"
run "$bin/nvhost" list
run "$bin/nvhost" list-subsys

say "4. The namespaces as files"
run "$bin/nvhost" mount "$work/mnt"
file="$work/mnt/$nqn/n1"
run ls -lR "$work/mnt"

say "5. Write 8 MiB through the file, read it back, compare"
head -c 8388608 /dev/urandom >"$work/data"
run dd if="$work/data" of="$file" bs=1M conv=notrunc,fsync status=none
run cmp -n 8388608 "$work/data" "$file"
echo "equal: $(head -c 8388608 "$file" | sha256sum | cut -c1-16)... = $(sha256sum <"$work/data" | cut -c1-16)..."
if command -v mkfs.ext4 >/dev/null 2>&1 || [ -x /sbin/mkfs.ext4 ]; then
	PATH=$PATH:/sbin:/usr/sbin
	say "6. A file system on it"
	run mkfs.ext4 -q -F "$file"
	run e2fsck -fn "$file"
fi

say "7. Away again"
run "$bin/nvhost" umount "$work/mnt"
run "$bin/nvhost" disconnect -n "$nqn"
say "done: discover, connect, mount, write, verify, umount, disconnect"
