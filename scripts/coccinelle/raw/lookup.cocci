// SPDX-License-Identifier: GPL-2.0
/// Find mistakes in what is asked of io-pgtable's iova_to_phys().
///
//# iova_to_phys() returns 0 for what is not mapped, and for physical address 0. The
//# rules, by the names in their messages:
//#
//# phys-zero     0 is taken to mean that nothing is mapped
//# probe-offset  asks about another address than that of the call that fell short
//
// Confidence: Moderate
// Options: --no-includes --include-headers

virtual report
virtual context
virtual org

// ----------------------------------------------------------------------------
// An address in mid page never translates to 0.

@mid_page depends on context || org || report@
expression E, e;
constant C;
position p;
@@

 E->iova_to_phys@p(E, \(C\|e + C\))

@zero depends on context || org || report@
expression E, x, e;
position p != mid_page.p;
@@

(
*!E->iova_to_phys@p(E, x)
|
*E->iova_to_phys@p(E, x) == 0
|
*E->iova_to_phys@p(E, x) && e
|
*E->iova_to_phys@p(E, x) || e
|
*e && E->iova_to_phys@p(E, x)
|
*e || E->iova_to_phys@p(E, x)
)

@zero_if depends on context || org || report@
expression E, x;
statement S1, S2;
position p != mid_page.p;
@@

*if (E->iova_to_phys@p(E, x)) S1 else S2

@zero_later depends on context || org || report exists@
local idexpression pa;
expression E, x;
statement S1, S2;
position p != mid_page.p;
@@

*pa = E->iova_to_phys@p(E, x);
 ... when != pa = ...
 if (\(!pa\|pa == 0\|pa\)) S1 else S2

// ----------------------------------------------------------------------------

@probe depends on context || org || report exists@
local idexpression x;
expression E, A, B;
position p;
@@

 x = E->unmap_pages(E, A + B, ...);
 ... when != x = ...
*E->iova_to_phys@p(E, A + x)

@script:python depends on report@
p << zero.p;
@@

coccilib.report.print_report(p[0],
    "WARNING: phys-zero: physical address 0 counts as not mapped (%s)" % p[0].current_element)

@script:python depends on report@
p << zero_if.p;
@@

coccilib.report.print_report(p[0],
    "WARNING: phys-zero: physical address 0 counts as not mapped (%s)" % p[0].current_element)

@script:python depends on report@
p << zero_later.p;
@@

coccilib.report.print_report(p[0],
    "WARNING: phys-zero: physical address 0 counts as not mapped (%s)" % p[0].current_element)

@script:python depends on report@
p << probe.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: probe-offset: asks about another address than was to be unmapped (%s)" % p[0].current_element)

@script:python depends on org@
p << zero.p;
@@

coccilib.org.print_todo(p[0],
    "phys-zero: physical address 0 counts as not mapped")

@script:python depends on org@
p << zero_if.p;
@@

coccilib.org.print_todo(p[0],
    "phys-zero: physical address 0 counts as not mapped")

@script:python depends on org@
p << zero_later.p;
@@

coccilib.org.print_todo(p[0],
    "phys-zero: physical address 0 counts as not mapped")

@script:python depends on org@
p << probe.p;
@@

coccilib.org.print_todo(p[0],
    "probe-offset: asks about another address than was to be unmapped")
