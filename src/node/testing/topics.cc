#include "node/testing/topics.h"

#include "record/builder.h"
#include "record/reader.h"
#include "record/validate.h"
#include "wire/create_topics.h"

namespace magpie::node::testing {
namespace {

Buffer build(record::BatchBuilder& builder, const std::vector<std::string>& values,
             int64_t timestamp) {
  for (const std::string& value : values) builder.add({timestamp, "key", value});
  return builder.build();
}

}  // namespace

void create_topic(TestClient& client, const std::string& name, int32_t partitions,
                  const std::map<std::string, std::string>& configs) {
  wire::CreateTopicsRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = name;
  topic.num_partitions = partitions;
  topic.replication_factor = -1;
  for (const auto& [key, value] : configs) topic.configs.push_back({key, value});
  const auto response = client.call<wire::CreateTopicsResponse>(request);
  ASSERT_EQ(response.topics.size(), 1u);
  EXPECT_EQ(response.topics[0].error_code, wire::ErrorCode::kNone)
      << response.topics[0].error_message.value_or("");
}

Buffer batch_of(const std::vector<std::string>& values, int64_t timestamp, record::Codec codec) {
  record::BatchBuilder builder(codec);
  return build(builder, values, timestamp);
}

Buffer batch_of(const std::vector<std::string>& values, int64_t producer_id, int16_t epoch,
                int32_t sequence) {
  record::BatchBuilder builder;
  builder.set_producer(ProducerId{producer_id}, ProducerEpoch{epoch}, sequence);
  return build(builder, values, 1'000);
}

wire::ProduceRequest produce_request(const std::string& topic, int32_t partition, Buffer batch,
                                     int16_t acks) {
  wire::ProduceRequest request;
  request.acks = acks;
  request.timeout_ms = 30'000;
  auto& topic_data = request.topic_data.emplace_back();
  topic_data.name = topic;
  topic_data.partition_data.push_back({partition, std::move(batch)});
  return request;
}

wire::ProduceResponse::Partition produce(TestClient& client, const std::string& topic,
                                         int32_t partition, Buffer batch, int version) {
  const auto response = client.call<wire::ProduceResponse>(
      produce_request(topic, partition, std::move(batch)), version);
  if (response.responses.size() != 1 || response.responses[0].partition_responses.size() != 1) {
    ADD_FAILURE() << "the answer does not have the shape of the request";
    return {};
  }
  return response.responses[0].partition_responses[0];
}

wire::FetchRequest fetch_request(const std::string& topic, int32_t partition, int64_t offset) {
  wire::FetchRequest request;
  request.max_bytes = 50 * 1024 * 1024;
  auto& asked = request.topics.emplace_back();
  asked.topic = topic;
  auto& part = asked.partitions.emplace_back();
  part.partition = partition;
  part.fetch_offset = offset;
  part.partition_max_bytes = 1024 * 1024;
  return request;
}

wire::FetchResponse::Partition fetch(TestClient& client, const std::string& topic,
                                     int32_t partition, int64_t offset, int version) {
  const auto response =
      client.call<wire::FetchResponse>(fetch_request(topic, partition, offset), version);
  if (response.responses.size() != 1 || response.responses[0].partitions.size() != 1) {
    ADD_FAILURE() << "the answer does not have the shape of the request";
    return {};
  }
  return response.responses[0].partitions[0];
}

std::vector<std::pair<int64_t, std::string>> records_in(
    const wire::FetchResponse::Partition& from) {
  std::vector<std::pair<int64_t, std::string>> records;
  if (!from.records) return records;
  const auto batches = record::split_batches(flatten(*from.records));
  if (!batches) {
    ADD_FAILURE() << batches.error().message;
    return records;
  }
  for (const Buffer& batch : *batches) {
    auto reader = record::RecordReader::open(batch);
    EXPECT_TRUE(reader && record::checksum_matches(batch.bytes()));
    if (!reader) continue;
    for (auto next = reader->next(); next && *next; next = reader->next()) {
      records.emplace_back((*next)->offset.value, (*next)->value.value_or("(null)"));
    }
  }
  return records;
}

}  // namespace magpie::node::testing
