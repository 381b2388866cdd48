// SPDX-License-Identifier: GPL-2.0
/*
 * The ledger on its own, against a model plain enough to be right at sight: a
 * sorted array of leaves. Several claims are in flight at once, as if as many
 * threads were inside the backend.
 */
#include <kunit/test.h>
#include <linux/iommu.h>
#include <linux/io-pgtable.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/slab.h>

/**
 * struct ledger_memory - What the ledger under test has allocated.
 * @live: Objects not yet freed.
 * @allocs: Allocations so far.
 * @fail: Fail the nth allocation from now; 0 for none.
 * @failed: One was made to fail.
 */
static struct ledger_memory {
	unsigned int live;
	unsigned int allocs;
	unsigned int fail;
	bool failed;
} memory;

static void *ledger_test_alloc(size_t n, size_t size, gfp_t gfp)
{
	void *p;

	memory.allocs++;
	if (memory.fail && !--memory.fail) {
		memory.failed = true;
		return NULL;
	}
	p = kcalloc(n, size, gfp);
	if (p)
		memory.live++;
	return p;
}

static void ledger_test_free(const void *p)
{
	if (p)
		memory.live--;
	kfree(p);
}

/* From here on the ledger's memory is counted, and fails on demand. */
#undef kzalloc
#define kzalloc(size, gfp)	ledger_test_alloc(1, size, gfp)
#undef kcalloc
#define kcalloc(n, size, gfp)	ledger_test_alloc(n, size, gfp)
#undef kfree
#define kfree(p)		ledger_test_free(p)

#include "helpers.h"
#include "io_pgtable_safe_ledger.h"
#include "io_pgtable_safe_ledger_cut.h"

#ifndef KUNIT_CASE_SLOW
#define KUNIT_CASE_SLOW(test_name) KUNIT_CASE(test_name)
#endif

#define ALL_SIZES(low, high)	GENMASK_ULL(high, low)

/**
 * struct geometry - An address space to keep a ledger of.
 * @name: For the log.
 * @pgsizes: Leaf sizes.
 * @bits: Of an address.
 */
struct geometry {
	const char *name;
	u64 pgsizes;
	unsigned int bits;
};

static const struct geometry geometries[] = {
	{ "lpae-4k", SZ_4K | SZ_2M | SZ_1G, 48 },
	{ "lpae-4k-ias39", SZ_4K | SZ_2M | SZ_1G, 39 },
	{ "lpae-4k-ias32", SZ_4K | SZ_2M | SZ_1G, 32 },
	{ "lpae-4k-half", SZ_4K | SZ_2M | SZ_1G, 31 },
	{ "lpae-16k", SZ_16K | SZ_32M, 48 },
	{ "lpae-16k-ias37", SZ_16K | SZ_32M, 37 },
	{ "lpae-64k", SZ_64K | SZ_512M, 48 },
	{ "lpae-64k-ias52", SZ_64K | SZ_512M | BIT_ULL(42), 52 },
	{ "v7s", SZ_4K | SZ_64K | SZ_1M | SZ_16M, 32 },
	{ "v7s-ias34", SZ_4K | SZ_64K | SZ_1M | SZ_16M, 34 },
	{ "v7s-ias25", SZ_4K | SZ_64K | SZ_1M | SZ_16M, 25 },
	{ "pages-only", SZ_4K, 48 },
	{ "two-pages", SZ_4K, 13 },
	{ "two-sizes-two-bits", SZ_4K | SZ_8K, 14 },
	{ "blocks-only", SZ_2M | SZ_1G, 48 },
	{ "huge-blocks-only", SZ_1G, 39 },
	{ "odd-sizes", SZ_4K | SZ_8K | SZ_64K | SZ_1G, 40 },
	{ "runs-at-each-level", SZ_4K | SZ_64K | SZ_2M | SZ_32M | SZ_1G, 42 },
	{ "run-of-32-is-a-level", SZ_4K | SZ_128K | SZ_4M, 36 },
	{ "each-size", ALL_SIZES(12, 31), 36 },
	{ "64-bits", SZ_4K | SZ_2M | SZ_1G, 64 },
	{ "64-bits-64k", SZ_64K, 64 },
	{ "64-bits-half", SZ_4K | BIT_ULL(63), 64 },
	{ "64-bits-each-size", ALL_SIZES(12, 63), 64 },
	{ "bytes", ALL_SIZES(0, 59), 60 },
};

