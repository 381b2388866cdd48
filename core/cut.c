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
 * enum cut_stage - What has become of a leaf that is to be cut.
 * @CUT_WHOLE: It is mapped as it was.
 * @CUT_DONE: What is to be left of it is mapped.
 * @CUT_LOST: The backend failed: nothing of it counts as mapped.
 */
enum cut_stage {
	CUT_WHOLE,
	CUT_DONE,
	CUT_LOST,
};

/**
 * struct cut_rest - A part of a leaf that stays mapped.
 * @first: Offset of its first byte.
 * @size: In bytes; 0 if there is none on this side.
 * @mapped: Bytes that have been mapped back.
 */
struct cut_rest {
	u64 first;
	u64 size;
	u64 mapped;
};

/**
 * struct cut_leaf - A leaf that is cut.
 * @first: Offset of its first byte.
 * @rest: What is to be left of it, before and behind what is unmapped.
 * @paddr: What it maps.
 * @shift: log2 of its size.
 * @stage: What has become of it.
 */
struct cut_leaf {
	u64 first;
	struct cut_rest rest[2];
	phys_addr_t paddr;
	unsigned int shift;
	enum cut_stage stage;
};

/**
 * struct cut - A call that cuts leaves.
 * @pgt: The page table.
 * @map: Maps back what is to be left, and whole leaves if that fails.
 * @claimed: What is known of the range, with all of the leaves at its ends.
 * @ends: First and last byte of the leaf that holds the first byte of the range, and of
 *	the one that holds the last, which may be the same.
 * @leaf: The leaves that are cut.
 * @nr: Their number.
 * @first: Offset of the first byte of the leaves that go whole.
 * @size: In bytes, or 0.
 */
