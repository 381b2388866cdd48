// SPDX-License-Identifier: GPL-2.0
/*
 * Where page-table pages come from, and that none goes back before the device
 * has forgotten it. Most of it needs io_pgtable_cfg.alloc and .free.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmstat.h>

#include "helpers.h"
#include "io_pgtable_safe_compat.h"

PGT_FORMATS_PARAM();

/* --- where they come from ------------------------------------------------- */

static void the_drivers_allocator_is_what_it_was(struct kunit *test)
{
#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
	const struct pgt_format *format = test->param_value;
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, format, &cfg);
	KUNIT_EXPECT_PTR_EQ(test, fix->cfg->alloc, cfg.alloc);
	KUNIT_EXPECT_PTR_EQ(test, fix->cfg->free, cfg.free);
	if (!pgt_counts_pages(test))
		return;
	/* What has been asked of it: the top-level table, and then some */
	KUNIT_EXPECT_GT(test, atomic_read(&fix->page_allocs), 0);
	do_map(test, at(test, 0), 0, fix->granule);
	KUNIT_EXPECT_GT(test, atomic_read(&fix->page_allocs), 1);
#else
	kunit_skip(test, "this kernel has no io_pgtable_cfg.alloc");
#endif
}

#ifdef IO_PGTABLE_SAFE_HAVE_NR_IOMMU_PAGES
/* Counters of the kernel that are not exact while others run. */
#define SLACK 512L
#define TABLES 2048L

static void the_kernels_pages_are_accounted_for(struct kunit *test)
{
	long before, n;

	before = global_node_page_state_pages(NR_IOMMU_PAGES);
	/* With kernel_pages; each page needs a table of its own */
	open_format(test, PGT_LPAE_4K_NONCOHERENT);
	for (n = 0; n < TABLES; n++)
		do_map(test, n * SZ_2M, 0, SZ_4K);
	n = global_node_page_state_pages(NR_IOMMU_PAGES) - before;
	KUNIT_EXPECT_GE(test, n, TABLES - SLACK);
	KUNIT_EXPECT_LE(test, n, TABLES + SLACK);
	do_unmap_present(test, 0, TABLES * SZ_2M, TABLES * SZ_4K);
	close_table(test);
	n = global_node_page_state_pages(NR_IOMMU_PAGES) - before;
	KUNIT_EXPECT_LE(test, abs(n), SLACK);
}

/* Two top-level tables side by side make two pages, which have to be contiguous. */
static void a_concatenated_top_level_comes_from_the_kernel_too(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE64_S2], &cfg);
	cfg.alloc = NULL;
	cfg.free = NULL;
	open_cfg(test, ARM_64_LPAE_S2, &cfg);
	KUNIT_EXPECT_PTR_EQ(test, fix->cfg->alloc, NULL);
	do_map(test, 0, SZ_4K, SZ_2M);
	do_map(test, fix->last - SZ_2M + 1, SZ_4K, SZ_2M);
	check_range(test, fix->last - SZ_2M + 1, SZ_4K, SZ_2M);
	do_unmap(test, 0, SZ_2M);
	do_unmap(test, fix->last - SZ_2M + 1, SZ_2M);
}
#endif

static void nothing_is_kept_for_good(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 block = nth_pgsize(test, 1) ?: 512 * fix->granule, iova = at(test, block);

	do_map(test, iova, fix->granule, block);
	do_unmap(test, iova, block);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_kept(fix->pgt), 0);
	do_map(test, iova, fix->granule, block);
	do_unmap_later(test, iova, block);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(fix->pgt, iova, block), 0);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_kept(fix->pgt), 0);
}

#define FORMAT_CASE(name) KUNIT_CASE_PARAM(name, pgt_formats_gen_params)

static struct kunit_case format_cases[] = {
	FORMAT_CASE(the_drivers_allocator_is_what_it_was),
	FORMAT_CASE(nothing_is_kept_for_good),
	{}
};

static struct kunit_suite format_suite = {
	.name = "io_pgtable_safe_pages_formats",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = format_cases,
};

#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
/* --- in which order ------------------------------------------------------- */

/* What happened, in order: a letter each. */
static struct journal {
	char events[32];
	unsigned int n;
	const struct io_pgtable_cfg *allocator;
	void (*during_flush)(struct kunit *test);
} journal;

static void note(char event)
{
	if (journal.n < sizeof(journal.events) - 1)
		journal.events[journal.n++] = event;
}

static void *journal_alloc(void *cookie, size_t size, gfp_t gfp)
{
	return journal.allocator->alloc(cookie, size, gfp);
}

static void journal_free(void *cookie, void *pages, size_t size)
{
	note('F');
	journal.allocator->free(cookie, pages, size);
}

