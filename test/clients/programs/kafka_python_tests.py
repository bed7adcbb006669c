#!/usr/bin/python3
"""Tests written for kafka-python 2.0.2, the client of 2020 that many installations still run.

    kafka_python_tests.py --list
    kafka_python_tests.py TEST HOST:PORT

It speaks old versions (Fetch 4, JoinGroup 2, OffsetCommit 2, ListOffsets 1, FindCoordinator 0,
ApiVersions 0 by guessing), so these are the tests of our answers to them. Exit code 0 means passed;
a failure prints its cause last.
"""

import collections
import os
import sys
import threading
import time
import traceback

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.structs import OffsetAndMetadata

_SERIAL = int(time.time() * 1000)


def unique(what):
    """A name that no other run uses."""
    global _SERIAL
    _SERIAL += 1
    return f"kafka-python-{what}-{_SERIAL}"


def make_topic(broker, what, partitions=1, **configs):
    """Creates a topic and returns its name once the broker lists it."""
    topic = unique(what)
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)])
    deadline = time.monotonic() + 20
    while topic not in admin.list_topics():
        assert time.monotonic() < deadline, f"{topic} is not listed 20 s after its creation"
    admin.close()
    return topic


def produce(broker, topic, values, partition=0, key=None, timestamp_ms=None, **options):
    """Sends `values` and returns the metadata of each acknowledged record."""
    producer = KafkaProducer(bootstrap_servers=broker, **options)
    futures = [producer.send(topic, value, key=key, partition=partition, timestamp_ms=timestamp_ms)
               for value in values]
    producer.flush(30)
    metadata = [future.get(30) for future in futures]
    producer.close()
    return metadata


def open_consumer(broker, topic=None, partition=0, **options):
    """A consumer of one partition from its beginning, without a group."""
    options.setdefault("auto_offset_reset", "earliest")
    options.setdefault("consumer_timeout_ms", 10_000)
    consumer = KafkaConsumer(bootstrap_servers=broker, **options)
    if topic is not None:
        consumer.assign([TopicPartition(topic, partition)])
    return consumer


def read(consumer, count):
    """Reads `count` records; fails if they do not come within the consumer's patience."""
    got = []
    for record in consumer:
        got.append(record)
        if len(got) == count:
            break
    assert len(got) == count, f"read {len(got)} of {count}"
    return got


def values(count, size=50):
    """Distinct values of varying length."""
    return [f"value {number} ".encode() + b"x" * (number * 7 % size) for number in range(count)]


def test_guess_the_broker_version(broker):
    consumer = open_consumer(broker)
    version = consumer.config["api_version"]
    assert version >= (2, 1, 0), f"took the broker for {version}"
    assert consumer.bootstrap_connected()
    consumer.close()


def _codec(broker, codec):
    topic = make_topic(broker, f"codec-{codec}")
    sent = values(500, 200)
    metadata = produce(broker, topic, sent, compression_type=codec, linger_ms=20)
    assert [item.offset for item in metadata] == list(range(500))
    got = read(open_consumer(broker, topic, check_crcs=True), 500)
    assert [record.value for record in got] == sent
    assert [record.offset for record in got] == list(range(500))


def test_codec_none(broker):
    _codec(broker, None)


def test_codec_gzip(broker):
    _codec(broker, "gzip")


def test_codec_snappy(broker):
    _codec(broker, "snappy")


def test_codec_lz4(broker):
    _codec(broker, "lz4")


def test_codec_zstd(broker):
    # Produce 7 may carry zstd, Fetch 4 of this client may be refused it (KIP-110); Kafka gives it.
    try:
        _codec(broker, "zstd")
    except errors.KafkaError as refusal:
        assert "76" in str(refusal) or isinstance(refusal, errors.UnsupportedCodecError), refusal


def test_acks(broker):
    topic = make_topic(broker, "acks")
    for acks in (0, 1, "all"):
        produce(broker, topic, values(20), acks=acks)
    assert len(read(open_consumer(broker, topic), 60)) == 60


def test_keys_headers_timestamps(broker):
    topic = make_topic(broker, "record")
    producer = KafkaProducer(bootstrap_servers=broker)
    headers = [("a", b"1"), ("b", b""), ("a", b"\x00\xff")]
    sent = producer.send(topic, b"v", key=b"k", headers=headers, partition=0,
                         timestamp_ms=1_600_000_000_123).get(20)
    producer.send(topic, None, key=b"tombstone", partition=0).get(20)
    assert sent.timestamp == 1_600_000_000_123
    record, tombstone = read(open_consumer(broker, topic), 2)
    assert (record.key, record.value, record.headers) == (b"k", b"v", headers)
    assert (record.timestamp, record.timestamp_type) == (1_600_000_000_123, 0)
    assert (tombstone.key, tombstone.value) == (b"tombstone", None)


