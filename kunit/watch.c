// SPDX-License-Identifier: GPL-2.0
/*
 * What can be seen of a page table while it is used: one event for each thing that
 * happens, with all that it says.
 */
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/kmsg_dump.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "core/trace.h"
#include "helpers.h"
#include "mock_format.h"

#define PADDR ((phys_addr_t)SZ_1G)

/**
 * struct seen - One event.
 * @name: Its tracepoint.
 * @id: The page table's.
 * @ev: What it says.
 */
struct seen {
	const char *name;
	u64 id;
	struct watch_event ev;
};

static struct {
	struct seen log[32];
	unsigned int nr;
	bool on;
} seen;

static void see(void *name, u64 id, const struct watch_event *ev)
{
	if (seen.nr < ARRAY_SIZE(seen.log))
		seen.log[seen.nr++] = (struct seen){ name, id, *ev };
}

#ifdef CONFIG_TRACEPOINTS
static const struct {
	char *name;
	struct tracepoint *tp;
} events[] = {
	{ "map", &__tracepoint_io_pgtable_safe_map },
	{ "unmap", &__tracepoint_io_pgtable_safe_unmap },
	{ "cut", &__tracepoint_io_pgtable_safe_cut },
	{ "refused", &__tracepoint_io_pgtable_safe_refused },
	{ "flush", &__tracepoint_io_pgtable_safe_flush },
	{ "undo", &__tracepoint_io_pgtable_safe_undo },
	{ "leaves", &__tracepoint_io_pgtable_safe_leaves },
	{ "table_kept", &__tracepoint_io_pgtable_safe_table_kept },
	{ "table_freed", &__tracepoint_io_pgtable_safe_table_freed },
};

static void watch_on(struct kunit *test)
{
	unsigned int i;

	seen.nr = 0;
	for (i = 0; i < ARRAY_SIZE(events); i++)
		KUNIT_ASSERT_EQ(test, tracepoint_probe_register(events[i].tp, see,
								events[i].name), 0);
	seen.on = true;
}

static void watch_off(void)
{
	unsigned int i;

	for (i = 0; seen.on && i < ARRAY_SIZE(events); i++)
		tracepoint_probe_unregister(events[i].tp, see, events[i].name);
	tracepoint_synchronize_unregister();
	seen.on = false;
}
#else
static void watch_on(struct kunit *test)
{
	kunit_skip(test, "this kernel has no tracepoints");
	see(NULL, 0, NULL);
}

static void watch_off(void)
{
}
#endif

/* Expects these events, of one table, and forgets them */
static void expect_seen(struct kunit *test, const char *names)
{
	char got[200] = "";
	unsigned int i, n = 0;

	for (i = 0; i < seen.nr; i++) {
		n += scnprintf(got + n, sizeof(got) - n, "%s%s", i ? ", " : "",
			       seen.log[i].name);
		KUNIT_EXPECT_NE(test, seen.log[i].id, 0ULL);
		KUNIT_EXPECT_EQ(test, seen.log[i].id, seen.log[0].id);
	}
	KUNIT_EXPECT_STREQ(test, got, names);
	seen.nr = 0;
}

static void expect_event(struct kunit *test, unsigned int n, const struct watch_event *ev)
{
	const struct watch_event *got = &seen.log[n].ev;

	KUNIT_ASSERT_LT(test, n, seen.nr);
	KUNIT_EXPECT_EQ(test, got->op, ev->op);
	KUNIT_EXPECT_EQ(test, got->iova, ev->iova);
	KUNIT_EXPECT_EQ(test, got->size, ev->size);
	KUNIT_EXPECT_EQ(test, got->paddr, ev->paddr);
	KUNIT_EXPECT_EQ(test, got->done, ev->done);
	KUNIT_EXPECT_EQ(test, got->pgsize, ev->pgsize);
	KUNIT_EXPECT_EQ(test, got->flags, ev->flags);
	KUNIT_EXPECT_EQ(test, got->err, ev->err);
}

static void expect_call(struct kunit *test, unsigned int n, enum watch_op op, u64 iova,
			u64 size, u64 paddr, u32 flags, int err)
{
	expect_event(test, n, &(struct watch_event){
		.op = op, .iova = iova, .size = size, .paddr = paddr,
		.flags = flags, .err = err, .done = err ? 0 : size,
	});
}

static void expect_leaves(struct kunit *test, unsigned int n, u64 iova, u64 paddr,
			  u64 pgsize, u64 count)
{
	expect_event(test, n, &(struct watch_event){
		.op = WATCH_LEAVES, .iova = iova, .size = pgsize * count, .paddr = paddr,
		.done = pgsize * count, .pgsize = pgsize,
	});
}

/* --- tracepoints ------------------------------------------------------------ */

