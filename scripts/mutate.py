#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Put small changes into C sources, each behind a number, all in one build.

mutate.py COMMAND... --build DIR --sources DIR --originals DIR --list FILE
	  [--choose JSON] [--without FILE]

Parses, with libclang, what was compiled by kbuild's .cmd files, and changes those files
of --sources that have code in functions. What they were before is in --originals. In them

	if (a < b)

reads, with mutant() from mutant.h,

	if ((mutant(7) ? (a <= b) : (a < b)))

A mutant is an object of the list: file, line, function, operator, the text before
and after. Expressions come from the parser, so that operands and types are right
also in what is given to macros; what a macro's own body says is left alone.
"""

import argparse
import bisect
import ctypes
import fnmatch
import json
import pathlib
import re
import shlex
import sys

from clang import cindex
from clang.cindex import CursorKind as K, TypeKind as T

RELATIONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "/", "<<": ">>", ">>": "<<",
              "&": "|", "|": "&", "^": "&"}
ASSIGNMENTS = {"+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=", "<<=": ">>=", ">>=": "<<=",
               "*=": "/=", "/=": "*="}
BOUNDS = {"min": "max", "max": "min", "min_t": "max_t", "max_t": "min_t",
          "min3": "max3", "max3": "min3"}
ERRNOS = ["EINVAL", "ERANGE", "EOVERFLOW", "EEXIST", "ENOENT", "ENOTBLK", "EBUSY", "ENOMEM",
          "EIO", "EOPNOTSUPP", "EINTR", "EUCLEAN"]
# What states or checks something and does nothing.
STATEMENTS = re.compile(r"(lockdep_assert\w*|BUILD_BUG\w*|static_assert|might_\w+|prefetch\w*|"
                        r"__acquire|__release|OPTIMIZER_HIDE_VAR)\(")
INTEGERS = {T.BOOL, T.UCHAR, T.SCHAR, T.CHAR_S, T.USHORT, T.SHORT, T.UINT, T.INT, T.ULONG,
            T.LONG, T.ULONGLONG, T.LONGLONG}
# An assignment that calls nothing.
PLAIN = re.compile(r"(?P<to>[\w.]+(?:->[\w.]+)*) ?([-+*/|&^]?= [^()=]+|\+\+|--);")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


def fold(text):
    """A piece of code on one line, without comments."""
    return " ".join(COMMENT.sub(" ", text).split())


# --- where something stands ----------------------------------------------------


def offset(function, location):
    """File and offset by a function of libclang's that its binding leaves out."""
    file, pos = ctypes.c_void_p(), ctypes.c_uint()
    function(location, ctypes.byref(file), None, None, ctypes.byref(pos))
    return file.value, pos.value


LIBRARY = cindex.conf.lib
for name in ("clang_getSpellingLocation", "clang_getFileLocation",
             "clang_getExpansionLocation"):
    getattr(LIBRARY, name).argtypes = [
        cindex.SourceLocation, ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p,
        ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint)]


def written(cursor, text):
    """Where an expression is written down, if that is one place and in no macro's body."""
    places = []
    for location in (cursor.extent.start, cursor.extent.end):
        place = offset(LIBRARY.clang_getSpellingLocation, location)
        if place != offset(LIBRARY.clang_getFileLocation, location):
            return None
        places.append(place[1])
    return whole_names(text, *places)


def whole_names(text, start, end):
    """Within a macro's arguments, an expression that ends with another macro ends, for
    libclang, where the name of that begins, or within it."""
    if start > end:
        return None
    before, after = text[end - 1:end], text[end:end + 1]
    if start == end or re.search(r"[-+*/%&|^<>=!~?:,(]\s*$", text[start:end]) or \
       re.match(r"\w\w", before + after):
        end = re.compile(r"\w*").match(text, end).end()
        if text[end:end + 1] == "(":
            end = closing(text, end + 1)
    return (start, end) if start < end else None


def closing(text, pos):
    """Behind the parenthesis that closes the one before pos."""
    depth = 1
    while depth:
        depth += {"(": 1, ")": -1}.get(text[pos], 0)
        pos += 1
    return pos


