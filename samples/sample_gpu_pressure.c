// SPDX-License-Identifier: GPL-2.0
/*
 * The chapter in which memory runs out: by a limit that the driver sets, by
 * failing every single allocation of a bind in turn, and for real. A bind must
 * then end with {0, -ENOMEM}, whatever part of it was done already, and the
 * device must not see that part any more.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sizes.h>

#include "sample_gpu_story.h"

static bool exhaust;
module_param(exhaust, bool, 0444);
MODULE_PARM_DESC(exhaust, "Take all free memory for a moment (default: N). Others suffer.");

#define RW		(IOMMU_READ | IOMMU_WRITE)

/* No sleeping, no reclaim, no message. */
#define GFP_PRESSURE	(GFP_NOWAIT | __GFP_NOWARN)

#define AT_PRESSURE	0x80000000ULL
#define LONG_BIND	(SZ_4M - SZ_4K)
#define MAX_ATTEMPTS	64

/*
 * A bind that begins in tables that are there already, because the page in
 * front of it is bound, and needs more of them further on.
 */
static struct sample_vma front_page(struct story *s, u64 iova)
{
	return (struct sample_vma){
		.bo = s->small, .iova = iova, .size = SZ_4K, .prot = RW,
	};
}

static struct sample_vma long_bind(struct story *s, u64 iova)
{
	return (struct sample_vma){
		.bo = s->strewn, .iova = iova + SZ_4K, .size = LONG_BIND, .prot = RW,
	};
}

static void tell_raw_partial(struct story *s, struct raw *raw, const struct sample_vma *vma,
			     struct outcome got)
{
	struct sample_vma part = *vma;

	part.size = got.bytes;
	tell_raw("%s; left behind: %u pages that the GPU reads",
		 outcome_name(got), gpu_sees(&raw->as, &part));
	raw_unbind(raw, vma->iova, got.bytes);
}

/* A limit */

static void raw_limit(struct story *s)
{
	struct sample_vma front = front_page(s, AT_PRESSURE), vma = long_bind(s, AT_PRESSURE);
	unsigned int calls = 0;
	struct outcome got;

	got = raw_map(s->raw, front.iova, bo_phys(front.bo, 0), SZ_4K, 1, RW, GFP_KERNEL);
	if (got.err)
		return;
	s->raw->as.max_tables = atomic_read(&s->raw->as.tables);
	got = raw_bind(s->raw, &vma, GFP_KERNEL, &calls);
	s->raw->as.max_tables = INT_MAX;
	tell_raw_partial(s, s->raw, &vma, got);
	raw_unbind(s->raw, front.iova, front.size);
}

static void table_limit(struct story *s)
{
	struct sample_vma front = front_page(s, AT_PRESSURE), vma = long_bind(s, AT_PRESSURE);
	struct ranges before;
	struct outcome got;

	if (!atomic_read(&s->as->tables)) {
		pr_info("  --  this kernel has no custom page-table allocators, so no limit either\n");
		return;
	}
	got = map_outcome(sample_bind(s->as, &front, GFP_KERNEL));
	tell_call(s, got, SZ_4K, 0, "bind one page");

	before = ranges_of(s->as);
	s->as->max_tables = atomic_read(&s->as->tables);
	got = map_outcome(sample_bind(s->as, &vma, GFP_KERNEL));
	s->as->max_tables = INT_MAX;
	tell_refused(s, got, -ENOMEM, &before, "bind 1023 more, over the client's limit of tables");
	tell(s, gpu_faults(s->as, &vma) == vma.size / SZ_4K, "GPU: all of them fault");
	raw_limit(s);

	got = unmap_outcome(sample_unbind(s->as, &front));
	tell_call(s, got, SZ_4K, 0, "unbind the page");
}

/* Each allocation in turn */

#ifdef CONFIG_FAILSLAB
/* Fail the @nth allocation from here on. Those that may sleep do not count by default. */
static void fail_begin(unsigned int nth)
{
	current->fail_nth = nth;
}

/* Returns whether one was failed. */
static bool fail_end(void)
{
	bool failed = !current->fail_nth;

	current->fail_nth = 0;
	return failed;
}
#else
static void fail_begin(unsigned int nth)
{
}

