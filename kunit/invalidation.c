// SPDX-License-Identifier: GPL-2.0
/*
 * When an unmap returns success, or a failed map returns, nothing translates
 * the range any more: which callbacks are made, when, and how often.
 */
#include <linux/gfp.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "helpers.h"
#include "mock_format.h"

#ifndef KUNIT_CASE_SLOW
#define KUNIT_CASE_SLOW(test_name) KUNIT_CASE(test_name)
#endif

PGT_FORMATS_PARAM();
PGT_BLOCK_FORMATS_PARAM();

/* --- which callbacks ------------------------------------------------------ */

static unsigned int flushes(struct kunit *test)
{
	return atomic_read(&pgt_fixture(test)->flushes);
}

static bool covers(const struct pgt_flush *flush, u64 iova, u64 size)
{
	if (flush->kind == PGT_FLUSH_ALL)
		return true;
	return flush->kind == PGT_FLUSH_WALK && flush->iova <= iova &&
	       flush->iova + flush->size - 1 >= iova + size - 1;
}

/* One callback since pgt_forget_flushes(), and it covers just this range. */
static void check_one_walk(struct kunit *test, u64 iova, u64 size, u64 granule)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct pgt_flush *flush = &fix->flush_log[0];

	KUNIT_EXPECT_EQ_MSG(test, flushes(test), 1, "range at %#llx", iova);
	KUNIT_EXPECT_EQ(test, flush->kind, PGT_FLUSH_WALK);
	KUNIT_EXPECT_EQ(test, flush->iova, iova);
	KUNIT_EXPECT_EQ(test, flush->size, size);
	KUNIT_EXPECT_EQ(test, flush->granule, granule);
	KUNIT_EXPECT_EQ(test, atomic_read(&fix->null_gathers), 0);
}

static void check_one_flush_all(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, flushes(test), 1);
	KUNIT_EXPECT_EQ(test, pgt_fixture(test)->flush_log[0].kind, PGT_FLUSH_ALL);
}

/*
 * One of them, depending on how long the range is. Drivers compute the end of a
 * range, so one that ends at 2^64 is not for tlb_flush_walk().
 */
static void check_one_flush(struct kunit *test, u64 iova, u64 size, u64 granule)
{
	if (size >> __ffs64(granule) > 512 || !(iova + size))
		check_one_flush_all(test);
	else
		check_one_walk(test, iova, size, granule);
}

/*
 * The last callback covers the range. Those before it, if any, came from tables
 * that were about to be freed.
 */
static void check_last_covers(struct kunit *test, u64 iova, u64 size)
{
	struct pgt_test *fix = pgt_fixture(test);
	unsigned int n = flushes(test), i;

	KUNIT_ASSERT_GT(test, n, 0);
	KUNIT_ASSERT_LE(test, n, PGT_FLUSH_LOG);
	KUNIT_EXPECT_TRUE(test, covers(&fix->flush_log[n - 1], iova, size));
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_NE(test, fix->flush_log[i].kind, PGT_FLUSH_ADD_PAGE);
	KUNIT_EXPECT_EQ(test, atomic_read(&fix->null_gathers), 0);
}

/* Which unmap function does it. */
typedef struct io_pgtable_safe_unmap_result (*unmap_fn)(struct kunit *test, u64 iova,
							u64 size, u64 pgsize,
							u32 flags);

static struct io_pgtable_safe_unmap_result
by_unmap(struct kunit *test, u64 iova, u64 size, u64 pgsize, u32 flags)
{
	return io_pgtable_safe_unmap(pgt_fixture(test)->pgt, iova, size, flags);
}

static struct io_pgtable_safe_unmap_result
by_unmap_pages(struct kunit *test, u64 iova, u64 size, u64 pgsize, u32 flags)
{
	return io_pgtable_safe_unmap_pages(pgt_fixture(test)->pgt, iova, pgsize,
					   div64_u64(size, pgsize), flags);
}

static struct io_pgtable_safe_unmap_result
by_unmap_present(struct kunit *test, u64 iova, u64 size, u64 pgsize, u32 flags)
{
	return io_pgtable_safe_unmap_present(pgt_fixture(test)->pgt, iova, size, flags);
}

static const unmap_fn unmap_fns[] = { by_unmap, by_unmap_pages, by_unmap_present };

/* No leaf of this size is smaller, and the format knows it. */
static u64 flush_granule(struct kunit *test, unmap_fn unmap, u64 pgsize)
{
	u64 granule = pgt_fixture(test)->granule;

	/* Only unmap_present() does not look at each leaf first. */
	if (unmap == by_unmap_present)
		return granule;
	/* A run of descriptors is invalidated as what it consists of. */
	while (granule << 5 <= pgsize) {
		u64 sizes = pgt_fixture(test)->cfg->pgsize_bitmap & ~((granule << 5) - 1);

		granule = sizes & -sizes;
	}
	return granule;
}

