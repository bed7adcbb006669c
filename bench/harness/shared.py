"""What both benchmarks share: how a run ends and is kept, child processes, and the jars of Kafka.

The latter two live in test/clients, which downloads each version of Kafka once for all of them.
"""

import datetime
import json
import pathlib
import shlex
import signal
import sys
import traceback

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = REPOSITORY / "build"
sys.path.insert(0, str(REPOSITORY / "test" / "clients"))

import paths  # noqa: E402
import processes  # noqa: E402
import toolchain  # noqa: E402

KAFKA_VERSION = paths.VERSIONS["kafka"]
RESULTS = REPOSITORY / "bench" / "results"


def run_to_its_end(run, clock):
    """Whether `run()` came to its end; if not, `clock` knows that something is missing.

    Ctrl-C, SIGTERM and a fault of the benchmark itself end a run, but not what it has measured.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run()
        return True
    except KeyboardInterrupt:
        print("interrupted; keeping what was measured", flush=True)
    except Exception:  # hours may have been measured before
        traceback.print_exc()
        print("ended early; keeping what was measured", flush=True)
    clock.cut_short = True
    return False


def keep(found, directory, suffix=""):
    """Writes a result to `directory`, which is made if needed, and says where."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{datetime.date.today().isoformat()}-{found['name']}{suffix}.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(f"written: {path}")


def command(program, arguments):
    """The command line as it is published: of absolute paths only the last part."""
    return shlex.join([program, *(pathlib.PurePath(text).name if text.startswith("/") else text
                                  for text in arguments)])


__all__ = ["BUILD", "KAFKA_VERSION", "REPOSITORY", "RESULTS", "command", "keep", "processes",
           "run_to_its_end", "toolchain"]
