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
#include <linux/stddef.h>
#include <linux/types.h>

#include "io_pgtable_safe.h"
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
 * One bit is enough where only the first two can be: in level 0, if no page
 * size makes runs there.
 *
 * An operation claims its range under the spinlock, which checks the slots and
 * the operations under way; then the backend runs with no lock held; then the
 * claim is given up. There is one critical section, not two:
 *
 * - A map records its leaves when it claims them, before they are there, and
 *   until the claim is given up they do not count. If it all goes well, nothing
 *   is left to do then but to say so, which takes no lock.
 * - An unmap keeps its leaves recorded until they are gone, and then only says
 *   that they are. Whoever takes the lock next takes them out.
 *
 * Operations are in a short array in the ledger, or, if more threads than that
 * are inside the backend at once, on a list.
 *
 * A node lives while one of its slots is not free. Mapping makes the nodes it
 * needs before the backend is called, with the caller's gfp flags. Unmapping
 * allocates nothing, and frees nodes as they become empty.
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
#define LEDGER_GROUP_BITS	5
#define LEDGER_GROUP		BIT(LEDGER_GROUP_BITS)
/* Operations that can be under way without a list */
#define LEDGER_OPS		8
/* Empty nodes to keep */
#define LEDGER_STASH		16

enum ledger_state {
	LEDGER_FREE	= 0,
	LEDGER_START	= 1,
	LEDGER_TABLE	= 2,
	LEDGER_CONT	= 3,
};

/**
 * struct ledger_node - One node of the tree.
 * @bits: Slot states. In a wide level, words 2n and 2n + 1 hold the low and the
 *	high bits of the same slots, side by side so that an operation on one slot
 *	touches one cache line; else there are low bits only. Above level 0 the
 *	pointers to the groups of children follow.
 *
 * Nothing else, so that its size is a power of two: one cache line where a node
 * has 512 slots of one bit.
 */
struct ledger_node {
	DECLARE_FLEX_ARRAY(unsigned long, bits);
};

/**
 * struct ledger_level - One level.
 * @first: First byte that @hot describes.
 * @hot: The node of this level that was used last, or NULL.
 * @hot_slots: Number of its slots; 0 without one.
 * @shift: log2 of the bytes in a slot.
 * @wide: Slots have two bits: 1 or 0. So the other word of node.bits[w] is
 *	node.bits[w + wide], or that itself.
 * @runs: A leaf may be a run of slots.
 * @last: The last slot of a node.
 * @groups: Index in &ledger_node.bits of the first pointer.
 */
struct ledger_level {
	u64 first;
	struct ledger_node *hot;
	unsigned int hot_slots;
	u8 shift;
	u8 wide;
	bool runs;
	u16 last;
	u16 groups;
};

/**
 * enum ledger_stage - How far an operation is.
 * @LEDGER_IDLE: There is none.
 * @LEDGER_MAPPING: What it has recorded does not count yet.
 * @LEDGER_UNMAPPING: What is recorded still counts.
 * @LEDGER_UNMAPPED: It is over, but what it unmapped is still recorded.
 */
enum ledger_stage {
	LEDGER_IDLE,
	LEDGER_MAPPING,
	LEDGER_UNMAPPING,
	LEDGER_UNMAPPED,
};

/**
 * struct ledger_op - An operation under way.
 * @stage: How far it is. Its owner may give it up without the lock; all else is
 *	written under the lock.
 * @shift: Of a map: log2 of the size of the leaves last recorded.
 * @lvl: Of an unmap: the level that has slots, in one or two nodes, for exactly
 *	this range; %LEDGER_MAX_LEVELS if there is none.
 * @first: Offset of the first byte.
 * @last: Offset of the last byte.
 * @marked: Of a map: bytes recorded from the first on. They are in
 *	&ledger.mapped already.
 * @bits: Of an unmap: the word of these slots, if they are leaves in one word.
 * @mask: The slots in it, or 0.
 */
struct ledger_op {
	enum ledger_stage stage;
	u16 shift;
	u16 lvl;
	u64 first;
	u64 last;
	u64 marked;
	unsigned long *bits;
	unsigned long mask;
};

/**
 * struct ledger_claim - The claim of an operation, for the one who has it.
 * @op: The operation.
 * @list: Entry in &ledger.more, for @own.
 * @own: The operation, where the ledger has no room for it.
 */
struct ledger_claim {
	struct ledger_op *op;
	struct list_head list;
	struct ledger_op own;
};

/**
 * struct ledger_spares - What paths of nodes may lack.
 * @node: Lists of nodes, for each level. The first word of each is the next.
 * @group: Lists of groups of children, for the parents of these, likewise.
 */
struct ledger_spares {
	struct ledger_node *node[LEDGER_MAX_LEVELS];
	struct ledger_node **group[LEDGER_MAX_LEVELS];
};

/**
 * struct ledger_lack - What a path of nodes did lack.
 * @mapped: Nothing: there is a leaf where it would go on.
 * @high: The highest level of which there is no node.
 * @group: Its parent has no group for it.
 */
struct ledger_lack {
	bool mapped;
	bool group;
	unsigned int high;
};

/*
 * struct ledger - The record of one page table.
 * @lock: Protects what is below, but for the geometry. Taken with interrupts off:
 *	io-pgtable itself may be used from any context.
 * @others: Those of @ops behind the first that may not be idle.
 * @mapped: Bytes recorded, but for what &ledger_op.marked and %LEDGER_UNMAPPED
 *	say.
 * @ops: Operations under way.
 * @more: More of them, by &ledger_claim.list; @others is not 0 then.
 * @level: The levels; only the shift, that of the whole address space, above the
 *	last.
 * @level_of: The level that has leaves of this size, as log2.
 * @levels: Number of levels.
 * @root: The only node of the top level. Never freed.
 * @stash: Empty nodes of level 0, for the next maps: what comes and goes costs no
 *	allocation. The first word of each is the next.
 * @stashed: How many.
 * @reserve: Spares for maps with %IO_PGTABLE_SAFE_RESERVED, or NULL.
 *
 * What each operation touches is at the beginning.
 */
struct ledger {
	spinlock_t lock; /* for everything but the geometry */

