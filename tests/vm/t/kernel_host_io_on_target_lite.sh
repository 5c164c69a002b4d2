#!/bin/bash
# vm: kernel=6.12 mem=1G timeout=600
# peer: kernel host -> target-lite
# Data of the kernel's host comes back from target-lite as it was written, in every shape.
. "${0%/*}/../lib.sh"
Q=nqn.2026-01.io.nvhost:target-lite
at="-t tcp -a 127.0.0.1 -s 4420"
modprobe -a nvme-tcp
target_lite --listen tcp:127.0.0.1:4420 --ns malloc:64M --ns malloc:64M,bs=4096

for digests in "" "-g" "-G" "-g -G"; do
	# shellcheck disable=SC2086
	holds "connect, digests '$digests'" nvme connect $at -n $Q -i 2 $digests
	small=$(disk_of 1) large=$(disk_of 2)
	holds "verify 512 B to 128 KiB, digests '$digests'" \
		verify "$small" --rw=randrw --bsrange=512-128k --size=3m
	holds "verify 4 KiB blocks, digests '$digests'" \
		verify "$large" --rw=randrw --bsrange=4k-64k --size=3m
	nvme disconnect -n $Q >/dev/null
done

# Two default and two write queues: four I/O queues on two CPUs.
holds "connect, 4 I/O queues" nvme connect $at -n $Q -i 2 --nr-write-queues=2
small=$(disk_of 1)
holds "4 I/O queues are granted" says "mapped 2/2/0" dmesg
holds "verify on 4 I/O queues" verify "$small" --rw=randrw --bs=4k --size=2m --numjobs=2 --offset_increment=8m
holds "verify 1 MiB transfers" verify "$small" --rw=write --bs=1m --size=16m
holds "mkfs.ext4" mkfs.ext4 -q -F "$small"
holds "e2fsck" e2fsck -fn "$small"
files()
{
	mkdir -p "$dir/mnt" && mount "$small" "$dir/mnt" && cp -r /usr/share/perl5 "$dir/mnt" &&
		umount "$dir/mnt" && mount "$small" "$dir/mnt" && diff -r /usr/share/perl5 "$dir/mnt/perl5"
	local rc=$?
	umount "$dir/mnt"
	return $rc
}
[ -d /usr/share/perl5 ] && holds "files on ext4 survive an umount" files
holds "blkdiscard" blkdiscard -f "$small"
holds "blkdiscard -z" blkdiscard -z "$small"
zeroes() { cmp -n 1048576 "$small" /dev/zero; }
holds "zeroed blocks read as zero" zeroes

head -c 4096 /dev/urandom >"$dir/a"
head -c 4096 /dev/urandom >"$dir/b"
n="$small -s 100 -c 7 -z 4096"
# shellcheck disable=SC2086
{
	holds "nvme write" nvme write $n -d "$dir/a"
	back() { nvme read $n -d "$dir/back" && cmp "$dir/back" "$1"; }
	holds "nvme read" back "$dir/a"
	holds "nvme compare, equal" nvme compare $n -d "$dir/a"
	holds "nvme compare, different" says "COMPARE_FAILED|Compare Failure|compare" eval "! nvme compare $n -d $dir/b"
	holds "nvme write-zeroes" nvme write-zeroes "$small" -s 100 -c 7
	head -c 4096 /dev/zero >"$dir/z"
	holds "write-zeroes zeroes" back "$dir/z"
	holds "nvme dsm, deallocate" nvme dsm "$small" -d -s 100 -b 8
	holds "nvme flush" nvme flush "$small"
	holds "nvme verify" nvme verify "$small" -s 0 -c 7
	holds "io-passthru read" nvme io-passthru "$small" -o 2 -n 1 -l 4096 -r --cdw10=100 --cdw12=7
	holds "a read behind the end is refused" refused nvme read "$small" -s 131072 -c 0 -z 512 -d "$dir/x"
	holds "an unknown opcode is refused" refused nvme io-passthru "$small" -o 0x7f -n 1
}
if nvme id-ns "$small" | grep -q '^rescap *: 0$'; then
	holds "reservations, not offered, are refused" refused nvme resv-report "$small"
else
	holds "resv-register" nvme resv-register "$small" --nrkey=0x11 --rrega=0
	holds "resv-acquire" nvme resv-acquire "$small" --crkey=0x11 --rtype=1 --racqa=0
	holds "resv-report" says "rtype *: 1" nvme resv-report "$small" -e
	holds "resv-release" nvme resv-release "$small" --crkey=0x11 --rtype=1 --rrela=0
	holds "resv-register, unregister" nvme resv-register "$small" --crkey=0x11 --rrega=1
fi
nvme disconnect -n $Q >/dev/null
