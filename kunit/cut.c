// SPDX-License-Identifier: GPL-2.0
/*
 * Unmapping a part of a block: what is left of it, what it looks like to the
 * device meanwhile, and what is left if something fails.
 */
#include <linux/gfp.h>
#include <linux/string.h>

#include "descriptors.h"
#include "helpers.h"
#include "mock_format.h"

#define PAGE SZ_4K

static struct io_pgtable_safe_unmap_result cut(struct kunit *test, u64 iova, u64 size,
					       gfp_t gfp, u32 flags)
{
	return io_pgtable_safe_cut(pgt_fixture(test)->pgt, iova, size, PGT_PROT, gfp, flags);
}

/* --- what is left ---------------------------------------------------------- */

/*
 * One block of each size, at a multiple of it that is not the first, so that there
 * is something before it and behind it.
 */
struct block {
	u64 iova;
	u64 size;
	phys_addr_t paddr;
	/* What it is cut into, where that fits */
	u64 smaller;
};

static bool map_nth_block(struct kunit *test, unsigned int n, struct block *block)
{
	u64 size = nth_pgsize(test, n);

	if (!size)
		return false;
	*block = (struct block){
		.iova = at(test, size), .size = size,
		.paddr = some_paddr(test, size), .smaller = nth_pgsize(test, n - 1),
	};
	do_map_pages(test, block->iova, block->paddr, size, 1);
	check_leaf(test, block->iova, size);
	return true;
}

static void check_part(struct kunit *test, const struct block *block, u64 off, u64 size)
{
	check_range(test, block->iova + off, block->paddr + off, size);
}

static void cut_a_granule_out_of_the_middle(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, off;
	struct block block;
	unsigned int n;

	for (n = 1; map_nth_block(test, n, &block); n++) {
		off = block.size / 2 + granule;
		do_cut(test, block.iova + off, granule);
		check_part(test, &block, 0, off);
		check_hole(test, block.iova + off, granule);
		check_part(test, &block, off + granule, block.size - off - granule);
		check_mapped(test, block.size - granule);
		check_leaf(test, block.iova, block.smaller);
		check_leaf(test, block.iova + off - granule, granule);
		check_leaf(test, block.iova + off + granule, granule);
		check_leaf(test, block.iova + block.size - granule, block.smaller);

		do_map(test, block.iova + off, block.paddr + off, granule);
		do_unmap(test, block.iova, block.size);
		check_hole(test, block.iova, block.size);
	}
}

static void cut_the_start_off(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	struct block block;
	unsigned int n;

	for (n = 1; map_nth_block(test, n, &block); n++) {
		do_cut(test, block.iova, granule);
		check_hole(test, block.iova, granule);
		check_part(test, &block, granule, block.size - granule);
		check_leaf(test, block.iova + granule, granule);
		check_leaf(test, block.iova + block.size - granule, block.smaller);
		do_unmap(test, block.iova + granule, block.size - granule);
		check_mapped(test, 0);
	}
}

static void cut_the_end_off(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	struct block block;
	unsigned int n;

	for (n = 1; map_nth_block(test, n, &block); n++) {
		do_cut(test, block.iova + block.size - granule, granule);
		check_hole(test, block.iova + block.size - granule, granule);
		check_part(test, &block, 0, block.size - granule);
		check_leaf(test, block.iova, block.smaller);
		check_leaf(test, block.iova + block.size - 2 * granule, granule);
		do_unmap(test, block.iova, block.size - granule);
		check_mapped(test, 0);
	}
}

/* A cut at a boundary of the next smaller size leaves nothing smaller */
static void cut_needs_no_smaller_pages_than_its_ends(struct kunit *test)
{
	struct block block;
	unsigned int n;

	for (n = 1; map_nth_block(test, n, &block); n++) {
		do_cut(test, block.iova + block.smaller, block.smaller);
		check_leaf(test, block.iova, block.smaller);
		check_leaf(test, block.iova + 2 * block.smaller, block.smaller);
		check_leaf(test, block.iova + block.size - block.smaller, block.smaller);
		check_mapped(test, block.size - block.smaller);
		do_unmap_present(test, block.iova, block.size, block.size - block.smaller);
	}
}

/* From inside one block, over a whole one, into a third; the first has a neighbour */
static void cut_two_blocks_and_what_is_between(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, size = block_size(test), base, first, last;
	phys_addr_t paddr = some_paddr(test, 8 * size);

	base = at(test, 8 * size);
	do_map_pages(test, base, paddr, size, 5);
	first = size + 2 * granule;
	last = 4 * size - granule;
	do_cut(test, base + first, last - first);

	check_range(test, base, paddr, first);
	check_leaf(test, base, size);
	check_leaf(test, base + size, granule);
	check_hole(test, base + first, last - first);
	check_range(test, base + last, paddr + last, 5 * size - last);
	check_leaf(test, base + last, granule);
	check_leaf(test, base + 4 * size, size);
	check_mapped(test, 5 * size - (last - first));
}

/* Blocks of two sizes, both cut by one call */
static void cut_blocks_of_two_sizes(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, small = nth_pgsize(test, 1);
	u64 large = nth_pgsize(test, 2), base;

	if (!large)
		kunit_skip(test, "blocks of one size only");
	base = at(test, large);
	do_map_pages(test, base, some_paddr(test, large), large, 1);
	do_map_pages(test, base - small, 0, small, 1);
	do_cut(test, base - granule, 2 * granule);
	check_range(test, base - small, 0, small - granule);
	check_range(test, base + granule, some_paddr(test, large) + granule, large - granule);
	check_hole(test, base - granule, 2 * granule);
	check_mapped(test, small + large - 2 * granule);
}

