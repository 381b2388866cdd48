// SPDX-License-Identifier: GPL-2.0
/*
 * The way out of every guarantee, taken without a word.
 */
#include "io_pgtable_safe.h"

phys_addr_t no_reason(struct io_pgtable_safe *pgt)
{
	struct io_pgtable_ops *ops;

#ifndef FIXED
	/* Ask the table itself. */
	/* cocci: raw-no-reason */
	ops = io_pgtable_safe_raw_ops(pgt);
#else
	/* SAFETY: only read, and nobody unmaps meanwhile. */
	ops = io_pgtable_safe_raw_ops(pgt);
#endif
	return ops->iova_to_phys(ops, SZ_4K);
}

phys_addr_t reason_elsewhere(struct io_pgtable_safe *pgt)
{
	struct io_pgtable_ops *ops;

	/* SAFETY: only read, and nobody unmaps meanwhile. */
#ifndef FIXED
	pr_debug("here it comes\n");
	/* cocci: raw-no-reason */
	ops = io_pgtable_safe_raw_ops(pgt);
#else
	ops = io_pgtable_safe_raw_ops(pgt);
#endif
	return ops->iova_to_phys(ops, SZ_4K);
}

phys_addr_t long_reason(struct io_pgtable_safe *pgt)
{
	/*
	 * SAFETY: only read, and the caller holds the lock that everybody
	 * who unmaps has to take.
	 */
	struct io_pgtable_ops *ops =
		io_pgtable_safe_raw_ops(pgt);

	return ops->iova_to_phys(ops, SZ_4K);
}