static void journal_flush(struct pgt_test *fix, const struct pgt_flush *flush)
{
	void (*during)(struct kunit *test) = journal.during_flush;

	note(flush->kind == PGT_FLUSH_ALL ? 'A' : 'w');
	if (during) {
		journal.during_flush = NULL;
		during(fix->test);
		note('.');
	}
}

static void forget_journal(void)
{
	memset(journal.events, 0, sizeof(journal.events));
	journal.n = 0;
}

static void expect_events(struct kunit *test, const char *events, u64 kept)
{
	KUNIT_EXPECT_STREQ(test, journal.events, events);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_kept(pgt_fixture(test)->pgt), kept);
	forget_journal();
}

static void make_journal_cfg(struct kunit *test, struct io_pgtable_cfg *cfg,
			     const struct iommu_flush_ops *tlb)
{
	static struct io_pgtable_cfg plain;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &plain);
	*cfg = plain;
	journal.allocator = &plain;
	journal.during_flush = NULL;
	cfg->alloc = journal_alloc;
	cfg->free = journal_free;
	cfg->tlb = tlb;
	pgt_fixture(test)->on_flush = journal_flush;
	forget_journal();
}

static void open_journal(struct kunit *test, const struct iommu_flush_ops *tlb)
{
	struct io_pgtable_cfg cfg;

	make_journal_cfg(test, &cfg, tlb);
	open_cfg(test, ARM_64_LPAE_S1, &cfg);
}

/* Pages in all of 2M each: the address keeps the blocks away. */
static void fill_tables(struct kunit *test, u64 iova, unsigned int n)
{
	do_map(test, iova, SZ_4K, (u64)n * SZ_2M);
	check_leaf(test, iova, SZ_4K);
	forget_journal();
}

static void flush(struct kunit *test, u64 iova, u64 size)
{
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt_fixture(test)->pgt, iova, size), 0);
}

/* A table in which nothing is left. */
static void empty_table(struct kunit *test, u64 iova)
{
	do_map(test, iova, 0, SZ_4K);
	do_unmap_later(test, iova, SZ_4K);
	flush(test, iova, SZ_4K);
	forget_journal();
}

static void one_invalidation_serves_tables_and_leaves(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);

	open_journal(test, &pgt_flush_ops);
	fill_tables(test, SZ_4M, 1);
	pgt_forget_flushes(test);
	do_unmap(test, SZ_4M, SZ_2M);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].iova, SZ_4M);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].size, SZ_2M);
	expect_events(test, "wF", 0);

	fill_tables(test, SZ_4M, 3);
	do_unmap(test, SZ_4M, 3 * SZ_2M);
	expect_events(test, "AFFF", 0);

	/* One of 1G, with three below */
	fill_tables(test, SZ_1G, 1);
	do_map(test, SZ_1G + SZ_2M, SZ_2M, SZ_1G - 3ULL * SZ_2M);
	fill_tables(test, 2ULL * SZ_1G - SZ_4M, 2);
	do_unmap_present(test, SZ_1G, SZ_1G, SZ_1G);
	expect_events(test, "AFFFF", 0);
}

static void a_table_in_the_way_of_a_block_goes_after_the_walk_cache(struct kunit *test)
{
	open_journal(test, &pgt_flush_ops);
	empty_table(test, 0);
	do_map(test, 0, 0, SZ_2M);
	expect_events(test, "wF", 0);
}

static void a_driver_may_have_flush_all_only(struct kunit *test)
{
	open_journal(test, &pgt_flush_all_ops);
	empty_table(test, 0);
	do_map(test, 0, 0, SZ_2M);
	expect_events(test, "AF", 0);
	fill_tables(test, SZ_4M, 2);
	do_unmap(test, SZ_4M, SZ_4M);
	expect_events(test, "AFF", 0);
}

static void a_failed_map_frees_after_the_invalidation(struct kunit *test)
{
	struct io_pgtable_safe_map_result res;

	open_journal(test, &pgt_flush_ops);
	do_map(test, 0, 0, SZ_4K);
	forget_journal();
	/* There is memory for the first table of two */
	atomic_set(&pgt_fixture(test)->fail_page, 2);
	res = io_pgtable_safe_map(pgt_fixture(test)->pgt, SZ_4M, SZ_4K, SZ_4M, PGT_PROT,
				  GFP_KERNEL);
	check_map_result(test, res, 0, -ENOMEM);
	expect_events(test, "wFw", 0);
}

