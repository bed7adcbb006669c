#include "node/deleted_folders.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "node/topic_folders.h"

namespace magpie::node {
namespace {

constexpr Duration kRetryDelay = Duration::milliseconds(1'000);
constexpr size_t kProblemsShown = 20;

}  // namespace

std::string DeletedFolders::path_of(const Key& key, const Folder& folder, Place place) {
  return place == Place::kDeleted ? deleted_path(key.first, key.second)
                                  : folder_path(folder.name, key.second);
}

void DeletedFolders::found(const Uuid& topic, int32_t index, const std::string& name) {
  folders_[{topic, index}].name = name;
}

void DeletedFolders::put_aside(kafka::Broker& broker, const Uuid& topic, int32_t index,
                               const std::string& name) {
  const Key key{topic, index};
  const auto [entry, is_new] = folders_.try_emplace(key);
  if (is_new) entry->second = {name, Place::kTopics, Place::kTopics};
  want(broker, key, Place::kDeleted);
}

void DeletedFolders::bring_back(kafka::Broker& broker, const Uuid& topic, const std::string& name) {
  std::vector<Key> all;
  for (auto at = folders_.lower_bound({topic, 0}); at != folders_.end(); ++at) {
    if (at->first.first != topic) break;
    if (at->second.at == Place::kDeleted && !at->second.under_way) at->second.name = name;
    all.push_back(at->first);
  }
  for (const Key& key : all) want(broker, key, Place::kTopics);
}

void DeletedFolders::remove(kafka::Broker& broker, const Uuid& topic) {
  std::vector<Key> all;
  for (auto at = folders_.lower_bound({topic, 0}); at != folders_.end(); ++at) {
    if (at->first.first != topic) break;
    all.push_back(at->first);
  }
  for (const Key& key : all) want(broker, key, Place::kNowhere);
}

void DeletedFolders::remove(kafka::Broker& broker, const Uuid& topic, int32_t index) {
  want(broker, {topic, index}, Place::kNowhere);
}

void DeletedFolders::want(kafka::Broker& broker, const Key& key, Place place) {
  const auto entry = folders_.find(key);
  if (entry == folders_.end()) return;
  entry->second.wanted = place;
  go_on(broker, entry);
}

// Keeps the indexes in step with the folder.
void DeletedFolders::note(Entry entry) {
  Folder& folder = entry->second;
  const bool moves = folder.under_way || folder.at != folder.wanted;
  const bool counts = moves && folder.problem.empty();
  if (counts && !folder.counted) ++unsettled_[folder.name];
  if (!counts && folder.counted && --unsettled_[folder.name] == 0) unsettled_.erase(folder.name);
  folder.counted = counts;
  const std::string place = path_of(entry->first, folder, Place::kTopics);
  if (moves) {
    moving_[place].insert(entry->first);
  } else if (const auto found = moving_.find(place); found != moving_.end()) {
    found->second.erase(entry->first);
    if (found->second.empty()) moving_.erase(found);
  }
}

// Another one lies where this one is to be.
bool DeletedFolders::must_wait(const Key& key, const Folder& folder) const {
  if (folder.wanted != Place::kTopics) return false;
  const auto there = moving_.find(path_of(key, folder, Place::kTopics));
  if (there == moving_.end()) return false;
  return std::any_of(there->second.begin(), there->second.end(), [&](const Key& other) {
    const Folder& one = folders_.at(other);
    return other != key && (one.at == Place::kTopics || one.under_way);
  });
}

void DeletedFolders::go_on(kafka::Broker& broker, Entry entry) {
  const Key key = entry->first;
  Folder& folder = entry->second;
  if (folder.under_way) return note(entry);
  if (folder.at == folder.wanted) {
    folder.problem.clear();
    note(entry);
    // What lies among the topics is somebody else's to look after.
    if (folder.at != Place::kDeleted) folders_.erase(entry);
    return;
  }
  note(entry);
  if (must_wait(key, folder)) return;
  folder.under_way = true;
  port::Completion then = then_;
  then.cookie = next_effect_++;
  under_way_.emplace(then.cookie, Effect{key, folder.wanted});
  const std::string from = path_of(key, folder, folder.at);
  if (folder.wanted == Place::kNowhere) {
    broker.effects.add(port::RemoveFolder{from, then});
  } else {
    broker.effects.add(port::RenameFolder{from, path_of(key, folder, folder.wanted), then});
  }
}

void DeletedFolders::done(kafka::Broker& broker, const port::DiskDone& done) {
  auto effect = under_way_.extract(done.then.cookie);
  CHECK(!effect.empty());
  const auto entry = folders_.find(effect.mapped().folder);
  CHECK(entry != folders_.end());
  Folder& folder = entry->second;
  folder.under_way = false;
  const std::string place = path_of(entry->first, folder, Place::kTopics);
  // What is not there cannot be moved, and is in nobody's way.
  const bool moved = done.status || done.status.error().kind == ErrorKind::kNotFound;
  if (!moved) return refused(broker, entry, done.status.error());
  if (!folder.problem.empty()) {
    broker.effects.add(
        port::LogLine{port::Severity::kInfo, "deleted_folder_moved",
                      fmt::format("partition {} of the topic with id {} is where it belongs now",
                                  entry->first.second, to_string(entry->first.first))});
    folder.problem.clear();
  }
  folder.at = effect.mapped().to;
  go_on(broker, entry);
  wake(broker, place);
}

// Those that waited for this place.
void DeletedFolders::wake(kafka::Broker& broker, const std::string& path) {
  const auto there = moving_.find(path);
  if (there == moving_.end()) return;
  const std::set<Key> waiting = there->second;
  for (const Key& key : waiting) {
    const auto entry = folders_.find(key);
    if (entry != folders_.end() && entry->second.problem.empty()) go_on(broker, entry);
  }
}

void DeletedFolders::refused(kafka::Broker& broker, Entry entry, const Error& error) {
  Folder& folder = entry->second;
  if (folder.problem != error.message) {
    folder.problem = error.message;
    broker.effects.add(port::LogLine{
        port::Severity::kError, "deleted_folder_stuck",
        fmt::format("partition {} of {}topic '{}' with id {}: {}; it is tried again every second",
                    entry->first.second, folder.wanted == Place::kTopics ? "" : "the deleted ",
                    folder.name, to_string(entry->first.first), error.message)});
  }
  // It may be wanted where it lies by now.
  if (folder.at == folder.wanted) return go_on(broker, entry);
  note(entry);
  if (!stopped_) next_retry_ = std::min(next_retry_, broker.now.instant + kRetryDelay);
}

void DeletedFolders::tick(kafka::Broker& broker) {
  if (broker.now.instant < next_retry_) return;
  next_retry_ = Instant::never();
  std::set<Key> again;
  for (const auto& [path, keys] : moving_) again.insert(keys.begin(), keys.end());
  for (const Key& key : again) {
    const auto entry = folders_.find(key);
    if (entry != folders_.end()) go_on(broker, entry);
  }
}

void DeletedFolders::stop() {
  stopped_ = true;
  next_retry_ = Instant::never();
}

std::set<Uuid> DeletedFolders::topics() const {
  std::set<Uuid> all;
  for (const auto& [key, folder] : folders_) all.insert(key.first);
  return all;
}

std::optional<std::string> DeletedFolders::in_the_way(const std::string& path) const {
  const auto there = moving_.find(path);
  if (there == moving_.end()) return std::nullopt;
  for (const Key& key : there->second) {
    const Folder& folder = folders_.at(key);
    if (folder.problem.empty()) continue;
    return fmt::format("the folder of the topic with id {} is in the way: {}", to_string(key.first),
                       folder.problem);
  }
  return "";
}

std::vector<std::string> DeletedFolders::problems() const {
  std::vector<std::string> all;
  for (const auto& [path, keys] : moving_) {
    for (const Key& key : keys) {
      const Folder& folder = folders_.at(key);
      if (folder.problem.empty() || all.size() == kProblemsShown) continue;
      all.push_back(fmt::format("deleted topic '{}' with id {}: {}", folder.name,
                                to_string(key.first), folder.problem));
    }
  }
  return all;
}

}  // namespace magpie::node
