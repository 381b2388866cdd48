// SPDX-License-Identifier: GPL-2.0
/*
 * What the CPU is asked about tables that the checked API built.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>

#include "cpu_judge.h"

#define RW	(IOMMU_READ | IOMMU_WRITE)

/* The second smallest page size: what a table of the last level covers, or less */
static u64 block_size(const struct cpu_table *ct)
{
	unsigned long larger = ct->t.pgsizes & ~ct->t.granule;

	return larger & -larger;
}

/* What one table of the last level covers */
static u64 table_span(const struct cpu_table *ct)
{
	return ct->format->fmt == ARM_V7S ? SZ_1M : block_size(ct);
}

/* --- every page size with every protection, at the edges ---------------------- */

static const int all_prots[] = {
	IOMMU_READ, RW, RW | IOMMU_CACHE, IOMMU_READ | IOMMU_CACHE | IOMMU_NOEXEC,
	RW | IOMMU_MMIO, RW | IOMMU_PRIV, IOMMU_READ | IOMMU_PRIV | IOMMU_CACHE,
	IOMMU_WRITE,
};

static void judge_pages(struct cpu_table *ct, u64 iova, u64 pgsize, u64 count,
			int prot)
{
	u64 size = pgsize * count;
	u64 paddr = cpu_random_paddr(ct, size, pgsize);

	table_map_pages(&ct->t, iova, paddr, pgsize, count, prot);
	cpu_judge_range(ct, iova, pgsize);
	cpu_judge_range(ct, iova + size - pgsize, pgsize);
	table_unmap_pages(&ct->t, iova, pgsize, count);
	cpu_judge_range(ct, iova, size);
}

static void run_pages(unsigned int i)
{
	struct cpu_table ct;
	unsigned int bit, k;

	if (!cpu_table_open(&ct, &cpu_formats[i]))
		return;
	for_each_set_bit(bit, &ct.t.pgsizes, BITS_PER_LONG) {
		u64 pgsize = BIT_ULL(bit), end = ct.t.iova_last + 1;

		for (k = 0; k < ARRAY_SIZE(all_prots); k++) {
			u64 any = cpu_random(&ct, end - 2 * pgsize) & ~(pgsize - 1);

			judge_pages(&ct, 0, pgsize, 1, all_prots[k]);
			judge_pages(&ct, end - 2 * pgsize, pgsize, 2, all_prots[k]);
			judge_pages(&ct, any, pgsize, 2, all_prots[k]);
		}
		/* Across the end of a table, with a call that stops there */
		judge_pages(&ct, SZ_1G - pgsize * (pgsize < SZ_1G), pgsize, 2, RW);
	}
	cpu_judge_all(&ct);
	cpu_table_close(&ct);
}

const struct judge_suite cpu_pages_suite = {
	.name = "cpu_pages",
	.count = CPU_FORMATS,
	.case_name = cpu_format_name,
	.run = run_pages,
};

/* --- ranges: several page sizes, repetition, scatter-gather, holes ------------- */

static void judge_mixed_range(struct cpu_table *ct, u64 iova)
{
	u64 g = ct->t.granule, block = block_size(ct), size = 2 * block + 5 * g;
	u64 paddr = cpu_random_paddr(ct, size + block, block) + block - 3 * g;

	/* Pages, two blocks, pages; then out of step, so that no block is possible */
	table_map(&ct->t, iova + block - 3 * g, paddr, size, RW | IOMMU_CACHE);
	table_map(&ct->t, iova + 4 * block, g, 5 * g, IOMMU_READ);
	cpu_judge_all(ct);

	/* A block out of the middle, then what is around it, with the hole */
	table_unmap(&ct->t, iova + block, block);
	cpu_judge_all(ct);
	table_unmap_present(&ct->t, iova, 3 * block + 2 * g);
	table_unmap(&ct->t, iova + 4 * block, 5 * g);
	cpu_judge_all(ct);
	judge_expect(!ct->t.record.count, "%lu leaves", ct->t.record.count);
}

