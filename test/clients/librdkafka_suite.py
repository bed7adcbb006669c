"""librdkafka's own integration tests, built from the npm package node-rdkafka.

One test here is one number of that suite (all functions of the number), run by its test-runner in
quick mode. Long numbers, such as 0081 for all of the admin interface, ACL and SCRAM included, are
split by their subtests.
"""

import os
import re
import shutil

import paths
import processes
import toolchain
from suite import Failed, NotApplicable, Suite

# The broker version that the tests adapt to: from 4.0 on they know that message formats 0 and 1
# are gone, as they are in Magpie.
_BEHAVES_LIKE = "4.0.0"
_TIMEOUT = 240
# Test nothing at all in quick mode, so they run in full.
_NOT_QUICK = ("0018", "0019", "0026", "0045", "0050", "0061", "0082", "0089", "0102", "0113",
              "0122", "0132", "0137")
# Split into subtests: where the calls of them begin in the source, and what a call looks like.
_SPLIT = {"0061": ("int main_0061_consumer_lag(", r"^ +(do_test_\w+)\("),
          "0081": ("void do_test_apis(", r"^\s*(do_test_(?!apis)\w+)\("),
          "0137": ("int main_0137_barrier_batch_consume(", r"^ +(do_test_\w+)\("),
          "0113": ("int main_0113_cooperative_rebalance(", r"^ +([a-z]_\w+)\(")}
# The first has two variations, of which one needs transactions; the second six of 50 seconds each.
_SUBTEST_FILTERS = {
    "do_test_consumer_lag": "lag without transactions",
    "u_multiple_subscription_changes": "use_rebalance_cb: 1, subscription_variation: 1"}
# Call Kafka's own kafka-topics.sh.
_NEED_SCRIPTS = ("0045", "0052", "0077")
_COLORS = re.compile(r"\x1b\[[0-9;]*m")
_CAUSE = re.compile(r'^### Test "(.*?)" failed at (\S+?) at .*?###\n(.*)$', re.MULTILINE)


def _numbers(root, scenario):
    """Numbers in tests/test.c that have a test for `scenario` (manual ones left out), each with
    whether all its tests are "local", which use librdkafka's own mock broker or none."""
    text = (root / "tests" / "test.c").read_text()
    text = text[text.index("struct test tests[]"):]
    found = {}
    for entry in re.findall(r"_TEST\((\d{4}_.*?)\),\n(?=\s*(?:_TEST|/\*|#|\{))", text, re.DOTALL):
        number = entry[:4]
        named = re.search(r'\.scenario\s*=\s*"([^"]*)"', entry)
        if scenario in (named.group(1) if named else "default").split(",") and number < "8000":
            found[number] = found.get(number, True) and "TEST_F_LOCAL" in entry
    return found


class Librdkafka(Suite):
    name = "librdkafka"
    title = (f"librdkafka 2.12.0, its integration suite (npm node-rdkafka "
             f"{paths.VERSIONS['npm']['node-rdkafka']}), quick mode")
    lanes = 3
    scenario = "default"

    def prepare(self):
        self._root = toolchain.librdkafka()
        self._scripts = toolchain.kafka_scripts(paths.VERSIONS["kafka"])

    def tests(self):
        numbers = _numbers(self._root, self.scenario)
        self._local = {number for number, local in numbers.items() if local}
        return [test for number in numbers
                for test in self._subtests(number)]

    def _subtests(self, number):
        """The subtests that the main function of a number calls; none for most numbers."""
        if number not in _SPLIT:
            return [number]
        source, = (self._root / "tests").glob(f"{number}-*.c*")
        begin, call = _SPLIT[number]
        calls = source.read_text().partition(begin)[2]
        return [f"{number}/{name}"
                for name in dict.fromkeys(re.findall(call, calls, re.MULTILINE))]

    def run(self, broker, test):
        number, _, subtest = test.partition("/")
        scratch = broker.data / f"client-{number}{subtest}"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        conf = scratch / "test.conf"
        conf.write_text(f"bootstrap.servers={broker.bootstrap}\nbroker.address.family=v4\n"
                        "test.timeout.multiplier=2\n")
        env = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        env.update(TESTS=number, RDKAFKA_TEST_CONF=str(conf), TMPDIR=str(scratch),
                   LD_LIBRARY_PATH=f"{self._root}/src:{self._root}/src-cpp")
        if number in _NEED_SCRIPTS:
            env.update(KAFKA_PATH=str(self._scripts), BROKERS=broker.bootstrap)
        if subtest:
            env["SUBTESTS"] = _SUBTEST_FILTERS.get(subtest, f"{subtest}:")
        done = processes.run(
            ["./test-runner", "-p1", "-V", _BEHAVES_LIKE, "-s", self.scenario,
             *([] if number in self._local else ["-L"]), *([] if number in _NOT_QUICK else ["-Q"])],
            _TIMEOUT, cwd=self._root / "tests", env=env)
        log = paths.LOGS / self.name / f"{broker.kind}-{test.replace('/', '-')}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        output = _COLORS.sub("", done.output)
        log.write_text(output)
        self._judge(done, output, log)
        if subtest and f"[ {subtest}:" not in output:
            raise NotApplicable("left out by the suite in quick mode")

    def _judge(self, done, output, log):
        if done.timed_out:
            raise Failed(f"no end after {_TIMEOUT} s ({log})")
        if not done.ok:
            found = _CAUSE.search(output)
            cause = (f"{found.group(3)[:300]} [{found.group(2)}, {found.group(1)[:150]}]" if found
                     else f"exit {done.code}: {done.tail(2)}")
            raise Failed(f"{cause} ({log})")
        rows = re.findall(r"^\|\s*(\d{4}_\w+)\s*\|\s*(\w+)", output, re.MULTILINE)
        if not any(state == "PASSED" for _, state in rows):
            skipped = re.findall(r"SKIPPING TEST[^\n]*: ?([^\n]+)|Skip[^\n]*\(([^\n]+)\)", output)
            raise NotApplicable(" ".join(filter(None, skipped[0])) if skipped
                                else "skipped by the suite itself")


class LibrdkafkaNoAutoCreate(Librdkafka):
    """The tests of the same suite that want a broker without automatic topic creation."""

    name = "librdkafka-noautocreate"
    title = "librdkafka 2.12.0, the tests for a broker without automatic topic creation"
    scenario = "noautocreate"
    auto_create = False
