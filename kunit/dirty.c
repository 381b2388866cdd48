// SPDX-License-Identifier: GPL-2.0
/*
 * Reading through: dirty marks, and the descriptors on the way to an address.
 */
#include <linux/gfp.h>
#include <linux/string.h>

#include "descriptors.h"
#include "helpers.h"
#include "io_pgtable_safe_compat.h"
#include "mock_format.h"

#define PAGE SZ_4K

/* --- dirty marks ------------------------------------------------------------- */

#if defined(IO_PGTABLE_SAFE_HAVE_DIRTY) && defined(CONFIG_IOMMU_API)

/* AP[2] of a stage 1 descriptor: with DBM, written to if it is not set (D8.5.6) */
#define CLEAN BIT_ULL(7)

/* The walker that pgtable_walk() came with has no WARN_ON() for a hole any more */
#ifdef IO_PGTABLE_SAFE_HAVE_WALK
#define HOLES_WARN false
#else
#define HOLES_WARN true
#endif

static const struct pgt_format *lpae(void)
{
	return &pgt_formats[PGT_LPAE_4K];
}

static void open_tracking(struct kunit *test)
{
	struct io_pgtable_cfg cfg;

	if (!pgt_format_built(ARM_64_LPAE_S1))
		kunit_skip(test, "this kernel is built without LPAE");
	pgt_make_cfg(test, lpae(), &cfg);
	cfg.quirks |= IO_PGTABLE_QUIRK_ARM_HD;
	open_cfg(test, ARM_64_LPAE_S1, &cfg);
	pgt_fixture(test)->format = lpae();
}

static int read_dirty(struct kunit *test, u64 iova, u64 size, unsigned long flags,
		      struct iommu_iotlb_gather *gather)
{
	struct iommu_dirty_bitmap dirty;

	iommu_dirty_bitmap_init(&dirty, NULL, gather);
	return io_pgtable_safe_read_and_clear_dirty(pgt_fixture(test)->pgt, iova, size, flags,
						    &dirty);
}

/* The leaf at @iova, which has @size bytes, is or is not dirty; it stays so. */
static void check_dirty(struct kunit *test, u64 iova, u64 size, bool dirty)
{
	struct iommu_iotlb_gather gather;

	KUNIT_EXPECT_EQ(test, read_dirty(test, iova, size, IOMMU_DIRTY_NO_CLEAR, &gather), 0);
	KUNIT_EXPECT_EQ_MSG(test, !!gather.end, dirty, "iova %#llx", iova);
	KUNIT_EXPECT_EQ(test, !(read_descriptor(test, iova) & CLEAN), dirty);
	if (!dirty)
		return;
	KUNIT_EXPECT_EQ(test, (u64)gather.start, iova);
	KUNIT_EXPECT_EQ(test, (u64)gather.end, iova + size - 1);
}

/* What is mapped writable counts as written to until it has been read. */
static void dirty_marks_are_read_and_cleared(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct iommu_iotlb_gather gather;

	open_tracking(test);
	do_map(test, 0, SZ_1G, 4 * PAGE);
	do_map(test, SZ_2M, SZ_2M, SZ_2M);
	check_dirty(test, PAGE, PAGE, true);
	check_dirty(test, SZ_2M, SZ_2M, true);

	pgt_forget_flushes(test);
	KUNIT_EXPECT_EQ(test, read_dirty(test, PAGE, 2 * PAGE, 0, &gather), 0);
	KUNIT_EXPECT_EQ(test, (u64)gather.start, (u64)PAGE);
	KUNIT_EXPECT_EQ(test, (u64)gather.end, 3ULL * PAGE - 1);
	/* Or the device would not mark it again */
	KUNIT_EXPECT_EQ(test, atomic_read(&fix->flushes), 1);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].iova, (u64)PAGE);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].size, 2ULL * PAGE);
	check_dirty(test, 0, PAGE, true);
	check_dirty(test, PAGE, PAGE, false);
	check_dirty(test, 2 * PAGE, PAGE, false);
	check_dirty(test, 3 * PAGE, PAGE, true);

	KUNIT_EXPECT_EQ(test, read_dirty(test, SZ_2M, SZ_2M, 0, NULL), 0);
	check_dirty(test, SZ_2M, SZ_2M, false);
	check_range(test, 0, SZ_1G, 4 * PAGE);
	check_range(test, SZ_2M, SZ_2M, SZ_2M);
}

