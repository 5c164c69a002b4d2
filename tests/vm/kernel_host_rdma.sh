# The kernel's host on target-lite over RDMA: the body of t/kernel_host_rdma_on_target_lite_{rxe,siw}.sh, which name the
# driver.
# shellcheck shell=bash
. "${BASH_SOURCE[0]%/*}/rdma.sh"
Q=nqn.2026-01.io.nvhost:target-lite
modprobe -a nvme-rdma nvme-tcp
holds "no device: listening says so" eval \
	"! target-lite --no-rpc --listen rdma:192.168.77.1:4420 --ns null:1G 2>$dir/err && has 'no RDMA device' $dir/err"
holds "a limit of locked memory that is too low is named, and what is needed" eval \
	"! setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock prlimit --memlock=1048576 \
		target-lite --no-rpc --listen rdma:192.168.77.1:4420 --ns null:1G 2>$dir/err &&
		has 'need [0-9]+ KiB of locked memory, the limit is 1024 KiB .ulimit -l [0-9]+' $dir/err"
rdma_net d0 192.168.77.1 && rdma_net d1 192.168.78.1
at="-t rdma -a 192.168.77.1 -s 4420"
listener() # ADDRESS PORT [TRTYPE [MORE]]
{
	echo "{\"nqn\":\"$Q\",\"listen_address\":{\"trtype\":\"${3:-rdma}\",\"traddr\":\"$1\",\"trsvcid\":\"$2\"}${4:-}}"
}
serve() # as an SPDK user would: no command line, all by RPC
{
	target_lite && tl nvmf_create_transport '{"trtype":"TCP"}' &&
		tl nvmf_create_transport '{"trtype":"RDMA","io_unit_size":8192,"max_io_size":131072,"in_capsule_data_size":8192}' &&
		tl bdev_malloc_create '{"name":"A","num_blocks":131072,"block_size":512,"uuid":"11111111-2222-4333-8444-555555555555"}' &&
		tl bdev_malloc_create '{"name":"B","num_blocks":16384,"block_size":4096}' &&
		tl nvmf_create_subsystem "{\"nqn\":\"$Q\",\"allow_any_host\":true,\"ana_reporting\":true}" &&
		tl nvmf_subsystem_add_ns "{\"nqn\":\"$Q\",\"namespace\":{\"bdev_name\":\"A\",\"nsid\":1}}" &&
		tl nvmf_subsystem_add_ns "{\"nqn\":\"$Q\",\"namespace\":{\"bdev_name\":\"B\",\"nsid\":2}}" &&
		tl nvmf_subsystem_add_listener "$(listener 192.168.77.1 4420)" &&
		tl nvmf_subsystem_add_listener "$(listener 192.168.78.1 4420)" &&
		tl nvmf_subsystem_add_listener "$(listener 192.168.77.1 4421 tcp)"
}
live() { [ "$(nvme list-subsys | grep -c ' live')" = "$1" ]; }

holds "listeners by RPC, as SPDK's users type them" serve
holds "listening where no device is says so" eval \
	"! tl nvmf_subsystem_add_listener '$(listener 127.0.0.1 4420)' >$dir/err 2>&1 && has 'rdma link' $dir/err"
holds "nvmf_subsystem_get_listeners" says '"trtype": "RDMA"' tl nvmf_subsystem_get_listeners "{\"nqn\":\"$Q\"}"

# shellcheck disable=SC2086
{
	holds "discover" says "subnqn: *$Q" nvme discover $at
	case $VM_RDMA in siw) prtype=iwarp ;; *) prtype=roce-v2 ;; esac
	holds "discover: the provider type" says "rdma_prtype: *$prtype" nvme discover $at
	holds "discover: how to connect" says "rdma_cms: *rdma-cm" nvme discover $at
	holds "a port where nobody listens is refused" refused nvme connect -t rdma -a 192.168.77.1 -s 4999 -n $Q
	holds "connect to an unknown subsystem is refused" refused nvme connect $at -n nqn.2026-01.io.nvhost:nobody
	holds "connect" nvme connect $at -n $Q -i 2 -k 5
}
small=$(disk_of 1) large=$(disk_of 2)
holds "list" says "$small" nvme list
holds "list-subsys names the transport" says "rdma traddr=192.168.77.1" nvme list-subsys
holds "id-ctrl: keyed descriptors and offsets" says "sgls *: 0x100005" nvme id-ctrl /dev/nvme0
holds "id-ctrl: in-capsule data" says "ioccsz *: 516" nvme id-ctrl /dev/nvme0
for bs in 512 4k 64k 128k; do
	holds "verify $bs" verify "$small" --rw=randrw --bs=$bs --size=3m
