#!/usr/bin/env python3
"""Real processes: a cluster of three regions loses something under load, and no record.

    test/regions/run.py [BUILD]             everything
    test/regions/run.py [BUILD] -k etcd     stories whose name contains a word
    test/regions/run.py [BUILD] --long      also those that take minutes

Each story has a cluster of three regions by `magpie dev`, a critical group, one producer and one
consumer group on librdkafka, which are never restarted. Afterwards everything that was acknowledged
is looked for. Each is told with `magpie store` and with an etcd of three sites.

- A region dies: the leading one is killed with -9 (and its member of etcd with it), `magpie
  failover` gives the group another leader, the dead region comes back and `magpie switchover` gives
  it the group again. In the end a majority of etcd dies, and the clients go on.
- The control store is lost: it comes back from a backup that is older than much of what the cluster
  knows, twice, and `magpie store adopt` makes it whole; the second time without a node.
- A region is removed while it runs, and readmitted: what leads, or is needed, is not let go; in the
  end the region that was away leads, with what it held and what it missed.
- Writes are blocked: of a critical group every other region is lost, and comes back. Clients whose
  delivery timeout is longer lose nothing and are told nothing; one that waits less is told of each
  record that it gave up. The long form lasts nearly as long as Java's default of two minutes.
"""

import argparse
import shutil
import sys
import time
import tempfile
from pathlib import Path

import lost_store
from dev_cluster import TOP, DevCluster, Trouble
from ledger import account_of
from load_client import LoadClient

LEASE_SECONDS = 4
# What Java's client waits for an acknowledgement, by default.
DELIVERY_SECONDS = 120
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


def store_is_lost(kind):
    def story(cluster, producer, consumer):
        store = kind(cluster)
        first, second = cluster.folder / "first.backup", cluster.folder / "second.backup"
        more(consumer, 1000, "the consumer")
        store.back_up(first)
        cluster.magpie("bj", "switchover", GROUP, "--to", "sh", seconds=60)
        cluster.magpie("bj", "topic", "create", "since-the-backup")
        more(producer, 1000, "the producer after the switchover")

        lost_store.lose_and_restore(cluster, store, first)
        lost_store.wait_until_frozen(cluster, REGIONS)
        more(producer, 2000, "the producer while nodes are frozen")
        refused = cluster.run("bj", "topic", "create", "not-now")
        if refused.ok or "magpie store adopt" not in refused.output:
            raise Trouble(f"a frozen node creates topics: {refused.output}")
        done = lost_store.adopt(cluster, REGIONS[:2], "--yes")
        if done.ok or "nodes_missing" not in done.output:
            raise Trouble(f"adopted without a node: {done.output}")
        lost_store.adopted(cluster, REGIONS, "--dry-run")
        plan = lost_store.adopted(cluster, REGIONS, "--yes")
        if any(led["standing"] != "kept" for led in plan["groups"]):
            raise Trouble(f"a running leader was not kept: {plan['groups']}")
        lost_store.wait_until_used(cluster, REGIONS)
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
        lost_store.lose_and_restore(cluster, store, second)
        left = [region for region in REGIONS if region != "gz"]
        lost_store.wait_until_frozen(cluster, left)
        plan = lost_store.adopted(cluster, left, "--without", str(cluster.node("gz")["id"]),
                                  "--yes")
        standing = {led["group"]: led["standing"] for led in plan["groups"]}
        if standing[GROUP] != "unknown":
            raise Trouble(f"the group of a lost leader: {plan['groups']}")
        lost_store.wait_until_used(cluster, left)
        for name in [name for name, word in standing.items() if word == "unknown"]:
            cluster.magpie("bj", "failover", name, "--allow-loss", "--override", "cooldown",
                           seconds=90)
        more(producer, 1000, "the producer after the failover")
        cluster.tell("start gz")
        cluster.wait_for_state("gz", "ready")
        lost_store.wait_until_used(cluster, REGIONS)
        cluster.wait(lambda: in_sync(cluster, "bj"), "the group is in sync again")
        more(consumer, 1000, "the consumer at the end")
    return story


def refused(cluster, via, *arguments, says):
    done = cluster.run(via, *arguments)
    if done.ok or says not in done.output:
        raise Trouble(f"magpie {' '.join(arguments)} does not say '{says}': {done.output}")


def listed(cluster, region):
    regions = cluster.ask("bj", "region", "list")["regions"]
    return next(one for one in regions if one["name"] == region)


def region_is_removed(cluster, producer, consumer):
    more(producer, 500, "the producer")
    refused(cluster, "bj", "region", "remove", "xx", says="there is no region 'xx'")
    refused(cluster, "sh", "region", "remove", "bj", says="magpie switchover --all-from bj")
    # Which region the other groups begin in is a matter of who was there first.
    if listed(cluster, "gz")["leads"]:
        cluster.magpie("bj", "switchover", "--all-from", "gz", "--to", "bj", seconds=60)
    refused(cluster, "bj", "region", "remove", "gz", says="after_failover")
    cluster.magpie("bj", "failover-group", "alter", GROUP, "--after-failover", "degrade")
    # Of a cluster that has just begun nobody is let go: six leases have to pass.
    cluster.wait(lambda: cluster.run("bj", "region", "remove", "gz", "--dry-run").ok,
                 "regions may change")
    cluster.magpie("bj", "region", "remove", "gz")
    cluster.wait(lambda: "region_removed" in cluster.log_of("gz"), "gz knows that it is out")
    if listed(cluster, "gz")["state"] != "removed":
        raise Trouble(f"gz is not removed: {listed(cluster, 'gz')}")
    more(producer, 1000, "the producer without gz")
    more(consumer, 1000, "the consumer without gz")
    refused(cluster, "gz", "region", "readmit", "gz", says="at a node of another region")
    cluster.magpie("bj", "region", "readmit", "gz")
    cluster.wait(lambda: "region_readmitted" in cluster.log_of("gz"), "gz knows that it is in")
    cluster.magpie("bj", "failover-group", "alter", GROUP, "--regions", ",".join(REGIONS))
    cluster.magpie("bj", "switchover", GROUP, "--to", "gz", seconds=60)
    cluster.wait(lambda: leads(cluster, "bj", "gz"), "gz leads")
    more(producer, 1000, "the producer after gz took over")
    more(consumer, 1000, "the consumer after gz took over")


