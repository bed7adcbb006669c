"""A critical group loses every other region, for longer than some clients wait."""

import time

from dev_cluster import Trouble, toolchain
from load_client import LoadClient
from story import GROUP, group, in_sync, more

# What Java's client waits for an acknowledgement, by default.
DELIVERY_SECONDS = 120


class Hasty:
    """A producer that gives up before writes go on, and then goes on, too."""

    def __init__(self, cluster, topic, program, patience_seconds, reason, *arguments):
        cluster.magpie("bj", "topic", "create", topic, "--partitions", "1", "--config",
                       f"magpie.failover.group={GROUP}")
        self.cluster, self.topic = cluster, topic
        self.patience_seconds, self.reason = patience_seconds, reason
        self.client = LoadClient(program, cluster.folder, "produce", cluster.bootstrap(), topic,
                                 "--rate", "100", *arguments)

    def has_given_up(self):
        return bool(self.client.events_of_any("failed"))

    def finish(self):
        """Its end, when it has gone on; and what it was told is true."""
        more(self.client, 100, f"the producer of {self.topic}, later")
        troubles = [self.client.finish()]
        reader = LoadClient(self.cluster.load, self.cluster.folder, "read",
                            self.cluster.bootstrap(), self.topic)
        troubles.append(reader.finish())
        stored = [number for _, _, number, _ in reader.events("read")]
        acked = {number: at for at, _, number, _ in self.client.events("acked")}
        told = [line.split(" ", 4) for line in self.client.events_of_any("failed")]
        failed = {int(number): int(at) for _, at, _, number, _ in told}
        # The records before it were acknowledged, so it was sent about when the last of them was.
        first = min(failed)
        waited = failed[first] - max(at for number, at in acked.items() if number < first)
        print(f"       {self.topic}: gave up on {len(failed)} of {len(failed) + len(acked)}, the "
              f"first after {waited / 1000:.1f} s; {len(failed.keys() & set(stored))} of them are "
              "stored")
        claims = (
            ("acknowledged and not stored", acked.keys() - set(stored)),
            ("acknowledged and given up on", acked.keys() & failed.keys()),
            ("neither", set(range(max(acked) + 1)) - acked.keys() - failed.keys()),
            ("stored twice or out of order", stored != sorted(set(stored))),
            ("told another reason", {one[4] for one in told} - {self.reason}),
            # Whoever began to count some time before the last acknowledgement is not blamed.
            ("given up on too soon", waited < self.patience_seconds * 1000 - 1000),
            ("nothing after it", max(acked) < max(failed)))
        troubles += [f"{text}: {found}" for text, found in claims if found]
        if any(troubles):
            raise Trouble(f"the producer of {self.topic}: {'; '.join(filter(None, troubles))}")


def are_blocked(cluster, producer, consumer, hasty, seconds):
    """For so long, and until all of `hasty` have given up."""
    for one in hasty:
        more(one.client, 100, f"the producer of {one.topic}")
    more(producer, 1000, "the producer")
    cluster.tell("kill sh gz")
    cluster.wait(lambda: group(cluster, "bj")["leadership"]["blocked"] is not None,
                 "writes are blocked")
    begin = time.monotonic()
    for one in hasty:
        cluster.wait(one.has_given_up, f"the producer of {one.topic} gives up",
                     one.patience_seconds + 50)
    time.sleep(max(0, begin + seconds - time.monotonic()))
    before = len(producer.events("acked"))
    if group(cluster, "bj")["leadership"]["blocked"] is None:
        raise Trouble("writes were blocked no longer")
    cluster.tell("start sh gz")
    cluster.wait(lambda: in_sync(cluster, "bj"), "the group is in sync again")
    cluster.wait(lambda: len(producer.events("acked")) >= before + 1000, "the producer goes on")
    for one in hasty:
        one.finish()
    more(consumer, 1000, "the consumer at the end")


def hasty_librdkafka(cluster):
    return Hasty(cluster, "hasty", cluster.load, 10, "_MSG_TIMED_OUT", "--set",
                 "message.timeout.ms=10000")


def default_java(cluster):
    return Hasty(cluster, "java", toolchain.java_load(), DELIVERY_SECONDS, "TimeoutException")


def writes_are_blocked(seconds, *makers):
    """A story in which they are, for clients that give up and for the one that does not."""
    def story(cluster, producer, consumer):
        hasty = []
        try:
            for make in makers:
                hasty.append(make(cluster))
            are_blocked(cluster, producer, consumer, hasty, seconds)
        finally:
            for one in hasty:
                one.client.kill()
    return story
