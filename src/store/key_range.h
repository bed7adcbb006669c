// Ranges of keys as etcd writes them (RangeRequest in messages.h).
#pragma once

#include <string>
#include <string_view>

namespace magpie::store {

// Stands for "no end" in a range.
inline constexpr std::string_view kNoEnd{"\0", 1};

inline bool in_range(std::string_view key, std::string_view first, std::string_view end) {
  if (end.empty()) return key == first;
  return key >= first && (end == kNoEnd || key < end);
}

// Whether the two ranges have keys in common.
inline bool overlap(std::string_view first, std::string_view end, std::string_view other_first,
                    std::string_view other_end) {
  if (end.empty()) return in_range(first, other_first, other_end);
  if (other_end.empty()) return in_range(other_first, first, end);
  return (end == kNoEnd || other_first < end) && (other_end == kNoEnd || first < other_end);
}

// The end of the range of all keys that begin with `prefix`.
inline std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (end.empty()) return std::string(kNoEnd);
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

// The first key after `key`.
inline std::string key_after(std::string_view key) {
  return std::string(key).append(1, '\0');
}

}  // namespace magpie::store
