/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of the device that walks a page table: its TLB and its walk cache. What
 * it has walked it knows until it is told to forget, by the callbacks of the table
 * or by its driver, and it finds fault with what an architecture forbids:
 *
 * - two translations for one place, or a block and a table (break before make),
 * - a table that is given back while it is known,
 * - a leaf or a table that is known but no longer there, when device_check() looks.
 *
 * It knows a bounded number of things, and beyond that forgets some at random, in
 * the same way each time.
 */
#ifndef _IO_PGTABLE_SAFE_KUNIT_DEVICE_H
#define _IO_PGTABLE_SAFE_KUNIT_DEVICE_H

#include <linux/io-pgtable.h>
#include <linux/types.h>

struct kunit;
struct device_model;

enum device_fault {
	DEVICE_NO_FAULT,
	DEVICE_BAD_ENTRY,	/* The walker met an entry that no hardware accepts */
	DEVICE_BAD_FLUSH,	/* A callback has a size that is no multiple of its granule */
	DEVICE_TWO_TRANSLATIONS,
	DEVICE_BLOCK_AND_TABLE,
	DEVICE_TABLE_GIVEN_BACK,
	DEVICE_STALE,
};

struct device_model *device_open(struct kunit *test);

/* Make it the one that is called back. The cookie of the table must be the model. */
void device_set_callbacks(struct io_pgtable_cfg *cfg);
/* For &io_pgtable_cfg.tlb, .alloc and .free if they are not set by that. */
extern const struct iommu_flush_ops device_flush_ops;
void *device_alloc_pages(void *cookie, size_t size, gfp_t gfp);
void device_free_pages(void *cookie, void *pages, size_t size);
/* Bytes of tables that are given out and not back. */
size_t device_pages(struct device_model *dev);

/* Clear before the table is freed: that reports faults and forgets all. */
void device_set_table(struct device_model *dev, enum io_pgtable_fmt fmt,
		      const struct io_pgtable_cfg *granted);
void device_clear_table(struct device_model *dev);

void device_touch(struct device_model *dev, u64 first, u64 last);
bool device_knows(struct device_model *dev, u64 first, u64 last);
void device_check(struct device_model *dev);
void device_prefetches(struct device_model *dev, bool prefetches);

/* What a driver does itself where there are no callbacks. */
void device_invalidate(struct device_model *dev, u64 first, u64 last);
void device_lock_region(struct device_model *dev, u64 first, u64 last);
void device_unlock_region(struct device_model *dev);

/* What is known there now was unmapped and is not flushed yet, on purpose. */
void device_allow_stale(struct device_model *dev, u64 first, u64 last);

/* Keep the first fault from now for device_take_fault(), instead of failing the case. */
void device_expect_fault(struct device_model *dev);
enum device_fault device_take_fault(struct device_model *dev);

#endif /* _IO_PGTABLE_SAFE_KUNIT_DEVICE_H */
