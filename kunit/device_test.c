// SPDX-License-Identifier: GPL-2.0
/*
 * The model of the device: that it finds what it is there to find, and then that it
 * finds nothing in what the checked API does.
 */
#include <linux/iommu.h>

#include "device.h"
#include "helpers.h"
#include "io_pgtable_safe_compat.h"

PGT_FORMATS_PARAM();

static struct device_model *dev;

static int device_test_init(struct kunit *test)
{
	int err = pgt_test_init(test);

	if (!err)
		dev = device_open(test);
	return err;
}

/* --- the raw ops ---------------------------------------------------------- */

/* A table through its raw ops, whose leaves nobody invalidates. */
static struct raw_table {
	struct io_pgtable_ops *ops;
	struct io_pgtable_cfg cfg;
	struct iommu_flush_ops tlb;
} raw;

static void open_raw(struct kunit *test, enum pgt_format_id id, bool flush_walk)
{
	const struct pgt_format *format = &pgt_formats[id];

	pgt_make_cfg(test, format, &raw.cfg);
	device_set_callbacks(&raw.cfg);
	raw.tlb = device_flush_ops;
	raw.tlb.tlb_add_page = NULL;
	if (!flush_walk)
		raw.tlb.tlb_flush_walk = NULL;
	raw.cfg.tlb = &raw.tlb;
	raw.ops = alloc_io_pgtable_ops(format->fmt, &raw.cfg, dev);
	KUNIT_ASSERT_NOT_NULL(test, raw.ops);
	device_set_table(dev, format->fmt, &raw.cfg);
}

static void finds_exit(struct kunit *test)
{
	if (dev)
		device_clear_table(dev);
	free_io_pgtable_ops(raw.ops);
	raw.ops = NULL;
	dev = NULL;
	pgt_test_exit(test);
}

static void raw_map(struct kunit *test, u64 iova, phys_addr_t paddr, size_t size, size_t count)
{
	size_t mapped = 0;

	KUNIT_ASSERT_EQ(test, raw.ops->map_pages(raw.ops, iova, paddr, size, count, PGT_PROT,
						 GFP_KERNEL, &mapped), 0);
	KUNIT_ASSERT_EQ(test, mapped, size * count);
}

static void raw_unmap(struct kunit *test, u64 iova, size_t size, size_t count)
{
	KUNIT_ASSERT_EQ(test, raw.ops->unmap_pages(raw.ops, iova, size, count, NULL),
			size * count);
}

/* --- what it finds -------------------------------------------------------- */

static void expect_fault(struct kunit *test, enum device_fault fault)
{
	KUNIT_EXPECT_EQ_MSG(test, device_take_fault(dev), fault, "from %pS", (void *)_RET_IP_);
}

static void an_unmap_without_a_flush(struct kunit *test)
{
	open_raw(test, PGT_LPAE_4K, true);
	raw_map(test, SZ_4K, SZ_1G, SZ_4K, 2);
	KUNIT_EXPECT_FALSE(test, device_knows(dev, 0, SZ_2M));
	device_touch(dev, SZ_4K, SZ_4K);
	KUNIT_EXPECT_TRUE(test, device_knows(dev, 0, SZ_2M));
	KUNIT_EXPECT_FALSE(test, device_knows(dev, SZ_8K, SZ_2M));
	device_check(dev);

	raw_unmap(test, SZ_4K, SZ_4K, 2);
	KUNIT_EXPECT_TRUE(test, device_knows(dev, SZ_4K, SZ_8K - 1));
	device_expect_fault(dev);
	device_check(dev);
	expect_fault(test, DEVICE_STALE);

	raw.tlb.tlb_flush_walk(SZ_4K, SZ_8K, SZ_4K, dev);
	KUNIT_EXPECT_FALSE(test, device_knows(dev, SZ_4K, SZ_8K - 1));
	device_check(dev);
}

