// SPDX-License-Identifier: GPL-2.0
/*
 * Unmapping a range whose ends lie inside leaves.
 */

/**
 * DOC: cutting a block
 *
 * A walker must not meet a block descriptor and then, in its place, a table
 * descriptor: between them the entry must have been invalid, and what the device
 * remembers of the block must have been invalidated (break-before-make,
 * "TLB maintenance" in the Arm Architecture Reference Manual). So a block is cut
 * by unmapping it, invalidating it and mapping the rest of it again. Formats of
 * older kernels can do it by themselves, with less care and from memory that may
 * not be there; that of 7.3 refuses. The layer never lets any of them.
 *
 * The order of things, so that all or nothing holds to the end:
 *
 * 1. The range is claimed together with the rest of the leaves at its ends, and the
 *    latter's addresses are looked up.
 * 2. The leaf at the start is unmapped and invalidated, and its rest is mapped.
 * 3. The same for the leaf at the end, if that is another.
 * 4. The leaves between them are unmapped and invalidated. It cannot fail, nor
 *    can what follows.
 * 5. The range is settled, and the claim is given up.
 *
 * If memory runs out in 2 or 3, what was mapped of the rest is unmapped and
 * invalidated again, and the whole leaf is mapped as it was; after 3 that is done
 * for the first leaf, too. A format needs no memory for this: the tables above
 * the leaf are there, since nobody else can have unmapped them, and an empty table
 * in the leaf's own place is one that every format replaces by a block. If it
 * fails all the same, the table is broken.
 */

/**
 * struct cut_leaf - A leaf that is cut.
 * @first: Its first byte.
 * @keep: Bytes to be left of it, before and behind what is unmapped.
 * @mapped: Bytes that are mapped, from its first one and from the first one to be left
 *	behind: all of it and none, if it is whole.
 * @paddr: What it maps.
 * @shift: log2 of its size.
 */
struct cut_leaf {
	u64 first;
	u64 keep[2];
	u64 mapped[2];
	phys_addr_t paddr;
	unsigned int shift;
};

/**
 * struct cut - A call that cuts leaves.
 * @map: Maps back what is to be left, and whole leaves if that fails.
 * @claimed: What is known of the range, with all of the leaves at its ends.
 * @ends: Offsets of the first and last byte of the leaf that holds the first byte of the
 *	range, and of the one that holds the last, which may be the same.
 * @leaf: The leaves that are cut.
 * @nr: Their number.
 * @first: First byte of the leaves that go whole.
 * @size: In bytes, or 0.
 */
struct cut {
	struct map_op map;
	struct ledger_claimed claimed;
	u64 ends[2][2];
	struct cut_leaf leaf[2];
	unsigned int nr;
	u64 first;
	u64 size;
};

static u64 cut_leaf_size(const struct cut_leaf *leaf)
{
	return BIT_ULL(leaf->shift);
}

static bool cut_is_whole(const struct cut_leaf *leaf)
{
	return leaf->mapped[0] == cut_leaf_size(leaf);
}

/* --- the plan -------------------------------------------------------------- */

/* From first to last goes; either may be outside the leaf */
static void cut_add_leaf(struct cut *cut, const u64 span[2], u64 first, u64 last)
{
	struct io_pgtable_safe *pgt = cut->map.pgt;
	u64 iova = span[0] + pgt->iova_first;

	cut->leaf[cut->nr++] = (struct cut_leaf){
		.first = iova,
		.keep = { first > span[0] ? first - span[0] : 0,
			  last < span[1] ? span[1] - last : 0 },
		.mapped = { span[1] - span[0] + 1 },
		.paddr = pgt->ops->iova_to_phys(pgt->ops, iova),
		.shift = fls64(span[1] - span[0]),
	};
}

