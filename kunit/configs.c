// SPDX-License-Identifier: GPL-2.0
/*
 * Which configurations are refused, why, and what comes of those that are not.
 */
#include <linux/gfp.h>
#include <linux/platform_device.h>

#include "helpers.h"
#include "io_pgtable_safe_compat.h"
#include "mock_format.h"

#define SIZES_4K (SZ_4K | SZ_2M | SZ_1G)
#define SIZES_V7S (SZ_4K | SZ_64K | SZ_1M | SZ_16M)

/**
 * struct bad_cfg - A configuration that is refused.
 * @name: Of the test case.
 * @fmt: Format.
 * @cfg: Configuration; the device is filled in.
 * @no_device: It is not.
 * @err: With which error it is refused.
 * @raw_takes_it: alloc_io_pgtable_ops() does not refuse it, or does worse.
 */
struct bad_cfg {
	const char *name;
	enum io_pgtable_fmt fmt;
	struct io_pgtable_cfg cfg;
	bool no_device;
	int err;
	bool raw_takes_it;
};

#define CFG(_sizes, _ias, _oas, ...)					\
	.cfg = { .pgsize_bitmap = (_sizes), .ias = (_ias), .oas = (_oas),	\
		 .coherent_walk = true, __VA_ARGS__ }

static const struct iommu_flush_ops no_flush_all = {};

