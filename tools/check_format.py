#!/usr/bin/env python3
"""The C++ sources look as clang-format 14 writes them. `make fmt` mends what this finds."""

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
    run = subprocess.run([PROGRAM, "--dry-run", "-Werror", f"--style=file", *map(str, files)],
                         cwd=tree.source, capture_output=True, text=True, check=False)
    places = sorted({line.split(" error:")[0].rstrip(":") for line in run.stderr.splitlines()
                     if " error:" in line})
    problems = [f"{place.removeprefix(str(tree.source) + '/')}: not formatted; run `make fmt`"
                for place in places]
    if run.returncode != 0 and not problems:
        problems.append(f"{PROGRAM} failed: {run.stderr.strip()}")
    return problems


if __name__ == "__main__":
    house.main(check)
