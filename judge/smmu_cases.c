// SPDX-License-Identifier: GPL-2.0
/*
 * What DMA through an SMMU finds of tables that the checked API built. The
 * SMMU remembers translations, so that here invalidation is judged, too.
 */
#include <linux/sizes.h>

#include "smmu_bench.h"
#include "smmu_cases.h"

#define RW		(IOMMU_READ | IOMMU_WRITE)
#define SIZES_4K	(SZ_4K | SZ_2M | SZ_1G)
#define SIZES_16K	(SZ_16K | SZ_32M)
#define SIZES_64K	(SZ_64K | SZ_512M)

/* A place in a table of its own at every level but the first */
#define IOVA		((u64)SZ_1G * 5)

/* --- data gets where it should -------------------------------------------------- */

static void read_and_write(struct bench *b, unsigned long pgsizes)
{
	u64 last;

	if (!bench_open(b, pgsizes, BENCH_CHECKED))
		return;
	last = b->granule - DMA_LENGTH;

	bench_map(b, IOVA, b->target, RW);
	bench_expect_read(b, IOVA, b->target, SMMU_NO_FAULT);
	bench_expect_write(b, IOVA + last, b->target + last, SMMU_NO_FAULT);
	bench_expect_write(b, IOVA + b->granule, b->other, SMMU_TRANSLATION);
	bench_expect_write(b, IOVA - DMA_LENGTH, b->other, SMMU_TRANSLATION);
	bench_unmap(b, IOVA, b->granule, 0);
	bench_expect_write(b, IOVA, b->target, SMMU_TRANSLATION);

	bench_map_block(b, IOVA, b->target, RW);
	bench_expect_read(b, bench_in_block(b, IOVA, b->target), b->target, SMMU_NO_FAULT);
	bench_expect_write(b, bench_in_block(b, IOVA, b->target + last), b->target + last,
			   SMMU_NO_FAULT);
	bench_expect_write(b, IOVA + b->block, b->other, SMMU_TRANSLATION);
	bench_unmap(b, IOVA, b->block, 0);
	bench_expect_write(b, bench_in_block(b, IOVA, b->target), b->target,
			   SMMU_TRANSLATION);
	bench_close(b);
}

static void read_and_write_4k(struct bench *b)
{
	read_and_write(b, SIZES_4K);
}

static void read_and_write_16k(struct bench *b)
{
	read_and_write(b, SIZES_16K);
}

static void read_and_write_64k(struct bench *b)
{
	read_and_write(b, SIZES_64K);
}

static void read_only(struct bench *b)
{
	if (!bench_open(b, SIZES_4K, BENCH_CHECKED))
		return;
	bench_map(b, IOVA, b->target, IOMMU_READ);
	bench_expect_read(b, IOVA, b->target, SMMU_NO_FAULT);
	bench_expect_write(b, IOVA, b->target, SMMU_PERMISSION);
	bench_expect_read(b, IOVA, b->target, SMMU_NO_FAULT);
	bench_unmap(b, IOVA, SZ_4K, 0);
	bench_close(b);
}

/* --- after an unmap --------------------------------------------------------------- */

static void unmap_present(struct bench *b)
{
	struct io_pgtable_safe_unmap_result res;

	if (!bench_open(b, SIZES_4K, BENCH_CHECKED))
		return;
	bench_map(b, IOVA, b->target, RW);
	bench_map(b, IOVA + 5 * SZ_4K, b->other, RW);
	bench_expect_write(b, IOVA, b->target, SMMU_NO_FAULT);
	bench_expect_write(b, IOVA + 5 * SZ_4K, b->other, SMMU_NO_FAULT);
	res = io_pgtable_safe_unmap_present(b->pgt, IOVA, SZ_2M, 0);
	judge_expect(!res.err && res.unmapped == 2 * SZ_4K, "{%#llx, %d}", res.unmapped,
		     res.err);
	bench_expect_write(b, IOVA, b->target, SMMU_TRANSLATION);
	bench_expect_write(b, IOVA + 5 * SZ_4K, b->other, SMMU_TRANSLATION);
	bench_close(b);
}