/* Which leaves are cut, and what is between them */
static void cut_plan(struct cut *cut, u64 first, u64 last)
{
	const u64 *a = cut->ends[0], *b = cut->ends[1];
	bool one = a[0] == b[0], cuts_first = a[0] < first || (one && b[1] > last);
	bool cuts_last = !one && b[1] > last;
	u64 begin = cuts_first ? a[1] + 1 : first, end = cuts_last ? b[0] : last + 1;

	cut->nr = 0;
	cut->first = begin + cut->map.pgt->iova_first;
	/* In one leaf there is nothing between; the end may also be 2^64 */
	cut->size = cuts_first && one ? 0 : end - begin;
	if (cuts_first)
		cut_add_leaf(cut, a, first, last);
	if (cuts_last)
		cut_add_leaf(cut, b, first, last);
}

/* Claim the leaves that hold the range. They may be smaller by the time */
static int cut_claim(struct cut *cut, u64 first, u64 last)
{
	struct ledger *l = &cut->map.pgt->ledger;
	u64 a = first, b = last;
	int err;

	err = ledger_widen(l, &a, &b) ?: ledger_claim(l, a, b, LEDGER_UNMAP, 0, &cut->claimed);
	if (err)
		return err == -ENOTBLK ? -EBUSY : err;
	ledger_claimed_leaf(l, first, &cut->ends[0][0], &cut->ends[0][1]);
	ledger_claimed_leaf(l, last, &cut->ends[1][0], &cut->ends[1][1]);
	if (a == cut->ends[0][0] && b == cut->ends[1][1])
		return 0;
	ledger_settle(l, a, b, LEDGER_MAPPED);
	return -EBUSY;
}

/* What a claimed leaf is in the ledger: one leaf, or one in each of its slots */
static void cut_record(struct io_pgtable_safe *pgt, const struct cut_leaf *leaf, unsigned int shift)
{
	u64 first = to_offset(pgt, leaf->first);

	/* Of nothing smaller, so it needs no memory */
	if (ledger_record(&pgt->ledger, first, first + cut_leaf_size(leaf) - 1, shift, 0))
		set_broken(pgt);
}

/* May the leaves be mapped back? Then each slot of them is one, to be recorded anew */
static int cut_prepare(struct cut *cut)
{
	struct io_pgtable_safe *pgt = cut->map.pgt;
	struct cut_leaf *leaf;
	int err = 0;
	u64 size;

	for (leaf = cut->leaf; leaf < cut->leaf + cut->nr && !err; leaf++) {
		size = cut_leaf_size(leaf);
		err = check_gfp(pgt, leaf->first, size, cut->map.gfp);
		/* Can the backend have mapped the leaf to where it says? */
		if (!err && check_paddr(pgt, leaf->paddr, size, size)) {
			set_broken(pgt);
			err = -EIO;
		}
		if (!err)
			cut_record(pgt, leaf, ledger_slot_shift(&pgt->ledger, leaf->shift));
	}
	return err;
}

/* --- the backend ------------------------------------------------------------ */

/* Returns how much was unmapped; if that is not all, the table is broken */
static u64 cut_unmap(struct cut *cut, u64 iova, u64 size, u64 granule)
{
	u64 done = 0;

	if (size)
		done = backend_unmap(cut->map.pgt, iova, size, 0);
	invalidate(cut->map.pgt, iova, done, granule);
	return done;
}

/* Where in the leaf the part begins that is to be left before or behind */
static u64 cut_rest(const struct cut_leaf *leaf, unsigned int side)
{
	return side ? cut_leaf_size(leaf) - leaf->keep[1] : 0;
}

static int cut_map_rest(struct cut *cut, struct cut_leaf *leaf, unsigned int side)
{
	u64 off = cut_rest(leaf, side), pos = leaf->first + off;
	int err = 0;

	if (leaf->keep[side])
		err = map_segment(&cut->map, &pos, leaf->paddr + off, leaf->keep[side]);
	leaf->mapped[side] = pos - leaf->first - off;
	return err;
}

