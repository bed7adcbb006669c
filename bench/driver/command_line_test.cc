#include "driver/command_line.h"

#include <gtest/gtest.h>

#include <vector>

namespace magpie::bench {
namespace {

Result<Settings> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "magpie-bench-driver");
  bool help = false;
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data(), help);
}

TEST(CommandLine, EachModeHasItsName) {
  for (const Mode mode :
       {Mode::kProduce, Mode::kConsume, Mode::kFollow, Mode::kCreate, Mode::kDelete}) {
    const auto settings = parse({to_string(mode)});
    ASSERT_TRUE(settings) << settings.error().message;
    EXPECT_EQ(settings->mode, mode);
  }
}

TEST(CommandLine, ValuesReachTheSettings) {
  const auto settings =
      parse({"follow", "--message-bytes", "100", "--rate", "2500", "--idempotent", "--partitions",
             "16", "-X", "compression.type=lz4", "--byte-budget", "5000000000"});
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->message_bytes, 100u);
  EXPECT_EQ(settings->rate, 2500);
  EXPECT_TRUE(settings->idempotent);
  EXPECT_EQ(settings->partitions, 16);
  EXPECT_EQ(settings->byte_budget, 5'000'000'000u);
  EXPECT_EQ(settings->properties, std::vector<std::string>{"compression.type=lz4"});
}

TEST(CommandLine, RefusesWhatItDoesNotKnow) {
  EXPECT_FALSE(parse({}));
  EXPECT_FALSE(parse({"steal"}));
  EXPECT_FALSE(parse({"produce", "--partitions", "0"}));
  EXPECT_FALSE(parse({"consume", "--rate", "5"}));
  EXPECT_FALSE(parse({"produce", "--consumer-brokers", "127.0.0.1:1"}));
  // Too small for the stamp of a follow run.
  EXPECT_FALSE(parse({"follow", "--message-bytes", "7"}));
}

TEST(CommandLine, HelpIsNotAnError) {
  const std::vector<const char*> arguments = {"magpie-bench-driver", "--help"};
  bool help = false;
  const auto settings =
      parse_command_line(static_cast<int>(arguments.size()), arguments.data(), help);
  EXPECT_FALSE(settings);
  EXPECT_TRUE(help);
  EXPECT_NE(settings.error().message.find("produce"), std::string::npos);
}

}  // namespace
}  // namespace magpie::bench
