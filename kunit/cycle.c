// SPDX-License-Identifier: GPL-2.0
/*
 * Map, look, unmap, map again: what every format must do, at every page size.
 */
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/scatterlist.h>

#include "helpers.h"

PGT_FORMATS_PARAM();
PGT_BLOCK_FORMATS_PARAM();

/* --- pages and blocks ----------------------------------------------------- */

static void map_and_unmap_a_granule(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	phys_addr_t paddr = some_paddr(test, granule);

	do_map(test, at(test, granule), paddr, granule);
	check_range(test, at(test, granule), paddr, granule);
	check_leaf(test, at(test, granule), granule);
	check_hole(test, at(test, 0), granule);
	check_hole(test, at(test, 2 * granule), granule);

	do_unmap(test, at(test, granule), granule);
	check_hole(test, at(test, 0), 3 * granule);
}

static void map_elsewhere_after_unmap(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	phys_addr_t paddr = some_paddr(test, granule);

	do_map(test, at(test, 0), paddr, 4 * granule);
	do_unmap(test, at(test, 0), 4 * granule);
	do_map(test, at(test, 0), paddr + 8 * granule, 4 * granule);
	check_range(test, at(test, 0), paddr + 8 * granule, 4 * granule);
}

static void physical_address_zero(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	struct io_pgtable_safe_span span = { .paddr = 1 };
	int err;

	do_map(test, at(test, 0), 0, granule);
	err = io_pgtable_safe_lookup(pgt_fixture(test)->pgt, at(test, 0), &span);
	KUNIT_EXPECT_EQ(test, err, 0);
	KUNIT_EXPECT_EQ(test, (u64)span.paddr, 0ULL);
	KUNIT_EXPECT_EQ(test, span.size, granule);
	do_unmap(test, at(test, 0), granule);
	check_hole(test, at(test, 0), granule);
}

static void last_granule_of_the_address_space(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 iova = fix->last - fix->granule + 1;
	phys_addr_t paddr = some_paddr(test, fix->granule);

	do_map(test, iova, paddr, fix->granule);
	check_range(test, iova, paddr, fix->granule);
	check_hole(test, iova - fix->granule, fix->granule);
	do_unmap(test, iova, fix->granule);
	check_hole(test, iova, fix->granule);
}

static void last_granule_of_physical_memory(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	phys_addr_t paddr = fix->paddr_last - fix->granule + 1;

	do_map(test, at(test, 0), paddr, fix->granule);
	check_range(test, at(test, 0), paddr, fix->granule);
}

static void map_last_blocks(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 block = block_size(test);
	u64 iova = fix->last - block + 1;
	phys_addr_t paddr = fix->paddr_last - block + 1;

	do_map(test, iova, paddr, block);
	check_range(test, iova, paddr, block);
	check_leaf(test, iova, block);
	do_unmap(test, iova, block);
	check_hole(test, iova, block);
}

static void every_page_size_is_one_leaf(struct kunit *test)
{
	u64 size, iova, total = 0;
	unsigned int n;

	for (n = 0; (size = nth_pgsize(test, n)); n++) {
		iova = at(test, size);
		do_map(test, iova, some_paddr(test, size), size);
		check_range(test, iova, some_paddr(test, size), size);
		check_leaf(test, iova, size);
		check_leaf(test, iova + size - 1, size);
		total += size;
		check_mapped(test, total);
	}
	while (n--) {
		size = nth_pgsize(test, n);
		do_unmap(test, at(test, size), size);
		check_hole(test, at(test, size), size);
	}
	check_mapped(test, 0);
}

static void map_pages_takes_every_page_size(struct kunit *test)
{
	u64 size, iova;
	unsigned int n;

	for (n = 0; (size = nth_pgsize(test, n)); n++) {
		iova = at(test, 2 * size);
		do_map_pages(test, iova, some_paddr(test, 2 * size), size, 1);
		check_leaf(test, iova, size);
		do_unmap_pages(test, iova, size, 1);
		check_hole(test, iova, size);
	}
}

static void map_picks_the_best_page_sizes(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	u64 block = block_size(test);
	phys_addr_t paddr = some_paddr(test, block) - granule;
	u64 iova = at(test, block - granule);

	do_map(test, iova, paddr, granule + block + granule);
	check_range(test, iova, paddr, granule + block + granule);
	check_leaf(test, iova, granule);
	check_leaf(test, iova + granule, block);
	check_leaf(test, iova + granule + block, granule);
}

/* Blocks and then granules with one call, where another such call has been before */
static void map_blocks_and_pages_next_to_others(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, block = block_size(test);
	u64 size = block + 3 * granule, iova;
	phys_addr_t paddr = some_paddr(test, block);
	unsigned int n;

	for (n = 1; n < 8; n += 2) {
		iova = at(test, n * block);
		do_map(test, iova, paddr, size);
		check_range(test, iova, paddr, size);
		check_leaf(test, iova, block);
		check_leaf(test, iova + block, granule);
		check_leaf(test, iova + size - granule, granule);
		check_hole(test, iova + size, granule);
	}
	check_mapped(test, 4 * size);
	for (n = 1; n < 8; n += 2)
		do_unmap(test, at(test, n * block), size);
	check_mapped(test, 0);
}

