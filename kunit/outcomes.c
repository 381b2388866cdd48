// SPDX-License-Identifier: GPL-2.0
/*
 * How much was mapped and whether there was an error are two values: every pair
 * of them, from a mock that reports what it is told and from the real formats.
 */
#include <linux/gfp.h>

#include "helpers.h"
#include "mock_format.h"

#define PAGE SZ_4K
#define PADDR ((phys_addr_t)SZ_1G)

/* --- the ways to map eight pages that clean up after themselves ----------- */

#define PAGES 8

struct map_fn {
	const char *name;
	struct io_pgtable_safe_map_result (*map)(struct kunit *test, u64 iova,
						 phys_addr_t paddr, u64 size,
						 gfp_t gfp);
};

static struct io_pgtable_safe_map_result
by_map_pages(struct kunit *test, u64 iova, phys_addr_t paddr, u64 size, gfp_t gfp)
{
	struct pgt_test *fix = pgt_fixture(test);

	return io_pgtable_safe_map_pages(fix->pgt, iova, paddr, fix->granule,
					 size / fix->granule, PGT_PROT, gfp);
}

static struct io_pgtable_safe_map_result
by_map(struct kunit *test, u64 iova, phys_addr_t paddr, u64 size, gfp_t gfp)
{
	return io_pgtable_safe_map(pgt_fixture(test)->pgt, iova, paddr, size,
				   PGT_PROT, gfp);
}

static struct io_pgtable_safe_map_result
by_map_sgtable(struct kunit *test, u64 iova, phys_addr_t paddr, u64 size,
	       gfp_t gfp)
{
	struct sg_piece piece = { paddr, size };

	return map_dma_table(test, iova, make_dma_table(test, &piece, 1), 0,
			     size, gfp);
}

static struct io_pgtable_safe_map_result
by_map_repeat(struct kunit *test, u64 iova, phys_addr_t paddr, u64 size,
	      gfp_t gfp)
{
	return io_pgtable_safe_map_repeat(pgt_fixture(test)->pgt, iova, paddr,
					  size, 0, size, PGT_PROT, gfp);
}

static const struct map_fn cleaning_fns[] = {
	{ "map_pages", by_map_pages },
	{ "map", by_map },
	{ "map_sgtable", by_map_sgtable },
	{ "map_repeat", by_map_repeat },
};

/* Those that also retry: all but map_pages(). */
static const struct map_fn retrying_fns[] = {
	{ "map", by_map },
	{ "map_sgtable", by_map_sgtable },
	{ "map_repeat", by_map_repeat },
};

static void map_fn_desc(const struct map_fn *fn, char *desc)
{
	strscpy(desc, fn->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(cleaning, cleaning_fns, map_fn_desc);
KUNIT_ARRAY_PARAM(retrying, retrying_fns, map_fn_desc);

/* Eight pages at 0, by the function that is the test's parameter. */
static struct io_pgtable_safe_map_result map_eight(struct kunit *test)
{
	const struct map_fn *fn = test->param_value;

	return fn->map(test, 0, PADDR, PAGES * PAGE, GFP_KERNEL);
}

static struct io_pgtable_safe_map_result try_eight(struct kunit *test)
{
	return io_pgtable_safe_try_map_pages(pgt_fixture(test)->pgt, 0, PADDR,
					     PAGE, PAGES, PGT_PROT, GFP_KERNEL);
}

/* Expects that the backend has these pages mapped, and the ledger too. */
static void check_pages(struct kunit *test, unsigned int pages)
{
	KUNIT_EXPECT_EQ_MSG(test, mock_mapped(pgt_fixture(test)->mock),
			    (u64)pages * PAGE, "from %pS", (void *)_RET_IP_);
	check_mapped(test, pages * PAGE);
	if (pages)
		check_range(test, 0, PADDR, pages * PAGE);
	if (pages < PAGES)
		check_hole(test, pages * PAGE, (PAGES - pages) * PAGE);
}

static void check_works(struct kunit *test)
{
	do_map(test, SZ_1G, PADDR, PAGE);
	do_unmap(test, SZ_1G, PAGE);
}

/* --- try_map_pages: the outcome as it is ---------------------------------- */

static void try_reports_success(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	check_map_result(test, try_eight(test), PAGES * PAGE, 0);
	check_pages(test, PAGES);
	KUNIT_EXPECT_EQ(test, mock->nr_calls, 1U);
}

static void try_reports_partial_success(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, 3 * PAGE, 0);
	check_map_result(test, try_eight(test), 3 * PAGE, 0);
	check_pages(test, 3);
	KUNIT_EXPECT_EQ(test, mock->nr_calls, 1U);
}

static void try_leaves_room_for_the_remainder(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe_map_result res;

	mock_next_map(mock, 3 * PAGE, 0);
	check_map_result(test, try_eight(test), 3 * PAGE, 0);
	res = io_pgtable_safe_try_map_pages(pgt_fixture(test)->pgt, 3 * PAGE,
					    PADDR + 3 * PAGE, PAGE, 5, PGT_PROT,
					    GFP_KERNEL);
	check_map_result(test, res, 5 * PAGE, 0);
	check_pages(test, PAGES);
}

static void try_keeps_the_part_before_an_error(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, 3 * PAGE, -ENOMEM);
	check_map_result(test, try_eight(test), 3 * PAGE, -ENOMEM);
	check_pages(test, 3);
	KUNIT_EXPECT_EQ(test, mock->nr_calls, 1U);
	KUNIT_EXPECT_EQ(test, atomic_read(&pgt_fixture(test)->flushes), 0);
	do_unmap(test, 0, 3 * PAGE);
	check_pages(test, 0);
}

