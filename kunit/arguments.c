// SPDX-License-Identifier: GPL-2.0
/*
 * Every argument that is refused: with which error, and that the backend never
 * hears of it.
 */
#include <linux/gfp.h>

#include "helpers.h"
#include "io_pgtable_safe_compat.h"
#include "mock_format.h"

#define PAGE SZ_4K
#define IAS 39
#define OAS 40
#define IOVA_END BIT_ULL(IAS)
#define PADDR_END BIT_ULL(OAS)

/* Where the mock has something mapped, so that a change would show. */
#define SEED_PAGE (64ULL * PAGE)
#define SEED_BLOCK (4ULL * SZ_2M)

static const struct mock_config config = {
	.fmt = ARM_MALI_LPAE,
	.pgsizes = SZ_4K | SZ_2M | SZ_1G,
	.ias = IAS,
	.oas = OAS,
	.tlb = &pgt_flush_ops,
};

static const struct mock_config upper_half = {
	.fmt = ARM_64_LPAE_S1,
	.quirks = IO_PGTABLE_QUIRK_ARM_TTBR1,
	.pgsizes = SZ_4K | SZ_2M | SZ_1G,
	.ias = IAS,
	.oas = OAS,
	.tlb = &pgt_flush_ops,
};

struct untouched {
	struct pgt_snapshot snap;
	unsigned int calls;
	int flushes;
};

/* The requests below are made between these two. */
static void begin_refused(struct kunit *test, struct untouched *before)
{
	take_snapshot(test, &before->snap, 0, 0);
	before->calls = pgt_fixture(test)->mock->nr_calls;
	before->flushes = atomic_read(&pgt_fixture(test)->flushes);
}

static void end_refused(struct kunit *test, struct untouched *before)
{
	check_snapshot(test, &before->snap);
	KUNIT_EXPECT_EQ_MSG(test, pgt_fixture(test)->mock->nr_calls, before->calls,
			    "the backend was called");
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(&pgt_fixture(test)->flushes),
			    before->flushes, "the driver was called");
}

static void open_seeded(struct kunit *test, const struct mock_config *mock_config)
{
	open_mock(test, mock_config);
	do_map(test, at(test, SEED_PAGE), PAGE, PAGE);
	do_map(test, at(test, SEED_BLOCK), SZ_2M, SZ_2M);
}

/* --- requests in pages ---------------------------------------------------- */

struct bad_pages {
	const char *name;
	u64 iova;
	u64 paddr;
	size_t pgsize;
	size_t pgcount;
	int err;
};

/* What is wrong with these is wrong for map and unmap alike. */
static const struct bad_pages bad_pages[] = {
	{ "iova off by one byte", 1, 0, PAGE, 1, -EINVAL },
	{ "iova off by half a page", PAGE / 2, 0, PAGE, 1, -EINVAL },
	{ "iova of a block off by a page", PAGE, 0, SZ_2M, 1, -EINVAL },
	{ "iova of a large block off by a block", SZ_2M, 0, SZ_1G, 1, -EINVAL },
	{ "page size zero", 0, 0, 0, 1, -EINVAL },
	{ "page size one", 0, 0, 1, 1, -EINVAL },
	{ "page size below the granule", 0, 0, PAGE / 2, 1, -EINVAL },
	{ "page size of two pages", 0, 0, 2 * PAGE, 1, -EINVAL },
	{ "page size not granted", 0, 0, SZ_64K, 1, -EINVAL },
	{ "page size of 2 to the 63", 0, 0, BIT_ULL(63), 1, -EINVAL },
	{ "two page sizes", 0, 0, SZ_4K | SZ_2M, 1, -EINVAL },
	{ "two page sizes, twice", 0, 0, SZ_4K | SZ_2M, 2, -EINVAL },
	{ "all page sizes", 0, 0, SZ_4K | SZ_2M | SZ_1G, 1, -EINVAL },
	{ "all page sizes, twice", 0, 0, SZ_4K | SZ_2M | SZ_1G, 2, -EINVAL },
	{ "no pages", 0, 0, PAGE, 0, -EINVAL },
	{ "no blocks", 0, 0, SZ_2M, 0, -EINVAL },
	{ "2 to the 31 pages", 0, 0, PAGE, BIT_ULL(31), -ERANGE },
	{ "2 to the 32 pages", 0, 0, PAGE, BIT_ULL(32), -ERANGE },
	{ "2 to the 32 and one pages", 0, 0, PAGE, BIT_ULL(32) + 1, -ERANGE },
	{ "2 to the 64 bytes", 0, 0, SZ_1G, BIT_ULL(34), -EOVERFLOW },
	{ "2 to the 64 bytes and a page", 0, 0, PAGE, BIT_ULL(52) + 1, -EOVERFLOW },
	{ "as many pages as can be written", 0, 0, PAGE, SIZE_MAX, -EOVERFLOW },
	{ "first byte behind the address space", IOVA_END, 0, PAGE, 1, -ERANGE },
	{ "last byte behind the address space", IOVA_END - PAGE, 0, PAGE, 2, -ERANGE },
	{ "last byte of a block behind it", IOVA_END - SZ_1G, 0, SZ_1G, 2, -ERANGE },
	{ "one page more than there is", 0, 0, PAGE, IOVA_END / PAGE + 1, -ERANGE },
	{ "lower half of the upper half", -IOVA_END, 0, PAGE, 1, -ERANGE },
	{ "last page of 64 bits", -(u64)PAGE, 0, PAGE, 1, -ERANGE },
	{ "range that wraps", -(u64)PAGE, 0, PAGE, 2, -EOVERFLOW },
	{ "range that wraps to where it began", PAGE, 0, PAGE, BIT_ULL(52) - 1, -ERANGE },
};

