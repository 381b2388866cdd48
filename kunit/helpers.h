/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The vocabulary of the suites: a fixture that holds one page table, and verbs
 * that use it and check it against the raw format underneath.
 *
 * A suite sets .init to pgt_test_init() (or pgt_test_init_format() if all its
 * cases take a format as their parameter) and .exit to pgt_test_exit(), which
 * frees the table and looks for leaks even if an assertion ended the case.
 */
#ifndef _IO_PGTABLE_SAFE_KUNIT_HELPERS_H
#define _IO_PGTABLE_SAFE_KUNIT_HELPERS_H

#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/io-pgtable.h>
#include <linux/iommu.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>

#include "io_pgtable_safe.h"

/* What a GPU driver maps most: read, write, not execute, cached. */
#define PGT_PROT (IOMMU_READ | IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_CACHE)

/**
 * struct pgt_format - A configuration to test, and the name of the test case.
 * @name: For the log.
 * @fmt: The format.
 * @quirks: Quirks asked for.
 * @pgsizes: Page sizes asked for.
 * @ias: Bits of an iova.
 * @oas: Bits of a physical address.
 * @noncoherent: The walker does not snoop the CPU's caches.
 * @kernel_pages: Take page-table pages from the kernel even if the format can
 *	take them from the fixture, which counts them.
 */
struct pgt_format {
	const char *name;
	enum io_pgtable_fmt fmt;
	unsigned long quirks;
	unsigned long pgsizes;
	unsigned int ias;
	unsigned int oas;
	bool noncoherent;
	bool kernel_pages;
};

enum pgt_format_id {
	PGT_LPAE_4K,
	PGT_LPAE_4K_NONCOHERENT,
	PGT_LPAE_4K_IAS32,
	PGT_LPAE_4K_IAS39,
	PGT_LPAE_4K_IAS40,
	PGT_LPAE_4K_TTBR1,
	PGT_LPAE_16K,
	PGT_LPAE_16K_IAS40,
	PGT_LPAE_64K,
	PGT_LPAE_64K_IAS52,
	PGT_V7S,
	PGT_V7S_NO_SUPERSECTIONS,
	PGT_V7S_NONCOHERENT,
	PGT_V7S_MTK,
	PGT_LPAE32_S1,
	PGT_LPAE32_S2,
	PGT_LPAE64_S2,
	PGT_MALI,
	/* From here on one page size only */
	PGT_NUM_BLOCK_FORMATS,
	PGT_LPAE_4K_ONLY = PGT_NUM_BLOCK_FORMATS,
	PGT_DART,
	PGT_DART2,
	PGT_NUM_FORMATS,
};

extern const struct pgt_format pgt_formats[PGT_NUM_FORMATS];
void pgt_format_desc(const struct pgt_format *format, char *desc);

/* For KUNIT_CASE_PARAM(case, pgt_formats_gen_params). */
#define PGT_FORMATS_PARAM() \
	KUNIT_ARRAY_PARAM(pgt_formats, pgt_formats, pgt_format_desc)
/* The same, of those that have blocks: pgt_block_formats_gen_params. */
#define PGT_BLOCK_FORMATS_PARAM() \
	KUNIT_ARRAY_PARAM(pgt_block_formats, \
			  *(const struct pgt_format (*)[PGT_NUM_BLOCK_FORMATS])pgt_formats, \
			  pgt_format_desc)

enum pgt_flush_kind {
	PGT_FLUSH_ALL,
	PGT_FLUSH_WALK,
	PGT_FLUSH_ADD_PAGE,
};

/* One call of a flush callback. PGT_FLUSH_ALL has neither range nor granule. */
struct pgt_flush {
	enum pgt_flush_kind kind;
	u64 iova;
	u64 size;
	u64 granule;
};

#define PGT_FLUSH_LOG 64