static void map_uses_pages_where_the_physical_address_needs_them(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	u64 block = block_size(test);
	phys_addr_t paddr = some_paddr(test, block) + granule;

	do_map(test, at(test, block), paddr, block);
	check_range(test, at(test, block), paddr, block);
	check_leaf(test, at(test, block), granule);
	do_unmap(test, at(test, block), block);
	check_hole(test, at(test, block), block);
}

static void map_larger_than_the_largest_block(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, top = granule, size;
	unsigned int n;

	for (n = 0; (size = nth_pgsize(test, n)); n++)
		top = size;
	size = 3 * top + granule;

	do_map(test, at(test, 0), 0, size);
	check_range(test, at(test, 0), 0, size);
	check_mapped(test, size);
	do_unmap(test, at(test, 0), size);
	check_hole(test, at(test, 0), size);
}

/* A map records what follows as long as the page size is the same, table by table */
static void blocks_of_two_tables_are_leaves(struct kunit *test)
{
	u64 block = nth_pgsize(test, 1), above = nth_pgsize(test, 2);

	if (!above)
		kunit_skip(test, "nothing is as large as a table of blocks");
	/* Memory that does not fit a larger block */
	do_map(test, at(test, 0), block, 2 * above);
	check_leaf(test, at(test, above), block);
	check_leaf(test, at(test, 2 * above - block), block);
	do_unmap(test, at(test, above), block);
	do_unmap_present(test, at(test, 0), 2 * above, 2 * above - block);
}

/* DEBUG_ATOMIC_SLEEP and lockdep say it if one of these sleeps. */
static void works_with_interrupts_off(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe_unmap_result unmapped;
	struct io_pgtable_safe_map_result mapped;
	struct io_pgtable_safe_span span = {};
	u64 size = 4 * fix->granule;
	unsigned long flags;
	int err;

	local_irq_save(flags);
	mapped = io_pgtable_safe_map(fix->pgt, at(test, 0), 0, size, PGT_PROT, GFP_ATOMIC);
	err = io_pgtable_safe_lookup(fix->pgt, at(test, 0), &span);
	unmapped = io_pgtable_safe_unmap(fix->pgt, at(test, 0), size, 0);
	local_irq_restore(flags);

	check_map_result(test, mapped, size, 0);
	KUNIT_EXPECT_EQ(test, err, 0);
	check_unmap_result(test, unmapped, size, 0);
	check_hole(test, at(test, 0), size);
}

/* --- tables in the way ---------------------------------------------------- */

static void block_over_an_empty_table(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	u64 block = block_size(test);
	phys_addr_t paddr = some_paddr(test, block);

	do_map(test, at(test, block), paddr, granule);
	do_unmap(test, at(test, block), granule);
	do_map(test, at(test, block), paddr, block);
	check_leaf(test, at(test, block), block);
	check_range(test, at(test, block), paddr, block);
}

static void pages_after_a_block(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	u64 block = block_size(test);
	phys_addr_t paddr = some_paddr(test, block);

	do_map(test, at(test, block), paddr, block);
	do_unmap(test, at(test, block), block);
	do_map_pages(test, at(test, block), paddr, granule, 2);
	check_leaf(test, at(test, block), granule);
	check_hole(test, at(test, block + 2 * granule), granule);
}

static void empty_tables_are_used_again(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 granule = fix->granule;
	phys_addr_t paddr = some_paddr(test, granule);
	int allocs;

	do_map(test, at(test, 0), paddr, granule);
	if (!pgt_counts_pages(test))
		kunit_skip(test, "page-table pages are not counted here");
	allocs = atomic_read(&fix->page_allocs);
	do_unmap(test, at(test, 0), granule);
	do_map(test, at(test, granule), paddr, granule);
	KUNIT_EXPECT_EQ(test, atomic_read(&fix->page_allocs), allocs);
}

/* --- an unmap is about the range, not about how it was mapped ------------- */

/*
 * map(0, 4K * 256), map(1M, 4K * 256), unmap(0, 2M * 1): the example from the
 * review of the Rust abstraction, at any granule.
 */
static void map_two_halves_of_a_block(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	u64 block = block_size(test), half = block / 2;
	phys_addr_t paddr = some_paddr(test, block);
	struct io_pgtable_safe_map_result res;
	u64 done;

	/* One call stops at the end of a table, so the first may be short */
	for (done = 0; done < block; done += res.mapped) {
		u64 left = done < half ? half - done : block - done;

		res = io_pgtable_safe_map_pages(pgt_fixture(test)->pgt,
						at(test, done), paddr + done,
						granule, left / granule,
						PGT_PROT, GFP_KERNEL);
		KUNIT_ASSERT_EQ(test, res.err, 0);
		KUNIT_ASSERT_GT(test, res.mapped, 0ULL);
	}
}

static void unmap_pages_of_two_maps_as_one_block(struct kunit *test)
{
	u64 block = block_size(test);

	map_two_halves_of_a_block(test);
	do_unmap_pages(test, at(test, 0), block, 1);
	check_hole(test, at(test, 0), block);
	check_mapped(test, 0);
}

static void unmap_two_maps_at_once(struct kunit *test)
{
	u64 block = block_size(test);

	map_two_halves_of_a_block(test);
	do_unmap(test, at(test, 0), block);
	check_hole(test, at(test, 0), block);
}

