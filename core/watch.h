/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What there is to see of a page table: one event for each thing that happens.
 */
#ifndef _IO_PGTABLE_SAFE_CORE_WATCH_H
#define _IO_PGTABLE_SAFE_CORE_WATCH_H

#include <linux/jump_label.h>
#include <linux/types.h>

/**
 * enum watch_op - What happened.
 * @WATCH_MAP: A call that maps returns.
 * @WATCH_UNMAP: A call that unmaps returns.
 * @WATCH_CUT: io_pgtable_safe_cut() returns.
 * @WATCH_FLUSH: io_pgtable_safe_flush() returns.
 * @WATCH_UNDO: What a call had mapped before it failed has been unmapped.
 * @WATCH_LEAVES: The backend has mapped leaves of one size.
 * @WATCH_GONE: The backend has unmapped something.
 * @WATCH_KEPT: A table waits for a flush.
 * @WATCH_FREED: A table goes back to where it came from.
 */
enum watch_op {
	WATCH_MAP,
	WATCH_UNMAP,
	WATCH_CUT,
	WATCH_FLUSH,
	WATCH_UNDO,
	WATCH_LEAVES,
	WATCH_GONE,
	WATCH_KEPT,
	WATCH_FREED,
};

/**
 * struct watch_event - One thing that happened.
 * @op: What it was.
 * @err: 0 or the negative errno that the call returns.
 * @iova: First byte of the range.
 * @size: Its size.
 * @paddr: What was mapped, or 0 if that is in pieces; of a table, where it is.
 * @done: Bytes that were mapped or unmapped; of a table, its size.
 * @pgsize: Size of the leaves.
 * @flags: The protection of a map, or the flags of an unmap.
 */
struct watch_event {
	enum watch_op op;
	int err;
	u64 iova;
	u64 size;
	u64 paddr;
	u64 done;
	u64 pgsize;
	u32 flags;
};

/* Is anybody interested? A nop as long as nobody is */
DECLARE_STATIC_KEY_FALSE(io_pgtable_safe_watching);

static __always_inline bool watching(void)
{
	return static_branch_unlikely(&io_pgtable_safe_watching);
}

/* For as long as a tracepoint is in use */
int io_pgtable_safe_watch_get(void);
void io_pgtable_safe_watch_put(void);

#endif /* _IO_PGTABLE_SAFE_CORE_WATCH_H */
