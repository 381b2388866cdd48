// SPDX-License-Identifier: GPL-2.0-only
///
/// Let panthor map and unmap through io_pgtable_safe: the loops and the guess
/// which pages are mapped as a block go, and a table is known to be live while
/// an address space of the GPU points to it. Where the driver locks the region
/// that it changes (7.3), it has no flush callbacks any more; where it does not
/// (6.12), they invalidate now.
///
/// To be applied after io_pgtable.cocci.
///
// Confidence: High
// Options: --no-includes
// Keywords: io-pgtable, panthor

virtual patch

// --- which panthor is it ---

@locks_region@
@@
 panthor_vm_lock_region(...) { ... }

// --- map ---

@depends on patch && locks_region@
identifier vm, iova, prot, sgt, offset, size;
symbol count, ops, ptdev, ret, sgl, start_iova, start_size;
statement S;
iterator name for_each_sgtable_dma_sg;
@@
 panthor_vm_map_pages(struct panthor_vm *vm, u64 iova, int prot,
		      struct sg_table *sgt, u64 offset, u64 size)
 {
	...
-	unsigned int count;
-	struct scatterlist *sgl;
-	struct io_pgtable_ops *ops = vm->pgtbl_ops;
-	u64 start_iova = iova;
-	u64 start_size = size;
-	int ret;
+	struct io_pgtable_safe_map_result res;
	...
-	for_each_sgtable_dma_sg(sgt, sgl, count) S
-	return 0;
+	res = io_pgtable_safe_map_sgtable(vm->pgtbl_ops, iova, sgt,
+					  IO_PGTABLE_SAFE_SG_DMA, offset, size,
+					  prot, GFP_NOWAIT);
+	return res.err;
 }

@depends on patch && !locks_region@
identifier vm, iova, prot, sgt, offset, size;
statement S;
iterator name for_each_sgtable_dma_sg;
@@
 panthor_vm_map_pages(struct panthor_vm *vm, u64 iova, int prot,
		      struct sg_table *sgt, u64 offset, u64 size)
 {
-	struct panthor_device *ptdev = vm->ptdev;
-	unsigned int count;
-	struct scatterlist *sgl;
-	struct io_pgtable_ops *ops = vm->pgtbl_ops;
-	u64 start_iova = iova;
-	int ret;
+	struct io_pgtable_safe_map_result res;
	...
-	for_each_sgtable_dma_sg(sgt, sgl, count) S
+	res = io_pgtable_safe_map_sgtable(vm->pgtbl_ops, iova, sgt,
+					  IO_PGTABLE_SAFE_SG_DMA, offset, size,
+					  prot, GFP_NOWAIT);
+	if (res.err)
+		return res.err;
	return panthor_vm_flush_range(vm,
-				      start_iova, iova - start_iova
+				      iova, size
				     );
 }

// --- unmap: should the table not hold what the driver thinks, all goes ---

@depends on patch && locks_region@
identifier vm, iova, size, offset;
statement S;
@@
 panthor_vm_unmap_pages(struct panthor_vm *vm, u64 iova, u64 size)
 {
	...
-	struct io_pgtable_ops *ops = vm->pgtbl_ops;
-	u64 start_iova = iova;
-	u64 offset = 0;
+	struct io_pgtable_safe_unmap_result res;
	...
-	while (offset < size) S
+	res = io_pgtable_safe_unmap(vm->pgtbl_ops, iova, size,
+				    IO_PGTABLE_SAFE_NO_FLUSH);
+	if (drm_WARN_ON_ONCE(&ptdev->base, res.err)) {
+		res = io_pgtable_safe_unmap_present(vm->pgtbl_ops, iova, size,
+						    IO_PGTABLE_SAFE_NO_FLUSH);
+		drm_WARN_ON_ONCE(&ptdev->base, res.err);
+		panthor_vm_declare_unusable(vm);
+	}
 }

@depends on patch && !locks_region@
identifier vm, iova, size, offset;
statement S;
@@
 panthor_vm_unmap_pages(struct panthor_vm *vm, u64 iova, u64 size)
 {
	...
-	struct io_pgtable_ops *ops = vm->pgtbl_ops;
-	u64 offset = 0;
+	struct io_pgtable_safe_unmap_result res;
	...
-	while (offset < size) S
+	res = io_pgtable_safe_unmap(vm->pgtbl_ops, iova, size, 0);
+	drm_WARN_ON(&ptdev->base, res.err);
	return
-	panthor_vm_flush_range(vm, iova, size)
+	res.err
	;
 }

// --- unmap of a part: the table knows its blocks, and maps back what it cuts ---

@cut depends on patch && locks_region@
@@
+static int panthor_vm_cut_pages(struct panthor_vm *vm, u64 iova, u64 size, int prot)
+{
+	struct io_pgtable_safe_unmap_result res;
+	struct io_pgtable_safe_span span;
+	int ret;
+
+	ret = io_pgtable_safe_leaf_span(vm->pgtbl_ops, iova, size, &span);
+	if (!ret)
+		ret = panthor_vm_lock_region(vm, span.iova, span.size);
+	if (ret)
+		return ret;
+	res = io_pgtable_safe_cut(vm->pgtbl_ops, iova, size, prot, GFP_NOWAIT,
+				  IO_PGTABLE_SAFE_NO_FLUSH);
+	return res.err;
+}
+
 panthor_gpuva_sm_step_remap(...) { ... }

