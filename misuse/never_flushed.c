// SPDX-License-Identifier: GPL-2.0
/*
 * An invalidation that is put off and then forgotten.
 */
#include "io_pgtable_safe.h"

int put_off(struct io_pgtable_safe *pgt)
{
	int err;

	/* cocci: never-flushed */
	err = io_pgtable_safe_unmap(pgt, 0, SZ_4K, IO_PGTABLE_SAFE_NO_FLUSH).err;
#ifdef FIXED
	err = io_pgtable_safe_flush(pgt, 0, SZ_4K) ?: err;
#endif
	return err;
}
