#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Do the suites notice small changes to the module?

mutants.py build --tree DIR --build DIR --state DIR [OPTION=VALUE...]
mutants.py run --state DIR [--jobs N] [OPTION=VALUE...]

build makes one kernel with all mutants in it, or with those that are chosen: files=GLOB,
functions=GLOB, kinds=GLOB, every=N, and first=N to begin elsewhere. run boots it for each of
them, or for nr=N,N...; suites=GLOB takes less than all suites; atleast=PERCENT is what must
be killed, 97 unless told. What has been found is kept in --state: a run that was
interrupted goes on where it was.

A mutant that is reached at all runs the suites until a case fails, the kernel complains or
takes five times as long. Survivors that cannot be noticed are in scripts/mutants.known,
with the reason.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from known import SCRIPTS, known

CHOICE = ("files", "functions", "kinds", "first", "every")
MODULE = "drivers/iommu/io_pgtable_safe"
TROUBLE = re.compile(r"^\s*not ok |(^|[^A-Z])(BUG|WARNING|Oops|UBSAN|KASAN):|Kernel panic|"
                     r"Call Trace:|Segfault with no mm|[Ss]cheduling while atomic")
# What is freed gets poison, as there is no KASAN. The same random calls in each boot.
ARGUMENTS = ["mem=512M", "console=tty", "kunit_shutdown=poweroff", "panic=-1",
             "panic_on_warn=1", "slab_debug=P", "io_pgtable_safe_kunit.random_ops=4000",
             "io_pgtable_safe_kunit.random_seed=1"]
# How much longer than without a mutant it may take, and more than that on a busy machine.
SLOWER, PATIENCE = 5, 4


def fail(text):
    print(f"error: {text}", file=sys.stderr)
    sys.exit(1)


def say(text):
    print(text, file=sys.stderr, flush=True)


# --- the kernel ----------------------------------------------------------------


def mutate(args, module, clean, without):
    """Write the mutated sources into the tree and return the list of mutants."""
    commands = [path for where in (".", "core")
                for path in sorted((args.build / MODULE / where).glob(".*.o.cmd"))
                if re.search(r"\.c\s*$", path.read_text().splitlines()[0].split(";")[0])]
    skip = args.state / "without.json"
    skip.write_text(json.dumps(sorted(without)))
    listed = args.state / "mutants.json"
    subprocess.run([sys.executable, "-B", SCRIPTS / "mutate.py", *commands,
                    "--build", args.build, "--sources", module, "--originals", clean,
                    "--list", listed, "--without", skip, "--choose", json.dumps(args.choice)],
                   check=True)
    return json.loads(listed.read_text())


def compile_errors(args, target):
    done = subprocess.run(
        ["make", "-k", "-C", args.tree, "ARCH=um", f"O={args.build}", f"-j{args.jobs}", *target],
        capture_output=True, text=True, check=False)
    (args.state / "build.log").write_text(done.stdout + done.stderr)
    return done.returncode, re.findall(r"^(/\S+?):(\d+):\d+: (?:error:|note: in expansion of)",
                                       done.stderr, re.M)


def culprits(mutants, errors):
    """The mutants on the lines that the compiler complained of."""
    found = set()
    for file, line in errors:
        path = pathlib.Path(file)
        if not path.is_file() or MODULE not in file:
            continue
        lines = path.read_text().splitlines()
        for text in (lines[int(line) - 1], *lines[int(line) - 2::-1]):
            numbers = re.findall(r"/\*@(\d+)\*/", text) or re.findall(r"mutant\((\d+)\)", text)
            if numbers:
                found.update(mutants[int(nr) - 1]["id"] for nr in numbers)
                break
    return found


