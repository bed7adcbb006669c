#include "log/key_map.h"

#include <utility>

namespace magpie::log {
namespace {

constexpr size_t kFirstSlots = 1'024;

}  // namespace

// The slot that holds the key, or the free one where it belongs.
size_t KeyMap::place_of(const KeyHash& key) const {
  size_t place = key.low & (slots_.size() - 1);
  while (slots_[place].offset.value >= 0 && slots_[place].key != key) {
    place = (place + 1) & (slots_.size() - 1);
  }
  return place;
}

bool KeyMap::put(const KeyHash& key, Offset offset) {
  if (used_ * 4 >= slots_.size() * 3) grow();
  Slot& slot = slots_[place_of(key)];
  if (slot.offset.value < 0) {
    if (used_ == keys_max_) return false;
    ++used_;
    slot.key = key;
  }
  slot.offset = offset;
  return true;
}

std::optional<Offset> KeyMap::find(const KeyHash& key) const {
  if (slots_.empty()) return std::nullopt;
  const Slot& slot = slots_[place_of(key)];
  if (slot.offset.value < 0) return std::nullopt;
  return slot.offset;
}

void KeyMap::grow() {
  std::vector<Slot> old(slots_.empty() ? kFirstSlots : slots_.size() * 2);
  std::swap(old, slots_);
  for (const Slot& slot : old) {
    if (slot.offset.value >= 0) slots_[place_of(slot.key)] = slot;
  }
}

}  // namespace magpie::log
