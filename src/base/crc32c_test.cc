#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/random.h"

namespace magpie {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// Bit at a time, straight from the definition: reflected polynomial 0x82F63B78.
uint32_t naive_crc32c(std::string_view text) {
  uint32_t crc = ~0u;
  for (const char c : text) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
  }
  return ~crc;
}

TEST(Crc32c, MatchesTheVectorsOfRfc3720) {
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\0'))), 0x8A9136AAu);
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\xff'))), 0x62A8AB43u);
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xE3069283u);
}

TEST(Crc32c, AgreesWithTheDefinitionInOnePieceAndInTwo) {
  Random random(11);
  for (int round = 0; round < 200; ++round) {
    std::string text(random.below(700), '\0');
    for (char& c : text) c = static_cast<char>(random.next());
    const uint32_t expected = naive_crc32c(text);
    EXPECT_EQ(crc32c(bytes_of(text)), expected);
    const size_t cut = random.below(text.size() + 1);
    const std::string_view view = text;
    EXPECT_EQ(crc32c(bytes_of(view.substr(cut)), crc32c(bytes_of(view.substr(0, cut)))), expected);
  }
}

}  // namespace
}  // namespace magpie
