"""What the benchmark shares with the client suites: child processes, and the jars of Kafka.

Both live in test/clients, which downloads each version of Kafka once for the two of them.
"""

import pathlib
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = REPOSITORY / "build"
sys.path.insert(0, str(REPOSITORY / "test" / "clients"))

import paths  # noqa: E402
import processes  # noqa: E402
import toolchain  # noqa: E402

KAFKA_VERSION = paths.VERSIONS["kafka"]

__all__ = ["BUILD", "KAFKA_VERSION", "REPOSITORY", "processes", "toolchain"]
