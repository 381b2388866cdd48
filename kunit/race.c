// SPDX-License-Identifier: GPL-2.0
/*
 * Several threads on one table. Not every kernel that runs the suites has more
 * than one CPU or preemption, so the mock stops inside the backend: there, a
 * call has claimed its range and nothing is locked. What others may do at that
 * moment is tested deterministically; then many threads race, and on the mock
 * they sleep inside the backend now and then, so that their claims overlap on
 * any kernel.
 */
#include <linux/gfp.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "helpers.h"
#include "mock_format.h"

#ifndef KUNIT_CASE_SLOW
#define KUNIT_CASE_SLOW(test_name) KUNIT_CASE(test_name)
#endif

PGT_FORMATS_PARAM();

#define PAGE SZ_4K

/* --- threads -------------------------------------------------------------- */

/**
 * struct racer - A thread that does something with the fixture's table.
 * @fix: The fixture.
 * @fn: What it does. Expectations are for the case itself to check.
 * @id: Number of the thread, from 0.
 * @thread: The thread.
 * @map: Result of a map.
 * @unmap: Result of an unmap.
 * @data: For @fn.
 */
struct racer {
	struct pgt_test *fix;
	void (*fn)(struct racer *r);
	unsigned int id;
	struct pgt_thread thread;
	struct io_pgtable_safe_map_result map;
	struct io_pgtable_safe_unmap_result unmap;
	void *data;
};

static void run_racer(struct pgt_thread *t)
{
	struct racer *r = container_of(t, struct racer, thread);

	r->fn(r);
}

static void start_racer(struct kunit *test, struct racer *r,
			void (*fn)(struct racer *r), struct completion *start)
{
	r->fix = pgt_fixture(test);
	r->fn = fn;
	start_pgt_thread(test, &r->thread, run_racer, start);
}

/* --- one thread inside the backend ---------------------------------------- */

/**
 * struct gate - Where a thread waits inside the backend.
 * @op: At a call of this kind.
 * @skip: How many of them to let pass.
 * @closed: It still has to.
 * @inside: It is there.
 * @open: It may go on.
 */
static struct gate {
	enum mock_op op;
	unsigned int skip;
	bool closed;
	struct completion inside;
	struct completion open;
} gate;

static void wait_at_gate(struct mock_format *mock, const struct mock_call *call)
{
	if (!gate.closed || call->op != gate.op)
		return;
	if (gate.skip) {
		gate.skip--;
		return;
	}
	gate.closed = false;
	complete(&gate.inside);
	wait_for_completion(&gate.open);
}

/* The range that the first thread works on, and what lies around it. */
#define RANGE	(4ULL * SZ_2M)
#define SIZE	(4ULL * PAGE)
#define BEHIND	(RANGE + SIZE)

static struct mock_format *open_gate(struct kunit *test, enum mock_op op)
{
	struct mock_format *mock = open_mock(test, NULL);

	do_map(test, BEHIND, SZ_1G, PAGE);
	gate.op = op;
	gate.skip = 0;
	gate.closed = true;
	init_completion(&gate.inside);
	init_completion(&gate.open);
	mock->during = wait_at_gate;
	return mock;
}

static void enter_backend(struct kunit *test, struct racer *r,
			  void (*fn)(struct racer *r))
{
	start_racer(test, r, fn, NULL);
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&gate.inside, PATIENCE), 0);
}

static void leave_backend(struct kunit *test, struct racer *r)
{
	complete(&gate.open);
	join_pgt_thread(test, &r->thread);
}

static void map_range(struct racer *r)
{
	r->map = io_pgtable_safe_map(r->fix->pgt, RANGE, 0, SIZE, PGT_PROT, GFP_KERNEL);
}

static void map_range_once(struct racer *r)
{
	r->map = io_pgtable_safe_map_pages(r->fix->pgt, RANGE, 0, PAGE, SIZE / PAGE,
					   PGT_PROT, GFP_KERNEL);
}

/* A block and a page: two calls of the backend. */
static void map_block_and_page(struct racer *r)
{
	r->map = io_pgtable_safe_map(r->fix->pgt, RANGE - SZ_2M, 0, SZ_2M + PAGE,
				     PGT_PROT, GFP_KERNEL);
}

