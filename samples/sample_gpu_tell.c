// SPDX-License-Identifier: GPL-2.0
/*
 * How the story is told, and how each expectation in it is checked.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "sample_gpu_story.h"

/* No line of the story is wider. */
#define TELL_WIDTH	80

static const char *mark(struct story *s, bool good)
{
	if (good)
		s->ok++;
	else
		s->bad++;
	return good ? "ok " : "BAD";
}

/**
 * size_name() - A size for human eyes.
 * @size: Size in bytes.
 *
 * Return: The size in the largest unit that divides it, in one of a few static
 * buffers. Only one thread tells.
 */
const char *size_name(u64 size)
{
	static char names[4][16];
	static unsigned int next;
	char *name = names[next++ % ARRAY_SIZE(names)];
	unsigned int unit = 0;

	while (size && !(size % SZ_1K) && unit < 4) {
		size /= SZ_1K;
		unit++;
	}
	snprintf(name, sizeof(names[0]), unit ? "%llu%c" : "%llu", size, " KMGT"[unit]);
	return name;
}

/**
 * outcome_name() - An outcome as {4K, 0} or {0, -EEXIST}.
 * @got: Outcome.
 *
 * Return: A static buffer, one of a few.
 */
const char *outcome_name(struct outcome got)
{
	static char names[2][40];
	static unsigned int next;
	char *name = names[next++ % ARRAY_SIZE(names)];

	if (got.err)
		snprintf(name, sizeof(names[0]), "{%s, %pe}", size_name(got.bytes),
			 ERR_PTR(got.err));
	else
		snprintf(name, sizeof(names[0]), "{%s, 0}", size_name(got.bytes));
	return name;
}

static void put_ranges(char *buf, size_t len, const struct ranges *ranges)
{
	size_t used = scnprintf(buf, len, "mapped:");

	if (!ranges->count)
		scnprintf(buf + used, len - used, " nothing");
	for (unsigned int i = 0; i < ranges->count; i++)
		used += scnprintf(buf + used, len - used, " %llx+%s",
				  ranges->range[i].iova, size_name(ranges->range[i].size));
}

/**
 * ranges_of() - What is mapped?
 * @as: Address space.
 *
 * Return: Its ranges, as many as are of use to a reader.
 */
struct ranges ranges_of(const struct sample_as *as)
{
	struct io_pgtable_safe_span span;
	struct ranges ranges = {};
	u64 iova = 0;

	while (ranges.count < STORY_RANGES && !io_pgtable_safe_next(as->pgt, iova, &span)) {
		ranges.range[ranges.count].iova = span.iova;
		ranges.range[ranges.count].size = span.size;
		ranges.count++;
		iova = span.iova + span.size;
	}
	return ranges;
}

/**
 * same_ranges() - Has nothing changed?
 * @a: What was mapped.
 * @b: What is mapped.
 *
 * Return: Whether they are the same.
 */
bool same_ranges(const struct ranges *a, const struct ranges *b)
{
	return a->count == b->count &&
	       !memcmp(a->range, b->range, a->count * sizeof(a->range[0]));
}

/**
 * tell_chapter() - Tell what comes next.
 * @fmt: Title.
 */
void tell_chapter(const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	vaf.va = &args;
	pr_info("\n");
	pr_info("== %pV\n", &vaf);
	va_end(args);
}

/**
 * tell_raw() - Tell what io-pgtable itself does with the same request.
 * @fmt: What it does.
 */
void tell_raw(const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	vaf.va = &args;
	pr_info("      raw: %pV\n", &vaf);
	va_end(args);
}

/**
 * tell() - Tell of an expectation.
 * @s: Story.
 * @good: Whether it was met.
 * @fmt: The expectation.
 *
 * Return: @good.
 */
bool tell(struct story *s, bool good, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	vaf.va = &args;
	pr_info("  %s %pV\n", mark(s, good), &vaf);
	va_end(args);
	return good;
}

