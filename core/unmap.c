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
	bool flush = !(flags & IO_PGTABLE_SAFE_NO_FLUSH), keeps;
	struct table_op tables;
	u64 unmapped = done;

	expect_flush(pgt, flags);
	keeps = claimed->tables && begin_tables(pgt, &tables, false);
	if (!READ_ONCE(pgt->broken))
		unmapped = backend_unmap(pgt, iova, size, done);
	end_unmap(pgt, keeps ? &tables : NULL, iova, unmapped, BIT(claimed->granule), flush);
	settle(pgt, iova, unmapped, LEDGER_UNMAPPED);
	settle(pgt, iova + unmapped, size - unmapped, LEDGER_MAPPED);
	return unmap_result(unmapped, unmapped == size ? check_table(pgt) : -EIO);
}

/*
 * With the lock of the only node it takes. False if it takes more than that: a callback
 * of the driver, or a table that is freed.
 */
static __always_inline bool unmap_held(struct io_pgtable_safe *pgt, u64 iova, u64 size,
				       u32 flags, struct io_pgtable_safe_unmap_result *res)
{
	unsigned int shift = largest_shift(pgt, size);
	u64 first = to_offset(pgt, iova), done = 0;
	struct ledger_piece piece __uninitialized;
	struct ledger_claimed claimed = {};
	size_t n;

	if (watching() || !pgt->may_hold || (pgt->tlb && !flags) || size >> shift > MAX_HELD ||
	    !all_one_size(iova, size, shift) ||
	    !ledger_hold_leaves(&pgt->ledger, first, first + size - 1, &piece))
		return false;
	expect_flush(pgt, flags);
	n = backend_unmap_once(pgt, iova, size, shift);
	if (likely(n == size)) {
		ledger_release_unmap(&piece, false);
		*res = unmap_result(size, 0);
		return true;
	}
	claimed.granule = pgt->granule_shift;
	ledger_release_unmap(&piece, true);
	judge_unmap(pgt, n, size, shift, &done);
	*res = unmap_claimed(pgt, iova, size, done, &claimed, flags);
	return true;
}

static __always_inline struct io_pgtable_safe_unmap_result
unmap_range(struct io_pgtable_safe *pgt, u64 iova, u64 size, u32 flags)
{
	struct io_pgtable_safe_unmap_result res;
	struct ledger_claimed claimed;
	u64 first;
	int err;

	if (likely(unmap_held(pgt, iova, size, flags, &res)))
		return res;
	first = to_offset(pgt, iova);
	err = ledger_claim(&pgt->ledger, first, first + size - 1, LEDGER_UNMAP, 0, &claimed);
	if (err)
		return unmap_result(0, err);
	return unmap_claimed(pgt, iova, size, 0, &claimed, flags);
}

static __always_inline struct io_pgtable_safe_unmap_result
unmap_pages(struct io_pgtable_safe *pgt, u64 iova, size_t pgsize, size_t pgcount, u32 flags)
{
	int err;

	err = check_unmap_pages(pgt, iova, pgsize, pgcount, flags);
	if (unlikely(err))
		return unmap_result(0, err);
	return unmap_range(pgt, iova, (u64)pgsize * pgcount, flags);
}

static noinline __cold struct io_pgtable_safe_unmap_result
unmap_pages_watched(struct io_pgtable_safe *pgt, u64 iova, size_t pgsize, size_t pgcount,
		    u32 flags)
{
	struct io_pgtable_safe_unmap_result res = unmap_pages(pgt, iova, pgsize, pgcount, flags);

	watch_unmap(pgt, WATCH_UNMAP, iova, (u64)pgsize * pgcount, flags, res);
	return res;
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
	if (watching())
		return unmap_pages_watched(pgt, iova, pgsize, pgcount, flags);
	return unmap_pages(pgt, iova, pgsize, pgcount, flags);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_unmap_pages, IO_PGTABLE_SAFE_NS);

static __always_inline struct io_pgtable_safe_unmap_result
unmap_checked(struct io_pgtable_safe *pgt, u64 iova, u64 size, u32 flags)
{
	int err;

	err = check_unmap(pgt, iova, size, pgt->granule, flags);
	if (unlikely(err))
		return unmap_result(0, err);
	return unmap_range(pgt, iova, size, flags);
}

