// Letters and digits of ASCII, whatever the locale says.
#pragma once

#include <algorithm>
#include <string_view>

namespace magpie {

constexpr bool is_ascii_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

constexpr char to_ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

inline bool equal_ignoring_ascii_case(std::string_view one, std::string_view other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](char a, char b) { return to_ascii_lower(a) == to_ascii_lower(b); });
}

}  // namespace magpie
