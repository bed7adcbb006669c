"""Reads what regions have on their disks: records of a partition, and tails kept in salvage.

Formats: docs/formats/segment.md, record-batch.md, salvage.md. Only what the load clients write,
without compression, is understood; their values are "<partition>:<number>:…".
"""

import json
import re
import struct
from dataclasses import dataclass

_HEADER = 61
_OURS = re.compile(rb"(\d+):(\d+):")


@dataclass(frozen=True)
class Batch:
    base: int
    last: int
    epoch: int
    checksum: int


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7


def _records(data, base, count):
    """(offset, number) of each record of one batch."""
    at = _HEADER
    for _ in range(count):
        length, at = _varint(data, at)
        end = at + length
        _, at = _varint(data, at + 1)
        delta, at = _varint(data, at)
        for _ in ("key", "value"):
            size, at = _varint(data, at)
            field = data[at:at + max(size, 0)]
            at += max(size, 0)
        ours = _OURS.match(field)
        yield base + delta, int(ours.group(2)) if ours else None
        at = end


def batches_of(path, records=None):
    """Whole batches of a file; (offset, number) of their records go to the list `records`."""
    data, at, found = path.read_bytes(), 0, []
    while at + _HEADER <= len(data):
        base, length, epoch, magic, checksum = struct.unpack_from(">qiibI", data, at)
        end = at + 12 + length
        if magic != 2 or end > len(data):
            break
        delta, = struct.unpack_from(">i", data, at + 23)
        count, = struct.unpack_from(">i", data, at + 57)
        found.append(Batch(base, base + delta, epoch, checksum))
        if records is not None:
            records.extend(_records(data[at:end], base, count))
        at = end
    return found


def log_of(data, topic, partition):
    """All batches of a partition in a node's data directory."""
    batches = []
    for path in sorted((data / "topics" / f"{topic}-{partition}").glob("*.log")):
        batches += batches_of(path)
    return batches


def salvaged(data, topic):
    """{(partition, number)} of all records in a node's tails of a topic."""
    found = set()
    for about in (data / "salvage").glob("*/about.json"):
        told = json.loads(about.read_text())
        if told["topic"] != topic:
            continue
        for path in about.parent.glob("*.log"):
            records = []
            batches_of(path, records)
            found |= {(told["partition"], number) for _, number in records}
    return found
