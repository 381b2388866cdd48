// SPDX-License-Identifier: GPL-2.0
/*
 * The ledger as one part, which needs nothing of the others: the module, its suite,
 * the benchmark and scripts/tsan include it.
 */
#include "ledger.h"

#include "ledger_slots.c"
#include "ledger_memory.c"
#include "ledger_nodes.c"
#include "ledger_claim.c"
#include "ledger_look.c"
