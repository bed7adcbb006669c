// Seeded random numbers, the same on every machine and compiler.
//
// Machines take a seed in their constructor, so a simulated run replays exactly. The standard
// library's distributions are not used because their results differ between implementations.
// Generator: SplitMix64 (Steele, Lea, Flood 2014). Not for secrets.
#pragma once

#include <cstdint>

namespace magpie {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next();

  // Uniform in [0, bound). REQUIRES: bound > 0.
  uint64_t below(uint64_t bound);

  // Uniform in [low, high]. REQUIRES: low <= high.
  int64_t between(int64_t low, int64_t high);

  // True in `numerator` of `denominator` calls.
  bool chance(uint64_t numerator, uint64_t denominator) { return below(denominator) < numerator; }

  // A generator for a part, independent of how often this one is used afterwards.
  Random fork() { return Random(next()); }

 private:
  uint64_t state_;
};

}  // namespace magpie
