# What a vm test says: holds "NAME" COMMAND prints "ok NAME" or "FAIL NAME" and counts; small conditions to say it
# with; fio. Sourced by lib.sh (in a guest) and native.sh (outside), which own $dir and the counts.
# shellcheck shell=bash
uptime_ms() { local up; read -r up _ </proc/uptime; echo "${up/./}0"; }

holds() # NAME COMMAND...: its output is shown when it fails
{
	local name=$1 since took
	shift
	since=$(uptime_ms)
	if "$@" >"$dir/out" 2>&1; then
		passed=$((passed + 1))
		took=$(($(uptime_ms) - since))
		printf 'ok    %s (%d.%d s)\n' "$name" $((took / 1000)) $((took % 1000 / 100))
		return 0
	fi
	failed=$((failed + 1))
	echo "FAIL  $name"
	tail -n 40 "$dir/out" | sed 's/^/    | /'
	return 1
}

until_true() # SECONDS COMMAND...
{
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || {
			echo "waited in vain for: $*"
			return 1
		}
		sleep 0.1
	done
}

refused() { ! "$@"; } # the command must fail
has() { grep -qE -- "$1" "$2" || { echo "no '$1' in:"; cat "$2"; return 1; }; } # REGEX FILE
says() # REGEX COMMAND...: it succeeds and its output has a line like that
{
	local re=$1
	shift
	"$@" >"$dir/says" 2>&1 || { echo "exit $?:"; cat "$dir/says"; return 1; }
	has "$re" "$dir/says"
}

# fio over one file or device; ':' separates its file names.
verify() # FILE [FIO OPTION...]
{
	local file=${1//:/\\:}
	shift
	fio --name=verify --filename="$file" --direct=1 --ioengine=libaio --iodepth=8 --verify=crc32c \
		--verify_fatal=1 --allow_file_create=0 --minimal "$@"
}
end_verify() { pkill -P "$1"; wait "$1" 2>/dev/null; } # PID of one in the background: its fio, so that it writes no more