def expanded(cursor):
    """From the first to the last character of a statement, a macro's name and arguments if
    it is one."""
    return tuple(offset(LIBRARY.clang_getExpansionLocation, location)[1]
                 for location in (cursor.extent.start, cursor.extent.end))


# --- what is changed -----------------------------------------------------------


class Source:
    """A file, and its mutants by where they are."""

    def __init__(self, path, name):
        self.name = name
        self.text = path.read_text(encoding="utf-8")
        self.lines = [m.end() for m in re.finditer("\n", self.text)]
        self.expressions = {}   # (start, end): [mutant]
        self.statements = {}    # (start, end): [mutant that leaves it out]
        self.before = {}        # start: [(mutant, text in front)]
        self.seen = set()

    def forget_others(self):
        """Keep what has got a number."""
        for sites in (self.expressions, self.statements, self.before):
            for where in list(sites):
                sites[where] = [m for m in sites[where]
                                if "nr" in (m[0] if isinstance(m, tuple) else m)]
                if not sites[where]:
                    del sites[where]

    def line(self, pos):
        return bisect.bisect_right(self.lines, pos) + 1

    def at(self, where):
        return self.text[slice(*where)]

    def balanced(self, start, end):
        text = COMMENT.sub("", self.text[start:end])
        return all(text.count(a) == text.count(b) for a, b in ("()", "{}", "[]"))


