// SPDX-License-Identifier: GPL-2.0
/*
 * Reservations: that they suffice for whatever is mapped, that they are not
 * larger than that takes, and that nothing else is taken meanwhile.
 */
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "descriptors.h"
#include "helpers.h"
#include "io_pgtable_safe_compat.h"
#include "mock_format.h"

PGT_FORMATS_PARAM();

#define FORMAT_CASE(name) KUNIT_CASE_PARAM(name, pgt_formats_gen_params)

static struct io_pgtable_safe_map_result map_with(struct kunit *test, u64 iova, u64 size,
						  gfp_t gfp)
{
	return io_pgtable_safe_map(pgt_fixture(test)->pgt, iova, 0, size, PGT_PROT, gfp);
}

static bool tables_come_from_the_layer(struct kunit *test)
{
#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
	switch (pgt_fixture(test)->format->fmt) {
	case ARM_V7S:
	case APPLE_DART:
	case APPLE_DART2:
		return false;
	default:
		return true;
	}
#else
	return false;
#endif
}

static void expect_no_reserve(struct kunit *test, u64 iova, u64 size, gfp_t gfp, int err)
{
	struct io_pgtable_safe_reserve *r;

	r = io_pgtable_safe_reserve(pgt_fixture(test)->pgt, iova, size, gfp);
	KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(r), err, "from %pS", (void *)_RET_IP_);
	io_pgtable_safe_unreserve(r);
}

static void formats_whose_tables_are_elsewhere_take_none(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 iova = at(test, 0), size = fix->granule;
	struct io_pgtable_safe_reserve *r;

	if (!tables_come_from_the_layer(test)) {
		expect_no_reserve(test, iova, size, GFP_KERNEL, -EOPNOTSUPP);
		check_map_result(test, map_with(test, iova, size, IO_PGTABLE_SAFE_RESERVED),
				 0, -EINVAL);
		return;
	}
	r = io_pgtable_safe_reserve(fix->pgt, iova, size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r);
	io_pgtable_safe_unreserve(r);
}

static void a_wrapped_table_takes_none(struct kunit *test)
{
	open_mock(test, NULL);
	expect_no_reserve(test, 0, SZ_2M, GFP_KERNEL, -EOPNOTSUPP);
	check_map_result(test, map_with(test, 0, SZ_4K, IO_PGTABLE_SAFE_RESERVED), 0, -EINVAL);
}

#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
/* --- a driver's allocator that must not be called ------------------------- */

/**
 * struct strict - The allocator.
 * @allocator: What it takes pages from.
 * @closed: Nobody may ask it.
 * @naps: It sleeps now and then.
 * @kill: With the nth call from now a fatal signal comes; 0 for none.
 * @calls: How often somebody did nevertheless, or for what is reserved.
 */
static struct strict {
	struct io_pgtable_cfg allocator;
	bool closed;
	bool naps;
	unsigned int kill;
	atomic_t calls;
} strict;

static void kill_me(void)
{
	sigaddset(&current->pending.signal, SIGKILL);
	set_tsk_thread_flag(current, TIF_SIGPENDING);
}

static void *strict_alloc(void *cookie, size_t size, gfp_t gfp)
{
	if (strict.closed || gfp == IO_PGTABLE_SAFE_RESERVED) {
		atomic_inc(&strict.calls);
		return NULL;
	}
	if (strict.kill && !--strict.kill)
		kill_me();
	if (strict.naps && gfpflags_allow_blocking(gfp))
		schedule_timeout_uninterruptible(1);
	return strict.allocator.alloc(cookie, size, gfp);
}

static void strict_free(void *cookie, void *pages, size_t size)
{
	strict.allocator.free(cookie, pages, size);
}

static void open_strict(struct kunit *test, const struct pgt_format *format)
{
	struct pgt_format counted = *format;
	struct io_pgtable_cfg cfg;

	/* Count those pages as well that otherwise come from the kernel */
	counted.kernel_pages = false;
	strict = (struct strict){};
	pgt_make_cfg(test, &counted, &strict.allocator);
	cfg = strict.allocator;
	if (!cfg.alloc)
		kunit_skip(test, "tables of %s do not come from the layer", format->name);
	cfg.alloc = strict_alloc;
	cfg.free = strict_free;
	open_cfg(test, format->fmt, &cfg);
	pgt_fixture(test)->format = format;
}

static struct io_pgtable_safe_reserve *reserve(struct kunit *test, u64 iova, u64 size)
{
	struct io_pgtable_safe_reserve *r;

	r = io_pgtable_safe_reserve(pgt_fixture(test)->pgt, iova, size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r);
	return r;
}

static void attach(struct kunit *test, struct io_pgtable_safe_reserve *r)
{
	KUNIT_ASSERT_EQ(test, io_pgtable_safe_reserve_attach(pgt_fixture(test)->pgt, r), 0);
}

static struct io_pgtable_safe_reserve *reserve_and_attach(struct kunit *test, u64 iova,
							  u64 size)
{
	struct io_pgtable_safe_reserve *r = reserve(test, iova, size);

	attach(test, r);
	return r;
}

/* --- arguments ------------------------------------------------------------ */