static void an_empty_table_for_a_block(struct kunit *test, u64 page, u64 block)
{
	raw_map(test, block, 0, page, 1);
	device_touch(dev, block, block);
	raw_unmap(test, block, page, 1);
	device_invalidate(dev, block, block + page - 1);
	device_check(dev);
	/* It is empty, but known again */
	raw_map(test, block, 0, page, 1);
	device_touch(dev, block, block);
	raw_unmap(test, block, page, 1);
	raw.tlb.tlb_add_page = device_flush_ops.tlb_add_page;
	raw.tlb.tlb_add_page(NULL, block, page, dev);
	KUNIT_EXPECT_FALSE(test, device_knows(dev, block, block + page - 1));
	device_check(dev);
	raw.tlb.tlb_add_page = NULL;

	device_expect_fault(dev);
	raw_map(test, block, 0, block, 1);
}

/* tlb_flush_walk() that does nothing, as GPU drivers have it. */
static void a_table_that_is_freed_before_the_walk_cache(struct kunit *test)
{
	open_raw(test, PGT_LPAE_4K, false);
	an_empty_table_for_a_block(test, SZ_4K, SZ_2M);
#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
	expect_fault(test, DEVICE_TABLE_GIVEN_BACK);
#else
	/* Nobody hears of it, but it is seen afterwards */
	device_check(dev);
	expect_fault(test, DEVICE_STALE);
#endif
	raw_unmap(test, SZ_2M, SZ_2M, 1);
}

static void a_table_that_is_freed_in_time(struct kunit *test)
{
	open_raw(test, PGT_LPAE_4K, true);
	an_empty_table_for_a_block(test, SZ_4K, SZ_2M);
	device_check(dev);
	expect_fault(test, DEVICE_NO_FAULT);
	raw_unmap(test, SZ_2M, SZ_2M, 1);
}

static void a_block_over_a_known_table(struct kunit *test, enum pgt_format_id id, u64 page,
				       u64 block)
{
	open_raw(test, id, false);
	an_empty_table_for_a_block(test, page, block);
	device_take_fault(dev);
	device_expect_fault(dev);
	device_touch(dev, block, block);
	expect_fault(test, DEVICE_BLOCK_AND_TABLE);
	raw_unmap(test, block, block, 1);
}

static void a_block_over_a_table(struct kunit *test)
{
	a_block_over_a_known_table(test, PGT_LPAE_4K, SZ_4K, SZ_2M);
}

static void a_section_over_a_table(struct kunit *test)
{
	a_block_over_a_known_table(test, PGT_V7S, SZ_4K, SZ_1M);
}

static void a_table_over_a_block(struct kunit *test)
{
	open_raw(test, PGT_LPAE_4K, true);
	raw_map(test, SZ_2M, 0, SZ_2M, 1);
	device_touch(dev, SZ_2M, SZ_2M);
	raw_unmap(test, SZ_2M, SZ_2M, 1);
	raw_map(test, SZ_2M + SZ_4K, SZ_4K, SZ_4K, 1);
	device_expect_fault(dev);
	device_touch(dev, SZ_2M + SZ_4K, SZ_2M + SZ_4K);
	expect_fault(test, DEVICE_BLOCK_AND_TABLE);
	raw_unmap(test, SZ_2M + SZ_4K, SZ_4K, 1);
}

static void two_translations(struct kunit *test)
{
	open_raw(test, PGT_V7S, true);
	raw_map(test, 0, 0, SZ_64K, 1);
	device_touch(dev, SZ_4K, SZ_4K);
	raw_unmap(test, 0, SZ_64K, 1);
	/* Leads to the same memory, but is another leaf */
	raw_map(test, SZ_8K, SZ_8K, SZ_4K, 1);
	device_touch(dev, SZ_4K, SZ_4K);
	device_expect_fault(dev);
	device_touch(dev, SZ_8K, SZ_8K);
	expect_fault(test, DEVICE_TWO_TRANSLATIONS);
	raw_unmap(test, SZ_8K, SZ_4K, 1);
}

