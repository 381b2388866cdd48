// SPDX-License-Identifier: GPL-2.0
/*
 * The fixture and the verbs of the suites.
 */
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "helpers.h"
#include "mock_format.h"

static unsigned int random_seed;
module_param(random_seed, uint, 0444);
MODULE_PARM_DESC(random_seed, "Replay random tests with this seed");

#define LPAE_4K_SIZES (SZ_4K | SZ_2M | SZ_1G)
#define V7S_SIZES (SZ_4K | SZ_64K | SZ_1M)

/* The block that level 1 of the 64K granule has with 52 bits of address. */
#define LPAE_64K_HUGE BIT_ULL(42)

const struct pgt_format pgt_formats[PGT_NUM_FORMATS] = {
	[PGT_LPAE_4K] = {
		.name = "lpae-4k", .fmt = ARM_64_LPAE_S1,
		.pgsizes = LPAE_4K_SIZES, .ias = 48, .oas = 48,
	},
	[PGT_LPAE_4K_NONCOHERENT] = {
		.name = "lpae-4k-noncoherent", .fmt = ARM_64_LPAE_S1,
		.pgsizes = LPAE_4K_SIZES, .ias = 48, .oas = 48,
		.noncoherent = true, .kernel_pages = true,
	},
	[PGT_LPAE_4K_IAS32] = {
		.name = "lpae-4k-ias32", .fmt = ARM_64_LPAE_S1,
		.pgsizes = LPAE_4K_SIZES, .ias = 32, .oas = 32,
	},
	[PGT_LPAE_4K_IAS39] = {
		.name = "lpae-4k-ias39", .fmt = ARM_64_LPAE_S1,
		.pgsizes = LPAE_4K_SIZES, .ias = 39, .oas = 36,
		.kernel_pages = true,
	},
	[PGT_LPAE_4K_IAS40] = {
		.name = "lpae-4k-ias40", .fmt = ARM_64_LPAE_S1,
		.pgsizes = LPAE_4K_SIZES, .ias = 40, .oas = 40,
		.noncoherent = true,
	},
	[PGT_LPAE_4K_TTBR1] = {
		.name = "lpae-4k-ttbr1", .fmt = ARM_64_LPAE_S1,
		.quirks = IO_PGTABLE_QUIRK_ARM_TTBR1,
		.pgsizes = LPAE_4K_SIZES, .ias = 39, .oas = 48,
	},
	[PGT_LPAE_16K] = {
		.name = "lpae-16k", .fmt = ARM_64_LPAE_S1,
		.pgsizes = SZ_16K | SZ_32M, .ias = 48, .oas = 48,
	},
	[PGT_LPAE_16K_IAS40] = {
		.name = "lpae-16k-ias40", .fmt = ARM_64_LPAE_S1,
		.pgsizes = SZ_16K | SZ_32M, .ias = 40, .oas = 40,
		.noncoherent = true,
	},
	[PGT_LPAE_64K] = {
		.name = "lpae-64k", .fmt = ARM_64_LPAE_S1,
		.pgsizes = SZ_64K | SZ_512M, .ias = 48, .oas = 48,
	},
	[PGT_LPAE_64K_IAS52] = {
		.name = "lpae-64k-ias52", .fmt = ARM_64_LPAE_S1,
		.pgsizes = SZ_64K | SZ_512M | LPAE_64K_HUGE,
		.ias = 52, .oas = 52,
	},
	[PGT_V7S] = {
		.name = "v7s", .fmt = ARM_V7S,
		.pgsizes = V7S_SIZES | SZ_16M, .ias = 32, .oas = 32,
	},
	[PGT_V7S_NO_SUPERSECTIONS] = {
		.name = "v7s-no-supersections", .fmt = ARM_V7S,
		.pgsizes = V7S_SIZES, .ias = 32, .oas = 32,
	},
	[PGT_V7S_NONCOHERENT] = {
		.name = "v7s-noncoherent", .fmt = ARM_V7S,
		.pgsizes = V7S_SIZES | SZ_16M, .ias = 32, .oas = 32,
		.noncoherent = true,
	},
	[PGT_V7S_MTK] = {
		.name = "v7s-mtk", .fmt = ARM_V7S,
		.quirks = IO_PGTABLE_QUIRK_NO_PERMS |
			  IO_PGTABLE_QUIRK_ARM_MTK_EXT,
		.pgsizes = V7S_SIZES | SZ_16M, .ias = 34, .oas = 35,
	},
	[PGT_LPAE32_S1] = {
		.name = "lpae32-s1", .fmt = ARM_32_LPAE_S1,
		.pgsizes = LPAE_4K_SIZES, .ias = 32, .oas = 40,
	},
	[PGT_LPAE32_S2] = {
		.name = "lpae32-s2", .fmt = ARM_32_LPAE_S2,
		.pgsizes = LPAE_4K_SIZES, .ias = 40, .oas = 40,
	},
	[PGT_LPAE64_S2] = {
		.name = "lpae64-s2", .fmt = ARM_64_LPAE_S2,
		.pgsizes = LPAE_4K_SIZES, .ias = 40, .oas = 48,
	},
	[PGT_MALI] = {
		.name = "mali", .fmt = ARM_MALI_LPAE,
		.pgsizes = LPAE_4K_SIZES, .ias = 48, .oas = 40,
	},
	[PGT_LPAE_4K_ONLY] = {
		.name = "lpae-4k-no-blocks", .fmt = ARM_64_LPAE_S1,
		.pgsizes = SZ_4K, .ias = 48, .oas = 48,
	},
	[PGT_DART] = {
		.name = "dart", .fmt = APPLE_DART,
		.pgsizes = SZ_4K, .ias = 32, .oas = 36,
	},
	[PGT_DART2] = {
		.name = "dart2", .fmt = APPLE_DART2,
		.pgsizes = SZ_16K, .ias = 36, .oas = 42,
	},
};

