// SPDX-License-Identifier: GPL-2.0
/*
 * Questions to the ledger. What is under way counts as not mapped.
 */

static u64 ledger_offset(const struct ledger *l, const struct ledger_node *node,
			 unsigned long slot)
{
	unsigned int lvl = ledger_lvl(node);

	return node->key - lvl + ((u64)slot << l->level[lvl].shift);
}

/* The leaf that has a byte, in a locked node */
static void ledger_leaf_at(const struct ledger *l, const struct ledger_node *node, u64 off,
			   u64 *first, u64 *last)
{
	unsigned int lvl = ledger_lvl(node);
	unsigned long b = ledger_slot(l, off, lvl), end = ledger_last_slot(l, lvl);

	*first = ledger_offset(l, node, ledger_start_of(node, b));
	while (b < end && ledger_goes_on(node, b + 1))
		b++;
	*last = ledger_offset(l, node, b) + ledger_slot_mask(l, lvl);
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
			    struct ledger_held *p)
{
	unsigned long slot;
	int err = 0;

	p->node = ledger_lock(l, off, 0);
	slot = ledger_slot(l, off, ledger_lvl(p->node));
	if (ledger_is_closed(l, off, off))
		err = -EBUSY;
	else if (!ledger_any(p->node, slot, slot, LEDGER_USED))
		err = -ENOENT;
	else if (ledger_any(p->node, ledger_start_of(p->node, slot), slot, LEDGER_BUSY))
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
	struct ledger_held p;
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
	struct ledger_piece p = ledger_pieces(first, last);
	bool found = false;
	unsigned long slot;

	*end = last;
	while (ledger_next_piece(l, &p)) {
		slot = p.a;
		if (!found) {
			slot = ledger_find(p.node, slot, p.b, busy, true);
			found = slot <= p.b;
			*start = max(p.first, ledger_offset(l, p.node, slot));
		}
		if (found)
			slot = ledger_find(p.node, slot, p.b, busy, false);
		if (slot <= p.b) {
			*end = ledger_offset(l, p.node, slot) - 1;
			ledger_drop(&p, false);
			break;
		}
	}
	return found;
}

static u64 ledger_mapped(struct ledger *l)
{
	u64 space = l->level[l->levels - 1].mask, pos = 0, first, last, bytes = 0;

	while (ledger_next_extent(l, pos, space, false, &first, &last)) {
		bytes += last - first + 1;
		if (last == space)
			break;
		pos = last + 1;
	}
	return bytes;
}
