// SPDX-License-Identifier: GPL-2.0
/*
 * A checked API over io-pgtable for drivers that manage their own page tables.
 */
#include <linux/bitops.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/scatterlist.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "io_pgtable_safe.h"
#include "io_pgtable_safe_compat.h"
#include "io_pgtable_safe_ledger.h"
#include "io_pgtable_safe_ledger_cut.h"
#include "io_pgtable_safe_pages.h"
#include "io_pgtable_safe_prots.h"

/* More invalidations of one granule than this, and all at once is cheaper */
#define MAX_INVALIDATIONS	512
/*
 * Pages of one size mapped at once: bounds how long the ledger is locked, and
 * the formats count in int (min_t(int, ...) in io-pgtable-arm.c)
 */
#define MAX_RUN			16384

/**
 * struct io_pgtable_safe - A page table and the record of what it maps.
 * @ops: The table. May not be used without a claim in @ledger.
 * @tlb: The driver's flush callbacks, or NULL.
 * @pgsizes: Page sizes that can be mapped, a subset of @cfg.pgsize_bitmap.
 * @granule: The smallest of them.
 * @iova_first: First byte of the address space.
 * @iova_mask: Bytes in the address space, minus one.
 * @space: The same, or 0 if the table is broken: for one look at both.
 * @paddr_last: Last byte that can be mapped.
 * @granule_shift: log2 of @granule.
 * @write_implies_read: The format cannot express IOMMU_WRITE alone.
 * @broken: The backend broke its contract: table and ledger may differ.
 * @live: A device may walk the table.
 * @keeps_tables: There are no flush callbacks, but the driver flushes.
 * @largest: log2 of the largest page that is not larger than 2^n bytes, or of the
 *	smallest.
 * @prots: The protections of what can be cut.
 * @tables: What the table consists of.
 * @ledger: What is mapped.
 * @gather: What the table's unmap_pages() is called with.
 * @release: Frees @ops.
 * @cookie: What @tlb and the driver's page allocator are called with.
 * @cfg: The granted configuration, with the driver's own callbacks in it.
 * @replacing: How many calls that unmap are putting a block in the place of tables.
 * @id: No other table has or had it.
 * @reserve: The reservation in use, or NULL.
 *
 * What each operation reads is at the beginning, in few cache lines.
 */
struct io_pgtable_safe {
	struct io_pgtable_ops *ops;
	const struct iommu_flush_ops *tlb;
	unsigned long pgsizes;
	unsigned long granule;
	u64 iova_first;
	u64 iova_mask;
	u64 space;
	u64 paddr_last;
	u8 granule_shift;
	bool write_implies_read;
	bool broken;
	bool live;
	bool keeps_tables;
	u8 largest[64];
	struct prots prots;
	struct table_pages tables;
	struct ledger ledger ____cacheline_aligned;
	struct iommu_iotlb_gather gather;
	void (*release)(struct io_pgtable_ops *ops);
	void *cookie;
	struct io_pgtable_cfg cfg;
	atomic_t replacing;
	u64 id;
	struct io_pgtable_safe_reserve *reserve;
};

static struct io_pgtable_safe_map_result map_result(u64 mapped, int err)
{
	return (struct io_pgtable_safe_map_result){ .mapped = mapped, .err = err };
}

static struct io_pgtable_safe_unmap_result unmap_result(u64 unmapped, int err)
{
	return (struct io_pgtable_safe_unmap_result){
		.unmapped = unmapped, .err = err
	};
}

static u64 to_offset(const struct io_pgtable_safe *pgt, u64 iova)
{
	return iova - pgt->iova_first;
}

static u64 iova_last(const struct io_pgtable_safe *pgt)
{
	return pgt->iova_first + pgt->iova_mask;
}

/* The backend can no longer be trusted with anything but being freed */
static void set_broken(struct io_pgtable_safe *pgt)
{
	WRITE_ONCE(pgt->broken, true);
	WRITE_ONCE(pgt->space, 0);
	dev_err_ratelimited(pgt->cfg.iommu_dev,
			    "io-pgtable broke its contract, page table disabled\n");
}

/*
 * struct io_pgtable_safe_reserve - Memory for whatever is mapped in a range.
 * @pgt: The page table that uses it, or NULL.
 * @id: That of the page table it was made for.
 * @first: First byte of the range.
 * @last: Last byte of it.
 * @source: Where the tables come from. With it the page table need not exist any
 *	more when they are given back.
 * @tables: Tables, by &table_page.next.
 * @levels: Levels of @spares.
 * @spares: What the ledger may need.
 * @prots: What the record of protections may need, see prots_alloc_spare().
 *
 * @pgt, @tables, @spares and @prots are protected by the locks of their users while it is
 * attached.
 */
struct io_pgtable_safe_reserve {
	struct io_pgtable_safe *pgt;
	u64 id;
	u64 first;
	u64 last;
	struct table_source source;
	struct table_page *tables;
	unsigned int levels;
	struct ledger_spares spares;
	struct xa_node *prots;
};

/* No sane caller asks not to retry and to retry: the rest of it must be right */
static __always_inline bool is_reserved(gfp_t gfp)
{
	return (gfp & IO_PGTABLE_SAFE_RESERVED) == IO_PGTABLE_SAFE_RESERVED;
}

/* --- checks of arguments -------------------------------------------------- */

static int check_table(const struct io_pgtable_safe *pgt)
{
	return unlikely(READ_ONCE(pgt->broken)) ? -EIO : 0;
}

static int check_iova(const struct io_pgtable_safe *pgt, u64 iova, u64 size, u64 align)
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

static int check_paddr(const struct io_pgtable_safe *pgt, phys_addr_t paddr,
		       u64 size, u64 align)
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

static int check_pgsize(const struct io_pgtable_safe *pgt, size_t pgsize, size_t pgcount)
{
	if (!(pgsize & pgt->pgsizes) || (pgsize & (pgsize - 1)) || !pgcount)
		return -EINVAL;
	return pgcount > U64_MAX >> __ffs(pgsize) ? -EOVERFLOW : 0;
}

/* iommu_map() refuses most of these, too */
#define BAD_GFP		(__GFP_COMP | GFP_ZONEMASK)

static int check_gfp(gfp_t gfp)
{
	return gfp & BAD_GFP ? -EINVAL : 0;
}

/*
 * At stage 1, ARM's formats have no encoding for write-only and give both, see
 * arm_lpae_prot_to_pte().
 */
static int check_prot(const struct io_pgtable_safe *pgt, int prot, gfp_t gfp)
{
	/* The sign bit is no flag, and prots_set() has no room for it */
	if ((prot & (INT_MIN | IOMMU_READ | IOMMU_WRITE)) <= 0)
		return -EINVAL;
	if (!(prot & IOMMU_READ) && pgt->write_implies_read)
		return -EINVAL;
	return check_gfp(gfp);
}

/* Is this in the range that is reserved for? */
static noinline int check_reserved(const struct io_pgtable_safe *pgt, u64 iova,
				   u64 size, gfp_t gfp)
{
	const struct io_pgtable_safe_reserve *r = READ_ONCE(pgt->reserve);

	if (gfp != IO_PGTABLE_SAFE_RESERVED || !r)
		return -EINVAL;
	return iova < r->first || iova + size - 1 > r->last ? -ERANGE : 0;
}

static int check_reserve(const struct io_pgtable_safe *pgt, u64 iova, u64 size, gfp_t gfp)
{
	return is_reserved(gfp) ? check_reserved(pgt, iova, size, gfp) : 0;
}

static noinline int check_map_slow(const struct io_pgtable_safe *pgt, u64 iova,
				   u64 size, u64 align, int prot, gfp_t gfp)
{
	return check_table(pgt) ?: check_iova(pgt, iova, size, align) ?:
	       check_prot(pgt, prot, gfp) ?: check_reserve(pgt, iova, size, gfp);
}

static noinline int check_unmap_slow(const struct io_pgtable_safe *pgt, u64 iova,
				     u64 size, u64 align, u32 flags)
{
	if (flags & ~IO_PGTABLE_SAFE_NO_FLUSH)
		return -EINVAL;
	return check_table(pgt) ?: check_iova(pgt, iova, size, align);
}

/*
 * Whether a request is good takes few instructions to see, and what is wrong
 * with it may take many. The rules are above; what follows only has to find out
 * that none of them is broken, and may say no to a request that is good.
 */
static __always_inline bool space_is_good(const struct io_pgtable_safe *pgt, u64 iova, u64 size)
{
	u64 space = READ_ONCE(pgt->space);

	return size - 1 < space && to_offset(pgt, iova) <= space - (size - 1);
}

static __always_inline bool paddr_is_good(const struct io_pgtable_safe *pgt,
					  phys_addr_t paddr, u64 size)
{
	return size - 1 <= pgt->paddr_last && paddr <= pgt->paddr_last - (size - 1);
}

static __always_inline bool prot_is_good(int prot, gfp_t gfp)
{
	return (prot & (INT_MIN | IOMMU_READ)) == IOMMU_READ &&
	       !(gfp & (BAD_GFP | IO_PGTABLE_SAFE_RESERVED));
}

static __always_inline bool pages_are_good(const struct io_pgtable_safe *pgt,
					   u64 addr, size_t pgsize, size_t pgcount)
{
	BUILD_BUG_ON(MAX_RUN >> 16);
	return (pgsize & pgt->pgsizes) && !((addr | pgsize) & (pgsize - 1)) &&
	       !((u64)pgsize >> 48) && pgcount <= MAX_RUN;
}

static __always_inline int check_map(const struct io_pgtable_safe *pgt, u64 iova,
				     u64 size, int prot, gfp_t gfp)
{
	/* Says nothing otherwise, but would look at the task first */
	if (gfpflags_allow_blocking(gfp))
		might_alloc(gfp);
	if (likely(!((iova | size) & (pgt->granule - 1)) &&
		   space_is_good(pgt, iova, size) && prot_is_good(prot, gfp)))
		return 0;
	return check_map_slow(pgt, iova, size, pgt->granule, prot, gfp);
}

static noinline int check_map_pages_slow(const struct io_pgtable_safe *pgt, u64 iova,
					 phys_addr_t paddr, size_t pgsize,
					 size_t pgcount, int prot, gfp_t gfp)
{
	u64 size = (u64)pgsize * pgcount;

	return check_pgsize(pgt, pgsize, pgcount) ?:
	       check_map_slow(pgt, iova, size, pgsize, prot, gfp) ?:
	       check_paddr(pgt, paddr, size, pgsize);
}

static __always_inline int check_map_pages(const struct io_pgtable_safe *pgt, u64 iova,
					   phys_addr_t paddr, size_t pgsize,
					   size_t pgcount, int prot, gfp_t gfp)
{
	u64 size = (u64)pgsize * pgcount;

	if (gfpflags_allow_blocking(gfp))
		might_alloc(gfp);
	if (likely(pages_are_good(pgt, iova | paddr, pgsize, pgcount) &&
		   space_is_good(pgt, iova, size) && paddr_is_good(pgt, paddr, size) &&
		   prot_is_good(prot, gfp)))
		return 0;
	return check_map_pages_slow(pgt, iova, paddr, pgsize, pgcount, prot, gfp);
}

