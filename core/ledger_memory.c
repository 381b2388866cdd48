// SPDX-License-Identifier: GPL-2.0
/*
 * Where the nodes of the ledger come from: cut from chunks that stay until the ledger
 * goes, as somebody may still be on the way to a node that went.
 */

static __always_inline unsigned long ledger_last_slot(const struct ledger *l, unsigned int lvl)
{
	return l->level[lvl].mask >> l->level[lvl].shift;
}

/* Where a node above the lowest level has the pointer to the group of a slot */
static __always_inline struct ledger_group **ledger_group(const struct ledger_node *node,
							  unsigned long slot)
{
	return (struct ledger_group **)node + ~(long)(slot >> LEDGER_GROUP_SHIFT);
}

/* The pointers to all groups of a node */
static size_t ledger_groups_size(const struct ledger *l, unsigned int lvl)
{
	size_t n = (ledger_last_slot(l, lvl) >> LEDGER_GROUP_SHIFT) + 1;

	return lvl ? round_up(n * sizeof(struct ledger_group *), sizeof(u64)) : 0;
}

/* With the pointers */
static size_t ledger_node_size(const struct ledger *l, unsigned int lvl)
{
	size_t n = BIT_WORD(ledger_last_slot(l, lvl)) + 1;

	/* With an alignment of 4 for u64, as on x86-32, a node need not end at 8 bytes */
	return ledger_groups_size(l, lvl) +
	       round_up(offsetof(struct ledger_node, word[n]), sizeof(u64));
}

/* --- chunks --------------------------------------------------------------- */

static struct ledger_chunk *ledger_alloc_chunk(size_t size, gfp_t gfp)
{
	struct ledger_chunk *c = kzalloc(sizeof(*c) + size, gfp | __GFP_NOWARN);

	if (c)
		c->size = size;
	return c;
}

static void ledger_push_chunk(struct ledger_chunk **list, struct ledger_chunk *c)
{
	c->next = *list;
	*list = c;
}

static struct ledger_chunk *ledger_pop_chunk(struct ledger_chunk **list)
{
	struct ledger_chunk *c = *list;

	if (c)
		*list = c->next;
	return c;
}

static void ledger_free_chunks(struct ledger_chunk **list)
{
	struct ledger_chunk *c;

	while ((c = ledger_pop_chunk(list)))
		kfree(c);
}

/* Zeroed memory, or NULL. A chunk that has been begun is the ledger's */
static void *ledger_cut_from(struct ledger *l, struct ledger_spares *s, size_t size)
{
	struct ledger_chunk *c;

	size = round_up(size, sizeof(u64));
	if (s->left < size) {
		c = ledger_pop_chunk(&s->chunk);
		if (!c)
			return NULL;
		ledger_push_chunk(&l->chunks, c);
		s->place = c->memory;
		s->left = c->size;
	}
	s->left -= size;
	s->place += size;
	return s->place - size;
}

/*
 * From the reservation last: one that is filled and used again and again would leave
 * all that it had to the ledger.
 */
static void *ledger_cut(struct ledger *l, size_t size, bool reserved)
{
	return ledger_cut_from(l, &l->spares, size) ?:
	       reserved && l->reserve ? ledger_cut_from(l, l->reserve, size) : NULL;
}

/* --- nodes and groups ----------------------------------------------------- */

static struct ledger_node *ledger_get_node(struct ledger *l, unsigned int lvl, bool reserved)
{
	struct ledger_node *node = l->nodes[lvl];
	void *p;

	if (node) {
		l->nodes[lvl] = node->next;
		node->next = NULL;
		return node;
	}
	p = ledger_cut(l, ledger_node_size(l, lvl), reserved);
	if (!p)
		return NULL;
	node = p + ledger_groups_size(l, lvl);
	/* A parent's lock is taken before its child's, and no two of one level */
	spin_lock_init(&node->lock);
	lockdep_set_subclass(&node->lock, lvl);
	node->key = LEDGER_NO_KEY;
	return node;
}

static struct ledger_group *ledger_get_group(struct ledger *l, unsigned int lvl, bool reserved)
{
	struct ledger_group *group = l->groups[lvl];

	if (!group)
		return ledger_cut(l, sizeof(*group), reserved);
	l->groups[lvl] = group->next;
	return group;
}

