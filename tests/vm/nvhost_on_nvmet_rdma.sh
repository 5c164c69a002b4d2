# Our host on the kernel's target over RDMA: the body of t/nvhost_on_nvmet_{rxe,siw}.sh, which name the driver.
# shellcheck shell=bash
. "${BASH_SOURCE[0]%/*}/nvmet.sh"
. "${BASH_SOURCE[0]%/*}/rdma.sh"
modprobe -a nvmet-rdma nvmet-tcp fuse
at="-t rdma -a 192.168.77.1 -s 4420"
fails_with() # REGEX COMMAND...
{
	local re=$1
	shift
	! "$@" >"$dir/says" 2>&1 && has "$re" "$dir/says"
}
# shellcheck disable=SC2086
holds "without a device: one line with what to do" fails_with "no RDMA device here.*rdma link add" nvhost discover $at
rdma_net d0 192.168.77.1 && rdma_net d1 192.168.78.1
nvmet_subsys $NQN
nvmet_port 1 192.168.77.1 4420 rdma
nvmet_port 2 192.168.78.1 4420 rdma
nvmet_port 3 192.168.77.1 4421 tcp
nvmet_ns $NQN 1 "$(disk d1 64 512)"
nvmet_ns $NQN 2 "$(disk d2 64 4096)"
for p in 1 2 3; do nvmet_link $p $NQN; done
F=$dir/mnt/$NQN
mkdir "$dir/mnt"
live() { [ "$(nvhost list-subsys | grep -c ' live')" = "$1" ]; }

# shellcheck disable=SC2086
{
	holds "discover" says "subnqn: *$NQN" nvhost discover $at
	holds "discover -o json" eval "nvhost discover $at -o json | python3 -m json.tool"
	holds "a port where nobody listens is refused" fails_with "connection refused .is a listener there" nvhost connect -t rdma -a 192.168.77.1 -s 4999 -n $NQN
	holds "connect to an unknown subsystem is refused" refused nvhost connect $at -n nqn.2026-01.io.nvhost:nobody
	ip link add plain type dummy && ip addr add 192.168.99.1/24 dev plain && ip link set plain up
	holds "an address without RDMA is said to be" fails_with "no RDMA device leads to this address" \
		nvhost discover -t rdma -a 192.168.99.2 -s 4420
	holds "--host-traddr" nvhost discover $at --host-traddr=192.168.77.1
	holds "--host-traddr of a stranger is refused" fails_with "192.168.66.6" nvhost discover $at --host-traddr=192.168.66.6
	holds "--host-iface is refused with what to do" fails_with "give the interface's address as --host-traddr" \
		nvhost discover $at --host-iface=d0
	limited() { setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock prlimit --memlock="$1" nvhost discover $at; }
	holds "a limit of locked memory too low: names it and the value needed" \
		fails_with "limit of locked memory is 4 KiB, needed are 8 KiB .ulimit -l 8" limited 4096
	holds "a low limit that will just do" limited 65536
	for bs in 512 4k 64k 128k 1m; do
		holds "verify $bs" nvhost perf $at -n $NQN --nsid=1 --rw=randrw --bs=$bs --iodepth=16 --number_ios=200 \
			--size=32m --verify=1
	done
	holds "verify on 4 I/O queues" nvhost perf $at -n $NQN --nsid=1 --numjobs=4 --rw=randrw --bs=4k --iodepth=16 \
		--number_ios=2000 --size=16m --verify=1
	holds "every shape of buffers, registered and not" "$SHAPES" $at -n $NQN --nsid 1

	holds "connect" nvhost connect $at -n $NQN --tos=8 -k 5
}
holds "list-subsys names the transport" says "rdma traddr=192.168.77.1,trsvcid=4420" nvhost list-subsys
holds "list" says "nvh0n2" nvhost list
holds "mount" nvhost mount "$dir/mnt"
holds "verify 512 B to 128 KiB" verify "$F/n1" --rw=randrw --bsrange=512-128k --size=3m
holds "verify 1 MiB transfers" verify "$F/n1" --rw=write --bs=1m --size=16m
holds "verify 4 KiB blocks" verify "$F/n2" --rw=randrw --bsrange=4k-64k --size=3m
holds "unaligned buffered I/O" eval "head -c 100001 /dev/urandom >$dir/r && dd if=$dir/r of=$F/n2 bs=777 seek=5 conv=notrunc status=none &&
	dd if=$F/n2 bs=777 skip=5 count=129 status=none | cmp -n 100001 - $dir/r"
