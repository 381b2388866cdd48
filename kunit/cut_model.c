// SPDX-License-Identifier: GPL-2.0
/*
 * Random maps, cuts and unmaps, on every format and on a mock, against a model: an
 * array of runs of leaves that knows nothing of ledgers or page tables.
 */
#include <linux/limits.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "descriptors.h"
#include "helpers.h"
#include "mock_format.h"

#define STEPS 150
#define MAX_RUNS 192
/* A region is this many of the largest leaves */
#define REGION_LEAVES 4

/* Leaves of one size, memory and protection, one behind the other */
struct run {
	u64 iova;
	u64 size;
	u64 leaf;
	u64 paddr;
	int prot;
};

struct model {
	struct kunit *test;
	struct rnd_state rnd;
	struct run runs[2 * MAX_RUNS];
	unsigned int nr;
	u64 base;
	u64 size;
	u64 spare;
	unsigned int sizes;
	unsigned int cuts;
	int prot;
};

static const int prots[] = {
	IOMMU_READ,
	IOMMU_READ | IOMMU_WRITE,
	IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE,
	IOMMU_READ | IOMMU_NOEXEC,
	IOMMU_READ | IOMMU_WRITE | IOMMU_MMIO,
};

static u32 random_below(struct model *m, u32 n)
{
	return prandom_u32_state(&m->rnd) % n;
}

static u64 granule(struct model *m)
{
	return pgt_fixture(m->test)->granule;
}

/* --- the model -------------------------------------------------------------- */

static void add_run(struct model *m, u64 iova, u64 size, u64 leaf, u64 paddr, int prot)
{
	KUNIT_ASSERT_LT(m->test, m->nr, (unsigned int)ARRAY_SIZE(m->runs));
	m->runs[m->nr++] = (struct run){ iova, size, leaf, paddr, prot };
}

/* Part of a leaf: each time the largest page that fits */
static void add_part(struct model *m, const struct run *run, u64 first, u64 end)
{
	u64 iova = first, paddr, leaf, size;
	unsigned int n;

	while (iova != end) {
		paddr = run->paddr + (iova - run->iova);
		for (n = m->sizes - 1; n; n--) {
			leaf = nth_pgsize(m->test, n);
			if (leaf < run->leaf && !((iova | paddr) & (leaf - 1)) &&
			    end - iova >= leaf)
				break;
		}
		leaf = nth_pgsize(m->test, n);
		for (size = leaf; end - iova - size >= leaf; size += leaf) {
			u64 next = nth_pgsize(m->test, n + 1);

			/* Not past where a larger one fits */
			if (next && next < run->leaf && !((iova + size) & (next - 1)) &&
			    end - iova - size >= next)
				break;
		}
		add_run(m, iova, size, leaf, paddr, run->prot);
		iova += size;
	}
}

/* Whole leaves of a run */
static void add_leaves(struct model *m, const struct run *run, u64 first, u64 end)
{
	if (end > first)
		add_run(m, first, end - first, run->leaf, run->paddr + (first - run->iova),
			run->prot);
}

static u64 overlap(const struct run *run, u64 first, u64 size, u64 *lo, u64 *hi)
{
	*lo = max(run->iova, first);
	*hi = min(run->iova + run->size, first + size);
	return *hi > *lo && run->size ? *hi - *lo : 0;
}

static u64 model_mapped(const struct model *m, u64 first, u64 size)
{
	u64 lo, hi, sum = 0;
	unsigned int i;

	for (i = 0; i < m->nr; i++)
		sum += overlap(&m->runs[i], first, size, &lo, &hi);
	return sum;
}