static void unmap_one_map_in_two_steps(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	phys_addr_t paddr = some_paddr(test, granule);

	do_map(test, at(test, granule), paddr, 3 * granule);
	do_unmap(test, at(test, granule), granule);
	check_range(test, at(test, 2 * granule), paddr + granule, 2 * granule);
	do_unmap(test, at(test, 2 * granule), 2 * granule);
	check_mapped(test, 0);
}

static void unmap_a_block_in_units_of_pages(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	u64 block = block_size(test);

	do_map(test, at(test, block), some_paddr(test, block), block);
	do_unmap_pages(test, at(test, block), granule, block / granule);
	check_hole(test, at(test, block), block);
}

static void unmap_pages_with_a_hole_is_refused(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	u64 block = block_size(test);

	map_two_halves_of_a_block(test);
	do_unmap(test, at(test, block / 2), granule);
	do_unmap_pages_fails(test, at(test, 0), block, 1, -ENOENT);
	do_unmap_fails(test, at(test, 0), block, -ENOENT);
	check_mapped(test, block - granule);
}

static void unmap_of_a_hole_is_refused(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;

	do_unmap_fails(test, at(test, 0), granule, -ENOENT);
	do_map(test, at(test, 0), some_paddr(test, granule), granule);
	do_unmap_fails(test, at(test, 0), 2 * granule, -ENOENT);
	do_unmap_fails(test, at(test, granule), granule, -ENOENT);
	check_mapped(test, granule);
}

static void unmap_of_part_of_a_block_is_refused(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	u64 block = block_size(test);

	do_map(test, at(test, block), some_paddr(test, block), block);
	do_unmap_fails(test, at(test, block), granule, -ENOTBLK);
	do_unmap_fails(test, at(test, 2 * block - granule), granule, -ENOTBLK);
	do_unmap_fails(test, at(test, block), block - granule, -ENOTBLK);
	do_unmap_pages_fails(test, at(test, block), granule, 1, -ENOTBLK);
	check_range(test, at(test, block), some_paddr(test, block), block);
}

static void unmap_blocks_and_pages_together(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	u64 block = block_size(test);
	phys_addr_t paddr = some_paddr(test, block);

	do_map(test, at(test, block - granule), 0, granule);
	do_map(test, at(test, block), paddr, block);
	do_map(test, at(test, 2 * block), 4 * granule, 2 * granule);
	do_unmap(test, at(test, block - granule), block + 3 * granule);
	check_hole(test, at(test, block - granule), block + 3 * granule);
	check_mapped(test, 0);
}

static void map_over_something_is_refused(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;

	do_map(test, at(test, granule), granule, granule);
	do_map_fails(test, at(test, granule), granule, granule, -EEXIST);
	do_map_fails(test, at(test, 0), 8 * granule, 2 * granule, -EEXIST);
	do_map_fails(test, at(test, granule), 8 * granule, 2 * granule, -EEXIST);
	check_range(test, at(test, granule), granule, granule);
}

static void block_over_a_page_is_refused(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	u64 block = block_size(test);
	phys_addr_t paddr = some_paddr(test, block);

	do_map(test, at(test, 2 * block - granule), paddr, granule);
	do_map_fails(test, at(test, block), paddr, block, -EEXIST);
	do_map_pages_fails(test, at(test, block), paddr, block, 1, -EEXIST);
	check_mapped(test, granule);
}

static void page_over_a_block_is_refused(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	u64 block = block_size(test);

	do_map(test, at(test, block), some_paddr(test, block), block);
	do_map_fails(test, at(test, block + granule), 0, granule, -EEXIST);
	check_mapped(test, block);
}

/* --- unmap_present -------------------------------------------------------- */

static void unmap_present_leaps_over_holes(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	unsigned int i;

	for (i = 0; i < 5; i += 2)
		do_map(test, at(test, i * granule), i * granule, granule);
	do_unmap_present(test, at(test, 0), 5 * granule, 3 * granule);
	check_hole(test, at(test, 0), 5 * granule);
	check_mapped(test, 0);
}

static void unmap_present_leaves_neighbours_alone(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	phys_addr_t paddr = some_paddr(test, granule);

	do_map(test, at(test, granule), paddr, 4 * granule);
	do_unmap_present(test, at(test, 2 * granule), 2 * granule, 2 * granule);
	check_range(test, at(test, granule), paddr, granule);
	check_range(test, at(test, 4 * granule), paddr + 3 * granule, granule);
	check_mapped(test, 2 * granule);
}

static void unmap_present_of_nothing(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;

	do_unmap_present(test, at(test, 0), 16 * granule, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&pgt_fixture(test)->flushes), 0);
}

static void unmap_present_of_the_whole_address_space(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 granule = fix->granule;

	do_map(test, fix->base, 0, granule);
	do_map(test, at(test, 64 * granule), granule, 3 * granule);
	do_map(test, fix->last - granule + 1, 8 * granule, granule);
	do_unmap_present(test, fix->base, fix->last - fix->base + 1, 5 * granule);
	check_mapped(test, 0);
	check_hole(test, at(test, 0), granule);
	check_hole(test, at(test, 64 * granule), 3 * granule);
	check_hole(test, fix->last - granule + 1, granule);
}

