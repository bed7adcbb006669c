"""A cluster of several regions run by `magpie dev`, for harnesses and the demo."""

import json
import socket
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "test" / "clients"))
import processes  # noqa: E402
import toolchain  # noqa: E402,F401  (found here, for others)

START_SECONDS = 30


class Trouble(Exception):
    """The cluster did not do what the harness needs it to do."""


class DevCluster:
    """`magpie dev` on free ports; everything in `folder`."""

    def __init__(self, binary, folder, *arguments):
        self.binary, self.folder = binary, folder
        self.data, self.log = folder / "dev", folder / "dev.log"
        self.arguments = arguments
        self.process = None

    def start(self):
        self.process = processes.start([self.binary, "dev", "--data", self.data, "--base-port", "0",
                                        *self.arguments], self.log)
        deadline = time.monotonic() + START_SECONDS
        while self.about().get("state") != "ready":
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Trouble(f"magpie dev did not start: {self.log.read_text()}")
            time.sleep(0.05)

    def about(self):
        """What dev.json says; empty while it is not there."""
        try:
            return json.loads((self.data / "dev.json").read_text())
        except (OSError, ValueError):
            return {}

    def node(self, region):
        return next(node for node in self.about()["nodes"] if node["name"] == region)

    def member(self, name):
        """A process of the control store."""
        return next(one for one in self.about()["store"]["members"] if one["name"] == name)

    def with_member(self, region):
        """Names of the processes in a region: its node and, if there is one, its member of etcd."""
        return [region] + [one["name"] for one in self.about()["store"]["members"]
                           if one["site"] == region]

    def bootstrap(self):
        return self.about()["bootstrap"]

    def log_of(self, region):
        return Path(self.node(region)["log"]).read_text(errors="replace")

    def tell(self, order):
        """Gives an order; what it answered after `ok`."""
        host, port = self.about()["control"].split(":")
        with socket.create_connection((host, int(port)), 5) as connection:
            connection.sendall(order.encode() + b"\n")
            answer = connection.makefile().readline().strip()
        if not answer.startswith("ok"):
            raise Trouble(f"{order}: {answer}")
        return answer[3:]

    def wait_for_state(self, region, state, seconds=START_SECONDS):
        self.wait(lambda: self.node(region)["state"] == state, f"{region} is {state}", seconds)

    def wait(self, condition, what, seconds=START_SECONDS):
        """Waits until `condition()` is true; returns the seconds it took."""
        begin = time.monotonic()
        while not condition():
            if time.monotonic() > begin + seconds:
                raise Trouble(f"{what}: not within {seconds} s")
            time.sleep(0.05)
        return time.monotonic() - begin

    def run(self, via, *arguments, seconds=30):
        """A command of `magpie` that asks the node of region `via`."""
        return processes.run([self.binary, *arguments, "--admin", self.node(via)["admin"]], seconds)

    def magpie(self, via, *arguments, seconds=30):
        """The same; its output. Raises if it was refused."""
        done = self.run(via, *arguments, seconds=seconds)
        if not done.ok:
            raise Trouble(f"magpie {' '.join(arguments)}: {done.tail()}")
        return done.output

    def ask(self, via, *arguments, seconds=30):
        """The same; its answer as JSON."""
        return json.loads(self.magpie(via, *arguments, "-o", "json", seconds=seconds))

    def end(self):
        if self.process is not None:
            processes.stop(self.process)
