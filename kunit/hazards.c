// SPDX-License-Identifier: GPL-2.0
/*
 * What the raw io-pgtable ops do to their callers, and what becomes of the same
 * request through the checked API. Most cases are pairs: the raw call on a
 * table of its own first, with what comes of it on this kernel, then the call
 * through the API, which must be refused or made right and change nothing.
 *
 * Where the raw call would corrupt memory or end in a WARN(), only the checked
 * side is provoked, and the case says so: the suites run with panic_on_warn.
 * For the same reason a case that passes has logged no warning.
 */
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/iommu.h>
#include <linux/limits.h>
#include <linux/scatterlist.h>

#include "helpers.h"
#include "io_pgtable_safe_compat.h"
#include "mock_format.h"

PGT_FORMATS_PARAM();

/* --- the raw table -------------------------------------------------------- */

/* The table that is used through the raw ops: without a ledger around it. */
static struct raw_table {
	struct io_pgtable_ops *ops;
	struct io_pgtable_cfg cfg;
} raw;

static void close_raw(void)
{
	free_io_pgtable_ops(raw.ops);
	raw.ops = NULL;
}

static void open_raw_cfg(struct kunit *test, enum io_pgtable_fmt fmt,
			 const struct io_pgtable_cfg *cfg)
{
	raw.cfg = *cfg;
	raw.ops = alloc_io_pgtable_ops(fmt, &raw.cfg, pgt_fixture(test));
	KUNIT_ASSERT_NOT_NULL(test, raw.ops);
}

/* The checked table and a raw one just like it. */
static void open_both(struct kunit *test, enum pgt_format_id id)
{
	const struct pgt_format *format = &pgt_formats[id];
	struct io_pgtable_cfg cfg;

	open_format(test, id);
	pgt_make_cfg(test, format, &cfg);
	open_raw_cfg(test, format->fmt, &cfg);
}

static void open_both_for_param(struct kunit *test)
{
	const struct pgt_format *format = test->param_value;

	open_both(test, format - pgt_formats);
}

static void hazards_exit(struct kunit *test)
{
	close_raw();
	pgt_test_exit(test);
}

struct raw_result {
	int err;
	size_t mapped;
};

static struct raw_result raw_map_prot(u64 iova, phys_addr_t paddr,
				      size_t pgsize, size_t pgcount, int prot)
{
	struct raw_result res = {};

	res.err = raw.ops->map_pages(raw.ops, iova, paddr, pgsize, pgcount, prot,
				     GFP_KERNEL, &res.mapped);
	return res;
}

static struct raw_result raw_map(u64 iova, phys_addr_t paddr, size_t pgsize,
				 size_t pgcount)
{
	return raw_map_prot(iova, paddr, pgsize, pgcount, PGT_PROT);
}

static void raw_map_works(struct kunit *test, u64 iova, phys_addr_t paddr,
			  size_t pgsize, size_t pgcount)
{
	struct raw_result res = raw_map(iova, paddr, pgsize, pgcount);

	KUNIT_EXPECT_EQ(test, res.err, 0);
	KUNIT_EXPECT_EQ(test, res.mapped, pgsize * pgcount);
}

static size_t raw_unmap(u64 iova, size_t pgsize, size_t pgcount)
{
	struct iommu_iotlb_gather gather;

	iommu_iotlb_gather_init(&gather);
	return raw.ops->unmap_pages(raw.ops, iova, pgsize, pgcount, &gather);
}

static u64 raw_phys(u64 iova)
{
	return raw.ops->iova_to_phys(raw.ops, iova);
}

static void only_checked(struct kunit *test, const char *why)
{
	kunit_info(test, "the raw call is left out: it would %s\n", why);
}

/* --- what a descriptor says ----------------------------------------------- */

/* The level 1 descriptor of a v7s table, or the level 2 one if there is any. */
static u32 raw_v7s_pte(u64 iova)
{
	u32 *table = phys_to_virt(raw.cfg.arm_v7s_cfg.ttbr & GENMASK(31, 14));
	u32 pte = table[iova >> 20];

	if ((pte & 3) != 1)
		return pte;
	table = phys_to_virt(pte & GENMASK(31, 10));
	return table[(iova >> 12) & 0xff];
}

/* The level 3 descriptor of a stage 1 table of four levels, with 4K granule. */
static u64 raw_lpae_pte(u64 iova)
{
	u64 *table = phys_to_virt(raw.cfg.arm_lpae_s1_cfg.ttbr & GENMASK_ULL(47, 12));
	unsigned int shift;

	for (shift = 39; shift > 12; shift -= 9)
		table = phys_to_virt(table[(iova >> shift) & 0x1ff] & GENMASK_ULL(47, 12));
	return table[(iova >> 12) & 0x1ff];
}

/* --- addresses ------------------------------------------------------------ */

static void a_misaligned_iova_is_refused_not_rounded_down(struct kunit *test)
{
	u64 granule, iova;
	phys_addr_t paddr;

	open_both_for_param(test);
	granule = pgt_fixture(test)->granule;
	paddr = some_paddr(test, granule);
	iova = at(test, 3 * granule);

	raw_map_works(test, iova + granule / 2, paddr, granule, 1);
	KUNIT_EXPECT_EQ(test, raw_phys(iova), (u64)paddr);

	do_map_fails(test, iova + granule / 2, paddr, granule, -EINVAL);
	do_map_pages_fails(test, iova + granule / 2, paddr, granule, 1, -EINVAL);
	check_hole(test, iova, granule);
}

static void a_misaligned_paddr_is_refused_not_cut_off(struct kunit *test)
{
	open_both(test, PGT_LPAE_4K);
	raw_map_works(test, SZ_4K, SZ_2G + SZ_2K, SZ_4K, 1);
	KUNIT_EXPECT_EQ(test, raw_phys(SZ_4K), SZ_2G);

	do_map_fails(test, SZ_4K, SZ_2G + SZ_2K, SZ_4K, -EINVAL);
	do_map_pages_fails(test, SZ_4K, SZ_2G + SZ_2K, SZ_4K, 1, -EINVAL);
}