def test_log_append_time(broker):
    topic = make_topic(broker, "append-time", **{"message.timestamp.type": "LogAppendTime"})
    before = int(time.time() * 1000) - 1
    producer = KafkaProducer(bootstrap_servers=broker)
    sent = producer.send(topic, b"v", partition=0, timestamp_ms=1_600_000_000_123).get(20)
    record, = read(open_consumer(broker, topic), 1)
    assert record.timestamp_type == 1, f"timestamp type {record.timestamp_type}"
    assert before <= record.timestamp <= int(time.time() * 1000) + 1
    assert sent.timestamp == record.timestamp, f"{sent.timestamp} in the acknowledgement"


def test_keys_choose_partitions(broker):
    topic = make_topic(broker, "partitions", 4)
    producer = KafkaProducer(bootstrap_servers=broker)
    futures = [producer.send(topic, b"v", key=str(number).encode()) for number in range(200)]
    spread = collections.Counter(future.get(20).partition for future in futures)
    assert set(spread) == {0, 1, 2, 3}, spread
    assert producer.partitions_for(topic) == {0, 1, 2, 3}
    consumer = KafkaConsumer(bootstrap_servers=broker, auto_offset_reset="earliest",
                             consumer_timeout_ms=10_000)
    consumer.assign([TopicPartition(topic, partition) for partition in range(4)])
    got = collections.Counter(record.partition for record in read(consumer, 200))
    assert got == spread


def test_positions_and_seeking(broker):
    topic = make_topic(broker, "seek")
    produce(broker, topic, values(100))
    place = TopicPartition(topic, 0)
    consumer = open_consumer(broker, topic)
    assert consumer.beginning_offsets([place]) == {place: 0}
    assert consumer.end_offsets([place]) == {place: 100}
    consumer.seek(place, 42)
    assert read(consumer, 1)[0].offset == 42
    assert consumer.position(place) == 43
    consumer.seek_to_end(place)
    assert consumer.position(place) == 100
    consumer.seek_to_beginning(place)
    assert read(consumer, 100)[-1].offset == 99
    assert consumer.highwater(place) == 100


def test_offsets_for_times(broker):
    topic = make_topic(broker, "times")
    producer = KafkaProducer(bootstrap_servers=broker)
    for number in range(10):
        producer.send(topic, b"v", partition=0, timestamp_ms=1_600_000_000_000 + number * 1000)
    producer.flush(20)
    place = TopicPartition(topic, 0)
    consumer = open_consumer(broker, topic)
    for asked, offset in ((0, 0), (3000, 3), (3001, 4), (9000, 9)):
        found = consumer.offsets_for_times({place: 1_600_000_000_000 + asked})[place]
        assert found.offset == offset, f"{asked}: {found}"
    assert consumer.offsets_for_times({place: 1_700_000_000_000})[place] is None


def test_offset_out_of_range_resets(broker):
    topic = make_topic(broker, "reset")
    produce(broker, topic, values(10))
    place = TopicPartition(topic, 0)
    consumer = open_consumer(broker, topic, auto_offset_reset="earliest")
    consumer.seek(place, 5000)
    assert read(consumer, 1)[0].offset == 0
    consumer.close()
    consumer = open_consumer(broker, topic, auto_offset_reset="none")
    consumer.seek(place, 5000)
    try:
        consumer.poll(10_000)
    except errors.OffsetOutOfRangeError:
        return
    raise AssertionError("no OFFSET_OUT_OF_RANGE for an offset above the end")


def test_fetch_limits_below_one_batch(broker):
    topic = make_topic(broker, "limits")
    produce(broker, topic, [b"y" * 20_000 for _ in range(20)], linger_ms=0)
    got = read(open_consumer(broker, topic, max_partition_fetch_bytes=100), 20)
    assert [record.offset for record in got] == list(range(20))
    got = read(open_consumer(broker, topic, fetch_max_bytes=100), 20)
    assert [record.offset for record in got] == list(range(20))


def test_fetch_waits_for_data(broker):
    topic = make_topic(broker, "wait")
    consumer = open_consumer(broker, topic, fetch_max_wait_ms=3000, fetch_min_bytes=1)
    place = TopicPartition(topic, 0)
    assert consumer.poll(200) == {}
    threading.Timer(0.5, produce, (broker, topic, [b"late"])).start()
    begin = time.monotonic()
    got = consumer.poll(10_000)
    assert got[place][0].value == b"late"
    assert time.monotonic() - begin < 2.9, "the append did not wake the waiting fetch"


