# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the scripts here share: usage, what a command needs, locks, signals, progress,
# and packages fetched without root and without touching the system's apt state.
#
# Progress goes to stderr, so that stdout stays free for a script's result.

set -euo pipefail
export LC_ALL=C
# What the user told make, or exports for other builds, is not for those in here.
unset CDPATH MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL ARCH CROSS_COMPILE KBUILD_OUTPUT \
	KCFLAGS CC V W C M O

say() { printf '%s\n' "$*" | fold -s -w 75 >&2; }
die() { say "error: $*"; exit 1; }

# The comment that a script begins with says how to use it.
print_usage() { sed -n '4,/^$/s/^# \{0,1\}//p' "$0"; }
bad_usage() { say "error: $*"; print_usage >&2; exit 2; }

case " $* " in
*" --help "*|*" -h "*) print_usage; exit ;;
esac

SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
PROJECT=$(dirname "$SCRIPTS")
CACHE=${XDG_CACHE_HOME:-${HOME:-}/.cache}/io_pgtable_safe
[[ $CACHE == /* ]] || die "XDG_CACHE_HOME must be an absolute path"
CACHE=$(readlink -m "$CACHE") # dkms finds nothing through a link
LOGS=$CACHE/logs
JOBS=${JOBS:-$(nproc)}
PYTHON=/usr/bin/python3 # not that of some other environment
[ -x "$PYTHON" ] || PYTHON=python3
# shellcheck disable=SC2034 # read by the scripts that source this file
readonly SCRIPTS PROJECT CACHE LOGS JOBS

[[ $JOBS =~ ^[1-9][0-9]*$ ]] || die "JOBS must be a number, not '$JOBS'"
for path in "$CACHE" "$PROJECT"; do
	case $path in
	*[[:space:]:]*)
		say "error: kbuild cannot build in a path with a space or a colon:"
		printf '       %s\n' "$path" >&2 # not folded at the space
		[ "$path" != "$CACHE" ] || say "(set XDG_CACHE_HOME to another place)"
		exit 1
		;;
	esac
done

. "$SCRIPTS/kernels.sh"

# --- signals ----------------------------------------------------------------

# Everything that a script has started has this in its environment, whatever
# process group or session it is in: User Mode Linux begins one of its own.
end_run() {
	local signal=TERM i pids
	trap '' INT TERM HUP
	for ((i = 0; i < 50; i++)); do
		pids=$(grep -lzs "^IO_PGTABLE_SAFE_RUN=$$\$" /proc/[0-9]*/environ | cut -d/ -f3) || true
		[ -n "$pids" ] || break
		[ "$i" -lt 25 ] || signal=KILL
		# shellcheck disable=SC2086 # they are words
		kill -s "$signal" $pids 2>/dev/null || true
		sleep 0.2
	done
	[ ! -t 2 ] || printf '\r\033[K' >&2
	trap - "$1"
	kill -s "$1" $$
}

# bash handles no signal while it waits for a program in the foreground. So the
# first script runs itself again in the background, and waits for that or a signal.
if [ -z "${IO_PGTABLE_SAFE_RUN:-}" ]; then
	for signal in INT TERM HUP; do
		# shellcheck disable=SC2064 # the value it has now
		trap "end_run $signal" "$signal"
	done
	IO_PGTABLE_SAFE_RUN=$$ "$BASH" "$0" "$@" &
	rc=0
	wait $! || rc=$?
	exit "$rc"
fi

# --- what a command needs ---------------------------------------------------

# check_kernels VERSION...: refuse one that is not known, before anything is done.
check_kernels() {
	local version
	for version; do
		[[ $version != -* ]] || bad_usage "no option '$version'"
		is_known "$version" || { say "error: no kernel '$version' here: choose from $KNOWN"; exit 2; }
	done
}