static void an_entry_that_no_hardware_accepts(struct kunit *test)
{
	open_raw(test, PGT_LPAE_4K, true);
	/* Address bits of misaligned memory, where bits of a block are reserved */
	raw_map(test, SZ_2M, SZ_4K, SZ_2M, 1);
	device_expect_fault(dev);
	device_touch(dev, SZ_2M, SZ_2M);
	expect_fault(test, DEVICE_BAD_ENTRY);
	raw_unmap(test, SZ_2M, SZ_2M, 1);
}

/* --- what an invalidation hits -------------------------------------------- */

static void flush_walk(u64 iova, u64 size, u64 granule)
{
	raw.tlb.tlb_flush_walk(iova, size, granule, dev);
}

static void a_granule_larger_than_the_leaves(struct kunit *test)
{
	open_raw(test, PGT_LPAE_4K, true);
	raw_map(test, 0, 0, SZ_4K, 512);
	device_touch(dev, 0, SZ_2M - 1);
	flush_walk(0, SZ_2M, SZ_2M);
	KUNIT_EXPECT_FALSE(test, device_knows(dev, 0, SZ_4K - 1));
	KUNIT_EXPECT_TRUE(test, device_knows(dev, SZ_4K, SZ_8K - 1));
	KUNIT_EXPECT_TRUE(test, device_knows(dev, SZ_2M - SZ_4K, SZ_2M - 1));
	flush_walk(SZ_4K, SZ_64K, SZ_8K);
	KUNIT_EXPECT_FALSE(test, device_knows(dev, SZ_4K, SZ_8K - 1));
	KUNIT_EXPECT_TRUE(test, device_knows(dev, SZ_8K, SZ_8K + SZ_4K - 1));
	flush_walk(0, SZ_2M, SZ_4K);
	KUNIT_EXPECT_FALSE(test, device_knows(dev, 0, SZ_2M - 1));
	raw_unmap(test, 0, SZ_4K, 512);
}

static void a_granule_smaller_than_the_leaf(struct kunit *test)
{
	open_raw(test, PGT_LPAE_4K, true);
	raw_map(test, SZ_2M, 0, SZ_2M, 2);
	device_touch(dev, SZ_2M, 3 * SZ_2M - 1);
	flush_walk(SZ_4M - SZ_4K, SZ_4K, SZ_4K);
	KUNIT_EXPECT_FALSE(test, device_knows(dev, SZ_2M, SZ_4M - 1));
	KUNIT_EXPECT_TRUE(test, device_knows(dev, SZ_4M, 3 * SZ_2M - 1));
	raw_unmap(test, SZ_2M, SZ_2M, 2);
}

static void a_flush_that_no_driver_can_serve(struct kunit *test)
{
	open_raw(test, PGT_LPAE_4K, true);
	device_expect_fault(dev);
	flush_walk(0, SZ_4K, SZ_8K);
	expect_fault(test, DEVICE_BAD_FLUSH);
	device_expect_fault(dev);
	flush_walk(0, 0, SZ_4K);
	expect_fault(test, DEVICE_BAD_FLUSH);
}

/* Invalidating before the entry is gone is of no use to a device that prefetches. */
static void a_flush_that_comes_too_early(struct kunit *test)
{
	bool prefetches = false;

	open_raw(test, PGT_LPAE_4K, true);
	do {
		raw_map(test, SZ_4K, SZ_1G, SZ_4K, 1);
		device_prefetches(dev, prefetches);
		device_touch(dev, SZ_4K, SZ_4K);
		flush_walk(SZ_4K, SZ_4K, SZ_4K);
		raw_unmap(test, SZ_4K, SZ_4K, 1);
		KUNIT_EXPECT_EQ(test, device_knows(dev, SZ_4K, SZ_4K), prefetches);
		prefetches = !prefetches;
	} while (prefetches);
	flush_walk(SZ_4K, SZ_4K, SZ_4K);
	KUNIT_EXPECT_FALSE(test, device_knows(dev, SZ_4K, SZ_4K));
}

