#!/usr/bin/env python3
"""Files and functions stay small enough to be read in one go.

A file has at most 600 lines, a function at most 70, a line at most 100 columns, and half of the C++
files have at most 150 lines. tools/size_ratchet.txt may hold exceptions, one per line:

    file <path> <lines> <reason>
    function <path>:<name> <lines> <reason>

An exception may only shrink: when the thing got smaller, the line must say so; when it fits, the
line must go.
"""

import ast
import re
import statistics
from dataclasses import dataclass
from pathlib import Path

import cpp_text
import house

FILE_LINES = 600
FUNCTION_LINES = 70
MEDIAN_FILE_LINES = 150
LINE_COLUMNS = 100
RATCHET = "tools/size_ratchet.txt"
CODE_SUFFIXES = (".h", ".cc", ".py", ".sh", ".cmake", ".go", ".js", ".java")
ENTRY = re.compile(r"(file|function) (\S+) (\d+) (\S.*)")


@dataclass(frozen=True)
class Size:
    kind: str  # "file" or "function"
    name: str  # path, or path:function
    lines: int
    place: str  # for people: path or path:line

    @property
    def limit(self) -> int:
        return FILE_LINES if self.kind == "file" else FUNCTION_LINES


def python_functions(text: str) -> list[cpp_text.Function]:
    return [cpp_text.Function(node.name, node.lineno, node.end_lineno or node.lineno)
            for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def sizes_of(name: str, suffix: str, text: str) -> list[Size]:
    sizes = [Size("file", name, len(text.splitlines()), name)]
    functions = []
    if suffix in house.CPP_SUFFIXES:
        functions = cpp_text.functions(text)
    elif suffix == ".py":
        functions = python_functions(text)
    for function in functions:
        sizes.append(Size("function", f"{name}:{function.name.replace(' ', '')}", function.lines,
                          f"{name}:{function.first_line}"))
    return sizes


def read_ratchet(path: Path) -> tuple[dict[tuple[str, str], int], list[str]]:
    entries: dict[tuple[str, str], int] = {}
    problems = []
    lines = house.read(path).splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = ENTRY.fullmatch(line.strip())
        if match is None:
            problems.append(f"{RATCHET}:{number}: expected 'file|function <name> <lines> <reason>'")
            continue
        entries[match.group(1), match.group(2)] = int(match.group(3))
    return entries, problems


def size_problems(sizes: list[Size], ratchet: dict[tuple[str, str], int]) -> list[str]:
    problems = []
    largest: dict[tuple[str, str], int] = {}
    for size in sizes:
        key = (size.kind, size.name)
        largest[key] = max(largest.get(key, 0), size.lines)
        allowed = max(size.limit, ratchet.get(key, 0))
        if size.lines > allowed:
            problems.append(f"{size.place}: {size.kind} {size.name.split(':')[-1]} has "
                            f"{size.lines} lines, the limit is {allowed}")
    for (kind, name), allowed in sorted(ratchet.items()):
        now = largest.get((kind, name), 0)
        limit = FILE_LINES if kind == "file" else FUNCTION_LINES
        if now <= limit:
            problems.append(f"{RATCHET}: {kind} {name} fits now; remove its line")
        elif now < allowed:
            problems.append(f"{RATCHET}: {kind} {name} has only {now} lines now; lower {allowed}")
    return problems


def check(tree: house.Tree) -> list[str]:
    ratchet, problems = read_ratchet(tree.source / RATCHET)
    sizes = []
    for file in tree.files(*CODE_SUFFIXES):
        name, text = tree.name(file), house.read(file)
        try:
            sizes += sizes_of(name, file.suffix, text)
        except (cpp_text.Unreadable, SyntaxError) as error:
            problems.append(f"{name}: cannot be read: {error}")
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > LINE_COLUMNS:
                problems.append(f"{name}:{number}: {len(line)} columns, the limit is "
                                f"{LINE_COLUMNS}")
    problems += size_problems(sizes, ratchet)
    cpp_files = [size.lines for size in sizes
                 if size.kind == "file" and Path(size.name).suffix in house.CPP_SUFFIXES]
    if cpp_files and statistics.median(cpp_files) > MEDIAN_FILE_LINES:
        problems.append(f"src: the median file has {statistics.median(cpp_files):.0f} lines, "
                        f"the limit is {MEDIAN_FILE_LINES}")
    return problems


if __name__ == "__main__":
    house.main(check)
