// SPDX-License-Identifier: GPL-2.0
/*
 * A checked API over io-pgtable for drivers that manage their own page tables.
 *
 * This file has the life of a page table. All else is in parts that it includes: a
 * module cannot have the name of one of several source files that it is linked from
 * (kbuild would make the one from the other), and one unit lets the compiler put
 * the checks and the claim around the call of the backend. Each part needs only those
 * above it here, and each does one thing:
 *
 * ==================  =========================================================
 * core/watch.c        tracepoints, and what hangs on the same events; the rest can be read
 *                     without it
 * core/mapped_pages.c a check for drivers: which memory is still mapped
 * core/ledger.c       what is mapped, and who is busy with what (with its own
 *                     contents; needs nothing of the others)
 * core/table_pages.c  what tables are made of, and when a page is given back
 * core/check.c        arguments: what is refused as -EINVAL, -ERANGE, -EOVERFLOW
 * core/format.c       configurations: what each format takes
 * core/backend.c      calls of the ops, and answers that break their contract
 * core/invalidate.c   calls of the driver, and which tables wait for one
 * core/map.c          map: the order of a call, and what happens if it fails
 * core/map_sg.c       map of a scatter-gather table, and of a piece over and over
 * core/unmap.c        unmap and flush
 * core/cut.c          unmap of a part of a block
 * core/reserve.c      reservations
 * core/query.c        lookup, walk, next, leaf_span, mapped
 * core/debugfs.c      counters, the last calls, and all of it in print
 * ==================  =========================================================
 *
 * The core of it is check, backend, map, unmap and the ledger; it can be read
 * without cut, reserve and query.
 */
#include <linux/bitops.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/scatterlist.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "core/table.h"
#include "core/watch.h"

#include "core/watch.c"
#include "core/mapped_pages.c"
#include "core/ledger.c"
#include "core/table_pages.c"
#include "core/check.c"
#include "core/format.c"
#include "core/backend.c"
#include "core/invalidate.c"
#include "core/map.c"
#include "core/map_sg.c"
#include "core/unmap.c"
#include "core/cut.c"
#include "core/reserve.c"
#include "core/query.c"
#include "core/debugfs.c"

/* --- alloc and free ------------------------------------------------------- */

/* The format gets its pages from the layer, which asks the driver or the kernel */
#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
static void *backend_alloc(void *cookie, size_t size, gfp_t gfp)
{
	struct io_pgtable_safe *pgt = cookie;

	return table_pages_alloc(&pgt->tables, size, gfp);
}

static void backend_free(void *cookie, void *pages, size_t size)
{
	struct io_pgtable_safe *pgt = cookie;

	table_pages_free(&pgt->tables, pages, size);
}

static void set_allocator(struct io_pgtable_safe *pgt, struct io_pgtable_cfg *cfg)
{
	pgt->tables.on = true;
	pgt->tables.source.alloc = cfg->alloc;
	pgt->tables.source.free = cfg->free;
	pgt->tables.source.cookie = pgt->cookie;
	cfg->alloc = backend_alloc;
	cfg->free = backend_free;
}

static void restore_allocator(struct io_pgtable_cfg *cfg,
			      const struct io_pgtable_cfg *from)
{
	cfg->alloc = from->alloc;
	cfg->free = from->free;
}
#else
static void set_allocator(struct io_pgtable_safe *pgt, struct io_pgtable_cfg *cfg)
{
}

static void restore_allocator(struct io_pgtable_cfg *cfg,
			      const struct io_pgtable_cfg *from)
{
}
#endif

