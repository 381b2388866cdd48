// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations, half of them wrong, and walks after each of them.
 */
#include "cpu_judge.h"

/* Operations fall into few places, so that they get into each other's way */
#define PLACES		3
#define GRANULES	48

static u64 pick_place(struct cpu_table *ct)
{
	u64 end = ct->t.iova_last + 1, largest = BIT_ULL(__fls(ct->t.pgsizes));

	switch (cpu_random(ct, PLACES)) {
	case 0:
		return 0;
	case 1:
		return end - 2 * largest;
	default:
		return largest;
	}
}

static u64 pick_pgsize(struct cpu_table *ct)
{
	unsigned long sizes = ct->t.pgsizes;

	/* Small ones more often than not */
	while (sizes & (sizes - 1) && cpu_random(ct, 3) == 0)
		sizes &= sizes - 1;
	return sizes & -sizes;
}

/* Mostly sound arguments; now and then one that can't be right */
static u64 spoil(struct cpu_table *ct, u64 value)
{
	switch (cpu_random(ct, 60)) {
	case 0:
		return value + ct->t.granule / 2;
	case 1:
		return value + 1;
	case 2:
		return value + ct->t.iova_last + 1;
	case 3:
		return 0;
	case 4:
		return value << 1;
	default:
		return value;
	}
}

static int pick_prot(struct cpu_table *ct)
{
	static const int flags[] = { 0, IOMMU_CACHE, IOMMU_MMIO, IOMMU_PRIV, IOMMU_NOEXEC };
	int prot = 1 + cpu_random(ct, 3);

	return prot | flags[cpu_random(ct, ARRAY_SIZE(flags))];
}

static void map_something(struct cpu_table *ct, u64 iova, u64 pgsize, u64 count)
{
	u64 size = pgsize * count, paddr, block;
	int prot = pick_prot(ct);

	paddr = spoil(ct, cpu_random_paddr(ct, SZ_1G, pgsize));
	switch (cpu_random(ct, 4)) {
	case 0:
		table_map_pages(&ct->t, iova, paddr, spoil(ct, pgsize), count, prot);
		break;
	case 1:
		table_try_map_pages(&ct->t, iova, paddr, pgsize, count, prot);
		break;
	case 2:
		block = ct->t.granule * (1 + cpu_random(ct, 4));
		size = min(size, 64 * ct->t.granule);
		table_map_repeat(&ct->t, iova, paddr, spoil(ct, block), size, prot);
		break;
	default:
		/* Bounded: the record keeps every leaf, and paddr may be out of step */
		size = min(size, 64 * ct->t.granule);
		table_map(&ct->t, iova, paddr, spoil(ct, size), prot);
		break;
	}
}

static void cut_something(struct cpu_table *ct, u64 iova, u64 size)
{
	u64 g = ct->t.granule, skip = g * cpu_random(ct, max(size / g, 1ULL));

	/* Bounded: the record keeps every leaf of the rest */
	if (size / g > 4096)
		return;
	size = g * (1 + cpu_random(ct, max(size / g, 1ULL)));
	table_cut(&ct->t, iova + skip, spoil(ct, size));
}

static void unmap_something(struct cpu_table *ct, u64 iova, u64 pgsize, u64 count)
{
	const struct record_leaf *leaf;
	u64 size = pgsize * count;

	/* Something that is there, rather often */
	leaf = record_next(&ct->t.record, iova, ct->t.iova_last);
	if (leaf && cpu_random(ct, 3)) {
		iova = leaf->iova;
		size = leaf->size;
		leaf = record_find(&ct->t.record, iova + size);
		if (leaf && cpu_random(ct, 2))
			size += leaf->size;
	}
	switch (cpu_random(ct, 5)) {
	case 0:
		table_unmap_pages(&ct->t, iova, pgsize, count);
		break;
	case 2:
		cut_something(ct, iova, size);
		break;
	case 1:
		table_unmap_present(&ct->t, iova, spoil(ct, size));
		break;
	default:
		table_unmap(&ct->t, iova, spoil(ct, size));
		break;
	}
}

static void fuzz_step(struct cpu_table *ct)
{
	u64 pgsize = pick_pgsize(ct), count = 1 + cpu_random(ct, 4), iova;
	const struct record_leaf *leaf;

	iova = pick_place(ct) + pgsize * cpu_random(ct, GRANULES);
	iova = spoil(ct, iova);
	if (cpu_random(ct, 2))
		map_something(ct, iova, pgsize, count);
	else
		unmap_something(ct, iova, pgsize, count);

	cpu_judge_marks(ct, 4);
	leaf = record_next(&ct->t.record, pick_place(ct) + pgsize * cpu_random(ct, GRANULES),
			   ct->t.iova_last);
	if (leaf)
		cpu_judge_address(ct, leaf->iova + cpu_random(ct, leaf->size));
	cpu_judge_address(ct, iova & ct->t.iova_last);
}

/* One byte of each leaf that is there when the fuzz ends */
static void judge_what_is_left(struct cpu_table *ct)
{
	const struct record_leaf *leaf;
	u64 pos = 0;

	while (pos <= ct->t.iova_last &&
	       (leaf = record_next(&ct->t.record, pos, ct->t.iova_last))) {
		cpu_judge_address(ct, leaf->iova + cpu_random(ct, leaf->size));
		pos = leaf->iova + leaf->size;
	}
}

static void run_fuzz(unsigned int i)
{
	unsigned long before = judge_totals.walks, enough = before + judge_walks / CPU_FORMATS;
	struct cpu_table ct;
	unsigned int steps;

	if (!cpu_table_open(&ct, &cpu_formats[i]))
		return;
	for (steps = 0; judge_totals.walks < enough; steps++) {
		fuzz_step(&ct);
		cond_resched();
	}
	judge_what_is_left(&ct);
	judge_note("%s: seed=%u, %u steps, %lu calls accepted, %lu refused, %lu leaves at the end",
		   ct.format->name, judge_seed, steps, ct.t.accepted, ct.t.refused,
		   ct.t.record.count);
	/* A fuzz in which nearly all is refused, or nothing, is not one */
	judge_expect(ct.t.accepted > steps / 10 && ct.t.refused > steps / 10,
		     "of %u", steps);
	judge_totals.fuzz_walks += judge_totals.walks - before;
	judge_totals.accepted += ct.t.accepted;
	judge_totals.refused += ct.t.refused;
	cpu_table_close(&ct);
}

const struct judge_suite cpu_fuzz_suite = {
	.name = "cpu_fuzz",
	.count = CPU_FORMATS,
	.case_name = cpu_format_name,
	.run = run_fuzz,
};
