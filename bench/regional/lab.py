"""What every section needs: where things are, how much time is left, and a place for records."""

import http.client
import subprocess
import time
from pathlib import Path

from regional.shared import LoadClient, Trouble, driver, peers

# What a measurement may meet without ending all others.
TROUBLES = (Trouble, driver.RunFailed, peers.DidNotStart, OSError, http.client.HTTPException,
            subprocess.SubprocessError, LookupError, ValueError, TypeError, StopIteration)
SAMPLE_SECONDS = 0.05
# A load counts as gone through if at least this share of it did.
_WHOLE = 0.95


class Lab:
    """A record is a dict {kind, peer, round, case, figures}; case says what was varied."""

    def __init__(self, plan, program, load, work, clock, say):
        self.plan, self.program, self.load, self.work = plan, program, load, Path(work)
        self.clock, self.say = clock, say
        self.round = 0
        self.records = []
        self._folders = 0

    def folder(self, name):
        """A new folder below the work folder."""
        self._folders += 1
        return self.work / f"{self._folders}-{name}"

    def driver(self, bootstrap):
        """The benchmark client, pointed at a cluster."""
        return driver.Driver(self.program, bootstrap)

    def client(self, folder, mode, bootstrap, topic, *arguments):
        """A client that writes down what it was promised and what it saw."""
        return LoadClient(self.load, folder, mode, bootstrap, topic, *map(str, arguments))

    def record(self, kind, peer, case, figures):
        """Keeps a record, and shows it."""
        self.records.append({"kind": kind, "peer": peer, "round": self.round, "case": case,
                             "figures": figures})
        told = " ".join(f"{key}={value}" for key, value in case.items())
        self.say(f"{kind:10} {peer:13} {told:28} {brief(figures)}")

    def attempt(self, kind, peer, case, measure, *arguments):
        """Keeps the figures that `measure(lab, *arguments)` returns, or why it could not."""
        try:
            self.record(kind, peer, case, measure(self, *arguments))
        except TROUBLES as cause:
            self.failed(kind, peer, case, cause)

    def failed(self, kind, peer, case, cause):
        """Keeps that something could not be measured, and why."""
        self.record(kind, peer, case, {"error": f"{type(cause).__name__}: {cause}"})


def brief(figures):
    """A record in half a line, for people who watch."""
    if "error" in figures:
        return f"FAILED: {figures['error']}"
    parts = []
    for key, value in figures.items():
        if isinstance(value, float):
            parts.append(f"{key} {value:.2f}")
        elif isinstance(value, (int, str)):
            parts.append(f"{key} {value}")
        elif isinstance(value, dict) and "p50_ms" in value:
            parts.append(f"{key} p50 {value['p50_ms']:.2f} p99 {value['p99_ms']:.2f} ms")
    return ", ".join(parts)


def check_load(rate, wanted, failed=0):
    """Raises unless `wanted` records per second went through and none failed."""
    if failed:
        raise Trouble(f"{failed} records failed")
    if rate < _WHOLE * wanted:
        raise Trouble(f"only {rate:.0f} of {wanted:.0f} records per second went through")


def keep_up_load(producers, rate, seconds):
    """Lets clients that each send `rate` records per second do so; raises if they could not."""
    begin, before = time.monotonic(), [producer.count() for producer in producers]
    time.sleep(seconds)
    for producer, count in zip(producers, before):
        check_load((producer.count() - count) / (time.monotonic() - begin), rate)


def watch_growth(size, cpu, enough, still_seconds, limit_seconds):
    """Samples (seconds, bytes, processor seconds) until `enough(bytes)`, or nothing comes any more.

    `still_seconds`: how long nothing must have come. Returns the samples; what came after the last
    growth is left out.
    """
    begin = time.monotonic()
    samples = [(begin, size(), cpu())]
    grown = 0  # index of the last sample that grew
    while time.monotonic() < begin + limit_seconds:
        time.sleep(SAMPLE_SECONDS)
        samples.append((time.monotonic(), size(), cpu()))
        if samples[-1][1] > samples[grown][1]:
            grown = len(samples) - 1
        if enough(samples[-1][1]) or samples[-1][0] - samples[grown][0] > still_seconds:
            break
    return samples[:grown + 1]
