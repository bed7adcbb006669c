"""The readiness probe, against answers built by hand and a listener on loopback."""

import socket
import struct
import threading
import time
import unittest

from harness import wire


def _string(text):
    return struct.pack(">h", len(text)) + text.encode()


def answer(leaders, error=0):
    """A Metadata answer (version 1) with one broker and one topic; a leader per partition."""
    data = struct.pack(">ii", 1, 1)
    data += struct.pack(">i", 1) + _string("localhost") + struct.pack(">ih", 9092, -1)
    data += struct.pack(">ii", 1, 1)
    data += struct.pack(">h", 0) + _string("bench") + b"\0" + struct.pack(">i", len(leaders))
    for index, leader in enumerate(leaders):
        data += struct.pack(">hii", error, index, leader)
        data += struct.pack(">ii", 1, 1) * 2
    return data


class LedPartitions(unittest.TestCase):
    def test_counts_partitions_with_a_leader(self):
        self.assertEqual(wire.led_partitions(answer([1, 1, -1])), 2)

    def test_a_partition_with_an_error_does_not_count(self):
        self.assertEqual(wire.led_partitions(answer([1, 1], error=5)), 0)

    def test_every_cut_is_refused(self):
        whole = answer([1, 1])
        for length in range(len(whole)):
            with self.assertRaises((wire.Unexpected, UnicodeDecodeError)):
                wire.led_partitions(whole[:length])

    def test_the_request_says_its_length(self):
        request = wire.metadata_request(7)
        self.assertEqual(struct.unpack(">i", request[:4])[0], len(request) - 4)
        self.assertEqual(struct.unpack(">hhi", request[4:12]), (3, 1, 7))


class Waiting(unittest.TestCase):
    def test_ready_only_when_every_partition_is_led(self):
        answers = [answer([-1, -1]), answer([1, -1]), answer([1, 1])]
        with socket.create_server(("127.0.0.1", 0)) as server:
            served = threading.Thread(target=_serve, args=(server, answers))
            served.start()
            ready = wire.wait_until_ready(server.getsockname()[1], 2, time.monotonic() + 20,
                                          lambda: True)
            served.join()
        self.assertIsNotNone(ready)
        self.assertEqual(answers, [])

    def test_a_dead_peer_is_not_waited_for(self):
        self.assertIsNone(wire.wait_until_accepts(1, time.monotonic() + 3600, lambda: False))


def _serve(server, answers):
    connection, _ = server.accept()
    with connection:
        while answers:
            length, = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))
            connection.recv(length, socket.MSG_WAITALL)
            body = answers.pop(0)
            connection.sendall(struct.pack(">i", len(body)) + body)


if __name__ == "__main__":
    unittest.main()
