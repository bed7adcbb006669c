"""Magpie between regions while nothing is wrong: commits, lag, and a backlog that is caught up."""

import time

from regional import cluster, figures, plan
from regional.lab import check_load, watch_growth
from regional.shared import Trouble

# With one other region its loss leaves no copy: writes go on then.
_TWO = (plan.SOURCE, plan.TARGET)
_PARTITIONS = 8
_SETTLE_SECONDS = 1.0
# A link believes that its line has become longer after ten to twenty seconds and a moment.
_LONGER_SECONDS = 21.0


def run(lab):
    """One round of all three on one cluster."""
    with cluster.Cluster(lab.folder("replication")) as magpie:
        for name, preset, regions, options in _groups():
            magpie.create_group(name, preset, regions, *options)
        commits(lab, magpie)
        lags(lab, magpie)
        throughput(lab, magpie)


def _groups():
    """The failover groups of these measurements: (name, preset, regions, further options)."""
    yield "copies-0", "bulk", plan.REGIONS, ()
    yield "copies-1", "critical", plan.REGIONS, ()
    yield "copies-all", "critical", plan.REGIONS, ("--copies", "all")
    yield "pair-0", "bulk", _TWO, ()
    yield "pair-1", "standard", _TWO, ("--consistency", "prefix")


def commits(lab, magpie):
    """How long a producer waits for an acknowledgement, by copies and round trip."""
    for copies in plan.COPIES:
        magpie.create_topic(f"commit-{copies}", 1, f"copies-{copies}")
    client = lab.driver(magpie.bootstrap())
    for rtt in lab.plan.rtts:
        magpie.tell(f"wan all rtt={rtt}ms")
        for copies in plan.COPIES:
            case = {"copies": copies, "rtt_ms": rtt}
            if lab.clock.over():
                return
            lab.attempt("commit", "magpie", case, _commit, magpie, client, copies)


def _commit(lab, magpie, client, copies):
    magpie.wait_for_sync(f"copies-{copies}")
    fsync = cluster.fsync_cost(magpie.folder)
    warmup = lab.plan.warmup_seconds
    found = client.run("produce", [
        "--topic", f"commit-{copies}", "--partitions", 1, "--message-bytes", plan.MESSAGE,
        "--rate", lab.plan.commit_rate, "--idempotent", "--linger-ms", 0, "--batch-bytes", 16_384,
        "--warmup-seconds", warmup], lab.plan.commit_seconds + warmup)
    check_load(found["messages_per_second"], lab.plan.commit_rate, found["failed"])
    _check_in_sync(magpie, f"copies-{copies}")
    return {"acknowledgement": found["acknowledgement_latency"], "fsync": fsync,
            "link_rtt_ms": magpie.measured_rtt_ms(), "failed": found["failed"]}


def _check_in_sync(magpie, group):
    if not magpie.in_sync(group):
        raise Trouble(f"{group} did not stay in sync")


def lags(lab, magpie):
    """From the append at the leader until a consumer in the other region has the record."""
    link = lab.plan.lag_link
    for rtt in lab.plan.rtts:
        if lab.clock.over():
            return
        magpie.tell(f"wan all rtt={rtt}ms rate={link}B")
        time.sleep(_LONGER_SECONDS)
        for copies in ("0", "1"):
            if lab.clock.over():
                return
            case = {"copies": copies, "rtt_ms": rtt}
            lab.attempt("lag", "magpie", case, _lag, magpie, copies, rtt, link)


def _follow_rate(link):
    """Records per second that are half of what the link carries."""
    return round(link / 2 / plan.MESSAGE, 1)


def follow_options(lab, topic, link):
    """Arguments of the client that produces half of what the link carries, and consumes it."""
    return ["--topic", topic, "--partitions", _PARTITIONS, "--message-bytes", plan.MESSAGE,
            "--rate", _follow_rate(link), "--linger-ms", 1,
            "--batch-bytes", 131_072, "--byte-budget", 10**12,
            "--warmup-seconds", lab.plan.warmup_seconds]


def check_follow(found, link):
    """Raises unless what follow_options() asks for went through."""
    check_load(found["messages_per_second"], _follow_rate(link), found["failed"])


def _lag(lab, magpie, copies, rtt, link):
    topic = f"lag-{lab.round}-{copies}-{rtt}"
    magpie.create_topic(topic, _PARTITIONS, f"pair-{copies}",
                        "message.timestamp.type=LogAppendTime")
    magpie.wait_for_sync(f"pair-{copies}")
    time.sleep(_SETTLE_SECONDS)
    sent_before = magpie.metric(plan.SOURCE, "magpie_fetches_sent_to_followers_total")
    found = lab.driver(magpie.bootstrap()).run(
        "follow", [*follow_options(lab, topic, link), "-X", f"client.rack={plan.TARGET}"],
        lab.plan.lag_seconds + lab.plan.warmup_seconds)
    if magpie.metric(plan.SOURCE, "magpie_fetches_sent_to_followers_total") == sent_before:
        raise Trouble("the consumer was not sent to the copy in its own region")
    check_follow(found, link)
    _check_in_sync(magpie, f"pair-{copies}")
    lag = found["append_to_consumer_latency"]
    return {"lag": lag, "end_to_end": found["end_to_end_latency"],
            "p50_rtts": lag["p50_ms"] / rtt, "p99_rtts": lag["p99_ms"] / rtt,
            "megabytes_per_second": found["megabytes_per_second"], "link_bytes_per_second": link,
            "link_rtt_ms": magpie.measured_rtt_ms()}


def throughput(lab, magpie):
    """A backlog of the source is replicated as fast as it goes, while nobody produces."""
    if not lab.clock.over():
        lab.attempt("throughput", "magpie", {"rtt_ms": plan.RTT_MS}, _throughput, magpie)


def backlog_options(topic, count):
    """Arguments of the client that produces a backlog of `count` bytes."""
    return ["--topic", topic, "--partitions", _PARTITIONS, "--message-bytes", plan.MESSAGE,
            "--byte-budget", count]


def _throughput(lab, magpie):
    magpie.tell(f"wan all rtt={plan.RTT_MS}ms rate={lab.plan.fast_link}B")
    topic = f"backlog-{lab.round}"
    magpie.create_topic(topic, _PARTITIONS, "pair-0")
    magpie.wait_for_sync("pair-0")
    time.sleep(_SETTLE_SECONDS)
    client = lab.driver(magpie.bootstrap())
    client.run("produce", backlog_options(topic, lab.plan.backlog), 60)
    whole = magpie.log_bytes(plan.SOURCE, topic)
    samples = watch_growth(lambda: magpie.log_bytes(plan.TARGET, topic),
                           lambda: magpie.cpu_seconds(plan.SOURCE, plan.TARGET),
                           lambda count: count >= whole, 10, 2 * lab.plan.backlog_seconds)
    if samples[-1][1] != whole:
        raise Trouble(f"{samples[-1][1]} of {whole} bytes were replicated")
    return growth_figures(samples, lab.plan.fast_link)


def growth_figures(samples, link):
    """What a record of a replicated backlog says."""
    grown = figures.growth(samples)
    if grown is None:
        raise Trouble("the backlog was replicated before it could be watched, or not at all")
    seconds, count, cpu = grown
    return {"megabytes_per_second": count / seconds / plan.MEGABYTE,
            "share_of_link": count / seconds / link, "cpu_seconds_per_gigabyte": cpu / count * 1e9,
            "bytes": count, "seconds": seconds, "link_bytes_per_second": link}
