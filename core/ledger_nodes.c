// SPDX-License-Identifier: GPL-2.0
/*
 * The nodes of the ledger: how to get from the root to the one that is wanted, and
 * its lock; how the tree grows and shrinks.
 */

/* The bytes of a slot, minus one */
static __always_inline u64 ledger_slot_mask(const struct ledger *l, unsigned int lvl)
{
	return BIT_ULL(l->level[lvl].shift) - 1;
}

static __always_inline unsigned long ledger_slot(const struct ledger *l, u64 off,
						 unsigned int lvl)
{
	return (off & l->level[lvl].mask) >> l->level[lvl].shift;
}

static __always_inline u64 ledger_key(const struct ledger *l, u64 off, unsigned int lvl)
{
	return (off & ~l->level[lvl].mask) | lvl;
}

/* The level of a locked node that is in the tree */
static __always_inline unsigned int ledger_lvl(const struct ledger_node *node)
{
	return node->key % LEDGER_MAX_LEVELS;
}

/*
 * Sparse cannot follow a lock that one function takes and another one drops, and
 * which of many locks it is.
 */
static __always_inline void ledger_lock_node(struct ledger_node *node)
{
	spin_lock(&node->lock);
	__release(&node->lock);
}

static __always_inline void ledger_unlock_node(struct ledger_node *node)
{
	__acquire(&node->lock);
	spin_unlock(&node->lock);
}

/* --- walks ---------------------------------------------------------------- */

/* Of a node above the lowest level. Pairs with ledger_hook(), by the address dependency */
static __always_inline struct ledger_node *ledger_child(const struct ledger_node *node,
							unsigned long slot)
{
	struct ledger_group *group = READ_ONCE(*ledger_group(node, slot));

	return group ? READ_ONCE(group->child[slot % LEDGER_GROUP]) : NULL;
}

/* The lowest node that has the byte, but none below this level */
static __always_inline struct ledger_node *ledger_walk(const struct ledger *l, u64 off,
						       unsigned int floor)
{
	unsigned int shift = l->top - l->level[floor].shift, width = l->width;
	unsigned long mask = BIT(width) - 1, slot;
	struct ledger_node *node = l->root, *child;

	off >>= l->level[floor].shift;
	for (slot = off >> shift; shift; slot = off >> shift & mask) {
		child = ledger_child(node, slot);
		if (!child)
			break;
		node = child;
		shift -= width;
	}
	return node;
}

/* The same node, locked. The walk may have led to one that is another's by now */
static __always_inline struct ledger_node *ledger_lock(const struct ledger *l, u64 off,
						       unsigned int floor)
{
	struct ledger_node *node;
	unsigned int lvl;

	for (;;) {
		node = ledger_walk(l, off, floor);
		ledger_lock_node(node);
		lvl = ledger_lvl(node);
		if (likely(node->key == ledger_key(l, off, lvl) &&
			   (lvl <= floor || !ledger_child(node, ledger_slot(l, off, lvl)))))
			return node;
		ledger_unlock_node(node);
	}
}

/* The last of slots a to b before the next child */
static unsigned long ledger_before_child(const struct ledger_node *node, unsigned long a,
					 unsigned long b)
{
	while (node->children && a < b && !ledger_child(node, a + 1))
		a++;
	return node->children ? a : b;
}

/* --- pieces of a range ---------------------------------------------------- */

static __always_inline struct ledger_piece ledger_pieces(u64 first, u64 last)
{
	return (struct ledger_piece){ .next = first, .last = last, .more = true };
}

/* The piece need not stay as it is, or may be asked for again */
static void ledger_drop(struct ledger_piece *p, bool again)
{
	ledger_unlock_node(p->node);
	p->node = NULL;
	if (again) {
		p->next = p->first;
		p->more = true;
	}
}

