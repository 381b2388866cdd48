// SPDX-License-Identifier: GPL-2.0
/*
 * Who owns a page table, and when it may be freed.
 */
#include <linux/cleanup.h>
#include <linux/gfp.h>
#include <linux/platform_device.h>

#include "helpers.h"
#include "mock_format.h"

static long pages(struct kunit *test)
{
	return atomic_long_read(&pgt_fixture(test)->pages);
}

/* --- under a device ------------------------------------------------------- */

static void free_keeps_a_live_table(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	phys_addr_t paddr = some_paddr(test, fix->granule);
	long before;

	do_map(test, at(test, 0), paddr, 4 * fix->granule);
	before = pages(test);
	pgt_forget_flushes(test);

	set_live(test);
	io_pgtable_safe_free(fix->pgt);
	KUNIT_EXPECT_EQ(test, pages(test), before);
	KUNIT_EXPECT_EQ(test, atomic_read(&fix->flushes), 0);
	check_range(test, at(test, 0), paddr, 4 * fix->granule);
}

static void live_table_can_be_freed_when_it_no_longer_is(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);

	do_map(test, at(test, 0), 0, fix->granule);
	set_live(test);
	io_pgtable_safe_free(fix->pgt);
	clear_live(test);
	close_table(test);
	KUNIT_EXPECT_EQ(test, pages(test), 0);
}

static void live_table_maps_and_unmaps(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);

	set_live(test);
	do_map(test, at(test, 0), 0, 4 * fix->granule);
	check_range(test, at(test, 0), 0, 4 * fix->granule);
	do_unmap(test, at(test, 0), 4 * fix->granule);
	check_hole(test, at(test, 0), 4 * fix->granule);
}

static void free_with_mappings_returns_all_memory(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);

	do_map(test, at(test, 0), 0, 4 * fix->granule);
	do_map(test, fix->last - fix->granule + 1, 0, fix->granule);
	if (pgt_counts_pages(test))
		KUNIT_EXPECT_GT(test, pages(test), 0);
	pgt_forget_flushes(test);
	close_table(test);
	KUNIT_EXPECT_EQ(test, pages(test), 0);
	KUNIT_EXPECT_GE(test, atomic_read(&fix->flushes), 1);
	KUNIT_EXPECT_EQ(test, fix->flush_log[0].kind, PGT_FLUSH_ALL);
}

PGT_FORMATS_PARAM();

