// SPDX-License-Identifier: GPL-2.0
/*
 * Walker of long descriptors: VMSAv8-64 (Arm ARM, DDI 0487, "The AArch64 Virtual
 * Memory System Architecture"), stage 1 and stage 2, the Long-descriptor format of
 * AArch32 (same, "The AArch32 Virtual Memory System Architecture"), and what Mali
 * GPUs make of them (ENTRY_* in Arm's kernel driver for them).
 */
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/sizes.h>

#include "io_pgtable_safe_compat.h"
#include "walk.h"

/* The low two bits of a descriptor */
#define DESC_VALID	BIT_ULL(0)
#define DESC_TYPE	GENMASK_ULL(1, 0)
#define TYPE_BLOCK	1
#define TYPE_TABLE	3	/* Or a page, at the last level */

/* Attributes of blocks and pages */
#define DESC_ATTRINDX	GENMASK_ULL(4, 2)	/* Stage 1: a byte of MAIR */
#define DESC_MEMATTR	GENMASK_ULL(5, 2)	/* Stage 2 */
#define DESC_NS		BIT_ULL(5)		/* Stage 1 */
#define DESC_AP_UNPRIV	BIT_ULL(6)		/* Stage 1: AP[1] */
#define DESC_AP_RDONLY	BIT_ULL(7)		/* Stage 1: AP[2] */
#define DESC_S2AP_READ	BIT_ULL(6)		/* Stage 2 */
#define DESC_S2AP_WRITE	BIT_ULL(7)		/* Stage 2 */
#define DESC_SH		GENMASK_ULL(9, 8)
#define SH_RESERVED	1
#define DESC_AF		BIT_ULL(10)
#define DESC_NG		BIT_ULL(11)		/* Stage 1 */
#define DESC_DBM	BIT_ULL(51)
#define DESC_CONTIGUOUS	BIT_ULL(52)
#define DESC_PXN	BIT_ULL(53)		/* Stage 1 */
#define DESC_XN		BIT_ULL(54)		/* UXN; XN[1] at stage 2 */
#define DESC_RES0	GENMASK_ULL(50, 48)

/* Attributes of tables, all of stage 1 */
#define TABLE_NS	BIT_ULL(63)
#define TABLE_LIMITS	GENMASK_ULL(62, 59)	/* APTable, UXNTable, PXNTable */

#define LAST_LEVEL	3

/**
 * struct regime - A translation regime, as its registers have it.
 * @w: The walk.
 * @top: The first table.
 * @base: The lowest iova.
 * @start: The level of the first table.
 * @page_shift: log2 of the granule.
 * @ia_bits: Bits of input address.
 * @pa_bits: Bits of output address.
 */
struct regime {
	const struct walk *w;
	phys_addr_t top;
	u64 base;
	unsigned int start;
	unsigned int page_shift;
	unsigned int ia_bits;
	unsigned int pa_bits;
};

static bool is_stage_2(const struct walk *w)
{
	return w->fmt == ARM_64_LPAE_S2 || w->fmt == ARM_32_LPAE_S2;
}

static bool is_aarch32(const struct walk *w)
{
	return w->fmt == ARM_32_LPAE_S1 || w->fmt == ARM_32_LPAE_S2;
}

/* --- registers ------------------------------------------------------------ */

static const u8 tg0_shifts[] = { 12, 16, 14 };
static const u8 tg1_shifts[] = { 0, 14, 12, 16 };
static const u8 ps_bits[] = { 32, 36, 40, 42, 44, 48, 52 };

/* What an entry describes at a level, as log2 */
static unsigned int level_shift(const struct regime *r, unsigned int level)
{
	return r->page_shift + (LAST_LEVEL - level) * (r->page_shift - 3);
}

/* TCR and VTCR have these in common. Returns 0 for reserved values. */
static int read_sizes(struct regime *r, unsigned int tsz, unsigned int ps, unsigned int tg,
		      const u8 *tg_shifts, unsigned int n_tg)
{
	if (ps >= ARRAY_SIZE(ps_bits) || tg >= n_tg || !tg_shifts[tg] || tsz > 63)
		return -EINVAL;
	r->page_shift = tg_shifts[tg];
	r->ia_bits = 64 - tsz;
	r->pa_bits = ps_bits[ps];
	/* Without FEAT_LPA2, only 64K granules have more than 48 bits */
	if (r->page_shift != 16)
		r->pa_bits = min(r->pa_bits, 48U);
	if (is_aarch32(r->w))
		r->pa_bits = min(r->pa_bits, 40U);
	return r->ia_bits > r->page_shift ? 0 : -EINVAL;
}

