#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Turn the module into what a kernel tree would have, one patch after the other.

    upstream.py PROJECT KERNEL REPOSITORY MAINTAINER DRIVER

PROJECT has upstream/, which says what is in which patch and why. KERNEL is the source
that the patches are for. REPOSITORY is a git repository with those of its files that
the patches change; its branch gets a commit for each patch. MAINTAINER is the name and
address for MAINTAINERS; DRIVER is a directory with the files of the converted driver.

What this project needs only because it is built for several kernels is gone from the
result: both sides of an #ifdef, and the header io_pgtable_safe_compat.h.
"""
import collections
import fnmatch
import pathlib
import re
import subprocess
import sys
import tempfile

INTREE = "drivers/iommu/io_pgtable_safe"
HEADER = "include/linux/io_pgtable_safe.h"
DOCS = "Documentation/driver-api/io_pgtable_safe"
PANFROST = "drivers/gpu/drm/panfrost"
COMPAT = "io_pgtable_safe_compat.h"


def fail(text):
    sys.exit(f"error: {text}")


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE,
                          **options).stdout


# --- which patch has what -----------------------------------------------------

class Series:
    """The file upstream/series: patches in order, each with patterns of file names."""

    def __init__(self, project):
        lines = (project / "upstream/series").read_text(encoding="utf-8").splitlines()
        words = [line.split() for line in lines if line and line[0] != "#"]
        self.patterns = {name: patterns for name, *patterns in words}
        self.patches = list(self.patterns)

    def patch_of(self, file):
        """A name in full goes before patterns, and a pattern before later ones."""
        for match in (lambda file, pattern: file == pattern, fnmatch.fnmatchcase):
            for name, patterns in self.patterns.items():
                if any(match(file, pattern) for pattern in patterns):
                    return name
        return None

    def until(self, patch):
        return self.patches[:self.patches.index(patch) + 1]


def sources(project, series):
    """The files of all patches."""
    names = run("git", "-C", str(project), "ls-files", "--cached", "--others",
                "--exclude-standard").splitlines()
    return {name: (project / name).read_text(encoding="utf-8")
            for name in names if series.patch_of(name) and (project / name).exists()}


# --- one kernel ---------------------------------------------------------------

def facts(project, kernel, files):
    """Options for unifdef: what Kbuild finds out about the kernel, and macros that are there."""
    makefile = (f"include {project}/Kbuild\ninclude {project}/kunit/Kbuild\n"
                "$(info $(iopt-have-y) $(iopt-kunit-y))\nall:;\n")
    have = set(run("make", "-s", "-f", "-", f"srctree={kernel}", input=makefile).split())
    asked = set(re.findall(r"\bIO_PGTABLE_SAFE_HAVE_(\w+)", "".join(files.values())))
    options = [f"-{'D' if name in have else 'U'}IO_PGTABLE_SAFE_HAVE_{name}" for name in asked]
    headers = "".join(path.read_text(encoding="utf-8", errors="replace")
                      for path in (kernel / "include/linux").glob("*.h"))
    compat = (project / COMPAT).read_text(encoding="utf-8")
    for name in re.findall(r"^#ifndef (?!_IO_PGTABLE)(\w+)", compat, re.M):
        there = re.search(rf"^\s*#\s*define\s+{name}\b", headers, re.M)
        options.append(f"-{'D' if there else 'U'}{name}")
    return options


def unifdef(options, text):
    """1 says that it changed something."""
    done = subprocess.run(["unifdef", *options], input=text, text=True,
                          stdout=subprocess.PIPE, check=False)
    if done.returncode > 1:
        fail("unifdef")
    return done.stdout


# The functions of the header, and what they are where the kernel has the feature.
INLINED = {
    "io_pgtable_safe_has_alloc": ((r"\(&(\w+)\)", r"\1.alloc"), (r"\(([^()]+)\)", r"\1->alloc")),
    "io_pgtable_safe_has_free": ((r"\(&(\w+)\)", r"\1.free"), (r"\(([^()]+)\)", r"\1->free")),
    "io_pgtable_safe_has_walk": ((r"\(([^()]+)\)", r"\1->pgtable_walk"),),
    "io_pgtable_safe_walk": ((r"\(([\w>-]+), ", r"\1->pgtable_walk(\1, "),),
}


def is_empty(header):
    """Nothing but includes is left of the header."""
    header = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    return not re.sub(r"^#(include|ifndef _IO|define _IO_PGTABLE_SAFE_COMPAT|endif).*|\s",
                      "", header, flags=re.M)


def drop_inlined(header):
    """Those functions that only return a member, and the namespace."""
    pattern = (r"^static inline \w+ (io_pgtable_safe_\w+)\([^)]*\)\n\{\n"
               r"\treturn \w+->\w+(?:\(.*\))?;\n\}\n+")
    dropped = re.findall(pattern, header, re.M)
    header = re.sub(pattern, "", header, flags=re.M)
    header = re.sub(r"/\*\n \* What differs.*?\*/", "/*\n * What this kernel does not have.\n */", header,
                    count=1, flags=re.S)
    return re.sub(r"^/\*[^/]*\*/\n#define IO_PGTABLE_SAFE_NS\s.*\n\n?", "", header, flags=re.M), dropped


def includes(text, names):
    """Put #include <NAME> among the others, in order."""
    for name in names:
        line = f"#include <{name}>\n"
        if line in text:
            continue
        there = list(re.finditer(r"^#include <.*\n", text, re.M))
        before = [include for include in there if include.group() < line]
        at = before[-1].end() if before else there[0].start() if there else None
        if at is None:
            at = re.search(r"^#include ", text, re.M).start()
            line += "\n"
        text = text[:at] + line + text[at:]
    return text


