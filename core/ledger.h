/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The record of what is mapped in one page table.
 */
#ifndef _IO_PGTABLE_SAFE_CORE_LEDGER_H
#define _IO_PGTABLE_SAFE_CORE_LEDGER_H

#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/stddef.h>
#include <linux/types.h>

#include "io_pgtable_safe.h"

/**
 * DOC: ledger
 *
 * The page table cannot be asked what is mapped: the formats differ, the check
 * must come before the call, and iova_to_phys() costs a walk for each page and
 * says nothing of leaf boundaries. So the layer keeps its own record.
 *
 * It is a radix tree with the levels of the page table: a node for each table, and
 * a slot for each entry. A leaf is a slot, or, where a leaf takes several entries
 * (large pages and supersections of v7s, contiguous entries), a run of slots in one
 * node, aligned to its size. Each slot has two bits:
 *
 * ==  ==  ====================================================================
 * lo  hi  slot
 * ==  ==  ====================================================================
 * 0   0   Free; or divided, if there is a child.
 * 1   0   A leaf starts here.
 * 1   1   A leaf starts here and an operation is under way on it.
 * 0   1   The leaf of the slots before goes on here.
 * ==  ==  ====================================================================
 *
 * Only the start of a leaf says that an operation is under way, so a claim leaves
 * the structure of leaves as it is, every step is one mask operation for a word of
 * slots, and a claim that is refused half-way is undone the same way:
 *
 * =============================  ========================  ====================
 * step                           from                      to
 * =============================  ========================  ====================
 * claim for a map                free                      a leaf under way in
 *                                                          each slot
 * record the leaves of a map     claimed                   lo only at starts
 * settle what was mapped         claimed                   hi off at starts
 * claim for an unmap             leaves, none of them cut  hi on at starts
 * settle what was unmapped       claimed                   both off
 * =============================  ========================  ====================
 *
 * Each node has a lock, and a key that says which range it describes. Whoever
 * wants slots walks down from the root without a lock, locks the node, compares
 * the key, and walks again if it is another, as pte_offset_map_lock() of mm/ does.
 * A node that goes gets no key and stays in the ledger to be used again, at the same
 * level, so a walker may meet a node that is somebody else's, but never freed memory.
 *
 * An operation claims its range piece by piece, in ascending order, with one
 * node's lock at a time; then the backend runs with no lock held; then the range is
 * settled piece by piece. Racers meet at the first slot that they share. A range
 * that lies in one node can also be held: its lock is kept over the call of the
 * backend, as mm/ sets PTEs under the lock of their table.
 *
 * A node stays when its slots become free. It goes when something takes its whole
 * place, which is when io-pgtable frees the table: a block is mapped over it, or
 * an unmap covers it, of leaves or of an empty table (ledger_claim_table()). So the
 * ledger never has more nodes than the page table had tables at the same time.
 *
 * The ledger counts in offsets from the first iova of the address space, and ranges
 * are given by their first and last byte, so that neither the upper half nor the
 * last page needs any thought.
 */

/* Enough for 64 bits and tables of 256 entries; lockdep has as many subclasses */
#define LEDGER_MAX_LEVELS	8
/* Slots whose children are in one group */
#define LEDGER_GROUP_SHIFT	5
#define LEDGER_GROUP		BIT(LEDGER_GROUP_SHIFT)
/* The key of a node that is in no tree: more than any level, and less than any node */
#define LEDGER_NO_KEY		LEDGER_MAX_LEVELS

/**
 * struct ledger_word - The bits of some slots, see above.
 * @lo: Their lo bits.
 * @hi: Their hi bits.
 */
struct ledger_word {
	unsigned long lo;
	unsigned long hi;
};

/**
 * struct ledger_node - The slots of one table.
 * @lock: Protects what follows, and the pointers to children. Taken before that of a
 *	child.
 * @children: Number of its children.
 * @has_table: A leaf has been mapped in it, so the format has a table for it. Else it
 *	may not: the node is made first.
 * @key: Offset of the first byte that it describes, plus its level; or %LEDGER_NO_KEY.
 * @next: The next one that is not in use; under &ledger.lock.
 * @word: The slots.
 *
 * Above the lowest level, pointers to groups of children lie before the node, that of
 * the first group last.
 */
struct ledger_node {
	spinlock_t lock; /* see above */
	u16 children;
	bool has_table;
	u64 key;
	union {
		struct ledger_node *next;
		DECLARE_FLEX_ARRAY(struct ledger_word, word);
	};
};

/**
 * struct ledger_group - Children of some slots of a node.
 * @child: One for each slot, or NULL; written under the node's lock and read without.
 * @next: The next one that is not in use; under &ledger.lock.
 */
struct ledger_group {
	struct ledger_node *child[LEDGER_GROUP];
	struct ledger_group *next;
};

/**
 * struct ledger_chunk - Memory for nodes and groups.
 * @next: The next chunk.
 * @size: Bytes in it.
 * @memory: They are zero at first.
 */
