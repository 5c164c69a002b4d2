# The kernel's target by configfs, for vm tests; sourced after lib.sh.
# shellcheck shell=bash
N=/sys/kernel/config/nvmet
NQN=nqn.2026-01.io.nvhost:kernel

nvmet_load() { modprobe -a nvmet-tcp null_blk nr_devices=0 2>/dev/null || modprobe -a nvmet-tcp; }

disk() # NAME MIB [BLOCK SIZE]: a memory-backed null_blk, prints its device
{
	local d=/sys/kernel/config/nullb/$1
	[ -d /sys/kernel/config/nullb ] || modprobe null_blk nr_devices=0
	mkdir "$d"
	echo 1 >"$d/memory_backed"
	echo "$2" >"$d/size"
	echo "${3:-512}" >"$d/blocksize"
	echo 1 >"$d/discard"
	echo 1 >"$d/power"
	if [ -b "/dev/$1" ]; then echo "/dev/$1"; else echo "/dev/nullb$(cat "$d/index")"; fi
}
file_disk() { truncate -s "$2M" "/dev/shm/$1" && echo "/dev/shm/$1"; } # NAME MIB

nvmet_subsys() # NQN
{
	mkdir -p "$N/subsystems/$1"
	echo 1 >"$N/subsystems/$1/attr_allow_any_host"
}
nvmet_ns() # NQN NSID DEVICE [ANA GROUP]
{
	local d=$N/subsystems/$1/namespaces/$2
	mkdir -p "$d"
	echo -n "$3" >"$d/device_path"
	[ -z "${4:-}" ] || echo "$4" >"$d/ana_grpid"
	[ -b "$3" ] || echo 1 >"$d/buffered_io" # tmpfs knows no direct I/O in 6.1
	echo 1 >"$d/enable"
}
nvmet_port() # ID ADDRESS SERVICE [TRANSPORT]
{
	local p=$N/ports/$1
	mkdir -p "$p"
	echo ipv4 >"$p/addr_adrfam"
	echo "${4:-tcp}" >"$p/addr_trtype"
	echo "$2" >"$p/addr_traddr"
	echo "$3" >"$p/addr_trsvcid"
}
nvmet_ana() # PORT GROUP STATE
{
	mkdir -p "$N/ports/$1/ana_groups/$2"
	echo "$3" >"$N/ports/$1/ana_groups/$2/ana_state"
}
nvmet_link() { ln -s "$N/subsystems/$2" "$N/ports/$1/subsystems/$2"; } # PORT NQN
nvmet_unlink() { rm "$N/ports/$1/subsystems/$2"; }