static void try_reports_an_error_after_everything_was_mapped(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, PAGES * PAGE, -ENOSPC);
	check_map_result(test, try_eight(test), PAGES * PAGE, -ENOSPC);
	check_pages(test, PAGES);
}

static void try_reports_plain_failure(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, 0, -ENOMEM);
	check_map_result(test, try_eight(test), 0, -ENOMEM);
	check_pages(test, 0);
	check_works(test);
}

static void try_turns_no_progress_into_an_error(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, 0, 0);
	check_map_result(test, try_eight(test), 0, -EIO);
	check_pages(test, 0);
	check_works(test);
}

static void try_turns_a_positive_error_into_a_negative_one(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, 3 * PAGE, 1);
	check_map_result(test, try_eight(test), 3 * PAGE, -EIO);
	check_pages(test, 3);
	check_works(test);
}

static struct kunit_case try_cases[] = {
	KUNIT_CASE(try_reports_success),
	KUNIT_CASE(try_reports_partial_success),
	KUNIT_CASE(try_leaves_room_for_the_remainder),
	KUNIT_CASE(try_keeps_the_part_before_an_error),
	KUNIT_CASE(try_reports_an_error_after_everything_was_mapped),
	KUNIT_CASE(try_reports_plain_failure),
	KUNIT_CASE(try_turns_no_progress_into_an_error),
	KUNIT_CASE(try_turns_a_positive_error_into_a_negative_one),
	{}
};

static struct kunit_suite try_suite = {
	.name = "io_pgtable_safe_try",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = try_cases,
};

/* --- the functions that clean up ------------------------------------------ */

static void success_is_one_backend_call(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	check_map_result(test, map_eight(test), PAGES * PAGE, 0);
	check_pages(test, PAGES);
	KUNIT_EXPECT_EQ(test, mock->nr_calls, 1U);
	KUNIT_EXPECT_EQ(test, atomic_read(&pgt_fixture(test)->flushes), 0);
}

static void part_before_an_error_is_unmapped(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, 3 * PAGE, -ENOMEM);
	check_map_result(test, map_eight(test), 0, -ENOMEM);
	check_pages(test, 0);
	KUNIT_EXPECT_EQ(test, mock_count_calls(mock, MOCK_MAP), 1U);
	check_works(test);
}

/* Exactly the part: the caller may have neighbours. */
static void neighbours_of_the_part_stay_mapped(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map(test, PAGES * PAGE, 0, PAGE);
	mock_next_map(mock, 3 * PAGE, -ENOMEM);
	check_map_result(test, map_eight(test), 0, -ENOMEM);
	check_hole(test, 0, PAGES * PAGE);
	check_range(test, PAGES * PAGE, 0, PAGE);
	check_mapped(test, PAGE);
}

static void part_before_an_error_is_invalidated(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	struct pgt_flush *flush = &pgt_fixture(test)->flush_log[0];

	mock_next_map(mock, 3 * PAGE, -ENOMEM);
	check_map_result(test, map_eight(test), 0, -ENOMEM);
	KUNIT_EXPECT_EQ(test, atomic_read(&pgt_fixture(test)->flushes), 1);
	KUNIT_EXPECT_EQ(test, flush->kind, PGT_FLUSH_WALK);
	KUNIT_EXPECT_EQ(test, flush->iova, 0ULL);
	KUNIT_EXPECT_GE(test, flush->size, 3ULL * PAGE);
}

static void everything_mapped_but_an_error_is_unmapped(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, PAGES * PAGE, -ENOSPC);
	check_map_result(test, map_eight(test), 0, -ENOSPC);
	check_pages(test, 0);
}

static void plain_failure_needs_no_cleanup(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, 0, -ENOMEM);
	check_map_result(test, map_eight(test), 0, -ENOMEM);
	check_pages(test, 0);
	KUNIT_EXPECT_EQ(test, mock->nr_calls, 1U);
	KUNIT_EXPECT_EQ(test, atomic_read(&pgt_fixture(test)->flushes), 0);
	check_works(test);
}

static void no_progress_is_an_error(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, 0, 0);
	check_map_result(test, map_eight(test), 0, -EIO);
	check_pages(test, 0);
	KUNIT_EXPECT_EQ(test, mock->nr_calls, 1U);
	check_works(test);
}

static void positive_error_is_an_error(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, 3 * PAGE, 1);
	check_map_result(test, map_eight(test), 0, -EIO);
	check_pages(test, 0);
	check_works(test);
}