def test_too_large_message_is_refused(broker):
    topic = make_topic(broker, "too-large", **{"max.message.bytes": "2000"})
    producer = KafkaProducer(bootstrap_servers=broker)
    producer.send(topic, b"x" * 1000, partition=0).get(20)
    try:
        producer.send(topic, b"x" * 5000, partition=0).get(20)
    except errors.MessageSizeTooLargeError:
        return
    raise AssertionError("5000 bytes were taken where 2000 are allowed")


def test_message_format_1_is_refused(broker):
    topic = make_topic(broker, "format-1")
    producer = KafkaProducer(bootstrap_servers=broker, api_version=(0, 10, 2), retries=0,
                             request_timeout_ms=4000)
    try:
        producer.send(topic, b"old", partition=0).get(10)
        raise AssertionError("a message of format 1 was acknowledged")
    except errors.KafkaError:
        pass
    finally:
        producer.close(1)
    produce(broker, topic, [b"new"])
    assert [record.value for record in read(open_consumer(broker, topic), 1)] == [b"new"]


def test_group_commits_and_resumes(broker):
    topic, group = make_topic(broker, "resume", 2), unique("group")
    sent = values(60)
    for partition in (0, 1):
        produce(broker, topic, sent, partition=partition)
    seen = collections.Counter()
    for _ in range(4):
        consumer = KafkaConsumer(topic, bootstrap_servers=broker, group_id=group,
                                 auto_offset_reset="earliest", enable_auto_commit=False,
                                 consumer_timeout_ms=15_000, max_poll_records=10)
        for record in read(consumer, 30):
            seen[(record.partition, record.offset)] += 1
        consumer.commit({TopicPartition(topic, partition): OffsetAndMetadata(offset + 1, "note")
                         for partition, offset in _last(seen).items()})
        consumer.close(autocommit=False)
    assert set(seen.values()) == {1} and len(seen) == 120, seen.most_common(3)


def _last(seen):
    last = {}
    for partition, offset in seen:
        last[partition] = max(offset, last.get(partition, -1))
    return last


def test_commit_round_trips_metadata(broker):
    topic, group = make_topic(broker, "metadata"), unique("group")
    place = TopicPartition(topic, 0)
    consumer = open_consumer(broker, topic, group_id=group, enable_auto_commit=False)
    assert consumer.committed(place) is None
    consumer.commit({place: OffsetAndMetadata(7, "a note, with ünïcode")})
    consumer.close(autocommit=False)
    consumer = open_consumer(broker, topic, group_id=group, enable_auto_commit=False)
    committed = consumer.committed(place, metadata=True)
    assert (committed.offset, committed.metadata) == (7, "a note, with ünïcode"), committed


class _Member(threading.Thread):
    def __init__(self, broker, topic, group, stop):
        super().__init__(daemon=True)
        self.seen = []
        self.assigned = set()
        self.failure = None
        self._stop_asked = stop
        self._consumer = KafkaConsumer(
            topic, bootstrap_servers=broker, group_id=group, auto_offset_reset="earliest",
            session_timeout_ms=10_000, heartbeat_interval_ms=300)
        self.start()

    def run(self):
        try:
            while not self._stop_asked.is_set():
                for records in self._consumer.poll(200).values():
                    self.seen += [(record.partition, record.offset) for record in records]
                self.assigned = {place.partition for place in self._consumer.assignment()}
            self._consumer.close()
        except Exception as failure:  # reported by the test
            self.failure = failure


def test_group_of_three_shares_partitions(broker):
    topic, group = make_topic(broker, "share", 6), unique("group")
    stop = threading.Event()
    members = []
    for count in (1, 2, 3):
        members.append(_Member(broker, topic, group, stop))
        until(lambda: _is_split(members, 6), f"{count} members do not share 6 partitions")
    for partition in range(6):
        produce(broker, topic, values(50), partition=partition)
    until(lambda: sum(len(member.seen) for member in members) >= 300, "not all records came")
    stop.set()
    for member in members:
        member.join(20)
        assert member.failure is None, member.failure
    everything = [place for member in members for place in member.seen]
    assert len(everything) == len(set(everything)) == 300, "records came twice"


def _is_split(members, partitions):
    owned = [member.assigned for member in members]
    return all(owned) and sum(map(len, owned)) == len(set().union(*owned)) == partitions