# What users of the header got from it.
FROM_COMPAT = (("linux/iommu.h", r"\biommu_|\bIOMMU_"), ("linux/slab.h", r"\bk\w*alloc|\bkfree\("),
               ("linux/minmax.h", r"\b(min|max|clamp)(_t|3)?\("))


def for_kernel(files, options):
    """Decide every #ifdef, and do without the header of differences."""
    files = {name: unifdef(options, text) if name.endswith((".c", ".h")) else text
             for name, text in files.items()}
    namespace = re.search(r"^#define IO_PGTABLE_SAFE_NS\s+(\S+)", files[COMPAT], re.M).group(1)
    header, dropped = drop_inlined(files.pop(COMPAT))
    for name, text in files.items():
        for function in dropped:
            for pattern, new in INLINED[function]:
                text = re.sub(rf"\b{function}{pattern}", new, text)
        text = re.sub(r"\bIO_PGTABLE_SAFE_NS\b", namespace, text)
        if f'"{COMPAT}"' in text and is_empty(header):
            text = text.replace(f'#include "{COMPAT}"\n', "")
            text = includes(text, [name for name, used in FROM_COMPAT if re.search(used, text)])
        files[name] = text
    if not is_empty(header):
        files[COMPAT] = header
    return files


# --- one place ----------------------------------------------------------------

def place(name):
    if name == "io_pgtable_safe.h":
        return HEADER
    if name.startswith("Documentation/"):
        return f"{DOCS}/{name.removeprefix('Documentation/')}"
    if name.endswith("Kbuild"):
        return f"{INTREE}/{name.removesuffix('Kbuild')}Makefile"
    return f"{INTREE}/{name}"


def in_tree_code(name, text):
    """Headers by their places."""
    if "/" in name:
        text = text.replace(f'#include "{COMPAT}"', f'#include "../{COMPAT}"')
    if name.startswith("kunit/"):
        text = re.sub(r'^#include "core/', '#include "../core/', text, flags=re.M)
    if '#include "io_pgtable_safe.h"\n' in text:
        text = text.replace('#include "io_pgtable_safe.h"\n', "")
        if "#include" not in text:
            fail("a file whose only header is io_pgtable_safe.h")
        text = includes(text, ["linux/io_pgtable_safe.h"])
    return re.sub(r"\n{3,}", "\n\n", text).rstrip("\n") + "\n"