static void unmap_present_cuts_no_block(struct kunit *test)
{
	struct io_pgtable_safe_unmap_result res;
	u64 granule = pgt_fixture(test)->granule;
	u64 block = block_size(test);
	struct pgt_snapshot snap;

	do_map(test, at(test, block), some_paddr(test, block), block);
	take_snapshot(test, &snap, at(test, block), block);
	res = io_pgtable_safe_unmap_present(pgt_fixture(test)->pgt, at(test, 0),
					    block + granule, 0);
	check_unmap_result(test, res, 0, -ENOTBLK);
	check_snapshot(test, &snap);
}

/* --- questions ------------------------------------------------------------ */

static void lookup_gives_the_leaf_around_any_byte(struct kunit *test)
{
	struct io_pgtable_safe *pgt = pgt_fixture(test)->pgt;
	u64 block = block_size(test);
	phys_addr_t paddr = some_paddr(test, block);
	struct io_pgtable_safe_span span = {};

	do_map(test, at(test, block), paddr, block);
	KUNIT_ASSERT_EQ(test, io_pgtable_safe_lookup(pgt, at(test, block + 12345), &span), 0);
	KUNIT_EXPECT_EQ(test, span.iova, at(test, block));
	KUNIT_EXPECT_EQ(test, span.size, block);
	KUNIT_EXPECT_EQ(test, (u64)span.paddr, (u64)paddr);
	KUNIT_EXPECT_EQ(test, span.leaf, block);
}

static void next_finds_each_extent(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe_span span = {};
	u64 granule = fix->granule, last_granule = fix->last - granule + 1;

	do_map(test, at(test, granule), 0, granule);
	do_map(test, at(test, 2 * granule), 8 * granule, granule);
	do_map(test, last_granule, granule, granule);

	KUNIT_ASSERT_EQ(test, io_pgtable_safe_next(fix->pgt, fix->base, &span), 0);
	KUNIT_EXPECT_EQ(test, span.iova, at(test, granule));
	KUNIT_EXPECT_EQ(test, span.size, 2 * granule);
	KUNIT_ASSERT_EQ(test, io_pgtable_safe_next(fix->pgt, at(test, 3 * granule), &span), 0);
	KUNIT_EXPECT_EQ(test, span.iova, last_granule);
	KUNIT_EXPECT_EQ(test, span.size, granule);
	do_unmap(test, last_granule, granule);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_next(fix->pgt, at(test, 3 * granule), &span),
			-ENOENT);
}

static void next_starts_within_an_extent(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe_span span = {};

	do_map(test, at(test, 0), 0, 4 * fix->granule);
	KUNIT_ASSERT_EQ(test, io_pgtable_safe_next(fix->pgt, at(test, fix->granule), &span), 0);
	KUNIT_EXPECT_EQ(test, span.iova, at(test, fix->granule));
	KUNIT_EXPECT_EQ(test, span.size, 3 * fix->granule);
}

static void leaf_span_widens_to_leaves(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe_span span = {};
	u64 block = block_size(test), granule = fix->granule;

	do_map(test, at(test, 2 * block), some_paddr(test, block), block);
	KUNIT_ASSERT_EQ(test, io_pgtable_safe_leaf_span(fix->pgt,
							at(test, 2 * block + granule),
							granule, &span), 0);
	KUNIT_EXPECT_EQ(test, span.iova, at(test, 2 * block));
	KUNIT_EXPECT_EQ(test, span.size, block);

	KUNIT_ASSERT_EQ(test, io_pgtable_safe_leaf_span(fix->pgt,
							at(test, 2 * block - granule),
							2 * granule, &span), 0);
	KUNIT_EXPECT_EQ(test, span.iova, at(test, 2 * block - granule));
	KUNIT_EXPECT_EQ(test, span.size, granule + block);
}

static void leaf_span_of_a_hole_is_the_range_itself(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe_span span = {};

	KUNIT_ASSERT_EQ(test, io_pgtable_safe_leaf_span(fix->pgt, at(test, fix->granule),
							2 * fix->granule, &span), 0);
	KUNIT_EXPECT_EQ(test, span.iova, at(test, fix->granule));
	KUNIT_EXPECT_EQ(test, span.size, 2 * fix->granule);
}

/* What panthor does to unmap part of a huge page, without guessing. */
static void unmap_part_of_a_block_by_its_leaf_span(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 block = block_size(test), granule = fix->granule, tail;
	phys_addr_t paddr = some_paddr(test, block);
	struct io_pgtable_safe_span span = {};
	u64 iova = at(test, 2 * block + granule);

	do_map(test, at(test, 2 * block), paddr, block);
	KUNIT_ASSERT_EQ(test, io_pgtable_safe_leaf_span(fix->pgt, iova, granule, &span), 0);
	do_unmap(test, span.iova, span.size);
	do_map(test, span.iova, paddr, iova - span.iova);
	tail = span.iova + span.size - iova - granule;
	do_map(test, iova + granule, paddr + 2 * granule, tail);

	check_hole(test, iova, granule);
	check_range(test, span.iova, paddr, granule);
	check_range(test, iova + granule, paddr + 2 * granule, tail);
	check_mapped(test, block - granule);
}

