#!/bin/bash
# vm: kernel=6.12 mem=1500M timeout=900 rdma=rxe
# What an I/O over RDMA costs our host, in a guest of the lab (make bench-rdma): user
# instructions of a 4 KiB read beside a bare verbs ping-pong of the same bytes, both under callgrind; and the wall
# time beside the kernel's host, each against the kernel's target over rdma_rxe, medians of 5.
. "${0%/*}/../vm/lib.sh"
. "$VM_ROOT/tests/vm/nvmet.sh"
. "$VM_ROOT/tests/vm/rdma.sh"
PINGPONG=${PINGPONG:-$VM_ROOT/build/$MODE/tests/bench/verbs_pingpong}
A=192.168.77.1
at="-t rdma -a $A -s 4420 -n $NQN"
modprobe -a nvmet-rdma nvme-rdma
rdma_net d0 $A
nvmet_subsys $NQN
nvmet_ns $NQN 1 "$(disk d1 64)"
nvmet_port 1 $A 4420 rdma
nvmet_link 1 $NQN

counted() # COMMAND...: its user instructions. On a busy machine a connection may not come in time: tried again
{
	for _ in 1 2 3 4 5; do
		valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file="$dir/callgrind" "$@" >"$dir/said" &&
			break
	done
	sed -n 's/.*Collected *: *//p' "$dir/callgrind"
}
bare() { counted "$PINGPONG" -a $A -s 4096 -d 16 -n "$1"; }
# shellcheck disable=SC2086
ours() { counted nvhost perf $at --rw=randread --bs=4k --iodepth=16 --number_ios="$1"; }
each() { echo $((($($1 3000) - $($1 1000)) / 2000)); } # FUNCTION: of one; a run's start and end cancel out
median() { sort -n | sed -n 3p; }
# shellcheck disable=SC2086
us_ours() { nvhost perf $at --rw=randread --bs=4k --iodepth="$1" --number_ios="$2" -o json | python3 -c '
import json, sys
print("%.1f" % (1e6 / json.load(sys.stdin)["read"]["iops"]))'; }
us_kernel() { fio --name=r --filename="$disk" --rw=randread --bs=4k --iodepth="$1" --number_ios="$2" --ioengine=libaio --direct=1 \
	--minimal | awk -F';' '{ printf "%.1f\n", 1e6 / $8 }'; }
us_bare() { "$PINGPONG" -a $A -s 4096 -d "$1" -n "$2" | sed 's/.*: \([0-9.]*\) us.*/\1/'; }
five() { for _ in 1 2 3 4 5; do "$@"; done | median; }

echo "user instructions of a 4 KiB read, 16 at a time (callgrind)"
echo "  bare verbs      $(each bare)"
echo "  nvhost          $(each ours)"
nvme connect -t rdma -a $A -s 4420 -n $NQN --nr-io-queues=1
disk=$(disk_of 1)
echo "microseconds a 4 KiB read, median of 5, in the same guest"
echo "                  QD 1    QD 16"
echo "  bare verbs      $(five us_bare 1 1000)   $(five us_bare 16 5000)"
echo "  nvhost          $(five us_ours 1 1000)   $(five us_ours 16 5000)"
echo "  kernel host     $(five us_kernel 1 1000)   $(five us_kernel 16 5000)"
nvme disconnect -n $NQN >/dev/null
