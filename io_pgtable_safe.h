/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A checked API over io-pgtable for drivers that manage their own page tables.
 */
#ifndef _IO_PGTABLE_SAFE_H
#define _IO_PGTABLE_SAFE_H

#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/io-pgtable.h>
#include <linux/types.h>

struct dentry;
struct page;
struct device;
struct sg_table;

/**
 * DOC: overview
 *
 * A GPU driver that manages its own address spaces calls the io-pgtable ops
 * directly, and every such driver writes the same loop around them: pick a
 * page size, call, add up what was mapped, try again, unmap on failure, flush.
 * The ops check next to nothing. A misaligned address lands somewhere else, an
 * overlap fires a WARN_ON() or silently replaces what was mapped, an unmap of a
 * range with a hole stops half way.
 *
 * &struct io_pgtable_safe wraps one page table. It keeps a ledger of what is
 * mapped, so that every request is checked before the page table is touched,
 * and it owns the loop, the cleanup and the invalidation. A request that is
 * refused leaves the page table and the ledger exactly as they were and logs
 * nothing, so that it may come straight from user space.
 *
 * IOVAs and sizes are u64 and in bytes on every architecture; a value
 * the backend cannot take is refused, never truncated. Every function says
 * which errors it returns; the functions that map or unmap share the list
 * under "Errors".
 */

/**
 * DOC: outcomes
 *
 * Mapping gives two almost independent values, how much was mapped and whether
 * there was an error. One call of io_pgtable_ops->map_pages() has four legal
 * outcomes, and any caller must cope with all of them:
 *
 * ===========  =========  ====================================================
 * error        mapped     meaning
 * ===========  =========  ====================================================
 * none         all        success
 * none         a part     call again with the remainder
 * any          a part     that part stays mapped unless the caller unmaps it
 * any          nothing    plain failure
 * ===========  =========  ====================================================
 *
 * The fifth, no error and nothing mapped, is illegal: a caller that retries
 * would do so for ever. So are more bytes than were asked for and a number of
 * bytes that is not a multiple of the page size. The layer turns each of them
 * into -EIO.
 *
 * io_pgtable_safe_try_map_pages() hands all four outcomes to its caller as
 * they are. io_pgtable_safe_map_pages() undoes a part that was mapped before an
 * error. io_pgtable_safe_map(), io_pgtable_safe_map_sgtable() and
 * io_pgtable_safe_map_repeat() also retry partial success, so that they map
 * everything or nothing.
 */

/**
 * DOC: errors
 *
 * ============  ==============================================================
 * -EINVAL       An address or size is not aligned to the page size; the page
 *               size is not exactly one of the granted ones; a count or size
 *               is zero; @prot has neither IOMMU_READ nor IOMMU_WRITE, or
 *               IOMMU_WRITE alone where the format would make it readable too;
 *               @gfp has __GFP_COMP or picks a memory zone, or is
 *               %IO_PGTABLE_SAFE_RESERVED and no reservation is attached; an
 *               unknown flag; a scatter-gather table shorter than asked for, or
 *               without the pages whose addresses are asked for; a bad
 *               configuration.
 * -ERANGE       The first or last byte is outside the address space (ias bits,
 *               or the upper half with IO_PGTABLE_QUIRK_ARM_TTBR1) or outside
 *               the physical address space (oas bits), or, with
 *               %IO_PGTABLE_SAFE_RESERVED, outside the range of the
 *               reservation.
 * -EOVERFLOW    Address plus size, or page size times count, does not fit.
 * -EEXIST       A map over something that is mapped.
 * -ENOENT       An unmap or lookup of something that is not mapped, or a range
 *               with a hole in it. Which of this and -ENOTBLK it is where
 *               both apply is not specified.
 * -ENOTBLK      The range cuts a leaf: it covers only part of a block.
 *               io_pgtable_safe_cut() unmaps such a range;
 *               io_pgtable_safe_leaf_span() gives one that cuts nothing.
 * -EBUSY        Another thread is mapping or unmapping part of the range right
 *               now, or of a leaf that it cuts; or a reservation is attached
 *               already.
 * -ENOMEM       No memory for page tables or for the ledger, or a reservation
 *               has been used up.
 * -EOPNOTSUPP   A format, quirk or custom allocator that this kernel does not
 *               have; a reservation for a format that does not take one.
 * -EINTR        A fatal signal ended io_pgtable_safe_reserve().
 * -EIO          The backend broke its contract. A map call that made no
 *               progress or returned a positive error does not break the
 *               table. After a count that cannot be, or an unmap that failed,
 *               the table is broken: every later call that maps, unmaps or
 *               looks something up fails with -EIO, if its arguments are right.
 * ============  ==============================================================
 *
 * Any other error is the backend's own, passed on.
 */

