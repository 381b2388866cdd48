// SPDX-License-Identifier: GPL-2.0
/// Find results of io_pgtable_safe that are not looked at, or by half.
///
//# The compiler warns about a result that is dropped at once. The rules, by the
//# names in their messages:
//#
//# result-dropped      the result goes nowhere
//# result-unread       the result is kept in a variable that nobody reads
//# mapped-unread       only .err is read of a map that may be partly done without it
//# try-mapped-lost     after an error of try_map_pages() nobody reads .mapped
//
// Confidence: High
// Options: --no-includes --include-headers

virtual report
virtual context
virtual org

@dropped depends on context || org || report@
identifier f = {io_pgtable_safe_try_map_pages, io_pgtable_safe_map_pages, io_pgtable_safe_map,
		io_pgtable_safe_map_sgtable, io_pgtable_safe_map_repeat,
		io_pgtable_safe_unmap_pages, io_pgtable_safe_unmap,
		io_pgtable_safe_unmap_present, io_pgtable_safe_cut, io_pgtable_safe_flush};
position p;
@@

(
*f@p(...);
|
*(void)f@p(...);
)

// ----------------------------------------------------------------------------

@kept depends on context || org || report@
identifier f = {io_pgtable_safe_try_map_pages, io_pgtable_safe_map_pages, io_pgtable_safe_map,
		io_pgtable_safe_map_sgtable, io_pgtable_safe_map_repeat,
		io_pgtable_safe_unmap_pages, io_pgtable_safe_unmap,
		io_pgtable_safe_unmap_present, io_pgtable_safe_cut, io_pgtable_safe_flush};
identifier r;
type T;
position p;
@@

(
 r = f@p(...);
|
 T r = f@p(...);
)

@set depends on context || org || report@
identifier kept.r;
expression e;
position l;
@@

 r@l = e

@read depends on context || org || report exists@
identifier kept.f, kept.r;
type T;
expression e;
position kept.p, q, use != set.l;
@@

(
 r = f@p@q(...);
|
 T r = f@p@q(...);
)
 ... when != r = e
 r@use

@unread depends on context || org || report@
identifier kept.f, kept.r;
type T;
position kept.p, u != read.q;
@@

(
*r = f@p@u(...);
|
*T r = f@p@u(...);
)

// ----------------------------------------------------------------------------

@partial depends on context || org || report@
identifier f = {io_pgtable_safe_try_map_pages, io_pgtable_safe_map_pages};
identifier r;
type T;
position p;
@@

(
 r = f@p(...);
|
 T r = f@p(...);
)

@half depends on context || org || report@
identifier partial.r;
expression e;
position l;
@@

(
 r@l = e
|
 r@l.err
)

@whole depends on context || org || report exists@
identifier partial.f, partial.r;
type T;
expression e;
position partial.p, q, use != half.l;
@@

(
 r = f@p@q(...);
|
 T r = f@p@q(...);
)
 ... when != r = e
 r@use

@half_read depends on context || org || report@
identifier partial.f, partial.r;
type T;
position partial.p, u != {whole.q, unread.u};
@@

(
*r = f@p@u(...);
|
*T r = f@p@u(...);
)

@half_at_once depends on context || org || report@
identifier f = {io_pgtable_safe_try_map_pages, io_pgtable_safe_map_pages};
position p;
@@

*f@p(...).err

// ----------------------------------------------------------------------------

@lost depends on context || org || report exists@
identifier r, g;
type T;
expression e, x;
position p != half_read.u;
@@

(
*r = io_pgtable_safe_try_map_pages@p(...);
|
*T r = io_pgtable_safe_try_map_pages@p(...);
)
 ... when != r.mapped
     when != g(..., r, ...)
     when != g(..., &r, ...)
     when != x = r
     when != r = e
 if (\(r.err\|r.err < 0\|r.err != 0\)) {
	... when != r.mapped
	    when != g(..., r, ...)
	    when != g(..., &r, ...)
	    when != x = r
	    when != return r;
	return ...;
 }

@script:python depends on report@
p << dropped.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: result-dropped: the result goes nowhere (%s)" % p[0].current_element)

@script:python depends on report@
p << unread.u;
@@

coccilib.report.print_report(p[0],
    "ERROR: result-unread: nobody reads the result (%s)" % p[0].current_element)

@script:python depends on report@
p << half_read.u;
@@

coccilib.report.print_report(p[0],
    "ERROR: mapped-unread: without an error, only a part may be mapped (%s)" % p[0].current_element)

@script:python depends on report@
p << half_at_once.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: mapped-unread: without an error, only a part may be mapped (%s)" % p[0].current_element)

@script:python depends on report@
p << lost.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: try-mapped-lost: after an error, nothing reads mapped (%s)" % p[0].current_element)

@script:python depends on org@
p << dropped.p;
@@

coccilib.org.print_todo(p[0],
    "result-dropped: the result goes nowhere")

@script:python depends on org@
p << unread.u;
@@

coccilib.org.print_todo(p[0],
    "result-unread: nobody reads the result")

@script:python depends on org@
p << half_read.u;
@@

coccilib.org.print_todo(p[0],
    "mapped-unread: without an error, only a part may be mapped")

@script:python depends on org@
p << half_at_once.p;
@@

coccilib.org.print_todo(p[0],
    "mapped-unread: without an error, only a part may be mapped")

@script:python depends on org@
p << lost.p;
@@

coccilib.org.print_todo(p[0],
    "try-mapped-lost: after an error, nothing reads mapped")
