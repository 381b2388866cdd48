// SPDX-License-Identifier: GPL-2.0
/*
 * Walker of short descriptors (Arm ARM, DDI 0406, "Short-descriptor translation
 * table format"), with TEX remap and the simplified access permissions, as a
 * granted configuration wants them; and of what MediaTek's IOMMUs make of them.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/sizes.h>

#include "walk.h"

/* The low two bits; the lower of the two is PXN or XN where there is a second */
#define DESC_TYPE	GENMASK(1, 0)
#define TYPE_TABLE	1	/* Level 1 */
#define TYPE_LARGE	1	/* Level 2 */
#define DESC_SECTION	BIT(1)	/* Level 1 */
#define SECTION_PXN	BIT(0)
#define SECTION_DOMAIN	GENMASK(8, 5)
#define SECTION_IMPDEF	BIT(9)
#define SECTION_SUPER	BIT(18)
#define SECTION_NS	BIT(19)
#define LARGE_SBZ	GENMASK(8, 6)
#define TABLE_PXN	BIT(2)
#define TABLE_NS	BIT(3)
#define TABLE_SBZ	BIT(4)
#define DESC_B		BIT(2)
#define DESC_C		BIT(3)

/* Bits 32, 33 and 34 of an address in MediaTek's descriptors of both levels */
#define MTK_PA32	BIT(9)
#define MTK_PA33	BIT(4)
#define MTK_PA34	BIT(5)
#define MTK_PA		(MTK_PA32 | MTK_PA33 | MTK_PA34)

/* A large page is one descriptor 16 times, and so is a supersection. */
#define REPEATS		16

/**
 * struct layout - Where the attributes are in a kind of descriptor.
 * @tex0: TEX[0].
 * @ap0: AP[0], the access flag.
 * @ap1: AP[1], accessible to the unprivileged.
 * @ap2: AP[2], read-only.
 * @ng: Not global.
 * @xn: Execute never.
 */
struct layout {
	unsigned int tex0;
	unsigned int ap0;
	unsigned int ap1;
	unsigned int ap2;
	unsigned int ng;
	unsigned int xn;
};

static const struct layout section = {
	.tex0 = 12, .ap0 = 10, .ap1 = 11, .ap2 = 15, .ng = 17, .xn = 4,
};

static const struct layout large_page = {
	.tex0 = 12, .ap0 = 4, .ap1 = 5, .ap2 = 9, .ng = 11, .xn = 15,
};

static const struct layout small_page = {
	.tex0 = 6, .ap0 = 4, .ap1 = 5, .ap2 = 9, .ng = 11, .xn = 0,
};

static bool is_mtk(const struct walk *w)
{
	return w->cfg->quirks & IO_PGTABLE_QUIRK_ARM_MTK_EXT;
}

static bool has_perms(const struct walk *w)
{
	return !(w->cfg->quirks & IO_PGTABLE_QUIRK_NO_PERMS);
}

static u64 read_address(const struct walk *w, u32 entry, u32 mask)
{
	u64 addr = entry & mask;

	if (!is_mtk(w))
		return addr;
	if (entry & MTK_PA32)
		addr |= BIT_ULL(32);
	if (entry & MTK_PA33)
		addr |= BIT_ULL(33);
	if (entry & MTK_PA34)
		addr |= BIT_ULL(34);
	return addr;
}

/* --- attributes ----------------------------------------------------------- */

/* TEX remap: three bits choose a field in PRRR and in NMRR. */
static int read_memory(const struct walk *w, const struct layout *l, u32 entry)
{
	unsigned int n = (entry >> l->tex0 & 1) << 2 | (entry & (DESC_C | DESC_B)) >> 2;

	switch (w->cfg->arm_v7s_cfg.prrr >> (2 * n) & 3) {
	case 0:		/* Strongly-ordered */
	case 1:		/* Device */
		return IOMMU_MMIO;
	case 2:		/* Normal: inner write-back, write-allocate? */
		return (w->cfg->arm_v7s_cfg.nmrr >> (2 * n) & 3) == 1 ? IOMMU_CACHE : 0;
	default:
		return -EINVAL;
	}
}