static struct kunit_case cleaning_cases[] = {
	KUNIT_CASE_PARAM(success_is_one_backend_call, cleaning_gen_params),
	KUNIT_CASE_PARAM(part_before_an_error_is_unmapped, cleaning_gen_params),
	KUNIT_CASE_PARAM(neighbours_of_the_part_stay_mapped, cleaning_gen_params),
	KUNIT_CASE_PARAM(part_before_an_error_is_invalidated, cleaning_gen_params),
	KUNIT_CASE_PARAM(everything_mapped_but_an_error_is_unmapped, cleaning_gen_params),
	KUNIT_CASE_PARAM(plain_failure_needs_no_cleanup, cleaning_gen_params),
	KUNIT_CASE_PARAM(no_progress_is_an_error, cleaning_gen_params),
	KUNIT_CASE_PARAM(positive_error_is_an_error, cleaning_gen_params),
	{}
};

static struct kunit_suite cleaning_suite = {
	.name = "io_pgtable_safe_cleaning",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = cleaning_cases,
};

/* --- partial success ------------------------------------------------------ */

static void map_pages_reports_partial_success(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, 3 * PAGE, 0);
	check_map_result(test, by_map_pages(test, 0, PADDR, PAGES * PAGE, GFP_KERNEL),
			 3 * PAGE, 0);
	check_pages(test, 3);
	KUNIT_EXPECT_EQ(test, mock->nr_calls, 1U);
}

static void partial_success_is_retried(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	unsigned int i;

	mock->max_pages = 3;
	check_map_result(test, map_eight(test), PAGES * PAGE, 0);
	check_pages(test, PAGES);
	KUNIT_ASSERT_EQ(test, mock->nr_calls, 3U);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, mock->calls[i].iova, 3ULL * i * PAGE);
		KUNIT_EXPECT_EQ(test, mock->calls[i].paddr, PADDR + 3ULL * i * PAGE);
		KUNIT_EXPECT_EQ(test, mock->calls[i].pgcount, (size_t)(PAGES - 3 * i));
	}
}

/* Where something is mapped close by, less has to be prepared for a map */
static struct mock_format *open_mock_with_a_neighbour(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map(test, PAGES * PAGE, 0, PAGE);
	return mock;
}

static void check_beside_the_neighbour(struct kunit *test, unsigned int pages)
{
	if (pages)
		check_range(test, 0, PADDR, pages * PAGE);
	if (pages < PAGES)
		check_hole(test, pages * PAGE, (PAGES - pages) * PAGE);
	check_range(test, PAGES * PAGE, 0, PAGE);
	check_mapped(test, (pages + 1) * PAGE);
	KUNIT_EXPECT_EQ(test, mock_mapped(pgt_fixture(test)->mock), (pages + 1ULL) * PAGE);
}

static void partial_success_beside_a_neighbour_is_reported(struct kunit *test)
{
	struct mock_format *mock = open_mock_with_a_neighbour(test);

	mock_next_map(mock, 3 * PAGE, 0);
	check_map_result(test, try_eight(test), 3 * PAGE, 0);
	check_beside_the_neighbour(test, 3);
	do_unmap(test, 0, 3 * PAGE);
	mock_next_map(mock, 5 * PAGE, 0);
	check_map_result(test, by_map_pages(test, 0, PADDR, PAGES * PAGE, GFP_KERNEL),
			 5 * PAGE, 0);
	check_beside_the_neighbour(test, 5);
}

static void partial_success_beside_a_neighbour_is_retried(struct kunit *test)
{
	struct mock_format *mock = open_mock_with_a_neighbour(test);

	mock->max_pages = 3;
	check_map_result(test, map_eight(test), PAGES * PAGE, 0);
	check_beside_the_neighbour(test, PAGES);
	KUNIT_EXPECT_EQ(test, mock_count_calls(mock, MOCK_MAP), 4U);
}

static void error_beside_a_neighbour_undoes_the_part(struct kunit *test)
{
	struct mock_format *mock = open_mock_with_a_neighbour(test);

	mock_next_map(mock, 3 * PAGE, -ENOMEM);
	check_map_result(test, map_eight(test), 0, -ENOMEM);
	check_beside_the_neighbour(test, 0);
	mock_next_map(mock, PAGES * PAGE, -ENOMEM);
	check_map_result(test, map_eight(test), 0, -ENOMEM);
	check_beside_the_neighbour(test, 0);
}

static void error_in_a_retry_undoes_all_calls(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, 3 * PAGE, 0);
	mock_next_map(mock, 2 * PAGE, -ENOMEM);
	check_map_result(test, map_eight(test), 0, -ENOMEM);
	check_pages(test, 0);
	check_works(test);
}

static void plain_failure_of_a_retry_undoes_all_calls(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, 3 * PAGE, 0);
	mock_next_map(mock, 0, -ENOMEM);
	check_map_result(test, map_eight(test), 0, -ENOMEM);
	check_pages(test, 0);
	check_works(test);
}

static void no_progress_in_a_retry_undoes_all_calls(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, 3 * PAGE, 0);
	mock_next_map(mock, 0, 0);
	check_map_result(test, map_eight(test), 0, -EIO);
	check_pages(test, 0);
	KUNIT_EXPECT_EQ(test, mock_count_calls(mock, MOCK_MAP), 2U);
	check_works(test);
}

