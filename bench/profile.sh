#!/bin/sh
# Where Magpie's processor time goes, and whether any of it goes into single records.
#
#   bench/profile.sh perf produce      sampled profile while a client produces (consume, follow)
#   bench/profile.sh records           instructions per batch with few large and many small records
#
# Needs perf (Debian package linux-perf) or, for `records`, valgrind; see docs/benchmarks.md.
set -eu
cd "$(dirname "$0")"
exec python3 -m harness.profiling "$@"
