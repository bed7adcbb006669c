"""Losing the control store of a running `magpie dev` and restoring it from a backup."""

import json
import shutil
import sqlite3
from pathlib import Path

from dev_cluster import Trouble, processes

CLUSTER = "dev"


class OwnStore:
    """`magpie store`."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.data = cluster.data / "store" / "data"

    def folders(self):
        return [self.data]

    def back_up(self, path):
        source, backup = sqlite3.connect(self.data / "store.db"), sqlite3.connect(path)
        with backup:
            source.backup(backup)
        source.close()
        backup.close()

    def restore(self, path):
        done = processes.run([self.cluster.binary, "store", "restore", path, "--data", self.data,
                              "--cluster", CLUSTER], 30)
        if not done.ok:
            raise Trouble(f"magpie store restore: {done.tail()}")


class Etcd:
    """A real etcd, of as many members as `magpie dev` gives it."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.peers = {}  # URL by member
        self.restored = 0

    def folders(self):
        return [self.cluster.data / name / "data" for name in self.peers]

    def run(self, *arguments):
        done = processes.run(["env", "ETCDCTL_API=3", "etcdctl", *arguments], 30)
        if not done.ok:
            raise Trouble(f"etcdctl {' '.join(map(str, arguments))}: {done.tail()}")
        return done.output

    def back_up(self, path):
        endpoint = endpoints(self.cluster)[0]
        members = json.loads(self.run("--endpoints", endpoint, "-w", "json", "member", "list"))
        self.peers = {one["name"]: one["peerURLs"][0] for one in members["members"]}
        self.run("--endpoints", endpoint, "snapshot", "save", path)

    def restore(self, path):
        self.restored += 1
        everyone = ",".join(f"{name}={url}" for name, url in self.peers.items())
        for name, url in self.peers.items():
            self.run("snapshot", "restore", path, "--name", name, "--data-dir",
                     self.cluster.data / name / "data", "--initial-cluster", everyone,
                     "--initial-advertise-peer-urls", url, "--initial-cluster-token",
                     f"restored-{self.restored}")


def endpoints(cluster):
    return [member["endpoint"] for member in cluster.about()["store"]["members"]]


def lose_and_restore(cluster, store, backup):
    """The store dies with all that it had, and another one comes back from the backup."""
    cluster.tell("kill store")
    cluster.wait(lambda: all(member["state"] == "ended"
                             for member in cluster.about()["store"]["members"]),
                 "the store is dead")
    for folder in store.folders():
        lost = Path(f"{folder}.lost")
        shutil.rmtree(lost, ignore_errors=True)
        folder.rename(lost)
    store.restore(backup)
    cluster.tell("start store")


def store_status(cluster, region):
    """How a node stands with the store."""
    return cluster.ask(region, "store", "status")


def wait_until_frozen(cluster, regions):
    for region in regions:
        cluster.wait(lambda region=region: store_status(cluster, region)["found"] is not None,
                     f"{region} is frozen and has found the restored store")


def adopt(cluster, regions, *arguments):
    """The command, asking the nodes of these regions."""
    nodes = ",".join(cluster.node(region)["admin"] for region in regions)
    return processes.run([cluster.binary, "store", "adopt", "--store",
                          ",".join(endpoints(cluster)), "--node", nodes, *arguments], 60)


def adopted(cluster, regions, *arguments):
    """What it did, as JSON."""
    done = adopt(cluster, regions, "-o", "json", *arguments)
    if not done.ok:
        raise Trouble(f"magpie store adopt: {done.tail()}")
    return json.loads(done.output)


def wait_until_used(cluster, regions):
    for region in regions:
        cluster.wait(lambda region=region: store_status(cluster, region)["state"] == "current",
                     f"{region} uses the restored store")
