// SPDX-License-Identifier: GPL-2.0
/*
 * A table, an SMMU that walks it, and a device whose DMA tells what it finds.
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "report.h"
#include "smmu_bench.h"
#include "table.h"

#define RW	(IOMMU_READ | IOMMU_WRITE)

/* --- flush callbacks, as a driver of this SMMU would have them ----------------- */

static struct bench *to_bench(void *cookie)
{
	return container_of((struct failing_plan *)cookie, struct bench, plan);
}

static void flush_all(void *cookie)
{
	struct bench *b = to_bench(cookie);

	b->flushes++;
	if (!b->suppressed)
		smmu_invalidate_all(&b->smmu);
}

static void flush_walk(unsigned long iova, size_t size, size_t granule, void *cookie)
{
	struct bench *b = to_bench(cookie);

	b->flushes++;
	if (!b->suppressed)
		smmu_invalidate(&b->smmu, iova, size, granule);
}

static void add_page(struct iommu_iotlb_gather *gather, unsigned long iova,
		     size_t granule, void *cookie)
{
	flush_walk(iova, granule, granule, cookie);
}

static const struct iommu_flush_ops flush_ops = {
	.tlb_flush_all	= flush_all,
	.tlb_flush_walk	= flush_walk,
	.tlb_add_page	= add_page,
};

/* --- the table -------------------------------------------------------------------- */

static int alloc_table(struct bench *b, unsigned long pgsizes, enum bench_table which)
{
	b->plan.calls = -1;
	b->cfg = (struct io_pgtable_cfg){
		.pgsize_bitmap = pgsizes,
		.ias = 39,
		.oas = 40,
		.coherent_walk = true,
		.tlb = &flush_ops,
		.iommu_dev = judge_device,
	};

	switch (which) {
	case BENCH_CHECKED:
		b->pgt = io_pgtable_safe_alloc(ARM_64_LPAE_S1, &b->cfg, &b->plan);
		break;
	case BENCH_FAILING_CALLS:
		b->pgt = failing_format_alloc(ARM_64_LPAE_S1, &b->cfg, &b->plan, &b->plan);
		break;
	case BENCH_FAILING_MEMORY:
		b->pgt = failing_memory_alloc(ARM_64_LPAE_S1, &b->cfg, &b->plan);
		break;
	case BENCH_RAW:
		b->ops = alloc_io_pgtable_ops(ARM_64_LPAE_S1, &b->cfg, &b->plan);
		return b->ops ? 0 : -ENOMEM;
	}
	if (IS_ERR(b->pgt))
		return PTR_ERR(b->pgt);
	b->cfg = *io_pgtable_safe_cfg(b->pgt);
	return 0;
}

static void free_table(struct bench *b)
{
	if (b->ops)
		return free_io_pgtable_ops(b->ops);
	b->suppressed = false;
	bench_unmap(b, BENCH_WINDOW, b->granule, 0);
	judge_expect(!io_pgtable_safe_mapped(b->pgt), "%#llx bytes are left",
		     io_pgtable_safe_mapped(b->pgt));
	io_pgtable_safe_free(b->pgt);
}

static void map_range(struct bench *b, u64 iova, phys_addr_t paddr, u64 pgsize, int prot)
{
	struct io_pgtable_safe_map_result res;
	size_t mapped = 0;

	if (b->ops) {
		res.err = b->ops->map_pages(b->ops, iova, paddr, pgsize, 1, prot, GFP_KERNEL,
					    &mapped);
		res.mapped = mapped;
	} else {
		res = io_pgtable_safe_map_pages(b->pgt, iova, paddr, pgsize, 1, prot,
						GFP_KERNEL);
	}
	judge_expect(!res.err && res.mapped == pgsize, "map %#llx: {%#llx, %d}", iova,
		     res.mapped, res.err);
}

void bench_map(struct bench *b, u64 iova, void *memory, int prot)
{
	map_range(b, iova, virt_to_phys(memory), b->granule, prot);
}

/* The block of physical memory that holds it; only that memory is used */
void bench_map_block(struct bench *b, u64 iova, void *memory, int prot)
{
	map_range(b, iova, virt_to_phys(memory) & ~(b->block - 1), b->block, prot);
}

/* Where in that block it is */
u64 bench_in_block(const struct bench *b, u64 iova, void *memory)
{
	return iova + (virt_to_phys(memory) & (b->block - 1));
}

void bench_unmap(struct bench *b, u64 iova, u64 size, u32 flags)
{
	struct io_pgtable_safe_unmap_result res;

	res = io_pgtable_safe_unmap(b->pgt, iova, size, flags);
	judge_expect(!res.err && res.unmapped == size, "unmap %#llx: {%#llx, %d}", iova,
		     res.unmapped, res.err);
}

/* --- on and off -------------------------------------------------------------------- */

static bool alloc_memory(struct bench *b)
{
	b->window = alloc_pages_exact(BENCH_MEMORY, GFP_KERNEL | __GFP_ZERO);
	b->target = alloc_pages_exact(BENCH_MEMORY, GFP_KERNEL | __GFP_ZERO);
	b->other = alloc_pages_exact(BENCH_MEMORY, GFP_KERNEL | __GFP_ZERO);
	return judge_expect(b->window && b->target && b->other, "no memory");
}