static void a_locked_region_may_lose_its_tables(struct kunit *test)
{
	open_raw(test, PGT_LPAE_4K, false);
	raw_map(test, SZ_2M, 0, SZ_4K, 1);
	device_touch(dev, SZ_2M, SZ_2M);
	device_lock_region(dev, SZ_2M, SZ_4M - 1);
	raw_unmap(test, SZ_2M, SZ_4K, 1);
	raw_map(test, SZ_2M, 0, SZ_2M, 1);
	device_unlock_region(dev);
	device_touch(dev, SZ_2M, SZ_2M);
	device_check(dev);
	raw_unmap(test, SZ_2M, SZ_2M, 1);
	device_invalidate(dev, SZ_2M, SZ_4M - 1);
}

static void what_is_stale_on_purpose(struct kunit *test)
{
	open_raw(test, PGT_LPAE_4K, true);
	raw_map(test, 0, 0, SZ_4K, 2);
	device_touch(dev, 0, SZ_8K - 1);
	raw_unmap(test, 0, SZ_4K, 1);
	device_allow_stale(dev, 0, SZ_4K - 1);
	device_check(dev);
	/* Not all is */
	raw_unmap(test, SZ_4K, SZ_4K, 1);
	device_expect_fault(dev);
	device_check(dev);
	expect_fault(test, DEVICE_STALE);
	flush_walk(0, SZ_8K, SZ_4K);
}

static void more_than_it_can_know(struct kunit *test)
{
	open_raw(test, PGT_LPAE_16K, true);
	raw_map(test, 0, 0, SZ_16K, 2048);
	raw_map(test, SZ_32M, SZ_32M, SZ_16K, 2048);
	device_touch(dev, 0, SZ_64M - 1);
	device_check(dev);
	KUNIT_EXPECT_TRUE(test, device_knows(dev, 0, SZ_64M - 1));
	flush_walk(0, SZ_64M, SZ_16K);
	KUNIT_EXPECT_FALSE(test, device_knows(dev, 0, SZ_64M - 1));
	raw_unmap(test, 0, SZ_16K, 2048);
	raw_unmap(test, SZ_32M, SZ_16K, 2048);
}

static struct kunit_case finds_cases[] = {
	KUNIT_CASE(an_unmap_without_a_flush),
	KUNIT_CASE(a_table_that_is_freed_before_the_walk_cache),
	KUNIT_CASE(a_table_that_is_freed_in_time),
	KUNIT_CASE(a_block_over_a_table),
	KUNIT_CASE(a_section_over_a_table),
	KUNIT_CASE(a_table_over_a_block),
	KUNIT_CASE(two_translations),
	KUNIT_CASE(an_entry_that_no_hardware_accepts),
	KUNIT_CASE(a_granule_larger_than_the_leaves),
	KUNIT_CASE(a_granule_smaller_than_the_leaf),
	KUNIT_CASE(a_flush_that_no_driver_can_serve),
	KUNIT_CASE(a_flush_that_comes_too_early),
	KUNIT_CASE(a_locked_region_may_lose_its_tables),
	KUNIT_CASE(what_is_stale_on_purpose),
	KUNIT_CASE(more_than_it_can_know),
	{}
};

static struct kunit_suite finds_suite = {
	.name = "io_pgtable_safe_device_finds",
	.init = device_test_init,
	.exit = finds_exit,
	.test_cases = finds_cases,
};

/* --- the checked API ------------------------------------------------------ */

/*
 * Three neighbours, each as large as a block that would take the place of a table
 * (where there are blocks), so that tables come and go.
 */
#define SLOTS 3

static const u8 orders[][SLOTS] = { { 0, 1, 2 }, { 1, 0, 2 }, { 2, 1, 0 }, { 0, 2, 1 } };

static u64 slot_size(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);

	/* A large page of v7s lies in a table; a section is in the place of one */
	if (fix->format->fmt == ARM_V7S)
		return SZ_1M;
	return nth_pgsize(test, 1) ?: 8 * fix->granule;
}

static u64 slot(struct kunit *test, unsigned int i)
{
	return at(test, (i + 1) * slot_size(test));
}

/*
 * The pages that a scenario maps in a slot: few at its beginning, with the table that
 * they need, or all that are in one table, so that it goes with them.
 */