static void mapped_counts_bytes(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;

	check_mapped(test, 0);
	do_map(test, at(test, 0), 0, 3 * granule);
	check_mapped(test, 3 * granule);
	do_map_fails(test, at(test, 0), 0, 8 * granule, -EEXIST);
	check_mapped(test, 3 * granule);
	do_unmap(test, at(test, granule), granule);
	check_mapped(test, 2 * granule);
}

/* --- one block over and over ---------------------------------------------- */

static void do_map_repeat(struct kunit *test, u64 iova, phys_addr_t paddr,
			  u64 block, u64 size)
{
	struct io_pgtable_safe_map_result res;

	res = io_pgtable_safe_map_repeat(pgt_fixture(test)->pgt, iova, paddr,
					 block, 0, size, PGT_PROT, GFP_KERNEL);
	check_map_result(test, res, size, 0);
}

static void map_repeat_of_a_granule(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	phys_addr_t paddr = some_paddr(test, granule);
	unsigned int i;

	do_map_repeat(test, at(test, granule), paddr, granule, 5 * granule);
	for (i = 1; i <= 5; i++) {
		check_range(test, at(test, i * granule), paddr, granule);
		check_leaf(test, at(test, i * granule), granule);
	}
	check_mapped(test, 5 * granule);
	do_unmap(test, at(test, granule), 5 * granule);
}

static void map_repeat_cuts_the_last_one_short(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	phys_addr_t paddr = some_paddr(test, granule);

	do_map_repeat(test, at(test, 0), paddr, 2 * granule, 5 * granule);
	check_range(test, at(test, 0), paddr, 2 * granule);
	check_range(test, at(test, 2 * granule), paddr, 2 * granule);
	check_range(test, at(test, 4 * granule), paddr, granule);
	check_hole(test, at(test, 5 * granule), granule);
}

static void map_repeat_uses_blocks(struct kunit *test)
{
	u64 block = block_size(test);
	phys_addr_t paddr = some_paddr(test, block);

	do_map_repeat(test, at(test, block), paddr, block, 2 * block);
	check_leaf(test, at(test, block), block);
	check_leaf(test, at(test, 2 * block), block);
	check_range(test, at(test, block), paddr, block);
	check_range(test, at(test, 2 * block), paddr, block);
}

/* As if it had begun earlier: the head is a part of the block, then come whole ones */
static void map_repeat_begins_in_the_middle(struct kunit *test)
{
	u64 block = block_size(test), granule = pgt_fixture(test)->granule;
	phys_addr_t paddr = some_paddr(test, block);
	struct io_pgtable_safe *pgt = pgt_fixture(test)->pgt;
	u64 phase = block - 3 * granule, iova = at(test, block - 3 * granule);
	u64 size = 3 * granule + 2 * block + granule;

	check_map_result(test, io_pgtable_safe_map_repeat(pgt, iova, paddr, block, phase, size,
							  PGT_PROT, GFP_KERNEL), size, 0);
	check_range(test, iova, paddr + phase, 3 * granule);
	check_range(test, at(test, block), paddr, block);
	check_leaf(test, at(test, block), block);
	check_range(test, at(test, 2 * block), paddr, block);
	check_leaf(test, at(test, 2 * block), block);
	check_range(test, at(test, 3 * block), paddr, granule);
	do_unmap(test, iova, size);
	/* All of it in one part of the block */
	check_map_result(test, io_pgtable_safe_map_repeat(pgt, iova, paddr, block, granule,
							  2 * granule, PGT_PROT, GFP_KERNEL),
			 2 * granule, 0);
	check_range(test, iova, paddr + granule, 2 * granule);
}

static void map_repeat_shorter_than_the_block(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;

	do_map_repeat(test, at(test, 0), 0, 8 * granule, 3 * granule);
	check_range(test, at(test, 0), 0, 3 * granule);
	check_hole(test, at(test, 3 * granule), granule);
}

/* --- scatter-gather tables ------------------------------------------------ */

static void do_map_table(struct kunit *test, u64 iova, struct sg_table *sgt,
			 u64 offset, u64 size)
{
	check_map_result(test, map_dma_table(test, iova, sgt, offset, size, GFP_KERNEL),
			 size, 0);
}

static void sgtable_maps_every_entry(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	u64 paddr = some_paddr(test, granule);
	struct sg_piece pieces[] = {
		{ paddr, granule },
		{ paddr + 4 * granule, 2 * granule },
		{ 0, granule },
	};
	struct sg_table *sgt = make_dma_table(test, pieces, ARRAY_SIZE(pieces));

	do_map_table(test, at(test, granule), sgt, 0, 4 * granule);
	check_range(test, at(test, granule), paddr, granule);
	check_range(test, at(test, 2 * granule), paddr + 4 * granule, 2 * granule);
	check_range(test, at(test, 4 * granule), 0, granule);
	check_mapped(test, 4 * granule);
	do_unmap(test, at(test, granule), 4 * granule);
}

static void sgtable_offset_and_size_select_a_part(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	u64 paddr = some_paddr(test, granule);
	struct sg_piece pieces[] = {
		{ paddr, 4 * granule },
		{ paddr + 8 * granule, 4 * granule },
		{ paddr + 16 * granule, 4 * granule },
	};
	struct sg_table *sgt = make_dma_table(test, pieces, ARRAY_SIZE(pieces));

	/* The end of the first, all of the second, the start of the third */
	do_map_table(test, at(test, 0), sgt, 3 * granule, 6 * granule);
	check_range(test, at(test, 0), paddr + 3 * granule, granule);
	check_range(test, at(test, granule), paddr + 8 * granule, 4 * granule);
	check_range(test, at(test, 5 * granule), paddr + 16 * granule, granule);
	check_hole(test, at(test, 6 * granule), granule);
}

