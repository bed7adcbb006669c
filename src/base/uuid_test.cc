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

TEST(Uuid, RandomIdsAreVersionFour) {
  Random random(3);
  const Uuid id = Uuid::random(random);
  EXPECT_EQ(id.bytes[6] >> 4, 4);
  EXPECT_EQ(id.bytes[8] >> 6, 2);
  EXPECT_NE(id, Uuid::random(random));
}

}  // namespace
}  // namespace magpie
