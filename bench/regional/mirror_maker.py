"""Apache Kafka's MirrorMaker 2 between two brokers, over the same relay as Magpie's links.

    source broker ◀── WAN (magpie-relay) ── MirrorMaker 2 ──▶ target broker

Each broker is one KRaft node as bench/run.py measures it. MirrorMaker stands beside its target, as
its documentation advises, so its consumer and its notes about offsets cross the WAN. What differs
from how it is shipped stands in `_MIRROR`: it reacts sooner, which takes some processor time.
"""

import contextlib
import subprocess
import time

from regional import cluster, plan
from regional.shared import KAFKA_VERSION, RELAY, Trouble, peers, processes, toolchain, wire

_PATIENCE = 180
_TOPICS = "bench.*"
# What connect-mirror-maker.sh of the release gives the JVM.
_JVM = ("-Xms256M", "-Xmx2G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
        "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
        "-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
_MIRROR = {
    "source->target.enabled": "true",
    "target->source.enabled": "false",
    "source->target.topics": _TOPICS,
    "source->target.groups": ".*",
    # Topics keep their names, so that consumers can go on.
    "replication.policy.class": "org.apache.kafka.connect.mirror.IdentityReplicationPolicy",
    # One broker each.
    "replication.factor": 1,
    "checkpoints.topic.replication.factor": 1,
    "heartbeats.topic.replication.factor": 1,
    "offset-syncs.topic.replication.factor": 1,
    "offset.storage.replication.factor": 1,
    "status.storage.replication.factor": 1,
    "config.storage.replication.factor": 1,
    # New topics are found, and positions of groups copied, every second instead of every ten
    # minutes and every minute; positions are not copied at all unless told so. Without it nothing
    # could be measured within minutes, and a kill would find no positions.
    "refresh.topics.interval.seconds": 1,
    "refresh.groups.interval.seconds": 1,
    "sync.group.offsets.enabled": "true",
    "sync.group.offsets.interval.seconds": 1,
    "emit.checkpoints.interval.seconds": 1,
}


class Relay:
    """One link through magpie-relay."""

    def __init__(self, target_port):
        self._process = subprocess.Popen(
            [RELAY, f"wan=127.0.0.1:{target_port}"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, preexec_fn=processes._in_child)
        self.port = int(self._process.stdout.readline().split()[1])

    def set(self, rtt_ms, rate):
        """Round trip in milliseconds and bytes per second each way; 0: as fast as it goes."""
        self._process.stdin.write(f"wan both delay={rtt_ms / 2}ms rate={rate}B\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if answer != "ok":
            raise Trouble(f"the relay answers: {answer}")

    def close(self):
        processes.kill(self._process)


class _Broker(peers.Kafka):
    """One of the two brokers; `relayed`: it has a listener that is reached through a relay."""

    def __init__(self, root, fsync, name, relayed):
        super().__init__(root, fsync)
        self.name, self.relay = name, None
        self.wan_port = peers.free_port() if relayed else 0

    def more_settings(self, settings):
        if not self.wan_port:
            return {}
        self.relay = Relay(self.wan_port)
        return {
            "listeners": f"{settings['listeners']},WAN://127.0.0.1:{self.wan_port}",
            "advertised.listeners":
                f"{settings['advertised.listeners']},WAN://127.0.0.1:{self.relay.port}",
            "listener.security.protocol.map":
                f"{settings['listener.security.protocol.map']},WAN:PLAINTEXT",
        }

    def topics(self):
        return self.data / "log"

    def kill(self):
        processes.kill(self.process)

    def close(self):
        super().close()
        if self.relay is not None:
            self.relay.close()


class Mirror:
    """Source, target and MirrorMaker. Use as a context."""

    mirror_jars = None  # set by fetch()

    @classmethod
    def fetch(cls):
        """Makes sure the jars are there; raises toolchain.Unavailable with the reason if not."""
        peers.Kafka.fetch()
        cls.mirror_jars = toolchain.kafka_mirror_jars(KAFKA_VERSION)

    def __init__(self, root, fsync):
        self._root = root
        self.source = _Broker(root, fsync, "source", relayed=True)
        self.target = _Broker(root, fsync, "target", relayed=False)
        self.process = None
        self._running = None

    def __enter__(self):
        self._root.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as running:
            running.enter_context(self.source)
            running.enter_context(self.target)
            self.source.relay.set(plan.RTT_MS, 0)
            self._start()
            running.callback(processes.kill, self.process)
            self._running = running.pop_all()
        return self

    def __exit__(self, kind, value, trace):
        self._running.close()

    def _start(self):
        config = self._root / "mirror-maker.properties"
        settings = {"clusters": "source, target",
                    "source.bootstrap.servers": f"127.0.0.1:{self.source.relay.port}",
                    "target.bootstrap.servers": self.target.bootstrap, **_MIRROR}
        config.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
        classes = f"{peers.Kafka.jars}/*:{self.mirror_jars}/*"
        self.log = self._root / "mirror-maker.log"
        self.process = processes.start(
            [peers.Kafka.java, *_JVM, "-cp", classes,
             "org.apache.kafka.connect.mirror.MirrorMaker", config, "--clusters", "target"],
            self.log)

    def create_topic(self, client, name, partitions):
        """Creates it at the source, and waits until MirrorMaker has made it at the target."""
        client.create(name, partitions)
        deadline = time.monotonic() + _PATIENCE
        last = self.target.topics() / f"{name}-{partitions - 1}"
        while not last.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Trouble(f"MirrorMaker did not make the topic {name}: {self._last_words()}")
            time.sleep(0.05)
        ready = wire.wait_until_ready(self.target.port, partitions, deadline, lambda: True)
        if not ready:
            raise Trouble(f"the target does not serve {name}")

    def _last_words(self):
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:])[-600:] if lines else "it said nothing"

    def log_bytes(self, topic):
        """Bytes of a topic at the target."""
        return cluster.log_bytes(self.target.topics(), topic)

    def cpu_seconds(self):
        """Of MirrorMaker and of both brokers."""
        return cluster.cpu_seconds(process.pid for process in
                                   (self.process, self.source.process, self.target.process))


def version():
    """What is measured."""
    return f"{peers.Kafka.version()}, MirrorMaker 2"
