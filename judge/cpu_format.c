// SPDX-License-Identifier: GPL-2.0
/*
 * The formats that the CPU can walk. Mali's cannot be: the type bits of its
 * leaves differ from the CPU's.
 */
#include <linux/iommu.h>
#include <linux/kconfig.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/sizes.h>
#include <asm/sysreg.h>

#include "cpu_format.h"

#define HCR_VM		BIT_ULL(0)
#define HCR_DC		BIT_ULL(12)
#define HCR_RW		BIT_ULL(31)
#define HCR_E2H		BIT_ULL(34)

#define SCTLR_M		BIT_ULL(0)
#define SCTLR_C		BIT_ULL(2)
#define SCTLR_TRE	BIT_ULL(28)
#define SCTLR_AFE	BIT_ULL(29)
/* All that is reserved as 1, in either execution state */
#define SCTLR_64	(0x30d00800ULL | SCTLR_M | SCTLR_C)
#define SCTLR_32	(0x00c50078ULL | SCTLR_M | SCTLR_C)

#define TCR_EPD1	BIT_ULL(23)
#define TTBCR_EAE	BIT_ULL(31)
#define VTCR_RES1	BIT_ULL(31)

#define LPAE_4K		(SZ_4K | SZ_2M | SZ_1G)
#define LPAE_16K	(SZ_16K | SZ_32M)
#define LPAE_64K	(SZ_64K | SZ_512M)
#define V7S_SIZES	(SZ_4K | SZ_64K | SZ_1M | SZ_16M)

const struct cpu_format cpu_formats[CPU_FORMATS] = {
	{ "ARM_64_LPAE_S1 4K 48 bits", ARM_64_LPAE_S1, LPAE_4K, 48, 48 },
	{ "ARM_64_LPAE_S1 4K 39 bits", ARM_64_LPAE_S1, LPAE_4K, 39, 40 },
	{ "ARM_64_LPAE_S1 4K 48 bits noncoherent", ARM_64_LPAE_S1, LPAE_4K, 48, 48, true },
	{ "ARM_64_LPAE_S1 16K 48 bits", ARM_64_LPAE_S1, LPAE_16K, 48, 48 },
	{ "ARM_64_LPAE_S1 16K 39 bits", ARM_64_LPAE_S1, LPAE_16K, 39, 40 },
	{ "ARM_64_LPAE_S1 64K 48 bits", ARM_64_LPAE_S1, LPAE_64K, 48, 48 },
	{ "ARM_64_LPAE_S1 64K 39 bits", ARM_64_LPAE_S1, LPAE_64K, 39, 40 },
	{ "ARM_64_LPAE_S2 4K 48 bits", ARM_64_LPAE_S2, LPAE_4K, 48, 48 },
	{ "ARM_64_LPAE_S2 4K 40 bits", ARM_64_LPAE_S2, LPAE_4K, 40, 40 },
	{ "ARM_64_LPAE_S2 16K 39 bits", ARM_64_LPAE_S2, LPAE_16K, 39, 48 },
	{ "ARM_64_LPAE_S2 64K 39 bits", ARM_64_LPAE_S2, LPAE_64K, 39, 40 },
	{ "ARM_32_LPAE_S1", ARM_32_LPAE_S1, LPAE_4K, 32, 40 },
	{ "ARM_V7S", ARM_V7S, V7S_SIZES, 32, 32 },
};

const char *cpu_format_name(unsigned int i)
{
	return cpu_formats[i].name;
}

bool cpu_format_is_stage2(const struct cpu_format *format)
{
	return format->fmt == ARM_64_LPAE_S2;
}

/* --- what the CPU has ----------------------------------------------------- */

static unsigned int mmfr0_field(unsigned int shift)
{
	return (read_sysreg(id_aa64mmfr0_el1) >> shift) & 0xf;
}

bool cpu_granule_missing(const struct cpu_format *format)
{
	unsigned long granule = format->pgsizes & -format->pgsizes;
	/* TGran4 and TGran64 are signed, with -1 for "not there" */
	bool has4k = mmfr0_field(28) < 8, has64k = mmfr0_field(24) < 8;
	bool has16k = mmfr0_field(20) != 0;
	unsigned int stage2;

	if (granule != SZ_4K && granule != SZ_16K && granule != SZ_64K)
		return true;
	stage2 = mmfr0_field(granule == SZ_4K ? 40 : granule == SZ_16K ? 32 : 36);
	/* 0: as stage 1 has it, 1: not there */
	if (cpu_format_is_stage2(format) && stage2)
		return stage2 == 1;
	return !(granule == SZ_4K ? has4k : granule == SZ_16K ? has16k : has64k);
}