static void judge_repeat(struct cpu_table *ct, u64 iova)
{
	u64 g = ct->t.granule;
	u64 paddr = cpu_random_paddr(ct, 3 * g, g);

	table_map_repeat(&ct->t, iova + g, paddr, 3 * g, 10 * g, IOMMU_READ);
	cpu_judge_all(ct);
	table_unmap(&ct->t, iova + g, 10 * g);
	cpu_judge_all(ct);
}

#define SG_ENTRIES	5

static void judge_sgtable(struct cpu_table *ct, u64 iova)
{
	unsigned int order = get_order(2 * ct->t.granule), i;
	struct page *pages[SG_ENTRIES] = {};
	u64 g = ct->t.granule;
	struct scatterlist *sg;
	struct sg_table sgt;

	if (sg_alloc_table(&sgt, SG_ENTRIES, GFP_KERNEL))
		return (void)judge_expect(false, "no memory");
	for_each_sg(sgt.sgl, sg, SG_ENTRIES, i) {
		pages[i] = alloc_pages(GFP_KERNEL, order);
		if (!judge_expect(pages[i], "no memory"))
			goto out;
		sg_set_page(sg, pages[i], (i & 1 ? 1 : 2) * g, 0);
	}

	table_map_sgtable(&ct->t, iova, &sgt, g, 5 * g, RW);
	cpu_judge_all(ct);
	/* One granule more than there is */
	table_map_sgtable(&ct->t, iova + 16 * g, &sgt, g, 8 * g, RW);
	cpu_judge_range(ct, iova + 16 * g, 8 * g);
	cpu_judge_all(ct);
	table_unmap(&ct->t, iova, 5 * g);
	cpu_judge_all(ct);
out:
	for (i = 0; i < SG_ENTRIES && pages[i]; i++)
		__free_pages(pages[i], order);
	sg_free_table(&sgt);
}

static void run_ranges(unsigned int i)
{
	struct cpu_table ct;
	u64 room;

	if (!cpu_table_open(&ct, &cpu_formats[i]))
		return;
	room = 5 * block_size(&ct);
	judge_mixed_range(&ct, 0);
	judge_mixed_range(&ct, (ct.t.iova_last - room) & ~(block_size(&ct) - 1));
	judge_repeat(&ct, table_span(&ct) - 4 * ct.t.granule);
	judge_sgtable(&ct, table_span(&ct) - 3 * ct.t.granule);
	cpu_table_close(&ct);
}

const struct judge_suite cpu_ranges_suite = {
	.name = "cpu_ranges",
	.count = CPU_FORMATS,
	.case_name = cpu_format_name,
	.run = run_ranges,
};

/* --- what is left of blocks that were cut ----------------------------------------- */

/* Blocks of the larger granules leave more pages than are looked at each time */
static void judge_edges(struct cpu_table *ct)
{
	if (ct->t.record.count <= 2048)
		cpu_judge_all(ct);
	cpu_judge_marks(ct, TABLE_MARKS);
}

/* Out of the middle, off both ends, and at last what is between two of the holes */
static void judge_cut_block(struct cpu_table *ct, u64 size, int prot)
{
	u64 g = ct->t.granule, iova = 2 * size;

	table_map_pages(&ct->t, iova, cpu_random_paddr(ct, size, size), size, 1, prot);
	table_cut(&ct->t, iova + size / 2 + g, g);
	cpu_judge_all(ct);
	cpu_judge_range(ct, iova + size / 2 + g, g);
	table_cut(&ct->t, iova, g);
	table_cut(&ct->t, iova + size - 3 * g, 3 * g);
	table_cut(&ct->t, iova + g, size / 2);
	judge_edges(ct);
	/* Not all of it, which may be thousands of pages */
	cpu_judge_range(ct, iova, 4 * g);
	cpu_judge_range(ct, iova + size / 2 - 2 * g, 6 * g);
	cpu_judge_range(ct, iova + size - 6 * g, 6 * g);
	table_unmap_present(&ct->t, iova, size);
	cpu_judge_range(ct, iova, 4 * g);
	cpu_judge_range(ct, iova + size - 4 * g, 4 * g);
}

