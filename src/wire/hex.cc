#include "wire/hex.h"

#include "base/check.h"

namespace magpie::wire {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

}  // namespace

Buffer from_hex(std::string_view text) {
  std::string bytes;
  bool quoted = false;
  bool half = false;
  for (const char c : text) {
    if (c == '\'') {
      quoted = !quoted;
    } else if (quoted) {
      bytes += c;
    } else if (c != ' ' && c != '\n' && c != '|') {
      const size_t digit = kDigits.find(c);
      CHECK(digit != std::string_view::npos);
      if (half) {
        bytes.back() = static_cast<char>((bytes.back() << 4) | static_cast<char>(digit));
      } else {
        bytes += static_cast<char>(digit);
      }
      half = !half;
    }
  }
  CHECK(!quoted && !half);
  return Buffer::copy_of(bytes);
}

std::string to_hex(const Buffer& bytes) {
  std::string text;
  for (const std::byte byte : bytes.bytes()) {
    text += kDigits[static_cast<size_t>(byte) >> 4];
    text += kDigits[static_cast<size_t>(byte) & 15];
  }
  return text;
}

}  // namespace magpie::wire