static void error_after_blocks_undoes_pages_and_blocks(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe_map_result res;

	/* A page, a block, and the page behind it fails */
	mock_next_map(mock, PAGE, 0);
	mock_next_map(mock, SZ_2M, 0);
	mock_next_map(mock, 0, -ENOMEM);
	res = io_pgtable_safe_map(pgt_fixture(test)->pgt, SZ_2M - PAGE, SZ_2M - PAGE,
				  PAGE + SZ_2M + PAGE, PGT_PROT, GFP_KERNEL);
	check_map_result(test, res, 0, -ENOMEM);
	KUNIT_EXPECT_EQ(test, mock_mapped(mock), 0ULL);
	check_mapped(test, 0);
	check_hole(test, 0, SZ_4M + PAGE);
}

static void error_in_the_second_entry_undoes_the_first(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	struct sg_piece pieces[] = {
		{ PADDR, 4 * PAGE }, { PADDR + SZ_1M, 4 * PAGE },
	};
	struct sg_table *sgt = make_dma_table(test, pieces, 2);

	mock_next_map(mock, 4 * PAGE, 0);
	mock_next_map(mock, PAGE, -ENOMEM);
	check_map_result(test, map_dma_table(test, 0, sgt, 0, 8 * PAGE, GFP_KERNEL),
			 0, -ENOMEM);
	check_pages(test, 0);
}

static void error_in_the_second_repetition_undoes_the_first(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe_map_result res;

	mock_next_map(mock, 4 * PAGE, 0);
	mock_next_map(mock, PAGE, -ENOMEM);
	res = io_pgtable_safe_map_repeat(pgt_fixture(test)->pgt, 0, PADDR, 4 * PAGE,
					 0, 8 * PAGE, PGT_PROT, GFP_KERNEL);
	check_map_result(test, res, 0, -ENOMEM);
	check_pages(test, 0);
}

static struct kunit_case partial_cases[] = {
	KUNIT_CASE(map_pages_reports_partial_success),
	KUNIT_CASE_PARAM(partial_success_is_retried, retrying_gen_params),
	KUNIT_CASE(partial_success_beside_a_neighbour_is_reported),
	KUNIT_CASE_PARAM(partial_success_beside_a_neighbour_is_retried, retrying_gen_params),
	KUNIT_CASE_PARAM(error_beside_a_neighbour_undoes_the_part, cleaning_gen_params),
	KUNIT_CASE_PARAM(error_in_a_retry_undoes_all_calls, retrying_gen_params),
	KUNIT_CASE_PARAM(plain_failure_of_a_retry_undoes_all_calls, retrying_gen_params),
	KUNIT_CASE_PARAM(no_progress_in_a_retry_undoes_all_calls, retrying_gen_params),
	KUNIT_CASE(error_after_blocks_undoes_pages_and_blocks),
	KUNIT_CASE(error_in_the_second_entry_undoes_the_first),
	KUNIT_CASE(error_in_the_second_repetition_undoes_the_first),
	{}
};

static struct kunit_suite partial_suite = {
	.name = "io_pgtable_safe_partial",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = partial_cases,
};

/* --- a backend that lies -------------------------------------------------- */

struct lie {
	const char *name;
	size_t reported;
};

static const struct lie map_lies[] = {
	{ "one page too many", (PAGES + 1) * PAGE },
	{ "one byte too many", PAGES * PAGE + 1 },
	{ "half a page", 2 * PAGE + PAGE / 2 },
	{ "one byte", 1 },
	{ "minus one page", -(size_t)PAGE },
	{ "all ones", SIZE_MAX },
};

/* Nothing is the fourth lie: of a range that the ledger knows to be mapped. */
static const struct lie unmap_lies[] = {
	{ "nothing", 0 },
	{ "one page too many", (PAGES + 1) * PAGE },
	{ "half a page", 2 * PAGE + PAGE / 2 },
	{ "one byte", 1 },
	{ "all ones", SIZE_MAX },
};

