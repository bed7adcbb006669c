"""The load of a round: a producer and a consumer group for each failover group."""

from clients import STREAMS
from places import TOP  # noqa: F401  (finds the modules below)
from load_client import LoadClient
import processes

PARTITIONS = 2
RATE = 200  # records per second and topic


class Stream:
    """One topic in one failover group, and its clients. `programs` has their command lines."""

    def __init__(self, group, topic, copies, programs, reader):
        self.group, self.topic, self.copies = group, topic, copies
        self.producer = self.consumer = self.reader = None
        self.trouble = []
        self._programs, self._reads_all = programs, reader

    def begin(self, folder, bootstrap):
        self._folder = folder
        self.producer = LoadClient(self._programs["producer"], folder, "produce", bootstrap,
                                   self.topic, "--partitions", str(PARTITIONS),
                                   "--rate", str(RATE))
        self.consumer = LoadClient(self._programs["consumer"], folder, "consume", bootstrap,
                                   self.topic, "--group", f"{self.topic}-readers")

    def end_producer(self):
        reason = self.producer.finish()
        if reason:
            self.trouble.append(f"{self.topic}: the producer ended: {reason}")

    def read_all(self, bootstrap):
        self.reader = LoadClient(self._reads_all, self._folder, "read", bootstrap, self.topic,
                                 "--partitions", str(PARTITIONS))
        reason = self.reader.finish()
        if reason:
            self.trouble.append(f"{self.topic}: cannot be read: {reason}")

    def seen_by_group(self):
        return {event[1:3] for event in self.consumer.events("read")}

    def end_consumer(self):
        reason = self.consumer.finish(40)
        if reason:
            self.trouble.append(f"{self.topic}: the consumer ended: {reason}")

    def kill(self):
        for client in (self.producer, self.consumer, self.reader):
            if client is not None:
                client.kill()


def streams(programs, reader):
    """`programs`: {topic: {"producer": command line, "consumer": command line}}."""
    kinds = (("critical", 1), ("standard", 1), ("bulk", 0))
    return [Stream(group, topic, copies, programs[topic], reader)
            for topic, (group, copies) in zip(STREAMS, kinds)]


def count_by_kcat(bootstrap, topic):
    """Records that kcat reads of a topic from its start to its end; nothing if it cannot."""
    done = processes.run(["kcat", "-b", bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q",
                          "-f", "%p %o\\n"], 30)
    return len(done.output.split("\n")) - 1 if done.ok else None