/* With the 64K granule, bits 15 to 12 of a descriptor are PA[51:48]. */
static void a_misaligned_paddr_is_refused_not_taken_for_high_bits(struct kunit *test)
{
	open_both(test, PGT_LPAE_64K);
	raw_map_works(test, SZ_64K, SZ_1G + SZ_8K + SZ_4K, SZ_64K, 1);
	KUNIT_EXPECT_EQ(test, raw_phys(SZ_64K), 0x3000040000000ULL);

	do_map_fails(test, SZ_64K, SZ_1G + SZ_8K + SZ_4K, SZ_64K, -EINVAL);
}

static void a_block_of_misaligned_memory_is_refused_not_folded(struct kunit *test)
{
	open_both(test, PGT_LPAE_4K);
	raw_map_works(test, 0, SZ_2G + SZ_4K, SZ_2M, 1);
	/* Address bits stand where the descriptor has reserved ones. */
	KUNIT_EXPECT_EQ(test, raw_phys(0), (u64)SZ_2G + SZ_4K);
	KUNIT_EXPECT_EQ(test, raw_phys(SZ_4K), (u64)SZ_2G + SZ_4K);

	do_map_pages_fails(test, 0, SZ_2G + SZ_4K, SZ_2M, 1, -EINVAL);
	/* As a range it is legal, with pages. */
	do_map(test, 0, SZ_2G + SZ_4K, SZ_2M);
	check_range(test, 0, SZ_2G + SZ_4K, SZ_2M);
}

/* A large page has XN in bit 15 and TEX in bits 14 to 12. */
static void a_misaligned_large_page_does_not_change_its_attributes(struct kunit *test)
{
	u32 good, bad;

	open_both(test, PGT_V7S);
	raw_map_works(test, 0, SZ_1G, SZ_64K, 1);
	raw_map_works(test, SZ_64K, SZ_1G + SZ_8K, SZ_64K, 1);
	good = raw_v7s_pte(0);
	bad = raw_v7s_pte(SZ_64K);
	KUNIT_EXPECT_EQ(test, good ^ bad, BIT(13));
	KUNIT_EXPECT_EQ(test, raw_phys(SZ_64K), SZ_1G);

	do_map_pages_fails(test, SZ_64K, SZ_1G + SZ_8K, SZ_64K, 1, -EINVAL);
}

/* A supersection has PA[35:32] in bits 23 to 20. */
static void a_misaligned_supersection_does_not_change_its_high_address(struct kunit *test)
{
	u32 good, bad;

	open_both(test, PGT_V7S);
	raw_map_works(test, 0, SZ_1G, SZ_16M, 1);
	raw_map_works(test, SZ_16M, SZ_1G + SZ_1M, SZ_16M, 1);
	good = raw_v7s_pte(0);
	bad = raw_v7s_pte(SZ_16M);
	KUNIT_EXPECT_EQ(test, good ^ bad, BIT(20));

	do_map_pages_fails(test, SZ_16M, SZ_1G + SZ_1M, SZ_16M, 1, -EINVAL);
}

static void a_misaligned_run_does_not_reach_past_its_table(struct kunit *test)
{
	only_checked(test, "write past the end of a table");
	open_format(test, PGT_V7S);
	do_map_pages_fails(test, SZ_1M - SZ_32K, SZ_1G, SZ_64K, 1, -EINVAL);
	do_map_pages_fails(test, SZ_4G - SZ_8M, SZ_1G, SZ_16M, 1, -EINVAL);
	do_unmap_pages_fails(test, SZ_1M - SZ_32K, SZ_64K, 1, -EINVAL);
	do_unmap_pages_fails(test, SZ_4G - SZ_8M, SZ_16M, 1, -EINVAL);
}

static void the_last_iova_is_checked_not_only_the_first(struct kunit *test)
{
	u64 last = SZ_4G - SZ_4K;

	open_both(test, PGT_V7S);
	raw_map_works(test, last, SZ_1G, SZ_4K, 2);
	/* It began again at the bottom. */
	KUNIT_EXPECT_EQ(test, raw_phys(0), (u64)SZ_1G + SZ_4K);

	do_map_fails(test, last, SZ_1G, SZ_8K, -ERANGE);
	do_map_pages_fails(test, last, SZ_1G, SZ_4K, 2, -ERANGE);
	do_unmap_fails(test, last, SZ_8K, -ERANGE);
	check_hole(test, 0, SZ_4K);
}

static void blocks_do_not_reach_past_the_top_table(struct kunit *test)
{
	only_checked(test, "write past a top-level table of four descriptors");
	open_format(test, PGT_LPAE_4K_IAS32);
	do_map_pages_fails(test, 0, 0, SZ_1G, 8, -ERANGE);
	do_map_fails(test, SZ_2G, 0, SZ_4G, -ERANGE);
	do_unmap_pages_fails(test, 0, SZ_1G, 8, -ERANGE);
}

static void the_last_paddr_is_checked_not_only_the_first(struct kunit *test)
{
	u64 last = BIT_ULL(48) - SZ_4K;

	open_both(test, PGT_LPAE_4K);
	raw_map_works(test, 0, last, SZ_4K, 2);
	/* Bit 48 has become bit 12. */
	KUNIT_EXPECT_EQ(test, raw_phys(SZ_4K), SZ_4K);

	do_map_fails(test, 0, last, SZ_8K, -ERANGE);
	do_map_pages_fails(test, 0, last, SZ_4K, 2, -ERANGE);
}

static void the_last_paddr_is_checked_in_v7s_too(struct kunit *test)
{
	u64 last = SZ_4G - SZ_4K;

	open_both(test, PGT_V7S);
	raw_map_works(test, 0, last, SZ_4K, 2);
	/* Byte 16 of the second page, since 0 would look like a hole. */
	KUNIT_EXPECT_EQ(test, raw_phys(SZ_4K + 16), 16);

	do_map_fails(test, 0, last, SZ_8K, -ERANGE);
	do_map_pages_fails(test, 0, last, SZ_4K, 2, -ERANGE);
}

