// SPDX-License-Identifier: GPL-2.0
/*
 * The mistakes that raw/sg.cocci and raw/flush.cocci find in drivers, in the
 * smallest form.
 */
#include <linux/io-pgtable.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

void flush_range(void *mmio, unsigned long iova, size_t size)
{
	pr_debug("%p %lx %zx\n", mmio, iova, size);
}

void undo_range(struct io_pgtable_ops *ops, unsigned long iova, size_t size)
{
	if (size && ops->unmap_pages(ops, iova, SZ_4K, size / SZ_4K, NULL) != size)
		pr_err("not undone\n");
}

int table_too_short(struct io_pgtable_ops *ops, struct sg_table *sgt, size_t size)
{
	struct scatterlist *sg;
	unsigned long iova = 0;
	unsigned int i;
	int ret;

	/* cocci: sg-short */
	for_each_sgtable_dma_sg(sgt, sg, i) {
		size_t mapped = 0, len = min_t(size_t, size, sg_dma_len(sg));

		ret = ops->map_pages(ops, iova, sg_dma_address(sg), SZ_4K, len / SZ_4K, IOMMU_READ,
				     GFP_KERNEL, &mapped);
		iova += mapped;
		size -= mapped;
		if (ret || mapped < len) {
			undo_range(ops, 0, iova);
			return ret ?: -EAGAIN;
		}
	}
#ifdef FIXED
	if (size) {
		undo_range(ops, 0, iova);
		return -EINVAL;
	}
#endif
	return 0;
}

#ifndef FIXED
int length_not_known(struct io_pgtable_ops *ops, struct sg_table *sgt)
#else
int length_known(struct io_pgtable_ops *ops, struct sg_table *sgt, size_t size)
#endif
{
	struct scatterlist *sg;
	unsigned long iova = 0;
	unsigned int i;
	int ret;

	/* cocci: sg-no-length */
	for_each_sgtable_dma_sg(sgt, sg, i) {
		size_t mapped = 0;

		ret = ops->map_pages(ops, iova, sg_dma_address(sg), SZ_4K, sg_dma_len(sg) / SZ_4K,
				     IOMMU_READ, GFP_KERNEL, &mapped);
		iova += mapped;
		if (ret || mapped < sg_dma_len(sg)) {
			undo_range(ops, 0, iova);
			return ret ?: -EAGAIN;
		}
	}
#ifdef FIXED
	if (iova < size) {
		undo_range(ops, 0, iova);
		return -EINVAL;
	}
#endif
	return 0;
}

int cleanup_not_flushed(struct io_pgtable_ops *ops, void *mmio)
{
	size_t mapped = 0;
	int ret;

	ret = ops->map_pages(ops, 0, 0, SZ_4K, 16, IOMMU_READ, GFP_KERNEL, &mapped);
	if (ret) {
		/* cocci: cleanup-not-flushed */
		undo_range(ops, 0, mapped);
#ifdef FIXED
		flush_range(mmio, 0, mapped);
#endif
		return ret;
	}
	flush_range(mmio, 0, mapped);
	return mapped == SZ_64K ? 0 : -EAGAIN;
}