/**
 * DOC: concurrency
 *
 * All functions but alloc, wrap, free, debugfs, check_pages, set_live and clear_live may
 * be called concurrently on one table, from process context, also with locks held or
 * interrupts off, but not from interrupts; those that take a gfp_t sleep only if it
 * allows that. A call claims its range in the ledger, runs the backend and settles
 * what became of it; or, for a range in one table that needs no callback, holds the
 * spinlock of that part of the ledger meanwhile. Calls on disjoint ranges run side by
 * side. Of two calls whose ranges overlap, one wins and the other fails with -EBUSY at
 * once, or later with what it finds; two lookups do not exclude each other. What is
 * under way counts as not mapped. Unmap never allocates memory, except
 * for io_pgtable_safe_cut(), which maps as well.
 *
 * The driver's &io_pgtable_cfg.alloc may be called with a spinlock held, and with gfp
 * flags that allow less than those of the call. Its free may be called with a spinlock
 * held, too, if another thread has installed the same table first. Neither may call the
 * functions here.
 *
 * io_pgtable_safe_free() must not race with anything on the same table. A
 * reservation must not be detached or given back while a map takes from it. Where
 * there are no flush callbacks, io_pgtable_safe_flush() must not race with an unmap
 * in its range.
 */

/**
 * DOC: invalidation
 *
 * When an unmap returns success, or a failed map returns, no walker may still
 * translate what was unmapped. The formats do not guarantee that: with a NULL
 * gather, 6.1 calls tlb_add_page(NULL), and LPAE from 6.12 on makes no leaf
 * callback at all (drivers/iommu/io-pgtable-arm.c, __arm_lpae_unmap()). So the
 * layer keeps the formats from reporting leaves and calls the driver itself,
 * once for the range of each call, on every format and kernel alike:
 *
 * - tlb_flush_walk(iova, size, granule) where the driver has it. Here it must be
 *   synchronous and must cover leaves as well as tables, which is more than
 *   &struct iommu_flush_ops asks for. No other callback there has invalidated a range
 *   synchronously since tlb_flush_leaf() was removed (5.11). The tlb_flush_walk() of
 *   arm-smmu, arm-smmu-v3, qcom_iommu and ipmmu-vmsa does. Unmap passes a granule
 *   that no entry of the range is smaller than, where a leaf of several contiguous
 *   entries counts as these; io_pgtable_safe_unmap_present(),
 *   io_pgtable_safe_flush() and the cleanup of a failed map pass the smallest
 *   page size.
 * - tlb_flush_all() where there is no tlb_flush_walk(), or where the range is
 *   so long that more than 512 invalidations of one granule would be needed
 *   (compare MAX_DVM_OPS in arch/arm64/include/asm/tlbflush.h), or where it ends
 *   at 2^64, which iova + size cannot say.
 *
 * The range stays claimed until the callback has returned, so that nobody can
 * map it again too early.
 *
 * A format frees a table in the middle of an unmap, and asks for the walk cache to
 * be flushed first, once for each. Where the format takes &io_pgtable_cfg.alloc
 * (LPAE from 6.12 on), the layer gives it its pages, the driver's or the
 * kernel's, and keeps what an unmap frees until the invalidation of the range has
 * covered it: one callback serves all leaves and tables of an unmap. A block that is
 * mapped over an empty table replaces it; that cannot wait, because the walker
 * must have forgotten the table before there is a block, and makes a callback of
 * its own for each table, as does the cleanup of a failed map. So does every table
 * that is freed elsewhere: v7s, DART, 6.1, and io_pgtable_safe_wrap().
 *
 * %IO_PGTABLE_SAFE_NO_FLUSH leaves the invalidation to a later
 * io_pgtable_safe_flush(), so that one may serve many unmaps. Tables freed by
 * these unmaps are kept until flushes that began later have covered all that the table
 * described. A leaf that
 * io_pgtable_safe_cut() cuts is invalidated all the same, before anything is mapped
 * in its place: no walker may find a block and then a table where it was.
 *
 * A format keeps a table in which nothing is left, to be used again.
 * io_pgtable_safe_unmap_present() frees every empty table that lies whole in its range,
 * mapped or not. So with %IO_PGTABLE_SAFE_NO_FLUSH all of the range must be flushed.
 *
 * A driver that does not flush makes such tables pile up; io_pgtable_safe_kept()
 * says how many there are. Those that are left are freed with the page table.
 *
 * A configuration without flush callbacks (tlb == NULL) says that the driver or
 * a firmware invalidates, as for panfrost, panthor and Tyr. The callbacks that these
 * have today do nothing and must not be passed: the layer relies on the callbacks that
 * it gets. Without them the driver must invalidate, leaves and tables, after
 * each call that maps or unmaps, failed or not, before the device may walk the
 * range again and before the memory that was mapped is freed or reused. And
 * because a format frees tables in such calls, it must do one of these:
 *
 * - Keep the device from walking the range during the call, as panthor does by
 *   locking the region first. A table that is freed is then given back when the
 *   call returns, or before.
 * - Unmap with %IO_PGTABLE_SAFE_NO_FLUSH and call io_pgtable_safe_flush() after it
 *   has invalidated: it makes no callback, and says that the device has forgotten the
 *   range. Tables are kept until then; from the first such unmap on also those
 *   that are freed by a map. This is possible where the layer gives the format
 *   its pages, and takes care of unmaps; a map that puts a block in the place of an
 *   empty table still requires the first.
 */

