/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The record of what is mapped in one page table.
 *
 * A header of static functions, as lib/interval_tree.c has its generic one, so
 * that the KUnit suites can include it and test it on its own.
 */
#ifndef _IO_PGTABLE_SAFE_LEDGER_H
#define _IO_PGTABLE_SAFE_LEDGER_H

#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "io_pgtable_safe_compat.h"

/**
 * DOC: ledger
 *
 * The page table cannot be asked what is mapped: the formats differ, the check
 * must come before the call, and iova_to_phys() costs a walk for each page and
 * says nothing of leaf boundaries. So the layer keeps its own record.
 *
 * It is a radix tree whose levels follow those of the page table: a level for
 * each granted page size, so that a block of any size is one slot. Sizes up to 16
 * times the next smaller one (v7s large pages and supersections, contiguous
 * runs in the page table too) are a run of slots in one level. Each slot has
 * two bits:
 *
 * ======  ====================================================================
 * free    Nothing is mapped in the slot.
 * start   A leaf starts here.
 * cont    The leaf of the slot before goes on here.
 * table   The slot is divided: a node one level down describes it.
 * ======  ====================================================================
 *
 * An operation has two phases. It claims its range under the spinlock, which
 * checks the slots and the other claims; then the backend runs with no lock
 * held; then it commits under the lock. Claims are on a list, not in the slots,
 * so that a range being unmapped keeps its leaf boundaries until it is gone.
 * The list is as long as there are threads inside the backend at that moment.
 *
 * A node lives while one of its slots is not free or a claim has pinned it.
 * Mapping pins the nodes it will write to before the backend is called, with
 * the caller's gfp flags, so that the commit cannot fail. Unmapping allocates
 * nothing and frees nodes as they become empty.
 *
 * The ledger counts in offsets from the first iova of the address space, so
 * that the upper half (IO_PGTABLE_QUIRK_ARM_TTBR1) needs no further thought,
 * and ranges are given by their first and last byte, so that the last page of
 * the address space doesn't overflow.
 */

/* Levels are at least five bits apart: enough for any granule and 64 bits */
#define LEDGER_MAX_LEVELS	12
/* The largest run of slots that makes one leaf: v7s repeats an entry 16 times */
#define LEDGER_MAX_RUN_BITS	4
/* Nodes to look at before others may have the lock, and interrupts, for a moment */
#define LEDGER_BREATH		512
/* Children are allocated in small groups so that strewn pages stay cheap */
#define LEDGER_GROUP_BITS	4
#define LEDGER_GROUP		BIT(LEDGER_GROUP_BITS)

enum ledger_state {
	LEDGER_FREE	= 0,
	LEDGER_START	= 1,
	LEDGER_TABLE	= 2,
	LEDGER_CONT	= 3,
};

/**
 * struct ledger_node - One node of the tree.
 * @used: Slots that are not free.
 * @pins: Claims that will write to this node.
 * @lvl: Level of the node, 0 for the granule.
 * @bits: Slot states: words 2n and 2n + 1 hold the low and the high bits of the
 *	same slots, side by side so that an operation on one slot touches one
 *	cache line. Above level 0 the pointers to the groups of children follow.
 */
struct ledger_node {
	u16 used;
	u16 pins;
	u8 lvl;
	unsigned long bits[];
};

/**
 * struct ledger_claim - A range on which an operation is under way.
 * @list: Entry in &ledger.claims.
 * @first: Offset of the first byte.
 * @last: Offset of the last byte.
 * @node: The one node the operation needs, where it needs only one.
 * @lvl: Level of @node and of the pinned nodes.
 * @mapping: It is a map: what is recorded in the range does not count yet.
 * @pinned: There are pinned nodes, between @pin_first and @pin_last.
 * @pin_first: First byte the pinned nodes describe.
 * @pin_last: Last byte the pinned nodes describe.
 * @mark_first: First byte mapped but not yet recorded.
 * @mark_size: Bytes mapped but not yet recorded.
 * @mark_shift: log2 of their leaf size.
 * @recorded: Bytes recorded but not yet counted in &ledger.mapped.
 */
struct ledger_claim {
	struct list_head list;
	u64 first;
	u64 last;
	struct ledger_node *node;
	u8 lvl;
	bool mapping;
	bool pinned;
	u8 mark_shift;
	u64 pin_first;
	u64 pin_last;
	u64 mark_first;
	u64 mark_size;
	u64 recorded;
};

/*
 * struct ledger - The record of one page table.
 * @lock: Protects what is below the geometry. Taken with interrupts off: io-pgtable
 *	itself may be used from any context.
 * @levels: Number of levels.
 * @shift: log2 of the bytes in a slot of each level; that of the whole address
 *	space stands above the last.
 * @root: The only node of the top level. Never freed.
 * @claims: Operations under way.
 * @mapped: Bytes mapped by operations that are over.
 */
struct ledger {
	spinlock_t lock; /* for everything below the geometry */
	u8 levels;
	u8 shift[LEDGER_MAX_LEVELS + 1];
	struct ledger_node *root __guarded_by(&lock);
	struct list_head claims __guarded_by(&lock);
	u64 mapped __guarded_by(&lock);
};

