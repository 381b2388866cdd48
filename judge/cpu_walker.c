// SPDX-License-Identifier: GPL-2.0
/*
 * The CPU's own table walker.
 *
 * A kernel that runs at EL2 (VHE) leaves the EL1 translation regime to guests.
 * With interrupts off it can borrow that regime, point it at any table, and ask
 * for single translations with the AT instructions; PAR_EL1 has the answer. No
 * memory is accessed at the address, so the output address may be anything.
 */
#include <linux/irqflags.h>
#include <asm/barrier.h>
#include <asm/sysreg.h>
#include <asm/virt.h>

#include "cpu_walker.h"
#include "report.h"

/* Why the walker can't be had on this machine, or NULL */
const char *cpu_walker_missing(void)
{
	return is_kernel_in_hyp_mode() ? NULL : "the kernel does not run at EL2";
}

bool cpu_has_aarch32(void)
{
	return ((read_sysreg(id_aa64pfr0_el1) >> 4) & 0xf) == 2;
}

/* HCR_EL2 decides what AT means; some CPUs want it alone between barriers */
static void write_hcr(u64 hcr)
{
	isb();
	write_sysreg(hcr, hcr_el2);
	isb();
}

static void forget_translations(void)
{
	asm volatile("tlbi vmalls12e1\n\tdsb nsh\n\tisb" : : : "memory");
}

static void read_regime(struct cpu_regime *r, bool aarch32)
{
	r->hcr = read_sysreg(hcr_el2);
	r->sctlr = read_sysreg_s(SYS_SCTLR_EL12);
	r->tcr = read_sysreg_s(SYS_TCR_EL12);
	r->ttbr = read_sysreg_s(SYS_TTBR0_EL12);
	r->mair = read_sysreg_s(SYS_MAIR_EL12);
	if (aarch32)
		r->dacr = read_sysreg(dacr32_el2);
	r->vtcr = read_sysreg(vtcr_el2);
	r->vttbr = read_sysreg(vttbr_el2);
}

static void write_regime(const struct cpu_regime *r, bool aarch32)
{
	write_sysreg_s(r->tcr, SYS_TCR_EL12);
	write_sysreg_s(r->ttbr, SYS_TTBR0_EL12);
	write_sysreg_s(r->mair, SYS_MAIR_EL12);
	write_sysreg_s(r->sctlr, SYS_SCTLR_EL12);
	if (aarch32)
		write_sysreg(r->dacr, dacr32_el2);
	write_sysreg(r->vtcr, vtcr_el2);
	write_sysreg(r->vttbr, vttbr_el2);
}

static u64 read_par(void)
{
	isb();
	return read_sysreg_par();
}

static void translate(const struct cpu_regime *regime, u64 addr, u64 par[])
{
	if (regime->stage2) {
		asm volatile("at s12e1r, %0" : : "r" (addr));
		par[CPU_READ] = read_par();
		asm volatile("at s12e1w, %0" : : "r" (addr));
		par[CPU_WRITE] = read_par();
		asm volatile("at s12e0r, %0" : : "r" (addr));
		par[CPU_USER_READ] = read_par();
		asm volatile("at s12e0w, %0" : : "r" (addr));
		par[CPU_USER_WRITE] = read_par();
	} else {
		asm volatile("at s1e1r, %0" : : "r" (addr));
		par[CPU_READ] = read_par();
		asm volatile("at s1e1w, %0" : : "r" (addr));
		par[CPU_WRITE] = read_par();
		asm volatile("at s1e0r, %0" : : "r" (addr));
		par[CPU_USER_READ] = read_par();
		asm volatile("at s1e0w, %0" : : "r" (addr));
		par[CPU_USER_WRITE] = read_par();
	}
}

void cpu_walk(const struct cpu_regime *regime, u64 addr, struct cpu_walk *walk)
{
	struct cpu_regime saved = {};
	unsigned long flags;
	bool aarch32;

	local_irq_save(flags);
	/* DACR32_EL2 is undefined on CPUs without AArch32 at EL1 */
	aarch32 = cpu_has_aarch32();
	read_regime(&saved, aarch32);
	write_regime(regime, aarch32);
	write_hcr(regime->hcr);
	forget_translations();
	translate(regime, addr, walk->par);
	forget_translations();
	/* First of all: until then, EL1 is ours and not the host's EL0 */
	write_hcr(saved.hcr);
	write_regime(&saved, aarch32);
	isb();
	local_irq_restore(flags);
	judge_totals.walks += CPU_ACCESSES;
}

/* The fault status of the long format, which AT gives for both */
enum cpu_fault cpu_fault(u64 par)
{
	if (!(par & 1))
		return CPU_NO_FAULT;
	switch ((par >> 1) & GENMASK_ULL(5, 2)) {
	case 0x00:
		return CPU_ADDRESS_SIZE;
	case 0x04:
		return CPU_TRANSLATION;
	case 0x08:
		return CPU_ACCESS_FLAG;
	case 0x0c:
		return CPU_PERMISSION;
	default:
		return CPU_OTHER_FAULT;
	}
}
