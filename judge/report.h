/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Results as KTAP in the kernel's log. Not KUnit, because distributions' arm64
 * kernels are built without it; kunit.py reads both.
 */
#ifndef _JUDGE_REPORT_H
#define _JUDGE_REPORT_H

#include <linux/compiler.h>
#include <linux/types.h>

/**
 * struct judge_suite - Cases that are told apart by a number.
 * @name: Of the suite.
 * @count: How many cases there are.
 * @case_name: The name of one.
 * @run: Runs one: judge_expect() and judge_skip() say how it went.
 */
struct judge_suite {
	const char *name;
	unsigned int count;
	const char *(*case_name)(unsigned int i);
	void (*run)(unsigned int i);
};

/**
 * struct judge_totals - What all suites together did.
 * @checks: Comparisons of something a walker or the API said with the record.
 * @walks: Translations by the CPU.
 * @transfers: DMA transfers through the SMMU.
 * @fuzz_walks: Those of the CPU that were a part of the fuzz.
 * @accepted: Calls of the API that succeeded, in the fuzz.
 * @refused: Calls of the API that failed, in the fuzz.
 */
struct judge_totals {
	unsigned long checks;
	unsigned long walks;
	unsigned long transfers;
	unsigned long fuzz_walks;
	unsigned long accepted;
	unsigned long refused;
};

extern struct judge_totals judge_totals;

unsigned int judge_run(const struct judge_suite *const *suites, unsigned int n);
void judge_skip(const char *fmt, ...) __printf(1, 2);
void judge_note(const char *fmt, ...) __printf(1, 2);
bool __judge_expect(bool ok, const char *fmt, ...) __printf(2, 3);

/* Is it so? Returns whether it is; if not, the case fails with this message. */
#define judge_expect(cond, fmt, ...)					\
	__judge_expect(!!(cond), #cond ": " fmt, ##__VA_ARGS__)

/*
 * Between these two, what fails is counted and does not fail the case: to show
 * that the judge sees what it is meant to see.
 */
void judge_control_begin(void);
unsigned int judge_control_end(void);

#endif /* _JUDGE_REPORT_H */