static inline void ledger_breathe(struct ledger *l, unsigned long *flags)
	__must_hold(&l->lock)
{
	spin_unlock_irqrestore(&l->lock, *flags);
	cpu_relax();
	spin_lock_irqsave(&l->lock, *flags);
}

/* Nodes taken out under the lock, to be freed when it has been dropped */
struct ledger_garbage {
	struct ledger_node *head;
};

/* What a path may lack, allocated before the lock is taken */
struct ledger_spares {
	struct ledger_node *node[LEDGER_MAX_LEVELS];
	struct ledger_node **group[LEDGER_MAX_LEVELS];
};

static inline unsigned int ledger_slots(const struct ledger *l, unsigned int lvl)
{
	return 1U << (l->shift[lvl + 1] - l->shift[lvl]);
}

static inline unsigned int ledger_words(const struct ledger *l, unsigned int lvl)
{
	return BITS_TO_LONGS(ledger_slots(l, lvl));
}

static inline unsigned int ledger_slot(const struct ledger *l, u64 off,
				       unsigned int lvl)
{
	return (off >> l->shift[lvl]) & (ledger_slots(l, lvl) - 1);
}

/* Bytes minus one of a slot: the mask of the offset in it */
static inline u64 ledger_slot_mask(const struct ledger *l, unsigned int lvl)
{
	return BIT_ULL(l->shift[lvl]) - 1;
}

/* The same for all that a node describes; the root's may be 64 bits */
static inline u64 ledger_node_mask(const struct ledger *l, unsigned int lvl)
{
	return GENMASK_ULL(l->shift[lvl + 1] - 1, 0);
}

/* The level that has leaves of this size */
static inline unsigned int ledger_level(const struct ledger *l,
					unsigned int shift)
{
	unsigned int lvl = 0;

	while (lvl + 1 < l->levels && l->shift[lvl + 1] <= shift)
		lvl++;
	return lvl;
}

static inline enum ledger_state ledger_state(const struct ledger_node *node,
					     unsigned int slot)
{
	const unsigned long *w = &node->bits[2 * BIT_WORD(slot)];
	unsigned int bit = slot % BITS_PER_LONG;

	return ((w[0] >> bit) & 1) | (((w[1] >> bit) & 1) << 1);
}

/* The bits of slots a to b that are in word w */
static inline unsigned long ledger_mask(unsigned int w, unsigned int a,
					unsigned int b)
{
	unsigned long mask = ~0UL;

	if (w == BIT_WORD(a))
		mask &= BITMAP_FIRST_WORD_MASK(a);
	if (w == BIT_WORD(b))
		mask &= BITMAP_LAST_WORD_MASK(b + 1);
	return mask;
}

static inline struct ledger_node ***ledger_groups(const struct ledger *l,
						  struct ledger_node *node)
{
	return (struct ledger_node ***)&node->bits[2 * ledger_words(l, node->lvl)];
}

static inline struct ledger_node *ledger_child(const struct ledger *l,
					       struct ledger_node *node,
					       unsigned int slot)
{
	struct ledger_node **group;

	group = ledger_groups(l, node)[slot >> LEDGER_GROUP_BITS];
	return group ? group[slot % LEDGER_GROUP] : NULL;
}

static struct ledger_node *ledger_alloc_node(const struct ledger *l,
					     unsigned int lvl, gfp_t gfp)
{
	size_t size = sizeof(struct ledger_node);
	struct ledger_node *node;

	size += 2 * ledger_words(l, lvl) * sizeof(long);
	if (lvl)
		size += DIV_ROUND_UP(ledger_slots(l, lvl), LEDGER_GROUP) *
			sizeof(void *);

	node = kzalloc(size, gfp | __GFP_NOWARN);
	if (node)
		node->lvl = lvl;
	return node;
}

/* Free a node that nothing points to any more, with all below it */
static void ledger_free_tree(const struct ledger *l, struct ledger_node *node)
{
	unsigned int i, j, groups;
	struct ledger_node **group;

	if (node->lvl) {
		groups = DIV_ROUND_UP(ledger_slots(l, node->lvl), LEDGER_GROUP);
		for (i = 0; i < groups; i++) {
			group = ledger_groups(l, node)[i];
			if (!group)
				continue;
			for (j = 0; j < LEDGER_GROUP; j++)
				if (group[j])
					ledger_free_tree(l, group[j]);
			kfree(group);
		}
	}
	kfree(node);
}

/* The states of a node on its way out are not needed: they make the list */
static inline void ledger_discard(struct ledger_garbage *g,
				  struct ledger_node *node)
{
	node->bits[0] = (unsigned long)g->head;
	g->head = node;
}

static inline void ledger_empty_garbage(const struct ledger *l,
					struct ledger_garbage *g)
{
	struct ledger_node *node;

	while (unlikely(g->head)) {
		node = g->head;
		g->head = (struct ledger_node *)node->bits[0];
		ledger_free_tree(l, node);
	}
}

/*
 * Put the levels where the page sizes are. Levels with no page size of their
 * own are as wide as a table of the usual eight-byte descriptors.
 */