def paragraphs(text):
    return re.split(r"\n{2,}", text.strip("\n"))


def in_tree_kbuild(text, series, code):
    """Without what looks at the kernel at hand, and what goes with other patches."""
    spdx = text.splitlines()[0]
    drop = r"^# SPDX|KBUILD_EXTMOD|\biopt-|UBSAN_SANITIZE"
    if "define __guarded_by" in code:
        drop += "|CONTEXT_ANALYSIS"
    kept = [p for p in paragraphs(text) if not re.search(drop, p)]
    if "TRACE_INCLUDE_PATH" in code:  # a path with slashes is too much for checkpatch
        kept.insert(0, "# For trace/define_trace.h\nCFLAGS_io_pgtable_safe.o := -I$(src)")
    lines = "\n\n".join([spdx, *kept]).splitlines()
    lines = [line for line in lines
             if not re.search(r"\+= (\w+)/$", line) or series.patch_of(
                 re.search(r"(\w+)/$", line).group(1) + "/Kbuild")]
    return "\n".join(lines) + "\n"


def absent_options(kbuild, series):
    """Options of directories that are in no patch."""
    return {option for option, directory in re.findall(r"obj-\$\(CONFIG_(\w+)\) \+= (\w+)/", kbuild)
            if not series.patch_of(f"{directory}/Kbuild")}


def in_tree_kconfig(text, absent):
    entries = re.split(r"^(?=config )", text, flags=re.M)
    return "".join(entry for entry in entries
                   if not re.match(r"config (\w+)", entry) or
                   re.match(r"config (\w+)", entry).group(1) not in absent).rstrip() + "\n"


# --- documentation ------------------------------------------------------------

def quoted(project, directory, file, options):
    """A literalinclude as code: kernel documentation includes nothing from elsewhere."""
    options = dict(re.findall(r"^\s+:([\w-]+):[ ]?(.*)$", options, re.M))
    lines = (project / directory / file).resolve().read_text(encoding="utf-8").splitlines()
    first = next(n for n, line in enumerate(lines) if options["start-at"] in line)
    last = len(lines)
    for n in range(first, len(lines)):
        if "end-at" in options and options["end-at"] in lines[n]:
            last = n + 1
            break
        if "end-before" in options and n > first and options["end-before"] in lines[n]:
            last = n
            break
    lines = ([options["prepend"]] if "prepend" in options else []) + lines[first:last]
    while not lines[-1]:
        lines.pop()
    return ".. code-block:: c\n\n" + "".join(f"   {line.expandtabs()}".rstrip() + "\n" for line in lines)


def in_tree_page(project, text, pages):
    """Comments of their files' new places, code as text, no link to pages left out and no
    section with a picture, which is drawn here."""
    text = "".join(section for section in re.split(r"^(?=.+\n=+\n)", text, flags=re.M)
                   if ".. figure::" not in section)
    text = re.sub(r"^(\.\. kernel-doc:: )(\S+)$",
                  lambda m: m.group(1) + place(m.group(2)), text, flags=re.M)
    text = re.sub(r"^\.\. literalinclude:: (\S+)\n((?:\s+:.*\n)+)",
                  lambda m: quoted(project, "Documentation", m.group(1), m.group(2)),
                  text, flags=re.M)
    return re.sub(r"(?<=[.:]) [^.:]*?:doc:`([\w-]+)`[^.]*\.", lambda m: m.group() if
                  m.group(1) in pages else "", text)


def index_page(pages):
    title = "io_pgtable_safe"
    return (f".. SPDX-License-Identifier: GPL-2.0\n\n{'=' * len(title)}\n{title}\n{'=' * len(title)}\n\n"
            ".. toctree::\n   :maxdepth: 1\n\n" + "".join(f"   {page}\n" for page in pages))


