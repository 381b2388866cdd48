// SPDX-License-Identifier: GPL-2.0
/*
 * The contract, function by function. See spec.h.
 */
#include <linux/bitmap.h>
#include <linux/bug.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/string.h>

#include "spec.h"

/* "More than 16384 pages are never asked of the backend at once" */
#define MOST_PAGES	16384

static u64 granule(const struct spec *s)
{
	return s->pgsizes & -s->pgsizes;
}

/* --- sets ------------------------------------------------------------------ */

unsigned int spec_find(const struct spec_set *set, u64 iova)
{
	unsigned int low = 0, high = set->nr, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (spec_leaf_last(&set->leaf[mid]) < iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

unsigned int spec_find_behind(const struct spec_set *set, u64 last)
{
	unsigned int i = spec_find(set, last);

	return i < set->nr && set->leaf[i].iova <= last ? i + 1 : i;
}

static bool is_empty(const struct spec_set *set, u64 first, u64 last)
{
	return spec_find(set, first) == spec_find_behind(set, last);
}

static void append(struct spec_set *set, u64 iova, u64 size, u64 paddr, int prot)
{
	if (WARN_ON_ONCE(set->nr == set->room))
		return;
	set->leaf[set->nr++] = (struct spec_leaf){ iova, size, paddr, prot };
}

/* Elements from first to last go, and what is in scratch takes their place */
static void replace(struct spec *s, struct spec_set *set, u64 first, u64 last)
{
	unsigned int from = spec_find(set, first), to = spec_find_behind(set, last);
	unsigned int n = s->scratch.nr;

	if (WARN_ON_ONCE(set->nr - (to - from) + n > set->room))
		return;
	memmove(&set->leaf[from + n], &set->leaf[to], (set->nr - to) * sizeof(*set->leaf));
	memcpy(&set->leaf[from], s->scratch.leaf, n * sizeof(*set->leaf));
	set->nr += n - (to - from);
}

/* Put into scratch what sticks out of a range, of the elements at its ends */
static void keep_ends(struct spec *s, const struct spec_set *set, u64 first, u64 last,
		      void (*keep)(struct spec *s, const struct spec_leaf *leaf, u64 iova,
				   u64 size))
{
	unsigned int from = spec_find(set, first), to = spec_find_behind(set, last);
	const struct spec_leaf *leaf;

	s->scratch.nr = 0;
	if (from == to)
		return;
	leaf = &set->leaf[from];
	if (leaf->iova < first)
		keep(s, leaf, leaf->iova, first - leaf->iova);
	leaf = &set->leaf[to - 1];
	if (spec_leaf_last(leaf) > last)
		keep(s, leaf, last + 1, spec_leaf_last(leaf) - last);
}

static void keep_range(struct spec *s, const struct spec_leaf *leaf, u64 iova, u64 size)
{
	append(&s->scratch, iova, size, leaf->paddr + (iova - leaf->iova), leaf->prot);
}

static void remove_range(struct spec *s, struct spec_set *set, u64 first, u64 last)
{
	keep_ends(s, set, first, last, keep_range);
	replace(s, set, first, last);
}

static void put_range(struct spec *s, struct spec_set *set, u64 first, u64 last)
{
	remove_range(s, set, first, last);
	s->scratch.nr = 0;
	append(&s->scratch, first, last - first + 1, 0, 0);
	replace(s, set, first, last);
}

static u64 bytes_in(const struct spec_set *set, u64 first, u64 last)
{
	unsigned int i, to = spec_find_behind(set, last);
	u64 bytes = 0;

	for (i = spec_find(set, first); i < to; i++)
		bytes += min(last, spec_leaf_last(&set->leaf[i])) -
			 max(first, set->leaf[i].iova) + 1;
	return bytes;
}

u64 spec_mapped(const struct spec *s)
{
	return bytes_in(&s->leaves, s->first, s->last);
}

/* --- leaves ---------------------------------------------------------------- */

/* As iommu_pgsize() picks it: the largest that size and both addresses allow */
static u64 best_page(const struct spec *s, u64 iova, u64 paddr, u64 size)
{
	unsigned long pgsizes = s->pgsizes;
	u64 best = 0, page;

	for (; pgsizes; pgsizes &= pgsizes - 1) {
		page = pgsizes & -pgsizes;
		if (page <= size && !((iova | paddr) & (page - 1)))
			best = page;
	}
	return best;
}

/* Contiguous memory becomes leaves as large as possible */
static void add_best(struct spec *s, u64 iova, u64 paddr, u64 size, int prot)
{
	u64 page;

	for (; size; size -= page, iova += page, paddr += page) {
		page = best_page(s, iova, paddr, size);
		if (WARN_ON_ONCE(!page))
			return;
		append(&s->scratch, iova, page, paddr, prot);
	}
}

/*
 * What is left of a leaf that is cut. It would have the protection that the call asks
 * for; the client asks for the leaf's own, which is also right if the cut fails.
 */
static void keep_best(struct spec *s, const struct spec_leaf *leaf, u64 iova, u64 size)
{
	add_best(s, iova, leaf->paddr + (iova - leaf->iova), size, leaf->prot);
}

/* Is there a leaf at an end of the range that sticks out? */
static bool cuts_leaf(const struct spec *s, u64 first, u64 last)
{
	unsigned int from = spec_find(&s->leaves, first), to = spec_find_behind(&s->leaves, last);

	return from < to && (s->leaves.leaf[from].iova < first ||
			     spec_leaf_last(&s->leaves.leaf[to - 1]) > last);
}

/* The range rounded out to whole leaves */
static void leaf_span(const struct spec *s, u64 *first, u64 *last)
{
	unsigned int from = spec_find(&s->leaves, *first), to = spec_find_behind(&s->leaves, *last);

	if (from == to)
		return;
	*first = min(*first, s->leaves.leaf[from].iova);
	*last = max(*last, spec_leaf_last(&s->leaves.leaf[to - 1]));
}

/* --- scatter-gather tables ------------------------------------------------- */

/*
 * The next piece of the table that begins *offset bytes into it: neighbours that are
 * contiguous are one. Returns its size, at most this much; 0 at the end of the table.
 */
static u64 next_piece(const struct spec_call *c, u64 offset, u64 size, u64 *paddr)
{
	u64 found = 0, skip = offset;
	unsigned int i;

	for (i = 0; i < c->nr_pieces && found < size; i++) {
		const struct spec_piece *piece = &c->pieces[i];
		u64 addr = piece->paddr + skip, len = piece->size - skip;

		if (piece->size <= skip) {
			skip -= piece->size;
			continue;
		}
		skip = 0;
		if (!found)
			*paddr = addr;
		else if (addr != *paddr + found)
			break;
		found += min(len, size - found);
	}
	return found;
}

/* --- what is wrong with arguments ------------------------------------------ */

static void add_error(struct spec_results *r, int err)
{
	__set_bit(-err, r->errors);
}

static bool has_errors(const struct spec_results *r)
{
	return !bitmap_empty(r->errors, 128);
}

static void address_errors(u64 addr, u64 size, u64 align, u64 first, u64 last,
			   struct spec_results *r)
{
	u64 end = addr + size - 1;

	if (!size || ((addr | size) & (align - 1)))
		add_error(r, -EINVAL);
	if (addr < first || addr > last)
		add_error(r, -ERANGE);
	if (size && end < addr)
		add_error(r, -EOVERFLOW);
	else if (size && end > last)
		add_error(r, -ERANGE);
}

static void iova_errors(const struct spec *s, u64 iova, u64 size, u64 align,
			struct spec_results *r)
{
	address_errors(iova, size, align, s->first, s->last, r);
}

static void paddr_errors(const struct spec *s, u64 paddr, u64 size, u64 align,
			 struct spec_results *r)
{
	address_errors(paddr, size, align, 0, s->paddr_last, r);
}

static bool is_page_size(const struct spec *s, u64 pgsize)
{
	return (pgsize & s->pgsizes) && !(pgsize & (pgsize - 1));
}

static bool takes_pages(enum spec_fn fn)
{
	return fn == SPEC_TRY_MAP_PAGES || fn == SPEC_MAP_PAGES || fn == SPEC_UNMAP_PAGES;
}

static bool maps(enum spec_fn fn)
{
	return fn <= SPEC_MAP_REPEAT;
}

bool spec_allocates(enum spec_fn fn)
{
	return maps(fn) || fn == SPEC_CUT || fn == SPEC_RESERVE;
}

/* If page size times count does not fit, it is larger than all there is */
static u64 call_size(const struct spec_call *c)
{
	u64 size;

	if (c->fn == SPEC_LOOKUP || c->fn == SPEC_WALK)
		return 1;
	if (!takes_pages(c->fn))
		return c->size;
	if (check_mul_overflow((u64)c->pgsize, (u64)c->pgcount, &size))
		return -(u64)c->pgsize;
	return size;
}

bool spec_call_range(const struct spec_call *c, u64 *first, u64 *last)
{
	u64 size = call_size(c);

	*first = c->iova;
	*last = c->iova + size - 1;
	return size && *last >= *first;
}

static u64 call_align(const struct spec *s, const struct spec_call *c)
{
	if (c->fn == SPEC_LOOKUP || c->fn == SPEC_WALK)
		return 1;
	return takes_pages(c->fn) && is_page_size(s, c->pgsize) ? c->pgsize : granule(s);
}

static void page_errors(const struct spec *s, const struct spec_call *c,
			struct spec_results *r)
{
	u64 size;

	if (!takes_pages(c->fn))
		return;
	if (!is_page_size(s, c->pgsize) || !c->pgcount)
		add_error(r, -EINVAL);
	if (check_mul_overflow((u64)c->pgsize, (u64)c->pgcount, &size))
		add_error(r, -EOVERFLOW);
}

static bool is_reserved(gfp_t gfp)
{
	return (gfp & IO_PGTABLE_SAFE_RESERVED) == IO_PGTABLE_SAFE_RESERVED;
}

static void reserved_errors(const struct spec *s, u64 first, u64 last,
			    struct spec_results *r)
{
	if (first < s->attached->first || last > s->attached->last || last < first)
		add_error(r, -ERANGE);
}

static void gfp_errors(const struct spec *s, const struct spec_call *c,
		       struct spec_results *r)
{
	u64 first, last;

	if (!spec_allocates(c->fn))
		return;
	if (c->gfp & (__GFP_COMP | GFP_ZONEMASK))
		add_error(r, -EINVAL);
	if (!is_reserved(c->gfp))
		return;
	/* Alone, and not to reserve more */
	if (c->fn == SPEC_RESERVE || c->gfp != IO_PGTABLE_SAFE_RESERVED || !s->attached) {
		add_error(r, -EINVAL);
		return;
	}
	spec_call_range(c, &first, &last);
	reserved_errors(s, first, last, r);
}

static void sg_errors(const struct spec *s, const struct spec_call *c, struct spec_results *r)
{
	u64 done, size, paddr;

	if (c->which != IO_PGTABLE_SAFE_SG_CPU && c->which != IO_PGTABLE_SAFE_SG_DMA)
		add_error(r, -EINVAL);
	for (done = 0; done < c->size; done += size) {
		size = next_piece(c, c->offset + done, c->size - done, &paddr);
		if (!size) {
			/* The table is too short */
			add_error(r, -EINVAL);
			return;
		}
		paddr_errors(s, paddr, size, granule(s), r);
	}
}

static void prot_errors(const struct spec *s, const struct spec_call *c, struct spec_results *r)
{
	if (!(c->prot & (IOMMU_READ | IOMMU_WRITE)))
		add_error(r, -EINVAL);
	if (!(c->prot & IOMMU_READ) && s->write_implies_read)
		add_error(r, -EINVAL);
}

/* From the start of the block to the last byte of it that is mapped */
static u64 repeated_bytes(const struct spec_call *c)
{
	return c->size <= c->block - c->phase ? c->phase + c->size : c->block;
}

static void map_errors(const struct spec *s, const struct spec_call *c, struct spec_results *r)
{
	if (c->fn == SPEC_MAP_SGTABLE)
		sg_errors(s, c, r);
	else if (c->fn == SPEC_MAP_REPEAT &&
		 (c->phase >= c->block || (c->block | c->phase) & (granule(s) - 1)))
		add_error(r, -EINVAL);
	else if (c->fn == SPEC_MAP_REPEAT)
		paddr_errors(s, c->paddr, repeated_bytes(c), granule(s), r);
	else
		paddr_errors(s, c->paddr, call_size(c), call_align(s, c), r);
}

static bool takes_flags(enum spec_fn fn)
{
	return fn >= SPEC_UNMAP_PAGES && fn <= SPEC_CUT;
}

/* Where several arguments are bad, any of the errors is right */
static void argument_errors(const struct spec *s, const struct spec_call *c,
			    struct spec_results *r)
{
	page_errors(s, c, r);
	iova_errors(s, c->iova, c->fn == SPEC_NEXT ? granule(s) : call_size(c),
		    call_align(s, c), r);
	gfp_errors(s, c, r);
	if (maps(c->fn) || c->fn == SPEC_CUT)
		prot_errors(s, c, r);
	if (maps(c->fn))
		map_errors(s, c, r);
	if (takes_flags(c->fn) && (c->flags & ~IO_PGTABLE_SAFE_NO_FLUSH))
		add_error(r, -EINVAL);
	if (c->fn == SPEC_RESERVE && !s->own_tables)
		add_error(r, -EOPNOTSUPP);
	if (c->fn == SPEC_WALK && !s->walks)
		add_error(r, -EOPNOTSUPP);
}

/* --- results --------------------------------------------------------------- */

static void succeeds(struct spec_results *r, u64 least, u64 most, u64 step)
{
	r->success = true;
	r->least = least;
	r->most = most;
	r->step = step;
}

/*
 * A reservation pays for each byte of its range, until one is unmapped that it has paid
 * for. Other memory may be short, and then some calls can do without.
 */
static bool memory_may_be_short(const struct spec *s, const struct spec_call *c)
{
	if (!is_reserved(c->gfp))
		return c->no_memory;
	return s->attached->is_short;
}

static void map_results(const struct spec *s, const struct spec_call *c,
			struct spec_results *r)
{
	u64 first, last, size, pages;

	spec_call_range(c, &first, &last);
	size = last - first + 1;
	if (!is_empty(&s->leaves, first, last)) {
		add_error(r, -EEXIST);
		return;
	}
	if (memory_may_be_short(s, c)) {
		add_error(r, -ENOMEM);
		r->part = c->fn == SPEC_TRY_MAP_PAGES;
	}
	if (takes_pages(c->fn)) {
		/* A backend call maps as much as it likes, but something */
		pages = min_t(u64, c->pgcount, MOST_PAGES);
		succeeds(r, c->pgsize, pages * c->pgsize, c->pgsize);
	} else {
		succeeds(r, size, size, 1);
	}
}

static void unmap_results(const struct spec *s, const struct spec_call *c,
			  struct spec_results *r)
{
	u64 first, last, mapped;
	bool hole, cut;

	spec_call_range(c, &first, &last);
	mapped = bytes_in(&s->leaves, first, last);
	hole = mapped != last - first + 1;
	cut = cuts_leaf(s, first, last);

	if (c->fn != SPEC_UNMAP_PRESENT && hole)
		add_error(r, -ENOENT);
	/* Where there is a hole and a leaf that is cut it may be either */
	if (c->fn != SPEC_CUT && cut)
		add_error(r, -ENOTBLK);
	if (c->fn == SPEC_CUT && cut && is_reserved(c->gfp)) {
		leaf_span(s, &first, &last);
		reserved_errors(s, first, last, r);
	}
	if (has_errors(r))
		return;
	if (c->fn == SPEC_CUT && cut && memory_may_be_short(s, c))
		add_error(r, -ENOMEM);
	succeeds(r, mapped, mapped, 1);
}

/* A table for each piece of the range that one can describe, and what else it takes */
static void reserve_results(const struct spec *s, const struct spec_call *c,
			    struct spec_results *r)
{
	u64 bytes = div64_u64(c->size, granule(s) / 8);

	if (bytes > s->ram / 64 || c->no_memory)
		add_error(r, -ENOMEM);
	if (bytes <= s->ram)
		succeeds(r, 0, 0, 1);
}

static void question_results(const struct spec *s, const struct spec_call *c,
			     struct spec_results *r)
{
	unsigned int i = spec_find(&s->leaves, c->iova);
	const struct spec_leaf *leaf = &s->leaves.leaf[i];
	u64 first = c->iova, last;

	if (c->fn == SPEC_LEAF_SPAN) {
		spec_call_range(c, &first, &last);
		leaf_span(s, &first, &last);
		r->span = (struct io_pgtable_safe_span){ first, last - first + 1 };
	} else if (i == s->leaves.nr || (c->fn != SPEC_NEXT && leaf->iova > c->iova)) {
		add_error(r, -ENOENT);
		return;
	} else if (c->fn == SPEC_LOOKUP) {
		r->span = (struct io_pgtable_safe_span){
			leaf->iova, leaf->size, leaf->paddr, leaf->size
		};
	} else if (c->fn == SPEC_NEXT) {
		first = max(first, leaf->iova);
		last = spec_leaf_last(leaf);
		while (++i < s->leaves.nr && (++leaf)->iova == last + 1)
			last = spec_leaf_last(leaf);
		r->span = (struct io_pgtable_safe_span){ first, last - first + 1 };
	}
	succeeds(r, 0, 0, 1);
}

/* Attaching has none of the errors that the others share */
static void attach_results(const struct spec *s, const struct spec_call *c,
			   struct spec_results *r)
{
	if (c->foreign)
		add_error(r, -EINVAL);
	if (s->attached)
		add_error(r, -EBUSY);
	if (!has_errors(r))
		succeeds(r, 0, 0, 1);
}

void spec_results(const struct spec *s, const struct spec_call *c, struct spec_results *r)
{
	memset(r, 0, sizeof(*r));
	if (c->fn == SPEC_ATTACH) {
		attach_results(s, c, r);
		return;
	}
	/* Arguments first: what is mapped does not matter if they are bad */
	argument_errors(s, c, r);
	if (s->broken)
		add_error(r, -EIO);
	if (has_errors(r))
		return;

	if (maps(c->fn))
		map_results(s, c, r);
	else if (takes_flags(c->fn))
		unmap_results(s, c, r);
	else if (c->fn == SPEC_FLUSH)
		succeeds(r, 0, 0, 1);
	else if (c->fn == SPEC_RESERVE)
		reserve_results(s, c, r);
	else
		question_results(s, c, r);
}

bool spec_allows(const struct spec_results *r, u64 bytes, int err)
{
	if (!err)
		return r->success && bytes >= r->least && bytes <= r->most &&
		       !(bytes & (r->step - 1));
	if (err > 0 || err <= -128 || !test_bit(-err, r->errors))
		return false;
	if (err == -ENOMEM && r->part)
		return bytes < r->most && !(bytes & (r->step - 1));
	return !bytes;
}

/* --- states ---------------------------------------------------------------- */

static void map_leaves(struct spec *s, const struct spec_call *c, u64 bytes)
{
	u64 done, part, paddr = c->paddr, phase = c->phase;

	s->scratch.nr = 0;
	for (done = 0; done < bytes; done += part) {
		if (takes_pages(c->fn)) {
			part = c->pgsize;
			append(&s->scratch, c->iova + done, part, c->paddr + done, c->prot);
			continue;
		}
		part = bytes;
		if (c->fn == SPEC_MAP_SGTABLE) {
			part = next_piece(c, c->offset + done, bytes - done, &paddr);
		} else if (c->fn == SPEC_MAP_REPEAT) {
			part = min(c->block - phase, bytes - done);
			paddr = c->paddr + phase;
			phase = 0;
		}
		add_best(s, c->iova + done, paddr, part, c->prot);
	}
	if (bytes)
		replace(s, &s->leaves, c->iova, c->iova + bytes - 1);
}

static void cut_leaves(struct spec *s, u64 first, u64 last)
{
	keep_ends(s, &s->leaves, first, last, keep_best);
	replace(s, &s->leaves, first, last);
}

bool spec_changes(const struct spec_call *c, int err)
{
	return !err || err == -ENOMEM || err == -EIO;
}

/* Tables that are freed now have to wait for a flush */
static void note_unflushed(struct spec *s, const struct spec_call *c, u64 first, u64 last,
			   int err)
{
	/* A cut without callbacks replaces the tables of whole leaves */
	if (c->fn == SPEC_CUT && !s->tlb)
		leaf_span(s, &first, &last);
	if (!err && takes_flags(c->fn) && (c->flags & IO_PGTABLE_SAFE_NO_FLUSH)) {
		s->keeps = !s->tlb;
		put_range(s, &s->unflushed, first, last);
	} else if (s->keeps && (maps(c->fn) || c->fn == SPEC_CUT)) {
		/* Those that blocks have replaced, or that a cleanup has freed */
		put_range(s, &s->unflushed, first, last);
	}
}

/* What a reservation has paid for, and what of that is no longer mapped */
static void note_spent(struct spec *s, const struct spec_call *c, u64 first, u64 last, int err)
{
	struct spec_reserve *r = s->attached;

	if (!r)
		return;
	if (c->fn == SPEC_CUT)
		leaf_span(s, &first, &last);
	if (is_reserved(c->gfp) ? err : !maps(c->fn) && !is_empty(&r->spent, first, last))
		r->is_short = true;
	if (is_reserved(c->gfp))
		put_range(s, &r->spent, first, last);
}

void spec_apply(struct spec *s, const struct spec_call *c, u64 bytes, int err)
{
	u64 first, last;

	if (!spec_changes(c, err))
		return;
	if (c->fn == SPEC_ATTACH) {
		s->attached = c->reserve;
		return;
	}
	spec_call_range(c, &first, &last);
	if (c->fn == SPEC_FLUSH)
		remove_range(s, &s->unflushed, first, last);
	if (!maps(c->fn) && !takes_flags(c->fn))
		return;

	note_spent(s, c, first, last, err);
	note_unflushed(s, c, first, last, err);
	if (maps(c->fn))
		map_leaves(s, c, bytes);
	else if (!err && c->fn == SPEC_CUT)
		cut_leaves(s, first, last);
	else if (!err)
		remove_range(s, &s->leaves, first, last);
}

bool spec_may_keep(const struct spec *s)
{
	return s->own_tables && s->unflushed.nr;
}
