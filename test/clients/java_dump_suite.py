"""Kafka's DumpLogSegments over the segment files of the broker under test.

It proves that the files are Kafka's: whoever has them can read them without Magpie.
"""

import re

import paths
from java_tools import DUMP_LOG, JavaToolSuite, numbered
from suite import expect, NotApplicable

_CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


class DumpLog(JavaToolSuite):
    name = "dump-log"
    version = paths.VERSIONS["kafka"]
    title = f"DumpLogSegments of Apache Kafka {version} over the broker's segment files"

    def _dump(self, files, *arguments):
        return self.tool(DUMP_LOG, "--files", ",".join(map(str, files)), *arguments)

    def _segments(self, broker, topic):
        if broker.kind == "external":
            raise NotApplicable("the files of a broker that runs elsewhere are out of reach")
        found = broker.segments(topic, 0)
        expect(found, f"{broker.data} holds no segment of {topic}")
        return found

    def _check_records(self, output, lines):
        expect("isvalid: false" not in output and output.count("isvalid: true") > 0,
               lambda: output[:500])
        found = re.findall(r"^\| offset: (\d+) .*? key: (\S+) payload: (.*)$", output,
                           re.MULTILINE)
        expect([f"{key}:{payload}" for _, key, payload in found] == lines,
               lambda: f"{len(found)} records dumped, {len(lines)} written")
        expect([int(offset) for offset, _, _ in found] == list(range(len(lines))),
               "offsets are not 0, 1, 2, ...")

    def _codec(self, broker, codec):
        topic = self.make_topic(broker, f"dump-{codec}")
        lines = numbered(200)
        for part in (lines[:120], lines[120:]):
            self.write(broker, topic, part, "--compression-codec", codec)
        output = self._dump(self._segments(broker, topic), "--deep-iteration", "--print-data-log")
        self._check_records(output, lines)
        expect(f"compresscodec: {codec}" in output.lower(), f"no batch in {codec}")
        expect("producerEpoch: 0" in output and "baseSequence: 0" in output,
               "the producer's identity is not in the batches")

    def test_none(self, broker):
        self._codec(broker, "none")

    def test_gzip(self, broker):
        self._codec(broker, "gzip")

    def test_snappy(self, broker):
        self._codec(broker, "snappy")

    def test_lz4(self, broker):
        self._codec(broker, "lz4")

    def test_zstd(self, broker):
        self._codec(broker, "zstd")

    def test_several_segments_and_their_indexes(self, broker):
        topic = self.make_topic(broker, "dump-roll", segment_bytes=1048576,
                                index_interval_bytes=1024)
        lines = [f"key-{number}:{'y' * 3000}" for number in range(900)]
        self.write(broker, topic, lines)
        segments = self._segments(broker, topic)
        expect(len(segments) >= 2, lambda: f"only {segments}")
        output = self._dump(segments, "--deep-iteration", "--print-data-log")
        self._check_records(output, lines)
        indexes = [segment.with_suffix(suffix) for segment in segments[:-1]
                   for suffix in (".index", ".timeindex")]
        for index in indexes:
            expect(index.exists() and index.stat().st_size > 0, f"{index.name} is missing or empty")
        output = self._dump(indexes, "--verify-index-only")
        expect("Mismatches" not in output and "Found" not in output, lambda: output[:500])
