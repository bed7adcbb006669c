#include "sim/region_administrator.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "control/deleted_topic.h"

namespace magpie::sim {

using wire::ErrorCode;

RegionAdministrator::RegionAdministrator(Surroundings around, const RegionKnobs& knobs,
                                         Cluster& cluster)
    : around_(around),
      knobs_(knobs),
      cluster_(cluster),
      random_(around.scene.random.fork()),
      brokers_(around.brokers("administrator")) {}

void RegionAdministrator::next_soon() {
  around_.scene.queue.after(draw_pause(random_, around_.think_max()), [this] { next(); });
}

void RegionAdministrator::next() {
  look();
  if (around_.scene.healed) return;
  const uint64_t what = random_.below(24);
  if (what < 4) return create();
  if (what < 6) return remove();
  if (what < 9) return restore_or_purge();
  if (what < 11) return add_partitions();
  if (what < 13) return alter_configs();
  if (what < 15) return delete_records();
  if (what < 17) return delete_records_of_ledger();
  produce();
}

std::string RegionAdministrator::some(State state) {
  std::vector<std::string> names;
  for (const auto& [name, temporary] : topics_) {
    if (temporary.state == state) names.push_back(name);
  }
  return names.empty() ? std::string() : names[random_.below(names.size())];
}

RegionAdministrator::Outcome RegionAdministrator::outcome_of(bool answered, ErrorCode error) {
  if (!answered) return Outcome::kUnknown;
  switch (error) {
    case ErrorCode::kNone:
      return Outcome::kMade;
    case ErrorCode::kTopicAlreadyExists:
    case ErrorCode::kUnknownTopicOrPartition:
    case ErrorCode::kInvalidPartitions:
    case ErrorCode::kInvalidConfig:
    case ErrorCode::kPolicyViolation:
      return Outcome::kRefused;
    default:
      return Outcome::kUnknown;
  }
}

// --- what must be so -----------------------------------------------------------------------------

void RegionAdministrator::look() {
  for (auto& [name, temporary] : topics_) look_at(name, temporary);
}

void RegionAdministrator::look_at(const std::string& name, Temporary& temporary) {
  const control::Topic* topic = find(name);
  if (temporary.state == State::kInDoubt) return;
  if (temporary.state == State::kGone) {
    if (topic == nullptr) return;
    return around_.scene.violate("metadata", "topic " + name + " was deleted and is back");
  }
  if (topic == nullptr && temporary.was_restored) {
    const auto deleted = control::deleted_topics(cluster_.state());
    const auto found = deleted.find(temporary.id);
    if (found != deleted.end() && !found->second.problem.empty()) {
      around_.scene.probe("restore_failed");
      temporary.state = State::kInDoubt;
      return;
    }
  }
  if (topic == nullptr || topic->id != temporary.id) {
    return around_.scene.violate("metadata", "topic " + name + " was created and is gone");
  }
  if (topic->partition_count() < temporary.partitions) {
    return around_.scene.violate("metadata",
                                 fmt::format("topic {} has {} partitions, {} were confirmed", name,
                                             topic->partition_count(), temporary.partitions));
  }
  if (temporary.retention_in_doubt || temporary.retention.empty()) return;
  const control::ConfigValues& configs = cluster_.state().topic_configs(name);
  const auto retention = configs.find("retention.ms");
  if (retention != configs.end() && retention->second == temporary.retention) return;
  around_.scene.violate(
      "metadata",
      fmt::format("retention.ms of topic {} is {}, {} was confirmed", name,
                  retention == configs.end() ? "" : retention->second, temporary.retention));
}

void RegionAdministrator::failed_over_with_loss(const std::string& group) {
  for (auto& [id, life] : lives_) life.may_lack |= life.group == group;
}

int64_t RegionAdministrator::trim_asked(const Uuid& id) const {
  const auto life = lives_.find(id);
  return life == lives_.end() ? 0 : life->second.trim_asked;
}

void RegionAdministrator::check(const std::string& name, const Uuid& id,
                                const std::map<int64_t, std::string>& records) {
  const std::string own = to_string(id);
  for (const auto& [offset, mark] : records) {
    if (mark.starts_with(own)) continue;
    return around_.scene.violate(
        "metadata", fmt::format("topic {} holds a record of another topic at offset {}: {}", name,
                                offset, mark));
  }
  const auto life = lives_.find(id);
  if (life == lives_.end() || life->second.may_lack) return;
  around_.scene.probe("temporary_topic_checked");
  for (const auto& [offset, mark] : life->second.acknowledged) {
    if (offset < life->second.trim_asked) continue;
    const auto found = records.find(offset);
    if (found != records.end() && found->second == mark) continue;
    return around_.scene.violate(
        "G1",
        fmt::format("topic {} lacks its record at offset {}, or has another there", name, offset));
  }
}

}  // namespace magpie::sim