	unsigned int others __guarded_by(&lock);
	u64 mapped __guarded_by(&lock);
	struct ledger_op ops[LEDGER_OPS];
	struct ledger_level level[LEDGER_MAX_LEVELS + 1];
	u8 level_of[64 + 1];
	unsigned int levels;
	struct ledger_node *root __guarded_by(&lock);
	struct list_head more __guarded_by(&lock);
	struct ledger_node *stash __guarded_by(&lock);
	unsigned int stashed __guarded_by(&lock);
	struct ledger_spares *reserve __guarded_by(&lock);
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

static inline unsigned int ledger_slots(const struct ledger *l, unsigned int lvl)
{
	return l->level[lvl].last + 1;
}

static inline unsigned int ledger_words(const struct ledger *l, unsigned int lvl)
{
	return BITS_TO_LONGS(ledger_slots(l, lvl));
}

static inline unsigned int ledger_slot(const struct ledger *l, u64 off,
				       unsigned int lvl)
{
	return (off >> l->level[lvl].shift) & l->level[lvl].last;
}

/* Bytes minus one of a slot: the mask of the offset in it */
static inline u64 ledger_slot_mask(const struct ledger *l, unsigned int lvl)
{
	return BIT_ULL(l->level[lvl].shift) - 1;
}

/* The same for all that a node describes; the root's may be 64 bits */
static inline u64 ledger_node_mask(const struct ledger *l, unsigned int lvl)
{
	return GENMASK_ULL(l->level[lvl + 1].shift - 1, 0);
}

/* The level that has leaves of this size, as log2 */
static inline unsigned int ledger_level(const struct ledger *l,
					unsigned int shift)
{
	return l->level_of[shift];
}

static inline unsigned long ledger_low(const struct ledger *l, unsigned int lvl,
				       const struct ledger_node *node, unsigned int w)
{
	return node->bits[w << l->level[lvl].wide];
}

static inline unsigned long ledger_high(const struct ledger *l, unsigned int lvl,
					const struct ledger_node *node, unsigned int w)
{
	return l->level[lvl].wide ? node->bits[2 * w + 1] : 0;
}

static inline enum ledger_state ledger_state(const struct ledger *l,
					     const struct ledger_node *node,
					     unsigned int lvl, unsigned int slot)
{
	unsigned int w = BIT_WORD(slot), bit = slot % BITS_PER_LONG;

	return ((ledger_low(l, lvl, node, w) >> bit) & 1) |
	       (((ledger_high(l, lvl, node, w) >> bit) & 1) << 1);
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
						  struct ledger_node *node,
						  unsigned int lvl)
{
	return (struct ledger_node ***)&node->bits[l->level[lvl].groups];
}

/* NULL if the slot is not a table */
static inline struct ledger_node *ledger_child(const struct ledger *l,
					       struct ledger_node *node,
					       unsigned int lvl, unsigned int slot)
{
	struct ledger_node **group;

	group = ledger_groups(l, node, lvl)[slot >> LEDGER_GROUP_BITS];
	return group ? group[slot % LEDGER_GROUP] : NULL;
}

static size_t ledger_node_size(const struct ledger *l, unsigned int lvl)
{
	size_t words = ledger_words(l, lvl) << l->level[lvl].wide;

	if (lvl)
		words += DIV_ROUND_UP(ledger_slots(l, lvl), LEDGER_GROUP);
	/* A node on its way out needs two: see ledger_discard() */
	return max_t(size_t, words, 2) * sizeof(long);
}

static struct ledger_node *ledger_alloc_node(const struct ledger *l,
					     unsigned int lvl, gfp_t gfp)
{
	return kzalloc(ledger_node_size(l, lvl), gfp | __GFP_NOWARN);
}

/* Free a node that nothing points to any more, with all below it */
static void ledger_free_tree(const struct ledger *l, struct ledger_node *node,
			     unsigned int lvl)
{
	unsigned int i, j, groups;
	struct ledger_node **group;

	if (lvl) {
		groups = DIV_ROUND_UP(ledger_slots(l, lvl), LEDGER_GROUP);
		for (i = 0; i < groups; i++) {
			group = ledger_groups(l, node, lvl)[i];
			if (!group)
				continue;
			for (j = 0; j < LEDGER_GROUP; j++)
				if (group[j])
					ledger_free_tree(l, group[j], lvl - 1);
			kfree(group);
		}
	}
	kfree(node);
}

/* No node of this level is known, nor of those below */
static inline void ledger_cool(struct ledger *l, unsigned int lvl)
	__must_hold(&l->lock)
{
	unsigned int i;

	for (i = 0; i <= lvl; i++) {
		l->level[i].hot = NULL;
		l->level[i].hot_slots = 0;
	}
}

/* Remember the node of this level that has the byte */
static inline void ledger_heat(struct ledger *l, unsigned int lvl,
			       struct ledger_node *node, u64 off)
	__must_hold(&l->lock)
{
	struct ledger_level *level = &l->level[lvl];

	level->hot = node;
	level->hot_slots = ledger_slots(l, lvl);
	level->first = off & ~ledger_node_mask(l, lvl);
}

/* The states of a node on its way out are not needed: they make the list */
static inline void ledger_discard(struct ledger *l, struct ledger_garbage *g,
				  struct ledger_node *node, unsigned int lvl)
	__must_hold(&l->lock)
{
	ledger_cool(l, lvl);
	if (!lvl && l->stashed < LEDGER_STASH) {
		memset(node, 0, ledger_node_size(l, 0));
		node->bits[0] = (unsigned long)l->stash;
		l->stash = node;
		l->stashed++;
		return;
	}
	node->bits[0] = (unsigned long)g->head;
	node->bits[1] = lvl;
	g->head = node;
}

static void ledger_free_garbage(const struct ledger *l, struct ledger_garbage *g)
{
	struct ledger_node *node;
	unsigned int lvl;

	while (g->head) {
		node = g->head;
		g->head = (struct ledger_node *)node->bits[0];
		lvl = node->bits[1];
		ledger_free_tree(l, node, lvl);
	}
}

static inline void ledger_empty_garbage(const struct ledger *l,
					struct ledger_garbage *g)
{
	if (unlikely(g->head))
		ledger_free_garbage(l, g);
}

/* Does a page size make runs in this level? */
static bool ledger_has_runs(const struct ledger *l, unsigned int lvl,
			    unsigned long pgsizes)
{
	unsigned int low = l->level[lvl].shift + 1, high = l->level[lvl + 1].shift;

	if (low >= high || low >= BITS_PER_LONG)
		return false;
	return pgsizes & GENMASK(min_t(unsigned int, high, BITS_PER_LONG) - 1, low);
}

/* What follows from where the levels are */
static void ledger_set_geometry(struct ledger *l, unsigned long pgsizes)
{
	unsigned int lvl, shift;

	for (lvl = 0; lvl < l->levels; lvl++) {
		struct ledger_level *level = &l->level[lvl];

		level->last = BIT(level[1].shift - level->shift) - 1;
		level->runs = ledger_has_runs(l, lvl, pgsizes);
		level->wide = lvl || level->runs;
		level->groups = 2 * ledger_words(l, lvl);
	}
	for (shift = 0, lvl = 0; shift < ARRAY_SIZE(l->level_of); shift++) {
		while (lvl + 1 < l->levels && l->level[lvl + 1].shift <= shift)
			lvl++;
		l->level_of[shift] = lvl;
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
		l->level[l->levels++].shift = shift;
		for (next = shift + LEDGER_MAX_RUN_BITS + 1;
		     next < shift + wide && next < BITS_PER_LONG; next++)
			if (pgsizes & BIT(next))
				break;
		shift = min(shift + wide, next);
	}
	l->level[l->levels].shift = bits;
	ledger_set_geometry(l, pgsizes);
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
	unsigned int i;
	int err;

	err = ledger_set_levels(l, pgsizes, bits);
	if (err)
		return err;

	spin_lock_init(&l->lock);
	INIT_LIST_HEAD(&l->more);
	l->mapped = 0;
	l->stash = NULL;
	l->stashed = 0;
	l->others = 0;
	l->reserve = NULL;
	for (i = 0; i < LEDGER_OPS; i++)
		l->ops[i].stage = LEDGER_IDLE;
	l->root = ledger_alloc_node(l, l->levels - 1, GFP_KERNEL);
	ledger_cool(l, l->levels - 1);
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
	struct ledger_node *node;

	ledger_free_tree(l, l->root, l->levels - 1);
	l->root = NULL;
	while ((node = l->stash)) {
		l->stash = (struct ledger_node *)node->bits[0];
		kfree(node);
	}
}

/* --- runs of slots within one node -------------------------------------- */

/* Is any slot from a to b not free? */
static inline bool ledger_any_used(const struct ledger *l,
				   const struct ledger_node *node, unsigned int lvl,
				   unsigned int a, unsigned int b)
{
	unsigned long mask = BITMAP_FIRST_WORD_MASK(a), used;
	unsigned int wide = l->level[lvl].wide, w;

	for (w = BIT_WORD(a); ; w++, mask = ~0UL) {
		used = node->bits[w << wide] | node->bits[(w << wide) + wide];
		if (w == BIT_WORD(b))
			return used & mask & BITMAP_LAST_WORD_MASK(b + 1);
		if (used & mask)
			return true;
	}
}

static inline bool ledger_is_empty(const struct ledger *l,
				   const struct ledger_node *node, unsigned int lvl)
{
	const unsigned long *bits = node->bits, *end;

	end = bits + (ledger_words(l, lvl) << l->level[lvl].wide);
	while (bits < end)
		if (*bits++)
			return false;
	return true;
}

/* Are slots a to b leaves, and neither end inside one? */
static inline bool ledger_all_leaves(const struct ledger *l,
				     const struct ledger_node *node, unsigned int lvl,
				     unsigned int a, unsigned int b)
{
	unsigned long mask = BITMAP_FIRST_WORD_MASK(a);
	unsigned int wide = l->level[lvl].wide, w;

	for (w = BIT_WORD(a); w < BIT_WORD(b); w++, mask = ~0UL)
		if (~node->bits[w << wide] & mask)
			return false;
	if (~node->bits[w << wide] & mask & BITMAP_LAST_WORD_MASK(b + 1))
		return false;
	if (!l->level[lvl].runs)
		return true;
	return ledger_state(l, node, lvl, a) == LEDGER_START &&
	       (b == l->level[lvl].last ||
		ledger_state(l, node, lvl, b + 1) != LEDGER_CONT);
}

/* Record leaves of 2^run slots from a to b, all of them free until now */
static inline void ledger_set(const struct ledger *l, struct ledger_node *node,
			      unsigned int lvl, unsigned int a, unsigned int b,
			      unsigned int run)
{
	unsigned long mask = BITMAP_FIRST_WORD_MASK(a);
	unsigned int wide = l->level[lvl].wide, w;

	for (w = BIT_WORD(a); w <= BIT_WORD(b); w++, mask = ~0UL) {
		if (w == BIT_WORD(b))
			mask &= BITMAP_LAST_WORD_MASK(b + 1);
		node->bits[w << wide] |= mask;
		/* All but one bit in every 2^run; runs are aligned to their size */
		if (unlikely(run))
			node->bits[2 * w + 1] |= mask & ~(~0UL / (BIT(1U << run) - 1));
	}
}

/* Let the children of these slots of word w, which are free now, go */
static void ledger_drop_children(struct ledger *l, struct ledger_node *node,
				 unsigned int lvl, unsigned int w,
				 unsigned long tables, struct ledger_garbage *g)
	__must_hold(&l->lock)
{
	unsigned long left = node->bits[2 * w + 1] & ~node->bits[2 * w];
	struct ledger_node ***group;
	unsigned int bit;

	BUILD_BUG_ON(BITS_PER_LONG % LEDGER_GROUP);
	for (; tables; tables &= tables - 1) {
		bit = __ffs(tables);
		group = &ledger_groups(l, node, lvl)[(w * BITS_PER_LONG + bit) >>
						     LEDGER_GROUP_BITS];
		ledger_discard(l, g, (*group)[bit % LEDGER_GROUP], lvl - 1);
		(*group)[bit % LEDGER_GROUP] = NULL;
		if (!((left | (tables & (tables - 1))) &
		      (GENMASK(LEDGER_GROUP - 1, 0) << (bit & ~(LEDGER_GROUP - 1))))) {
			kfree(*group);
			*group = NULL;
		}
	}
}

/* Slots a to b become free; the children of those that have any go */
static inline void ledger_reset(struct ledger *l, struct ledger_node *node,
				unsigned int lvl, unsigned int a, unsigned int b,
				struct ledger_garbage *g) __must_hold(&l->lock)
{
	unsigned long mask = BITMAP_FIRST_WORD_MASK(a), *bits, tables;
	unsigned int wide = l->level[lvl].wide, w;

