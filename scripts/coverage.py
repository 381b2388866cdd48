#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Which lines and branches of the module do the suites run?

coverage.py BUILD SOURCES

BUILD is where the kernel was built and has run, with gcc's counters; SOURCES is the
module's directory in the kernel tree. Counted is what was compiled into the module
itself, in io_pgtable_safe*.[ch] and core/*.[ch]. Lines that no suite can run, and
branches that none can take, are in scripts/coverage.known, with the reason.
"""

import collections
import fnmatch
import gzip
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from known import known

MODULE = "drivers/iommu/io_pgtable_safe"
FILES = ("io_pgtable_safe*.[ch]", "core/*.[ch]")
# What must be had; of the rest each has its reason.
LINES, BRANCHES = 100, 95
# A line without any of these has no branch of its own.
CONDITION = re.compile(r"\?|&&|\|\||\b(if|for|while|switch|case|default)\b")
# Macros that ask whether an argument is constant: one way or the other is never taken.
CONSTANT = re.compile(r"\b(__ffs|__fls|IS_ENABLED)\(")


def fail(text):
    print(f"error: {text}", file=sys.stderr)
    sys.exit(1)


def read_counters(build):
    """gcov's report of each object of the module that has run."""
    found = [path for where in (".", "core") for path in (build / MODULE / where).glob("*.gcda")]
    if not found:
        fail(f"the kernel in {build} has not counted anything")
    for path in found:
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run(["gcov", "--json-format", "--branch-probabilities", path],
                           cwd=scratch, check=True, stdout=subprocess.DEVNULL)
            for report in pathlib.Path(scratch).glob("*.gcov.json.gz"):
                with gzip.open(report, encoding="utf-8", mode="rt") as f:
                    yield json.load(f)


class File:
    """Counts by line; branches as gcov has them, copies of inlined functions apart."""

    def __init__(self, text):
        self.text = text.splitlines()
        self.counts = collections.Counter()
        self.branches = collections.defaultdict(list)
        self.functions = {}

    def add(self, lines):
        for line in lines:
            number = line["line_number"]
            self.counts[number] += line["count"]
            self.functions.setdefault(number, line.get("function_name", ""))
            self.branches[number] += [branch["count"] for branch in line["branches"]]


def read_files(build, sources):
    files = {}
    for report in read_counters(build):
        for part in report["files"]:
            path = pathlib.Path(report["current_working_directory"], part["file"])
            name = str(path).rpartition(f"{MODULE}/")[2]
            if not any(fnmatch.fnmatch(name, pattern) for pattern in FILES):
                continue
            if name not in files:
                files[name] = File((sources / name).read_text(encoding="utf-8"))
            files[name].add(part["lines"])
    return files


def own_branches(text, branches):
    """Without those that macros of the kernel make."""
    if not CONDITION.search(text):
        return []
    idle = min(branches.count(0), len(CONSTANT.findall(text)))
    return sorted(branches)[idle:]


def main():
    build, sources = (pathlib.Path(argument) for argument in sys.argv[1:])
    files, reasons, used = read_files(build, sources), known("coverage.known", "|"), set()
    total, rows = collections.Counter(), []
    for name, file in sorted(files.items()):
        count = collections.Counter()
        for number in sorted(file.counts):
            text = file.text[number - 1].strip()
            key = (file.functions[number], text)
            missed = not file.counts[number]
            branches = own_branches(text, file.branches[number])
            taken = sum(1 for branch in branches if branch)
            count.update(lines=1, hit=not missed, branches=len(branches), taken=taken)
            if not missed and taken == len(branches):
                continue
            if key in reasons:
                used.add(key)
                count.update(excused_lines=missed, excused=len(branches) - taken)
                continue
            what = "not run" if missed else f"{taken} of {len(branches)} branches"
            print(f"{name}:{number}: {key[0]}(): {what}: {text}")
        total.update(count)
        rows.append((name, count))
    for key in reasons.keys() - used:
        print(f"note: coverage.known has what is not missed: {key[0]}: {key[1]}")
    print(f"{'':34}{'lines':>14}{'':9}{'branches':>14}")
    for name, c in rows + [("all", total)]:
        print(f"{name:34}{c['hit']:>7}/{c['lines']:<6}{share(c, 'hit', 'lines', 'excused_lines')}"
              f"  {c['taken']:>7}/{c['branches']:<6}{share(c, 'taken', 'branches', 'excused')}")
    lines = total["hit"] + total["excused_lines"] == total["lines"]
    branches = total["taken"] + total["excused"]
    print(f"coverage: {total['hit']} of {total['lines']} lines, {total['taken']} of "
          f"{total['branches']} branches; reasons for {total['excused_lines']} lines and "
          f"{total['excused']} branches")
    sys.exit(0 if lines and 100 * branches >= BRANCHES * total["branches"] else 1)


def share(count, hit, of, excused):
    if not count[of]:
        return "       -"
    return f"{100 * (count[hit] + count[excused]) / count[of]:7.1f}%"


if __name__ == "__main__":
    main()
