// SPDX-License-Identifier: GPL-2.0
/*
 * What a converted panthor does with its page tables, without a GPU: built by
 * scripts/drivers-convert in the place of the driver's page table code. The VM,
 * its drm_gpuvm and the VM_BIND operations are the driver's own; buffers have
 * memory that the test chose. No address space of a GPU points to the VM.
 */
#include "panthor_mmu.c"

#include "test.h"

#define IOVA	SZ_64M
#define FLAGS	DRM_PANTHOR_VM_BIND_OP_MAP_NOEXEC

struct fixture {
	struct platform_device *platform;
	struct panthor_device *ptdev;
	struct panthor_vm *vm;
	struct io_pgtable_safe *pgt;
};

struct buffer {
	struct memory memory;
	struct panthor_gem_object *bo;
};

static struct drm_gem_object *buffer_gem(struct buffer *b)
{
#ifdef LOCKS_REGION
	return &b->bo->base;
#else
	return &b->bo->base.base;
#endif
}

/* Pinned, with a scatter-gather table: the driver has nothing left to allocate */
static bool buffer_get(struct buffer *b, struct fixture *f, u64 size,
		       unsigned int count, unsigned int order)
{
	b->bo = kzalloc_obj(*b->bo);
	if (!b->bo || !memory_get(&b->memory, count, order))
		return false;
	drm_gem_private_object_init(&f->ptdev->base, buffer_gem(b), size);
#ifdef LOCKS_REGION
	b->bo->dmap.sgt = &b->memory.sgt;
	b->bo->reclaim_state = PANTHOR_GEM_UNRECLAIMABLE;
	refcount_set(&b->bo->backing.pin_count, 1);
#else
	b->bo->base.sgt = &b->memory.sgt;
	b->bo->base.pages_use_count = 1;
	mutex_init(&b->bo->gpuva_list_lock);
	drm_gem_gpuva_set_lock(buffer_gem(b), &b->bo->gpuva_list_lock);
#endif
	return true;
}

static void buffer_put(struct buffer *b)
{
	expect(kref_read(&buffer_gem(b)->refcount) == 1);
	drm_gem_private_object_fini(buffer_gem(b));
	memory_put(&b->memory);
	kfree(b->bo);
}

static int bind(struct fixture *f, struct buffer *b, u64 offset, u64 size, u64 iova)
{
	return panthor_vm_map_bo_range(f->vm, b->bo, offset, size, iova, FLAGS);
}

static void granted(struct fixture *f)
{
	const struct io_pgtable_cfg *cfg = io_pgtable_safe_cfg(f->pgt);

	expect(cfg->arm_lpae_s1_cfg.ttbr);
	expect(cfg->pgsize_bitmap == (SZ_4K | SZ_2M));
	expect(f->vm->memattr);
	expect(panthor_vm_page_size(f->vm) == SZ_4K);
}

static void scattered(struct fixture *f)
{
	struct buffer b;

	if (!expect(buffer_get(&b, f, SZ_64K, 16, 0)))
		return;
	expect(!bind(f, &b, SZ_32K, SZ_32K, IOVA));
	expect(shows(f->pgt, IOVA, &b.memory, SZ_32K, SZ_32K));
	expect(empty(f->pgt, IOVA + SZ_32K, SZ_32K));
	expect(!panthor_vm_unmap_range(f->vm, IOVA, SZ_32K));
	expect(empty(f->pgt, IOVA, SZ_64K));
	buffer_put(&b);
}

static void block(struct fixture *f)
{
	struct buffer b;

	if (!expect(buffer_get(&b, f, SZ_4M, 2, 9)))
		return;
	expect(!bind(f, &b, 0, SZ_4M, IOVA));
	expect(shows(f->pgt, IOVA, &b.memory, 0, SZ_4M));
	expect(leaf_at(f->pgt, IOVA) == SZ_2M);
	expect(!panthor_vm_unmap_range(f->vm, IOVA, SZ_4M));
	expect(empty(f->pgt, IOVA, SZ_4M));
	buffer_put(&b);
}