static struct kunit_case live_cases[] = {
	KUNIT_CASE_PARAM(free_keeps_a_live_table, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(live_table_can_be_freed_when_it_no_longer_is, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(live_table_maps_and_unmaps, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(free_with_mappings_returns_all_memory, pgt_formats_gen_params),
	{}
};

static struct kunit_suite live_suite = {
	.name = "io_pgtable_safe_live",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = live_cases,
};

/* --- owners --------------------------------------------------------------- */

static void free_of_nothing(struct kunit *test)
{
	io_pgtable_safe_free(NULL);
	io_pgtable_safe_free(ERR_PTR(-ENOMEM));
}

static void wrapped_table_is_released_once(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	KUNIT_EXPECT_EQ(test, mock->released, 0U);
	close_table(test);
	KUNIT_EXPECT_EQ(test, mock->released, 1U);
}

static void live_wrapped_table_is_not_released(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	set_live(test);
	set_live(test);
	io_pgtable_safe_free(pgt_fixture(test)->pgt);
	KUNIT_EXPECT_EQ(test, mock->released, 0U);
	clear_live(test);
	clear_live(test);
	close_table(test);
	KUNIT_EXPECT_EQ(test, mock->released, 1U);
}

static void broken_table_is_released(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe_unmap_result res;

	do_map(test, 0, 0, SZ_8K);
	mock_next_unmap(mock, 0);
	res = io_pgtable_safe_unmap(pgt_fixture(test)->pgt, 0, SZ_8K, 0);
	check_unmap_result(test, res, 0, -EIO);
	check_broken(test);
	check_broken(test);
	close_table(test);
	KUNIT_EXPECT_EQ(test, mock->released, 1U);
}

static void broken_live_table_is_not_released(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	struct io_pgtable_safe_map_result res;

	set_live(test);
	mock_next_map(mock, SIZE_MAX, 0);
	res = io_pgtable_safe_map(pgt_fixture(test)->pgt, 0, 0, SZ_8K, PGT_PROT, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, res.err, -EIO);
	io_pgtable_safe_free(pgt_fixture(test)->pgt);
	KUNIT_EXPECT_EQ(test, mock->released, 0U);
}

static void wrapped_real_table_works_and_is_freed(struct kunit *test)
{
	const struct pgt_format *format = test->param_value;
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_ops *ops;
	struct io_pgtable_cfg cfg;

	if (!pgt_format_built(format->fmt))
		kunit_skip(test, "this kernel is built without the format");
	pgt_make_cfg(test, format, &cfg);
	ops = alloc_io_pgtable_ops(format->fmt, &cfg, fix);
	KUNIT_ASSERT_NOT_NULL(test, ops);
	pgt_adopt(test, io_pgtable_safe_wrap(ops, free_io_pgtable_ops));
	KUNIT_EXPECT_PTR_EQ(test, fix->raw, ops);
	KUNIT_EXPECT_EQ(test, fix->cfg->pgsize_bitmap, cfg.pgsize_bitmap);

	do_map(test, at(test, 0), some_paddr(test, fix->granule), 20 * fix->granule);
	check_range(test, at(test, 0), some_paddr(test, fix->granule), 20 * fix->granule);
	do_map_fails(test, at(test, 0), 0, fix->granule, -EEXIST);
	do_unmap(test, at(test, 0), 20 * fix->granule);
	check_hole(test, at(test, 0), 20 * fix->granule);
	KUNIT_EXPECT_GT(test, atomic_read(&fix->flushes), 0);
	close_table(test);
	KUNIT_EXPECT_EQ(test, pages(test), 0);
}

static struct kunit_case owner_cases[] = {
	KUNIT_CASE(free_of_nothing),
	KUNIT_CASE(wrapped_table_is_released_once),
	KUNIT_CASE(live_wrapped_table_is_not_released),
	KUNIT_CASE(broken_table_is_released),
	KUNIT_CASE(broken_live_table_is_not_released),
	KUNIT_CASE_PARAM(wrapped_real_table_works_and_is_freed, pgt_formats_gen_params),
	{}
};

static struct kunit_suite owner_suite = {
	.name = "io_pgtable_safe_owner",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = owner_cases,
};

/* --- scopes and devices --------------------------------------------------- */

static struct io_pgtable_safe *alloc_counted(struct kunit *test)
{
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	return io_pgtable_safe_alloc(ARM_64_LPAE_S1, &cfg, pgt_fixture(test));
}

/* Without an allocator of its own the test would not see the memory return. */
static void skip_without_counted_pages(struct kunit *test)
{
	struct io_pgtable_safe *pgt = alloc_counted(test);
	bool counted = pages(test) > 0;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pgt);
	io_pgtable_safe_free(pgt);
	if (!counted)
		kunit_skip(test, "this kernel has no custom allocators");
}

static void scope_frees_the_table(struct kunit *test)
{
	skip_without_counted_pages(test);
	{
		struct io_pgtable_safe *pgt __free(io_pgtable_safe) = alloc_counted(test);

		KUNIT_EXPECT_FALSE(test, IS_ERR(pgt));
		KUNIT_EXPECT_GT(test, pages(test), 0);
	}
	KUNIT_EXPECT_EQ(test, pages(test), 0);
}

static struct io_pgtable_safe *alloc_in_a_scope(struct kunit *test)
{
	struct io_pgtable_safe *pgt __free(io_pgtable_safe) = alloc_counted(test);

	return no_free_ptr(pgt);
}

static void table_taken_out_of_a_scope_stays(struct kunit *test)
{
	pgt_adopt(test, alloc_in_a_scope(test));
	do_map(test, 0, 0, SZ_4K);
	check_range(test, 0, 0, SZ_4K);
}

static void scope_ignores_an_error_pointer(struct kunit *test)
{
	struct io_pgtable_cfg cfg = {};
	struct io_pgtable_safe *pgt __free(io_pgtable_safe) =
		io_pgtable_safe_alloc(ARM_64_LPAE_S1, &cfg, NULL);

	KUNIT_EXPECT_TRUE(test, IS_ERR(pgt));
}

static struct platform_device *make_device(struct kunit *test)
{
	struct platform_device *pdev;

	pdev = platform_device_register_simple("io_pgtable_safe_devm",
					       PLATFORM_DEVID_AUTO, NULL, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pdev);
	return pdev;
}

static struct io_pgtable_safe *alloc_for(struct kunit *test, struct device *dev)
{
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	return devm_io_pgtable_safe_alloc(dev, ARM_64_LPAE_S1, &cfg, pgt_fixture(test));
}

static void table_goes_with_its_device(struct kunit *test)
{
	struct platform_device *pdev;
	struct io_pgtable_safe *pgt;

	skip_without_counted_pages(test);
	pdev = make_device(test);
	pgt = alloc_for(test, &pdev->dev);
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(pgt));
	KUNIT_EXPECT_GT(test, pages(test), 0);
	platform_device_unregister(pdev);
	KUNIT_EXPECT_EQ(test, pages(test), 0);
}

static void live_table_outlives_its_device(struct kunit *test)
{
	struct platform_device *pdev = make_device(test);
	struct io_pgtable_safe *pgt = alloc_for(test, &pdev->dev);

	if (IS_ERR(pgt)) {
		platform_device_unregister(pdev);
		KUNIT_FAIL(test, "no table: %pe", pgt);
		return;
	}
	pgt_adopt(test, pgt);
	do_map(test, 0, SZ_1M, SZ_8K);
	set_live(test);
	platform_device_unregister(pdev);
	check_range(test, 0, SZ_1M, SZ_8K);
}

static void devm_alloc_says_why_too(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct device *dev = &fix->pdev->dev;
	struct io_pgtable_safe *pgt;
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	cfg.oas = 33;
	pgt = devm_io_pgtable_safe_alloc(dev, ARM_64_LPAE_S1, &cfg, fix);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pgt), -EINVAL);
	cfg.oas = 48;
	cfg.quirks = BIT(31);
	pgt = devm_io_pgtable_safe_alloc(dev, ARM_64_LPAE_S1, &cfg, fix);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pgt), -EOPNOTSUPP);
}

static struct kunit_case scope_cases[] = {
	KUNIT_CASE(scope_frees_the_table),
	KUNIT_CASE(table_taken_out_of_a_scope_stays),
	KUNIT_CASE(scope_ignores_an_error_pointer),
	KUNIT_CASE(table_goes_with_its_device),
	KUNIT_CASE(live_table_outlives_its_device),
	KUNIT_CASE(devm_alloc_says_why_too),
	{}
};

static struct kunit_suite scope_suite = {
	.name = "io_pgtable_safe_scope",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = scope_cases,
};

kunit_test_suites(&live_suite, &owner_suite, &scope_suite);
