// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that map and unmap in one page table at the same time, in ranges that
 * have nothing to do with each other.
 */
#include <linux/atomic.h>
#include <linux/cache.h>
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
/* How often a round is repeated if the threads missed each other */
#define MAX_MISSES	50
/* A host that has not let them meet in so many turns will not do so later */
#define MAX_FAILURES	20
/* How often each thread hands a cache line over to the next one, and in how many rounds */
#define HANDOVERS	1000
#define HANDOVER_ROUNDS	50

/**
 * struct worker - A thread.
 * @task: The thread.
 * @team: Those that start at the same moment.
 * @batch: What it does.
 * @iova: Where.
 * @start: Its team may go.
 * @from: When its last map and its last unmap began.
 * @ticks: What its last batch took.
 * @err: What came of it.
 */
struct worker {
	struct task_struct *task;
	struct team *team;
	struct bench_batch batch;
	u64 *iova;
	struct completion start;
	u64 from[BENCH_BOTH];
	u64 ticks[BENCH_NUM_OPS];
	int err;
};

/**
 * struct team - Threads that start at the same moment.
 * @n: How many.
 * @arrived: How often one of them got to a point where all wait for each other.
 * @done: The last is done.
 * @running: How many are not.
 * @variant: What they run; without any they hand @ball over to each other.
 * @table: On what.
 * @stop: They are to end.
 * @ball: Counts how often it was handed over.
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
	atomic_t ball ____cacheline_aligned;
	struct worker worker[MAX_THREADS] ____cacheline_aligned;
};

static void meet(struct team *team, unsigned int times)
{
	atomic_inc(&team->arrived);
	while (atomic_read(&team->arrived) < team->n * times)
		cpu_relax();
}

static void time_together(struct worker *w, enum bench_op op, unsigned int times)
{
	struct team *team = w->team;

	meet(team, times);
	w->from[op] = bench_clock();
	if (!w->err)
		w->err = (op == BENCH_MAP ? team->variant->map : team->variant->unmap)
				(team->table, &w->batch);
	w->ticks[op] = bench_clock() - w->from[op];
}

/* How long a cache line takes from one CPU to another */
static void hand_over(struct worker *w)
{
	struct team *team = w->team;
	unsigned int i, turn = w - team->worker;
	unsigned long flags;

	local_irq_save(flags);
	meet(team, 1);
	w->from[BENCH_MAP] = bench_clock();
	for (i = 0; i < HANDOVERS; i++, turn += team->n) {
		while (atomic_read_acquire(&team->ball) != turn)
			cpu_relax();
		atomic_set_release(&team->ball, turn + 1);
	}
	w->ticks[BENCH_MAP] = bench_clock() - w->from[BENCH_MAP];
	local_irq_restore(flags);
}

/* Twice, as with one thread: the first time warms the caches */
static void work(struct worker *w)
{
	unsigned long flags;
	unsigned int i;

	w->err = 0;
	local_irq_save(flags);
	for (i = 0; i < 2; i++) {
		time_together(w, BENCH_MAP, 2 * i + 1);
		time_together(w, BENCH_UNMAP, 2 * i + 2);
	}
	local_irq_restore(flags);
	w->ticks[BENCH_BOTH] = w->ticks[BENCH_MAP] + w->ticks[BENCH_UNMAP];
}

static int worker_main(void *data)
{
	struct worker *w = data;

	for (;;) {
		wait_for_completion(&w->start);
		if (w->team->stop)
			break;
		if (w->team->variant)
			work(w);
		else
			hand_over(w);
		if (atomic_dec_and_test(&w->team->running))
			complete(&w->team->done);
	}
	return 0;
}

/*
 * Did all of them run at the same time? A host with other things to do may have
 * let one wait meanwhile, and then the others had the page table for themselves.
 */
