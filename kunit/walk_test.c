// SPDX-License-Identifier: GPL-2.0
/*
 * The walkers, before anything is judged by them: they find what the raw formats
 * have mapped, and they refuse what no hardware accepts.
 */
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/string.h>

#include "helpers.h"
#include "io_pgtable_safe_compat.h"
#include "walk.h"

/* --- formats -------------------------------------------------------------- */

#define LPAE_4K_SIZES (SZ_4K | SZ_2M | SZ_1G)
#define V7S_SIZES (SZ_4K | SZ_64K | SZ_1M | SZ_16M)

/*
 * Configurations that only the walkers care for, beside those of all suites: more
 * ways to begin a walk at stage 2, where tables may stand side by side, and quirks
 * that show in descriptors.
 */
static const struct pgt_format more_formats[] = {
	{ .name = "s2-4k-40-40", .fmt = ARM_64_LPAE_S2, .pgsizes = LPAE_4K_SIZES,
	  .ias = 40, .oas = 40 },
	{ .name = "s2-4k-42-42", .fmt = ARM_64_LPAE_S2, .pgsizes = LPAE_4K_SIZES,
	  .ias = 42, .oas = 42 },
	{ .name = "s2-4k-44-44", .fmt = ARM_64_LPAE_S2, .pgsizes = LPAE_4K_SIZES,
	  .ias = 44, .oas = 44 },
	{ .name = "s2-16k-40-40", .fmt = ARM_64_LPAE_S2, .pgsizes = SZ_16K | SZ_32M,
	  .ias = 40, .oas = 40 },
	{ .name = "s2-16k-48-48", .fmt = ARM_64_LPAE_S2, .pgsizes = SZ_16K | SZ_32M,
	  .ias = 48, .oas = 48 },
	{ .name = "s2-64k-48-48", .fmt = ARM_64_LPAE_S2, .pgsizes = SZ_64K | SZ_512M,
	  .ias = 48, .oas = 48 },
	{ .name = "s2-force-write-back", .fmt = ARM_64_LPAE_S2, .pgsizes = LPAE_4K_SIZES,
	  .quirks = IO_PGTABLE_QUIRK_ARM_S2FWB, .ias = 40, .oas = 40 },
	{ .name = "s1-non-secure", .fmt = ARM_64_LPAE_S1, .pgsizes = LPAE_4K_SIZES,
	  .quirks = IO_PGTABLE_QUIRK_ARM_NS, .ias = 48, .oas = 48 },
	{ .name = "s1-dirty", .fmt = ARM_64_LPAE_S1, .pgsizes = LPAE_4K_SIZES,
	  .quirks = IO_PGTABLE_QUIRK_ARM_HD, .ias = 48, .oas = 48 },
	{ .name = "s1-16k-ttbr1", .fmt = ARM_64_LPAE_S1, .pgsizes = SZ_16K | SZ_32M,
	  .quirks = IO_PGTABLE_QUIRK_ARM_TTBR1, .ias = 42, .oas = 44 },
	{ .name = "s1-64k-ttbr1", .fmt = ARM_64_LPAE_S1, .pgsizes = SZ_64K | SZ_512M,
	  .quirks = IO_PGTABLE_QUIRK_ARM_TTBR1, .ias = 40, .oas = 42 },
	{ .name = "mali-33", .fmt = ARM_MALI_LPAE, .pgsizes = LPAE_4K_SIZES,
	  .ias = 33, .oas = 33 },
	{ .name = "v7s-non-secure", .fmt = ARM_V7S, .pgsizes = V7S_SIZES,
	  .quirks = IO_PGTABLE_QUIRK_ARM_NS, .ias = 32, .oas = 32 },
	{ .name = "v7s-no-perms", .fmt = ARM_V7S, .pgsizes = V7S_SIZES,
	  .quirks = IO_PGTABLE_QUIRK_NO_PERMS, .ias = 32, .oas = 32 },
	{ .name = "v7s-mtk-ttbr", .fmt = ARM_V7S, .pgsizes = V7S_SIZES,
	  .quirks = IO_PGTABLE_QUIRK_NO_PERMS | IO_PGTABLE_QUIRK_ARM_MTK_EXT |
		    IO_PGTABLE_QUIRK_ARM_MTK_TTBR_EXT, .ias = 34, .oas = 35 },
	{ .name = "dart-30", .fmt = APPLE_DART, .pgsizes = SZ_4K, .ias = 30, .oas = 36 },
	{ .name = "dart2-42-bits", .fmt = APPLE_DART2, .pgsizes = SZ_16K,
#ifdef IO_PGTABLE_SAFE_HAVE_DART_LEVELS
	  .ias = 42,
#else
	  .ias = 36,
#endif
	  .oas = 42 },
};

