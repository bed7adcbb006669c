#!/usr/bin/env python3
"""Rounds of real processes, real clients and real faults; see docs/chaos.md.

    test/chaos/run.py --rounds 20 --seed 1        seeds 1 to 20
    test/chaos/run.py --seed 7 --verbose          one seed again

A round that fails keeps its files and says where.
"""

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

import clients
import faults
import page
from outcome import Results
from places import TOP
from workers import Workers


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=Path, default=TOP / "build" / "debug")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    parser.add_argument("--seconds", type=float, help="begin no round after that")
    parser.add_argument("--store", choices=("magpie", "etcd", "both"), default="magpie",
                        help="both: etcd in every second round")
    parser.add_argument("--clients", default="librdkafka", metavar="KIND,KIND",
                        help="who drives the load, drawn from the seed: " +
                        ", ".join(clients.KINDS))
    parser.add_argument("--clocks", action="store_true", help="let clocks of nodes jump, too")
    parser.add_argument("--parallel", type=int, default=1, metavar="N", help="rounds at a time")
    parser.add_argument("--page", type=Path, help="write the results into this page")
    parser.add_argument("--results", type=Path, help="keep a line of JSON for each round")
    parser.add_argument("--resume", action="store_true",
                        help="leave out the rounds that --results has, and count them")
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    given.clients = given.clients.split(",")
    unknown = set(given.clients) - set(clients.KINDS)
    if unknown:
        parser.error(f"no client is called {', '.join(sorted(unknown))}; there are: "
                     f"{', '.join(clients.KINDS)}")
    if given.resume and not given.results:
        parser.error("--resume goes on with the file of --results; name it")
    return given


# What decides what is run; the page that a run writes does not.
_SOURCES = ("src", "test", "schema", "cmake", "CMakeLists.txt", "CMakePresets.json")


def revision():
    """(what is run, whether that names it: files may have changed since, or nobody knows)."""
    def git(*words):
        return subprocess.run(["git", *words], cwd=TOP, text=True, capture_output=True,
                              check=False).stdout.strip()

    commit = git("rev-parse", "--short", "HEAD")
    if not commit:
        return "unknown", False
    changed = git("status", "--porcelain", "--", *_SOURCES)
    return (f"{commit} with changes", False) if changed else (commit, True)


def show(outcome, folder, given):
    """Prints what became of a round; keeps its files if it failed."""
    kinds = sorted({kind for parts in outcome.clients.values() for kind in parts.values()})
    story = f"{', '.join(outcome.steps)}; {outcome.store}; {', '.join(kinds)}; " \
            f"{outcome.seconds:.0f} s"
    if not outcome.problems:
        print(f"ok     seed_{outcome.seed}: {story}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        return
    for problem in outcome.problems:
        print(f"FAILED seed_{outcome.seed}: {problem}")
    print(f"       {story}; its files are kept in {folder}")
    print(f"       again: test/chaos/run.py --seed {outcome.seed} --store {outcome.store} "
          f"--clients {','.join(given.clients)}{' --clocks' if given.clocks else ''} --verbose",
          flush=True)


def complete(given):
    """(Command lines of the clients, library for clocks, number of things that are left out).

    What this machine does not have is said and left out; nothing to run with if that was all.
    """
    left_out = 0

    def skip(what, cause):
        nonlocal left_out
        left_out += 1
        print(f"SKIPPED {what}: {cause}", flush=True)

    if given.store != "magpie" and not shutil.which("etcd"):
        skip("rounds with etcd", "it is not installed (Debian package etcd-server)")
        if given.store == "etcd":
            return {}, None, left_out
        given.store = "magpie"
    commands, missing = clients.prepared(given.build, given.clients)
    for kind, cause in missing.items():
        skip(f"client {kind}", cause)
    library = faults.clock_library() if given.clocks else None
    if given.clocks and not library:
        skip("clocks that jump", "libfaketime is not installed (Debian package libfaketime)")
    return commands, library, left_out


def main():
    given = arguments()
    source, exact = revision()
    if given.resume and not exact:
        print(f"error: --resume counts rounds of one revision together, and this is {source}; "
              "commit what has changed, or leave --resume out", file=sys.stderr)
        return 2
    commands, clocks, left_out = complete(given)
    about = {"store": given.store, "clients": sorted(commands), "clocks": bool(clocks),
             "build": given.build.name, "revision": source, "parallel": given.parallel}
    try:
        results = Results(given.results, about, given.resume)
    except ValueError as refused:
        print(f"error: {refused}", file=sys.stderr)
        return 2
    known = results.seeds()
    seeds = [seed for seed in range(given.seed, given.seed + given.rounds) if seed not in known]
    for outcome, folder in Workers(given, commands, clocks).run(seeds if commands else []):
        show(outcome, folder, given)
        results.add(outcome)
    for line in page.table(results.outcomes):
        print(line)
    if given.page and commands:
        page.write(given.page, results.outcomes, about)
    failed = sum(bool(outcome.problems) for outcome in results.outcomes)
    print(f"{len(results.outcomes) - failed} passed, {failed} failed, {left_out} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