static void lie_desc(const struct lie *lie, char *desc)
{
	strscpy(desc, lie->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(map_lies, map_lies, lie_desc);
KUNIT_ARRAY_PARAM(unmap_lies, unmap_lies, lie_desc);

/* The backend broke its contract in the last of so many calls: it got no further one */
static void check_no_call_followed(struct kunit *test, unsigned int calls)
{
	KUNIT_EXPECT_EQ_MSG(test, pgt_fixture(test)->mock->nr_calls, calls, "from %pS",
			    (void *)_RET_IP_);
}

static void lie_to(struct kunit *test, const struct map_fn *fn)
{
	const struct lie *lie = test->param_value;
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe_map_result res;

	mock_next_map(mock, lie->reported, 0);
	res = fn->map(test, 0, PADDR, PAGES * PAGE, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, res.err, -EIO);
	KUNIT_EXPECT_EQ(test, res.mapped, mock_mapped(mock));
	check_no_call_followed(test, 1);
	check_broken(test);
}

static struct io_pgtable_safe_map_result
by_try_map_pages(struct kunit *test, u64 iova, phys_addr_t paddr, u64 size,
		 gfp_t gfp)
{
	struct pgt_test *fix = pgt_fixture(test);

	return io_pgtable_safe_try_map_pages(fix->pgt, iova, paddr, fix->granule,
					     size / fix->granule, PGT_PROT, gfp);
}

static void lie_to_try_breaks_the_table(struct kunit *test)
{
	lie_to(test, &(struct map_fn){ .map = by_try_map_pages });
}

static void lie_to_map_pages_breaks_the_table(struct kunit *test)
{
	lie_to(test, &(struct map_fn){ .map = by_map_pages });
}

static void lie_to_map_breaks_the_table(struct kunit *test)
{
	lie_to(test, &(struct map_fn){ .map = by_map });
}

static void lie_to_map_sgtable_breaks_the_table(struct kunit *test)
{
	lie_to(test, &(struct map_fn){ .map = by_map_sgtable });
}

static void lie_to_map_repeat_breaks_the_table(struct kunit *test)
{
	lie_to(test, &(struct map_fn){ .map = by_map_repeat });
}

/* A lie that comes with an error is a lie all the same. */
static void lie_with_an_error_breaks_the_table(struct kunit *test)
{
	const struct lie *lie = test->param_value;
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe_map_result res;

	mock_next_map(mock, lie->reported, -ENOMEM);
	res = try_eight(test);
	KUNIT_EXPECT_EQ(test, res.err, -EIO);
	KUNIT_EXPECT_EQ(test, res.mapped, mock_mapped(mock));
	check_no_call_followed(test, 1);
	check_broken(test);
}

/* Nor is there a call to undo what was mapped before the lie */
static void lie_in_a_retry_breaks_the_table(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe_map_result res;

	mock_next_map(mock, 3 * PAGE, 0);
	mock_next_map(mock, PAGES * PAGE, 0);
	res = map_eight(test);
	KUNIT_EXPECT_EQ(test, res.err, -EIO);
	KUNIT_EXPECT_EQ(test, res.mapped, mock_mapped(mock));
	check_no_call_followed(test, 2);
	check_broken(test);
}

/* --- cleanup that fails --------------------------------------------------- */

/*
 * Fail after three pages; then the cleanup's unmap says that it unmapped @undone
 * bytes, and if asked again, none.
 */
static void cleanup_fails(struct kunit *test, size_t undone)
{
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe_map_result res;

	mock_next_map(mock, 3 * PAGE, -ENOMEM);
	mock_next_unmap(mock, undone);
	if (undone == PAGE)
		mock_next_unmap(mock, 0);
	res = map_eight(test);
	KUNIT_EXPECT_EQ(test, res.err, -ENOMEM);
	KUNIT_EXPECT_EQ(test, res.mapped, mock_mapped(mock));
	check_no_call_followed(test, undone == PAGE ? 3 : 2);
	check_broken(test);
}

static void cleanup_that_unmaps_nothing(struct kunit *test)
{
	cleanup_fails(test, 0);
}

static void cleanup_that_stops_half_way(struct kunit *test)
{
	cleanup_fails(test, PAGE);
}

static void cleanup_that_lies(struct kunit *test)
{
	cleanup_fails(test, 4 * PAGE);
}

static void cleanup_in_small_steps_is_no_failure(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, 3 * PAGE, -ENOMEM);
	mock_next_unmap(mock, PAGE);
	mock_next_unmap(mock, PAGE);
	check_map_result(test, map_eight(test), 0, -ENOMEM);
	check_pages(test, 0);
	check_works(test);
}

/* --- unmaps that fail ----------------------------------------------------- */

static void unmap_in_small_steps_is_no_failure(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map(test, 0, PADDR, PAGES * PAGE);
	mock_next_unmap(mock, 3 * PAGE);
	mock_next_unmap(mock, PAGE);
	do_unmap(test, 0, PAGES * PAGE);
	check_pages(test, 0);
	KUNIT_EXPECT_EQ(test, mock_count_calls(mock, MOCK_UNMAP), 3U);
}

static void lie_about_unmap_breaks_the_table(struct kunit *test)
{
	const struct lie *lie = test->param_value;
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe_unmap_result res;

	do_map(test, 0, PADDR, PAGES * PAGE);
	mock_next_unmap(mock, lie->reported);
	res = io_pgtable_safe_unmap(pgt_fixture(test)->pgt, 0, PAGES * PAGE, 0);
	KUNIT_EXPECT_EQ(test, res.err, -EIO);
	KUNIT_EXPECT_EQ(test, res.unmapped, PAGES * PAGE - mock_mapped(mock));
	check_no_call_followed(test, 2);
	check_broken(test);
}

static void lie_about_unmap_pages_breaks_the_table(struct kunit *test)
{
	const struct lie *lie = test->param_value;
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe_unmap_result res;

	do_map(test, 0, PADDR, PAGES * PAGE);
	mock_next_unmap(mock, lie->reported);
	res = io_pgtable_safe_unmap_pages(pgt_fixture(test)->pgt, 0, PAGE, PAGES, 0);
	KUNIT_EXPECT_EQ(test, res.err, -EIO);
	KUNIT_EXPECT_EQ(test, res.unmapped, PAGES * PAGE - mock_mapped(mock));
	check_no_call_followed(test, 2);
	check_broken(test);
}

static void lie_about_unmap_present_breaks_the_table(struct kunit *test)
{
	const struct lie *lie = test->param_value;
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe_unmap_result res;

	do_map(test, 0, PADDR, PAGES * PAGE);
	mock_next_unmap(mock, lie->reported);
	res = io_pgtable_safe_unmap_present(pgt_fixture(test)->pgt, 0, SZ_1M, 0);
	KUNIT_EXPECT_EQ(test, res.err, -EIO);
	KUNIT_EXPECT_EQ(test, res.unmapped, PAGES * PAGE - mock_mapped(mock));
	check_no_call_followed(test, 2);
	check_broken(test);
}

static void unmap_that_stops_half_way(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe_unmap_result res;

	do_map(test, 0, PADDR, PAGES * PAGE);
	mock_next_unmap(mock, 3 * PAGE);
	mock_next_unmap(mock, 0);
	res = io_pgtable_safe_unmap(pgt_fixture(test)->pgt, 0, PAGES * PAGE, 0);
	check_unmap_result(test, res, 3 * PAGE, -EIO);
	check_no_call_followed(test, 3);
	check_broken(test);
}

static void unmap_present_that_stops_half_way(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe_unmap_result res;

	do_map(test, 0, PADDR, 2 * PAGE);
	do_map(test, 4 * PAGE, PADDR, 2 * PAGE);
	mock_next_unmap(mock, 2 * PAGE);
	mock_next_unmap(mock, 0);
	res = io_pgtable_safe_unmap_present(pgt_fixture(test)->pgt, 0, SZ_1M, 0);
	check_unmap_result(test, res, 2 * PAGE, -EIO);
	check_no_call_followed(test, 4);
	check_broken(test);
}

/* What lies behind it stays mapped, and the end of the hole, which is a part of a table's */
static void unmap_present_that_stops_at_once(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe_unmap_result res;

	do_map(test, 0, PADDR, 2 * PAGE);
	do_map(test, 4 * PAGE, PADDR, 2 * PAGE);
	mock_next_unmap(mock, 0);
	res = io_pgtable_safe_unmap_present(pgt_fixture(test)->pgt, 0, SZ_2M + PAGE, 0);
	check_unmap_result(test, res, 0, -EIO);
	check_no_call_followed(test, 3);
	KUNIT_EXPECT_EQ(test, mock_mapped(mock), 4ULL * PAGE);
	check_mapped(test, 4 * PAGE);
	check_broken(test);
}

/* Of pages, a block and pages, the block is the one that cannot be unmapped */
static void unmap_of_mixed_sizes_that_stops_half_way(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe_unmap_result res;

	do_map(test, SZ_2M - PAGE, SZ_2M - PAGE, PAGE + SZ_2M + PAGE);
	mock_next_unmap(mock, PAGE);
	mock_next_unmap(mock, 0);
	res = io_pgtable_safe_unmap(pgt_fixture(test)->pgt, SZ_2M - PAGE,
				    PAGE + SZ_2M + PAGE, 0);
	check_unmap_result(test, res, PAGE, -EIO);
	check_no_call_followed(test, 5);
	check_broken(test);
}

static void flush_of_a_broken_table_still_invalidates(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map(test, 0, PADDR, PAGES * PAGE);
	mock_next_unmap(mock, 0);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_unmap(pgt_fixture(test)->pgt, 0,
						    PAGES * PAGE, 0).err, -EIO);
	pgt_forget_flushes(test);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt_fixture(test)->pgt, 0,
						    PAGES * PAGE), -EIO);
	KUNIT_EXPECT_EQ(test, atomic_read(&pgt_fixture(test)->flushes), 1);
}