/*
 * Map a leaf as it was, whatever of its rest is mapped now. If that fails, nothing of it
 * counts as mapped. A backend that has broken its contract gets no further call.
 */
static int cut_put_back(struct cut *cut, struct cut_leaf *leaf)
{
	struct io_pgtable_safe *pgt = cut->map.pgt;
	struct io_pgtable_safe_map_result res = {};
	struct table_op tables;
	unsigned int side;

	for (side = 0; side < 2; side++) {
		if (!check_table(pgt))
			cut_unmap(cut, leaf->first + cut_rest(leaf, side), leaf->mapped[side],
				  pgt->granule);
		leaf->mapped[side] = 0;
	}
	if (!check_table(pgt)) {
		begin_tables(pgt, &tables, true);
		res = backend_map(pgt, leaf->first, leaf->paddr, cut_leaf_size(leaf),
				  leaf->shift, cut->map.prot, cut->map.gfp);
		end_tables(pgt, &tables);
		if (res.mapped != cut_leaf_size(leaf) && !check_table(pgt))
			set_broken(pgt);
	}
	if (check_table(pgt))
		return -EIO;
	leaf->mapped[0] = res.mapped;
	return 0;
}

static int cut_one_leaf(struct cut *cut, struct cut_leaf *leaf)
{
	struct io_pgtable_safe *pgt = cut->map.pgt;
	int err;

	/*
	 * Invalidated in any case: nothing may be mapped in its place before. If it is a
	 * run of entries, a TLB may hold each alone.
	 */
	if (cut_unmap(cut, leaf->first, cut_leaf_size(leaf),
		      BIT(ledger_slot_shift(&pgt->ledger, leaf->shift))))
		leaf->mapped[0] = 0;
	err = check_table(pgt);
	if (err)
		return err;
	err = cut_map_rest(cut, leaf, 0) ?: cut_map_rest(cut, leaf, 1);
	return err ? cut_put_back(cut, leaf) ?: err : 0;
}

/* All or none, unless the backend fails */
static int cut_leaves(struct cut *cut)
{
	int err = 0;

	if (cut->nr)
		err = cut_one_leaf(cut, &cut->leaf[0]);
	if (cut->nr < 2 || err)
		return err;
	err = cut_one_leaf(cut, &cut->leaf[1]);
	if (err && !check_table(cut->map.pgt))
		err = cut_put_back(cut, &cut->leaf[0]) ?: err;
	return err;
}

/* --- what became of it ------------------------------------------------------ */

/* Returns how many bytes that were asked for are not mapped any more */
static u64 cut_settle_leaf(struct io_pgtable_safe *pgt, const struct cut_leaf *leaf)
{
	u64 first = leaf->first, size = cut_leaf_size(leaf), a = leaf->mapped[0];
	u64 b = leaf->mapped[1];

	if (cut_is_whole(leaf))
		cut_record(pgt, leaf, leaf->shift);
	/* Before what is left becomes mapped: while all of it is claimed, its nodes stay */
	settle(pgt, first + a, size - a - b, LEDGER_FREED);
	settle(pgt, first, a, LEDGER_MAPPED);
	settle(pgt, first + size - b, b, LEDGER_MAPPED);
	return cut_is_whole(leaf) ? 0 : size - leaf->keep[0] - leaf->keep[1];
}

static noinline struct io_pgtable_safe_unmap_result
cut_range(struct io_pgtable_safe *pgt, u64 iova, u64 size, int prot, gfp_t gfp, u32 flags)
{
	u64 first = to_offset(pgt, iova), unmapped = 0;
	struct cut cut __uninitialized;
	unsigned int i;
	int err;

	init_map(&cut.map, pgt, iova, size, prot, gfp);
	err = cut_claim(&cut, first, first + size - 1);
	if (err)
		return unmap_result(0, err);
	cut_plan(&cut, first, first + size - 1);
	err = cut_prepare(&cut);
	if (!err)
		err = cut_leaves(&cut);
	if (!err)
		expect_flush(pgt, flags);
	/* What is between them */
	if (err)
		settle(pgt, cut.first, cut.size, LEDGER_MAPPED);
	else if (cut.size)
		unmapped = unmap_claimed(pgt, cut.first, cut.size, 0, &cut.claimed, flags).unmapped;
	for (i = 0; i < cut.nr; i++)
		unmapped += cut_settle_leaf(pgt, &cut.leaf[i]);
	return unmap_result(unmapped, err ?: check_table(pgt));
}

