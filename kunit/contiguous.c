// SPDX-License-Identifier: GPL-2.0
/*
 * Page sizes that are a run of entries and not a block: the format marks the entries
 * as contiguous, and a TLB may hold them as one or one by one. A mock stands for what
 * io-pgtable-arm does not have yet.
 */
#include <linux/gfp.h>
#include <linux/string.h>

#include "helpers.h"
#include "mock_format.h"

PGT_FORMATS_PARAM();

/**
 * struct sizes - The page sizes of a granule, with its runs.
 * @name: Of the test case.
 * @sizes: From the granule up.
 * @entry: What a leaf of this size consists of.
 * @ias: Bits of an iova, and of a physical address.
 */
struct sizes {
	const char *name;
	u64 sizes[5];
	u64 entry[5];
	unsigned int ias;
};

static const struct sizes all_sizes[] = {
	{
		.name = "4K", .ias = 39,
		.sizes = { SZ_4K, SZ_64K, SZ_2M, SZ_32M, SZ_1G },
		.entry = { SZ_4K, SZ_4K, SZ_2M, SZ_2M, SZ_1G },
	}, {
		.name = "16K", .ias = 47,
		.sizes = { SZ_16K, SZ_2M, SZ_32M, SZ_1G },
		.entry = { SZ_16K, SZ_16K, SZ_32M, SZ_32M },
	}, {
		.name = "64K", .ias = 48,
		.sizes = { SZ_64K, SZ_2M, SZ_512M, 16ULL * SZ_1G },
		.entry = { SZ_64K, SZ_64K, SZ_512M, SZ_512M },
	},
};