static void bad_ranges_are_refused(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);

	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	expect_no_reserve(test, SZ_4K, 0, GFP_KERNEL, -EINVAL);
	expect_no_reserve(test, SZ_4K + 1, SZ_4K, GFP_KERNEL, -EINVAL);
	expect_no_reserve(test, SZ_4K, SZ_4K - 1, GFP_KERNEL, -EINVAL);
	expect_no_reserve(test, fix->last - SZ_4K + 1, SZ_8K, GFP_KERNEL, -ERANGE);
	expect_no_reserve(test, fix->last + 1, SZ_4K, GFP_KERNEL, -ERANGE);
	expect_no_reserve(test, -SZ_8K, SZ_16K, GFP_KERNEL, -EOVERFLOW);
	expect_no_reserve(test, 0, SZ_4K, GFP_KERNEL | __GFP_COMP, -EINVAL);
	expect_no_reserve(test, 0, SZ_4K, GFP_KERNEL | __GFP_DMA, -EINVAL);
	expect_no_reserve(test, 0, SZ_4K, IO_PGTABLE_SAFE_RESERVED, -EINVAL);
}

static void what_no_machine_has_is_refused_at_once(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	int allocs;

	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	allocs = atomic_read(&fix->page_allocs);
	expect_no_reserve(test, 0, BIT_ULL(48), GFP_KERNEL, -ENOMEM);
	KUNIT_EXPECT_EQ(test, atomic_read(&fix->page_allocs), allocs);
}

/* Whichever allocation of a page fails: the fixture looks for leaks. */
static void half_a_reservation_is_none(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	unsigned int n;

	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	for (n = 1; n <= 5; n++) {
		atomic_set(&fix->fail_page, n);
		/* Two tables of pages and three above */
		expect_no_reserve(test, SZ_2M, SZ_4M, GFP_KERNEL, n <= 4 ? -ENOMEM : 0);
	}
}

static void half_a_reservation_of_nodes_is_none(struct kunit *test)
{
	struct io_pgtable_safe_reserve *r;
	unsigned int n, failures = 0;
	bool failed = true;

	skip_without_fault_injection(test);
	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	for (n = 1; n < 64 && failed; n++) {
		fail_nth_allocation(n);
		r = io_pgtable_safe_reserve(pgt_fixture(test)->pgt, SZ_2M, SZ_4M,
					    PGT_GFP_FAULTY);
		failed = an_allocation_failed();
		/* The slab may have tried for more than it needs */
		failures += IS_ERR(r);
		KUNIT_EXPECT_TRUE(test, !IS_ERR(r) || PTR_ERR(r) == -ENOMEM);
		io_pgtable_safe_unreserve(r);
	}
	/* The reservation, four tables' records, and what the ledger wants */
	KUNIT_EXPECT_GE(test, failures, 1 + 4 + 2);
	KUNIT_EXPECT_FALSE(test, failed);
}

static void a_fatal_signal_ends_it(struct kunit *test)
{
	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	kill_me();
	expect_no_reserve(test, SZ_2M, SZ_4M, GFP_KERNEL, -EINTR);
	/* Not in a hurry: nobody waits for long */
	expect_no_reserve(test, SZ_2M, SZ_4M, GFP_ATOMIC, 0);
	flush_signals(current);
	expect_no_reserve(test, SZ_2M, SZ_4M, GFP_KERNEL, 0);
}

/* With the last of three tables: what the ledger wants is not allocated any more */
static void a_fatal_signal_ends_it_late(struct kunit *test)
{
	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	strict.kill = 3;
	expect_no_reserve(test, 0, SZ_2M, GFP_KERNEL, -EINTR);
	flush_signals(current);
}

/* Of a table that cannot be used any more, nothing is worth reserving */
static void a_broken_table_takes_none(struct kunit *test)
{
	struct pgt_format quiet = pgt_formats[PGT_LPAE_4K];
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe_reserve *r;

	if (!IO_PGTABLE_QUIRK_NO_WARN)
		kunit_skip(test, "this kernel's formats WARN() at what would break a table");
	quiet.quirks |= IO_PGTABLE_QUIRK_NO_WARN;
	open_strict(test, &quiet);
	r = reserve(test, SZ_2M, SZ_2M);
	do_map(test, 0, 0, SZ_4K);
	/* What breaks it: the page goes behind the layer's back */
	KUNIT_ASSERT_EQ(test, fix->raw->unmap_pages(fix->raw, 0, SZ_4K, 1, NULL),
			(size_t)SZ_4K);
	check_unmap_result(test, io_pgtable_safe_unmap(fix->pgt, 0, SZ_4K, 0), 0, -EIO);

	expect_no_reserve(test, SZ_2M, SZ_2M, GFP_KERNEL, -EIO);
	attach(test, r);
	check_map_result(test, map_with(test, SZ_2M, SZ_4K, IO_PGTABLE_SAFE_RESERVED), 0, -EIO);
	check_broken(test);
	io_pgtable_safe_unreserve(r);
}

/* --- attach and detach ---------------------------------------------------- */