static void too_short(struct fixture *f)
{
	struct buffer b;

	if (!expect(buffer_get(&b, f, SZ_64K, 15, 0)))
		return;
	expect(bind(f, &b, 0, SZ_64K, IOVA) == -EINVAL);
	expect(empty(f->pgt, IOVA, SZ_64K));
	expect(!f->vm->unusable);
	expect(!bind(f, &b, 0, SZ_32K, IOVA));
	expect(shows(f->pgt, IOVA, &b.memory, 0, SZ_32K));
	expect(!panthor_vm_unmap_range(f->vm, IOVA, SZ_32K));
	buffer_put(&b);
}

/* Unmap @size from @at of two blocks: that is gone, and all else is as it was */
static void cut(struct fixture *f, u64 at, u64 size)
{
	u64 rest = SZ_4M - at - size;
	struct buffer b;

	if (!expect(buffer_get(&b, f, SZ_4M, 2, 9)))
		return;
	expect(!bind(f, &b, 0, SZ_4M, IOVA));
	expect(leaf_at(f->pgt, IOVA) == SZ_2M);
	expect(!panthor_vm_unmap_range(f->vm, IOVA + at, size));
	expect(shows(f->pgt, IOVA, &b.memory, 0, at));
	expect(empty(f->pgt, IOVA + at, size));
	expect(shows(f->pgt, IOVA + at + size, &b.memory, at + size, rest));
	expect(io_pgtable_safe_mapped(f->pgt) == at + rest);
	expect(!panthor_vm_unmap_range(f->vm, IOVA, SZ_4M));
	expect(!io_pgtable_safe_mapped(f->pgt));
	buffer_put(&b);
}

static void cut_middle(struct fixture *f)
{
	cut(f, SZ_1M, SZ_64K);
}

static void cut_start(struct fixture *f)
{
	cut(f, 0, SZ_4K);
}

static void cut_end(struct fixture *f)
{
	cut(f, SZ_4M - SZ_4K, SZ_4K);
}

static void cut_two(struct fixture *f)
{
	cut(f, SZ_1M, SZ_2M);
}

/* A bind over the middle of what is bound as a block */
static void replace(struct fixture *f)
{
	struct buffer huge, pages;

	if (!expect(buffer_get(&huge, f, SZ_2M, 1, 9)) ||
	    !expect(buffer_get(&pages, f, SZ_64K, 16, 0)))
		return;
	expect(!bind(f, &huge, 0, SZ_2M, IOVA));
	expect(!bind(f, &pages, 0, SZ_64K, IOVA + SZ_1M));
	expect(shows(f->pgt, IOVA, &huge.memory, 0, SZ_1M));
	expect(shows(f->pgt, IOVA + SZ_1M, &pages.memory, 0, SZ_64K));
	expect(shows(f->pgt, IOVA + SZ_1M + SZ_64K, &huge.memory,
		     SZ_1M + SZ_64K, SZ_1M - SZ_64K));
	expect(!panthor_vm_unmap_range(f->vm, IOVA, SZ_2M));
	expect(!io_pgtable_safe_mapped(f->pgt));
	buffer_put(&pages);
	buffer_put(&huge);
}

/* One unmap over two bindings and what is not bound between them */
static void holes(struct fixture *f)
{
	struct buffer b;

	if (!expect(buffer_get(&b, f, SZ_64K, 16, 0)))
		return;
	expect(!bind(f, &b, 0, SZ_32K, IOVA + SZ_4K));
	expect(!bind(f, &b, SZ_32K, SZ_32K, IOVA + SZ_2M));
	expect(!panthor_vm_unmap_range(f->vm, IOVA, SZ_4M));
	expect(empty(f->pgt, IOVA, SZ_4M));
	expect(!io_pgtable_safe_mapped(f->pgt));
	expect(!f->vm->unusable);
	buffer_put(&b);
}

