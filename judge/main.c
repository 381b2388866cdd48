// SPDX-License-Identifier: GPL-2.0
/*
 * Judges the tables that io_pgtable_safe builds by what hardware walkers say of
 * them, while it is being loaded. See Documentation/judge.rst.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/random.h>
#include <linux/string.h>

#include "cpu_judge.h"
#include "io_pgtable_safe_compat.h"
#include "smmu_cases.h"

unsigned int judge_seed;
module_param_named(seed, judge_seed, uint, 0444);
MODULE_PARM_DESC(seed, "Seed of all random choices (default: another one each time)");

unsigned int judge_walks = 200000;
module_param_named(walks, judge_walks, uint, 0444);
MODULE_PARM_DESC(walks, "Walks of the fuzz, over all formats (default 200000)");

static char *only = "";
module_param(only, charp, 0444);
MODULE_PARM_DESC(only, "Run only suites whose name has this in it (default: all)");

struct device *judge_device;

static const struct judge_suite *const all_suites[] = {
	&cpu_pages_suite,
	&cpu_ranges_suite,
	&cpu_cuts_suite,
	&cpu_refusals_suite,
	&cpu_failures_suite,
	&cpu_live_suite,
	&cpu_fuzz_suite,
	&cpu_controls_suite,
	&smmu_suite,
	&smmu_controls_suite,
};

static void run_suites(void)
{
	const struct judge_suite *chosen[ARRAY_SIZE(all_suites)];
	unsigned int i, n = 0, failed;

	for (i = 0; i < ARRAY_SIZE(all_suites); i++)
		if (strstr(all_suites[i]->name, only))
			chosen[n++] = all_suites[i];

	failed = judge_run(chosen, n);
	pr_info("judged: %lu checks, %lu walks by the CPU, %lu DMA transfers, %u cases failed, seed=%u\n",
		judge_totals.checks, judge_totals.walks, judge_totals.transfers, failed,
		judge_seed);
	pr_info("judged: %lu accepted and %lu refused calls, %lu fuzz_walks\n",
		judge_totals.accepted, judge_totals.refused, judge_totals.fuzz_walks);
}

static int __init judge_init(void)
{
	struct platform_device *pdev;
	int err;

	pdev = platform_device_register_simple("io_pgtable_safe_judge", -1, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	judge_device = &pdev->dev;
	err = dma_set_mask_and_coherent(judge_device, DMA_BIT_MASK(64));
	if (!err) {
		while (!judge_seed)
			judge_seed = get_random_u32();
		run_suites();
	}
	platform_device_unregister(pdev);
	return err;
}
module_init(judge_init);

/* All is done while loading; this makes the module one that can be unloaded */
static void __exit judge_exit(void)
{
}
module_exit(judge_exit);

MODULE_DESCRIPTION("Hardware walkers judge io_pgtable_safe");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(IO_PGTABLE_SAFE_NS);