static const struct bad_cfg bad_cfgs[] = {
	/* formats */
	{ "a format behind the last", IO_PGTABLE_NUM_FMTS,
	  CFG(SIZES_4K, 48, 48), .err = -EOPNOTSUPP },
	{ "a format before the first", (enum io_pgtable_fmt)-1,
	  CFG(SIZES_4K, 48, 48), .err = -EOPNOTSUPP },
	/* quirks */
	{ "lpae s1, a quirk of v7s", ARM_64_LPAE_S1,
	  CFG(SIZES_4K, 48, 48, .quirks = IO_PGTABLE_QUIRK_ARM_MTK_EXT),
	  .err = -EOPNOTSUPP },
	{ "lpae s1, a quirk nobody knows", ARM_64_LPAE_S1,
	  CFG(SIZES_4K, 48, 48, .quirks = BIT(31)), .err = -EOPNOTSUPP },
	{ "lpae s2, the upper half", ARM_64_LPAE_S2,
	  CFG(SIZES_4K, 40, 48, .quirks = IO_PGTABLE_QUIRK_ARM_TTBR1),
	  .err = -EOPNOTSUPP },
	{ "mali, any quirk", ARM_MALI_LPAE,
	  CFG(SIZES_4K, 48, 40, .quirks = IO_PGTABLE_QUIRK_ARM_NS),
	  .err = -EOPNOTSUPP },
	{ "v7s, the upper half", ARM_V7S,
	  CFG(SIZES_V7S, 32, 32, .quirks = IO_PGTABLE_QUIRK_ARM_TTBR1),
	  .err = -EOPNOTSUPP },
	{ "dart, any quirk", APPLE_DART,
	  CFG(SZ_4K, 32, 36, .quirks = IO_PGTABLE_QUIRK_ARM_NS),
	  .err = -EOPNOTSUPP, .raw_takes_it = true },
	/* concatenated tables at the top of stage 2, of which there are at most 16 */
	{ "lpae s2, 44 input bits for 40", ARM_64_LPAE_S2,
	  CFG(SIZES_4K, 44, 40), .err = -EINVAL, .raw_takes_it = true },
	{ "lpae s2, 44 input bits for 42", ARM_64_LPAE_S2,
	  CFG(SIZES_4K, 44, 42), .err = -EINVAL, .raw_takes_it = true },
	{ "lpae s2, 16K, 41 input bits for 40", ARM_64_LPAE_S2,
	  CFG(SZ_16K | SZ_32M, 41, 40), .err = -EINVAL, .raw_takes_it = true },
	/* address spaces */
	{ "lpae s1, no input bits", ARM_64_LPAE_S1,
	  CFG(SIZES_4K, 0, 48), .err = -EINVAL, .raw_takes_it = true },
	{ "lpae s1, room for one page", ARM_64_LPAE_S1,
	  CFG(SIZES_4K, 12, 48), .err = -EINVAL, .raw_takes_it = true },
	{ "lpae s1, 64K granule, room for one page", ARM_64_LPAE_S1,
	  CFG(SZ_64K | SZ_512M, 16, 48), .err = -EINVAL, .raw_takes_it = true },
	{ "lpae s1, no output bits", ARM_64_LPAE_S1,
	  CFG(SIZES_4K, 48, 0), .err = -EINVAL },
	{ "lpae s1, 33 output bits", ARM_64_LPAE_S1,
	  CFG(SIZES_4K, 48, 33), .err = -EINVAL },
	{ "lpae s1, 47 output bits", ARM_64_LPAE_S1,
	  CFG(SIZES_4K, 48, 47), .err = -EINVAL },
	{ "lpae s2, 39 output bits", ARM_64_LPAE_S2,
	  CFG(SIZES_4K, 40, 39), .err = -EINVAL },
	{ "lpae32 s1, 33 input bits", ARM_32_LPAE_S1,
	  CFG(SIZES_4K, 33, 40), .err = -EINVAL },
	{ "lpae32 s1, 42 output bits", ARM_32_LPAE_S1,
	  CFG(SIZES_4K, 32, 42), .err = -EINVAL },
	{ "lpae32 s2, 41 input bits", ARM_32_LPAE_S2,
	  CFG(SIZES_4K, 41, 40), .err = -EINVAL },
	{ "mali, 49 input bits", ARM_MALI_LPAE,
	  CFG(SIZES_4K, 49, 40), .err = -EINVAL },
	{ "mali, 41 output bits", ARM_MALI_LPAE,
	  CFG(SIZES_4K, 48, 41), .err = -EINVAL },
	{ "v7s, 33 input bits", ARM_V7S,
	  CFG(SIZES_V7S, 33, 32), .err = -EINVAL },
	{ "v7s, 33 output bits", ARM_V7S,
	  CFG(SIZES_V7S, 32, 33), .err = -EINVAL },
	{ "v7s, address space below one section", ARM_V7S,
	  CFG(SIZES_V7S, 19, 32), .err = -EINVAL, .raw_takes_it = true },
	{ "v7s, no input bits", ARM_V7S,
	  CFG(SIZES_V7S, 0, 32), .err = -EINVAL, .raw_takes_it = true },
	{ "v7s for mediatek, 35 input bits", ARM_V7S,
	  CFG(SIZES_V7S, 35, 35, .quirks = IO_PGTABLE_QUIRK_ARM_MTK_EXT |
						 IO_PGTABLE_QUIRK_NO_PERMS),
	  .err = -EINVAL },
	{ "v7s for mediatek, 36 output bits", ARM_V7S,
	  CFG(SIZES_V7S, 34, 36, .quirks = IO_PGTABLE_QUIRK_ARM_MTK_EXT |
						 IO_PGTABLE_QUIRK_NO_PERMS),
	  .err = -EINVAL },
	{ "dart, 40 output bits", APPLE_DART,
	  CFG(SZ_4K, 32, 40), .err = -EINVAL },
	{ "dart, more input than output bits", APPLE_DART,
	  CFG(SZ_16K, 37, 36), .err = -EINVAL },
	{ "second dart, 43 input bits", APPLE_DART2,
	  CFG(SZ_16K, 43, 42), .err = -EINVAL },
	{ "dart, no input bits", APPLE_DART,
	  CFG(SZ_4K, 0, 36), .err = -EINVAL, .raw_takes_it = true },
	/* a PTE that has no room for the physical addresses it is asked to hold */
	{ "second dart, 40 output bits", APPLE_DART2,
	  CFG(SZ_16K, 36, 40), .err = -EINVAL },
	{ "first dart, 42 output bits", APPLE_DART,
	  CFG(SZ_16K, 36, 42), .err = -EINVAL, .raw_takes_it = true },
	{ "second dart, pages of 4K", APPLE_DART2,
	  CFG(SZ_4K, 32, 36), .err = -EINVAL, .raw_takes_it = true },
	/* page sizes */
	{ "lpae s1, no page sizes", ARM_64_LPAE_S1,
	  CFG(0, 48, 48), .err = -EINVAL },
	{ "lpae s1, blocks without pages", ARM_64_LPAE_S1,
	  CFG(SZ_2M | SZ_1G, 48, 48), .err = -EINVAL },
	{ "lpae s1, pages of 8K", ARM_64_LPAE_S1,
	  CFG(SZ_8K, 48, 48), .err = -EINVAL },
	{ "lpae s1, pages of 2K", ARM_64_LPAE_S1,
	  CFG(SZ_2K | SZ_2M, 48, 48), .err = -EINVAL },
	{ "lpae32 s1, pages of 64K", ARM_32_LPAE_S1,
	  CFG(SZ_64K, 32, 40), .err = -EINVAL },
	{ "mali, pages of 16K", ARM_MALI_LPAE,
	  CFG(SZ_16K | SZ_32M, 48, 40), .err = -EINVAL },
	{ "v7s, blocks of lpae", ARM_V7S,
	  CFG(SZ_2M, 32, 32), .err = -EINVAL, .raw_takes_it = true },
	/* Their tables would be larger or smaller than what is unmapped as a whole */
	{ "v7s, large pages without small ones", ARM_V7S,
	  CFG(SZ_64K | SZ_1M | SZ_16M, 32, 32), .err = -EINVAL, .raw_takes_it = true },
	{ "v7s, supersections without sections", ARM_V7S,
	  CFG(SZ_4K | SZ_16M, 32, 32), .err = -EINVAL, .raw_takes_it = true },
	{ "dart, two page sizes", APPLE_DART,
	  CFG(SZ_4K | SZ_16K, 32, 36), .err = -EINVAL },
	{ "dart, pages of 64K", APPLE_DART,
	  CFG(SZ_64K, 32, 36), .err = -EINVAL },
	/* quirks that need or exclude something */
	{ "lpae s1, outer cache with a coherent walk", ARM_64_LPAE_S1,
	  CFG(SIZES_4K, 48, 48, .quirks = IO_PGTABLE_QUIRK_ARM_OUTER_WBWA),
	  .err = -EINVAL },
	{ "v7s for mediatek, with permissions", ARM_V7S,
	  CFG(SIZES_V7S, 32, 32, .quirks = IO_PGTABLE_QUIRK_ARM_MTK_EXT),
	  .err = -EINVAL },
	{ "v7s, long table addresses but no long addresses", ARM_V7S,
	  CFG(SIZES_V7S, 32, 32, .quirks = IO_PGTABLE_QUIRK_ARM_MTK_TTBR_EXT),
	  .err = -EINVAL },
	{ "dart, a walk that is not coherent", APPLE_DART,
	  .cfg = { .pgsize_bitmap = SZ_4K, .ias = 32, .oas = 36 },
	  .err = -EINVAL },
	/* callbacks */
	{ "flush callbacks without tlb_flush_all", ARM_64_LPAE_S1,
	  CFG(SIZES_4K, 48, 48, .tlb = &no_flush_all),
	  .err = -EINVAL, .raw_takes_it = true },
	{ "no device", ARM_64_LPAE_S1,
	  CFG(SIZES_4K, 48, 48), .no_device = true,
	  .err = -EINVAL, .raw_takes_it = true },
	{ "no device for a walk that is not coherent", ARM_64_LPAE_S1,
	  .cfg = { .pgsize_bitmap = SIZES_4K, .ias = 48, .oas = 48 },
	  .no_device = true, .err = -EINVAL, .raw_takes_it = true },
};

