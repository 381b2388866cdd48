// SPDX-License-Identifier: GPL-2.0
/*
 * Claims: how the range of an operation becomes its own, and what becomes of it.
 */

/* --- may it be had? ------------------------------------------------------- */

/* Are the holes of a part of the range claimed? The caller has locked a node of it */
static noinline bool ledger_in_closed(struct ledger *l, u64 first, u64 last)
{
	struct ledger_closed *c;

	spin_lock(&l->lock);
	for (c = l->closed; c; c = c->next)
		if (first <= c->last && last >= c->first)
			break;
	spin_unlock(&l->lock);
	return c;
}

/*
 * Pairs with ledger_close(): that has published its range before it takes the lock
 * of any node, so whoever comes to a node later sees it.
 */
static __always_inline bool ledger_is_closed(struct ledger *l, u64 first, u64 last)
{
	return unlikely(READ_ONCE(l->closed)) && ledger_in_closed(l, first, last);
}

static noinline int ledger_reason(const struct ledger_piece *p, unsigned int last,
				  enum ledger_want want)
{
	unsigned int start = ledger_start_of(p->node, p->a);

	if (ledger_any_busy(p->node, start, p->b))
		return -EBUSY;
	switch (want) {
	case LEDGER_MAP:
		return -EEXIST;
	case LEDGER_UNMAP:
		if (!ledger_all_used(p->node, p->a, p->b))
			return -ENOENT;
		break;
	case LEDGER_PRESENT:
		if (!p->whole && !ledger_any_used(p->node, p->a, p->b))
			return 0;
		break;
	default:
		return 0;
	}
	return !p->whole || ledger_is_cut(p->node, p->a, p->b, last) ? -ENOTBLK : 0;
}

/* What keeps a piece from being claimed? Most of the time nothing does */
static __always_inline int ledger_judge(const struct ledger *l, const struct ledger_piece *p,
					enum ledger_want want)
{
	unsigned int last = ledger_last_slot(l, p->node->lvl);

	if (want == LEDGER_MAP && likely(!ledger_any_used(p->node, p->a, p->b)))
		return 0;
	if (want == LEDGER_UNMAP && p->whole &&
	    likely(ledger_are_leaves(p->node, p->a, p->b, last)))
		return 0;
	return ledger_reason(p, last, want);
}

/**
 * ledger_check() - Could a range be claimed?
 * @l: The ledger.
 * @first: Offset of the first byte.
 * @last: Offset of the last byte.
 * @want: What for.
 *
 * Context: Process context, atomic sections included.
 * Return: 0; -EBUSY if anything in it is under way, whatever else is wrong; -EEXIST,
 * -ENOENT, -ENOTBLK.
 */
static noinline int ledger_check(struct ledger *l, u64 first, u64 last, enum ledger_want want)
{
	struct ledger_piece p;
	int err = 0, now;
	u64 pos = first;

	for (;;) {
		ledger_lock_piece(l, pos, last, &p);
		now = ledger_judge(l, &p, want);
		ledger_unlock_node(p.node);
		if (now == -EBUSY)
			return now;
		err = err ?: now;
		if (p.end == last)
			break;
		pos = p.end + 1;
	}
	return ledger_is_closed(l, first, last) && want != LEDGER_PRESENT ? -EBUSY : err;
}

/* --- what becomes of it --------------------------------------------------- */

/* Nodes whose last byte this is go, if the claimed range covers them */
static void ledger_shrink_at(struct ledger *l, u64 first, u64 end)
{
	unsigned int lvl;

	for (lvl = 0; lvl + 1 < l->levels; lvl++) {
		if ((end & l->mask[lvl]) != l->mask[lvl] || first > (end & ~l->mask[lvl]))
			return;
		ledger_unhook(l, end, lvl);
	}
}

/*
 * All nodes that a claimed range covers go, from below, and leave a claimed slot. They
 * may not become free before: somebody else could map and unmap something there, and
 * the table that this takes would be left without a node.
 */
static void ledger_shrink(struct ledger *l, u64 first, u64 last)
{
	struct ledger_piece p;
	u64 pos = first;

	for (;;) {
		ledger_lock_piece(l, pos, last, &p);
		ledger_unlock_node(p.node);
		ledger_shrink_at(l, first, p.end);
		if (p.end == last)
			return;
		pos = p.end + 1;
	}
}

