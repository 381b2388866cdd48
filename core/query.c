// SPDX-License-Identifier: GPL-2.0
/*
 * Questions, which change nothing.
 */

/*
 * Nobody unmaps the leaf, nor frees a table above it, as long as the lock of its node
 * is held. A claim instead would make the unmap of somebody else fail with -EBUSY. The
 * backend is asked under the lock: a walk of at most four loads.
 */
static int hold_leaf(struct io_pgtable_safe *pgt, u64 iova, u64 *first, u64 *last,
		     struct ledger_held *leaf)
{
	return check_table(pgt) ?: check_iova(pgt, iova, 1, 1) ?:
	       ledger_hold_leaf(&pgt->ledger, to_offset(pgt, iova), first, last, leaf);
}

/**
 * io_pgtable_safe_lookup() - What is mapped at an address?
 * @pgt: The page table.
 * @iova: Any address, aligned or not.
 * @span: Set to the leaf that holds it: start, size, physical address of its
 *	start, and again the size as @span->leaf.
 *
 * Physical address 0 is a valid result.
 *
 * Context: Process context, atomic sections included.
 * Return: 0, -ENOENT if nothing is mapped there, -ERANGE, -EBUSY if it is being
 * mapped or unmapped right now, -EIO.
 */
int io_pgtable_safe_lookup(struct io_pgtable_safe *pgt, u64 iova,
			   struct io_pgtable_safe_span *span)
{
	u64 first, last;
	struct ledger_held leaf;
	int err;

	err = hold_leaf(pgt, iova, &first, &last, &leaf);
	if (err)
		return err;
	*span = (struct io_pgtable_safe_span){
		.iova = first + pgt->iova_first, .size = last - first + 1,
		.leaf = last - first + 1,
	};
	span->paddr = pgt->ops->iova_to_phys(pgt->ops, span->iova);
	ledger_release(&leaf);
	return 0;
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
 * Context: Process context, atomic sections included.
 * Return: 0, -ENOENT if nothing is mapped there, -ERANGE, -EBUSY if it is being
 * mapped or unmapped right now, -EOPNOTSUPP if the format cannot do this (only LPAE
 * can, on newer kernels), -EIO; or an error of the format's.
 */
int io_pgtable_safe_pgtable_walk(struct io_pgtable_safe *pgt, u64 iova, void *wd)
{
	struct ledger_held leaf;
	u64 first, last;
	int err;

	if (!io_pgtable_safe_has_walk(pgt->ops))
		return -EOPNOTSUPP;
	err = hold_leaf(pgt, iova, &first, &last, &leaf);
	if (err)
		return err;
	/* The last byte of 2^64 has no end */
	err = io_pgtable_safe_walk(pgt->ops, iova & ~((u64)pgt->granule - 1), wd);
	ledger_release(&leaf);
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
 * behind the last byte of the address space). Ranges that are being mapped or
 * unmapped do not count. A long range is looked at in parts,
 * and others may change a part that has been looked at.
 *
 * Context: Process context, atomic sections included.
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
				pgt->iova_mask, false, &first, &last))
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
 * Context: Process context, atomic sections included.
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
 * Context: Process context, atomic sections included.
 * Looks at all of the record, and the sum is of no one moment if others map or unmap
 * meanwhile.
 *
 * Return: Bytes. A range that is being mapped or unmapped does not count.
 */
u64 io_pgtable_safe_mapped(struct io_pgtable_safe *pgt)
{
	return ledger_mapped(&pgt->ledger);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_mapped, IO_PGTABLE_SAFE_NS);

