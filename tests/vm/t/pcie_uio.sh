#!/bin/bash
# vm: kernel=6.12 mem=1G timeout=900 disks=5
# vm: devices=-device+nvme-subsys,id=ss0,nqn=lab0
# vm: devices=-device+nvme,id=nvA,serial=SS0,subsys=ss0+-device+nvme,id=nvB,serial=SS0,subsys=ss0
# vm: devices=-drive+if=none,id=d1,file=%disk1,format=raw,cache=unsafe+-device+nvme-ns,drive=d1,bus=nvA,nsid=1,shared=on,uuid=6d5b0a4e-1c35-4a60-9d4e-3a4f0f4c7f11
# vm: devices=-device+nvme,id=nvC,serial=C,cmb_size_mb=16,max_ioqpairs=4,msix_qsize=5,mdts=5
# vm: devices=-drive+if=none,id=d2,file=%disk2,format=raw,cache=unsafe
# vm: devices=-device+nvme-ns,drive=d2,bus=nvC,nsid=1,logical_block_size=4096,physical_block_size=4096
# vm: devices=-drive+if=none,id=d3,file=%disk3,format=raw,cache=unsafe
# vm: devices=-device+nvme-ns,drive=d3,bus=nvC,nsid=2,ms=8,pi=1,logical_block_size=4096,physical_block_size=4096
# vm: devices=-device+nvme,id=nvD,serial=D,zoned.zasl=5+-drive+if=none,id=d4,file=%disk4,format=raw,cache=unsafe
# vm: devices=-device+nvme-ns,drive=d4,bus=nvD,nsid=1,zoned=on,zoned.zone_size=4M,zoned.zone_capacity=3M,logical_block_size=4096,physical_block_size=4096
# vm: devices=-drive+if=none,id=d5,file=%disk5,format=raw,cache=unsafe+-device+nvme,id=nvE,serial=E,drive=d5
# peer: nvhost -> QEMU's drives, uio
# Drives of this machine by uio_pci_generic.
. "${0%/*}/../lib.sh"
BIND="--driver uio_pci_generic"
. "$VM_ROOT/tests/vm/pcie_io.sh"
