// SPDX-License-Identifier: GPL-2.0
/*
 * Walker of the tables of Apple's DARTs, of which there is no other description
 * than drivers/iommu/apple-dart.c and io-pgtable-dart.c.
 */
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/sizes.h>

#include "walk.h"

#define DART_VALID		BIT_ULL(0)
#define DART_SUBPAGE_START	GENMASK_ULL(63, 52)
#define DART_SUBPAGE_END	GENMASK_ULL(51, 40)

#define DART1_ADDR		GENMASK_ULL(35, 12)
#define DART1_NO_READ		BIT_ULL(8)
#define DART1_NO_WRITE		BIT_ULL(7)
#define DART1_SUBPAGE_OFF	BIT_ULL(1)

#define DART2_ADDR		GENMASK_ULL(37, 10)	/* 4 bits to the right */
#define DART2_NO_READ		BIT_ULL(3)
#define DART2_NO_WRITE		BIT_ULL(2)
#define DART2_NO_CACHE		BIT_ULL(1)

/**
 * struct dart - A DART's registers.
 * @w: The walk.
 * @page_shift: log2 of the page size.
 * @levels: Levels of tables below a TTBR.
 */
struct dart {
	const struct walk *w;
	unsigned int page_shift;
	unsigned int levels;
};

static bool is_dart1(const struct dart *d)
{
	return d->w->fmt == APPLE_DART;
}

static u64 read_address(const struct dart *d, u64 pte)
{
	return is_dart1(d) ? pte & DART1_ADDR : (pte & DART2_ADDR) << 4;
}

static bool may_read(const struct dart *d, u64 pte)
{
	return !(pte & (is_dart1(d) ? DART1_NO_READ : DART2_NO_READ));
}

static bool may_write(const struct dart *d, u64 pte)
{
	return !(pte & (is_dart1(d) ? DART1_NO_WRITE : DART2_NO_WRITE));
}

static int read_prot(const struct dart *d, u64 pte)
{
	int prot = 0;

	if (may_read(d, pte))
		prot |= IOMMU_READ;
	if (may_write(d, pte))
		prot |= IOMMU_WRITE;
	if (!is_dart1(d) && !(pte & DART2_NO_CACHE))
		prot |= IOMMU_CACHE;
	return prot;
}

/* Bits that nothing is known about, so that nobody sets them */
static u64 unknown_bits(const struct dart *d)
{
	u64 known = DART_VALID | DART_SUBPAGE_START | DART_SUBPAGE_END;

	if (is_dart1(d))
		return ~(known | DART1_ADDR | DART1_NO_READ | DART1_NO_WRITE | DART1_SUBPAGE_OFF);
	return ~(known | DART2_ADDR | DART2_NO_READ | DART2_NO_WRITE | DART2_NO_CACHE);
}

/* Is there anything of the page that the device may not have? */
static bool is_subpage(const struct dart *d, u64 pte)
{
	if (is_dart1(d) && (pte & DART1_SUBPAGE_OFF))
		return false;
	return FIELD_GET(DART_SUBPAGE_START, pte) != 0 || FIELD_GET(DART_SUBPAGE_END, pte) != 0xfff;
}

static int visit_page(const struct dart *d, u64 iova, u64 pte)
{
	struct walk_leaf leaf = {
		.iova = iova,
		.size = BIT_ULL(d->page_shift),
		.paddr = read_address(d, pte),
		.prot = read_prot(d, pte),
	};

	if (pte & unknown_bits(d))
		return walk_bad(d->w, iova, pte, "reserved bits");
	if (is_subpage(d, pte))
		return walk_bad(d->w, iova, pte, "part of a page");
	if (!IS_ALIGNED(leaf.paddr, leaf.size))
		return walk_bad(d->w, iova, pte, "misaligned page");
	if (leaf.paddr >> d->w->cfg->oas)
		return walk_bad(d->w, iova, pte, "output address too large");
	return walk_found_leaf(d->w, &leaf);
}

