// SPDX-License-Identifier: GPL-2.0
/// Find mistakes in what is made of the outcome of io-pgtable's map_pages().
///
//# map_pages() gives two almost orthogonal values, an error and *mapped, to which
//# it adds: both may be set, and both may be 0. The rules, by the names in their
//# messages:
//#
//# map-dropped        the error is not looked at
//# mapped-lost        after an error nothing reads mapped: what was mapped stays
//# cleanup-short      the cleanup takes a total that lacks the failing call's part
//# mapped-not-zeroed  mapped was not set to 0 before a call that adds to it
//# no-progress        neither an error nor mapped == 0 ends the loop
//# mapped-max         what was not mapped is counted as mapped
//# errno-replaced     the caller gets another error than the one there was
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

*E->map_pages@p(E, ...);

// ----------------------------------------------------------------------------
// Paths through a goto are followed.

@lost depends on context || org || report exists@
identifier f;
local idexpression mapped;
expression E, ret;
position p;
@@

*ret = E->map_pages@p(E, ..., &mapped);
 ... when != mapped
     when != ret = ...
 if (\(ret\|ret < 0\|ret != 0\|f(..., ret)\|f(..., ret < 0)\)) {
	... when != mapped
(
	return ...;
|
	return;
)
 }

@lost_at_once depends on context || org || report exists@
local idexpression mapped;
expression E;
position p;
@@

*if (E->map_pages@p(E, ..., &mapped)) {
	... when != mapped
(
	return ...;
|
	return;
)
 }

// ----------------------------------------------------------------------------

@summed depends on context || org || report exists@
local idexpression mapped, total;
expression E;
position p;
@@

 E->map_pages@p(E, ..., &mapped)
 ... when != mapped = 0
 total += mapped

@shortfall depends on context || org || report exists@
identifier f, g;
local idexpression summed.mapped, summed.total;
expression E, ret;
position summed.p, q;
@@

*ret = E->map_pages@p@q(E, ..., &mapped);
 ... when != mapped
     when != ret = ...
 if (\(ret\|ret < 0\|ret != 0\|f(..., ret)\)) {
	... when != mapped
*	g(..., <+... total ...+>, ...)
	... when != mapped
(
	return ...;
|
	return;
)
 }

// ----------------------------------------------------------------------------

@never_zeroed depends on context || org || report disable decl_init exists@
identifier mapped;
expression E, F;
type T;
position p;
@@

 T mapped;
 ... when != mapped = ...
     when != F->map_pages(F, ..., &mapped)
*E->map_pages@p(E, ..., &mapped)

@not_zeroed_again depends on context || org || report exists@
local idexpression mapped;
identifier m;
expression E, F, e;
type T;
position p != never_zeroed.p;
@@

 F->map_pages(F, ..., &mapped)
 ... when != mapped = e
     when != T m = 0;
*E->map_pages@p(E, ..., &mapped)

// ----------------------------------------------------------------------------
// From a call to the next round's, nothing asks how much was mapped.

@stuck depends on context || org || report exists@
identifier more = {max, max_t, max3, umax, max_not_zero, clamp, clamp_t, clamp_val};
local idexpression mapped;
expression E, X, e;
position p;
@@

*E->map_pages@p(E, ..., &mapped)
 ... when != \(!mapped\|mapped == e\|mapped != e\|mapped < e\|mapped <= e\|mapped > e\|mapped >= e\)
     when != more(..., mapped, ...)
     when != if (mapped) { ... }
 X -= mapped
 ... when any
     when != \(!mapped\|mapped == e\|mapped != e\|mapped < e\|mapped <= e\|mapped > e\|mapped >= e\)
     when != if (mapped) { ... }
 E->map_pages@p(E, ..., &mapped)

// ----------------------------------------------------------------------------

@assumed depends on context || org || report exists@
identifier more = {max, max_t, max3, umax, clamp, clamp_t, clamp_val};
local idexpression mapped;
expression E, e;
position p;
@@

 E->map_pages(E, ..., &mapped)
 ... when != mapped = 0
