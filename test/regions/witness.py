"""Two regions and a witness: a process that holds no record, leads nothing, and has a vote.

Of the two other sites of a leader both are needed, so the witness decides twice: whether a group
gets another leader with loss, and whether a leader goes on without the control store.
"""

import time

from dev_cluster import Trouble
from story import GROUP, TOPIC, in_sync, leads, listed, more, refused

REGIONS, WITNESS = ("bj", "sh"), "wt"
LEASE_SECONDS = 2
OPTIONS = ("--witness", WITNESS, "--lease", f"{LEASE_SECONDS}s")
BULK = "tracking"


def logs(cluster, region):
    """Files with records in the data directory of a node."""
    return sorted((cluster.data / region / "data").rglob("*.log"))


def holds_nothing(cluster):
    about = listed(cluster, WITNESS)
    if about["role"] != "witness" or not about["alive"] or about["leads"]:
        raise Trouble(f"the witness is listed as {about}")
    if not all(any(f"{TOPIC}-" in str(path) for path in logs(cluster, region))
               for region in REGIONS):
        raise Trouble(f"the regions have no logs: {logs(cluster, 'sh')}")
    if logs(cluster, WITNESS):
        raise Trouble(f"the witness holds {logs(cluster, WITNESS)}")


def leads_nothing(cluster):
    """It is refused wherever a region that holds records is wanted, and the reason is said."""
    no_node = f"region '{WITNESS}' has no node that can lead it; the group's regions are bj, sh"
    for move in (("switchover", GROUP), ("failover", GROUP), ("failover", BULK, "--allow-loss")):
        refused(cluster, "bj", *move, "--to", WITNESS, says=no_node)
        text = cluster.magpie("bj", *move, "--to", WITNESS, "--dry-run")
        if f"impossible: failover group '{move[1]}': {no_node}" not in text:
            raise Trouble(f"a dry run of {' '.join(move)} to the witness: {text}")
    no_records = f"region '{WITNESS}' is a witness and holds no records"
    refused(cluster, "bj", "failover-group", "create", "more", "--preset", "bulk", "--regions",
            f"bj,{WITNESS}", says=no_records)
    refused(cluster, "bj", "failover-group", "alter", BULK, "--regions", f"bj,{WITNESS}",
            says=no_records)


def has_a_vote(cluster):
    """Without it a failover that loses nothing is done, and one with loss waits for it."""
    # Not killed: one that has just been started has forgotten to whom it promised time, and
    # accepts nothing before the longest promise has run out.
    cluster.tell(f"pause {WITNESS}")
    cluster.tell("kill bj")
    cluster.wait_for_state("bj", "ended")
    done = cluster.ask("sh", "failover", GROUP, "--from", "bj", seconds=60)
    if done["groups"][0]["loss"]["statement"] != "zero-proven":
        raise Trouble(f"the failover of {GROUP}: {done}")
    number = str(cluster.ask("sh", "failover", BULK, "--from", "bj", "--allow-loss",
                             "--no-wait")["id"])

    def operation():
        return cluster.ask("sh", "operation", "show", number)["groups"][0]

    def waits_for_the_witness_alone():
        reason = operation()["waiting_for"] or ""
        return f"accept the new epoch: {WITNESS}" in reason and "sh" not in reason and \
            "lease" not in reason

    cluster.wait(waits_for_the_witness_alone, "it waits for the witness")
    if operation()["step"] != "fencing" or leads(cluster, "sh", "sh", BULK):
        raise Trouble(f"a failover with loss without the witness: {operation()}")
    cluster.tell(f"resume {WITNESS}")
    cluster.magpie("sh", "operation", "wait", number, seconds=60)
    if not leads(cluster, "sh", "sh", BULK):
        raise Trouble(f"the witness voted, and sh does not lead: {operation()}")
    cluster.tell("start bj")
    cluster.wait_for_state("bj", "ready")
    cluster.wait(lambda: in_sync(cluster, "sh"), f"{GROUP} is in sync again")


def times(cluster, event):
    """How often the leader has logged this of GROUP."""
    return sum(event in line and f"'{GROUP}'" in line for line in cluster.log_of("sh").splitlines())


def promises(cluster, producer):
    """Without the control store the leader goes on for as long as the witness is there."""
    cluster.tell("kill store")
    end = time.monotonic() + LEASE_SECONDS + 2
    while time.monotonic() < end:
        more(producer, 200, "the producer without the control store")
    lost, held = times(cluster, "lease_lost"), times(cluster, "lease_held")
    cluster.tell(f"pause {WITNESS}")
    cluster.wait(lambda: times(cluster, "lease_lost") > lost, "the leader stops")
    before = producer.count()
    if times(cluster, "lease_held") != held:
        raise Trouble("the leader goes on without the store and without the witness")
    cluster.tell(f"resume {WITNESS}")
    cluster.wait(lambda: times(cluster, "lease_held") > held, "the leader goes on")
    cluster.wait(lambda: producer.count() >= before + 500, "the producer goes on")
    cluster.tell("start store")
    cluster.wait(lambda: in_sync(cluster, "bj"), f"{GROUP} is in sync")


def witness_votes(cluster, producer, consumer):
    cluster.magpie("bj", "failover-group", "create", BULK, "--preset", "bulk", "--regions",
                   ",".join(REGIONS))
    cluster.magpie("bj", "topic", "create", "clicks", "--config", f"magpie.failover.group={BULK}")
    cluster.wait(lambda: leads(cluster, "bj", "bj", BULK), f"{BULK} is led in bj")
    more(producer, 500, "the producer")
    holds_nothing(cluster)
    leads_nothing(cluster)
    has_a_vote(cluster)
    more(producer, 500, "the producer after the failover")
    more(consumer, 500, "the consumer after the failover")
    promises(cluster, producer)
    holds_nothing(cluster)
    more(producer, 500, "the producer at the end")
    more(consumer, 500, "the consumer at the end")
