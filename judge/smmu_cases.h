/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _JUDGE_SMMU_CASES_H
#define _JUDGE_SMMU_CASES_H

#include "report.h"

extern const struct judge_suite smmu_suite;
extern const struct judge_suite smmu_controls_suite;

#endif /* _JUDGE_SMMU_CASES_H */