# --- one patch after the other ---------------------------------------------------

def functions(text):
    """Static functions that are not inline, each with its comment: (name, first, end) lines."""
    lines = text.split("\n")
    for n, line in enumerate(lines):
        if line != "{":
            continue
        first = n - 1
        while first > 0 and lines[first - 1] and not re.match(r"[}#]|.*(;|\*/)$", lines[first - 1]):
            first -= 1
        head = " ".join(lines[first:n])
        names = re.findall(r"\b((?!__)\w+)\(", head)
        if not re.match(r"static (?!inline|__always_inline)", head) or not names:
            continue
        if lines[first - 1].endswith("*/"):
            first -= 1
            while not lines[first].startswith("/*"):
                first -= 1
        end = lines.index("}", n) + 1
        yield names[0], first, end + (not lines[end])


def words(text):
    """How often each word is there, comments left out."""
    return collections.Counter(re.findall(r"\w+", re.sub(r"/\*.*?\*/", "", text, flags=re.S)))


def drop_unused(files):
    """The compiler warns of a static function that only a later patch uses."""
    again = True
    while again:
        again = False
        count = words("".join(files.values()))
        for name, text in files.items():
            lines = text.split("\n")
            for function, first, end in reversed(list(functions(text))):
                if words("\n".join(lines[first:end]))[function] == count[function]:
                    del lines[first:end]
                    again = True
            files[name] = "\n".join(lines)


def exported(text):
    return re.findall(r"^EXPORT_SYMBOL_NS_GPL\((\w+),", text, re.M)


def without(files, later):
    """What the files are before the parts LATER, names and texts, are there."""
    for name, text in files.items():
        for part in later:
            text = re.sub(rf'^#include "{part}"\n', "", text, flags=re.M)
            text = re.sub(rf"^ \* {part} .*\n", "", text, flags=re.M)
        for function in (f for part in later.values() for f in exported(part)):
            if name == "io_pgtable_safe.h":
                text = re.sub(rf"^[a-z][^;{{}}#/]*?\b{function}\([^;{{}}]*\);\n", "", text, flags=re.M)
                text = re.sub(rf"^DEFINE_FREE\({function},[^;]*?\(_T\)\)\n", "", text, flags=re.M)
            else:
                text = re.sub(rf"^\t+{function}\([^;{{}}]*\);\n", "", text, flags=re.M)
        files[name] = re.sub(r"\n{3,}", "\n\n", text)


def state(project, series, patch, files):
    """Every file as it is after PATCH, by its place."""
    present = series.until(patch)
    if patch == series.patches[0]:  # as the next one needs it
        after = state(project, series, series.patches[1], files)
        return {place(name): after[place(name)] for name in files if series.patch_of(name) == patch}
    now = {name: text for name, text in files.items() if series.patch_of(name) in present}
    later = {name: text for name, text in files.items()
             if name.startswith("core/") and series.patch_of(name) not in present}
    code = {name: now[name] for name in now if re.match(r"core/|io_pgtable_safe\.[ch]", name)}
    if "io_pgtable_safe.c" in now:
        without(code, later)
        drop_unused(code)
    now.update(code)
    everything = "".join(files.values())
    absent = absent_options(files["Kbuild"], series)
    if "kunit" not in present:
        absent.add("IO_PGTABLE_SAFE_KUNIT_TEST")
    pages = [pathlib.PurePath(name).stem for name in now if name.endswith(".rst")]
    result = {}
    for name, text in now.items():
        if name.endswith((".c", ".h")):
            text = in_tree_code(name, text)
        elif name == "Kbuild" and "kunit" not in present:
            text = re.sub(r"^obj.*kunit/\n", "", in_tree_kbuild(text, series, everything), flags=re.M)
        elif name.endswith("Kbuild"):
            text = in_tree_kbuild(text, series, everything if name == "Kbuild" else "")
        elif name == "Kconfig":
            text = in_tree_kconfig(text, absent)
        elif name.endswith(".rst"):
            text = in_tree_page(project, text, pages)
        result[place(name)] = text
    if pages:
        order = [pathlib.PurePath(name).stem for name in series.patterns["docs"]]
        result[f"{DOCS}/index.rst"] = index_page(order)
    return result