void pgt_format_desc(const struct pgt_format *format, char *desc)
{
	strscpy(desc, format->name, KUNIT_PARAM_DESC_SIZE);
}

/* --- what the driver of the table does ----------------------------------- */

static void record_flush(struct pgt_test *fix, const struct pgt_flush *flush)
{
	int n = atomic_inc_return(&fix->flushes) - 1;

	if (n < PGT_FLUSH_LOG)
		fix->flush_log[n] = *flush;
	if (fix->on_flush)
		fix->on_flush(fix, flush);
}

static void flush_all(void *cookie)
{
	record_flush(cookie, &(struct pgt_flush){ .kind = PGT_FLUSH_ALL });
}

static void flush_walk(unsigned long iova, size_t size, size_t granule,
		       void *cookie)
{
	record_flush(cookie, &(struct pgt_flush){
		.kind = PGT_FLUSH_WALK,
		.iova = iova, .size = size, .granule = granule,
	});
}

static void flush_add_page(struct iommu_iotlb_gather *gather,
			   unsigned long iova, size_t granule, void *cookie)
{
	struct pgt_test *fix = cookie;

	if (!gather)
		atomic_inc(&fix->null_gathers);
	record_flush(fix, &(struct pgt_flush){
		.kind = PGT_FLUSH_ADD_PAGE,
		.iova = iova, .size = granule, .granule = granule,
	});
}

const struct iommu_flush_ops pgt_flush_ops = {
	.tlb_flush_all = flush_all,
	.tlb_flush_walk = flush_walk,
	.tlb_add_page = flush_add_page,
};

const struct iommu_flush_ops pgt_flush_all_ops = {
	.tlb_flush_all = flush_all,
};

void pgt_forget_flushes(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);

	atomic_set(&fix->flushes, 0);
	atomic_set(&fix->null_gathers, 0);
	memset(fix->flush_log, 0, sizeof(fix->flush_log));
}

#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
static void *alloc_pages_counted(void *cookie, size_t size, gfp_t gfp)
{
	struct pgt_test *fix = cookie;
	void *pages;

	atomic_inc(&fix->page_allocs);
	if (!atomic_dec_return(&fix->fail_page))
		return NULL;

	pages = alloc_pages_exact(size, gfp | __GFP_ZERO);
	if (pages)
		atomic_long_add(size, &fix->pages);
	return pages;
}

static void free_pages_counted(void *cookie, void *pages, size_t size)
{
	struct pgt_test *fix = cookie;

	atomic_long_sub(size, &fix->pages);
	free_pages_exact(pages, size);
}

static bool takes_own_pages(enum io_pgtable_fmt fmt)
{
	return fmt != ARM_V7S && fmt != APPLE_DART && fmt != APPLE_DART2;
}

static void set_allocator(const struct pgt_format *format,
			  struct io_pgtable_cfg *cfg)
{
	if (!format->kernel_pages && takes_own_pages(format->fmt)) {
		cfg->alloc = alloc_pages_counted;
		cfg->free = free_pages_counted;
	}
}

