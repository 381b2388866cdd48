// SPDX-License-Identifier: GPL-2.0
/*
 * A format that follows a script and keeps an honest record.
 */
#include <linux/atomic.h>
#include <linux/log2.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "helpers.h"
#include "io_pgtable_safe_compat.h"
#include "mock_format.h"

struct mock_format *mock_from_ops(struct io_pgtable_ops *ops)
{
	return container_of(io_pgtable_ops_to_pgtable(ops), struct mock_format,
			    iop);
}

static void violate(struct mock_format *mock, const char *what)
{
	if (!mock->violations++)
		mock->violation = what;
}

/* --- the record ----------------------------------------------------------- */

/* Index of the first run that ends at or after @iova. */
static unsigned int find_run(struct mock_format *mock, u64 iova)
{
	unsigned int i = 0;

	while (i < mock->nr_runs && mock->runs[i].last < iova)
		i++;
	return i;
}

static void insert_run(struct mock_format *mock, unsigned int i,
		       const struct mock_run *run)
{
	if (mock->nr_runs == MOCK_RUNS) {
		violate(mock, "the mock's record is full");
		return;
	}
	memmove(&mock->runs[i + 1], &mock->runs[i],
		(mock->nr_runs - i) * sizeof(*run));
	mock->runs[i] = *run;
	mock->nr_runs++;
}

static void remove_run(struct mock_format *mock, unsigned int i)
{
	mock->nr_runs--;
	memmove(&mock->runs[i], &mock->runs[i + 1],
		(mock->nr_runs - i) * sizeof(mock->runs[0]));
}

static bool continues(const struct mock_run *a, const struct mock_run *b)
{
	return a->last + 1 == b->iova && a->leaf == b->leaf && a->prot == b->prot &&
	       a->paddr + (b->iova - a->iova) == b->paddr;
}

static void record_map(struct mock_format *mock, const struct mock_call *call,
		       u64 bytes)
{
	struct mock_run run = {
		.iova = call->iova, .last = call->iova + bytes - 1,
		.paddr = call->paddr, .leaf = call->pgsize, .prot = call->prot,
	};
	unsigned int i = find_run(mock, call->iova);

	if (i < mock->nr_runs && mock->runs[i].iova <= run.last) {
		violate(mock, "map over something that is mapped");
		return;
	}
	if (i && continues(&mock->runs[i - 1], &run))
		mock->runs[i - 1].last = run.last;
	else
		insert_run(mock, i, &run);
}

/* Take [@iova, @last], which lies within run @i, out of it. */
static void cut_run(struct mock_format *mock, unsigned int i, u64 iova,
		    u64 last)
{
	struct mock_run run = mock->runs[i], tail = run;

	if ((iova - run.iova) % run.leaf || (last + 1 - run.iova) % run.leaf)
		violate(mock, "unmap of a part of a leaf");

	remove_run(mock, i);
	if (last < run.last) {
		tail.iova = last + 1;
		tail.paddr += tail.iova - run.iova;
		insert_run(mock, i, &tail);
	}
	if (iova > run.iova) {
		run.last = iova - 1;
		insert_run(mock, i, &run);
	}
}

static void record_unmap(struct mock_format *mock, u64 iova, u64 bytes)
{
	u64 last = iova + bytes - 1;

	while (true) {
		unsigned int i = find_run(mock, iova);
		u64 end;

		if (i == mock->nr_runs || mock->runs[i].iova > iova) {
			violate(mock, "unmap of something that is not mapped");
			return;
		}
		end = min(last, mock->runs[i].last);
		cut_run(mock, i, iova, end);
		if (end == last)
			return;
		iova = end + 1;
	}
}

u64 mock_mapped(struct mock_format *mock)
{
	unsigned long flags;
	unsigned int i;
	u64 bytes = 0;

	spin_lock_irqsave(&mock->lock, flags);
	for (i = 0; i < mock->nr_runs; i++)
		bytes += mock->runs[i].last - mock->runs[i].iova + 1;
	spin_unlock_irqrestore(&mock->lock, flags);
	return bytes;
}

int mock_prot(struct mock_format *mock, u64 iova)
{
	unsigned long flags;
	unsigned int i;
	int prot = 0;

	spin_lock_irqsave(&mock->lock, flags);
	i = find_run(mock, iova);
	if (i < mock->nr_runs && mock->runs[i].iova <= iova)
		prot = mock->runs[i].prot;
	spin_unlock_irqrestore(&mock->lock, flags);
	return prot;
}