/* The same place, other memory: nothing of the old may be remembered */
static void map_again(struct bench *b)
{
	if (!bench_open(b, SIZES_4K, BENCH_CHECKED))
		return;
	bench_map(b, IOVA, b->target, RW);
	bench_expect_write(b, IOVA, b->target, SMMU_NO_FAULT);
	bench_unmap(b, IOVA, SZ_4K, 0);
	bench_map(b, IOVA, b->other, RW);
	bench_expect_write(b, IOVA, b->other, SMMU_NO_FAULT);
	bench_unmap(b, IOVA, SZ_4K, 0);

	/* A block where a table was, and a table where a block was */
	bench_map_block(b, IOVA, b->target, RW);
	bench_expect_write(b, bench_in_block(b, IOVA, b->target), b->target, SMMU_NO_FAULT);
	bench_unmap(b, IOVA, SZ_2M, 0);
	bench_map(b, IOVA, b->other, RW);
	bench_expect_write(b, IOVA, b->other, SMMU_NO_FAULT);
	bench_unmap(b, IOVA, SZ_4K, 0);
	bench_close(b);
}

static void batched(struct bench *b)
{
	unsigned int before;
	u64 i;

	if (!bench_open(b, SIZES_4K, BENCH_CHECKED))
		return;
	for (i = 0; i < 3; i++) {
		bench_map(b, IOVA + i * SZ_4K, b->target, RW);
		bench_expect_write(b, IOVA + i * SZ_4K, b->target, SMMU_NO_FAULT);
	}
	before = b->flushes;
	for (i = 0; i < 3; i++)
		bench_unmap(b, IOVA + i * SZ_4K, SZ_4K, IO_PGTABLE_SAFE_NO_FLUSH);
	judge_expect(b->flushes == before, "%u flushes", b->flushes - before);
	/* The SMMU still remembers, which is what makes the rest worth anything */
	bench_expect_write(b, IOVA + SZ_4K, b->target, SMMU_NO_FAULT);

	judge_expect(!io_pgtable_safe_flush(b->pgt, IOVA, 3 * SZ_4K), "no flush");
	judge_expect(b->flushes == before + 1, "%u flushes", b->flushes - before);
	for (i = 0; i < 3; i++)
		bench_expect_write(b, IOVA + i * SZ_4K, b->target, SMMU_TRANSLATION);
	bench_close(b);
}

/* --- blocks that were cut ------------------------------------------------------------ */

/* The second page of the target's memory; the SMMU has the block in its TLB by then */
static struct io_pgtable_safe_unmap_result cut_second_page(struct bench *b, u64 *iova)
{
	bench_map_block(b, IOVA, b->target, RW);
	*iova = bench_in_block(b, IOVA, b->target);
	bench_expect_write(b, *iova, b->target, SMMU_NO_FAULT);
	bench_expect_write(b, *iova + SZ_4K, b->target + SZ_4K, SMMU_NO_FAULT);
	return io_pgtable_safe_cut(b->pgt, *iova + SZ_4K, SZ_4K, RW, GFP_KERNEL, 0);
}

static void cut_block(struct bench *b)
{
	struct io_pgtable_safe_unmap_result res;
	u64 iova;

	if (!bench_open(b, SIZES_4K, BENCH_CHECKED))
		return;
	res = cut_second_page(b, &iova);
	judge_expect(!res.err && res.unmapped == SZ_4K, "{%#llx, %d}", res.unmapped, res.err);
	bench_expect_write(b, iova + SZ_4K, b->target + SZ_4K, SMMU_TRANSLATION);
	bench_expect_read(b, iova, b->target, SMMU_NO_FAULT);
	bench_expect_write(b, iova, b->target, SMMU_NO_FAULT);
	bench_expect_write(b, iova + 2 * SZ_4K, b->target + 2 * SZ_4K, SMMU_NO_FAULT);

	bench_map(b, iova + SZ_4K, b->other, RW);
	bench_expect_write(b, iova + SZ_4K, b->other, SMMU_NO_FAULT);
	bench_unmap(b, IOVA, SZ_2M, 0);
	bench_expect_write(b, iova, b->target, SMMU_TRANSLATION);
	bench_close(b);
}

static void cut_out_of_memory(struct bench *b)
{
	struct io_pgtable_safe_unmap_result res;
	u64 iova;

	if (!bench_open(b, SIZES_4K, BENCH_FAILING_MEMORY))
		return;
	/* The tables down to the block's, so that the next is the one for its rest */
	b->plan.calls = -1;
	bench_map_block(b, IOVA + SZ_2M, b->target, RW);
	b->plan.calls = 0;
	res = cut_second_page(b, &iova);
	judge_expect(res.err == -ENOMEM && !res.unmapped, "{%#llx, %d}", res.unmapped, res.err);
	judge_expect(b->plan.failed == 1, "%u calls failed", b->plan.failed);
	bench_expect_write(b, iova, b->target, SMMU_NO_FAULT);
	bench_expect_write(b, iova + SZ_4K, b->target + SZ_4K, SMMU_NO_FAULT);
	b->plan.calls = -1;
	bench_unmap(b, IOVA, 2 * SZ_2M, 0);
	bench_close(b);
}