static void an_iova_beyond_the_space_is_refused_by_dart_too(struct kunit *test)
{
	u64 beyond = BIT_ULL(32) + SZ_4K;
	struct raw_result res;

	open_both(test, PGT_DART);
	res = raw_map(beyond, SZ_1G, SZ_4K, 1);
	/* It works, or there is no memory for it; it is not out of range. */
	KUNIT_EXPECT_TRUE(test, !res.err || res.err == -ENOMEM);
	do_map_fails(test, beyond, SZ_1G, SZ_4K, -ERANGE);
	do_map_pages_fails(test, beyond, SZ_1G, SZ_4K, 1, -ERANGE);
}

static struct kunit_case address_cases[] = {
	KUNIT_CASE_PARAM(a_misaligned_iova_is_refused_not_rounded_down,
			 pgt_formats_gen_params),
	KUNIT_CASE(a_misaligned_paddr_is_refused_not_cut_off),
	KUNIT_CASE(a_misaligned_paddr_is_refused_not_taken_for_high_bits),
	KUNIT_CASE(a_block_of_misaligned_memory_is_refused_not_folded),
	KUNIT_CASE(a_misaligned_large_page_does_not_change_its_attributes),
	KUNIT_CASE(a_misaligned_supersection_does_not_change_its_high_address),
	KUNIT_CASE(a_misaligned_run_does_not_reach_past_its_table),
	KUNIT_CASE(the_last_iova_is_checked_not_only_the_first),
	KUNIT_CASE(blocks_do_not_reach_past_the_top_table),
	KUNIT_CASE(the_last_paddr_is_checked_not_only_the_first),
	KUNIT_CASE(the_last_paddr_is_checked_in_v7s_too),
	KUNIT_CASE(an_iova_beyond_the_space_is_refused_by_dart_too),
	{}
};

static struct kunit_suite address_suite = {
	.name = "io_pgtable_safe_hazards_addresses",
	.init = pgt_test_init,
	.exit = hazards_exit,
	.test_cases = address_cases,
};

/* --- page sizes and counts ------------------------------------------------ */

static void a_page_size_not_granted_is_refused_not_half_written(struct kunit *test)
{
	open_both(test, PGT_V7S);
	/* Two of the sixteen descriptors that make a large page. */
	raw_map_works(test, 0, SZ_1G, SZ_8K, 1);
	KUNIT_EXPECT_EQ(test, raw_phys(SZ_4K), (u64)SZ_1G + SZ_4K);
	KUNIT_EXPECT_EQ(test, raw_phys(SZ_8K), 0);

	do_map_pages_fails(test, 0, SZ_1G, SZ_8K, 1, -EINVAL);
}

static void unmapping_many_sections_at_once_is_cut_into_pieces(struct kunit *test)
{
	only_checked(test, "overflow an array of 16 on the stack");
	open_format(test, PGT_V7S);
	do_map_pages(test, 0, SZ_1G, SZ_1M, 32);
	do_unmap_pages_fails(test, 0, SZ_32M, 1, -EINVAL);
	check_range(test, 0, SZ_1G, SZ_32M);
	do_unmap(test, 0, SZ_32M);
	check_hole(test, 0, SZ_32M);
}

static void two_page_sizes_at_once_are_refused(struct kunit *test)
{
	only_checked(test, "allocate tables, then WARN");
	open_format(test, PGT_LPAE_4K);
	do_map_pages_fails(test, 0, 0, SZ_4K | SZ_2M, 1, -EINVAL);
	do_unmap_pages_fails(test, 0, SZ_4K | SZ_2M, 1, -EINVAL);
}

static void no_pages_at_all_are_an_error_not_success(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct raw_result res;
	int allocs;

	open_both(test, PGT_LPAE_4K);
	allocs = atomic_read(&fix->page_allocs);
	res = raw_map(SZ_1G, 0, SZ_4K, 0);
	KUNIT_EXPECT_EQ(test, res.err, 0);
	KUNIT_EXPECT_EQ(test, res.mapped, 0);
	if (pgt_counts_pages(test))
		KUNIT_EXPECT_GT(test, atomic_read(&fix->page_allocs), allocs);

	allocs = atomic_read(&fix->page_allocs);
	do_map_pages_fails(test, SZ_1G, 0, SZ_4K, 0, -EINVAL);
	do_map_fails(test, SZ_1G, 0, 0, -EINVAL);
	/* Raw, this WARNs. */
	do_unmap_pages_fails(test, SZ_1G, SZ_4K, 0, -EINVAL);
	do_unmap_fails(test, SZ_1G, 0, -EINVAL);
	KUNIT_EXPECT_EQ(test, atomic_read(&fix->page_allocs), allocs);
}

/* More pages than an int holds: partial success, which is legal and counted. */
static void map_pages_counts(struct kunit *test, size_t pgcount)
{
	struct io_pgtable_safe_map_result res;

	res = io_pgtable_safe_map_pages(pgt_fixture(test)->pgt, 0, 0, SZ_4K,
					pgcount, PGT_PROT, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, res.err, 0);
	KUNIT_EXPECT_EQ(test, res.mapped, SZ_2M);
	check_range(test, 0, 0, SZ_2M);
	check_mapped(test, SZ_2M);
	do_unmap(test, 0, SZ_2M);
}

static void more_pages_than_an_int_holds_are_counted_right(struct kunit *test)
{
	struct raw_result res;

	if (!IS_ENABLED(CONFIG_64BIT))
		kunit_skip(test, "so many pages do not fit in a size_t");
	open_both(test, PGT_LPAE_4K);

	/* Success without progress: a caller that retries never ends. */
	res = raw_map(0, 0, SZ_4K, (size_t)UINT_MAX + 1);
	KUNIT_EXPECT_EQ(test, res.err, 0);
	KUNIT_EXPECT_EQ(test, res.mapped, 0);
	/* More mapped than there is. */
	res = raw_map(0, 0, SZ_4K, (size_t)INT_MAX + 1);
	KUNIT_EXPECT_EQ(test, res.err, 0);
	KUNIT_EXPECT_EQ(test, res.mapped, (size_t)INT_MIN * SZ_4K);
	KUNIT_EXPECT_EQ(test, raw_phys(SZ_4K), 0);

	map_pages_counts(test, (size_t)UINT_MAX + 1);
	map_pages_counts(test, (size_t)INT_MAX + 1);
}

