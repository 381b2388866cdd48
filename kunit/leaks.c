// SPDX-License-Identifier: GPL-2.0
/*
 * Nothing is left behind: each operation, and each of its failures, many times. The
 * fixture counts what it provides itself, the pages of tables, and finds a single one;
 * what the module takes from the slab or from the kernel's pages shows here.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmstat.h>

#include "helpers.h"
#include "core/table_pages.h"
#include "io_pgtable_safe_compat.h"

#ifndef KUNIT_CASE_SLOW
#define KUNIT_CASE_SLOW(test_name) KUNIT_CASE(test_name)
#endif

#define ROUNDS 500
/* Less than what any object takes that is lost each time, and more than the noise */
#define LOST_SLAB_PAGES (ROUNDS * 80L / (long)PAGE_SIZE)

/*
 * Pages that the slab has, once it has given back what it can. KASAN keeps objects that
 * have been freed; it lets go of those of a cache that is shrunk.
 */
static long slab_pages(void)
{
	unsigned int type, i;

	for (type = 0; type < NR_KMALLOC_TYPES; type++)
		for (i = 0; i <= KMALLOC_SHIFT_HIGH; i++)
			if (kmalloc_caches[type][i])
				kmem_cache_shrink(kmalloc_caches[type][i]);
	kmem_cache_shrink(io_pgtable_safe_page_cache);
	return global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B);
}

/* Without what KASAN keeps of the slab */
static long free_pages_now(void)
{
	slab_pages();
	return global_zone_page_state(NR_FREE_PAGES);
}

/* As often as it takes for a loss to show; the first few times warm up */
static void repeat(struct kunit *test, void (*once)(struct kunit *test))
{
	unsigned int i;
	long slab;

	for (i = 0; i < ROUNDS / 4; i++)
		once(test);
	slab = slab_pages();
	for (i = 0; i < ROUNDS; i++)
		once(test);
	slab = slab_pages() - slab;
	KUNIT_EXPECT_LE(test, slab, LOST_SLAB_PAGES);
}

static struct io_pgtable_safe *pgt_of(struct kunit *test)
{
	return pgt_fixture(test)->pgt;
}

static void fail_page(struct kunit *test, unsigned int n)
{
	atomic_set(&pgt_fixture(test)->fail_page, n);
}

/* --- the life of a table ---------------------------------------------------- */

static void live_once(struct kunit *test)
{
	open_format(test, PGT_LPAE_4K);
	do_map(test, SZ_2M - SZ_4K, 0, SZ_2M + SZ_8K);
	do_map(test, BIT_ULL(40), 0, SZ_4K);
	do_unmap(test, SZ_2M - SZ_4K, SZ_2M + SZ_8K);
	do_unmap(test, BIT_ULL(40), SZ_4K);
	close_table(test);
}

static void a_table_leaves_nothing(struct kunit *test)
{
	repeat(test, live_once);
}

static void watch_once(struct kunit *test)
{
	open_format(test, PGT_LPAE_4K);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_debugfs(pgt_of(test), NULL), 0);
	io_pgtable_safe_check_pages(true);
	do_map(test, SZ_1G, 0, SZ_4K);
	io_pgtable_safe_check_pages(false);
	do_unmap(test, SZ_1G, SZ_4K);
	close_table(test);
}

static void a_watched_table_leaves_nothing(struct kunit *test)
{
	repeat(test, watch_once);
}

#define TABLES 16

/* Pages that the kernel gave: the walker is not coherent, so it is the format's affair */
static void a_table_of_kernel_pages_leaves_nothing(struct kunit *test)
{
	long free = 0;
	unsigned int i;

	for (i = 0; i <= ROUNDS; i++) {
		if (i == 1)
			free = free_pages_now();
		open_format(test, PGT_LPAE_4K_NONCOHERENT);
		do_map(test, SZ_1G, SZ_4K, TABLES * SZ_2M);
		do_unmap(test, SZ_1G, TABLES * SZ_2M);
		close_table(test);
	}
	free -= free_pages_now();
	/* A list of free pages for each CPU does not count */
	KUNIT_EXPECT_LE(test, free, (long)ROUNDS * TABLES / 2);
}

static void fail_alloc_once(struct kunit *test)
{
	struct io_pgtable_safe *pgt;
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	fail_page(test, 1);
	pgt = io_pgtable_safe_alloc(ARM_64_LPAE_S1, &cfg, pgt_fixture(test));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pgt), -ENOMEM);
	io_pgtable_safe_free(pgt);
}

