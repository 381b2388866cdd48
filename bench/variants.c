// SPDX-License-Identifier: GPL-2.0
/*
 * The ways to map and unmap that are compared.
 */
#include <linux/minmax.h>
#include <linux/sizes.h>

#include "batch.h"
#include "bench.h"

/* Memory is mapped at its own address, or as far from there as the case wants */
static phys_addr_t paddr_of(const struct bench_batch *b, u64 iova)
{
	return iova + b->skew;
}

/* --- raw: no checks, no cleanup, but all of it mapped ---------------------- */

static __always_inline int raw_map_range(struct io_pgtable_ops *ops, u64 iova,
					 phys_addr_t paddr, size_t pgsize,
					 unsigned int shift, size_t count, gfp_t gfp)
{
	size_t mapped;
	int err;

	do {
		mapped = 0;
		err = ops->map_pages(ops, iova, paddr, pgsize, count, BENCH_PROT,
				     gfp, &mapped);
		if (unlikely(err || !mapped))
			return err ?: -EIO;
		iova += mapped;
		paddr += mapped;
		count -= mapped >> shift;
	} while (count);
	return 0;
}

static __always_inline int raw_map(struct bench_table *t,
				   const struct bench_batch *b, u64 iova)
{
	return raw_map_range(t->ops, iova, paddr_of(b, iova), b->pgsize, b->shift,
			     b->pgcount, b->gfp);
}

BENCH_BATCH(raw_map)

static __always_inline int raw_unmap(struct bench_table *t,
				     const struct bench_batch *b, u64 iova)
{
	size_t count = b->size >> b->unmap_shift, unmapped;

	do {
		unmapped = t->ops->unmap_pages(t->ops, iova, b->unmap_pgsize, count,
					       NULL);
		if (unlikely(!unmapped))
			return -EIO;
		iova += unmapped;
		count -= unmapped >> b->unmap_shift;
	} while (count);
	return 0;
}

BENCH_BATCH(raw_unmap)

static const struct bench_variant raw = {
	.name = "raw", .kind = BENCH_RAW,
	.map = raw_map_batch, .unmap = raw_unmap_batch,
};

/* --- the checked calls ------------------------------------------------------ */

static __always_inline int safe_pages_map(struct bench_table *t,
					  const struct bench_batch *b, u64 iova)
{
	size_t count = b->pgcount;
	struct io_pgtable_safe_map_result res;

	do {
		res = io_pgtable_safe_map_pages(t->pgt, iova, paddr_of(b, iova),
						b->pgsize, count, BENCH_PROT, b->gfp);
		if (unlikely(res.err))
			return res.err;
		iova += res.mapped;
		count -= res.mapped >> b->shift;
	} while (count);
	return 0;
}

BENCH_BATCH(safe_pages_map)

static __always_inline int safe_pages_unmap(struct bench_table *t,
					    const struct bench_batch *b, u64 iova)
{
	return io_pgtable_safe_unmap_pages(t->pgt, iova, b->unmap_pgsize,
					   b->size >> b->unmap_shift, 0).err;
}

BENCH_BATCH(safe_pages_unmap)

static const struct bench_variant safe_pages = {
	.name = "map_pages", .kind = BENCH_SAFE,
	.map = safe_pages_map_batch, .unmap = safe_pages_unmap_batch,
};

static __always_inline int safe_range_map(struct bench_table *t,
					  const struct bench_batch *b, u64 iova)
{
	return io_pgtable_safe_map(t->pgt, iova, paddr_of(b, iova), b->size,
				   BENCH_PROT, b->gfp).err;
}

BENCH_BATCH(safe_range_map)

static __always_inline int safe_range_unmap(struct bench_table *t,
					    const struct bench_batch *b, u64 iova)
{
	return io_pgtable_safe_unmap(t->pgt, iova, b->size, 0).err;
}

BENCH_BATCH(safe_range_unmap)

static const struct bench_variant safe_range = {
	.name = "map", .kind = BENCH_SAFE,
	.map = safe_range_map_batch, .unmap = safe_range_unmap_batch,
};

/* --- iommu_map(), over the same format or the generic one ------------------- */

#if IS_ENABLED(CONFIG_IOMMU_API)
static __always_inline int iommu_range_map(struct bench_table *t,
					   const struct bench_batch *b, u64 iova)
{
	return iommu_map(t->domain, iova, paddr_of(b, iova), b->size, BENCH_PROT, b->gfp);
}

BENCH_BATCH(iommu_range_map)

static __always_inline int iommu_range_unmap(struct bench_table *t,
					     const struct bench_batch *b, u64 iova)
{
	return iommu_unmap(t->domain, iova, b->size) == b->size ? 0 : -EIO;
}

BENCH_BATCH(iommu_range_unmap)

static const struct bench_variant iommu_range = {
	.name = "iommu_map", .kind = BENCH_IOMMU,
	.map = iommu_range_map_batch, .unmap = iommu_range_unmap_batch,
};

static const struct bench_variant generic_range = {
	.name = "generic_pt", .kind = BENCH_GENERIC,
	.map = iommu_range_map_batch, .unmap = iommu_range_unmap_batch,
};
#endif

/* --- scatter-gather tables: the loops of panthor, and the checked call ------ */

/* Page size and number of pages for the next call, as panthor chooses them */
static size_t panthor_pgsize(u64 addr, size_t size, size_t *count)
{
	size_t to_block = -addr % SZ_2M;

	if (to_block || size < SZ_2M) {
		*count = min_not_zero(to_block, size) / SZ_4K;
		return SZ_4K;
	}
	to_block = -addr % SZ_1G ?: SZ_1G;
	*count = min(to_block, size) / SZ_2M;
	return SZ_2M;
}

