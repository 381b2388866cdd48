# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the scripts share that build for a distribution's stock arm64 kernel and
# boot it in an emulator. Sourced after lib.sh; begin with arm64_setup VERSION.

CROSS=aarch64-linux-gnu-

# --- packages ---------------------------------------------------------------

# newest_release ARCH: the release part of the newest kernel's package names, as
# 6.12.1+deb12.
newest_release() {
	local arch=$1
	with_lock "apt-${SUITES// /+}_$arch" apt_update "$SUITES" "$arch" || return 1
	apt_private "$SUITES" "$arch" apt-cache search --names-only \
		"^linux-headers-${VERSION/./\\.}\\.[0-9]+[^ ]*-$arch\$" |
		sed "s/^linux-headers-\(.*\)-$arch .*/\1/" | grep -vE -- '-(rt|cloud)$' |
		sort -V | tail -n 1
}

fetch_packages() {
	local release=$1 dir=$2 pkg kbuild
	for pkg in $(kernel_packages "$VERSION" "$release"); do
		fetch_deb "$pkg" "$SUITES" arm64 "$dir" || return 1
	done
	# The headers need it as a program of the machine that builds.
	kbuild=$(dpkg-deb -f "$dir/linux-headers-$release-arm64"_*.deb Depends |
		grep -o 'linux-kbuild-[^ ,]*') || return 1
	if has_own_tools "$VERSION"; then
		fetch_tools "$kbuild" "$dir"
	else
		fetch_deb "$kbuild" "$SUITES" "$HOST_ARCH" "$dir"
	fi
}