/* Only a map has a physical address. */
static const struct bad_pages bad_paddr_pages[] = {
	{ "paddr off by one byte", 0, 1, PAGE, 1, -EINVAL },
	{ "paddr off by half a page", 0, PAGE / 2, PAGE, 1, -EINVAL },
	{ "paddr of a block off by a page", 0, PAGE, SZ_2M, 1, -EINVAL },
	{ "paddr of a large block off by a block", 0, SZ_2M, SZ_1G, 1, -EINVAL },
	{ "first byte behind physical memory", 0, PADDR_END, PAGE, 1, -ERANGE },
	{ "last byte behind physical memory", 0, PADDR_END - PAGE, PAGE, 2, -ERANGE },
	{ "last byte of a block behind it", 0, PADDR_END - SZ_2M, SZ_2M, 2, -ERANGE },
	{ "last page of 64 bits", 0, -(u64)PAGE, PAGE, 1, -ERANGE },
	{ "physical range that wraps", 0, -(u64)PAGE, PAGE, 2, -EOVERFLOW },
};

/* In the upper half, everything below it is outside. */
static const struct bad_pages bad_upper_pages[] = {
	{ "the lower half", 0, 0, PAGE, 1, -ERANGE },
	{ "the page below", -IOVA_END - PAGE, 0, PAGE, 1, -ERANGE },
	{ "the page below and the first", -IOVA_END - PAGE, 0, PAGE, 2, -ERANGE },
	{ "an address without its sign", IOVA_END - PAGE, 0, PAGE, 1, -ERANGE },
	{ "the last page and one more", -(u64)PAGE, 0, PAGE, 2, -EOVERFLOW },
	{ "the last block and one more", -(u64)SZ_1G, 0, SZ_1G, 2, -EOVERFLOW },
};

