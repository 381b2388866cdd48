/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A test that runs inside a converted driver when 1 is written to the module's
 * parameter "test", and prints KTAP. Included once, by the driver's test.
 */
#ifndef _CONVERT_TEST_H
#define _CONVERT_TEST_H

#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "io_pgtable_safe_compat.h"

#define MAX_CHUNKS	64

struct fixture;

/**
 * struct test_case - One case.
 * @name: What it shows.
 * @run: Sets &test_failed by expect() if it does not.
 */
struct test_case {
	const char *name;
	void (*run)(struct fixture *f);
};

static bool test_failed;

#define expect(condition) ({						\
	bool _ok = !!(condition);					\
									\
	if (!_ok) {							\
		pr_info("        # %s:%d: not so: %s\n", __func__,	\
			__LINE__, #condition);				\
		test_failed = true;					\
	}								\
	_ok;								\
})

/* Physical memory of which a test makes scatter-gather tables */
struct memory {
	struct page *pages[MAX_CHUNKS];
	struct sg_table sgt;
	unsigned int count;
	unsigned int order;
};

/*
 * @count entries of 4K << @order each, no two of them contiguous: every other
 * chunk that is allocated is given back. With addresses as after
 * dma_map_sgtable().
 */
static bool memory_get(struct memory *m, unsigned int count, unsigned int order)
{
	struct page *gap[MAX_CHUNKS] = {};
	struct scatterlist *sg;
	unsigned int n;

	*m = (struct memory){ .count = count, .order = order };
	if (sg_alloc_table(&m->sgt, count, GFP_KERNEL))
		return false;
	for_each_sg(m->sgt.sgl, sg, count, n) {
		m->pages[n] = alloc_pages(GFP_KERNEL | __GFP_ZERO, order);
		gap[n] = order ? NULL : alloc_page(GFP_KERNEL);
		if (!m->pages[n])
			continue;
		sg_set_page(sg, m->pages[n], PAGE_SIZE << order, 0);
		sg_dma_address(sg) = page_to_phys(m->pages[n]);
		sg_dma_len(sg) = PAGE_SIZE << order;
	}
	for (n = 0; n < count; n++)
		if (gap[n])
			__free_page(gap[n]);
	for (n = 0; n < count; n++)
		if (!m->pages[n])
			return false;
	return true;
}

static void memory_put(struct memory *m)
{
	unsigned int n;

	for (n = 0; n < m->count; n++)
		if (m->pages[n])
			__free_pages(m->pages[n], m->order);
	sg_free_table(&m->sgt);
}

static phys_addr_t memory_at(const struct memory *m, u64 offset)
{
	unsigned int shift = PAGE_SHIFT + m->order;

	return page_to_phys(m->pages[offset >> shift]) + (offset & ((1ULL << shift) - 1));
}

/* Is it that memory, page for page, which the page table has from @iova on? */
static bool shows(struct io_pgtable_safe *pgt, u64 iova, const struct memory *m,
		  u64 offset, u64 size)
{
	struct io_pgtable_ops *ops = io_pgtable_safe_raw_ops(pgt);
	u64 pos;

	for (pos = 0; pos < size; pos += SZ_4K)
		if (ops->iova_to_phys(ops, iova + pos) != memory_at(m, offset + pos))
			return false;
	return true;
}

/* Neither the page table nor the ledger has anything there */
static bool empty(struct io_pgtable_safe *pgt, u64 iova, u64 size)
{
	struct io_pgtable_ops *ops = io_pgtable_safe_raw_ops(pgt);
	struct io_pgtable_safe_span span;
	u64 pos;

	for (pos = 0; pos < size; pos += SZ_4K)
		if (ops->iova_to_phys(ops, iova + pos) ||
		    io_pgtable_safe_lookup(pgt, iova + pos, &span) != -ENOENT)
			return false;
	return true;
}

static u64 leaf_at(struct io_pgtable_safe *pgt, u64 iova)
{
	struct io_pgtable_safe_span span;

	return io_pgtable_safe_lookup(pgt, iova, &span) ? 0 : span.leaf;
}

/* Those of a GPU that is not there, and of which nobody asks much */
static void __iomem *registers_get(void)
{
	void *memory = kzalloc(SZ_64K, GFP_KERNEL);

	return (void __iomem __force *)memory;
}

static void run_cases(const char *suite, const struct test_case *cases,
		      unsigned int count, struct fixture *f)
{
	bool failed = false;
	unsigned int n;

	pr_info("KTAP version 1\n");
	pr_info("1..1\n");
	pr_info("    KTAP version 1\n");
	pr_info("    # Subtest: %s\n", suite);
	pr_info("    1..%u\n", count);
	for (n = 0; n < count; n++) {
		test_failed = false;
		if (f)
			cases[n].run(f);
		else
			expect(!"there is something to test");
		failed |= test_failed;
		pr_info("    %s %u %s\n", test_failed ? "not ok" : "ok", n + 1,
			cases[n].name);
	}
	pr_info("%s 1 %s\n", failed ? "not ok" : "ok", suite);
}

static void run_test(void);

static int set_test(const char *value, const struct kernel_param *param)
{
	run_test();
	return 0;
}

static const struct kernel_param_ops test_param_ops = { .set = set_test };
module_param_cb(test, &test_param_ops, NULL, 0200);
MODULE_PARM_DESC(test, "write anything to run the test");

#endif /* _CONVERT_TEST_H */
