// SPDX-License-Identifier: GPL-2.0
/*
 * The ledger on its own, against a model plain enough to be right at sight: what
 * each granule is part of. Several claims are in flight at once, as if as many
 * threads were inside the backend; for threads see tsan/main.c.
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "core/ledger.c"

static unsigned int ledger_seed;
module_param(ledger_seed, uint, 0444);
MODULE_PARM_DESC(ledger_seed, "Replay the random tests of the ledger with this seed");

#define MAX_CLAIMS	4
/* Granules that the model looks at, in the middle of the address space */
#define CELLS		BIT(18)

/**
 * struct geometry - A page table to keep a ledger of.
 * @name: For the log.
 * @width: log2 of the entries of a table.
 * @bits: Of an address.
 * @levels: Levels of tables at most, or 0.
 * @leaf: log2 of the sizes of leaves.
 */
struct geometry {
	const char *name;
	unsigned int width;
	unsigned int bits;
	unsigned int leaf[6];
	unsigned int levels;
};

static const struct geometry geometries[] = {
	{ "lpae-4k", 9, 48, { 12, 21, 30 } },
	{ "lpae-4k-ias39", 9, 39, { 12, 21, 30 } },
	{ "lpae-4k-ias31", 9, 31, { 12, 21, 30 } },
	{ "lpae-4k-contiguous", 9, 48, { 12, 16, 21, 25, 30 } },
	{ "lpae-16k", 11, 48, { 14, 25 } },
	{ "lpae-16k-contiguous", 11, 48, { 14, 21, 25, 30 } },
	{ "lpae-64k", 13, 52, { 16, 29, 42 } },
	{ "lpae-64k-contiguous", 13, 48, { 16, 21, 29, 34 } },
	{ "v7s", 8, 32, { 12, 16, 20, 24 }, 2 },
	{ "v7s-ias34", 8, 34, { 12, 16, 20, 24 }, 2 },
	{ "pages-only", 9, 48, { 12 } },
	{ "no-2m", 9, 40, { 12, 30 } },
	{ "64-bits", 9, 64, { 12, 21, 30 } },
	{ "each-size", 9, 36, { 12, 13, 14, 17, 20, 22 } },
	{ "bytes", 6, 30, { 0, 1, 3, 8, 16 } },
};

