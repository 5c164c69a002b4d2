#!/bin/bash
# vm: kernel=6.12 mem=1G timeout=900 rdma=siw
# peer: kernel host -> target-lite, iWARP
# The kernel's host finds, connects, reads and writes what target-lite serves over RDMA; both by siw.
. "${0%/*}/../lib.sh"
. "$VM_ROOT/tests/vm/kernel_host_rdma.sh"
