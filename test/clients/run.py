#!/usr/bin/python3
"""Runs suites of real, unmodified Kafka clients against a broker, and says what came of it.

    run.py [suite ...] [--only TEST] [--broker magpie|kafka|HOST:PORT] [--keep] [--all]

Without a suite all are run. For every suite the lists of passed, failed and not applicable tests
are printed, with reasons; a suite whose toolchain cannot be had here is skipped, with the reason.
The last line is `N passed, N failed, N skipped`; the exit code is 0 only if nothing failed. See
CONTRIBUTING.md and docs/compatibility.md.
"""

import argparse
import signal
import sys
import time

import brokers
import franz_go_suite
import java_dump_suite
import java_suite
import kcat_smoke
import librdkafka_suite
import program_suite
import report
import schema_suite
import suite as suites
import toolchain

ALL = [
    kcat_smoke.KcatSmoke,
    librdkafka_suite.Librdkafka,
    librdkafka_suite.LibrdkafkaNoAutoCreate,
    program_suite.KafkaPython,
    program_suite.Cleaning,
    franz_go_suite.FranzGo,
    program_suite.KafkaJs,
    java_suite.JavaTools,
    java_suite.JavaToolsOld,
    java_dump_suite.DumpLog,
    schema_suite.Schema,
]


def _arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("suite", nargs="*", help="of " + ", ".join(kind.name for kind in ALL))
    parser.add_argument("--only", metavar="TEST", help="tests whose name contains this")
    parser.add_argument("--broker", default="magpie", metavar="magpie|kafka|HOST:PORT")
    parser.add_argument("--keep", action="store_true", help="keep the broker's data directory")
    parser.add_argument("--all", action="store_true", help="also tests known not to apply")
    parser.add_argument("--once", action="store_true", help="no second run for a failed test")
    parser.add_argument("--minutes", type=float, default=33, help="no test begins after that")
    parser.add_argument("--write-docs", action="store_true", help="renew docs/compatibility.md")
    parsed = parser.parse_args(argv)
    unknown = set(parsed.suite) - {kind.name for kind in ALL}
    if unknown:
        parser.error(f"no suite is called {', '.join(sorted(unknown))}")
    return parsed


def _run(make, options):
    """Runs one suite from preparation to summary; returns its report.SuiteReport."""
    suite = make()
    print(f"\n== {suite.name}: {suite.title}", flush=True)
    begin = time.monotonic()
    try:
        suite.prepare()
    except toolchain.Unavailable as cause:
        return report.SuiteReport(suite, [], 0.0, time.monotonic() - begin, skipped=str(cause))
    prepared = time.monotonic()

    def open_broker():
        if not suite.needs_broker:
            return brokers.NoBroker()
        broker = brokers.choose(options.broker, suite.name, brokers.Settings(
            suite.auto_create, suite.check_retention_ms))
        broker.keep_data = options.keep
        return broker

    kind = brokers.kind(options.broker)
    table = {} if options.all else suites.not_applicable(suite.name, kind)
    try:
        results = suites.run_suite(suite, open_broker, table, options.deadline, options.only,
                                   again=not options.once)
    except (brokers.DidNotStart, toolchain.Unavailable) as cause:
        results = [suites.Result("(start of the broker)", suites.FAILED, str(cause), 0.0)]
    return report.SuiteReport(suite, results, prepared - begin, time.monotonic() - prepared)


def main(argv):
    """Entry point; returns the exit code."""
    options = _arguments(argv)
    options.deadline = time.monotonic() + 60 * options.minutes
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = [kind for kind in ALL if not options.suite or kind.name in options.suite]
    reports = []
    for kind in chosen:
        reports.append(_run(kind, options))
        reports[-1].show()
    if not options.only:
        report.save(reports, options.broker)
    if options.write_docs:
        report.write_docs()
    return report.finish(reports)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
