"""What it shares with bench/run.py and with the harnesses that run whole clusters."""

import sys

from harness import driver, machine, peers, wire
from harness.shared import (BUILD, KAFKA_VERSION, REPOSITORY, RESULTS, command, keep, processes,
                            run_to_its_end, toolchain)

sys.path.append(str(REPOSITORY / "test" / "regions"))

from dev_cluster import DevCluster, Trouble  # noqa: E402
from ledger import account_of  # noqa: E402
from load_client import LoadClient  # noqa: E402

RELEASE = BUILD / "release"
LOAD = RELEASE / "test" / "load" / "magpie-load"
RELAY = RELEASE / "test" / "relay" / "magpie-relay"

__all__ = ["BUILD", "DevCluster", "KAFKA_VERSION", "LOAD", "LoadClient", "RELAY", "RELEASE",
           "REPOSITORY", "RESULTS", "Trouble", "account_of", "command", "driver", "keep", "machine",
           "peers", "processes", "run_to_its_end", "toolchain", "wire"]
