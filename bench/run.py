#!/usr/bin/env python3
"""Compares Magpie with Apache Kafka on this machine: `make bench`.

    bench/run.py                 the full comparison, at most 40 minutes
    bench/run.py --quick         a sanity run, under 3 minutes; writes no documents
    bench/run.py --render FILE   writes docs/benchmarks.md again from a result
    bench/run.py --latency-of FILE   measures only latency again, at the rates of a result

Both brokers run one after the other on loopback with fresh data directories, driven by the same
client with the same settings. The result goes to bench/results/, the tables and plots to
docs/benchmarks.md. Figures mean something only on a machine that does nothing else.
"""

import argparse
import json
import pathlib
import sys
from dataclasses import replace

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness import cases, document, driver, experiment, peers, shared, summary  # noqa: E402


def _arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a sanity run, under 3 minutes")
    parser.add_argument("--peers", default="magpie,kafka", help="which brokers, in this order")
    parser.add_argument("--rounds", type=int, help="rounds of alternating sessions")
    parser.add_argument("--minutes", type=float, help="begin nothing new after this long")
    parser.add_argument("--cases", metavar="TEXT", help="only produce cases whose name has this")
    parser.add_argument("--name", default="local", help="part of the name of the result file")
    parser.add_argument("--magpie", metavar="PATH", help="the binary to measure")
    parser.add_argument("--driver", metavar="PATH", help="the benchmark client")
    parser.add_argument("--work", default=shared.BUILD / "bench" / "data", type=pathlib.Path,
                        help="where the brokers keep their data while they run")
    parser.add_argument("--output", default=None, type=pathlib.Path, help="directory for the JSON")
    parser.add_argument("--render", metavar="FILE", type=pathlib.Path,
                        help="only write the documents from this result")
    parser.add_argument("--latency-of", metavar="FILE", type=pathlib.Path,
                        help="measure latency again, at the rates of this result and in its place")
    options = parser.parse_args(argv)
    options.peers = options.peers.split(",")
    unknown = set(options.peers) - set(peers.PEERS)
    if unknown:
        parser.error(f"no peer is called {', '.join(sorted(unknown))}")
    return options


def _plan(options):
    plan = cases.QUICK if options.quick else cases.FULL
    if options.rounds:
        plan = replace(plan, rounds=options.rounds, ceiling_rounds=options.rounds)
    if options.minutes:
        plan = replace(plan, minutes=options.minutes)
    if options.cases:
        chosen = tuple(case for case in plan.produce if options.cases in case.name)
        plan = replace(plan, produce=chosen)
    return plan


def _prepare(options):
    """Returns the peers that can be measured here; says why one cannot."""
    if options.magpie:
        peers.use_magpie_binary(options.magpie)
    names = list(options.peers)
    if "magpie" in names and not peers.Magpie.binary.exists():
        sys.exit(f"{peers.Magpie.binary} does not exist: run `make build` first")
    if "kafka" in names:
        try:
            peers.Kafka.fetch()
        except shared.toolchain.Unavailable as cause:
            print(f"Apache Kafka is left out: {cause}", flush=True)
            names.remove("kafka")
    return names


def main(argv):
    """Entry point; returns the exit code."""
    options = _arguments(argv)
    if options.render:
        document.write(json.loads(options.render.read_text()), shared.REPOSITORY / "docs")
        return 0
    names = _prepare(options)
    client = driver.program(options.driver)
    peers.raise_file_limit()
    run = experiment.Experiment(_plan(options), names, client, options.work,
                                lambda text: print(text, flush=True))
    before = json.loads(options.latency_of.read_text()) if options.latency_of else None
    if before and (facts := summary.elsewhere(before, run.document("", ""))):
        sys.exit(f"{options.latency_of} has another {' and '.join(facts)}: not to be mixed")
    whole = shared.run_to_its_end(
        lambda: run.run_latency(before["latency_rates"]) if before else run.run(), run.clock)
    found = run.document(options.name, shared.command("bench/run.py", argv))
    if before:
        found = summary.with_latency(before, found)
    publish = whole and not options.quick and not options.output
    shared.keep(found, options.output or (shared.RESULTS if publish else shared.BUILD / "bench"))
    print(document.markdown(found))
    if publish:
        document.write(found, shared.REPOSITORY / "docs")
    failed = [record for record in run.records if "error" in record["figures"]]
    return 1 if failed or not whole else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