static void sizes_desc(const struct sizes *s, char *desc)
{
	strscpy(desc, s->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(sizes, all_sizes, sizes_desc);

static struct mock_format *open_sizes(struct kunit *test)
{
	const struct sizes *s = test->param_value;
	struct mock_config config = {
		.fmt = ARM_64_LPAE_S1, .ias = s->ias, .oas = s->ias,
		.tlb = &pgt_flush_ops,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(s->sizes); i++)
		config.pgsizes |= s->sizes[i];
	return open_mock(test, &config);
}

static unsigned int nr_sizes(struct kunit *test)
{
	return hweight_long(pgt_fixture(test)->cfg->pgsize_bitmap);
}

/* Up from a granule before a boundary of the largest size, that, and down again */
static void map_goes_up_and_down_in_all_sizes(struct kunit *test)
{
	struct mock_format *mock = open_sizes(test);
	unsigned int n = nr_sizes(test), i;
	u64 top = nth_pgsize(test, n - 1), granule = pgt_fixture(test)->granule;
	u64 iova = 4 * top - granule, size = top + 2 * granule;

	/* Aligned to each other, so that every size is possible somewhere */
	do_map(test, iova, iova - top, size);
	check_leaf(test, 4 * top, top);
	KUNIT_EXPECT_EQ(test, mock->nr_calls, 3U);
	do_unmap(test, iova, size);

	mock->nr_calls = 0;
	iova = 3 * top + granule;
	size = 3 * top - 2 * granule;
	do_map(test, iova, iova - top, size);
	KUNIT_ASSERT_EQ(test, mock->nr_calls, 2 * n - 1);
	for (i = 0; i < 2 * n - 1; i++)
		KUNIT_EXPECT_EQ_MSG(test, (u64)mock->calls[i].pgsize,
				    nth_pgsize(test, i < n - 1 ? i : 2 * n - 2 - i),
				    "call %u", i);
	check_mapped(test, size);
	do_unmap(test, iova, size);
	check_mapped(test, 0);
}

static void each_size_is_one_leaf(struct kunit *test)
{
	u64 size, granule;
	unsigned int i;

	open_sizes(test);
	granule = pgt_fixture(test)->granule;
	for (i = 0; (size = nth_pgsize(test, i)); i++) {
		do_map(test, 3 * size, size, size);
		check_leaf(test, 3 * size, size);
		check_leaf(test, 4 * size - granule, size);
		if (i) {
			do_unmap_fails(test, 3 * size, size / 2, -ENOTBLK);
			do_unmap_fails(test, 4 * size - granule, granule, -ENOTBLK);
		}
		do_map_fails(test, 4 * size - granule, 0, granule, -EEXIST);
		do_unmap_pages(test, 3 * size, size, 1);
		check_hole(test, 3 * size, size);
	}
}

/* What is left of a run are runs of the sizes below, and entries */
static void a_cut_leaves_the_largest_sizes(struct kunit *test)
{
	struct mock_format *mock = open_sizes(test);
	u64 granule = pgt_fixture(test)->granule, size, below;
	unsigned int i;

	for (i = 1; (size = nth_pgsize(test, i)); i++) {
		below = nth_pgsize(test, i - 1);
		do_map(test, 3 * size, size, size);
		do_cut(test, 3 * size + size / 2, granule);
		check_hole(test, 3 * size + size / 2, granule);
		check_range(test, 3 * size, size, size / 2);
		check_range(test, 3 * size + size / 2 + granule, size + size / 2 + granule,
			    size / 2 - granule);
		check_leaf(test, 3 * size, below);
		check_leaf(test, 3 * size + size / 2 + granule, granule);
		check_leaf(test, 4 * size - granule, below);
		KUNIT_EXPECT_EQ(test, mock_mapped(mock), size - granule);
		do_unmap_present(test, 3 * size, size, size - granule);
	}
}

static void check_granule(struct kunit *test, u64 size, u64 entry, const char *what)
{
	struct pgt_flush *flush = &pgt_fixture(test)->flush_log[0];

	KUNIT_EXPECT_EQ_MSG(test, atomic_read(&pgt_fixture(test)->flushes), 1, "%s of %#llx",
			    what, size);
	/* All at once covers entries of any size */
	if (flush->kind == PGT_FLUSH_WALK)
		KUNIT_EXPECT_LE_MSG(test, flush->granule, entry, "%s of %#llx", what, size);
	else
		KUNIT_EXPECT_EQ(test, flush->kind, PGT_FLUSH_ALL);
	pgt_forget_flushes(test);
}

/* A TLB may hold a run entry by entry, and forgets those only that it is told of */
static void invalidate_each_size(struct kunit *test, unsigned int first, unsigned int step)
{
	const struct sizes *s = test->param_value;
	u64 size, iova, granule;
	unsigned int i;

	open_sizes(test);
	granule = pgt_fixture(test)->granule;
	for (i = first; (size = nth_pgsize(test, i)); i += step) {
		iova = 3 * size;
		do_map(test, iova, size, size);
		pgt_forget_flushes(test);
		do_unmap(test, iova, size);
		check_granule(test, size, s->entry[i], "unmap");
		do_map(test, iova, size, size);
		do_unmap_pages(test, iova, size, 1);
		check_granule(test, size, s->entry[i], "unmap_pages");
		do_map(test, iova, size, size);
		do_unmap_present(test, iova, size, size);
		check_granule(test, size, s->entry[i], "unmap_present");
		if (!i)
			continue;
		/* The only callback of this cut is that for the leaf */
		do_map(test, iova, size, size);
		do_cut(test, iova + size / 2, granule);
		check_granule(test, size, s->entry[i], "cut");
		do_unmap_present(test, iova, size, size - granule);
	}
}

static void blocks_are_invalidated_as_their_entries(struct kunit *test)
{
	invalidate_each_size(test, 0, 2);
}

static void runs_are_invalidated_as_their_entries(struct kunit *test)
{
	skip_known_fault(test, "contiguous");
	invalidate_each_size(test, 1, 2);
}

/* Together with leaves that are larger, and with those that are smaller */
static void mixed_sizes_are_invalidated_as_the_smallest_entry(struct kunit *test)
{
	const struct sizes *s = test->param_value;
	u64 size, above;
	unsigned int i;

	skip_known_fault(test, "contiguous");
	open_sizes(test);
	for (i = 0; (above = nth_pgsize(test, i + 1)); i++) {
		size = nth_pgsize(test, i);
		do_map(test, 3 * above - size, 3 * above - size, size + above);
		check_leaf(test, 3 * above - size, size);
		check_leaf(test, 3 * above, above);
		pgt_forget_flushes(test);
		do_unmap(test, 3 * above - size, size + above);
		check_granule(test, size, s->entry[i], "mixed unmap");
	}
}

/* On a kernel whose formats grant more than they were asked for */
static void no_size_is_granted_that_was_not_asked_for(struct kunit *test)
{
	const struct pgt_format *format = test->param_value;
	struct pgt_test *fix = pgt_fixture(test);
	u64 size = fix->granule;

	open_format(test, format - pgt_formats);
	KUNIT_EXPECT_EQ(test, fix->cfg->pgsize_bitmap & ~format->pgsizes, 0UL);
	for (size = fix->granule; size && size < fix->last - fix->base; size <<= 1)
		if (!(size & format->pgsizes))
			do_map_pages_fails(test, at(test, 0), 0, size, 1, -EINVAL);
}

/* Of which this layer need not know anything: a quirk may come with it */
static void a_wrapped_table_may_have_a_quirk_nobody_knows(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);

	open_mock(test, &(struct mock_config){
		.fmt = ARM_64_LPAE_S1, .quirks = BIT(30),
		.pgsizes = SZ_16K | SZ_2M | SZ_32M | SZ_1G, .ias = 47, .oas = 47,
		.tlb = &pgt_flush_ops,
	});
	KUNIT_EXPECT_EQ(test, fix->cfg->quirks, (unsigned long)BIT(30));
	do_map(test, SZ_2M, SZ_2M, SZ_2M);
	check_leaf(test, SZ_2M, SZ_2M);
	do_unmap(test, SZ_2M, SZ_2M);
}

#define SIZES_CASE(name) KUNIT_CASE_PARAM(name, sizes_gen_params)

static struct kunit_case contiguous_cases[] = {
	SIZES_CASE(map_goes_up_and_down_in_all_sizes),
	SIZES_CASE(each_size_is_one_leaf),
	SIZES_CASE(a_cut_leaves_the_largest_sizes),
	SIZES_CASE(blocks_are_invalidated_as_their_entries),
	SIZES_CASE(runs_are_invalidated_as_their_entries),
	SIZES_CASE(mixed_sizes_are_invalidated_as_the_smallest_entry),
	KUNIT_CASE_PARAM(no_size_is_granted_that_was_not_asked_for, pgt_formats_gen_params),
	KUNIT_CASE(a_wrapped_table_may_have_a_quirk_nobody_knows),
	{}
};

static struct kunit_suite contiguous_suite = {
	.name = "io_pgtable_safe_contiguous",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = contiguous_cases,
};

kunit_test_suites(&contiguous_suite);