static void cut_again_what_a_cut_left(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, off;
	struct block block;
	unsigned int n = 1, i, cuts = 0;

	while (nth_pgsize(test, n + 1))
		n++;
	map_nth_block(test, n, &block);
	for (i = 1; i < 8; i++) {
		off = i * (block.size / 8) - granule;
		do_cut(test, block.iova + off, granule);
		check_hole(test, block.iova + off, granule);
		cuts++;
	}
	check_mapped(test, block.size - cuts * granule);
	for (i = 1; i < 8; i++) {
		off = i * (block.size / 8) - granule;
		check_part(test, &block, off - granule, granule);
		check_part(test, &block, off + granule, granule);
	}
	do_unmap_present(test, block.iova, block.size, block.size - cuts * granule);
}

static void cut_the_last_block_of_the_address_space(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, size = block_size(test);
	u64 iova = pgt_fixture(test)->last - size + 1;
	phys_addr_t paddr = some_paddr(test, size);

	do_map_pages(test, iova, paddr, size, 1);
	do_cut(test, iova + size - granule, granule);
	check_range(test, iova, paddr, size - granule);
	check_hole(test, iova + size - granule, granule);
	do_map(test, iova + size - granule, paddr, granule);
	do_cut(test, iova, granule);
	check_hole(test, iova, granule);
	check_mapped(test, size - granule);
}

/* --- protections ------------------------------------------------------------ */

static const int prots[] = {
	IOMMU_READ,
	IOMMU_READ | IOMMU_WRITE,
	IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE,
	IOMMU_READ | IOMMU_NOEXEC | IOMMU_CACHE,
	IOMMU_READ | IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO,
	IOMMU_READ | IOMMU_WRITE | IOMMU_PRIV,
};

static void map_block(struct kunit *test, u64 iova, phys_addr_t paddr, u64 size, int prot)
{
	check_map_result(test, io_pgtable_safe_map_pages(pgt_fixture(test)->pgt, iova, paddr,
							 size, 1, prot, GFP_KERNEL), size, 0);
}

/* Is the leaf at iova what mapping the same memory anew gives? */
static void check_descriptor(struct kunit *test, u64 iova, u64 spare, u64 size,
			     phys_addr_t paddr, int prot)
{
	map_block(test, spare, paddr, size, prot);
	KUNIT_EXPECT_NE(test, read_descriptor(test, spare), 0ULL);
	KUNIT_EXPECT_EQ_MSG(test, read_descriptor(test, iova), read_descriptor(test, spare),
			    "iova %#llx, prot %#x", iova, prot);
	do_unmap(test, spare, size);
}

static void rest_has_the_protection_of_the_block(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, size, base, smaller;
	phys_addr_t paddr;
	unsigned int n, i;

	if (!reads_descriptors(test))
		kunit_skip(test, "a format whose descriptors the suites do not know");
	for (n = 1; nth_pgsize(test, n); n++) {
		size = nth_pgsize(test, n);
		smaller = nth_pgsize(test, n - 1);
		base = at(test, size);
		paddr = some_paddr(test, size);
		/* So that this is the usual one, and the others have to be noted */
		map_block(test, base + size, 0, block_size(test), PGT_PROT);
		for (i = 0; i < ARRAY_SIZE(prots); i++) {
			map_block(test, base, paddr, size, prots[i]);
			check_unmap_result(test, io_pgtable_safe_cut(pgt_fixture(test)->pgt,
								     base + size / 2, granule,
								     prots[i], GFP_KERNEL, 0),
					   granule, 0);
			check_descriptor(test, base, at(test, 0), smaller, paddr, prots[i]);
			check_descriptor(test, base + size / 2 + granule, at(test, 0), granule,
					 paddr + size / 2 + granule, prots[i]);
			do_unmap_present(test, base, size, size - granule);
		}
		do_unmap(test, base + size, block_size(test));
	}
}

/* Without 2M, so that much more than one path of the ledger's nodes is needed */
static const struct mock_config gap_mock = {
	.fmt = ARM_MALI_LPAE,
	.pgsizes = SZ_4K | SZ_1G,
	.ias = 40, .oas = 40,
	.tlb = &pgt_flush_ops,
};

static void rest_has_the_protection_asked_for(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe *pgt = pgt_fixture(test)->pgt;
	unsigned int i;
	u64 iova;

	for (i = 0; i < ARRAY_SIZE(prots); i++) {
		iova = (i + 1) * SZ_2M;
		map_block(test, iova, iova, SZ_2M, prots[i]);
		check_unmap_result(test, io_pgtable_safe_cut(pgt, iova + PAGE, PAGE, prots[i],
							     GFP_KERNEL, 0), PAGE, 0);
		KUNIT_EXPECT_EQ(test, mock_prot(mock, iova), prots[i]);
		KUNIT_EXPECT_EQ(test, mock_prot(mock, iova + PAGE), 0);
		KUNIT_EXPECT_EQ(test, mock_prot(mock, iova + 2 * PAGE), prots[i]);
	}
}