# MB of disk that each thing takes for one kernel while it is made: as measured with du
# on the kernel that takes most, and a tenth more.
size_of() {
	case $1 in
	src) echo 1500 ;;
	kunit|cold) echo 130 ;;
	modules|bench|fast|patch) echo 110 ;;
	arm64) echo 800 ;;
	*) echo 50 ;;
	esac
}

place_of() {
	case $1 in
	src) echo "$CACHE/src/linux-$2" ;;
	arm64) echo "$CACHE/arm64/$2/root" ;;
	*) echo "$CACHE/build/$2/$1" ;;
	esac
}

# plan WHAT... -- VERSION...: what the command is going to make, if it is not there yet.
PLAN=()
plan() {
	local what version
	local -a things=()
	while [ "$1" != -- ]; do things+=("$1"); shift; done
	shift
	for version; do
		for what in "${things[@]}"; do
			PLAN+=("$what $version")
		done
	done
}

# begin NEEDS: look once, before anything is fetched, at whether there is room for all
# that is planned, and install the packages for NEEDS (words, see deps).
begin() {
	local what version place mb=100
	mkdir -p "$CACHE" "$LOGS" 2>/dev/null ||
		die "cannot write to $CACHE (set XDG_CACHE_HOME to another place)"
	while read -r what version; do
		[ -n "$what" ] || continue
		place=$(place_of "$what" "$version")
		case $what in
		src|arm64) [ -d "$place" ] || mb=$((mb + $(size_of "$what"))) ;;
		*) mb=$((mb + $(size_of "$what") - $(used "$place" "$(size_of "$what")"))) ;;
		esac
		mkdir -p "$LOGS/$version"
	done < <(printf '%s\n' "${PLAN[@]}" | sort -u)
	[ "$(free_space)" -ge "$mb" ] ||
		die "this needs $mb MB in $CACHE, which has $(free_space) MB free" \
			"(set XDG_CACHE_HOME to another place)"
	# shellcheck disable=SC2086 # they are words
	[ -z "$1" ] || "$SCRIPTS/deps" $1 || exit 1
}

# used DIR MAX: MB in use, at most MAX.
used() {
	local mb=0
	[ ! -d "$1" ] || mb=$(du -sm "$1" 2>/dev/null | cut -f 1) || true
	echo $((mb < $2 ? mb : $2))
}

# MB free in the cache.
free_space() { df --output=avail -BM "$CACHE" | tail -n 1 | tr -dc '0-9'; }

# with_lock NAME CMD...: run CMD while no other process holds NAME. The lock
# ends with the process, however it ends. What is below src/ may be shared by
# caches, and so are its locks.
with_lock() {
	local file=$CACHE/locks/$1
	[[ $1 != source-* ]] || file=$CACHE/src/.$1
	shift
	mkdir -p "$(dirname "$file")"
	(
		flock -n 9 || {
			say "waiting for another run that uses ${file##*/} ..."
			flock 9
		}
		"$@" 9>&-
	) 9>"$file"
}

# --- progress ---------------------------------------------------------------

# The tail of a log as one short line without control characters.
last_line() {
	tail -n 1 "$1" 2>/dev/null | tr -d '\r' | tr -c '[:print:]\n' ' ' |
		sed 's/^ *//' | cut -c "1-$2"
}

