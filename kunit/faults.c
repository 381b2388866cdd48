// SPDX-License-Identifier: GPL-2.0
/*
 * Faults that were found by use: each with the smallest request that shows it.
 * Those that are not mended yet are skipped, see skip_known_fault().
 */
#include <linux/gfp.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>

#include "helpers.h"
#include "io_pgtable_safe_compat.h"
#include "mock_format.h"

#ifndef KUNIT_CASE_SLOW
#define KUNIT_CASE_SLOW(test_name) KUNIT_CASE(test_name)
#endif

#define PAGE SZ_4K

/* --- reservations ---------------------------------------------------------- */

static struct io_pgtable_safe_reserve *reserve_and_attach(struct kunit *test, u64 iova,
							  u64 size)
{
	struct io_pgtable_safe *pgt = pgt_fixture(test)->pgt;
	struct io_pgtable_safe_reserve *r;

	r = io_pgtable_safe_reserve(pgt, iova, size, GFP_KERNEL);
	if (PTR_ERR_OR_ZERO(r) == -EOPNOTSUPP)
		kunit_skip(test, "this kernel's formats take no reservations");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r);
	KUNIT_ASSERT_EQ(test, io_pgtable_safe_reserve_attach(pgt, r), 0);
	return r;
}

static struct io_pgtable_safe_map_result map_reserved(struct kunit *test, u64 iova,
						      phys_addr_t paddr, u64 size)
{
	return io_pgtable_safe_map(pgt_fixture(test)->pgt, iova, paddr, size, PGT_PROT,
				   IO_PGTABLE_SAFE_RESERVED);
}

/* The address keeps the blocks away */
static void one_map_of_small_pages(struct kunit *test, enum pgt_format_id id, u64 size)
{
	struct io_pgtable_safe_reserve *r;
	u64 iova = SZ_1G;

	open_format(test, id);
	r = reserve_and_attach(test, iova, size);
	check_map_result(test, map_reserved(test, iova, PAGE, size), size, 0);
	io_pgtable_safe_unreserve(r);
	do_unmap_present(test, iova, size, io_pgtable_safe_mapped(pgt_fixture(test)->pgt));
}

static void reservation_pays_for_64M_of_small_pages(struct kunit *test)
{
	one_map_of_small_pages(test, PGT_LPAE_4K, SZ_64M);
}

static void reservation_pays_for_68M_of_small_pages(struct kunit *test)
{
	skip_known_fault(test, "F1");
	one_map_of_small_pages(test, PGT_LPAE_4K, SZ_64M + SZ_4M);
}

static void reservation_pays_for_128M_of_small_pages(struct kunit *test)
{
	skip_known_fault(test, "F1");
	one_map_of_small_pages(test, PGT_LPAE_4K, SZ_128M);
}

static void reservation_pays_for_1G_of_small_pages(struct kunit *test)
{
	skip_known_fault(test, "F1");
	one_map_of_small_pages(test, PGT_LPAE_4K, SZ_1G);
}

static void reservation_pays_for_72M_where_there_are_no_blocks(struct kunit *test)
{
	skip_known_fault(test, "F1");
	one_map_of_small_pages(test, PGT_LPAE_4K_ONLY, SZ_64M + SZ_8M);
}

typedef struct io_pgtable_safe_map_result (*map_pages_fn)(struct io_pgtable_safe *pgt,
							  u64 iova, phys_addr_t paddr,
							  size_t pgsize, size_t pgcount,
							  int prot, gfp_t gfp);