static void sgtable_offset_skips_whole_entries(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	struct sg_piece pieces[] = {
		{ 0, 2 * granule }, { 8 * granule, granule }, { 16 * granule, granule },
	};
	struct sg_table *sgt = make_dma_table(test, pieces, ARRAY_SIZE(pieces));

	do_map_table(test, at(test, 0), sgt, 3 * granule, granule);
	check_range(test, at(test, 0), 16 * granule, granule);
}

/* As sg_alloc_table() makes one of more entries than a page has room for */
static void sgtable_of_chained_arrays(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	struct sg_piece first[] = { { 0, granule }, { 4 * granule, granule } };
	struct sg_piece second[] = { { 8 * granule, granule }, { 2 * granule, granule } };
	struct sg_table *sgt = make_dma_table(test, first, ARRAY_SIZE(first));
	struct sg_table *more = make_dma_table(test, second, ARRAY_SIZE(second));

	sg_chain(sgt->sgl, sgt->orig_nents, more->sgl);
	sgt->nents += more->nents;
	sgt->orig_nents += more->orig_nents - 1;
	do_map_table(test, at(test, 0), sgt, 0, 4 * granule);
	check_range(test, at(test, granule), 4 * granule, granule);
	check_range(test, at(test, 2 * granule), 8 * granule, granule);
	check_range(test, at(test, 3 * granule), 2 * granule, granule);
	do_map_table(test, at(test, 4 * granule), sgt, 3 * granule, granule);
	check_range(test, at(test, 4 * granule), 2 * granule, granule);
}

static void sgtable_contiguous_entries_become_a_block(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	u64 block = block_size(test);
	u64 paddr = some_paddr(test, block);
	struct sg_piece pieces[] = {
		{ paddr, granule },
		{ paddr + granule, block - 2 * granule },
		{ paddr + block - granule, granule },
	};
	struct sg_table *sgt = make_dma_table(test, pieces, ARRAY_SIZE(pieces));

	do_map_table(test, at(test, block), sgt, 0, block);
	check_leaf(test, at(test, block), block);
	check_range(test, at(test, block), paddr, block);
}

/* Each granule is found again after the block, and none of it takes more than its own */
static void sgtable_of_a_block_and_granules(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, block = block_size(test);
	u64 paddr = some_paddr(test, block);
	struct sg_piece pieces[] = {
		{ paddr, block },
		{ paddr + 2 * granule, granule },
		{ paddr + 4 * granule, granule },
		{ paddr + 6 * granule, granule },
	};
	struct sg_table *sgt = make_dma_table(test, pieces, ARRAY_SIZE(pieces));
	u64 iova = at(test, block), size = block + 3 * granule;

	do_map_table(test, iova, sgt, 0, size);
	check_leaf(test, iova, block);
	check_leaf(test, iova + block, granule);
	check_range(test, iova, paddr, block);
	check_range(test, iova + block, paddr + 2 * granule, granule);
	check_range(test, iova + block + granule, paddr + 4 * granule, granule);
	check_range(test, iova + block + 2 * granule, paddr + 6 * granule, granule);
	check_mapped(test, size);
	do_map_fails(test, iova + block + granule, 0, granule, -EEXIST);
	do_unmap(test, iova, size);
	check_hole(test, iova, size);
}

/* The same behind granules, and with two blocks */
static void sgtable_of_granules_between_blocks(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule, block = block_size(test);
	u64 paddr = some_paddr(test, block);
	struct sg_piece pieces[] = {
		{ 0, granule },
		{ paddr, block },
		{ 4 * granule, granule },
		{ 6 * granule, granule },
		{ 8 * granule, block - 2 * granule },
		{ paddr, block },
		{ 2 * granule, granule },
	};
	struct sg_table *sgt = make_dma_table(test, pieces, ARRAY_SIZE(pieces));
	u64 iova = at(test, block - granule), size = 3 * block + 2 * granule;

	do_map_table(test, iova, sgt, 0, size);
	check_leaf(test, at(test, block), block);
	check_leaf(test, at(test, 3 * block), block);
	check_range(test, iova, 0, granule);
	check_range(test, at(test, 2 * block), 4 * granule, granule);
	check_range(test, at(test, 2 * block + granule), 6 * granule, granule);
	check_range(test, at(test, 2 * block + 2 * granule), 8 * granule,
		    block - 2 * granule);
	check_range(test, at(test, 4 * block), 2 * granule, granule);
	check_mapped(test, size);
	do_unmap(test, iova, size);
	check_hole(test, iova, size);
}

static void expect_table_refused(struct kunit *test, struct sg_table *sgt,
				 u64 offset, u64 size, int err)
{
	struct pgt_snapshot snap;

	take_snapshot(test, &snap, at(test, 0), size);
	check_map_result(test, map_dma_table(test, at(test, 0), sgt, offset, size, GFP_KERNEL),
			 0, err);
	check_snapshot(test, &snap);
}

