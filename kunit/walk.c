// SPDX-License-Identifier: GPL-2.0
/*
 * What the walkers of all formats have in common.
 */
#include <linux/errno.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/pfn.h>

#include "walk.h"

int walk_bad(const struct walk *w, u64 iova, u64 entry, const char *why)
{
	if (w->v->bad)
		w->v->bad(w->ctx, iova, entry, why);
	return -EINVAL;
}

int walk_found_leaf(const struct walk *w, const struct walk_leaf *leaf)
{
	return !w->v->leaf || w->v->leaf(w->ctx, leaf) ? 0 : WALK_END;
}

int walk_found_table(const struct walk *w, const struct walk_table *table)
{
	return !w->v->table || w->v->table(w->ctx, table) ? 0 : WALK_END;
}

bool walk_is_memory(phys_addr_t table, u64 size)
{
	return table && pfn_valid(PHYS_PFN(table)) && pfn_valid(PHYS_PFN(table + size - 1));
}

/**
 * walk_range() - Say what the hardware would find.
 * @fmt: The format of the table.
 * @granted: Its configuration, as io_pgtable_safe_cfg() or the format gave it.
 * @first: First byte of the range to look at.
 * @last: Last byte of it.
 * @v: Who is told of it.
 * @ctx: For the visitor.
 *
 * Goes through all entries that describe a byte of the range, in ascending order.
 *
 * Context: Any. Nobody may free tables of the range meanwhile.
 * Return: 0, also if the visitor ended the walk, or -EINVAL if there is an entry
 * that no hardware accepts, or one that says what no user of io-pgtable ever asks
 * for (hierarchical permissions, contiguous hints), or if the configuration itself
 * is of that kind.
 */
int walk_range(enum io_pgtable_fmt fmt, const struct io_pgtable_cfg *granted,
	       u64 first, u64 last, const struct walk_visitor *v, void *ctx)
{
	const struct walk w = {
		.fmt = fmt, .cfg = granted, .first = first, .last = last,
		.v = v, .ctx = ctx,
	};
	int ret;

	switch (fmt) {
	case ARM_V7S:
		ret = walk_v7s(&w);
		break;
	case APPLE_DART:
	case APPLE_DART2:
		ret = walk_dart(&w);
		break;
	default:
		ret = walk_lpae(&w);
	}
	return ret == WALK_END ? 0 : ret;
}

/**
 * walk_prot() - Say what the walker reports for a protection.
 * @fmt: The format.
 * @quirks: Quirks of the table.
 * @prot: IOMMU_* flags that were mapped with.
 *
 * Context: Any.
 * Return: The flags that &struct walk_leaf has.
 */
int walk_prot(enum io_pgtable_fmt fmt, unsigned long quirks, int prot)
{
	switch (fmt) {
	case ARM_V7S:
		return walk_v7s_prot(quirks, prot);
	case APPLE_DART:
	case APPLE_DART2:
		return walk_dart_prot(fmt, prot);
	default:
		return walk_lpae_prot(fmt, prot);
	}
}
