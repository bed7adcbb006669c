// A Kafka client for tests of a real process: one connection, requests in a fixed version each.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>

#include "base/byte_reader.h"
#include "os/testing.h"
#include "record/builder.h"
#include "wire/api_table.h"
#include "wire/fetch.h"
#include "wire/produce.h"
#include "wire/request_frame.h"
#include "wire/response_frame.h"

namespace magpie::server {

inline constexpr int kProduceVersion = 7;
inline constexpr int kFetchVersion = 11;

class KafkaClient {
 public:
  explicit KafkaClient(uint16_t port) : socket_(port) {}

  // Sends a request. False if the connection is gone.
  template <typename Request>
  bool send(const Request& request, int version, const std::string& client_id = "test") {
    const BufferChain frame = wire::frame_request(request, version, ++sent_, client_id);
    return socket_.write(std::string(flatten(frame).text()));
  }

  // The answer to the oldest request without one; the defaults if the connection is gone.
  template <typename Response>
  Response receive(int version) {
    ByteReader in(Buffer::copy_of(socket_.read_frame()));
    Response response;
    if (in.remaining() == 0) return response;
    EXPECT_EQ(in.read_int32(), ++received_);
    if (wire::response_header_version(Response::kApi, version) > 0) in.read_unsigned_varint();
    EXPECT_TRUE(decode(in, response, version));
    return response;
  }

  template <typename Response, typename Request>
  Response call(const Request& request, int version) {
    send(request, version);
    return receive<Response>(version);
  }

  os::TestClient& socket() { return socket_; }

 private:
  os::TestClient socket_;
  int32_t sent_ = 0;
  int32_t received_ = 0;
};

// One batch with one record whose value has that many bytes.
inline wire::ProduceRequest produce_request(const std::string& topic, int32_t partition,
                                            size_t value_bytes = 10) {
  const std::string value(value_bytes, 'v');
  record::BatchBuilder builder;
  builder.add({.timestamp = 1'700'000'000'000, .key = "k", .value = value});
  wire::ProduceRequest request;
  request.acks = -1;
  request.timeout_ms = 30'000;
  request.topic_data.resize(1);
  request.topic_data[0].name = topic;
  request.topic_data[0].partition_data.resize(1);
  request.topic_data[0].partition_data[0].index = partition;
  request.topic_data[0].partition_data[0].records = builder.build();
  return request;
}

// Produces one batch and returns how that ended.
inline wire::ErrorCode produce(KafkaClient& client, const std::string& topic, int32_t partition,
                               size_t value_bytes = 10) {
  const auto answer = client.call<wire::ProduceResponse>(
      produce_request(topic, partition, value_bytes), kProduceVersion);
  if (answer.responses.empty()) return wire::ErrorCode::kUnknownServerError;
  return answer.responses[0].partition_responses[0].error_code;
}

inline wire::FetchRequest fetch_request(const std::string& topic, int32_t partition, int64_t offset,
                                        int32_t max_wait_ms = 0) {
  wire::FetchRequest request;
  request.max_wait_ms = max_wait_ms;
  request.min_bytes = 1;
  request.topics.resize(1);
  request.topics[0].topic = topic;
  request.topics[0].partitions.resize(1);
  request.topics[0].partitions[0].partition = partition;
  request.topics[0].partitions[0].fetch_offset = offset;
  request.topics[0].partitions[0].partition_max_bytes = 1024 * 1024;
  return request;
}

struct Fetched {
  wire::ErrorCode error = wire::ErrorCode::kUnknownServerError;
  int64_t high_watermark = -1;
  size_t bytes = 0;
};

inline Fetched receive_fetched(KafkaClient& client) {
  const auto answer = client.receive<wire::FetchResponse>(kFetchVersion);
  if (answer.responses.empty()) return {};
  const auto& partition = answer.responses[0].partitions[0];
  return {partition.error_code, partition.high_watermark,
          partition.records ? size_of(*partition.records) : 0};
}

inline Fetched fetch(KafkaClient& client, const std::string& topic, int32_t partition,
                     int64_t offset) {
  client.send(fetch_request(topic, partition, offset), kFetchVersion);
  return receive_fetched(client);
}

}  // namespace magpie::server
