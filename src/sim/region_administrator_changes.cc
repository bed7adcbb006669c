// The requests of a cluster's administrator that change something.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "record/builder.h"
#include "sim/region_administrator.h"
#include "wire/create_partitions.h"
#include "wire/create_topics.h"
#include "wire/delete_records.h"
#include "wire/delete_topics.h"
#include "wire/incremental_alter_configs.h"
#include "wire/produce.h"

namespace magpie::sim {

using wire::ErrorCode;

namespace {

constexpr size_t kNamesMax = 30;
constexpr int32_t kPartitionsMax = 5;
constexpr int32_t kTimeoutMillis = 10'000;
constexpr const char* kLedgerTopic = "trimmed";

}  // namespace

// --- topics --------------------------------------------------------------------------------------

void RegionAdministrator::create() {
  std::string name = some(State::kGone);
  if (name.empty() || random_.chance(1, 2)) {
    if (topics_.size() >= kNamesMax) return next_soon();
    name = fmt::format("{}{}", kPrefix, next_number_++);
  }
  Temporary& temporary = topics_[name];
  if (!temporary.id.is_zero()) around_.scene.probe("topic_created_again");
  temporary = {.retention_in_doubt = temporary.retention_in_doubt,
               .trim_in_doubt = temporary.trim_in_doubt};
  temporary.group = knobs_.groups[random_.below(knobs_.groups.size())];
  temporary.partitions = static_cast<int32_t>(random_.between(1, 3));
  wire::CreateTopicsRequest request;
  wire::CreateTopicsRequestTopic topic;
  topic.name = name;
  topic.num_partitions = temporary.partitions;
  topic.replication_factor = 1;
  topic.configs.push_back({"magpie.failover.group", temporary.group});
  request.topics.push_back(std::move(topic));
  request.timeout_ms = kTimeoutMillis;
  temporary.state = State::kInDoubt;
  const int version = draw_version(random_, wire::ApiKey::kCreateTopics, 2, 7);
  brokers_.any().call<wire::CreateTopicsResponse>(
      request, version, [this, name](const auto& response) {
        created(name, outcome_of(response.has_value(),
                                 response ? response->topics.at(0).error_code : ErrorCode::kNone));
        next_soon();
      });
}

void RegionAdministrator::created(const std::string& name, Outcome outcome) {
  Temporary& temporary = topics_[name];
  if (outcome == Outcome::kRefused) temporary.state = State::kGone;
  if (outcome != Outcome::kMade) return;
  around_.scene.probe("topic_created");
  const control::Topic* topic = find(name);
  if (topic == nullptr) {
    return around_.scene.violate("metadata", "topic " + name + " is confirmed and does not exist");
  }
  temporary.state = State::kThere;
  temporary.id = topic->id;
  lives_[topic->id] = {.group = temporary.group, .trim_asked = temporary.trim_in_doubt};
}

void RegionAdministrator::remove() {
  const std::string name = some(State::kThere);
  if (name.empty()) return next_soon();
  topics_[name].state = State::kInDoubt;
  wire::DeleteTopicsRequest request;
  const int version = draw_version(random_, wire::ApiKey::kDeleteTopics, 1, 6);
  if (version >= 6) {
    request.topics.push_back({name, {}});
  } else {
    request.topic_names.push_back(name);
  }
  request.timeout_ms = kTimeoutMillis;
  brokers_.any().call<wire::DeleteTopicsResponse>(
      request, version, [this, name](const auto& response) {
        removed(name,
                outcome_of(response.has_value(),
                           response ? response->responses.at(0).error_code : ErrorCode::kNone));
        next_soon();
      });
}

void RegionAdministrator::removed(const std::string& name, Outcome outcome) {
  Temporary& temporary = topics_[name];
  if (outcome == Outcome::kRefused) temporary.state = State::kThere;
  if (outcome != Outcome::kMade) return;
  around_.scene.probe("topic_deleted");
  temporary.state = State::kGone;
}

void RegionAdministrator::restore_or_purge() {
  const std::string name = some(State::kGone);
  if (name.empty() || topics_[name].id.is_zero()) return next_soon();
  Host& host = *cluster_.region(random_.below(cluster_.size())).host;
  if (!host.is_up()) return next_soon();
  topics_[name].state = State::kInDoubt;
  const bool restores = random_.chance(2, 3);
  const std::string path = "/v1/deleted-topics/" + to_string(topics_[name].id);
  host.request(restores ? "POST" : "DELETE", restores ? path + "/restore" : path, "",
               [this, name, restores](const std::optional<port::HttpRespond>& answer) {
                 const bool made = answer && answer->status < 300;
                 const bool refused = answer && answer->status >= 400 && answer->status < 500;
                 restored(name, restores,
                          made      ? Outcome::kMade
                          : refused ? Outcome::kRefused
                                    : Outcome::kUnknown);
                 next_soon();
               });
}

void RegionAdministrator::restored(const std::string& name, bool restores, Outcome outcome) {
  Temporary& temporary = topics_[name];
  if (outcome == Outcome::kUnknown) return;
  const bool made = outcome == Outcome::kMade;
  temporary.state = made && restores ? State::kThere : State::kGone;
  if (!made) return;
  around_.scene.probe(restores ? "topic_restored" : "topic_purged");
  temporary.was_restored |= restores;
}

// --- changes of a topic --------------------------------------------------------------------------

void RegionAdministrator::add_partitions() {
  const std::string name = some(State::kThere);
  if (name.empty() || topics_[name].partitions >= kPartitionsMax) return next_soon();
  const int32_t count = topics_[name].partitions + static_cast<int32_t>(random_.between(1, 2));
  wire::CreatePartitionsRequest request;
  request.timeout_ms = kTimeoutMillis;
  request.topics.push_back({name, count, std::nullopt});
  const int version = draw_version(random_, wire::ApiKey::kCreatePartitions, 0, 3);
  brokers_.any().call<wire::CreatePartitionsResponse>(
      request, version, [this, name, count](const auto& response) {
        if (response && response->results.at(0).error_code == ErrorCode::kNone) {
          around_.scene.probe("partitions_added");
          topics_[name].partitions = count;
        }
        next_soon();
      });
}

void RegionAdministrator::alter_configs() {
  const std::string name = some(State::kThere);
  if (name.empty()) return next_soon();
  const std::string value = std::to_string(random_.between(3'600'000, 7'200'000));
  wire::IncrementalAlterConfigsRequest request;
  constexpr int8_t kTopic = 2;
  request.resources.push_back({kTopic, name, {{"retention.ms", 0, value}}});
  const int version = draw_version(random_, wire::ApiKey::kIncrementalAlterConfigs, 0, 1);
  brokers_.any().call<wire::IncrementalAlterConfigsResponse>(
      request, version, [this, name, value](const auto& response) {
        Temporary& temporary = topics_[name];
        const Outcome outcome =
            outcome_of(response.has_value(),
                       response ? response->responses.at(0).error_code : ErrorCode::kNone);
        temporary.retention_in_doubt |= outcome == Outcome::kUnknown;
        if (outcome == Outcome::kMade) {
          around_.scene.probe("configs_altered");
          temporary.retention = value;
        }
        next_soon();
      });
}

// By the topic's id: a leader that has not heard of a deletion yet would take a name for the topic
// that it still has.
void RegionAdministrator::produce() {
  const std::string name = some(State::kThere);
  if (name.empty()) return next_soon();
  const Uuid id = topics_[name].id;
  const std::string mark = fmt::format("{}.{}", to_string(id), lives_[id].sent++);
  record::BatchBuilder builder;
  builder.add({around_.wall().millis, "key", mark});
  wire::ProduceRequest request;
  request.acks = -1;
  request.timeout_ms = kTimeoutMillis;
  wire::ProduceRequestTopic topic;
  topic.topic_id = id;
  topic.partition_data.push_back({0, builder.build()});
  request.topic_data.push_back(std::move(topic));
  brokers_.leader(name, 0).call<wire::ProduceResponse>(
      request, 13, [this, id, mark](const auto& response) {
        const bool answered = response && !response->responses.empty();
        if (answered) {
          const auto& partition = response->responses.at(0).partition_responses.at(0);
          if (partition.error_code == ErrorCode::kNone) {
            around_.scene.probe("temporary_topic_used");
            lives_[id].acknowledged[partition.base_offset] = mark;
          } else {
            brokers_.look_again();
          }
        } else {
          brokers_.look_again();
        }
        next_soon();
      });
}

// --- records -------------------------------------------------------------------------------------

void RegionAdministrator::delete_records() {
  const std::string name = some(State::kThere);
  if (name.empty()) return next_soon();
  Life& life = lives_[topics_[name].id];
  if (life.acknowledged.empty()) return next_soon();
  const int64_t offset = random_.between(0, life.acknowledged.rbegin()->first + 1);
  life.trim_asked = std::max(life.trim_asked, offset);
  wire::DeleteRecordsRequest request;
  request.timeout_ms = kTimeoutMillis;
  request.topics.push_back({name, {{0, offset}}});
  const int version = draw_version(random_, wire::ApiKey::kDeleteRecords, 0, 2);
  brokers_.leader(name, 0).call<wire::DeleteRecordsResponse>(
      request, version, [this, name, offset](const auto& response) {
        if (!response) {
          int64_t& in_doubt = topics_[name].trim_in_doubt;
          in_doubt = std::max(in_doubt, offset);
          brokers_.look_again();
        }
        next_soon();
      });
}

// What nobody but the administrator may delete anything of.
void RegionAdministrator::delete_records_of_ledger() {
  Ledger& ledger = around_.topics.ledger(kLedgerTopic, 0);
  if (ledger.high_watermark() == 0) return next_soon();
  const int64_t offset = random_.between(0, ledger.high_watermark());
  ledger.asked_to_trim(offset);
  wire::DeleteRecordsRequest request;
  request.timeout_ms = kTimeoutMillis;
  request.topics.push_back({kLedgerTopic, {{0, offset}}});
  const int version = draw_version(random_, wire::ApiKey::kDeleteRecords, 0, 2);
  brokers_.leader(kLedgerTopic, 0)
      .call<wire::DeleteRecordsResponse>(
          request, version, [this, &ledger, offset](const auto& response) {
            const auto* answer = response ? &response->topics.at(0).partitions.at(0) : nullptr;
            if (answer != nullptr && answer->error_code == ErrorCode::kNone) {
              around_.scene.probe("records_deleted");
              ledger.deleted(offset, answer->low_watermark);
            } else {
              brokers_.look_again();
            }
            next_soon();
          });
}

}  // namespace magpie::sim
