"""Runs rounds, several at a time, each as a program of its own that is ended when it hangs."""

import json
import signal
import sys
import tempfile
import time
from pathlib import Path

import clients
import outcome as outcomes
from places import HERE
import processes
from plan import plan_of

# A round that takes longer hangs: most take a minute at most, and its own waits end before.
ROUND_SECONDS = 240
# How much longer a round may take for what it waits for when others run beside it.
SLACK = 2


class _Running:
    def __init__(self, seed, folder, process, deadline):
        self.seed, self.folder, self.process, self.deadline = seed, folder, process, deadline
        self.begin = time.monotonic()
        self.shown = 0


class Workers:
    """`commands`: {kind of client: command line}; `clocks`: a library that shows another time."""

    def __init__(self, given, commands, clocks):
        self._given, self._commands, self._clocks = given, commands, clocks
        self._slack = SLACK if given.parallel > 1 else 1

    def run(self, seeds):
        """Yields (Outcome, folder of its files) as rounds end."""
        waiting, running = list(reversed(seeds)), []
        last = time.monotonic() + (self._given.seconds or float("inf"))
        try:
            while running or (waiting and time.monotonic() < last):
                while waiting and len(running) < self._given.parallel and time.monotonic() < last:
                    running.append(self._start(waiting.pop()))
                time.sleep(0.1)
                for one in list(running):
                    self._show(one)
                    if one.process.poll() is None and time.monotonic() < one.deadline:
                        continue
                    running.remove(one)
                    yield self._ended(one), one.folder
        finally:
            for one in running:
                processes.kill(one.process)

    def _start(self, seed):
        given = self._given
        folder = Path(tempfile.mkdtemp(prefix=f"magpie-chaos-{seed}-"))
        kinds = clients.drawn(seed, self._commands)
        job = {"seed": seed, "store": given.store, "build": str(given.build.resolve()),
               "folder": str(folder), "kinds": kinds, "slack": self._slack,
               "clocks": self._clocks,
               "programs": {topic: {part: self._commands[kind] for part, kind in parts.items()}
                            for topic, parts in kinds.items()}}
        path = folder / "job.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        process = processes.start([sys.executable, HERE / "round.py", path], folder / "story")
        return _Running(seed, folder, process,
                        time.monotonic() + ROUND_SECONDS * self._slack)

    def _show(self, one):
        """With --verbose, what the round has said since the last time."""
        if self._given.verbose:
            told = (one.folder / "story").read_text(encoding="utf-8", errors="replace")
            print(told[one.shown:], end="", flush=True)
            one.shown = len(told)

    def _ended(self, one):
        hangs = one.process.poll() is None
        if hangs:
            one.process.send_signal(signal.SIGUSR1)  # says where it is
            time.sleep(0.5)
            processes.kill(one.process)
        self._show(one)
        saved = one.folder / "outcome.json"
        if saved.exists() and not hangs:
            return outcomes.read(saved.read_text(encoding="utf-8"))
        story = (one.folder / "story").read_text(encoding="utf-8", errors="replace")
        last = " | ".join(line.strip() for line in story.splitlines()[-4:])
        cause = f"hung for {ROUND_SECONDS * self._slack} s and was ended" if hangs else \
            f"the harness ended with exit code {one.process.returncode}"
        plan = plan_of(one.seed, self._given.store, bool(self._clocks))
        return outcomes.Outcome(one.seed, [step.kind for step in plan.steps], plan.store,
                                clients.drawn(one.seed, self._commands),
                                time.monotonic() - one.begin, [f"{cause}: {last}"])
