// SPDX-License-Identifier: GPL-2.0
/*
 * A table under judgement.
 */
#include <linux/log2.h>
#include <linux/scatterlist.h>

#include "report.h"
#include "table.h"

int table_init(struct table *t, struct io_pgtable_safe *pgt)
{
	const struct io_pgtable_cfg *cfg;

	if (IS_ERR(pgt))
		return PTR_ERR(pgt);

	cfg = io_pgtable_safe_cfg(pgt);
	*t = (struct table){
		.pgt = pgt,
		.pgsizes = cfg->pgsize_bitmap,
		.granule = cfg->pgsize_bitmap & -cfg->pgsize_bitmap,
		.iova_last = GENMASK_ULL(cfg->ias - 1, 0),
		.paddr_last = GENMASK_ULL(cfg->oas - 1, 0),
	};
	record_init(&t->record);
	return 0;
}

/* Empties the table first, because free says so if it is not */
void table_destroy(struct table *t)
{
	table_unmap_present(t, 0, t->iova_last + 1);
	judge_expect(io_pgtable_safe_mapped(t->pgt) == 0, "bytes are left");
	judge_expect(!t->record.count, "leaves are left in the record");
	io_pgtable_safe_free(t->pgt);
	record_destroy(&t->record);
}

void table_mark(struct table *t, u64 iova, u64 size)
{
	const u64 ends[] = { iova - 1, iova, iova + size - 1, iova + size };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ends); i++)
		t->marks[t->marked++ % TABLE_MARKS] = ends[i] & t->iova_last;
}

/* --- what the API must answer, from the arguments and the record ----------- */

static bool range_fits(u64 first, u64 size, u64 align, u64 last)
{
	return size && IS_ALIGNED(first | size, align) && first <= last &&
	       size - 1 <= last - first;
}

static bool pgsize_fits(struct table *t, u64 pgsize, u64 count)
{
	return is_power_of_2(pgsize) && (t->pgsizes & pgsize) && count &&
	       count <= U64_MAX / pgsize;
}

static bool map_allowed(struct table *t, u64 iova, u64 paddr, u64 psize, u64 size,
			u64 align, int prot)
{
	if (!(prot & IOMMU_READ) && !((prot & IOMMU_WRITE) && t->write_alone))
		return false;
	return range_fits(iova, size, align, t->iova_last) &&
	       range_fits(paddr, psize, align, t->paddr_last) &&
	       record_is_free(&t->record, iova, size);
}

static bool unmap_allowed(struct table *t, u64 iova, u64 size, u64 align, bool holes)
{
	return range_fits(iova, size, align, t->iova_last) &&
	       !record_is_whole(&t->record, iova, size, holes);
}

static void count_call(struct table *t, bool accepted)
{
	if (accepted)
		t->accepted++;
	else
		t->refused++;
}

static void add_to_record(struct table *t, unsigned long pgsizes, u64 iova,
			  phys_addr_t paddr, u64 size, int prot)
{
	int err = record_add(&t->record, pgsizes, iova, paddr, size, prot);

	judge_expect(!err, "%d from the record at %#llx", err, iova);
}

/* --- map ------------------------------------------------------------------- */

static void judge_map(struct table *t, struct io_pgtable_safe_map_result res,
		      bool allowed, bool part, u64 iova, u64 size)
{
	table_mark(t, iova, size);
	count_call(t, !res.err);
	judge_expect(allowed == !res.err, "map %#llx+%#llx: error %d", iova, size,
		     res.err);
	if (res.err)
		judge_expect(!res.mapped, "map %#llx+%#llx: error %d, mapped %#llx",
			     iova, size, res.err, res.mapped);
	else
		judge_expect(res.mapped == size || (part && res.mapped && res.mapped < size),
			     "map %#llx+%#llx: mapped %#llx", iova, size, res.mapped);
}