/* --- after a map that failed part-way ------------------------------------------------ */

/* Called when the call that fails is made: the first page is there by then */
static void while_failing(void *arg)
{
	struct bench *b = arg;

	bench_expect_write(b, IOVA + SZ_2M - SZ_4K, b->target, SMMU_NO_FAULT);
}

/* Two pages on both sides of the end of a table: two calls, two allocations */
static void fail_part_way(struct bench *b, enum bench_table which)
{
	struct io_pgtable_safe_map_result res;
	u64 iova = IOVA + SZ_2M - SZ_4K;

	if (!bench_open(b, SIZES_4K, which))
		return;
	b->plan.calls = 1;
	b->plan.hook = while_failing;
	b->plan.arg = b;
	/* So that there is a table for the first page, and none for the second */
	if (which == BENCH_FAILING_MEMORY) {
		b->plan.calls = -1;
		bench_map(b, IOVA, b->other, RW);
		b->plan.calls = 0;
	}

	res = io_pgtable_safe_map(b->pgt, iova, virt_to_phys(b->target), 2 * SZ_4K, RW,
				  GFP_KERNEL);
	judge_expect(res.err == -ENOMEM && !res.mapped, "{%#llx, %d}", res.mapped, res.err);
	judge_expect(b->plan.failed == 1, "%u calls failed", b->plan.failed);
	bench_expect_write(b, iova, b->target, SMMU_TRANSLATION);
	bench_expect_write(b, iova + SZ_4K, b->target + SZ_4K, SMMU_TRANSLATION);

	b->plan.calls = -1;
	if (which == BENCH_FAILING_MEMORY)
		bench_unmap(b, IOVA, SZ_4K, 0);
	bench_close(b);
}

static void failing_calls(struct bench *b)
{
	fail_part_way(b, BENCH_FAILING_CALLS);
}

static void failing_memory(struct bench *b)
{
	fail_part_way(b, BENCH_FAILING_MEMORY);
}

/* --- a table in use --------------------------------------------------------------------- */

static void live(struct bench *b)
{
	if (!bench_open(b, SIZES_4K, BENCH_CHECKED))
		return;
	bench_map(b, IOVA, b->target, RW);
	bench_expect_write(b, IOVA, b->target, SMMU_NO_FAULT);
	/* Refused, because bench_open() has made it live */
	io_pgtable_safe_free(b->pgt);
	smmu_invalidate_all(&b->smmu);
	bench_expect_write(b, IOVA, b->target, SMMU_NO_FAULT);
	bench_unmap(b, IOVA, SZ_4K, 0);
	bench_expect_write(b, IOVA, b->target, SMMU_TRANSLATION);
	bench_close(b);
}

/* --- controls ----------------------------------------------------------------------------- */

/*
 * The raw op with a NULL gather. Whether the format calls back depends on the
 * kernel; if it does not, the device can still write to memory that its driver
 * believes to be its own again.
 */
static void raw_unmap(struct bench *b)
{
	unsigned int before;
	size_t n;

	if (!bench_open(b, SIZES_4K, BENCH_RAW))
		return;
	bench_map(b, IOVA, b->target, RW);
	bench_expect_write(b, IOVA, b->target, SMMU_NO_FAULT);
	before = b->flushes;
	n = b->ops->unmap_pages(b->ops, IOVA, SZ_4K, 1, NULL);
	judge_expect(n == SZ_4K, "%zu", n);
	judge_note("unmapped by the raw op: %u flush callbacks, DMA %s",
		   b->flushes - before, b->flushes == before ? "still arrives" : "faults");
	bench_expect_write(b, IOVA, b->target,
			   b->flushes == before ? SMMU_NO_FAULT : SMMU_TRANSLATION);

	smmu_invalidate(&b->smmu, IOVA, SZ_4K, SZ_4K);
	bench_expect_write(b, IOVA, b->target, SMMU_TRANSLATION);
	bench_close(b);
}