static int read_prot(const struct walk *w, const struct layout *l, u32 entry)
{
	int prot = read_memory(w, l, entry);

	if (prot < 0)
		return prot;
	prot |= IOMMU_READ;
	if (!has_perms(w))
		return prot | IOMMU_WRITE;
	if (!(entry & BIT(l->ap2)))
		prot |= IOMMU_WRITE;
	if (!(entry & BIT(l->ap1)))
		prot |= IOMMU_PRIV;
	if (entry & BIT(l->xn))
		prot |= IOMMU_NOEXEC;
	return prot;
}

/* Why no hardware takes the attributes, or nobody asks for them; NULL if it does. */
static const char *check_attributes(const struct walk *w, const struct layout *l, u32 entry)
{
	if (has_perms(w) && !(entry & BIT(l->ap0)))
		return "access flag fault";
	/* A TLB shares a global entry among address spaces */
	return entry & BIT(l->ng) ? NULL : "global";
}

static const char *check_section(const struct walk *w, u32 entry)
{
	u32 sbz = SECTION_DOMAIN | SECTION_IMPDEF;

	if (is_mtk(w))
		sbz &= ~MTK_PA;
	if (entry & sbz)
		return "domain";
	if (entry & SECTION_PXN)
		return "privileged execute never";
	if (!!(entry & SECTION_NS) != !!(w->cfg->quirks & IO_PGTABLE_QUIRK_ARM_NS))
		return "non-secure bit";
	return NULL;
}

/* --- the walk ------------------------------------------------------------- */

/* What level 1 has repeated is 16 times 1M, level 2 16 times 4K. */
static bool is_repeated(const u32 *group, u32 entry)
{
	unsigned int i;

	for (i = 0; i < REPEATS; i++)
		if (READ_ONCE(group[i]) != entry)
			return false;
	return true;
}

static int visit_leaf(const struct walk *w, const struct layout *l, u64 iova, u32 entry,
		      u64 size)
{
	/* Addresses of a supersection have 4 bits where those of a section have 8 */
	u32 mask = size == SZ_16M ? ~(u32)(SZ_1M - 1) : ~(u32)(size - 1);
	struct walk_leaf leaf = {
		.iova = iova,
		.size = size,
		.paddr = read_address(w, entry, mask),
		.prot = read_prot(w, l, entry),
	};
	const char *why = check_attributes(w, l, entry);

	if (why)
		return walk_bad(w, iova, entry, why);
	if (leaf.prot < 0)
		return walk_bad(w, iova, entry, "reserved memory type");
	/* Those that it has besides are for an address with more than 32 bits */
	if (!IS_ALIGNED(leaf.paddr, size))
		return walk_bad(w, iova, entry, "misaligned supersection");
	if (leaf.paddr >> w->cfg->oas)
		return walk_bad(w, iova, entry, "output address too large");
	return walk_found_leaf(w, &leaf);
}

/* Walk level 2, of which one table describes the megabyte at @base */
static int walk_pages(const struct walk *w, phys_addr_t table, u64 base)
{
	const u32 *entries = phys_to_virt(table);
	unsigned int i = w->first > base ? (w->first - base) >> 12 : 0;
	u64 iova;
	u32 entry;
	int ret;

	while (i < 256 && base + ((u64)i << 12) <= w->last) {
		entry = READ_ONCE(entries[i]);
		iova = base + ((u64)i << 12);
		ret = 0;
		if ((entry & DESC_TYPE) == TYPE_LARGE) {
			i &= ~(REPEATS - 1);
			if (!is_repeated(entries + i, entry))
				return walk_bad(w, iova, entry, "large page not repeated");
			if (entry & LARGE_SBZ)
				return walk_bad(w, iova, entry, "reserved bits");
			ret = visit_leaf(w, &large_page, base + ((u64)i << 12), entry, SZ_64K);
			i += REPEATS;
		} else {
			if (entry & DESC_TYPE)
				ret = visit_leaf(w, &small_page, iova, entry, SZ_4K);
			i++;
		}
		if (ret)
			return ret;
	}
	return 0;
}

