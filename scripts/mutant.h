/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For sources that scripts/mutate.py has changed: is this the mutant to be run?
 */
#ifndef _MUTANT_H
#define _MUTANT_H

#include <linux/compiler.h>
#include <linux/types.h>

extern u8 mutant_states[];
bool mutant_reached(unsigned int nr);

static __always_inline bool mutant(unsigned int nr)
{
	return unlikely(mutant_states[nr]) && mutant_reached(nr);
}

#endif /* _MUTANT_H */