def until(condition, complaint, patience=30):
    """Waits until condition() holds and fails with `complaint` if it does not."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.05)


def test_group_gives_partitions_of_a_member_that_left(broker):
    topic, group = make_topic(broker, "leave", 4), unique("group")
    stops = [threading.Event(), threading.Event()]
    members = [_Member(broker, topic, group, stop) for stop in stops]
    until(lambda: _is_split(members, 4), "2 members do not share 4 partitions")
    stops[0].set()
    until(lambda: members[1].assigned == {0, 1, 2, 3}, "the one that stayed did not get all")
    stops[1].set()
    members[1].join(20)
    assert members[1].failure is None, members[1].failure


def test_subscribe_by_pattern(broker):
    prefix = unique("pattern")
    admin = KafkaAdminClient(bootstrap_servers=broker)
    names = [f"{prefix}-{number}" for number in range(3)]
    admin.create_topics([NewTopic(name, 1, 1) for name in names])
    for name in names:
        produce(broker, name, [name.encode()])
    consumer = KafkaConsumer(bootstrap_servers=broker, group_id=unique("group"),
                             auto_offset_reset="earliest", consumer_timeout_ms=20_000)
    consumer.subscribe(pattern=f"^{prefix}-.*")
    assert {record.topic for record in read(consumer, 3)} == set(names)


def test_admin_topics(broker):
    admin = KafkaAdminClient(bootstrap_servers=broker)
    topic = make_topic(broker, "admin", 2)
    try:
        admin.create_topics([NewTopic(topic, 2, 1)])
        raise AssertionError("a topic was created twice")
    except errors.TopicAlreadyExistsError:
        pass
    described, = admin.describe_topics([topic])
    assert len(described["partitions"]) == 2, described
    admin.create_partitions({topic: NewPartitions(5)})
    until(lambda: len(admin.describe_topics([topic])[0]["partitions"]) == 5, "5 partitions")
    try:
        admin.create_partitions({topic: NewPartitions(3)})
        raise AssertionError("partitions were taken away")
    except errors.InvalidPartitionsError:
        pass
    admin.delete_topics([topic])
    until(lambda: topic not in admin.list_topics(), "the deleted topic is still listed")
    try:
        admin.delete_topics([topic])
        raise AssertionError("a topic was deleted twice")
    except errors.UnknownTopicOrPartitionError:
        pass
    for bad, kind in (("no/good", errors.InvalidTopicError), ("..", errors.InvalidTopicError)):
        try:
            admin.create_topics([NewTopic(bad, 1, 1)])
            raise AssertionError(f"{bad} was created")
        except kind:
            pass


def _configs(admin, topic):
    answer = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    code, _, _, _, entries = answer[0].resources[0]
    assert code == 0, code
    return {entry[0]: entry[1] for entry in entries}


def test_admin_configs(broker):
    admin = KafkaAdminClient(bootstrap_servers=broker)
    topic = make_topic(broker, "configs", **{"retention.ms": "123456"})
    found = _configs(admin, topic)
    assert found["retention.ms"] == "123456" and found["cleanup.policy"] == "delete", found
    for name in ("min.insync.replicas", "segment.bytes", "max.message.bytes", "compression.type",
                 "message.timestamp.type", "retention.bytes", "unclean.leader.election.enable"):
        assert name in found, f"{name} is not described"
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic,
                                        {"retention.ms": "654321"})])
    until(lambda: _configs(admin, topic)["retention.ms"] == "654321", "retention.ms is the old")


def test_admin_groups(broker):
    topic, group = make_topic(broker, "groups"), unique("group")
    produce(broker, topic, values(10))
    admin = KafkaAdminClient(bootstrap_servers=broker)
    stop = threading.Event()
    member = _Member(broker, topic, group, stop)
    until(lambda: len(member.seen) == 10, "the member did not read all")
    assert (group, "consumer") in admin.list_consumer_groups()
    described, = admin.describe_consumer_groups([group])
    assert (described.state, len(described.members)) == ("Stable", 1), described
    stop.set()
    member.join(20)
    offsets = admin.list_consumer_group_offsets(group)
    assert offsets[TopicPartition(topic, 0)].offset == 10, offsets
    described, = admin.describe_consumer_groups([group])
    assert described.state == "Empty", described
    assert admin.delete_consumer_groups([group]) == [(group, errors.NoError)]
    assert (group, "consumer") not in admin.list_consumer_groups()


def test_admin_cluster(broker):
    described = KafkaAdminClient(bootstrap_servers=broker).describe_cluster()
    nodes = [f"{node['host']}:{node['port']}" for node in described["brokers"]]
    assert nodes == [broker] and described["controller_id"] == described["brokers"][0]["node_id"]
    assert described["cluster_id"]


def main(argv, names):
    """Lists or runs the tests in `names`, the names of a module; returns the exit code."""
    tests = {name[5:]: test for name, test in names.items() if name.startswith("test_")}
    if argv == ["--list"]:
        print("\n".join(tests))
        return 0
    try:
        tests[argv[0]](argv[1])
        return 0
    except BaseException:
        traceback.print_exc()
        return 1


def run(names):
    """main(), and then the end, without waiting for client threads that still connect."""
    sys.stdout.reconfigure(line_buffering=True)
    code = main(sys.argv[1:], names)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run(globals())