static void bad_pages_desc(const struct bad_pages *bad, char *desc)
{
	strscpy(desc, bad->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(bad_pages, bad_pages, bad_pages_desc);
KUNIT_ARRAY_PARAM(bad_paddr_pages, bad_paddr_pages, bad_pages_desc);
KUNIT_ARRAY_PARAM(bad_upper_pages, bad_upper_pages, bad_pages_desc);

static void expect_try_map_pages_refuses(struct kunit *test)
{
	const struct bad_pages *bad = test->param_value;
	struct untouched before;

	begin_refused(test, &before);
	check_map_result(test,
			 io_pgtable_safe_try_map_pages(pgt_fixture(test)->pgt, bad->iova,
						       bad->paddr, bad->pgsize,
						       bad->pgcount, PGT_PROT, GFP_KERNEL),
			 0, bad->err);
	end_refused(test, &before);
}

static void expect_map_pages_refuses(struct kunit *test)
{
	const struct bad_pages *bad = test->param_value;
	struct untouched before;

	begin_refused(test, &before);
	check_map_result(test,
			 io_pgtable_safe_map_pages(pgt_fixture(test)->pgt, bad->iova,
						   bad->paddr, bad->pgsize, bad->pgcount,
						   PGT_PROT, GFP_KERNEL),
			 0, bad->err);
	end_refused(test, &before);
}

static void expect_unmap_pages_refuses(struct kunit *test)
{
	const struct bad_pages *bad = test->param_value;
	struct untouched before;

	begin_refused(test, &before);
	check_unmap_result(test,
			   io_pgtable_safe_unmap_pages(pgt_fixture(test)->pgt, bad->iova,
						       bad->pgsize, bad->pgcount, 0),
			   0, bad->err);
	end_refused(test, &before);
}

static void try_map_pages_refuses(struct kunit *test)
{
	open_seeded(test, &config);
	expect_try_map_pages_refuses(test);
}

static void map_pages_refuses(struct kunit *test)
{
	open_seeded(test, &config);
	expect_map_pages_refuses(test);
}

static void unmap_pages_refuses(struct kunit *test)
{
	open_seeded(test, &config);
	expect_unmap_pages_refuses(test);
}

static void try_map_pages_refuses_this_paddr(struct kunit *test)
{
	try_map_pages_refuses(test);
}

static void map_pages_refuses_this_paddr(struct kunit *test)
{
	map_pages_refuses(test);
}

static void try_map_pages_refuses_in_upper_half(struct kunit *test)
{
	open_seeded(test, &upper_half);
	expect_try_map_pages_refuses(test);
}

static void map_pages_refuses_in_upper_half(struct kunit *test)
{
	open_seeded(test, &upper_half);
	expect_map_pages_refuses(test);
}

static void unmap_pages_refuses_in_upper_half(struct kunit *test)
{
	open_seeded(test, &upper_half);
	expect_unmap_pages_refuses(test);
}

static struct kunit_case pages_cases[] = {
	KUNIT_CASE_PARAM(try_map_pages_refuses, bad_pages_gen_params),
	KUNIT_CASE_PARAM(map_pages_refuses, bad_pages_gen_params),
	KUNIT_CASE_PARAM(unmap_pages_refuses, bad_pages_gen_params),
	KUNIT_CASE_PARAM(try_map_pages_refuses_this_paddr, bad_paddr_pages_gen_params),
	KUNIT_CASE_PARAM(map_pages_refuses_this_paddr, bad_paddr_pages_gen_params),
	KUNIT_CASE_PARAM(try_map_pages_refuses_in_upper_half, bad_upper_pages_gen_params),
	KUNIT_CASE_PARAM(map_pages_refuses_in_upper_half, bad_upper_pages_gen_params),
	KUNIT_CASE_PARAM(unmap_pages_refuses_in_upper_half, bad_upper_pages_gen_params),
	{}
};

static struct kunit_suite pages_suite = {
	.name = "io_pgtable_safe_bad_pages",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = pages_cases,
};

/* --- requests in bytes ---------------------------------------------------- */

struct bad_range {
	const char *name;
	u64 iova;
	u64 paddr;
	u64 size;
	int err;
};

static const struct bad_range bad_ranges[] = {
	{ "no bytes", 0, 0, 0, -EINVAL },
	{ "one byte", 0, 0, 1, -EINVAL },
	{ "a page and a byte", 0, 0, PAGE + 1, -EINVAL },
	{ "half a page", 0, 0, PAGE / 2, -EINVAL },
	{ "iova off by one byte", 1, 0, PAGE, -EINVAL },
	{ "iova off by half a page", PAGE / 2, 0, PAGE, -EINVAL },
	{ "first byte behind the address space", IOVA_END, 0, PAGE, -ERANGE },
	{ "last byte behind the address space", IOVA_END - PAGE, 0, 2 * PAGE, -ERANGE },
	{ "one page more than there is", 0, 0, IOVA_END + PAGE, -ERANGE },
	{ "last page of 64 bits", -(u64)PAGE, 0, PAGE, -ERANGE },
	{ "range that wraps", -(u64)PAGE, 0, 2 * PAGE, -EOVERFLOW },
	{ "size of nearly 64 bits", 0, 0, -(u64)PAGE, -ERANGE },
	{ "range that wraps to where it began", 2 * PAGE, 0, -(u64)PAGE, -EOVERFLOW },
};

static const struct bad_range bad_paddr_ranges[] = {
	{ "paddr off by one byte", 0, 1, PAGE, -EINVAL },
	{ "paddr off by half a page", 0, PAGE / 2, PAGE, -EINVAL },
	{ "first byte behind physical memory", 0, PADDR_END, PAGE, -ERANGE },
	{ "last byte behind physical memory", 0, PADDR_END - PAGE, 2 * PAGE, -ERANGE },
	{ "last page of 64 bits", 0, -(u64)PAGE, PAGE, -ERANGE },
	{ "physical range that wraps", 0, -(u64)PAGE, 2 * PAGE, -EOVERFLOW },
};

static void bad_range_desc(const struct bad_range *bad, char *desc)
{
	strscpy(desc, bad->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(bad_ranges, bad_ranges, bad_range_desc);
KUNIT_ARRAY_PARAM(bad_paddr_ranges, bad_paddr_ranges, bad_range_desc);

static void map_refuses(struct kunit *test)
{
	const struct bad_range *bad = test->param_value;
	struct untouched before;

	open_seeded(test, &config);
	begin_refused(test, &before);
	check_map_result(test,
			 io_pgtable_safe_map(pgt_fixture(test)->pgt, bad->iova, bad->paddr,
					     bad->size, PGT_PROT, GFP_KERNEL),
			 0, bad->err);
	end_refused(test, &before);
}

static void map_sgtable_refuses(struct kunit *test)
{
	const struct bad_range *bad = test->param_value;
	struct sg_piece piece = { bad->paddr, 4 * PAGE };
	struct sg_table *sgt;
	struct untouched before;

	open_seeded(test, &config);
	sgt = make_dma_table(test, &piece, 1);
	begin_refused(test, &before);
	check_map_result(test,
			 map_dma_table(test, bad->iova, sgt, 0, bad->size, GFP_KERNEL),
			 0, bad->err);
	end_refused(test, &before);
}

static void map_repeat_refuses(struct kunit *test)
{
	const struct bad_range *bad = test->param_value;
	struct untouched before;

	open_seeded(test, &config);
	begin_refused(test, &before);
	check_map_result(test,
			 io_pgtable_safe_map_repeat(pgt_fixture(test)->pgt, bad->iova,
						    bad->paddr, 2 * PAGE, 0, bad->size, PGT_PROT,
						    GFP_KERNEL),
			 0, bad->err);
	end_refused(test, &before);
}

static void map_refuses_this_paddr(struct kunit *test)
{
	map_refuses(test);
}

static void map_sgtable_refuses_this_paddr(struct kunit *test)
{
	map_sgtable_refuses(test);
}

static void map_repeat_refuses_this_paddr(struct kunit *test)
{
	map_repeat_refuses(test);
}

static void unmap_refuses(struct kunit *test)
{
	const struct bad_range *bad = test->param_value;
	struct untouched before;

	open_seeded(test, &config);
	begin_refused(test, &before);
	check_unmap_result(test,
			   io_pgtable_safe_unmap(pgt_fixture(test)->pgt, bad->iova,
						 bad->size, 0),
			   0, bad->err);
	end_refused(test, &before);
}

static void unmap_present_refuses(struct kunit *test)
{
	const struct bad_range *bad = test->param_value;
	struct untouched before;

	open_seeded(test, &config);
	begin_refused(test, &before);
	check_unmap_result(test,
			   io_pgtable_safe_unmap_present(pgt_fixture(test)->pgt, bad->iova,
							 bad->size, 0),
			   0, bad->err);
	end_refused(test, &before);
}

static void flush_refuses(struct kunit *test)
{
	const struct bad_range *bad = test->param_value;
	struct untouched before;

	open_seeded(test, &config);
	begin_refused(test, &before);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt_fixture(test)->pgt, bad->iova,
						    bad->size), bad->err);
	end_refused(test, &before);
}

static void leaf_span_refuses(struct kunit *test)
{
	const struct bad_range *bad = test->param_value;
	struct io_pgtable_safe_span span = { .iova = 1234 };
	struct untouched before;

	open_seeded(test, &config);
	begin_refused(test, &before);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_leaf_span(pgt_fixture(test)->pgt, bad->iova,
							bad->size, &span), bad->err);
	KUNIT_EXPECT_EQ(test, span.iova, 1234ULL);
	end_refused(test, &before);
}

static void expect_block_refused(struct kunit *test, u64 block, u64 phase)
{
	struct untouched before;

	begin_refused(test, &before);
	check_map_result(test,
			 io_pgtable_safe_map_repeat(pgt_fixture(test)->pgt, 0, 0, block,
						    phase, 4 * PAGE, PGT_PROT, GFP_KERNEL),
			 0, -EINVAL);
	end_refused(test, &before);
}

static void map_repeat_refuses_a_bad_block(struct kunit *test)
{
	open_seeded(test, &config);
	expect_block_refused(test, PAGE, PAGE);
	expect_block_refused(test, 2 * PAGE, PAGE / 2);
	expect_block_refused(test, 2 * PAGE, U64_MAX - PAGE + 1);
	expect_block_refused(test, 0, 0);
	expect_block_refused(test, 1, 0);
	expect_block_refused(test, PAGE + 1, 0);
	expect_block_refused(test, PAGE / 2, 0);
	expect_block_refused(test, U64_MAX, 0);
}

static void map_sgtable_refuses_an_unknown_kind(struct kunit *test)
{
	struct sg_piece piece = { 0, PAGE };
	struct sg_table *sgt = make_dma_table(test, &piece, 1);
	struct untouched before;

	open_seeded(test, &config);
	begin_refused(test, &before);
	check_map_result(test,
			 io_pgtable_safe_map_sgtable(pgt_fixture(test)->pgt, 0, sgt,
						     IO_PGTABLE_SAFE_SG_DMA + 1, 0, PAGE,
						     PGT_PROT, GFP_KERNEL),
			 0, -EINVAL);
	end_refused(test, &before);
}

static void map_sgtable_refuses_an_offset_that_wraps(struct kunit *test)
{
	struct sg_piece piece = { 0, 4 * PAGE };
	struct sg_table *sgt = make_dma_table(test, &piece, 1);
	struct untouched before;

	open_seeded(test, &config);
	begin_refused(test, &before);
	check_map_result(test,
			 map_dma_table(test, 0, sgt, -(u64)PAGE, 2 * PAGE, GFP_KERNEL),
			 0, -EINVAL);
	end_refused(test, &before);
}

static void unmaps_refuse_unknown_flags(struct kunit *test)
{
	u32 flags = IO_PGTABLE_SAFE_NO_FLUSH << 1;
	struct io_pgtable_safe *pgt;
	struct untouched before;

	open_seeded(test, &config);
	pgt = pgt_fixture(test)->pgt;
	begin_refused(test, &before);
	check_unmap_result(test, io_pgtable_safe_unmap_pages(pgt, SEED_PAGE, PAGE, 1, flags),
			   0, -EINVAL);
	check_unmap_result(test, io_pgtable_safe_unmap(pgt, SEED_PAGE, PAGE, flags),
			   0, -EINVAL);
	check_unmap_result(test, io_pgtable_safe_unmap_present(pgt, 0, SZ_1M, ~0U),
			   0, -EINVAL);
	end_refused(test, &before);
}

static void questions_refuse_addresses_outside(struct kunit *test)
{
	struct io_pgtable_safe_span span;
	struct io_pgtable_safe *pgt;

	open_seeded(test, &config);
	pgt = pgt_fixture(test)->pgt;
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_lookup(pgt, IOVA_END, &span), -ERANGE);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_lookup(pgt, IOVA_END + SEED_PAGE, &span), -ERANGE);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_lookup(pgt, U64_MAX, &span), -ERANGE);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_next(pgt, IOVA_END, &span), -ERANGE);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_next(pgt, 1, &span), -EINVAL);
}

