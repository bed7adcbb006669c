"""Profiles of one Magpie node under load; called by bench/profile.sh.

`perf` samples the node's processor clock (a virtual machine has no cycle counters) and sorts the
samples by function. `records` answers one question exactly instead of statistically: it runs the
node under callgrind and counts instructions while the same bytes arrive in batches of few large
records and in batches of many small ones. A broker that touches single records cannot hide that.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import time

from harness import cases, driver, machine, peers, shared

_OUTPUT = shared.BUILD / "bench" / "profile"
_RECORD_SIZES = (1024, 100)
_RECORD_BYTES = 64 * cases.MEGABYTE
_BATCH = 500_000


def _arguments(argv):
    parser = argparse.ArgumentParser(prog="bench/profile.sh", description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("perf", "records"))
    parser.add_argument("direction", nargs="?", default="produce",
                        choices=("produce", "consume", "follow"))
    parser.add_argument("--message-bytes", type=int, default=1024)
    parser.add_argument("--batch-bytes", type=int, default=1_000_000)
    parser.add_argument("--partitions", type=int, default=16)
    parser.add_argument("--fsync", choices=peers.FSYNC_POLICIES, default="never")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--magpie", metavar="PATH", help="the binary to profile")
    parser.add_argument("--driver", metavar="PATH", type=pathlib.Path,
                        default=shared.BUILD / "bench/client/bench/magpie-bench-driver")
    return parser.parse_args(argv)


def _need(tool, package):
    if shutil.which(tool) is None:
        sys.exit(f"{tool} is missing: install the Debian package {package}")


def _perf(options):
    """Prints and keeps a flat profile of the node during one run of the client."""
    _need("perf", "linux-perf")
    machine.touch_memory(4 * cases.GIGABYTE)
    with peers.Magpie(_OUTPUT / "data", options.fsync) as peer:
        client = driver.Driver(options.driver, peer.bootstrap)
        client.create("profile", options.partitions)
        case = cases.Produce("profile", options.message_bytes, options.partitions,
                             batch=options.batch_bytes, warmup=0, budget=100 * cases.GIGABYTE)
        if options.direction == "consume":
            client.run("produce", [*case.options(), "--topic", "profile"], options.seconds)
        command = [options.driver, options.direction, "--brokers", peer.bootstrap, "--topic",
                   "profile", "--seconds", options.seconds]
        command += (["--message-bytes", options.message_bytes, "--partitions", options.partitions]
                    if options.direction == "consume" else case.options())
        data = _OUTPUT / f"{options.direction}.data"
        subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", "1999", "-g", "-o", data,
                        "-p", str(peer.pid), "--", *map(str, command)], check=True)
    for title, fields in (("by part", "overhead,dso"), ("by function", "overhead,dso,sym")):
        report = subprocess.run(["perf", "report", "-i", data, "--no-children", "--stdio", "-g",
                                 "none", "--percent-limit", "0.5", "-F", fields],
                                capture_output=True, text=True, check=True).stdout
        lines = [" ".join(line.split()) for line in report.splitlines()
                 if line.strip() and not line.startswith("#")]
        print(f"\n{title}\n" + "\n".join(lines[:40]))
    print(f"\nmore: perf report -i {data}")


class _Counted(peers.Magpie):
    """A node under callgrind, which writes its instruction count when it ends."""

    patience = 120.0

    def command(self):
        self.counts = self._root / "callgrind.out"
        return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.counts}",
                *super().command()]


def _instructions(options, message_bytes):
    """Instructions of a whole life of a node that takes _RECORD_BYTES (0: none) of records."""
    with _Counted(_OUTPUT / "data", options.fsync) as peer:
        client = driver.Driver(options.driver, peer.bootstrap)
        client.create("profile", 1)
        if message_bytes:
            # A long linger, so that every batch is full whatever callgrind's pace.
            case = cases.Produce("records", message_bytes, 1, batch=_BATCH, linger=500,
                                 budget=_RECORD_BYTES, warmup=0)
            client.run("produce", [*case.options(), "--topic", "profile"], 300)
        peer.stop()
        text = peer.counts.read_text()
        kept = _OUTPUT / f"callgrind.{message_bytes}.out"
        kept.write_text(text)
    return sum(int(number) for number in re.findall(r"^totals: (\d+)", text, re.MULTILINE))


def _records(options):
    """Prints instructions per batch and per record for both record sizes."""
    _need("valgrind", "valgrind")
    idle = _instructions(options, 0)
    print(f"start, one topic, stop: {idle:,} instructions")
    found = {}
    for size in _RECORD_SIZES:
        begin = time.monotonic()
        found[size] = _instructions(options, size) - idle
        records, batches = _RECORD_BYTES // size, _RECORD_BYTES / _BATCH
        print(f"records of {size} B: {records:,} in about {batches:.0f} batches: {found[size]:,} "
              f"instructions, {found[size] / batches:,.0f} per batch, "
              f"{found[size] / records:.1f} per record ({time.monotonic() - begin:.0f} s)")
    few, many = (_RECORD_BYTES // size for size in _RECORD_SIZES)
    large, small = (found[size] for size in _RECORD_SIZES)
    print(f"each further record costs {(small - large) / (many - few):.2f} instructions, its "
          "header bytes included")


def main(argv):
    """Entry point."""
    options = _arguments(argv)
    if options.magpie:
        peers.use_magpie_binary(options.magpie)
    _OUTPUT.mkdir(parents=True, exist_ok=True)
    {"perf": _perf, "records": _records}[options.what](options)


if __name__ == "__main__":
    main(sys.argv[1:])
