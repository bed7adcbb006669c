"""One round: real processes, load, faults from a seed, and what became of the records."""

import time
from dataclasses import dataclass, field

from faults import REGIONS, Faults, Trouble
from judge import judge
from load import PARTITIONS, count_by_kcat, streams
from paths import TOP  # noqa: F401  (finds the module below)
from dev_cluster import DevCluster

# Short, so that what waits for a lease fits into a round.
LEASE = "4s"
SETTLE_SECONDS = 30


@dataclass
class Outcome:
    seed: int
    steps: list
    seconds: float = 0.0
    problems: list = field(default_factory=list)
    figures: dict = field(default_factory=dict)  # by failover group
    happened: list = field(default_factory=list)


class Round:
    def __init__(self, build, folder, plan, store, say):
        self.load = build / "test" / "load" / "magpie-load"
        self.folder, self.plan, self._say = folder, plan, say
        self.cluster = DevCluster(build / "magpie", folder, "--regions", ",".join(REGIONS),
                                  "--wan", f"rtt={plan.rtt_ms}ms", "--lease", LEASE,
                                  "--store", store)
        self.streams = streams()
        self.faults = Faults(self.cluster, [stream.group for stream in self.streams] + ["system"],
                             say)
        self.outcome = Outcome(plan.seed, [step.kind for step in plan.steps])

    def run(self):
        begin = time.monotonic()
        try:
            self._begin()
            for step in self.plan.steps:
                self.faults.carry_out(step)
            self._settle()
            self._judge()
        except (Trouble, OSError, KeyError, StopIteration) as trouble:
            self.outcome.problems.append(f"{type(trouble).__name__}: {trouble}")
        finally:
            for stream in self.streams:
                stream.kill()
            self.cluster.end()
        self.outcome.seconds = time.monotonic() - begin
        self.outcome.happened = self.faults.happened
        return self.outcome

    def _begin(self):
        self.cluster.start()
        for stream in self.streams:
            self.cluster.magpie("bj", "failover-group", "create", stream.group, "--preset",
                                stream.group, "--regions", ",".join(REGIONS))
            self.cluster.magpie("bj", "topic", "create", stream.topic, "--partitions",
                                str(PARTITIONS), "--config",
                                f"magpie.failover.group={stream.group}")
        self._wait_for_sync()
        for stream in self.streams:
            stream.begin(self.load, self.folder, self.cluster.bootstrap())
        for stream in self.streams:
            for client in (stream.producer, stream.consumer):
                if client.wait_for_more(50, 20) is None:
                    raise Trouble(f"{stream.topic}: no load: {client.errors_file.read_text()}")

    def _in_sync(self, group):
        leadership = self.faults.described(group)["leadership"]
        return leadership is not None and leadership["open"] and leadership["state"] == "sync"

    def _wait_for_sync(self):
        for group in self.faults.groups:
            self.cluster.wait(lambda group=group: self._in_sync(group), f"{group} is in sync",
                              SETTLE_SECONDS)

    def _settle(self):
        """All faults end; everyone must come back by itself and every client go on."""
        self.faults.heal()
        self._wait_for_sync()
        for stream in self.streams:
            if stream.producer.wait_for_more(50, 30) is None:
                self.outcome.problems.append(
                    f"{stream.topic}: the producer does not go on: "
                    f"{stream.producer.errors_file.read_text()[-300:]}")
        for stream in self.streams:
            stream.end_producer()
            stream.read_all(self.cluster.bootstrap())
            self._wait_for_consumer(stream)
            stream.end_consumer()

    def _wait_for_consumer(self, stream):
        stored = {event[1:3] for event in stream.reader.events("read")}
        end = time.monotonic() + 20
        while stored - stream.seen_by_group() and time.monotonic() < end:
            time.sleep(0.2)
        read = count_by_kcat(self.cluster.bootstrap(), stream.topic)
        if read is not None and read != len(stream.reader.events("read")):
            self.outcome.problems.append(f"{stream.topic}: kcat reads {read} records, librdkafka "
                                         f"{len(stream.reader.events('read'))}")

    def _judge(self):
        listed = self.cluster.ask(self.faults.via(), "operation", "list")
        for stream in self.streams:
            figures, problems = judge(stream, self.cluster, REGIONS, self.faults,
                                      listed["operations"])
            self.outcome.figures[stream.group] = figures
            self.outcome.problems += problems
