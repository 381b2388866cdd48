// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of the backend, and what it may answer.
 */

/* Pages of one size mapped at once: the formats count in int, see io-pgtable-arm.c */
#define MAX_RUN			16384

/* Pages of one size mapped or unmapped at once with a lock held */
#define MAX_HELD		512

/* The backend can no longer be trusted with anything but being freed */
static void set_broken(struct io_pgtable_safe *pgt)
{
	WRITE_ONCE(pgt->broken, true);
	dev_err_ratelimited(pgt->cfg.iommu_dev,
			    "io-pgtable broke its contract, page table disabled\n");
}

/*
 * May the backend be called once, for all of these pages, with a lock held? What is
 * watched is told without.
 */
static __always_inline bool may_hold(const struct io_pgtable_safe *pgt, u64 size,
				     unsigned int shift)
{
	return !watching() && pgt->may_hold && size >> shift <= MAX_HELD && (size_t)size == size;
}

/* The backend says something else than that it has mapped all that it was asked to */
static noinline struct io_pgtable_safe_map_result
judge_map(struct io_pgtable_safe *pgt, size_t mapped, size_t asked, unsigned int shift,
	  int err)
{
	size_t pgsize = BIT(shift);

	if (mapped > asked || (mapped & (pgsize - 1))) {
		set_broken(pgt);
		return map_result(min(mapped, asked) & ~(pgsize - 1), -EIO);
	}
	return map_result(mapped, err > 0 || (!err && !mapped) ? -EIO : err);
}

/*
 * One call. The formats add to mapped without setting it, and may report what
 * they like.
 */
static __always_inline struct io_pgtable_safe_map_result
backend_map_once(struct io_pgtable_safe *pgt, u64 iova, phys_addr_t paddr, size_t size,
		 unsigned int shift, int prot, gfp_t gfp)
{
	struct io_pgtable_ops *ops = pgt->ops;
	size_t mapped = 0;
	int err;

	err = ops->map_pages(ops, iova, paddr, BIT(shift), size >> shift, prot, gfp,
			     &mapped);
	if (likely(!err && mapped == size))
		return map_result(size, 0);
	return judge_map(pgt, mapped, size, shift, err);
}

static __always_inline struct io_pgtable_safe_map_result
backend_map(struct io_pgtable_safe *pgt, u64 iova, phys_addr_t paddr, size_t size,
	    unsigned int shift, int prot, gfp_t gfp)
{
	struct io_pgtable_safe_map_result res;

	res = backend_map_once(pgt, iova, paddr, size, shift, prot, gfp);
	if (watching())
		watch_leaves(pgt, iova, paddr, BIT(shift), res.mapped);
	return res;
}

/* log2 of the largest page that is not larger than this */
static __always_inline unsigned int largest_shift(const struct io_pgtable_safe *pgt, u64 size)
{
	unsigned int n = min_t(unsigned int, fls64(size) - 1, BITS_PER_LONG - 1);

	return __fls((pgt->pgsizes & (~0UL >> (BITS_PER_LONG - 1 - n))) | pgt->granule);
}

/*
 * log2 of the largest page that address and size allow, and how many of them
 * until a larger one is possible; the same choice as iommu_pgsize() makes.
 */
static __always_inline unsigned int best_shift(const struct io_pgtable_safe *pgt,
					       u64 iova, u64 paddr, u64 size,
					       u64 *count)
{
	unsigned long pgsizes = pgt->pgsizes, next;
	u64 addr = iova | paddr, offset;
	unsigned int shift;

	/* The lowest bit of the address is the largest alignment there is */
	shift = largest_shift(pgt, addr ? min(size, addr & -addr) : size);
	*count = size >> shift;

	next = pgsizes & (~1UL << shift);
	if (unlikely(next)) {
		next &= -next;
		offset = next - (addr & (next - 1));
		if (!((iova ^ paddr) & (next - 1)) && size > offset &&
		    size - offset >= next)
			*count = offset >> shift;
	}
	return shift;
}

/* No more pages than this at once, nor more bytes than a size_t can say */
static __always_inline size_t max_run(u64 count, unsigned int shift, size_t most)
{
	if (!IS_ENABLED(CONFIG_64BIT))
		most = min_t(size_t, most, SIZE_MAX >> shift);
	return min_t(u64, count, most);
}

/* Can the backend have unmapped this much of what it was asked to? */
static bool judge_unmap(struct io_pgtable_safe *pgt, size_t n, size_t asked,
			unsigned int shift, u64 *done)
{
	if (n && n <= asked && !(n & (BIT(shift) - 1))) {
		*done += n;
		return true;
	}
	set_broken(pgt);
	*done += min(n, asked) & ~(BIT(shift) - 1);
	return false;
}

static __always_inline size_t backend_unmap_once(struct io_pgtable_safe *pgt, u64 iova,
						 size_t size, unsigned int shift)
{
	struct io_pgtable_ops *ops = pgt->ops;

	return ops->unmap_pages(ops, iova, BIT(shift), size >> shift, &pgt->gather);
}

/*
 * Unmap a claimed range. Leaves lie in it whole, and a leaf is aligned to its
 * size, so the best page size is never smaller than the leaf; where it is
 * larger, a whole table goes at once. Goes on behind what has been done.
 */
static noinline u64 backend_unmap(struct io_pgtable_safe *pgt, u64 iova, u64 size, u64 done)
{
	u64 count, begin = done;
	unsigned int shift;
	size_t n, asked;

	while (done < size) {
		shift = best_shift(pgt, iova + done, iova + done, size - done, &count);
		asked = max_run(count, shift, INT_MAX) << shift;
		n = backend_unmap_once(pgt, iova + done, asked, shift);
		if (!judge_unmap(pgt, n, asked, shift, &done))
			break;
	}
	if (watching())
		watch_gone(pgt, iova + begin, done - begin);
	return done;
}

