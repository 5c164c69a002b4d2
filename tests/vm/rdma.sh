# RDMA in the guest, for vm tests; sourced after lib.sh: software RDMA (rdma_rxe: RoCE; siw: iWARP) on interfaces of
# its own. A header's word rdma=siw has that driver built; $VM_RDMA is the word's value.
# shellcheck shell=bash
# In this order, so that rdma_cm is the first to hear that a device goes: drivers without a way to take a device
# from a process let ib_uverbs wait for the processes, which hear of it by rdma_cm.
modprobe ib_uverbs
modprobe rdma_ucm
modprobe dummy numdummies=0

rdma_load() # rxe|siw: the kernel's driver
{
	case $1 in
	siw) modprobe siw ;;
	*) modprobe "rdma_$1" ;;
	esac
}

rdma_net() # INTERFACE ADDRESS [rxe|siw [DEVICE]]: an interface with RDMA on it
{
	local type=${3:-$VM_RDMA}
	local dev=${4:-${type}_$1}
	rdma_load "$type"
	ip link add "$1" type dummy
	ip addr add "$2/24" dev "$1"
	ip link set "$1" mtu 9000 up
	rdma link add "$dev" type "$type" netdev "$1"
	until_true 10 grep -q ACTIVE "/sys/class/infiniband/$dev/ports/1/state"
}

rdma_count() { rdma resource show "$1" 2>/dev/null | wc -l; } # qp|cq|mr|pd...
rdma_left() { rdma resource show "$1" 2>/dev/null | grep -v ' comm \[' | wc -l; } # the same: what processes hold
# "rxe0: pd 2 cq 3 qp 1 mr 0 srq 0": what the devices have, so that leaks show; the first of some are the system's.
rdma_objects() { rdma resource show | sed -e 's/^[0-9]*: //' -e 's/ cm_id [0-9]*//' -e 's/ ctx [0-9]*//'; }
rdma_held() # "qp 2 cq 4 ...": the same of all kinds
{
	local what
	for what in qp cq mr pd cm_id; do printf '%s %s ' $what "$(rdma_left $what)"; done
}
rdma_rounds() # CONNECT DISCONNECT: 50 times, and what is held then is what was held after the first
{
	local i before
	for ((i = 0; i < 50; i++)); do
		eval "$1" >/dev/null && eval "$2" >/dev/null || return 1
		[ $i != 0 ] || before=$(rdma_held)
	done
	until_true 5 eval '[ "$(rdma_held)" = "$before" ]' && return
	echo "after one round: $before; after 50: $(rdma_held)"
	return 1
}
