"""What is measured: every case is data.

A produce case states everything that decides a figure: message size, partitions, batch size,
linger, batches in flight, producers. `batch` 1,000,000 and `linger` 5 ms are librdkafka's defaults,
16,384 is the batch of a Java client. A producer fills one batch for a partition before it turns to
the next, as the partitioners of current clients do for records without a key, unless the case says
`spread`.
"""

from dataclasses import dataclass, replace

MEGABYTE = 1_000_000
GIGABYTE = 1_000 * MEGABYTE


@dataclass(frozen=True)
class Produce:
    """One way to produce, for `seconds` or `budget` bytes, whichever comes first."""

    name: str
    message: int
    partitions: int
    batch: int = 1_000_000
    linger: float = 5
    in_flight: int = 64
    producers: int = 1
    idempotent: bool = False
    stick: int = 0  # bytes to one partition before the next; 0: a batch
    budget: int = 4 * GIGABYTE
    seconds: float = 3.5
    warmup: float = 0.5
    ceiling: bool = False  # also run against the mock broker

    def options(self):
        """Arguments for the client."""
        options = ["--message-bytes", self.message, "--partitions", self.partitions,
                   "--batch-bytes", self.batch, "--linger-ms", self.linger,
                   "--in-flight", self.in_flight, "--producers", self.producers,
                   "--stick-bytes", self.stick, "--byte-budget", self.budget,
                   "--warmup-seconds", self.warmup]
        return options + (["--idempotent"] if self.idempotent else [])


def _sizes():
    for size, message in (("100b", 100), ("1k", 1024)):
        for partitions in (1, 16, 100, 1000):
            yield Produce(f"{size}-p{partitions}", message, partitions, ceiling=True)


PRODUCE = (
    *_sizes(),
    Produce("1k-p16-batch16k", 1024, 16, batch=16_384, ceiling=True),
    Produce("1k-p16-batch64k", 1024, 16, batch=65_536, ceiling=True),
    Produce("1k-p16-idempotent", 1024, 16, idempotent=True),
    Produce("1k-p16-producers16", 1024, 16, producers=16),
    Produce("1k-p1000-spread", 1024, 1000, stick=1, ceiling=True),
)

# The case that figures without a name are about.
MAIN = "1k-p16"
GROUP_COMMIT = "1k-p16-batch16k"


@dataclass(frozen=True)
class Consume:
    """Reads back what was produced: from the disk, then again from the page cache."""

    name: str = "1k-p16"
    message: int = 1024
    partitions: int = 16
    bytes: int = 3 * GIGABYTE

    def fill_options(self):
        """Arguments for the client that fills the topic."""
        return replace(_BY_NAME[self.name], budget=self.bytes, warmup=0).options()

    def options(self):
        """Arguments for the client that reads it."""
        return ["--message-bytes", self.message, "--partitions", self.partitions]


@dataclass(frozen=True)
class Follow:
    """Producer and consumer together: end-to-end latency at a rate, or the peak of both."""

    name: str
    message: int = 1024
    partitions: int = 16
    linger: float = 1
    batch: int = 131_072
    in_flight: int = 64
    seconds: float = 8
    warmup: float = 2
    rate: float = 0  # messages per second; 0: as fast as possible

    def options(self):
        """Arguments for the client."""
        return ["--message-bytes", self.message, "--partitions", self.partitions,
                "--batch-bytes", self.batch, "--linger-ms", self.linger,
                "--in-flight", self.in_flight, "--byte-budget", 20 * GIGABYTE,
                "--warmup-seconds", self.warmup, "--rate", round(self.rate, 1)]


CONSUME = Consume()
PEAK = Follow("peak", seconds=5, warmup=1)
HALF = Follow("half")  # the rate is half of the slower peer's peak
LIGHT = Follow("light", linger=0, rate=1_000)
START_PARTITIONS = 100

_BY_NAME = {case.name: case for case in PRODUCE}


@dataclass(frozen=True)
class Plan:
    """How much of it is done."""

    produce: tuple
    consume: Consume
    peak: Follow
    half: Follow
    light: Follow
    rounds: int
    ceiling_rounds: int
    touch: int | None  # bytes of memory to touch before; None: nearly all that is free
    warmup_seconds: float
    idle_seconds: float
    minutes: float  # nothing new is begun after this


FULL = Plan(PRODUCE, CONSUME, PEAK, HALF, LIGHT, rounds=3, ceiling_rounds=3, touch=None,
            warmup_seconds=12, idle_seconds=3, minutes=38)


def _short(case):
    return replace(case, seconds=1.5, warmup=0.3)


QUICK = Plan(
    tuple(_short(_BY_NAME[name]) for name in ("100b-p16", MAIN, GROUP_COMMIT, "1k-p1000")),
    replace(CONSUME, bytes=400 * MEGABYTE), _short(PEAK),
    replace(HALF, seconds=3, warmup=0.5), replace(LIGHT, seconds=2, warmup=0.3),
    rounds=1, ceiling_rounds=1, touch=GIGABYTE, warmup_seconds=2, idle_seconds=1, minutes=3)