PGT_FORMATS_PARAM();
KUNIT_ARRAY_PARAM(more_formats, more_formats, pgt_format_desc);

static void open_param(struct kunit *test, const struct pgt_format *format)
{
	struct io_pgtable_cfg cfg;

	if (!pgt_format_built(format->fmt))
		kunit_skip(test, "this kernel is built without %s", format->name);
	pgt_make_cfg(test, format, &cfg);
	open_cfg(test, format->fmt, &cfg);
	pgt_fixture(test)->format = format;
}

/* --- what a walk found ---------------------------------------------------- */

#define MAX_LEAVES 4
#define MAX_TABLES 8

/**
 * struct found - What a walk found.
 * @leaves: The first leaves.
 * @n_leaves: How many there are.
 * @tables: The first tables.
 * @n_tables: How many there are.
 * @why: What was wrong with an entry.
 * @stop: End the walk after so many leaves.
 */
struct found {
	struct walk_leaf leaves[MAX_LEAVES];
	unsigned int n_leaves;
	struct walk_table tables[MAX_TABLES];
	unsigned int n_tables;
	const char *why;
	unsigned int stop;
};

static bool find_leaf(void *ctx, const struct walk_leaf *leaf)
{
	struct found *found = ctx;

	if (found->n_leaves < MAX_LEAVES)
		found->leaves[found->n_leaves] = *leaf;
	return ++found->n_leaves != found->stop;
}

static bool find_table(void *ctx, const struct walk_table *table)
{
	struct found *found = ctx;

	if (found->n_tables < MAX_TABLES)
		found->tables[found->n_tables] = *table;
	found->n_tables++;
	return true;
}

static void find_bad(void *ctx, u64 iova, u64 entry, const char *why)
{
	((struct found *)ctx)->why = why;
}

static const struct walk_visitor visitor = {
	.leaf = find_leaf, .table = find_table, .bad = find_bad,
};

static int walk_cfg(struct kunit *test, const struct io_pgtable_cfg *cfg, u64 first, u64 last,
		    struct found *found)
{
	*found = (struct found){};
	return walk_range(pgt_fixture(test)->format->fmt, cfg, first, last, &visitor, found);
}

static int walk(struct kunit *test, u64 first, u64 last, struct found *found)
{
	return walk_cfg(test, pgt_fixture(test)->cfg, first, last, found);
}

/* --- what was mapped is found --------------------------------------------- */

static void raw_map(struct kunit *test, u64 iova, phys_addr_t paddr, size_t size, size_t count,
		    int prot)
{
	struct io_pgtable_ops *raw = pgt_fixture(test)->raw;
	size_t mapped = 0;

	KUNIT_ASSERT_EQ(test, raw->map_pages(raw, iova, paddr, size, count, prot, GFP_KERNEL,
					     &mapped), 0);
	KUNIT_ASSERT_EQ(test, mapped, size * count);
}

