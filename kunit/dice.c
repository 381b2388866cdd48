// SPDX-License-Identifier: GPL-2.0
/*
 * What is called, with which arguments. See dice.h.
 */
#include <linux/math64.h>

#include "dice.h"

u32 dice_below(struct dice *d, u32 n)
{
	return prandom_u32_state(&d->rnd) % n;
}

static bool one_in(struct dice *d, u32 n)
{
	return !dice_below(d, n);
}

static u64 random_u64(struct dice *d)
{
	return (u64)prandom_u32_state(&d->rnd) << 32 | prandom_u32_state(&d->rnd);
}

/* --- arguments ------------------------------------------------------------- */

/* Granules mostly */
static u64 random_page(struct dice *d)
{
	return d->pages[one_in(d, 2) ? 0 : dice_below(d, d->nr_pages)];
}

static u64 largest_page(const struct dice *d)
{
	return d->pages[d->nr_pages - 1];
}

static u64 absurd(struct dice *d)
{
	switch (dice_below(d, 7)) {
	case 0: return 0;
	case 1: return U64_MAX;
	case 2: return BIT_ULL(63);
	case 3: return -d->pages[0];
	case 4: return 1;
	case 5: return random_u64(d);
	default: return BIT_ULL(dice_below(d, 64)) - d->pages[0];
	}
}

/* Both ends of the address space, and ends of tables and blocks of every size */
static void choose_places(struct dice *d)
{
	u64 unit, aligned;
	unsigned int i;

	for (i = 0; i < DICE_PLACES; i++) {
		unit = d->pages[i % d->nr_pages];
		/* What a table, or a table of tables, describes */
		if (one_in(d, 2) && unit <= d->span / (d->pages[0] / 8))
			unit *= d->pages[0] / 8;
		aligned = (d->first + (random_u64(d) & d->span)) & ~(unit - 1);
		d->place[i] = max(aligned, d->first);
	}
	d->place[0] = d->first;
	d->place[1] = d->first + d->span - d->pages[0] + 1;
	if (d->span >= largest_page(d) - 1)
		d->place[2] = d->first + d->span - largest_page(d) + 1;
}

void dice_prepare(struct dice *d)
{
	struct client *c = &d->c;

	d->first = c->mine_first;
	d->span = c->mine_last - c->mine_first;
	for (d->nr_pages = 0; nth_pgsize(c->test, d->nr_pages); d->nr_pages++)
		d->pages[d->nr_pages] = nth_pgsize(c->test, d->nr_pages);
	choose_places(d);
}

static u64 random_iova(struct dice *d)
{
	u64 iova = d->place[dice_below(d, DICE_PLACES)];

	if (one_in(d, 2))
		iova += (dice_below(d, 7) - 3ULL) * random_page(d);
	if (one_in(d, 60))
		iova += one_in(d, 2) ? 1 : d->pages[0] / 2;
	return one_in(d, 50) ? absurd(d) : iova;
}

static u64 random_size(struct dice *d, u64 iova)
{
	u64 size = (1 + dice_below(d, 4)) * random_page(d);

	if (one_in(d, 60))
		size = (1 + dice_below(d, 700)) * d->pages[0];
	/* Up to where a block ends */
	if (one_in(d, 6))
		size += -(iova + size) & (random_page(d) - 1);
	if (one_in(d, 6))
		size += one_in(d, 2) ? d->pages[0] : -d->pages[0];
	if (one_in(d, 40))
		size += one_in(d, 2) ? 1 : -1;
	return one_in(d, 25) ? absurd(d) : size;
}