/* Two leaves of each size, which never are a whole table. */
static void unmap_two(struct kunit *test, unmap_fn unmap, u64 pgsize, u32 flags)
{
	u64 iova = at(test, 0), size = 2 * pgsize, granule;
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe_unmap_result res;

	do_map_pages(test, iova, 0, pgsize, 2);
	pgt_forget_flushes(test);
	res = unmap(test, iova, size, pgsize, flags);
	check_unmap_result(test, res, size, 0);

	granule = flush_granule(test, unmap, pgsize);
	if (flags & IO_PGTABLE_SAFE_NO_FLUSH) {
		KUNIT_EXPECT_EQ(test, flushes(test), 0);
		KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(fix->pgt, iova, size), 0);
		granule = fix->granule;
	}
	check_one_flush(test, iova, size, granule);
}

static void unmap_two_of_each_size(struct kunit *test, u32 flags)
{
	unsigned int fn, n;
	u64 pgsize;

	for (fn = 0; fn < ARRAY_SIZE(unmap_fns); fn++)
		for (n = 0; (pgsize = nth_pgsize(test, n)); n++)
			unmap_two(test, unmap_fns[fn], pgsize, flags);
}

static void each_unmap_is_invalidated_once(struct kunit *test)
{
	unmap_two_of_each_size(test, 0);
}

static void unmaps_without_flush_are_invalidated_by_flush(struct kunit *test)
{
	unmap_two_of_each_size(test, IO_PGTABLE_SAFE_NO_FLUSH);
}

static void one_flush_serves_many_unmaps(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 granule = fix->granule, off;
	struct io_pgtable_safe_unmap_result res;

	do_map_pages(test, at(test, 0), 0, granule, 9);
	pgt_forget_flushes(test);
	for (off = 0; off < 8 * granule; off += granule) {
		res = io_pgtable_safe_unmap(fix->pgt, at(test, off), granule,
					    IO_PGTABLE_SAFE_NO_FLUSH);
		check_unmap_result(test, res, granule, 0);
	}
	KUNIT_EXPECT_EQ(test, flushes(test), 0);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(fix->pgt, at(test, 0), 8 * granule), 0);
	check_one_walk(test, at(test, 0), 8 * granule, granule);
}

static void a_mixed_range_is_invalidated_by_its_smallest_leaf(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, block = block_size(test);
	u64 iova = at(test, block), size = block + granule;

	do_map_pages(test, iova, 0, block, 1);
	do_map_pages(test, iova + block, 0, granule, 1);
	pgt_forget_flushes(test);
	do_unmap(test, iova, size);
	check_one_flush(test, iova, size, granule);
}

/* From the first that was mapped to the last: what was unmapped, and no more. */
static void holes_between_are_invalidated_too(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, iova = at(test, 0);

	do_map_pages(test, iova + granule, 0, granule, 1);
	do_map_pages(test, iova + 5 * granule, 0, granule, 1);
	pgt_forget_flushes(test);
	do_unmap_present(test, iova, 8 * granule, 2 * granule);
	check_one_walk(test, iova + granule, 5 * granule, granule);

	pgt_forget_flushes(test);
	do_unmap_present(test, iova, 8 * granule, 0);
	KUNIT_EXPECT_EQ(test, flushes(test), 0);
}

static void whole_tables_are_invalidated_last_of_all(struct kunit *test)
{
	u64 block = block_size(test), granule = pgt_fixture(test)->granule;
	u64 iova = at(test, block);

	/* The odd page keeps the blocks away. */
	do_map(test, iova, granule, 2 * block);
	check_leaf(test, iova, granule);
	pgt_forget_flushes(test);
	do_unmap(test, iova, 2 * block);
	check_last_covers(test, iova, 2 * block);
	check_hole(test, iova, 2 * block);
}

static void the_last_page_of_the_space_is_invalidated(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 granule = fix->granule, iova = fix->last - granule + 1;

	do_map(test, iova, 0, granule);
	pgt_forget_flushes(test);
	do_unmap(test, iova, granule);
	check_one_flush(test, iova, granule, granule);
}

static void what_is_refused_is_not_invalidated(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, iova = at(test, granule);

	do_map(test, iova, 0, granule);
	pgt_forget_flushes(test);
	do_unmap_fails(test, iova, 2 * granule, -ENOENT);
	do_map_fails(test, iova, 0, 2 * granule, -EEXIST);
	do_unmap_fails(test, iova + 1, granule, -EINVAL);
	KUNIT_EXPECT_EQ(test, flushes(test), 0);
}

static void mapping_invalidates_nothing(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, block;

	do_map(test, at(test, 0), 0, 3 * granule);
	block = nth_pgsize(test, 1);
	if (block)
		do_map(test, at(test, block), 0, block);
	KUNIT_EXPECT_EQ(test, flushes(test), 0);
}

