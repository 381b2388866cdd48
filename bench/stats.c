// SPDX-License-Identifier: GPL-2.0
/*
 * Medians and spread, and the lines that scripts/bench reads.
 */
#include <linux/delay.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/spinlock.h>

#include "bench.h"
#include "clock.h"

/* Ticks of the clock in a second */
static u64 clock_rate;

static const char * const op_names[BENCH_NUM_OPS] = {
	[BENCH_MAP] = "map", [BENCH_UNMAP] = "unmap", [BENCH_BOTH] = "both",
};

/* Percentiles that are reported */
static const unsigned int percents[] = { 0, 10, 25, 50, 75, 90 };

/* What one of so many took that took so many ticks together */
void bench_report_time(const char *name, u64 ticks, unsigned int times)
{
	pr_info("bench: {\"%s\": %llu}\n", name,
		mul_u64_u64_div_u64(ticks, 1000000000000ULL / times, clock_rate));
}

/* How long an instruction takes: constant only where the clock counts them */
static void report_insn(void)
{
#ifdef BENCH_SPIN_INSNS
	const unsigned long turns = 1000000;
	unsigned int i;
	u64 start;

	for (i = 0; i < 3; i++) {
		start = bench_clock();
		bench_spin(turns);
		pr_info("bench: {\"ps_per_insn\": %llu}\n",
			mul_u64_u64_div_u64(bench_clock() - start, 1000000000000ULL,
					    clock_rate) / (turns * BENCH_SPIN_INSNS));
	}
#endif
}

/*
 * What a critical section takes that nobody else wants to be in. Interrupts are
 * off, as they are where something is measured.
 */
static void report_lock(void)
{
	static DEFINE_SPINLOCK(lock);
	const unsigned int turns = 10000;
	unsigned long flags, inner;
	unsigned int i;
	u64 ticks;

	local_irq_save(flags);
	ticks = bench_clock();
	for (i = 0; i < turns; i++) {
		spin_lock_irqsave(&lock, inner);
		spin_unlock_irqrestore(&lock, inner);
	}
	ticks = bench_clock() - ticks;
	local_irq_restore(flags);
	bench_report_time("lock_ps", ticks, turns);
}

void bench_calibrate(void)
{
#ifdef CONFIG_ARM64
	clock_rate = read_sysreg(cntfrq_el0);
#else
	u64 ticks = bench_clock(), ns = ktime_get_ns();

	msleep(200);
	ns = ktime_get_ns() - ns;
	clock_rate = mul_u64_u64_div_u64(bench_clock() - ticks, NSEC_PER_SEC, ns);
#endif
	pr_info("bench: {\"clock\": %llu}\n", clock_rate);
	report_insn();
	report_lock();
}

int bench_samples_alloc(struct bench_samples *s, unsigned int batches)
{
	unsigned int op;

	for (op = 0; op < BENCH_NUM_OPS; op++) {
		s->ticks[op] = kvcalloc(batches, sizeof(u64), GFP_KERNEL);
		if (!s->ticks[op])
			return -ENOMEM;
	}
	return 0;
}

void bench_samples_free(struct bench_samples *s)
{
	unsigned int op;

	for (op = 0; op < BENCH_NUM_OPS; op++)
		kvfree(s->ticks[op]);
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void print_percentiles(char *buf, size_t len, u64 *values, unsigned int n)
{
	unsigned int i;
	size_t pos = 0;

	sort(values, n, sizeof(*values), compare, NULL);
	for (i = 0; i < ARRAY_SIZE(percents); i++)
		pos += scnprintf(buf + pos, len - pos, "%s%llu", i ? ", " : "",
				 values[(n - 1) * percents[i] / 100]);
}

/*
 * Picoseconds per operation, and thousandths of what the variant to compare
 * with took in the same round.
 */
static void report_op(const char *name, const char *variant, enum bench_op op,
		      const u64 *ticks, const u64 *base, unsigned int batches,
		      unsigned int ops)
{
	u64 *values = kvcalloc(batches, sizeof(u64), GFP_KERNEL);
	char time[160], ratio[120];
	unsigned int i;

	if (!values)
		return;
	for (i = 0; i < batches; i++)
		values[i] = mul_u64_u64_div_u64(ticks[i], 1000000000000ULL / ops,
						clock_rate);
	print_percentiles(time, sizeof(time), values, batches);
	for (i = 0; i < batches; i++)
		values[i] = div64_u64(ticks[i] * 1000, base[i] ?: 1);
	print_percentiles(ratio, sizeof(ratio), values, batches);
	kvfree(values);

	pr_info("bench: {\"case\": \"%s\", \"variant\": \"%s\", \"op\": \"%s\", \"ps\": [%s], \"ratio\": [%s]}\n",
		name, variant, op_names[op], time, ratio);
}

void bench_report(const char *name, const char *variant,
		  const struct bench_samples *s,
		  const struct bench_samples *base, unsigned int batches,
		  unsigned int ops)
{
	unsigned int op;

	for (op = 0; op < BENCH_NUM_OPS; op++)
		report_op(name, variant, op, s->ticks[op], base->ticks[op],
			  batches, ops);
}
