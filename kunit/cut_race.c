// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that cut blocks side by side, and one block that they all cut.
 */
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "descriptors.h"
#include "helpers.h"
#include "mock_format.h"

#define THREADS 4

/*
 * Different ones, so that each block needs its own note unless the table happened to
 * be empty when it was mapped.
 */
static const int prots[THREADS] = {
	IOMMU_READ,
	IOMMU_READ | IOMMU_WRITE,
	IOMMU_READ | IOMMU_NOEXEC,
	IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE,
};

/**
 * struct cutter - A thread.
 * @test: The case.
 * @id: Number of the thread, from 0.
 * @rounds: How often it does what it does.
 * @rnd: Its random numbers.
 * @size: Of a block.
 * @descriptor: What a granule of it looks like that maps its second one, or 0.
 * @thread: The thread.
 * @wrong: What first went wrong.
 * @common: Bytes of the common block it unmapped, minus those it mapped.
 * @busy: How often it was refused with -EBUSY.
 */
struct cutter {
	struct kunit *test;
	unsigned int id;
	unsigned int rounds;
	struct rnd_state rnd;
	u64 size;
	u64 descriptor;
	struct pgt_thread thread;
	const char *wrong;
	s64 common;
	unsigned int busy;
};

static struct pgt_test *fixture(struct cutter *c)
{
	return pgt_fixture(c->test);
}

static void expect(struct cutter *c, bool right, const char *what)
{
	if (!right && !c->wrong)
		c->wrong = what;
}

static u32 random_granule(struct cutter *c)
{
	return prandom_u32_state(&c->rnd) % (u32)div64_u64(c->size, fixture(c)->granule);
}

/* The first block is for all of them, the next ones for one each. */
static u64 own_block(struct cutter *c)
{
	return at(c->test, (c->id + 1) * c->size);
}

static void look_at_rest(struct cutter *c, u64 hole)
{
	struct pgt_test *fix = fixture(c);
	struct io_pgtable_safe_span span = {};
	u64 iova = own_block(c), off = (u64)random_granule(c) * fix->granule;
	int err = io_pgtable_safe_lookup(fix->pgt, iova + off, &span);

	if (off == hole)
		expect(c, err == -ENOENT, "what was cut out is still there");
	else
		expect(c, !err && span.paddr + (iova + off - span.iova) == c->size + off,
		       "the rest is not what it was");
	if (hole == fix->granule || !c->descriptor)
		return;
	/* Its second granule may be in a block yet, if only a part was divided */
	err = io_pgtable_safe_lookup(fix->pgt, iova + fix->granule, &span);
	expect(c, !err, "the second granule is lost");
	if (fix->mock)
		expect(c, mock_prot(fix->mock, iova + fix->granule) == prots[c->id],
		       "the protection is another");
	else if (span.leaf == fix->granule)
		expect(c, read_descriptor(c->test, iova + fix->granule) == c->descriptor,
		       "the descriptor is another");
}

/* Nobody else wants this one, so all must go well. */
static void cut_own_block(struct cutter *c)
{
	struct pgt_test *fix = fixture(c);
	u64 hole = (u64)random_granule(c) * fix->granule, iova = own_block(c);
	struct io_pgtable_safe_unmap_result cut;
	struct io_pgtable_safe_map_result map;

	map = io_pgtable_safe_map_pages(fix->pgt, iova, c->size, c->size, 1, prots[c->id],
					GFP_KERNEL);
	expect(c, !map.err && map.mapped == c->size, "map of a block");
	cut = io_pgtable_safe_cut(fix->pgt, iova + hole, fix->granule, prots[c->id],
				  GFP_KERNEL, 0);
	expect(c, !cut.err && cut.unmapped == fix->granule, "cut of a block");
	look_at_rest(c, hole);
	cut = io_pgtable_safe_unmap_present(fix->pgt, iova, c->size, 0);
	expect(c, !cut.err && cut.unmapped == c->size - fix->granule, "unmap of the rest");
}

