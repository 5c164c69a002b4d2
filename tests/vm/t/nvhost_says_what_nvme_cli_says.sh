#!/bin/bash
# vm: kernel=6.12 mem=1G timeout=400
# peer: nvhost beside nvme-cli
# On one controller of the kernel's target and one of target-lite, nvhost prints what nvme-cli prints.
. "${0%/*}/../lib.sh"
. "$VM_ROOT/tests/vm/nvmet.sh"
modprobe -a nvmet-tcp nvme-tcp fuse
nvmet_subsys $NQN
nvmet_port 1 127.0.0.1 4420
nvmet_ns $NQN 1 "$(disk d1 64)"
nvmet_link 1 $NQN
L=nqn.2026-01.io.nvhost:target-lite
target_lite --listen tcp:127.0.0.1:4430 --ns malloc:64M,bs=4096 --ana
# Both are the same host; ours has its folder of settings in $dir.
mkdir -p /etc/nvme
[ -s /etc/nvme/hostnqn ] || nvme gen-hostnqn >/etc/nvme/hostnqn
Q=$(cat /etc/nvme/hostnqn)
echo "${Q##*:}" >/etc/nvme/hostid
cp /etc/nvme/hostnqn /etc/nvme/hostid "$dir"

both() # SERVICE NQN: connected by both, as one host
{
	nvme connect -t tcp -a 127.0.0.1 -s "$1" -n "$2" -q "$Q" && nvhost connect -t tcp -a 127.0.0.1 -s "$1" -n "$2" -q "$Q"
}
# The kernel's names become ours; what differs between two controllers goes, and nvme-cli's sentence behind
# the name of a status.
normal() { sed -E "s/nvme0n1/nvh0n1/g; s/nvme0/nvh0/g; s/nvme-subsys0/nvh-subsys0/g; s,/dev/,,g
	/cntlid *:/d; /^NVME Identify|host_read|data_units|Data Units|Host|controller_busy|Power On|power_on|unsafe/Id
	s/ +\$//; s/(status_field[^(]*\([^:)]*):[^)]*\)/\1)/"; }
same_text() # NVME-CLI ARGUMENTS -- OURS
{
	local theirs=() ours=()
	while [ "$1" != -- ]; do theirs+=("$1"); shift; done
	shift
	ours=("$@")
	nvme "${theirs[@]}" >"$dir/1" 2>"$dir/1e" || { echo "nvme: exit $?"; cat "$dir/1e"; return 1; }
	nvhost "${ours[@]}" >"$dir/2" 2>"$dir/2e" || { echo "nvhost: exit $?"; cat "$dir/2e"; return 1; }
	diff <(normal <"$dir/1") <(normal <"$dir/2")
}
same_json() { same_text "$@" >/dev/null; "$VM_ROOT/tests/vm/same_json.py" "$dir/1" "$dir/2"; }

compare_all() # PEER SERVICE NQN
{
	local p=$1 at="-t tcp -a 127.0.0.1 -s $2" c
	holds "$p: both connect" both "$2" "$3"
	until_true 10 test -b /dev/nvme0n1
	# shellcheck disable=SC2086
	{
		holds "$p: discover" same_text discover $at -q "$Q" -- discover $at -q "$Q"
		holds "$p: discover -o json" same_json discover $at -q "$Q" -o json -- discover $at -q "$Q" -o json
		for c in "list" "list -v" "list-subsys" "show-topology"; do
			[ "$c" = show-topology ] || holds "$p: $c -o json" same_json $c -o json -- $c -o json
		done
		holds "$p: list-subsys" same_text list-subsys -- list-subsys
		for c in id-ctrl smart-log error-log "list-ns"; do
			holds "$p: $c" same_text $c /dev/nvme0 -- $c nvh0
			holds "$p: $c -o json" same_json $c /dev/nvme0 -o json -- $c nvh0 -o json
		done
		for c in id-ns ns-descs; do
			holds "$p: $c" same_text $c /dev/nvme0n1 -- $c nvh0n1
			holds "$p: $c -o json" same_json $c /dev/nvme0n1 -o json -- $c nvh0n1 -o json
		done
		holds "$p: id-ctrl -H" same_text id-ctrl /dev/nvme0 -H -- id-ctrl nvh0 -H
		holds "$p: id-ns -H" same_text id-ns /dev/nvme0n1 -H -- id-ns nvh0n1 -H
		holds "$p: smart-log -H" same_text smart-log /dev/nvme0 -H -- smart-log nvh0 -H
		for c in 0xb 0xf 7; do
			# As many queues, and notices of what target-lite offers, as each asked for.
			[ "$p$c" = target-lite7 ] || [ "$p$c" = target-lite0xb ] ||
				holds "$p: get-feature $c -H" same_text get-feature /dev/nvme0 -f $c -H -- get-feature nvh0 -f $c -H
		done
		holds "$p: get-log" same_text get-log /dev/nvme0 -i 5 -l 4096 -- get-log nvh0 -i 5 -l 4096
		holds "$p: flush" same_text flush /dev/nvme0n1 -- flush nvh0n1
		holds "$p: write-zeroes" same_text write-zeroes /dev/nvme0n1 -s 0 -c 0 -- write-zeroes nvh0n1 -s 0 -c 0
		holds "$p: dsm" same_text dsm /dev/nvme0n1 -d -s 0 -b 1 -- dsm nvh0n1 -d -s 0 -b 1
	}
	nvme disconnect -n "$3" >/dev/null
	nvhost disconnect -n "$3" >/dev/null
}
compare_all nvmet 4420 $NQN
compare_all target-lite 4430 $L
