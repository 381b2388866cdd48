// SPDX-License-Identifier: GPL-2.0
/*
 * The model of the device: see device.h.
 *
 * How a callback is taken. tlb_flush_walk(iova, size, granule) stands for a loop that
 * issues one invalidation by address for each granule, without the last-level hint,
 * as arm_smmu_tlb_inv_range_s1() does (drivers/iommu/arm/arm-smmu/arm-smmu.c). An
 * invalidation by address drops the entries that would translate that address, of
 * whatever size, and without the hint the copies of table descriptors that a walk for
 * that address would use, of all levels (Arm ARM, DDI 0487, "TLB maintenance
 * instructions"; SMMUv3, IHI 0070, CMD_TLBI_NH_VA and its Leaf parameter; for short
 * descriptors DDI 0406, TLBIMVA). So a leaf larger than the granule is gone if any
 * issued address is inside it; one that is smaller only if an address hits it.
 * tlb_add_page(iova) is one address, for the last level only: tables stay known.
 */
#include <kunit/test.h>
#include <linux/gfp.h>
#include <linux/interval_tree_generic.h>
#include <linux/io.h>
#include <linux/log2.h>
#include <linux/prandom.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>

#include "device.h"
#include "walk.h"

#define DEVICE_KNOWN 2048
#define DEVICE_SEED 0x5eedULL

/**
 * struct known - Something that the device knows.
 * @rb: In device_model.tree.
 * @first: First byte that it describes.
 * @last: Last byte.
 * @subtree_last: For the interval tree.
 * @addr: Where a leaf leads to, or where a table is.
 * @prot: Of a leaf.
 * @level: Of a table.
 * @table: It is a table.
 * @may_be_stale: See device_allow_stale().
 */
struct known {
	struct rb_node rb;
	u64 first;
	u64 last;
	u64 subtree_last;
	u64 addr;
	int prot;
	unsigned int level;
	bool table;
	bool may_be_stale;
};

#define KNOWN_FIRST(k) ((k)->first)
#define KNOWN_LAST(k) ((k)->last)
INTERVAL_TREE_DEFINE(struct known, rb, u64, subtree_last, KNOWN_FIRST, KNOWN_LAST, static, known)

/**
 * struct device_model - A device.
 * @test: The case that it belongs to.
 * @fmt: The format of its table.
 * @granted: Its configuration, or NULL.
 * @lock: Protects what is below. Held during walks, so that no table that comes from
 *	device_alloc_pages() goes away meanwhile.
 * @tree: What is known.
 * @free: Entries of @known that are free.
 * @n_free: How many.
 * @rnd: For what is forgotten.
 * @fault: The first fault that is not yet reported.
 * @where: Its iova.
 * @why: More about it.
 * @expecting: Faults are not to fail the case.
 * @prefetching: See device_prefetches().
 * @locked: See device_lock_region().
 * @locked_first: First byte of that region.
 * @locked_last: Last byte.
 * @pages: Bytes of tables given out.
 * @known: The pool.
 */
struct device_model {
	struct kunit *test;
	enum io_pgtable_fmt fmt;
	const struct io_pgtable_cfg *granted;
	spinlock_t lock;	/* What is below */
	struct rb_root_cached tree;
	struct known *free[DEVICE_KNOWN];
	unsigned int n_free;
	struct rnd_state rnd;
	enum device_fault fault;
	u64 where;
	const char *why;
	bool expecting;
	bool prefetching;
	bool locked;
	u64 locked_first;
	u64 locked_last;
	size_t pages;
	struct known known[DEVICE_KNOWN];
};

/* --- faults --------------------------------------------------------------- */

/* Callbacks may come in atomic context, where KUnit must not be told. */
static void find_fault(struct device_model *dev, enum device_fault fault, u64 where,
		       const char *why)
{
	if (dev->fault)
		return;
	dev->fault = fault;
	dev->where = where;
	dev->why = why;
}

static void report_fault(struct device_model *dev)
{
	static const char * const names[] = {
		[DEVICE_BAD_ENTRY] = "an entry that no hardware accepts",
		[DEVICE_BAD_FLUSH] = "a callback that no driver can serve",
		[DEVICE_TWO_TRANSLATIONS] = "two translations",
		[DEVICE_BLOCK_AND_TABLE] = "a block and a table",
		[DEVICE_TABLE_GIVEN_BACK] = "a known table that is given back",
		[DEVICE_STALE] = "something that is no longer there",
	};
	enum device_fault fault;

	if (dev->expecting)
		return;
	fault = device_take_fault(dev);
	if (fault)
		KUNIT_FAIL(dev->test, "the device has %s at %#llx (%s)", names[fault], dev->where,
			   dev->why);
}

void device_expect_fault(struct device_model *dev)
{
	dev->expecting = true;
}

