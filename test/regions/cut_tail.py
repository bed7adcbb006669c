"""A leader dies with records that nobody else has, and comes back with them: what becomes of them.

The group `tracking` acknowledges what only its leader has. Its paths are cut, records are
acknowledged, and it dies. Then everything is known to the record: which are gone after the
failover, which are in the tail that the region keeps when it is back, which are there again after a
replay. The certificate of the failover is checked against copies of the log that survived: whole
ones, and ones with damage.
"""

import json
import shutil

from dev_cluster import Trouble, processes
from load_client import LoadClient
from story import GROUP, REGIONS, in_sync, leads, more

BULK, TOPIC, PARTITIONS = "tracking", "clicks", 2
# More than that are acknowledged by the leader alone.
ALONE = 400
DAMAGED = 4  # exit code of `magpie verify-certificate`


def acknowledged(producer):
    """{(partition, number)}"""
    return {event[1:3] for event in producer.events("acked")}


def stored(cluster):
    """(partition, number) of every record that can be read; one that is there twice, twice."""
    reader = LoadClient(cluster.load, cluster.folder, "read", cluster.bootstrap(), TOPIC,
                        "--partitions", str(PARTITIONS))
    trouble = reader.finish()
    if trouble:
        raise Trouble(f"reading {TOPIC}: {trouble}")
    return [event[1:3] for event in reader.events("read")]


def ends(cluster, region):
    """Where the copies in a region end."""
    topic = cluster.ask(region, "topic", "describe", TOPIC)
    return {one["partition"]: one["log_end"] for one in topic["partitions"]}


def salvage(cluster, *arguments):
    """A command of `magpie salvage` on the data of bj."""
    return processes.run([cluster.binary, "salvage", *arguments, "--data",
                          cluster.data / "bj" / "data"], 30)


def told(cluster, *arguments):
    """What it answered."""
    done = salvage(cluster, *arguments, "-o", "json")
    if not done.ok:
        raise Trouble(f"magpie salvage {' '.join(arguments)}: {done.tail()}")
    return json.loads(done.output)


def refused(done, code, says, what):
    if done.code != code or says not in done.output:
        raise Trouble(f"{what}: exit code {done.code}, not {code} with '{says}': {done.output}")


def lose_the_leader(cluster, producer):
    """bj dies with records that it alone has and has acknowledged. Returns them."""
    copied = {}
    cluster.wait(lambda: copied.update(sh=ends(cluster, "sh")) or min(copied["sh"].values()) > 0,
                 "sh has a copy")
    for region in ("sh", "gz"):
        cluster.tell(f"cut bj {region}")
    more(producer, ALONE, f"the producer of {TOPIC} with bj alone")
    trouble = producer.finish()
    if trouble:
        raise Trouble(f"the producer of {TOPIC}: {trouble}")
    end = ends(cluster, "sh")
    cluster.tell("kill bj")
    cluster.wait_for_state("bj", "ended")
    for region in ("sh", "gz"):
        cluster.tell(f"heal bj {region}")
    if ends(cluster, "sh") != end:
        raise Trouble(f"sh got records over a path that is cut: {end}, {ends(cluster, 'sh')}")
    gone = {(partition, number) for _, partition, number, offset in producer.events("acked")
            if offset >= end[partition]}
    if len(gone) < ALONE:
        raise Trouble(f"bj had only {len(gone)} records alone")
    return gone


def fail_over_with_loss(cluster, gone):
    """sh leads, and states a loss that is true. Returns the operation."""
    done = cluster.run("sh", "failover", BULK, "--to", "sh")
    if done.ok or "--allow-loss" not in done.output:
        raise Trouble(f"a failover with loss that nobody allowed: {done.output}")
    operation = cluster.ask("sh", "failover", BULK, "--to", "sh", "--allow-loss", seconds=60)
    loss = operation["groups"][0]["loss"]
    if loss["statement"] != "unknown" or \
            not loss["records_min"] <= len(gone) <= loss["records_max"]:
        raise Trouble(f"{len(gone)} records are lost, stated is {loss}")
    cluster.magpie("sh", "failover", "--from", "bj", seconds=60)
    return operation


def tails_are_replayed(cluster, gone, everything, old):
    """What only the lost leader had is in its tails, and then in the log again, once."""
    tails = told(cluster, "list")["tails"]
    tails = [tail for tail in tails if tail["topic"] == TOPIC]
    if sum(tail["records"] for tail in tails) != len(gone):
        raise Trouble(f"{len(gone)} records are lost, in tails are {tails}")
    kafka = ("--kafka", cluster.node("sh")["kafka"])
    for tail in tails:
        for log, absent, present in (((), tail["records"], 0),
                                     (("--survivor", old), 0, tail["records"])):
            fate = told(cluster, "show", tail["name"], *log)
            if (fate["absent"], fate["present"], fate["unidentifiable"]) != (absent, present, 0):
                raise Trouble(f"a tail, {present} of its records are in the log {log}: {fate}")
        refused(salvage(cluster, "replay", tail["name"], *kafka), 1,
                f"would send {tail['records']} records", "a replay that was not confirmed")
        sent = told(cluster, "replay", tail["name"], *kafka, "--yes")
        if sent != {"records": tail["records"], "before": 0, "left": 0}:
            raise Trouble(f"the replay of {tail}: {sent}")
        again = told(cluster, "replay", tail["name"], *kafka, "--yes")
        if again != {"records": 0, "before": tail["records"], "left": 0}:
            raise Trouble(f"the second replay of {tail}: {again}")
    found = stored(cluster)
    if sorted(found) != sorted(everything):
        raise Trouble(f"after the replay there are {len(found)} records, {len(set(found))} "
                      f"different ones, of {len(everything)}")
    return tails


