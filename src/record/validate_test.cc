#include "record/validate.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <functional>
#include <string>

#include "record/builder.h"

namespace magpie::record {
namespace {

Buffer sample(int count = 3, Codec codec = Codec::kNone) {
  BatchBuilder builder(codec);
  for (int i = 0; i < count; ++i) {
    builder.add({.timestamp = 1'000 + i, .key = "key", .value = "value"});
  }
  return builder.build();
}

// A valid batch whose header was changed before the checksum was made.
Buffer changed(const std::function<void(BatchHeader&)>& change) {
  Buffer batch = sample();
  BatchHeader header = parse_header(batch.bytes());
  change(header);
  store_header(batch.mutable_bytes(), header);
  header.crc = checksum_of(batch.bytes());
  store_header(batch.mutable_bytes(), header);
  return batch;
}

// The fault found in `records`; nothing if they pass.
std::optional<Fault> fault_of(const Buffer& records) {
  const auto header = validate_produced(records);
  if (header) return std::nullopt;
  return header.error().fault;
}

TEST(Validate, WhatProducersSendPasses) {
  for (const Codec codec :
       {Codec::kNone, Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd}) {
    EXPECT_EQ(fault_of(sample(5, codec)), std::nullopt) << to_string(codec);
  }
  const auto header = validate_produced(sample(3));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->record_count, 3);
}

TEST(Validate, FieldsThatContradictEachOther) {
  EXPECT_EQ(fault_of(changed([](auto& h) { h.record_count = 0; })), Fault::kRecordCount);
  EXPECT_EQ(fault_of(changed([](auto& h) { h.record_count = 2; })), Fault::kRecordCount);
  EXPECT_EQ(fault_of(changed([](auto& h) { h.last_offset_delta = INT32_MAX; })),
            Fault::kRecordCount);
  EXPECT_EQ(fault_of(changed([](auto& h) {
              h.record_count = 1'000;
              h.last_offset_delta = 999;
            })),
            Fault::kRecordCount);
  EXPECT_EQ(fault_of(changed([](auto& h) { h.max_timestamp = 999; })), Fault::kTimestamp);
  EXPECT_EQ(fault_of(changed([](auto& h) { h.first_timestamp = -2; })), Fault::kTimestamp);
  EXPECT_EQ(fault_of(changed([](auto& h) { h.attributes = kLogAppendTimeBit; })),
            Fault::kTimestamp);
  EXPECT_EQ(fault_of(changed([](auto& h) { h.attributes = kControlBit; })), Fault::kControl);
  EXPECT_EQ(fault_of(changed([](auto& h) { h.attributes = 6; })), Fault::kUnknownCodec);
  EXPECT_EQ(fault_of(changed([](auto& h) { h.attributes = kDeleteHorizonBit; })),
            Fault::kMalformed);
}

TEST(Validate, TransactionalBatchesPassAndAreFlagged) {
  const auto header = validate_produced(changed([](auto& h) { h.attributes = kTransactionalBit; }));
  ASSERT_TRUE(header);
  EXPECT_TRUE(header->is_transactional());
}

TEST(Validate, ProducerFieldsBelongTogether) {
  const auto with = [](int64_t id, int16_t epoch, int32_t sequence) {
    return fault_of(changed([=](BatchHeader& h) {
      h.producer_id = {id};
      h.producer_epoch = {epoch};
      h.base_sequence = sequence;
    }));
  };
  EXPECT_EQ(with(0, 0, 0), std::nullopt);
  EXPECT_EQ(with(-1, 0, 0), std::nullopt);  // as kafkajs sends without idempotence
  EXPECT_EQ(with(5, -1, 0), Fault::kProducer);
  EXPECT_EQ(with(5, 0, -1), Fault::kProducer);
  EXPECT_EQ(with(-2, 0, 0), Fault::kProducer);
}

TEST(Validate, ExactlyOneWholeBatch) {
  const Buffer batch = sample();
  EXPECT_EQ(fault_of(Buffer()), Fault::kNotOneBatch);
  EXPECT_EQ(fault_of(flatten({batch, batch})), Fault::kNotOneBatch);
  for (size_t length = 1; length < batch.size(); ++length) {
    EXPECT_EQ(fault_of(batch.slice(0, length)), Fault::kMalformed) << length;
  }
}

TEST(Validate, OldFormatsHaveAReasonOfTheirOwn) {
  for (const int8_t magic : {0, 1}) {
    EXPECT_EQ(fault_of(changed([=](BatchHeader& h) { h.magic = magic; })), Fault::kOldFormat);
    // The smallest old message is shorter than a batch header.
    EXPECT_EQ(fault_of(changed([=](BatchHeader& h) { h.magic = magic; }).slice(0, 26)),
              Fault::kOldFormat);
  }
  EXPECT_EQ(fault_of(changed([](BatchHeader& h) { h.magic = 3; })), Fault::kMalformed);
}

RC_GTEST_PROP(Validate, OneFlippedBitNeverPassesUnlessThePartitionOverwritesIt, ()) {
  Buffer batch = sample();
  const auto bit = *rc::gen::inRange<size_t>(0, batch.size() * 8);
  batch.mutable_bytes()[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
  const size_t byte = bit / 8;
  const bool stamped = byte < 8 || (byte >= 12 && byte < 16);  // base offset, leader epoch
  RC_ASSERT(validate_produced(batch).has_value() == stamped);
}

RC_GTEST_PROP(Validate, GarbageIsRefusedWithoutHarm, (const std::string& bytes)) {
  RC_ASSERT(!validate_produced(Buffer::copy_of(bytes)).has_value());
}

TEST(SplitBatches, CutsAtTheBordersAndSharesTheBlock) {
  const Buffer one = sample(1);
  const Buffer two = sample(7, Codec::kGzip);
  const Buffer both = flatten({one, two});
  const auto batches = split_batches(both);
  ASSERT_TRUE(batches);
  ASSERT_EQ(batches->size(), 2u);
  EXPECT_EQ((*batches)[0], one);
  EXPECT_EQ((*batches)[1], two);
  EXPECT_EQ((*batches)[1].data(), both.data() + one.size());
  EXPECT_FALSE(split_batches(both.slice(0, both.size() - 1)));
  EXPECT_TRUE(split_batches(Buffer())->empty());
}

}  // namespace
}  // namespace magpie::record
