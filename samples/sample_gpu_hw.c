// SPDX-License-Identifier: GPL-2.0
/*
 * The sample GPU: an MMU that reads the page table in memory, descriptor by
 * descriptor as hardware does, and remembers what it found in a TLB. It knows
 * nothing of io-pgtable, so that what it can reach is proof of what is mapped.
 */

#include <linux/bits.h>
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "sample_gpu.h"

/* Descriptors of the 4K granule, stage 1: Arm ARM (DDI 0487), D8.3. */
#define LPAE_VALID		BIT_ULL(0)
#define LPAE_TABLE_OR_PAGE	BIT_ULL(1)
#define LPAE_READ_ONLY		BIT_ULL(7)
#define LPAE_ACCESSED		BIT_ULL(10)
#define LPAE_ADDRESS		GENMASK_ULL(47, 12)
#define LPAE_INDEX_BITS		9

static bool walk_lpae(u64 ttbr, u64 iova, struct sample_tlb_entry *found)
{
	u64 table = ttbr & LPAE_ADDRESS, desc;
	unsigned int shift = 39;

	if (iova >> 48)
		return false;
	for (;; shift -= LPAE_INDEX_BITS) {
		const u64 *entries = phys_to_virt(table);

		desc = READ_ONCE(entries[(iova >> shift) & GENMASK(LPAE_INDEX_BITS - 1, 0)]);
		if (!(desc & LPAE_VALID))
			return false;
		if (shift == 12 || !(desc & LPAE_TABLE_OR_PAGE))
			break;
		table = desc & LPAE_ADDRESS;
	}
	if (!(desc & LPAE_ACCESSED) || shift == 39 ||
	    (shift == 12 && !(desc & LPAE_TABLE_OR_PAGE)))
		return false;
	found->paddr = (desc & LPAE_ADDRESS & GENMASK_ULL(47, shift)) |
		       (iova & GENMASK_ULL(shift - 1, 0));
	found->writable = !(desc & LPAE_READ_ONLY);
	return true;
}

/* Short descriptors: Arm ARM (DDI 0406), B3.5. */
#define V7S_TYPE		GENMASK(1, 0)
#define V7S_TYPE_TABLE		1
#define V7S_TYPE_LARGE_PAGE	1
#define V7S_SUPERSECTION	BIT(18)
#define V7S_SECTION_READ_ONLY	BIT(15)
#define V7S_PAGE_READ_ONLY	BIT(9)

static bool v7s_leaf(u32 desc, unsigned int shift, u32 read_only, u64 iova,
		     struct sample_tlb_entry *found)
{
	found->paddr = (desc & GENMASK(31, shift)) | (iova & GENMASK(shift - 1, 0));
	found->writable = !(desc & read_only);
	return true;
}

static bool walk_v7s(u64 ttbr, u64 iova, struct sample_tlb_entry *found)
{
	const u32 *entries = phys_to_virt(ttbr & GENMASK(31, 14));
	u32 desc;

	if (iova >> 32)
		return false;
	desc = READ_ONCE(entries[iova >> 20]);
	if (!(desc & V7S_TYPE))
		return false;
	if ((desc & V7S_TYPE) != V7S_TYPE_TABLE)
		return v7s_leaf(desc, desc & V7S_SUPERSECTION ? 24 : 20,
				V7S_SECTION_READ_ONLY, iova, found);

	entries = phys_to_virt(desc & GENMASK(31, 10));
	desc = READ_ONCE(entries[(iova >> 12) & GENMASK(7, 0)]);
	if (!(desc & V7S_TYPE))
		return false;
	return v7s_leaf(desc, (desc & V7S_TYPE) == V7S_TYPE_LARGE_PAGE ? 16 : 12,
			V7S_PAGE_READ_ONLY, iova, found);
}

static struct sample_tlb_entry *tlb_find(struct sample_mmu *mmu, u64 iova)
{
	for (unsigned int i = 0; i < SAMPLE_TLB_ENTRIES; i++)
		if (mmu->tlb[i].valid && mmu->tlb[i].iova == iova)
			return &mmu->tlb[i];
	return NULL;
}

/* A TLB keeps no faults: what was mapped since is found without invalidation. */
static struct sample_tlb_entry *tlb_fill(struct sample_mmu *mmu, u64 iova)
{
	struct sample_tlb_entry *entry = &mmu->tlb[mmu->victim], found = {};
	bool ok;