/* The loop that a caller writes around a function that reports partial success */
static void retry_loop_of_small_pages(struct kunit *test, map_pages_fn map_pages)
{
	struct io_pgtable_safe_map_result res = {};
	u64 iova = SZ_1G, size = 36 * SZ_1M, mapped = 0;
	struct io_pgtable_safe_reserve *r;

	open_format(test, PGT_LPAE_4K);
	r = reserve_and_attach(test, iova, size);
	while (mapped < size && !res.err) {
		res = map_pages(pgt_fixture(test)->pgt, iova + mapped, PAGE + mapped, PAGE,
				(size - mapped) / PAGE, PGT_PROT, IO_PGTABLE_SAFE_RESERVED);
		mapped += res.mapped;
	}
	KUNIT_EXPECT_EQ(test, res.err, 0);
	KUNIT_EXPECT_EQ(test, mapped, size);
	io_pgtable_safe_unreserve(r);
	do_unmap_present(test, iova, size, mapped);
}

static void reservation_pays_for_the_retry_loop_of_map_pages(struct kunit *test)
{
	skip_known_fault(test, "F1b");
	retry_loop_of_small_pages(test, io_pgtable_safe_map_pages);
}

static void reservation_pays_for_the_retry_loop_of_try_map_pages(struct kunit *test)
{
	skip_known_fault(test, "F1b");
	retry_loop_of_small_pages(test, io_pgtable_safe_try_map_pages);
}

/* An unmap gives nothing back to the reservation, but takes nothing from it either */
static void reservation_pays_for_what_was_not_mapped_yet(struct kunit *test)
{
	static const struct pgt_format format = {
		.name = "lpae-64k-ttbr1-ias37", .fmt = ARM_64_LPAE_S1,
		.quirks = IO_PGTABLE_QUIRK_ARM_TTBR1,
		.pgsizes = SZ_64K | SZ_512M, .ias = 37, .oas = 48,
	};
	struct io_pgtable_safe_reserve *r;
	struct io_pgtable_cfg cfg;

	skip_known_fault(test, "F10");
	pgt_make_cfg(test, &format, &cfg);
	open_cfg(test, format.fmt, &cfg);
	r = reserve_and_attach(test, 0xffffffffe0000000ULL, SZ_512M);
	check_map_result(test, map_reserved(test, 0xfffffffff0e40000ULL, 0, SZ_64K),
			 SZ_64K, 0);
	do_unmap(test, 0xfffffffff0e40000ULL, SZ_64K);
	check_map_result(test, map_reserved(test, 0xfffffffff3840000ULL, 0, SZ_256K),
			 SZ_256K, 0);
	io_pgtable_safe_unreserve(r);
	do_unmap_present(test, 0xffffffffe0000000ULL, SZ_512M,
			 io_pgtable_safe_mapped(pgt_fixture(test)->pgt));
}

/* --- tables that are kept -------------------------------------------------- */

static void open_lpae_with(struct kunit *test, const struct iommu_flush_ops *tlb)
{
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	cfg.tlb = tlb;
	open_cfg(test, ARM_64_LPAE_S1, &cfg);
}

static u64 kept(struct kunit *test)
{
	return io_pgtable_safe_kept(pgt_fixture(test)->pgt);
}

/* Any unmap that is refused; what it asks for is in a table that is empty already */
typedef struct io_pgtable_safe_unmap_result (*refused_fn)(struct io_pgtable_safe *pgt);

static struct io_pgtable_safe_unmap_result unmap_a_hole(struct io_pgtable_safe *pgt)
{
	return io_pgtable_safe_unmap(pgt, 0, PAGE, IO_PGTABLE_SAFE_NO_FLUSH);
}

static struct io_pgtable_safe_unmap_result unmap_pages_of_a_hole(struct io_pgtable_safe *pgt)
{
	return io_pgtable_safe_unmap_pages(pgt, 0, PAGE, 3, IO_PGTABLE_SAFE_NO_FLUSH);
}

static struct io_pgtable_safe_unmap_result unmap_a_mixed_hole(struct io_pgtable_safe *pgt)
{
	return io_pgtable_safe_unmap(pgt, SZ_2M - PAGE, SZ_2M, IO_PGTABLE_SAFE_NO_FLUSH);
}

static struct io_pgtable_safe_unmap_result cut_a_hole(struct io_pgtable_safe *pgt)
{
	return io_pgtable_safe_cut(pgt, 0, PAGE, PGT_PROT, GFP_KERNEL,
				   IO_PGTABLE_SAFE_NO_FLUSH);
}

