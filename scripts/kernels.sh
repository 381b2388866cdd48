# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Everything in which the kernels differ for the scripts here. Sourced by lib.sh.
# What the semantic patches find in a kernel's drivers is in the columns of
# coccinelle/raw/*.csv.

KNOWN="6.1 6.12 7.3"

is_known() { [[ " $KNOWN " == *" $1 "* ]]; }

# --- packages ---------------------------------------------------------------

# Suites with the source. The newest of them is taken, whichever release this
# machine runs.
source_suites() {
	case $1 in
	6.1) echo bookworm bookworm-security ;;
	6.12) echo bookworm-security trixie trixie-security ;;
	7.3) echo trixie-backports ;;
	esac
}

# Suites with the stock arm64 kernel and what is needed to build for it.
arm64_suites() {
	case $1 in
	6.1|6.12) echo bookworm bookworm-security ;;
	*) echo trixie trixie-security trixie-backports ;;
	esac
}

# kernel_packages VERSION RELEASE
kernel_packages() {
	case $1 in
	6.1|6.12) echo "linux-image-$2-arm64-unsigned" ;;
	*) echo "linux-binary-$2-arm64" "linux-modules-$2-arm64" ;;
	esac
	echo "linux-headers-$2-arm64" "linux-headers-$2-common" busybox-static
}

# Do the build tools of that arm64 kernel run on Debian 12? Otherwise they are run
# in a tree of the release they are from, with the compiler of that release.
has_own_tools() { [[ $1 != 6.* ]]; }

# --- User Mode Linux --------------------------------------------------------

has_two_cpus() { [[ $1 != 6.* ]]; }

# Options that are not the same on all kernels, as arguments for kunit.py.
pci_options() {
	case $1 in
	# Without an ID the emulated PCI bus warns at boot.
	6.1|6.12) echo --kconfig_add=CONFIG_UML_PCI_OVER_VIRTIO_DEVICE_ID=4660 ;;
	esac
}

# With two CPUs PROVE_LOCKING finds fault with UML's own start, so locks are
# proven on the kernels that have one. 6.1 has no DEBUG_ATOMIC_SLEEP for UML.
debug_options() {
	case $1 in
	6.1) ;;
	6.12) echo --kconfig_add=CONFIG_DEBUG_ATOMIC_SLEEP=y ;;
	*) printf -- '--kconfig_add=CONFIG_%s\n' SMP=y PROVE_LOCKING=n DEBUG_SPINLOCK=y \
		DEBUG_ATOMIC_SLEEP=y ;;
	esac
}

# Selects IOMMU_API, as every kernel with an IOMMU driver has it; 6.1 goes
# without, so that what is different then is compiled and run as well.
iommu_options() { [ "$1" = 6.1 ] || echo --kconfig_add=CONFIG_IPMMU_VMSA=y; }

# 6.1 has no allocators of page tables' memory, which README's excerpt shows.
shows_all() { [ "$1" != 6.1 ]; }

# The benchmark compares with the generic page table or what came before it.
can_bench() { [ "$1" != 6.1 ]; }

# --- checkers ---------------------------------------------------------------

# From 6.12 on kbuild gives sparse code that 0.6.4 does not know, and 6.2 to
# 7.3 quietly do not run it: what it lacks is defined away.
sparse_flags() {
	[ "$1" = 6.1 ] || echo "-D__typeof_unqual__=__typeof__ '-D_Static_assert(...)='"
}

# Words of the command that checks kernel-doc comments.
kernel_doc_check() {
	local doc=$2/scripts/kernel-doc
	case $1 in
	6.1) printf '%s\n' perl "$doc" -v -none -Werror ;;
	6.12) printf '%s\n' perl "$doc" -none -Wall -Werror ;;
	*) printf '%s\n' "$PYTHON" -B "$doc" -none -Wall -Werror ;;
	esac
}

# --- drivers ----------------------------------------------------------------

# 6.1 has no panthor, and its msm cannot be compiled outside the tree.
drivers_of() {
	case $1 in
	6.1) echo panfrost ;;
	*) echo panfrost panthor msm ;;
	esac
}
