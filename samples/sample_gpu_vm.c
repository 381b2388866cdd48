// SPDX-License-Identifier: GPL-2.0
/*
 * Address spaces of the sample GPU and what is bound in them, as a GPU driver
 * over io_pgtable_safe would do it. There is no loop over page sizes here, no
 * record of what is mapped and no cleanup after a map that failed: all of that
 * is the layer's.
 *
 * A real driver serializes the operations on one address space where a step
 * relies on the one before. Here only one thread visits.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "sample_gpu.h"

/* Address spaces */

static void sample_flush_all(void *cookie)
{
	struct sample_as *as = cookie;

	sample_mmu_invalidate(&as->mmu, 0, U64_MAX);
}

/* Must cover the leaves of the range as well as the tables over them. */
static void sample_flush_walk(unsigned long iova, size_t size, size_t granule, void *cookie)
{
	struct sample_as *as = cookie;

	sample_mmu_invalidate(&as->mmu, iova, iova + size - 1);
}

static const struct iommu_flush_ops sample_flush_ops = {
	.tlb_flush_all = sample_flush_all,
	.tlb_flush_walk = sample_flush_walk,
};

#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
static void *sample_table_alloc(void *cookie, size_t size, gfp_t gfp)
{
	struct sample_as *as = cookie;
	void *table = NULL;

	if (atomic_inc_return(&as->tables) <= as->max_tables)
		table = (void *)__get_free_pages(gfp | __GFP_ZERO, get_order(size));
	if (!table)
		atomic_dec(&as->tables);
	return table;
}

static void sample_table_free(void *cookie, void *table, size_t size)
{
	struct sample_as *as = cookie;

	free_pages((unsigned long)table, get_order(size));
	atomic_dec(&as->tables);
}

static void sample_set_table_alloc(struct io_pgtable_cfg *cfg)
{
	cfg->alloc = sample_table_alloc;
	cfg->free = sample_table_free;
}
#else
static void sample_set_table_alloc(struct io_pgtable_cfg *cfg)
{
}
#endif

/**
 * sample_as_init() - Prepare an address space that has no page table yet.
 * @as: Address space, zeroed.
 * @dev: Device.
 * @fmt: ARM_64_LPAE_S1 or ARM_V7S.
 * @cfg: Where to store the configuration to ask for.
 */
void sample_as_init(struct sample_as *as, struct device *dev, enum io_pgtable_fmt fmt,
		    struct io_pgtable_cfg *cfg)
{
	spin_lock_init(&as->mmu.lock);
	as->max_tables = INT_MAX;

	*cfg = (struct io_pgtable_cfg){
		.pgsize_bitmap = SZ_4K | SZ_2M | SZ_1G,
		.ias = 48,
		.oas = 48,
		.coherent_walk = true,
		.tlb = &sample_flush_ops,
		.iommu_dev = dev,
	};
	if (fmt == ARM_V7S) {
		cfg->pgsize_bitmap = SZ_4K | SZ_64K | SZ_1M | SZ_16M;
		cfg->ias = 32;
		cfg->oas = 32;
	} else {
		sample_set_table_alloc(cfg);
	}
}

/**
 * sample_as_enable() - Let the device use an address space.
 * @as: Address space.
 * @fmt: Format of its page table.
 * @granted: Configuration of the page table.
 */
void sample_as_enable(struct sample_as *as, enum io_pgtable_fmt fmt,
		      const struct io_pgtable_cfg *granted)
{
	sample_mmu_enable(&as->mmu, fmt, fmt == ARM_V7S ? granted->arm_v7s_cfg.ttbr :
				 granted->arm_lpae_s1_cfg.ttbr);
}

/**
 * sample_as_create() - Create an address space and let the device use it.
 * @dev: Device.
 * @fmt: ARM_64_LPAE_S1 or ARM_V7S.
 *
 * Return: The address space, or an ERR_PTR() as io_pgtable_safe_alloc().
 */
struct sample_as *sample_as_create(struct device *dev, enum io_pgtable_fmt fmt)
{
	struct io_pgtable_cfg cfg;
	struct sample_as *as;
	int err = -ENOMEM;

	as = kzalloc_obj(*as);
	if (!as)
		return ERR_PTR(-ENOMEM);
	sample_as_init(as, dev, fmt, &cfg);
	as->binds = alloc_ordered_workqueue("sample_bind", WQ_MEM_RECLAIM);
	if (!as->binds)
		goto free_as;

	as->pgt = io_pgtable_safe_alloc(fmt, &cfg, as);
	if (IS_ERR(as->pgt)) {
		err = PTR_ERR(as->pgt);
		goto free_binds;
	}
	/* From here on the table must not be freed, and the layer sees to it. */
	io_pgtable_safe_set_live(as->pgt);
	sample_as_enable(as, fmt, io_pgtable_safe_cfg(as->pgt));
	return as;

free_binds:
	destroy_workqueue(as->binds);
free_as:
	kfree(as);
	return ERR_PTR(err);
}

