"""Pure arithmetic: from what was seen to figures."""

import math
import statistics


def percentile(values, percent):
    """The smallest value that at least `percent` of all values do not exceed; None of none."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(math.ceil(percent / 100 * len(ordered)), 1) - 1]


def stalls(acknowledged, commands, end):
    """For each of `commands` (rising milliseconds) the longest time without an acknowledgement.

    `acknowledged` are (milliseconds, partition). A stall belongs to the last command that was given
    before it ended, and counts for the partition that suffered most. One may end after `end`, when
    the producer was told to stop; one that never ended counts until then.
    """
    by_partition = {}
    for when, partition in acknowledged:
        by_partition.setdefault(partition, []).append(when)
    found = []
    for times in by_partition.values():
        times.sort()
        times.append(max(end, times[-1]))
    for command, until in zip(commands, [*commands[1:], math.inf]):
        longest = 0
        for times in by_partition.values():
            for before, after in zip(times, times[1:]):
                if command < after <= until:
                    longest = max(longest, after - before)
        found.append(longest)
    return found


def phases(command, accepted, looks, acknowledged, old_epoch):
    """Milliseconds from the command to each thing that followed, or None for what never did.

    `looks` are (milliseconds, epoch, open) as the new leader's admin port showed them.
    """
    def first(times):
        later = [when - command for when in times if when >= command]
        return min(later) if later else None

    return {"accepted": accepted - command,
            "fenced": first(when for when, epoch, _ in looks if epoch > old_epoch),
            "open": first(when for when, epoch, is_open in looks if epoch > old_epoch and is_open),
            "acknowledged": first(acknowledged)}


def beside_election(found, killed, command, elected):
    """What of a failover was not an election of etcd that was over at `elected`; None: it had none.

    Only what is left of the election when the command comes is in its way.
    """
    election = 0 if elected is None else max(elected - command, 0)
    acknowledged = found["acknowledged"]
    return {"elected_from_kill": None if elected is None else elected - killed,
            "election": election,
            "beside_election": acknowledged and acknowledged - min(election, acknowledged)}


def growth(samples, share=0.95):
    """What happened from the first sample to when `share` of the growth was there.

    `samples` are (seconds, bytes, processor seconds). Returns (seconds, bytes, processor seconds),
    or None if nothing grew.
    """
    begin = samples[0]
    wanted = begin[1] + share * (samples[-1][1] - begin[1])
    for sample in samples[1:]:
        if sample[1] > begin[1] and sample[1] >= wanted:
            return tuple(now - before for now, before in zip(sample, begin))
    return None


def spread(values):
    """{median, low, high, count} of what is not None; None if nothing is left."""
    values = [value for value in values if value is not None]
    if not values:
        return None
    return {"median": statistics.median(values), "low": min(values), "high": max(values),
            "count": len(values)}


def select(records, kind, metric, **case):
    """The figure `metric` (keys with dots between) of each record of that kind and case."""
    found = []
    for record in records:
        if record["kind"] != kind or any(record["case"].get(key) != value
                                         for key, value in case.items()):
            continue
        value = record["figures"]
        for key in metric.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            found.append(value)
    return found


def of_rounds(records, kind, metric, **case):
    """Median and spread of a figure over the rounds."""
    return spread(select(records, kind, metric, **case))
