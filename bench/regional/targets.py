"""The targets for several regions, each judged from one result: figure, verdict, what limits it."""

from dataclasses import dataclass

from harness.chart import short
from harness.targets import MET, MISSED, UNKNOWN
from regional import plan
from regional.figures import of_rounds, percentile, select


@dataclass(frozen=True)
class Target:
    """One row of the table of targets."""

    goal: str
    figure: str
    verdict: str
    limit: str


def _judged(goal, figure, met, limit):
    return Target(goal, figure, MET if met else MISSED, limit)


def _median(found, kind, metric, **case):
    spread = of_rounds(found["records"], kind, metric, **case)
    return spread and spread["median"]


def _values(found, kind, key):
    return sorted({record["case"][key] for record in found["records"]
                   if record["kind"] == kind and key in record["case"]}, key=str)


def judge(found):
    """All targets, in the order of the table."""
    few, many = found["plan"]["few"], found["plan"]["many"]
    return [_commit(found, "1"), _commit(found, "all"), _lag(found, "0"), _lag(found, "1"),
            _share(found), _cpu(found, "never"), _cpu(found, "always"), _failover(found, few),
            _many(found, few, many), _switchover(found), _no_loss(found)]


def _commit(found, copies):
    goal = f"commit p50 ≤ 1.1 × RTT + fdatasync, copies {copies}"
    worst = None
    for rtt in _values(found, "commit", "rtt_ms"):
        case = {"copies": copies, "rtt_ms": rtt}
        p50 = _median(found, "commit", "acknowledgement.p50_ms", **case)
        fsync = _median(found, "commit", "fsync.p50_ms", **case)
        if p50 is None or fsync is None:
            continue
        share = (p50 - fsync) / rtt
        if worst is None or share > worst[0]:
            worst = (share, rtt, p50, fsync)
    if worst is None:
        return Target(goal, "", UNKNOWN, "")
    share, rtt, p50, fsync = worst
    link = _median(found, "commit", "link_rtt_ms", copies=copies, rtt_ms=rtt)
    alone = _median(found, "commit", "acknowledgement.p50_ms", copies="0", rtt_ms=rtt)
    limit = f"the link measures {short(link)} ms of round trip" if link else ""
    if alone is not None:
        limit += f"; a commit that waits for no copy takes {short(alone)} ms, client included"
    return _judged(goal, f"at worst {share:.2f} × RTT + fdatasync ({rtt} ms: {short(p50)} ms, "
                         f"fdatasync {short(fsync)} ms)", share <= 1.1, limit)


def _lag(found, copies):
    goal = f"lag p99 ≤ 1 × RTT at half of the link's bandwidth, copies {copies}"
    found_lags = [(lag, rtt) for rtt in _values(found, "lag", "rtt_ms")
                  if (lag := _median(found, "lag", "p99_rtts", copies=copies,
                                     rtt_ms=rtt)) is not None]
    if not found_lags:
        return Target(goal, "", UNKNOWN, "")
    lag, rtt = max(found_lags)
    median = _median(found, "lag", "p50_rtts", copies=copies, rtt_ms=rtt)
    limit = f"p50 there is {median:.2f} × RTT"
    if copies != "0":
        limit += "; a record is shown once it is acknowledged, a round trip after its append, " \
                 "and the other region hears of that half a round trip later"
    return _judged(goal, f"at worst {lag:.2f} × RTT ({rtt} ms)", lag <= 1, limit)


def _share(found):
    goal = "replication ≥ 0.9 × window/RTT"
    share = _median(found, "throughput", "share_of_link", fsync=None)
    if share is None:
        return Target(goal, "", UNKNOWN, "")
    rate = _median(found, "throughput", "megabytes_per_second", fsync=None)
    return _judged(goal, f"{share:.2f} ({short(rate)} MB/s)", share >= 0.9,
                   "counted in bytes of the log; framing and encryption are not in it")


