// SPDX-License-Identifier: GPL-2.0
/*
 * The slots of one node of the ledger, which is locked.
 */

/* The bits of slots a to b that are in word w */
static __always_inline unsigned long ledger_bits(unsigned int w, unsigned int a,
						 unsigned int b)
{
	unsigned long mask = ~0UL;

	if (w == BIT_WORD(a))
		mask <<= a % BITS_PER_LONG;
	if (w == BIT_WORD(b))
		mask &= ~0UL >> (BITS_PER_LONG - 1 - b % BITS_PER_LONG);
	return mask;
}

static __always_inline bool ledger_lo(const struct ledger_node *node, unsigned int slot)
{
	return node->bits[2 * BIT_WORD(slot)] >> (slot % BITS_PER_LONG) & 1;
}

static __always_inline bool ledger_hi(const struct ledger_node *node, unsigned int slot)
{
	return node->bits[2 * BIT_WORD(slot) + 1] >> (slot % BITS_PER_LONG) & 1;
}

/* Does the leaf of the slots before go on here? */
static __always_inline bool ledger_goes_on(const struct ledger_node *node, unsigned int slot)
{
	return !ledger_lo(node, slot) && ledger_hi(node, slot);
}

static __always_inline bool ledger_any_used(const struct ledger_node *node,
					    unsigned int a, unsigned int b)
{
	unsigned int w;

	for (w = BIT_WORD(a); w <= BIT_WORD(b); w++)
		if ((node->bits[2 * w] | node->bits[2 * w + 1]) & ledger_bits(w, a, b))
			return true;
	return false;
}

static bool ledger_all_used(const struct ledger_node *node, unsigned int a, unsigned int b)
{
	unsigned int w;

	for (w = BIT_WORD(a); w <= BIT_WORD(b); w++)
		if (~(node->bits[2 * w] | node->bits[2 * w + 1]) & ledger_bits(w, a, b))
			return false;
	return true;
}

/* Is any leaf that starts in slots a to b under way? */
static bool ledger_any_busy(const struct ledger_node *node, unsigned int a, unsigned int b)
{
	unsigned int w;

	for (w = BIT_WORD(a); w <= BIT_WORD(b); w++)
		if (node->bits[2 * w] & node->bits[2 * w + 1] & ledger_bits(w, a, b))
			return true;
	return false;
}

static unsigned int ledger_start_of(const struct ledger_node *node, unsigned int slot)
{
	while (slot && ledger_goes_on(node, slot))
		slot--;
	return slot;
}

/* Is a leaf at an end only in part in slots a to b? last: the last slot of the node */
static __always_inline bool ledger_is_cut(const struct ledger_node *node, unsigned int a,
					  unsigned int b, unsigned int last)
{
	return ledger_goes_on(node, a) || (b < last && ledger_goes_on(node, b + 1));
}

/* Are slots a to b whole leaves, and none of them under way? */
static __always_inline bool ledger_are_leaves(const struct ledger_node *node, unsigned int a,
					      unsigned int b, unsigned int last)
{
	unsigned int w;

	for (w = BIT_WORD(a); w <= BIT_WORD(b); w++)
		/* One of the two bits, but not both */
		if (~(node->bits[2 * w] ^ node->bits[2 * w + 1]) & ledger_bits(w, a, b))
			return false;
	return !ledger_is_cut(node, a, b, last);
}

/*
 * Slots of word w that are part of a leaf on which an operation is under way, or
 * none is. @carry: the leaf that goes on in the first slot is under way; set for
 * the next word.
 */
static unsigned long ledger_leaves(const struct ledger_node *node, unsigned int w,
				   bool busy, bool *carry)
{
	unsigned long lo = node->bits[2 * w], hi = node->bits[2 * w + 1];
	unsigned long on = hi & ~lo, flood;

	/* A carry runs through the slots where a leaf that is under way goes on */
	flood = ((lo & hi) << 1 | *carry) & on;
	flood = (((on + flood) ^ on) & on) | (lo & hi);
	*carry = flood >> (BITS_PER_LONG - 1);
	return busy ? flood : (lo | hi) & ~flood;
}

/*
 * The first slot from a to b that is part of a leaf that is under way, or mapped
 * and not under way; or the first that is not. b + 1 if there is none.
 */
static unsigned int ledger_find(const struct ledger_node *node, unsigned int a,
				unsigned int b, bool busy, bool is)
{
	unsigned int w = BIT_WORD(a), start = w * BITS_PER_LONG;
	bool carry = ledger_goes_on(node, start);
	unsigned long found;

	if (carry) {
		start = ledger_start_of(node, start);
		carry = ledger_hi(node, start);
	}
	for (; w <= BIT_WORD(b); w++) {
		found = ledger_leaves(node, w, busy, &carry);
		found = (is ? found : ~found) & ledger_bits(w, a, b);
		if (found)
			return w * BITS_PER_LONG + __ffs(found);
	}
	return b + 1;
}

/* All slots in which a leaf of 2^run slots starts, in word w */
static __always_inline unsigned long ledger_starts(unsigned int w, unsigned int run)
{
	if (likely(!run))
		return ~0UL;
	if (BIT(run) < BITS_PER_LONG)
		return ~0UL / (BIT(BIT(run)) - 1);
	return w * BITS_PER_LONG & (BIT(run) - 1) ? 0 : 1;
}

/* Record leaves of 2^run slots, under way or mapped */
static __always_inline void ledger_set(struct ledger_node *node, unsigned int a,
				       unsigned int b, unsigned int run, bool busy)
{
	unsigned long mask, starts;
	unsigned int w;

	for (w = BIT_WORD(a); w <= BIT_WORD(b); w++) {
		mask = ledger_bits(w, a, b);
		starts = mask & ledger_starts(w, run);
		node->bits[2 * w] = (node->bits[2 * w] & ~mask) | starts;
		node->bits[2 * w + 1] = (node->bits[2 * w + 1] & ~mask) |
					(busy ? mask : mask & ~starts);
	}
}

/* Leaves become under way, or are no longer */
static __always_inline void ledger_set_busy(struct ledger_node *node, unsigned int a,
					    unsigned int b, bool busy)
{
	unsigned long starts;
	unsigned int w;

	for (w = BIT_WORD(a); w <= BIT_WORD(b); w++) {
		starts = node->bits[2 * w] & ledger_bits(w, a, b);
		if (busy)
			node->bits[2 * w + 1] |= starts;
		else
			node->bits[2 * w + 1] &= ~starts;
	}
}

static __always_inline void ledger_clear(struct ledger_node *node, unsigned int a,
					 unsigned int b)
{
	unsigned int w;

	for (w = BIT_WORD(a); w <= BIT_WORD(b); w++) {
		node->bits[2 * w] &= ~ledger_bits(w, a, b);
		node->bits[2 * w + 1] &= ~ledger_bits(w, a, b);
	}
}
