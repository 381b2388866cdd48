// SPDX-License-Identifier: GPL-2.0
/*
 * What a converted panfrost does with its page tables, without a GPU: built by
 * scripts/drivers-convert in the place of the driver's page table code. The
 * GPU's registers are memory, in which the last command of an address space
 * stays to be seen.
 */
#include "panfrost_mmu.c"

#include <drm/drm_drv.h>
#include <linux/dma-resv.h>

#include "test.h"

#define IOVA	SZ_64M
#define AS	0

struct fixture {
	struct platform_device *platform;
	struct drm_device *ddev;
	struct panfrost_device *pfdev;
	struct panfrost_mmu *mmu;
};

/* A buffer and where it is to be mapped */
struct buffer {
	struct memory memory;
	struct panfrost_gem_object *bo;
	struct panfrost_gem_mapping mapping;
};

static bool buffer_get(struct buffer *b, struct fixture *f, u64 size,
		       unsigned int count, unsigned int order)
{
	memset(&b->mapping, 0, sizeof(b->mapping));
	b->bo = kzalloc_obj(*b->bo);
	if (!b->bo || !memory_get(&b->memory, count, order))
		return false;
	drm_gem_private_object_init(f->ddev, &b->bo->base.base, size);
	b->bo->base.sgt = &b->memory.sgt;
#ifdef DEVICE_HAS_BASE
	refcount_set(&b->bo->base.pages_use_count, 2);
#endif
	b->mapping.obj = b->bo;
	b->mapping.mmu = f->mmu;
	b->mapping.mmnode.start = IOVA >> PAGE_SHIFT;
	b->mapping.mmnode.size = size >> PAGE_SHIFT;
	return true;
}

static void buffer_put(struct buffer *b)
{
	dma_resv_fini(&b->bo->base.base._resv);
	memory_put(&b->memory);
	kfree(b->bo);
}

static u32 last_command(struct fixture *f)
{
	return readl(f->pfdev->iomem + AS_COMMAND(AS));
}

static void forget_command(struct fixture *f)
{
	writel(AS_COMMAND_NOP, f->pfdev->iomem + AS_COMMAND(AS));
}

/* Was what the GPU remembers of the range flushed since forget_command()? */
static bool flushed(struct fixture *f, u64 iova, u64 size)
{
	u64 region = readl(f->pfdev->iomem + AS_LOCKADDR_LO(AS)) |
		     (u64)readl(f->pfdev->iomem + AS_LOCKADDR_HI(AS)) << 32;
	u64 first = region & ~(u64)(SZ_4K - 1);
	u64 last = first + (2ULL << (region & 0x3f)) - 1;

	return last_command(f) == AS_COMMAND_FLUSH_PT && first <= iova &&
	       iova + size - 1 <= last;
}

static void granted(struct fixture *f)
{
	const struct io_pgtable_cfg *cfg = io_pgtable_safe_cfg(f->mmu->pgtbl_ops);
	u64 transtab = readl(f->pfdev->iomem + AS_TRANSTAB_LO(AS)) |
		       (u64)readl(f->pfdev->iomem + AS_TRANSTAB_HI(AS)) << 32;

	expect(transtab);
	expect(transtab == cfg->arm_mali_lpae_cfg.transtab);
	expect(cfg->pgsize_bitmap == (SZ_4K | SZ_2M));
}

static void scattered(struct fixture *f)
{
	struct buffer b;

	if (!expect(buffer_get(&b, f, SZ_64K, 16, 0)))
		return;
	forget_command(f);
	expect(!panfrost_mmu_map(&b.mapping));
	expect(shows(f->mmu->pgtbl_ops, IOVA, &b.memory, 0, SZ_64K));
	expect(flushed(f, IOVA, SZ_64K));
	forget_command(f);
	panfrost_mmu_unmap(&b.mapping);
	expect(empty(f->mmu->pgtbl_ops, IOVA, SZ_64K));
	expect(flushed(f, IOVA, SZ_64K));
	buffer_put(&b);
}

static void block(struct fixture *f)
{
	struct buffer b;

	if (!expect(buffer_get(&b, f, SZ_4M, 2, 9)))
		return;
	expect(!panfrost_mmu_map(&b.mapping));
	expect(shows(f->mmu->pgtbl_ops, IOVA, &b.memory, 0, SZ_4M));
	expect(leaf_at(f->mmu->pgtbl_ops, IOVA) == SZ_2M);
	panfrost_mmu_unmap(&b.mapping);
	expect(empty(f->mmu->pgtbl_ops, IOVA, SZ_4M));
	buffer_put(&b);
}

static void too_short(struct fixture *f)
{
	struct buffer b;

	if (!expect(buffer_get(&b, f, SZ_64K, 15, 0)))
		return;
	expect(panfrost_mmu_map(&b.mapping) == -EINVAL);
	expect(!b.mapping.active);
	expect(empty(f->mmu->pgtbl_ops, IOVA, SZ_64K));
	buffer_put(&b);
}

static void overlap(struct fixture *f)
{
	struct buffer a, b;

	if (!expect(buffer_get(&a, f, SZ_64K, 16, 0)) ||
	    !expect(buffer_get(&b, f, SZ_64K, 16, 0)))
		return;
	b.mapping.mmnode.start += 8;
	expect(!panfrost_mmu_map(&a.mapping));
	expect(panfrost_mmu_map(&b.mapping) == -EEXIST);
	expect(!b.mapping.active);
	expect(shows(f->mmu->pgtbl_ops, IOVA, &a.memory, 0, SZ_64K));
	expect(empty(f->mmu->pgtbl_ops, IOVA + SZ_64K, SZ_32K));
	panfrost_mmu_unmap(&a.mapping);
	expect(!panfrost_mmu_map(&b.mapping));
	panfrost_mmu_unmap(&b.mapping);
	expect(!io_pgtable_safe_mapped(f->mmu->pgtbl_ops));
	buffer_put(&a);
	buffer_put(&b);
}