static void questions_refuse_the_lower_half(struct kunit *test)
{
	struct io_pgtable_safe_span span;
	struct io_pgtable_safe *pgt;

	open_seeded(test, &upper_half);
	pgt = pgt_fixture(test)->pgt;
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_lookup(pgt, SEED_PAGE, &span), -ERANGE);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_lookup(pgt, -IOVA_END - 1, &span), -ERANGE);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_lookup(pgt, U64_MAX, &span), -ENOENT);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_next(pgt, 0, &span), -ERANGE);
}

/* The legal ends of what the tables above refuse. */
static void the_last_byte_is_legal(struct kunit *test)
{
	open_seeded(test, &config);
	do_map_pages(test, IOVA_END - PAGE, PADDR_END - PAGE, PAGE, 1);
	check_range(test, IOVA_END - PAGE, PADDR_END - PAGE, PAGE);
	do_unmap_pages(test, IOVA_END - PAGE, PAGE, 1);
}

static void the_last_byte_of_64_bits_is_legal_in_the_upper_half(struct kunit *test)
{
	open_seeded(test, &upper_half);
	do_map_pages(test, -(u64)SZ_1G, PADDR_END - SZ_1G, SZ_1G, 1);
	check_range(test, -(u64)SZ_1G, PADDR_END - SZ_1G, SZ_1G);
	do_unmap_pages(test, -(u64)SZ_1G, SZ_1G, 1);
	do_map(test, -(u64)PAGE, 0, PAGE);
	do_unmap(test, -(u64)PAGE, PAGE);
}

