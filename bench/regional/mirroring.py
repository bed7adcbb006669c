"""MirrorMaker 2 in the same measurements: a backlog, lag, and a source that is killed."""

import time

from regional import plan
from regional.lab import TROUBLES, keep_up_load, watch_growth
from regional.losses import figures_of, load_seconds
from regional.mirror_maker import Mirror
from regional.replication import backlog_options, check_follow, follow_options, growth_figures
from regional.shared import Trouble, account_of

_PARTITIONS = 8
_LOSS_PARTITIONS = 4
_PATIENCE = 60
_STILL_SECONDS = 4.0


def run(lab, fsync):
    """One round against a fresh pair of brokers; the source does not survive it.

    Where each batch waits for the disk MirrorMaker is so slow that a backlog is all that is looked
    at; its lag would be that of a queue that only grows.
    """
    if lab.clock.over():
        return
    case = {"fsync": fsync}
    try:
        with Mirror(lab.folder(f"mirror-{fsync}"), fsync) as mirror:
            _if_time(lab, "throughput", {"rtt_ms": plan.RTT_MS, **case}, _throughput, mirror)
            if fsync == "always":
                return
            for rtt in lab.plan.rtts:
                _if_time(lab, "lag", {"rtt_ms": rtt, **case}, _lag, mirror, rtt)
            _if_time(lab, "loss", case, _loss, mirror)
    except TROUBLES as cause:
        lab.failed("session", "mirror-maker", case, cause)


def _if_time(lab, kind, case, measure, *arguments):
    if not lab.clock.over():
        lab.attempt(kind, "mirror-maker", case, measure, *arguments)


def _throughput(lab, mirror):
    """What of the warm-up is not there in time still comes over the same link: it counts, too."""
    client = lab.driver(mirror.source.bootstrap)
    mirror.source.relay.set(plan.RTT_MS, lab.plan.fast_link)
    topics = []
    for topic, count in (("bench-warm-up", lab.plan.warmup_backlog),
                         ("bench-backlog", lab.plan.backlog)):
        topics.append(topic)
        mirror.create_topic(client, topic, _PARTITIONS)
        produced = client.run("produce", backlog_options(topic, count), 60)
        samples = watch_growth(lambda: sum(map(mirror.log_bytes, topics)), mirror.cpu_seconds,
                               lambda count: False, _STILL_SECONDS, lab.plan.backlog_seconds)
    found = growth_figures(samples, lab.plan.fast_link)
    # Time is up, or it is all there: then it must be all that was produced.
    found["whole"] = time.monotonic() - samples[-1][0] > _STILL_SECONDS
    if found["whole"]:
        arrived = lab.driver(mirror.target.bootstrap).run(
            "consume", ["--topic", topic, "--partitions", _PARTITIONS, "--message-bytes",
                        plan.MESSAGE], 60)
        if arrived["messages"] != produced["messages"]:
            raise Trouble(f"{arrived['messages']} of {produced['messages']} records arrived")
    return found


def _lag(lab, mirror, rtt):
    """End to end: the target's records keep no time of an append at the source."""
    topic, link = f"bench-lag-{rtt}", lab.plan.lag_link
    client = lab.driver(mirror.source.bootstrap)
    mirror.create_topic(client, topic, _PARTITIONS)
    mirror.source.relay.set(rtt, link)
    found = client.run("follow", [*follow_options(lab, topic, link), "--consumer-brokers",
                                  mirror.target.bootstrap],
                       lab.plan.lag_seconds + lab.plan.warmup_seconds)
    check_follow(found, link)
    lag = found["end_to_end_latency"]
    return {"end_to_end": lag, "p50_rtts": lag["p50_ms"] / rtt, "p99_rtts": lag["p99_ms"] / rtt,
            "megabytes_per_second": found["megabytes_per_second"], "link_bytes_per_second": link}


class _Both:
    """The consumer group before and after the kill, as one client."""

    def __init__(self, *clients):
        self._clients = clients

    def events(self, word):
        return [event for client in self._clients for event in client.events(word)]


def _loss(lab, mirror):
    topic, group, folder = "bench-loss", "bench-readers", mirror.source.data.parent
    client = lab.driver(mirror.source.bootstrap)
    mirror.source.relay.set(plan.RTT_MS, 0)
    mirror.create_topic(client, topic, _LOSS_PARTITIONS)
    clients = []

    def start(mode, broker, place, *arguments):
        place = folder / place
        place.mkdir(exist_ok=True)
        clients.append(lab.client(place, mode, broker.bootstrap, topic, *arguments))
        return clients[-1]

    try:
        # Its broker never comes back: do not wait long for what is still without an answer.
        producer = start("produce", mirror.source, "before", "--partitions", _LOSS_PARTITIONS,
                         "--rate", lab.plan.loss_rate, "--bytes", plan.MESSAGE, "--set",
                         "message.timeout.ms=2000")
        before = start("consume", mirror.source, "before", "--group", group)
        for one in (producer, before):
            if one.wait_for_more(500, _PATIENCE) is None:
                raise Trouble(f"no load: {one.errors_file.read_text()[-300:]}")
        keep_up_load([producer], lab.plan.loss_rate, load_seconds(lab))
        mirror.source.kill()
        producer.finish()
        watch_growth(lambda: mirror.log_bytes(topic), lambda: 0.0, lambda count: False,
                     _STILL_SECONDS, _PATIENCE)
        before.kill()
        after = start("consume", mirror.target, "after", "--group", group)
        reader = start("read", mirror.target, "after", "--partitions", _LOSS_PARTITIONS)
        trouble = reader.finish()
        if trouble:
            raise Trouble(f"the target cannot be read: {trouble}")
        after.wait_for_more(1, 20)
        watch_growth(after.count, lambda: 0.0, lambda count: False, _STILL_SECONDS, _PATIENCE)
        after.finish()
        account = account_of(producer, reader, _Both(before, after))
    finally:
        for one in clients:
            one.kill()
    return {**figures_of(account, lab.plan.loss_rate), "statement": "none"}