bool pgt_counts_pages(struct kunit *test)
{
	return pgt_fixture(test)->cfg->alloc == alloc_pages_counted;
}
#else
static void set_allocator(const struct pgt_format *format,
			  struct io_pgtable_cfg *cfg)
{
}

bool pgt_counts_pages(struct kunit *test)
{
	return false;
}
#endif

/* --- the fixture ---------------------------------------------------------- */

int pgt_test_init(struct kunit *test)
{
	struct pgt_test *fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);

	/* 6.1 uses one struct kunit for all parameters: forget the last one's */
	test->priv = NULL;
	if (!fix)
		return -ENOMEM;
	fix->test = test;
	fix->pdev = platform_device_register_simple("io_pgtable_safe_kunit",
						    PLATFORM_DEVID_AUTO, NULL, 0);
	if (IS_ERR(fix->pdev))
		return PTR_ERR(fix->pdev);
	test->priv = fix;
	return 0;
}

int pgt_test_init_format(struct kunit *test)
{
	const struct pgt_format *format = test->param_value;
	int err = pgt_test_init(test);

	if (err)
		return err;
	open_format(test, format - pgt_formats);
	return 0;
}

void pgt_test_exit(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);

	if (!fix)
		return;
	close_table(test);
	platform_device_unregister(fix->pdev);
}

bool pgt_format_built(enum io_pgtable_fmt fmt)
{
	switch (fmt) {
	case ARM_V7S:
		return IS_ENABLED(CONFIG_IOMMU_IO_PGTABLE_ARMV7S);
	case APPLE_DART:
	case APPLE_DART2:
		return IS_ENABLED(CONFIG_IOMMU_IO_PGTABLE_DART);
	default:
		return IS_ENABLED(CONFIG_IOMMU_IO_PGTABLE_LPAE);
	}
}

void pgt_make_cfg(struct kunit *test, const struct pgt_format *format,
		  struct io_pgtable_cfg *cfg)
{
	*cfg = (struct io_pgtable_cfg){
		.quirks = format->quirks,
		.pgsize_bitmap = format->pgsizes,
		.ias = format->ias,
		.oas = format->oas,
		.coherent_walk = !format->noncoherent,
		.tlb = &pgt_flush_ops,
		.iommu_dev = &pgt_fixture(test)->pdev->dev,
	};
	set_allocator(format, cfg);
}

void open_format(struct kunit *test, enum pgt_format_id id)
{
	const struct pgt_format *format = &pgt_formats[id];
	struct io_pgtable_cfg cfg;

	if (!pgt_format_built(format->fmt))
		kunit_skip(test, "this kernel is built without %s", format->name);
	pgt_make_cfg(test, format, &cfg);
	open_cfg(test, format->fmt, &cfg);
	pgt_fixture(test)->format = format;
}

void open_cfg(struct kunit *test, enum io_pgtable_fmt fmt,
	      const struct io_pgtable_cfg *cfg)
{
	pgt_adopt(test, io_pgtable_safe_alloc(fmt, cfg, pgt_fixture(test)));
}

void pgt_adopt(struct kunit *test, struct io_pgtable_safe *pgt)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 ias_mask;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pgt);
	KUNIT_ASSERT_NULL_MSG(test, fix->pgt, "a fixture holds one table");
	fix->pgt = pgt;
	/* SAFETY: asked only what is where, by threads that know it cannot go. */
	fix->raw = io_pgtable_safe_raw_ops(pgt);
	fix->cfg = io_pgtable_safe_cfg(pgt);
	KUNIT_ASSERT_NOT_NULL(test, fix->raw);
	KUNIT_ASSERT_NOT_NULL(test, fix->cfg);

	ias_mask = GENMASK_ULL(fix->cfg->ias - 1, 0);
	fix->base = fix->cfg->quirks & IO_PGTABLE_QUIRK_ARM_TTBR1 ? ~ias_mask : 0;
	fix->last = fix->base | ias_mask;
	fix->paddr_last = GENMASK_ULL(fix->cfg->oas - 1, 0);
	fix->granule = nth_pgsize(test, 0);
}

void close_table(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);

	if (!fix->pgt)
		return;
	fix->on_flush = NULL;
	atomic_set(&fix->fail_page, 0);
	if (fix->live)
		clear_live(test);
	io_pgtable_safe_free(fix->pgt);
	fix->pgt = NULL;
	fix->raw = NULL;
	fix->cfg = NULL;
	KUNIT_EXPECT_EQ_MSG(test, atomic_long_read(&fix->pages), 0,
			    "page-table memory leaked");
	if (fix->mock)
		mock_close(test);
}