static __printf(4, 0) void
tell_outcome(struct story *s, bool good, struct outcome got, const char *fmt, va_list args)
{
	char what[TELL_WIDTH];

	vscnprintf(what, sizeof(what), fmt, args);
	tell(s, good, "%-56s %s", what, outcome_name(got));
}

/**
 * tell_call() - Tell of a call and what became of it.
 * @s: Story.
 * @got: Its outcome.
 * @bytes: The bytes it should have.
 * @err: The error it should have.
 * @fmt: The call.
 */
void tell_call(struct story *s, struct outcome got, u64 bytes, int err,
	       const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	tell_outcome(s, got.bytes == bytes && got.err == err, got, fmt, args);
	va_end(args);
}

/**
 * tell_refused() - Tell of a call that must fail and change nothing.
 * @s: Story.
 * @got: Its outcome.
 * @err: The error it should have.
 * @before: What was mapped before the call.
 * @fmt: The call.
 */
void tell_refused(struct story *s, struct outcome got, int err,
		  const struct ranges *before, const char *fmt, ...)
{
	struct ranges after = ranges_of(s->as);
	bool same = same_ranges(before, &after);
	char left[TELL_WIDTH];
	va_list args;

	va_start(args, fmt);
	tell_outcome(s, !got.bytes && got.err == err && same, got, fmt, args);
	va_end(args);
	put_ranges(left, sizeof(left), &after);
	pr_info("      %s %s\n", same ? "still" : "CHANGED,", left);
}

/**
 * tell_view() - Tell what the device sees of a binding, and what is mapped.
 * @s: Story.
 * @vma: Binding.
 * @bound: Whether it should see it, or else fault everywhere.
 */
void tell_view(struct story *s, const struct sample_vma *vma, bool bound)
{
	unsigned int pages = vma->size / SZ_4K, count;
	struct ranges ranges = ranges_of(s->as);
	char left[TELL_WIDTH];

	count = bound ? gpu_sees(s->as, vma) : gpu_faults(s->as, vma);
	put_ranges(left, sizeof(left), &ranges);
	tell(s, count == pages, "GPU: %u of %u pages %s; %s", count, pages,
	     bound ? "read" : "fault", left);
}

/* The buffers' contents: each 4K page says where in memory it is. */
static u64 signature(phys_addr_t phys)
{
	return 0x5a17ec0de0000000ULL ^ (phys / SZ_4K);
}

/**
 * bo_sign() - Write to a buffer what the device is to find there.
 * @bo: Buffer.
 */
void bo_sign(struct sample_bo *bo)
{
	for (unsigned int i = 0; i < bo->nr_pages; i++) {
		void *page = kmap_local_page(bo->pages[i]);

		for (unsigned int at = 0; at < PAGE_SIZE; at += SZ_4K)
			*(u64 *)(page + at) = signature(page_to_phys(bo->pages[i]) + at);
		kunmap_local(page);
	}
}

/**
 * gpu_sees() - How much of a binding does the device read?
 * @as: Address space.
 * @vma: Binding.
 *
 * Return: Pages that it finds at the right addresses.
 */
unsigned int gpu_sees(struct sample_as *as, const struct sample_vma *vma)
{
	unsigned int count = 0;
	u64 value;

	for (u64 at = 0; at < vma->size; at += SZ_4K)
		if (!sample_mmu_read(&as->mmu, vma->iova + at, &value) &&
		    value == signature(bo_phys(vma->bo, vma->offset + at)))
			count++;
	return count;
}

/**
 * gpu_faults() - How much of a binding can the device not reach?
 * @as: Address space.
 * @vma: Binding.
 *
 * Return: Pages for which it faults.
 */
unsigned int gpu_faults(struct sample_as *as, const struct sample_vma *vma)
{
	unsigned int count = 0;
	u64 value;

	for (u64 at = 0; at < vma->size; at += SZ_4K)
		if (sample_mmu_read(&as->mmu, vma->iova + at, &value) == -EFAULT)
			count++;
	return count;
}