/* With a table in its place by then, which must be forgotten before it is a block. */
static void a_block_put_back_goes_after_the_walk_cache(struct kunit *test)
{
	struct io_pgtable_safe_unmap_result res;

	open_journal(test, &pgt_flush_ops);
	do_map(test, SZ_1G, 0, SZ_1G);
	check_leaf(test, SZ_1G, SZ_1G);
	forget_journal();
	/* There is memory for the first table of two */
	atomic_set(&pgt_fixture(test)->fail_page, 2);
	res = io_pgtable_safe_cut(pgt_fixture(test)->pgt, SZ_1G + SZ_4K, SZ_4K, PGT_PROT,
				  GFP_KERNEL, IO_PGTABLE_SAFE_NO_FLUSH);
	check_unmap_result(test, res, 0, -ENOMEM);
	check_leaf(test, SZ_1G, SZ_1G);
	expect_events(test, "wAF", 0);
}

/* What lies between the leaves that are cut goes as with any unmap. */
static void a_cut_keeps_the_tables_between(struct kunit *test)
{
	struct io_pgtable_safe_unmap_result res;
	u64 size = SZ_2M + 2 * SZ_1M;

	open_journal(test, &pgt_flush_ops);
	do_map(test, 0, 0, SZ_2M);
	fill_tables(test, SZ_2M, 1);
	do_map(test, SZ_4M, 0, SZ_2M);
	res = io_pgtable_safe_cut(pgt_fixture(test)->pgt, SZ_1M, size, PGT_PROT, GFP_KERNEL,
				  IO_PGTABLE_SAFE_NO_FLUSH);
	check_unmap_result(test, res, size, 0);
	expect_events(test, "ww", SZ_4K);
	flush(test, SZ_1M, size);
	expect_events(test, "AF", 0);

	do_map(test, SZ_1M, SZ_1G + SZ_4K, size);
	forget_journal();
	do_unmap_present(test, 0, SZ_2M, SZ_2M);
	do_unmap_present(test, SZ_4M, SZ_2M, SZ_2M);
	do_map(test, 0, 0, SZ_2M);
	do_map(test, SZ_4M, 0, SZ_2M);
	forget_journal();
	res = io_pgtable_safe_cut(pgt_fixture(test)->pgt, SZ_1M, size, PGT_PROT, GFP_KERNEL,
				  0);
	check_unmap_result(test, res, size, 0);
	expect_events(test, "wwwF", 0);
}

/* A flush in the middle needs memory to be remembered, and counts for nothing without */
static void kept_after_a_flush_that_is_forgotten(struct kunit *test)
{
	skip_without_fault_injection(test);
	open_journal(test, &pgt_flush_ops);
	fill_tables(test, SZ_4M, 1);
	do_unmap_later(test, SZ_4M, SZ_2M);
	fail_nth_allocation(1);
	flush(test, SZ_4M + SZ_1M, SZ_4K);
	KUNIT_EXPECT_TRUE(test, an_allocation_failed());
	flush(test, SZ_4M, SZ_1M);
	flush(test, SZ_4M + SZ_1M + SZ_4K, SZ_1M - SZ_4K);
	expect_events(test, "www", SZ_4K);
	flush(test, SZ_4M + SZ_1M, SZ_4K);
	expect_events(test, "wF", 0);
}

/* What the format freed before it failed: nobody knows whether it still leads there */
static void kept_if_the_table_breaks(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_cfg cfg;

	if (!IO_PGTABLE_QUIRK_NO_WARN)
		kunit_skip(test, "this kernel's formats WARN() at what would break a table");
	make_journal_cfg(test, &cfg, &pgt_flush_ops);
	cfg.quirks |= IO_PGTABLE_QUIRK_NO_WARN;
	open_cfg(test, ARM_64_LPAE_S1, &cfg);
	fill_tables(test, 0, 1);
	do_map(test, SZ_2M, 0, SZ_4K);
	/* What breaks it: a page goes behind the layer's back */
	KUNIT_ASSERT_EQ(test, fix->raw->unmap_pages(fix->raw, SZ_2M, SZ_4K, 1, NULL),
			(size_t)SZ_4K);
	forget_journal();
	check_unmap_result(test, io_pgtable_safe_unmap(fix->pgt, 0, SZ_2M + SZ_4K, 0), SZ_2M,
			   -EIO);
	expect_events(test, "w", SZ_4K);
	check_broken(test);
}

static void kept_until_the_flush(struct kunit *test)
{
	open_journal(test, &pgt_flush_ops);
	fill_tables(test, SZ_4M, 1);
	do_unmap_later(test, SZ_4M, SZ_2M);
	expect_events(test, "", SZ_4K);
	/* Beside it, both sides */
	flush(test, SZ_2M, SZ_2M);
	flush(test, SZ_4M + SZ_2M, SZ_2M);
	expect_events(test, "ww", SZ_4K);
	flush(test, SZ_4M, SZ_2M);
	expect_events(test, "wF", 0);
	flush(test, SZ_4M, SZ_2M);
	expect_events(test, "w", 0);
}

