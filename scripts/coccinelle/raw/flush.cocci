// SPDX-License-Identifier: GPL-2.0
/// Find a cleanup after a failed map_pages() that the device may not see.
///
//# A function that flushes what it mapped, but not what it unmaps again after an
//# error: the device may have loaded a translation meanwhile. A function that
//# leaves all flushing to its caller is not looked at.
//#
//# cleanup-not-flushed  what is unmapped after an error is not flushed
//
// Confidence: Low
// Options: --no-includes --include-headers

virtual report
virtual context
virtual org

@mapper depends on context || org || report@
expression E;
position p;
@@

 E->map_pages@p(E, ...)

@flushing depends on mapper exists@
identifier F;
identifier flush : script:python() { "flush" in flush or "inval" in flush or "_inv_" in flush };
position f;
@@

 F@f(...)
 {
	...
	flush(...)
	...
 }

@unmapper depends on mapper exists@
identifier F;
expression E;
position f != flushing.f;
@@

 F@f(...)
 {
	...
	E->unmap_pages(E, ...)
	...
 }

@flushing_mapper depends on mapper exists@
expression E;
identifier F;
position flushing.f, mapper.p, g;
@@

 F@f(...)
 {
	...
	E->map_pages@p@g(E, ...)
	...
 }

@cleanup depends on context || org || report exists@
identifier unmapper.F;
identifier flush : script:python() { "flush" in flush or "inval" in flush or "_inv_" in flush };
identifier f;
expression E, ret;
position flushing_mapper.g, q;
@@

 ret = E->map_pages@g(E, ...);
 ... when != ret = ...
 if (\(ret\|ret < 0\|ret != 0\|f(..., ret)\)) {
	... when != flush(...)
*	F@q(...)
	... when != flush(...)
(
	return ...;
|
	return;
)
 }

@script:python depends on report@
p << cleanup.q;
@@

coccilib.report.print_report(p[0],
    "ERROR: cleanup-not-flushed: unmaps and does not flush (%s)" % p[0].current_element)

@script:python depends on org@
p << cleanup.q;
@@

coccilib.org.print_todo(p[0],
    "cleanup-not-flushed: unmaps and does not flush")
