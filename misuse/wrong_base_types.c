// SPDX-License-Identifier: GPL-2.0
/*
 * What a compiler takes for one integer like another.
 */
#include "io_pgtable_safe.h"

int prot_and_gfp_swapped(struct io_pgtable_safe *pgt)
{
#ifndef FIXED
	/* sparse: incorrect type in argument 5 (different base types) */
	/* sparse: incorrect type in argument 6 (different base types) */
	return io_pgtable_safe_map(pgt, 0, 0, SZ_4K, GFP_KERNEL, IOMMU_READ).err;
#else
	return io_pgtable_safe_map(pgt, 0, 0, SZ_4K, IOMMU_READ, GFP_KERNEL).err;
#endif
}

int gfp_as_flags(struct io_pgtable_safe *pgt)
{
#ifndef FIXED
	/* sparse: incorrect type in argument 4 (different base types) */
	return io_pgtable_safe_unmap(pgt, 0, SZ_4K, GFP_KERNEL).err;
#else
	return io_pgtable_safe_unmap(pgt, 0, SZ_4K, 0).err;
#endif
}