#define FORMAT_CASE(name) KUNIT_CASE_PARAM(name, pgt_formats_gen_params)
#define BLOCK_CASE(name) KUNIT_CASE_PARAM(name, pgt_block_formats_gen_params)

static struct kunit_case callback_cases[] = {
	FORMAT_CASE(each_unmap_is_invalidated_once),
	FORMAT_CASE(unmaps_without_flush_are_invalidated_by_flush),
	FORMAT_CASE(one_flush_serves_many_unmaps),
	BLOCK_CASE(a_mixed_range_is_invalidated_by_its_smallest_leaf),
	FORMAT_CASE(holes_between_are_invalidated_too),
	BLOCK_CASE(whole_tables_are_invalidated_last_of_all),
	FORMAT_CASE(the_last_page_of_the_space_is_invalidated),
	FORMAT_CASE(what_is_refused_is_not_invalidated),
	FORMAT_CASE(mapping_invalidates_nothing),
	{}
};

static struct kunit_suite callback_suite = {
	.name = "io_pgtable_safe_invalidation_callbacks",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = callback_cases,
};

/* --- long ranges and fewer callbacks -------------------------------------- */

/* Pages of the mock that are no block: its tables are never freed. */
static void unmap_mock_pages(struct kunit *test, u64 pgsize, unsigned int n)
{
	u64 iova = pgsize;

	do_map_pages(test, iova, 0, pgsize, n);
	pgt_forget_flushes(test);
	do_unmap(test, iova, n * pgsize);
}

static void more_than_512_invalidations_become_one_of_all(struct kunit *test)
{
	open_mock(test, NULL);
	unmap_mock_pages(test, SZ_4K, 512);
	check_one_walk(test, SZ_4K, 512 * SZ_4K, SZ_4K);
	unmap_mock_pages(test, SZ_4K, 513);
	check_one_flush_all(test);
	unmap_mock_pages(test, SZ_2M, 512);
	check_one_walk(test, SZ_2M, 512ULL * SZ_2M, SZ_2M);
	unmap_mock_pages(test, SZ_2M, 513);
	check_one_flush_all(test);
}

static void a_long_flush_becomes_one_of_all(struct kunit *test)
{
	struct io_pgtable_safe *pgt;

	open_mock(test, NULL);
	pgt = pgt_fixture(test)->pgt;
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, 0, SZ_2M), 0);
	check_one_walk(test, 0, SZ_2M, SZ_4K);
	pgt_forget_flushes(test);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, 0, SZ_2M + SZ_4K), 0);
	check_one_flush_all(test);
}

static void open_param_with(struct kunit *test, const struct iommu_flush_ops *tlb)
{
	const struct pgt_format *format = test->param_value;
	struct io_pgtable_cfg cfg;

	if (!pgt_format_built(format->fmt))
		kunit_skip(test, "this kernel is built without %s", format->name);
	pgt_make_cfg(test, format, &cfg);
	cfg.tlb = tlb;
	open_cfg(test, format->fmt, &cfg);
}

/* Through the raw ops, which want to add the page to the gather */
static void unmap_raw_page(struct kunit *test, u64 iova)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct iommu_iotlb_gather gather;
	size_t mapped = 0;

	KUNIT_ASSERT_EQ(test, fix->raw->map_pages(fix->raw, iova, 0, fix->granule, 1, PGT_PROT,
						  GFP_KERNEL, &mapped), 0);
	iommu_iotlb_gather_init(&gather);
	KUNIT_EXPECT_EQ(test, fix->raw->unmap_pages(fix->raw, iova, fix->granule, 1, &gather),
			(size_t)fix->granule);
}

static void flush_all_alone_is_enough(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 iova;

	open_param_with(test, &pgt_flush_all_ops);
	iova = at(test, fix->granule);
	do_map(test, iova, 0, 2 * fix->granule);
	pgt_forget_flushes(test);
	do_unmap(test, iova, fix->granule);
	check_one_flush_all(test);
	pgt_forget_flushes(test);
	do_unmap_present(test, at(test, 0), 8 * fix->granule, fix->granule);
	check_one_flush_all(test);
	pgt_forget_flushes(test);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(fix->pgt, iova, fix->granule), 0);
	check_one_flush_all(test);
	unmap_raw_page(test, iova);
}

/* Then somebody else invalidates, and the layer must do without. */
static void a_table_needs_no_callbacks(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 iova, size;

	open_param_with(test, NULL);
	size = 3 * fix->granule;
	iova = at(test, fix->granule);
	do_map(test, iova, 0, size);
	do_unmap(test, iova, size);
	do_map(test, iova, 0, size);
	do_unmap_present(test, at(test, 0), 8 * fix->granule, size);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(fix->pgt, iova, size), 0);
	KUNIT_EXPECT_EQ(test, flushes(test), 0);
}

