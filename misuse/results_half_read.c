// SPDX-License-Identifier: GPL-2.0
/*
 * Results of which only a part is looked at.
 */
#include "io_pgtable_safe.h"

/* map_pages() may stop early without an error: at the end of a table, for one. */
int all_or_nothing_assumed(struct io_pgtable_safe *pgt)
{
	struct io_pgtable_safe_map_result res;

#ifndef FIXED
	/* cocci: mapped-unread */
	res = io_pgtable_safe_map_pages(pgt, 0, 0, SZ_4K, 16, IOMMU_READ, GFP_KERNEL);
#else
	res = io_pgtable_safe_map(pgt, 0, 0, SZ_64K, IOMMU_READ, GFP_KERNEL);
#endif
	if (res.err)
		return res.err;
	return 0;
}

int all_or_nothing_assumed_at_once(struct io_pgtable_safe *pgt)
{
#ifndef FIXED
	/* cocci: mapped-unread */
	return io_pgtable_safe_try_map_pages(pgt, 0, 0, SZ_4K, 16, IOMMU_READ, GFP_KERNEL).err;
#else
	return io_pgtable_safe_map(pgt, 0, 0, SZ_64K, IOMMU_READ, GFP_KERNEL).err;
#endif
}

/* try_map_pages() leaves a part mapped that its caller must undo or keep. */
s64 part_forgotten(struct io_pgtable_safe *pgt)
{
	struct io_pgtable_safe_map_result res;

#ifndef FIXED
	/* cocci: try-mapped-lost */
	res = io_pgtable_safe_try_map_pages(pgt, 0, 0, SZ_4K, 16, IOMMU_READ, GFP_KERNEL);
#else
	res = io_pgtable_safe_map_pages(pgt, 0, 0, SZ_4K, 16, IOMMU_READ, GFP_KERNEL);
#endif
	if (res.err)
		return res.err;
	return res.mapped;
}

s64 part_undone(struct io_pgtable_safe *pgt)
{
	struct io_pgtable_safe_map_result res;

	res = io_pgtable_safe_try_map_pages(pgt, 0, 0, SZ_4K, 16, IOMMU_READ, GFP_KERNEL);
	if (res.err) {
		if (res.mapped && io_pgtable_safe_unmap(pgt, 0, res.mapped, 0).err)
			return -EIO;
		return res.err;
	}
	return res.mapped;
}

int result_kept_unread(struct io_pgtable_safe *pgt)
{
	struct io_pgtable_safe_unmap_result gone;

	/* cocci: result-unread */
	gone = io_pgtable_safe_unmap(pgt, 0, SZ_4K, 0);
#ifdef FIXED
	return gone.err;
#endif
	return 0;
}