/* A block at 1G that ends before the range does */
static struct io_pgtable_safe_unmap_result cut_into_a_hole(struct io_pgtable_safe *pgt)
{
	return io_pgtable_safe_cut(pgt, SZ_1G + PAGE, SZ_2M, PGT_PROT, GFP_KERNEL,
				   IO_PGTABLE_SAFE_NO_FLUSH);
}

/* Without callbacks, an unmap without flush says that flushes are to come: then only */
static void refused_unmap_keeps_no_tables(struct kunit *test)
{
	static const refused_fn refused[] = {
		unmap_a_hole, unmap_pages_of_a_hole, unmap_a_mixed_hole, cut_a_hole,
		cut_into_a_hole,
	};
	unsigned int i;

	skip_known_fault(test, "F3");
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		open_lpae_with(test, NULL);
		do_map(test, 0, 0, PAGE);
		do_unmap(test, 0, PAGE);
		do_map(test, SZ_1G, 0, SZ_2M);
		check_unmap_result(test, refused[i](pgt_fixture(test)->pgt), 0, -ENOENT);
		do_map(test, 0, 0, SZ_2M);
		KUNIT_EXPECT_EQ_MSG(test, kept(test), 0ULL, "call %u", i);
		do_unmap(test, 0, SZ_2M);
		do_unmap(test, SZ_1G, SZ_2M);
		close_table(test);
	}
}

static void failed_cut_keeps_no_tables(struct kunit *test)
{
	open_lpae_with(test, NULL);
	if (!pgt_counts_pages(test))
		kunit_skip(test, "allocations of this format cannot be made to fail");
	do_map(test, 0, 0, PAGE);
	do_unmap(test, 0, PAGE);
	do_map(test, SZ_1G, 0, SZ_2M);
	atomic_set(&pgt_fixture(test)->fail_page, 1);
	check_unmap_result(test, io_pgtable_safe_cut(pgt_fixture(test)->pgt, SZ_1G, PAGE, PGT_PROT,
						     GFP_KERNEL, IO_PGTABLE_SAFE_NO_FLUSH),
			   0, -ENOMEM);
	do_map(test, 0, 0, SZ_2M);
	KUNIT_EXPECT_EQ(test, kept(test), 0ULL);
}

#define PARTS 4

/* Flush these quarters of a range, in this order, after one unmap of all of it */
static void flush_in_order(struct kunit *test, u64 iova, u64 part, const u8 order[PARTS])
{
	struct io_pgtable_safe *pgt = pgt_fixture(test)->pgt;
	u64 size = PARTS * part;
	unsigned int i;

	do_map(test, iova, PAGE, size);
	do_unmap_later(test, iova, size);
	for (i = 0; i < PARTS; i++) {
		if (pgt_counts_pages(test))
			KUNIT_EXPECT_GT(test, kept(test), 0ULL);
		KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, iova + order[i] * part, part),
				0);
	}
	KUNIT_EXPECT_EQ_MSG(test, kept(test), 0ULL, "order %u %u %u %u, parts of %#llx",
			    order[0], order[1], order[2], order[3], part);
}

static void flush_in_every_order(struct kunit *test, u64 part)
{
	u8 a, b, c;

	open_format(test, PGT_LPAE_4K);
	for (a = 0; a < PARTS; a++)
		for (b = 0; b < PARTS; b++)
			for (c = 0; c < PARTS; c++)
				if (a != b && b != c && c != a)
					flush_in_order(test, SZ_1G, part,
						       (u8[]){ a, b, c, 6 - a - b - c });
}

static void tables_go_whatever_the_order_of_flushes(struct kunit *test)
{
	skip_known_fault(test, "F4");
	flush_in_every_order(test, SZ_2M);
}

static void a_table_goes_whatever_the_order_of_its_flushes(struct kunit *test)
{
	skip_known_fault(test, "F4");
	flush_in_every_order(test, SZ_2M / PARTS);
}

