"""The targets for several regions, each judged from one result: figure, verdict, what limits it.

A target is met only if every measurement of it could be made.
"""

from dataclasses import dataclass

from harness.chart import short
from harness.targets import MET, MISSED, UNKNOWN
from regional import plan
from regional.figures import of_rounds, percentile, select

# Nothing that was measured misses the target, but not everything could be measured.
IN_PART = "met where measured"


@dataclass(frozen=True)
class Target:
    """One row of the table of targets."""

    goal: str
    figure: str
    verdict: str
    limit: str


def _judged(goal, figure, met, limit, failed):
    if failed:
        figure += f"; {_not_measured(failed)}"
    return Target(goal, figure, MISSED if not met else IN_PART if failed else MET, limit)


def _unknown(goal, failed):
    return Target(goal, _not_measured(failed) if failed else "", UNKNOWN, "")


def _not_measured(failed):
    return f"{failed} could not be measured"


def _failed(found, section, kinds, matches=lambda case: True):
    """How many measurements failed: those of `kinds` with such a case, and the section's own."""
    return sum((record["kind"] in kinds and matches(record["case"])) or
               (record["kind"] == "session" and record["peer"] == section)
               for record in found["records"] if "error" in record["figures"])


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
            _with_etcd(found, few, "kept", "which keeps its leader"),
            _with_etcd(found, few, "lost", "which loses its leader, its election apart"),
            _many(found, few, many), _switchover(found), _no_loss(found)]


def _commit(found, copies):
    goal = f"commit p50 ≤ 1.1 × RTT + local fsync, copies {copies}"
    failed = _failed(found, "replication", ("commit",), lambda case: case["copies"] == copies)
    worst = None
    for rtt in _values(found, "commit", "rtt_ms"):
        case = {"copies": copies, "rtt_ms": rtt}
        p50 = _median(found, "commit", "acknowledgement.p50_ms", **case)
        local = _local_fsync(found, **case)
        if p50 is None or local is None:
            continue
        share = (p50 - local) / rtt
        if worst is None or share > worst[0]:
            worst = (share, rtt, p50, local)
    if worst is None:
        return _unknown(goal, failed)
    share, rtt, p50, local = worst
    link = _median(found, "commit", "link_rtt_ms", copies=copies, rtt_ms=rtt)
    return _judged(goal, f"at worst {share:.2f} × RTT + local fsync ({rtt} ms: {short(p50)} ms, "
                         f"locally {short(local)} ms)", share <= 1.1,
                   f"the link measures {short(link)} ms of round trip" if link else "", failed)


def _local_fsync(found, copies, rtt_ms):
    """What of a commit is not the way: the probe of the disk, or a whole commit without a copy.

    Either may be slow for a reason that the other does not share, so the faster one counts.
    """
    known = [value for value in (
        _median(found, "commit", "fsync.p50_ms", copies=copies, rtt_ms=rtt_ms),
        _median(found, "commit", "acknowledgement.p50_ms", copies="0", rtt_ms=rtt_ms))
        if value is not None]
    return min(known) if known else None


def _lag(found, copies):
    goal = f"lag p99 ≤ 1 × RTT at half of the link's bandwidth, copies {copies}"
    failed = _failed(found, "replication", ("lag",), lambda case: case.get("copies") == copies)
    found_lags = [(lag, rtt) for rtt in _values(found, "lag", "rtt_ms")
                  if (lag := _median(found, "lag", "p99_rtts", copies=copies,
                                     rtt_ms=rtt)) is not None]
    if not found_lags:
        return _unknown(goal, failed)
    lag, rtt = max(found_lags)
    median = _median(found, "lag", "p50_rtts", copies=copies, rtt_ms=rtt)
    limit = f"p50 there is {median:.2f} × RTT"
    if copies != "0":
        limit += "; a record is shown once it is acknowledged, a round trip after its append, " \
                 "and the other region hears of that half a round trip later"
    return _judged(goal, f"at worst {lag:.2f} × RTT ({rtt} ms)", lag <= 1, limit, failed)


def _share(found):
    goal = "replication ≥ 0.9 × window/RTT"
    failed = _failed(found, "replication", ("throughput",), lambda case: "fsync" not in case)
    share = _median(found, "throughput", "share_of_link", fsync=None)
    if share is None:
        return _unknown(goal, failed)
    rate = _median(found, "throughput", "megabytes_per_second", fsync=None)
    return _judged(goal, f"{share:.2f} ({short(rate)} MB/s)", share >= 0.9,
                   "counted in bytes of the log; framing and encryption are not in it", failed)


