#include "node/topic_storage.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "base/check.h"
#include "control/created_partitions.h"
#include "control/topic_settings.h"
#include "kafka/cluster_control.h"
#include "kafka/fetch_requests.h"
#include "kafka/group_requests.h"
#include "kafka/offset_lookups.h"
#include "kafka/record_deletions.h"
#include "node/settings.h"

namespace magpie::node {
namespace {

constexpr const char* kTopicsFolder = "topics";
constexpr const char* kQuarantineFolder = "quarantine";
// Partitions opened at a time: enough to keep a disk busy, few enough to bound memory.
constexpr size_t kOpeningMax = 128;

std::string folder_name(const std::string& topic, int32_t index) {
  return fmt::format("{}-{}", topic, index);
}

std::string folder_path(const std::string& topic, int32_t index) {
  return fmt::format("{}/{}", kTopicsFolder, folder_name(topic, index));
}

void log(kafka::Broker& broker, port::Severity severity, const char* code, std::string text) {
  broker.effects.add(port::LogLine{severity, code, std::move(text)});
}

}  // namespace

TopicStorage::TopicStorage(const NodeConfig& config, kafka::PartitionTable& partitions,
                           partition::CompactionSlot& slot, EngineFactory factory)
    : config_(config),
      partitions_(partitions),
      factory_(std::move(factory)),
      compaction_slot_(slot) {}

void TopicStorage::start(kafka::Broker& broker, const control::State& state, LeaderEpoch epoch) {
  CHECK(state_ == nullptr);
  state_ = &state;
  epoch_ = epoch;
  ++folder_effects_;
  broker.effects.add(port::ListFolder{kTopicsFolder, {kTopicStorageOwner, kFoldersListed, 0}});
}

void TopicStorage::apply(kafka::Broker& broker, const control::Difference& difference) {
  if (const auto* added = std::get_if<control::TopicAdded>(&difference)) {
    return add_topic(broker, *state_->find_topic(added->name), 0);
  }
  if (const auto* removed = std::get_if<control::TopicRemoved>(&difference)) {
    return remove_topic(broker, removed->topic);
  }
  if (const auto* more = std::get_if<control::PartitionsAdded>(&difference)) {
    return add_topic(broker, *state_->find_topic(more->name), more->first_new.value);
  }
  if (const auto* configs = std::get_if<control::TopicConfigsChanged>(&difference)) {
    reconfigure(broker, configs->name);
  }
}

void TopicStorage::step(kafka::Broker& broker, const port::DiskDone& done) {
  CHECK(folder_effects_ > 0);
  --folder_effects_;
  if (done.then.kind == kFoldersListed) {
    if (!done.status) {
      log(broker, port::Severity::kError, "topics_folder_unreadable",
          fmt::format("cannot list {}: {}; folders that no topic claims are not looked for",
                      kTopicsFolder, done.status.error().message));
    }
    quarantine_strangers(broker, done.listing);
    for (const auto& [name, topic] : state_->topics()) add_topic(broker, topic, 0);
    return;
  }
  if (!done.status) {
    log(broker, port::Severity::kWarning, "folder_not_removed",
        fmt::format("{}; it stays until the next start, which moves it to {}",
                    done.status.error().message, kQuarantineFolder));
  }
  if (done.then.kind != kFolderRemoved) return;
  const auto name = removal_topics_.extract(done.then.cookie);
  CHECK(!name.empty());
  const auto topic = removing_.find(name.mapped());
  CHECK(topic != removing_.end());
  if (--topic->second == 0) removing_.erase(topic);
}

// Whatever lies among the topics and belongs to none is somebody's data: kept, out of the way.
void TopicStorage::quarantine_strangers(kafka::Broker& broker,
                                        const std::vector<port::FolderEntry>& folders) {
  std::set<std::string> expected;
  for (const auto& [name, topic] : state_->topics()) {
    for (int32_t i = 0; i < topic.partition_count(); ++i) expected.insert(folder_name(name, i));
  }
  for (const port::FolderEntry& folder : folders) {
    if (expected.contains(folder.name)) continue;
    const std::string from = fmt::format("{}/{}", kTopicsFolder, folder.name);
    const std::string to = fmt::format("{}/{}.{}", kQuarantineFolder, folder.name, epoch_.value);
    log(broker, port::Severity::kWarning, "folder_quarantined",
        fmt::format("{} belongs to no topic; moved to {}. Delete it once you are sure that nothing "
                    "in it is needed",
                    from, to));
    ++folder_effects_;
    broker.effects.add(port::RenameFolder{from, to, {kTopicStorageOwner, kFolderQuarantined, 0}});
  }
}

// --- bringing up --------------------------------------------------------------------------------

void TopicStorage::add_topic(kafka::Broker& broker, const control::Topic& topic, int32_t first) {
  const control::TopicSettings settings = control::effective_settings(
      state_->topic_configs(topic.name), policy(config_).topic_defaults);
  const int32_t known = state_->created_partitions(config_.node_id, topic.id);
  BringingUp& up = bringing_up_[topic.name];
  up.topic_id = topic.id;
  for (int32_t index = first; index < topic.partition_count(); ++index) {
    if (topic.placement[static_cast<size_t>(index)] != config_.node_id) continue;
    kafka::HostedPartition hosted;
    hosted.route = partitions_.next_route();
    hosted.topic = topic.name;
    hosted.topic_id = topic.id;
    hosted.index = PartitionIndex{index};
    hosted.partition = std::make_unique<partition::Partition>(
        folder_name(topic.name, index), partition_config(config_, settings),
        factory_(folder_path(topic.name, index), hosted.route, engine_config(config_, settings)),
        compaction_slot_);
    ++up.opening;
    up.created |= index >= known;
    waiting_.push_back({hosted.route, index >= known});
    partitions_.add(std::move(hosted));
  }
  if (up.opening == 0) bringing_up_.erase(topic.name);
  open_next(broker);
}

void TopicStorage::open_next(kafka::Broker& broker) {
  while (open_now_ < kOpeningMax && !waiting_.empty()) {
    const Opening next = waiting_.front();
    waiting_.pop_front();
    kafka::HostedPartition* hosted = partitions_.find(next.route);
    if (hosted == nullptr) continue;  // its topic was deleted before its turn came
    ++open_now_;
    open_one(broker, *hosted, next.create);
  }
}

void TopicStorage::open_one(kafka::Broker& broker, kafka::HostedPartition& hosted, bool create) {
  if (create) {
    // Nothing was ever acknowledged in what an interrupted creation left behind.
    ++folder_effects_;
    broker.effects.add(port::RemoveFolder{folder_path(hosted.topic, hosted.index.value),
                                          {kTopicStorageOwner, kLeftoverRemoved, 0}});
  }
  const engine::OpenMode mode = create ? engine::OpenMode::kCreate : engine::OpenMode::kExisting;
  partitions_.call(hosted, broker.effects, [&](auto& partition, auto& out) {
    partition.open(broker.now, mode, epoch_, out);
  });
}

void TopicStorage::opened(kafka::Broker& broker, kafka::HostedPartition& hosted,
                          const partition::Opened& opened) {
  if (opened.torn_bytes > 0) {
    log(broker, port::Severity::kWarning, "torn_tail_cut",
        fmt::format("partition {}: {} bytes of an interrupted write were cut off; nothing that was "
                    "acknowledged was in them",
                    hosted.partition->label(), opened.torn_bytes));
  }
  one_opened(broker, hosted, true);
}

void TopicStorage::open_failed(kafka::Broker& broker, kafka::HostedPartition& hosted,
                               const partition::OpenFailed& failed) {
  hosted.failure = failed.error.message;
  log(broker, port::Severity::kError, "partition_offline",
      fmt::format("partition {} is not served: {}", hosted.partition->label(),
                  failed.error.message));
  one_opened(broker, hosted, false);
}

void TopicStorage::one_opened(kafka::Broker& broker, kafka::HostedPartition& hosted, bool well) {
  CHECK(open_now_ > 0);
  --open_now_;
  const auto found = bringing_up_.find(hosted.topic);
  CHECK(found != bringing_up_.end() && found->second.opening > 0);
  BringingUp& up = found->second;
  up.failed |= !well;
  if (--up.opening == 0) {
    if (up.created && !up.failed) {
      mark_created(broker, hosted.topic, up);
    } else {
      publish(hosted.topic);
    }
  }
  open_next(broker);
}

void TopicStorage::mark_created(kafka::Broker& broker, const std::string& topic, BringingUp& up) {
  const control::Topic* known = state_->find_topic(up.topic_id);
  if (known == nullptr) return publish(topic);
  const int32_t count = known->partition_count();
  kafka::propose<control::PartitionsMarked>(
      broker,
      [node = config_.node_id, id = up.topic_id, count](const control::State& state) {
        return control::decide_mark_created(state, node, id, count);
      },
      [this, topic, id = up.topic_id](
          kafka::Broker& late,
          const tl::expected<control::PartitionsMarked, control::Refusal>& marked) {
        const auto found = bringing_up_.find(topic);
        if (found == bringing_up_.end() || found->second.topic_id != id) return;  // deleted
        if (!marked) {
          // Unmarked partitions are emptied by the next start, so nobody may write to them.
          for (kafka::HostedPartition* hosted : partitions_.of_topic(topic)) {
            if (hosted->published) continue;
            hosted->failure = marked.error().message;
            partitions_.call(*hosted, late.effects,
                             [](auto& partition, auto& out) { partition.abandon(out); });
          }
        }
        publish(topic);
      });
}

void TopicStorage::publish(const std::string& topic) {
  for (kafka::HostedPartition* hosted : partitions_.of_topic(topic)) hosted->published = true;
  bringing_up_.erase(topic);
}

// --- taking down and changing -------------------------------------------------------------------

void TopicStorage::remove_topic(kafka::Broker& broker, const control::Topic& topic) {
  for (kafka::HostedPartition* hosted : partitions_.of_topic(topic.name)) {
    using partition::PartitionState;
    if (hosted->partition->state() == PartitionState::kOpening) --open_now_;
    broker.fetches.partition_lost(broker, *hosted);
    broker.offset_lookups.partition_lost(broker, *hosted);
    broker.record_deletions.partition_lost(broker, *hosted);
    ++folder_effects_;
    ++removing_[topic.name];
    removal_topics_.emplace(next_removal_, topic.name);
    broker.effects.add(port::RemoveFolder{folder_path(topic.name, hosted->index.value),
                                          {kTopicStorageOwner, kFolderRemoved, next_removal_++}});
  }
  partitions_.remove_topic(topic.name, broker.effects);
  bringing_up_.erase(topic.name);
  broker.groups.topic_deleted(broker, topic.name);
  open_next(broker);
}

void TopicStorage::reconfigure(kafka::Broker& broker, const std::string& topic) {
  const control::TopicSettings settings =
      control::effective_settings(state_->topic_configs(topic), policy(config_).topic_defaults);
  for (kafka::HostedPartition* hosted : partitions_.of_topic(topic)) {
    partitions_.call(*hosted, broker.effects, [&](auto& partition, auto&) {
      partition.configure(broker.now, partition_config(config_, settings));
    });
    hosted->partition->engine().configure(engine_config(config_, settings));
  }
}

}  // namespace magpie::node