static int visit_table(const struct walk *w, u64 iova, u32 entry)
{
	u32 sbz = TABLE_PXN | TABLE_SBZ | SECTION_DOMAIN | SECTION_IMPDEF;
	struct walk_table table = {
		.iova = iova,
		.size = SZ_1M,
		.table = read_address(w, entry, GENMASK(31, 10)),
		.level = 2,
	};
	int ret;

	if (is_mtk(w))
		sbz &= ~MTK_PA;
	if (entry & sbz)
		return walk_bad(w, iova, entry, "attributes of a table");
	if (!!(entry & TABLE_NS) != !!(w->cfg->quirks & IO_PGTABLE_QUIRK_ARM_NS))
		return walk_bad(w, iova, entry, "non-secure bit");
	if (!walk_is_memory(table.table, SZ_1K))
		return walk_bad(w, iova, entry, "table is not in memory");
	ret = walk_found_table(w, &table);
	return ret ?: walk_pages(w, table.table, iova);
}

/* One entry of level 1, or the 16 of a supersection; *i goes on to the next */
static int visit_entry(const struct walk *w, const u32 *entries, u64 *i)
{
	u32 entry = READ_ONCE(entries[*i]);
	u64 iova = *i << 20;
	const char *why;

	if (!(entry & DESC_SECTION)) {
		(*i)++;
		return (entry & DESC_TYPE) == TYPE_TABLE ? visit_table(w, iova, entry) : 0;
	}
	why = check_section(w, entry);
	if (why)
		return walk_bad(w, iova, entry, why);
	if (!(entry & SECTION_SUPER)) {
		(*i)++;
		return visit_leaf(w, &section, iova, entry, SZ_1M);
	}
	*i &= ~(u64)(REPEATS - 1);
	if (!is_repeated(entries + *i, entry))
		return walk_bad(w, iova, entry, "supersection not repeated");
	iova = *i << 20;
	*i += REPEATS;
	return visit_leaf(w, &section, iova, entry, SZ_16M);
}

/* MediaTek's TTBR has bits 34:32 of the address at its low end. */
static phys_addr_t read_ttbr(const struct walk *w)
{
	u32 ttbr = w->cfg->arm_v7s_cfg.ttbr;

	if (is_mtk(w))
		return (ttbr & GENMASK(31, 7)) | (u64)(ttbr & GENMASK(2, 0)) << 32;
	return ttbr & GENMASK(31, 14);
}

int walk_v7s(const struct walk *w)
{
	phys_addr_t top = read_ttbr(w);
	u64 i = w->first >> 20, n;
	int ret;

	if (w->cfg->ias <= 20 || w->cfg->ias > (is_mtk(w) ? 34 : 32))
		return walk_bad(w, 0, w->cfg->ias, "input size");
	n = BIT_ULL(w->cfg->ias - 20);
	if (!walk_is_memory(top, n * sizeof(u32)))
		return walk_bad(w, 0, top, "table base register");
	while (i < n && i << 20 <= w->last) {
		ret = visit_entry(w, phys_to_virt(top), &i);
		if (ret)
			return ret;
	}
	return 0;
}

int walk_v7s_prot(unsigned long quirks, int prot)
{
	int seen = IOMMU_READ | ((prot & IOMMU_MMIO) ?: (prot & IOMMU_CACHE));

	if (quirks & IO_PGTABLE_QUIRK_NO_PERMS)
		return seen | IOMMU_WRITE;
	/* What can be written can be read */
	return seen | (prot & (IOMMU_WRITE | IOMMU_PRIV | IOMMU_NOEXEC));
}
