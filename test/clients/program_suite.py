"""Suites that are one program per client: it lists its tests and runs one by name."""

import os

import paths
import processes
import toolchain
from suite import Failed, NotApplicable, Suite

# A program ends with this code and the reason in its last line if a test cannot run here.
_NOT_APPLICABLE_CODE = 77


class ProgramSuite(Suite):
    """`command` with `--list` prints the names of the tests, with `TEST HOST:PORT` runs one."""

    lanes = 2
    timeout = 120
    environment = None
    directory = None

    def command(self):
        """How the program is started, without its arguments."""
        raise NotImplementedError

    def tests(self):
        listed = processes.run([*self.command(), "--list"], 60, cwd=self.directory,
                               env=self.environment)
        if not listed.ok:
            raise toolchain.Unavailable(f"the tests cannot be listed: {listed.tail()}")
        return listed.output.split()

    def run(self, broker, test):
        done = processes.run([*self.command(), test, broker.bootstrap], self.timeout,
                             cwd=self.directory, env=self.environment)
        log = paths.LOGS / self.name / f"{broker.kind}-{test}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(done.output)
        if done.code == _NOT_APPLICABLE_CODE:
            raise NotApplicable(done.tail(1))
        if not done.ok:
            raise Failed(f"{'timed out: ' if done.timed_out else ''}{done.tail(2)} ({log})")


class KafkaPython(ProgramSuite):
    name = "kafka-python"
    title = f"kafka-python {paths.VERSIONS['python3-kafka']} (Debian package), programs of ours"

    def prepare(self):
        for module in ("kafka", "snappy", "lz4", "zstandard"):
            toolchain.need_python(module, f"python3-{module}")

    def command(self):
        return ["/usr/bin/python3", paths.HERE / "programs" / "kafka_python_tests.py"]


class Cleaning(KafkaPython):
    name = "cleaning"
    title = "retention and compaction, watched with kafka-python"
    lanes = 4
    check_retention_ms = 1000

    def command(self):
        return ["/usr/bin/python3", paths.HERE / "programs" / "cleaning_tests.py"]


class KafkaJs(ProgramSuite):
    name = "kafkajs"
    title = f"kafkajs {paths.VERSIONS['npm']['kafkajs']} (npm), programs of ours"

    def prepare(self):
        packages = ["kafkajs", "kafkajs-snappy", "snappyjs", "lz4js", "zstd-codec"]
        modules = toolchain.node_modules(packages, "kafkajs")
        self.environment = dict(os.environ, NODE_PATH=str(modules / "node_modules"))

    def command(self):
        return ["node", paths.HERE / "programs" / "kafkajs_tests.js"]
