/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The page table as it is in memory: unlike the module, the suites may know what a
 * descriptor looks like.
 */
#ifndef _IO_PGTABLE_SAFE_KUNIT_DESCRIPTORS_H
#define _IO_PGTABLE_SAFE_KUNIT_DESCRIPTORS_H

#include <linux/types.h>

struct kunit;

/* Is the fixture's table of a format that is known here? */
bool reads_descriptors(struct kunit *test);
/* The leaf descriptor for an iova, or 0. */
u64 read_descriptor(struct kunit *test, u64 iova);
/* Of all that is in all tables, or 0. */
u64 digest_descriptors(struct kunit *test);

#endif /* _IO_PGTABLE_SAFE_KUNIT_DESCRIPTORS_H */
