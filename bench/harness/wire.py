"""The one Kafka request the harness speaks itself: is the broker ready to serve?

A broker that accepts a connection may still be reading its files, so the time to the first accept
alone would flatter. Ready means: a Metadata request (version 1) is answered and every partition in
the answer has a leader.
"""

import socket
import struct
import time

_METADATA = 3
_VERSION = 1


class Unexpected(Exception):
    """The peer's bytes are not an answer to what was asked."""


class _Cursor:
    """Reads Kafka's big-endian primitives from bytes."""

    def __init__(self, data):
        self._data = data
        self._at = 0

    def _take(self, layout):
        size = struct.calcsize(layout)
        if self._at + size > len(self._data):
            raise Unexpected("the answer ends in the middle of a field")
        value, = struct.unpack_from(layout, self._data, self._at)
        self._at += size
        return value

    def int8(self):
        return self._take(">b")

    def int16(self):
        return self._take(">h")

    def int32(self):
        return self._take(">i")

    def string(self):
        """A string, or None where the length is negative."""
        length = self.int16()
        if length < 0:
            return None
        text = self._data[self._at:self._at + length]
        self._at += length
        return text.decode()

    def skip_int32s(self):
        """Skips an array of 32-bit numbers."""
        for _ in range(self.int32()):
            self.int32()


def metadata_request(correlation):
    """A framed Metadata request for all topics."""
    client = b"magpie-bench"
    body = struct.pack(">hhih", _METADATA, _VERSION, correlation, len(client)) + client
    body += struct.pack(">i", -1)
    return struct.pack(">i", len(body)) + body


def led_partitions(answer):
    """Number of partitions that have a leader, in the body of a Metadata answer."""
    cursor = _Cursor(answer)
    cursor.int32()  # correlation id
    for _ in range(cursor.int32()):
        cursor.int32(), cursor.string(), cursor.int32(), cursor.string()
    cursor.int32()  # controller
    led = 0
    for _ in range(cursor.int32()):
        cursor.int16(), cursor.string(), cursor.int8()
        for _ in range(cursor.int32()):
            error, _, leader = cursor.int16(), cursor.int32(), cursor.int32()
            cursor.skip_int32s()
            cursor.skip_int32s()
            led += error == 0 and leader >= 0
    return led


def _receive(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise Unexpected("the connection was closed")
        data += piece
    return data


def _ask(connection):
    connection.sendall(metadata_request(1))
    length, = struct.unpack(">i", _receive(connection, 4))
    return led_partitions(_receive(connection, length))


def wait_until_accepts(port, deadline, alive):
    """Monotonic time of the first accepted connection, or None when `deadline` passes."""
    while time.monotonic() < deadline and alive():
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return time.monotonic()
        except OSError:
            time.sleep(0.0005)
    return None


def wait_until_ready(port, partitions, deadline, alive):
    """Monotonic time at which at least `partitions` partitions had leaders, or None."""
    while time.monotonic() < deadline and alive():
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                connection.settimeout(max(0.1, deadline - time.monotonic()))
                while time.monotonic() < deadline:
                    if _ask(connection) >= partitions:
                        return time.monotonic()
                    time.sleep(0.001)
        except (OSError, Unexpected):
            time.sleep(0.002)
    return None
