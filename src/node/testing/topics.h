// The everyday requests of tests: topics, batches, producing and fetching.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "node/testing/test_client.h"
#include "record/batch.h"
#include "wire/error_code.h"
#include "wire/fetch.h"
#include "wire/produce.h"

namespace magpie::node::testing {

// Creates a topic; fails the test if that does not work.
void create_topic(TestClient& client, const std::string& name, int32_t partitions = 1,
                  const std::map<std::string, std::string>& configs = {});

// One batch with a record per value; the record's key is "key", its timestamp `timestamp`.
Buffer batch_of(const std::vector<std::string>& values, int64_t timestamp = 1'000,
                record::Codec codec = record::Codec::kNone);
// The same of an idempotent producer.
Buffer batch_of(const std::vector<std::string>& values, int64_t producer_id, int16_t epoch,
                int32_t sequence);

wire::ProduceRequest produce_request(const std::string& topic, int32_t partition, Buffer batch,
                                     int16_t acks = -1);
// Sends one batch to one partition.
wire::ProduceResponse::Partition produce(TestClient& client, const std::string& topic,
                                         int32_t partition, Buffer batch, int version = 11);

// Asks for one partition; answered at once (no waiting).
wire::FetchRequest fetch_request(const std::string& topic, int32_t partition, int64_t offset);
wire::FetchResponse::Partition fetch(TestClient& client, const std::string& topic,
                                     int32_t partition, int64_t offset, int version = 12);

// Offset and value of every record in the batches of an answer; fails the test on damage.
std::vector<std::pair<int64_t, std::string>> records_in(const wire::FetchResponse::Partition& from);

}  // namespace magpie::node::testing