void set_live(struct kunit *test)
{
	io_pgtable_safe_set_live(pgt_fixture(test)->pgt);
	pgt_fixture(test)->live = true;
}

void clear_live(struct kunit *test)
{
	io_pgtable_safe_clear_live(pgt_fixture(test)->pgt);
	pgt_fixture(test)->live = false;
}

unsigned int pgt_random_seed(struct kunit *test)
{
	unsigned int seed = random_seed ?: get_random_u32();

	kunit_info(test, "random_seed=%u\n", seed);
	return seed;
}

u64 at(struct kunit *test, u64 offset)
{
	return pgt_fixture(test)->base + offset;
}

u64 nth_pgsize(struct kunit *test, unsigned int n)
{
	unsigned long sizes = pgt_fixture(test)->cfg->pgsize_bitmap;

	while (n--)
		sizes &= sizes - 1;
	return sizes & -sizes;
}

u64 block_size(struct kunit *test)
{
	u64 size = nth_pgsize(test, 1);

	KUNIT_ASSERT_NE_MSG(test, size, 0ULL, "no blocks in this format");
	return size;
}

phys_addr_t some_paddr(struct kunit *test, u64 align)
{
	u64 half = BIT_ULL(pgt_fixture(test)->cfg->oas - 1);

	if (align > half)
		return 0;
	return align <= half / 8 ? half + 3 * align : half;
}

/* --- verbs ---------------------------------------------------------------- */

static void expect_map(struct kunit *test,
		       struct io_pgtable_safe_map_result res, u64 mapped,
		       int err, u64 iova, void *caller)
{
	KUNIT_EXPECT_EQ_MSG(test, res.err, err, "map at %#llx, from %pS", iova,
			    caller);
	KUNIT_EXPECT_EQ_MSG(test, res.mapped, mapped, "map at %#llx, from %pS",
			    iova, caller);
}

static void expect_unmap(struct kunit *test,
			 struct io_pgtable_safe_unmap_result res, u64 unmapped,
			 int err, u64 iova, void *caller)
{
	KUNIT_EXPECT_EQ_MSG(test, res.err, err, "unmap at %#llx, from %pS",
			    iova, caller);
	KUNIT_EXPECT_EQ_MSG(test, res.unmapped, unmapped,
			    "unmap at %#llx, from %pS", iova, caller);
}

void check_map_result(struct kunit *test,
		      struct io_pgtable_safe_map_result res, u64 mapped,
		      int err)
{
	KUNIT_EXPECT_EQ_MSG(test, res.err, err, "from %pS", (void *)_RET_IP_);
	KUNIT_EXPECT_EQ_MSG(test, res.mapped, mapped, "from %pS",
			    (void *)_RET_IP_);
}

void check_unmap_result(struct kunit *test,
			struct io_pgtable_safe_unmap_result res, u64 unmapped,
			int err)
{
	KUNIT_EXPECT_EQ_MSG(test, res.err, err, "from %pS", (void *)_RET_IP_);
	KUNIT_EXPECT_EQ_MSG(test, res.unmapped, unmapped, "from %pS",
			    (void *)_RET_IP_);
}

void do_map(struct kunit *test, u64 iova, phys_addr_t paddr, u64 size)
{
	struct io_pgtable_safe_map_result res =
		io_pgtable_safe_map(pgt_fixture(test)->pgt, iova, paddr, size,
				    PGT_PROT, GFP_KERNEL);

	expect_map(test, res, size, 0, iova, (void *)_RET_IP_);
}

void do_map_fails(struct kunit *test, u64 iova, phys_addr_t paddr, u64 size,
		  int err)
{
	struct io_pgtable_safe_map_result res;
	struct pgt_snapshot snap;

	take_snapshot(test, &snap, iova, size);
	res = io_pgtable_safe_map(pgt_fixture(test)->pgt, iova, paddr, size,
				  PGT_PROT, GFP_KERNEL);
	expect_map(test, res, 0, err, iova, (void *)_RET_IP_);
	check_snapshot(test, &snap);
}

