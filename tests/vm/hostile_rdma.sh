# Hosts that break every rule of NVMe over RDMA, while the kernel's host verifies on the same target: the body of
# t/hostile_hosts_rdma_{rxe,siw}.sh, which name the driver.
# shellcheck shell=bash
. "${BASH_SOURCE[0]%/*}/rdma.sh"
Q=nqn.2026-01.io.nvhost:target-lite
modprobe -a nvme-rdma
rdma_net d0 192.168.77.1
target_lite --listen rdma:192.168.77.1:4420 --ns malloc:64M --in-capsule 8192
at="-t rdma -a 192.168.77.1 -s 4420"
# shellcheck disable=SC2086
holds "connect" nvme connect $at -n $Q -i 2 -k 15 -c 1
d=$(disk_of 1)
verify "$d" --rw=randrw --bsrange=512-64k --size=4m --rate_iops=150 --time_based --runtime=600 >"$dir/fio" 2>&1 &
fio=$!

warnings() { grep -c ' warn ' "$dir/target.log"; }
hostile() # CASE LINES: the target does what it must, and says so in as many lines
{
	local before
	before=$(warnings)
	timeout 30 "$HOSTILE" 192.168.77.1 4420 "$1" || return
	lines_are() { [ $(($(warnings) - before)) = "$1" ]; }
	until_true 3 lines_are "$2" || { tail -n 5 "$dir/target.log"; return 1; }
	! tail -n "$2" "$dir/target.log" | grep -E 'Assert|Sanitizer'
}
case $VM_RDMA in
rxe) short= ;; # RoCE pads private data: too little of it cannot be seen
*) short="no-private-data short-private-data" ;;
esac
for c in $short recfmt qid hsqsize-0 hsqsize-huge hrqsize-0 no-reads cntlid; do
	holds "a connection request is refused: $c" hostile $c 1
done
for c in icd-offset icd-length segment-outside too-many-descriptors descriptor-type too-long descriptors; do
	holds "a command fails: $c" hostile $c 0
done
for c in oversize runt bad-key outside flood; do
	holds "the connection ends with one line: $c" hostile $c 1
done
torn()
{
	local i
	for i in 1 2 3 4 5 6 7 8 9 10; do
		timeout 30 "$HOSTILE" 192.168.77.1 4420 "$1" || return
	done
}
holds "queue pairs torn down in the middle of transfers" torn torn
holds "hosts killed in the middle of transfers" torn killed
unassociated() { tl nvmf_get_stats | grep -q '"current_unassociated_qpairs": 0'; }
holds "nothing of them is left" until_true 15 unassociated
goes_on() { kill -0 $fio && nvme list-subsys | grep -q ' live' && ! dmesg | grep -E 'error recovery|Reconnecting'; }
holds "nobody else was disturbed" goes_on
end_verify $fio
holds "disconnect" nvme disconnect -n $Q
ends() { kill "$target_pid" && wait "$target_pid"; }
holds "the target ends in order" ends