/*
 * Both are used again at their own level only, so who meets one that is another's by
 * now meets nothing but nodes of the levels expected.
 */
static void ledger_put_node(struct ledger *l, struct ledger_node *node, unsigned int lvl)
{
	unsigned long slot, last = ledger_last_slot(l, lvl);
	struct ledger_group **group;

	spin_lock(&l->lock);
	for (slot = 0; lvl && slot <= last; slot += LEDGER_GROUP) {
		group = ledger_group(node, slot);
		if (!*group)
			continue;
		(*group)->next = l->groups[lvl];
		l->groups[lvl] = *group;
		WRITE_ONCE(*group, NULL);
	}
	node->next = l->nodes[lvl];
	l->nodes[lvl] = node;
	spin_unlock(&l->lock);
}

/* One chunk more for nodes and groups */
static bool ledger_grow(struct ledger *l, gfp_t gfp)
{
	struct ledger_chunk *c = ledger_alloc_chunk(l->chunk_size, gfp);

	if (!c)
		return false;
	spin_lock(&l->lock);
	ledger_push_chunk(&l->spares.chunk, c);
	spin_unlock(&l->lock);
	return true;
}

/* --- reservations --------------------------------------------------------- */

/* How many units of 2^shift bytes does a range touch? */
static u64 ledger_touched(u64 first, u64 last, unsigned int shift, unsigned int more)
{
	return (last >> shift >> more) - (first >> shift >> more) + 1;
}

/**
 * ledger_count_chunks() - How many chunks does a reservation need?
 * @l: The ledger.
 * @first: Offset of the first byte.
 * @last: Offset of the last byte.
 *
 * Return: Enough for whatever is mapped in the range, and one for the ledger.
 */
static u64 ledger_count_chunks(const struct ledger *l, u64 first, u64 last)
{
	size_t group = round_up(sizeof(struct ledger_group), sizeof(u64)), size, largest = group;
	unsigned int lvl, shift;
	u64 bytes = 0;

	for (lvl = 0; lvl + 1 < l->levels; lvl++) {
		size = ledger_node_size(l, lvl);
		largest = max(largest, size);
		shift = l->level[lvl + 1].shift;
		bytes += ledger_touched(first, last, shift, 0) * size;
		bytes += ledger_touched(first, last, shift, LEDGER_GROUP_SHIFT) * group;
	}
	/* What is left at the end of a chunk may be too little for the next */
	return div_u64(bytes, l->chunk_size - largest) + 2;
}

/**
 * ledger_reserve() - Add a chunk to a reservation that is not attached.
 * @l: The ledger.
 * @s: The reservation.
 * @gfp: For the chunk.
 *
 * Context: Process context, atomic sections included; sleeps if @gfp allows it.
 * Return: 0 or -ENOMEM.
 */
static int ledger_reserve(const struct ledger *l, struct ledger_spares *s, gfp_t gfp)
{
	struct ledger_chunk *c = ledger_alloc_chunk(l->chunk_size, gfp);

	if (!c)
		return -ENOMEM;
	ledger_push_chunk(&s->chunk, c);
	return 0;
}

/* The ledger may be gone by now */
static u64 ledger_spare_bytes(const struct ledger_spares *s)
{
	const struct ledger_chunk *c;
	u64 bytes = s->left;

	for (c = s->chunk; c; c = c->next)
		bytes += c->size;
	return bytes;
}

/* All that the ledger has, without what a reservation has for it */
static inline u64 ledger_bytes(struct ledger *l)
{
	const struct ledger_chunk *c;
	u64 bytes = 0;

	spin_lock(&l->lock);
	for (c = l->chunks; c; c = c->next)
		bytes += c->size;
	for (c = l->spares.chunk; c; c = c->next)
		bytes += c->size;
	spin_unlock(&l->lock);
	return bytes;
}

/*
 * What is left of a chunk when a reservation is freed is lost. So it gives the ledger
 * a chunk first if that has none: as a rule that is all that is taken.
 */
static void ledger_attach(struct ledger *l, struct ledger_spares *reserve)
{
	spin_lock(&l->lock);
	if (reserve && reserve->chunk && !reserve->gave && !l->spares.chunk) {
		ledger_push_chunk(&l->spares.chunk, ledger_pop_chunk(&reserve->chunk));
		reserve->gave = true;
	}
	l->reserve = reserve;
	spin_unlock(&l->lock);
}
