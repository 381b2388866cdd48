/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the benchmark share.
 */
#ifndef _BENCH_H
#define _BENCH_H

#include <linux/io-pgtable.h>
#include <linux/iommu.h>
#include <linux/kconfig.h>
#include <linux/scatterlist.h>
#include <linux/types.h>

#include "io_pgtable_safe.h"

#define BENCH_PROT		(IOMMU_READ | IOMMU_WRITE)
/* At most this many ways to do the same are compared in one case */
#define BENCH_MAX_VARIANTS	6

/* The page table's pages can be counted: the kernel has a callback for them */
#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
#define BENCH_COUNTS_PAGES	1
#else
#define BENCH_COUNTS_PAGES	0
#endif

enum bench_format {
	BENCH_LPAE,
	BENCH_V7S,
};

/**
 * struct bench_table - A page table and the handle that one variant needs.
 * @ops: A raw table, or that of @domain, or the inside of @pgt.
 * @pgt: A checked table.
 * @domain: What iommu_map() takes: over @ops, or of the generic kind.
 * @ledger: A ledger without a page table.
 * @pages: Pages of the page table, if they are counted.
 */
struct bench_table {
	struct io_pgtable_ops *ops;
	struct io_pgtable_safe *pgt;
	struct iommu_domain *domain;
	struct ledger *ledger;
	long pages;
};

enum bench_table_kind {
	BENCH_RAW,
	BENCH_SAFE,
	BENCH_IOMMU,
	BENCH_GENERIC,
	BENCH_LEDGER,
};

int bench_table_create(struct bench_table *t, enum bench_table_kind kind,
		       enum bench_format format, bool count);
void bench_table_destroy(struct bench_table *t);
phys_addr_t bench_table_phys(struct bench_table *t, u64 iova);
int bench_ledger_create(struct bench_table *t, unsigned long pgsizes,
			unsigned int bits);
void bench_ledger_destroy(struct bench_table *t);
bool bench_ledger_has(struct bench_table *t, u64 iova);
int bench_device_register(void);
void bench_device_unregister(void);

/**
 * struct bench_batch - Operations of one kind, to be timed together.
 * @iova: Where each of them maps.
 * @ops: How many.
 * @gfp: For tables and ledger.
 * @pgsize: Page size, in bytes.
 * @shift: log2 of it.
 * @pgcount: Pages that one operation maps.
 * @size: Bytes that one operation maps.
 * @unmap_pgsize: Page size to unmap with.
 * @unmap_shift: log2 of it.
 * @sgt: What to map, where the variants take that.
 * @block: What to map over and over, in bytes, where the variants do that.
 * @skew: What is mapped is so many bytes from where it is mapped.
 * @fence: Let each operation end before the next begins.
 */
struct bench_batch {
	const u64 *iova;
	unsigned int ops;
	gfp_t gfp;
	size_t pgsize;
	unsigned int shift;
	size_t pgcount;
	u64 size;
	size_t unmap_pgsize;
	unsigned int unmap_shift;
	struct sg_table *sgt;
	u64 block;
	u64 skew;
	bool fence;
};

/**
 * struct bench_variant - One way to map and unmap.
 * @name: For the report.
 * @kind: The table it needs.
 * @map: Run a batch of maps: 0 or a negative errno.
 * @unmap: Run a batch of unmaps.
 */
struct bench_variant {
	const char *name;
	enum bench_table_kind kind;
	int (*map)(struct bench_table *t, const struct bench_batch *b);
	int (*unmap)(struct bench_table *t, const struct bench_batch *b);
};

extern const struct bench_variant bench_ledger_alone;

/* The first of each set is what the others are compared with */
extern const struct bench_variant *const bench_page_variants[];
extern const struct bench_variant *const bench_large_variants[];
extern const struct bench_variant *const bench_live_variants[];
extern const struct bench_variant *const bench_thread_variants[];
extern const struct bench_variant *const bench_sg_variants[];
extern const struct bench_variant *const bench_repeat_variants[];

/**
 * struct bench_case - What is measured.
 * @name: For the report; unique.
 * @format: Page table format.
 * @variants: The ways to do it, ending with NULL.
 * @pgsize: Page size, in bytes.
 * @pgcount: Pages in one operation.
 * @unmap_pgsize: Page size to unmap with, if not @pgsize.
 * @ops: Operations in a batch.
 * @batches: At most so many samples, if not 0.
 * @offset: Of the first operation from where the case would begin.
 * @live: Pages mapped all the time, strewn over 64 GiB, as are those mapped.
 * @fence: As in &struct bench_batch.
 * @sg: The operation maps a scatter-gather table of @pgcount entries of @pgsize.
 * @contiguous: Its entries are.
 * @block: As in &struct bench_batch.
 * @skew: As in &struct bench_batch.
 */
struct bench_case {
	const char *name;
	enum bench_format format;
	const struct bench_variant *const *variants;
	size_t pgsize;
	size_t pgcount;
	size_t unmap_pgsize;
	unsigned int ops;
	unsigned int batches;
	u64 offset;
	unsigned long live;
	bool fence;
	bool sg;
	bool contiguous;
	u64 block;
	u64 skew;
};

extern const struct bench_case bench_cases[];
extern const unsigned int bench_num_cases;

/* What a sample is of */
enum bench_op {
	BENCH_MAP,
	BENCH_UNMAP,
	BENCH_BOTH,
	BENCH_NUM_OPS,
};

/**
 * struct bench_samples - What was measured of one variant.
 * @ticks: Clock ticks that each batch took, for each &enum bench_op.
 */
struct bench_samples {
	u64 *ticks[BENCH_NUM_OPS];
};

int bench_samples_alloc(struct bench_samples *s, unsigned int batches);
void bench_samples_free(struct bench_samples *s);
void bench_report(const char *name, const char *variant,
		  const struct bench_samples *s,
		  const struct bench_samples *base, unsigned int batches,
		  unsigned int ops);
void bench_report_time(const char *name, u64 ticks, unsigned int times);
void bench_calibrate(void);

void bench_batch_init(struct bench_batch *b, const struct bench_case *c);
u64 bench_base(const struct bench_case *c);
int bench_measure(const struct bench_case *c, unsigned int batches);
int bench_threads(unsigned int batches, const char *only);
int bench_memory(const char *only);
bool bench_wanted(const char *name, const char *only);

#endif /* _BENCH_H */