static struct kunit_case ranges_cases[] = {
	KUNIT_CASE_PARAM(map_refuses, bad_ranges_gen_params),
	KUNIT_CASE_PARAM(map_refuses_this_paddr, bad_paddr_ranges_gen_params),
	KUNIT_CASE_PARAM(map_sgtable_refuses, bad_ranges_gen_params),
	KUNIT_CASE_PARAM(map_sgtable_refuses_this_paddr, bad_paddr_ranges_gen_params),
	KUNIT_CASE_PARAM(map_repeat_refuses, bad_ranges_gen_params),
	KUNIT_CASE_PARAM(map_repeat_refuses_this_paddr, bad_paddr_ranges_gen_params),
	KUNIT_CASE_PARAM(unmap_refuses, bad_ranges_gen_params),
	KUNIT_CASE_PARAM(unmap_present_refuses, bad_ranges_gen_params),
	KUNIT_CASE_PARAM(flush_refuses, bad_ranges_gen_params),
	KUNIT_CASE_PARAM(leaf_span_refuses, bad_ranges_gen_params),
	KUNIT_CASE(map_repeat_refuses_a_bad_block),
	KUNIT_CASE(map_sgtable_refuses_an_unknown_kind),
	KUNIT_CASE(map_sgtable_refuses_an_offset_that_wraps),
	KUNIT_CASE(unmaps_refuse_unknown_flags),
	KUNIT_CASE(questions_refuse_addresses_outside),
	KUNIT_CASE(questions_refuse_the_lower_half),
	KUNIT_CASE(the_last_byte_is_legal),
	KUNIT_CASE(the_last_byte_of_64_bits_is_legal_in_the_upper_half),
	{}
};