/* Put back, too */
static void failed_cut_has_the_protection_asked_for(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe_unmap_result res;

	map_block(test, SZ_2M, 0, SZ_2M, prots[3]);
	mock_next_map(mock, 0, -ENOMEM);
	res = io_pgtable_safe_cut(pgt_fixture(test)->pgt, SZ_2M, PAGE, prots[3], GFP_KERNEL, 0);
	check_unmap_result(test, res, 0, -ENOMEM);
	check_leaf(test, SZ_2M, SZ_2M);
	KUNIT_EXPECT_EQ(test, mock_prot(mock, SZ_2M), prots[3]);
}

static void cut_refuses_a_bad_protection(struct kunit *test)
{
	static const int bad[] = { 0, IOMMU_NOEXEC, INT_MIN | PGT_PROT };
	struct io_pgtable_safe_unmap_result res;
	unsigned int i;

	open_mock(test, NULL);
	map_block(test, 0, 0, SZ_2M, PGT_PROT);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		res = io_pgtable_safe_cut(pgt_fixture(test)->pgt, 0, PAGE, bad[i], GFP_KERNEL, 0);
		check_unmap_result(test, res, 0, -EINVAL);
	}
	check_leaf(test, 0, SZ_2M);
}

static void negative_protection_is_refused(struct kunit *test)
{
	open_mock(test, NULL);
	check_map_result(test, io_pgtable_safe_map(pgt_fixture(test)->pgt, 0, 0, SZ_2M,
						   INT_MIN | PGT_PROT, GFP_KERNEL), 0, -EINVAL);
}

static void cut_where_sizes_are_far_apart(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, &gap_mock);

	map_block(test, SZ_1G, 0, SZ_1G, PGT_PROT);
	do_cut(test, SZ_1G + SZ_4M + PAGE, PAGE);
	check_range(test, SZ_1G, 0, SZ_4M + PAGE);
	check_hole(test, SZ_1G + SZ_4M + PAGE, PAGE);
	check_range(test, SZ_1G + SZ_4M + 2 * PAGE, SZ_4M + 2 * PAGE, SZ_1G - SZ_4M - 2 * PAGE);
	check_mapped(test, SZ_1G - PAGE);
	KUNIT_EXPECT_EQ(test, mock_mapped(mock), (u64)SZ_1G - PAGE);
	do_unmap_present(test, 0, 2ULL * SZ_1G, SZ_1G - PAGE);
}

/* --- what is refused ------------------------------------------------------- */

static void cut_refuses_bad_arguments(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, size = block_size(test);
	u64 iova = at(test, size);
	struct pgt_snapshot snap;

	do_map_pages(test, iova, 0, size, 1);
	do_cut_fails(test, iova + granule / 2, granule, -EINVAL);
	do_cut_fails(test, iova, granule / 2, -EINVAL);
	do_cut_fails(test, iova, 0, -EINVAL);
	do_cut_fails(test, pgt_fixture(test)->last - granule + 1, 2 * granule,
		     pgt_fixture(test)->base ? -EOVERFLOW : -ERANGE);
	take_snapshot(test, &snap, iova, size);
	check_unmap_result(test, cut(test, iova, granule, GFP_KERNEL, 2), 0, -EINVAL);
	check_unmap_result(test, cut(test, iova, granule, GFP_KERNEL | __GFP_COMP, 0), 0, -EINVAL);
	check_unmap_result(test, cut(test, iova, granule, GFP_DMA, 0), 0, -EINVAL);
	check_snapshot(test, &snap);
}

static void cut_refuses_holes(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, size = block_size(test);
	u64 iova = at(test, 4 * size);

	do_map_pages(test, iova, 0, size, 1);
	do_map_pages(test, iova + 2 * size, 0, size, 1);
	pgt_forget_flushes(test);
	do_cut_fails(test, iova - granule, 2 * granule, -ENOENT);
	do_cut_fails(test, iova + granule, size, -ENOENT);
	do_cut_fails(test, iova + granule, 2 * size, -ENOENT);
	do_cut_fails(test, iova + size, granule, -ENOENT);
	KUNIT_EXPECT_EQ(test, atomic_read(&pgt_fixture(test)->flushes), 0);
}

/* --- invalidation ----------------------------------------------------------- */

/* A range without cut leaves: as unmap does it */
static void cut_that_cuts_nothing_is_an_unmap(struct kunit *test)
{
	u64 size = block_size(test), iova = at(test, 4 * size);
	struct pgt_test *fix = pgt_fixture(test);

	do_map_pages(test, iova, 0, size, 3);
	pgt_forget_flushes(test);
	do_cut(test, iova, 2 * size);
	KUNIT_EXPECT_EQ(test, atomic_read(&fix->flushes), 1);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].iova, iova);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].size, 2 * size);
	check_range(test, iova + 2 * size, 2 * size, size);
	pgt_forget_flushes(test);
	check_unmap_result(test, cut(test, iova + 2 * size, size, GFP_KERNEL,
				     IO_PGTABLE_SAFE_NO_FLUSH), size, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fix->flushes), 0);
}

