// SPDX-License-Identifier: GPL-2.0
/// Find tests for NULL of what is an ERR_PTR() if it failed.
///
//# alloc-null  the name in the message
//
// Confidence: High
// Options: --no-includes --include-headers

virtual report
virtual context
virtual org

@null depends on context || org || report exists@
identifier f = {io_pgtable_safe_alloc, devm_io_pgtable_safe_alloc, io_pgtable_safe_wrap,
		io_pgtable_safe_reserve};
expression pgt, e;
statement S1, S2;
position p;
@@

 pgt = f(...)
 ... when != pgt = e
     when != IS_ERR(pgt)
(
*if (!pgt@p) S1 else S2
|
*if (pgt@p) S1 else S2
)

@script:python depends on report@
p << null.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: alloc-null: a failure is an ERR_PTR(), never NULL (%s)" % p[0].current_element)

@script:python depends on org@
p << null.p;
@@

coccilib.org.print_todo(p[0],
    "alloc-null: a failure is an ERR_PTR(), never NULL")