/* Unlock a piece of the range, and lock the next one. False if it was the last */
static noinline bool ledger_next_piece(const struct ledger *l, struct ledger_piece *p)
{
	u64 first = p->next, last = p->last, end, mask;
	unsigned int lvl;

	if (p->node)
		ledger_drop(p, false);
	if (!p->more)
		return false;
	p->first = first;
	p->node = ledger_lock(l, first, 0);
	lvl = ledger_lvl(p->node);
	mask = ledger_slot_mask(l, lvl);
	end = min(last, first | mask);
	p->a = ledger_slot(l, first, lvl);
	p->b = p->a;
	p->whole = !(first & mask) && last - first >= mask;
	if (p->whole) {
		/* What is left of a slot at the end is another piece */
		end = min(last, first | l->level[lvl].mask);
		if (end != (end | mask))
			end = (end & ~mask) - 1;
		p->b = ledger_before_child(p->node, p->a, ledger_slot(l, end, lvl));
		end = first + ((u64)(p->b - p->a) << l->level[lvl].shift) + mask;
	}
	p->end = end;
	p->next = end + 1;
	p->more = end != last;
	return true;
}

/* --- growing and shrinking ------------------------------------------------ */

/* The child's key is set with its lock held, for those who still have it from before */
static void ledger_hook(struct ledger *l, struct ledger_node *node, u64 off,
			struct ledger_node *child)
{
	unsigned int lvl = ledger_lvl(node);
	unsigned long slot = ledger_slot(l, off, lvl);

	ledger_lock_node(child);
	child->key = ledger_key(l, off, lvl - 1);
	if (ledger_any(node, slot, slot, LEDGER_USED)) {
		ledger_set(child, 0, ledger_last_slot(l, lvl - 1), LEDGER_CLAIMED, 0);
		ledger_set(node, slot, slot, LEDGER_FREE, 0);
	}
	node->children++;
	/* Pairs with ledger_child(): whoever sees the child sees what is in it */
	smp_store_release(&(*ledger_group(node, slot))->child[slot % LEDGER_GROUP], child);
	ledger_unlock_node(child);
}

/* Let a locked node describe what is in the slot of a byte. False if there is no memory */
static bool ledger_divide(struct ledger *l, struct ledger_node *node, u64 off, bool reserved)
{
	unsigned int lvl = ledger_lvl(node);
	struct ledger_group **group = ledger_group(node, ledger_slot(l, off, lvl));
	struct ledger_node *child = NULL;

	spin_lock(&l->lock);
	if (!*group)
		/* Pairs with ledger_child(): whoever sees it sees that it is empty */
		smp_store_release(group, ledger_get_group(l, lvl, reserved));
	if (*group)
		child = ledger_get_node(l, lvl - 1, reserved);
	spin_unlock(&l->lock);
	if (child)
		ledger_hook(l, node, off, child);
	return child;
}

/*
 * ledger_reach() - Lock the node of a level, which is made if it is missing.
 * @l: The ledger.
 * @off: Offset of a byte that it describes.
 * @lvl: The level.
 * @owned: The caller has claimed the range, else it must be free.
 * @gfp: For the node, and those above it.
 *
 * Return: The node, or -EEXIST or -ENOMEM.
 */
static noinline struct ledger_node *ledger_reach(struct ledger *l, u64 off, unsigned int lvl,
						 bool owned, gfp_t gfp)
{
	bool reserved = gfp == IO_PGTABLE_SAFE_RESERVED, used, divided;
	struct ledger_node *node;
	unsigned long slot;

	for (;;) {
		node = ledger_lock(l, off, lvl);
		if (ledger_lvl(node) == lvl)
			return node;
		slot = ledger_slot(l, off, ledger_lvl(node));
		used = !owned && ledger_any(node, slot, slot, LEDGER_USED);
		divided = !used && ledger_divide(l, node, off, reserved);
		ledger_unlock_node(node);
		if (used)
			return ERR_PTR(-EEXIST);
		if (!divided && (reserved || !ledger_grow(l, gfp)))
			return ERR_PTR(-ENOMEM);
	}
}

/*
 * ledger_unhook() - Let the node of this level that has the byte go.
 * @l: The ledger.
 * @off: Offset of the byte.
 * @lvl: The level.
 *
 * If there is one. It has no children, and all its slots are claimed by the caller, who
 * gets that of the parent instead.
 */
