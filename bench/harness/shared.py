"""What the benchmark shares with the client suites: child processes, and the jars of Kafka.

Both live in test/clients, which downloads each version of Kafka once for the two of them.
"""

import pathlib
import shlex
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = REPOSITORY / "build"
sys.path.insert(0, str(REPOSITORY / "test" / "clients"))

import paths  # noqa: E402
import processes  # noqa: E402
import toolchain  # noqa: E402

KAFKA_VERSION = paths.VERSIONS["kafka"]



def command(program, arguments):
    """The command line as it is published: of absolute paths only the last part."""
    return shlex.join([program, *(pathlib.PurePath(text).name if text.startswith("/") else text
                                  for text in arguments)])


__all__ = ["BUILD", "KAFKA_VERSION", "REPOSITORY", "command", "processes", "toolchain"]
