// SPDX-License-Identifier: GPL-2.0
/*
 * Results as KTAP in the kernel's log.
 */
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/sched.h>

#include "report.h"

/* A case that goes wrong does so many times; the first few tell why */
#define MAX_MESSAGES	8

struct judge_totals judge_totals;

static struct {
	unsigned int failures;
	unsigned int misses;
	bool skipped;
	bool control;
	char reason[80];
} now;

static void message(const char *fmt, va_list args)
{
	struct va_format vaf = { .fmt = fmt, .va = &args };

	pr_info("        # %pV\n", &vaf);
}

bool __judge_expect(bool ok, const char *fmt, ...)
{
	va_list args;

	judge_totals.checks++;
	if (ok)
		return true;
	if (now.control) {
		now.misses++;
		return false;
	}
	if (++now.failures <= MAX_MESSAGES) {
		va_start(args, fmt);
		message(fmt, args);
		va_end(args);
	}
	return false;
}

void judge_note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	message(fmt, args);
	va_end(args);
}

void judge_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vscnprintf(now.reason, sizeof(now.reason), fmt, args);
	va_end(args);
	now.skipped = true;
}

void judge_control_begin(void)
{
	now.control = true;
	now.misses = 0;
}

unsigned int judge_control_end(void)
{
	now.control = false;
	return now.misses;
}

static bool run_case(const struct judge_suite *suite, unsigned int i)
{
	const char *status, *skip;

	memset(&now, 0, sizeof(now));
	suite->run(i);
	cond_resched();

	if (now.failures > MAX_MESSAGES)
		judge_note("and %u more", now.failures - MAX_MESSAGES);
	status = now.failures ? "not ok" : "ok";
	skip = now.skipped ? " # SKIP " : "";
	pr_info("    %s %u %s%s%s\n", status, i + 1, suite->case_name(i), skip, now.reason);
	return !now.failures;
}

/* Returns how many cases failed */
unsigned int judge_run(const struct judge_suite *const *suites, unsigned int n)
{
	unsigned int i, k, failed, total = 0;

	pr_info("KTAP version 1\n");
	pr_info("1..%u\n", n);
	for (i = 0; i < n; i++) {
		pr_info("    KTAP version 1\n");
		pr_info("    # Subtest: %s\n", suites[i]->name);
		pr_info("    1..%u\n", suites[i]->count);
		for (k = 0, failed = 0; k < suites[i]->count; k++)
			failed += !run_case(suites[i], k);
		pr_info("%s %u %s\n", failed ? "not ok" : "ok", i + 1,
			suites[i]->name);
		total += failed;
	}
	return total;
}
