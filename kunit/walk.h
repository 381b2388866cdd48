/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page tables as the hardware reads them: from the registers that a granted
 * configuration stands for, and from the architectures' definitions of the
 * descriptors. Nothing here is shared with io-pgtable or with the module, so that
 * neither is judged by its own opinion.
 */
#ifndef _IO_PGTABLE_SAFE_KUNIT_WALK_H
#define _IO_PGTABLE_SAFE_KUNIT_WALK_H

#include <linux/io-pgtable.h>
#include <linux/types.h>

/**
 * struct walk_leaf - A page or block that the hardware would find.
 * @iova: Its first byte, sign-extended as TTBR1 wants it.
 * @size: Its size in bytes.
 * @paddr: The physical address that @iova translates to.
 * @prot: IOMMU_* flags, as far as the format can express them: compare with
 *	walk_prot().
 */
struct walk_leaf {
	u64 iova;
	u64 size;
	u64 paddr;
	int prot;
};

/**
 * struct walk_table - A table that the hardware would find by a descriptor.
 * @iova: The first byte that the table describes.
 * @size: Bytes that it describes.
 * @table: Where it is.
 * @level: Its level in the words of its architecture: LPAE 0 to 3, v7s 1 and 2,
 *	DART 0 for what a TTBR points to.
 *
 * Tables that a register points to are not among them.
 */
struct walk_table {
	u64 iova;
	u64 size;
	phys_addr_t table;
	unsigned int level;
};

/**
 * struct walk_visitor - What to do with what is found.
 * @leaf: Called for each leaf. Returns false to end the walk. May be NULL.
 * @table: Called for each table, before what it describes. May be NULL.
 * @bad: Called for the entry that a walk fails for. May be NULL.
 */
struct walk_visitor {
	bool (*leaf)(void *ctx, const struct walk_leaf *leaf);
	bool (*table)(void *ctx, const struct walk_table *table);
	void (*bad)(void *ctx, u64 iova, u64 entry, const char *why);
};

int walk_range(enum io_pgtable_fmt fmt, const struct io_pgtable_cfg *granted,
	       u64 first, u64 last, const struct walk_visitor *v, void *ctx);
int walk_prot(enum io_pgtable_fmt fmt, unsigned long quirks, int prot);

/* --- for the walkers themselves ------------------------------------------- */

/* What their functions return, besides errors, when a visitor ended the walk. */
#define WALK_END 1

/**
 * struct walk - One walk.
 * @fmt: The format.
 * @cfg: The granted configuration.
 * @first: First byte to look at.
 * @last: Last byte to look at.
 * @v: Who is told.
 * @ctx: For the visitor.
 */
struct walk {
	enum io_pgtable_fmt fmt;
	const struct io_pgtable_cfg *cfg;
	u64 first;
	u64 last;
	const struct walk_visitor *v;
	void *ctx;
};

int walk_bad(const struct walk *w, u64 iova, u64 entry, const char *why);
int walk_found_leaf(const struct walk *w, const struct walk_leaf *leaf);
int walk_found_table(const struct walk *w, const struct walk_table *table);
/* Is all of a table in memory that there is? */
bool walk_is_memory(phys_addr_t table, u64 size);

int walk_lpae(const struct walk *w);
int walk_lpae_prot(enum io_pgtable_fmt fmt, int prot);
int walk_v7s(const struct walk *w);
int walk_v7s_prot(unsigned long quirks, int prot);
int walk_dart(const struct walk *w);
int walk_dart_prot(enum io_pgtable_fmt fmt, int prot);

#endif /* _IO_PGTABLE_SAFE_KUNIT_WALK_H */
