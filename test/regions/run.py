#!/usr/bin/env python3
"""Real processes: a cluster of several regions loses something under load, and no record.

    test/regions/run.py [BUILD]             everything
    test/regions/run.py [BUILD] -k etcd     stories whose name contains a word
    test/regions/run.py [BUILD] --long      also those that take minutes

Each story has a cluster of three regions by `magpie dev` (one has two and a witness), a critical
group, one producer and one consumer group on librdkafka, which are never restarted. Afterwards
everything that was acknowledged is looked for. The first two are also told with an etcd of three
sites.

- A region dies: the leading one is killed with -9 (and its member of etcd with it), `magpie
  failover` gives the group another leader, the dead region comes back and `magpie switchover` gives
  it the group again. In the end a majority of etcd dies, and the clients go on.
- The control store is lost: it comes back from a backup that is older than much of what the cluster
  knows, twice, and `magpie store adopt` makes it whole; the second time without a node.
- A region is removed while it runs, and readmitted: what leads, or is needed, is not let go; in the
  end the region that was away leads, with what it held and what it missed.
- A tail is cut: a leader dies with acknowledged records that nobody else has. They are kept when it
  is back, replayed, readable, and discarded; the certificate is checked against the logs.
- Moves are foreseen: what a dry run says is so, and it changes nothing.
- A committed position stays: members go on exactly there after a switchover and a failover.
- A witness votes: it holds nothing, leads nothing, and is needed.
- Writes are blocked: of a critical group every other region is lost, and comes back. Clients whose
  delivery timeout is longer lose nothing and are told nothing; one that waits less is told of each
  record that it gave up. The long forms last nearly as long as Java's default of two minutes, and
  longer than that, with Java's client.
"""

import argparse
import shutil
import sys
import time
import tempfile
from pathlib import Path

import blocked_writes
import committed_position
import cut_tail
import dry_run
import lost_region
import lost_store
import removed_region
import witness
from dev_cluster import TOP, DevCluster, Trouble, toolchain
from ledger import account_of
from load_client import LoadClient
from story import GROUP, PARTITIONS, TOPIC, Story, in_sync

ETCD = lost_region.ETCD
STORIES = (
    Story("a_region_dies_under_load", lost_region.region_dies),
    Story("a_region_dies_with_its_member_of_etcd", lost_region.member_dies_too, ETCD,
          needs=("etcd",)),
    Story("the_store_is_lost", lost_store.store_is_lost(lost_store.OwnStore)),
    Story("the_etcd_is_lost", lost_store.store_is_lost(lost_store.Etcd), ETCD,
          needs=("etcd", "etcdctl")),
    Story("a_region_is_removed", removed_region.region_is_removed, ("--lease", "2s")),
    Story("a_tail_is_cut_and_replayed", cut_tail.tail_is_cut, ("--lease", "2s")),
    Story("moves_are_foreseen", dry_run.is_foreseen, ("--lease", "2s")),
    Story("a_committed_position_stays", committed_position.position_stays),
    Story("a_witness_votes", witness.witness_votes, witness.OPTIONS, regions=witness.REGIONS),
    Story("writes_are_blocked",
          blocked_writes.writes_are_blocked(0, blocked_writes.hasty_librdkafka)),
)
LONG_STORIES = (
    Story("writes_are_blocked_for_long",
          blocked_writes.writes_are_blocked(100, blocked_writes.hasty_librdkafka)),
    Story("writes_are_blocked_until_java_gives_up",
          blocked_writes.writes_are_blocked(125, blocked_writes.default_java),
          prepare=toolchain.java_load, delivery_seconds=240),
)


def begin(cluster, regions):
    """The group, its topic; everyone in sync."""
    cluster.start()
    home = regions[0]
    # One region that is left has no copies, so it has to be said what then, and how soon.
    then = () if len(regions) > 2 else ("--after-failover", "degrade", "--ack-timeout", "2s")
    cluster.magpie(home, "failover-group", "create", GROUP, "--preset", "critical",
                   "--regions", ",".join(regions), *then)
    cluster.magpie(home, "topic", "create", TOPIC, "--partitions", PARTITIONS,
                   "--config", f"magpie.failover.group={GROUP}")
    for name in (GROUP, "system"):
        cluster.wait(lambda name=name: in_sync(cluster, home, name), f"{name} is in sync")


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


def run(build, folder, story):
    load = build / "test" / "load" / "magpie-load"
    cluster = DevCluster(build / "magpie", folder, "--regions", ",".join(story.regions), "--wan",
                         "rtt=10ms", *story.options)
    cluster.load, cluster.regions = load, story.regions
    clients = []
    try:
        begin(cluster, story.regions)
        clients.append(LoadClient(load, folder, "produce", cluster.bootstrap(), TOPIC,
                                  "--partitions", PARTITIONS, "--rate", "1000",
                                  "--set", f"message.timeout.ms={story.delivery_seconds * 1000}"))
        clients.append(LoadClient(load, folder, "consume", cluster.bootstrap(), TOPIC,
                                  "--group", "regions-test"))
        story.tell(cluster, *clients)
        return judge(build, folder, cluster, *clients)
    except Trouble as trouble:
        return [str(trouble)]
    finally:
        for client in clients:
            client.kill()
        cluster.end()


def missing(story):
    """Why a story cannot be told; empty if it can."""
    absent = [name for name in story.needs if not shutil.which(name)]
    if absent:
        return f"not installed: {', '.join(absent)}"
    try:
        story.prepare()
    except toolchain.Unavailable as reason:
        return str(reason)
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", default=str(TOP / "build" / "debug"))
    parser.add_argument("-k", default="", metavar="WORD", dest="word")
    parser.add_argument("--long", action="store_true", help="also stories that take minutes")
    options = parser.parse_args()
    build = Path(options.build)
    passed = failed = skipped = 0
    for story in STORIES + (LONG_STORIES if options.long else ()):
        if options.word not in story.name:
            continue
        reason = missing(story)
        if reason:
            print(f"SKIPPED {story.name}: {reason}")
            skipped += 1
            continue
        begin_at = time.monotonic()
        folder = Path(tempfile.mkdtemp(prefix="magpie-regions-"))
        problems = run(build, folder, story)
        for problem in problems:
            print(f"FAILED {story.name}: {problem}")
        if problems:
            failed += 1
            print(f"       its files are kept in {folder}")
        else:
            passed += 1
            print(f"ok     {story.name} ({time.monotonic() - begin_at:.0f} s)", flush=True)
            shutil.rmtree(folder)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