static int check_cut(const struct io_pgtable_safe *pgt, u64 iova, u64 size, gfp_t gfp,
		     u32 flags)
{
	if (gfpflags_allow_blocking(gfp))
		might_alloc(gfp);
	if (flags & ~IO_PGTABLE_SAFE_NO_FLUSH)
		return -EINVAL;
	return check_table(pgt) ?: check_iova(pgt, iova, size, pgt->granule) ?:
	       check_gfp(gfp) ?: check_reserve(pgt, iova, size, gfp);
}

static __always_inline int check_unmap(const struct io_pgtable_safe *pgt, u64 iova,
				       u64 size, u32 flags)
{
	if (likely(!((iova | size) & (pgt->granule - 1)) &&
		   space_is_good(pgt, iova, size) && !(flags & ~IO_PGTABLE_SAFE_NO_FLUSH)))
		return 0;
	return check_unmap_slow(pgt, iova, size, pgt->granule, flags);
}

static noinline int check_unmap_pages_slow(const struct io_pgtable_safe *pgt, u64 iova,
					   size_t pgsize, size_t pgcount, u32 flags)
{
	return check_pgsize(pgt, pgsize, pgcount) ?:
	       check_unmap_slow(pgt, iova, (u64)pgsize * pgcount, pgsize, flags);
}

static __always_inline int check_unmap_pages(const struct io_pgtable_safe *pgt, u64 iova,
					     size_t pgsize, size_t pgcount, u32 flags)
{
	u64 size = (u64)pgsize * pgcount;

	if (likely(pages_are_good(pgt, iova, pgsize, pgcount) &&
		   space_is_good(pgt, iova, size) && !(flags & ~IO_PGTABLE_SAFE_NO_FLUSH)))
		return 0;
	return check_unmap_pages_slow(pgt, iova, pgsize, pgcount, flags);
}

/* --- invalidation --------------------------------------------------------- */

static noinline void call_driver(struct io_pgtable_safe *pgt, u64 iova, u64 size,
				 size_t granule)
{
	/* False also where the end is 2^64, or more than size_t can say */
	bool fits = (unsigned long)iova + (size_t)size > iova;

	if (pgt->tlb->tlb_flush_walk && fits &&
	    size >> __ffs(granule) <= MAX_INVALIDATIONS)
		pgt->tlb->tlb_flush_walk(iova, size, granule, pgt->cookie);
	else
		pgt->tlb->tlb_flush_all(pgt->cookie);
}

static __always_inline void invalidate(struct io_pgtable_safe *pgt, u64 iova,
				       u64 size, size_t granule)
{
	if (pgt->tlb && size)
		call_driver(pgt, iova, size, granule);
}

static void backend_flush_all(void *cookie)
{
	struct io_pgtable_safe *pgt = cookie;

	if (pgt->tlb)
		pgt->tlb->tlb_flush_all(pgt->cookie);
}

/*
 * A table in this range is about to be freed. Can it be kept instead until the
 * range has been invalidated? Where a block replaces it, it must be invalidated
 * before there is a block; and what raw_ops() do is for nobody to invalidate
 * later.
 */
static bool keep_tables(struct io_pgtable_safe *pgt, u64 iova, u64 size)
{
	u64 first = to_offset(pgt, iova), claimed;
	enum ledger_stage stage;

	if (!pgt->tables.on)
		return false;
	stage = ledger_find_op(&pgt->ledger, first, first + size - 1, &claimed);
	if (stage == LEDGER_IDLE)
		return false;
	if (pgt->tlb && (stage == LEDGER_MAPPING || atomic_read(&pgt->replacing)))
		return false;
	if (!pgt->tlb && !READ_ONCE(pgt->keeps_tables))
		return false;
	table_pages_expect(&pgt->tables, claimed, iova, iova + size - 1);
	return true;
}

/* The format is about to free a table: it may do so when this returns */
static void backend_flush_walk(unsigned long iova, size_t size, size_t granule,
			       void *cookie)
{
	if (!keep_tables(cookie, iova, size))
		invalidate(cookie, iova, size, granule);
}

/* Tables that an operation has freed can go, or must wait for a flush */
static __always_inline void end_tables(struct io_pgtable_safe *pgt,
				       const struct ledger_op *op, bool invalidated)
{
	if (unlikely(READ_ONCE(pgt->tables.open)))
		table_pages_end(&pgt->tables, op->first,
				invalidated && !READ_ONCE(pgt->broken));
}

static __always_inline void begin_unmap(struct io_pgtable_safe *pgt, u32 flags)
{
	/* There will be a flush, so it is worth while to wait for it */
	if (unlikely(flags) && !pgt->tlb)
		WRITE_ONCE(pgt->keeps_tables, true);
}

/* All that an operation has unmapped is in this range */
static __always_inline void invalidate_unmapped(struct io_pgtable_safe *pgt,
						const struct ledger_op *op, u64 iova,
						u64 size, size_t granule, u32 flags)
{
	bool flush = !(flags & IO_PGTABLE_SAFE_NO_FLUSH);

	if (flush)
		invalidate(pgt, iova, size, granule);
	end_tables(pgt, op, flush);
}

/* Only for raw_ops(): the layer's own gathers keep the formats from calling it */
static void backend_add_page(struct iommu_iotlb_gather *gather,
			     unsigned long iova, size_t granule, void *cookie)
{
	struct io_pgtable_safe *pgt = cookie;

	if (IS_ENABLED(CONFIG_IOMMU_API) && pgt->tlb && pgt->tlb->tlb_add_page)
		pgt->tlb->tlb_add_page(gather, iova, granule, pgt->cookie);
}

static const struct iommu_flush_ops backend_flush_ops = {
	.tlb_flush_all	= backend_flush_all,
	.tlb_flush_walk	= backend_flush_walk,
	.tlb_add_page	= backend_add_page,
};

/* --- the backend ---------------------------------------------------------- */

/* The backend says something else than that it has mapped all that it was asked to */
static noinline struct io_pgtable_safe_map_result
judge_map(struct io_pgtable_safe *pgt, size_t mapped, size_t asked, size_t pgsize, int err)
{
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
backend_map(struct io_pgtable_safe *pgt, u64 iova, phys_addr_t paddr, size_t size,
	    unsigned int shift, int prot, gfp_t gfp)
{
	struct io_pgtable_ops *ops = pgt->ops;
	size_t mapped = 0;
	int err;

	err = ops->map_pages(ops, iova, paddr, BIT(shift), size >> shift, prot, gfp,
			     &mapped);
	if (likely(!err && mapped == size))
		return map_result(size, 0);
	return judge_map(pgt, mapped, size, BIT(shift), err);
}

static noinline unsigned int best_shift_slow(const struct io_pgtable_safe *pgt,
					     u64 iova, u64 paddr, u64 size, u64 *count)
{
	unsigned long pgsizes = pgt->pgsizes, next;
	u64 addr = iova | paddr, offset;
	unsigned int shift;

	shift = min(fls64(size) - 1, BITS_PER_LONG - 1);
	if (addr)
		shift = min_t(unsigned int, shift, __ffs64(addr));
	shift = __fls(pgsizes & (~0UL >> (BITS_PER_LONG - 1 - shift)));
	*count = size >> shift;

	next = pgsizes & (~1UL << shift);
	if (next) {
		next &= -next;
		offset = next - (addr & (next - 1));
		if (!((iova ^ paddr) & (next - 1)) && size > offset &&
		    size - offset >= next)
			*count = offset >> shift;
	}
	return shift;
}

/* As ilog2(), but without a thought to 0 */
static __always_inline unsigned int log2_of(u64 size)
{
	return IS_ENABLED(CONFIG_64BIT) ? __fls(size) : fls64(size) - 1;
}

/* log2 of the largest page that is not larger than this */
static __always_inline unsigned int largest_shift(const struct io_pgtable_safe *pgt, u64 size)
{
	return pgt->largest[log2_of(size)];
}

/* Are pages of this size all that it takes, and their number of bytes a size_t? */
static __always_inline bool all_one_size(u64 addr, u64 size, unsigned int shift)
{
	return !((addr | size) & (BIT_ULL(shift) - 1)) && (size_t)size == size;
}

/*
 * log2 of the largest page that address and size allow, and how many of them
 * until a larger one is possible; the same choice as iommu_pgsize() makes.
 */
static __always_inline unsigned int best_shift(const struct io_pgtable_safe *pgt,
					       u64 iova, u64 paddr, u64 size,
					       u64 *count)
{
	/* No larger one is possible anywhere in it */
	unsigned int shift = largest_shift(pgt, size);

	if (unlikely((iova | paddr) & (BIT_ULL(shift) - 1)))
		return best_shift_slow(pgt, iova, paddr, size, count);
	*count = size >> shift;
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
	unsigned int shift;
	size_t n, asked;
	u64 count;

	while (done < size) {
		shift = best_shift(pgt, iova + done, iova + done, size - done, &count);
		asked = max_run(count, shift, INT_MAX) << shift;
		n = backend_unmap_once(pgt, iova + done, asked, shift);
		if (!judge_unmap(pgt, n, asked, shift, &done))
			break;
	}
	return done;
}

/* --- alloc and free ------------------------------------------------------- */

/**
 * struct format - What has to be known of a format before it is tried.
 * @enabled: The kernel has it.
 * @custom_alloc: It takes &io_pgtable_cfg.alloc, where that exists.
 * @write_implies_read: It has no encoding for IOMMU_WRITE alone.
 * @ias: Largest input size, in bits; it may grant less.
 * @oas: Largest output size, in bits.
 * @quirks: Quirks it takes.
 *
 * From the allocation functions in drivers/iommu/io-pgtable-*.c, which say NULL
 * whatever is wrong. The AMD formats of older kernels are not among them: they
 * find their driver's data through the address of the caller's cfg.
 */
struct format {
	bool enabled;
	bool custom_alloc;
	bool write_implies_read;
	u8 ias;
	u8 oas;
	unsigned long quirks;
};

#define LPAE		.enabled = IS_ENABLED(CONFIG_IOMMU_IO_PGTABLE_LPAE),	\
			.custom_alloc = true
#define LPAE_S1_QUIRKS	(IO_PGTABLE_QUIRK_ARM_NS | IO_PGTABLE_QUIRK_ARM_TTBR1 |	\
			 IO_PGTABLE_QUIRK_ARM_OUTER_WBWA |			\
			 IO_PGTABLE_QUIRK_ARM_HD | IO_PGTABLE_QUIRK_NO_WARN)
#define LPAE_S2_QUIRKS	(IO_PGTABLE_QUIRK_ARM_S2FWB | IO_PGTABLE_QUIRK_NO_WARN)
#define V7S_QUIRKS	(IO_PGTABLE_QUIRK_ARM_NS | IO_PGTABLE_QUIRK_NO_PERMS |	\
			 IO_PGTABLE_QUIRK_ARM_MTK_EXT |				\
			 IO_PGTABLE_QUIRK_ARM_MTK_TTBR_EXT)