static void bad_cfg_desc(const struct bad_cfg *bad, char *desc)
{
	strscpy(desc, bad->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(bad_cfgs, bad_cfgs, bad_cfg_desc);

static void get_bad_cfg(struct kunit *test, struct io_pgtable_cfg *cfg)
{
	const struct bad_cfg *bad = test->param_value;

	if (bad->fmt < IO_PGTABLE_NUM_FMTS && !pgt_format_built(bad->fmt))
		kunit_skip(test, "this kernel is built without the format");
	*cfg = bad->cfg;
	if (!bad->no_device)
		cfg->iommu_dev = &pgt_fixture(test)->pdev->dev;
}

static void expect_alloc_refuses(struct kunit *test, enum io_pgtable_fmt fmt,
				 const struct io_pgtable_cfg *cfg, int err)
{
	struct io_pgtable_safe *pgt;

	pgt = io_pgtable_safe_alloc(fmt, cfg, pgt_fixture(test));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pgt), err);
	if (!IS_ERR(pgt))
		io_pgtable_safe_free(pgt);
}

static void alloc_says_why(struct kunit *test)
{
	const struct bad_cfg *bad = test->param_value;
	struct io_pgtable_cfg cfg;

	get_bad_cfg(test, &cfg);
	expect_alloc_refuses(test, bad->fmt, &cfg, bad->err);
}

/* So that the table above refuses no more than the formats do. */
static void raw_alloc_refuses_it_too(struct kunit *test)
{
	const struct bad_cfg *bad = test->param_value;
	struct io_pgtable_ops *ops;
	struct io_pgtable_cfg cfg;

	get_bad_cfg(test, &cfg);
	if (bad->raw_takes_it)
		kunit_skip(test, "the format takes it, or does worse");
	ops = alloc_io_pgtable_ops(bad->fmt, &cfg, NULL);
	KUNIT_EXPECT_NULL(test, ops);
	free_io_pgtable_ops(ops);
}

static void refused_alloc_leaves_cfg_alone(struct kunit *test)
{
	const struct bad_cfg *bad = test->param_value;
	struct io_pgtable_cfg cfg, copy;

	get_bad_cfg(test, &cfg);
	memcpy(&copy, &cfg, sizeof(cfg));
	expect_alloc_refuses(test, bad->fmt, &cfg, bad->err);
	KUNIT_EXPECT_EQ(test, memcmp(&copy, &cfg, sizeof(cfg)), 0);
}

static bool is_known_format(int fmt)
{
	switch (fmt) {
	case ARM_32_LPAE_S1:
	case ARM_32_LPAE_S2:
	case ARM_64_LPAE_S1:
	case ARM_64_LPAE_S2:
	case ARM_V7S:
	case ARM_MALI_LPAE:
	case APPLE_DART:
	case APPLE_DART2:
		return true;
	}
	return false;
}

/* Those of AMD find their driver's data through the address of the cfg. */
static void formats_of_amd_are_not_supported(struct kunit *test)
{
	struct io_pgtable_cfg cfg;
	int fmt, others = 0;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	for (fmt = 0; fmt < IO_PGTABLE_NUM_FMTS; fmt++) {
		if (is_known_format(fmt))
			continue;
		others++;
		expect_alloc_refuses(test, fmt, &cfg, -EOPNOTSUPP);
	}
	if (!others)
		kunit_skip(test, "this kernel has no such formats");
}

