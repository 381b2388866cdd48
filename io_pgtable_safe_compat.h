/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between kernels. The IO_PGTABLE_SAFE_HAVE_* macros come from
 * Kbuild, which looks for the feature in the kernel's headers.
 */
#ifndef _IO_PGTABLE_SAFE_COMPAT_H
#define _IO_PGTABLE_SAFE_COMPAT_H

#include <linux/compiler.h>
#include <linux/io-pgtable.h>
#include <linux/iommu.h>
#include <linux/minmax.h>
#include <linux/slab.h>

/* A token until 6.12, a string since "module: Convert symbol namespace to string literal" */
#ifdef IO_PGTABLE_SAFE_HAVE_STRING_NS
#define IO_PGTABLE_SAFE_NS	"IO_PGTABLE_SAFE"
#else
#define IO_PGTABLE_SAFE_NS	IO_PGTABLE_SAFE
#endif

/* include/linux/compiler-context-analysis.h, for clang */
#ifndef __guarded_by
#define __guarded_by(...)
#endif
#ifndef __context_unsafe
#define __context_unsafe(...)
#endif

/* Quirks are macros, so their absence shows */
#ifndef IO_PGTABLE_QUIRK_ARM_HD
#define IO_PGTABLE_QUIRK_ARM_HD		0
#endif
#ifndef IO_PGTABLE_QUIRK_ARM_S2FWB
#define IO_PGTABLE_QUIRK_ARM_S2FWB	0
#endif
#ifndef IO_PGTABLE_QUIRK_NO_WARN
#define IO_PGTABLE_QUIRK_NO_WARN	0
#endif

#ifndef kzalloc_obj
#define io_pgtable_safe_gfp(none, gfp, ...)	((none) | (gfp))
#define kzalloc_obj(obj, ...)						\
	kzalloc(sizeof(obj), io_pgtable_safe_gfp(0, ##__VA_ARGS__, GFP_KERNEL))
#endif

#ifdef IO_PGTABLE_SAFE_HAVE_CFG_ALLOC
static inline bool io_pgtable_safe_has_alloc(const struct io_pgtable_cfg *cfg)
{
	return cfg->alloc;
}

static inline bool io_pgtable_safe_has_free(const struct io_pgtable_cfg *cfg)
{
	return cfg->free;
}
#else
static inline bool io_pgtable_safe_has_alloc(const struct io_pgtable_cfg *cfg)
{
	return false;
}

static inline bool io_pgtable_safe_has_free(const struct io_pgtable_cfg *cfg)
{
	return false;
}
#endif

#ifdef IO_PGTABLE_SAFE_HAVE_WALK
static inline bool io_pgtable_safe_has_walk(const struct io_pgtable_ops *ops)
{
	return ops->pgtable_walk;
}

static inline int io_pgtable_safe_walk(struct io_pgtable_ops *ops, u64 iova, void *wd)
{
	return ops->pgtable_walk(ops, iova, wd);
}
#else
static inline bool io_pgtable_safe_has_walk(const struct io_pgtable_ops *ops)
{
	return false;
}

static inline int io_pgtable_safe_walk(struct io_pgtable_ops *ops, u64 iova, void *wd)
{
	return -EOPNOTSUPP;
}
#endif

#endif /* _IO_PGTABLE_SAFE_COMPAT_H */
