// SPDX-License-Identifier: GPL-2.0
/*
 * When the driver is told to invalidate.
 */

/* More invalidations of one granule than this, and all at once is cheaper */
#define MAX_INVALIDATIONS	512

static noinline void call_driver(struct io_pgtable_safe *pgt, u64 iova, u64 size,
				 size_t granule)
{
	/* False also where the end is 2^64, or more than size_t can say */
	bool fits = (unsigned long)iova + (size_t)size > iova;

	if (pgt->tlb->tlb_flush_walk && fits &&
	    size >> __ffs(granule) <= MAX_INVALIDATIONS)
		pgt->tlb->tlb_flush_walk(iova, size, granule, pgt->cookie);
	else
		pgt->tlb->tlb_flush_all(pgt->cookie);
}

/* Where there are no callbacks, this is the moment when the driver has done it */
static void invalidate(struct io_pgtable_safe *pgt, u64 iova, u64 size, size_t granule)
{
	u64 begin = watching() ? mapped_pages_now() : 0;

	if (!size)
		return;
	if (pgt->tlb)
		call_driver(pgt, iova, size, granule);
	if (watching())
		mapped_pages_flushed(pgt, iova, size, begin);
}

static void backend_flush_all(void *cookie)
{
	struct io_pgtable_safe *pgt = cookie;

	if (pgt->tlb)
		pgt->tlb->tlb_flush_all(pgt->cookie);
}

/*
 * The format is about to free a table: it may do so when this returns. What an
 * operation keeps until it is over is flushed then; nobody would do that later for
 * raw_ops().
 */
static void backend_flush_walk(unsigned long iova, size_t size, size_t granule,
			       void *cookie)
{
	struct io_pgtable_safe *pgt = cookie;

	if (pgt->tables.on && table_op_expect(&pgt->tables, iova, (u64)iova + size - 1))
		return;
	if (pgt->tlb)
		call_driver(pgt, iova, size, granule);
}

/*
 * An operation begins that may make the format free tables. Where a block replaces
 * one, the device must forget the table before there is a block, so nothing is kept
 * if the driver has callbacks. end_tables() or end_unmap() must follow.
 */
static void begin_tables(struct io_pgtable_safe *pgt, struct table_op *op, bool replaces)
{
	op->task = NULL;
	if (pgt->tables.on && (pgt->tlb ? !replaces : READ_ONCE(pgt->keeps_tables)))
		table_op_begin(&pgt->tables, op);
}

/*
 * A range has been unmapped, and may have to be flushed. @op is stopped before the driver
 * is called: a callback that maps a block over a table relies on this one being flushed
 * then.
 */
static void end_unmap(struct io_pgtable_safe *pgt, struct table_op *op, u64 iova, u64 size,
		      size_t granule, bool flush)
{
	if (op->task)
		table_op_stop(&pgt->tables, op);
	if (flush)
		invalidate(pgt, iova, size, granule);
	if (op->task)
		table_op_end(&pgt->tables, op, flush && !READ_ONCE(pgt->broken));
}

static void end_tables(struct io_pgtable_safe *pgt, struct table_op *op)
{
	end_unmap(pgt, op, 0, 0, 0, false);
}

/* Only for raw_ops(): the layer's own gathers keep the formats from calling it */
static void backend_add_page(struct iommu_iotlb_gather *gather,
			     unsigned long iova, size_t granule, void *cookie)
{
	struct io_pgtable_safe *pgt = cookie;

	if (IS_ENABLED(CONFIG_IOMMU_API) && pgt->tlb && pgt->tlb->tlb_add_page)
		pgt->tlb->tlb_add_page(gather, iova, granule, pgt->cookie);
}

static const struct iommu_flush_ops backend_flush_ops = {
	.tlb_flush_all	= backend_flush_all,
	.tlb_flush_walk	= backend_flush_walk,
	.tlb_add_page	= backend_add_page,
};