class Mutator:
    def __init__(self):
        self.sources, self.mutants = {}, []
        self.function = None
        self.macro = None       # the call whose body is being looked at

    def add(self, source, where, kind, before, after):
        """A mutant of this kind; None if it is already there or may not be."""
        key = (source.name, where, kind, after)
        if where == self.macro or key in source.seen or "\n#" in source.text[where[0]:where[1]]:
            return None
        source.seen.add(key)
        mutant = {"id": f"{source.name}:{where[0]}:{kind}:{fold(after)}", "file": source.name,
                  "line": source.line(where[0]), "function": self.function, "kind": kind,
                  "before": fold(before), "after": fold(after), "text": after}
        self.mutants.append(mutant)
        return mutant

    def expression(self, source, where, kind, after):
        mutant = self.add(source, where, kind, source.text[where[0]:where[1]], after)
        if mutant:
            source.expressions.setdefault(where, []).append(mutant)

    # --- expressions ---

    def negate(self, source, cursor):
        where = written(cursor, source.text)
        if not where or not source.balanced(*where):
            return
        op = self.operator(source, cursor)
        if op and op[0] in ("==", "!="):
            return          # the same as the relation exchanged
        self.expression(source, where, "negate", f"!({source.at(where)})")

    def operator(self, source, cursor):
        """(operator, left, right) of a binary operation, the operands as places."""
        cursor = stripped(cursor)
        if cursor.kind not in (K.BINARY_OPERATOR, K.COMPOUND_ASSIGNMENT_OPERATOR):
            return None
        operands = list(cursor.get_children())
        whole = written(cursor, source.text)
        if len(operands) != 2:
            return None
        left, right = (written(o, source.text) for o in operands)
        if not (whole and left and right and whole[0] == left[0] and right[1] == whole[1]):
            return None
        return fold(source.text[left[1]:right[0]]), left, right

    def chain(self, source, cursor, op):
        """The operands of a && b && c, in order."""
        found = self.operator(source, cursor)
        if not found or found[0] != op or stripped(cursor).kind != K.BINARY_OPERATOR:
            return [written(cursor, source.text)]
        left, right = list(stripped(cursor).get_children())
        return self.chain(source, left, op) + [written(right, source.text)]

    def logical(self, source, cursor, op, left, right, inner):
        whole = (left[0], right[1])
        other = {"&&": "||", "||": "&&"}[op]
        self.expression(source, whole, "logic",
                        f"({source.at(left)}) {other} ({source.at(right)})")
        if inner:
            return          # the outermost of a chain has dropped each operand
        operands = self.chain(source, cursor, op)
        if None in operands:
            return
        for skipped in range(len(operands)):
            rest = [f"({source.at(o)})" for i, o in enumerate(operands) if i != skipped]
            self.expression(source, whole, "operand", f" {op} ".join(rest))

    def binary(self, source, cursor, parent):
        found = self.operator(source, cursor)
        if not found:
            return
        op, left, right = found
        whole = (left[0], right[1])
        if op in ("&&", "||"):
            inner = (self.operator(source, parent) or [None])[0] if parent else None
            self.logical(source, cursor, op, left, right, inner == op)
        elif op in RELATIONS:
            self.expression(source, whole, "relation",
                            f"{source.at(left)} {RELATIONS[op]} {source.at(right)}")
        elif op in ARITHMETIC and not self.pointers(cursor, op):
            self.expression(source, whole, "arithmetic",
                            f"({source.at(left)}) {ARITHMETIC[op]} ({source.at(right)})")
        elif op in ASSIGNMENTS:
            self.expression(source, whole, "assignment",
                            f"{source.at(left)} {ASSIGNMENTS[op]} {source.at(right)}")

    @staticmethod
    def pointers(cursor, op):
        """Two pointers have a difference, but no sum."""
        return op == "-" and all(c.type.get_canonical().kind == T.POINTER
                                 for c in stripped(cursor).get_children())

    def elvis(self, source, cursor):
        """a ?: b becomes a, or b."""
        whole = written(cursor, source.text)
        operands = [written(c, source.text) for c in cursor.get_children()]
        operands = sorted({o for o in operands if o})
        if not whole or len(operands) != 2:
            return
        left, right = operands
        if left[0] != whole[0] or right[1] != whole[1] or \
           fold(source.text[left[1]:right[0]]) != "?:":
            return
        for operand in operands:
            self.expression(source, whole, "operand", source.at(operand))

    def unary(self, source, cursor, conditions):
        where = written(cursor, source.text)
        if not where:
            return
        text = source.at(where)
        errno = re.fullmatch(r"-\s*(E[A-Z0-9]+)", text)
        if text.startswith("!") and where not in conditions:
            self.expression(source, where, "negate", f"!!{text[1:]}")
        elif text.startswith("~"):
            self.expression(source, where, "mask", text[1:])
        elif text.startswith(("++", "--")) or text.endswith(("++", "--")):
            self.expression(source, where, "assignment",
                            re.sub(r"\+\+|--", lambda m: {"++": "--", "--": "++"}[m[0]], text))
        elif errno:
            self.errno(source, where, errno[1])

    def errno(self, source, where, name):
        other = ERRNOS[(ERRNOS.index(name) + 1) % len(ERRNOS)] if name in ERRNOS else "EINVAL"
        self.expression(source, where, "errno", f"-{other}")
        self.expression(source, where, "errno", "0")

    def literal(self, source, cursor):
        where = written(cursor, source.text)
        text = source.at(where) if where else ""
        number = re.fullmatch(r"(0[xX][0-9a-fA-F]+|[0-9]+)([uUlL]*)", text)
        if not number:
            return
        value = int(number[1], 8 if re.fullmatch("0[0-7]+", number[1]) else 0)
        for other in (1,) if value == 0 else (value - 1, value + 1):
            self.expression(source, where, "constant", f"{other}{number[2]}")

    def reference(self, source, cursor):
        where = written(cursor, source.text)
        text = source.at(where) if where else ""
        if text in ("true", "false"):
            self.expression(source, where, "constant", "false" if text == "true" else "true")

    def returned(self, source, cursor, function):
        value = next(cursor.get_children(), None)
        where = written(value, source.text) if value else None
        if not where or not source.balanced(*where):
            return
        text = source.at(where)
        result = function.result_type.get_canonical()
        if result.kind == T.BOOL and text not in ("true", "false"):
            op = self.operator(source, value)
            if not op or op[0] not in ("==", "!="):
                self.expression(source, where, "negate", f"!({text})")
        elif result.kind in INTEGERS and result.kind != T.BOOL and \
                not re.fullmatch(r"-?\s*\w+|-\s*E\w+", text) or re.fullmatch("err", text):
            self.expression(source, where, "return", "0")

    # --- statements ---

    def statement(self, source, cursor):
        """Where a statement stands that can be left out, its semicolon included."""
        if cursor.kind in (K.DECL_STMT, K.RETURN_STMT, K.GOTO_STMT, K.BREAK_STMT,
                           K.CONTINUE_STMT, K.NULL_STMT, K.COMPOUND_STMT, K.LABEL_STMT,
                           K.CASE_STMT, K.DEFAULT_STMT, K.SWITCH_STMT):
            return None
        start, end = expanded(cursor)
        rest = re.match(r"\s*;", source.text[end:end + 200])
        text = source.text[start:end]
        if (start, end) == self.macro or not text or not rest or \
           not source.balanced(start, end) or STATEMENTS.match(text) or \
           re.match(r"(if|for|while|do|switch|return|goto)\b", text) or "\n#" in text:
            return None
        return start, end + rest.end()

    def simple_if(self, source, cursor):
        """An if without a way out of the block, to be exchanged with its neighbour."""
        if cursor.kind != K.IF_STMT:
            return None
        start, end = expanded(cursor)
        rest = re.match(r"\s*;", source.text[end:end + 200])
        if rest:
            end += rest.end()
        elif source.text[end - 1:end] not in ("}", ";"):
            return None
        text = source.text[start:end]
        if re.search(r"\b(return|goto|break|continue|case|default)\b", COMMENT.sub("", text)) or \
           not source.balanced(start, end) or not re.match(r"if\b", text):
            return None
        return start, end

    def drop(self, source, cursor):
        where = self.statement(source, cursor)
        if where:
            mutant = self.add(source, where, "drop", source.at(where), "")
            if mutant:
                source.statements.setdefault(where, []).append(mutant)

    def swap(self, source, first, second):
        a = self.statement(source, first) or self.simple_if(source, first)
        b = self.statement(source, second) or self.simple_if(source, second)
        if not a or not b or a[1] > b[0] or fold(source.text[a[1]:b[0]]):
            return
        text = source.text
        if independent(fold(text[slice(*a)]), fold(text[slice(*b)])):
            return
        mutant = self.add(source, (a[0], b[1]), "swap", text[a[0]:b[1]],
                          text[slice(*b)] + " " + text[slice(*a)])
        if mutant:
            source.before.setdefault(a[0], []).append((mutant, text[slice(*b)]))
            source.statements.setdefault(b, []).append(mutant)

    # --- the walk ---

    def source_of(self, cursor):
        place = cursor.location.file
        return self.sources.get(place.name) if place else None

    def conditions(self, source, cursor):
        children = list(cursor.get_children())
        if cursor.kind in (K.IF_STMT, K.WHILE_STMT, K.CONDITIONAL_OPERATOR):
            return children[:1]
        if cursor.kind == K.DO_STMT:
            return children[-1:]
        if cursor.kind == K.FOR_STMT:
            where = written(cursor, source.text)
            head = re.match(r"for\s*\(([^;]*);([^;]*);", source.text[where[0]:]) if where else None
            if head:
                inside = range(*(where[0] + pos for pos in head.span(2)))
                return [c for c in children
                        if (written(c, source.text) or [None])[0] in inside]
        return []

    def walk(self, source, cursor, function, parent=None, conditions=(), macro=None):
        self.macro = macro
        if cursor.kind == K.CXX_UNARY_EXPR or cursor.kind == K.VAR_DECL and \
           cursor.storage_class == cindex.StorageClass.STATIC:
            return          # sizeof, and what must be constant
        here = expanded(cursor)
        if STATEMENTS.match(source.text, here[0]):
            return
        found = [c for c in self.conditions(source, cursor) if expanded(c) != here]
        conditions = set(conditions) | {written(c, source.text) for c in found}
        for condition in found:
            self.negate(source, condition)
        if cursor.kind in (K.BINARY_OPERATOR, K.COMPOUND_ASSIGNMENT_OPERATOR):
            self.binary(source, cursor, parent)
        elif cursor.kind == K.UNARY_OPERATOR:
            self.unary(source, cursor, conditions)
        elif cursor.kind == K.INTEGER_LITERAL:
            self.literal(source, cursor)
        elif cursor.kind == K.DECL_REF_EXPR:
            self.reference(source, cursor)
        elif cursor.kind == K.RETURN_STMT:
            self.returned(source, cursor, function)
        elif cursor.kind == K.UNEXPOSED_EXPR or cursor.kind == K.UNEXPOSED_STMT:
            self.elvis(source, cursor)

        children = list(cursor.get_children())
        bodies = children if cursor.kind == K.COMPOUND_STMT else \
            [c for c in children if c not in found] \
            if cursor.kind in (K.IF_STMT, K.WHILE_STMT, K.DO_STMT) else \
            children[-1:] if cursor.kind in (K.FOR_STMT, K.CASE_STMT, K.DEFAULT_STMT,
                                             K.LABEL_STMT) else []
        for body in bodies:
            self.drop(source, body)
        if cursor.kind == K.COMPOUND_STMT:
            for first, second in zip(children, children[1:]):
                self.swap(source, first, second)
        if cursor.kind == K.CASE_STMT:
            children = children[1:]
        outer = cursor if stripped(cursor) == cursor else parent
        for child in children:
            # Only what a macro makes stands where its parent does
            inside = here if cursor.kind != K.UNEXPOSED_EXPR and expanded(child) == here else macro
            self.walk(source, child, function, outer, conditions, inside)

    def bounds(self, source, function):
        """min() and max(), which are macros, exchanged."""
        body = next((c for c in function.get_children() if c.kind == K.COMPOUND_STMT), None)
        if not body:
            return
        start, end = expanded(body)
        for call in re.finditer(r"\b(min|max)(_t|3)?\(", source.text[start:end]):
            pos = closing(source.text, start + call.end())
            where = (start + call.start(), pos)
            name = call[0][:-1]
            self.expression(source, where, "bound",
                            BOUNDS[name] + source.text[where[0] + len(name):pos])

    def unit(self, unit):
        for cursor in unit.cursor.get_children():
            source = self.source_of(cursor)
            if not source or cursor.kind != K.FUNCTION_DECL or not cursor.is_definition():
                continue
            if not written(cursor, source.text):
                continue    # made by a macro
            self.function = cursor.spelling
            self.walk(source, cursor, cursor)
            self.macro = None
            self.bounds(source, cursor)


