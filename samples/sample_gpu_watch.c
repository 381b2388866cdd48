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
	tell(s, !err, "from here on address space 0 is in debugfs");
	bind_to_be_seen(s);
}