	for (w = BIT_WORD(a); w <= BIT_WORD(b); w++, mask = ~0UL) {
		if (w == BIT_WORD(b))
			mask &= BITMAP_LAST_WORD_MASK(b + 1);
		bits = &node->bits[w << wide];
		/* No slot where there is one bit only */
		tables = bits[wide] & ~bits[0] & mask;
		bits[wide] &= ~mask;
		if (unlikely(tables))
			ledger_drop_children(l, node, lvl, w, tables, g);
		bits[0] &= ~mask;
	}
}

/* --- walks ---------------------------------------------------------------- */

/**
 * struct ledger_piece - Part of a range that one node can answer for.
 * @node: The node.
 * @lvl: Its level.
 * @a: First slot.
 * @b: Last slot.
 * @whole: The range covers the slots whole; else it covers part of slot @a,
 *	which is not divided any further.
 * @last: Last byte of the piece.
 */
struct ledger_piece {
	struct ledger_node *node;
	unsigned int lvl;
	unsigned int a;
	unsigned int b;
	bool whole;
	u64 last;
};

/* The last slot before the next table, but not behind b */
static unsigned int ledger_before_table(const struct ledger *l,
					const struct ledger_node *node,
					unsigned int lvl, unsigned int a,
					unsigned int b)
{
	while (a < b && ledger_state(l, node, lvl, a + 1) != LEDGER_TABLE)
		a++;
	return a;
}

static void ledger_end_piece(const struct ledger *l, u64 first, u64 last,
			     unsigned int uncut, struct ledger_piece *p)
{
	u64 mask = ledger_slot_mask(l, p->lvl), n;

	p->a = ledger_slot(l, first, p->lvl);
	p->b = p->a;
	p->last = min(last, first | mask);
	p->whole = !(first & mask) && last - first >= mask;
	if (!p->whole)
		return;
	n = (last - first - mask) >> l->level[p->lvl].shift;
	p->b = min_t(u64, p->a + n, l->level[p->lvl].last);
	if (p->lvl > uncut)
		p->b = ledger_before_table(l, p->node, p->lvl, p->a, p->b);
	p->last = first + ((u64)(p->b - p->a) << l->level[p->lvl].shift) + mask;
}

/*
 * Cut the first piece off the range from first to last. Slots with a node of
 * their own are cut up, unless they are whole and their level is at most this.
 */
static void ledger_cut_piece(struct ledger *l, u64 first, u64 last,
			     unsigned int uncut, struct ledger_piece *p)
	__must_hold(&l->lock)
{
	struct ledger_node *child = l->root;
	u64 mask = ledger_node_mask(l, 0);
	unsigned int lvl = l->levels;

	/* Less than a node's worth can only be where it is */
	if (l->level[0].hot && (first & ~mask) == l->level[0].first &&
	    ((first & mask) || last - first < mask)) {
		p->node = l->level[0].hot;
		p->lvl = 0;
		ledger_end_piece(l, first, last, uncut, p);
		return;
	}
	do {
		p->node = child;
		lvl--;
		mask = ledger_slot_mask(l, lvl);
		if (!lvl || (lvl <= uncut && !(first & mask) && last - first >= mask))
			break;
		child = ledger_child(l, p->node, lvl, ledger_slot(l, first, lvl));
	} while (child);
	if (!lvl)
		ledger_heat(l, 0, p->node, first);
	p->lvl = lvl;
	ledger_end_piece(l, first, last, uncut, p);
}

/* The lowest node that is known to have the byte, of this level or above */
static struct ledger_node *ledger_nearest(const struct ledger *l, u64 off, unsigned int *lvl)
	__must_hold(&l->lock)
{
	const struct ledger_level *level;

	for (; *lvl + 1 < l->levels; ++*lvl) {
		level = &l->level[*lvl];
		if (level->hot && !((off ^ level->first) >> level[1].shift))
			return level->hot;
	}
	return l->root;
}

/* The node of this level that has the byte, or NULL */
static noinline struct ledger_node *ledger_find_node(struct ledger *l, u64 off, unsigned int lvl)
	__must_hold(&l->lock)
{
	struct ledger_node *node;
	unsigned int i = lvl;

	node = ledger_nearest(l, off, &i);
	while (i > lvl) {
		node = ledger_child(l, node, i, ledger_slot(l, off, i));
		if (!node)
			return NULL;
		ledger_heat(l, --i, node, off);
	}
	return node;
}

/* Does the word of this slot have no slot that is not free? */
static inline bool ledger_word_is_empty(const struct ledger *l,
					const struct ledger_node *node,
					unsigned int lvl, unsigned int slot)
{
	unsigned int wide = l->level[lvl].wide;
	const unsigned long *bits = &node->bits[BIT_WORD(slot) << wide];

	return !(bits[0] | bits[wide]);
}

/* Take empty nodes out of the tree, from this one upwards */
static noinline void ledger_prune(struct ledger *l, u64 off, struct ledger_node *node,
				  unsigned int lvl, struct ledger_garbage *g)
	__must_hold(&l->lock)
{
	unsigned int slot;

	while (lvl + 1 < l->levels && ledger_is_empty(l, node, lvl)) {
		lvl++;
		slot = ledger_slot(l, off, lvl);
		node = ledger_find_node(l, off, lvl);
		ledger_reset(l, node, lvl, slot, slot, g);
	}
}

/* Slots that begin with a have become free */
static inline void ledger_prune_if_empty(struct ledger *l, u64 off,
					 struct ledger_node *node, unsigned int lvl,
					 unsigned int a, struct ledger_garbage *g)
	__must_hold(&l->lock)
{
	if (unlikely(ledger_word_is_empty(l, node, lvl, a)))
		ledger_prune(l, off, node, lvl, g);
}

/* Everything from first to last becomes free */
static void ledger_clear(struct ledger *l, u64 first, u64 last,
			 struct ledger_garbage *g) __must_hold(&l->lock)
{
	struct ledger_piece p __uninitialized;
	u64 pos = first;

