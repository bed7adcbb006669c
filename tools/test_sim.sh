#!/bin/sh
# Seeds beyond those of the unit suite, once more with the hashes of two runs compared.
set -eu
cd "$(dirname "$0")/.."
build/debug/magpie_sim --seeds 151..300 --twice
exec build/debug/magpie_sim --regions --seeds 31..130 --twice