static bool fail_end(void)
{
	return false;
}
#endif

/**
 * struct tally - What came of failing allocations.
 * @failed: Allocations that were failed.
 * @undone: Binds that then failed and left nothing behind.
 * @coped: Binds that succeeded without the allocation.
 */
struct tally {
	unsigned int failed;
	unsigned int undone;
	unsigned int coped;
};

/* Returns false when there was nothing left to fail. */
static bool fail_one(struct story *s, struct tally *tally)
{
	/* Tables stay when they have become empty, so go on to a fresh place. */
	u64 iova = AT_PRESSURE + tally->failed * SZ_8M;
	struct sample_vma front = front_page(s, iova), vma = long_bind(s, iova);
	struct ranges before, after;
	struct outcome got;
	bool failed;

	if (sample_bind(s->as, &front, GFP_KERNEL).err)
		return false;
	before = ranges_of(s->as);
	fail_begin(tally->failed + 1);
	got = map_outcome(sample_bind(s->as, &vma, GFP_PRESSURE));
	failed = fail_end();
	after = ranges_of(s->as);

	if (failed) {
		tally->failed++;
		if (got.err == -ENOMEM && !got.bytes && same_ranges(&before, &after) &&
		    gpu_faults(s->as, &vma) == vma.size / SZ_4K)
			tally->undone++;
		/* Slabs fall back to a smaller allocation, for instance. */
		if (!got.err && gpu_sees(s->as, &vma) == vma.size / SZ_4K)
			tally->coped++;
	}
	return !io_pgtable_safe_unmap_present(s->as->pgt, iova, SZ_8M, 0).err && failed;
}

/* Returns false when the nth allocation is not one that makes a bind stop half-way. */
static bool raw_fail_nth(struct story *s, struct raw *raw, unsigned int nth)
{
	u64 iova = AT_PRESSURE + nth * SZ_8M;
	struct sample_vma front = front_page(s, iova), vma = long_bind(s, iova);
	unsigned int calls = 0;
	struct outcome got;

	got = raw_map(raw, front.iova, bo_phys(front.bo, 0), SZ_4K, 1, RW, GFP_KERNEL);
	if (got.err)
		return false;
	fail_begin(nth);
	got = raw_bind(raw, &vma, GFP_PRESSURE, &calls);
	fail_end();
	if (got.err && got.bytes)
		tell_raw_partial(s, raw, &vma, got);
	else
		raw_unbind(raw, vma.iova, got.bytes);
	raw_unbind(raw, front.iova, front.size);
	return got.err && got.bytes;
}

static void raw_fail(struct story *s, struct raw *raw)
{
	for (unsigned int nth = 1; nth <= MAX_ATTEMPTS; nth++)
		if (raw_fail_nth(s, raw, nth))
			return;
	tell_raw("no allocation made a bind stop half-way");
}

static void each_allocation(struct story *s, struct raw *raw)
{
	struct tally tally = {};

	if (!IS_ENABLED(CONFIG_FAILSLAB)) {
		pr_info("  --  this kernel has no fault injection (CONFIG_FAILSLAB)\n");
		return;
	}
	while (tally.failed < MAX_ATTEMPTS && fail_one(s, &tally))
		;
	tell(s, tally.undone && tally.undone + tally.coped == tally.failed,
	     "fail each of %u allocations of a bind: %u x {0, -ENOMEM}, %u are not needed",
	     tally.failed, tally.undone, tally.coped);
	raw_fail(s, raw);
}

/* All memory */

/* Take all memory that can be had without waiting. */
static unsigned long hog_begin(struct list_head *hog)
{
	static const gfp_t zones[] = { GFP_PRESSURE, GFP_PRESSURE | GFP_DMA32 };
	unsigned long count = 0;
	struct page *page;

	for (unsigned int i = 0; i < ARRAY_SIZE(zones); i++) {
		while ((page = alloc_page(zones[i]))) {
			list_add(&page->lru, hog);
			count++;
		}
	}
	return count;
}

static void hog_end(struct list_head *hog)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, hog, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

/* One page all over 256M: that takes more tables than any slab has left. */
#define WIDE		SZ_256M

static struct outcome raw_repeat(struct raw *raw, u64 iova, phys_addr_t paddr, gfp_t gfp)
{
	struct outcome sum = {};