	for (;;) {
		ledger_cut_piece(l, pos, last, LEDGER_MAX_LEVELS, &p);
		if (p.whole) {
			ledger_reset(l, p.node, p.lvl, p.a, p.b, g);
			ledger_prune_if_empty(l, pos, p.node, p.lvl, p.a, g);
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
			unsigned int lvl, unsigned int a, unsigned int b,
			unsigned int *lowest)
{
	unsigned long mask, lo, hi, tables;
	struct ledger_node *child;
	unsigned int w, i;

	for (w = BIT_WORD(a); w <= BIT_WORD(b); w++) {
		mask = ledger_mask(w, a, b);
		lo = ledger_low(l, lvl, node, w);
		hi = ledger_high(l, lvl, node, w);
		if (~(lo | hi) & mask)
			return false;
		if (lo & mask)
			*lowest = min(*lowest, lvl);

		for (tables = hi & ~lo & mask; tables; tables &= tables - 1) {
			child = ledger_child(l, node, lvl,
					     w * BITS_PER_LONG + __ffs(tables));
			for (i = 0; i < ledger_words(l, 0); i++)
				if (~ledger_low(l, 0, child, i) &
				    ledger_mask(i, 0, l->level[0].last))
					return false;
			*lowest = 0;
		}
	}
	return true;
}

/* Nothing in the range may be mapped */
static int ledger_check_free(struct ledger *l, u64 first, u64 last)
	__must_hold(&l->lock)
{
	struct ledger_piece p __uninitialized;
	u64 pos = first;

	for (;;) {
		ledger_cut_piece(l, pos, last, LEDGER_MAX_LEVELS, &p);
		if (ledger_any_used(l, p.node, p.lvl, p.a, p.b))
			return -EEXIST;
		if (p.last == last)
			return 0;
		pos = p.last + 1;
	}
}

/* The piece must be one or more leaves and nothing else */
static int ledger_check_leaves(const struct ledger *l,
			       const struct ledger_piece *p,
			       unsigned int *lowest)
{
	if (!p->whole)
		return ledger_state(l, p->node, p->lvl, p->a) == LEDGER_FREE ?
		       -ENOENT : -ENOTBLK;
	if (!ledger_full(l, p->node, p->lvl, p->a, p->b, lowest))
		return -ENOENT;
	if (ledger_state(l, p->node, p->lvl, p->a) == LEDGER_CONT)
		return -ENOTBLK;
	if (p->b < l->level[p->lvl].last &&
	    ledger_state(l, p->node, p->lvl, p->b + 1) == LEDGER_CONT)
		return -ENOTBLK;
	return 0;
}

/*
 * End a piece, of slots that may each have a node, early enough to let others have
 * the lock. No run goes on behind a multiple of that many slots.
 */
static void ledger_shorten_piece(const struct ledger *l, u64 first, struct ledger_piece *p)
{
	unsigned int b = p->a | (LEDGER_BREATH - 1);

	BUILD_BUG_ON(LEDGER_BREATH % BIT(LEDGER_MAX_RUN_BITS));
	if (b >= p->b)
		return;
	p->b = b;
	p->last = first + ((u64)(b - p->a) << l->level[p->lvl].shift) +
		  ledger_slot_mask(l, p->lvl);
}

/*
 * The range must be one or more consecutive leaves, none of them cut. Looks at
 * the part from *pos on until it has had enough, and then says -EAGAIN.
 */
static int ledger_check_mapped(struct ledger *l, u64 *pos, u64 last,
			       unsigned int *lowest) __must_hold(&l->lock)
{
	struct ledger_piece p __uninitialized;
	unsigned int seen = 0;
	int err;

	while (seen < LEDGER_BREATH) {
		ledger_cut_piece(l, *pos, last, 1, &p);
		if (p.lvl)
			ledger_shorten_piece(l, *pos, &p);
		err = ledger_check_leaves(l, &p, lowest);
		if (err || p.last == last)
			return err;
		*pos = p.last + 1;
		seen += p.lvl ? p.b - p.a + 1 : 1;
	}
	return -EAGAIN;
}

/* The lowest node that describes the byte, and its slot there */
static struct ledger_node *ledger_lowest(const struct ledger *l, u64 off,
					 unsigned int *lvl, unsigned int *slot)
	__must_hold(&l->lock)
{
	struct ledger_node *node, *child = l->root;

	*lvl = l->levels;
	do {
		node = child;
		--*lvl;
		*slot = ledger_slot(l, off, *lvl);
		child = *lvl ? ledger_child(l, node, *lvl, *slot) : NULL;
	} while (child);
	return node;
}

/* The leaf that holds this byte */
static int ledger_find_leaf(const struct ledger *l, u64 off, u64 *first,
			    u64 *last) __must_hold(&l->lock)
{
	struct ledger_node *node;
	unsigned int lvl, a, b;
	u64 mask;

	node = ledger_lowest(l, off, &lvl, &a);
	if (ledger_state(l, node, lvl, a) == LEDGER_FREE)
		return -ENOENT;

	b = a;
	while (ledger_state(l, node, lvl, a) == LEDGER_CONT)
		a--;
	while (b < l->level[lvl].last &&
	       ledger_state(l, node, lvl, b + 1) == LEDGER_CONT)
		b++;

	mask = ledger_node_mask(l, lvl);
	*first = (off & ~mask) | ((u64)a << l->level[lvl].shift);
	*last = ((off & ~mask) | ((u64)b << l->level[lvl].shift)) +
		ledger_slot_mask(l, lvl);
	return 0;
}

/* The next slot behind a that may hold what is sought, or the number of slots */
static unsigned int ledger_next_slot(const struct ledger *l,
				     const struct ledger_node *node,
				     unsigned int lvl, unsigned int a, bool mapped)
{
	unsigned int slots = ledger_slots(l, lvl), w;
	unsigned long lo, hi, found;

	for (a++; a < slots; a = (w + 1) * BITS_PER_LONG) {
		w = BIT_WORD(a);
		lo = ledger_low(l, lvl, node, w);
		hi = ledger_high(l, lvl, node, w);
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
	unsigned int lvl, a, seen;
	struct ledger_node *node;
	bool found;
	u64 base;

	for (seen = 0; seen < LEDGER_BREATH; seen++) {
		node = ledger_lowest(l, *pos, &lvl, &a);
		found = ledger_state(l, node, lvl, a) != LEDGER_FREE;
		if (found == mapped)
			return 0;

		base = *pos & ~ledger_node_mask(l, lvl);
		a = ledger_next_slot(l, node, lvl, a, mapped);
		/* The last byte before it, because the next may be 2^64 */
		base += ((u64)a << l->level[lvl].shift) - 1;
		if (base >= last)
			return -ENOENT;
		*pos = base + 1;
	}
	return -EAGAIN;
}

/* --- operations under way ------------------------------------------------- */

/* Take out what an unmap that is over has left recorded */
static void ledger_finish(struct ledger *l, struct ledger_op *op,
			  struct ledger_garbage *g) __must_hold(&l->lock)
{
	u64 pos, end, mask = ledger_node_mask(l, op->lvl);
	struct ledger_node *node;
	unsigned int a;

	l->mapped -= op->last - op->first + 1;
	op->stage = LEDGER_IDLE;
	for (pos = op->first; ; pos = end + 1) {
		end = min(pos | mask, op->last);
		node = ledger_find_node(l, pos, op->lvl);
		a = ledger_slot(l, pos, op->lvl);
		ledger_reset(l, node, op->lvl, a, ledger_slot(l, end, op->lvl), g);
		ledger_prune_if_empty(l, pos, node, op->lvl, a, g);
		if (end == op->last)
			return;
	}
}

/* Does the node become empty with that word? */
static noinline bool ledger_empties(const struct ledger *l, const struct ledger_op *op)
{
	unsigned int w = BIT_WORD(ledger_slot(l, op->first, op->lvl)), i;
	unsigned int wide = l->level[op->lvl].wide;
	const unsigned long *bits = op->bits - (w << wide);

	for (i = 0; i < ledger_words(l, op->lvl) << wide; i++)
		if (bits[i] && i >> wide != w)
			return false;
	return true;
}

/* The same where that is one word, and not the last of the node; else false */
static __always_inline bool ledger_finish_word(struct ledger *l, struct ledger_op *op)
	__must_hold(&l->lock)
{
	unsigned long *low = op->bits, *high = low + l->level[op->lvl].wide;
	unsigned long mask = op->mask;

	if (unlikely(!mask || (!((*low | *high) & ~mask) && ledger_empties(l, op))))
		return false;
	l->mapped -= op->last - op->first + 1;
	op->stage = LEDGER_IDLE;
	*low &= ~mask;
	*high &= ~mask;
	return true;
}

static inline bool ledger_overlaps(const struct ledger_op *op, u64 first, u64 last)
{
	return op->first <= last && first <= op->last;
}

static bool ledger_overlaps_more(const struct ledger *l, u64 first, u64 last)
	__must_hold(&l->lock)
{
	const struct ledger_claim *c;

	list_for_each_entry(c, &l->more, list)
		if (ledger_overlaps(&c->own, first, last))
			return true;
	return false;
}

/*
 * Nobody may be mapping or unmapping part of the range. Takes out all that has
 * been unmapped, so nothing may be looked up before. Sets *idle to a place for
 * another operation, if there is one.
 */
static noinline int ledger_check_ops(struct ledger *l, u64 first, u64 last,
				     struct ledger_op **idle,
				     struct ledger_garbage *g)
	__must_hold(&l->lock)
{
	unsigned int i, others = 0;
	enum ledger_stage stage;
	struct ledger_op *op;
	int err = 0;

	*idle = NULL;
	for (i = 0; i <= l->others; i++) {
		op = &l->ops[i];
		/* Pairs with ledger_leave(): what its owner did is done */
		stage = smp_load_acquire(&op->stage);
		if (stage == LEDGER_UNMAPPED) {
			ledger_finish(l, op, g);
			stage = LEDGER_IDLE;
		}
		if (stage == LEDGER_IDLE) {
			*idle = *idle ?: op;
			continue;
		}
		others = i;
		if (ledger_overlaps(op, first, last))
			err = -EBUSY;
	}
	if (!*idle && i < LEDGER_OPS)
		*idle = &l->ops[i];
	/* While there are more, nobody may take the short way past them */
	if (likely(list_empty(&l->more)))
		l->others = others;
	else if (ledger_overlaps_more(l, first, last))
		err = -EBUSY;
	return err;
}

/*
 * The short way: is no operation under way? Then the first place is for the next.
 * It may say no if there is more to do than that.
 */
static __always_inline bool ledger_is_idle(struct ledger *l) __must_hold(&l->lock)
{
	struct ledger_op *op = &l->ops[0];
	enum ledger_stage stage;

	/* Pairs with ledger_leave() */
	stage = smp_load_acquire(&op->stage);
	if (unlikely(l->others))
		return false;
	if (stage == LEDGER_UNMAPPED)
		return ledger_finish_word(l, op);
	return likely(stage == LEDGER_IDLE);
}

/*
 * The slots of a range that is a whole number of them, if they are all in one
 * word of the node used last. more: bytes in the range, minus one.
 */
static __always_inline bool ledger_find_word(const struct ledger_level *level,
					     u64 first, u64 more,
					     unsigned long **bits, unsigned long *mask)
{
	u64 a = (first - level->first) >> level->shift;
	unsigned int bit = a % BITS_PER_LONG;

	more >>= level->shift;
	/* If first is before the node, a is a large number */
	if (unlikely(a + more >= level->hot_slots || bit + more >= BITS_PER_LONG))
		return false;
	*mask = (~0UL >> (BITS_PER_LONG - 1 - more)) << bit;
	*bits = &level->hot->bits[BIT_WORD(a) << level->wide];
	return true;
}

/*
 * The same in any node that is there. Nothing stands between this and the call of
 * the backend but what every operation has, so that a CPU can wait for the memory
 * of both at once.
 */
static __always_inline bool ledger_reach_word(struct ledger *l,
					      const struct ledger_level *level,
					      u64 first, u64 more,
					      unsigned long **bits, unsigned long *mask)
	__must_hold(&l->lock)
{
	if (likely(ledger_find_word(level, first, more, bits, mask)))
		return true;
	return ledger_find_node(l, first, level - l->level) &&
	       ledger_find_word(level, first, more, bits, mask);
}

static int ledger_check_claims(struct ledger *l, u64 first, u64 last,
			       struct ledger_garbage *g) __must_hold(&l->lock)
{
	struct ledger_op *idle;

	return ledger_check_ops(l, first, last, &idle, g);
}

/* Begin an operation, in a place that ledger_check_ops() found or the claim's own */
static struct ledger_op *ledger_enter(struct ledger *l, struct ledger_claim *c,
				      struct ledger_op *idle, u64 first, u64 last,
				      enum ledger_stage stage)
	__must_hold(&l->lock)
{
	struct ledger_op *op = idle;

	if (unlikely(!op)) {
		op = &c->own;
		list_add(&c->list, &l->more);
	} else {
		l->others = max_t(unsigned int, l->others, op - l->ops);
	}
	op->first = first;
	op->last = last;
	op->marked = 0;
	op->mask = 0;
	op->lvl = LEDGER_MAX_LEVELS;
	op->stage = stage;
	c->op = op;
	return op;
}

/* End an operation without the lock, unless it is on the list */
static __always_inline void ledger_leave(struct ledger_op *op, enum ledger_stage stage)
{
	/* Pairs with ledger_check_ops(): what was done for the operation is done */
	smp_store_release(&op->stage, stage);
}

static void ledger_leave_locked(struct ledger *l, struct ledger_claim *c)
	__must_hold(&l->lock)
{
	if (c->op == &c->own)
		list_del(&c->list);
	c->op->stage = LEDGER_IDLE;
}

/* The next operation, of those in the array and on the list; NULL to begin */
static const struct ledger_op *ledger_next_op(const struct ledger *l,
					      const struct ledger_op *op)
	__must_hold(&l->lock)
{
	const struct list_head *entry = l->more.next;

	if (!op)
		op = l->ops;
	else if (op >= l->ops && op <= l->ops + l->others)
		op++;
	else
		entry = container_of(op, struct ledger_claim, own)->list.next;

	if (op >= l->ops && op <= l->ops + l->others)
		return op;
	return entry == &l->more ? NULL : &list_entry(entry, struct ledger_claim, list)->own;
}

/**
 * ledger_find_op() - Which operation has claimed a range?
 * @l: The ledger.
 * @first: First byte.
 * @last: Last byte.
 * @claimed: Set to the first byte of the claim, by which no other is known.
 *
 * Context: Any.
 * Return: %LEDGER_MAPPING or %LEDGER_UNMAPPING if all of the range is in the
 * claim of one operation, else %LEDGER_IDLE.
 */
static inline enum ledger_stage ledger_find_op(struct ledger *l, u64 first, u64 last,
					       u64 *claimed)
{
	enum ledger_stage stage, found = LEDGER_IDLE;
	const struct ledger_op *op = NULL;
	unsigned long flags;

	spin_lock_irqsave(&l->lock, flags);
	while (found == LEDGER_IDLE && (op = ledger_next_op(l, op))) {
		stage = READ_ONCE(op->stage);
		if (op->first > first || op->last < last ||
		    (stage != LEDGER_MAPPING && stage != LEDGER_UNMAPPING))
			continue;
		found = stage;
		*claimed = op->first;
	}
	spin_unlock_irqrestore(&l->lock, flags);
	return found;
}

/* --- nodes to write to ---------------------------------------------------- */

static inline void ledger_add_node(struct ledger_spares *s, unsigned int lvl,
				   struct ledger_node *node)
{
	node->bits[0] = (unsigned long)s->node[lvl];
	s->node[lvl] = node;
}

static inline struct ledger_node *ledger_take_node(struct ledger_spares *s,
						   unsigned int lvl)
{
	struct ledger_node *node = s->node[lvl];

	s->node[lvl] = (struct ledger_node *)node->bits[0];
	node->bits[0] = 0;
	return node;
}

static inline void ledger_add_group(struct ledger_spares *s, unsigned int lvl,
				    struct ledger_node **group)
{
	group[0] = (struct ledger_node *)s->group[lvl];
	s->group[lvl] = group;
}

static inline struct ledger_node **ledger_take_group(struct ledger_spares *s,
						     unsigned int lvl)
{
	struct ledger_node **group = s->group[lvl];

	s->group[lvl] = (struct ledger_node **)group[0];
	group[0] = NULL;
	return group;
}

static void ledger_free_spares(struct ledger_spares *s, unsigned int levels)
{
	unsigned int i;

	for (i = 0; i < levels; i++) {
		while (s->node[i])
			kfree(ledger_take_node(s, i));
		while (s->group[i])
			kfree(ledger_take_group(s, i));
	}
}

static bool ledger_alloc_spare_node(const struct ledger *l, struct ledger_spares *s,
				    unsigned int lvl, gfp_t gfp)
{
	struct ledger_node *node = ledger_alloc_node(l, lvl, gfp);

	if (node)
		ledger_add_node(s, lvl, node);
	return node;
}

static bool ledger_alloc_spare_group(struct ledger_spares *s, unsigned int lvl,
				     gfp_t gfp)
{
	struct ledger_node **group = kcalloc(LEDGER_GROUP, sizeof(*group),
					     gfp | __GFP_NOWARN);

	if (group)
		ledger_add_group(s, lvl, group);
	return group;
}

/* Allocate what a path of nodes down to this level lacks */
static int ledger_fill_spares(const struct ledger *l, struct ledger_spares *s,
			      unsigned int low, const struct ledger_lack *lack,
			      gfp_t gfp)
{
	unsigned int i;

	for (i = low; i <= lack->high; i++) {
		if (!s->node[i] && !ledger_alloc_spare_node(l, s, i, gfp))
			return -ENOMEM;
		if (i == lack->high && !lack->group)
			continue;
		if (!s->group[i] && !ledger_alloc_spare_group(s, i, gfp))
			return -ENOMEM;
	}
	return 0;
}

static bool ledger_have_spares(const struct ledger_spares *s, unsigned int low,
			       const struct ledger_lack *lack)
{
	unsigned int i;

	for (i = low; i <= lack->high; i++)
		if (!s->node[i] || (!s->group[i] && (i < lack->high || lack->group)))
			return false;
	return true;
}

static void ledger_add_child(const struct ledger *l, struct ledger_node *node,
			     unsigned int lvl, unsigned int slot,
			     struct ledger_node *child, struct ledger_spares *s)
{
	struct ledger_node ***group;

	group = &ledger_groups(l, node, lvl)[slot >> LEDGER_GROUP_BITS];
	if (!*group)
		*group = ledger_take_group(s, lvl - 1);
	(*group)[slot % LEDGER_GROUP] = child;
	node->bits[2 * BIT_WORD(slot) + 1] |= BIT_MASK(slot);
}

/*
 * Make the child for the slot from the spares, or without any from the stash.
 * NULL if they do not suffice for all levels from there down to this one.
 */
static struct ledger_node *ledger_make_child(struct ledger *l, struct ledger_node *node,
					     unsigned int lvl, unsigned int slot,
					     unsigned int low, struct ledger_spares *s,
					     struct ledger_lack *lack)
	__must_hold(&l->lock)
{
	struct ledger_node *child;

	lack->mapped = ledger_state(l, node, lvl, slot) != LEDGER_FREE;
	if (unlikely(lack->mapped))
		return NULL;
	lack->high = lvl - 1;
	lack->group = !ledger_groups(l, node, lvl)[slot >> LEDGER_GROUP_BITS];
	if (s) {
		if (!ledger_have_spares(s, low, lack))
			return NULL;
		child = ledger_take_node(s, lvl - 1);
	} else {
		child = l->stash;
		if (lvl != 1 || lack->group || !child)
			return NULL;
		l->stash = (struct ledger_node *)child->bits[0];
		l->stashed--;
		child->bits[0] = 0;
	}
	ledger_add_child(l, node, lvl, slot, child, s);
	return child;
}

/*
 * The node of this level that describes the offset. Where it does not exist yet
 * it is made; NULL if what there is for that does not suffice.
 */
static struct ledger_node *ledger_get_node(struct ledger *l, u64 off,
					   unsigned int lvl,
					   struct ledger_spares *s,
					   struct ledger_lack *lack)
	__must_hold(&l->lock)
{
	struct ledger_node *node, *child;
	unsigned int slot, i = lvl;

	node = ledger_nearest(l, off, &i);
	while (i > lvl) {
		slot = ledger_slot(l, off, i);
		child = ledger_child(l, node, i, slot);
		if (unlikely(!child)) {
			child = ledger_make_child(l, node, i, slot, lvl, s, lack);
			if (!child)
				return NULL;
		}
		node = child;
		ledger_heat(l, --i, node, off);
	}
	return node;
}

/*
 * Record leaves from what is recorded already up to last, and on to the end of
 * the node or the claim: 0, or -EEXIST, or -ENOMEM for want of nodes. Goes on
 * where it stopped.
 */
static int ledger_mark(struct ledger *l, struct ledger_op *op, u64 last,
		       struct ledger_spares *s, struct ledger_lack *lack)
	__must_hold(&l->lock)
{
	unsigned int lvl = ledger_level(l, op->shift), a, b;
	struct ledger_node *node;
	u64 pos, end, size;

	while (op->marked <= last - op->first) {
		pos = op->first + op->marked;
		node = ledger_get_node(l, pos, lvl, s, lack);
		if (!node)
			return lack->mapped ? -EEXIST : -ENOMEM;
		/* As many whole leaves as there is room for */
		size = (op->last - pos + 1) & ~(BIT_ULL(op->shift) - 1);
		end = min(pos + size - 1, pos | ledger_node_mask(l, lvl));
		a = ledger_slot(l, pos, lvl);
		b = ledger_slot(l, end, lvl);
		if (ledger_any_used(l, node, lvl, a, b))
			return -EEXIST;
		ledger_set(l, node, lvl, a, b, op->shift - l->level[lvl].shift);
		size = end - pos + 1;
		op->marked += size;
		l->mapped += size;
	}
	return 0;
}

/* Take out again what was recorded but for what has been mapped of it */
static void ledger_unmark(struct ledger *l, struct ledger_op *op, u64 mapped,
			  struct ledger_garbage *g) __must_hold(&l->lock)
{
	u64 size = op->marked - mapped;

	if (!size)
		return;
	ledger_clear(l, op->first + mapped, op->first + op->marked - 1, g);
	op->marked = mapped;
	l->mapped -= size;
}

/* --- nodes for later ------------------------------------------------------ */

/* How many pieces of 2^shift bytes a range touches */
static inline u64 ledger_touched(u64 first, u64 last, unsigned int shift)
{
	return shift < 64 ? (last >> shift) - (first >> shift) + 1 : 1;
}

/**
 * ledger_count_nodes() - How many nodes of a level may a range need?
 * @l: The ledger.
 * @lvl: The level; not the top one, of which there is one node always.
 * @first: First byte.
 * @last: Last byte.
 *
 * Whatever is mapped in it, once.
 *
 * Context: Any.
 * Return: The number.
 */
static inline u64 ledger_count_nodes(const struct ledger *l, unsigned int lvl,
				     u64 first, u64 last)
{
	return ledger_touched(first, last, l->level[lvl + 1].shift);
}

/* The same for the groups that point to them; a small parent has one */
static inline u64 ledger_count_groups(const struct ledger *l, unsigned int lvl,
				      u64 first, u64 last)
{
	unsigned int shift = min_t(unsigned int, l->level[lvl + 2].shift,
				   l->level[lvl + 1].shift + LEDGER_GROUP_BITS);

	return ledger_touched(first, last, shift);
}

static inline u64 ledger_spare_bytes(const struct ledger_spares *s, unsigned int levels)
{
	struct ledger_node **group;
	struct ledger_node *node;
	unsigned int i;
	u64 bytes = 0;

	for (i = 0; i < levels; i++) {
		for (node = s->node[i]; node; node = (struct ledger_node *)node->bits[0])
			bytes += ksize(node);
		for (group = s->group[i]; group; group = (struct ledger_node **)group[0])
			bytes += ksize(group);
	}
	return bytes;
}

/* --- mapping -------------------------------------------------------------- */

static int ledger_mark_slow(struct ledger *l, struct ledger_op *op, u64 last,
			    struct ledger_lack *lack, gfp_t gfp)
{
	unsigned int lvl = ledger_level(l, op->shift);
	struct ledger_spares s __uninitialized;
	unsigned int i;
	unsigned long flags;
	bool done;
	int err;

	for (i = 0; i < l->levels; i++) {
		s.node[i] = NULL;
		s.group[i] = NULL;
	}
	do {
		err = ledger_fill_spares(l, &s, lvl, lack, gfp);
		if (err)
			break;
		spin_lock_irqsave(&l->lock, flags);
		done = !ledger_mark(l, op, last, &s, lack);
		spin_unlock_irqrestore(&l->lock, flags);
	} while (!done);

	ledger_free_spares(&s, l->levels);
	return err;
}

/* The same where nothing may be allocated */
static int ledger_mark_reserved(struct ledger *l, struct ledger_op *op, u64 last,
				struct ledger_lack *lack)
{
	unsigned long flags;
	int err = -ENOMEM;

	spin_lock_irqsave(&l->lock, flags);
	if (l->reserve)
		err = ledger_mark(l, op, last, l->reserve, lack);
	spin_unlock_irqrestore(&l->lock, flags);
	return err;
}

static noinline int ledger_move_window(struct ledger *l, struct ledger_op *op,
				       u64 first, u64 last, unsigned int shift,
				       gfp_t gfp)
{
	struct ledger_garbage g = {};
	struct ledger_lack lack;
	unsigned long flags;
	bool done;

	spin_lock_irqsave(&l->lock, flags);
	ledger_unmark(l, op, first - op->first, &g);
	op->shift = shift;
	done = !ledger_mark(l, op, last, NULL, &lack);
	spin_unlock_irqrestore(&l->lock, flags);

	ledger_empty_garbage(l, &g);
	/* A map of terabytes passes here for each node it fills */
	if (gfpflags_allow_blocking(gfp))
		cond_resched();
	if (done)
		return 0;
	if (gfp == IO_PGTABLE_SAFE_RESERVED)
		return ledger_mark_reserved(l, op, last, &lack);
	return ledger_mark_slow(l, op, last, &lack, gfp);
}

/**
 * ledger_window() - Record leaves that are about to be mapped.
 * @l: The ledger.
 * @c: A claim by ledger_claim_map().
 * @first: First byte of the leaves; what is before it in the claim is mapped.
 * @last: Their last byte.
 * @shift: log2 of their size.
 * @gfp: For nodes, or %IO_PGTABLE_SAFE_RESERVED to take them from the reserve.
 *
 * Cheap while consecutive calls stay in one node.
 *
 * Context: Any; sleeps if @gfp allows it.
 * Return: 0 or -ENOMEM.
 */
static __always_inline int ledger_window(struct ledger *l, struct ledger_claim *c,
					 u64 first, u64 last, unsigned int shift,
					 gfp_t gfp)
{
	struct ledger_op *op = c->op;

	if (likely(op->shift == shift && last - op->first < op->marked))
		return 0;
	return ledger_move_window(l, op, first, last, shift, gfp);
}

/*
 * Nothing may be mapped in the range. What of it can be recorded at once is, and
 * the rest is looked at.
 */
static int ledger_claim_free(struct ledger *l, struct ledger_op *op,
			     struct ledger_garbage *g) __must_hold(&l->lock)
{
	struct ledger_lack lack;
	int err = -ENOMEM;

	if (!((op->first | (op->last + 1)) & (BIT_ULL(op->shift) - 1)))
		err = ledger_mark(l, op, op->last, NULL, &lack);
	if (err == -ENOMEM)
		err = ledger_check_free(l, op->first + op->marked, op->last);
	if (err)
		ledger_unmark(l, op, 0, g);
	return err;
}

/**
 * ledger_claim_map() - Claim a range in which nothing is mapped.
 * @l: The ledger, locked.
 * @c: The claim, to be ended by ledger_commit_map().
 * @first: First byte.
 * @last: Last byte.
 * @shift: log2 of the size of the first leaves that will be mapped: a hint.
 * @flags: From taking the lock, which this function drops.
 *
 * Context: Any.
 * Return: 0; -EBUSY if part of the range is claimed; -EEXIST if part of it is
 * mapped.
 */
static noinline int ledger_claim_map(struct ledger *l, struct ledger_claim *c,
				     u64 first, u64 last, unsigned int shift,
				     unsigned long flags)
	__releases(&l->lock)
{
	struct ledger_garbage g = {};
	struct ledger_op *idle;
	int err;

	err = ledger_check_ops(l, first, last, &idle, &g);
	if (!err) {
		ledger_enter(l, c, idle, first, last, LEDGER_MAPPING)->shift = shift;
		err = ledger_claim_free(l, c->op, &g);
		if (err)
			ledger_leave_locked(l, c);
	}
	spin_unlock_irqrestore(&l->lock, flags);
	ledger_empty_garbage(l, &g);
	return err;
}

/**
 * ledger_quick_map() - Claim a range for a few leaves next to the last ones.
 * @l: The ledger.
 * @first: First byte.
 * @size: In bytes.
 * @shift: log2 of the size of a leaf. The range is a whole number of them.
 *
 * Most of all maps can be claimed like this. It does the same as
 * ledger_claim_map() and nothing is left to be recorded.
 *
 * Context: Any.
 * Return: The operation, to be ended by ledger_leave() with %LEDGER_IDLE if all
 * has been mapped; or NULL, and then ledger_claim_map() must have a look.
 */
static __always_inline struct ledger_op *ledger_quick_map(struct ledger *l, u64 first,
							  u64 size, unsigned int shift)
	__must_hold(&l->lock)
{
	const struct ledger_level *level = &l->level[ledger_level(l, shift)];
	struct ledger_op *op = &l->ops[0];
	unsigned long mask, *bits;

	if (unlikely(!ledger_is_idle(l) || shift != level->shift ||
		     !ledger_reach_word(l, level, first, size - 1, &bits, &mask)))
		return NULL;
	if (unlikely((bits[0] | bits[level->wide]) & mask))
		return NULL;
	bits[0] |= mask;
	l->mapped += size;
	op->marked = size;
	op->shift = shift;
	op->first = first;
	op->last = first + size - 1;
	op->stage = LEDGER_MAPPING;
	return op;
}

static void ledger_commit_map_slow(struct ledger *l, struct ledger_claim *c,
				   u64 mapped, u64 undone)
{
	struct ledger_garbage g = {};
	unsigned long flags;

	spin_lock_irqsave(&l->lock, flags);
	ledger_unmark(l, c->op, mapped, &g);
	if (undone) {
		ledger_clear(l, c->op->first, c->op->first + undone - 1, &g);
		l->mapped -= undone;
	}
	ledger_leave_locked(l, c);
	spin_unlock_irqrestore(&l->lock, flags);

	ledger_empty_garbage(l, &g);
}

/**
 * ledger_commit_map() - Let what was mapped count, and give the claim up.
 * @l: The ledger.
 * @c: The claim.
 * @mapped: Bytes from the start of the claim that were mapped.
 * @undone: Bytes of these that were unmapped again.
 *
 * Context: Any.
 */
static void ledger_commit_map(struct ledger *l, struct ledger_claim *c,
			      u64 mapped, u64 undone)
{
	if (undone || c->op->marked != mapped || c->op == &c->own)
		ledger_commit_map_slow(l, c, mapped, undone);
	else
		ledger_leave(c->op, LEDGER_IDLE);
}

/* --- unmapping ------------------------------------------------------------ */

/* Leaves of any size. Lets others have the lock if there are many */
static int ledger_check_all(struct ledger *l, u64 first, u64 last,
			    unsigned int *lowest, unsigned long *flags)
	__must_hold(&l->lock)
{
	u64 pos = first;
	int err;

	*lowest = l->levels - 1;
	/* The range is claimed, so it does not change between two looks */
	while ((err = ledger_check_mapped(l, &pos, last, lowest)) == -EAGAIN)
		ledger_breathe(l, flags);
	return err;
}

/* Are slots of this level, in one node or two, all leaves? */
static bool ledger_are_leaves(struct ledger *l, u64 first, u64 last, unsigned int lvl)
	__must_hold(&l->lock)
{
	u64 pos, end, mask = ledger_node_mask(l, lvl);
	struct ledger_node *node;

	if (last - first > mask)
		return false;
	for (pos = first; ; pos = end + 1) {
		end = min(pos | mask, last);
		node = ledger_find_node(l, pos, lvl);
		if (!node || !ledger_all_leaves(l, node, lvl, ledger_slot(l, pos, lvl),
						ledger_slot(l, end, lvl)))
			return false;
		if (end == last)
			return true;
	}
}

/* For ledger_finish_word(), if the leaves are all in one word */
static void ledger_note_word(const struct ledger_level *level, struct ledger_op *op)
{
	unsigned long mask, *bits;

	if (ledger_find_word(level, op->first, op->last - op->first, &bits, &mask)) {
		op->bits = bits;
		op->mask = mask;
	}
}

/**
 * ledger_claim_unmap() - Claim one or more consecutive leaves.
 * @l: The ledger, locked.
 * @c: The claim, to be ended by ledger_commit_unmap().
 * @first: First byte.
 * @last: Last byte.
 * @shift: log2 of a size of which the range is a whole, aligned number. Set to
 *	that of a size that no leaf of the range is smaller than.
 * @flags: From taking the lock, which this function drops.
 *
 * Context: Any.
 * Return: 0; -EBUSY if part of the range is claimed; -ENOENT if it has a hole;
 * -ENOTBLK if it covers only part of a leaf. Which of the last two it is where
 * both apply is not specified.
 */
static noinline int ledger_claim_unmap(struct ledger *l, struct ledger_claim *c,
				       u64 first, u64 last, unsigned int *shift,
				       unsigned long flags)
	__releases(&l->lock)
{
	unsigned int lvl = ledger_level(l, *shift), lowest = lvl;
	struct ledger_garbage g = {};
	struct ledger_op *idle;
	int err;

	err = ledger_check_ops(l, first, last, &idle, &g);
	if (err)
		goto unlock;
	ledger_enter(l, c, idle, first, last, LEDGER_UNMAPPING);
	if (ledger_are_leaves(l, first, last, lvl)) {
		c->op->lvl = lvl;
		ledger_note_word(&l->level[lvl], c->op);
	} else {
		err = ledger_check_all(l, first, last, &lowest, &flags);
		/* Slots of one node, some of them with nodes of their own? */
		if (!err && !((first ^ last) & ~ledger_node_mask(l, lvl)) &&
		    ledger_find_node(l, first, lvl))
			c->op->lvl = lvl;
	}
	if (err)
		ledger_leave_locked(l, c);
unlock:
	spin_unlock_irqrestore(&l->lock, flags);
	ledger_empty_garbage(l, &g);

	*shift = l->level[lowest].shift;
	return err;
}

/*
 * Are these slots leaves, and neither end inside one? Says no also where that
 * takes a look at the next word.
 */
static __always_inline bool ledger_word_is_leaves(const struct ledger_level *level,
						  const unsigned long *bits,
						  unsigned long mask)
{
	if (unlikely(~bits[0] & mask))
		return false;
	if (likely(!level->runs))
		return true;
	/* The first slot, and the one behind the last */
	return !(bits[0] & bits[1] & (mask ^ (mask << 1))) && !(mask >> (BITS_PER_LONG - 1));
}

/**
 * ledger_quick_unmap() - Claim a few leaves next to those used last.
 * @l: The ledger.
 * @first: First byte.
 * @size: In bytes.
 * @shift: log2 of a size of which the range is a whole, aligned number.
 *
 * As ledger_quick_map() is for maps.
 *
 * Context: Any.
 * Return: The operation, to be ended by ledger_leave() with %LEDGER_UNMAPPED if
 * all has been unmapped; or NULL, and then ledger_claim_unmap() must have a look.
 */
static __always_inline struct ledger_op *ledger_quick_unmap(struct ledger *l, u64 first,
							    u64 size, unsigned int shift)
	__must_hold(&l->lock)
{
	unsigned int lvl = ledger_level(l, shift);
	const struct ledger_level *level = &l->level[lvl];
	struct ledger_op *op = &l->ops[0];
	unsigned long mask, *bits;

	if (unlikely(!ledger_is_idle(l) ||
		     !ledger_reach_word(l, level, first, size - 1, &bits, &mask) ||
		     !ledger_word_is_leaves(level, bits, mask)))
		return NULL;
	op->bits = bits;
	op->mask = mask;
	op->lvl = lvl;
	op->first = first;
	op->last = first + size - 1;
	op->stage = LEDGER_UNMAPPING;
	return op;
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
	struct ledger_garbage g = {};
	u64 leaf_first, leaf_last;
	struct ledger_op *idle;
	unsigned long flags;
	int err;

	spin_lock_irqsave(&l->lock, flags);
	err = ledger_check_ops(l, first, last, &idle, &g);
	if (!err && !ledger_find_leaf(l, first, &leaf_first, &leaf_last) &&
	    leaf_first < first)
		err = -ENOTBLK;
	if (!err && !ledger_find_leaf(l, last, &leaf_first, &leaf_last) &&
	    leaf_last > last)
		err = -ENOTBLK;
	if (!err)
		ledger_enter(l, c, idle, first, last, LEDGER_UNMAPPING);
	spin_unlock_irqrestore(&l->lock, flags);
	ledger_empty_garbage(l, &g);
	return err;
}

static void ledger_commit_unmap_slow(struct ledger *l, struct ledger_claim *c,
				     u64 size, u64 unmapped)
{
	struct ledger_garbage g = {};
	unsigned long flags;

	spin_lock_irqsave(&l->lock, flags);
	if (unmapped) {
		ledger_clear(l, c->op->first, c->op->first + size - 1, &g);
		l->mapped -= unmapped;
	}
	ledger_leave_locked(l, c);
	spin_unlock_irqrestore(&l->lock, flags);

	ledger_empty_garbage(l, &g);
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
	struct ledger_op *op = c->op;

	if (op->lvl == LEDGER_MAX_LEVELS || unmapped != op->last - op->first + 1 ||
	    op == &c->own)
		ledger_commit_unmap_slow(l, c, size, unmapped);
	else
		ledger_leave(op, LEDGER_UNMAPPED);
}

/* --- questions ------------------------------------------------------------ */

/* As ledger_seek() for mapped bytes, passing over what is still being mapped */
static int ledger_seek_settled(const struct ledger *l, u64 *pos, u64 last)
	__must_hold(&l->lock)
{
	const struct ledger_op *op = NULL;
	int err;

	err = ledger_seek(l, pos, last, true);
	if (err)
		return err;
	while ((op = ledger_next_op(l, op))) {
		if (READ_ONCE(op->stage) != LEDGER_MAPPING || !ledger_overlaps(op, *pos, *pos))
			continue;
		if (op->last >= last)
			return -ENOENT;
		*pos = op->last + 1;
		return -EAGAIN;
	}
	return 0;
}

/* The last byte from first to last that is before anything still being mapped */
static u64 ledger_before_claim(const struct ledger *l, u64 first, u64 last)
	__must_hold(&l->lock)
{
	const struct ledger_op *op = NULL;

	while ((op = ledger_next_op(l, op)))
		if (READ_ONCE(op->stage) == LEDGER_MAPPING && op->first > first &&
		    op->first <= last)
			last = op->first - 1;
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
	struct ledger_garbage g = {};
	unsigned long flags;
	int err;

	spin_lock_irqsave(&l->lock, flags);
	ledger_check_claims(l, pos, limit, &g);
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
	ledger_empty_garbage(l, &g);
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
	struct ledger_garbage g = {};
	u64 leaf_first, leaf_last;
	unsigned long flags;
	int err;

	spin_lock_irqsave(&l->lock, flags);
	ledger_check_claims(l, *first, *last, &g);
	if (!ledger_find_leaf(l, *first, &leaf_first, &leaf_last))
		*first = leaf_first;
	if (!ledger_find_leaf(l, *last, &leaf_first, &leaf_last))
		*last = leaf_last;
	err = ledger_check_claims(l, *first, *last, &g);
	spin_unlock_irqrestore(&l->lock, flags);
	ledger_empty_garbage(l, &g);
	return err;
}

static u64 ledger_mapped(struct ledger *l)
{
	const struct ledger_op *op = NULL;
	struct ledger_garbage g = {};
	unsigned long flags;
	u64 mapped;

	spin_lock_irqsave(&l->lock, flags);
	ledger_check_claims(l, 0, 0, &g);
	mapped = l->mapped;
	while ((op = ledger_next_op(l, op)))
		if (READ_ONCE(op->stage) == LEDGER_MAPPING)
			mapped -= op->marked;
	spin_unlock_irqrestore(&l->lock, flags);
	ledger_empty_garbage(l, &g);
	return mapped;
}

#endif /* _IO_PGTABLE_SAFE_LEDGER_H */
