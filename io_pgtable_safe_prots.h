/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The protections of what can be cut, see io_pgtable_safe_cut().
 */
#ifndef _IO_PGTABLE_SAFE_PROTS_H
#define _IO_PGTABLE_SAFE_PROTS_H

#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/gfp.h>
#include <linux/processor.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "io_pgtable_safe.h"

/**
 * DOC: prots
 *
 * To cut a block is to unmap it and to map the rest of it again, with the
 * protection it had. No format says which that was: the bits of a descriptor are
 * its own affair. So the layer notes the protection of every leaf that can be
 * cut, which is every one that is larger than the granule. Granules are not
 * noted and cost nothing.
 *
 * Most blocks of a table have the same protection. It is noted once, for the
 * table: the usual one is that of the first block, and from then on that of any
 * that is mapped while nothing else is. Each leaf with another has an entry in an
 * xarray, with its offset in units of the smallest size that can be cut as the
 * key. Entries are made before the backend is called, with the caller's gfp flags,
 * and erased when the leaves are gone or could not be mapped, which needs no
 * memory; so there are entries for leaves that are mapped only.
 *
 * A block with the usual protection costs one comparison when it is mapped, and
 * one when it is unmapped. Any other costs an xarray entry: about 9 bytes where
 * such leaves are neighbours, up to 576 for each level where they are strewn, and
 * the time of an xa_store() for each leaf.
 *
 * An xarray allocates its nodes itself, without sleeping or reclaiming, and lets its
 * user provide one where that fails. So a reservation has nodes for what a range
 * may need, and they are used when there is no memory.
 *
 * Who writes or reads an entry has claimed the leaf. The xarray's own lock is
 * taken with interrupts off, and never together with the ledger's.
 */

/* Entries to erase before others may have the lock, and interrupts, for a moment */
#define PROTS_BREATH		512

/**
 * struct prots - The protections of one page table's blocks.
 * @unusual: Those that are not @usual.
 * @usual: The protection of all other blocks; 0 if there never was one. Read by
 *	who has a claim in the ledger, changed under its lock by who has the only one,
 *	or from 0 by anyone.
 * @shift: log2 of the smallest size that can be cut: the unit of a key. No leaf
 *	is as large as that if there is only one page size.
 * @block: That size.
 * @reserve: Nodes for maps with %IO_PGTABLE_SAFE_RESERVED, or NULL; see
 *	prots_alloc_spare(). Under the lock of @unusual.
 */
struct prots {
	struct xarray unusual;
	int usual;
	u8 shift;
	u64 block;
	struct xa_node **reserve;
};

static void prots_init(struct prots *p, unsigned long pgsizes)
{
	unsigned long blocks = pgsizes & (pgsizes - 1);

	xa_init_flags(&p->unusual, XA_FLAGS_LOCK_IRQ);
	p->usual = 0;
	p->shift = blocks ? __ffs(blocks) : 63;
	p->block = BIT_ULL(p->shift);
}

static void prots_destroy(struct prots *p)
{
	xa_destroy(&p->unusual);
}

/* Is a leaf of this size noted, if it has another protection than most? */
static __always_inline bool prots_wants(const struct prots *p, unsigned int shift,
					int prot)
{
	return shift >= p->shift && unlikely(prot != READ_ONCE(p->usual));
}

/* The protection of the block that starts at this offset */
static int prots_get(struct prots *p, u64 off)
{
	void *entry = xa_load(&p->unusual, off >> p->shift);

	return xa_is_value(entry) ? xa_to_value(entry) : READ_ONCE(p->usual);
}

/* A list by their parent, as xas_destroy() has it */
static bool prots_alloc_spare(struct prots *p, struct xa_node **list, gfp_t gfp)
{
	XA_STATE(xas, &p->unusual, 0);

	xas_set_err(&xas, -ENOMEM);
	if (!xas_nomem(&xas, (gfp & ~__GFP_ZERO) | __GFP_NOWARN))
		return false;
	RCU_INIT_POINTER(xas.xa_alloc->parent, *list);
	*list = xas.xa_alloc;
	return true;
}

static void prots_free_spares(struct xa_node *list)
{
	XA_STATE(xas, NULL, 0);

	/* What is not needed after all */
	xas.xa_alloc = list;
	xas_nomem(&xas, 0);
}

static u64 prots_spare_bytes(const struct xa_node *list)
{
	u64 bytes = 0;

	for (; list; list = rcu_dereference_protected(list->parent, true))
		bytes += sizeof(*list);
	return bytes;
}

