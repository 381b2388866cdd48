// SPDX-License-Identifier: GPL-2.0
/*
 * A page table to look at: what it is, what was done to it, and what it maps. For
 * debugfs, and for whatever else a driver prints to.
 */

#include <linux/debugfs.h>
#include <linux/ktime.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>

/* Calls that are remembered, as in the VMs of msm */
#define WATCH_RING		64
/* No longer line is printed */
#define WATCH_LINE		IO_PGTABLE_SAFE_LINE
/* No more ranges are printed, nor more leaves looked at for them */
#define WATCH_MAX_RANGES	1024
#define WATCH_MAX_LEAVES	SZ_1M

/* The errors of "Errors"; all others are counted as one */
static const int watch_reasons[] = {
	-EINVAL, -ERANGE, -EOVERFLOW, -EEXIST, -ENOENT, -ENOTBLK, -EBUSY, -ENOMEM, -EIO,
};

/**
 * struct watch_counts - What one CPU has counted.
 * @events: Of each kind, if they were not refused.
 * @refused: Calls that failed and did nothing, by their error.
 * @mapped: Bytes mapped in leaves of each size, by log2 of that.
 */
struct watch_counts {
	u64 events[WATCH_FREED + 1];
	u64 refused[ARRAY_SIZE(watch_reasons) + 1];
	u64 mapped[64];
};

/**
 * struct watch_call - A call that has returned.
 * @when: When, in nanoseconds since boot.
 * @ev: What it did.
 */
struct watch_call {
	u64 when;
	struct watch_event ev;
};

/**
 * struct table_watch - What is known of a page table that is watched.
 * @dir: Its directory.
 * @counts: For each CPU.
 * @lock: Protects what follows. Innermost.
 * @nr: Calls so far.
 * @ring: The last of them.
 * @told: They have been printed, because the table is broken.
 */
struct table_watch {
	struct dentry *dir;
	struct watch_counts __percpu *counts;
	spinlock_t lock; /* see above */
	u64 nr;
	struct watch_call ring[WATCH_RING];
	bool told;
};

/**
 * struct watch_out - Where lines go.
 * @print: Takes one, without its end.
 * @ctx: What it is called with.
 */
struct watch_out {
	io_pgtable_safe_print_fn print;
	void *ctx;
};

static __printf(2, 3) void put_line(const struct watch_out *out, const char *fmt, ...)
{
	char line[WATCH_LINE];
	va_list args;

	va_start(args, fmt);
	vscnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	out->print(out->ctx, line);
}

/* Room for a size_name() */
#define SIZE_NAME		24

/* A size as 64K */
static const char *size_name(char name[SIZE_NAME], u64 size)
{
	unsigned int unit = size ? min_t(unsigned int, __ffs64(size) / 10, 6) : 0;

	snprintf(name, SIZE_NAME, unit ? "%llu%c" : "%llu", size >> (10 * unit),
		 " KMGTPE"[unit]);
	return name;
}

/* --- counting --------------------------------------------------------------- */

static unsigned int watch_reason(int err)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(watch_reasons) && watch_reasons[i] != err; i++)
		;
	return i;
}

static void watch_count(struct table_watch *w, const struct watch_event *ev)
{
	if (watch_refused(ev)) {
		this_cpu_inc(w->counts->refused[watch_reason(ev->err)]);
		return;
	}
	this_cpu_inc(w->counts->events[ev->op]);
	if (ev->op == WATCH_LEAVES)
		this_cpu_add(w->counts->mapped[__ffs64(ev->pgsize)], ev->done);
}

static void watch_remember(struct table_watch *w, const struct watch_event *ev)
{
	u64 now = ktime_get_ns();

	spin_lock(&w->lock);
	w->ring[w->nr++ % WATCH_RING] = (struct watch_call){ .when = now, .ev = *ev };
	spin_unlock(&w->lock);
}

/* --- calls ------------------------------------------------------------------ */

static const char * const watch_names[] = {
	[WATCH_MAP] = "map",
	[WATCH_UNMAP] = "unmap",
	[WATCH_CUT] = "cut",
	[WATCH_FLUSH] = "flush",
	[WATCH_UNDO] = "undo",
};

static void put_call(const struct watch_out *out, const struct watch_call *call)
{
	const struct watch_event *ev = &call->ev;
	u64 us = call->when / NSEC_PER_USEC;
	u32 part = do_div(us, USEC_PER_SEC);
	char size[SIZE_NAME], done[SIZE_NAME], err[SIZE_NAME] = "0";

	if (ev->err)
		snprintf(err, sizeof(err), "%pe", ERR_PTR(ev->err));
	put_line(out, "%5llu.%06u %-5s %#llx+%s flags %#x: {%s, %s}", us, part,
		 watch_names[ev->op], ev->iova, size_name(size, ev->size), ev->flags,
		 size_name(done, ev->done), err);
}

