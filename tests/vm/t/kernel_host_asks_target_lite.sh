#!/bin/bash
# vm: kernel=6.12 mem=1G timeout=300
# peer: kernel host -> target-lite
# What nvme-cli and the kernel's host ask, target-lite answers.
. "${0%/*}/../lib.sh"
Q=nqn.2026-01.io.nvhost:target-lite
at="-t tcp -a 127.0.0.1 -s 4420"
modprobe -a nvme-tcp
target_lite --listen tcp:127.0.0.1:4420 --listen tcp:127.0.0.1:4421 --ns malloc:64M --ns malloc:32M,bs=4096 --ana

# shellcheck disable=SC2086
holds "discover" says "trsvcid: 4421" nvme discover $at
discovery_json() { nvme discover $at -o json >"$dir/d.json" && python3 -c '
import json, sys
log = json.load(open(sys.argv[1]))
assert len(log["records"]) == 2, log
assert {r["subnqn"] for r in log["records"]} == {sys.argv[2]}, log' "$dir/d.json" $Q; }
holds "discover -o json" discovery_json
holds "connect" nvme connect $at -n $Q -i 2
live() { [ "$(nvme list-subsys | grep -c ' live')" = "$1" ]; }
holds "connect: the controller is live" until_true 20 live 1
small=$(disk_of 1) large=$(disk_of 2)
holds "namespaces appear as disks" test -b "$small" -a -b "$large"
holds "list" says "$large.* 4 KiB" nvme list
holds "list-subsys" says "trsvcid=4420.* live" nvme list-subsys
holds "id-ctrl" says "^subnqn *: $Q" nvme id-ctrl /dev/nvme0
holds "id-ns" says "nsze *: 0x20000" nvme id-ns "$small"
holds "id-ns of all fields, 4 KiB blocks" says "lbads:12.*in use" nvme id-ns "$large"
holds "ns-descs" says "^uuid *: [0-9a-f-]{36}" nvme ns-descs "$small"
holds "list-ns" says "0x2" nvme list-ns /dev/nvme0
holds "namespace management, not offered, is refused" refused nvme list-ns /dev/nvme0 --all
holds "smart-log" says "temperature" nvme smart-log /dev/nvme0
holds "error-log" says "Error Log Entries" nvme error-log /dev/nvme0
holds "effects-log" says "ACS6" nvme effects-log /dev/nvme0 --csi=0
holds "ana-log" says "optimized" nvme ana-log /dev/nvme0
holds "fw-log" says "Firmware Log" nvme fw-log /dev/nvme0
holds "changed-ns-list-log" nvme changed-ns-list-log /dev/nvme0
holds "supported-log-pages" says "0xc|Asymmetric" nvme supported-log-pages /dev/nvme0
for f in 1 4 5 7 0xb 0xf; do
	holds "get-feature $f" nvme get-feature /dev/nvme0 -f $f
done
holds "get-feature 6, the volatile write cache, agrees with id-ctrl" eval '
	if nvme id-ctrl /dev/nvme0 | grep -q "^vwc *: 0$"; then :; else nvme get-feature /dev/nvme0 -f 6; fi'
holds "get-property" says "NVM command set is Supported" nvme get-property /dev/nvme0 -o 0 -H
holds "an unknown log page is refused" refused nvme get-log /dev/nvme0 -i 0x7e -l 64
holds "an unknown feature is refused" refused nvme get-feature /dev/nvme0 -f 0x7e
holds "admin-passthru identify" nvme admin-passthru /dev/nvme0 -o 6 -l 4096 -r --cdw10=1
holds "disconnect" says "disconnected 1" nvme disconnect -n $Q
holds "connect-all" nvme connect-all $at
holds "connect-all: both listeners are paths" until_true 20 live 2
holds "disconnect: all paths" says "disconnected 2" nvme disconnect -n $Q
holds "persistent discovery" nvme discover $at -p
holds "disconnect-all" nvme disconnect-all
target_kill
holds "the target ends in order" refused kill -0 "$target_pid"
