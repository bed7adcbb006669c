#include "group/offset_records.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "base/byte_writer.h"
#include "base/random.h"
#include "group/durable_groups.h"
#include "group/group.h"
#include "group/test_bench.h"
#include "source_tree/source_dir.h"

namespace magpie::group {
namespace {

std::string hex(const Buffer& buffer) {
  std::string text;
  for (const std::byte byte : buffer.bytes()) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[static_cast<int>(byte) >> 4];
    text += kDigits[static_cast<int>(byte) & 15];
  }
  return text;
}

// The hex lines of the examples in the format's page, by the name that precedes them; what follows
// two spaces and a semicolon is a comment.
std::map<std::string, std::string> documented_examples() {
  std::ifstream page(MAGPIE_SOURCE_DIR "/docs/formats/consumer-offsets.md");
  std::map<std::string, std::string> examples;
  std::string line;
  std::string name;
  while (std::getline(page, line)) {
    if (line.rfind("example: ", 0) == 0) {
      name = line.substr(9);
    } else if (line.rfind("```", 0) == 0) {
      name.clear();
    } else if (!name.empty()) {
      for (const char digit : line.substr(0, line.find(';'))) {
        if (digit != ' ') examples[name] += digit;
      }
    }
  }
  return examples;
}

Position example_position() {
  return {Offset{42}, LeaderEpoch{3}, "note", WallTime{1'700'000'000'000}, std::nullopt};
}

GroupMetadata example_group() {
  return {"consumer",
          7,
          "range",
          "a-1",
          1'700'000'000'000,
          {{"a-1", std::nullopt, "a", "/10.0.0.1", 60'000, 10'000, bytes("sub"), bytes("share")}}};
}

TEST(OffsetRecords, AreTheBytesThatThePageShows) {
  const auto examples = documented_examples();
  const Record position = encode({"billing", PositionStored{{"orders", 5}, example_position()}});
  EXPECT_EQ(hex(position.key), examples.at("position key"));
  EXPECT_EQ(hex(*position.value), examples.at("position value"));
  Position expiring = example_position();
  expiring.expires_at = WallTime{1'700'000'060'000};
  EXPECT_EQ(hex(*encode({"billing", PositionStored{{"orders", 5}, expiring}}).value),
            examples.at("position value with its own expiry"));
  const Record group = encode({"billing", GroupStored{example_group()}});
  EXPECT_EQ(hex(group.key), examples.at("group key"));
  EXPECT_EQ(hex(*group.value), examples.at("group value"));
}

TEST(OffsetRecords, ARemovalHasTheKeyAndNoValue) {
  const Record stored = encode({"g", PositionStored{{"t", 0}, example_position()}});
  const Record removed = encode({"g", PositionRemoved{{"t", 0}}});
  EXPECT_EQ(removed.key.text(), stored.key.text());
  EXPECT_FALSE(removed.value);
  EXPECT_EQ(encode({"g", GroupRemoved{}}).key.text(),
            encode({"g", GroupStored{example_group()}}).key.text());
}

Position round_trip(const Position& position) {
  const auto change = decode(encode({"g", PositionStored{{"t", 1}, position}}));
  CHECK(change.has_value());
  return std::get<PositionStored>(change->what).position;
}

GroupMetadata round_trip(const GroupMetadata& metadata) {
  const auto change = decode(encode({"g", GroupStored{metadata}}));
  CHECK(change.has_value());
  return std::get<GroupStored>(change->what).metadata;
}

TEST(OffsetRecords, ComeBackAsTheyWere) {
  EXPECT_EQ(round_trip(example_position()), example_position());
  Position odd{Offset{INT64_MAX}, kNoLeaderEpoch, "", WallTime{0}, WallTime{INT64_MAX}};
  EXPECT_EQ(round_trip(odd), odd);
  EXPECT_EQ(round_trip(example_group()), example_group());
  GroupMetadata two = example_group();
  two.members.push_back({"i-2", "i", "", "", 0, 6'000, Buffer(), Buffer()});
  EXPECT_EQ(round_trip(two), two);
  const GroupMetadata empty{"consumer", 8, std::nullopt, std::nullopt, -1, {}};
  EXPECT_EQ(round_trip(empty), empty);
}

// Version 1 of a position has no leader epoch.
TEST(OffsetRecords, APositionWithItsOwnExpiryLosesItsEpoch) {
  Position position = example_position();
  position.expires_at = WallTime{5};
  EXPECT_EQ(round_trip(position).leader_epoch, kNoLeaderEpoch);
}

TEST(OffsetRecords, AGroupOfTheFirstVersionHasOneTimeoutForBoth) {
  ByteWriter writer;
  const auto text = [&](std::string_view value) {
    writer.write_int16(static_cast<int16_t>(value.size()));
    writer.write_text(value);
  };
  writer.write_int16(0);
  text("consumer");
  writer.write_int32(4);
  text("range");
  text("m");
  writer.write_int32(1);
  for (const char* field : {"m", "client", "host"}) text(field);
  writer.write_int32(9'000);  // session timeout
  writer.write_int32(0);      // subscription
  writer.write_int32(0);      // assignment
  const Record group = encode({"g", GroupRemoved{}});
  const auto change = decode({group.key, flatten(writer.finish())});
  ASSERT_TRUE(change) << change.error().message;
  const GroupMetadata metadata = std::get<GroupStored>(change->what).metadata;
  EXPECT_EQ(metadata.members.at(0).rebalance_timeout_ms, 9'000);
  EXPECT_EQ(metadata.state_since_millis, -1);
}

ErrorKind error_of(const Record& record) {
  const auto change = decode(record);
  CHECK(!change.has_value());
  return change.error().kind;
}

TEST(OffsetRecords, VersionsThatAreNotKnownAreSaidToBe) {
  const Buffer unknown_key = bytes(std::string_view("\0\x03\0\x01g", 5));
  EXPECT_EQ(error_of({unknown_key, std::nullopt}), ErrorKind::kUnsupported);
  Record position = encode({"g", PositionStored{{"t", 0}, example_position()}});
  position.value->mutable_bytes()[1] = std::byte{5};
  EXPECT_EQ(error_of(position), ErrorKind::kUnsupported);
  Record group = encode({"g", GroupStored{example_group()}});
  group.value->mutable_bytes()[1] = std::byte{5};
  EXPECT_EQ(error_of(group), ErrorKind::kUnsupported);
}

TEST(OffsetRecords, EveryTruncationAndEveryExtraByteIsCorrupt) {
  const std::vector<Record> records = {encode({"g", PositionStored{{"t", 0}, example_position()}}),
                                       encode({"g", GroupStored{example_group()}})};
  for (const Record& record : records) {
    for (size_t length = 0; length < record.key.size(); ++length) {
      EXPECT_EQ(error_of({record.key.slice(0, length), record.value}), ErrorKind::kCorrupt);
    }
    for (size_t length = 0; length < record.value->size(); ++length) {
      EXPECT_EQ(error_of({record.key, record.value->slice(0, length)}), ErrorKind::kCorrupt);
    }
    const Buffer longer = bytes(std::string(record.value->text()) + "x");
    EXPECT_EQ(error_of({record.key, longer}), ErrorKind::kCorrupt);
  }
}

TEST(OffsetRecords, AGroupThatContradictsItselfIsCorrupt) {
  const auto with = [](auto change) {
    GroupMetadata metadata = example_group();
    change(metadata);
    return encode({"g", GroupStored{metadata}});
  };
  const auto second = [](const char* id, std::optional<std::string> instance) {
    return MemberMetadata{id, std::move(instance), "", "", 0, 0, Buffer(), Buffer()};
  };
  EXPECT_EQ(error_of(with([](GroupMetadata& group) { group.leader = "gone"; })),
            ErrorKind::kCorrupt);
  EXPECT_EQ(error_of(with([](GroupMetadata& group) { group.leader.reset(); })),
            ErrorKind::kCorrupt);
  EXPECT_EQ(error_of(with([](GroupMetadata& group) { group.protocol_name.reset(); })),
            ErrorKind::kCorrupt);
  EXPECT_EQ(error_of(with([&](GroupMetadata& group) {
              group.members.push_back(second("a-1", std::nullopt));
            })),
            ErrorKind::kCorrupt);
  EXPECT_EQ(error_of(with([&](GroupMetadata& group) {
              group.members.push_back(second("b", "i"));
              group.members.push_back(second("c", "i"));
            })),
            ErrorKind::kCorrupt);
}

// Flipped bits must never crash the loading; whether they are noticed is the batch checksum's task.
TEST(OffsetRecords, DamagedBytesDecodeOrFailAndNothingElse) {
  Random random(11);
  const Record good = encode({"g", GroupStored{example_group()}});
  for (int i = 0; i < 20'000; ++i) {
    Record damaged{bytes(good.key.text()), bytes(good.value->text())};
    const auto flip = [&](Buffer& buffer) {
      buffer.mutable_bytes()[random.below(buffer.size())] ^= std::byte(1u << random.below(8));
    };
    flip(*damaged.value);
    if (random.chance(1, 4)) flip(damaged.key);
    const auto change = decode(damaged);
    if (!change) continue;
    DurableGroups groups;
    groups.apply(*change);
    for (const auto& [id, stored] : groups.groups()) {
      ASSERT_TRUE(stored.metadata);
      const Group group(id, *stored.metadata);  // its CHECKs hold for whatever was let through
      ASSERT_EQ(group.members().size(), stored.metadata->members.size());
    }
  }
}

}  // namespace
}  // namespace magpie::group