static void free_memory(struct bench *b)
{
	void *const memory[] = { b->window, b->target, b->other };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(memory); i++)
		if (memory[i])
			free_pages_exact(memory[i], BENCH_MEMORY);
}

static bool open_table(struct bench *b, unsigned long pgsizes, enum bench_table which)
{
	int err;

	if (!smmu_has_granule(&b->smmu, b->granule)) {
		judge_skip("this SMMU does not have the granule");
		return false;
	}
	err = alloc_table(b, pgsizes, which);
	if (err == -EOPNOTSUPP) {
		judge_skip("no custom page table allocator here");
		return false;
	}
	return judge_expect(!err, "no table: %d", err);
}

static bool skip_without(const char *missing)
{
	if (missing)
		judge_skip("%s", missing);
	return !missing;
}

bool bench_open(struct bench *b, unsigned long pgsizes, enum bench_table which)
{
	unsigned long larger = pgsizes & (pgsizes - 1);

	*b = (struct bench){ .granule = pgsizes & -pgsizes, .block = larger & -larger };
	if (!skip_without(dma_open(&b->dma)))
		return false;
	if (!skip_without(smmu_open(&b->smmu)))
		goto close_dma;
	if (!alloc_memory(b) || !open_table(b, pgsizes, which))
		goto close_smmu;

	bench_map(b, BENCH_WINDOW, b->window, RW);
	if (b->pgt)
		io_pgtable_safe_set_live(b->pgt);
	smmu_attach(&b->smmu, b->dma.stream, &b->cfg);
	return true;

close_smmu:
	free_memory(b);
	smmu_close(&b->smmu);
close_dma:
	dma_close(&b->dma);
	return false;
}

/* The table goes before the SMMU: freeing it may call a flush callback */
void bench_close(struct bench *b)
{
	struct smmu_event event;

	judge_expect(!smmu_next_event(&b->smmu, &event), "an event is left");
	smmu_detach(&b->smmu, b->dma.stream);
	judge_expect(smmu_is_well(&b->smmu), "the SMMU complains");
	if (b->pgt)
		io_pgtable_safe_clear_live(b->pgt);
	free_table(b);
	smmu_close(&b->smmu);
	dma_close(&b->dma);
	free_memory(b);
}

/* --- transfers ---------------------------------------------------------------------- */

static void fill(void *memory, u32 value)
{
	memset32(memory, value, DMA_LENGTH / sizeof(u32));
}

static bool is_filled(const void *memory, u32 value)
{
	const u32 *word = memory;
	unsigned int i;

	for (i = 0; i < DMA_LENGTH / sizeof(u32); i++)
		if (READ_ONCE(word[i]) != value)
			return false;
	return true;
}

/* What the SMMU says of the transfer that has just ended */
static enum smmu_fault take_event(struct bench *b, u64 iova)
{
	struct smmu_event event;

	if (!smmu_next_event(&b->smmu, &event))
		return SMMU_NO_FAULT;
	judge_expect(event.stream == b->dma.stream && event.iova - iova < DMA_LENGTH,
		     "event %#x of stream %u for %#llx, not %#llx", event.fault,
		     event.stream, event.iova, iova);
	/* A transfer may be cut into several accesses, and each has its event */
	while (smmu_next_event(&b->smmu, &event))
		;
	return event.fault;
}

void bench_expect_write(struct bench *b, u64 iova, void *memory, enum smmu_fault expected)
{
	enum smmu_fault fault;
	bool arrived;

	fill(b->window, ++b->nonce);
	fill(memory, ~b->nonce);
	judge_expect(dma_from_memory(&b->dma, BENCH_WINDOW), "no end");
	judge_expect(take_event(b, BENCH_WINDOW) == SMMU_NO_FAULT, "through the window");

	judge_expect(dma_to_memory(&b->dma, iova), "no end");
	fault = take_event(b, iova);
	arrived = is_filled(memory, b->nonce);
	judge_expect(fault == expected, "write to %#llx: event %#x, not %#x", iova, fault,
		     expected);
	judge_expect(arrived == !expected, "write to %#llx: the data %s", iova,
		     arrived ? "arrived" : "did not arrive");
	judge_expect(arrived || is_filled(memory, ~b->nonce), "write to %#llx: torn", iova);
}

void bench_expect_read(struct bench *b, u64 iova, void *memory, enum smmu_fault expected)
{
	enum smmu_fault fault;
	bool arrived;

	fill(memory, ++b->nonce);
	fill(b->window, ~b->nonce);
	judge_expect(dma_from_memory(&b->dma, iova), "no end");
	fault = take_event(b, iova);
	judge_expect(dma_to_memory(&b->dma, BENCH_WINDOW), "no end");
	judge_expect(take_event(b, BENCH_WINDOW) == SMMU_NO_FAULT, "through the window");

	arrived = is_filled(b->window, b->nonce);
	judge_expect(fault == expected, "read of %#llx: event %#x, not %#x", iova, fault,
		     expected);
	judge_expect(arrived == !expected, "read of %#llx: the data %s", iova,
		     arrived ? "arrived" : "did not arrive");
}
