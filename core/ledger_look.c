// SPDX-License-Identifier: GPL-2.0
/*
 * Questions to the ledger. What is under way counts as not mapped.
 */

/* The leaf that has a byte, in a locked node */
static void ledger_leaf_at(const struct ledger *l, const struct ledger_node *node, u64 off,
			   u64 *first, u64 *last)
{
	unsigned int shift = l->shift[node->lvl], end = ledger_last_slot(l, node->lvl);
	unsigned int slot = ledger_slot(l, off, node->lvl), a = ledger_start_of(node, slot), b;

	for (b = a; b < end && ledger_goes_on(node, b + 1); b++)
		;
	*first = node->key + ((u64)a << shift);
	*last = node->key + ((u64)b << shift) + ledger_slot_mask(l, node->lvl);
}

/* A leaf that the caller has claimed */
static void ledger_claimed_leaf(const struct ledger *l, u64 off, u64 *first, u64 *last)
{
	struct ledger_node *node = ledger_lock(l, off, 0);

	ledger_leaf_at(l, node, off, first, last);
	ledger_unlock_node(node);
}

/**
 * ledger_hold_leaf() - Keep the leaf that has a byte as it is.
 * @l: The ledger.
 * @off: Offset of the byte.
 * @first: Set to the offset of the leaf's first byte.
 * @last: Set to the offset of its last byte.
 * @p: For ledger_release().
 *
 * Context: Process context, atomic sections included.
 * Return: 0; -ENOENT or -EBUSY, and then nothing is held.
 */
static int ledger_hold_leaf(struct ledger *l, u64 off, u64 *first, u64 *last,
			    struct ledger_piece *p)
{
	unsigned int slot;
	int err = 0;

	p->node = ledger_lock(l, off, 0);
	slot = ledger_slot(l, off, p->node->lvl);
	if (ledger_is_closed(l, off, off))
		err = -EBUSY;
	else if (!ledger_any_used(p->node, slot, slot))
		err = -ENOENT;
	else if (ledger_any_busy(p->node, ledger_start_of(p->node, slot), slot))
		err = -EBUSY;
	if (err)
		ledger_unlock_node(p->node);
	else
		ledger_leaf_at(l, p->node, off, first, last);
	return err;
}

/**
 * ledger_widen() - Widen a range to the ends of the leaves at its ends.
 * @l: The ledger.
 * @first: Its first byte.
 * @last: Its last byte.
 *
 * Context: Process context, atomic sections included.
 * Return: 0, or -EBUSY if anything in it is under way, before or afterwards.
 */
static int ledger_widen(struct ledger *l, u64 *first, u64 *last)
{
	u64 offs[2] = { *first, *last }, a, b;
	struct ledger_piece p;
	unsigned int i;
	int err;

	for (i = 0; i < 2; i++) {
		err = ledger_hold_leaf(l, offs[i], &a, &b, &p);
		if (err == -ENOENT)
			continue;
		if (err)
			return err;
		ledger_release(&p);
		*first = min(*first, a);
		*last = max(*last, b);
	}
	return ledger_check(l, *first, *last, LEDGER_LOOK);
}

/**
 * ledger_next_extent() - Find the next range without a hole.
 * @l: The ledger.
 * @first: Offset where to begin.
 * @last: Offset where to end.
 * @busy: What is under way counts, and nothing else: the caller has claimed the range.
 * @start: Set to the first byte of the range.
 * @end: Set to its last byte.
 *
 * Context: Process context, atomic sections included.
 * Return: False if there is none.
 */
static bool ledger_next_extent(struct ledger *l, u64 first, u64 last, bool busy, u64 *start,
			       u64 *end)
{
	unsigned int slot, shift;
	struct ledger_piece p;
	bool found = false;
	u64 pos = first;

	for (;;) {
		ledger_lock_piece(l, pos, last, &p);
		shift = l->shift[p.node->lvl];
		slot = p.a;
		if (!found) {
			slot = ledger_find(p.node, slot, p.b, busy, true);
			found = slot <= p.b;
			*start = max(pos, p.node->key + ((u64)slot << shift));
		}
		if (found)
			slot = ledger_find(p.node, slot, p.b, busy, false);
		*end = p.node->key + ((u64)slot << shift) - 1;
		ledger_unlock_node(p.node);
		if (found && slot <= p.b)
			return true;
		if (p.end == last)
			break;
		pos = p.end + 1;
	}
	*end = last;
	return found;
}

static inline u64 ledger_tree_bytes(const struct ledger *l, const struct ledger_node *node)
{
	unsigned int slot, slots = ledger_last_slot(l, node->lvl) + 1;
	u64 bytes = struct_size(node, bits, ledger_nr_words(l, node->lvl));
	const struct ledger_node *child;

	if (!READ_ONCE(node->child))
		return bytes;
	for (slot = 0; slot < slots; slot++) {
		child = ledger_child(node, slot);
		bytes += sizeof(child) + (child ? ledger_tree_bytes(l, child) : 0);
	}
	return bytes;
}

/* Its memory, without what a reservation has. Of no one moment if others are at it */
static inline u64 ledger_bytes(struct ledger *l)
{
	const struct ledger_node *node;
	unsigned int lvl;
	u64 bytes = 0;

	spin_lock(&l->lock);
	for (lvl = 0; lvl < LEDGER_MAX_LEVELS; lvl++)
		for (node = l->unused.node[lvl]; node; node = node->next)
			bytes += ledger_tree_bytes(l, node);
	spin_unlock(&l->lock);
	return bytes + ledger_tree_bytes(l, l->root);
}

static u64 ledger_mapped(struct ledger *l)
{
	u64 space = l->mask[l->levels - 1], pos = 0, first, last, bytes = 0;

	while (ledger_next_extent(l, pos, space, false, &first, &last)) {
		bytes += last - first + 1;
		if (last == space)
			break;
		pos = last + 1;
	}
	return bytes;
}
