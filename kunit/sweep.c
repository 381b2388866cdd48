// SPDX-License-Identifier: GPL-2.0
/*
 * Every function that allocates, with its first allocation failing, then with its
 * second, and so on until it succeeds: on each format, a table's pages and whatever
 * else it takes. What fails has changed nothing.
 */
#include <linux/bitops.h>
#include <linux/debugfs.h>
#include <linux/slab.h>

#include "client.h"

PGT_FORMATS_PARAM();

/* More allocations than a call makes here */
#define MOST_ALLOCATIONS 4096
#define ROOM 20480

static struct client client;
static struct spec_leaf leaf_room[2][ROOM], range_room[2][64];

/* Next to each other, so that they are one piece, and somewhere else */
static struct spec_piece pieces[3];

/**
 * struct sweep - What is called.
 * @fn: The function.
 * @blocks: What the range is, across the middle of the address space: two blocks with
 *	a granule before and behind them, or two granules.
 * @reserved: A reservation pays.
 * @largest: A granule is cut out of one of the largest blocks, so that there is much
 *	to be mapped on both sides of it.
 */
struct sweep {
	enum spec_fn fn;
	bool blocks;
	bool reserved;
	bool largest;
};

static const struct sweep sweeps[] = {
	{ SPEC_TRY_MAP_PAGES }, { SPEC_MAP_PAGES }, { SPEC_MAP }, { SPEC_MAP, true },
	{ SPEC_MAP_SGTABLE }, { SPEC_MAP_REPEAT }, { SPEC_MAP_REPEAT, true },
	{ SPEC_CUT }, { SPEC_RESERVE }, { SPEC_RESERVE, true },
	{ SPEC_MAP_PAGES, false, true }, { SPEC_MAP, true, true },
	{ SPEC_MAP_SGTABLE, false, true }, { SPEC_CUT, false, true },
	{ SPEC_CUT, false, false, true },
};

static u64 middle(const struct client *c)
{
	return c->spec.first + (c->spec.last - c->spec.first) / 2 + 1;
}

static void make_call(struct client *c, const struct sweep *sweep, struct spec_call *call)
{
	u64 granule = c->fix->granule, block = nth_pgsize(c->test, 1);
	u64 half = granule + (sweep->blocks ? block : 0);
	phys_addr_t paddr = some_paddr(c->test, block ?: granule);

	*call = (struct spec_call){
		.fn = sweep->fn, .iova = middle(c) - half, .size = 2 * half,
		.pgsize = granule, .pgcount = 2, .paddr = paddr - granule,
		.block = sweep->blocks ? block : granule, .pieces = pieces,
		.nr_pieces = ARRAY_SIZE(pieces), .which = IO_PGTABLE_SAFE_SG_DMA,
		.offset = granule, .prot = PGT_PROT,
		.gfp = sweep->reserved ? IO_PGTABLE_SAFE_RESERVED : PGT_GFP_FAULTY,
	};
	if (sweep->largest) {
		call->iova = middle(c) + block + granule;
		call->size = granule;
	}
	pieces[0] = (struct spec_piece){ paddr, granule };
	pieces[1] = (struct spec_piece){ paddr + granule, granule };
	pieces[2] = (struct spec_piece){ paddr + 4 * granule, granule };
}

/* Something on both sides, and for a cut the blocks that it cuts */
static void map_before(struct client *c, const struct sweep *sweep)
{
	u64 block = nth_pgsize(c->test, 1), granule = c->fix->granule;
	unsigned int n;
	struct spec_call call = {
		.fn = SPEC_MAP, .iova = c->spec.first, .size = granule, .prot = IOMMU_READ,
		.gfp = GFP_KERNEL,
	};

	client_call(c, &call, CLIENT_FAIL_NONE, 0);
	call.iova = c->spec.last - granule + 1;
	client_call(c, &call, CLIENT_FAIL_NONE, 0);
	if (sweep->fn != SPEC_CUT)
		return;
	call.prot = PGT_PROT;
	for (n = 2; sweep->largest && nth_pgsize(c->test, n); n++)
		block = nth_pgsize(c->test, n);
	call.paddr = some_paddr(c->test, block);
	call.size = block;
	call.iova = middle(c) - block;
	client_call(c, &call, CLIENT_FAIL_NONE, 0);
	call.iova = middle(c);
	client_call(c, &call, CLIENT_FAIL_NONE, 0);
}

static void reserve_before(struct client *c)
{
	u64 unit = nth_pgsize(c->test, 1) ?: c->fix->granule;
	struct spec_call call = {
		.fn = SPEC_RESERVE, .iova = middle(c) - 2 * unit, .size = 4 * unit,
		.gfp = GFP_KERNEL,
	};

	client_call(c, &call, CLIENT_FAIL_NONE, 0);
	call.fn = SPEC_ATTACH;
	client_call(c, &call, CLIENT_FAIL_NONE, 0);
}

/* On a fresh table, which has nothing left of earlier tries. Did the allocation fail? */
static bool fails(struct kunit *test, const struct sweep *sweep, enum client_failure kind,
		  unsigned int nth)
{
	struct client *c = &client;
	struct spec_call call;
	bool failed;

	client_open(c, test, test->param_value, CLIENT_TLB_WALK);
	map_before(c, sweep);
	if (sweep->reserved)
		reserve_before(c);
	make_call(c, sweep, &call);
	client_call(c, &call, kind, nth);
	failed = c->short_of_memory;
	client_check_all(c);
	if (!failed)
		KUNIT_EXPECT_EQ_MSG(test, c->err, 0, "call %u", sweep->fn);
	call = (struct spec_call){
		.fn = SPEC_UNMAP_PRESENT, .iova = c->spec.first,
		.size = c->spec.last - c->spec.first + 1,
	};
	client_call(c, &call, CLIENT_FAIL_NONE, 0);
	client_close(c);
	return failed;
}