static void geometry_desc(const struct geometry *geo, char *desc)
{
	strscpy(desc, geo->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(geometries, geometries, geometry_desc);

/* --- the model ------------------------------------------------------------ */

#define MODEL_LEAVES	2048
/* Some are not in the ledger's array of operations, but on its list. */
#define MODEL_CLAIMS	(LEDGER_OPS + 4)
#define MODEL_RUNS	8

struct model_leaf {
	u64 first;
	u64 last;
};

/* Leaves that a map claim has noted, not in the model before its commit. */
struct model_run {
	u64 first;
	unsigned int shift;
	unsigned int count;
};

enum claim_kind {
	CLAIM_NONE,
	CLAIM_MAP,
	CLAIM_UNMAP,
	CLAIM_PRESENT,
	CLAIM_CUT,
};

/**
 * struct model_claim - An operation in flight.
 * @kind: Which.
 * @claim: What the ledger knows of it.
 * @first: First byte.
 * @last: Last byte.
 * @next: Of a map: the first byte not yet mapped.
 * @full: Of a map: everything is.
 * @runs: Of a map: what is.
 * @nr_runs: Number of @runs.
 * @cut_first: Of a cut: first byte that goes; @first and @last are the ends of leaves.
 * @cut_last: Likewise the last one.
 * @ends: Of a cut: the leaves at its ends, which may be the same.
 * @drafts: What is to be left of them.
 * @objects: How many objects these are.
 * @pieces: How many leaves are in them.
 */
struct model_claim {
	enum claim_kind kind;
	struct ledger_claim claim;
	u64 first;
	u64 last;
	u64 next;
	bool full;
	struct model_run runs[MODEL_RUNS];
	unsigned int nr_runs;
	u64 cut_first;
	u64 cut_last;
	struct ledger_leaf ends[2];
	struct ledger_node *drafts[2];
	unsigned int objects;
	unsigned int pieces;
};

/**
 * struct model - What the ledger should hold.
 * @test: The test case.
 * @ledger: The ledger under test.
 * @open: @ledger is to be destroyed.
 * @pgsizes: Leaf sizes.
 * @granule: log2 of the smallest.
 * @top: Last byte of the address space.
 * @rnd: Where random numbers come from.
 * @step: Random steps done.
 * @leaves: The leaves, in order.
 * @nr_leaves: How many.
 * @mapped: Bytes in them.
 * @scratch: Leaves about to be added.
 * @claims: Operations in flight.
 * @drafts: Objects that the ledger does not know yet.
 * @cuts: Cuts that were recorded.
 */
struct model {
	struct kunit *test;
	struct ledger ledger;
	bool open;
	unsigned long pgsizes;
	unsigned int granule;
	u64 top;
	struct rnd_state rnd;
	unsigned int step;
	struct model_leaf leaves[MODEL_LEAVES];
	unsigned int nr_leaves;
	u64 mapped;
	struct model_leaf scratch[MODEL_LEAVES];
	struct model_claim claims[MODEL_CLAIMS];
	unsigned int drafts;
	unsigned int cuts;
};

/* Index of the first leaf that ends at or behind @off. */
static unsigned int model_index(const struct model *m, u64 off)
{
	unsigned int low = 0, high = m->nr_leaves, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (m->leaves[mid].last < off)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static const struct model_leaf *model_leaf_at(const struct model *m, u64 off)
{
	unsigned int i = model_index(m, off);

	return i < m->nr_leaves && m->leaves[i].first <= off ? &m->leaves[i] : NULL;
}

static bool model_any(const struct model *m, u64 first, u64 last)
{
	unsigned int i = model_index(m, first);

	return i < m->nr_leaves && m->leaves[i].first <= last;
}

/* Leaves that follow the one at @i without a hole, it included, up to @max. */
static unsigned int model_extent(const struct model *m, unsigned int i,
				 unsigned int max)
{
	unsigned int n = 1;

	while (n < max && i + n < m->nr_leaves &&
	       m->leaves[i + n].first == m->leaves[i + n - 1].last + 1)
		n++;
	return n;
}

static const struct model_claim *model_claimed(const struct model *m, u64 first,
					       u64 last)
{
	const struct model_claim *mc;

	for (mc = m->claims; mc < &m->claims[MODEL_CLAIMS]; mc++)
		if (mc->kind != CLAIM_NONE && mc->first <= last && first <= mc->last)
			return mc;
	return NULL;
}

/* Add leaves that follow each other without a hole. */
static void model_add(struct model *m, const struct model_leaf *leaves,
		      unsigned int n)
{
	unsigned int i;

	if (!n)
		return;
	i = model_index(m, leaves[0].first);
	memmove(&m->leaves[i + n], &m->leaves[i],
		(m->nr_leaves - i) * sizeof(*leaves));
	memcpy(&m->leaves[i], leaves, n * sizeof(*leaves));
	m->nr_leaves += n;
	m->mapped += leaves[n - 1].last - leaves[0].first + 1;
}

/* Remove @n leaves from index @i on; returns their bytes. */
static u64 model_remove(struct model *m, unsigned int i, unsigned int n)
{
	u64 bytes = 0;
	unsigned int k;

	for (k = i; k < i + n; k++)
		bytes += m->leaves[k].last - m->leaves[k].first + 1;
	m->nr_leaves -= n;
	memmove(&m->leaves[i], &m->leaves[i + n],
		(m->nr_leaves - i) * sizeof(m->leaves[0]));
	m->mapped -= bytes;
	return bytes;
}

/* --- is the ledger as it should be? --------------------------------------- */

#define MODEL_ASSERT(m, left, right) KUNIT_ASSERT_EQ((m)->test, left, right)

/**
 * struct walk - A walk over all nodes of a ledger.
 * @m: The model it is compared with.
 * @next: Index of the next leaf to be met.
 * @objects: Nodes and groups of children met.
 */
struct walk {
	struct model *m;
	unsigned int next;
	unsigned int objects;
};

/* A leaf of the ledger is either the model's next one or about to be mapped. */
static void walk_leaf(struct walk *w, u64 first, u64 last)
{
	const struct model_claim *mc = model_claimed(w->m, first, last);
	struct model *m = w->m;

	if (mc && mc->kind == CLAIM_MAP) {
		MODEL_ASSERT(m, first >= mc->first && last <= mc->last, true);
		return;
	}
	MODEL_ASSERT(m, w->next < m->nr_leaves, true);
	MODEL_ASSERT(m, first, m->leaves[w->next].first);
	MODEL_ASSERT(m, last, m->leaves[w->next].last);
	w->next++;
}

static unsigned int run_length(const struct ledger *l,
			       const struct ledger_node *node, unsigned int lvl,
			       unsigned int slot)
{
	unsigned int n = 1;

	while (slot + n < ledger_slots(l, lvl) &&
	       ledger_state(l, node, lvl, slot + n) == LEDGER_CONT)
		n++;
	return n;
}

/* Number of children; a group without any should have been freed. */
static unsigned int walk_groups(struct walk *w, struct ledger_node *node,
				unsigned int lvl)
{
	const struct ledger *l = &w->m->ledger;
	unsigned int i, j, groups, n, children = 0;
	struct ledger_node **group;

	if (!lvl)
		return 0;
	groups = DIV_ROUND_UP(ledger_slots(l, lvl), LEDGER_GROUP);
	for (i = 0; i < groups; i++) {
		group = ledger_groups(l, node, lvl)[i];
		if (!group)
			continue;
		w->objects++;
		for (j = 0, n = 0; j < LEDGER_GROUP; j++)
			n += !!group[j];
		MODEL_ASSERT(w->m, !n, false);
		children += n;
	}
	return children;
}

static void walk_node(struct walk *w, struct ledger_node *node, unsigned int lvl,
		      u64 base);

static void walk_child(struct walk *w, struct ledger_node *node, unsigned int lvl,
		       unsigned int slot, u64 base)
{
	struct ledger_node *child;

	MODEL_ASSERT(w->m, lvl > 0, true);
	child = ledger_child(&w->m->ledger, node, lvl, slot);
	KUNIT_ASSERT_NOT_NULL(w->m->test, child);
	MODEL_ASSERT(w->m, ledger_is_empty(&w->m->ledger, child, lvl - 1), false);
	walk_node(w, child, lvl - 1, base);
}

static void walk_node(struct walk *w, struct ledger_node *node, unsigned int lvl,
		      u64 base)
{
	const struct ledger *l = &w->m->ledger;
	unsigned int slot, n, children = 0, shift = l->level[lvl].shift;
	unsigned int slots = ledger_slots(l, lvl);
	u64 first;

	w->objects++;
	for (slot = 0; slot < slots; slot += n) {
		enum ledger_state state = ledger_state(l, node, lvl, slot);

		n = 1;
		first = base + ((u64)slot << shift);
		if (state == LEDGER_FREE) {
			if (!ledger_any_used(l, node, lvl, slot,
					     min(slot | (BITS_PER_LONG - 1), slots - 1)))
				n = BITS_PER_LONG - slot % BITS_PER_LONG;
			continue;
		}
		if (state == LEDGER_START) {
			n = run_length(l, node, lvl, slot);
			walk_leaf(w, first, first + ((u64)n << shift) - 1);
		} else {
			/* Runs are taken whole, so a continuation has no start. */
			MODEL_ASSERT(w->m, state, LEDGER_TABLE);
			walk_child(w, node, lvl, slot, first);
			children++;
		}
	}
	MODEL_ASSERT(w->m, walk_groups(w, node, lvl), children);
}

/* Objects in use: those kept for later, and what nobody took out yet, are not. */
static unsigned int live_objects(struct ledger *l)
{
	ledger_mapped(l);
	return memory.live - l->stashed;
}

static void check_ledger(struct model *m)
{
	struct walk w = { .m = m };

	MODEL_ASSERT(m, ledger_mapped(&m->ledger), m->mapped);
	MODEL_ASSERT(m, m->ledger.stashed <= LEDGER_STASH, true);
	walk_node(&w, m->ledger.root, m->ledger.levels - 1, 0);
	MODEL_ASSERT(m, w.next, m->nr_leaves);
	MODEL_ASSERT(m, w.objects, live_objects(&m->ledger) - m->drafts);
}

/* --- random choices ------------------------------------------------------- */

static u32 rnd(struct model *m, u32 below)
{
	return (u64)prandom_u32_state(&m->rnd) * below >> 32;
}

static u64 rnd64(struct model *m)
{
	return (u64)prandom_u32_state(&m->rnd) << 32 | prandom_u32_state(&m->rnd);
}

static bool one_in(struct model *m, u32 n)
{
	return !rnd(m, n);
}

/* log2 of a leaf size that fits at @first without passing @last. */
static unsigned int rnd_shift(struct model *m, u64 first, u64 last)
{
	unsigned int shift, fits[BITS_PER_LONG], n = 0;
	unsigned long sizes = m->pgsizes;

	for (; sizes; sizes &= sizes - 1) {
		shift = __ffs(sizes);
		if (!(first & (BIT_ULL(shift) - 1)) &&
		    last - first >= BIT_ULL(shift) - 1)
			fits[n++] = shift;
	}
	return fits[rnd(m, n)];
}

static unsigned int rnd_count(struct model *m)
{
	switch (rnd(m, 8)) {
	case 0:
		return 1 + rnd(m, 600);
	case 1:
	case 2:
		return 1 + rnd(m, 40);
	default:
		return 1 + rnd(m, 4);
	}
}

/* An address at which something begins or ends. */
static u64 rnd_edge(struct model *m)
{
	const struct model_claim *mc = &m->claims[rnd(m, MODEL_CLAIMS)];
	const struct ledger *l = &m->ledger;
	const struct model_leaf *leaf;

	switch (rnd(m, 8)) {
	case 0:
		return m->top;
	case 1:
		return rnd64(m);
	case 2:
		return (u64)rnd(m, 4) << l->level[rnd(m, l->levels)].shift;
	case 3:
		return one_in(m, 2) ? mc->first : mc->last + 1;
	default:
		if (!m->nr_leaves)
			return 0;
		leaf = &m->leaves[rnd(m, m->nr_leaves)];
		return one_in(m, 2) ? leaf->first : leaf->last + 1;
	}
}

static u64 rnd_offset(struct model *m)
{
	unsigned int shift = rnd_shift(m, 0, m->top);
	u64 off = rnd_edge(m);

	if (one_in(m, 2))
		off += ((u64)rnd(m, 9) - 4) << shift;
	off &= m->top;
	return one_in(m, 4) ? off : off & ~(BIT_ULL(shift) - 1);
}

/* A range that consists of whole granules. */
static void rnd_range(struct model *m, u64 *first, u64 *last)
{
	unsigned int shift = rnd_shift(m, 0, m->top);
	u64 size = (u64)rnd_count(m) << shift;

	*first = rnd_offset(m) & ~(BIT_ULL(m->granule) - 1);
	*last = *first + size - 1;
	if (one_in(m, 32) || *last < *first || *last > m->top)
		*last = m->top;
	/* A size is 64 bits, so nobody can ask for 2^64 bytes. */
	if (*last - *first == U64_MAX)
		*last -= BIT_ULL(m->granule);
}

/* Some leaves in a row, now and then with something wrong at one of the ends. */
static void rnd_leaves(struct model *m, u64 *first, u64 *last)
{
	u64 delta = BIT_ULL(rnd_shift(m, 0, m->top));
	unsigned int i, n;

	if (!m->nr_leaves || one_in(m, 8)) {
		rnd_range(m, first, last);
		return;
	}
	i = rnd(m, m->nr_leaves);
	n = model_extent(m, i, rnd_count(m));
	*first = m->leaves[i].first;
	*last = m->leaves[i + n - 1].last;
	if (*last - *first == U64_MAX)
		*last = m->leaves[i].last;

	if (one_in(m, 8) && *last + delta > *last && *last + delta <= m->top)
		*last += delta;
	if (one_in(m, 8) && *last - *first > delta)
		*last -= delta;
	if (one_in(m, 8) && *last - *first > delta)
		*first += delta;
	if (one_in(m, 8) && *first >= delta)
		*first -= delta;
}

/* --- map ------------------------------------------------------------------ */

static int expect_claim_map(struct model *m, u64 first, u64 last)
{
	if (model_claimed(m, first, last))
		return -EBUSY;
	return model_any(m, first, last) ? -EEXIST : 0;
}

/* Is the range a whole number of aligned pages of this size? */
static bool is_whole(u64 first, u64 last, unsigned int shift)
{
	return !((first | (last + 1)) & (BIT_ULL(shift) - 1));
}

static int claim_map(struct model *m, struct ledger_claim *c, u64 first, u64 last,
		     unsigned int shift)
{
	struct ledger *l = &m->ledger;
	unsigned long flags;

	spin_lock_irqsave(&l->lock, flags);
	c->op = NULL;
	if (is_whole(first, last, shift))
		c->op = ledger_quick_map(l, first, last - first + 1, shift);
	if (!c->op)
		return ledger_claim_map(l, c, first, last, shift, flags);
	spin_unlock_irqrestore(&l->lock, flags);
	return 0;
}

/* As pages that it can be a whole number of: the largest, or the smallest. */
static int claim_unmap(struct model *m, struct ledger_claim *c, u64 first, u64 last,
		       unsigned int *shift)
{
	struct ledger *l = &m->ledger;
	unsigned long flags;

	*shift = one_in(m, 2) ? __fls(m->pgsizes) : m->granule;
	while (!(m->pgsizes & BIT(*shift)) || !is_whole(first, last, *shift))
		--*shift;
	spin_lock_irqsave(&l->lock, flags);
	c->op = ledger_quick_unmap(l, first, last - first + 1, *shift);
	if (!c->op)
		return ledger_claim_unmap(l, c, first, last, shift, flags);
	spin_unlock_irqrestore(&l->lock, flags);
	*shift = l->level[c->op->lvl].shift;
	return 0;
}

static void begin_map(struct model *m, struct model_claim *mc)
{
	unsigned int hint = rnd_shift(m, 0, m->top);
	u64 first, last;
	int err, expected;

	rnd_range(m, &first, &last);
	expected = expect_claim_map(m, first, last);
	err = claim_map(m, &mc->claim, first, last, hint);
	MODEL_ASSERT(m, err, expected);
	if (err)
		return;
	mc->kind = CLAIM_MAP;
	mc->first = first;
	mc->last = last;
	mc->next = first;
	mc->full = false;
	mc->nr_runs = 0;
}

static unsigned int noted_leaves(const struct model_claim *mc)
{
	unsigned int i, n = 0;

	for (i = 0; i < mc->nr_runs; i++)
		n += mc->runs[i].count;
	return n;
}

static bool room_for_leaves(struct model *m, unsigned int more)
{
	unsigned int i, n = m->nr_leaves + more;

	for (i = 0; i < MODEL_CLAIMS; i++) {
		if (m->claims[i].kind == CLAIM_MAP)
			n += noted_leaves(&m->claims[i]);
		else if (m->claims[i].kind == CLAIM_CUT)
			n += m->claims[i].pieces;
	}
	return n <= MODEL_LEAVES;
}

static void note_run(struct model_claim *mc, unsigned int shift,
		     unsigned int count)
{
	u64 size = (u64)count << shift;

	mc->runs[mc->nr_runs++] = (struct model_run){
		.first = mc->next, .shift = shift, .count = count,
	};
	mc->full = size && mc->next + size - 1 == mc->last;
	mc->next += size;
}

/* One backend call, which may do less than asked, or lack memory before it. */
static void map_some(struct model *m, struct model_claim *mc)
{
	unsigned int shift = rnd_shift(m, mc->next, mc->last);
	u64 left = mc->last - mc->next - (BIT_ULL(shift) - 1);
	unsigned int count = min_t(u64, rnd_count(m), (left >> shift) + 1);
	int err;

	if (!room_for_leaves(m, count))
		return;
	memory.failed = false;
	memory.fail = one_in(m, 4) ? 1 + rnd(m, 6) : 0;
	err = ledger_window(&m->ledger, &mc->claim, mc->next,
			    mc->next + ((u64)count << shift) - 1, shift,
			    GFP_KERNEL);
	memory.fail = 0;
	MODEL_ASSERT(m, err, memory.failed ? -ENOMEM : 0);
	if (!err)
		note_run(mc, shift, one_in(m, 4) ? rnd(m, count + 1) : count);
}

/* Commit, after some of what was mapped has been undone from the front. */
static void end_map(struct model *m, struct model_claim *mc)
{
	unsigned int i, k, n = 0, gone = 0;
	struct model_leaf *leaf;
	u64 undone = 0;

	for (i = 0; i < mc->nr_runs; i++) {
		for (k = 0; k < mc->runs[i].count; k++) {
			leaf = &m->scratch[n++];
			leaf->first = mc->runs[i].first + ((u64)k << mc->runs[i].shift);
			leaf->last = leaf->first + BIT_ULL(mc->runs[i].shift) - 1;
		}
	}
	if (one_in(m, 3) && n)
		gone = one_in(m, 2) ? n : rnd(m, n + 1);
	if (gone)
		undone = m->scratch[gone - 1].last - mc->first + 1;

	ledger_commit_map(&m->ledger, &mc->claim, mc->next - mc->first, undone);
	mc->kind = CLAIM_NONE;
	model_add(m, &m->scratch[gone], n - gone);
}

/* --- unmap ---------------------------------------------------------------- */

/* Does the range end in the middle of a leaf, at either end? */
static bool model_cut(const struct model *m, u64 first, u64 last)
{
	const struct model_leaf *a = model_leaf_at(m, first);
	const struct model_leaf *b = model_leaf_at(m, last);

	return (a && a->first < first) || (b && b->last > last);
}

static bool model_hole(const struct model *m, u64 first, u64 last)
{
	unsigned int i = model_index(m, first), n;

	if (i == m->nr_leaves || m->leaves[i].first > first)
		return true;
	n = model_extent(m, i, MODEL_LEAVES);
	return m->leaves[i + n - 1].last < last;
}

static void check_claim_unmap(struct model *m, u64 first, u64 last, int err)
{
	if (model_claimed(m, first, last)) {
		MODEL_ASSERT(m, err, -EBUSY);
	} else if (model_cut(m, first, last)) {
		if (!model_hole(m, first, last) || err != -ENOENT)
			MODEL_ASSERT(m, err, -ENOTBLK);
	} else {
		MODEL_ASSERT(m, err, model_hole(m, first, last) ? -ENOENT : 0);
	}
}

/* The size told must be that of the level that has the smallest leaf. */
static void check_smallest(struct model *m, u64 first, u64 last,
			   unsigned int shift)
{
	unsigned int i = model_index(m, first);
	u64 smallest = U64_MAX;

	for (; i < m->nr_leaves && m->leaves[i].first <= last; i++)
		smallest = min(smallest, m->leaves[i].last - m->leaves[i].first);
	i = ledger_level(&m->ledger, fls64(smallest));
	MODEL_ASSERT(m, shift, m->ledger.level[i].shift);
}

static void begin_unmap(struct model *m, struct model_claim *mc)
{
	unsigned int shift;
	u64 first, last;
	int err;

	rnd_leaves(m, &first, &last);
	err = claim_unmap(m, &mc->claim, first, last, &shift);
	check_claim_unmap(m, first, last, err);
	if (err)
		return;
	check_smallest(m, first, last, shift);
	mc->kind = CLAIM_UNMAP;
	mc->first = first;
	mc->last = last;
}

static void begin_present(struct model *m, struct model_claim *mc)
{
	u64 first, last;
	int err, expected = 0;

	if (one_in(m, 2))
		rnd_leaves(m, &first, &last);
	else
		rnd_range(m, &first, &last);
	if (model_claimed(m, first, last))
		expected = -EBUSY;
	else if (model_cut(m, first, last))
		expected = -ENOTBLK;
	err = ledger_claim_present(&m->ledger, &mc->claim, first, last);
	MODEL_ASSERT(m, err, expected);
	if (err)
		return;
	mc->kind = CLAIM_PRESENT;
	mc->first = first;
	mc->last = last;
}

/* Commit, though the backend may have stopped in front of some leaf. */
static void end_unmap(struct model *m, struct model_claim *mc)
{
	unsigned int i = model_index(m, mc->first), n = 0;
	unsigned int allocs = memory.allocs;
	u64 size = mc->last - mc->first + 1, bytes;

	while (i + n < m->nr_leaves && m->leaves[i + n].first <= mc->last)
		n++;
	if (n && one_in(m, 4)) {
		n = rnd(m, n);
		size = m->leaves[i + n].first - mc->first;
	}
	bytes = model_remove(m, i, n);
	ledger_commit_unmap(&m->ledger, &mc->claim, size, bytes);
	mc->kind = CLAIM_NONE;
	MODEL_ASSERT(m, memory.allocs, allocs);
}

/* --- cut ------------------------------------------------------------------ */

static bool is_cut(const struct model_claim *mc, unsigned int end)
{
	const struct ledger_leaf *leaf = &mc->ends[end];

	if (end && leaf->first == mc->ends[0].first)
		return false;
	return leaf->first < mc->cut_first || leaf->last > mc->cut_last;
}

/* The leaves that part of a leaf is divided into: the largest that fit */
static unsigned int divide(struct model *m, const struct ledger_leaf *leaf, u64 first,
			   u64 last, struct model_leaf *out, unsigned int max)
{
	unsigned long sizes;
	unsigned int n = 0;
	u64 size = 0;

	for (; n < max; first += size) {
		for (sizes = m->pgsizes; sizes; sizes &= ~size) {
			size = BIT_ULL(__fls(sizes));
			if (size - 1 < leaf->last - leaf->first && !(first & (size - 1)) &&
			    last - first >= size - 1)
				break;
		}
		out[n++] = (struct model_leaf){ first, first + size - 1 };
		if (out[n - 1].last == last)
			return n;
	}
	return 0;
}

/* What is left of the leaf at one end, in order; *fits: it is not too much */
static unsigned int divide_end(struct model *m, const struct model_claim *mc,
			       unsigned int end, struct model_leaf *out, bool *fits)
{
	const struct ledger_leaf *leaf = &mc->ends[end];
	unsigned int n = 0, more;

	*fits = true;
	if (!is_cut(mc, end))
		return 0;
	if (leaf->first < mc->cut_first) {
		n = divide(m, leaf, leaf->first, mc->cut_first - 1, out, MODEL_LEAVES / 4);
		*fits = n;
	}
	if (leaf->last > mc->cut_last && *fits) {
		more = divide(m, leaf, mc->cut_last + 1, leaf->last, out + n,
			      MODEL_LEAVES / 4);
		*fits = more;
		n += more;
	}
	return n;
}

static void release_cut(struct model *m, struct model_claim *mc)
{
	unsigned int end;

	for (end = 0; end < 2; end++)
		ledger_free_draft(&m->ledger, &mc->ends[end], mc->drafts[end], GFP_KERNEL);
}

static int draft_end(struct model *m, struct model_claim *mc, unsigned int end)
{
	const struct ledger_leaf *leaf = &mc->ends[end];
	unsigned int i, n;
	int err = 0;
	bool fits;
	u64 size;

	n = divide_end(m, mc, end, m->scratch, &fits);
	if (!fits || !room_for_leaves(m, n))
		return -E2BIG;
	if (!n)
		return 0;
	mc->pieces += n;
	mc->drafts[end] = ledger_new_draft(&m->ledger, leaf, GFP_KERNEL);
	if (!mc->drafts[end])
		return -ENOMEM;
	for (i = 0; i < n && !err; i++) {
		size = m->scratch[i].last - m->scratch[i].first;
		err = ledger_draft(&m->ledger, leaf, mc->drafts[end], m->scratch[i].first,
				   m->scratch[i].last, fls64(size), GFP_KERNEL);
	}
	return err;
}

static int expect_claim_cut(struct model *m, u64 first, u64 last)
{
	const struct model_leaf *a = model_leaf_at(m, first), *b = model_leaf_at(m, last);

	if (model_claimed(m, first, last))
		return -EBUSY;
	if (!a || !b)
		return -ENOENT;
	if (model_claimed(m, a->first, b->last))
		return -EBUSY;
	return model_hole(m, first, last) ? -ENOENT : 0;
}

static void leave_cut(struct model *m, struct model_claim *mc)
{
	unsigned long flags;

	spin_lock_irqsave(&m->ledger.lock, flags);
	ledger_leave_locked(&m->ledger, &mc->claim);
	spin_unlock_irqrestore(&m->ledger.lock, flags);
	mc->kind = CLAIM_NONE;
}

static void begin_cut(struct model *m, struct model_claim *mc)
{
	unsigned int shift, live = memory.live;
	u64 first, last;
	int err;

	rnd_leaves(m, &first, &last);
	err = ledger_claim_cut(&m->ledger, &mc->claim, first, last, mc->ends, &shift);
	MODEL_ASSERT(m, err, expect_claim_cut(m, first, last));
	if (err)
		return;
	mc->cut_first = first;
	mc->cut_last = last;
	mc->first = model_leaf_at(m, first)->first;
	mc->last = model_leaf_at(m, last)->last;
	MODEL_ASSERT(m, mc->ends[0].first, mc->first);
	MODEL_ASSERT(m, mc->ends[1].last, mc->last);
	check_smallest(m, mc->first, mc->last, shift);

	mc->kind = CLAIM_CUT;
	mc->pieces = 0;
	memset(mc->drafts, 0, sizeof(mc->drafts));
	memory.failed = false;
	memory.fail = one_in(m, 4) ? 1 + rnd(m, 8) : 0;
	err = draft_end(m, mc, 0) ?: draft_end(m, mc, 1);
	memory.fail = 0;
	if (err != -E2BIG)
		MODEL_ASSERT(m, err, memory.failed ? -ENOMEM : 0);
	if (err) {
		release_cut(m, mc);
		leave_cut(m, mc);
	}
	mc->objects = memory.live - live;
	m->drafts += mc->objects;
}

/* Leaves that lie in the range from their first to their last byte */
static void model_remove_leaves(struct model *m, u64 first, u64 last)
{
	unsigned int i = model_index(m, first), n = 0;

	while (i + n < m->nr_leaves && m->leaves[i + n].first <= last)
		n++;
	model_remove(m, i, n);
}

static void model_add_rest(struct model *m, const struct model_claim *mc, unsigned int end)
{
	unsigned int n, head = 0;
	bool fits;

	n = divide_end(m, mc, end, m->scratch, &fits);
	/* What is before and what is behind the hole */
	while (head < n && m->scratch[head].first < mc->cut_first)
		head++;
	model_add(m, m->scratch, head);
	model_add(m, m->scratch + head, n - head);
}

static void record_cut(struct model *m, struct model_claim *mc)
{
	bool inside = is_cut(mc, 0) && mc->ends[0].first == mc->ends[1].first;
	u64 first = is_cut(mc, 0) ? mc->ends[0].last + 1 : mc->cut_first;
	u64 last = is_cut(mc, 1) ? mc->ends[1].first - 1 : mc->cut_last;
	struct ledger *l = &m->ledger;
	struct ledger_garbage g = {};
	unsigned long flags;
	unsigned int end;

	spin_lock_irqsave(&l->lock, flags);
	for (end = 0; end < 2; end++)
		if (mc->drafts[end])
			ledger_replace_leaf(l, &mc->ends[end], mc->drafts[end], &g);
	if (!inside && last != first - 1)
		ledger_clear(l, first, last, &g);
	l->mapped -= mc->cut_last - mc->cut_first + 1;
	spin_unlock_irqrestore(&l->lock, flags);
	ledger_empty_garbage(l, &g);

	model_remove_leaves(m, mc->first, mc->last);
	model_add_rest(m, mc, 0);
	model_add_rest(m, mc, 1);
	m->cuts++;
}

static void end_cut(struct model *m, struct model_claim *mc)
{
	/* The backend may have failed, and then put back what there was */
	if (!one_in(m, 4))
		record_cut(m, mc);
	release_cut(m, mc);
	m->drafts -= mc->objects;
	leave_cut(m, mc);
}

/* --- questions ------------------------------------------------------------ */

static void ask_next_extent(struct model *m)
{
	u64 pos = rnd_offset(m), limit = one_in(m, 2) ? m->top : rnd_offset(m);
	u64 first = 0, last = 0, expected_first, expected_last;
	unsigned int i = model_index(m, pos);
	bool found;

	if (limit < pos)
		swap(pos, limit);
	i = model_index(m, pos);
	found = ledger_next_extent(&m->ledger, pos, limit, &first, &last);
	MODEL_ASSERT(m, found, i < m->nr_leaves && m->leaves[i].first <= limit);
	if (!found)
		return;
	expected_first = max(pos, m->leaves[i].first);
	i += model_extent(m, i, MODEL_LEAVES) - 1;
	expected_last = min(limit, m->leaves[i].last);
	MODEL_ASSERT(m, first, expected_first);
	MODEL_ASSERT(m, last, expected_last);
}

static void ask_leaf(struct model *m)
{
	u64 off = rnd_offset(m), first = 0, last = 0;
	const struct model_leaf *leaf = model_leaf_at(m, off);
	const struct model_claim *mc = model_claimed(m, off, off);
	struct ledger_garbage g = {};
	unsigned long flags;
	int err;

	/* What is being mapped may show or not: nobody asks without a claim. */
	if (mc && mc->kind == CLAIM_MAP)
		return;
	spin_lock_irqsave(&m->ledger.lock, flags);
	ledger_check_claims(&m->ledger, off, off, &g);
	err = ledger_find_leaf(&m->ledger, off, &first, &last);
	spin_unlock_irqrestore(&m->ledger.lock, flags);
	ledger_empty_garbage(&m->ledger, &g);
	MODEL_ASSERT(m, err, leaf ? 0 : -ENOENT);
	if (err)
		return;
	MODEL_ASSERT(m, first, leaf->first);
	MODEL_ASSERT(m, last, leaf->last);
}

static void ask_widen(struct model *m)
{
	const struct model_leaf *a, *b;
	u64 first, last, wide_first, wide_last;
	int err;

	rnd_range(m, &first, &last);
	a = model_leaf_at(m, first);
	b = model_leaf_at(m, last);
	wide_first = a ? a->first : first;
	wide_last = b ? b->last : last;

	err = ledger_widen(&m->ledger, &first, &last);
	MODEL_ASSERT(m, err, model_claimed(m, wide_first, wide_last) ? -EBUSY : 0);
	if (err)
		return;
	MODEL_ASSERT(m, first, wide_first);
	MODEL_ASSERT(m, last, wide_last);
}

/* --- random work ---------------------------------------------------------- */

static void begin_claim(struct model *m, struct model_claim *mc)
{
	switch (rnd(m, 8)) {
	case 0:
		begin_present(m, mc);
		break;
	case 1:
		begin_cut(m, mc);
		break;
	case 2:
	case 3:
		begin_unmap(m, mc);
		break;
	default:
		begin_map(m, mc);
	}
}

static void end_claim(struct model *m, struct model_claim *mc)
{
	if (mc->kind == CLAIM_MAP)
		end_map(m, mc);
	else if (mc->kind == CLAIM_CUT)
		end_cut(m, mc);
	else
		end_unmap(m, mc);
}

static void random_step(struct model *m)
{
	struct model_claim *mc = &m->claims[rnd(m, MODEL_CLAIMS)];

	m->step++;
	if (mc->kind == CLAIM_NONE)
		begin_claim(m, mc);
	else if (mc->kind == CLAIM_MAP && !mc->full && mc->nr_runs < MODEL_RUNS &&
		 !one_in(m, 4))
		map_some(m, mc);
	else
		end_claim(m, mc);

	switch (rnd(m, 8)) {
	case 0:
		ask_next_extent(m);
		break;
	case 1:
		ask_leaf(m);
		break;
	case 2:
		ask_widen(m);
		break;
	}
	MODEL_ASSERT(m, ledger_mapped(&m->ledger), m->mapped);
}

static void end_all_claims(struct model *m)
{
	unsigned int i;

	for (i = 0; i < MODEL_CLAIMS; i++)
		if (m->claims[i].kind != CLAIM_NONE)
			end_claim(m, &m->claims[i]);
}

/* Unmap everything, piece by piece in random order. */
static void unmap_all(struct model *m)
{
	unsigned int i, n, shift;
	struct ledger_claim c;
	u64 first, size;

	while (m->nr_leaves) {
		i = rnd(m, m->nr_leaves);
		n = model_extent(m, i, rnd_count(m));
		first = m->leaves[i].first;
		if (m->leaves[i + n - 1].last - first == U64_MAX)
			n = 1;
		size = model_remove(m, i, n);
		MODEL_ASSERT(m, claim_unmap(m, &c, first, first + size - 1, &shift), 0);
		ledger_commit_unmap(&m->ledger, &c, size, size);
	}
}

static void random_work(struct model *m, unsigned int steps)
{
	while (steps--) {
		random_step(m);
		if (one_in(m, 64))
			check_ledger(m);
	}
	end_all_claims(m);
	check_ledger(m);
	MODEL_ASSERT(m, m->drafts, 0);
	unmap_all(m);
	check_ledger(m);

	/* Only the root is left. */
	MODEL_ASSERT(m, live_objects(&m->ledger), 1);
	MODEL_ASSERT(m, ledger_is_empty(&m->ledger, m->ledger.root,
					m->ledger.levels - 1), true);
	MODEL_ASSERT(m, ledger_mapped(&m->ledger), 0);
}

static void open_ledger(struct kunit *test, const struct geometry *geo)
{
	struct model *m = test->priv;

	m->pgsizes = geo->pgsizes;
	m->granule = __ffs64(geo->pgsizes);
	m->top = GENMASK_ULL(geo->bits - 1, 0);
	KUNIT_ASSERT_EQ(test, ledger_init(&m->ledger, geo->pgsizes, geo->bits), 0);
	m->open = true;
}

static void close_ledger(struct kunit *test)
{
	struct model *m = test->priv;

	if (m->open)
		ledger_destroy(&m->ledger);
	m->open = false;
	KUNIT_EXPECT_EQ_MSG(test, memory.live, 0, "the ledger leaked memory");
}

/* The format's page sizes are an unsigned long. */
static bool geometry_fits(const struct geometry *geo)
{
	return geo->pgsizes <= ULONG_MAX;
}

static int ledger_test_init(struct kunit *test)
{
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	test->priv = m;
	if (!m)
		return -ENOMEM;
	m->test = test;
	memory = (struct ledger_memory){};
	return 0;
}

static int ledger_test_init_geometry(struct kunit *test)
{
	const struct geometry *geo = test->param_value;
	int err = ledger_test_init(test);

	if (err)
		return err;
	if (!geometry_fits(geo))
		kunit_skip(test, "needs 64-bit page sizes");
	open_ledger(test, geo);
	return 0;
}

static void ledger_test_exit(struct kunit *test)
{
	struct model *m = test->priv;

	if (!m)
		return;
	if (test->status == KUNIT_FAILURE)
		kunit_info(test, "after %u random steps\n", m->step);
	close_ledger(test);
	test->priv = NULL;
}

/* --- random cases --------------------------------------------------------- */

static void seed_model(struct model *m, const struct geometry *geo)
{
	unsigned int seed = pgt_random_seed(m->test);

	prandom_seed_state(&m->rnd, seed);
}

static void random_operations_match_the_model(struct kunit *test)
{
	struct model *m = test->priv;

	seed_model(m, test->param_value);
	random_work(m, 2000);
}

static void random_operations_match_the_model_for_long(struct kunit *test)
{
	struct model *m = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(geometries); i++) {
		if (!geometry_fits(&geometries[i]))
			continue;
		seed_model(m, &geometries[i]);
		open_ledger(test, &geometries[i]);
		random_work(m, 20000);
		close_ledger(test);
	}
}

/* --- cases made by hand --------------------------------------------------- */

static const struct geometry *find_geometry(struct kunit *test, const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(geometries); i++)
		if (!strcmp(geometries[i].name, name))
			return &geometries[i];
	KUNIT_FAIL(test, "no geometry %s", name);
	return NULL;
}

static struct ledger *open_named(struct kunit *test, const char *name)
{
	struct model *m = test->priv;

	open_ledger(test, find_geometry(test, name));
	return &m->ledger;
}

/* Claim, map all of it with leaves of one size, commit. */
static void map_leaves(struct kunit *test, u64 first, u64 size,
		       unsigned int shift)
{
	struct model *m = test->priv;
	struct ledger_claim c;
	u64 last = first + size - 1;

	KUNIT_ASSERT_EQ(test, claim_map(m, &c, first, last, shift), 0);
	KUNIT_ASSERT_EQ(test, ledger_window(&m->ledger, &c, first, last, shift,
					    GFP_KERNEL), 0);
	ledger_commit_map(&m->ledger, &c, size, 0);
}

static int try_claim_map(struct kunit *test, u64 first, u64 size)
{
	struct model *m = test->priv;
	struct ledger_claim c;
	int err;

	err = claim_map(m, &c, first, first + size - 1, m->granule);
	if (!err)
		ledger_commit_map(&m->ledger, &c, 0, 0);
	return err;
}

static int try_claim_unmap(struct kunit *test, u64 first, u64 size)
{
	struct model *m = test->priv;
	struct ledger_claim c;
	unsigned int shift;
	int err;

	err = claim_unmap(m, &c, first, first + size - 1, &shift);
	if (!err)
		ledger_commit_unmap(&m->ledger, &c, 0, 0);
	return err;
}

static int try_claim_present(struct kunit *test, u64 first, u64 size)
{
	struct model *m = test->priv;
	struct ledger_claim c;
	int err;

	err = ledger_claim_present(&m->ledger, &c, first, first + size - 1);
	if (!err)
		ledger_commit_unmap(&m->ledger, &c, 0, 0);
	return err;
}

static void unmap_leaves(struct kunit *test, u64 first, u64 size)
{
	struct model *m = test->priv;
	struct ledger_claim c;
	unsigned int shift;

	KUNIT_ASSERT_EQ(test, claim_unmap(m, &c, first, first + size - 1, &shift), 0);
	ledger_commit_unmap(&m->ledger, &c, size, size);
}

static void each_page_size_is_a_short_run_in_some_level(struct kunit *test)
{
	struct model *m = test->priv;
	const struct ledger *l = &m->ledger;
	unsigned long sizes = m->pgsizes;
	unsigned int lvl, shift, run;

	for (lvl = 0; lvl < l->levels; lvl++) {
		KUNIT_EXPECT_LT(test, l->level[lvl].shift, l->level[lvl + 1].shift);
		/* The last one's index has 16 bits. */
		KUNIT_EXPECT_LE(test, ledger_slots(l, lvl), SZ_32K);
	}
	for (; sizes; sizes &= sizes - 1) {
		shift = __ffs(sizes);
		lvl = ledger_level(l, shift);
		run = shift - l->level[lvl].shift;
		KUNIT_EXPECT_LE(test, run, LEDGER_MAX_RUN_BITS);
		/* A run that fills its node could not be told from a table. */
		KUNIT_EXPECT_LT(test, 1U << run, ledger_slots(l, lvl));
	}
}

static void levels_are_those_of_the_page_table(struct kunit *test)
{
	static const u8 lpae[] = { 12, 21, 30, 39, 48 };
	static const u8 v7s[] = { 12, 20 };
	const struct ledger *l;
	unsigned int i;

	l = open_named(test, "lpae-4k");
	KUNIT_EXPECT_EQ(test, l->levels, 4);
	for (i = 0; i < ARRAY_SIZE(lpae); i++)
		KUNIT_EXPECT_EQ(test, l->level[i].shift, lpae[i]);
	close_ledger(test);

	l = open_named(test, "v7s");
	for (i = 0; i < ARRAY_SIZE(v7s); i++)
		KUNIT_EXPECT_EQ(test, l->level[i].shift, v7s[i]);
}

static void too_many_levels_are_refused(struct kunit *test)
{
	struct ledger l;

	KUNIT_EXPECT_EQ(test, ledger_init(&l, ~0UL >> 1, 64), -EINVAL);
	KUNIT_EXPECT_EQ(test, memory.allocs, 0);
}

static void a_ledger_without_memory_for_its_root_is_refused(struct kunit *test)
{
	struct ledger l;

	memory.fail = 1;
	KUNIT_EXPECT_EQ(test, ledger_init(&l, SZ_4K, 48), -ENOMEM);
}

/*
 * Let the nth allocation of a window fail, for each n until it succeeds. Every
 * other page of @around is mapped, so that some nodes are there and some not.
 */
static void fail_each_allocation(struct kunit *test, u64 first, u64 last,
				 unsigned int shift)
{
	struct model *m = test->priv;
	struct ledger_claim c;
	unsigned int n, live;
	int err = -ENOMEM;

	for (n = 1; err; n++) {
		live = live_objects(&m->ledger);
		KUNIT_ASSERT_EQ(test, claim_map(m, &c, first, last, m->granule), 0);
		memory.failed = false;
		memory.fail = n;
		err = ledger_window(&m->ledger, &c, first, last, shift, GFP_KERNEL);
		memory.fail = 0;
		KUNIT_ASSERT_EQ(test, err, memory.failed ? -ENOMEM : 0);
		ledger_commit_map(&m->ledger, &c, 0, 0);
		KUNIT_ASSERT_EQ(test, live_objects(&m->ledger), live);
		check_ledger(m);
	}
}

static void a_window_without_memory_changes_nothing(struct kunit *test)
{
	struct model *m = test->priv;
	unsigned int shift = m->granule, lvl;
	u64 edge, size = BIT_ULL(shift);
	struct model_leaf leaf = { .first = 0, .last = size - 1 };

	map_leaves(test, 0, size, shift);
	model_add(m, &leaf, 1);
	check_ledger(m);

	/* Two pages, one on each side of a node of each level. */
	for (lvl = 1; lvl < m->ledger.levels; lvl++) {
		edge = BIT_ULL(m->ledger.level[lvl].shift);
		fail_each_allocation(test, edge - size, edge + size - 1, shift);
		edge <<= 1;
		if (edge && edge + size - 1 <= m->top)
			fail_each_allocation(test, edge - size, edge + size - 1, shift);
	}
	fail_each_allocation(test, m->top - size + 1, m->top, shift);
}

static void a_window_can_be_tried_again(struct kunit *test)
{
	struct ledger *l = open_named(test, "lpae-4k");
	struct model *m = test->priv;
	const struct model_leaf leaves[] = {
		{ SZ_2M - SZ_4K, SZ_2M - 1 }, { SZ_2M, SZ_4M - 1 },
	};
	struct ledger_claim c;
	unsigned int n;

	/* What was noted before the failure must not be forgotten. */
	KUNIT_ASSERT_EQ(test, claim_map(test->priv, &c, leaves[0].first,
					leaves[1].last, 12), 0);
	KUNIT_ASSERT_EQ(test, ledger_window(l, &c, leaves[0].first,
					    leaves[0].last, 12, GFP_KERNEL), 0);
	for (n = 0; n < 3; n++) {
		memory.fail = 1;
		KUNIT_EXPECT_EQ(test, ledger_window(l, &c, leaves[1].first,
						    leaves[1].last, 12, GFP_KERNEL),
				-ENOMEM);
	}
	KUNIT_ASSERT_EQ(test, ledger_window(l, &c, leaves[1].first,
					    leaves[1].last, 21, GFP_KERNEL), 0);
	ledger_commit_map(l, &c, SZ_4K + SZ_2M, 0);
	model_add(m, leaves, 2);
	check_ledger(m);
}

static void a_node_outlives_the_last_leaf_while_a_claim_needs_it(struct kunit *test)
{
	struct ledger *l = open_named(test, "lpae-4k");
	struct model *m = test->priv;
	const struct model_leaf leaf = { 0, SZ_4K - 1 };
	struct ledger_claim c;

	KUNIT_ASSERT_EQ(test, claim_map(test->priv, &c, 0, SZ_4K - 1, 12), 0);
	KUNIT_ASSERT_EQ(test, ledger_window(l, &c, 0, SZ_4K - 1, 12, GFP_KERNEL), 0);
	/* Another thread comes and goes in the same node. */
	map_leaves(test, SZ_4K, SZ_4K, 12);
	unmap_leaves(test, SZ_4K, SZ_4K);
	ledger_commit_map(l, &c, SZ_4K, 0);
	model_add(m, &leaf, 1);
	check_ledger(m);

	unmap_leaves(test, 0, SZ_4K);
	KUNIT_EXPECT_EQ(test, live_objects(&((struct model *)test->priv)->ledger), 1);
}

static void a_claim_that_maps_nothing_leaves_no_node(struct kunit *test)
{
	struct ledger *l = open_named(test, "lpae-4k");
	struct ledger_claim c;

	KUNIT_ASSERT_EQ(test, claim_map(test->priv, &c, 0, SZ_4M - 1, 12), 0);
	KUNIT_ASSERT_EQ(test, ledger_window(l, &c, 0, SZ_4M - 1, 12, GFP_KERNEL), 0);
	KUNIT_EXPECT_GT(test, live_objects(l), 1);
	ledger_commit_map(l, &c, 0, 0);
	KUNIT_EXPECT_EQ(test, live_objects(&((struct model *)test->priv)->ledger), 1);
}

static void claims_exclude_each_other_across_levels(struct kunit *test)
{
	struct ledger *l = open_named(test, "lpae-4k");
	struct ledger_claim page, block;

	KUNIT_ASSERT_EQ(test, claim_map(test->priv, &page, SZ_2M, SZ_2M + SZ_4K - 1, 12), 0);
	KUNIT_EXPECT_EQ(test, try_claim_map(test, SZ_2M, SZ_2M), -EBUSY);
	KUNIT_EXPECT_EQ(test, try_claim_map(test, 0, SZ_1G), -EBUSY);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, 0, SZ_4M), -EBUSY);
	KUNIT_EXPECT_EQ(test, try_claim_present(test, 0, SZ_1G), -EBUSY);
	KUNIT_EXPECT_EQ(test, try_claim_map(test, SZ_2M + SZ_4K, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, try_claim_map(test, 0, SZ_2M), 0);
	ledger_commit_map(l, &page, 0, 0);

	KUNIT_ASSERT_EQ(test, claim_map(test->priv, &block, 0, SZ_2M - 1, 21), 0);
	KUNIT_EXPECT_EQ(test, try_claim_map(test, SZ_4K, SZ_4K), -EBUSY);
	KUNIT_EXPECT_EQ(test, try_claim_map(test, SZ_2M, SZ_4K), 0);
	ledger_commit_map(l, &block, 0, 0);
}