/* While the first table waits for the second one, its middle is flushed once more */
static void a_table_that_was_flushed_need_not_be_again(struct kunit *test)
{
	struct io_pgtable_safe *pgt;

	open_format(test, PGT_LPAE_4K);
	pgt = pgt_fixture(test)->pgt;
	do_map(test, SZ_1G, PAGE, 2 * SZ_2M);
	do_unmap_later(test, SZ_1G, 2 * SZ_2M);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, SZ_1G, SZ_2M), 0);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, SZ_1G + PAGE, PAGE), 0);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, SZ_1G + SZ_2M, SZ_2M), 0);
	KUNIT_EXPECT_EQ(test, kept(test), 0ULL);
}

/* --- tables in which nothing is left --------------------------------------- */

#define PLACES 64

static long pages(struct kunit *test)
{
	return atomic_long_read(&pgt_fixture(test)->pages);
}

/* One page in each 2M, and gone again one by one */
static void visit_places(struct kunit *test)
{
	u64 iova;

	for (iova = SZ_1G; iova < SZ_1G + PLACES * SZ_2M; iova += SZ_2M)
		do_map(test, iova, 0, PAGE);
	for (iova = SZ_1G; iova < SZ_1G + PLACES * SZ_2M; iova += SZ_2M)
		do_unmap(test, iova, PAGE);
}

static long open_and_visit_places(struct kunit *test)
{
	long before;

	open_format(test, PGT_LPAE_4K);
	if (!pgt_counts_pages(test))
		kunit_skip(test, "page-table pages come from the kernel");
	before = pages(test);
	visit_places(test);
	return before;
}

/* The limit as it is documented: not more than what was mapped at once takes */
static void empty_tables_are_used_again(struct kunit *test)
{
	long before = open_and_visit_places(test), peak = pages(test);

	KUNIT_EXPECT_LE(test, peak, before + (PLACES + 2) * PAGE);
	visit_places(test);
	visit_places(test);
	KUNIT_EXPECT_EQ(test, pages(test), peak);
	/* The fixture sees that nothing outlives the table */
}

/* What a driver can do today: a block in the place of a table lets go of it */
static void a_block_replaces_an_empty_table(struct kunit *test)
{
	long before = open_and_visit_places(test);

	do_map(test, SZ_1G, 0, PLACES * SZ_2M);
	check_leaf(test, SZ_1G, SZ_2M);
	do_unmap(test, SZ_1G, PLACES * SZ_2M);
	/* The tables above stay */
	KUNIT_EXPECT_LE(test, pages(test), before + 2 * PAGE);
}

static void unmap_present_gives_empty_tables_back(struct kunit *test)
{
	long before;

	skip_known_fault(test, "F6");
	before = open_and_visit_places(test);
	do_unmap_present(test, SZ_1G, SZ_1G, 0);
	KUNIT_EXPECT_LE(test, pages(test), before + 2 * PAGE);
}

PGT_BLOCK_FORMATS_PARAM();

/* A page that comes and goes in each format, and what it leaves: whoever frees it flushes */
static void empty_table_goes_once_when_all_of_it_is_unmapped(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	atomic_t *flushes = &pgt_fixture(test)->flushes;

	do_map(test, at(test, granule), 0, granule);
	do_unmap(test, at(test, granule), granule);
	pgt_forget_flushes(test);
	do_unmap_present(test, at(test, 0), granule * 4, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(flushes), 0);
	do_unmap_present(test, at(test, 0), SZ_1G, 0);
	KUNIT_EXPECT_GT(test, atomic_read(flushes), 0);
	pgt_forget_flushes(test);
	do_unmap_present(test, at(test, 0), SZ_1G, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(flushes), 0);
	do_map(test, at(test, granule), 0, granule);
	do_unmap_present(test, at(test, 0), SZ_1G, granule);
}

