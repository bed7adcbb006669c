#!/usr/bin/env python3
"""Runs the tests of the tools; the last line is the sum that tools/run_tests.py reads."""

import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    suite = unittest.defaultTestLoader.discover(str(HERE), pattern="*_test.py")
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=1).run(suite)
    bad = result.failures + result.errors
    for test, _ in bad:
        print(f"FAILED {test.id()}")
    for test, reason in result.skipped:
        print(f"SKIPPED {test.id()}: {reason}")
    passed = result.testsRun - len(bad) - len(result.skipped)
    print(f"{passed} passed, {len(bad)} failed, {len(result.skipped)} skipped")
    return 1 if bad or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