/* Once for each cut leaf, all of it, and once for what is between them */
static void cut_invalidates_each_block_and_the_middle(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, size = block_size(test);
	u64 iova = at(test, 8 * size);
	struct pgt_test *fix = pgt_fixture(test);

	do_map_pages(test, iova, 0, size, 4);
	pgt_forget_flushes(test);
	do_cut(test, iova + granule, 4 * size - 2 * granule);
	KUNIT_ASSERT_EQ(test, atomic_read(&fix->flushes), 3);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].iova, iova);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].size, size);
	KUNIT_EXPECT_EQ(test, fix->flush_log[1].iova, iova + 3 * size);
	KUNIT_EXPECT_EQ(test, fix->flush_log[1].size, size);
	KUNIT_EXPECT_EQ(test, fix->flush_log[2].iova, iova + size);
	KUNIT_EXPECT_EQ(test, fix->flush_log[2].size, 2 * size);
}

static void cut_without_flush_invalidates_cut_blocks_only(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, size = block_size(test);
	u64 iova = at(test, 8 * size);
	struct pgt_test *fix = pgt_fixture(test);

	do_map_pages(test, iova, 0, size, 4);
	pgt_forget_flushes(test);
	check_unmap_result(test, cut(test, iova + granule, 4 * size - granule, GFP_KERNEL,
				     IO_PGTABLE_SAFE_NO_FLUSH), 4 * size - granule, 0);
	KUNIT_ASSERT_EQ(test, atomic_read(&fix->flushes), 1);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].iova, iova);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].size, size);
}

/* Large pages and supersections of v7s are runs of 16 descriptors */
static u64 entry_size(struct kunit *test, u64 leaf)
{
	if (pgt_fixture(test)->format->fmt != ARM_V7S)
		return leaf;
	return leaf == SZ_64K ? SZ_4K : leaf == SZ_16M ? SZ_1M : leaf;
}

static void cut_invalidates_a_run_as_its_entries(struct kunit *test)
{
	struct pgt_flush *flush = &pgt_fixture(test)->flush_log[0];
	struct block block;
	unsigned int n;

	for (n = 1; map_nth_block(test, n, &block); n++) {
		pgt_forget_flushes(test);
		do_cut(test, block.iova + block.size / 2, block.smaller);
		KUNIT_EXPECT_EQ(test, flush->kind, PGT_FLUSH_WALK);
		KUNIT_EXPECT_EQ(test, flush->size, block.size);
		KUNIT_EXPECT_EQ(test, flush->granule, entry_size(test, block.size));
		do_unmap_present(test, block.iova, block.size, block.size - block.smaller);
	}
}

/* A leaf at an end that the range covers whole goes with the middle */
static void cut_that_begins_with_a_whole_leaf_cuts_the_last(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, size = block_size(test);
	u64 iova = at(test, 8 * size);
	struct pgt_test *fix = pgt_fixture(test);

	do_map_pages(test, iova, 0, size, 2);
	pgt_forget_flushes(test);
	check_unmap_result(test, cut(test, iova, size + granule, GFP_KERNEL,
				     IO_PGTABLE_SAFE_NO_FLUSH), size + granule, 0);
	KUNIT_ASSERT_EQ(test, atomic_read(&fix->flushes), 1);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].iova, iova + size);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].size, size);
	check_hole(test, iova, size + granule);
	check_range(test, iova + size + granule, size + granule, size - granule);
}

/*
 * The order of events at the block at 2M: it must have been unmapped, then
 * invalidated, before anything is mapped in its place.
 */
struct order {
	struct kunit *test;
	bool unmapped;
	bool invalidated;
	unsigned int maps;
};

static struct order order;

static void note_call(struct mock_format *mock, const struct mock_call *call)
{
	if (call->iova + call->pgsize * call->pgcount <= SZ_2M || call->iova >= 2 * SZ_2M)
		return;
	if (call->op == MOCK_UNMAP) {
		order.unmapped = true;
		order.invalidated = false;
		return;
	}
	KUNIT_EXPECT_TRUE(order.test, order.unmapped);
	KUNIT_EXPECT_TRUE_MSG(order.test, order.invalidated, "map at %#llx", call->iova);
	order.maps++;
}

static void note_flush(struct pgt_test *fix, const struct pgt_flush *flush)
{
	if (flush->kind == PGT_FLUSH_ALL ||
	    (flush->iova < 2 * SZ_2M && flush->iova + flush->size > SZ_2M))
		order.invalidated = true;
}

static struct mock_format *watch_order(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map_pages(test, 0, 0, SZ_2M, 3);
	order = (struct order){ .test = test };
	mock->during = note_call;
	pgt_fixture(test)->on_flush = note_flush;
	return mock;
}

static void block_is_invalidated_before_its_rest_is_mapped(struct kunit *test)
{
	watch_order(test);
	do_cut(test, SZ_2M + PAGE, PAGE);
	KUNIT_EXPECT_EQ(test, order.maps, 2U);
}

static void block_is_invalidated_even_without_flush(struct kunit *test)
{
	watch_order(test);
	check_unmap_result(test, cut(test, SZ_2M + PAGE, SZ_2M, GFP_KERNEL,
				     IO_PGTABLE_SAFE_NO_FLUSH), SZ_2M, 0);
	KUNIT_EXPECT_EQ(test, order.maps, 1U);
}

static void rest_is_invalidated_before_the_block_is_put_back(struct kunit *test)
{
	struct mock_format *mock = watch_order(test);

	mock_next_map(mock, PAGE, 0);
	mock_next_map(mock, PAGE, -ENOMEM);
	do_cut_fails(test, SZ_2M + PAGE, PAGE, -ENOMEM);
	KUNIT_EXPECT_EQ(test, order.maps, 3U);
	KUNIT_EXPECT_TRUE(test, order.unmapped);
}