static int ledger_set_levels(struct ledger *l, unsigned long pgsizes,
			     unsigned int bits)
{
	unsigned int shift = __ffs(pgsizes);
	unsigned int wide = clamp(shift, 9U, 16U) - 3;
	unsigned int next;

	l->levels = 0;
	while (shift < bits) {
		if (l->levels == LEDGER_MAX_LEVELS)
			return -EINVAL;
		l->shift[l->levels++] = shift;
		for (next = shift + LEDGER_MAX_RUN_BITS + 1;
		     next < shift + wide && next < BITS_PER_LONG; next++)
			if (pgsizes & BIT(next))
				break;
		shift = min(shift + wide, next);
	}
	l->shift[l->levels] = bits;
	return 0;
}

/**
 * ledger_init() - Prepare the ledger of an empty page table.
 * @l: The ledger.
 * @pgsizes: Bitmap of leaf sizes; all smaller than the address space.
 * @bits: Size of the address space, in bits.
 *
 * Context: May sleep.
 * Return: 0, -ENOMEM, or -EINVAL for page sizes that make too many levels.
 */
static int ledger_init(struct ledger *l, unsigned long pgsizes,
		       unsigned int bits) __context_unsafe(/* not yet shared */)
{
	int err;

	err = ledger_set_levels(l, pgsizes, bits);
	if (err)
		return err;

	spin_lock_init(&l->lock);
	INIT_LIST_HEAD(&l->claims);
	l->mapped = 0;
	l->root = ledger_alloc_node(l, l->levels - 1, GFP_KERNEL);
	return l->root ? 0 : -ENOMEM;
}

/**
 * ledger_destroy() - Free all memory of a ledger, whatever is still mapped.
 * @l: The ledger; nobody else may be using it.
 *
 * Context: Any.
 */
static void ledger_destroy(struct ledger *l) __context_unsafe(/* no longer shared */)
{
	ledger_free_tree(l, l->root);
	l->root = NULL;
}

/* --- runs of slots within one node -------------------------------------- */

/* Is any slot from a to b not free? */
static bool ledger_any_used(const struct ledger_node *node, unsigned int a,
			    unsigned int b)
{
	unsigned int w;

	for (w = BIT_WORD(a); w <= BIT_WORD(b); w++)
		if ((node->bits[2 * w] | node->bits[2 * w + 1]) &
		    ledger_mask(w, a, b))
			return true;
	return false;
}

/* Record leaves of 2^run slots from a to b, all of them free until now */
static void ledger_set(struct ledger_node *node, unsigned int a,
		       unsigned int b, unsigned int run)
{
	/* One bit in every 2^run; runs are aligned to their size */
	unsigned long starts = ~0UL / (BIT(1U << run) - 1);
	unsigned long mask;
	unsigned int w;

	for (w = BIT_WORD(a); w <= BIT_WORD(b); w++) {
		mask = ledger_mask(w, a, b);
		node->bits[2 * w] |= mask;
		if (run)
			node->bits[2 * w + 1] |= mask & ~starts;
	}
	node->used += b - a + 1;
}

/* Slots a to b become free; the children of those that have any go */
static void ledger_reset(const struct ledger *l, struct ledger_node *node,
			 unsigned int a, unsigned int b,
			 struct ledger_garbage *g)
{
	unsigned long mask, *bits, tables;
	unsigned int w, slot;
	struct ledger_node ***group;

	for (w = BIT_WORD(a); w <= BIT_WORD(b); w++) {
		mask = ledger_mask(w, a, b);
		bits = &node->bits[2 * w];
		tables = bits[1] & ~bits[0] & mask;
		node->used -= hweight_long((bits[0] | bits[1]) & mask);
		bits[0] &= ~mask;
		bits[1] &= ~mask;

		for (; unlikely(tables); tables &= tables - 1) {
			slot = w * BITS_PER_LONG + __ffs(tables);
			group = &ledger_groups(l, node)[slot >> LEDGER_GROUP_BITS];
			ledger_discard(g, (*group)[slot % LEDGER_GROUP]);
			(*group)[slot % LEDGER_GROUP] = NULL;
			if (!memchr_inv(*group, 0, LEDGER_GROUP * sizeof(**group))) {
				kfree(*group);
				*group = NULL;
			}
		}
	}
}

/* --- walks ---------------------------------------------------------------- */

/**
 * struct ledger_piece - Part of a range that one node can answer for.
 * @node: The node.
 * @a: First slot.
 * @b: Last slot.
 * @whole: The range covers the slots whole; else it covers part of slot @a,
 *	which is not divided any further.
 * @last: Last byte of the piece.
 */
struct ledger_piece {
	struct ledger_node *node;
	unsigned int a;
	unsigned int b;
	bool whole;
	u64 last;
};

/* The last slot before the next table, but not behind b */
static unsigned int ledger_before_table(const struct ledger_node *node,
					unsigned int a, unsigned int b)
{
	while (a < b && ledger_state(node, a + 1) != LEDGER_TABLE)
		a++;
	return a;
}

/*
 * Cut the first piece off the range from first to last. Slots with a node of
 * their own are cut up, unless they are whole and their level is at most this.
 */