/* When there is room in the array again, those on the list are still there. */
static void claims_that_found_no_room_stay_claimed(struct kunit *test)
{
	struct ledger *l = open_named(test, "lpae-4k");
	struct ledger_claim c[LEDGER_OPS + 1];
	unsigned int i, shift;
	u64 pos;

	map_leaves(test, 0, (LEDGER_OPS + 1) * SZ_4K, 12);
	for (i = 0, pos = 0; i <= LEDGER_OPS; i++, pos += SZ_4K)
		KUNIT_ASSERT_EQ(test, claim_unmap(test->priv, &c[i], pos,
						  pos + SZ_4K - 1, &shift), 0);
	for (i = 0; i < LEDGER_OPS; i++)
		ledger_commit_unmap(l, &c[i], SZ_4K, SZ_4K);

	/* The first of these finds the array empty and all of the rest know it */
	KUNIT_EXPECT_EQ(test, try_claim_map(test, SZ_2M, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, LEDGER_OPS * SZ_4K, SZ_4K), -EBUSY);
	KUNIT_EXPECT_EQ(test, try_claim_present(test, 0, SZ_2M), -EBUSY);
	ledger_commit_unmap(l, &c[LEDGER_OPS], SZ_4K, SZ_4K);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, LEDGER_OPS * SZ_4K, SZ_4K), -ENOENT);
	KUNIT_EXPECT_EQ(test, try_claim_map(test, 0, SZ_2M), 0);
}

