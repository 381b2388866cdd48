/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Backends that fail when they are told to, over a real format: half way through
 * a range, with the device looking on.
 */
#ifndef _JUDGE_FAILING_FORMAT_H
#define _JUDGE_FAILING_FORMAT_H

#include <linux/io-pgtable.h>

#include "io_pgtable_safe.h"

/**
 * struct failing_plan - When to fail.
 * @calls: Calls (of map_pages, or of the page allocator) that succeed first.
 *	Negative: no call fails.
 * @partly: The call that fails maps half of its pages before.
 * @failed: How many calls failed.
 * @hook: Called with @arg before a call fails, or NULL.
 * @arg: For @hook.
 */
struct failing_plan {
	int calls;
	bool partly;
	unsigned int failed;
	void (*hook)(void *arg);
	void *arg;
};

/* Fails in map_pages, on all kernels and formats */
struct io_pgtable_safe *failing_format_alloc(enum io_pgtable_fmt fmt,
					     const struct io_pgtable_cfg *cfg,
					     void *cookie,
					     struct failing_plan *plan);

/*
 * Fails in the allocation of page tables, inside the format. -EOPNOTSUPP where
 * kernel or format have no cfg->alloc. The flush callbacks get the plan as their
 * cookie.
 */
struct io_pgtable_safe *failing_memory_alloc(enum io_pgtable_fmt fmt,
					     const struct io_pgtable_cfg *cfg,
					     struct failing_plan *plan);

#endif /* _JUDGE_FAILING_FORMAT_H */
