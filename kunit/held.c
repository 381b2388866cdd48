// SPDX-License-Identifier: GPL-2.0
/*
 * What lies in one table is mapped and unmapped with the lock of the ledger's node held,
 * unless the ops are from io_pgtable_safe_wrap(). What if the format does not do all of
 * it? Formats hardly ever do less, so their ops are replaced.
 */
#include <linux/gfp.h>
#include <linux/preempt.h>

#include "helpers.h"

/**
 * struct held - The ops in between.
 * @real: What the format's are.
 * @pages: How much the first call does.
 * @err: What it returns, of a map.
 * @calls: Calls so far.
 * @gfp: Of each of the first two maps.
 */
static struct held {
	struct io_pgtable_ops real;
	size_t pages;
	int err;
	unsigned int calls;
	gfp_t gfp[2];
} held;

static int map_less(struct io_pgtable_ops *ops, unsigned long iova, phys_addr_t paddr,
		    size_t pgsize, size_t pgcount, int prot, gfp_t gfp, size_t *mapped)
{
	int err;

	if (held.calls < 2)
		held.gfp[held.calls] = gfp;
	if (held.calls++)
		return held.real.map_pages(ops, iova, paddr, pgsize, pgcount, prot, gfp, mapped);
	err = held.pages ? held.real.map_pages(ops, iova, paddr, pgsize, held.pages, prot, gfp,
					       mapped) : 0;
	return err ?: held.err;
}

static size_t unmap_less(struct io_pgtable_ops *ops, unsigned long iova, size_t pgsize,
			 size_t pgcount, struct iommu_iotlb_gather *gather)
{
	if (held.calls++)
		return held.real.unmap_pages(ops, iova, pgsize, pgcount, gather);
	return held.pages ? held.real.unmap_pages(ops, iova, pgsize, held.pages, gather) : 0;
}

static struct io_pgtable_safe *open_held(struct kunit *test, size_t pages, int err)
{
	struct io_pgtable_safe *pgt;
	struct io_pgtable_ops *ops;

	open_format(test, PGT_LPAE_4K);
	pgt = pgt_fixture(test)->pgt;
	/* SAFETY: the ops do what they did, or less of it. */
	ops = io_pgtable_safe_raw_ops(pgt);
	/* So that the table is there */
	do_map(test, 0, 0, SZ_4K);
	held = (struct held){ .real = *ops, .pages = pages, .err = err };
	ops->map_pages = map_less;
	ops->unmap_pages = unmap_less;
	return pgt;
}

static void a_part_is_gone_on_with(struct kunit *test)
{
	struct io_pgtable_safe *pgt = open_held(test, 3, 0);

	check_map_result(test, io_pgtable_safe_map(pgt, SZ_64K, SZ_4K, SZ_32K, PGT_PROT,
						   GFP_KERNEL), SZ_32K, 0);
	KUNIT_EXPECT_EQ(test, held.calls, 2U);
	check_range(test, SZ_64K, SZ_4K, SZ_32K);
	check_mapped(test, SZ_32K + SZ_4K);
	do_unmap(test, SZ_64K, SZ_32K);
}

static void a_part_is_reported_by_map_pages(struct kunit *test)
{
	struct io_pgtable_safe *pgt = open_held(test, 3, 0);

	check_map_result(test, io_pgtable_safe_map_pages(pgt, SZ_64K, SZ_4K, SZ_4K, 8, PGT_PROT,
							 GFP_KERNEL), 3 * SZ_4K, 0);
	KUNIT_EXPECT_EQ(test, held.calls, 1U);
	check_range(test, SZ_64K, SZ_4K, 3 * SZ_4K);
	check_hole(test, SZ_64K + 3 * SZ_4K, 5 * SZ_4K);
	check_mapped(test, 4 * SZ_4K);
}

static void no_memory_is_tried_again_without_the_lock(struct kunit *test)
{
	struct io_pgtable_safe *pgt = open_held(test, 2, -ENOMEM);

	check_map_result(test, io_pgtable_safe_map(pgt, SZ_64K, SZ_4K, SZ_32K, PGT_PROT,
						   GFP_KERNEL), SZ_32K, 0);
	KUNIT_EXPECT_EQ(test, held.calls, 2U);
	KUNIT_EXPECT_EQ(test, (__force u32)held.gfp[0],
			(__force u32)((GFP_KERNEL & ~__GFP_DIRECT_RECLAIM) | __GFP_NOWARN));
	KUNIT_EXPECT_EQ(test, (__force u32)held.gfp[1], (__force u32)GFP_KERNEL);
	check_range(test, SZ_64K, SZ_4K, SZ_32K);
}

static void no_memory_is_final_where_nothing_may_sleep(struct kunit *test)
{
	struct io_pgtable_safe *pgt = open_held(test, 2, -ENOMEM);

	/* One more call: two pages are unmapped again */
	check_map_result(test, io_pgtable_safe_map(pgt, SZ_64K, SZ_4K, SZ_32K, PGT_PROT,
						   GFP_ATOMIC), 0, -ENOMEM);
	KUNIT_EXPECT_EQ(test, held.calls, 2U);
	check_hole(test, SZ_64K, SZ_32K);
	check_mapped(test, SZ_4K);
	do_map(test, SZ_64K, 0, SZ_32K);
}