static void a_map_that_fails_invalidates_what_it_undid(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, SZ_8K, -ENOMEM);
	do_map_pages_fails(test, SZ_4K, 0, SZ_4K, 5, -ENOMEM);
	check_one_walk(test, SZ_4K, SZ_8K, SZ_4K);

	/* All calls of one map are undone with one callback. */
	pgt_forget_flushes(test);
	mock->max_pages = 2;
	mock_next_map(mock, SZ_8K, 0);
	mock_next_map(mock, SZ_8K, 0);
	mock_next_map(mock, SZ_4K, -ENOMEM);
	do_map_fails(test, SZ_4K, 0, 16 * SZ_4K, -ENOMEM);
	check_one_walk(test, SZ_4K, 5 * SZ_4K, SZ_4K);

	/* Nothing mapped, nothing to invalidate. */
	pgt_forget_flushes(test);
	mock_next_map(mock, 0, -ENOMEM);
	do_map_fails(test, SZ_4K, 0, SZ_8K, -ENOMEM);
	KUNIT_EXPECT_EQ(test, flushes(test), 0);
}

/*
 * Four pages, two on each side of a boundary between tables. v7s maps page by
 * page, so that it may fail with the first two mapped. Returns how many
 * callbacks there were.
 */
static unsigned int map_v7s_without_memory(struct kunit *test, u64 boundary,
					   unsigned int nth)
{
	struct io_pgtable_safe_map_result res;
	u64 iova = boundary - SZ_8K;

	pgt_forget_flushes(test);
	fail_nth_allocation(nth);
	res = io_pgtable_safe_map_pages(pgt_fixture(test)->pgt, iova, 0, SZ_4K, 4,
					PGT_PROT, PGT_GFP_FAULTY);
	an_allocation_failed();
	if (!res.err) {
		/* It was not needed, or not enough were needed. */
		do_unmap(test, iova, SZ_16K);
		return 0;
	}
	check_map_result(test, res, 0, -ENOMEM);
	check_hole(test, iova, SZ_16K);
	if (flushes(test))
		check_last_covers(test, iova, SZ_8K);
	return flushes(test);
}

static void a_v7s_map_without_memory_invalidates_what_it_undid(struct kunit *test)
{
	unsigned int n, callbacks = 0;

	skip_without_fault_injection(test);
	open_format(test, PGT_V7S);
	/* How many allocations there are depends on what the slab has left. */
	for (n = 0; n < 64; n++)
		callbacks += map_v7s_without_memory(test, 2ULL * (n + 1) * SZ_1M,
						    1 + n / 4);
	KUNIT_EXPECT_GT(test, callbacks, 0);
}

static struct kunit_case range_cases[] = {
	KUNIT_CASE(more_than_512_invalidations_become_one_of_all),
	KUNIT_CASE(a_long_flush_becomes_one_of_all),
	FORMAT_CASE(flush_all_alone_is_enough),
	FORMAT_CASE(a_table_needs_no_callbacks),
	KUNIT_CASE(a_map_that_fails_invalidates_what_it_undid),
	KUNIT_CASE(a_v7s_map_without_memory_invalidates_what_it_undid),
	{}
};

static struct kunit_suite range_suite = {
	.name = "io_pgtable_safe_invalidation_ranges",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = range_cases,
};

/* --- when ----------------------------------------------------------------- */

static struct claim_probe {
	u64 iova;
	u64 size;
	unsigned int calls;
	int lookup;
	int map;
	int elsewhere;
} probe;

/* What others find while the driver invalidates. */
static void probe_claim(struct pgt_test *fix, const struct pgt_flush *flush)
{
	struct io_pgtable_safe_map_result res;
	struct io_pgtable_safe_span span;

	if (!probe.size)
		return;
	probe.calls++;
	probe.lookup = io_pgtable_safe_lookup(fix->pgt, probe.iova, &span);
	res = io_pgtable_safe_map(fix->pgt, probe.iova, 0, probe.size, PGT_PROT,
				  GFP_ATOMIC);
	probe.map = res.err;
	res = io_pgtable_safe_map(fix->pgt, probe.iova + probe.size, 0, probe.size,
				  PGT_PROT, GFP_ATOMIC);
	probe.elsewhere = res.err;
}

static void the_range_stays_claimed_until_it_is_invalidated(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 size = fix->granule, iova = at(test, size);

	do_map(test, iova, 0, size);
	probe = (struct claim_probe){ .iova = iova, .size = size };
	fix->on_flush = probe_claim;
	do_unmap(test, iova, size);
	fix->on_flush = NULL;

	KUNIT_EXPECT_EQ(test, probe.calls, 1);
	KUNIT_EXPECT_EQ(test, probe.lookup, -EBUSY);
	KUNIT_EXPECT_EQ(test, probe.map, -EBUSY);
	KUNIT_EXPECT_EQ(test, probe.elsewhere, 0);
	check_hole(test, iova, size);
	do_map(test, iova, 0, size);
	do_unmap(test, iova, 2 * size);
}

