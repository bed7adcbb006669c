"""The store client of the nodes, through real sockets, while the store loses members."""

import subprocess
import tempfile
import time

from gate import Gate
from gateway import encode

PROGRAM = "test/store/magpie-store-drive"
SECONDS = 60
PASSWORD = "not a secret"


class Driven:
    """The program; it prints `progress N` as it goes on and `ok` at its end."""

    def __init__(self, build, endpoints, commits, prefix, user="", options=()):
        # Beside the pipe, so that a program that says much never waits.
        self.errors = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(
            [str(build / PROGRAM), "--commits", str(commits), "--prefix", prefix,
             *(("--user", user, "--password", PASSWORD) if user else ()), *map(str, options),
             *endpoints],
            stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.output = ""

    def wait_for(self, text):
        for line in self.process.stdout:
            self.output += line
            if text in line:
                return
        raise AssertionError(f"ended without {text!r}: {self.said()}")

    def wait_for_trouble(self):
        """What it says first of a store that it cannot reach."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            for line in self.said().splitlines():
                if line.startswith("unreachable: "):
                    return line
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"no trouble: {self.said()}")

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


def drive(build, server, prefix, script, user="", options=(), endpoints=()):
    driven = Driven(build, endpoints or server.endpoints(), 120, prefix, user, options)
    try:
        script(driven)
        driven.finish()
        return driven
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
    results.run("magpie.client_that_missed_a_compaction",
                lambda: miss_a_compaction(build, server, server.port))


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
    results.run("etcd.client_that_missed_a_compaction",
                lambda: miss_a_compaction(build, cluster, cluster.ports[0]))
    results.run("etcd.client_while_a_member_dies",
                lambda: drive(build, cluster, "member/", kill_one))
    results.run("etcd.client_while_the_leader_dies",
                lambda: drive(build, cluster, "leader/", kill_the_leader))
    # From here on the cluster asks for users, so this comes last.
    results.run("etcd.client_with_password_while_a_member_dies",
                lambda: with_password(build, cluster, kill_one))


def miss_a_compaction(build, server, port):
    """What changed while the client was away is not in the store's history any more."""
    gate, store, prefix = Gate(port), server.store(), "missed/"
    outside = prefix + "state/outside/"

    def away(driven):
        for name in ("kept", "changed", "gone"):
            store.put(outside + name, "old")
        driven.wait_for("progress 20")
        gate.cut()
        store.put(outside + "changed", "new")
        store.delete(outside + "gone")
        store.put(outside + "came", "new")
        # The last change, so that the revision from which the client goes on is no more.
        revision = store.put(outside + "last", "new")
        store.call("kv/compaction", {"revision": str(revision), "physical": True})
        gate.mend()
        driven.wait_for("reloaded after a compaction")

    try:
        driven = drive(build, server, prefix, away, endpoints=[f"http://127.0.0.1:{gate.port}"])
    finally:
        gate.end()
    found = {line for line in driven.output.splitlines() if line.startswith("outside/")}
    assert found == {"outside/kept old", "outside/changed new", "outside/came new",
                     "outside/last new"}, found


def run_etcd_with_tls(results, build, cluster, certificates):
    """Who shows no certificate, or trusts another authority, is told so; others work as ever."""
    def refused(text, **options):
        driven = Driven(build, cluster.endpoints(), 1, "tls/", "",
                        certificates.drive_options(**options))
        try:
            trouble = driven.wait_for_trouble()
            assert text in trouble, trouble
            assert "progress" not in driven.said(), "it was served"
        finally:
            driven.end()

    def kill_one(driven):
        driven.wait_for("progress 20")
        cluster.kill_member(1)
        driven.wait_for("progress 60")
        cluster.start_member(1)

    options = certificates.drive_options()
    results.run("etcd_tls.client",
                lambda: drive(build, cluster, "client/", lambda driven: None, options=options))
    results.run("etcd_tls.a_wrong_authority_is_refused",
                lambda: refused("certificate", authority="other"))
    results.run("etcd_tls.a_client_without_a_certificate_is_refused",
                lambda: refused("certificate", client=False))
    results.run("etcd_tls.client_with_password_while_a_member_dies",
                lambda: with_password(build, cluster, kill_one, options))


def with_password(build, cluster, script, options=()):
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
    drive(build, cluster, "auth/", script, user="node", options=options)
