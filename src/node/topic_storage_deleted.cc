// Deleted topics on the node's disk: put aside, brought back, removed when their time is over.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "control/deleted_topic.h"
#include "control/keys.h"
#include "kafka/cluster_control.h"
#include "kafka/group_requests.h"
#include "node/topic_folders.h"
#include "node/topic_storage.h"

namespace magpie::node {
namespace {

// How often it is looked whether the time of a deleted topic is over, or it was purged.
constexpr Duration kLookInterval = Duration::seconds(1);
// For how long a disk must be full before a deleted topic makes room, and after each for the next.
constexpr Duration kPatience = Duration::seconds(3);
// Purges that are proposed and not decided: others of the node's changes wait behind them.
constexpr size_t kPurgesAtOnce = 8;
// A wall clock that goes ahead of the other clock by more, from one look to the next, may be wrong,
// and somebody may set it right; for how long nothing is purged because of its time.
constexpr Duration kClockJump = Duration::seconds(60);
constexpr Duration kJumpPatience = Duration::seconds(3'600);

struct DeletedPartition {
  Uuid topic;
  int32_t index = 0;
};

// What the name of a folder in `deleted` says.
std::optional<DeletedPartition> parse_folder(const std::string& name) {
  const size_t dash = name.rfind('-');
  if (dash == std::string::npos) return std::nullopt;
  const auto topic = parse_uuid(std::string_view(name).substr(0, dash));
  DeletedPartition found;
  const char* const end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + dash + 1, end, found.index);
  if (!topic || error != std::errc() || stop != end || found.index < 0) return std::nullopt;
  found.topic = *topic;
  return found;
}

auto find_entry(std::vector<port::FolderEntry>& folders, const std::string& name) {
  return std::find_if(folders.begin(), folders.end(),
                      [&](const port::FolderEntry& folder) { return folder.name == name; });
}

bool has_deleted(const control::State& state) {
  const auto at = state.entries().lower_bound(control::kDeletedTopicPrefix);
  return at != state.entries().end() && at->first.starts_with(control::kDeletedTopicPrefix);
}

// Of those that are alive the first, so that one of them does what one has to do.
bool is_first_alive(const control::State& state, NodeId self) {
  for (const auto& [id, node] : state.nodes()) {
    if (state.alive(id)) return id == self;
  }
  return false;
}

}  // namespace

Instant TopicStorage::next_deadline() const {
  const Instant retry = std::min(next_retry_, folders_.next_deadline());
  if (!sorted_deleted_ || stopping_) return retry;
  const bool looks = has_deleted(*state_) || !known_deleted_.empty() || !folders_.empty();
  return looks ? std::min(retry, next_look_) : retry;
}

// --- at the start --------------------------------------------------------------------------------

// `topics` is what lies among the topics, and is corrected by what is moved. The process may have
// ended between a change of the state and the move that follows from it, or have been down when the
// state changed. What bears an id is certain, so it is looked at first.
void TopicStorage::sort_deleted(kafka::Broker& broker, std::vector<port::FolderEntry>& topics) {
  const DeletedTopics all = control::deleted_topics(*state_);
  std::vector<DeletedPartition> restored;
  for (const port::FolderEntry& folder : std::exchange(deleted_listing_, {})) {
    const auto found = parse_folder(folder.name);
    if (found && control::is_kept(*state_, found->topic)) {
      const auto record = all.find(found->topic);
      const bool readable = record != all.end();
      folders_.found(found->topic, found->index, readable ? record->second.topic.name : "");
    } else if (const auto* topic = found ? state_->find_topic(found->topic) : nullptr;
               topic != nullptr && is_created(found->topic, found->index)) {
      folders_.found(found->topic, found->index, topic->name);  // add_topic() brings it back
      restored.push_back(*found);
    } else if (cluster_->is_current()) {
      quarantine(broker, fmt::format("{}/{}", kDeletedFolder, folder.name), folder.name);
    }
  }
  put_aside_what_was_missed(broker, all, topics);
  for (const DeletedPartition& one : restored) clear_place(broker, one.topic, one.index, topics);
  known_deleted_.clear();
  for (const auto& [id, deleted] : all) known_deleted_.insert(id);
  sorted_deleted_ = true;
}

// A topic is created at a place only once what lay there has been moved: so what is not in
// `deleted` belongs to the last one that was created there.
void TopicStorage::put_aside_what_was_missed(kafka::Broker& broker, const DeletedTopics& all,
                                             std::vector<port::FolderEntry>& topics) {
  for (const auto& [name, ids] : control::deleted_by_name(*state_)) {
    const control::Topic* namesake = state_->find_topic(name);
    for (const Uuid& id : ids) {
      for (int32_t i = 0; i < all.at(id).topic.partition_count(); ++i) {
        if (!is_created(id, i) || folders_.has(id, i)) continue;
        const bool is_its =
            namesake != nullptr && is_created(namesake->id, i) && !folders_.has(namesake->id, i);
        if (is_its) continue;
        const auto entry = find_entry(topics, folder_name(name, i));
        if (entry == topics.end()) continue;
        folders_.put_aside(broker, id, i, name);
        topics.erase(entry);
      }
    }
  }
}

// What lies at the place of a restored partition is not its own, which bears its id. The state can
// be older than the disk, and that of a topic of the name that the state does not know yet.
void TopicStorage::clear_place(kafka::Broker& broker, const Uuid& topic, int32_t index,
                               std::vector<port::FolderEntry>& topics) {
  const std::string there = folder_name(state_->find_topic(topic)->name, index);
  const auto other = find_entry(topics, there);
  if (other == topics.end()) return;
  quarantine(broker, fmt::format("{}/{}", kTopicsFolder, there), there);
  topics.erase(other);
}

// --- deleted and restored ------------------------------------------------------------------------

// A partition in which nobody can have written yet is not worth keeping.
bool TopicStorage::keeps(const kafka::HostedPartition& hosted) const {
  const bool wanted = control::is_kept(*state_, hosted.topic_id) ||
                      state_->find_topic(hosted.topic_id) != nullptr;  // restored already
  return wanted && is_created(hosted.topic_id, hosted.index.value);
}

void TopicStorage::remove_partition(kafka::Broker& broker, const kafka::HostedPartition& hosted) {
  const int32_t index = hosted.index.value;
  const std::string path = folder_path(hosted.topic, index);
  if (keeps(hosted)) return folders_.put_aside(broker, hosted.topic_id, index, hosted.topic);
  if (folders_.has(hosted.topic_id, index)) {
    return folders_.remove(broker, hosted.topic_id, index);
  }
  // What lies there is another topic's; this one was kept out.
  if (folders_.in_the_way(path)) return;
  ++folder_effects_;
  ++removing_[hosted.topic];
  removal_topics_.emplace(next_removal_, hosted.topic);
  broker.effects.add(
      port::RemoveFolder{path, {kTopicStorageOwner, kFolderRemoved, next_removal_++}});
}

void TopicStorage::put_positions_aside(kafka::Broker& broker, const control::Topic& topic) {
  const bool kept = control::is_kept(*state_, topic.id) || state_->find_topic(topic.id) != nullptr;
  if (kept) known_deleted_.insert(topic.id);
  if (kept) return broker.groups.topic_put_aside(broker, topic.name, topic.id);
  broker.groups.topic_deleted(broker, topic.name);
}

// A place may be free now.
void TopicStorage::folder_moved(kafka::Broker& broker) {
  waiting_.insert(waiting_.end(), behind_.begin(), behind_.end());
  behind_.clear();
  if (!refused_.empty() && !stopping_) next_retry_ = std::min(next_retry_, broker.now.instant);
  open_next(broker);
}

// --- now and then --------------------------------------------------------------------------------

void TopicStorage::look_at_deleted(kafka::Broker& broker) {
  if (!sorted_deleted_ || stopping_ || broker.now.instant < next_look_) return;
  next_look_ = broker.now.instant + kLookInterval;
  DeletedTopics all;
  if (has_deleted(*state_)) all = control::deleted_topics(*state_);
  look_at_clock(broker);
  purge_overdue(broker, all);
  look_at_restores(broker, all);
  make_room(broker, all);
  // By its key, which this version may not be able to read.
  const auto is_gone = [&](const Uuid& id) {
    return !control::is_kept(*state_, id) && state_->find_topic(id) == nullptr;
  };
  for (const Uuid& id : std::exchange(known_deleted_, {})) {
    if (is_gone(id)) broker.groups.topic_purged(broker, id);
  }
  for (const auto& [id, deleted] : all) known_deleted_.insert(id);
  for (const Uuid& id : folders_.topics()) {
    if (!is_gone(id)) continue;
    broker.effects.add(port::LogLine{
        port::Severity::kInfo, "deleted_topic_removed",
        fmt::format("the records of the deleted topic with id {} are removed", to_string(id))});
    folders_.remove(broker, id);
  }
}

void TopicStorage::purge(kafka::Broker& broker, const Uuid& topic) {
  if (proposed_.size() >= kPurgesAtOnce || !proposed_.insert(topic).second) return;
  kafka::propose<control::DeletedTopic>(
      broker,
      [which = to_string(topic)](const control::State& state) {
        return control::decide_purge_topic(state, which);
      },
      [this, topic](kafka::Broker&, const tl::expected<control::DeletedTopic, control::Refusal>&) {
        proposed_.erase(topic);  // tried again if it was refused
      });
}

// A clock that jumps ahead must not end the time of everything that is kept.
void TopicStorage::look_at_clock(kafka::Broker& broker) {
  const Now& now = broker.now;
  const Duration passed = now.instant - std::exchange(clock_seen_.instant, now.instant);
  const int64_t before = std::exchange(clock_seen_.wall, now.wall).millis;
  const Duration told = Duration::milliseconds(now.wall.millis - before);
  // Over a long time clocks differ anyway.
  const bool compares = std::exchange(clock_is_known_, true) && passed <= kClockJump;
  if (!compares || told - passed <= kClockJump) return;
  purges_from_ = now.instant + kJumpPatience;
  broker.effects.add(port::LogLine{
      port::Severity::kWarning, "clock_jumped",
      fmt::format("the clock went ahead by {} s at once; for an hour no deleted topic is purged "
                  "because its time is over. Set the clock right if it is wrong",
                  (told - passed).to_milliseconds() / 1'000)});
}

// One node asks for it.
void TopicStorage::purge_overdue(kafka::Broker& broker, const DeletedTopics& all) {
  if (broker.now.instant < purges_from_) return;
  const bool alone = epoch_ != kNoLeaderEpoch;
  if (!alone && !is_first_alive(*state_, config_.node_id)) return;
  for (const auto& [id, deleted] : all) {
    const bool over = broker.now.wall >= deleted.kept_until && control::is_kept(*state_, id);
    if (over) purge(broker, id);
  }
}

// A term that waits for a partition which cannot be read would block its whole group.
void TopicStorage::look_at_restores(kafka::Broker& broker, const DeletedTopics& all) {
  for (const auto& [id, deleted] : all) {
    if (deleted.restored.empty()) continue;
    const auto step = control::restore_step(*state_, deleted, config_.node_id);
    if (step == control::RestoreStep::kNothing) continue;
    if (step == control::RestoreStep::kFinished) {
      give_back(broker, id, "");
      continue;
    }
    for (const kafka::HostedPartition* hosted : partitions_.of_topic(deleted.topic.name)) {
      const bool fails = !hosted->partition->is_readable() && !hosted->failure.empty();
      if (hosted->topic_id != id || !fails) continue;
      give_back(broker, id,
                fmt::format("node {}, which leads its failover group, cannot open partition {}: {}",
                            config_.node_id.value, hosted->partition->label(), hosted->failure));
      break;
    }
  }
}

// With a problem the topic is taken away again; without one its restore is over.
void TopicStorage::give_back(kafka::Broker& broker, const Uuid& topic, const std::string& problem) {
  if (problem.empty() && !is_first_alive(*state_, config_.node_id)) return;  // one node does it
  if (!proposed_.insert(topic).second) return;
  kafka::propose<control::DeletedTopic>(
      broker,
      [topic, self = config_.node_id, problem, now = broker.now.wall](const control::State& state) {
        return problem.empty() ? control::decide_finish_restore(state, topic, self)
                               : control::decide_give_back_topic(state, topic, self, problem, now);
      },
      [this, topic, problem](kafka::Broker& late,
                             const tl::expected<control::DeletedTopic, control::Refusal>& done) {
        proposed_.erase(topic);
        if (!done || problem.empty()) return;
        late.effects.add(port::LogLine{port::Severity::kError, "restore_failed",
                                       fmt::format("topic '{}' with id {} is deleted again: {}",
                                                   done->topic.name, to_string(topic), problem)});
      });
}

// --- a full disk ---------------------------------------------------------------------------------

void TopicStorage::disk_full(const Now& now, kafka::Route route) {
  out_of_space_.insert(route);
  make_room_at_ = std::min(make_room_at_, now.instant + kPatience);
}

void TopicStorage::make_room(kafka::Broker& broker, const DeletedTopics& all) {
  if (broker.now.instant < make_room_at_) return;
  make_room_at_ = Instant::never();
  std::erase_if(out_of_space_,
                [&](kafka::Route route) { return partitions_.find(route) == nullptr; });
  if (out_of_space_.empty()) return;
  const std::set<Uuid> here = folders_.topics();
  // The last one may be large, and is enough once it is gone.
  const bool goes = gave_way_ && here.contains(*gave_way_) &&
                    !control::is_kept(*state_, *gave_way_) && folders_.problems().empty();
  if (goes) {
    make_room_at_ = broker.now.instant + kPatience;
    return;
  }
  const control::DeletedTopic* first = nullptr;
  for (const auto& [id, deleted] : all) {
    if (!here.contains(id) || !control::is_kept(*state_, id)) continue;
    if (first == nullptr || deleted.kept_until < first->kept_until) first = &deleted;
  }
  if (first == nullptr) return;
  const bool is_said = std::exchange(gave_way_, first->topic.id) == first->topic.id;
  if (!is_said)
    broker.effects.add(port::LogLine{
        port::Severity::kWarning, "deleted_topic_gives_way",
        fmt::format(
            "the disk is full, so the deleted topic '{}' with id {} is purged before its time",
            first->topic.name, to_string(first->topic.id))});
  purge(broker, first->topic.id);
  make_room_at_ = broker.now.instant + kPatience;  // if that is not enough
}

}  // namespace magpie::node