static void a_size_past_64_bits_is_refused_not_truncated(struct kunit *test)
{
	size_t pgcount = SIZE_MAX / SZ_4K + 2;

	if (!IS_ENABLED(CONFIG_64BIT))
		kunit_skip(test, "page size times count fits in 64 bits");
	open_both(test, PGT_LPAE_4K);
	/* One page, though many more were asked for. */
	raw_map_works(test, 0, SZ_1G, SZ_4K, pgcount);

	do_map_pages_fails(test, 0, SZ_1G, SZ_4K, pgcount, -EOVERFLOW);
	do_unmap_pages_fails(test, 0, SZ_4K, pgcount, -EOVERFLOW);
}

static void the_count_of_mapped_bytes_begins_at_zero(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe_map_result res;
	size_t mapped = 12345;
	phys_addr_t paddr;
	u64 size;

	open_both_for_param(test);
	size = fix->granule;
	paddr = some_paddr(test, size);
	KUNIT_EXPECT_EQ(test, raw.ops->map_pages(raw.ops, at(test, 0), paddr, size,
						 1, PGT_PROT, GFP_KERNEL, &mapped), 0);
	KUNIT_EXPECT_EQ(test, mapped, 12345 + size);

	res = io_pgtable_safe_try_map_pages(fix->pgt, at(test, 0), paddr, size, 1,
					    PGT_PROT, GFP_KERNEL);
	check_map_result(test, res, size, 0);
}

static struct kunit_case size_cases[] = {
	KUNIT_CASE(a_page_size_not_granted_is_refused_not_half_written),
	KUNIT_CASE(unmapping_many_sections_at_once_is_cut_into_pieces),
	KUNIT_CASE(two_page_sizes_at_once_are_refused),
	KUNIT_CASE(no_pages_at_all_are_an_error_not_success),
	KUNIT_CASE(more_pages_than_an_int_holds_are_counted_right),
	KUNIT_CASE(a_size_past_64_bits_is_refused_not_truncated),
	KUNIT_CASE_PARAM(the_count_of_mapped_bytes_begins_at_zero,
			 pgt_formats_gen_params),
	{}
};

static struct kunit_suite size_suite = {
	.name = "io_pgtable_safe_hazards_sizes",
	.init = pgt_test_init,
	.exit = hazards_exit,
	.test_cases = size_cases,
};

/* --- what is mapped already ----------------------------------------------- */

static void block_over_live_page(struct kunit *test, enum pgt_format_id id)
{
	u64 block, page;

	open_both(test, id);
	block = pgt_fixture(test)->cfg->pgsize_bitmap & (SZ_1M | SZ_2M);
	page = block + 5 * SZ_4K;

	/* The page is gone, and nothing said so. */
	raw_map_works(test, page, SZ_1G, SZ_4K, 1);
	raw_map_works(test, block, SZ_2G, block, 1);
	KUNIT_EXPECT_EQ(test, raw_phys(page), (u64)SZ_2G + 5 * SZ_4K);

	do_map(test, page, SZ_1G, SZ_4K);
	do_map_pages_fails(test, block, SZ_2G, block, 1, -EEXIST);
	do_map_fails(test, block, SZ_2G, block, -EEXIST);
	check_range(test, page, SZ_1G, SZ_4K);

	/* An empty table in the way is not an overlap. */
	do_unmap(test, page, SZ_4K);
	do_map_pages(test, block, SZ_2G, block, 1);
	check_range(test, block, SZ_2G, block);
}

static void a_block_does_not_replace_live_pages(struct kunit *test)
{
	block_over_live_page(test, PGT_LPAE_4K);
}

static void a_section_does_not_replace_live_pages(struct kunit *test)
{
	block_over_live_page(test, PGT_V7S);
}

/* A raw table that does not WARN about what is mapped, where there is that. */
static void open_raw_without_warnings(struct kunit *test)
{
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	cfg.quirks |= IO_PGTABLE_QUIRK_NO_WARN;
	open_raw_cfg(test, ARM_64_LPAE_S1, &cfg);
}

/* Two blocks, where there is a live page in the first and a block in the second. */
static void a_map_that_fails_destroys_nothing(struct kunit *test)
{
	struct raw_result res;

	open_format(test, PGT_LPAE_4K);
	if (IO_PGTABLE_QUIRK_NO_WARN) {
		open_raw_without_warnings(test);
		raw_map_works(test, 0, SZ_1G, SZ_4K, 1);
		raw_map_works(test, SZ_2M, SZ_1G, SZ_2M, 1);
		res = raw_map(0, SZ_2G, SZ_2M, 2);
		KUNIT_EXPECT_EQ(test, res.err, -EEXIST);
		KUNIT_EXPECT_EQ(test, res.mapped, 0);
		/* Nothing was mapped, but something unmapped. */
		KUNIT_EXPECT_EQ(test, raw_phys(0), 0);
	} else {
		only_checked(test, "WARN");
	}

	do_map(test, 0, SZ_1G, SZ_4K);
	do_map(test, SZ_2M, SZ_1G, SZ_2M);
	do_map_pages_fails(test, 0, SZ_2G, SZ_2M, 2, -EEXIST);
	check_range(test, 0, SZ_1G, SZ_4K);
	check_range(test, SZ_2M, SZ_1G, SZ_2M);
}

static void a_supersection_that_fails_destroys_nothing(struct kunit *test)
{
	only_checked(test, "WARN, with the first table gone");
	open_format(test, PGT_V7S);
	do_map(test, 0, SZ_1G, SZ_4K);
	do_map(test, SZ_1M, SZ_1G, SZ_1M);
	do_map_pages_fails(test, 0, SZ_2G, SZ_16M, 1, -EEXIST);
	check_range(test, 0, SZ_1G, SZ_4K);
	check_range(test, SZ_1M, SZ_1G, SZ_1M);
}

