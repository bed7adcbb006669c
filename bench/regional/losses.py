"""The source is killed under load: acknowledged records that are gone, and records that come twice.

The same load, way and kill for Magpie with 0, 1 and all copies (three groups of one cluster) and
for MirrorMaker 2. "Again" are records that the same consumer group was given a second time.
"""

import contextlib
import random
import time

from regional import cluster, plan
from regional.lab import TROUBLES, keep_up_load
from regional.shared import Trouble, account_of

_PARTITIONS = 4
_PATIENCE = 60
_AFTER_SECONDS = 2.0


def load_seconds(lab):
    """How long there is load before the kill: drawn, so that it meets any moment."""
    return random.uniform(*lab.plan.loss_seconds)


def figures_of(account, rate):
    """A record's figures."""
    lost = len(account.lost)
    return {"acknowledged_records": account.acknowledged, "lost": lost,
            "lost_ms": lost / rate * 1e3, "moved": len(account.moved),
            "repeated": account.repeated, "again": account.seen_twice, "unseen": account.unseen}


def run(lab):
    """One kill of Magpie's source."""
    if lab.clock.over():
        return
    streams = [_Stream(copies) for copies in plan.COPIES]
    try:
        with cluster.Cluster(lab.folder("loss"), "--lease", f"{plan.LEASE_SECONDS}s") as magpie:
            try:
                _run(lab, magpie, streams)
            finally:
                for stream in streams:
                    stream.kill()
    except TROUBLES as cause:
        for stream in streams:
            lab.failed("loss", "magpie", {"copies": stream.copies}, cause)


def _run(lab, magpie, streams):
    for stream in streams:
        stream.create(magpie)
    for stream in streams:
        magpie.wait_for_sync(stream.group)
        stream.begin(lab, magpie)
    for stream in streams:
        stream.more(500, "at the start")
    keep_up_load([stream.producer for stream in streams], lab.plan.loss_rate, load_seconds(lab))
    for stream in streams:
        if not magpie.in_sync(stream.group):
            raise Trouble(f"{stream.group} did not stay in sync")
    magpie.tell(f"kill {plan.SOURCE}")
    magpie.wait_for_state(plan.SOURCE, "ended")
    _, _, operation = magpie.move(plan.TARGET, {
        "kind": "failover", "from": plan.SOURCE, "allow_loss": True})
    told = magpie.finish_operation(plan.TARGET, operation)
    for stream in streams:
        stream.more(500, "after the failover")
    time.sleep(_AFTER_SECONDS)
    for stream in streams:
        lab.attempt("loss", "magpie", {"copies": stream.copies}, stream.figures, magpie, told)


class _Stream:
    """One group with its topic, producer and consumer group."""

    def __init__(self, copies):
        self.copies, self.group = copies, f"copies-{copies}"
        self.producer = self.consumer = None

    def create(self, magpie):
        preset = "bulk" if self.copies == "0" else "critical"
        magpie.create_group(self.group, preset, plan.REGIONS, "--copies", self.copies)
        magpie.create_topic(self.group, _PARTITIONS, self.group)

    def begin(self, lab, magpie):
        self.producer = lab.client(magpie.folder, "produce", magpie.bootstrap(), self.group,
                                   "--partitions", _PARTITIONS, "--rate", lab.plan.loss_rate,
                                   "--bytes", plan.MESSAGE)
        self.consumer = lab.client(magpie.folder, "consume", magpie.bootstrap(), self.group,
                                   "--group", f"{self.group}-readers")

    def more(self, count, what):
        for client in (self.producer, self.consumer):
            if client.wait_for_more(count, _PATIENCE) is None:
                raise Trouble(f"{self.group}: nothing {what}: "
                              f"{client.errors_file.read_text()[-300:]}")

    def figures(self, lab, magpie, told):
        """Ends the clients, reads everything, and compares; `told`: what the operation says."""
        trouble = self.producer.finish()
        reader = lab.client(magpie.folder, "read", magpie.bootstrap(), self.group,
                            "--partitions", _PARTITIONS)
        trouble = reader.finish() or trouble
        if trouble:
            raise Trouble(f"{self.group}: {trouble}")
        stored = {event[1:3] for event in reader.events("read")}
        with contextlib.suppress(Trouble):  # what they do not reach is unseen, and counted
            magpie.wait(lambda: stored <= {event[1:3] for event in self.consumer.events("read")},
                        f"the readers of {self.group} reach the end", _PATIENCE)
        trouble = self.consumer.finish()
        if trouble:
            raise Trouble(f"the readers of {self.group}: {trouble}")
        group = next(moved for moved in told["groups"] if moved["group"] == self.group)
        account = account_of(self.producer, reader, self.consumer)
        return {**figures_of(account, lab.plan.loss_rate), "statement": group["loss"]["statement"]}

    def kill(self):
        for client in (self.producer, self.consumer):
            if client is not None:
                client.kill()