/**
 * DOC: reservations
 *
 * A driver that maps asynchronously (VM_BIND) must not allocate when the map is
 * run: others wait for its fence, and reclaim may wait for them. What it may need
 * is allocated before, while -ENOMEM can still be returned to the caller:
 *
 * - io_pgtable_safe_reserve(), when the operation is submitted, allocates the
 *   tables and the ledger's nodes for a range, whatever is mapped in it: with any
 *   page sizes, in any number of pieces, and whether there are some already.
 * - io_pgtable_safe_reserve_attach(), when the operation is run, lets maps take from
 *   it. A page table has one attached at a time.
 * - Maps and cuts in the range that are called with %IO_PGTABLE_SAFE_RESERVED as
 *   their gfp, alone and not with other flags, take tables and nodes from there.
 *   They neither sleep nor enter reclaim, and fail with -ENOMEM only if the
 *   reservation has been used up. Calls with ordinary gfp flags may run at the
 *   same time, and do not use it.
 * - io_pgtable_safe_reserve_detach() and io_pgtable_safe_unreserve() give back what
 *   is left.
 *
 * A reservation pays for mapping each byte of its range once. Tables do not come back
 * to it: a driver that unmaps something for which it has paid may find it empty later,
 * there and elsewhere in its range. So may a driver that makes two such maps at the
 * same time: if both need the same table, each may take one, and the second goes back
 * to where it was allocated. So may a driver that tries again after a map that failed
 * in the middle (-EIO and the like; a map that is refused has taken nothing).
 *
 * To cut blocks, reserve for all of them: for the range that
 * io_pgtable_safe_leaf_span() gives, or, where operations that have been queued may
 * still change what is mapped, for the range rounded out to the largest block that
 * the driver maps. A block that sticks out of the reservation is not cut (-ERANGE).
 *
 * It costs a table for each 2M (with 4K pages; 32M with 16K, 512M with 64K) that
 * the range touches, one for each 1G, and so on, with some 250 bytes for each, and
 * some KiB besides: 2.2 MiB for 1 GiB. Most of it comes back, as most ranges
 * are mapped with larger pages. If the size comes from user space, limit it first;
 * __GFP_NORETRY or __GFP_RETRY_MAYFAIL keeps a large one from invoking the OOM killer.
 *
 * A reservation may outlive its page table, to be given back then; the one of a freed
 * page table is detached.
 *
 * Only for formats whose tables come from the layer: LPAE, from 6.12 on. With a
 * walker that is not coherent the format calls dma_map_single() for each table,
 * which for a device with an IOMMU of its own or a bounce buffer might allocate, but
 * the format refuses such a device anyway.
 */

