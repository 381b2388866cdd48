// SPDX-License-Identifier: GPL-2.0
/*
 * What has to be known of each format, and which configurations it takes.
 */

/**
 * struct format - What has to be known of a format before it is tried.
 * @enabled: The kernel has it.
 * @custom_alloc: It takes &io_pgtable_cfg.alloc, where that exists.
 * @write_implies_read: It has no encoding for IOMMU_WRITE alone.
 * @ias: Largest input size, in bits; it may grant less.
 * @oas: Largest output size, in bits.
 * @quirks: Quirks it takes.
 *
 * From the allocation functions in drivers/iommu/io-pgtable-*.c, which say NULL
 * whatever is wrong. The AMD formats of older kernels are not among them: they
 * find their driver's data through the address of the caller's cfg.
 */
struct format {
	bool enabled;
	bool custom_alloc;
	bool write_implies_read;
	u8 ias;
	u8 oas;
	unsigned long quirks;
};

#define LPAE		.enabled = IS_ENABLED(CONFIG_IOMMU_IO_PGTABLE_LPAE),	\
			.custom_alloc = true
#define LPAE_S1_QUIRKS	(IO_PGTABLE_QUIRK_ARM_NS | IO_PGTABLE_QUIRK_ARM_TTBR1 |	\
			 IO_PGTABLE_QUIRK_ARM_OUTER_WBWA |			\
			 IO_PGTABLE_QUIRK_ARM_HD | IO_PGTABLE_QUIRK_NO_WARN)
#define LPAE_S2_QUIRKS	(IO_PGTABLE_QUIRK_ARM_S2FWB | IO_PGTABLE_QUIRK_NO_WARN)
#define V7S_QUIRKS	(IO_PGTABLE_QUIRK_ARM_NS | IO_PGTABLE_QUIRK_NO_PERMS |	\
			 IO_PGTABLE_QUIRK_ARM_MTK_EXT |				\
			 IO_PGTABLE_QUIRK_ARM_MTK_TTBR_EXT)

static const struct format formats[] = {
	[ARM_32_LPAE_S1] = { LPAE, .ias = 32, .oas = 40, .quirks = LPAE_S1_QUIRKS,
			     .write_implies_read = true },
	[ARM_32_LPAE_S2] = { LPAE, .ias = 40, .oas = 40, .quirks = LPAE_S2_QUIRKS },
	[ARM_64_LPAE_S1] = { LPAE, .ias = 64, .oas = 64, .quirks = LPAE_S1_QUIRKS,
			     .write_implies_read = true },
	[ARM_64_LPAE_S2] = { LPAE, .ias = 64, .oas = 64, .quirks = LPAE_S2_QUIRKS },
	[ARM_MALI_LPAE] = { LPAE, .ias = 48, .oas = 40 },
	[ARM_V7S] = { .enabled = IS_ENABLED(CONFIG_IOMMU_IO_PGTABLE_ARMV7S),
		      .ias = 34, .oas = 35, .quirks = V7S_QUIRKS,
		      .write_implies_read = true },
	[APPLE_DART] = { .enabled = IS_ENABLED(CONFIG_IOMMU_IO_PGTABLE_DART),
			 .ias = 42, .oas = 42 },
	[APPLE_DART2] = { .enabled = IS_ENABLED(CONFIG_IOMMU_IO_PGTABLE_DART),
			  .ias = 42, .oas = 42 },
};

static const struct format *find_format(enum io_pgtable_fmt fmt)
{
	if ((unsigned int)fmt >= ARRAY_SIZE(formats) || !formats[fmt].enabled)
		return NULL;
	return &formats[fmt];
}

/* The granule that arm_lpae_restrict_pgsizes() will settle on */
static unsigned long lpae_granule(enum io_pgtable_fmt fmt, unsigned long pgsizes)
{
	if (fmt != ARM_64_LPAE_S1 && fmt != ARM_64_LPAE_S2)
		pgsizes &= SZ_4K | SZ_2M | SZ_1G;
	if (pgsizes & PAGE_SIZE)
		return PAGE_SIZE;
	if (pgsizes & ~PAGE_MASK)
		return BIT(__fls(pgsizes & ~PAGE_MASK));
	return pgsizes ? BIT(__ffs(pgsizes)) : 0;
}

/*
 * Stage 2 tables whose first lookup must be at a concatenated table have room
 * for 16 of them (Arm ARM, R_SRKBC and R_DXBSH); the format of 7.3 has a
 * WARN_ON() for more, see arm_lpae_concat_mandatory().
 */