/* Two blocks, cut by one call, and another between them */
static void judge_cut_blocks(struct cpu_table *ct)
{
	u64 g = ct->t.granule, block = block_size(ct), iova = 8 * block;
	u64 paddr = cpu_random_paddr(ct, 8 * block, block);

	table_map_pages(&ct->t, iova, paddr, block, 1, IOMMU_READ);
	table_map_pages(&ct->t, iova + block, paddr + block, block, 1, RW | IOMMU_CACHE);
	table_map_pages(&ct->t, iova + 2 * block, paddr + 4 * block, block, 1, RW);
	table_cut(&ct->t, iova + block - g, block + 3 * g);
	judge_edges(ct);
	cpu_judge_range(ct, iova + block - 2 * g, 4 * g);
	cpu_judge_range(ct, iova + 2 * block - 2 * g, 6 * g);
	/* Over the hole: refused, and nothing is cut */
	table_cut(&ct->t, iova + block - 2 * g, 3 * g);
	judge_edges(ct);
	table_unmap_present(&ct->t, iova, 3 * block);
}

static void run_cuts(unsigned int i)
{
	struct cpu_table ct;
	unsigned int bit, k;

	if (!cpu_table_open(&ct, &cpu_formats[i]))
		return;
	for_each_set_bit(bit, &ct.t.pgsizes, BITS_PER_LONG) {
		if (BIT_ULL(bit) == ct.t.granule || 3 * BIT_ULL(bit) - 1 > ct.t.iova_last)
			continue;
		/* With blocks of thousands of pages one protection takes long enough */
		for (k = 0; k < (BIT_ULL(bit) / ct.t.granule > 512 ? 1 : 3); k++)
			judge_cut_block(&ct, BIT_ULL(bit), all_prots[k + 1]);
	}
	judge_cut_blocks(&ct);
	cpu_judge_all(&ct);
	cpu_table_close(&ct);
}

const struct judge_suite cpu_cuts_suite = {
	.name = "cpu_cuts",
	.count = CPU_FORMATS,
	.case_name = cpu_format_name,
	.run = run_cuts,
};

/* --- refused calls leave the table as it was ------------------------------------ */

static void refuse_map(struct cpu_table *ct, u64 iova, u64 paddr, u64 pgsize,
		       u64 count, int prot, int expected)
{
	struct io_pgtable_safe_map_result res;

	res = io_pgtable_safe_map_pages(ct->t.pgt, iova, paddr, pgsize, count, prot,
					GFP_KERNEL);
	judge_expect(res.err == expected && !res.mapped,
		     "map %#llx -> %#llx, %llu of %#llx: {%#llx, %d}, not %d", iova,
		     paddr, count, pgsize, res.mapped, res.err, expected);
	table_mark(&ct->t, iova, pgsize * count);
	/* Where the format would have put it, had it been asked */
	cpu_judge_address(ct, iova & ~(pgsize - 1) & ct->t.iova_last);
}

static void refuse_unmap(struct cpu_table *ct, u64 iova, u64 size, int expected)
{
	struct io_pgtable_safe_unmap_result res;

	res = io_pgtable_safe_unmap(ct->t.pgt, iova, size, 0);
	judge_expect(res.err == expected && !res.unmapped,
		     "unmap %#llx+%#llx: {%#llx, %d}, not %d", iova, size, res.unmapped,
		     res.err, expected);
	table_mark(&ct->t, iova, size);
}

