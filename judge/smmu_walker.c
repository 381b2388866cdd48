// SPDX-License-Identifier: GPL-2.0
/*
 * An SMMUv3 that nobody else drives: as much of a driver as it takes to have one
 * device translated, and no more. Names of registers and fields are those of the
 * Arm SMMUv3 architecture specification (IHI 0070).
 */
#include <linux/bitfield.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/iopoll.h>
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/of_platform.h>
#include <linux/platform_device.h>
#include <linux/sizes.h>

#include "smmu_walker.h"

#define IDR5			0x14
#define CR0			0x20
#define CR0ACK			0x24
#define CR1			0x28
#define CR2			0x2c
#define GERROR			0x60
#define STRTAB_BASE		0x80
#define STRTAB_BASE_CFG		0x88
#define CMDQ_BASE		0x90
#define CMDQ_PROD		0x98
#define CMDQ_CONS		0x9c
#define EVENTQ_BASE		0xa0
#define EVENTQ_PROD		0x100a8
#define EVENTQ_CONS		0x100ac

#define CR0_SMMUEN		BIT(0)
#define CR0_EVENTQEN		BIT(2)
#define CR0_CMDQEN		BIT(3)
/* Inner and outer write-back, inner shareable: tables and queues */
#define CR1_CACHED		0xd75

#define STREAM_BITS		8	/* one bus */
#define STE_WORDS		8
#define STE_0_V			BIT_ULL(0)
#define STE_0_S1_TRANSLATE	(5ULL << 1)
#define STE_0_S1CONTEXT		GENMASK_ULL(51, 6)
#define STE_1_CACHED		((1ULL << 2) | (1ULL << 4) | (3ULL << 6))

#define CD_0_T0SZ		GENMASK_ULL(5, 0)
#define CD_0_TG0		GENMASK_ULL(7, 6)
#define CD_0_IR0		GENMASK_ULL(9, 8)
#define CD_0_OR0		GENMASK_ULL(11, 10)
#define CD_0_SH0		GENMASK_ULL(13, 12)
#define CD_0_EPD1		BIT_ULL(30)
#define CD_0_V			BIT_ULL(31)
#define CD_0_IPS		GENMASK_ULL(34, 32)
#define CD_0_AA64		BIT_ULL(41)
#define CD_0_R			BIT_ULL(45)
#define CD_0_A			BIT_ULL(46)
#define CD_0_ASET		BIT_ULL(47)
#define CD_0_ASID		GENMASK_ULL(63, 48)

#define CMD_CFGI_ALL		0x04
#define CMD_TLBI_NH_ASID	0x11
#define CMD_TLBI_NH_VA		0x12
#define CMD_TLBI_NSNH_ALL	0x30
#define CMD_SYNC		0x46
#define CMD_0_ASID		GENMASK_ULL(63, 48)
#define CMD_1_CFGI_ALL		31
#define CMD_1_ADDRESS		GENMASK_ULL(63, 12)

#define QUEUE_BITS		7	/* 128 entries: commands of 16, events of 32 bytes */
#define QUEUE_WRAP		BIT(QUEUE_BITS)
#define QUEUE_INDEX		(QUEUE_WRAP - 1)
#define QUEUE_MASK		(QUEUE_WRAP | QUEUE_INDEX)

#define CONTEXT_ASID		1
#define TIMEOUT_US		1000000

/* --- commands ---------------------------------------------------------------- */

static void put_command(struct smmu *smmu, u64 word0, u64 word1)
{
	__le64 *slot = &smmu->commands[2 * (smmu->prod & QUEUE_INDEX)];

	slot[0] = cpu_to_le64(word0);
	slot[1] = cpu_to_le64(word1);
	smmu->prod = (smmu->prod + 1) & QUEUE_MASK;
}

/* With the lock held: what has been put, and what it changed, is done */
static void sync_commands(struct smmu *smmu)
{
	u32 cons;

	put_command(smmu, CMD_SYNC, 0);
	/* writel() orders tables and queue before the producer index */
	writel(smmu->prod, smmu->base + CMDQ_PROD);
	if (readl_poll_timeout_atomic(smmu->base + CMDQ_CONS, cons,
				      (cons & QUEUE_MASK) == smmu->prod, 1, TIMEOUT_US))
		smmu->timed_out = true;
}

