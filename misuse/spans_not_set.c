// SPDX-License-Identifier: GPL-2.0
/*
 * Spans that are read although nothing has set them.
 */
#include "io_pgtable_safe.h"

phys_addr_t read_in_the_branch_of_the_error(struct io_pgtable_safe *pgt)
{
	struct io_pgtable_safe_span span = {};
	int err;

	err = io_pgtable_safe_lookup(pgt, 0, &span);
	if (err) {
#ifndef FIXED
		/* cocci: span-after-error */
		return span.paddr;
#else
		return 0;
#endif
	}
	return span.paddr;
}

u64 read_behind_a_failure(struct io_pgtable_safe *pgt)
{
	struct io_pgtable_safe_span span = {};

	if (io_pgtable_safe_leaf_span(pgt, 0, SZ_4K, &span)) {
#ifndef FIXED
		/* cocci: span-after-error */
		pr_info("%llu\n", span.size);
#endif
		return 0;
	}
	return span.size;
}

u64 read_untested(struct io_pgtable_safe *pgt)
{
	struct io_pgtable_safe_span span = {};
	u64 next;
	int err;

	err = io_pgtable_safe_next(pgt, 0, &span);
#ifdef FIXED
	if (err)
		return 0;
#endif
	/* cocci: span-unchecked */
	next = span.iova + span.size;
	return err ? 0 : next;
}

bool read_beside_the_test(struct io_pgtable_safe *pgt)
{
	struct io_pgtable_safe_span span = {};
	int err;

	err = io_pgtable_safe_lookup(pgt, 0, &span);
	return !err && span.leaf == SZ_2M && !span.paddr;
}