/* By then the format has forgotten it: an invalidation before would be futile. */
static u64 phys_at_flush;

static void ask_raw(struct pgt_test *fix, const struct pgt_flush *flush)
{
	if (flush->kind == PGT_FLUSH_WALK)
		phys_at_flush = fix->raw->iova_to_phys(fix->raw, flush->iova);
}

static void the_descriptor_is_gone_before_it_is_invalidated(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 size = fix->granule, iova = at(test, size);

	do_map(test, iova, some_paddr(test, size), size);
	phys_at_flush = U64_MAX;
	fix->on_flush = ask_raw;
	do_unmap(test, iova, size);
	fix->on_flush = NULL;
	KUNIT_EXPECT_EQ(test, phys_at_flush, 0);
}

/* Whoever uses them has a gather of its own, and each leaf goes to the driver's callback */
static void raw_ops_report_leaves_to_the_driver(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct iommu_iotlb_gather gather;
	u64 iova = at(test, fix->granule);
	size_t mapped = 0;

	if (!IS_ENABLED(CONFIG_IOMMU_API))
		kunit_skip(test, "this kernel has no gathers");
	if (fix->format->fmt == APPLE_DART || fix->format->fmt == APPLE_DART2)
		kunit_skip(test, "a format whose driver invalidates all at once");
	KUNIT_ASSERT_EQ(test, fix->raw->map_pages(fix->raw, iova, 0, fix->granule, 1, PGT_PROT,
						  GFP_KERNEL, &mapped), 0);
	pgt_forget_flushes(test);
	iommu_iotlb_gather_init(&gather);
	KUNIT_EXPECT_EQ(test, fix->raw->unmap_pages(fix->raw, iova, fix->granule, 1, &gather),
			(size_t)fix->granule);
	KUNIT_ASSERT_EQ(test, flushes(test), 1);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].kind, PGT_FLUSH_ADD_PAGE);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].iova, iova);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].granule, fix->granule);
	KUNIT_EXPECT_EQ(test, atomic_read(&fix->null_gathers), 0);
}

static struct kunit_case order_cases[] = {
	FORMAT_CASE(raw_ops_report_leaves_to_the_driver),
	FORMAT_CASE(the_range_stays_claimed_until_it_is_invalidated),
	FORMAT_CASE(the_descriptor_is_gone_before_it_is_invalidated),
	{}
};

static struct kunit_suite order_suite = {
	.name = "io_pgtable_safe_invalidation_order",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = order_cases,
};

/*
 * What a call that unmaps must keep to itself until the last callback is over: all that
 * it claimed, whether it has been mapped there or not.
 */
static struct claimed {
	u64 iova;
	u64 size;
	unsigned int calls;
	unsigned int let_in;
} claimed;

static void try_each_page(struct pgt_test *fix, const struct pgt_flush *flush)
{
	struct io_pgtable_safe_map_result mapped;
	struct io_pgtable_safe_span span;
	u64 iova;

	claimed.calls++;
	for (iova = claimed.iova; iova < claimed.iova + claimed.size; iova += SZ_4K) {
		mapped = io_pgtable_safe_map(fix->pgt, iova, 0, SZ_4K, PGT_PROT, GFP_ATOMIC);
		claimed.let_in += mapped.err != -EBUSY;
		if (io_pgtable_safe_lookup(fix->pgt, iova, &span) != -EBUSY)
			claimed.let_in++;
	}
}

static struct mock_format *open_claimed(struct kunit *test, u64 iova, u64 size)
{
	struct mock_format *mock = open_mock(test, NULL);

	claimed = (struct claimed){ .iova = iova, .size = size };
	return mock;
}

/* From here on somebody looks into the range at each callback */
static void watch_claim(struct kunit *test)
{
	pgt_fixture(test)->on_flush = try_each_page;
}

static void check_claim(struct kunit *test, unsigned int calls)
{
	pgt_fixture(test)->on_flush = NULL;
	KUNIT_EXPECT_EQ(test, claimed.calls, calls);
	KUNIT_EXPECT_EQ(test, claimed.let_in, 0U);
}

static void unmap_of_pages_keeps_its_claim(struct kunit *test)
{
	open_claimed(test, SZ_4K, SZ_16K);
	do_map(test, SZ_4K, 0, SZ_16K);
	watch_claim(test);
	do_unmap(test, SZ_4K, SZ_16K);
	check_claim(test, 1);
	do_map(test, SZ_4K, 0, SZ_16K);
	watch_claim(test);
	do_unmap_pages(test, SZ_4K, SZ_4K, 4);
	check_claim(test, 2);
}

static void unmap_of_mixed_sizes_keeps_its_claim(struct kunit *test)
{
	open_claimed(test, SZ_2M - SZ_4K, SZ_2M + SZ_8K);
	do_map(test, SZ_2M - SZ_4K, SZ_2M - SZ_4K, SZ_2M + SZ_8K);
	watch_claim(test);
	do_unmap(test, SZ_2M - SZ_4K, SZ_2M + SZ_8K);
	check_claim(test, 1);
}

