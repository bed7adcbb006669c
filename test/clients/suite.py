"""What a suite of client tests is, and how its tests are run against one broker.

A suite prepares its toolchain, names its tests, and runs one test at a time against a broker. The
runner here decides which tests apply (not_applicable.json), runs up to `lanes` of them at once,
notices a broker that died, and gives every test that failed beside others one more run on its own:
a client suite full of timers, on two cores, must not report the load of its neighbours as a defect.
Such a second run is always shown in the results.
"""

import collections
import concurrent.futures
import json
import threading
import time

import paths

PASSED, FAILED, NOT_APPLICABLE = "passed", "failed", "not applicable"

Result = collections.namedtuple("Result", "test status reason seconds")


class Failed(Exception):
    """The test ran and its expectation did not hold."""


class NotApplicable(Exception):
    """The test found out itself that it cannot run here."""


def expect(condition, cause):
    """Fails the running test with `cause` unless `condition` holds."""
    if not condition:
        raise Failed(cause() if callable(cause) else cause)


class Suite:
    """Base of all suites; `name` selects it on the command line, `title` heads its results."""

    name = ""
    title = ""
    lanes = 1
    needs_broker = True
    # How the broker for this suite is set up; see brokers.Settings.
    auto_create = True
    check_retention_ms = 300_000

    def prepare(self):
        """Fetches what the tests need; toolchain.Unavailable says why it cannot."""

    def tests(self):
        """Names of all tests, in the order to run them."""
        raise NotImplementedError

    def run(self, broker, test):
        """Runs one test; returns normally or raises Failed or NotApplicable."""
        raise NotImplementedError


class FunctionSuite(Suite):
    """A suite whose tests are its own methods `test_...(broker)`, in the order they are written."""

    def tests(self):
        return [name[5:] for name in vars(type(self)) if name.startswith("test_")]

    def run(self, broker, test):
        getattr(self, "test_" + test)(broker)


def not_applicable(suite, broker_kind):
    """Table test -> reason for one suite, from not_applicable.json.

    An entry "SUITE on KIND" holds for that kind of broker only: what one process of the reference
    cannot do may still be expected from Magpie.
    """
    known = json.loads((paths.HERE / "not_applicable.json").read_text())
    return {**known.get(suite, {}), **known.get(f"{suite} on {broker_kind}", {})}


def _run_one(suite, broker, test):
    begin = time.monotonic()
    try:
        suite.run(broker, test)
        status, reason = PASSED, ""
    except Failed as failure:
        status, reason = FAILED, str(failure) or "no cause given"
    except NotApplicable as finding:
        status, reason = NOT_APPLICABLE, str(finding)
    if status == FAILED and not broker.alive():
        reason = f"the broker died ({broker.log}); {reason}"
    return Result(test, status, " ".join(reason.split()), time.monotonic() - begin)


_END = "(end of the broker)"
_MARKS = {PASSED: "ok  ", FAILED: "FAIL", NOT_APPLICABLE: "n/a "}
_PRINTING = threading.Lock()


def show(result):
    """Prints the line of one finished test."""
    with _PRINTING:
        reason = f": {result.reason}" if result.reason else ""
        print(f"  {_MARKS[result.status]} {result.test} ({result.seconds:.1f} s){reason}",
              flush=True)


def run_suite(suite, open_broker, table, deadline, only=None, again=True):
    """Runs a prepared suite; returns its results in the order of its tests.

    `open_broker` makes a new broker; a second one is made if the first dies. `table` says which
    tests do not apply and why. No test begins after `deadline` (monotonic seconds); what is left
    then counts as failed. `only` keeps the tests whose name contains it, also those in the table.
    """
    names = suite.tests()
    results = {}
    if only:
        names = [name for name in names if only in name]
    for name in [name for name in names if name in table and not only]:
        results[name] = Result(name, NOT_APPLICABLE, table[name], 0.0)
    left = [name for name in names if name not in results]
    while left and time.monotonic() < deadline:
        with open_broker() as broker:
            failed = []
            for result in _run_lanes(suite, broker, left, deadline):
                results[result.test] = result
                failed += [result.test] if result.status == FAILED else []
                show(result)
            left = [name for name in left if name not in results]
            for name in failed if again and suite.lanes > 1 else []:
                if broker.alive() and time.monotonic() < deadline:
                    results[name] = _second_run(suite, broker, results[name])
        if broker.trouble:
            results[_END] = Result(_END, FAILED, broker.trouble, 0.0)
    for name in left:
        results[name] = Result(name, FAILED, "not run: the time limit was reached", 0.0)
    return [results[name] for name in [*names, _END] if name in results]


def _run_lanes(suite, broker, names, deadline):
    """Yields results as tests end; begins none once the broker has died or the time is over."""
    waiting = list(reversed(names))
    running = set()

    def more():
        return waiting and broker.alive() and time.monotonic() < deadline

    with concurrent.futures.ThreadPoolExecutor(suite.lanes) as pool:
        while running or more():
            while len(running) < suite.lanes and more():
                running.add(pool.submit(_run_one, suite, broker, waiting.pop()))
            ended, running = concurrent.futures.wait(
                running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in ended:
                yield future.result()


def _second_run(suite, broker, first):
    second = _run_one(suite, broker, first.test)
    if second.status == PASSED:
        second = second._replace(reason=f"second run, alone; beside others: {first.reason}")
    show(second)
    return second
