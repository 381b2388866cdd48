/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Unmapping a range whose ends lie inside leaves. Included by io_pgtable_safe.c
 * only, behind what it uses of it.
 */
#ifndef _IO_PGTABLE_SAFE_CUT_H
#define _IO_PGTABLE_SAFE_CUT_H

#include "io_pgtable_safe_ledger_cut.h"
#include "io_pgtable_safe_prots.h"

/**
 * DOC: cutting a block
 *
 * A walker may not meet the descriptor of a block and that of a table in its
 * place one right after the other: between them there must have been nothing, and
 * what is remembered of the block must have been invalidated (break-before-make,
 * "TLB maintenance" in the Arm Architecture Reference Manual). So a block is cut
 * by unmapping it, invalidating it and mapping the rest of it again. Formats of
 * older kernels can do it by themselves, with less care and from memory that may
 * not be there; that of 7.3 refuses. The layer never lets any of them.
 *
 * The order of things, so that all or nothing holds to the end:
 *
 * 1. The range is claimed together with the rest of the leaves at its ends, the
 *    latter's protections and addresses are looked up, and what the ledger and the
 *    record of protections will need is allocated.
 * 2. The leaf at the start is unmapped and invalidated, and its rest is mapped.
 * 3. The same for the leaf at the end, if that is another.
 * 4. The leaves between them are unmapped and invalidated. It cannot fail, nor
 *    can what follows.
 * 5. The ledger learns of it in one moment, and the claim is given up.
 *
 * If memory for tables runs out in 2 or 3, what was mapped of the rest is unmapped
 * and invalidated again, and the whole leaf is mapped as it was; after 3 that is
 * done for the first leaf, too. A format needs no memory for this: the tables above
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
 * @span: Where it is.
 * @rest: What is to be left of it, before and behind what is unmapped.
 * @draft: The same, for the ledger.
 * @paddr: What it maps.
 * @shift: log2 of its size.
 * @prot: Its protection.
 * @stage: What has become of it.
 */
struct cut_leaf {
	struct ledger_leaf span;
	struct cut_rest rest[2];
	struct ledger_node *draft;
	phys_addr_t paddr;
	unsigned int shift;
	int prot;
	enum cut_stage stage;
};

/**
 * struct cut - A call that cuts leaves.
 * @pgt: The page table.
 * @gfp: For tables, ledger and protections.
 * @claim: The range, and all of the leaves at its ends.
 * @nr: Number of leaves that are cut.
 * @leaf: They.
 * @first: Offset of the first byte of the leaves that go whole.
 * @size: In bytes, or 0.
 * @shift: log2 of a size that none of these is smaller than.
 */
