#!/bin/sh
# Installs the Debian packages a step needs: deps.sh build|test|fuzz|vm [FILE.mk]. With FILE.mk it
# also writes the compiler and linker flags there, for the Makefile.
# Quiet and quick when all are there; sudo only when not root; elsewhere prints the list.
set -eu
build="gcc make pkg-config libdpdk-dev libisal-dev libjson-c-dev libfuse3-dev fuse3 libnuma-dev \
libbsd-dev libfdt-dev libibverbs-dev librdmacm-dev"
test="$build libcunit1-dev fio tshark e2fsprogs python3 iproute2 procps qemu-system-x86"
set -- "${1:-build}" "${2:-}"
case "$1" in
build) want=$build ;;
test) want=$test ;;
fuzz) want="$test clang libclang-rt-dev" ;;
vm)
	want="$test qemu-system-x86 qemu-system-common nvme-cli kmod cpio xz-utils zstd util-linux \
rdma-core ibverbs-providers"
	command -v busybox >/dev/null || want="$want busybox" # busybox-static will do as well
	;;
*)
	echo "usage: deps.sh build|test|fuzz|vm" >&2
	exit 2
	;;
esac

stamp=build/.deps-$1
flags()
{
	[ -n "${1:-}" ] || return 0
	{
		for p in libdpdk:DPDK json-c:JSON fuse3:FUSE; do
			echo "${p#*:}_CFLAGS := $(pkg-config --cflags "${p%:*}")"
			echo "LIBS_${p#*:} := $(pkg-config --libs "${p%:*}")"
		done
		echo "DPDK_LIBDIR := $(pkg-config --variable=libdir libdpdk)"
	} | grep -v '^LIBS_DPDK' >"$1.new"
	mv "$1.new" "$1"
}
if [ "$stamp" -nt "$0" ] 2>/dev/null; then
	flags "${2:-}"
	exit 0
fi

if ! command -v dpkg-query >/dev/null; then
	echo "nvhost needs these (Debian names), please install them: $want" >&2
	mkdir -p build && touch "$stamp"
	flags "${2:-}"
	exit 0
fi
missing=
for p in $want; do
	dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
if [ -n "$missing" ]; then
	sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	if [ -n "$sudo" ] && ! command -v sudo >/dev/null; then
		echo "missing packages, and no sudo to install them:$missing" >&2
		exit 1
	fi
	echo "installing:$missing"
	export DEBIAN_FRONTEND=noninteractive
	$sudo apt-get update -qq
	# shellcheck disable=SC2086
	$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
mkdir -p build && touch "$stamp"
flags "${2:-}"
