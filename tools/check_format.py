#!/usr/bin/env python3
"""The C++ sources look as clang-format 14 writes them. `make fmt` mends what this finds."""

import re
import shutil
import subprocess
from pathlib import Path

import house

PROGRAM = "clang-format-14"
FILES_PER_RUN = 40


def check(tree: house.Tree) -> list[str]:
    if shutil.which(PROGRAM) is None:
        raise house.Skip(f"{PROGRAM} is not installed (Debian package {PROGRAM})")
    files = [file for folder in ("src", "test", "bench") if (tree.source / folder).is_dir()
             for file in tree.files(*house.CPP_SUFFIXES, under=folder)]
    problems = []
    for start in range(0, len(files), FILES_PER_RUN):
        problems += unformatted(tree, files[start:start + FILES_PER_RUN])
    return problems


def unformatted(tree: house.Tree, files: list[Path]) -> list[str]:
    run = subprocess.run([PROGRAM, "--dry-run", "-Werror", "--style=file", *map(str, files)],
                         cwd=tree.source, capture_output=True, text=True, check=False)
    places = re.findall(r"^(.*?):(\d+):\d+: error:", run.stderr, re.MULTILINE)
    first_lines: dict[str, int] = {}
    for name, line in places:
        first_lines[name] = min(int(line), first_lines.get(name, int(line)))
    problems = [f"{name.removeprefix(str(tree.source) + '/')}:{line}: not formatted from here on; "
                "run `make fmt`" for name, line in sorted(first_lines.items())]
    if run.returncode != 0 and not problems:
        problems.append(f"{PROGRAM} failed: {run.stderr.strip()}")
    return problems


if __name__ == "__main__":
    house.main(check)