static void raw_unmap(struct kunit *test, u64 iova, size_t size, size_t count)
{
	struct io_pgtable_ops *raw = pgt_fixture(test)->raw;
	struct iommu_iotlb_gather gather;

	iommu_iotlb_gather_init(&gather);
	KUNIT_ASSERT_EQ(test, raw->unmap_pages(raw, iova, size, count, &gather), size * count);
}

static void check_found(struct kunit *test, const struct walk_leaf *leaf, u64 iova, u64 size,
			u64 paddr, int prot)
{
	struct pgt_test *fix = pgt_fixture(test);

	KUNIT_EXPECT_EQ(test, leaf->iova, iova);
	KUNIT_EXPECT_EQ(test, leaf->size, size);
	KUNIT_EXPECT_EQ(test, leaf->paddr, paddr);
	KUNIT_EXPECT_EQ_MSG(test, leaf->prot,
			    walk_prot(fix->format->fmt, fix->cfg->quirks, prot),
			    "at %#llx, mapped with %#x", iova, prot);
}

static const int prots[] = {
	IOMMU_READ,
	IOMMU_READ | IOMMU_WRITE,
	IOMMU_WRITE,
	IOMMU_READ | IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_CACHE,
	IOMMU_READ | IOMMU_PRIV,
	IOMMU_READ | IOMMU_WRITE | IOMMU_PRIV | IOMMU_CACHE,
	IOMMU_READ | IOMMU_WRITE | IOMMU_MMIO,
	IOMMU_READ | IOMMU_NOEXEC | IOMMU_MMIO | IOMMU_CACHE,
};

/* Two leaves that are neither at the beginning nor at the end of the space. */
static void map_two(struct kunit *test, u64 size, int prot)
{
	u64 iova = at(test, size), paddr = some_paddr(test, 2 * size);
	struct found found;

	raw_map(test, iova, paddr, size, 2, prot);
	KUNIT_EXPECT_EQ(test, walk(test, 0, U64_MAX, &found), 0);
	KUNIT_EXPECT_EQ_MSG(test, found.n_leaves, 2, "size %#llx", size);
	check_found(test, &found.leaves[0], iova, size, paddr, prot);
	check_found(test, &found.leaves[1], iova + size, size, paddr + size, prot);

	KUNIT_EXPECT_EQ(test, walk(test, iova + size + 1, iova + size + 1, &found), 0);
	KUNIT_EXPECT_EQ(test, found.n_leaves, 1);
	check_found(test, &found.leaves[0], iova + size, size, paddr + size, prot);
	KUNIT_EXPECT_EQ(test, walk(test, iova + size - 1, iova + size, &found), 0);
	KUNIT_EXPECT_EQ(test, found.n_leaves, 2);
	KUNIT_EXPECT_EQ(test, walk(test, iova + 2 * size, U64_MAX, &found), 0);
	KUNIT_EXPECT_EQ(test, found.n_leaves, 0);
	raw_unmap(test, iova, size, 2);
}

static void map_last(struct kunit *test, u64 size, int prot)
{
	struct pgt_test *fix = pgt_fixture(test);
	u64 iova = fix->last - size + 1, paddr = fix->paddr_last - size + 1;
	struct found found;

	raw_map(test, iova, paddr, size, 1, prot);
	KUNIT_EXPECT_EQ(test, walk(test, fix->last, fix->last, &found), 0);
	KUNIT_EXPECT_EQ(test, found.n_leaves, 1);
	check_found(test, &found.leaves[0], iova, size, paddr, prot);
	KUNIT_EXPECT_EQ(test, walk(test, 0, iova - 1, &found), 0);
	KUNIT_EXPECT_EQ(test, found.n_leaves, 0);
	raw_unmap(test, iova, size, 1);
}

static void check_format(struct kunit *test)
{
	unsigned int n, i;
	u64 size;

	open_param(test, test->param_value);
	for (n = 0; (size = nth_pgsize(test, n)); n++)
		for (i = 0; i < ARRAY_SIZE(prots); i++) {
			map_two(test, size, prots[i]);
			map_last(test, size, prots[i]);
		}
}

