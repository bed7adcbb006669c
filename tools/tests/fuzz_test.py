import contextlib
import io
import tempfile
import unittest
from pathlib import Path

import fuzz
import test_results


class Fuzz(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.build = Path(folder.name)
        self.output = io.StringIO()

    def target(self, name: str, script: str) -> None:
        path = self.build / "src" / "record" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run_all(self, *names: str) -> int:
        with contextlib.redirect_stdout(self.output):
            return fuzz.run_all(self.build, self.build, list(names), 1)

    def results(self, exit_code: int) -> test_results.Results:
        return test_results.from_output("fuzz", self.output.getvalue(), exit_code)

    def test_a_crash_is_a_failure_and_says_how_to_repeat_it(self):
        self.target("good_fuzz", "echo stat::number_of_executed_units: 7 >&2")
        self.target("bad_fuzz", "echo number_of_executed_units: 7 >&2\n"
                                "echo Test unit written to bad_fuzz-crash-1 >&2; exit 77")
        self.assertEqual(self.run_all(), 1)
        self.assertEqual(self.results(1).failures, ["fuzz: bad_fuzz"])
        self.assertEqual(self.results(1).passed, 1)
        self.assertRegex(self.output.getvalue(), r"repeat with: \S*/bad_fuzz bad_fuzz-crash-1")

    def test_a_target_that_tried_no_input_is_a_failure(self):
        self.target("idle_fuzz", "exit 0")
        self.assertEqual(self.run_all(), 1)

    def test_unknown_targets_and_no_targets_are_failures(self):
        self.assertEqual(self.run_all(), 2)
        self.target("good_fuzz", "echo number_of_executed_units: 7 >&2")
        self.assertEqual(self.run_all("good_fuzz"), 0)
        self.assertEqual(self.run_all("lost_fuzz"), 2)
        self.assertIn("there are: good_fuzz", self.output.getvalue())