static void unmap_range(struct racer *r)
{
	r->unmap = io_pgtable_safe_unmap(r->fix->pgt, RANGE, SIZE, 0);
}

static void unmap_present_range(struct racer *r)
{
	r->unmap = io_pgtable_safe_unmap_present(r->fix->pgt, RANGE - PAGE, SIZE + PAGE,
						 0);
}

static void busy_to_map(struct kunit *test, u64 iova, u64 size)
{
	struct io_pgtable_safe *pgt = pgt_fixture(test)->pgt;
	struct io_pgtable_safe_map_result res;

	res = io_pgtable_safe_map(pgt, iova, 0, size, PGT_PROT, GFP_KERNEL);
	check_map_result(test, res, 0, -EBUSY);
	res = io_pgtable_safe_try_map_pages(pgt, iova, 0, PAGE, size / PAGE, PGT_PROT,
					    GFP_KERNEL);
	check_map_result(test, res, 0, -EBUSY);
}

static void busy_to_unmap(struct kunit *test, u64 iova, u64 size)
{
	struct io_pgtable_safe *pgt = pgt_fixture(test)->pgt;
	struct io_pgtable_safe_span span;

	check_unmap_result(test, io_pgtable_safe_unmap(pgt, iova, size, 0), 0, -EBUSY);
	check_unmap_result(test, io_pgtable_safe_unmap_pages(pgt, iova, PAGE, size / PAGE,
							     0), 0, -EBUSY);
	check_unmap_result(test, io_pgtable_safe_unmap_present(pgt, iova, size, 0), 0,
			   -EBUSY);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_leaf_span(pgt, iova, size, &span), -EBUSY);
}

/* However a range overlaps with the claimed one, it is refused at once. */
static void check_others_are_kept_out(struct kunit *test)
{
	struct io_pgtable_safe *pgt = pgt_fixture(test)->pgt;
	static const struct {
		u64 iova;
		u64 size;
	} overlaps[] = {
		{ RANGE, SIZE }, { RANGE, PAGE }, { RANGE + PAGE, PAGE },
		{ BEHIND - PAGE, PAGE }, { RANGE - PAGE, 2 * PAGE },
		{ RANGE, SZ_2M }, { RANGE - SZ_2M, 3ULL * SZ_2M }, { 0, SZ_1G },
	};
	struct io_pgtable_safe_span span;
	unsigned int i;
	u64 off;

	for (i = 0; i < ARRAY_SIZE(overlaps); i++) {
		busy_to_map(test, overlaps[i].iova, overlaps[i].size);
		busy_to_unmap(test, overlaps[i].iova, overlaps[i].size);
	}
	for (off = 0; off < SIZE; off += PAGE)
		KUNIT_EXPECT_EQ(test, io_pgtable_safe_lookup(pgt, RANGE + off, &span),
				-EBUSY);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, RANGE, SIZE), 0);
}

/* Right next to it, and far away, everything goes on. */
static void check_neighbours_can_work(struct kunit *test)
{
	check_range(test, BEHIND, SZ_1G, PAGE);
	do_unmap(test, BEHIND, PAGE);
	check_hole(test, BEHIND, PAGE);
	do_map(test, BEHIND, SZ_1G, PAGE);
	do_map(test, SZ_1G, 0, SZ_2M);
	do_unmap(test, SZ_1G, SZ_2M);
	do_map(test, RANGE - SZ_4M, 0, SZ_2M);
	do_unmap_present(test, 0, RANGE - SZ_2M, SZ_2M);
}

/* The first mapped range from 0 on begins here. */
static void check_next(struct kunit *test, u64 iova)
{
	struct io_pgtable_safe_span span = {};

	KUNIT_EXPECT_EQ(test, io_pgtable_safe_next(pgt_fixture(test)->pgt, 0, &span), 0);
	KUNIT_EXPECT_EQ(test, span.iova, iova);
}

static void a_range_being_mapped_is_nobody_elses(struct kunit *test)
{
	struct racer a = {};

	open_gate(test, MOCK_MAP);
	enter_backend(test, &a, map_range);
	check_others_are_kept_out(test);
	check_neighbours_can_work(test);
	check_next(test, BEHIND);
	check_mapped(test, PAGE);
	leave_backend(test, &a);

	check_map_result(test, a.map, SIZE, 0);
	check_range(test, RANGE, 0, SIZE);
	check_range(test, BEHIND, SZ_1G, PAGE);
	check_mapped(test, SIZE + PAGE);
}

