/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What io_pgtable_safe.h promises, in a form that can be run: for every state of
 * a page table and every call, which results are right, and what the state is
 * then. It shares no code with the module and looks at no page table.
 *
 * A call has a set of right results, not one, because the contract leaves
 * choices. These are the choices, and spec.c says where each is made:
 *
 * - which of several errors it is, if a request is wrong in several ways;
 * - how much map_pages() and try_map_pages() map at once;
 * - whether a call succeeds, if memory was short on the way;
 * - whether a reservation pays for anything, once something that it has paid for was
 *   unmapped;
 * - whether map_repeat() minds the part of its block that it does not map;
 * - how much memory is kept for a flush, as long as any may be.
 */
#ifndef _IO_PGTABLE_SAFE_KUNIT_SPEC_H
#define _IO_PGTABLE_SAFE_KUNIT_SPEC_H

#include <linux/io-pgtable.h>
#include <linux/types.h>

#include "io_pgtable_safe.h"

/* A leaf, or only a range where the rest does not matter */
struct spec_leaf {
	u64 iova;
	u64 size;
	u64 paddr;
	int prot;
};

/* Leaves in ascending order, none of which overlap */
struct spec_set {
	struct spec_leaf *leaf;
	unsigned int nr;
	unsigned int room;
};

/**
 * struct spec_reserve - A reservation.
 * @first: First byte of its range.
 * @last: Last byte.
 * @spent: What it has paid for.
 * @is_short: Some of that was unmapped, and its tables did not come back; or a call has failed
 *	in the middle. What they take again is missing elsewhere.
 */
struct spec_reserve {
	u64 first;
	u64 last;
	struct spec_set spent;
	bool is_short;
};

/**
 * struct spec - A page table: what was granted, and its state.
 * @first: First byte of the address space.
 * @last: Last byte.
 * @paddr_last: Last byte that can be mapped.
 * @pgsizes: The page sizes.
 * @write_implies_read: The format has no encoding for IOMMU_WRITE alone.
 * @own_tables: The format's tables come from the layer.
 * @tlb: There are flush callbacks.
 * @walks: The format and the kernel have pgtable_walk().
 * @ram: Bytes of memory that the machine has.
 * @leaves: What is mapped.
 * @unflushed: What a device without a flush may remember tables of.
 * @keeps: Without callbacks: an unmap has said that there will be a flush.
 * @attached: The reservation that pays.
 * @broken: The backend broke its contract.
 * @scratch: For leaves on their way into a set.
 */
struct spec {
	u64 first;
	u64 last;
	u64 paddr_last;
	unsigned long pgsizes;
	bool write_implies_read;
	bool own_tables;
	bool tlb;
	bool walks;
	u64 ram;

	struct spec_set leaves;
	struct spec_set unflushed;
	bool keeps;
	struct spec_reserve *attached;
	bool broken;

	struct spec_set scratch;
};

enum spec_fn {
	SPEC_TRY_MAP_PAGES,
	SPEC_MAP_PAGES,
	SPEC_MAP,
	SPEC_MAP_SGTABLE,
	SPEC_MAP_REPEAT,
	SPEC_UNMAP_PAGES,
	SPEC_UNMAP,
	SPEC_UNMAP_PRESENT,
	SPEC_CUT,
	SPEC_FLUSH,
	SPEC_RESERVE,
	SPEC_ATTACH,
	SPEC_LOOKUP,
	SPEC_NEXT,
	SPEC_LEAF_SPAN,
	SPEC_WALK,
	SPEC_NUM_FNS,
};

struct spec_piece {
	u64 paddr;
	u64 size;
};

/**
 * struct spec_call - A call with its arguments, as far as the function has them.
 * @fn: The function.
 * @iova: First byte.
 * @size: Bytes of the range.
 * @pgsize: Page size.
 * @pgcount: Pages.
 * @paddr: First byte of the memory.
 * @block: Bytes of the memory that is repeated.
 * @phase: Where in it a repeated map begins.
 * @offset: Where in the scatter-gather table a map begins.
 * @pieces: Entries of the scatter-gather table, as the addresses asked for say.
 * @nr_pieces: Their number.
 * @which: Which addresses of it are meant.
 * @prot: Protection.
 * @gfp: For tables and ledger.
 * @flags: Of an unmap.
 * @reserve: What is attached.
 * @foreign: It was made for another page table.
 * @no_memory: An allocation of this call has failed.
 */
struct spec_call {
	enum spec_fn fn;
	u64 iova;
	u64 size;
	size_t pgsize;
	size_t pgcount;
	u64 paddr;
	u64 block;
	u64 phase;
	u64 offset;
	const struct spec_piece *pieces;
	unsigned int nr_pieces;
	enum io_pgtable_safe_sg which;
	int prot;
	gfp_t gfp;
	u32 flags;
	struct spec_reserve *reserve;
	bool foreign;
	bool no_memory;
};

/**
 * struct spec_results - Right results: pairs of bytes and error.
 * @errors: {0, -errno} is right for each bit that is set here.
 * @success: So is {bytes, 0}, for multiples of @step from @least to @most.
 * @part: {bytes, -ENOMEM} is right for multiples of @step below @most.
 * @least: The fewest bytes.
 * @most: The most.
 * @step: Of which they are multiples: a power of two.
 * @span: What a question is answered with.
 */
struct spec_results {
	DECLARE_BITMAP(errors, 128);
	bool success;
	bool part;
	u64 least;
	u64 most;
	u64 step;
	struct io_pgtable_safe_span span;
};

/* Which results of a call are right? */
void spec_results(const struct spec *s, const struct spec_call *c,
		  struct spec_results *r);
/* Is this one? */
bool spec_allows(const struct spec_results *r, u64 bytes, int err);
/* Does the call change anything if this is its result? If not, even kept() is as it was. */
bool spec_changes(const struct spec_call *c, int err);
/* The state after a call that had this result, one of the right ones. */
void spec_apply(struct spec *s, const struct spec_call *c, u64 bytes, int err);

/* May the function allocate memory? */
bool spec_allocates(enum spec_fn fn);
/* The range that a call is about; false if its arguments describe none. */
bool spec_call_range(const struct spec_call *c, u64 *first, u64 *last);
/* Bytes that are mapped: io_pgtable_safe_mapped(). */
u64 spec_mapped(const struct spec *s);
/* May io_pgtable_safe_kept() be anything but 0? */
bool spec_may_keep(const struct spec *s);

/* The first element that ends at @iova or behind it. */
unsigned int spec_find(const struct spec_set *set, u64 iova);
/* The first element that begins behind @last. */
unsigned int spec_find_behind(const struct spec_set *set, u64 last);

static inline u64 spec_leaf_last(const struct spec_leaf *leaf)
{
	return leaf->iova + leaf->size - 1;
}

#endif /* _IO_PGTABLE_SAFE_KUNIT_SPEC_H */
