/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An SMMUv3 that translates for one device with one stage 1 table.
 */
#ifndef _JUDGE_SMMU_WALKER_H
#define _JUDGE_SMMU_WALKER_H

#include <linux/io-pgtable.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/* Event numbers, the Arm SMMUv3 architecture specification, "Event records" */
enum smmu_fault {
	SMMU_NO_FAULT		= 0,
	SMMU_TRANSLATION	= 0x10,
	SMMU_ADDRESS_SIZE	= 0x11,
	SMMU_ACCESS_FLAG	= 0x12,
	SMMU_PERMISSION		= 0x13,
};

struct smmu_event {
	enum smmu_fault fault;
	u32 stream;
	u64 iova;
};

/**
 * struct smmu - The SMMU and the structures in memory that it works with.
 * @base: Its registers.
 * @lock: Of the command queue: @commands, @prod, @timed_out.
 * @stream_table: Linear; an entry of 8 words for each stream.
 * @context: One context descriptor.
 * @commands: The command queue.
 * @events: The event queue.
 * @prod: Where the next command goes.
 * @cons: Where the next event comes from.
 * @timed_out: A command was not consumed in time.
 */
struct smmu {
	void __iomem *base;
	spinlock_t lock; /* commands, prod, timed_out */
	__le64 *stream_table;
	__le64 *context;
	__le64 *commands;
	__le64 *events;
	u32 prod;
	u32 cons;
	bool timed_out;
};

/* Returns why there is no SMMU to be had, or NULL */
const char *smmu_open(struct smmu *smmu);
void smmu_close(struct smmu *smmu);
bool smmu_has_granule(struct smmu *smmu, unsigned long granule);
bool smmu_is_well(struct smmu *smmu);

void smmu_attach(struct smmu *smmu, u32 stream, const struct io_pgtable_cfg *cfg);
void smmu_detach(struct smmu *smmu, u32 stream);
void smmu_invalidate(struct smmu *smmu, u64 iova, u64 size, u64 granule);
void smmu_invalidate_all(struct smmu *smmu);
bool smmu_next_event(struct smmu *smmu, struct smmu_event *event);

#endif /* _JUDGE_SMMU_WALKER_H */