def consumed(cluster, everything):
    """A consumer group that is new finds all of them."""
    consumer = LoadClient(cluster.load, cluster.folder, "consume", cluster.bootstrap(), TOPIC,
                          "--group", "late-readers")
    try:
        cluster.wait(lambda: {event[1:3] for event in consumer.events("read")} == everything,
                     "a consumer group reads what was replayed", 60)
        trouble = consumer.finish()
    finally:
        consumer.kill()
    if trouble:
        raise Trouble(f"the consumer of {TOPIC}: {trouble}")


def flip_a_bit(log):
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)


def cut_short(log):
    log.write_bytes(log.read_bytes()[:-1])


def cut_short_without_checkpoint(log):
    """Nothing but the records says how far it reached."""
    cut_short(log)
    (log.parent / "magpie.checkpoint").unlink(missing_ok=True)


def certificate_is_checked(cluster, operation, survivors):
    """It is good for what survived, and for nothing less, and for no other text."""
    file = cluster.folder / "certificates.json"
    file.write_text(cluster.magpie("sh", "operation", "certificates", str(operation["id"])))
    key = cluster.data / "certificates" / "signing.key.pub"

    def verify(path, data):
        return processes.run([cluster.binary, "verify-certificate", path, "--key", key, "--data",
                              data], 30)

    done = verify(file, survivors)
    if not done.ok or done.output.count("ok ") != 1 + PARTITIONS or "BAD" in done.output:
        raise Trouble(f"the certificate of the failover, and what survived: {done.output}")
    for harm, says in ((flip_a_bit, "checksum"), (cut_short, "were stored durably"),
                       (cut_short_without_checkpoint, "was complete up to")):
        damaged = cluster.folder / harm.__name__
        shutil.copytree(survivors, damaged)
        harm(next((damaged / "topics" / f"{TOPIC}-0").glob("*.log")))
        refused(verify(file, damaged), DAMAGED, says, f"a certificate and a log: {harm.__name__}")
    forged = cluster.folder / "forged.json"
    forged.write_text(file.read_text().replace('"unknown"', '"zero-proven"'))
    refused(verify(forged, survivors), DAMAGED, "not that of this key and text",
            "a certificate that was altered")


def tails_are_discarded(cluster, tails):
    for tail in tails:
        refused(salvage(cluster, "discard", tail["name"]), 1, "would be gone",
                "a discard that was not confirmed")
        if tail not in told(cluster, "list")["tails"]:
            raise Trouble(f"{tail['name']} is gone, and nobody confirmed that")
        done = salvage(cluster, "discard", tail["name"], "--yes")
        if not done.ok or tail["name"] in str(told(cluster, "list")):
            raise Trouble(f"{tail['name']} is still there: {done.output}")
        refused(salvage(cluster, "show", tail["name"]), 1, "not_found", "a tail that is gone")


def copy_of(cluster, region, name):
    """A data directory with the logs of TOPIC as they are now."""
    folder = cluster.folder / name
    for partition in range(PARTITIONS):
        log = f"topics/{TOPIC}-{partition}"
        shutil.copytree(cluster.data / region / "data" / log, folder / log)
    return folder


def tail_is_cut(cluster, producer, consumer):
    cluster.magpie("bj", "failover-group", "create", BULK, "--preset", "bulk", "--regions",
                   ",".join(REGIONS))
    cluster.magpie("bj", "topic", "create", TOPIC, "--partitions", str(PARTITIONS), "--config",
                   f"magpie.failover.group={BULK}")
    cluster.wait(lambda: leads(cluster, "bj", "bj", BULK), f"{BULK} is led in bj")
    clicks = LoadClient(cluster.load, cluster.folder, "produce", cluster.bootstrap(), TOPIC,
                        "--partitions", str(PARTITIONS), "--rate", "500")
    try:
        more(clicks, 500, f"the producer of {TOPIC}")
        gone = lose_the_leader(cluster, clicks)
        everything = acknowledged(clicks)
    finally:
        clicks.kill()
    operation = fail_over_with_loss(cluster, gone)
    left = stored(cluster)
    if sorted(left) != sorted(everything - gone):
        raise Trouble(f"{len(left)} records are left of {len(everything)}, {len(gone)} are lost")
    survivors, old = copy_of(cluster, "sh", "survivors"), copy_of(cluster, "bj", "old")
    cluster.tell("start bj")
    cluster.wait_for_state("bj", "ready")
    cluster.wait(lambda: ends(cluster, "bj") == ends(cluster, "sh"), "bj holds what sh does")
    cluster.wait(lambda: in_sync(cluster, "sh"), f"{GROUP} is in sync again")
    tails = tails_are_replayed(cluster, gone, everything, old)
    consumed(cluster, everything)
    certificate_is_checked(cluster, operation, survivors)
    tails_are_discarded(cluster, tails)
    more(producer, 500, "the producer at the end")
    more(consumer, 500, "the consumer at the end")