static bool s2_concat_fits(unsigned long granule, unsigned int ias,
			   unsigned int oas)
{
	if (granule == SZ_4K && ias > 39 && (oas == 40 || oas == 42))
		return ias <= 39 + 4;
	if (granule == SZ_16K && ias > 36 && oas == 40)
		return ias <= 36 + 4;
	return true;
}

static int check_lpae(enum io_pgtable_fmt fmt, const struct io_pgtable_cfg *cfg)
{
	unsigned long granule = lpae_granule(fmt, cfg->pgsize_bitmap);
	unsigned int bits = granule == SZ_64K ? 52 : 48;
	unsigned int ias = min(cfg->ias, bits), oas = min(cfg->oas, bits);

	if (granule != SZ_4K && granule != SZ_16K && granule != SZ_64K)
		return -EINVAL;
	if (ias <= __ffs(granule))
		return -EINVAL;
	if (fmt == ARM_MALI_LPAE)
		return 0;

	if (cfg->quirks & IO_PGTABLE_QUIRK_ARM_OUTER_WBWA && cfg->coherent_walk)
		return -EINVAL;
	if ((fmt == ARM_32_LPAE_S2 || fmt == ARM_64_LPAE_S2) &&
	    !s2_concat_fits(granule, ias, oas))
		return -EINVAL;

	switch (oas) {
	case 32: case 36: case 40: case 42: case 44: case 48: case 52:
		return 0;
	default:
		return -EINVAL;
	}
}

static int check_v7s(const struct io_pgtable_cfg *cfg)
{
	bool mtk = cfg->quirks & IO_PGTABLE_QUIRK_ARM_MTK_EXT;
	unsigned long sizes = cfg->pgsize_bitmap;

	/* A table has 256 pages of 4K, and only an unmap of 1M frees it */
	if ((sizes & SZ_64K && !(sizes & SZ_4K)) || (sizes & SZ_16M && !(sizes & SZ_1M)))
		return -EINVAL;
	if (mtk && !(cfg->quirks & IO_PGTABLE_QUIRK_NO_PERMS))
		return -EINVAL;
	mtk = mtk && IS_ENABLED(CONFIG_PHYS_ADDR_T_64BIT);
	if ((cfg->quirks & IO_PGTABLE_QUIRK_ARM_MTK_TTBR_EXT) && !mtk)
		return -EINVAL;
	/* The top level has a section of 2^20 bytes for each entry */
	if (cfg->ias < 20 || cfg->ias > (mtk ? 34 : 32) ||
	    cfg->oas > (mtk ? 35 : 32))
		return -EINVAL;
	return 0;
}

/*
 * The format takes either page and output size for both versions, but a PTE of
 * the first has room for bits 35 to 12 of a physical address and one of the
 * second for bits 41 to 14, and the rest is dropped (paddr_to_iopte()): from
 * addresses of tables, too, which it then follows to somebody else's memory.
 */
static int check_dart(enum io_pgtable_fmt fmt, const struct io_pgtable_cfg *cfg)
{
	bool second = fmt == APPLE_DART2;

	if (cfg->pgsize_bitmap != SZ_16K &&
	    (second || cfg->pgsize_bitmap != SZ_4K))
		return -EINVAL;
	if (cfg->oas != 36 && !(second && cfg->oas == 42))
		return -EINVAL;
	if (!cfg->coherent_walk ||
	    cfg->ias > cfg->oas || cfg->ias <= __ffs(cfg->pgsize_bitmap))
		return -EINVAL;
	return 0;
}

static int check_callbacks(const struct format *format,
			   const struct io_pgtable_cfg *cfg)
{
	bool alloc = io_pgtable_safe_has_alloc(cfg);
	bool free = io_pgtable_safe_has_free(cfg);

	if (alloc != free)
		return -EINVAL;
	if (alloc && !format->custom_alloc)
		return -EOPNOTSUPP;
	/* Only tlb_add_page is optional; without any other nothing is synchronous */
	if (cfg->tlb && !cfg->tlb->tlb_flush_all)
		return -EINVAL;
	return 0;
}

static int check_cfg(enum io_pgtable_fmt fmt, const struct io_pgtable_cfg *cfg)
{
	const struct format *format = find_format(fmt);
	int err;

	if (!format || cfg->quirks & ~format->quirks)
		return -EOPNOTSUPP;
	err = check_callbacks(format, cfg);
	if (err)
		return err;
	/* LPAE asks dev_to_node() of it whatever else is configured */
	if (!cfg->iommu_dev || cfg->ias > format->ias || cfg->oas > format->oas)
		return -EINVAL;

	switch (fmt) {
	case ARM_V7S:
		return check_v7s(cfg);
	case APPLE_DART:
	case APPLE_DART2:
		return check_dart(fmt, cfg);
	default:
		return check_lpae(fmt, cfg);
	}
}