static void cut_common_block(struct cutter *c)
{
	struct pgt_test *fix = fixture(c);
	u64 off = (u64)random_granule(c) * fix->granule;
	struct io_pgtable_safe_unmap_result cut;
	struct io_pgtable_safe_map_result map;

	cut = io_pgtable_safe_cut(fix->pgt, at(c->test, off), fix->granule, PGT_PROT,
				  GFP_KERNEL, 0);
	expect(c, !cut.err || cut.err == -EBUSY || cut.err == -ENOENT, "cut of the common block");
	expect(c, cut.unmapped == (cut.err ? 0 : fix->granule), "bytes of the common block");
	c->common += cut.unmapped;
	c->busy += cut.err == -EBUSY;
	if (cut.err || random_granule(c) % 2)
		return;
	/* Only who unmapped it maps it again, but others may be at the rest */
	map = io_pgtable_safe_map(fix->pgt, at(c->test, off), off, fix->granule, PGT_PROT,
				  GFP_KERNEL);
	expect(c, !map.err, "map of what was cut out");
	c->common -= map.mapped;
}

static void run_cutter(struct pgt_thread *t)
{
	struct cutter *c = container_of(t, struct cutter, thread);
	unsigned int i;

	for (i = 0; i < c->rounds && !c->wrong; i++) {
		cut_own_block(c);
		cut_common_block(c);
		cond_resched();
	}
}

/* What one granule of its block looks like with the thread's protection. */
static u64 make_descriptor(struct cutter *c)
{
	struct pgt_test *fix = fixture(c);
	struct io_pgtable_safe_map_result map;
	u64 descriptor;

	map = io_pgtable_safe_map(fix->pgt, own_block(c) + fix->granule,
				  c->size + fix->granule, fix->granule, prots[c->id],
				  GFP_KERNEL);
	check_map_result(c->test, map, fix->granule, 0);
	descriptor = fix->mock ? 1 : read_descriptor(c->test, own_block(c) + fix->granule);
	do_unmap(c->test, own_block(c) + fix->granule, fix->granule);
	return descriptor;
}

static void start_cutter(struct kunit *test, struct cutter *c, struct completion *start,
			 unsigned int seed)
{
	c->test = test;
	c->size = block_size(test);
	c->descriptor = make_descriptor(c);
	prandom_seed_state(&c->rnd, seed + c->id);
	start_pgt_thread(test, &c->thread, run_cutter, start);
}

static void run_cutters(struct kunit *test, unsigned int rounds, unsigned int *busy)
{
	struct cutter *c, *cutters = kunit_kcalloc(test, THREADS, sizeof(*cutters), GFP_KERNEL);
	unsigned int seed = pgt_random_seed(test);
	u64 size = block_size(test);
	struct completion start;
	s64 common = 0;

	KUNIT_ASSERT_NOT_NULL(test, cutters);
	init_completion(&start);
	for (c = cutters; c < cutters + THREADS; c++) {
		c->id = c - cutters;
		c->rounds = rounds;
		start_cutter(test, c, &start, seed);
	}
	do_map_pages(test, at(test, 0), 0, size, 1);
	complete_all(&start);
	for (c = cutters; c < cutters + THREADS; c++) {
		join_pgt_thread(test, &c->thread);
		KUNIT_EXPECT_NULL_MSG(test, c->wrong, "thread %u: %s", c->id, c->wrong ?: "");
		common += c->common;
		*busy += c->busy;
	}
	check_mapped(test, size - common);
	do_unmap_present(test, at(test, 0), size, size - common);
	check_hole(test, at(test, 0), (THREADS + 1) * size);
}

static void cutters_on_this_format(struct kunit *test)
{
	unsigned int busy = 0, round;

	/* Few at a time: a block is left a block for a short while only */
	for (round = 0; round < 10; round++)
		run_cutters(test, 10, &busy);
}

static void cutters_with_naps_inside(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	unsigned int busy = 0, round;

	mock->during = mock_nap_sometimes;
	for (round = 0; round < 5; round++)
		run_cutters(test, 10, &busy);
	/* They did meet */
	KUNIT_EXPECT_GT(test, busy, 0U);
	KUNIT_EXPECT_EQ(test, mock_mapped(mock), 0ULL);
}

PGT_BLOCK_FORMATS_PARAM();

static struct kunit_case cut_format_cases[] = {
	KUNIT_CASE_PARAM(cutters_on_this_format, pgt_block_formats_gen_params),
	{}
};

static struct kunit_suite cut_format_suite = {
	.name = "io_pgtable_safe_race_cut",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = cut_format_cases,
};

static struct kunit_case cut_nap_cases[] = {
	KUNIT_CASE(cutters_with_naps_inside),
	{}
};

static struct kunit_suite cut_nap_suite = {
	.name = "io_pgtable_safe_race_cut_naps",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = cut_nap_cases,
};

kunit_test_suites(&cut_format_suite, &cut_nap_suite);