@depends on cut@
expression vm, start, range;
@@
-	unmap_hugepage_align(...);
-	panthor_vm_lock_region(vm, start, range);
-	panthor_vm_unmap_pages(vm, start, range);
+	ret = panthor_vm_cut_pages(vm, start, range, flags_to_prot(unmap_vma->flags));
+	if (ret)
+		return ret;

@depends on cut@
identifier offset, size;
expression e1, e2, cond;
statement S;
symbol mmu_tlb_flush_all, mmu_tlb_flush_walk, op, prev, next;
@@
 panthor_gpuva_sm_step_remap(...)
 {
	<...
(
	if (op->remap.prev) {
-		u64 offset = e1;
-		u64 size = e2;
-		if (cond) S
		...
	}
|
	if (op->remap.next) {
-		u64 offset = e1;
-		u64 size = e2;
-		if (cond) S
		...
	}
)
	...>
 }

@depends on cut@
identifier fn = { unmap_hugepage_align, iova_mapped_as_huge_page };
type T;
@@
-T fn(...) { ... }

@depends on patch && !locks_region@
expression vm, start, range;
@@
 panthor_gpuva_sm_step_remap(...)
 {
	<...
-	ret = panthor_vm_unmap_pages(vm, start, range);
+	ret = io_pgtable_safe_cut(vm->pgtbl_ops, start, range,
+				  flags_to_prot(unmap_vma->flags), GFP_NOWAIT, 0).err;
	...>
 }

// --- the page size is not the driver's business any more ---

@depends on patch@
identifier fn = get_pgsize;
type T;
@@
-T fn(...) { ... }

// --- invalidation ---

@no_callbacks depends on patch && locks_region@
identifier cfg, s;
@@
 cfg = (struct io_pgtable_cfg) {
-	.tlb = &s,
 };

@depends on no_callbacks@
identifier no_callbacks.s;
@@
-struct iommu_flush_ops s = { ... };

// What the GPU has not flushed may still be walked: its tables are kept.
@depends on no_callbacks@
identifier vm;
expression ptdev;
@@
 panthor_vm_unlock_region(struct panthor_vm *vm)
 {
	<...
-	if (ret)
+	if (ret) {
+		vm->locked_region.size = 0;
		panthor_device_schedule_reset(ptdev);
+	}
	...>
 }

@depends on no_callbacks@
identifier vm;
@@
 panthor_vm_unlock_region(struct panthor_vm *vm)
 {
	...
+	if (vm->locked_region.size)
+		drm_WARN_ON_ONCE(&vm->ptdev->base,
+				 io_pgtable_safe_flush(vm->pgtbl_ops,
+						       vm->locked_region.start,
+						       vm->locked_region.size));
	vm->locked_region.start = 0;
	...
 }

@depends on patch && !locks_region@
identifier s;
@@
+static void panthor_vm_tlb_flush_all(void *cookie)
+{
+	panthor_vm_flush_all(cookie);
+}
+
+static void panthor_vm_tlb_flush_walk(unsigned long iova, size_t size,
+				      size_t granule, void *cookie)
+{
+	panthor_vm_flush_range(cookie, iova, size);
+}
+
 struct iommu_flush_ops s = {
-	.tlb_flush_all = mmu_tlb_flush_all,
+	.tlb_flush_all = panthor_vm_tlb_flush_all,
-	.tlb_flush_walk = mmu_tlb_flush_walk,
+	.tlb_flush_walk = panthor_vm_tlb_flush_walk,
 };

@depends on patch@
identifier fn = { mmu_tlb_flush_all, mmu_tlb_flush_walk };
type T;
@@
-T fn(...) { ... }

// --- live while the GPU walks it ---

@depends on patch@
expression as, transtab, transcfg, vm;
identifier ret;
@@
+	io_pgtable_safe_set_live(vm->pgtbl_ops);
	ret = panthor_mmu_as_enable(vm->ptdev, as, transtab, transcfg, vm->memattr);

@depends on patch@
identifier vm;
@@
 panthor_vm_release_as_locked(struct panthor_vm *vm)
 {
	...
	vm->as.id = -1;
+	io_pgtable_safe_clear_live(vm->pgtbl_ops);
 }

// An address space that could not be disabled keeps its table, and that is said.
@depends on patch@
expression list args;
identifier cookie, ptdev, vm;
@@
 panthor_vm_free(...)
 {
	...
	if (vm->as.id >= 0) {
		int cookie;
+		int ret = 0;
		...
		if (drm_dev_enter(&ptdev->base, &cookie)) {
-			panthor_mmu_as_disable(args);
+			ret = panthor_mmu_as_disable(args);
			drm_dev_exit(cookie);
		}
+		if (!ret)
+			io_pgtable_safe_clear_live(vm->pgtbl_ops);
		...
		list_del(&vm->as.lru_node);
+		vm->as.id = -1;
	}
	...
 }
