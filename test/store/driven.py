"""The store client of the nodes, through real sockets, while the store loses members."""

import subprocess
import tempfile

from gateway import encode

PROGRAM = "test/store/magpie-store-drive"
SECONDS = 60
PASSWORD = "not a secret"


class Driven:
    """The program; it prints `progress N` as it goes on and `ok` at its end."""

    def __init__(self, build, endpoints, commits, prefix, user):
        # Beside the pipe, so that a program that says much never waits.
        self.errors = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(
            [str(build / PROGRAM), "--commits", str(commits), "--prefix", prefix,
             *(("--user", user, "--password", PASSWORD) if user else ()), *endpoints],
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


def drive(build, server, prefix, script, user=""):
    driven = Driven(build, server.endpoints(), 120, prefix, user)
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
    # From here on the cluster asks for users, so this comes last.
    results.run("etcd.client_with_password_while_a_member_dies",
                lambda: with_password(build, cluster, kill_one))


def with_password(build, cluster, script):
    """A member that was away does not know the token any more, so it is renewed too."""
    store = cluster.store()
    rights = {"permType": "READWRITE", "key": encode("auth/"), "range_end": encode("auth0")}
    for path, body in (
            ("auth/user/add", {"name": "root", "password": PASSWORD}),
            ("auth/role/add", {"name": "root"}),
            ("auth/user/grant", {"user": "root", "role": "root"}),
            ("auth/user/add", {"name": "node", "password": PASSWORD}),
            ("auth/role/add", {"name": "node"}),
            ("auth/role/grant", {"name": "node", "perm": rights}),
            ("auth/user/grant", {"user": "node", "role": "node"}),
            ("auth/enable", {})):
        store.call(path, body)
    drive(build, cluster, "auth/", script, user="node")