# --- files of the kernel --------------------------------------------------------

ENTRY = """IO_PGTABLE_SAFE, CHECKED IO-PGTABLE FOR GPU DRIVERS
M:	{}
L:	iommu@lists.linux.dev
S:	Maintained
{}
"""


def edit(repository, file, pattern, new):
    path = repository / file
    text, count = re.subn(pattern, new, path.read_text(encoding="utf-8"), count=1, flags=re.M)
    if not count:
        fail(f"{file} has no {pattern}")
    path.write_text(text, encoding="utf-8")


def edit_kernel(repository, series, patch, maintainer, driver, intree):
    """intree.sh names the module; here is what only a series has."""
    if patch == series.patches[0]:
        where = "".join(f"F:	{place}\n" for place in (f"{DOCS}/", f"{INTREE}/", HEADER))
        edit(repository, "MAINTAINERS", r"^IO_URING$", lambda m: ENTRY.format(maintainer, where) + m.group())
    if patch == series.patch_of("Kbuild"):
        run("bash", "-c", f'. "{intree}" && name_module "{repository}"')
    if patch == "docs":
        edit(repository, "Documentation/driver-api/index.rst", r"^   ipmb$",
             lambda m: "   io_pgtable_safe/index\n" + m.group())
    if patch == "panfrost":
        convert(repository, driver)


def convert(repository, driver):
    for path in driver.glob("*.[ch]"):
        target = repository / PANFROST / path.name
        text = path.read_text(encoding="utf-8")
        if target.exists() and text != target.read_text(encoding="utf-8"):
            text = re.sub(r'^#include ["<]io_pgtable_safe\.h[">]\n', "", text, flags=re.M)
            if text.count("io_pgtable_safe_"):
                text = includes(text, ["linux/io_pgtable_safe.h"])
            # What spatch leaves where it deletes.
            text = re.sub(r"\n{3,}", "\n\n", re.sub(r"^[ \t]+$", "", text, flags=re.M))
            target.write_text(text, encoding="utf-8")
    edit(repository, f"{PANFROST}/Kconfig", r"^\tselect IOMMU_IO_PGTABLE_LPAE$",
         lambda m: m.group() + "\n\tselect IO_PGTABLE_SAFE")


def commit(repository, message):
    run("git", "-C", str(repository), "add", "--all", *TOUCHED)
    run("git", "-C", str(repository), "commit", "--quiet", "--signoff", "--file", str(message))


TOUCHED = ("drivers", "include", "Documentation", "MAINTAINERS")


def write(repository, files):
    for name, text in files.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main():
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    project, kernel, repository, driver = (pathlib.Path(sys.argv[n]).resolve() for n in (1, 2, 3, 5))
    maintainer = sys.argv[4]
    series = Series(project)
    files = sources(project, series)
    files[COMPAT] = (project / COMPAT).read_text(encoding="utf-8")
    files = for_kernel(files, facts(project, kernel, files))
    left = [name for name, text in files.items()
            if "IO_PGTABLE_SAFE_HAVE" in text and name.endswith((".c", ".h"))]
    if left:
        fail(f"undecided: {' '.join(left)}")
    (repository / "include/linux").mkdir(parents=True, exist_ok=True)
    for patch in series.patches:
        if series.patterns[patch] and patch not in map(series.patch_of, files):
            continue  # there is none of its files yet
        write(repository, state(project, series, patch, files))
        edit_kernel(repository, series, patch, maintainer, driver, project / "scripts/intree.sh")
        commit(repository, project / f"upstream/{patch}.txt")


if __name__ == "__main__":
    main()
