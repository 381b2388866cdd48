// SPDX-License-Identifier: GPL-2.0
/*
 * The chapter in which the driver is watched: what it did can be read in debugfs
 * afterwards, and memory that it frees too early is noticed.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/sizes.h>

#include "sample_gpu_story.h"

#define AT_MIXED	0x40000000ULL
#define AT_HEAP		0x60000000ULL
#define AT_MISTAKE	0x70000000ULL
#define AT_SPARSE	0x80000000ULL

/* Blocks, one of them cut, a heap with holes, and a page all over a texture */
static void bind_to_be_seen(struct story *s)
{
	static const u64 grown[] = { 0, SZ_32K, SZ_128K, SZ_256K };
	struct sample_vma mixed = whole(s->blocks, AT_MIXED), heap = whole(s->small, AT_HEAP);
	struct outcome got;
	bool good;

	got = map_outcome(sample_bind(s->as, &mixed, GFP_KERNEL));
	good = !got.err;
	got = unmap_outcome(sample_unbind_part(s->as, AT_MIXED + SZ_1M, SZ_256K, mixed.prot,
					       GFP_KERNEL));
	good &= !got.err;
	heap.size = SZ_16K;
	for (unsigned int i = 0; i < ARRAY_SIZE(grown); i++) {
		heap.iova = AT_HEAP + grown[i];
		heap.offset = i * SZ_16K;
		got = map_outcome(sample_bind(s->as, &heap, GFP_KERNEL));
		good &= !got.err;
	}
	got = map_outcome(io_pgtable_safe_map_repeat(s->as->pgt, AT_SPARSE,
						     bo_phys(s->other, 0), SZ_4K, 0, SZ_128K,
						     IOMMU_READ, GFP_KERNEL));
	tell(s, good && !got.err, "bind this and that, and unbind a part of a block");
	got = map_outcome(sample_bind(s->as, &mixed, GFP_KERNEL));
	tell_call(s, got, 0, -EEXIST, "bind the blocks once more");
}

/* The driver's mistake: it is about to free a buffer that the GPU can still reach */
static void free_too_early(struct story *s)
{
	struct sample_vma vma = whole(s->other, AT_MISTAKE);
	struct outcome got;
	int err;

	io_pgtable_safe_check_pages(true);
	got = map_outcome(sample_bind(s->as, &vma, GFP_KERNEL));
	tell_call(s, got, vma.size, 0, "bind a buffer, with the check of mapped pages on");
	tell(s, !sample_bo_is_free(s->other), "free it: not yet, it is mapped");
	got = unmap_outcome(io_pgtable_safe_unmap(s->as->pgt, vma.iova, vma.size,
						  IO_PGTABLE_SAFE_NO_FLUSH));
	tell_call(s, got, vma.size, 0, "unbind with NO_FLUSH");
	tell(s, !sample_bo_is_free(s->other), "free it: not yet, it is not flushed");
	err = io_pgtable_safe_flush(s->as->pgt, vma.iova, vma.size);
	tell(s, !err && sample_bo_is_free(s->other), "flush, and it may be freed");
	io_pgtable_safe_check_pages(false);
}

/**
 * story_watch() - Be watched.
 * @s: Story.
 *
 * What is bound here is left to be looked at.
 */
void story_watch(struct story *s)
{
	int err;

	tell_chapter("What the driver does can be watched");
	err = sample_as_watch(s->gpu, s->as);
	tell(s, !err, "from here on the page table of address space 0 is in debugfs");
	free_too_early(s);
	bind_to_be_seen(s);
}
