"""A consumer group goes on exactly where it committed, whoever leads now.

The members of the group end, another client asks Kafka's own way what the group has committed, the
leaders of the records and of the positions move without loss, and the client asks again: the same,
to the offset. Members that begin then get that very offset first, and every one after it.
"""

from dev_cluster import Trouble
from load_client import LoadClient
from story import GROUP, PARTITIONS, TOPIC, in_sync, leads, more

READERS = "exact-readers"
RECORDS = 1000


def committed(cluster, name):
    """{partition: position}, by a client that is no member, and by the admin port."""
    folder = cluster.folder / name
    folder.mkdir()
    client = LoadClient(cluster.load, folder, "positions", cluster.bootstrap(), TOPIC,
                        "--partitions", PARTITIONS, "--group", READERS)
    trouble = client.finish()
    if trouble:
        raise Trouble(f"what {READERS} have committed: {trouble}")
    positions = {partition: position
                 for _, partition, _, position in client.events("committed")}
    holder = next(region for region in cluster.regions if leads(cluster, "sh", region, "system"))
    known = cluster.ask(holder, "group", "describe", READERS)["positions"]
    if positions != {one["partition"]: one["committed"] for one in known}:
        raise Trouble(f"a client is told {positions}, the admin port says {known}")
    return positions


def read_on(cluster, name):
    """What a member of the group got, until it ended in order: {partition: [(offset, number)]}."""
    folder = cluster.folder / name
    folder.mkdir()
    member = LoadClient(cluster.load, folder, "consume", cluster.bootstrap(), TOPIC, "--group",
                        READERS)
    try:
        more(member, RECORDS, f"{READERS}, {name}")
        trouble = member.finish()
    finally:
        member.kill()
    if trouble:
        raise Trouble(f"{READERS}, {name}: {trouble}")
    got = {partition: [] for partition in range(int(PARTITIONS))}
    for _, partition, number, offset in member.events("read"):
        got[partition].append((offset, number))
    return got


def check(positions, got, what):
    """`got` begins at the positions, without a gap or a repeat. Where it ends."""
    ends = {}
    for partition, begin in positions.items():
        records = got[partition]
        # The load writes record N of a partition at offset N, as long as nothing is lost.
        wanted = [(begin + at, begin + at) for at in range(len(records))]
        if not records or records != wanted:
            wrong = next((pair for pair in zip(records, wanted) if pair[0] != pair[1]), "nothing")
            raise Trouble(f"partition {partition} {what}, from {begin}: {wrong} (got, wanted)")
        ends[partition] = begin + len(records)
    return ends


def same(cluster, before, name):
    after = committed(cluster, name)
    if after != before:
        raise Trouble(f"{READERS} had committed {before}, and {after} {name}")


def moved(cluster, operation):
    statements = {one["group"]: one["loss"]["statement"] for one in operation["groups"]}
    if set(statements.values()) != {"zero-proven"} or not {GROUP, "system"} <= set(statements):
        raise Trouble(f"a move without loss: {statements}")


def position_stays(cluster, producer, consumer):
    if not leads(cluster, "bj", "bj", "system"):
        cluster.magpie("bj", "switchover", "system", "--to", "bj", seconds=60)
    cluster.wait(lambda: in_sync(cluster, "bj", "system"), "system is in sync")
    more(producer, RECORDS, "the producer")
    nothing = {partition: 0 for partition in range(int(PARTITIONS))}
    position = check(nothing, read_on(cluster, "at-first"), "at first")
    same(cluster, position, "before-the-switchover")
    moved(cluster, cluster.ask("bj", "switchover", GROUP, "system", "--to", "sh", "--override",
                               "cooldown", seconds=60))
    cluster.wait(lambda: leads(cluster, "bj", "sh", "system"), "sh has the positions")
    same(cluster, position, "after-the-switchover")
    position = check(position, read_on(cluster, "led-by-sh"), "after the switchover")

    # The same without asking the leader.
    for name in (GROUP, "system"):
        cluster.wait(lambda name=name: in_sync(cluster, "bj", name), f"{name} is in sync")
    same(cluster, position, "before-the-failover")
    cluster.tell("kill sh")
    cluster.wait_for_state("sh", "ended")
    moved(cluster, cluster.ask("bj", "failover", "--from", "sh", "--override", "cooldown",
                               seconds=60))
    cluster.tell("start sh")
    cluster.wait_for_state("sh", "ready")
    same(cluster, position, "after-the-failover")
    check(position, read_on(cluster, "after-sh-was-lost"), "after the failover")
    more(consumer, 500, "the consumer that ran all the time")