/* What a page fault maps, as panfrost_mmu_map_fault_addr() does, twice in 8M */
static void heap(struct fixture *f)
{
	int prot = IOMMU_READ | IOMMU_WRITE | IOMMU_NOEXEC;
	struct buffer b;

	if (!expect(buffer_get(&b, f, SZ_8M, 1, 9)))
		return;
	b.bo->is_heap = true;
	expect(!mmu_map_sg(f->pfdev, f->mmu, IOVA + SZ_2M, prot, &b.memory.sgt, SZ_2M));
	expect(!mmu_map_sg(f->pfdev, f->mmu, IOVA + SZ_4M + SZ_2M, prot, &b.memory.sgt, SZ_2M));
	expect(mmu_map_sg(f->pfdev, f->mmu, IOVA + SZ_2M, prot, &b.memory.sgt, SZ_2M) == -EEXIST);
	expect(io_pgtable_safe_mapped(f->mmu->pgtbl_ops) == SZ_4M);
	b.mapping.active = true;
	forget_command(f);
	panfrost_mmu_unmap(&b.mapping);
	expect(empty(f->mmu->pgtbl_ops, IOVA, SZ_8M));
	expect(flushed(f, IOVA + SZ_2M, SZ_4M + SZ_2M));
	buffer_put(&b);
}

/* A block replaces a table that is empty but there: it is freed after a flush */
static void replaced_table(struct fixture *f)
{
	struct buffer pages, huge;

	if (!expect(buffer_get(&pages, f, SZ_4K, 1, 0)) ||
	    !expect(buffer_get(&huge, f, SZ_2M, 1, 9)))
		return;
	expect(!panfrost_mmu_map(&pages.mapping));
	panfrost_mmu_unmap(&pages.mapping);
	expect(!panfrost_mmu_map(&huge.mapping));
	expect(leaf_at(f->mmu->pgtbl_ops, IOVA) == SZ_2M);
	expect(!io_pgtable_safe_kept(f->mmu->pgtbl_ops));
	panfrost_mmu_unmap(&huge.mapping);
	buffer_put(&pages);
	buffer_put(&huge);
}

/* While it is mapped to an address space a table is not freed; then it is */
static void lost_address_space(struct fixture *f)
{
	expect(f->mmu->as == AS);
	panfrost_mmu_as_put(f->pfdev, f->mmu);
	panfrost_mmu_reset(f->pfdev);
	expect(f->mmu->as < 0);
	expect(panfrost_mmu_as_get(f->pfdev, f->mmu) == AS);
}

static const struct test_case cases[] = {
	{ "the GPU is given the table that was granted", granted },
	{ "scattered pages are mapped, unmapped and flushed", scattered },
	{ "2M of contiguous memory are mapped as a block", block },
	{ "a scatter-gather table that is too short maps nothing", too_short },
	{ "a map over what is mapped is refused, nothing changes", overlap },
	{ "a heap is unmapped in spite of its holes", heap },
	{ "a block takes the place of an empty table", replaced_table },
	{ "an address space is lost in a reset and found again", lost_address_space },
};

static bool fixture_get(struct fixture *f)
{
	static const struct panfrost_compatible compatible;
	static const struct drm_driver driver;

	f->platform = platform_device_register_simple("converted_panfrost", -1, NULL, 0);
	if (IS_ERR(f->platform) ||
	    dma_coerce_mask_and_coherent(&f->platform->dev, DMA_BIT_MASK(40)))
		return false;
	f->pfdev = kzalloc_obj(*f->pfdev);
	if (!f->pfdev)
		return false;
#ifdef DEVICE_HAS_BASE
	f->ddev = &f->pfdev->base;
#else
	f->pfdev->dev = &f->platform->dev;
	f->ddev = kzalloc_obj(*f->ddev);
	if (!f->ddev)
		return false;
	f->ddev->dev_private = f->pfdev;
	f->pfdev->ddev = f->ddev;
#endif
	f->ddev->dev = &f->platform->dev;
	f->ddev->driver = &driver;
	f->pfdev->comp = &compatible;
	f->pfdev->features.mmu_features = 40 << 8 | 48;
	f->pfdev->features.as_present = 0xff;
	f->pfdev->iomem = registers_get();
	spin_lock_init(&f->pfdev->as_lock);
	INIT_LIST_HEAD(&f->pfdev->as_lru_list);
	if (!f->pfdev->iomem)
		return false;

	f->mmu = panfrost_mmu_ctx_create(f->pfdev);
	return !IS_ERR(f->mmu) && panfrost_mmu_as_get(f->pfdev, f->mmu) == AS;
}

static void fixture_put(struct fixture *f)
{
	panfrost_mmu_as_put(f->pfdev, f->mmu);
	panfrost_mmu_ctx_put(f->mmu);
#ifndef DEVICE_HAS_BASE
	kfree(f->ddev);
#endif
	kfree((void __force *)f->pfdev->iomem);
	kfree(f->pfdev);
	platform_device_unregister(f->platform);
}

static void run_test(void)
{
	struct fixture f = {}, *ready = NULL;

	if (fixture_get(&f))
		ready = &f;
	run_cases("converted_panfrost", cases, ARRAY_SIZE(cases), ready);
	if (ready)
		fixture_put(&f);
}