static void one_reservation_at_a_time(struct kunit *test)
{
	struct io_pgtable_safe_reserve *a, *b;
	struct io_pgtable_safe *pgt;

	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	pgt = pgt_fixture(test)->pgt;
	a = reserve_and_attach(test, 0, SZ_2M);
	b = reserve(test, 0, SZ_2M);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_reserve_attach(pgt, a), -EBUSY);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_reserve_attach(pgt, b), -EBUSY);
	io_pgtable_safe_reserve_detach(pgt);
	attach(test, b);
	io_pgtable_safe_unreserve(a);
	check_map_result(test, map_with(test, 0, SZ_4K, IO_PGTABLE_SAFE_RESERVED), SZ_4K, 0);
	/* Detaches it */
	io_pgtable_safe_unreserve(b);
	check_map_result(test, map_with(test, SZ_4K, SZ_4K, IO_PGTABLE_SAFE_RESERVED),
			 0, -EINVAL);
	io_pgtable_safe_reserve_detach(pgt);
	do_unmap(test, 0, SZ_4K);
	io_pgtable_safe_unreserve(NULL);
	io_pgtable_safe_unreserve(ERR_PTR(-ENOMEM));
}

static void a_reservation_is_for_one_table(struct kunit *test)
{
	struct io_pgtable_safe_reserve *r;

	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	r = reserve_and_attach(test, 0, SZ_4M);
	io_pgtable_safe_free(pgt_fixture(test)->pgt);
	pgt_fixture(test)->pgt = NULL;
	/* Possibly in the same place, and with smaller nodes */
	open_cfg(test, ARM_64_LPAE_S1, &strict.allocator);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_reserve_attach(pgt_fixture(test)->pgt, r),
			-EINVAL);
	check_map_result(test, map_with(test, 0, SZ_4K, IO_PGTABLE_SAFE_RESERVED), 0, -EINVAL);
	io_pgtable_safe_unreserve(r);
}

static void refuse_everywhere(struct kunit *test, u64 iova, u64 size, gfp_t gfp, int err)
{
	struct sg_piece piece = { SZ_1G, size };
	struct sg_table *sgt = make_dma_table(test, &piece, 1);
	struct io_pgtable_safe *pgt = pgt_fixture(test)->pgt;

	check_map_result(test, map_with(test, iova, size, gfp), 0, err);
	check_map_result(test, io_pgtable_safe_map_pages(pgt, iova, 0, SZ_4K, size / SZ_4K,
							 PGT_PROT, gfp), 0, err);
	check_map_result(test, io_pgtable_safe_try_map_pages(pgt, iova, 0, SZ_4K,
							     size / SZ_4K, PGT_PROT, gfp),
			 0, err);
	check_map_result(test, map_dma_table(test, iova, sgt, 0, size, gfp), 0, err);
	check_map_result(test, io_pgtable_safe_map_repeat(pgt, iova, 0, SZ_4K, 0, size,
							  PGT_PROT, gfp), 0, err);
}

static void what_is_not_reserved_is_refused(struct kunit *test)
{
	struct io_pgtable_safe_reserve *r;
	u64 left;

	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	refuse_everywhere(test, SZ_2M, SZ_8K, IO_PGTABLE_SAFE_RESERVED, -EINVAL);
	r = reserve_and_attach(test, SZ_2M, SZ_2M);
	left = io_pgtable_safe_reserve_left(r);
	refuse_everywhere(test, SZ_2M - SZ_4K, SZ_8K, IO_PGTABLE_SAFE_RESERVED, -ERANGE);
	refuse_everywhere(test, SZ_4M - SZ_4K, SZ_8K, IO_PGTABLE_SAFE_RESERVED, -ERANGE);
	refuse_everywhere(test, 0, SZ_1G, IO_PGTABLE_SAFE_RESERVED, -ERANGE);
	/* Has all the flags, and more */
	refuse_everywhere(test, SZ_2M, SZ_8K, GFP_KERNEL | IO_PGTABLE_SAFE_RESERVED,
			  -EINVAL);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_reserve_left(r), left);
	check_mapped(test, 0);
	io_pgtable_safe_unreserve(r);
}

static void others_leave_it_alone(struct kunit *test)
{
	struct io_pgtable_safe_reserve *r;
	u64 left;

	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	r = reserve_and_attach(test, SZ_2M, SZ_4M);
	left = io_pgtable_safe_reserve_left(r);
	do_map(test, 0, 0, SZ_4K);
	do_map(test, SZ_1G, SZ_4K, SZ_4M);
	/* Even in its range */
	do_map(test, SZ_2M, 0, SZ_4K);
	do_unmap(test, SZ_1G, SZ_4M);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_reserve_left(r), left);
	io_pgtable_safe_unreserve(r);
}

static void a_table_may_go_before_its_reservation(struct kunit *test)
{
	struct io_pgtable_safe_reserve *r;

	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	r = reserve_and_attach(test, SZ_2M, SZ_4M);
	check_map_result(test, map_with(test, SZ_2M, SZ_4K, IO_PGTABLE_SAFE_RESERVED),
			 SZ_4K, 0);
	do_unmap(test, SZ_2M, SZ_4K);
	io_pgtable_safe_free(pgt_fixture(test)->pgt);
	pgt_fixture(test)->pgt = NULL;
	KUNIT_EXPECT_GT(test, atomic_long_read(&pgt_fixture(test)->pages), 0);
	io_pgtable_safe_unreserve(r);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&pgt_fixture(test)->pages), 0);
}

