"""The broker under test: Magpie, Apache Kafka as the reference, or one that already runs.

A broker is started for one suite on free loopback ports with an empty data directory, and ended by
the id of the process that was started. Its output stays in build/clients/logs.
"""

import collections
import os
import shutil
import socket
import tempfile
import time

import paths
import processes
import toolchain


# What the clients' own suites expect of a broker: topics made by a first use have four partitions,
# and members that join a group within a moment of each other meet in its first generation.
PARTITIONS = 4
REBALANCE_DELAY_MS = 1000


# What a suite may ask for: topics made by their first use, and how often old segments are looked
# for. Suites with records from the past need that to be rare, suites about cleaning need it often.
Settings = collections.namedtuple("Settings", "auto_create check_retention_ms",
                                  defaults=(True, 300_000))


class DidNotStart(Exception):
    """The broker under test did not begin to accept connections."""


def free_port():
    """A loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    """Whether something accepts connections on that loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Broker:
    """One broker process. `bootstrap` is its address for clients."""

    kind = "external"
    process = None
    data = None
    keep_data = False
    good_ends = (0,)  # exit codes of a broker that was asked to end
    trouble = ""  # what was wrong about its end

    def __init__(self, label, settings=Settings()):
        self.label = label
        self.settings = settings
        self.port = free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.advertised = self.bootstrap
        self.log = paths.LOGS / f"{label}-{self.kind}.log"

    def __enter__(self):
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.unlink(missing_ok=True)
        paths.DATA.mkdir(parents=True, exist_ok=True)
        self.data = paths.DATA / os.path.basename(
            tempfile.mkdtemp(prefix=f"{self.label}-", dir=paths.DATA))
        try:
            self.launch()
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, value, trace):
        self.close()

    def close(self):
        """Ends the process that was started here; its data go too unless keep_data is set."""
        if self.process is not None:
            asked = self.alive()
            if not processes.stop(self.process):
                self.trouble = f"it did not end within 15 s of SIGTERM ({self.log})"
            elif asked and self.process.returncode not in self.good_ends:
                self.trouble = f"it ended with {self.process.returncode} ({self.log})"
            self.process = None
        if self.data is not None and not self.keep_data:
            shutil.rmtree(self.data, ignore_errors=True)

    def alive(self):
        """Whether the process still runs (a broker that was not started here always counts)."""
        return self.process is None or self.process.poll() is None

    def launch(self):
        """Starts the process; sets self.process."""
        raise NotImplementedError

    def segments(self, topic, partition):
        """Log segment files of one partition, oldest first."""
        raise NotImplementedError

    def _wait_until_ready(self, patience=90):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not self.alive():
                break
            if accepts(self.port):
                return
            time.sleep(0.05)
        raise DidNotStart(f"{self.kind} did not accept connections; see {self.log}")


class Magpie(Broker):
    """build/release/magpie, or the binary named by MAGPIE_BINARY."""

    kind = "magpie"

    def launch(self):
        binary = os.environ.get("MAGPIE_BINARY") or paths.REPOSITORY / "build/release/magpie"
        if not os.path.exists(binary):
            raise DidNotStart(f"{binary} does not exist: run `make build` first")
        config = self.data / "magpie.yaml"
        config.write_text(f"""
listeners:
  - name: kafka
    listen: {self.bootstrap}
    advertised: {self.advertised}
admin:
  listen: 127.0.0.1:{free_port()}
node:
  data: {self.data / "magpie"}
storage:
  retention_check_interval: {self.settings.check_retention_ms}ms
topics:
  auto_create: {str(self.settings.auto_create).lower()}
  default_partitions: {PARTITIONS}
groups:
  initial_rebalance_delay: {REBALANCE_DELAY_MS}ms
""")
        self.process = processes.start([binary, "serve", "--config", config], self.log)

    def segments(self, topic, partition):
        return sorted((self.data / "magpie" / "topics").glob(f"{topic}-{partition}/*.log"))


class Kafka(Broker):
    """Apache Kafka in KRaft mode, one process that is broker and controller."""

    kind = "kafka"
    good_ends = (0, 143)

    def launch(self):
        jars = toolchain.kafka_jars(paths.VERSIONS["kafka"])
        controller = free_port()
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners":
                f"PLAINTEXT://{self.advertised},CONTROLLER://127.0.0.1:{controller}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": self.data / "log",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": 4,
            "group.initial.rebalance.delay.ms": REBALANCE_DELAY_MS,
            "auto.create.topics.enable": str(self.settings.auto_create).lower(),
            "num.partitions": PARTITIONS,
            "num.network.threads": 2,
            "num.io.threads": 2,
            "log.retention.check.interval.ms": self.settings.check_retention_ms,
            "log.cleaner.backoff.ms": 1000,
            "log.cleaner.dedupe.buffer.size": 4194304,
        }
        config = self.data / "kraft.properties"
        config.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        java = ["java", "-Xms256m", "-Xmx768m", "-XX:+UseSerialGC", "-cp", f"{jars}/*",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        storage = ["kafka.tools.StorageTool", "format", "-c", config, "--standalone",
                   "-t", "bWFncGllLXRlc3QtMDAwMA"]
        formatted = processes.run(java + storage, 120)
        if not formatted.ok:
            raise DidNotStart(f"Kafka's storage tool failed: {formatted.tail()}")
        self.process = processes.start(java + ["kafka.Kafka", config], self.log)

    def segments(self, topic, partition):
        return sorted((self.data / "log" / f"{topic}-{partition}").glob("*.log"))


class External(Broker):
    """A broker that someone else runs; its data directory is out of reach."""

    def __init__(self, label, address):
        super().__init__(label)
        self.bootstrap = address
        self.port = int(address.rsplit(":", 1)[1])

    def launch(self):
        pass

    def segments(self, topic, partition):
        return []


class NoBroker:
    """Stands in where a suite needs none."""

    trouble = ""

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        pass

    def alive(self):
        """Nothing can die."""
        return True


def kind(name):
    """The kind of broker that `--broker NAME` means: "magpie", "kafka" or "external"."""
    if name not in ("magpie", "kafka") and not name.rpartition(":")[2].isdigit():
        raise ValueError(f"--broker takes magpie, kafka or HOST:PORT, not {name}")
    return "external" if ":" in name else name


def choose(name, label, settings=Settings()):
    """The broker that `--broker NAME` means, not started yet."""
    chosen = kind(name)
    if chosen == "external":
        return External(label, name)
    return (Magpie if chosen == "magpie" else Kafka)(label, settings)
