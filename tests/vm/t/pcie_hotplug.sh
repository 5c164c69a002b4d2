#!/bin/bash
# vm: kernel=6.12 mem=1G timeout=900 iommu=1 disks=1 monitor=1
# vm: devices=-device+pcie-root-port,id=rp1,chassis=1,slot=1
# vm: devices=-blockdev+driver=file,filename=%disk1,node-name=d1+-device+nvme,id=nvE,serial=E,drive=d1,bus=rp1
# peer: nvhost -> QEMU's drives, VFIO
# A drive is pulled out under load and put back: the path is lost, I/O waits, and goes on.
. "${0%/*}/../lib.sh"
BIND=
. "$VM_ROOT/tests/vm/pcie.sh"
modprobe -a nvme fuse
until_true 30 test -e /sys/class/nvme/nvme0/serial
drives
E=${BDF[E0]}
mkdir "$dir/mnt"
holds "bind a drive behind a slot" ours "$E"
holds "connect it" nvhost connect -t pcie -a "$E"
holds "mount it" nvhost mount "$dir/mnt"
verify "$dir/mnt/$Q:E/n1" --rw=randwrite --bs=4k --size=2m --rate_iops=50 >"$dir/fio" 2>&1 &
load=$!
monitor device_del nvE
holds "unplugged under load: the path is lost" until_true 60 live 0
holds "unplugged: the kernel has let it go" until_true 60 test ! -e "/sys/bus/pci/devices/$E"
holds "unplugged: I/O waits" kill -0 $load
monitor "device_add nvme,id=nvE,serial=E,drive=d1,bus=rp1"
holds "plugged in again: the kernel finds it" until_true 60 test -e "/sys/bus/pci/devices/$E/driver"
holds "plugged in again, bound: the path is back" eval "until_true 30 ours $E && until_true 30 live 1"
verified() { wait $load || { cat "$dir/fio"; return 1; }; }
holds "verify over unplug and replug: 0 errors" verified
holds "the kernel asks for it: unbound by hand, the path is lost" eval \
	"echo $E >/sys/bus/pci/drivers/vfio-pci/unbind && until_true 30 live 0"
holds "bound again: the path is back" eval "until_true 30 ours $E && until_true 30 live 1"
holds "verify after that" verify "$dir/mnt/$Q:E/n1" --rw=randrw --bs=4k --size=256k
