import tempfile
import unittest
from pathlib import Path

import test_results

GTEST = """<testsuites tests="5" name="AllTests"><testsuite name="S">
<testcase name="a" status="run" result="completed" classname="S" />
<testcase name="b" status="run" result="completed" classname="S"><failure message="m"/></testcase>
<testcase name="c" status="run" classname="S"><skipped message="no disk"/></testcase>
<testcase name="d" status="notrun" result="suppressed" classname="S" />
<testcase name="e" status="run" result="completed" classname="S" />
</testsuite></testsuites>"""
PASSING_GTEST = '<testsuites><testsuite><testcase name="a" status="run" classname="S"/>' \
                "</testsuite></testsuites>"


class Output(unittest.TestCase):
    def counts(self, output: str, code: int) -> str:
        return str(test_results.from_output("x", output, code))

    def test_without_a_sum_line_the_exit_code_decides(self):
        self.assertEqual(self.counts("hello\n", 0), "1 passed, 0 failed, 0 skipped")
        self.assertEqual(self.counts("hello\n", 3), "0 passed, 1 failed, 0 skipped")
        self.assertEqual(self.counts("", -9), "0 passed, 1 failed, 0 skipped")

    def test_a_skip_carries_its_reason(self):
        results = test_results.from_output("x", "…\nno compiler\n", 77)
        self.assertEqual(str(results), "0 passed, 0 failed, 1 skipped")
        self.assertEqual(results.skips, ["x: no compiler"])

    def test_the_last_sum_line_counts(self):
        output = "1 passed, 1 failed, 1 skipped\nFAILED a b\nSKIPPED c: d\n" \
                 "5 passed, 2 failed, 3 skipped\n"
        results = test_results.from_output("x", output, 1)
        self.assertEqual(str(results), "5 passed, 2 failed, 3 skipped")
        self.assertEqual((results.failures, results.skips), (["x: a b"], ["x: c: d"]))

    def test_a_sum_line_must_stand_alone(self):
        self.assertEqual(self.counts("sum: 5 passed, 0 failed, 0 skipped\n", 0),
                         "1 passed, 0 failed, 0 skipped")

    def test_a_bad_exit_after_a_good_sum_is_a_failure(self):
        self.assertEqual(self.counts("5 passed, 0 failed, 0 skipped\n", 1),
                         "5 passed, 1 failed, 0 skipped")

    def test_a_suite_that_ran_nothing_is_a_failure(self):
        self.assertEqual(self.counts("0 passed, 0 failed, 0 skipped\n", 0),
                         "0 passed, 1 failed, 0 skipped")


class Ctest(unittest.TestCase):
    def results(self, cases: str, **details: str) -> test_results.Results:
        with tempfile.TemporaryDirectory() as folder:
            junit = Path(folder) / "ctest.xml"
            junit.write_text(f"<testsuite>{cases}</testsuite>")
            for name, text in details.items():
                (Path(folder) / f"{name}.xml").write_text(text)
            return test_results.from_ctest(junit, Path(folder))

    def test_cases_of_a_gtest_binary_are_counted(self):
        results = self.results('<testcase name="log" status="fail"><failure/></testcase>',
                               log=GTEST)
        self.assertEqual(str(results), "2 passed, 1 failed, 2 skipped")
        self.assertEqual(results.failures, ["S.b"])
        self.assertEqual(results.skips, ["S.c: no disk", "S.d: disabled"])

    def test_a_binary_that_fails_after_its_cases_passed_is_a_failure(self):
        results = self.results('<testcase name="log" status="fail"><failure/></testcase>',
                               log=PASSING_GTEST)
        self.assertEqual(str(results), "1 passed, 1 failed, 0 skipped")

    def test_a_binary_that_crashed_without_a_report_is_a_failure(self):
        results = self.results('<testcase name="log" status="fail"><failure/></testcase>')
        self.assertEqual(results.failures, ["log"])

    def test_other_tests_count_once_or_by_their_sum_line(self):
        results = self.results(
            '<testcase name="link" status="run"/>'
            '<testcase name="self" status="run"><system-out>4 passed, 0 failed, 0 skipped\n'
            "</system-out></testcase>"
            '<testcase name="format" status="notrun"><skipped/><system-out>skipped: no tool'
            "</system-out></testcase>")
        self.assertEqual(str(results), "5 passed, 0 failed, 1 skipped")
        self.assertEqual(results.skips, ["format: skipped: no tool"])

    def test_no_tests_is_a_failure(self):
        self.assertEqual(self.results("").failed, 1)