/* Memory that lies in its blocks as the iova does in its own, or does not */
static u64 random_paddr(struct dice *d, u64 iova, u64 size)
{
	u64 last = d->c.spec.paddr_last, block = largest_page(d);
	u64 paddr = random_u64(d) & last & ~(d->pages[0] - 1);

	/* Many small leaves take their time */
	if (size > 1024 * d->pages[0] || one_in(d, 2))
		paddr = (paddr & ~(block - 1)) | (iova & (block - 1));
	else if (one_in(d, 6))
		paddr = last + 1 - size + (one_in(d, 2) ? d->pages[0] : 0);
	else if (one_in(d, 6))
		paddr = 0;
	if (one_in(d, 60))
		paddr += d->pages[0] / 2;
	return one_in(d, 60) && size <= 1024 * d->pages[0] ? absurd(d) : paddr;
}

static int random_prot(struct dice *d)
{
	static const int good[] = {
		IOMMU_READ, IOMMU_READ | IOMMU_WRITE,
		IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE, IOMMU_READ | IOMMU_NOEXEC,
		IOMMU_READ | IOMMU_WRITE | IOMMU_MMIO, IOMMU_READ | IOMMU_PRIV,
		IOMMU_READ | IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_CACHE,
	};
	static const int odd[] = { IOMMU_WRITE, IOMMU_WRITE | IOMMU_CACHE, 0, IOMMU_NOEXEC };

	if (one_in(d, 30))
		return odd[dice_below(d, ARRAY_SIZE(odd))];
	if (one_in(d, 2))
		return IOMMU_READ | IOMMU_WRITE;
	return good[dice_below(d, ARRAY_SIZE(good))];
}

static gfp_t random_gfp(struct dice *d)
{
	static const gfp_t bad[] = {
		GFP_KERNEL | __GFP_COMP, GFP_KERNEL | __GFP_DMA, GFP_KERNEL | __GFP_HIGHMEM,
		GFP_KERNEL | IO_PGTABLE_SAFE_RESERVED, IO_PGTABLE_SAFE_RESERVED,
	};

	return one_in(d, 40) ? bad[dice_below(d, ARRAY_SIZE(bad))] : GFP_KERNEL;
}

static u32 random_flags(struct dice *d)
{
	if (one_in(d, 60))
		return BIT(dice_below(d, 32));
	return one_in(d, 3) ? IO_PGTABLE_SAFE_NO_FLUSH : 0;
}

/* A few leaves that are mapped one behind the other, if it is so; or off by a bit */
static void aim_at_leaves(struct dice *d, struct spec_call *call)
{
	const struct spec_set *leaves = &d->c.spec.leaves;
	unsigned int i, tries, n = 1 + dice_below(d, 4);
	const struct spec_leaf *leaf;

	if (!leaves->nr)
		return;
	i = dice_below(d, leaves->nr);
	/* What is cut leaves many small ones: prefer what is not */
	for (tries = dice_below(d, 8); tries && leaves->leaf[i].size == d->pages[0]; tries--)
		i = dice_below(d, leaves->nr);
	leaf = &leaves->leaf[i];
	call->iova = leaf->iova;
	call->size = 0;
	for (; n && i < leaves->nr && leaf->iova == call->iova + call->size; n--, i++, leaf++)
		call->size += leaf->size;
	if (one_in(d, 5))
		call->iova += one_in(d, 2) ? d->pages[0] : -d->pages[0];
	if (one_in(d, 5))
		call->size += one_in(d, 2) ? d->pages[0] : -d->pages[0];
}

/* A part of a leaf or two */
static void aim_into_leaves(struct dice *d, struct spec_call *call)
{
	u64 unit = random_page(d);

	aim_at_leaves(d, call);
	if (one_in(d, 4) || call->size <= unit)
		return;
	call->iova += dice_below(d, 3) * unit;
	call->size = (1 + dice_below(d, 3)) * unit;
}

/* --- calls ----------------------------------------------------------------- */

static void random_pages(struct dice *d, struct spec_call *call)
{
	call->pgsize = random_page(d);
	if (one_in(d, 50))
		call->pgsize = one_in(d, 2) ? 2 * call->pgsize : absurd(d);
	call->pgcount = one_in(d, 40) ? dice_below(d, 600) : 1 + dice_below(d, 4);
	if (one_in(d, 60))
		call->pgcount = absurd(d);
	/* 16384 at once is the limit */
	if (one_in(d, 2000))
		call->pgcount = 16384 + dice_below(d, 3) - 1;
	if (one_in(d, 2) && call->pgsize)
		call->iova &= -call->pgsize;
}

