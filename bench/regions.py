#!/usr/bin/env python3
"""Measures Magpie between regions, beside Kafka's MirrorMaker 2: `make bench-regions`.

    bench/regions.py                 everything, at most 30 minutes
    bench/regions.py --quick         a sanity run, about 4 minutes; writes no documents
    bench/regions.py --render FILE   writes docs/benchmarks-regions.md again from a result

Real processes on loopback: clusters of three regions by `magpie dev`, pairs of Kafka brokers, the
same relay between regions, the same clients. The result goes to bench/results/, the tables to
docs/benchmarks-regions.md. Figures mean something only on a machine that does nothing else.
"""

import argparse
import json
import pathlib
import shutil
import sys
import tempfile
from dataclasses import replace

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness import driver  # noqa: E402
from regional import etcd, experiment, mirror_maker, page, plan, shared  # noqa: E402


def _arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a sanity run, about 4 minutes")
    parser.add_argument("--only", default=",".join(experiment.SECTIONS),
                        help="which sections, with commas between")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--minutes", type=float, help="begin nothing new after this long")
    parser.add_argument("--name", default="local", help="part of the name of the result file")
    parser.add_argument("--driver", metavar="PATH", help="the benchmark client")
    parser.add_argument("--work", default=shared.BUILD / "bench" / "regions", type=pathlib.Path,
                        help="where everything is kept while it runs")
    parser.add_argument("--output", type=pathlib.Path, help="directory for the JSON; no page then")
    parser.add_argument("--keep", action="store_true", help="keep what ran also if nothing failed")
    parser.add_argument("--render", metavar="FILE", type=pathlib.Path,
                        help="only write the page from this result")
    options = parser.parse_args(argv)
    options.only = options.only.split(",")
    unknown = set(options.only) - set(experiment.SECTIONS)
    if unknown:
        parser.error(f"no section is called {', '.join(sorted(unknown))}")
    return options


def _plan(options):
    chosen = plan.QUICK if options.quick else plan.FULL
    if options.rounds:
        chosen = replace(chosen, rounds=options.rounds)
    if options.minutes:
        chosen = replace(chosen, minutes=options.minutes)
    return chosen


def _prepare(options):
    """Whether MirrorMaker can be measured here; says why it cannot."""
    missing = [program for program in (shared.RELEASE / "magpie", shared.LOAD, shared.RELAY)
               if not program.exists()]
    if missing:
        sys.exit(f"{missing[0]} does not exist: run tools/build.sh release magpie magpie-load "
                 "magpie-relay first")
    if "etcd" in options.only and etcd.missing():
        print(f"failovers with etcd are left out: {etcd.missing()}", flush=True)
    if "mirror" not in options.only:
        return False
    try:
        mirror_maker.Mirror.fetch()
    except shared.toolchain.Unavailable as cause:
        print(f"MirrorMaker 2 is left out: {cause}", flush=True)
        return False
    return True


def main(argv):
    """Entry point; returns the exit code."""
    options = _arguments(argv)
    if options.render:
        page.write(json.loads(options.render.read_text()), shared.REPOSITORY / "docs")
        return 0
    mirror = _prepare(options)
    client = driver.program(options.driver)
    shared.peers.raise_file_limit()
    options.work.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=options.work))
    measured = experiment.Experiment(_plan(options), options.only, mirror, client, shared.LOAD,
                                     work, lambda text: print(text, flush=True))
    whole = shared.run_to_its_end(measured.run, measured.clock)
    found = measured.document(options.name, shared.command("bench/regions.py", argv))
    publish = whole and not options.quick and not options.output
    shared.keep(found, options.output or (shared.RESULTS if publish else shared.BUILD / "bench"),
                "-regions")
    print(page.markdown(found))
    if publish:
        page.write(found, shared.REPOSITORY / "docs")
    failed = [record for record in measured.lab.records if "error" in record["figures"]]
    if options.keep or failed or not whole:
        print(f"what ran is kept in {work}")
    else:
        shutil.rmtree(work, ignore_errors=True)
    return 1 if failed or not whole else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