static void a_block_may_take_the_place_of_an_empty_table(struct kunit *test)
{
	open_named(test, "lpae-4k");
	map_leaves(test, 0, SZ_4K, 12);
	KUNIT_EXPECT_EQ(test, try_claim_map(test, 0, SZ_2M), -EEXIST);
	unmap_leaves(test, 0, SZ_4K);
	map_leaves(test, 0, SZ_2M, 21);
	KUNIT_EXPECT_EQ(test, try_claim_map(test, SZ_4K, SZ_4K), -EEXIST);
	unmap_leaves(test, 0, SZ_2M);
	KUNIT_EXPECT_EQ(test, live_objects(&((struct model *)test->priv)->ledger), 1);
}

static void an_unmap_takes_any_number_of_whole_leaves(struct kunit *test)
{
	open_named(test, "lpae-4k");
	map_leaves(test, SZ_2M - SZ_4K, SZ_4K, 12);
	map_leaves(test, SZ_2M, SZ_4M, 21);
	map_leaves(test, SZ_2M + SZ_4M, SZ_8K, 12);

	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, SZ_2M - SZ_4K, SZ_4M + SZ_8K), 0);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, SZ_2M - SZ_8K, SZ_8K), -ENOENT);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, SZ_4M, SZ_4M), -ENOENT);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, SZ_2M, SZ_4K), -ENOTBLK);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, SZ_4M - SZ_4K, SZ_4K), -ENOTBLK);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, SZ_2M - SZ_4K, SZ_8K), -ENOTBLK);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, SZ_4M + SZ_4K, SZ_2M), -ENOTBLK);
	unmap_leaves(test, SZ_2M - SZ_4K, SZ_4M + SZ_4K + SZ_8K);
	KUNIT_EXPECT_EQ(test, live_objects(&((struct model *)test->priv)->ledger), 1);
}