static struct kunit_case lying_cases[] = {
	KUNIT_CASE_PARAM(lie_to_try_breaks_the_table, map_lies_gen_params),
	KUNIT_CASE_PARAM(lie_to_map_pages_breaks_the_table, map_lies_gen_params),
	KUNIT_CASE_PARAM(lie_to_map_breaks_the_table, map_lies_gen_params),
	KUNIT_CASE_PARAM(lie_to_map_sgtable_breaks_the_table, map_lies_gen_params),
	KUNIT_CASE_PARAM(lie_to_map_repeat_breaks_the_table, map_lies_gen_params),
	KUNIT_CASE_PARAM(lie_with_an_error_breaks_the_table, map_lies_gen_params),
	KUNIT_CASE_PARAM(lie_in_a_retry_breaks_the_table, retrying_gen_params),
	KUNIT_CASE_PARAM(cleanup_that_unmaps_nothing, cleaning_gen_params),
	KUNIT_CASE_PARAM(cleanup_that_stops_half_way, cleaning_gen_params),
	KUNIT_CASE_PARAM(cleanup_that_lies, cleaning_gen_params),
	KUNIT_CASE_PARAM(cleanup_in_small_steps_is_no_failure, cleaning_gen_params),
	KUNIT_CASE(unmap_in_small_steps_is_no_failure),
	KUNIT_CASE_PARAM(lie_about_unmap_breaks_the_table, unmap_lies_gen_params),
	KUNIT_CASE_PARAM(lie_about_unmap_pages_breaks_the_table, unmap_lies_gen_params),
	KUNIT_CASE_PARAM(lie_about_unmap_present_breaks_the_table, unmap_lies_gen_params),
	KUNIT_CASE(unmap_that_stops_half_way),
	KUNIT_CASE(unmap_present_that_stops_half_way),
	KUNIT_CASE(unmap_present_that_stops_at_once),
	KUNIT_CASE(unmap_of_mixed_sizes_that_stops_half_way),
	KUNIT_CASE(flush_of_a_broken_table_still_invalidates),
	{}
};

