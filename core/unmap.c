// SPDX-License-Identifier: GPL-2.0
/*
 * Unmapping: claim, call the backend, invalidate, settle.
 */

/* There will be a flush, so it is worth while to wait for it */
static __always_inline void expect_flush(struct io_pgtable_safe *pgt, u32 flags)
{
	if (unlikely(flags) && !pgt->tlb)
		WRITE_ONCE(pgt->keeps_tables, true);
}

/* A claimed range of which @done bytes have been unmapped */
static noinline struct io_pgtable_safe_unmap_result
unmap_claimed(struct io_pgtable_safe *pgt, u64 iova, u64 size, u64 done,
	      const struct ledger_claimed *claimed, u32 flags)
{
	bool flush = !(flags & IO_PGTABLE_SAFE_NO_FLUSH);
	struct table_op tables;
	u64 unmapped = done;

	expect_flush(pgt, flags);
	tables.task = NULL;
	if (claimed->tables)
		begin_tables(pgt, &tables, false);
	if (!READ_ONCE(pgt->broken))
		unmapped = backend_unmap(pgt, iova, size, done);
	end_unmap(pgt, &tables, iova, unmapped, BIT(claimed->granule), flush);
	settle(pgt, iova, unmapped, LEDGER_UNMAPPED);
	settle(pgt, iova + unmapped, size - unmapped, LEDGER_MAPPED);
	return unmap_result(unmapped, unmapped == size ? check_table(pgt) : -EIO);
}

/* It has become a claim: the backend has not unmapped all of it at once */
static noinline struct io_pgtable_safe_unmap_result
unmap_rest(struct io_pgtable_safe *pgt, u64 iova, u64 size, size_t n, unsigned int shift,
	   u32 flags)
{
	struct ledger_claimed claimed = { .granule = pgt->granule_shift };
	u64 done = 0;

	judge_unmap(pgt, n, size, shift, &done);
	return unmap_claimed(pgt, iova, size, done, &claimed, flags);
}

static noinline struct io_pgtable_safe_unmap_result
unmap_long(struct io_pgtable_safe *pgt, u64 iova, u64 size, u32 flags)
{
	u64 first = to_offset(pgt, iova);
	struct ledger_claimed claimed;
	int err;

	err = ledger_claim(&pgt->ledger, first, first + size - 1, LEDGER_UNMAP, 0, &claimed);
	if (err)
		return unmap_result(0, err);
	return unmap_claimed(pgt, iova, size, 0, &claimed, flags);
}

/*
 * With the lock of the only node that it takes, if it takes no more than that: no
 * callback of the driver, and no table that is freed.
 */
static __always_inline struct io_pgtable_safe_unmap_result
unmap_range(struct io_pgtable_safe *pgt, u64 iova, u64 size, u32 flags)
{
	unsigned int shift = largest_shift(pgt, size);
	struct ledger_held piece __uninitialized;
	u64 first = to_offset(pgt, iova);
	size_t n;

	if (unlikely((pgt->tlb && !flags) || !may_hold(pgt, size, shift) ||
		     ((iova | size) & (BIT_ULL(shift) - 1)) ||
		     !ledger_hold(&pgt->ledger, first, first + size - 1, shift, LEDGER_UNMAP, 0,
				  &piece)))
		return unmap_long(pgt, iova, size, flags);
	expect_flush(pgt, flags);
	n = backend_unmap_once(pgt, iova, size, shift);
	ledger_release_unmap(&piece, unlikely(n != size));
	if (likely(n == size))
		return unmap_result(size, 0);
	return unmap_rest(pgt, iova, size, n, shift, flags);
}

/* If its arguments are right */
static __always_inline struct io_pgtable_safe_unmap_result
unmap_checked(struct io_pgtable_safe *pgt, int err, u64 iova, u64 size, u32 flags)
{
	struct io_pgtable_safe_unmap_result res = unmap_result(0, err);

	if (likely(!err))
		res = unmap_range(pgt, iova, size, flags);
	return tell_unmap(pgt, WATCH_UNMAP, iova, size, flags, res);
}

