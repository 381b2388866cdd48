// SPDX-License-Identifier: GPL-2.0
/*
 * The pages that page tables are made of: where they come from, and when they
 * are given back.
 */

#include <linux/device.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmstat.h>

/**
 * DOC: table pages
 *
 * A format frees a table as soon as it has cleared the descriptor that points to
 * it, in the middle of a call. A walker may still be in it until the walk cache
 * has been invalidated. So the format gets its pages from the layer, where it can
 * be told where to get them, and the layer keeps what is freed until then.
 *
 * The callback that frees has neither an address nor an operation to go by. But
 * only an unmap that covers tables, and a map of a block over tables, can get
 * there. They know before, and enter themselves in a list, with the task that runs
 * them. And the format asks for the walk cache to be flushed before it frees, and
 * says of which range. So an operation collects what it frees, each page with the range
 * that was to be flushed for it:
 *
 * - An operation that invalidates what it unmapped, which covers these ranges,
 *   gives the pages back afterwards.
 * - Else the operation leaves them behind. A flush covers what was left before it
 *   began. What it covers of a page's range need not be flushed again, and a page
 *   goes back when all of that has been.
 *
 * So a page is never given back by the invalidation of somebody else, nor by one
 * that began too early, and operations do not wait for each other. A page that is
 * freed without a flush before it was never in the table (another thread put
 * one in its place first) and goes back at once.
 *
 * None of this may depend on memory, so each page has its record from the start (a
 * flush in the middle of a range takes another one, and counts for nothing if there
 * is none). Neither can it be kept in the page, because the walker may be reading that,
 * nor in struct page, which is not the layer's where a driver allocates.
 */

static void table_pages_init(struct table_pages *t, struct device *dev)
{
	*t = (struct table_pages){ .source.node = dev ? dev_to_node(dev) : NUMA_NO_NODE };
	spin_lock_init(&t->lock);
}

/* --- where they come from ------------------------------------------------- */

/* As drivers/iommu/iommu-pages.h, which modules cannot include, accounts for them */
static void table_pages_account(void *pages, long n)
{
#ifdef IO_PGTABLE_SAFE_HAVE_NR_IOMMU_PAGES
	struct page *page = virt_to_page(pages);

	mod_node_page_state(page_pgdat(page), NR_IOMMU_PAGES, n);
	lruvec_stat_mod_folio(page_folio(page), NR_SECONDARY_PAGETABLE, n);
#endif
}

/* The kernel's formats take theirs in the same way */
static inline void *table_source_get(const struct table_source *source, size_t size,
				     gfp_t gfp)
{
	unsigned int order = get_order(size);
	struct page *page;

	if (source->alloc)
		return source->alloc(source->cookie, size, gfp);
	page = alloc_pages_node(source->node, gfp | __GFP_ZERO | __GFP_COMP, order);
	if (!page)
		return NULL;
	table_pages_account(page_address(page), 1L << order);
	return page_address(page);
}

static void table_source_put(const struct table_source *source, void *pages, size_t size)
{
	unsigned int order = get_order(size);

	if (source->free) {
		source->free(source->cookie, pages, size);
		return;
	}
	table_pages_account(pages, -(1L << order));
	free_pages((unsigned long)pages, order);
}

/* One for each page that any table consists of: kmalloc() would round it up to 64 bytes */
struct kmem_cache *io_pgtable_safe_page_cache;
/* For the suites */
EXPORT_SYMBOL_GPL(io_pgtable_safe_page_cache);

/* Pages with their record, which is in no list yet */
static inline struct table_page *table_page_alloc(const struct table_source *source,
						  size_t size, gfp_t gfp)
{
	struct table_page *p = kmem_cache_zalloc(io_pgtable_safe_page_cache, gfp | __GFP_NOWARN);

	if (!p)
		return NULL;
	p->size = size;
	p->pages = table_source_get(source, size, gfp);
	if (!p->pages) {
		kmem_cache_free(io_pgtable_safe_page_cache, p);
		return NULL;
	}
	return p;
}

static void table_page_free(const struct table_source *source, struct table_page *p)
{
	if (p->pages)
		table_source_put(source, p->pages, p->size);
	kmem_cache_free(io_pgtable_safe_page_cache, p);
}

/* What has been allocated for later */
static inline struct table_page *table_pages_reserved(struct table_pages *t, size_t size)
	__must_hold(&t->lock)
{
	struct table_page *p = t->reserve ? *t->reserve : NULL;

	if (!p || p->size != size)
		return NULL;
	*t->reserve = p->next;
	return p;
}

/**
 * table_pages_alloc() - Pages for a table.
 * @t: The pages.
 * @size: In bytes.
 * @gfp: For the allocators, or %IO_PGTABLE_SAFE_RESERVED.
 *
 * Context: Process context, atomic sections included; sleeps if @gfp allows it.
 * Return: Zeroed memory, or NULL.
 */