static void ledger_unhook(struct ledger *l, u64 off, unsigned int lvl)
{
	struct ledger_node *node = ledger_lock(l, off, lvl + 1), *child = NULL;
	unsigned long slot = ledger_slot(l, off, lvl + 1);

	if (ledger_lvl(node) == lvl + 1)
		child = ledger_child(node, slot);
	if (child) {
		ledger_lock_node(child);
		ledger_set(child, 0, ledger_last_slot(l, lvl), LEDGER_FREE, 0);
		ledger_set(node, slot, slot, LEDGER_CLAIMED, 0);
		node->has_table |= child->has_table;
		child->has_table = false;
		child->key = LEDGER_NO_KEY;
		WRITE_ONCE((*ledger_group(node, slot))->child[slot % LEDGER_GROUP], NULL);
		node->children--;
		ledger_unlock_node(child);
		ledger_put_node(l, child, lvl);
	}
	ledger_unlock_node(node);
}

/*
 * All nodes below a level that a claimed range covers go, from below, and leave a
 * claimed slot. They may not become free before: somebody else could map and unmap
 * something there, and the table that this takes would be left without a node.
 */
static void ledger_prune(struct ledger *l, u64 first, u64 last, unsigned int top)
{
	struct ledger_piece p = ledger_pieces(first, last);
	u64 mask = l->level[0].mask, end = ((first - 1) | mask) + 1 + mask;
	unsigned int lvl;

	/* The first node that begins in the range ends here: it may be behind the range */
	if (!top || end > last || end < first)
		return;
	while (ledger_next_piece(l, &p)) {
		ledger_drop(&p, false);
		for (lvl = 0; lvl < top; lvl++) {
			mask = l->level[lvl].mask;
			if ((p.end & mask) != mask || first > (p.end & ~mask))
				break;
			ledger_unhook(l, p.end, lvl);
		}
	}
}

/* --- init and destroy ----------------------------------------------------- */

/**
 * ledger_destroy() - Free all memory of a ledger, whatever is still mapped.
 * @l: The ledger; nobody else may be using it.
 *
 * Context: Process context, atomic sections included.
 */
static void ledger_destroy(struct ledger *l)
{
	ledger_free_chunks(&l->chunks);
	ledger_free_chunks(&l->spares.chunk);
}

/**
 * ledger_init() - Prepare the ledger of an empty page table.
 * @l: The ledger, zeroed.
 * @granule: log2 of the smallest leaf.
 * @width: log2 of the entries of a table below the highest.
 * @bits: Size of the address space, in bits; larger than any leaf.
 * @levels: Levels of tables at most, or 0: the highest has all entries that remain.
 *
 * Context: May sleep.
 * Return: 0 or -ENOMEM.
 */
static int ledger_init(struct ledger *l, unsigned int granule, unsigned int width,
		       unsigned int bits, unsigned int levels)
{
	unsigned int end, n;

	/* Not more levels than there may be, nor more slots than ledger_node.children can say */
	l->width = clamp(width, 64U / LEDGER_MAX_LEVELS, 15U);
	for (end = granule; end < bits;) {
		l->top = end;
		l->level[l->levels].shift = end;
		end = l->levels + 1 == levels ? bits : min(end + l->width, bits);
		l->level[l->levels++].mask = GENMASK_ULL(end - 1, 0);
	}
	for (n = granule; n < ARRAY_SIZE(l->level_of); n++)
		l->level_of[n] = min((n - granule) / l->width, l->levels - 1U);
	/* Room for three of whatever is cut from it; a power of two with the header */
	l->chunk_size = sizeof(struct ledger_group);
	for (n = 0; n + 1 < l->levels; n++)
		l->chunk_size = max(l->chunk_size, ledger_node_size(l, n));
	l->chunk_size = roundup_pow_of_two(3 * l->chunk_size) - sizeof(struct ledger_chunk);

	spin_lock_init(&l->lock);
	n = l->levels - 1;
	l->spares.chunk = ledger_alloc_chunk(ledger_node_size(l, n), GFP_KERNEL);
	if (!l->spares.chunk)
		return -ENOMEM;
	l->root = ledger_get_node(l, n, false);
	l->root->key = n;
	return 0;
}
