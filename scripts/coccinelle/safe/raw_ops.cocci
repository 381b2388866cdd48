// SPDX-License-Identifier: GPL-2.0
/// Find calls of io_pgtable_safe_raw_ops() that do not say why they are safe.
///
//# The ops give up every guarantee. A comment above the statement has to say why
//# that is right here, in the words the kernel uses for unsafe code in Rust:
//#
//# 	/* SAFETY: only iova_to_phys(), and nobody unmaps meanwhile. */
//# 	ops = io_pgtable_safe_raw_ops(pgt);
//#
//# raw-no-reason  the name in the message
//
// Confidence: High
// Options: --no-includes --include-headers

virtual report
virtual context
virtual org

@initialize:python@
@@

def has_reason(p):
    """Is there, right above the statement, a comment with SAFETY: in it?"""
    with open(p[0].file, encoding="utf-8") as f:
        lines = [line.strip() for line in f]
    i = int(p[0].line) - 2
    # The statement may have begun above the call.
    while i >= 0 and lines[i] and lines[i][-1] not in ";{}:/":
        i -= 1
    if i < 0 or not lines[i].endswith("*/"):
        return False
    last = i
    while i > 0 and not lines[i].startswith("/*"):
        i -= 1
    return any(part.lstrip("/* ").startswith("SAFETY: ") for part in lines[i:last + 1])

@raw depends on context || org || report@
position p : script:python() { not has_reason(p) };
@@

*io_pgtable_safe_raw_ops@p(...)

@script:python depends on report@
p << raw.p;
@@

coccilib.report.print_report(p[0],
    "ERROR: raw-no-reason: no comment with SAFETY: above (%s)" % p[0].current_element)

@script:python depends on org@
p << raw.p;
@@

coccilib.org.print_todo(p[0],
    "raw-no-reason: no comment with SAFETY: above")
