// Makes the node's disk follow the cluster state.
//
// The problem: a topic is a few lines in the state, but hundreds of folders on the disk, and a
// crash may come between any two of them. The idea: the state leads. When it says that a topic has
// partitions here, they are created (after removing what an interrupted attempt left), the state is
// told that they exist, and only then may clients know of them; a partition that the state knows to
// exist is opened and never created anew (G12). When the state says that a topic is gone, its
// partitions are dropped and their folders removed. Folders that no topic claims are moved aside to
// `quarantine`, never deleted.
//
// What it does not do: it does not decide about topics, and does not open more than a bounded
// number of partitions at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/state.h"
#include "kafka/broker.h"
#include "kafka/partition_table.h"
#include "node/node_config.h"
#include "partition/messages.h"
#include "port/event.h"

namespace magpie::node {

inline constexpr uint32_t kTopicStorageOwner = 2;

// Makes the engine of one partition; `owner` is the route of its disk effects.
using EngineFactory = std::function<std::unique_ptr<engine::Engine>(
    const std::string& folder, uint32_t owner, const engine::EngineConfig& config)>;

class TopicStorage {
 public:
  // All three must outlive this object; the slot also every partition.
  TopicStorage(const NodeConfig& config, kafka::PartitionTable& partitions,
               partition::CompactionSlot& slot, EngineFactory factory);

  // Brings up everything that `state` places on this node; this node leads in `epoch`. Finished
  // when idle(). `state` must outlive this object.
  void start(kafka::Broker& broker, const control::State& state, LeaderEpoch epoch);

  // Follows one committed change.
  void apply(kafka::Broker& broker, const control::Difference& difference);

  // A partition of ours opened, or could not be.
  void opened(kafka::Broker& broker, kafka::HostedPartition& hosted,
              const partition::Opened& opened);
  void open_failed(kafka::Broker& broker, kafka::HostedPartition& hosted,
                   const partition::OpenFailed& failed);

  // A folder effect of ours finished.
  void step(kafka::Broker& broker, const port::DiskDone& done);

  // True if nothing is being brought up or removed.
  bool idle() const { return bringing_up_.empty() && folder_effects_ == 0; }
  // The same for one topic.
  bool settled(const std::string& topic) const {
    return !bringing_up_.contains(topic) && !removing_.contains(topic);
  }

 private:
  // Partitions of one topic on their way up, until they are published together.
  struct BringingUp {
    Uuid topic_id;
    size_t opening = 0;
    bool created = false;  // at least one is new: the state must be told
    bool failed = false;
  };
  struct Opening {
    kafka::Route route = 0;
    bool create = false;
  };
  enum CompletionKind : uint32_t {
    kFoldersListed,
    kFolderQuarantined,
    kLeftoverRemoved,
    kFolderRemoved,
  };

  void add_topic(kafka::Broker& broker, const control::Topic& topic, int32_t first);
  void remove_topic(kafka::Broker& broker, const control::Topic& topic);
  void reconfigure(kafka::Broker& broker, const std::string& topic);
  void quarantine_strangers(kafka::Broker& broker, const std::vector<port::FolderEntry>& folders);
  void open_next(kafka::Broker& broker);
  void open_one(kafka::Broker& broker, kafka::HostedPartition& hosted, bool create);
  void one_opened(kafka::Broker& broker, kafka::HostedPartition& hosted, bool well);
  void mark_created(kafka::Broker& broker, const std::string& topic, BringingUp& up);
  void publish(const std::string& topic);

  const NodeConfig& config_;
  kafka::PartitionTable& partitions_;
  EngineFactory factory_;
  partition::CompactionSlot& compaction_slot_;
  LeaderEpoch epoch_ = kNoLeaderEpoch;
  std::map<std::string, BringingUp> bringing_up_;
  std::deque<Opening> waiting_;  // for their turn to open
  size_t open_now_ = 0;
  std::map<std::string, size_t> removing_;          // topics, with the folders still to go
  std::map<uint64_t, std::string> removal_topics_;  // by completion cookie
  uint64_t next_removal_ = 0;
  size_t folder_effects_ = 0;  // under way
  const control::State* state_ = nullptr;
};

}  // namespace magpie::node
