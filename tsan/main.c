// SPDX-License-Identifier: GPL-2.0
/*
 * Threads on one ledger, in user space, for ThreadSanitizer: the unmodified source,
 * and a shadow as the judge.
 *
 * The shadow has a cell for each granule, and no lock: only who has claimed a
 * granule touches its cell. So two claims of one granule are a data race as well
 * as a wrong cell.
 */
#include <stdio.h>
#include <stdlib.h>

#include "shim.h"
#include "../core/ledger.c"

/* Granules of the address space */
#define CELLS	BIT(20)

/**
 * struct geometry - A page table.
 * @name: For messages.
 * @granule: log2 of the smallest leaf.
 * @width: log2 of the entries of a table.
 * @levels: Levels of tables at most, or 0.
 * @leaves: log2 of the sizes of leaves, smallest first.
 */
struct geometry {
	const char *name;
	unsigned int granule;
	unsigned int width;
	unsigned int levels;
	unsigned int leaves[6];
};

static const struct geometry geometries[] = {
	{ "4K 2M 1G", 12, 9, 0, { 12, 21, 30 } },
	{ "4K 64K 2M 32M 1G", 12, 9, 0, { 12, 16, 21, 25, 30 } },
	{ "16K 2M 32M 1G", 14, 11, 0, { 14, 21, 25, 30 } },
	{ "64K 2M 512M 16G", 16, 13, 0, { 16, 21, 29, 34 } },
	{ "4K 64K 1M 16M", 12, 8, 2, { 12, 16, 20, 24 } },
	{ "4K", 12, 9, 0, { 12 } },
};

static const struct geometry *geometry;
static struct ledger ledger;
/* log2 of the leaf that begins or goes on in each granule, or 0 */
static u8 shadow[CELLS];
static unsigned int rounds = 20000;

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", geometry->name, what);
	abort();
}

static void expect(bool right, const char *what)
{
	if (!right)
		fail(what);
}

/* --- random numbers ------------------------------------------------------- */

static __thread u64 state;

static u32 rnd(u32 below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 32) * below >> 32;
}

bool shim_fails(void)
{
	return !rnd(16);
}

static unsigned int rnd_leaf(void)
{
	unsigned int n = 0;

	while (n < ARRAY_SIZE(geometry->leaves) && geometry->leaves[n])
		n++;
	return geometry->leaves[rnd(n)];
}

/* A few leaves of one size that lie where others are, too */
static bool rnd_range(unsigned int shift, u64 *first, u64 *last)
{
	u64 space = (u64)CELLS << geometry->granule, places = space >> shift;
	u64 size = (u64)(1 + (rnd(4) ? rnd(4) : rnd(700))) << shift;
	/* Not far from the middle of it, where nodes of all levels meet */
	u64 near = rnd(2) ? 24 : 600;

	*first = places > 2 * near ? places / 2 - near + rnd(2 * near) : rnd(places);
	*first <<= shift;
	*last = *first + size - 1;
	return *last < space && size >> geometry->granule <= 1 << 16;
}

/* --- the shadow ----------------------------------------------------------- */

static void set_cells(u64 first, u64 last, unsigned int shift)
{
	memset(&shadow[first >> geometry->granule], shift,
	       (last >> geometry->granule) - (first >> geometry->granule) + 1);
}

static unsigned int cell(u64 off)
{
	return shadow[off >> geometry->granule];
}

static void expect_free(u64 first, u64 last)
{
	u64 off;

	for (off = first; off < last; off += BIT_ULL(geometry->granule))
		expect(!cell(off), "claimed for a map, but mapped");
}

/* Leaves, and neither end inside of one. Returns how much is mapped */
static u64 expect_leaves(u64 first, u64 last, bool holes)
{
	u64 off = first, size, bytes = 0;

	while (off <= last) {
		size = BIT_ULL(cell(off) ?: geometry->granule);
		expect(holes || cell(off), "claimed for an unmap, but not mapped");
		expect(!(off & (size - 1)) && off + size - 1 <= last, "claimed, but cut");
		bytes += cell(off) ? size : 0;
		off += size;
	}
	return bytes;
}

