# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The one place that says where the module goes in a kernel tree, and that makes the
# tree name it: for the kernels of scripts/uml and for the series of scripts/patch.
# Sourced after lib.sh.

INTREE=drivers/iommu/io_pgtable_safe

# A directory like $1 whose entries are links to those of $1.
link_dir() {
	mkdir -p "$2" && find "$1/" -mindepth 1 -maxdepth 1 -exec ln -sfn -t "$2" {} +
}

# unlink_dir TREE DIR: make a linked directory real, its entries linked.
unlink_dir() {
	local source
	source=$(readlink "$1/$2") && rm "$1/$2" && link_dir "$source" "$1/$2"
}

# link_tree SOURCE TREE DIR...: a tree of links to a kernel's sources, in which the
# directories DIR are real, each named after its parent.
link_tree() {
	local source=$1 tree=$2 dir
	shift 2
	link_dir "$source" "$tree" || return 1
	for dir in tools tools/testing "$@"; do
		unlink_dir "$tree" "$dir" || return 1
	done
	# kunit.py resolves links to find its tree, so it has to be a copy.
	rm "$tree/tools/testing/kunit" &&
		cp -a "$source/tools/testing/kunit" "$tree/tools/testing/"
}

# own_file TREE FILE...: make a linked file one that can be changed.
own_file() {
	local tree=$1 file
	shift
	for file; do
		cp -p --remove-destination "$(readlink -f "$tree/$file")" "$tree/$file" || return 1
	done
}

# name_module TREE: beside the page-table formats, in files that can be changed.
name_module() {
	local dir=$1/drivers/iommu
	# shellcheck disable=SC2016 # make expands it
	sed -i '/IOMMU_IO_PGTABLE_DART)/a obj-$(CONFIG_IO_PGTABLE_SAFE) += io_pgtable_safe/' \
		"$dir/Makefile" &&
		sed -i '0,/^endmenu/s,^endmenu,source "drivers/iommu/io_pgtable_safe/Kconfig"\n\n&,' \
			"$dir/Kconfig" &&
		grep -q 'io_pgtable_safe/' "$dir/Makefile" && grep -q io_pgtable_safe "$dir/Kconfig"
}
