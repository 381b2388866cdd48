// SPDX-License-Identifier: GPL-2.0
/*
 * What is measured.
 */
#include <linux/kernel.h>
#include <linux/sizes.h>

#include "bench.h"

#define PAGES(n)	.variants = bench_page_variants, .pgsize = SZ_4K, .pgcount = (n)
/* Memory so aligned that nobody can use a larger page: all do the same work */
#define SKEWED(n)	PAGES(n), .skew = SZ_4K
#define LARGE(n)	.variants = bench_large_variants, .pgsize = SZ_4K, .pgcount = (n), \
			.skew = SZ_4K, .ops = 1
#define BLOCKS(sz, n)	.variants = bench_page_variants, .pgsize = (sz), .pgcount = (n)
#define V7S(sz, n)	.format = BENCH_V7S, BLOCKS(sz, n)
#define V7S_SKEWED(n)	.format = BENCH_V7S, SKEWED(n)
#define RANDOM(n)	.variants = bench_live_variants, .pgsize = SZ_4K, .pgcount = 1, \
			.live = (n), .ops = 256
#define SG(n)		.variants = bench_sg_variants, .pgsize = SZ_4K, .pgcount = (n), \
			.sg = true
#define REPEAT(sz, n, blk) .variants = bench_repeat_variants, .pgsize = (sz), \
			.pgcount = (n), .block = (blk)

const struct bench_case bench_cases[] = {
	{ "1 x 4K", PAGES(1), .ops = 512 },
	{ "16 x 4K", PAGES(16), .ops = 128 },
	/* In two tables, so that no unmap frees one: both do the same work */
	{ "512 x 4K", PAGES(512), .ops = 16, .offset = SZ_1M },
	{ "512 x 4K, unmapped as 1 x 2M", SKEWED(512), .ops = 16, .unmap_pgsize = SZ_2M },
	/* The checked unmap frees the table here, the raw one keeps it */
	{ "512 x 4K, unmapped by 4K", SKEWED(512), .ops = 16 },
	/* 64 MiB and 1 GiB; all free the tables when they unmap */
	{ "16384 x 4K, unmapped as 32 x 2M", LARGE(16384), .unmap_pgsize = SZ_2M },
	{ "262144 x 4K, unmapped as 1 x 1G", LARGE(262144), .unmap_pgsize = SZ_1G,
	  .batches = 20 },
	{ "1 x 2M", BLOCKS(SZ_2M, 1), .ops = 256 },
	{ "64 x 2M", BLOCKS(SZ_2M, 64), .ops = 64 },
	{ "1 x 1G", BLOCKS(SZ_1G, 1), .ops = 128 },

	{ "v7s 1 x 4K", V7S(SZ_4K, 1), .ops = 256 },
	{ "v7s 16 x 4K", V7S_SKEWED(16), .ops = 64 },
	{ "v7s 256 x 4K", V7S_SKEWED(256), .ops = 16, .offset = SZ_512K },
	{ "v7s 1 x 64K", V7S(SZ_64K, 1), .ops = 128 },
	{ "v7s 1 x 1M", V7S(SZ_1M, 1), .ops = 256 },
	{ "v7s 1 x 16M", V7S(SZ_16M, 1), .ops = 64 },

	{ "sg 1 x 4K", SG(1), .ops = 256 },
	{ "sg 16 x 4K", SG(16), .ops = 64 },
	{ "sg 64 x 4K", SG(64), .ops = 16 },
	{ "sg 512 x 4K", SG(512), .ops = 4 },
	{ "sg 16384 x 4K", SG(16384), .ops = 1 },
	{ "sg 16 x 4K, off by 3 pages", SG(16), .ops = 64, .offset = 3 * SZ_4K },
	{ "sg 64 x 4K, off by 3 pages", SG(64), .ops = 16, .offset = 3 * SZ_4K },
	{ "sg 512 x 4K, off by 3 pages", SG(512), .ops = 4, .offset = 3 * SZ_4K },
	{ "sg 16384 x 4K, off by 3 pages", SG(16384), .ops = 1, .offset = 3 * SZ_4K },
	{ "sg 16 x 4K, contiguous", SG(16), .ops = 64, .contiguous = true },
	{ "sg 64 x 4K, contiguous", SG(64), .ops = 16, .contiguous = true },
	{ "sg 512 x 4K, contiguous", SG(512), .ops = 4, .contiguous = true },
	{ "sg 16384 x 4K, contiguous", SG(16384), .ops = 1, .contiguous = true },

	{ "repeat one 4K page 512 times", REPEAT(SZ_4K, 512, SZ_4K), .ops = 4, .offset = SZ_1M },
	{ "repeat one 2M block 64 times", REPEAT(SZ_2M, 64, SZ_2M), .ops = 16 },

	{ "random 1 x 4K, 100 live", RANDOM(100) },
	{ "random 1 x 4K, 10k live", RANDOM(10000) },
	{ "random 1 x 4K, 100k live", RANDOM(100000) },
	{ "random 1 x 4K, 100k live, serialised", RANDOM(100000), .fence = true },
	{ "random 1 x 4K, 1M live", RANDOM(1000000) },
	{ "random 1 x 4K, 10M live", RANDOM(10000000) },
};

const unsigned int bench_num_cases = ARRAY_SIZE(bench_cases);
