// SPDX-License-Identifier: GPL-2.0
/*
 * The ledger on its own: a claim and its commit, with nothing mapped in between.
 * What they are of the cost of a checked call.
 */
#include <linux/slab.h>

#include "batch.h"
#include "bench.h"
#include "io_pgtable_safe_compat.h"
#include "io_pgtable_safe_ledger.h"

int bench_ledger_create(struct bench_table *t, unsigned long pgsizes,
			unsigned int bits)
{
	int err;

	t->ledger = kzalloc_obj(*t->ledger);
	if (!t->ledger)
		return -ENOMEM;
	err = ledger_init(t->ledger, pgsizes, bits);
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

	return ledger_next_extent(t->ledger, iova, iova, &first, &last);
}

static __always_inline int ledger_alone_map(struct bench_table *t,
					    const struct bench_batch *b, u64 iova)
{
	struct ledger_claim claim __uninitialized;
	u64 last = iova + b->size - 1;
	struct ledger *l = t->ledger;
	unsigned long flags;
	int err;

	spin_lock_irqsave(&l->lock, flags);
	claim.op = ledger_quick_map(l, iova, b->size, b->shift);
	if (likely(claim.op)) {
		spin_unlock_irqrestore(&l->lock, flags);
		ledger_leave(claim.op, LEDGER_IDLE);
		return 0;
	}
	err = ledger_claim_map(l, &claim, iova, last, b->shift, flags);
	if (err)
		return err;
	err = ledger_window(l, &claim, iova, last, b->shift, b->gfp);
	ledger_commit_map(l, &claim, err ? 0 : b->size, 0);
	return err;
}

BENCH_BATCH(ledger_alone_map)

static __always_inline int ledger_alone_unmap(struct bench_table *t,
					      const struct bench_batch *b, u64 iova)
{
	struct ledger_claim claim __uninitialized;
	u64 last = iova + b->size - 1;
	unsigned int shift = b->shift;
	struct ledger *l = t->ledger;
	unsigned long flags;
	int err;

	spin_lock_irqsave(&l->lock, flags);
	claim.op = ledger_quick_unmap(l, iova, b->size, shift);
	if (likely(claim.op)) {
		spin_unlock_irqrestore(&l->lock, flags);
		ledger_leave(claim.op, LEDGER_UNMAPPED);
		return 0;
	}
	err = ledger_claim_unmap(l, &claim, iova, last, &shift, flags);
	if (!err)
		ledger_commit_unmap(l, &claim, b->size, b->size);
	return err;
}

BENCH_BATCH(ledger_alone_unmap)

const struct bench_variant bench_ledger_alone = {
	.name = "ledger alone", .kind = BENCH_LEDGER,
	.map = ledger_alone_map_batch, .unmap = ledger_alone_unmap_batch,
};
