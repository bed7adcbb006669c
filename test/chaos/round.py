"""One round: real processes, load, faults from a seed, and what became of the records.

Runs as a program of its own, so that whoever waits for it can end it and all it has started:

    round.py JOB.json     {"seed", "store", "build", "folder", "programs", "kinds", "slack",
                           "clocks": a library, or nothing}

It says on standard output what it does, and leaves its outcome in FOLDER/outcome.json.
"""

import faulthandler
import json
import signal
import sys
import time
from pathlib import Path

from faults import REGIONS, Faults, Trouble, clock_arguments
from judge import judge
from load import PARTITIONS, count_by_kcat, streams
from outcome import Outcome
from places import TOP  # noqa: F401  (finds the module below)
from dev_cluster import DevCluster
from plan import plan_of

# Short, so that what waits for a lease fits into a round.
LEASE = "4s"
SETTLE_SECONDS = 30


class Round:
    """`slack`: how much longer than alone on the machine everything may take."""

    def __init__(self, job, say):
        build, self.folder = Path(job["build"]), Path(job["folder"])
        self.plan = plan_of(job["seed"], job["store"], bool(job["clocks"]))
        self.slack = job["slack"]
        clocks = clock_arguments(self.folder, job["clocks"]) if job["clocks"] else []
        self.cluster = DevCluster(build / "magpie", self.folder, "--regions", ",".join(REGIONS),
                                  "--wan", f"rtt={self.plan.rtt_ms}ms", "--lease", LEASE,
                                  "--store", self.plan.store, *clocks)
        self.streams = streams(job["programs"], build / "test" / "load" / "magpie-load")
        self.faults = Faults(self.cluster, [stream.group for stream in self.streams] + ["system"],
                             say, self.plan.rtt_ms, self.slack)
        self.outcome = Outcome(job["seed"], [step.kind for step in self.plan.steps],
                               self.plan.store, job["kinds"])

    def run(self):
        begin = time.monotonic()
        try:
            self._begin()
            for step in self.plan.steps:
                self.faults.carry_out(step)
            self._settle()
            self._judge()
        except (Trouble, OSError, KeyError, StopIteration, ValueError) as trouble:
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
            self._create("failover-group", stream.group, "--preset", stream.group, "--regions",
                         ",".join(REGIONS))
            self._create("topic", stream.topic, "--partitions", str(PARTITIONS), "--config",
                         f"magpie.failover.group={stream.group}")
        self._wait_for_sync()
        for stream in self.streams:
            stream.begin(self.folder, self.cluster.bootstrap())
        for stream in self.streams:
            for client in (stream.producer, stream.consumer):
                if client.wait_for_more(50, 30 * self.slack) is None:
                    raise Trouble(f"{stream.topic}: no load: {client.errors_file.read_text()}")

    def _create(self, what, name, *arguments):
        """Again if the control store took too long: nothing has been broken yet."""
        def there():
            done = self.cluster.run("bj", what, "create", name, *arguments)
            return done.ok or "exists" in done.output
        self.cluster.wait(there, f"{what} {name} is created", SETTLE_SECONDS * self.slack)

    def _wait_for_sync(self):
        for group in self.faults.groups:
            self.cluster.wait(lambda group=group: self.faults.in_sync(group),
                              f"{group} is in sync", SETTLE_SECONDS * self.slack)

    def _settle(self):
        """All faults end; everyone must come back by itself and every client go on."""
        self.faults.heal()
        self._wait_for_sync()
        for stream in self.streams:
            if stream.producer.wait_for_more(50, 30 * self.slack) is None:
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
        end = time.monotonic() + 20 * self.slack
        while stored - stream.seen_by_group() and time.monotonic() < end:
            time.sleep(0.2)
        read = count_by_kcat(self.cluster.bootstrap(), stream.topic)
        if read is not None and read != len(stream.reader.events("read")):
            self.outcome.problems.append(f"{stream.topic}: kcat reads {read} records, librdkafka "
                                         f"{len(stream.reader.events('read'))}")

    def _judge(self):
        self.outcome.without_store = len(self.faults.without_store)
        listed = self.cluster.ask(self.faults.via(), "operation", "list")
        for stream in self.streams:
            figures, problems = judge(stream, self.cluster, REGIONS, self.faults,
                                      listed["operations"], self.slack)
            self.outcome.figures[stream.group] = figures
            self.outcome.problems += problems


def main():
    # Asked by whoever is about to end a round that hangs.
    faulthandler.register(signal.SIGUSR1)
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    begin = time.monotonic()
    outcome = Round(job, lambda text: print(f"       {time.monotonic() - begin:6.2f} {text}",
                                            flush=True)).run()
    outcome.save(Path(job["folder"]) / "outcome.json")


if __name__ == "__main__":
    main()