static void ledger_cut_piece(const struct ledger *l, u64 first, u64 last,
			     unsigned int uncut, struct ledger_piece *p)
	__must_hold(&l->lock)
{
	struct ledger_node *node = l->root;
	u64 mask, n;

	for (;;) {
		mask = ledger_slot_mask(l, node->lvl);
		p->a = ledger_slot(l, first, node->lvl);
		p->whole = !(first & mask) && last - first >= mask;
		if ((p->whole && node->lvl <= uncut) ||
		    ledger_state(node, p->a) != LEDGER_TABLE)
			break;
		node = ledger_child(l, node, p->a);
	}

	p->node = node;
	p->b = p->a;
	p->last = min(last, first | mask);
	if (p->whole) {
		n = (last - first - mask) >> l->shift[node->lvl];
		p->b = min_t(u64, p->a + n, ledger_slots(l, node->lvl) - 1);
		if (node->lvl > uncut)
			p->b = ledger_before_table(node, p->a, p->b);
		p->last = first + ((u64)(p->b - p->a) << l->shift[node->lvl]) + mask;
	}
}

/* Take empty nodes out of the tree, from the one of this level upwards */
static void ledger_prune(struct ledger *l, u64 off, unsigned int lvl,
			 struct ledger_garbage *g) __must_hold(&l->lock)
{
	struct ledger_node *path[LEDGER_MAX_LEVELS];
	struct ledger_node *node = l->root;
	unsigned int slot;

	path[node->lvl] = node;
	while (node->lvl > lvl) {
		node = ledger_child(l, node, ledger_slot(l, off, node->lvl));
		path[node->lvl] = node;
	}
	while (node != l->root && !node->used && !node->pins) {
		node = path[node->lvl + 1];
		slot = ledger_slot(l, off, node->lvl);
		ledger_reset(l, node, slot, slot, g);
	}
}

static inline void ledger_prune_if_empty(struct ledger *l, u64 off,
					 struct ledger_node *node,
					 struct ledger_garbage *g)
	__must_hold(&l->lock)
{
	if (unlikely(!node->used && !node->pins))
		ledger_prune(l, off, node->lvl, g);
}

/* Everything from first to last becomes free */
static void ledger_clear(struct ledger *l, u64 first, u64 last,
			 struct ledger_garbage *g) __must_hold(&l->lock)
{
	struct ledger_piece p;
	u64 pos = first;

	for (;;) {
		ledger_cut_piece(l, pos, last, LEDGER_MAX_LEVELS, &p);
		if (p.whole) {
			ledger_reset(l, p.node, p.a, p.b, g);
			ledger_prune_if_empty(l, pos, p.node, g);
		}
		if (p.last == last)
			return;
		pos = p.last + 1;
	}
}

/*
 * Are slots a to b, whose children if any are of level 0, all mapped? Notes the
 * lowest level that has leaves.
 */
static bool ledger_full(const struct ledger *l, struct ledger_node *node,
			unsigned int a, unsigned int b, unsigned int *lowest)
{
	unsigned long mask, lo, hi, tables;
	struct ledger_node *child;
	unsigned int w;

	for (w = BIT_WORD(a); w <= BIT_WORD(b); w++) {
		mask = ledger_mask(w, a, b);
		lo = node->bits[2 * w];
		hi = node->bits[2 * w + 1];
		if (~(lo | hi) & mask)
			return false;
		if (lo & mask)
			*lowest = min_t(unsigned int, *lowest, node->lvl);

		for (tables = hi & ~lo & mask; tables; tables &= tables - 1) {
			child = ledger_child(l, node, w * BITS_PER_LONG + __ffs(tables));
			if (child->used != ledger_slots(l, 0))
				return false;
			*lowest = 0;
		}
	}
	return true;
}

static int ledger_check_claims(const struct ledger *l, u64 first, u64 last)
	__must_hold(&l->lock)
{
	const struct ledger_claim *c;

	list_for_each_entry(c, &l->claims, list)
		if (c->first <= last && first <= c->last)
			return -EBUSY;
	return 0;
}

/* Nothing in the range may be mapped. Gives the first piece */
static int ledger_check_free(const struct ledger *l, u64 first, u64 last,
			     struct ledger_piece *head) __must_hold(&l->lock)
{
	struct ledger_piece next, *p = head;
	u64 pos = first;

	for (;;) {
		ledger_cut_piece(l, pos, last, LEDGER_MAX_LEVELS, p);
		if (ledger_any_used(p->node, p->a, p->b))
			return -EEXIST;
		if (p->last == last)
			return 0;
		pos = p->last + 1;
		p = &next;
	}
}

/* The piece must be one or more leaves and nothing else */
static int ledger_check_leaves(const struct ledger *l,
			       const struct ledger_piece *p,
			       unsigned int *lowest)
{
	unsigned int next = p->b + 1;

	if (!p->whole)
		return ledger_state(p->node, p->a) == LEDGER_FREE ? -ENOENT : -ENOTBLK;
	if (!ledger_full(l, p->node, p->a, p->b, lowest))
		return -ENOENT;
	if (ledger_state(p->node, p->a) == LEDGER_CONT)
		return -ENOTBLK;
	if (next < ledger_slots(l, p->node->lvl) &&
	    ledger_state(p->node, next) == LEDGER_CONT)
		return -ENOTBLK;
	return 0;
}