static void formats_not_built_are_not_supported(struct kunit *test)
{
	struct io_pgtable_cfg cfg;

	if (pgt_format_built(APPLE_DART))
		kunit_skip(test, "this kernel is built with all formats");
	pgt_make_cfg(test, &pgt_formats[PGT_DART], &cfg);
	expect_alloc_refuses(test, APPLE_DART, &cfg, -EOPNOTSUPP);
}

static void alloc_out_of_memory_for_the_top_level(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	if (!io_pgtable_safe_has_alloc(&cfg))
		kunit_skip(test, "this kernel has no custom allocators");
	atomic_set(&fix->fail_page, 1);
	expect_alloc_refuses(test, ARM_64_LPAE_S1, &cfg, -ENOMEM);
	KUNIT_EXPECT_EQ(test, atomic_read(&fix->page_allocs), 1);
}

#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
static void allocator_without_free(struct kunit *test)
{
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	cfg.free = NULL;
	expect_alloc_refuses(test, ARM_64_LPAE_S1, &cfg, -EINVAL);
	KUNIT_EXPECT_NULL(test, alloc_io_pgtable_ops(ARM_64_LPAE_S1, &cfg, NULL));
}

static void free_without_allocator(struct kunit *test)
{
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	cfg.alloc = NULL;
	expect_alloc_refuses(test, ARM_64_LPAE_S1, &cfg, -EINVAL);
	KUNIT_EXPECT_NULL(test, alloc_io_pgtable_ops(ARM_64_LPAE_S1, &cfg, NULL));
}

static void expect_allocator_refused(struct kunit *test, enum pgt_format_id id)
{
	const struct pgt_format *format = &pgt_formats[id];
	struct io_pgtable_cfg cfg, lpae;

	if (!pgt_format_built(format->fmt))
		kunit_skip(test, "this kernel is built without the format");
	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &lpae);
	pgt_make_cfg(test, format, &cfg);
	cfg.alloc = lpae.alloc;
	cfg.free = lpae.free;
	expect_alloc_refuses(test, format->fmt, &cfg, -EOPNOTSUPP);
	KUNIT_EXPECT_NULL(test, alloc_io_pgtable_ops(format->fmt, &cfg, NULL));
}

static void allocator_for_v7s(struct kunit *test)
{
	expect_allocator_refused(test, PGT_V7S);
}

static void allocator_for_dart(struct kunit *test)
{
	expect_allocator_refused(test, PGT_DART);
}
#else
static void allocator_without_free(struct kunit *test)
{
	kunit_skip(test, "this kernel has no custom allocators");
}

static void free_without_allocator(struct kunit *test)
{
	kunit_skip(test, "this kernel has no custom allocators");
}

static void allocator_for_v7s(struct kunit *test)
{
	kunit_skip(test, "this kernel has no custom allocators");
}

static void allocator_for_dart(struct kunit *test)
{
	kunit_skip(test, "this kernel has no custom allocators");
}
#endif

static struct kunit_case refused_cases[] = {
	KUNIT_CASE_PARAM(alloc_says_why, bad_cfgs_gen_params),
	KUNIT_CASE_PARAM(raw_alloc_refuses_it_too, bad_cfgs_gen_params),
	KUNIT_CASE_PARAM(refused_alloc_leaves_cfg_alone, bad_cfgs_gen_params),
	KUNIT_CASE(formats_of_amd_are_not_supported),
	KUNIT_CASE(formats_not_built_are_not_supported),
	KUNIT_CASE(alloc_out_of_memory_for_the_top_level),
	KUNIT_CASE(allocator_without_free),
	KUNIT_CASE(free_without_allocator),
	KUNIT_CASE(allocator_for_v7s),
	KUNIT_CASE(allocator_for_dart),
	{}
};

static struct kunit_suite refused_suite = {
	.name = "io_pgtable_safe_bad_cfg",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = refused_cases,
};

/* --- wrap ----------------------------------------------------------------- */

static void expect_wrap_refuses(struct kunit *test, struct mock_format *mock,
				int err)
{
	struct io_pgtable_safe *pgt;

	pgt = io_pgtable_safe_wrap(&mock->iop.ops, mock_release);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pgt), err);
	/* On failure the ops still belong to the caller */
	KUNIT_EXPECT_EQ(test, mock->released, 0U);
	if (!IS_ERR(pgt))
		io_pgtable_safe_free(pgt);
}

static void wrap_needs_ops_and_release(struct kunit *test)
{
	struct mock_format *mock = make_mock(test, NULL);

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(io_pgtable_safe_wrap(NULL, mock_release)), -EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(io_pgtable_safe_wrap(&mock->iop.ops, NULL)),
			-EINVAL);
}

static void wrap_needs_map_pages(struct kunit *test)
{
	struct mock_format *mock = make_mock(test, NULL);

	mock->iop.ops.map_pages = NULL;
	expect_wrap_refuses(test, mock, -EINVAL);
}

static void wrap_needs_unmap_pages(struct kunit *test)
{
	struct mock_format *mock = make_mock(test, NULL);

	mock->iop.ops.unmap_pages = NULL;
	expect_wrap_refuses(test, mock, -EINVAL);
}

