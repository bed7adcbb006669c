#include "base/random.h"

#include "base/check.h"

namespace magpie {

uint64_t Random::next() {
  state_ += 0x9e3779b97f4a7c15;
  uint64_t mixed = state_;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

uint64_t Random::below(uint64_t bound) {
  __extension__ using Wide = unsigned __int128;
  CHECK(bound > 0);
  return static_cast<uint64_t>((static_cast<Wide>(next()) * bound) >> 64);
}

int64_t Random::between(int64_t low, int64_t high) {
  CHECK(low <= high);
  const uint64_t width = static_cast<uint64_t>(high) - static_cast<uint64_t>(low) + 1;
  const uint64_t step = width == 0 ? next() : below(width);
  return static_cast<int64_t>(static_cast<uint64_t>(low) + step);
}

}  // namespace magpie
