#!/bin/bash
# vm: kernel=6.12 mem=1G timeout=600
# peer: kernel host -> target-lite
# What changes in target-lite reaches the kernel's host, and I/O outlives it.
. "${0%/*}/../lib.sh"
Q=nqn.2026-01.io.nvhost:target-lite
modprobe -a nvme-tcp
serve() { target_lite --listen tcp:127.0.0.1:4420 --listen tcp:127.0.0.1:4421 --ana \
	--ns malloc:64M,uuid=11111111-2222-4333-8444-555555555555; }
serve
path() { nvme connect -t tcp -a 127.0.0.1 -s "$1" -n $Q -i 2 -c 1 -k 5; }
live() { [ "$(nvme list-subsys | grep -c ' live')" = "$1" ]; }
states() { cat /sys/class/nvme/nvme*/nvme*c*n1/ana_state | sort | tr '\n' ' '; }
states_are() { [ "$(states)" = "$1 " ] || { states; false; }; }
holds "connect, first path" path 4420
holds "connect, second path" path 4421
holds "two paths are live" until_true 20 live 2
holds "two paths are one disk" eval 'until_true 10 test -b /dev/nvme0n1 && ! ls /dev/nvme?n[2-9]'

listener() { echo "{\"nqn\":\"$Q\",\"listen_address\":{\"trtype\":\"TCP\",\"adrfam\":\"IPv4\",\"traddr\":\"127.0.0.1\",\"trsvcid\":\"$1\"}$2}"; }
ana() { tl nvmf_subsystem_listener_set_ana_state "$(listener "$1" ",\"ana_state\":\"$2\"")" >/dev/null; }
holds "ANA: both optimized" until_true 10 states_are "optimized optimized"
ana 4420 non_optimized
holds "ANA: one listener becomes non-optimized" until_true 10 states_are "non-optimized optimized"
ana 4420 inaccessible
holds "ANA: one listener becomes inaccessible" until_true 10 states_are "inaccessible optimized"
flip() # I/O goes on while the good path wanders
{
	verify /dev/nvme0n1 --rw=randrw --bs=4k --size=4m --time_based --runtime=8 >"$dir/fio" 2>&1 &
	local fio=$! s
	for s in 4420:optimized 4421:inaccessible 4421:optimized 4420:inaccessible 4420:optimized; do
		sleep 1
		ana "${s%:*}" "${s#*:}"
	done
	wait $fio || { cat "$dir/fio"; return 1; }
}
holds "ANA: I/O goes on while the accessible path changes" flip
holds "ANA: both optimized again" until_true 10 states_are "optimized optimized"

group_moves()
{
	tl nvmf_subsystem_listener_set_ana_state "$(listener 4420 ",\"ana_state\":\"inaccessible\",\"anagrpid\":2")" &&
		tl nvmf_subsystem_set_ns_ana_group "{\"nqn\":\"$Q\",\"nsid\":1,\"anagrpid\":2}" &&
		until_true 10 states_are "inaccessible optimized" &&
		tl nvmf_subsystem_set_ns_ana_group "{\"nqn\":\"$Q\",\"nsid\":1,\"anagrpid\":1}" &&
		until_true 10 states_are "optimized optimized"
}
holds "ANA: a namespace moves to another group" group_moves

tl bdev_malloc_create '{"name":"X","num_blocks":8192,"block_size":4096}' >/dev/null
holds "namespace added: the disk appears" eval "tl nvmf_subsystem_add_ns '{\"nqn\":\"$Q\",\"namespace\":{\"bdev_name\":\"X\",\"nsid\":5}}' &&
	test -b \$(disk_of 5)"
X=$(disk_of 5)
size_is() { [ "$(blockdev --getsize64 "$1")" = "$2" ]; }
holds "namespace added: its size" size_is $X $((8192 * 4096))
tl bdev_null_create '{"name":"Z","num_blocks":8192,"block_size":4096}' >/dev/null
tl nvmf_subsystem_add_ns "{\"nqn\":\"$Q\",\"namespace\":{\"bdev_name\":\"Z\",\"nsid\":6}}" >/dev/null
Z=$(disk_of 6)
holds "namespace resized: the disk grows" eval "size_is $Z $((8192 * 4096)) &&
	tl bdev_null_resize '{\"name\":\"Z\",\"new_size\":64}' && until_true 10 size_is $Z $((64 << 20))"
holds "namespace removed: the disk goes" eval "tl nvmf_subsystem_remove_ns '{\"nqn\":\"$Q\",\"nsid\":5}' && until_true 10 refused test -b $X"

holds "reset" eval 'nvme reset /dev/nvme0 && until_true 20 live 2'
verify /dev/nvme0n1 --rw=randrw --bs=4k --size=4m --time_based --runtime=12 >"$dir/fio" 2>&1 &
fio=$!
sleep 2
holds "listener removed: its controllers are lost" eval "tl nvmf_subsystem_remove_listener '$(listener 4420 "")' && until_true 20 live 1"
holds "listener added: the path comes back" eval "tl nvmf_subsystem_add_listener '$(listener 4420 "")' && until_true 30 live 2"
finished() { wait $fio || { cat "$dir/fio"; return 1; }; }
holds "verify over the loss of a path" finished

# All data is lost with the memory; the controllers are not.
target_kill KILL
holds "target killed: no path is live" until_true 30 live 0
serve
holds "target restarted: both paths are live" until_true 40 live 2
holds "target restarted: I/O" verify /dev/nvme0n1 --rw=randrw --bs=4k --size=1m
holds "disconnect" nvme disconnect -n $Q
