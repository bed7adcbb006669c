#!/usr/bin/python3
"""Renews test/golden: short sessions of real clients with Apache Kafka, recorded frame by frame.

    record_golden.py [session ...]

The sessions are few and short, because the transcripts are kept in the repository.
"""

import sys

import brokers
import java_tools
import kcat_smoke
import paths
import processes
import program_suite
import recorder

GOLDEN = paths.REPOSITORY / "test" / "golden"


def _check(done):
    if not done.ok:
        raise SystemExit(f"the session failed: {done.tail()}")


def kcat(address):
    """kcat: produce with each codec and idempotent, consume, ask for offsets, read as a group."""
    def call(*arguments, text_in=None):
        _check(processes.run(["kcat", "-b", address, *arguments], 60, text_in=text_in))

    for codec in kcat_smoke.CODECS:
        call("-P", "-t", "golden-kcat", "-p", "0", "-K:", "-z", codec, "-X",
             "enable.idempotence=true", text_in=f"key:value in {codec}\n" * 5)
    call("-P", "-t", "golden-kcat", "-p", "1", "-X", "acks=0", text_in="without an answer\n")
    call("-Q", "-t", "golden-kcat:0:-1", "-t", "golden-kcat:0:1600000000000")
    call("-C", "-t", "golden-kcat", "-p", "0", "-o", "beginning", "-e", "-q")
    call("-G", "golden-kcat-group", "-X", "auto.offset.reset=earliest", "-e", "-q", "golden-kcat")
    call("-L")


def _program(suite, tests):
    suite.prepare()

    def session(address):
        for test in tests:
            _check(processes.run([*suite.command(), test, address], 120, cwd=suite.directory,
                                 env=suite.environment))
    return session


def kafka_python(address):
    """kafka-python 2.0.2: guesses the version, produces, reads as a group, commits, seeks."""
    _program(program_suite.KafkaPython(), [
        "commit_round_trips_metadata", "keys_headers_timestamps", "positions_and_seeking",
        "group_gives_partitions_of_a_member_that_left", "admin_groups"])(address)


def kafkajs(address):
    """kafkajs: idempotent producer, a group, admin calls."""
    _program(program_suite.KafkaJs(), [
        "idempotent_producer", "manual_commit_with_metadata", "admin_offsets", "admin_groups",
        "admin_partition_reassignments"])(address)


class _Tools(java_tools.JavaToolSuite):
    name = "golden"
    version = paths.VERSIONS["kafka"]


def java(address):
    """Java: console producer and consumer with a group, topics, configs, groups, offsets."""
    tools = _Tools()
    tools.prepare()
    broker = brokers.External("golden", address)
    topic = "golden-java"
    tools.at(broker, java_tools.TOPICS, "--create", "--topic", topic, "--partitions", "2")
    tools.write(broker, topic, java_tools.numbered(6))
    tools.read(broker, topic, 6, "--from-beginning", "--group", "golden-java-group")
    tools.at(broker, java_tools.TOPICS, "--describe", "--topic", topic)
    tools.at(broker, java_tools.CONFIGS, "--alter", "--entity-type", "topics", "--entity-name",
             topic, "--add-config", "retention.ms=7200000")
    tools.at(broker, java_tools.GROUPS, "--describe", "--group", "golden-java-group")
    tools.offsets(broker, topic, "-2")
    tools.at(broker, java_tools.TOPICS, "--delete", "--topic", topic)


SESSIONS = {"kcat": kcat, "kafka_python": kafka_python, "kafkajs": kafkajs, "java": java}


def record(name):
    """Records one session into test/golden/NAME.txt."""
    session = SESSIONS[name]
    broker = brokers.Kafka("golden")
    port = brokers.free_port()
    broker.advertised = f"127.0.0.1:{port}"
    with broker, recorder.Recorder(port, broker.port) as proxy:
        session(broker.advertised)
        lines = list(proxy.lines)
    head = [f"# {' '.join(session.__doc__.split())}",
            f"# Broker: Apache Kafka {paths.VERSIONS['kafka']}. Format: README.md."]
    (GOLDEN / f"{name}.txt").write_text("\n".join(head + lines) + "\n")
    print(f"{name}: {len(lines)} frames")


def main(argv):
    """Entry point."""
    for name in argv or SESSIONS:
        record(name)


if __name__ == "__main__":
    main(sys.argv[1:])