static const struct format formats[] = {
	[ARM_32_LPAE_S1] = { LPAE, .ias = 32, .oas = 40, .quirks = LPAE_S1_QUIRKS,
			     .write_implies_read = true },
	[ARM_32_LPAE_S2] = { LPAE, .ias = 40, .oas = 40, .quirks = LPAE_S2_QUIRKS },
	[ARM_64_LPAE_S1] = { LPAE, .ias = 64, .oas = 64, .quirks = LPAE_S1_QUIRKS,
			     .write_implies_read = true },
	[ARM_64_LPAE_S2] = { LPAE, .ias = 64, .oas = 64, .quirks = LPAE_S2_QUIRKS },
	[ARM_MALI_LPAE] = { LPAE, .ias = 48, .oas = 40 },
	[ARM_V7S] = { .enabled = IS_ENABLED(CONFIG_IOMMU_IO_PGTABLE_ARMV7S),
		      .ias = 34, .oas = 35, .quirks = V7S_QUIRKS,
		      .write_implies_read = true },
	[APPLE_DART] = { .enabled = IS_ENABLED(CONFIG_IOMMU_IO_PGTABLE_DART),
			 .ias = 42, .oas = 42 },
	[APPLE_DART2] = { .enabled = IS_ENABLED(CONFIG_IOMMU_IO_PGTABLE_DART),
			  .ias = 42, .oas = 42 },
};

static const struct format *find_format(enum io_pgtable_fmt fmt)
{
	if ((unsigned int)fmt >= ARRAY_SIZE(formats) || !formats[fmt].enabled)
		return NULL;
	return &formats[fmt];
}

/* The granule that arm_lpae_restrict_pgsizes() will settle on */
static unsigned long lpae_granule(enum io_pgtable_fmt fmt, unsigned long pgsizes)
{
	if (fmt != ARM_64_LPAE_S1 && fmt != ARM_64_LPAE_S2)
		pgsizes &= SZ_4K | SZ_2M | SZ_1G;
	if (pgsizes & PAGE_SIZE)
		return PAGE_SIZE;
	if (pgsizes & ~PAGE_MASK)
		return BIT(__fls(pgsizes & ~PAGE_MASK));
	return pgsizes ? BIT(__ffs(pgsizes)) : 0;
}

/*
 * Stage 2 tables whose first lookup must be at a concatenated table have room
 * for 16 of them (Arm ARM, R_SRKBC and R_DXBSH); the format of 7.3 has a
 * WARN_ON() for more, see arm_lpae_concat_mandatory().
 */
static bool s2_concat_fits(unsigned long granule, unsigned int ias,
			   unsigned int oas)
{
	if (granule == SZ_4K && ias > 39 && (oas == 40 || oas == 42))
		return ias <= 39 + 4;
	if (granule == SZ_16K && ias > 36 && oas == 40)
		return ias <= 36 + 4;
	return true;
}

static int check_lpae(enum io_pgtable_fmt fmt, const struct io_pgtable_cfg *cfg)
{
	unsigned long granule = lpae_granule(fmt, cfg->pgsize_bitmap);
	unsigned int bits = granule == SZ_64K ? 52 : 48;
	unsigned int ias = min(cfg->ias, bits), oas = min(cfg->oas, bits);

	if (granule != SZ_4K && granule != SZ_16K && granule != SZ_64K)
		return -EINVAL;
	if (ias <= __ffs(granule))
		return -EINVAL;
	if (fmt == ARM_MALI_LPAE)
		return 0;

	if (cfg->quirks & IO_PGTABLE_QUIRK_ARM_OUTER_WBWA && cfg->coherent_walk)
		return -EINVAL;
	if ((fmt == ARM_32_LPAE_S2 || fmt == ARM_64_LPAE_S2) &&
	    !s2_concat_fits(granule, ias, oas))
		return -EINVAL;

	switch (oas) {
	case 32: case 36: case 40: case 42: case 44: case 48: case 52:
		return 0;
	default:
		return -EINVAL;
	}
}

static int check_v7s(const struct io_pgtable_cfg *cfg)
{
	bool mtk = cfg->quirks & IO_PGTABLE_QUIRK_ARM_MTK_EXT;

	if (mtk && !(cfg->quirks & IO_PGTABLE_QUIRK_NO_PERMS))
		return -EINVAL;
	mtk = mtk && IS_ENABLED(CONFIG_PHYS_ADDR_T_64BIT);
	if ((cfg->quirks & IO_PGTABLE_QUIRK_ARM_MTK_TTBR_EXT) && !mtk)
		return -EINVAL;
	/* The top level has a section of 2^20 bytes for each entry */
	if (cfg->ias < 20 || cfg->ias > (mtk ? 34 : 32) ||
	    cfg->oas > (mtk ? 35 : 32))
		return -EINVAL;
	return 0;
}

/*
 * The format takes either page and output size for both versions, but a PTE of
 * the first has room for bits 35 to 12 of a physical address and one of the
 * second for bits 41 to 14, and the rest is dropped (paddr_to_iopte()): from
 * addresses of tables, too, which it then follows to somebody else's memory.
 */
static int check_dart(enum io_pgtable_fmt fmt, const struct io_pgtable_cfg *cfg)
{
	bool second = fmt == APPLE_DART2;

	if (cfg->pgsize_bitmap != SZ_16K &&
	    (second || cfg->pgsize_bitmap != SZ_4K))
		return -EINVAL;
	if (cfg->oas != 36 && !(second && cfg->oas == 42))
		return -EINVAL;
	if (!cfg->coherent_walk ||
	    cfg->ias > cfg->oas || cfg->ias <= __ffs(cfg->pgsize_bitmap))
		return -EINVAL;
	return 0;
}

static int check_callbacks(const struct format *format,
			   const struct io_pgtable_cfg *cfg)
{
	bool alloc = io_pgtable_safe_has_alloc(cfg);
	bool free = io_pgtable_safe_has_free(cfg);

	if (alloc != free)
		return -EINVAL;
	if (alloc && !format->custom_alloc)
		return -EOPNOTSUPP;
	/* Only tlb_add_page is optional; without any other nothing is synchronous */
	if (cfg->tlb && !cfg->tlb->tlb_flush_all)
		return -EINVAL;
	return 0;
}

static int check_cfg(enum io_pgtable_fmt fmt, const struct io_pgtable_cfg *cfg)
{
	const struct format *format = find_format(fmt);
	int err;

	if (!format || cfg->quirks & ~format->quirks)
		return -EOPNOTSUPP;
	err = check_callbacks(format, cfg);
	if (err)
		return err;
	/* LPAE asks dev_to_node() of it whatever else is configured */
	if (!cfg->iommu_dev || cfg->ias > format->ias || cfg->oas > format->oas)
		return -EINVAL;

	switch (fmt) {
	case ARM_V7S:
		return check_v7s(cfg);
	case APPLE_DART:
	case APPLE_DART2:
		return check_dart(fmt, cfg);
	default:
		return check_lpae(fmt, cfg);
	}
}

/* The format gets its pages from the layer, which asks the driver or the kernel */
#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
static void *backend_alloc(void *cookie, size_t size, gfp_t gfp)
{
	struct io_pgtable_safe *pgt = cookie;

	return table_pages_alloc(&pgt->tables, size, gfp);
}

static void backend_free(void *cookie, void *pages, size_t size)
{
	struct io_pgtable_safe *pgt = cookie;

	table_pages_free(&pgt->tables, pages, size);
}

static void set_allocator(struct io_pgtable_safe *pgt, struct io_pgtable_cfg *cfg)
{
	pgt->tables.on = true;
	pgt->tables.source.alloc = cfg->alloc;
	pgt->tables.source.free = cfg->free;
	pgt->tables.source.cookie = pgt->cookie;
	cfg->alloc = backend_alloc;
	cfg->free = backend_free;
}

static void restore_allocator(struct io_pgtable_cfg *cfg,
			      const struct io_pgtable_cfg *from)
{
	cfg->alloc = from->alloc;
	cfg->free = from->free;
}
#else
static void set_allocator(struct io_pgtable_safe *pgt, struct io_pgtable_cfg *cfg)
{
}

static void restore_allocator(struct io_pgtable_cfg *cfg,
			      const struct io_pgtable_cfg *from)
{
}
#endif

static void set_format(struct io_pgtable_safe *pgt, enum io_pgtable_fmt fmt)
{
	const struct format *format = find_format(fmt);

	pgt->write_implies_read = format && format->write_implies_read;
}

/* What can be mapped where, from the granted configuration */
static int set_geometry(struct io_pgtable_safe *pgt)
{
	struct io_pgtable_cfg *cfg = &pgt->cfg;
	unsigned int n;

	if (!cfg->ias || cfg->ias > 64 || !cfg->oas || cfg->oas > 64)
		return -EINVAL;

	/* A block as large as all there is needs a level above its own */
	pgt->pgsizes = cfg->pgsize_bitmap;
	if (cfg->ias < BITS_PER_LONG)
		pgt->pgsizes &= BIT(cfg->ias) - 1;
	if (!pgt->pgsizes)
		return -EINVAL;
	cfg->pgsize_bitmap = pgt->pgsizes;
	pgt->granule_shift = __ffs(pgt->pgsizes);
	pgt->granule = BIT(pgt->granule_shift);
	for (n = 0; n < ARRAY_SIZE(pgt->largest); n++)
		pgt->largest[n] = __fls((pgt->pgsizes & GENMASK_ULL(n, 0)) | pgt->granule);

	pgt->iova_mask = GENMASK_ULL(cfg->ias - 1, 0);
	if (cfg->quirks & IO_PGTABLE_QUIRK_ARM_TTBR1)
		pgt->iova_first = ~pgt->iova_mask;
	/* The ops take unsigned long and phys_addr_t */
	if (pgt->iova_first > ULONG_MAX)
		return -EOPNOTSUPP;
	pgt->iova_mask = min_t(u64, pgt->iova_mask, ULONG_MAX - pgt->iova_first);
	pgt->space = pgt->iova_mask;
	pgt->paddr_last = min_t(u64, GENMASK_ULL(cfg->oas - 1, 0),
				(phys_addr_t)U64_MAX);

	io_pgtable_safe_gather_init(&pgt->gather);
	prots_init(&pgt->prots, pgt->pgsizes);
	return ledger_init(&pgt->ledger, pgt->pgsizes, cfg->ias);
}

static u64 next_id(void)
{
	static atomic64_t ids = ATOMIC64_INIT(0);

	return atomic64_inc_return(&ids);
}

static int alloc_backend(struct io_pgtable_safe *pgt, enum io_pgtable_fmt fmt,
			 const struct io_pgtable_cfg *cfg)
{
	struct io_pgtable_cfg granted = *cfg;

	/* The top-level table is allocated while there is nothing else yet */
	pgt->cfg = *cfg;
	pgt->tlb = cfg->tlb;
	table_pages_init(&pgt->tables, cfg->iommu_dev);
	if (formats[fmt].custom_alloc)
		set_allocator(pgt, &granted);
	/* Also says of which range a table is freed */
	if (granted.tlb || pgt->tables.on)
		granted.tlb = &backend_flush_ops;

	pgt->ops = alloc_io_pgtable_ops(fmt, &granted, pgt);
	if (!pgt->ops) {
		/* All that DART has up to 6.12: two levels, four topmost tables */
		if ((fmt == APPLE_DART || fmt == APPLE_DART2) &&
		    cfg->ias > (cfg->pgsize_bitmap == SZ_4K ? 32 : 38))
			return -EINVAL;
		return -ENOMEM;
	}
	pgt->release = free_io_pgtable_ops;

	granted.tlb = cfg->tlb;
	restore_allocator(&granted, cfg);
	pgt->cfg = granted;
	return 0;
}