# Runs beside a step until it is killed or the script is gone.
show_progress() {
	local title=$1 log=$2 script=$3 start=$SECONDS width

	if [ ! -t 2 ]; then
		# A sleep left behind would keep a pipe open that somebody reads.
		trap 'kill $! 2>/dev/null; exit' TERM
		while sleep 30 & wait $! && kill -0 "$script" 2>/dev/null; do
			say "$(printf '   ... %s, %d s: %s' "$title" $((SECONDS - start)) \
				"$(last_line "$log" 60)" | cut -c 1-75)"
		done
		return
	fi
	while kill -0 "$script" 2>/dev/null; do
		for glyph in '|' / - "\\"; do
			width=$(($(tput cols 2>/dev/null || echo 80) - ${#title} - 14))
			[ "$width" -gt 0 ] || width=1
			printf '\r\033[K %s %s %4d s  %s' "$glyph" "$title" \
				$((SECONDS - start)) "$(last_line "$log" "$width")" >&2
			sleep 0.25
		done
	done
}

# step TITLE LOG CMD...: run CMD with its output in LOG, show that it lives,
# say how long it took, and on failure show why. Returns CMD's exit status.
step() {
	local title=$1 log=$2 start=$SECONDS rc=0 watcher
	shift 2

	{ mkdir -p "$(dirname "$log")" && : >"$log"; } || die "cannot write to $log"
	[ -t 2 ] || say "   $title"
	show_progress "$title" "$log" $$ &
	watcher=$!
	# A subshell, so that a function that exits ends the step and no more.
	("$@") >"$log" 2>&1 </dev/null || rc=$?
	stop_progress "$watcher"

	if [ "$rc" -eq 0 ]; then
		say " + $title ($((SECONDS - start)) s)"
	else
		say " ! $title: failed ($((SECONDS - start)) s, status $rc)"
		show_failure "$log"
		[ "$(free_space)" -ge 10 ] || say "     no space is left in $CACHE"
	fi
	return "$rc"
}

stop_progress() {
	kill "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
	[ ! -t 2 ] || printf '\r\033[K' >&2
}

# What a log has to say of a failure, in 20 lines: those that stand out, what stands
# before the first error of make's, which need not, and the end.
show_failure() {
	awk -v cache="$CACHE/" -v project="$PROJECT/" '
	function cut_out(prefix,   at) {
		while (at = index($0, prefix))
			$0 = substr($0, 1, at - 1) substr($0, at + length(prefix))
	}
	/(Entering|Leaving) directory/ || /^  [A-Z][A-Z0-9_ -]* +[^ ]+( \[M\])?$/ || /^[ \t]*$/ { next }
	{
		gsub(/[^[:print:]\t]/, "")
		cut_out(cache); cut_out(project)
		if ($0 in seen)
			next
		seen[$0]; line[++n] = $0
	}
	/\*\*\*/ && !first { first = n }
	hits < 8 && /(^|[^_[:alnum:]])(error|Error|ERROR|FAILED|BUG|Oops|WARNING|not ok|[Cc]an.t|[Cc]annot|denied|No space)([^_[:alnum:]]|$)/ && !/\*\*\*/ {
		hits++; show[n]
	}
	END {
		for (i = first - 6; first && i <= first; i++)
			show[i]
		for (i = n - 4; i <= n; i++)
			show[i]
		for (i = 1; i <= n; i++)
			if (i in show)
				print "     " substr(line[i], 1, 75)
	}' "$1" >&2
	say "     log: $1"
}

# A kernel's console must be free of what a kernel says when it is unwell.
console_is_clean() {
	local log=$1 trouble
	trouble=$(grep -aE -m 20 '(^|[^A-Z])(BUG|WARNING|Oops|UBSAN|KASAN|KCSAN):|Kernel panic|Call Trace:|unreferenced object|possible (circular|recursive|irq lock)|suspicious RCU|sleeping function|scheduling while atomic|lock (held|inversion)|corruption|Segfault with no mm' "$log") || return 0
	say " ! the kernel complained:"
	printf '%s\n' "$trouble" | cut -c 1-75 | sed 's/^/     /' >&2
	say "     log: $log"
	return 1
}

# Copy the module's sources. Only files that differ get a new date, because
# another clone's files may be newer than the objects made from these.
stage() {
	mkdir -p "$1"
	rsync --recursive --links --checksum --delete --prune-empty-dirs \
		--exclude='*.mod.c' --include='*.[ch]' --include=Kbuild --include=Kconfig \
		--include=.kunitconfig --include=/core/ --include=/kunit/ --include=/samples/ --include=/judge/ --include=/bench/ \
		--exclude='*' "$PROJECT/" "$1/"
}

# make_root DIR BUSYBOX INIT: a root file system whose init is the script INIT.
make_root() {
	local root=$1 busybox=$2 init=$3 tool

	rm -rf "$root" && mkdir -p "$root"/{bin,dev,proc,sys,tmp} &&
		cp -L "$busybox" "$root/bin/busybox" || return 1
	for tool in sh mount cat cut dmesg grep insmod poweroff printf rmmod sed sleep sort test tr uname; do
		ln -s busybox "$root/bin/$tool" || return 1
	done
	install -m 755 "$init" "$root/init"
}

# pack_root DIR FILE: an initramfs.
pack_root() { (cd "$1" && find . | cpio --quiet -o -H newc -R 0:0) | gzip -1 >"$2"; }

# coccicheck SOURCE DIR PATCH: what a semantic patch finds below DIR, by the
# kernel's own script. It exits with 0 even if there are findings.
coccicheck() {
	local source=$1 dir=$2 patch=$3
	make -s -C "$source" coccicheck MODE=report M="$dir" COCCI="$patch" J="$JOBS"
}

# count_results JSON...: "passed failed skipped" of the leaves of kunit.py's JSON.
count_results() {
	"$PYTHON" - "$@" <<-'PYTHON'
	import collections, json, sys

	def statuses(group):
	    for sub in group["sub_groups"]:
	        yield from statuses(sub)
	    for case in group["test_cases"]:
	        yield case["status"]

	count = collections.Counter()
	for name in sys.argv[1:]:
	    with open(name, encoding="utf-8") as f:
	        count.update(statuses(json.load(f)))
	print(count["PASS"], count["FAIL"] + count["ERROR"], count["SKIP"])
	PYTHON
}

# Lines of "passed failed skipped" become one.
add_counts() { awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }'; }

# UML's memory is a file: in memory, if that has so many MB and may be executed, as is not
# always so in a container.
choose_tempdir() {
	local free
	free=$(df --output=avail -BM /dev/shm 2>/dev/null | tail -n 1 | tr -dc '0-9')
	[ "${free:-0}" -lt "$1" ] || findmnt -no OPTIONS -T /dev/shm | grep -w noexec >/dev/null ||
		return 0
	mkdir -p "$CACHE/tmp"
	export TMPDIR=$CACHE/tmp
}

# --- packages ---------------------------------------------------------------

need_apt() {
	command -v apt-get >/dev/null ||
		die "this needs Debian or a derivative: kernels are fetched with apt-get"
}

# The line of apt's log that says what went wrong: no warnings if there is an error.
apt_error() { grep -m 1 '^E:' "$1" || grep -m 1 '^W:' "$1" || tail -n 1 "$1"; }

unreachable() {
	say "error: cannot reach the package mirror: $(apt_error "$1")"
	die "what is fetched is kept: connect to the network (or set http_proxy) and run the same again"
}

# fetch_progress WHAT: turn what apt says into lines like "WHAT: 12 of 148 MB".
fetch_progress() {
	awk -v what="$1" -F '[][]' '
	function mb(size,   n) {
		n = size; gsub(/[^0-9.]/, "", n)
		return size ~ /kB/ ? n / 1000 : size ~ / B/ ? n / 1000000 : n
	}
	!total && /^Need to get/ { sub(/ of archives.*/, ""); sub(/.*\//, ""); total = mb($0) }
	!total && /^Get:.*\[.*\]$/ { total = mb($2) }
	total && /^dlstatus:/ {
		split($0, status, ":")
		printf "%s: %.1f of %.1f MB\n", what, status[3] * total / 100, total
		fflush()
	}'
}

# Base addresses of the Debian archive this machine uses, for "main" or for
# "security". apt itself is asked, so every format of source list is served.
apt_bases() {
	local kind=$1 uri suite
	apt-get update --print-uris 2>/dev/null | sed -n "s/^'\([^']*\)' .*/\1/p" |
	while read -r uri; do
		suite=${uri#*/dists/}
		suite=${suite%/*}
		[[ $suite =~ ^(bookworm|trixie|forky|sid|(old)*stable|testing|unstable)(-[a-z-]+|/updates)?$ ]] ||
			continue
		case $suite in
		*-security|*/updates) [ "$kind" = security ] || continue ;;
		*) [ "$kind" = main ] || continue ;;
		esac
		printf '%s\n' "${uri%%/dists/*}"
	done | sort -u
}

# One line of a source list for every suite and archive that may have it.
apt_sources() {
	local suites=$1 suite base main security
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg

	[ -r "$keyring" ] || die "$keyring is missing: install debian-archive-keyring"
	main=$(apt_bases main)
	[ -n "$main" ] || die "no Debian archive in this machine's apt configuration"
	security=$(apt_bases security)
	for suite in $suites; do
		for base in $main; do
			[[ $suite != *-security ]] || {
				# A machine without security updates: the usual neighbour.
				[ -z "$security" ] || continue
				base=${base%/}-security
			}
			echo "deb [signed-by=$keyring] $base $suite main"
		done
		[[ $suite == *-security ]] || continue
		for base in $security; do
			echo "deb [signed-by=$keyring] $base $suite main"
		done
	done
}

# apt_private SUITES ARCH CMD...: an apt tool with a state of its own that
# knows these suites (separated by spaces) and nothing installed.
apt_private() {
	local state=$CACHE/apt/${1// /+}_$2 arch=$2 tool=$3
	shift 3
	"$tool" -q \
		-o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferencesparts=/dev/null -o Dir::Etc::preferences=/dev/null \
		-o Dir::State="$state" -o Dir::State::lists="$state/lists" \
		-o Dir::State::status="$state/status" -o Dir::Cache="$state/cache" \
		-o APT::Architecture="$arch" -o APT::Architectures="$arch" \
		-o APT::Sandbox::User=root -o Acquire::Languages=none \
		-o Acquire::Retries=3 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
		"$@"
}

# Fresh package lists for apt_private; they stay good for an hour.
apt_update() {
	local suites=$1 arch=$2 log=$LOGS/apt-update.log
	local state=$CACHE/apt/${suites// /+}_$arch

	[ -z "$(find "$state/updated" -mmin -60 2>/dev/null)" ] || return 0
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
	: >"$state/status"
	apt_sources "$suites" >"$state/sources.list"
	# One source that fails is no matter as long as the package is found.
	apt_private "$suites" "$arch" apt-get update >"$log" 2>&1 || true
	[ -z "$(find "$state/lists" -maxdepth 1 -name '*_Packages*')" ] || {
		grep -q '^[EW]:' "$log" || touch "$state/updated"
		return 0
	}
	unreachable "$log"
}

# fetch_deb PKG SUITES ARCH DIR: download the newest PKG of the suites into
# DIR, its signature chain checked by apt.
fetch_deb() {
	local pkg=$1 suites=$2 arch=$3 dir=$4 log

	need_apt
	log=$LOGS/fetch-$pkg.log
	mkdir -p "$dir" || return 1
	echo "$pkg: package lists"
	with_lock "apt-${suites// /+}_$arch" apt_update "$suites" "$arch" || return 1
	apt_private "$suites" "$arch" apt-cache policy "$pkg" |
		grep 'Candidate: [0-9]' >/dev/null ||
		die "the package mirror has no $pkg ($arch) in: $suites"
	rm -f "$dir/${pkg}"_*.deb
	(cd "$dir" && apt_private "$suites" "$arch" apt-get download -o APT::Status-Fd=1 "$pkg" 2>&1) |
		tee "$log" | fetch_progress "$pkg" || {
		rm -f "$CACHE/apt/${suites// /+}_$arch/updated"
		unreachable "$log"
	}
	[ -n "$(find "$dir" -maxdepth 1 -name "${pkg}_*.deb")" ]
}