enum device_fault device_take_fault(struct device_model *dev)
{
	enum device_fault fault;
	unsigned long flags;

	spin_lock_irqsave(&dev->lock, flags);
	fault = dev->fault;
	dev->fault = DEVICE_NO_FAULT;
	dev->expecting = false;
	spin_unlock_irqrestore(&dev->lock, flags);
	return fault;
}

/* --- what is known -------------------------------------------------------- */

static void forget(struct device_model *dev, struct known *k)
{
	known_remove(k, &dev->tree);
	RB_CLEAR_NODE(&k->rb);
	dev->free[dev->n_free++] = k;
}

static void forget_all(struct device_model *dev)
{
	unsigned int i;

	dev->tree = RB_ROOT_CACHED;
	dev->n_free = 0;
	for (i = 0; i < DEVICE_KNOWN; i++) {
		RB_CLEAR_NODE(&dev->known[i].rb);
		dev->free[dev->n_free++] = &dev->known[i];
	}
}

static bool is_same(const struct known *a, const struct known *b)
{
	return a->first == b->first && a->last == b->last && a->addr == b->addr &&
	       a->prot == b->prot && a->level == b->level && a->table == b->table;
}

/* What is wrong with both being known at a time, which overlap and are not the same. */
static enum device_fault conflict(const struct known *a, const struct known *b)
{
	if (a->table == b->table)
		return a->level == b->level ? DEVICE_TWO_TRANSLATIONS : DEVICE_NO_FAULT;
	if (b->table)
		swap(a, b);
	/* A leaf is below a table, or else in its place */
	return a->last - a->first <= b->last - b->first ? DEVICE_BLOCK_AND_TABLE :
							  DEVICE_NO_FAULT;
}

static void learn(struct device_model *dev, const struct known *found)
{
	struct known *k, *next;
	enum device_fault fault;

	for (k = known_iter_first(&dev->tree, found->first, found->last); k; k = next) {
		next = known_iter_next(k, found->first, found->last);
		if (is_same(k, found)) {
			k->may_be_stale = false;
			return;
		}
		fault = conflict(k, found);
		if (fault) {
			find_fault(dev, fault, found->first,
				   found->table ? "the table is new" : "the leaf is new");
			forget(dev, k);
		}
	}
	if (!dev->n_free)
		forget(dev, &dev->known[prandom_u32_state(&dev->rnd) % DEVICE_KNOWN]);
	k = dev->free[--dev->n_free];
	*k = *found;
	known_insert(k, &dev->tree);
}

static bool learn_leaf(void *ctx, const struct walk_leaf *leaf)
{
	learn(ctx, &(struct known){
		.first = leaf->iova, .last = leaf->iova + leaf->size - 1,
		.addr = leaf->paddr, .prot = leaf->prot,
	});
	return true;
}

static bool learn_table(void *ctx, const struct walk_table *table)
{
	learn(ctx, &(struct known){
		.first = table->iova, .last = table->iova + table->size - 1,
		.addr = table->table, .level = table->level, .table = true,
	});
	return true;
}

static void meet_bad_entry(void *ctx, u64 iova, u64 entry, const char *why)
{
	find_fault(ctx, DEVICE_BAD_ENTRY, iova, why);
}

static void walk(struct device_model *dev, u64 first, u64 last)
{
	static const struct walk_visitor visitor = {
		.leaf = learn_leaf, .table = learn_table, .bad = meet_bad_entry,
	};

	if (!dev->granted)
		return;
	if (dev->locked && first <= dev->locked_last && last >= dev->locked_first)
		return;
	walk_range(dev->fmt, dev->granted, first, last, &visitor, dev);
}

/**
 * device_touch() - Let the device access a range.
 * @dev: The device.
 * @first: First byte.
 * @last: Last byte.
 *
 * It walks the table, whether or not it knows something already, and knows then what
 * it has found. Where there is nothing it learns nothing, as no architecture caches
 * what is invalid; nor in a locked region.
 *
 * Context: May sleep. Only tables from device_alloc_pages() may be given back by
 * others meanwhile.
 */
void device_touch(struct device_model *dev, u64 first, u64 last)
{
	unsigned long flags;

	spin_lock_irqsave(&dev->lock, flags);
	walk(dev, first, last);
	spin_unlock_irqrestore(&dev->lock, flags);
	report_fault(dev);
}

/**
 * device_knows() - Say whether a leaf is known.
 * @dev: The device.
 * @first: First byte of the range.
 * @last: Last byte.
 *
 * Context: Any.
 * Return: Whether the device could access a byte of the range without a walk.
 */