static void random_piece(struct dice *d, u64 iova, struct spec_piece *piece)
{
	piece->size = one_in(d, 20) ? 0 : (1 + dice_below(d, 3)) * d->pages[0];
	/* A block, if it lies as the iova does */
	if (one_in(d, 12) && d->nr_pages > 1 && d->pages[1] <= 512 * d->pages[0])
		piece->size = d->pages[1];
	if (one_in(d, 60))
		piece->size += d->pages[0] / 2;
	piece->paddr = random_paddr(d, iova, piece->size);
}

static void random_sg(struct dice *d, struct spec_call *call)
{
	struct spec_piece *piece = d->piece;
	u64 total = 0, next = 0;

	call->nr_pieces = 1 + dice_below(d, one_in(d, 4) ? CLIENT_PIECES : 4);
	call->pieces = d->piece;
	call->which = one_in(d, 2) ? IO_PGTABLE_SAFE_SG_DMA : IO_PGTABLE_SAFE_SG_CPU;
	for (; piece < d->piece + call->nr_pieces; piece++) {
		random_piece(d, call->iova + total, piece);
		/* May be contiguous with the last one */
		if (total && one_in(d, 2))
			piece->paddr = next;
		next = piece->paddr + piece->size;
		total += piece->size;
	}
	call->offset = one_in(d, 2) ? 0 : dice_below(d, 4) * d->pages[0];
	if (one_in(d, 20))
		call->offset = one_in(d, 2) ? total : absurd(d);
	if (one_in(d, 60))
		call->which = IO_PGTABLE_SAFE_SG_DMA + 1;
	if (!one_in(d, 10))
		call->size = total - call->offset;
	/* One that is a block, and then granules */
	if (!one_in(d, 6) || d->nr_pages == 1)
		return;
	call->iova &= -d->pages[1];
	d->piece[0].size = d->pages[1];
	d->piece[0].paddr &= -d->pages[1];
	call->offset = 0;
	call->size = d->pages[1] + (call->nr_pieces > 1 ? d->piece[1].size : 0);
}

static void random_repeat(struct dice *d, struct spec_call *call)
{
	call->block = one_in(d, 40) ? absurd(d) : (1 + dice_below(d, 2)) * random_page(d);
	/* Aligned, mostly, so that there can be blocks */
	if (call->block <= largest_page(d))
		call->paddr &= -call->block | (d->pages[0] - 1);
	if (one_in(d, 2) && call->block)
		call->phase = dice_below(d, 4) * d->pages[0];
	if (one_in(d, 30))
		call->phase = absurd(d);
	/* And so that the rest of the first one is followed by blocks */
	if (one_in(d, 2) && call->phase < call->block && call->block <= largest_page(d))
		call->iova = (call->iova & -call->block) + call->phase;
}

/* Many small leaves take their time; what is too large for the table is refused at once */
static void limit_size(struct dice *d, struct spec_call *call)
{
	u64 most = 8 * largest_page(d);

	if (d->nr_pages == 1 || (call->fn == SPEC_MAP_REPEAT && call->block < d->pages[1]))
		most = (one_in(d, 20) ? 1024 : 8) * d->pages[0];
	else if (call->fn == SPEC_MAP_REPEAT)
		most = 2 * d->pages[1];
	if (call->size > most && call->size - 1 <= d->span)
		call->size = most;
}

