"""The project's performance targets, each judged from one result: figure, verdict, what limits it.

A target that was not measured is said to be not measured; none is dropped.
"""

from dataclasses import dataclass

from harness import cases

MET, MISSED, UNKNOWN = "met", "**missed**", "not measured"


@dataclass(frozen=True)
class Target:
    """One row of the table of targets."""

    goal: str
    fsync: str
    figure: str
    verdict: str
    limit: str


def _verdict(is_met):
    return MET if is_met else MISSED


def _missing(goal, fsync):
    return Target(goal, fsync, "", UNKNOWN, "")


def cores_sentence(summary, fsync, kind, case):
    """Where the processor time of Magpie's run went, and so what held it back."""
    used = summary.cores("magpie", fsync, kind, case)
    if used is None:
        return ""
    client, broker, busiest, other = used
    total = summary.found["machine"]["cores"]
    spent = (f"of {total} cores the client used {client:.2f}, Magpie {broker:.2f} (its busiest "
             f"thread {busiest:.2f}), kernel threads and others {other:.2f}")
    if busiest >= 0.9:
        cause = "Magpie's busiest thread is fully used"
    elif client + broker + other >= 0.92 * total:
        most = max((client, "the client"), (broker, "Magpie"), (other, "others"))[1]
        cause = f"the processor is fully used, most of it by {most}"
    elif fsync == "always":
        cause = "waiting for fdatasync"
    else:
        cause = "the client waits for acknowledgements or for its own queue"
    return f"{cause}: {spent}"


def _produce_against_kafka(summary, fsync):
    goal = "produce throughput ≥ 2.0 × Kafka"
    ratios = []
    for case in summary.cases("produce", "magpie"):
        ours = summary.throughput("magpie", fsync, case)
        theirs = summary.throughput("kafka", fsync, case)
        if ours and theirs:
            ratios.append((ours / theirs, case))
    if not ratios:
        return _missing(goal, fsync)
    worst, name = min(ratios)
    met = sum(ratio >= 2.0 for ratio, _ in ratios)
    main = dict((case, ratio) for ratio, case in ratios).get(cases.MAIN)
    figure = f"{met} of {len(ratios)} cases; worst {worst:.2f} × ({name})"
    if main:
        figure = f"{main:.2f} × ({cases.MAIN}); " + figure
    limit = _headroom(summary, fsync, name)
    sentence = cores_sentence(summary, fsync, "produce", name)
    return Target(goal, fsync, figure, _verdict(worst >= 2.0),
                  "; ".join(part for part in (limit, sentence) if part))


def _headroom(summary, fsync, case):
    ceiling = summary.throughput("ceiling", "none", case)
    theirs = summary.throughput("kafka", fsync, case)
    if not (ceiling and theirs) or ceiling / theirs >= 2:
        return ""
    return (f"with this client no broker here can exceed {ceiling / theirs:.2f} × Kafka "
            f"(mock broker: {ceiling.median:.0f} MB/s)")


def _produce_against_ceiling(summary):
    goal = "≥ 0.8 × the mock broker, 1 KiB"
    ours = summary.throughput("magpie", "never", cases.MAIN)
    ceiling = summary.throughput("ceiling", "none", cases.MAIN)
    if not (ours and ceiling):
        return _missing(goal, "never")
    return Target(goal, "never", f"{ours / ceiling:.2f} × ({cases.MAIN}: {ours.median:.0f} of "
                  f"{ceiling.median:.0f} MB/s)", _verdict(ours / ceiling >= 0.8),
                  cores_sentence(summary, "never", "produce", cases.MAIN))


def _group_commit(summary):
    goal = "fsync always ≥ 0.7 × never at 64 batches in flight"
    case = cases.GROUP_COMMIT
    always = summary.throughput("magpie", "always", case)
    never = summary.throughput("magpie", "never", case)
    if not (always and never):
        return _missing(goal, "both")
    figure = f"{always / never:.2f} × ({case})"
    large = [summary.throughput("magpie", fsync, cases.MAIN) for fsync in ("always", "never")]
    if all(large):
        figure += f"; {large[0] / large[1]:.2f} × ({cases.MAIN}, batches of 1 MB)"
    return Target(goal, "both", figure, _verdict(always / never >= 0.7),
                  cores_sentence(summary, "always", "produce", case))