void do_map_pages(struct kunit *test, u64 iova, phys_addr_t paddr,
		  size_t pgsize, size_t pgcount)
{
	struct io_pgtable_safe_map_result res =
		io_pgtable_safe_map_pages(pgt_fixture(test)->pgt, iova, paddr,
					  pgsize, pgcount, PGT_PROT,
					  GFP_KERNEL);

	expect_map(test, res, (u64)pgsize * pgcount, 0, iova, (void *)_RET_IP_);
}

void do_map_pages_fails(struct kunit *test, u64 iova, phys_addr_t paddr,
			size_t pgsize, size_t pgcount, int err)
{
	struct io_pgtable_safe_map_result res;
	struct pgt_snapshot snap;

	take_snapshot(test, &snap, iova, (u64)pgsize * pgcount);
	res = io_pgtable_safe_map_pages(pgt_fixture(test)->pgt, iova, paddr,
					pgsize, pgcount, PGT_PROT, GFP_KERNEL);
	expect_map(test, res, 0, err, iova, (void *)_RET_IP_);
	check_snapshot(test, &snap);
}

void do_unmap(struct kunit *test, u64 iova, u64 size)
{
	struct io_pgtable_safe_unmap_result res =
		io_pgtable_safe_unmap(pgt_fixture(test)->pgt, iova, size, 0);

	expect_unmap(test, res, size, 0, iova, (void *)_RET_IP_);
}

void do_unmap_later(struct kunit *test, u64 iova, u64 size)
{
	struct io_pgtable_safe_unmap_result res =
		io_pgtable_safe_unmap(pgt_fixture(test)->pgt, iova, size,
				      IO_PGTABLE_SAFE_NO_FLUSH);

	expect_unmap(test, res, size, 0, iova, (void *)_RET_IP_);
}

void do_unmap_fails(struct kunit *test, u64 iova, u64 size, int err)
{
	struct io_pgtable_safe_unmap_result res;
	struct pgt_snapshot snap;

	take_snapshot(test, &snap, iova, size);
	res = io_pgtable_safe_unmap(pgt_fixture(test)->pgt, iova, size, 0);
	expect_unmap(test, res, 0, err, iova, (void *)_RET_IP_);
	check_snapshot(test, &snap);
}

void do_unmap_pages(struct kunit *test, u64 iova, size_t pgsize,
		    size_t pgcount)
{
	struct io_pgtable_safe_unmap_result res =
		io_pgtable_safe_unmap_pages(pgt_fixture(test)->pgt, iova,
					    pgsize, pgcount, 0);

	expect_unmap(test, res, (u64)pgsize * pgcount, 0, iova, (void *)_RET_IP_);
}

void do_unmap_pages_fails(struct kunit *test, u64 iova, size_t pgsize,
			  size_t pgcount, int err)
{
	struct io_pgtable_safe_unmap_result res;
	struct pgt_snapshot snap;

	take_snapshot(test, &snap, iova, (u64)pgsize * pgcount);
	res = io_pgtable_safe_unmap_pages(pgt_fixture(test)->pgt, iova, pgsize,
					  pgcount, 0);
	expect_unmap(test, res, 0, err, iova, (void *)_RET_IP_);
	check_snapshot(test, &snap);
}

void do_unmap_present(struct kunit *test, u64 iova, u64 size, u64 unmapped)
{
	struct io_pgtable_safe_unmap_result res =
		io_pgtable_safe_unmap_present(pgt_fixture(test)->pgt, iova,
					      size, 0);

	expect_unmap(test, res, unmapped, 0, iova, (void *)_RET_IP_);
}

void do_cut(struct kunit *test, u64 iova, u64 size)
{
	struct io_pgtable_safe_unmap_result res =
		io_pgtable_safe_cut(pgt_fixture(test)->pgt, iova, size, PGT_PROT,
				    GFP_KERNEL, 0);

	expect_unmap(test, res, size, 0, iova, (void *)_RET_IP_);
}

void do_cut_fails(struct kunit *test, u64 iova, u64 size, int err)
{
	struct io_pgtable_safe_unmap_result res;
	struct pgt_snapshot snap;

	take_snapshot(test, &snap, iova, size);
	res = io_pgtable_safe_cut(pgt_fixture(test)->pgt, iova, size, PGT_PROT,
				  GFP_KERNEL, 0);
	expect_unmap(test, res, 0, err, iova, (void *)_RET_IP_);
	check_snapshot(test, &snap);
}

/* --- checks --------------------------------------------------------------- */

static u64 raw_paddr(struct pgt_test *fix, u64 iova)
{
	return fix->raw->iova_to_phys(fix->raw, iova);
}