/* Nobody else may map into a leaf that is being cut, nor into its rest */
static u64 neighbour;

static void look_while_cutting(struct mock_format *mock, const struct mock_call *call)
{
	struct kunit *test = mock->data;
	struct io_pgtable_safe *pgt = pgt_fixture(test)->pgt;
	struct io_pgtable_safe_span span;

	mock->during = NULL;
	check_map_result(test, io_pgtable_safe_map(pgt, SZ_2M, 0, PAGE, PGT_PROT, GFP_ATOMIC),
			 0, -EBUSY);
	check_map_result(test, io_pgtable_safe_map(pgt, 2 * SZ_2M - PAGE, 0, PAGE, PGT_PROT,
						   GFP_ATOMIC), 0, -EBUSY);
	check_unmap_result(test, io_pgtable_safe_unmap(pgt, SZ_2M, SZ_2M, 0), 0, -EBUSY);
	check_unmap_result(test, cut(test, 2 * SZ_2M - PAGE, PAGE, GFP_ATOMIC, 0), 0, -EBUSY);
	check_unmap_result(test, cut(test, SZ_2M - PAGE, 2 * PAGE, GFP_ATOMIC, 0), 0, -EBUSY);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_lookup(pgt, SZ_2M, &span), -EBUSY);
	check_mapped(test, 2 * SZ_2M - neighbour);
	/* Others can do what they like */
	check_unmap_result(test, cut(test, neighbour, PAGE, GFP_ATOMIC, 0), PAGE, 0);
	neighbour += PAGE;
	mock->during = look_while_cutting;
}

static void the_leaf_is_claimed_from_end_to_end(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map_pages(test, 0, 0, SZ_2M, 3);
	neighbour = 0;
	mock->data = test;
	mock->during = look_while_cutting;
	do_cut(test, SZ_2M + PAGE, PAGE);
	mock->during = NULL;
	/* While it was unmapped, and while each side was mapped */
	KUNIT_EXPECT_EQ(test, neighbour, 3ULL * PAGE);
	check_mapped(test, 3 * SZ_2M - 4 * PAGE);
}

/* --- failures ---------------------------------------------------------------- */

/* Two blocks and one between, both cut; the nth backend map fails like this */
static void cut_fails_at_map(struct kunit *test, unsigned int nth, size_t bytes, int err)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map_pages(test, 0, 0, SZ_2M, 3);
	while (--nth)
		mock_next_map(mock, SZ_2M - PAGE, 0);
	mock_next_map(mock, bytes, err);
	do_cut_fails(test, SZ_2M - PAGE, SZ_2M + 2 * PAGE, err ?: -EIO);
	KUNIT_EXPECT_EQ(test, mock_mapped(mock), 3ULL * SZ_2M);
	do_cut(test, SZ_2M - PAGE, SZ_2M + 2 * PAGE);
	KUNIT_EXPECT_EQ(test, mock_prot(mock, 0), PGT_PROT);
	KUNIT_EXPECT_EQ(test, mock_prot(mock, 2 * SZ_2M + PAGE), PGT_PROT);
	check_mapped(test, 2 * SZ_2M - 2 * PAGE);
}

static void first_rest_cannot_be_mapped(struct kunit *test)
{
	cut_fails_at_map(test, 1, 0, -ENOMEM);
}

static void first_rest_is_mapped_in_part(struct kunit *test)
{
	cut_fails_at_map(test, 1, 3 * PAGE, -ENOMEM);
}

static void first_rest_makes_no_progress(struct kunit *test)
{
	cut_fails_at_map(test, 1, 0, 0);
}

static void second_rest_cannot_be_mapped(struct kunit *test)
{
	cut_fails_at_map(test, 2, 0, -ENOMEM);
}

static void second_rest_is_mapped_in_part(struct kunit *test)
{
	cut_fails_at_map(test, 2, 3 * PAGE, -ENOSPC);
}

static void second_side_of_one_block_cannot_be_mapped(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map(test, 0, 0, SZ_2M);
	mock_next_map(mock, SZ_1M, 0);
	mock_next_map(mock, PAGE, -ENOMEM);
	do_cut_fails(test, SZ_1M, PAGE, -ENOMEM);
	check_leaf(test, 0, SZ_2M);
}

static void partial_success_of_the_rest_is_retried(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map(test, 0, 0, SZ_1G);
	mock->max_pages = 100;
	do_cut(test, SZ_1M, PAGE);
	mock->max_pages = 0;
	check_range(test, 0, 0, SZ_1M);
	check_range(test, SZ_1M + PAGE, SZ_1M + PAGE, SZ_1G - SZ_1M - PAGE);
	KUNIT_EXPECT_EQ(test, mock_mapped(mock), (u64)SZ_1G - PAGE);
}

static void block_that_cannot_be_put_back_breaks_the_table(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map(test, 0, 0, 2 * SZ_2M);
	mock_next_map(mock, 0, -ENOMEM);
	mock_next_map(mock, 0, -ENOMEM);
	/* Of the range one page is not mapped any more; so is the rest of its block */
	check_unmap_result(test, cut(test, SZ_1M, PAGE, GFP_KERNEL, 0), PAGE, -EIO);
	KUNIT_EXPECT_EQ(test, mock_mapped(mock), (u64)SZ_2M);
	check_mapped(test, SZ_2M);
	check_broken(test);
}

