#!/bin/bash
# vm: kernel=6.12 mem=1G timeout=400 rdma=rxe
# peer: hostile hosts -> target-lite, RoCE
# What a host does wrong over RDMA ends its own command or connection, with one line, and disturbs nobody.
. "${0%/*}/../lib.sh"
. "$VM_ROOT/tests/vm/hostile_rdma.sh"
