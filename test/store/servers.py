"""Starts control stores on free loopback ports: `magpie store`, or an etcd of three members."""

import shutil
import socket
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "test" / "clients"))

import processes  # noqa: E402
from gateway import Store  # noqa: E402

START_SECONDS = 30


def free_ports(count):
    """Ports that are free at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class MagpieStore:
    """One `magpie store`."""

    name = "magpie"

    def __init__(self, binary, folder):
        self.binary, self.data, self.log = binary, folder / "data", folder / "store.log"
        self.port = free_ports(1)[0]
        self.process = None

    def start(self, *arguments, file_kilobytes=0):
        """With a limit, a write beyond it fails as on a broken disk."""
        limit = ["sh", "-c", f"trap '' XFSZ; ulimit -f {2 * file_kilobytes}; exec \"$@\"", "sh"]
        self.process = processes.start(
            [*(limit if file_kilobytes else []), self.binary, "store", "--data", self.data,
             "--listen", f"127.0.0.1:{self.port}", *arguments], self.log)
        if not self.store().ready(START_SECONDS):
            raise RuntimeError(f"no store: {self.log_text()}")

    def run_to_end(self, *arguments, listen=""):
        """For starts that are to be refused. Exit code and what was said."""
        before = len(self.log_text())
        process = processes.start(
            [self.binary, "store", "--data", self.data, "--listen",
             listen or f"127.0.0.1:{free_ports(1)[0]}", *arguments], self.log)
        code = process.wait(START_SECONDS)
        return code, self.log_text()[before:]

    def store(self):
        return Store(self.port)

    def endpoints(self):
        return [f"http://127.0.0.1:{self.port}"]

    def log_text(self):
        return self.log.read_text() if self.log.exists() else ""

    def kill(self):
        processes.kill(self.process)

    def stop(self):
        """SIGTERM; the exit code."""
        processes.stop(self.process)
        return self.process.returncode

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()


class EtcdCluster:
    """Three members of etcd; a member that was killed can be started again. With certificates
    clients must show theirs."""

    MEMBERS = 3

    def __init__(self, folder, certificates=None):
        self.folder, self.certificates = folder, certificates
        self.name = "etcd_tls" if certificates else "etcd"
        ports = free_ports(2 * self.MEMBERS)
        self.ports, self.peers = ports[:self.MEMBERS], ports[self.MEMBERS:]
        self.members = [None] * self.MEMBERS

    @staticmethod
    def missing():
        """Why there is none; empty if there can be."""
        return "" if shutil.which("etcd") else "etcd is not installed (Debian package etcd-server)"

    def start_member(self, index):
        urls = [f"http://127.0.0.1:{port}" for port in self.peers]
        cluster = ",".join(f"m{i}={url}" for i, url in enumerate(urls))
        client = self.endpoints()[index]
        self.members[index] = processes.start(
            ["etcd", "--name", f"m{index}", "--data-dir", self.folder / f"m{index}",
             "--listen-client-urls", client, "--advertise-client-urls", client,
             "--listen-peer-urls", urls[index], "--initial-advertise-peer-urls", urls[index],
             "--initial-cluster", cluster, "--initial-cluster-token", "magpie-test",
             *(self.certificates.server_options() if self.certificates else ()),
             "--logger", "zap", "--log-level", "warn"], self.folder / f"m{index}.log")

    def start(self):
        for index in range(self.MEMBERS):
            self.start_member(index)
        if not all(self.store(index).ready(START_SECONDS) for index in range(self.MEMBERS)):
            raise RuntimeError("etcd does not serve")

    def store(self, index=0):
        return Store(self.ports[index], self.certificates and self.certificates.context())

    def endpoints(self):
        scheme = "https" if self.certificates else "http"
        return [f"{scheme}://127.0.0.1:{port}" for port in self.ports]

    def leader(self):
        for index in range(self.MEMBERS):
            if self.members[index].poll() is not None:
                continue
            status = self.store(index).call("maintenance/status", {})
            if status.get("leader") == status["header"]["member_id"]:
                return index
        return None

    def kill_member(self, index):
        processes.kill(self.members[index])

    def end(self):
        for member in self.members:
            if member is not None and member.poll() is None:
                processes.kill(member)
