# RDMA in the guest, for vm tests; sourced after lib.sh: software RDMA (rdma_rxe: RoCE; siw: iWARP) on interfaces of
# its own.
# shellcheck shell=bash
modprobe -a rdma_ucm ib_uverbs
modprobe dummy numdummies=0

rdma_load() # rxe|siw: the kernel's driver
{
	case $1 in
	siw)
		modprobe libcrc32c
		modprobe siw 2>/dev/null || insmod "/lib/modules/$(uname -r)/extra/siw.ko"
		;;
	*) modprobe "rdma_$1" ;;
	esac
}

rdma_net() # INTERFACE ADDRESS rxe|siw [DEVICE]: an interface with RDMA on it
{
	rdma_load "$3"
	ip link add "$1" type dummy
	ip addr add "$2/24" dev "$1"
	ip link set "$1" mtu 9000 up
	rdma link add "${4:-$3_$1}" type "$3" netdev "$1"
	until_true 10 grep -q ACTIVE "/sys/class/infiniband/${4:-$3_$1}/ports/1/state"
}

rdma_count() { rdma resource show "$1" 2>/dev/null | wc -l; } # qp|cq|mr|pd...
# "rxe0: pd 2 cq 3 qp 1 mr 0 srq 0": what the devices have, so that leaks show; the first of some are the system's.
rdma_objects() { rdma resource show | sed -e 's/^[0-9]*: //' -e 's/ cm_id [0-9]*//' -e 's/ ctx [0-9]*//'; }