static void model_cut(struct model *m, u64 first, u64 size)
{
	unsigned int i, nr = m->nr;
	u64 lo, hi, leaf_lo, leaf_hi;
	struct run run;

	for (i = 0; i < nr; i++) {
		run = m->runs[i];
		if (!overlap(&run, first, size, &lo, &hi))
			continue;
		m->runs[i].size = 0;
		leaf_lo = lo & ~(run.leaf - 1);
		leaf_hi = ((hi - 1) | (run.leaf - 1)) + 1;
		add_leaves(m, &run, run.iova, leaf_lo);
		add_part(m, &run, leaf_lo, lo);
		add_part(m, &run, hi, leaf_hi);
		add_leaves(m, &run, leaf_hi, run.iova + run.size);
	}
	for (i = nr = 0; i < m->nr; i++)
		if (m->runs[i].size)
			m->runs[nr++] = m->runs[i];
	m->nr = nr;
}

/* --- the table against the model ---------------------------------------------- */

/* The protection of a leaf, as far as it can be seen */
static void check_prot(struct model *m, const struct run *run, u64 iova)
{
	struct pgt_test *fix = pgt_fixture(m->test);
	u64 paddr = run->paddr + (iova - run->iova);

	if (fix->mock)
		KUNIT_EXPECT_EQ_MSG(m->test, mock_prot(fix->mock, iova), run->prot,
				    "iova %#llx", iova);
	if (!reads_descriptors(m->test))
		return;
	check_map_result(m->test, io_pgtable_safe_map_pages(fix->pgt, m->spare, paddr,
							    run->leaf, 1, run->prot,
							    GFP_KERNEL), run->leaf, 0);
	KUNIT_EXPECT_EQ_MSG(m->test, read_descriptor(m->test, iova),
			    read_descriptor(m->test, m->spare), "iova %#llx", iova);
	do_unmap(m->test, m->spare, run->leaf);
}

static void check_one_leaf(struct model *m, const struct run *run, u64 iova)
{
	struct pgt_test *fix = pgt_fixture(m->test);
	u64 paddr = run->paddr + (iova - run->iova);
	u64 last = run->leaf - granule(m);
	struct io_pgtable_safe_span span = {};

	KUNIT_EXPECT_EQ_MSG(m->test, io_pgtable_safe_lookup(fix->pgt, iova, &span), 0,
			    "iova %#llx", iova);
	KUNIT_EXPECT_EQ(m->test, span.iova, iova);
	KUNIT_EXPECT_EQ(m->test, span.leaf, run->leaf);
	KUNIT_EXPECT_EQ(m->test, (u64)span.paddr, paddr);
	KUNIT_EXPECT_EQ(m->test, (u64)fix->raw->iova_to_phys(fix->raw, iova), paddr);
	KUNIT_EXPECT_EQ(m->test, (u64)fix->raw->iova_to_phys(fix->raw, iova + last),
			paddr + last);
}

/* The granules just outside a run: mapped only if the model says so */
static void check_beside(struct model *m, u64 iova)
{
	struct pgt_test *fix = pgt_fixture(m->test);

	if (iova < m->base || iova - m->base >= m->size ||
	    model_mapped(m, iova, granule(m)))
		return;
	check_hole(m->test, iova, granule(m));
	KUNIT_EXPECT_EQ(m->test, (u64)fix->raw->iova_to_phys(fix->raw, iova), 0ULL);
}

static void check_run(struct model *m, const struct run *run)
{
	u64 leaves = div64_u64(run->size, run->leaf), iova;

	check_one_leaf(m, run, run->iova);
	check_one_leaf(m, run, run->iova + run->size - run->leaf);
	iova = run->iova + random_below(m, min_t(u64, leaves, U32_MAX)) * run->leaf;
	check_one_leaf(m, run, iova);
	check_prot(m, run, iova);
	check_beside(m, run->iova - granule(m));
	check_beside(m, run->iova + run->size);
}

static void check_model(struct model *m)
{
	unsigned int i;

	check_mapped(m->test, model_mapped(m, m->base, m->size));
	for (i = 0; i < m->nr; i++)
		check_run(m, &m->runs[i]);
}

