// SPDX-License-Identifier: GPL-2.0
/*
 * Calls, and what is looked at after each. See client.h.
 */
#include <linux/mm.h>
#include <linux/string.h>

#include "client.h"
#include "io_pgtable_safe_compat.h"
#include "walk.h"

/* --- what is granted ------------------------------------------------------- */

/* Stage 1 of ARM's formats has no encoding for write-only: both versions */
static bool write_implies_read(enum io_pgtable_fmt fmt)
{
	return fmt == ARM_32_LPAE_S1 || fmt == ARM_64_LPAE_S1 || fmt == ARM_V7S;
}

/* From 6.8 on LPAE takes its tables from the layer */
bool client_own_tables(enum io_pgtable_fmt fmt)
{
#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
	return fmt != ARM_V7S && fmt != APPLE_DART && fmt != APPLE_DART2;
#else
	return false;
#endif
}

static bool walks(const struct io_pgtable_ops *ops)
{
#ifdef IO_PGTABLE_SAFE_HAVE_WALK
	return ops->pgtable_walk;
#else
	return false;
#endif
}

/* --- the table ------------------------------------------------------------- */

/* Fail the nth allocation from now */
static atomic_t fail_page;

#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
static void *alloc_or_fail(void *dev, size_t size, gfp_t gfp)
{
	return atomic_dec_return(&fail_page) ? device_alloc_pages(dev, size, gfp) : NULL;
}

static void set_allocator(struct io_pgtable_cfg *cfg)
{
	if (!cfg->alloc)
		return;
	cfg->alloc = alloc_or_fail;
	cfg->free = device_free_pages;
}

static bool has_allocator(const struct io_pgtable_cfg *cfg)
{
	return cfg->alloc;
}
#else
static void set_allocator(struct io_pgtable_cfg *cfg)
{
}

static bool has_allocator(const struct io_pgtable_cfg *cfg)
{
	return false;
}
#endif

static void flush_all(void *dev)
{
	device_flush_ops.tlb_flush_all(dev);
}

static const struct iommu_flush_ops flush_all_ops = { .tlb_flush_all = flush_all };

static const struct iommu_flush_ops *const tlbs[] = {
	[CLIENT_TLB_WALK] = &device_flush_ops,
	[CLIENT_TLB_ALL] = &flush_all_ops,
	[CLIENT_TLB_NONE] = NULL,
};

/* What is granted, and that nothing is mapped */
static void init_spec(struct client *c)
{
	struct pgt_test *fix = c->fix;
	struct spec *s = &c->spec;

	s->first = fix->base;
	s->last = fix->last;
	s->paddr_last = fix->paddr_last;
	s->pgsizes = fix->cfg->pgsize_bitmap;
	s->write_implies_read = write_implies_read(c->fmt);
	s->own_tables = !fix->mock && client_own_tables(c->fmt);
	s->walks = walks(fix->raw);
	s->tlb = fix->cfg->tlb;
	s->ram = (u64)totalram_pages() << PAGE_SHIFT;
	s->leaves.nr = 0;
	s->unflushed.nr = 0;
	s->keeps = false;
	s->attached = NULL;
	s->broken = false;
}

void client_share(struct client *c, const struct client *owner)
{
	c->test = owner->test;
	c->fix = owner->fix;
	c->dev = owner->dev;
	c->fmt = owner->fmt;
	/* What others give back the device must see, or else not look for */
	c->racy = true;
	c->touches = has_allocator(c->fix->cfg);
	init_spec(c);
}

/* With a table that is open */
static void begin(struct client *c)
{
	init_spec(c);
	c->mine_first = c->spec.first;
	c->mine_last = c->spec.last;
	c->reserve = NULL;
}

void client_open(struct client *c, struct kunit *test, const struct pgt_format *format,
		 enum client_tlb tlb)
{
	struct io_pgtable_cfg cfg;

	if (!pgt_format_built(format->fmt))
		kunit_skip(test, "this kernel is built without %s", format->name);
	c->test = test;
	c->fix = pgt_fixture(test);
	if (!c->dev)
		c->dev = device_open(test);
	pgt_make_cfg(test, format, &cfg);
	set_allocator(&cfg);
	cfg.tlb = tlbs[tlb];
	atomic_set(&fail_page, 0);
	pgt_adopt(test, io_pgtable_safe_alloc(format->fmt, &cfg, c->dev));
	c->fix->format = format;
	c->fmt = format->fmt;
	device_set_table(c->dev, format->fmt, c->fix->cfg);
	c->touches = true;
	begin(c);
}