/*
 * The range must be one or more consecutive leaves, none of them cut. Looks at
 * the part from *pos on until it has had enough, and then says -EAGAIN.
 */
static int ledger_check_mapped(const struct ledger *l, u64 *pos, u64 last,
			       unsigned int *lowest) __must_hold(&l->lock)
{
	struct ledger_piece p;
	unsigned int seen = 0;
	int err;

	while (seen < LEDGER_BREATH) {
		ledger_cut_piece(l, *pos, last, 1, &p);
		err = ledger_check_leaves(l, &p, lowest);
		if (err || p.last == last)
			return err;
		*pos = p.last + 1;
		seen += p.node->lvl ? p.b - p.a + 1 : 1;
	}
	return -EAGAIN;
}

/* The leaf that holds this byte */
static int ledger_find_leaf(const struct ledger *l, u64 off, u64 *first,
			    u64 *last) __must_hold(&l->lock)
{
	struct ledger_node *node = l->root;
	unsigned int a, b;
	u64 mask;

	for (;;) {
		a = ledger_slot(l, off, node->lvl);
		if (ledger_state(node, a) != LEDGER_TABLE)
			break;
		node = ledger_child(l, node, a);
	}
	if (ledger_state(node, a) == LEDGER_FREE)
		return -ENOENT;

	b = a;
	while (ledger_state(node, a) == LEDGER_CONT)
		a--;
	while (b + 1 < ledger_slots(l, node->lvl) &&
	       ledger_state(node, b + 1) == LEDGER_CONT)
		b++;

	mask = ledger_node_mask(l, node->lvl);
	*first = (off & ~mask) | ((u64)a << l->shift[node->lvl]);
	*last = ((off & ~mask) | ((u64)b << l->shift[node->lvl])) +
		ledger_slot_mask(l, node->lvl);
	return 0;
}

/* The next slot behind a that may hold what is sought, or the number of slots */
static unsigned int ledger_next_slot(const struct ledger *l,
				     const struct ledger_node *node,
				     unsigned int a, bool mapped)
{
	unsigned int slots = ledger_slots(l, node->lvl), w;
	unsigned long lo, hi, found;

	for (a++; a < slots; a = (w + 1) * BITS_PER_LONG) {
		w = BIT_WORD(a);
		lo = node->bits[2 * w];
		hi = node->bits[2 * w + 1];
		found = (mapped ? lo | hi : ~lo) & BITMAP_FIRST_WORD_MASK(a);
		if (found)
			return min_t(unsigned int, slots,
				     w * BITS_PER_LONG + __ffs(found));
	}
	return slots;
}

/*
 * Move *pos to the first byte that is mapped (or is not), up to last: 0, or
 * -ENOENT if there is none, or -EAGAIN when it has had enough.
 */
static int ledger_seek(const struct ledger *l, u64 *pos, u64 last, bool mapped)
	__must_hold(&l->lock)
{
	struct ledger_node *node;
	unsigned int a, seen;
	bool found;
	u64 base;

	for (seen = 0; seen < LEDGER_BREATH; seen++) {
		node = l->root;
		for (;;) {
			a = ledger_slot(l, *pos, node->lvl);
			if (ledger_state(node, a) != LEDGER_TABLE)
				break;
			node = ledger_child(l, node, a);
		}
		found = ledger_state(node, a) != LEDGER_FREE;
		if (found == mapped)
			return 0;

		base = *pos & ~ledger_node_mask(l, node->lvl);
		a = ledger_next_slot(l, node, a, mapped);
		/* The last byte before it, because the next may be 2^64 */
		base += ((u64)a << l->shift[node->lvl]) - 1;
		if (base >= last)
			return -ENOENT;
		*pos = base + 1;
	}
	return -EAGAIN;
}

/* --- nodes to write to ---------------------------------------------------- */

static void ledger_free_spares(const struct ledger *l, struct ledger_spares *s)
{
	unsigned int i;

	for (i = 0; i < l->levels; i++) {
		kfree(s->node[i]);
		kfree(s->group[i]);
	}
}

/* Allocate what a path of nodes of levels from low to high takes */
static int ledger_fill_spares(const struct ledger *l, struct ledger_spares *s,
			      unsigned int low, unsigned int high, gfp_t gfp)
{
	unsigned int i;

	for (i = low; i <= high; i++) {
		if (!s->node[i])
			s->node[i] = ledger_alloc_node(l, i, gfp);
		if (!s->group[i])
			s->group[i] = kcalloc(LEDGER_GROUP, sizeof(*s->group[i]),
					      gfp | __GFP_NOWARN);
		if (!s->node[i] || !s->group[i])
			return -ENOMEM;
	}
	return 0;
}

static bool ledger_have_spares(const struct ledger_spares *s, unsigned int low,
			       unsigned int high)
{
	unsigned int i;

	for (i = low; i <= high; i++)
		if (!s->node[i] || !s->group[i])
			return false;
	return true;
}

static struct ledger_node *ledger_add_child(const struct ledger *l,
					    struct ledger_node *node,
					    unsigned int slot,
					    struct ledger_spares *s)
{
	unsigned int lvl = node->lvl - 1;
	struct ledger_node *child = s->node[lvl];
	struct ledger_node ***group;