static struct kunit_suite lying_suite = {
	.name = "io_pgtable_safe_lying",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = lying_cases,
};

/* --- what the real formats do --------------------------------------------- */

/* LPAE stops at the end of a table: 512 blocks of 2M reach to 1G. */
static void lpae_stops_at_the_end_of_a_table(struct kunit *test)
{
	struct io_pgtable_safe_map_result res;

	open_format(test, PGT_LPAE_4K);
	res = io_pgtable_safe_try_map_pages(pgt_fixture(test)->pgt, 0, SZ_2M, SZ_2M,
					    600, PGT_PROT, GFP_KERNEL);
	check_map_result(test, res, SZ_1G, 0);
	check_range(test, 0, SZ_2M, SZ_1G);
	check_hole(test, SZ_1G, 88 * SZ_2M);
	check_mapped(test, SZ_1G);
}

static void lpae_map_goes_on_behind_the_table(struct kunit *test)
{
	open_format(test, PGT_LPAE_4K);
	do_map(test, 0, SZ_2M, 600ULL * SZ_2M);
	check_range(test, 0, SZ_2M, 600ULL * SZ_2M);
	check_leaf(test, SZ_1G, SZ_2M);
	do_unmap(test, 0, 600ULL * SZ_2M);
	check_hole(test, 0, 600ULL * SZ_2M);
}

static void lpae_unmap_goes_on_behind_the_table(struct kunit *test)
{
	open_format(test, PGT_LPAE_4K);
	do_map(test, SZ_2M - 4 * PAGE, 0, 8 * PAGE);
	do_unmap_pages(test, SZ_2M - 4 * PAGE, PAGE, 8);
	check_hole(test, SZ_2M - 4 * PAGE, 8 * PAGE);
}

/*
 * Where the nth attempt of a failing map goes: each gets tables of its own, on
 * both sides of a boundary between two last-level tables.
 */
static u64 attempt_iova(struct kunit *test, unsigned int n, u64 size)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 reach = fix->granule * (fix->granule / 8);

	if (fix->cfg->ias <= 34)
		reach = SZ_4M;
	return at(test, (2 * n + 1) * reach - size / 2);
}

struct attempts {
	unsigned int failed;
	unsigned int partial;
};

#define MAX_ATTEMPTS 32

/*
 * Fail allocation n of a map for n = 1, 2, ... until the map needs no more. In
 * another @round, other tables are used.
 */
static struct attempts fail_every_allocation(struct kunit *test,
					     const struct map_fn *fn, bool keeps,
					     unsigned int round)
{
	struct pgt_test *fix = pgt_fixture(test);
	phys_addr_t paddr = some_paddr(test, fix->granule);
	u64 size = 16 * fix->granule, iova;
	struct io_pgtable_safe_map_result res;
	struct attempts attempts = {};
	unsigned int n;
	bool failed;

	for (n = 1; n < MAX_ATTEMPTS; n++) {
		iova = attempt_iova(test, round * MAX_ATTEMPTS + n, size);
		fail_nth_allocation(n);
		res = fn->map(test, iova, paddr, size, PGT_GFP_FAULTY);
		failed = an_allocation_failed();

		KUNIT_EXPECT_TRUE(test, res.err == -ENOMEM || !res.err);
		KUNIT_EXPECT_TRUE(test, failed || !res.err);
		if (!keeps)
			KUNIT_EXPECT_TRUE(test, !res.err || !res.mapped);
		check_mapped(test, res.mapped);
		if (res.mapped) {
			check_range(test, iova, paddr, res.mapped);
			do_unmap(test, iova, res.mapped);
		}
		check_hole(test, iova, size);
		attempts.failed += res.err == -ENOMEM;
		attempts.partial += res.err && res.mapped;
		if (!failed)
			break;
		/* Nothing is in the way of a second try */
		do_map(test, iova, paddr, size);
		do_unmap(test, iova, size);
	}
	KUNIT_EXPECT_LT(test, n, (unsigned int)MAX_ATTEMPTS);
	return attempts;
}

static void fail_every_allocation_of(struct kunit *test, const struct map_fn *fn,
				     bool keeps)
{
	struct attempts attempts;

	skip_without_fault_injection(test);
	attempts = fail_every_allocation(test, fn, keeps, 0);
	KUNIT_EXPECT_GT(test, attempts.failed, 0U);
}

