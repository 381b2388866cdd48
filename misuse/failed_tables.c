// SPDX-License-Identifier: GPL-2.0
/*
 * A table that there is not.
 */
#include "io_pgtable_safe.h"

int null_expected(const struct io_pgtable_cfg *cfg, struct io_pgtable_safe **out)
{
	struct io_pgtable_safe *pgt = NULL;

	pgt = io_pgtable_safe_alloc(ARM_64_LPAE_S1, cfg, NULL);
#ifndef FIXED
	/* cocci: alloc-null */
	if (!pgt)
		return -ENOMEM;
#else
	if (IS_ERR(pgt))
		return PTR_ERR(pgt);
#endif
	*out = pgt;
	return 0;
}

int null_expected_of_devm(struct device *dev, const struct io_pgtable_cfg *cfg,
			  struct io_pgtable_safe **out)
{
	*out = devm_io_pgtable_safe_alloc(dev, ARM_64_LPAE_S1, cfg, NULL);
#ifndef FIXED
	/* cocci: alloc-null */
	if (!*out)
		return -ENOMEM;
	return 0;
#else
	return PTR_ERR_OR_ZERO(*out);
#endif
}

int null_expected_of_reserve(struct io_pgtable_safe *pgt,
			     struct io_pgtable_safe_reserve **out)
{
	*out = io_pgtable_safe_reserve(pgt, 0, SZ_2M, GFP_KERNEL);
#ifndef FIXED
	/* cocci: alloc-null */
	if (!*out)
		return -ENOMEM;
	return 0;
#else
	return PTR_ERR_OR_ZERO(*out);
#endif
}
