// SPDX-License-Identifier: GPL-2.0
/*
 * A visit to the sample GPU: the requests that user space may send a driver,
 * good and bad, what the checked interface makes of them, and what io-pgtable
 * itself makes of the same. What would fire a WARN() or write to memory that
 * belongs to others is told, not done.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/printk.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/utsname.h>

#include "sample_gpu_story.h"

/* Where things are in the first address space */
#define AT_SMALL	0x10000000ULL
#define AT_READ_ONLY	0x20000000ULL
#define AT_SPARSE	0x30000000ULL
#define AT_BLOCKS	0x40000000ULL
#define AT_PARTS	0x50000000ULL
#define AT_HEAP		0x60000000ULL
#define AT_FREE		0x70000000ULL
#define AT_LATER	0x4000000000ULL

#define RW		(IOMMU_READ | IOMMU_WRITE)

/* 1: a buffer becomes visible */

static void raw_loop(struct story *s, const struct sample_vma *vma)
{
	unsigned int calls = 0;
	struct outcome got;

	got = raw_bind(s->raw, vma, GFP_KERNEL, &calls);
	tell_raw("the same %s, by %u calls of map_pages() in the driver's own loop",
		 size_name(got.bytes), calls);
	raw_unbind(s->raw, vma->iova, got.bytes);
}

static void bind_small(struct story *s)
{
	struct sample_vma vma = whole(s->small, AT_SMALL);
	struct outcome got;

	got = map_outcome(sample_bind(s->as, &vma, GFP_KERNEL));
	tell_call(s, got, vma.size, 0, "bind 16 scattered pages at %#llx", vma.iova);
	tell_view(s, &vma, true);
	raw_loop(s, &vma);
}

static void gpu_writes(struct story *s)
{
	unsigned int pages = s->small->nr_pages, found = 0;

	for (unsigned int i = 0; i < pages; i++) {
		u64 *page = kmap_local_page(s->small->pages[i]);

		if (!sample_mmu_write(&s->as->mmu, AT_SMALL + i * PAGE_SIZE + 8, ~(u64)i))
			found += page[1] == ~(u64)i;
		kunmap_local(page);
	}
	tell(s, found == pages, "GPU: writes to %u pages, the CPU finds it in %u", pages, found);
}

static void bind_blocks(struct story *s)
{
	struct sample_vma vma = whole(s->blocks, AT_BLOCKS);
	struct io_pgtable_safe_span leaf = {};
	struct outcome got;
	int err;

	got = map_outcome(sample_bind(s->as, &vma, GFP_KERNEL));
	tell_call(s, got, vma.size, 0, "bind two 2M chunks at %#llx", vma.iova);
	err = io_pgtable_safe_lookup(s->as->pgt, AT_BLOCKS + SZ_1M, &leaf);
	tell(s, !err && leaf.leaf == SZ_2M && leaf.paddr == bo_phys(vma.bo, 0),
	     "lookup(%#llx): a leaf of %s from %#llx on", AT_BLOCKS + SZ_1M,
	     size_name(leaf.leaf), leaf.iova);
	tell_view(s, &vma, true);
}

static void bind_read_only(struct story *s)
{
	struct sample_vma vma = whole(s->other, AT_READ_ONLY);
	struct outcome got;

	vma.prot = IOMMU_READ;
	got = map_outcome(sample_bind(s->as, &vma, GFP_KERNEL));
	tell_call(s, got, vma.size, 0, "bind a buffer for reading only");
	tell_view(s, &vma, true);
	tell(s, sample_mmu_write(&s->as->mmu, vma.iova, 0) == -EFAULT, "GPU: a write faults");
	got = unmap_outcome(sample_unbind(s->as, &vma));
	tell_call(s, got, vma.size, 0, "unbind it");
}