/* The nth call from the oldest that is remembered; it may be forgotten meanwhile */
static bool watch_nth_call(struct table_watch *w, unsigned int n, struct watch_call *call)
{
	u64 nr;

	spin_lock(&w->lock);
	nr = min_t(u64, w->nr, WATCH_RING);
	if (n < nr)
		*call = w->ring[(w->nr - nr + n) % WATCH_RING];
	spin_unlock(&w->lock);
	return n < nr;
}

static void put_calls(struct io_pgtable_safe *pgt, const struct watch_out *out)
{
	struct table_watch *w = READ_ONCE(pgt->watch);
	struct watch_call call;
	unsigned int i;

	for (i = 0; w && watch_nth_call(w, i, &call); i++)
		put_call(out, &call);
}

static void put_to_log(void *ctx, const char *line)
{
	dev_err(ctx, "io_pgtable_safe: %s\n", line);
}

/* Once, with the call that has broken the table as the last */
static void watch_tell_broken(struct io_pgtable_safe *pgt, struct table_watch *w)
{
	const struct watch_out out = { put_to_log, pgt->cfg.iommu_dev };
	bool told;

	spin_lock(&w->lock);
	told = w->told;
	w->told = true;
	spin_unlock(&w->lock);
	if (told)
		return;
	put_line(&out, "page table %llu is broken, its last calls were:", pgt->id);
	put_calls(pgt, &out);
}

static void watch_record(struct io_pgtable_safe *pgt, const struct watch_event *ev)
{
	struct table_watch *w = READ_ONCE(pgt->watch);

	if (!w)
		return;
	watch_count(w, ev);
	if (ev->op > WATCH_UNDO)
		return;
	watch_remember(w, ev);
	if (READ_ONCE(pgt->broken) && ev->op != WATCH_UNDO)
		watch_tell_broken(pgt, w);
}

/* --- what it is ------------------------------------------------------------- */

static const char * const format_names[] = {
	[ARM_32_LPAE_S1] = "ARM_32_LPAE_S1",
	[ARM_32_LPAE_S2] = "ARM_32_LPAE_S2",
	[ARM_64_LPAE_S1] = "ARM_64_LPAE_S1",
	[ARM_64_LPAE_S2] = "ARM_64_LPAE_S2",
	[ARM_MALI_LPAE] = "ARM_MALI_LPAE",
	[ARM_V7S] = "ARM_V7S",
	[APPLE_DART] = "APPLE_DART",
	[APPLE_DART2] = "APPLE_DART2",
};

static const char *format_name(const struct io_pgtable_safe *pgt)
{
	unsigned int fmt = io_pgtable_ops_to_pgtable(pgt->ops)->fmt;
	const char *name = fmt < ARRAY_SIZE(format_names) ? format_names[fmt] : NULL;

	return name ?: "other";
}

static void put_config(struct io_pgtable_safe *pgt, const struct watch_out *out)
{
	const struct io_pgtable_cfg *cfg = &pgt->cfg;
	char sizes[WATCH_LINE / 2] = "", name[SIZE_NAME];
	unsigned long left;
	size_t n = 0;

	for (left = pgt->pgsizes; left; left &= left - 1)
		n += scnprintf(sizes + n, sizeof(sizes) - n, " %s",
			       size_name(name, left & -left));
	put_line(out, "page table %llu: %s, page sizes%s", pgt->id, format_name(pgt), sizes);
	put_line(out, "iova %#llx to %#llx, oas %u, quirks %#lx, %scoherent walk",
		 pgt->iova_first, iova_last(pgt), cfg->oas, cfg->quirks,
		 cfg->coherent_walk ? "" : "no ");
	put_line(out, "flushed by %s; tables from %s%s%s",
		 !pgt->tlb ? "the driver" :
		 pgt->tlb->tlb_flush_walk ? "tlb_flush_walk()" : "tlb_flush_all()",
		 !pgt->tables.on ? "the format" :
		 pgt->tables.source.alloc ? "the driver" : "the kernel",
		 READ_ONCE(pgt->live) ? "; live" : "", READ_ONCE(pgt->broken) ? "; broken" : "");
}

/* --- what was done ---------------------------------------------------------- */