bool device_knows(struct device_model *dev, u64 first, u64 last)
{
	unsigned long flags;
	struct known *k;
	bool knows;

	spin_lock_irqsave(&dev->lock, flags);
	k = known_iter_first(&dev->tree, first, last);
	while (k && k->table)
		k = known_iter_next(k, first, last);
	knows = k;
	spin_unlock_irqrestore(&dev->lock, flags);
	return knows;
}

/* --- what is still true --------------------------------------------------- */

struct search {
	const struct known *k;
	bool found;
};

static bool find_leaf(void *ctx, const struct walk_leaf *leaf)
{
	struct search *s = ctx;

	s->found |= !s->k->table && leaf->iova == s->k->first &&
		    leaf->size - 1 == s->k->last - s->k->first &&
		    leaf->paddr == s->k->addr && leaf->prot == s->k->prot;
	return true;
}

static bool find_table(void *ctx, const struct walk_table *table)
{
	struct search *s = ctx;

	s->found |= s->k->table && table->iova == s->k->first && table->level == s->k->level &&
		    table->table == s->k->addr;
	return true;
}

static bool is_there(struct device_model *dev, const struct known *k)
{
	static const struct walk_visitor visitor = { .leaf = find_leaf, .table = find_table };
	struct search s = { .k = k };

	walk_range(dev->fmt, dev->granted, k->first, k->first, &visitor, &s);
	return s.found;
}

/**
 * device_check() - Expect that all the device knows is true, and that it met no fault.
 * @dev: The device.
 *
 * What device_allow_stale() was called for need not be.
 *
 * Context: May sleep. Like device_touch().
 */
void device_check(struct device_model *dev)
{
	unsigned long flags;
	struct known *k;

	spin_lock_irqsave(&dev->lock, flags);
	for (k = known_iter_first(&dev->tree, 0, U64_MAX); k; k = known_iter_next(k, 0, U64_MAX))
		if (!k->may_be_stale && !is_there(dev, k))
			find_fault(dev, DEVICE_STALE, k->first, k->table ? "a table" : "a leaf");
	spin_unlock_irqrestore(&dev->lock, flags);
	report_fault(dev);
}

void device_allow_stale(struct device_model *dev, u64 first, u64 last)
{
	unsigned long flags;
	struct known *k;

	spin_lock_irqsave(&dev->lock, flags);
	for (k = known_iter_first(&dev->tree, first, last); k;
	     k = known_iter_next(k, first, last))
		if (!is_there(dev, k))
			k->may_be_stale = true;
	spin_unlock_irqrestore(&dev->lock, flags);
}

/* --- invalidation --------------------------------------------------------- */

/* Is any of the addresses first, first + step, ... up to last inside @k? */
static bool is_hit(const struct known *k, u64 first, u64 last, u64 step)
{
	u64 skip = k->first > first ? round_up(k->first - first, step) : 0;

	return skip <= last - first && first + skip <= k->last;
}

static void invalidate(struct device_model *dev, u64 first, u64 last, u64 step, bool tables)
{
	struct known *k, *next;

	for (k = known_iter_first(&dev->tree, first, last); k; k = next) {
		next = known_iter_next(k, first, last);
		if ((tables || !k->table) && is_hit(k, first, last, step))
			forget(dev, k);
	}
	if (dev->prefetching)
		walk(dev, first, last);
}

static void flush_all(void *cookie)
{
	struct device_model *dev = cookie;
	unsigned long flags;

	spin_lock_irqsave(&dev->lock, flags);
	forget_all(dev);
	if (dev->prefetching)
		walk(dev, 0, U64_MAX);
	spin_unlock_irqrestore(&dev->lock, flags);
}

static void flush_walk(unsigned long iova, size_t size, size_t granule, void *cookie)
{
	struct device_model *dev = cookie;
	unsigned long flags;
	bool bad = !size || !is_power_of_2(granule) || size & (granule - 1);

	spin_lock_irqsave(&dev->lock, flags);
	if (bad)
		find_fault(dev, DEVICE_BAD_FLUSH, iova, "tlb_flush_walk");
	else
		invalidate(dev, iova, iova + size - 1, granule, true);
	spin_unlock_irqrestore(&dev->lock, flags);
}

static void flush_add_page(struct iommu_iotlb_gather *gather, unsigned long iova,
			   size_t granule, void *cookie)
{
	struct device_model *dev = cookie;
	unsigned long flags;

	spin_lock_irqsave(&dev->lock, flags);
	invalidate(dev, iova, iova, 1, false);
	spin_unlock_irqrestore(&dev->lock, flags);
}

const struct iommu_flush_ops device_flush_ops = {
	.tlb_flush_all = flush_all,
	.tlb_flush_walk = flush_walk,
	.tlb_add_page = flush_add_page,
};

/**
 * device_invalidate() - Invalidate leaves and tables, as a driver without callbacks does.
 * @dev: The device.
 * @first: First byte.
 * @last: Last byte.
 *
 * Context: Any.
 */
