#!/usr/bin/env python3
"""Every include goes to the same folder or to a strictly lower line of src/LAYERS.

Also: every folder of src/ is listed there, every listed name is used once, and folders are not
nested, except `testdata` (files that tests read) and `testing` (code that only tests use). Headers
that the build generates from schema/ count as `wire`, the one that names the source folder as
`base`.
"""

import re
from pathlib import Path

import cpp_text
import house

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.MULTILINE)
NESTED_ALLOWED = {"testdata", "testing"}
# First folder of an include path → the folder that owns it.
GENERATED = {"generated": "wire", "source_tree": "base"}


def folder_problems(tree: house.Tree, levels: dict[str, int]) -> list[str]:
    problems = []
    for path in sorted((tree.source / "src").rglob("*")):
        if not path.is_dir():
            continue
        parts = path.relative_to(tree.source / "src").parts
        if len(parts) == 1 and parts[0] not in levels:
            problems.append(f"{tree.name(path)}: not listed in src/LAYERS")
        if len(parts) > 1 and parts[1] not in NESTED_ALLOWED:
            problems.append(f"{tree.name(path)}: folders of src/ are not nested "
                            f"(except {' and '.join(sorted(NESTED_ALLOWED))})")
    return problems


def include_problem(tree: house.Tree, levels: dict[str, int], file: Path, target: str) -> str:
    """What is wrong with one include; empty if nothing."""
    here = file.relative_to(tree.source / "src").parts[0]
    first = target.split("/")[0]
    there = GENERATED.get(first, first)
    if "/" not in target or there not in levels:
        return f'"{target}" does not begin with a folder of src/LAYERS'
    folder = tree.build / "generated"
    generated = first in GENERATED or (folder / target).exists() or \
        (there == "wire" and not folder.exists())  # nothing is built yet
    if not generated and not (tree.source / "src" / target).is_file():
        return f'"{target}" does not exist in src/'
    if there != here and levels[there] >= levels[here]:
        return (f"{here} (L{levels[here]}) includes {there} (L{levels[there]}); "
                "an include must go to a strictly lower layer")
    return ""


def check(tree: house.Tree) -> list[str]:
    levels: dict[str, int] = {}
    problems = []
    for layer in tree.layers():
        for folder in layer.folders:
            if folder in levels:
                problems.append(f"src/LAYERS: '{folder}' stands there twice")
            levels[folder] = layer.number
    problems += folder_problems(tree, levels)
    for file in tree.files(*house.CPP_SUFFIXES, under="src"):
        if file.relative_to(tree.source / "src").parts[0] not in levels:
            continue  # reported as a folder already
        text = cpp_text.without_comments(house.read(file))
        for match in INCLUDE.finditer(text):
            problem = include_problem(tree, levels, file, match.group(1))
            if problem:
                line = text.count("\n", 0, match.start()) + 1
                problems.append(f"{tree.name(file)}:{line}: {problem}")
    return problems


if __name__ == "__main__":
    house.main(check)
