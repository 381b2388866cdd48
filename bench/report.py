#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Turn what the benchmark module tells the kernel log into JSON and tables.

    report.py collect OUT.json [UML.log...] [--icount ARM64.log]
    report.py table OUT.json
    report.py rst OUT.json
"""
import argparse
import datetime
import json
import platform
import re
import statistics
import sys

PERCENTILES = ("min", "p10", "p25", "median", "p75", "p90")
MAP_OPS = ("map", "unmap")
PAGES, SG, ALONE = "map_pages", "map_sgtable", "ledger alone"
RANDOM = "random 1 x 4K, {} live"

# At most these multiples of the first variant of the case: for map and unmap, or
# for both together.
TARGETS = (
    ("1 x 4K", PAGES, {"map": 1.6, "unmap": 1.85}),
    ("16 x 4K", PAGES, {"map": 1.3, "unmap": 1.3}),
    ("512 x 4K", PAGES, {"map": 1.1, "unmap": 1.1}),
    ("64 x 2M", PAGES, {"map": 1.1, "unmap": 1.1}),
    ("sg 16 x 4K", SG, {"both": 1.05}),
    ("sg 64 x 4K", SG, {"both": 1.05}),
    ("sg 512 x 4K", SG, {"both": 1.05}),
    ("sg 16384 x 4K", SG, {"both": 1.05}),
    # What the first ledger took, which had one lock for each page table.
    ("1 x 2M", PAGES, {"map": 1.77, "unmap": 2.11}),
    ("1 x 1G", PAGES, {"map": 1.9, "unmap": 2.22}),
    ("v7s 256 x 4K", PAGES, {"map": 1.03, "unmap": 0.15}),
    ("v7s 1 x 64K", PAGES, {"map": 2.19, "unmap": 1.42}),
    ("v7s 1 x 1M", PAGES, {"map": 2.11, "unmap": 2.13}),
    (RANDOM.format("100k") + ", serialised", PAGES, {"map": 1.16, "unmap": 1.19}),
)
# Two threads on ranges of their own: no more than this times what one of them takes alone.
THREADS = ("1 x 4K", "16 x 4K", "512 x 4K")
THREADS_LIMIT = 1.1
# Never above what another variant takes, as a multiple of the first.
CEILINGS = (
    ("16 x 4K", PAGES, "iommu_map", ("unmap",)),
    ("512 x 4K", PAGES, "iommu_map", ("unmap",)),
    ("64 x 2M", PAGES, "iommu_map", ("unmap",)),
)
# At most so many times the instructions of another case or variant.
INSTRUCTIONS = (
    ("1 x 4K", ("1 x 4K", "iommu_map"), 1.03),
    (RANDOM.format("100"), ("1 x 4K", PAGES), 1.03),
)
# Ledger memory in percent of the page table's.
MEMORY_TARGETS = {"dense": 5.0}
# With so many times the mappings, no more times the cost than of the raw ops.
GROWTH = (("100", "10M"), ("10k", "10M"))


# --- logs -------------------------------------------------------------------

def records(path):
    """The JSON objects in a console log."""
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            found = re.search(r"bench: (\{.*\})\s*$", line)
            if found:
                yield json.loads(found.group(1))


def read_log(path):
    """What one boot measured: cases in their order, memory, and more."""
    boot = {"cases": {}, "memory": {}, "left_out": []}
    ended = False
    for record in records(path):
        if "case" in record:
            key = record["case"], record["variant"], record["op"]
            boot["cases"][key] = record
        elif "memory" in record:
            boot["memory"][record["memory"]] = record
        elif "left_out" in record:
            boot["left_out"].append(record["left_out"])
        elif "end" in record:
            ended = record["end"] == 0
        else:
            boot.update(record)
    if not ended:
        sys.exit(f"error: the benchmark did not get to its end, see {path}")
    return boot


def median_of(records_, field):
    """Percentiles of a case, each the median of what the boots have."""
    values = zip(*(record[field] for record in records_))
    return {name: statistics.median(v) / 1000 for name, v in zip(PERCENTILES, values)}


def median_ns(boots, name):
    values = [boot[name] / 1000 for boot in boots if name in boot]
    return statistics.median(values) if values else None


def combine(boots):
    """Times and ratios of several boots; "boots" are the medians of each."""
    cases = []
    for key in dict.fromkeys(key for boot in boots for key in boot["cases"]):
        found = [boot["cases"][key] for boot in boots if key in boot["cases"]]
        ratio = median_of(found, "ratio")
        ratio["boots"] = [r["ratio"][PERCENTILES.index("median")] / 1000 for r in found]
        cases.append({"case": key[0], "variant": key[1], "op": key[2],
                      "ns": median_of(found, "ps"), "ratio": ratio})
    return cases


def combine_memory(boots):
    rows = []
    for name in boots[0]["memory"] if boots else ():
        records_ = [boot["memory"][name] for boot in boots]
        row = {"memory": name}
        for field in ("table_kib", "ledger_kib", "emptied_kib"):
            row[field] = statistics.median(r[field] for r in records_)
        row["percent"] = 100 * row["ledger_kib"] / row["table_kib"]
        rows.append(row)
    return rows


def instructions(path):
    """Instructions per operation, from a boot whose clock counts them."""
    boot = read_log(path)
    unit = boot.get("ps_per_insn", 0) / 1000
    if not 0.9 < unit < 1.1:
        sys.exit(f"error: an instruction took {unit} ns: the emulator does not count them")
    rows = [{"case": case, "variant": variant, "op": op,
             "insns": round(record["ps"][PERCENTILES.index("median")] / 1000)}
            for (case, variant, op), record in boot["cases"].items()]
    return {"icount_kernel": boot["kernel"], "lock_insns": round(boot["lock_ps"] / 1000),
            "instructions": rows}


def cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            for line in info:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


# --- targets ----------------------------------------------------------------

def find(rows, case, variant, op):
    for row in rows:
        if (row["case"], row["variant"], row["op"]) == (case, variant, op):
            return row
    return None


def ratio_of(cases, case, variant, op):
    found = find(cases, case, variant, op)
    return found and found["ratio"]["median"]


def growth(cases, variant, low, high):
    few = find(cases, RANDOM.format(low), variant, "both")
    many = find(cases, RANDOM.format(high), variant, "both")
    return few and many and many["ns"]["median"] / few["ns"]["median"]


def targets(cases, memory, insns):
    """(what, operation, at most, is) of each that was measured."""
    for case, variant, limits in TARGETS:
        for op, limit in limits.items():
            yield case, op, limit, ratio_of(cases, case, variant, op)
    for case in THREADS:
        alone = ratio_of(cases, f"1 thread, {case}", PAGES, "both")
        yield (f"2 threads, {case}", "both", alone and alone * THREADS_LIMIT,
               ratio_of(cases, f"2 threads, {case}", PAGES, "both"))
    for case, variant, other, ops in CEILINGS:
        for op in ops:
            yield (f"{case}, at most {other}", op, ratio_of(cases, case, other, op),
                   ratio_of(cases, case, variant, op))
    for case, other, limit in INSTRUCTIONS:
        for op in MAP_OPS:
            found = [find(insns, *c, op) for c in (other, (case, PAGES))]
            name = " ".join(dict.fromkeys(name for name in other if name not in (case, PAGES)))
            yield (f"{case}, instructions of {name}", op, limit,
                   found[1]["insns"] / found[0]["insns"] if all(found) else None)
    for low, high in GROWTH:
        yield (f"random, growth from {low} to {high} live", "both",
               growth(cases, "raw", low, high), growth(cases, PAGES, low, high))
    for row in memory:
        yield (f"ledger memory, {row['memory']}", "percent",
               MEMORY_TARGETS.get(row["memory"]), row["percent"])


def compare(cases, memory, insns):
    """Each target with what was measured, as the tables have it."""
    rows = []
    for what, op, limit, value in targets(cases, memory, insns):
        if limit is None or value is None:
            continue
        # What is printed is what counts
        limit, value = round(limit, 2), round(value, 2)
        rows.append({"case": what, "op": op, "target": limit, "measured": value,
                     "met": value <= limit})
    return rows


def collect(args):
    boots = [read_log(path) for path in args.logs]
    left_out = [case for boot in boots for case in boot["left_out"]]
    cases, memory = combine(boots), combine_memory(boots)
    measured = {row["case"] for row in cases}
    result = {
        "date": datetime.date.today().isoformat(), "host": cpu_model(), "boots": len(boots),
        "kernel": boots[0]["kernel"] if boots else None,
        "lock_ns": median_ns(boots, "lock_ps"), "handover_ns": median_ns(boots, "handover_ps"),
        "cpus": boots[0]["cpus"] if boots else None,
        "cases": cases, "memory": memory,
        "left_out": [case for case in dict.fromkeys(left_out) if case not in measured],
        "icount_kernel": None, "instructions": [],
    }
    if args.icount:
        result.update(instructions(args.icount))
    result["targets"] = compare(cases, memory, result["instructions"])
    with open(args.out, "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")


# --- tables -----------------------------------------------------------------

def by_variant(rows):
    """(case, variant, map, unmap) in the order of measurement."""
    for row in rows:
        if row["op"] == "map":
            yield (row["case"], row["variant"], row,
                   find(rows, row["case"], row["variant"], "unmap"))


def spread(row):
    """The median, and how far the medians of boots lie apart, or the quartiles of one."""
    ratio, boots = row["ratio"], row["ratio"]["boots"]
    low, high = (min(boots), max(boots)) if len(boots) > 1 else (ratio["p25"], ratio["p75"])
    return f"{ratio['median']:.2f} ({low:.2f}-{high:.2f})"


def print_cases(result):
    what = "medians of boots" if result["boots"] > 1 else "quartiles"
    print(f"{'':24}{'ns, median':^16}{f'times the first: median ({what})':>40}")
    print(f"{'':24}{'map':>8}{'unmap':>8}{'map':>20}{'unmap':>20}")
    previous = None
    for case, variant, m, u in by_variant(result["cases"]):
        if case != previous:
            print(case)
        previous = case
        print(f"    {variant:20}{m['ns']['median']:8.0f}{u['ns']['median']:8.0f}"
              f"{spread(m):>20}{spread(u):>20}")


def print_memory(result):
    for m in result["memory"]:
        print(f"\nmemory, {m['memory']}: page table {m['table_kib']:.0f} KiB,\n"
              f"    ledger {m['ledger_kib']:.0f} KiB, {m['percent']:.2f} %; "
              f"after unmapping all {m['emptied_kib']:.0f} KiB")


def print_instructions(result):
    print(f"\nInstructions, Linux {result['icount_kernel']}; "
          f"lock and unlock: {result['lock_insns']}")
    print(f"{'':24}{'map':>12}{'unmap':>12}{'both':>12}{'times the first':>20}")
    rows, previous = result["instructions"], None
    for case, variant, m, u in by_variant(rows):
        if case != previous:
            first = m["insns"], u["insns"]
            print(case)
        previous = case
        print(f"    {variant:20}{m['insns']:12}{u['insns']:12}"
              f"{find(rows, case, variant, 'both')['insns']:12}"
              f"{m['insns'] / first[0]:10.2f}{u['insns'] / first[1]:10.2f}")


def print_targets(result):
    print(f"\n{'targets':48}{'':9}{'at most':>9}{'is':>9}")
    for t in result["targets"]:
        print(f"{t['case']:48}{t['op']:9}{t['target']:9.2f}{t['measured']:9.2f}"
              f"  {'met' if t['met'] else 'missed'}")
    met = sum(t["met"] for t in result["targets"])
    print(f"{met} of {len(result['targets'])} targets met")


def least_of(result):
    """What cannot be saved."""
    text = f"locking and unlocking takes {result['lock_ns']:.1f} ns"
    if result["handover_ns"]:
        text += f", moving a cache line to another CPU {result['handover_ns']:.0f} ns"
    return text


def table(args):
    with open(args.out, encoding="utf-8") as f:
        result = json.load(f)
    if result["cases"]:
        print(f"{result['host']}, {result['date']}\n"
              f"Linux {result['kernel']} in User Mode Linux, "
              f"CPUs: {result['cpus']}, boots: {result['boots']}\n{least_of(result)}\n")
        print_cases(result)
        print_memory(result)
    if result["instructions"]:
        print_instructions(result)
    if result["targets"]:
        print_targets(result)
    for case in result["left_out"]:
        print(f"left out: {case}")


# --- for the documentation --------------------------------------------------

def rst_table(title, header, rows):
    """A simple table of reStructuredText."""
    # Not the bullet of a list
    rows = [["\\-" if cell == "-" else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [header] + rows) for i in range(len(header))]

    def line(cells):
        return "  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths)).rstrip()
    rule = line(["=" * width for width in widths])
    print(f".. table:: {title}\n")
    for text in [rule, line(header), rule] + [line(row) for row in rows] + [rule, ""]:
        print(f"   {text}".rstrip())


def pair(rows, case, variant, value):
    """map / unmap of a variant, if it was measured"""
    found = [find(rows, case, variant, op) for op in MAP_OPS]
    return " / ".join(value(row) for row in found) if all(found) else "-"


def rst_cases(result, first, variants):
    """A row for each case that is compared with this variant."""
    def ns(row):
        return f"{row['ns']['median']:.0f}"

    def ratio(row):
        return f"{row['ratio']['median']:.2f}"

    for case in dict.fromkeys(row["case"] for row in result["cases"]):
        if find(result["cases"], case, first, "map"):
            yield ([case, pair(result["cases"], case, first, ns)] +
                   [pair(result["cases"], case, v, ratio) for v in variants])


def rst(args):
    with open(args.out, encoding="utf-8") as f:
        result = json.load(f)
    if not result["cases"] or not result["instructions"]:
        sys.exit("error: that was not a complete run: run make bench")
    print(f"{result['host']}, Linux {result['kernel']} in User Mode Linux, CPUs: "
          f"{result['cpus']}, boots: {result['boots']}, {result['date']}; instructions on arm64, "
          f"Linux {result['icount_kernel']} ({result['lock_insns']} instructions to lock and "
          f"unlock). {least_of(result).replace('l', 'L', 1)}.\n")
    print(".. Written by scripts/bench plots.\n")
    rst_table("Targets, in multiples of the raw ops",
              ["target", "operation", "at most", "measured", "verdict"],
              [[t["case"], t["op"], f"{t['target']:.2f}", f"{t['measured']:.2f}",
                "met" if t["met"] else "**missed**"] for t in result["targets"]])
    rst_table("Calls, in multiples of the raw ops, map / unmap",
              ["case", "raw, ns", PAGES, "map", "iommu_map", "generic_pt", ALONE],
              rst_cases(result, "raw", (PAGES, "map", "iommu_map", "generic_pt", ALONE)))
    rst_table("Scatter-gather tables, in multiples of a loop like panthor's, map / unmap",
              ["case", "loop, ns", SG],
              rst_cases(result, "panthor's loop", (SG,)))
    rst_table("One page or block repeated, in multiples of a raw loop, map / unmap",
              ["case", "loop, ns", "map_repeat"],
              rst_cases(result, "raw loop", ("map_repeat",)))
    rst_instructions(result)
    rst_table("Memory of the ledger", ["pages", "page table, KiB", "ledger, KiB", "percent"],
              [[m["memory"], f"{m['table_kib']:.0f}", f"{m['ledger_kib']:.0f}",
                f"{m['percent']:.2f}"] for m in result["memory"]])


def rst_instructions(result):
    """Instructions of each call, and how many of those of a checked one are the ledger's."""
    rows, table_ = result["instructions"], []

    def insns(row):
        return str(row["insns"])

    for case, variant, m, u in by_variant(rows):
        checked = next((v for v in (PAGES, SG, "map_repeat") if find(rows, case, v, "map")), None)
        if find(rows, case, variant, "map") is not next(r for r in rows if r["case"] == case):
            continue
        alone = [find(rows, case, ALONE, op) for op in MAP_OPS]
        total = [find(rows, case, checked, op) for op in MAP_OPS]
        share = " / ".join(f"{100 * a['insns'] / t['insns']:.0f} %"
                           for a, t in zip(alone, total)) if all(alone) else "-"
        table_.append([case, f"{m['insns']} / {u['insns']}", pair(rows, case, checked, insns),
                       pair(rows, case, "iommu_map", insns), pair(rows, case, ALONE, insns),
                       share])
    rst_table("Instructions, map / unmap",
              ["case", "raw, or the loop", "checked", "iommu_map", "claim and commit alone",
               "share in checked"], table_)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("collect")
    verb.set_defaults(run=collect)
    verb.add_argument("out")
    verb.add_argument("logs", nargs="*")
    verb.add_argument("--icount")
    for name, run in (("table", table), ("rst", rst)):
        verb = verbs.add_parser(name)
        verb.set_defaults(run=run)
        verb.add_argument("out")
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