def independent(first, second):
    """Two assignments of which neither reads or writes what the other one writes."""
    a, b = PLAIN.fullmatch(first), PLAIN.fullmatch(second)
    return a and b and a["to"] not in second and b["to"] not in first


def stripped(cursor):
    """An expression without the conversions that the compiler puts around it."""
    while cursor.kind == K.UNEXPOSED_EXPR:
        inner = list(cursor.get_children())
        if len(inner) != 1 or inner[0].extent != cursor.extent:
            break
        cursor = inner[0]
    return cursor


# --- how it is written -----------------------------------------------------------


def render(source, start=0, end=None, inside=None):
    """The text from start to end, with the mutants in it; inside is the site around it."""
    end = len(source.text) if end is None else end
    sites = sorted((where for where in set(source.expressions) | set(source.statements)
                    if start <= where[0] and where[1] <= end and where != inside and
                    (inside is None or where[1] - where[0] < inside[1] - inside[0])),
                   key=lambda where: (where[0], -where[1]))
    marks = sorted(pos for pos in source.before
                   if start <= pos < end and not (inside and pos == start))
    out, pos = [], start
    for where in sites:
        if where[0] < pos:
            continue        # in the one before
        out.append(with_marks(source, pos, where[0], marks))
        out.append(marked(source, where[0], marks))
        out.append(site(source, where))
        pos = where[1]
    out.append(with_marks(source, pos, end, marks))
    return "".join(out)