static bool ran_together(const struct team *team, enum bench_op op)
{
	u64 from = 0, to = U64_MAX, longest = 0;
	unsigned int i;

	for (i = 0; i < team->n; i++) {
		const struct worker *w = &team->worker[i];

		from = max(from, w->from[op]);
		to = min(to, w->from[op] + w->ticks[op]);
		longest = max(longest, w->ticks[op]);
	}
	return to > from && to - from > longest / 4 * 3;
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

/* At its fastest: the host may have let any of them wait meanwhile */
static int measure_handover(unsigned int n, const struct bench_case *c)
{
	struct team *team = team_alloc(n, c);
	u64 ticks[BENCH_NUM_OPS], least = U64_MAX;
	unsigned int i;

	if (IS_ERR(team))
		return PTR_ERR(team);
	for (i = 0; i < HANDOVER_ROUNDS; i++) {
		atomic_set(&team->ball, 0);
		team_round(team, ticks);
		least = min(least, ticks[BENCH_MAP]);
	}
	team_free(team);
	bench_report_time("handover_ps", least, HANDOVERS * n);
	return 0;
}

/* -EAGAIN if they never did */
static int team_round_together(struct team *team, u64 ticks[BENCH_NUM_OPS])
{
	unsigned int misses;
	int err;

	for (misses = 0; misses < MAX_MISSES; misses++) {
		err = team_round(team, ticks);
		if (err || (ran_together(team, BENCH_MAP) && ran_together(team, BENCH_UNMAP)))
			return err;
	}
	return -EAGAIN;
}

/* All variants take turns, as with one thread */
static int team_turn(struct team *team, const struct bench_case *c,
		     struct bench_table *table, bool backwards,
		     u64 ticks[BENCH_MAX_VARIANTS][BENCH_NUM_OPS])
{
	unsigned int i, v, n = 0;
	int err = 0;

	while (c->variants[n])
		n++;
	for (i = 0; i < n && !err; i++) {
		v = backwards ? n - 1 - i : i;
		team->variant = c->variants[v];
		team->table = &table[v];
		err = team_round_together(team, ticks[v]);
	}
	return err;
}

/* Returns how many samples there are, or a negative errno */
static int team_batches(struct team *team, const struct bench_case *c,
			struct bench_table *table, struct bench_samples *samples,
			unsigned int batches)
{
	u64 ticks[BENCH_MAX_VARIANTS][BENCH_NUM_OPS];
	unsigned int i, v, op, failed = 0;
	int err, n = 0;

	for (i = 0; i < batches + WARMUP; i++) {
		if (failed == MAX_FAILURES && !n)
			break;
		err = team_turn(team, c, table, i & 1, ticks);
		if (err && err != -EAGAIN)
			return err;
		failed += !!err;
		if (err || i < WARMUP)
			continue;
		for (v = 0; c->variants[v]; v++)
			for (op = 0; op < BENCH_NUM_OPS; op++)
				samples[v].ticks[op][n] = ticks[v][op];
		n++;
	}
	return n;
}

static void team_report(const char *name, const struct bench_case *c,
			const struct bench_samples *samples, unsigned int n)
{
	unsigned int v;

	if (!n)
		pr_info("bench: {\"left_out\": \"%s\"}\n", name);
	for (v = 0; c->variants[v] && n; v++)
		bench_report(name, c->variants[v]->name, &samples[v], &samples[0], n, c->ops);
}

static int measure_team(const struct bench_case *c, const char *name,
			unsigned int n, unsigned int batches)
{
	struct bench_samples samples[BENCH_MAX_VARIANTS] = {};
	struct bench_table table[BENCH_MAX_VARIANTS] = {};
	struct team *team;
	unsigned int v;
	int ret = 0;

	team = team_alloc(n, c);
	if (IS_ERR(team))
		return PTR_ERR(team);

	for (v = 0; c->variants[v] && !ret; v++) {
		ret = bench_table_create(&table[v], c->variants[v]->kind, c->format, false);
		if (!ret)
			ret = bench_samples_alloc(&samples[v], batches);
	}
	if (!ret)
		ret = team_batches(team, c, table, samples, batches);
	if (ret >= 0)
		team_report(name, c, samples, ret);
	for (v = 0; c->variants[v]; v++) {
		bench_samples_free(&samples[v]);
		bench_table_destroy(&table[v]);
	}
	team_free(team);
	return min(ret, 0);
}

static const struct bench_case team_cases[] = {
	{ "1 x 4K", .variants = bench_thread_variants, .pgsize = SZ_4K, .pgcount = 1,
	  .ops = 512 },
	{ "16 x 4K", .variants = bench_thread_variants, .pgsize = SZ_4K, .pgcount = 16,
	  .ops = 128 },
	{ "512 x 4K", .variants = bench_thread_variants, .pgsize = SZ_4K, .pgcount = 512,
	  .ops = 16, .offset = SZ_1M },
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

	if (max > 1 && bench_wanted("2 threads", only)) {
		err = measure_handover(2, &team_cases[0]);
		if (err)
			return err;
	}
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