static void a_map_and_an_unmap_are_seen(struct kunit *test)
{
	open_format(test, PGT_LPAE_4K);
	watch_on(test);
	/* A page, a block and a page */
	do_map(test, SZ_2M - SZ_4K, PADDR - SZ_4K, SZ_2M + SZ_8K);
	expect_leaves(test, 0, SZ_2M - SZ_4K, PADDR - SZ_4K, SZ_4K, 1);
	expect_leaves(test, 1, SZ_2M, PADDR, SZ_2M, 1);
	expect_leaves(test, 2, SZ_4M, PADDR + SZ_2M, SZ_4K, 1);
	expect_call(test, 3, WATCH_MAP, SZ_2M - SZ_4K, SZ_2M + SZ_8K, PADDR - SZ_4K,
		    PGT_PROT, 0);
	expect_seen(test, "leaves, leaves, leaves, map");

	do_unmap(test, SZ_2M - SZ_4K, SZ_2M + SZ_8K);
	expect_call(test, 0, WATCH_UNMAP, SZ_2M - SZ_4K, SZ_2M + SZ_8K, 0, 0, 0);
	expect_seen(test, "unmap");
}

static void each_way_to_map_is_seen(struct kunit *test)
{
	struct sg_piece piece = { SZ_64K, SZ_8K };
	struct io_pgtable_safe *pgt;

	open_format(test, PGT_LPAE_4K);
	pgt = pgt_fixture(test)->pgt;
	watch_on(test);
	do_map_pages(test, 0, PADDR, SZ_4K, 3);
	expect_leaves(test, 0, 0, PADDR, SZ_4K, 3);
	expect_call(test, 1, WATCH_MAP, 0, 3 * SZ_4K, PADDR, PGT_PROT, 0);
	expect_seen(test, "leaves, map");

	check_map_result(test, map_dma_table(test, SZ_64K, make_dma_table(test, &piece, 1), 0,
					     SZ_8K, GFP_KERNEL), SZ_8K, 0);
	expect_leaves(test, 0, SZ_64K, SZ_64K, SZ_4K, 2);
	expect_call(test, 1, WATCH_MAP, SZ_64K, SZ_8K, 0, PGT_PROT, 0);
	expect_seen(test, "leaves, map");

	check_map_result(test, io_pgtable_safe_map_repeat(pgt, SZ_128K, PADDR, SZ_4K, 0, SZ_8K,
							  PGT_PROT, GFP_KERNEL), SZ_8K, 0);
	expect_leaves(test, 0, SZ_128K, PADDR, SZ_4K, 1);
	expect_leaves(test, 1, SZ_128K + SZ_4K, PADDR, SZ_4K, 1);
	expect_call(test, 2, WATCH_MAP, SZ_128K, SZ_8K, 0, PGT_PROT, 0);
	expect_seen(test, "leaves, leaves, map");

	check_map_result(test, io_pgtable_safe_try_map_pages(pgt, SZ_1M, PADDR, SZ_4K, 1,
							     PGT_PROT, GFP_KERNEL), SZ_4K, 0);
	expect_seen(test, "leaves, map");
}

static void each_way_to_unmap_is_seen(struct kunit *test)
{
	struct io_pgtable_safe *pgt;

	open_format(test, PGT_LPAE_4K);
	pgt = pgt_fixture(test)->pgt;
	do_map(test, 0, 0, 2 * SZ_2M);
	do_map(test, SZ_1G, 0, SZ_16K);
	watch_on(test);
	do_unmap_pages(test, SZ_1G, SZ_4K, 2);
	expect_call(test, 0, WATCH_UNMAP, SZ_1G, SZ_8K, 0, 0, 0);
	expect_seen(test, "unmap");

	do_unmap_later(test, SZ_1G + SZ_8K, SZ_4K);
	expect_call(test, 0, WATCH_UNMAP, SZ_1G + SZ_8K, SZ_4K, 0, IO_PGTABLE_SAFE_NO_FLUSH, 0);
	expect_seen(test, "unmap");
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, SZ_1G, SZ_16K), 0);
	expect_event(test, 0, &(struct watch_event){
		.op = WATCH_FLUSH, .iova = SZ_1G, .size = SZ_16K });
	expect_seen(test, "flush");

	do_unmap_present(test, SZ_1G, SZ_16K, SZ_4K);
	expect_event(test, 0, &(struct watch_event){
		.op = WATCH_UNMAP, .iova = SZ_1G, .size = SZ_16K, .done = SZ_4K });
	expect_seen(test, "unmap");

	do_cut(test, SZ_1M, SZ_2M);
	expect_call(test, 2, WATCH_CUT, SZ_1M, SZ_2M, 0, 0, 0);
	expect_leaves(test, 0, 0, 0, SZ_4K, SZ_1M / SZ_4K);
	expect_seen(test, "leaves, leaves, cut");
}

static void a_refusal_is_seen_with_its_reason(struct kunit *test)
{
	struct io_pgtable_safe *pgt;

	open_format(test, PGT_LPAE_4K);
	pgt = pgt_fixture(test)->pgt;
	do_map(test, SZ_2M, SZ_2M, SZ_2M);
	watch_on(test);
	do_map_fails(test, SZ_2M, 0, SZ_4K, -EEXIST);
	expect_call(test, 0, WATCH_MAP, SZ_2M, SZ_4K, 0, PGT_PROT, -EEXIST);
	do_unmap_fails(test, 0, SZ_4K, -ENOENT);
	expect_call(test, 1, WATCH_UNMAP, 0, SZ_4K, 0, 0, -ENOENT);
	do_unmap_fails(test, SZ_2M, SZ_4K, -ENOTBLK);
	expect_call(test, 2, WATCH_UNMAP, SZ_2M, SZ_4K, 0, 0, -ENOTBLK);
	do_cut_fails(test, 1, SZ_4K, -EINVAL);
	expect_call(test, 3, WATCH_CUT, 1, SZ_4K, 0, 0, -EINVAL);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, 0, 0), -EINVAL);
	expect_call(test, 4, WATCH_FLUSH, 0, 0, 0, 0, -EINVAL);
	expect_seen(test, "refused, refused, refused, refused, refused");
}