/*
 * In the place of gfp flags, because every function that may allocate has these:
 * two that contradict each other, so that no caller has them by accident.
 */
#define IO_PGTABLE_SAFE_RESERVED	(__GFP_NORETRY | __GFP_RETRY_MAYFAIL)

struct io_pgtable_safe;
struct io_pgtable_safe_reserve;

/**
 * enum io_pgtable_safe_flags - Flags of the unmap functions.
 * @IO_PGTABLE_SAFE_NO_FLUSH: Do not invalidate, and keep the tables that are
 *	freed. The caller calls io_pgtable_safe_flush() before the memory or the
 *	iova range is reused.
 */
enum io_pgtable_safe_flags {
	IO_PGTABLE_SAFE_NO_FLUSH	= BIT(0),
};

/**
 * enum io_pgtable_safe_sg - Which addresses of a scatter-gather table to map.
 * @IO_PGTABLE_SAFE_SG_CPU: sg_phys(), over the table's orig_nents: for a device
 *	whose memory accesses nobody else translates.
 * @IO_PGTABLE_SAFE_SG_DMA: sg_dma_address(), over the table's nents: after
 *	dma_map_sgtable(), as panfrost and panthor do.
 */
enum io_pgtable_safe_sg {
	IO_PGTABLE_SAFE_SG_CPU,
	IO_PGTABLE_SAFE_SG_DMA,
};

/**
 * struct io_pgtable_safe_map_result - What a map call did.
 * @mapped: Bytes this call mapped that are still mapped now that it returns.
 * @err: 0 or a negative errno. Almost independent of @mapped; see the function.
 *
 * A type of its own so that it cannot be taken for the result of an unmap.
 */
struct io_pgtable_safe_map_result {
	u64 mapped;
	int err;
};

/**
 * struct io_pgtable_safe_unmap_result - What an unmap call did.
 * @unmapped: Bytes this call unmapped.
 * @err: 0 or a negative errno. If it is not 0, @unmapped is 0 unless the
 *	backend failed to unmap something that was mapped (-EIO).
 */
struct io_pgtable_safe_unmap_result {
	u64 unmapped;
	int err;
};

/**
 * struct io_pgtable_safe_span - A range of the address space and what is there.
 * @iova: First byte of the range.
 * @size: Its size in bytes.
 * @paddr: Physical address of @iova; valid only if @leaf is not 0.
 * @leaf: Size in bytes of the leaf (page or block) at @iova, or 0 if the function does
 *	not report it.
 */
struct io_pgtable_safe_span {
	u64 iova;
	u64 size;
	phys_addr_t paddr;
	u64 leaf;
};

/* The longest line that is printed, in bytes, with the NUL at its end */
#define IO_PGTABLE_SAFE_LINE	128

/**
 * typedef io_pgtable_safe_print_fn - Print a line.
 * @ctx: What the caller of io_pgtable_safe_print() passed.
 * @line: The line, without a newline at its end.
 */
typedef void (*io_pgtable_safe_print_fn)(void *ctx, const char *line);

struct io_pgtable_safe * __must_check
io_pgtable_safe_alloc(enum io_pgtable_fmt fmt, const struct io_pgtable_cfg *cfg,
		      void *cookie);
struct io_pgtable_safe * __must_check
devm_io_pgtable_safe_alloc(struct device *dev, enum io_pgtable_fmt fmt,
			   const struct io_pgtable_cfg *cfg, void *cookie);
struct io_pgtable_safe * __must_check
io_pgtable_safe_wrap(struct io_pgtable_ops *ops,
		     void (*release)(struct io_pgtable_ops *ops));
void io_pgtable_safe_free(struct io_pgtable_safe *pgt);
DEFINE_FREE(io_pgtable_safe, struct io_pgtable_safe *, io_pgtable_safe_free(_T))

const struct io_pgtable_cfg * __must_check
io_pgtable_safe_cfg(const struct io_pgtable_safe *pgt);
struct io_pgtable_ops * __must_check
io_pgtable_safe_raw_ops(struct io_pgtable_safe *pgt);
void io_pgtable_safe_set_live(struct io_pgtable_safe *pgt);
void io_pgtable_safe_clear_live(struct io_pgtable_safe *pgt);