def _cpu(found, fsync):
    goal = f"≤ 1/8 of MirrorMaker 2's CPU per GB, its brokers with fsync {fsync}"
    ours = _median(found, "throughput", "cpu_seconds_per_gigabyte", fsync=None)
    theirs = _median(found, "throughput", "cpu_seconds_per_gigabyte", fsync=fsync)
    if not (ours and theirs):
        return Target(goal, "", UNKNOWN, "")
    return _judged(goal, f"1/{theirs / ours:.1f} ({short(ours)} and {short(theirs)} CPU-s/GB)",
                   ours * 8 <= theirs, "ours: fsync always, and encryption of the link, which "
                                       "theirs does not have")


def _failover(found, partitions):
    bound = 4 * plan.RTT_MS + 100
    goal = f"failover ≤ 4 × RTT + 100 ms ({bound} ms) from command to acknowledgement"
    case = {"partitions": partitions, "scope": "group"}
    spread = of_rounds(found["records"], "failover", "acknowledged", **case)
    if spread is None:
        return Target(goal, "", UNKNOWN, "")
    parts = [(name, _median(found, "failover", metric, **case)) for name, metric in (
        ("accepted", "accepted"), ("fenced", "fenced"), ("open", "open"),
        ("acknowledged", "acknowledged"))]
    told = ", ".join(f"{name} {value:.0f}" for name, value in parts if value is not None)
    return _judged(goal, f"{spread['median']:.0f} ms (highest {spread['high']:.0f}, "
                         f"{spread['count']} failovers)", spread["median"] <= bound,
                   f"ms after the command: {told}")


def _many(found, few, many):
    goal = f"{many:,} partitions ≤ 1.2 × the time of {few}"
    ours = [_median(found, "failover", "acknowledged", partitions=count, scope="group")
            for count in (few, many)]
    if not all(ours):
        return Target(goal, "", UNKNOWN, "")
    opened = [_median(found, "failover", "open", partitions=count, scope="group")
              for count in (few, many)]
    used = [_median(found, "failover", "leader_cpu_ms", partitions=count, scope="group")
            for count in (few, many)]
    limit = _two("the epoch is open after", opened)
    if None not in used:
        limit += "; " + _two("the new leader's node used", used) + " of processor time until then"
    return _judged(goal, f"{ours[1] / ours[0]:.2f} × ({ours[1]:.0f} and {ours[0]:.0f} ms)",
                   ours[1] <= 1.2 * ours[0], limit)


def _two(what, values):
    return f"{what} " + " and ".join(f"{value:.0f} ms" if value is not None else "?"
                                     for value in values)


def _switchover(found):
    goal = f"switchover stall p99 ≤ 1 s at {plan.RTT_MS} ms, loss 0, repeats 0"
    stalls = [stall for some in select(found["records"], "switchover", "stalls_ms")
              for stall in some]
    if not stalls:
        return Target(goal, "", UNKNOWN, "")
    lost = sum(select(found["records"], "switchover", "lost"))
    repeated = sum(select(found["records"], "switchover", "repeated"))
    p99 = percentile(stalls, 99)
    return _judged(goal, f"p99 {p99:.0f} ms, p50 {percentile(stalls, 50):.0f} ms, "
                         f"{len(stalls)} switchovers, lost {lost}, repeated {repeated}",
                   p99 <= 1_000 and not lost and not repeated,
                   "of so few the p99 is the longest" if len(stalls) < 100 else "")


def _no_loss(found):
    goal = "copies ≥ 1: no acknowledged record lost with its source"
    lost = [count for copies in ("1", "all")
            for count in select(found["records"], "loss", "lost", copies=copies)]
    lost += select(found["records"], "moved", "lost")
    if not lost:
        return Target(goal, "", UNKNOWN, "")
    return _judged(goal, f"{sum(lost)} lost in {len(lost)} histories", not sum(lost), "")