static void an_undo_is_seen(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, SZ_8K, -ENOMEM);
	watch_on(test);
	do_map_fails(test, SZ_4K, PADDR, SZ_16K, -ENOMEM);
	expect_leaves(test, 0, SZ_4K, PADDR, SZ_4K, 2);
	expect_event(test, 1, &(struct watch_event){
		.op = WATCH_UNDO, .iova = SZ_4K, .size = SZ_8K });
	expect_call(test, 2, WATCH_MAP, SZ_4K, SZ_16K, PADDR, PGT_PROT, -ENOMEM);
	expect_seen(test, "leaves, undo, refused");
}

static void tables_are_seen_to_wait(struct kunit *test)
{
	struct io_pgtable_safe *pgt;
	u64 table;

	open_format(test, PGT_LPAE_4K);
	pgt = pgt_fixture(test)->pgt;
	if (!pgt_counts_pages(test))
		kunit_skip(test, "the layer does not see the tables of this format");
	do_map_pages(test, SZ_2M, 0, SZ_4K, SZ_2M / SZ_4K);
	watch_on(test);
	do_unmap_later(test, SZ_2M, SZ_2M);
	table = seen.log[0].ev.paddr;
	KUNIT_EXPECT_NE(test, table, 0ULL);
	expect_event(test, 0, &(struct watch_event){
		.op = WATCH_KEPT, .iova = SZ_2M, .size = SZ_2M, .done = SZ_4K, .paddr = table });
	expect_seen(test, "table_kept, unmap");
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, SZ_2M, SZ_2M), 0);
	expect_event(test, 0, &(struct watch_event){
		.op = WATCH_FREED, .iova = SZ_2M, .size = SZ_2M, .done = SZ_4K, .paddr = table });
	expect_seen(test, "table_freed, flush");
}

static void nothing_is_seen_when_nobody_watches(struct kunit *test)
{
	open_format(test, PGT_LPAE_4K);
	watch_on(test);
	KUNIT_EXPECT_TRUE(test, watching());
	watch_off();
	KUNIT_EXPECT_FALSE(test, watching());
	do_map(test, 0, 0, SZ_4K);
	expect_seen(test, "");
}

/* --- print ------------------------------------------------------------------ */

static struct {
	char text[SZ_128K];
	size_t len;
	unsigned int lines;
} printed;

static void print_line(void *ctx, const char *line)
{
	struct kunit *test = ctx;

	KUNIT_EXPECT_LT(test, strlen(line), (size_t)IO_PGTABLE_SAFE_LINE);
	printed.len += scnprintf(printed.text + printed.len, sizeof(printed.text) - printed.len,
				 "%s\n", line);
	printed.lines++;
}

static const char *print_table(struct kunit *test)
{
	printed.len = 0;
	printed.lines = 0;
	io_pgtable_safe_print(pgt_fixture(test)->pgt, print_line, test);
	return printed.text;
}

static __printf(2, 3) void expect_line(struct kunit *test, const char *fmt, ...)
{
	char line[IO_PGTABLE_SAFE_LINE];
	va_list args;

	va_start(args, fmt);
	vscnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	KUNIT_EXPECT_TRUE_MSG(test, strstr(print_table(test), line), "no '%s' in:\n%s", line,
			      printed.text);
}

static void the_head_says_what_the_table_is(struct kunit *test)
{
	open_format(test, PGT_LPAE_4K_TTBR1);
	expect_line(test, ": ARM_64_LPAE_S1, page sizes 4K 2M 1G\n"
		    "iova 0xffffff8000000000 to 0xffffffffffffffff, oas 48, ");
	expect_line(test, ", quirks %#lx, coherent walk\n"
		    "flushed by tlb_flush_walk(); tables from ",
		    (unsigned long)IO_PGTABLE_QUIRK_ARM_TTBR1);
	KUNIT_EXPECT_FALSE(test, strstr(print_table(test), "; live"));
	set_live(test);
	expect_line(test, "; live\n");
	clear_live(test);
}

static void begin_to_count(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, io_pgtable_safe_debugfs(pgt_fixture(test)->pgt, NULL), 0);
}