/**
 * io_pgtable_safe_alloc() - Allocate an empty page table.
 * @fmt: Its format.
 * @cfg: The configuration asked for, as for alloc_io_pgtable_ops(). It is not
 *	modified; io_pgtable_safe_cfg() gives what was granted.
 * @cookie: Passed to the callbacks in @cfg.
 *
 * The flush callbacks in @cfg, if any, must be as "Invalidation" says;
 * tlb_flush_all is mandatory, and so is iommu_dev in any case. A page size as
 * large as the whole address space is not granted: no format has a table to put
 * such a block in.
 *
 * Context: May sleep.
 * Return: The page table, to be freed with io_pgtable_safe_free(), or an
 * ERR_PTR: -EOPNOTSUPP if the kernel does not have the format (the AMD formats
 * of older kernels are not supported), or the format does not have a quirk of @cfg
 * or takes no custom allocator; -EINVAL if the format cannot be configured like
 * this; -ENOMEM.
 */
struct io_pgtable_safe *
io_pgtable_safe_alloc(enum io_pgtable_fmt fmt, const struct io_pgtable_cfg *cfg,
		      void *cookie)
{
	struct io_pgtable_safe *pgt;
	int err;

	err = check_cfg(fmt, cfg);
	if (err)
		return ERR_PTR(err);
	pgt = kzalloc_obj(*pgt);
	if (!pgt)
		return ERR_PTR(-ENOMEM);
	pgt->cookie = cookie;

	err = alloc_backend(pgt, fmt, cfg);
	if (err)
		goto free_pgt;
	set_format(pgt, fmt);
	err = set_geometry(pgt);
	if (err)
		goto free_ops;
	pgt->id = next_id();
	if (pgt->tables.on)
		table_pages_set_levels(&pgt->tables, fmt, pgt->cfg.ias, pgt->granule_shift);
	return pgt;

free_ops:
	pgt->release(pgt->ops);
free_pgt:
	table_pages_destroy(&pgt->tables);
	kfree(pgt);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_alloc, IO_PGTABLE_SAFE_NS);

static void devm_release(void *pgt)
{
	io_pgtable_safe_free(pgt);
}

/**
 * devm_io_pgtable_safe_alloc() - Allocate a page table that goes with a device.
 * @dev: The device; when its driver is detached, the page table is freed. It
 *	must not be live then.
 * @fmt: As for io_pgtable_safe_alloc().
 * @cfg: Likewise.
 * @cookie: Likewise.
 *
 * Context: May sleep.
 * Return: As io_pgtable_safe_alloc(); do not free it.
 */
