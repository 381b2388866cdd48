/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The CPU's own table walker: what it says of a table.
 */
#ifndef _JUDGE_CPU_WALKER_H
#define _JUDGE_CPU_WALKER_H

#include <linux/bits.h>
#include <linux/types.h>

/**
 * struct cpu_regime - A table, and how it is to be walked.
 * @hcr: HCR_EL2 for the time of the walk.
 * @sctlr: SCTLR_EL1.
 * @tcr: TCR_EL1.
 * @ttbr: TTBR0_EL1.
 * @mair: MAIR_EL1.
 * @dacr: DACR32_EL2.
 * @vtcr: VTCR_EL2.
 * @vttbr: VTTBR_EL2.
 * @stage2: The table is a stage 2 table: walk stages 1 and 2 together.
 */
struct cpu_regime {
	u64 hcr;
	u64 sctlr;
	u64 tcr;
	u64 ttbr;
	u64 mair;
	u64 dacr;
	u64 vtcr;
	u64 vttbr;
	bool stage2;
};

enum cpu_access {
	CPU_READ,
	CPU_WRITE,
	CPU_USER_READ,
	CPU_USER_WRITE,
	CPU_ACCESSES
};

/* PAR_EL1 after each kind of access */
struct cpu_walk {
	u64 par[CPU_ACCESSES];
};

enum cpu_fault {
	CPU_NO_FAULT,
	CPU_ADDRESS_SIZE,
	CPU_TRANSLATION,
	CPU_ACCESS_FLAG,
	CPU_PERMISSION,
	CPU_OTHER_FAULT
};

const char *cpu_walker_missing(void);
bool cpu_has_aarch32(void);
void cpu_walk(const struct cpu_regime *regime, u64 addr, struct cpu_walk *walk);
enum cpu_fault cpu_fault(u64 par);

static inline u64 cpu_paddr(u64 par, u64 addr)
{
	return (par & GENMASK_ULL(47, 12)) | (addr & GENMASK_ULL(11, 0));
}

static inline unsigned int cpu_attributes(u64 par)
{
	return par >> 56;
}

static inline unsigned int cpu_shareability(u64 par)
{
	return (par >> 7) & 3;
}

#endif /* _JUDGE_CPU_WALKER_H */