static void sgtable_that_is_too_short(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	struct sg_piece pieces[] = { { 0, granule }, { 4 * granule, granule } };
	struct sg_table *sgt = make_dma_table(test, pieces, ARRAY_SIZE(pieces));

	expect_table_refused(test, sgt, 0, 3 * granule, -EINVAL);
	expect_table_refused(test, sgt, granule, 2 * granule, -EINVAL);
	expect_table_refused(test, sgt, 2 * granule, granule, -EINVAL);
	expect_table_refused(test, sgt, 1000 * granule, granule, -EINVAL);
}

static void sgtable_without_entries(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;

	expect_table_refused(test, make_dma_table(test, NULL, 0), 0, granule, -EINVAL);
}

/* What counts is the contiguous piece, not how the table spells it. */
static void sgtable_entries_smaller_than_a_granule(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	u64 paddr = some_paddr(test, granule);
	struct sg_piece pieces[] = {
		{ paddr, 512 }, { paddr + 512, granule - 512 }, { paddr + granule, granule },
	};
	struct sg_table *sgt = make_dma_table(test, pieces, ARRAY_SIZE(pieces));

	do_map_table(test, at(test, 0), sgt, 0, 2 * granule);
	check_range(test, at(test, 0), paddr, 2 * granule);
}

static void sgtable_offset_that_leads_to_a_granule(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	u64 paddr = some_paddr(test, granule);
	struct sg_piece piece = { paddr - 512, 512 + granule };
	struct sg_table *sgt = make_dma_table(test, &piece, 1);

	do_map_table(test, at(test, 0), sgt, 512, granule);
	check_range(test, at(test, 0), paddr, granule);
}

static void sgtable_with_a_misaligned_entry(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	struct sg_piece address[] = { { 0, granule }, { 4 * granule + 512, granule } };
	struct sg_piece length[] = { { 0, granule + 512 }, { 4 * granule, granule } };

	expect_table_refused(test, make_dma_table(test, address, 2), 0, 2 * granule, -EINVAL);
	expect_table_refused(test, make_dma_table(test, length, 2), 0, 2 * granule, -EINVAL);
}

static void sgtable_with_an_entry_out_of_range(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 granule = fix->granule;
	struct sg_piece pieces[] = {
		{ 0, granule }, { fix->paddr_last - granule + 1, 2 * granule },
	};

	expect_table_refused(test, make_dma_table(test, pieces, 2), 0, 3 * granule, -ERANGE);
}

/* Each address is that of the entry plus what the offset skips of it */
static void sgtable_offset_leads_to_a_bad_address(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 granule = fix->granule, quarter = granule / 4;
	u64 paddr = some_paddr(test, granule);
	struct sg_piece high = { fix->paddr_last - granule + 1, 3 * granule };
	struct sg_piece odd = { paddr + quarter, quarter + 3 * granule };
	struct sg_piece rest[] = { { paddr + quarter, granule + 3 * quarter }, { 0, granule } };

	expect_table_refused(test, make_dma_table(test, &high, 1), granule, granule, -ERANGE);
	expect_table_refused(test, make_dma_table(test, &odd, 1), quarter, granule, -EINVAL);
	/* From the next granule on it is right, for a granule */
	expect_table_refused(test, make_dma_table(test, rest, 2), quarter, granule, -EINVAL);
	do_map_table(test, at(test, 0), make_dma_table(test, rest, 2), 3 * quarter,
		     2 * granule);
	check_range(test, at(test, 0), paddr + granule, granule);
	check_range(test, at(test, granule), 0, granule);
}

static void sgtable_over_something_is_refused(struct kunit *test)
{
	u64 granule = pgt_fixture(test)->granule;
	struct sg_piece pieces[] = { { 0, granule }, { 4 * granule, granule } };

	do_map(test, at(test, granule), 16 * granule, granule);
	expect_table_refused(test, make_dma_table(test, pieces, 2), 0, 2 * granule, -EEXIST);
}

/* The CPU's addresses are those of real pages; the device's are garbage here. */
static void sgtable_of_cpu_addresses(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	unsigned int order = get_order(fix->granule);
	struct io_pgtable_safe_map_result res;
	struct page *page = alloc_pages(GFP_KERNEL, order);
	struct scatterlist sg[2];
	struct sg_table sgt = { .sgl = sg, .nents = 0, .orig_nents = 2 };
	phys_addr_t paddr;

	KUNIT_ASSERT_NOT_NULL(test, page);
	paddr = page_to_phys(page);
	sg_init_table(sg, 2);
	sg_set_page(&sg[0], page, fix->granule, 0);
	sg_set_page(&sg[1], page, fix->granule, 0);
	sg_dma_address(&sg[0]) = ~(dma_addr_t)0;

	res = io_pgtable_safe_map_sgtable(fix->pgt, at(test, 0), &sgt,
					  IO_PGTABLE_SAFE_SG_CPU, 0, 2 * fix->granule,
					  PGT_PROT, GFP_KERNEL);
	check_map_result(test, res, 2 * fix->granule, 0);
	check_range(test, at(test, 0), paddr, fix->granule);
	check_range(test, at(test, fix->granule), paddr, fix->granule);
	do_unmap(test, at(test, 0), 2 * fix->granule);
	__free_pages(page, order);
}

