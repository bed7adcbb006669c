// The folders of deleted topics on this node's disk, and those on their way there and back.
//
// The problem: a disk can refuse to move a folder, and meanwhile the topic is restored or purged,
// or another topic gets its name and with it the place where the folder still lies. The idea: for
// each partition, by the id of its topic, it is remembered where its folder lies and where it is
// wanted; one effect at a time brings it there, tried again every second until it works. As long as
// a folder lies where another one is to be, it is in the way, and nobody may create or open
// anything there.
//
// Guarantees: a folder is removed only if it is wanted nowhere; no other topic's partition comes to
// lie in it. What the disk refuses is logged and stands among the node's problems.
//
// What it does not do: it decides nothing about topics (topic_storage.h), and remembers nothing
// over a restart: then the disk is looked at.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "base/uuid.h"
#include "kafka/broker.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::node {

class DeletedFolders {
 public:
  // `then`: who hears of its effects; the cookie is filled in.
  explicit DeletedFolders(port::Completion then) : then_(then) {}

  // At the start: it lies in `deleted`. The name of its topic is empty if nobody can tell it.
  void found(const Uuid& topic, int32_t index, const std::string& name);

  // The topic, which had this name, is deleted: from its place to `deleted`.
  void put_aside(kafka::Broker& broker, const Uuid& topic, int32_t index, const std::string& name);
  // It is restored under this name: all of its folders.
  void bring_back(kafka::Broker& broker, const Uuid& topic, const std::string& name);
  // It is gone for good: all of its folders, or one.
  void remove(kafka::Broker& broker, const Uuid& topic);
  void remove(kafka::Broker& broker, const Uuid& topic, int32_t index);

  // An effect of this object finished.
  void done(kafka::Broker& broker, const port::DiskDone& done);
  // Tries again what the disk refused, if it is time.
  void tick(kafka::Broker& broker);
  Instant next_deadline() const { return next_retry_; }
  // Nothing is tried again any more.
  void stop();

  bool has(const Uuid& topic, int32_t index) const { return folders_.contains({topic, index}); }
  bool empty() const { return folders_.empty(); }
  // Topics of which there are folders.
  std::set<Uuid> topics() const;
  // What keeps others from the place of a partition: nothing; a move that is under way (empty), or
  // one that the disk refuses, and why.
  std::optional<std::string> in_the_way(const std::string& path) const;
  // Nothing of the topic is moved, but what the disk refuses.
  bool settled(const std::string& name) const { return !unsettled_.contains(name); }
  // Effects are under way.
  bool busy() const { return !under_way_.empty(); }
  // For operators: what the disk refuses, a few of them.
  std::vector<std::string> problems() const;

 private:
  using Key = std::pair<Uuid, int32_t>;
  enum class Place { kTopics, kDeleted, kNowhere };
  struct Folder {
    std::string name;  // of the topic
    Place at = Place::kDeleted;
    Place wanted = Place::kDeleted;
    bool under_way = false;
    bool counted = false;  // in unsettled_
    std::string problem;   // as the disk last said; empty if it did not refuse
  };
  using Entry = std::map<Key, Folder>::iterator;

  void want(kafka::Broker& broker, const Key& key, Place place);
  void go_on(kafka::Broker& broker, Entry entry);
  bool must_wait(const Key& key, const Folder& folder) const;
  void refused(kafka::Broker& broker, Entry entry, const Error& error);
  void note(Entry entry);
  void wake(kafka::Broker& broker, const std::string& path);
  static std::string path_of(const Key& key, const Folder& folder, Place place);

  port::Completion then_;
  std::map<Key, Folder> folders_;
  // Those that are not where they are wanted, by the place of the partition.
  std::map<std::string, std::set<Key>> moving_;
  std::map<std::string, size_t> unsettled_;  // topics, with the folders that are moved
  struct Effect {
    Key folder;
    Place to = Place::kNowhere;
  };
  std::map<uint64_t, Effect> under_way_;  // by completion cookie
  uint64_t next_effect_ = 0;
  Instant next_retry_ = Instant::never();
  bool stopped_ = false;
};

}  // namespace magpie::node