static void clean_ranges_are_not_invalidated(struct kunit *test)
{
	open_tracking(test);
	do_map(test, 0, SZ_1G, 4 * PAGE);
	KUNIT_EXPECT_EQ(test, read_dirty(test, 0, 4 * PAGE, 0, NULL), 0);
	pgt_forget_flushes(test);
	KUNIT_EXPECT_EQ(test, read_dirty(test, 0, 4 * PAGE, 0, NULL), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&pgt_fixture(test)->flushes), 0);
	do_map(test, 4 * PAGE, SZ_1G, PAGE);
	KUNIT_EXPECT_EQ(test, read_dirty(test, 0, 5 * PAGE, IOMMU_DIRTY_NO_CLEAR, NULL), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&pgt_fixture(test)->flushes), 0);
}

/* The op itself fails at a hole, and what it had cleared by then is lost on its caller. */
static void the_op_fails_at_a_hole(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct iommu_iotlb_gather gather;
	struct iommu_dirty_bitmap dirty;

	if (HOLES_WARN)
		kunit_skip(test, "it also has a WARN_ON() for that here");
	open_tracking(test);
	do_map(test, 0, SZ_1G, PAGE);
	do_map(test, 8 * PAGE, SZ_1G, PAGE);
	iommu_dirty_bitmap_init(&dirty, NULL, &gather);
	KUNIT_EXPECT_EQ(test, fix->raw->read_and_clear_dirty(fix->raw, 0, 16 * PAGE, 0, &dirty),
			-EINVAL);
	check_dirty(test, 0, PAGE, false);
	check_dirty(test, 8 * PAGE, PAGE, true);
}

static void holes_are_passed_over(struct kunit *test)
{
	struct iommu_iotlb_gather gather;

	open_tracking(test);
	do_map(test, PAGE, SZ_1G, PAGE);
	do_map(test, 8 * PAGE, SZ_1G, PAGE);
	KUNIT_EXPECT_EQ(test, read_dirty(test, 0, SZ_1G, 0, &gather), 0);
	KUNIT_EXPECT_EQ(test, (u64)gather.start, (u64)PAGE);
	KUNIT_EXPECT_EQ(test, (u64)gather.end, 9ULL * PAGE - 1);
	check_dirty(test, PAGE, PAGE, false);
	check_dirty(test, 8 * PAGE, PAGE, false);
	/* Nothing at all is no error either */
	KUNIT_EXPECT_EQ(test, read_dirty(test, SZ_1G, SZ_1G, 0, &gather), 0);
	KUNIT_EXPECT_EQ(test, gather.end, 0UL);
}

static void a_leaf_is_read_whole_or_not_at_all(struct kunit *test)
{
	open_tracking(test);
	do_map(test, SZ_2M, SZ_2M, SZ_2M);
	KUNIT_EXPECT_EQ(test, read_dirty(test, SZ_2M, SZ_1M, 0, NULL), -ENOTBLK);
	KUNIT_EXPECT_EQ(test, read_dirty(test, SZ_2M + PAGE, SZ_2M, 0, NULL), -ENOTBLK);
	check_dirty(test, SZ_2M, SZ_2M, true);
}