static void unmap_more_than_is_mapped(struct kunit *test, enum pgt_format_id id)
{
	u64 block;

	open_both(test, id);
	block = pgt_fixture(test)->cfg->pgsize_bitmap & (SZ_1M | SZ_2M);

	raw_map_works(test, block, SZ_1G, SZ_4K, 1);
	/* One page was there, and a block's worth is said to have gone. */
	KUNIT_EXPECT_EQ(test, raw_unmap(block, block, 1), block);

	do_map(test, block, SZ_1G, SZ_4K);
	do_unmap_fails(test, block, block, -ENOENT);
	do_unmap_pages_fails(test, block, block, 1, -ENOENT);
	check_range(test, block, SZ_1G, SZ_4K);
	/* Whoever means that gets the right number. */
	do_unmap_present(test, block, block, SZ_4K);
}

static void an_unmap_larger_than_what_is_mapped_is_refused(struct kunit *test)
{
	unmap_more_than_is_mapped(test, PGT_LPAE_4K);
}

static void a_section_unmap_larger_than_what_is_mapped_is_refused(struct kunit *test)
{
	unmap_more_than_is_mapped(test, PGT_V7S);
}

static void an_unmap_with_a_hole_is_refused_not_half_done(struct kunit *test)
{
	open_format(test, PGT_LPAE_4K);
	if (IO_PGTABLE_QUIRK_NO_WARN) {
		open_raw_without_warnings(test);
		raw_map_works(test, 0, SZ_1G, SZ_4K, 1);
		raw_map_works(test, SZ_8K, SZ_1G, SZ_4K, 1);
		KUNIT_EXPECT_EQ(test, raw_unmap(0, SZ_4K, 3), SZ_4K);
		/* What lies behind the hole stays mapped. */
		KUNIT_EXPECT_EQ(test, raw_phys(SZ_8K), SZ_1G);
	} else {
		only_checked(test, "WARN");
	}

	do_map(test, 0, SZ_1G, SZ_4K);
	do_map(test, SZ_8K, SZ_1G, SZ_4K);
	do_unmap_fails(test, 0, SZ_8K + SZ_4K, -ENOENT);
	do_unmap_pages_fails(test, 0, SZ_4K, 3, -ENOENT);
	do_unmap_present(test, 0, SZ_8K + SZ_4K, SZ_8K);
	check_hole(test, 0, SZ_8K + SZ_4K);
}

/*
 * Kernels without the S2FWB quirk, which came in the same release, still split
 * a block, with memory that there may not be. Later ones WARN.
 */
static void raw_unmap_splits_a_block(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);

	raw_map_works(test, 0, SZ_1G, SZ_2M, 1);
	if (pgt_counts_pages(test)) {
		atomic_set(&fix->fail_page, 1);
		KUNIT_EXPECT_EQ(test, raw_unmap(SZ_4K, SZ_4K, 1), 0);
		KUNIT_EXPECT_EQ(test, raw_phys(SZ_4K), (u64)SZ_1G + SZ_4K);
	}
	KUNIT_EXPECT_EQ(test, raw_unmap(SZ_4K, SZ_4K, 1), SZ_4K);
	KUNIT_EXPECT_EQ(test, raw_phys(SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, raw_phys(SZ_8K), (u64)SZ_1G + SZ_8K);
}

static void a_part_of_a_block_is_refused_alike_on_each_kernel(struct kunit *test)
{
	struct io_pgtable_safe_span span;

	open_both(test, PGT_LPAE_4K);
	if (!IO_PGTABLE_QUIRK_ARM_S2FWB)
		raw_unmap_splits_a_block(test);
	else
		only_checked(test, "WARN");

	do_map(test, 0, SZ_1G, SZ_2M);
	do_unmap_fails(test, SZ_4K, SZ_4K, -ENOTBLK);
	do_unmap_pages_fails(test, SZ_4K, SZ_4K, 1, -ENOTBLK);
	do_unmap_fails(test, 0, SZ_4K, -ENOTBLK);

	/* What to do instead: unmap all of it and map back the rest. */
	KUNIT_ASSERT_EQ(test, io_pgtable_safe_leaf_span(pgt_fixture(test)->pgt, SZ_4K,
							SZ_4K, &span), 0);
	KUNIT_EXPECT_EQ(test, span.iova, 0);
	KUNIT_EXPECT_EQ(test, span.size, SZ_2M);
	do_unmap(test, span.iova, span.size);
	do_map(test, 0, SZ_1G, SZ_4K);
	do_map(test, SZ_8K, SZ_1G + SZ_8K, SZ_2M - SZ_8K);
	check_hole(test, SZ_4K, SZ_4K);
}

static void a_part_of_a_large_page_is_refused_alike_on_each_kernel(struct kunit *test)
{
	open_both(test, PGT_V7S);
	if (!IO_PGTABLE_QUIRK_ARM_S2FWB) {
		raw_map_works(test, 0, SZ_1G, SZ_64K, 1);
		KUNIT_EXPECT_EQ(test, raw_unmap(SZ_4K, SZ_4K, 1), SZ_4K);
		KUNIT_EXPECT_EQ(test, raw_phys(SZ_8K), (u64)SZ_1G + SZ_8K);
	} else {
		only_checked(test, "WARN");
	}

	do_map(test, 0, SZ_1G, SZ_64K);
	do_unmap_fails(test, SZ_4K, SZ_4K, -ENOTBLK);
	do_map(test, SZ_16M, SZ_1G, SZ_16M);
	do_unmap_fails(test, SZ_16M, SZ_1M, -ENOTBLK);
	do_unmap_pages_fails(test, SZ_16M + SZ_1M, SZ_1M, 1, -ENOTBLK);
}

