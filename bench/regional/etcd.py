"""Failovers with an etcd of three sites, one member of which dies with the leading region.

The same failover as with `magpie store` (moves.py), but every step of it is agreed on by etcd's
members, and if the one that died led them, the others must first elect another. That takes etcd's
own time, a second or two from the kill on, and is reported apart. etcd is asked directly who leads
it, not through the relay.
"""

import contextlib
import http.client
import json
import shutil
import subprocess
import threading
import time

from regional import figures, moves, plan
from regional.cluster import Cluster, milliseconds
from regional.lab import TROUBLES
from regional.shared import Trouble

# Whose member leads etcd when the leading region dies: that region's, or the one that will not
# lead afterwards either, from which everything is farthest.
LOST, KEPT = "lost", "kept"
_LOOK_SECONDS = 0.01


def missing():
    """Why it cannot be measured here; nothing if it can."""
    return "" if shutil.which("etcd") else "etcd is not installed (Debian package etcd-server)"


def version():
    """What is measured."""
    answer = subprocess.run(["etcd", "--version"], capture_output=True, text=True, timeout=10)
    return "etcd " + (answer.stdout.splitlines() or ["unknown"])[0].removeprefix("etcd Version: ")


def failovers(lab):
    """The leading region is killed with its member of etcd."""
    if lab.clock.over():
        return
    try:
        with Cluster(lab.folder("failover-etcd"), "--lease", f"{plan.LEASE_SECONDS}s",
                     "--store", "etcd") as magpie:
            _WithEtcd(lab, magpie, lab.plan.few).run((LOST, KEPT))
    except TROUBLES as cause:
        lab.failed("etcd-failover", "magpie", {"partitions": lab.plan.few}, cause)


class _WithEtcd(moves.Failovers):
    more_case = {"store": "etcd"}

    def once(self, scope):
        leader = self.lead_everything_from_one("group")
        target = self.target_of(leader)
        third = next(name for name in plan.REGIONS if name not in (leader, target))
        members = Members(self.magpie)
        members.lead_from(leader if scope == LOST else third)
        with Elections(members, [target, third], members.ids[leader]) as elections:
            names = self.magpie.with_member(leader)
            found, killed, begin = self.fail_over(names, target, "group")
            elections.wait()
        elected = elections.first() if scope == LOST else None
        self.lab.record("etcd-failover", "magpie",
                        {"partitions": self.count, "etcd_leader": scope},
                        {**found, **figures.beside_election(found, killed, begin, elected),
                         "etcd_led_from": "target" if elections.site == target else "third"})
        self.back_again(names, target)


class Members:
    """The members of a cluster's etcd, by region."""

    def __init__(self, magpie):
        self._magpie = magpie
        self._addresses = {one["site"]: one["endpoint"].removeprefix("http://")
                           for one in magpie.about()["store"]["members"]}
        self.ids = {site: self.status(site)["header"]["member_id"] for site in self._addresses}

    def connection(self, site):
        return http.client.HTTPConnection(self._addresses[site], timeout=5)

    def status(self, site, connection=None):
        """What a member says of itself; `leader` is a member's number, as text, or nothing."""
        return _post(connection or self.connection(site), "/v3/maintenance/status", {})

    def led_by(self, site):
        """The region whose member leads, as the one of `site` sees it; nothing if none does."""
        leader = self.status(site).get("leader")
        return next((name for name, number in self.ids.items() if number == leader), None)

    def lead_from(self, site):
        """Lets the member of that region lead; raises if it does not."""
        def it_leads():
            now = self.led_by(site)
            if now is not None and now != site:
                with contextlib.suppress(Trouble):  # it may not be up to date yet
                    _post(self.connection(now), "/v3/maintenance/transfer-leadership",
                          {"targetID": self.ids[site]})
            return all(self.led_by(name) == site for name in self.ids)

        self._magpie.wait(it_leads, f"etcd is led from {site}")


def _post(connection, path, body):
    connection.request("POST", path, json.dumps(body))
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != 200:
        raise Trouble(f"etcd: {path}: {answer.status} {text}")
    return json.loads(text)


class Elections:
    """Asks members again and again who leads them, until it is somebody else than `dead`."""

    def __init__(self, members, sites, dead):
        self.site = None  # whose member leads in the end
        self._members, self._sites, self._dead = members, sites, dead
        self._elected = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=[site], daemon=True)
                         for site in sites]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, site):
        connection = self._members.connection(site)
        while not self._over.is_set():
            try:
                leader = self._members.status(site, connection).get("leader", "0")
            except (Trouble, OSError, ValueError, http.client.HTTPException):
                connection.close()
                leader = "0"
            if leader not in ("0", self._dead):
                self._elected.append((milliseconds(), leader))
                break
            time.sleep(_LOOK_SECONDS)
        connection.close()

    def wait(self):
        """Until each of them knows who leads."""
        for thread in self._threads:
            thread.join(moves.PATIENCE)
        if len(self._elected) < len(self._sites):
            raise Trouble("etcd has no leader")
        last = max(self._elected)[1]
        self.site = next(site for site, number in self._members.ids.items() if number == last)

    def first(self):
        """When the first of them knew."""
        return min(self._elected)[0]
