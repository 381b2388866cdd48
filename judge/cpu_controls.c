// SPDX-License-Identifier: GPL-2.0
/*
 * Is the judge any good? What is wrong with a table must be seen by it.
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "cpu_judge.h"

#define RW		(IOMMU_READ | IOMMU_WRITE)

/* Of a page descriptor of the long format */
#define LEAF_ATTRINDX0	BIT_ULL(2)
#define LEAF_USER	BIT_ULL(6)
#define LEAF_RDONLY	BIT_ULL(7)
#define LEAF_SH0		BIT_ULL(8)
#define LEAF_AF		BIT_ULL(10)
#define LEAF_PADDR_12	BIT_ULL(12)
#define LEAF_PADDR_38	BIT_ULL(38)
#define LEAF_TABLE	GENMASK_ULL(47, 12)

/* All controls but those of granules use 4K pages and 48 bits: four levels */
#define FORMAT		(&cpu_formats[0])
#define MAPPED		((u64)5 * SZ_2M)

static u64 *find_pte(struct cpu_table *ct, u64 iova)
{
	u64 *table = phys_to_virt(ct->regime.ttbr & LEAF_TABLE);
	int level;

	for (level = 0; level < 3; level++)
		table = phys_to_virt(table[(iova >> (39 - 9 * level)) & 511] & LEAF_TABLE);
	return &table[(iova >> 12) & 511];
}

/* One is cached: of memory that is not, PAR_EL1 always says outer shareable */
#define CACHED_PAGE	3

static void map_four_pages(struct cpu_table *ct)
{
	table_map(&ct->t, MAPPED, cpu_random_paddr(ct, SZ_2M, SZ_4K), 3 * SZ_4K, RW);
	table_map(&ct->t, MAPPED + CACHED_PAGE * SZ_4K, cpu_random_paddr(ct, SZ_2M, SZ_4K), SZ_4K,
		  RW | IOMMU_CACHE);
	cpu_judge_all(ct);
}

/* The table is wrong now: does the judge say so? */
static void must_be_seen(struct cpu_table *ct, const char *what)
{
	unsigned int misses;

	judge_control_begin();
	cpu_judge_all(ct);
	misses = judge_control_end();
	judge_expect(misses, "%s was not seen", what);
}

/* --- entries changed behind the API's back ------------------------------------- */

static const struct {
	const char *name;
	unsigned int page;
	u64 flip;
} corruptions[] = {
	{ "an access flag is gone", 1, LEAF_AF },
	{ "an entry is no entry any more", 1, BIT_ULL(0) },
	{ "a page leads to its neighbour", 1, LEAF_PADDR_12 },
	{ "a page leads elsewhere", 1, LEAF_PADDR_38 },
	{ "a page is read-only", 1, LEAF_RDONLY },
	{ "a page is not for users", 1, LEAF_USER },
	{ "a page is cached", 1, LEAF_ATTRINDX0 },
	{ "a page is shared otherwise", CACHED_PAGE, LEAF_SH0 },
};

static void control_corruption(struct cpu_table *ct, unsigned int i)
{
	u64 *pte = find_pte(ct, MAPPED + corruptions[i].page * SZ_4K);
	u64 before = *pte;

	WRITE_ONCE(*pte, before ^ corruptions[i].flip);
	must_be_seen(ct, corruptions[i].name);
	WRITE_ONCE(*pte, before);
	cpu_judge_all(ct);
}

/* --- others ----------------------------------------------------------------------- */

static void control_extra_entry(struct cpu_table *ct)
{
	u64 *pte = find_pte(ct, MAPPED + 3 * SZ_4K);

	WRITE_ONCE(pte[1], pte[0]);
	must_be_seen(ct, "an entry that nobody asked for");
	WRITE_ONCE(pte[1], 0);
	cpu_judge_all(ct);
}

static void control_raw_unmap(struct cpu_table *ct)
{
	/* SAFETY: not at all. Goes behind the layer's back, to see whether that is seen. */
	struct io_pgtable_ops *ops = io_pgtable_safe_raw_ops(ct->t.pgt);
	const struct record_leaf *leaf = record_find(&ct->t.record, MAPPED);
	size_t n;

	n = ops->unmap_pages(ops, MAPPED, SZ_4K, 1, NULL);
	judge_expect(n == SZ_4K, "%zu", n);
	must_be_seen(ct, "a page that the raw ops unmapped");

	n = 0;
	judge_expect(!ops->map_pages(ops, MAPPED, leaf->paddr, SZ_4K, 1, RW, GFP_KERNEL, &n),
		     "mapped %zu", n);
	cpu_judge_all(ct);
}

/* What a free without regard to the walker leads to, once the memory is reused */
static void control_raw_free(struct cpu_table *ct)
{
	struct io_pgtable_cfg cfg = *io_pgtable_safe_cfg(ct->t.pgt);
	u64 top = ct->regime.ttbr & LEAF_TABLE, before = ct->regime.ttbr;
	struct io_pgtable_ops *ops;
	struct page *pages[64];
	unsigned int n, i;
	bool reused = false;

	/* The same mappings in a table of its own, which the layer knows nothing of */
	ops = alloc_io_pgtable_ops(FORMAT->fmt, &cfg, NULL);
	if (!judge_expect(ops, "no table"))
		return;
	for (i = 0; i < 4; i++) {
		const struct record_leaf *leaf = record_find(&ct->t.record, MAPPED + i * SZ_4K);
		size_t mapped = 0;

		judge_expect(!ops->map_pages(ops, leaf->iova, leaf->paddr, SZ_4K, 1,
					     leaf->prot, GFP_KERNEL, &mapped), "raw map");
	}
	ct->regime.ttbr = cfg.arm_lpae_s1_cfg.ttbr;
	top = ct->regime.ttbr & LEAF_TABLE;
	cpu_judge_all(ct);

	free_io_pgtable_ops(ops);
	for (n = 0; n < ARRAY_SIZE(pages) && !reused; n++) {
		pages[n] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!pages[n])
			break;
		reused = page_to_phys(pages[n]) == top;
	}
	if (reused)
		must_be_seen(ct, "a table that was freed under the walker");
	else
		judge_skip("the allocator did not hand out the freed page again");
	for (i = 0; i < n; i++)
		__free_page(pages[i]);
	ct->regime.ttbr = before;
	cpu_judge_all(ct);
}