# A compiler, make and what they need, with all their libraries.
fetch_tools() {
	local kbuild=$1 dir=$2
	local archives=$CACHE/apt/${SUITES// /+}_$HOST_ARCH/cache/archives

	with_lock "apt-${SUITES// /+}_$HOST_ARCH" apt_update "$SUITES" "$HOST_ARCH" || return 1
	rm -f "$archives"/*.deb
	echo "tools: package lists"
	apt_private "$SUITES" "$HOST_ARCH" apt-get -y --download-only --no-install-recommends \
		-o APT::Status-Fd=1 install make dash coreutils sed grep mawk findutils \
		gcc-14-aarch64-linux-gnu "$kbuild" 2>&1 |
		tee "$KLOGS/fetch-tools.log" | fetch_progress tools || unreachable "$KLOGS/fetch-tools.log"
	mv "$archives"/*.deb "$dir/"
}

unpack_packages() {
	local dir=$1 root=$2 deb name
	# What base-files would make: everything lives in /usr.
	mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$root"/{dev,tmp,build} || return 1
	for name in bin sbin lib lib64; do
		ln -s "usr/$name" "$root/$name"
	done
	for deb in "$dir"/*.deb; do
		# Through tar, which follows links like /lib; dpkg-deb -x would too,
		# but replaces them where a package has a directory of the name.
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x -C "$root" --no-same-owner --keep-directory-symlink \
				--exclude=./usr/share --exclude=./usr/lib/debug || return 1
	done
	[ -e "$root/usr/bin/awk" ] || [ ! -e "$root/usr/bin/mawk" ] || ln -s mawk "$root/usr/bin/awk"
	[ -e "$root/usr/bin/sh" ] || [ ! -e "$root/usr/bin/dash" ] || ln -s dash "$root/usr/bin/sh"
}

# The headers' Makefile names the other part of the headers by its place on an
# installed system.
relocate_headers() {
	local root=$1 release=$2
	has_own_tools "$VERSION" ||
		sed -i "s|/usr/src/|$ROOT/usr/src/|" "$root/usr/src/linux-headers-$release-arm64/Makefile"
}

fetch() {
	local release work tree

	[ ! -d "$ROOT" ] || return 0 # another run was faster
	rm -rf "$TOP"/.unpack.*
	work=$(mktemp -d "$TOP/.unpack.XXXXXX") || return 1
	tree=$work/tree
	release=$(newest_release arm64) || return 1
	[ -n "$release" ] || die "the package mirror has no arm64 kernel $VERSION in: $SUITES"

	step "fetch the arm64 kernel $release" "$KLOGS/fetch.log" \
		fetch_packages "$release" "$work/deb" || return 1
	step "unpack the arm64 kernel $release" "$KLOGS/unpack.log" \
		unpack_packages "$work/deb" "$tree" || return 1
	relocate_headers "$tree" "$release" || return 1
	echo "$release" >"$tree/release" || return 1
	# The rename is what makes the tree exist: an interrupted run leaves none.
	mv -T "$tree" "$ROOT" && rm -rf "$work"
}

# --- build ------------------------------------------------------------------

# A shell's command line in the tree that has this kernel's own tools.
in_root() {
	local -a as_root=()
	[ "$(id -u)" = 0 ] || as_root=(unshare --user --map-root-user)
	"${as_root[@]}" /usr/sbin/chroot "$ROOT" /usr/bin/env -i PATH=/usr/bin /bin/sh -c "$1"
}

# A kernel whose tools can't run here is skipped, with the reason.
tools_run() {
	! has_own_tools "$VERSION" || in_root true >/dev/null 2>&1 || {
		say " - Linux $VERSION on arm64: skipped, its tools need root or user namespaces"
		return 1
	}
}

# A file or directory as the kernel's build tools see it.
seen_path() {
	if has_own_tools "$VERSION"; then
		echo "${1#"$ROOT"}"
	else
		echo "$1"
	fi
}

# Where a directory must be for them to see it.
build_top() {
	if has_own_tools "$VERSION"; then
		echo "$ROOT"
	else
		echo "$TOP"
	fi
}

# kbuild DIR ARGUMENT...: make for this kernel what is in DIR, below build_top. Without BTF,
# for which the headers want pahole.
kbuild() {
	local headers=/usr/src/linux-headers-$RELEASE-arm64 dir
	dir=$(seen_path "$1")
	shift
	local -a args=(M="$dir" ARCH=arm64 "CROSS_COMPILE=$CROSS" "-j$JOBS"
		CONFIG_DEBUG_INFO_BTF_MODULES= "$@")

	if has_own_tools "$VERSION"; then
		in_root "make -C $headers CC=${CROSS}gcc-14 ${args[*]@Q}"
	else
		make -C "$ROOT$headers" CC="${CROSS}gcc" "${args[@]}"
	fi
}

build_modules() {
	kbuild "$BUILD" CONFIG_IO_PGTABLE_SAFE=m CONFIG_IO_PGTABLE_SAFE_SAMPLE=m \
		CONFIG_IO_PGTABLE_SAFE_JUDGE=m modules
}

build() {
	stage "$BUILD" || return 1
	step "build the modules for arm64, Linux $RELEASE" "$KLOGS/build.log" \
		build_modules
}

# --- boot -------------------------------------------------------------------

# Names of the modules that a module needs, from the module itself.
module_needs() { tr '\0' '\n' <"$1" | sed -n 's/^depends=//p' | tr ',' '\n'; }

# add_module NAME DIR: unpack a module of the kernel, after those it needs.
# Names in the modules themselves have _ where the files may have -.
add_module() {
	local name=$1 dir=$2 file need

	file=$(find "$ROOT/usr/lib/modules/" -name "${name//_/[-_]}.ko*" | head -n 1)
	[ -n "$file" ] || return 0
	[ ! -e "$dir/$name.ko" ] || return 0
	case $file in
	*.xz) xz -dc "$file" >"$dir/$name.ko" ;;
	*) cp "$file" "$dir/$name.ko" ;;
	esac || return 1
	for need in $(module_needs "$dir/$name.ko"); do
		add_module "$need" "$dir" || return 1
	done
	echo "$name.ko" >>"$dir/order"
}

# make_initramfs INIT MODULES: an initramfs in $TOP/initramfs.gz whose init is the
# script INIT. It has the GPU drivers of the kernel, with what they need, in /gpu, and the
# function or program MODULES puts the rest into the directory it is given.
make_initramfs() {
	local root=$TOP/initramfs

	make_root "$root" "$ROOT/bin/busybox" "$1" && mkdir "$root/gpu" || return 1
	: >"$root/gpu/order"
	add_module panfrost "$root/gpu" && add_module panthor "$root/gpu" || return 1
	shift
	"$@" "$root" && pack_root "$root" "$TOP/initramfs.gz"
}

# Newer packages have it beside the modules.
kernel_image() {
	find "$ROOT/boot" "$ROOT/usr/lib/modules" -name 'vmlinuz*' -type f 2>/dev/null | head -n 1
}

# boot LOG CPU INIT MODULES: boot into what make_initramfs makes of the last two,
# which ends by saying "judged: end". The SMMU's own driver is kept off.
boot() {
	local log=$1 cpu=$2 rc=0
	local options="console=ttyAMA0 panic=-1 oops=panic printk.devkmsg=on"

	shift 2
	options+=" initcall_blacklist=arm_smmu_driver_init"
	make_initramfs "$@" || return 1
	timeout -k 5 "${JUDGE_TIMEOUT:-600}" qemu-system-aarch64 \
		-M virt,gic-version=3,virtualization=on,iommu=smmuv3 -cpu "$cpu" \
		-m 512 -nic none -device edu,dma_mask=0xffffffffffffffff \
		-nographic -no-reboot -kernel "$(kernel_image)" \
		-initrd "$TOP/initramfs.gz" -append "$options" </dev/null 2>&1 |
		tr -d '\r' | tee "$log" || rc=$?
	grep -aq 'judged: end$' "$log" || { echo "error: the kernel did not get to the end (status $rc)"; return 1; }
}

# --- results ----------------------------------------------------------------

# Each KTAP document of a console log into a file of its own.
split_documents() {
	rm -f "$2".*
	awk -v prefix="$2" '/^(\[ *[0-9.]+\] )?KTAP version 1$/ { n++ }
		n { print >(prefix "." n) }' "$1"
}

# parse LOG DOCUMENTS: read the log with kunit.py; it must hold that many.
parse() {
	local log=$1 expected=$2 kunit=$3 n=0 rc=0 doc

	split_documents "$log" "$log.ktap"
	for doc in "$log".ktap.[0-9]; do
		[ -e "$doc" ] || continue
		n=$((n + 1))
		PYTHONDONTWRITEBYTECODE=1 "$PYTHON" "$kunit" parse --json="$doc.json" "$doc" || rc=1
	done
	[ "$n" = "$expected" ] || { echo "error: $n results of $expected"; rc=1; }
	return "$rc"
}

# --- setup ------------------------------------------------------------------

# arm64_setup VERSION: fetches kernel, headers and toolchain if need be.
arm64_setup() {
	VERSION=$1
	SUITES=$(arm64_suites "$VERSION")
	TOP=$(readlink -m "$CACHE/arm64/$VERSION")
	ROOT=$TOP/root
	KLOGS=$LOGS/$VERSION/arm64
	mkdir -p "$TOP" "$KLOGS" || return 1
	[ -d "$ROOT" ] || {
		need_apt
		HOST_ARCH=$(dpkg --print-architecture)
		with_lock "arm64-$VERSION" fetch
	} || return 1
	RELEASE=$(cat "$ROOT/release")
	BUILD=$(build_top)/build
}
