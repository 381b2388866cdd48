/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ledger's part in cutting a leaf: a claim, a draft of what is to be left of the
 * leaf, and one moment in which that takes the leaf's place.
 */
#ifndef _IO_PGTABLE_SAFE_LEDGER_CUT_H
#define _IO_PGTABLE_SAFE_LEDGER_CUT_H

#include <linux/minmax.h>

#include "io_pgtable_safe_ledger.h"

/**
 * struct ledger_leaf - Where a leaf is.
 * @first: Offset of its first byte.
 * @last: Offset of its last byte.
 */
struct ledger_leaf {
	u64 first;
	u64 last;
};

/**
 * ledger_claim_cut() - Claim the leaves that hold a range, and all of each.
 * @l: The ledger.
 * @c: The claim, to be ended with ledger_leave_locked().
 * @first: First byte.
 * @last: Last byte.
 * @ends: Set to the leaf that holds the first byte and the one that holds the
 *	last, which may be the same.
 * @shift: Set to log2 of a size that no leaf of the range is smaller than.
 *
 * Context: Any.
 * Return: 0; -EBUSY if part of the range or of the leaves is claimed; -ENOENT if
 * the range has a hole.
 */
static int ledger_claim_cut(struct ledger *l, struct ledger_claim *c, u64 first,
			    u64 last, struct ledger_leaf ends[2], unsigned int *shift)
{
	struct ledger_garbage g = {};
	unsigned int lowest = 0;
	struct ledger_op *idle;
	unsigned long flags;
	int err;

	spin_lock_irqsave(&l->lock, flags);
	err = ledger_check_claims(l, first, last, &g);
	if (!err)
		err = ledger_find_leaf(l, first, &ends[0].first, &ends[0].last);
	if (!err)
		err = ledger_find_leaf(l, last, &ends[1].first, &ends[1].last);
	if (!err)
		err = ledger_check_ops(l, ends[0].first, ends[1].last, &idle, &g);
	if (!err) {
		ledger_enter(l, c, idle, ends[0].first, ends[1].last, LEDGER_UNMAPPING);
		err = ledger_check_all(l, ends[0].first, ends[1].last, &lowest, &flags);
		if (err)
			ledger_leave_locked(l, c);
	}
	spin_unlock_irqrestore(&l->lock, flags);
	ledger_empty_garbage(l, &g);

	*shift = l->level[lowest].shift;
	return err;
}

static unsigned int ledger_level_of_leaf(const struct ledger *l,
					 const struct ledger_leaf *leaf)
{
	return ledger_level(l, fls64(leaf->last - leaf->first));
}

/* A node for a draft, or NULL */
static struct ledger_node *ledger_draft_node(struct ledger *l, unsigned int lvl, gfp_t gfp)
{
	struct ledger_node *node = NULL;
	unsigned long flags;

	if (gfp != IO_PGTABLE_SAFE_RESERVED)
		return ledger_alloc_node(l, lvl, gfp);
	spin_lock_irqsave(&l->lock, flags);
	if (l->reserve && l->reserve->node[lvl])
		node = ledger_take_node(l->reserve, lvl);
	spin_unlock_irqrestore(&l->lock, flags);
	return node;
}

/* A group of children of this level */
static struct ledger_node **ledger_draft_group(struct ledger *l, unsigned int lvl,
					       gfp_t gfp)
{
	struct ledger_node **group = NULL;
	unsigned long flags;

	if (gfp != IO_PGTABLE_SAFE_RESERVED)
		return kcalloc(LEDGER_GROUP, sizeof(*group), gfp | __GFP_NOWARN);
	spin_lock_irqsave(&l->lock, flags);
	if (l->reserve && l->reserve->group[lvl])
		group = ledger_take_group(l->reserve, lvl);
	spin_unlock_irqrestore(&l->lock, flags);
	return group;
}

/*
 * A draft is a node that nobody else knows: as the one with the slots of the leaf,
 * but with nothing in it beside what is to be left of that leaf.
 */
static struct ledger_node *ledger_new_draft(struct ledger *l,
					    const struct ledger_leaf *leaf, gfp_t gfp)
{
	return ledger_draft_node(l, ledger_level_of_leaf(l, leaf), gfp);
}

/* Take out of a draft what is below it, and what points there */
static struct ledger_node **ledger_strip_draft(const struct ledger *l,
					       struct ledger_node *draft,
					       unsigned int lvl)
{
	unsigned int i, j, groups = DIV_ROUND_UP(ledger_slots(l, lvl), LEDGER_GROUP);
	struct ledger_node **group, **found = NULL;

	for (i = 0; lvl && i < groups; i++) {
		group = ledger_groups(l, draft, lvl)[i];
		if (!group)
			continue;
		for (j = 0; j < LEDGER_GROUP; j++)
			if (group[j])
				ledger_free_tree(l, group[j], lvl - 1);
		/* A leaf's slots are in one group */
		memset(group, 0, LEDGER_GROUP * sizeof(*group));
		found = group;
	}
	memset(draft, 0, ledger_node_size(l, lvl));
	return found;
}

/* What a reservation has for drafts is for the next one, too */
static void ledger_return_draft(struct ledger *l, struct ledger_node *draft,
				unsigned int lvl)
{
	struct ledger_node **group = ledger_strip_draft(l, draft, lvl);
	unsigned long flags;

	spin_lock_irqsave(&l->lock, flags);
	if (l->reserve) {
		ledger_add_node(l->reserve, lvl, draft);
		draft = NULL;
		if (group)
			ledger_add_group(l->reserve, lvl - 1, group);
		group = NULL;
	}
	spin_unlock_irqrestore(&l->lock, flags);
	kfree(draft);
	kfree(group);
}

