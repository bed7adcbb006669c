"""From the records of many rounds to a median and its spread."""

import statistics
from dataclasses import dataclass

from harness import cases


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest of `count` rounds."""

    median: float
    low: float
    high: float
    count: int

    def __truediv__(self, other):
        """Ratio of the medians."""
        return self.median / other.median if other.median else float("inf")


def elsewhere(found, again):
    """Which facts make the figures of two measurements incomparable; empty if none does."""
    return [fact for fact in ("machine", "client") if found[fact] != again[fact]]


def with_latency(found, again):
    """The result `found` with the latency of `again`, and its facts, in place of its own.

    REQUIRES: not elsewhere(found, again).
    """
    def is_latency(record):
        return record["kind"] == "follow" and record["case"] in (cases.LIGHT.name,
                                                                 cases.HALF.name)

    measured = [record for record in again["records"]
                if is_latency(record) or "error" in record["figures"]]
    kept = [record for record in found["records"] if not is_latency(record)]
    return {**found, "records": kept + measured,
            "calibrations": found["calibrations"] + again["calibrations"],
            "complete": found["complete"] and again["complete"],
            "latency": {fact: again[fact] for fact in ("date", "command", "minutes", "rounds",
                                                       "versions")}}


class Summary:
    """Answers questions about one result document."""

    def __init__(self, found):
        self.found = found
        self._records = found["records"]

    def peers(self):
        """Names of the brokers that were measured, in their order."""
        return list(self.found["versions"])

    def get(self, peer, fsync, kind, case, *metric):
        """Spread of a figure over the rounds, or None if no round has it.

        `metric` is the path of keys inside a record's figures.
        """
        values = []
        for record in self._records:
            if (record["peer"], record["fsync"], record["kind"], record["case"]) == (
                    peer, fsync, kind, case):
                value = record["figures"]
                for key in metric:
                    value = value.get(key) if isinstance(value, dict) else None
                if value is not None:
                    values.append(value)
        if not values:
            return None
        return Spread(statistics.median(values), min(values), max(values), len(values))

    def throughput(self, peer, fsync, case, kind="produce"):
        """Megabytes of payload per second."""
        return self.get(peer, fsync, kind, case, "megabytes_per_second")

    def broker_cpu(self, peer, fsync, case, kind="produce"):
        """Broker's processor seconds per gigabyte of payload."""
        return self.get(peer, fsync, kind, case, "broker_cpu_seconds_per_gigabyte")

    def latency(self, peer, fsync, case, percentile):
        """End-to-end latency in milliseconds; `percentile` is p50, p99, p99_9 or max."""
        return self.get(peer, fsync, "follow", case, "end_to_end_latency", f"{percentile}_ms")

    def cases(self, kind, peer=None):
        """Names of the cases of that kind, in the order they were run."""
        names = {}
        for record in self._records:
            if record["kind"] == kind and peer in (None, record["peer"]):
                names[record["case"]] = True
        return list(names)

    def settings(self, case):
        """The client's settings in a produce case."""
        for record in self._records:
            if record["kind"] == "produce" and record["case"] == case:
                settings = record["figures"].get("settings")
                if settings:
                    return settings
        return {}

    def cores(self, peer, fsync, kind, case):
        """(client, broker, broker's busiest thread, everything else) in cores, or None."""
        seconds = self.get(peer, fsync, kind, case, "seconds")
        used = [self.get(peer, fsync, kind, case, f"{part}_cpu_seconds")
                for part in ("client", "broker", "broker_busiest_thread")]
        other = self.get(peer, fsync, kind, case, "other_cores")
        if not (seconds and all(used) and other):
            return None
        return (*(part / seconds for part in used), other.median)

    def highest(self, peer, metric):
        """The highest value of a figure over all runs of a peer, or None."""
        values = [record["figures"][metric] for record in self._records
                  if record["peer"] == peer and metric in record["figures"]]
        return max(values) if values else None

    def failures(self):
        """(peer, fsync, kind, case, why) of every run that failed or lost messages."""
        for record in self._records:
            figures = record["figures"]
            why = figures.get("error")
            if not why and figures.get("failed"):
                why = f"{figures['failed']} messages failed: {figures.get('first_failure')}"
            if why:
                yield record["peer"], record["fsync"], record["kind"], record["case"], why

    def noise(self):
        """Median share of the machine's cores that neither client nor broker used."""
        values = [record["figures"]["other_cores"] for record in self._records
                  if "other_cores" in record["figures"]]
        return statistics.median(values) if values else 0.0