/* --- the rules for callers ------------------------------------------------ */

static bool in_space(const struct io_pgtable_cfg *cfg, u64 iova)
{
	u64 high = iova & ~GENMASK_ULL(cfg->ias - 1, 0);

	if (cfg->quirks & IO_PGTABLE_QUIRK_ARM_TTBR1)
		return high == ~GENMASK_ULL(cfg->ias - 1, 0);
	return !high;
}

static const char *broken_rule(struct mock_format *mock,
			       const struct mock_call *call)
{
	const struct io_pgtable_cfg *cfg = &mock->iop.cfg;
	u64 mask = (u64)call->pgsize - 1, bytes;

	if (!is_power_of_2(call->pgsize) || !(call->pgsize & cfg->pgsize_bitmap))
		return "a page size that was not granted";
	if (!call->pgcount || call->pgcount > INT_MAX ||
	    check_mul_overflow((u64)call->pgsize, (u64)call->pgcount, &bytes))
		return "a bad page count";
	if ((call->iova | call->paddr) & mask)
		return "a misaligned address";
	if (call->iova + bytes - 1 < call->iova ||
	    !in_space(cfg, call->iova) || !in_space(cfg, call->iova + bytes - 1))
		return "an iova outside of the address space";
	if (call->paddr + bytes - 1 > GENMASK_ULL(cfg->oas - 1, 0))
		return "a physical address outside of the address space";
	if (call->op == MOCK_MAP && !(call->prot & (IOMMU_READ | IOMMU_WRITE)))
		return "a map that allows no access";
	return NULL;
}

/* --- the ops -------------------------------------------------------------- */

static bool take_outcome(struct mock_script *script,
			 struct mock_outcome *outcome)
{
	if (script->next == script->end)
		return false;
	*outcome = script->outcomes[script->next++];
	return true;
}

/* Bytes to really map or unmap when @bytes are to be reported. */
static u64 sane_bytes(const struct mock_call *call, u64 bytes)
{
	bytes = min(bytes, (u64)call->pgsize * call->pgcount);
	return bytes & ~((u64)call->pgsize - 1);
}

/* Returns false if the call broke a rule, which the mock survives. */
static bool run_call(struct mock_format *mock, struct mock_call *call,
		     struct mock_script *script)
{
	struct mock_outcome outcome = {
		.bytes = call->pgsize * call->pgcount,
	};
	const char *rule;
	u64 bytes;

	rule = broken_rule(mock, call);
	if (rule) {
		violate(mock, rule);
		return false;
	}
	if (!take_outcome(script, &outcome) && call->op == MOCK_MAP &&
	    mock->max_pages && call->pgcount > mock->max_pages)
		outcome.bytes = mock->max_pages * call->pgsize;

	call->reported = outcome.bytes;
	call->err = outcome.err;
	bytes = sane_bytes(call, outcome.bytes);
	if (bytes && call->op == MOCK_MAP)
		record_map(mock, call, bytes);
	else if (bytes)
		record_unmap(mock, call->iova, bytes);
	return true;
}

static bool do_call(struct mock_format *mock, struct mock_call *call,
		    struct mock_script *script)
{
	unsigned long flags;
	bool sane;

	if (mock->during)
		mock->during(mock, call);

	spin_lock_irqsave(&mock->lock, flags);
	sane = run_call(mock, call, script);
	if (mock->nr_calls < MOCK_CALLS)
		mock->calls[mock->nr_calls] = *call;
	mock->nr_calls++;
	spin_unlock_irqrestore(&mock->lock, flags);
	return sane;
}

static int mock_map_pages(struct io_pgtable_ops *ops, unsigned long iova,
			  phys_addr_t paddr, size_t pgsize, size_t pgcount,
			  int prot, gfp_t gfp, size_t *mapped)
{
	struct mock_format *mock = mock_from_ops(ops);
	struct mock_call call = {
		.op = MOCK_MAP, .iova = iova, .paddr = paddr,
		.pgsize = pgsize, .pgcount = pgcount, .prot = prot, .gfp = gfp,
	};

	if (!do_call(mock, &call, &mock->maps))
		return -EINVAL;
	/* As the formats do: added, not set. */
	*mapped += call.reported;
	return call.err;
}

static size_t mock_unmap_pages(struct io_pgtable_ops *ops, unsigned long iova,
			       size_t pgsize, size_t pgcount,
			       struct iommu_iotlb_gather *gather)
{
	struct mock_format *mock = mock_from_ops(ops);
	struct mock_call call = {
		.op = MOCK_UNMAP, .iova = iova,
		.pgsize = pgsize, .pgcount = pgcount,
		.queued = gather && iommu_iotlb_gather_queued(gather),
	};