/* A driver whose callbacks do nothing: the judge must see it */
static void suppressed_flush(struct bench *b)
{
	unsigned int misses;

	if (!bench_open(b, SIZES_4K, BENCH_CHECKED))
		return;
	bench_map(b, IOVA, b->target, RW);
	bench_expect_write(b, IOVA, b->target, SMMU_NO_FAULT);
	b->suppressed = true;
	bench_unmap(b, IOVA, SZ_4K, 0);

	judge_control_begin();
	bench_expect_write(b, IOVA, b->target, SMMU_TRANSLATION);
	misses = judge_control_end();
	judge_expect(misses, "DMA after an unmap without a flush was not seen");

	smmu_invalidate_all(&b->smmu);
	bench_expect_write(b, IOVA, b->target, SMMU_TRANSLATION);
	bench_close(b);
}

/* The same in the middle of a cut, where the block must be forgotten */
static void suppressed_flush_of_a_cut(struct bench *b)
{
	struct io_pgtable_safe_unmap_result res;
	unsigned int misses;
	u64 iova;

	if (!bench_open(b, SIZES_4K, BENCH_CHECKED))
		return;
	b->suppressed = true;
	res = cut_second_page(b, &iova);
	judge_expect(!res.err, "%d", res.err);

	judge_control_begin();
	bench_expect_write(b, iova + SZ_4K, b->target + SZ_4K, SMMU_TRANSLATION);
	misses = judge_control_end();
	judge_expect(misses, "DMA after a cut without a flush was not seen");

	smmu_invalidate_all(&b->smmu);
	bench_expect_write(b, iova + SZ_4K, b->target + SZ_4K, SMMU_TRANSLATION);
	judge_expect(io_pgtable_safe_unmap_present(b->pgt, IOVA, SZ_2M, 0).unmapped ==
		     SZ_2M - SZ_4K, "the rest");
	bench_close(b);
}

/* Data that goes elsewhere must be seen, too */
static void wrong_memory(struct bench *b)
{
	unsigned int misses;

	if (!bench_open(b, SIZES_4K, BENCH_CHECKED))
		return;
	bench_map(b, IOVA, b->other, RW);
	judge_control_begin();
	bench_expect_write(b, IOVA, b->target, SMMU_NO_FAULT);
	bench_expect_read(b, IOVA, b->target, SMMU_NO_FAULT);
	misses = judge_control_end();
	judge_expect(misses >= 2, "data in other memory was not seen");
	bench_unmap(b, IOVA, SZ_4K, 0);
	bench_close(b);
}

/* -------------------------------------------------------------------------------------------- */

struct smmu_case {
	const char *name;
	void (*run)(struct bench *b);
};

static const struct smmu_case cases[] = {
	{ "data through 4K pages and 2M blocks", read_and_write_4k },
	{ "data through 16K pages and 32M blocks", read_and_write_16k },
	{ "data through 64K pages and 512M blocks", read_and_write_64k },
	{ "writes to a read-only page fault", read_only },
	{ "DMA faults after unmap_present", unmap_present },
	{ "DMA goes to what is mapped now", map_again },
	{ "DMA faults after the flush of a batch", batched },
	{ "DMA goes through what is left of a block that was cut", cut_block },
	{ "DMA goes through a block that could not be cut", cut_out_of_memory },
	{ "DMA faults after a map whose second call failed", failing_calls },
	{ "DMA faults after a map that ran out of memory", failing_memory },
	{ "DMA goes on after the free of a live table was refused", live },
};

static const struct smmu_case controls[] = {
	{ "DMA after an unmap by the raw op without a gather", raw_unmap },
	{ "a flush that does nothing is seen", suppressed_flush },
	{ "a flush that does nothing in a cut is seen", suppressed_flush_of_a_cut },
	{ "data in other memory is seen", wrong_memory },
};

static const char *case_name(unsigned int i)
{
	return cases[i].name;
}

static void run_case(unsigned int i)
{
	static struct bench bench;

	cases[i].run(&bench);
}

const struct judge_suite smmu_suite = {
	.name = "smmu",
	.count = ARRAY_SIZE(cases),
	.case_name = case_name,
	.run = run_case,
};

static const char *control_name(unsigned int i)
{
	return controls[i].name;
}

static void run_control(unsigned int i)
{
	static struct bench bench;

	controls[i].run(&bench);
}

const struct judge_suite smmu_controls_suite = {
	.name = "smmu_controls",
	.count = ARRAY_SIZE(controls),
	.case_name = control_name,
	.run = run_control,
};
