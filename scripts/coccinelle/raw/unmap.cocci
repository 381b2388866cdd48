// SPDX-License-Identifier: GPL-2.0
/// Find mistakes in what is made of the result of io-pgtable's unmap_pages().
///
//# unmap_pages() returns how much it unmapped: less than asked for at a hole, at a
//# block that reaches out of the range, or if the caller is wrong about what is
//# mapped. The rules, by the names in their messages:
//#
//# unmap-dropped      the result is not looked at
//# unmap-only-warned  the result is put into a WARN and nothing else
//# unmap-no-progress  a result of 0 does not end the loop
//# unmap-skips        a constant takes the place of a result that was too small
//
// Confidence: Moderate
// Options: --no-includes --include-headers

virtual report
virtual context
virtual org

// ----------------------------------------------------------------------------

@dropped depends on context || org || report@
expression E;
position p;
@@

*E->unmap_pages@p(E, ...);

// ----------------------------------------------------------------------------

@warned depends on context || org || report exists@
identifier warn =~ "WARN";
local idexpression x;
expression E;
position p, w;
@@

 x = E->unmap_pages@p(E, ...);
 ... when != x = ...
 warn(..., <+... x@w ...+>, ...)

@set depends on context || org || report exists@
local idexpression x;
expression e;
position l;
@@

 x@l = e

@used depends on context || org || report exists@
local idexpression x;
expression E;
position warned.p, s, u != {warned.w, set.l};
@@

 x = E->unmap_pages@p@s(E, ...);
 ... when != x = ...
 x@u

@only_warned depends on context || org || report@
expression E, x;
position warned.p, q != used.s;
@@

*x = E->unmap_pages@p@q(E, ...);

// ----------------------------------------------------------------------------

@stuck depends on context || org || report exists@
local idexpression x;
expression E, X, e;
position p;
@@

*x = E->unmap_pages@p(E, ...);
 ... when != \(!x\|x == e\|x != e\|x < e\|x <= e\|x > e\|x >= e\)
     when != if (x) { ... }
 \(X -= x\|X += x\)
 ... when any
     when != \(!x\|x == e\|x != e\|x < e\|x <= e\|x > e\|x >= e\)
     when != if (x) { ... }
 E->unmap_pages@p(E, ...)

// ----------------------------------------------------------------------------

@skips depends on context || org || report exists@
local idexpression x;
expression E, X;
constant C;
position p;
@@

 x = E->unmap_pages(E, ...);
 ... when != x = ...
*x@p = C;
 ... when != x = ...
 \(X -= x\|X += x\)

@script:python depends on report@
p << dropped.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: unmap-dropped: the result is not looked at (%s)" % p[0].current_element)

@script:python depends on report@
p << only_warned.q;
@@

coccilib.report.print_report(p[0],
    "ERROR: unmap-only-warned: goes on as if all had been unmapped (%s)" % p[0].current_element)

@script:python depends on report@
p << stuck.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: unmap-no-progress: the loop does not end if nothing is unmapped (%s)" % p[0].current_element)

@script:python depends on report@
p << skips.p;
@@

coccilib.report.print_report(p[0],
    "WARNING: unmap-skips: passes over what was not unmapped (%s)" % p[0].current_element)

@script:python depends on org@
p << dropped.p;
@@

coccilib.org.print_todo(p[0],
    "unmap-dropped: the result is not looked at")

@script:python depends on org@
p << only_warned.q;
@@

coccilib.org.print_todo(p[0],
    "unmap-only-warned: goes on as if all had been unmapped")

@script:python depends on org@
p << stuck.p;
@@

coccilib.org.print_todo(p[0],
    "unmap-no-progress: the loop does not end if nothing is unmapped")

@script:python depends on org@
p << skips.p;
@@

coccilib.org.print_todo(p[0],
    "unmap-skips: passes over what was not unmapped")
