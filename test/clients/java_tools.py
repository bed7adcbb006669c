"""Calls of Apache Kafka's own command line tools, from the jars, with their answers checked."""

import json
import signal
import time

import paths
import processes
import toolchain
from suite import Failed, FunctionSuite, expect

TOPICS = "org.apache.kafka.tools.TopicCommand"
CONFIGS = "kafka.admin.ConfigCommand"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
OFFSETS = "org.apache.kafka.tools.GetOffsetShell"
DELETE_RECORDS = "org.apache.kafka.tools.DeleteRecordsCommand"
API_VERSIONS = "org.apache.kafka.tools.BrokerApiVersionsCommand"
CONSOLE_PRODUCER = "org.apache.kafka.tools.ConsoleProducer"
CONSOLE_CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
VERIFIABLE_PRODUCER = "org.apache.kafka.tools.VerifiableProducer"
VERIFIABLE_CONSUMER = "org.apache.kafka.tools.VerifiableConsumer"
PRODUCER_PERFORMANCE = "org.apache.kafka.tools.ProducerPerformance"
CONSUMER_PERFORMANCE = "org.apache.kafka.tools.ConsumerPerformance"
END_TO_END_LATENCY = "org.apache.kafka.tools.EndToEndLatency"
CLUSTER = "org.apache.kafka.tools.ClusterTool"
LOG_DIRS = "org.apache.kafka.tools.LogDirsCommand"
DUMP_LOG = "kafka.tools.DumpLogSegments"

# Where tools were before they moved, for releases 3.x.
_PLACES_IN_3 = {CONSOLE_PRODUCER: "kafka.tools.ConsoleProducer",
                API_VERSIONS: "kafka.admin.BrokerApiVersionsCommand"}
_TIMEOUT = 90


def _complaint(done):
    """The line that says what went wrong, out of many lines of stack trace."""
    named = [line for line in done.output.splitlines() if "xception" in line or "rror" in line]
    return named[0].strip()[:500] if named else done.tail(3)


class JavaToolSuite(FunctionSuite):
    """Base of the suites over Java tools: how they are started, and the calls most tests make."""

    version = ""
    lanes = 2

    def __init__(self):
        self._serial = int(time.time() * 10) % 10**9 * 1000

    def prepare(self):
        jars = toolchain.kafka_jars(self.version)
        self._java = [toolchain.need("java", "openjdk-17-jre-headless"), "-Xmx256m",
                      "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*",
                      "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]

    def unique(self, what):
        """A name that no other test uses."""
        self._serial += 1
        return f"java-{what}-{self._serial}"

    def tool(self, tool, *arguments, text_in=None, ok=True):
        """Runs one tool to its end and returns its output; fails unless it ends with code 0."""
        place = _PLACES_IN_3.get(tool, tool) if self.version.startswith("3.") else tool
        done = processes.run([*self._java, place, *arguments], _TIMEOUT, text_in=text_in)
        name = tool.rpartition(".")[2]
        expect(not done.timed_out, lambda: f"{name} did not end in {_TIMEOUT} s: {done.tail()}")
        if ok:
            expect(done.ok, lambda: f"{name} {' '.join(map(str, arguments))}: exit {done.code}: "
                   f"{_complaint(done)}")
        return done.output

    def at(self, broker, tool, *arguments, **options):
        """The same for tools that take --bootstrap-server."""
        return self.tool(tool, "--bootstrap-server", broker.bootstrap, *arguments, **options)

    def make_topic(self, broker, what, partitions=1, **configs):
        """Creates a topic with Kafka's tool and returns its name."""
        topic = self.unique(what)
        settings = [part for name, value in configs.items()
                    for part in ("--config", f"{name.replace('_', '.')}={value}")]
        output = self.at(broker, TOPICS, "--create", "--topic", topic, "--partitions",
                         str(partitions), "--replication-factor", "1", *settings)
        expect(f"Created topic {topic}." in output, lambda: f"create: {output}")
        return topic

    def write(self, broker, topic, lines, *arguments):
        """Sends `key:value` lines with the console producer."""
        output = self.at(broker, CONSOLE_PRODUCER, "--topic", topic, "--property", "parse.key=true",
                         "--property", "key.separator=:", *arguments,
                         text_in="".join(line + "\n" for line in lines))
        expect("rror" not in output, lambda: f"console producer: {output[-500:]}")

    def read(self, broker, topic, count, *arguments):
        """Reads `count` records as `key:value` lines with the console consumer."""
        output = self.at(broker, CONSOLE_CONSUMER, "--topic", topic, "--max-messages", str(count),
                         "--timeout-ms", "30000", "--property", "print.key=true", "--property",
                         "key.separator=:", *arguments)
        expect(f"Processed a total of {count} messages" in output,
               lambda: f"console consumer, {count} expected: {output[-300:]}")
        return [line for line in output.splitlines() if ":" in line]

    def offsets(self, broker, topic, when):
        """What GetOffsetShell says for --time `when`: {partition: offset as text}."""
        output = self.at(broker, OFFSETS, "--topic", topic, "--time", str(when))
        return {int(line.split(":")[1]): line.split(":")[2] for line in output.splitlines()
                if line.startswith(topic + ":")}

    def describe_group(self, broker, group):
        """Rows of `kafka-consumer-groups --describe`: {partition: (current, end, lag)}."""
        output = self.at(broker, GROUPS, "--describe", "--group", group)
        rows = [line.split() for line in output.splitlines() if line.split()[:1] == [group]]
        return {int(row[2]): tuple(row[3:6]) for row in rows}


def numbered(count, keys=None):
    """Lines `key:value` for the console producer."""
    return [f"key-{number % (keys or count)}:value {number} {'x' * (number * 7 % 90)}"
            for number in range(count)]


class Watched:
    """A verifiable client that runs beside the test and says what it does as JSON lines."""

    def __init__(self, suite, tool, *arguments):
        self.log = paths.LOGS / suite.name / f"{suite.unique('verifiable')}.log"
        self.log.unlink(missing_ok=True)
        self._process = processes.start([*suite._java, tool, *map(str, arguments)], self.log)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self._process.poll() is None:
            processes.kill(self._process)

    def events(self, name=None):
        """What it has said so far; lines that are still being written are left out."""
        found = []
        for line in self.log.read_text().splitlines(keepends=True):
            if line.startswith("{") and line.endswith("\n"):
                event = json.loads(line)
                if name is None or event.get("name") == name:
                    found.append(event)
        return found

    def wait_for(self, complaint, condition, patience=60):
        """Waits until condition() holds; fails with `complaint` if not, or if the tool died."""
        deadline = time.monotonic() + patience
        while not condition():
            if time.monotonic() > deadline or self._process.poll() not in (None, 0):
                raise Failed(f"{complaint}; it said: {self.log.read_text()[-400:]}")
            time.sleep(0.1)

    def kill(self):
        """Ends it without a goodbye to the broker."""
        processes.kill(self._process)

    def finish(self, patience=60):
        """Waits for its own end, asking for it first, and returns all its events."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(patience)
        except Exception as failure:
            raise Failed(f"a verifiable client did not end: {failure}") from failure
        return self.events()