def _latency(summary, fsync):
    goal = "p99 end to end ≤ 0.5 × Kafka at half of the slower peak"
    ours = summary.latency("magpie", fsync, cases.HALF.name, "p99")
    theirs = summary.latency("kafka", fsync, cases.HALF.name, "p99")
    if not (ours and theirs):
        return _missing(goal, fsync)
    return Target(goal, fsync, f"{ours / theirs:.2f} × ({ours.median:.2f} and {theirs.median:.2f} "
                  "ms)", _verdict(ours / theirs <= 0.5),
                  cores_sentence(summary, fsync, "follow", cases.HALF.name))


def _cpu(summary, fsync, kind, case, direction):
    goal = f"broker CPU-s per GB ≤ 0.4 × Kafka, {direction}"
    ours = summary.broker_cpu("magpie", fsync, case, kind)
    theirs = summary.broker_cpu("kafka", fsync, case, kind)
    if not (ours and theirs):
        return _missing(goal, fsync)
    return Target(goal, fsync, f"{ours / theirs:.2f} × ({ours.median:.2f} and {theirs.median:.2f} "
                  f"CPU-s/GB, {case})", _verdict(ours / theirs <= 0.4),
                  "see the profile below")


def _idle(summary):
    goal = "memory at rest ≤ 20 MiB"
    case = f"p{cases.START_PARTITIONS}"
    ours = summary.get("magpie", "always", "idle", case, "rss_bytes")
    if not ours:
        return _missing(goal, "always")
    return Target(goal, "always", f"{ours.median / 2**20:.1f} MiB RSS with "
                  f"{cases.START_PARTITIONS} partitions", _verdict(ours.median <= 20 * 2**20), "")


def _start(summary):
    goal = f"start to accept ≤ 30 ms, {cases.START_PARTITIONS} partitions"
    case = f"p{cases.START_PARTITIONS}"
    accept = summary.get("magpie", "always", "start", case, "accept_ms")
    ready = summary.get("magpie", "always", "start", case, "ready_ms")
    if not (accept and ready):
        return _missing(goal, "always")
    return Target(goal, "always", f"{accept.median:.1f} ms; every partition served after "
                  f"{ready.median:.1f} ms", _verdict(accept.median <= 30),
                  "includes starting the process from Python, about 2 ms")


def _partitions(summary, fsync):
    goal = "throughput at 1,000 partitions ≥ 0.85 × at 16"
    many = summary.throughput("magpie", fsync, "1k-p1000")
    few = summary.throughput("magpie", fsync, "1k-p16")
    if not (many and few):
        return _missing(goal, fsync)
    return Target(goal, fsync, f"{many / few:.2f} × (1 KiB)", _verdict(many / few >= 0.85),
                  cores_sentence(summary, fsync, "produce", "1k-p1000"))


def _per_record(summary):
    goal = "no per-record work in the broker"
    small = summary.broker_cpu("magpie", "never", "100b-p16")
    large = summary.broker_cpu("magpie", "never", "1k-p16")
    if not (small and large):
        return _missing(goal, "never")
    return Target(goal, "never", f"per GB of payload, records of 100 B cost {small / large:.2f} × "
                  "the processor time of 1 KiB records", "see the profile",
                  "with ten times as many records; record headers add a tenth to the bytes")


def judge(summary):
    """All targets, in the order of the table."""
    return [
        _produce_against_kafka(summary, "never"),
        _produce_against_kafka(summary, "always"),
        _produce_against_ceiling(summary),
        _group_commit(summary),
        _latency(summary, "never"),
        _latency(summary, "always"),
        _cpu(summary, "never", "produce", cases.MAIN, "produce"),
        _cpu(summary, "always", "produce", cases.MAIN, "produce"),
        _cpu(summary, "never", "consume", "cached", "consume"),
        _idle(summary),
        _start(summary),
        _partitions(summary, "never"),
        _partitions(summary, "always"),
        _per_record(summary),
    ]
