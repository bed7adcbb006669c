"""The table of test suites: what `make test` and `make test-clients` run, in this order.

To add a suite, add one entry. Its program reports in one of three ways:

- "sum": its last line of the form `N passed, N failed, N skipped` counts. Without such a line the
  whole suite counts as one test: exit code 0 passed, 77 skipped, anything else failed.
  Lines that begin with `FAILED ` name failed tests and lines that begin with `SKIPPED ` name
  skipped ones with their reason; both are repeated at the end of the run.
- "ctest": the program is ctest, started with the result options that tools/run_tests.py adds; a
  GoogleTest binary counts with its test cases, any other test as above.

A program that fails says so in both ways: exit code and sum line. If they disagree, the exit code
wins. Every suite has a time limit, in minutes, after which it is ended and counts as failed.
"""

from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Suite:
    name: str
    group: str  # "test" or "clients"
    command: tuple[str, ...]  # run from the top of the source tree
    minutes: int
    results: str = "sum"
    show: bool = False  # repeat the whole output, not only failures
    step: bool = False  # no test: counts only if it fails, and then nothing after it runs


SUITES = (
    Suite("build", "test", ("tools/build.sh", "debug"), minutes=30, step=True),
    Suite("unit", "test", ("ctest", "--test-dir", "build/debug"), minutes=15, results="ctest"),
    Suite("bench-tools", "test", ("bench/tests/run.py",), minutes=2),
    Suite("sim", "test", ("tools/test_sim.sh",), minutes=5),
    Suite("build-fuzz", "test", ("tools/build.sh", "fuzz", "magpie_fuzzers"), minutes=30,
          step=True),
    Suite("fuzz", "test", ("tools/fuzz.py", "--seconds", "5"), minutes=8),
    Suite("kcat", "test", ("env", f"MAGPIE_BINARY={TOP}/build/debug/magpie",
                           "test/clients/run.py", "kcat"), minutes=5),
    Suite("store", "test", ("test/store/run.py",), minutes=3),
    Suite("power-loss", "test", ("test/power_loss/run.py",), minutes=5),
    Suite("regions", "test", ("test/regions/run.py",), minutes=8),
    Suite("chaos-tools", "test", ("test/chaos/tests.py",), minutes=1),
    Suite("chaos", "test", ("test/chaos/run.py", "--rounds", "4", "--seed", "4", "--seconds",
                            "110", "--store", "both"), minutes=7),
    Suite("build-release", "clients", ("tools/build.sh", "release", "magpie", "magpie-load"),
          minutes=30, step=True),
    Suite("clients", "clients", ("test/clients/run.py",), minutes=35, show=True),
    Suite("chaos-clients", "clients", (
        "test/chaos/run.py", "--build", "build/release", "--rounds", "3", "--seed", "1", "--store",
        "both", "--clients", "java,franz-go"), minutes=8),
)