/**
 * ledger_settle() - Say what became of a range, or a part of it.
 * @l: The ledger.
 * @first: Offset of the first byte.
 * @last: Offset of the last byte.
 * @outcome: What.
 *
 * Context: Process context, atomic sections included. The caller has claimed the
 * range, and no longer has.
 */
static void ledger_settle(struct ledger *l, u64 first, u64 last, enum ledger_outcome outcome)
{
	struct ledger_piece p;
	u64 pos = first;

	if (outcome == LEDGER_UNMAPPED && last - first >= l->mask[0])
		ledger_shrink(l, first, last);
	for (;;) {
		ledger_lock_piece(l, pos, last, &p);
		if (likely(p.whole)) {
			if (outcome == LEDGER_MAPPED) {
				p.node->has_table |= ledger_any_used(p.node, p.a, p.b);
				ledger_set_busy(p.node, p.a, p.b, false);
			} else {
				ledger_clear(p.node, p.a, p.b);
			}
		}
		ledger_unlock_node(p.node);
		if (p.end == last)
			return;
		pos = p.end + 1;
	}
}

/* --- claims --------------------------------------------------------------- */

/* Piece by piece. *end: behind what was claimed; 1 if it ends in a refusal */
static int ledger_claim_pieces(struct ledger *l, u64 first, u64 last, enum ledger_want want,
			       gfp_t gfp, struct ledger_claimed *c, u64 *end)
{
	bool looked = false, refused;
	struct ledger_piece p;
	unsigned int lvl;
	int err;

	for (*end = first;; *end = p.end + 1) {
again:
		ledger_lock_piece(l, *end, last, &p);
		lvl = p.node->lvl;
		/* One that will be refused is not to get in the way of others */
		if (!looked && p.end != last) {
			ledger_unlock_node(p.node);
			err = ledger_check(l, first, last, want);
			if (err)
				return err;
			looked = true;
			goto again;
		}
		refused = ledger_judge(l, &p, want) ||
			  (want == LEDGER_MAP && ledger_is_closed(l, *end, p.end));
		if (!refused && p.whole && want == LEDGER_MAP)
			ledger_set(p.node, p.a, p.b, 0, true);
		else if (!refused && p.whole)
			ledger_set_busy(p.node, p.a, p.b, true);
		ledger_unlock_node(p.node);
		if (refused)
			return 1;
		c->granule = min_t(unsigned int, c->granule, l->shift[lvl]);
		c->tables |= !p.a && p.b == ledger_last_slot(l, lvl) && lvl + 1 < l->levels;
		if (!p.whole && want == LEDGER_MAP) {
			err = ledger_divide(l, *end, lvl, false, gfp);
			if (err)
				return err;
			looked = true;
			goto again;
		}
		if (p.end == last)
			return 0;
	}
}

/**
 * ledger_claim() - Claim a range.
 * @l: The ledger.
 * @first: Offset of the first byte.
 * @last: Offset of the last byte.
 * @want: What for; not %LEDGER_LOOK.
 * @gfp: For the nodes that a map needs at the ends of the range.
 * @c: What there is to know of it.
 *
 * A claim of several pieces becomes visible piece by piece, so one that loses against
 * another in the middle may make a third one see -EBUSY for a moment.
 *
 * Context: Process context, atomic sections included; sleeps if @gfp allows it.
 * Return: 0; what ledger_check() returns; -ENOMEM.
 */
static int ledger_claim(struct ledger *l, u64 first, u64 last, enum ledger_want want,
			gfp_t gfp, struct ledger_claimed *c)
{
	u64 end;
	int err;

	c->granule = l->shift[l->levels - 1];
	c->tables = false;
	err = ledger_claim_pieces(l, first, last, want, gfp, c, &end);
	if (!err)
		return 0;
	if (end != first)
		ledger_settle(l, first, end - 1,
			      want == LEDGER_MAP ? LEDGER_FREED : LEDGER_MAPPED);
	if (err < 0)
		return err;
	/* Whoever was in the way may be gone by now */
	return ledger_check(l, first, last, want) ?: -EBUSY;
}

/**
 * ledger_close() - Claim the holes of a range, too.
 * @l: The ledger.
 * @c: The range, @c->first and @c->last set.
 *
 * Before what it holds is claimed with %LEDGER_PRESENT; until ledger_open().
 *
 * Context: Process context, atomic sections included.
 * Return: 0, or -EBUSY if the holes of a part of it are claimed.
 */
