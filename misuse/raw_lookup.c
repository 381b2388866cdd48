// SPDX-License-Identifier: GPL-2.0
/*
 * The mistakes that raw/lookup.cocci finds in drivers, in the smallest form.
 */
#include <linux/io-pgtable.h>
#include <linux/sizes.h>

bool is_mapped(struct io_pgtable_ops *ops, unsigned long iova)
{
#ifndef FIXED
	/* cocci: phys-zero */
	if (ops->iova_to_phys(ops, iova))
#else
	/* In mid page: the address is not 0 even if the page's is. */
	if (ops->iova_to_phys(ops, iova + 1))
#endif
		return true;
	return false;
}

bool is_hole(struct io_pgtable_ops *ops, unsigned long iova, bool sure)
{
#ifndef FIXED
	/* cocci: phys-zero */
	return sure || !ops->iova_to_phys(ops, iova);
#else
	return sure || !ops->iova_to_phys(ops, iova + 1);
#endif
}

phys_addr_t asked_first(struct io_pgtable_ops *ops, unsigned long iova)
{
	phys_addr_t pa;

	/* cocci: phys-zero */
	pa = ops->iova_to_phys(ops, iova);
#ifndef FIXED
	if (!pa)
		return U64_MAX;
#endif
	return pa;
}

size_t end_of_hole(struct io_pgtable_ops *ops, unsigned long iova, size_t offset)
{
	size_t done;

	done = ops->unmap_pages(ops, iova + offset, SZ_4K, 16, NULL);
	if (done == SZ_64K)
		return done;
#ifndef FIXED
	/* cocci: probe-offset */
	/* cocci: phys-zero */
	while (!ops->iova_to_phys(ops, iova + done) && done < SZ_64K)
#else
	while (!ops->iova_to_phys(ops, iova + offset + done + 1) && done < SZ_64K)
#endif
		done += SZ_4K;
	return done;
}