/* --- enough, and no more -------------------------------------------------- */

/* The range that a table of pages describes. */
static u64 table_span(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;

	return granule * (granule / sizeof(u64));
}

/*
 * Map where nothing may be allocated. Nothing that could be made to fail, that
 * is, and nobody looks at the task.
 */
static void map_reserved(struct kunit *test, u64 iova, phys_addr_t paddr, u64 size)
{
	struct io_pgtable_safe_map_result res;
	unsigned long flags;
	bool failed;

	strict.closed = true;
	fail_nth_allocation(1);
	local_irq_save(flags);
	res = io_pgtable_safe_map(pgt_fixture(test)->pgt, iova, paddr, size, PGT_PROT,
				  IO_PGTABLE_SAFE_RESERVED);
	local_irq_restore(flags);
	failed = an_allocation_failed();
	strict.closed = false;

	check_map_result(test, res, size, 0);
	if (IS_ENABLED(CONFIG_FAILSLAB))
		KUNIT_EXPECT_FALSE_MSG(test, failed, "map of %#llx allocates", iova);
	KUNIT_EXPECT_EQ(test, atomic_read(&strict.calls), 0);
}

/* One page for each table there can be, on both sides of the highest boundary. */
static void the_worst_case_takes_all_of_it(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe_reserve *r;
	u64 span, first, size, off;
	long pages;

	open_strict(test, test->param_value);
	span = table_span(test);
	first = at(test, BIT_ULL(fix->cfg->ias - 1) - 3 * span + fix->granule);
	size = 6 * span - 2 * fix->granule;
	r = reserve_and_attach(test, first, size);
	for (off = 0; off < size; off += span) {
		KUNIT_EXPECT_GT(test, io_pgtable_safe_reserve_left(r), 0);
		map_reserved(test, first + off, 0, fix->granule);
	}
	/* What is for cuts and for blocks, but not a table */
	KUNIT_EXPECT_LT(test, io_pgtable_safe_reserve_left(r), SZ_32K);
	/* And there is room for the rest */
	for (off = 0; off < size; off += span)
		map_reserved(test, first + off + fix->granule, SZ_1M, fix->granule);
	pages = atomic_long_read(&fix->pages);
	io_pgtable_safe_unreserve(r);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&fix->pages), pages);
}

static void the_cost_is_as_documented(struct kunit *test)
{
	struct io_pgtable_safe_reserve *r;
	u64 left;

	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	r = reserve(test, SZ_1G, SZ_1G);
	left = io_pgtable_safe_reserve_left(r);
	KUNIT_EXPECT_GE(test, left, 514ULL * SZ_4K);
	/* Some 250 bytes, and more where locks are debugged */
	KUNIT_EXPECT_LE(test, left, 514ULL * (SZ_4K + 400));
	io_pgtable_safe_unreserve(r);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&pgt_fixture(test)->pages), SZ_4K);
}

static void blocks_take_little(struct kunit *test)
{
	struct io_pgtable_safe_reserve *r;
	u64 left;

	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	r = reserve_and_attach(test, SZ_1G, SZ_1G);
	left = io_pgtable_safe_reserve_left(r);
	map_reserved(test, SZ_1G, SZ_2M, SZ_1G);
	check_leaf(test, SZ_1G, SZ_2M);
	/* The tables of 512G and 1G, and what the ledger has for them */
	KUNIT_EXPECT_LE(test, io_pgtable_safe_reserve_left(r), left - 2 * SZ_4K);
	KUNIT_EXPECT_GE(test, io_pgtable_safe_reserve_left(r), left - 2 * (SZ_8K + SZ_1K));
	io_pgtable_safe_unreserve(r);
	do_unmap(test, SZ_1G, SZ_1G);
}

#define PIECES 24

/**
 * struct piece - What is mapped at once.
 * @first: Offset in the range, in granules.
 * @n: Length in granules.
 */
struct piece {
	u64 first;
	u64 n;
};

static u32 rnd(struct rnd_state *state, u32 below)
{
	return (u64)prandom_u32_state(state) * below >> 32;
}

/* Somewhere in a few tables, and often at the border of one. */
static u64 rnd_cut(struct kunit *test, struct rnd_state *state, u64 n)
{
	u64 granule = pgt_fixture(test)->granule, ptes = granule / sizeof(u64);
	u64 cut = rnd(state, n);

	return rnd(state, 3) ? cut : cut & ~(ptes - 1);
}

/* Cut n granules into pieces, in any order. */
static void make_pieces(struct kunit *test, struct rnd_state *state, u64 n,
			struct piece *pieces)
{
	unsigned int i, j;
	u64 end = n;

