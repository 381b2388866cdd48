// SPDX-License-Identifier: GPL-2.0
/*
 * How much memory the ledger takes, beside that of the page table.
 */
#include <linux/delay.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/mm.h>

#include "bench.h"

/* Dense: one table with this much mapped in pages of 4K */
#define DENSE_SIZE	(128ULL * SZ_1G)
/* Sparse: tables with pages strewn over 256 TiB, many so that it can be measured */
#define SPARSE_TABLES	128
#define SPARSE_PAGES	64
#define SPARSE_STRIDE	((1ULL << 48) / SPARSE_PAGES)

/*
 * All that the kernel got from kmalloc() and the like, in pages. Each CPU counts
 * for itself and adds it up every second.
 */
static long slab_pages(void)
{
	msleep(3000);
	return global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B);
}

/* Memory that cannot be mapped with anything larger than a page */
static int fill_dense(struct bench_table *t)
{
	u64 base = SZ_1G, pos;
	int err;

	for (pos = 0; pos < DENSE_SIZE; pos += SZ_2M) {
		err = io_pgtable_safe_map(t->pgt, base + pos, base + pos + SZ_4K, SZ_2M,
					  BENCH_PROT, GFP_KERNEL).err;
		if (err)
			return err;
		if (pos % SZ_1G == 0)
			cond_resched();
	}
	return 0;
}

static int fill_sparse(struct bench_table *t)
{
	u64 i;
	int err;

	for (i = 0; i < SPARSE_PAGES; i++) {
		err = io_pgtable_safe_map(t->pgt, i * SPARSE_STRIDE + i * SZ_4K, SZ_2M,
					  SZ_4K, BENCH_PROT, GFP_KERNEL).err;
		if (err)
			return err;
	}
	return 0;
}

static int empty(struct bench_table *t)
{
	return io_pgtable_safe_unmap_present(t->pgt, 0, 1ULL << 48, 0).err;
}

static void report(const char *name, unsigned int n, long table, long full, long left)
{
	pr_info("bench: {\"memory\": \"%s\", \"tables\": %u, \"table_kib\": %ld, \"ledger_kib\": %ld, \"emptied_kib\": %ld}\n",
		name, n, table * (PAGE_SIZE / SZ_1K), full * (long)(PAGE_SIZE / SZ_1K),
		left * (long)(PAGE_SIZE / SZ_1K));
}

static int measure_memory(const char *name, unsigned int n,
			  int (*fill)(struct bench_table *t))
{
	struct bench_table *t = kcalloc(n, sizeof(*t), GFP_KERNEL);
	long before, full, left, table = 0;
	unsigned int i;
	int err = 0;

	if (!t)
		return -ENOMEM;
	before = slab_pages();
	for (i = 0; i < n && !err; i++) {
		err = bench_table_create(&t[i], BENCH_SAFE, BENCH_LPAE, true);
		if (!err)
			err = fill(&t[i]);
		table += t[i].pages;
	}
	full = slab_pages() - before;
	for (i = 0; i < n && !err; i++)
		err = empty(&t[i]);
	left = slab_pages() - before;
	if (!err)
		report(name, n, table, full, left);

	for (i = 0; i < n; i++)
		bench_table_destroy(&t[i]);
	kfree(t);
	return err;
}

/**
 * bench_memory() - Measure and report memory.
 * @only: Run only cases whose names have this in them.
 *
 * Return: 0 or a negative errno.
 */
int bench_memory(const char *only)
{
	int err = 0;

	if (!BENCH_COUNTS_PAGES)
		return 0;
	if (bench_wanted("memory, dense", only))
		err = measure_memory("dense", 1, fill_dense);
	if (!err && bench_wanted("memory, sparse", only))
		err = measure_memory("sparse", SPARSE_TABLES, fill_sparse);
	return err;
}
