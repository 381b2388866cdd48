// SPDX-License-Identifier: GPL-2.0
/*
 * QEMU's "edu" device (docs/specs/edu in its sources): 4 KiB of its own, and a
 * DMA engine that takes 100 ms for each transfer. It does not say whether a
 * transfer failed.
 */
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/iopoll.h>
#include <linux/pci.h>

#include "report.h"
#include "smmu_dma.h"

#define EDU_VENDOR		0x1234
#define EDU_DEVICE		0x11e8

#define EDU_DMA_SOURCE		0x80
#define EDU_DMA_DESTINATION	0x88
#define EDU_DMA_COUNT		0x90
#define EDU_DMA_COMMAND		0x98
#define EDU_DMA_START		BIT(0)
#define EDU_DMA_TO_MEMORY	BIT(1)
#define EDU_BUFFER		0x40000

#define TIMEOUT_US		5000000

const char *dma_open(struct dma_device *dma)
{
	dma->pdev = pci_get_device(EDU_VENDOR, EDU_DEVICE, NULL);
	if (!dma->pdev)
		return "this machine has no edu device";
	if (pci_enable_device_mem(dma->pdev))
		goto put_device;
	dma->base = pci_iomap(dma->pdev, 0, 0);
	if (!dma->base)
		goto disable_device;
	pci_set_master(dma->pdev);
	dma->stream = pci_dev_id(dma->pdev);
	return NULL;

disable_device:
	pci_disable_device(dma->pdev);
put_device:
	pci_dev_put(dma->pdev);
	return "the edu device can't be had";
}

void dma_close(struct dma_device *dma)
{
	pci_clear_master(dma->pdev);
	pci_iounmap(dma->pdev, dma->base);
	pci_disable_device(dma->pdev);
	pci_dev_put(dma->pdev);
}

static bool transfer(struct dma_device *dma, u64 source, u64 destination, u32 command)
{
	u32 value;

	judge_totals.transfers++;
	writeq(source, dma->base + EDU_DMA_SOURCE);
	writeq(destination, dma->base + EDU_DMA_DESTINATION);
	writeq(DMA_LENGTH, dma->base + EDU_DMA_COUNT);
	writel(command | EDU_DMA_START, dma->base + EDU_DMA_COMMAND);
	return !readl_poll_timeout(dma->base + EDU_DMA_COMMAND, value,
				   !(value & EDU_DMA_START), 2000, TIMEOUT_US);
}

bool dma_from_memory(struct dma_device *dma, u64 iova)
{
	return transfer(dma, iova, EDU_BUFFER, 0);
}

bool dma_to_memory(struct dma_device *dma, u64 iova)
{
	return transfer(dma, EDU_BUFFER, iova, EDU_DMA_TO_MEMORY);
}
