#!/usr/bin/python3
"""kcat against the broker: every codec, idempotent or not, groups, offsets, headers, limits.

Quick enough for `make test`. kcat 1.7.1 of Debian 12 carries librdkafka 2.0.2, so this is at the
same time the test with an old client. Run alone: kcat_smoke.py [--broker magpie|kafka|HOST:PORT]
"""

import json
import random
import string
import sys
import time

import processes
import toolchain
from suite import FunctionSuite, expect

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
_TIMEOUT = 40


def _lines(seed, count, size):
    """Reproducible keyed lines `key:value`, values compressible and of varying length."""
    source = random.Random(seed)
    words = ["".join(source.choices(string.ascii_lowercase, k=5)) for _ in range(40)]
    for number in range(count):
        value = " ".join(source.choices(words, k=source.randint(1, size // 6)))
        yield f"key-{number}:{number} {value}"


class KcatSmoke(FunctionSuite):
    name = "kcat"
    title = "kcat 1.7.1 (librdkafka 2.0.2)"
    lanes = 2

    def __init__(self):
        self._serial = int(time.time())

    def prepare(self):
        toolchain.need("kcat", "kcat")

    def _topic(self, what):
        self._serial += 1
        return f"kcat-{what}-{self._serial}"

    def _kcat(self, broker, *arguments, text_in=None, ok=True):
        done = processes.run(["kcat", "-b", broker.bootstrap, *arguments], _TIMEOUT,
                             text_in=text_in)
        if ok:
            expect(done.ok, lambda: f"kcat {' '.join(arguments)}: "
                   f"{'timed out' if done.timed_out else f'exit {done.code}'}: {done.tail()}")
        return done

    def _produce(self, broker, topic, lines, *arguments):
        self._kcat(broker, "-P", "-t", topic, "-p", "0", "-K:", *arguments,
                   text_in="".join(line + "\n" for line in lines))

    def _consume(self, broker, topic, *arguments):
        """Messages of partition 0 as kcat's JSON objects."""
        done = self._kcat(broker, "-C", "-t", topic, "-p", "0", "-e", "-q", "-J", *arguments)
        return [json.loads(line) for line in done.output.splitlines()]

    def _round_trip(self, broker, what, lines, *arguments):
        topic = self._topic(what)
        self._produce(broker, topic, lines, *arguments)
        got = self._consume(broker, topic, "-o", "beginning", "-X", "check.crcs=true")
        expect([f"{message['key']}:{message['payload']}" for message in got] == lines,
               lambda: f"{len(lines)} lines produced, {len(got)} consumed or different")
        expect([message["offset"] for message in got] == list(range(len(lines))),
               "offsets are not 0, 1, 2, ...")
        return topic

    def test_metadata(self, broker):
        listed = json.loads(self._kcat(broker, "-L", "-J").output)
        names = [node["name"] for node in listed["brokers"]]
        expect(broker.bootstrap in names, f"advertised {names}, listening on {broker.bootstrap}")

    def test_auto_create_has_four_partitions(self, broker):
        topic = self._topic("auto")
        self._kcat(broker, "-P", "-t", topic, text_in="x\n")
        listed = json.loads(self._kcat(broker, "-L", "-J", "-t", topic).output)
        expect(len(listed["topics"][0]["partitions"]) == 4, lambda: str(listed["topics"]))

    def test_acks(self, broker):
        lines = list(_lines(1, 200, 60))
        for acks in ("0", "1", "all"):
            topic = self._topic(f"acks-{acks}")
            self._produce(broker, topic, lines[:1])  # so that acks=0 finds the topic
            self._produce(broker, topic, lines, "-X", f"acks={acks}")
            deadline = time.monotonic() + 10
            while True:
                got = self._consume(broker, topic, "-o", "beginning")
                if len(got) == len(lines) + 1 or time.monotonic() > deadline:
                    break
            expect(len(got) == len(lines) + 1, f"acks={acks}: {len(got) - 1} of {len(lines)}")

    def test_null_and_empty_values(self, broker):
        topic = self._topic("null")
        self._kcat(broker, "-P", "-t", topic, "-p", "0", "-K:", "-Z", text_in="a:\nb:x\n:y\n")
        got = self._consume(broker, topic, "-o", "beginning")
        expect([(message.get("key"), message.get("payload")) for message in got]
               == [("a", None), ("b", "x"), (None, "y")], lambda: str(got))

    def test_headers(self, broker):
        topic = self._topic("headers")
        self._kcat(broker, "-P", "-t", topic, "-p", "0", "-H", "one=1", "-H", "two=zwei",
                   "-H", "one=again", text_in="x\n")
        got = self._consume(broker, topic, "-o", "beginning")
        expect(got[0]["headers"] == ["one", "1", "two", "zwei", "one", "again"],
               lambda: str(got))

    def test_offsets_by_position_and_time(self, broker):
        before = int(time.time() * 1000) - 1000
        topic = self._round_trip(broker, "query", list(_lines(2, 50, 60)))
        later = before + 3_600_000
        asked = [("-2", 0), ("-1", 50), (str(before), 0), (str(later), -1)]
        for when, expected in asked:
            answer = self._kcat(broker, "-Q", "-t", f"{topic}:0:{when}").output
            expect(answer.split()[-1] == str(expected), f"{when}: {answer.strip()}")
        got = self._consume(broker, topic, "-o", "45")
        expect([message["offset"] for message in got] == [45, 46, 47, 48, 49], lambda: str(got))
        got = self._consume(broker, topic, "-o", "-2")
        expect([message["offset"] for message in got] == [48, 49], lambda: str(got))
        got = self._consume(broker, topic, "-o", f"s@{before}")
        expect(len(got) == 50, f"{len(got)} of 50 since a time before all")

    def test_group_resumes_where_it_stopped(self, broker):
        topic = self._topic("group")
        first, second = list(_lines(3, 100, 60)), list(_lines(4, 30, 60))
        group = ["-G", topic + "-readers", "-q", "-e", "-J", "-X", "auto.offset.reset=earliest",
                 "-X", "enable.auto.commit=true", topic]
        seen = []
        for lines in (first, second):
            self._produce(broker, topic, lines)
            done = self._kcat(broker, *group)
            got = [json.loads(line) for line in done.output.splitlines() if line[:1] == "{"]
            seen.append([f"{message['key']}:{message['payload']}" for message in got])
        expect(seen == [first, second], lambda: f"read {[len(part) for part in seen]}, "
               f"expected {[len(first), len(second)]}")

    def test_rack_is_accepted(self, broker):
        topic = self._round_trip(broker, "rack", list(_lines(5, 20, 60)))
        got = self._consume(broker, topic, "-o", "beginning", "-X", "client.rack=somewhere")
        expect(len(got) == 20, f"{len(got)} of 20")

    def test_large_message(self, broker):
        self._round_trip(broker, "large", ["key-0:" + "0123456789" * 90_000])

    def test_fetch_smaller_than_a_batch(self, broker):
        topic = self._round_trip(broker, "small-fetch", list(_lines(6, 300, 400)))
        got = self._consume(broker, topic, "-o", "beginning", "-X", "fetch.message.max.bytes=1000")
        expect(len(got) == 300, f"{len(got)} of 300")

    def test_too_large_message_is_refused(self, broker):
        done = self._kcat(broker, "-P", "-t", self._topic("too-large"), "-p", "0",
                          "-X", "message.max.bytes=4000000", text_in="x" * 3_000_000 + "\n",
                          ok=False)
        expect("Message size too large" in done.output, lambda: done.tail())

    def test_unknown_topic_is_refused(self, broker):
        done = self._kcat(broker, "-C", "-e", "-t", "no/such topic", "-p", "0", ok=False)
        expect(not done.ok and "nvalid topic" in done.output, lambda: done.tail())

    def test_unknown_partition_is_refused(self, broker):
        topic = self._round_trip(broker, "partitions", ["a:b"])
        done = self._kcat(broker, "-C", "-e", "-t", topic, "-p", "77", ok=False)
        expect(not done.ok and "partition 77 does not exist" in done.output, lambda: done.tail())


def _add_codec_tests():
    for idempotent in (False, True):
        for codec in CODECS:
            what = codec + ("-idempotent" if idempotent else "")

            def test(self, broker, codec=codec, idempotent=idempotent, what=what):
                self._round_trip(broker, what, list(_lines(what, 2000, 120)), "-z", codec,
                                 "-X", f"enable.idempotence={str(idempotent).lower()}",
                                 "-X", "batch.num.messages=100")
            setattr(KcatSmoke, "test_codec_" + what.replace("-", "_"), test)


_add_codec_tests()

if __name__ == "__main__":
    import run
    sys.exit(run.main(["kcat", *sys.argv[1:]]))
