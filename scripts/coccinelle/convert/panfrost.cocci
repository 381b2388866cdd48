// SPDX-License-Identifier: GPL-2.0-only
///
/// Let panfrost map and unmap through io_pgtable_safe: the loops go, errors are
/// returned, the flush callbacks invalidate, and a table is known to be live
/// while an address space of the GPU points to it.
///
/// To be applied after io_pgtable.cocci.
///
// Confidence: High
// Options: --no-includes
// Keywords: io-pgtable, panfrost

virtual patch

// --- map: the length is known to the callers, the table may be shorter ---

@map_sg depends on patch@
type T;
identifier pfdev, mmu, iova, prot, sgt;
@@
-T mmu_map_sg(struct panfrost_device *pfdev, struct panfrost_mmu *mmu,
-	      u64 iova, int prot, struct sg_table *sgt)
+T mmu_map_sg(struct panfrost_device *pfdev, struct panfrost_mmu *mmu,
+	      u64 iova, int prot, struct sg_table *sgt, u64 size)
+{
+	struct io_pgtable_safe_map_result res;
+
+	res = io_pgtable_safe_map_sgtable(mmu->pgtbl_ops, iova, sgt,
+					  IO_PGTABLE_SAFE_SG_DMA, 0, size,
+					  prot, GFP_KERNEL);
+	if (res.err)
+		return res.err;
+
+	panfrost_mmu_flush_range(pfdev, mmu, iova, size);
+	return 0;
+}
-{ ... }

@depends on map_sg@
expression pfdev, mapping, prot, sgt;
@@
 mmu_map_sg(pfdev, mapping->mmu, mapping->mmnode.start << PAGE_SHIFT, prot, sgt
+	, mapping->mmnode.size << PAGE_SHIFT
 )

@depends on map_sg@
expression pfdev, mmu, addr, prot, sgt;
@@
 mmu_map_sg(pfdev, mmu, addr, prot, sgt
+	, SZ_2M
 )

// In 6.12 the result is always 0, and nobody looks.
@depends on map_sg@
expression list args;
expression mapping;
@@
 panfrost_mmu_map(...)
 {
	...
	struct sg_table *sgt;
+	int ret;
	...
-	mmu_map_sg(args);
+	ret = mmu_map_sg(args);
+	if (ret)
+		return ret;
	mapping->active = true;
	...
 }

@depends on map_sg@
expression list args;
expression mapping;
identifier ret;
expression dev, sgt, dir, attrs;
@@
	ret = dma_map_sgtable(dev, sgt, dir, attrs);
	if (ret) goto err_map;
-	mmu_map_sg(args);
+	ret = mmu_map_sg(args);
+	if (ret) {
+		dma_unmap_sgtable(dev, sgt, dir, attrs);
+		goto err_map;
+	}
	mapping->active = true;

// --- unmap: heap objects have holes, anything else has not ---

@depends on patch@
identifier mapping;
@@
 panfrost_mmu_unmap(struct panfrost_gem_mapping *mapping)
 {
	...
-	struct io_pgtable_ops *ops = mapping->mmu->pgtbl_ops;
+	struct io_pgtable_safe *pgt = mapping->mmu->pgtbl_ops;
+	struct io_pgtable_safe_unmap_result res;
	...
-	size_t unmapped_len = 0;
	...
-	while (unmapped_len < len) { ... }
-	panfrost_mmu_flush_range(...);
+	if (bo->is_heap)
+		res = io_pgtable_safe_unmap_present(pgt, iova, len, 0);
+	else
+		res = io_pgtable_safe_unmap(pgt, iova, len, 0);
+	WARN_ON(res.err);
	mapping->active = false;
 }

// --- the page size is not the driver's business any more ---

@depends on patch@
identifier fn = { get_pgsize, mmu_unmap_range, mmu_tlb_inv_context_s1, mmu_tlb_sync_context };
type T;
@@
-T fn(...) { ... }

// --- the flush callbacks, which did nothing ---

@depends on patch@
identifier iova, size, granule, cookie;
@@
 mmu_tlb_flush_walk(unsigned long iova, size_t size, size_t granule, void *cookie)
 {
-	mmu_tlb_sync_context(cookie);
+	struct panfrost_mmu *mmu = cookie;
+
+	panfrost_mmu_flush_range(mmu->pfdev, mmu, iova, size);
 }
+
+static void mmu_tlb_flush_all(void *cookie)
+{
+	struct panfrost_mmu *mmu = cookie;
+
+	panfrost_mmu_flush_range(mmu->pfdev, mmu, 0, ~0ULL);
+}

@depends on patch@
identifier s;
@@
 struct iommu_flush_ops s = {
-	.tlb_flush_all = mmu_tlb_inv_context_s1,
+	.tlb_flush_all = mmu_tlb_flush_all,
 };

// --- live while the GPU walks it ---

@depends on patch@
identifier pfdev, mmu;
@@
 panfrost_mmu_enable(struct panfrost_device *pfdev, struct panfrost_mmu *mmu)
 {
	<...
+	io_pgtable_safe_set_live(mmu->pgtbl_ops);
	mmu_hw_do_operation_locked(...);
	...>
 }

@as_lost depends on patch@
identifier fn = { panfrost_mmu_as_get, panfrost_mmu_reset };
idexpression struct panfrost_mmu *m;
position p;
@@
 fn(...)
 {
	<...
	m->as@p = -1;
	...>
 }

@depends on patch@
expression m;
position as_lost.p;
@@
	m->as@p = -1;
+	io_pgtable_safe_clear_live(m->pgtbl_ops);

@depends on patch@
idexpression struct panfrost_mmu *m;
@@
 panfrost_mmu_release_ctx(...)
 {
	<...
	list_del(&m->list);
+	m->as = -1;
+	io_pgtable_safe_clear_live(m->pgtbl_ops);
	...>
 }
