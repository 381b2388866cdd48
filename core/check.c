// SPDX-License-Identifier: GPL-2.0
/*
 * Is a request good? Every rule for an argument is here, once.
 */

static __always_inline int check_table(const struct io_pgtable_safe *pgt)
{
	return unlikely(READ_ONCE(pgt->broken)) ? -EIO : 0;
}

static __always_inline int check_iova(const struct io_pgtable_safe *pgt, u64 iova,
				      u64 size, u64 align)
{
	u64 last = iova + size - 1;

	if (!size || ((iova | size) & (align - 1)))
		return -EINVAL;
	if (last < iova)
		return -EOVERFLOW;
	if (iova < pgt->iova_first || last > iova_last(pgt))
		return -ERANGE;
	return 0;
}

static __always_inline int check_paddr(const struct io_pgtable_safe *pgt,
				       phys_addr_t paddr, u64 size, u64 align)
{
	u64 last = (u64)paddr + size - 1;

	if (paddr & (align - 1))
		return -EINVAL;
	if (last < paddr)
		return -EOVERFLOW;
	if (last > pgt->paddr_last)
		return -ERANGE;
	return 0;
}

static __always_inline int check_pgsize(const struct io_pgtable_safe *pgt,
					size_t pgsize, size_t pgcount)
{
	if (!(pgsize & pgt->pgsizes) || (pgsize & (pgsize - 1)) || !pgcount)
		return -EINVAL;
	return pgcount > U64_MAX >> __ffs(pgsize) ? -EOVERFLOW : 0;
}

/*
 * At stage 1, ARM's formats have no encoding for write-only and give both, see
 * arm_lpae_prot_to_pte().
 */
static __always_inline int check_prot(const struct io_pgtable_safe *pgt, int prot)
{
	/* The sign bit is no flag */
	if ((prot & (INT_MIN | IOMMU_READ | IOMMU_WRITE)) <= 0)
		return -EINVAL;
	return !(prot & IOMMU_READ) && pgt->write_implies_read ? -EINVAL : 0;
}

/* iommu_map() refuses most of these, too */
#define BAD_GFP		(__GFP_COMP | GFP_ZONEMASK)

/* No sane caller asks not to retry and to retry: the rest of it must be right */
static __always_inline bool is_reserved(gfp_t gfp)
{
	return (gfp & IO_PGTABLE_SAFE_RESERVED) == IO_PGTABLE_SAFE_RESERVED;
}

static int check_reserve_gfp(gfp_t gfp)
{
	return gfp & BAD_GFP || is_reserved(gfp) ? -EINVAL : 0;
}

/* For a map of this range, which must lie in the one that is reserved for */
static noinline int check_rare_gfp(const struct io_pgtable_safe *pgt, u64 iova, u64 size,
				   gfp_t gfp)
{
	const struct io_pgtable_safe_reserve *r = READ_ONCE(pgt->reserve);

	if (gfp & BAD_GFP)
		return -EINVAL;
	if (!is_reserved(gfp))
		return 0;
	if (gfp != IO_PGTABLE_SAFE_RESERVED || !r)
		return -EINVAL;
	return iova < r->first || iova + size - 1 > r->last ? -ERANGE : 0;
}

static __always_inline int check_gfp(const struct io_pgtable_safe *pgt, u64 iova, u64 size,
				     gfp_t gfp)
{
	if (likely(!(gfp & (BAD_GFP | IO_PGTABLE_SAFE_RESERVED))))
		return 0;
	return check_rare_gfp(pgt, iova, size, gfp);
}

static __always_inline int check_flags(u32 flags)
{
	return flags & ~IO_PGTABLE_SAFE_NO_FLUSH ? -EINVAL : 0;
}

static __always_inline int check_map(const struct io_pgtable_safe *pgt, u64 iova,
				     u64 size, u64 align, int prot, gfp_t gfp)
{
	/* Says nothing otherwise, but would look at the task first */
	if (gfpflags_allow_blocking(gfp))
		might_alloc(gfp);
	return check_table(pgt) ?: check_iova(pgt, iova, size, align) ?:
	       check_prot(pgt, prot) ?: check_gfp(pgt, iova, size, gfp);
}

static __always_inline int check_map_pages(const struct io_pgtable_safe *pgt, u64 iova,
					   phys_addr_t paddr, size_t pgsize,
					   size_t pgcount, int prot, gfp_t gfp)
{
	u64 size = (u64)pgsize * pgcount;

	return check_pgsize(pgt, pgsize, pgcount) ?:
	       check_map(pgt, iova, size, pgsize, prot, gfp) ?:
	       check_paddr(pgt, paddr, size, pgsize);
}

static __always_inline int check_unmap(const struct io_pgtable_safe *pgt, u64 iova,
				       u64 size, u64 align, u32 flags)
{
	return check_flags(flags) ?: check_table(pgt) ?: check_iova(pgt, iova, size, align);
}

static __always_inline int check_unmap_pages(const struct io_pgtable_safe *pgt, u64 iova,
					     size_t pgsize, size_t pgcount, u32 flags)
{
	return check_pgsize(pgt, pgsize, pgcount) ?:
	       check_unmap(pgt, iova, (u64)pgsize * pgcount, pgsize, flags);
}
