// SPDX-License-Identifier: GPL-2.0
/*
 * Several random clients on one table. With a zone each, their results are as exact as
 * alone. Where they share one, each result must be right for some state that the others
 * may have made, and in the end what is mapped is what succeeded.
 */
#include <linux/math64.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "dice.h"

PGT_FORMATS_PARAM();

#define THREADS		4
#define THREAD_OPS	400
/* A block of 4T that is cut leaves 4 * 8191 others, and a client unmaps at a quarter */
#define ROOM		65536
#define RANGES		1024

/**
 * struct player - A thread.
 * @d: Its client.
 * @play: What it does with each call that it has chosen.
 * @thread: The thread.
 */
struct player {
	struct dice d;
	void (*play)(struct player *p);
	struct pgt_thread thread;
};

static void run_player(struct pgt_thread *t)
{
	struct player *p = container_of(t, struct player, thread);
	unsigned int i;

	for (i = 0; i < THREAD_OPS && !p->d.c.failed; i++) {
		p->play(p);
		cond_resched();
	}
}

static void give_room(struct kunit *test, struct spec_set *set, unsigned int room)
{
	set->leaf = kunit_kcalloc(test, room, sizeof(*set->leaf), GFP_KERNEL);
	set->room = room;
	KUNIT_ASSERT_NOT_NULL(test, set->leaf);
}

/* On the table of @owner: each has span bytes and one more, next behind the last one's */
static struct player *new_players(const struct client *owner, u64 first, u64 span, u64 next)
{
	struct kunit *test = owner->test;
	struct player *players = kunit_kcalloc(test, THREADS, sizeof(*players), GFP_KERNEL);
	unsigned int seed = pgt_random_seed(test), i;

	KUNIT_ASSERT_NOT_NULL(test, players);
	for (i = 0; i < THREADS; i++) {
		struct client *c = &players[i].d.c;

		give_room(test, &c->spec.leaves, ROOM);
		give_room(test, &c->spec.scratch, ROOM);
		give_room(test, &c->spec.unflushed, RANGES);
		give_room(test, &c->spec_reserve.spent, RANGES);
		client_share(c, owner);
		c->seed = seed;
		c->mine_first = first + i * next;
		c->mine_last = c->mine_first + span;
		players[i].d.many = 256;
		prandom_seed_state(&players[i].d.rnd, seed + i);
		dice_prepare(&players[i].d);
	}
	return players;
}

static void run_all(struct kunit *test, struct player *players,
		    void (*play)(struct player *p))
{
	DECLARE_COMPLETION_ONSTACK(start);
	unsigned int i;

	for (i = 0; i < THREADS; i++) {
		players[i].play = play;
		start_pgt_thread(test, &players[i].thread, run_player, &start);
	}
	complete_all(&start);
	for (i = 0; i < THREADS; i++) {
		join_pgt_thread(test, &players[i].thread);
		client_unreserve(&players[i].d.c);
	}
}

/* What opens the table, and closes it */
static struct client owner;

static void open_table(struct kunit *test)
{
	memset(&owner, 0, sizeof(owner));
	client_open(&owner, test, test->param_value, CLIENT_TLB_WALK);
}

static u64 accepted(const struct player *players)
{
	u64 sum = 0;
	unsigned int i;

	for (i = 0; i < THREADS; i++)
		sum += players[i].d.c.accepted;
	return sum;
}

/* --- zones ----------------------------------------------------------------- */

/* One reservation at a time is attached: the first player's */
static bool is_for_others(const struct player *p, const struct spec_call *call)
{
	const struct client *c = &p->d.c;
	u64 first, last;

	if (call->fn == SPEC_NUM_FNS || call->fn == SPEC_NEXT)
		return true;
	if ((call->fn == SPEC_RESERVE || call->fn == SPEC_ATTACH ||
	     call->gfp == IO_PGTABLE_SAFE_RESERVED) && c->mine_first != c->spec.first)
		return true;
	/* A call that is refused for its arguments does no harm */
	return spec_call_range(call, &first, &last) && first <= c->spec.last &&
	       last >= c->spec.first && (first < c->mine_first || last > c->mine_last);
}

