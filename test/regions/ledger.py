"""Compares what clients were promised with what is there."""

from dataclasses import dataclass


@dataclass
class Account:
    """What became of the records of one topic."""

    acknowledged: int
    lost: list      # (partition, number, offset) acknowledged, and nowhere
    moved: list     # the same, acknowledged at one offset and stored at another
    stored: int
    repeated: int   # stored more than once
    unordered: int  # neighbours in a partition whose numbers do not rise
    failed: int     # the producer was told that it cannot be had
    unseen: int     # stored, and the consumer group did not see it
    seen_twice: int  # records the consumer group saw more than once


def account_of(producer, reader, consumer):
    """From the lines of three load clients (test/load/load.h); `reader` has read everything.

    A client that was told that its record is there already knows no offset and gives one below 0.
    """
    acknowledged = [event[1:] for event in producer.events("acked")]
    stored = [event[1:] for event in reader.events("read")]
    at_offset = {(partition, offset): number for partition, number, offset in stored}
    numbers = [(partition, number) for partition, number, _ in stored]
    known = set(numbers)
    astray = [record for record in acknowledged
              if at_offset.get((record[0], record[2])) != record[1]]
    lost = [record for record in astray if record[:2] not in known]
    by_place = [(partition, number) for partition, _, number in
                sorted((partition, offset, number) for partition, number, offset in stored)]
    seen = [event[1:3] for event in consumer.events("read")]
    return Account(
        acknowledged=len(acknowledged), lost=lost,
        moved=[record for record in astray if record[:2] in known and record[2] >= 0],
        stored=len(stored), repeated=len(numbers) - len(known),
        unordered=sum(before[0] == after[0] and before[1] >= after[1]
                      for before, after in zip(by_place, by_place[1:])),
        failed=len(producer.events_of_any("failed")),
        unseen=len(known - set(seen)), seen_twice=len(seen) - len(set(seen)))
