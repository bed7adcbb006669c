"""The load of a round: a producer and a consumer group for each failover group, on librdkafka."""

from paths import TOP  # noqa: F401  (finds the modules below)
from load_client import LoadClient
import processes

PARTITIONS = 2
RATE = 200  # records per second and topic


class Stream:
    """One topic in one failover group, and its clients."""

    def __init__(self, group, topic, copies):
        self.group, self.topic, self.copies = group, topic, copies
        self.producer = self.consumer = self.reader = None
        self.trouble = []

    def begin(self, program, folder, bootstrap):
        self._made = (program, folder)
        self.producer = LoadClient(program, folder, "produce", bootstrap, self.topic,
                                   "--partitions", str(PARTITIONS), "--rate", str(RATE))
        self.consumer = LoadClient(program, folder, "consume", bootstrap, self.topic,
                                   "--group", f"{self.topic}-readers")

    def end_producer(self):
        reason = self.producer.finish()
        if reason:
            self.trouble.append(f"{self.topic}: the producer ended: {reason}")

    def read_all(self, bootstrap):
        program, folder = self._made
        self.reader = LoadClient(program, folder, "read", bootstrap, self.topic,
                                 "--partitions", str(PARTITIONS))
        reason = self.reader.finish()
        if reason:
            self.trouble.append(f"{self.topic}: cannot be read: {reason}")

    def seen_by_group(self):
        return {event[1:3] for event in self.consumer.events("read")}

    def end_consumer(self):
        reason = self.consumer.finish(20)
        if reason:
            self.trouble.append(f"{self.topic}: the consumer ended: {reason}")

    def kill(self):
        for client in (self.producer, self.consumer, self.reader):
            if client is not None:
                client.kill()


def streams():
    return [Stream("critical", "payments", 1), Stream("standard", "orders", 1),
            Stream("bulk", "clicks", 0)]


def count_by_kcat(bootstrap, topic):
    """Records that kcat reads of a topic from its start to its end; nothing if it cannot."""
    done = processes.run(["kcat", "-b", bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q",
                          "-f", "%p %o\\n"], 30)
    return len(done.output.split("\n")) - 1 if done.ok else None