/* Blocks and pages remain on both sides */
static void only_tables_in_the_range_go(struct kunit *test)
{
	long before = open_and_visit_places(test), empty = pages(test) - before;

	do_map(test, SZ_1G + 4 * SZ_2M, 0, PAGE);
	do_map(test, SZ_1G + 5 * SZ_2M, 0, SZ_2M);
	do_map(test, SZ_1G + 8 * SZ_2M, 0, PAGE);
	do_unmap_present(test, SZ_1G + 5 * SZ_2M - PAGE, 3 * SZ_2M + PAGE, SZ_2M);
	/* The one that the block had replaced, and two more */
	KUNIT_EXPECT_EQ(test, pages(test) - before, empty - 3 * PAGE);
	check_leaf(test, SZ_1G + 4 * SZ_2M, PAGE);
	check_leaf(test, SZ_1G + 8 * SZ_2M, PAGE);
	do_unmap_present(test, SZ_1G, SZ_1G, 2 * PAGE);
	KUNIT_EXPECT_LE(test, pages(test), before + 2 * PAGE);
}

/* The format is never asked for one: it would complain */
static void table_that_a_failed_map_did_not_get_is_not_unmapped(struct kunit *test)
{
	struct io_pgtable_safe *pgt;
	unsigned int n;

	open_format(test, PGT_LPAE_4K);
	if (!pgt_counts_pages(test))
		kunit_skip(test, "page-table pages come from the kernel");
	pgt = pgt_fixture(test)->pgt;
	for (n = 1; n <= 3; n++) {
		atomic_set(&pgt_fixture(test)->fail_page, n);
		check_map_result(test, io_pgtable_safe_map(pgt, n * BIT_ULL(40), 0, PAGE,
							   PGT_PROT, GFP_NOWAIT), 0, -ENOMEM);
		do_unmap_present(test, n * BIT_ULL(40), BIT_ULL(40), 0);
	}
}

/* To undo a map is to unmap: all of a table at once, and then it is gone */
static void table_that_a_failed_map_freed_is_not_unmapped(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);

	open_format(test, PGT_LPAE_4K);
	if (!pgt_counts_pages(test))
		kunit_skip(test, "page-table pages come from the kernel");
	do_map(test, SZ_1G, 0, PAGE);
	do_unmap(test, SZ_1G, PAGE);
	/* The address keeps the blocks away; the first table is there already */
	atomic_set(&fix->fail_page, 1);
	check_map_result(test, io_pgtable_safe_map(fix->pgt, SZ_1G, PAGE, 2 * SZ_2M, PGT_PROT,
						   GFP_NOWAIT), 0, -ENOMEM);
	do_unmap_present(test, SZ_1G, SZ_2M, 0);
}

/* As a format may that frees tables when they become empty */
static void table_that_has_gone_by_itself_is_no_fault(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_cfg cfg;

	if (!IO_PGTABLE_QUIRK_NO_WARN)
		kunit_skip(test, "the formats of this kernel would complain");
	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	cfg.quirks |= IO_PGTABLE_QUIRK_NO_WARN;
	open_cfg(test, ARM_64_LPAE_S1, &cfg);
	do_map(test, SZ_1G, 0, PAGE);
	do_unmap(test, SZ_1G, PAGE);
	KUNIT_EXPECT_EQ(test, fix->raw->unmap_pages(fix->raw, SZ_1G, SZ_2M, 1, NULL), SZ_2M);
	do_unmap_present(test, SZ_1G, SZ_2M, 0);
	do_map(test, SZ_1G, 0, SZ_2M);
	do_unmap(test, SZ_1G, SZ_2M);
}

/* They wait for a flush of what they described, though nothing was mapped there */
static void empty_tables_are_kept_until_the_flush(struct kunit *test)
{
	long before = open_and_visit_places(test);
	struct io_pgtable_safe *pgt = pgt_fixture(test)->pgt;

	check_unmap_result(test, io_pgtable_safe_unmap_present(pgt, SZ_1G, SZ_1G,
							       IO_PGTABLE_SAFE_NO_FLUSH), 0, 0);
	KUNIT_EXPECT_GT(test, kept(test), PLACES * (u64)PAGE);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, SZ_1G, SZ_1G), 0);
	KUNIT_EXPECT_EQ(test, kept(test), 0ULL);
	KUNIT_EXPECT_LE(test, pages(test), before + 2 * PAGE);
}