static void watch_sum(struct table_watch *w, struct watch_counts *sum)
{
	const u64 *from;
	unsigned int i;
	int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		from = (const u64 *)per_cpu_ptr(w->counts, cpu);
		for (i = 0; i < sizeof(*sum) / sizeof(u64); i++)
			((u64 *)sum)[i] += READ_ONCE(from[i]);
	}
}

static void put_refused(const struct watch_out *out, unsigned int reason, u64 n)
{
	if (reason < ARRAY_SIZE(watch_reasons))
		put_line(out, "refused with %pe: %llu", ERR_PTR(watch_reasons[reason]), n);
	else
		put_line(out, "failed with another error: %llu", n);
}

static void put_counts(struct io_pgtable_safe *pgt, const struct watch_out *out)
{
	struct table_watch *w = READ_ONCE(pgt->watch);
	struct watch_counts sum;
	char name[SIZE_NAME];
	unsigned int i;

	put_line(out, "%llu bytes mapped, %llu of tables kept, %llu of the ledger",
		 ledger_mapped(&pgt->ledger), table_pages_kept(&pgt->tables),
		 ledger_bytes(&pgt->ledger));
	if (!w)
		return;
	watch_sum(w, &sum);
	put_line(out, "maps %llu, unmaps %llu, cuts %llu, flushes %llu, undone %llu",
		 sum.events[WATCH_MAP], sum.events[WATCH_UNMAP], sum.events[WATCH_CUT],
		 sum.events[WATCH_FLUSH], sum.events[WATCH_UNDO]);
	put_line(out, "tables kept for a flush %llu, given back %llu",
		 sum.events[WATCH_KEPT], sum.events[WATCH_FREED]);
	for (i = 0; i < ARRAY_SIZE(sum.refused); i++)
		if (sum.refused[i])
			put_refused(out, i, sum.refused[i]);
	for (i = 0; i < ARRAY_SIZE(sum.mapped); i++)
		if (sum.mapped[i])
			put_line(out, "mapped in leaves of %s: %llu bytes",
				 size_name(name, BIT_ULL(i)), sum.mapped[i]);
}

/* --- what it maps ----------------------------------------------------------- */

/**
 * struct watch_range - Leaves of one size without a hole between them.
 * @first: The first of them.
 * @count: Their number.
 * @scattered: They do not map one piece of memory.
 */
struct watch_range {
	struct io_pgtable_safe_span first;
	u64 count;
	bool scattered;
};

static void put_range(const struct watch_out *out, const struct watch_range *r)
{
	char size[SIZE_NAME], leaf[SIZE_NAME];

	put_line(out, "%#014llx %s = %llu x %s at %#llx%s", r->first.iova,
		 size_name(size, r->first.leaf * r->count), r->count,
		 size_name(leaf, r->first.leaf), (u64)r->first.paddr,
		 r->scattered ? ", scattered" : "");
}

/* Does a leaf go on where a range ends? */
static bool watch_goes_on(struct watch_range *r, const struct io_pgtable_safe_span *leaf)
{
	u64 size = r->first.leaf * r->count;

	if (!r->count)
		r->first = *leaf;
	else if (leaf->leaf != r->first.leaf || leaf->iova != r->first.iova + size)
		return false;
	r->scattered |= leaf->paddr != r->first.paddr + size;
	r->count++;
	return true;
}

/* The first leaf at or behind an address. It may go between the two questions */
static int watch_next_leaf(struct io_pgtable_safe *pgt, u64 iova,
			   struct io_pgtable_safe_span *leaf)
{
	int err;

	for (;;) {
		err = io_pgtable_safe_next(pgt, iova, leaf);
		if (err)
			return err;
		iova = leaf->iova;
		err = io_pgtable_safe_lookup(pgt, iova, leaf);
		if (err != -ENOENT && err != -EBUSY)
			return err;
		iova += pgt->granule;
		if (!iova)
			return -ENOENT;
	}
}

/* Leaves of one size in a row, no more than *left. Sets *iova behind them */
static bool watch_next_range(struct io_pgtable_safe *pgt, u64 *iova, unsigned int *left,
			     struct watch_range *r)
{
	struct io_pgtable_safe_span leaf;

	*r = (struct watch_range){};
	while (*left && !watch_next_leaf(pgt, *iova, &leaf) && watch_goes_on(r, &leaf)) {
		*iova = leaf.iova + leaf.size;
		/* Behind the last of 64 bits */
		*left = *iova ? *left - 1 : 0;
	}
	return r->count;
}

