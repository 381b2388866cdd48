/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The loop around an operation. Each operation has one of its own, so that
 * nothing stands between the caller and what is measured that a driver would not
 * have.
 */
#ifndef _BENCH_BATCH_H
#define _BENCH_BATCH_H

#include "bench.h"
#include "clock.h"

typedef int (*bench_fn)(struct bench_table *t, const struct bench_batch *b, u64 iova);

static __always_inline int bench_run_batch(struct bench_table *t,
					   const struct bench_batch *b, bench_fn fn)
{
	unsigned int i;
	int err;

	for (i = 0; i < b->ops; i++) {
		err = fn(t, b, b->iova[i]);
		if (unlikely(err))
			return err;
		if (b->fence)
			bench_fence();
	}
	return 0;
}

#define BENCH_BATCH(name)							\
static int name##_batch(struct bench_table *t, const struct bench_batch *b)	\
{										\
	return bench_run_batch(t, b, name);					\
}

#endif /* _BENCH_BATCH_H */
