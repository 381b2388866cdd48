// SPDX-License-Identifier: GPL-2.0
/*
 * The nodes of the ledger: where they come from and go to, and how to get from the
 * root to the one that is wanted, and its lock.
 */

/* The bytes of a slot, minus one */
static __always_inline u64 ledger_slot_mask(const struct ledger *l, unsigned int lvl)
{
	return BIT_ULL(l->shift[lvl]) - 1;
}

static __always_inline unsigned int ledger_slot(const struct ledger *l, u64 off,
						unsigned int lvl)
{
	return (off & l->mask[lvl]) >> l->shift[lvl];
}

static __always_inline unsigned int ledger_last_slot(const struct ledger *l, unsigned int lvl)
{
	return l->mask[lvl] >> l->shift[lvl];
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

/* --- memory --------------------------------------------------------------- */

static size_t ledger_nr_words(const struct ledger *l, unsigned int lvl)
{
	return 2 * BITS_TO_LONGS((size_t)ledger_last_slot(l, lvl) + 1);
}

static struct ledger_node *ledger_alloc_node(const struct ledger *l, unsigned int lvl,
					     gfp_t gfp)
{
	struct ledger_node *node;

	node = kzalloc(struct_size(node, bits, ledger_nr_words(l, lvl)), gfp | __GFP_NOWARN);
	if (!node)
		return NULL;
	/* A parent's lock is taken before its child's, and no two of one level */
	spin_lock_init(&node->lock);
	lockdep_set_subclass(&node->lock, lvl);
	node->lvl = lvl;
	node->key = LEDGER_NO_KEY;
	return node;
}

static struct ledger_node **ledger_alloc_array(const struct ledger *l, unsigned int lvl,
					       gfp_t gfp)
{
	return kcalloc((size_t)ledger_last_slot(l, lvl) + 1, sizeof(struct ledger_node *),
		       gfp | __GFP_NOWARN);
}

static void ledger_push_node(struct ledger_spares *s, struct ledger_node *node)
{
	node->next = s->node[node->lvl];
	s->node[node->lvl] = node;
}

static struct ledger_node *ledger_pop_node(struct ledger_spares *s, unsigned int lvl)
{
	struct ledger_node *node = s->node[lvl];

	if (node)
		s->node[lvl] = node->next;
	return node;
}

static void ledger_push_array(struct ledger_spares *s, unsigned int lvl,
			      struct ledger_node **array)
{
	array[0] = (struct ledger_node *)s->array[lvl];
	s->array[lvl] = array;
}

static struct ledger_node **ledger_pop_array(struct ledger_spares *s, unsigned int lvl)
{
	struct ledger_node **array = s->array[lvl];

	if (array) {
		s->array[lvl] = (struct ledger_node **)array[0];
		array[0] = NULL;
	}
	return array;
}

static void ledger_free_spares(struct ledger_spares *s)
{
	struct ledger_node *node, **array;
	unsigned int lvl;

	for (lvl = 0; lvl < LEDGER_MAX_LEVELS; lvl++) {
		while ((node = ledger_pop_node(s, lvl))) {
			kfree(node->child);
			kfree(node);
		}
		while ((array = ledger_pop_array(s, lvl)))
			kfree(array);
	}
}

/*
 * A node that has been used, one of the reservation, or a new one. In this order also
 * with a reservation: one that is filled and used again and again would leave all of
 * its nodes here.
 */
static struct ledger_node *ledger_take_node(struct ledger *l, unsigned int lvl, gfp_t gfp)
{
	bool reserved = gfp == IO_PGTABLE_SAFE_RESERVED;
	struct ledger_node *node;

	spin_lock(&l->lock);
	node = ledger_pop_node(&l->unused, lvl);
	if (!node && reserved && l->reserve)
		node = ledger_pop_node(l->reserve, lvl);
	spin_unlock(&l->lock);
	return node || reserved ? node : ledger_alloc_node(l, lvl, gfp);
}

static struct ledger_node **ledger_take_array(struct ledger *l, unsigned int lvl, gfp_t gfp)
{
	struct ledger_node **array = NULL;

	if (gfp != IO_PGTABLE_SAFE_RESERVED)
		return ledger_alloc_array(l, lvl, gfp);
	spin_lock(&l->lock);
	if (l->reserve)
		array = ledger_pop_array(l->reserve, lvl);
	spin_unlock(&l->lock);
	return array;
}

/*
 * What was taken goes back to where it came from, if it is still there. So a node that
 * has been used never gets into a reservation, which is freed before the ledger.
 */
static void ledger_give_back(struct ledger *l, struct ledger_node *node, unsigned int lvl,
			     struct ledger_node **array, gfp_t gfp)
{
	struct ledger_spares *s;

	spin_lock(&l->lock);
	s = gfp == IO_PGTABLE_SAFE_RESERVED && l->reserve ? l->reserve : &l->unused;
	if (node)
		ledger_push_node(node->used ? &l->unused : s, node);
	if (array && s != &l->unused) {
		ledger_push_array(s, lvl, array);
		array = NULL;
	}
	spin_unlock(&l->lock);
	kfree(array);
}

/* --- walks ---------------------------------------------------------------- */

/* Pairs with smp_store_release() in ledger_hook(), by the address dependency */
static __always_inline struct ledger_node *ledger_child(const struct ledger_node *node,
							unsigned long slot)
{
	struct ledger_node **child = READ_ONCE(node->child);

	return child ? READ_ONCE(child[slot]) : NULL;
}

/* The lowest node that has the byte, but none below this level */
static __always_inline struct ledger_node *ledger_walk(const struct ledger *l, u64 off,
						       unsigned int floor)
{
	struct ledger_node *node = l->root, *child;
	const unsigned int width = l->width;
	const unsigned long mask = BIT(width) - 1;
	unsigned int shift = l->shift[l->levels - 1], stop = l->shift[floor];
	unsigned long slot = off >> shift;

	while (shift > stop) {
		child = ledger_child(node, slot);
		if (!child)
			break;
		node = child;
		shift -= width;
		slot = off >> shift & mask;
	}
	return node;
}

/* The same node, locked. The walk may have led to one that is another's by now */
static __always_inline struct ledger_node *ledger_lock(const struct ledger *l, u64 off,
						       unsigned int floor)
{
	struct ledger_node *node;

	for (;;) {
		node = ledger_walk(l, off, floor);
		ledger_lock_node(node);
		if (likely(node->key == (off & ~l->mask[node->lvl]) &&
			   (node->lvl <= floor || !node->children ||
			    !ledger_child(node, ledger_slot(l, off, node->lvl)))))
			return node;
		ledger_unlock_node(node);
	}
}

/* The last of slots a to b before the next child */
static noinline unsigned int ledger_before_child(const struct ledger_node *node,
						 unsigned int a, unsigned int b)
{
	while (a < b && !ledger_child(node, a + 1))
		a++;
	return a;
}

/* Lock the first piece of a range */
static __always_inline void ledger_lock_piece(const struct ledger *l, u64 first, u64 last,
					      struct ledger_piece *p)
{
	struct ledger_node *node = ledger_lock(l, first, 0);
	u64 mask = ledger_slot_mask(l, node->lvl), end = first | l->mask[node->lvl];

	p->node = node;
	p->a = ledger_slot(l, first, node->lvl);
	p->whole = !(first & mask) && last - first >= mask;
	if (unlikely(!p->whole)) {
		p->b = p->a;
		p->end = min(last, first | mask);
		return;
	}
	/* What is left of a slot at the end is another piece */
	if (last < end)
		end = last == (last | mask) ? last : (last & ~mask) - 1;
	p->b = ledger_slot(l, end, node->lvl);
	if (unlikely(node->children)) {
		p->b = ledger_before_child(node, p->a, p->b);
		end = first + ((u64)(p->b - p->a) << l->shift[node->lvl]) + mask;
	}
	p->end = end;
}

/* --- growing and shrinking ------------------------------------------------ */

/* The child's key is set with its lock held, for those who still have it from before */
static void ledger_hook(struct ledger *l, struct ledger_node *node, u64 off,
			struct ledger_node *child)
{
	unsigned int slot = ledger_slot(l, off, node->lvl);

	ledger_lock_node(child);
	child->key = off & ~l->mask[child->lvl];
	child->used = true;
	if (ledger_lo(node, slot)) {
		ledger_set(child, 0, ledger_last_slot(l, child->lvl), 0, true);
		ledger_clear(node, slot, slot);
	}
	node->children++;
	/* Pairs with ledger_child(): whoever sees the child sees what is in it */
	smp_store_release(&node->child[slot], child);
	ledger_unlock_node(child);
}

/*
 * ledger_divide() - Let a node describe what is in one slot.
 * @l: The ledger.
 * @off: Offset of a byte of the slot.
 * @lvl: Level of the slot.
 * @owned: The slot is claimed by the caller, else it must be free.
 * @gfp: For the node.
 *
 * Does nothing if the slot is another's or has been divided by somebody else: to be
 * looked at again in any case.
 *
 * Return: 0 or -ENOMEM.
 */
static noinline int ledger_divide(struct ledger *l, u64 off, unsigned int lvl, bool owned,
				  gfp_t gfp)
{
	struct ledger_node *node, *child, **array = NULL;
	unsigned int slot = ledger_slot(l, off, lvl);

	child = ledger_take_node(l, lvl - 1, gfp);
	if (!child)
		return -ENOMEM;
	/* Once there, an array stays: it needs no lock to see that */
	if (!READ_ONCE(ledger_walk(l, off, lvl)->child)) {
		array = ledger_take_array(l, lvl, gfp);
		if (!array) {
			ledger_give_back(l, child, lvl, NULL, gfp);
			return -ENOMEM;
		}
	}

	node = ledger_lock(l, off, lvl);
	if (node->lvl == lvl && !node->child && array) {
		/* Pairs with ledger_child(): whoever sees it sees that it is empty */
		smp_store_release(&node->child, array);
		array = NULL;
	}
	if (node->lvl == lvl && node->child && !ledger_child(node, slot) &&
	    (owned || !ledger_any_used(node, slot, slot))) {
		ledger_hook(l, node, off, child);
		child = NULL;
	}
	ledger_unlock_node(node);
	if (child || array)
		ledger_give_back(l, child, lvl, array, gfp);
	return 0;
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
static noinline void ledger_unhook(struct ledger *l, u64 off, unsigned int lvl)
{
	struct ledger_node *node = ledger_lock(l, off, lvl + 1), *child = NULL;
	unsigned int slot = ledger_slot(l, off, lvl + 1);
	unsigned int last = ledger_last_slot(l, lvl);

	if (node->lvl == lvl + 1)
		child = ledger_child(node, slot);
	if (child) {
		ledger_lock_node(child);
		ledger_clear(child, 0, last);
		ledger_set(node, slot, slot, 0, true);
		node->has_table |= child->has_table;
		child->has_table = false;
		child->key = LEDGER_NO_KEY;
		WRITE_ONCE(node->child[slot], NULL);
		node->children--;
		ledger_unlock_node(child);
	}
	ledger_unlock_node(node);
	if (child)
		ledger_give_back(l, child, lvl, NULL, 0);
}

/* --- init and destroy ----------------------------------------------------- */

/**
 * ledger_init() - Prepare the ledger of an empty page table.
 * @l: The ledger, zeroed.
 * @granule: log2 of the smallest leaf.
 * @width: log2 of the entries of a table below the highest.
 * @bits: Size of the address space, in bits; larger than any leaf.
 *
 * Context: May sleep.
 * Return: 0 or -ENOMEM.
 */
static int ledger_init(struct ledger *l, unsigned int granule, unsigned int width,
		       unsigned int bits)
{
	unsigned int shift, n;

	/* Not more levels than there may be, nor more slots than ledger_node.children can say */
	l->width = clamp(width, 64U / LEDGER_MAX_LEVELS, 15U);
	for (shift = granule; shift < bits; shift += l->width) {
		l->shift[l->levels] = shift;
		l->mask[l->levels++] = GENMASK_ULL(min(shift + l->width, bits) - 1, 0);
	}
	for (n = granule; n < ARRAY_SIZE(l->level_of); n++)
		l->level_of[n] = min((n - granule) / l->width, l->levels - 1U);

	spin_lock_init(&l->lock);
	l->root = ledger_alloc_node(l, l->levels - 1, GFP_KERNEL);
	if (!l->root)
		return -ENOMEM;
	l->root->key = 0;
	return 0;
}

static void ledger_free_tree(const struct ledger *l, struct ledger_node *node)
{
	unsigned int slot;

	for (slot = 0; node->children && slot <= ledger_last_slot(l, node->lvl); slot++)
		if (node->child[slot])
			ledger_free_tree(l, node->child[slot]);
	kfree(node->child);
	kfree(node);
}

/**
 * ledger_destroy() - Free all memory of a ledger, whatever is still mapped.
 * @l: The ledger; nobody else may be using it.
 *
 * Context: Process context, atomic sections included.
 */
static void ledger_destroy(struct ledger *l)
{
	if (l->root)
		ledger_free_tree(l, l->root);
	ledger_free_spares(&l->unused);
}

/* --- reservations --------------------------------------------------------- */

/* How many nodes of this level does a range touch? */
static u64 ledger_count_nodes(const struct ledger *l, unsigned int lvl, u64 first, u64 last)
{
	unsigned int shift = l->shift[lvl + 1];

	return (last >> shift) - (first >> shift) + 1;
}

/**
 * ledger_alloc_spare() - Allocate one more node, and what it takes to hook it.
 * @l: The ledger.
 * @s: Where it is added.
 * @lvl: Its level; not the highest.
 * @gfp: For it.
 *
 * One for each ledger_count_nodes() is enough for whatever is mapped in a range.
 *
 * Context: Process context, atomic sections included; sleeps if @gfp allows it.
 * Return: False if there is no memory.
 */
static bool ledger_alloc_spare(const struct ledger *l, struct ledger_spares *s,
			       unsigned int lvl, gfp_t gfp)
{
	struct ledger_node *node = ledger_alloc_node(l, lvl, gfp);

	s->slots = ledger_last_slot(l, lvl) + 1;
	if (node)
		ledger_push_node(s, node);
	return node;
}

/* The array that a node of this level has if it has children */
static bool ledger_alloc_spare_array(const struct ledger *l, struct ledger_spares *s,
				     unsigned int lvl, gfp_t gfp)
{
	struct ledger_node **array = ledger_alloc_array(l, lvl, gfp);

	if (array)
		ledger_push_array(s, lvl, array);
	return array;
}

/* The ledger may be gone by now. The array of the root may be smaller than this says */
static u64 ledger_spare_bytes(const struct ledger_spares *s)
{
	struct ledger_node *node, **array;
	unsigned int lvl;
	u64 bytes = 0;

	for (lvl = 0; lvl < LEDGER_MAX_LEVELS; lvl++) {
		for (node = s->node[lvl]; node; node = node->next)
			bytes += struct_size(node, bits, 2 * BITS_TO_LONGS(s->slots));
		for (array = s->array[lvl]; array; array = (struct ledger_node **)array[0])
			bytes += s->slots * sizeof(*array);
	}
	return bytes;
}

static void ledger_attach(struct ledger *l, struct ledger_spares *reserve)
{
	spin_lock(&l->lock);
	l->reserve = reserve;
	spin_unlock(&l->lock);
}