static void one_flush_for_many_tables(struct kunit *test)
{
	open_journal(test, &pgt_flush_ops);
	fill_tables(test, SZ_4M, 4);
	do_unmap_later(test, SZ_4M, SZ_2M);
	do_unmap_later(test, SZ_4M + SZ_2M, SZ_4M);
	do_unmap_later(test, SZ_4M + 3 * SZ_2M, SZ_2M);
	expect_events(test, "", 4 * SZ_4K);
	flush(test, SZ_4M, 4 * SZ_2M);
	expect_events(test, "AFFFF", 0);
}

static void a_flush_in_parts_counts_in_the_end(struct kunit *test)
{
	open_journal(test, &pgt_flush_ops);
	fill_tables(test, SZ_4M, 3);
	do_unmap_later(test, SZ_4M, 3 * SZ_2M);
	flush(test, SZ_4M, SZ_2M);
	flush(test, SZ_4M + 2 * SZ_2M, SZ_2M);
	expect_events(test, "wFwF", SZ_4K);
	/* What is missing, in two pieces */
	flush(test, SZ_4M + SZ_2M, SZ_1M);
	expect_events(test, "w", SZ_4K);
	flush(test, SZ_4M + SZ_2M + SZ_1M, SZ_1M);
	expect_events(test, "wF", 0);
}

static void somebody_elses_invalidation_does_not_count(struct kunit *test)
{
	open_journal(test, &pgt_flush_ops);
	fill_tables(test, SZ_4M, 2);
	do_unmap_later(test, SZ_4M, SZ_2M);
	do_unmap(test, SZ_4M + SZ_2M, SZ_2M);
	expect_events(test, "wF", SZ_4K);
	/* That of the same range does: it has been mapped again meanwhile */
	fill_tables(test, SZ_4M, 1);
	do_unmap(test, SZ_4M, SZ_2M);
	expect_events(test, "wF", SZ_4K);
	flush(test, SZ_4M, SZ_2M);
	expect_events(test, "wF", 0);
}

static void unmap_a_second_table(struct kunit *test)
{
	do_unmap(test, SZ_4M + SZ_2M, SZ_2M);
}

static void unmap_a_second_table_later(struct kunit *test)
{
	do_unmap_later(test, SZ_4M + SZ_2M, SZ_2M);
}

/* In the middle of the invalidation of the first, which is not over. */
static void an_unmap_within_a_callback_frees_its_own(struct kunit *test)
{
	open_journal(test, &pgt_flush_ops);
	fill_tables(test, SZ_4M, 2);
	journal.during_flush = unmap_a_second_table;
	do_unmap(test, SZ_4M, SZ_2M);
	expect_events(test, "wwF.F", 0);

	fill_tables(test, SZ_4M, 2);
	journal.during_flush = unmap_a_second_table_later;
	do_unmap(test, SZ_4M, SZ_2M);
	expect_events(test, "w.F", SZ_4K);
	flush(test, SZ_4M, SZ_4M);
	expect_events(test, "AF", 0);
}

static void map_a_block_over_a_table(struct kunit *test)
{
	do_map(test, SZ_1G, 0, SZ_2M);
}

/* Which cannot wait for the end of the invalidation that the callback is for. */
static void a_block_within_a_callback_goes_after_its_own_flush(struct kunit *test)
{
	open_journal(test, &pgt_flush_ops);
	fill_tables(test, SZ_4M, 1);
	empty_table(test, SZ_1G);
	journal.during_flush = map_a_block_over_a_table;
	do_unmap(test, SZ_4M, SZ_2M);
	expect_events(test, "wwF.F", 0);

	fill_tables(test, SZ_4M, 1);
	do_unmap(test, SZ_1G, SZ_2M);
	empty_table(test, SZ_1G);
	journal.during_flush = map_a_block_over_a_table;
	do_unmap_present(test, 0, SZ_8M, SZ_2M);
	expect_events(test, "wwF.F", 0);
}

static void a_flush_that_began_before_does_not_count(struct kunit *test)
{
	open_journal(test, &pgt_flush_ops);
	fill_tables(test, SZ_4M, 2);
	journal.during_flush = unmap_a_second_table_later;
	flush(test, SZ_4M, SZ_4M);
	expect_events(test, "A.", SZ_4K);
	flush(test, SZ_4M, SZ_4M);
	expect_events(test, "AF", 0);
}

static void what_waits_is_freed_with_the_table(struct kunit *test)
{
	open_journal(test, &pgt_flush_ops);
	fill_tables(test, SZ_4M, 3);
	do_unmap_later(test, SZ_4M, SZ_4M);
	expect_events(test, "", 2 * SZ_4K);
	/* Looks for leaks */
	close_table(test);
	KUNIT_EXPECT_EQ(test, journal.events[0], 'F');
}