static void wrap_needs_iova_to_phys(struct kunit *test)
{
	struct mock_format *mock = make_mock(test, NULL);

	mock->iop.ops.iova_to_phys = NULL;
	expect_wrap_refuses(test, mock, -EINVAL);
}

static void wrap_needs_flush_all(struct kunit *test)
{
	struct mock_format *mock = make_mock(test, NULL);

	mock->iop.cfg.tlb = &no_flush_all;
	expect_wrap_refuses(test, mock, -EINVAL);
}

static void wrap_needs_an_address_space(struct kunit *test)
{
	struct mock_format *mock = make_mock(test, NULL);

	mock->iop.cfg.ias = 0;
	expect_wrap_refuses(test, mock, -EINVAL);
	mock->iop.cfg.ias = 65;
	expect_wrap_refuses(test, mock, -EINVAL);
}

static void wrap_needs_physical_memory(struct kunit *test)
{
	struct mock_format *mock = make_mock(test, NULL);

	mock->iop.cfg.oas = 0;
	expect_wrap_refuses(test, mock, -EINVAL);
	mock->iop.cfg.oas = 65;
	expect_wrap_refuses(test, mock, -EINVAL);
}

static void wrap_needs_page_sizes(struct kunit *test)
{
	struct mock_format *mock = make_mock(test, NULL);

	mock->iop.cfg.pgsize_bitmap = 0;
	expect_wrap_refuses(test, mock, -EINVAL);
}

static struct kunit_case wrap_cases[] = {
	KUNIT_CASE(wrap_needs_ops_and_release),
	KUNIT_CASE(wrap_needs_map_pages),
	KUNIT_CASE(wrap_needs_unmap_pages),
	KUNIT_CASE(wrap_needs_iova_to_phys),
	KUNIT_CASE(wrap_needs_flush_all),
	KUNIT_CASE(wrap_needs_an_address_space),
	KUNIT_CASE(wrap_needs_physical_memory),
	KUNIT_CASE(wrap_needs_page_sizes),
	{}
};

static struct kunit_suite wrap_suite = {
	.name = "io_pgtable_safe_bad_wrap",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = wrap_cases,
};

/* --- what is granted ------------------------------------------------------ */

static void alloc_leaves_cfg_alone(struct kunit *test)
{
	const struct pgt_format *format = test->param_value;
	struct io_pgtable_cfg cfg, copy;

	if (!pgt_format_built(format->fmt))
		kunit_skip(test, "this kernel is built without the format");
	pgt_make_cfg(test, format, &cfg);
	memcpy(&copy, &cfg, sizeof(cfg));
	open_cfg(test, format->fmt, &cfg);
	KUNIT_EXPECT_EQ(test, memcmp(&copy, &cfg, sizeof(cfg)), 0);
}

/* The layer puts its own in between; what the driver sees are the driver's. */
static void granted_cfg_has_the_drivers_callbacks(struct kunit *test)
{
	const struct pgt_format *format = test->param_value;
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_cfg cfg;

	open_format(test, format - pgt_formats);
	pgt_make_cfg(test, format, &cfg);
	KUNIT_EXPECT_PTR_EQ(test, fix->cfg->tlb, cfg.tlb);
	KUNIT_EXPECT_PTR_EQ(test, fix->cfg->iommu_dev, cfg.iommu_dev);
	KUNIT_EXPECT_EQ(test, fix->cfg->quirks, cfg.quirks);
	KUNIT_EXPECT_TRUE(test, io_pgtable_safe_has_alloc(fix->cfg) ==
				io_pgtable_safe_has_alloc(&cfg));
}

/* What the device's registers want: the same as a raw table is granted. */
static void granted_cfg_is_that_of_a_raw_table(struct kunit *test)
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
	free_io_pgtable_ops(ops);

	open_format(test, format - pgt_formats);
	KUNIT_EXPECT_EQ(test, fix->cfg->ias, cfg.ias);
	KUNIT_EXPECT_EQ(test, fix->cfg->oas, cfg.oas);
	KUNIT_EXPECT_EQ(test, fix->cfg->pgsize_bitmap, cfg.pgsize_bitmap);
}

static void granted_cfg_has_registers(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);

	open_format(test, PGT_LPAE_4K);
	KUNIT_EXPECT_NE(test, fix->cfg->arm_lpae_s1_cfg.ttbr, 0ULL);
	KUNIT_EXPECT_NE(test, fix->cfg->arm_lpae_s1_cfg.mair, 0ULL);
	KUNIT_EXPECT_TRUE(test, fix->cfg->arm_lpae_s1_cfg.tcr.tsz == 64 - 48);
}

static void page_sizes_are_those_of_one_granule(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	cfg.pgsize_bitmap = SZ_4K | SZ_16K | SZ_64K | SZ_2M | SZ_32M | SZ_512M | SZ_1G;
	open_cfg(test, ARM_64_LPAE_S1, &cfg);
	KUNIT_EXPECT_EQ(test, fix->cfg->pgsize_bitmap, (unsigned long)SIZES_4K);
	do_map_pages_fails(test, 0, 0, SZ_16K, 1, -EINVAL);
	do_map_pages_fails(test, 0, 0, SZ_64K, 1, -EINVAL);
	do_map_pages_fails(test, 0, 0, SZ_32M, 1, -EINVAL);
}

