// SPDX-License-Identifier: GPL-2.0
/*
 * io-pgtable without anything in between, to see what it does with the same
 * requests. This is not how to do it.
 */

#include <linux/err.h>
#include <linux/io-pgtable.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "sample_gpu_story.h"

/**
 * raw_create() - Create an address space over a raw page table.
 * @dev: Device.
 * @fmt: Format.
 *
 * Return: The address space or NULL. More is not to be had from io-pgtable.
 */
struct raw *raw_create(struct device *dev, enum io_pgtable_fmt fmt)
{
	struct io_pgtable_cfg cfg;
	struct raw *raw;

	raw = kzalloc_obj(*raw);
	if (!raw)
		return NULL;
	sample_as_init(&raw->as, dev, fmt, &cfg);
	raw->ops = alloc_io_pgtable_ops(fmt, &cfg, &raw->as);
	if (!raw->ops) {
		kfree(raw);
		return NULL;
	}
	sample_as_enable(&raw->as, fmt, &cfg);
	return raw;
}

/**
 * raw_destroy() - Free it.
 * @raw: Address space or NULL.
 */
void raw_destroy(struct raw *raw)
{
	if (!raw)
		return;
	sample_mmu_disable(&raw->as.mmu);
	free_io_pgtable_ops(raw->ops);
	kfree(raw);
}

/**
 * raw_map() - One call of map_pages().
 * @raw: Address space.
 * @iova: Address.
 * @paddr: Memory.
 * @pgsize: Page size.
 * @pgcount: Number of pages.
 * @prot: Permissions.
 * @gfp: How to allocate tables.
 *
 * Return: What became of it.
 */
struct outcome raw_map(struct raw *raw, u64 iova, phys_addr_t paddr, size_t pgsize,
		       size_t pgcount, int prot, gfp_t gfp)
{
	size_t mapped = 0;
	int err;

	err = raw->ops->map_pages(raw->ops, iova, paddr, pgsize, pgcount, prot, gfp, &mapped);
	return (struct outcome){ .bytes = mapped, .err = err };
}

/**
 * raw_unmap() - One call of unmap_pages(), without gather.
 * @raw: Address space.
 * @iova: Address.
 * @pgsize: Page size.
 * @pgcount: Number of pages.
 *
 * Return: Bytes unmapped.
 */
size_t raw_unmap(struct raw *raw, u64 iova, size_t pgsize, size_t pgcount)
{
	return raw->ops->unmap_pages(raw->ops, iova, pgsize, pgcount, NULL);
}

/**
 * raw_bind() - The loop that drivers write, with its usual faults.
 * @raw: Address space.
 * @vma: What to bind where. Its offset is ignored.
 * @gfp: How to allocate tables.
 * @calls: Where to count the calls of map_pages().
 *
 * It stops at the end of the scatter-gather table, complete or not, and leaves
 * it to others to clean up.
 *
 * Return: What became of it.
 */
struct outcome raw_bind(struct raw *raw, const struct sample_vma *vma, gfp_t gfp,
			unsigned int *calls)
{
	struct outcome sum = {};
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_sg(&vma->bo->sgt, sg, i) {
		u64 len = min_t(u64, sg->length, vma->size - sum.bytes), done = 0;

		while (done < len) {
			struct outcome one;

			one = raw_map(raw, vma->iova + sum.bytes, sg_phys(sg) + done, SZ_4K,
				      (len - done) / SZ_4K, vma->prot, gfp);
			(*calls)++;
			sum.bytes += one.bytes;
			done += one.bytes;
			sum.err = one.err;
			if (sum.err || !one.bytes)
				return sum;
		}
	}
	return sum;
}

/**
 * raw_unbind() - Unmap a range of 4K pages, all of which are mapped.
 * @raw: Address space.
 * @iova: First byte.
 * @size: Size in bytes.
 */
void raw_unbind(struct raw *raw, u64 iova, u64 size)
{
	while (size) {
		size_t unmapped = raw_unmap(raw, iova, SZ_4K, size / SZ_4K);

		if (!unmapped)
			break;
		iova += unmapped;
		size -= unmapped;
	}
	sample_mmu_invalidate(&raw->as.mmu, 0, U64_MAX);
}
