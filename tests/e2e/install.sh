#!/bin/bash
# make install into a private folder; the examples are then built from copies, with pkg-config alone,
# and run against target-lite. The library exports nvh_* and nothing else, and needs no DPDK at run
# time.
set -u
SRC=${SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
MODE=${MODE:-release}
BIN=${BIN:-$SRC/build/$MODE/bin}
VERSION=${VERSION:-$(cat "$SRC/VERSION")}
tmp=$(mktemp -d) || exit 1
target=
finish()
{
	[ -n "$target" ] && kill "$target" 2>/dev/null && wait "$target" 2>/dev/null
	rm -rf "$tmp"
}
trap finish EXIT
die()
{
	echo "FAIL: $*"
	exit 1
}
case $MODE in
*asan* | *tsan* | *cov*) san=1 ;;
*) san= ;;
esac
command -v pkg-config >/dev/null || { echo "pkg-config is not installed"; exit 77; }

# A recursive make shall not think it is part of the one that runs this test.
unset MAKEFLAGS MAKELEVEL MFLAGS
make -s -C "$SRC" MODE="$MODE" DESTDIR="$tmp/root" PREFIX=/opt/nvhost install >"$tmp/log" 2>&1 ||
	{ cat "$tmp/log"; die "make install"; }
root=$tmp/root/opt/nvhost
for f in bin/nvhost bin/nvhostd bin/target-lite lib/libnvhost.so lib/libnvhost.so.0 \
	lib/libnvhost.a lib/pkgconfig/nvhost.pc include/nvhost/nvhost.h \
	include/nvhost/spec/nvme.h; do
	[ -e "$root/$f" ] || die "$f was not installed"
done
[ -L "$root/include/nvhost/spec" ] && die "include/nvhost/spec is a link"
[ "$(readlink "$root/lib/libnvhost.so.0")" = "libnvhost.so.$VERSION" ] || die "soname link"

for page in "$SRC"/docs/man/*.[1-8]; do
	[ -e "$root/share/man/man${page##*.}/${page##*/}" ] || die "${page##*/} was not installed"
done
for unit in "$SRC"/packaging/systemd/*.service; do
	unit=$root/lib/systemd/system/${unit##*/}
	[ -e "$unit" ] || die "${unit##*/} was not installed"
	grep -q '@[A-Z]*@' "$unit" && die "${unit##*/} has unfilled places"
	program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit")
	[ -x "$tmp/root$program" ] || die "${unit##*/} starts $program, which is not there"
done

# What the library shows to the world.
lib=$root/lib/libnvhost.so.$VERSION
if [ -z "$san" ]; then
	others=$(nm -D --defined-only "$lib" | awk '{print $3}' | grep -v '^nvh_' | grep -v '^NVHOST_')
	[ -z "$others" ] || die "symbols beyond nvh_*: $others"
fi
for fn in nvh_connect nvh_submit nvh_reactor_fd nvh_status_string nvh_discover nvh_read_sync; do
	nm -D --defined-only "$lib" | grep -q " $fn\(@\|$\)" || die "$fn is not exported"
done
# Every function that a public header declares exists.
for fn in $(cat "$SRC"/host/include/nvhost/*.h | sed 's,/\*.*\*/,,' |
	grep -oE '\bnvh_[a-z0-9_]+\(' | tr -d '(' | sort -u); do
	case $fn in
	*_fn) continue ;;
	esac
	nm -D --defined-only "$lib" | grep -q " $fn\(@\|$\)" || die "$fn is declared, not exported"
done
ldd "$lib" | grep -i rte_ && die "libnvhost needs DPDK at run time"