static void address_bits_are_cut_to_what_the_granule_has(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	cfg.ias = 52;
	cfg.oas = 52;
	open_cfg(test, ARM_64_LPAE_S1, &cfg);
	KUNIT_EXPECT_EQ(test, fix->cfg->ias, 48U);
	KUNIT_EXPECT_EQ(test, fix->cfg->oas, 48U);
	do_map_fails(test, BIT_ULL(48), 0, SZ_4K, -ERANGE);
	do_map_fails(test, 0, BIT_ULL(48), SZ_4K, -ERANGE);
	do_map(test, BIT_ULL(48) - SZ_4K, BIT_ULL(48) - SZ_4K, SZ_4K);
}

/* No format has a table to put such a block in. */
static void block_as_large_as_the_address_space_is_not_granted(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	cfg.ias = 30;
	open_cfg(test, ARM_64_LPAE_S1, &cfg);
	KUNIT_EXPECT_EQ(test, fix->cfg->pgsize_bitmap, (unsigned long)(SZ_4K | SZ_2M));
	do_map_pages_fails(test, 0, 0, SZ_1G, 1, -EINVAL);
	do_map(test, 0, 0, SZ_1G);
	check_leaf(test, 0, SZ_2M);
	check_range(test, 0, 0, SZ_1G);
	do_unmap(test, 0, SZ_1G);
	check_hole(test, 0, SZ_1G);
}

static void open_two_pages(struct kunit *test, enum pgt_format_id id)
{
	const struct pgt_format *format = &pgt_formats[id];
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, format, &cfg);
	cfg.ias = 13;
	open_cfg(test, format->fmt, &cfg);
}

static void address_space_of_two_pages(struct kunit *test)
{
	open_two_pages(test, PGT_LPAE_4K);
	do_map(test, 0, SZ_4K, SZ_8K);
	check_range(test, 0, SZ_4K, SZ_8K);
	do_map_fails(test, SZ_8K, 0, SZ_4K, -ERANGE);
	do_unmap(test, 0, SZ_8K);
	check_hole(test, 0, SZ_8K);
}

static void address_space_of_two_pages_for_mali(struct kunit *test)
{
	open_two_pages(test, PGT_MALI);
	do_map(test, 0, SZ_4K, SZ_8K);
	check_range(test, 0, SZ_4K, SZ_8K);
	do_unmap(test, 0, SZ_8K);
	check_hole(test, 0, SZ_8K);
}

static void address_space_of_one_section(struct kunit *test)
{
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_V7S], &cfg);
	cfg.ias = 20;
	open_cfg(test, ARM_V7S, &cfg);
	do_map(test, 0, SZ_1M, SZ_1M);
	check_range(test, 0, SZ_1M, SZ_1M);
	do_map_fails(test, SZ_1M, 0, SZ_4K, -ERANGE);
	do_unmap(test, 0, SZ_1M);
	check_hole(test, 0, SZ_1M);
}

static void address_space_of_64_bits(struct kunit *test)
{
	u64 iova = -(u64)SZ_4K;

	open_mock(test, &(struct mock_config){
		.fmt = ARM_MALI_LPAE, .pgsizes = SZ_4K, .ias = 64, .oas = 64,
	});
	do_map(test, iova, iova, SZ_4K);
	check_range(test, iova, iova, SZ_4K);
	do_map_fails(test, iova, 0, SZ_8K, -EOVERFLOW);
	do_map_fails(test, 0, iova, SZ_8K, -EOVERFLOW);
	do_unmap(test, iova, SZ_4K);
	check_hole(test, iova, SZ_4K);
}

/* Where the first byte minus one is the last one */
static void no_bytes_in_an_address_space_of_64_bits(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, &(struct mock_config){
		.fmt = ARM_MALI_LPAE, .pgsizes = SZ_4K | SZ_2M, .ias = 64, .oas = 64,
	});
	struct io_pgtable_safe *pgt = pgt_fixture(test)->pgt;
	static const u64 iovas[] = { 0, SZ_2M, -(u64)SZ_4K };
	struct io_pgtable_safe_span span;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(iovas); i++) {
		do_map_fails(test, iovas[i], 0, 0, -EINVAL);
		do_map_pages_fails(test, iovas[i], 0, SZ_4K, 0, -EINVAL);
		do_unmap_fails(test, iovas[i], 0, -EINVAL);
		do_unmap_pages_fails(test, iovas[i], SZ_4K, 0, -EINVAL);
		do_cut_fails(test, iovas[i], 0, -EINVAL);
		check_unmap_result(test, io_pgtable_safe_unmap_present(pgt, iovas[i], 0, 0),
				   0, -EINVAL);
		check_map_result(test, io_pgtable_safe_map_repeat(pgt, iovas[i], 0, SZ_4K, 0,
								  0, PGT_PROT, GFP_KERNEL),
				 0, -EINVAL);
		KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, iovas[i], 0), -EINVAL);
		KUNIT_EXPECT_EQ(test, io_pgtable_safe_leaf_span(pgt, iovas[i], 0, &span),
				-EINVAL);
	}
	KUNIT_EXPECT_EQ(test, mock->nr_calls, 0U);
}

