// SPDX-License-Identifier: GPL-2.0-only
///
/// Let panthor reserve what a VM_BIND operation may need with
/// io_pgtable_safe_reserve(): its own pool of table pages goes, and the ledger's
/// memory is reserved, too.
///
/// To be applied after panthor.cocci.
///
// Confidence: High
// Options: --no-includes --include-headers
// Keywords: io-pgtable, panthor

virtual patch

// --- the operation's context ---

@depends on patch@
@@
 struct panthor_vm_op_ctx {
-	struct { ... } rsvd_page_tables;
+	struct io_pgtable_safe_reserve *reserve;
	...
 };

@depends on patch@
@@
 struct panthor_vm {
	...
-	void *root_page_table;
	...
 };

@depends on patch@
identifier op_ctx;
statement S;
symbol remaining_pt_count;
@@
 panthor_vm_cleanup_op_ctx(struct panthor_vm_op_ctx *op_ctx, ...)
 {
	...
-	u32 remaining_pt_count = ...;
+	struct io_pgtable_safe_reserve *reserve = op_ctx->reserve;
	...
-	if (remaining_pt_count) S
-	kfree(op_ctx->rsvd_page_tables.pages);
+	io_pgtable_safe_unreserve(reserve);
	...
 }

// A map may cut a block that is larger than its own range, and so may an unmap.
@reserve depends on patch@
@@
+static int panthor_vm_op_ctx_reserve(struct panthor_vm_op_ctx *op_ctx,
+				     struct panthor_vm *vm)
+{
+	u64 first = ALIGN_DOWN(op_ctx->va.addr, SZ_2M);
+	u64 end = ALIGN(op_ctx->va.addr + op_ctx->va.range, SZ_2M);
+
+	op_ctx->reserve = io_pgtable_safe_reserve(vm->pgtbl_ops, first,
+						  end - first, GFP_KERNEL);
+	return PTR_ERR_OR_ZERO(op_ctx->reserve);
+}
+
 panthor_vm_prepare_map_op_ctx(...) { ... }

@depends on patch@
identifier fn = panthor_vm_op_ctx_prealloc_pts;
type T;
@@
-T fn(...) { ... }

@depends on reserve@
expression op_ctx;
@@
-panthor_vm_op_ctx_prealloc_pts(op_ctx)
+panthor_vm_op_ctx_reserve(op_ctx, vm)

// Before there was a function for it
@depends on reserve@
expression op_ctx, e1, e2;
identifier pt_count, ret, out;
@@
-	pt_count = e1;
-	op_ctx->rsvd_page_tables.pages = e2;
-	if (!op_ctx->rsvd_page_tables.pages) {
-		ret = -ENOMEM;
-		goto out;
-	}
-	ret = kmem_cache_alloc_bulk(...);
-	op_ctx->rsvd_page_tables.count = ret;
-	if (ret != pt_count) {
-		ret = -ENOMEM;
+	ret = panthor_vm_op_ctx_reserve(op_ctx, vm);
+	if (ret)
		goto out;
-	}

@depends on reserve@
@@
 panthor_vm_prepare_map_op_ctx(...)
 {
	...
-	u64 pt_count;
	...
 }

// Only a part of a block needs something
@depends on reserve@
identifier op_ctx, vm, va, size;
statement S1, S2, S3;
symbol ret;
@@
 panthor_vm_prepare_unmap_op_ctx(struct panthor_vm_op_ctx *op_ctx, struct panthor_vm *vm,
				 u64 va, u64 size)
 {
	...
-	u32 pt_count = 0;
	...
-	if (va != ALIGN(va, SZ_2M)) S1
-	if (va + size != ALIGN(va + size, SZ_2M) && ALIGN(va + size, SZ_2M) != ALIGN(va, SZ_2M)) S2
	...
-	if (pt_count) S3
+	if (!IS_ALIGNED(va | size, SZ_2M)) {
+		ret = panthor_vm_op_ctx_reserve(op_ctx, vm);
+		if (ret)
+			goto err_cleanup;
+	}
	...
 }

// --- while it runs ---

@depends on reserve@
identifier op, vm, fn = panthor_vm_exec_op;
@@
 fn(struct panthor_vm *vm, struct panthor_vm_op_ctx *op, ...)
 {
	...
	vm->op_ctx = op;
+	if (op->reserve)
+		drm_WARN_ON(&vm->ptdev->base,
+			    io_pgtable_safe_reserve_attach(vm->pgtbl_ops, op->reserve));
	... when any
+	io_pgtable_safe_reserve_detach(vm->pgtbl_ops);
	vm->op_ctx = NULL;
	...
 }

@depends on reserve@
identifier vm, op_ctx;
@@
 remap_evicted_vma(..., struct panthor_vm_op_ctx *op_ctx)
 {
	<...
	vm->op_ctx = op_ctx;
+	drm_WARN_ON(&vm->ptdev->base,
+		    io_pgtable_safe_reserve_attach(vm->pgtbl_ops, op_ctx->reserve));
	...>
 }

@depends on reserve@
identifier vm;
@@
 remap_evicted_vma(...)
 {
	<...
+	io_pgtable_safe_reserve_detach(vm->pgtbl_ops);
	vm->op_ctx = NULL;
	...>
 }

// --- who takes from it ---

@depends on reserve@
@@
-GFP_NOWAIT
+IO_PGTABLE_SAFE_RESERVED

// --- the pool ---

@depends on patch@
identifier cfg;
@@
 cfg = (struct io_pgtable_cfg) {
-	.alloc = alloc_pt,
-	.free = free_pt,
 };

@depends on patch@
identifier fn = { alloc_pt, free_pt, panthor_mmu_pt_cache_init, panthor_mmu_pt_cache_fini };
type T;
@@
-T fn(...) { ... }

@depends on patch@
@@
-static struct kmem_cache *pt_cache;

@depends on patch@
identifier fn = { panthor_mmu_pt_cache_init, panthor_mmu_pt_cache_fini };
type T;
@@
-T fn(void);

@depends on patch@
@@
-	ret = panthor_mmu_pt_cache_init();
-	if (ret)
-		return ret;

@depends on patch@
@@
-	panthor_mmu_pt_cache_fini();
