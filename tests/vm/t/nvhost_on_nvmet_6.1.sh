#!/bin/bash
# vm: kernel=6.1 mem=1G timeout=600
# peer: nvhost -> nvmet 6.1
# The same as nvhost_on_nvmet, on an older kernel.
. "${0%/*}/../lib.sh"
. "$VM_ROOT/tests/vm/nvhost_on_nvmet.sh"