/* --- without flush callbacks ---------------------------------------------- */

static void a_driver_that_locks_gets_its_pages_back_at_once(struct kunit *test)
{
	open_journal(test, NULL);
	fill_tables(test, SZ_4M, 2);
	do_unmap(test, SZ_4M, SZ_4M);
	expect_events(test, "FF", 0);
	do_map(test, 0, 0, SZ_4K);
	do_unmap(test, 0, SZ_4K);
	do_map(test, 0, 0, SZ_2M);
	expect_events(test, "F", 0);
}

static void a_driver_that_flushes_gets_them_when_it_has(struct kunit *test)
{
	open_journal(test, NULL);
	fill_tables(test, SZ_4M, 2);
	do_unmap_later(test, SZ_4M, SZ_4M);
	expect_events(test, "", 2 * SZ_4K);
	flush(test, SZ_4M, SZ_2M);
	expect_events(test, "F", SZ_4K);
	flush(test, SZ_4M, SZ_4M);
	expect_events(test, "F", 0);

	/* Now also where a block replaces a table, since it will flush that, too */
	empty_table(test, 0);
	do_map(test, 0, 0, SZ_2M);
	expect_events(test, "", SZ_4K);
	flush(test, 0, SZ_2M);
	expect_events(test, "F", 0);

	/* And still not where it says that it need not wait */
	fill_tables(test, SZ_4M, 1);
	do_unmap(test, SZ_4M, SZ_2M);
	expect_events(test, "F", 0);
}

static void the_cleanup_of_a_map_waits_for_the_driver_too(struct kunit *test)
{
	struct io_pgtable_safe_map_result res;

	open_journal(test, NULL);
	empty_table(test, 0);
	atomic_set(&pgt_fixture(test)->fail_page, 2);
	res = io_pgtable_safe_map(pgt_fixture(test)->pgt, SZ_4M, SZ_4K, SZ_4M, PGT_PROT,
				  GFP_KERNEL);
	check_map_result(test, res, 0, -ENOMEM);
	expect_events(test, "", SZ_4K);
	flush(test, SZ_4M, SZ_4M);
	expect_events(test, "F", 0);
}

static void unmap_present_waits_for_the_driver_too(struct kunit *test)
{
	struct io_pgtable_safe_unmap_result res;

	open_journal(test, NULL);
	fill_tables(test, SZ_4M, 1);
	fill_tables(test, SZ_8M, 1);
	res = io_pgtable_safe_unmap_present(pgt_fixture(test)->pgt, 0, SZ_16M,
					    IO_PGTABLE_SAFE_NO_FLUSH);
	check_unmap_result(test, res, SZ_4M, 0);
	expect_events(test, "", 2 * SZ_4K);
	flush(test, SZ_4M, SZ_8M);
	expect_events(test, "FF", 0);
}

/* The first call that says so counts itself */
static void cut_waits_for_the_driver_too(struct kunit *test)
{
	struct io_pgtable_safe_unmap_result res;

	open_journal(test, NULL);
	fill_tables(test, SZ_2M, 1);
	do_map(test, SZ_4M, 0, SZ_2M);
	res = io_pgtable_safe_cut(pgt_fixture(test)->pgt, SZ_2M, SZ_2M + SZ_1M, PGT_PROT,
				  GFP_KERNEL, IO_PGTABLE_SAFE_NO_FLUSH);
	check_unmap_result(test, res, SZ_2M + SZ_1M, 0);
	expect_events(test, "", SZ_4K);
	flush(test, SZ_2M, SZ_4M);
	expect_events(test, "F", 0);
}

/* A block of 1G cannot be cut for want of memory: what was to be cut goes back */
static void put_back_a_block(struct kunit *test)
{
	struct io_pgtable_safe_unmap_result res;

	atomic_set(&pgt_fixture(test)->fail_page, 2);
	res = io_pgtable_safe_cut(pgt_fixture(test)->pgt, SZ_1G + SZ_4K, SZ_4K, PGT_PROT,
				  GFP_KERNEL, 0);
	check_unmap_result(test, res, 0, -ENOMEM);
	check_leaf(test, SZ_1G, SZ_1G);
}

static void a_block_put_back_waits_for_the_driver_too(struct kunit *test)
{
	open_journal(test, NULL);
	do_map(test, SZ_1G, 0, SZ_1G);
	/* A driver that keeps the device away gets the table in its place at once */
	put_back_a_block(test);
	expect_events(test, "F", 0);
	empty_table(test, 0);
	put_back_a_block(test);
	expect_events(test, "", SZ_4K);
	flush(test, SZ_1G, SZ_1G);
	expect_events(test, "F", 0);
}