/* What can be mapped where, from the granted configuration */
static int set_geometry(struct io_pgtable_safe *pgt, enum io_pgtable_fmt fmt)
{
	static atomic64_t ids = ATOMIC64_INIT(0);
	const struct format *format = find_format(fmt);
	struct io_pgtable_cfg *cfg = &pgt->cfg;
	bool v7s = fmt == ARM_V7S;

	pgt->id = atomic64_inc_return(&ids);
	pgt->write_implies_read = format && format->write_implies_read;
	if (!cfg->ias || cfg->ias > 64 || !cfg->oas || cfg->oas > 64)
		return -EINVAL;

	/* A block as large as all there is needs a level above its own */
	pgt->pgsizes = cfg->pgsize_bitmap;
	if (cfg->ias < BITS_PER_LONG)
		pgt->pgsizes &= BIT(cfg->ias) - 1;
	if (!pgt->pgsizes)
		return -EINVAL;
	cfg->pgsize_bitmap = pgt->pgsizes;
	pgt->granule_shift = __ffs(pgt->pgsizes);
	pgt->granule = BIT(pgt->granule_shift);

	pgt->iova_mask = GENMASK_ULL(cfg->ias - 1, 0);
	if (cfg->quirks & IO_PGTABLE_QUIRK_ARM_TTBR1)
		pgt->iova_first = ~pgt->iova_mask;
	/* The ops take unsigned long and phys_addr_t */
	if (pgt->iova_first > ULONG_MAX)
		return -EOPNOTSUPP;
	pgt->iova_mask = min_t(u64, pgt->iova_mask, ULONG_MAX - pgt->iova_first);
	pgt->paddr_last = min_t(u64, GENMASK_ULL(cfg->oas - 1, 0),
				(phys_addr_t)U64_MAX);

	/* With a gather that has invalidations queued no format reports leaves one by one */
	iommu_iotlb_gather_init(&pgt->gather);
#ifdef CONFIG_IOMMU_API
	pgt->gather.queued = true;
#endif
	/* A descriptor has eight bytes, but four in v7s, which has tables of 1K */
	return ledger_init(&pgt->ledger, pgt->granule_shift, v7s ? 8 : pgt->granule_shift - 3,
			   cfg->ias, v7s ? 2 : 0);
}

static int alloc_backend(struct io_pgtable_safe *pgt, enum io_pgtable_fmt fmt,
			 const struct io_pgtable_cfg *cfg)
{
	struct io_pgtable_cfg granted = *cfg;

	/* The top-level table is allocated while there is nothing else yet */
	pgt->tlb = cfg->tlb;
	table_pages_init(&pgt->tables, cfg->iommu_dev);
	if (formats[fmt].custom_alloc)
		set_allocator(pgt, &granted);
	/* Also says of which range a table is freed */
	if (granted.tlb || pgt->tables.on)
		granted.tlb = &backend_flush_ops;

	pgt->ops = alloc_io_pgtable_ops(fmt, &granted, pgt);
	if (!pgt->ops) {
		/* All that DART has up to 6.12: two levels, four topmost tables */
		if ((fmt == APPLE_DART || fmt == APPLE_DART2) &&
		    cfg->ias > (cfg->pgsize_bitmap == SZ_4K ? 32 : 38))
			return -EINVAL;
		return -ENOMEM;
	}
	pgt->release = free_io_pgtable_ops;

	granted.tlb = cfg->tlb;
	restore_allocator(&granted, cfg);
	/* A format may add sizes of contiguous entries, which the caller did not ask for */
	granted.pgsize_bitmap &= cfg->pgsize_bitmap;
	pgt->cfg = granted;
	return 0;
}

/**
 * io_pgtable_safe_alloc() - Allocate an empty page table.
 * @fmt: Its format.
 * @cfg: The configuration asked for, as for alloc_io_pgtable_ops(). It is not
 *	modified; io_pgtable_safe_cfg() gives what was granted.
 * @cookie: Passed to the callbacks in @cfg.
 *
 * The flush callbacks in @cfg, if any, must be as "Invalidation" says;
 * tlb_flush_all is mandatory, and so is iommu_dev in any case. A page size as
 * large as the whole address space is not granted: no format has a table to put
 * such a block in.
 *
 * Context: May sleep.
 * Return: The page table, to be freed with io_pgtable_safe_free(), or an
 * ERR_PTR: -EOPNOTSUPP if the kernel does not have the format (the AMD formats
 * of older kernels are not supported), or the format does not have a quirk of @cfg
 * or takes no custom allocator; -EINVAL if the format cannot be configured like
 * this; -ENOMEM.
 */
struct io_pgtable_safe *
io_pgtable_safe_alloc(enum io_pgtable_fmt fmt, const struct io_pgtable_cfg *cfg,
		      void *cookie)
{
	struct io_pgtable_safe *pgt;
	int err;

	err = check_cfg(fmt, cfg);
	if (err)
		return ERR_PTR(err);
	pgt = kzalloc_obj(*pgt);
	if (!pgt)
		return ERR_PTR(-ENOMEM);
	pgt->cookie = cookie;

	err = alloc_backend(pgt, fmt, cfg);
	if (err)
		goto free_pgt;
	err = set_geometry(pgt, fmt);
	if (err)
		goto free_ops;
	pgt->may_hold = true;
	if (pgt->tables.on)
		table_pages_set_levels(&pgt->tables, fmt, pgt->cfg.ias, pgt->granule_shift);
	return pgt;

free_ops:
	pgt->release(pgt->ops);
free_pgt:
	kfree(pgt);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_alloc, IO_PGTABLE_SAFE_NS);