static void what_was_mapped_is_found(struct kunit *test)
{
	check_format(test);
}

static void other_configurations_are_found(struct kunit *test)
{
	check_format(test);
}

/* The fixture counts what the format has taken, the top table among it. */
static void every_table_is_found(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct found found;
	unsigned int i;
	u64 top;

	open_param(test, test->param_value);
	if (!pgt_counts_pages(test))
		kunit_skip(test, "tables come from the kernel");
	top = atomic_long_read(&fix->pages);
	raw_map(test, at(test, fix->granule), 0, fix->granule, 1, PGT_PROT);
	KUNIT_EXPECT_EQ(test, walk(test, 0, U64_MAX, &found), 0);
	KUNIT_EXPECT_EQ(test, top + found.n_tables * fix->granule, atomic_long_read(&fix->pages));
	for (i = 0; i < min(found.n_tables, MAX_TABLES); i++) {
		KUNIT_EXPECT_EQ(test, found.tables[i].iova, fix->base);
		if (i)
			KUNIT_EXPECT_EQ(test, found.tables[i].level, found.tables[i - 1].level + 1);
	}
	raw_unmap(test, at(test, fix->granule), fix->granule, 1);
}

static void a_visitor_can_end_the_walk(struct kunit *test)
{
	struct found found = { .stop = 1 };

	open_param(test, test->param_value);
	raw_map(test, at(test, 0), 0, pgt_fixture(test)->granule, 2, PGT_PROT);
	KUNIT_EXPECT_EQ(test, walk_range(pgt_fixture(test)->format->fmt, pgt_fixture(test)->cfg, 0,
					 U64_MAX, &visitor, &found), 0);
	KUNIT_EXPECT_EQ(test, found.n_leaves, 1);
	raw_unmap(test, at(test, 0), pgt_fixture(test)->granule, 2);
}