static struct kunit_suite ranges_suite = {
	.name = "io_pgtable_safe_bad_ranges",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = ranges_cases,
};

/* --- protection and gfp --------------------------------------------------- */

struct bad_prot {
	const char *name;
	int prot;
	gfp_t gfp;
};

static const struct bad_prot bad_prots[] = {
	{ "no protection at all", 0, GFP_KERNEL },
	{ "neither read nor write", IOMMU_CACHE | IOMMU_NOEXEC, GFP_KERNEL },
	{ "zone DMA", PGT_PROT, GFP_KERNEL | __GFP_DMA },
	{ "zone DMA32", PGT_PROT, GFP_KERNEL | __GFP_DMA32 },
	{ "zone HIGHMEM", PGT_PROT, GFP_KERNEL | __GFP_HIGHMEM },
	{ "zone MOVABLE", PGT_PROT, GFP_KERNEL | __GFP_MOVABLE },
	{ "zone MOVABLE", PGT_PROT, GFP_KERNEL | __GFP_MOVABLE },
	{ "zone DMA, atomically", PGT_PROT, GFP_ATOMIC | __GFP_DMA },
};

static void bad_prot_desc(const struct bad_prot *bad, char *desc)
{
	strscpy(desc, bad->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(bad_prots, bad_prots, bad_prot_desc);

static void all_maps_refuse_this_prot_or_gfp(struct kunit *test)
{
	const struct bad_prot *bad = test->param_value;
	struct sg_piece piece = { 0, PAGE };
	struct sg_table *sgt = make_dma_table(test, &piece, 1);
	struct io_pgtable_safe *pgt;
	struct untouched before;

	open_seeded(test, &config);
	pgt = pgt_fixture(test)->pgt;
	begin_refused(test, &before);
	check_map_result(test, io_pgtable_safe_try_map_pages(pgt, 0, 0, PAGE, 1, bad->prot,
							     bad->gfp), 0, -EINVAL);
	check_map_result(test, io_pgtable_safe_map_pages(pgt, 0, 0, PAGE, 1, bad->prot,
							 bad->gfp), 0, -EINVAL);
	check_map_result(test, io_pgtable_safe_map(pgt, 0, 0, PAGE, bad->prot, bad->gfp),
			 0, -EINVAL);
	check_map_result(test, io_pgtable_safe_map_sgtable(pgt, 0, sgt, IO_PGTABLE_SAFE_SG_DMA,
							   0, PAGE, bad->prot, bad->gfp),
			 0, -EINVAL);
	check_map_result(test, io_pgtable_safe_map_repeat(pgt, 0, 0, PAGE, 0, PAGE, bad->prot,
							  bad->gfp), 0, -EINVAL);
	end_refused(test, &before);
}

static void prot_and_gfp_reach_the_backend(struct kunit *test)
{
	int prot = IOMMU_READ | IOMMU_MMIO | IOMMU_PRIV;
	struct mock_format *mock = open_mock(test, &config);
	struct io_pgtable_safe_map_result res;

	res = io_pgtable_safe_map(pgt_fixture(test)->pgt, 0, 0, PAGE, prot, GFP_NOWAIT);
	check_map_result(test, res, PAGE, 0);
	KUNIT_EXPECT_EQ(test, mock->calls[0].prot, prot);
	KUNIT_EXPECT_EQ(test, (__force u32)mock->calls[0].gfp, (__force u32)GFP_NOWAIT);
}

/* Only both together are %IO_PGTABLE_SAFE_RESERVED */
static void how_hard_to_try_reaches_the_backend(struct kunit *test)
{
	static const gfp_t hard[] = { __GFP_NORETRY, __GFP_RETRY_MAYFAIL };
	struct mock_format *mock = open_mock(test, &config);
	struct io_pgtable_safe_map_result res;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hard); i++) {
		res = io_pgtable_safe_map(pgt_fixture(test)->pgt, i * PAGE, 0, PAGE, PGT_PROT,
					  GFP_KERNEL | hard[i]);
		check_map_result(test, res, PAGE, 0);
		KUNIT_EXPECT_EQ(test, (__force u32)(mock->calls[i].gfp & IO_PGTABLE_SAFE_RESERVED),
				(__force u32)hard[i]);
	}
}

