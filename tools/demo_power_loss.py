#!/usr/bin/env python3
"""make demo-power-loss: a node loses its power under load, and nothing acknowledged is missing.

Starts one node with its defaults (an acknowledgement means fdatasync has returned), creates a
topic, streams numbered records through librdkafka and reads them in a consumer group at the same
time. At random moments the node is killed and everything it had not synced is taken away from its
files, with random sectors left behind (test/power_loss). It is started again; the clients are not.
At the end every acknowledged record is looked for. Exit code 0 only if every claim held.
"""

import argparse
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "test" / "clients"))
sys.path.insert(0, str(TOP / "test" / "power_loss"))
import power_loss  # noqa: E402
import processes  # noqa: E402

TOPIC = "orders"
PATIENCE = 30


class Failure(Exception):
    """The demo could not be carried out."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def say(text):
    print(text, flush=True)


class Node:
    """One Magpie process whose power can be cut."""

    def __init__(self, binary, library, folder, fsync):
        self.binary, self.library = binary, library
        self.data, self.journal = folder / "data", folder / "journal"
        self.log = folder / "node.log"
        self.kafka, self.admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.config = folder / "magpie.yaml"
        self.config.write_text(f"node:\n  data: {self.data}\nadmin:\n  listen: {self.admin}\n"
                               f"listeners:\n  - name: kafka\n    listen: {self.kafka}\n"
                               f"storage:\n  fsync: {fsync}\n")
        self.journal.mkdir()
        self.process = None

    def start(self):
        """Starts it; returns the seconds until it was ready."""
        begin = time.monotonic()
        self.process = processes.start(
            [self.binary, "serve", "--config", self.config], self.log,
            env={"PATH": "/usr/bin:/bin", "LD_PRELOAD": str(self.library),
                 "MAGPIE_POWER_LOSS_DATA": str(self.data),
                 "MAGPIE_POWER_LOSS_JOURNAL": str(self.journal)})
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > begin + PATIENCE:
                raise Failure(f"the node did not start; its log ends with:\n{self.log_tail()}")
            time.sleep(0.01)
        return time.monotonic() - begin

    def ready(self):
        host, port = self.admin.split(":")
        try:
            with socket.create_connection((host, int(port)), 1) as connection:
                connection.sendall(b"GET /readyz HTTP/1.0\r\nHost: demo\r\n\r\n")
                return b" 200 " in connection.recv(200)
        except OSError:
            return False

    def log_tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])

    def cut_power(self, source):
        processes.kill(self.process)
        return power_loss.cut_power(self.journal, self.data, source)

    def tool(self, *arguments):
        done = processes.run([self.binary, *arguments, "--admin", self.admin], PATIENCE)
        if not done.ok:
            raise Failure(f"magpie {' '.join(arguments)}: {done.tail()}")
        return done.output


class Client:
    """One magpie-load process; its lines are kept in a file."""

    def __init__(self, program, folder, mode, bootstrap, *arguments):
        self.lines_file = folder / f"{mode}.lines"
        self.errors_file = folder / f"{mode}.errors"
        with open(self.lines_file, "wb") as lines, open(self.errors_file, "wb") as errors:
            self.process = subprocess.Popen(
                [program, mode, bootstrap, TOPIC, *arguments], stdin=subprocess.PIPE,
                stdout=lines, stderr=errors)

    def count(self):
        return self.lines_file.read_bytes().count(b"\n")

    def finish(self):
        """Closes its input and waits for its end. Returns why it ended badly, or nothing."""
        self.process.stdin.close()
        if self.process.wait(PATIENCE * 3) == 0:
            return ""
        return self.errors_file.read_text().strip().splitlines()[-1]

    def records(self, word):
        """(partition, number, offset) of every line that begins with `word`."""
        found = []
        for line in self.lines_file.read_text().splitlines():
            fields = line.split(" ")
            if fields[0] == word and len(fields) == 5:
                found.append((int(fields[2]), int(fields[3]), int(fields[4])))
        return found


class Verdict:
    """Collects claims; prints each with what was found."""

    def __init__(self):
        self.failed = 0

    def claim(self, text, holds, found):
        self.failed += not holds
        say(f"  {'ok  ' if holds else 'FAIL'} {text}: {found}")


def judge(verdict, producer, consumer, reader):
    """Compares what was promised with what is there."""
    acked, stored = producer.records("acked"), reader.records("read")
    at_offset = {(partition, offset): number for partition, number, offset in stored}
    lost = [record for record in acked if at_offset.get((record[0], record[2])) != record[1]]
    numbers = [(partition, number) for partition, number, _ in stored]
    in_order = all(before[0] != after[0] or before[1] < after[1]
                   for before, after in zip(numbers_by_partition(stored),
                                            numbers_by_partition(stored)[1:]))
    seen = {(partition, number) for partition, number, _ in consumer.records("read")}
    verdict.claim("acknowledged records missing or elsewhere", not lost,
                  f"{len(lost)} of {len(acked)}")
    verdict.claim("records stored twice", len(numbers) == len(set(numbers)),
                  len(numbers) - len(set(numbers)))
    verdict.claim("order within each partition kept", in_order, "yes" if in_order else "no")
    verdict.claim("records the producer gave up on", not producer.records("failed"),
                  len(producer.records("failed")))
    unseen = len(set(numbers) - seen)
    verdict.claim("stored records the consumer group did not see", not unseen, unseen)
    verdict.claim("something was proved", len(acked) > 1000, f"{len(acked)} acknowledgements")


def numbers_by_partition(stored):
    """(partition, number) in the order of partitions and offsets."""
    return [(partition, number) for partition, _, number in
            sorted((partition, offset, number) for partition, number, offset in stored)]


def wait_for_more(client, count, what):
    begin, before = time.monotonic(), client.count()
    while client.count() < before + count and client.process.poll() is None:
        if time.monotonic() > begin + PATIENCE:
            raise Failure(f"{what} did not go on within {PATIENCE} s")
        time.sleep(0.02)
    return time.monotonic() - begin


def run(options, folder):
    source = random.Random(options.seed)
    build = Path(options.build)
    load = build / "test" / "load" / "magpie-load"
    node = Node(build / "magpie", build / "test" / "power_loss" / "libmagpie_power_loss.so", folder,
                options.fsync)
    say(f"One node, Kafka clients at {node.kafka}, fsync: {options.fsync}, seed {options.seed}")
    say(f"  ready after {node.start() * 1000:.0f} ms")
    node.tool("topic", "create", TOPIC, "--partitions", "3")
    producer = Client(load, folder, "produce", node.kafka, "--partitions", "3", "--rate",
                      str(options.rate))
    consumer = Client(load, folder, "consume", node.kafka, "--group", "demo")
    try:
        for cut in range(1, options.cuts + 1):
            wait_for_more(producer, 100, "the producer")
            time.sleep(source.uniform(0.5, 2.0))
            acked = len(producer.records("acked"))
            loss = node.cut_power(source)
            say(f"power cut {cut} after {acked} acknowledgements: {loss.changes} unsynced changes "
                f"lost in {loss.files} files, {loss.torn_bytes} bytes of them left torn")
            seconds = node.start()
            again = wait_for_more(producer, 1, "the producer")
            say(f"  ready again after {seconds * 1000:.0f} ms, next acknowledgement "
                f"{again * 1000:.0f} ms later")
        wait_for_more(producer, 500, "the producer")
        ends = [producer.finish()]
        reader = Client(load, folder, "read", node.kafka, "--partitions", "3")
        ends.append(reader.finish())
        wait_until_read(consumer, len(reader.records("read")))
        ends.append(consumer.finish())
        say("Claims:")
        verdict = Verdict()
        judge(verdict, producer, consumer, reader)
        troubles = "; ".join(filter(None, ends))
        verdict.claim("clients that gave up", not troubles, troubles or 0)
        return verdict.failed
    finally:
        for client in (producer, consumer):
            if client.process.poll() is None:
                client.process.kill()
        processes.stop(node.process)


def wait_until_read(consumer, stored):
    """Waits until the group has read as much as is stored; more is possible after a rebalance."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if len({record[:2] for record in consumer.records("read")}) >= stored:
            return
        time.sleep(0.2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(TOP / "build" / "release"))
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--cuts", type=int, default=3)
    parser.add_argument("--rate", type=int, default=3000, help="records per second")
    parser.add_argument("--fsync", default="always", choices=("always", "interval", "never"))
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1_000_000)
    folder = Path(tempfile.mkdtemp(prefix="magpie-demo-"))
    try:
        failed = run(options, folder)
    except Failure as failure:
        say(f"error: {failure}")
        say(f"Its files are kept in {folder}")
        return 1
    if failed:
        say(f"{failed} claims did not hold. Files are kept in {folder}; "
            f"again with: tools/demo_power_loss.py --seed {options.seed}")
        return 1
    shutil.rmtree(folder)
    say("Every claim held.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
