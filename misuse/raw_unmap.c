// SPDX-License-Identifier: GPL-2.0
/*
 * The mistakes that raw/unmap.cocci finds in drivers, in the smallest form.
 */
#include <linux/bug.h>
#include <linux/io-pgtable.h>
#include <linux/sizes.h>

void result_not_looked_at(struct io_pgtable_ops *ops)
{
#ifndef FIXED
	/* cocci: unmap-dropped */
	ops->unmap_pages(ops, 0, SZ_4K, 1, NULL);
#else
	if (ops->unmap_pages(ops, 0, SZ_4K, 1, NULL) != SZ_4K)
		pr_err("left behind\n");
#endif
}

int only_warned(struct io_pgtable_ops *ops, size_t len)
{
	unsigned long iova = 0;

	for (; len; iova += SZ_4K, len -= SZ_4K) {
		size_t unmapped;

		/* cocci: unmap-only-warned */
		unmapped = ops->unmap_pages(ops, iova, SZ_4K, 1, NULL);
		WARN_ON(unmapped != SZ_4K);
#ifdef FIXED
		if (unmapped != SZ_4K)
			return -EIO;
#endif
	}
	return 0;
}

int for_ever(struct io_pgtable_ops *ops, size_t len)
{
	unsigned long iova = 0;
	size_t unmapped;

	while (len) {
		/* cocci: unmap-no-progress */
		unmapped = ops->unmap_pages(ops, iova, SZ_4K, len / SZ_4K, NULL);
#ifdef FIXED
		if (!unmapped)
			return -EIO;
#endif
		iova += unmapped;
		len -= unmapped;
	}
	return 0;
}

int skipped(struct io_pgtable_ops *ops, size_t len)
{
	unsigned long iova = 0;
	size_t unmapped;

	while (len) {
		unmapped = ops->unmap_pages(ops, iova, SZ_4K, len / SZ_4K, NULL);
		if (!unmapped)
#ifndef FIXED
			/* cocci: unmap-skips */
			unmapped = SZ_4K;
#else
			return -EIO;
#endif
		iova += unmapped;
		len -= unmapped;
	}
	return 0;
}
