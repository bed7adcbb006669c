"""What stories of a cluster under load have in common."""

from dataclasses import dataclass
from typing import Callable

from dev_cluster import Trouble

GROUP, TOPIC, PARTITIONS = "payments", "orders", "3"
REGIONS = ("bj", "sh", "gz")


@dataclass(frozen=True)
class Story:
    """`tell` gets the cluster, and the producer and the consumer of TOPIC; both go on after it."""

    name: str
    tell: Callable
    options: tuple = ()  # of `magpie dev`
    regions: tuple = REGIONS
    needs: tuple = ()    # programs that have to be installed
    prepare: Callable = lambda: None  # raises toolchain.Unavailable if it cannot be told
    delivery_seconds: int = 120  # how long the producer waits for an acknowledgement


def group(cluster, via, name=GROUP):
    return cluster.ask(via, "failover-group", "describe", name)


def leads(cluster, via, region, name=GROUP):
    leadership = group(cluster, via, name)["leadership"]
    return leadership is not None and leadership["open"] and \
        leadership["leader"]["region"] == region


def in_sync(cluster, via, name=GROUP):
    leadership = group(cluster, via, name)["leadership"]
    return leadership is not None and leadership["open"] and leadership["state"] == "sync"


def more(client, count, what):
    if client.wait_for_more(count) is None:
        raise Trouble(f"{what} did not go on: {client.errors_file.read_text()[-500:]}")


def refused(cluster, via, *arguments, says):
    done = cluster.run(via, *arguments)
    if done.ok or says not in done.output:
        raise Trouble(f"magpie {' '.join(arguments)} does not say '{says}': {done.output}")


def listed(cluster, region):
    regions = cluster.ask("bj", "region", "list")["regions"]
    return next(one for one in regions if one["name"] == region)