static int ledger_close(struct ledger *l, struct ledger_closed *c)
{
	struct ledger_closed *other;

	spin_lock(&l->lock);
	for (other = l->closed; other; other = other->next)
		if (c->first <= other->last && c->last >= other->first)
			break;
	if (!other) {
		c->next = l->closed;
		/* Pairs with ledger_is_closed(), by the lock of any node of the range */
		WRITE_ONCE(l->closed, c);
	}
	spin_unlock(&l->lock);
	return other ? -EBUSY : 0;
}

static void ledger_open(struct ledger *l, struct ledger_closed *c)
{
	struct ledger_closed **place;

	spin_lock(&l->lock);
	for (place = &l->closed; *place != c; place = &(*place)->next)
		;
	WRITE_ONCE(*place, c->next);
	spin_unlock(&l->lock);
}

/* In a closed range, in which nothing is mapped: so that its nodes can go */
static void ledger_claim_free(struct ledger *l, u64 first, u64 last)
{
	struct ledger_piece p;
	u64 pos = first;

	for (;; pos = p.end + 1) {
		ledger_lock_piece(l, pos, last, &p);
		ledger_set(p.node, p.a, p.b, 0, true);
		ledger_unlock_node(p.node);
		if (p.end == last)
			return;
	}
}

/**
 * ledger_claim_table() - Claim all that a table describes and nothing is left in.
 * @l: The ledger.
 * @pos: Offset where to look; set to the first byte that the table describes.
 * @c: The range, which the caller has closed and in which nothing is mapped.
 * @sizes: What may be unmapped at once: page sizes.
 * @shift: Set to log2 of the bytes that the table describes: one of these.
 *
 * The largest table that lies in the range and that the format is known to have.
 *
 * Context: Process context, atomic sections included.
 * Return: False if there is none.
 */
static bool ledger_claim_table(struct ledger *l, u64 *pos, const struct ledger_closed *c,
			       unsigned long sizes, unsigned int *shift)
{
	struct ledger_piece p;
	unsigned int lvl;
	bool has_table;
	u64 mask, end;

	for (*shift = 0;; *pos = p.end + 1) {
		ledger_lock_piece(l, *pos, c->last, &p);
		lvl = p.node->lvl;
		has_table = p.node->has_table;
		ledger_unlock_node(p.node);
		/* There are tables above it, too */
		while (has_table && ++lvl < l->levels) {
			mask = ledger_slot_mask(l, lvl);
			if ((p.end & ~mask) < c->first || (p.end | mask) > c->last)
				break;
			if (sizes & (mask + 1))
				*shift = l->shift[lvl];
		}
		if (*shift)
			break;
		if (p.end == c->last)
			return false;
	}
	mask = BIT_ULL(*shift) - 1;
	end = p.end | mask;
	*pos = p.end & ~mask;
	ledger_claim_free(l, *pos, end);
	return true;
}

/* --- the leaves of a map -------------------------------------------------- */

/* A claimed slot takes the place of all that is below it */
static void ledger_merge(struct ledger *l, u64 off, unsigned int lvl)
{
	struct ledger_node *node = ledger_walk(l, off, lvl - 1);
	unsigned int slot;
	u64 below;

	if (node->lvl != lvl - 1)
		return;
	off &= ~ledger_slot_mask(l, lvl);
	for (slot = 0; node->children && slot <= ledger_last_slot(l, lvl - 1); slot++) {
		below = off + ((u64)slot << l->shift[lvl - 1]);
		if (ledger_child(node, slot))
			ledger_merge(l, below, lvl - 1);
	}
	ledger_unhook(l, off, lvl - 1);
}

/**
 * ledger_record() - Record leaves of one size in a range claimed for a map.
 * @l: The ledger.
 * @first: Offset of the first byte.
 * @last: Offset of the last byte.
 * @shift: log2 of the size of the leaves.
 * @gfp: For nodes.
 *
 * What was recorded there before is replaced.
 *
 * Context: Process context, atomic sections included; sleeps if @gfp allows it.
 * Return: 0 or -ENOMEM, which cannot be where nothing smaller than what was there
 * before is recorded.
 */
