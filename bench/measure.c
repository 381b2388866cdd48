// SPDX-License-Identifier: GPL-2.0
/*
 * One case: all its variants, taking turns within one run, on one CPU.
 */
#include <linux/irqflags.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "bench.h"
#include "clock.h"

/* The first batches meet cold caches and page tables without tables */
#define WARMUP		8
/* Random pages are among these: 64 GiB of 4K */
#define RANDOM_BITS	24
#define RANDOM_SIZE	(BIT_ULL(RANDOM_BITS) * SZ_4K)

/**
 * struct run - A case while it is measured.
 * @c: The case.
 * @n: Number of variants that this kernel has.
 * @variant: These variants.
 * @table: A page table for each.
 * @samples: What was measured of each.
 * @batch: What each of them does.
 * @iova: Where @batch maps.
 * @victim: Where it unmaps: elsewhere if pages are live all the time.
 * @sgt: What @batch maps, if the case is one of scatter-gather tables.
 * @next: Counts random pages.
 */
struct run {
	const struct bench_case *c;
	unsigned int n;
	const struct bench_variant *variant[BENCH_MAX_VARIANTS];
	struct bench_table table[BENCH_MAX_VARIANTS];
	struct bench_samples samples[BENCH_MAX_VARIANTS];
	struct bench_batch batch;
	u64 *iova;
	u64 *victim;
	struct sg_table sgt;
	u64 next;
};

u64 bench_base(const struct bench_case *c)
{
	return c->format == BENCH_V7S ? SZ_256M : 1ULL << 40;
}

void bench_batch_init(struct bench_batch *b, const struct bench_case *c)
{
	*b = (struct bench_batch){
		.ops = c->ops,
		.gfp = GFP_NOWAIT | __GFP_NOWARN,
		.pgsize = c->pgsize,
		.shift = __ffs(c->pgsize),
		.pgcount = c->pgcount,
		.size = (u64)c->pgsize * c->pgcount,
		.unmap_pgsize = c->unmap_pgsize ?: c->pgsize,
		.block = c->block,
		.skew = c->skew,
		.fence = c->fence,
	};
	b->unmap_shift = __ffs(b->unmap_pgsize);
}

/* The i-th page in an order without order, in which none comes twice */
static u64 random_page(u64 i)
{
	u64 mask = BIT_ULL(RANDOM_BITS) - 1;

	i = (i * 0x9e3779b1 + 0x7f4a7c15) & mask;
	i ^= i >> 11;
	i = (i * 0x85ebca6b) & mask;
	i ^= i >> 13;
	return i;
}

static u64 random_iova(const struct run *run, u64 i)
{
	return bench_base(run->c) + random_page(i) * SZ_4K;
}

/* Where the next batch maps and unmaps: the oldest of what is live goes */
static void choose_iova(struct run *run)
{
	const struct bench_case *c = run->c;
	unsigned int i;

	if (!c->live)
		return;
	for (i = 0; i < c->ops; i++) {
		run->iova[i] = random_iova(run, run->next + i);
		run->victim[i] = random_iova(run, run->next + i - c->live);
	}
	run->next += c->ops;
}

/*
 * Interrupts stay off for the batch. It is short, and UML's own way to turn them
 * off and on is a system call each, which no other kernel has in a spin_lock:
 * done before, it isn't done again inside.
 */
static int time_batch(int (*fn)(struct bench_table *t, const struct bench_batch *b),
		      struct bench_table *t, const struct bench_batch *b, u64 *ticks)
{
	unsigned long flags;
	u64 start;
	int err;

	local_irq_save(flags);
	start = bench_clock();
	err = fn(t, b);
	*ticks = bench_clock() - start;
	local_irq_restore(flags);
	return err;
}

/* --- preparation ------------------------------------------------------------- */

static int make_sg(struct run *run)
{
	const struct bench_case *c = run->c;
	struct scatterlist *sg;
	unsigned int i;
	u64 gap = c->contiguous ? 0 : c->pgsize;
	int err;

	err = sg_alloc_table(&run->sgt, c->pgcount, GFP_KERNEL);
	if (err)
		return err;
	for_each_sgtable_dma_sg(&run->sgt, sg, i) {
		sg->length = c->pgsize;
		sg_dma_address(sg) = bench_base(c) + i * (c->pgsize + gap);
		sg_dma_len(sg) = c->pgsize;
	}
	run->batch.sgt = &run->sgt;
	return 0;
}

static int make_tables(struct run *run)
{
	const struct bench_case *c = run->c;
	const struct bench_variant *const *v;
	int err;

	for (v = c->variants; *v; v++) {
		err = bench_table_create(&run->table[run->n], (*v)->kind, c->format,
					 false);
		if (err == -EOPNOTSUPP)
			continue;
		if (err)
			return err;
		run->variant[run->n++] = *v;
	}
	return 0;
}

/*
 * Unmapping pages leaves the table that they were in. Who maps and unmaps at random
 * for long enough has all tables there are, and only then does each operation cost
 * what the one before did.
 */
static int touch_tables(struct run *run)
{
	struct bench_batch touch = run->batch;
	u64 pos, ticks;
	unsigned int i, v;
	int err = 0;

	for (pos = 0; pos < RANDOM_SIZE && !err; pos += (u64)touch.ops * SZ_2M) {
		for (i = 0; i < touch.ops; i++)
			run->iova[i] = bench_base(run->c) + pos + (u64)i * SZ_2M;
		for (v = 0; v < run->n && !err; v++)
			err = time_batch(run->variant[v]->map, &run->table[v], &touch, &ticks) ?:
			      time_batch(run->variant[v]->unmap, &run->table[v], &touch, &ticks);
		cond_resched();
	}
	return err;
}

