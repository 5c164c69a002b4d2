#!/bin/bash
# vm: kernel=6.12 mem=1G timeout=800 rdma=siw
# peer: nvhost -> nvmet, iWARP
# Our host finds, connects, reads and writes what the kernel's target serves over RDMA; both by siw.
. "${0%/*}/../lib.sh"
. "$VM_ROOT/tests/vm/nvhost_on_nvmet_rdma.sh"