static int read_stage_1(struct regime *r)
{
	const struct io_pgtable_cfg *cfg = r->w->cfg;
	const typeof(cfg->arm_lpae_s1_cfg.tcr) *tcr = &cfg->arm_lpae_s1_cfg.tcr;
	bool upper = cfg->quirks & IO_PGTABLE_QUIRK_ARM_TTBR1;
	int err;

	if (upper)
		err = read_sizes(r, tcr->tsz, tcr->ips, tcr->tg, tg1_shifts,
				 ARRAY_SIZE(tg1_shifts));
	else
		err = read_sizes(r, tcr->tsz, tcr->ips, tcr->tg, tg0_shifts,
				 ARRAY_SIZE(tg0_shifts));
	if (err)
		return err;
	/* The fewest levels that resolve all bits */
	r->start = LAST_LEVEL + 1 - DIV_ROUND_UP(r->ia_bits - r->page_shift, r->page_shift - 3);
	r->base = upper ? ~GENMASK_ULL(r->ia_bits - 1, 0) : 0;
	r->top = cfg->arm_lpae_s1_cfg.ttbr;
	return 0;
}

static int read_stage_2(struct regime *r)
{
	const struct io_pgtable_cfg *cfg = r->w->cfg;
	const typeof(cfg->arm_lpae_s2_cfg.vtcr) *vtcr = &cfg->arm_lpae_s2_cfg.vtcr;
	int err = read_sizes(r, vtcr->tsz, vtcr->ps, vtcr->tg, tg0_shifts,
			     ARRAY_SIZE(tg0_shifts));

	if (err)
		return err;
	/* SL0 counts from level 2 with 4K granules, from level 3 with others */
	if (r->page_shift == 12)
		r->start = vtcr->sl == 3 ? LAST_LEVEL : 2 - vtcr->sl;
	else
		r->start = LAST_LEVEL - vtcr->sl;
	/* Up to 16 tables may stand side by side in the place of one above them */
	if (r->ia_bits <= level_shift(r, r->start) ||
	    r->ia_bits > level_shift(r, r->start) + r->page_shift - 3 + 4)
		return -EINVAL;
	r->top = cfg->arm_lpae_s2_cfg.vttbr;
	return 0;
}

/* Four levels whatever the size; a TRANSTAB says nothing about sizes */
static int read_mali(struct regime *r)
{
	const struct io_pgtable_cfg *cfg = r->w->cfg;
	u64 transtab = cfg->arm_mali_lpae_cfg.transtab;

	if ((transtab & GENMASK_ULL(1, 0)) != 3)	/* ADRMODE_TABLE */
		return -EINVAL;
	r->page_shift = 12;
	r->ia_bits = cfg->ias;
	r->pa_bits = cfg->oas;
	r->top = transtab & GENMASK_ULL(47, 12);
	return 0;
}

static unsigned int table_bits(const struct regime *r, unsigned int level)
{
	unsigned int shift = level_shift(r, level);

	if (level > r->start)
		return r->page_shift - 3;
	return r->ia_bits > shift ? r->ia_bits - shift : 0;
}

static int read_registers(struct regime *r)
{
	u64 size;
	int err;

	if (r->w->fmt == ARM_MALI_LPAE)
		err = read_mali(r);
	else if (is_stage_2(r->w))
		err = read_stage_2(r);
	else
		err = read_stage_1(r);
	if (err)
		return walk_bad(r->w, 0, 0, "control register");

	/* A table is aligned to its size, and at least to 64 bytes */
	size = max_t(u64, 8ULL << table_bits(r, r->start), 64);
	if (!IS_ALIGNED(r->top, size) || r->top >> r->pa_bits || !walk_is_memory(r->top, size))
		return walk_bad(r->w, 0, r->top, "table base register");
	return 0;
}

/* --- attributes ----------------------------------------------------------- */

