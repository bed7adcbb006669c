#!/usr/bin/env python3
"""Builds the fuzz targets and runs each for some seconds; each target counts as one test.

    tools/fuzz.py --seconds 60               all targets, one after the other
    tools/fuzz.py --seconds 600 record_fuzz  only these

A run starts from the inputs kept in src/<folder>/testdata/<target>/ and collects what it finds on
the way in build/fuzz/corpus/<target>/, so that the next run goes on from there. An input that fails
is written to build/fuzz/artifacts/; the command that repeats it is printed. Once mended, keep such
an input in src/<folder>/testdata/<target>/.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BUILD = TOP / "build" / "fuzz"
# Of one input: longer than this many seconds or more than this many megabytes is a failure.
INPUT_SECONDS = 10
INPUT_MEGABYTES = 1024


def targets(build: Path) -> list[Path]:
    return sorted(path for path in build.glob("src/*/*_fuzz") if path.is_file())


def run_target(program: Path, build: Path, source: Path, seconds: int) -> list[str]:
    """Runs one target. What failed, for people, line by line; empty if nothing did."""
    found = build / "corpus" / program.name
    artifacts = build / "artifacts"
    found.mkdir(parents=True, exist_ok=True)
    artifacts.mkdir(parents=True, exist_ok=True)
    kept = source / "src" / program.parent.name / "testdata" / program.name
    command = [str(program), f"-max_total_time={seconds}", f"-timeout={INPUT_SECONDS}",
               f"-rss_limit_mb={INPUT_MEGABYTES}", "-print_final_stats=1",
               f"-artifact_prefix={artifacts}/{program.name}-", str(found)]
    if kept.is_dir():
        command.append(str(kept))
    run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                         errors="replace", check=False)
    executed = re.search(r"number_of_executed_units: (\d+)", run.stderr)
    inputs = int(executed.group(1)) if executed else 0
    print(f"{program.name}: {inputs} inputs in {seconds} s", flush=True)
    if run.returncode == 0 and inputs > 0:
        return []
    written = re.search(r"Test unit written to (\S+)", run.stderr)
    repeat = f"repeat with: {program} {written.group(1)}" if written else "no input was written"
    return [*run.stderr.splitlines()[-40:], f"exit code {run.returncode}; {repeat}"]


def run_all(build: Path, source: Path, names: list[str], seconds: int) -> int:
    chosen = [path for path in targets(build) if not names or path.name in names]
    missing = set(names) - {path.name for path in chosen}
    if missing or not chosen:
        there = ", ".join(path.name for path in targets(build)) or "none"
        print(f"no such fuzz target: {', '.join(sorted(missing)) or 'any'}; there are: {there}")
        return 2
    failed = []
    for program in chosen:
        complaints = run_target(program, build, source, seconds)
        if complaints:
            failed.append(program.name)
            print("\n".join(complaints), flush=True)
    for name in failed:
        print(f"FAILED {name}")
    print(f"{len(chosen) - len(failed)} passed, {len(failed)} failed, 0 skipped")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    options = parser.parse_args()
    built = subprocess.run([str(TOP / "tools" / "build.sh"), "fuzz",
                            *(options.targets or ["magpie_fuzzers"])],
                           stdout=sys.stderr, check=False)
    if built.returncode != 0:
        print("the fuzz targets do not build")
        return built.returncode
    return run_all(BUILD, TOP, options.targets, options.seconds)


if __name__ == "__main__":
    sys.exit(main())