/* --- operations ----------------------------------------------------------- */

/* In pieces of any sizes, as for a scatter-gather table */
static void try_map(void)
{
	gfp_t gfp = rnd(2) ? GFP_KERNEL : GFP_FAULTY;
	struct ledger_claimed claimed;
	unsigned int shift;
	u64 first, last, pos, end;
	int err = 0;

	if (!rnd_range(rnd_leaf(), &first, &last))
		return;
	err = ledger_claim(&ledger, first, last, LEDGER_MAP, gfp, &claimed);
	expect(!err || err == -EEXIST || err == -EBUSY || err == -ENOMEM, "error of a map");
	if (err)
		return;
	expect_free(first, last);
	for (pos = first; pos <= last && !err; pos = end + 1) {
		do
			shift = rnd(3) ? geometry->granule : rnd_leaf();
		while (pos & (BIT_ULL(shift) - 1) || last - pos < BIT_ULL(shift) - 1);
		end = pos + BIT_ULL(shift) - 1;
		while (rnd(16) && last - end >= BIT_ULL(shift))
			end += BIT_ULL(shift);
		/* Sometimes it is recorded in another way first */
		if (!rnd(8))
			err = ledger_record(&ledger, pos, end, geometry->granule, gfp);
		if (!err)
			err = ledger_record(&ledger, pos, end, shift, gfp);
		if (err)
			break;
		set_cells(pos, end, shift);
	}
	if (pos <= last || !rnd(4)) {
		set_cells(first, last, 0);
		ledger_settle(&ledger, first, last, LEDGER_FREED);
		return;
	}
	ledger_settle(&ledger, first, last, LEDGER_MAPPED);
}

static void hold_map(void)
{
	unsigned int shift = rnd_leaf();
	struct ledger_held p;
	u64 first, last;

	if (!rnd_range(shift, &first, &last) ||
	    !ledger_hold(&ledger, first, last, shift, LEDGER_MAP, GFP_FAULTY, &p))
		return;
	expect_free(first, last);
	if (!rnd(4)) {
		ledger_release(&p);
		return;
	}
	set_cells(first, last, shift);
	if (rnd(2)) {
		ledger_release_map(&p, false);
		return;
	}
	ledger_release_map(&p, true);
	ledger_settle(&ledger, first, last, LEDGER_MAPPED);
}

static void try_unmap(void)
{
	struct ledger_claimed claimed;
	u64 first, last;
	int err;

	if (!rnd_range(rnd_leaf(), &first, &last))
		return;
	err = ledger_claim(&ledger, first, last, LEDGER_UNMAP, 0, &claimed);
	expect(!err || err == -ENOENT || err == -EBUSY || err == -ENOTBLK, "error of an unmap");
	if (err)
		return;
	expect_leaves(first, last, false);
	if (!rnd(4)) {
		ledger_settle(&ledger, first, last, LEDGER_MAPPED);
		return;
	}
	set_cells(first, last, 0);
	ledger_settle(&ledger, first, last, LEDGER_UNMAPPED);
}

static void hold_unmap(void)
{
	struct ledger_held p;
	unsigned int shift = rnd_leaf();
	u64 first, last;

	if (!rnd_range(shift, &first, &last) ||
	    !ledger_hold(&ledger, first, last, shift, LEDGER_UNMAP, 0, &p))
		return;
	expect_leaves(first, last, false);
	set_cells(first, last, 0);
	if (rnd(2)) {
		ledger_release_unmap(&p, false);
		return;
	}
	ledger_release_unmap(&p, true);
	ledger_settle(&ledger, first, last, LEDGER_UNMAPPED);
}

