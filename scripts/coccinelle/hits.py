#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""hits.py PATCHES KERNEL RELEASE DRIVERS LOG...: one table of what coccicheck
wrote to the logs about the files below DRIVERS, each hit compared with the
tables hits.csv and calls.csv of PATCHES.

A hit is known by its rule, file and function, and by how many of its kind are
in that function: lines move from one point release to the next.
"""
import collections
import csv
import pathlib
import re
import sys

HIT = re.compile(r"^(?:\S*/)?(drivers/\S+?):(\d+):\d+-\d+: (?:INFO|WARNING|ERROR): "
                 r"([a-z-]+): .* \((\w+)\)$")
# A call that hands the ops to themselves; more than one line is no matter.
CALL = re.compile(r"\b([\w>.-]+)->(?:map_pages|unmap_pages|iova_to_phys)\(\1,")


def read_hits(logs):
    hits = set()
    for log in logs:
        for line in pathlib.Path(log).read_text(encoding="utf-8").splitlines():
            match = HIT.match(line)
            if match:
                path, number, rule, function = match.groups()
                hits.add((rule, path, function, int(number)))
    return hits


def read_expected(patches, kernel):
    """(rule, file, function): (lines, judgement)"""
    expected = {}
    for name in "hits.csv", "calls.csv":
        with open(patches / name, encoding="utf-8", newline="") as f:
            for row in csv.DictReader(f, delimiter="|"):
                lines = [int(n) for n in row[kernel].split()] if row.get(kernel) else []
                if lines:
                    key = row["rule"], row["file"], row["function"]
                    expected[key] = lines, row["judgement"]
    return expected


def missed_calls(drivers, hits):
    """Calls that a plain search sees and spatch, who may give up on a function, does not."""
    seen = {(path, number) for rule, path, _, number in hits if rule.startswith("raw-")}
    for source in sorted(drivers.rglob("*.[ch]")):
        path = str(source.relative_to(drivers))
        lines = source.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, 1):
            if CALL.search(line) and (path, number) not in seen:
                yield path, number


def explanations(patches):
    """What the patches say of the names in their messages."""
    return {rule: text for patch in patches.glob("*.cocci") for rule, text in
            re.findall(r"^//# ([a-z-]+)  +(.*)$", patch.read_text(encoding="utf-8"), re.M)}


def print_report(title, rows, explained):
    """By rule, mistakes before the users of io-pgtable, and by file."""
    print(f"""{title}

  Who uses io-pgtable unchecked, and the mistakes made with it. First column:
    known   in the tables of this project, where every hit was judged by hand
    new     not in them: look at it         gone    in them, but not found
    missed  seen by a plain search, and not by spatch
  Second column, for mistakes:
    true      it happens       harmless  it was looked at and does no harm
    latent    it would happen with an outcome that the format may give, but does not
  Documentation/coccinelle.rst has the reason for each.""")
    last = None
    for status, judgement, rule, path, function, number in sorted(
            rows, key=lambda row: (row[2].startswith("raw-"), *row[2:4], row[5])):
        if not last or rule != last[0]:
            print(f"\n  {rule}: {explained[rule]}")
        if (rule, path) != last:
            print(f"    {path}")
        last = rule, path
        print(f"      {status:7} {judgement:13} {number:>5} {function}")
    print()


def main():
    patches, kernel, release, drivers = pathlib.Path(sys.argv[1]), *sys.argv[2:4], \
        pathlib.Path(sys.argv[4])
    hits = read_hits(sys.argv[5:])
    expected = read_expected(patches, kernel)
    found = collections.defaultdict(list)
    for rule, path, function, number in sorted(hits):
        found[rule, path, function].append(number)

    rows = []
    count = collections.Counter()
    for key in sorted(found.keys() | expected.keys()):
        lines = found.get(key, [])
        known, judgement = expected.get(key, ([], ""))
        for i in range(max(len(lines), len(known))):
            status = "known" if i < min(len(lines), len(known)) else \
                     "new" if i < len(lines) else "gone"
            number = lines[i] if i < len(lines) else known[i]
            count[status] += 1
            rows.append((status, judgement if i < len(known) else "-", *key, number))
    for path, number in missed_calls(drivers, hits):
        count["missed"] += 1
        rows.append(("missed", "-", "raw-call", path, "?", number))

    print_report(f"Linux {kernel} ({release})", rows, explanations(patches))
    for source in sorted(drivers.rglob("*.rs")):
        print(f"  {source.relative_to(drivers)}: not looked at, spatch cannot read Rust")
    for status, _, rule, path, function, number in rows:
        if status != "known":
            print(f"  {status}: {rule} {path}:{number} {function}")
    print(f"Linux {kernel}: {len(hits)} hits, {count['known']} known, {count['new']} new, "
          f"{count['gone']} gone, {count['missed']} missed by spatch")
    if not hits:
        sys.exit("error: no hits: coccicheck did not work")
    sys.exit(any(count[s] for s in ("new", "gone", "missed")))


main()
