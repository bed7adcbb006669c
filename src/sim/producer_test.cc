#include "sim/producer.h"

#include <gtest/gtest.h>

namespace magpie::sim {
namespace {

TEST(Producer, OnlyAfterAFailoverABatchMayBeTooOldToBeRemembered) {
  EXPECT_TRUE(says_stored_long_ago(wire::ErrorCode::kDuplicateSequenceNumber, false));
  EXPECT_FALSE(says_stored_long_ago(wire::ErrorCode::kDuplicateSequenceNumber, true));
  EXPECT_FALSE(says_stored_long_ago(wire::ErrorCode::kOutOfOrderSequenceNumber, false));
}

}  // namespace
}  // namespace magpie::sim