void smmu_invalidate(struct smmu *smmu, u64 iova, u64 size, u64 granule)
{
	unsigned int in_queue = 0;
	unsigned long flags;
	u64 pos;

	spin_lock_irqsave(&smmu->lock, flags);
	for (pos = 0; pos < size; pos += granule) {
		put_command(smmu, CMD_TLBI_NH_VA | FIELD_PREP(CMD_0_ASID, CONTEXT_ASID),
			    (iova + pos) & CMD_1_ADDRESS);
		if (++in_queue == QUEUE_INDEX / 2) {
			sync_commands(smmu);
			in_queue = 0;
		}
	}
	sync_commands(smmu);
	spin_unlock_irqrestore(&smmu->lock, flags);
}

void smmu_invalidate_all(struct smmu *smmu)
{
	unsigned long flags;

	spin_lock_irqsave(&smmu->lock, flags);
	put_command(smmu, CMD_TLBI_NH_ASID | FIELD_PREP(CMD_0_ASID, CONTEXT_ASID), 0);
	sync_commands(smmu);
	spin_unlock_irqrestore(&smmu->lock, flags);
}

static void forget_everything(struct smmu *smmu)
{
	unsigned long flags;

	spin_lock_irqsave(&smmu->lock, flags);
	put_command(smmu, CMD_CFGI_ALL, CMD_1_CFGI_ALL);
	put_command(smmu, CMD_TLBI_NSNH_ALL, 0);
	sync_commands(smmu);
	spin_unlock_irqrestore(&smmu->lock, flags);
}

/* --- streams ------------------------------------------------------------------ */

static u64 context_word0(const struct io_pgtable_cfg *cfg)
{
	const typeof(cfg->arm_lpae_s1_cfg.tcr) *tcr = &cfg->arm_lpae_s1_cfg.tcr;

	return FIELD_PREP(CD_0_T0SZ, tcr->tsz) | FIELD_PREP(CD_0_TG0, tcr->tg) |
	       FIELD_PREP(CD_0_IR0, tcr->irgn) | FIELD_PREP(CD_0_OR0, tcr->orgn) |
	       FIELD_PREP(CD_0_SH0, tcr->sh) | FIELD_PREP(CD_0_IPS, tcr->ips) |
	       FIELD_PREP(CD_0_ASID, CONTEXT_ASID) | CD_0_EPD1 | CD_0_V | CD_0_AA64 |
	       CD_0_R | CD_0_A | CD_0_ASET;
}

void smmu_attach(struct smmu *smmu, u32 stream, const struct io_pgtable_cfg *cfg)
{
	__le64 *entry = &smmu->stream_table[STE_WORDS * stream];

	smmu->context[0] = cpu_to_le64(context_word0(cfg));
	smmu->context[1] = cpu_to_le64(cfg->arm_lpae_s1_cfg.ttbr);
	smmu->context[3] = cpu_to_le64(cfg->arm_lpae_s1_cfg.mair);

	entry[1] = cpu_to_le64(STE_1_CACHED);
	/* The rest of the entry before the bit that makes it valid */
	dma_wmb();
	WRITE_ONCE(entry[0], cpu_to_le64(STE_0_V | STE_0_S1_TRANSLATE |
					 (virt_to_phys(smmu->context) & STE_0_S1CONTEXT)));
	forget_everything(smmu);
}

/* A valid entry without translation and without bypass: all is aborted */
void smmu_detach(struct smmu *smmu, u32 stream)
{
	WRITE_ONCE(smmu->stream_table[STE_WORDS * stream], cpu_to_le64(STE_0_V));
	forget_everything(smmu);
}

bool smmu_next_event(struct smmu *smmu, struct smmu_event *event)
{
	u32 prod = readl(smmu->base + EVENTQ_PROD) & QUEUE_MASK;
	__le64 *record = &smmu->events[4 * (smmu->cons & QUEUE_INDEX)];

	if (prod == smmu->cons)
		return false;
	*event = (struct smmu_event){
		.fault = le64_to_cpu(record[0]) & 0xff,
		.stream = le64_to_cpu(record[0]) >> 32,
		.iova = le64_to_cpu(record[2]),
	};
	smmu->cons = (smmu->cons + 1) & QUEUE_MASK;
	writel(smmu->cons, smmu->base + EVENTQ_CONS);
	return true;
}

