# Our host on the kernel's target: the body of t/nvhost_on_nvmet*.sh, which name the kernel.
# shellcheck shell=bash
. "${BASH_SOURCE[0]%/*}/nvmet.sh"
modprobe -a nvmet-tcp fuse
at="-t tcp -a 127.0.0.1 -s 4420"
nvmet_subsys $NQN
nvmet_port 1 127.0.0.1 4420
nvmet_port 2 127.0.0.2 4421
nvmet_ns $NQN 1 "$(disk d1 64 512)"
nvmet_ns $NQN 2 "$(disk d2 64 4096)"
nvmet_ns $NQN 3 "$(file_disk f3 32)"
nvmet_link 1 $NQN
nvmet_link 2 $NQN
F=$dir/mnt/$NQN
mkdir "$dir/mnt"

# shellcheck disable=SC2086
{
	holds "discover" says "subnqn: *$NQN" nvhost discover $at
	discovery_json() { nvhost discover $at -o json >"$dir/d.json" && python3 -c '
import json, sys
log = json.load(open(sys.argv[1]))
assert sys.argv[2] in {r["subnqn"] for r in log["records"]}, log' "$dir/d.json" $NQN; }
	holds "discover -o json" discovery_json
	holds "discover: silence after a wrong port is an error" refused nvhost discover -t tcp -a 127.0.0.1 -s 4999
	holds "connect to an unknown subsystem is refused" refused nvhost connect $at -n nqn.2026-01.io.nvhost:nobody
}
for digests in "" "-g" "-G" "-g -G"; do
	# shellcheck disable=SC2086
	{
		holds "connect, digests '$digests'" nvhost connect $at -n $NQN $digests
		until_true 10 says "nvh0n3" nvhost list >/dev/null
		holds "mount, digests '$digests'" nvhost mount "$dir/mnt"
		holds "verify 512 B to 128 KiB, digests '$digests'" \
			verify "$F/n1" --rw=randrw --bsrange=512-128k --size=3m
		holds "verify 4 KiB blocks, digests '$digests'" \
			verify "$F/n2" --rw=randrw --bsrange=4k-64k --size=3m
		holds "umount, digests '$digests'" nvhost umount "$dir/mnt"
		holds "disconnect, digests '$digests'" says "disconnected 1" nvhost disconnect -n $NQN
	}
done

# shellcheck disable=SC2086
holds "connect, 4 I/O queues" nvhost connect $at -n $NQN -i 4 -k 5
holds "connect, the second port" nvhost connect -t tcp -a 127.0.0.2 -s 4421 -n $NQN
holds "two ports are two paths" eval '[ "$(nvhost list-subsys | grep -c " live")" = 2 ]'
holds "two paths are one namespace" eval '[ "$(nvhost list | grep -c "^nvh.*n1 ")" = 1 ]'
holds "show-topology" says "optimized" nvhost show-topology
holds "mount" nvhost mount "$dir/mnt"
by_id() { cmp "$(readlink -f "$dir"/mnt/by-id/nvme-uuid."$(cat "$N/subsystems/$NQN/namespaces/1/device_uuid")")" "$F/n1"; }
holds "by-id names the namespace by its UUID" by_id
holds "verify 1 MiB transfers" verify "$F/n1" --rw=write --bs=1m --size=16m
holds "verify on a file-backed namespace" verify "$F/n3" --rw=randrw --bsrange=4k-256k --size=4m
holds "unaligned buffered I/O" eval "head -c 100001 /dev/urandom >$dir/r && dd if=$dir/r of=$F/n2 bs=777 seek=5 conv=notrunc status=none &&
	dd if=$F/n2 bs=777 skip=5 count=129 status=none | cmp -n 100001 - $dir/r"
holds "perf --verify" nvhost perf $at -n $NQN --nsid=1 --rw=randrw --bs=4k --iodepth=16 --number_ios=2000 --verify=1
holds "the target's disk holds what was written" eval "head -c 1048576 /dev/urandom >$dir/m && dd if=$dir/m of=$F/n1 bs=64k oflag=direct conv=notrunc status=none &&
	echo 3 >/proc/sys/vm/drop_caches && cmp -n 1048576 $dir/m $(cat "$N/subsystems/$NQN/namespaces/1/device_path")"
holds "mkfs.ext4" mkfs.ext4 -q -F "$F/n1"
holds "e2fsck" e2fsck -fn "$F/n1"
holds "punch a hole" fallocate -p -o 1048576 -l 1048576 "$F/n1"
holds "zeroed blocks read as zero" eval "dd if=$F/n1 bs=1M skip=1 count=1 status=none | cmp -n 1048576 - /dev/zero"

head -c 4096 /dev/urandom >"$dir/a"
holds "write" nvhost write nvh0n1 -s 100 -c 7 -z 4096 -d "$dir/a"
holds "read" eval "nvhost read nvh0n1 -s 100 -c 7 -z 4096 -d $dir/back && cmp $dir/a $dir/back"
holds "write-zeroes" nvhost write-zeroes nvh0n1 -s 100 -c 7
holds "write-zeroes zeroes" eval "nvhost read nvh0n1 -s 100 -c 7 -z 4096 -d $dir/back && cmp -n 4096 $dir/back /dev/zero"
holds "dsm, deallocate" nvhost dsm nvh0n1 -d -s 100 -b 8
holds "flush" nvhost flush nvh0n1
holds "compare, which nvmet lacks, is refused" refused nvhost compare nvh0n1 -s 100 -c 7 -z 4096 -d "$dir/a"
holds "io-passthru read" nvhost io-passthru nvh0n1 -o 2 -n 1 -l 4096 -r --cdw10=100 --cdw12=7
holds "admin-passthru identify" nvhost admin-passthru nvh0 -o 6 -l 4096 -r --cdw10=1
holds "an unknown log page is refused" refused nvhost get-log nvh0 -i 0x7e -l 64
idle() # twice the keep-alive time without I/O
{
	sleep 11
	[ "$(nvhost list-subsys | grep -c ' live')" = 2 ] && ! dmesg | grep 'keep-alive timer.*expired'
}
holds "keep-alive keeps an idle controller" idle
holds "reset" eval 'nvhost reset nvh0 && until_true 10 eval "[ \$(nvhost list-subsys | grep -c \" live\") = 2 ]"'
holds "verify after the reset" verify "$F/n1" --rw=randrw --bs=4k --size=1m
holds "umount" nvhost umount "$dir/mnt"
holds "disconnect: all paths" says "disconnected 2" nvhost disconnect -n $NQN
# shellcheck disable=SC2086
holds "connect-all" nvhost connect-all $at
holds "connect-all: connected" says "$NQN" nvhost list-subsys
holds "disconnect-all" nvhost disconnect-all