/**
 * sample_as_watch() - Show an address space in debugfs.
 * @gpu: Device.
 * @as: Address space.
 *
 * A driver would do it where it creates the address space, if its own switch for
 * debugging is on.
 *
 * Return: 0 or -ENOMEM.
 */
int sample_as_watch(struct sample_gpu *gpu, struct sample_as *as)
{
	return io_pgtable_safe_debugfs(as->pgt, gpu->debugfs);
}

/**
 * sample_as_destroy() - Take an address space from the device and free it.
 * @as: Address space.
 */
void sample_as_destroy(struct sample_as *as)
{
	u64 size = BIT_ULL(io_pgtable_safe_cfg(as->pgt)->ias);
	int tables = atomic_read(&as->tables), lost;
	struct io_pgtable_safe_unmap_result left;

	destroy_workqueue(as->binds);
	/* The device first, the page table afterwards. */
	sample_mmu_disable(&as->mmu);
	io_pgtable_safe_clear_live(as->pgt);
	left = io_pgtable_safe_unmap_present(as->pgt, 0, size, 0);
	io_pgtable_safe_free(as->pgt);
	lost = atomic_read(&as->tables);

	pr_info("  %-3s destroy an address space: %llu pages still bound, all unmapped\n",
		left.err ? "BAD" : "ok", left.unmapped >> PAGE_SHIFT);
	if (tables)
		pr_info("  %-3s free its page table: %d pages freed, %d lost\n",
			lost ? "BAD" : "ok", tables - lost, lost);
	kfree(as);
}

/* Bindings */

/**
 * sample_bind() - Bind a buffer or a part of it.
 * @as: Address space.
 * @vma: What to bind where.
 * @gfp: How to allocate page tables.
 *
 * The pages may be of any size and in any order: the layer picks the best page
 * sizes. A driver whose device sits behind another IOMMU passes what
 * dma_map_sgtable() made of the table and %IO_PGTABLE_SAFE_SG_DMA.
 *
 * Return: As io_pgtable_safe_map_sgtable(): everything is bound or nothing.
 */
struct io_pgtable_safe_map_result
sample_bind(struct sample_as *as, const struct sample_vma *vma, gfp_t gfp)
{
	return io_pgtable_safe_map_sgtable(as->pgt, vma->iova, &vma->bo->sgt,
					   IO_PGTABLE_SAFE_SG_CPU, vma->offset,
					   vma->size, vma->prot, gfp);
}

/**
 * sample_unbind() - Unbind what sample_bind() bound.
 * @as: Address space.
 * @vma: The binding.
 *
 * Return: As io_pgtable_safe_unmap(). On success the device cannot reach the
 * buffer any more.
 */
struct io_pgtable_safe_unmap_result
sample_unbind(struct sample_as *as, const struct sample_vma *vma)
{
	return io_pgtable_safe_unmap(as->pgt, vma->iova, vma->size, 0);
}

/**
 * sample_unbind_part() - Unbind a part of a binding.
 * @as: Address space.
 * @iova: First byte to unbind.
 * @size: Number of bytes.
 * @prot: Permissions of the binding.
 * @gfp: How to allocate page tables.
 *
 * A block that lies in the part only partly is not bound for a moment, all of it.
 * This device waits out a fault; a driver of one that does not keeps it off what
 * io_pgtable_safe_leaf_span() says meanwhile.
 *
 * Return: As io_pgtable_safe_cut(): the part is unbound, and no more than that, or
 * nothing has changed.
 */
struct io_pgtable_safe_unmap_result sample_unbind_part(struct sample_as *as, u64 iova,
						       u64 size, int prot, gfp_t gfp)
{
	return io_pgtable_safe_cut(as->pgt, iova, size, prot, gfp, 0);
}

/**
 * sample_unbind_many() - Unbind several bindings with one invalidation.
 * @as: Address space.
 * @vmas: The bindings.
 * @count: Number of them.
 *
 * Return: 0 or the first error; those before it are unbound.
 */
int sample_unbind_many(struct sample_as *as, const struct sample_vma *vmas,
		       unsigned int count)
{
	u64 start = U64_MAX, last = 0;
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++) {
		struct io_pgtable_safe_unmap_result res;

		res = io_pgtable_safe_unmap(as->pgt, vmas[i].iova, vmas[i].size,
					    IO_PGTABLE_SAFE_NO_FLUSH);
		err = res.err;
		if (!res.unmapped)
			continue;
		start = min(start, vmas[i].iova);
		last = max(last, vmas[i].iova + vmas[i].size - 1);
	}
	if (start > last)
		return err;
	/* Only now may the buffers' memory be used for something else. */
	return io_pgtable_safe_flush(as->pgt, start, last - start + 1) ?: err;
}