/* Device, write-back cached at all levels, or neither. */
static int read_mair(const struct regime *r, u64 entry)
{
	unsigned int index = FIELD_GET(DESC_ATTRINDX, entry);
	u8 attr;

	if (r->w->fmt == ARM_MALI_LPAE) {
		/* Mali has policies of its own, of which this one allocates on writes */
		attr = r->w->cfg->arm_mali_lpae_cfg.memattr >> (8 * index);
		return attr == 0x8d ? IOMMU_CACHE : 0;
	}
	attr = r->w->cfg->arm_lpae_s1_cfg.mair >> (8 * index);
	if (!(attr & 0xf0))
		return IOMMU_MMIO;
	return (attr & 0xcc) == 0xcc ? IOMMU_CACHE : 0;
}

static int read_stage_1_prot(const struct regime *r, u64 entry)
{
	bool clean = (r->w->cfg->quirks & IO_PGTABLE_QUIRK_ARM_HD) && (entry & DESC_DBM);
	int prot = IOMMU_READ | read_mair(r, entry);

	/* With DBM the hardware makes it writable when it is written to */
	if (!(entry & DESC_AP_RDONLY) || clean)
		prot |= IOMMU_WRITE;
	if (!(entry & DESC_AP_UNPRIV))
		prot |= IOMMU_PRIV;
	if ((entry & DESC_XN) && (entry & DESC_PXN))
		prot |= IOMMU_NOEXEC;
	return prot;
}

static int read_stage_2_perms(u64 entry)
{
	int prot = 0;

	if (entry & DESC_S2AP_READ)
		prot |= IOMMU_READ;
	if (entry & DESC_S2AP_WRITE)
		prot |= IOMMU_WRITE;
	if (entry & DESC_XN)
		prot |= IOMMU_NOEXEC;
	return prot;
}

/* 0b1111 is write-back; 0b0110 is with FEAT_S2FWB, where 0b1111 is reserved */
static int read_memattr(const struct regime *r, u64 entry)
{
	bool fwb = r->w->cfg->quirks & IO_PGTABLE_QUIRK_ARM_S2FWB;

	switch (FIELD_GET(DESC_MEMATTR, entry)) {
	case 0x0 ... 0x3:
		return IOMMU_MMIO;
	case 0x5:
		return 0;
	case 0x6:
		return fwb ? IOMMU_CACHE : -EINVAL;
	case 0xf:
		return fwb ? -EINVAL : IOMMU_CACHE;
	default:
		return -EINVAL;
	}
}

static int read_prot(const struct regime *r, u64 entry)
{
	int memory;

	if (r->w->fmt == ARM_MALI_LPAE)
		return read_stage_2_perms(entry) | read_mair(r, entry);
	if (!is_stage_2(r->w))
		return read_stage_1_prot(r, entry);
	memory = read_memattr(r, entry);
	return memory < 0 ? memory : memory | read_stage_2_perms(entry);
}

/* Why no hardware takes the attributes, or nobody asks for them; NULL if it does. */
static const char *check_attributes(const struct regime *r, u64 entry)
{
	if (entry & DESC_RES0)
		return "reserved bits";
	if (FIELD_GET(DESC_SH, entry) == SH_RESERVED)
		return "reserved shareability";
	if (entry & DESC_CONTIGUOUS)
		return "contiguous hint";
	if ((entry & DESC_DBM) && !(r->w->cfg->quirks & IO_PGTABLE_QUIRK_ARM_HD))
		return "dirty bit modifier";
	if (r->w->fmt == ARM_MALI_LPAE)
		return NULL;
	if (!(entry & DESC_AF))
		return "access flag fault";
	if (is_stage_2(r->w))
		return NULL;
	if (!!(entry & DESC_NS) != !!(r->w->cfg->quirks & IO_PGTABLE_QUIRK_ARM_NS))
		return "non-secure bit";
	/* A TLB shares a global entry among address spaces */
	return entry & DESC_NG ? NULL : "global";
}

/* --- the walk ------------------------------------------------------------- */

/* The output address of a descriptor that describes 2^@shift bytes. */
static u64 read_address(const struct regime *r, u64 entry, unsigned int shift)
{
	u64 addr = entry & GENMASK_ULL(47, 12);

	if (r->page_shift == 16 && r->pa_bits == 52)
		addr = (addr & GENMASK_ULL(47, 16)) | (addr & GENMASK_ULL(15, 12)) << 36;
	return addr;
}

static bool may_be_block(const struct regime *r, unsigned int level)
{
	if (level == 2)
		return true;
	return level == 1 && (r->page_shift == 12 || (r->page_shift == 16 && r->pa_bits == 52));
}