static void a_run_of_slots_is_one_leaf(struct kunit *test)
{
	struct ledger *l = open_named(test, "v7s");
	u64 first = SZ_64K + SZ_4K, last = first;

	map_leaves(test, SZ_64K - SZ_4K, SZ_4K, 12);
	map_leaves(test, SZ_64K, SZ_128K, 16);
	map_leaves(test, SZ_64K + SZ_128K, SZ_4K, 12);

	KUNIT_EXPECT_EQ(test, ledger_widen(l, &first, &last), 0);
	KUNIT_EXPECT_EQ(test, first, SZ_64K);
	KUNIT_EXPECT_EQ(test, last, SZ_128K - 1);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, SZ_64K, SZ_32K), -ENOTBLK);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, SZ_64K + SZ_32K, SZ_32K), -ENOTBLK);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, SZ_64K - SZ_4K, SZ_8K), -ENOTBLK);
	KUNIT_EXPECT_EQ(test, try_claim_present(test, 0, SZ_64K + SZ_4K), -ENOTBLK);
	KUNIT_EXPECT_EQ(test, try_claim_present(test, 0, SZ_128K), 0);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, SZ_64K, SZ_64K), 0);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, SZ_64K - SZ_4K, SZ_128K + SZ_8K), 0);
}

static void the_last_byte_of_64_bits_can_be_mapped(struct kunit *test)
{
	struct ledger *l = open_named(test, "64-bits");
	u64 page = -(u64)SZ_4K, block = -(u64)SZ_1G, first, last;

	map_leaves(test, page, SZ_4K, 12);
	KUNIT_ASSERT_TRUE(test, ledger_next_extent(l, 0, U64_MAX, &first, &last));
	KUNIT_EXPECT_EQ(test, first, page);
	KUNIT_EXPECT_EQ(test, last, U64_MAX);
	KUNIT_EXPECT_EQ(test, try_claim_map(test, block, SZ_1G), -EEXIST);
	KUNIT_EXPECT_EQ(test, try_claim_present(test, SZ_4K, page), 0);
	unmap_leaves(test, page, SZ_4K);
	KUNIT_EXPECT_FALSE(test, ledger_next_extent(l, 0, U64_MAX, &first, &last));

	map_leaves(test, block, SZ_1G, 30);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, page, SZ_4K), -ENOTBLK);
	unmap_leaves(test, block, SZ_1G);
	KUNIT_EXPECT_EQ(test, live_objects(&((struct model *)test->priv)->ledger), 1);
}