/* --- concatenated tables ---------------------------------------------------- */

/**
 * struct s2_space - Address spaces of a stage 2 table that are legal.
 * @sizes: Page sizes.
 * @ias: Bits of an iova.
 * @oas: Bits of a physical address.
 */
struct s2_space {
	unsigned long sizes;
	unsigned int ias;
	unsigned int oas;
};

static const struct s2_space s2_spaces[] = {
	{ SIZES_4K, 39, 40 }, { SIZES_4K, 40, 40 }, { SIZES_4K, 43, 40 },
	{ SIZES_4K, 40, 42 }, { SIZES_4K, 42, 42 }, { SIZES_4K, 43, 42 },
	{ SIZES_4K, 43, 44 }, { SIZES_4K, 44, 44 }, { SIZES_4K, 48, 44 },
	{ SIZES_4K, 44, 48 }, { SIZES_4K, 48, 48 },
	{ SZ_16K | SZ_32M, 36, 40 }, { SZ_16K | SZ_32M, 37, 40 },
	{ SZ_16K | SZ_32M, 40, 40 }, { SZ_16K | SZ_32M, 41, 42 },
	{ SZ_16K | SZ_32M, 47, 44 }, { SZ_16K | SZ_32M, 48, 42 },
	{ SZ_16K | SZ_32M, 47, 48 }, { SZ_16K | SZ_32M, 48, 48 },
	{ SZ_64K | SZ_512M, 42, 40 }, { SZ_64K | SZ_512M, 48, 48 },
};

static void s2_space_desc(const struct s2_space *space, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%luK, %u bits for %u",
		 (space->sizes & -space->sizes) / SZ_1K, space->ias, space->oas);
}

KUNIT_ARRAY_PARAM(s2_spaces, s2_spaces, s2_space_desc);

static void open_s2_space(struct kunit *test)
{
	const struct s2_space *space = test->param_value;
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE64_S2], &cfg);
	cfg.pgsize_bitmap = space->sizes;
	cfg.ias = space->ias;
	cfg.oas = space->oas;
	open_cfg(test, ARM_64_LPAE_S2, &cfg);
}

static void s2_spaces_can_be_mapped_to_both_ends(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 block, granule;

	open_s2_space(test);
	KUNIT_EXPECT_EQ(test, fix->cfg->ias, ((struct s2_space *)test->param_value)->ias);
	granule = fix->granule;
	block = block_size(test);
	do_map(test, 0, some_paddr(test, granule), granule);
	do_map(test, fix->last - granule + 1, granule, granule);
	do_map(test, fix->last / 2 + 1, 0, block);
	check_range(test, 0, some_paddr(test, granule), granule);
	check_range(test, fix->last - granule + 1, granule, granule);
	check_leaf(test, fix->last / 2 + 1, block);
	do_map_fails(test, fix->last + 1, 0, granule, -ERANGE);
	do_unmap_present(test, 0, fix->last + 1, block + 2 * granule);
}

/* As many tables are reserved as a map takes */
static void reserve_what_a_map_takes(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe_reserve *r;
	int reserved, taken;
	u64 iova = fix->last - fix->granule + 1;

	reserved = atomic_read(&fix->page_allocs);
	r = io_pgtable_safe_reserve(fix->pgt, iova, fix->granule, GFP_KERNEL);
	if (PTR_ERR_OR_ZERO(r) == -EOPNOTSUPP)
		kunit_skip(test, "this kernel's formats take no reservations");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r);
	reserved = atomic_read(&fix->page_allocs) - reserved;
	io_pgtable_safe_unreserve(r);
	taken = atomic_read(&fix->page_allocs);
	do_map(test, iova, 0, fix->granule);
	taken = atomic_read(&fix->page_allocs) - taken;
	KUNIT_EXPECT_EQ(test, reserved, taken);
	do_unmap(test, iova, fix->granule);
}

/* Fewer levels where tables are concatenated */
static void s2_spaces_reserve_what_a_map_takes(struct kunit *test)
{
	open_s2_space(test);
	reserve_what_a_map_takes(test);
}

/* Four levels, however small the address space */
static void mali_reserves_what_a_map_takes(struct kunit *test)
{
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_MALI], &cfg);
	cfg.ias = 32;
	open_cfg(test, ARM_MALI_LPAE, &cfg);
	reserve_what_a_map_takes(test);
}

/* --- DART ------------------------------------------------------------------- */