/**
 * struct pgt_test - The fixture, in test->priv.
 * @test: The case it belongs to.
 * @pdev: The device that walks the table.
 * @format: What the table was opened from, or NULL.
 * @pgt: The table under test, or NULL.
 * @raw: Its backend.
 * @mock: Its backend if that is a mock.
 * @cfg: Its granted configuration.
 * @base: The lowest iova.
 * @last: The highest iova (inclusive: it may be the last of 64 bits).
 * @paddr_last: The highest physical address.
 * @granule: The smallest page size.
 * @flushes: Calls of flush callbacks since pgt_forget_flushes().
 * @flush_log: The first of them.
 * @null_gathers: How many tlb_add_page() calls came without a gather.
 * @on_flush: Called from the flush callbacks if set.
 * @page_allocs: Page-table allocations asked of the fixture so far.
 * @pages: Page-table bytes given out and not returned.
 * @fail_page: Fail the nth page-table allocation from now; 0 for none.
 * @live: The table was set live.
 */
struct pgt_test {
	struct kunit *test;
	struct platform_device *pdev;
	const struct pgt_format *format;
	struct io_pgtable_safe *pgt;
	struct io_pgtable_ops *raw;
	struct mock_format *mock;
	const struct io_pgtable_cfg *cfg;
	u64 base;
	u64 last;
	phys_addr_t paddr_last;
	u64 granule;
	atomic_t flushes;
	struct pgt_flush flush_log[PGT_FLUSH_LOG];
	atomic_t null_gathers;
	void (*on_flush)(struct pgt_test *fix, const struct pgt_flush *flush);
	atomic_t page_allocs;
	atomic_long_t pages;
	atomic_t fail_page;
	bool live;
};

static inline struct pgt_test *pgt_fixture(struct kunit *test)
{
	return test->priv;
}

/* Records every callback; the cookie is the fixture. */
extern const struct iommu_flush_ops pgt_flush_ops;
/* The same without tlb_flush_walk() and tlb_add_page(). */
extern const struct iommu_flush_ops pgt_flush_all_ops;

int pgt_test_init(struct kunit *test);
int pgt_test_init_format(struct kunit *test);
void pgt_test_exit(struct kunit *test);

/*
 * Open a table, skipping the case if this kernel lacks the format. open_cfg()
 * takes a configuration that was changed after pgt_make_cfg() made it.
 */
void open_format(struct kunit *test, enum pgt_format_id id);
void open_cfg(struct kunit *test, enum io_pgtable_fmt fmt,
	      const struct io_pgtable_cfg *cfg);
void close_table(struct kunit *test);
bool pgt_format_built(enum io_pgtable_fmt fmt);
bool pgt_counts_pages(struct kunit *test);
void pgt_make_cfg(struct kunit *test, const struct pgt_format *format,
		  struct io_pgtable_cfg *cfg);
void pgt_adopt(struct kunit *test, struct io_pgtable_safe *pgt);
void set_live(struct kunit *test);
void clear_live(struct kunit *test);

/*
 * The seed of a case's random numbers, which is printed: that of the module parameter
 * random_seed, to replay what has failed, or one that is new each time.
 */
unsigned int pgt_random_seed(struct kunit *test);

/* The iova @offset bytes into the address space. */
u64 at(struct kunit *test, u64 offset);
/* The nth smallest granted page size, or 0. */
u64 nth_pgsize(struct kunit *test, unsigned int n);
/* The smallest block: the page size after the granule. */
u64 block_size(struct kunit *test);
/* Some physical address that is aligned to @align and within oas. */
phys_addr_t some_paddr(struct kunit *test, u64 align);

void pgt_forget_flushes(struct kunit *test);

/* Longer than anything here takes, so that a deadlock fails the case */
#define PATIENCE	(60 * HZ)

/**
 * struct pgt_thread - A thread of a case.
 * @fn: What it does. Expectations are for the case itself to check.
 * @start: What it waits for, or NULL.
 * @task: The thread.
 * @done: It has done it.
 */
struct pgt_thread {
	void (*fn)(struct pgt_thread *t);
	struct completion *start;
	struct task_struct *task;
	struct completion done;
};

void start_pgt_thread(struct kunit *test, struct pgt_thread *t,
		      void (*fn)(struct pgt_thread *t), struct completion *start);
void join_pgt_thread(struct kunit *test, struct pgt_thread *t);

/*
 * Each verb expects its outcome exactly. Those that end in _fails also expect
 * {0, @err} and that the call changed nothing.
 */
