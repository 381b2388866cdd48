/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all parts of the core know of a page table.
 */
#ifndef _IO_PGTABLE_SAFE_CORE_TABLE_H
#define _IO_PGTABLE_SAFE_CORE_TABLE_H

#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/io-pgtable.h>
#include <linux/iommu.h>
#include <linux/rbtree.h>
#include <linux/types.h>

#include "io_pgtable_safe.h"
#include "io_pgtable_safe_compat.h"
#include "ledger.h"
#include "table_pages.h"

/**
 * struct mapped_pages - Memory that one page table maps.
 * @mapped: By iova.
 * @gone: What has been unmapped, but not invalidated.
 */
struct mapped_pages {
	struct rb_root_cached mapped;
	struct rb_root_cached gone;
};

/**
 * struct io_pgtable_safe - A page table and the record of what it maps.
 * @ops: The table. May not be used without a claim in @ledger.
 * @tlb: The driver's flush callbacks, or NULL.
 * @pgsizes: Page sizes that can be mapped.
 * @granule: The smallest of them.
 * @iova_first: First byte of the address space.
 * @iova_mask: Bytes in the address space, minus one.
 * @paddr_last: Last byte that can be mapped.
 * @granule_shift: log2 of @granule.
 * @write_implies_read: The format cannot express IOMMU_WRITE alone.
 * @broken: The backend broke its contract: table and ledger may differ.
 * @live: A device may walk the table.
 * @keeps_tables: There are no flush callbacks, but the driver flushes.
 * @may_hold: The ops may be called with a spinlock held, which is not asked of
 *	those that io_pgtable_safe_wrap() gets.
 * @ledger: What is mapped.
 * @tables: What the table consists of.
 * @gather: What the table's unmap_pages() is called with.
 * @release: Frees @ops.
 * @cookie: What @tlb and the driver's page allocator are called with.
 * @cfg: The granted configuration, with the driver's own callbacks in it.
 * @id: No other table has or had it.
 * @reserve: The reservation in use, or NULL.
 * @watch: What has been counted, or NULL.
 * @mapped_pages: Which memory it maps, if that is checked.
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
	u64 paddr_last;
	u8 granule_shift;
	bool write_implies_read;
	bool broken;
	bool live;
	bool keeps_tables;
	bool may_hold;
	struct ledger ledger;
	struct table_pages tables;
	struct iommu_iotlb_gather gather;
	void (*release)(struct io_pgtable_ops *ops);
	void *cookie;
	struct io_pgtable_cfg cfg;
	u64 id;
	struct io_pgtable_safe_reserve *reserve;
	struct table_watch *watch;
	struct mapped_pages mapped_pages;
};

/*
 * struct io_pgtable_safe_reserve - Memory for whatever is mapped in a range.
 * @pgt: The page table that uses it, or NULL.
 * @id: That of the page table it was made for.
 * @first: First byte of the range.
 * @last: Last byte of it.
 * @source: Where the tables come from. With it the page table need not exist any
 *	more when they are given back.
 * @tables: Tables, by &table_page.next.
 * @ledger: What the ledger may need.
 *
 * While it is attached, the locks of their users protect @pgt, @tables and @ledger.
 */
struct io_pgtable_safe_reserve {
	struct io_pgtable_safe *pgt;
	u64 id;
	u64 first;
	u64 last;
	struct table_source source;
	struct table_page *tables;
	struct ledger_spares ledger;
};

static inline struct io_pgtable_safe_map_result map_result(u64 mapped, int err)
{
	return (struct io_pgtable_safe_map_result){ .mapped = mapped, .err = err };
}

static inline struct io_pgtable_safe_unmap_result unmap_result(u64 unmapped, int err)
{
	return (struct io_pgtable_safe_unmap_result){
		.unmapped = unmapped, .err = err
	};
}

static inline u64 to_offset(const struct io_pgtable_safe *pgt, u64 iova)
{
	return iova - pgt->iova_first;
}

static inline u64 iova_last(const struct io_pgtable_safe *pgt)
{
	return pgt->iova_first + pgt->iova_mask;
}

#endif /* _IO_PGTABLE_SAFE_CORE_TABLE_H */
