// SPDX-License-Identifier: GPL-2.0
/*
 * Which memory can a device reach? A check for drivers, off unless it is asked for.
 */

#include <linux/interval_tree_generic.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>

/**
 * DOC: mapped pages
 *
 * page_ext is not to be had by modules (include/linux/page_ext.h: only built-in code can
 * be in page_ext_ops), so the check keeps a record of its own: one for each
 * call of the backend that maps, in a tree by physical address, which is that of all page
 * tables, and in one by iova of its page table.
 *
 * It follows what the backend did, not what a call returns: so undo, cut and a table that
 * breaks need no thought. What has been unmapped counts as mapped until it has
 * been invalidated.
 */

/**
 * struct mapping - Contiguous memory that is or was mapped.
 * @iova_rb: In a tree of the page table.
 * @iova_first: First byte.
 * @iova_last: Last byte.
 * @iova_sub: For the tree.
 * @paddr_rb: In the tree of all.
 * @paddr_first: Its first byte in memory.
 * @paddr_last: The last one.
 * @paddr_sub: For the tree.
 * @pages: The trees of the page table.
 * @id: Of the page table.
 * @gone: When it was unmapped, or 0.
 */
struct mapping {
	struct rb_node iova_rb;
	u64 iova_first;
	u64 iova_last;
	u64 iova_sub;
	struct rb_node paddr_rb;
	u64 paddr_first;
	u64 paddr_last;
	u64 paddr_sub;
	struct mapped_pages *pages;
	u64 id;
	u64 gone;
};

#define MAPPING_IOVA_FIRST(m)	((m)->iova_first)
#define MAPPING_IOVA_LAST(m)	((m)->iova_last)
INTERVAL_TREE_DEFINE(struct mapping, iova_rb, u64, iova_sub, MAPPING_IOVA_FIRST,
		     MAPPING_IOVA_LAST, static inline __maybe_unused, mapping_iova)

#define MAPPING_PADDR_FIRST(m)	((m)->paddr_first)
#define MAPPING_PADDR_LAST(m)	((m)->paddr_last)
INTERVAL_TREE_DEFINE(struct mapping, paddr_rb, u64, paddr_sub, MAPPING_PADDR_FIRST,
		     MAPPING_PADDR_LAST, static inline __maybe_unused, mapping_paddr)

/* Protects all records and their trees. Innermost */
static DEFINE_SPINLOCK(mappings_lock);
static struct rb_root_cached mappings = RB_ROOT_CACHED;
/* Goes on with each unmap */
static u64 mappings_now = 1;
/* There was no memory for some record */
static bool mappings_lost;
/* It is on: whoever maps and unmaps comes here. Changes under the lock */
static bool mappings_on;
/* How many want it on */
static unsigned int mappings_wanted;
/* Protects mappings_wanted */
static DEFINE_MUTEX(mappings_mutex);

/* --- records, with the lock held -------------------------------------------- */

static struct rb_root_cached *mapping_tree(struct mapping *m)
{
	return m->gone ? &m->pages->gone : &m->pages->mapped;
}

static void mapping_insert(struct mapping *m)
{
	mapping_iova_insert(m, mapping_tree(m));
	mapping_paddr_insert(m, &mappings);
}

static void mapping_remove(struct mapping *m)
{
	mapping_iova_remove(m, mapping_tree(m));
	mapping_paddr_remove(m, &mappings);
}

static void mappings_lose(void)
{
	if (!mappings_lost)
		pr_warn("io_pgtable_safe: no memory for the check of mapped pages: from here on it may miss some\n");
	mappings_lost = true;
}

/* A part of a record goes on as one of its own */
static void mapping_keep(const struct mapping *m, u64 first, u64 last)
{
	struct mapping *part = kmemdup(m, sizeof(*m), GFP_NOWAIT | __GFP_NOWARN);

	if (!part) {
		mappings_lose();
		return;
	}
	part->iova_first = first;
	part->iova_last = last;
	part->paddr_first += first - m->iova_first;
	part->paddr_last -= m->iova_last - last;
	mapping_insert(part);
}