static void calls_are_counted(struct kunit *test)
{
	open_format(test, PGT_LPAE_4K);
	do_map(test, SZ_1G, 0, SZ_4K);
	KUNIT_EXPECT_FALSE(test, strstr(print_table(test), "maps "));
	begin_to_count(test);
	do_map(test, SZ_2M - SZ_4K, PADDR - SZ_4K, SZ_2M + SZ_8K);
	do_map(test, SZ_1G + SZ_4K, 0, SZ_4K);
	do_map_fails(test, SZ_2M, 0, SZ_4K, -EEXIST);
	do_map_fails(test, SZ_2M + 1, 0, SZ_4K, -EINVAL);
	do_unmap_fails(test, 0, SZ_4K, -ENOENT);
	do_unmap_fails(test, SZ_4K, SZ_4K, -ENOENT);
	do_cut(test, SZ_2M, SZ_4K);
	do_unmap(test, SZ_1G, SZ_8K);
	expect_line(test, "\nmaps 2, unmaps 1, cuts 1, flushes 0, undone 0\n");
	expect_line(test, "\nrefused with %pe: 1\n", ERR_PTR(-EEXIST));
	expect_line(test, "\nrefused with %pe: 1\n", ERR_PTR(-EINVAL));
	expect_line(test, "\nrefused with %pe: 2\n", ERR_PTR(-ENOENT));
	/* Also what is left of the block that was cut */
	expect_line(test, "\nmapped in leaves of 4K: %u bytes\n", 3 * SZ_4K + SZ_2M - SZ_4K);
	expect_line(test, "\nmapped in leaves of 2M: %u bytes\n", SZ_2M);
	expect_line(test, "\n%u bytes mapped, 0 of tables kept, ", SZ_2M + SZ_4K);
}

static void an_undo_is_counted(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);

	begin_to_count(test);
	mock_next_map(mock, SZ_8K, -EPERM);
	do_map_fails(test, SZ_4K, PADDR, SZ_16K, -EPERM);
	expect_line(test, "\nmaps 0, unmaps 0, cuts 0, flushes 0, undone 1\n");
	expect_line(test, "\nfailed with another error: 1\n");
}

static void what_is_kept_is_counted(struct kunit *test)
{
	struct io_pgtable_safe *pgt;

	open_format(test, PGT_LPAE_4K);
	if (!pgt_counts_pages(test))
		kunit_skip(test, "the layer does not see the tables of this format");
	pgt = pgt_fixture(test)->pgt;
	begin_to_count(test);
	do_map_pages(test, SZ_2M, 0, SZ_4K, SZ_2M / SZ_4K);
	do_unmap_later(test, SZ_2M, SZ_2M);
	expect_line(test, "\n0 bytes mapped, %u of tables kept, ", SZ_4K);
	expect_line(test, "\ntables kept for a flush 1, given back 0\n");
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, SZ_2M, SZ_2M), 0);
	expect_line(test, "\ntables kept for a flush 1, given back 1\n");
}

static u64 printed_ledger(struct kunit *test)
{
	const char *line = strstr(print_table(test), " of tables kept, ");
	u64 bytes = 0;

	KUNIT_ASSERT_NOT_NULL(test, line);
	if (sscanf(line, " of tables kept, %llu of the ledger", &bytes) != 1)
		KUNIT_FAIL(test, "no bytes of the ledger in '%s'", line);
	return bytes;
}

static void what_a_reservation_gives_is_counted(struct kunit *test)
{
	struct io_pgtable_safe_reserve *r;
	struct io_pgtable_safe *pgt;
	u64 before;

	open_format(test, PGT_LPAE_4K);
	if (!pgt_counts_pages(test))
		kunit_skip(test, "tables of this format cannot be reserved");
	pgt = pgt_fixture(test)->pgt;
	before = printed_ledger(test);
	r = io_pgtable_safe_reserve(pgt, SZ_1G, SZ_2M, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_reserve_attach(pgt, r), 0);
	KUNIT_EXPECT_GT(test, printed_ledger(test), before);
	io_pgtable_safe_unreserve(r);
}

static void ranges_are_leaves_in_a_row(struct kunit *test)
{
	open_format(test, PGT_LPAE_4K);
	do_map(test, 0, PADDR, SZ_8K);
	do_map(test, SZ_8K, PADDR + SZ_8K, SZ_8K);
	do_map(test, SZ_64K, PADDR, SZ_4K);
	do_map(test, SZ_64K + SZ_4K, PADDR, SZ_4K);
	do_map(test, SZ_2M - SZ_4K, PADDR - SZ_4K, 2 * SZ_2M + SZ_4K);
	expect_line(test, "ranges:\n"
		    "0x000000000000 16K = 4 x 4K at 0x40000000\n"
		    "0x000000010000 8K = 2 x 4K at 0x40000000, scattered\n");
	expect_line(test,
		    "0x0000001ff000 4K = 1 x 4K at 0x3ffff000\n"
		    "0x000000200000 4M = 2 x 2M at 0x40000000\n"
		    "last calls:\n");
}

/* Behind the last byte of 64 bits comes the first one */
static void ranges_end_with_the_address_space(struct kunit *test)
{
	static const struct mock_config config = {
		.fmt = ARM_64_LPAE_S1, .pgsizes = SZ_4K, .ias = 64, .oas = 48,
	};

	open_mock(test, &config);
	do_map(test, 0, PADDR, SZ_4K);
	do_map(test, -(u64)SZ_4K, PADDR, SZ_4K);
	expect_line(test, "ranges:\n"
		    "0x000000000000 4K = 1 x 4K at 0x40000000\n"
		    "0xfffffffffffff000 4K = 1 x 4K at 0x40000000\n"
		    "last calls:\n");
}

