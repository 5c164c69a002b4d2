# Our host on our target over RDMA: the body of t/nvhost_on_target_lite_{rxe,siw}.sh, which name the driver.
# shellcheck shell=bash
. "${BASH_SOURCE[0]%/*}/rdma.sh"
NQN=nqn.2026-01.io.nvhost:target-lite
modprobe fuse
rdma_net d0 192.168.77.1 && rdma_net d1 192.168.78.1
at="-t rdma -a 192.168.77.1 -s 4420"
serve()
{
	target_lite --listen rdma:192.168.77.1:4420 --listen rdma:192.168.78.1:4420 --listen tcp:192.168.77.1:4421 --ana \
		--ns malloc:64M,uuid=11111111-2222-4333-8444-555555555555 --ns malloc:64M,bs=4096,uuid=11111111-2222-4333-8444-666666666666
}
listener() { echo "{\"nqn\":\"$NQN\",\"listen_address\":{\"trtype\":\"$1\",\"adrfam\":\"ipv4\",\"traddr\":\"$2\",\"trsvcid\":\"$3\"}${4:-}}"; }
live() { [ "$(nvhost list-subsys | grep -c ' live')" = "$1" ]; }
F=$dir/mnt/$NQN
mkdir "$dir/mnt"
holds "target-lite listens" serve
# shellcheck disable=SC2086
{
	holds "discover" says "subnqn: *$NQN" nvhost discover $at
	holds "a port where nobody listens is refused" refused nvhost connect -t rdma -a 192.168.77.1 -s 4999 -n $NQN
	holds "connect to an unknown subsystem is refused" refused nvhost connect $at -n nqn.2026-01.io.nvhost:nobody
	for bs in 512 4k 64k 128k 1m; do
		holds "verify $bs" nvhost perf $at -n $NQN --nsid=1 --rw=randrw --bs=$bs --iodepth=16 --number_ios=200 \
			--size=32m --verify=1
	done
	holds "verify on 4 I/O queues" nvhost perf $at -n $NQN --nsid=1 --numjobs=4 --rw=randrw --bs=4k --iodepth=16 \
		--number_ios=2000 --size=16m --verify=1
	holds "every shape of buffers, registered and not" "$SHAPES" $at -n $NQN --nsid 1
	holds "connect" nvhost connect $at -n $NQN
}
holds "mount" nvhost mount "$dir/mnt"
holds "verify 512 B to 128 KiB" verify "$F/n1" --rw=randrw --bsrange=512-128k --size=3m
holds "verify 1 MiB transfers" verify "$F/n1" --rw=write --bs=1m --size=16m
holds "verify 4 KiB blocks" verify "$F/n2" --rw=randrw --bsrange=4k-64k --size=3m
holds "compare, equal and not" eval "head -c 4096 /dev/urandom >$dir/a && nvhost write nvh0n1 -s 8 -c 7 -z 4096 -d $dir/a &&
	nvhost compare nvh0n1 -s 8 -c 7 -z 4096 -d $dir/a && refused nvhost compare nvh0n1 -s 8 -c 7 -z 4096 -d /dev/zero"

