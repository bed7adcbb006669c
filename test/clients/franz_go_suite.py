"""franz-go's own tests of its package kgo, compiled from the Go module as they are.

Every top-level test runs alone. Many of them are tests of the client's own parts, which need no
broker; they are cheap and left in, so that the list is whole.
"""

import os
import re

import paths
import processes
import toolchain
from suite import Failed, NotApplicable, Suite

_PACKAGE = "github.com/twmb/franz-go/pkg/kgo"
_TIMEOUT = 300


class FranzGo(Suite):
    name = "franz-go"
    title = "franz-go kgo, its own tests (Go module)"
    lanes = 2

    def prepare(self):
        self._program = toolchain.go_test(paths.HERE / "franz_go", _PACKAGE, "franz-go")

    def tests(self):
        listed = processes.run([self._program, "-test.list", ".*"], 60)
        return re.findall(r"^(Test\w+)$", listed.output, re.MULTILINE)

    def run(self, broker, test):
        env = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        env.update(KGO_SEEDS=broker.bootstrap, KGO_TEST_RF="1", KGO_TEST_RECORDS="10000")
        done = processes.run(
            [self._program, "-test.v", "-test.count=1", f"-test.timeout={_TIMEOUT - 10}s",
             "-test.run", f"^{test}$"], _TIMEOUT, cwd=paths.CACHE, env=env)
        log = paths.LOGS / self.name / f"{broker.kind}-{test}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(done.output)
        if not done.ok:
            causes = re.findall(r"^\s*\w+_test\.go:\d+: .*$|^panic: .*$", done.output,
                                re.MULTILINE)
            cause = causes[-1].strip() if causes else done.tail(2)
            raise Failed(f"{'timed out: ' if done.timed_out else ''}{cause[:400]} ({log})")
        if re.search(rf"^--- SKIP: {test} ", done.output, re.MULTILINE):
            said = re.findall(r"^\s*\w+\.go:\d+: (.*)$", done.output, re.MULTILINE)
            raise NotApplicable(f"left out by the suite: {said[-1] if said else 'no reason given'}")