static bool has_write_only(enum io_pgtable_fmt fmt)
{
	return fmt != ARM_64_LPAE_S1 && fmt != ARM_32_LPAE_S1 && fmt != ARM_V7S;
}

/* Stage 1 has no encoding for it and would let the device read as well. */
static void write_only_is_what_it_says_or_refused(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	bool legal = has_write_only(fix->format->fmt);
	struct io_pgtable_safe_map_result res;

	res = io_pgtable_safe_map(fix->pgt, at(test, 0), 0, fix->granule, IOMMU_WRITE,
				  GFP_KERNEL);
	check_map_result(test, res, legal ? fix->granule : 0, legal ? 0 : -EINVAL);
	check_mapped(test, legal ? fix->granule : 0);
}

static void read_only_is_legal(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe_map_result res;

	res = io_pgtable_safe_map(fix->pgt, at(test, 0), 0, fix->granule, IOMMU_READ,
				  GFP_KERNEL);
	check_map_result(test, res, fix->granule, 0);
}

static struct kunit_case prot_cases[] = {
	KUNIT_CASE_PARAM(all_maps_refuse_this_prot_or_gfp, bad_prots_gen_params),
	KUNIT_CASE(prot_and_gfp_reach_the_backend),
	KUNIT_CASE(how_hard_to_try_reaches_the_backend),
	{}
};

static struct kunit_suite prot_suite = {
	.name = "io_pgtable_safe_bad_prot",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = prot_cases,
};

/* --- the real formats ----------------------------------------------------- */

static void real_misaligned_addresses(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;

	do_map_fails(test, at(test, granule / 2), 0, granule, -EINVAL);
	do_map_fails(test, at(test, 0), granule / 2, granule, -EINVAL);
	do_map_fails(test, at(test, 0), 0, granule + granule / 2, -EINVAL);
	do_map(test, at(test, granule), 0, granule);
	do_unmap_fails(test, at(test, granule + 1), granule, -EINVAL);
	do_unmap_fails(test, at(test, granule), granule / 2, -EINVAL);
}

static void real_misaligned_blocks(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, size;
	unsigned int n;

	for (n = 1; (size = nth_pgsize(test, n)); n++) {
		do_map_pages_fails(test, at(test, size - granule), 0, size, 1, -EINVAL);
		do_map_pages_fails(test, at(test, size), granule, size, 1, -EINVAL);
		do_unmap_pages_fails(test, at(test, size - granule), size, 1, -EINVAL);
	}
}

