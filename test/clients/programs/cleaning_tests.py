#!/usr/bin/python3
"""Tests of retention and compaction, for a broker that looks for old segments every second.

    cleaning_tests.py --list
    cleaning_tests.py TEST HOST:PORT
"""

import time

from kafka import KafkaProducer, TopicPartition
from kafka_python_tests import make_topic, open_consumer, produce, run, until

DAY_MS = 24 * 3600 * 1000


def bounds(broker, topic):
    """First and next offset of partition 0."""
    place, consumer = TopicPartition(topic, 0), open_consumer(broker)
    found = (consumer.beginning_offsets([place])[place], consumer.end_offsets([place])[place])
    consumer.close()
    return found


def test_compaction(broker):
    topic = make_topic(broker, "compaction", **{
        "cleanup.policy": "compact", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0.001",
        "min.compaction.lag.ms": "0"})
    producer = KafkaProducer(bootstrap_servers=broker)
    for number in range(1000):
        producer.send(topic, b"value %d" % number, key=b"key %d" % (number % 10), partition=0)
    producer.flush(30)

    def compacted():
        producer.send(topic, b"turns to a new segment", key=b"other", partition=0).get(20)
        end = open_consumer(broker, topic).end_offsets([TopicPartition(topic, 0)])
        records = {}
        for record in open_consumer(broker, topic, consumer_timeout_ms=20_000):
            records[record.offset] = record
            if record.offset + 1 == list(end.values())[0]:
                break
        kept = {offset: record for offset, record in records.items() if record.key != b"other"}
        last = {record.key: record.value for record in kept.values()}
        assert last == {b"key %d" % (number % 10): b"value %d" % number
                        for number in range(990, 1000)}, last
        return sorted(kept) == list(range(990, 1000))

    until(lambda: compacted() or time.sleep(1), "older values are still there", 90)


def test_tombstones_are_dropped_in_the_end(broker):
    topic = make_topic(broker, "tombstones", **{
        "cleanup.policy": "compact", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0.001",
        "delete.retention.ms": "500"})
    produce(broker, topic, [b"1", b"2"], key=b"gone")
    produce(broker, topic, [None], key=b"gone")

    def is_gone():
        produce(broker, topic, [b"turns to a new segment"], key=b"other")
        records = read_to_end(broker, topic)
        return all(record.key != b"gone" for record in records)

    until(lambda: is_gone() or time.sleep(1), "the deleted key is still there", 90)


def read_to_end(broker, topic):
    """All records of partition 0, up to the end as it is now; gaps are allowed."""
    _, end = bounds(broker, topic)
    records = []
    for record in open_consumer(broker, topic, consumer_timeout_ms=20_000):
        records.append(record)
        if record.offset + 1 >= end:
            break
    return records


def test_retention_by_time(broker):
    topic = make_topic(broker, "by-time", **{"retention.ms": str(DAY_MS), "segment.ms": "1000"})
    old = int(time.time() * 1000) - 2 * DAY_MS
    produce(broker, topic, [b"old"] * 10, timestamp_ms=old)
    until(lambda: bounds(broker, topic)[0] == 10 or time.sleep(0.3), "old records are still there")
    produce(broker, topic, [b"new"] * 5)
    records = read_to_end(broker, topic)
    assert [(record.offset, record.value) for record in records] \
        == [(offset, b"new") for offset in range(10, 15)], records


def test_retention_by_size(broker):
    topic = make_topic(broker, "by-size", **{
        "retention.bytes": str(2 << 20), "segment.bytes": str(1 << 20)})
    producer = KafkaProducer(bootstrap_servers=broker, linger_ms=5)
    for _ in range(6000):
        producer.send(topic, b"z" * 1000, partition=0)
    producer.flush(60)

    def is_cut():
        first, end = bounds(broker, topic)
        assert end == 6000
        return 2000 <= first <= 5000

    until(lambda: is_cut() or time.sleep(0.3), "more is kept than retention.bytes allows", 60)
    assert read_to_end(broker, topic)[-1].offset == 5999


if __name__ == "__main__":
    run(globals())
