"""The store client of the nodes, through real sockets, while the store loses members."""

import subprocess
import tempfile

PROGRAM = "test/store/magpie-store-drive"
SECONDS = 60


class Driven:
    """The program; it prints `progress N` as it goes on and `ok` at its end."""

    def __init__(self, build, endpoints, commits, prefix):
        # Beside the pipe, so that a program that says much never waits.
        self.errors = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(
            [str(build / PROGRAM), "--commits", str(commits), "--prefix", prefix, *endpoints],
            stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.output = ""

    def wait_for(self, text):
        for line in self.process.stdout:
            self.output += line
            if text in line:
                return
        raise AssertionError(f"ended without {text!r}: {self.said()}")

    def finish(self):
        rest, _ = self.process.communicate(timeout=SECONDS)
        self.output += rest
        assert self.process.returncode == 0 and "ok" in self.output, self.said()

    def said(self):
        self.errors.seek(0)
        return self.output + self.errors.read()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()


def drive(build, server, prefix, script):
    driven = Driven(build, server.endpoints(), 120, prefix)
    try:
        script(driven)
        driven.finish()
    finally:
        driven.end()


def run_magpie(results, build, server):
    def restarts(driven):
        for mark in ("progress 20", "progress 60"):
            driven.wait_for(mark)
            server.kill()
            server.start()

    results.run("magpie.client", lambda: drive(build, server, "client/", lambda driven: None))
    results.run("magpie.client_while_it_restarts",
                lambda: drive(build, server, "restarts/", restarts))


def run_etcd(results, build, cluster):
    def kill_one(driven):
        driven.wait_for("progress 20")
        other = (cluster.leader() + 1) % cluster.MEMBERS
        cluster.kill_member(other)
        driven.wait_for("progress 60")
        cluster.start_member(other)

    def kill_the_leader(driven):
        driven.wait_for("progress 20")
        leader = cluster.leader()
        cluster.kill_member(leader)
        driven.wait_for("progress 60")
        cluster.start_member(leader)

    results.run("etcd.client", lambda: drive(build, cluster, "client/", lambda driven: None))
    results.run("etcd.client_while_a_member_dies",
                lambda: drive(build, cluster, "member/", kill_one))
    results.run("etcd.client_while_the_leader_dies",
                lambda: drive(build, cluster, "leader/", kill_the_leader))