struct ledger_chunk {
	struct ledger_chunk *next;
	size_t size;
	u64 memory[];
};

/**
 * struct ledger_spares - Memory for nodes and groups to come.
 * @chunk: Chunks of which nothing has been taken.
 * @place: Where the rest begins of the one that was begun last, which is the ledger's.
 * @left: Bytes in the rest.
 * @gave: The chunk that a reservation has for the ledger is there.
 */
struct ledger_spares {
	struct ledger_chunk *chunk;
	void *place;
	size_t left;
	bool gave;
};

/**
 * struct ledger_closed - A range whose holes are claimed, too.
 * @first: Offset of the first byte.
 * @last: Offset of the last byte.
 * @next: The next one.
 */
struct ledger_closed {
	u64 first;
	u64 last;
	struct ledger_closed *next;
};

/**
 * struct ledger_level - A level of the tree.
 * @mask: The bytes that a node describes, minus one.
 * @shift: log2 of the bytes of a slot.
 */
struct ledger_level {
	u64 mask;
	u8 shift;
};

/**
 * struct ledger - The record of one page table.
 * @root: The node of the highest level. Never goes.
 * @closed: Ranges that are closed; written under @lock.
 * @levels: Number of levels.
 * @width: log2 of the slots of a node below the root.
 * @top: log2 of the bytes of a slot of the root.
 * @level_of: The level that has leaves of this size, as log2.
 * @level: The levels, from below.
 * @chunk_size: Bytes in a chunk.
 * @lock: Protects the list of @closed and what follows. Innermost.
 * @nodes: For each level, nodes that went.
 * @groups: Groups of such nodes.
 * @chunks: Memory that is or was in the tree, so somebody may be on the way to it.
 * @spares: Memory for more.
 * @reserve: Memory for maps with %IO_PGTABLE_SAFE_RESERVED, or NULL.
 */
struct ledger {
	struct ledger_node *root;
	struct ledger_closed *closed;
	u8 levels;
	u8 width;
	u8 top;
	u8 level_of[64];
	struct ledger_level level[LEDGER_MAX_LEVELS];
	size_t chunk_size;
	spinlock_t lock; /* see above */
	struct ledger_node *nodes[LEDGER_MAX_LEVELS];
	struct ledger_group *groups[LEDGER_MAX_LEVELS];
	struct ledger_chunk *chunks;
	struct ledger_spares spares;
	struct ledger_spares *reserve;
};

/**
 * enum ledger_want - What a range is wanted for.
 * @LEDGER_MAP: It must be free.
 * @LEDGER_UNMAP: It must be full of leaves, none of them cut.
 * @LEDGER_PRESENT: As for an unmap, but there may be holes.
 * @LEDGER_LOOK: Nothing in it may be under way.
 */
enum ledger_want {
	LEDGER_MAP,
	LEDGER_UNMAP,
	LEDGER_PRESENT,
	LEDGER_LOOK,
};

/**
 * enum ledger_outcome - What became of a claimed range.
 * @LEDGER_MAPPED: Its leaves are mapped.
 * @LEDGER_FREED: They are not, and tables may be left.
 * @LEDGER_UNMAPPED: They were unmapped, and tables that they filled were freed.
 */
enum ledger_outcome {
	LEDGER_MAPPED,
	LEDGER_FREED,
	LEDGER_UNMAPPED,
};

/**
 * struct ledger_claimed - What an operation has to know of the range that it claimed.
 * @granule: log2 of a size that no entry in it is smaller than.
 * @largest: log2 of a size that no slot in it is larger than.
 * @tables: It covers all that some table describes.
 */
struct ledger_claimed {
	unsigned int granule;
	unsigned int largest;
	bool tables;
};

/**
 * struct ledger_words - Words of slots, one after the other.
 * @word: The word.
 * @mask: Which of its slots are meant.
 * @left: The last slot meant, counted from the first one of the word.
 */
struct ledger_words {
	struct ledger_word *word;
	unsigned long mask;
	unsigned long left;
};

/**
 * struct ledger_held - Slots of a node whose lock is held over a call of the backend.
 * @node: The node.
 * @words: The slots.
 * @run: For a map: log2 of the slots of a leaf.
 */
struct ledger_held {
	struct ledger_node *node;
	struct ledger_words words;
	unsigned int run;
};

/**
 * struct ledger_piece - A part of a range that one node can answer for.
 * @node: The node, locked.
 * @a: The first slot.
 * @b: The last slot. None has a child.
 * @whole: The piece covers the slots whole; else only a part of slot @a.
 * @first: Offset of the first byte.
 * @end: Offset of the last byte.
 * @next: Offset where the next piece begins, if there is @more.
 * @last: Offset of the last byte of the range.
 * @more: @end is not @last.
 */
struct ledger_piece {
	struct ledger_node *node;
	unsigned long a;
	unsigned long b;
	bool whole;
	u64 first;
	u64 end;
	u64 next;
	u64 last;
	bool more;
};

#endif /* _IO_PGTABLE_SAFE_CORE_LEDGER_H */
