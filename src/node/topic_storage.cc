#include "node/topic_storage.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "control/created_partitions.h"
#include "kafka/cluster_control.h"
#include "kafka/fetch_requests.h"
#include "kafka/group_requests.h"
#include "kafka/offset_lookups.h"
#include "kafka/record_deletions.h"
#include "node/settings.h"
#include "node/topic_folders.h"

namespace magpie::node {
namespace {

// Partitions opened at a time: enough to keep a disk busy, few enough to bound memory.
constexpr size_t kOpeningMax = 128;
// After the disk refused to open partitions, or to remember that they exist: until the next try.
constexpr Duration kRetryDelay = Duration::milliseconds(1'000);

// Whether trying again can help; the bytes themselves are not known to be damaged or gone.
bool is_temporary(ErrorKind kind) {
  return kind == ErrorKind::kIo || kind == ErrorKind::kNoSpace || kind == ErrorKind::kLimit ||
         kind == ErrorKind::kUnavailable;
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

void TopicStorage::start(kafka::Broker& broker, const control::ClusterController& cluster,
                         LeaderEpoch epoch, const control::DataDirectory& disk) {
  CHECK(state_ == nullptr && disk.node == config_.node_id);
  cluster_ = &cluster;
  state_ = &cluster.state();
  disk_ = disk;
  epoch_ = epoch;
  ++folder_effects_;
  broker.effects.add(port::ListFolder{kDeletedFolder, {kTopicStorageOwner, kDeletedListed, 0}});
}

void TopicStorage::apply(kafka::Broker& broker, const control::Difference& difference) {
  if (const auto* added = std::get_if<control::TopicAdded>(&difference)) {
    // It may be gone again: the state can be ahead of what is carried out.
    const control::Topic* topic = state_->find_topic(added->name);
    if (topic == nullptr) return;
    add_topic(broker, *topic, 0);
    if (!known_deleted_.contains(topic->id)) return;
    return broker.groups.topic_restored(broker, topic->name, topic->id);
  }
  if (const auto* removed = std::get_if<control::TopicRemoved>(&difference)) {
    return remove_topic(broker, removed->topic);
  }
  if (const auto* more = std::get_if<control::PartitionsAdded>(&difference)) {
    const control::Topic* topic = state_->find_topic(more->name);
    if (topic != nullptr) add_topic(broker, *topic, more->first_new.value);
    return;
  }
  if (const auto* configs = std::get_if<control::TopicConfigsChanged>(&difference)) {
    reconfigure(broker, configs->name);
    return add_missing(broker);
  }
  // Where partitions belong may be another place now.
  const bool moved = std::holds_alternative<control::GroupChanged>(difference) ||
                     std::holds_alternative<control::RegionChanged>(difference) ||
                     std::holds_alternative<control::NodeChanged>(difference);
  if (moved) add_missing(broker);
}

void TopicStorage::step(kafka::Broker& broker, const port::DiskDone& done) {
  if (done.then.kind == kFolderMoved) {
    folders_.done(broker, done);
    return folder_moved(broker);
  }
  CHECK(folder_effects_ > 0);
  --folder_effects_;
  if (done.then.kind == kUnreadablePutAway) return put_away(broker, done);
  const bool is_listing = done.then.kind == kDeletedListed || done.then.kind == kFoldersListed;
  if (is_listing && !done.status) {
    log(broker, port::Severity::kError, "topics_folder_unreadable",
        fmt::format("cannot list {}: {}; folders that no topic claims are not looked for",
                    done.then.kind == kDeletedListed ? kDeletedFolder : kTopicsFolder,
                    done.status.error().message));
  }
  if (done.then.kind == kDeletedListed) {
    deleted_listing_ = done.listing;
    ++folder_effects_;
    broker.effects.add(port::ListFolder{kTopicsFolder, {kTopicStorageOwner, kFoldersListed, 0}});
    return;
  }
  if (done.then.kind == kFoldersListed) {
    std::vector<port::FolderEntry> topics = done.listing;
    sort_deleted(broker, topics);
    quarantine_strangers(broker, topics);
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
  if (!cluster_->is_current()) return;  // the next start looks again
  std::set<std::string> expected;
  for (const auto& [name, topic] : state_->topics()) {
    for (int32_t i = 0; i < topic.partition_count(); ++i) expected.insert(folder_name(name, i));
  }
  for (const port::FolderEntry& folder : folders) {
    if (expected.contains(folder.name)) continue;
    quarantine(broker, fmt::format("{}/{}", kTopicsFolder, folder.name), folder.name);
  }
}

void TopicStorage::quarantine(kafka::Broker& broker, const std::string& from,
                              const std::string& name) {
  const std::string to = fmt::format("{}/{}.{}", kQuarantineFolder, name,
                                     epoch_ == kNoLeaderEpoch ? state_->revision() : epoch_.value);
  log(broker, port::Severity::kWarning, "folder_quarantined",
      fmt::format("{} belongs to no topic; moved to {}. Delete it once you are sure that nothing "
                  "in it is needed",
                  from, to));
  ++folder_effects_;
  broker.effects.add(port::RenameFolder{from, to, {kTopicStorageOwner, kFolderQuarantined, 0}});
}

// --- bringing up --------------------------------------------------------------------------------

bool TopicStorage::settled(const std::string& topic) const {
  const auto up = bringing_up_.find(topic);
  return (up == bringing_up_.end() || !up->second.busy()) && !removing_.contains(topic) &&
         folders_.settled(topic);
}

// False for a partition in which nobody may have written yet: the state does not know that it
// exists, and the next start would create it anew.
bool TopicStorage::is_created(const Uuid& topic, int32_t index) const {
  return state_->is_created(disk_, topic, index);
}

kafka::HostedPartition TopicStorage::make_partition(const std::string& topic, const Uuid& id,
                                                    int32_t index,
                                                    const control::TopicSettings& settings) {
  kafka::HostedPartition hosted;
  hosted.route = partitions_.next_route();
  hosted.topic = topic;
  hosted.topic_id = id;
  hosted.index = PartitionIndex{index};
  hosted.partition = std::make_unique<partition::Partition>(
      folder_name(topic, index), partition_config(config_, settings),
      factory_(folder_path(topic, index), hosted.route, engine_config(config_, settings)),
      compaction_slot_);
  return hosted;
}

bool TopicStorage::is_hosted(const control::Topic& topic, int32_t index) const {
  const auto places = state_->nodes_hosting(topic, PartitionIndex{index});
  return std::any_of(places.begin(), places.end(),
                     [&](const control::Place& place) { return place.node == config_.node_id; });
}

std::vector<int32_t> TopicStorage::absent_partitions(const control::Topic& topic) const {
  std::set<int32_t> present;
  for (const auto* hosted : partitions_.of_topic(topic.name)) present.insert(hosted->index.value);
  std::vector<int32_t> absent;
  for (int32_t i = 0; i < topic.partition_count(); ++i) {
    if (!present.contains(i)) absent.push_back(i);
  }
  return absent;
}

// Partitions that belong here and are not here yet.
void TopicStorage::add_missing(kafka::Broker& broker) {
  // A node that is alone hosts everything from the start.
  if (epoch_ != kNoLeaderEpoch) return;
  for (const auto& [name, topic] : state_->topics()) {
    // Not by their number: one that does not belong here any more stays.
    const std::vector<int32_t> absent = absent_partitions(topic);
    const bool missing = std::any_of(absent.begin(), absent.end(),
                                     [&](int32_t index) { return is_hosted(topic, index); });
    if (missing) add_topic(broker, topic, 0);
  }
}

void TopicStorage::add_topic(kafka::Broker& broker, const control::Topic& topic, int32_t first) {
  if (!sorted_deleted_) return;  // its folder may have to be brought back first
  if (stopping_) return;         // left to the next start
  folders_.bring_back(broker, topic.id, topic.name);
  const control::TopicSettings settings = control::effective_settings(
      state_->topic_configs(topic.name), policy(config_).topic_defaults);
  std::set<int32_t> present;
  for (const auto* hosted : partitions_.of_topic(topic.name)) present.insert(hosted->index.value);
  const auto entry = bringing_up_.try_emplace(topic.name).first;
  BringingUp& up = entry->second;
  up.topic_id = topic.id;
  for (int32_t index = first; index < topic.partition_count(); ++index) {
    if (!is_hosted(topic, index) || present.contains(index)) continue;
    ++up.opening;
    waiting_.push_back(
        partitions_.add(make_partition(topic.name, topic.id, index, settings)).route);
  }
  bring_on(broker, entry);
  open_next(broker);
}

void TopicStorage::open_next(kafka::Broker& broker) {
  while (opening_.size() < kOpeningMax && !waiting_.empty()) {
    const kafka::Route next = waiting_.front();
    waiting_.pop_front();
    kafka::HostedPartition* hosted = partitions_.find(next);
    if (hosted == nullptr) continue;  // its topic was deleted before its turn came
    const auto way = folders_.in_the_way(folder_path(hosted->topic, hosted->index.value));
    if (way && way->empty()) {
      behind_.push_back(next);
      continue;
    }
    if (way) {
      kept_out(broker, *hosted, *way);
      continue;
    }
    if (!is_created(hosted->topic_id, hosted->index.value) && !cluster_->is_current()) {
      kept_out(broker, *hosted,
               "the control store was not read yet, and this node's copy of the cluster state does "
               "not say whether the partition was in use");
      continue;
    }
    opening_.insert(next);
    open_one(broker, *hosted);
  }
}

void TopicStorage::open_one(kafka::Broker& broker, kafka::HostedPartition& hosted) {
  const bool create = hosted.begins_anew || !is_created(hosted.topic_id, hosted.index.value);
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
  hosted.begins_anew = false;
  if (opened.torn_bytes > 0) {
    log(broker, port::Severity::kWarning, "torn_tail_cut",
        fmt::format("partition {}: {} bytes of an interrupted write were cut off; nothing that was "
                    "acknowledged was in them",
                    hosted.partition->label(), opened.torn_bytes));
  }
  if (!hosted.failure.empty()) {
    hosted.failure.clear();
    log(broker, port::Severity::kInfo, "partition_online",
        fmt::format("partition {} could be opened now", hosted.partition->label()));
  }
  one_opened(broker, hosted);
}

void TopicStorage::open_failed(kafka::Broker& broker, kafka::HostedPartition& hosted,
                               const partition::OpenFailed& failed) {
  if (failed.error.kind == ErrorKind::kNoSpace) disk_full(broker.now, hosted.route);
  // Whatever lies where a new partition is to be is of no value, so nothing there is final.
  const bool again = is_temporary(failed.error.kind) || hosted.begins_anew ||
                     !is_created(hosted.topic_id, hosted.index.value);
  if (hosted.failure != failed.error.message) {
    hosted.failure = failed.error.message;
    log(broker, port::Severity::kError, "partition_offline",
        fmt::format("partition {} is not served: {}{}", hosted.partition->label(),
                    failed.error.message, again ? "; it is tried again every second" : ""));
  }
  const bool gone = failed.error.kind == ErrorKind::kNotFound;
  hosted.unusable = !again && (gone || failed.error.kind == ErrorKind::kCorrupt);
  if (again && opening_.contains(hosted.route)) {
    ++bringing_up_.at(hosted.topic).retrying;
    refused_.push_back(hosted.route);
    plan_retry(broker.now);
  }
  one_opened(broker, hosted);
}

// Another topic's folder lies where this partition is to be and cannot be moved, or whether there
// are files of its own is not known.
void TopicStorage::kept_out(kafka::Broker& broker, kafka::HostedPartition& hosted,
                            const std::string& problem) {
  if (hosted.failure != problem) {
    hosted.failure = problem;
    log(broker, port::Severity::kError, "partition_offline",
        fmt::format("partition {} is not served: {}; it is tried again every second",
                    hosted.partition->label(), problem));
  }
  open_later(broker, hosted);
}

void TopicStorage::open_later(kafka::Broker& broker, const kafka::HostedPartition& hosted) {
  const auto entry = bringing_up_.find(hosted.topic);
  CHECK(entry != bringing_up_.end() && entry->second.opening > 0);
  --entry->second.opening;
  ++entry->second.retrying;
  refused_.push_back(hosted.route);
  plan_retry(broker.now);
  bring_on(broker, entry);
}

void TopicStorage::one_opened(kafka::Broker& broker, const kafka::HostedPartition& hosted) {
  if (opening_.erase(hosted.route) == 0) return;
  const auto entry = bringing_up_.find(hosted.topic);
  CHECK(entry != bringing_up_.end() && entry->second.opening > 0);
  --entry->second.opening;
  bring_on(broker, entry);
  open_next(broker);
}

// Whatever comes next for the topic, now that something has ended.
void TopicStorage::bring_on(kafka::Broker& broker, TopicEntry entry) {
  const BringingUp& up = entry->second;
  if (up.busy()) return;
  publish(entry->first, up.topic_id);
  if (up.retrying > 0 || up.mark_again) return;
  const control::Topic* topic = state_->find_topic(up.topic_id);
  const auto here = partitions_.of_topic(entry->first);
  const bool all = topic == nullptr || std::all_of(here.begin(), here.end(), [&](auto* hosted) {
                     return is_created(up.topic_id, hosted->index.value);
                   });
  if (!all) return mark_created(broker, entry);
  bringing_up_.erase(entry);
}

void TopicStorage::mark_created(kafka::Broker& broker, TopicEntry entry) {
  entry->second.marking = true;
  ++marking_;
  const Uuid id = entry->second.topic_id;
  const control::Topic& found = *state_->find_topic(id);
  const int32_t count = found.partition_count();
  kafka::propose<control::PartitionsMarked>(
      broker,
      [disk = disk_, id, count, absent = absent_partitions(found)](const control::State& state) {
        return control::decide_mark_created(state, disk, id, count, absent);
      },
      [this, topic = entry->first, id](
          kafka::Broker& late,
          const tl::expected<control::PartitionsMarked, control::Refusal>& marked) {
        this->marked(late, topic, id, marked.has_value());
      });
}

// Unmarked partitions are emptied by the next start, so nobody may write to them before.
void TopicStorage::marked(kafka::Broker& broker, const std::string& topic, const Uuid& id,
                          bool well) {
  CHECK(marking_ > 0);
  --marking_;
  const auto entry = bringing_up_.find(topic);
  if (entry == bringing_up_.end() || entry->second.topic_id != id) return;  // deleted
  entry->second.marking = false;
  if (!well) {
    entry->second.mark_again = true;
    plan_retry(broker.now);
  }
  bring_on(broker, entry);
}

void TopicStorage::publish(const std::string& topic, const Uuid& id) {
  for (kafka::HostedPartition* hosted : partitions_.of_topic(topic)) {
    hosted->published |= is_created(id, hosted->index.value);
  }
  if (epoch_ == kNoLeaderEpoch) published_.push_back(topic);
}

// --- trying again -------------------------------------------------------------------------------

void TopicStorage::plan_retry(const Now& now) {
  if (stopping_) return;
  next_retry_ = std::min(next_retry_, now.instant + kRetryDelay);
}

void TopicStorage::tick(kafka::Broker& broker) {
  folders_.tick(broker);
  look_at_deleted(broker);
  if (broker.now.instant < next_retry_) return;
  next_retry_ = Instant::never();
  for (const kafka::Route route : std::exchange(refused_, {})) open_again(route);
  for (auto next = bringing_up_.begin(); next != bringing_up_.end();) {
    const auto entry = next++;
    if (!std::exchange(entry->second.mark_again, false)) continue;
    bring_on(broker, entry);
  }
  open_next(broker);
}

kafka::HostedPartition TopicStorage::make_again(const kafka::HostedPartition& before) {
  const control::TopicSettings settings = control::effective_settings(
      state_->topic_configs(before.topic), policy(config_).topic_defaults);
  kafka::HostedPartition fresh =
      make_partition(before.topic, before.topic_id, before.index.value, settings);
  fresh.published = before.published;
  fresh.partition->set_given_out(before.partition->given_out());
  return fresh;
}

// With a new partition and a new log, because those that failed remember half of what is there.
// Their last effects on the files come before the first look of the new ones, which is at the
// folder.
void TopicStorage::open_again(kafka::Route old) {
  const kafka::HostedPartition* before = partitions_.find(old);
  if (before == nullptr) return;  // deleted
  kafka::HostedPartition fresh = make_again(*before);
  fresh.failure = before->failure;
  fresh.begins_anew = before->begins_anew;
  BringingUp& up = bringing_up_.at(fresh.topic);
  CHECK(up.retrying > 0);
  --up.retrying;
  ++up.opening;
  waiting_.push_back(partitions_.replace(old, std::move(fresh)).route);
}

void TopicStorage::stop() {
  stopping_ = true;
  next_retry_ = Instant::never();
  refused_.clear();
  waiting_.clear();
  behind_.clear();
  folders_.stop();
}

// --- taking down and changing -------------------------------------------------------------------

void TopicStorage::remove_topic(kafka::Broker& broker, const control::Topic& topic) {
  for (kafka::HostedPartition* hosted : partitions_.of_topic(topic.name)) {
    opening_.erase(hosted->route);
    broker.fetches.partition_lost(broker, *hosted);
    broker.offset_lookups.partition_lost(broker, *hosted);
    broker.record_deletions.partition_lost(broker, *hosted);
    remove_partition(broker, *hosted);
  }
  partitions_.remove_topic(topic.name, broker.effects);
  bringing_up_.erase(topic.name);
  put_positions_aside(broker, topic);
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