static void bind_sparse(struct story *s)
{
	struct sample_vma page = { .bo = s->other, .size = SZ_4K };
	unsigned int same = 0;
	struct outcome got;

	got = map_outcome(io_pgtable_safe_map_repeat(s->as->pgt, AT_SPARSE,
						     bo_phys(s->other, 0), SZ_4K, 0,
						     SZ_1M, IOMMU_READ, GFP_KERNEL));
	tell_call(s, got, SZ_1M, 0, "one page repeated over 1M, as for sparse textures");
	for (page.iova = AT_SPARSE; page.iova < AT_SPARSE + SZ_1M; page.iova += SZ_4K)
		same += gpu_sees(s->as, &page);
	tell(s, same == 256, "GPU: %u addresses read that page", same);
	got = unmap_outcome(io_pgtable_safe_unmap(s->as->pgt, AT_SPARSE, SZ_1M, 0));
	tell_call(s, got, SZ_1M, 0, "unbind all of it in one call");
}

static void chapter_binding(struct story *s)
{
	tell_chapter("Buffers become visible to the GPU");
	bind_small(s);
	gpu_writes(s);
	bind_blocks(s);
	bind_read_only(s);
	bind_sparse(s);
}

/* 2: conflicts */

static void raw_block_over_page(struct story *s)
{
	struct sample_vma page = { .bo = s->small, .iova = AT_FREE, .size = SZ_4K };
	struct outcome small, block;
	bool lost;

	small = raw_map(s->raw, page.iova, bo_phys(s->small, 0), SZ_4K, 1, RW, GFP_KERNEL);
	block = raw_map(s->raw, page.iova, bo_phys(s->blocks, 0), SZ_2M, 1, RW, GFP_KERNEL);
	sample_mmu_invalidate(&s->raw->as.mmu, 0, U64_MAX);
	lost = !gpu_sees(&s->raw->as, &page);
	tell_raw("%s; the pages bound there are %s", outcome_name(block),
		 lost ? "silently gone" : "still there");
	if (!block.err)
		raw_unmap(s->raw, page.iova, SZ_2M, 1);
	else if (!small.err)
		raw_unmap(s->raw, page.iova, SZ_4K, 1);
}

static void raw_short_table(struct story *s)
{
	struct sample_vma vma = whole(s->small, AT_FREE);
	unsigned int calls = 0;
	struct outcome got;

	vma.size += SZ_64K;
	got = raw_bind(s->raw, &vma, GFP_KERNEL, &calls);
	tell_raw("the usual loop ends with err %d and %s of %s mapped", got.err,
		 size_name(got.bytes), size_name(vma.size));
	raw_unbind(s->raw, vma.iova, got.bytes);
}

static void refuse_binds(struct story *s, const struct ranges *before)
{
	struct sample_vma vma = whole(s->small, AT_SMALL);
	struct outcome got;

	got = map_outcome(sample_bind(s->as, &vma, GFP_KERNEL));
	tell_refused(s, got, -EEXIST, before, "bind a buffer where it is already");
	tell_raw("not run: it would WARN, and refuse as well");

	vma = whole(s->blocks, AT_SMALL);
	got = map_outcome(sample_bind(s->as, &vma, GFP_KERNEL));
	tell_refused(s, got, -EEXIST, before, "bind 2M blocks over those pages");
	raw_block_over_page(s);

	vma = whole(s->small, AT_FREE);
	vma.size += SZ_64K;
	got = map_outcome(sample_bind(s->as, &vma, GFP_KERNEL));
	tell_refused(s, got, -EINVAL, before, "bind 128K of a buffer that has 64K");
	raw_short_table(s);
}

static void refuse_unbinds(struct story *s, const struct ranges *before)
{
	struct sample_vma vma = whole(s->small, AT_SMALL);
	struct outcome got;

	vma.size += SZ_64K;
	got = unmap_outcome(sample_unbind(s->as, &vma));
	tell_refused(s, got, -ENOENT, before, "unbind 128K where only the first 64K are bound");
	tell_raw("not run: it would unmap the first half, WARN and stop");

	vma.iova = AT_FREE;
	got = unmap_outcome(sample_unbind(s->as, &vma));
	tell_refused(s, got, -ENOENT, before, "unbind where nothing is bound");
	tell_raw("not run: it would WARN, and return 0");
}

