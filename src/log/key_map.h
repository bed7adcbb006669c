// The last offset of every key, in bounded memory.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "log/key_hash.h"

namespace magpie::log {

// Keys one compaction pass can tell apart; at most 48 MiB of memory while it grows. When they are
// used up the pass ends there and the next one goes on.
inline constexpr size_t kCompactionKeysMax = 700'000;

class KeyMap {
 public:
  explicit KeyMap(size_t keys_max = kCompactionKeysMax) : keys_max_(keys_max) {}

  // Remembers `offset` for the key. False if there is no room for a new key.
  bool put(const KeyHash& key, Offset offset);

  // The last offset that was put for the key.
  std::optional<Offset> find(const KeyHash& key) const;

  size_t size() const { return used_; }

 private:
  struct Slot {
    KeyHash key;
    Offset offset{-1};  // -1: free
  };

  size_t place_of(const KeyHash& key) const;
  void grow();

  size_t keys_max_;
  std::vector<Slot> slots_;  // a power of two; open addressing
  size_t used_ = 0;
};

}  // namespace magpie::log
