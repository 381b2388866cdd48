// SPDX-License-Identifier: GPL-2.0
/*
 * What the checks of io_pgtable_safe cost. Runs while it is being loaded and
 * tells the kernel log, in lines that scripts/bench reads.
 */
#include <linux/cpumask.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/utsname.h>

#include "bench.h"
#include "io_pgtable_safe_compat.h"

static unsigned int batches = 300;
module_param(batches, uint, 0);
MODULE_PARM_DESC(batches, "Samples of each variant of each case");

static char *only = "";
module_param(only, charp, 0);
MODULE_PARM_DESC(only, "Run only cases whose names have this in them, or are it: =name");

static unsigned long max_live = 10000000;
module_param(max_live, ulong, 0);
MODULE_PARM_DESC(max_live, "Leave out cases with more live mappings");

/* Blanks cannot be had in a module's parameter: _ stands for one */
static bool same(const char *name, const char *wanted, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (wanted[i] != name[i] && !(wanted[i] == '_' && name[i] == ' '))
			return false;
	return true;
}

/* Has the name that in it, or is it that, if = stands before it? */
bool bench_wanted(const char *name, const char *wanted)
{
	size_t len = strlen(wanted);

	if (*wanted == '=')
		return strlen(name) == len - 1 && same(name, wanted + 1, len - 1);
	for (; strlen(name) >= len; name++)
		if (same(name, wanted, len))
			return true;
	return false;
}

static int run_case(const struct bench_case *c)
{
	if (!bench_wanted(c->name, only))
		return 0;
	if (c->live > max_live) {
		pr_info("bench: {\"left_out\": \"%s\"}\n", c->name);
		return 0;
	}
	return bench_measure(c, batches);
}

static int run_cases(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < bench_num_cases && !err; i++)
		err = run_case(&bench_cases[i]);
	return err;
}

static int __init bench_init(void)
{
	int err;

	if (!batches)
		return -EINVAL;
	err = bench_device_register();
	if (err)
		return err;

	pr_info("bench: {\"kernel\": \"%s\", \"cpus\": %u}\n", init_utsname()->release,
		num_online_cpus());
	bench_calibrate();
	/* Before much else has come and gone */
	err = bench_memory(only);
	if (!err)
		err = run_cases();
	if (!err)
		err = bench_threads(batches, only);
	pr_info("bench: {\"end\": %d}\n", err);
	if (err)
		bench_device_unregister();
	return err;
}
module_init(bench_init);

static void __exit bench_exit(void)
{
	bench_device_unregister();
}
module_exit(bench_exit);

MODULE_DESCRIPTION("Benchmark of the checked io-pgtable interface");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(IO_PGTABLE_SAFE_NS);