static void judge_refused_maps(struct cpu_table *ct, u64 block)
{
	u64 g = ct->t.granule, end = ct->t.iova_last + 1, room = 8 * block;

	refuse_map(ct, room + g / 2, g, g, 1, RW, -EINVAL);
	refuse_map(ct, room, g + g / 2, g, 1, RW, -EINVAL);
	refuse_map(ct, room + g, block, block, 1, RW, -EINVAL);
	refuse_map(ct, room, block + g, block, 1, RW, -EINVAL);
	refuse_map(ct, room, 0, g | block, 1, RW, -EINVAL);
	refuse_map(ct, room, 0, 2 * g, 1, RW, -EINVAL);
	refuse_map(ct, room, 0, g, 0, RW, -EINVAL);
	refuse_map(ct, room, 0, g, 1, 0, -EINVAL);
	refuse_map(ct, end - g, 0, g, 2, RW, -ERANGE);
	refuse_map(ct, end, 0, g, 1, RW, -ERANGE);
	refuse_map(ct, room, ct->t.paddr_last + 1 - g, g, 2, RW, -ERANGE);
	refuse_map(ct, room, 0, g, BIT_ULL(63), RW, -EOVERFLOW);
	if (!ct->t.write_alone)
		refuse_map(ct, room, 0, g, 1, IOMMU_WRITE, -EINVAL);
}

/* Overlaps: page on page, page in block, block over pages, the end of a range */
static void judge_overlaps(struct cpu_table *ct, u64 block)
{
	u64 g = ct->t.granule;

	refuse_map(ct, g, 0, g, 1, RW, -EEXIST);
	refuse_map(ct, block + 3 * g, 0, g, 1, RW, -EEXIST);
	refuse_map(ct, 0, 0, block, 1, RW, -EEXIST);
	refuse_map(ct, 0, 0, block, 2, RW, -EEXIST);
	refuse_map(ct, block - g, 0, g, 2, RW, -EEXIST);
	refuse_map(ct, 0, 0, g, 2, RW, -EEXIST);
}

static void judge_refused_unmaps(struct cpu_table *ct, u64 block)
{
	u64 g = ct->t.granule;

	refuse_unmap(ct, 0, g, -ENOENT);
	refuse_unmap(ct, g, 2 * g, -ENOENT);
	refuse_unmap(ct, 0, block, -ENOENT);
	refuse_unmap(ct, block, g, -ENOTBLK);
	refuse_unmap(ct, block + g, block - g, -ENOTBLK);
	refuse_unmap(ct, block, 2 * block, -ENOENT);
	refuse_unmap(ct, g + g / 2, g, -EINVAL);
	refuse_unmap(ct, g, g / 2, -EINVAL);
	refuse_unmap(ct, ct->t.iova_last + 1 - g, 2 * g, -ERANGE);
}

/* A page at one granule, a block, and nothing else */
static void run_refusals(unsigned int i)
{
	struct cpu_table ct;
	u64 block;

	if (!cpu_table_open(&ct, &cpu_formats[i]))
		return;
	block = table_span(&ct);
	table_map_pages(&ct.t, ct.t.granule, cpu_random_paddr(&ct, SZ_1M, SZ_64K),
			ct.t.granule, 1, RW);
	table_map_pages(&ct.t, block, cpu_random_paddr(&ct, block, block), block, 1,
			IOMMU_READ);
	judge_refused_maps(&ct, block);
	cpu_judge_all(&ct);
	judge_overlaps(&ct, block);
	cpu_judge_all(&ct);
	judge_refused_unmaps(&ct, block);
	cpu_judge_all(&ct);
	cpu_table_close(&ct);
}

const struct judge_suite cpu_refusals_suite = {
	.name = "cpu_refusals",
	.count = CPU_FORMATS,
	.case_name = cpu_format_name,
	.run = run_refusals,
};

/* --- maps that fail part-way leave nothing behind -------------------------------- */