/*
 * How many nodes may a range need? One for each part of it that a node can describe,
 * on each level, and those by which a lower tree has to grow.
 */
static u64 prots_count(const struct prots *p, u64 first, u64 last, unsigned int bits)
{
	unsigned int shift = p->shift;
	u64 n = 0;

	while (shift < bits) {
		shift += XA_CHUNK_SHIFT;
		n += shift < 64 ? (last >> shift) - (first >> shift) + 1 : 1;
		n++;
	}
	return n;
}

static struct xa_node *prots_take_spare(struct prots *p)
{
	struct xa_node *node = p->reserve ? *p->reserve : NULL;

	if (node) {
		*p->reserve = rcu_dereference_protected(node->parent, true);
		RCU_INIT_POINTER(node->parent, NULL);
	}
	return node;
}

/* With a node at hand; as often as it has been used up and was not enough */
static int prots_set_one_reserved(struct prots *p, u64 off, int prot)
{
	XA_STATE(xas, &p->unusual, off >> p->shift);
	unsigned long flags;
	bool again;
	int err;

	do {
		xas_lock_irqsave(&xas, flags);
		xas.xa_alloc = prots_take_spare(p);
		again = xas.xa_alloc;
		xas_store(&xas, xa_mk_value(prot));
		if (xas.xa_alloc) {
			RCU_INIT_POINTER(xas.xa_alloc->parent, *p->reserve);
			*p->reserve = xas.xa_alloc;
		}
		xas_unlock_irqrestore(&xas, flags);
		err = xas_error(&xas);
		xas_reset(&xas);
	} while (err == -ENOMEM && again);
	return err;
}

static int prots_set_one(struct prots *p, u64 off, int prot, gfp_t gfp)
{
	unsigned long flags;
	void *old;

	if (gfp == IO_PGTABLE_SAFE_RESERVED)
		return prots_set_one_reserved(p, off, prot);
	/* If it sleeps, it lets go of the lock, and of interrupts, for that */
	xa_lock_irqsave(&p->unusual, flags);
	old = __xa_store(&p->unusual, off >> p->shift, xa_mk_value(prot),
			 (gfp & ~__GFP_ZERO) | __GFP_NOWARN);
	xa_unlock_irqrestore(&p->unusual, flags);
	return xa_err(old);
}

/**
 * prots_set() - Note the protection of blocks.
 * @p: The protections.
 * @first: Offset of the first byte of the first block.
 * @last: Offset of the last byte of the last one.
 * @shift: log2 of their size.
 * @prot: What to note; not negative.
 * @gfp: For entries, or %IO_PGTABLE_SAFE_RESERVED.
 *
 * Context: Any; sleeps if @gfp allows it. The range is claimed.
 * Return: 0, or -ENOMEM, and then some of them may have been noted.
 */
static int prots_set(struct prots *p, u64 first, u64 last, unsigned int shift,
		     int prot, gfp_t gfp)
{
	u64 off = first;
	int err;

	for (;;) {
		err = prots_set_one(p, off, prot, gfp);
		if (err || last - off < BIT_ULL(shift))
			return err;
		off += BIT_ULL(shift);
	}
}

static noinline void prots_erase_slow(struct prots *p, u64 first, u64 size)
{
	XA_STATE(xas, &p->unusual, (first + p->block - 1) >> p->shift);
	unsigned long flags;
	unsigned int n = 0;
	void *entry;

	xas_lock_irqsave(&xas, flags);
	xas_for_each(&xas, entry, (first + size - 1) >> p->shift) {
		if (xa_is_value(entry))
			xas_store(&xas, NULL);
		if (++n % PROTS_BREATH)
			continue;
		xas_pause(&xas);
		xas_unlock_irqrestore(&xas, flags);
		cpu_relax();
		xas_lock_irqsave(&xas, flags);
	}
	xas_unlock_irqrestore(&xas, flags);
}

/**
 * prots_erase() - Forget the blocks that start in a range.
 * @p: The protections.
 * @first: Offset of the first byte.
 * @size: In bytes.
 *
 * Context: Any. The range is claimed.
 */
static __always_inline void prots_erase(struct prots *p, u64 first, u64 size)
{
	if (size >= p->block && unlikely(!xa_empty(&p->unusual)))
		prots_erase_slow(p, first, size);
}

#endif /* _IO_PGTABLE_SAFE_PROTS_H */