static void devm_release(void *pgt)
{
	io_pgtable_safe_free(pgt);
}

/**
 * devm_io_pgtable_safe_alloc() - Allocate a page table that goes with a device.
 * @dev: The device; when its driver is detached, the page table is freed. It
 *	must not be live then.
 * @fmt: As for io_pgtable_safe_alloc().
 * @cfg: As for io_pgtable_safe_alloc().
 * @cookie: As for io_pgtable_safe_alloc().
 *
 * Context: May sleep.
 * Return: As io_pgtable_safe_alloc(); do not free it.
 */
struct io_pgtable_safe *
devm_io_pgtable_safe_alloc(struct device *dev, enum io_pgtable_fmt fmt,
			   const struct io_pgtable_cfg *cfg, void *cookie)
{
	struct io_pgtable_safe *pgt = io_pgtable_safe_alloc(fmt, cfg, cookie);
	int err;

	if (IS_ERR(pgt))
		return pgt;
	err = devm_add_action_or_reset(dev, devm_release, pgt);
	return err ? ERR_PTR(err) : pgt;
}
EXPORT_SYMBOL_NS_GPL(devm_io_pgtable_safe_alloc, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_wrap() - Adopt a page table allocated elsewhere.
 * @ops: An empty page table whose &struct io_pgtable is filled in, as that of
 *	every format is: geometry, quirks and flush callbacks come from its cfg,
 *	and the callbacks are called with its cookie. Must have map_pages,
 *	unmap_pages and iova_to_phys; the last is called with a spinlock held. NULL,
 *	for which alloc_io_pgtable_ops() says that it failed, is refused. unmap_pages()
 *	gets a gather that says that invalidations are queued. Concurrent calls share
 *	it, so nothing may be added to it, as no format does.
 * @release: Frees it.
 *
 * On success the ops belong to the result, and nobody else may use them. The
 * layer invalidates as "Invalidation" says, but cannot do anything about a
 * format that frees a table after a tlb_flush_walk() that does nothing.
 *
 * Context: May sleep.
 * Return: The page table, or an ERR_PTR, and then @ops still belong to the
 * caller: -EINVAL if something is missing or the geometry makes no sense,
 * -EOPNOTSUPP for an upper half (TTBR1) on a 32-bit kernel, -ENOMEM.
 */
struct io_pgtable_safe *
io_pgtable_safe_wrap(struct io_pgtable_ops *ops,
		     void (*release)(struct io_pgtable_ops *ops))
{
	struct io_pgtable *iop = io_pgtable_ops_to_pgtable(ops);
	struct io_pgtable_safe *pgt;
	int err;

	if (!ops || !release || !ops->map_pages || !ops->unmap_pages ||
	    !ops->iova_to_phys)
		return ERR_PTR(-EINVAL);
	if (iop->cfg.tlb && !iop->cfg.tlb->tlb_flush_all)
		return ERR_PTR(-EINVAL);

	pgt = kzalloc_obj(*pgt);
	if (!pgt)
		return ERR_PTR(-ENOMEM);
	pgt->ops = ops;
	pgt->release = release;
	pgt->tlb = iop->cfg.tlb;
	pgt->cookie = iop->cookie;
	pgt->cfg = iop->cfg;
	table_pages_init(&pgt->tables, iop->cfg.iommu_dev);

	err = set_geometry(pgt, iop->fmt);
	if (err) {
		kfree(pgt);
		return ERR_PTR(err);
	}
	return pgt;
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_wrap, IO_PGTABLE_SAFE_NS);

/* A live page table: its pages and their records stay for good */
static bool leaked;

/**
 * io_pgtable_safe_free() - Free a page table.
 * @pgt: The page table; NULL and an ERR_PTR are ignored.
 *
 * With __free(io_pgtable_safe) a pointer is freed when it goes out of scope.
 *
 * A table that a device may still walk (io_pgtable_safe_set_live()) is not
 * freed but leaked, with a message: a walker in memory that belongs to somebody
 * else is worse. The memory mapped must then not be freed either. If something
 * is still mapped, a message says how much; it is unmapped by freeing the
 * table, and only tlb_flush_all() is called.
 *
 * Context: Process context, atomic sections included; may sleep with ARM v7s, and after
 * io_pgtable_safe_debugfs(). Must not race with any other call on @pgt.
 */
void io_pgtable_safe_free(struct io_pgtable_safe *pgt)
{
	u64 mapped;

	if (IS_ERR_OR_NULL(pgt))
		return;

	watch_destroy(pgt);
	mapped = ledger_mapped(&pgt->ledger);
	if (READ_ONCE(pgt->live)) {
		dev_err_ratelimited(pgt->cfg.iommu_dev,
				    "io_pgtable_safe: page table not freed: it is live, see io_pgtable_safe_clear_live(); %llu bytes mapped\n",
				    mapped);
		WRITE_ONCE(leaked, true);
		return;
	}
	if (mapped)
		dev_warn_ratelimited(pgt->cfg.iommu_dev,
				     "io_pgtable_safe: page table freed with %llu bytes mapped\n",
				     mapped);

	io_pgtable_safe_reserve_detach(pgt);
	pgt->release(pgt->ops);
	/* The format has freed all pages, each with its record; now nobody walks them */
	table_pages_after_flush(&pgt->tables, table_pages_before_flush(&pgt->tables), 0, U64_MAX);
	ledger_destroy(&pgt->ledger);
	mapped_pages_drop(pgt);
	kfree(pgt);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_free, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_cfg() - The granted configuration.
 * @pgt: The page table.
 *
 * For the values that go into the device's registers (TTBR, MAIR, ...), and for
 * pgsize_bitmap: the page sizes that the map functions take.
 *
 * Context: Any.
 * Return: The configuration; it lives and is constant as long as @pgt.
 */
const struct io_pgtable_cfg *io_pgtable_safe_cfg(const struct io_pgtable_safe *pgt)
{
	return &pgt->cfg;
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_cfg, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_raw_ops() - The page table itself.
 * @pgt: The page table.
 *
 * The way out of every guarantee. Whoever maps or unmaps through these behind
 * the layer's back makes the ledger wrong, and a wrong ledger lets through what
 * it exists to refuse. Reading (iova_to_phys, pgtable_walk) is fine while
 * nobody unmaps the range. A comment that begins with SAFETY: above each call
 * says why it is right there; scripts/coccinelle/safe/raw_ops.cocci finds those
 * without.
 *
 * Context: Any.
 * Return: The ops.
 */
struct io_pgtable_ops *io_pgtable_safe_raw_ops(struct io_pgtable_safe *pgt)
{
	return pgt->ops;
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_raw_ops, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_set_live() - A device may walk the table from here on.
 * @pgt: The page table.
 *
 * To be called before the table's address is written to the device.
 *
 * Context: Any; not concurrently with io_pgtable_safe_clear_live().
 */
void io_pgtable_safe_set_live(struct io_pgtable_safe *pgt)
{
	WRITE_ONCE(pgt->live, true);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_set_live, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_clear_live() - No device walks the table any longer.
 * @pgt: The page table.
 *
 * To be called when the device has been pointed elsewhere and has forgotten
 * what it knew of the table.
 *
 * Context: Any; not concurrently with io_pgtable_safe_set_live().
 */
void io_pgtable_safe_clear_live(struct io_pgtable_safe *pgt)
{
	WRITE_ONCE(pgt->live, false);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_clear_live, IO_PGTABLE_SAFE_NS);

static int __init io_pgtable_safe_init(void)
{
	io_pgtable_safe_page_cache = KMEM_CACHE(table_page, 0);
	return io_pgtable_safe_page_cache ? 0 : -ENOMEM;
}

/* Before drivers that are built in */
core_initcall(io_pgtable_safe_init);

static void __exit io_pgtable_safe_exit(void)
{
	if (!leaked)
		kmem_cache_destroy(io_pgtable_safe_page_cache);
}
module_exit(io_pgtable_safe_exit);

MODULE_DESCRIPTION("Checked API over io-pgtable");
MODULE_AUTHOR("io_pgtable_safe maintainers");
MODULE_VERSION("1.0");
MODULE_LICENSE("GPL");
