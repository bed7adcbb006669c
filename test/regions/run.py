#!/usr/bin/env python3
"""Real processes: a region that leads dies under load, another one takes over, nothing is missing.

One cluster of three regions by `magpie dev`, a critical group, one producer and one consumer group
on librdkafka. The leading region is killed with -9, `magpie failover` gives the group another
leader, the dead region comes back and `magpie switchover` gives it the group again. The clients are
never restarted. Afterwards everything that was acknowledged is looked for.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from dev_cluster import TOP, DevCluster, Trouble
from ledger import account_of
from load_client import LoadClient

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
    cluster.tell("kill bj")
    cluster.wait_for_state("bj", "ended")
    cluster.magpie("sh", "failover", "--from", "bj", seconds=60)
    cluster.wait(lambda: not leads(cluster, "sh", "bj"), "another region leads")
    more(producer, 1000, "the producer after the failover")
    more(consumer, 1000, "the consumer after the failover")
    cluster.tell("start bj")
    cluster.wait_for_state("bj", "ready")
    cluster.wait(lambda: in_sync(cluster, "sh"), "the group is in sync again")
    cluster.magpie("sh", "switchover", GROUP, "--to", "bj", "--override", "cooldown", seconds=60)
    cluster.wait(lambda: leads(cluster, "sh", "bj"), "bj leads again")
    more(producer, 1000, "the producer after the switchover home")
    more(consumer, 1000, "the consumer after the switchover home")


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
        return judge(build, folder, cluster, *clients)
    except Trouble as trouble:
        return [str(trouble)]
    finally:
        for client in clients:
            client.kill()
        cluster.end()


def main():
    build = Path(sys.argv[1]) if len(sys.argv) > 1 else TOP / "build" / "debug"
    folder = Path(tempfile.mkdtemp(prefix="magpie-regions-"))
    problems = run(build, folder, "--wan", "rtt=10ms")
    for problem in problems:
        print(f"FAILED a_region_dies_under_load: {problem}")
    if problems:
        print(f"       its files are kept in {folder}")
    else:
        print("ok     a_region_dies_under_load")
        shutil.rmtree(folder)
    print(f"{int(not problems)} passed, {int(bool(problems))} failed, 0 skipped")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
