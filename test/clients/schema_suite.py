"""Our message schema against the definitions inside Kafka's own jars; no broker takes part."""

import paths
import processes
import toolchain
from suite import expect, Suite


class Schema(Suite):
    name = "schema"
    title = "schema/ compared with the message definitions in Apache Kafka's jars"
    needs_broker = False

    def prepare(self):
        self._jars = {version: toolchain.kafka_jars(version)
                      for version in (paths.VERSIONS["kafka"], paths.VERSIONS["kafka_old"])}

    def tests(self):
        return list(self._jars)

    def run(self, broker, test):
        jars = [self._jars[test] / f"{name}-{test}.jar"
                for name in ("kafka-clients", "kafka-group-coordinator")]
        older = [] if test == paths.VERSIONS["kafka"] else ["--older"]
        done = processes.run(
            ["/usr/bin/python3", paths.REPOSITORY / "tools" / "compare_schema.py", *older, *jars],
            120)
        print("".join(f"    {line}\n" for line in done.output.splitlines()[-3:]), end="")
        expect(done.ok, lambda: done.tail(4))
