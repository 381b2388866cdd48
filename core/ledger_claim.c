// SPDX-License-Identifier: GPL-2.0
/*
 * Claims: how the range of an operation becomes its own, and what becomes of it.
 */

/* --- may it be had? ------------------------------------------------------- */

/* The range whose holes are claimed, of those that have a part of this one */
static struct ledger_closed *ledger_find_closed(const struct ledger *l, u64 first, u64 last)
{
	struct ledger_closed *c;

	for (c = l->closed; c; c = c->next)
		if (first <= c->last && last >= c->first)
			break;
	return c;
}

static noinline bool ledger_in_closed(struct ledger *l, u64 first, u64 last)
{
	bool closed;

	spin_lock(&l->lock);
	closed = ledger_find_closed(l, first, last);
	spin_unlock(&l->lock);
	return closed;
}

/*
 * Are holes of the range claimed? Pairs with ledger_close(): that has published its
 * range before it takes the lock of any node, so whoever comes to a node later sees it.
 */
static __always_inline bool ledger_is_closed(struct ledger *l, u64 first, u64 last)
{
	return unlikely(READ_ONCE(l->closed)) && ledger_in_closed(l, first, last);
}

/* What keeps a piece from being claimed? Most of the time nothing does */
static int ledger_judge(const struct ledger *l, const struct ledger_piece *p,
			enum ledger_want want)
{
	unsigned long last = ledger_last_slot(l, ledger_lvl(p->node));
	bool cut = !p->whole || ledger_is_cut(p->node, p->a, p->b, last), used;

	if (want == LEDGER_UNMAP && !cut && !ledger_any(p->node, p->a, p->b, LEDGER_NOT_IDLE))
		return 0;
	used = ledger_any(p->node, p->a, p->b, LEDGER_USED);
	if (used && ledger_any(p->node, ledger_start_of(p->node, p->a), p->b, LEDGER_BUSY))
		return -EBUSY;
	if (want == LEDGER_MAP)
		return used ? -EEXIST : 0;
	if (want == LEDGER_UNMAP && ledger_any(p->node, p->a, p->b, LEDGER_HOLE))
		return -ENOENT;
	return cut && used && want != LEDGER_LOOK ? -ENOTBLK : 0;
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
	struct ledger_piece p = ledger_pieces(first, last);
	int err = 0, now;

	while (ledger_next_piece(l, &p)) {
		now = ledger_judge(l, &p, want);
		err = !err || now == -EBUSY ? now : err;
	}
	return ledger_is_closed(l, first, last) && want != LEDGER_PRESENT ? -EBUSY : err;
}

/* --- claims, and what becomes of them ------------------------------------- */

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
	struct ledger_piece p = ledger_pieces(first, last);

	if (outcome == LEDGER_UNMAPPED)
		ledger_prune(l, first, last, l->levels - 1);
	while (ledger_next_piece(l, &p)) {
		if (!p.whole)
			continue;
		if (outcome == LEDGER_MAPPED && !p.node->has_table)
			p.node->has_table = ledger_any(p.node, p.a, p.b, LEDGER_USED);
		ledger_set(p.node, p.a, p.b, outcome == LEDGER_MAPPED ? LEDGER_END : LEDGER_FREE,
			   0);
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
	struct ledger_piece p = ledger_pieces(first, last);
	bool looked = false, map = want == LEDGER_MAP;
	struct ledger_node *node;
	unsigned int lvl, shift;
	int err = 0;

	c->granule = l->top;
	c->largest = 0;
	c->tables = false;
	while (!err && ledger_next_piece(l, &p)) {
		lvl = ledger_lvl(p.node);
		if (p.more && !looked) {
			/* One that will be refused is not to get in the way of others */
			ledger_drop(&p, true);
			err = ledger_check(l, first, last, want);
			looked = true;
		} else if (ledger_judge(l, &p, want) ||
			   (map && ledger_is_closed(l, p.first, p.end))) {
			ledger_drop(&p, true);
			err = -EAGAIN;
		} else if (map && !p.whole) {
			ledger_drop(&p, true);
			node = ledger_reach(l, p.first, lvl - 1, false, gfp);
			if (!IS_ERR(node))
				ledger_unlock_node(node);
			else if (PTR_ERR(node) == -ENOMEM)
				err = -ENOMEM;
		} else if (p.whole) {
			ledger_set(p.node, p.a, p.b, map ? LEDGER_CLAIMED : LEDGER_BEGIN, 0);
			shift = l->level[lvl].shift;
			c->granule = min(c->granule, shift);
			c->largest = max(c->largest, shift);
			c->tables |= !p.a && p.b == ledger_last_slot(l, lvl) &&
				     lvl + 1 < l->levels;
		}
	}
	if (err && p.next != first)
		ledger_settle(l, first, p.next - 1, map ? LEDGER_FREED : LEDGER_MAPPED);
	if (err != -EAGAIN)
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
	bool closed;

	spin_lock(&l->lock);
	closed = ledger_find_closed(l, c->first, c->last);
	if (!closed) {
		c->next = l->closed;
		/* Pairs with ledger_is_closed(), by the lock of any node of the range */
		WRITE_ONCE(l->closed, c);
	}
	spin_unlock(&l->lock);
	return closed ? -EBUSY : 0;
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
	struct ledger_piece p = ledger_pieces(*pos, c->last);
	unsigned int lvl;
	u64 mask;

	*shift = 0;
	while (!*shift && ledger_next_piece(l, &p)) {
		/* There are tables above it, too */
		for (lvl = ledger_lvl(p.node) + 1; p.node->has_table && lvl < l->levels; lvl++) {
			mask = ledger_slot_mask(l, lvl);
			if ((p.end & ~mask) < c->first || (p.end | mask) > c->last)
				break;
			if (sizes & (mask + 1))
				*shift = l->level[lvl].shift;
		}
	}
	if (!*shift)
		return false;
	ledger_drop(&p, false);
	mask = BIT_ULL(*shift) - 1;
	*pos = p.end & ~mask;
	/* So that its nodes can go */
	p = ledger_pieces(*pos, *pos | mask);
	while (ledger_next_piece(l, &p))
		ledger_set(p.node, p.a, p.b, LEDGER_CLAIMED, 0);
	return true;
}