/* Below drm_gpuvm: an operation on the page table, with what it needs */
static void begin_update(struct fixture *f, struct panthor_vm_op_ctx *ctx, u64 iova,
			 u64 size)
{
	memset(ctx, 0, sizeof(*ctx));
	ctx->flags = FLAGS;
	ctx->va.addr = iova;
	ctx->va.range = size;
	expect(!panthor_vm_op_ctx_reserve(ctx, f->vm));
	expect(!io_pgtable_safe_reserve_attach(f->pgt, ctx->reserve));
	f->vm->op_ctx = ctx;
#ifdef LOCKS_REGION
	expect(!panthor_vm_lock_region(f->vm, iova, size));
#else
	INIT_LIST_HEAD(&ctx->returned_vmas);
#endif
}

static void end_update(struct fixture *f, struct panthor_vm_op_ctx *ctx)
{
#ifdef LOCKS_REGION
	panthor_vm_unlock_region(f->vm);
#endif
	io_pgtable_safe_reserve_detach(f->pgt);
	f->vm->op_ctx = NULL;
	panthor_vm_cleanup_op_ctx(ctx, f->vm);
}

/* What drm_gpuvm would never allow */
static void overlap(struct fixture *f)
{
	struct panthor_vm_op_ctx ctx;
	struct buffer a, b;

	if (!expect(buffer_get(&a, f, SZ_64K, 16, 0)) ||
	    !expect(buffer_get(&b, f, SZ_64K, 16, 0)))
		return;
	expect(!bind(f, &a, 0, SZ_64K, IOVA));
	begin_update(f, &ctx, IOVA, SZ_128K);
	expect(panthor_vm_map_pages(f->vm, IOVA + SZ_32K, IOMMU_READ, &b.memory.sgt, 0,
				    SZ_64K) == -EEXIST);
	end_update(f, &ctx);
	expect(shows(f->pgt, IOVA, &a.memory, 0, SZ_64K));
	expect(empty(f->pgt, IOVA + SZ_64K, SZ_32K));
	expect(!panthor_vm_unmap_range(f->vm, IOVA, SZ_64K));
	buffer_put(&a);
	buffer_put(&b);
}

/* A map takes what it needs from the operation's reservation */
static void reserved(struct fixture *f)
{
	struct panthor_vm_op_ctx ctx;
	struct buffer b;
	u64 left;

	if (!expect(buffer_get(&b, f, SZ_64K, 16, 0)))
		return;
	begin_update(f, &ctx, IOVA + SZ_1G, SZ_128K);
	left = io_pgtable_safe_reserve_left(ctx.reserve);
	expect(left);
	expect(!panthor_vm_map_pages(f->vm, IOVA + SZ_1G, IOMMU_READ, &b.memory.sgt, 0,
				     SZ_64K));
	expect(io_pgtable_safe_reserve_left(ctx.reserve) < left);
	expect(shows(f->pgt, IOVA + SZ_1G, &b.memory, 0, SZ_64K));
	/* Without one there is nothing to be had, and nothing is allocated instead */
	io_pgtable_safe_reserve_detach(f->pgt);
	expect(panthor_vm_map_pages(f->vm, IOVA + SZ_1G + SZ_64K, IOMMU_READ,
				    &b.memory.sgt, 0, SZ_64K) == -EINVAL);
	end_update(f, &ctx);
	begin_update(f, &ctx, IOVA + SZ_1G, SZ_64K);
	panthor_vm_unmap_pages(f->vm, IOVA + SZ_1G, SZ_64K);
	end_update(f, &ctx);
	expect(empty(f->pgt, IOVA + SZ_1G, SZ_64K));
	buffer_put(&b);
}

