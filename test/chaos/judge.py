"""Compares, when a round is over, what was promised with what is there."""

import time

import stored
from load import PARTITIONS
from outcome import Figures
from places import TOP  # noqa: F401  (finds the module below)
from ledger import account_of


# While nothing but the control store is away, no acknowledgement takes longer.
STORE_STALL_MS = 2000
# The last one before a stop is older than what stopped them, by what a client takes its time for.
# A gap that began earlier has another cause.
STOP_MS = 500


def gaps_of(producer):
    """(begin, end) of every time between two acknowledgements of one partition."""
    by_partition = {}
    for event in producer.events("acked"):
        by_partition.setdefault(event[1], []).append(event[0])
    return [gap for times in map(sorted, by_partition.values()) for gap in zip(times, times[1:])]


def stalls_of(gaps, happened):
    """{step: longest gap that touches it}, of the steps in `happened`."""
    found = {}
    for index, (begin, text) in enumerate(happened):
        if not text.endswith(")") or text.startswith("magpie "):
            continue
        end = next(at for at, other in happened[index + 1:] if other.endswith(" over"))
        kind = text.split("(")[0]
        touching = [late - early for early, late in gaps if late >= begin and early <= end]
        found[kind] = max(touching + [found.get(kind, 0)])
    return found


def statement_of(operations, group):
    """(most records that may be lost, None for no limit; problems) by all operations on `group`."""
    most, problems = 0, []
    for operation in operations:
        for about in operation["groups"]:
            loss = about.get("loss")
            if about["group"] != group or not loss:
                continue
            if loss["statement"] == "zero-proven":
                continue
            if group != "bulk":
                problems.append(f"{group}: operation {operation['id']} states {loss}")
            if loss.get("records_max") is None:
                most = None
            elif most is not None:
                most += int(loss["records_max"])
    return most, problems


def differing(cluster, regions, topic):
    """Where the logs of the regions differ; empty if they are the same batch for batch."""
    found = []
    for partition in range(PARTITIONS):
        logs = {region: stored.log_of(cluster.data / region / "data", topic, partition)
                for region in regions}
        first = logs[regions[0]]
        for region in regions[1:]:
            if logs[region] == first:
                continue
            shared = sum(1 for _ in _same(first, logs[region]))
            found.append(f"{topic}-{partition}: {regions[0]} has {len(first)} batches, "
                         f"{region} {len(logs[region])}, {shared} the same; then "
                         f"{first[shared:shared + 1]} and {logs[region][shared:shared + 1]}")
    return found


def _same(left, right):
    for one, other in zip(left, right):
        if one != other:
            return
        yield one


def logs_that_differ(cluster, regions, topic, seconds):
    """The same, after `seconds` in which they may become equal."""
    end = time.monotonic() + seconds
    while True:
        found = differing(cluster, regions, topic)
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.25)


def stalls_without_store(stream, gaps, faults, slack):
    """Gaps that began when, or while, nothing but the store was away, and are too long."""
    found = [late - max(early, begin) for begin, end in faults.without_store
             for early, late in gaps if begin - STOP_MS <= early <= end]
    found = [stall for stall in found if stall > STORE_STALL_MS * slack]
    return [f"{stream.topic}: no acknowledgement for {max(found)} ms while only the control store "
            "was away"] if found else []


def judge(stream, cluster, regions, faults, operations, slack):
    """(Figures, problems) of one stream whose clients have ended."""
    account = account_of(stream.producer, stream.reader, stream.consumer)
    gaps = gaps_of(stream.producer)
    figures = Figures(account.acknowledged, len(account.lost), account.repeated,
                      account.seen_twice, max((late - early for early, late in gaps), default=0),
                      stalls_of(gaps, faults.happened))
    most, problems = statement_of(operations, stream.group)
    problems += stream.trouble
    claims = [("acknowledged elsewhere than it stands", account.moved),
              ("stored twice", account.repeated), ("out of order", account.unordered),
              ("not seen by the consumer group", account.unseen),
              ("never sent", _never_sent(stream))]
    if stream.copies > 0:
        claims += [("acknowledged and lost", account.lost), ("given up on", account.failed)]
    elif most is not None and len(account.lost) > most:
        problems.append(f"{stream.topic}: {len(account.lost)} lost, {most} stated")
    problems += [f"{stream.topic}: {_shown(what)} {text}" for text, what in claims if what]
    problems += _not_kept(stream, account.lost, cluster, regions, faults)
    problems += stalls_without_store(stream, gaps, faults, slack)
    problems += logs_that_differ(cluster, regions, stream.topic, 15 * slack)
    return figures, problems


def _shown(what):
    return what if isinstance(what, int) else f"{len(what)} records, first {sorted(what)[:3]}"


def _never_sent(stream):
    sent = {event[1:3] for event in stream.producer.events("acked")}
    for line in stream.producer.events_of_any("failed"):
        sent.add(tuple(int(word) for word in line.split(" ")[2:4]))
    return [event[1:3] for event in stream.reader.events("read") if event[1:3] not in sent]


def _not_kept(stream, lost, cluster, regions, faults):
    """Lost records that nobody keeps; a region that was erased may have had them."""
    if not lost or faults.erased:
        return []
    kept = set()
    for region in regions:
        kept |= stored.salvaged(cluster.data / region / "data", stream.topic)
    missing = [record for record in lost if record[:2] not in kept]
    return [f"{stream.topic}: {_shown(missing)} lost and in no tail"] if missing else []
