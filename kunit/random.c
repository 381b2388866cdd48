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
/* The mock has room for so many runs of them */
#define MANY_MOCK_LEAVES 96
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

/* The table is open */
static void random_steps(struct dice *d, u64 ops)
{
	struct client *c = &d->c;
	struct spec_call unmap = {
		.fn = SPEC_UNMAP_PRESENT, .iova = c->spec.first,
		.size = c->spec.last - c->spec.first + 1,
	};

	dice_prepare(d);
	while (c->ops < ops && !c->failed)
		dice_step(d);
	/* While it is live it stays */
	set_live(c->test);
	io_pgtable_safe_free(c->fix->pgt);
	client_check_all(c);
	/* Freed while it maps, a table says so; nobody is told to look */
	client_call(c, &unmap, CLIENT_FAIL_NONE, 0);
	client_close(c);
}

static void sum_up(struct dice *d, const char *name)
{
	struct client *c = &d->c;

	kunit_info(c->test, "%s: %llu accepted, %llu refused\n", name, c->accepted, c->refused);
	if (random_ops >= 1000)
		KUNIT_EXPECT_GE(c->test, c->refused, c->ops / 3);
}

/* With the callbacks that a driver may have, or none */
static void random_calls(struct kunit *test)
{
	static const enum client_tlb tlb[] = {
		CLIENT_TLB_WALK, CLIENT_TLB_WALK, CLIENT_TLB_ALL, CLIENT_TLB_NONE,
	};
	const struct pgt_format *format = test->param_value;
	struct client *c = &dice.c;

	set_up(&dice, test);
	while (c->ops < random_ops && !c->failed) {
		client_open(c, test, format, tlb[dice_below(&dice, ARRAY_SIZE(tlb))]);
		random_steps(&dice, min_t(u64, random_ops, c->ops + TABLE_OPS));
	}
	sum_up(&dice, format->name);
}

/* Whose maps are partial, with and without an error, where those of the formats are not */
static void random_calls_of_a_mock(struct kunit *test)
{
	static const struct mock_config configs[] = {
		{ .fmt = ARM_MALI_LPAE, .pgsizes = SZ_4K | SZ_2M | SZ_1G, .ias = 48, .oas = 48 },
		{ .fmt = ARM_V7S, .pgsizes = SZ_4K | SZ_64K | SZ_1M | SZ_16M,
		  .ias = 32, .oas = 40 },
		{ .fmt = ARM_MALI_LPAE, .pgsizes = SZ_4K | SZ_16K | SZ_64K | SZ_1G,
		  .ias = 40, .oas = 40 },
		{ .fmt = ARM_64_LPAE_S2, .pgsizes = SZ_64K | SZ_512M, .ias = 48, .oas = 48,
		  .quirks = IO_PGTABLE_QUIRK_ARM_TTBR1 },
	};
	struct client *c = &dice.c;
	unsigned int i;

	set_up(&dice, test);
	dice.many = MANY_MOCK_LEAVES;
	for (i = 0; c->ops < random_ops && !c->failed; i++) {
		client_open_mock(c, test, &configs[i % ARRAY_SIZE(configs)]);
		random_steps(&dice, min_t(u64, random_ops, c->ops + TABLE_OPS / 4));
	}
	sum_up(&dice, "mock");
}

/* Every right call gets -EIO, every wrong one its own error, and the mock gets none */
static void random_calls_of_a_broken_mock(struct kunit *test)
{
	const struct mock_config config = {
		.fmt = ARM_MALI_LPAE, .pgsizes = SZ_4K | SZ_2M, .ias = 48, .oas = 48,
	};
	struct spec_call map = {
		.fn = SPEC_MAP, .size = SZ_8K, .prot = IOMMU_READ, .gfp = GFP_KERNEL,
	};
	const struct spec_call unmap = { .fn = SPEC_UNMAP, .size = SZ_8K };
	struct client *c = &dice.c;
	unsigned int calls;

	set_up(&dice, test);
	client_open_mock(c, test, &config);
	dice_prepare(&dice);
	client_call(c, &map, CLIENT_FAIL_NONE, 0);
	mock_next_unmap(c->fix->mock, 0);
	client_issue(c, &unmap);
	KUNIT_EXPECT_EQ(test, c->err, -EIO);

	c->spec.broken = true;
	calls = c->fix->mock->nr_calls;
	while (c->ops < 2000 && !c->failed)
		dice_step(&dice);
	KUNIT_EXPECT_EQ(test, c->fix->mock->nr_calls, calls);
	client_close(c);
}

static struct kunit_case random_cases[] = {
	KUNIT_CASE_PARAM(random_calls, pgt_formats_gen_params),
	KUNIT_CASE(random_calls_of_a_mock),
	KUNIT_CASE(random_calls_of_a_broken_mock),
	{}
};

static struct kunit_suite random_suite = {
	.name = "io_pgtable_safe_random",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = random_cases,
};

kunit_test_suite(random_suite);
