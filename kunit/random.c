// SPDX-License-Identifier: GPL-2.0
/*
 * A client that does anything at all, on every format: right calls, wrong ones and
 * absurd ones, near the places where faults live, with allocations failing. Each
 * result is compared with the specification, and the table after it.
 */
#include <linux/module.h>

#include "dice.h"

/* KASAN makes each call, and the walks after it, some five times as long */
static unsigned long random_ops = IS_ENABLED(CONFIG_KASAN) ? 5000 : 100000;
module_param(random_ops, ulong, 0444);
MODULE_PARM_DESC(random_ops, "Calls that the random client makes on each format");

PGT_FORMATS_PARAM();

/* Calls on one page table, before it is freed with whatever is in it */
#define TABLE_OPS	5000
/* With more leaves than this, much is unmapped */
#define MANY_LEAVES	192
#define ROOM		65536
#define RANGES		4096

static struct dice dice;
/* Too much for kmalloc() */
static struct spec_leaf leaf_room[2][ROOM], range_room[2][RANGES];

static void set_up(struct dice *d, struct kunit *test)
{
	memset(d, 0, sizeof(*d));
	d->c.spec.leaves = (struct spec_set){ .leaf = leaf_room[0], .room = ROOM };
	d->c.spec.scratch = (struct spec_set){ .leaf = leaf_room[1], .room = ROOM };
	d->c.spec.unflushed = (struct spec_set){ .leaf = range_room[0], .room = RANGES };
	d->c.spec_reserve.spent = (struct spec_set){ .leaf = range_room[1], .room = RANGES };
	d->many = MANY_LEAVES;
	d->c.seed = pgt_random_seed(test);
	prandom_seed_state(&d->rnd, d->c.seed);
}

static void random_table(struct dice *d, struct kunit *test, u64 ops)
{
	static const enum client_tlb tlb[] = {
		CLIENT_TLB_WALK, CLIENT_TLB_WALK, CLIENT_TLB_ALL, CLIENT_TLB_NONE,
	};

	/* With the callbacks that a driver may have, or none */
	client_open(&d->c, test, test->param_value, tlb[dice_below(d, ARRAY_SIZE(tlb))]);
	dice_prepare(d);
	while (d->c.ops < ops && !d->c.failed)
		dice_step(d);
	client_check_all(&d->c);
	/* Freed while it maps, a table says so; nobody is told to look */
	check_unmap_result(test, io_pgtable_safe_unmap_present(d->c.fix->pgt, d->c.spec.first,
							       d->c.spec.last - d->c.spec.first + 1,
							       0), spec_mapped(&d->c.spec), 0);
	client_close(&d->c);
}

static void random_calls(struct kunit *test)
{
	const struct pgt_format *format = test->param_value;

	set_up(&dice, test);
	while (dice.c.ops < random_ops && !dice.c.failed)
		random_table(&dice, test, min_t(u64, random_ops, dice.c.ops + TABLE_OPS));
	kunit_info(test, "%s: %llu accepted, %llu refused\n", format->name, dice.c.accepted,
		   dice.c.refused);
	if (random_ops >= 1000)
		KUNIT_EXPECT_GE(test, dice.c.refused, dice.c.ops / 3);
}

static struct kunit_case random_cases[] = {
	KUNIT_CASE_PARAM(random_calls, pgt_formats_gen_params),
	{}
};

static struct kunit_suite random_suite = {
	.name = "io_pgtable_safe_random",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = random_cases,
};

kunit_test_suite(random_suite);