void do_map(struct kunit *test, u64 iova, phys_addr_t paddr, u64 size);
void do_map_fails(struct kunit *test, u64 iova, phys_addr_t paddr, u64 size,
		  int err);
void do_map_pages(struct kunit *test, u64 iova, phys_addr_t paddr,
		  size_t pgsize, size_t pgcount);
void do_map_pages_fails(struct kunit *test, u64 iova, phys_addr_t paddr,
			size_t pgsize, size_t pgcount, int err);
void do_unmap(struct kunit *test, u64 iova, u64 size);
void do_unmap_fails(struct kunit *test, u64 iova, u64 size, int err);
void do_unmap_pages(struct kunit *test, u64 iova, size_t pgsize,
		    size_t pgcount);
void do_unmap_pages_fails(struct kunit *test, u64 iova, size_t pgsize,
			  size_t pgcount, int err);
void do_unmap_later(struct kunit *test, u64 iova, u64 size);
void do_unmap_present(struct kunit *test, u64 iova, u64 size, u64 unmapped);
void do_cut(struct kunit *test, u64 iova, u64 size);
void do_cut_fails(struct kunit *test, u64 iova, u64 size, int err);

/*
 * Granules of the range are looked up through the API and through the raw
 * format: all of a small range, some of a large one.
 */
void check_range(struct kunit *test, u64 iova, phys_addr_t paddr, u64 size);
void check_hole(struct kunit *test, u64 iova, u64 size);
void check_leaf(struct kunit *test, u64 iova, u64 leaf);
void check_mapped(struct kunit *test, u64 bytes);

void check_map_result(struct kunit *test,
		      struct io_pgtable_safe_map_result res, u64 mapped,
		      int err);
void check_unmap_result(struct kunit *test,
			struct io_pgtable_safe_unmap_result res, u64 unmapped,
			int err);

/* Expects that every call but free says -EIO and that none reaches the backend. */
void check_broken(struct kunit *test);

struct sg_piece {
	u64 paddr;
	u64 size;
};

/* A table as dma_map_sgtable() leaves it; what the CPU sees is elsewhere. */
struct sg_table *make_dma_table(struct kunit *test,
				const struct sg_piece *pieces, unsigned int n);
struct io_pgtable_safe_map_result
map_dma_table(struct kunit *test, u64 iova, struct sg_table *sgt, u64 offset,
	      u64 size, gfp_t gfp);

/*
 * Failing allocations. Only those that may not sleep fail, as the kernel's fault
 * injection is set by default, so pass PGT_GFP_FAULTY.
 */
#define PGT_GFP_FAULTY (GFP_NOWAIT | __GFP_NOWARN)

void skip_without_fault_injection(struct kunit *test);
/* Fail the nth allocation of this task from now. */
void fail_nth_allocation(unsigned int n);
/* Stop that. Returns whether there were enough allocations for one to fail. */
bool an_allocation_failed(void);

/*
 * The first line of a case that shows a fault: skips it as long as the fault is known
 * and not mended. Which those are is in helpers.c, what they mean for a driver in
 * Documentation/faults.rst. With run_known_faults=1 such cases run, and fail.
 */
void skip_known_fault(struct kunit *test, const char *fault);

/**
 * struct pgt_snapshot - Everything that is mapped at one moment.
 * @focus: A range whose raw translation is recorded even where the ledger says
 *	that nothing is there.
 * @focus_size: Its size.
 * @digest: Of the leaves of the extents and of their raw translations, and of
 *	raw translations in the focus.
 * @mapped: What io_pgtable_safe_mapped() says.
 * @count: Number of extents.
 * @extents: What io_pgtable_safe_next() gives.
 */
struct pgt_snapshot {
	u64 focus;
	u64 focus_size;
	u64 digest;
	u64 mapped;
	unsigned int count;
	struct io_pgtable_safe_span *extents;
};

void take_snapshot(struct kunit *test, struct pgt_snapshot *snap, u64 focus,
		   u64 focus_size);
/* Expects that nothing has changed, and releases the snapshot. */
void check_snapshot(struct kunit *test, struct pgt_snapshot *snap);

#endif /* _IO_PGTABLE_SAFE_KUNIT_HELPERS_H */