static void chapter_conflicts(struct story *s)
{
	struct sample_vma vma = whole(s->small, AT_SMALL);
	struct ranges before = ranges_of(s->as);

	tell_chapter("Requests that conflict are refused, and nothing changes");
	refuse_binds(s, &before);
	refuse_unbinds(s, &before);
	tell_view(s, &vma, true);
}

/* 3: unbinding */

static size_t raw_unmap_2m(struct story *s, unsigned int pages)
{
	struct outcome got;
	size_t unmapped;

	got = raw_map(s->raw, AT_PARTS, bo_phys(s->blocks, 0), SZ_4K, pages, RW, GFP_KERNEL);
	unmapped = got.bytes ? raw_unmap(s->raw, AT_PARTS, SZ_2M, 1) : 0;
	sample_mmu_invalidate(&s->raw->as.mmu, 0, U64_MAX);
	return unmapped;
}

static void unbind_two_as_one(struct story *s)
{
	struct sample_vma vma = whole(s->blocks, AT_PARTS);
	struct outcome got;

	vma.size = SZ_1M;
	got = map_outcome(sample_bind(s->as, &vma, GFP_KERNEL));
	tell_call(s, got, SZ_1M, 0, "bind 1M at %#llx", vma.iova);
	vma.iova += SZ_1M;
	vma.offset += SZ_1M;
	got = map_outcome(sample_bind(s->as, &vma, GFP_KERNEL));
	tell_call(s, got, SZ_1M, 0, "bind 1M at %#llx", vma.iova);

	vma = (struct sample_vma){ .bo = s->blocks, .iova = AT_PARTS, .size = SZ_2M };
	got = unmap_outcome(sample_unbind(s->as, &vma));
	tell_call(s, got, SZ_2M, 0, "unbind both as one 2M");
	tell_view(s, &vma, false);
	tell_raw("unmapped %s; with a single page mapped there it also says %s",
		 size_name(raw_unmap_2m(s, 512)), size_name(raw_unmap_2m(s, 1)));
}

static void unbind_part_of_block(struct story *s)
{
	struct sample_vma vma = whole(s->blocks, AT_BLOCKS), part = vma;
	struct ranges before = ranges_of(s->as);
	struct io_pgtable_safe_span span = {};
	struct outcome got;
	unsigned int seen;
	int err;

	part.iova += SZ_1M;
	part.offset = SZ_1M;
	part.size = SZ_64K;
	got = unmap_outcome(sample_unbind(s->as, &part));
	tell_refused(s, got, -ENOTBLK, &before, "unbind 64K in the middle of a 2M block");
	tell_raw("not run: up to 6.12 it would cut the block, from 7.3 on WARN");

	err = io_pgtable_safe_leaf_span(s->as->pgt, part.iova, part.size, &span);
	tell(s, !err && span.iova == AT_BLOCKS && span.size == SZ_2M,
	     "leaf_span() says what would cut nothing: %#llx+%s", span.iova,
	     size_name(span.size));
	got = unmap_outcome(sample_unbind_part(s->as, part.iova, part.size, part.prot,
					       GFP_KERNEL));
	seen = gpu_sees(s->as, &vma);
	tell(s, !got.err && got.bytes == part.size && seen == (vma.size - part.size) / SZ_4K,
	     "cut() unmaps the 64K and maps the rest again: GPU reads %u pages", seen);
	tell_view(s, &part, false);
	got = unmap_outcome(io_pgtable_safe_unmap_present(s->as->pgt, vma.iova, vma.size, 0));
	tell_call(s, got, vma.size - part.size, 0, "unmap_present() clears what is left of it");
}