static void no_more_ranges_than_can_be_read(struct kunit *test)
{
	unsigned int i;

	open_format(test, PGT_LPAE_4K);
	for (i = 0; i < 1024; i++)
		do_map(test, i * SZ_8K, PADDR, SZ_4K);
	KUNIT_EXPECT_FALSE(test, strstr(print_table(test), "more"));
	do_map(test, SZ_1G, PADDR, SZ_4K);
	expect_line(test, "\n... and more from 0x40000000 on\nlast calls:\n");
	KUNIT_EXPECT_FALSE(test, strstr(printed.text, "\n0x000040000000 "));
}

static void the_last_calls_are_remembered(struct kunit *test)
{
	const char *calls;
	unsigned int i;

	open_format(test, PGT_LPAE_4K);
	begin_to_count(test);
	for (i = 0; i < 65; i++)
		do_map(test, i * SZ_4K, PADDR, SZ_4K);
	do_map_fails(test, 0, PADDR, SZ_4K, -EEXIST);
	calls = strstr(print_table(test), "\nlast calls:\n");
	KUNIT_ASSERT_NOT_NULL(test, calls);
	/* The first two are forgotten */
	KUNIT_EXPECT_FALSE(test, strstr(calls, " map   0x1000+4K "));
	KUNIT_EXPECT_TRUE(test, strstr(calls, " map   0x2000+4K "));
	expect_line(test, " map   0x40000+4K flags %#x: {4K, 0}\n", PGT_PROT);
	expect_line(test, " map   0x0+4K flags %#x: {0, %pe}\n", PGT_PROT, ERR_PTR(-EEXIST));
}

/* How often does the kernel log have this? */
static unsigned int count_in_log(const char *text)
{
	struct kmsg_dump_iter iter;
	static char line[512];
	unsigned int n = 0;
	size_t len;

	kmsg_dump_rewind(&iter);
	while (kmsg_dump_get_line(&iter, false, line, sizeof(line) - 1, &len)) {
		line[len] = '\0';
		n += !!strstr(line, text);
	}
	return n;
}

static void a_broken_table_tells_its_calls_once(struct kunit *test)
{
	struct mock_format *mock = open_mock(test, NULL);
	unsigned int before = count_in_log("is broken, its last calls were:");

	begin_to_count(test);
	do_map(test, 0x123000, PADDR, SZ_4K);
	mock_next_unmap(mock, 0);
	check_unmap_result(test, io_pgtable_safe_unmap(pgt_fixture(test)->pgt, 0x123000, SZ_4K,
						       0), 0, -EIO);
	check_broken(test);
	KUNIT_EXPECT_EQ(test, count_in_log("is broken, its last calls were:"), before + 1);
	KUNIT_EXPECT_GE(test, count_in_log(" unmap 0x123000+4K flags 0x0: {0, "), 1U);
	expect_line(test, "ranges:\nbroken: nobody knows what is mapped\n");
	expect_line(test, "; broken\n");
}

static struct dentry *find_dir(u64 id)
{
	char name[32];

	snprintf(name, sizeof(name), "pgtable-%llu", id);
	return debugfs_lookup(name, NULL);
}

static void the_directory_goes_with_the_table(struct kunit *test)
{
	struct dentry *dir;
	unsigned int id;
	int n;

	open_format(test, PGT_LPAE_4K);
	begin_to_count(test);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_debugfs(pgt_fixture(test)->pgt, NULL), -EEXIST);
	n = sscanf(print_table(test), "page table %u:", &id);
	KUNIT_ASSERT_EQ(test, n, 1);
	if (!IS_ENABLED(CONFIG_DEBUG_FS))
		kunit_skip(test, "this kernel has no debugfs");
	dir = find_dir(id);
	KUNIT_EXPECT_NOT_NULL(test, dir);
	dput(dir);
	close_table(test);
	dir = find_dir(id);
	KUNIT_EXPECT_NULL(test, dir);
	dput(dir);
	KUNIT_EXPECT_FALSE(test, watching());
}

/* --- which memory is mapped ------------------------------------------------- */

#define NR_PAGES	(SZ_2M >> PAGE_SHIFT)

static struct page *checked;

/* 2M of memory, of which it is known what is mapped */
static struct page *begin_to_check(struct kunit *test)
{
	checked = alloc_pages(GFP_KERNEL | __GFP_NOWARN, get_order(SZ_2M));
	if (!checked)
		kunit_skip(test, "there are no 2M of memory in one piece");
	io_pgtable_safe_check_pages(true);
	return checked;
}

static void end_of_check(void)
{
	if (!checked)
		return;
	io_pgtable_safe_check_pages(false);
	__free_pages(checked, get_order(SZ_2M));
	checked = NULL;
}

/* Expects that of the 2M this is mapped and nothing else */
static void expect_mapped(struct kunit *test, u64 first, u64 size)
{
	unsigned long a = first >> PAGE_SHIFT, b = (first + size) >> PAGE_SHIFT;

	if (a)
		KUNIT_EXPECT_TRUE(test, io_pgtable_safe_assert_unmapped(checked, a));
	if (a < b) {
		KUNIT_EXPECT_FALSE(test, io_pgtable_safe_assert_unmapped(checked + a, 1));
		KUNIT_EXPECT_FALSE(test, io_pgtable_safe_assert_unmapped(checked + b - 1, 1));
		KUNIT_EXPECT_FALSE(test, io_pgtable_safe_assert_unmapped(checked, NR_PAGES));
	}
	if (b < NR_PAGES)
		KUNIT_EXPECT_TRUE(test, io_pgtable_safe_assert_unmapped(checked + b,
									NR_PAGES - b));
}

