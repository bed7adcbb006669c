#include "group/consumer_protocol.h"

#include <gtest/gtest.h>

#include "group/test_bench.h"

namespace magpie::group {
namespace {

TEST(ConsumerProtocol, NamesTheTopicsOfASubscription) {
  EXPECT_EQ(subscribed_topics(subscription({"orders", "returns"})),
            (std::vector<std::string>{"orders", "returns"}));
  EXPECT_EQ(subscribed_topics(subscription({})), std::vector<std::string>{});
}

TEST(ConsumerProtocol, IgnoresWhatNewerVersionsAdd) {
  const std::string newer("\x00\x63\x00\x00\x00\x01\x00\x01tanything", 18);
  EXPECT_EQ(subscribed_topics(bytes(newer)), std::vector<std::string>{"t"});
}

TEST(ConsumerProtocol, BytesOfAnotherKindAreNotASubscription) {
  EXPECT_EQ(subscribed_topics(bytes("")), std::nullopt);
  EXPECT_EQ(subscribed_topics(bytes("{\"version\":1}")), std::nullopt);
  EXPECT_EQ(subscribed_topics(bytes(std::string_view("\xff\xff\0\0\0\0", 6))), std::nullopt);
  EXPECT_EQ(subscribed_topics(bytes(std::string_view("\0\1\xff\xff\xff\xff", 6))), std::nullopt);
  EXPECT_EQ(subscribed_topics(bytes(std::string_view("\0\1\0\0\0\1\xff\xff", 8))), std::nullopt);
  const Buffer whole = subscription({"orders"});
  for (size_t length = 0; length < 2 + 4 + 2 + 6; ++length) {
    EXPECT_EQ(subscribed_topics(whole.slice(0, length)), std::nullopt) << length;
  }
}

}  // namespace
}  // namespace magpie::group
