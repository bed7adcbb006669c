#!/bin/sh
# Seeds beyond those of the unit suite, once more with the hashes of two runs compared; then those
# that have shown something.
set -eu
cd "$(dirname "$0")/.."
build/debug/magpie_sim --seeds 151..300 --twice
build/debug/magpie_sim --regions --seeds 31..130 --twice
for seed in 10808 10871 11872 12054 12064 12125 12312 21093 21263 22392 22512 31553 50682 60896 \
    86398 96869 97581 107897 110616 210309 401633 213991 302511 77 321 512 801184 901155; do
  build/debug/magpie_sim --regions --seed $seed >/dev/null ||
    { echo "magpie_sim --regions --seed $seed failed"; exit 1; }
done
