// SPDX-License-Identifier: GPL-2.0
/*
 * Backends that fail when they are told to.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "failing_format.h"
#include "io_pgtable_safe_compat.h"

static bool must_fail(struct failing_plan *plan)
{
	if (plan->calls < 0)
		return false;
	if (plan->calls-- > 0)
		return false;
	plan->calls = 0;
	plan->failed++;
	if (plan->hook)
		plan->hook(plan->arg);
	return true;
}

/* --- map_pages -------------------------------------------------------------- */

/**
 * struct failing_format - A format that passes all calls on, but for some.
 * @iop: What the layer sees.
 * @inner: The real table.
 * @plan: When to fail.
 */
struct failing_format {
	struct io_pgtable iop;
	struct io_pgtable_ops *inner;
	struct failing_plan *plan;
};

static struct failing_format *to_failing(struct io_pgtable_ops *ops)
{
	return container_of(ops, struct failing_format, iop.ops);
}

static int failing_map_pages(struct io_pgtable_ops *ops, unsigned long iova,
			     phys_addr_t paddr, size_t pgsize, size_t pgcount,
			     int prot, gfp_t gfp, size_t *mapped)
{
	struct failing_format *f = to_failing(ops);

	if (!must_fail(f->plan))
		return f->inner->map_pages(f->inner, iova, paddr, pgsize, pgcount, prot,
					   gfp, mapped);
	if (f->plan->partly && pgcount > 1)
		f->inner->map_pages(f->inner, iova, paddr, pgsize, pgcount / 2, prot, gfp,
				    mapped);
	return -ENOMEM;
}

static size_t failing_unmap_pages(struct io_pgtable_ops *ops, unsigned long iova,
				  size_t pgsize, size_t pgcount,
				  struct iommu_iotlb_gather *gather)
{
	struct failing_format *f = to_failing(ops);

	return f->inner->unmap_pages(f->inner, iova, pgsize, pgcount, gather);
}

static phys_addr_t failing_iova_to_phys(struct io_pgtable_ops *ops, unsigned long iova)
{
	struct failing_format *f = to_failing(ops);

	return f->inner->iova_to_phys(f->inner, iova);
}

static void failing_free(struct io_pgtable_ops *ops)
{
	struct failing_format *f = to_failing(ops);

	free_io_pgtable_ops(f->inner);
	kfree(f);
}

struct io_pgtable_safe *failing_format_alloc(enum io_pgtable_fmt fmt,
					     const struct io_pgtable_cfg *cfg,
					     void *cookie, struct failing_plan *plan)
{
	struct io_pgtable_safe *pgt;
	struct failing_format *f;

	f = kzalloc_obj(*f);
	if (!f)
		return ERR_PTR(-ENOMEM);
	f->plan = plan;
	f->iop.fmt = fmt;
	f->iop.cookie = cookie;
	f->iop.cfg = *cfg;
	f->iop.ops.map_pages = failing_map_pages;
	f->iop.ops.unmap_pages = failing_unmap_pages;
	f->iop.ops.iova_to_phys = failing_iova_to_phys;

	f->inner = alloc_io_pgtable_ops(fmt, &f->iop.cfg, cookie);
	if (!f->inner) {
		kfree(f);
		return ERR_PTR(-ENOMEM);
	}
	pgt = io_pgtable_safe_wrap(&f->iop.ops, failing_free);
	if (IS_ERR(pgt))
		failing_free(&f->iop.ops);
	return pgt;
}

/* --- memory ------------------------------------------------------------------ */

#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
static void *failing_alloc_pages(void *cookie, size_t size, gfp_t gfp)
{
	if (must_fail(cookie))
		return NULL;
	return alloc_pages_exact(size, gfp | __GFP_ZERO);
}

static void failing_free_pages(void *cookie, void *pages, size_t size)
{
	free_pages_exact(pages, size);
}

struct io_pgtable_safe *failing_memory_alloc(enum io_pgtable_fmt fmt,
					     const struct io_pgtable_cfg *cfg,
					     struct failing_plan *plan)
{
	struct io_pgtable_cfg with_alloc = *cfg;

	with_alloc.alloc = failing_alloc_pages;
	with_alloc.free = failing_free_pages;
	return io_pgtable_safe_alloc(fmt, &with_alloc, plan);
}
#else
struct io_pgtable_safe *failing_memory_alloc(enum io_pgtable_fmt fmt,
					     const struct io_pgtable_cfg *cfg,
					     struct failing_plan *plan)
{
	return ERR_PTR(-EOPNOTSUPP);
}
#endif