/* v7s mapped iova 0 for the second of two pages at the end; LPAE wrote elsewhere. */
static void real_last_byte_behind_the_address_space(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 iova = fix->last - fix->granule + 1;
	int err = fix->last == U64_MAX ? -EOVERFLOW : -ERANGE;

	do_map_fails(test, iova, 0, 2 * fix->granule, err);
	do_map_pages_fails(test, iova, 0, fix->granule, 2, err);
	do_map(test, iova, 0, fix->granule);
	do_unmap_fails(test, iova, 2 * fix->granule, err);
	do_unmap_pages_fails(test, iova, fix->granule, 2, err);
}

static void real_first_byte_behind_the_address_space(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 iova = fix->last + 1;

	/* Behind the upper half is the lower one */
	do_map_fails(test, iova, 0, fix->granule, -ERANGE);
	do_unmap_fails(test, iova, fix->granule, -ERANGE);
}

/* An alias of a mapping: iova_to_phys() would find it. */
static void real_alias_of_a_mapping(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 alias = at(test, 0) ^ BIT_ULL(fix->cfg->ias);
	struct io_pgtable_safe_span span;

	do_map(test, at(test, 0), some_paddr(test, fix->granule), fix->granule);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_lookup(fix->pgt, alias, &span), -ERANGE);
	do_unmap_fails(test, alias, fix->granule, -ERANGE);
}

static void real_last_byte_behind_physical_memory(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 paddr = (u64)fix->paddr_last - fix->granule + 1;

	do_map_fails(test, at(test, 0), paddr, 2 * fix->granule, -ERANGE);
	do_map_pages_fails(test, at(test, 0), paddr, fix->granule, 2, -ERANGE);
	do_map_fails(test, at(test, 0), fix->paddr_last + 1, fix->granule, -ERANGE);
}

static void real_page_sizes_that_were_not_granted(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	unsigned int bit;

	for (bit = 0; bit < 64; bit++) {
		if (fix->cfg->pgsize_bitmap & BIT_ULL(bit))
			continue;
		do_map_pages_fails(test, at(test, 0), 0, BIT_ULL(bit), 1, -EINVAL);
		do_unmap_pages_fails(test, at(test, 0), BIT_ULL(bit), 1, -EINVAL);
	}
}

static void real_all_page_sizes_at_once(struct kunit *test)
{
	u64 sizes = pgt_fixture(test)->cfg->pgsize_bitmap;

	do_map_pages_fails(test, at(test, 0), 0, sizes, 1, -EINVAL);
	do_map_pages_fails(test, at(test, 0), 0, sizes, 2, -EINVAL);
	do_unmap_pages_fails(test, at(test, 0), sizes, 1, -EINVAL);
	do_unmap_pages_fails(test, at(test, 0), sizes, 2, -EINVAL);
}

/* LPAE took a count of 2^32 for none and one of 2^31 for less than none. */
static void real_page_counts_that_do_not_fit_an_int(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 pages = (fix->last - fix->base) / fix->granule + 1;
	size_t count = max(pages, BIT_ULL(32)) + 1;

	do_map_pages_fails(test, at(test, 0), 0, fix->granule, count,
			   fix->base ? -EOVERFLOW : -ERANGE);
}

static void real_zero_pages(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);

	do_map_pages_fails(test, at(test, 0), 0, fix->granule, 0, -EINVAL);
	do_unmap_pages_fails(test, at(test, 0), fix->granule, 0, -EINVAL);
	do_map_fails(test, at(test, 0), 0, 0, -EINVAL);
	do_unmap_fails(test, at(test, 0), 0, -EINVAL);
}

PGT_FORMATS_PARAM();
PGT_BLOCK_FORMATS_PARAM();

static struct kunit_case real_cases[] = {
	KUNIT_CASE_PARAM(real_misaligned_addresses, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(real_misaligned_blocks, pgt_block_formats_gen_params),
	KUNIT_CASE_PARAM(real_last_byte_behind_the_address_space, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(real_first_byte_behind_the_address_space, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(real_alias_of_a_mapping, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(real_last_byte_behind_physical_memory, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(real_page_sizes_that_were_not_granted, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(real_all_page_sizes_at_once, pgt_block_formats_gen_params),
	KUNIT_CASE_PARAM(real_page_counts_that_do_not_fit_an_int, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(real_zero_pages, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(write_only_is_what_it_says_or_refused, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(read_only_is_legal, pgt_formats_gen_params),
	{}
};

static struct kunit_suite real_suite = {
	.name = "io_pgtable_safe_bad_real",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = real_cases,
};

kunit_test_suites(&pages_suite, &ranges_suite, &prot_suite, &real_suite);