static void play_in_zone(struct player *p)
{
	struct spec_call call;

	dice_call(&p->d, &call);
	if (is_for_others(p, &call))
		return;
	client_call(&p->d.c, &call, CLIENT_FAIL_NONE, 0);
	if (!(p->d.c.ops % 64))
		client_check_all(&p->d.c);
}

/* What all of them have mapped, as one that the table is compared with */
static void check_union(struct kunit *test, struct player *players)
{
	struct client *c = &players[0].d.c;
	struct spec_set *all = &c->spec.leaves;
	unsigned int i;

	for (i = 1; i < THREADS; i++) {
		const struct spec_set *set = &players[i].d.c.spec.leaves;

		KUNIT_ASSERT_LE(test, all->nr + set->nr, all->room);
		memcpy(&all->leaf[all->nr], set->leaf, set->nr * sizeof(*set->leaf));
		all->nr += set->nr;
		c->failed |= players[i].d.c.failed;
	}
	c->racy = false;
	c->mine_first = c->spec.first;
	c->mine_last = c->spec.last;
	client_check_all(c);
	device_check(c->dev);
	check_mapped(test, spec_mapped(&c->spec));
	do_unmap_present(test, c->spec.first, c->spec.last - c->spec.first + 1,
			 spec_mapped(&c->spec));
}

static void play_in_zones(struct kunit *test, u64 zone)
{
	struct player *players = new_players(&owner, pgt_fixture(test)->base, zone - 1, zone);

	run_all(test, players, play_in_zone);
	check_union(test, players);
	KUNIT_EXPECT_GT(test, accepted(players), THREAD_OPS / 4);
	client_close(&owner);
}

static void zones_of_one_table(struct kunit *test)
{
	open_table(test);
	play_in_zones(test, 32 * pgt_fixture(test)->granule);
}

static void zones_of_a_few_blocks(struct kunit *test)
{
	open_table(test);
	play_in_zones(test, 4 * (nth_pgsize(test, 1) ?: 128 * pgt_fixture(test)->granule));
}

static void zones_of_a_quarter(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);

	open_table(test);
	play_in_zones(test, (fix->last - fix->base) / 4 + 1);
}

/* --- one zone for all ------------------------------------------------------- */

#define SHARED_GRANULES	1024

/*
 * What has succeeded, in each granule: maps less unmaps. One and the same thread or
 * not, a map has to be followed by an unmap.
 */
static struct shared {
	u64 first;
	u64 granules;
	u64 paddr;
	atomic_t mapped[SHARED_GRANULES];
} shared;

static void count(struct player *p, u64 iova, u64 bytes, int n)
{
	u64 granule = p->d.pages[0], i;

	for (i = 0; i < bytes; i += granule)
		atomic_add(n, &shared.mapped[div64_u64(iova + i - shared.first, granule)]);
}

/* Where something is mapped is always to the same memory: whoever did it */
static void choose_shared(struct player *p, struct spec_call *call)
{
	static const enum spec_fn fns[] = {
		SPEC_MAP_PAGES, SPEC_MAP, SPEC_UNMAP, SPEC_UNMAP_PAGES, SPEC_CUT, SPEC_CUT,
		SPEC_LOOKUP, SPEC_LEAF_SPAN,
	};
	struct dice *d = &p->d;
	u64 granule = d->pages[0], at, n;

	at = dice_below(d, shared.granules);
	n = 1 + dice_below(d, min_t(u64, shared.granules - at, dice_below(d, 4) ? 4 : 1024));
	/* Now and then a block, where there are any */
	if (!dice_below(d, 4) && d->nr_pages > 1 && d->pages[1] < shared.granules * granule) {
		n = div64_u64(d->pages[1], granule);
		at &= ~(n - 1);
	}
	*call = (struct spec_call){
		.fn = fns[dice_below(d, ARRAY_SIZE(fns))],
		.iova = shared.first + at * granule, .size = n * granule,
		.pgsize = granule, .pgcount = n, .paddr = shared.paddr + at * granule,
		.prot = PGT_PROT, .gfp = GFP_KERNEL,
	};
}

