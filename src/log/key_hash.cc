#include "log/key_hash.h"

#include <bit>
#include <cstddef>

namespace magpie::log {
namespace {

struct State {
  uint64_t a, b, c, d;

  void rounds(int count) {
    for (int i = 0; i < count; ++i) {
      a += b;
      c += d;
      b = std::rotl(b, 13) ^ a;
      d = std::rotl(d, 16) ^ c;
      a = std::rotl(a, 32);
      c += b;
      a += d;
      b = std::rotl(b, 17) ^ c;
      d = std::rotl(d, 21) ^ a;
      c = std::rotl(c, 32);
    }
  }
  void take(uint64_t word) {
    d ^= word;
    rounds(2);
    a ^= word;
  }
  uint64_t fold() const { return a ^ b ^ c ^ d; }
};

// Up to 8 bytes, least significant first.
uint64_t word_of(std::string_view bytes) {
  uint64_t word = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    word |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  }
  return word;
}

}  // namespace

KeyHash hash_key(std::string_view key, const HashSeed& seed) {
  // The four constants spell "somepseudorandomlygeneratedbytes".
  State state{seed.first ^ 0x736f6d6570736575, seed.second ^ 0x646f72616e646f6d ^ 0xee,
              seed.first ^ 0x6c7967656e657261, seed.second ^ 0x7465646279746573};
  const uint64_t length = key.size();
  while (key.size() >= 8) {
    state.take(word_of(key.substr(0, 8)));
    key.remove_prefix(8);
  }
  state.take(word_of(key) | length << 56);
  state.c ^= 0xee;
  state.rounds(4);
  KeyHash hash;
  hash.low = state.fold();
  state.b ^= 0xdd;
  state.rounds(4);
  hash.high = state.fold();
  return hash;
}

}  // namespace magpie::log