/* Not even what is mapped already, while the rest is still to come. */
static void a_map_of_many_calls_does_not_show_before_its_end(struct kunit *test)
{
	struct racer a = {};

	open_gate(test, MOCK_MAP);
	gate.skip = 1;
	enter_backend(test, &a, map_block_and_page);
	KUNIT_EXPECT_EQ(test, mock_mapped(pgt_fixture(test)->mock), SZ_2M + PAGE);
	check_next(test, BEHIND);
	check_mapped(test, PAGE);
	leave_backend(test, &a);
	check_map_result(test, a.map, SZ_2M + PAGE, 0);
	check_next(test, RANGE - SZ_2M);
	check_mapped(test, SZ_2M + 2 * PAGE);
}

static void a_range_being_unmapped_is_nobody_elses(struct kunit *test)
{
	struct racer a = {};

	open_gate(test, MOCK_UNMAP);
	do_map(test, RANGE, 0, SIZE);
	enter_backend(test, &a, unmap_range);
	check_others_are_kept_out(test);
	check_next(test, BEHIND);
	check_mapped(test, PAGE);
	check_neighbours_can_work(test);
	leave_backend(test, &a);

	check_unmap_result(test, a.unmap, SIZE, 0);
	check_hole(test, RANGE, SIZE);
	check_range(test, BEHIND, SZ_1G, PAGE);
	check_mapped(test, PAGE);
}

/* Its holes are claimed as well. */
static void a_range_being_emptied_is_nobody_elses(struct kunit *test)
{
	struct racer a = {};

	open_gate(test, MOCK_UNMAP);
	do_map(test, RANGE + PAGE, 0, PAGE);
	enter_backend(test, &a, unmap_present_range);
	check_others_are_kept_out(test);
	check_neighbours_can_work(test);
	leave_backend(test, &a);

	check_unmap_result(test, a.unmap, PAGE, 0);
	check_mapped(test, PAGE);
	do_map(test, RANGE, 0, SIZE);
}

static void a_range_being_cleaned_up_is_nobody_elses(struct kunit *test)
{
	struct mock_format *mock = open_gate(test, MOCK_UNMAP);
	struct racer a = {};

	mock_next_map(mock, 2 * PAGE, -ENOMEM);
	enter_backend(test, &a, map_range_once);
	check_others_are_kept_out(test);
	check_neighbours_can_work(test);
	check_next(test, BEHIND);
	check_mapped(test, PAGE);
	leave_backend(test, &a);

	check_map_result(test, a.map, 0, -ENOMEM);
	check_hole(test, RANGE, SIZE);
	check_mapped(test, PAGE);
	do_map(test, RANGE, 0, SIZE);
}

/* Whether the table has been found broken in the meantime. */
static void a_table_that_breaks_meanwhile_is_broken_for_all(struct kunit *test)
{
	struct mock_format *mock = open_gate(test, MOCK_UNMAP);
	struct io_pgtable_safe_span span;
	struct racer a = {};

	do_map(test, RANGE, 0, SIZE);
	mock_next_unmap(mock, 0);
	enter_backend(test, &a, unmap_range);
	check_range(test, BEHIND, SZ_1G, PAGE);
	leave_backend(test, &a);
	check_unmap_result(test, a.unmap, 0, -EIO);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_lookup(pgt_fixture(test)->pgt, BEHIND,
						     &span), -EIO);
	check_mapped(test, SIZE + PAGE);
}

/* --- many threads inside the backend -------------------------------------- */

#define RACERS 6

/**
 * struct crowd - Threads that all wait inside the backend until all are there.
 * @missing: How many are not yet there.
 * @all: All are there.
 */
static struct crowd {
	atomic_t missing;
	struct completion all;
} crowd;

static void wait_for_crowd(struct mock_format *mock, const struct mock_call *call)
{
	if (atomic_read(&crowd.missing) <= 0)
		return;
	if (atomic_dec_and_test(&crowd.missing))
		complete_all(&crowd.all);
	else
		wait_for_completion_timeout(&crowd.all, PATIENCE);
}

