// SPDX-License-Identifier: GPL-2.0
/*
 * Mapping what is in pieces: scatter-gather tables, and one piece over and over.
 */

/**
 * struct sg_part - Part of a scatter-gather table.
 * @sg: The entry it begins in.
 * @nents: Entries from there on.
 * @dma: It is of sg_dma_address(), not of sg_phys().
 * @skip: Bytes of @sg before it.
 * @size: Bytes of it.
 */
struct sg_part {
	struct scatterlist *sg;
	unsigned int nents;
	bool dma;
	u64 skip;
	u64 size;
};

/*
 * sg_next() without the call, and without waiting for what it reads: a table
 * may have hundreds of thousands of entries.
 */
static __always_inline struct scatterlist *next_sg(struct scatterlist *sg)
{
	if (unlikely(sg_is_last(sg)))
		return NULL;
	sg++;
	if (unlikely(sg_is_chain(sg))) {
		sg = sg_chain_ptr(sg);
		/* Keeps this a branch, which the CPU need not wait for */
		OPTIMIZER_HIDE_VAR(sg);
	}
	return sg;
}

static __always_inline u64 sg_len(const struct sg_part *part)
{
	return part->dma ? sg_dma_len(part->sg) : part->sg->length;
}

static __always_inline u64 sg_addr(const struct sg_part *part)
{
	return part->dma ? sg_dma_address(part->sg) : sg_phys(part->sg);
}

/* Find the first entry; -EINVAL if the table ends before it */
static int find_part(struct sg_part *part, const struct sg_table *sgt, u64 offset)
{
	u64 len;

	part->sg = sgt->sgl;
	part->nents = part->dma ? sgt->nents : sgt->orig_nents;
	part->skip = offset;
	for (; part->nents; part->nents--, part->sg = next_sg(part->sg)) {
		len = sg_len(part);
		if (part->skip < len)
			return 0;
		part->skip -= len;
	}
	return -EINVAL;
}

/*
 * Is there memory up to the end of the part, and all of it such that can be mapped? Pieces
 * begin and end where one entry does not go on where the last one ended.
 */
static int check_part(struct sg_part part, const struct io_pgtable_safe *pgt)
{
	u64 start = 0, end = 0, ends = 0, addr, len, last;

	for (; part.nents && part.size; part.nents--, part.sg = next_sg(part.sg)) {
		len = min(sg_len(&part) - part.skip, part.size);
		if (unlikely(!len))
			continue;
		/* sg_phys() must not be asked for it */
		if (!part.dma && !sg_page(part.sg))
			return -EINVAL;
		addr = sg_addr(&part) + part.skip;
		part.skip = 0;
		if (addr != end) {
			ends |= addr | end;
			start = addr;
		}
		last = addr + len - 1;
		if (last < start)
			return -EOVERFLOW;
		if (last > pgt->paddr_last)
			return -ERANGE;
		end = last + 1;
		part.size -= len;
	}
	return part.size || ((ends | end) & (pgt->granule - 1)) ? -EINVAL : 0;
}

/*
 * Take the next physically contiguous piece off the part, to the end of which the
 * table goes. False if nothing is left.
 */
static __always_inline bool next_piece(struct sg_part *part, u64 *paddr, u64 *size)
{
	u64 left = part->size, len;

	if (!left)
		return false;
	*paddr = sg_addr(part) + part->skip;
	len = min(sg_len(part) - part->skip, left);
	part->skip = 0;
	while (len < left) {
		part->sg = next_sg(part->sg);
		/* One that is empty may have no page to ask sg_phys() for */
		if (unlikely(!sg_len(part)))
			continue;
		if (sg_addr(part) != *paddr + len)
			break;
		len += min(sg_len(part), left - len);
	}
	part->size = left - len;
	*size = len;
	return true;
}

/*
 * One piece after the other. Those that are one leaf and recorded already, which most are
 * if there are many, go a short way, which nobody sees: so it is for when nobody watches.
 */
static __always_inline int map_piece(struct map_op *op, u64 *iova, phys_addr_t paddr, u64 size)
{
	struct io_pgtable_safe *pgt = op->pgt;
	struct io_pgtable_safe_map_result res;

	if (likely(size == op->leaf && *iova <= op->last && !((*iova | paddr) & (size - 1)) &&
		   !watching())) {
		res = backend_map_once(pgt, *iova, paddr, size, __ffs64(size), op->prot, op->gfp);
		*iova += res.mapped;
		return res.err;
	}
	return map_segment(op, iova, paddr, size);
}

static noinline int map_pieces(struct sg_part part, struct map_op *op, u64 *mapped)
{
	u64 iova = op->first, paddr, size;
	int err = 0;

	while (!err && next_piece(&part, &paddr, &size))
		err = map_piece(op, &iova, paddr, size);
	*mapped = iova - op->first;
	return err;
}

static struct io_pgtable_safe_map_result
map_sgtable(struct io_pgtable_safe *pgt, u64 iova, struct sg_table *sgt,
	    enum io_pgtable_safe_sg which, u64 offset, u64 size, int prot, gfp_t gfp)
{
	struct sg_part part = { .dma = which == IO_PGTABLE_SAFE_SG_DMA, .size = size };
	struct map_op op __uninitialized;
	u64 mapped;
	int err;

