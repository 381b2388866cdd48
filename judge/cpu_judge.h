/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The CPU as the judge of a table.
 */
#ifndef _JUDGE_CPU_JUDGE_H
#define _JUDGE_CPU_JUDGE_H

#include <linux/prandom.h>

#include "cpu_format.h"
#include "failing_format.h"
#include "report.h"
#include "table.h"

struct cpu_table {
	struct table t;
	const struct cpu_format *format;
	struct cpu_regime regime;
	struct rnd_state rnd;
};

extern unsigned int judge_seed;
extern unsigned int judge_walks;

extern const struct judge_suite cpu_pages_suite;
extern const struct judge_suite cpu_ranges_suite;
extern const struct judge_suite cpu_cuts_suite;
extern const struct judge_suite cpu_refusals_suite;
extern const struct judge_suite cpu_failures_suite;
extern const struct judge_suite cpu_live_suite;
extern const struct judge_suite cpu_fuzz_suite;
extern const struct judge_suite cpu_controls_suite;

/* False after a skip or a failure: there is no table then */
bool cpu_table_open(struct cpu_table *ct, const struct cpu_format *format);
bool cpu_table_open_anyway(struct cpu_table *ct, const struct cpu_format *format);
bool cpu_table_open_failing(struct cpu_table *ct, const struct cpu_format *format,
			    struct failing_plan *plan, bool memory);
void cpu_table_close(struct cpu_table *ct);

u64 cpu_random(struct cpu_table *ct, u64 below);
phys_addr_t cpu_random_paddr(struct cpu_table *ct, u64 size, u64 align);

void cpu_judge_address(struct cpu_table *ct, u64 addr);
void cpu_judge_range(struct cpu_table *ct, u64 iova, u64 size);
void cpu_judge_all(struct cpu_table *ct);
void cpu_judge_marks(struct cpu_table *ct, unsigned int n);

#endif /* _JUDGE_CPU_JUDGE_H */
