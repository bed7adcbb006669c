#!/usr/bin/env python3
"""Rounds of real processes, real clients and real faults; see docs/chaos.md.

    test/chaos/run.py --rounds 20 --seed 1        seeds 1 to 20
    test/chaos/run.py --seed 7 --verbose          one seed again

A round that fails keeps its files and says where.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import page
from paths import TOP
from plan import plan_of
from round import Round


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=Path, default=TOP / "build" / "debug")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    parser.add_argument("--seconds", type=float, help="begin no round after that")
    parser.add_argument("--store", choices=("magpie", "etcd"), default="magpie")
    parser.add_argument("--page", type=Path, help="write the results into this page")
    parser.add_argument("--results", type=Path, help="add a line of JSON for each round")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def one_round(given, seed):
    folder = Path(tempfile.mkdtemp(prefix=f"magpie-chaos-{seed}-"))
    begin = time.monotonic()

    def say(text):
        if given.verbose:
            print(f"       {time.monotonic() - begin:6.2f} {text}", flush=True)

    outcome = Round(given.build, folder, plan_of(seed), given.store, say).run()
    steps = ", ".join(outcome.steps)
    if outcome.problems:
        for problem in outcome.problems:
            print(f"FAILED seed_{seed}: {problem}")
        print(f"       {steps}; {outcome.seconds:.0f} s; its files are kept in {folder}")
        print(f"       again: test/chaos/run.py --seed {seed} --verbose", flush=True)
    else:
        print(f"ok     seed_{seed}: {steps}; {outcome.seconds:.0f} s", flush=True)
        shutil.rmtree(folder)
    if given.results:
        with open(given.results, "a", encoding="utf-8") as file:
            file.write(json.dumps(outcome, default=vars) + "\n")
    return outcome


def main():
    given = arguments()
    begin, outcomes = time.monotonic(), []
    for seed in range(given.seed, given.seed + given.rounds):
        if given.seconds and time.monotonic() - begin > given.seconds:
            break
        outcomes.append(one_round(given, seed))
    for line in page.table(outcomes):
        print(line)
    if given.page:
        page.write(given.page, outcomes, given)
    failed = sum(bool(outcome.problems) for outcome in outcomes)
    print(f"{len(outcomes) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
