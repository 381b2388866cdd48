/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random calls, most of them near the places where faults live.
 */
#ifndef _IO_PGTABLE_SAFE_KUNIT_DICE_H
#define _IO_PGTABLE_SAFE_KUNIT_DICE_H

#include <linux/prandom.h>

#include "client.h"

#define DICE_PLACES	12

/**
 * struct dice - A client that leaves it to chance what it does.
 * @c: The client.
 * @rnd: Where the numbers come from.
 * @first: The first byte that it works on.
 * @span: Bytes from there on, minus one; all ones.
 * @place: Addresses that it comes back to.
 * @pages: The page sizes.
 * @nr_pages: Their number.
 * @many: With more leaves than this it unmaps much.
 * @piece: Entries of a scatter-gather table.
 */
struct dice {
	struct client c;
	struct rnd_state rnd;
	u64 first;
	u64 span;
	u64 place[DICE_PLACES];
	u64 pages[8];
	unsigned int nr_pages;
	unsigned int many;
	struct spec_piece piece[CLIENT_PIECES];
};

u32 dice_below(struct dice *d, u32 n);

/* For the table that the client has open, and what of it is the client's. */
void dice_prepare(struct dice *d);
/* Choose a call; call->fn is SPEC_NUM_FNS if what was chosen is done already. */
void dice_call(struct dice *d, struct spec_call *call);
/* Make one, and look at the whole table now and then. */
void dice_step(struct dice *d);

#endif /* _IO_PGTABLE_SAFE_KUNIT_DICE_H */
