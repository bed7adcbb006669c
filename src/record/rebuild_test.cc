#include "record/rebuild.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

#include "record/builder.h"

namespace magpie::record {
namespace {

Buffer batch_of(int count, Codec codec) {
  BatchBuilder builder(codec);
  builder.set_producer({9}, {1}, 50);
  for (int i = 0; i < count; ++i) {
    const std::string key = "key" + std::to_string(i);
    const RecordHeader headers[] = {{"h", key}};
    builder.add({.timestamp = 1'000 + i * 3,
                 .key = key,
                 .value = i % 3 == 0 ? std::nullopt : std::optional<std::string_view>("v"),
                 .headers = headers});
  }
  Buffer batch = builder.build();
  stamp(batch.mutable_bytes(), {200}, {4});
  return batch;
}

RC_GTEST_PROP(KeepRecords, KeepsExactlyTheChosenOnesUnchanged, (uint8_t codec, uint16_t chosen)) {
  const Buffer batch = batch_of(16, static_cast<Codec>(codec % 5));
  const auto keep = [&](const RecordView& record) {
    return (chosen >> (record.offset.value - 200) & 1) != 0;
  };
  const bool mark = *rc::gen::arbitrary<bool>();
  const Result<Buffer> rebuilt =
      keep_records(batch, keep, mark ? std::optional<int64_t>(77'000) : std::nullopt);
  RC_ASSERT(rebuilt.has_value());
  RC_ASSERT(checksum_matches(rebuilt->bytes()));
  const BatchHeader before = parse_header(batch.bytes());
  const BatchHeader after = parse_header(rebuilt->bytes());
  RC_ASSERT(is_plausible(after));
  RC_ASSERT(after.base_offset == before.base_offset);
  RC_ASSERT(after.last_offset_delta == before.last_offset_delta);
  RC_ASSERT(after.producer_id == before.producer_id);
  RC_ASSERT(after.producer_epoch == before.producer_epoch);
  RC_ASSERT(after.base_sequence == before.base_sequence);
  RC_ASSERT(after.leader_epoch == before.leader_epoch);
  Result<RecordReader> old_reader = RecordReader::open(batch);
  Result<RecordReader> new_reader = RecordReader::open(*rebuilt);
  RC_ASSERT(old_reader.has_value() && new_reader.has_value());
  for (int i = 0; i < 16; ++i) {
    const auto expected = old_reader->next();
    if (!keep(**expected)) continue;
    const auto found = new_reader->next();
    RC_ASSERT(found.has_value() && found->has_value());
    RC_ASSERT((*found)->offset == (*expected)->offset);
    RC_ASSERT((*found)->timestamp == (*expected)->timestamp);
    RC_ASSERT((*found)->body == (*expected)->body);
  }
  const auto end = new_reader->next();
  RC_ASSERT(end.has_value() && !end->has_value());
}

TEST(KeepRecords, UnchangedBatchIsTheSameBuffer) {
  const Buffer batch = batch_of(4, Codec::kLz4);
  const Result<Buffer> kept = keep_records(
      batch, [](const auto&) { return true; }, std::nullopt);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->data(), batch.data());
}

TEST(KeepRecords, NothingLeftIsAHeaderWithTheOldTimestamp) {
  const Buffer batch = batch_of(4, Codec::kZstd);
  const Result<Buffer> kept = keep_records(
      batch, [](const auto&) { return false; }, 5);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->size(), kBatchHeaderBytes);
  const BatchHeader header = parse_header(kept->bytes());
  EXPECT_EQ(header.record_count, 0);
  EXPECT_EQ(header.codec(), Codec::kNone);
  EXPECT_EQ(header.max_timestamp, 1'009);
  EXPECT_EQ(header.next_offset(), Offset{204});
  EXPECT_FALSE(header.has_delete_horizon());
}

TEST(KeepRecords, TombstonesAreMarkedOnceWithTheirHorizon) {
  const auto all = [](const auto&) { return true; };
  const Result<Buffer> first = keep_records(batch_of(4, Codec::kNone), all, 90'000);
  ASSERT_TRUE(first);
  EXPECT_EQ(delete_horizon_of(parse_header(first->bytes())), 90'000);
  const Result<Buffer> second = keep_records(*first, all, 99'000);
  ASSERT_TRUE(second);
  EXPECT_EQ(delete_horizon_of(parse_header(second->bytes())), 90'000);
}

}  // namespace
}  // namespace magpie::record