/* A backend that broke its contract gets no further call, for the cleanup neither */
static void check_calls(struct kunit *test, unsigned int maps, unsigned int unmaps)
{
	struct mock_format *mock = pgt_fixture(test)->mock;

	KUNIT_EXPECT_EQ_MSG(test, mock_count_calls(mock, MOCK_MAP), maps, "from %pS",
			    (void *)_RET_IP_);
	KUNIT_EXPECT_EQ_MSG(test, mock_count_calls(mock, MOCK_UNMAP), unmaps, "from %pS",
			    (void *)_RET_IP_);
}

/* More than it was asked for, of the block as a whole */
static void block_unmapped_too_much_of_breaks_the_table(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map(test, 0, 0, SZ_2M);
	mock_next_unmap(mock, SZ_4M);
	check_unmap_result(test, cut(test, SZ_1M, PAGE, GFP_KERNEL, 0), PAGE, -EIO);
	check_mapped(test, 0);
	check_calls(test, 1, 1);
	check_broken(test);
}

static void lie_about_the_block_put_back_breaks_the_table(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map(test, 0, 0, SZ_2M);
	mock_next_map(mock, 0, -ENOMEM);
	mock_next_map(mock, SZ_4M, 0);
	check_unmap_result(test, cut(test, SZ_1M, PAGE, GFP_KERNEL, 0), PAGE, -EIO);
	check_mapped(test, 0);
	check_calls(test, 3, 1);
	check_broken(test);
}

/* The rest of the second block cannot be mapped, and then one block not be put back */
static void cut_loses_one_of_two_blocks(struct kunit *test, bool second, u64 unmapped, u64 left)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map(test, 0, 0, 2 * SZ_2M);
	mock_next_map(mock, SZ_2M - PAGE, 0);
	mock_next_map(mock, 0, -ENOMEM);
	if (!second)
		mock_next_map(mock, SZ_2M, 0);
	mock_next_map(mock, 0, -ENOMEM);
	check_unmap_result(test, cut(test, SZ_2M - PAGE, 2 * PAGE, GFP_KERNEL, 0), unmapped,
			   -EIO);
	KUNIT_EXPECT_EQ(test, mock_mapped(mock), left);
	check_mapped(test, left);
	check_broken(test);
}

static void first_block_that_cannot_be_put_back_breaks_the_table(struct kunit *test)
{
	cut_loses_one_of_two_blocks(test, false, PAGE, SZ_2M);
}

static void second_block_lost_leaves_the_first_cut(struct kunit *test)
{
	cut_loses_one_of_two_blocks(test, true, 2 * PAGE, SZ_2M - PAGE);
}

static void rest_that_cannot_be_unmapped_breaks_the_table(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map(test, 0, 0, SZ_2M);
	mock_next_map(mock, PAGE, -ENOMEM);
	mock_next_unmap(mock, SZ_2M);
	mock_next_unmap(mock, 0);
	check_unmap_result(test, cut(test, SZ_1M, PAGE, GFP_KERNEL, 0), PAGE, -EIO);
	check_calls(test, 2, 2);
	check_broken(test);
}

static void block_that_cannot_be_unmapped_breaks_the_table(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map(test, 0, 0, SZ_2M);
	mock_next_unmap(mock, 0);
	check_unmap_result(test, cut(test, SZ_1M, PAGE, GFP_KERNEL, 0), 0, -EIO);
	KUNIT_EXPECT_EQ(test, mock_mapped(mock), (u64)SZ_2M);
	check_mapped(test, SZ_2M);
	check_calls(test, 1, 1);
	check_broken(test);
}

static void lie_about_the_rest_breaks_the_table(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map(test, 0, 0, SZ_2M);
	mock_next_map(mock, SZ_2M, 0);
	check_unmap_result(test, cut(test, SZ_1M, PAGE, GFP_KERNEL, 0), PAGE, -EIO);
	check_calls(test, 2, 1);
	check_broken(test);
}

/* The address of the block comes from the backend, and may be anything, too */
static void wrong_address_breaks_the_table(struct kunit *test, phys_addr_t wrong_by)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map_pages(test, 0, 0, SZ_2M, 2);
	mock->wrong_by = wrong_by;
	check_unmap_result(test, cut(test, SZ_2M - PAGE, 2 * PAGE, GFP_KERNEL, 0), 0, -EIO);
	KUNIT_EXPECT_EQ(test, mock_mapped(mock), 2ULL * SZ_2M);
	check_mapped(test, 2 * SZ_2M);
	check_calls(test, 1, 0);
	check_broken(test);
}

static void block_at_no_address_of_a_page_breaks_the_table(struct kunit *test)
{
	wrong_address_breaks_the_table(test, 1);
}

static void block_at_no_address_of_a_block_breaks_the_table(struct kunit *test)
{
	wrong_address_breaks_the_table(test, PAGE);
}

static void block_outside_of_memory_breaks_the_table(struct kunit *test)
{
	wrong_address_breaks_the_table(test, BIT_ULL(48));
}

