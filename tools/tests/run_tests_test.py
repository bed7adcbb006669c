import contextlib
import io
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import run_tests
import test_results
from suites import Suite


def shell(name: str, script: str, **settings) -> Suite:
    return Suite(name, "test", ("sh", "-c", script), **{"minutes": 1, **settings})


class RunGroup(unittest.TestCase):
    def run_suites(self, *chosen: Suite) -> tuple[test_results.Results, str]:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        total, output = test_results.Results(), io.StringIO()
        with mock.patch.multiple(run_tests, TOP=Path(folder.name), LOGS=Path(folder.name)), \
                contextlib.redirect_stdout(output):
            run_tests.run_group(list(chosen), total)
        return total, output.getvalue()

    def test_suites_are_summed_and_failures_shown(self):
        total, output = self.run_suites(
            shell("a", "echo 3 passed, 0 failed, 1 skipped"), shell("b", "echo why; exit 1"),
            shell("c", "true"))
        self.assertEqual(str(total), "4 passed, 1 failed, 1 skipped")
        self.assertEqual(total.failures, ["b"])
        self.assertIn("    why\n", output)

    def test_no_line_looks_like_the_closing_line(self):
        _, output = self.run_suites(shell("a", "echo 3 passed, 0 failed, 1 skipped", show=True))
        self.assertIn("    3 passed", output)
        self.assertIsNone(test_results.SUM_LINE.search(output))

    def test_a_step_counts_only_when_it_fails(self):
        good, bad = shell("good", "true", step=True), shell("bad", "false", step=True)
        total, output = self.run_suites(good, bad, shell("after", "true"))
        self.assertEqual(str(total), "0 passed, 1 failed, 0 skipped")
        self.assertNotIn("after:", output)

    def test_a_suite_that_takes_too_long_is_ended_with_its_children(self):
        total, output = self.run_suites(shell("slow", "sleep 60 & wait", minutes=0))
        self.assertEqual(total.failures, ["slow"])
        self.assertIn("still running", output)
