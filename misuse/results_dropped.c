// SPDX-License-Identifier: GPL-2.0
/*
 * Results that go nowhere. Those of a map or unmap are also found by the semantic
 * patch, for code that is not compiled.
 */
#include "io_pgtable_safe.h"

void drop_maps(struct io_pgtable_safe *pgt, struct sg_table *sgt)
{
#ifndef FIXED
	/* cc: ignoring return value of 'io_pgtable_safe_map' */
	/* cocci: result-dropped */
	io_pgtable_safe_map(pgt, 0, 0, SZ_4K, IOMMU_READ, GFP_KERNEL);
	/* cc: ignoring return value of 'io_pgtable_safe_map_pages' */
	/* cocci: result-dropped */
	io_pgtable_safe_map_pages(pgt, 0, 0, SZ_4K, 1, IOMMU_READ, GFP_KERNEL);
	/* cc: ignoring return value of 'io_pgtable_safe_try_map_pages' */
	/* cocci: result-dropped */
	io_pgtable_safe_try_map_pages(pgt, 0, 0, SZ_4K, 1, IOMMU_READ, GFP_KERNEL);
	/* cc: ignoring return value of 'io_pgtable_safe_map_sgtable' */
	/* cocci: result-dropped */
	io_pgtable_safe_map_sgtable(pgt, 0, sgt, IO_PGTABLE_SAFE_SG_DMA, 0, SZ_4K,
				    IOMMU_READ, GFP_KERNEL);
	/* cc: ignoring return value of 'io_pgtable_safe_map_repeat' */
	/* cocci: result-dropped */
	io_pgtable_safe_map_repeat(pgt, 0, 0, SZ_4K, 0, SZ_2M, IOMMU_READ, GFP_KERNEL);
	/* A cast to void does not make it better. */
	/* cc: ignoring return value of 'io_pgtable_safe_map' */
	/* cocci: result-dropped */
	(void)io_pgtable_safe_map(pgt, 0, 0, SZ_4K, IOMMU_READ, GFP_KERNEL);
#else
	struct io_pgtable_safe_map_result res;

	res = io_pgtable_safe_map(pgt, 0, 0, SZ_4K, IOMMU_READ, GFP_KERNEL);
	pr_info("%llu %d\n", res.mapped, res.err);
#endif
}

void drop_unmaps(struct io_pgtable_safe *pgt)
{
#ifndef FIXED
	/* cc: ignoring return value of 'io_pgtable_safe_unmap' */
	/* cocci: result-dropped */
	io_pgtable_safe_unmap(pgt, 0, SZ_4K, 0);
	/* cc: ignoring return value of 'io_pgtable_safe_unmap_pages' */
	/* cocci: result-dropped */
	io_pgtable_safe_unmap_pages(pgt, 0, SZ_4K, 1, 0);
	/* cc: ignoring return value of 'io_pgtable_safe_unmap_present' */
	/* cocci: result-dropped */
	io_pgtable_safe_unmap_present(pgt, 0, SZ_4K, 0);
	/* cc: ignoring return value of 'io_pgtable_safe_cut' */
	/* cocci: result-dropped */
	io_pgtable_safe_cut(pgt, 0, SZ_4K, IOMMU_READ, GFP_KERNEL, 0);
	/* cc: ignoring return value of 'io_pgtable_safe_flush' */
	/* cocci: result-dropped */
	io_pgtable_safe_flush(pgt, 0, SZ_4K);
#else
	if (io_pgtable_safe_unmap(pgt, 0, SZ_4K, 0).err)
		pr_info("not unmapped\n");
#endif
}

void drop_answers(struct io_pgtable_safe *pgt, struct io_pgtable_safe_span *span)
{
#ifndef FIXED
	/* cc: ignoring return value of 'io_pgtable_safe_lookup' */
	io_pgtable_safe_lookup(pgt, 0, span);
	/* cc: ignoring return value of 'io_pgtable_safe_next' */
	io_pgtable_safe_next(pgt, 0, span);
	/* cc: ignoring return value of 'io_pgtable_safe_leaf_span' */
	io_pgtable_safe_leaf_span(pgt, 0, SZ_4K, span);
	/* cc: ignoring return value of 'io_pgtable_safe_mapped' */
	io_pgtable_safe_mapped(pgt);
	/* cc: ignoring return value of 'io_pgtable_safe_cfg' */
	io_pgtable_safe_cfg(pgt);
	/* cc: ignoring return value of 'io_pgtable_safe_raw_ops' */
	/* SAFETY: nobody uses them. */
	io_pgtable_safe_raw_ops(pgt);
	/* cc: ignoring return value of 'io_pgtable_safe_kept' */
	io_pgtable_safe_kept(pgt);
	/* cc: ignoring return value of 'io_pgtable_safe_pgtable_walk' */
	io_pgtable_safe_pgtable_walk(pgt, 0, NULL);
#else
	if (io_pgtable_safe_lookup(pgt, 0, span))
		pr_info("nothing there\n");
#endif
}

void drop_reservations(struct io_pgtable_safe *pgt, struct io_pgtable_safe_reserve *reserve)
{
#ifndef FIXED
	/* cc: ignoring return value of 'io_pgtable_safe_reserve' */
	io_pgtable_safe_reserve(pgt, 0, SZ_2M, GFP_KERNEL);
	/* cc: ignoring return value of 'io_pgtable_safe_reserve_attach' */
	io_pgtable_safe_reserve_attach(pgt, reserve);
	/* cc: ignoring return value of 'io_pgtable_safe_reserve_left' */
	io_pgtable_safe_reserve_left(reserve);
#else
	if (!io_pgtable_safe_reserve_attach(pgt, reserve))
		io_pgtable_safe_reserve_detach(pgt);
#endif
}

void drop_tables(struct device *dev, const struct io_pgtable_cfg *cfg,
		 struct io_pgtable_ops *ops)
{
#ifndef FIXED
	/* cc: ignoring return value of 'io_pgtable_safe_alloc' */
	io_pgtable_safe_alloc(ARM_64_LPAE_S1, cfg, NULL);
	/* cc: ignoring return value of 'devm_io_pgtable_safe_alloc' */
	devm_io_pgtable_safe_alloc(dev, ARM_64_LPAE_S1, cfg, NULL);
	/* cc: ignoring return value of 'io_pgtable_safe_wrap' */
	io_pgtable_safe_wrap(ops, NULL);
#else
	io_pgtable_safe_free(io_pgtable_safe_alloc(ARM_64_LPAE_S1, cfg, NULL));
#endif
}
