"""The brokers that are compared: how each is started with the same durability, and ended.

`fsync` is the policy both understand: `always` (an acknowledged batch is on the disk) or `never`
(the operating system writes when it likes). Everything else stays at what each project ships, apart
from what one node needs (replication factor 1) and from waiting times after deletion, which only
decide when the disk is free for the next run.
"""

import os
import pathlib
import resource
import shutil
import socket
import subprocess
import tempfile
import time

from harness import shared, wire

FSYNC_POLICIES = ("never", "always")


class DidNotStart(Exception):
    """The broker under test did not become ready."""


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Peer:
    """One broker process on loopback with a data directory of its own.

    Use as a context: entering makes the directory and starts, leaving ends the process and removes
    the directory.
    """

    name = ""
    patience = 60.0  # seconds until it must be ready

    def __init__(self, root, fsync):
        self.fsync = fsync
        self._root = pathlib.Path(root)
        self.port = free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.data = None
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return self._root / f"{self.name}.log"

    def __enter__(self):
        self._root.mkdir(parents=True, exist_ok=True)
        self.data = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=self._root))
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, value, trace):
        self.close()

    def start(self, partitions=0):
        """Starts the process; returns seconds until it (accepted, had `partitions` leaders)."""
        begin = time.monotonic()
        self.process = shared.processes.start(self.command(), self.log)
        deadline = begin + self.patience
        accepted = wire.wait_until_accepts(self.port, deadline, self._alive)
        ready = accepted and wire.wait_until_ready(self.port, partitions, deadline, self._alive)
        if not ready:
            raise DidNotStart(f"{self.name} was not ready within {self.patience:.0f} s: "
                              f"{self._last_words()}")
        return accepted - begin, ready - begin

    def stop(self):
        """Ends the process cleanly; returns whether SIGTERM was enough."""
        clean = shared.processes.stop(self.process, 60)
        self.process = None
        return clean

    def close(self):
        """Ends the process if it runs and removes its data."""
        if self.process is not None:
            self.stop()
        if self.data is not None:
            shutil.rmtree(self.data, ignore_errors=True)

    def _alive(self):
        return self.process.poll() is None

    def _last_words(self):
        text = self.log.read_text(errors="replace").strip() if self.log.exists() else ""
        return text.splitlines()[-1] if text else "it said nothing"

    def prepare(self):
        """Writes configuration into self.data, before the first start."""
        raise NotImplementedError

    def command(self):
        """The command line that starts the broker."""
        raise NotImplementedError


class Magpie(Peer):
    """One Magpie node."""

    name = "magpie"
    binary = shared.BUILD / "release" / "magpie"

    def prepare(self):
        self.admin = f"127.0.0.1:{free_port()}"
        self._config = self.data / "magpie.yaml"
        self._config.write_text(
            f"node:\n  data: {self.data / 'data'}\n"
            f"listeners:\n  - name: kafka\n    listen: {self.bootstrap}\n"
            f"admin:\n  listen: {self.admin}\n"
            f"storage:\n  fsync: {self.fsync}\n")

    def command(self):
        return [self.binary, "serve", "--config", self._config]

    @classmethod
    def version(cls):
        """What the binary says it is."""
        answer = subprocess.run([cls.binary, "version"], capture_output=True, text=True,
                                timeout=10)
        return answer.stdout.strip() or "unknown"


# What kafka-server-start.sh and kafka-run-class.sh of the release give the broker.
_KAFKA_JVM = ("-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
              "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
              "-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")


class Kafka(Peer):
    """Apache Kafka in KRaft mode, one process that is broker and controller."""

    name = "kafka"
    java = "java"
    jars = None  # set by fetch()

    @classmethod
    def fetch(cls):
        """Makes sure the jars are there; raises toolchain.Unavailable with the reason if not."""
        cls.jars = shared.toolchain.kafka_jars(shared.KAFKA_VERSION)

    def prepare(self):
        controller = f"127.0.0.1:{free_port()}"
        listeners = f"PLAINTEXT://{self.bootstrap},CONTROLLER://{controller}"
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.bootstrap.servers": controller,
            "listeners": listeners,
            "advertised.listeners": listeners,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": self.data / "log",
            # As in the release's config/server.properties.
            "num.network.threads": 3,
            "num.io.threads": 8,
            "socket.send.buffer.bytes": 102_400,
            "socket.receive.buffer.bytes": 102_400,
            "socket.request.max.bytes": 104_857_600,
            "log.segment.bytes": 1_073_741_824,
            # One node.
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            # The bytes of a deleted topic are gone before the next case begins.
            "log.segment.delete.delay.ms": 1_000,
            "log.initial.task.delay.ms": 1_000,
        }
        if self.fsync == "always":
            settings["log.flush.interval.messages"] = 1
        settings.update(self.more_settings(settings))
        self._config = self.data / "kraft.properties"
        self._config.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        tool = ["kafka.tools.StorageTool", "format", "-c", self._config, "--standalone",
                "-t", "bWFncGllLWJlbmNoLTAwMA"]
        done = shared.processes.run([*self._java(), *tool], 120)
        if not done.ok:
            raise DidNotStart(f"Kafka's storage tool failed: {done.tail()}")

    def more_settings(self, settings):
        """What differs from `settings`, for a broker with a part in something larger."""
        return {}

    def _java(self):
        return [self.java, *_KAFKA_JVM, "-cp", f"{self.jars}/*"]

    def command(self):
        return [*self._java(), "kafka.Kafka", self._config]

    @classmethod
    def version(cls):
        """Version of Kafka and of the Java it runs on."""
        answer = subprocess.run([cls.java, "-version"], capture_output=True, text=True, timeout=30)
        lines = (answer.stderr or answer.stdout).splitlines()
        return f"Apache Kafka {shared.KAFKA_VERSION} (KRaft), {lines[0] if lines else 'Java'}"


PEERS = {kind.name: kind for kind in (Magpie, Kafka)}


def raise_file_limit():
    """A thousand partitions are several thousand files: ask for as many as we may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def use_magpie_binary(path):
    """Points the Magpie peer at another binary."""
    Magpie.binary = pathlib.Path(os.path.abspath(path))
