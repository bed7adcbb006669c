#include "sim/administrator.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "wire/create_topics.h"
#include "wire/delete_records.h"
#include "wire/delete_topics.h"

namespace magpie::sim {

using wire::ErrorCode;

Administrator::Administrator(Surroundings around)
    : around_(around),
      random_(around.scene.random.fork()),
      link_(around.scene, around.network, "administrator") {}

void Administrator::next_soon() {
  around_.scene.queue.after(draw_pause(random_, around_.think_max()), [this] { next(); });
}

void Administrator::next() {
  const uint64_t what = random_.below(10);
  if (around_.scene.healed || what < 4) return look();
  if (what < 7) return create();
  if (what < 9) return remove();
  delete_records();
}

// --- changes -------------------------------------------------------------------------------------

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
  Temporary& temporary = topics_[name];
  temporary = {State::kMaybe, false, temporary.changes + 1};
  const int version = draw_version(random_, wire::ApiKey::kCreateTopics, 2, 7);
  link_.call<wire::CreateTopicsResponse>(request, version, [this, name](const auto& response) {
    if (response && response->topics.at(0).error_code == ErrorCode::kNone) {
      topics_[name].state = State::kThere;
      around_.scene.probe("topic_created");
    }
    next_soon();
  });
}

void Administrator::remove() {
  std::string name;
  for (const auto& [candidate, temporary] : topics_) {
    if (temporary.state == State::kThere && random_.chance(1, 2)) name = candidate;
  }
  if (name.empty()) return look();
  topics_[name] = {State::kMaybe, true, topics_[name].changes + 1};
  wire::DeleteTopicsRequest request;
  const int version = draw_version(random_, wire::ApiKey::kDeleteTopics, 1, 6);
  if (version >= 6) {
    request.topics.push_back({name, {}});
  } else {
    request.topic_names.push_back(name);
  }
  request.timeout_ms = 10'000;
  link_.call<wire::DeleteTopicsResponse>(request, version, [this, name](const auto& response) {
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
  link_.call<wire::DeleteRecordsResponse>(
      request, version, [this, &ledger, offset](const auto& response) {
        if (response) {
          const auto& answer = response->topics.at(0).partitions.at(0);
          if (answer.error_code == ErrorCode::kNone) {
            around_.scene.probe("records_deleted");
            ledger.saw_log_start(answer.low_watermark, offset);
          }
        }
        next_soon();
      });
}

// --- looking -------------------------------------------------------------------------------------

void Administrator::look() {
  wire::MetadataRequest request;
  request.allow_auto_topic_creation = false;
  const int version = draw_version(random_, wire::ApiKey::kMetadata, 7, 13);
  link_.call<wire::MetadataResponse>(request, version,
                                     [this, when_asked = topics_](const auto& response) {
                                       if (response) take(*response, when_asked);
                                       next_soon();
                                     });
}

void Administrator::take(const wire::MetadataResponse& response,
                         const std::map<std::string, Temporary>& when_asked) {
  std::set<std::string> seen;
  for (const auto& topic : response.topics) {
    if (topic.error_code != ErrorCode::kNone || !topic.name) continue;
    seen.insert(*topic.name);
    check_epochs(topic);
  }
  for (const SimTopic& topic : around_.topics.list()) {
    if (!seen.contains(topic.name)) {
      around_.scene.violate("metadata", "topic " + topic.name + " is gone");
    }
  }
  for (const auto& [name, asked] : when_asked) {
    const bool there = seen.contains(name);
    if (asked.state == State::kThere && !there) {
      around_.scene.violate("metadata", "topic " + name + " was created and is gone");
    }
    if (asked.state == State::kGone && there) {
      around_.scene.violate("metadata", "topic " + name + " was deleted and is back");
    }
    // Seen once, a topic that nobody deletes stays, whatever became of the answer.
    Temporary& temporary = topics_[name];
    if (there && temporary.changes == asked.changes && !temporary.deleting) {
      temporary.state = State::kThere;
    }
  }
}

void Administrator::check_epochs(const wire::MetadataResponseTopic& topic) {
  for (const auto& partition : topic.partitions) {
    const auto found = around_.topics.ledgers().find({*topic.name, partition.partition_index});
    if (found == around_.topics.ledgers().end() || partition.leader_epoch < 0) continue;
    found->second->saw_epoch(partition.leader_epoch, around_.host.boots());
  }
}

}  // namespace magpie::sim