static void geometry_desc(const struct geometry *geo, char *desc)
{
	strscpy(desc, geo->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(geometries, geometries, geometry_desc);

/**
 * struct claim - One in flight.
 * @want: What for; %LEDGER_LOOK if there is none.
 * @first: Offset of the first byte.
 * @last: Offset of the last byte.
 * @closed: Its holes, too.
 */
struct claim {
	enum ledger_want want;
	u64 first;
	u64 last;
	struct ledger_closed closed;
};

/**
 * struct model - A ledger and what is right.
 * @test: The case.
 * @geo: The geometry.
 * @l: The ledger.
 * @rnd: Random numbers.
 * @base: Offset of the first cell.
 * @last: Offset of the last byte of the last one.
 * @cell: For each granule, log2 of the leaf it is part of plus 1, or 0.
 * @busy: For each granule, the number of the claim that has it plus 1, or 0.
 * @claim: Claims.
 */
struct model {
	struct kunit *test;
	const struct geometry *geo;
	struct ledger l;
	struct rnd_state rnd;
	u64 base;
	u64 last;
	u8 *cell;
	u8 *busy;
	struct claim claim[MAX_CLAIMS];
};

static u32 rnd(struct model *m, u32 below)
{
	return (u64)prandom_u32_state(&m->rnd) * below >> 32;
}

static u64 index_of(const struct model *m, u64 off)
{
	return (off - m->base) >> m->geo->leaf[0];
}

static u64 leaf_size(const struct model *m, u64 off)
{
	unsigned int shift = m->cell[index_of(m, off)];

	return BIT_ULL(shift ? shift - 1 : m->geo->leaf[0]);
}

static void paint(struct model *m, u8 *map, u64 first, u64 last, u8 value)
{
	memset(&map[index_of(m, first)], value, index_of(m, last) - index_of(m, first) + 1);
}

static unsigned int rnd_leaf(struct model *m)
{
	unsigned int n = 1;

	while (n < ARRAY_SIZE(m->geo->leaf) && m->geo->leaf[n] &&
	       BIT_ULL(m->geo->leaf[n]) <= m->last - m->base)
		n++;
	return m->geo->leaf[rnd(m, n)];
}

static void rnd_range(struct model *m, unsigned int shift, u64 *first, u64 *last)
{
	u64 places = ((m->last - m->base) >> shift) + 1, near = min(places, 40ULL);
	u64 n = 1 + rnd(m, rnd(m, 4) ? 4 : 600), at;

	/* Mostly where others are, too: around the middle, and at the end */
	at = rnd(m, 3) ? places / 2 - near / 2 + rnd(m, near) : places - 1 - rnd(m, near);
	*first = m->base + (at << shift);
	n = min(n, places - at);
	*last = *first + (n << shift) - 1;
}

/* What ledger_check() and ledger_claim() have to say */
static int right_answer(struct model *m, u64 first, u64 last, enum ledger_want want)
{
	u64 granule = BIT_ULL(m->geo->leaf[0]), off;
	bool used = false, hole = false, cut;

	for (off = first;; off += granule) {
		if (m->busy[index_of(m, off)])
			return -EBUSY;
		used |= m->cell[index_of(m, off)];
		hole |= !m->cell[index_of(m, off)];
		if (last - off < granule)
			break;
	}
	cut = (first & (leaf_size(m, first) - 1)) || (~last & (leaf_size(m, last) - 1));
	switch (want) {
	case LEDGER_MAP:
		return used ? -EEXIST : 0;
	case LEDGER_UNMAP:
		return hole ? -ENOENT : cut ? -ENOTBLK : 0;
	case LEDGER_PRESENT:
		return cut ? -ENOTBLK : 0;
	default:
		return 0;
	}
}

/* Is the leaf of which only a part is in the range somebody's? That is -EBUSY, too */
static bool cut_leaf_is_busy(struct model *m, u64 first, u64 last)
{
	u64 a = first & ~(leaf_size(m, first) - 1), b = last | (leaf_size(m, last) - 1);

	return m->busy[index_of(m, a)] || m->busy[index_of(m, b)];
}

/* -ENOENT or -ENOTBLK where both apply */
static void expect_answer(struct model *m, const struct claim *c, int err, int right)
{
	if (err == -ENOTBLK && right == -ENOENT)
		err = right;
	KUNIT_EXPECT_EQ_MSG(m->test, err, right, "%#llx to %#llx", c->first, c->last);
}

static void begin_claim(struct model *m, unsigned int n)
{
	static const enum ledger_want wants[] = { LEDGER_MAP, LEDGER_MAP, LEDGER_UNMAP,
						  LEDGER_PRESENT };
	enum ledger_want want = wants[rnd(m, ARRAY_SIZE(wants))];
	struct claim *c = &m->claim[n];
	struct ledger_claimed claimed;
	int err, right;

	rnd_range(m, rnd_leaf(m), &c->first, &c->last);
	right = right_answer(m, c->first, c->last, want);
	if (cut_leaf_is_busy(m, c->first, c->last))
		right = -EBUSY;
	if (want != LEDGER_PRESENT)
		expect_answer(m, c, ledger_check(&m->l, c->first, c->last, want), right);
	c->closed.first = c->first;
	c->closed.last = c->last;
	err = want == LEDGER_PRESENT ? ledger_close(&m->l, &c->closed) : 0;
	if (err) {
		KUNIT_EXPECT_EQ(m->test, right, -EBUSY);
		return;
	}
	err = ledger_claim(&m->l, c->first, c->last, want, GFP_KERNEL, &claimed);
	expect_answer(m, c, err, right);
	if (err) {
		if (want == LEDGER_PRESENT)
			ledger_open(&m->l, &c->closed);
		return;
	}
	c->want = want;
	paint(m, m->busy, c->first, c->last, n + 1);
}

static void record_some(struct model *m, const struct claim *c)
{
	unsigned int shift;
	u64 pos = c->first, end;

	for (;;) {
		do
			shift = rnd(m, 3) ? m->geo->leaf[0] : rnd_leaf(m);
		while ((pos & (BIT_ULL(shift) - 1)) || c->last - pos < BIT_ULL(shift) - 1);
		end = pos + BIT_ULL(shift) - 1;
		while (rnd(m, 32) && c->last - end >= BIT_ULL(shift))
			end += BIT_ULL(shift);
		KUNIT_EXPECT_EQ(m->test, ledger_record(&m->l, pos, end, shift, GFP_KERNEL), 0);
		paint(m, m->cell, pos, end, shift + 1);
		if (end == c->last)
			return;
		pos = end + 1;
	}
}

/* Map, or not; unmap, or not; each extent of what is present on its own */
static void end_claim(struct model *m, unsigned int n)
{
	struct claim *c = &m->claim[n];
	bool done = rnd(m, 4);
	u64 pos, a, b;

	if (c->want == LEDGER_MAP) {
		record_some(m, c);
		if (!done)
			paint(m, m->cell, c->first, c->last, 0);
		ledger_settle(&m->l, c->first, c->last, done ? LEDGER_MAPPED : LEDGER_FREED);
	} else if (c->want == LEDGER_UNMAP) {
		if (done)
			paint(m, m->cell, c->first, c->last, 0);
		ledger_settle(&m->l, c->first, c->last, done ? LEDGER_UNMAPPED : LEDGER_MAPPED);
	} else {
		for (pos = c->first; ledger_next_extent(&m->l, pos, c->last, true, &a, &b);
		     pos = b + 1) {
			if (done)
				paint(m, m->cell, a, b, 0);
			ledger_settle(&m->l, a, b, done ? LEDGER_UNMAPPED : LEDGER_MAPPED);
			if (b == c->last)
				break;
		}
		if (done)
			KUNIT_EXPECT_NULL(m->test, memchr_inv(&m->cell[index_of(m, c->first)], 0,
							      index_of(m, c->last) -
							      index_of(m, c->first) + 1));
		ledger_open(&m->l, &c->closed);
	}
	paint(m, m->busy, c->first, c->last, 0);
	c->want = LEDGER_LOOK;
}

/* What lies in one node, with its lock held */
static void hold(struct model *m)
{
	unsigned int shift = rnd_leaf(m);
	struct ledger_held p;
	u64 first, last;

	rnd_range(m, shift, &first, &last);
	if (ledger_hold(&m->l, first, last, shift, LEDGER_MAP, GFP_KERNEL, &p)) {
		ledger_release_map(&p, false);
		KUNIT_EXPECT_EQ(m->test, right_answer(m, first, last, LEDGER_MAP), 0);
		paint(m, m->cell, first, last, shift + 1);
	} else if (ledger_hold(&m->l, first, last, shift, LEDGER_UNMAP, 0, &p)) {
		ledger_release_unmap(&p, false);
		KUNIT_EXPECT_EQ(m->test, right_answer(m, first, last, LEDGER_UNMAP), 0);
		paint(m, m->cell, first, last, 0);
	}
}

static void ask_leaf(struct model *m)
{
	struct ledger_held p;
	u64 off, last, a, b;
	int err, right;

	rnd_range(m, m->geo->leaf[0], &off, &last);
	right = m->busy[index_of(m, off)] ? -EBUSY : m->cell[index_of(m, off)] ? 0 : -ENOENT;
	err = ledger_hold_leaf(&m->l, off, &a, &b, &p);
	if (!err)
		ledger_release(&p);
	KUNIT_EXPECT_EQ(m->test, err, right);
	if (!err && !right) {
		KUNIT_EXPECT_EQ(m->test, b - a + 1, leaf_size(m, off));
		KUNIT_EXPECT_EQ(m->test, a, off & ~(leaf_size(m, off) - 1));
	}
}

static bool is_mapped(const struct model *m, u64 i)
{
	return m->cell[i] && !m->busy[i];
}

/* What is mapped and not under way, extent by extent */
static void check_extents(struct model *m)
{
	u64 cells = index_of(m, m->last) + 1, i = 0, end, a, b, mapped = 0;
	bool found = true;

	while (found && i < cells) {
		found = ledger_next_extent(&m->l, m->base + (i << m->geo->leaf[0]), m->last,
					   false, &a, &b);
		for (end = found ? index_of(m, a) : cells; i < end; i++)
			if (is_mapped(m, i))
				KUNIT_FAIL(m->test, "granule %llu is lost", i);
		for (end = found ? index_of(m, b) + 1 : i; i < end; i++, mapped++)
			if (!is_mapped(m, i))
				KUNIT_FAIL(m->test, "granule %llu is not mapped", i);
	}
	KUNIT_EXPECT_EQ(m->test, ledger_mapped(&m->l), mapped << m->geo->leaf[0]);
}

static void open_model(struct model *m, struct kunit *test)
{
	unsigned int seed = ledger_seed ?: get_random_u32(), i;
	u64 space, size;

	m->test = test;
	m->geo = test->param_value;
	space = GENMASK_ULL(m->geo->bits - 1, 0);
	size = (u64)CELLS << m->geo->leaf[0];
	/* At the end, so that the last byte is among them */
	m->base = space < size ? 0 : space - size + 1;
	m->last = space;
	m->cell = kunit_kzalloc(test, CELLS, GFP_KERNEL);
	m->busy = kunit_kzalloc(test, CELLS, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m->cell);
	KUNIT_ASSERT_NOT_NULL(test, m->busy);
	for (i = 0; i < MAX_CLAIMS; i++)
		m->claim[i].want = LEDGER_LOOK;
	prandom_seed_state(&m->rnd, seed);
	kunit_info(test, "ledger_seed=%u\n", seed);
	KUNIT_ASSERT_EQ(test, ledger_init(&m->l, m->geo->leaf[0], m->geo->width, m->geo->bits,
					  m->geo->levels), 0);
}

static void random_operations_match_the_model(struct kunit *test)
{
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	unsigned int step, n;

	KUNIT_ASSERT_NOT_NULL(test, m);
	open_model(m, test);
	for (step = 0; step < 1200; step++) {
		n = rnd(m, MAX_CLAIMS);
		if (!rnd(m, 3))
			hold(m);
		else if (!rnd(m, 3))
			ask_leaf(m);
		else if (m->claim[n].want == LEDGER_LOOK)
			begin_claim(m, n);
		else
			end_claim(m, n);
		if (step % 300 == 0)
			check_extents(m);
	}
	for (n = 0; n < MAX_CLAIMS; n++)
		if (m->claim[n].want != LEDGER_LOOK)
			end_claim(m, n);
	check_extents(m);
	ledger_destroy(&m->l);
}

/* --- one by one ----------------------------------------------------------- */

static struct ledger *make_ledger(struct kunit *test)
{
	struct ledger *l = kunit_kzalloc(test, sizeof(*l), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, l);
	KUNIT_ASSERT_EQ(test, ledger_init(l, 12, 9, 48, 0), 0);
	return l;
}

static void map_with(struct kunit *test, struct ledger *l, u64 first, u64 size,
		     unsigned int shift, gfp_t gfp)
{
	u64 last = first + size - 1;
	struct ledger_claimed claimed;

	KUNIT_ASSERT_EQ(test, ledger_claim(l, first, last, LEDGER_MAP, gfp, &claimed), 0);
	KUNIT_ASSERT_EQ(test, ledger_record(l, first, last, shift, gfp), 0);
	ledger_settle(l, first, last, LEDGER_MAPPED);
}

static void map(struct kunit *test, struct ledger *l, u64 first, u64 size, unsigned int shift)
{
	map_with(test, l, first, size, shift, GFP_KERNEL);
}

static struct ledger_claimed unmap(struct kunit *test, struct ledger *l, u64 first, u64 size)
{
	u64 last = first + size - 1;
	struct ledger_claimed claimed = {};

	KUNIT_EXPECT_EQ(test, ledger_claim(l, first, last, LEDGER_UNMAP, 0, &claimed), 0);
	ledger_settle(l, first, last, LEDGER_UNMAPPED);
	return claimed;
}

static unsigned int level_at(struct ledger *l, u64 off)
{
	return ledger_lvl(ledger_walk(l, off, 0));
}

/* It goes with its table: when a block or an unmap takes its whole place */
static void a_node_goes_with_its_table(struct kunit *test)
{
	struct ledger *l = make_ledger(test);

	map(test, l, SZ_2M, SZ_4K, 12);
	unmap(test, l, SZ_2M, SZ_4K);
	KUNIT_EXPECT_EQ(test, level_at(l, SZ_2M), 0U);
	map(test, l, SZ_2M, SZ_2M, 21);
	KUNIT_EXPECT_EQ(test, level_at(l, SZ_2M), 1U);
	unmap(test, l, SZ_2M, SZ_2M);

	map(test, l, SZ_2M, SZ_2M, 12);
	KUNIT_EXPECT_EQ(test, level_at(l, SZ_2M), 0U);
	unmap(test, l, SZ_2M, SZ_2M);
	KUNIT_EXPECT_EQ(test, level_at(l, SZ_2M), 1U);

	map(test, l, SZ_1G, SZ_1G, 12);
	unmap(test, l, SZ_1G, SZ_1G);
	KUNIT_EXPECT_EQ(test, level_at(l, SZ_1G), 2U);
	ledger_destroy(l);
}

/* However far down, if nothing is mapped there */
static void a_block_takes_the_place_of_empty_nodes(struct kunit *test)
{
	struct ledger *l = make_ledger(test);
	u64 off;

	for (off = 0; off < SZ_1G; off += SZ_2M)
		map(test, l, off, SZ_4K, 12);
	for (off = 0; off < SZ_1G; off += SZ_2M)
		unmap(test, l, off, SZ_4K);
	map(test, l, 0, SZ_1G, 30);
	KUNIT_EXPECT_EQ(test, level_at(l, 0), 2U);
	KUNIT_EXPECT_EQ(test, ledger_mapped(l), SZ_1G);
	/* And they are used again */
	unmap(test, l, 0, SZ_1G);
	KUNIT_EXPECT_NOT_NULL(test, l->nodes[0]);
	map(test, l, 0, SZ_1G, 12);
	KUNIT_EXPECT_NULL(test, l->nodes[0]);
	ledger_destroy(l);
}

static u64 chunk_bytes(const struct ledger *l)
{
	const struct ledger_chunk *c;
	u64 bytes = 0;

	for (c = l->chunks; c; c = c->next)
		bytes += c->size;
	for (c = l->spares.chunk; c; c = c->next)
		bytes += c->size;
	return bytes;
}

/* In other places each time, but not more of them */
static void memory_is_bounded_by_the_peak(struct kunit *test)
{
	struct ledger *l = make_ledger(test);
	struct ledger_claimed claimed;
	u64 bytes = 0, off, table, at;
	unsigned int round;

	for (round = 0; round < 512; round++) {
		at = (round * 37ULL % 512 << 30) + (round * 101ULL % 512 << 21);
		for (table = 0; table < 8; table++) {
			off = (table << 39) + at;
			map(test, l, off, SZ_4K, 12);
		}
		bytes = bytes ?: chunk_bytes(l);
		/* Each table goes, whatever was in it */
		for (table = 0; table < 8; table++) {
			off = (table << 39) + at;
			unmap(test, l, off, SZ_4K);
			off = table << 39;
			KUNIT_ASSERT_EQ(test, ledger_claim(l, off, off + BIT_ULL(39) - 1,
							   LEDGER_MAP, GFP_KERNEL, &claimed), 0);
			ledger_settle(l, off, off + BIT_ULL(39) - 1, LEDGER_UNMAPPED);
		}
	}
	KUNIT_EXPECT_EQ(test, chunk_bytes(l), bytes);
	KUNIT_EXPECT_EQ(test, ledger_bytes(l), bytes);
	KUNIT_EXPECT_EQ(test, level_at(l, 0), 3U);
	ledger_destroy(l);
}

static void an_unmap_knows_its_entries_and_tables(struct kunit *test)
{
	struct ledger *l = make_ledger(test);
	struct ledger_claimed claimed;

	map(test, l, 0, SZ_2M, 21);
	map(test, l, SZ_2M, SZ_64K, 16);
	claimed = unmap(test, l, 0, SZ_2M);
	KUNIT_EXPECT_EQ(test, claimed.granule, 21U);
	KUNIT_EXPECT_FALSE(test, claimed.tables);
	/* The entries of a contiguous leaf are smaller than the leaf */
	claimed = unmap(test, l, SZ_2M, SZ_64K);
	KUNIT_EXPECT_EQ(test, claimed.granule, 12U);
	KUNIT_EXPECT_FALSE(test, claimed.tables);
	map(test, l, SZ_2M, SZ_2M, 12);
	claimed = unmap(test, l, SZ_2M, SZ_2M);
	KUNIT_EXPECT_EQ(test, claimed.granule, 12U);
	KUNIT_EXPECT_TRUE(test, claimed.tables);
	ledger_destroy(l);
}

/* Of what it met, however much it had claimed before */
static void a_refused_claim_leaves_nothing_claimed(struct kunit *test)
{
	struct ledger *l = make_ledger(test);
	struct ledger_claimed claimed;
	struct ledger_held p;

	map(test, l, SZ_2M, SZ_2M, 12);
	map(test, l, 3 * SZ_2M, SZ_4K, 12);
	/* Held, so that the look sees nothing and the claim does */
	KUNIT_EXPECT_EQ(test, ledger_claim(l, 0, 8ULL * SZ_2M - 1, LEDGER_MAP, GFP_KERNEL,
					   &claimed), -EEXIST);
	KUNIT_EXPECT_EQ(test, ledger_claim(l, SZ_2M, 8ULL * SZ_2M - 1, LEDGER_UNMAP, 0, &claimed),
			-ENOENT);
	KUNIT_EXPECT_EQ(test, ledger_check(l, 0, BIT_ULL(48) - 1, LEDGER_LOOK), 0);
	KUNIT_EXPECT_TRUE(test, !ledger_hold(l, 0, SZ_2M - 1, 21, LEDGER_MAP, GFP_KERNEL, &p));
	ledger_destroy(l);
}

static void nodes_that_cannot_be_had_change_nothing(struct kunit *test)
{
	struct ledger_spares none = {};
	struct ledger *l = make_ledger(test);
	struct ledger_claimed claimed;

	/* An empty reservation is what a lack of memory looks like */
	ledger_attach(l, &none);
	KUNIT_EXPECT_EQ(test, ledger_claim(l, SZ_4K, SZ_2M - 1, LEDGER_MAP,
					   IO_PGTABLE_SAFE_RESERVED, &claimed), -ENOMEM);
	KUNIT_EXPECT_EQ(test, ledger_claim(l, 0, BIT_ULL(39) - 1, LEDGER_MAP,
					   IO_PGTABLE_SAFE_RESERVED, &claimed), 0);
	KUNIT_EXPECT_EQ(test, ledger_record(l, 0, SZ_2M - 1, 21, IO_PGTABLE_SAFE_RESERVED),
			-ENOMEM);
	ledger_settle(l, 0, BIT_ULL(39) - 1, LEDGER_FREED);
	KUNIT_EXPECT_EQ(test, ledger_check(l, 0, BIT_ULL(48) - 1, LEDGER_MAP), 0);
	ledger_attach(l, NULL);
	ledger_destroy(l);
}

/*
 * Others may still be on their way to a node, so its memory may not be freed before the
 * ledger. A reservation gives one chunk, and leaves it if it is freed.
 */
static void what_was_used_never_goes_to_a_reservation(struct kunit *test)
{
	struct ledger_spares reserve = {};
	struct ledger *l = make_ledger(test);
	u64 left, size;

	/* So that there are nodes above */
	map(test, l, SZ_2M, SZ_4K, 12);
	map(test, l, SZ_1G, SZ_4K, 12);
	KUNIT_ASSERT_EQ(test, ledger_reserve(l, &reserve, GFP_KERNEL), 0);
	KUNIT_ASSERT_EQ(test, ledger_reserve(l, &reserve, GFP_KERNEL), 0);
	left = ledger_spare_bytes(&reserve);
	ledger_attach(l, &reserve);
	KUNIT_EXPECT_EQ(test, ledger_spare_bytes(&reserve), left / 2);
	map_with(test, l, 0, SZ_4K, 12, IO_PGTABLE_SAFE_RESERVED);
	KUNIT_EXPECT_EQ(test, ledger_spare_bytes(&reserve), left / 2);
	ledger_attach(l, NULL);
	ledger_attach(l, &reserve);
	KUNIT_EXPECT_EQ(test, ledger_spare_bytes(&reserve), left / 2);
	/* More than what is left of the one, and a chunk that was begun is the ledger's */
	size = div_u64(left / 4 * 3, ledger_node_size(l, 0)) * SZ_2M;
	map_with(test, l, SZ_1G + SZ_2M, size, 12, IO_PGTABLE_SAFE_RESERVED);
	KUNIT_EXPECT_LT(test, ledger_spare_bytes(&reserve), left / 2);
	KUNIT_EXPECT_NULL(test, reserve.chunk);
	ledger_attach(l, NULL);
	ledger_free_chunks(&reserve.chunk);
	KUNIT_EXPECT_EQ(test, ledger_mapped(l), 3 * SZ_4K + size);
	ledger_destroy(l);
}

static struct kunit_case ledger_cases[] = {
	KUNIT_CASE_PARAM(random_operations_match_the_model, geometries_gen_params),
	KUNIT_CASE(a_node_goes_with_its_table),
	KUNIT_CASE(a_block_takes_the_place_of_empty_nodes),
	KUNIT_CASE(memory_is_bounded_by_the_peak),
	KUNIT_CASE(an_unmap_knows_its_entries_and_tables),
	KUNIT_CASE(a_refused_claim_leaves_nothing_claimed),
	KUNIT_CASE(nodes_that_cannot_be_had_change_nothing),
	KUNIT_CASE(what_was_used_never_goes_to_a_reservation),
	{}
};

static struct kunit_suite ledger_suite = {
	.name = "io_pgtable_safe_ledger",
	.test_cases = ledger_cases,
};

kunit_test_suites(&ledger_suite);