static u64 pages_size(struct kunit *test, unsigned int i)
{
	u64 granule = pgt_fixture(test)->granule, size = slot_size(test);

	if (i == 1 && size / granule <= 2048)
		return size;
	return min(16 * granule, size);
}

static u64 all_pages_size(struct kunit *test)
{
	return pages_size(test, 0) + pages_size(test, 1) + pages_size(test, 2);
}

static void touch(u64 iova, u64 size)
{
	device_touch(dev, iova, iova + size - 1);
}

static void touch_slots(struct kunit *test)
{
	touch(slot(test, 0), SLOTS * slot_size(test));
	device_check(dev);
}

static void expect_forgotten(struct kunit *test, u64 iova, u64 size)
{
	KUNIT_EXPECT_FALSE_MSG(test, device_knows(dev, iova, iova + size - 1),
			       "%#llx, from %pS", iova, (void *)_RET_IP_);
	device_check(dev);
}

static void open_with_device(struct kunit *test, const struct pgt_format *format, bool callbacks)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_cfg cfg;

	if (!pgt_format_built(format->fmt))
		kunit_skip(test, "this kernel is built without %s", format->name);
	pgt_make_cfg(test, format, &cfg);
	device_set_callbacks(&cfg);
	if (!callbacks)
		cfg.tlb = NULL;
	pgt_adopt(test, io_pgtable_safe_alloc(format->fmt, &cfg, dev));
	fix->format = format;
	device_set_table(dev, format->fmt, fix->cfg);
}

static void close_with_device(struct kunit *test)
{
	device_clear_table(dev);
	close_table(test);
	KUNIT_EXPECT_EQ(test, device_pages(dev), 0);
}

static void checked_exit(struct kunit *test)
{
	if (dev)
		close_with_device(test);
	dev = NULL;
	pgt_test_exit(test);
}

static void map_pages_at(struct kunit *test, unsigned int i)
{
	u64 granule = pgt_fixture(test)->granule;

	do_map_pages(test, slot(test, i), i * SZ_64K, granule, pages_size(test, i) / granule);
}

static void unmap_pages_at(struct kunit *test, unsigned int i)
{
	do_unmap(test, slot(test, i), pages_size(test, i));
	expect_forgotten(test, slot(test, i), pages_size(test, i));
}

static void map_block_at(struct kunit *test, unsigned int i)
{
	do_map(test, slot(test, i), slot_size(test) * i, slot_size(test));
}

static void unmap_block_at(struct kunit *test, unsigned int i)
{
	do_unmap(test, slot(test, i), slot_size(test));
	expect_forgotten(test, slot(test, i), slot_size(test));
}

static void map_slots(struct kunit *test, void (*map_at)(struct kunit *test, unsigned int i),
		      const u8 order[SLOTS])
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		map_at(test, order[i]);
	touch_slots(test);
}

/* Each scenario twice: the second time the device prefetches. */
static void run_scenario(struct kunit *test, bool callbacks,
			 void (*scenario)(struct kunit *test, const u8 order[SLOTS]))
{
	unsigned int n;

	open_with_device(test, test->param_value, callbacks);
	for (n = 0; n < 2 * ARRAY_SIZE(orders); n++) {
		device_prefetches(dev, n >= ARRAY_SIZE(orders));
		scenario(test, orders[n % ARRAY_SIZE(orders)]);
		device_check(dev);
	}
	device_prefetches(dev, false);
}

static void change_pages_and_blocks(struct kunit *test, const u8 order[SLOTS])
{
	unsigned int i;

	map_slots(test, map_pages_at, order);
	for (i = 0; i < SLOTS; i++) {
		unmap_pages_at(test, order[i]);
		map_block_at(test, order[i]);
		touch_slots(test);
	}
	for (i = 0; i < SLOTS; i++) {
		unmap_block_at(test, order[i]);
		map_pages_at(test, order[i]);
		touch_slots(test);
	}
	for (i = 0; i < SLOTS; i++)
		unmap_pages_at(test, order[i]);
}