static void put_ranges(struct io_pgtable_safe *pgt, const struct watch_out *out)
{
	unsigned int left = WATCH_MAX_LEAVES, n;
	struct io_pgtable_safe_span more;
	u64 iova = pgt->iova_first;
	struct watch_range range;

	for (n = 0; n < WATCH_MAX_RANGES && watch_next_range(pgt, &iova, &left, &range); n++)
		put_range(out, &range);
	if (check_table(pgt))
		put_line(out, "broken: nobody knows what is mapped");
	else if (iova && !io_pgtable_safe_next(pgt, iova, &more))
		put_line(out, "... and more from %#llx on", more.iova);
}

/* --- where it is printed ---------------------------------------------------- */

/**
 * io_pgtable_safe_print() - Print all that is known of a page table.
 * @pgt: The page table.
 * @print: Takes a line of at most 127 characters, without a newline.
 * @ctx: Passed to it.
 *
 * What io_pgtable_safe_debugfs() has in its files. For a devcoredump, or another file
 * of the driver's, where @print is a call of drm_printf() or seq_printf(). What has been
 * counted, and the last calls, only after io_pgtable_safe_debugfs().
 *
 * Not more than 1024 ranges, and no more leaves than 2^20 are looked at. Nothing is
 * allocated, and no lock is held while @print is called. Others may map and unmap
 * meanwhile; a range that they are busy with is left out.
 *
 * Context: Process context, atomic sections included, as far as @print allows.
 */
void io_pgtable_safe_print(struct io_pgtable_safe *pgt, io_pgtable_safe_print_fn print,
			   void *ctx)
{
	const struct watch_out out = { print, ctx };

	put_config(pgt, &out);
	put_counts(pgt, &out);
	put_line(&out, "ranges:");
	put_ranges(pgt, &out);
	put_line(&out, "last calls:");
	put_calls(pgt, &out);
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_print, IO_PGTABLE_SAFE_NS);

static void put_to_file(void *m, const char *line)
{
	seq_printf(m, "%s\n", line);
}

#define DEFINE_WATCH_FILE(name)						\
static int name##_show(struct seq_file *m, void *unused)		\
{									\
	put_##name(m->private, &(struct watch_out){ put_to_file, m });	\
	return 0;							\
}									\
DEFINE_SHOW_ATTRIBUTE(name)

DEFINE_WATCH_FILE(config);
DEFINE_WATCH_FILE(counts);
DEFINE_WATCH_FILE(ranges);
DEFINE_WATCH_FILE(calls);

/**
 * io_pgtable_safe_debugfs() - Count what is done to a page table, and show it.
 * @pgt: The page table.
 * @parent: Directory of the driver's. Must be there until @pgt is freed.
 *
 * Makes a directory pgtable-<n> with the files config, counts, ranges and calls, which
 * goes when @pgt is freed. From here on calls are counted and the last 64 are
 * remembered; if @pgt breaks, these are printed to the log, once. All of that costs
 * time, with a lock for each call, so a driver should make it depend on a switch of its
 * own. It is done, for io_pgtable_safe_print(), also where there is no debugfs.
 *
 * Context: May sleep. So may io_pgtable_safe_free() afterwards. Not concurrently with
 * itself on the same page table.
 * Return: 0, -EEXIST if it was called before, -ENOMEM.
 */
int io_pgtable_safe_debugfs(struct io_pgtable_safe *pgt, struct dentry *parent)
{
	struct table_watch *w;
	char name[32];

	if (pgt->watch)
		return -EEXIST;
	w = kzalloc_obj(*w);
	if (!w)
		return -ENOMEM;
	w->counts = alloc_percpu(struct watch_counts);
	if (!w->counts) {
		kfree(w);
		return -ENOMEM;
	}
	spin_lock_init(&w->lock);
	snprintf(name, sizeof(name), "pgtable-%llu", pgt->id);
	w->dir = debugfs_create_dir(name, parent);
	/* Pairs with READ_ONCE() of those who have found that somebody watches */
	smp_store_release(&pgt->watch, w);
	io_pgtable_safe_watch_get();
	debugfs_create_file("config", 0400, w->dir, pgt, &config_fops);
	debugfs_create_file("counts", 0400, w->dir, pgt, &counts_fops);
	debugfs_create_file("ranges", 0400, w->dir, pgt, &ranges_fops);
	debugfs_create_file("calls", 0400, w->dir, pgt, &calls_fops);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(io_pgtable_safe_debugfs, IO_PGTABLE_SAFE_NS);

/* A page table that is leaked must not be seen either: this module may go before it */
static void watch_destroy(struct io_pgtable_safe *pgt)
{
	struct table_watch *w = pgt->watch;

	if (!w)
		return;
	debugfs_remove_recursive(w->dir);
	io_pgtable_safe_watch_put();
	pgt->watch = NULL;
	free_percpu(w->counts);
	kfree(w);
}