static void an_alloc_that_fails_leaves_nothing(struct kunit *test)
{
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	if (!io_pgtable_safe_has_alloc(&cfg))
		kunit_skip(test, "this kernel has no custom allocators");
	repeat(test, fail_alloc_once);
}

/* --- maps and unmaps -------------------------------------------------------- */

static void open_counted(struct kunit *test)
{
	open_format(test, PGT_LPAE_4K);
	if (!pgt_counts_pages(test))
		kunit_skip(test, "page-table pages come from the kernel");
}

/* Over a table, as a block, and in its place again */
static void map_all_kinds_once(struct kunit *test)
{
	do_map(test, SZ_1G, SZ_4K, SZ_2M);
	do_unmap(test, SZ_1G, SZ_2M);
	do_map(test, SZ_1G, 0, SZ_1G);
	do_unmap(test, SZ_1G, SZ_1G);
	do_map(test, SZ_1G - SZ_4K, 0, SZ_8K);
	do_unmap_present(test, 0, SZ_2G, SZ_8K);
}

static void maps_leave_nothing(struct kunit *test)
{
	open_format(test, PGT_LPAE_4K);
	repeat(test, map_all_kinds_once);
}

static void fail_map_once(struct kunit *test)
{
	struct io_pgtable_safe_map_result res;

	/* There is memory for the first table of two */
	fail_page(test, 2);
	res = io_pgtable_safe_map(pgt_of(test), SZ_4M, SZ_4K, SZ_4M, PGT_PROT, GFP_KERNEL);
	check_map_result(test, res, 0, -ENOMEM);
}

static void a_map_that_fails_leaves_nothing(struct kunit *test)
{
	open_counted(test);
	do_map(test, 0, 0, SZ_4K);
	repeat(test, fail_map_once);
}

/* --- cuts ------------------------------------------------------------------- */

static void cut_once(struct kunit *test)
{
	do_map(test, SZ_1G, 0, SZ_1G);
	do_map(test, SZ_2G, 0, SZ_2M);
	do_cut(test, SZ_2G - SZ_4K, SZ_8K);
	do_cut(test, SZ_1G + SZ_512M, SZ_2M);
	do_unmap_present(test, SZ_1G, 2ULL * SZ_1G, SZ_1G - SZ_8K);
}

static void cuts_leave_nothing(struct kunit *test)
{
	open_format(test, PGT_LPAE_4K);
	repeat(test, cut_once);
}

static void fail_cut_once(struct kunit *test)
{
	struct io_pgtable_safe_unmap_result res;

	fail_page(test, 2);
	res = io_pgtable_safe_cut(pgt_of(test), SZ_1G + SZ_4K, SZ_4K, PGT_PROT,
				  GFP_KERNEL, 0);
	check_unmap_result(test, res, 0, -ENOMEM);
}

static void a_cut_that_fails_leaves_nothing(struct kunit *test)
{
	open_counted(test);
	do_map(test, SZ_1G, 0, SZ_1G);
	repeat(test, fail_cut_once);
}

/* --- reservations ----------------------------------------------------------- */

static struct io_pgtable_safe_reserve *reserve_or_skip(struct kunit *test, u64 iova, u64 size)
{
	struct io_pgtable_safe_reserve *r;

	r = io_pgtable_safe_reserve(pgt_of(test), iova, size, GFP_KERNEL);
	if (PTR_ERR_OR_ZERO(r) == -EOPNOTSUPP)
		kunit_skip(test, "this kernel's formats take no reservations");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r);
	return r;
}

static void reserve_in_vain_once(struct kunit *test)
{
	io_pgtable_safe_unreserve(reserve_or_skip(test, SZ_1G - SZ_2M, SZ_4M));
}

static void a_reservation_in_vain_leaves_nothing(struct kunit *test)
{
	open_format(test, PGT_LPAE_4K);
	repeat(test, reserve_in_vain_once);
}

static void fail_reserve_once(struct kunit *test)
{
	struct io_pgtable_safe_reserve *r;

	fail_page(test, 3);
	r = io_pgtable_safe_reserve(pgt_of(test), SZ_2M, SZ_4M, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(r), -ENOMEM);
	io_pgtable_safe_unreserve(r);
}

static void a_reservation_that_fails_leaves_nothing(struct kunit *test)
{
	open_counted(test);
	reserve_in_vain_once(test);
	repeat(test, fail_reserve_once);
}