static void mapped_memory_is_known(struct kunit *test)
{
	phys_addr_t paddr = page_to_phys(begin_to_check(test));

	open_format(test, PGT_LPAE_4K);
	expect_mapped(test, 0, 0);
	do_map(test, SZ_1G, paddr, SZ_2M);
	expect_mapped(test, 0, SZ_2M);
	do_unmap(test, SZ_1G, SZ_2M);
	expect_mapped(test, 0, 0);
	do_map_pages(test, SZ_1G, paddr + SZ_64K, SZ_4K, 8);
	expect_mapped(test, SZ_64K, SZ_32K);
	do_unmap_present(test, SZ_1G, SZ_2M, SZ_32K);
	expect_mapped(test, 0, 0);
	do_map_fails(test, SZ_1G + 1, paddr, SZ_4K, -EINVAL);
	expect_mapped(test, 0, 0);
}

static void memory_in_pieces_is_known(struct kunit *test)
{
	phys_addr_t paddr = page_to_phys(begin_to_check(test));
	const struct sg_piece pieces[] = { { paddr + SZ_8K, SZ_4K }, { paddr, SZ_4K } };
	struct io_pgtable_safe *pgt;

	open_format(test, PGT_LPAE_4K);
	pgt = pgt_fixture(test)->pgt;
	check_map_result(test, map_dma_table(test, 0, make_dma_table(test, pieces, 2), 0, SZ_8K,
					     GFP_KERNEL), SZ_8K, 0);
	KUNIT_EXPECT_FALSE(test, io_pgtable_safe_assert_unmapped(checked, 1));
	KUNIT_EXPECT_TRUE(test, io_pgtable_safe_assert_unmapped(checked + 1, 1));
	KUNIT_EXPECT_FALSE(test, io_pgtable_safe_assert_unmapped(checked + 2, 1));
	do_unmap(test, 0, SZ_4K);
	expect_mapped(test, 0, SZ_4K);
	do_unmap(test, SZ_4K, SZ_4K);
	expect_mapped(test, 0, 0);

	check_map_result(test, io_pgtable_safe_map_repeat(pgt, 0, paddr, SZ_4K, 0, SZ_16K,
							  PGT_PROT, GFP_KERNEL), SZ_16K, 0);
	do_unmap(test, SZ_4K, SZ_8K);
	do_unmap(test, 0, SZ_4K);
	expect_mapped(test, 0, SZ_4K);
	do_unmap(test, 3 * SZ_4K, SZ_4K);
	expect_mapped(test, 0, 0);
}

static void what_is_cut_is_known(struct kunit *test)
{
	phys_addr_t paddr = page_to_phys(begin_to_check(test));

	open_format(test, PGT_LPAE_4K);
	do_map(test, SZ_2M, paddr, SZ_2M);
	do_cut(test, SZ_2M + SZ_64K, SZ_2M - SZ_64K);
	expect_mapped(test, 0, SZ_64K);
	do_unmap(test, SZ_2M, SZ_64K);
	do_map(test, SZ_2M, paddr, SZ_2M);
	do_cut(test, SZ_2M, SZ_1M);
	expect_mapped(test, SZ_1M, SZ_1M);
}

static void mapped_until_the_flush(struct kunit *test)
{
	phys_addr_t paddr = page_to_phys(begin_to_check(test));
	struct io_pgtable_safe *pgt;

	open_format(test, PGT_LPAE_4K);
	pgt = pgt_fixture(test)->pgt;
	do_map(test, 0, paddr, SZ_16K);
	do_unmap_later(test, 0, SZ_16K);
	expect_mapped(test, 0, SZ_16K);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, SZ_64K, SZ_64K), 0);
	expect_mapped(test, 0, SZ_16K);
	/* Mapped elsewhere, and unmapped: that flushes nothing of it */
	do_map(test, SZ_1M, paddr, SZ_4K);
	do_unmap(test, SZ_1M, SZ_4K);
	expect_mapped(test, 0, SZ_16K);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, 0, SZ_8K), 0);
	expect_mapped(test, SZ_8K, SZ_8K);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, SZ_8K, SZ_1M), 0);
	expect_mapped(test, 0, 0);
}

/* One call of the backend maps it, others unmap the middle and the ends */
static void parts_of_a_mapping_are_known(struct kunit *test)
{
	phys_addr_t paddr = page_to_phys(begin_to_check(test));
	struct io_pgtable_safe *pgt;

	open_format(test, PGT_LPAE_4K);
	pgt = pgt_fixture(test)->pgt;
	do_map_pages(test, SZ_1G, paddr + SZ_64K, SZ_4K, 8);
	do_unmap_later(test, SZ_1G + SZ_8K, SZ_8K);
	expect_mapped(test, SZ_64K, SZ_32K);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, SZ_1G + SZ_8K, SZ_8K), 0);
	KUNIT_EXPECT_FALSE(test, io_pgtable_safe_assert_unmapped(checked + 17, 1));
	KUNIT_EXPECT_TRUE(test, io_pgtable_safe_assert_unmapped(checked + 18, 2));
	KUNIT_EXPECT_FALSE(test, io_pgtable_safe_assert_unmapped(checked + 20, 1));
	do_unmap(test, SZ_1G, SZ_8K);
	expect_mapped(test, SZ_64K + SZ_16K, SZ_16K);
	do_unmap(test, SZ_1G + SZ_16K, SZ_16K);
	expect_mapped(test, 0, 0);
}