static bool can_do(struct kunit *test, const struct sweep *sweep)
{
	const struct pgt_format *format = test->param_value;
	bool blocks = format < &pgt_formats[PGT_NUM_BLOCK_FORMATS];

	if (sweep->largest && hweight_long(format->pgsizes) < 3)
		return false;
	if ((sweep->blocks || sweep->fn == SPEC_CUT) && !blocks)
		return false;
	return (sweep->fn != SPEC_RESERVE && !sweep->reserved) || client_own_tables(format->fmt);
}

static void every_allocation_may_fail(struct kunit *test)
{
	const struct pgt_format *format = test->param_value;
	unsigned int i, nth, total = 0;
	enum client_failure kind;

	skip_without_fault_injection(test);
	memset(&client, 0, sizeof(client));
	client.spec.leaves = (struct spec_set){ .leaf = leaf_room[0], .room = ROOM };
	client.spec.scratch = (struct spec_set){ .leaf = leaf_room[1], .room = ROOM };
	client.spec.unflushed = (struct spec_set){ .leaf = range_room[0], .room = 64 };
	client.spec_reserve.spent = (struct spec_set){ .leaf = range_room[1], .room = 64 };

	for (i = 0; i < ARRAY_SIZE(sweeps) && !client.failed; i++) {
		if (!can_do(test, &sweeps[i]))
			continue;
		for (kind = CLIENT_FAIL_PAGE; kind <= CLIENT_FAIL_ANY; kind++) {
			for (nth = 1; nth < MOST_ALLOCATIONS; nth++)
				if (!fails(test, &sweeps[i], kind, nth))
					break;
			KUNIT_EXPECT_LT(test, nth, MOST_ALLOCATIONS);
			total += nth - 1;
		}
	}
	kunit_info(test, "%s: %u allocations failed\n", format->name, total);
	/* A table in each. Of the ledger's memory enough may be left from before */
	if (client_own_tables(format->fmt))
		KUNIT_EXPECT_GT(test, total, ARRAY_SIZE(sweeps));
}

/*
 * As the kernel has it, allocations that may sleep never fail, and others fail with a stack
 * trace. Only debugfs can change that: a file holds the address of what it sets.
 */
static void *fault_attr(const char *attr, const char *name)
{
	struct dentry *dir = debugfs_lookup(attr, NULL), *file;
	void *value = NULL;

	file = dir ? debugfs_lookup(name, dir) : NULL;
	if (file)
		value = d_inode(file)->i_private;
	dput(file);
	dput(dir);
	return value;
}

static bool let_sleepers_fail(bool fail)
{
	static const char * const attrs[] = { "failslab", "fail_page_alloc" };
	unsigned long *verbose;
	unsigned int i;
	bool *ignore;

	for (i = 0; i < ARRAY_SIZE(attrs); i++) {
		ignore = fault_attr(attrs[i], "ignore-gfp-wait");
		verbose = fault_attr(attrs[i], "verbose");
		if (!ignore || !verbose)
			return false;
		*ignore = !fail;
		*verbose = fail ? 0 : 2;
	}
	return true;
}

static void every_allocation_of_a_table_may_fail(struct kunit *test)
{
	const struct pgt_format *format = test->param_value;
	struct io_pgtable_safe *pgt;
	struct io_pgtable_cfg cfg;
	unsigned int nth, refused = 0;
	bool failed;

	/* It complains of a cache that it cannot create */
	if (!pgt_format_built(format->fmt) || format->fmt == ARM_V7S)
		kunit_skip(test, "not built, or not silent");
	if (!let_sleepers_fail(true))
		kunit_skip(test, "needs CONFIG_FAULT_INJECTION_DEBUG_FS");
	pgt_make_cfg(test, format, &cfg);
	for (nth = 1; nth < MOST_ALLOCATIONS; nth++) {
		fail_nth_allocation(nth);
		pgt = io_pgtable_safe_alloc(format->fmt, &cfg, pgt_fixture(test));
		failed = an_allocation_failed();
		if (!failed)
			break;
		/* The slab may try to get fewer pages */
		if (IS_ERR(pgt)) {
			KUNIT_EXPECT_EQ(test, PTR_ERR(pgt), -ENOMEM);
			refused++;
		}
		io_pgtable_safe_free(pgt);
	}
	/* Ours, the format's and the root of the ledger */
	KUNIT_EXPECT_GE(test, refused, 3);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pgt);
	io_pgtable_safe_free(pgt);
}

static void sweep_exit(struct kunit *test)
{
	let_sleepers_fail(false);
	pgt_test_exit(test);
}

static struct kunit_case sweep_cases[] = {
	KUNIT_CASE_PARAM(every_allocation_may_fail, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(every_allocation_of_a_table_may_fail, pgt_formats_gen_params),
	{}
};

static struct kunit_suite sweep_suite = {
	.name = "io_pgtable_safe_sweep",
	.init = pgt_test_init,
	.exit = sweep_exit,
	.test_cases = sweep_cases,
};

kunit_test_suite(sweep_suite);
