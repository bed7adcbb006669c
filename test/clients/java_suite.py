"""The command line tools of Apache Kafka, from its jars, for the current and an older version."""

import json
import re
import time

import paths
from java_tools import (
    API_VERSIONS, CLUSTER, CONFIGS, CONSOLE_CONSUMER, CONSUMER_PERFORMANCE, DELETE_RECORDS,
    END_TO_END_LATENCY, GROUPS, JavaToolSuite, LOG_DIRS, numbered, PRODUCER_PERFORMANCE, TOPICS,
    VERIFIABLE_CONSUMER, VERIFIABLE_PRODUCER, Watched)
from suite import expect

_COOPERATIVE = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
# Interfaces without which a Kafka client of this version cannot do its work.
_NEEDED = ("Produce", "Fetch", "ListOffsets", "Metadata", "OffsetCommit", "OffsetFetch",
           "FindCoordinator", "JoinGroup", "Heartbeat", "LeaveGroup", "SyncGroup",
           "DescribeGroups", "ListGroups", "ApiVersions", "CreateTopics", "DeleteTopics",
           "InitProducerId", "OffsetForLeaderEpoch", "DescribeConfigs", "CreatePartitions",
           "IncrementalAlterConfigs", "DeleteRecords", "DeleteGroups", "OffsetDelete",
           "ListPartitionReassignments")


def _until(complaint, condition, patience=30):
    deadline = time.monotonic() + patience
    while not condition():
        expect(time.monotonic() < deadline, complaint)
        time.sleep(0.2)