/* --- through the raw ops -------------------------------------------------- */

static void unmap_raw(struct kunit *test, struct io_pgtable_ops *ops)
{
	size_t mapped = 0;

	KUNIT_EXPECT_EQ(test, ops->map_pages(ops, 0, SZ_4K, SZ_4K, 512, PGT_PROT,
					     GFP_KERNEL, &mapped), 0);
	forget_journal();
	KUNIT_EXPECT_EQ(test, ops->unmap_pages(ops, 0, SZ_2M, 1, NULL), SZ_2M);
}

/* Nobody would give them back later. */
static void raw_ops_free_as_without_the_layer(struct kunit *test)
{
	open_journal(test, &pgt_flush_ops);
	unmap_raw(test, pgt_fixture(test)->raw);
	expect_events(test, "wF", 0);
}

static void raw_ops_free_at_once_without_callbacks(struct kunit *test)
{
	open_journal(test, NULL);
	empty_table(test, SZ_1G);
	unmap_raw(test, pgt_fixture(test)->raw);
	expect_events(test, "F", 0);
}

static void raw_formats_free_a_table_that_may_still_be_cached(struct kunit *test)
{
	struct io_pgtable_ops *ops;
	struct io_pgtable_cfg cfg;

	make_journal_cfg(test, &cfg, &pgt_flush_all_ops);
	ops = alloc_io_pgtable_ops(ARM_64_LPAE_S1, &cfg, pgt_fixture(test));
	KUNIT_ASSERT_NOT_NULL(test, ops);
	unmap_raw(test, ops);
	KUNIT_EXPECT_STREQ(test, journal.events, "F");
	free_io_pgtable_ops(ops);
}

static struct kunit_case order_cases[] = {
#ifdef IO_PGTABLE_SAFE_HAVE_NR_IOMMU_PAGES
	KUNIT_CASE(the_kernels_pages_are_accounted_for),
	KUNIT_CASE(a_concatenated_top_level_comes_from_the_kernel_too),
#endif
	KUNIT_CASE(one_invalidation_serves_tables_and_leaves),
	KUNIT_CASE(a_table_in_the_way_of_a_block_goes_after_the_walk_cache),
	KUNIT_CASE(a_driver_may_have_flush_all_only),
	KUNIT_CASE(a_failed_map_frees_after_the_invalidation),
	KUNIT_CASE(a_block_put_back_goes_after_the_walk_cache),
	KUNIT_CASE(a_cut_keeps_the_tables_between),
	KUNIT_CASE(kept_until_the_flush),
	KUNIT_CASE(kept_after_a_flush_that_is_forgotten),
	KUNIT_CASE(kept_if_the_table_breaks),
	KUNIT_CASE(one_flush_for_many_tables),
	KUNIT_CASE(a_flush_in_parts_counts_in_the_end),
	KUNIT_CASE(somebody_elses_invalidation_does_not_count),
	KUNIT_CASE(an_unmap_within_a_callback_frees_its_own),
	KUNIT_CASE(a_block_within_a_callback_goes_after_its_own_flush),
	KUNIT_CASE(a_flush_that_began_before_does_not_count),
	KUNIT_CASE(what_waits_is_freed_with_the_table),
	KUNIT_CASE(a_driver_that_locks_gets_its_pages_back_at_once),
	KUNIT_CASE(a_driver_that_flushes_gets_them_when_it_has),
	KUNIT_CASE(the_cleanup_of_a_map_waits_for_the_driver_too),
	KUNIT_CASE(unmap_present_waits_for_the_driver_too),
	KUNIT_CASE(cut_waits_for_the_driver_too),
	KUNIT_CASE(a_block_put_back_waits_for_the_driver_too),
	KUNIT_CASE(raw_ops_free_as_without_the_layer),
	KUNIT_CASE(raw_ops_free_at_once_without_callbacks),
	KUNIT_CASE(raw_formats_free_a_table_that_may_still_be_cached),
	{}
};

static struct kunit_suite order_suite = {
	.name = "io_pgtable_safe_pages_order",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = order_cases,
};

/* --- many threads --------------------------------------------------------- */

#define THREADS		4
#define REGIONS		6
#define ROUNDS		300

/**
 * struct region - 2M with pages in it, or without.
 * @table: The table that describes it, or NULL.
 * @times: How often it has been mapped.
 * @left: The number of the mapping that is gone, but not flushed by its owner.
 * @flushed: The number of the mapping that the device has forgotten.
 */
struct region {
	void *table;
	unsigned int times;
	unsigned int left;
	unsigned int flushed;
};