/* A block takes the place of a table that is empty, which somebody may be walking */
static void replaced_table(struct fixture *f)
{
	struct buffer pages, huge;

	if (!expect(buffer_get(&pages, f, SZ_4K, 1, 0)) ||
	    !expect(buffer_get(&huge, f, SZ_2M, 1, 9)))
		return;
	expect(!bind(f, &pages, 0, SZ_4K, IOVA));
	expect(!panthor_vm_unmap_range(f->vm, IOVA, SZ_4K));
	expect(!bind(f, &huge, 0, SZ_2M, IOVA));
	expect(leaf_at(f->pgt, IOVA) == SZ_2M);
	/* By now the driver has flushed */
	expect(!io_pgtable_safe_kept(f->pgt));
	expect(!panthor_vm_unmap_range(f->vm, IOVA, SZ_2M));
	expect(!io_pgtable_safe_kept(f->pgt));
	buffer_put(&pages);
	buffer_put(&huge);
}

#ifdef LOCKS_REGION
/* The same in the middle of an operation: it is kept until that is over */
static void kept_table(struct fixture *f)
{
	struct panthor_vm_op_ctx ctx;
	struct buffer pages, huge;

	if (!expect(buffer_get(&pages, f, SZ_4K, 1, 0)) ||
	    !expect(buffer_get(&huge, f, SZ_2M, 1, 9)))
		return;
	expect(!bind(f, &pages, 0, SZ_4K, IOVA));
	expect(!panthor_vm_unmap_range(f->vm, IOVA, SZ_4K));
	begin_update(f, &ctx, IOVA, SZ_2M);
	expect(!panthor_vm_map_pages(f->vm, IOVA, IOMMU_READ, &huge.memory.sgt, 0, SZ_2M));
	expect(io_pgtable_safe_kept(f->pgt) == SZ_4K);
	panthor_vm_unmap_pages(f->vm, IOVA, SZ_2M);
	expect(io_pgtable_safe_kept(f->pgt) == SZ_4K);
	end_update(f, &ctx);
	expect(!io_pgtable_safe_kept(f->pgt));
	buffer_put(&pages);
	buffer_put(&huge);
}

/* 2M of memory over and over, from the middle of one block to that of another */
static void sparse(struct fixture *f)
{
	u64 first = IOVA + SZ_1M, size = SZ_4M, pos;
	struct panthor_vm_op_ctx ctx;
	struct buffer b;
	bool right = true;

	if (!expect(buffer_get(&b, f, SZ_2M, 1, 9)))
		return;
	begin_update(f, &ctx, first, size);
	expect(!panthor_vm_map_sparse(f->vm, first, IOMMU_READ, &b.memory.sgt, size));
	for (pos = first; pos < first + size; pos += SZ_4K)
		right &= shows(f->pgt, pos, &b.memory, pos % SZ_2M, SZ_4K);
	expect(right);
	expect(leaf_at(f->pgt, IOVA + SZ_2M) == SZ_2M);
	panthor_vm_unmap_pages(f->vm, first, size);
	expect(empty(f->pgt, first, size));
	end_update(f, &ctx);
	buffer_put(&b);
}
#else
static void forget_command(struct fixture *f)
{
	writel(0, f->ptdev->iomem + AS_COMMAND(0));
}

/* The last command of the address space, since there are no others */
static bool flushed(struct fixture *f)
{
	return readl(f->ptdev->iomem + AS_COMMAND(0)) == AS_COMMAND_FLUSH_PT;
}

static void flushes(struct fixture *f)
{
	struct buffer b;

	if (!expect(buffer_get(&b, f, SZ_4M, 2, 9)))
		return;
	f->vm->as.id = 0;
	forget_command(f);
	expect(!bind(f, &b, 0, SZ_4M, IOVA));
	expect(flushed(f));
	forget_command(f);
	/* A part of a block: it is not the driver that flushes, but its callback */
	expect(!panthor_vm_unmap_range(f->vm, IOVA + SZ_1M, SZ_64K));
	expect(flushed(f));
	forget_command(f);
	expect(!panthor_vm_unmap_range(f->vm, IOVA, SZ_4M));
	expect(flushed(f));
	f->vm->as.id = -1;
	buffer_put(&b);
}
#endif