static void try_unmap_present(void)
{
	struct ledger_closed closed;
	u64 first, last, a, b, pos, bytes = 0;
	struct ledger_claimed claimed;
	int err;

	if (!rnd_range(rnd_leaf(), &first, &last))
		return;
	closed.first = first;
	closed.last = last;
	if (ledger_close(&ledger, &closed))
		return;
	err = ledger_claim(&ledger, first, last, LEDGER_PRESENT, 0, &claimed);
	expect(!err || err == -EBUSY || err == -ENOTBLK, "error of an unmap_present");
	if (!err) {
		for (pos = first; ledger_next_extent(&ledger, pos, last, true, &a, &b);
		     pos = b + 1) {
			bytes += b - a + 1;
			if (b == last)
				break;
		}
		expect(bytes == expect_leaves(first, last, true), "extents of a claimed range");
		for (pos = first; ledger_next_extent(&ledger, pos, last, true, &a, &b);) {
			set_cells(a, b, 0);
			ledger_settle(&ledger, a, b, LEDGER_UNMAPPED);
			if (b == last)
				break;
			pos = b + 1;
		}
	}
	ledger_open(&ledger, &closed);
}

/* Claim a leaf, divide it and take a part out, or put it back as it was */
static void try_cut(void)
{
	u64 first, last, off, a, b, pos, end;
	gfp_t gfp = rnd(2) ? GFP_KERNEL : GFP_FAULTY;
	unsigned int shift, smaller = geometry->granule;
	struct ledger_claimed claimed;
	struct ledger_held p;
	int err;

	if (!rnd_range(rnd_leaf(), &off, &last))
		return;
	if (ledger_hold_leaf(&ledger, off, &first, &last, &p))
		return;
	shift = cell(first);
	expect(last - first + 1 == BIT_ULL(shift), "bounds of a leaf");
	ledger_release(&p);
	if (shift == geometry->granule ||
	    ledger_claim(&ledger, first, last, LEDGER_UNMAP, 0, &claimed))
		return;
	expect_leaves(first, last, false);
	shift = cell(first);
	if (last - first + 1 != BIT_ULL(shift)) {
		/* Another one by now */
		ledger_settle(&ledger, first, last, LEDGER_MAPPED);
		return;
	}
	err = ledger_record(&ledger, first, last, ledger_slot_shift(&ledger, shift), 0);
	a = first + ((u64)rnd(1 << 8) << (shift - 8 > smaller && shift > 8 ? shift - 8 : smaller));
	a = min(a & ~(BIT_ULL(smaller) - 1), last & ~(BIT_ULL(smaller) - 1));
	b = a + BIT_ULL(smaller) - 1;
	for (pos = first; pos <= last && !err; pos = end + 1) {
		unsigned int s, n = 0;

		for (s = smaller; n < ARRAY_SIZE(geometry->leaves) && geometry->leaves[n]; n++) {
			u64 size = BIT_ULL(geometry->leaves[n]);

			if (geometry->leaves[n] < shift && !(pos & (size - 1)) &&
			    last - pos >= size - 1 && (pos > b || pos + size - 1 < a))
				s = geometry->leaves[n];
		}
		end = pos + BIT_ULL(s) - 1;
		err = ledger_record(&ledger, pos, end, s, gfp);
		if (!err)
			set_cells(pos, end, s);
	}
	if (err || !rnd(3)) {
		set_cells(first, last, shift);
		expect(!ledger_record(&ledger, first, last, shift, 0), "a leaf put back");
		ledger_settle(&ledger, first, last, LEDGER_MAPPED);
		return;
	}
	set_cells(a, b, 0);
	ledger_settle(&ledger, a, b, LEDGER_FREED);
	if (a > first)
		ledger_settle(&ledger, first, a - 1, LEDGER_MAPPED);
	if (b < last)
		ledger_settle(&ledger, b + 1, last, LEDGER_MAPPED);
}

static void look(void)
{
	u64 first, last, a, b;
	int err;

	if (!rnd_range(rnd_leaf(), &first, &last))
		return;
	a = first;
	b = last;
	err = ledger_widen(&ledger, &a, &b);
	expect(!err || err == -EBUSY, "error of widen");
	expect(a <= first && b >= last, "widened range");
	if (ledger_next_extent(&ledger, first, last, false, &a, &b))
		expect(a >= first && a <= b && b <= last, "next extent");
}

