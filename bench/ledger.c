// SPDX-License-Identifier: GPL-2.0
/*
 * The ledger on its own: what a map and an unmap do to it, with nothing mapped in
 * between. What they are of the cost of a checked call.
 */
#include <linux/sizes.h>
#include <linux/slab.h>

#include "batch.h"
#include "bench.h"
#include "io_pgtable_safe_compat.h"
#include "core/ledger.c"

int bench_ledger_create(struct bench_table *t, unsigned long pgsizes,
			unsigned int bits)
{
	unsigned int shift = __ffs(pgsizes);
	int err;

	t->ledger = kzalloc_obj(*t->ledger);
	if (!t->ledger)
		return -ENOMEM;
	/* Of v7s, or of LPAE */
	err = pgsizes & SZ_1M ? ledger_init(t->ledger, shift, 8, bits, 2) :
				ledger_init(t->ledger, shift, shift - 3, bits, 0);
	if (err) {
		kfree(t->ledger);
		t->ledger = NULL;
	}
	return err;
}

void bench_ledger_destroy(struct bench_table *t)
{
	ledger_destroy(t->ledger);
	kfree(t->ledger);
}

bool bench_ledger_has(struct bench_table *t, u64 iova)
{
	u64 first, last;

	return ledger_next_extent(t->ledger, iova, iova, false, &first, &last);
}

static __always_inline int ledger_alone_map(struct bench_table *t,
					    const struct bench_batch *b, u64 iova)
{
	u64 last = iova + b->size - 1;
	struct ledger *l = t->ledger;
	struct ledger_claimed claimed;
	struct ledger_held piece;
	int err;

	if (likely(ledger_hold(l, iova, last, b->shift, LEDGER_MAP, b->gfp, &piece))) {
		ledger_release_map(&piece, false);
		return 0;
	}
	err = ledger_claim(l, iova, last, LEDGER_MAP, b->gfp, &claimed);
	if (err)
		return err;
	err = ledger_record(l, iova, last, b->shift, b->gfp);
	ledger_settle(l, iova, last, err ? LEDGER_FREED : LEDGER_MAPPED);
	return err;
}

BENCH_BATCH(ledger_alone_map)

static __always_inline int ledger_alone_unmap(struct bench_table *t,
					      const struct bench_batch *b, u64 iova)
{
	u64 last = iova + b->size - 1;
	struct ledger *l = t->ledger;
	struct ledger_claimed claimed;
	struct ledger_held piece;
	int err;

	if (likely(ledger_hold(l, iova, last, b->shift, LEDGER_UNMAP, 0, &piece))) {
		ledger_release_unmap(&piece, false);
		return 0;
	}
	err = ledger_claim(l, iova, last, LEDGER_UNMAP, 0, &claimed);
	if (!err)
		ledger_settle(l, iova, last, LEDGER_UNMAPPED);
	return err;
}

BENCH_BATCH(ledger_alone_unmap)

const struct bench_variant bench_ledger_alone = {
	.name = "ledger alone", .kind = BENCH_LEDGER,
	.map = ledger_alone_map_batch, .unmap = ledger_alone_unmap_batch,
};