static void judge_failure(struct cpu_table *ct, struct failing_plan *plan, u64 iova,
			  u64 size)
{
	u64 g = ct->t.granule, span = table_span(ct), paddr, pos;
	struct io_pgtable_safe_map_result res;
	unsigned int failed = plan->failed;

	/* In step with iova, so that there are blocks in the middle */
	paddr = cpu_random_paddr(ct, size + span, span) + (iova & (span - 1));

	/* Neighbours, which must not be hurt, in tables of their own */
	plan->calls = -1;
	table_map_pages(&ct->t, iova - span, paddr, g, 1, RW);
	table_map_pages(&ct->t, iova + size + span, paddr, g, 1, RW);

	for (plan->calls = 0; plan->calls < 8; plan->calls++) {
		int calls = plan->calls;

		res = io_pgtable_safe_map(ct->t.pgt, iova, paddr, size, RW, GFP_KERNEL);
		if (!res.err) {
			/* It takes no more calls than this */
			judge_expect(!io_pgtable_safe_unmap(ct->t.pgt, iova, size, 0).err,
				     "no way back");
			break;
		}
		judge_expect(res.err == -ENOMEM && !res.mapped, "{%#llx, %d}", res.mapped,
			     res.err);
		for (pos = iova; pos < iova + size; pos += max(g, size / 64))
			cpu_judge_range(ct, pos, g);
		cpu_judge_all(ct);
		plan->calls = calls;
	}
	judge_expect(plan->failed > failed, "nothing failed");

	plan->calls = -1;
	table_map(&ct->t, iova, paddr, size, RW);
	cpu_judge_all(ct);
	table_unmap_present(&ct->t, iova - span, size + 2 * span + g);
	cpu_judge_all(ct);
}

static void judge_failures(struct cpu_table *ct, struct failing_plan *plan)
{
	u64 g = ct->t.granule, span = table_span(ct);

	judge_failure(ct, plan, 3 * span - 4 * g, 8 * g);
	judge_failure(ct, plan, 6 * span - 4 * g, 2 * span + 8 * g);
	plan->partly = true;
	judge_failure(ct, plan, 12 * span - 4 * g, 2 * span + 8 * g);
	plan->partly = false;
}

/* Two cases of each format: map_pages itself fails, or it runs out of memory */
static void run_failures(unsigned int i)
{
	const struct cpu_format *format = &cpu_formats[i / 2];
	struct failing_plan plan;
	struct cpu_table ct;

	if (!cpu_table_open_failing(&ct, format, &plan, i & 1))
		return;
	judge_failures(&ct, &plan);
	cpu_table_close(&ct);
}

static const char *failure_name(unsigned int i)
{
	static char name[64];

	snprintf(name, sizeof(name), "%s %s", cpu_formats[i / 2].name,
		 i & 1 ? "out of memory" : "failing calls");
	return name;
}

const struct judge_suite cpu_failures_suite = {
	.name = "cpu_failures",
	.count = 2 * CPU_FORMATS,
	.case_name = failure_name,
	.run = run_failures,
};

/* --- a table in use is not freed -------------------------------------------------- */

#define SCRIBBLED	512

/* Pages of tables that were freed by mistake would be among these */
static void scribble(void)
{
	unsigned int i, n;
	struct page **pages;

	pages = kvcalloc(SCRIBBLED, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return;
	for (n = 0; n < SCRIBBLED; n++) {
		pages[n] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!pages[n])
			break;
	}
	for (i = 0; i < n; i++)
		__free_page(pages[i]);
	kvfree(pages);
}

static void run_live(unsigned int i)
{
	struct cpu_table ct;
	u64 g;

	if (!cpu_table_open(&ct, &cpu_formats[i]))
		return;
	g = ct.t.granule;
	table_map(&ct.t, 0, cpu_random_paddr(&ct, block_size(&ct), g), 4 * g, RW);
	table_map(&ct.t, 4 * block_size(&ct), 0, block_size(&ct), IOMMU_READ);
	cpu_judge_all(&ct);

	/* Refused, and said so in the log; the record stays as it is */
	io_pgtable_safe_set_live(ct.t.pgt);
	io_pgtable_safe_free(ct.t.pgt);
	scribble();
	cpu_judge_all(&ct);

	io_pgtable_safe_clear_live(ct.t.pgt);
	cpu_table_close(&ct);
}

const struct judge_suite cpu_live_suite = {
	.name = "cpu_live",
	.count = CPU_FORMATS,
	.case_name = cpu_format_name,
	.run = run_live,
};
