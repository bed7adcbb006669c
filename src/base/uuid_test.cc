#include "base/uuid.h"

#include <gtest/gtest.h>

namespace magpie {
namespace {

TEST(Uuid, PrintsLikeKafka) {
  EXPECT_EQ(to_string(Uuid{}), "AAAAAAAAAAAAAAAAAAAAAA");
  Uuid id;
  id.bytes.fill(0xff);
  EXPECT_EQ(to_string(id), "_____________________w");
}

TEST(Uuid, ReadsWhatItPrinted) {
  Random random(5);
  for (int i = 0; i < 100; ++i) {
    const Uuid id = Uuid::random(random);
    EXPECT_EQ(parse_uuid(to_string(id)), id);
  }
}

TEST(Uuid, RefusesOtherTexts) {
  EXPECT_EQ(parse_uuid(""), std::nullopt);
  EXPECT_EQ(parse_uuid("AAAAAAAAAAAAAAAAAAAAA"), std::nullopt);
  EXPECT_EQ(parse_uuid("AAAAAAAAAAAAAAAAAAAAAAA"), std::nullopt);
  EXPECT_EQ(parse_uuid("AAAAAAAAAAAAAAAAAAAAA="), std::nullopt);
  EXPECT_EQ(parse_uuid("AAAAAAAAAAAAAAAAAAAAAB"), std::nullopt);
}

TEST(Uuid, RandomIdsAreVersionFour) {
  Random random(3);
  const Uuid id = Uuid::random(random);
  EXPECT_EQ(id.bytes[6] >> 4, 4);
  EXPECT_EQ(id.bytes[8] >> 6, 2);
  EXPECT_NE(id, Uuid::random(random));
}

}  // namespace
}  // namespace magpie