static void pages_and_blocks(struct kunit *test)
{
	run_scenario(test, true, change_pages_and_blocks);
}

static void unmap_later(struct kunit *test, u64 iova, u64 size)
{
	do_unmap_later(test, iova, size);
	device_allow_stale(dev, iova, iova + size - 1);
	device_check(dev);
}

static void flush(struct kunit *test, u64 iova, u64 size)
{
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt_fixture(test)->pgt, iova, size), 0);
	expect_forgotten(test, iova, size);
}

static void flush_in_another_order(struct kunit *test, const u8 order[SLOTS])
{
	unsigned int i;

	map_slots(test, map_pages_at, order);
	for (i = 0; i < SLOTS; i++)
		unmap_later(test, slot(test, order[i]), pages_size(test, order[i]));
	for (i = 0; i < SLOTS; i++)
		flush(test, slot(test, order[SLOTS - 1 - i]), slot_size(test));
	map_slots(test, map_block_at, order);
	for (i = 0; i < SLOTS; i++)
		unmap_later(test, slot(test, order[i]), slot_size(test));
	flush(test, slot(test, 0), SLOTS * slot_size(test));
}

static void unmap_now_and_flush_later(struct kunit *test)
{
	run_scenario(test, true, flush_in_another_order);
}

static void unmap_what_is_there(struct kunit *test, const u8 order[SLOTS])
{
	u64 pages = pages_size(test, order[0]), size = SLOTS * slot_size(test);

	map_pages_at(test, order[0]);
	map_block_at(test, order[1]);
	touch_slots(test);
	do_unmap_present(test, slot(test, 0), size, pages + slot_size(test));
	expect_forgotten(test, slot(test, 0), size);

	map_block_at(test, order[2]);
	touch_slots(test);
	check_unmap_result(test, io_pgtable_safe_unmap_present(pgt_fixture(test)->pgt,
							       slot(test, 0), size,
							       IO_PGTABLE_SAFE_NO_FLUSH),
			   slot_size(test), 0);
	device_allow_stale(dev, slot(test, 0), slot(test, 0) + size - 1);
	device_check(dev);
	flush(test, slot(test, 0), size);
}

static void what_is_there_is_unmapped(struct kunit *test)
{
	run_scenario(test, true, unmap_what_is_there);
}

static void cut_here(struct kunit *test, u64 iova, u64 size, u32 flags)
{
	check_unmap_result(test, io_pgtable_safe_cut(pgt_fixture(test)->pgt, iova, size,
						     PGT_PROT, GFP_KERNEL, flags),
			   size, 0);
	if (flags) {
		device_allow_stale(dev, iova, iova + size - 1);
		touch_slots(test);
		flush(test, iova, size);
	}
	expect_forgotten(test, iova, size);
	touch_slots(test);
}

static void cut_blocks(struct kunit *test, const u8 order[SLOTS])
{
	u64 granule = pgt_fixture(test)->granule, size = slot_size(test);
	unsigned int i;

	map_slots(test, map_block_at, order);
	/* Out of one block, then from one into its neighbour */
	cut_here(test, slot(test, order[0]) + size / 2, granule, 0);
	cut_here(test, slot(test, order[1]) + size / 4, 2 * granule, IO_PGTABLE_SAFE_NO_FLUSH);
	cut_here(test, slot(test, 1) - granule, 2 * granule, 0);
	cut_here(test, slot(test, 2) - granule, 2 * granule, IO_PGTABLE_SAFE_NO_FLUSH);
	do_unmap_present(test, slot(test, 0), SLOTS * size, SLOTS * size - 7 * granule);
	expect_forgotten(test, slot(test, 0), SLOTS * size);
	/* Blocks again, in the place of the tables */
	map_slots(test, map_block_at, order);
	for (i = 0; i < SLOTS; i++)
		unmap_block_at(test, order[i]);
}

static void blocks_are_cut(struct kunit *test)
{
	run_scenario(test, true, cut_blocks);
}

