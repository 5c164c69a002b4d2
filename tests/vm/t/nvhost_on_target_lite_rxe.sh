#!/bin/bash
# vm: kernel=6.12 mem=1G timeout=600 rdma=rxe
# peer: nvhost -> target-lite, RoCE
# Our host and our target over RDMA; both by rdma_rxe.
. "${0%/*}/../lib.sh"
. "$VM_ROOT/tests/vm/ours_on_ours_rdma.sh"