/* In the second block: the first is not put back */
static void lie_about_the_second_rest_breaks_the_table(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map(test, 0, 0, 2 * SZ_2M);
	mock_next_map(mock, SZ_2M - PAGE, 0);
	mock_next_map(mock, SZ_2M, 0);
	check_unmap_result(test, cut(test, SZ_2M - PAGE, 2 * PAGE, GFP_KERNEL, 0), 2 * PAGE,
			   -EIO);
	check_calls(test, 3, 2);
	check_mapped(test, SZ_2M - PAGE);
	check_broken(test);
}

static void second_block_that_cannot_be_unmapped_leaves_the_first_cut(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map(test, 0, 0, 2 * SZ_2M);
	mock_next_unmap(mock, SZ_2M);
	mock_next_unmap(mock, 0);
	check_unmap_result(test, cut(test, SZ_2M - PAGE, 2 * PAGE, GFP_KERNEL, 0), PAGE,
			   -EIO);
	check_calls(test, 2, 2);
	check_mapped(test, 2 * SZ_2M - PAGE);
	check_broken(test);
}

static void middle_that_cannot_be_unmapped_breaks_the_table(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map(test, 0, 0, 3 * SZ_2M);
	mock_next_unmap(mock, SZ_2M);
	mock_next_unmap(mock, 0);
	check_unmap_result(test, cut(test, SZ_2M - PAGE, SZ_2M + PAGE, GFP_KERNEL, 0), PAGE,
			   -EIO);
	KUNIT_EXPECT_EQ(test, mock_mapped(mock), 2ULL * SZ_2M + SZ_2M - PAGE);
	check_mapped(test, 3 * SZ_2M - PAGE);
	check_calls(test, 2, 2);
	check_broken(test);
}

/* --- allocations that fail ---------------------------------------------------- */

#define MAX_ATTEMPTS 128

/* Two blocks of the largest size up to 1G */
static u64 map_two_blocks(struct kunit *test, u64 *size)
{
	unsigned int n = 1;
	u64 iova;

	while (nth_pgsize(test, n + 1) && nth_pgsize(test, n + 1) <= SZ_1G)
		n++;
	*size = nth_pgsize(test, n);
	iova = at(test, 2 * *size);
	map_block(test, at(test, 0), 0, block_size(test), PGT_PROT);
	map_block(test, iova, 0, *size, PGT_PROT);
	map_block(test, iova + *size, 0, *size, PGT_PROT);
	return iova;
}

/* Fail the nth allocation of a cut. Returns the cut's error; *any: there was an nth */
static int cut_with_failure(struct kunit *test, u64 iova, u64 size, unsigned int n,
			    bool *any)
{
	u64 granule = pgt_fixture(test)->granule, start = iova + size - granule;
	u64 digest = digest_descriptors(test);
	struct io_pgtable_safe_unmap_result res;
	struct pgt_snapshot snap;

	take_snapshot(test, &snap, iova, 2 * size);
	fail_nth_allocation(n);
	res = cut(test, start, 2 * granule, PGT_GFP_FAULTY, 0);
	*any = an_allocation_failed();
	if (res.err) {
		KUNIT_EXPECT_TRUE(test, *any);
		check_unmap_result(test, res, 0, -ENOMEM);
		check_snapshot(test, &snap);
		KUNIT_EXPECT_EQ(test, digest_descriptors(test), digest);
		check_leaf(test, iova, size);
		check_leaf(test, iova + size, size);
	} else {
		kunit_kfree(test, snap.extents);
		check_range(test, iova, 0, size - granule);
		check_hole(test, start, 2 * granule);
		check_range(test, iova + size + granule, granule, size - granule);
	}
	return res.err;
}

static void failing_allocations_in_cut(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, size, iova;
	unsigned int n, failed = 0;
	bool any = true;
	int err = 0;

	skip_without_fault_injection(test);
	for (n = 1; n < MAX_ATTEMPTS && any; n++) {
		if (!err)
			iova = map_two_blocks(test, &size);
		err = cut_with_failure(test, iova, size, n, &any);
		failed += !!err;
		if (!err)
			do_unmap_present(test, at(test, 0), iova - at(test, 0) + 2 * size,
					 block_size(test) + 2 * size - 2 * granule);
	}
	KUNIT_EXPECT_LT(test, n, (unsigned int)MAX_ATTEMPTS);
	/* What a failed one has got for the ledger is there for the next */
	KUNIT_EXPECT_GE(test, failed, 1U);
	check_mapped(test, 0);
}

/* Each page-table page that cutting two blocks needs, where the fixture has them */
static void failing_page_table_pages_in_cut(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe_unmap_result res;
	u64 size, iova, digest, granule = fix->granule;
	struct pgt_snapshot snap;
	unsigned int n;
	long pages;

	if (!pgt_counts_pages(test))
		kunit_skip(test, "page-table pages come from the kernel");
	iova = map_two_blocks(test, &size);
	digest = digest_descriptors(test);
	pages = atomic_long_read(&fix->pages);
	for (n = 1; n < MAX_ATTEMPTS; n++) {
		take_snapshot(test, &snap, iova, 2 * size);
		atomic_set(&fix->fail_page, n);
		res = cut(test, iova + size - granule, 2 * granule, GFP_KERNEL, 0);
		atomic_set(&fix->fail_page, 0);
		if (!res.err)
			break;
		check_unmap_result(test, res, 0, -ENOMEM);
		check_snapshot(test, &snap);
		KUNIT_EXPECT_EQ(test, digest_descriptors(test), digest);
		KUNIT_EXPECT_EQ(test, atomic_long_read(&fix->pages), pages);
	}
	check_unmap_result(test, res, 2 * granule, 0);
	KUNIT_EXPECT_GE(test, n, 3U);
	KUNIT_EXPECT_LT(test, n, (unsigned int)MAX_ATTEMPTS);
}