/* Why the format can't be judged here, or NULL */
const char *cpu_format_missing(const struct cpu_format *format)
{
	bool aarch32 = format->fmt == ARM_V7S || format->fmt == ARM_32_LPAE_S1;

	if (cpu_walker_missing())
		return cpu_walker_missing();
	if (format->fmt == ARM_V7S && !IS_ENABLED(CONFIG_IOMMU_IO_PGTABLE_ARMV7S))
		return "this kernel has no ARM_V7S";
	if (aarch32 && !cpu_has_aarch32())
		return "this CPU has no AArch32 at EL1";
	if (!aarch32 && cpu_granule_missing(format))
		return "this CPU does not have the granule";
	return NULL;
}

/* A CPU walks no further than it has address lines */
unsigned int cpu_format_oas(const struct cpu_format *format)
{
	static const u8 bits[] = { 32, 36, 40, 42, 44, 48 };

	return min_t(unsigned int, format->oas,
		     bits[min_t(size_t, mmfr0_field(0), ARRAY_SIZE(bits) - 1)]);
}

/* --- how it is told to walk ------------------------------------------------ */

static void stage1_regime(const struct io_pgtable_cfg *cfg, struct cpu_regime *regime)
{
	const typeof(cfg->arm_lpae_s1_cfg.tcr) *tcr = &cfg->arm_lpae_s1_cfg.tcr;

	regime->tcr = tcr->tsz | (u64)tcr->irgn << 8 | (u64)tcr->orgn << 10 |
		      (u64)tcr->sh << 12 | (u64)tcr->tg << 14 |
		      (u64)tcr->ips << 32 | TCR_EPD1;
	regime->ttbr = cfg->arm_lpae_s1_cfg.ttbr;
	regime->mair = cfg->arm_lpae_s1_cfg.mair;
}

static void stage2_regime(const struct io_pgtable_cfg *cfg, struct cpu_regime *regime)
{
	const typeof(cfg->arm_lpae_s2_cfg.vtcr) *vtcr = &cfg->arm_lpae_s2_cfg.vtcr;

	regime->vtcr = vtcr->tsz | (u64)vtcr->sl << 6 | (u64)vtcr->irgn << 8 |
		       (u64)vtcr->orgn << 10 | (u64)vtcr->sh << 12 |
		       (u64)vtcr->tg << 14 | (u64)vtcr->ps << 16 | VTCR_RES1;
	regime->vttbr = cfg->arm_lpae_s2_cfg.vttbr;
}

void cpu_format_regime(const struct cpu_format *format,
		       const struct io_pgtable_cfg *cfg, struct cpu_regime *regime)
{
	*regime = (struct cpu_regime){ .hcr = HCR_E2H | HCR_RW, .sctlr = SCTLR_64 };

	switch (format->fmt) {
	case ARM_64_LPAE_S1:
		stage1_regime(cfg, regime);
		break;
	case ARM_64_LPAE_S2:
		/* With DC and without M, stage 1 is flat and write-back */
		regime->hcr |= HCR_VM | HCR_DC;
		regime->sctlr &= ~SCTLR_M;
		regime->stage2 = true;
		stage2_regime(cfg, regime);
		break;
	case ARM_32_LPAE_S1:
		regime->hcr = HCR_E2H;
		regime->sctlr = SCTLR_32;
		stage1_regime(cfg, regime);
		/* TTBCR has 3 bits of size, and no output size */
		regime->tcr = (regime->tcr & GENMASK_ULL(31, 8)) | TTBCR_EAE |
			      ((32 - format->ias) & 7);
		break;
	case ARM_V7S:
		regime->hcr = HCR_E2H;
		regime->sctlr = SCTLR_32 | SCTLR_TRE | SCTLR_AFE;
		regime->tcr = cfg->arm_v7s_cfg.tcr;
		regime->ttbr = cfg->arm_v7s_cfg.ttbr;
		regime->mair = cfg->arm_v7s_cfg.prrr |
			       (u64)cfg->arm_v7s_cfg.nmrr << 32;
		regime->dacr = 1;
		break;
	default:
		break;
	}
}

/* --- what it must say ------------------------------------------------------ */

bool cpu_format_allows(const struct cpu_format *format, int prot,
		       enum cpu_access access)
{
	bool user = access == CPU_USER_READ || access == CPU_USER_WRITE;
	bool write = access == CPU_WRITE || access == CPU_USER_WRITE;

	/* Stage 2 knows nothing of privilege */
	if (user && (prot & IOMMU_PRIV) && !cpu_format_is_stage2(format))
		return false;
	return prot & (write ? IOMMU_WRITE : IOMMU_READ);
}

/* As MAIR has them: write-back, device, or not cached; -1: nothing is known */
int cpu_format_attributes(const struct cpu_format *format, int prot)
{
	/* QEMU gives none for short descriptors */
	if (format->fmt == ARM_V7S)
		return -1;
	if (prot & IOMMU_MMIO)
		return 0x04;
	return prot & IOMMU_CACHE ? 0xff : 0x44;
}

/* Inner shareable for what is cached; anything else is reported as outer */
int cpu_format_shareability(const struct cpu_format *format, int prot)
{
	if (format->fmt == ARM_V7S)
		return -1;
	return (prot & IOMMU_CACHE) && !(prot & IOMMU_MMIO) ? 3 : 2;
}