static void remap(struct story *s)
{
	struct sample_vma old = whole(s->small, AT_SMALL), new = whole(s->other, AT_SMALL);
	struct outcome got;

	got = unmap_outcome(sample_unbind(s->as, &old));
	tell_call(s, got, old.size, 0, "unbind a buffer that the GPU has just read");
	got = map_outcome(sample_bind(s->as, &new, GFP_KERNEL));
	tell_call(s, got, new.size, 0, "bind another one in its place");
	tell_view(s, &new, true);
}

static void clear_heap(struct story *s)
{
	static const u64 grown[] = { 0, SZ_32K, SZ_128K, SZ_256K };
	struct sample_vma vma = { .bo = s->strewn, .size = SZ_16K, .prot = RW };
	struct outcome got = {};

	for (unsigned int i = 0; i < ARRAY_SIZE(grown) && !got.err; i++) {
		vma.iova = AT_HEAP + grown[i];
		vma.offset = grown[i];
		got = map_outcome(sample_bind(s->as, &vma, GFP_KERNEL));
	}
	tell(s, !got.err, "a heap grows by 4 x %s, wherever the GPU faults", size_name(SZ_16K));
	got = unmap_outcome(io_pgtable_safe_unmap_present(s->as->pgt, AT_HEAP, SZ_2M, 0));
	tell_call(s, got, SZ_64K, 0, "unmap_present() clears the heap's 2M, holes and all");
	vma = (struct sample_vma){ .bo = s->strewn, .iova = AT_HEAP, .size = SZ_2M };
	tell_view(s, &vma, false);
	tell_raw("not run: it would WARN at the first hole, and stop");
}

static void chapter_unbinding(struct story *s)
{
	tell_chapter("Unbinding goes by ranges, not by how they were bound");
	unbind_two_as_one(s);
	remap(s);
	clear_heap(s);
	unbind_part_of_block(s);
}

/* 4: invalidation */

static void raw_stale(struct story *s, const struct sample_vma *vma)
{
	unsigned int calls = 0;
	struct outcome got;
	size_t unmapped = 0;

	got = raw_bind(s->raw, vma, GFP_KERNEL, &calls);
	gpu_sees(&s->raw->as, vma);
	while (unmapped < got.bytes)
		unmapped += raw_unmap(s->raw, vma->iova + unmapped, SZ_4K,
				      (got.bytes - unmapped) / SZ_4K);
	tell_raw("unmapped %s, and the GPU still reads %u pages of it",
		 size_name(unmapped), gpu_sees(&s->raw->as, vma));
	sample_mmu_invalidate(&s->raw->as.mmu, 0, U64_MAX);
}

static void unbind_flushes(struct story *s)
{
	struct sample_vma vma = whole(s->other, AT_SMALL);
	unsigned int flushes;
	struct outcome got;

	gpu_sees(s->as, &vma);
	flushes = s->as->mmu.flushes;
	got = unmap_outcome(sample_unbind(s->as, &vma));
	tell_call(s, got, vma.size, 0, "unbind a buffer that is in the GPU's TLB");
	tell_view(s, &vma, false);
	tell(s, s->as->mmu.flushes - flushes == 1, "it took %u invalidation",
	     s->as->mmu.flushes - flushes);
	raw_stale(s, &vma);
}

static void unbind_without_flush(struct story *s)
{
	struct sample_vma vma = whole(s->small, AT_SMALL);
	struct outcome got;
	unsigned int seen;

	got = map_outcome(sample_bind(s->as, &vma, GFP_KERNEL));
	if (got.err) {
		tell_call(s, got, vma.size, 0, "bind a buffer");
		return;
	}
	gpu_sees(s->as, &vma);
	got = unmap_outcome(io_pgtable_safe_unmap(s->as->pgt, vma.iova, vma.size,
						  IO_PGTABLE_SAFE_NO_FLUSH));
	tell_call(s, got, vma.size, 0, "unbind with NO_FLUSH");
	seen = gpu_sees(s->as, &vma);
	tell(s, seen == vma.size / SZ_4K,
	     "GPU: %u pages are still in its TLB, the buffer must not be freed yet", seen);
	tell(s, !io_pgtable_safe_flush(s->as->pgt, vma.iova, vma.size), "flush");
	tell_view(s, &vma, false);
}