	for (i = 0; i < PIECES; i++)
		pieces[i].first = i ? rnd_cut(test, state, n) : 0;
	/* What each has up to the next of them */
	for (i = 0; i < PIECES; i++) {
		for (end = n, j = 0; j < PIECES; j++)
			if (pieces[j].first > pieces[i].first)
				end = min(end, pieces[j].first);
		pieces[i].n = end - pieces[i].first;
		for (j = 0; j < i; j++)
			if (pieces[j].first == pieces[i].first)
				pieces[i].n = 0;
	}
	for (i = PIECES - 1; i; i--) {
		j = rnd(state, i + 1);
		swap(pieces[i], pieces[j]);
	}
}

/* Where a range of n granules crosses a border of tables, of whatever level. */
static u64 rnd_range(struct kunit *test, struct rnd_state *state, u64 n)
{
	struct pgt_test *fix = pgt_fixture(test);
	unsigned int low = __ffs64(table_span(test));
	unsigned int shift = low + rnd(state, fix->cfg->ias - low);
	u64 before = rnd(state, n) * fix->granule;

	/* Not before the first byte, and not beyond the last */
	if (BIT_ULL(shift) < before || BIT_ULL(shift) - before + n * fix->granule >
	    fix->last - fix->base)
		return fix->base;
	return at(test, BIT_ULL(shift) - before);
}

/* The same offset in 2M and the like as the iova, or another. */
static u64 rnd_memory(struct kunit *test, struct rnd_state *state, u64 iova)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 span = table_span(test);

	iova &= span - 1;
	if (BIT_ULL(fix->cfg->oas) < 8 * span)
		return iova;
	return iova + (rnd(state, 2) ? span : fix->granule);
}

/* Tables and leaves that are there before, close to the range or in it. */
static void make_neighbours(struct kunit *test, struct rnd_state *state, u64 iova, u64 size)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 off = rnd(state, size / fix->granule) * fix->granule;

	if (rnd(state, 2)) {
		do_map(test, iova + off, 0, fix->granule);
		do_unmap(test, iova + off, fix->granule);
	}
	if (rnd(state, 2) && iova > fix->base)
		do_map(test, iova - fix->granule, 0, fix->granule);
	if (rnd(state, 2))
		do_map(test, iova + size, 0, fix->granule);
}

static void map_all_pieces(struct kunit *test, struct rnd_state *state)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 n = 1 + rnd(state, 3 * table_span(test) / fix->granule), iova, at_iova;
	u64 size = n * fix->granule;
	struct io_pgtable_safe_reserve *r;
	struct piece pieces[PIECES];
	unsigned int i;

	iova = rnd_range(test, state, n);
	make_neighbours(test, state, iova, size);
	r = reserve_and_attach(test, iova, size);
	make_pieces(test, state, n, pieces);
	for (i = 0; i < PIECES; i++) {
		/* Some holes */
		if (!pieces[i].n || !rnd(state, 6))
			continue;
		at_iova = iova + pieces[i].first * fix->granule;
		map_reserved(test, at_iova, rnd_memory(test, state, at_iova),
			     pieces[i].n * fix->granule);
	}
	io_pgtable_safe_unreserve(r);
	do_unmap_present(test, fix->base, fix->last - fix->base + 1 - fix->granule,
			 io_pgtable_safe_mapped(fix->pgt));
}

/* Unless a table had been there before, an empty one each time. */
static void whatever_is_mapped_there_is_enough(struct kunit *test)
{
	unsigned int seed = pgt_random_seed(test), i;
	struct rnd_state state;

	prandom_seed_state(&state, seed);
	for (i = 0; i < 12; i++) {
		open_strict(test, test->param_value);
		map_all_pieces(test, &state);
		map_all_pieces(test, &state);
		close_table(test);
	}
}

static void tables_and_lists_of_pages_too(struct kunit *test)
{
	static const struct sg_piece list[] = {
		{ SZ_1G, SZ_16K }, { SZ_2M, SZ_2M }, { SZ_4K, SZ_4M }, { SZ_1G + SZ_2M, SZ_2M },
	};
	u64 size = SZ_16K + SZ_2M + SZ_4M + SZ_2M;
	struct io_pgtable_safe_map_result res;
	struct io_pgtable_safe_reserve *r;
	struct sg_table *sgt;

	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	sgt = make_dma_table(test, list, ARRAY_SIZE(list));
	r = reserve_and_attach(test, SZ_1G - SZ_16K, size);
	strict.closed = true;
	fail_nth_allocation(1);
	res = map_dma_table(test, SZ_1G - SZ_16K, sgt, 0, size, IO_PGTABLE_SAFE_RESERVED);
	check_map_result(test, res, size, 0);
	KUNIT_EXPECT_FALSE(test, IS_ENABLED(CONFIG_FAILSLAB) && an_allocation_failed());
	strict.closed = false;
	io_pgtable_safe_unreserve(r);
	do_unmap(test, SZ_1G - SZ_16K, size);

	r = reserve_and_attach(test, SZ_1G - SZ_16K, size);
	strict.closed = true;
	fail_nth_allocation(1);
	res = io_pgtable_safe_map_repeat(pgt_fixture(test)->pgt, SZ_1G - SZ_16K, SZ_2M,
					 SZ_64K, 0, size, PGT_PROT,
					 IO_PGTABLE_SAFE_RESERVED);
	check_map_result(test, res, size, 0);
	KUNIT_EXPECT_FALSE(test, IS_ENABLED(CONFIG_FAILSLAB) && an_allocation_failed());
	strict.closed = false;
	io_pgtable_safe_unreserve(r);
}