/* --- scatter-gather tables -------------------------------------------------- */

/* Of memory that only devices reach, a dma-buf may have but the DMA addresses */
static void open_for_any_address(struct kunit *test)
{
	open_mock(test, &(struct mock_config){
		.fmt = ARM_MALI_LPAE, .pgsizes = SZ_4K | SZ_2M | SZ_1G,
		.ias = 48, .oas = 64, .tlb = &pgt_flush_ops,
	});
}

static void sg_entry_without_a_page_is_no_memory(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct scatterlist sg[2];
	struct sg_table sgt = { .sgl = sg, .nents = 2, .orig_nents = 2 };
	void *page = (void *)__get_free_page(GFP_KERNEL);
	struct io_pgtable_safe_map_result res;
	unsigned int i;

	skip_known_fault(test, "F11");
	KUNIT_ASSERT_NOT_NULL(test, page);
	open_for_any_address(test);
	for (i = 0; i < 2; i++) {
		sg_init_table(sg, 2);
		sg_set_page(&sg[!i], virt_to_page(page), PAGE, 0);
		sg[i].length = PAGE;
		res = io_pgtable_safe_map_sgtable(fix->pgt, 0, &sgt, IO_PGTABLE_SAFE_SG_CPU,
						  0, 2 * PAGE, PGT_PROT, GFP_KERNEL);
		check_map_result(test, res, 0, -EINVAL);
		/* Only what is asked for has to be memory */
		res = io_pgtable_safe_map_sgtable(fix->pgt, 0, &sgt, IO_PGTABLE_SAFE_SG_CPU,
						  !i * PAGE, PAGE, PGT_PROT, GFP_KERNEL);
		check_map_result(test, res, PAGE, 0);
		do_unmap(test, 0, PAGE);
	}
	KUNIT_EXPECT_EQ(test, mock_count_calls(fix->mock, MOCK_MAP), 2U);
	free_page((unsigned long)page);
}

/* Half a page, an entry without a length or a page, and the other half */
static void an_empty_sg_entry_parts_nothing(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct scatterlist sg[3];
	struct sg_table sgt = { .sgl = sg, .nents = 3, .orig_nents = 3 };
	void *page = (void *)__get_free_page(GFP_KERNEL);
	struct io_pgtable_safe_map_result res;

	KUNIT_ASSERT_NOT_NULL(test, page);
	open_for_any_address(test);
	sg_init_table(sg, 3);
	sg_set_page(&sg[0], virt_to_page(page), PAGE / 2, 0);
	sg_set_page(&sg[2], virt_to_page(page), PAGE / 2, PAGE / 2);
	res = io_pgtable_safe_map_sgtable(fix->pgt, 0, &sgt, IO_PGTABLE_SAFE_SG_CPU, 0, PAGE,
					  PGT_PROT, GFP_KERNEL);
	check_map_result(test, res, PAGE, 0);
	KUNIT_EXPECT_EQ(test, mock_count_calls(fix->mock, MOCK_MAP), 1U);
	do_unmap(test, 0, PAGE);
	free_page((unsigned long)page);
}

static void sg_entry_without_a_page_has_a_dma_address(struct kunit *test)
{
	struct sg_piece piece = { SZ_1G, SZ_2M };

	open_for_any_address(test);
	check_map_result(test, map_dma_table(test, SZ_2M, make_dma_table(test, &piece, 1), 0,
					     SZ_2M, GFP_KERNEL), SZ_2M, 0);
	check_range(test, SZ_2M, SZ_1G, SZ_2M);
	do_unmap(test, SZ_2M, SZ_2M);
}