static void gather_crowd(void)
{
	atomic_set(&crowd.missing, RACERS);
	init_completion(&crowd.all);
}

/* All in the same 2M, so that they share nodes of the ledger. */
static u64 lane(const struct racer *r)
{
	return SZ_2M + r->id * 2 * PAGE;
}

static void map_lane(struct racer *r)
{
	r->map = io_pgtable_safe_map(r->fix->pgt, lane(r), r->id * SZ_2M, 2 * PAGE,
				     PGT_PROT, GFP_KERNEL);
}

static void unmap_lane(struct racer *r)
{
	r->unmap = io_pgtable_safe_unmap(r->fix->pgt, lane(r), 2 * PAGE, 0);
}

static void run_crowd(struct kunit *test, struct racer *racers,
		      void (*fn)(struct racer *r))
{
	unsigned int i;

	gather_crowd();
	for (i = 0; i < RACERS; i++)
		start_racer(test, &racers[i], fn, NULL);
	for (i = 0; i < RACERS; i++)
		join_pgt_thread(test, &racers[i].thread);
	/* Nobody had to wait for anybody to leave. */
	KUNIT_EXPECT_EQ(test, atomic_read(&crowd.missing), 0);
}

static void neighbours_work_side_by_side(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	struct racer racers[RACERS] = {};
	unsigned int i;

	mock->during = wait_for_crowd;
	for (i = 0; i < RACERS; i++)
		racers[i].id = i;

	run_crowd(test, racers, map_lane);
	for (i = 0; i < RACERS; i++) {
		check_map_result(test, racers[i].map, 2 * PAGE, 0);
		check_range(test, lane(&racers[i]), i * SZ_2M, 2 * PAGE);
	}
	check_mapped(test, RACERS * 2 * PAGE);

	run_crowd(test, racers, unmap_lane);
	for (i = 0; i < RACERS; i++)
		check_unmap_result(test, racers[i].unmap, 2 * PAGE, 0);
	check_hole(test, SZ_2M, SZ_2M);
	check_mapped(test, 0);
}

static struct kunit_case gate_cases[] = {
	KUNIT_CASE(a_range_being_mapped_is_nobody_elses),
	KUNIT_CASE(a_map_of_many_calls_does_not_show_before_its_end),
	KUNIT_CASE(a_range_being_unmapped_is_nobody_elses),
	KUNIT_CASE(a_range_being_emptied_is_nobody_elses),
	KUNIT_CASE(a_range_being_cleaned_up_is_nobody_elses),
	KUNIT_CASE(a_table_that_breaks_meanwhile_is_broken_for_all),
	KUNIT_CASE(neighbours_work_side_by_side),
	{}
};

static struct kunit_suite gate_suite = {
	.name = "io_pgtable_safe_race_gate",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = gate_cases,
};

/* --- one range, many mappers ---------------------------------------------- */

static void nap(struct mock_format *mock, const struct mock_call *call)
{
	schedule_timeout_uninterruptible(1);
}

static void map_same(struct racer *r)
{
	/* Each has memory of its own, so that it shows who won. */
	u64 size = 8 * r->fix->granule, paddr = (r->id + 1) * size;

	r->map = io_pgtable_safe_map(r->fix->pgt, r->fix->base, paddr, size, PGT_PROT,
				     GFP_KERNEL);
}

static void race_for_one_range(struct kunit *test)
{
	struct racer racers[RACERS] = {}, *winner = NULL;
	u64 size = 8 * pgt_fixture(test)->granule;
	struct completion start;
	unsigned int i;

	init_completion(&start);
	for (i = 0; i < RACERS; i++) {
		racers[i].id = i;
		start_racer(test, &racers[i], map_same, &start);
	}
	complete_all(&start);
	for (i = 0; i < RACERS; i++)
		join_pgt_thread(test, &racers[i].thread);

	for (i = 0; i < RACERS; i++) {
		if (!racers[i].map.err) {
			KUNIT_EXPECT_NULL_MSG(test, winner, "two winners");
			KUNIT_EXPECT_EQ(test, racers[i].map.mapped, size);
			winner = &racers[i];
			continue;
		}
		KUNIT_EXPECT_EQ(test, racers[i].map.mapped, 0);
		KUNIT_EXPECT_TRUE(test, racers[i].map.err == -EBUSY ||
				  racers[i].map.err == -EEXIST);
	}
	KUNIT_ASSERT_NOT_NULL(test, winner);
	check_range(test, at(test, 0), (winner->id + 1) * size, size);
	check_mapped(test, size);
	do_unmap(test, at(test, 0), size);
}

