// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is allocated before it is needed, see "Reservations".
 */

/* For a loop that may be long: let others run, and give up if nobody waits for it */
static int give_way(gfp_t gfp)
{
	if (!gfpflags_allow_blocking(gfp))
		return 0;
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : 0;
}

static int reserve_tables(struct io_pgtable_safe_reserve *r, u64 n, size_t size,
			  gfp_t gfp)
{
	struct table_page *p;
	int err;

	for (; n; n--) {
		err = give_way(gfp);
		if (err)
			return err;
		p = table_page_alloc(&r->source, size, gfp);
		if (!p)
			return -ENOMEM;
		p->next = r->tables;
		r->tables = p;
	}
	return 0;
}

static int reserve_chunks(struct io_pgtable_safe_reserve *r, const struct ledger *l, u64 n,
			  gfp_t gfp)
{
	int err = 0;

	for (; n && !err; n--)
		err = give_way(gfp) ?: ledger_reserve(l, &r->ledger, gfp);
	return err;
}

static int fill_reserve(struct io_pgtable_safe *pgt, struct io_pgtable_safe_reserve *r,
			gfp_t gfp)
{
	u64 first = to_offset(pgt, r->first), last = to_offset(pgt, r->last);
	u64 n = table_pages_count(&pgt->tables, first, last);
	int err;

	/* Not even if there were nothing else: do not go and try */
	if (n > (u64)totalram_pages() << PAGE_SHIFT >> pgt->granule_shift)
		return -ENOMEM;
	err = reserve_tables(r, n, pgt->granule, gfp);
	if (err)
		return err;
	n = ledger_count_chunks(&pgt->ledger, first, last);
	return reserve_chunks(r, &pgt->ledger, n, gfp);
}

/**
 * io_pgtable_safe_reserve() - Allocate now what maps in a range may need later.
 * @pgt: The page table.
 * @iova: First byte; aligned to the granule.
 * @size: In bytes; a multiple of the granule.
 * @gfp: For all of it. No zone modifiers.
 *
 * See "Reservations".
 *
 * Context: Process context, atomic sections included; sleeps if @gfp allows it, and
 * then a fatal signal ends it.
 * Return: The reservation, to be given back with io_pgtable_safe_unreserve(), or
 * an ERR_PTR: -EOPNOTSUPP if the format's tables do not come from the layer (v7s,
 * DART, io_pgtable_safe_wrap(); any format of 6.1); -EINVAL for a bad range or
 * bad flags; -ERANGE; -EOVERFLOW; -ENOMEM, at once if it takes more than the
 * machine has; -EINTR; -EIO for a broken table.
 */
struct io_pgtable_safe_reserve *
io_pgtable_safe_reserve(struct io_pgtable_safe *pgt, u64 iova, u64 size, gfp_t gfp)
{
	struct io_pgtable_safe_reserve *r;
	int err;

	if (!pgt->tables.on)
		return ERR_PTR(-EOPNOTSUPP);
	err = check_table(pgt) ?: check_iova(pgt, iova, size, pgt->granule) ?:
	      check_reserve_gfp(gfp);
	if (err)
		return ERR_PTR(err);
	might_alloc(gfp);

	r = kzalloc_obj(*r, gfp);
	if (!r)
		return ERR_PTR(-ENOMEM);
	r->id = pgt->id;
	r->first = iova;
	r->last = iova + size - 1;
	r->source = pgt->tables.source;
	err = fill_reserve(pgt, r, gfp);
	if (err) {
		io_pgtable_safe_unreserve(r);
		return ERR_PTR(err);
	}
	return r;
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_reserve, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_unreserve() - Give back what is left of a reservation.
 * @r: The reservation; NULL and an ERR_PTR are ignored. If it is attached it is
 *	detached first.
 *
 * Also when its page table has been freed. The driver's page allocator must still
 * be there. With __free(io_pgtable_safe_unreserve) it is given back when the
 * pointer goes out of scope.
 *
 * Context: Process context, atomic sections included, as far as the driver's page
 * allocator allows. Must not race with anything that uses @r.
 */
void io_pgtable_safe_unreserve(struct io_pgtable_safe_reserve *r)
{
	struct table_page *p;

	if (IS_ERR_OR_NULL(r))
		return;
	if (r->pgt)
		io_pgtable_safe_reserve_detach(r->pgt);
	while ((p = r->tables)) {
		r->tables = p->next;
		table_page_free(&r->source, p);
	}
	ledger_free_chunks(&r->ledger.chunk);
	kfree(r);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_unreserve, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_reserve_attach() - Let maps take from a reservation.
 * @pgt: The page table that it was made for.
 * @r: The reservation.
 *
 * Context: Process context, atomic sections included.
 * Return: 0; -EINVAL if @r was made for another page table; -EBUSY if @pgt has a
 * reservation attached, this one or another.
 */
int io_pgtable_safe_reserve_attach(struct io_pgtable_safe *pgt,
				   struct io_pgtable_safe_reserve *r)
{
	struct table_pages *t = &pgt->tables;
	bool busy;

	if (r->id != pgt->id)
		return -EINVAL;

	spin_lock(&t->lock);
	busy = pgt->reserve;
	if (!busy) {
		r->pgt = pgt;
		t->reserve = &r->tables;
		ledger_attach(&pgt->ledger, &r->ledger);
		/* From here on maps take from it */
		WRITE_ONCE(pgt->reserve, r);
	}
	spin_unlock(&t->lock);
	return busy ? -EBUSY : 0;
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_reserve_attach, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_reserve_detach() - Let no map take from a reservation any more.
 * @pgt: The page table; nothing happens if no reservation is attached to it.
 *
 * Context: Process context, atomic sections included. Must not race with a
 * map that uses the reservation.
 */
void io_pgtable_safe_reserve_detach(struct io_pgtable_safe *pgt)
{
	struct table_pages *t = &pgt->tables;

	spin_lock(&t->lock);
	ledger_attach(&pgt->ledger, NULL);
	t->reserve = NULL;
	if (pgt->reserve)
		pgt->reserve->pgt = NULL;
	WRITE_ONCE(pgt->reserve, NULL);
	spin_unlock(&t->lock);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_reserve_detach, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_reserve_left() - How much of a reservation is left?
 * @r: The reservation. No map may be taking from it.
 *
 * For statistics and tests: counts one by one.
 *
 * Context: Process context, atomic sections included.
 * Return: Bytes, of tables and of what the ledger may need.
 */
u64 io_pgtable_safe_reserve_left(const struct io_pgtable_safe_reserve *r)
{
	const struct table_page *p;
	u64 bytes = 0;

	for (p = r->tables; p; p = p->next)
		bytes += p->size + sizeof(*p);
	return bytes + ledger_spare_bytes(&r->ledger);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_reserve_left, IO_PGTABLE_SAFE_NS);