	group = &ledger_groups(l, node)[slot >> LEDGER_GROUP_BITS];
	if (!*group) {
		*group = s->group[lvl];
		s->group[lvl] = NULL;
	}
	(*group)[slot % LEDGER_GROUP] = child;
	s->node[lvl] = NULL;
	node->bits[2 * BIT_WORD(slot) + 1] |= BIT_MASK(slot);
	node->used++;
	return child;
}

/*
 * The node of this level that describes the offset. Where it does not exist yet
 * it is made from the spares; NULL if they do not suffice, and then *high is
 * the highest level of which one is missing.
 */
static struct ledger_node *ledger_get_node(struct ledger *l, u64 off,
					   unsigned int lvl,
					   struct ledger_spares *s,
					   unsigned int *high)
	__must_hold(&l->lock)
{
	struct ledger_node *node = l->root, *child;
	unsigned int slot;

	while (node->lvl > lvl) {
		slot = ledger_slot(l, off, node->lvl);
		child = ledger_child(l, node, slot);
		if (unlikely(!child)) {
			*high = node->lvl - 1;
			if (!s || !ledger_have_spares(s, lvl, *high))
				return NULL;
			child = ledger_add_child(l, node, slot, s);
		}
		node = child;
	}
	return node;
}

/* Pin the nodes from pin_first on; goes on where it stopped for want of spares */
static bool ledger_pin(struct ledger *l, struct ledger_claim *c, u64 last,
		       struct ledger_spares *s, unsigned int *high)
	__must_hold(&l->lock)
{
	u64 pos = c->pinned ? c->pin_last + 1 : c->pin_first;
	u64 mask = ledger_node_mask(l, c->lvl);
	struct ledger_node *node;

	for (;;) {
		node = ledger_get_node(l, pos, c->lvl, s, high);
		if (!node)
			return false;
		node->pins++;
		c->node = c->pinned ? NULL : node;
		c->pinned = true;
		c->pin_last = pos | mask;
		if (c->pin_last >= last)
			return true;
		pos = c->pin_last + 1;
	}
}

static void ledger_unpin(struct ledger *l, struct ledger_claim *c,
			 struct ledger_garbage *g) __must_hold(&l->lock)
{
	u64 pos = c->pin_first;
	struct ledger_node *node;

	while (c->pinned) {
		node = c->node ?: ledger_get_node(l, pos, c->lvl, NULL, NULL);
		node->pins--;
		ledger_prune_if_empty(l, pos, node, g);
		pos |= ledger_node_mask(l, c->lvl);
		if (pos++ == c->pin_last)
			c->pinned = false;
	}
	c->node = NULL;
}

/* Record what has been mapped since the last time */
static void ledger_settle(struct ledger *l, struct ledger_claim *c)
	__must_hold(&l->lock)
{
	unsigned int run = c->mark_shift - l->shift[c->lvl];
	struct ledger_node *node;
	u64 pos, last, end;

	if (!c->mark_size)
		return;
	c->recorded += c->mark_size;
	pos = c->mark_first;
	last = pos + c->mark_size - 1;
	c->mark_size = 0;

	for (;;) {
		node = c->node ?: ledger_get_node(l, pos, c->lvl, NULL, NULL);
		end = min(last, pos | ledger_node_mask(l, c->lvl));
		ledger_set(node, ledger_slot(l, pos, c->lvl),
			   ledger_slot(l, end, c->lvl), run);
		if (end == last)
			return;
		pos = end + 1;
	}
}

/* --- mapping -------------------------------------------------------------- */

static int ledger_pin_slow(struct ledger *l, struct ledger_claim *c, u64 last,
			   gfp_t gfp)
{
	struct ledger_spares s = {};
	unsigned int high = c->lvl;
	unsigned long flags;
	bool done;
	int err;

	do {
		err = ledger_fill_spares(l, &s, c->lvl, high, gfp);
		if (err)
			break;
		spin_lock_irqsave(&l->lock, flags);
		done = ledger_pin(l, c, last, &s, &high);
		spin_unlock_irqrestore(&l->lock, flags);
	} while (!done);

	ledger_free_spares(l, &s);
	return err;
}

/**
 * ledger_window() - Make sure that leaves about to be mapped can be recorded.
 * @l: The ledger.
 * @c: A claim by ledger_claim_map().
 * @first: First byte of the leaves, within the claim.
 * @last: Their last byte.
 * @shift: log2 of their size.
 * @gfp: For nodes.
 *
 * Cheap while consecutive calls stay in one node.
 *
 * Context: Any; sleeps if @gfp allows it.
 * Return: 0 or -ENOMEM.
 */
