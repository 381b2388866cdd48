// SPDX-License-Identifier: GPL-2.0
/// Find bindings of scatter-gather tables whose length nobody compares.
///
//# A scatter-gather table may be shorter than what is to be bound, or longer. The
//# rules, by the names in their messages:
//#
//# sg-short      a length is given, and the end of the table ends the loop as well
//# sg-no-length  the whole table is mapped, whatever the size of the binding
//
// Confidence: Low
// Options: --no-includes --include-headers

virtual report
virtual context
virtual org

@unmeasured depends on context || org || report exists@
identifier F, size : script:python() { "size" in size or "len" in size };
iterator each =~ "sg";
expression E, r;
type T;
position p, f;
@@

 F@f(..., T size, ...)
 {
	...
	each@p(...) {
		<+...
*		E->map_pages(E, ...)
		...+>
	}
	... when != size
(
	return r;
|
	return;
)
 }

@measured depends on context || org || report@
identifier F, size : script:python() { "size" in size or "len" in size };
iterator each =~ "sg";
expression E;
type T;
position p;
@@

 F(..., T size, ...)
 {
	<+...
	each@p(...) {
		<+...
		E->map_pages(E, ...)
		...+>
	}
	...+>
 }

@whole depends on context || org || report@
iterator each =~ "sg";
expression E;
position p != measured.p;
@@

each@p(...) {
	<+...
*	E->map_pages(E, ...)
	...+>
 }

@script:python depends on report@
p << unmeasured.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: sg-short: a table that is too short counts as bound (%s)" % p[0].current_element)

@script:python depends on report@
p << whole.p;
@@

coccilib.report.print_report(p[0],
    "WARNING: sg-no-length: the size of the binding is not known here (%s)" % p[0].current_element)

@script:python depends on org@
p << unmeasured.p;
@@

coccilib.org.print_todo(p[0],
    "sg-short: a table that is too short counts as bound")

@script:python depends on org@
p << whole.p;
@@

coccilib.org.print_todo(p[0],
    "sg-no-length: the size of the binding is not known here")