struct cut {
	struct io_pgtable_safe *pgt;
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

/* Bytes of it that are to be unmapped */
static u64 cut_hole_size(const struct cut_leaf *leaf)
{
	return cut_leaf_size(leaf) - leaf->rest[0].size - leaf->rest[1].size;
}

static u64 cut_iova(const struct cut *cut, u64 off)
{
	return off + cut->pgt->iova_first;
}

/* --- the plan -------------------------------------------------------------- */

/* From first to last goes; either may be outside the leaf */
static void cut_add_leaf(struct cut *cut, const u64 span[2], u64 first, u64 last)
{
	struct io_pgtable_safe *pgt = cut->pgt;
	struct cut_leaf *leaf = &cut->leaf[cut->nr++];

	*leaf = (struct cut_leaf){
		.first = span[0],
		.shift = fls64(span[1] - span[0]),
		.paddr = pgt->ops->iova_to_phys(pgt->ops, cut_iova(cut, span[0])),
	};
	if (first > span[0])
		leaf->rest[0] = (struct cut_rest){ .first = span[0], .size = first - span[0] };
	if (last < span[1])
		leaf->rest[1] = (struct cut_rest){ .first = last + 1, .size = span[1] - last };
}

/* Which leaves are cut, and what is between them */
static void cut_plan(struct cut *cut, u64 first, u64 last)
{
	const u64 *a = cut->ends[0], *b = cut->ends[1];
	bool one = a[0] == b[0], cuts_first = a[0] < first || (one && b[1] > last);
	bool cuts_last = !one && b[1] > last;
	u64 end = cuts_last ? b[0] : last + 1;

	cut->nr = 0;
	cut->first = cuts_first ? a[1] + 1 : first;
	/* In one leaf there is nothing between; the end may also be 2^64 */
	cut->size = cuts_first && one ? 0 : end - cut->first;
	if (cuts_first)
		cut_add_leaf(cut, a, first, last);
	if (cuts_last)
		cut_add_leaf(cut, b, first, last);
}

/* Claim the leaves that hold the range. They may be smaller by the time */
static int cut_claim(struct cut *cut, u64 first, u64 last)
{
	struct ledger *l = &cut->pgt->ledger;
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

/* May the leaves be mapped back? Then each slot of them is one, to be recorded anew */
static int cut_prepare(struct cut *cut)
{
	struct io_pgtable_safe *pgt = cut->pgt;
	struct cut_leaf *leaf;
	int err = 0;
	u64 size;

	for (leaf = cut->leaf; leaf < cut->leaf + cut->nr && !err; leaf++) {
		size = cut_leaf_size(leaf);
		err = check_gfp(pgt, cut_iova(cut, leaf->first), size, cut->map.gfp);
		/* Can the backend have mapped the leaf to where it says? */
		if (!err && check_paddr(pgt, leaf->paddr, size, size)) {
			set_broken(pgt);
			err = -EIO;
		}
		if (!err)
			ledger_split(&pgt->ledger, leaf->first, leaf->first + size - 1,
				     leaf->shift);
	}
	return err;
}

/* --- the backend ------------------------------------------------------------ */

static int cut_lost(struct cut *cut, struct cut_leaf *leaf)
{
	leaf->stage = CUT_LOST;
	if (!check_table(cut->pgt))
		set_broken(cut->pgt);
	return -EIO;
}

/* Returns how much was unmapped; if that is not all, the table is broken */
static u64 cut_unmap(struct cut *cut, u64 off, u64 size, u64 granule)
{
	u64 iova = cut_iova(cut, off), done;

	if (!size)
		return 0;
	done = backend_unmap(cut->pgt, iova, size, 0);
	invalidate(cut->pgt, iova, done, granule);
	return done;
}

static int cut_map_rest(struct cut *cut, const struct cut_leaf *leaf, struct cut_rest *rest)
{
	u64 iova = cut_iova(cut, rest->first), pos = iova;
	int err = 0;

	if (rest->size)
		err = map_segment(&cut->map, &pos, leaf->paddr + (rest->first - leaf->first),
				  rest->size);
	rest->mapped = pos - iova;
	return err;
}

/* Map a leaf as it was, whatever of its rest is mapped now */
static int cut_put_back(struct cut *cut, struct cut_leaf *leaf)
{
	struct io_pgtable_safe *pgt = cut->pgt;
	struct io_pgtable_safe_map_result res;
	struct table_op tables;
	struct cut_rest *rest;
	bool keeps;

	/* A backend that has broken its contract gets no further call */
	if (check_table(pgt))
		return cut_lost(cut, leaf);
	for (rest = leaf->rest; rest < leaf->rest + 2; rest++) {
		cut_unmap(cut, rest->first, rest->mapped, pgt->granule);
		if (check_table(pgt))
			return cut_lost(cut, leaf);
	}
	keeps = begin_tables(pgt, &tables, true);
	res = backend_map(pgt, cut_iova(cut, leaf->first), leaf->paddr,
			  cut_leaf_size(leaf), leaf->shift, cut->map.prot, cut->map.gfp);
	if (keeps)
		end_tables(pgt, &tables);
	if (res.mapped != cut_leaf_size(leaf) || check_table(pgt))
		return cut_lost(cut, leaf);
	leaf->stage = CUT_WHOLE;
	return 0;
}

static int cut_one_leaf(struct cut *cut, struct cut_leaf *leaf)
{
	const struct ledger *l = &cut->pgt->ledger;
	u64 size = cut_leaf_size(leaf), done;
	int err;

	/*
	 * Invalidated in any case: nothing may be mapped in its place before. If it is a
	 * run of entries, a TLB may hold each alone.
	 */
	done = cut_unmap(cut, leaf->first, size, BIT(l->level[l->level_of[leaf->shift]].shift));
	if (check_table(cut->pgt))
		return done ? cut_lost(cut, leaf) : -EIO;
	err = cut_map_rest(cut, leaf, &leaf->rest[0]);
	if (!err)
		err = cut_map_rest(cut, leaf, &leaf->rest[1]);
	if (err)
		return cut_put_back(cut, leaf) ?: err;
	leaf->stage = CUT_DONE;
	return 0;
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
	if (err && !check_table(cut->pgt))
		err = cut_put_back(cut, &cut->leaf[0]) ?: err;
	return err;
}

/* --- what became of it ------------------------------------------------------ */

static void cut_settle_leaf(struct cut *cut, const struct cut_leaf *leaf)
{
	u64 first = leaf->first, size = cut_leaf_size(leaf);
	const struct cut_rest *a = &leaf->rest[0], *b = &leaf->rest[1];
	struct io_pgtable_safe *pgt = cut->pgt;

	if (leaf->stage == CUT_DONE) {
		settle(pgt, cut_iova(cut, first + a->size), cut_hole_size(leaf), LEDGER_FREED);
		settle(pgt, cut_iova(cut, first), a->size, LEDGER_MAPPED);
		settle(pgt, cut_iova(cut, first + size - b->size), b->size, LEDGER_MAPPED);
		return;
	}
	/* Of nothing smaller, so it needs no memory */
	if (ledger_record(&pgt->ledger, first, first + size - 1, leaf->shift, 0))
		set_broken(pgt);
	settle(pgt, cut_iova(cut, first), size,
	       leaf->stage == CUT_WHOLE ? LEDGER_MAPPED : LEDGER_FREED);
}

/* Bytes of the range that was asked for that are not mapped any more */
static u64 cut_unmapped(const struct cut *cut, u64 middle)
{
	const struct cut_leaf *leaf;

	for (leaf = cut->leaf; leaf < cut->leaf + cut->nr; leaf++)
		if (leaf->stage != CUT_WHOLE)
			middle += cut_hole_size(leaf);
	return middle;
}

static noinline struct io_pgtable_safe_unmap_result
cut_range(struct io_pgtable_safe *pgt, u64 iova, u64 size, int prot, gfp_t gfp, u32 flags)
{
	u64 first = to_offset(pgt, iova), middle = 0;
	struct cut cut __uninitialized;
	struct cut_leaf *leaf;
	int err;

	cut.pgt = pgt;
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
		settle(pgt, cut_iova(&cut, cut.first), cut.size, LEDGER_MAPPED);
	else if (cut.size)
		middle = unmap_claimed(pgt, cut_iova(&cut, cut.first), cut.size, 0, &cut.claimed,
				       flags).unmapped;
	for (leaf = cut.leaf; leaf < cut.leaf + cut.nr; leaf++)
		cut_settle_leaf(&cut, leaf);
	return unmap_result(cut_unmapped(&cut, middle), err ?: check_table(pgt));
}

static struct io_pgtable_safe_unmap_result
cut_or_unmap(struct io_pgtable_safe *pgt, u64 iova, u64 size, int prot, gfp_t gfp,
	     u32 flags)
{
	struct io_pgtable_safe_unmap_result res;
	int err;

	err = check_cut(pgt, iova, size, prot, gfp, flags);
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