/* The granule, or a multiple so that @size needs no more than @max steps. */
static u64 probe_step(struct pgt_test *fix, u64 size, u64 max)
{
	u64 step = fix->granule;

	while (step * max < size && step < BIT_ULL(63) / max)
		step <<= 1;
	return step;
}

static bool translates(struct kunit *test, u64 iova, phys_addr_t paddr,
		       void *caller)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe_span span = {};
	int err = io_pgtable_safe_lookup(fix->pgt, iova, &span);
	u64 raw = raw_paddr(fix, iova), looked_up = 0;

	if (!err)
		looked_up = span.paddr + (iova - span.iova);
	KUNIT_EXPECT_EQ_MSG(test, err, 0, "lookup of %#llx, from %pS", iova,
			    caller);
	KUNIT_EXPECT_EQ_MSG(test, looked_up, (u64)paddr,
			    "lookup of %#llx, from %pS", iova, caller);
	KUNIT_EXPECT_EQ_MSG(test, raw, (u64)paddr,
			    "iova_to_phys of %#llx, from %pS", iova, caller);
	return !err && looked_up == paddr && raw == paddr;
}

void check_range(struct kunit *test, u64 iova, phys_addr_t paddr, u64 size)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 step = probe_step(fix, size, 512), last = size - fix->granule, off;
	void *caller = (void *)_RET_IP_;

	for (off = 0; off < size; off += step)
		if (!translates(test, iova + off, paddr + off, caller))
			return;
	translates(test, iova + last, paddr + last, caller);
}

static bool is_hole(struct kunit *test, u64 iova, void *caller)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe_span span;
	int err = io_pgtable_safe_lookup(fix->pgt, iova, &span);
	u64 raw = raw_paddr(fix, iova);

	KUNIT_EXPECT_EQ_MSG(test, err, -ENOENT, "lookup of %#llx, from %pS",
			    iova, caller);
	KUNIT_EXPECT_EQ_MSG(test, raw, 0ULL, "iova_to_phys of %#llx, from %pS",
			    iova, caller);
	return err == -ENOENT && !raw;
}

void check_hole(struct kunit *test, u64 iova, u64 size)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 step = probe_step(fix, size, 512), off;
	void *caller = (void *)_RET_IP_;

	for (off = 0; off < size; off += step)
		if (!is_hole(test, iova + off, caller))
			return;
	is_hole(test, iova + size - fix->granule, caller);
}

void check_leaf(struct kunit *test, u64 iova, u64 leaf)
{
	struct io_pgtable_safe_span span = {};
	int err = io_pgtable_safe_lookup(pgt_fixture(test)->pgt, iova, &span);

	KUNIT_EXPECT_EQ_MSG(test, err, 0, "iova %#llx, from %pS", iova,
			    (void *)_RET_IP_);
	KUNIT_EXPECT_EQ_MSG(test, span.leaf, leaf, "iova %#llx, from %pS", iova,
			    (void *)_RET_IP_);
}

void check_mapped(struct kunit *test, u64 bytes)
{
	KUNIT_EXPECT_EQ_MSG(test, io_pgtable_safe_mapped(pgt_fixture(test)->pgt),
			    bytes, "from %pS", (void *)_RET_IP_);
}

void check_broken(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct sg_piece piece = { 0, fix->granule };
	struct sg_table *sgt = make_dma_table(test, &piece, 1);
	unsigned int calls = fix->mock ? fix->mock->nr_calls : 0;
	struct io_pgtable_safe *pgt = fix->pgt;
	u64 iova = fix->base, size = fix->granule;
	struct io_pgtable_safe_span span;

	check_map_result(test, io_pgtable_safe_try_map_pages(pgt, iova, 0, size, 1,
							     PGT_PROT, GFP_KERNEL), 0, -EIO);
	check_map_result(test, io_pgtable_safe_map_pages(pgt, iova, 0, size, 1,
							 PGT_PROT, GFP_KERNEL), 0, -EIO);
	check_map_result(test, io_pgtable_safe_map(pgt, iova, 0, size, PGT_PROT,
						   GFP_KERNEL), 0, -EIO);
	check_map_result(test, map_dma_table(test, iova, sgt, 0, size, GFP_KERNEL), 0, -EIO);
	check_map_result(test, io_pgtable_safe_map_repeat(pgt, iova, 0, size, 0, size, PGT_PROT,
							  GFP_KERNEL), 0, -EIO);
	check_unmap_result(test, io_pgtable_safe_unmap_pages(pgt, iova, size, 1, 0), 0, -EIO);
	check_unmap_result(test, io_pgtable_safe_unmap(pgt, iova, size, 0), 0, -EIO);
	check_unmap_result(test, io_pgtable_safe_unmap_present(pgt, iova, size, 0), 0, -EIO);
	check_unmap_result(test, io_pgtable_safe_cut(pgt, iova, size, PGT_PROT, GFP_KERNEL,
						     0), 0, -EIO);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, iova, size), -EIO);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_lookup(pgt, iova, &span), -EIO);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_next(pgt, iova, &span), -EIO);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_leaf_span(pgt, iova, size, &span), -EIO);
	if (fix->mock)
		KUNIT_EXPECT_EQ(test, fix->mock->nr_calls, calls);
}

