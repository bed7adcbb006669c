#!/usr/bin/env python3
"""Runs the test suites of one group and ends with one line over all of them.

    tools/run_tests.py test                 what `make test` runs
    tools/run_tests.py clients              what `make test-clients` runs
    tools/run_tests.py test --only unit     only the named suites

The last line of the output has the form `N passed, N failed, N skipped`; no other line does. The
exit code is 0 only if nothing failed. The full output of each suite is kept in build/test_logs/.
The suites are declared in tools/suites.py.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import suites
import test_results
from test_results import Results

TOP = Path(__file__).resolve().parent.parent
LOGS = TOP / "build" / "test_logs"
CTEST_JUNIT = TOP / "build" / "test_results" / "ctest.xml"
# magpie_test() of cmake/Magpie.cmake lets each GoogleTest binary write its cases here.
GTEST_FOLDER = TOP / "build" / "debug" / "test_results"
LOG_TAIL_LINES = 60


def say(text: str) -> None:
    print(text, flush=True)


def full_command(suite: suites.Suite) -> list[str]:
    if suite.results != "ctest":
        return list(suite.command)
    shutil.rmtree(GTEST_FOLDER, ignore_errors=True)
    CTEST_JUNIT.unlink(missing_ok=True)
    return [*suite.command, "--output-junit", str(CTEST_JUNIT), "--output-on-failure",
            "--no-tests=error", "--timeout", "300", "-j", str(os.cpu_count() or 1)]


def end_group(process: subprocess.Popen, wait_seconds: int) -> None:
    """Ends the suite's process and everything it started, first politely."""
    for sign, patience in ((signal.SIGTERM, wait_seconds), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, sign)
            process.wait(patience)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def run_program(suite: suites.Suite, log: Path) -> int:
    """Runs the suite with its output in `log`. The exit code; negative when it was ended."""
    with log.open("w") as output:
        process = subprocess.Popen(full_command(suite), cwd=TOP, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        finished = threading.Event()
        follower = threading.Thread(target=follow, args=(log, finished))
        if suite.show:
            follower.start()
        try:
            return process.wait(suite.minutes * 60)
        except subprocess.TimeoutExpired:
            output.write(f"\nended: still running after {suite.minutes} minutes\n")
            end_group(process, wait_seconds=20)
            return -1
        except KeyboardInterrupt:
            end_group(process, wait_seconds=5)
            raise
        finally:
            finished.set()
            if suite.show:
                follower.join()


def follow(log: Path, finished: threading.Event) -> None:
    """Repeats a growing log, indented so that no line can be mistaken for the closing line."""
    with log.open(errors="replace") as lines:
        while True:
            at_end = finished.is_set()
            for line in lines:
                say("    " + line.rstrip("\n"))
            if at_end:
                return
            finished.wait(0.5)


def read_results(suite: suites.Suite, log: Path, exit_code: int) -> Results:
    if suite.results == "ctest" and CTEST_JUNIT.exists():
        results = test_results.from_ctest(CTEST_JUNIT, GTEST_FOLDER)
        if exit_code != 0 and results.failed == 0:
            results.add_failure(f"{suite.name}: exit code {exit_code} although no test failed")
        return results
    return test_results.from_output(suite.name, log.read_text(errors="replace"), exit_code)


def run_suite(suite: suites.Suite) -> Results:
    started = time.monotonic()
    log = LOGS / f"{suite.name}.log"
    say(f"{suite.name}: {' '.join(suite.command)}")
    try:
        exit_code = run_program(suite, log)
        results = read_results(suite, log, exit_code)
    except FileNotFoundError:
        results = Results()
        results.add_skip(suite.name, f"{suite.command[0]} does not exist yet")
    except OSError as error:
        log.write_text(f"cannot run {suite.command[0]}: {error}\n")
        results = Results()
        results.add_failure(suite.name)
    if results.failed > 0:
        show_tail(log)
    outcome = "done" if suite.step and results.failed == 0 else results
    say(f"  {outcome} in {time.monotonic() - started:.0f} s")
    return results


def show_tail(log: Path) -> None:
    lines = log.read_text(errors="replace").splitlines()
    say(f"  the end of {log.relative_to(TOP)}:")
    for line in lines[-LOG_TAIL_LINES:]:
        say("    " + line)


def run_group(chosen: list[suites.Suite], total: Results) -> None:
    for suite in chosen:
        results = run_suite(suite)
        if suite.step and results.failed == 0:
            continue
        total.add(results)
        if suite.step:
            say(f"stopping: the other suites need '{suite.name}'")
            break


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("group", choices=sorted({suite.group for suite in suites.SUITES}))
    parser.add_argument("--only", nargs="+", metavar="SUITE", help="run only these suites")
    options = parser.parse_args()
    chosen = [suite for suite in suites.SUITES if suite.group == options.group]
    if options.only:
        unknown = set(options.only) - {suite.name for suite in chosen}
        if unknown:
            parser.error(f"no such suite in '{options.group}': {', '.join(sorted(unknown))}; "
                         f"there are: {', '.join(suite.name for suite in chosen)}")
        chosen = [suite for suite in chosen if suite.name in options.only]

    LOGS.mkdir(parents=True, exist_ok=True)
    CTEST_JUNIT.parent.mkdir(parents=True, exist_ok=True)
    # Being asked to end must not leave servers of a suite behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    total = Results()
    try:
        run_group(chosen, total)
    except KeyboardInterrupt:
        total.add_failure("the run was interrupted before it was complete")

    for line in total.skips:
        say(f"SKIPPED {line}")
    for line in total.failures:
        say(f"FAILED  {line}")
    say(str(total))
    return 0 if total.failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
