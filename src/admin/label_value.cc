#include "admin/label_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace magpie::admin {
namespace {

// Length of the well-formed UTF-8 character at the beginning of `text`; 0 if there is none there
// (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
size_t character_length(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = at(0);
  if (first < 0x80) return 1;
  const size_t length = first < 0xc2   ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  const uint8_t second = at(1);
  const bool refused = (first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) ||
                       (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90);
  return refused ? 0 : length;
}

}  // namespace

std::string label_value(std::string_view value) {
  std::string escaped;
  while (!value.empty()) {
    const size_t length = character_length(value);
    const char c = value.front();
    if (length == 0) {
      escaped += fmt::format("\\\\x{:02x}", static_cast<uint8_t>(c));
    } else if (c == '\n') {
      escaped += "\\n";
    } else {
      if (c == '\\' || c == '"') escaped += '\\';
      escaped += value.substr(0, length);
    }
    value.remove_prefix(std::max<size_t>(length, 1));
  }
  return escaped;
}

}  // namespace magpie::admin