/* --- scatter-gather tables ------------------------------------------------ */

struct sg_table *make_dma_table(struct kunit *test,
				const struct sg_piece *pieces, unsigned int n)
{
	struct sg_table *sgt = kunit_kzalloc(test, sizeof(*sgt), GFP_KERNEL);
	struct scatterlist *sg;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, sgt);
	sgt->sgl = kunit_kcalloc(test, n + 1, sizeof(*sgt->sgl), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sgt->sgl);
	/* One entry more for the CPU than for the device, to which it is garbage */
	sg_init_table(sgt->sgl, n + 1);
	sg_dma_len(&sgt->sgl[n]) = SZ_1G;
	sgt->orig_nents = n + 1;
	sgt->nents = n;
	for_each_sgtable_dma_sg(sgt, sg, i) {
		sg_dma_address(sg) = pieces[i].paddr;
		sg_dma_len(sg) = pieces[i].size;
	}
	return sgt;
}

struct io_pgtable_safe_map_result
map_dma_table(struct kunit *test, u64 iova, struct sg_table *sgt, u64 offset,
	      u64 size, gfp_t gfp)
{
	return io_pgtable_safe_map_sgtable(pgt_fixture(test)->pgt, iova, sgt,
					   IO_PGTABLE_SAFE_SG_DMA, offset, size,
					   PGT_PROT, gfp);
}

/* --- failing allocations -------------------------------------------------- */

void skip_without_fault_injection(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_FAILSLAB) || !IS_ENABLED(CONFIG_FAIL_PAGE_ALLOC))
		kunit_skip(test, "needs CONFIG_FAILSLAB and CONFIG_FAIL_PAGE_ALLOC");
}

#ifdef CONFIG_FAULT_INJECTION
void fail_nth_allocation(unsigned int n)
{
	WRITE_ONCE(current->fail_nth, n);
}

bool an_allocation_failed(void)
{
	bool failed = !READ_ONCE(current->fail_nth);

	WRITE_ONCE(current->fail_nth, 0);
	return failed;
}
#else
void fail_nth_allocation(unsigned int n)
{
}

bool an_allocation_failed(void)
{
	return false;
}
#endif

/* --- threads --------------------------------------------------------------- */

