// SPDX-License-Identifier: GPL-2.0
/// List the calls of io-pgtable's ops: who works on a page table unchecked.
///
//# struct io_pgtable_ops shares the names of its members with struct
//# iommu_domain_ops. The ops of io-pgtable are known by being handed themselves
//# as their first argument: without headers spatch can rarely know the type.
//# A call whose results go to the function's own caller as they are is told
//# from one whose function has to judge them. The names in the messages:
//#
//# raw-alloc      allocates a page table
//# raw-call       this function has to judge the result
//# raw-handed-on  the results go to the caller
///
// Confidence: High
// Options: --no-includes --include-headers

virtual report
virtual context
virtual org

@alloc depends on context || org || report@
identifier f = {alloc_io_pgtable_ops};
position p;
@@

*f@p(...)

@mapped_handed_on depends on context || org || report@
identifier op = {map_pages};
identifier mapped;
expression E;
position p;
@@

*E->op@p(E, ..., mapped)

@returned depends on context || org || report@
identifier op = {map, unmap, unmap_pages, iova_to_phys};
expression E;
position p;
@@

*return E->op@p(E, ...);

// Not one disjunction: spatch 1.3 does not find the return above in it.
@handed_on depends on context || org || report@
identifier op = {map, unmap, unmap_pages, iova_to_phys};
expression E, x;
position p;
@@

*x = E->op@p(E, ...);
 ... when != x = ...
 return x;

@handed_on_if depends on context || org || report@
identifier op = {map, unmap, unmap_pages, iova_to_phys};
expression E, x;
position p;
@@

*x = (E->op) ? E->op@p(E, ...) : 0;
 ... when != x = ...
 return x;

@judged depends on context || org || report@
identifier op = {map, unmap, map_pages, unmap_pages, iova_to_phys};
expression E;
position p != {mapped_handed_on.p, returned.p, handed_on.p, handed_on_if.p};
@@

*E->op@p(E, ...)

@script:python depends on report@
p << alloc.p;
@@

coccilib.report.print_report(p[0],
    "INFO: raw-alloc: allocates a page table (%s)" % p[0].current_element)

@script:python depends on report@
p << mapped_handed_on.p;
@@

coccilib.report.print_report(p[0],
    "INFO: raw-handed-on: the results go to the caller (%s)" % p[0].current_element)

@script:python depends on report@
p << returned.p;
@@

coccilib.report.print_report(p[0],
    "INFO: raw-handed-on: the results go to the caller (%s)" % p[0].current_element)

@script:python depends on report@
p << handed_on.p;
@@

coccilib.report.print_report(p[0],
    "INFO: raw-handed-on: the results go to the caller (%s)" % p[0].current_element)

@script:python depends on report@
p << handed_on_if.p;
@@

coccilib.report.print_report(p[0],
    "INFO: raw-handed-on: the results go to the caller (%s)" % p[0].current_element)

@script:python depends on report@
p << judged.p;
@@

coccilib.report.print_report(p[0],
    "INFO: raw-call: this function has to judge the result (%s)" % p[0].current_element)

@script:python depends on org@
p << alloc.p;
@@

coccilib.org.print_todo(p[0], "raw-alloc: allocates a page table")

@script:python depends on org@
p << mapped_handed_on.p;
@@

coccilib.org.print_todo(p[0], "raw-handed-on: the results go to the caller")

@script:python depends on org@
p << returned.p;
@@

coccilib.org.print_todo(p[0], "raw-handed-on: the results go to the caller")

@script:python depends on org@
p << handed_on.p;
@@

coccilib.org.print_todo(p[0], "raw-handed-on: the results go to the caller")

@script:python depends on org@
p << handed_on_if.p;
@@

coccilib.org.print_todo(p[0], "raw-handed-on: the results go to the caller")

@script:python depends on org@
p << judged.p;
@@

coccilib.org.print_todo(p[0], "raw-call: this function has to judge the result")