/* A map that is under way has not happened yet, however much of it is done. */
static void what_is_being_mapped_does_not_count(struct kunit *test)
{
	struct ledger *l = open_named(test, "lpae-4k");
	struct ledger_claim c;
	u64 first, last;

	map_leaves(test, 0, SZ_4K, 12);
	KUNIT_ASSERT_EQ(test, claim_map(test->priv, &c, SZ_2M, SZ_4M + SZ_4K - 1, 21), 0);
	KUNIT_ASSERT_EQ(test, ledger_window(l, &c, SZ_2M, SZ_4M - 1, 21, GFP_KERNEL), 0);
	KUNIT_ASSERT_EQ(test, ledger_window(l, &c, SZ_4M, SZ_4M + SZ_4K - 1, 12,
					    GFP_KERNEL), 0);

	KUNIT_EXPECT_EQ(test, ledger_mapped(l), SZ_4K);
	KUNIT_EXPECT_FALSE(test, ledger_next_extent(l, SZ_4K, SZ_1G, &first, &last));
	ledger_commit_map(l, &c, SZ_2M + SZ_4K, 0);
	KUNIT_EXPECT_EQ(test, ledger_mapped(l), SZ_2M + SZ_8K);
	KUNIT_ASSERT_TRUE(test, ledger_next_extent(l, SZ_4K, SZ_1G, &first, &last));
	KUNIT_EXPECT_EQ(test, first, SZ_2M);
	KUNIT_EXPECT_EQ(test, last, SZ_4M + SZ_4K - 1);
}