/* --- on and off ----------------------------------------------------------------- */

bool smmu_has_granule(struct smmu *smmu, unsigned long granule)
{
	u32 bit = granule == SZ_4K ? BIT(4) : granule == SZ_16K ? BIT(5) : BIT(6);

	return readl(smmu->base + IDR5) & bit;
}

/* No command failed, and the SMMU has no complaint */
bool smmu_is_well(struct smmu *smmu)
{
	return !smmu->timed_out && !readl(smmu->base + GERROR);
}

static bool write_cr0(struct smmu *smmu, u32 value)
{
	u32 ack;

	writel(value, smmu->base + CR0);
	return !readl_poll_timeout_atomic(smmu->base + CR0ACK, ack, ack == value, 1,
					  TIMEOUT_US);
}

static void free_memory(struct smmu *smmu)
{
	free_pages_exact(smmu->stream_table, (STE_WORDS * sizeof(__le64)) << STREAM_BITS);
	free_page((unsigned long)smmu->context);
	free_page((unsigned long)smmu->commands);
	free_page((unsigned long)smmu->events);
}

/* All of it is cached memory: this is for an SMMU that looks into caches */
static bool alloc_memory(struct smmu *smmu)
{
	smmu->stream_table = alloc_pages_exact((STE_WORDS * sizeof(__le64)) << STREAM_BITS,
					       GFP_KERNEL | __GFP_ZERO);
	smmu->context = (__le64 *)get_zeroed_page(GFP_KERNEL);
	smmu->commands = (__le64 *)get_zeroed_page(GFP_KERNEL);
	smmu->events = (__le64 *)get_zeroed_page(GFP_KERNEL);
	if (smmu->stream_table && smmu->context && smmu->commands && smmu->events)
		return true;
	free_memory(smmu);
	return false;
}

static bool turn_on(struct smmu *smmu)
{
	void __iomem *base = smmu->base;

	writel(CR1_CACHED, base + CR1);
	writel(0, base + CR2);
	writeq(virt_to_phys(smmu->stream_table), base + STRTAB_BASE);
	writel(STREAM_BITS, base + STRTAB_BASE_CFG);
	writeq(virt_to_phys(smmu->commands) | QUEUE_BITS, base + CMDQ_BASE);
	writel(0, base + CMDQ_PROD);
	writel(0, base + CMDQ_CONS);
	writeq(virt_to_phys(smmu->events) | QUEUE_BITS, base + EVENTQ_BASE);
	writel(0, base + EVENTQ_PROD);
	writel(0, base + EVENTQ_CONS);
	if (!write_cr0(smmu, CR0_CMDQEN))
		return false;
	forget_everything(smmu);
	return write_cr0(smmu, CR0_CMDQEN | CR0_EVENTQEN | CR0_SMMUEN);
}

static const char *find_registers(struct smmu *smmu)
{
	struct device_node *node;
	struct platform_device *pdev;
	bool driven;

	node = of_find_compatible_node(NULL, NULL, "arm,smmu-v3");
	if (!node)
		return "this machine has no SMMUv3";
	pdev = of_find_device_by_node(node);
	driven = pdev && pdev->dev.driver;
	if (pdev)
		put_device(&pdev->dev);
	if (!driven)
		smmu->base = of_iomap(node, 0);
	of_node_put(node);
	if (driven)
		return "the SMMU has a driver (boot with initcall_blacklist=arm_smmu_driver_init)";
	return smmu->base ? NULL : "the SMMU's registers can't be mapped";
}

const char *smmu_open(struct smmu *smmu)
{
	const char *missing;

	*smmu = (struct smmu){};
	spin_lock_init(&smmu->lock);
	missing = find_registers(smmu);
	if (missing)
		return missing;
	if (readl(smmu->base + CR0) & CR0_SMMUEN)
		missing = "the SMMU is in use";
	else if (!alloc_memory(smmu))
		missing = "no memory for the SMMU";
	if (missing) {
		iounmap(smmu->base);
		return missing;
	}
	if (!turn_on(smmu)) {
		smmu_close(smmu);
		return "the SMMU does not start";
	}
	return NULL;
}

void smmu_close(struct smmu *smmu)
{
	write_cr0(smmu, 0);
	iounmap(smmu->base);
	free_memory(smmu);
}
