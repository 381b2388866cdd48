// SPDX-License-Identifier: GPL-2.0
/*
 * What happens to a page table, told to whoever wants to know.
 */

/**
 * DOC: watch
 *
 * All of it hangs on one static key: as long as nobody watches, each place that has
 * something to tell is a nop. What the backend does is told where it is called, with no
 * lock of the ledger held: while somebody watches, every range is claimed.
 */

#define CREATE_TRACE_POINTS
#include "trace.h"

EXPORT_TRACEPOINT_SYMBOL_GPL(io_pgtable_safe_map);
EXPORT_TRACEPOINT_SYMBOL_GPL(io_pgtable_safe_unmap);
EXPORT_TRACEPOINT_SYMBOL_GPL(io_pgtable_safe_cut);
EXPORT_TRACEPOINT_SYMBOL_GPL(io_pgtable_safe_refused);
EXPORT_TRACEPOINT_SYMBOL_GPL(io_pgtable_safe_flush);
EXPORT_TRACEPOINT_SYMBOL_GPL(io_pgtable_safe_undo);
EXPORT_TRACEPOINT_SYMBOL_GPL(io_pgtable_safe_leaves);
EXPORT_TRACEPOINT_SYMBOL_GPL(io_pgtable_safe_table_kept);
EXPORT_TRACEPOINT_SYMBOL_GPL(io_pgtable_safe_table_freed);

DEFINE_STATIC_KEY_FALSE(io_pgtable_safe_watching);
/* For the suites */
EXPORT_SYMBOL_GPL(io_pgtable_safe_watching);

int io_pgtable_safe_watch_get(void)
{
	static_branch_inc(&io_pgtable_safe_watching);
	return 0;
}

void io_pgtable_safe_watch_put(void)
{
	static_branch_dec(&io_pgtable_safe_watching);
}

static void watch_trace(const struct io_pgtable_safe *pgt, const struct watch_event *ev)
{
	switch (ev->op) {
	case WATCH_MAP:
		trace_io_pgtable_safe_map(pgt->id, ev);
		break;
	case WATCH_UNMAP:
		trace_io_pgtable_safe_unmap(pgt->id, ev);
		break;
	case WATCH_CUT:
		trace_io_pgtable_safe_cut(pgt->id, ev);
		break;
	case WATCH_FLUSH:
		trace_io_pgtable_safe_flush(pgt->id, ev);
		break;
	case WATCH_UNDO:
		trace_io_pgtable_safe_undo(pgt->id, ev);
		break;
	case WATCH_LEAVES:
		trace_io_pgtable_safe_leaves(pgt->id, ev);
		break;
	case WATCH_GONE:
		/* The call that it is part of says more */
		break;
	case WATCH_KEPT:
		trace_io_pgtable_safe_table_kept(pgt->id, ev);
		break;
	case WATCH_FREED:
		trace_io_pgtable_safe_table_freed(pgt->id, ev);
		break;
	}
}

/* A call that has done nothing but fail */
static bool watch_refused(const struct watch_event *ev)
{
	return ev->err && !ev->done;
}

/* In mapped_pages.c: which memory is mapped */
static void mapped_pages_event(struct io_pgtable_safe *pgt, const struct watch_event *ev);
/* In debugfs.c: what is counted and remembered */
static void watch_record(struct io_pgtable_safe *pgt, const struct watch_event *ev);

static void watch(struct io_pgtable_safe *pgt, const struct watch_event *ev)
{
	if (watch_refused(ev))
		trace_io_pgtable_safe_refused(pgt->id, ev);
	else
		watch_trace(pgt, ev);
	mapped_pages_event(pgt, ev);
	watch_record(pgt, ev);
}

/* --- what is told ----------------------------------------------------------- */

static noinline __cold void watch_map(struct io_pgtable_safe *pgt, u64 iova, u64 paddr,
				      u64 size, int prot,
				      struct io_pgtable_safe_map_result res)
{
	watch(pgt, &(struct watch_event){
		.op = WATCH_MAP, .iova = iova, .size = size, .paddr = paddr,
		.flags = prot, .done = res.mapped, .err = res.err,
	});
}

/* Where a function of the API returns */
static __always_inline struct io_pgtable_safe_map_result
tell_map(struct io_pgtable_safe *pgt, u64 iova, u64 paddr, u64 size, int prot,
	 struct io_pgtable_safe_map_result res)
{
	if (watching())
		watch_map(pgt, iova, paddr, size, prot, res);
	return res;
}

static noinline __cold void watch_unmap(struct io_pgtable_safe *pgt, enum watch_op op,
					u64 iova, u64 size, u32 flags,
					struct io_pgtable_safe_unmap_result res)
{
	watch(pgt, &(struct watch_event){
		.op = op, .iova = iova, .size = size, .flags = flags,
		.done = res.unmapped, .err = res.err,
	});
}

static __always_inline struct io_pgtable_safe_unmap_result
tell_unmap(struct io_pgtable_safe *pgt, enum watch_op op, u64 iova, u64 size, u32 flags,
	   struct io_pgtable_safe_unmap_result res)
{
	if (watching())
		watch_unmap(pgt, op, iova, size, flags, res);
	return res;
}

static noinline __cold void watch_range(struct io_pgtable_safe *pgt, enum watch_op op,
					u64 iova, u64 size, int err)
{
	watch(pgt, &(struct watch_event){
		.op = op, .iova = iova, .size = size, .err = err,
	});
}

static noinline __cold void watch_leaves(struct io_pgtable_safe *pgt, u64 iova, u64 paddr,
					 u64 pgsize, u64 mapped)
{
	if (mapped)
		watch(pgt, &(struct watch_event){
			.op = WATCH_LEAVES, .iova = iova, .size = mapped, .paddr = paddr,
			.pgsize = pgsize, .done = mapped,
		});
}

static noinline __cold void watch_gone(struct io_pgtable_safe *pgt, u64 iova, u64 unmapped)
{
	if (unmapped)
		watch(pgt, &(struct watch_event){
			.op = WATCH_GONE, .iova = iova, .size = unmapped, .done = unmapped,
		});
}

static noinline __cold void watch_table(struct table_pages *t, enum watch_op op,
					void *pages, size_t bytes, u64 first, u64 last)
{
	watch(container_of(t, struct io_pgtable_safe, tables), &(struct watch_event){
		.op = op, .iova = first, .size = last - first + 1, .done = bytes,
		.paddr = virt_to_phys(pages),
	});
}