def writes_are_blocked(seconds):
    """For so long, and until a client that waits for ten seconds has given up."""
    def story(cluster, producer, consumer):
        cluster.magpie("bj", "topic", "create", "hasty", "--partitions", "1", "--config",
                       f"magpie.failover.group={GROUP}")
        hasty = LoadClient(cluster.load, cluster.folder, "produce", cluster.bootstrap(), "hasty",
                           "--rate", "100", "--set", "message.timeout.ms=10000")
        try:
            more(hasty, 100, "the hasty producer")
            more(producer, 1000, "the producer")
            cluster.tell("kill sh gz")
            cluster.wait(lambda: group(cluster, "bj")["leadership"]["blocked"] is not None,
                         "writes are blocked")
            begin = time.monotonic()
            cluster.wait(lambda: hasty.events_of_any("failed"), "the hasty producer gives up", 60)
            time.sleep(max(0, begin + seconds - time.monotonic()))
            before = len(producer.events("acked"))
            if group(cluster, "bj")["leadership"]["blocked"] is None:
                raise Trouble("writes were blocked no longer")
            cluster.tell("start sh gz")
            cluster.wait(lambda: in_sync(cluster, "bj"), "the group is in sync again")
            cluster.wait(lambda: len(producer.events("acked")) >= before + 1000,
                         "the producer goes on")
            more(hasty, 100, "the hasty producer, later")
            trouble = hasty.finish()
        finally:
            hasty.kill()
        reader = LoadClient(cluster.load, cluster.folder, "read", cluster.bootstrap(), "hasty")
        trouble = trouble or reader.finish()
        stored = {number for _, _, number, _ in reader.events("read")}
        lost = [number for _, _, number, _ in hasty.events("acked") if number not in stored]
        reasons = {line.split(" ", 4)[4] for line in hasty.events_of_any("failed")}
        if trouble or lost or reasons != {"_MSG_TIMED_OUT"}:
            raise Trouble(f"the hasty producer: {trouble} {len(lost)} lost, told {reasons}")
        more(consumer, 1000, "the consumer at the end")
    return story


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


def run(build, folder, story, *arguments):
    load = build / "test" / "load" / "magpie-load"
    cluster = DevCluster(build / "magpie", folder, "--regions", ",".join(REGIONS), *arguments)
    cluster.load = load
    clients = []
    try:
        begin(cluster)
        clients.append(LoadClient(load, folder, "produce", cluster.bootstrap(), TOPIC,
                                  "--partitions", PARTITIONS, "--rate", "1000",
                                  "--set", f"message.timeout.ms={DELIVERY_SECONDS * 1000}"))
        clients.append(LoadClient(load, folder, "consume", cluster.bootstrap(), TOPIC,
                                  "--group", "regions-test"))
        story(cluster, *clients)
        return judge(build, folder, cluster, *clients)
    except Trouble as trouble:
        return [str(trouble)]
    finally:
        for client in clients:
            client.kill()
        cluster.end()


ETCD = ("--store", "etcd", "--lease", f"{LEASE_SECONDS}s")
STORIES = (
    ("a_region_dies_under_load", region_dies, ()),
    ("a_region_dies_with_its_member_of_etcd", member_dies_too, ETCD),
    ("the_store_is_lost", store_is_lost(lost_store.OwnStore), ()),
    ("the_etcd_is_lost", store_is_lost(lost_store.Etcd), ETCD),
    ("a_region_is_removed", region_is_removed, ("--lease", "2s")),
    ("writes_are_blocked", writes_are_blocked(0), ()),
)
LONG_STORIES = (
    ("writes_are_blocked_for_long", writes_are_blocked(DELIVERY_SECONDS - 20), ()),
)


def missing(story, arguments):
    """Why a story cannot be told; empty if it can."""
    if "etcd" not in arguments:
        return ""
    wanted = ("etcd",) if story is member_dies_too else ("etcd", "etcdctl")
    absent = [name for name in wanted if not shutil.which(name)]
    return f"not installed: {', '.join(absent)}" if absent else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", default=str(TOP / "build" / "debug"))
    parser.add_argument("-k", default="", metavar="WORD", dest="word")
    parser.add_argument("--long", action="store_true", help="also stories that take minutes")
    options = parser.parse_args()
    build = Path(options.build)
    passed = failed = skipped = 0
    for name, story, arguments in STORIES + (LONG_STORIES if options.long else ()):
        if options.word not in name:
            continue
        if missing(story, arguments):
            print(f"SKIPPED {name}: {missing(story, arguments)}")
            skipped += 1
            continue
        begin = time.monotonic()
        folder = Path(tempfile.mkdtemp(prefix="magpie-regions-"))
        problems = run(build, folder, story, "--wan", "rtt=10ms", *arguments)
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
