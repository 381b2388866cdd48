// SPDX-License-Identifier: GPL-2.0
/*
 * Page tables of one configuration, in all the ways to get at them.
 */
#include <linux/err.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/printk.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "bench.h"

static struct platform_device *bench_device;

int bench_device_register(void)
{
	bench_device = platform_device_register_simple("io_pgtable_bench", -1,
						       NULL, 0);
	return PTR_ERR_OR_ZERO(bench_device);
}

void bench_device_unregister(void)
{
	platform_device_unregister(bench_device);
}

#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
static void *count_alloc(void *cookie, size_t size, gfp_t gfp)
{
	struct bench_table *t = cookie;

	t->pages += size / PAGE_SIZE;
	return (void *)__get_free_pages(gfp | __GFP_ZERO, get_order(size));
}

static void count_free(void *cookie, void *pages, size_t size)
{
	struct bench_table *t = cookie;

	t->pages -= size / PAGE_SIZE;
	free_pages((unsigned long)pages, get_order(size));
}
#endif

/*
 * A GPU that sees the CPU's caches. The driver invalidates, so there are no
 * flush callbacks: nothing but the page table itself is measured.
 */
static void table_config(struct io_pgtable_cfg *cfg, enum io_pgtable_fmt *fmt,
			 enum bench_format format)
{
	*cfg = (struct io_pgtable_cfg){
		.coherent_walk = true, .iommu_dev = &bench_device->dev,
	};
	if (format == BENCH_V7S) {
		*fmt = ARM_V7S;
		cfg->pgsize_bitmap = SZ_4K | SZ_64K | SZ_1M | SZ_16M;
		cfg->ias = 32;
		cfg->oas = 32;
	} else {
		*fmt = ARM_64_LPAE_S1;
		cfg->pgsize_bitmap = SZ_4K | SZ_2M | SZ_1G;
		cfg->ias = 48;
		cfg->oas = 48;
	}
}

/* --- iommu_map() over io-pgtable, as the drivers of IOMMUs have it --------- */

#if IS_ENABLED(CONFIG_IOMMU_API)
struct bench_domain {
	struct iommu_domain domain;
	struct io_pgtable_ops *ops;
};

static struct io_pgtable_ops *domain_ops_of(struct iommu_domain *domain)
{
	return container_of(domain, struct bench_domain, domain)->ops;
}

static int domain_map_pages(struct iommu_domain *domain, unsigned long iova,
			    phys_addr_t paddr, size_t pgsize, size_t pgcount,
			    int prot, gfp_t gfp, size_t *mapped)
{
	struct io_pgtable_ops *ops = domain_ops_of(domain);

	if (!ops)
		return -ENODEV;
	return ops->map_pages(ops, iova, paddr, pgsize, pgcount, prot, gfp, mapped);
}

static size_t domain_unmap_pages(struct iommu_domain *domain, unsigned long iova,
				 size_t pgsize, size_t pgcount,
				 struct iommu_iotlb_gather *gather)
{
	struct io_pgtable_ops *ops = domain_ops_of(domain);

	if (!ops)
		return 0;
	return ops->unmap_pages(ops, iova, pgsize, pgcount, gather);
}

static phys_addr_t domain_iova_to_phys(struct iommu_domain *domain, dma_addr_t iova)
{
	struct io_pgtable_ops *ops = domain_ops_of(domain);

	return ops ? ops->iova_to_phys(ops, iova) : 0;
}

static const struct iommu_domain_ops bench_domain_ops = {
	.map_pages	= domain_map_pages,
	.unmap_pages	= domain_unmap_pages,
	.iova_to_phys	= domain_iova_to_phys,
};

static int domain_create(struct bench_table *t, const struct io_pgtable_cfg *cfg)
{
	struct bench_domain *d = kzalloc(sizeof(*d), GFP_KERNEL);

	if (!d)
		return -ENOMEM;
	d->ops = t->ops;
	d->domain.type = IOMMU_DOMAIN_UNMANAGED;
	d->domain.ops = &bench_domain_ops;
	d->domain.pgsize_bitmap = cfg->pgsize_bitmap;
	t->domain = &d->domain;
	return 0;
}
#else
static int domain_create(struct bench_table *t, const struct io_pgtable_cfg *cfg)
{
	return -EOPNOTSUPP;
}
#endif

/* --- the generic page table ------------------------------------------------ */

#ifdef BENCH_GENERIC_PT
#include <linux/generic_pt/iommu.h>
#include <iommu-pages.h>

MODULE_IMPORT_NS("GENERIC_PT_IOMMU");

struct bench_generic {
	union {
		struct iommu_domain domain;
		struct pt_iommu_vtdss vtdss;
	};
};

PT_IOMMU_CHECK_DOMAIN(struct bench_generic, vtdss.iommu, domain);

