"""Speaks to a control store as etcd's v3 HTTP gateway expects it."""

import base64
import http.client
import json
import threading
import time

SECONDS = 10


def encode(text):
    data = text.encode("latin-1") if isinstance(text, str) else text
    return base64.b64encode(data).decode()


def decode(text):
    return base64.b64decode(text or "").decode("latin-1")


def connect(port, tls, timeout):
    if tls is None:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=tls)


class Refused(Exception):
    """An answer that is none: HTTP status, gRPC code, message."""

    def __init__(self, status, code, message):
        super().__init__(f"{status} {code} {message}")
        self.status, self.code, self.message = status, code, message


class Store:
    """One endpoint. Numbers in answers become ints, keys and values text. `tls`: an SSLContext."""

    def __init__(self, port, tls=None):
        self.port, self.tls = port, tls

    def post(self, path, body, timeout=SECONDS):
        """Status and text of the answer."""
        connection = connect(self.port, self.tls, timeout)
        try:
            text = body if isinstance(body, str) else json.dumps(body)
            connection.request("POST", "/v3/" + path, text, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def call(self, path, body, timeout=SECONDS):
        status, text = self.post(path, body, timeout)
        if status != 200:
            error = json.loads(text)
            raise Refused(status, error["code"], error["message"])
        return json.loads(text)

    def ready(self, seconds):
        """Waits until it answers a linearizable read."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self.call("kv/range", {"key": encode("x")}, timeout=2)
                return True
            except (OSError, Refused, ValueError, http.client.HTTPException):
                time.sleep(0.05)
        return False

    def revision(self):
        return revision_of(self.call("kv/range", {"key": encode("x")}))

    def put(self, key, value, lease=0):
        body = {"key": encode(key), "value": encode(value)}
        if lease:
            body["lease"] = str(lease)
        return revision_of(self.call("kv/put", body))

    def delete(self, key, end=""):
        answer = self.call("kv/deleterange", {"key": encode(key), "range_end": encode(end)})
        return int(answer.get("deleted", 0))

    def range(self, key, end="", **options):
        body = {"key": encode(key), "range_end": encode(end), **options}
        return Range(self.call("kv/range", body))

    def txn(self, compare, success, failure=()):
        return self.call("kv/txn", {"compare": list(compare), "success": list(success),
                                    "failure": list(failure)})

    def grant(self, seconds, lease=0):
        answer = self.call("lease/grant", {"TTL": str(seconds), "ID": str(lease)})
        return int(answer["ID"]), int(answer["TTL"])

    def keep_alive(self, lease):
        """Seconds granted anew; 0 if there is no such lease."""
        return int(self.call("lease/keepalive", {"ID": str(lease)})["result"].get("TTL", 0))

    def time_to_live(self, lease):
        answer = self.call("lease/timetolive", {"ID": str(lease), "keys": True})
        return int(answer.get("TTL", 0)), [decode(key) for key in answer.get("keys", [])]

    def watch(self, key, end="", start=0):
        return Watch(self.port, {"key": encode(key), "range_end": encode(end),
                                 "start_revision": str(start)}, self.tls)


def revision_of(answer):
    return int(answer["header"]["revision"])


class Range:
    def __init__(self, answer):
        self.revision = revision_of(answer)
        self.count = int(answer.get("count", 0))
        self.more = answer.get("more", False)
        self.kvs = [Item(kv) for kv in answer.get("kvs", [])]
        self.values = {item.key: item.value for item in self.kvs}


class Item:
    def __init__(self, kv):
        self.key, self.value = decode(kv["key"]), decode(kv.get("value"))
        self.created, self.modified, self.version, self.lease = (
            int(kv.get(name, 0))
            for name in ("create_revision", "mod_revision", "version", "lease"))


class Watch:
    """A watch; a thread collects its messages, so that waiting for one can end."""

    def __init__(self, port, create, tls=None):
        self._connection = connect(port, tls, timeout=60)
        self._connection.request("POST", "/v3/watch", json.dumps({"create_request": create}))
        self._condition = threading.Condition()
        self._messages = []
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        try:
            answer = self._connection.getresponse()
            for line in answer:
                if not line.strip():
                    continue
                with self._condition:
                    self._messages.append(json.loads(line)["result"])
                    self._condition.notify_all()
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass
        with self._condition:
            self._ended = True
            self._condition.notify_all()

    def messages(self, enough, seconds=SECONDS):
        """All messages so far, once enough(messages); fails after `seconds`."""
        with self._condition:
            found = self._condition.wait_for(lambda: enough(self._messages), seconds)
            assert found, f"not enough came: {self._messages}, ended: {self._ended}"
            return list(self._messages)

    def events(self, count, seconds=SECONDS):
        """The first `count` events as (type, key, value, revision)."""
        def flat(messages):
            return [("DELETE" if event.get("type") == "DELETE" else "PUT",
                     decode(event["kv"]["key"]), decode(event["kv"].get("value")),
                     int(event["kv"]["mod_revision"]))
                    for message in messages for event in message.get("events", [])]
        return flat(self.messages(lambda messages: len(flat(messages)) >= count, seconds))

    def ended(self, seconds=SECONDS):
        with self._condition:
            return self._condition.wait_for(lambda: self._ended, seconds)

    def close(self):
        if self._connection.sock is not None:
            self._connection.sock.close()