/* --- walkers with another granule ----------------------------------------------- */

/*
 * A walker that takes tables for what they are not would follow whatever memory
 * it comes to, and a walk that leaves RAM is an external abort. So these tables
 * are copied into an arena of zeroes that is aligned to any granule, and what
 * they map lies in it, too: there is no way out.
 */
#define ARENA_SIZE	SZ_1M
#define ARENA_MEMORY	SZ_512K

struct arena {
	void *base;
	size_t used;
};

/* Copies a table and those it leads to; level 3 is the last */
static u64 copy_table(struct arena *arena, u64 table, unsigned int level,
		      unsigned int entries, u64 granule)
{
	u64 *from = phys_to_virt(table), *to = arena->base + arena->used;
	unsigned int i;

	arena->used += granule;
	for (i = 0; i < entries; i++) {
		to[i] = from[i];
		if (level < 3 && (from[i] & 3) == 3)
			to[i] = (from[i] & ~LEAF_TABLE) |
				copy_table(arena, from[i] & LEAF_TABLE, level + 1,
					   granule / sizeof(u64), granule);
	}
	return virt_to_phys(to);
}

static u64 copy_tables(struct cpu_table *ct, struct arena *arena)
{
	unsigned int shift = __ffs64(ct->t.granule), bits = ct->format->ias - shift;
	unsigned int levels = DIV_ROUND_UP(bits, shift - 3);
	unsigned int top_bits = bits - (levels - 1) * (shift - 3);

	return copy_table(arena, ct->regime.ttbr & LEAF_TABLE, 4 - levels, 1 << top_bits,
			  ct->t.granule);
}

/* tcr: what to change in it for the walk */
static void walk_as_another_granule(struct cpu_table *ct, u64 tcr, const char *what)
{
	u64 iova = 4 * ct->t.granule, size = 4 * ct->t.granule;
	struct cpu_regime regime = ct->regime;
	struct arena arena = {};

	arena.base = alloc_pages_exact(ARENA_SIZE, GFP_KERNEL | __GFP_ZERO);
	if (!judge_expect(arena.base, "no memory"))
		return;
	table_map(&ct->t, iova, virt_to_phys(arena.base) + ARENA_MEMORY, size, RW);
	ct->regime.ttbr = copy_tables(ct, &arena);
	judge_expect(arena.used <= ARENA_MEMORY, "%zu", arena.used);
	ct->regime.tcr ^= tcr;
	must_be_seen(ct, what);

	ct->regime = regime;
	table_unmap(&ct->t, iova, size);
	free_pages_exact(arena.base, ARENA_SIZE);
}

static void control_wrong_granule(void)
{
	struct cpu_table ct;

	if (!cpu_table_open(&ct, FORMAT))
		return;
	/* TG0: 64K instead of 4K */
	walk_as_another_granule(&ct, BIT_ULL(14), "a granule that is not the table's");
	cpu_table_close(&ct);
}

static const struct cpu_format *format_without_granule(void)
{
	unsigned int i;

	for (i = 0; i < CPU_FORMATS; i++)
		if (cpu_formats[i].fmt == ARM_64_LPAE_S1 &&
		    cpu_granule_missing(&cpu_formats[i]))
			return &cpu_formats[i];
	return NULL;
}

static void control_missing_granule(void)
{
	const struct cpu_format *format = format_without_granule();
	struct cpu_table ct;

	if (cpu_walker_missing())
		return judge_skip("%s", cpu_walker_missing());
	if (!format)
		return judge_skip("this CPU has all granules");
	if (!cpu_table_open_anyway(&ct, format))
		return;
	walk_as_another_granule(&ct, 0, "a granule that the CPU does not have");
	cpu_table_close(&ct);
}

/* ---------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(struct cpu_table *ct);
} others[] = {
	{ "an entry too many", control_extra_entry },
	{ "a page unmapped by the raw ops", control_raw_unmap },
	{ "a table freed by the raw ops", control_raw_free },
};

static const struct {
	const char *name;
	void (*run)(void);
} granules[] = {
	{ "a walker with another granule", control_wrong_granule },
	{ "a granule that the CPU does not have", control_missing_granule },
};

#define OTHERS		ARRAY_SIZE(corruptions)
#define GRANULES	(OTHERS + ARRAY_SIZE(others))
#define CONTROLS	(GRANULES + ARRAY_SIZE(granules))

static const char *control_name(unsigned int i)
{
	if (i < OTHERS)
		return corruptions[i].name;
	if (i < GRANULES)
		return others[i - OTHERS].name;
	return granules[i - GRANULES].name;
}

static void run_control(unsigned int i)
{
	struct cpu_table ct;

	if (i >= GRANULES)
		return granules[i - GRANULES].run();
	if (!cpu_table_open(&ct, FORMAT))
		return;
	map_four_pages(&ct);
	if (i < OTHERS)
		control_corruption(&ct, i);
	else
		others[i - OTHERS].run(&ct);
	cpu_table_close(&ct);
}

const struct judge_suite cpu_controls_suite = {
	.name = "cpu_controls",
	.count = CONTROLS,
	.case_name = control_name,
	.run = run_control,
};
