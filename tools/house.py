"""What the checks of the source tree have in common.

A check is a function that takes a Tree and returns its complaints, one line each; tools/check_*.py
hold one check each and are run by ctest as house.<name>. tools/tests/ shows for every rule a sample
that breaks it.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

SKIP_EXIT_CODE = 77  # ctest's SKIP_RETURN_CODE for these tests
SKIPPED_FOLDERS = {".git", "build", "node_modules", "__pycache__"}
CPP_SUFFIXES = {".h", ".cc"}


class Skip(Exception):
    """Raised by a check that cannot run here; the message is the reason."""


@dataclass(frozen=True)
class Layer:
    number: int
    pure: bool
    folders: tuple[str, ...]


@dataclass(frozen=True)
class Tree:
    """The source tree under check and the build folder that belongs to it."""

    source: Path
    build: Path

    def name(self, path: Path) -> str:
        return path.relative_to(self.source).as_posix()

    def files(self, *suffixes: str, under: str = ".") -> list[Path]:
        """Files with one of the suffixes, sorted by name, without anything built or fetched."""
        found = []
        for path in sorted((self.source / under).rglob("*")):
            parts = path.relative_to(self.source).parts
            if path.suffix in suffixes and path.is_file() and not SKIPPED_FOLDERS & set(parts):
                found.append(path)
        return found

    def layers(self) -> list[Layer]:
        """The lines of src/LAYERS, lowest first."""
        layers = []
        for line in read(self.source / "src" / "LAYERS").splitlines():
            if line and not line.startswith("#"):
                number, purity, *folders = line.split()
                layers.append(Layer(int(number[1:]), purity == "pure", tuple(folders)))
        return layers

    def pure_folders(self) -> list[str]:
        return [folder for layer in self.layers() if layer.pure for folder in layer.folders]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def main(check: Callable[[Tree], list[str]]) -> None:
    """Runs one check from the command line: prints complaints, exits 1 if there are any."""
    parser = argparse.ArgumentParser()
    top = Path(__file__).resolve().parent.parent
    parser.add_argument("--source", type=Path, default=top)
    parser.add_argument("--build", type=Path, default=top / "build" / "debug")
    options = parser.parse_args()
    try:
        problems = check(Tree(options.source.resolve(), options.build.resolve()))
    except Skip as reason:
        print(f"skipped: {reason}")
        sys.exit(SKIP_EXIT_CODE)
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)