/* A device that prefetches sees what a map has done before it fails. */
static void a_map_that_fails_is_forgotten(struct kunit *test)
{
	u64 iova, size, granule;
	struct io_pgtable_safe_map_result res;
	unsigned int n;

	skip_without_fault_injection(test);
	open_with_device(test, test->param_value, true);
	device_prefetches(dev, true);
	granule = pgt_fixture(test)->granule;
	/* From the middle of one table to the middle of another */
	iova = slot(test, 0) + 4 * granule;
	size = 2 * slot_size(test) + granule;
	for (n = 1; n < 1000; n++) {
		fail_nth_allocation(n);
		/* Memory that no block fits */
		res = io_pgtable_safe_map(pgt_fixture(test)->pgt, iova, granule, size,
					  PGT_PROT, PGT_GFP_FAULTY);
		if (!an_allocation_failed())
			break;
		if (!res.err) {
			do_unmap(test, iova, size);
			continue;
		}
		check_map_result(test, res, 0, -ENOMEM);
		expect_forgotten(test, iova, size);
	}
	KUNIT_EXPECT_GT_MSG(test, n, 1, "no allocation failed");
	check_map_result(test, res, size, 0);
	device_prefetches(dev, false);
	do_unmap(test, iova, size);
	expect_forgotten(test, iova, size);
}

static struct kunit_case checked_cases[] = {
	KUNIT_CASE_PARAM(pages_and_blocks, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(unmap_now_and_flush_later, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(what_is_there_is_unmapped, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(blocks_are_cut, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(a_map_that_fails_is_forgotten, pgt_formats_gen_params),
	{}
};

static struct kunit_suite checked_suite = {
	.name = "io_pgtable_safe_device",
	.init = device_test_init,
	.exit = checked_exit,
	.test_cases = checked_cases,
};

/* --- a driver that invalidates itself ------------------------------------- */

/* As panthor does. */
static void lock_the_region(struct kunit *test, const u8 order[SLOTS])
{
	u64 first = slot(test, 0), last = slot(test, SLOTS) - 1;
	unsigned int i;

	map_slots(test, map_pages_at, order);
	device_lock_region(dev, first, last);
	do_unmap_present(test, first, last - first + 1, all_pages_size(test));
	for (i = 0; i < SLOTS; i++)
		map_block_at(test, order[i]);
	device_unlock_region(dev);
	touch_slots(test);
	device_lock_region(dev, first, last);
	do_cut(test, slot(test, 1) - pgt_fixture(test)->granule, slot_size(test));
	device_unlock_region(dev);
	touch_slots(test);
	device_lock_region(dev, first, last);
	do_unmap_present(test, first, last - first + 1, 2 * slot_size(test));
	device_unlock_region(dev);
	expect_forgotten(test, first, last - first + 1);
}

static void a_driver_locks_the_region(struct kunit *test)
{
	run_scenario(test, false, lock_the_region);
}

/* Without a lock: tables are kept until the driver says that it has invalidated. */
static void invalidate_before_the_flush(struct kunit *test, const u8 order[SLOTS])
{
	u64 first = slot(test, 0), last = slot(test, SLOTS) - 1;
	unsigned int i;

	map_slots(test, map_pages_at, order);
	for (i = 0; i < SLOTS; i++)
		unmap_later(test, slot(test, order[i]), pages_size(test, order[i]));
	device_invalidate(dev, first, last);
	flush(test, first, last - first + 1);
}

static void a_driver_invalidates_before_it_flushes(struct kunit *test)
{
	run_scenario(test, false, invalidate_before_the_flush);
}

static struct kunit_case self_cases[] = {
	KUNIT_CASE_PARAM(a_driver_locks_the_region, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(a_driver_invalidates_before_it_flushes, pgt_formats_gen_params),
	{}
};

static struct kunit_suite self_suite = {
	.name = "io_pgtable_safe_device_self",
	.init = device_test_init,
	.exit = checked_exit,
	.test_cases = self_cases,
};

kunit_test_suites(&finds_suite, &checked_suite, &self_suite);