static void unbind_batch(struct story *s)
{
	struct sample_vma vmas[8];
	unsigned int flushes, seen = 0, faults = 0;
	struct outcome got = {};
	int err;

	for (unsigned int i = 0; i < ARRAY_SIZE(vmas) && !got.err; i++) {
		vmas[i] = whole(s->small, AT_FREE + i * SZ_16M);
		got = map_outcome(sample_bind(s->as, &vmas[i], GFP_KERNEL));
		seen += gpu_sees(s->as, &vmas[i]);
	}
	flushes = s->as->mmu.flushes;
	err = got.err ?: sample_unbind_many(s->as, vmas, ARRAY_SIZE(vmas));
	flushes = s->as->mmu.flushes - flushes;
	for (unsigned int i = 0; i < ARRAY_SIZE(vmas) && !err; i++)
		faults += gpu_faults(s->as, &vmas[i]);
	tell(s, !err && flushes == 1 && seen == 8 * 16 && faults == seen,
	     "unbind 8 buffers, then flush: %u invalidation, %u of %u pages fault",
	     flushes, faults, seen);
}

static void chapter_invalidation(struct story *s)
{
	tell_chapter("What is unbound is out of the GPU's reach");
	unbind_flushes(s);
	unbind_without_flush(s);
	unbind_batch(s);
}

/* 5: the second address space */

static void chapter_other_format(struct story *s)
{
	struct sample_vma vma = whole(s->blocks, AT_SMALL), low = whole(s->small, AT_SMALL);
	struct io_pgtable_safe_span leaf = {};
	struct outcome got;
	int err;

	tell_chapter("A second address space, in another format, at the same addresses");
	got = map_outcome(sample_bind(s->as, &low, GFP_KERNEL));
	tell_call(s, got, low.size, 0, "0: bind 16 scattered pages at %#llx", low.iova);
	s->as = s->gpu->as[1];
	got = map_outcome(sample_bind(s->as, &vma, GFP_KERNEL));
	tell_call(s, got, vma.size, 0, "1: bind two 2M chunks at %#llx", vma.iova);
	err = io_pgtable_safe_lookup(s->as->pgt, vma.iova, &leaf);
	tell(s, !err && leaf.leaf == SZ_1M, "1: lookup: a leaf of %s, this format has no 2M",
	     size_name(leaf.leaf));
	tell_view(s, &vma, true);
	tell(s, gpu_sees(s->gpu->as[0], &low) == 16, "0: the GPU reads its own 16 pages there");
	got = unmap_outcome(sample_unbind(s->as, &vma));
	tell_call(s, got, vma.size, 0, "1: unbind");
	s->as = s->gpu->as[0];
	tell_view(s, &low, true);
}

/* 6: binding later */

/**
 * struct plug - What the binds of an address space wait for.
 * @work: The worker is busy with this.
 * @pulled: And may go on.
 */
struct plug {
	struct work_struct work;
	struct completion pulled;
};

static void wait_for_plug(struct work_struct *work)
{
	wait_for_completion(&container_of(work, struct plug, work)->pulled);
}

static void plug_in(struct story *s, struct plug *plug)
{
	init_completion(&plug->pulled);
	INIT_WORK_ONSTACK(&plug->work, wait_for_plug);
	queue_work(s->as->binds, &plug->work);
}

static void pull_plug(struct plug *plug)
{
	complete(&plug->pulled);
	flush_work(&plug->work);
	destroy_work_on_stack(&plug->work);
}

static void refuse_now(struct story *s, const struct sample_vma *vma)
{
	struct ranges before = ranges_of(s->as);
	struct sample_bind_job *job;
	struct outcome got;

	got = map_outcome(sample_bind(s->as, vma, GFP_KERNEL));
	tell_refused(s, got, -ENOMEM, &before, "no table is to be had: bind another");
	job = sample_bind_submit(s->as, vma);
	tell(s, PTR_ERR_OR_ZERO(job) == -ENOMEM,
	     "submit it: refused as well, while the caller can still be told");
}

