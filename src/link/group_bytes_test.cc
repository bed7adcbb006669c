#include "link/group_bytes.h"

#include <gtest/gtest.h>

namespace magpie::link {
namespace {

TEST(WireShares, AreAsLargeAsTheParts) {
  const std::string pay = "pay";
  const std::string bulk = "bulk";
  WireShares shares;
  shares.add(pay, 978);
  shares.add(bulk, 2'978);
  shares.add(pay, 978);
  BytesByGroup counter;
  counter["pay"] = {.stored = 5, .wire = 10};
  shares.spread(500, counter);
  EXPECT_EQ(counter, (BytesByGroup{{"bulk", {0, 300}}, {"pay", {5, 210}}}));
}

TEST(WireShares, LeaveNothingOver) {
  const std::vector<std::string> groups = {"a", "b", "c"};
  for (const uint64_t bytes : {0, 1, 2, 7, 1'000'003}) {
    WireShares shares;
    for (const std::string& group : groups) shares.add(group, 0);
    BytesByGroup counter;
    shares.spread(bytes, counter);
    uint64_t sum = 0;
    for (const auto& [group, counted] : counter) sum += counted.wire;
    EXPECT_EQ(sum, bytes);
  }
  BytesByGroup counter;
  WireShares().spread(9, counter);
  EXPECT_TRUE(counter.empty());
}

}  // namespace
}  // namespace magpie::link