static int panthor_unmap(struct bench_table *t, const struct bench_batch *b, u64 iova)
{
	struct io_pgtable_ops *ops = t->ops;
	u64 offset = 0, size = b->size;
	size_t pgsize, pgcount, unmapped;

	while (offset < size) {
		pgsize = panthor_pgsize(iova + offset, size - offset, &pgcount);
		unmapped = ops->unmap_pages(ops, iova + offset, pgsize, pgcount, NULL);
		if (WARN_ON_ONCE(unmapped != pgsize * pgcount))
			return -EIO;
		offset += unmapped;
	}
	return 0;
}

BENCH_BATCH(panthor_unmap)

static int panthor_map(struct bench_table *t, const struct bench_batch *b, u64 iova)
{
	struct io_pgtable_ops *ops = t->ops;
	size_t len, pgsize, pgcount, mapped;
	u64 size = b->size, offset = 0;
	struct scatterlist *sg;
	dma_addr_t paddr;
	unsigned int i;
	int err;

	for_each_sgtable_dma_sg(b->sgt, sg, i) {
		paddr = sg_dma_address(sg);
		len = sg_dma_len(sg);
		if (len <= offset) {
			offset -= len;
			continue;
		}
		paddr += offset;
		len = min_t(u64, len - offset, size);
		size -= len;

		while (len) {
			mapped = 0;
			pgsize = panthor_pgsize(iova | paddr, len, &pgcount);
			err = ops->map_pages(ops, iova, paddr, pgsize, pgcount,
					     BENCH_PROT, b->gfp, &mapped);
			iova += mapped;
			paddr += mapped;
			len -= mapped;
			if (!err && !mapped)
				err = -ENOMEM;
			if (WARN_ON_ONCE(err))
				return err;
		}
		if (!size)
			break;
		offset = 0;
	}
	return 0;
}

BENCH_BATCH(panthor_map)

static const struct bench_variant panthor = {
	.name = "panthor's loop", .kind = BENCH_RAW,
	.map = panthor_map_batch, .unmap = panthor_unmap_batch,
};

static __always_inline int safe_sg_map(struct bench_table *t,
				       const struct bench_batch *b, u64 iova)
{
	return io_pgtable_safe_map_sgtable(t->pgt, iova, b->sgt, IO_PGTABLE_SAFE_SG_DMA,
					   0, b->size, BENCH_PROT, b->gfp).err;
}

BENCH_BATCH(safe_sg_map)

static const struct bench_variant safe_sg = {
	.name = "map_sgtable", .kind = BENCH_SAFE,
	.map = safe_sg_map_batch, .unmap = safe_range_unmap_batch,
};

/* --- the same memory over and over ------------------------------------------ */

static __always_inline int raw_repeat_map(struct bench_table *t,
					  const struct bench_batch *b, u64 iova)
{
	phys_addr_t paddr = paddr_of(b, b->block);
	u64 offset;
	int err;

	for (offset = 0; offset < b->size; offset += b->block) {
		err = raw_map_range(t->ops, iova + offset, paddr, b->pgsize, b->shift,
				    b->block >> b->shift, b->gfp);
		if (unlikely(err))
			return err;
	}
	return 0;
}

BENCH_BATCH(raw_repeat_map)

static const struct bench_variant raw_repeat = {
	.name = "raw loop", .kind = BENCH_RAW,
	.map = raw_repeat_map_batch, .unmap = raw_unmap_batch,
};

static __always_inline int safe_repeat_map(struct bench_table *t,
					   const struct bench_batch *b, u64 iova)
{
	return io_pgtable_safe_map_repeat(t->pgt, iova, paddr_of(b, b->block), b->block,
					  0, b->size, BENCH_PROT, b->gfp).err;
}

BENCH_BATCH(safe_repeat_map)

static const struct bench_variant safe_repeat = {
	.name = "map_repeat", .kind = BENCH_SAFE,
	.map = safe_repeat_map_batch, .unmap = safe_range_unmap_batch,
};

/* --- sets -------------------------------------------------------------------- */

const struct bench_variant *const bench_page_variants[] = {
	&raw, &safe_pages, &safe_range,
#if IS_ENABLED(CONFIG_IOMMU_API)
	&iommu_range, &generic_range,
#endif
	&bench_ledger_alone, NULL
};

/* More than the ledger claims at a time */
const struct bench_variant *const bench_large_variants[] = {
	&raw, &safe_pages, &safe_range,
#if IS_ENABLED(CONFIG_IOMMU_API)
	&iommu_range, &generic_range,
#endif
	NULL
};

/* Where each table takes much memory */
const struct bench_variant *const bench_live_variants[] = {
	&raw, &safe_pages,
#if IS_ENABLED(CONFIG_IOMMU_API)
	&iommu_range,
#endif
	&bench_ledger_alone, NULL
};

const struct bench_variant *const bench_thread_variants[] = {
	&raw, &safe_pages,
#if IS_ENABLED(CONFIG_IOMMU_API)
	&iommu_range,
#endif
	NULL
};

const struct bench_variant *const bench_sg_variants[] = {
	&panthor, &safe_sg, NULL
};

const struct bench_variant *const bench_repeat_variants[] = {
	&raw_repeat, &safe_repeat, NULL
};