/* Every granule of a region that is not too large for that, seen by the format */
static void check_every_granule(struct model *m)
{
	struct pgt_test *fix = pgt_fixture(m->test);
	u64 iova, expected, raw;
	unsigned int i;

	if (fix->mock || m->size / granule(m) > SZ_2M)
		return;
	for (iova = m->base; iova < m->base + m->size; iova += granule(m)) {
		expected = 0;
		for (i = 0; i < m->nr; i++)
			if (iova - m->runs[i].iova < m->runs[i].size)
				expected = m->runs[i].paddr + (iova - m->runs[i].iova);
		raw = fix->raw->iova_to_phys(fix->raw, iova);
		if (raw == expected)
			continue;
		KUNIT_FAIL(m->test, "iova %#llx: %#llx, not %#llx", iova, raw, expected);
		return;
	}
}

/* --- random steps ------------------------------------------------------------- */

static void random_map(struct model *m)
{
	struct pgt_test *fix = pgt_fixture(m->test);
	u64 leaf = nth_pgsize(m->test, random_below(m, m->sizes));
	u64 count = min_t(u64, 1 + random_below(m, 6), m->size / leaf);
	u64 slots = div64_u64(m->size, leaf) - count + 1;
	u64 iova = m->base + random_below(m, min_t(u64, slots, U32_MAX)) * leaf;
	/* Never 0, which iova_to_phys() cannot tell from nothing */
	u64 paddr = some_paddr(m->test, leaf) + random_below(m, 4) * leaf;
	bool free = !model_mapped(m, iova, leaf * count);
	u64 left = leaf * count, done;

	if (paddr + left - 1 > fix->paddr_last || !paddr)
		return;
	while (left) {
		struct io_pgtable_safe_map_result res =
			io_pgtable_safe_map_pages(fix->pgt, iova, paddr, leaf,
						  div64_u64(left, leaf), m->prot, GFP_KERNEL);

		KUNIT_EXPECT_EQ(m->test, res.err, free ? 0 : -EEXIST);
		if (res.err)
			return;
		done = res.mapped;
		add_run(m, iova, done, leaf, paddr, m->prot);
		left -= done;
		iova += done;
		paddr += done;
	}
}

/* A range that begins in some run, so that it has a chance to be mapped whole */
static void random_range(struct model *m, u64 *first, u64 *size)
{
	const struct run *run = &m->runs[random_below(m, m->nr)];
	u64 reach = min(2 * run->leaf, run->size + granule(m)), pages;

	pages = max_t(u64, div64_u64(run->size, granule(m)), 1);
	*first = run->iova + random_below(m, min_t(u64, pages, U32_MAX)) * granule(m);
	/* Now and then at the boundary of a leaf, or near it */
	if (!random_below(m, 3))
		*first &= ~(run->leaf - 1);
	pages = max_t(u64, div64_u64(reach, granule(m)), 1);
	*size = (1 + random_below(m, min_t(u64, pages, U32_MAX))) * granule(m);
	if (!random_below(m, 4))
		*size = granule(m);
	*size = min(*size, m->base + m->size - *first);
}

static void random_cut(struct model *m)
{
	struct io_pgtable_safe *pgt = pgt_fixture(m->test)->pgt;
	struct io_pgtable_safe_unmap_result res;
	u64 first, size;
	bool whole;
	u32 flags;

	if (!m->nr)
		return;
	random_range(m, &first, &size);
	whole = model_mapped(m, first, size) == size;
	flags = random_below(m, 2) ? IO_PGTABLE_SAFE_NO_FLUSH : 0;
	res = io_pgtable_safe_cut(pgt, first, size, m->prot, GFP_KERNEL, flags);
	check_unmap_result(m->test, res, whole ? size : 0, whole ? 0 : -ENOENT);
	if (whole && flags)
		KUNIT_EXPECT_EQ(m->test, io_pgtable_safe_flush(pgt, first, size), 0);
	if (whole) {
		model_cut(m, first, size);
		m->cuts++;
	}
}