	mmu->walks++;
	if (mmu->fmt == ARM_V7S)
		ok = walk_v7s(mmu->ttbr, iova, &found);
	else
		ok = walk_lpae(mmu->ttbr, iova, &found);
	if (!ok)
		return NULL;

	mmu->victim = (mmu->victim + 1) % SAMPLE_TLB_ENTRIES;
	found.iova = iova;
	found.valid = true;
	*entry = found;
	return entry;
}

static int translate(struct sample_mmu *mmu, u64 iova, bool write, phys_addr_t *paddr)
{
	const struct sample_tlb_entry *entry = NULL;
	u64 page = iova & ~(u64)(SZ_4K - 1);
	unsigned long flags;
	int err = -EFAULT;

	spin_lock_irqsave(&mmu->lock, flags);
	if (mmu->ttbr) {
		entry = tlb_find(mmu, page);
		if (!entry)
			entry = tlb_fill(mmu, page);
	}
	if (entry && (entry->writable || !write)) {
		*paddr = entry->paddr | (iova & (SZ_4K - 1));
		err = 0;
	}
	spin_unlock_irqrestore(&mmu->lock, flags);
	return err;
}

static int access(struct sample_mmu *mmu, u64 iova, u64 *value, bool write)
{
	phys_addr_t paddr;
	u64 *word;
	void *page;
	int err;

	err = translate(mmu, iova, write, &paddr);
	if (err)
		return err;
	if (!pfn_valid(PHYS_PFN(paddr)))
		return -ENXIO;

	page = kmap_local_page(pfn_to_page(PHYS_PFN(paddr)));
	word = page + offset_in_page(paddr);
	if (write)
		WRITE_ONCE(*word, *value);
	else
		*value = READ_ONCE(*word);
	kunmap_local(page);
	return 0;
}

/**
 * sample_mmu_read() - The device reads a word of memory.
 * @mmu: Address space slot.
 * @iova: Address, a multiple of 8.
 * @value: Where to store the word.
 *
 * Return: 0, -EFAULT on a translation or permission fault, -ENXIO if there is
 * no memory where the page table says.
 */
int sample_mmu_read(struct sample_mmu *mmu, u64 iova, u64 *value)
{
	return access(mmu, iova, value, false);
}

/**
 * sample_mmu_write() - The device writes a word of memory.
 * @mmu: Address space slot.
 * @iova: Address, a multiple of 8.
 * @value: The word.
 *
 * Return: As sample_mmu_read().
 */
int sample_mmu_write(struct sample_mmu *mmu, u64 iova, u64 value)
{
	return access(mmu, iova, &value, true);
}

/**
 * sample_mmu_invalidate() - Forget translations.
 * @mmu: Address space slot.
 * @iova: First byte of the range.
 * @last: Last byte of it.
 */
void sample_mmu_invalidate(struct sample_mmu *mmu, u64 iova, u64 last)
{
	unsigned long flags;

	spin_lock_irqsave(&mmu->lock, flags);
	mmu->flushes++;
	for (unsigned int i = 0; i < SAMPLE_TLB_ENTRIES; i++)
		if (mmu->tlb[i].iova <= last && (mmu->tlb[i].iova | (SZ_4K - 1)) >= iova)
			mmu->tlb[i].valid = false;
	spin_unlock_irqrestore(&mmu->lock, flags);
}

/**
 * sample_mmu_enable() - Let the device walk a page table.
 * @mmu: Address space slot.
 * @fmt: Format of the page table, ARM_64_LPAE_S1 or ARM_V7S.
 * @ttbr: Its address, as the granted configuration gives it.
 */
void sample_mmu_enable(struct sample_mmu *mmu, enum io_pgtable_fmt fmt, u64 ttbr)
{
	unsigned long flags;

	spin_lock_irqsave(&mmu->lock, flags);
	mmu->fmt = fmt;
	mmu->ttbr = ttbr;
	spin_unlock_irqrestore(&mmu->lock, flags);
}

/**
 * sample_mmu_disable() - Keep the device from walking any page table.
 * @mmu: Address space slot.
 */
void sample_mmu_disable(struct sample_mmu *mmu)
{
	unsigned long flags;

	spin_lock_irqsave(&mmu->lock, flags);
	mmu->ttbr = 0;
	memset(mmu->tlb, 0, sizeof(mmu->tlb));
	spin_unlock_irqrestore(&mmu->lock, flags);
}