static void ledger_free_draft(struct ledger *l, const struct ledger_leaf *leaf,
			      struct ledger_node *draft, gfp_t gfp)
{
	unsigned int lvl = ledger_level_of_leaf(l, leaf);

	if (draft && gfp == IO_PGTABLE_SAFE_RESERVED)
		ledger_return_draft(l, draft, lvl);
	else if (draft)
		ledger_free_tree(l, draft, lvl);
}

static struct ledger_node *ledger_draft_child(struct ledger *l,
					      struct ledger_node *node,
					      unsigned int lvl, unsigned int slot,
					      gfp_t gfp)
{
	struct ledger_node *child = ledger_child(l, node, lvl, slot), ***group;

	if (child)
		return child;
	/* If the rest fails it goes with the draft */
	group = &ledger_groups(l, node, lvl)[slot >> LEDGER_GROUP_BITS];
	if (!*group)
		*group = ledger_draft_group(l, lvl - 1, gfp);
	if (!*group)
		return NULL;
	child = ledger_draft_node(l, lvl - 1, gfp);
	if (child)
		ledger_add_child(l, node, lvl, slot, child, NULL);
	return child;
}

/**
 * ledger_draft() - Record leaves in a draft.
 * @l: The ledger.
 * @leaf: The leaf that is to be replaced.
 * @draft: Its draft.
 * @first: Offset of the first byte of the leaves, in @leaf.
 * @last: Offset of their last byte.
 * @shift: log2 of their size, which is smaller than that of @leaf.
 * @gfp: For nodes, or %IO_PGTABLE_SAFE_RESERVED.
 *
 * Context: Any; sleeps if @gfp allows it.
 * Return: 0 or -ENOMEM.
 */
static int ledger_draft(struct ledger *l, const struct ledger_leaf *leaf,
			struct ledger_node *draft, u64 first, u64 last,
			unsigned int shift, gfp_t gfp)
{
	unsigned int lvl = ledger_level(l, shift), i;
	struct ledger_node *node;
	u64 pos = first, end;

	for (;;) {
		node = draft;
		for (i = ledger_level_of_leaf(l, leaf); node && i > lvl; i--)
			node = ledger_draft_child(l, node, i, ledger_slot(l, pos, i), gfp);
		if (!node)
			return -ENOMEM;
		end = min(last, pos | ledger_node_mask(l, lvl));
		ledger_set(l, node, lvl, ledger_slot(l, pos, lvl),
			   ledger_slot(l, end, lvl), shift - l->level[lvl].shift);
		if (end == last)
			return 0;
		pos = end + 1;
	}
}

/* The children of a leaf's slots; a leaf is aligned, so they are in one group */
static void ledger_adopt_children(const struct ledger *l, struct ledger_node *node,
				  struct ledger_node *draft, unsigned int lvl,
				  unsigned int a, unsigned int b)
{
	struct ledger_node ***to, ***from;
	unsigned int i;

	BUILD_BUG_ON(LEDGER_MAX_RUN_BITS > LEDGER_GROUP_BITS);
	to = &ledger_groups(l, node, lvl)[a >> LEDGER_GROUP_BITS];
	from = &ledger_groups(l, draft, lvl)[a >> LEDGER_GROUP_BITS];
	if (!*from)
		return;
	if (!*to) {
		swap(*to, *from);
		return;
	}
	for (i = a % LEDGER_GROUP; i <= b % LEDGER_GROUP; i++)
		swap((*to)[i], (*from)[i]);
}

/**
 * ledger_replace_leaf() - Put what is in its draft in the place of a leaf.
 * @l: The ledger.
 * @leaf: The leaf.
 * @draft: Its draft, with something in it. To be freed all the same.
 * @g: For nodes that become empty.
 *
 * Context: Any; the ledger is locked.
 */
static void ledger_replace_leaf(struct ledger *l, const struct ledger_leaf *leaf,
				struct ledger_node *draft, struct ledger_garbage *g)
	__must_hold(&l->lock)
{
	unsigned int lvl = ledger_level_of_leaf(l, leaf), w, wide = l->level[lvl].wide;
	unsigned int a = ledger_slot(l, leaf->first, lvl);
	unsigned int b = ledger_slot(l, leaf->last, lvl);
	struct ledger_node *node = ledger_find_node(l, leaf->first, lvl);

	ledger_reset(l, node, lvl, a, b, g);
	for (w = BIT_WORD(a); w <= BIT_WORD(b); w++) {
		node->bits[w << wide] |= draft->bits[w << wide];
		if (wide)
			node->bits[2 * w + 1] |= draft->bits[2 * w + 1];
	}
	if (lvl)
		ledger_adopt_children(l, node, draft, lvl, a, b);
}

/**
 * ledger_is_alone() - Is nothing recorded but by this claim?
 * @l: The ledger.
 * @c: The claim of a map.
 * @g: For nodes that become empty.
 *
 * Others may have claims, too, but will not have recorded anything before the
 * ledger is unlocked.
 *
 * Context: Any; the ledger is locked.
 * Return: True if so.
 */
static inline bool ledger_is_alone(struct ledger *l, const struct ledger_claim *c,
				   struct ledger_garbage *g) __must_hold(&l->lock)
{
	ledger_check_claims(l, 0, 0, g);
	return l->mapped == c->op->marked;
}

#endif /* _IO_PGTABLE_SAFE_LEDGER_CUT_H */
