// SPDX-License-Identifier: GPL-2.0
/*
 * What belongs to the module of the suites as a whole.
 */
#include <linux/module.h>

#include "io_pgtable_safe_compat.h"

MODULE_DESCRIPTION("KUnit tests for io_pgtable_safe");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(IO_PGTABLE_SAFE_NS);
