#!/bin/bash
# vm: kernel=6.12 mem=1G timeout=600 rdma=siw
# peer: nvhost -> target-lite, iWARP
# Our host and our target over RDMA; both by siw.
. "${0%/*}/../lib.sh"
. "$VM_ROOT/tests/vm/ours_on_ours_rdma.sh"