#define OTHER_PROT (IOMMU_READ | IOMMU_NOEXEC)

/* Blocks of another protection, however the slab is doing. */
static void blocks_of_another_protection_take_from_it(struct kunit *test)
{
	struct io_pgtable_safe_map_result res;
	struct io_pgtable_safe_reserve *r;
	unsigned int n;
	u64 iova;

	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	do_map(test, 0, 0, SZ_2M);
	r = reserve_and_attach(test, BIT_ULL(40) - 40 * (u64)SZ_2M, 80ULL * SZ_2M);
	strict.closed = true;
	for (n = 0; n < 80; n++) {
		iova = BIT_ULL(40) + ((int)(n * 37 % 80) - 40) * (s64)SZ_2M;
		fail_nth_allocation(1 + n % 3);
		res = io_pgtable_safe_map(pgt_fixture(test)->pgt, iova, SZ_2M, SZ_2M,
					  OTHER_PROT, IO_PGTABLE_SAFE_RESERVED);
		check_map_result(test, res, SZ_2M, 0);
		an_allocation_failed();
	}
	strict.closed = false;
	KUNIT_EXPECT_EQ(test, atomic_read(&strict.calls), 0);
	io_pgtable_safe_unreserve(r);
}

static void cut_reserved(struct kunit *test, u64 iova, u64 size)
{
	struct io_pgtable_safe_unmap_result res;
	unsigned long flags;
	bool failed;

	strict.closed = true;
	fail_nth_allocation(1);
	local_irq_save(flags);
	res = io_pgtable_safe_cut(pgt_fixture(test)->pgt, iova, size, PGT_PROT,
				  IO_PGTABLE_SAFE_RESERVED, 0);
	local_irq_restore(flags);
	failed = an_allocation_failed();
	strict.closed = false;
	check_unmap_result(test, res, size, 0);
	if (IS_ENABLED(CONFIG_FAILSLAB))
		KUNIT_EXPECT_FALSE_MSG(test, failed, "cut of %#llx allocates", iova);
	KUNIT_EXPECT_EQ(test, atomic_read(&strict.calls), 0);
}

/* With a leaf in the top level of the ledger, and with one further down. */
static void cut_many_times(struct kunit *test, enum pgt_format_id format)
{
	struct io_pgtable_safe_reserve *r;
	unsigned int n;
	u64 iova;

	open_strict(test, &pgt_formats[format]);
	do_map(test, SZ_1G, SZ_1G, SZ_1G);
	check_leaf(test, SZ_1G, SZ_1G);
	r = reserve_and_attach(test, SZ_1G, SZ_1G);
	for (n = 0; n < 100; n++) {
		/* In each second of two blocks, and across them */
		iova = SZ_1G + (n * 37 % 100) * (u64)SZ_4M + SZ_2M;
		cut_reserved(test, iova - SZ_4K, n % 2 ? SZ_8K : SZ_16K);
		check_hole(test, iova - SZ_4K, SZ_8K);
		check_range(test, iova - SZ_2M, iova - SZ_2M, SZ_1M);
	}
	io_pgtable_safe_unreserve(r);
	check_mapped(test, SZ_1G - 50ULL * (SZ_8K + SZ_16K));
}

static void cuts_take_from_it(struct kunit *test)
{
	cut_many_times(test, PGT_LPAE_4K);
}

static void cuts_of_the_largest_blocks_take_from_it(struct kunit *test)
{
	cut_many_times(test, PGT_LPAE_4K_IAS39);
}

static void cut_fails(struct kunit *test, u64 iova, u64 size, gfp_t gfp, int err)
{
	struct io_pgtable_safe *pgt = pgt_fixture(test)->pgt;
	struct pgt_snapshot snap;

	take_snapshot(test, &snap, SZ_1G, SZ_1G);
	check_unmap_result(test, io_pgtable_safe_cut(pgt, iova, size, PGT_PROT, gfp, 0), 0,
			   err);
	check_snapshot(test, &snap);
}

static void all_of_a_leaf_must_be_reserved_for(struct kunit *test)
{
	struct io_pgtable_safe_reserve *r;

	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	do_map(test, SZ_1G, SZ_1G, SZ_1G);
	cut_fails(test, SZ_1G + SZ_4M, SZ_4K, IO_PGTABLE_SAFE_RESERVED, -EINVAL);
	r = reserve_and_attach(test, SZ_1G, SZ_512M);
	cut_fails(test, SZ_1G + SZ_4M, SZ_4K, IO_PGTABLE_SAFE_RESERVED, -ERANGE);
	cut_fails(test, SZ_1G + SZ_512M, SZ_4K, IO_PGTABLE_SAFE_RESERVED, -ERANGE);
	io_pgtable_safe_unreserve(r);
}

