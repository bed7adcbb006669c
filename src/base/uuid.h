// 128-bit identifiers, printed as Kafka does: 22 characters of URL-safe base64.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"

namespace magpie {

struct Uuid {
  std::array<uint8_t, 16> bytes{};

  auto operator<=>(const Uuid&) const = default;
  bool is_zero() const { return *this == Uuid{}; }

  // A version-4 (random) id from RFC 9562.
  static Uuid random(Random& random);
};

std::string to_string(const Uuid& id);

// The inverse of to_string; nothing if `text` is not exactly such a string.
std::optional<Uuid> parse_uuid(std::string_view text);

}  // namespace magpie
