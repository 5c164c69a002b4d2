# What holds of drives however they are reached; see pcie.sh.
# shellcheck shell=bash
. "${BASH_SOURCE[0]%/*}/pcie.sh"
modprobe -a nvme fuse
until_true 20 eval '[ "$(ls -d /sys/class/nvme/nvme[0-9]* 2>/dev/null | wc -l)" = 5 ]'
drives
A=${BDF[SS00]} B=${BDF[SS01]} C=${BDF[C0]} D=${BDF[D0]} E=${BDF[E0]}
e=$(for c in /sys/class/nvme/nvme[0-9]*; do [ "$(cat "$c/address")" != "$E" ] || basename "$c"; done)
until_true 20 test -b "/dev/${e}n1"

holds "pci list shows the controllers and the kernel's disks" says "$E +0x010802 1b36:0010 nvme .*${e}n1" nvhost pci list
holds "pci list -o json" eval "nvhost pci list -o json | python3 -c '
import json, sys
d = {x[\"address\"]: x for x in json.load(sys.stdin)[\"devices\"]}
assert len(d) == 5 and d[sys.argv[1]][\"driver\"] == \"nvme\", d' $E"
holds "pci status" says "NVMe controllers +: 5 .5 the kernel" nvhost pci status

head -c 1048576 /dev/urandom >"$dir/r"
mkfs.ext4 -q -F "/dev/${e}n1"
mkdir "$dir/fs"
mount "/dev/${e}n1" "$dir/fs"
cp "$dir/r" "$dir/fs/file"
refusal() { ours "$E" 2>&1 | grep -F "$E: not bound, /dev/${e}n1 $1"; }
holds "a mounted drive is refused" refusal "is mounted on $dir/fs"
umount "$dir/fs"
mkswap "/dev/${e}n1" >/dev/null
swapon "/dev/${e}n1"
holds "a drive that is swap is refused" refusal "is swap"
swapoff "/dev/${e}n1"
mkfs.ext4 -q -F "/dev/${e}n1"
mount "/dev/${e}n1" "$dir/fs"
cp "$dir/r" "$dir/fs/file"
umount "$dir/fs"
holds "connect says that the kernel has it" eval "nvhost connect -t pcie -a $E -n $Q:E 2>&1 | grep 'nvhost pci bind $E'"

holds "bind, with hugepages" nvhost pci bind $BIND --hugepages 64 "$E"
holds "bind of what is bound is fine" ours "$E"
holds "discover -t pcie names the subsystem" says "$Q:E" nvhost discover -t pcie -a "$E"
holds "connect" nvhost connect -t pcie -a "$E"
holds "list" says "nvh0n1 .*QEMU NVMe Ctrl" nvhost list
holds "id-ctrl" says "QEMU NVMe Ctrl" nvhost id-ctrl nvh0
holds "a drive that is driven is not unbound" eval "nvhost pci unbind $E 2>&1 | grep 'nvhostd.*drives it'"
mkdir "$dir/mnt"
F=$dir/mnt/$Q:E
holds "mount" nvhost mount "$dir/mnt"
holds "the kernel's file system is there" e2fsck -fn "$F/n1"
holds "verify 512 B to 128 KiB" verify "$F/n1" --rw=randrw --bsrange=512-128k --size=2m
holds "verify 1 MiB transfers" verify "$F/n1" --rw=write --bs=1m --offset=16m --size=4m
holds "unaligned buffered I/O" eval "dd if=$dir/r of=$F/n1 bs=777 seek=50000 count=100 conv=notrunc status=none &&
	dd if=$F/n1 bs=777 skip=50000 count=100 status=none | cmp -n 77700 - $dir/r"
holds "reset" eval 'nvhost reset nvh0 && until_true 10 live 1'
holds "verify after the reset" verify "$F/n1" --rw=randrw --bs=4k --size=512k
mkfs.ext4 -q -F "$F/n1"
holds "umount" nvhost umount "$dir/mnt"
holds "disconnect" says "disconnected 1" nvhost disconnect -n $Q:E
holds "perf --verify" nvhost perf -t pcie -a "$E" --nsid=1 --rw=randrw --bs=4k --iodepth=16 \
	--offset=32m --size=4m --number_ios=1000 --verify=1
holds "hello_world" says "Hello world!" "$EXAMPLES/hello_world" -t pcie -a "$E"
holds "unbind" nvhost pci unbind "$E"
until_true 10 test -b "/dev/${e}n1"
holds "the kernel has it back" test "$(driver_of "$E")" = nvme

holds "bind a drive of two controllers" eval "ours $A && ours $B"
holds "connect, first controller" nvhost connect -t pcie -a "$A"
holds "connect, second controller" nvhost connect -t pcie -a "$B"
holds "two controllers are two paths to one namespace" eval \
	'live 2 && [ "$(nvhost list | grep -c "^nvh.*n1 ")" = 1 ]'
holds "mount the shared namespace" nvhost mount "$dir/mnt"
holds "verify over two controllers" verify "$dir/mnt/$Q:lab0/n1" --rw=randrw --bsrange=4k-64k --size=2m
holds "one controller away, verify" eval "nvhost disconnect -d nvh1 && live 1 &&
	verify '$dir/mnt/$Q:lab0/n1' --rw=randrw --bs=4k --size=512k"
nvhost umount "$dir/mnt"
holds "disconnect the drive" nvhost disconnect -n $Q:lab0

ours "$C"
holds "connect, with a controller memory buffer" nvhost connect -t pcie -a "$C"
nvhost mount "$dir/mnt"
holds "verify 4,096-byte blocks" verify "$dir/mnt/$Q:C/n1" --rw=randrw --bsrange=4k-64k --size=2m
holds "a namespace with metadata is named" says "n2 .*4 KiB \\+ +8 B" nvhost list
cp "$dir/r" "$dir/before"
meta_refused() # nothing is written to it
{
	[ ! -e "$dir/mnt/$Q:C/n2" ] || ! dd if="$dir/r" of="$dir/mnt/$Q:C/n2" bs=4096 count=1 oflag=direct conv=notrunc
}
holds "block I/O without metadata is refused" meta_refused
nvhost umount "$dir/mnt"
nvhost disconnect -n $Q:C

ours "$D"
holds "connect a zoned drive" nvhost connect -t pcie -a "$D"
holds "a zoned namespace is refused for block I/O" eval \
	"nvhost read $(nvhost list | awk '/^nvh/ { print $1; exit }') -s 0 -c 0 -z 4096 -d $dir/z 2>&1 | grep -i 'zoned\|command set'"
nvhost disconnect -n $Q:D
holds "all go back to the kernel" nvhost pci unbind "$A" "$B" "$C" "$D"
holds "the kernel drives them all" until_true 10 eval '[ "$(ls -d /sys/class/nvme/nvme[0-9]* | wc -l)" = 5 ]'