void table_map_pages(struct table *t, u64 iova, phys_addr_t paddr,
		     u64 pgsize, u64 count, int prot)
{
	bool allowed = pgsize_fits(t, pgsize, count) &&
		       map_allowed(t, iova, paddr, pgsize * count, pgsize * count,
				   pgsize, prot);
	struct io_pgtable_safe_map_result res;

	/* What is left after a partial success is the caller's to map */
	do {
		res = io_pgtable_safe_map_pages(t->pgt, iova, paddr, pgsize, count,
						prot, GFP_KERNEL);
		judge_map(t, res, allowed, true, iova, pgsize * count);
		if (res.err)
			return;
		add_to_record(t, pgsize, iova, paddr, res.mapped, prot);
		iova += res.mapped;
		paddr += res.mapped;
		count -= res.mapped / pgsize;
	} while (count && res.mapped);
}

void table_try_map_pages(struct table *t, u64 iova, phys_addr_t paddr,
			 u64 pgsize, u64 count, int prot)
{
	bool allowed = pgsize_fits(t, pgsize, count) &&
		       map_allowed(t, iova, paddr, pgsize * count, pgsize * count,
				   pgsize, prot);
	struct io_pgtable_safe_map_result res;

	res = io_pgtable_safe_try_map_pages(t->pgt, iova, paddr, pgsize, count, prot,
					    GFP_KERNEL);
	judge_map(t, res, allowed, true, iova, pgsize * count);
	add_to_record(t, pgsize, iova, paddr, res.mapped, prot);
}

void table_map(struct table *t, u64 iova, phys_addr_t paddr, u64 size, int prot)
{
	bool allowed = map_allowed(t, iova, paddr, size, size, t->granule, prot);
	struct io_pgtable_safe_map_result res;

	res = io_pgtable_safe_map(t->pgt, iova, paddr, size, prot, GFP_KERNEL);
	judge_map(t, res, allowed, false, iova, size);
	add_to_record(t, t->pgsizes, iova, paddr, res.mapped, prot);
}

void table_map_repeat(struct table *t, u64 iova, phys_addr_t paddr, u64 block,
		      u64 size, int prot)
{
	bool allowed = block && IS_ALIGNED(block, t->granule) &&
		       map_allowed(t, iova, paddr, min(block, size), size, t->granule,
				   prot);
	struct io_pgtable_safe_map_result res;
	u64 done;

	res = io_pgtable_safe_map_repeat(t->pgt, iova, paddr, block, 0, size, prot,
					 GFP_KERNEL);
	judge_map(t, res, allowed, false, iova, size);
	for (done = 0; done < res.mapped; done += block)
		add_to_record(t, t->pgsizes, iova + done, paddr,
			      min(block, res.mapped - done), prot);
}

/* The pieces that neighbours make are found by their addresses here, too */
static void add_sgtable(struct table *t, u64 iova, struct sg_table *sgt,
			u64 offset, u64 size, int prot)
{
	u64 start = 0, length = 0, addr;
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_sg(sgt, sg, i) {
		u64 skip = min_t(u64, offset, sg->length);
		u64 len = min(size, sg->length - skip);

		offset -= skip;
		size -= len;
		addr = sg_phys(sg) + skip;
		if (!len)
			continue;
		if (length && addr != start + length) {
			add_to_record(t, t->pgsizes, iova, start, length, prot);
			iova += length;
			length = 0;
		}
		if (!length)
			start = addr;
		length += len;
	}
	if (length)
		add_to_record(t, t->pgsizes, iova, start, length, prot);
}