/* --- repetitions ------------------------------------------------------------ */

/* Map a piece of memory over and over, the first time from an offset into it on */
static struct io_pgtable_safe_map_result
map_repeat_from(struct kunit *test, u64 iova, phys_addr_t paddr, u64 block, u64 phase,
		u64 size)
{
	return io_pgtable_safe_map_repeat(pgt_fixture(test)->pgt, iova, paddr, block, phase,
					  size, PGT_PROT, GFP_KERNEL);
}

/* A sparse binding of 1G that begins three pages behind a boundary of the dummy */
static void repeat_from_the_middle_uses_blocks(struct kunit *test)
{
	u64 phase = 3 * PAGE, iova = SZ_1G + phase, paddr = 0x60000000;
	long before;

	skip_known_fault(test, "F12");
	open_format(test, PGT_LPAE_4K);
	before = pages(test);
	check_map_result(test, map_repeat_from(test, iova, paddr, SZ_2M, phase, SZ_1G),
			 SZ_1G, 0);
	check_range(test, iova, paddr + phase, SZ_2M - phase);
	check_range(test, SZ_1G + SZ_2M, paddr, SZ_2M);
	check_leaf(test, iova, PAGE);
	check_leaf(test, SZ_1G + SZ_2M, SZ_2M);
	check_leaf(test, SZ_2G - SZ_2M, SZ_2M);
	check_range(test, SZ_2G, paddr, phase);
	/* Tables for both ends, and those above */
	if (pgt_counts_pages(test))
		KUNIT_EXPECT_LE(test, pages(test), before + 5 * PAGE);
	do_unmap(test, iova, SZ_1G);
}

static struct kunit_case known_cases[] = {
	KUNIT_CASE(reservation_pays_for_64M_of_small_pages),
	KUNIT_CASE(reservation_pays_for_68M_of_small_pages),
	KUNIT_CASE(reservation_pays_for_128M_of_small_pages),
	KUNIT_CASE(reservation_pays_for_1G_of_small_pages),
	KUNIT_CASE(reservation_pays_for_72M_where_there_are_no_blocks),
	KUNIT_CASE(reservation_pays_for_the_retry_loop_of_map_pages),
	KUNIT_CASE(reservation_pays_for_the_retry_loop_of_try_map_pages),
	KUNIT_CASE(reservation_pays_for_what_was_not_mapped_yet),
	KUNIT_CASE(refused_unmap_keeps_no_tables),
	KUNIT_CASE(failed_cut_keeps_no_tables),
	KUNIT_CASE(tables_go_whatever_the_order_of_flushes),
	KUNIT_CASE(a_table_goes_whatever_the_order_of_its_flushes),
	KUNIT_CASE(a_table_that_was_flushed_need_not_be_again),
	KUNIT_CASE(empty_tables_are_used_again),
	KUNIT_CASE(a_block_replaces_an_empty_table),
	KUNIT_CASE(unmap_present_gives_empty_tables_back),
	KUNIT_CASE(only_tables_in_the_range_go),
	KUNIT_CASE(table_that_a_failed_map_did_not_get_is_not_unmapped),
	KUNIT_CASE(table_that_a_failed_map_freed_is_not_unmapped),
	KUNIT_CASE(table_that_has_gone_by_itself_is_no_fault),
	KUNIT_CASE(empty_tables_are_kept_until_the_flush),
	KUNIT_CASE(sg_entry_without_a_page_is_no_memory),
	KUNIT_CASE(an_empty_sg_entry_parts_nothing),
	KUNIT_CASE(sg_entry_without_a_page_has_a_dma_address),
	KUNIT_CASE(repeat_from_the_middle_uses_blocks),
	{}
};

static struct kunit_suite known_suite = {
	.name = "io_pgtable_safe_known",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = known_cases,
};

/* --- questions beside an unmap ---------------------------------------------- */

#define ROUNDS 500
/* Of a busy wait: the other CPU may have something else to do */
#define SPINS 1000000

