"""A way to a port that can be cut, so that a client loses its store and the store lives on."""

import socket
import threading


class Gate:
    def __init__(self, port):
        self._target = port
        self._lock = threading.Lock()
        self._open = True
        self._sockets = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if not self._open:
                    near.close()
                    continue
                try:
                    far = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    near.close()
                    continue
                self._sockets |= {near, far}
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, one, other):
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass
        self._shut((one, other))

    @staticmethod
    def _shut(sockets):
        for each in sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is already

    def cut(self):
        """What passes is cut off; who comes is sent away."""
        with self._lock:
            self._open = False
            self._shut(self._sockets)
            self._sockets.clear()

    def mend(self):
        with self._lock:
            self._open = True

    def end(self):
        self.cut()
        self._listener.close()
