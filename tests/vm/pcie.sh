# Drives of this machine by nvhost -t pcie; QEMU plays them. The body of t/pcie_vfio.sh, pcie_noiommu.sh and
# pcie_uio.sh, which name the way to them: BIND is what nvhost pci bind is told.
# shellcheck shell=bash
Q=nqn.2019-08.org.qemu
drives() # the controllers' serials by address: bdf_of SERIAL
{
	local c
	declare -gA BDF
	for c in /sys/class/nvme/nvme[0-9]*; do
		BDF[$(tr -d ' ' <"$c/serial")$(grep -q . "$c/cntlid" && cat "$c/cntlid")]=$(cat "$c/address")
	done
}
monitor() # HMP COMMAND
{
	local p name
	for p in /sys/class/virtio-ports/*; do
		read -r name <"$p/name"
		[ "$name" != vm.monitor ] || break
	done
	[ "${monitor_fd:-}" ] || exec {monitor_fd}<>"/dev/${p##*/}"
	echo "$*" >&"$monitor_fd"
	# What it has to say is not wanted, but must not stand in its way.
	while read -r -t 0.3 -u "$monitor_fd" _; do :; done
}
live() { [ "$(nvhost list-subsys | grep -c ' live')" = "$1" ]; } # COUNT of paths
driver_of() { basename "$(readlink "/sys/bus/pci/devices/$1/driver")"; }
ours() # BDF: handed over, and connected
{
	# shellcheck disable=SC2086
	nvhost pci bind $BIND "$1"
}
