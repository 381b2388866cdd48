/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device that copies memory when told to: QEMU's "edu".
 */
#ifndef _JUDGE_SMMU_DMA_H
#define _JUDGE_SMMU_DMA_H

#include <linux/types.h>

struct pci_dev;

/* Bytes of every transfer */
#define DMA_LENGTH	64

struct dma_device {
	struct pci_dev *pdev;
	void __iomem *base;
	u32 stream;
};

/* Returns why there is no such device, or NULL */
const char *dma_open(struct dma_device *dma);
void dma_close(struct dma_device *dma);

/* Between memory and the device's own buffer; false if it never ends */
bool dma_from_memory(struct dma_device *dma, u64 iova);
bool dma_to_memory(struct dma_device *dma, u64 iova);

#endif /* _JUDGE_SMMU_DMA_H */
