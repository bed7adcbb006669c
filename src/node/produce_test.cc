// Produce: what is stored, what is refused, and when the answer leaves.
#include <gtest/gtest.h>

#include "node/testing/topics.h"
#include "record/builder.h"
#include "wire/api_versions.h"

namespace magpie::node::testing {
namespace {

using wire::ErrorCode;
using wire::ProduceResponse;

class ProduceTest : public ::testing::Test {
 protected:
  ProduceTest() {
    harness_.config.auto_create_topics = false;
    harness_.boot();
    create_topic(client_, "t", 2);
  }

  // The batch with one byte changed.
  static Buffer with_byte(const Buffer& batch, size_t position, uint8_t value) {
    Buffer changed = Buffer::copy_of(batch.text());
    changed.mutable_bytes()[position] = std::byte{value};
    return changed;
  }
  int64_t log_end() { return fetch(client_, "t", 0, 0).high_watermark; }

  NodeHarness harness_;
  TestClient client_{harness_};
};

TEST_F(ProduceTest, EveryVersionStoresAndNamesTheOffset) {
  for (int version = 3; version <= 11; ++version) {
    const auto answer = produce(client_, "t", 0, batch_of({"a", "b"}), version);
    EXPECT_EQ(answer.error_code, ErrorCode::kNone) << version;
    EXPECT_EQ(answer.base_offset, (version - 3) * 2) << version;
    EXPECT_EQ(answer.log_append_time_ms, -1) << version;
    EXPECT_EQ(answer.log_start_offset, version >= 5 ? 0 : -1) << version;
  }
}

TEST_F(ProduceTest, VersionsBefore3AreOfferedAndRefusedInKind) {
  for (int version = 0; version <= 2; ++version) {
    const auto answer = produce(client_, "t", 0, batch_of({"a"}), version);
    EXPECT_EQ(answer.error_code, ErrorCode::kUnsupportedVersion) << version;
    EXPECT_EQ(answer.base_offset, -1) << version;
    EXPECT_TRUE(client_.is_open()) << version;
  }
  EXPECT_EQ(log_end(), 0);
}

TEST_F(ProduceTest, AnswersOnlyOnceTheRecordsAreDurable) {
  harness_.disk.hold(true);
  client_.send(produce_request("t", 0, batch_of({"a"})), 9);
  harness_.settle();
  EXPECT_FALSE(client_.take_frame()) << "acknowledged before the disk had it";
  harness_.disk.hold(false);
  harness_.settle();
  const auto answer = client_.take<ProduceResponse>(9);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->responses[0].partition_responses[0].error_code, ErrorCode::kNone);
}

TEST_F(ProduceTest, AcksOneWaitsLikeAcksAll) {
  harness_.disk.hold(true);
  client_.send(produce_request("t", 0, batch_of({"a"}), 1), 9);
  harness_.settle();
  EXPECT_FALSE(client_.take_frame());
}

TEST_F(ProduceTest, AnswersOfOneConnectionKeepTheOrderOfTheRequests) {
  client_.send(produce_request("t", 0, batch_of({"a"})), 9);
  harness_.disk.hold(true);
  client_.send(produce_request("t", 1, batch_of({"b"})), 9);
  client_.send(wire::ApiVersionsRequest(), 0);
  harness_.settle();
  EXPECT_TRUE(client_.take<ProduceResponse>(9));
  EXPECT_FALSE(client_.take_frame()) << "the later answer must wait for the earlier one";
  harness_.disk.hold(false);
  harness_.settle();
  EXPECT_TRUE(client_.take<ProduceResponse>(9));
  EXPECT_TRUE(client_.take<wire::ApiVersionsResponse>(0));
}

TEST_F(ProduceTest, PartitionsOfOneRequestAreDecidedOneByOne) {
  wire::ProduceRequest request = produce_request("t", 1, batch_of({"good"}));
  request.topic_data[0].partition_data.push_back({7, batch_of({"no such partition"})});
  request.topic_data[0].partition_data.push_back({0, Buffer::copy_of("garbage")});
  request.topic_data.push_back({"missing", {}, {{0, batch_of({"no such topic"})}}});
  const auto answer = client_.call<ProduceResponse>(request);
  ASSERT_EQ(answer.responses.size(), 2u);
  const auto& known = answer.responses[0].partition_responses;
  ASSERT_EQ(known.size(), 3u);
  EXPECT_EQ(known[0].index, 1);
  EXPECT_EQ(known[0].error_code, ErrorCode::kNone);
  EXPECT_EQ(known[1].index, 7);
  EXPECT_EQ(known[1].error_code, ErrorCode::kUnknownTopicOrPartition);
  EXPECT_EQ(known[1].base_offset, -1);
  EXPECT_EQ(known[2].error_code, ErrorCode::kCorruptMessage);
  EXPECT_EQ(answer.responses[1].name, "missing");
  EXPECT_EQ(answer.responses[1].partition_responses[0].error_code,
            ErrorCode::kUnknownTopicOrPartition);
}

TEST_F(ProduceTest, NoRecordsAtAllAreRefused) {
  wire::ProduceRequest request = produce_request("t", 0, Buffer());
  EXPECT_EQ(client_.call<ProduceResponse>(request).responses[0].partition_responses[0].error_code,
            ErrorCode::kInvalidRecord);
  request.topic_data[0].partition_data[0].records.reset();
  EXPECT_EQ(client_.call<ProduceResponse>(request).responses[0].partition_responses[0].error_code,
            ErrorCode::kInvalidRecord);
}

TEST_F(ProduceTest, ADamagedBatchIsCorruptAndNotStored) {
  const Buffer batch = batch_of({"a value that is long enough to damage"});
  const auto answer = produce(client_, "t", 0, with_byte(batch, batch.size() - 5, 0xff));
  EXPECT_EQ(answer.error_code, ErrorCode::kCorruptMessage);
  EXPECT_EQ(log_end(), 0);
}

TEST_F(ProduceTest, OldMessageFormatsAreRefused) {
  for (const uint8_t magic : {uint8_t{0}, uint8_t{1}}) {
    EXPECT_EQ(produce(client_, "t", 0, with_byte(batch_of({"a"}), 16, magic)).error_code,
              ErrorCode::kUnsupportedForMessageFormat);
  }
}

TEST_F(ProduceTest, AllFiveCodecsAreStoredAsTheyCame) {
  using record::Codec;
  int64_t next = 0;
  for (const Codec codec :
       {Codec::kNone, Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd}) {
    const auto answer = produce(client_, "t", 0, batch_of({"packed"}, 1'000, codec));
    EXPECT_EQ(answer.error_code, ErrorCode::kNone) << record::to_string(codec);
    const auto stored = fetch(client_, "t", 0, next++);
    EXPECT_EQ(record::parse_header(flatten(*stored.records).bytes()).codec(), codec);
    EXPECT_EQ(records_in(stored)[0].second, "packed");
  }
}

TEST_F(ProduceTest, AnUnknownCodecIsRefused) {
  record::BatchHeader header = record::parse_header(batch_of({"a"}).bytes());
  header.attributes = 5;
  Buffer batch = Buffer::copy_of(batch_of({"a"}).text());
  record::store_header(batch.mutable_bytes(), header);
  header.crc = record::checksum_of(batch.bytes());
  record::store_header(batch.mutable_bytes(), header);
  EXPECT_EQ(produce(client_, "t", 0, batch).error_code, ErrorCode::kUnsupportedCompressionType);
}

TEST_F(ProduceTest, ZstdNeedsVersion7) {
  const Buffer batch = batch_of({"a"}, 1'000, record::Codec::kZstd);
  EXPECT_EQ(produce(client_, "t", 0, batch, 6).error_code, ErrorCode::kUnsupportedCompressionType);
  EXPECT_EQ(produce(client_, "t", 0, batch, 7).error_code, ErrorCode::kNone);
}

TEST_F(ProduceTest, ABatchAboveMaxMessageBytesIsTooLarge) {
  const size_t size = batch_of({std::string(100, 'x')}).size();
  create_topic(client_, "small", 1, {{"max.message.bytes", std::to_string(size)}});
  EXPECT_EQ(produce(client_, "small", 0, batch_of({std::string(100, 'x')})).error_code,
            ErrorCode::kNone);
  EXPECT_EQ(produce(client_, "small", 0, batch_of({std::string(101, 'x')})).error_code,
            ErrorCode::kMessageTooLarge);
}

TEST_F(ProduceTest, ARecordWithoutKeyInACompactedTopicIsNamed) {
  create_topic(client_, "compacted", 1, {{"cleanup.policy", "compact"}});
  record::BatchBuilder builder;
  builder.add({1'000, "key", "value"});
  builder.add({1'000, std::nullopt, "value"});
  const auto answer = produce(client_, "compacted", 0, builder.build());
  EXPECT_EQ(answer.error_code, ErrorCode::kInvalidRecord);
  ASSERT_EQ(answer.record_errors.size(), 1u);
  EXPECT_EQ(answer.record_errors[0].batch_index, 1);
  EXPECT_NE(answer.error_message.value_or(""), "");
}

TEST_F(ProduceTest, InternalTopicsTakeNothingFromClients) {
  EXPECT_EQ(produce(client_, "__consumer_offsets", 0, batch_of({"a"})).error_code,
            ErrorCode::kInvalidTopicException);
}

TEST_F(ProduceTest, TheBrokersTimeIsToldWhereTheTopicWantsIt) {
  create_topic(client_, "timed", 1, {{"message.timestamp.type", "LogAppendTime"}});
  const auto answer = produce(client_, "timed", 0, batch_of({"a"}));
  EXPECT_EQ(answer.log_append_time_ms, harness_.now().wall.millis);
}

TEST_F(ProduceTest, TimestampsTooFarFromTheBrokersTimeAreRefused) {
  create_topic(
      client_, "strict", 1,
      {{"message.timestamp.after.max.ms", "1000"}, {"message.timestamp.before.max.ms", "5000"}});
  const int64_t now = harness_.now().wall.millis;
  const auto error_at = [&](int64_t time) {
    return produce(client_, "strict", 0, batch_of({"a"}, time)).error_code;
  };
  EXPECT_EQ(error_at(now + 1'000), ErrorCode::kNone);
  EXPECT_EQ(error_at(now + 1'001), ErrorCode::kInvalidTimestamp);
  EXPECT_EQ(error_at(now - 5'000), ErrorCode::kNone);
  EXPECT_EQ(error_at(now - 5'001), ErrorCode::kInvalidTimestamp);
}

TEST_F(ProduceTest, ATransactionalBatchIsRefusedWithoutATransactionalIdToo) {
  Buffer batch = Buffer::copy_of(batch_of({"a"}, 1, 0, 0).text());
  record::BatchHeader header = record::parse_header(batch.bytes());
  header.attributes |= record::kTransactionalBit;
  record::store_header(batch.mutable_bytes(), header);
  header.crc = record::checksum_of(batch.bytes());
  record::store_header(batch.mutable_bytes(), header);
  EXPECT_EQ(produce(client_, "t", 0, batch).error_code, ErrorCode::kUnsupportedVersion);
}

TEST_F(ProduceTest, AcksThatDoNotExistAreRefused) {
  for (const int16_t acks : {int16_t{2}, int16_t{-2}}) {
    const auto answer =
        client_.call<ProduceResponse>(produce_request("t", 0, batch_of({"a"}), acks));
    EXPECT_EQ(answer.responses[0].partition_responses[0].error_code,
              ErrorCode::kInvalidRequiredAcks);
  }
  EXPECT_EQ(log_end(), 0);
}

TEST_F(ProduceTest, TransactionsAreRefusedNotPretended) {
  wire::ProduceRequest request = produce_request("t", 0, batch_of({"a"}));
  request.transactional_id = "tx";
  const auto answer = client_.call<ProduceResponse>(request);
  EXPECT_EQ(answer.responses[0].partition_responses[0].error_code, ErrorCode::kUnsupportedVersion);
  EXPECT_EQ(log_end(), 0);
}

TEST_F(ProduceTest, AFullDiskIsAStorageErrorAndReadingGoesOn) {
  ASSERT_EQ(produce(client_, "t", 0, batch_of({"a"})).error_code, ErrorCode::kNone);
  harness_.disk.set_write_error(Error{ErrorKind::kNoSpace, "no space left"});
  EXPECT_EQ(produce(client_, "t", 0, batch_of({"b"})).error_code, ErrorCode::kKafkaStorageError);
  EXPECT_EQ(records_in(fetch(client_, "t", 0, 0)).size(), 1u);
  EXPECT_TRUE(harness_.has_logged("storage_failed"));
  harness_.disk.set_write_error(std::nullopt);
  harness_.advance(Duration::seconds(5));
  const auto answer = produce(client_, "t", 0, batch_of({"c"}));
  EXPECT_EQ(answer.error_code, ErrorCode::kNone);
  EXPECT_EQ(answer.base_offset, 1);
}

// --- acks=0 --------------------------------------------------------------------------------------

TEST_F(ProduceTest, WithoutAcksThereIsNoAnswer) {
  client_.send(produce_request("t", 0, batch_of({"a"}), 0), 9);
  client_.skip_answer();
  EXPECT_FALSE(client_.take_frame());
  EXPECT_EQ(log_end(), 1) << "and the next request is answered as if nothing had been before";
}

TEST_F(ProduceTest, WithoutAcksARefusalClosesTheConnection) {
  client_.send(produce_request("missing", 0, batch_of({"a"}), 0), 9);
  EXPECT_FALSE(client_.take_frame());
  EXPECT_FALSE(client_.is_open());
}

TEST_F(ProduceTest, WithoutAcksAnUnservedVersionClosesTheConnection) {
  client_.send(produce_request("t", 0, batch_of({"a"}), 0), 2);
  EXPECT_FALSE(client_.take_frame());
  EXPECT_FALSE(client_.is_open());
}

}  // namespace
}  // namespace magpie::node::testing