static void fail_mock(struct mock_format *mock, const struct mock_call *call)
{
	struct client *c = mock->data;

	if (call->op != MOCK_MAP || !c->mock_fails || --c->mock_fails)
		return;
	c->short_of_memory = true;
	mock->maps.next = 0;
	mock->maps.end = 0;
	mock_next_map(mock, call->pgcount / 2 * call->pgsize, -ENOMEM);
}

void client_open_mock(struct client *c, struct kunit *test, const struct mock_config *config)
{
	struct mock_format *mock = open_mock(test, config);

	mock->during = fail_mock;
	mock->data = c;
	c->test = test;
	c->fix = pgt_fixture(test);
	c->fmt = config->fmt;
	begin(c);
}

void client_close(struct client *c)
{
	client_unreserve(c);
	if (c->dev)
		device_clear_table(c->dev);
	close_table(c->test);
	if (c->dev)
		KUNIT_EXPECT_EQ_MSG(c->test, device_pages(c->dev), 0,
				    "page-table memory leaked");
}

/* --- saying what is wrong -------------------------------------------------- */

static const char * const names[SPEC_NUM_FNS] = {
	[SPEC_TRY_MAP_PAGES] = "try_map_pages",
	[SPEC_MAP_PAGES] = "map_pages",
	[SPEC_MAP] = "map",
	[SPEC_MAP_SGTABLE] = "map_sgtable",
	[SPEC_MAP_REPEAT] = "map_repeat",
	[SPEC_UNMAP_PAGES] = "unmap_pages",
	[SPEC_UNMAP] = "unmap",
	[SPEC_UNMAP_PRESENT] = "unmap_present",
	[SPEC_CUT] = "cut",
	[SPEC_FLUSH] = "flush",
	[SPEC_RESERVE] = "reserve",
	[SPEC_ATTACH] = "attach",
	[SPEC_LOOKUP] = "lookup",
	[SPEC_NEXT] = "next",
	[SPEC_LEAF_SPAN] = "leaf_span",
	[SPEC_WALK] = "pgtable_walk",
};

static void print_call(struct client *c, const struct spec_call *call)
{
	unsigned int i;

	kunit_info(c->test,
		   "%llu: %s(iova %#llx, size %#llx, pages %#zx x %zu, paddr %#llx, block %#llx, offset %#llx, prot %#x, gfp %#x, flags %#x) = {%#llx, %d}%s\n",
		   c->ops, names[call->fn], call->iova, call->size, call->pgsize,
		   call->pgcount, call->paddr, call->block, call->offset, call->prot,
		   (__force unsigned int)call->gfp, call->flags, c->bytes, c->err,
		   c->short_of_memory ? ", memory was short" : "");
	if (call->fn != SPEC_MAP_SGTABLE)
		return;
	for (i = 0; i < call->nr_pieces; i++)
		kunit_info(c->test, "    %#llx, %#llx bytes\n", call->pieces[i].paddr,
			   call->pieces[i].size);
}

