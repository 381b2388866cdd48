// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that map and unmap in one page table at the same time, in ranges that
 * have nothing to do with each other.
 */
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/printk.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "bench.h"
#include "clock.h"

#define MAX_THREADS	8
#define WARMUP		4

/**
 * struct worker - A thread.
 * @task: The thread.
 * @team: Those that start at the same moment.
 * @batch: What it does.
 * @iova: Where.
 * @start: Its team may go.
 * @ticks: What its last batch took.
 * @err: What came of it.
 */
struct worker {
	struct task_struct *task;
	struct team *team;
	struct bench_batch batch;
	u64 *iova;
	struct completion start;
	u64 ticks[BENCH_NUM_OPS];
	int err;
};

/**
 * struct team - Threads that start at the same moment.
 * @n: How many.
 * @arrived: How often one of them got to a point where all wait for each other.
 * @done: The last is done.
 * @running: How many are not.
 * @variant: What they run.
 * @table: On what.
 * @stop: They are to end.
 * @worker: The threads.
 */
struct team {
	unsigned int n;
	atomic_t arrived;
	struct completion done;
	atomic_t running;
	const struct bench_variant *variant;
	struct bench_table *table;
	bool stop;
	struct worker worker[MAX_THREADS];
};

static void meet(struct team *team, unsigned int times)
{
	atomic_inc(&team->arrived);
	while (atomic_read(&team->arrived) < team->n * times)
		cpu_relax();
}

static void work(struct worker *w)
{
	struct team *team = w->team;
	unsigned long flags;
	u64 t[3] = {};

	local_irq_save(flags);
	meet(team, 1);
	t[0] = bench_clock();
	w->err = team->variant->map(team->table, &w->batch);
	t[1] = bench_clock();
	w->ticks[BENCH_MAP] = t[1] - t[0];

	meet(team, 2);
	t[1] = bench_clock();
	if (!w->err)
		w->err = team->variant->unmap(team->table, &w->batch);
	t[2] = bench_clock();
	local_irq_restore(flags);

	w->ticks[BENCH_UNMAP] = t[2] - t[1];
	w->ticks[BENCH_BOTH] = w->ticks[BENCH_MAP] + w->ticks[BENCH_UNMAP];
}

static int worker_main(void *data)
{
	struct worker *w = data;

	for (;;) {
		wait_for_completion(&w->start);
		if (w->team->stop)
			break;
		work(w);
		if (atomic_dec_and_test(&w->team->running))
			complete(&w->team->done);
	}
	return 0;
}

static int team_round(struct team *team, u64 ticks[BENCH_NUM_OPS])
{
	unsigned int i, op;
	int err = 0;

	atomic_set(&team->arrived, 0);
	atomic_set(&team->running, team->n);
	for (i = 0; i < team->n; i++)
		complete(&team->worker[i].start);
	wait_for_completion(&team->done);

	for (op = 0; op < BENCH_NUM_OPS; op++) {
		ticks[op] = 0;
		for (i = 0; i < team->n; i++) {
			ticks[op] += team->worker[i].ticks[op];
			err = err ?: team->worker[i].err;
		}
		ticks[op] /= team->n;
	}
	return err;
}

static int worker_init(struct worker *w, unsigned int i, const struct bench_case *c)
{
	unsigned int k;

	init_completion(&w->start);
	bench_batch_init(&w->batch, c);
	w->iova = kcalloc(c->ops, sizeof(*w->iova), GFP_KERNEL);
	if (!w->iova)
		return -ENOMEM;
	for (k = 0; k < c->ops; k++)
		w->iova[k] = bench_base(c) + c->offset + i * 16ULL * SZ_1G +
			     k * w->batch.size;
	w->batch.iova = w->iova;

	w->task = kthread_create(worker_main, w, "bench/%u", i);
	if (IS_ERR(w->task)) {
		int err = PTR_ERR(w->task);

		w->task = NULL;
		return err;
	}
	get_task_struct(w->task);
	kthread_bind(w->task, i);
	wake_up_process(w->task);
	return 0;
}

