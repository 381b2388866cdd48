/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The formats that the CPU can walk, and what it must say of them.
 */
#ifndef _JUDGE_CPU_FORMAT_H
#define _JUDGE_CPU_FORMAT_H

#include <linux/io-pgtable.h>

#include "cpu_walker.h"

/**
 * struct cpu_format - A format in a geometry.
 * @name: For the report.
 * @fmt: As for alloc_io_pgtable_ops().
 * @pgsizes: Its page sizes. The smallest is the granule.
 * @ias: Input address size in bits.
 * @oas: Output address size in bits, if the CPU has as many.
 * @noncoherent: The walker does not look into caches.
 */
struct cpu_format {
	const char *name;
	enum io_pgtable_fmt fmt;
	unsigned long pgsizes;
	unsigned int ias;
	unsigned int oas;
	bool noncoherent;
};

#define CPU_FORMATS	13

extern const struct cpu_format cpu_formats[CPU_FORMATS];

const char *cpu_format_name(unsigned int i);
const char *cpu_format_missing(const struct cpu_format *format);
bool cpu_granule_missing(const struct cpu_format *format);
unsigned int cpu_format_oas(const struct cpu_format *format);
void cpu_format_regime(const struct cpu_format *format,
		       const struct io_pgtable_cfg *cfg, struct cpu_regime *regime);

bool cpu_format_is_stage2(const struct cpu_format *format);
bool cpu_format_allows(const struct cpu_format *format, int prot,
		       enum cpu_access access);
int cpu_format_attributes(const struct cpu_format *format, int prot);
int cpu_format_shareability(const struct cpu_format *format, int prot);

#endif /* _JUDGE_CPU_FORMAT_H */
