"""A result as Markdown, and its place in docs/benchmarks-regions.md."""

from harness.chart import short
from harness.document import insert, machine_rows, steadiness_rows, table
from regional import targets
from regional.figures import of_rounds, select

MARKERS = ("<!-- bench-regions: begin (written by bench/regions.py, do not edit) -->",
           "<!-- bench-regions: end -->")
_NONE = "–"
# What test/load/produce.cc sets for all of them.
_RECONNECTS = "it connects again after at most 200 ms"


def write(found, docs):
    """Renews the generated part of docs/benchmarks-regions.md."""
    page = docs / "benchmarks-regions.md"
    page.write_text(insert(page.read_text(), markdown(found), MARKERS))


def markdown(found):
    """The tables of a result."""
    parts = [_about(found), _targets(found), _commits(found), _lags(found), _throughput(found),
             _switchovers(found), _failovers(found), _with_etcd(found), _losses(found),
             _failures(found)]
    return "\n\n".join(part for part in parts if part)


def _value(spread, scale=1.0):
    if spread is None:
        return _NONE
    text = short(spread["median"] * scale)
    if spread["count"] > 1:
        text += f" ({short(spread['low'] * scale)}–{short(spread['high'] * scale)})"
    return text


def _cases(found, kind, *keys):
    """The different cases of a kind that were measured, in order, as tuples of these keys."""
    seen = {}
    for record in found["records"]:
        if record["kind"] == kind and "error" not in record["figures"]:
            seen[tuple(record["case"].get(key) for key in keys)] = True
    return list(seen)


def _section(title, header, rows, text=""):
    """A table under its title, with a text between; nothing without rows."""
    if not rows:
        return ""
    return "\n\n".join(part for part in (f"### {title}", text, table(header, rows)) if part)


def _about(found):
    return _section("The run", ("", ""), [
        *machine_rows(found),
        ("Magpie", f"{found['versions']['magpie']}; fsync always, links encrypted"),
        ("MirrorMaker 2", found["versions"].get("mirror-maker", "not measured")),
        ("etcd", found["versions"].get("etcd", "not measured")),
        ("clients", found["client"]),
        ("command", f"`{found['command']}` ({found['minutes']} minutes)"),
        ("rounds", f"{found['plan']['rounds']}; figures are median (lowest–highest)"),
        *steadiness_rows(found)])


def _targets(found):
    rows = [(target.goal, target.figure or _NONE, target.verdict, target.limit or _NONE)
            for target in targets.judge(found)]
    return _section("Targets", ("target", "figure", "verdict", "what limits it"), rows)


def _commits(found):
    rows = []
    for copies, rtt in _cases(found, "commit", "copies", "rtt_ms"):
        case = {"copies": copies, "rtt_ms": rtt}

        def get(metric, case=case):
            return of_rounds(found["records"], "commit", metric, **case)

        p50 = get("acknowledgement.p50_ms")
        rows.append((copies, str(rtt), _value(p50), _value(get("acknowledgement.p99_ms")),
                     short(p50["median"] / rtt) if copies != "0" else _NONE,
                     _value(get("link_rtt_ms")), _value(get("fsync.p50_ms")),
                     _value(get("fsync.p99_ms"))))
    return _section(
        "A commit against the round trip",
        ("copies", "RTT", "p50", "p99", "p50 in RTTs", "RTT as the link measures it",
         "fdatasync p50", "p99"), rows,
        f"One idempotent producer, acks=all, {found['plan']['commit_rate']} records of 1 KiB per "
        "second, no linger; milliseconds from handing a record to librdkafka until its "
        "acknowledgement. The last columns are 2 KiB appended to a file of the same disk and "
        "synced, just before.")


def _lags(found):
    records, rows = found["records"], []
    for copies, fsync, rtt in _cases(found, "lag", "copies", "fsync", "rtt_ms"):
        case = {"copies": copies, "fsync": fsync, "rtt_ms": rtt}
        values = [_value(of_rounds(records, "lag", metric, **case)) for metric in (
            "lag.p50_ms", "lag.p99_ms", "p50_rtts", "p99_rtts", "end_to_end.p50_ms",
            "end_to_end.p99_ms", "megabytes_per_second")]
        if copies is None:
            who = f"MirrorMaker 2, brokers fsync {fsync}"
            values[2:4] = [_NONE, _NONE]
        else:
            who = f"Magpie, copies {copies}"
        rows.append((who, str(rtt), *values))
    return _section(
        "Lag in the other region",
        ("what", "RTT, ms", "lag p50, ms", "p99, ms", "p50, RTTs", "p99, RTTs",
         "end to end p50, ms", "p99, ms", "MB/s"), rows,
        f"Half of what the link carries ({found['plan']['lag_link'] / 1e6:g} MB/s). Lag: from "
        "the leader's append (whole milliseconds, rounded down) until a consumer that reads "
        "the copy in the other region has the record. End to end: from when the record should "
        "have been sent. With one copy a record may be read once it is acknowledged, which "
        "is a round trip after its append.")