static struct kunit_case found_cases[] = {
	KUNIT_CASE_PARAM(what_was_mapped_is_found, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(other_configurations_are_found, more_formats_gen_params),
	KUNIT_CASE_PARAM(every_table_is_found, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(a_visitor_can_end_the_walk, pgt_formats_gen_params),
	{}
};

static struct kunit_suite found_suite = {
	.name = "io_pgtable_safe_walk",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = found_cases,
};

/* --- what no hardware accepts is refused ---------------------------------- */

/**
 * struct corruption - A change to one entry, and what is wrong with it then.
 * @why: What the walker says.
 * @id: The format.
 * @size: Of the leaf that is mapped.
 * @up: Which entry is changed: the leaf, or the nth table descriptor above it.
 * @set: Bits to set in the entry.
 * @clear: Bits to clear.
 * @all: Change all 16 entries of a large page or supersection.
 */
struct corruption {
	const char *why;
	enum pgt_format_id id;
	u64 size;
	unsigned int up;
	u64 set;
	u64 clear;
	bool all;
};

#define B(n) BIT_ULL(n)

static const struct corruption corruptions[] = {
	{ "reserved type", PGT_LPAE_4K, SZ_4K, .clear = B(1) },
	{ "reserved type", PGT_LPAE_4K, SZ_4K, .up = 3, .clear = B(1) },
	{ "reserved type", PGT_LPAE_16K, SZ_16K, .up = 2, .clear = B(1) },
	{ "reserved type", PGT_LPAE_64K, SZ_64K, .up = 2, .clear = B(1) },
	{ "reserved type", PGT_MALI, SZ_4K, .set = B(1) },
	{ "reserved bits", PGT_LPAE_4K, SZ_4K, .set = B(50) },
	{ "reserved bits", PGT_LPAE64_S2, SZ_4K, .set = B(48) },
	{ "reserved shareability", PGT_LPAE_4K, SZ_4K, .clear = B(9) },
	{ "contiguous hint", PGT_LPAE_4K, SZ_4K, .set = B(52) },
	{ "dirty bit modifier", PGT_LPAE_4K, SZ_4K, .set = B(51) },
	{ "access flag fault", PGT_LPAE_4K, SZ_4K, .clear = B(10) },
	{ "access flag fault", PGT_LPAE64_S2, SZ_2M, .clear = B(10) },
	{ "non-secure bit", PGT_LPAE_4K, SZ_4K, .set = B(5) },
	{ "global", PGT_LPAE_4K, SZ_2M, .clear = B(11) },
	{ "reserved memory attributes", PGT_LPAE64_S2, SZ_4K, .clear = B(5) },
	{ "misaligned block", PGT_LPAE_4K, SZ_2M, .set = B(13) },
	{ "misaligned block", PGT_LPAE_4K, SZ_1G, .set = B(21) },
	{ "misaligned block", PGT_LPAE_16K, SZ_16K, .set = B(12) },
	{ "misaligned block", PGT_LPAE_64K, SZ_64K, .set = B(12) },
	{ "misaligned block", PGT_LPAE_64K_IAS52, SZ_512M, .set = B(16) },
	{ "output address too large", PGT_LPAE_4K_IAS39, SZ_4K, .set = B(36) },
	{ "output address too large", PGT_LPAE32_S1, SZ_4K, .set = B(40) },
	{ "output address too large", PGT_MALI, SZ_2M, .set = B(40) },
	{ "attributes of a table", PGT_LPAE_4K, SZ_4K, .up = 1, .set = B(59) },
	{ "attributes of a table", PGT_LPAE_4K, SZ_4K, .up = 2, .set = B(49) },
	{ "non-secure bit", PGT_LPAE_4K, SZ_4K, .up = 1, .set = B(63) },
	{ "table address", PGT_LPAE_4K_IAS39, SZ_4K, .up = 1, .set = B(40) },
	{ "table address", PGT_LPAE_16K, SZ_16K, .up = 1, .set = B(12) },
	{ "table is not in memory", PGT_LPAE_4K, SZ_4K, .up = 1, .set = B(44) },
	{ "table is not in memory", PGT_LPAE_64K_IAS52, SZ_64K, .up = 1, .set = B(12) },

	{ "access flag fault", PGT_V7S, SZ_4K, .clear = B(4) },
	{ "access flag fault", PGT_V7S, SZ_1M, .clear = B(10) },
	{ "global", PGT_V7S, SZ_4K, .clear = B(11) },
	{ "global", PGT_V7S, SZ_16M, .clear = B(17), .all = true },
	{ "large page not repeated", PGT_V7S, SZ_64K, .set = B(16) },
	{ "supersection not repeated", PGT_V7S, SZ_16M, .set = B(24) },
	{ "reserved bits", PGT_V7S, SZ_64K, .set = B(7), .all = true },
	{ "misaligned supersection", PGT_V7S, SZ_16M, .set = B(20), .all = true },
	{ "domain", PGT_V7S, SZ_1M, .set = B(5) },
	{ "domain", PGT_V7S, SZ_1M, .set = B(9) },
	{ "domain", PGT_V7S_MTK, SZ_1M, .set = B(6) },
	{ "privileged execute never", PGT_V7S, SZ_1M, .set = B(0) },
	{ "non-secure bit", PGT_V7S, SZ_1M, .set = B(19) },
	{ "attributes of a table", PGT_V7S, SZ_4K, .up = 1, .set = B(4) },
	{ "non-secure bit", PGT_V7S, SZ_4K, .up = 1, .set = B(3) },
	{ "table is not in memory", PGT_V7S, SZ_4K, .up = 1, .set = B(31) | B(30) },

	{ "reserved bits", PGT_DART, SZ_4K, .set = B(4) },
	{ "part of a page", PGT_DART, SZ_4K, .set = B(55), .clear = B(1) },
	{ "attributes of a table", PGT_DART, SZ_4K, .up = 1, .set = B(7) },
	{ "table is not in memory", PGT_DART, SZ_4K, .up = 1, .set = B(35) },
	{ "reserved bits", PGT_DART2, SZ_16K, .set = B(38) },
	{ "part of a page", PGT_DART2, SZ_16K, .clear = B(40) },
	{ "attributes of a table", PGT_DART2, SZ_16K, .up = 1, .set = B(3) },
};

static void corruption_desc(const struct corruption *c, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s %llx up %u set %llx clear %llx: %s",
		 pgt_formats[c->id].name, c->size, c->up, c->set, c->clear, c->why);
}

KUNIT_ARRAY_PARAM(corruptions, corruptions, corruption_desc);

static phys_addr_t top_table(struct kunit *test)
{
	const struct io_pgtable_cfg *cfg = pgt_fixture(test)->cfg;

	switch (pgt_fixture(test)->format->fmt) {
	case ARM_V7S:
		return cfg->arm_v7s_cfg.ttbr & GENMASK(31, 14);
	case ARM_MALI_LPAE:
		return cfg->arm_mali_lpae_cfg.transtab & GENMASK_ULL(47, 12);
	case ARM_64_LPAE_S2:
	case ARM_32_LPAE_S2:
		return cfg->arm_lpae_s2_cfg.vttbr;
	case APPLE_DART:
	case APPLE_DART2:
		return cfg->apple_dart_cfg.ttbr[0];
	default:
		return cfg->arm_lpae_s1_cfg.ttbr;
	}
}

/* The entry for @iova that is @up above its leaf, of which there is but one. */
static void *find_entry(struct kunit *test, u64 iova, unsigned int up)
{
	bool v7s = pgt_fixture(test)->format->fmt == ARM_V7S;
	u64 base = at(test, 0), table = top_table(test), unit;
	struct found found;
	unsigned int depth;

	KUNIT_ASSERT_EQ(test, walk(test, iova, iova, &found), 0);
	KUNIT_ASSERT_EQ(test, found.n_leaves, 1);
	KUNIT_ASSERT_GE(test, found.n_tables, up);
	depth = found.n_tables - up;
	if (depth) {
		base = found.tables[depth - 1].iova;
		table = found.tables[depth - 1].table;
	}
	if (up)
		unit = found.tables[depth].size;
	else if (v7s)
		unit = depth ? SZ_4K : SZ_1M;
	else
		unit = found.leaves[0].size;
	return phys_to_virt(table) + (iova - base) / unit * (v7s ? 4 : 8);
}

static void change_entries(void *entry, bool v7s, unsigned int n, u64 flip)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (v7s)
			((u32 *)entry)[i] ^= flip;
		else
			((u64 *)entry)[i] ^= flip;
}