static void another_error_is_kept_or_undone(struct kunit *test)
{
	struct io_pgtable_safe *pgt = open_held(test, 2, -EFAULT);

	check_map_result(test, io_pgtable_safe_map_pages(pgt, SZ_64K, SZ_4K, SZ_4K, 8, PGT_PROT,
							 GFP_KERNEL), 0, -EFAULT);
	check_hole(test, SZ_64K, SZ_32K);
	held.calls = 0;
	check_map_result(test, io_pgtable_safe_try_map_pages(pgt, SZ_64K, SZ_4K, SZ_4K, 8,
							     PGT_PROT, GFP_KERNEL),
			 2 * SZ_4K, -EFAULT);
	check_range(test, SZ_64K, SZ_4K, 2 * SZ_4K);
	check_mapped(test, 3 * SZ_4K);
}

static void an_unmap_of_a_part_is_gone_on_with(struct kunit *test)
{
	struct io_pgtable_safe *pgt = open_held(test, 3, 0);

	held.calls = 1;
	do_map(test, SZ_64K, SZ_4K, SZ_32K);
	held.calls = 0;
	check_unmap_result(test, io_pgtable_safe_unmap(pgt, SZ_64K, SZ_32K,
						       IO_PGTABLE_SAFE_NO_FLUSH), SZ_32K, 0);
	KUNIT_EXPECT_EQ(test, held.calls, 2U);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, SZ_64K, SZ_32K), 0);
	check_hole(test, SZ_64K, SZ_32K);
	check_mapped(test, SZ_4K);
}

static void an_unmap_of_nothing_breaks_the_table(struct kunit *test)
{
	struct io_pgtable_safe *pgt = open_held(test, 0, 0);

	held.calls = 1;
	do_map(test, SZ_64K, SZ_4K, SZ_32K);
	held.calls = 0;
	check_unmap_result(test, io_pgtable_safe_unmap(pgt, SZ_64K, SZ_32K,
						       IO_PGTABLE_SAFE_NO_FLUSH), 0, -EIO);
	KUNIT_EXPECT_EQ(test, held.calls, 1U);
	check_mapped(test, SZ_32K + SZ_4K);
	check_broken(test);
}

static bool flushed_with_lock;

static void note_lock(struct pgt_test *fix, const struct pgt_flush *flush)
{
	flushed_with_lock |= preempt_count();
}

static void open_empty_table(struct kunit *test, u64 iova)
{
	open_format(test, PGT_LPAE_4K);
	do_map(test, iova, 0, SZ_4K);
	do_unmap(test, iova, SZ_4K);
	pgt_forget_flushes(test);
	flushed_with_lock = false;
	pgt_fixture(test)->on_flush = note_lock;
}

static void expect_flush_without_lock(struct kunit *test, u64 iova)
{
	do_map(test, iova, 0, SZ_2M);
	KUNIT_EXPECT_EQ(test, atomic_read(&pgt_fixture(test)->flushes), 1);
	KUNIT_EXPECT_FALSE(test, flushed_with_lock);
}

/* The empty table in the way of the second block is in another table */
static void a_table_is_not_forgotten_by_a_part(struct kunit *test)
{
	open_empty_table(test, SZ_1G);
	check_map_result(test, io_pgtable_safe_map_pages(pgt_fixture(test)->pgt, SZ_1G - SZ_2M,
							 SZ_2M, SZ_2M, 2, PGT_PROT, GFP_KERNEL),
			 SZ_2M, 0);
	expect_flush_without_lock(test, SZ_1G);
}

static void a_table_is_not_forgotten_by_a_failure(struct kunit *test)
{
	open_empty_table(test, SZ_1G);
	if (!pgt_counts_pages(test))
		kunit_skip(test, "allocations of this format cannot be made to fail");
	atomic_set(&pgt_fixture(test)->fail_page, 1);
	do_map_fails(test, SZ_1G - SZ_2M, SZ_2M, 2 * SZ_2M, -ENOMEM);
	expect_flush_without_lock(test, SZ_1G);
}

/* A block was to take the place of an empty table. What is above that is still there */
static void a_table_above_is_not_forgotten_by_a_failure(struct kunit *test)
{
	struct io_pgtable_safe *pgt = open_held(test, 0, -ENOMEM);

	if (!pgt_counts_pages(test))
		kunit_skip(test, "the layer does not see the tables of this format");
	held.calls = 1;
	do_unmap(test, 0, SZ_4K);
	held.calls = 0;
	check_map_result(test, io_pgtable_safe_map(pgt, 0, 0, SZ_2M, PGT_PROT, GFP_ATOMIC), 0,
			 -ENOMEM);
	do_unmap_present(test, 0, SZ_1G, 0);
	/* Of the highest two only a part was unmapped */
	KUNIT_EXPECT_EQ(test, atomic_long_read(&pgt_fixture(test)->pages), SZ_8K);
}

static struct kunit_case held_cases[] = {
	KUNIT_CASE(a_part_is_gone_on_with),
	KUNIT_CASE(a_part_is_reported_by_map_pages),
	KUNIT_CASE(no_memory_is_tried_again_without_the_lock),
	KUNIT_CASE(no_memory_is_final_where_nothing_may_sleep),
	KUNIT_CASE(another_error_is_kept_or_undone),
	KUNIT_CASE(an_unmap_of_a_part_is_gone_on_with),
	KUNIT_CASE(an_unmap_of_nothing_breaks_the_table),
	KUNIT_CASE(a_table_is_not_forgotten_by_a_part),
	KUNIT_CASE(a_table_is_not_forgotten_by_a_failure),
	KUNIT_CASE(a_table_above_is_not_forgotten_by_a_failure),
	{}
};

static struct kunit_suite held_suite = {
	.name = "io_pgtable_safe_held",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = held_cases,
};

kunit_test_suites(&held_suite);
