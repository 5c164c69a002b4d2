#!/bin/bash
# Every public header compiles alone, as C (gnu11, c11) and as C++, without a warning.
set -u
cd "$(dirname "$0")/../.." || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
fail=0
count=0
try()
{
	count=$((count + 1))
	"$@" >"$tmp/out" 2>&1 && return
	echo "FAIL: $*"
	cat "$tmp/out"
	fail=1
}
for header in host/include/nvhost/*.h base/spec/*.h; do
	name=${header#host/include/}
	name=${name/#base\/spec/nvhost/spec}
	echo "#include <$name>" >"$tmp/one.c"
	cp "$tmp/one.c" "$tmp/one.cc"
	try "${CC:-gcc}" -std=c11 -Wall -Wextra -Wpedantic -Werror -Ihost/include -fsyntax-only "$tmp/one.c"
	try "${CC:-gcc}" -std=gnu11 -Wall -Wextra -Wshadow -Werror -Ihost/include -fsyntax-only "$tmp/one.c"
	if command -v "${CXX:-g++}" >/dev/null; then
		try "${CXX:-g++}" -std=c++17 -Wall -Wextra -Werror -Ihost/include -fsyntax-only "$tmp/one.cc"
	fi
done
[ $fail = 0 ] && echo "$count compilations without a warning"
exit $fail