/* More nodes than are looked at before others may have the lock. */
static void long_ranges_are_looked_at_to_their_end(struct kunit *test)
{
	struct ledger *l = open_named(test, "lpae-4k");
	u64 size = (2 * LEDGER_BREATH + 100ULL) * SZ_2M, hole = size - SZ_64K;
	struct model *m = test->priv;
	u64 first, last;

	map_leaves(test, 0, size, 12);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, 0, size), 0);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, 0, size + SZ_4K), -ENOENT);
	unmap_leaves(test, hole, SZ_4K);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, 0, size), -ENOENT);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, 0, hole), 0);

	KUNIT_ASSERT_TRUE(test, ledger_next_extent(l, 0, m->top, &first, &last));
	KUNIT_EXPECT_EQ(test, first, 0);
	KUNIT_EXPECT_EQ(test, last, hole - 1);
	KUNIT_ASSERT_TRUE(test, ledger_next_extent(l, hole, m->top, &first, &last));
	KUNIT_EXPECT_EQ(test, first, hole + SZ_4K);
	KUNIT_EXPECT_EQ(test, last, size - 1);
	unmap_leaves(test, 0, hole);
	KUNIT_ASSERT_TRUE(test, ledger_next_extent(l, 0, m->top, &first, &last));
	KUNIT_EXPECT_EQ(test, first, hole + SZ_4K);
}

