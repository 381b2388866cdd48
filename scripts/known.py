# SPDX-License-Identifier: GPL-2.0
"""Reads coverage.known and mutants.known: a paragraph for each thing that is known, and why."""

import pathlib
import re
import sys

SCRIPTS = pathlib.Path(__file__).resolve().parent


def known(name, *marks):
    """{(function, line of each mark...): reason}"""
    reasons = {}
    for paragraph in re.split(r"\n\s*\n", (SCRIPTS / name).read_text(encoding="utf-8")):
        lines = [line for line in paragraph.splitlines() if line and not line.startswith("#")]
        if not lines:
            continue
        function, *texts = lines[:1 + len(marks)]
        reason = lines[1 + len(marks):]
        if not reason or not all(map(str.startswith, texts, marks)):
            sys.exit(f"error: {name}: not function, {', '.join(marks)} and a reason: {paragraph}")
        reasons[(function.strip(), *(text[1:].strip() for text in texts))] = \
            " ".join(line.strip() for line in reason)
    return reasons