static inline void *table_pages_alloc(struct table_pages *t, size_t size, gfp_t gfp)
{
	struct table_page *p = NULL;
	void *pages = NULL;

	if (likely(gfp != IO_PGTABLE_SAFE_RESERVED)) {
		p = table_page_alloc(&t->source, size, gfp);
		if (!p)
			return NULL;
	}
	if (!t->top)
		t->top = size;

	spin_lock(&t->lock);
	p = p ?: table_pages_reserved(t, size);
	if (p) {
		pages = p->pages;
		p->pages = NULL;
		p->next = t->unused;
		t->unused = p;
	}
	spin_unlock(&t->lock);
	return pages;
}

/**
 * table_pages_set_levels() - Find out of how many levels of tables there are.
 * @t: The pages, of a table that has been allocated.
 * @fmt: Its format: one of LPAE.
 * @ias: Bits of an iova.
 * @shift: log2 of the granule.
 *
 * Each level takes a number of bits of the iova, and the top one what remains, or
 * more where tables are concatenated: the size of the top-level table says.
 */
static inline void table_pages_set_levels(struct table_pages *t, enum io_pgtable_fmt fmt,
					  unsigned int ias, unsigned int shift)
{
	unsigned int bits = shift - 3, top = t->top ? __fls(t->top) - 3 : 0;

	t->shift = shift;
	t->levels = ias - shift > top ? DIV_ROUND_UP(ias - shift - top, bits) : 0;
	/* Always four, see arm_mali_lpae_alloc_pgtable() */
	if (fmt == ARM_MALI_LPAE)
		t->levels = 3;
}

/**
 * table_pages_count() - How many tables may a range need?
 * @t: The pages.
 * @first: Offset of the first byte in the address space.
 * @last: Of the last.
 *
 * Whatever is mapped in it, once: with pages of the smallest size there is a
 * table for each part of it that a table can describe, on each level.
 *
 * Context: Process context, atomic sections included.
 * Return: The number, without the top-level table.
 */
static u64 table_pages_count(const struct table_pages *t, u64 first, u64 last)
{
	unsigned int shift = t->shift, i;
	u64 n = 0;

	for (i = 0; i < t->levels; i++) {
		shift += t->shift - 3;
		n += (last >> shift) - (first >> shift) + 1;
	}
	return n;
}

/* --- what is freed -------------------------------------------------------- */

/*
 * The operation that frees: the one that the running task has begun. A callback of the
 * driver, which may begin another, comes when it has been stopped.
 */
static struct table_op *table_pages_mine(struct table_pages *t) __must_hold(&t->lock)
{
	struct table_op *op;

	for (op = t->ops; op; op = op->next)
		if (op->task == current)
			break;
	return op;
}

/**
 * table_op_begin() - What the running task frees from here on is to be kept.
 * @t: The pages.
 * @op: The operation.
 *
 * Until table_op_stop(). Not for a table whose format has pages of its own.
 *
 * Context: Process context, atomic sections included.
 */
static void table_op_begin(struct table_pages *t, struct table_op *op)
{
	*op = (struct table_op){ .task = current };
	spin_lock(&t->lock);
	op->next = t->ops;
	t->ops = op;
	spin_unlock(&t->lock);
}

/**
 * table_op_expect() - The format asks for a flush, to free tables.
 * @t: The pages.
 * @first: First byte of what must be invalidated before they are given back.
 * @last: The last byte.
 *
 * Context: Process context, atomic sections included.
 * Return: False if the running task keeps no tables, so that it must flush now.
 */
static bool table_op_expect(struct table_pages *t, u64 first, u64 last)
{
	struct table_op *op;

	spin_lock(&t->lock);
	op = table_pages_mine(t);
	if (op) {
		op->armed = true;
		op->first = first;
		op->last = last;
	}
	spin_unlock(&t->lock);
	return op;
}

/**
 * table_pages_free() - The format has let go of pages.
 * @t: The pages.
 * @pages: What table_pages_alloc() returned.
 * @size: In bytes.
 *
 * Context: Process context, atomic sections included.
 */
static inline void table_pages_free(struct table_pages *t, void *pages, size_t size)
{
	struct table_page *p;
	struct table_op *op;
	bool keep;

	spin_lock(&t->lock);
	/* Whichever: each page in use has one */
	p = t->unused;
	t->unused = p->next;
	op = table_pages_mine(t);
	keep = op && op->armed;
	if (keep) {
		*p = (struct table_page){
			.next = op->freed, .pages = pages, .size = size,
			.first = op->first, .last = op->last,
		};
		op->freed = p;
		t->kept += size;
		if (watching())
			watch_table(t, WATCH_KEPT, pages, size, p->first, p->last);
	}
	spin_unlock(&t->lock);

	if (!keep) {
		if (watching())
			watch_table(t, WATCH_FREED, pages, size, 0, U64_MAX);
		kmem_cache_free(io_pgtable_safe_page_cache, p);
		table_source_put(&t->source, pages, size);
	}
}

