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

/**
 * struct ledger_words - Words of slots, one after the other.
 * @lo: The lo bits of the slots; their hi bits are behind.
 * @end: Those of the last word.
 * @mask: Which bits of the word are meant.
 * @last: Which are in the last word.
 */
struct ledger_words {
	unsigned long *lo;
	unsigned long *end;
	unsigned long mask;
	unsigned long last;
};

static __always_inline struct ledger_words ledger_first_word(const struct ledger_node *node,
							     unsigned int a, unsigned int b)
{
	struct ledger_words w = {
		.lo = (unsigned long *)&node->bits[2 * BIT_WORD(a)],
		.end = (unsigned long *)&node->bits[2 * BIT_WORD(b)],
		.mask = ~0UL << a % BITS_PER_LONG,
		.last = ~0UL >> (BITS_PER_LONG - 1 - b % BITS_PER_LONG),
	};

	if (w.lo == w.end)
		w.mask &= w.last;
	return w;
}

/* False if this was the last one */
static __always_inline bool ledger_next_word(struct ledger_words *w)
{
	if (w->lo == w->end)
		return false;
	w->lo += 2;
	w->mask = w->lo == w->end ? w->last : ~0UL;
	return true;
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
	struct ledger_words w = ledger_first_word(node, a, b);

	do {
		if ((w.lo[0] | w.lo[1]) & w.mask)
			return true;
	} while (ledger_next_word(&w));
	return false;
}

static bool ledger_all_used(const struct ledger_node *node, unsigned int a, unsigned int b)
{
	struct ledger_words w = ledger_first_word(node, a, b);

	do {
		if (~(w.lo[0] | w.lo[1]) & w.mask)
			return false;
	} while (ledger_next_word(&w));
	return true;
}

/* Is any leaf that starts in slots a to b under way? */
static bool ledger_any_busy(const struct ledger_node *node, unsigned int a, unsigned int b)
{
	struct ledger_words w = ledger_first_word(node, a, b);

	do {
		if (w.lo[0] & w.lo[1] & w.mask)
			return true;
	} while (ledger_next_word(&w));
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
	struct ledger_words w = ledger_first_word(node, a, b);

	do {
		/* One of the two bits, but not both */
		if (~(w.lo[0] ^ w.lo[1]) & w.mask)
			return false;
	} while (ledger_next_word(&w));
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
static unsigned long ledger_starts(unsigned int w, unsigned int run)
{
	if (BIT(run) < BITS_PER_LONG)
		return ~0UL / (BIT(BIT(run)) - 1);
	return w * BITS_PER_LONG & (BIT(run) - 1) ? 0 : 1;
}

/* Record leaves of 2^run slots, under way or mapped */
static __always_inline void ledger_set(struct ledger_node *node, unsigned int a,
				       unsigned int b, unsigned int run, bool busy)
{
	struct ledger_words w = ledger_first_word(node, a, b);
	unsigned long starts;

	do {
		starts = w.mask;
		if (unlikely(run))
			starts &= ledger_starts((w.lo - node->bits) / 2, run);
		w.lo[0] = (w.lo[0] & ~w.mask) | starts;
		w.lo[1] = (w.lo[1] & ~w.mask) | (busy ? w.mask : w.mask & ~starts);
	} while (ledger_next_word(&w));
}

/* Leaves become under way, or are no longer */
static __always_inline void ledger_set_busy(struct ledger_node *node, unsigned int a,
					    unsigned int b, bool busy)
{
	struct ledger_words w = ledger_first_word(node, a, b);

	do {
		if (busy)
			w.lo[1] |= w.lo[0] & w.mask;
		else
			w.lo[1] &= ~(w.lo[0] & w.mask);
	} while (ledger_next_word(&w));
}

static __always_inline void ledger_clear(struct ledger_node *node, unsigned int a,
					 unsigned int b)
{
	struct ledger_words w = ledger_first_word(node, a, b);

	do {
		w.lo[0] &= ~w.mask;
		w.lo[1] &= ~w.mask;
	} while (ledger_next_word(&w));
}