/* How many bits there are depends on the kernel: two levels of tables, or three */
static void dart_takes_what_it_has_levels_for(struct kunit *test, enum pgt_format_id id,
					      unsigned long pgsize, unsigned int ias,
					      bool always)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe *pgt;
	struct io_pgtable_cfg cfg;

	if (!pgt_format_built(APPLE_DART))
		kunit_skip(test, "this kernel is built without DART");
	pgt_make_cfg(test, &pgt_formats[id], &cfg);
	cfg.pgsize_bitmap = pgsize;
	cfg.ias = ias;
	pgt = io_pgtable_safe_alloc(pgt_formats[id].fmt, &cfg, fix);
	if (IS_ERR(pgt) && !always) {
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR(pgt), -EINVAL, "%u bits", ias);
		return;
	}
	pgt_adopt(test, pgt);
	KUNIT_EXPECT_EQ(test, fix->cfg->ias, ias);
	do_map(test, 0, pgsize, pgsize);
	do_map(test, fix->last - pgsize + 1, 0, pgsize);
	check_range(test, fix->last - pgsize + 1, 0, pgsize);
	do_unmap_present(test, 0, fix->last + 1, 2 * pgsize);
	close_table(test);
}

static void dart_may_have_as_many_input_as_output_bits(struct kunit *test)
{
	dart_takes_what_it_has_levels_for(test, PGT_DART, SZ_16K, 36, true);
	dart_takes_what_it_has_levels_for(test, PGT_DART, SZ_4K, 36, false);
	dart_takes_what_it_has_levels_for(test, PGT_DART2, SZ_16K, 42, false);
}

static void dart_with_too_many_bits_says_so(struct kunit *test)
{
	unsigned int ias;

	for (ias = 30; ias <= 36; ias++)
		dart_takes_what_it_has_levels_for(test, PGT_DART, SZ_4K, ias, ias <= 32);
	for (ias = 36; ias <= 42; ias++)
		dart_takes_what_it_has_levels_for(test, PGT_DART2, SZ_16K, ias, ias <= 38);
}

/* With a walk that is coherent it is refused, see bad_cfgs */
static void outer_cache_for_a_walk_that_is_not_coherent(struct kunit *test)
{
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K_NONCOHERENT], &cfg);
	cfg.quirks |= IO_PGTABLE_QUIRK_ARM_OUTER_WBWA;
	open_cfg(test, ARM_64_LPAE_S1, &cfg);
	do_map(test, 0, 0, SZ_4K);
	check_range(test, 0, 0, SZ_4K);
	do_unmap(test, 0, SZ_4K);
}

/* It may be one of a driver: nothing is known of what it can say */
static void wrapped_table_of_an_unknown_format(struct kunit *test)
{
	const struct mock_config config = {
		.fmt = IO_PGTABLE_NUM_FMTS, .pgsizes = SZ_4K, .ias = 32, .oas = 32,
	};
	struct mock_format *mock = open_mock(test, &config);
	struct io_pgtable_safe_map_result res;

	res = io_pgtable_safe_map(pgt_fixture(test)->pgt, 0, 0, SZ_4K, IOMMU_WRITE, GFP_KERNEL);
	check_map_result(test, res, SZ_4K, 0);
	KUNIT_EXPECT_EQ(test, mock_prot(mock, 0), IOMMU_WRITE);
	do_unmap(test, 0, SZ_4K);
}

static void table_without_flush_callbacks(struct kunit *test)
{
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	cfg.tlb = NULL;
	open_cfg(test, ARM_64_LPAE_S1, &cfg);
	do_map(test, 0, 0, SZ_4M);
	do_unmap(test, 0, SZ_2M);
	do_unmap(test, SZ_2M, SZ_2M);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt_fixture(test)->pgt, 0, SZ_4M), 0);
	check_hole(test, 0, SZ_4M);
}

PGT_FORMATS_PARAM();

static struct kunit_case granted_cases[] = {
	KUNIT_CASE_PARAM(alloc_leaves_cfg_alone, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(granted_cfg_has_the_drivers_callbacks, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(granted_cfg_is_that_of_a_raw_table, pgt_formats_gen_params),
	KUNIT_CASE(granted_cfg_has_registers),
	KUNIT_CASE(page_sizes_are_those_of_one_granule),
	KUNIT_CASE(address_bits_are_cut_to_what_the_granule_has),
	KUNIT_CASE(block_as_large_as_the_address_space_is_not_granted),
	KUNIT_CASE(address_space_of_two_pages),
	KUNIT_CASE(address_space_of_two_pages_for_mali),
	KUNIT_CASE(address_space_of_one_section),
	KUNIT_CASE(address_space_of_64_bits),
	KUNIT_CASE(no_bytes_in_an_address_space_of_64_bits),
	KUNIT_CASE_PARAM(s2_spaces_can_be_mapped_to_both_ends, s2_spaces_gen_params),
	KUNIT_CASE_PARAM(s2_spaces_reserve_what_a_map_takes, s2_spaces_gen_params),
	KUNIT_CASE(mali_reserves_what_a_map_takes),
	KUNIT_CASE(dart_may_have_as_many_input_as_output_bits),
	KUNIT_CASE(dart_with_too_many_bits_says_so),
	KUNIT_CASE(outer_cache_for_a_walk_that_is_not_coherent),
	KUNIT_CASE(wrapped_table_of_an_unknown_format),
	KUNIT_CASE(table_without_flush_callbacks),
	{}
};

static struct kunit_suite granted_suite = {
	.name = "io_pgtable_safe_granted_cfg",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = granted_cases,
};

kunit_test_suites(&refused_suite, &wrap_suite, &granted_suite);
