"""One peer, started fresh, warmed up, and led through cases. Every method returns raw records.

A record is a dict {peer, fsync, round, kind, case, figures}; experiment.py collects them.
"""

import time
from dataclasses import replace

from harness import cases, driver, machine

_SETTLED_BYTES = 64 * cases.MEGABYTE
_SETTLE_SECONDS = 15


class Session:
    """The runs against one running peer. Use inside `with peer:`."""

    def __init__(self, program, peer, plan, round_number, clock, say):
        self._peer = peer
        self._plan = plan
        self._round = round_number
        self._clock = clock
        self._say = say
        self._driver = driver.Driver(program, peer.bootstrap, peer.pid)
        self._topics = 0
        self.records = []

    def warm_up(self):
        """Runs both directions unmeasured, so that a just-in-time compiler has seen the code."""
        case = cases.Produce("warm-up", 1024, 16, budget=2 * cases.GIGABYTE,
                             seconds=self._plan.warmup_seconds, warmup=0)
        topic = self._create(case.partitions)
        # Half of it in small batches: a compiler needs many requests more than many bytes.
        for batch in (16_384, 1_000_000):
            options = replace(case, batch=batch).options()
            self._driver.run("produce", [*options, "--topic", topic], case.seconds / 2)
        self._driver.run("consume", [*self._plan.consume.options(), "--topic", topic], 60)
        self._delete(topic)

    def produce(self):
        """All produce cases."""
        for case in self._plan.produce:
            self._on_new_topic("produce", case)

    def consume(self):
        """Reads one topic from the disk and again from the page cache."""
        case = self._plan.consume
        topic = self._create(case.partitions)
        try:
            self._driver.run("produce", [*case.fill_options(), "--topic", topic], 60)
            for state in ("cold", "cached"):
                if state == "cold":
                    machine.drop_from_page_cache(self._peer.data)
                self._measure("consume", state, [*case.options(), "--topic", topic], 60)
        except driver.RunFailed as cause:
            self._failed("consume", case.name, cause)
        self._delete(topic)

    def follow(self, *follows):
        """Producers and a consumer together."""
        for case in follows:
            self._on_new_topic("follow", case)

    def start_and_idle(self):
        """Restarts the peer with partitions that hold data; times it and weighs it at rest."""
        count = cases.START_PARTITIONS
        topic = self._create(count)
        fill = cases.Produce("fill", 1024, count, stick=1, linger=20, seconds=10, warmup=0,
                             budget=40 * cases.MEGABYTE)
        self._driver.run("produce", [*fill.options(), "--topic", topic], fill.seconds)
        if not self._peer.stop():
            self._failed("start", f"p{count}", "SIGTERM was not enough to end the peer")
        accepted, ready = self._peer.start(count)
        self._record("start", f"p{count}", {"accept_ms": accepted * 1e3, "ready_ms": ready * 1e3})
        time.sleep(self._plan.idle_seconds)
        self._record("idle", f"p{count}", machine.memory_of(self._peer.pid))

    def idle_when_new(self):
        """Memory of the peer at rest before any topic exists."""
        time.sleep(self._plan.idle_seconds)
        self._record("idle", "p0", machine.memory_of(self._peer.pid))

    def _on_new_topic(self, mode, case):
        if self._clock.over():
            return
        try:
            topic = self._create(case.partitions)
            self._measure(mode, case.name, [*case.options(), "--topic", topic], case.seconds)
            self._delete(topic)
        except driver.RunFailed as cause:
            self._failed(mode, case.name, cause)

    def _measure(self, mode, name, options, seconds):
        self._record(mode, name, self._driver.run(mode, options, seconds))

    def _record(self, kind, case, figures):
        self.records.append({"peer": self._peer.name, "fsync": self._peer.fsync,
                             "round": self._round, "kind": kind, "case": case, "figures": figures})
        self._say(f"{self._peer.name:7} fsync {self._peer.fsync:6} {kind:8} {case:20} "
                  f"{brief(figures)}")

    def _failed(self, kind, case, cause):
        self._record(kind, case, {"error": str(cause)})

    def _create(self, partitions):
        self._topics += 1
        topic = f"bench-{self._topics}"
        self._driver.create(topic, partitions)
        return topic

    def _delete(self, topic):
        """Deletes a topic and waits, for a bounded time, until its bytes are gone."""
        self._driver.delete(topic)
        deadline = time.monotonic() + _SETTLE_SECONDS
        while machine.disk_usage(self._peer.data) > _SETTLED_BYTES:
            if time.monotonic() > deadline:
                self._say(f"{self._peer.name}: the deleted topic still occupies the disk")
                return
            time.sleep(0.05)


def brief(figures):
    """A run in half a line, for people who watch."""
    if "error" in figures:
        return f"FAILED: {figures['error']}"
    if "accept_ms" in figures:
        return f"accepts after {figures['accept_ms']:.1f} ms, ready {figures['ready_ms']:.1f} ms"
    if "pss_bytes" in figures:
        return f"{figures['rss_bytes'] / 2**20:.1f} MiB resident"
    text = f"{figures['megabytes_per_second']:8.1f} MB/s"
    if "broker_cpu_seconds_per_gigabyte" in figures:
        text += f" {figures['broker_cpu_seconds_per_gigabyte']:6.2f} CPU-s/GB"
    if "end_to_end_latency" in figures:
        latency = figures["end_to_end_latency"]
        text += f" p50 {latency['p50_ms']:.2f} p99 {latency['p99_ms']:.2f} ms"
    if figures.get("failed"):
        text += f" {figures['failed']} FAILED ({figures.get('first_failure')})"
    return text
