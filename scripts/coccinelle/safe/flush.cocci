// SPDX-License-Identifier: GPL-2.0
/// Find unmaps with IO_PGTABLE_SAFE_NO_FLUSH in a file that never flushes.
///
//# never-flushed  the name in the message
//
// Confidence: Moderate
// Options: --no-includes --include-headers

virtual report
virtual context
virtual org

@flushed depends on context || org || report@
@@

 io_pgtable_safe_flush(...)

@batched depends on !flushed && (context || org || report)@
identifier f = {io_pgtable_safe_unmap_pages, io_pgtable_safe_unmap,
		io_pgtable_safe_unmap_present, io_pgtable_safe_cut};
position p;
@@

*f(..., <+... IO_PGTABLE_SAFE_NO_FLUSH@p ...+>)

@script:python depends on report@
p << batched.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: never-flushed: no io_pgtable_safe_flush() in this file (%s)" % p[0].current_element)

@script:python depends on org@
p << batched.p;
@@

coccilib.org.print_todo(p[0],
    "never-flushed: no io_pgtable_safe_flush() in this file")