	while (sum.bytes < WIDE && !sum.err) {
		struct outcome one = raw_map(raw, iova + sum.bytes, paddr, SZ_4K, 1,
					     IOMMU_READ, gfp);

		sum.bytes += one.bytes;
		sum.err = one.err;
	}
	return sum;
}

static void exhaust_raw(struct story *s, struct raw *raw)
{
	struct sample_vma front = front_page(s, AT_PRESSURE);
	phys_addr_t paddr = bo_phys(front.bo, 0);
	struct outcome got;
	u64 value;
	LIST_HEAD(hog);

	got = raw_map(raw, front.iova, paddr, SZ_4K, 1, RW, GFP_KERNEL);
	if (got.err)
		return;
	hog_begin(&hog);
	got = raw_repeat(raw, front.iova + SZ_4K, paddr, GFP_PRESSURE);
	hog_end(&hog);
	tell_raw("%s; the last page of it %s", outcome_name(got),
		 sample_mmu_read(&raw->as.mmu, front.iova + got.bytes, &value) ?
		 "faults" : "can still be read");
	raw_unbind(raw, front.iova, SZ_4K + got.bytes);
}

static struct outcome bind_wide(struct story *s, u64 iova, gfp_t gfp)
{
	return map_outcome(io_pgtable_safe_map_repeat(s->as->pgt, iova, bo_phys(s->small, 0),
						      SZ_4K, 0, WIDE, IOMMU_READ, gfp));
}

static void exhaust_memory(struct story *s, struct raw *raw)
{
	struct sample_vma front = front_page(s, AT_PRESSURE);
	u64 iova = front.iova + SZ_4K, value;
	struct ranges before;
	unsigned int flushes;
	unsigned long hogged;
	struct outcome got;
	LIST_HEAD(hog);

	if (!exhaust) {
		pr_info("  --  with the module parameter exhaust=1, memory is used up for real\n");
		return;
	}
	got = map_outcome(sample_bind(s->as, &front, GFP_KERNEL));
	tell_call(s, got, SZ_4K, 0, "bind one page");
	before = ranges_of(s->as);
	flushes = s->as->mmu.flushes;
	hogged = hog_begin(&hog);
	got = bind_wide(s, iova, GFP_PRESSURE);
	hog_end(&hog);
	flushes = s->as->mmu.flushes - flushes;
	tell_refused(s, got, -ENOMEM, &before,
		     "all %luM of free memory taken, bind a page over 256M",
		     hogged >> (20 - PAGE_SHIFT));
	tell(s, sample_mmu_read(&s->as->mmu, iova, &value) == -EFAULT,
	     "GPU: faults on the first page of it%s",
	     flushes ? ", which had been mapped and was undone" : "");
	exhaust_raw(s, raw);

	got = bind_wide(s, iova, GFP_KERNEL);
	tell_call(s, got, WIDE, 0, "memory is back, bind it again");
	tell(s, !sample_mmu_read(&s->as->mmu, iova + WIDE - SZ_4K, &value),
	     "GPU: reads the last page of it");
	got = unmap_outcome(io_pgtable_safe_unmap(s->as->pgt, front.iova, SZ_4K + WIDE, 0));
	tell_call(s, got, SZ_4K + WIDE, 0, "unbind all of it");
}

/**
 * story_pressure() - Run out of memory.
 * @s: Story.
 *
 * In the second address space where there is one: a single map_pages() of
 * ARM_V7S may fail half-way.
 */
void story_pressure(struct story *s)
{
	bool v7s = !IS_ERR(s->gpu->as[1]);
	struct raw *raw = s->raw;

	tell_chapter("Memory runs out: all is bound or nothing, and nothing leaks");
	table_limit(s);
	if (v7s) {
		raw = raw_create(s->gpu->dev, ARM_V7S);
		if (!raw) {
			pr_info("  --  no memory for a second ARM_V7S table\n");
			return;
		}
		s->as = s->gpu->as[1];
		pr_info("      from here on in address space 1, ARM_V7S\n");
	}
	each_allocation(s, raw);
	exhaust_memory(s, raw);
	s->as = s->gpu->as[0];
	if (v7s)
		raw_destroy(raw);
}