def with_marks(source, start, end, marks):
    """Plain text in which statements may stand that others are moved in front of."""
    out, pos = [], start
    for mark in [m for m in marks if start <= m < end]:
        out.append(source.text[pos:mark] + marked(source, mark, marks))
        pos = mark
    return "".join(out) + source.text[pos:end]


def marked(source, pos, marks):
    if pos not in marks:
        return ""
    marks.remove(pos)
    return "".join(f"if (mutant({mutant['nr']})) {{\n/*@{mutant['nr']}*/ {fold(text)}\n}}\n"
                   for mutant, text in source.before[pos])


def site(source, where):
    inner = render(source, *where, inside=where)
    if where in source.statements:
        guards = " || ".join(f"mutant({m['nr']})" for m in source.statements[where])
        return f"{{ if (!({guards})) {{\n{inner}\n}} }}"
    tests = "".join(f"mutant({m['nr']}) ?\n/*@{m['nr']}*/ ({fold(m['text'])}) :\n"
                    for m in source.expressions[where])
    return f"({tests}({inner}))"


# --- the command line ------------------------------------------------------------


# What the parser has to know of gcc's command line.
ARGUMENTS = re.compile(r"-([IDU].+|std=.*|nostdinc|m64|fshort-wchar|fms-extensions)$")


