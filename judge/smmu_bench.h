/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A table, an SMMU that walks it, and a device whose DMA tells what it finds.
 */
#ifndef _JUDGE_SMMU_BENCH_H
#define _JUDGE_SMMU_BENCH_H

#include <linux/iommu.h>

#include "failing_format.h"
#include "smmu_dma.h"
#include "smmu_walker.h"

/* Memory for the device: as much as the largest granule */
#define BENCH_MEMORY	SZ_64K
/* Where the window is mapped in every table */
#define BENCH_WINDOW	((u64)SZ_256M)

enum bench_table {
	BENCH_CHECKED,		/* the checked API */
	BENCH_FAILING_CALLS,	/* the same over a format whose calls fail */
	BENCH_FAILING_MEMORY,	/* the same over a format that runs out of memory */
	BENCH_RAW,		/* the format itself, without the checked API */
};

/**
 * struct bench - What a case of the SMMU works with.
 * @smmu: Translates for @dma.
 * @dma: The device.
 * @pgt: The table, or NULL if it is a raw one.
 * @ops: The raw table, or NULL.
 * @cfg: The granted configuration.
 * @plan: When the table fails. Also the cookie of the flush callbacks.
 * @granule: The smallest page size.
 * @block: The next larger one.
 * @window: Memory that is always mapped, to look into the device's buffer.
 * @target: Memory that the case maps.
 * @other: More of it.
 * @nonce: What transfers carry; never the same twice.
 * @flushes: How often a flush callback was called.
 * @suppressed: The callbacks do nothing but count.
 */
struct bench {
	struct smmu smmu;
	struct dma_device dma;
	struct io_pgtable_safe *pgt;
	struct io_pgtable_ops *ops;
	struct io_pgtable_cfg cfg;
	struct failing_plan plan;
	u64 granule;
	u64 block;
	void *window;
	void *target;
	void *other;
	u32 nonce;
	unsigned int flushes;
	bool suppressed;
};

/* False after a skip or a failure: there is nothing to close then */
bool bench_open(struct bench *b, unsigned long pgsizes, enum bench_table which);
void bench_close(struct bench *b);

void bench_map(struct bench *b, u64 iova, void *memory, int prot);
void bench_map_block(struct bench *b, u64 iova, void *memory, int prot);
u64 bench_in_block(const struct bench *b, u64 iova, void *memory);
void bench_unmap(struct bench *b, u64 iova, u64 size, u32 flags);

/*
 * One transfer each way through @iova, which is said to lead to @memory, must
 * arrive there or end in this fault, which the SMMU must report.
 */
void bench_expect_read(struct bench *b, u64 iova, void *memory, enum smmu_fault expected);
void bench_expect_write(struct bench *b, u64 iova, void *memory, enum smmu_fault expected);

#endif /* _JUDGE_SMMU_BENCH_H */
