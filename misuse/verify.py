#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""verify.py DIR LOGS: compare what cc, sparse and coccicheck wrote to LOGS about
the files in DIR/misused and DIR/fixed with what the comments in these say.
"""
import collections
import pathlib
import re
import sys

EXPECT = re.compile(r"^\s*/\* (cc|sparse|cocci): (.*) \*/$")
SAID = re.compile(r"^(?:\S*/)?([\w.-]+\.[ch]):(\d+):(?:\d+(?:-\d+)?:)? (?:fatal )?"
                  r"(?:error|warning|ERROR|WARNING): (.*)$")


def expectations(path):
    """Every (tool, line, text) that the comments of a file ask for."""
    waiting = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = EXPECT.match(line)
        if match:
            waiting.append(match.groups())
        elif line.strip() and not re.match(r"\s*/\*.*\*/$", line):
            for tool, text in waiting:
                yield tool, number, text
            waiting = []
    if waiting:
        raise SystemExit(f"error: {path.name} ends in an expectation")


def said(log, variant=None):
    """{file: [(line, text)]} of what a log says, each thing once."""
    result = collections.defaultdict(list)
    # The kernel's build lets gcc choose its quotes by the locale.
    text = log.read_text(encoding="utf-8").translate({0x2018: "'", 0x2019: "'"})
    for line in text.splitlines():
        match = SAID.match(line)
        if not match or variant and f"{variant}/" not in line.split(":")[0]:
            continue
        name, number, text = match.groups()
        if (int(number), text) not in result[name]:
            result[name].append((int(number), text))
    return result


def everything_said(logs, variant):
    """{tool: {file: [(line, text)]}}"""
    tools = {tool: said(logs / f"misuse-{variant}-{tool}.log") for tool in ("cc", "sparse")}
    tools["cocci"] = collections.defaultdict(list)
    for log in sorted(logs.glob("misuse-cocci-*.log")):
        for name, found in said(log, variant).items():
            tools["cocci"][name] += found
    return tools


def must_check(header):
    """The functions of a header whose result has to be used."""
    return re.findall(r"__must_check\s+(\w+)\(", header.read_text(encoding="utf-8"))


class Tally:
    """Says how each test went, and counts."""

    def __init__(self):
        self.passed = self.failed = 0

    def test(self, good, what):
        self.passed += good
        self.failed += not good
        print(f"  {'ok ' if good else 'BAD'} {what}", file=sys.stderr)


def meets(tool, text, found):
    return found.startswith(text + ": ") if tool == "cocci" else text in found


def check_misused(tally, path, told):
    """Each expectation is met, and by nothing that another one asked for."""
    left = {tool: list(told[tool].get(path.name, [])) for tool in told}
    tools = set()
    for tool, number, text in expectations(path):
        tools.add(tool)
        hit = next((f for f in left[tool] if f[0] == number and meets(tool, text, f[1])), None)
        if hit:
            left[tool].remove(hit)
        tally.test(bool(hit), f"{path.name}:{number} {tool}: {text}")
    for tool in sorted(left):
        for number, text in left[tool]:
            tally.test(False, f"{path.name}:{number} {tool} was not to say: {text}")
    compiled = path.with_suffix(".o").exists()
    if ("cc" in tools) == compiled:
        tally.test(False, f"{path.name} {'compiles' if compiled else 'does not compile'}")
    if not tools:
        tally.test(False, f"{path.name} expects nothing")


def check_fixed(tally, path, told):
    found = [f"{number} {tool}: {text}" for tool in sorted(told)
             for number, text in told[tool].get(path.name, [])]
    good = path.with_suffix(".o").exists() and not found
    tally.test(good, f"{path.name} fixed" + "".join(f"\n      {line}" for line in found))


def main():
    directory, logs = map(pathlib.Path, sys.argv[1:])
    tally = Tally()
    for variant, check in ("misused", check_misused), ("fixed", check_fixed):
        told = everything_said(logs, variant)
        files = sorted((directory / variant).glob("*.c"))
        for path in files:
            check(tally, path, told)
        names = {path.name for path in files}
        for tool in sorted(told):
            for name in sorted(told[tool].keys() - names):
                tally.test(False, f"{name}, {variant}, {tool}: {told[tool][name][0][1]}")
    header = directory / "misused" / "io_pgtable_safe.h"
    asked = {text.rsplit("'", 2)[1] for _, _, text in
             expectations(directory / "misused" / "results_dropped.c") if "'" in text}
    for function in must_check(header):
        if function not in asked:
            tally.test(False, f"results_dropped.c does not drop that of {function}()")
    print(tally.passed, tally.failed, 0)
    sys.exit(tally.failed > 0 or not tally.passed)


main()