/* Take a record out, and leave what of it is not in the range */
static void mapping_carve(struct mapping *m, u64 first, u64 last)
{
	u64 off = first - m->iova_first;

	mapping_remove(m);
	if (m->iova_last > last) {
		mapping_keep(m, last + 1, m->iova_last);
		m->paddr_last -= m->iova_last - last;
		m->iova_last = last;
	}
	if (m->iova_first < first) {
		mapping_keep(m, m->iova_first, first - 1);
		m->paddr_first += off;
		m->iova_first = first;
	}
}

/* --- what the backend did --------------------------------------------------- */

static void mapped_pages_add(struct io_pgtable_safe *pgt, u64 iova, u64 paddr, u64 size)
{
	struct mapping *m = kzalloc_obj(*m, GFP_NOWAIT | __GFP_NOWARN);

	spin_lock(&mappings_lock);
	/* It may have been turned off meanwhile, and nobody would see the unmap */
	if (m && mappings_on) {
		*m = (struct mapping){
			.iova_first = iova, .iova_last = iova + size - 1,
			.paddr_first = paddr, .paddr_last = paddr + size - 1,
			.pages = &pgt->mapped_pages, .id = pgt->id,
		};
		mapping_insert(m);
		m = NULL;
	} else if (mappings_on) {
		mappings_lose();
	}
	spin_unlock(&mappings_lock);
	kfree(m);
}

static void mapped_pages_gone(struct io_pgtable_safe *pgt, u64 iova, u64 size)
{
	u64 last = iova + size - 1;
	struct mapping *m;

	spin_lock(&mappings_lock);
	while ((m = mapping_iova_iter_first(&pgt->mapped_pages.mapped, iova, last))) {
		mapping_carve(m, iova, last);
		m->gone = mappings_now;
		mapping_insert(m);
	}
	mappings_now++;
	spin_unlock(&mappings_lock);
}

static u64 mapped_pages_now(void)
{
	u64 now;

	spin_lock(&mappings_lock);
	now = mappings_now;
	spin_unlock(&mappings_lock);
	return now;
}

/* An invalidation is over that began then */
static void mapped_pages_flushed(struct io_pgtable_safe *pgt, u64 iova, u64 size, u64 begin)
{
	struct mapping *m, *next;
	u64 last = iova + size - 1;

	if (!READ_ONCE(mappings_on))
		return;
	spin_lock(&mappings_lock);
	for (m = mapping_iova_iter_first(&pgt->mapped_pages.gone, iova, last); m; m = next) {
		next = mapping_iova_iter_next(m, iova, last);
		if (m->gone >= begin)
			continue;
		mapping_carve(m, iova, last);
		kfree(m);
	}
	spin_unlock(&mappings_lock);
}

static void mapped_pages_drop_tree(struct rb_root_cached *root)
{
	struct mapping *m;

	while ((m = mapping_iova_iter_first(root, 0, U64_MAX))) {
		mapping_remove(m);
		kfree(m);
	}
}

/* The page table is freed */
static void mapped_pages_drop(struct io_pgtable_safe *pgt)
{
	spin_lock(&mappings_lock);
	mapped_pages_drop_tree(&pgt->mapped_pages.mapped);
	mapped_pages_drop_tree(&pgt->mapped_pages.gone);
	spin_unlock(&mappings_lock);
}

static void mapped_pages_event(struct io_pgtable_safe *pgt, const struct watch_event *ev)
{
	if (!READ_ONCE(mappings_on))
		return;
	if (ev->op == WATCH_LEAVES)
		mapped_pages_add(pgt, ev->iova, ev->paddr, ev->done);
	else if (ev->op == WATCH_GONE)
		mapped_pages_gone(pgt, ev->iova, ev->done);
}