static void exactly_one_of_many_mappers_wins(struct kunit *test)
{
	unsigned int round;

	for (round = 0; round < 10; round++)
		race_for_one_range(test);
}

static void exactly_one_wins_while_all_sleep_inside(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	unsigned int round;

	mock->during = nap;
	for (round = 0; round < 5; round++)
		race_for_one_range(test);
}

/* --- calls that are refused ----------------------------------------------- */

#define LONG_RANGE	SZ_64M

/* Pages in many nodes, and a hole behind them */
static void unmap_too_much(struct racer *r)
{
	unsigned int i;

	for (i = 0; i < 1000 && r->unmap.err == -ENOENT; i++)
		r->unmap = io_pgtable_safe_unmap(r->fix->pgt, 0, LONG_RANGE + PAGE, 0);
	WRITE_ONCE(*(bool *)r->data, true);
}

/* A second CPU may see what it does meanwhile */
static void a_refused_call_gets_in_nobodys_way(struct kunit *test)
{
	struct racer r = { .unmap.err = -ENOENT };
	struct io_pgtable_safe_span span;
	unsigned int wrong = 0;
	bool over = false;

	open_format(test, PGT_LPAE_4K);
	do_map(test, 0, PAGE, LONG_RANGE);
	r.data = &over;
	start_racer(test, &r, unmap_too_much, NULL);
	while (!READ_ONCE(over)) {
		if (io_pgtable_safe_lookup(pgt_fixture(test)->pgt, PAGE, &span))
			wrong++;
		cond_resched();
	}
	join_pgt_thread(test, &r.thread);
	KUNIT_EXPECT_EQ(test, wrong, 0U);
	KUNIT_EXPECT_EQ(test, r.unmap.err, -ENOENT);
	do_unmap(test, 0, LONG_RANGE);
}

/* --- storms --------------------------------------------------------------- */

/*
 * Each thread has as many pages of its own; as many more belong to nobody. The
 * mock can keep a record of them all.
 */
#define LANE_PAGES 32

/**
 * struct storm - Threads that map, unmap and look up as fast as they can.
 * @start: All threads are there.
 * @owner: Who has mapped each of the pages that belong to nobody: id + 1.
 * @busy: Calls refused with -EBUSY.
 * @wrong: What first went wrong, for the case to report.
 * @rounds: Operations of each thread.
 */
static struct storm {
	struct completion start;
	atomic_t owner[LANE_PAGES];
	atomic_t busy;
	const char *wrong;
	unsigned int rounds;
} storm;

/**
 * struct rider - One thread of a storm.
 * @racer: The thread.
 * @rnd: Its random numbers.
 * @own: Pages mapped in its own lane: number of the memory, or 0.
 * @won: Pages won in the common lane.
 */
struct rider {
	struct racer racer;
	struct rnd_state rnd;
	u16 own[LANE_PAGES];
	bool won[LANE_PAGES];
};

static u32 rnd(struct rider *rider, u32 below)
{
	return (u64)prandom_u32_state(&rider->rnd) * below >> 32;
}

static void check_storm(bool right, const char *what)
{
	if (!right && !READ_ONCE(storm.wrong))
		WRITE_ONCE(storm.wrong, what);
}

static void count_busy(int err)
{
	if (err == -EBUSY)
		atomic_inc(&storm.busy);
}

/* Lane 0 is the common one. */
static u64 lane_iova(struct pgt_test *fix, unsigned int lane, unsigned int page)
{
	return fix->base + (lane * LANE_PAGES + page) * fix->granule;
}

/* Never 0; tells the page, and in the common lane the owner too. */
static u64 lane_paddr(struct pgt_test *fix, unsigned int memory, unsigned int page)
{
	return (memory * LANE_PAGES + page) * fix->granule;
}