/**
 * struct asker - A thread that asks for the span of a page in a block again and again.
 * @fix: The fixture.
 * @thread: The thread.
 * @phase: Odd from when the block is being unmapped until it is mapped again.
 * @begun: Questions asked.
 * @ended: Those that have been answered.
 * @stop: It should be over.
 * @asked: How often it asked while an unmap was under way, or over.
 * @wrong: How often it was told of the block then.
 */
static struct asker {
	struct pgt_test *fix;
	struct pgt_thread thread;
	unsigned int phase;
	unsigned int begun;
	unsigned int ended;
	bool stop;
	unsigned int asked;
	unsigned int wrong;
} asker;

static void ask(struct asker *a)
{
	struct io_pgtable_safe_span span = {};
	unsigned int phase;
	int err;

	/* Pairs with begin_phase(): the block is claimed, or is not there */
	phase = smp_load_acquire(&a->phase);
	WRITE_ONCE(a->begun, a->begun + 1);
	err = io_pgtable_safe_leaf_span(a->fix->pgt, SZ_2M + PAGE, PAGE, &span);
	/* Pairs with begin_phase(): the question is over before that is looked at again */
	smp_rmb();
	if ((phase & 1) && READ_ONCE(a->phase) == phase) {
		a->asked++;
		a->wrong += !err && span.size != PAGE;
	}
	WRITE_ONCE(a->ended, a->ended + 1);
}

static void run_asker(struct pgt_thread *t)
{
	struct asker *a = container_of(t, struct asker, thread);

	while (!READ_ONCE(a->stop)) {
		ask(a);
		cond_resched();
	}
}

static void begin_phase(void)
{
	/* Pairs with ask() */
	smp_store_release(&asker.phase, asker.phase + 1);
}

static void wait_for_another(const unsigned int *counter)
{
	unsigned int n = READ_ONCE(*counter), i;

	for (i = 0; i < SPINS && READ_ONCE(*counter) == n; i++)
		cpu_relax();
}

/*
 * The descriptor is gone, and the claim is not given up yet. That is to happen while
 * a question is being answered, each time a bit later.
 */
static void note_unmap(struct pgt_test *fix, const struct pgt_flush *flush)
{
	unsigned int i;

	begin_phase();
	wait_for_another(&asker.begun);
	for (i = 0; i < asker.phase % 512; i++)
		cpu_relax();
}

static void leaf_span_knows_no_leaf_that_is_being_unmapped(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	unsigned int i;

	skip_known_fault(test, "F7");
	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	open_format(test, PGT_LPAE_4K);
	asker = (struct asker){ .fix = fix };
	start_pgt_thread(test, &asker.thread, run_asker, NULL);
	fix->on_flush = note_unmap;
	for (i = 0; i < ROUNDS; i++) {
		do_map(test, SZ_2M, 0, SZ_2M);
		do_unmap(test, SZ_2M, SZ_2M);
		wait_for_another(&asker.ended);
		/* Until here the phase is odd */
		begin_phase();
		cond_resched();
	}
	WRITE_ONCE(asker.stop, true);
	join_pgt_thread(test, &asker.thread);
	KUNIT_EXPECT_GT(test, asker.asked, 0U);
	KUNIT_EXPECT_EQ_MSG(test, asker.wrong, 0U, "of %u", asker.asked);
}

static struct kunit_case format_cases[] = {
	KUNIT_CASE_PARAM(empty_table_goes_once_when_all_of_it_is_unmapped,
			 pgt_block_formats_gen_params),
	{}
};

static struct kunit_suite format_suite = {
	.name = "io_pgtable_safe_known_formats",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = format_cases,
};

static struct kunit_case race_cases[] = {
	KUNIT_CASE_SLOW(leaf_span_knows_no_leaf_that_is_being_unmapped),
	{}
};

static struct kunit_suite race_suite = {
	.name = "io_pgtable_safe_race_known",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = race_cases,
};

kunit_test_suites(&known_suite, &format_suite, &race_suite);