/* The slots of one wide node may have more nodes below than that, too. */
static void a_look_at_a_wide_node_stops_half_way(struct kunit *test)
{
	struct ledger *l = open_named(test, "lpae-16k");
	u64 pos = 0, size = 2ULL * LEDGER_BREATH * SZ_32M;
	unsigned int lowest = l->levels - 1, looks = 0;
	unsigned long flags;
	int err;

	map_leaves(test, 0, size, 14);
	spin_lock_irqsave(&l->lock, flags);
	do {
		err = ledger_check_mapped(l, &pos, size - 1, &lowest);
		looks++;
	} while (err == -EAGAIN);
	spin_unlock_irqrestore(&l->lock, flags);
	KUNIT_EXPECT_EQ(test, err, 0);
	KUNIT_EXPECT_EQ(test, lowest, 0U);
	KUNIT_EXPECT_EQ(test, looks, 2U);
}

/* An unmap that is refused late has kept nobody out for longer than it took. */
static void a_claim_that_fails_leaves_nothing_claimed(struct kunit *test)
{
	open_named(test, "lpae-4k");
	map_leaves(test, 0, SZ_4K, 12);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, 0, SZ_8K), -ENOENT);
	KUNIT_EXPECT_EQ(test, try_claim_map(test, 0, SZ_8K), -EEXIST);
	KUNIT_EXPECT_EQ(test, try_claim_map(test, SZ_4K, SZ_4K), 0);
	map_leaves(test, SZ_2M, SZ_2M, 21);
	KUNIT_EXPECT_EQ(test, try_claim_present(test, 0, SZ_2M + SZ_4K), -ENOTBLK);
	KUNIT_EXPECT_EQ(test, try_claim_unmap(test, SZ_2M, SZ_4K), -ENOTBLK);
	KUNIT_EXPECT_EQ(test, try_claim_present(test, 0, SZ_4M), 0);
}

static void destroying_frees_what_is_still_mapped(struct kunit *test)
{
	open_named(test, "lpae-4k");
	map_leaves(test, SZ_2M - SZ_4K, SZ_8K, 12);
	map_leaves(test, BIT_ULL(40), SZ_2M, 21);
	map_leaves(test, BIT_ULL(47), SZ_1G, 30);
	close_ledger(test);
}

static struct kunit_case ledger_geometry_cases[] = {
	KUNIT_CASE_PARAM(each_page_size_is_a_short_run_in_some_level,
			 geometries_gen_params),
	KUNIT_CASE_PARAM(a_window_without_memory_changes_nothing,
			 geometries_gen_params),
	KUNIT_CASE_PARAM(random_operations_match_the_model, geometries_gen_params),
	{}
};

static struct kunit_suite ledger_geometry_suite = {
	.name = "io_pgtable_safe_ledger_geometries",
	.init = ledger_test_init_geometry,
	.exit = ledger_test_exit,
	.test_cases = ledger_geometry_cases,
};

static struct kunit_case ledger_cases[] = {
	KUNIT_CASE(levels_are_those_of_the_page_table),
	KUNIT_CASE(too_many_levels_are_refused),
	KUNIT_CASE(a_ledger_without_memory_for_its_root_is_refused),
	KUNIT_CASE(a_window_can_be_tried_again),
	KUNIT_CASE(a_node_outlives_the_last_leaf_while_a_claim_needs_it),
	KUNIT_CASE(a_claim_that_maps_nothing_leaves_no_node),
	KUNIT_CASE(claims_exclude_each_other_across_levels),
	KUNIT_CASE(claims_that_found_no_room_stay_claimed),
	KUNIT_CASE(a_block_may_take_the_place_of_an_empty_table),
	KUNIT_CASE(an_unmap_takes_any_number_of_whole_leaves),
	KUNIT_CASE(a_run_of_slots_is_one_leaf),
	KUNIT_CASE(the_last_byte_of_64_bits_can_be_mapped),
	KUNIT_CASE(what_is_being_mapped_does_not_count),
	KUNIT_CASE(long_ranges_are_looked_at_to_their_end),
	KUNIT_CASE(a_look_at_a_wide_node_stops_half_way),
	KUNIT_CASE(a_claim_that_fails_leaves_nothing_claimed),
	KUNIT_CASE(destroying_frees_what_is_still_mapped),
	KUNIT_CASE_SLOW(random_operations_match_the_model_for_long),
	{}
};

static struct kunit_suite ledger_suite = {
	.name = "io_pgtable_safe_ledger",
	.init = ledger_test_init,
	.exit = ledger_test_exit,
	.test_cases = ledger_cases,
};

kunit_test_suites(&ledger_suite, &ledger_geometry_suite);
