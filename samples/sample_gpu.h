/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A GPU that does not exist:
 *
 * sample_gpu_vm.c	address spaces and bindings: start reading here
 * sample_gpu_bind.c	bindings that are made later, without allocating
 * sample_gpu_drv.c	the rest of the driver: device and memory
 * sample_gpu_hw.c	the device: an MMU with a TLB, in software
 * sample_gpu_story.c	a visit: what user space may ask for, and what happens
 * sample_gpu_watch.c	what can be seen of it
 * sample_gpu_raw.c	the same requests put to io-pgtable itself
 * sample_gpu_tell.c	how both are told to the kernel log
 */
#ifndef _SAMPLE_GPU_H
#define _SAMPLE_GPU_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/io-pgtable.h>
#include <linux/list.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "io_pgtable_safe.h"
#include "io_pgtable_safe_compat.h"

struct dentry;
struct device;

/* Device */

#define SAMPLE_TLB_ENTRIES	256

/**
 * struct sample_tlb_entry - One translation that the MMU remembers.
 * @iova: Address of a 4K page; valid if @valid.
 * @paddr: Where it is in memory.
 * @writable: The device may write to it.
 * @valid: The entry is in use.
 */
struct sample_tlb_entry {
	u64 iova;
	phys_addr_t paddr;
	bool writable;
	bool valid;
};

/**
 * struct sample_mmu - One address space slot of the device.
 * @lock: Taken with interrupts off, for flush callbacks come from any context.
 * @fmt: Format of the page table.
 * @ttbr: Physical address of the page table; 0 switches the slot off.
 * @tlb: Translations remembered, until somebody says otherwise.
 * @victim: Entry of @tlb to replace next.
 * @walks: How often the page table was walked.
 * @flushes: How often the driver invalidated.
 */
struct sample_mmu {
	spinlock_t lock; /* protects all of the below */
	enum io_pgtable_fmt fmt;
	u64 ttbr;
	struct sample_tlb_entry tlb[SAMPLE_TLB_ENTRIES];
	unsigned int victim;
	unsigned int walks;
	unsigned int flushes;
};

void sample_mmu_enable(struct sample_mmu *mmu, enum io_pgtable_fmt fmt, u64 ttbr);
void sample_mmu_disable(struct sample_mmu *mmu);
void sample_mmu_invalidate(struct sample_mmu *mmu, u64 iova, u64 last);
int sample_mmu_read(struct sample_mmu *mmu, u64 iova, u64 *value);
int sample_mmu_write(struct sample_mmu *mmu, u64 iova, u64 value);

/* Driver */

/**
 * struct sample_gpu - The device and what its clients own.
 * @dev: The device.
 * @as: Its address spaces; the second is an ERR_PTR() where the kernel lacks ARM_V7S.
 * @bos: All buffer objects.
 * @pages: Pages that buffers hold now.
 * @pages_ever: Pages that buffers ever got.
 * @debugfs: Its directory.
 */
struct sample_gpu {
	struct device *dev;
	struct sample_as *as[2];
	struct list_head bos;
	unsigned long pages;
	unsigned long pages_ever;
	struct dentry *debugfs;
};

/**
 * struct sample_bo - A buffer object: memory that user space may bind.
 * @link: In the list of all.
 * @sgt: Its pages, neighbours merged.
 * @pages: Its pages, one by one.
 * @nr_pages: Length of @pages.
 */
struct sample_bo {
	struct list_head link;
	struct sg_table sgt;
	struct page **pages;
	unsigned int nr_pages;
};

/**
 * struct sample_as - A GPU address space.
 * @mmu: The slot of the device that it lives in.
 * @pgt: Its page table.
 * @tables: Pages that the page table is made of, where the kernel lets the
 *	driver allocate them (from 6.12 on).
 * @max_tables: Limit of @tables, so that no client can take all memory.
 * @binds: Where bindings are made later, in order.
 */
struct sample_as {
	struct sample_mmu mmu;
	struct io_pgtable_safe *pgt;
	atomic_t tables;
	int max_tables;
	struct workqueue_struct *binds;
};

/**
 * struct sample_vma - One binding: a part of a buffer at an address.
 * @bo: The buffer.
 * @offset: First byte of it that is bound.
 * @iova: Address it is bound at.
 * @size: Number of bytes.
 * @prot: What the device may do with it.
 */
struct sample_vma {
	struct sample_bo *bo;
	u64 offset;
	u64 iova;
	u64 size;
	int prot;
};

/**
 * struct sample_bind_job - A binding that is to be made.
 * @work: For the worker.
 * @as: Address space.
 * @vma: The binding.
 * @reserve: What it may need, or NULL where the worker has to allocate.
 * @res: What came of it.
 * @done: It has been made, or not.
 */
struct sample_bind_job {
	struct work_struct work;
	struct sample_as *as;
	struct sample_vma vma;
	struct io_pgtable_safe_reserve *reserve;
	struct io_pgtable_safe_map_result res;
	struct completion done;
};

struct sample_bo *sample_bo_create(struct sample_gpu *gpu, u64 size, unsigned int order);
bool sample_bo_is_free(const struct sample_bo *bo);
void sample_bo_destroy(struct sample_gpu *gpu, struct sample_bo *bo);

void sample_as_init(struct sample_as *as, struct device *dev, enum io_pgtable_fmt fmt,
		    struct io_pgtable_cfg *cfg);
void sample_as_enable(struct sample_as *as, enum io_pgtable_fmt fmt,
		      const struct io_pgtable_cfg *granted);
struct sample_as *sample_as_create(struct device *dev, enum io_pgtable_fmt fmt);
void sample_as_destroy(struct sample_as *as);
int __must_check sample_as_watch(struct sample_gpu *gpu, struct sample_as *as);

struct io_pgtable_safe_map_result __must_check
sample_bind(struct sample_as *as, const struct sample_vma *vma, gfp_t gfp);
struct io_pgtable_safe_unmap_result __must_check
sample_unbind(struct sample_as *as, const struct sample_vma *vma);
struct io_pgtable_safe_unmap_result __must_check
sample_unbind_part(struct sample_as *as, u64 iova, u64 size, int prot, gfp_t gfp);
int __must_check sample_unbind_many(struct sample_as *as, const struct sample_vma *vmas,
				    unsigned int count);

struct sample_bind_job * __must_check
sample_bind_submit(struct sample_as *as, const struct sample_vma *vma);
struct io_pgtable_safe_map_result __must_check
sample_bind_wait(struct sample_bind_job *job);

/* Story */

int sample_story(struct sample_gpu *gpu);

#endif /* _SAMPLE_GPU_H */
