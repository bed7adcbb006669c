// What must hold for every message in every version.
#include "wire/all_messages.h"

#include <gtest/gtest.h>

#include <string>

namespace magpie::wire {
namespace {

// Calls `check(message, version)` for every message and version described.
template <typename Check>
void for_every_version(Check check) {
  for (const MessageEntry& message : all_messages()) {
    for (int version = message.lowest_version; version <= message.highest_version; ++version) {
      SCOPED_TRACE(std::string(message.name) + " version " + std::to_string(version));
      check(message, version);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(AllMessages, ThereIsARequestForEveryApi) {
  for (const ApiInfo& api : api_table()) {
    int found = 0;
    for (const MessageEntry& message : all_messages()) {
      if (message.request_key != static_cast<int16_t>(api.key)) continue;
      ++found;
      EXPECT_EQ(message.name, std::string(api.name) + "Request");
      EXPECT_EQ(message.lowest_version, api.described.low);
      EXPECT_EQ(message.highest_version, api.described.high);
      EXPECT_EQ(message.flexible_from, api.flexible_from);
    }
    EXPECT_EQ(found, 1) << api.name;
  }
}

TEST(AllMessages, SurviveARoundTrip) {
  Random random(1);
  for_every_version([&](const MessageEntry& message, int version) {
    for (int round = 0; round < 30; ++round) ASSERT_TRUE(message.survives(random, version));
  });
}

TEST(AllMessages, TruncationAtEveryByteIsMalformed) {
  Random random(2);
  for_every_version([&](const MessageEntry& message, int version) {
    const Buffer bytes = message.random_bytes(random, version, version);
    for (size_t length = 0; length < bytes.size(); ++length) {
      ByteReader in(bytes.slice(0, length));
      ASSERT_FALSE(message.recode(in, version).has_value()) << length << " of " << bytes.size();
    }
  });
}

// Decoding is total: whatever the bytes, it ends, and what it accepts can be encoded again and then
// reads back as the same message.
TEST(AllMessages, ChangedBytesAreRefusedOrMeanSomething) {
  Random random(3);
  for_every_version([&](const MessageEntry& message, int version) {
    for (int round = 0; round < 20; ++round) {
      Buffer bytes = message.random_bytes(random, version, version);
      if (bytes.empty()) continue;
      for (uint64_t changes = random.below(4) + 1; changes > 0; --changes) {
        bytes.mutable_bytes()[random.below(bytes.size())] = static_cast<std::byte>(random.next());
      }
      ByteReader in(bytes);
      const std::optional<Buffer> once = message.recode(in, version);
      if (!once.has_value()) continue;
      ByteReader again(*once);
      const std::optional<Buffer> twice = message.recode(again, version);
      ASSERT_TRUE(twice.has_value());
      EXPECT_EQ(again.remaining(), 0u);
      EXPECT_EQ(*once, *twice);
    }
  });
}

// Pitfall 9: an instance may hold fields that the client's version does not have, tagged ones
// above all; none of them may reach the wire.
TEST(Pitfall9TaggedFieldsOfOtherVersions, AnInstanceOfAnyVersionEncodesInAnyOther) {
  Random random(9);
  for_every_version([&](const MessageEntry& message, int version) {
    for (int filled = message.lowest_version; filled <= message.highest_version; ++filled) {
      const Buffer bytes = message.random_bytes(random, filled, version);
      ByteReader in(bytes);
      const std::optional<Buffer> again = message.recode(in, version);
      ASSERT_TRUE(again.has_value()) << "filled for " << filled;
      EXPECT_EQ(in.remaining(), 0u);
      EXPECT_EQ(*again, bytes);
    }
  });
}

TEST(AllMessages, UnknownTaggedFieldsAreSkipped) {
  for_every_version([&](const MessageEntry& message, int version) {
    if (!message.is_flexible(version)) return;
    const Buffer plain = message.default_bytes(version);
    ASSERT_EQ(plain.text().back(), '\0');  // no tagged fields
    std::string tagged(plain.text().substr(0, plain.size() - 1));
    tagged += std::string("\x02\x63\x03xyz\xff\x7f\x00", 9);  // tag 99: "xyz"; tag 16383: ""
    ByteReader in(Buffer::copy_of(tagged));
    const std::optional<Buffer> decoded = message.recode(in, version);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(in.remaining(), 0u);
    EXPECT_EQ(*decoded, plain);
  });
}

// Counts what it sees and sets every number to one value.
class Flattener : public FieldVisitor {
 public:
  void number(const std::string&, int64_t& value) override { ++fields, value = 1; }
  void error_code(const std::string&, ErrorCode&) override { ++fields; }
  void text(const std::string&, std::string& value) override { ++fields, value = "x"; }
  void uuid(const std::string&, Uuid&) override { ++fields; }
  void bytes(const std::string&, Buffer&) override { ++fields; }
  void null(const std::string&) override { ++fields; }
  void count(const std::string&, size_t) override {}

  int fields = 0;
};

TEST(AllMessages, AVisitorSeesEveryFieldOfAVersionAndMayChangeIt) {
  Random random(5);
  int changed = 0;
  for_every_version([&](const MessageEntry& message, int version) {
    ByteReader in(message.random_bytes(random, version, version));
    Flattener first;
    const auto flat = message.visit(in, version, first);
    ASSERT_TRUE(flat);
    ByteReader flat_in(*flat);
    Flattener second;
    EXPECT_EQ(message.visit(flat_in, version, second), flat) << "nothing is left to change";
    EXPECT_EQ(first.fields, second.fields);
    changed += first.fields;
  });
  EXPECT_GT(changed, 1'000);
}

TEST(AllMessages, BytesAfterAMessageAreLeftAlone) {
  Random random(4);
  for_every_version([&](const MessageEntry& message, int version) {
    const Buffer bytes = message.random_bytes(random, version, version);
    ByteReader in(Buffer::copy_of(std::string(bytes.text()) + "tail"));
    ASSERT_EQ(message.recode(in, version), bytes);
    EXPECT_EQ(in.read_text(in.remaining()), "tail");
  });
}

}  // namespace
}  // namespace magpie::wire
