#!/usr/bin/env python3
"""Real processes lose their power: what `make demo-power-loss` shows, and that it can fail.

The second run syncs nothing, so the same cuts must make acknowledged records disappear; if they do
not, the first run proved nothing.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent


def demo(build, *arguments):
    """Exit code and output of the demo; its files go."""
    folder = tempfile.mkdtemp(prefix="magpie-power-loss-")
    try:
        done = subprocess.run([TOP / "tools" / "demo_power_loss.py", "--build", build, *arguments],
                              env={"PATH": "/usr/bin:/bin", "TMPDIR": folder}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout
    finally:
        shutil.rmtree(folder)


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else str(TOP / "build" / "debug")
    failed = 0
    for name, arguments, holds in (
            ("synced_records_survive", ("--seed", "1"),
             lambda code, output: code == 0 and "Every claim held." in output),
            ("unsynced_records_are_lost", ("--seed", "2", "--cuts", "1", "--fsync", "never"),
             lambda code, output: code == 1 and
             "FAIL acknowledged records missing" in output)):
        code, output = demo(build, *arguments)
        if holds(code, output):
            print(f"ok     {name}")
            continue
        failed += 1
        print(f"FAILED {name}: exit code {code}\n{output}")
    print(f"{2 - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
