#!/bin/bash
# vm: kernel=6.12 mem=1G timeout=800 rdma=rxe
# peer: nvhost -> nvmet, RoCE
# Our host finds, connects, reads and writes what the kernel's target serves over RDMA; both by rdma_rxe.
. "${0%/*}/../lib.sh"
. "$VM_ROOT/tests/vm/nvhost_on_nvmet_rdma.sh"