(
*more@p(..., mapped, ...)
|
*mapped@p ?: e
|
*mapped@p ? mapped : e
)

@assumed_if depends on context || org || report exists@
local idexpression mapped;
expression E, e;
position p;
@@

 E->map_pages(E, ..., &mapped)
 ... when != mapped = 0
 if (\(!mapped\|mapped == 0\)) {
	...
*	mapped@p = e
	...
 }

// ----------------------------------------------------------------------------

@replaced depends on context || org || report exists@
identifier f;
expression E, ret;
constant C;
position p;
@@

 ret = E->map_pages(E, ...);
 ... when != ret = ...
 if (\(ret\|ret < 0\|ret != 0\|f(..., ret)\)) {
	... when != ret = ...
*	return@p -C;
 }

@script:python depends on report@
p << dropped.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: map-dropped: the error is not looked at (%s)" % p[0].current_element)

@script:python depends on report@
p << lost.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: mapped-lost: after an error, nothing reads mapped (%s)" % p[0].current_element)

@script:python depends on report@
p << lost_at_once.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: mapped-lost: after an error, nothing reads mapped (%s)" % p[0].current_element)

@script:python depends on report@
p << shortfall.q;
@@

coccilib.report.print_report(p[0],
    "ERROR: cleanup-short: the cleanup lacks what the failing call mapped (%s)" % p[0].current_element)

@script:python depends on report@
p << never_zeroed.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: mapped-not-zeroed: the call adds to what is not set (%s)" % p[0].current_element)

@script:python depends on report@
p << not_zeroed_again.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: mapped-not-zeroed: the call adds to what an earlier one left (%s)" % p[0].current_element)

@script:python depends on report@
p << stuck.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: no-progress: the loop does not end if nothing is mapped and there is no error (%s)" % p[0].current_element)

@script:python depends on report@
p << assumed.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: mapped-max: counts as mapped what was not (%s)" % p[0].current_element)

@script:python depends on report@
p << assumed_if.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: mapped-max: counts as mapped what was not (%s)" % p[0].current_element)

@script:python depends on report@
p << replaced.p;
@@

coccilib.report.print_report(p[0],
    "WARNING: errno-replaced: the caller gets another error than there was (%s)" % p[0].current_element)

@script:python depends on org@
p << dropped.p;
@@

coccilib.org.print_todo(p[0],
    "map-dropped: the error is not looked at")

@script:python depends on org@
p << lost.p;
@@

coccilib.org.print_todo(p[0],
    "mapped-lost: after an error, nothing reads mapped")

@script:python depends on org@
p << lost_at_once.p;
@@

coccilib.org.print_todo(p[0],
    "mapped-lost: after an error, nothing reads mapped")

@script:python depends on org@
p << shortfall.q;
@@

coccilib.org.print_todo(p[0],
    "cleanup-short: the cleanup lacks what the failing call mapped")

@script:python depends on org@
p << never_zeroed.p;
@@

coccilib.org.print_todo(p[0],
    "mapped-not-zeroed: the call adds to what is not set")

@script:python depends on org@
p << not_zeroed_again.p;
@@

coccilib.org.print_todo(p[0],
    "mapped-not-zeroed: the call adds to what an earlier one left")

@script:python depends on org@
p << stuck.p;
@@

coccilib.org.print_todo(p[0],
    "no-progress: the loop does not end if nothing is mapped and there is no error")

@script:python depends on org@
p << assumed.p;
@@

coccilib.org.print_todo(p[0],
    "mapped-max: counts as mapped what was not")

@script:python depends on org@
p << assumed_if.p;
@@

coccilib.org.print_todo(p[0],
    "mapped-max: counts as mapped what was not")

@script:python depends on org@
p << replaced.p;
@@

coccilib.org.print_todo(p[0],
    "errno-replaced: the caller gets another error than there was")