static noinline __cold struct io_pgtable_safe_unmap_result
unmap_checked_watched(struct io_pgtable_safe *pgt, u64 iova, u64 size, u32 flags)
{
	struct io_pgtable_safe_unmap_result res = unmap_checked(pgt, iova, size, flags);

	watch_unmap(pgt, WATCH_UNMAP, iova, size, flags, res);
	return res;
}

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
	if (watching())
		return unmap_checked_watched(pgt, iova, size, flags);
	return unmap_checked(pgt, iova, size, flags);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_unmap, IO_PGTABLE_SAFE_NS);

/* Everything in a claimed range. *end is where it stopped */
static u64 unmap_extents(struct io_pgtable_safe *pgt, u64 first, u64 last,
			 u64 *begin, u64 *end)
{
	u64 pos = first, a, b, n, unmapped = 0;

	while (ledger_next_extent(&pgt->ledger, pos, last, true, &a, &b)) {
		n = backend_unmap(pgt, a + pgt->iova_first, b - a + 1, 0);
		if (!unmapped)
			*begin = a;
		unmapped += n;
		*end = a + n;
		if (n != b - a + 1 || b == last)
			break;
		pos = b + 1;
	}
	return unmapped;
}

/* Each on its own: what is between them has tables that are not freed */
static void settle_extents(struct io_pgtable_safe *pgt, u64 first, u64 last, u64 unmapped)
{
	u64 pos = first, a, b, n;

	while (ledger_next_extent(&pgt->ledger, pos, last, true, &a, &b)) {
		n = min(unmapped, b - a + 1);
		unmapped -= n;
		settle(pgt, pgt->iova_first + a, n, LEDGER_UNMAPPED);
		settle(pgt, pgt->iova_first + a + n, b - a + 1 - n, LEDGER_MAPPED);
		if (b == last)
			break;
		pos = b + 1;
	}
}

static struct io_pgtable_safe_unmap_result
unmap_present(struct io_pgtable_safe *pgt, u64 iova, u64 size, u32 flags)
{
	u64 begin = to_offset(pgt, iova), end = begin, unmapped;
	bool flush = !(flags & IO_PGTABLE_SAFE_NO_FLUSH), keeps;
	struct ledger_closed range = { .first = begin, .last = begin + size - 1 };
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
	keeps = begin_tables(pgt, &tables, false);
	unmapped = unmap_extents(pgt, range.first, range.last, &begin, &end);
	end_unmap(pgt, keeps ? &tables : NULL, begin + pgt->iova_first, end - begin,
		  pgt->granule, flush);
	settle_extents(pgt, range.first, range.last, unmapped);
	ledger_open(&pgt->ledger, &range);
	return unmap_result(unmapped, check_table(pgt));
}

static noinline __cold struct io_pgtable_safe_unmap_result
unmap_present_watched(struct io_pgtable_safe *pgt, u64 iova, u64 size, u32 flags)
{
	struct io_pgtable_safe_unmap_result res = unmap_present(pgt, iova, size, flags);

	watch_unmap(pgt, WATCH_UNMAP, iova, size, flags, res);
	return res;
}

/**
 * io_pgtable_safe_unmap_present() - Unmap whatever a range holds.
 * @pgt: The page table.
 * @iova: First byte; aligned to the granule.
 * @size: In bytes; a multiple of the granule.
 * @flags: 0 or %IO_PGTABLE_SAFE_NO_FLUSH.
 *
 * As io_pgtable_safe_unmap(), but holes are allowed, and so is an empty range:
 * for heap objects that are mapped on demand, and for teardown.
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
	if (watching())
		return unmap_present_watched(pgt, iova, size, flags);
	return unmap_present(pgt, iova, size, flags);
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

static noinline __cold int flush_range_watched(struct io_pgtable_safe *pgt, u64 iova, u64 size)
{
	int err = flush_range(pgt, iova, size);

	watch_range(pgt, WATCH_FLUSH, iova, size, err);
	return err;
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
	if (watching())
		return flush_range_watched(pgt, iova, size);
	return flush_range(pgt, iova, size);
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