static void a_corrupt_entry_is_refused(struct kunit *test)
{
	const struct corruption *c = test->param_value;
	unsigned int n = c->all ? 16 : 1;
	u64 iova, old, flip;
	struct found found;
	void *entry;
	bool v7s;

	open_param(test, &pgt_formats[c->id]);
	v7s = pgt_fixture(test)->format->fmt == ARM_V7S;
	iova = at(test, c->size);
	raw_map(test, iova, 0, c->size, 1, PGT_PROT);
	entry = find_entry(test, iova, c->up);
	old = v7s ? *(u32 *)entry : *(u64 *)entry;
	flip = (old & c->clear) | (~old & c->set);
	KUNIT_EXPECT_EQ_MSG(test, flip, c->set | c->clear, "nothing to change in %#llx", old);

	change_entries(entry, v7s, n, flip);
	KUNIT_EXPECT_EQ(test, walk(test, iova, iova, &found), -EINVAL);
	KUNIT_EXPECT_STREQ(test, found.why ?: "nothing", c->why);
	KUNIT_EXPECT_EQ(test, found.n_leaves, 0);

	change_entries(entry, v7s, n, flip);
	KUNIT_EXPECT_EQ(test, walk(test, iova, iova, &found), 0);
	raw_unmap(test, iova, c->size, 1);
}