static void random_map(struct dice *d, struct spec_call *call)
{
	call->fn = dice_below(d, SPEC_MAP_REPEAT + 1);
	/* Right behind something, or over it */
	if (one_in(d, 4))
		aim_at_leaves(d, call);
	if (one_in(d, 2))
		call->iova += call->size;
	if (one_in(d, 8))
		call->size = random_size(d, call->iova);
	limit_size(d, call);
	if (call->fn <= SPEC_MAP_PAGES)
		random_pages(d, call);
	call->paddr = random_paddr(d, call->iova, call->size);
	if (call->fn <= SPEC_MAP_PAGES && !one_in(d, 20) && call->pgsize)
		call->paddr &= -call->pgsize;
	if (call->fn == SPEC_MAP_SGTABLE)
		random_sg(d, call);
	if (call->fn == SPEC_MAP_REPEAT) {
		random_repeat(d, call);
		limit_size(d, call);
	}
}

static void random_unmap(struct dice *d, struct spec_call *call)
{
	call->fn = SPEC_UNMAP_PAGES + dice_below(d, SPEC_CUT - SPEC_UNMAP_PAGES + 1);
	if (call->fn == SPEC_CUT && !one_in(d, 4))
		aim_into_leaves(d, call);
	else if (!one_in(d, 4))
		aim_at_leaves(d, call);
	if (call->fn != SPEC_UNMAP_PAGES)
		return;
	call->pgsize = random_page(d);
	if (call->size & (call->pgsize - 1))
		call->pgsize = d->pages[0];
	call->pgcount = div64_u64(call->size, call->pgsize);
	if (one_in(d, 20))
		random_pages(d, call);
}

/* Of these there is only one at a time; they take memory for every table of a range */
static void random_reserve(struct dice *d, struct spec_call *call)
{
	struct client *c = &d->c;
	u64 span = d->pages[0] * (d->pages[0] / 8);

	if (!c->reserve) {
		call->fn = SPEC_RESERVE;
		if (!one_in(d, 20))
			call->size = d->pages[0] + (random_u64(d) & (8 * span - d->pages[0]));
		call->size = min(call->size, c->mine_last - call->iova + 1);
		/* Not most of the memory: that takes its time. What is more is refused at once */
		if (call->size <= c->spec.ram / 8 * d->pages[0])
			call->size = min(call->size, 64 * span);
	} else if (one_in(d, 3)) {
		client_unreserve(c);
	} else if (c->spec.attached && one_in(d, 2)) {
		client_detach(c);
	} else {
		call->fn = SPEC_ATTACH;
	}
}

static void random_question(struct dice *d, struct spec_call *call)
{
	call->fn = SPEC_LOOKUP + dice_below(d, SPEC_WALK - SPEC_LOOKUP + 1);
	if (one_in(d, 2))
		aim_into_leaves(d, call);
	if (one_in(d, 2) && (call->fn == SPEC_LOOKUP || call->fn == SPEC_WALK))
		call->iova += dice_below(d, d->pages[0]);
}

static void random_flush(struct dice *d, struct spec_call *call)
{
	const struct spec_set *unflushed = &d->c.spec.unflushed;

	call->fn = SPEC_FLUSH;
	if (one_in(d, 4) || unflushed->nr > 64) {
		call->iova = d->first;
		call->size = d->span + 1;
	} else if (unflushed->nr && one_in(d, 2)) {
		call->iova = unflushed->leaf[0].iova;
		call->size = unflushed->leaf[0].size;
	}
}

/* All that it works on */
static void unmap_much(struct dice *d, struct spec_call *call)
{
	call->fn = SPEC_UNMAP_PRESENT;
	call->iova = d->first;
	call->size = d->span + 1;
}

/* Within the reservation, at one of its ends or the other */
static void aim_at_reserve(struct dice *d, struct spec_call *call)
{
	const struct spec_reserve *r = d->c.spec.attached;
	u64 size = (1 + dice_below(d, 4)) * random_page(d);

	if (size - 1 > r->last - r->first)
		return;
	call->iova = one_in(d, 2) ? r->first : r->last - size + 1;
	call->size = size;
}