/* The table's entries must be aligned to the granule; only its length may not do */
void table_map_sgtable(struct table *t, u64 iova, struct sg_table *sgt,
		       u64 offset, u64 size, int prot)
{
	struct io_pgtable_safe_map_result res;
	struct scatterlist *sg;
	u64 length = 0;
	bool allowed;
	unsigned int i;

	for_each_sgtable_sg(sgt, sg, i)
		length += sg->length;
	allowed = IS_ALIGNED(offset, t->granule) && offset <= length &&
		  size <= length - offset &&
		  map_allowed(t, iova, 0, t->granule, size, t->granule, prot);

	res = io_pgtable_safe_map_sgtable(t->pgt, iova, sgt, IO_PGTABLE_SAFE_SG_CPU,
					  offset, size, prot, GFP_KERNEL);
	judge_map(t, res, allowed, false, iova, size);
	if (res.mapped)
		add_sgtable(t, iova, sgt, offset, res.mapped, prot);
}

/* --- unmap ----------------------------------------------------------------- */

static u64 bytes_present(struct table *t, u64 iova, u64 size)
{
	const struct record_leaf *leaf;
	u64 pos = iova, sum = 0;

	while ((leaf = record_next(&t->record, pos, iova + size - 1))) {
		sum += leaf->size;
		pos = leaf->iova + leaf->size;
		if (pos > iova + size - 1)
			break;
	}
	return sum;
}

static void judge_unmap(struct table *t, struct io_pgtable_safe_unmap_result res,
			bool allowed, u64 present, u64 iova, u64 size)
{
	table_mark(t, iova, size);
	count_call(t, !res.err);
	judge_expect(allowed == !res.err, "unmap %#llx+%#llx: error %d", iova, size,
		     res.err);
	judge_expect(res.unmapped == (allowed ? present : 0),
		     "unmap %#llx+%#llx: error %d, unmapped %#llx of %#llx", iova, size,
		     res.err, res.unmapped, present);
	if (!res.err)
		record_remove(&t->record, iova, size);
}

void table_unmap_pages(struct table *t, u64 iova, u64 pgsize, u64 count)
{
	bool allowed = pgsize_fits(t, pgsize, count) &&
		       unmap_allowed(t, iova, pgsize * count, pgsize, false);

	judge_unmap(t, io_pgtable_safe_unmap_pages(t->pgt, iova, pgsize, count, 0),
		    allowed, pgsize * count, iova, pgsize * count);
}

void table_unmap(struct table *t, u64 iova, u64 size)
{
	bool allowed = unmap_allowed(t, iova, size, t->granule, false);

	judge_unmap(t, io_pgtable_safe_unmap(t->pgt, iova, size, 0), allowed, size,
		    iova, size);
}

void table_unmap_present(struct table *t, u64 iova, u64 size)
{
	bool allowed = unmap_allowed(t, iova, size, t->granule, true);
	u64 present = allowed ? bytes_present(t, iova, size) : 0;

	judge_unmap(t, io_pgtable_safe_unmap_present(t->pgt, iova, size, 0), allowed,
		    present, iova, size);
}

void table_cut(struct table *t, u64 iova, u64 size)
{
	const struct record_leaf *first = record_find(&t->record, iova);
	const struct record_leaf *last = record_find(&t->record, iova + size - 1);
	bool allowed = range_fits(iova, size, t->granule, t->iova_last) &&
		       record_is_covered(&t->record, iova, size);
	struct io_pgtable_safe_unmap_result res;
	int err;

	/* The ends of one binding, as a driver cuts it */
	if (first && last && first->prot != last->prot)
		return;
	res = io_pgtable_safe_cut(t->pgt, iova, size, first ? first->prot : IOMMU_READ,
				  GFP_KERNEL, 0);
	table_mark(t, iova, size);
	count_call(t, !res.err);
	judge_expect(allowed == !res.err, "cut %#llx+%#llx: error %d", iova, size, res.err);
	judge_expect(res.unmapped == (allowed ? size : 0),
		     "cut %#llx+%#llx: error %d, unmapped %#llx", iova, size, res.err,
		     res.unmapped);
	if (res.err)
		return;
	err = record_cut(&t->record, t->pgsizes, iova, size);
	judge_expect(!err, "%d from the record at %#llx", err, iova);
}
