// SPDX-License-Identifier: GPL-2.0
/// Find uses of a span that io_pgtable_safe_lookup() and its like may not have set.
///
//# A span is only set on success. The rules, by the names in their messages:
//#
//# span-after-error  read after the error is known
//# span-unchecked    read although the error was not tested
//
// Confidence: High
// Options: --no-includes --include-headers

virtual report
virtual context
virtual org

@after_error depends on context || org || report exists@
identifier f = {io_pgtable_safe_lookup, io_pgtable_safe_next, io_pgtable_safe_leaf_span};
identifier g;
local idexpression span;
identifier fld;
expression e, x, y;
position p;
@@

 e = f(..., &span)
 ... when != e = x
     when != span = y
 if (\(e\|e != 0\|e < 0\)) {
	... when != f(..., &span)
	    when != g(..., &span, ...)
	    when != span = y
	    when != e = x
*	span@p.fld
	... when any
 }

@after_error_at_once depends on context || org || report exists@
identifier f = {io_pgtable_safe_lookup, io_pgtable_safe_next, io_pgtable_safe_leaf_span};
identifier g;
local idexpression span;
identifier fld;
expression y;
position p;
@@

 if (f(..., &span)) {
	... when != f(..., &span)
	    when != g(..., &span, ...)
	    when != span = y
*	span@p.fld
	... when any
 }

// Tested and read in one expression, or told side by side.
@tested depends on context || org || report@
identifier f = {io_pgtable_safe_lookup, io_pgtable_safe_next, io_pgtable_safe_leaf_span};
identifier span;
expression e;
position t;
@@

 e = f@t(..., &span);

@first depends on context || org || report@
identifier tested.span, fld;
expression tested.e;
position p;
@@

 !e && <+... span@p.fld ...+>

@second depends on context || org || report@
identifier tested.span, fld;
expression tested.e;
expression x;
position p;
@@

 !e && x && <+... span@p.fld ...+>

@third depends on context || org || report@
identifier tested.span, fld;
expression tested.e;
expression x, y;
position p;
@@

 !e && x && y && <+... span@p.fld ...+>

@otherwise depends on context || org || report@
identifier tested.span, fld;
expression tested.e;
position p;
@@

 e || <+... span@p.fld ...+>

@beside depends on context || org || report@
identifier tested.span, g, fld;
expression tested.e;
position p;
@@

 g(..., <+... e ...+>, ..., <+... span@p.fld ...+>, ...)

@unchecked depends on context || org || report exists@
identifier f = {io_pgtable_safe_lookup, io_pgtable_safe_next, io_pgtable_safe_leaf_span};
identifier g;
local idexpression span;
identifier fld;
expression e, y;
position p != {first.p, second.p, third.p, otherwise.p, beside.p};
@@

 e = f(..., &span);
 ... when != e
     when != span = y
     when != g(..., &span, ...)
*span@p.fld

@script:python depends on report@
p << after_error.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: span-after-error: the span is not set (%s)" % p[0].current_element)

@script:python depends on report@
p << after_error_at_once.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: span-after-error: the span is not set (%s)" % p[0].current_element)

@script:python depends on report@
p << unchecked.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: span-unchecked: the span may not be set (%s)" % p[0].current_element)

@script:python depends on org@
p << after_error.p;
@@

coccilib.org.print_todo(p[0],
    "span-after-error: the span is not set")

@script:python depends on org@
p << after_error_at_once.p;
@@

coccilib.org.print_todo(p[0],
    "span-after-error: the span is not set")

@script:python depends on org@
p << unchecked.p;
@@

coccilib.org.print_todo(p[0],
    "span-unchecked: the span may not be set")