static int walk_level(const struct dart *d, unsigned int level, phys_addr_t table, u64 base);

static int visit_table(const struct dart *d, unsigned int level, u64 iova, u64 size, u64 pte)
{
	struct walk_table table = {
		.iova = iova,
		.size = size,
		.table = read_address(d, pte),
		.level = level + 1,
	};
	int ret;

	if (pte & ~(DART_VALID | (is_dart1(d) ? DART1_ADDR : DART2_ADDR)))
		return walk_bad(d->w, iova, pte, "attributes of a table");
	if (!IS_ALIGNED(table.table, BIT_ULL(d->page_shift)))
		return walk_bad(d->w, iova, pte, "table address");
	if (!walk_is_memory(table.table, BIT_ULL(d->page_shift)))
		return walk_bad(d->w, iova, pte, "table is not in memory");
	ret = walk_found_table(d->w, &table);
	return ret ?: walk_level(d, level + 1, table.table, iova);
}

static int walk_level(const struct dart *d, unsigned int level, phys_addr_t table, u64 base)
{
	unsigned int bits = d->page_shift - 3;
	unsigned int shift = d->page_shift + (d->levels - 1 - level) * bits;
	const u64 *ptes = phys_to_virt(table);
	u64 i, iova, pte;
	int ret = 0;

	i = d->w->first > base ? (d->w->first - base) >> shift : 0;
	for (; i < BIT_ULL(bits) && base + (i << shift) <= d->w->last && !ret; i++) {
		pte = READ_ONCE(ptes[i]);
		iova = base + (i << shift);
		if (!(pte & DART_VALID))
			continue;
		if (shift == d->page_shift)
			ret = visit_page(d, iova, pte);
		else
			ret = visit_table(d, level, iova, BIT_ULL(shift), pte);
	}
	return ret;
}

static unsigned int count_levels(const struct io_pgtable_cfg *cfg)
{
#ifdef IO_PGTABLE_SAFE_HAVE_DART_LEVELS
	/* The TTBRs count as one */
	return cfg->apple_dart_cfg.n_levels - 1;
#else
	return 2;
#endif
}

int walk_dart(const struct walk *w)
{
	const struct io_pgtable_cfg *cfg = w->cfg;
	struct dart d = { .w = w, .page_shift = ilog2(cfg->pgsize_bitmap),
			  .levels = count_levels(cfg) };
	unsigned int shift = d.page_shift + d.levels * (d.page_shift - 3), i;
	u64 ttbr, base;
	int ret = 0;

	if (cfg->apple_dart_cfg.n_ttbrs > ARRAY_SIZE(cfg->apple_dart_cfg.ttbr) ||
	    d.levels < 2 || d.levels > 3)
		return walk_bad(w, 0, cfg->apple_dart_cfg.n_ttbrs, "TTBRs or levels");
	for (i = 0; i < cfg->apple_dart_cfg.n_ttbrs && !ret; i++) {
		ttbr = cfg->apple_dart_cfg.ttbr[i];
		base = (u64)i << shift;
		if (base > w->last || base + BIT_ULL(shift) - 1 < w->first)
			continue;
		if (!IS_ALIGNED(ttbr, BIT_ULL(d.page_shift)) ||
		    !walk_is_memory(ttbr, BIT_ULL(d.page_shift)))
			return walk_bad(w, base, ttbr, "table base register");
		ret = walk_level(&d, 0, ttbr, base);
	}
	return ret;
}

int walk_dart_prot(enum io_pgtable_fmt fmt, int prot)
{
	int seen = prot & (IOMMU_READ | IOMMU_WRITE);

#ifdef IO_PGTABLE_SAFE_HAVE_DART2_CACHE
	if (fmt == APPLE_DART2)
		seen |= prot & IOMMU_CACHE;
#endif
	return seen;
}