/* Only LPAE at stage 1 and 2, and only on new kernels, can be kept from it. */
static void an_overlap_is_refused_without_a_warning(struct kunit *test)
{
	phys_addr_t paddr;
	u64 iova, size;

	only_checked(test, "WARN");
	open_format(test, (const struct pgt_format *)test->param_value - pgt_formats);
	size = 2 * pgt_fixture(test)->granule;
	iova = at(test, size);
	paddr = some_paddr(test, size);
	do_map(test, iova, paddr, size);
	do_map_fails(test, iova, paddr, size, -EEXIST);
	do_map_fails(test, iova - size / 2, paddr, size, -EEXIST);
	do_map_fails(test, iova + size / 2, paddr, size, -EEXIST);
	check_range(test, iova, paddr, size);
}

static void an_empty_table_stays_until_a_block_takes_its_place(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	long empty, used;

	open_format(test, PGT_LPAE_4K);
	if (!pgt_counts_pages(test))
		kunit_skip(test, "this kernel's tables cannot be counted");

	empty = atomic_long_read(&fix->pages);
	do_map(test, 0, 0, SZ_4K);
	used = atomic_long_read(&fix->pages);
	KUNIT_EXPECT_EQ(test, used, empty + 3 * SZ_4K);
	do_unmap(test, 0, SZ_4K);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&fix->pages), used);
	do_map(test, 0, 0, SZ_2M);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&fix->pages), used - SZ_4K);
}

static struct kunit_case mapped_cases[] = {
	KUNIT_CASE(a_block_does_not_replace_live_pages),
	KUNIT_CASE(a_section_does_not_replace_live_pages),
	KUNIT_CASE(a_map_that_fails_destroys_nothing),
	KUNIT_CASE(a_supersection_that_fails_destroys_nothing),
	KUNIT_CASE(an_unmap_larger_than_what_is_mapped_is_refused),
	KUNIT_CASE(a_section_unmap_larger_than_what_is_mapped_is_refused),
	KUNIT_CASE(an_unmap_with_a_hole_is_refused_not_half_done),
	KUNIT_CASE(a_part_of_a_block_is_refused_alike_on_each_kernel),
	KUNIT_CASE(a_part_of_a_large_page_is_refused_alike_on_each_kernel),
	KUNIT_CASE_PARAM(an_overlap_is_refused_without_a_warning,
			 pgt_formats_gen_params),
	KUNIT_CASE(an_empty_table_stays_until_a_block_takes_its_place),
	{}
};

static struct kunit_suite mapped_suite = {
	.name = "io_pgtable_safe_hazards_mapped",
	.init = pgt_test_init,
	.exit = hazards_exit,
	.test_cases = mapped_cases,
};

/* --- answers -------------------------------------------------------------- */

static void physical_address_zero_is_not_a_hole(struct kunit *test)
{
	struct io_pgtable_safe_span span = { .paddr = 1 };
	struct pgt_test *fix = pgt_fixture(test);
	u64 iova, hole;

	open_both_for_param(test);
	iova = at(test, fix->granule);
	hole = at(test, 2 * fix->granule);
	raw_map_works(test, iova, 0, fix->granule, 1);
	KUNIT_EXPECT_EQ(test, raw_phys(iova), raw_phys(hole));

	do_map(test, iova, 0, fix->granule);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_lookup(fix->pgt, iova, &span), 0);
	KUNIT_EXPECT_EQ(test, span.paddr, 0);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_lookup(fix->pgt, hole, &span), -ENOENT);
}

static void lookup_beyond(struct kunit *test, enum pgt_format_id id)
{
	struct io_pgtable_safe_span span;
	u64 alias;

	if (!IS_ENABLED(CONFIG_64BIT))
		kunit_skip(test, "the raw op does not take such an iova");
	open_both(test, id);
	alias = BIT_ULL(pgt_fixture(test)->cfg->ias) + SZ_4K;
	raw_map_works(test, SZ_4K, SZ_1G, SZ_4K, 1);
	KUNIT_EXPECT_EQ(test, raw_phys(alias), SZ_1G);

	do_map(test, SZ_4K, SZ_1G, SZ_4K);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_lookup(pgt_fixture(test)->pgt, alias,
						     &span), -ERANGE);
}

static void a_lookup_beyond_the_space_is_refused_not_aliased(struct kunit *test)
{
	lookup_beyond(test, PGT_LPAE_4K_IAS39);
}

static void a_v7s_lookup_beyond_the_space_is_refused_not_aliased(struct kunit *test)
{
	lookup_beyond(test, PGT_V7S);
}

static void the_last_byte_of_64_bits_can_be_asked_for(struct kunit *test)
{
	struct io_pgtable_safe_span span;
	u64 page = -(u64)SZ_4K;

	only_checked(test, "read uninitialised stack on newer kernels");
	open_format(test, PGT_LPAE_4K_TTBR1);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_lookup(pgt_fixture(test)->pgt, U64_MAX,
						     &span), -ENOENT);
	do_map(test, page, SZ_1G, SZ_4K);
	KUNIT_ASSERT_EQ(test, io_pgtable_safe_lookup(pgt_fixture(test)->pgt, U64_MAX,
						     &span), 0);
	KUNIT_EXPECT_EQ(test, span.iova, page);
	KUNIT_EXPECT_EQ(test, span.paddr, SZ_1G);

	/* One more page is no longer an address. */
	do_map_fails(test, page, SZ_1G, SZ_8K, -EOVERFLOW);
	do_unmap_fails(test, page, SZ_8K, -EOVERFLOW);
	do_unmap(test, page, SZ_4K);
}

/* Stage 1 cannot say write-only; the caller is told instead of given more. */
static void write_only_is_refused_where_it_would_be_read_write(struct kunit *test)
{
	struct io_pgtable_safe_map_result res;

	open_both(test, PGT_LPAE_4K);
	KUNIT_EXPECT_EQ(test, raw_map_prot(0, SZ_1G, SZ_4K, 1, IOMMU_WRITE).err, 0);
	KUNIT_EXPECT_EQ(test, raw_map_prot(SZ_4K, SZ_1G, SZ_4K, 1,
					   IOMMU_READ | IOMMU_WRITE).err, 0);
	KUNIT_EXPECT_EQ(test, raw_lpae_pte(0), raw_lpae_pte(SZ_4K));
	KUNIT_EXPECT_NE(test, raw_lpae_pte(0), 0);

	res = io_pgtable_safe_map(pgt_fixture(test)->pgt, 0, SZ_1G, SZ_4K,
				  IOMMU_WRITE, GFP_KERNEL);
	check_map_result(test, res, 0, -EINVAL);
	check_hole(test, 0, SZ_4K);
}

