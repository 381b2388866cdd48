// SPDX-License-Identifier: GPL-2.0
/*
 * The chapter of requests that no page table can serve. io-pgtable takes its
 * caller's word for most of them.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/printk.h>
#include <linux/sizes.h>

#include "sample_gpu_story.h"

#define AT		0x70000000ULL
#define RW		(IOMMU_READ | IOMMU_WRITE)
#define CORRUPTION	"corrupt memory"

/**
 * struct argument - A request that makes no sense.
 * @what: What is wrong with it.
 * @iova: Address.
 * @offset: Added to the address of a real page.
 * @pgsize: Page size.
 * @pgcount: Number of pages.
 * @prot: Permissions.
 * @err: How it is refused.
 * @would: What io-pgtable would do, if that is not tried.
 */
struct argument {
	const char *what;
	u64 iova;
	u64 offset;
	size_t pgsize;
	size_t pgcount;
	int prot;
	int err;
	const char *would;
};

static const struct argument lpae_arguments[] = {
	{ "address in mid page", AT + SZ_2K, 0, SZ_4K, 1, RW, -EINVAL },
	{ "memory in mid page", AT, SZ_2K, SZ_4K, 1, RW, -EINVAL },
	{ "write, but no read", AT, 0, SZ_4K, 1, IOMMU_WRITE, -EINVAL },
	{ "zero pages", AT, 0, SZ_4K, 0, RW, -EINVAL },
#ifdef CONFIG_64BIT
	{ "2^32 pages of 1G", 0, 0, SZ_1G, BIT_ULL(32), RW, -ERANGE },
#endif
	{ "end past 48 bits", BIT_ULL(48) - SZ_4K, 0, SZ_4K, 2, RW, -ERANGE },
	{ "end past 64 bits", -(u64)SZ_4K, 0, SZ_4K, 2, RW, -EOVERFLOW, "WARN" },
	{ "memory past 48 bits", AT, BIT_ULL(48), SZ_4K, 1, RW, -ERANGE, "WARN" },
	{ "a page size of 8K", AT, 0, SZ_8K, 1, RW, -EINVAL, "WARN" },
};

/* Large pages and supersections are 16 entries that must not straddle tables. */
static const struct argument v7s_arguments[] = {
	{ "64K page at 0xf8000", 0xf8000, 0, SZ_64K, 1, RW, -EINVAL, CORRUPTION },
	{ "16M page at 0xff800000", 0xff800000, 0, SZ_16M, 1, RW, -EINVAL, CORRUPTION },
};

/* What came of it, in a few words, and only if it was seen. */
static const char *consequence(struct story *s, const struct argument *arg, struct outcome got)
{
	struct sample_vma page = {
		.bo = s->small,
		.iova = arg->iova & ~(u64)(SZ_4K - 1),
		.size = SZ_4K,
	};

	if (got.err)
		return "";
	if (!got.bytes)
		return ": retry for ever";
	if (got.bytes < (u64)arg->pgsize * arg->pgcount)
		return ": only a part";
	if (gpu_sees(&s->raw->as, &page) != 1)
		return "";
	if (arg->iova != page.iova || arg->offset)
		return ": rounded down";
	return arg->prot == IOMMU_WRITE ? ": the GPU reads it" : "";
}

static void try_raw(struct story *s, const struct argument *arg, char *buf, size_t len)
{
	phys_addr_t paddr = bo_phys(s->small, 0) + arg->offset;
	struct outcome got;

	if (arg->would) {
		snprintf(buf, len, "not run: would %s", arg->would);
		return;
	}
	got = raw_map(s->raw, arg->iova, paddr, arg->pgsize, arg->pgcount, arg->prot,
		      GFP_KERNEL);
	snprintf(buf, len, "%s%s", outcome_name(got), consequence(s, arg, got));
	if (got.bytes)
		raw_unmap(s->raw, arg->iova & ~(u64)(SZ_4K - 1), arg->pgsize,
			  (size_t)got.bytes / arg->pgsize);
	sample_mmu_invalidate(&s->raw->as.mmu, 0, U64_MAX);
}

static void refuse(struct story *s, const struct argument *arg)
{
	struct ranges before = ranges_of(s->as), after;
	/* A buffer's pages are scattered: there is no memory for a large page. */
	phys_addr_t paddr = arg->pgsize > SZ_8K ? 0 : bo_phys(s->small, 0) + arg->offset;
	struct outcome got;
	char raw[48];

	got = map_outcome(io_pgtable_safe_map_pages(s->as->pgt, arg->iova, paddr, arg->pgsize,
						    arg->pgcount, arg->prot, GFP_KERNEL));
	after = ranges_of(s->as);
	try_raw(s, arg, raw, sizeof(raw));
	tell(s, got.err == arg->err && !got.bytes && same_ranges(&before, &after),
	     "%-22s %-15s raw: %s", arg->what, outcome_name(got), raw);
}

/**
 * story_arguments() - Ask for the impossible.
 * @s: Story.
 */
void story_arguments(struct story *s)
{
	tell_chapter("Arguments that make no sense are refused, and nothing changes");
	for (unsigned int i = 0; i < ARRAY_SIZE(lpae_arguments); i++)
		refuse(s, &lpae_arguments[i]);
	if (IS_ERR(s->gpu->as[1]))
		return;
	s->as = s->gpu->as[1];
	for (unsigned int i = 0; i < ARRAY_SIZE(v7s_arguments); i++)
		refuse(s, &v7s_arguments[i]);
	s->as = s->gpu->as[0];
}