#define wrong(c, call, fmt, ...)						\
do {										\
	const struct spec_call *_call = (call);					\
	struct client *_c = (c);						\
										\
	if (!_c->failed) {							\
		if (_call)							\
			print_call(_c, _call);					\
		KUNIT_FAIL(_c->test, "random_seed=%u, call %llu: " fmt,		\
			   _c->seed, _c->ops, ##__VA_ARGS__);			\
	}									\
	_c->failed = true;							\
} while (0)

/* --- calls ----------------------------------------------------------------- */

static void set_dma(struct scatterlist *sg, u64 paddr, u64 size)
{
	sg_dma_address(sg) = paddr;
	sg_dma_len(sg) = size;
}

static void set_cpu(struct scatterlist *sg, u64 paddr, u64 size)
{
	sg_set_page(sg, pfn_to_page(PHYS_PFN(paddr)), size, offset_in_page(paddr));
}

/* Either kind of address is garbage to who wants the other; they may share the length */
static void make_sg(struct client *c, const struct spec_call *call, struct sg_table *sgt)
{
	bool dma = call->which == IO_PGTABLE_SAFE_SG_DMA;
	unsigned int i, n = call->nr_pieces;

	sg_init_table(c->sg, n + 1);
	for (i = 0; i <= n; i++) {
		u64 paddr = i < n ? call->pieces[i].paddr : 0;
		u64 size = i < n ? call->pieces[i].size : SZ_1M;

		if (dma) {
			set_cpu(&c->sg[i], PAGE_SIZE + 1, 1);
			set_dma(&c->sg[i], paddr, size);
		} else {
			set_dma(&c->sg[i], ~0ULL, 1);
			set_cpu(&c->sg[i], paddr, size);
		}
	}
	sgt->sgl = c->sg;
	sgt->nents = dma ? n : n + 1;
	sgt->orig_nents = dma ? n + 1 : n;
}

static struct io_pgtable_safe_map_result call_map_repeat(struct io_pgtable_safe *pgt,
							 const struct spec_call *a)
{
	return io_pgtable_safe_map_repeat(pgt, a->iova, a->paddr, a->block, a->phase,
					  a->size, a->prot, a->gfp);
}

static struct io_pgtable_safe_unmap_result call_cut(struct io_pgtable_safe *pgt,
						    const struct spec_call *a)
{
	return io_pgtable_safe_cut(pgt, a->iova, a->size, a->prot, a->gfp, a->flags);
}

static struct io_pgtable_safe_map_result issue_map(struct client *c, const struct spec_call *a)
{
	struct io_pgtable_safe *pgt = c->fix->pgt;
	struct sg_table sgt;

	switch (a->fn) {
	case SPEC_TRY_MAP_PAGES:
		return io_pgtable_safe_try_map_pages(pgt, a->iova, a->paddr, a->pgsize,
						     a->pgcount, a->prot, a->gfp);
	case SPEC_MAP_PAGES:
		return io_pgtable_safe_map_pages(pgt, a->iova, a->paddr, a->pgsize,
						 a->pgcount, a->prot, a->gfp);
	case SPEC_MAP:
		return io_pgtable_safe_map(pgt, a->iova, a->paddr, a->size, a->prot, a->gfp);
	case SPEC_MAP_REPEAT:
		return call_map_repeat(pgt, a);
	default:
		make_sg(c, a, &sgt);
		return io_pgtable_safe_map_sgtable(pgt, a->iova, &sgt, a->which, a->offset,
						   a->size, a->prot, a->gfp);
	}
}

static struct io_pgtable_safe_unmap_result issue_unmap(struct client *c,
						       const struct spec_call *a)
{
	struct io_pgtable_safe *pgt = c->fix->pgt;

	switch (a->fn) {
	case SPEC_UNMAP_PAGES:
		return io_pgtable_safe_unmap_pages(pgt, a->iova, a->pgsize, a->pgcount,
						   a->flags);
	case SPEC_UNMAP:
		return io_pgtable_safe_unmap(pgt, a->iova, a->size, a->flags);
	case SPEC_UNMAP_PRESENT:
		return io_pgtable_safe_unmap_present(pgt, a->iova, a->size, a->flags);
	default:
		return call_cut(pgt, a);
	}
}

/* The caller's own, if it asks for one while it has one */
static int issue_reserve(struct client *c, const struct spec_call *a)
{
	struct io_pgtable_safe_reserve *r;

	r = io_pgtable_safe_reserve(c->fix->pgt, a->iova, a->size, a->gfp);
	if (IS_ERR(r))
		return PTR_ERR(r);
	if (c->reserve) {
		io_pgtable_safe_unreserve(r);
		return 0;
	}
	c->reserve = r;
	c->spec_reserve.first = a->iova;
	c->spec_reserve.last = a->iova + a->size - 1;
	c->spec_reserve.spent.nr = 0;
	c->spec_reserve.is_short = false;
	return 0;
}

static int issue_question(struct client *c, const struct spec_call *a)
{
	struct io_pgtable_safe *pgt = c->fix->pgt;
	u64 walk[16];

	memset(&c->span, 0, sizeof(c->span));
	switch (a->fn) {
	case SPEC_FLUSH:
		return io_pgtable_safe_flush(pgt, a->iova, a->size);
	case SPEC_RESERVE:
		return issue_reserve(c, a);
	case SPEC_ATTACH:
		return io_pgtable_safe_reserve_attach(pgt, c->reserve);
	case SPEC_LOOKUP:
		return io_pgtable_safe_lookup(pgt, a->iova, &c->span);
	case SPEC_NEXT:
		return io_pgtable_safe_next(pgt, a->iova, &c->span);
	case SPEC_LEAF_SPAN:
		return io_pgtable_safe_leaf_span(pgt, a->iova, a->size, &c->span);
	default:
		return io_pgtable_safe_pgtable_walk(pgt, a->iova, walk);
	}
}

void client_issue(struct client *c, const struct spec_call *a)
{
	c->bytes = 0;
	if (a->fn <= SPEC_MAP_REPEAT) {
		struct io_pgtable_safe_map_result res = issue_map(c, a);

		c->bytes = res.mapped;
		c->err = res.err;
	} else if (a->fn <= SPEC_CUT) {
		struct io_pgtable_safe_unmap_result res = issue_unmap(c, a);

		c->bytes = res.unmapped;
		c->err = res.err;
	} else {
		c->err = issue_question(c, a);
	}
}

/* Says in c->short_of_memory whether an allocation has failed */
static void issue_with_failure(struct client *c, const struct spec_call *a,
			       enum client_failure kind, unsigned int nth)
{
	c->short_of_memory = false;
	if (kind == CLIENT_FAIL_PAGE && c->fix->mock)
		c->mock_fails = nth;
	else if (kind == CLIENT_FAIL_PAGE)
		atomic_set(&fail_page, nth);
	else if (kind == CLIENT_FAIL_ANY)
		fail_nth_allocation(nth);
	client_issue(c, a);
	if (c->fix->mock && kind != CLIENT_FAIL_ANY) {
		c->mock_fails = 0;
	} else if (kind == CLIENT_FAIL_PAGE) {
		c->short_of_memory = atomic_read(&fail_page) <= 0;
		atomic_set(&fail_page, 0);
	} else if (kind == CLIENT_FAIL_ANY) {
		c->short_of_memory = an_allocation_failed();
	}
}

/* --- what is looked at afterwards ------------------------------------------ */

static bool same_span(const struct io_pgtable_safe_span *a, const struct io_pgtable_safe_span *b)
{
	return a->iova == b->iova && a->size == b->size && a->paddr == b->paddr &&
	       a->leaf == b->leaf;
}

static void check_result(struct client *c, const struct spec_call *call,
			 const struct spec_results *right)
{
	bool question = call->fn >= SPEC_LOOKUP && call->fn <= SPEC_LEAF_SPAN;

	if (!spec_allows(right, c->bytes, c->err))
		wrong(c, call, "{%#llx, %d} is wrong (errors %*pbl; success %d, %#llx to %#llx)",
		      c->bytes, c->err, 128, right->errors, right->success, right->least,
		      right->most);
	else if (question && !c->err && !same_span(&c->span, &right->span))
		wrong(c, call, "not {%#llx, %#llx, %pap, %#llx} but {%#llx, %#llx, %pap, %#llx}",
		      right->span.iova, right->span.size, &right->span.paddr, right->span.leaf,
		      c->span.iova, c->span.size, &c->span.paddr, c->span.leaf);
}

/* A question that the test asks for itself */
static void ask(struct client *c, enum spec_fn fn, u64 iova, u64 size)
{
	const struct spec_call call = { .fn = fn, .iova = iova, .size = size };
	struct spec_results right;
	u64 bytes = c->bytes;
	int err = c->err;

	spec_results(&c->spec, &call, &right);
	client_issue(c, &call);
	check_result(c, &call, &right);
	c->bytes = bytes;
	c->err = err;
}

static bool is_mine(const struct client *c, u64 iova)
{
	return iova >= c->mine_first && iova <= c->mine_last;
}

static void check_granule(struct client *c, u64 iova)
{
	u64 raw, expected = 0;
	unsigned int i;

	if (c->failed || !is_mine(c, iova))
		return;
	ask(c, SPEC_LOOKUP, iova, 0);
	i = spec_find(&c->spec.leaves, iova);
	if (i < c->spec.leaves.nr && c->spec.leaves.leaf[i].iova <= iova)
		expected = c->spec.leaves.leaf[i].paddr + (iova - c->spec.leaves.leaf[i].iova);
	raw = c->fix->raw->iova_to_phys(c->fix->raw, iova);
	if (raw != expected)
		wrong(c, NULL, "iova_to_phys(%#llx) is %#llx, not %#llx", iova, raw, expected);
}

/*
 * struct comparison - Of what the hardware would find with the specification.
 * @c: The client.
 * @next: The leaf that is to be found next.
 */
struct comparison {
	struct client *c;
	unsigned int next;
};

static bool compare_leaf(void *ctx, const struct walk_leaf *found)
{
	struct comparison *cmp = ctx;
	struct client *c = cmp->c;
	const struct spec_leaf *leaf = &c->spec.leaves.leaf[cmp->next];
	int prot;

	if (cmp->next == c->spec.leaves.nr) {
		wrong(c, NULL, "a leaf too many at %#llx", found->iova);
		return false;
	}
	prot = leaf->prot;
	if (!c->fix->mock)
		prot = walk_prot(c->fmt, c->fix->cfg->quirks, leaf->prot);
	if (found->iova != leaf->iova || found->size != leaf->size ||
	    found->paddr != leaf->paddr || found->prot != prot)
		wrong(c, NULL,
		      "the table has {%#llx, %#llx, %#llx, %#x}, not {%#llx, %#llx, %#llx, %#x}",
		      found->iova, found->size, found->paddr, found->prot, leaf->iova,
		      leaf->size, leaf->paddr, prot);
	cmp->next++;
	return !c->failed;
}

static void bad_entry(void *ctx, u64 iova, u64 entry, const char *why)
{
	struct comparison *cmp = ctx;

	wrong(cmp->c, NULL, "bad entry %#llx at %#llx: %s", entry, iova, why);
}

/* A mock remembers the protection as it was asked for */
static void walk_mock(struct client *c, u64 first, u64 last, struct comparison *cmp)
{
	struct mock_format *mock = c->fix->mock;
	struct walk_leaf leaf;
	unsigned int i;
	u64 off;

	for (i = 0; i < mock->nr_runs; i++) {
		const struct mock_run *run = &mock->runs[i];

		for (off = 0; off <= run->last - run->iova; off += run->leaf) {
			leaf = (struct walk_leaf){
				run->iova + off, run->leaf, run->paddr + off, run->prot
			};
			if (leaf.iova > last || leaf.iova + leaf.size - 1 < first)
				continue;
			if (!compare_leaf(cmp, &leaf))
				return;
		}
	}
}

/* The table itself, as the hardware reads it */
static void check_table(struct client *c, u64 first, u64 last)
{
	static const struct walk_visitor visitor = { .leaf = compare_leaf, .bad = bad_entry };
	struct comparison cmp = { c, spec_find(&c->spec.leaves, first) };

	if (c->failed)
		return;
	if (c->fix->mock)
		walk_mock(c, first, last, &cmp);
	else
		walk_range(c->fmt, c->fix->cfg, first, last, &visitor, &cmp);
	if (!c->failed && cmp.next != spec_find_behind(&c->spec.leaves, last))
		wrong(c, NULL, "the table has nothing at %#llx",
		      c->spec.leaves.leaf[cmp.next].iova);
}

/*
 * A long range has many entries: most of the time its ends have to do. next() and mapped()
 * look at all of the ledger, where a node has up to 8192 slots.
 */
#define WHOLE_EVERY	16
#define END_GRANULES	64

static bool looks_far(const struct client *c)
{
	return !(c->ops % WHOLE_EVERY);
}

static bool looks_at_whole(const struct client *c, u64 first, u64 last)
{
	return last - first <= 2 * END_GRANULES * c->fix->granule || looks_far(c);
}

static void check_tables(struct client *c, u64 first, u64 last)
{
	u64 end = END_GRANULES * c->fix->granule;

	if (looks_at_whole(c, first, last)) {
		check_table(c, first, last);
		return;
	}
	check_table(c, first, first + end - 1);
	check_table(c, last - end + 1, last);
}

static void check_around(struct client *c, const struct spec_call *call)
{
	u64 granule = c->fix->granule, first, last;

	if (!spec_call_range(call, &first, &last)) {
		first = call->iova;
		last = first;
	}
	if (first > c->mine_last || last < c->mine_first)
		return;
	first = max(first, c->mine_first) & ~(granule - 1);
	last = min(last, c->mine_last) & ~(granule - 1);
	check_granule(c, first - granule);
	check_granule(c, first);
	check_granule(c, first + ((last - first) / 2 & ~(granule - 1)));
	check_granule(c, last);
	check_granule(c, last + granule);
	if (!c->racy && !c->failed && looks_far(c))
		ask(c, SPEC_NEXT, first, granule);
	check_tables(c, first - min(first - c->mine_first, granule),
		     last + min(c->mine_last - last, 2 * granule - 1));
}

static void check_kept(struct client *c, const struct spec_call *call, u64 before)
{
	u64 kept;

	if (c->racy)
		return;
	kept = io_pgtable_safe_kept(c->fix->pgt);
	if (!spec_changes(call, c->err) && kept != before)
		wrong(c, call, "refused, but %llu bytes are kept, not %llu", kept, before);
	else if (kept && !spec_may_keep(&c->spec))
		wrong(c, call, "%llu bytes are kept for no flush", kept);
}

/* What has changed in a reservation, for the reasons that there may be: to be attached is one */
static void check_left(struct client *c, const struct spec_call *call, u64 before)
{
	bool pays = (call->gfp == IO_PGTABLE_SAFE_RESERVED || call->fn == SPEC_ATTACH) &&
		    spec_changes(call, c->err);
	u64 left;

	if (!c->reserve || before == U64_MAX)
		return;
	left = io_pgtable_safe_reserve_left(c->reserve);
	if (left > before || (left < before && !pays))
		wrong(c, call, "%llu bytes are left of the reservation, were %llu", left,
		      before);
}

/* --- the device ------------------------------------------------------------ */

/* Where the device is, while a call is made: false if there is nothing of that */
static bool range_of_device(const struct client *c, const struct spec_call *call, u64 *first,
			    u64 *last)
{
	if (!c->dev || !spec_call_range(call, first, last) || *first > c->mine_last ||
	    *last < c->mine_first)
		return false;
	*first = max(*first, c->mine_first);
	*last = min(*last, c->mine_last);
	return true;
}

static void touch(struct client *c, const struct spec_call *call)
{
	u64 first, last, end = END_GRANULES * c->fix->granule;

	if (!c->touches || !range_of_device(c, call, &first, &last))
		return;
	if (looks_at_whole(c, first, last)) {
		device_touch(c->dev, first, last);
		return;
	}
	device_touch(c->dev, first, first + end - 1);
	device_touch(c->dev, last - end + 1, last);
}

static bool unmaps(const struct spec_call *call)
{
	return call->fn >= SPEC_UNMAP_PAGES && call->fn <= SPEC_CUT;
}

/* Without callbacks the driver does what they are for, see "Invalidation" */
static bool before_call(struct client *c, const struct spec_call *call)
{
	bool waits = unmaps(call) && call->fn != SPEC_CUT && c->spec.own_tables &&
		     (call->flags & IO_PGTABLE_SAFE_NO_FLUSH);
	u64 first, last;

	if (c->spec.tlb || !range_of_device(c, call, &first, &last))
		return false;
	if (call->fn == SPEC_FLUSH)
		device_invalidate(c->dev, first, last);
	if (call->fn > SPEC_CUT || waits)
		return false;
	/* A cut changes whole leaves */
	if (call->fn == SPEC_CUT)
		device_lock_region(c->dev, c->mine_first, c->mine_last);
	else
		device_lock_region(c->dev, first, last);
	return true;
}

/* Nothing may be known of what is not mapped, but what waits for a flush */
static void check_forgotten(struct client *c, const struct spec_call *call, u64 first, u64 last)
{
	if (first > last || spec_find(&c->spec.unflushed, first) !=
			    spec_find_behind(&c->spec.unflushed, last))
		return;
	if (device_knows(c->dev, first, last))
		wrong(c, call, "the device knows what was unmapped, in %#llx to %#llx", first,
		      last);
}

static void check_device(struct client *c, const struct spec_call *call)
{
	u64 first, last, pos;
	unsigned int i;

	if (c->err || !range_of_device(c, call, &first, &last))
		return;
	if (unmaps(call) && (call->flags & IO_PGTABLE_SAFE_NO_FLUSH)) {
		device_allow_stale(c->dev, first, last);
		return;
	}
	if (!unmaps(call) && call->fn != SPEC_FLUSH)
		return;
	pos = first;
	for (i = spec_find(&c->spec.leaves, first); i < c->spec.leaves.nr; i++) {
		const struct spec_leaf *leaf = &c->spec.leaves.leaf[i];

		if (leaf->iova > last)
			break;
		if (leaf->iova > pos)
			check_forgotten(c, call, pos, leaf->iova - 1);
		pos = spec_leaf_last(leaf) + 1;
		if (!pos)
			return;
	}
	check_forgotten(c, call, pos, last);
}

/* A driver that has not flushed must do so before it uses the range again */
static void flush_before_reuse(struct client *c, const struct spec_call *call)
{
	struct spec_call flush = { .fn = SPEC_FLUSH };
	u64 first, last, granule = c->fix->granule;

	if (call->fn > SPEC_MAP_REPEAT || !range_of_device(c, call, &first, &last) ||
	    spec_find(&c->spec.unflushed, first) == spec_find_behind(&c->spec.unflushed, last))
		return;
	flush.iova = first & ~(granule - 1);
	flush.size = (last | (granule - 1)) - flush.iova + 1;
	client_call(c, &flush, CLIENT_FAIL_NONE, 0);
}

/* A slab that has sheaves may itself, for what it is given back (mm/slub.c) */
static bool allocates(const struct spec_call *call)
{
#ifdef IO_PGTABLE_SAFE_HAVE_SHEAVES
	if (unmaps(call))
		return true;
#endif
	return spec_allocates(call->fn);
}

static void check_call(struct client *c, const struct spec_call *call)
{
	struct spec_results right;

	if (c->short_of_memory && !allocates(call))
		wrong(c, call, "allocates memory");
	spec_results(&c->spec, call, &right);
	check_result(c, call, &right);
	if (c->failed)
		return;
	spec_apply(&c->spec, call, c->bytes, c->err);
}

bool client_call(struct client *c, struct spec_call *call, enum client_failure kind,
		 unsigned int nth)
{
	bool looks = c->reserve && call->fn != SPEC_RESERVE && !(c->ops % 4), locked;
	u64 kept, left;

	flush_before_reuse(c, call);
	if (c->failed)
		return false;
	kept = io_pgtable_safe_kept(c->fix->pgt);
	left = looks ? io_pgtable_safe_reserve_left(c->reserve) : U64_MAX;
	call->reserve = &c->spec_reserve;
	touch(c, call);
	locked = before_call(c, call);
	issue_with_failure(c, call, kind, nth);
	if (locked)
		device_unlock_region(c->dev);

	c->ops++;
	if (c->err)
		c->refused++;
	else
		c->accepted++;
	call->no_memory = c->short_of_memory;
	check_call(c, call);
	if (c->failed)
		return false;
	check_kept(c, call, kept);
	check_left(c, call, left);
	check_device(c, call);
	touch(c, call);
	check_around(c, call);
	if (!c->racy && looks_far(c) &&
	    io_pgtable_safe_mapped(c->fix->pgt) != spec_mapped(&c->spec))
		wrong(c, call, "%llu bytes are mapped, not %llu",
		      io_pgtable_safe_mapped(c->fix->pgt), spec_mapped(&c->spec));
	/* All that it knows takes its time; others may be about to invalidate */
	if (c->dev && !c->racy && !(c->ops % 512))
		device_check(c->dev);
	/* The device fails the case by itself */
	if (READ_ONCE(c->test->status) == KUNIT_FAILURE)
		wrong(c, call, "the case has failed");
	return !c->failed;
}

/* Every leaf, every hole between two, and that there is nothing else */
bool client_check_all(struct client *c)
{
	const struct spec_leaf *leaf = c->spec.leaves.leaf;
	unsigned int i;

	for (i = 0; i < c->spec.leaves.nr && !c->failed; i++, leaf++) {
		check_granule(c, leaf->iova);
		check_granule(c, spec_leaf_last(leaf) & ~(c->fix->granule - 1));
		if (i && spec_leaf_last(leaf - 1) + 1 == leaf->iova)
			continue;
		check_granule(c, leaf->iova - c->fix->granule);
		if (!c->failed && !c->racy)
			ask(c, SPEC_NEXT, leaf->iova, c->fix->granule);
	}
	check_table(c, c->mine_first, c->mine_last);
	return !c->failed;
}

/* Nobody looks at what is unmapped meanwhile */
void client_detach(struct client *c)
{
	if (c->spec_reserve.spent.nr)
		c->spec_reserve.is_short = true;
	io_pgtable_safe_reserve_detach(c->fix->pgt);
	c->spec.attached = NULL;
}

void client_unreserve(struct client *c)
{
	io_pgtable_safe_unreserve(c->reserve);
	c->reserve = NULL;
	c->spec.attached = NULL;
}