static void *run(void *seed)
{
	unsigned int i;

	state = (u64)(uintptr_t)seed * 0x9e3779b97f4a7c15ULL;
	for (i = 0; i < rounds; i++) {
		switch (rnd(16)) {
		case 0 ... 2:
			try_map();
			break;
		case 3 ... 5:
			hold_map();
			break;
		case 6 ... 7:
			try_unmap();
			break;
		case 8 ... 9:
			hold_unmap();
			break;
		case 10 ... 12:
			try_unmap_present();
			break;
		case 13 ... 14:
			try_cut();
			break;
		default:
			look();
		}
	}
	return NULL;
}

/* --- afterwards ----------------------------------------------------------- */

/* With nobody else about, the ledger and the shadow are the same */
static void compare(void)
{
	u64 space = (u64)CELLS << geometry->granule, pos = 0, a, b, first, last, bytes = 0;
	struct ledger_held p;

	while (pos < space) {
		if (!ledger_next_extent(&ledger, pos, space - 1, false, &a, &b)) {
			a = space;
			b = space;
		}
		expect_free(pos, a);
		for (; a < b; a = last + 1) {
			expect(!ledger_hold_leaf(&ledger, a, &first, &last, &p), "a leaf");
			ledger_release(&p);
			expect(first == a && last - first + 1 == BIT_ULL(cell(a) & 63), "its size");
			bytes += last - first + 1;
		}
		pos = b + 1;
	}
	expect(ledger_mapped(&ledger) == bytes, "bytes in the end");
}

static void open_ledger(void)
{
	memset(&ledger, 0, sizeof(ledger));
	memset(shadow, 0, sizeof(shadow));
	expect(!ledger_init(&ledger, geometry->granule, geometry->width,
			    geometry->granule + 20, geometry->levels), "init");
}

static void use_threads(unsigned int threads)
{
	pthread_t thread[8];
	unsigned int i;

	open_ledger();
	for (i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, run,
			       (void *)(uintptr_t)(state + threads * 8 + i + 1));
	for (i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	compare();
	ledger_destroy(&ledger);
}

/* Whatever is mapped in a range once, a reservation has the nodes for it */
static void use_reservation(void)
{
	struct ledger_spares spares = { 0 };
	struct ledger_claimed claimed;
	unsigned int shift, i;
	u64 first, last, a, b, n;

	open_ledger();
	do
		shift = rnd_leaf();
	while (!rnd_range(shift, &first, &last));
	for (n = ledger_count_chunks(&ledger, first, last); n; n--)
		expect(!ledger_reserve(&ledger, &spares, GFP_KERNEL), "a reservation");
	ledger_attach(&ledger, &spares);
	for (i = 0; i < 400; i++) {
		shift = rnd(2) ? geometry->granule : rnd_leaf();
		a = first + ((u64)rnd(min((last - first) >> shift, 5000) + 1) << shift);
		a &= ~(BIT_ULL(shift) - 1);
		b = a + ((u64)(1 + rnd(40)) << shift) - 1;
		if (a < first || b > last ||
		    ledger_claim(&ledger, a, b, LEDGER_MAP, IO_PGTABLE_SAFE_RESERVED, &claimed))
			continue;
		expect(!ledger_record(&ledger, a, b, shift, IO_PGTABLE_SAFE_RESERVED),
		       "the reservation is not enough");
		ledger_settle(&ledger, a, b, LEDGER_MAPPED);
		set_cells(a, b, shift);
	}
	compare();
	ledger_attach(&ledger, NULL);
	ledger_free_chunks(&spares.chunk);
	ledger_destroy(&ledger);
}

int main(int argc, char **argv)
{
	unsigned int threads, i;

	state = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	if (argc > 2)
		rounds = strtoul(argv[2], NULL, 0);
	for (i = 0; i < ARRAY_SIZE(geometries); i++) {
		geometry = &geometries[i];
		for (threads = 1; threads <= 8; threads *= 2)
			use_threads(threads);
		for (threads = 0; threads < 6; threads++)
			use_reservation();
		printf("ok %s\n", geometry->name);
	}
	return 0;
}