void device_invalidate(struct device_model *dev, u64 first, u64 last)
{
	unsigned long flags;

	spin_lock_irqsave(&dev->lock, flags);
	invalidate(dev, first, last, 1, true);
	spin_unlock_irqrestore(&dev->lock, flags);
}

/**
 * device_lock_region() - Keep the device from walking a range.
 * @dev: The device.
 * @first: First byte.
 * @last: Last byte.
 *
 * As Mali GPUs have it: see panthor_vm_lock_region(). Until device_unlock_region(),
 * which invalidates the range, its tables may be given back.
 *
 * Context: Any.
 */
void device_lock_region(struct device_model *dev, u64 first, u64 last)
{
	unsigned long flags;

	spin_lock_irqsave(&dev->lock, flags);
	dev->locked = true;
	dev->locked_first = first;
	dev->locked_last = last;
	spin_unlock_irqrestore(&dev->lock, flags);
}

void device_unlock_region(struct device_model *dev)
{
	unsigned long flags;

	spin_lock_irqsave(&dev->lock, flags);
	invalidate(dev, dev->locked_first, dev->locked_last, 1, true);
	dev->locked = false;
	spin_unlock_irqrestore(&dev->lock, flags);
}

/**
 * device_prefetches() - Have the device walk whenever it may.
 * @dev: The device.
 * @prefetches: Whether it does.
 *
 * That is: at once what it was told to forget, so that an invalidation is of no use
 * before the entries are gone; and all there is, when a table is asked for in the
 * middle of a map.
 *
 * Context: Any. Until it is told otherwise, only one thread may use the table.
 */
void device_prefetches(struct device_model *dev, bool prefetches)
{
	dev->prefetching = prefetches;
}

/* --- pages of tables ------------------------------------------------------ */

void *device_alloc_pages(void *cookie, size_t size, gfp_t gfp)
{
	void *pages = alloc_pages_exact(size, gfp | __GFP_ZERO);
	struct device_model *dev = cookie;
	unsigned long flags;

	spin_lock_irqsave(&dev->lock, flags);
	if (dev->prefetching)
		walk(dev, 0, U64_MAX);
	if (pages)
		dev->pages += size;
	spin_unlock_irqrestore(&dev->lock, flags);
	return pages;
}

void device_free_pages(void *cookie, void *pages, size_t size)
{
	struct device_model *dev = cookie;
	u64 addr = virt_to_phys(pages);
	unsigned long flags;
	struct known *k;

	spin_lock_irqsave(&dev->lock, flags);
	dev->pages -= size;
	for (k = known_iter_first(&dev->tree, 0, U64_MAX); k; k = known_iter_next(k, 0, U64_MAX)) {
		if (!k->table || k->addr < addr || k->addr >= addr + size)
			continue;
		if (!dev->locked || k->first < dev->locked_first || k->last > dev->locked_last)
			find_fault(dev, DEVICE_TABLE_GIVEN_BACK, k->first, "walk cache");
	}
	/* Whoever walks has the lock, and from now on does not find the table */
	spin_unlock_irqrestore(&dev->lock, flags);
	free_pages_exact(pages, size);
}

size_t device_pages(struct device_model *dev)
{
	return READ_ONCE(dev->pages);
}

#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
static void set_allocator(struct io_pgtable_cfg *cfg)
{
	/* That of the fixture, for the formats that take one */
	if (cfg->alloc) {
		cfg->alloc = device_alloc_pages;
		cfg->free = device_free_pages;
	}
}
#else
static void set_allocator(struct io_pgtable_cfg *cfg)
{
}
#endif

void device_set_callbacks(struct io_pgtable_cfg *cfg)
{
	cfg->tlb = &device_flush_ops;
	set_allocator(cfg);
}

/* --- the device ----------------------------------------------------------- */

/**
 * device_open() - Make a device.
 * @test: The case that it belongs to; it goes with the case.
 *
 * Context: May sleep.
 * Return: The device, without a table to walk.
 */
struct device_model *device_open(struct kunit *test)
{
	struct device_model *dev = kunit_kzalloc(test, sizeof(*dev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, dev);
	dev->test = test;
	spin_lock_init(&dev->lock);
	prandom_seed_state(&dev->rnd, DEVICE_SEED);
	forget_all(dev);
	return dev;
}

void device_set_table(struct device_model *dev, enum io_pgtable_fmt fmt,
		      const struct io_pgtable_cfg *granted)
{
	dev->fmt = fmt;
	dev->granted = granted;
}

void device_clear_table(struct device_model *dev)
{
	unsigned long flags;

	spin_lock_irqsave(&dev->lock, flags);
	dev->granted = NULL;
	forget_all(dev);
	spin_unlock_irqrestore(&dev->lock, flags);
	report_fault(dev);
}
