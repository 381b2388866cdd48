// SPDX-License-Identifier: GPL-2.0
/*
 * Reading page tables, descriptor by descriptor: LPAE stage 1 and Mali (Arm ARM,
 * DDI 0487, D8.3), short descriptors (DDI 0406, B3.5).
 */
#include <linux/io.h>
#include <linux/log2.h>

#include "descriptors.h"
#include "helpers.h"

/**
 * struct tables - How the tables of a format are made.
 * @top: The first.
 * @shift: log2 of what an entry of it describes.
 * @bits: log2 of the entries in any other.
 * @top_bits: log2 of the entries in the first.
 * @last: log2 of what an entry of the last level describes.
 * @v7s: Entries have four bytes.
 */
struct tables {
	const void *top;
	unsigned int shift;
	unsigned int bits;
	unsigned int top_bits;
	unsigned int last;
	bool v7s;
};

static void find_lpae(struct pgt_test *fix, struct tables *t, u64 pgd)
{
	unsigned int ias = fix->cfg->ias, levels;

	t->last = ilog2(fix->granule);
	t->bits = t->last - 3;
	levels = DIV_ROUND_UP(ias - t->last, t->bits);
	t->shift = t->last + (levels - 1) * t->bits;
	t->top_bits = ias - t->shift;
	t->top = phys_to_virt(pgd);
}

static bool find_tables(struct kunit *test, struct tables *t)
{
	struct pgt_test *fix = pgt_fixture(test);

	*t = (struct tables){};
	if (!fix->format)
		return false;
	switch (fix->format->fmt) {
	case ARM_64_LPAE_S1:
	case ARM_32_LPAE_S1:
		find_lpae(fix, t, fix->cfg->arm_lpae_s1_cfg.ttbr);
		return true;
	case ARM_MALI_LPAE:
		find_lpae(fix, t, fix->cfg->arm_mali_lpae_cfg.transtab & GENMASK_ULL(47, 12));
		return true;
	case ARM_V7S:
		*t = (struct tables){
			.top = phys_to_virt(fix->cfg->arm_v7s_cfg.ttbr & GENMASK(31, 14)),
			.shift = 20, .bits = 8, .top_bits = fix->cfg->ias - 20,
			.last = 12, .v7s = true,
		};
		return true;
	default:
		return false;
	}
}

static u64 read_entry(const struct tables *t, const void *table, unsigned int i)
{
	return t->v7s ? ((const u32 *)table)[i] : ((const u64 *)table)[i];
}

/* The table that an entry points to, or NULL if it is not of that kind */
static const void *next_table(const struct tables *t, u64 entry, unsigned int shift)
{
	if (shift == t->last)
		return NULL;
	if (t->v7s)
		return (entry & 3) == 1 ? phys_to_virt(entry & GENMASK(31, 10)) : NULL;
	return (entry & 3) == 3 ? phys_to_virt(entry & GENMASK_ULL(47, t->last)) : NULL;
}

bool reads_descriptors(struct kunit *test)
{
	struct tables t;

	return find_tables(test, &t);
}

u64 read_descriptor(struct kunit *test, u64 iova)
{
	unsigned int shift, bits;
	const void *table;
	struct tables t;
	u64 entry;

	if (!find_tables(test, &t))
		return 0;
	table = t.top;
	shift = t.shift;
	bits = t.top_bits;
	while (true) {
		entry = read_entry(&t, table, (iova >> shift) & (BIT(bits) - 1));
		table = next_table(&t, entry, shift);
		if (!table)
			return entry;
		shift -= t.bits;
		bits = t.bits;
	}
}

static u64 digest_table(const struct tables *t, const void *table, unsigned int shift,
			unsigned int bits, u64 digest)
{
	unsigned int i;
	u64 entry;

	for (i = 0; i < BIT(bits); i++) {
		entry = read_entry(t, table, i);
		if (!entry)
			continue;
		digest = (digest ^ i) * 0x100000001b3ULL;
		digest = (digest ^ entry) * 0x100000001b3ULL;
		if (next_table(t, entry, shift))
			digest = digest_table(t, next_table(t, entry, shift),
					      shift - t->bits, t->bits, digest);
	}
	return digest;
}

u64 digest_descriptors(struct kunit *test)
{
	struct tables t;

	if (!find_tables(test, &t))
		return 0;
	return digest_table(&t, t.top, t.shift, t.top_bits, 1);
}