struct cut {
	struct io_pgtable_safe *pgt;
	gfp_t gfp;
	struct ledger_claim claim;
	unsigned int nr;
	struct cut_leaf leaf[2];
	u64 first;
	u64 size;
	unsigned int shift;
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
static void cut_add_leaf(struct cut *cut, const struct ledger_leaf *span, u64 first,
			 u64 last)
{
	struct io_pgtable_safe *pgt = cut->pgt;
	struct cut_leaf *leaf = &cut->leaf[cut->nr++];

	*leaf = (struct cut_leaf){
		.span = *span,
		.shift = fls64(span->last - span->first),
		.prot = prots_get(&pgt->prots, span->first),
		.paddr = pgt->ops->iova_to_phys(pgt->ops, cut_iova(cut, span->first)),
	};
	if (first > span->first)
		leaf->rest[0] = (struct cut_rest){
			.first = span->first, .size = first - span->first
		};
	if (last < span->last)
		leaf->rest[1] = (struct cut_rest){
			.first = last + 1, .size = span->last - last
		};
}

/* Which leaves are cut, and what is between them */
static void cut_plan(struct cut *cut, const struct ledger_leaf ends[2], u64 first,
		     u64 last)
{
	bool one = ends[0].first == ends[1].first;
	bool cuts_first = ends[0].first < first || (one && ends[1].last > last);
	bool cuts_last = !one && ends[1].last > last;
	u64 end = cuts_last ? ends[1].first : last + 1;

	cut->nr = 0;
	cut->first = cuts_first ? ends[0].last + 1 : first;
	/* In one leaf there is nothing between; the end may also be 2^64 */
	cut->size = cuts_first && one ? 0 : end - cut->first;
	if (cuts_first)
		cut_add_leaf(cut, &ends[0], first, last);
	if (cuts_last)
		cut_add_leaf(cut, &ends[1], first, last);
}

/* The next leaves of the same size in what is left of a leaf: how many bytes */
static u64 cut_next_run(const struct cut *cut, const struct cut_leaf *leaf, u64 off,
			u64 left, unsigned int *shift)
{
	u64 count;

	*shift = best_shift(cut->pgt, cut_iova(cut, off),
			    leaf->paddr + (off - leaf->span.first), left, &count);
	return count << *shift;
}

/* Record what is to be left on one side, so that nothing can fail afterwards */
static int cut_prepare_rest(struct cut *cut, struct cut_leaf *leaf,
			    const struct cut_rest *rest)
{
	struct io_pgtable_safe *pgt = cut->pgt;
	u64 off = rest->first, left = rest->size, run;
	unsigned int shift;
	int err = 0;

	for (; left && !err; left -= run, off += run) {
		run = cut_next_run(cut, leaf, off, left, &shift);
		err = ledger_draft(&pgt->ledger, &leaf->span, leaf->draft, off,
				   off + run - 1, shift, cut->gfp);
		if (!err && prots_wants(&pgt->prots, shift, leaf->prot))
			err = prots_set(&pgt->prots, off, off + run - 1, shift,
					leaf->prot, cut->gfp);
	}
	return err;
}

/* May the leaves be mapped with what is reserved? */
static int cut_check_reserve(const struct cut *cut)
{
	const struct cut_leaf *leaf;
	int err = 0;

	for (leaf = cut->leaf; leaf < cut->leaf + cut->nr && !err; leaf++)
		err = check_reserve(cut->pgt, cut_iova(cut, leaf->span.first),
				    cut_leaf_size(leaf), cut->gfp);
	return err;
}

/* Can the backend have mapped the leaf to where it says? */
static int cut_judge_paddr(struct cut *cut, const struct cut_leaf *leaf)
{
	u64 size = cut_leaf_size(leaf);

	if (!check_paddr(cut->pgt, leaf->paddr, size, size))
		return 0;
	set_broken(cut->pgt);
	return -EIO;
}

static int cut_prepare(struct cut *cut)
{
	int err = cut_check_reserve(cut);
	struct cut_leaf *leaf;

	for (leaf = cut->leaf; leaf < cut->leaf + cut->nr && !err; leaf++) {
		err = cut_judge_paddr(cut, leaf);
		if (err)
			break;
		leaf->draft = ledger_new_draft(&cut->pgt->ledger, &leaf->span, cut->gfp);
		err = leaf->draft ? 0 : -ENOMEM;
		if (!err)
			err = cut_prepare_rest(cut, leaf, &leaf->rest[0]);
		if (!err)
			err = cut_prepare_rest(cut, leaf, &leaf->rest[1]);
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

static int cut_map_rest(struct cut *cut, const struct cut_leaf *leaf,
			struct cut_rest *rest)
{
	struct io_pgtable_safe_map_result res = {};
	struct io_pgtable_safe *pgt = cut->pgt;
	unsigned int shift;
	u64 off, run;

	rest->mapped = 0;
	while (rest->mapped < rest->size && !res.err) {
		off = rest->first + rest->mapped;
		run = cut_next_run(cut, leaf, off, rest->size - rest->mapped, &shift);
		run = max_run(run >> shift, shift, MAX_RUN) << shift;
		res = backend_map(pgt, cut_iova(cut, off),
				  leaf->paddr + (off - leaf->span.first), run, shift,
				  leaf->prot, cut->gfp);
		rest->mapped += res.mapped;
	}
	return res.err;
}

/* Map a leaf as it was, whatever of its rest is mapped now */
static int cut_put_back(struct cut *cut, struct cut_leaf *leaf)
{
	struct io_pgtable_safe *pgt = cut->pgt;
	struct io_pgtable_safe_map_result res;
	struct cut_rest *rest;

	/* A backend that has broken its contract gets no further call */
	if (check_table(pgt))
		return cut_lost(cut, leaf);
	for (rest = leaf->rest; rest < leaf->rest + 2; rest++) {
		cut_unmap(cut, rest->first, rest->mapped, pgt->granule);
		if (check_table(pgt))
			return cut_lost(cut, leaf);
	}
	atomic_inc(&pgt->replacing);
	res = backend_map(pgt, cut_iova(cut, leaf->span.first), leaf->paddr,
			  cut_leaf_size(leaf), leaf->shift, leaf->prot, cut->gfp);
	atomic_dec(&pgt->replacing);
	if (res.mapped != cut_leaf_size(leaf) || check_table(pgt))
		return cut_lost(cut, leaf);
	leaf->stage = CUT_WHOLE;
	return 0;
}

/* What a leaf is invalidated as: if it is a run of entries, a TLB may hold each alone */
static u64 cut_leaf_granule(const struct cut *cut, const struct cut_leaf *leaf)
{
	const struct ledger *l = &cut->pgt->ledger;

	return BIT_ULL(l->level[ledger_level_of_leaf(l, &leaf->span)].shift);
}

static int cut_one_leaf(struct cut *cut, struct cut_leaf *leaf)
{
	u64 size = cut_leaf_size(leaf), done;
	int err;

	/* Invalidated in any case: nothing may be mapped in its place before */
	done = cut_unmap(cut, leaf->span.first, size, cut_leaf_granule(cut, leaf));
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

/* What is between them; returns how much of it was unmapped */
static u64 cut_middle(struct cut *cut, u32 flags)
{
	u64 iova = cut_iova(cut, cut->first), done;

	if (!cut->size)
		return 0;
	done = backend_unmap(cut->pgt, iova, cut->size, 0);
	invalidate_unmapped(cut->pgt, cut->claim.op, iova, done, BIT(cut->shift), flags);
	return done;
}

/* --- what became of it ------------------------------------------------------ */

/* Leave the protection of no block that is not there */
static void cut_settle_prots(struct cut *cut, const struct cut_leaf *leaf)
{
	struct prots *prots = &cut->pgt->prots;
	u64 first = leaf->span.first, size = cut_leaf_size(leaf);

	if (leaf->stage == CUT_WHOLE)
		prots_erase(prots, first + prots->block, size - prots->block);
	else if (leaf->stage == CUT_LOST)
		prots_erase(prots, first, size);
	else if (leaf->rest[0].size < prots->block)
		/* Those of the rest are right, but it begins with something smaller */
		prots_erase(prots, first, prots->block);
}

/* Record what became of the leaves and of what was between them */
static void cut_record(struct cut *cut, u64 middle)
{
	struct ledger *l = &cut->pgt->ledger;
	struct ledger_garbage g = {};
	struct cut_leaf *leaf;
	unsigned long flags;

	spin_lock_irqsave(&l->lock, flags);
	for (leaf = cut->leaf; leaf < cut->leaf + cut->nr; leaf++) {
		if (leaf->stage == CUT_DONE) {
			ledger_replace_leaf(l, &leaf->span, leaf->draft, &g);
			l->mapped -= cut_hole_size(leaf);
		} else if (leaf->stage == CUT_LOST) {
			ledger_clear(l, leaf->span.first, leaf->span.last, &g);
			l->mapped -= cut_leaf_size(leaf);
		}
	}
	if (middle) {
		ledger_clear(l, cut->first, cut->first + middle - 1, &g);
		l->mapped -= middle;
	}
	ledger_leave_locked(l, &cut->claim);
	spin_unlock_irqrestore(&l->lock, flags);

	ledger_empty_garbage(l, &g);
}

static void cut_end(struct cut *cut, u64 middle)
{
	struct prots *prots = &cut->pgt->prots;
	struct cut_leaf *leaf;

	for (leaf = cut->leaf; leaf < cut->leaf + cut->nr; leaf++)
		cut_settle_prots(cut, leaf);
	prots_erase(prots, cut->first, middle);
	/* Any that a leaf that was put back has replaced */
	end_tables(cut->pgt, cut->claim.op, false);
	cut_record(cut, middle);
	for (leaf = cut->leaf; leaf < cut->leaf + cut->nr; leaf++)
		ledger_free_draft(&cut->pgt->ledger, &leaf->span, leaf->draft, cut->gfp);
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
cut_range(struct io_pgtable_safe *pgt, u64 iova, u64 size, gfp_t gfp, u32 flags)
{
	u64 first = to_offset(pgt, iova), middle = 0;
	struct cut cut __uninitialized;
	struct ledger_leaf ends[2];
	int err;

	cut.pgt = pgt;
	cut.gfp = gfp;
	err = ledger_claim_cut(&pgt->ledger, &cut.claim, first, first + size - 1, ends,
			       &cut.shift);
	if (err)
		return unmap_result(0, err);
	cut_plan(&cut, ends, first, first + size - 1);
	err = cut_prepare(&cut);
	if (!err)
		err = cut_leaves(&cut);
	if (!err) {
		begin_unmap(pgt, flags);
		middle = cut_middle(&cut, flags);
	}
	cut_end(&cut, middle);
	return unmap_result(cut_unmapped(&cut, middle), err ?: check_table(pgt));
}

#endif /* _IO_PGTABLE_SAFE_CUT_H */
