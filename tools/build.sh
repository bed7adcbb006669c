#!/bin/sh
# Configures and builds one preset of CMakePresets.json with as many jobs as there are cores.
#
#   tools/build.sh debug              everything, and every header on its own
#   tools/build.sh release magpie     only the named targets
set -eu
cd "$(dirname "$0")/.."

# Paths relative to the tree, so that a fresh clone finds what another one compiled.
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=true

preset=$1
shift
log=build/$preset/configure.log
mkdir -p "build/$preset"
if ! cmake --preset "$preset" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
if [ $# -eq 0 ]; then
  set -- all
  # Compiles each header alone; exists only where tests are on.
  [ "$preset" = debug ] && set -- all all_verify_interface_header_sets
fi
exec cmake --build "build/$preset" -j "$(nproc)" --target "$@"
