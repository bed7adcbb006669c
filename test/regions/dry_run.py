"""Dry runs against real nodes: what they foresee is what is there, and they change nothing.

A group that loses nothing and one that does are asked about, with their regions whole; then one
region is behind by a number of records that is known, which has to be the number that is foreseen,
also for the consumer group that has read them. Each safety rule refuses a dry run by its name, and
then the move itself.
"""

from dev_cluster import Trouble
from load_client import LoadClient
from story import GROUP, REGIONS, in_sync, leads, listed, more

BULK, TOPIC, READERS = "tracking", "clicks", "clicks-readers"
# A switchover to somebody who lacks more is refused.
LAG_MAX = 10_000


def led(cluster, via):
    """{group: (epoch, leader)}"""
    groups = cluster.ask(via, "failover-group", "list")["failover_groups"]
    return {one["name"]: (one["leadership"]["epoch"], one["leadership"]["leader"]["node"])
            for one in groups}


def standing(cluster, via):
    """What a dry run must leave as it is."""
    return led(cluster, via), cluster.ask(via, "operation", "list")["operations"]


def preview(cluster, via, *arguments):
    """What `magpie ARGUMENTS --dry-run` foresees, as text and as JSON."""
    before = standing(cluster, via)
    text = cluster.magpie(via, *arguments, "--dry-run")
    answer = cluster.ask(via, *arguments, "--dry-run")
    if standing(cluster, via) != before or "nothing was changed" not in text:
        raise Trouble(f"a dry run of {' '.join(arguments)} changed {before} to "
                      f"{standing(cluster, via)}: {text}")
    return text, answer


def foreseen(cluster, via, *arguments):
    """Of a move that nothing speaks against: {group: what is foreseen}."""
    _, answer = preview(cluster, via, *arguments)
    if answer["objections"]:
        raise Trouble(f"{' '.join(arguments)} is refused: {answer['objections']}")
    return {one["group"]: one for one in answer["groups"]}


def impossible(cluster, via, *arguments, says):
    """Refused, and no rule can be overridden to have it."""
    text, answer = preview(cluster, via, *arguments)
    found = [one for one in answer["objections"] if one["rule"] is None]
    if not any(says in one["message"] for one in found) or "impossible: " not in text:
        raise Trouble(f"{' '.join(arguments)} does not say '{says}': {text}")


def refused_by(cluster, via, rule, *arguments, says):
    """Refused by this rule alone; the move itself, too."""
    text, answer = preview(cluster, via, *arguments)
    found = [one["rule"] for one in answer["objections"]]
    if found != [rule] or says not in answer["objections"][0]["message"] or \
            f"refused by {rule}: " not in text:
        raise Trouble(f"{' '.join(arguments)} is not refused by {rule} with '{says}': {text}")
    aside, answer_aside = preview(cluster, via, *arguments, "--override", rule)
    if f"set aside is {rule}: " not in aside or "refused by" in aside or \
            [one["overridden"] for one in answer_aside["objections"]] != [True]:
        raise Trouble(f"{' '.join(arguments)} --override {rule} is foreseen as: {aside}")
    before = led(cluster, via)
    done = cluster.run(via, *arguments, seconds=60)
    if done.ok or (f"--override {rule}" not in done.output and
                   f"override the rule '{rule}'" not in done.output):
        raise Trouble(f"{' '.join(arguments)} itself is not refused by {rule}: {done.output}")
    if led(cluster, via) != before:
        raise Trouble(f"{' '.join(arguments)} was refused, and moved {before}")
    return answer


def end_of(cluster, region):
    """Where the copy of TOPIC in a region ends."""
    return cluster.ask(region, "topic", "describe", TOPIC)["partitions"][0]["log_end"]


def whole_regions(cluster, near):
    """What is foreseen while everything is there."""
    move = foreseen(cluster, near, "switchover", GROUP, "--to", near)[GROUP]
    room = move["capacity"]
    if (move["leader"]["region"], move["target"]) != ("bj", cluster.node(near)["id"]) or \
            (move["estimate"], move["records_max"], move["silent"]) != ("zero-proven", 0, []) or \
            move["consumer_groups"] != {"set_back": [], "omitted": 0}:
        raise Trouble(f"a switchover without loss: {move}")
    # The load's producer and consumer are connected to the leader.
    if not (room["disk_free_bytes"] > 0 and room["group_bytes"] > 0 and
            room["leader_group_bytes"] > 0 and room["leader_connections"] >= 2 and
            room["connections_max"] > room["connections"] >= 0):
        raise Trouble(f"the capacity of {near}: {room}")
    impossible(cluster, near, "failover", "--from", "bj", says="--allow-loss")
    lossy = foreseen(cluster, near, "failover", "--from", "bj", "--allow-loss")
    if lossy[GROUP]["estimate"] != "zero-proven" or lossy[BULK]["estimate"] != "unknown" or \
            not 0 <= lossy[BULK]["records_estimate"] <= lossy[BULK]["records_max"]:
        raise Trouble(f"what the loss of bj would cost: {lossy}")


