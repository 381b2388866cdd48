/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The pages that page tables are made of.
 */
#ifndef _IO_PGTABLE_SAFE_CORE_TABLE_PAGES_H
#define _IO_PGTABLE_SAFE_CORE_TABLE_PAGES_H

#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "io_pgtable_safe_compat.h"

/**
 * struct table_page - The record of one page of tables.
 * @next: The next one: in use, kept, or reserved.
 * @pages: What is kept or reserved.
 * @size: Its size in bytes.
 * @first: First byte of what must be invalidated before it is given back.
 * @last: The last byte.
 * @when: When the operation that freed it was over.
 */
struct table_page {
	struct table_page *next;
	void *pages;
	size_t size;
	u64 first;
	u64 last;
	unsigned long when;
};

/* What records are allocated from */
extern struct kmem_cache *io_pgtable_safe_page_cache;

/**
 * struct table_source - Where pages come from and go to.
 * @alloc: The driver's allocator, or NULL for the kernel's.
 * @free: The driver's, too.
 * @cookie: What they are called with.
 * @node: The NUMA node for the kernel's.
 */
struct table_source {
	void *(*alloc)(void *cookie, size_t size, gfp_t gfp);
	void (*free)(void *cookie, void *pages, size_t size);
	void *cookie;
	int node;
};

/**
 * struct table_op - An operation that may free tables, and keeps them.
 * @next: The next one.
 * @task: Who runs it, or NULL if it keeps none.
 * @freed: What it has freed, by &table_page.next.
 * @armed: The format has asked for a flush and may free now.
 * @first: First byte of what it asked to be flushed last.
 * @last: The last byte.
 */
struct table_op {
	struct table_op *next;
	struct task_struct *task;
	struct table_page *freed;
	bool armed;
	u64 first;
	u64 last;
};

/*
 * struct table_pages - The pages of one page table.
 * @source: Where they come from.
 * @on: The format gets its pages here.
 * @top: Size of the top-level table in bytes, the first to be allocated.
 * @levels: Levels of tables below it.
 * @shift: log2 of the granule: of the size of these tables, and of a page.
 * @lock: Protects what follows. Only &ledger.lock is taken within.
 * @ops: Operations that may free tables.
 * @unused: Records of the pages that are in the table.
 * @now: Counts the operations that have left some behind.
 * @kept: Bytes that are kept.
 * @left: What waits for a flush.
 * @reserve: Pages for maps with %IO_PGTABLE_SAFE_RESERVED, by &table_page.next,
 *	or NULL.
 */
struct table_pages {
	struct table_source source;
	bool on;
	size_t top;
	unsigned int levels;
	unsigned int shift;
	spinlock_t lock; /* for what follows */
	struct table_op *ops __guarded_by(&lock);
	struct table_page *unused __guarded_by(&lock);
	unsigned long now __guarded_by(&lock);
	u64 kept __guarded_by(&lock);
	struct table_page *left __guarded_by(&lock);
	struct table_page **reserve __guarded_by(&lock);
};

#endif /* _IO_PGTABLE_SAFE_CORE_TABLE_PAGES_H */
