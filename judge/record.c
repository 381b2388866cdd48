// SPDX-License-Identifier: GPL-2.0
/*
 * What must be mapped, as the judge understands it.
 */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/slab.h>

#include "io_pgtable_safe_compat.h"
#include "record.h"

void record_init(struct record *rec)
{
	mt_init(&rec->leaves);
	rec->count = 0;
}

void record_destroy(struct record *rec)
{
	record_remove(rec, 0, 0);
	mtree_destroy(&rec->leaves);
}

/* The documented choice: the largest page that addresses and size allow */
static u64 leaf_size(unsigned long pgsizes, u64 iova, u64 paddr, u64 size)
{
	int bit;

	for (bit = 63; bit >= 0; bit--) {
		u64 pgsize = BIT_ULL(bit);

		if ((pgsizes & pgsize) && pgsize <= size &&
		    !((iova | paddr) & (pgsize - 1)))
			return pgsize;
	}
	return 0;
}

/* pgsizes: the one page size of a call that names it, otherwise all */
int record_add(struct record *rec, unsigned long pgsizes, u64 iova,
	       phys_addr_t paddr, u64 size, int prot)
{
	struct record_leaf *leaf;
	int err;

	while (size) {
		leaf = kzalloc_obj(*leaf);
		if (!leaf)
			return -ENOMEM;
		*leaf = (struct record_leaf){
			.iova = iova, .paddr = paddr, .prot = prot,
			.size = leaf_size(pgsizes, iova, paddr, size),
		};
		err = leaf->size ? mtree_insert_range(&rec->leaves, iova,
						      iova + leaf->size - 1, leaf,
						      GFP_KERNEL) : -EINVAL;
		if (err) {
			kfree(leaf);
			return err;
		}
		rec->count++;
		iova += leaf->size;
		paddr += leaf->size;
		size -= leaf->size;
	}
	return 0;
}

const struct record_leaf *record_find(struct record *rec, u64 addr)
{
	return mtree_load(&rec->leaves, addr);
}

/* The first leaf that has a byte from addr to last */
const struct record_leaf *record_next(struct record *rec, u64 addr, u64 last)
{
	unsigned long index = addr;

	return mt_find(&rec->leaves, &index, last);
}

/* Whatever has a byte in the range; a size of 0 means everything */
void record_remove(struct record *rec, u64 iova, u64 size)
{
	const struct record_leaf *leaf;

	while ((leaf = record_next(rec, iova, iova + size - 1))) {
		mtree_erase(&rec->leaves, leaf->iova);
		kfree(leaf);
		rec->count--;
	}
}

/* Only the range goes, and what is left of leaves comes back in smaller ones */
int record_cut(struct record *rec, unsigned long pgsizes, u64 iova, u64 size)
{
	struct record_leaf first = *record_find(rec, iova);
	struct record_leaf last = *record_find(rec, iova + size - 1);
	u64 end = iova + size, last_end = last.iova + last.size;
	int err = 0;

	record_remove(rec, iova, size);
	if (first.iova < iova)
		err = record_add(rec, pgsizes, first.iova, first.paddr, iova - first.iova,
				 first.prot);
	if (!err && end < last_end)
		err = record_add(rec, pgsizes, end, last.paddr + (end - last.iova),
				 last_end - end, last.prot);
	return err;
}

bool record_is_free(struct record *rec, u64 iova, u64 size)
{
	return !record_next(rec, iova, iova + size - 1);
}

/* May the range be unmapped? 0, -ENOENT for a hole or -ENOTBLK for a cut leaf */
int record_is_whole(struct record *rec, u64 iova, u64 size, bool holes)
{
	u64 pos = iova, last = iova + size - 1;
	const struct record_leaf *leaf;

	while (pos - 1 != last) {
		leaf = record_next(rec, pos, last);
		if (!leaf)
			return holes ? 0 : -ENOENT;
		if (leaf->iova > pos && !holes)
			return -ENOENT;
		if (leaf->iova < iova || leaf->iova + leaf->size - 1 > last)
			return -ENOTBLK;
		pos = leaf->iova + leaf->size;
	}
	return 0;
}

/* Is all of it mapped, by whatever leaves? */
bool record_is_covered(struct record *rec, u64 iova, u64 size)
{
	u64 pos = iova, last = iova + size - 1;
	const struct record_leaf *leaf;

	for (;;) {
		leaf = record_find(rec, pos);
		if (!leaf)
			return false;
		pos = leaf->iova + leaf->size - 1;
		if (pos >= last)
			return true;
		pos++;
	}
}
