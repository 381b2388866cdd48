/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A page table format made of nothing but a record: it does what a script says,
 * knows to the byte what is mapped, and notes every call that no format need
 * accept (misaligned, overlapping, a page size not granted, an unmap of a hole).
 */
#ifndef _IO_PGTABLE_SAFE_KUNIT_MOCK_FORMAT_H
#define _IO_PGTABLE_SAFE_KUNIT_MOCK_FORMAT_H

#include <linux/io-pgtable.h>
#include <linux/spinlock.h>

struct kunit;
struct mock_format;

enum mock_op {
	MOCK_MAP,
	MOCK_UNMAP,
};

/**
 * struct mock_call - One call of the backend.
 * @op: Which.
 * @iova: Its first byte.
 * @paddr: Of a map.
 * @pgsize: Page size.
 * @pgcount: Number of pages.
 * @prot: Of a map.
 * @gfp: Of a map.
 * @queued: An unmap came with a gather that wants no leaves reported.
 * @reported: Bytes it said it mapped or unmapped.
 * @err: Error it returned.
 */
struct mock_call {
	enum mock_op op;
	u64 iova;
	u64 paddr;
	size_t pgsize;
	size_t pgcount;
	int prot;
	gfp_t gfp;
	bool queued;
	size_t reported;
	int err;
};

/* Consecutive leaves of one size and protection. */
struct mock_run {
	u64 iova;
	u64 last;
	u64 paddr;
	u64 leaf;
	int prot;
};

/* What a call is to report; it does as much of it as is sane. */
struct mock_outcome {
	size_t bytes;
	int err;
};

struct mock_script {
	struct mock_outcome outcomes[16];
	unsigned int next;
	unsigned int end;
};

#define MOCK_RUNS 2048
#define MOCK_CALLS 256

/**
 * struct mock_format - The format.
 * @iop: What the core sees.
 * @lock: Protects everything below.
 * @runs: What is mapped, in order.
 * @nr_runs: How many.
 * @maps: Outcomes of the next calls of map_pages(); then it is honest.
 * @unmaps: Outcomes of the next calls of unmap_pages(), likewise.
 * @max_pages: An honest map stops after this many pages; 0 for no limit.
 * @wrong_by: Added to the address of what is mapped when that is asked for.
 * @during: Called in the middle of each call, before anything is done, with no
 *	lock held.
 * @data: For @during.
 * @calls: Log of calls.
 * @nr_calls: How many there were, also those that the log had no room for.
 * @violations: How many calls broke the rules for callers of a format.
 * @violation: What the first of them did.
 * @released: How often the table was released.
 */
struct mock_format {
	struct io_pgtable iop;
	spinlock_t lock; /* protects the record, the scripts and the log */
	struct mock_run runs[MOCK_RUNS];
	unsigned int nr_runs;
	struct mock_script maps;
	struct mock_script unmaps;
	size_t max_pages;
	phys_addr_t wrong_by;
	void (*during)(struct mock_format *mock, const struct mock_call *call);
	void *data;
	struct mock_call calls[MOCK_CALLS];
	unsigned int nr_calls;
	unsigned int violations;
	const char *violation;
	unsigned int released;
};

/**
 * struct mock_config - What a test can choose.
 * @fmt: The format it claims to be.
 * @quirks: Quirks it claims to have been granted.
 * @pgsizes: Page sizes.
 * @ias: Bits of an iova.
 * @oas: Bits of a physical address.
 * @tlb: Flush callbacks, or NULL.
 */
struct mock_config {
	enum io_pgtable_fmt fmt;
	unsigned long quirks;
	unsigned long pgsizes;
	unsigned int ias;
	unsigned int oas;
	const struct iommu_flush_ops *tlb;
};

/* Make a mock without a table around it; memory is the test's. */
struct mock_format *make_mock(struct kunit *test,
			      const struct mock_config *config);
/* Make one and open it as the fixture's table; NULL for 4K, 2M, 1G, 48 bits. */
struct mock_format *open_mock(struct kunit *test,
			      const struct mock_config *config);
void mock_release(struct io_pgtable_ops *ops);
struct mock_format *mock_from_ops(struct io_pgtable_ops *ops);

/* Append to the scripts. */
void mock_next_map(struct mock_format *mock, size_t bytes, int err);
void mock_next_unmap(struct mock_format *mock, size_t bytes);

/* For &mock_format.during: at times asleep with a range claimed, others go on. */
void mock_nap_sometimes(struct mock_format *mock, const struct mock_call *call);

unsigned int mock_count_calls(struct mock_format *mock, enum mock_op op);
u64 mock_mapped(struct mock_format *mock);
/* What was mapped there with which protection; 0 if nothing. */
int mock_prot(struct mock_format *mock, u64 iova);

/* Expects no violation so far and that all scripted outcomes were used. */
void mock_check(struct kunit *test);
/* The same, and that the table was released once. close_table() calls it. */
void mock_close(struct kunit *test);

#endif /* _IO_PGTABLE_SAFE_KUNIT_MOCK_FORMAT_H */