/* --- the leaves of a map -------------------------------------------------- */

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
	unsigned int lvl = l->level_of[shift];
	struct ledger_node *node;
	u64 pos = first, end;

	ledger_prune(l, first, last, lvl);
	for (;;) {
		node = ledger_reach(l, pos, lvl, true, gfp);
		if (IS_ERR(node))
			return PTR_ERR(node);
		end = min(last, pos | l->level[lvl].mask);
		ledger_set(node, ledger_slot(l, pos, lvl), ledger_slot(l, end, lvl),
			   LEDGER_CLAIMED, shift - l->level[lvl].shift);
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
	u64 mask = l->level[lvl].mask;

	return lvl ? ((mask - (off & mask)) >> shift) + 1 : ~0ULL;
}

/* log2 of the size of a slot where there are leaves of this size */
static unsigned int ledger_slot_shift(const struct ledger *l, unsigned int shift)
{
	return l->level[l->level_of[shift]].shift;
}

/* The last byte of what the node of level 0 that has a byte describes */
static __always_inline u64 ledger_node_end(const struct ledger *l, u64 off)
{
	return off | l->level[0].mask;
}

/* --- with the lock held --------------------------------------------------- */

/**
 * ledger_hold() - Have a range in one node, with the lock held.
 * @l: The ledger.
 * @first: Offset of the first byte.
 * @last: Offset of the last byte.
 * @shift: log2 of the size of the leaves to be mapped, or of some that would fill it.
 * @want: %LEDGER_MAP, or %LEDGER_UNMAP for one that leaves its table there.
 * @gfp: For nodes that a map needs.
 * @p: Set to what is held.
 *
 * The lock is kept over the call of the backend, so nobody sees that an operation is
 * under way. Where one call is not enough after all, the lock becomes a claim without
 * a moment in between.
 *
 * Context: Process context, atomic sections included; sleeps if @gfp allows it.
 * Return: False if it takes a claim; nothing is locked then.
 */
static __always_inline bool ledger_hold(struct ledger *l, u64 first, u64 last,
					unsigned int shift, enum ledger_want want,
					gfp_t gfp, struct ledger_held *p)
{
	const unsigned int lvl = l->level_of[shift];
	const struct ledger_level level = l->level[lvl];
	const unsigned long a = (first & level.mask) >> level.shift;
	const unsigned long b = (last & level.mask) >> level.shift;
	const u64 key = (first & ~level.mask) | lvl;
	struct ledger_node *node;
	unsigned long end;

	if (unlikely((first ^ last) & ~level.mask))
		return false;
	node = ledger_walk(l, first, lvl);
	ledger_lock_node(node);
	if (unlikely(node->key != key)) {
		ledger_unlock_node(node);
		if (want != LEDGER_MAP)
			return false;
		node = ledger_reach(l, first, lvl, false, gfp);
		if (IS_ERR(node))
			return false;
	}
	p->node = node;
	p->words = ledger_first_word(node, a, b);
	p->run = shift - level.shift;
	if (want == LEDGER_MAP) {
		if (likely(!ledger_any_word(p->words, LEDGER_USED) && !node->children &&
			   !ledger_is_closed(l, first, last)))
			return true;
	} else {
		end = level.mask >> level.shift;
		if (likely(!ledger_any_word(p->words, LEDGER_NOT_IDLE) && (a || b != end) &&
			   !ledger_is_cut(node, a, b, end)))
			return true;
	}
	ledger_unlock_node(node);
	return false;
}

static __always_inline void ledger_release(struct ledger_held *p)
{
	ledger_unlock_node(p->node);
}

/* All of it was mapped, or it is claimed for that now */
static __always_inline void ledger_release_map(struct ledger_held *p, bool busy)
{
	ledger_set_words(p->node, p->words, busy ? LEDGER_CLAIMED : LEDGER_LEAVES, p->run);
	if (!busy)
		p->node->has_table = true;
	ledger_unlock_node(p->node);
}

static __always_inline void ledger_release_unmap(struct ledger_held *p, bool busy)
{
	ledger_set_words(p->node, p->words, busy ? LEDGER_BEGIN : LEDGER_FREE, 0);
	ledger_unlock_node(p->node);
}
