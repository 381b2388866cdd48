// SPDX-License-Identifier: GPL-2.0
/*
 * The slots of one node of the ledger, which is locked.
 */

static __always_inline void ledger_limit_mask(struct ledger_words *w)
{
	if (w->left < BITS_PER_LONG)
		w->mask &= ~0UL >> ~w->left % BITS_PER_LONG;
}

static __always_inline struct ledger_words ledger_first_word(const struct ledger_node *node,
							     unsigned long a, unsigned long b)
{
	struct ledger_words w = {
		.word = (struct ledger_word *)&node->word[BIT_WORD(a)],
		.mask = ~0UL << a % BITS_PER_LONG,
		.left = b - round_down(a, BITS_PER_LONG),
	};

	ledger_limit_mask(&w);
	return w;
}

/* False if this was the last one */
static __always_inline bool ledger_next_word(struct ledger_words *w)
{
	if (likely(w->left < BITS_PER_LONG))
		return false;
	w->word++;
	w->mask = ~0UL;
	w->left -= BITS_PER_LONG;
	ledger_limit_mask(w);
	return true;
}

/* --- what they are -------------------------------------------------------- */

/**
 * enum ledger_kind - What to look for in slots.
 * @LEDGER_USED: A part of a leaf.
 * @LEDGER_HOLE: None.
 * @LEDGER_BUSY: The start of a leaf that is under way.
 * @LEDGER_NOT_IDLE: A hole, or busy.
 */
enum ledger_kind {
	LEDGER_USED,
	LEDGER_HOLE,
	LEDGER_BUSY,
	LEDGER_NOT_IDLE,
};

/* Is any of the slots of this kind? */
static __always_inline bool ledger_any_word(struct ledger_words w, enum ledger_kind kind)
{
	unsigned long found = 0;

	do {
		switch (kind) {
		case LEDGER_USED:
			found = w.word->lo | w.word->hi;
			break;
		case LEDGER_HOLE:
			found = ~(w.word->lo | w.word->hi);
			break;
		case LEDGER_BUSY:
			found = w.word->lo & w.word->hi;
			break;
		case LEDGER_NOT_IDLE:
			found = ~(w.word->lo ^ w.word->hi);
			break;
		}
		if (found & w.mask)
			return true;
	} while (ledger_next_word(&w));
	return false;
}

static __always_inline bool ledger_any(const struct ledger_node *node, unsigned long a,
				       unsigned long b, enum ledger_kind kind)
{
	return ledger_any_word(ledger_first_word(node, a, b), kind);
}

/* Does the leaf of the slots before go on here? */
static __always_inline bool ledger_goes_on(const struct ledger_node *node, unsigned long slot)
{
	const struct ledger_word *word = &node->word[BIT_WORD(slot)];

	return (word->hi & ~word->lo) >> slot % BITS_PER_LONG & 1;
}

static unsigned long ledger_start_of(const struct ledger_node *node, unsigned long slot)
{
	while (slot && ledger_goes_on(node, slot))
		slot--;
	return slot;
}

/* Is a leaf at an end only in part in slots a to b? last: the last slot of the node */
static __always_inline bool ledger_is_cut(const struct ledger_node *node, unsigned long a,
					  unsigned long b, unsigned long last)
{
	return ledger_goes_on(node, a) || (b < last && ledger_goes_on(node, b + 1));
}

/*
 * Slots of a word that are part of a leaf on which an operation is under way, or
 * none is. @carry: the leaf that goes on in the first slot is under way; set for
 * the next word.
 */
static unsigned long ledger_leaves(unsigned long lo, unsigned long hi, bool busy, bool *carry)
{
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
static unsigned long ledger_find(const struct ledger_node *node, unsigned long a,
				 unsigned long b, bool busy, bool is)
{
	struct ledger_words w = ledger_first_word(node, a, b);
	unsigned long base = round_down(a, BITS_PER_LONG), start = ledger_start_of(node, base);
	bool carry = start != base && ledger_any(node, start, start, LEDGER_BUSY);
	unsigned long found;

	do {
		found = ledger_leaves(w.word->lo, w.word->hi, busy, &carry);
		found = (is ? found : ~found) & w.mask;
		if (found)
			return base + __ffs(found);
		base += BITS_PER_LONG;
	} while (ledger_next_word(&w));
	return b + 1;
}

/* --- what becomes of them ------------------------------------------------- */

/**
 * enum ledger_state - What slots become.
 * @LEDGER_FREE: Free.
 * @LEDGER_LEAVES: Leaves, mapped, where they are free.
 * @LEDGER_CLAIMED: Leaves, under way.
 * @LEDGER_BEGIN: The leaves that they are become under way.
 * @LEDGER_END: They are no longer.
 */
enum ledger_state {
	LEDGER_FREE,
	LEDGER_LEAVES,
	LEDGER_CLAIMED,
	LEDGER_BEGIN,
	LEDGER_END,
};

/* All slots in which a leaf of 2^run slots starts, in word w */
static unsigned long ledger_starts(unsigned int w, unsigned int run)
{
	if (BIT(run) < BITS_PER_LONG)
		return ~0UL / (BIT(BIT(run)) - 1);
	return w * BITS_PER_LONG & (BIT(run) - 1) ? 0 : 1;
}

/* run: log2 of the slots of a leaf */
static __always_inline void ledger_set_words(const struct ledger_node *node,
					     struct ledger_words w, enum ledger_state state,
					     unsigned int run)
{
	unsigned long starts;

	do {
		starts = w.mask;
		if (unlikely(run))
			starts &= ledger_starts(w.word - node->word, run);
		switch (state) {
		case LEDGER_FREE:
			w.word->lo &= ~w.mask;
			w.word->hi &= ~w.mask;
			break;
		case LEDGER_LEAVES:
			w.word->lo |= starts;
			w.word->hi |= w.mask & ~starts;
			break;
		case LEDGER_CLAIMED:
			w.word->lo = (w.word->lo & ~w.mask) | starts;
			w.word->hi |= w.mask;
			break;
		case LEDGER_BEGIN:
			w.word->hi |= w.word->lo & w.mask;
			break;
		case LEDGER_END:
			w.word->hi &= ~(w.word->lo & w.mask);
			break;
		}
	} while (ledger_next_word(&w));
}

static __always_inline void ledger_set(struct ledger_node *node, unsigned long a,
				       unsigned long b, enum ledger_state state,
				       unsigned int run)
{
	ledger_set_words(node, ledger_first_word(node, a, b), state, run);
}