static int ledger_window(struct ledger *l, struct ledger_claim *c, u64 first,
			 u64 last, unsigned int shift, gfp_t gfp)
{
	unsigned int lvl = ledger_level(l, shift), high;
	struct ledger_garbage g = {};
	bool pinned, settled;
	unsigned long flags;

	pinned = c->pinned && c->lvl == lvl && c->pin_first <= first &&
		 last <= c->pin_last;
	settled = !c->mark_size || c->mark_shift == shift;
	if (likely(pinned && settled)) {
		c->mark_shift = shift;
		return 0;
	}

	spin_lock_irqsave(&l->lock, flags);
	ledger_settle(l, c);
	c->mark_shift = shift;
	if (!pinned) {
		ledger_unpin(l, c, &g);
		c->lvl = lvl;
		c->pin_first = first & ~ledger_node_mask(l, lvl);
		pinned = ledger_pin(l, c, last, NULL, &high);
	}
	spin_unlock_irqrestore(&l->lock, flags);

	ledger_empty_garbage(l, &g);
	/* A map of terabytes passes here for each node it fills */
	if (gfpflags_allow_blocking(gfp))
		cond_resched();
	return pinned ? 0 : ledger_pin_slow(l, c, last, gfp);
}

/**
 * ledger_claim_map() - Claim a range in which nothing is mapped.
 * @l: The ledger.
 * @c: The claim, to be ended by ledger_commit_map().
 * @first: First byte.
 * @last: Last byte.
 * @shift: log2 of the size of the first leaves that will be mapped: a hint.
 *
 * Context: Any.
 * Return: 0; -EBUSY if part of the range is claimed; -EEXIST if part of it is
 * mapped.
 */
static int ledger_claim_map(struct ledger *l, struct ledger_claim *c, u64 first,
			    u64 last, unsigned int shift)
{
	struct ledger_piece p;
	unsigned long flags;
	int err;

	c->first = first;
	c->last = last;
	c->node = NULL;
	c->lvl = ledger_level(l, shift);
	c->mapping = true;
	c->pinned = false;
	c->mark_size = 0;
	c->recorded = 0;
	c->mark_shift = shift;

	spin_lock_irqsave(&l->lock, flags);
	err = ledger_check_claims(l, first, last);
	if (!err)
		err = ledger_check_free(l, first, last, &p);
	if (!err) {
		list_add(&c->list, &l->claims);
		if (p.node->lvl == c->lvl) {
			c->node = p.node;
			c->node->pins++;
			c->pinned = true;
			c->pin_first = first & ~ledger_node_mask(l, c->lvl);
			c->pin_last = first | ledger_node_mask(l, c->lvl);
		}
	}
	spin_unlock_irqrestore(&l->lock, flags);
	return err;
}

/* Note that leaves of the size last given to ledger_window() were mapped */
static inline void ledger_note_mapped(struct ledger_claim *c, u64 first, u64 size)
{
	if (!c->mark_size)
		c->mark_first = first;
	c->mark_size += size;
}

/**
 * ledger_commit_map() - Record what was mapped and give the claim up.
 * @l: The ledger.
 * @c: The claim.
 * @undone: Bytes from the start of the claim that were unmapped again.
 *
 * Context: Any.
 */
static void ledger_commit_map(struct ledger *l, struct ledger_claim *c,
			      u64 undone)
{
	struct ledger_garbage g = {};
	unsigned long flags;

	spin_lock_irqsave(&l->lock, flags);
	ledger_settle(l, c);
	ledger_unpin(l, c, &g);
	if (unlikely(undone))
		ledger_clear(l, c->first, c->first + undone - 1, &g);
	l->mapped += c->recorded - undone;
	list_del(&c->list);
	spin_unlock_irqrestore(&l->lock, flags);

	ledger_empty_garbage(l, &g);
}

/* --- unmapping ------------------------------------------------------------ */

/**
 * ledger_claim_unmap() - Claim one or more consecutive leaves.
 * @l: The ledger.
 * @c: The claim, to be ended by ledger_commit_unmap().
 * @first: First byte.
 * @last: Last byte.
 * @shift: Set to log2 of a size that no leaf of the range is smaller than.
 *
 * Context: Any.
 * Return: 0; -EBUSY if part of the range is claimed; -ENOENT if it has a hole;
 * -ENOTBLK if it covers only part of a leaf. Which of the last two it is where
 * both apply is not specified.
 */
static int ledger_claim_unmap(struct ledger *l, struct ledger_claim *c,
			      u64 first, u64 last, unsigned int *shift)
{
	unsigned int lowest = l->levels - 1;
	unsigned long flags;
	u64 pos = first;
	int err;

	c->first = first;
	c->last = last;
	c->mapping = false;

	spin_lock_irqsave(&l->lock, flags);
	err = ledger_check_claims(l, first, last);
	if (!err) {
		/* Once claimed, the range does not change between two looks */
		list_add(&c->list, &l->claims);
		while ((err = ledger_check_mapped(l, &pos, last, &lowest)) == -EAGAIN)
			ledger_breathe(l, &flags);
		if (err)
			list_del(&c->list);
	}
	spin_unlock_irqrestore(&l->lock, flags);

	*shift = l->shift[lowest];
	return err;
}

/**
 * ledger_claim_present() - Claim a range for unmapping whatever it holds.
 * @l: The ledger.
 * @c: The claim, to be ended by ledger_commit_unmap().
 * @first: First byte.
 * @last: Last byte.
 *
 * Context: Any.
 * Return: 0; -EBUSY if part of the range is claimed; -ENOTBLK if one of its
 * ends cuts a leaf.
 */
