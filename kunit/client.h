/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A driver that knows from the specification what each of its calls may do, and
 * that looks after each whether the page table agrees.
 */
#ifndef _IO_PGTABLE_SAFE_KUNIT_CLIENT_H
#define _IO_PGTABLE_SAFE_KUNIT_CLIENT_H

#include <kunit/test.h>
#include <linux/scatterlist.h>

#include "device.h"
#include "helpers.h"
#include "mock_format.h"
#include "spec.h"

/* Entries of the scatter-gather tables */
#define CLIENT_PIECES	16

/* The flush callbacks that a table has */
enum client_tlb {
	CLIENT_TLB_WALK,
	CLIENT_TLB_ALL,
	CLIENT_TLB_NONE,
};

/* Which allocation of a call is to fail */
enum client_failure {
	CLIENT_FAIL_NONE,
	CLIENT_FAIL_PAGE,
	CLIENT_FAIL_ANY,
};

/**
 * struct client - The driver.
 * @test: The case.
 * @fix: Its fixture, with the page table.
 * @spec: What the page table should be.
 * @mine_first: First byte that nobody else works on.
 * @mine_last: Last byte.
 * @racy: Others work on the page table, too.
 * @busy: -EBUSY is right for a call that could succeed.
 * @fmt: The format of the table, or what a mock says that it is.
 * @mock_fails: Which map of a mock fails from now, 0 for none.
 * @dev: The device that walks the table, or NULL for a mock.
 * @touches: It may at any time.
 * @reserve: A reservation, or an ERR_PTR or NULL.
 * @spec_reserve: What is known of it.
 * @sg: Entries of scatter-gather tables.
 * @bytes: Result of the last call.
 * @err: Error of the last call.
 * @span: What it was answered.
 * @short_of_memory: An allocation has failed in it.
 * @accepted: Calls that succeeded.
 * @refused: Calls that did not.
 * @seed: To replay it all.
 * @ops: Calls so far.
 * @failed: A result was wrong; nothing more makes sense.
 */
struct client {
	struct kunit *test;
	struct pgt_test *fix;
	struct spec spec;
	u64 mine_first;
	u64 mine_last;
	bool racy;
	bool busy;
	enum io_pgtable_fmt fmt;
	unsigned int mock_fails;
	struct device_model *dev;
	bool touches;
	struct io_pgtable_safe_reserve *reserve;
	struct spec_reserve spec_reserve;
	struct scatterlist sg[CLIENT_PIECES + 1];

	u64 bytes;
	int err;
	struct io_pgtable_safe_span span;
	bool short_of_memory;

	u64 accepted;
	u64 refused;
	unsigned int seed;
	u64 ops;
	bool failed;
};

/* Do the tables of this format come from the layer? */
bool client_own_tables(enum io_pgtable_fmt fmt);
/* The page table of a format for it, with a device, or skip the case. */
void client_open(struct client *c, struct kunit *test, const struct pgt_format *format,
		 enum client_tlb tlb);
/* A mock for it: its n-th map fails after half of it, where a page's allocation would. */
void client_open_mock(struct client *c, struct kunit *test, const struct mock_config *config);
/* The same table for another client. */
void client_share(struct client *c, const struct client *owner);
void client_close(struct client *c);

/*
 * Make a call, with the nth allocation of a kind failing, compare its result with the
 * specification, and the table around its range. False if anything was wrong.
 */
bool client_call(struct client *c, struct spec_call *call, enum client_failure kind,
		 unsigned int nth);
/* Make a call, and leave its result to the caller: in c->bytes, c->err and c->span. */
void client_issue(struct client *c, const struct spec_call *call);
/* Compare all of the table. */
bool client_check_all(struct client *c);

/* What a driver with a reservation does with it besides. */
void client_detach(struct client *c);
void client_unreserve(struct client *c);

#endif /* _IO_PGTABLE_SAFE_KUNIT_CLIENT_H */
