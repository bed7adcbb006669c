"""The leading region dies under load, comes back, and leads again."""

import time

from story import GROUP, in_sync, leads, more

LEASE_SECONDS = 4
ETCD = ("--store", "etcd", "--lease", f"{LEASE_SECONDS}s")


def region_dies(cluster, producer, consumer):
    """From the first record to the last one."""
    more(producer, 1000, "the producer")
    more(consumer, 1000, "the consumer")
    everything = " ".join(cluster.with_member("bj"))
    cluster.tell(f"kill {everything}")
    cluster.wait_for_state("bj", "ended")
    cluster.magpie("sh", "failover", "--from", "bj", seconds=60)
    cluster.wait(lambda: not leads(cluster, "sh", "bj"), "another region leads")
    more(producer, 1000, "the producer after the failover")
    more(consumer, 1000, "the consumer after the failover")
    cluster.tell(f"start {everything}")
    cluster.wait_for_state("bj", "ready")
    cluster.wait(lambda: in_sync(cluster, "sh"), "the group is in sync again")
    cluster.magpie("sh", "switchover", GROUP, "--to", "bj", "--override", "cooldown", seconds=60)
    cluster.wait(lambda: leads(cluster, "sh", "bj"), "bj leads again")
    more(producer, 1000, "the producer after the switchover home")
    more(consumer, 1000, "the consumer after the switchover home")


def majority_lost(cluster, producer, consumer):
    """Two of three members of etcd die, for longer than a lease lasts."""
    cluster.wait(lambda: in_sync(cluster, "sh"), "the group is in sync before etcd's end")
    cluster.tell("kill etcd.sh etcd.gz")
    end = time.monotonic() + LEASE_SECONDS + 2
    while time.monotonic() < end:
        more(producer, 200, "the producer without a majority of etcd")
        more(consumer, 200, "the consumer without a majority of etcd")
    cluster.tell("start etcd.sh etcd.gz")
    cluster.wait(lambda: cluster.member("etcd.sh")["state"] == "ready", "etcd is back")


def member_dies_too(cluster, producer, consumer):
    region_dies(cluster, producer, consumer)
    majority_lost(cluster, producer, consumer)
