// SPDX-License-Identifier: GPL-2.0
/*
 * The least that a driver built against the installed header does: one page table,
 * and one buffer mapped in it for as long as the device is bound.
 */
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/sizes.h>

#include <io_pgtable_safe.h>

#define BUFFER_IOVA	SZ_1G
#define BUFFER_SIZE	SZ_64K

/*
 * Replace this: invalidate leaves and tables, wait for it, do not sleep. It does nothing
 * because no device walks the page table here. A driver calls io_pgtable_safe_set_live()
 * before it tells its device of the table, and io_pgtable_safe_clear_live() afterwards.
 */
static void flush_all(void *cookie)
{
}

static const struct iommu_flush_ops flush_ops = {
	.tlb_flush_all = flush_all,
};

static void unmap_buffer(void *pgt)
{
	WARN_ON(io_pgtable_safe_unmap(pgt, BUFFER_IOVA, BUFFER_SIZE, 0).err);
}

static int minimal_probe(struct platform_device *pdev)
{
	const struct io_pgtable_cfg cfg = {
		.pgsize_bitmap = SZ_4K | SZ_2M,
		.ias = 39,
		.oas = 40,
		.coherent_walk = true,
		.tlb = &flush_ops,
		.iommu_dev = &pdev->dev,
	};
	struct io_pgtable_safe_map_result res;
	struct io_pgtable_safe *pgt;
	dma_addr_t addr;

	pgt = devm_io_pgtable_safe_alloc(&pdev->dev, ARM_64_LPAE_S1, &cfg, pdev);
	if (IS_ERR(pgt))
		return PTR_ERR(pgt);
	if (!dmam_alloc_coherent(&pdev->dev, BUFFER_SIZE, &addr, GFP_KERNEL))
		return -ENOMEM;

	res = io_pgtable_safe_map(pgt, BUFFER_IOVA, addr, BUFFER_SIZE,
				  IOMMU_READ | IOMMU_WRITE, GFP_KERNEL);
	if (res.err)
		return res.err;
	return devm_add_action_or_reset(&pdev->dev, unmap_buffer, pgt);
}

static struct platform_driver minimal_driver = {
	.probe = minimal_probe,
	.driver = { .name = "minimal_gpu" },
};
module_platform_driver(minimal_driver);

MODULE_INFO(import_ns, "IO_PGTABLE_SAFE");
MODULE_DESCRIPTION("Minimal user of io_pgtable_safe");
MODULE_LICENSE("GPL");