def build(args):
    module = args.tree / MODULE
    args.state.mkdir(parents=True, exist_ok=True)
    clean = args.state / "originals"
    shutil.copytree(module, clean)
    for name in ("mutant.c", "mutant.h"):
        shutil.copy(SCRIPTS / name, module)
    without = set()
    kbuild = (module / "Kbuild").read_text()
    while True:
        mutants = mutate(args, module, clean, without)
        (module / "Kbuild").write_text(
            f"{kbuild}\nobj-y += mutant.o\nCFLAGS_mutant.o := -DNR_MUTANTS={len(mutants)}\n")
        status, errors = compile_errors(args, [f"{MODULE}/"])
        if not status:
            break
        found = culprits(mutants, errors)
        if not found:
            fail(f"the mutants do not compile: {args.state}/build.log")
        without |= found
        if not mutants:
            fail("no mutant was chosen")
    say(f"   {len(mutants)} mutants, {len(without)} more would not compile")
    status, _ = compile_errors(args, [])
    if status:
        fail(f"no kernel with mutants: {args.state}/build.log")
    shutil.copy(args.build / "linux", args.state)


# --- one boot ------------------------------------------------------------------


def cpu_time(pid):
    """Seconds; what a loaded machine does with the rest is not the kernel's fault."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        ticks = f.read().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def console(process, most, between):
    """Its lines, as long as the kernel stays below its limits: CPU time in all, and since
    the last line."""
    rest, last, since = b"", 0, time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            used = cpu_time(process.pid)
            if used > min(most, last + between) or \
               time.monotonic() > since + PATIENCE * between:
                raise TimeoutError
            if not selector.select(1):
                continue
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                return
            *found, rest = (rest + data).split(b"\n")
            for line in found:
                yield line.decode(errors="replace").rstrip("\r"), used - last
                last, since = used, time.monotonic()


def boot(kernel, suites, mutant, most=600, between=600):
    """(why it was ended or None, the console's lines, seconds of CPU time, most of them
    between two lines)"""
    lines, why, slowest = [], None, 0
    with tempfile.TemporaryDirectory() as home, subprocess.Popen(
            [kernel, *ARGUMENTS, f"kunit.filter_glob={suites}",
             f"io_pgtable_safe.mutant={mutant}"], stdin=subprocess.DEVNULL, cwd=home,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "HOME": home}) as process:
        try:
            for line, seconds in console(process, most, between):
                lines.append(line)
                slowest = max(slowest, seconds)
                if TROUBLE.search(line):
                    why = line.strip()
                    break
            else:
                why = None if "reboot: Power down" in lines[-3:] else "crash"
        except TimeoutError:
            why = "timeout"
        seconds = cpu_time(process.pid)
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return why, lines, seconds, slowest


def reached(lines):
    """The mutants whose code was run, from the lines that mutant.c prints."""
    found = set()
    for match in (re.search(r"mutants: from (\d+): ([0-9a-f,]+)", line) for line in lines):
        if match:
            bits = int(match[2].replace(",", ""), 16)
            found.update(int(match[1]) + n for n in range(bits.bit_length()) if bits >> n & 1)
    return found


# --- the run -------------------------------------------------------------------


class Run:
    def __init__(self, args, options):
        self.args, self.options = args, options
        self.kernel, self.suites = args.state / "linux", options["suites"]
        self.mutants = json.loads((args.state / "mutants.json").read_text())
        name = self.suites.replace("*", "+")
        self.file = args.state / f"results-{name}.jsonl"
        self.cache = args.state / f"baseline-{name}.json"
        self.results = {}
        if self.file.exists():
            self.results = {result["nr"]: result for result in
                            map(json.loads, self.file.read_text().splitlines())}
        self.lock = threading.Lock()

    def baseline(self):
        """What the suites take, and which mutants they reach; all must pass."""
        if not self.cache.exists():
            why, lines, seconds, slowest = boot(self.kernel, self.suites, -1)
            passed = sum(line.startswith("ok ") for line in lines)
            if why or not passed:
                fail(f"{self.suites}: {passed} suites pass without a mutant, {why or 'none fails'}")
            self.cache.write_text(json.dumps({
                "suites": passed, "reached": sorted(reached(lines)),
                "seconds": round(seconds, 2), "slowest": round(slowest, 2)}))
        found = json.loads(self.cache.read_text())
        say(f"   {found['suites']} suites take {found['seconds']} s of CPU time and reach "
            f"{len(found['reached'])} of {len(self.mutants)} mutants")
        return found

    def judge(self, nr, baseline):
        """What notices a mutant: the first failed case, or else how the kernel ended."""
        if nr not in baseline["reached"]:
            return {"nr": nr, "killed": False, "why": "not reached"}
        why, lines, _, _ = boot(self.kernel, self.suites, nr, SLOWER * baseline["seconds"],
                                SLOWER * max(1, baseline["slowest"]))
        return {"nr": nr, "killed": bool(why), "why": (why or "")[:160]}

    def work(self, todo, baseline, total):
        while True:
            with self.lock:
                if not todo:
                    return
                nr = todo.pop(0)
            result = self.judge(nr, baseline)
            with self.lock:
                self.results[nr] = result
                with self.file.open("a", encoding="utf-8") as f:
                    f.write(json.dumps(result) + "\n")
            if len(todo) % 50 == 0:
                say(f"   {total - len(todo)} of {total} mutants")

    def run(self):
        baseline = self.baseline()
        numbers = self.options["nr"].split(",") if self.options["nr"] else None
        chosen = [m for m in self.mutants if numbers is None or str(m["nr"]) in numbers]
        todo = [m["nr"] for m in chosen if m["nr"] not in self.results]
        # Not in the order of the files: what an interrupted run has found is a sample.
        random.Random(len(chosen)).shuffle(todo)
        say(f"   {len(chosen)} mutants, {len(todo)} to be run")
        workers = [threading.Thread(target=self.work, args=(todo, baseline, len(todo)))
                   for _ in range(self.args.jobs)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return chosen


# --- the report ----------------------------------------------------------------


def reason_for(mutant, reasons):
    for after in (mutant["after"], "*"):
        for before in (mutant["before"], "*"):
            reason = reasons.get((mutant["function"], before, after))
            if reason:
                return reason
    return None


def report(run, chosen):
    """Survivors and a table to stdout; the last line is the score."""
    reasons = known("mutants.known", "-", "+")
    table = collections.defaultdict(collections.Counter)
    for mutant in chosen:
        result = run.results[mutant["nr"]]
        reason = reason_for(mutant, reasons)
        outcome = "killed" if result["killed"] else "equivalent" if reason else "survived"
        table[mutant["file"]][outcome] += 1
        table["kind: " + mutant["kind"]][outcome] += 1
        if outcome == "survived":
            print(f"{mutant['file']}:{mutant['line']}: {mutant['function']}(): {mutant['kind']}"
                  f" (mutant {mutant['nr']}{', ' if result['why'] else ''}{result['why']})\n"
                  f"- {mutant['before']}\n+ {mutant['after']}\n")
        elif result["killed"] and reason:
            print(f"note: mutants.known has a mutant that was killed: {mutant['function']}: "
                  f"{mutant['before']}")
    print(f"{'':34}{'killed':>9}{'survived':>9}{'equivalent':>11}")
    for name in sorted(table, key=lambda name: (name.startswith("kind"), name)):
        counts = table[name]
        print(f"{name:34}{counts['killed']:>9}{counts['survived']:>9}{counts['equivalent']:>11}")
    total = sum((table[name] for name in table if not name.startswith("kind")),
                collections.Counter())
    changed = total["killed"] + total["survived"]
    score = 100 * total["killed"] / changed if changed else 0
    print(f"mutants: {total['killed']} of {changed} killed ({score:.1f} %), {total['survived']} "
          f"survived, {total['equivalent']} change nothing that can be noticed")
    return score


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["build", "run"])
    parser.add_argument("--tree", type=pathlib.Path)
    parser.add_argument("--build", type=pathlib.Path)
    parser.add_argument("--state", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("options", nargs="*")
    args = parser.parse_args()
    options = {"nr": "", "suites": "io_pgtable_safe*", "atleast": "97"}
    args.choice = {}
    for option in args.options:
        name, _, value = option.partition("=")
        if name in CHOICE and value:
            args.choice[name] = value
        elif name in options and value:
            options[name] = value
        else:
            fail(f"no such option: {option}")
    if args.verb == "build":
        build(args)
        return
    run = Run(args, options)
    chosen = run.run()
    if not chosen:
        fail("no mutant was chosen")
    if report(run, chosen) < float(options["atleast"]):
        sys.exit(1)


if __name__ == "__main__":
    main()
