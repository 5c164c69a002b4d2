#!/bin/bash
# vm: kernel=6.12 mem=1G timeout=600
# peer: nvhost -> nvmet
# What changes in the kernel's target reaches our host, and I/O through files outlives it.
. "${0%/*}/../lib.sh"
. "$VM_ROOT/tests/vm/nvmet.sh"
modprobe -a nvmet-tcp fuse
nvmet_subsys $NQN
nvmet_port 1 127.0.0.1 4420
nvmet_port 2 127.0.0.2 4421
nvmet_ana 1 2 optimized
nvmet_ana 2 2 optimized
nvmet_ns $NQN 1 "$(disk d1 64)" 2
nvmet_link 1 $NQN
nvmet_link 2 $NQN
F=$dir/mnt/$NQN
mkdir "$dir/mnt"
holds "connect, first port" nvhost connect -t tcp -a 127.0.0.1 -s 4420 -n $NQN
holds "connect, second port" nvhost connect -t tcp -a 127.0.0.2 -s 4421 -n $NQN
holds "mount" nvhost mount "$dir/mnt"
live() { [ "$(nvhost list-subsys | grep -c ' live')" = "$1" ]; }
listed() { nvhost list | grep -q "n$1 "; }
size_is() { [ "$(stat -c %s "$1")" = "$2" ]; }
path_is() { nvhost show-topology | grep "trsvcid=$1" | grep -qE " $2( |\$)"; } # SERVICE STATE

D=$N/subsystems/$NQN/namespaces
holds "namespace added: it is listed" eval "nvmet_ns $NQN 2 $(disk d2 32 4096) && until_true 10 listed 2"
holds "namespace added: its file" until_true 5 size_is "$F/n2" $((32 << 20))
holds "namespace added: I/O" verify "$F/n2" --rw=randrw --bs=4k --size=1m
holds "namespace disabled: it goes" eval "echo 0 >$D/2/enable && until_true 10 refused listed 2"
holds "namespace disabled: its file goes" until_true 5 refused test -e "$F/n2"
holds "namespace enabled: it comes back" eval "echo 1 >$D/2/enable && until_true 10 listed 2"
holds "namespace enabled: I/O" verify "$F/n2" --rw=randrw --bs=4k --size=1m
holds "namespace removed: it goes" eval "echo 0 >$D/2/enable && rmdir $D/2 && until_true 10 refused listed 2"
f=$(file_disk f3 16)
holds "namespace resized: its file grows" eval "nvmet_ns $NQN 3 $f && until_true 10 size_is $F/n3 $((16 << 20)) &&
	truncate -s 48M $f && echo 1 >$D/3/revalidate_size && until_true 10 size_is $F/n3 $((48 << 20))"
holds "namespace resized: I/O in the new part" verify "$F/n3" --rw=randrw --bs=4k --offset=40m --size=1m

under_verify() # COMMAND...: while fio verifies the file, without an error
{
	verify "$F/n1" --rw=randrw --bsrange=512-64k --size=4m --time_based --runtime=12 >"$dir/fio" 2>&1 &
	local fio=$!
	sleep 1
	"$@" || { end_verify $fio; return 1; }
	wait $fio || { cat "$dir/fio"; return 1; }
}
ports()
{
	nvmet_unlink 1 $NQN && until_true 10 live 1 && nvmet_link 1 $NQN && until_true 15 live 2 &&
		nvmet_unlink 2 $NQN && until_true 10 live 1 && nvmet_link 2 $NQN && until_true 15 live 2
}
holds "ports removed one after the other under verify" under_verify ports
no_port() { nvmet_unlink 1 $NQN && nvmet_unlink 2 $NQN && until_true 10 live 0 && nvmet_link 1 $NQN && nvmet_link 2 $NQN &&
	until_true 20 live 2; }
holds "all ports removed and back under verify" under_verify no_port
groups()
{
	echo non-optimized >$N/ports/1/ana_groups/2/ana_state && until_true 5 path_is 4420 non-optimized &&
		echo inaccessible >$N/ports/1/ana_groups/2/ana_state && until_true 5 path_is 4420 inaccessible &&
		echo optimized >$N/ports/1/ana_groups/2/ana_state && until_true 5 path_is 4420 optimized &&
		echo inaccessible >$N/ports/2/ana_groups/2/ana_state && until_true 5 path_is 4421 inaccessible
}
holds "ANA groups change under verify" under_verify groups
echo change >$N/ports/1/ana_groups/2/ana_state
back() { sleep 2; echo optimized >$N/ports/1/ana_groups/2/ana_state; }
back &
holds "I/O waits while no group is accessible" verify "$F/n1" --rw=randrw --bs=4k --size=512k
wait %2 2>/dev/null
echo optimized >$N/ports/2/ana_groups/2/ana_state
holds "controllers reset under verify" under_verify eval 'nvhost reset nvh0 && until_true 10 live 2 && nvhost reset nvh1 && until_true 10 live 2'
holds "a namespace's second group moves with it" eval "nvmet_ana 1 3 inaccessible; nvmet_ana 2 3 optimized; echo 3 >$D/1/ana_grpid &&
	until_true 10 path_is 4420 inaccessible && verify $F/n1 --rw=randrw --bs=4k --size=512k"
subsystem_gone() { nvmet_unlink 1 $NQN; nvmet_unlink 2 $NQN; until_true 10 live 0; }
holds "target gone: no path is live" subsystem_gone
holds "target gone: umount" nvhost umount "$dir/mnt"
holds "target gone: disconnect" nvhost disconnect -n $NQN
