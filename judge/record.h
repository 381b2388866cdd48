/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What must be mapped, kept by the judge: from the arguments of calls that
 * succeeded and nothing else. It never asks the page table or the layer.
 */
#ifndef _JUDGE_RECORD_H
#define _JUDGE_RECORD_H

#include <linux/maple_tree.h>
#include <linux/types.h>

struct record {
	struct maple_tree leaves;
	unsigned long count;
};

/**
 * struct record_leaf - One page or block.
 * @iova: Its first byte.
 * @size: In bytes.
 * @paddr: Where @iova must lead.
 * @prot: IOMMU_READ and so on.
 */
struct record_leaf {
	u64 iova;
	u64 size;
	phys_addr_t paddr;
	int prot;
};

void record_init(struct record *rec);
void record_destroy(struct record *rec);
int record_add(struct record *rec, unsigned long pgsizes, u64 iova,
	       phys_addr_t paddr, u64 size, int prot);
void record_remove(struct record *rec, u64 iova, u64 size);
const struct record_leaf *record_find(struct record *rec, u64 addr);
const struct record_leaf *record_next(struct record *rec, u64 addr, u64 last);
int record_cut(struct record *rec, unsigned long pgsizes, u64 iova, u64 size);
bool record_is_free(struct record *rec, u64 iova, u64 size);
int record_is_whole(struct record *rec, u64 iova, u64 size, bool holes);
bool record_is_covered(struct record *rec, u64 iova, u64 size);

#endif /* _JUDGE_RECORD_H */