/* --- the driver ------------------------------------------------------------- */

static void mappings_turn(bool on)
{
	struct mapping *m;

	spin_lock(&mappings_lock);
	WRITE_ONCE(mappings_on, on);
	while ((m = mapping_paddr_iter_first(&mappings, 0, U64_MAX))) {
		mapping_remove(m);
		kfree(m);
	}
	mappings_lost = false;
	spin_unlock(&mappings_lock);
}

/**
 * io_pgtable_safe_check_pages() - Turn the check of mapped pages on or off.
 * @on: Whether io_pgtable_safe_assert_unmapped() is to know what is mapped.
 *
 * Counts: it is off when it has been turned off as often as on. The parameter check_pages
 * of the module is one more that may want it. Memory that is mapped already when it
 * is turned on is not known.
 *
 * Context: May sleep.
 */
void io_pgtable_safe_check_pages(bool on)
{
	mutex_lock(&mappings_mutex);
	if (on && !mappings_wanted++) {
		/* From here on all that is mapped is seen, and all that is unmapped */
		io_pgtable_safe_watch_get();
		mappings_turn(true);
	} else if (!on && !WARN_ON(!mappings_wanted) && !--mappings_wanted) {
		mappings_turn(false);
		io_pgtable_safe_watch_put();
	}
	mutex_unlock(&mappings_mutex);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_check_pages, IO_PGTABLE_SAFE_NS);

static bool check_pages;

static int set_check_pages(const char *val, const struct kernel_param *kp)
{
	bool was = check_pages;
	int err = param_set_bool(val, kp);

	if (!err && check_pages != was)
		io_pgtable_safe_check_pages(check_pages);
	return err;
}

static const struct kernel_param_ops check_pages_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = set_check_pages,
	.get = param_get_bool,
};
module_param_cb(check_pages, &check_pages_ops, &check_pages, 0644);
MODULE_PARM_DESC(check_pages, "Know which memory is mapped, for io_pgtable_safe_assert_unmapped()");

/**
 * io_pgtable_safe_assert_unmapped() - Memory is about to be freed: is it still mapped?
 * @page: The first page.
 * @n: Number of pages, physically contiguous.
 *
 * Looks at all page tables. Memory counts as mapped until it has been unmapped and
 * invalidated: with %IO_PGTABLE_SAFE_NO_FLUSH, until io_pgtable_safe_flush() of the range.
 * If it is mapped, a message says where, and who asked.
 *
 * Only while the check is on, by the module's parameter check_pages or
 * io_pgtable_safe_check_pages(), and of what was mapped since. It costs an allocation for
 * each call of the backend. If there is no memory for that, a message says once that
 * something may be missed. What is done through io_pgtable_safe_raw_ops() is not seen.
 *
 * Context: Process context, atomic sections included.
 * Return: False if part of it is known to be mapped. True if it is not, or if nobody
 * knows.
 */
bool io_pgtable_safe_assert_unmapped(struct page *page, unsigned long n)
{
	u64 paddr = page_to_phys(page), last = paddr + ((u64)n << PAGE_SHIFT) - 1;
	struct mapping found, *m;

	if (!watching() || !n)
		return true;
	spin_lock(&mappings_lock);
	m = mapping_paddr_iter_first(&mappings, paddr, last);
	if (m)
		found = *m;
	spin_unlock(&mappings_lock);
	if (!m)
		return true;
	paddr = max(paddr, found.paddr_first);
	pr_err_ratelimited("io_pgtable_safe: %ps: %#llx is mapped: page table %llu, iova %#llx%s\n",
			   __builtin_return_address(0), paddr, found.id,
			   found.iova_first + (paddr - found.paddr_first),
			   found.gone ? ", not flushed" : "");
	return false;
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_assert_unmapped, IO_PGTABLE_SAFE_NS);
