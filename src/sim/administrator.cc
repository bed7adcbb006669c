#include "sim/administrator.h"

#include <fmt/format.h>

#include <utility>

namespace magpie::sim {

using wire::ErrorCode;

Administrator::Administrator(Surroundings around)
    : around_(around),
      random_(around.scene.random.fork()),
      brokers_(around.brokers("administrator")) {}

void Administrator::next_soon() {
  around_.scene.queue.after(draw_pause(random_, around_.think_max()), [this] { next(); });
}

void Administrator::next() {
  const uint64_t what = random_.below(18);
  if (around_.scene.healed || what < 4) return look();
  if (what < 7) return create();
  if (what < 9) return remove();
  if (what < 10) return delete_records();
  if (what < 12) return add_partitions();
  if (what < 14) return alter_configs();
  if (what < 16) return describe_configs();
  produce();
}

std::string Administrator::some_topic() {
  std::string name;
  for (const auto& [candidate, temporary] : topics_) {
    if (temporary.state == State::kThere && random_.chance(1, 2)) name = candidate;
  }
  return name;
}

// --- looking -------------------------------------------------------------------------------------

void Administrator::look() {
  wire::MetadataRequest request;
  request.allow_auto_topic_creation = false;
  const int version = draw_version(random_, wire::ApiKey::kMetadata, 7, 13);
  brokers_.any().call<wire::MetadataResponse>(request, version,
                                              [this, when_asked = topics_](const auto& response) {
                                                if (response) take(*response, when_asked);
                                                next_soon();
                                              });
}

void Administrator::take(const wire::MetadataResponse& response,
                         const std::map<std::string, Temporary>& when_asked) {
  std::map<std::string, int32_t> seen;  // with their numbers of partitions
  for (const auto& topic : response.topics) {
    if (topic.error_code != ErrorCode::kNone || !topic.name) continue;
    seen[*topic.name] = static_cast<int32_t>(topic.partitions.size());
    check_epochs(topic);
  }
  for (const SimTopic& topic : around_.topics.list()) {
    if (!seen.contains(topic.name)) {
      around_.scene.violate("metadata", "topic " + topic.name + " is gone");
    }
  }
  for (const auto& [name, asked] : when_asked) {
    const bool there = seen.contains(name);
    Temporary& temporary = topics_[name];
    if (asked.state == State::kThere && !there) {
      around_.scene.violate("metadata", "topic " + name + " was created and is gone");
    }
    if (asked.state == State::kGone && there) {
      around_.scene.violate("metadata", "topic " + name + " was deleted and is back");
    }
    if (there && asked.state == State::kThere && temporary.changes == asked.changes) {
      check_partitions(name, seen.at(name), asked);
    }
    // Seen once, a topic that nobody deletes stays, whatever became of the answer.
    if (there && temporary.changes == asked.changes && !temporary.deleting) {
      temporary.state = State::kThere;
    }
  }
}

void Administrator::check_partitions(const std::string& name, int32_t found,
                                     const Temporary& asked) {
  const Temporary& now = topics_[name];
  if (asked.partitions <= found && found <= now.partitions_asked) return;
  around_.scene.violate("metadata",
                        fmt::format("topic {} has {} partitions, {} were confirmed and "
                                    "{} asked for",
                                    name, found, asked.partitions, now.partitions_asked));
}

void Administrator::check_epochs(const wire::MetadataResponseTopic& topic) {
  for (const auto& partition : topic.partitions) {
    const auto found = around_.topics.ledgers().find({*topic.name, partition.partition_index});
    if (found == around_.topics.ledgers().end() || partition.leader_epoch < 0) continue;
    found->second->saw_epoch(partition.leader_epoch, around_.clock->boots());
  }
}

}  // namespace magpie::sim
