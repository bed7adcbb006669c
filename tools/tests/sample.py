"""A small source tree that keeps every rule, for tests that break one rule at a time."""

import tempfile
import unittest
from pathlib import Path

import house

FILES = {
    "src/LAYERS": "# comment\nL0 pure base\nL1 pure port record\nL2 impure os\n",
    "src/base/time.h": "#pragma once\nstruct Instant {};\n",
    "src/record/batch.h": '#pragma once\n#include "base/time.h"\n',
    "src/os/loop.cc": '#include <thread>\n\n#include "record/batch.h"\n',
    "Makefile": "help: ## help\nbuild: ## build\n",
    "ARCHITECTURE.md": "| L0 | `base` | x |\n| L1 | `port` | x |\n| L1 | `record` | x |\n"
                       "| L2 | `os` | x |\n",
    "README.md": "# A\n\n## B\n\n```sh\nmake build  # builds\n```\n[map](ARCHITECTURE.md)\n",
    "README.zh-CN.md": "# 甲\n\n## 乙\n\n```sh\nmake build  # 编译\n```\n",
}


class TreeTest(unittest.TestCase):
    """Gives each test a fresh copy of the sample in self.tree."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        top = Path(folder.name)
        self.tree = house.Tree(top, top / "build")
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.tree.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def assert_complains(self, problems: list[str], *parts: str) -> None:
        """Exactly one complaint, and it holds all the parts."""
        self.assertEqual(len(problems), 1, problems)
        for part in parts:
            self.assertIn(part, problems[0])