def _throughput(found):
    records, rows = found["records"], []
    for fsync, in _cases(found, "throughput", "fsync"):
        values = [_value(of_rounds(records, "throughput", metric, fsync=fsync))
                  for metric in ("megabytes_per_second", "share_of_link",
                                 "cpu_seconds_per_gigabyte")]
        rows.append(("Magpie, fsync always, TLS" if fsync is None else
                     f"MirrorMaker 2, brokers fsync {fsync}", *values))
    plan = found["plan"]
    return _section(
        "Replicating a backlog", ("what", "MB/s", "share of window/RTT", "CPU-s/GB"), rows,
        f"{plan['backlog'] / 1e6:g} MB in 8 partitions over a link of "
        f"{plan['fast_link'] / 1e6:g} MB/s and one connection, while nobody produces or "
        "consumes. CPU is user and system time of everything that takes part, for each 10⁹ "
        "bytes in the target's log: both nodes of Magpie; both brokers and MirrorMaker.")


def _switchovers(found):
    rows = []
    for record in found["records"]:
        figures = record["figures"]
        if record["kind"] == "switchover" and "error" not in figures:
            rows.append((str(record["case"]["rtt_ms"]), str(figures["count"]),
                         short(figures["p50_ms"]), short(figures["p99_ms"]),
                         f"{figures['acknowledged_records']:,}", str(figures["lost"]),
                         str(figures["repeated"])))
    return _section(
        "Switchovers", ("RTT, ms", "switchovers", "stall p50, ms", "p99, ms", "acknowledged",
                        "lost", "repeated"), rows,
        "The longest time, in any partition, without an acknowledgement; one idempotent producer, "
        f"librdkafka's defaults but for one: {_RECONNECTS}.")


def _failovers(found):
    records, rows = found["records"], []
    for partitions, scope in _cases(found, "failover", "partitions", "scope"):
        case = {"partitions": partitions, "scope": scope}
        what = "one group" if scope == "group" else "all of the region"
        rows.append((f"{partitions:,}", what,
                     *(_value(of_rounds(records, "failover", metric, **case)) for metric in (
                         "accepted", "fenced", "open", "acknowledged", "default_client",
                         "leader_cpu_ms")),
                     str(len(select(records, "failover", "acknowledged", **case)))))
    return _section(
        "Failovers, from the command on",
        ("partitions", "what moves", "accepted", "fenced", "open", "acknowledged",
         "default client", "leader's CPU", "failovers"), rows,
        "The leading region was killed one second before. Milliseconds after the command was sent "
        "until: it is accepted; the new leader sees the transaction that fences the old one; its "
        "epoch is open; the first new acknowledgement has reached a client that looks for leaders "
        "every 10 ms, and one that does so as librdkafka does by default, every second "
        "while it has nothing that a leader refused "
        f"({_RECONNECTS}). Beside it the processor time that the new leader's node used until "
        "the first of the two had its acknowledgement.")


def _with_etcd(found):
    records, rows = found["records"], []
    for partitions, leader in _cases(found, "etcd-failover", "partitions", "etcd_leader"):
        case = {"partitions": partitions, "etcd_leader": leader}
        led_from = select(records, "etcd-failover", "etcd_led_from", **case)
        rows.append((f"{partitions:,}",
                     "dies with the region" if leader == "lost" else "is in the third region",
                     f"{led_from.count('target')} of {len(led_from)}",
                     *(_value(of_rounds(records, "etcd-failover", metric, **case)) for metric in (
                         "elected_from_kill", "election", "accepted", "fenced", "open",
                         "acknowledged", "beside_election", "default_client"))))
    return _section(
        "Failovers with an etcd of three sites",
        ("partitions", "etcd's leader", "later at the new leader", "elected, from the kill",
         "election, from the command", "accepted", "fenced", "open", "acknowledged",
         "without the election", "default client"), rows,
        "As above, one group, but etcd is the control store, and the member of the leading region "
        "is killed with its node. If that one led etcd, the others first elect another; the "
        "columns of the election say when the first of them knew the new one (every "
        "10 ms they are asked). What is left of it when the command comes is in the way of all "
        "that follows, and is taken off in *without the election*. In how many failovers etcd was "
        "then led from the region that leads the group now, and not from the third one, matters: "
        "what etcd agrees on takes one round trip there, and two from the other region.")


def _losses(found):
    records, rows = found["records"], []
    for copies, fsync in _cases(found, "loss", "copies", "fsync"):
        case = {"copies": copies, "fsync": fsync}
        who = (f"Magpie, copies {copies}" if fsync is None else
               f"MirrorMaker 2, brokers fsync {fsync}")
        said = sorted(set(select(records, "loss", "statement", **case)))
        rows.append((who, *(_value(of_rounds(records, "loss", metric, **case)) for metric in (
            "acknowledged_records", "lost", "lost_ms", "moved", "repeated", "again", "unseen")),
            ", ".join(said)))
    return _section(
        "The source is killed under load",
        ("what", "acknowledged", "lost", "the same in ms of load", "moved", "repeated", "again",
         "unseen", "loss statement"), rows,
        f"{found['plan']['loss_rate']:,} records of 1 KiB per second and topic; kill -9 at a "
        "random moment. *Moved*: acknowledged at one offset and stored at another. "
        "*Repeated*: stored twice. *Again*, *unseen*: given to the same consumer group twice, "
        "and never, though stored.")


def _failures(found):
    rows = [(record["kind"], record["peer"],
             ", ".join(f"{key} {value}" for key, value in record["case"].items()) or _NONE,
             record["figures"]["error"].replace("|", "/").replace("\n", " ")[:300])
            for record in found["records"] if "error" in record["figures"]]
    return _section("What could not be measured", ("what", "of", "case", "why"), rows)
