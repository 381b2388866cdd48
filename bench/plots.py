#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Draw what report.py collected: small SVG files for the documentation.

    plots.py RESULTS.json DIRECTORY

The same results always give the same files, with the same matplotlib.
"""
import json
import pathlib
import re
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402, the backend has to be chosen before

from report import ALONE, PAGES, SG, TARGETS, find  # noqa: E402

STYLE = {
    "svg.hashsalt": "io_pgtable_safe", "svg.fonttype": "none", "font.family": "sans-serif",
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "axes.axisbelow": True, "grid.color": "#dddddd", "grid.linewidth": 0.6,
    "legend.frameon": False, "figure.facecolor": "white",
}
NAMES = {"raw": "raw ops", PAGES: "checked", "iommu_map": "iommu_map()",
         "generic_pt": "generic_pt", ALONE: "claim and commit alone"}
COLOURS = {"raw": "#7f7f7f", PAGES: "#1f5fa8", "iommu_map": "#e08214",
           "generic_pt": "#5aae61", ALONE: "#92c5de"}

CALLS = ("1 x 4K", "16 x 4K", "512 x 4K", "1 x 2M", "64 x 2M", "1 x 1G", "v7s 1 x 4K",
         "v7s 1 x 1M", "random 1 x 4K, 100k live, serialised")
SHORT = {CALLS[-1]: "random 1 x 4K,\n100k live"}
COUNTED = ("1 x 4K", "16 x 4K", "1 x 2M", "64 x 2M", "1 x 1G", "v7s 1 x 4K", "v7s 1 x 1M")


def number(text):
    """100, 10k, 1M"""
    value, unit = re.fullmatch(r"(\d+)([kM]?)", text).groups()
    return int(value) * {"": 1, "k": 1000, "M": 1000000}[unit]


def limit_of(case, op):
    for name, variant, limits in TARGETS:
        if (name, variant) == (case, PAGES):
            return limits.get(op)
    return None


# --- drawings: each gives a figure, or None if that was not measured ---------

def bars(axes, rows, cases, op, variants, value, spread=None):
    """Groups of horizontal bars, the first case on top."""
    height = 0.8 / len(variants)
    for i, variant in enumerate(variants):
        found = [(n, find(rows, case, variant, op)) for n, case in enumerate(cases)]
        found = [(n + i * height - 0.4 + height / 2, row) for n, row in found if row]
        if not found:
            continue
        error = [spread(row) for _, row in found] if spread else None
        axes.barh([y for y, _ in found], [value(row) for _, row in found], height=height,
                  color=COLOURS[variant], label=NAMES[variant],
                  xerr=list(zip(*error)) if error else None,
                  error_kw={"elinewidth": 0.8, "ecolor": "#333333"})
    axes.set_yticks(range(len(cases)), [SHORT.get(case, case) for case in cases])
    axes.grid(axis="y", visible=False)
    axes.set_title(op)


def legend_below(figure, axes):
    handles, labels = axes.get_legend_handles_labels()
    figure.tight_layout(rect=(0, 0.35 / figure.get_figheight(), 1, 1))
    figure.legend(handles, labels, loc="lower center", ncol=len(labels))


def boots_apart(row):
    ratio = row["ratio"]
    return (max(0, ratio["median"] - min(ratio["boots"])),
            max(0, max(ratio["boots"]) - ratio["median"]))


def draw_calls(result):
    rows = result["cases"]
    cases = [case for case in CALLS if find(rows, case, PAGES, "map")]
    if not cases:
        return None
    figure, panels = plt.subplots(1, 2, sharey=True, figsize=(8, 0.5 * len(cases) + 1.2))
    for axes, op in zip(panels, ("map", "unmap")):
        bars(axes, rows, cases, op, (PAGES, "iommu_map", "generic_pt"),
             lambda row: row["ratio"]["median"], boots_apart)
        axes.axvline(1, color=COLOURS["raw"], linewidth=1.2)
        limits = [(limit_of(case, op), n) for n, case in enumerate(cases)]
        limits = [(limit, n) for limit, n in limits if limit]
        axes.scatter([x for x, _ in limits], [n - 0.27 for _, n in limits], marker="|", s=120,
                     color="black", linewidths=1.6, label="target", zorder=3)
        axes.set_xlabel("times the raw ops")
    panels[0].invert_yaxis()
    legend_below(figure, panels[1])
    return figure


def draw_live(result):
    rows, figure = result["cases"], None
    for variant in ("raw", PAGES, "iommu_map", ALONE):
        points = []
        for row in rows:
            live = re.fullmatch(r"random 1 x 4K, (\w+) live", row["case"])
            if live and (row["variant"], row["op"]) == (variant, "both"):
                points.append((number(live.group(1)), row["ns"]["median"]))
        if len(points) < 2:
            continue
        if not figure:
            figure, axes = plt.subplots(figsize=(6.5, 3.2))
        axes.plot(*zip(*points), marker="o", markersize=4, color=COLOURS[variant],
                  label=NAMES[variant])
    if figure:
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.set_xlabel("live mappings of 4K, scattered over 64 GiB")
        axes.set_ylabel("ns for one map and one unmap")
        legend_below(figure, axes)
    return figure


def draw_sg(result):
    kinds = {"": ("aligned", "#1f5fa8"), ", off by 3 pages": ("off by 3 pages", "#92c5de"),
             ", contiguous": ("contiguous memory", "#5aae61")}
    figure = None
    for kind, (name, colour) in kinds.items():
        points = []
        for row in result["cases"]:
            found = re.fullmatch(r"sg (\d+) x 4K(.*)", row["case"])
            if found and found.group(2) == kind and \
                    (row["variant"], row["op"]) == (SG, "both"):
                points.append((int(found.group(1)), row["ratio"]["median"]))
        if len(points) < 2:
            continue
        if not figure:
            figure, axes = plt.subplots(figsize=(6.5, 3.2))
            axes.axhline(1, color=COLOURS["raw"], linewidth=1.2)
        axes.plot(*zip(*points), marker="o", markersize=4, color=colour, label=name)
    if figure:
        axes.set_xscale("log", base=2)
        axes.minorticks_off()
        sizes = sorted({size for line in axes.lines[1:] for size in line.get_xdata()})
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.set_ylim(bottom=0)
        axes.set_xlabel("entries of the scatter-gather table, 4K each")
        axes.set_ylabel("times a loop like panthor's")
        legend_below(figure, axes)
    return figure


def draw_instructions(result):
    """What is added to the raw call: the ledger's part of it, the rest, and iommu_map()."""
    rows = result["instructions"]
    cases = [case for case in COUNTED if find(rows, case, ALONE, "map")]
    if not cases:
        return None
    figure, panels = plt.subplots(1, 2, sharey=True, sharex=True,
                                  figsize=(8, 0.42 * len(cases) + 1.2))
    for axes, op in zip(panels, ("map", "unmap")):
        def added(variant, op=op):
            return [find(rows, case, variant, op)["insns"] - find(rows, case, "raw", op)["insns"]
                    for case in cases]
        at = range(len(cases))
        ledger = [find(rows, case, ALONE, op)["insns"] for case in cases]
        rest = [max(0, a - b) for a, b in zip(added(PAGES), ledger)]
        axes.barh([y - 0.2 for y in at], ledger, height=0.36, color=COLOURS[ALONE],
                  label="checked: claim and commit")
        axes.barh([y - 0.2 for y in at], rest, left=ledger, height=0.36, color=COLOURS[PAGES],
                  label="checked: all else")
        if find(rows, cases[0], "iommu_map", op):
            axes.barh([y + 0.2 for y in at], added("iommu_map"), height=0.36,
                      color=COLOURS["iommu_map"], label=NAMES["iommu_map"])
        axes.set_yticks(at, cases)
        axes.grid(axis="y", visible=False)
        axes.set_title(op)
        axes.set_xlabel("instructions beyond those of the raw call")
    panels[0].invert_yaxis()
    legend_below(figure, panels[1])
    return figure


DRAWINGS = {"calls": draw_calls, "live": draw_live, "sg": draw_sg,
            "instructions": draw_instructions}


def shrink(svg):
    """Without comments, and without the spaces at the beginning of lines."""
    return re.sub(r"^ +", "", re.sub(r"^ *<!--.*?-->\n", "", svg, flags=re.M), flags=re.M)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    result = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    directory = pathlib.Path(sys.argv[2])
    directory.mkdir(parents=True, exist_ok=True)
    for name, draw in DRAWINGS.items():
        with plt.rc_context(STYLE):
            figure = draw(result)
            if not figure:
                print(f"{name}: not measured")
                continue
            path = directory / f"{name}.svg"
            figure.savefig(path, metadata={"Date": None, "Creator": None})
            path.write_text(shrink(path.read_text(encoding="utf-8")), encoding="utf-8")
            plt.close(figure)
            print(path)


if __name__ == "__main__":
    main()
