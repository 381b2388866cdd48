// SPDX-License-Identifier: GPL-2.0
/*
 * The driver of the sample GPU: the device and the memory of its clients.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bits.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "sample_gpu.h"

/* Buffer objects */

/**
 * sample_bo_create() - Get memory that can be bound.
 * @gpu: Device.
 * @size: Size in bytes, a multiple of the chunk size.
 * @order: Allocate chunks of this order: 0 scatters the buffer all over memory,
 *	more lets the page table use blocks.
 *
 * Return: The buffer or NULL.
 */
struct sample_bo *sample_bo_create(struct sample_gpu *gpu, u64 size, unsigned int order)
{
	unsigned int left = size >> PAGE_SHIFT;
	struct sample_bo *bo;
	struct page *chunk;

	bo = kzalloc_obj(*bo);
	if (!bo)
		return NULL;
	list_add_tail(&bo->link, &gpu->bos);
	bo->nr_pages = left;
	bo->pages = kvcalloc(left, sizeof(*bo->pages), GFP_KERNEL);
	if (!bo->pages)
		goto fail;

	/* Last chunk first: the page allocator tends to hand out neighbours. */
	while (left) {
		/* The second address space has 32 bits of physical address. */
		chunk = alloc_pages(GFP_DMA32 | GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN, order);
		if (!chunk)
			goto fail;
		split_page(chunk, order);
		for (unsigned int i = BIT(order); i--;)
			bo->pages[--left] = chunk + i;
		gpu->pages += BIT(order);
		gpu->pages_ever += BIT(order);
	}
	if (sg_alloc_table_from_pages(&bo->sgt, bo->pages, bo->nr_pages, 0, size, GFP_KERNEL))
		goto fail;
	return bo;

fail:
	sample_bo_destroy(gpu, bo);
	return NULL;
}

/**
 * sample_bo_is_free() - May a buffer's memory be freed?
 * @bo: Buffer.
 *
 * Return: False if the device is known to reach part of it, which is a bug of this
 * driver. True also while nobody checks.
 */
bool sample_bo_is_free(const struct sample_bo *bo)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_sg(&bo->sgt, sg, i)
		if (!io_pgtable_safe_assert_unmapped(sg_page(sg), PFN_UP(sg->length)))
			return false;
	return true;
}

/**
 * sample_bo_destroy() - Give back a buffer's memory.
 * @gpu: Device.
 * @bo: Buffer, bound nowhere any more, invalidation included. If it is all the same,
 *	its memory is lost: better than that the device writes to what is another's.
 */
void sample_bo_destroy(struct sample_gpu *gpu, struct sample_bo *bo)
{
	bool is_free = sample_bo_is_free(bo);

	sg_free_table(&bo->sgt);
	for (unsigned int i = 0; is_free && bo->pages && i < bo->nr_pages; i++) {
		if (!bo->pages[i])
			continue;
		__free_page(bo->pages[i]);
		gpu->pages--;
	}
	kvfree(bo->pages);
	list_del(&bo->link);
	kfree(bo);
}

/* Device */

static void sample_gpu_remove(void *data)
{
	struct sample_bo *bo, *next;
	struct sample_gpu *gpu = data;

	for (unsigned int i = 0; i < ARRAY_SIZE(gpu->as); i++)
		if (!IS_ERR_OR_NULL(gpu->as[i]))
			sample_as_destroy(gpu->as[i]);
	list_for_each_entry_safe(bo, next, &gpu->bos, link)
		sample_bo_destroy(gpu, bo);
	debugfs_remove(gpu->debugfs);

	pr_info("  %-3s remove the device: %lu pages of buffers freed, %lu lost\n",
		gpu->pages ? "BAD" : "ok", gpu->pages_ever - gpu->pages, gpu->pages);
}

static int sample_gpu_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct sample_gpu *gpu;
	int err;

	gpu = devm_kzalloc(dev, sizeof(*gpu), GFP_KERNEL);
	if (!gpu)
		return -ENOMEM;
	gpu->dev = dev;
	INIT_LIST_HEAD(&gpu->bos);
	gpu->debugfs = debugfs_create_dir(KBUILD_MODNAME, NULL);
	err = devm_add_action_or_reset(dev, sample_gpu_remove, gpu);
	if (err)
		return err;

	gpu->as[0] = sample_as_create(dev, ARM_64_LPAE_S1);
	if (IS_ERR(gpu->as[0]))
		return PTR_ERR(gpu->as[0]);
	gpu->as[1] = sample_as_create(dev, ARM_V7S);
	if (IS_ERR(gpu->as[1]) && PTR_ERR(gpu->as[1]) != -EOPNOTSUPP)
		return PTR_ERR(gpu->as[1]);
	return sample_story(gpu);
}

static struct platform_driver sample_gpu_driver = {
	.driver = {
		.name = KBUILD_MODNAME,
	},
};

static struct platform_device *sample_gpu_device;

/* There is no such hardware, so the module brings the device along. */
static int __init sample_gpu_init(void)
{
	sample_gpu_device = platform_create_bundle(&sample_gpu_driver, sample_gpu_probe,
						   NULL, 0, NULL, 0);
	return PTR_ERR_OR_ZERO(sample_gpu_device);
}
module_init(sample_gpu_init);

static void __exit sample_gpu_exit(void)
{
	platform_device_unregister(sample_gpu_device);
	platform_driver_unregister(&sample_gpu_driver);
}
module_exit(sample_gpu_exit);

MODULE_DESCRIPTION("Sample GPU driver for io_pgtable_safe");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(IO_PGTABLE_SAFE_NS);