/* Maps, cuts what it mapped, and gives back what is left */
static void use_reservation_once(struct kunit *test)
{
	struct io_pgtable_safe_reserve *r = reserve_or_skip(test, SZ_1G - SZ_2M, SZ_4M);
	struct io_pgtable_safe_unmap_result unmapped;
	struct io_pgtable_safe_map_result mapped;

	KUNIT_ASSERT_EQ(test, io_pgtable_safe_reserve_attach(pgt_of(test), r), 0);
	mapped = io_pgtable_safe_map(pgt_of(test), SZ_1G - SZ_4K, SZ_1G - SZ_4K, SZ_2M + SZ_4K,
				     PGT_PROT, IO_PGTABLE_SAFE_RESERVED);
	check_map_result(test, mapped, SZ_2M + SZ_4K, 0);
	unmapped = io_pgtable_safe_cut(pgt_of(test), SZ_1G + SZ_1M, SZ_4K, PGT_PROT,
				       IO_PGTABLE_SAFE_RESERVED, 0);
	check_unmap_result(test, unmapped, SZ_4K, 0);
	io_pgtable_safe_unreserve(r);
	do_unmap_present(test, 0, SZ_2G, SZ_2M);
}

static void a_used_reservation_leaves_nothing(struct kunit *test)
{
	open_format(test, PGT_LPAE_4K);
	repeat(test, use_reservation_once);
}

/*
 * A cut that has its share of the ledger but no table any more: what it had prepared
 * goes, too.
 */
static void cut_on_an_empty_reservation_once(struct kunit *test)
{
	struct io_pgtable_safe_reserve *r = reserve_or_skip(test, SZ_1G, SZ_2M);
	struct io_pgtable_safe_unmap_result unmapped;
	struct io_pgtable_safe_map_result mapped;

	KUNIT_ASSERT_EQ(test, io_pgtable_safe_reserve_attach(pgt_of(test), r), 0);
	/* All of its tables, which go when all of what they describe does */
	mapped = io_pgtable_safe_map(pgt_of(test), SZ_1G, SZ_4K, SZ_2M, PGT_PROT,
				     IO_PGTABLE_SAFE_RESERVED);
	check_map_result(test, mapped, SZ_2M, 0);
	do_unmap(test, SZ_1G, SZ_2M);
	do_map(test, SZ_1G, 0, SZ_1G);
	do_unmap(test, SZ_1G, SZ_1G);
	do_map(test, SZ_1G, 0, SZ_2M);
	for (unmapped.err = 0; !unmapped.err;) {
		unmapped = io_pgtable_safe_cut(pgt_of(test), SZ_1G + SZ_4K, SZ_4K, PGT_PROT,
					       IO_PGTABLE_SAFE_RESERVED, 0);
		if (unmapped.err)
			break;
		do_unmap_present(test, SZ_1G, SZ_2M, SZ_2M - SZ_4K);
		do_map(test, SZ_1G, 0, SZ_2M);
	}
	check_unmap_result(test, unmapped, 0, -ENOMEM);
	check_leaf(test, SZ_1G, SZ_2M);
	io_pgtable_safe_unreserve(r);
	do_unmap(test, SZ_1G, SZ_2M);
}

static void a_cut_on_an_empty_reservation_leaves_nothing(struct kunit *test)
{
	open_format(test, PGT_LPAE_4K);
	repeat(test, cut_on_an_empty_reservation_once);
}

static struct kunit_case leak_cases[] = {
	KUNIT_CASE_SLOW(a_table_leaves_nothing),
	KUNIT_CASE_SLOW(a_watched_table_leaves_nothing),
	KUNIT_CASE_SLOW(a_table_of_kernel_pages_leaves_nothing),
	KUNIT_CASE_SLOW(an_alloc_that_fails_leaves_nothing),
	KUNIT_CASE_SLOW(maps_leave_nothing),
	KUNIT_CASE_SLOW(a_map_that_fails_leaves_nothing),
	KUNIT_CASE_SLOW(cuts_leave_nothing),
	KUNIT_CASE_SLOW(a_cut_that_fails_leaves_nothing),
	KUNIT_CASE_SLOW(a_reservation_in_vain_leaves_nothing),
	KUNIT_CASE_SLOW(a_reservation_that_fails_leaves_nothing),
	KUNIT_CASE_SLOW(a_used_reservation_leaves_nothing),
	KUNIT_CASE_SLOW(a_cut_on_an_empty_reservation_leaves_nothing),
	{}
};

static struct kunit_suite leak_suite = {
	.name = "io_pgtable_safe_leaks",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = leak_cases,
};

kunit_test_suites(&leak_suite);
