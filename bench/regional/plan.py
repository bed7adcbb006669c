"""What is measured, and how much of it: every number that decides a figure stands here."""

from dataclasses import dataclass

MEGABYTE = 1_000_000
MESSAGE = 1024

REGIONS = ("bj", "sh", "gz")
SOURCE, TARGET = REGIONS[:2]

COPIES = ("0", "1", "all")
# Of the link whose window is filled, and of moves and kills.
RTT_MS = 40
LEASE_SECONDS = 3


@dataclass(frozen=True)
class Plan:
    """How much of it is done."""

    rounds: int
    minutes: float  # nothing new is begun after this

    rtts: tuple  # milliseconds
    commit_seconds: float
    commit_rate: int  # records per second: so few that none waits for another
    lag_seconds: float
    warmup_seconds: float

    lag_link: int   # bytes per second that the link of the lag carries; half of it is used
    fast_link: int  # the same where a backlog is replicated
    backlog: int    # bytes
    warmup_backlog: int  # replicated before by MirrorMaker, for Java's just-in-time compiler
    backlog_seconds: float  # a backlog is watched no longer than this
    mirror_fsync: tuple  # policies of MirrorMaker's brokers

    switchovers: int
    failovers: int
    few: int   # partitions
    many: int
    move_rate: int  # records per second while groups move

    loss_rate: int  # records per second of each topic whose leader is killed
    loss_seconds: tuple  # it is killed at a random moment between


FULL = Plan(rounds=3, minutes=28.5, rtts=(10, 40, 80), commit_seconds=6, commit_rate=40,
            lag_seconds=6, warmup_seconds=2, lag_link=20 * MEGABYTE, fast_link=50 * MEGABYTE,
            backlog=400 * MEGABYTE, warmup_backlog=200 * MEGABYTE, backlog_seconds=25,
            mirror_fsync=("never", "always"), switchovers=12, failovers=5,
            few=10, many=10_000, move_rate=1_000, loss_rate=2_000, loss_seconds=(10.0, 14.0))

QUICK = Plan(rounds=1, minutes=3.5, rtts=(40,), commit_seconds=3, commit_rate=40, lag_seconds=3,
             warmup_seconds=1, lag_link=20 * MEGABYTE, fast_link=50 * MEGABYTE,
             backlog=150 * MEGABYTE, warmup_backlog=50 * MEGABYTE, backlog_seconds=20,
             mirror_fsync=("never",), switchovers=2, failovers=1,
             few=10, many=1_000, move_rate=1_000, loss_rate=2_000, loss_seconds=(3.0, 4.0))
