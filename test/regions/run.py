#!/usr/bin/env python3
"""Real processes: a region that leads dies under load, another one takes over, nothing is missing.

One cluster of three regions by `magpie dev`, a critical group, one producer and one consumer group
on librdkafka. The leading region is killed with -9, `magpie failover` gives the group another
leader, the dead region comes back and `magpie switchover` gives it the group again. The clients are
never restarted. Afterwards everything that was acknowledged is looked for.

Twice: with `magpie store`, and with an etcd of three sites, whose member in the region dies with
it. There, in the end, a majority of the members dies, and the clients go on.
"""

import shutil
import sys
import time
import tempfile
from pathlib import Path

from dev_cluster import TOP, DevCluster, Trouble
from ledger import account_of
from load_client import LoadClient

LEASE_SECONDS = 4
GROUP, TOPIC, PARTITIONS = "payments", "orders", "3"
REGIONS = ("bj", "sh", "gz")


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


def begin(cluster):
    """The group, its topic; everyone in sync."""
    cluster.start()
    cluster.magpie("bj", "failover-group", "create", GROUP, "--preset", "critical",
                   "--regions", ",".join(REGIONS))
    cluster.magpie("bj", "topic", "create", TOPIC, "--partitions", PARTITIONS,
                   "--config", f"magpie.failover.group={GROUP}")
    for name in (GROUP, "system"):
        cluster.wait(lambda name=name: in_sync(cluster, "bj", name), f"{name} is in sync")


def story(cluster, producer, consumer):
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


def judge(build, folder, cluster, producer, consumer):
    """The claims that do not hold."""
    troubles = [producer.finish()]
    reader = LoadClient(build / "test" / "load" / "magpie-load", folder, "read",
                        cluster.bootstrap(), TOPIC, "--partitions", PARTITIONS)
    troubles.append(reader.finish())
    stored = len({event[1:3] for event in reader.events("read")})
    cluster.wait(lambda: len({event[1:3] for event in consumer.events("read")}) >= stored,
                 "the consumer reads to the end")
    troubles.append(consumer.finish())
    account = account_of(producer, reader, consumer)
    print(f"       {account.acknowledged} acknowledged, {account.stored} stored, "
          f"{account.seen_twice} consumed again")
    claims = (("nothing acknowledged is missing", len(account.lost)),
              ("nothing acknowledged is elsewhere", len(account.moved)),
              ("nothing is stored twice", account.repeated),
              ("the order is kept", account.unordered),
              ("the producer was told of no failure", account.failed),
              ("the consumer group saw everything", account.unseen))
    return [trouble for trouble in troubles if trouble] + \
        [f"{text}: {count}" for text, count in claims if count]


def run(build, folder, *arguments):
    load = build / "test" / "load" / "magpie-load"
    cluster = DevCluster(build / "magpie", folder, "--regions", ",".join(REGIONS), *arguments)
    clients = []
    try:
        begin(cluster)
        clients.append(LoadClient(load, folder, "produce", cluster.bootstrap(), TOPIC,
                                  "--partitions", PARTITIONS, "--rate", "1000"))
        clients.append(LoadClient(load, folder, "consume", cluster.bootstrap(), TOPIC,
                                  "--group", "regions-test"))
        story(cluster, *clients)
        if "etcd" in arguments:
            majority_lost(cluster, *clients)
        return judge(build, folder, cluster, *clients)
    except Trouble as trouble:
        return [str(trouble)]
    finally:
        for client in clients:
            client.kill()
        cluster.end()


STORIES = {"a_region_dies_under_load": (),
           "a_region_dies_with_its_member_of_etcd": ("--store", "etcd",
                                                     "--lease", f"{LEASE_SECONDS}s")}


def main():
    build = Path(sys.argv[1]) if len(sys.argv) > 1 else TOP / "build" / "debug"
    passed = failed = skipped = 0
    for name, arguments in STORIES.items():
        if "etcd" in arguments and not shutil.which("etcd"):
            print(f"SKIPPED {name}: etcd is not installed (Debian package etcd-server)")
            skipped += 1
            continue
        begin = time.monotonic()
        folder = Path(tempfile.mkdtemp(prefix="magpie-regions-"))
        problems = run(build, folder, "--wan", "rtt=10ms", *arguments)
        for problem in problems:
            print(f"FAILED {name}: {problem}")
        if problems:
            failed += 1
            print(f"       its files are kept in {folder}")
        else:
            passed += 1
            print(f"ok     {name} ({time.monotonic() - begin:.0f} s)", flush=True)
            shutil.rmtree(folder)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