/**
 * struct owner - A thread and its regions.
 * @fix: The fixture.
 * @thread: The thread.
 * @rnd: Its random numbers.
 * @now: The region that it maps or unmaps right now, or NULL.
 * @region: All of them.
 */
struct owner {
	struct pgt_test *fix;
	struct pgt_thread thread;
	struct rnd_state rnd;
	struct region *now;
	struct region region[REGIONS];
};

static struct storm {
	spinlock_t lock; /* for tables of regions */
	const struct io_pgtable_cfg *allocator;
	struct owner owner[THREADS];
	atomic_t early;
	atomic_t freed;
	const char *wrong;
} storm;

static u32 owner_rnd(struct owner *o, u32 below)
{
	return (u64)prandom_u32_state(&o->rnd) * below >> 32;
}

static struct owner *this_owner(void)
{
	unsigned int i;

	for (i = 0; i < THREADS; i++)
		if (storm.owner[i].thread.task == current)
			return &storm.owner[i];
	return NULL;
}

/* All in one table of 1G, which exists already. */
static u64 region_iova(const struct owner *o, const struct region *r)
{
	return SZ_1G + ((o - storm.owner) * REGIONS + (r - o->region)) * (u64)SZ_2M;
}

static void check_region(bool right, const char *what)
{
	if (!right && !READ_ONCE(storm.wrong))
		WRITE_ONCE(storm.wrong, what);
}

static void *storm_alloc(void *cookie, size_t size, gfp_t gfp)
{
	void *pages = storm.allocator->alloc(cookie, size, gfp);
	struct owner *o = this_owner();
	unsigned long flags;

	if (!o || !pages)
		return pages;
	spin_lock_irqsave(&storm.lock, flags);
	check_region(!o->now->table, "more than one table for a region");
	o->now->table = pages;
	spin_unlock_irqrestore(&storm.lock, flags);
	return pages;
}

static void storm_free(void *cookie, void *pages, size_t size)
{
	struct owner *o;
	struct region *r;
	unsigned long flags;

	spin_lock_irqsave(&storm.lock, flags);
	for (o = storm.owner; o < storm.owner + THREADS; o++) {
		for (r = o->region; r < o->region + REGIONS; r++) {
			if (r->table != pages)
				continue;
			atomic_inc(&storm.freed);
			if (READ_ONCE(r->flushed) != r->times)
				atomic_inc(&storm.early);
			/* Pairs with map_region(), which counts on then */
			smp_store_release(&r->table, NULL);
		}
	}
	spin_unlock_irqrestore(&storm.lock, flags);
	storm.allocator->free(cookie, pages, size);
}

/*
 * What the device does to forget a range: it takes a while. Counts for what was
 * unmapped when it began.
 */
static void device_forgets(u64 first, u64 last)
{
	unsigned int seen[THREADS][REGIONS] = {}, i, j;
	struct owner *self = this_owner();

	for (i = 0; i < THREADS; i++) {
		for (j = 0; j < REGIONS; j++) {
			struct region *r = &storm.owner[i].region[j];
			u64 iova = region_iova(&storm.owner[i], r);

			if (iova < first || iova + SZ_2M - 1 > last)
				continue;
			if (self && self->now == r)
				seen[i][j] = r->times;
			else
				/* Pairs with unmap_region() */
				seen[i][j] = smp_load_acquire(&r->left);
		}
	}
	if (self && !owner_rnd(self, 4))
		schedule_timeout_uninterruptible(1);
	for (i = 0; i < THREADS; i++)
		for (j = 0; j < REGIONS; j++)
			if (seen[i][j])
				WRITE_ONCE(storm.owner[i].region[j].flushed, seen[i][j]);
}

static void storm_flush(struct pgt_test *fix, const struct pgt_flush *flush)
{
	if (flush->kind == PGT_FLUSH_ALL)
		device_forgets(0, U64_MAX);
	else
		device_forgets(flush->iova, flush->iova + flush->size - 1);
}

/* For a table without callbacks the driver does it, and then says so. */
static void flush_regions(struct owner *o, u64 iova, u64 size)
{
	if (!o->fix->cfg->tlb)
		device_forgets(iova, iova + size - 1);
	check_region(!io_pgtable_safe_flush(o->fix->pgt, iova, size), "flush");
}

/*
 * All of one's own, or everybody's. Not the latter if it is for the driver to
 * invalidate, who cannot say of others how far they are.
 */
static void flush_many_regions(struct owner *o)
{
	if (o->fix->cfg->tlb && owner_rnd(o, 2))
		flush_regions(o, SZ_1G, SZ_1G);
	else
		flush_regions(o, region_iova(o, o->region), (u64)REGIONS * SZ_2M);
}