	if (which != IO_PGTABLE_SAFE_SG_CPU && which != IO_PGTABLE_SAFE_SG_DMA)
		return map_result(0, -EINVAL);
	init_map(&op, pgt, iova, size, prot, gfp);
	err = check_map(pgt, iova, size, pgt->granule, prot, gfp);
	if (!err)
		err = find_part(&part, sgt, offset);
	if (!err)
		err = check_part(part, pgt);
	if (!err)
		err = claim_map(&op);
	if (unlikely(err))
		return map_result(0, err);

	err = map_pieces(part, &op, &mapped);
	return end_map(&op, mapped, err, false);
}

/**
 * io_pgtable_safe_map_sgtable() - Map part of a scatter-gather table, all or
 *	nothing.
 * @pgt: The page table.
 * @iova: Where to map; aligned to the granule.
 * @sgt: The scatter-gather table.
 * @which: Which of its addresses.
 * @offset: Where in the table to begin, in bytes.
 * @size: Bytes to map; a multiple of the granule.
 * @prot: As for io_pgtable_safe_try_map_pages().
 * @gfp: As for io_pgtable_safe_try_map_pages().
 *
 * Neighbouring entries that are physically contiguous are mapped as one piece,
 * with the largest page sizes that alignment allows. Each piece must be aligned
 * to the granule and a multiple of it. The whole part is checked before
 * anything is mapped, and claimed once.
 *
 * Context: Process context, atomic sections included; sleeps if @gfp allows it.
 * Return: {@size, 0} or {0, error}, as io_pgtable_safe_map_pages(); -EINVAL
 * also for an unknown @which and for a table shorter than @offset + @size.
 */
struct io_pgtable_safe_map_result
io_pgtable_safe_map_sgtable(struct io_pgtable_safe *pgt, u64 iova,
			    struct sg_table *sgt, enum io_pgtable_safe_sg which,
			    u64 offset, u64 size, int prot, gfp_t gfp)
{
	return tell_map(pgt, iova, 0, size, prot,
			map_sgtable(pgt, iova, sgt, which, offset, size, prot, gfp));
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_map_sgtable, IO_PGTABLE_SAFE_NS);

static struct io_pgtable_safe_map_result
map_repeat(struct io_pgtable_safe *pgt, u64 iova, phys_addr_t paddr, u64 block, u64 phase,
	   u64 size, int prot, gfp_t gfp)
{
	struct map_op op __uninitialized;
	u64 pos = iova, left, part;
	bool once = size <= block - phase;
	int err;

	if (((block | phase) & (pgt->granule - 1)) || phase >= block)
		return map_result(0, -EINVAL);
	err = check_map(pgt, iova, size, pgt->granule, prot, gfp);
	if (!err)
		err = check_paddr(pgt, paddr, once ? phase + size : block, pgt->granule);
	if (unlikely(err))
		return map_result(0, err);

	init_map(&op, pgt, iova, size, prot, gfp);
	err = claim_map(&op);
	if (unlikely(err))
		return map_result(0, err);

	for (left = size; left && !err; left -= part) {
		part = min(left, block - phase);
		err = map_piece(&op, &pos, paddr + phase, part);
		phase = 0;
	}
	return end_map(&op, pos - iova, err, false);
}

/**
 * io_pgtable_safe_map_repeat() - Map one piece of memory over and over, all or
 *	nothing.
 * @pgt: The page table.
 * @iova: Where to map; aligned to the granule.
 * @paddr: The memory; aligned to the granule.
 * @block: Its size in bytes; a multiple of the granule.
 * @phase: Where in it to begin, in bytes; a multiple of the granule, less than @block.
 * @size: Bytes to map; a multiple of the granule. The last repetition may be
 *	cut short.
 * @prot: As for io_pgtable_safe_try_map_pages().
 * @gfp: As for io_pgtable_safe_try_map_pages().
 *
 * For sparse and null-page bindings. Leaves are as large as @block and the
 * alignment of @iova and @paddr allow: a page repeated gives pages, an aligned 2M
 * gives blocks. With the phase, an object that is not aligned as its memory is can be
 * mapped with one call, and again from the middle of it: @phase is its offset modulo
 * @block. To bind something else to part of the range, unmap that part first. Of the
 * memory, what is mapped must be inside of the physical address space.
 *
 * Context: Process context, atomic sections included; sleeps if @gfp allows it.
 * Return: {@size, 0} or {0, error}, as io_pgtable_safe_map_pages().
 */
struct io_pgtable_safe_map_result
io_pgtable_safe_map_repeat(struct io_pgtable_safe *pgt, u64 iova,
			   phys_addr_t paddr, u64 block, u64 phase, u64 size,
			   int prot, gfp_t gfp)
{
	return tell_map(pgt, iova, 0, size, prot,
			map_repeat(pgt, iova, paddr, block, phase, size, prot, gfp));
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_map_repeat, IO_PGTABLE_SAFE_NS);

