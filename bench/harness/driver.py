"""Calls the benchmark client, one process per run."""

import json
import pathlib
import subprocess

from harness import machine, shared


class RunFailed(Exception):
    """The client could not do its run; the message is what it said."""


def program(named=None):
    """Path of the benchmark client: `named`, or one that is built now."""
    if named:
        return pathlib.Path(named).resolve()
    build = shared.BUILD / "bench" / "client"
    subprocess.run(["cmake", "--preset", "release", "-B", build, "-DMAGPIE_BENCHMARKS=ON",
                    "-DMAGPIE_ONLY=base"], cwd=shared.REPOSITORY, check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", build, "magpie-bench-driver"], check=True,
                   stdout=subprocess.DEVNULL)
    return build / "bench" / "magpie-bench-driver"


class Driver:
    """The client program, pointed at one broker."""

    def __init__(self, program, bootstrap="", pid=0):
        self._program = program
        self._bootstrap = bootstrap
        self._pid = pid

    def create(self, topic, partitions, **properties):
        """Creates a topic and waits for its leaders."""
        options = ["--partitions", partitions, "--seconds", 60]
        for name, value in properties.items():
            options += ["--topic-property", f"{name.replace('_', '.')}={value}"]
        self._call("create", ["--topic", topic, *options], 90)

    def delete(self, topic):
        """Deletes a topic."""
        self._call("delete", ["--topic", topic, "--seconds", 30], 60)

    def run(self, mode, options, seconds):
        """One measured run: the client's JSON, and how busy the rest of the machine was."""
        if self._pid:
            options = [*options, "--broker-pid", self._pid]
        before = machine.Busy()
        output = self._call(mode, [*options, "--seconds", seconds], seconds + 120)
        after = machine.Busy()
        figures = json.loads(output)
        ours = figures["client_cpu_seconds"] + figures.get("broker_cpu_seconds", 0)
        wall = after.at - before.at
        figures["other_cores"] = round(max(0, after.busy - before.busy - ours) / wall, 3)
        figures["stolen_cores"] = round((after.steal - before.steal) / wall, 3)
        return figures

    def _call(self, mode, options, timeout):
        target = ["--brokers", self._bootstrap] if self._bootstrap else []
        command = [self._program, mode, *target, *options]
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            output, errors = process.communicate(timeout=timeout)
        except BaseException as cause:
            shared.processes.kill(process)
            if isinstance(cause, subprocess.TimeoutExpired):
                raise RunFailed(f"{mode}: no end within {timeout:.0f} s") from None
            raise
        if process.returncode != 0:
            said = errors.strip().splitlines()
            raise RunFailed(f"{mode}: {said[-1] if said else f'exit code {process.returncode}'}")
        return output