static void both_leaves_must_be_reserved_for(struct kunit *test)
{
	struct io_pgtable_safe_reserve *r;

	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	do_map(test, SZ_1G, SZ_1G, SZ_4M);
	r = reserve_and_attach(test, SZ_1G, SZ_2M + SZ_4K);
	cut_fails(test, SZ_1G + SZ_2M - SZ_4K, SZ_8K, IO_PGTABLE_SAFE_RESERVED, -ERANGE);
	io_pgtable_safe_unreserve(r);
	r = reserve_and_attach(test, SZ_1G + SZ_2M - SZ_4K, SZ_2M + SZ_4K);
	cut_fails(test, SZ_1G + SZ_2M - SZ_4K, SZ_8K, IO_PGTABLE_SAFE_RESERVED, -ERANGE);
	io_pgtable_safe_unreserve(r);
}

/* Each cut of a large block takes tables for what is left of it, until there are none. */
static void a_cut_that_finds_too_little_changes_nothing(struct kunit *test)
{
	struct io_pgtable_safe_unmap_result res = {};
	struct io_pgtable_safe_reserve *r;
	unsigned int n;
	u64 left;

	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	do_map(test, SZ_1G, SZ_1G, SZ_1G);
	r = reserve_and_attach(test, SZ_1G, SZ_1G);
	for (n = 0; n < 600; n++) {
		res = io_pgtable_safe_cut(pgt_fixture(test)->pgt, SZ_1G + SZ_4M, SZ_4K, PGT_PROT,
					  IO_PGTABLE_SAFE_RESERVED, 0);
		if (res.err)
			break;
		do_unmap_present(test, SZ_1G, SZ_1G, SZ_1G - SZ_4K);
		do_map(test, SZ_1G, SZ_1G, SZ_1G);
	}
	check_unmap_result(test, res, 0, -ENOMEM);
	KUNIT_EXPECT_GT(test, n, 0U);
	/* Nor is anything lost by trying again */
	left = io_pgtable_safe_reserve_left(r);
	for (n = 0; n < 3; n++)
		cut_fails(test, SZ_1G + SZ_4M, SZ_4K, IO_PGTABLE_SAFE_RESERVED, -ENOMEM);
	check_leaf(test, SZ_1G, SZ_1G);
	KUNIT_EXPECT_LE(test, io_pgtable_safe_reserve_left(r), left);
	KUNIT_EXPECT_EQ(test, atomic_read(&strict.calls), 0);
	io_pgtable_safe_unreserve(r);
	do_unmap(test, SZ_1G, SZ_1G);
}

/* A refusal costs nothing; what is used up is used up. */
static void an_empty_reservation_says_so(struct kunit *test)
{
	struct io_pgtable_safe_reserve *r;
	u64 left;

	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	r = reserve_and_attach(test, SZ_4M, SZ_2M);
	left = io_pgtable_safe_reserve_left(r);
	do_map(test, SZ_4M + SZ_8K, 0, SZ_4K);
	check_map_result(test, map_with(test, SZ_4M, SZ_16K, IO_PGTABLE_SAFE_RESERVED),
			 0, -EEXIST);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_reserve_left(r), left);
	do_unmap(test, SZ_4M + SZ_8K, SZ_4K);
	io_pgtable_safe_unreserve(r);
	close_table(test);

	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	r = reserve_and_attach(test, SZ_4M, SZ_2M);
	map_reserved(test, SZ_4M, SZ_4K, SZ_2M);
	do_unmap(test, SZ_4M, SZ_2M);
	check_map_result(test, io_pgtable_safe_map(pgt_fixture(test)->pgt, SZ_4M, SZ_4K,
						   SZ_2M, PGT_PROT,
						   IO_PGTABLE_SAFE_RESERVED), 0, -ENOMEM);
	check_mapped(test, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&strict.calls), 0);
	io_pgtable_safe_unreserve(r);
}

/* --- beside others -------------------------------------------------------- */

#define NEIGHBOURS	3
#define LANES		(NEIGHBOURS + 1)
#define TABLES		4
#define ROUNDS		60

/**
 * struct neighbour - A thread that maps beside a reservation, in the same tables.
 * @fix: The fixture.
 * @thread: The thread.
 * @lane: Which pages are its own: one in %LANES.
 * @stop: It should be over.
 * @err: The first error.
 */
struct neighbour {
	struct pgt_test *fix;
	struct pgt_thread thread;
	unsigned int lane;
	bool stop;
	int err;
};

/* Each has tables of its own, which are not there yet. */
static unsigned int neighbours_round;

/* One page in each table. The last lane is the reservation's. */
static u64 lane_iova(unsigned int round, unsigned int table, unsigned int lane)
{
	return SZ_1G - SZ_4M + (round * TABLES + table) * (u64)SZ_2M + lane * SZ_4K;
}

static int visit_tables(struct neighbour *n)
{
	struct io_pgtable_safe_unmap_result unmapped;
	struct io_pgtable_safe_map_result mapped;
	unsigned int round = READ_ONCE(neighbours_round), i;
	struct io_pgtable_safe *pgt = n->fix->pgt;

	for (i = 0; i < TABLES; i++) {
		mapped = io_pgtable_safe_map(pgt, lane_iova(round, i, n->lane), 0, SZ_4K,
					     PGT_PROT, GFP_KERNEL);
		if (mapped.err)
			return mapped.err;
	}
	cond_resched();
	for (i = 0; i < TABLES; i++) {
		unmapped = io_pgtable_safe_unmap(pgt, lane_iova(round, i, n->lane), SZ_4K, 0);
		if (unmapped.err)
			return unmapped.err;
	}
	return 0;
}