def compile_arguments(command_file):
    """Arguments for libclang, and the source file, of a kbuild .cmd file."""
    line = command_file.read_text(encoding="utf-8").splitlines()[0]
    words = shlex.split(line.split(":=", 1)[1].split(";")[0])
    arguments = []
    for word, following in zip(words, words[1:]):
        if word in ("-include", "-isystem"):
            arguments += [word, following]
        elif ARGUMENTS.match(word):
            arguments.append(word)
    return arguments, words[-1]


def parse(command_file, directory, texts):
    """The translation unit with these texts for the files of that name."""
    arguments, file = compile_arguments(command_file)
    index = cindex.Index.create()
    arguments += ["-w", f"-working-directory={directory}", "-ferror-limit=0"]
    unit = index.parse(str(pathlib.Path(directory, file)), args=arguments, unsaved_files=texts)
    errors = [d for d in unit.diagnostics if d.severity >= cindex.Diagnostic.Error]
    return unit, errors


EVERYTHING = {"files": "*", "functions": "*", "kinds": "*", "first": "0", "every": "1"}


def choose(mutants, choice, without):
    """Those that are wanted and compile, with their numbers."""
    found = [m for m in mutants if fnmatch.fnmatch(m["file"], choice["files"]) and
             fnmatch.fnmatch(m["function"], choice["functions"]) and
             fnmatch.fnmatch(m["kind"], choice["kinds"])]
    found = [m for m in found[int(choice["first"])::int(choice["every"])]
             if m["id"] not in without]
    for nr, mutant in enumerate(found, 1):
        mutant["nr"] = nr
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("commands", nargs="+", type=pathlib.Path)
    for name in ("build", "sources", "originals", "list"):
        parser.add_argument(f"--{name}", required=True, type=lambda p: pathlib.Path(p).absolute())
    parser.add_argument("--choose", default="{}")
    parser.add_argument("--without", type=pathlib.Path)
    args = parser.parse_args()

    mutator = Mutator()
    for path in sorted([*args.originals.glob("io_pgtable_safe*.[ch]"),
                        *args.originals.glob("core/*.[ch]")]):
        name = str(path.relative_to(args.originals))
        mutator.sources[str(args.sources / name)] = Source(path, name)
    commands = [command.absolute() for command in args.commands]
    texts = [(path, source.text) for path, source in mutator.sources.items()]
    for command in commands:
        unit, errors = parse(command, args.build, texts)
        for error in errors:
            if error.location.file and error.location.file.name in mutator.sources:
                print(f"warning: {error}", file=sys.stderr)
        mutator.unit(unit)
    choice = {**EVERYTHING, **json.loads(args.choose)}
    without = set(json.loads(args.without.read_text())) if args.without else set()
    mutants = choose(mutator.mutants, choice, without)
    for path, source in mutator.sources.items():
        source.forget_others()
        if source.expressions or source.statements:
            pathlib.Path(path).write_text('#include "mutant.h"\n' + render(source),
                                          encoding="utf-8")
    args.list.write_text(json.dumps([{k: v for k, v in m.items() if k != "text"}
                                     for m in mutants], indent=0))


if __name__ == "__main__":
    main()
