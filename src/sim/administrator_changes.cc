// The administrator's requests that change something.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "record/builder.h"
#include "sim/administrator.h"
#include "wire/alter_configs.h"
#include "wire/create_partitions.h"
#include "wire/create_topics.h"
#include "wire/delete_records.h"
#include "wire/delete_topics.h"
#include "wire/describe_configs.h"
#include "wire/incremental_alter_configs.h"
#include "wire/produce.h"

namespace magpie::sim {

using wire::ErrorCode;

// --- topics --------------------------------------------------------------------------------------

void Administrator::create() {
  std::string name = fmt::format("temporary-{}", next_number_);
  if (next_number_ > 0 && random_.chance(1, 3)) {
    // A name that is free again, if no straggler can touch it.
    name = fmt::format("temporary-{}", random_.below(static_cast<uint64_t>(next_number_)));
    if (topics_[name].state != State::kGone) return look();
    around_.scene.probe("topic_created_again");
  } else if (topics_.size() >= 20) {
    return look();
  } else {
    ++next_number_;
  }
  wire::CreateTopicsRequest request;
  wire::CreateTopicsRequestTopic topic;
  topic.name = name;
  topic.num_partitions = static_cast<int32_t>(random_.between(1, 3));
  topic.replication_factor = 1;
  request.topics.push_back(std::move(topic));
  topics_[name].begin(request.topics.back().num_partitions);
  const int version = draw_version(random_, wire::ApiKey::kCreateTopics, 2, 7);
  brokers_.any().call<wire::CreateTopicsResponse>(
      request, version, [this, name](const auto& response) {
        if (response && response->topics.at(0).error_code == ErrorCode::kNone) {
          topics_[name].state = State::kThere;
          around_.scene.probe("topic_created");
        }
        next_soon();
      });
}

void Administrator::remove() {
  const std::string name = some_topic();
  if (name.empty()) return look();
  Temporary& temporary = topics_[name];
  temporary.state = State::kMaybe;
  temporary.deleting = true;
  ++temporary.changes;
  wire::DeleteTopicsRequest request;
  const int version = draw_version(random_, wire::ApiKey::kDeleteTopics, 1, 6);
  if (version >= 6) {
    request.topics.push_back({name, {}});
  } else {
    request.topic_names.push_back(name);
  }
  request.timeout_ms = 10'000;
  brokers_.any().call<wire::DeleteTopicsResponse>(
      request, version, [this, name](const auto& response) {
        if (response && response->responses.at(0).error_code == ErrorCode::kNone) {
          topics_[name].state = State::kGone;
          around_.scene.probe("topic_deleted");
        }
        next_soon();
      });
}

void Administrator::delete_records() {
  const SimTopic& topic = around_.topics.list().front();
  const auto partition =
      static_cast<int32_t>(random_.below(static_cast<uint64_t>(topic.partitions)));
  Ledger& ledger = around_.topics.ledger(topic.name, partition);
  if (ledger.high_watermark() == 0 || ledger.lost_power()) return look();
  const int64_t offset = random_.between(0, ledger.high_watermark());
  ledger.asked_to_trim(offset);
  wire::DeleteRecordsRequest request;
  request.timeout_ms = 10'000;
  request.topics.push_back({topic.name, {{partition, offset}}});
  const int version = draw_version(random_, wire::ApiKey::kDeleteRecords, 0, 2);
  brokers_.any().call<wire::DeleteRecordsResponse>(
      request, version, [this, &ledger, offset](const auto& response) {
        if (response) {
          const auto& answer = response->topics.at(0).partitions.at(0);
          if (answer.error_code == ErrorCode::kNone) {
            around_.scene.probe("records_deleted");
            ledger.deleted(offset, answer.low_watermark);
          }
        }
        next_soon();
      });
}

// --- changes of a topic --------------------------------------------------------------------------

void Administrator::add_partitions() {
  const std::string name = some_topic();
  if (name.empty() || topics_[name].partitions_asked >= 6) return look();
  Temporary& temporary = topics_[name];
  const int32_t count = temporary.partitions_asked + static_cast<int32_t>(random_.between(1, 2));
  temporary.partitions_asked = count;
  wire::CreatePartitionsRequest request;
  request.timeout_ms = 10'000;
  request.topics.push_back({name, count, std::nullopt});
  const int version = draw_version(random_, wire::ApiKey::kCreatePartitions, 0, 3);
  brokers_.any().call<wire::CreatePartitionsResponse>(
      request, version, [this, name, count, life = temporary.life](const auto& response) {
        Temporary& now = topics_[name];
        if (!response) now.partitions_in_doubt = std::max(now.partitions_in_doubt, count);
        if (response && response->results.at(0).error_code == ErrorCode::kNone &&
            now.life == life) {
          around_.scene.probe("partitions_added");
          now.partitions = std::max(now.partitions, count);
        }
        next_soon();
      });
}

void Administrator::alter_configs() {
  const std::string name = some_topic();
  if (name.empty()) return look();
  const std::string value = std::to_string(random_.between(3'600'000, 7'200'000));
  topics_[name].retention.insert(value);
  const auto then = [this, name, value, life = topics_[name].life](const auto& response) {
    Temporary& now = topics_[name];
    if (!response) {
      now.retention_in_doubt.insert(value);
    } else if (response->responses.at(0).error_code == ErrorCode::kNone && now.life == life) {
      around_.scene.probe("configs_altered");
      now.retention = now.retention_in_doubt;
      now.retention.insert(value);
    }
    next_soon();
  };
  constexpr int8_t kTopic = 2;
  if (random_.chance(1, 2)) {
    wire::AlterConfigsRequest request;
    request.resources.push_back({kTopic, name, {{"retention.ms", value}}});
    const int version = draw_version(random_, wire::ApiKey::kAlterConfigs, 0, 2);
    return brokers_.any().call<wire::AlterConfigsResponse>(request, version, then);
  }
  wire::IncrementalAlterConfigsRequest request;
  request.resources.push_back({kTopic, name, {{"retention.ms", 0, value}}});
  const int version = draw_version(random_, wire::ApiKey::kIncrementalAlterConfigs, 0, 1);
  brokers_.any().call<wire::IncrementalAlterConfigsResponse>(request, version, then);
}

// A setting that was confirmed is in force until another one is asked for.
void Administrator::describe_configs() {
  const std::string name = some_topic();
  if (name.empty()) return look();
  wire::DescribeConfigsRequest request;
  request.resources.push_back({2, name, std::vector<std::string>{"retention.ms"}});
  const int version = draw_version(random_, wire::ApiKey::kDescribeConfigs, 1, 4);
  brokers_.any().call<wire::DescribeConfigsResponse>(
      request, version, [this, name, life = topics_[name].life](const auto& response) {
        const Temporary& now = topics_[name];
        if (response && now.life == life && now.state == State::kThere) {
          const auto& result = response->results.at(0);
          for (const auto& config : result.configs) {
            if (now.retention.contains(config.value.value_or(""))) continue;
            around_.scene.violate("metadata",
                                  fmt::format("{} of topic {} is {}, nobody asked for "
                                              "that",
                                              config.name, name, config.value.value_or("null")));
          }
        }
        next_soon();
      });
}

// Records of a topic begin at offset 0, also if there was one of that name before.
void Administrator::produce() {
  const std::string name = some_topic();
  if (name.empty()) return look();
  Temporary& temporary = topics_[name];
  record::BatchBuilder builder;
  builder.add({around_.wall().millis, "key", "value"});
  wire::ProduceRequest request;
  request.acks = -1;
  request.timeout_ms = 10'000;
  wire::ProduceRequestTopic topic;
  topic.name = name;
  topic.partition_data.push_back({0, builder.build()});
  request.topic_data.push_back(std::move(topic));
  ++temporary.sent;
  const int version = draw_version(random_, wire::ApiKey::kProduce, 3, 12);
  brokers_.any().call<wire::ProduceResponse>(
      request, version, [this, name, life = temporary.life](const auto& response) {
        if (response && topics_[name].life == life) {
          const auto& partition = response->responses.at(0).partition_responses.at(0);
          if (partition.error_code == ErrorCode::kNone) stored(name, partition.base_offset);
        }
        next_soon();
      });
}

void Administrator::stored(const std::string& name, int64_t offset) {
  Temporary& temporary = topics_[name];
  around_.scene.probe("temporary_topic_used");
  if (offset >= temporary.sent) {
    around_.scene.violate("G4", fmt::format("a record of topic {} got offset {}; only {} were sent",
                                            name, offset, temporary.sent));
  }
  const bool may_lose = around_.scene.damaged || around_.topics.lost_power();
  if (offset < temporary.stored && !may_lose) {
    around_.scene.violate("G1", fmt::format("a record of topic {} got offset {}; {} were stored "
                                            "before",
                                            name, offset, temporary.stored));
  }
  ++temporary.stored;
}

}  // namespace magpie::sim
