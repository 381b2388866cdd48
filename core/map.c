// SPDX-License-Identifier: GPL-2.0
/*
 * Mapping: claim, call the backend, settle.
 */

/**
 * DOC: map
 *
 * A map goes through these steps:
 *
 * 1. Check the arguments (check.c).
 * 2. Claim the range in the ledger. It is refused if anything in it is mapped.
 * 3. For each backend call, record the leaves that it will make, then call it.
 * 4. If that failed part-way, unmap what was mapped, and invalidate (undo_run()).
 * 5. Settle: what is mapped, and what is not, and give up the claim.
 *
 * A range that lies in one node of the ledger is tried first with the node's lock held
 * instead of a claim (map_one_size()): nobody sees that it is under way, and nothing is
 * left to do then. Under the lock the backend may not sleep, and if it did not do all
 * of it, the lock becomes a claim, and it goes on with step 3 or 4.
 */

/**
 * struct map_op - A map call under way.
 * @pgt: The page table.
 * @first: First byte of the range, which is claimed as a whole.
 * @size: Its size.
 * @prot: Protection.
 * @gfp: For tables and ledger.
 * @leaf: Size of the leaves that the ledger has for what follows, or 0.
 * @last: The last byte for which it has them.
 * @tables: Tables that the format frees.
 */
struct map_op {
	struct io_pgtable_safe *pgt;
	u64 first;
	u64 size;
	int prot;
	gfp_t gfp;
	u64 leaf;
	u64 last;
	struct table_op tables;
};

static void settle(struct io_pgtable_safe *pgt, u64 iova, u64 size,
		   enum ledger_outcome outcome)
{
	u64 first = to_offset(pgt, iova);

	if (size)
		ledger_settle(&pgt->ledger, first, first + size - 1, outcome);
}

/* --- the steps ------------------------------------------------------------ */

/* Not an initializer: that would clear all of it each time */
static __always_inline void init_map(struct map_op *op, struct io_pgtable_safe *pgt,
				     u64 iova, u64 size, int prot, gfp_t gfp)
{
	op->pgt = pgt;
	op->first = iova;
	op->size = size;
	op->prot = prot;
	op->gfp = gfp;
	op->leaf = 0;
	op->tables.task = NULL;
}

static int claim_map(struct map_op *op)
{
	u64 first = to_offset(op->pgt, op->first);
	struct ledger_claimed claimed;
	int err;

	err = ledger_claim(&op->pgt->ledger, first, first + op->size - 1, LEDGER_MAP, op->gfp,
			   &claimed);
	if (err)
		return err;
	/* Each slot was claimed as a leaf, which there may not be of its size */
	if (claimed.granule == claimed.largest)
		op->leaf = op->pgt->pgsizes & BIT_ULL(claimed.granule);
	op->last = op->first + op->size - 1;
	/* A block may take the place of an empty table */
	begin_tables(op->pgt, &op->tables, true);
	return 0;
}

/* Where pages are recorded, so are all that follow in the node: each slot was claimed as one */
static int record_run(struct map_op *op, u64 iova, u64 size, unsigned int shift)
{
	struct ledger *l = &op->pgt->ledger;
	u64 first = to_offset(op->pgt, iova), last = first + size - 1;
	int err;

	err = ledger_record(l, first, last, shift, op->gfp);
	op->leaf = BIT_ULL(shift);
	if (shift == op->pgt->granule_shift)
		last = ledger_node_end(l, last);
	op->last = last + op->pgt->iova_first;
	return err;
}

/*
 * One backend call, recorded before. A format stops at the end of a table, and what is
 * left is not recorded again.
 */
static struct io_pgtable_safe_map_result
map_run(struct map_op *op, u64 iova, phys_addr_t paddr, unsigned int shift, u64 pgcount)
{
	struct io_pgtable_safe *pgt = op->pgt;
	u64 room = pgcount;
	size_t count;
	u64 size;
	int err;

	if (pgt->may_hold)
		room = ledger_room(&pgt->ledger, to_offset(pgt, iova), shift);
	count = max_run(min(pgcount, room), shift, MAX_RUN);
	size = (u64)count << shift;
	if (op->leaf == BIT_ULL(shift) && iova <= op->last) {
		size = min(size, op->last - iova + 1);
	} else {
		err = record_run(op, iova, size, shift);
		if (unlikely(err))
			return map_result(0, err);
	}
	return backend_map(pgt, iova, paddr, size, shift, op->prot, op->gfp);
}

/*
 * Physically contiguous memory, with the best page sizes, as often as it takes.
 * Moves *iova behind what was mapped.
 */
static noinline int map_segment(struct map_op *op, u64 *iova, phys_addr_t paddr,
				u64 size)
{
	struct io_pgtable_safe_map_result res;
	unsigned int shift;
	u64 count;

	do {
		shift = best_shift(op->pgt, *iova, paddr, size, &count);
		res = map_run(op, *iova, paddr, shift, count);
		*iova += res.mapped;
		paddr += res.mapped;
		size -= res.mapped;
	} while (unlikely(size) && !res.err);
	return res.err;
}