static void cut_with_interrupts_off(struct kunit *test)
{
	struct io_pgtable_safe_unmap_result res;
	u64 size = block_size(test);
	unsigned long flags;

	do_map_pages(test, at(test, 0), 0, size, 1);
	map_block(test, at(test, size), 0, size, IOMMU_READ);
	local_irq_save(flags);
	res = cut(test, at(test, size / 2), size, GFP_ATOMIC, 0);
	KUNIT_EXPECT_TRUE(test, irqs_disabled());
	local_irq_restore(flags);
	check_unmap_result(test, res, size, 0);
}

/* --- the suites ----------------------------------------------------------------- */

PGT_BLOCK_FORMATS_PARAM();

#define FORMAT_CASE(name) KUNIT_CASE_PARAM(name, pgt_block_formats_gen_params)

static struct kunit_case cut_cases[] = {
	FORMAT_CASE(cut_a_granule_out_of_the_middle),
	FORMAT_CASE(cut_the_start_off),
	FORMAT_CASE(cut_the_end_off),
	FORMAT_CASE(cut_needs_no_smaller_pages_than_its_ends),
	FORMAT_CASE(cut_two_blocks_and_what_is_between),
	FORMAT_CASE(cut_blocks_of_two_sizes),
	FORMAT_CASE(cut_again_what_a_cut_left),
	FORMAT_CASE(cut_the_last_block_of_the_address_space),
	FORMAT_CASE(rest_has_the_protection_of_the_block),
	FORMAT_CASE(cut_refuses_bad_arguments),
	FORMAT_CASE(cut_refuses_holes),
	FORMAT_CASE(cut_that_cuts_nothing_is_an_unmap),
	FORMAT_CASE(cut_invalidates_each_block_and_the_middle),
	FORMAT_CASE(cut_without_flush_invalidates_cut_blocks_only),
	FORMAT_CASE(cut_invalidates_a_run_as_its_entries),
	FORMAT_CASE(cut_that_begins_with_a_whole_leaf_cuts_the_last),
	FORMAT_CASE(failing_allocations_in_cut),
	FORMAT_CASE(failing_page_table_pages_in_cut),
	FORMAT_CASE(cut_with_interrupts_off),
	{}
};

static struct kunit_suite cut_suite = {
	.name = "io_pgtable_safe_cut",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = cut_cases,
};

static struct kunit_case cut_mock_cases[] = {
	KUNIT_CASE(cut_where_sizes_are_far_apart),
	KUNIT_CASE(block_is_invalidated_before_its_rest_is_mapped),
	KUNIT_CASE(block_is_invalidated_even_without_flush),
	KUNIT_CASE(rest_is_invalidated_before_the_block_is_put_back),
	KUNIT_CASE(the_leaf_is_claimed_from_end_to_end),
	KUNIT_CASE(first_rest_cannot_be_mapped),
	KUNIT_CASE(first_rest_is_mapped_in_part),
	KUNIT_CASE(first_rest_makes_no_progress),
	KUNIT_CASE(second_rest_cannot_be_mapped),
	KUNIT_CASE(second_rest_is_mapped_in_part),
	KUNIT_CASE(second_side_of_one_block_cannot_be_mapped),
	KUNIT_CASE(partial_success_of_the_rest_is_retried),
	KUNIT_CASE(block_that_cannot_be_put_back_breaks_the_table),
	KUNIT_CASE(block_unmapped_too_much_of_breaks_the_table),
	KUNIT_CASE(lie_about_the_block_put_back_breaks_the_table),
	KUNIT_CASE(first_block_that_cannot_be_put_back_breaks_the_table),
	KUNIT_CASE(rest_that_cannot_be_unmapped_breaks_the_table),
	KUNIT_CASE(block_that_cannot_be_unmapped_breaks_the_table),
	KUNIT_CASE(lie_about_the_rest_breaks_the_table),
	KUNIT_CASE(block_at_no_address_of_a_page_breaks_the_table),
	KUNIT_CASE(block_at_no_address_of_a_block_breaks_the_table),
	KUNIT_CASE(block_outside_of_memory_breaks_the_table),
	KUNIT_CASE(lie_about_the_second_rest_breaks_the_table),
	KUNIT_CASE(second_block_that_cannot_be_unmapped_leaves_the_first_cut),
	KUNIT_CASE(second_block_lost_leaves_the_first_cut),
	KUNIT_CASE(middle_that_cannot_be_unmapped_breaks_the_table),
	{}
};

static struct kunit_suite cut_mock_suite = {
	.name = "io_pgtable_safe_cut_outcomes",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = cut_mock_cases,
};

static struct kunit_case prots_cases[] = {
	KUNIT_CASE(rest_has_the_protection_asked_for),
	KUNIT_CASE(failed_cut_has_the_protection_asked_for),
	KUNIT_CASE(cut_refuses_a_bad_protection),
	KUNIT_CASE(negative_protection_is_refused),
	{}
};

static struct kunit_suite prots_suite = {
	.name = "io_pgtable_safe_cut_prots",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = prots_cases,
};

kunit_test_suites(&cut_suite, &cut_mock_suite, &prots_suite);