static void own_map(struct rider *rider, unsigned int first, unsigned int n)
{
	unsigned int memory = 1 + rnd(rider, 8), lane = rider->racer.id + 1, i;
	struct pgt_test *fix = rider->racer.fix;
	struct io_pgtable_safe_map_result res;
	bool free = true;

	for (i = first; i < first + n; i++)
		free &= !rider->own[i];
	res = io_pgtable_safe_map(fix->pgt, lane_iova(fix, lane, first),
				  lane_paddr(fix, memory, first), n * fix->granule,
				  PGT_PROT, rnd(rider, 2) ? GFP_KERNEL : GFP_ATOMIC);
	check_storm(res.err == (free ? 0 : -EEXIST), "map in a lane of one's own");
	check_storm(res.mapped == (free ? n * fix->granule : 0), "mapped in a lane");
	for (i = first; free && i < first + n; i++)
		rider->own[i] = memory;
}

static void own_unmap(struct rider *rider, unsigned int first, unsigned int n)
{
	u64 iova = lane_iova(rider->racer.fix, rider->racer.id + 1, first);
	struct pgt_test *fix = rider->racer.fix;
	struct io_pgtable_safe_unmap_result res;
	unsigned int i, mapped = 0;

	for (i = first; i < first + n; i++)
		mapped += !!rider->own[i];
	if (rnd(rider, 2)) {
		res = io_pgtable_safe_unmap(fix->pgt, iova, n * fix->granule, 0);
		check_storm(res.err == (mapped == n ? 0 : -ENOENT), "unmap in a lane");
		if (res.err)
			return;
	} else {
		res = io_pgtable_safe_unmap_present(fix->pgt, iova, n * fix->granule, 0);
		check_storm(!res.err, "unmap_present in a lane");
	}
	check_storm(res.unmapped == mapped * fix->granule, "unmapped in a lane");
	memset(&rider->own[first], 0, n * sizeof(rider->own[0]));
}

static void own_lookup(struct rider *rider, unsigned int page)
{
	struct pgt_test *fix = rider->racer.fix;
	struct io_pgtable_safe_span span = {};
	int err;

	err = io_pgtable_safe_lookup(fix->pgt,
				     lane_iova(fix, rider->racer.id + 1, page), &span);
	if (rider->own[page])
		check_storm(!err && span.paddr == lane_paddr(fix, rider->own[page], page),
			    "lookup in a lane");
	else
		check_storm(err == -ENOENT, "lookup of a hole in a lane");
}

static void common_map(struct rider *rider, unsigned int first, unsigned int n)
{
	unsigned int memory = rider->racer.id + 1, i;
	struct pgt_test *fix = rider->racer.fix;
	struct io_pgtable_safe_map_result res;

	res = io_pgtable_safe_map(fix->pgt, lane_iova(fix, 0, first),
				  lane_paddr(fix, memory, first), n * fix->granule,
				  PGT_PROT, GFP_KERNEL);
	count_busy(res.err);
	check_storm(!res.err || res.err == -EBUSY || res.err == -EEXIST, "map for all");
	check_storm(res.mapped == (res.err ? 0 : n * fix->granule), "mapped for all");
	for (i = first; !res.err && i < first + n; i++) {
		check_storm(!atomic_xchg(&storm.owner[i], memory), "two have won");
		rider->won[i] = true;
	}
}

static void common_unmap(struct rider *rider, unsigned int page)
{
	struct pgt_test *fix = rider->racer.fix;
	struct io_pgtable_safe_unmap_result res;

	if (!rider->won[page])
		return;
	/* Before it is gone: from then on it may belong to somebody else. */
	check_storm(atomic_xchg(&storm.owner[page], 0) == rider->racer.id + 1,
		    "somebody took what was won");
	rider->won[page] = false;
	res = io_pgtable_safe_unmap(fix->pgt, lane_iova(fix, 0, page), fix->granule, 0);
	check_storm(!res.err && res.unmapped == fix->granule, "unmap of what was won");
}