#define FORMAT_CASE(name) KUNIT_CASE_PARAM(name, pgt_formats_gen_params)
#define BLOCK_CASE(name) KUNIT_CASE_PARAM(name, pgt_block_formats_gen_params)

static struct kunit_case cycle_cases[] = {
	FORMAT_CASE(map_and_unmap_a_granule),
	FORMAT_CASE(map_elsewhere_after_unmap),
	FORMAT_CASE(physical_address_zero),
	FORMAT_CASE(last_granule_of_the_address_space),
	FORMAT_CASE(last_granule_of_physical_memory),
	BLOCK_CASE(map_last_blocks),
	FORMAT_CASE(every_page_size_is_one_leaf),
	FORMAT_CASE(map_pages_takes_every_page_size),
	BLOCK_CASE(map_picks_the_best_page_sizes),
	BLOCK_CASE(map_blocks_and_pages_next_to_others),
	BLOCK_CASE(map_uses_pages_where_the_physical_address_needs_them),
	FORMAT_CASE(map_larger_than_the_largest_block),
	BLOCK_CASE(blocks_of_two_tables_are_leaves),
	FORMAT_CASE(works_with_interrupts_off),
	BLOCK_CASE(block_over_an_empty_table),
	BLOCK_CASE(pages_after_a_block),
	FORMAT_CASE(empty_tables_are_used_again),
	BLOCK_CASE(unmap_pages_of_two_maps_as_one_block),
	BLOCK_CASE(unmap_two_maps_at_once),
	FORMAT_CASE(unmap_one_map_in_two_steps),
	BLOCK_CASE(unmap_a_block_in_units_of_pages),
	BLOCK_CASE(unmap_pages_with_a_hole_is_refused),
	FORMAT_CASE(unmap_of_a_hole_is_refused),
	BLOCK_CASE(unmap_of_part_of_a_block_is_refused),
	BLOCK_CASE(unmap_blocks_and_pages_together),
	FORMAT_CASE(map_over_something_is_refused),
	BLOCK_CASE(block_over_a_page_is_refused),
	BLOCK_CASE(page_over_a_block_is_refused),
	FORMAT_CASE(mapped_counts_bytes),
	{}
};

static struct kunit_suite cycle_suite = {
	.name = "io_pgtable_safe_cycle",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = cycle_cases,
};

static struct kunit_case present_cases[] = {
	FORMAT_CASE(unmap_present_leaps_over_holes),
	FORMAT_CASE(unmap_present_leaves_neighbours_alone),
	FORMAT_CASE(unmap_present_of_nothing),
	FORMAT_CASE(unmap_present_of_the_whole_address_space),
	BLOCK_CASE(unmap_present_cuts_no_block),
	{}
};

static struct kunit_suite present_suite = {
	.name = "io_pgtable_safe_present",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = present_cases,
};

static struct kunit_case questions_cases[] = {
	BLOCK_CASE(lookup_gives_the_leaf_around_any_byte),
	FORMAT_CASE(next_finds_each_extent),
	FORMAT_CASE(next_starts_within_an_extent),
	BLOCK_CASE(leaf_span_widens_to_leaves),
	FORMAT_CASE(leaf_span_of_a_hole_is_the_range_itself),
	BLOCK_CASE(unmap_part_of_a_block_by_its_leaf_span),
	{}
};

static struct kunit_suite questions_suite = {
	.name = "io_pgtable_safe_questions",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = questions_cases,
};

static struct kunit_case sgtable_cases[] = {
	FORMAT_CASE(sgtable_maps_every_entry),
	FORMAT_CASE(sgtable_offset_and_size_select_a_part),
	FORMAT_CASE(sgtable_offset_skips_whole_entries),
	FORMAT_CASE(sgtable_of_chained_arrays),
	BLOCK_CASE(sgtable_contiguous_entries_become_a_block),
	BLOCK_CASE(sgtable_of_a_block_and_granules),
	BLOCK_CASE(sgtable_of_granules_between_blocks),
	FORMAT_CASE(sgtable_that_is_too_short),
	FORMAT_CASE(sgtable_without_entries),
	FORMAT_CASE(sgtable_entries_smaller_than_a_granule),
	FORMAT_CASE(sgtable_offset_that_leads_to_a_granule),
	FORMAT_CASE(sgtable_with_a_misaligned_entry),
	FORMAT_CASE(sgtable_with_an_entry_out_of_range),
	FORMAT_CASE(sgtable_offset_leads_to_a_bad_address),
	FORMAT_CASE(sgtable_over_something_is_refused),
	FORMAT_CASE(sgtable_of_cpu_addresses),
	{}
};

static struct kunit_suite sgtable_suite = {
	.name = "io_pgtable_safe_sgtable",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = sgtable_cases,
};

static struct kunit_case repeat_cases[] = {
	FORMAT_CASE(map_repeat_of_a_granule),
	FORMAT_CASE(map_repeat_cuts_the_last_one_short),
	BLOCK_CASE(map_repeat_uses_blocks),
	BLOCK_CASE(map_repeat_begins_in_the_middle),
	FORMAT_CASE(map_repeat_shorter_than_the_block),
	{}
};

static struct kunit_suite repeat_suite = {
	.name = "io_pgtable_safe_repeat",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = repeat_cases,
};

kunit_test_suites(&cycle_suite, &present_suite, &questions_suite,
		  &sgtable_suite, &repeat_suite);
