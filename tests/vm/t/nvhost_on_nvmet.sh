#!/bin/bash
# vm: kernel=6.12 mem=1G timeout=600
# peer: nvhost -> nvmet
# Our host finds, connects, reads and writes what the kernel's target serves.
. "${0%/*}/../lib.sh"
. "$VM_ROOT/tests/vm/nvhost_on_nvmet.sh"
