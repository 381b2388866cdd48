// SPDX-License-Identifier: GPL-2.0
/*
 * Walks: the descriptors of what is mapped, and nothing else.
 */
#include <linux/gfp.h>
#include <linux/string.h>

#include "descriptors.h"
#include "helpers.h"

#ifdef IO_PGTABLE_SAFE_HAVE_WALK
static bool can_walk(struct kunit *test)
{
	return pgt_fixture(test)->raw->pgtable_walk;
}
#else
static bool can_walk(struct kunit *test)
{
	return false;
}
#endif

/* Room for the descriptors of each level, whatever the kernel calls it. */
struct walked {
	u64 ptes[4];
};

static int walk(struct kunit *test, u64 iova, struct walked *walked)
{
	memset(walked, 0, sizeof(*walked));
	return io_pgtable_safe_pgtable_walk(pgt_fixture(test)->pgt, iova, walked);
}

static bool has_walked(const struct walked *walked)
{
	return memchr_inv(walked, 0, sizeof(*walked));
}

static void walk_finds_the_descriptors(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 iova = at(test, 0), last = fix->last - fix->granule + 1;
	struct walked walked;

	do_map(test, iova, fix->granule, fix->granule);
	do_map(test, last, fix->granule, fix->granule);
	if (!can_walk(test)) {
		KUNIT_EXPECT_EQ(test, walk(test, iova, &walked), -EOPNOTSUPP);
		return;
	}
	KUNIT_EXPECT_EQ(test, walk(test, iova + 5, &walked), 0);
	if (reads_descriptors(test)) {
		KUNIT_EXPECT_EQ(test, walked.ptes[3], read_descriptor(test, iova));
		/* Of the last byte of 64 bits, too, behind which there is no end */
		KUNIT_EXPECT_EQ(test, walk(test, fix->last, &walked), 0);
		KUNIT_EXPECT_EQ(test, walked.ptes[3], read_descriptor(test, last));
	}
}

static void walk_goes_nowhere_else(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct walked walked;

	if (!can_walk(test))
		kunit_skip(test, "a format that cannot walk, on this kernel");
	do_map(test, at(test, 0), 0, fix->granule);
	/* A neighbour, so that there are tables on the way */
	KUNIT_EXPECT_EQ(test, walk(test, at(test, fix->granule), &walked), -ENOENT);
	KUNIT_EXPECT_FALSE(test, has_walked(&walked));
	KUNIT_EXPECT_EQ(test, walk(test, fix->base ? 0 : fix->last + 1, &walked), -ERANGE);
	KUNIT_EXPECT_FALSE(test, has_walked(&walked));
}

static int walked_at_flush;

static void walk_at_flush(struct pgt_test *fix, const struct pgt_flush *flush)
{
	struct walked walked;

	walked_at_flush = io_pgtable_safe_pgtable_walk(fix->pgt, fix->base, &walked);
}

/* The tables there may be on their way out */
static void walk_keeps_off_what_is_being_unmapped(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct walked walked;

	if (!can_walk(test))
		kunit_skip(test, "a format that cannot walk, on this kernel");
	do_map(test, at(test, 0), 0, 2 * fix->granule);
	walked_at_flush = 0;
	fix->on_flush = walk_at_flush;
	do_unmap(test, at(test, 0), fix->granule);
	fix->on_flush = NULL;
	KUNIT_EXPECT_EQ(test, walked_at_flush, -EBUSY);
	KUNIT_EXPECT_EQ(test, walk(test, at(test, 0), &walked), -ENOENT);
	KUNIT_EXPECT_EQ(test, walk(test, at(test, fix->granule), &walked), 0);
}

PGT_FORMATS_PARAM();

static struct kunit_case format_cases[] = {
	KUNIT_CASE_PARAM(walk_finds_the_descriptors, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(walk_goes_nowhere_else, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(walk_keeps_off_what_is_being_unmapped, pgt_formats_gen_params),
	{}
};

static struct kunit_suite format_suite = {
	.name = "io_pgtable_safe_pgtable_walk",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = format_cases,
};

kunit_test_suites(&format_suite);