done
holds "verify 512 B to 128 KiB" verify "$small" --rw=randrw --bsrange=512-128k --size=3m
holds "verify 1 MiB transfers" verify "$small" --rw=write --bs=1m --size=16m
holds "verify 4 KiB blocks" verify "$large" --rw=randrw --bsrange=4k-64k --size=3m
holds "mkfs.ext4" mkfs.ext4 -q -F "$small"
holds "e2fsck" e2fsck -fn "$small"
files()
{
	mkdir -p "$dir/mnt" && mount "$small" "$dir/mnt" && cp -r /usr/share/perl5 "$dir/mnt" &&
		umount "$dir/mnt" && mount "$small" "$dir/mnt" && diff -r /usr/share/perl5 "$dir/mnt/perl5"
	local rc=$?
	umount "$dir/mnt"
	return $rc
}
[ -d /usr/share/perl5 ] && holds "files on ext4 survive an umount" files
holds "a read behind the end is refused" refused nvme read "$small" -s 131072 -c 0 -z 512 -d "$dir/x"
holds "nvmf_get_stats counts" says '"total_send_wrs": [1-9]' tl nvmf_get_stats
idle() { sleep 11 && live 1; }
holds "keep-alive keeps an idle controller" idle
holds "reset" eval 'nvme reset /dev/nvme0 && until_true 20 live 1'
nvme disconnect -n $Q >/dev/null
# shellcheck disable=SC2086
holds "connect, 4 I/O queues" nvme connect $at -n $Q -i 2 --nr-write-queues=2 -k 5 -c 1
holds "4 I/O queues are granted" says "mapped 2/2/0" dmesg
small=$(disk_of 1)
holds "verify on 4 I/O queues" verify "$small" --rw=randrw --bs=4k --size=2m --numjobs=2 --offset_increment=8m

under_verify() # COMMAND...: while fio verifies the disk, without an error
{
	verify "$small" --rw=randrw --bsrange=512-64k --size=4m --time_based --runtime="${seconds:-8}" >"$dir/fio" 2>&1 &
	local fio=$!
	sleep 1
	"$@" || { nvme disconnect -n $Q; end_verify $fio; return 1; }
	wait $fio || { cat "$dir/fio"; return 1; }
}
# The kernel's host forgets the controllers of a device that is removed, so they are connected anew; its disk goes
# with the last of them.
removed() # PATHS THAT ARE LEFT
{
	rdma link delete "${VM_RDMA}_d0" && until_true 20 live "$1" && rdma link add "${VM_RDMA}_d0" type "$VM_RDMA" netdev d0 &&
		until_true 20 path rdma 192.168.77.1 4420 && until_true 20 live $(($1 + 1))
}
listener_back() { tl nvmf_subsystem_remove_listener "$(listener 192.168.77.1 4420)" && until_true 20 live $(($1 - 1)) &&
	tl nvmf_subsystem_add_listener "$(listener 192.168.77.1 4420)" && until_true 60 live "$1"; }
holds "its listener removed and back under verify" under_verify listener_back 1

path() { nvme connect -t "$1" -a "$2" -s "$3" -n $Q -i 2 -k 5 -c 1; }
states() { cat /sys/class/nvme/nvme*/nvme*c*n1/ana_state | sort | tr '\n' ' '; }
states_are() { [ "$(states)" = "$1 " ] || { states; false; }; }
ana() { tl nvmf_subsystem_listener_set_ana_state "$(listener "$1" 4420 rdma ",\"ana_state\":\"$2\"")" >/dev/null; }
[ "$VM_RDMA" != siw ] || holds "one path, its cable pulled and back under verify" under_verify \
	eval 'ip link set d0 down; sleep 3; ip link set d0 up; until_true 60 live 1'
holds "a second path by RDMA" path rdma 192.168.78.1 4420
holds "a third by TCP" path tcp 192.168.77.1 4421
holds "three paths are live" until_true 20 live 3
holds "three paths are one namespace" eval '[ "$(lsblk -dno NAME | grep -c nvme)" = 2 ]'
flip()
{
	local s
	for s in 77:inaccessible 78:inaccessible 77:optimized 78:non_optimized 78:optimized; do
		sleep 1
		ana "192.168.${s%:*}.1" "${s#*:}"
	done
}
holds "ANA failover between RDMA and TCP, under verify" under_verify flip
holds "ANA: all optimized again" until_true 10 states_are "optimized optimized optimized"
holds "RDMA's device removed and back, the others go on, under verify" under_verify removed 2
lost() # ADDRESS PORT TRANSPORT: a listener, until its path is gone, and back
{
	tl nvmf_subsystem_remove_listener "$(listener "$@")" && until_true 20 live 2 &&
		tl nvmf_subsystem_add_listener "$(listener "$@")" && until_true 60 live 3
}
holds "RDMA lost, the others go on, under verify" under_verify lost 192.168.77.1 4420 rdma
holds "TCP lost, the others go on, under verify" under_verify lost 192.168.77.1 4421 tcp
target_kill KILL
holds "target killed: no path is live" until_true 60 live 0
holds "target restarted" serve
holds "target restarted: all paths are live" until_true 60 live 3
holds "target restarted: I/O" verify "$small" --rw=randrw --bs=4k --size=1m
holds "disconnect" nvme disconnect -n $Q

# shellcheck disable=SC2086
holds "50 rounds of connect and disconnect leave no QP, MR or PD" rdma_rounds "nvme connect $at -n $Q -i 2" "nvme disconnect -n $Q"
holds "no connection is left in the target" eval "tl nvmf_get_stats >$dir/st && ! grep -E 'current_.*: [1-9]' $dir/st"
target_ends() { kill "$target_pid" && wait "$target_pid"; }
holds "the target ends in order" target_ends

# Last, because rdma_rxe does not survive a link that was down: the kernel's host waits for ever to connect, to its own
# target too. siw's TCP between two ends of one machine does not pass through the link.
cable()
{
	ip link set d0 down
	[ "$VM_RDMA" != siw ] || { sleep 5; ip link set d0 up; until_true 60 live 3; return; }
	until_true 30 live 2
}
again() { serve && path rdma 192.168.77.1 4420 && path rdma 192.168.78.1 4420 && path tcp 192.168.77.1 4421 && until_true 20 live 3; }
holds "a new target, three paths" again
small=$(disk_of 1)
holds "its cable pulled, the others go on, under verify" under_verify cable
