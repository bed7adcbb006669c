#include "server/config_text.h"

#include <gtest/gtest.h>

namespace magpie::server {
namespace {

TEST(ConfigText, DurationsNeedAUnit) {
  EXPECT_EQ(parse_duration("500ms"), Duration::milliseconds(500));
  EXPECT_EQ(parse_duration("30s"), Duration::seconds(30));
  EXPECT_EQ(parse_duration("5m"), Duration::seconds(300));
  EXPECT_EQ(parse_duration("7d"), Duration::seconds(7 * 86'400));
  EXPECT_EQ(parse_duration("0"), Duration{});
  EXPECT_EQ(parse_duration("30").error().message, "a duration needs a unit: 30s or 30ms");
  for (const char* wrong : {"", "s", "-5s", "1.5s", "5 m", "5w", "99999999999999999d"}) {
    EXPECT_FALSE(parse_duration(wrong).has_value()) << wrong;
  }
}

TEST(ConfigText, SizesAreBytesUnlessAUnitSaysOtherwise) {
  EXPECT_EQ(parse_size("4096"), 4096u);
  EXPECT_EQ(parse_size("16KiB"), 16u * 1024);
  EXPECT_EQ(parse_size("1GiB"), 1024u * 1024 * 1024);
  for (const char* wrong : {"", "MiB", "-1", "64MB", "64mib", "1.5GiB", "99999999999TiB"}) {
    EXPECT_FALSE(parse_size(wrong).has_value()) << wrong;
  }
}

TEST(ConfigText, PrintsTheLargestUnitThatIsExact) {
  EXPECT_EQ(duration_text(Duration::seconds(7 * 86'400)), "7d");
  EXPECT_EQ(duration_text(Duration::milliseconds(1'500)), "1500ms");
  EXPECT_EQ(duration_text(Duration{}), "0ms");
  EXPECT_EQ(size_text(64 * 1024 * 1024), "64MiB");
  EXPECT_EQ(size_text(1'000), "1000B");
  EXPECT_EQ(size_text(0), "0B");
}

TEST(ConfigText, Addresses) {
  EXPECT_EQ(parse_host_port("127.0.0.1:9092"), (HostPort{"127.0.0.1", 9092}));
  EXPECT_EQ(parse_host_port("[::1]:9092"), (HostPort{"::1", 9092}));
  EXPECT_EQ(host_port_text({"::1", 9092}), "[::1]:9092");
  for (const char* wrong :
       {"", ":9092", "host", "host:", "host:0", "host:70000", "::1:9092", "[host]:1", "host:90a"}) {
    EXPECT_FALSE(parse_host_port(wrong).has_value()) << wrong;
  }
}

TEST(ConfigText, LoopbackIsJudgedByTheAddressAlone) {
  for (const char* host : {"localhost", "127.0.0.1", "127.8.8.8", "::1"}) {
    EXPECT_TRUE(is_loopback(host)) << host;
  }
  for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "127.example.org", "magpie.example"}) {
    EXPECT_FALSE(is_loopback(host)) << host;
  }
}

TEST(ConfigText, FindsTheWordThatWasMeant) {
  const std::vector<std::string> known = {"connections", "partitions", "producers"};
  EXPECT_EQ(nearest_word("conections", known), "connections");
  EXPECT_EQ(nearest_word("partitoins", known), "partitions");
  EXPECT_EQ(nearest_word("tls", known), "");
}

}  // namespace
}  // namespace magpie::server