/* Give back what was mapped before something failed. Returns how much */
static noinline u64 undo_run(struct io_pgtable_safe *pgt, u64 iova, u64 mapped)
{
	u64 undone;

	/* A backend that has broken its contract gets no further call */
	if (!mapped || READ_ONCE(pgt->broken))
		return 0;
	undone = backend_unmap(pgt, iova, mapped, 0);
	invalidate(pgt, iova, undone, pgt->granule);
	if (watching())
		watch_range(pgt, WATCH_UNDO, iova, undone, 0);
	return undone;
}

static struct io_pgtable_safe_map_result end_map(struct map_op *op, u64 mapped, int err,
						 bool keep)
{
	u64 undone = err && !keep ? undo_run(op->pgt, op->first, mapped) : 0;

	end_tables(op->pgt, &op->tables);
	settle(op->pgt, op->first, undone, LEDGER_UNMAPPED);
	settle(op->pgt, op->first + undone, mapped - undone, LEDGER_MAPPED);
	settle(op->pgt, op->first + mapped, op->size - mapped, LEDGER_FREED);
	return map_result(mapped - undone, err);
}

/* --- pages of one size ---------------------------------------------------- */

/**
 * enum rest - What to do when a call has mapped only part of a range.
 * @REST_KEEP: The part stays mapped, whether there was an error or not.
 * @REST_UNDO: It goes if there was an error.
 * @REST_MAP: It goes if there was an error; else the rest is mapped, too.
 */
enum rest {
	REST_KEEP,
	REST_UNDO,
	REST_MAP,
};

/* A claimed range, of which a part may be mapped */
static noinline struct io_pgtable_safe_map_result
map_claimed(struct map_op *op, phys_addr_t paddr, u64 mapped, int err, unsigned int shift,
	    enum rest rest)
{
	struct io_pgtable_safe_map_result res;
	u64 pos = op->first + mapped;

	if (!err && mapped != op->size && rest == REST_MAP) {
		err = map_segment(op, &pos, paddr + mapped, op->size - mapped);
	} else if (!err && !mapped) {
		res = map_run(op, pos, paddr, shift, op->size >> shift);
		pos += res.mapped;
		err = res.err;
	}
	return end_map(op, pos - op->first, err, rest == REST_KEEP);
}

/* What an allocation with a lock held may do; one that fails is tried again without */
static __always_inline gfp_t held_gfp(gfp_t gfp)
{
	if (!gfpflags_allow_blocking(gfp))
		return gfp;
	return (gfp & ~(__GFP_DIRECT_RECLAIM | __GFP_NOFAIL)) | __GFP_NOWARN;
}

static noinline struct io_pgtable_safe_map_result
map_long(struct map_op *op, phys_addr_t paddr, unsigned int shift, enum rest rest)
{
	int err = claim_map(op);

	if (err)
		return map_result(0, err);
	return map_claimed(op, paddr, 0, 0, shift, rest);
}

/*
 * With the lock of the only node that it takes, if it takes no more than that. What an
 * operation has to know is put together where it is needed: not here, most of the time.
 */
static __always_inline struct io_pgtable_safe_map_result
map_one_size(struct io_pgtable_safe *pgt, u64 iova, u64 size, phys_addr_t paddr,
	     unsigned int shift, int prot, gfp_t gfp, enum rest rest)
{
	struct io_pgtable_safe_map_result res;
	struct ledger_held piece __uninitialized;
	struct map_op op __uninitialized;
	u64 first = to_offset(pgt, iova);

	if (unlikely(!may_hold(pgt, size, shift) ||
		     !ledger_hold(&pgt->ledger, first, first + size - 1, shift, LEDGER_MAP, gfp,
				  &piece))) {
		init_map(&op, pgt, iova, size, prot, gfp);
		return map_long(&op, paddr, shift, rest);
	}
	res = backend_map_once(pgt, iova, paddr, size, shift, prot, held_gfp(gfp));
	if (likely(!res.err && res.mapped == size)) {
		ledger_release_map(&piece, false);
		return res;
	}
	ledger_release_map(&piece, true);
	if (res.err == -ENOMEM && gfpflags_allow_blocking(gfp))
		res.err = 0;
	init_map(&op, pgt, iova, size, prot, gfp);
	return map_claimed(&op, paddr, res.mapped, res.err, shift, rest);
}

static __always_inline struct io_pgtable_safe_map_result
map_pages(struct io_pgtable_safe *pgt, u64 iova, phys_addr_t paddr, size_t pgsize,
	  size_t pgcount, int prot, gfp_t gfp, enum rest rest)
{
	int err = check_map_pages(pgt, iova, paddr, pgsize, pgcount, prot, gfp);
	struct io_pgtable_safe_map_result res = map_result(0, err);
	u64 size = (u64)pgsize * pgcount;

	if (likely(!err))
		res = map_one_size(pgt, iova, size, paddr, __ffs(pgsize), prot, gfp, rest);
	return tell_map(pgt, iova, paddr, size, prot, res);
}