/* Mali calls a page a block at the last level, too */
static bool is_leaf(const struct regime *r, unsigned int level, u64 entry)
{
	unsigned int type = entry & DESC_TYPE;

	if (level < LAST_LEVEL)
		return type == TYPE_BLOCK && may_be_block(r, level);
	return type == (r->w->fmt == ARM_MALI_LPAE ? TYPE_BLOCK : TYPE_TABLE);
}

static int visit_leaf(const struct regime *r, unsigned int level, u64 iova, u64 entry)
{
	unsigned int shift = level_shift(r, level);
	struct walk_leaf leaf = {
		.iova = iova,
		.size = BIT_ULL(shift),
		.paddr = read_address(r, entry, shift),
		.prot = read_prot(r, entry),
	};
	const char *why = check_attributes(r, entry);

	if (why)
		return walk_bad(r->w, iova, entry, why);
	if (leaf.prot < 0)
		return walk_bad(r->w, iova, entry, "reserved memory attributes");
	if (!IS_ALIGNED(leaf.paddr, leaf.size))
		return walk_bad(r->w, iova, entry, "misaligned block");
	if (leaf.paddr >> r->pa_bits)
		return walk_bad(r->w, iova, entry, "output address too large");
	return walk_found_leaf(r->w, &leaf);
}

static int walk_level(const struct regime *r, unsigned int level, phys_addr_t table, u64 base);

static int visit_table(const struct regime *r, unsigned int level, u64 iova, u64 entry)
{
	unsigned int shift = level_shift(r, level);
	u64 size = BIT_ULL(r->page_shift);
	struct walk_table table = {
		.iova = iova,
		.size = BIT_ULL(shift),
		.table = read_address(r, entry, shift),
		.level = level + 1,
	};
	int ret;

	if (entry & (DESC_RES0 | TABLE_LIMITS))
		return walk_bad(r->w, iova, entry, "attributes of a table");
	if (!!(entry & TABLE_NS) != !!(r->w->cfg->quirks & IO_PGTABLE_QUIRK_ARM_NS))
		return walk_bad(r->w, iova, entry, "non-secure bit");
	if (!IS_ALIGNED(table.table, size) || table.table >> r->pa_bits)
		return walk_bad(r->w, iova, entry, "table address");
	if (!walk_is_memory(table.table, size))
		return walk_bad(r->w, iova, entry, "table is not in memory");
	ret = walk_found_table(r->w, &table);
	return ret ?: walk_level(r, level + 1, table.table, iova);
}

static int visit_entry(const struct regime *r, unsigned int level, u64 iova, u64 entry)
{
	if (!(entry & DESC_VALID))
		return 0;
	if (is_leaf(r, level, entry))
		return visit_leaf(r, level, iova, entry);
	if (level < LAST_LEVEL && (entry & DESC_TYPE) == TYPE_TABLE)
		return visit_table(r, level, iova, entry);
	return walk_bad(r->w, iova, entry, "reserved type");
}

/* At most four deep, so that recursion is fine */
static int walk_level(const struct regime *r, unsigned int level, phys_addr_t table, u64 base)
{
	unsigned int shift = level_shift(r, level);
	const u64 *entries = phys_to_virt(table);
	u64 n = BIT_ULL(table_bits(r, level)), i;
	int ret;

	i = r->w->first > base ? (r->w->first - base) >> shift : 0;
	for (; i < n && base + (i << shift) <= r->w->last; i++) {
		ret = visit_entry(r, level, base + (i << shift), READ_ONCE(entries[i]));
		if (ret)
			return ret;
	}
	return 0;
}

int walk_lpae(const struct walk *w)
{
	struct regime r = { .w = w };
	int err = read_registers(&r);

	return err ?: walk_level(&r, r.start, r.top, r.base);
}

int walk_lpae_prot(enum io_pgtable_fmt fmt, int prot)
{
	int seen = prot & (IOMMU_READ | IOMMU_WRITE | IOMMU_NOEXEC);

	if (fmt == ARM_MALI_LPAE)
		return seen | (prot & IOMMU_MMIO ? 0 : prot & IOMMU_CACHE);
	seen |= (prot & IOMMU_MMIO) ?: (prot & IOMMU_CACHE);
	if (fmt == ARM_64_LPAE_S2 || fmt == ARM_32_LPAE_S2)
		return seen;
	/* What can be written can be read at stage 1 */
	return seen | IOMMU_READ | (prot & IOMMU_PRIV);
}
