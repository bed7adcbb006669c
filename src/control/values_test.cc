#include "control/values.h"

#include <gtest/gtest.h>

#include "control/test_support.h"

namespace magpie::control {
namespace {

using testing::topic;

TEST(Values, AreReadableAndExact) {
  EXPECT_EQ(encode_topic(topic("a", 0xff, {1, 2})),
            R"({"id":"_____________________w","placement":[1,2],"v":1})");
  EXPECT_EQ(encode_configs({{"retention.ms", "5"}}), R"({"configs":{"retention.ms":"5"},"v":1})");
  EXPECT_EQ(encode_counter(12), R"({"next":12,"v":1})");
  EXPECT_EQ(encode_created({4, {}}), R"({"partitions":4,"v":1})");
}

TEST(Values, ComeBackAsTheyWere) {
  const Topic made = topic("orders", 9, {1, 3, 2'147'483'647});
  EXPECT_EQ(*decode_topic("topics/orders", "orders", encode_topic(made)), made);
  const ConfigValues configs = {{"a", ""}, {"b", "\"quoted\" \\ \n"}};
  EXPECT_EQ(*decode_configs("k", encode_configs(configs)), configs);
  EXPECT_EQ(*decode_counter("k", encode_counter(INT64_MAX)), INT64_MAX);
  EXPECT_EQ(*decode_created("k", encode_created({10'000, Uuid{1}})),
            (CreatedPartitions{10'000, Uuid{1}, {}}));
  const CreatedPartitions some{4, Uuid{1}, {0, 3}};
  EXPECT_EQ(*decode_created("k", encode_created(some)), some);
  EXPECT_FALSE(decode_created("k", R"({"absent":[3,0],"partitions":4,"v":1})"));
  EXPECT_FALSE(decode_created("k", R"({"absent":[4],"partitions":4,"v":1})"));
}

TEST(Values, IgnoreFieldsTheyDoNotKnow) {
  EXPECT_EQ(*decode_counter("k", R"({"v":1,"next":2,"comment":"hello"})"), 2);
}

TEST(Values, RefuseNewerVersions) {
  const auto result = decode_counter("epochs/next", R"({"v":2,"next":2})");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::kUnsupported);
  EXPECT_NE(result.error().message.find("epochs/next"), std::string::npos);
}

TEST(Values, RefuseMalformedTextsNamingTheKey) {
  for (const char* bad :
       {"", "7", "[]", "{", "{\"v\":1}", "{\"v\":0,\"next\":1}", "{\"v\":\"1\",\"next\":1}",
        "{\"v\":1,\"next\":-1}", "{\"v\":1,\"next\":1.5}", "{\"v\":1,\"next\":\"1\"}",
        "{\"v\":1,\"next\":9223372036854775808}", "{\"next\":1}"}) {
    const auto result = decode_counter("producer_ids/next", bad);
    ASSERT_FALSE(result) << bad;
    EXPECT_EQ(result.error().kind, ErrorKind::kCorrupt) << bad;
    EXPECT_NE(result.error().message.find("producer_ids/next"), std::string::npos) << bad;
  }
}

TEST(Values, RefuseMalformedTopics) {
  const std::string id = R"("id":"_____________________w")";
  for (const std::string& bad :
       {std::string(R"({"v":1,"placement":[1]})"), "{\"v\":1," + id + "}",
        "{\"v\":1," + id + ",\"placement\":[]}", "{\"v\":1," + id + ",\"placement\":[-1]}",
        "{\"v\":1," + id + ",\"placement\":[2147483648]}",
        "{\"v\":1," + id + ",\"placement\":[\"1\"]}", "{\"v\":1," + id + ",\"placement\":{}}",
        std::string(R"({"v":1,"id":"AAAAAAAAAAAAAAAAAAAAAA","placement":[1]})"),
        std::string(R"({"v":1,"id":"short","placement":[1]})"),
        std::string(R"({"v":1,"id":7,"placement":[1]})")}) {
    EXPECT_FALSE(decode_topic("topics/a", "a", bad)) << bad;
  }
  EXPECT_TRUE(decode_topic("topics/a", "a", "{\"v\":1," + id + ",\"placement\":[1]}"));
  EXPECT_FALSE(decode_topic("topics/a b", "a b", "{\"v\":1," + id + ",\"placement\":[1]}"));
  EXPECT_FALSE(decode_configs("k", R"({"v":1,"configs":[]})"));
  EXPECT_FALSE(decode_configs("k", R"({"v":1,"configs":{"a":1}})"));
  EXPECT_FALSE(decode_created("k", R"({"v":1,"partitions":0})"));
}

}  // namespace
}  // namespace magpie::control