def _cpu(found, fsync):
    goal = f"≤ 1/8 of MirrorMaker 2's CPU per GB, its brokers with fsync {fsync}"
    failed = _failed(found, "replication", ("throughput",),
                     lambda case: case.get("fsync") in (None, fsync))
    ours = _median(found, "throughput", "cpu_seconds_per_gigabyte", fsync=None)
    theirs = _median(found, "throughput", "cpu_seconds_per_gigabyte", fsync=fsync)
    if not (ours and theirs):
        return _unknown(goal, failed)
    return _judged(goal, f"1/{theirs / ours:.1f} ({short(ours)} and {short(theirs)} CPU-s/GB)",
                   ours * 8 <= theirs, "ours: fsync always, and encryption of the link, which "
                                       "theirs does not have", failed)


def _failover(found, partitions):
    bound = _failover_bound()
    return _failovers(found, f"failover ≤ 4 × RTT + 100 ms ({bound} ms) from command to "
                             "acknowledgement", "failover", "acknowledged",
                      _failed(found, "moves", ("failover",),
                              lambda case: case["partitions"] == partitions),
                      partitions=partitions, scope="group")


def _with_etcd(found, partitions, leader, which):
    failed = _failed(found, "etcd", ("etcd-failover",),
                     lambda case: case.get("etcd_leader") in (None, leader))
    return _failovers(found, f"the same with an etcd of three sites, {which}", "etcd-failover",
                      "beside_election", failed, partitions=partitions, etcd_leader=leader)


def _failover_bound():
    return 4 * plan.RTT_MS + 100


def _failovers(found, goal, kind, metric, failed, **case):
    spread = of_rounds(found["records"], kind, metric, **case)
    if spread is None:
        return _unknown(goal, failed)
    parts = [(name, _median(found, kind, name, **case))
             for name in ("accepted", "fenced", "open", "acknowledged", "election")]
    told = ", ".join(f"{name} {value:.0f}" for name, value in parts if value is not None)
    return _judged(goal, f"{spread['median']:.0f} ms (highest {spread['high']:.0f}, "
                         f"{spread['count']} failovers)", spread["median"] <= _failover_bound(),
                   f"ms after the command: {told}", failed)


def _many(found, few, many):
    goal = f"{many:,} partitions ≤ 1.2 × the time of {few}"
    failed = _failed(found, "moves", ("failover",))
    ours = [_median(found, "failover", "acknowledged", partitions=count, scope="group")
            for count in (few, many)]
    if not all(ours):
        return _unknown(goal, failed)
    opened = [_median(found, "failover", "open", partitions=count, scope="group")
              for count in (few, many)]
    used = [_median(found, "failover", "leader_cpu_ms", partitions=count, scope="group")
            for count in (few, many)]
    limit = _two("the epoch is open after", opened)
    if None not in used:
        limit += "; " + _two("the new leader's node used", used) + " of processor time until then"
    return _judged(goal, f"{ours[1] / ours[0]:.2f} × ({ours[1]:.0f} and {ours[0]:.0f} ms)",
                   ours[1] <= 1.2 * ours[0], limit, failed)


def _two(what, values):
    return f"{what} " + " and ".join(f"{value:.0f} ms" if value is not None else "?"
                                     for value in values)


def _switchover(found):
    goal = f"switchover stall p99 ≤ 1 s at {plan.RTT_MS} ms, loss 0, repeats 0"
    stalls = [stall for some in select(found["records"], "switchover", "stalls_ms")
              for stall in some]
    failed = _failed(found, "moves", ("switchover",))
    if not stalls:
        return _unknown(goal, failed)
    lost, repeated, refused = (sum(select(found["records"], "switchover", key))
                               for key in ("lost", "repeated", "failed"))
    p99 = percentile(stalls, 99)
    return _judged(goal, f"p99 {p99:.0f} ms, p50 {percentile(stalls, 50):.0f} ms, "
                         f"{len(stalls)} switchovers, lost {lost}, repeated {repeated}" +
                         (f", given up by the producer {refused}" if refused else ""),
                   p99 <= 1_000 and not (lost or repeated or refused),
                   "of so few the p99 is the longest" if len(stalls) < 100 else "", failed)


def _no_loss(found):
    goal = "copies ≥ 1: no acknowledged record lost with its source, every one read"
    failed = _failed(found, "loss", ("loss",), lambda case: case.get("copies", "0") != "0") + \
        _failed(found, "moves", ("failover", "moved")) + \
        _failed(found, "etcd", ("etcd-failover",))
    lost, unseen = ([count for copies in ("1", "all")
                     for count in select(found["records"], "loss", key, copies=copies)]
                    for key in ("lost", "unseen"))
    lost += select(found["records"], "moved", "lost")
    if not lost:
        return _unknown(goal, failed)
    figure = f"{sum(lost)} lost in {len(lost)} histories"
    if any(unseen):
        figure += f", {sum(unseen)} stored and not given to a consumer group"
    return _judged(goal, figure, not any(lost) and not any(unseen), "", failed)