holds "mkfs.ext4" mkfs.ext4 -q -F "$F/n1"
holds "e2fsck" e2fsck -fn "$F/n1"
holds "id-ctrl" nvhost id-ctrl nvh0
holds "smart-log" nvhost smart-log nvh0
holds "admin-passthru identify" nvhost admin-passthru nvh0 -o 6 -l 4096 -r --cdw10=1
holds "an unknown log page is refused" refused nvhost get-log nvh0 -i 0x7e -l 64
idle() { sleep 11; live 1 && ! dmesg | grep 'keep-alive timer.*expired'; }
holds "keep-alive keeps an idle controller" idle
holds "reset" eval 'nvhost reset nvh0 && until_true 10 live 1'

under_verify() # COMMAND...: while fio verifies the file, without an error
{
	verify "$F/n1" --rw=randrw --bsrange=512-64k --size=4m --time_based --runtime=8 >"$dir/fio" 2>&1 &
	local fio=$!
	sleep 1
	"$@" || { end_verify $fio; return 1; }
	wait $fio || { cat "$dir/fio"; return 1; }
}
again() # the device and its listener once more
{
	rdma link add "${VM_RDMA}_d0" type "$VM_RDMA" netdev d0
	nvmet_unlink 1 $NQN
	until_true 10 nvmet_link 1 $NQN
}
# rdma_rxe's management queue pair fails for good when a message meets a link that is down (6.12; the kernel's own
# host does not connect any more either): it takes a new device.
cable()
{
	ip link set d0 down
	[ "$VM_RDMA" = siw ] || until_true 10 live 0 || return 1
	sleep 2
	ip link set d0 up
	[ "$VM_RDMA" = siw ] || { rdma link delete rxe_d0 && again; } || return 1
	until_true 30 live 1
}
holds "one path, its cable pulled and back under verify" under_verify cable
removed() { rdma link delete "${VM_RDMA}_d0" && until_true 10 live "$1" && again && until_true 30 live $(($1 + 1)); } # LEFT
holds "one path, its device removed and back under verify" under_verify removed 0

holds "a second path by TCP" nvhost connect -t tcp -a 192.168.77.1 -s 4421 -n $NQN
holds "RDMA and TCP are one namespace" eval '[ "$(nvhost list | grep -c "^nvh.*n1 ")" = 1 ]'
rdma_lost() { nvmet_unlink 1 $NQN && until_true 10 live 1 && nvmet_link 1 $NQN && until_true 20 live 2; }
tcp_lost() { nvmet_unlink 3 $NQN && until_true 10 live 1 && nvmet_link 3 $NQN && until_true 20 live 2; }
holds "RDMA lost, the others go on, under verify" under_verify rdma_lost
holds "TCP lost, the others go on, under verify" under_verify tcp_lost
holds "both in turn, under verify" under_verify eval 'rdma_lost && tcp_lost'
both_lost() { nvmet_unlink 1 $NQN && nvmet_unlink 3 $NQN && until_true 10 live 0 && nvmet_link 1 $NQN && nvmet_link 3 $NQN &&
	until_true 20 live 2; }
holds "the target gone and back under verify" under_verify both_lost
holds "RDMA's device removed and back, the others go on, under verify" under_verify removed 1
# ANA, over two ports of RDMA, by a namespace in a group of its own.
nvmet_ana 1 2 optimized
nvmet_ana 2 2 inaccessible
nvmet_ana 3 2 inaccessible
echo 2 >$N/subsystems/$NQN/namespaces/1/ana_grpid
holds "a third path, by RDMA" nvhost connect -t rdma -a 192.168.78.1 -s 4420 -n $NQN
holds "three paths are live" until_true 5 live 3
ana()
{
	local p
	for p in 2 3 1 2; do
		nvmet_ana 1 2 inaccessible; nvmet_ana 2 2 inaccessible; nvmet_ana 3 2 inaccessible
		sleep 0.3
		nvmet_ana $p 2 optimized
		sleep 1
	done
}
holds "ANA failover between RDMA and TCP, under verify" under_verify ana
holds "umount" nvhost umount "$dir/mnt"
holds "disconnect: all paths" says "disconnected 3" nvhost disconnect -n $NQN

# shellcheck disable=SC2086
holds "connect-all" nvhost connect-all $at
holds "connect-all: connected by RDMA" says "rdma traddr=192.168.77.1" nvhost list-subsys
holds "disconnect-all" nvhost disconnect-all

holds "50 rounds of connect and disconnect leave no QP, MR or PD" rdma_rounds "nvhost connect $at -n $NQN" \
	"nvhost disconnect -n $NQN"
none_held() { rdma_held | grep -qE '^([a-z_]+ 0 )+$' || { rdma_held; rdma resource show qp; false; }; }
holds "nothing is held when nothing is connected" until_true 5 none_held