/* In small steps of the backend's, too */
static void unmap_in_many_calls_keeps_its_claim(struct kunit *test)
{
	struct mock_format *mock = open_claimed(test, SZ_4K, SZ_16K);

	do_map(test, SZ_4K, 0, SZ_16K);
	mock_next_unmap(mock, SZ_4K);
	mock_next_unmap(mock, SZ_8K);
	watch_claim(test);
	do_unmap(test, SZ_4K, SZ_16K);
	check_claim(test, 1);
}

static void unmap_present_keeps_its_claim(struct kunit *test)
{
	open_claimed(test, 0, SZ_64K);
	do_map(test, SZ_8K, 0, SZ_4K);
	do_map(test, SZ_32K, 0, SZ_8K);
	watch_claim(test);
	do_unmap_present(test, 0, SZ_64K, SZ_4K + SZ_8K);
	check_claim(test, 1);
}

/* Two blocks that are cut, and one between */
static void cut_keeps_its_claim(struct kunit *test, u32 flags, unsigned int calls)
{
	u64 size = SZ_2M + SZ_8K;

	open_claimed(test, SZ_2M, 3 * SZ_2M);
	do_map_pages(test, SZ_2M, 0, SZ_2M, 3);
	watch_claim(test);
	check_unmap_result(test, io_pgtable_safe_cut(pgt_fixture(test)->pgt,
						     SZ_4M - SZ_4K, size, PGT_PROT, GFP_KERNEL, flags),
			   size, 0);
	check_claim(test, calls);
}

static void cut_with_flush_keeps_its_claim(struct kunit *test)
{
	cut_keeps_its_claim(test, 0, 3);
}

static void cut_without_flush_keeps_its_claim(struct kunit *test)
{
	cut_keeps_its_claim(test, IO_PGTABLE_SAFE_NO_FLUSH, 2);
}

/* Once more when its first page is invalidated before the block is put back */
static void cut_that_fails_keeps_its_claim(struct kunit *test)
{
	struct mock_format *mock = open_claimed(test, SZ_2M, SZ_2M);

	do_map_pages(test, SZ_2M, 0, SZ_2M, 1);
	mock_next_map(mock, SZ_4K, 0);
	mock_next_map(mock, 0, -ENOMEM);
	watch_claim(test);
	check_unmap_result(test, io_pgtable_safe_cut(pgt_fixture(test)->pgt, SZ_2M + SZ_4K,
						     SZ_4K, PGT_PROT, GFP_KERNEL, 0), 0, -ENOMEM);
	check_claim(test, 2);
	check_leaf(test, SZ_2M, SZ_2M);
}

/* Also what has not been mapped yet when it fails */
static void map_that_fails_keeps_its_claim(struct kunit *test)
{
	struct mock_format *mock = open_claimed(test, SZ_4K, SZ_64K);
	struct io_pgtable_safe *pgt = pgt_fixture(test)->pgt;
	struct sg_piece pieces[] = { { 0, SZ_32K }, { SZ_1M, SZ_32K } };
	struct sg_table *sgt = make_dma_table(test, pieces, ARRAY_SIZE(pieces));

	watch_claim(test);
	mock_next_map(mock, SZ_8K, -ENOMEM);
	check_map_result(test, io_pgtable_safe_map_pages(pgt, SZ_4K, 0, SZ_4K, 16, PGT_PROT,
							 GFP_KERNEL), 0, -ENOMEM);
	check_claim(test, 1);
	watch_claim(test);
	mock_next_map(mock, SZ_8K, 0);
	mock_next_map(mock, SZ_8K, -ENOMEM);
	check_map_result(test, io_pgtable_safe_map(pgt, SZ_4K, 0, SZ_64K, PGT_PROT,
						   GFP_KERNEL), 0, -ENOMEM);
	check_claim(test, 2);
	watch_claim(test);
	mock_next_map(mock, SZ_32K, 0);
	mock_next_map(mock, SZ_8K, -ENOMEM);
	check_map_result(test, map_dma_table(test, SZ_4K, sgt, 0, SZ_64K, GFP_KERNEL),
			 0, -ENOMEM);
	check_claim(test, 3);
	watch_claim(test);
	mock_next_map(mock, SZ_4K, 0);
	mock_next_map(mock, 0, -ENOMEM);
	check_map_result(test, io_pgtable_safe_map_repeat(pgt, SZ_4K, 0, SZ_4K, 0, SZ_64K,
							  PGT_PROT, GFP_KERNEL), 0, -ENOMEM);
	check_claim(test, 4);
	check_mapped(test, 0);
}