static int run_pgt_thread(void *data)
{
	struct pgt_thread *t = data;

	if (t->start)
		wait_for_completion(t->start);
	t->fn(t);
	complete(&t->done);
	/* It has to be there when kthread_stop() is called */
	set_current_state(TASK_INTERRUPTIBLE);
	while (!kthread_should_stop()) {
		schedule();
		set_current_state(TASK_INTERRUPTIBLE);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

void start_pgt_thread(struct kunit *test, struct pgt_thread *t,
		      void (*fn)(struct pgt_thread *t), struct completion *start)
{
	t->fn = fn;
	t->start = start;
	init_completion(&t->done);
	t->task = kthread_run(run_pgt_thread, t, "io_pgtable_safe");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, t->task);
}

void join_pgt_thread(struct kunit *test, struct pgt_thread *t)
{
	KUNIT_ASSERT_NE_MSG(test, wait_for_completion_timeout(&t->done, PATIENCE), 0,
			    "a thread hangs");
	kthread_stop(t->task);
}

/* --- known faults --------------------------------------------------------- */

/* To mend one: delete it here, and from Documentation/faults.rst */
static const char * const known_faults[] = {
	NULL
};

static bool run_known_faults;
module_param(run_known_faults, bool, 0444);
MODULE_PARM_DESC(run_known_faults, "Run the cases of faults that are not mended, too");

void skip_known_fault(struct kunit *test, const char *fault)
{
	const char * const *known;

	if (run_known_faults)
		return;
	for (known = known_faults; *known; known++)
		if (!strcmp(*known, fault))
			kunit_skip(test, "known fault %s, see Documentation/faults.rst",
				   fault);
}

/* --- snapshots ------------------------------------------------------------ */

/* Leaves of one extent that a snapshot looks at. */
#define PGT_SNAPSHOT_LEAVES 2048

static void add_value(struct pgt_snapshot *snap, u64 value)
{
	snap->digest = (snap->digest ^ value) * 0x100000001b3ULL;
}

/* The leaves of an extent, as both the ledger and the format see them. */
static void add_leaves(struct pgt_test *fix, struct pgt_snapshot *snap,
		       const struct io_pgtable_safe_span *extent)
{
	struct io_pgtable_safe_span leaf;
	u64 off = 0;
	unsigned int n;

	for (n = 0; n < PGT_SNAPSHOT_LEAVES && off < extent->size; n++) {
		if (io_pgtable_safe_lookup(fix->pgt, extent->iova + off, &leaf))
			return;
		add_value(snap, leaf.iova);
		add_value(snap, leaf.leaf);
		add_value(snap, raw_paddr(fix, extent->iova + off));
		off = leaf.iova + leaf.size - extent->iova;
	}
	add_value(snap, raw_paddr(fix, extent->iova + extent->size - fix->granule));
}

/* Raw translations from @iova on for @size bytes, as far as they are legal. */
static void add_raw_range(struct pgt_test *fix, struct pgt_snapshot *snap,
			  u64 iova, u64 size)
{
	u64 step = probe_step(fix, size, 64), off;

	iova &= ~(fix->granule - 1);
	for (off = 0; off < size; off += step) {
		u64 probe = iova + off;

		if (probe < iova || probe < fix->base || probe > fix->last)
			return;
		add_value(snap, raw_paddr(fix, probe));
	}
}

/* Call for each extent; returns how many there are. */
static unsigned int walk_extents(struct pgt_test *fix,
				 struct pgt_snapshot *snap)
{
	struct io_pgtable_safe_span span;
	u64 iova = fix->base, last;
	unsigned int n = 0;

	while (!io_pgtable_safe_next(fix->pgt, iova, &span)) {
		if (snap->extents && n < snap->count) {
			snap->extents[n] = span;
			add_leaves(fix, snap, &span);
		}
		n++;
		last = span.iova + span.size - 1;
		if (last < iova || last >= fix->last)
			break;
		iova = last + 1;
	}
	return n;
}

void take_snapshot(struct kunit *test, struct pgt_snapshot *snap, u64 focus,
		   u64 focus_size)
{
	struct pgt_test *fix = pgt_fixture(test);

	*snap = (struct pgt_snapshot){
		.focus = focus,
		.focus_size = focus_size,
		.mapped = io_pgtable_safe_mapped(fix->pgt),
	};
	snap->count = walk_extents(fix, snap);
	snap->extents = kunit_kcalloc(test, max(snap->count, 1U),
				      sizeof(*snap->extents), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, snap->extents);
	walk_extents(fix, snap);
	add_raw_range(fix, snap, focus, focus_size);
}

static void check_extent(struct kunit *test,
			 const struct io_pgtable_safe_span *now,
			 const struct io_pgtable_safe_span *then)
{
	KUNIT_EXPECT_EQ(test, now->iova, then->iova);
	KUNIT_EXPECT_EQ(test, now->size, then->size);
}

void check_snapshot(struct kunit *test, struct pgt_snapshot *snap)
{
	struct pgt_snapshot now;
	unsigned int i;

	take_snapshot(test, &now, snap->focus, snap->focus_size);
	KUNIT_EXPECT_EQ_MSG(test, now.mapped, snap->mapped, "from %pS",
			    (void *)_RET_IP_);
	KUNIT_EXPECT_EQ_MSG(test, now.count, snap->count, "from %pS",
			    (void *)_RET_IP_);
	for (i = 0; i < min(now.count, snap->count); i++)
		check_extent(test, &now.extents[i], &snap->extents[i]);
	KUNIT_EXPECT_EQ_MSG(test, now.digest, snap->digest,
			    "leaves or translations changed, from %pS",
			    (void *)_RET_IP_);
	kunit_kfree(test, now.extents);
	kunit_kfree(test, snap->extents);
	snap->extents = NULL;
}