static void map_region(struct owner *o, struct region *r)
{
	struct io_pgtable_safe_map_result res;
	u64 iova = region_iova(o, r);
	unsigned int i;

	/* As the API wants it before a range is used again */
	if (READ_ONCE(r->flushed) != r->times || READ_ONCE(r->table))
		flush_regions(o, iova, SZ_2M);
	/*
	 * Another thread may have flushed it, and not have come to the end of that.
	 * Pairs with storm_free().
	 */
	for (i = 0; i < HZ && smp_load_acquire(&r->table); i++)
		schedule_timeout_uninterruptible(1);
	check_region(i < HZ, "a flush has left a table behind");
	o->now = r;
	WRITE_ONCE(r->times, r->times + 1);
	res = io_pgtable_safe_map(o->fix->pgt, iova, SZ_4K, SZ_2M, PGT_PROT, GFP_KERNEL);
	check_region(!res.err, "map");
	o->now = NULL;
}

static void unmap_region(struct owner *o, struct region *r)
{
	bool later = !o->fix->cfg->tlb || owner_rnd(o, 2);
	struct io_pgtable_safe_unmap_result res;
	u64 iova = region_iova(o, r);

	o->now = r;
	res = io_pgtable_safe_unmap(o->fix->pgt, iova, SZ_2M,
				    later ? IO_PGTABLE_SAFE_NO_FLUSH : 0);
	check_region(!res.err, "unmap");
	o->now = NULL;
	if (later)
		/* Pairs with device_forgets(): the descriptor is gone */
		smp_store_release(&r->left, r->times);
	else
		check_region(!r->table, "an unmap has left a table behind");
}

static void run_owner(struct pgt_thread *t)
{
	struct owner *o = container_of(t, struct owner, thread);
	bool mapped[REGIONS] = {};
	unsigned int i, n;

	for (i = 0; i < ROUNDS; i++) {
		n = owner_rnd(o, REGIONS);
		if (!owner_rnd(o, 6)) {
			flush_many_regions(o);
			continue;
		}
		if (mapped[n])
			unmap_region(o, &o->region[n]);
		else
			map_region(o, &o->region[n]);
		mapped[n] = !mapped[n];
		cond_resched();
	}
}

static void free_tables_from_many_threads(struct kunit *test,
					  const struct iommu_flush_ops *tlb)
{
	static struct io_pgtable_cfg plain;
	unsigned int seed = pgt_random_seed(test);
	DECLARE_COMPLETION_ONSTACK(start);
	struct io_pgtable_cfg cfg;
	struct owner *o;

	memset(&storm, 0, sizeof(storm));
	spin_lock_init(&storm.lock);
	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &plain);
	storm.allocator = &plain;
	cfg = plain;
	cfg.alloc = storm_alloc;
	cfg.free = storm_free;
	cfg.tlb = tlb;
	open_cfg(test, ARM_64_LPAE_S1, &cfg);
	do_map(test, 2ULL * SZ_1G - SZ_4K, 0, SZ_4K);
	pgt_fixture(test)->on_flush = storm_flush;

	for (o = storm.owner; o < storm.owner + THREADS; o++) {
		o->fix = pgt_fixture(test);
		prandom_seed_state(&o->rnd, seed++);
		start_pgt_thread(test, &o->thread, run_owner, &start);
	}
	complete_all(&start);
	for (o = storm.owner; o < storm.owner + THREADS; o++)
		join_pgt_thread(test, &o->thread);
	KUNIT_EXPECT_NULL_MSG(test, storm.wrong, "%s", storm.wrong);
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(&storm.early), 0,
			    "tables freed before the device has forgotten them");
	KUNIT_EXPECT_GT(test, atomic_read(&storm.freed), THREADS * ROUNDS / 8);

	device_forgets(0, U64_MAX);
	flush(test, SZ_1G, SZ_1G);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_kept(pgt_fixture(test)->pgt), 0);
	do_unmap_present(test, SZ_1G, SZ_1G, io_pgtable_safe_mapped(pgt_fixture(test)->pgt));
}

static void tables_are_never_freed_early(struct kunit *test)
{
	free_tables_from_many_threads(test, &pgt_flush_ops);
}

static void tables_are_never_freed_before_the_driver_says_so(struct kunit *test)
{
	free_tables_from_many_threads(test, NULL);
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE(tables_are_never_freed_early),
	KUNIT_CASE(tables_are_never_freed_before_the_driver_says_so),
	{}
};

static struct kunit_suite race_suite = {
	.name = "io_pgtable_safe_race_pages",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = race_cases,
};

kunit_test_suites(&format_suite, &order_suite, &race_suite);
#else
kunit_test_suites(&format_suite);
#endif