static void write_only_is_kept_where_it_can_be_said(struct kunit *test)
{
	struct io_pgtable_safe_map_result res;

	open_format(test, PGT_LPAE64_S2);
	res = io_pgtable_safe_map(pgt_fixture(test)->pgt, 0, SZ_1G, SZ_4K,
				  IOMMU_WRITE, GFP_KERNEL);
	check_map_result(test, res, SZ_4K, 0);
}

/* A caller that takes (no error, nothing mapped) for progress never ends. */
static void no_progress_ends_every_kind_of_map(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe *pgt = pgt_fixture(test)->pgt;
	struct io_pgtable_safe_map_result res;
	struct scatterlist sgl;
	struct sg_table sgt = { .sgl = &sgl, .nents = 1, .orig_nents = 1 };
	unsigned int i;

	sg_init_table(&sgl, 1);
	sg_dma_address(&sgl) = SZ_1G;
	sg_dma_len(&sgl) = SZ_2M;

	for (i = 0; i < 5; i++)
		mock_next_map(mock, 0, 0);
	res = io_pgtable_safe_try_map_pages(pgt, 0, SZ_1G, SZ_2M, 1, PGT_PROT,
					    GFP_KERNEL);
	check_map_result(test, res, 0, -EIO);
	res = io_pgtable_safe_map_pages(pgt, 0, SZ_1G, SZ_2M, 1, PGT_PROT, GFP_KERNEL);
	check_map_result(test, res, 0, -EIO);
	res = io_pgtable_safe_map(pgt, 0, SZ_1G, SZ_2M, PGT_PROT, GFP_KERNEL);
	check_map_result(test, res, 0, -EIO);
	res = io_pgtable_safe_map_sgtable(pgt, 0, &sgt, IO_PGTABLE_SAFE_SG_DMA, 0,
					  SZ_2M, PGT_PROT, GFP_KERNEL);
	check_map_result(test, res, 0, -EIO);
	res = io_pgtable_safe_map_repeat(pgt, 0, SZ_1G, SZ_2M, 0, SZ_4M, PGT_PROT,
					 GFP_KERNEL);
	check_map_result(test, res, 0, -EIO);
	KUNIT_EXPECT_EQ(test, mock_count_calls(mock, MOCK_MAP), 5);
	check_mapped(test, 0);
}

static struct kunit_case answer_cases[] = {
	KUNIT_CASE_PARAM(physical_address_zero_is_not_a_hole, pgt_formats_gen_params),
	KUNIT_CASE(a_lookup_beyond_the_space_is_refused_not_aliased),
	KUNIT_CASE(a_v7s_lookup_beyond_the_space_is_refused_not_aliased),
	KUNIT_CASE(the_last_byte_of_64_bits_can_be_asked_for),
	KUNIT_CASE(write_only_is_refused_where_it_would_be_read_write),
	KUNIT_CASE(write_only_is_kept_where_it_can_be_said),
	KUNIT_CASE(no_progress_ends_every_kind_of_map),
	{}
};

static struct kunit_suite answer_suite = {
	.name = "io_pgtable_safe_hazards_answers",
	.init = pgt_test_init,
	.exit = hazards_exit,
	.test_cases = answer_cases,
};

/* --- invalidation --------------------------------------------------------- */

/*
 * Whether a format says anything about a leaf that was unmapped without a
 * gather, and with which arguments, differs. None says it synchronously.
 */
static void expect_nothing_synchronous(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	int i, calls = atomic_read(&fix->flushes);

	KUNIT_EXPECT_LE(test, calls, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fix->null_gathers), calls);
	for (i = 0; i < calls; i++)
		KUNIT_EXPECT_EQ(test, fix->flush_log[i].kind, PGT_FLUSH_ADD_PAGE);
	kunit_info(test, "raw: %s\n", calls ? "a callback without a gather" :
					     "no callback at all");
}

static void an_unmap_is_invalidated_before_it_returns(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	phys_addr_t paddr;
	u64 iova, size;

	open_both_for_param(test);
	size = fix->granule;
	iova = at(test, size);
	paddr = some_paddr(test, size);

	raw_map_works(test, iova, paddr, size, 1);
	pgt_forget_flushes(test);
	KUNIT_EXPECT_EQ(test, raw.ops->unmap_pages(raw.ops, iova, size, 1, NULL), size);
	expect_nothing_synchronous(test);

	do_map(test, iova, paddr, size);
	pgt_forget_flushes(test);
	do_unmap(test, iova, size);
	KUNIT_EXPECT_EQ(test, atomic_read(&fix->flushes), 1);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].kind, PGT_FLUSH_WALK);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].iova, iova);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].size, size);
}

static struct kunit_case invalidation_cases[] = {
	KUNIT_CASE_PARAM(an_unmap_is_invalidated_before_it_returns,
			 pgt_formats_gen_params),
	{}
};

static struct kunit_suite invalidation_suite = {
	.name = "io_pgtable_safe_hazards_invalidation",
	.init = pgt_test_init,
	.exit = hazards_exit,
	.test_cases = invalidation_cases,
};

/* --- alloc and free ------------------------------------------------------- */

static struct io_pgtable_ops *raw_alloc(struct kunit *test, enum io_pgtable_fmt fmt,
					const struct io_pgtable_cfg *cfg)
{
	raw.cfg = *cfg;
	return alloc_io_pgtable_ops(fmt, &raw.cfg, pgt_fixture(test));
}