static void failing_allocations_in_try_map_pages(struct kunit *test)
{
	fail_every_allocation_of(test, &(struct map_fn){ .map = by_try_map_pages }, true);
}

static void failing_allocations_in_map_pages(struct kunit *test)
{
	fail_every_allocation_of(test, &(struct map_fn){ .map = by_map_pages }, false);
}

static void failing_allocations_in_map(struct kunit *test)
{
	fail_every_allocation_of(test, &(struct map_fn){ .map = by_map }, false);
}

static void failing_allocations_in_map_sgtable(struct kunit *test)
{
	fail_every_allocation_of(test, &(struct map_fn){ .map = by_map_sgtable }, false);
}

static void failing_allocations_in_map_repeat(struct kunit *test)
{
	fail_every_allocation_of(test, &(struct map_fn){ .map = by_map_repeat }, false);
}

/*
 * v7s maps page by page: (part, -ENOMEM) is no invention of the mock's. Now and
 * then the slab allocator needs memory of its own, so that a round may go by
 * without the second table being the one to fail.
 */
static void v7s_keeps_the_pages_of_the_first_table(struct kunit *test)
{
	struct attempts attempts = {};
	unsigned int round;

	skip_without_fault_injection(test);
	open_format(test, PGT_V7S);
	for (round = 0; round < 10 && !attempts.partial; round++)
		attempts = fail_every_allocation(test,
						 &(struct map_fn){ .map = by_try_map_pages },
						 true, round);
	KUNIT_EXPECT_GT(test, attempts.partial, 0U);
}

/* Fail each page-table page that a map needs, where the fixture provides them. */
static void failing_page_table_pages(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 size = 16 * fix->granule, iova;
	struct io_pgtable_safe_map_result res;
	unsigned int n, failed = 0;

	if (!pgt_counts_pages(test))
		kunit_skip(test, "page-table pages come from the kernel");
	for (n = 1; n < 20; n++) {
		iova = attempt_iova(test, n, size);
		atomic_set(&fix->fail_page, n);
		res = by_map(test, iova, 0, size, GFP_KERNEL);
		if (!res.err)
			break;
		failed++;
		check_map_result(test, res, 0, -ENOMEM);
		check_hole(test, iova, size);
		check_mapped(test, 0);
	}
	atomic_set(&fix->fail_page, 0);
	KUNIT_EXPECT_GE(test, failed, 2U);
	KUNIT_EXPECT_EQ(test, res.mapped, size);
}

/* The first half is mapped when the second table cannot be had. */
static void failing_page_after_the_first_half(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 size = 16 * fix->granule, iova = attempt_iova(test, 1, size);
	struct io_pgtable_safe_map_result res;

	if (!pgt_counts_pages(test))
		kunit_skip(test, "page-table pages come from the kernel");
	/* The first half's tables are there already */
	do_map(test, iova - fix->granule, 0, fix->granule);
	pgt_forget_flushes(test);
	atomic_set(&fix->fail_page, 1);
	res = by_map(test, iova, 0, size, GFP_KERNEL);
	check_map_result(test, res, 0, -ENOMEM);
	check_hole(test, iova, size);
	check_mapped(test, fix->granule);
	KUNIT_EXPECT_EQ(test, atomic_read(&fix->flushes), 1);
}

static void unmap_needs_no_memory(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe_unmap_result res;
	u64 size = 16 * fix->granule;
	unsigned int n;

	skip_without_fault_injection(test);
	for (n = 1; n < 5; n++) {
		do_map(test, at(test, 0), 0, size);
		fail_nth_allocation(n);
		res = io_pgtable_safe_unmap(fix->pgt, at(test, 0), size, 0);
		an_allocation_failed();
		check_unmap_result(test, res, size, 0);
		check_hole(test, at(test, 0), size);
	}
}

static struct kunit_case real_cases[] = {
	KUNIT_CASE(lpae_stops_at_the_end_of_a_table),
	KUNIT_CASE(lpae_map_goes_on_behind_the_table),
	KUNIT_CASE(lpae_unmap_goes_on_behind_the_table),
	KUNIT_CASE(v7s_keeps_the_pages_of_the_first_table),
	{}
};

static struct kunit_suite real_suite = {
	.name = "io_pgtable_safe_real_outcomes",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = real_cases,
};

PGT_FORMATS_PARAM();

static struct kunit_case memory_cases[] = {
	KUNIT_CASE_PARAM(failing_allocations_in_try_map_pages, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(failing_allocations_in_map_pages, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(failing_allocations_in_map, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(failing_allocations_in_map_sgtable, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(failing_allocations_in_map_repeat, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(failing_page_table_pages, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(failing_page_after_the_first_half, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(unmap_needs_no_memory, pgt_formats_gen_params),
	{}
};

static struct kunit_suite memory_suite = {
	.name = "io_pgtable_safe_memory",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = memory_cases,
};

kunit_test_suites(&try_suite, &cleaning_suite, &partial_suite, &lying_suite,
		  &real_suite, &memory_suite);