	if (!do_call(mock, &call, &mock->unmaps))
		return 0;
	return call.reported;
}

static phys_addr_t mock_iova_to_phys(struct io_pgtable_ops *ops,
				     unsigned long iova)
{
	struct mock_format *mock = mock_from_ops(ops);
	phys_addr_t paddr = 0;
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&mock->lock, flags);
	i = find_run(mock, iova);
	if (i < mock->nr_runs && mock->runs[i].iova <= iova)
		paddr = mock->runs[i].paddr + (iova - mock->runs[i].iova) +
			mock->wrong_by;
	spin_unlock_irqrestore(&mock->lock, flags);
	return paddr;
}

/* --- for the tests -------------------------------------------------------- */

static const struct mock_config default_config = {
	/* Its permissions are independent of each other, unlike stage 1's. */
	.fmt = ARM_MALI_LPAE,
	.pgsizes = SZ_4K | SZ_2M | SZ_1G,
	.ias = 48,
	.oas = 48,
	.tlb = &pgt_flush_ops,
};

struct mock_format *make_mock(struct kunit *test,
			      const struct mock_config *config)
{
	struct mock_format *mock = kunit_kzalloc(test, sizeof(*mock), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mock);
	if (!config)
		config = &default_config;
	spin_lock_init(&mock->lock);
	mock->iop.fmt = config->fmt;
	mock->iop.cookie = pgt_fixture(test);
	mock->iop.cfg = (struct io_pgtable_cfg){
		.quirks = config->quirks,
		.pgsize_bitmap = config->pgsizes,
		.ias = config->ias,
		.oas = config->oas,
		.coherent_walk = true,
		.tlb = config->tlb,
	};
	mock->iop.ops.map_pages = mock_map_pages;
	mock->iop.ops.unmap_pages = mock_unmap_pages;
	mock->iop.ops.iova_to_phys = mock_iova_to_phys;
	return mock;
}

struct mock_format *open_mock(struct kunit *test,
			      const struct mock_config *config)
{
	struct mock_format *mock = make_mock(test, config);

	pgt_fixture(test)->mock = mock;
	pgt_adopt(test, io_pgtable_safe_wrap(&mock->iop.ops, mock_release));
	return mock;
}

void mock_release(struct io_pgtable_ops *ops)
{
	mock_from_ops(ops)->released++;
}

static void append(struct mock_format *mock, struct mock_script *script,
		   size_t bytes, int err)
{
	unsigned long flags;

	spin_lock_irqsave(&mock->lock, flags);
	if (script->end == ARRAY_SIZE(script->outcomes))
		violate(mock, "the script is too long");
	else
		script->outcomes[script->end++] =
			(struct mock_outcome){ .bytes = bytes, .err = err };
	spin_unlock_irqrestore(&mock->lock, flags);
}

void mock_next_map(struct mock_format *mock, size_t bytes, int err)
{
	append(mock, &mock->maps, bytes, err);
}

void mock_next_unmap(struct mock_format *mock, size_t bytes)
{
	append(mock, &mock->unmaps, bytes, 0);
}

unsigned int mock_count_calls(struct mock_format *mock, enum mock_op op)
{
	unsigned int i, n = 0;

	for (i = 0; i < min_t(unsigned int, mock->nr_calls, MOCK_CALLS); i++)
		n += mock->calls[i].op == op;
	return n;
}

void mock_nap_sometimes(struct mock_format *mock, const struct mock_call *call)
{
	static atomic_t calls;

	if (atomic_inc_return(&calls) % 8 == 0)
		schedule_timeout_uninterruptible(1);
}

void mock_check(struct kunit *test)
{
	struct mock_format *mock = pgt_fixture(test)->mock;

	KUNIT_EXPECT_EQ_MSG(test, mock->violations, 0U, "%s",
			    mock->violation ?: "");
	KUNIT_EXPECT_EQ_MSG(test, mock->maps.next, mock->maps.end,
			    "scripted maps did not happen");
	KUNIT_EXPECT_EQ_MSG(test, mock->unmaps.next, mock->unmaps.end,
			    "scripted unmaps did not happen");
}

void mock_close(struct kunit *test)
{
	mock_check(test);
	KUNIT_EXPECT_EQ(test, pgt_fixture(test)->mock->released, 1U);
	pgt_fixture(test)->mock = NULL;
}