static struct kunit_case claim_cases[] = {
	KUNIT_CASE(unmap_of_pages_keeps_its_claim),
	KUNIT_CASE(unmap_of_mixed_sizes_keeps_its_claim),
	KUNIT_CASE(unmap_in_many_calls_keeps_its_claim),
	KUNIT_CASE(unmap_present_keeps_its_claim),
	KUNIT_CASE(cut_with_flush_keeps_its_claim),
	KUNIT_CASE(cut_without_flush_keeps_its_claim),
	KUNIT_CASE(cut_that_fails_keeps_its_claim),
	KUNIT_CASE(map_that_fails_keeps_its_claim),
	{}
};

static struct kunit_suite claim_suite = {
	.name = "io_pgtable_safe_invalidation_claims",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = claim_cases,
};

/* --- a device with a TLB -------------------------------------------------- */

#define TLB_ENTRIES 512

struct tlb_entry {
	u64 iova;
	u64 paddr;
};

/**
 * struct tlb - What a device remembers.
 * @test: The test case.
 * @rnd: Where random numbers come from.
 * @entry: Translations of one granule each; a free one has paddr 0, which
 *	nothing is mapped to.
 * @next: The one to be replaced next.
 * @hits: Translations thrown away by callbacks: else nothing was tested.
 * @step: Operations done.
 */
static struct tlb {
	struct kunit *test;
	struct rnd_state rnd;
	struct tlb_entry entry[TLB_ENTRIES];
	unsigned int next;
	unsigned int hits;
	unsigned int step;
} tlb;

static u32 rnd(u32 below)
{
	return (u64)prandom_u32_state(&tlb.rnd) * below >> 32;
}

/* The device reads or writes: a miss walks the table. */
static void device_access(struct pgt_test *fix, u64 iova)
{
	struct tlb_entry *entry;
	u64 paddr;

	iova &= ~(fix->granule - 1);
	for (entry = tlb.entry; entry < &tlb.entry[TLB_ENTRIES]; entry++)
		if (entry->paddr && entry->iova == iova)
			return;
	paddr = fix->raw->iova_to_phys(fix->raw, iova);
	if (!paddr)
		return;
	tlb.entry[tlb.next++ % TLB_ENTRIES] = (struct tlb_entry){
		.iova = iova, .paddr = paddr,
	};
}

/* What the driver's callbacks do to it; tlb_add_page() only queues. */
static void tlb_flush(struct pgt_test *fix, const struct pgt_flush *flush)
{
	struct tlb_entry *entry;

	for (entry = tlb.entry; entry < &tlb.entry[TLB_ENTRIES]; entry++) {
		if (!entry->paddr || !covers(flush, entry->iova, fix->granule))
			continue;
		entry->paddr = 0;
		tlb.hits++;
	}
}

/* Every translation it remembers is one that the table has. */
static void check_tlb(struct pgt_test *fix)
{
	struct tlb_entry *entry;
	u64 paddr;

	for (entry = tlb.entry; entry < &tlb.entry[TLB_ENTRIES]; entry++) {
		if (!entry->paddr)
			continue;
		paddr = fix->raw->iova_to_phys(fix->raw, entry->iova);
		KUNIT_ASSERT_EQ_MSG(tlb.test, entry->paddr, paddr,
				    "stale translation of %#llx at step %u",
				    entry->iova, tlb.step);
	}
}

/* The granules at both ends of a range, and some between. */
static void access_range(struct pgt_test *fix, u64 iova, u64 size)
{
	unsigned int i;

	device_access(fix, iova);
	device_access(fix, iova + size - fix->granule);
	for (i = 0; i < 6; i++)
		device_access(fix, iova + (prandom_u32_state(&tlb.rnd) &
					   (roundup_pow_of_two(size) / 2 - 1)));
}

/* A few leaves of some size, in a region small enough that they meet. */
static void rnd_leaves(struct pgt_test *fix, u64 *iova, u64 *paddr, u64 *pgsize,
		       unsigned int *n)
{
	unsigned int sizes = hweight_long(fix->cfg->pgsize_bitmap);
	u64 step = nth_pgsize(tlb.test, rnd(sizes)), space = fix->last - fix->base;
	u64 memory = fix->paddr_last >> __ffs64(step);

	*n = 1 + rnd(3);
	*iova = (u64)rnd(12) << __ffs64(step);
	if (*iova > space - *n * step)
		*iova = 0;
	*iova += fix->base;
	/* Not 0: see &struct tlb. */
	*paddr = (u64)(1 + rnd(min_t(u64, memory - *n, 1000))) << __ffs64(step);
	*pgsize = step;
}

static void try_map(struct pgt_test *fix)
{
	struct io_pgtable_safe_map_result res;
	u64 iova, paddr, pgsize;
	unsigned int n;

	rnd_leaves(fix, &iova, &paddr, &pgsize, &n);
	if (IS_ENABLED(CONFIG_FAILSLAB) && !rnd(4))
		fail_nth_allocation(1 + rnd(8));
	res = io_pgtable_safe_map(fix->pgt, iova, paddr, n * pgsize, PGT_PROT,
				  PGT_GFP_FAULTY);
	an_allocation_failed();
	KUNIT_EXPECT_TRUE(tlb.test, !res.err || res.err == -EEXIST || res.err == -ENOMEM);
	if (!res.err)
		access_range(fix, iova, n * pgsize);
}

