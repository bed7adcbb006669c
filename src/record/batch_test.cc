#include "record/batch.h"

#include <gtest/gtest.h>

#include "record/builder.h"

namespace magpie::record {
namespace {

Buffer sample(Codec codec = Codec::kNone) {
  BatchBuilder builder(codec);
  builder.set_producer({7}, {2}, 100);
  builder.add({.timestamp = 1'000, .key = "k", .value = "first"});
  builder.add({.timestamp = 1'005, .key = std::nullopt, .value = "second"});
  return builder.build();
}

TEST(Batch, HeaderFieldsSurviveStoreAndParse) {
  BatchHeader header;
  header.base_offset = {0x0102030405060708};
  header.length = 0x11121314;
  header.leader_epoch = {0x21222324};
  header.crc = 0xf1f2f3f4;
  header.attributes = 0x3132;
  header.last_offset_delta = 0x41424344;
  header.first_timestamp = -1;
  header.max_timestamp = 0x5152535455565758;
  header.producer_id = {0x6162636465666768};
  header.producer_epoch = {0x7172};
  header.base_sequence = 0x01020304;
  header.record_count = 0x05060708;
  Buffer bytes = Buffer::allocate(kBatchHeaderBytes);
  store_header(bytes.mutable_bytes(), header);
  EXPECT_EQ(parse_header(bytes.bytes()), header);
}

// The worked example of docs/formats/record-batch.md, byte for byte.
TEST(Batch, MatchesTheWorkedExample) {
  BatchBuilder builder;
  builder.add({.timestamp = 1'700'000'000'000, .key = "k", .value = "hi"});
  Buffer batch = builder.build();
  stamp(batch.mutable_bytes(), {5}, {3});
  const std::string_view expected(
      "\0\0\0\0\0\0\0\x05"                // base offset
      "\0\0\0\x3b"                        // length: 59
      "\0\0\0\x03"                        // leader epoch
      "\x02"                              // magic
      "\xcb\xf3\x29\xe0"                  // checksum
      "\0\0"                              // attributes
      "\0\0\0\0"                          // last offset delta
      "\0\0\x01\x8b\xcf\xe5\x68\0"        // first timestamp
      "\0\0\x01\x8b\xcf\xe5\x68\0"        // max timestamp
      "\xff\xff\xff\xff\xff\xff\xff\xff"  // producer id
      "\xff\xff"                          // producer epoch
      "\xff\xff\xff\xff"                  // base sequence
      "\0\0\0\x01"                        // record count
      "\x12\0\0\0\x02k\x04hi\0",          // one record
      71);
  EXPECT_EQ(batch.text(), expected);
  EXPECT_TRUE(checksum_matches(batch.bytes()));
}

TEST(Batch, StampLeavesTheChecksumValid) {
  Buffer batch = sample();
  stamp(batch.mutable_bytes(), {42}, {9});
  const BatchHeader header = parse_header(batch.bytes());
  EXPECT_EQ(header.base_offset, Offset{42});
  EXPECT_EQ(header.leader_epoch, LeaderEpoch{9});
  EXPECT_EQ(header.last_offset(), Offset{43});
  EXPECT_EQ(header.next_offset(), Offset{44});
  EXPECT_TRUE(checksum_matches(batch.bytes()));
}

TEST(Batch, AppendTimeIsSeenByReadersAndCovered) {
  Buffer batch = sample();
  stamp_append_time(batch.mutable_bytes(), 5'000);
  EXPECT_TRUE(checksum_matches(batch.bytes()));
  EXPECT_TRUE(parse_header(batch.bytes()).uses_log_append_time());
  auto reader = RecordReader::open(batch);
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader->next())->timestamp, 5'000);
}

// Offset, length, leader epoch and magic lie outside the checksum; whoever reads a log checks them
// against the neighbours. Everything behind them is covered.
TEST(Batch, EveryFlippedBitUnderTheChecksumIsSeen) {
  for (const Codec codec : {Codec::kNone, Codec::kZstd}) {
    const Buffer whole = sample(codec);
    for (size_t bit = 17 * 8; bit < whole.size() * 8; ++bit) {
      Buffer damaged = Buffer::copy_of(whole.bytes());
      damaged.mutable_bytes()[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
      EXPECT_FALSE(checksum_matches(damaged.bytes())) << "bit " << bit;
    }
  }
}

TEST(Batch, ImplausibleHeadersAreRecognised) {
  const BatchHeader good = parse_header(sample().bytes());
  EXPECT_TRUE(is_plausible(good));
  const auto broken = [&](auto change) {
    BatchHeader header = good;
    change(header);
    return !is_plausible(header);
  };
  EXPECT_TRUE(broken([](BatchHeader& h) { h.magic = 1; }));
  EXPECT_TRUE(broken([](BatchHeader& h) { h.length = 48; }));
  EXPECT_TRUE(broken([](BatchHeader& h) { h.length = INT32_MAX; }));
  EXPECT_TRUE(broken([](BatchHeader& h) { h.base_offset = {-1}; }));
  EXPECT_TRUE(broken([](BatchHeader& h) { h.base_offset = {INT64_MAX}; }));
  EXPECT_TRUE(broken([](BatchHeader& h) { h.last_offset_delta = -1; }));
  EXPECT_TRUE(broken([](BatchHeader& h) { h.record_count = 3; }));
  EXPECT_TRUE(broken([](BatchHeader& h) { h.attributes = 5; }));
}

}  // namespace
}  // namespace magpie::record
