// SPDX-License-Identifier: GPL-2.0
/*
 * The mistakes that raw/map.cocci finds in drivers, in the smallest form.
 */
#include <linux/io-pgtable.h>
#include <linux/kernel.h>
#include <linux/sizes.h>

void undo(struct io_pgtable_ops *ops, size_t size)
{
	if (size && ops->unmap_pages(ops, 0, SZ_4K, size / SZ_4K, NULL) != size)
		pr_err("not undone\n");
}

void error_not_looked_at(struct io_pgtable_ops *ops)
{
	size_t mapped = 0;

#ifndef FIXED
	/* cocci: map-dropped */
	ops->map_pages(ops, 0, 0, SZ_4K, 1, IOMMU_READ, GFP_KERNEL, &mapped);
#else
	if (ops->map_pages(ops, 0, 0, SZ_4K, 1, IOMMU_READ, GFP_KERNEL, &mapped))
		pr_info("%zu\n", mapped);
#endif
}

int part_stays(struct io_pgtable_ops *ops)
{
	size_t mapped = 0;
	int ret;

	/* cocci: mapped-lost */
	ret = ops->map_pages(ops, 0, 0, SZ_4K, 16, IOMMU_READ, GFP_KERNEL, &mapped);
	if (ret) {
#ifdef FIXED
		undo(ops, mapped);
#endif
		return ret;
	}
	return mapped / SZ_4K;
}

int part_stays_at_once(struct io_pgtable_ops *ops)
{
	size_t mapped = 0;

	/* cocci: mapped-lost */
	if (ops->map_pages(ops, 0, 0, SZ_4K, 16, IOMMU_READ, GFP_KERNEL, &mapped)) {
#ifdef FIXED
		undo(ops, mapped);
#endif
		return -ENOMEM;
	}
	return mapped / SZ_4K;
}

int cleanup_of_all_but_the_last(struct io_pgtable_ops *ops, size_t size)
{
	size_t total = 0, mapped;
	int ret;

	while (total < size) {
		mapped = 0;
#ifndef FIXED
		/* cocci: mapped-lost */
		/* cocci: cleanup-short */
		ret = ops->map_pages(ops, total, total, SZ_4K, 1, IOMMU_READ, GFP_KERNEL, &mapped);
		if (ret)
			goto err;
		if (!mapped)
			break;
		total += mapped;
#else
		ret = ops->map_pages(ops, total, total, SZ_4K, 1, IOMMU_READ, GFP_KERNEL, &mapped);
		total += mapped;
		if (ret)
			goto err;
		if (!mapped)
			break;
#endif
	}
	return 0;
err:
	undo(ops, total);
	return ret;
}

size_t never_zeroed(struct io_pgtable_ops *ops)
{
#ifndef FIXED
	size_t mapped;
#else
	size_t mapped = 0;
#endif
	int ret;

	/* cocci: mapped-not-zeroed */
	ret = ops->map_pages(ops, 0, 0, SZ_4K, 1, IOMMU_READ, GFP_KERNEL, &mapped);
	return ret ? 0 : mapped;
}

size_t not_zeroed_again(struct io_pgtable_ops *ops)
{
	size_t mapped = 0, first;
	int ret;

	ret = ops->map_pages(ops, 0, 0, SZ_4K, 1, IOMMU_READ, GFP_KERNEL, &mapped);
	first = mapped;
#ifdef FIXED
	mapped = 0;
#endif
	/* cocci: mapped-not-zeroed */
	ret = ops->map_pages(ops, SZ_2M, 0, SZ_4K, 1, IOMMU_READ, GFP_KERNEL, &mapped);
	return ret ? 0 : first + mapped;
}

int for_ever(struct io_pgtable_ops *ops, size_t len)
{
	unsigned long iova = 0;
	int ret;

	while (len) {
		size_t mapped = 0;

		/* cocci: no-progress */
		ret = ops->map_pages(ops, iova, iova, SZ_4K, 1, IOMMU_READ, GFP_KERNEL, &mapped);
		iova += mapped;
		len -= mapped;
#ifdef FIXED
		if (!ret && !mapped)
			ret = -EIO;
#endif
		if (ret) {
			undo(ops, iova);
			return ret;
		}
	}
	return 0;
}

int holes_counted(struct io_pgtable_ops *ops, size_t len)
{
	unsigned long iova = 0;
	int ret;

	while (len) {
		size_t mapped = 0;

		ret = ops->map_pages(ops, iova, iova, SZ_4K, 1, IOMMU_READ, GFP_KERNEL, &mapped);
#ifndef FIXED
		/* cocci: mapped-max */
		mapped = max_t(size_t, mapped, SZ_4K);
#else
		if (!ret && !mapped)
			ret = -EIO;
#endif
		iova += mapped;
		len -= mapped;
		if (ret) {
			undo(ops, iova);
			return ret;
		}
	}
	return 0;
}

size_t hole_counted(struct io_pgtable_ops *ops)
{
	size_t mapped = 0;
	int ret;

	ret = ops->map_pages(ops, 0, 0, SZ_4K, 1, IOMMU_READ, GFP_KERNEL, &mapped);
#ifndef FIXED
	if (!mapped)
		/* cocci: mapped-max */
		mapped = SZ_4K;
#endif
	return ret ? 0 : mapped;
}

size_t hole_counted_elsewhere(struct io_pgtable_ops *ops)
{
	size_t mapped = 0;
	int ret;

	ret = ops->map_pages(ops, 0, 0, SZ_4K, 1, IOMMU_READ, GFP_KERNEL, &mapped);
	if (ret)
		undo(ops, mapped);
#ifndef FIXED
	/* cocci: mapped-max */
	return mapped ?: SZ_4K;
#else
	return mapped;
#endif
}

int other_error(struct io_pgtable_ops *ops)
{
	size_t mapped = 0;
	int ret;

	ret = ops->map_pages(ops, 0, 0, SZ_4K, 1, IOMMU_READ, GFP_KERNEL, &mapped);
	if (ret) {
		undo(ops, mapped);
#ifndef FIXED
		/* cocci: errno-replaced */
		return -EINVAL;
#else
		return ret;
#endif
	}
	return mapped == SZ_4K ? 0 : -EIO;
}

/* Nothing here is judged: the caller gets it all. */
int handed_on(struct io_pgtable_ops *ops, unsigned long iova, size_t *mapped)
{
	return ops->map_pages(ops, iova, 0, SZ_4K, 1, IOMMU_READ, GFP_KERNEL, mapped);
}

struct other_domain;

struct other_ops {
	int (*map_pages)(struct other_domain *domain, unsigned long iova, size_t *mapped);
};

/* Members of the same name in another struct. */
int other_ops(const struct other_ops *ops, struct other_domain *domain)
{
	size_t mapped;

	ops->map_pages(domain, 0, &mapped);
	return ops->map_pages(domain, SZ_2M, &mapped) ? -EINVAL : 0;
}
