/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A table under judgement: every call goes to the API and to the record, and
 * what the API answers is compared with what the record allows.
 */
#ifndef _JUDGE_TABLE_H
#define _JUDGE_TABLE_H

#include <linux/io-pgtable.h>
#include <linux/iommu.h>

#include "io_pgtable_safe.h"
#include "record.h"

/* Addresses worth another look: ends of ranges that calls were made for */
#define TABLE_MARKS	32

struct table {
	struct io_pgtable_safe *pgt;
	struct record record;
	unsigned long pgsizes;
	u64 granule;
	u64 iova_last;
	u64 paddr_last;
	bool write_alone;
	u64 marks[TABLE_MARKS];
	unsigned int marked;
	unsigned long accepted;
	unsigned long refused;
};

extern struct device *judge_device;

int table_init(struct table *t, struct io_pgtable_safe *pgt);
void table_destroy(struct table *t);
void table_mark(struct table *t, u64 iova, u64 size);

void table_map_pages(struct table *t, u64 iova, phys_addr_t paddr,
		     u64 pgsize, u64 count, int prot);
void table_try_map_pages(struct table *t, u64 iova, phys_addr_t paddr,
			 u64 pgsize, u64 count, int prot);
void table_map(struct table *t, u64 iova, phys_addr_t paddr, u64 size, int prot);
void table_map_repeat(struct table *t, u64 iova, phys_addr_t paddr, u64 block,
		      u64 size, int prot);
void table_map_sgtable(struct table *t, u64 iova, struct sg_table *sgt,
		       u64 offset, u64 size, int prot);
void table_unmap_pages(struct table *t, u64 iova, u64 pgsize, u64 count);
void table_unmap(struct table *t, u64 iova, u64 size);
void table_cut(struct table *t, u64 iova, u64 size);
void table_unmap_present(struct table *t, u64 iova, u64 size);

#endif /* _JUDGE_TABLE_H */