static const struct test_case cases[] = {
	{ "the VM has the table that was granted", granted },
	{ "part of a scattered buffer is bound and unbound", scattered },
	{ "2M of contiguous memory are mapped as a block", block },
	{ "a scatter-gather table that is too short maps nothing", too_short },
	{ "the middle of a block is unbound, the rest stays", cut_middle },
	{ "the start of a block is unbound, the rest stays", cut_start },
	{ "the end of a block is unbound, the rest stays", cut_end },
	{ "parts of two blocks are unbound, the rest stays", cut_two },
	{ "a bind over part of a block takes its place", replace },
	{ "an unbind over bindings and holes", holes },
	{ "a map over what is mapped is refused, nothing changes", overlap },
	{ "a map takes memory from its operation's reservation", reserved },
	{ "a block takes the place of an empty table", replaced_table },
#ifdef LOCKS_REGION
	{ "a table that is freed is kept until the region is unlocked", kept_table },
	{ "a sparse binding repeats its memory", sparse },
#else
	{ "what the GPU remembers is flushed", flushes },
#endif
};

/* Later kernels need not be told */
#ifdef HAS_GPUVA_FEATURE
#define GPUVA_FEATURE	DRIVER_GEM_GPUVA
#else
#define GPUVA_FEATURE	0
#endif

static const struct drm_driver driver = {
	.driver_features = DRIVER_GEM | DRIVER_RENDER | GPUVA_FEATURE,
	.name = "converted_panthor",
	.desc = "converted panthor",
};

static bool fixture_get(struct fixture *f)
{
	struct panthor_device *ptdev;

	f->platform = platform_device_register_simple("converted_panthor", -1, NULL, 0);
	if (IS_ERR(f->platform) ||
	    dma_coerce_mask_and_coherent(&f->platform->dev, DMA_BIT_MASK(40)))
		return false;
	ptdev = devm_drm_dev_alloc(&f->platform->dev, &driver, struct panthor_device, base);
	if (IS_ERR(ptdev))
		return false;
	f->ptdev = ptdev;
	ptdev->gpu_info.mmu_features = 40 << 8 | 48;
	ptdev->iomem = registers_get();
	ptdev->mmu = kzalloc_obj(*ptdev->mmu);
	if (!ptdev->iomem || !ptdev->mmu)
		return false;
	mutex_init(&ptdev->mmu->as.slots_lock);
	INIT_LIST_HEAD(&ptdev->mmu->as.lru_list);
	mutex_init(&ptdev->mmu->vm.lock);
	INIT_LIST_HEAD(&ptdev->mmu->vm.list);
#ifdef LOCKS_REGION
	ptdev->mmu_info.page_size_bitmap = SZ_4K | SZ_2M;
	INIT_LIST_HEAD(&ptdev->reclaim.vms);
#endif
	ptdev->mmu->vm.wq = alloc_workqueue("converted_panthor", WQ_UNBOUND, 0);
	if (!ptdev->mmu->vm.wq)
		return false;

	f->vm = panthor_vm_create(ptdev, false, 1ULL << 47, 1ULL << 47,
				  1ULL << 47, 1ULL << 47);
	if (IS_ERR(f->vm))
		return false;
	f->pgt = f->vm->pgtbl_ops;
	return true;
}

static void fixture_put(struct fixture *f)
{
	struct panthor_mmu *mmu = f->ptdev->mmu;
	void *iomem = (void __force *)f->ptdev->iomem;

	panthor_vm_put(f->vm);
	destroy_workqueue(mmu->vm.wq);
	platform_device_unregister(f->platform);
	kfree(mmu);
	kfree(iomem);
}

static void run_test(void)
{
	struct fixture f = {}, *ready = NULL;

	if (fixture_get(&f))
		ready = &f;
	run_cases("converted_panthor", cases, ARRAY_SIZE(cases), ready);
	if (ready)
		fixture_put(&f);
}