static int ledger_record(struct ledger *l, u64 first, u64 last, unsigned int shift, gfp_t gfp)
{
	unsigned int lvl = l->level_of[shift], run = shift - l->shift[lvl], a, b;
	struct ledger_node *node;
	u64 pos = first, end;
	int err;

	for (;;) {
		node = ledger_lock(l, pos, lvl);
		if (node->lvl > lvl) {
			ledger_unlock_node(node);
			err = ledger_divide(l, pos, node->lvl, true, gfp);
			if (err)
				return err;
			continue;
		}
		end = min(last, pos | l->mask[lvl]);
		a = ledger_slot(l, pos, lvl);
		b = ledger_slot(l, end, lvl);
		if (node->children && (ledger_child(node, a) ||
				       ledger_before_child(node, a, b) != b)) {
			ledger_unlock_node(node);
			a = ledger_child(node, a) ? a : ledger_before_child(node, a, b) + 1;
			ledger_merge(l, (pos & ~l->mask[lvl]) + ((u64)a << l->shift[lvl]),
				     lvl);
			continue;
		}
		ledger_set(node, a, b, run, true);
		ledger_unlock_node(node);
		if (end == last)
			return 0;
		pos = end + 1;
	}
}

/*
 * To the end of the table: for how many leaves of this size? To record blocks makes the
 * ledger forget the tables that they replace, so there must not be more of them than
 * a format maps at once. Of pages there may be: they replace nothing.
 */
static u64 ledger_room(const struct ledger *l, u64 off, unsigned int shift)
{
	unsigned int lvl = l->level_of[shift];
	u64 mask = l->mask[lvl];

	return lvl ? ((mask - (off & mask)) >> shift) + 1 : ~0ULL;
}

/* Before a claimed leaf is recorded as smaller ones: each of its slots is one */
static int ledger_split(struct ledger *l, u64 first, u64 last, unsigned int shift)
{
	return ledger_record(l, first, last, l->shift[l->level_of[shift]], 0);
}

/* The last byte of what the node of level 0 that has a byte describes */
static __always_inline u64 ledger_node_end(const struct ledger *l, u64 off)
{
	return off | l->mask[0];
}

/* --- with the lock held --------------------------------------------------- */

/*
 * A range in one node can be had with its lock held over the call of the backend;
 * nobody sees that it is under way then. Where that is not enough after all, it
 * becomes a claim without a moment in between.
 */

/* For a map of leaves of one size. False if it takes more; then nothing is locked */
static __always_inline bool ledger_hold_free(struct ledger *l, u64 first, u64 last,
					     unsigned int shift, gfp_t gfp,
					     struct ledger_piece *p)
{
	unsigned int lvl = l->level_of[shift];
	bool used;

	if (unlikely((first ^ last) & ~l->mask[lvl]))
		return false;
	for (;;) {
		p->node = ledger_lock(l, first, lvl);
		if (likely(p->node->lvl == lvl))
			break;
		p->a = ledger_slot(l, first, p->node->lvl);
		used = ledger_any_used(p->node, p->a, p->a);
		ledger_unlock_node(p->node);
		if (used || ledger_divide(l, first, p->node->lvl, false, gfp))
			return false;
	}
	p->a = ledger_slot(l, first, lvl);
	p->b = ledger_slot(l, last, lvl);
	if (likely(!p->node->children && !ledger_any_used(p->node, p->a, p->b) &&
		   !ledger_is_closed(l, first, last)))
		return true;
	ledger_unlock_node(p->node);
	return false;
}

/* For an unmap that leaves its table there */
static __always_inline bool ledger_hold_leaves(struct ledger *l, u64 first, u64 last,
					       struct ledger_piece *p)
{
	unsigned int end;

	ledger_lock_piece(l, first, last, p);
	end = ledger_last_slot(l, p->node->lvl);
	if (likely(p->end == last && !(p->a == 0 && p->b == end) &&
		   !ledger_judge(l, p, LEDGER_UNMAP)))
		return true;
	ledger_unlock_node(p->node);
	return false;
}

static __always_inline void ledger_release(struct ledger_piece *p)
{
	ledger_unlock_node(p->node);
}

/* All of it was mapped with leaves of this size, or it is claimed for that now */
static __always_inline void ledger_release_map(const struct ledger *l, struct ledger_piece *p,
					       unsigned int shift, bool busy)
{
	ledger_set(p->node, p->a, p->b, shift - l->shift[p->node->lvl], busy);
	if (!busy)
		p->node->has_table = true;
	ledger_unlock_node(p->node);
}

static __always_inline void ledger_release_unmap(struct ledger_piece *p, bool busy)
{
	if (busy)
		ledger_set_busy(p->node, p->a, p->b, true);
	else
		ledger_clear(p->node, p->a, p->b);
	ledger_unlock_node(p->node);
}
