// SPDX-License-Identifier: GPL-2.0
/*
 * One thing taken for another.
 */
#include "io_pgtable_safe.h"

int pair_as_errno(struct io_pgtable_safe *pgt)
{
#ifndef FIXED
	/* cc: type 'int' using type 'struct io_pgtable_safe_map_result' */
	int err = io_pgtable_safe_map(pgt, 0, 0, SZ_4K, IOMMU_READ, GFP_KERNEL);
#else
	int err = io_pgtable_safe_map(pgt, 0, 0, SZ_4K, IOMMU_READ, GFP_KERNEL).err;
#endif
	return err;
}

int pair_returned(struct io_pgtable_safe *pgt)
{
#ifndef FIXED
	/* cc: returning type 'struct io_pgtable_safe_unmap_result' but 'int' was expected */
	return io_pgtable_safe_unmap(pgt, 0, SZ_4K, 0);
#else
	return io_pgtable_safe_unmap(pgt, 0, SZ_4K, 0).err;
#endif
}

bool pair_tested(struct io_pgtable_safe *pgt)
{
#ifndef FIXED
	/* cc: used struct type value where scalar is required */
	if (io_pgtable_safe_unmap(pgt, 0, SZ_4K, 0))
		return true;
#endif
	return false;
}

void map_taken_for_unmap(struct io_pgtable_safe *pgt)
{
	struct io_pgtable_safe_unmap_result gone;

#ifndef FIXED
	/* cc: assigning to type 'struct io_pgtable_safe_unmap_result' */
	gone = io_pgtable_safe_map(pgt, 0, 0, SZ_4K, IOMMU_READ, GFP_KERNEL);
#else
	gone = io_pgtable_safe_unmap(pgt, 0, SZ_4K, 0);
#endif
	pr_info("%llu %d\n", gone.unmapped, gone.err);
}

u64 mapped_of_an_unmap(struct io_pgtable_safe *pgt)
{
#ifndef FIXED
	/* cc: 'struct io_pgtable_safe_unmap_result' has no member named 'mapped' */
	return io_pgtable_safe_unmap(pgt, 0, SZ_4K, 0).mapped;
#else
	return io_pgtable_safe_unmap(pgt, 0, SZ_4K, 0).unmapped;
#endif
}

int errno_taken_for_pair(struct io_pgtable_safe *pgt)
{
	struct io_pgtable_safe_map_result res;

#ifndef FIXED
	/* cc: assigning to type 'struct io_pgtable_safe_map_result' from type 'int' */
	res = -ENOMEM;
#else
	res = (struct io_pgtable_safe_map_result){ .err = -ENOMEM };
#endif
	return res.err;
}

int ops_taken_for_table(struct io_pgtable_ops *ops, struct io_pgtable_safe *pgt)
{
#ifndef FIXED
	/* cc: passing argument 1 of 'io_pgtable_safe_unmap' from incompatible pointer type */
	return io_pgtable_safe_unmap(ops, 0, SZ_4K, 0).err;
#else
	return io_pgtable_safe_unmap(pgt, 0, SZ_4K, 0).err;
#endif
}

struct io_pgtable_ops *into_the_table(struct io_pgtable_safe *pgt)
{
#ifndef FIXED
	/* cc: invalid use of undefined type 'struct io_pgtable_safe' */
	return pgt->ops;
#else
	/* SAFETY: for a caller that does not exist. */
	return io_pgtable_safe_raw_ops(pgt);
#endif
}

u64 granted_changed(struct io_pgtable_safe *pgt)
{
	const struct io_pgtable_cfg *cfg = io_pgtable_safe_cfg(pgt);

#ifndef FIXED
	/* cc: assignment of member 'ias' in read-only object */
	cfg->ias = 32;
#endif
	return cfg->ias;
}

unsigned long granted_as_ones_own(struct io_pgtable_safe *pgt)
{
#ifndef FIXED
	/* cc: initialization discards 'const' qualifier from pointer target type */
	struct io_pgtable_cfg *cfg = io_pgtable_safe_cfg(pgt);
#else
	const struct io_pgtable_cfg *cfg = io_pgtable_safe_cfg(pgt);
#endif
	return cfg->pgsize_bitmap;
}

int span_by_value(struct io_pgtable_safe *pgt)
{
	struct io_pgtable_safe_span span = {};

#ifndef FIXED
	/* cc: incompatible type for argument 3 of 'io_pgtable_safe_lookup' */
	return io_pgtable_safe_lookup(pgt, 0, span);
#else
	return io_pgtable_safe_lookup(pgt, 0, &span);
#endif
}

bool mapped_without_an_answer(struct io_pgtable_safe *pgt)
{
#ifndef FIXED
	/* cc: too few arguments to function 'io_pgtable_safe_lookup' */
	return !io_pgtable_safe_lookup(pgt, 0);
#else
	struct io_pgtable_safe_span span;

	return !io_pgtable_safe_lookup(pgt, 0, &span);
#endif
}
