#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Turn what the benchmark module tells the kernel log into JSON and a table.

    report.py collect OUT.json UML.log [ICOUNT.log]
    report.py table OUT.json
"""
import json
import platform
import re
import sys

PERCENTILES = ("min", "p10", "p25", "median", "p75", "p90")

# What the design asks for: multiples of the first variant of the case.
TARGETS = (
    ("1 x 4K", "map_pages", "map", 1.4), ("1 x 4K", "map_pages", "unmap", 1.5),
    ("16 x 4K", "map_pages", "map", 1.2), ("16 x 4K", "map_pages", "unmap", 1.3),
    ("512 x 4K", "map_pages", "map", 1.04), ("512 x 4K", "map_pages", "unmap", 1.04),
    ("1 x 2M", "map_pages", "map", 1.5), ("1 x 2M", "map_pages", "unmap", 1.6),
    ("1 x 1G", "map_pages", "map", 1.6), ("1 x 1G", "map_pages", "unmap", 1.7),
    ("64 x 2M", "map_pages", "map", 1.08), ("64 x 2M", "map_pages", "unmap", 1.08),
    ("random 1 x 4K, 100k live, serialised", "map_pages", "both", 1.1),
    ("sg 512 x 4K", "map_sgtable", "both", 1.03),
    ("sg 16 x 4K", "map_sgtable", "both", 1.05),
    ("v7s 256 x 4K", "map_pages", "both", 1.01),
    ("v7s 1 x 1M", "map_pages", "both", 1.8),
    ("2 threads, 1 x 4K", "map_pages", "both", 2.0),
    ("2 threads, 16 x 4K", "map_pages", "both", 2.0),
    ("2 threads, 512 x 4K", "map_pages", "both", 2.0),
)
# Never above what another variant takes.
CEILINGS = (
    ("1 x 4K", "map_pages", "map", "iommu_map"),
    ("1 x 4K", "map_pages", "unmap", "iommu_map"),
)
# Ledger memory in percent of the page table's.
MEMORY_TARGETS = {"dense": 3.5, "sparse": 10.0}


def records(path):
    """The JSON objects in a console log."""
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            found = re.search(r"bench: (\{.*\})\s*$", line)
            if found:
                yield json.loads(found.group(1))


def cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            for line in info:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def quantiles(values, scale):
    return {name: value / scale for name, value in zip(PERCENTILES, values)}


def read_log(path):
    """What one boot measured: cases in their order, memory, and more."""
    result = {"cases": [], "memory": [], "ps_per_insn": None}
    ended = False
    for record in records(path):
        if "case" in record:
            result["cases"].append({
                "case": record["case"], "variant": record["variant"], "op": record["op"],
                "ns": quantiles(record["ps"], 1000), "ratio": quantiles(record["ratio"], 1000),
            })
        elif "memory" in record:
            result["memory"].append(record)
        elif "ps_per_insn" in record:
            result["ps_per_insn"] = record["ps_per_insn"]
        elif "end" in record:
            ended = record["end"] == 0
    if not ended:
        sys.exit(f"error: the benchmark did not get to its end, see {path}")
    return result


def instructions(path):
    """Instructions per operation, from a boot whose clock counts them."""
    log = read_log(path)
    unit = (log["ps_per_insn"] or 0) / 1000
    if not 0.9 < unit < 1.1:
        sys.exit(f"error: an instruction took {unit} ns: the emulator does not count them")
    return [{"case": c["case"], "variant": c["variant"], "op": c["op"],
             "insns": round(c["ns"]["median"])} for c in log["cases"]]


def find(cases, case, variant, op):
    for c in cases:
        if (c["case"], c["variant"], c["op"]) == (case, variant, op):
            return c
    return None


def compare(result):
    """Each target with what was measured."""
    cases, rows = result["cases"], []
    for case, variant, op, target in TARGETS:
        c = find(cases, case, variant, op)
        if c:
            rows.append({"case": case, "op": op, "target": target,
                         "measured": c["ratio"]["median"]})
    for case, variant, op, other in CEILINGS:
        c, limit = find(cases, case, variant, op), find(cases, case, other, op)
        if c and limit:
            rows.append({"case": f"{case}, at most {other}", "op": op,
                         "target": limit["ratio"]["median"],
                         "measured": c["ratio"]["median"]})
    for m in result["memory"]:
        rows.append({"case": f"ledger memory, {m['memory']}", "op": "percent",
                     "target": MEMORY_TARGETS[m["memory"]],
                     "measured": 100 * m["ledger_kib"] / m["table_kib"]})
    return rows


def collect(out, uml_log, icount_log=None):
    result = read_log(uml_log)
    del result["ps_per_insn"]
    result["host"] = cpu_model()
    result["instructions"] = instructions(icount_log) if icount_log else []
    result["targets"] = compare(result)
    with open(out, "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")


def print_cases(result):
    heading = f"{'':38}{'ns, median':>15} {'times the first: median (p25-p75)':>38} {'instructions':>14}"
    print(heading)
    print(f"{'':38}{'map':>7}{'unmap':>8} {'map':>19}{'unmap':>19} {'map':>7}{'unmap':>7}")
    previous = None
    for c in result["cases"]:
        if c["op"] != "map":
            continue
        u = find(result["cases"], c["case"], c["variant"], "unmap")
        if c["case"] != previous:
            print(c["case"])
            previous = c["case"]
        spread = [f"{x['ratio']['median']:.2f} ({x['ratio']['p25']:.2f}-{x['ratio']['p75']:.2f})"
                  for x in (c, u)]
        insns = [find(result["instructions"], c["case"], c["variant"], op)
                 for op in ("map", "unmap")]
        insns = [str(i["insns"]) if i else "" for i in insns]
        print(f"    {c['variant']:34}{c['ns']['median']:7.0f}{u['ns']['median']:8.0f} "
              f"{spread[0]:>19}{spread[1]:>19} {insns[0]:>7}{insns[1]:>7}")


def print_targets(result):
    print(f"\n{'target':48}{'':9}{'at most':>9}{'is':>9}")
    for t in result["targets"]:
        met = "" if t["measured"] <= t["target"] else "  missed"
        print(f"{t['case']:48}{t['op']:9}{t['target']:9.2f}{t['measured']:9.2f}{met}")


def table(path):
    with open(path, encoding="utf-8") as f:
        result = json.load(f)
    print(f"{result['host']}\n")
    print_cases(result)
    for m in result["memory"]:
        print(f"\nmemory, {m['memory']}: page table {m['table_kib']} KiB, "
              f"ledger {m['ledger_kib']} KiB; after unmapping all {m['emptied_kib']} KiB")
    print_targets(result)


def main():
    verbs = {"collect": (collect, 2, 3), "table": (table, 1, 1)}
    verb, least, most = verbs.get(sys.argv[1] if len(sys.argv) > 1 else "", (None, 0, 0))
    if not verb or not least <= len(sys.argv) - 2 <= most:
        sys.exit(__doc__)
    verb(*sys.argv[2:])


if __name__ == "__main__":
    main()