/* Map what is live all the time */
static int fill_tables(struct run *run)
{
	const struct bench_case *c = run->c;
	struct bench_batch fill = run->batch;
	unsigned int i, v;
	u64 ticks;
	int err;

	while (run->next < c->live) {
		fill.ops = min_t(u64, c->ops, c->live - run->next);
		for (i = 0; i < fill.ops; i++)
			run->iova[i] = random_iova(run, run->next + i);
		for (v = 0; v < run->n; v++) {
			err = time_batch(run->variant[v]->map, &run->table[v], &fill, &ticks);
			if (err)
				return err;
		}
		run->next += fill.ops;
		cond_resched();
	}
	return 0;
}

static int prepare(struct run *run, unsigned int batches)
{
	const struct bench_case *c = run->c;
	unsigned int i, v;
	int err;

	run->iova = kcalloc(2 * c->ops, sizeof(*run->iova), GFP_KERNEL);
	if (!run->iova)
		return -ENOMEM;
	run->victim = c->live ? run->iova + c->ops : run->iova;
	bench_batch_init(&run->batch, c);
	run->batch.iova = run->iova;
	for (i = 0; i < c->ops; i++)
		run->iova[i] = bench_base(c) + c->offset + i * run->batch.size;

	err = make_tables(run);
	if (!err && c->sg)
		err = make_sg(run);
	for (v = 0; v < run->n && !err; v++)
		err = bench_samples_alloc(&run->samples[v], batches);
	if (!err && c->live)
		err = touch_tables(run);
	return err ?: fill_tables(run);
}

static void clean_up(struct run *run)
{
	unsigned int v;

	for (v = 0; v < run->n; v++) {
		bench_samples_free(&run->samples[v]);
		bench_table_destroy(&run->table[v]);
	}
	if (run->batch.sgt)
		sg_free_table(&run->sgt);
	kfree(run->iova);
}

/* --- measurement ------------------------------------------------------------- */

/* Is everything mapped that should be, and nothing else? */
static int check_table(struct run *run, unsigned int v, const u64 *iova, bool mapped)
{
	struct bench_batch *b = &run->batch;
	unsigned int i;
	u64 last;

	for (i = 0; i < b->ops; i++) {
		last = iova[i] + b->size - b->pgsize;
		if (!bench_table_phys(&run->table[v], iova[i]) == mapped ||
		    !bench_table_phys(&run->table[v], last) == mapped)
			return -EUCLEAN;
	}
	return 0;
}

/*
 * What the variant before has left in the caches is not this one's to pay, and a
 * short batch would notice. Random pages are there to miss the caches.
 */
static int warm_up(struct run *run, unsigned int v)
{
	struct bench_batch *b = &run->batch;
	u64 ticks;

	if (run->c->live)
		return 0;
	b->iova = run->iova;
	return time_batch(run->variant[v]->map, &run->table[v], b, &ticks) ?:
	       time_batch(run->variant[v]->unmap, &run->table[v], b, &ticks);
}

static int run_variant(struct run *run, unsigned int v, u64 ticks[BENCH_NUM_OPS],
		       bool check)
{
	const struct bench_variant *variant = run->variant[v];
	struct bench_batch *b = &run->batch;
	int err;

	err = warm_up(run, v);
	if (err)
		return err;
	b->iova = run->iova;
	err = time_batch(variant->map, &run->table[v], b, &ticks[BENCH_MAP]);
	if (!err && check)
		err = check_table(run, v, run->iova, true);
	if (err)
		return err;

	b->iova = run->victim;
	err = time_batch(variant->unmap, &run->table[v], b, &ticks[BENCH_UNMAP]);
	if (!err && check)
		err = check_table(run, v, run->victim, false);
	ticks[BENCH_BOTH] = ticks[BENCH_MAP] + ticks[BENCH_UNMAP];
	return err;
}

static int run_batches(struct run *run, unsigned int batches)
{
	u64 ticks[BENCH_NUM_OPS];
	unsigned int i, j, v, op;
	int err;

	for (i = 0; i < batches + WARMUP; i++) {
		choose_iova(run);
		for (j = 0; j < run->n; j++) {
			/* Nobody is always the first, or always behind the same */
			v = i & 1 ? (i + run->n - j) % run->n : (i + j) % run->n;
			err = run_variant(run, v, ticks, i < WARMUP);
			if (err) {
				pr_err("bench: %s, %s: error %d\n", run->c->name,
				       run->variant[v]->name, err);
				return err;
			}
			for (op = 0; op < BENCH_NUM_OPS && i >= WARMUP; op++)
				run->samples[v].ticks[op][i - WARMUP] = ticks[op];
		}
		cond_resched();
	}
	return 0;
}

/**
 * bench_measure() - Measure a case and report it.
 * @c: The case.
 * @batches: Number of samples; the case may want fewer.
 *
 * Return: 0 or a negative errno.
 */
int bench_measure(const struct bench_case *c, unsigned int batches)
{
	struct run *run = kzalloc(sizeof(*run), GFP_KERNEL);
	unsigned int v;
	int err;

	if (!run)
		return -ENOMEM;
	run->c = c;
	if (c->batches)
		batches = min(batches, c->batches);
	err = prepare(run, batches);
	if (!err)
		err = run_batches(run, batches);
	for (v = 0; v < run->n && !err; v++)
		bench_report(c->name, run->variant[v]->name, &run->samples[v],
			     &run->samples[0], batches, c->ops);
	clean_up(run);
	kfree(run);
	return err;
}
