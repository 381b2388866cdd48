// SPDX-License-Identifier: GPL-2.0-only
///
/// Let msm map and unmap through io_pgtable_safe. Its flush callbacks are real
/// ones and stay, and so does the flush of the whole domain after an unmap.
///
/// To be applied after io_pgtable.cocci.
///
// Confidence: High
// Options: --no-includes
// Keywords: io-pgtable, msm

virtual patch

// --- VM_BIND maps where memory must not be waited for: it prepares pages ---

@has_prealloc@
@@
 msm_iommu_pagetable_prealloc_count(...) { ... }

// --- map ---

@depends on patch && !has_prealloc@
identifier mmu, iova, sgt, len, prot;
iterator name for_each_sgtable_sg;
symbol addr, i, ops, pagetable, sg;
statement S;
@@
 msm_iommu_pagetable_map(struct msm_mmu *mmu, u64 iova,
		struct sg_table *sgt, size_t len, int prot)
 {
	...
-	struct io_pgtable_ops *ops = pagetable->pgtbl_ops;
-	struct scatterlist *sg;
-	u64 addr = iova;
-	unsigned int i;
+	struct io_pgtable_safe_map_result res;
	...
-	for_each_sgtable_sg(sgt, sg, i) S
-	return 0;
+	res = io_pgtable_safe_map_sgtable(pagetable->pgtbl_ops, iova, sgt,
+					  IO_PGTABLE_SAFE_SG_CPU, 0, len, prot,
+					  GFP_KERNEL);
+	return res.err;
 }

@depends on patch && has_prealloc@
identifier mmu, iova, sgt, off, len, prot;
iterator name for_each_sgtable_sg;
statement S;
@@
 msm_iommu_pagetable_map(struct msm_mmu *mmu, u64 iova,
		struct sg_table *sgt, size_t off, size_t len, int prot)
 {
	...
-	struct io_pgtable_ops *ops = pagetable->pgtbl_ops;
-	struct scatterlist *sg;
-	u64 addr = iova;
-	unsigned int i;
+	struct io_pgtable_safe_map_result res;
	...
-	for_each_sgtable_sg(sgt, sg, i) S
-	return 0;
+	res = io_pgtable_safe_map_sgtable(pagetable->pgtbl_ops, iova, sgt,
+					  IO_PGTABLE_SAFE_SG_CPU, off, len, prot,
+					  mmu->prealloc ? GFP_NOWAIT : GFP_KERNEL);
+	return res.err;
 }

@depends on patch@
identifier mmu, iova, len, prot;
statement S;
symbol phys;
@@
 msm_iommu_pagetable_map_prr(struct msm_mmu *mmu, u64 iova, size_t len, int prot)
 {
	...
-	struct io_pgtable_ops *ops = pagetable->pgtbl_ops;
	...
-	u64 addr = iova;
+	struct io_pgtable_safe_map_result res;
	...
-	while (len) S
-	return 0;
+	res = io_pgtable_safe_map_repeat(pagetable->pgtbl_ops, iova, phys,
+					 PAGE_SIZE, 0, len, prot,
+					 mmu->prealloc ? GFP_NOWAIT : GFP_KERNEL);
+	return res.err;
 }

// --- unmap ---

@depends on patch && !has_prealloc@
identifier mmu, iova, size;
expression domain, e;
statement S;
@@
 msm_iommu_pagetable_unmap(struct msm_mmu *mmu, u64 iova, size_t size)
 {
	...
-	struct io_pgtable_ops *ops = pagetable->pgtbl_ops;
+	struct io_pgtable_safe *pgt = pagetable->pgtbl_ops;
+	struct io_pgtable_safe_unmap_result res;
	...
-	while (size) S
+	res = io_pgtable_safe_unmap(pgt, iova, size, IO_PGTABLE_SAFE_NO_FLUSH);
	iommu_flush_iotlb_all(domain);
-	return e;
+	if (res.err)
+		return res.err;
+	return io_pgtable_safe_flush(pgt, iova, size);
 }

// Later ones unmap what there is in spite of a hole, and return the error.
@depends on patch && has_prealloc@
identifier mmu, iova, size;
expression domain;
statement S;
symbol ret;
@@
 msm_iommu_pagetable_unmap(struct msm_mmu *mmu, u64 iova, size_t size)
 {
	...
-	struct io_pgtable_ops *ops = pagetable->pgtbl_ops;
-	int ret = 0;
+	struct io_pgtable_safe *pgt = pagetable->pgtbl_ops;
+	struct io_pgtable_safe_unmap_result res;
+	int ret;
	...
-	while (size) S
+	res = io_pgtable_safe_unmap(pgt, iova, size, IO_PGTABLE_SAFE_NO_FLUSH);
+	ret = res.err;
+	if (ret == -ENOENT) {
+		res = io_pgtable_safe_unmap_present(pgt, iova, size,
+						    IO_PGTABLE_SAFE_NO_FLUSH);
+	}
	iommu_flush_iotlb_all(domain);
+	if (!res.err)
+		res.err = io_pgtable_safe_flush(pgt, iova, size);
+	if (res.err)
+		return res.err;
	return ret;
 }

// --- the page size is not the driver's business any more ---

@depends on patch@
identifier fn = calc_pgsize;
type T;
@@
-T fn(...) { ... }

// --- the dump of descriptors only reads ---

@walk depends on patch@
identifier wd;
@@
 msm_iommu_pagetable_walk(...)
 {
	...
	struct arm_lpae_io_pgtable_walk_data wd = {};
+	struct io_pgtable_ops *ops;
	...
 }

@depends on walk@
identifier walk.wd;
expression iova;
@@
-	if (!pagetable->pgtbl_ops->pgtable_walk)
+	/* SAFETY: only reads, for a dump */
+	ops = io_pgtable_safe_raw_ops(pagetable->pgtbl_ops);
+	if (!ops->pgtable_walk)
		return -EINVAL;
-	pagetable->pgtbl_ops->pgtable_walk(pagetable->pgtbl_ops, iova, &wd);
+	ops->pgtable_walk(ops, iova, &wd);
