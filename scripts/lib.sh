# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the scripts here share: where things are kept, locks, progress, and
# packages fetched without root and without touching the system's apt state.
#
# Progress goes to stderr, so that stdout stays free for a script's result.

set -euo pipefail
export LC_ALL=C

SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
PROJECT=$(dirname "$SCRIPTS")
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/io_pgtable_safe
LOGS=$CACHE/logs
JOBS=${JOBS:-$(nproc)}
PYTHON=/usr/bin/python3 # not that of some other environment
[ -x "$PYTHON" ] || PYTHON=python3
# shellcheck disable=SC2034 # read by the scripts that source this file
readonly SCRIPTS PROJECT CACHE LOGS JOBS

[[ $CACHE == /* ]] || {
	echo "error: XDG_CACHE_HOME must be an absolute path" >&2
	exit 1
}

mkdir -p "$CACHE" "$LOGS" 2>/dev/null || {
	echo "error: cannot write to $CACHE (set XDG_CACHE_HOME to another place)" >&2
	exit 1
}

say() { printf '%s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

unreachable() {
	say "error: cannot reach the package mirror: $1"
	die "what is fetched is kept: connect to the network (or set http_proxy) and run the same again"
}

# with_lock NAME CMD...: run CMD while no other process holds NAME. The lock
# ends with the process, however it ends.
with_lock() {
	local file=$CACHE/locks/$1
	shift
	mkdir -p "$CACHE/locks"
	(
		flock -n 9 || {
			say "waiting for another run that uses ${file##*/} ..."
			flock 9
		}
		"$@" 9>&-
	) 9>"$file"
}

# need_space DIR MEGABYTES WHAT: refuse early rather than fail half way.
need_space() {
	local free
	free=$(df --output=avail -BM "$1" | tail -n 1 | tr -dc '0-9')
	[ "$free" -ge "$2" ] ||
		die "$3 needs $2 MB in $1, which has $free MB free (set XDG_CACHE_HOME to another place)"
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
			say "   ... $title, $((SECONDS - start)) s: $(last_line "$log" 60)"
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

	mkdir -p "$(dirname "$log")"
	: >"$log"
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
	fi
	return "$rc"
}

stop_progress() {
	kill "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
	[ ! -t 2 ] || printf '\r\033[K' >&2
}

# The lines of a log that tell what went wrong, or its end if none stands out.
show_failure() {
	local log=$1 lines
	lines=$(grep -aE '(^|[^_[:alnum:]])(error|Error|ERROR|FAILED|BUG|Oops|WARNING|not ok)([^_[:alnum:]]|$)' \
		"$log" | head -n 12) || true
	[ -n "$lines" ] || lines=$(tail -n 12 "$log")
	printf '%s\n' "$lines" | cut -c 1-200 | sed 's/^/     /' >&2
	say "     log: $log"
}

# A kernel's console must be free of what a kernel says when it is unwell.
console_is_clean() {
	local log=$1 trouble
	trouble=$(grep -aE -m 20 '(^|[^A-Z])(BUG|WARNING|Oops|UBSAN|KASAN|KCSAN):|Kernel panic|Call Trace:|unreferenced object|possible (circular|recursive|irq lock)|suspicious RCU|sleeping function|scheduling while atomic|lock (held|inversion)|corruption|Segfault with no mm' "$log") || return 0
	say " ! the kernel complained:"
	printf '%s\n' "$trouble" | cut -c 1-200 | sed 's/^/     /' >&2
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

# --- packages ---------------------------------------------------------------

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
	unreachable "$(grep -m 1 '^[EW]:' "$log" || tail -n 1 "$log")"
}

# fetch_deb PKG SUITES ARCH DIR: download the newest PKG of the suites into
# DIR, its signature chain checked by apt; prints the file's name.
fetch_deb() {
	local pkg=$1 suites=$2 arch=$3 dir=$4 log

	log=$LOGS/fetch-$pkg.log
	mkdir -p "$dir"
	with_lock "apt-${suites// /+}_$arch" apt_update "$suites" "$arch" || return 1
	apt_private "$suites" "$arch" apt-cache policy "$pkg" |
		grep 'Candidate: [0-9]' >/dev/null ||
		die "the package mirror has no $pkg ($arch) in: $suites"
	rm -f "$dir/${pkg}"_*.deb
	(cd "$dir" && apt_private "$suites" "$arch" apt-get download "$pkg") >"$log" 2>&1 || {
		rm -f "$CACHE/apt/${suites// /+}_$arch/updated"
		unreachable "$(grep -m 1 '^E:' "$log" || tail -n 1 "$log")"
	}
	find "$dir" -maxdepth 1 -name "${pkg}_*.deb"
}