/* The results that some state allows */
static bool is_possible(const struct spec_call *call, u64 bytes, int err)
{
	switch (err) {
	case 0:
		return call->fn >= SPEC_LOOKUP || (bytes && bytes <= call->size);
	case -EBUSY:
		return !bytes;
	case -EEXIST:
		return !bytes && call->fn <= SPEC_MAP_REPEAT;
	case -ENOENT:
		return !bytes && call->fn > SPEC_MAP_REPEAT && call->fn != SPEC_LEAF_SPAN;
	case -ENOTBLK:
		return !bytes && (call->fn == SPEC_UNMAP || call->fn == SPEC_UNMAP_PAGES);
	default:
		return false;
	}
}

static void play_together(struct player *p)
{
	struct client *c = &p->d.c;
	struct spec_call call;

	choose_shared(p, &call);
	client_issue(c, &call);
	if (c->err)
		c->refused++;
	else
		c->accepted++;
	if (!is_possible(&call, c->bytes, c->err)) {
		KUNIT_FAIL(c->test, "random_seed=%u: call %u of %#llx at %#llx: {%#llx, %d}",
			   c->seed, call.fn, call.size, call.iova, c->bytes, c->err);
		c->failed = true;
	} else if (c->bytes) {
		count(p, call.iova, c->bytes, call.fn <= SPEC_MAP_REPEAT ? 1 : -1);
	}
}

static void check_shared(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct io_pgtable_safe_span span;
	u64 i, iova, mapped = 0;
	int n, err;

	for (i = 0; i < shared.granules; i++) {
		iova = shared.first + i * fix->granule;
		n = atomic_read(&shared.mapped[i]);
		err = io_pgtable_safe_lookup(fix->pgt, iova, &span);
		KUNIT_EXPECT_EQ_MSG(test, err, n ? 0 : -ENOENT, "iova %#llx", iova);
		if (n < 0 || n > 1)
			KUNIT_FAIL(test, "%#llx was mapped %d times too often", iova, n);
		if (!err)
			KUNIT_EXPECT_EQ_MSG(test, (u64)span.paddr + (iova - span.iova),
					    shared.paddr + i * fix->granule, "iova %#llx", iova);
		mapped += n ? fix->granule : 0;
	}
	check_mapped(test, mapped);
	do_unmap_present(test, shared.first, shared.granules * fix->granule, mapped);
}

static void one_zone_for_all(struct kunit *test)
{
	struct pgt_test *fix = pgt_fixture(test);
	struct player *players;
	u64 block;

	open_table(test);
	block = nth_pgsize(test, 1) ?: 256 * fix->granule;
	memset(&shared, 0, sizeof(shared));
	shared.granules = min_t(u64, div64_u64(2 * block, fix->granule), SHARED_GRANULES);
	/* Two blocks, if that is not too much */
	shared.first = at(test, block);
	shared.paddr = some_paddr(test, block);
	players = new_players(&owner, shared.first, shared.granules * fix->granule - 1, 0);
	run_all(test, players, play_together);
	check_shared(test);
	KUNIT_EXPECT_GT(test, accepted(players), THREAD_OPS / 4);
	client_close(&owner);
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE_PARAM(zones_of_one_table, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(zones_of_a_few_blocks, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(zones_of_a_quarter, pgt_formats_gen_params),
	KUNIT_CASE_PARAM(one_zone_for_all, pgt_formats_gen_params),
	{}
};

static struct kunit_suite race_suite = {
	.name = "io_pgtable_safe_race_random",
	.init = pgt_test_init,
	.exit = pgt_test_exit,
	.test_cases = race_cases,
};

kunit_test_suite(race_suite);