# Somebody else's build: copies of the sources, nothing of the tree on the path.
cp "$SRC"/examples/*.c "$tmp"
cd "$tmp" || exit 1
export PKG_CONFIG_LIBDIR=$root/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$tmp/root
export LD_LIBRARY_PATH=$root/lib XDG_CONFIG_HOME=$tmp
[ "$(pkg-config --modversion nvhost)" = "$VERSION" ] || die "pkg-config's version"
[ -n "$san" ] && cc_san="-fsanitize=$(case $MODE in *asan*) echo address,undefined ;; *tsan*) echo thread ;; esac)"
for example in hello_world embed_in_epoll; do
	# shellcheck disable=SC2046,SC2086
	"${CC:-gcc}" -Wall -Wextra -Werror -O2 ${cc_san:-} -o $example $example.c \
		$(pkg-config --cflags --libs nvhost) || die "$example does not build"
done
# The archive: with what pkg-config --static adds.
# shellcheck disable=SC2046,SC2086
"${CC:-gcc}" -O2 ${cc_san:-} -o hello_static hello_world.c $(pkg-config --cflags nvhost) \
	"$root/lib/libnvhost.a" $(pkg-config --static --libs nvhost |
		sed "s/-lnvhost//; s,$tmp/root/usr/,/usr/,g") ||
	die "hello_world does not link with libnvhost.a"
ldd hello_static | grep -q libnvhost && die "hello_static wants libnvhost.so"

nqn=nqn.2026-01.io.nvhost:install
"$BIN/target-lite" --listen tcp:127.0.0.1:0 --nqn $nqn --ns malloc:16M --rpc "$tmp/rpc" \
	>"$tmp/target.log" 2>&1 &
target=$!
for _ in $(seq 600); do
	grep -q '^ready' "$tmp/target.log" 2>/dev/null && break
	kill -0 $target 2>/dev/null || { cat "$tmp/target.log"; die "target-lite ended"; }
	sleep 0.05
done
port=$(sed -n 's/.*tcp:127.0.0.1:\([0-9]*\).*/\1/p' "$tmp/target.log" | head -n 1)
[ -n "$port" ] || die "no port in: $(cat "$tmp/target.log")"

out=$(./hello_world -t tcp -a 127.0.0.1 -s "$port" -n $nqn --ns 1 -L nvme:debug 2>"$tmp/err") ||
	{ cat "$tmp/err"; die "hello_world: $out"; }
echo "$out"
echo "$out" | grep -qx 'Hello world!' || die "hello_world did not say hello"
grep -q 'Write' "$tmp/err" && grep -q 'Read' "$tmp/err" || die "-L nvme did not decode the commands"
./hello_static -a 127.0.0.1 -s "$port" -n $nqn 2>"$tmp/err" | grep -qx 'Hello world!' ||
	{ cat "$tmp/err"; die "hello_static did not say hello"; }
out=$(./embed_in_epoll -t tcp -a 127.0.0.1 -s "$port" -n $nqn -r 1 2>&1) || die "embed_in_epoll: $out"
echo "$out"
echo "$out" | grep -qE '^[1-9][0-9]* reads/s' || die "embed_in_epoll read nothing"

# Wrong words: one line, non-zero.
./hello_world -a 127.0.0.1 -s "$port" -n nqn.2026-01.io.nvhost:nobody 2>"$tmp/err" &&
	die "an unknown subsystem was connected"
[ "$(grep -c '^connect:' "$tmp/err")" = 1 ] || die "no clear line: $(cat "$tmp/err")"
./hello_world -a 127.0.0.1 -s 99999 -n $nqn 2>"$tmp/err" && die "port 99999 was connected"
grep -q 99999 "$tmp/err" || die "the line does not name the port: $(cat "$tmp/err")"
./hello_world -t carrier-pigeon -a 127.0.0.1 -n $nqn 2>"$tmp/err" && die "a pigeon was connected"
grep -q carrier-pigeon "$tmp/err" || die "the line does not name the transport: $(cat "$tmp/err")"
./hello_world -a 127.0.0.1 -s "$port" -n $nqn --ns 77 2>"$tmp/err" && die "NSID 77 was found"
./hello_world -a 127.0.0.1 -s 1 -n $nqn 2>"$tmp/err" && die "port 1 was connected"
grep -qi 'refused' "$tmp/err" || die "the line does not say refused: $(cat "$tmp/err")"

make -s -C "$SRC" MODE="$MODE" DESTDIR="$tmp/root" PREFIX=/opt/nvhost uninstall >"$tmp/log" 2>&1 ||
	{ cat "$tmp/log"; die "make uninstall"; }
left=$(find "$tmp/root" ! -type d)
[ -z "$left" ] || die "uninstall leaves: $left"
echo ok
