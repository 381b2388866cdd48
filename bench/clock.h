/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The finest clock there is, and a fence.
 *
 * In an emulator that counts instructions (icount), arm64's counter counts
 * these.
 */
#ifndef _BENCH_CLOCK_H
#define _BENCH_CLOCK_H

#include <linux/timekeeping.h>
#include <linux/types.h>

#if defined(CONFIG_ARM64)
#include <asm/barrier.h>
#include <asm/sysreg.h>

static inline void bench_fence(void)
{
	isb();
}

static inline u64 bench_clock(void)
{
	isb();
	return read_sysreg(cntvct_el0);
}

/* Two instructions a turn: an emulator's clock against its instructions */
static inline void bench_spin(unsigned long turns)
{
	asm volatile("1: subs %0, %0, #1\n b.ne 1b" : "+r" (turns) : : "cc");
}

#define BENCH_SPIN_INSNS	2
#elif defined(CONFIG_UML) && defined(__x86_64__)
static inline void bench_fence(void)
{
	asm volatile("lfence" ::: "memory");
}

static inline u64 bench_clock(void)
{
	u32 low, high;

	bench_fence();
	asm volatile("rdtsc" : "=a" (low), "=d" (high));
	return (u64)high << 32 | low;
}
#else
static inline void bench_fence(void)
{
	/* Nothing that is measured may move across the reading of the clock */
	mb();
}

static inline u64 bench_clock(void)
{
	return ktime_get_ns();
}
#endif

#endif /* _BENCH_CLOCK_H */