static void try_unmap(struct pgt_test *fix)
{
	u32 flags = rnd(4) ? 0 : IO_PGTABLE_SAFE_NO_FLUSH;
	struct io_pgtable_safe_unmap_result res;
	struct io_pgtable_safe_span span;
	u64 iova, paddr, pgsize;
	unsigned int n;

	rnd_leaves(fix, &iova, &paddr, &pgsize, &n);
	KUNIT_EXPECT_EQ(tlb.test, io_pgtable_safe_leaf_span(fix->pgt, iova, n * pgsize,
							    &span), 0);
	if (rnd(2)) {
		res = io_pgtable_safe_unmap_present(fix->pgt, span.iova, span.size, flags);
		KUNIT_EXPECT_EQ(tlb.test, res.err, 0);
	} else {
		res = io_pgtable_safe_unmap(fix->pgt, span.iova, span.size, flags);
		KUNIT_EXPECT_TRUE(tlb.test, !res.err || res.err == -ENOENT);
	}
	if (flags && res.unmapped)
		KUNIT_EXPECT_EQ(tlb.test, io_pgtable_safe_flush(fix->pgt, span.iova,
								span.size), 0);
}

static void use_device(struct kunit *test, unsigned int steps)
{
	struct pgt_test *fix = pgt_fixture(test);
	unsigned int seed = pgt_random_seed(test);

	tlb = (struct tlb){ .test = test };
	prandom_seed_state(&tlb.rnd, seed);
	fix->on_flush = tlb_flush;

	for (tlb.step = 0; tlb.step < steps; tlb.step++) {
		if (rnd(2))
			try_map(fix);
		else
			try_unmap(fix);
		check_tlb(fix);
	}
	do_unmap_present(test, fix->base, fix->last - fix->base + 1 - fix->granule,
			 io_pgtable_safe_mapped(fix->pgt));
	check_tlb(fix);
	KUNIT_EXPECT_GT(test, tlb.hits, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fix->null_gathers), 0);
}

static void the_device_never_sees_a_stale_translation(struct kunit *test)
{
	use_device(test, 300);
}

/* The device looks at the worst moment: at what is about to be undone. */
static void look_before_unmap(struct mock_format *mock, const struct mock_call *call)
{
	if (call->op == MOCK_UNMAP)
		access_range(pgt_fixture(tlb.test), call->iova,
			     (u64)call->pgsize * call->pgcount);
}

static void rnd_failures(struct mock_format *mock)
{
	mock->maps.next = 0;
	mock->maps.end = 0;
	mock_next_map(mock, SZ_4K * rnd(3), 0);
	mock_next_map(mock, SZ_4K * rnd(3), -ENOMEM);
}

static void failed_maps_leave_no_stale_translation(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe_map_result res;
	unsigned int seed = pgt_random_seed(test);

	tlb = (struct tlb){ .test = test };
	prandom_seed_state(&tlb.rnd, seed);
	fix->on_flush = tlb_flush;
	mock->during = look_before_unmap;

	for (tlb.step = 0; tlb.step < 200; tlb.step++) {
		rnd_failures(mock);
		res = io_pgtable_safe_map(fix->pgt, SZ_4K * rnd(64), SZ_1G, SZ_4K * 8,
					  PGT_PROT, GFP_KERNEL);
		check_map_result(test, res, 0, res.err);
		KUNIT_EXPECT_NE(test, res.err, 0);
		check_tlb(fix);
	}
	mock->maps.next = mock->maps.end;
	check_mapped(test, 0);
	KUNIT_EXPECT_GT(test, tlb.hits, 0);
}

static struct kunit_case device_cases[] = {
	FORMAT_CASE(the_device_never_sees_a_stale_translation),
	{}
};

static struct kunit_suite device_suite = {
	.name = "io_pgtable_safe_invalidation_device",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = device_cases,
};

static void long_use_of_lpae(struct kunit *test)
{
	open_format(test, PGT_LPAE_4K);
	use_device(test, 5000);
}

static void long_use_of_v7s(struct kunit *test)
{
	open_format(test, PGT_V7S);
	use_device(test, 5000);
}

static struct kunit_case table_cases[] = {
	KUNIT_CASE(failed_maps_leave_no_stale_translation),
	KUNIT_CASE_SLOW(long_use_of_lpae),
	KUNIT_CASE_SLOW(long_use_of_v7s),
	{}
};

static struct kunit_suite table_suite = {
	.name = "io_pgtable_safe_invalidation_tables",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = table_cases,
};

kunit_test_suites(&callback_suite, &range_suite, &order_suite, &claim_suite,
		  &device_suite, &table_suite);