static void the_callers_configuration_is_not_modified(struct kunit *test)
{
	struct io_pgtable_cfg cfg, before;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	cfg.pgsize_bitmap |= SZ_64K | SZ_512M;
	before = cfg;
	open_raw_cfg(test, ARM_64_LPAE_S1, &cfg);
	KUNIT_EXPECT_NE(test, raw.cfg.pgsize_bitmap, cfg.pgsize_bitmap);
	open_cfg(test, ARM_64_LPAE_S1, &cfg);
	KUNIT_EXPECT_EQ(test, memcmp(&cfg, &before, sizeof(cfg)), 0);
	close_raw();

	/* Not even when there is no such physical address space. */
	cfg.oas = 33;
	before = cfg;
	KUNIT_EXPECT_NULL(test, raw_alloc(test, ARM_64_LPAE_S1, &cfg));
	KUNIT_EXPECT_NE(test, raw.cfg.pgsize_bitmap, cfg.pgsize_bitmap);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(io_pgtable_safe_alloc(ARM_64_LPAE_S1,
								    &cfg, NULL)),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, memcmp(&cfg, &before, sizeof(cfg)), 0);
}

static void alloc_fails(struct kunit *test, enum io_pgtable_fmt fmt,
			const struct io_pgtable_cfg *cfg, int err)
{
	struct io_pgtable_safe *pgt;

	/* Raw, all failures look alike. */
	KUNIT_EXPECT_NULL(test, raw_alloc(test, fmt, cfg));
	pgt = io_pgtable_safe_alloc(fmt, cfg, pgt_fixture(test));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pgt), err);
}

static void an_alloc_that_fails_says_why(struct kunit *test)
{
	struct io_pgtable_cfg good, cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_V7S], &good);
	cfg = good;
	cfg.ias = 33;
	alloc_fails(test, ARM_V7S, &cfg, -EINVAL);
	cfg = good;
	cfg.quirks = BIT(30);
	alloc_fails(test, ARM_V7S, &cfg, -EOPNOTSUPP);
}

#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
static void an_alloc_without_memory_says_so(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe *pgt;
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	atomic_set(&fix->fail_page, 1);
	KUNIT_EXPECT_NULL(test, raw_alloc(test, ARM_64_LPAE_S1, &cfg));
	atomic_set(&fix->fail_page, 1);
	pgt = io_pgtable_safe_alloc(ARM_64_LPAE_S1, &cfg, fix);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pgt), -ENOMEM);
}

/* Before there is a table that the driver's allocator could look at. */
static void the_top_table_comes_through_the_drivers_allocator(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);

	open_format(test, PGT_LPAE_4K);
	KUNIT_EXPECT_EQ(test, atomic_read(&fix->page_allocs), 1);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&fix->pages), SZ_4K);
}

static void a_custom_allocator_is_refused_by_formats_without(struct kunit *test)
{
	struct io_pgtable_cfg cfg, v7s;
	struct io_pgtable_safe *pgt;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	pgt_make_cfg(test, &pgt_formats[PGT_V7S], &v7s);
	v7s.alloc = cfg.alloc;
	v7s.free = cfg.free;
	alloc_fails(test, ARM_V7S, &v7s, -EOPNOTSUPP);

	if (pgt_format_built(APPLE_DART))
		return;
	only_checked(test, "dereference NULL for a format that is not built in");
	pgt = io_pgtable_safe_alloc(APPLE_DART, &cfg, pgt_fixture(test));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pgt), -EOPNOTSUPP);
}
#endif

static void a_block_as_large_as_the_space_is_not_granted(struct kunit *test)
{
	struct io_pgtable_cfg cfg;

	only_checked(test, "grant the block, and WARN when it is mapped");
	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	cfg.ias = 30;
	open_raw_cfg(test, ARM_64_LPAE_S1, &cfg);
	KUNIT_EXPECT_TRUE(test, raw.cfg.pgsize_bitmap & SZ_1G);

	open_cfg(test, ARM_64_LPAE_S1, &cfg);
	KUNIT_EXPECT_EQ(test, pgt_fixture(test)->cfg->pgsize_bitmap, SZ_4K | SZ_2M);
	do_map_pages_fails(test, 0, 0, SZ_1G, 1, -EINVAL);
	do_map(test, 0, 0, SZ_1G);
	check_leaf(test, 0, SZ_2M);
	do_unmap(test, 0, SZ_1G);
}

static void a_top_level_of_too_many_tables_is_refused(struct kunit *test)
{
	struct io_pgtable_safe *pgt;
	struct io_pgtable_cfg cfg;

	only_checked(test, "WARN and leak on newer kernels");
	pgt_make_cfg(test, &pgt_formats[PGT_LPAE64_S2], &cfg);
	cfg.oas = 40;
	cfg.ias = 44;
	pgt = io_pgtable_safe_alloc(ARM_64_LPAE_S2, &cfg, pgt_fixture(test));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pgt), -EINVAL);

	/* Sixteen are not too many. */
	cfg.ias = 43;
	open_cfg(test, ARM_64_LPAE_S2, &cfg);
	do_map(test, BIT_ULL(43) - SZ_2M, 0, SZ_2M);
	check_range(test, BIT_ULL(43) - SZ_2M, 0, SZ_2M);
}

static struct kunit_case alloc_cases[] = {
	KUNIT_CASE(the_callers_configuration_is_not_modified),
	KUNIT_CASE(an_alloc_that_fails_says_why),
#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
	KUNIT_CASE(an_alloc_without_memory_says_so),
	KUNIT_CASE(the_top_table_comes_through_the_drivers_allocator),
	KUNIT_CASE(a_custom_allocator_is_refused_by_formats_without),
#endif
	KUNIT_CASE(a_block_as_large_as_the_space_is_not_granted),
	KUNIT_CASE(a_top_level_of_too_many_tables_is_refused),
	{}
};

static struct kunit_suite alloc_suite = {
	.name = "io_pgtable_safe_hazards_alloc",
	.init = pgt_test_init,
	.exit = hazards_exit,
	.test_cases = alloc_cases,
};

kunit_test_suites(&address_suite, &size_suite, &mapped_suite, &answer_suite,
		  &invalidation_suite, &alloc_suite);
