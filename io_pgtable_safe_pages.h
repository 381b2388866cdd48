/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The pages that page tables are made of: where they come from, and when they
 * are given back.
 */
#ifndef _IO_PGTABLE_SAFE_PAGES_H
#define _IO_PGTABLE_SAFE_PAGES_H

#include <linux/device.h>
#include <linux/gfp.h>
#include <linux/io-pgtable.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/vmstat.h>

#include "io_pgtable_safe_compat.h"

/**
 * DOC: table pages
 *
 * A format frees a table as soon as it has cleared the descriptor that points to
 * it, in the middle of a call. A walker may still be in it until the walk cache
 * has been invalidated. So the format gets its pages from the layer, where it can
 * be told where to get them, and the layer keeps what is freed until then.
 *
 * The callback that frees has neither an address nor an operation to go by. But
 * the format asks for the walk cache to be flushed first, and says of which
 * range; that is in the claim of one operation; and what is freed next by the
 * same task, or interrupt, is freed by that operation. So the pages that an
 * operation frees make a batch, with the range of all that was to be flushed:
 *
 * - It begins with the flush that the format asks for.
 * - An operation that invalidates what it unmapped, which covers that range,
 *   gives the batch back afterwards.
 * - Else the operation leaves it behind. A flush gives back what was left before
 *   it began and what it covers. One that covers an end of the range of a batch
 *   leaves the rest to be covered.
 *
 * So a page is never given back by the invalidation of somebody else, nor by one
 * that began too early, and operations do not wait for each other. A page that is
 * freed without a flush before it was never in the table (another thread put
 * one in its place first) and goes back at once.
 *
 * None of this may allocate, so each page has its record from the start. Neither
 * can it be kept in the page, because the walker may be reading that, nor in
 * struct page, which is not the layer's where a driver allocates.
 */

/**
 * struct table_page - The record of one page of tables.
 * @next: The next one: that is not in use, or of the same batch.
 * @pages: What was freed, or NULL.
 * @size: Its size in bytes.
 * @later: Of the first of a batch: the next batch.
 * @tag: Likewise: who is freeing, or, once that is over, when it was.
 * @op: Likewise: what the operation is known by.
 * @first: Likewise: first byte of what must be invalidated.
 * @last: Likewise: the last byte.
 */
struct table_page {
	struct table_page *next;
	void *pages;
	size_t size;
	struct table_page *later;
	unsigned long tag;
	u64 op;
	u64 first;
	u64 last;
};

/**
 * struct table_source - Where pages come from and go to.
 * @alloc: The driver's allocator, or NULL for the kernel's.
 * @free: Likewise.
 * @cookie: What they are called with.
 * @node: The NUMA node for the kernel's.
 */
struct table_source {
	void *(*alloc)(void *cookie, size_t size, gfp_t gfp);
	void (*free)(void *cookie, void *pages, size_t size);
	void *cookie;
	int node;
};

/*
 * struct table_pages - The pages of one page table.
 * @open: Batches of operations under way. Under @lock, but may be compared with NULL
 *	without it, and is next to what operations look at anyway.
 * @source: Where they come from.
 * @on: The format gets its pages here.
 * @top: Size of the top-level table in bytes, the first to be allocated.
 * @levels: Levels of tables below it.
 * @shift: log2 of the granule: of the size of these tables, and of a page.
 * @lock: Protects what follows. Taken with interrupts off, and no other within.
 * @unused: Records of the pages that are in the table.
 * @now: Counts the batches that have been left.
 * @kept: Bytes in all batches.
 * @left: Batches that wait for a flush.
 * @reserve: Pages for maps with %IO_PGTABLE_SAFE_RESERVED, by &table_page.next,
 *	or NULL.
 */
struct table_pages {
	struct table_page *open;
	struct table_source source;
	bool on;
	size_t top;
	unsigned int levels;
	unsigned int shift;
	spinlock_t lock; /* for what follows */
	struct table_page *unused __guarded_by(&lock);
	unsigned long now __guarded_by(&lock);
	u64 kept __guarded_by(&lock);
	struct table_page *left __guarded_by(&lock);
	struct table_page **reserve __guarded_by(&lock);
};

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

/* Pages with their record, which is in no list yet */
static inline struct table_page *table_page_alloc(const struct table_source *source,
						  size_t size, gfp_t gfp)
{
	struct table_page *p = kzalloc_obj(*p, gfp | __GFP_NOWARN);

	if (!p)
		return NULL;
	p->size = size;
	p->pages = table_source_get(source, size, gfp);
	if (!p->pages) {
		kfree(p);
		return NULL;
	}
	return p;
}