static struct io_pgtable_safe_unmap_result
cut_or_unmap(struct io_pgtable_safe *pgt, u64 iova, u64 size, int prot, gfp_t gfp,
	     u32 flags)
{
	struct io_pgtable_safe_unmap_result res;
	int err;

	err = check_flags(flags) ?: check_map(pgt, iova, size, pgt->granule, prot, gfp);
	if (unlikely(err))
		return unmap_result(0, err);
	res = unmap_range(pgt, iova, size, flags);
	return res.err == -ENOTBLK ? cut_range(pgt, iova, size, prot, gfp, flags) : res;
}

/**
 * io_pgtable_safe_cut() - Unmap a range that may begin and end inside leaves.
 * @pgt: The page table.
 * @iova: First byte; aligned to the granule.
 * @size: In bytes; a multiple of the granule.
 * @prot: The protection that the leaves have, for what is mapped back.
 * @gfp: For page tables and the ledger. No zone modifiers. Or
 *	%IO_PGTABLE_SAFE_RESERVED; the reservation must be for all of the leaves.
 * @flags: 0 or %IO_PGTABLE_SAFE_NO_FLUSH.
 *
 * As io_pgtable_safe_unmap(), and the same where no leaf is cut. A leaf that lies
 * in the range in part only, of which there are at most two, is unmapped, and its
 * rest is mapped again: the same memory with the largest page sizes that fit, and
 * with @prot, since no format says which protection a leaf has: that of the
 * binding, which must be one. Afterwards exactly the range is unmapped. On failure all
 * is as it was, the sizes of leaves included. The same on every kernel, whether its
 * formats can split blocks or not.
 *
 * For a moment the whole of such a leaf is not mapped, also on failure: from when
 * it is unmapped until its rest has been mapped, with one invalidation and
 * allocations in between, and if that fails once more until it has been put back.
 * What lies between such leaves and what is outside them is not concerned. A
 * device that cannot wait out a fault must not use these leaves meanwhile;
 * io_pgtable_safe_leaf_span() says where they end. They are invalidated in that
 * moment even with %IO_PGTABLE_SAFE_NO_FLUSH, which spares only the rest of the
 * range. Without flush callbacks nobody does that: the driver must keep the device
 * from walking the leaves during the call, see "Invalidation".
 *
 * With IO_PGTABLE_QUIRK_ARM_HD the rest counts as written to, whether it was or not.
 *
 * Context: Process context, atomic sections included, as far as the driver's flush
 * callbacks allow; sleeps if @gfp allows it.
 * Return: {@size, 0} or {0, error}: -EINVAL, -ERANGE, -EOVERFLOW, -ENOENT, -EBUSY
 * (also if another thread is busy with the rest of such a leaf); -ENOMEM; -EIO, also
 * if a leaf could not be put back, and then @unmapped says how much of the range is
 * not mapped any more. See "Errors".
 */
struct io_pgtable_safe_unmap_result
io_pgtable_safe_cut(struct io_pgtable_safe *pgt, u64 iova, u64 size, int prot,
		    gfp_t gfp, u32 flags)
{
	return tell_unmap(pgt, WATCH_CUT, iova, size, flags,
			  cut_or_unmap(pgt, iova, size, prot, gfp, flags));
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_cut, IO_PGTABLE_SAFE_NS);

