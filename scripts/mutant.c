// SPDX-License-Identifier: GPL-2.0
/*
 * Which of the mutants in this kernel is run: io_pgtable_safe.mutant=NUMBER. With
 * io_pgtable_safe.mutant=-1 none is, and at shutdown the log has those that were
 * reached.
 */
#include <linux/bitmap.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/reboot.h>
#include <linux/string.h>

#include "mutant.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX	"io_pgtable_safe."

#define NONE		0
#define NOT_REACHED	1
#define RUN		2

/* Numbers in one line of the log */
#define LINE		1024

u8 mutant_states[NR_MUTANTS + 1];
static DECLARE_BITMAP(reached, round_up(NR_MUTANTS + 1, LINE));

bool mutant_reached(unsigned int nr)
{
	if (mutant_states[nr] == RUN)
		return true;
	mutant_states[nr] = NONE;
	set_bit(nr, reached);
	return false;
}

static int set_mutant(const char *val, const struct kernel_param *kp)
{
	int nr, err = kstrtoint(val, 0, &nr);

	if (err || nr > NR_MUTANTS)
		return err ?: -ERANGE;
	if (nr > 0)
		mutant_states[nr] = RUN;
	else
		memset(mutant_states, nr ? NOT_REACHED : NONE, sizeof(mutant_states));
	return 0;
}

static const struct kernel_param_ops mutant_ops = { .set = set_mutant };
module_param_cb(mutant, &mutant_ops, NULL, 0);

static int tell(struct notifier_block *nb, unsigned long action, void *data)
{
	unsigned int nr;

	for (nr = 0; nr <= NR_MUTANTS; nr += LINE)
		pr_info("mutants: from %u: %*pb\n", nr, LINE, reached + BIT_WORD(nr));
	return NOTIFY_DONE;
}

static struct notifier_block tell_block = { .notifier_call = tell };

static int __init mutant_init(void)
{
	return register_reboot_notifier(&tell_block);
}
core_initcall(mutant_init);
