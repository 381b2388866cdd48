/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Barriers for a benchmark under User Mode Linux on x86-64.
 *
 * UML has mb(), rmb() and wmb() as asm-generic wants them and nothing else, so
 * that there a spin_unlock() is an mfence and a smp_rmb() an lfence. The CPU
 * needs neither: it keeps loads and stores in order, and the kernel that runs
 * on it natively has them as below. The kernel of the benchmark is compiled
 * with this file in front of every other.
 */
#ifndef _BENCH_UML_BARRIER_H
#define _BENCH_UML_BARRIER_H

#define dma_rmb()	barrier()
#define dma_wmb()	barrier()

static inline void bench_smp_mb(void)
{
	asm volatile("lock addl $0,-4(%%rsp)" ::: "memory", "cc");
}

#define __smp_mb()	bench_smp_mb()
#define __smp_rmb()	barrier()
#define __smp_wmb()	barrier()

#define __smp_mb__before_atomic()	barrier()
#define __smp_mb__after_atomic()	barrier()

#define __smp_store_release(p, v)					\
do {									\
	typeof(p) ___p = (p);						\
									\
	compiletime_assert_atomic_type(*___p);				\
	barrier();							\
	WRITE_ONCE(*___p, v);						\
} while (0)

#define __smp_load_acquire(p)						\
({									\
	typeof(p) ___p = (p);						\
	typeof(*___p) ___v = READ_ONCE(*___p);				\
									\
	compiletime_assert_atomic_type(*___p);				\
	barrier();							\
	___v;								\
})

#endif /* _BENCH_UML_BARRIER_H */
