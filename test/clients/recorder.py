"""Records what a real client and a broker say to each other, frame by frame.

A loopback proxy between the two: it passes every byte on unchanged and notes each frame. The broker
must advertise the proxy's address, or the client would go around it. The format of the notes is
described in test/golden/README.md.
"""

import socket
import struct
import threading

# Longer responses are noted without their bytes; a replay needs the requests.
_LONGEST_RESPONSE = 160


class Recorder:
    """A proxy from `port` to `target_port`, both on loopback; `lines` is the transcript so far."""

    def __init__(self, port, target_port):
        self.lines = []
        self._target = target_port
        self._lock = threading.Lock()
        self._connections = 0
        self._listener = socket.create_server(("127.0.0.1", port))

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind, value, trace):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            broker = socket.create_connection(("127.0.0.1", self._target))
            with self._lock:
                self._connections += 1
                name = f"c{self._connections}"
            waiting = {}  # correlation id -> (api key, api version)
            for source, sink, note in ((client, broker, self._note_request),
                                       (broker, client, self._note_response)):
                threading.Thread(target=self._pass_on, args=(source, sink, note, name, waiting),
                                 daemon=True).start()

    def _pass_on(self, source, sink, note, name, waiting):
        try:
            while True:
                head = _read(source, 4)
                frame = _read(source, struct.unpack(">i", head)[0])
                with self._lock:
                    note(name, frame, waiting)
                sink.sendall(head + frame)
        except (OSError, EOFError):
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _note_request(self, name, frame, waiting):
        key, version, correlation = struct.unpack_from(">hhi", frame)
        waiting[correlation] = key, version
        self.lines.append(f"{name} > {key} {version} {frame.hex()}")

    def _note_response(self, name, frame, waiting):
        key, version = waiting.pop(struct.unpack_from(">i", frame)[0])
        text = frame.hex() if len(frame) <= _LONGEST_RESPONSE else f"-{len(frame)}"
        self.lines.append(f"{name} < {key} {version} {text}")


def _read(source, count):
    data = b""
    while len(data) < count:
        part = source.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data