static void team_free(struct team *team)
{
	unsigned int i;

	team->stop = true;
	for (i = 0; i < team->n; i++) {
		struct worker *w = &team->worker[i];

		if (w->task) {
			complete(&w->start);
			kthread_stop(w->task);
			put_task_struct(w->task);
		}
		kfree(w->iova);
	}
	kfree(team);
}

static struct team *team_alloc(unsigned int n, const struct bench_case *c)
{
	struct team *team = kzalloc(sizeof(*team), GFP_KERNEL);
	unsigned int i;
	int err;

	if (!team)
		return ERR_PTR(-ENOMEM);
	team->n = n;
	init_completion(&team->done);
	for (i = 0; i < n; i++) {
		team->worker[i].team = team;
		err = worker_init(&team->worker[i], i, c);
		if (err) {
			team_free(team);
			return ERR_PTR(err);
		}
	}
	return team;
}

/* All variants take turns, as with one thread */
static int team_batches(struct team *team, const struct bench_case *c,
			struct bench_table *table, struct bench_samples *samples,
			unsigned int batches)
{
	u64 ticks[BENCH_NUM_OPS];
	unsigned int i, v, op;
	int err;

	for (i = 0; i < batches + WARMUP; i++) {
		for (v = 0; c->variants[v]; v++) {
			team->variant = c->variants[v];
			team->table = &table[v];
			err = team_round(team, ticks);
			if (err)
				return err;
			for (op = 0; op < BENCH_NUM_OPS && i >= WARMUP; op++)
				samples[v].ticks[op][i - WARMUP] = ticks[op];
		}
	}
	return 0;
}

static int measure_team(const struct bench_case *c, const char *name,
			unsigned int n, unsigned int batches)
{
	struct bench_samples samples[BENCH_MAX_VARIANTS] = {};
	struct bench_table table[BENCH_MAX_VARIANTS] = {};
	struct team *team;
	unsigned int v;
	int err = 0;

	team = team_alloc(n, c);
	if (IS_ERR(team))
		return PTR_ERR(team);

	for (v = 0; c->variants[v] && !err; v++) {
		err = bench_table_create(&table[v], c->variants[v]->kind, c->format, false);
		if (!err)
			err = bench_samples_alloc(&samples[v], batches);
	}
	if (!err)
		err = team_batches(team, c, table, samples, batches);
	for (v = 0; c->variants[v] && !err; v++)
		bench_report(name, c->variants[v]->name, &samples[v], &samples[0],
			     batches, c->ops);
	for (v = 0; c->variants[v]; v++) {
		bench_samples_free(&samples[v]);
		bench_table_destroy(&table[v]);
	}
	team_free(team);
	return err;
}

static const struct bench_case team_cases[] = {
	{ "1 x 4K", .variants = bench_short_variants, .pgsize = SZ_4K, .pgcount = 1,
	  .ops = 2048 },
	{ "16 x 4K", .variants = bench_short_variants, .pgsize = SZ_4K, .pgcount = 16,
	  .ops = 512 },
	{ "512 x 4K", .variants = bench_short_variants, .pgsize = SZ_4K, .pgcount = 512,
	  .ops = 64, .offset = SZ_1M },
};

static void team_name(char *name, size_t len, unsigned int n,
		      const struct bench_case *c)
{
	snprintf(name, len, "%u thread%s, %s", n, n > 1 ? "s" : "", c->name);
}

/**
 * bench_threads() - Measure and report what depends on the number of threads.
 * @batches: Number of samples.
 * @only: Run only cases whose names have this in them.
 *
 * Return: 0 or a negative errno.
 */
int bench_threads(unsigned int batches, const char *only)
{
	unsigned int n, i, max = min(num_online_cpus(), MAX_THREADS);
	char name[48];
	int err;

	for (n = 1; n <= max; n *= 2) {
		for (i = 0; i < ARRAY_SIZE(team_cases); i++) {
			team_name(name, sizeof(name), n, &team_cases[i]);
			if (!bench_wanted(name, only))
				continue;
			err = measure_team(&team_cases[i], name, n, batches);
			if (err)
				return err;
		}
	}
	return 0;
}