/* An aligned part goes: whole leaves only, or it is refused */
static void random_unmap_present(struct model *m)
{
	u64 leaf = nth_pgsize(m->test, m->sizes - 1);
	u64 first = m->base + random_below(m, REGION_LEAVES) * leaf;

	do_unmap_present(m->test, first, leaf, model_mapped(m, first, leaf));
	model_cut(m, first, leaf);
}

static void random_steps(struct model *m)
{
	unsigned int i, what;

	for (i = 0; i < STEPS; i++) {
		what = random_below(m, 16);
		if (m->nr > MAX_RUNS || !what)
			random_unmap_present(m);
		else if (what < 6)
			random_map(m);
		else
			random_cut(m);
		if (i % 8 == 7)
			check_model(m);
	}
	check_model(m);
	check_every_granule(m);
	KUNIT_EXPECT_GT(m->test, m->cuts, 10U);
	do_unmap_present(m->test, m->base, m->size, model_mapped(m, m->base, m->size));
	check_mapped(m->test, 0);
	/* If chance has had none refused, this one is */
	check_unmap_result(m->test, io_pgtable_safe_cut(pgt_fixture(m->test)->pgt, m->base,
							granule(m), m->prot, GFP_KERNEL, 0),
			   0, -ENOENT);
}

static struct model *make_model(struct kunit *test)
{
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	unsigned int seed = pgt_random_seed(test);
	u64 largest;

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->test = test;
	while (nth_pgsize(test, m->sizes))
		m->sizes++;
	/* Up to 1G, or the runs of what is left become too long to look at */
	while (nth_pgsize(test, m->sizes - 1) > SZ_1G)
		m->sizes--;
	largest = nth_pgsize(test, m->sizes - 1);
	m->size = REGION_LEAVES * largest;
	m->base = at(test, 0);
	/* Where an address space is as large as that, a part of it is spared */
	m->spare = m->base + m->size;
	if (m->spare + largest - 1 > pgt_fixture(test)->last || m->spare < m->base) {
		m->size -= largest;
		m->spare -= largest;
	}
	prandom_seed_state(&m->rnd, seed);
	m->prot = prots[random_below(m, ARRAY_SIZE(prots))];
	return m;
}

static void random_cuts_of_a_format(struct kunit *test)
{
	random_steps(make_model(test));
}

static void random_cuts_of_a_mock(struct kunit *test)
{
	static const struct mock_config configs[] = {
		{ .fmt = ARM_MALI_LPAE, .pgsizes = SZ_4K | SZ_2M | SZ_1G, .ias = 48, .oas = 48 },
		{ .fmt = ARM_MALI_LPAE, .pgsizes = SZ_4K | SZ_64K | SZ_1M | SZ_16M,
		  .ias = 32, .oas = 40 },
		{ .fmt = ARM_MALI_LPAE, .pgsizes = SZ_4K | SZ_16K | SZ_64K | SZ_1G,
		  .ias = 40, .oas = 40 },
		{ .fmt = ARM_MALI_LPAE, .pgsizes = SZ_64K | SZ_512M, .ias = 48, .oas = 48,
		  .quirks = IO_PGTABLE_QUIRK_ARM_TTBR1 },
	};
	struct mock_config config;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(configs); i++) {
		config = configs[i];
		config.tlb = &pgt_flush_ops;
		open_mock(test, &config);
		random_steps(make_model(test));
		mock_check(test);
		close_table(test);
	}
}

PGT_BLOCK_FORMATS_PARAM();

static struct kunit_case cut_format_cases[] = {
	KUNIT_CASE_PARAM(random_cuts_of_a_format, pgt_block_formats_gen_params),
	{}
};

static struct kunit_suite cut_format_suite = {
	.name = "io_pgtable_safe_cut_model",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = cut_format_cases,
};

static struct kunit_case cut_mock_cases[] = {
	KUNIT_CASE(random_cuts_of_a_mock),
	{}
};

static struct kunit_suite cut_mock_suite = {
	.name = "io_pgtable_safe_cut_model_mock",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = cut_mock_cases,
};

kunit_test_suites(&cut_format_suite, &cut_mock_suite);