static void table_page_free(const struct table_source *source, struct table_page *p)
{
	table_source_put(source, p->pages, p->size);
	kfree(p);
}

static void table_pages_push(struct table_pages *t, struct table_page *p)
	__must_hold(&t->lock)
{
	p->next = t->unused;
	t->unused = p;
}

/* Each page that is not in a batch has a record here */
static struct table_page *table_pages_pop(struct table_pages *t) __must_hold(&t->lock)
{
	struct table_page *p = t->unused;

	t->unused = p->next;
	return p;
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
 * Context: Any; sleeps if @gfp allows it.
 * Return: Zeroed memory, or NULL.
 */
static inline void *table_pages_alloc(struct table_pages *t, size_t size, gfp_t gfp)
{
	struct table_page *p = NULL;
	unsigned long flags;
	void *pages = NULL;

	if (likely(gfp != IO_PGTABLE_SAFE_RESERVED)) {
		p = table_page_alloc(&t->source, size, gfp);
		if (!p)
			return NULL;
	}
	if (!t->top)
		t->top = size;

	spin_lock_irqsave(&t->lock, flags);
	p = p ?: table_pages_reserved(t, size);
	if (p) {
		pages = p->pages;
		p->pages = NULL;
		table_pages_push(t, p);
	}
	spin_unlock_irqrestore(&t->lock, flags);
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
 * Context: Any.
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

/* --- batches -------------------------------------------------------------- */

/* Who is running */
static unsigned long table_pages_self(void)
{
	return (unsigned long)current | interrupt_context_level();
}

/*
 * The batch that whoever is running adds to: the last one begun. A callback of
 * the driver may begin an operation in the middle of another, and ends it there.
 */
static struct table_page *table_pages_mine(struct table_pages *t) __must_hold(&t->lock)
{
	unsigned long self = table_pages_self();
	struct table_page *batch;

	for (batch = t->open; batch; batch = batch->later)
		if (batch->tag == self)
			break;
	return batch;
}

/* Where the batch of an operation is */
static struct table_page **table_pages_find(struct table_pages *t, u64 op)
	__must_hold(&t->lock)
{
	struct table_page **batch;

	for (batch = &t->open; *batch; batch = &(*batch)->later)
		if ((*batch)->op == op)
			break;
	return batch;
}

/**
 * table_pages_expect() - Keep the pages that are freed from here on.
 * @t: The pages.
 * @op: What the operation under way is known by; no other must be.
 * @first: First byte of what must be invalidated before they are given back.
 * @last: The last byte.
 *
 * Until table_pages_end(), and of what this task, or interrupt, frees. At least
 * one page is about to be freed.
 *
 * Context: Any.
 */
static void table_pages_expect(struct table_pages *t, u64 op, u64 first, u64 last)
{
	struct table_page *batch;
	unsigned long flags;

	spin_lock_irqsave(&t->lock, flags);
	batch = *table_pages_find(t, op);
	if (batch) {
		batch->first = min(batch->first, first);
		batch->last = max(batch->last, last);
	} else {
		batch = table_pages_pop(t);
		*batch = (struct table_page){
			.later = t->open, .tag = table_pages_self(), .op = op,
			.first = first, .last = last,
		};
		WRITE_ONCE(t->open, batch);
	}
	spin_unlock_irqrestore(&t->lock, flags);
}

/* The first of a batch has a record already, in which nothing is yet */
static inline void table_pages_keep(struct table_pages *t, struct table_page *batch,
				    void *pages, size_t size) __must_hold(&t->lock)
{
	struct table_page *p = batch;

	if (batch->pages) {
		p = table_pages_pop(t);
		p->next = batch->next;
		batch->next = p;
	}
	p->pages = pages;
	p->size = size;
	t->kept += size;
}

/**
 * table_pages_free() - The format has let go of pages.
 * @t: The pages.
 * @pages: What table_pages_alloc() returned.
 * @size: In bytes.
 *
 * Context: Any.
 */
static inline void table_pages_free(struct table_pages *t, void *pages, size_t size)
{
	struct table_page *batch, *p = NULL;
	unsigned long flags;

	spin_lock_irqsave(&t->lock, flags);
	batch = table_pages_mine(t);
	if (batch)
		table_pages_keep(t, batch, pages, size);
	else
		p = table_pages_pop(t);
	spin_unlock_irqrestore(&t->lock, flags);

	if (!batch) {
		kfree(p);
		table_source_put(&t->source, pages, size);
	}
}

/* Give back one batch */
static void table_pages_release_batch(struct table_pages *t, struct table_page *p)
{
	struct table_page *next;
	unsigned long flags;
	u64 size = 0;

	for (; p; p = next) {
		next = p->next;
		size += p->size;
		table_page_free(&t->source, p);
	}
	spin_lock_irqsave(&t->lock, flags);
	t->kept -= size;
	spin_unlock_irqrestore(&t->lock, flags);
}

static void table_pages_release(struct table_pages *t, struct table_page *batch)
{
	struct table_page *later;

	for (; batch; batch = later) {
		later = batch->later;
		table_pages_release_batch(t, batch);
	}
}

static void table_pages_leave(struct table_pages *t, struct table_page *batch)
	__must_hold(&t->lock)
{
	batch->tag = t->now++;
	batch->later = t->left;
	t->left = batch;
}

/**
 * table_pages_end() - An operation that may have freed pages is over.
 * @t: The pages.
 * @op: What it is known by.
 * @invalidated: So is the invalidation of all that it unmapped.
 *
 * To be called, if @open is not NULL, while the operation is still known by @op.
 * Without the lock one sees at least what one has put there oneself.
 *
 * Context: Any.
 */
static noinline void table_pages_end(struct table_pages *t, u64 op, bool invalidated)
{
	struct table_page **place, *batch;
	unsigned long flags;

	spin_lock_irqsave(&t->lock, flags);
	place = table_pages_find(t, op);
	batch = *place;
	if (batch) {
		WRITE_ONCE(*place, batch->later);
		batch->later = NULL;
		if (!batch->pages) {
			/* Nothing was freed: the record belongs to a page in use */
			table_pages_push(t, batch);
			batch = NULL;
		} else if (!invalidated) {
			table_pages_leave(t, batch);
			batch = NULL;
		}
	}
	spin_unlock_irqrestore(&t->lock, flags);
	table_pages_release(t, batch);
}

/**
 * table_pages_before_flush() - What a flush that begins now will cover.
 * @t: The pages.
 *
 * Context: Any.
 * Return: A point in time, for table_pages_after_flush().
 */
static unsigned long table_pages_before_flush(struct table_pages *t)
{
	unsigned long flags, now;

	spin_lock_irqsave(&t->lock, flags);
	now = t->now;
	spin_unlock_irqrestore(&t->lock, flags);
	return now;
}

/* What is left of a batch to be flushed, now that this has been? */
static bool table_pages_covered(struct table_page *batch, u64 first, u64 last)
{
	if (first <= batch->first && last >= batch->last)
		return true;
	if (first <= batch->first && last >= batch->first)
		batch->first = last + 1;
	else if (last >= batch->last && first <= batch->last)
		batch->last = first - 1;
	return false;
}

/**
 * table_pages_after_flush() - Give back what a flush has covered.
 * @t: The pages.
 * @begin: When it began, from table_pages_before_flush().
 * @first: First byte that was invalidated.
 * @last: The last byte.
 *
 * Context: Any.
 */
static void table_pages_after_flush(struct table_pages *t, unsigned long begin,
				    u64 first, u64 last)
{
	struct table_page **place, *batch, *done = NULL;
	unsigned long flags;

	spin_lock_irqsave(&t->lock, flags);
	place = &t->left;
	while ((batch = *place)) {
		if ((long)(batch->tag - begin) >= 0 ||
		    !table_pages_covered(batch, first, last)) {
			place = &batch->later;
			continue;
		}
		*place = batch->later;
		batch->later = done;
		done = batch;
	}
	spin_unlock_irqrestore(&t->lock, flags);
	table_pages_release(t, done);
}

static u64 table_pages_kept(struct table_pages *t)
{
	unsigned long flags;
	u64 kept;

	spin_lock_irqsave(&t->lock, flags);
	kept = t->kept;
	spin_unlock_irqrestore(&t->lock, flags);
	return kept;
}

/**
 * table_pages_destroy() - Give back whatever is still kept.
 * @t: The pages; the format has freed its tables, and nobody walks them.
 *
 * Context: Any.
 */
static void table_pages_destroy(struct table_pages *t) __context_unsafe(/* not shared */)
{
	struct table_page *p;

	table_pages_release(t, t->left);
	t->left = NULL;
	while ((p = t->unused)) {
		t->unused = p->next;
		kfree(p);
	}
}

#endif /* _IO_PGTABLE_SAFE_PAGES_H */