/* --- registers ------------------------------------------------------------ */

static void check_bad_registers(struct kunit *test, const struct io_pgtable_cfg *cfg,
				const char *why)
{
	struct found found;

	KUNIT_EXPECT_EQ(test, walk_cfg(test, cfg, 0, U64_MAX, &found), -EINVAL);
	KUNIT_EXPECT_STREQ(test, found.why ?: "nothing", why);
}

static void corrupt_registers_are_refused(struct kunit *test)
{
	struct io_pgtable_cfg cfg;

	open_param(test, &pgt_formats[PGT_LPAE_4K]);
	cfg = *pgt_fixture(test)->cfg;
	cfg.arm_lpae_s1_cfg.tcr.tg = 3;
	check_bad_registers(test, &cfg, "control register");
	cfg = *pgt_fixture(test)->cfg;
	cfg.arm_lpae_s1_cfg.tcr.ips = 7;
	check_bad_registers(test, &cfg, "control register");
	cfg = *pgt_fixture(test)->cfg;
	cfg.arm_lpae_s1_cfg.ttbr += 64;
	check_bad_registers(test, &cfg, "table base register");
	close_table(test);

	open_param(test, &pgt_formats[PGT_LPAE64_S2]);
	cfg = *pgt_fixture(test)->cfg;
	/* Level 2 resolves 30 bits; 16 tables side by side 34 */
	cfg.arm_lpae_s2_cfg.vtcr.sl = 0;
	check_bad_registers(test, &cfg, "control register");
	close_table(test);

	open_param(test, &pgt_formats[PGT_MALI]);
	cfg = *pgt_fixture(test)->cfg;
	cfg.arm_mali_lpae_cfg.transtab &= ~3ULL;
	check_bad_registers(test, &cfg, "control register");
}

/* The memory type is what registers say that it is. */
static void memory_types_come_from_registers(struct kunit *test)
{
	struct io_pgtable_cfg cfg;
	struct found found;

	open_param(test, &pgt_formats[PGT_LPAE_4K]);
	raw_map(test, 0, 0, SZ_4K, 1, PGT_PROT);
	cfg = *pgt_fixture(test)->cfg;
	cfg.arm_lpae_s1_cfg.mair = 0;
	KUNIT_EXPECT_EQ(test, walk_cfg(test, &cfg, 0, 0, &found), 0);
	KUNIT_EXPECT_EQ(test, found.leaves[0].prot, (PGT_PROT & ~IOMMU_CACHE) | IOMMU_MMIO);
	raw_unmap(test, 0, SZ_4K, 1);
	close_table(test);

	open_param(test, &pgt_formats[PGT_V7S]);
	raw_map(test, 0, 0, SZ_4K, 1, PGT_PROT);
	cfg = *pgt_fixture(test)->cfg;
	cfg.arm_v7s_cfg.nmrr = 0;
	KUNIT_EXPECT_EQ(test, walk_cfg(test, &cfg, 0, 0, &found), 0);
	KUNIT_EXPECT_EQ(test, found.leaves[0].prot, PGT_PROT & ~IOMMU_CACHE);
	cfg.arm_v7s_cfg.prrr = U32_MAX;
	check_bad_registers(test, &cfg, "reserved memory type");
	raw_unmap(test, 0, SZ_4K, 1);
}

static struct kunit_case refused_cases[] = {
	KUNIT_CASE_PARAM(a_corrupt_entry_is_refused, corruptions_gen_params),
	KUNIT_CASE(corrupt_registers_are_refused),
	KUNIT_CASE(memory_types_come_from_registers),
	{}
};

static struct kunit_suite refused_suite = {
	.name = "io_pgtable_safe_walk_refused",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = refused_cases,
};

kunit_test_suites(&found_suite, &refused_suite);
