"""A Magpie cluster of three regions, and questions about it that cost it little."""

import http.client
import json
import os
import re
import threading
import time
from pathlib import Path

from regional import plan
from regional.shared import DevCluster, RELEASE, Trouble, machine

_PATIENCE = 60
_LOOK_SECONDS = 0.003
# The node that is looked at has better things to do: it is left alone for this many times as long
# as its answer took.
_LOOK_SHARE = 4


def milliseconds():
    """The clock of magpie-load's lines."""
    return time.monotonic() * 1e3


def cpu_seconds(pids):
    """User and system time of processes, all their threads, ended ones too."""
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def log_bytes(topics, topic):
    """Bytes of records of a topic below a folder of `<topic>-<partition>` folders."""
    total = 0
    for folder in topics.glob(f"{topic}-*"):
        if folder.name[len(topic) + 1:].isdigit():
            total += sum(file.stat().st_size for file in folder.glob("*.log"))
    return total


class Cluster(DevCluster):
    """`magpie dev` with three regions; everything in `folder`. Use as a context."""

    def __init__(self, folder, *arguments):
        folder.mkdir(parents=True)
        super().__init__(RELEASE / "magpie", folder, "--regions", ",".join(plan.REGIONS),
                         "--wan", f"rtt={plan.RTT_MS}ms", *arguments)

    def __enter__(self):
        try:
            self.start()
            self.wait_for_sync("system")
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, kind, value, trace):
        self.end()

    def create_group(self, name, preset, regions, *options):
        self.magpie(plan.SOURCE, "failover-group", "create", name, "--preset", preset,
                    "--regions", ",".join(regions), *options)

    def create_topic(self, name, partitions, group, *configs):
        settings = [f"magpie.failover.group={group}", *configs]
        self.magpie(plan.SOURCE, "topic", "create", name, "--partitions", str(partitions),
                    "--timeout", "120s", *(part for text in settings
                                           for part in ("--config", text)), seconds=150)

    def leadership(self, group, via=plan.TARGET):
        return self.get(via, f"/v1/failover-groups/{group}")["leadership"]

    def in_sync(self, group, via=plan.TARGET):
        held = self.leadership(group, via)
        return held is not None and held["open"] and held["state"] == "sync"

    def wait_for_sync(self, *groups, via=plan.TARGET):
        for group in groups:
            self.wait(lambda group=group: self.in_sync(group, via), f"{group} is in sync",
                      _PATIENCE)

    def get(self, region, path):
        return self._ask(region, "GET", path)

    def post(self, region, path, body):
        return self._ask(region, "POST", path, json.dumps(body))

    def _ask(self, region, method, path, body=None):
        connection = http.client.HTTPConnection(self.node(region)["admin"], timeout=_PATIENCE)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= 300:
            raise Trouble(f"{method} {path}: {answer.status} {text}")
        return json.loads(text) if path.startswith("/v1/") else text

    def metric(self, region, name, **labels):
        """Sum of the samples of a metric that have these labels."""
        total = 0.0
        for line in self._ask(region, "GET", "/metrics").splitlines():
            parts = re.fullmatch(r"([a-z_]+)(\{[^}]*\})? (\S+)", line)
            if parts and parts[1] == name and all(f'{key}="{value}"' in (parts[2] or "")
                                                  for key, value in labels.items()):
                total += float(parts[3])
        return total

    def measured_rtt_ms(self):
        """The way from the source to the target and back, as the link measures it."""
        return self.metric(plan.SOURCE, "magpie_link_round_trip_microseconds",
                           node=self.node(plan.TARGET)["id"]) / 1e3

    def cpu_seconds(self, *regions):
        return cpu_seconds(self.node(region)["pid"] for region in regions)

    def log_bytes(self, region, topic):
        return log_bytes(Path(self.node(region)["folder"]) / "data" / "topics", topic)

    def move(self, via, body, seconds=_PATIENCE):
        """Begins an operation: (when it was asked for, when it was accepted, its number)."""
        begin = milliseconds()
        operation = self.post(via, "/v1/operations", {"requested_by": "bench", **body})
        return begin, milliseconds(), operation["id"]

    def finish_operation(self, via, number, seconds=_PATIENCE):
        """Waits for its end; what became of it. Raises if it did not move every group."""
        path, operation = f"/v1/operations/{number}", {"over": False}

        def over():
            operation.update(self.get(via, path))
            return operation["over"]

        self.wait(over, f"operation {number} is over", seconds)
        if operation["step"] != "done":
            raise Trouble(f"operation {number}: {operation['step']}: {operation['groups']}")
        return operation


class Watcher:
    """Looks at a failover group through one node, again and again: (milliseconds, epoch, open)."""

    def __init__(self, cluster, region, group):
        self.looks = []
        self._address = cluster.node(region)["admin"]
        self._path = f"/v1/failover-groups/{group}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self._over.set()
        self._thread.join()

    def _run(self):
        connection = http.client.HTTPConnection(self._address, timeout=10)
        while not self._over.is_set():
            begin = time.monotonic()
            try:
                connection.request("GET", self._path)
                held = json.loads(connection.getresponse().read())["leadership"]
            except (OSError, ValueError, KeyError, http.client.HTTPException):
                connection.close()
                held = None
            if held:
                self.looks.append((milliseconds(), held["epoch"], held["open"]))
            time.sleep(max(_LOOK_SECONDS, _LOOK_SHARE * (time.monotonic() - begin)))
        connection.close()


def fsync_cost(directory, count=200):
    """{p50_ms, p99_ms} of appending 2 KiB and waiting until they are on the disk."""
    path = Path(directory) / "fsync"
    times, block = [], bytes(2048)
    try:
        with open(path, "wb", buffering=0) as file:
            for _ in range(count):
                times.append(machine.timed_sync(file, block) * 1e3)
    finally:
        path.unlink(missing_ok=True)
    times.sort()
    return {"p50_ms": round(times[len(times) // 2], 3),
            "p99_ms": round(times[min(int(len(times) * 0.99), len(times) - 1)], 3)}