class JavaTools(JavaToolSuite):
    name = "java"
    version = paths.VERSIONS["kafka"]
    title = f"Java client and tools of Apache Kafka {version} (Maven Central)"

    def test_api_versions(self, broker):
        output = self.at(broker, API_VERSIONS)
        expect(output.startswith(broker.bootstrap), lambda: output[:200])
        for interface in _NEEDED:
            found = re.search(rf"^\s*{interface}\(\d+\): (.*?),?$", output, re.MULTILINE)
            expect(found and "usable:" in found.group(1),
                   lambda: f"{interface}: {found.group(1) if found else 'not listed'}")

    def test_cluster_id(self, broker):
        output = self.tool(CLUSTER, "cluster-id", "--bootstrap-server", broker.bootstrap)
        expect(re.search(r"Cluster ID: \S+", output), lambda: output)

    def test_topics(self, broker):
        topic = self.make_topic(broker, "topics", 3, retention_ms=3600000)
        expect(topic in self.at(broker, TOPICS, "--list").split(), "not listed")
        described = self.at(broker, TOPICS, "--describe", "--topic", topic)
        expect("PartitionCount: 3" in described and "retention.ms=3600000" in described
               and "ReplicationFactor: 1" in described, lambda: described)
        expect(len(re.findall(r"Leader: (\d+)\s+Replicas: \1\s+Isr: \1", described)) == 3,
               lambda: described)
        again = self.at(broker, TOPICS, "--create", "--topic", topic, ok=False)
        expect("already exists" in again, lambda: again[-300:])
        self.at(broker, TOPICS, "--create", "--topic", topic, "--if-not-exists")
        self.at(broker, TOPICS, "--alter", "--topic", topic, "--partitions", "5")
        _until("not five partitions", lambda: "PartitionCount: 5" in self.at(
            broker, TOPICS, "--describe", "--topic", topic))
        fewer = self.at(broker, TOPICS, "--alter", "--topic", topic, "--partitions", "2", ok=False)
        expect("partition" in fewer and "Exception" in fewer, lambda: fewer[-300:])
        for what in ("--under-replicated-partitions", "--unavailable-partitions"):
            expect(topic not in self.at(broker, TOPICS, "--describe", what), what)
        self.at(broker, TOPICS, "--delete", "--topic", topic)
        _until("still listed", lambda: topic not in self.at(broker, TOPICS, "--list").split())

    def test_topic_configs(self, broker):
        topic = self.make_topic(broker, "configs")
        entity = ["--entity-type", "topics", "--entity-name", topic]

        def change(*arguments):
            output = self.at(broker, CONFIGS, "--alter", *entity, *arguments)
            expect("Completed updating config" in output, lambda: output)

        def described(*more):
            return self.at(broker, CONFIGS, "--describe", *entity, *more)

        change("--add-config", "retention.ms=7200000,cleanup.policy=[compact,delete]")
        _until("not changed", lambda: "retention.ms=7200000" in described())
        expect("cleanup.policy=compact,delete" in described(), described)
        everything = described("--all")
        for name in ("segment.bytes=1073741824", "min.insync.replicas=1", "DEFAULT_CONFIG"):
            expect(name in everything, lambda: f"{name} is not described: {everything[:400]}")
        change("--delete-config", "retention.ms")
        _until("not removed", lambda: "retention.ms=7200000" not in described())
        refused = self.at(broker, CONFIGS, "--alter", *entity, "--add-config",
                          "retention.ms=often", ok=False)
        expect("InvalidConfigurationException" in refused or "InvalidRequest" in refused,
               lambda: refused[-300:])

    def test_broker_configs(self, broker):
        output = self.at(broker, CONFIGS, "--describe", "--entity-type", "brokers",
                         "--entity-name", "1", "--all")
        for name in ("log.retention.ms", "num.partitions=4", "auto.create.topics.enable=true"):
            expect(name in output, lambda: f"{name} is not described: {output[:300]}")

    def test_console_round_trip(self, broker):
        lines = numbered(300)
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            topic = self.make_topic(broker, f"console-{codec}")
            self.write(broker, topic, lines, "--compression-codec", codec)
            got = self.read(broker, topic, 300, "--from-beginning")
            expect(got == lines, lambda: f"{codec}: {len(got)} lines or other ones")

    def test_console_positions(self, broker):
        topic = self.make_topic(broker, "positions")
        self.write(broker, topic, numbered(100))
        got = self.read(broker, topic, 3, "--partition", "0", "--offset", "40", "--property",
                        "print.offset=true", "--property", "print.partition=true")
        expect("Partition:0" in got[0] and "Offset:40" in got[0], lambda: str(got))
        expect("value 40 " in got[0] and "value 42 " in got[2], lambda: str(got))
        got = self.read(broker, topic, 100, "--from-beginning", "--isolation-level",
                        "read_committed")
        expect(got == numbered(100), f"read_committed: {len(got)} of 100")

    def test_console_group_resumes(self, broker):
        topic, group = self.make_topic(broker, "resume", 2), self.unique("group")
        for part in (numbered(40), numbered(20)):
            self.write(broker, topic, part)
            got = self.read(broker, topic, len(part), "--group", group, "--from-beginning")
            expect(sorted(got) == sorted(part), lambda: f"{len(got)} of {len(part)}")

    def test_console_regular_expression(self, broker):
        topics = [self.make_topic(broker, "include"), self.make_topic(broker, "include")]
        for topic in topics:
            self.write(broker, topic, numbered(5))
        pattern = "(" + "|".join(topics) + ")"
        output = self.at(broker, CONSOLE_CONSUMER, "--include", pattern, "--from-beginning",
                         "--max-messages", "10", "--timeout-ms", "30000")
        expect("Processed a total of 10 messages" in output, lambda: output[-200:])

    def test_verifiable_producer_and_consumer(self, broker):
        topic, group = self.make_topic(broker, "verifiable", 2), self.unique("group")
        output = self.at(broker, VERIFIABLE_PRODUCER, "--topic", topic, "--max-messages", "3000",
                         "--acks", "-1")
        events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        acked = {(event["partition"], event["offset"]): event["value"] for event in events
                 if event["name"] == "producer_send_success"}
        expect(len(acked) == 3000, f"{len(acked)} of 3000 acknowledged at places of their own")
        with Watched(self, VERIFIABLE_CONSUMER, "--bootstrap-server", broker.bootstrap, "--topic",
                     topic, "--group-id", group, "--max-messages", 3000, "--verbose",
                     "--reset-policy", "earliest") as consumer:
            consumer.wait_for("not all records came", lambda: len(
                consumer.events("record_data")) >= 3000)
            consumer.wait_for("no commit", lambda: _committed(consumer.events()) == 3000)
            got = {(event["partition"], event["offset"]): event["value"]
                   for event in consumer.events("record_data")}
        expect(got == acked, "what was read is not what was acknowledged")

    def _group_of_two(self, broker, topic, *arguments):
        group = self.unique("group")
        return [Watched(self, VERIFIABLE_CONSUMER, "--bootstrap-server", broker.bootstrap,
                        "--topic", topic, "--group-id", group, "--reset-policy", "earliest",
                        "--session-timeout", 6000, *arguments, *more)
                for more in (["--group-instance-id", "one"], ["--group-instance-id", "two"])]

    def _share_and_take_over(self, broker, what, strategy):
        topic = self.make_topic(broker, what, 4)
        one, two = self._group_of_two(broker, topic, "--assignment-strategy", strategy)
        with one, two:
            for member in (one, two):
                member.wait_for("four partitions are not shared", lambda: sorted(
                    _owned(one) | _owned(two)) == [0, 1, 2, 3] and not _owned(one) & _owned(two)
                    and _owned(one) and _owned(two))
            two.kill()
            one.wait_for("nobody took over", lambda: _owned(one) == {0, 1, 2, 3})
            self.at(broker, VERIFIABLE_PRODUCER, "--topic", topic, "--max-messages", "400")
            one.wait_for("not all records came", lambda: sum(
                event["count"] for event in one.events("records_consumed")) >= 400)
            one.finish()

    def test_group_takes_over_range(self, broker):
        self._share_and_take_over(broker, "range",
                                  "org.apache.kafka.clients.consumer.RangeAssignor")

    def test_group_takes_over_cooperative(self, broker):
        self._share_and_take_over(broker, "cooperative", _COOPERATIVE)

    def test_groups(self, broker):
        topic, group = self.make_topic(broker, "groups", 2), self.unique("group")
        self.write(broker, topic, numbered(60))
        with Watched(self, VERIFIABLE_CONSUMER, "--bootstrap-server", broker.bootstrap, "--topic",
                     topic, "--group-id", group, "--reset-policy", "earliest") as consumer:
            consumer.wait_for("no commit", lambda: _committed(consumer.events()) == 60)
            expect(group in self.at(broker, GROUPS, "--list").split(), "the group is not listed")
            state = self.at(broker, GROUPS, "--describe", "--group", group, "--state")
            expect("Stable" in state and "range" in state, lambda: state)
            members = self.at(broker, GROUPS, "--describe", "--group", group, "--members",
                              "--verbose")
            expect("0,1" in members and "127.0.0.1" in members, lambda: members)
            busy = self.at(broker, GROUPS, "--delete", "--group", group, ok=False)
            expect("not empty" in busy or "GroupNotEmpty" in busy, lambda: busy)
            consumer.finish()
        rows = self.describe_group(broker, group)
        expect(sum(int(row[0]) for row in rows.values()) == 60
               and {row[2] for row in rows.values()} == {"0"}, lambda: str(rows))
        self._reset_and_delete(broker, topic, group)

    def _reset_and_delete(self, broker, topic, group):
        reset = ["--reset-offsets", "--group", group, "--execute"]
        self.at(broker, GROUPS, *reset, "--topic", f"{topic}:0", "--to-offset", "3")
        self.at(broker, GROUPS, *reset, "--topic", f"{topic}:1", "--to-earliest")
        self.at(broker, GROUPS, *reset, "--topic", f"{topic}:1", "--shift-by", "2")
        rows = self.describe_group(broker, group)
        expect((rows[0][0], rows[1][0]) == ("3", "2"), lambda: str(rows))
        self.at(broker, GROUPS, *reset, "--topic", topic, "--to-datetime",
                "2020-01-01T00:00:00.000")
        rows = self.describe_group(broker, group)
        expect((rows[0][0], rows[1][0]) == ("0", "0"), lambda: str(rows))
        self.at(broker, GROUPS, "--delete-offsets", "--group", group, "--topic", f"{topic}:1")
        expect(set(self.describe_group(broker, group)) == {0}, "the position was not deleted")
        output = self.at(broker, GROUPS, "--delete", "--group", group)
        expect("was successful" in output, lambda: output)
        expect(group not in self.at(broker, GROUPS, "--list").split(), "still listed")

    def test_offsets(self, broker):
        topic = self.make_topic(broker, "offsets", 2)
        self.write(broker, topic, numbered(1))
        before = int(time.time() * 1000) + 1
        self.write(broker, topic, numbered(60)[1:])
        earliest, latest = (self.offsets(broker, topic, when) for when in ("-2", "-1"))
        expect(set(earliest.values()) == {"0"}, lambda: str(earliest))
        expect(sum(map(int, latest.values())) == 60, lambda: str(latest))
        by_time = self.offsets(broker, topic, before)
        expect(sorted(by_time.values()) == ["0", "1"], lambda: f"at {before}: {by_time}")
        newest = self.offsets(broker, topic, "-3")
        expect(all(int(newest[place]) < int(latest[place]) for place in newest),
               lambda: f"of the largest timestamp: {newest}")

    def test_delete_records(self, broker):
        topic = self.make_topic(broker, "delete-records")
        self.write(broker, topic, numbered(50))
        request = broker.data / f"{topic}.json"
        request.write_text(json.dumps({"version": 1, "partitions": [
            {"topic": topic, "partition": 0, "offset": 30}]}))
        output = self.at(broker, DELETE_RECORDS, "--offset-json-file", str(request))
        expect("low_watermark: 30" in output, lambda: output)
        expect(self.offsets(broker, topic, "-2") == {0: "30"}, "the earliest offset is not 30")
        got = self.read(broker, topic, 20, "--from-beginning")
        expect(got == numbered(50)[30:], lambda: str(got[:2]))
        request.write_text(json.dumps({"version": 1, "partitions": [
            {"topic": topic, "partition": 0, "offset": 500}]}))
        output = self.at(broker, DELETE_RECORDS, "--offset-json-file", str(request), ok=False)
        expect("OffsetOutOfRange" in output or "out of range" in output, lambda: output)

    def test_log_dirs(self, broker):
        topic = self.make_topic(broker, "log-dirs")
        self.write(broker, topic, numbered(50))
        output = self.at(broker, LOG_DIRS, "--describe", "--topic-list", topic)
        described = json.loads([line for line in output.splitlines() if line[:1] == "{"][0])
        place = described["brokers"][0]["logDirs"][0]["partitions"][0]
        expect(place["partition"] == f"{topic}-0" and place["size"] > 1000, lambda: str(described))

    def test_performance(self, broker):
        topic = self.make_topic(broker, "performance", 4)
        output = self.tool(PRODUCER_PERFORMANCE, "--topic", topic, "--num-records", "50000",
                           "--record-size", "200", "--throughput", "-1", "--producer-props",
                           f"bootstrap.servers={broker.bootstrap}", "acks=all", "linger.ms=5")
        expect(re.search(r"^50000 records sent", output, re.MULTILINE), lambda: output[-300:])
        output = self.at(broker, CONSUMER_PERFORMANCE, "--topic", topic, "--messages", "50000",
                         "--hide-header", "--timeout", "30000")
        row = [line for line in output.splitlines() if re.match(r"\d{4}-\d\d-\d\d", line)][-1]
        expect(int(row.split(",")[4]) == 50000, lambda: row)

    def test_end_to_end_latency(self, broker):
        topic = self.make_topic(broker, "latency")
        options = ({"--bootstrap-server": broker.bootstrap, "--topic": topic, "--num-records": 300,
                    "--producer-acks": "all", "--record-size": 100})
        arguments = (list(map(str, options.values())) if self.version.startswith("3.")
                     else [str(part) for pair in options.items() for part in pair])
        output = self.tool(END_TO_END_LATENCY, *arguments)
        found = re.search(r"Percentiles: 50th = (\d+), 99th = (\d+)", output)
        expect(found and 0 <= int(found.group(1)) < 1000, lambda: output[-300:])


def _committed(events):
    last = {}
    for event in events:
        if event.get("name") == "offsets_committed" and event["success"]:
            for place in event["offsets"]:
                last[place["partition"]] = place["offset"]
    return sum(last.values())


def _owned(member):
    owned = set()
    for event in member.events():
        places = {place["partition"] for place in event.get("partitions", [])
                  if isinstance(place, dict)}
        if event.get("name") == "partitions_assigned":
            owned |= places
        elif event.get("name") == "partitions_revoked":
            owned -= places
    return owned


class JavaToolsOld(JavaTools):
    """The same with the last 3.x release, whose clients still know all versions of before 4.0."""

    name = "java-old"
    version = paths.VERSIONS["kafka_old"]
    title = f"Java client and tools of Apache Kafka {version} (Maven Central)"

    def tests(self):
        return [name[5:] for name in vars(JavaTools) if name.startswith("test_")]
