/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the chapters of the story share.
 */
#ifndef _SAMPLE_GPU_STORY_H
#define _SAMPLE_GPU_STORY_H

#include <linux/compiler.h>
#include <linux/io-pgtable.h>
#include <linux/types.h>

#include "sample_gpu.h"

#define STORY_RANGES	12

/**
 * struct outcome - The pair that a map or an unmap ends with.
 * @bytes: Bytes mapped or unmapped.
 * @err: 0 or a negative errno.
 */
struct outcome {
	u64 bytes;
	int err;
};

/**
 * struct ranges - What is mapped in an address space.
 * @count: Number of ranges; those that touch each other count as one.
 * @range: The ranges.
 */
struct ranges {
	unsigned int count;
	struct {
		u64 iova;
		u64 size;
	} range[STORY_RANGES];
};

/**
 * struct raw - A page table with nothing between it and its user.
 * @as: Address space, whose @pgt is not used.
 * @ops: The page table.
 */
struct raw {
	struct sample_as as;
	struct io_pgtable_ops *ops;
};

/**
 * struct story - A visit to the sample GPU.
 * @gpu: The device.
 * @as: Address space that the chapter is about.
 * @raw: The same kind of address space over a raw page table.
 * @small: A buffer of 16 scattered pages.
 * @other: Another one.
 * @blocks: A buffer of two 2M blocks.
 * @strewn: A buffer of 1024 scattered pages.
 * @ok: Expectations that were met.
 * @bad: Expectations that were not.
 */
struct story {
	struct sample_gpu *gpu;
	struct sample_as *as;
	struct raw *raw;
	struct sample_bo *small;
	struct sample_bo *other;
	struct sample_bo *blocks;
	struct sample_bo *strewn;
	unsigned int ok;
	unsigned int bad;
};

static inline struct outcome map_outcome(struct io_pgtable_safe_map_result res)
{
	return (struct outcome){ .bytes = res.mapped, .err = res.err };
}

static inline struct outcome unmap_outcome(struct io_pgtable_safe_unmap_result res)
{
	return (struct outcome){ .bytes = res.unmapped, .err = res.err };
}

/* All of @bo at @iova, for reading and writing. */
static inline struct sample_vma whole(struct sample_bo *bo, u64 iova)
{
	return (struct sample_vma){
		.bo = bo,
		.iova = iova,
		.size = (u64)bo->nr_pages << PAGE_SHIFT,
		.prot = IOMMU_READ | IOMMU_WRITE,
	};
}

static inline phys_addr_t bo_phys(const struct sample_bo *bo, u64 offset)
{
	return page_to_phys(bo->pages[offset >> PAGE_SHIFT]) + (offset & ~PAGE_MASK);
}

/* sample_gpu_tell.c */

__printf(1, 2) void tell_chapter(const char *fmt, ...);
__printf(1, 2) void tell_raw(const char *fmt, ...);
__printf(3, 4) bool tell(struct story *s, bool good, const char *fmt, ...);
__printf(5, 6) void tell_call(struct story *s, struct outcome got, u64 bytes, int err,
			      const char *fmt, ...);
__printf(5, 6) void tell_refused(struct story *s, struct outcome got, int err,
				 const struct ranges *before, const char *fmt, ...);
void tell_view(struct story *s, const struct sample_vma *vma, bool bound);
const char *size_name(u64 size);
const char *outcome_name(struct outcome got);
struct ranges ranges_of(const struct sample_as *as);
bool same_ranges(const struct ranges *a, const struct ranges *b);

void bo_sign(struct sample_bo *bo);
unsigned int gpu_sees(struct sample_as *as, const struct sample_vma *vma);
unsigned int gpu_faults(struct sample_as *as, const struct sample_vma *vma);

/* sample_gpu_raw.c */

struct raw *raw_create(struct device *dev, enum io_pgtable_fmt fmt);
void raw_destroy(struct raw *raw);
struct outcome raw_map(struct raw *raw, u64 iova, phys_addr_t paddr, size_t pgsize,
		       size_t pgcount, int prot, gfp_t gfp);
size_t raw_unmap(struct raw *raw, u64 iova, size_t pgsize, size_t pgcount);
struct outcome raw_bind(struct raw *raw, const struct sample_vma *vma, gfp_t gfp,
			unsigned int *calls);
void raw_unbind(struct raw *raw, u64 iova, u64 size);

/* sample_gpu_arguments.c */

void story_arguments(struct story *s);

/* sample_gpu_watch.c */

void story_watch(struct story *s);

/* sample_gpu_pressure.c */

void story_pressure(struct story *s);

#endif /* _SAMPLE_GPU_STORY_H */
