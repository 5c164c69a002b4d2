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
		holds "perf --verify $bs" nvhost perf $at -n $NQN --nsid=1 --rw=randrw --bs=$bs --iodepth=16 --number_ios=200 \
			--size=32m --verify=1
	done
	holds "4 I/O queues, each its reactor" nvhost perf $at -n $NQN --nsid=1 --numjobs=4 --rw=randrw --bs=4k --iodepth=16 \
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
	verify "$F/n1" --rw=randrw --bsrange=512-64k --size=4m --time_based --runtime=8 >"$dir/fio" 2>&1 &
	local fio=$!
	sleep 1
	"$@" || { kill $fio; return 1; }
	wait $fio || { cat "$dir/fio"; return 1; }
}
holds "further paths, by RDMA and TCP" eval "nvhost connect -t rdma -a 192.168.78.1 -s 4420 -n $NQN &&
	nvhost connect -t tcp -a 192.168.77.1 -s 4421 -n $NQN && until_true 5 live 3"
holds "three paths are one namespace" eval '[ "$(nvhost list | grep -c "^nvh.*n1 ")" = 1 ]'
rdma_lost() { tl nvmf_subsystem_remove_listener "$(listener RDMA 192.168.77.1 4420)" && until_true 10 live 2 &&
	tl nvmf_subsystem_add_listener "$(listener RDMA 192.168.77.1 4420)" && until_true 20 live 3; }
tcp_lost() { tl nvmf_subsystem_remove_listener "$(listener TCP 192.168.77.1 4421)" && until_true 10 live 2 &&
	tl nvmf_subsystem_add_listener "$(listener TCP 192.168.77.1 4421)" && until_true 20 live 3; }
holds "RDMA lost, the others go on, under verify" under_verify rdma_lost
holds "TCP lost, the others go on, under verify" under_verify tcp_lost
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
none_held() { [ "$(rdma_left qp)" = 0 ] || { rdma resource show qp; false; }; }
holds "no queue pair is left" until_true 5 none_held
holds "the target ends in order" target_kill