/* What the driver is told to flush may still be reached, and what comes after it */
static void ask_in_callback(struct pgt_test *fix, const struct pgt_flush *flush)
{
	expect_mapped(fix->test, 0, SZ_4K);
}

static void mapped_while_the_driver_flushes(struct kunit *test)
{
	phys_addr_t paddr = page_to_phys(begin_to_check(test));

	open_format(test, PGT_LPAE_4K);
	do_map(test, 0, paddr, SZ_4K);
	pgt_forget_flushes(test);
	pgt_fixture(test)->on_flush = ask_in_callback;
	do_unmap(test, 0, SZ_4K);
	pgt_fixture(test)->on_flush = NULL;
	KUNIT_EXPECT_GT(test, atomic_read(&pgt_fixture(test)->flushes), 0);
	expect_mapped(test, 0, 0);
}

static void unmap_in_callback(struct pgt_test *fix, const struct pgt_flush *flush)
{
	fix->on_flush = NULL;
	do_unmap_later(fix->test, SZ_4K, SZ_4K);
}

/* The driver may have invalidated it before */
static void unmapped_during_a_flush_waits_for_the_next(struct kunit *test)
{
	phys_addr_t paddr = page_to_phys(begin_to_check(test));
	struct io_pgtable_safe *pgt;

	open_format(test, PGT_LPAE_4K);
	pgt = pgt_fixture(test)->pgt;
	do_map(test, 0, paddr, SZ_8K);
	do_unmap_later(test, 0, SZ_4K);
	pgt_fixture(test)->on_flush = unmap_in_callback;
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, 0, SZ_8K), 0);
	expect_mapped(test, SZ_4K, SZ_4K);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, 0, SZ_8K), 0);
	expect_mapped(test, 0, 0);
}

static struct io_pgtable_safe *open_without_callbacks(struct kunit *test)
{
	struct io_pgtable_cfg cfg;

	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	cfg.tlb = NULL;
	open_cfg(test, ARM_64_LPAE_S1, &cfg);
	return pgt_fixture(test)->pgt;
}

static void known_without_callbacks(struct kunit *test)
{
	phys_addr_t paddr = page_to_phys(begin_to_check(test));
	struct io_pgtable_safe *pgt = open_without_callbacks(test);

	do_map(test, 0, paddr, SZ_2M);
	do_cut(test, SZ_1M, SZ_1M);
	expect_mapped(test, 0, SZ_1M);
	do_unmap(test, 0, SZ_512K);
	expect_mapped(test, SZ_512K, SZ_512K);
	do_unmap_later(test, SZ_512K, SZ_512K);
	expect_mapped(test, SZ_512K, SZ_512K);
	KUNIT_EXPECT_EQ(test, io_pgtable_safe_flush(pgt, 0, SZ_2M), 0);
	expect_mapped(test, 0, 0);
}

static void what_is_undone_is_not_mapped(struct kunit *test)
{
	phys_addr_t paddr = page_to_phys(begin_to_check(test));
	struct mock_format *mock = open_mock(test, NULL);

	mock_next_map(mock, SZ_8K, -ENOMEM);
	do_map_fails(test, 0, paddr, SZ_16K, -ENOMEM);
	expect_mapped(test, 0, 0);
	mock_next_map(mock, SZ_8K, -ENOMEM);
	check_map_result(test, io_pgtable_safe_try_map_pages(pgt_fixture(test)->pgt, 0, paddr,
							     SZ_4K, 4, PGT_PROT, GFP_KERNEL),
			 SZ_8K, -ENOMEM);
	expect_mapped(test, 0, SZ_8K);
}

static void a_broken_table_still_maps(struct kunit *test)
{
	phys_addr_t paddr = page_to_phys(begin_to_check(test));
	struct mock_format *mock = open_mock(test, NULL);

	do_map(test, 0, paddr, SZ_16K);
	mock_next_unmap(mock, 0);
	check_unmap_result(test, io_pgtable_safe_unmap(pgt_fixture(test)->pgt, 0, SZ_16K, 0), 0,
			   -EIO);
	expect_mapped(test, 0, SZ_16K);
	close_table(test);
	expect_mapped(test, 0, 0);
}

static void known_of_all_tables(struct kunit *test)
{
	phys_addr_t paddr = page_to_phys(begin_to_check(test));
	struct io_pgtable_safe *other;
	struct io_pgtable_cfg cfg;

	open_format(test, PGT_LPAE_4K);
	pgt_make_cfg(test, &pgt_formats[PGT_LPAE_4K], &cfg);
	other = io_pgtable_safe_alloc(ARM_64_LPAE_S1, &cfg, pgt_fixture(test));
	KUNIT_ASSERT_FALSE(test, IS_ERR(other));
	do_map(test, 0, paddr, SZ_4K);
	check_map_result(test, io_pgtable_safe_map(other, 0, paddr, SZ_8K, PGT_PROT, GFP_KERNEL),
			 SZ_8K, 0);
	do_unmap(test, 0, SZ_4K);
	expect_mapped(test, 0, SZ_8K);
	/* With what is still mapped */
	io_pgtable_safe_free(other);
	expect_mapped(test, 0, 0);
}