static void bad_arguments_clear_nothing(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);

	open_tracking(test);
	do_map(test, 0, SZ_1G, PAGE);
	KUNIT_EXPECT_EQ(test, read_dirty(test, 1, PAGE, 0, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, read_dirty(test, 0, PAGE - 1, 0, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, read_dirty(test, 0, 0, 0, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, read_dirty(test, 0, PAGE, 2, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, read_dirty(test, 0, BIT_ULL(48) + PAGE, 0, NULL), -ERANGE);
	KUNIT_EXPECT_EQ(test, read_dirty(test, BIT_ULL(48), PAGE, 0, NULL), -ERANGE);
	KUNIT_EXPECT_EQ(test, read_dirty(test, -(u64)PAGE, 2 * PAGE, 0, NULL), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_read_and_clear_dirty(fix->pgt, 0, PAGE, 0, NULL),
			-EINVAL);
	check_dirty(test, 0, PAGE, true);
}

/* Its marks are those that mapping anew gives: the rest of a block counts as dirty. */
static void rest_of_a_cut_block_is_dirty(struct kunit *test)
{
	open_tracking(test);
	do_map(test, SZ_2M, SZ_2M, SZ_2M);
	KUNIT_EXPECT_EQ(test, read_dirty(test, SZ_2M, SZ_2M, 0, NULL), 0);
	do_cut(test, SZ_2M, PAGE);
	check_dirty(test, SZ_2M + PAGE, PAGE, true);
	check_dirty(test, 2 * SZ_2M - PAGE, PAGE, true);
}

static int in_the_middle(struct io_pgtable_ops *ops, unsigned long iova, size_t size,
			 unsigned long flags, struct iommu_dirty_bitmap *dirty)
{
	struct mock_format *mock = mock_from_ops(ops);
	struct kunit *test = mock->data;
	struct io_pgtable_safe *pgt = pgt_fixture(test)->pgt;

	check_map_result(test, io_pgtable_safe_map(pgt, 4 * PAGE, 0, PAGE, PGT_PROT, GFP_ATOMIC),
			 0, -EBUSY);
	check_unmap_result(test, io_pgtable_safe_unmap(pgt, 0, PAGE, 0), 0, -EBUSY);
	KUNIT_EXPECT_EQ(test, read_dirty(test, 0, 8 * PAGE, 0, NULL), -EBUSY);
	check_unmap_result(test, io_pgtable_safe_unmap(pgt, SZ_1G, PAGE, 0), PAGE, 0);
	iommu_dirty_bitmap_record(dirty, iova, PAGE);
	return -ENOSPC;
}

static void range_is_claimed_while_it_is_read(struct kunit *test)
{
	struct mock_config config = {
		.fmt = ARM_64_LPAE_S1, .quirks = IO_PGTABLE_QUIRK_ARM_HD,
		.pgsizes = SZ_4K | SZ_2M, .ias = 48, .oas = 48, .tlb = &pgt_flush_ops,
	};
	struct pgt_test *fix = pgt_fixture(test);
	struct mock_format *mock;

	mock = make_mock(test, &config);
	mock->iop.ops.read_and_clear_dirty = in_the_middle;
	mock->data = test;
	fix->mock = mock;
	pgt_adopt(test, io_pgtable_safe_wrap(&mock->iop.ops, mock_release));
	do_map(test, 0, 0, PAGE);
	do_map(test, SZ_1G, 0, PAGE);
	pgt_forget_flushes(test);
	/* The backend's error, but what it cleared before that is invalidated */
	KUNIT_EXPECT_EQ(test, read_dirty(test, 0, 8 * PAGE, 0, NULL), -ENOSPC);
	KUNIT_EXPECT_EQ(test, fix->flush_log[1].iova, 0ULL);
	KUNIT_EXPECT_EQ(test, fix->flush_log[1].size, (u64)PAGE);
	check_mapped(test, PAGE);
	do_map(test, 4 * PAGE, 0, PAGE);
	do_unmap(test, 0, PAGE);
}

static struct kunit_case tracking_cases[] = {
	KUNIT_CASE(dirty_marks_are_read_and_cleared),
	KUNIT_CASE(clean_ranges_are_not_invalidated),
	KUNIT_CASE(the_op_fails_at_a_hole),
	KUNIT_CASE(holes_are_passed_over),
	KUNIT_CASE(a_leaf_is_read_whole_or_not_at_all),
	KUNIT_CASE(bad_arguments_clear_nothing),
	KUNIT_CASE(rest_of_a_cut_block_is_dirty),
	KUNIT_CASE(range_is_claimed_while_it_is_read),
	{}
};

static struct kunit_suite tracking_suite = {
	.name = "io_pgtable_safe_dirty",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = tracking_cases,
};

kunit_test_suites(&tracking_suite);
#endif

/* Without the quirk nothing sets a mark, and all would seem to be clean. */
static void formats_without_marks_say_so(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);

	do_map(test, at(test, 0), 0, fix->granule);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_read_and_clear_dirty(fix->pgt, at(test, 0),
								   fix->granule, 0, NULL),
			-EOPNOTSUPP);
}

/* --- the walk ------------------------------------------------------------------ */

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
	KUNIT_CASE_PARAM(formats_without_marks_say_so, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(walk_finds_the_descriptors, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(walk_goes_nowhere_else, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(walk_keeps_off_what_is_being_unmapped, pgt_formats_gen_params),
	{}
};

static struct kunit_suite format_suite = {
	.name = "io_pgtable_safe_reading",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = format_cases,
};

kunit_test_suites(&format_suite);