static void common_lookup(struct rider *rider, unsigned int page)
{
	struct pgt_test *fix = rider->racer.fix;
	struct io_pgtable_safe_span span = {};
	unsigned int memory;
	int err;

	err = io_pgtable_safe_lookup(fix->pgt, lane_iova(fix, 0, page), &span);
	count_busy(err);
	for (memory = 1; !err && memory <= RACERS; memory++)
		if (span.paddr == lane_paddr(fix, memory, page))
			break;
	check_storm(!err || err == -EBUSY || err == -ENOENT, "lookup for all");
	check_storm(err || memory <= RACERS, "lookup gives what nobody mapped");
	if (rider->won[page])
		check_storm(!err && memory == rider->racer.id + 1, "lookup of what was won");
}

static void ride(struct racer *r)
{
	struct rider *rider = container_of(r, struct rider, racer);
	unsigned int i, first, n;

	for (i = 0; i < storm.rounds && !READ_ONCE(storm.wrong); i++) {
		first = rnd(rider, LANE_PAGES);
		n = 1 + rnd(rider, min(LANE_PAGES - first, 12U));
		switch (rnd(rider, 8)) {
		case 0:
			own_map(rider, first, n);
			break;
		case 1:
			own_unmap(rider, first, n);
			break;
		case 2:
			own_lookup(rider, first);
			break;
		case 3:
		case 4:
			common_map(rider, first, n);
			break;
		case 5:
			common_unmap(rider, first);
			break;
		case 6:
			common_lookup(rider, first);
			break;
		default:
			cond_resched();
		}
	}
}

/* What the threads believe they have mapped is what is mapped. */
static u64 check_lane(struct kunit *test, struct rider *rider)
{
	struct pgt_test *fix = pgt_fixture(test);
	unsigned int i, lane = rider->racer.id + 1;
	u64 pages = 0;

	for (i = 0; i < LANE_PAGES; i++) {
		if (rider->own[i])
			check_range(test, lane_iova(fix, lane, i),
				    lane_paddr(fix, rider->own[i], i), fix->granule);
		else
			check_hole(test, lane_iova(fix, lane, i), fix->granule);
		if (rider->won[i])
			check_range(test, lane_iova(fix, 0, i),
				    lane_paddr(fix, lane, i), fix->granule);
		else if (!atomic_read(&storm.owner[i]))
			check_hole(test, lane_iova(fix, 0, i), fix->granule);
		pages += !!rider->own[i] + rider->won[i];
	}
	return pages * fix->granule;
}

static struct rider *start_storm(struct kunit *test, unsigned int rounds)
{
	unsigned int seed = pgt_random_seed(test), i;
	struct rider *riders;

	riders = kunit_kcalloc(test, RACERS, sizeof(*riders), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, riders);
	memset(&storm, 0, sizeof(storm));
	init_completion(&storm.start);
	storm.rounds = rounds;
	for (i = 0; i < RACERS; i++) {
		prandom_seed_state(&riders[i].rnd, seed + i);
		riders[i].racer.id = i;
		start_racer(test, &riders[i].racer, ride, &storm.start);
	}
	complete_all(&storm.start);
	return riders;
}

static void weather_storm(struct kunit *test, unsigned int rounds)
{
	struct rider *riders = start_storm(test, rounds);
	struct pgt_test *fix = pgt_fixture(test);
	u64 mapped = 0, all;
	unsigned int i;

	for (i = 0; i < RACERS; i++)
		join_pgt_thread(test, &riders[i].racer.thread);
	KUNIT_EXPECT_NULL_MSG(test, storm.wrong, "%s", storm.wrong ?: "");
	kunit_info(test, "-EBUSY %d times\n", atomic_read(&storm.busy));

	for (i = 0; i < RACERS; i++)
		mapped += check_lane(test, &riders[i]);
	check_mapped(test, mapped);
	all = (RACERS + 1) * LANE_PAGES * fix->granule;
	do_unmap_present(test, at(test, 0), all, mapped);
	check_hole(test, at(test, 0), all);
	check_mapped(test, 0);
}

static void storm_on_this_format(struct kunit *test)
{
	weather_storm(test, 400);
}

/* On the mock, atomic callers do not really mean it. */
static void storm_with_naps_inside(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock->during = mock_nap_sometimes;
	weather_storm(test, 300);
	/* They did meet. */
	KUNIT_EXPECT_GT(test, atomic_read(&storm.busy), 0);
	KUNIT_EXPECT_EQ(test, mock_mapped(mock), 0);
}

