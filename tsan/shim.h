/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the ledger takes from the kernel, for user space. scripts/tsan puts it in the
 * place of each of the kernel's headers.
 */
#ifndef _IO_PGTABLE_SAFE_TSAN_SHIM_H
#define _IO_PGTABLE_SAFE_TSAN_SHIM_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef unsigned int gfp_t;

#define GFP_KERNEL			1U
#define __GFP_NOWARN			2U
#define IO_PGTABLE_SAFE_RESERVED	4U
/* An allocation that may fail */
#define GFP_FAULTY			8U

#define likely(x)			__builtin_expect(!!(x), 1)
#define unlikely(x)			__builtin_expect(!!(x), 0)
#define noinline			__attribute__((noinline))
#undef __always_inline
#define __always_inline			inline __attribute__((always_inline))
#define __acquire(x)			((void)0)
#define __release(x)			((void)0)

#define BITS_PER_LONG			64
#define BIT(n)				(1UL << (n))
#define BIT_ULL(n)			(1ULL << (n))
#define BIT_WORD(n)			((n) / BITS_PER_LONG)
#define GENMASK_ULL(h, l)		((~0ULL << (l)) & (~0ULL >> (63 - (h))))
#define ARRAY_SIZE(a)			(sizeof(a) / sizeof((a)[0]))
#define __ffs(x)			((unsigned int)__builtin_ctzl(x))
#define min(a, b)			((a) < (b) ? (a) : (b))
#define max(a, b)			((a) > (b) ? (a) : (b))
#define min_t(type, a, b)		min((type)(a), (type)(b))
#define clamp(x, low, high)		min(max(x, low), high)
#define round_down(x, to)		((x) & ~((to) - 1))
#define round_up(x, to)			round_down((x) + (to) - 1, to)
#define roundup_pow_of_two(x)		(1UL << (BITS_PER_LONG - __builtin_clzl((x) - 1)))
#define div_u64(a, b)			((a) / (b))
#define DECLARE_FLEX_ARRAY(type, name)	struct { struct { } empty_##name; type name[]; }

/*
 * The kernel's READ_ONCE() orders what depends on it by address. ThreadSanitizer does
 * not know that, so it is told more than is so.
 */
#define READ_ONCE(x)			__atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define WRITE_ONCE(x, v)		__atomic_store_n(&(x), v, __ATOMIC_RELAXED)
#define smp_store_release(p, v)		__atomic_store_n(p, v, __ATOMIC_RELEASE)

#define IS_ERR(p)			((uintptr_t)(p) >= (uintptr_t)-4095)
#define IS_ERR_OR_NULL(p)		(!(p) || IS_ERR(p))
#define PTR_ERR(p)			((long)(p))
#define ERR_PTR(n)			((void *)(long)(n))

typedef pthread_mutex_t spinlock_t;
#define spin_lock_init(l)		pthread_mutex_init(l, NULL)
#define spin_lock(l)			pthread_mutex_lock(l)
#define spin_unlock(l)			pthread_mutex_unlock(l)
#define lockdep_set_subclass(l, n)	((void)(n))

bool shim_fails(void);

static inline void *kzalloc(size_t size, gfp_t gfp)
{
	return gfp & GFP_FAULTY && shim_fails() ? NULL : calloc(1, size);
}

static inline void kfree(void *p)
{
	free(p);
}

#endif /* _IO_PGTABLE_SAFE_TSAN_SHIM_H */