static int ledger_claim_present(struct ledger *l, struct ledger_claim *c,
				u64 first, u64 last)
{
	u64 leaf_first, leaf_last;
	unsigned long flags;
	int err;

	c->first = first;
	c->last = last;
	c->mapping = false;

	spin_lock_irqsave(&l->lock, flags);
	err = ledger_check_claims(l, first, last);
	if (!err && !ledger_find_leaf(l, first, &leaf_first, &leaf_last) &&
	    leaf_first < first)
		err = -ENOTBLK;
	if (!err && !ledger_find_leaf(l, last, &leaf_first, &leaf_last) &&
	    leaf_last > last)
		err = -ENOTBLK;
	if (!err)
		list_add(&c->list, &l->claims);
	spin_unlock_irqrestore(&l->lock, flags);
	return err;
}

/**
 * ledger_commit_unmap() - Record what was unmapped and give the claim up.
 * @l: The ledger.
 * @c: The claim.
 * @size: Bytes from the start of the claim in which nothing is mapped any more.
 * @unmapped: Bytes of these that were mapped.
 *
 * Context: Any.
 */
static void ledger_commit_unmap(struct ledger *l, struct ledger_claim *c,
				u64 size, u64 unmapped)
{
	struct ledger_garbage g = {};
	unsigned long flags;

	spin_lock_irqsave(&l->lock, flags);
	if (likely(unmapped)) {
		ledger_clear(l, c->first, c->first + size - 1, &g);
		l->mapped -= unmapped;
	}
	list_del(&c->list);
	spin_unlock_irqrestore(&l->lock, flags);

	ledger_empty_garbage(l, &g);
}

/* --- questions ------------------------------------------------------------ */

/* As ledger_seek() for mapped bytes, passing over what is still being mapped */
static int ledger_seek_settled(const struct ledger *l, u64 *pos, u64 last)
	__must_hold(&l->lock)
{
	const struct ledger_claim *c;
	int err;

	err = ledger_seek(l, pos, last, true);
	if (err)
		return err;
	list_for_each_entry(c, &l->claims, list) {
		if (!c->mapping || *pos < c->first || *pos > c->last)
			continue;
		if (c->last >= last)
			return -ENOENT;
		*pos = c->last + 1;
		return -EAGAIN;
	}
	return 0;
}

/* The last byte from first to last that is before anything still being mapped */
static u64 ledger_before_claim(const struct ledger *l, u64 first, u64 last)
	__must_hold(&l->lock)
{
	const struct ledger_claim *c;

	list_for_each_entry(c, &l->claims, list)
		if (c->mapping && c->first > first && c->first <= last)
			last = c->first - 1;
	return last;
}

/**
 * ledger_next_extent() - Find the next mapped bytes.
 * @l: The ledger.
 * @pos: Where to begin.
 * @limit: The last byte to look at.
 * @first: Set to the first mapped byte from @pos on.
 * @last: Set to the last of the mapped bytes that follow it without a hole.
 *
 * What is being mapped does not count, though some of it may be recorded. Not a
 * snapshot where it takes more than one look.
 *
 * Context: Any.
 * Return: False if nothing is mapped from @pos to @limit.
 */
static bool ledger_next_extent(struct ledger *l, u64 pos, u64 limit, u64 *first,
			       u64 *last)
{
	unsigned long flags;
	int err;

	spin_lock_irqsave(&l->lock, flags);
	while ((err = ledger_seek_settled(l, &pos, limit)) == -EAGAIN)
		ledger_breathe(l, &flags);
	if (!err) {
		*first = pos;
		/* What has been looked at counts, whatever becomes of it meanwhile */
		while ((err = ledger_seek(l, &pos, limit, false)) == -EAGAIN)
			ledger_breathe(l, &flags);
		*last = ledger_before_claim(l, *first, err ? limit : pos - 1);
		err = 0;
	}
	spin_unlock_irqrestore(&l->lock, flags);
	return !err;
}

/**
 * ledger_widen() - Widen a range so that it cuts no leaf.
 * @l: The ledger.
 * @first: First byte, moved to the start of the leaf there, if any.
 * @last: Last byte, moved to the end of the leaf there, if any.
 *
 * Context: Any.
 * Return: 0, or -EBUSY if part of the widened range is claimed.
 */
static int ledger_widen(struct ledger *l, u64 *first, u64 *last)
{
	u64 leaf_first, leaf_last;
	unsigned long flags;
	int err;

	spin_lock_irqsave(&l->lock, flags);
	if (!ledger_find_leaf(l, *first, &leaf_first, &leaf_last))
		*first = leaf_first;
	if (!ledger_find_leaf(l, *last, &leaf_first, &leaf_last))
		*last = leaf_last;
	err = ledger_check_claims(l, *first, *last);
	spin_unlock_irqrestore(&l->lock, flags);
	return err;
}

static u64 ledger_mapped(struct ledger *l)
{
	unsigned long flags;
	u64 mapped;

	spin_lock_irqsave(&l->lock, flags);
	mapped = l->mapped;
	spin_unlock_irqrestore(&l->lock, flags);
	return mapped;
}

#endif /* _IO_PGTABLE_SAFE_LEDGER_H */