static void run_neighbour(struct pgt_thread *t)
{
	struct neighbour *n = container_of(t, struct neighbour, thread);

	while (!READ_ONCE(n->stop) && !n->err) {
		n->err = visit_tables(n);
		schedule_timeout_uninterruptible(1);
	}
}

static void map_between_neighbours(struct kunit *test, unsigned int round)
{
	u64 first = lane_iova(round, 0, LANES - 1);
	u64 last = lane_iova(round, TABLES - 1, LANES - 1);
	struct io_pgtable_safe_reserve *r;
	unsigned int i;

	r = reserve_and_attach(test, first, last - first + SZ_4K);
	/* Let them look, find no table, and begin to allocate one */
	WRITE_ONCE(neighbours_round, round);
	schedule_timeout_uninterruptible(1);
	for (i = 0; i < TABLES; i++)
		check_map_result(test, map_with(test, lane_iova(round, i, LANES - 1), SZ_4K,
						IO_PGTABLE_SAFE_RESERVED), SZ_4K, 0);
	io_pgtable_safe_unreserve(r);
	for (i = 0; i < TABLES; i++)
		do_unmap(test, lane_iova(round, i, LANES - 1), SZ_4K);
}

static void neighbours_do_not_matter(struct kunit *test)
{
	static struct neighbour neighbours[NEIGHBOURS];
	struct neighbour *n;
	unsigned int i;

	open_strict(test, &pgt_formats[PGT_LPAE_4K]);
	strict.naps = true;
	neighbours_round = 0;
	memset(neighbours, 0, sizeof(neighbours));
	for (i = 0; i < NEIGHBOURS; i++) {
		n = &neighbours[i];
		n->fix = pgt_fixture(test);
		n->lane = i;
		start_pgt_thread(test, &n->thread, run_neighbour, NULL);
	}
	for (i = 0; i < ROUNDS; i++)
		map_between_neighbours(test, i);
	for (n = neighbours; n < neighbours + NEIGHBOURS; n++)
		WRITE_ONCE(n->stop, true);
	for (n = neighbours; n < neighbours + NEIGHBOURS; n++) {
		join_pgt_thread(test, &n->thread);
		KUNIT_EXPECT_EQ(test, n->err, 0);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&strict.calls), 0);
	check_mapped(test, 0);
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE(neighbours_do_not_matter),
	{}
};

static struct kunit_suite race_suite = {
	.name = "io_pgtable_safe_race_reserve",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = race_cases,
};
#endif

static struct kunit_case format_cases[] = {
	FORMAT_CASE(formats_whose_tables_are_elsewhere_take_none),
	{}
};

static struct kunit_suite format_suite = {
	.name = "io_pgtable_safe_reserve_formats",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = format_cases,
};

static struct kunit_case use_cases[] = {
	KUNIT_CASE(a_wrapped_table_takes_none),
#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
	KUNIT_CASE(bad_ranges_are_refused),
	KUNIT_CASE(what_no_machine_has_is_refused_at_once),
	KUNIT_CASE(half_a_reservation_is_none),
	KUNIT_CASE(half_a_reservation_of_nodes_is_none),
	KUNIT_CASE(a_fatal_signal_ends_it),
	KUNIT_CASE(a_fatal_signal_ends_it_late),
	KUNIT_CASE(a_broken_table_takes_none),
	KUNIT_CASE(one_reservation_at_a_time),
	KUNIT_CASE(a_reservation_is_for_one_table),
	KUNIT_CASE(what_is_not_reserved_is_refused),
	KUNIT_CASE(others_leave_it_alone),
	KUNIT_CASE(a_table_may_go_before_its_reservation),
	FORMAT_CASE(the_worst_case_takes_all_of_it),
	KUNIT_CASE(the_cost_is_as_documented),
	KUNIT_CASE(blocks_take_little),
	FORMAT_CASE(whatever_is_mapped_there_is_enough),
	KUNIT_CASE(tables_and_lists_of_pages_too),
	KUNIT_CASE(blocks_of_another_protection_take_from_it),
	KUNIT_CASE(cuts_take_from_it),
	KUNIT_CASE(cuts_of_the_largest_blocks_take_from_it),
	KUNIT_CASE(all_of_a_leaf_must_be_reserved_for),
	KUNIT_CASE(both_leaves_must_be_reserved_for),
	KUNIT_CASE(a_cut_that_finds_too_little_changes_nothing),
	KUNIT_CASE(an_empty_reservation_says_so),
#endif
	{}
};

static struct kunit_suite use_suite = {
	.name = "io_pgtable_safe_reserve_use",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = use_cases,
};

#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
kunit_test_suites(&format_suite, &use_suite, &race_suite);
#else
kunit_test_suites(&format_suite, &use_suite);
#endif