static void says_when_something_may_be_missed(struct kunit *test)
{
	phys_addr_t paddr = page_to_phys(begin_to_check(test));
	unsigned int before = count_in_log("check of mapped pages");

	skip_without_fault_injection(test);
	open_format(test, PGT_LPAE_4K);
	/* So that no table is needed */
	do_map(test, SZ_4K, paddr + SZ_4K, SZ_4K);
	fail_nth_allocation(1);
	do_map(test, 0, paddr, SZ_4K);
	KUNIT_EXPECT_TRUE(test, an_allocation_failed());
	expect_mapped(test, SZ_4K, SZ_4K);
	/* Once */
	fail_nth_allocation(1);
	do_map(test, SZ_8K, paddr + SZ_8K, SZ_4K);
	KUNIT_EXPECT_TRUE(test, an_allocation_failed());
	KUNIT_EXPECT_EQ(test, count_in_log("check of mapped pages"), before + 1);
}

static void a_part_may_be_missed(struct kunit *test)
{
	phys_addr_t paddr = page_to_phys(begin_to_check(test));
	unsigned int before = count_in_log("check of mapped pages");

	skip_without_fault_injection(test);
	open_format(test, PGT_LPAE_4K);
	do_map_pages(test, 0, paddr, SZ_4K, 3);
	fail_nth_allocation(1);
	do_unmap(test, SZ_4K, SZ_4K);
	KUNIT_EXPECT_TRUE(test, an_allocation_failed());
	expect_mapped(test, 0, SZ_4K);
	KUNIT_EXPECT_EQ(test, count_in_log("check of mapped pages"), before + 1);
}

static void nothing_is_known_without_the_check(struct kunit *test)
{
	phys_addr_t paddr = page_to_phys(begin_to_check(test));

	open_format(test, PGT_LPAE_4K);
	do_map(test, 0, paddr, SZ_4K);
	io_pgtable_safe_check_pages(true);
	io_pgtable_safe_check_pages(false);
	expect_mapped(test, 0, SZ_4K);
	io_pgtable_safe_check_pages(false);
	KUNIT_EXPECT_FALSE(test, watching());
	expect_mapped(test, 0, 0);
	io_pgtable_safe_check_pages(true);
	/* What was known has been forgotten */
	expect_mapped(test, 0, 0);
	do_unmap(test, 0, SZ_4K);
}

static void watch_exit(struct kunit *test)
{
	watch_off();
	pgt_test_exit(test);
	end_of_check();
}

static struct kunit_case watch_cases[] = {
	KUNIT_CASE(a_map_and_an_unmap_are_seen),
	KUNIT_CASE(each_way_to_map_is_seen),
	KUNIT_CASE(each_way_to_unmap_is_seen),
	KUNIT_CASE(a_refusal_is_seen_with_its_reason),
	KUNIT_CASE(an_undo_is_seen),
	KUNIT_CASE(tables_are_seen_to_wait),
	KUNIT_CASE(nothing_is_seen_when_nobody_watches),
	KUNIT_CASE(the_head_says_what_the_table_is),
	KUNIT_CASE(calls_are_counted),
	KUNIT_CASE(an_undo_is_counted),
	KUNIT_CASE(what_is_kept_is_counted),
	KUNIT_CASE(what_a_reservation_gives_is_counted),
	KUNIT_CASE(ranges_are_leaves_in_a_row),
	KUNIT_CASE(ranges_end_with_the_address_space),
	KUNIT_CASE(no_more_ranges_than_can_be_read),
	KUNIT_CASE(the_last_calls_are_remembered),
	KUNIT_CASE(a_broken_table_tells_its_calls_once),
	KUNIT_CASE(the_directory_goes_with_the_table),
	KUNIT_CASE(mapped_memory_is_known),
	KUNIT_CASE(memory_in_pieces_is_known),
	KUNIT_CASE(what_is_cut_is_known),
	KUNIT_CASE(mapped_until_the_flush),
	KUNIT_CASE(parts_of_a_mapping_are_known),
	KUNIT_CASE(mapped_while_the_driver_flushes),
	KUNIT_CASE(unmapped_during_a_flush_waits_for_the_next),
	KUNIT_CASE(known_without_callbacks),
	KUNIT_CASE(what_is_undone_is_not_mapped),
	KUNIT_CASE(a_broken_table_still_maps),
	KUNIT_CASE(known_of_all_tables),
	KUNIT_CASE(says_when_something_may_be_missed),
	KUNIT_CASE(a_part_may_be_missed),
	KUNIT_CASE(nothing_is_known_without_the_check),
	{}
};

static struct kunit_suite watch_suite = {
	.name = "io_pgtable_safe_watch",
	.init = pgt_test_init,
	.exit = watch_exit,
	.test_cases = watch_cases,
};

kunit_test_suites(&watch_suite);
