"""Losing the control store of a running `magpie dev` and restoring it from a backup."""

import json
import shutil
import sqlite3
from pathlib import Path

from dev_cluster import Trouble, processes
from story import GROUP, REGIONS, in_sync, more

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


def store_is_lost(kind):
    def story(cluster, producer, consumer):
        store = kind(cluster)
        first, second = cluster.folder / "first.backup", cluster.folder / "second.backup"
        more(consumer, 1000, "the consumer")
        store.back_up(first)
        cluster.magpie("bj", "switchover", GROUP, "--to", "sh", seconds=60)
        cluster.magpie("bj", "topic", "create", "since-the-backup")
        more(producer, 1000, "the producer after the switchover")

        lose_and_restore(cluster, store, first)
        wait_until_frozen(cluster, REGIONS)
        more(producer, 2000, "the producer while nodes are frozen")
        refused = cluster.run("bj", "topic", "create", "not-now")
        if refused.ok or "magpie store adopt" not in refused.output:
            raise Trouble(f"a frozen node creates topics: {refused.output}")
        done = adopt(cluster, REGIONS[:2], "--yes")
        if done.ok or "nodes_missing" not in done.output:
            raise Trouble(f"adopted without a node: {done.output}")
        adopted(cluster, REGIONS, "--dry-run")
        plan = adopted(cluster, REGIONS, "--yes")
        if any(led["standing"] != "kept" for led in plan["groups"]):
            raise Trouble(f"a running leader was not kept: {plan['groups']}")
        wait_until_used(cluster, REGIONS)
        cluster.magpie("gz", "topic", "describe", "since-the-backup")
        cluster.magpie("gz", "topic", "create", "after-the-adoption")
        more(producer, 1000, "the producer after the adoption")
        cluster.wait(lambda: in_sync(cluster, "bj"), "the group is in sync")
        store.back_up(second)
        cluster.magpie("bj", "switchover", GROUP, "--to", "gz", "--override", "cooldown",
                       seconds=60)
        more(producer, 1000, "the producer after the second switchover")

        # Once more, and the region that leads is lost with it.
        cluster.tell("kill gz")
        cluster.wait_for_state("gz", "ended")
        lose_and_restore(cluster, store, second)
        left = [region for region in REGIONS if region != "gz"]
        wait_until_frozen(cluster, left)
        plan = adopted(cluster, left, "--without", str(cluster.node("gz")["id"]), "--yes")
        standing = {led["group"]: led["standing"] for led in plan["groups"]}
        if standing[GROUP] != "unknown":
            raise Trouble(f"the group of a lost leader: {plan['groups']}")
        wait_until_used(cluster, left)
        for name in [name for name, word in standing.items() if word == "unknown"]:
            cluster.magpie("bj", "failover", name, "--allow-loss", "--override", "cooldown",
                           seconds=90)
        more(producer, 1000, "the producer after the failover")
        cluster.tell("start gz")
        cluster.wait_for_state("gz", "ready")
        wait_until_used(cluster, REGIONS)
        cluster.wait(lambda: in_sync(cluster, "bj"), "the group is in sync again")
        more(consumer, 1000, "the consumer at the end")
    return story
