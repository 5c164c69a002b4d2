#!/bin/bash
# peer: nvhost, ASan, native -> nvmet
# Our host under ASan and UBSan, at native speed, on the kernel's target in a guest.
. "${0%/*}/../native.sh"
guest_start "$VM_ROOT/tests/vm/native/nvmet"
at="-t tcp -a 127.0.0.1 -s $port"
F=$dir/mnt/$NQN
mkdir "$dir/mnt"
live() { [ "$(nvhost list-subsys | grep -c ' live')" = "$1" ]; }
# The forwarding takes connections before the guest's side of the network has come up.
# shellcheck disable=SC2086
until_true 90 nvhost discover $at >/dev/null 2>&1
# shellcheck disable=SC2086
{
	holds "discover" says "subnqn: *$NQN" nvhost discover $at
	for digests in "" "-g" "-G" "-g -G"; do
		holds "connect, digests '$digests'" nvhost connect $at -n $NQN $digests
		holds "mount, digests '$digests'" nvhost mount "$dir/mnt"
		holds "verify 512 B to 128 KiB, digests '$digests'" \
			verify "$F/n1" --rw=randrw --bsrange=512-128k --size=16m
		holds "verify 4 KiB blocks, digests '$digests'" \
			verify "$F/n2" --rw=randrw --bsrange=4k-64k --size=16m
		holds "umount, digests '$digests'" nvhost umount "$dir/mnt"
		holds "disconnect, digests '$digests'" nvhost disconnect -n $NQN
	done
	holds "connect, 4 I/O queues" nvhost connect $at -n $NQN -i 4
	holds "perf --verify" nvhost perf $at -n $NQN --nsid=1 --rw=randrw --bs=4k --iodepth=32 --number_ios=5000 --verify=1
}
holds "mount" nvhost mount "$dir/mnt"
holds "verify 1 MiB transfers" verify "$F/n1" --rw=write --bs=1m --size=48m
holds "mkfs.ext4" mkfs.ext4 -q -F "$F/n1"
holds "e2fsck" e2fsck -fn "$F/n1"
holds "namespace disabled: it goes" eval 'guest "echo 0 >\$N/subsystems/$NQN/namespaces/2/enable" && until_true 10 refused test -e "$F/n2"'
holds "namespace enabled: it comes back" eval 'guest "echo 1 >\$N/subsystems/$NQN/namespaces/2/enable" && until_true 10 test -e "$F/n2"'
verify "$F/n1" --rw=randrw --bsrange=512-64k --size=16m --time_based --runtime=8 >"$dir/fio" 2>&1 &
fio=$!
sleep 1
holds "all ports removed: no path is live" eval 'guest "nvmet_unlink 1 $NQN" && until_true 10 live 0'
holds "all ports back: the path is live" eval 'guest "nvmet_link 1 $NQN" && until_true 20 live 1'
finished() { wait $fio || { cat "$dir/fio"; return 1; }; }
holds "all ports removed and back under verify" finished
holds "umount" nvhost umount "$dir/mnt"
holds "disconnect: all paths" nvhost disconnect -n $NQN
