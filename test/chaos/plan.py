"""What a round does, drawn from its seed: the same seed draws the same plan.

A plan names no region but by its part ("the leader"), because who leads when a step begins is for
the round to find out. Times are seconds.
"""

import random
from dataclasses import dataclass

# Weight of each fault; `moves` ones give groups another leader.
WEIGHTS = {
    "kill-failover": 5,     # kill -9 of the leading region, failover, it returns
    "silence-failover": 3,  # the leading region is there and heard by clients only; failover
    "pause-failover": 3,    # the leading region is stopped (SIGSTOP), failover, it goes on
    "switchover": 4,
    "kill-leader": 2,       # kill -9, started again, nobody moves anything
    "restart-leader": 1,    # SIGTERM: it hands over what it leads; started again
    "pause-leader": 2,
    "kill-follower": 2,
    "pause-follower": 1,
    "erase-follower": 2,    # killed, its data removed, started empty
    "one-way": 2,           # bytes of one direction between two regions are lost
    "silence": 2,           # between two regions
    "flap": 2,              # cut and healed again and again
    "delay": 1,             # a much longer way between all regions
    "narrow": 2,            # it carries less than is written: the copies fall behind
    "narrow-failover": 1,   # they are behind when the leading region is killed; failover
    "lossy": 2,             # it loses bytes, which come late
    "full-leader": 1,       # the disk of the leading region takes nothing more, then it does again
    "full-follower": 1,
    "store-cut": 2,         # nobody reaches the control store
    "store-kill": 2,
}
# With an etcd of three sites also:
WEIGHTS_OF_ETCD = {
    "member-kill": 1,       # one member alone
    "member-pause": 1,
    "member-cut": 1,        # nobody reaches it
    "majority-kill": 2,     # two members: nothing can be decided
    "majority-pause": 2,
}
# With a library that shows nodes another time:
WEIGHTS_OF_CLOCKS = {
    "clock-leader": 1,      # its wall clock jumps by minutes or hours, and back
    "clock-follower": 1,
}
MOST_STEPS = 3
# Together at most, so that a round ends within a minute.
MOST_COST = 22.0
# About how long a step takes beside its `hold`.
_COST = {"kill-failover": 8, "silence-failover": 8, "pause-failover": 8, "narrow-failover": 8,
         "switchover": 4, "erase-follower": 4}
_LONGEST_HOLD = {"pause-leader": 5.0, "one-way": 5.0, "silence": 5.0, "narrow": 6.0, "lossy": 5.0,
                 "store-cut": 8.0, "store-kill": 6.0, "majority-kill": 8.0, "majority-pause": 8.0}


@dataclass(frozen=True)
class Step:
    kind: str
    choice: int    # which of several regions, modulo their number, or how much of a fault
    hold: float    # how long the fault lasts, or how long the dead region stays away
    calm: float    # before the next step

    def __str__(self):
        return f"{self.kind}({self.hold:.1f})"


@dataclass(frozen=True)
class Plan:
    seed: int
    rtt_ms: int
    store: str
    steps: tuple


def plan_of(seed, store, clocks=False):
    """`store`: magpie, etcd, or both, which has etcd in every second seed. `clocks`: they jump."""
    if store == "both":
        store = ("etcd", "magpie")[seed % 2]
    weights = {**WEIGHTS, **(WEIGHTS_OF_ETCD if store == "etcd" else {}),
               **(WEIGHTS_OF_CLOCKS if clocks else {})}
    drawn = random.Random(seed)
    steps, cost = [], 0.0
    for _ in range(drawn.randint(1, MOST_STEPS)):
        kind = drawn.choices(list(weights), list(weights.values()))[0]
        step = Step(kind, drawn.randrange(1000),
                    drawn.uniform(0.3, _LONGEST_HOLD.get(kind, 3.0)), drawn.uniform(0.2, 2.0))
        cost += _COST.get(kind, 2) + step.hold + step.calm
        if steps and cost > MOST_COST:
            break
        steps.append(step)
    return Plan(seed, drawn.choice((4, 10, 20, 40)), store, tuple(steps))