/* Let the reservation pay, mostly where it can */
static void use_reserve(struct dice *d, struct spec_call *call)
{
	const struct spec_reserve *r = d->c.spec.attached;
	u64 first, last;

	if (r && one_in(d, 4) && (call->fn == SPEC_MAP || call->fn == SPEC_CUT))
		aim_at_reserve(d, call);
	if (!r || !spec_allocates(call->fn) || call->fn == SPEC_RESERVE || one_in(d, 2))
		return;
	if (spec_call_range(call, &first, &last) &&
	    (first < r->first || last > r->last) && !one_in(d, 20))
		return;
	call->gfp = IO_PGTABLE_SAFE_RESERVED;
}

/*
 * A cut maps back with one protection, so both its ends are in leaves with the same. Now
 * and then it is not good at all.
 */
static void protect_rest(struct dice *d, struct spec_call *call)
{
	const struct spec_set *leaves = &d->c.spec.leaves;
	const struct spec_leaf *from, *to;
	u64 first, last;

	if (!(call->prot & IOMMU_READ))
		call->prot = 0;
	if (!call->prot || !spec_call_range(call, &first, &last))
		return;
	from = &leaves->leaf[spec_find(leaves, first)];
	to = &leaves->leaf[spec_find_behind(leaves, last)];
	if (from == to)
		return;
	call->prot = from->prot;
	if (to[-1].prot != from->prot && from->iova <= first)
		call->size = spec_leaf_last(from) - first + 1;
	else if (to[-1].prot != from->prot)
		call->prot = 0;
}

/* Would it make more leaves than there is room for, if it succeeds? */
static bool makes_too_many(const struct dice *d, const struct spec_call *call)
{
	u64 off = (call->iova ^ call->paddr) & (largest_page(d) - 1);

	if ((call->fn != SPEC_MAP && call->fn != SPEC_MAP_REPEAT) || call->size - 1 > d->span)
		return false;
	if (call->fn == SPEC_MAP && !off)
		return false;
	return div64_u64(call->size, d->pages[0]) > d->c.spec.leaves.room / 4;
}

void dice_call(struct dice *d, struct spec_call *call)
{
	const struct spec_set *leaves = &d->c.spec.leaves;
	unsigned int what = dice_below(d, 100);

	*call = (struct spec_call){
		.fn = SPEC_NUM_FNS, .iova = random_iova(d),
		.prot = random_prot(d), .gfp = random_gfp(d), .flags = random_flags(d),
	};
	call->size = random_size(d, call->iova);
	if ((leaves->nr > d->many && one_in(d, 4)) || leaves->nr > leaves->room / 4)
		unmap_much(d, call);
	else if (d->c.spec.unflushed.nr > 64)
		random_flush(d, call);
	else if (what < 45)
		random_map(d, call);
	else if (what < 82)
		random_unmap(d, call);
	else if (what < 86)
		random_flush(d, call);
	else if (what < 90)
		random_reserve(d, call);
	else
		random_question(d, call);
	use_reserve(d, call);
	if (call->fn == SPEC_CUT)
		protect_rest(d, call);
	if (makes_too_many(d, call))
		call->fn = SPEC_NUM_FNS;
}

void dice_step(struct dice *d)
{
	enum client_failure kind = CLIENT_FAIL_NONE;
	struct spec_call call;

	dice_call(d, &call);
	if (call.fn == SPEC_NUM_FNS)
		return;
	/*
	 * Also in calls that are not to allocate at all. A flush may try to, and can do
	 * without, but then keeps tables for longer.
	 */
	if (one_in(d, 8) && call.fn != SPEC_FLUSH &&
	    (call.gfp == GFP_KERNEL || call.gfp == IO_PGTABLE_SAFE_RESERVED)) {
		kind = one_in(d, 2) && !d->c.racy ? CLIENT_FAIL_PAGE : CLIENT_FAIL_ANY;
		if (call.gfp == GFP_KERNEL)
			call.gfp = PGT_GFP_FAULTY;
	}
	if (d->c.fix->mock)
		d->c.fix->mock->max_pages = dice_below(d, 4);
	client_call(&d->c, &call, kind, 1 + dice_below(d, 6));
	if (!(d->c.ops % 64))
		client_check_all(&d->c);
}
