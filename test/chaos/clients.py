"""The client libraries that drive the load: which of them drives what is drawn from the seed.

Each is one program that takes the arguments of magpie-load and writes its lines (test/load/load.h).
"""

import random

from places import TOP
import toolchain

STREAMS = ("payments", "orders", "clicks")
PARTS = ("producer", "consumer")


def _librdkafka(build):
    return [str(build / "test" / "load" / "magpie-load")]


def _java(_build):
    return toolchain.java_load()


def _franz_go(_build):
    module = TOP / "test" / "clients" / "franz_go"
    return [str(toolchain.go_program(module, "load", "franz-go-load"))]


_MAKERS = {"librdkafka": _librdkafka, "java": _java, "franz-go": _franz_go}
KINDS = tuple(_MAKERS)


def prepared(build, kinds):
    """({kind: command line}, {kind: why it cannot be had}); fetches and builds what is missing."""
    commands, missing = {}, {}
    for kind in kinds:
        try:
            commands[kind] = _MAKERS[kind](build)
        except toolchain.Unavailable as cause:
            missing[kind] = str(cause)
    return commands, missing


def drawn(seed, kinds):
    """{topic: {"producer": kind, "consumer": kind}}; the same seed and kinds draw the same."""
    source = random.Random(f"clients of {seed}")
    return {topic: {part: source.choice(sorted(kinds)) for part in PARTS} for topic in STREAMS}