def fall_behind(cluster, far):
    """A region gets no more of TOPIC, and READERS have read it all. How many records it lacks."""
    load, bootstrap = cluster.load, cluster.bootstrap()
    writer = LoadClient(load, cluster.folder, "produce", bootstrap, TOPIC, "--rate", "5000")
    reader = LoadClient(load, cluster.folder, "consume", bootstrap, TOPIC, "--group", READERS)
    try:
        cluster.wait(lambda: end_of(cluster, far) > 0, f"{far} has a copy")
        cluster.tell(f"cut bj {far}")
        cluster.wait(lambda: end_of(cluster, "bj") > end_of(cluster, far) + LAG_MAX,
                     f"{far} is behind")
        trouble = writer.finish()
        written = len(writer.events("acked"))
        cluster.wait(lambda: len(reader.events("read")) >= written, "everything is read")
        trouble = trouble or reader.finish()
    finally:
        writer.kill()
        reader.kill()
    if trouble:
        raise Trouble(f"the clients of {TOPIC}: {trouble}")
    return end_of(cluster, "bj") - end_of(cluster, far)


def region_behind(cluster, near, far):
    lacking = fall_behind(cluster, far)
    answer = refused_by(cluster, near, "lag", "switchover", BULK, "--to", far,
                        says=f"lacks {lacking} records")
    if answer["groups"][0]["target_lag"] != lacking:
        raise Trouble(f"{far} lacks {lacking} records: {answer}")
    lossy = foreseen(cluster, near, "failover", BULK, "--to", far, "--allow-loss")[BULK]
    back = [{"group": READERS, "positions": 1, "records": lacking}]
    if lossy["consumer_groups"]["set_back"] != back or lossy["records_min"] != lacking:
        raise Trouble(f"{lacking} records would be lost, and {READERS} have read them: {lossy}")
    impossible(cluster, near, "failover", GROUP, "--to", far,
               says="holds everything that was acknowledged")
    text, answer = preview(cluster, near, "failover", GROUP, "--to", far, "--allow-loss")
    if [one["rule"] for one in answer["objections"]] != ["not-in-sync"]:
        raise Trouble(f"{far} would lead {GROUP} and holds not all of it: {text}")
    cluster.tell(f"heal bj {far}")
    cluster.wait(lambda: end_of(cluster, "bj") == end_of(cluster, far), f"{far} has caught up")
    foreseen(cluster, near, "switchover", BULK, "--to", far)


def moving(cluster, near):
    """While an operation moves a group, and just after one has."""
    begun = cluster.ask(near, "switchover", GROUP, "--to", near, "--await-approval")["id"]
    refused_by(cluster, near, "operation-running", "switchover", GROUP, "--to", near,
               says=f"operation {begun} moves it")
    cluster.magpie(near, "operation", "abandon", str(begun))
    foreseen(cluster, near, "switchover", GROUP, "--to", near)
    moved = cluster.ask(near, "switchover", BULK, "--to", near, seconds=60)["id"]
    refused_by(cluster, near, "cooldown", "switchover", BULK, "--to", "bj",
               says=f"operation {moved} moved it less than 60 seconds ago")


def region_gone(cluster, near, far):
    cluster.tell(f"kill {far}")
    cluster.wait(lambda: not listed(cluster, far)["alive"], f"{far} holds no lease")
    refused_by(cluster, near, "last-healthy-region", "switchover", GROUP, "--to", far,
               says="the group would be led by nobody")
    cluster.tell(f"start {far}")
    cluster.wait_for_state(far, "ready")


def is_foreseen(cluster, producer, consumer):
    cluster.magpie("bj", "failover-group", "create", BULK, "--preset", "bulk", "--regions",
                   ",".join(REGIONS))
    cluster.magpie("bj", "topic", "create", TOPIC, "--config", f"magpie.failover.group={BULK}")
    cluster.wait(lambda: leads(cluster, "bj", "bj", BULK), f"{BULK} is led in bj")
    sync = cluster.ask("bj", "failover-group", "describe", GROUP)["leadership"]["sync"]
    near = sync[0]["region"]
    far = next(region for region in REGIONS if region not in ("bj", near))
    # Whoever leads `system` knows what consumer groups have committed.
    if not leads(cluster, "bj", near, "system"):
        cluster.magpie("bj", "switchover", "system", "--to", near, seconds=60)
    cluster.wait(lambda: in_sync(cluster, near, "system"), "system is in sync")
    more(producer, 500, "the producer")
    more(consumer, 500, "the consumer")
    whole_regions(cluster, near)
    region_behind(cluster, near, far)
    moving(cluster, near)
    region_gone(cluster, near, far)
    more(producer, 500, "the producer at the end")
    more(consumer, 500, "the consumer at the end")