struct io_pgtable_safe_map_result __must_check
io_pgtable_safe_try_map_pages(struct io_pgtable_safe *pgt, u64 iova,
			      phys_addr_t paddr, size_t pgsize, size_t pgcount,
			      int prot, gfp_t gfp);
struct io_pgtable_safe_map_result __must_check
io_pgtable_safe_map_pages(struct io_pgtable_safe *pgt, u64 iova,
			  phys_addr_t paddr, size_t pgsize, size_t pgcount,
			  int prot, gfp_t gfp);
struct io_pgtable_safe_map_result __must_check
io_pgtable_safe_map(struct io_pgtable_safe *pgt, u64 iova, phys_addr_t paddr,
		    u64 size, int prot, gfp_t gfp);
struct io_pgtable_safe_map_result __must_check
io_pgtable_safe_map_sgtable(struct io_pgtable_safe *pgt, u64 iova,
			    struct sg_table *sgt, enum io_pgtable_safe_sg which,
			    u64 offset, u64 size, int prot, gfp_t gfp);
struct io_pgtable_safe_map_result __must_check
io_pgtable_safe_map_repeat(struct io_pgtable_safe *pgt, u64 iova,
			   phys_addr_t paddr, u64 block, u64 phase, u64 size,
			   int prot, gfp_t gfp);

struct io_pgtable_safe_unmap_result __must_check
io_pgtable_safe_unmap_pages(struct io_pgtable_safe *pgt, u64 iova,
			    size_t pgsize, size_t pgcount, u32 flags);
struct io_pgtable_safe_unmap_result __must_check
io_pgtable_safe_unmap(struct io_pgtable_safe *pgt, u64 iova, u64 size,
		      u32 flags);
struct io_pgtable_safe_unmap_result __must_check
io_pgtable_safe_unmap_present(struct io_pgtable_safe *pgt, u64 iova, u64 size,
			      u32 flags);
struct io_pgtable_safe_unmap_result __must_check
io_pgtable_safe_cut(struct io_pgtable_safe *pgt, u64 iova, u64 size, int prot,
		    gfp_t gfp, u32 flags);
int __must_check io_pgtable_safe_flush(struct io_pgtable_safe *pgt, u64 iova,
				       u64 size);
u64 __must_check io_pgtable_safe_kept(struct io_pgtable_safe *pgt);

struct io_pgtable_safe_reserve * __must_check
io_pgtable_safe_reserve(struct io_pgtable_safe *pgt, u64 iova, u64 size, gfp_t gfp);
void io_pgtable_safe_unreserve(struct io_pgtable_safe_reserve *r);
DEFINE_FREE(io_pgtable_safe_unreserve, struct io_pgtable_safe_reserve *,
	    io_pgtable_safe_unreserve(_T))
int __must_check io_pgtable_safe_reserve_attach(struct io_pgtable_safe *pgt,
						struct io_pgtable_safe_reserve *r);
void io_pgtable_safe_reserve_detach(struct io_pgtable_safe *pgt);
u64 __must_check
io_pgtable_safe_reserve_left(const struct io_pgtable_safe_reserve *r);

int __must_check io_pgtable_safe_lookup(struct io_pgtable_safe *pgt, u64 iova,
					struct io_pgtable_safe_span *span);
int __must_check io_pgtable_safe_pgtable_walk(struct io_pgtable_safe *pgt,
					      u64 iova, void *wd);
int __must_check io_pgtable_safe_next(struct io_pgtable_safe *pgt, u64 iova,
				      struct io_pgtable_safe_span *span);
int __must_check io_pgtable_safe_leaf_span(struct io_pgtable_safe *pgt, u64 iova,
					   u64 size,
					   struct io_pgtable_safe_span *span);
u64 __must_check io_pgtable_safe_mapped(struct io_pgtable_safe *pgt);

int io_pgtable_safe_debugfs(struct io_pgtable_safe *pgt, struct dentry *parent);
void io_pgtable_safe_print(struct io_pgtable_safe *pgt, io_pgtable_safe_print_fn print,
			   void *ctx);

void io_pgtable_safe_check_pages(bool on);
bool io_pgtable_safe_assert_unmapped(struct page *page, unsigned long n);

#endif /* _IO_PGTABLE_SAFE_H */