/**
 * io_pgtable_safe_try_map_pages() - One backend call, its outcome as it is.
 * @pgt: The page table.
 * @iova: Where to map; aligned to @pgsize.
 * @paddr: What to map; physically contiguous, aligned to @pgsize.
 * @pgsize: Page size in bytes: exactly one of the granted ones.
 * @pgcount: Number of pages.
 * @prot: IOMMU_READ, IOMMU_WRITE and the other protection flags of
 *	include/linux/iommu.h.
 * @gfp: For page tables and the ledger. No zone modifiers. Or
 *	%IO_PGTABLE_SAFE_RESERVED, see "Reservations".
 *
 * All four legal outcomes reach the caller, and it must cope with each: retry
 * the remainder after partial success, and after an error either unmap what was
 * mapped or keep it. More than 16384 pages, or blocks beyond the end of a table, are
 * never asked of the backend at once, so that gives partial success. Most callers
 * want io_pgtable_safe_map().
 *
 * Context: Process context, atomic sections included; sleeps if @gfp allows it.
 * Return: What was mapped, and 0 or one of: -EINVAL, -ERANGE, -EOVERFLOW,
 * -EEXIST, -EBUSY (nothing was mapped, the backend was not called); -ENOMEM,
 * the ledger's or the backend's, and other errors of the backend; -EIO. See
 * "Errors".
 */
struct io_pgtable_safe_map_result
io_pgtable_safe_try_map_pages(struct io_pgtable_safe *pgt, u64 iova,
			      phys_addr_t paddr, size_t pgsize, size_t pgcount,
			      int prot, gfp_t gfp)
{
	return map_pages(pgt, iova, paddr, pgsize, pgcount, prot, gfp, REST_KEEP);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_try_map_pages, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_map_pages() - Map pages of one size with one backend call.
 * @pgt: The page table.
 * @iova: Where to map; aligned to @pgsize.
 * @paddr: What to map; physically contiguous, aligned to @pgsize.
 * @pgsize: Page size in bytes: exactly one of the granted ones.
 * @pgcount: Number of pages.
 * @prot: As for io_pgtable_safe_try_map_pages().
 * @gfp: As for io_pgtable_safe_try_map_pages().
 *
 * Partial success (mapped < @pgsize * @pgcount without an error) is reported:
 * the caller calls again with the remainder. On an error, what the call had
 * mapped has been unmapped and invalidated.
 *
 * Context: Process context, atomic sections included; sleeps if @gfp allows it.
 * Return: {mapped, 0} with mapped > 0, or {0, error} with the errors of
 * io_pgtable_safe_try_map_pages(). If the cleanup fails, or is not tried
 * because the backend broke its contract: what is left, the original error, and
 * the table is broken.
 */
struct io_pgtable_safe_map_result
io_pgtable_safe_map_pages(struct io_pgtable_safe *pgt, u64 iova,
			  phys_addr_t paddr, size_t pgsize, size_t pgcount,
			  int prot, gfp_t gfp)
{
	return map_pages(pgt, iova, paddr, pgsize, pgcount, prot, gfp, REST_UNDO);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_map_pages, IO_PGTABLE_SAFE_NS);

static __always_inline struct io_pgtable_safe_map_result
map_range(struct io_pgtable_safe *pgt, u64 iova, phys_addr_t paddr, u64 size, int prot,
	  gfp_t gfp)
{
	struct map_op op __uninitialized;
	unsigned int shift;
	u64 count;
	int err;

	err = check_map(pgt, iova, size, pgt->granule, prot, gfp) ?:
	      check_paddr(pgt, paddr, size, pgt->granule);
	if (unlikely(err))
		return map_result(0, err);
	shift = best_shift(pgt, iova, paddr, size, &count);
	if (likely(count << shift == size))
		return map_one_size(pgt, iova, size, paddr, shift, prot, gfp, REST_MAP);
	init_map(&op, pgt, iova, size, prot, gfp);
	return map_long(&op, paddr, shift, REST_MAP);
}

/**
 * io_pgtable_safe_map() - Map a range, all or nothing.
 * @pgt: The page table.
 * @iova: Where to map; aligned to the granule.
 * @paddr: What to map; physically contiguous, aligned to the granule.
 * @size: In bytes; a multiple of the granule.
 * @prot: As for io_pgtable_safe_try_map_pages().
 * @gfp: As for io_pgtable_safe_try_map_pages().
 *
 * Uses the largest page sizes that the alignment of @iova and @paddr allows and
 * retries partial success.
 *
 * Context: Process context, atomic sections included; sleeps if @gfp allows it.
 * Return: {@size, 0} or {0, error}, as io_pgtable_safe_map_pages().
 */
struct io_pgtable_safe_map_result
io_pgtable_safe_map(struct io_pgtable_safe *pgt, u64 iova, phys_addr_t paddr,
		    u64 size, int prot, gfp_t gfp)
{
	return tell_map(pgt, iova, paddr, size, prot,
			map_range(pgt, iova, paddr, size, prot, gfp));
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_map, IO_PGTABLE_SAFE_NS);