/**
 * io_pgtable_safe_unmap_pages() - Unmap a range given in pages.
 * @pgt: The page table.
 * @iova: First byte; aligned to @pgsize.
 * @pgsize: Exactly one of the granted page sizes, in bytes.
 * @pgcount: Number of pages.
 * @flags: 0 or %IO_PGTABLE_SAFE_NO_FLUSH.
 *
 * The range must be one or more consecutive mappings that start at @iova and
 * have exactly this total size; they need not have been made with @pgsize, nor
 * with one call. Anything else is refused before the page table is touched.
 * Never allocates memory. When it returns success, nothing translates the range
 * any more; see "Invalidation".
 *
 * Context: Process context, atomic sections included, as far as the driver's flush
 * callbacks allow.
 * Return: {@pgsize * @pgcount, 0} or {0, error}: -EINVAL, -ERANGE, -EOVERFLOW,
 * -ENOENT, -ENOTBLK, -EBUSY; -EIO. See "Errors".
 */
struct io_pgtable_safe_unmap_result
io_pgtable_safe_unmap_pages(struct io_pgtable_safe *pgt, u64 iova,
			    size_t pgsize, size_t pgcount, u32 flags)
{
	return unmap_checked(pgt, check_unmap_pages(pgt, iova, pgsize, pgcount, flags), iova,
			     (u64)pgsize * pgcount, flags);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_unmap_pages, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_unmap() - Unmap a range.
 * @pgt: The page table.
 * @iova: First byte; aligned to the granule.
 * @size: In bytes; a multiple of the granule.
 * @flags: 0 or %IO_PGTABLE_SAFE_NO_FLUSH.
 *
 * As io_pgtable_safe_unmap_pages(), for any range that cuts no leaf.
 *
 * Context: Process context, atomic sections included, as far as the driver's flush
 * callbacks allow.
 * Return: {@size, 0} or {0, error}, as io_pgtable_safe_unmap_pages().
 */
struct io_pgtable_safe_unmap_result
io_pgtable_safe_unmap(struct io_pgtable_safe *pgt, u64 iova, u64 size, u32 flags)
{
	return unmap_checked(pgt, check_unmap(pgt, iova, size, pgt->granule, flags), iova, size,
			     flags);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_unmap, IO_PGTABLE_SAFE_NS);

/* Bytes from *first to *last have to be invalidated, and these too */
static void widen(u64 *first, u64 *last, u64 off, u64 size)
{
	if (!size)
		return;
	*first = min(*first, off);
	*last = max(*last, off + size - 1);
}

/* All leaves of a closed range. They are free at once: nobody can have them before */
static u64 unmap_leaves(struct io_pgtable_safe *pgt, const struct ledger_closed *range,
			u64 *first, u64 *last)
{
	u64 pos = range->first, a, b, n, unmapped = 0;

	while (ledger_next_extent(&pgt->ledger, pos, range->last, true, &a, &b)) {
		n = backend_unmap(pgt, a + pgt->iova_first, b - a + 1, 0);
		settle(pgt, a + pgt->iova_first, n, LEDGER_UNMAPPED);
		widen(first, last, a, n);
		unmapped += n;
		if (n != b - a + 1)
			ledger_settle(&pgt->ledger, range->first, range->last, LEDGER_MAPPED);
		if (n != b - a + 1 || b == range->last)
			break;
		pos = b + 1;
	}
	return unmapped;
}

/*
 * Tables in which nothing is left. To unmap all that a table describes frees it, as a
 * format does itself before it maps a block in its place. One that a format has freed
 * before is no fault: there is nothing to unmap.
 */
static void unmap_tables(struct io_pgtable_safe *pgt, const struct ledger_closed *range,
			 u64 *first, u64 *last)
{
	u64 pos = range->first, n, done;
	unsigned int shift;

	while (!check_table(pgt) &&
	       ledger_claim_table(&pgt->ledger, &pos, range, pgt->pgsizes, &shift)) {
		done = 0;
		n = backend_unmap_once(pgt, pos + pgt->iova_first, BIT(shift), shift);
		if (n)
			judge_unmap(pgt, n, BIT(shift), shift, &done);
		widen(first, last, pos, done);
		settle(pgt, pos + pgt->iova_first, BIT_ULL(shift),
		       done ? LEDGER_UNMAPPED : LEDGER_FREED);
		if (range->last - pos < BIT_ULL(shift))
			break;
		pos += BIT_ULL(shift);
	}
}

static struct io_pgtable_safe_unmap_result
unmap_present(struct io_pgtable_safe *pgt, u64 iova, u64 size, u32 flags)
{
	bool flush = !(flags & IO_PGTABLE_SAFE_NO_FLUSH);
	u64 offset = to_offset(pgt, iova), unmapped;
	struct ledger_closed range = { .first = offset, .last = offset + size - 1 };
	/* What is to be invalidated: nothing yet */
	u64 first = range.last, last = range.first;
	struct ledger_claimed claimed;
	struct table_op tables;
	int err;

	err = check_unmap(pgt, iova, size, pgt->granule, flags) ?:
	      ledger_close(&pgt->ledger, &range);
	if (unlikely(err))
		return unmap_result(0, err);
	err = ledger_claim(&pgt->ledger, range.first, range.last, LEDGER_PRESENT, 0, &claimed);
	if (err) {
		ledger_open(&pgt->ledger, &range);
		return unmap_result(0, err);
	}

	expect_flush(pgt, flags);
	begin_tables(pgt, &tables, false);
	unmapped = unmap_leaves(pgt, &range, &first, &last);
	/* Other ops than those of the kernel are not asked to unmap what is not mapped */
	if (pgt->may_hold)
		unmap_tables(pgt, &range, &first, &last);
	end_unmap(pgt, &tables, first + pgt->iova_first,
		  first < last ? last - first + 1 : 0, pgt->granule, flush);
	ledger_open(&pgt->ledger, &range);
	return unmap_result(unmapped, check_table(pgt));
}

/**
 * io_pgtable_safe_unmap_present() - Unmap whatever a range holds.
 * @pgt: The page table.
 * @iova: First byte; aligned to the granule.
 * @size: In bytes; a multiple of the granule.
 * @flags: 0 or %IO_PGTABLE_SAFE_NO_FLUSH.
 *
 * As io_pgtable_safe_unmap(), but holes are allowed, and so is an empty range:
 * for heap objects that are mapped on demand, and for teardown. Also frees tables
 * that earlier unmaps have left empty, see "Invalidation".
 *
 * Context: Process context, atomic sections included, as far as the driver's flush
 * callbacks allow.
 * Return: {bytes unmapped, 0} or {0, error}: -EINVAL, -ERANGE, -EOVERFLOW,
 * -ENOTBLK, -EBUSY; -EIO, and then @unmapped says how far it got.
 */
struct io_pgtable_safe_unmap_result
io_pgtable_safe_unmap_present(struct io_pgtable_safe *pgt, u64 iova, u64 size,
			      u32 flags)
{
	return tell_unmap(pgt, WATCH_UNMAP, iova, size, flags,
			  unmap_present(pgt, iova, size, flags));
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_unmap_present, IO_PGTABLE_SAFE_NS);

static int flush_range(struct io_pgtable_safe *pgt, u64 iova, u64 size)
{
	int err = check_iova(pgt, iova, size, pgt->granule);
	unsigned long begin;

	if (err)
		return err;
	begin = table_pages_before_flush(&pgt->tables);
	invalidate(pgt, iova, size, pgt->granule);
	table_pages_after_flush(&pgt->tables, begin, iova, iova + size - 1);
	return check_table(pgt);
}

/**
 * io_pgtable_safe_flush() - Invalidate what the device remembers of a range.
 * @pgt: The page table.
 * @iova: First byte; aligned to the granule.
 * @size: In bytes; a multiple of the granule.
 *
 * For callers that unmapped with %IO_PGTABLE_SAFE_NO_FLUSH, before the memory
 * or the range is used for something else. Gives back the tables that those
 * unmaps have freed and that lie in the range. A broken table is invalidated all
 * the same.
 *
 * For a page table without flush callbacks, the call says that the driver has
 * invalidated: all that was unmapped in the range before the call. So the range
 * must not hold what another thread is unmapping meanwhile.
 *
 * Where the range lies inside the one that a kept table waits for, what is left of that
 * is in two parts, which takes a record more (GFP_NOWAIT). If there is no memory for it,
 * the table is kept until one flush covers all that it waits for, or it is freed with
 * the page table.
 *
 * Context: Process context, atomic sections included, as far as the driver's flush
 * callbacks allow.
 * Return: 0; -EINVAL, -EOVERFLOW or -ERANGE for a bad range; -EIO.
 */
int io_pgtable_safe_flush(struct io_pgtable_safe *pgt, u64 iova, u64 size)
{
	int err = flush_range(pgt, iova, size);

	if (watching())
		watch_range(pgt, WATCH_FLUSH, iova, size, err);
	return err;
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_flush, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_kept() - How much memory waits for a flush?
 * @pgt: The page table.
 *
 * Tables that the format has freed, and that the device may not have forgotten
 * yet; see "Invalidation".
 *
 * Context: Process context, atomic sections included.
 * Return: Bytes; 0 where the layer does not see the format's tables.
 */
u64 io_pgtable_safe_kept(struct io_pgtable_safe *pgt)
{
	return table_pages_kept(&pgt->tables);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_kept, IO_PGTABLE_SAFE_NS);