static void generic_iotlb_sync(struct iommu_domain *domain,
			       struct iommu_iotlb_gather *gather)
{
	iommu_put_pages_list(&gather->freelist);
}

static const struct iommu_domain_ops generic_domain_ops = {
	IOMMU_PT_DOMAIN_OPS(vtdss),
	.iotlb_sync	= generic_iotlb_sync,
};

/* Four levels of 512 entries, as LPAE has with this configuration */
static int generic_create(struct bench_table *t)
{
	static const struct pt_iommu_vtdss_cfg cfg = {
		.common = {
			.features = BIT(PT_FEAT_FLUSH_RANGE),
			.hw_max_vasz_lg2 = 48,
			.hw_max_oasz_lg2 = 48,
		},
		.top_level = 3,
	};
	struct bench_generic *g = kzalloc(sizeof(*g), GFP_KERNEL);
	int err;

	if (!g)
		return -ENOMEM;
	g->vtdss.iommu.nid = NUMA_NO_NODE;
	g->vtdss.iommu.iommu_device = &bench_device->dev;
	g->domain.ops = &generic_domain_ops;
	err = pt_iommu_vtdss_init(&g->vtdss, &cfg, GFP_KERNEL);
	if (err) {
		kfree(g);
		return err;
	}
	t->domain = &g->domain;
	return 0;
}

static void generic_destroy(struct bench_table *t)
{
	struct bench_generic *g = container_of(t->domain, struct bench_generic, domain);

	pt_iommu_deinit(&g->vtdss.iommu);
	kfree(g);
}
#else
static int generic_create(struct bench_table *t)
{
	return -EOPNOTSUPP;
}

static void generic_destroy(struct bench_table *t)
{
}
#endif

/* --- all kinds -------------------------------------------------------------- */

static int safe_create(struct bench_table *t, enum io_pgtable_fmt fmt,
		       const struct io_pgtable_cfg *cfg)
{
	struct io_pgtable_safe *pgt = io_pgtable_safe_alloc(fmt, cfg, t);

	if (IS_ERR(pgt))
		return PTR_ERR(pgt);
	t->pgt = pgt;
	/* SAFETY: for iova_to_phys(), of what is mapped and stays so meanwhile. */
	t->ops = io_pgtable_safe_raw_ops(pgt);
	return 0;
}

/* What is still mapped would be told to the log */
static void safe_destroy(struct io_pgtable_safe *pgt)
{
	u64 size = 1ULL << io_pgtable_safe_cfg(pgt)->ias;

	if (io_pgtable_safe_unmap_present(pgt, 0, size, 0).err)
		pr_err("bench: cannot unmap what was mapped\n");
	io_pgtable_safe_free(pgt);
}

/*
 * count: count the pages of the page table, where the kernel has a callback for
 * that. The format's own allocator is faster or slower, so not for timing.
 */
int bench_table_create(struct bench_table *t, enum bench_table_kind kind,
		       enum bench_format format, bool count)
{
	struct io_pgtable_cfg cfg;
	enum io_pgtable_fmt fmt;
	int err = 0;

	*t = (struct bench_table){};
	if (kind == BENCH_GENERIC)
		return format == BENCH_LPAE ? generic_create(t) : -EOPNOTSUPP;

	table_config(&cfg, &fmt, format);
#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
	if (count) {
		cfg.alloc = count_alloc;
		cfg.free = count_free;
	}
#endif
	if (kind == BENCH_LEDGER)
		return bench_ledger_create(t, cfg.pgsize_bitmap, cfg.ias);
	if (kind == BENCH_SAFE)
		return safe_create(t, fmt, &cfg);

	t->ops = alloc_io_pgtable_ops(fmt, &cfg, t);
	if (!t->ops)
		return -ENOMEM;
	if (kind == BENCH_IOMMU)
		err = domain_create(t, &cfg);
	if (err)
		bench_table_destroy(t);
	return err;
}

void bench_table_destroy(struct bench_table *t)
{
	if (t->ledger) {
		bench_ledger_destroy(t);
	} else if (t->pgt) {
		safe_destroy(t->pgt);
	} else if (t->ops) {
		free_io_pgtable_ops(t->ops);
#if IS_ENABLED(CONFIG_IOMMU_API)
		if (t->domain)
			kfree(container_of(t->domain, struct bench_domain, domain));
#endif
	} else if (t->domain) {
		generic_destroy(t);
	}
	*t = (struct bench_table){};
}

/* To see that what is measured did its work; a ledger only says that there is one */
phys_addr_t bench_table_phys(struct bench_table *t, u64 iova)
{
	if (t->ledger)
		return bench_ledger_has(t, iova);
	if (t->ops)
		return t->ops->iova_to_phys(t->ops, iova);
#if IS_ENABLED(CONFIG_IOMMU_API)
	return iommu_iova_to_phys(t->domain, iova);
#else
	return 0;
#endif
}