/* Give back what was kept */
static void table_pages_release(struct table_pages *t, struct table_page *p)
{
	struct table_page *next;
	u64 size = 0;

	for (; p; p = next) {
		next = p->next;
		if (p->pages)
			size += p->size;
		if (watching() && p->pages)
			watch_table(t, WATCH_FREED, p->pages, p->size, p->first, p->last);
		table_page_free(&t->source, p);
	}
	spin_lock(&t->lock);
	t->kept -= size;
	spin_unlock(&t->lock);
}

/**
 * table_op_stop() - What the running task frees from here on is not of this operation.
 * @t: The pages.
 * @op: The operation; table_op_end() must follow.
 *
 * Context: Process context, atomic sections included.
 */
static void table_op_stop(struct table_pages *t, struct table_op *op)
{
	struct table_op **place;

	spin_lock(&t->lock);
	for (place = &t->ops; *place != op; place = &(*place)->next)
		;
	*place = op->next;
	spin_unlock(&t->lock);
}

/**
 * table_op_end() - An operation that may have freed tables is over.
 * @t: The pages.
 * @op: The operation, after table_op_stop().
 * @invalidated: So is the invalidation of all that it unmapped.
 *
 * Context: Process context, atomic sections included.
 */
static void table_op_end(struct table_pages *t, struct table_op *op, bool invalidated)
{
	struct table_page *p;

	if (invalidated) {
		table_pages_release(t, op->freed);
		return;
	}
	spin_lock(&t->lock);
	while ((p = op->freed)) {
		op->freed = p->next;
		p->when = t->now;
		p->next = t->left;
		t->left = p;
	}
	t->now++;
	spin_unlock(&t->lock);
}

/**
 * table_pages_before_flush() - What a flush that begins now will cover.
 * @t: The pages.
 *
 * Context: Process context, atomic sections included.
 * Return: A point in time, for table_pages_after_flush().
 */
static unsigned long table_pages_before_flush(struct table_pages *t)
{
	unsigned long now;

	spin_lock(&t->lock);
	now = t->now;
	spin_unlock(&t->lock);
	return now;
}

/*
 * What is left of a page's range is in two parts: needs another record, if it can be had,
 * which follows it in the list and has the same page.
 */
static void table_page_split(struct table_page *p, u64 first, u64 last)
{
	struct table_page *rest;

	rest = kmem_cache_alloc(io_pgtable_safe_page_cache, GFP_NOWAIT | __GFP_NOWARN);
	if (!rest)
		return;
	*rest = *p;
	rest->first = last + 1;
	p->last = first - 1;
	p->next = rest;
}

/* Has all of a page's range been flushed, now that this has been? */
static bool table_page_flushed(struct table_page *p, u64 first, u64 last)
{
	if (first <= p->first && last >= p->last)
		return true;
	if (first > p->first && last < p->last)
		table_page_split(p, first, last);
	else if (first <= p->first && last >= p->first)
		p->first = last + 1;
	else if (last >= p->last && first <= p->last)
		p->last = first - 1;
	return false;
}

static bool table_page_is_shared(const struct table_page *p, const struct table_page *other)
{
	return other && other->pages == p->pages;
}

/**
 * table_pages_after_flush() - Give back what a flush has covered.
 * @t: The pages.
 * @begin: When it began, from table_pages_before_flush().
 * @first: First byte that was invalidated.
 * @last: The last byte.
 *
 * Context: Process context, atomic sections included.
 */
static void table_pages_after_flush(struct table_pages *t, unsigned long begin,
				    u64 first, u64 last)
{
	struct table_page **place, *p, *before = NULL, *done = NULL;

	spin_lock(&t->lock);
	place = &t->left;
	while ((p = *place)) {
		if ((long)(p->when - begin) >= 0 || !table_page_flushed(p, first, last)) {
			place = &p->next;
			before = p;
			continue;
		}
		*place = p->next;
		/* The page goes with the last of its records */
		if (table_page_is_shared(p, before) || table_page_is_shared(p, p->next))
			p->pages = NULL;
		p->next = done;
		done = p;
	}
	spin_unlock(&t->lock);
	table_pages_release(t, done);
}

static u64 table_pages_kept(struct table_pages *t)
{
	u64 kept;

	spin_lock(&t->lock);
	kept = t->kept;
	spin_unlock(&t->lock);
	return kept;
}
