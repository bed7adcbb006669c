"""Reading what test programs report, for tools/run_tests.py."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

SUM_LINE = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE)
SKIP_EXIT_CODE = 77


@dataclass
class Results:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)  # one line each: the test's name
    skips: list[str] = field(default_factory=list)  # one line each: name and reason

    def add(self, other: "Results") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures
        self.skips += other.skips

    def add_failure(self, name: str) -> None:
        self.failed += 1
        self.failures.append(name)

    def add_skip(self, name: str, reason: str) -> None:
        self.skipped += 1
        self.skips.append(f"{name}: {reason or 'no reason given'}")

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""


def from_output(name: str, output: str, exit_code: int) -> Results:
    """Counts the last sum line of `output`; without one the program is a single test."""
    results = Results()
    sums = SUM_LINE.findall(output)
    if not sums:
        if exit_code == 0:
            results.passed = 1
        elif exit_code == SKIP_EXIT_CODE:
            results.add_skip(name, last_line(output))
        else:
            results.add_failure(name)
        return results
    results.passed, results.failed, results.skipped = map(int, sums[-1])
    for line in output.splitlines():
        if line.startswith("FAILED "):
            results.failures.append(f"{name}: {line[len('FAILED '):].strip()}")
        if line.startswith("SKIPPED "):
            results.skips.append(f"{name}: {line[len('SKIPPED '):].strip()}")
    if exit_code not in (0, SKIP_EXIT_CODE) and results.failed == 0:
        results.add_failure(f"{name}: exit code {exit_code} although no test failed")
    if results.passed + results.failed + results.skipped == 0:
        results.add_failure(f"{name}: no test ran")
    return results


def from_gtest_xml(path: Path) -> Results:
    """The test cases of one GoogleTest binary."""
    results = Results()
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None:
            results.add_failure(name)
        elif skipped is not None:
            results.add_skip(name, (skipped.get("message") or "").strip().replace("\n", " "))
        elif case.get("status") == "notrun":
            results.add_skip(name, "disabled")
        else:
            results.passed += 1
    return results


def from_ctest(junit: Path, gtest_folder: Path) -> Results:
    """All tests of one ctest run. `gtest_folder` holds <test name>.xml of GoogleTest binaries."""
    results = Results()
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        results.add(from_ctest_case(case, gtest_folder))
    if results.passed + results.failed + results.skipped == 0:
        results.add_failure("ctest: no test ran")
    return results


def from_ctest_case(case: ElementTree.Element, gtest_folder: Path) -> Results:
    name = case.get("name") or "unnamed"
    output = case.findtext("system-out") or ""
    failed = case.find("failure") is not None or case.get("status") == "fail"
    details = gtest_folder / f"{name}.xml"
    if details.exists():
        results = from_gtest_xml(details)
        # A sanitizer that complains at exit, or a crash after the report was written.
        if failed and results.failed == 0:
            results.add_failure(f"{name}: failed although every test case passed")
        return results
    if failed:
        return from_output(name, output, 1)
    if case.get("status") == "run":
        return from_output(name, output, 0)
    return from_output(name, output, SKIP_EXIT_CODE)