static void chapter_later(struct story *s)
{
	struct sample_vma vma = whole(s->strewn, AT_LATER), other = vma;
	bool reserved = atomic_read(&s->as->tables);
	struct sample_bind_job *job;
	struct outcome got;
	struct plug plug;

	tell_chapter("Bound later: all the memory it may take is there when it is asked for");
	other.iova += SZ_1G;
	plug_in(s, &plug);
	job = sample_bind_submit(s->as, &vma);
	if (tell(s, !IS_ERR(job), "submit a bind of 1024 scattered pages")) {
		tell_view(s, &vma, false);
		if (reserved) {
			s->as->max_tables = atomic_read(&s->as->tables);
			refuse_now(s, &other);
		}
		pull_plug(&plug);
		got = map_outcome(sample_bind_wait(job));
		tell_call(s, got, vma.size, 0, "the worker binds the first%s",
			  reserved ? ", and needs no allocator" : "");
		s->as->max_tables = INT_MAX;
		tell_view(s, &vma, true);
		got = unmap_outcome(sample_unbind(s->as, &vma));
		tell_call(s, got, vma.size, 0, "unbind");
	} else {
		pull_plug(&plug);
	}
}

/* Frame */

static bool story_begin(struct story *s)
{
	struct sample_gpu *gpu = s->gpu;

	s->as = gpu->as[0];
	s->raw = raw_create(gpu->dev, ARM_64_LPAE_S1);
	s->small = sample_bo_create(gpu, SZ_64K, 0);
	s->other = sample_bo_create(gpu, SZ_64K, 0);
	s->blocks = sample_bo_create(gpu, SZ_4M, get_order(SZ_2M));
	s->strewn = sample_bo_create(gpu, SZ_4M, 0);
	if (!s->raw || !s->small || !s->other || !s->blocks || !s->strewn)
		return false;
	bo_sign(s->small);
	bo_sign(s->other);
	bo_sign(s->blocks);
	bo_sign(s->strewn);
	return true;
}

static void tell_hardware(struct story *s)
{
	pr_info("A GPU that does not exist, with an MMU in software (Linux %s)\n",
		init_utsname()->release);
	pr_info("address space 0: ARM_64_LPAE_S1, 48 bits, pages of 4K, 2M, 1G\n");
	if (IS_ERR(s->gpu->as[1]))
		pr_info("address space 1: none, this kernel has no ARM_V7S (%pe)\n",
			s->gpu->as[1]);
	else
		pr_info("address space 1: ARM_V7S, 32 bits, pages of 4K, 64K, 1M, 16M\n");
	pr_info("Each call gives {bytes, error}; \"raw\" is io-pgtable without the checks.\n");
}

/**
 * sample_story() - Visit the GPU.
 * @gpu: Device.
 *
 * Something stays bound, so that removing the driver has something to clear.
 *
 * Return: 0 also if expectations were not met, which the last line says;
 * -ENOMEM if there is no memory for a visit.
 */
int sample_story(struct sample_gpu *gpu)
{
	struct story *s;
	int err = -ENOMEM;

	s = kzalloc_obj(*s);
	if (!s)
		return -ENOMEM;
	s->gpu = gpu;
	if (story_begin(s)) {
		tell_hardware(s);
		chapter_binding(s);
		chapter_conflicts(s);
		story_arguments(s);
		chapter_unbinding(s);
		chapter_invalidation(s);
		if (!IS_ERR(gpu->as[1]))
			chapter_other_format(s);
		chapter_later(s);
		story_pressure(s);
		story_watch(s);
		pr_info("RESULT ok=%u bad=%u\n", s->ok, s->bad);
		err = 0;
	}
	raw_destroy(s->raw);
	kfree(s);
	return err;
}