struct io_pgtable_safe *
devm_io_pgtable_safe_alloc(struct device *dev, enum io_pgtable_fmt fmt,
			   const struct io_pgtable_cfg *cfg, void *cookie)
{
	struct io_pgtable_safe *pgt = io_pgtable_safe_alloc(fmt, cfg, cookie);
	int err;

	if (IS_ERR(pgt))
		return pgt;
	err = devm_add_action_or_reset(dev, devm_release, pgt);
	return err ? ERR_PTR(err) : pgt;
}
EXPORT_SYMBOL_NS_GPL(devm_io_pgtable_safe_alloc, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_wrap() - Adopt a page table allocated elsewhere.
 * @ops: An empty page table whose &struct io_pgtable is filled in, as that of
 *	every format is: geometry, quirks and flush callbacks come from its cfg,
 *	and the callbacks are called with its cookie. Must have map_pages,
 *	unmap_pages and iova_to_phys; the last is called with a spinlock held and
 *	interrupts off. NULL, for which alloc_io_pgtable_ops() says that it failed,
 *	is refused. unmap_pages() gets a gather that says that invalidations are
 *	queued. Concurrent calls share it, so nothing may be added to it, as no
 *	format does.
 * @release: Frees it.
 *
 * On success the ops belong to the result, and nobody else may use them. The
 * layer invalidates as "Invalidation" says, but cannot do anything about a
 * format that frees a table after a tlb_flush_walk() that does nothing.
 *
 * Context: May sleep.
 * Return: The page table, or an ERR_PTR, and then @ops still belong to the
 * caller: -EINVAL if something is missing or the geometry makes no sense,
 * -EOPNOTSUPP for an upper half (TTBR1) on a 32-bit kernel, -ENOMEM.
 */
struct io_pgtable_safe *
io_pgtable_safe_wrap(struct io_pgtable_ops *ops,
		     void (*release)(struct io_pgtable_ops *ops))
{
	struct io_pgtable *iop = io_pgtable_ops_to_pgtable(ops);
	struct io_pgtable_safe *pgt;
	int err;

	if (!ops || !release || !ops->map_pages || !ops->unmap_pages ||
	    !ops->iova_to_phys)
		return ERR_PTR(-EINVAL);
	if (iop->cfg.tlb && !iop->cfg.tlb->tlb_flush_all)
		return ERR_PTR(-EINVAL);

	pgt = kzalloc_obj(*pgt);
	if (!pgt)
		return ERR_PTR(-ENOMEM);
	pgt->ops = ops;
	pgt->release = release;
	pgt->tlb = iop->cfg.tlb;
	pgt->cookie = iop->cookie;
	pgt->cfg = iop->cfg;
	table_pages_init(&pgt->tables, iop->cfg.iommu_dev);
	set_format(pgt, iop->fmt);

	err = set_geometry(pgt);
	if (err) {
		kfree(pgt);
		return ERR_PTR(err);
	}
	return pgt;
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_wrap, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_free() - Free a page table.
 * @pgt: The page table; NULL and an ERR_PTR are ignored.
 *
 * With __free(io_pgtable_safe) a pointer is freed when it goes out of scope.
 *
 * A table that a device may still walk (io_pgtable_safe_set_live()) is not
 * freed but leaked, with a message: a walker in memory that belongs to somebody
 * else is worse. The memory mapped must then not be freed either. If something
 * is still mapped, a message says how much; it is unmapped by freeing the
 * table, and only tlb_flush_all() is called.
 *
 * Context: Whatever the format's own free takes: v7s may sleep. Must not race
 * with any other call on @pgt.
 */
void io_pgtable_safe_free(struct io_pgtable_safe *pgt)
{
	u64 mapped;

	if (IS_ERR_OR_NULL(pgt))
		return;

	mapped = ledger_mapped(&pgt->ledger);
	if (READ_ONCE(pgt->live)) {
		dev_err_ratelimited(pgt->cfg.iommu_dev,
				    "io_pgtable_safe: page table not freed: it is live, see io_pgtable_safe_clear_live(); %llu bytes mapped\n",
				    mapped);
		return;
	}
	if (mapped)
		dev_warn_ratelimited(pgt->cfg.iommu_dev,
				     "io_pgtable_safe: page table freed with %llu bytes mapped\n",
				     mapped);

	io_pgtable_safe_reserve_detach(pgt);
	pgt->release(pgt->ops);
	table_pages_destroy(&pgt->tables);
	ledger_destroy(&pgt->ledger);
	prots_destroy(&pgt->prots);
	kfree(pgt);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_free, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_cfg() - The granted configuration.
 * @pgt: The page table.
 *
 * For the values that go into the device's registers (TTBR, MAIR, ...), and for
 * pgsize_bitmap: the page sizes that the map functions take.
 *
 * Context: Any.
 * Return: The configuration; it lives and is constant as long as @pgt.
 */
const struct io_pgtable_cfg *io_pgtable_safe_cfg(const struct io_pgtable_safe *pgt)
{
	return &pgt->cfg;
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_cfg, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_raw_ops() - The page table itself.
 * @pgt: The page table.
 *
 * The way out of every guarantee. Whoever maps or unmaps through these behind
 * the layer's back makes the ledger wrong, and a wrong ledger lets through what
 * it exists to refuse. Reading (iova_to_phys, pgtable_walk) is fine while
 * nobody unmaps the range. A comment that begins with SAFETY: above each call
 * says why it is right there; scripts/coccinelle/safe/raw_ops.cocci finds those
 * without.
 *
 * Context: Any.
 * Return: The ops.
 */
struct io_pgtable_ops *io_pgtable_safe_raw_ops(struct io_pgtable_safe *pgt)
{
	return pgt->ops;
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_raw_ops, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_set_live() - A device may walk the table from here on.
 * @pgt: The page table.
 *
 * To be called before the table's address is written to the device.
 *
 * Context: Any; not concurrently with io_pgtable_safe_clear_live().
 */
void io_pgtable_safe_set_live(struct io_pgtable_safe *pgt)
{
	WRITE_ONCE(pgt->live, true);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_set_live, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_clear_live() - No device walks the table any longer.
 * @pgt: The page table.
 *
 * To be called when the device has been pointed elsewhere and has forgotten
 * what it knew of the table.
 *
 * Context: Any; not concurrently with io_pgtable_safe_set_live().
 */
void io_pgtable_safe_clear_live(struct io_pgtable_safe *pgt)
{
	WRITE_ONCE(pgt->live, false);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_clear_live, IO_PGTABLE_SAFE_NS);

/* --- map ------------------------------------------------------------------ */

/**
 * struct map_op - A map call under way.
 * @pgt: The page table.
 * @claim: The range, claimed as a whole.
 * @first: Its first byte.
 * @prot: Protection.
 * @gfp: For tables and ledger.
 */
struct map_op {
	struct io_pgtable_safe *pgt;
	struct ledger_claim claim;
	u64 first;
	int prot;
	gfp_t gfp;
};

/* Not an initializer: that would clear all of it each time */
static __always_inline void init_map(struct map_op *op, struct io_pgtable_safe *pgt,
				     u64 iova, int prot, gfp_t gfp)
{
	op->pgt = pgt;
	op->first = iova;
	op->prot = prot;
	op->gfp = gfp;
}

/* shift: log2 of the first leaf, a hint for the ledger */
static int begin_map(struct map_op *op, u64 size, unsigned int shift)
{
	u64 first = to_offset(op->pgt, op->first);
	struct ledger *l = &op->pgt->ledger;
	unsigned long irq;

	spin_lock_irqsave(&l->lock, irq);
	op->claim.op = NULL;
	if (all_one_size(first, size, shift))
		op->claim.op = ledger_quick_map(l, first, size, shift);
	if (!op->claim.op)
		return ledger_claim_map(l, &op->claim, first, first + size - 1, shift,
					irq);
	spin_unlock_irqrestore(&l->lock, irq);
	return 0;
}

/*
 * Note the protection of recorded blocks that are about to be mapped, if it is not the
 * usual one, or make it that. Nobody else can be relying on what is usual if there was
 * no block yet, or as long as nobody else has recorded anything.
 */
static noinline int note_prot(struct io_pgtable_safe *pgt, const struct ledger_claim *claim,
			      u64 first, u64 last, unsigned int shift, int prot,
			      gfp_t gfp)
{
	struct ledger *l = &pgt->ledger;
	struct ledger_garbage g = {};
	unsigned long flags;
	bool alone;

	spin_lock_irqsave(&l->lock, flags);
	alone = !pgt->prots.usual || ledger_is_alone(l, claim, &g);
	if (alone)
		WRITE_ONCE(pgt->prots.usual, prot);
	spin_unlock_irqrestore(&l->lock, flags);
	ledger_empty_garbage(l, &g);

	return alone ? 0 : prots_set(&pgt->prots, first, last, shift, prot, gfp);
}

/* Of what a map has claimed, only this much is mapped now that it ends */
static noinline void forget_prots(struct io_pgtable_safe *pgt,
				  const struct ledger_claim *claim, u64 mapped)
{
	const struct ledger_op *op = claim->op;

	prots_erase(&pgt->prots, op->first + mapped, op->last - op->first + 1 - mapped);
}

/* One backend call, recorded before */
static __always_inline struct io_pgtable_safe_map_result
map_run(struct map_op *op, u64 iova, phys_addr_t paddr, unsigned int shift, u64 pgcount)
{
	size_t count = max_run(pgcount, shift, MAX_RUN);
	u64 first = to_offset(op->pgt, iova);
	int err;

	err = ledger_window(&op->pgt->ledger, &op->claim, first,
			    first + ((u64)count << shift) - 1, shift, op->gfp);
	if (likely(!err) && prots_wants(&op->pgt->prots, shift, op->prot))
		err = note_prot(op->pgt, &op->claim, first,
				first + ((u64)count << shift) - 1, shift, op->prot,
				op->gfp);
	if (unlikely(err))
		return map_result(0, err);
	return backend_map(op->pgt, iova, paddr, count << shift, shift, op->prot, op->gfp);
}

/*
 * Physically contiguous memory, with the best page sizes, as often as it takes.
 * Moves *iova behind what was mapped.
 */
static noinline int map_segment(struct map_op *op, u64 *iova, phys_addr_t paddr,
				u64 size)
{
	struct io_pgtable_safe_map_result res;
	unsigned int shift;
	u64 count;

	do {
		shift = best_shift(op->pgt, *iova, paddr, size, &count);
		res = map_run(op, *iova, paddr, shift, count);
		*iova += res.mapped;
		paddr += res.mapped;
		size -= res.mapped;
	} while (unlikely(size) && !res.err);
	return res.err;
}

/* Give back what was mapped before something failed. Returns how much */
static noinline u64 undo_run(struct io_pgtable_safe *pgt, u64 iova, u64 mapped)
{
	u64 undone;

	/* A backend that has broken its contract gets no further call */
	if (!mapped || READ_ONCE(pgt->broken))
		return 0;
	undone = backend_unmap(pgt, iova, mapped, 0);
	invalidate(pgt, iova, undone, pgt->granule);
	return undone;
}

static struct io_pgtable_safe_map_result end_map(struct map_op *op, u64 mapped, int err,
						 bool keep)
{
	u64 undone = err && !keep ? undo_run(op->pgt, op->first, mapped) : 0;

	forget_prots(op->pgt, &op->claim, mapped - undone);
	end_tables(op->pgt, op->claim.op, false);
	ledger_commit_map(&op->pgt->ledger, &op->claim, mapped, undone);
	return map_result(mapped - undone, err);
}

/**
 * enum rest - What to do when a call has mapped only part of a range.
 * @REST_KEEP: The part stays mapped, whether there was an error or not.
 * @REST_UNDO: It goes if there was an error.
 * @REST_MAP: It goes if there was an error; else the rest is mapped, too.
 */
enum rest {
	REST_KEEP,
	REST_UNDO,
	REST_MAP,
};

static noinline struct io_pgtable_safe_map_result
map_rest(struct map_op *op, phys_addr_t paddr, u64 size, u64 mapped, int err,
	 enum rest rest)
{
	u64 pos = op->first + mapped;

	if (rest == REST_MAP && !err && mapped != size)
		err = map_segment(op, &pos, paddr + mapped, size - mapped);
	return end_map(op, pos - op->first, err, rest == REST_KEEP);
}

/* A claimed range, or as much of it as one call can do, and then the rest */
static noinline struct io_pgtable_safe_map_result
map_claimed(struct map_op *op, phys_addr_t paddr, u64 size, unsigned int shift,
	    enum rest rest)
{
	struct io_pgtable_safe_map_result res;

	res = map_run(op, op->first, paddr, shift, size >> shift);
	return map_rest(op, paddr, size, res.mapped, res.err, rest);
}

/* A range that takes more than ledger_quick_map() */
static noinline struct io_pgtable_safe_map_result
map_slow(struct map_op *op, phys_addr_t paddr, u64 size, unsigned int shift,
	 enum rest rest, unsigned long irq)
	__releases(&op->pgt->ledger.lock)
{
	u64 first = to_offset(op->pgt, op->first);
	int err;

	err = ledger_claim_map(&op->pgt->ledger, &op->claim, first, first + size - 1,
			       shift, irq);
	if (err)
		return map_result(0, err);
	return map_claimed(op, paddr, size, shift, rest);
}

/* Map pages of one size. Most of all maps are short, next to the last one, and succeed */
static __always_inline struct io_pgtable_safe_map_result
map_one_size(struct io_pgtable_safe *pgt, u64 iova, phys_addr_t paddr, u64 size,
	     unsigned int shift, int prot, gfp_t gfp, enum rest rest)
{
	u64 first = to_offset(pgt, iova);
	struct io_pgtable_safe_map_result res;
	struct ledger *l = &pgt->ledger;
	struct map_op op __uninitialized;
	struct ledger_op *claimed;
	unsigned long irq;

	spin_lock_irqsave(&l->lock, irq);
	claimed = (size_t)size == size ? ledger_quick_map(l, first, size, shift) : NULL;
	if (unlikely(!claimed)) {
		init_map(&op, pgt, iova, prot, gfp);
		return map_slow(&op, paddr, size, shift, rest, irq);
	}
	spin_unlock_irqrestore(&l->lock, irq);

	if (prots_wants(&pgt->prots, shift, prot)) {
		init_map(&op, pgt, iova, prot, gfp);
		op.claim.op = claimed;
		return map_claimed(&op, paddr, size, shift, rest);
	}
	res = backend_map(pgt, iova, paddr, size, shift, prot, gfp);
	if (unlikely(res.err || res.mapped != size)) {
		init_map(&op, pgt, iova, prot, gfp);
		op.claim.op = claimed;
		return map_rest(&op, paddr, size, res.mapped, res.err, rest);
	}
	end_tables(pgt, claimed, false);
	ledger_leave(claimed, LEDGER_IDLE);
	return map_result(size, 0);
}

static __always_inline struct io_pgtable_safe_map_result
map_pages(struct io_pgtable_safe *pgt, u64 iova, phys_addr_t paddr, size_t pgsize,
	  size_t pgcount, int prot, gfp_t gfp, enum rest rest)
{
	int err = check_map_pages(pgt, iova, paddr, pgsize, pgcount, prot, gfp);

	if (unlikely(err))
		return map_result(0, err);
	return map_one_size(pgt, iova, paddr, (u64)pgsize * pgcount, __ffs(pgsize), prot,
			    gfp, rest);
}

/**
 * io_pgtable_safe_try_map_pages() - One backend call, its outcome as it is.
 * @pgt: The page table.
 * @iova: Where to map; aligned to @pgsize.
 * @paddr: What to map; physically contiguous, aligned to @pgsize.
 * @pgsize: Page size in bytes: exactly one of the granted ones.
 * @pgcount: Number of pages.
 * @prot: IOMMU_READ, IOMMU_WRITE and the other protection flags of
 *	include/linux/iommu.h.
 * @gfp: For page tables and the ledger. No zone modifiers. Or
 *	%IO_PGTABLE_SAFE_RESERVED, see "Reservations".
 *
 * All four legal outcomes reach the caller, and it must cope with each: retry
 * the remainder after partial success, and after an error either unmap what was
 * mapped or keep it. More than 16384 pages are never asked of the backend at
 * once, so that gives partial success. Most callers want io_pgtable_safe_map().
 *
 * Context: Any; sleeps if @gfp allows it.
 * Return: What was mapped, and 0 or one of: -EINVAL, -ERANGE, -EOVERFLOW,
 * -EEXIST, -EBUSY (nothing was mapped, the backend was not called); -ENOMEM,
 * the ledger's or the backend's, and other errors of the backend; -EIO. See
 * "Errors".
 */
struct io_pgtable_safe_map_result
io_pgtable_safe_try_map_pages(struct io_pgtable_safe *pgt, u64 iova,
			      phys_addr_t paddr, size_t pgsize, size_t pgcount,
			      int prot, gfp_t gfp)
{
	return map_pages(pgt, iova, paddr, pgsize, pgcount, prot, gfp, REST_KEEP);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_try_map_pages, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_map_pages() - Map pages of one size with one backend call.
 * @pgt: The page table.
 * @iova: Where to map; aligned to @pgsize.
 * @paddr: What to map; physically contiguous, aligned to @pgsize.
 * @pgsize: Page size in bytes: exactly one of the granted ones.
 * @pgcount: Number of pages.
 * @prot: As for io_pgtable_safe_try_map_pages().
 * @gfp: Likewise.
 *
 * Partial success (mapped < @pgsize * @pgcount without an error) is reported:
 * the caller calls again with the remainder. On an error, what the call had
 * mapped has been unmapped and invalidated.
 *
 * Context: Any; sleeps if @gfp allows it.
 * Return: {mapped, 0} with mapped > 0, or {0, error} with the errors of
 * io_pgtable_safe_try_map_pages(). If the cleanup fails, or is not tried
 * because the backend broke its contract: what is left, the original error, and
 * the table is broken.
 */
struct io_pgtable_safe_map_result
io_pgtable_safe_map_pages(struct io_pgtable_safe *pgt, u64 iova,
			  phys_addr_t paddr, size_t pgsize, size_t pgcount,
			  int prot, gfp_t gfp)
{
	return map_pages(pgt, iova, paddr, pgsize, pgcount, prot, gfp, REST_UNDO);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_map_pages, IO_PGTABLE_SAFE_NS);

static noinline struct io_pgtable_safe_map_result
map_mixed(struct io_pgtable_safe *pgt, u64 iova, phys_addr_t paddr, u64 size,
	  int prot, gfp_t gfp)
{
	struct map_op op __uninitialized;
	u64 count;
	int err;

	init_map(&op, pgt, iova, prot, gfp);
	err = begin_map(&op, size, best_shift(pgt, iova, paddr, size, &count));
	if (err)
		return map_result(0, err);
	return map_rest(&op, paddr, size, 0, 0, REST_MAP);
}

/**
 * io_pgtable_safe_map() - Map a range, all or nothing.
 * @pgt: The page table.
 * @iova: Where to map; aligned to the granule.
 * @paddr: What to map; physically contiguous, aligned to the granule.
 * @size: In bytes; a multiple of the granule.
 * @prot: As for io_pgtable_safe_try_map_pages().
 * @gfp: Likewise.
 *
 * Uses the largest page sizes that the alignment of @iova and @paddr allows and
 * retries partial success.
 *
 * Context: Any; sleeps if @gfp allows it.
 * Return: {@size, 0} or {0, error}, as io_pgtable_safe_map_pages().
 */
struct io_pgtable_safe_map_result
io_pgtable_safe_map(struct io_pgtable_safe *pgt, u64 iova, phys_addr_t paddr,
		    u64 size, int prot, gfp_t gfp)
{
	unsigned int shift;
	int err;

	err = check_map(pgt, iova, size, prot, gfp);
	if (unlikely((paddr & (pgt->granule - 1)) || !paddr_is_good(pgt, paddr, size)))
		err = err ?: check_paddr(pgt, paddr, size, pgt->granule);
	if (unlikely(err))
		return map_result(0, err);

	shift = largest_shift(pgt, size);
	if (unlikely(!all_one_size(iova | paddr, size, shift)))
		return map_mixed(pgt, iova, paddr, size, prot, gfp);
	return map_one_size(pgt, iova, paddr, size, shift, prot, gfp, REST_MAP);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_map, IO_PGTABLE_SAFE_NS);

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

static __always_inline u64 sg_len(const struct scatterlist *sg, bool dma)
{
	return dma ? sg_dma_len(sg) : sg->length;
}

static __always_inline u64 sg_addr(struct scatterlist *sg, bool dma)
{
	return dma ? sg_dma_address(sg) : sg_phys(sg);
}

/* Find the first entry; -EINVAL if the table ends before it */
static int find_part(struct sg_part *part, const struct sg_table *sgt, u64 offset)
{
	u64 len;

	part->sg = sgt->sgl;
	part->nents = part->dma ? sgt->nents : sgt->orig_nents;
	part->skip = offset;
	for (; part->nents; part->nents--, part->sg = next_sg(part->sg)) {
		len = sg_len(part->sg, part->dma);
		if (part->skip < len)
			return 0;
		part->skip -= len;
	}
	return -EINVAL;
}

/* Does the table go on to the end of the part? */
static bool is_long_enough(const struct sg_part *part)
{
	u64 len, left = part->size, skip = part->skip;
	unsigned int nents = part->nents;
	struct scatterlist *sg = part->sg;

	for (; nents; nents--, sg = next_sg(sg)) {
		len = sg_len(sg, part->dma) - skip;
		if (len >= left)
			return true;
		left -= len;
		skip = 0;
	}
	return false;
}

/*
 * Take the next physically contiguous piece off the part, to the end of which the
 * table goes. False if nothing is left.
 */
static __always_inline bool next_piece(struct sg_part *part, bool dma, u64 *paddr, u64 *size)
{
	u64 left = part->size, len, addr;

	if (!left)
		return false;
	*paddr = sg_addr(part->sg, dma) + part->skip;
	len = min(sg_len(part->sg, dma) - part->skip, left);
	part->skip = 0;
	while (len < left) {
		part->sg = next_sg(part->sg);
		addr = sg_addr(part->sg, dma);
		if (addr != *paddr + len) {
			if (likely(len))
				break;
			*paddr = addr;
		}
		len += min(sg_len(part->sg, dma), left - len);
	}
	part->size = left - len;
	*size = len;
	return true;
}

static int check_pieces(struct sg_part part, const struct io_pgtable_safe *pgt)
{
	u64 paddr, size;
	int err = 0;

	if (!is_long_enough(&part))
		return -EINVAL;
	while (!err && next_piece(&part, part.dma, &paddr, &size)) {
		if (size & (pgt->granule - 1))
			return -EINVAL;
		err = check_paddr(pgt, paddr, size, pgt->granule);
	}
	return err;
}

/* Most tables are good entry for entry, and to see that takes little */
static __always_inline bool entries_are_good(const struct sg_part *part, bool dma,
					     const struct io_pgtable_safe *pgt)
{
	u64 addr, len, last, skip = part->skip, done = 0, low = 0, high = 0;
	unsigned int nents = part->nents;
	struct scatterlist *sg = part->sg;

	do {
		addr = sg_addr(sg, dma) + skip;
		len = sg_len(sg, dma) - skip;
		last = addr + len - 1;
		skip = 0;
		low |= addr | len | (last < addr);
		high |= addr | last;
		done += len;
		sg = next_sg(sg);
	} while (--nents && done < part->size);

	/* The last address is all ones: whatever is beyond it has another bit */
	return done >= part->size && !(low & (pgt->granule - 1)) && high <= pgt->paddr_last;
}

/* A loop each for either kind of address, so that none has to choose each time */
static int check_segments(const struct sg_part *part, const struct io_pgtable_safe *pgt)
{
	if (likely(part->dma ? entries_are_good(part, true, pgt) :
			       entries_are_good(part, false, pgt)))
		return 0;
	return check_pieces(*part, pgt);
}

/* Up to which iova single granules are recorded, from the start of the claim */
static u64 granules_end(const struct map_op *op)
{
	const struct ledger_op *claimed = op->claim.op;

	return claimed->shift == op->pgt->granule_shift ? op->first + claimed->marked : 0;
}

static __always_inline int map_pieces(struct sg_part part, bool dma, struct map_op *op,
				      u64 *mapped)
{
	u64 iova = op->first, end = granules_end(op), paddr, size;
	const unsigned int shift = op->pgt->granule_shift;
	struct io_pgtable_safe_map_result res = {};

	while (!res.err && next_piece(&part, dma, &paddr, &size)) {
		/* What most pieces are, if there are many */
		if (likely(size == BIT_ULL(shift) && end - iova >= size)) {
			res = backend_map(op->pgt, iova, paddr, size, shift, op->prot,
					  op->gfp);
			iova += res.mapped;
			continue;
		}
		res.err = map_segment(op, &iova, paddr, size);
		end = max(granules_end(op), iova);
	}
	*mapped = iova - op->first;
	return res.err;
}

static noinline int map_segments(const struct sg_part *part, struct map_op *op, u64 *mapped)
{
	return part->dma ? map_pieces(*part, true, op, mapped) :
			   map_pieces(*part, false, op, mapped);
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
 * @gfp: Likewise.
 *
 * Neighbouring entries that are physically contiguous are mapped as one piece,
 * with the largest page sizes that alignment allows. Each piece must be aligned
 * to the granule and a multiple of it. The whole part is checked before
 * anything is mapped, and claimed once.
 *
 * Context: Any; sleeps if @gfp allows it.
 * Return: {@size, 0} or {0, error}, as io_pgtable_safe_map_pages(); -EINVAL
 * also for an unknown @which and for a table shorter than @offset + @size.
 */
struct io_pgtable_safe_map_result
io_pgtable_safe_map_sgtable(struct io_pgtable_safe *pgt, u64 iova,
			    struct sg_table *sgt, enum io_pgtable_safe_sg which,
			    u64 offset, u64 size, int prot, gfp_t gfp)
{
	struct sg_part part = { .dma = which == IO_PGTABLE_SAFE_SG_DMA, .size = size };
	struct map_op op __uninitialized;
	u64 mapped;
	int err;

	if (which != IO_PGTABLE_SAFE_SG_CPU && which != IO_PGTABLE_SAFE_SG_DMA)
		return map_result(0, -EINVAL);
	init_map(&op, pgt, iova, prot, gfp);
	err = check_map(pgt, iova, size, prot, gfp);
	if (!err)
		err = find_part(&part, sgt, offset);
	if (!err)
		err = check_segments(&part, pgt);
	if (!err)
		err = begin_map(&op, size, pgt->granule_shift);
	if (unlikely(err))
		return map_result(0, err);

	err = map_segments(&part, &op, &mapped);
	return end_map(&op, mapped, err, false);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_map_sgtable, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_map_repeat() - Map one piece of memory over and over, all or
 *	nothing.
 * @pgt: The page table.
 * @iova: Where to map; aligned to the granule.
 * @paddr: The memory; aligned to the granule.
 * @block: Its size in bytes; a multiple of the granule.
 * @size: Bytes to map; a multiple of the granule. The last repetition may be
 *	cut short.
 * @prot: As for io_pgtable_safe_try_map_pages().
 * @gfp: Likewise.
 *
 * For sparse and null-page bindings. Leaves are as large as @block and the
 * alignment of @iova and @paddr allow: a page repeated gives pages, an aligned 2M
 * gives blocks. To bind something else to part of the range, unmap that part first.
 *
 * Context: Any; sleeps if @gfp allows it.
 * Return: {@size, 0} or {0, error}, as io_pgtable_safe_map_pages().
 */
struct io_pgtable_safe_map_result
io_pgtable_safe_map_repeat(struct io_pgtable_safe *pgt, u64 iova,
			   phys_addr_t paddr, u64 block, u64 size, int prot,
			   gfp_t gfp)
{
	struct map_op op __uninitialized;
	u64 pos = iova, left, part, count;
	int err;

	if (!block || (block & (pgt->granule - 1)))
		return map_result(0, -EINVAL);
	err = check_map(pgt, iova, size, prot, gfp);
	if (!err)
		err = check_paddr(pgt, paddr, min(block, size), pgt->granule);
	if (unlikely(err))
		return map_result(0, err);

	init_map(&op, pgt, iova, prot, gfp);
	err = begin_map(&op, size, best_shift(pgt, iova, paddr, min(block, size), &count));
	if (unlikely(err))
		return map_result(0, err);

	for (left = size; left && !err; left -= part) {
		part = min(left, block);
		err = map_segment(&op, &pos, paddr, part);
	}
	return end_map(&op, pos - iova, err, false);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_map_repeat, IO_PGTABLE_SAFE_NS);

/* --- unmap ---------------------------------------------------------------- */

static noinline struct io_pgtable_safe_unmap_result
end_unmap(struct io_pgtable_safe *pgt, struct ledger_claim *claim, u64 iova,
	  u64 size, u64 unmapped, unsigned int shift, u32 flags)
{
	invalidate_unmapped(pgt, claim->op, iova, unmapped, BIT(shift), flags);
	prots_erase(&pgt->prots, to_offset(pgt, iova), unmapped);
	ledger_commit_unmap(&pgt->ledger, claim, unmapped, unmapped);
	return unmap_result(unmapped, unmapped == size ? check_table(pgt) : -EIO);
}

static noinline struct io_pgtable_safe_unmap_result
unmap_slow(struct io_pgtable_safe *pgt, u64 iova, u64 size, unsigned int shift,
	   u32 flags, unsigned long irq)
	__releases(&pgt->ledger.lock)
{
	u64 first = to_offset(pgt, iova), unmapped;
	struct ledger_claim claim __uninitialized;
	int err;

	err = ledger_claim_unmap(&pgt->ledger, &claim, first, first + size - 1, &shift,
				 irq);
	if (err)
		return unmap_result(0, err);
	unmapped = backend_unmap(pgt, iova, size, 0);
	return end_unmap(pgt, &claim, iova, size, unmapped, shift, flags);
}

/* A range that takes more than one call */
static noinline struct io_pgtable_safe_unmap_result
unmap_mixed(struct io_pgtable_safe *pgt, u64 iova, u64 size, u32 flags)
{
	unsigned long irq;

	spin_lock_irqsave(&pgt->ledger.lock, irq);
	return unmap_slow(pgt, iova, size, pgt->granule_shift, flags, irq);
}

/* The one call did not do it all */
static noinline struct io_pgtable_safe_unmap_result
unmap_rest(struct io_pgtable_safe *pgt, struct ledger_op *op, u64 iova, u64 size,
	   unsigned int shift, size_t n, u32 flags)
{
	unsigned int leaf = pgt->ledger.level[op->lvl].shift;
	struct ledger_claim claim = { .op = op };
	u64 unmapped = 0;

	if (judge_unmap(pgt, n, size, shift, &unmapped))
		unmapped = backend_unmap(pgt, iova, size, unmapped);
	return end_unmap(pgt, &claim, iova, size, unmapped, leaf, flags);
}

static __always_inline struct io_pgtable_safe_unmap_result
unmap_range(struct io_pgtable_safe *pgt, u64 iova, u64 size, u32 flags)
{
	u64 first = to_offset(pgt, iova);
	unsigned int shift = largest_shift(pgt, size);
	struct ledger *l = &pgt->ledger;
	struct ledger_op *op;
	unsigned long irq;
	size_t n;

	begin_unmap(pgt, flags);
	if (unlikely(!all_one_size(iova, size, shift)))
		return unmap_mixed(pgt, iova, size, flags);
	spin_lock_irqsave(&l->lock, irq);
	op = ledger_quick_unmap(l, first, size, shift);
	if (unlikely(!op))
		return unmap_slow(pgt, iova, size, shift, flags, irq);
	spin_unlock_irqrestore(&l->lock, irq);

	n = backend_unmap_once(pgt, iova, size, shift);
	if (unlikely(n != size))
		return unmap_rest(pgt, op, iova, size, shift, n, flags);
	invalidate_unmapped(pgt, op, iova, size, BIT(l->level[op->lvl].shift), flags);
	prots_erase(&pgt->prots, first, size);
	ledger_leave(op, LEDGER_UNMAPPED);
	return unmap_result(size, 0);
}

/**
 * io_pgtable_safe_unmap_pages() - Unmap a range given in pages.
 * @pgt: The page table.
 * @iova: First byte; aligned to @pgsize.
 * @pgsize: Exactly one of the granted page sizes, in bytes.
 * @pgcount: Number of pages.
 * @flags: 0 or %IO_PGTABLE_SAFE_NO_FLUSH.
 *
 * The range must be one or more consecutive mappings that start at @iova and
 * have exactly this total size; they need not have been made with @pgsize, nor
 * with one call. Anything else is refused before the page table is touched.
 * Never allocates memory. When it returns success, nothing translates the range
 * any more; see "Invalidation".
 *
 * Context: Any, as far as the driver's flush callbacks allow.
 * Return: {@pgsize * @pgcount, 0} or {0, error}: -EINVAL, -ERANGE, -EOVERFLOW,
 * -ENOENT, -ENOTBLK, -EBUSY; -EIO. See "Errors".
 */
struct io_pgtable_safe_unmap_result
io_pgtable_safe_unmap_pages(struct io_pgtable_safe *pgt, u64 iova,
			    size_t pgsize, size_t pgcount, u32 flags)
{
	int err;

	err = check_unmap_pages(pgt, iova, pgsize, pgcount, flags);
	if (unlikely(err))
		return unmap_result(0, err);
	return unmap_range(pgt, iova, (u64)pgsize * pgcount, flags);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_unmap_pages, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_unmap() - Unmap a range.
 * @pgt: The page table.
 * @iova: First byte; aligned to the granule.
 * @size: In bytes; a multiple of the granule.
 * @flags: 0 or %IO_PGTABLE_SAFE_NO_FLUSH.
 *
 * As io_pgtable_safe_unmap_pages(), for any range that cuts no leaf.
 *
 * Context: Any, as far as the driver's flush callbacks allow.
 * Return: {@size, 0} or {0, error}, as io_pgtable_safe_unmap_pages().
 */
struct io_pgtable_safe_unmap_result
io_pgtable_safe_unmap(struct io_pgtable_safe *pgt, u64 iova, u64 size, u32 flags)
{
	int err;

	err = check_unmap(pgt, iova, size, flags);
	if (unlikely(err))
		return unmap_result(0, err);
	return unmap_range(pgt, iova, size, flags);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_unmap, IO_PGTABLE_SAFE_NS);

#include "io_pgtable_safe_cut.h"

/**
 * io_pgtable_safe_cut() - Unmap a range that may begin and end inside leaves.
 * @pgt: The page table.
 * @iova: First byte; aligned to the granule.
 * @size: In bytes; a multiple of the granule.
 * @gfp: For page tables and the ledger. No zone modifiers. Or
 *	%IO_PGTABLE_SAFE_RESERVED; the reservation must be for all of the leaves.
 * @flags: 0 or %IO_PGTABLE_SAFE_NO_FLUSH.
 *
 * As io_pgtable_safe_unmap(), and the same where no leaf is cut. A leaf that lies
 * in the range in part only, of which there are at most two, is unmapped, and its
 * rest is mapped again: the same memory with the same protection, and with the
 * largest page sizes that fit. Afterwards exactly the range is unmapped. On failure
 * all is as it was, the sizes of leaves included. The same on every kernel, whether
 * its formats can split blocks or not.
 *
 * For a moment the whole of such a leaf is not mapped, also on failure: from when
 * it is unmapped until its rest has been mapped, with one invalidation and
 * allocations in between, and if that fails once more until it has been put back.
 * What lies between such leaves and what is outside them is not concerned. A
 * device that cannot wait out a fault must not use these leaves meanwhile;
 * io_pgtable_safe_leaf_span() says where they end. They are invalidated in that
 * moment even with %IO_PGTABLE_SAFE_NO_FLUSH, which spares only the rest of the
 * range. Without flush callbacks nobody does that: the driver must keep the device
 * from walking the leaves during the call, see "Invalidation".
 *
 * With IO_PGTABLE_QUIRK_ARM_HD the rest counts as written to, whether it was or not.
 *
 * Context: Any, as far as the driver's flush callbacks allow; sleeps if @gfp allows
 * it.
 * Return: {@size, 0} or {0, error}: -EINVAL, -ERANGE, -EOVERFLOW, -ENOENT, -EBUSY
 * (also if another thread is busy with the rest of such a leaf); -ENOMEM; -EIO, also
 * if a leaf could not be put back, and then @unmapped says how much of the range is
 * not mapped any more. See "Errors".
 */
struct io_pgtable_safe_unmap_result
io_pgtable_safe_cut(struct io_pgtable_safe *pgt, u64 iova, u64 size, gfp_t gfp,
		    u32 flags)
{
	struct io_pgtable_safe_unmap_result res;
	int err;

	err = check_cut(pgt, iova, size, gfp, flags);
	if (unlikely(err))
		return unmap_result(0, err);
	res = unmap_range(pgt, iova, size, flags);
	return res.err == -ENOTBLK ? cut_range(pgt, iova, size, gfp, flags) : res;
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_cut, IO_PGTABLE_SAFE_NS);

/* Everything mapped from first to last; *end is where it stopped */
static u64 unmap_extents(struct io_pgtable_safe *pgt, u64 first, u64 last,
			 u64 *begin, u64 *end)
{
	u64 pos = first, a, b, n, unmapped = 0;

	while (ledger_next_extent(&pgt->ledger, pos, last, &a, &b)) {
		n = backend_unmap(pgt, a + pgt->iova_first, b - a + 1, 0);
		if (!unmapped)
			*begin = a;
		unmapped += n;
		*end = a + n;
		if (n != b - a + 1 || b == last)
			break;
		pos = b + 1;
	}
	return unmapped;
}

/**
 * io_pgtable_safe_unmap_present() - Unmap whatever a range holds.
 * @pgt: The page table.
 * @iova: First byte; aligned to the granule.
 * @size: In bytes; a multiple of the granule.
 * @flags: 0 or %IO_PGTABLE_SAFE_NO_FLUSH.
 *
 * As io_pgtable_safe_unmap(), but holes are allowed, and so is an empty range:
 * for heap objects that are mapped on demand, and for teardown.
 *
 * Context: Any, as far as the driver's flush callbacks allow.
 * Return: {bytes unmapped, 0} or {0, error}: -EINVAL, -ERANGE, -EOVERFLOW,
 * -ENOTBLK, -EBUSY; -EIO, and then @unmapped says how far it got.
 */
struct io_pgtable_safe_unmap_result
io_pgtable_safe_unmap_present(struct io_pgtable_safe *pgt, u64 iova, u64 size,
			      u32 flags)
{
	u64 first = to_offset(pgt, iova), begin = first, end = first, unmapped;
	struct ledger_claim claim;
	int err;

	err = check_unmap(pgt, iova, size, flags);
	if (!err)
		err = ledger_claim_present(&pgt->ledger, &claim, first,
					   first + size - 1);
	if (unlikely(err))
		return unmap_result(0, err);

	begin_unmap(pgt, flags);
	unmapped = unmap_extents(pgt, first, first + size - 1, &begin, &end);
	invalidate_unmapped(pgt, claim.op, begin + pgt->iova_first, end - begin,
			    pgt->granule, flags);
	prots_erase(&pgt->prots, begin, end - begin);
	ledger_commit_unmap(&pgt->ledger, &claim, end - first, unmapped);
	return unmap_result(unmapped, check_table(pgt));
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_unmap_present, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_flush() - Invalidate what the device remembers of a range.
 * @pgt: The page table.
 * @iova: First byte; aligned to the granule.
 * @size: In bytes; a multiple of the granule.
 *
 * For callers that unmapped with %IO_PGTABLE_SAFE_NO_FLUSH, before the memory
 * or the range is used for something else. Gives back the tables that those
 * unmaps have freed and that lie in the range. A broken table is invalidated all
 * the same.
 *
 * For a page table without flush callbacks, the call says that the driver has
 * invalidated: all that was unmapped in the range before the call. So the range
 * must not hold what another thread is unmapping meanwhile.
 *
 * Context: Any, as far as the driver's flush callbacks allow.
 * Return: 0; -EINVAL, -EOVERFLOW or -ERANGE for a bad range; -EIO.
 */
int io_pgtable_safe_flush(struct io_pgtable_safe *pgt, u64 iova, u64 size)
{
	int err = check_iova(pgt, iova, size, pgt->granule);
	unsigned long begin;

	if (err)
		return err;
	begin = table_pages_before_flush(&pgt->tables);
	invalidate(pgt, iova, size, pgt->granule);
	table_pages_after_flush(&pgt->tables, begin, iova, iova + size - 1);
	return check_table(pgt);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_flush, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_kept() - How much memory waits for a flush?
 * @pgt: The page table.
 *
 * Tables that the format has freed, and that the device may not have forgotten
 * yet; see "Invalidation".
 *
 * Context: Any.
 * Return: Bytes; 0 where the layer does not see the format's tables.
 */
u64 io_pgtable_safe_kept(struct io_pgtable_safe *pgt)
{
	return table_pages_kept(&pgt->tables);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_kept, IO_PGTABLE_SAFE_NS);

/* --- reservations --------------------------------------------------------- */

/* For a loop that may be long: let others run, and give up if nobody waits for it */
static int breathe(gfp_t gfp)
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
		err = breathe(gfp);
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

/* For a cut also two drafts, which are nodes of leaves, and their groups */
static int reserve_nodes(struct io_pgtable_safe_reserve *r, const struct ledger *l,
			 unsigned int lvl, u64 first, u64 last, gfp_t gfp)
{
	bool top = lvl + 1 == l->levels;
	u64 nodes = top ? 0 : ledger_count_nodes(l, lvl, first, last);
	u64 groups = top ? 0 : ledger_count_groups(l, lvl, first, last) + 2;
	int err;

	for (nodes += lvl ? 2 : 0; nodes; nodes--) {
		err = breathe(gfp);
		if (err)
			return err;
		if (!ledger_alloc_spare_node(l, &r->spares, lvl, gfp))
			return -ENOMEM;
	}
	for (; groups; groups--)
		if (!ledger_alloc_spare_group(&r->spares, lvl, gfp))
			return -ENOMEM;
	return 0;
}

static int reserve_prots(struct io_pgtable_safe_reserve *r, struct prots *p, u64 n,
			 gfp_t gfp)
{
	int err = 0;

	for (; n && !err; n--) {
		err = breathe(gfp);
		if (!err && !prots_alloc_spare(p, &r->prots, gfp))
			err = -ENOMEM;
	}
	return err;
}

static int fill_reserve(struct io_pgtable_safe *pgt, struct io_pgtable_safe_reserve *r,
			gfp_t gfp)
{
	u64 first = to_offset(pgt, r->first), last = to_offset(pgt, r->last);
	u64 n = table_pages_count(&pgt->tables, first, last);
	unsigned int lvl;
	int err;

	/* Not even if there were nothing else: do not go and try */
	if (n > (u64)totalram_pages() << PAGE_SHIFT >> pgt->granule_shift)
		return -ENOMEM;
	err = reserve_tables(r, n, pgt->granule, gfp);
	for (lvl = 0; !err && lvl < r->levels; lvl++)
		err = reserve_nodes(r, &pgt->ledger, lvl, first, last, gfp);
	if (err)
		return err;
	n = prots_count(&pgt->prots, first, last, pgt->cfg.ias);
	return reserve_prots(r, &pgt->prots, n, gfp);
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
 * Context: Any; sleeps if @gfp allows it, and then a fatal signal ends it.
 * Return: The reservation, to be given back with io_pgtable_safe_unreserve(), or
 * an ERR_PTR: -EOPNOTSUPP if the format's tables do not come from the layer (v7s,
 * DART, io_pgtable_safe_wrap(); any format before 6.8); -EINVAL for a bad range or
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
	err = check_table(pgt) ?: check_iova(pgt, iova, size, pgt->granule);
	if (err)
		return ERR_PTR(err);
	if (check_gfp(gfp) || is_reserved(gfp))
		return ERR_PTR(-EINVAL);
	might_alloc(gfp);

	r = kzalloc_obj(*r, gfp);
	if (!r)
		return ERR_PTR(-ENOMEM);
	r->id = pgt->id;
	r->first = iova;
	r->last = iova + size - 1;
	r->source = pgt->tables.source;
	r->levels = pgt->ledger.levels;
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
 * Context: Any, as far as the driver's page allocator allows. Must not race with
 * anything that uses @r.
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
	ledger_free_spares(&r->spares, r->levels);
	prots_free_spares(r->prots);
	kfree(r);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_unreserve, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_reserve_attach() - Let maps take from a reservation.
 * @pgt: The page table that it was made for.
 * @r: The reservation.
 *
 * Context: Any.
 * Return: 0; -EINVAL if @r was made for another page table; -EBUSY if @pgt has a
 * reservation attached, this one or another.
 */
int io_pgtable_safe_reserve_attach(struct io_pgtable_safe *pgt,
				   struct io_pgtable_safe_reserve *r)
{
	unsigned long flags;

	if (r->id != pgt->id)
		return -EINVAL;

	spin_lock_irqsave(&pgt->tables.lock, flags);
	if (pgt->reserve) {
		spin_unlock_irqrestore(&pgt->tables.lock, flags);
		return -EBUSY;
	}
	r->pgt = pgt;
	WRITE_ONCE(pgt->reserve, r);
	pgt->tables.reserve = &r->tables;
	spin_unlock_irqrestore(&pgt->tables.lock, flags);

	spin_lock_irqsave(&pgt->ledger.lock, flags);
	pgt->ledger.reserve = &r->spares;
	spin_unlock_irqrestore(&pgt->ledger.lock, flags);

	xa_lock_irqsave(&pgt->prots.unusual, flags);
	pgt->prots.reserve = &r->prots;
	xa_unlock_irqrestore(&pgt->prots.unusual, flags);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_reserve_attach, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_reserve_detach() - Let no map take from a reservation any more.
 * @pgt: The page table; nothing happens if no reservation is attached to it.
 *
 * Context: Any. Must not race with a map that uses the reservation.
 */
void io_pgtable_safe_reserve_detach(struct io_pgtable_safe *pgt)
{
	unsigned long flags;

	xa_lock_irqsave(&pgt->prots.unusual, flags);
	pgt->prots.reserve = NULL;
	xa_unlock_irqrestore(&pgt->prots.unusual, flags);

	spin_lock_irqsave(&pgt->ledger.lock, flags);
	pgt->ledger.reserve = NULL;
	spin_unlock_irqrestore(&pgt->ledger.lock, flags);

	spin_lock_irqsave(&pgt->tables.lock, flags);
	pgt->tables.reserve = NULL;
	if (pgt->reserve)
		pgt->reserve->pgt = NULL;
	WRITE_ONCE(pgt->reserve, NULL);
	spin_unlock_irqrestore(&pgt->tables.lock, flags);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_reserve_detach, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_reserve_left() - How much of a reservation is left?
 * @r: The reservation. No map may be taking from it.
 *
 * For statistics and tests: counts one by one.
 *
 * Context: Any.
 * Return: Bytes, of tables and of what the ledger may need.
 */
u64 io_pgtable_safe_reserve_left(const struct io_pgtable_safe_reserve *r)
{
	const struct table_page *p;
	u64 bytes = 0;

	for (p = r->tables; p; p = p->next)
		bytes += p->size + sizeof(*p);
	return bytes + ledger_spare_bytes(&r->spares, r->levels) +
	       prots_spare_bytes(r->prots);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_reserve_left, IO_PGTABLE_SAFE_NS);

/* --- questions ------------------------------------------------------------ */

/**
 * io_pgtable_safe_lookup() - What is mapped at an address?
 * @pgt: The page table.
 * @iova: Any address, aligned or not.
 * @span: Set to the leaf that holds it: start, size, physical address of its
 *	start, and again the size as @span->leaf.
 *
 * Cannot be confused by physical address 0.
 *
 * Context: Any.
 * Return: 0, -ENOENT if nothing is mapped there, -ERANGE, -EBUSY if it is being
 * mapped or unmapped right now, -EIO.
 */
int io_pgtable_safe_lookup(struct io_pgtable_safe *pgt, u64 iova,
			   struct io_pgtable_safe_span *span)
{
	u64 off = to_offset(pgt, iova), first, last;
	struct ledger *l = &pgt->ledger;
	struct ledger_garbage g = {};
	unsigned long flags;
	int err;

	err = check_table(pgt) ?: check_iova(pgt, iova, 1, 1);
	if (err)
		return err;

	/*
	 * The one place where the lock is held over the backend: a walk of at
	 * most four loads that takes no lock. A claim instead would make the
	 * unmap of somebody else fail with -EBUSY.
	 */
	spin_lock_irqsave(&l->lock, flags);
	err = ledger_check_claims(l, off, off, &g);
	if (!err)
		err = ledger_find_leaf(l, off, &first, &last);
	if (!err) {
		span->iova = first + pgt->iova_first;
		span->size = last - first + 1;
		span->leaf = span->size;
		span->paddr = pgt->ops->iova_to_phys(pgt->ops, span->iova);
	}
	spin_unlock_irqrestore(&l->lock, flags);
	ledger_empty_garbage(l, &g);
	return err;
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_lookup, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_pgtable_walk() - The descriptors on the way to an address.
 * @pgt: The page table.
 * @iova: Any address, aligned or not.
 * @wd: As for io_pgtable_ops->pgtable_walk(): what the format fills in, for LPAE a
 *	struct arm_lpae_io_pgtable_walk_data.
 *
 * For dumps. Unlike the op, which follows whatever it finds, also where an address
 * is outside the address space, and gives what it found above a hole, it walks to
 * what is mapped only.
 *
 * Context: Any.
 * Return: 0, -ENOENT if nothing is mapped there, -ERANGE, -EBUSY if it is being
 * mapped or unmapped right now, -EOPNOTSUPP if the format cannot do this (only LPAE
 * can, on newer kernels), -EIO; or an error of the format's.
 */
int io_pgtable_safe_pgtable_walk(struct io_pgtable_safe *pgt, u64 iova, void *wd)
{
	u64 off = to_offset(pgt, iova), first, last;
	struct ledger *l = &pgt->ledger;
	struct ledger_garbage g = {};
	unsigned long flags;
	int err;

	if (!io_pgtable_safe_has_walk(pgt->ops))
		return -EOPNOTSUPP;
	err = check_table(pgt) ?: check_iova(pgt, iova, 1, 1);
	if (err)
		return err;

	/* As in io_pgtable_safe_lookup(); and the last byte of 2^64 has no end */
	spin_lock_irqsave(&l->lock, flags);
	err = ledger_check_claims(l, off, off, &g) ?: ledger_find_leaf(l, off, &first, &last);
	if (!err)
		err = io_pgtable_safe_walk(pgt->ops, iova & ~((u64)pgt->granule - 1), wd);
	spin_unlock_irqrestore(&l->lock, flags);
	ledger_empty_garbage(l, &g);
	return err;
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_pgtable_walk, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_next() - The next range with no hole in it.
 * @pgt: The page table.
 * @iova: Where to begin; aligned to the granule.
 * @span: Set to the first mapped range at or behind @iova: start and size. If
 *	@iova is mapped, the range starts there. Physical address and leaf are 0:
 *	the range may be many leaves.
 *
 * For dumps: go on at the end of each span until the answer is not 0 (-ERANGE
 * behind the last byte of the address space). Ranges that are being mapped do
 * not count, those being unmapped still do. A long range is looked at in parts,
 * and others may change a part that has been looked at.
 *
 * Context: Any.
 * Return: 0, -ENOENT if nothing is mapped from @iova on, -EINVAL, -ERANGE, -EIO.
 */
int io_pgtable_safe_next(struct io_pgtable_safe *pgt, u64 iova,
			 struct io_pgtable_safe_span *span)
{
	u64 first, last;
	int err;

	err = check_table(pgt) ?: check_iova(pgt, iova, pgt->granule, pgt->granule);
	if (err)
		return err;
	if (!ledger_next_extent(&pgt->ledger, to_offset(pgt, iova),
				pgt->iova_mask, &first, &last))
		return -ENOENT;
	*span = (struct io_pgtable_safe_span){
		.iova = first + pgt->iova_first, .size = last - first + 1
	};
	return 0;
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_next, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_leaf_span() - The smallest range that cuts no leaf.
 * @pgt: The page table.
 * @iova: First byte; aligned to the granule.
 * @size: In bytes; a multiple of the granule.
 * @span: Set to the smallest range that holds this one and both ends of which
 *	are leaf boundaries or not mapped: start and size. Physical address and
 *	leaf are 0.
 *
 * What io_pgtable_safe_cut() will claim, and what a device should be kept off
 * meanwhile if it must not fault.
 *
 * Context: Any.
 * Return: 0, -EINVAL, -EOVERFLOW, -ERANGE, -EBUSY if part of the range is being
 * mapped or unmapped right now, -EIO.
 */
int io_pgtable_safe_leaf_span(struct io_pgtable_safe *pgt, u64 iova, u64 size,
			      struct io_pgtable_safe_span *span)
{
	u64 first = to_offset(pgt, iova), last = first + size - 1;
	int err;

	err = check_table(pgt) ?: check_iova(pgt, iova, size, pgt->granule);
	if (!err)
		err = ledger_widen(&pgt->ledger, &first, &last);
	if (err)
		return err;
	*span = (struct io_pgtable_safe_span){
		.iova = first + pgt->iova_first, .size = last - first + 1
	};
	return 0;
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_leaf_span, IO_PGTABLE_SAFE_NS);

/**
 * io_pgtable_safe_mapped() - How much is mapped?
 * @pgt: The page table.
 *
 * Context: Any.
 * Return: Bytes. A range that is being mapped does not count, one that is being
 * unmapped still does.
 */
u64 io_pgtable_safe_mapped(struct io_pgtable_safe *pgt)
{
	return ledger_mapped(&pgt->ledger);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_mapped, IO_PGTABLE_SAFE_NS);

MODULE_DESCRIPTION("Checked API over io-pgtable");
MODULE_LICENSE("GPL");