under_verify() # COMMAND...: while fio verifies the file, without an error
{
	verify "$F/n1" --rw=randrw --bsrange=512-64k --size=4m --time_based --runtime="${seconds:-8}" >"$dir/fio" 2>&1 &
	local fio=$!
	sleep 1
	"$@" || { end_verify $fio; return 1; }
	wait $fio || { cat "$dir/fio"; return 1; }
}
# See nvhost_on_nvmet_rdma.sh for what rdma_rxe needs after a link that was down.
again() { rdma link add "${VM_RDMA}_d0" type "$VM_RDMA" netdev d0; } # the target listens there by itself
cable()
{
	ip link set d0 down
	[ "$VM_RDMA" = siw ] || until_true 10 live 0 || return 1
	sleep 2
	ip link set d0 up
	[ "$VM_RDMA" = siw ] || { rdma link delete rxe_d0 && again; } || return 1
	until_true 30 live 1
}
removed() { rdma link delete "${VM_RDMA}_d0" && until_true 10 live "$1" && again && until_true 30 live $(($1 + 1)); } # LEFT
holds "one path, its cable pulled and back under verify" under_verify cable
holds "one path, its device removed and back under verify" under_verify removed 0
# Faults of the target's, each once to a command of the namespace.
struck() # FAULT...
{
	local f
	for f in "$@"; do
		tl fault_add "{\"nsid\":1,\"count\":1,$f}" >/dev/null && until_true 10 eval 'tl fault_list | grep -qE "\"fired\": *1"' &&
			tl fault_clear >/dev/null && until_true 20 live 1 || { echo "$f"; return 1; }
	done
}
seconds=20
holds "one path, connections dropped and responses malformed on command, under verify" under_verify struck \
	'"kind":"drop_connection"' '"kind":"malformed_pdu","field":"cccid"' '"kind":"malformed_pdu","field":"plen"'
holds "a wrong CID is one line that says why" has "protocol error.*CID" /run/nvhost/nvhostd.log
holds "a wrong length is one line that says why" has "protocol error: a response capsule of 15 bytes" /run/nvhost/nvhostd.log
holds "one path, path errors and a silent connection on command, under verify" under_verify struck \
	'"kind":"status","sct":3,"sc":3' '"kind":"silence"'
seconds=8
holds "further paths, by RDMA and TCP" eval "nvhost connect -t rdma -a 192.168.78.1 -s 4420 -n $NQN &&
	nvhost connect -t tcp -a 192.168.77.1 -s 4421 -n $NQN && until_true 5 live 3"
holds "three paths are one namespace" eval '[ "$(nvhost list | grep -c "^nvh.*n1 ")" = 1 ]'
rdma_lost() { tl nvmf_subsystem_remove_listener "$(listener RDMA 192.168.77.1 4420)" && until_true 10 live 2 &&
	tl nvmf_subsystem_add_listener "$(listener RDMA 192.168.77.1 4420)" && until_true 20 live 3; }
tcp_lost() { tl nvmf_subsystem_remove_listener "$(listener TCP 192.168.77.1 4421)" && until_true 10 live 2 &&
	tl nvmf_subsystem_add_listener "$(listener TCP 192.168.77.1 4421)" && until_true 20 live 3; }
holds "RDMA lost, the others go on, under verify" under_verify rdma_lost
holds "TCP lost, the others go on, under verify" under_verify tcp_lost
holds "RDMA's device removed and back, the others go on, under verify" under_verify removed 2
ana() { tl nvmf_subsystem_listener_set_ana_state "$(listener "$1" "$2" "$3" ",\"ana_state\":\"$4\"")" >/dev/null; }
flip()
{
	local s
	for s in inaccessible optimized inaccessible non_optimized; do
		ana RDMA 192.168.77.1 4420 $s && ana RDMA 192.168.78.1 4420 $s && sleep 1 || return 1
	done
	ana TCP 192.168.77.1 4421 inaccessible && sleep 1
	ana TCP 192.168.77.1 4421 optimized
}
holds "ANA failover between RDMA and TCP, under verify" under_verify flip
killed() { target_kill KILL; until_true 20 live 0; }
holds "target killed: no path is live" killed
holds "target restarted: all paths are live" eval "serve && until_true 30 live 3"
holds "target restarted: I/O" verify "$F/n1" --rw=randrw --bsrange=512-64k --size=1m
holds "umount" nvhost umount "$dir/mnt"
holds "disconnect" says "disconnected 3" nvhost disconnect -n $NQN
# shellcheck disable=SC2086
holds "50 rounds of connect and disconnect leave no QP, MR or PD" rdma_rounds "nvhost connect $at -n $NQN" \
	"nvhost disconnect -n $NQN"
no_qp() { [ "$(rdma_left qp)" = 0 ] || { rdma resource show qp; false; }; }
holds "no queue pair is left" until_true 5 no_qp
holds "the target ends in order" target_kill