static void long_storm(struct kunit *test)
{
	open_format(test, PGT_LPAE_4K);
	weather_storm(test, 20000);
}

static struct kunit_case format_cases[] = {
	KUNIT_CASE_PARAM(exactly_one_of_many_mappers_wins, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(storm_on_this_format, pgt_formats_gen_params),
	{}
};

static struct kunit_suite format_suite = {
	.name = "io_pgtable_safe_race_formats",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = format_cases,
};

static struct kunit_case storm_cases[] = {
	KUNIT_CASE(exactly_one_wins_while_all_sleep_inside),
	KUNIT_CASE(storm_with_naps_inside),
	KUNIT_CASE_SLOW(long_storm),
	KUNIT_CASE(a_refused_call_gets_in_nobodys_way),
	{}
};

static struct kunit_suite storm_suite = {
	.name = "io_pgtable_safe_race_storms",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = storm_cases,
};

/* --- where nothing may sleep ---------------------------------------------- */

/**
 * struct answers - What the calls made with a lock held returned.
 * @map: Of a map that needs tables.
 * @lookup: Error of a lookup.
 * @span: Of a leaf_span().
 * @flush: Of a flush().
 * @unmap: Of an unmap.
 * @present: Of an unmap_present().
 */
struct answers {
	struct io_pgtable_safe_map_result map;
	int lookup;
	int span;
	int flush;
	struct io_pgtable_safe_unmap_result unmap;
	struct io_pgtable_safe_unmap_result present;
};

/* Held by a caller that has no idea what it calls. */
static DEFINE_SPINLOCK(some_lock);

static void ask_atomically(struct pgt_test *fix, gfp_t gfp, struct answers *answers)
{
	u64 iova = fix->base + 5 * fix->granule, size = 4 * fix->granule;
	struct io_pgtable_safe_span span;
	unsigned long flags;

	spin_lock_irqsave(&some_lock, flags);
	answers->map = io_pgtable_safe_map(fix->pgt, iova, fix->granule, size, PGT_PROT,
					   gfp);
	answers->lookup = io_pgtable_safe_lookup(fix->pgt, iova, &span);
	answers->span = io_pgtable_safe_leaf_span(fix->pgt, iova, size, &span);
	answers->unmap = io_pgtable_safe_unmap(fix->pgt, iova, size / 2,
					       IO_PGTABLE_SAFE_NO_FLUSH);
	answers->flush = io_pgtable_safe_flush(fix->pgt, iova, size / 2);
	answers->present = io_pgtable_safe_unmap_present(fix->pgt, fix->base,
							 64 * fix->granule, 0);
	spin_unlock_irqrestore(&some_lock, flags);
}

static void check_answers(struct kunit *test, gfp_t gfp)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct answers answers;

	ask_atomically(fix, gfp, &answers);
	check_map_result(test, answers.map, 4 * fix->granule, 0);
	KUNIT_EXPECT_EQ(test, answers.lookup, 0);
	KUNIT_EXPECT_EQ(test, answers.span, 0);
	KUNIT_EXPECT_EQ(test, answers.flush, 0);
	check_unmap_result(test, answers.unmap, 2 * fix->granule, 0);
	check_unmap_result(test, answers.present, 2 * fix->granule, 0);
	check_mapped(test, 0);
}

static void nothing_sleeps_with_gfp_atomic(struct kunit *test)
{
	check_answers(test, GFP_ATOMIC);
}

static void nothing_sleeps_with_gfp_nowait(struct kunit *test)
{
	check_answers(test, GFP_NOWAIT);
}

static struct kunit_case atomic_cases[] = {
	KUNIT_CASE_PARAM(nothing_sleeps_with_gfp_atomic, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(nothing_sleeps_with_gfp_nowait, pgt_formats_gen_params),
	{}
};

static struct kunit_suite atomic_suite = {
	.name = "io_pgtable_safe_race_atomic",
	.init = pgt_test_init_format,
	.exit = pgt_test_exit,
	.test_cases = atomic_cases,
};

kunit_test_suites(&gate_suite, &format_suite, &storm_suite, &atomic_suite);
