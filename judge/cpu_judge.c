// SPDX-License-Identifier: GPL-2.0
/*
 * The CPU as the judge of a table: its walker against the record.
 */
#include <linux/device.h>

#include "cpu_judge.h"

/* --- tables ------------------------------------------------------------------ */

static struct io_pgtable_cfg cpu_cfg(const struct cpu_format *format)
{
	return (struct io_pgtable_cfg){
		.pgsize_bitmap = format->pgsizes,
		.ias = format->ias,
		.oas = cpu_format_oas(format),
		.coherent_walk = !format->noncoherent,
		.iommu_dev = judge_device,
	};
}

static bool cpu_table_init(struct cpu_table *ct, const struct cpu_format *format,
			   struct io_pgtable_safe *pgt)
{
	int err = table_init(&ct->t, pgt);

	if (!judge_expect(!err, "%s: error %d", format->name, err))
		return false;
	ct->format = format;
	ct->t.write_alone = cpu_format_is_stage2(format);
	cpu_format_regime(format, io_pgtable_safe_cfg(pgt), &ct->regime);
	prandom_seed_state(&ct->rnd, judge_seed + (format - cpu_formats));
	return true;
}

/* Whether or not the CPU can walk it */
bool cpu_table_open_anyway(struct cpu_table *ct, const struct cpu_format *format)
{
	struct io_pgtable_cfg cfg = cpu_cfg(format);

	return cpu_table_init(ct, format, io_pgtable_safe_alloc(format->fmt, &cfg, NULL));
}

bool cpu_table_open(struct cpu_table *ct, const struct cpu_format *format)
{
	const char *missing = cpu_format_missing(format);

	if (missing) {
		judge_skip("%s", missing);
		return false;
	}
	return cpu_table_open_anyway(ct, format);
}

/* A table whose map calls fail, or (memory) whose allocations of tables do */
bool cpu_table_open_failing(struct cpu_table *ct, const struct cpu_format *format,
			    struct failing_plan *plan, bool memory)
{
	struct io_pgtable_cfg cfg = cpu_cfg(format);
	struct io_pgtable_safe *pgt;

	*plan = (struct failing_plan){ .calls = -1 };
	if (cpu_format_missing(format)) {
		judge_skip("%s", cpu_format_missing(format));
		return false;
	}
	if (memory)
		pgt = failing_memory_alloc(format->fmt, &cfg, plan);
	else
		pgt = failing_format_alloc(format->fmt, &cfg, NULL, plan);
	if (pgt == ERR_PTR(-EOPNOTSUPP)) {
		judge_skip("no custom page table allocator here");
		return false;
	}
	return cpu_table_init(ct, format, pgt);
}

void cpu_table_close(struct cpu_table *ct)
{
	table_destroy(&ct->t);
}

u64 cpu_random(struct cpu_table *ct, u64 below)
{
	u64 r = (u64)prandom_u32_state(&ct->rnd) << 32 | prandom_u32_state(&ct->rnd);

	return below ? r % below : r;
}

/* Any memory will do: AT does not access it */
phys_addr_t cpu_random_paddr(struct cpu_table *ct, u64 size, u64 align)
{
	return cpu_random(ct, ct->t.paddr_last + 1 - size) & ~(align - 1);
}

/* --- judging ------------------------------------------------------------------ */

static void judge_hit(struct cpu_table *ct, const struct record_leaf *leaf,
		      u64 addr, u64 par)
{
	int attributes = cpu_format_attributes(ct->format, leaf->prot);
	int shareability = cpu_format_shareability(ct->format, leaf->prot);
	u64 paddr = leaf->paddr + (addr - leaf->iova);

	if (!judge_expect(!cpu_fault(par), "%#llx: PAR %#llx", addr, par))
		return;
	judge_expect(cpu_paddr(par, addr) == paddr, "%#llx leads to %#llx, not %#llx",
		     addr, cpu_paddr(par, addr), paddr);
	if (attributes >= 0)
		judge_expect(cpu_attributes(par) == attributes,
			     "%#llx: attributes %#x, not %#x", addr, cpu_attributes(par),
			     attributes);
	if (shareability >= 0)
		judge_expect(cpu_shareability(par) == shareability,
			     "%#llx: shareability %u, not %u", addr,
			     cpu_shareability(par), shareability);
}

void cpu_judge_address(struct cpu_table *ct, u64 addr)
{
	const struct record_leaf *leaf = record_find(&ct->t.record, addr);
	struct cpu_walk walk;
	unsigned int i;

	cpu_walk(&ct->regime, addr, &walk);
	for (i = 0; i < CPU_ACCESSES; i++) {
		if (!leaf)
			judge_expect(cpu_fault(walk.par[i]) == CPU_TRANSLATION,
				     "%#llx is not mapped, access %u: PAR %#llx", addr, i,
				     walk.par[i]);
		else if (cpu_format_allows(ct->format, leaf->prot, i))
			judge_hit(ct, leaf, addr, walk.par[i]);
		else
			judge_expect(cpu_fault(walk.par[i]) == CPU_PERMISSION,
				     "%#llx has prot %#x, access %u: PAR %#llx", addr,
				     leaf->prot, i, walk.par[i]);
	}
}

/* First, last and any byte of it, and what is next to it */
void cpu_judge_range(struct cpu_table *ct, u64 iova, u64 size)
{
	cpu_judge_address(ct, iova);
	cpu_judge_address(ct, iova + size - 1);
	cpu_judge_address(ct, iova + cpu_random(ct, size));
	if (iova)
		cpu_judge_address(ct, iova - 1);
	if (iova + size - 1 != ct->t.iova_last)
		cpu_judge_address(ct, iova + size);
}

/* The last n ends of ranges that anything was asked for */
void cpu_judge_marks(struct cpu_table *ct, unsigned int n)
{
	unsigned int i;

	for (i = 1; i <= min3(n, ct->t.marked, TABLE_MARKS + 0U); i++)
		cpu_judge_address(ct, ct->t.marks[(ct->t.marked - i) % TABLE_MARKS]);
}

/* An address beyond the table's reach must not come back at its beginning */
static void judge_beyond(struct cpu_table *ct)
{
	u64 addr = ct->t.iova_last + 1 + cpu_random(ct, ct->t.iova_last);

	if (ct->t.iova_last > U32_MAX)
		cpu_judge_address(ct, addr);
}

/* Every leaf, every mark, and a few addresses that nobody chose */
void cpu_judge_all(struct cpu_table *ct)
{
	const struct record_leaf *leaf;
	unsigned int i;
	u64 pos = 0;

	while (pos <= ct->t.iova_last &&
	       (leaf = record_next(&ct->t.record, pos, ct->t.iova_last))) {
		cpu_judge_range(ct, leaf->iova, leaf->size);
		pos = leaf->iova + leaf->size;
	}
	cpu_judge_marks(ct, TABLE_MARKS);
	for (i = 0; i < 8; i++)
		cpu_judge_address(ct, cpu_random(ct, ct->t.iova_last));
	judge_beyond(ct);
}
