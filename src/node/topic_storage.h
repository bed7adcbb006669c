// Makes the node's disk follow the cluster state.
//
// The problem: a topic is a few lines in the state, but hundreds of folders on the disk, and a
// crash may come between any two of them. The idea: the state leads. When it says that a topic has
// partitions here, they are created (after removing what an interrupted attempt left), the state is
// told that they exist, and only then may clients know of them; a partition that the state knows to
// exist is opened and never created anew (G12). When the state says that a topic is gone, its
// partitions are dropped and their folders removed; or, if the state keeps it as a deleted one, put
// into `deleted` under the topic's id, from where they come back with it, or are removed once the
// state forgets it (topic_storage_deleted.cc, deleted_folders.h). Folders that no topic claims are
// moved aside to `quarantine`, never deleted.
//
// While the state is from a copy that may be behind, nothing is created or put into quarantine:
// what the copy does not know of may hold records that were acknowledged.
//
// A partition that cannot be opened because the disk is full or fails is tried again every second
// until it can; one whose bytes are damaged or gone stays closed. Nobody waits for either: topics
// are served with the partitions that are there.
//
// What it does not do: it does not decide about topics, and does not open more than a bounded
// number of partitions at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control/cluster_controller.h"
#include "control/deleted_topic.h"
#include "control/state.h"
#include "control/topic_settings.h"
#include "kafka/broker.h"
#include "kafka/partition_table.h"
#include "node/deleted_folders.h"
#include "node/node_config.h"
#include "partition/messages.h"
#include "port/event.h"

namespace magpie::node {

inline constexpr uint32_t kTopicStorageOwner = 2;
// What lies where it does not belong, or cannot be read, is kept here.
inline constexpr const char* kQuarantineFolder = "quarantine";

// Makes the engine of one partition; `owner` is the route of its disk effects.
using EngineFactory = std::function<std::unique_ptr<engine::Engine>(
    const std::string& folder, uint32_t owner, const engine::EngineConfig& config)>;

class TopicStorage {
 public:
  // All three must outlive this object; the slot also every partition.
  TopicStorage(const NodeConfig& config, kafka::PartitionTable& partitions,
               partition::CompactionSlot& slot, EngineFactory factory);

  // Brings up everything that the state places on this node; this node leads it all in `epoch` or,
  // with kNoLeaderEpoch, has no role until somebody gives it one. `disk` is this node's. Finished
  // when idle(). `cluster` must outlive this object.
  void start(kafka::Broker& broker, const control::ClusterController& cluster, LeaderEpoch epoch,
             const control::DataDirectory& disk);

  // Follows one committed change.
  void apply(kafka::Broker& broker, const control::Difference& difference);

  // A partition of ours opened, or could not be.
  void opened(kafka::Broker& broker, kafka::HostedPartition& hosted,
              const partition::Opened& opened);
  void open_failed(kafka::Broker& broker, kafka::HostedPartition& hosted,
                   const partition::OpenFailed& failed);

  // Puts a copy away of which not all can be read, to `quarantine`, and begins an empty one in its
  // place (G12). `tail_kept`: nothing that only it holds goes with it. REQUIRES: nobody relies on
  // what it holds.
  void begin_anew(kafka::Broker& broker, kafka::Route route, bool tail_kept);

  // A folder effect of ours finished.
  void step(kafka::Broker& broker, const port::DiskDone& done);

  // Tries again what the disk refused, and looks after deleted topics, if it is time.
  void tick(kafka::Broker& broker);
  Instant next_deadline() const;

  // A partition takes no writes because the disk is full, or takes them again. Deleted topics make
  // room, the one that would go first before the others, until none is short of it.
  void disk_full(const Now& now, kafka::Route route);
  void has_room(kafka::Route route) { out_of_space_.erase(route); }
  // For operators: folders of deleted topics that the disk refuses to move or remove.
  std::vector<std::string> problems() const { return folders_.problems(); }

  // Topics of which partitions came into use since the last call; with several regions somebody
  // must give them a role.
  std::vector<std::string> take_published() { return std::exchange(published_, {}); }

  // The node stops: nothing more is opened.
  void stop();

  // True if nothing is being brought up or removed. What waits for the disk to work again does not
  // count.
  bool idle() const {
    return opening_.empty() && waiting_.empty() && behind_.empty() && marking_ == 0 &&
           folder_effects_ == 0 && !folders_.busy();
  }
  // The same for one topic.
  bool settled(const std::string& topic) const;

 private:
  // A topic of which some partition is on its way up.
  struct BringingUp {
    Uuid topic_id;
    size_t opening = 0;       // partitions that open or wait for their turn
    size_t retrying = 0;      // those that the disk refused, until the next try
    bool marking = false;     // the state is being told
    bool mark_again = false;  // telling it has failed

    bool busy() const { return opening > 0 || marking; }
  };
  using TopicEntry = std::map<std::string, BringingUp>::iterator;
  using DeletedTopics = std::map<Uuid, control::DeletedTopic>;
  enum CompletionKind : uint32_t {
    kDeletedListed,
    kFoldersListed,
    kFolderQuarantined,
    kLeftoverRemoved,
    kFolderRemoved,
    kFolderMoved,
    kUnreadablePutAway,
  };

  // Of the topic's partitions those that are not here.
  std::vector<int32_t> absent_partitions(const control::Topic& topic) const;
  bool is_hosted(const control::Topic& topic, int32_t index) const;
  void add_topic(kafka::Broker& broker, const control::Topic& topic, int32_t first);
  void add_missing(kafka::Broker& broker);
  void remove_topic(kafka::Broker& broker, const control::Topic& topic);
  void reconfigure(kafka::Broker& broker, const std::string& topic);
  void quarantine_strangers(kafka::Broker& broker, const std::vector<port::FolderEntry>& folders);
  void quarantine(kafka::Broker& broker, const std::string& from, const std::string& name);

  // Of deleted topics.
  void sort_deleted(kafka::Broker& broker, std::vector<port::FolderEntry>& topics);
  void put_aside_what_was_missed(kafka::Broker& broker, const DeletedTopics& all,
                                 std::vector<port::FolderEntry>& topics);
  void clear_place(kafka::Broker& broker, const Uuid& topic, int32_t index,
                   std::vector<port::FolderEntry>& topics);
  bool keeps(const kafka::HostedPartition& hosted) const;
  void remove_partition(kafka::Broker& broker, const kafka::HostedPartition& hosted);
  void put_positions_aside(kafka::Broker& broker, const control::Topic& topic);
  void folder_moved(kafka::Broker& broker);
  void look_at_deleted(kafka::Broker& broker);
  void purge(kafka::Broker& broker, const Uuid& topic);
  void look_at_clock(kafka::Broker& broker);
  void purge_overdue(kafka::Broker& broker, const DeletedTopics& all);
  void look_at_restores(kafka::Broker& broker, const DeletedTopics& all);
  void give_back(kafka::Broker& broker, const Uuid& topic, const std::string& problem);
  void make_room(kafka::Broker& broker, const DeletedTopics& all);
  kafka::HostedPartition make_partition(const std::string& topic, const Uuid& id, int32_t index,
                                        const control::TopicSettings& settings);
  void open_next(kafka::Broker& broker);
  void kept_out(kafka::Broker& broker, kafka::HostedPartition& hosted, const std::string& problem);
  // Of one that waited for its turn.
  void open_later(kafka::Broker& broker, const kafka::HostedPartition& hosted);
  void open_one(kafka::Broker& broker, kafka::HostedPartition& hosted);
  void one_opened(kafka::Broker& broker, const kafka::HostedPartition& hosted);
  void bring_on(kafka::Broker& broker, TopicEntry entry);
  void mark_created(kafka::Broker& broker, TopicEntry entry);
  void marked(kafka::Broker& broker, const std::string& topic, const Uuid& id, bool well);
  void publish(const std::string& topic, const Uuid& id);
  void plan_retry(const Now& now);
  void open_again(kafka::Route old);
  kafka::HostedPartition make_again(const kafka::HostedPartition& before);
  void put_away(kafka::Broker& broker, const port::DiskDone& done);
  bool is_created(const Uuid& topic, int32_t index) const;

  const NodeConfig& config_;
  kafka::PartitionTable& partitions_;
  EngineFactory factory_;
  partition::CompactionSlot& compaction_slot_;
  LeaderEpoch epoch_ = kNoLeaderEpoch;
  std::map<std::string, BringingUp> bringing_up_;
  std::vector<kafka::Route> refused_;  // by the disk, to be tried again
  Instant next_retry_ = Instant::never();
  bool stopping_ = false;
  std::deque<kafka::Route> waiting_;  // for their turn to open
  std::set<kafka::Route> opening_;
  size_t marking_ = 0;
  std::map<std::string, size_t> removing_;          // topics, with the folders still to go
  std::map<uint64_t, std::string> removal_topics_;  // by completion cookie
  uint64_t next_removal_ = 0;
  size_t folder_effects_ = 0;                       // under way
  std::vector<port::FolderEntry> deleted_listing_;  // at the start
  DeletedFolders folders_{{kTopicStorageOwner, kFolderMoved, 0}};
  std::deque<kafka::Route> behind_;  // that open once a folder has moved
  bool sorted_deleted_ = false;      // what lay in `deleted` at the start
  std::set<Uuid> known_deleted_;     // when it was last looked
  std::set<Uuid> proposed_;          // that something is done with them
  Instant next_look_;                // at deleted topics
  Now clock_seen_;                   // when it was last looked
  bool clock_is_known_ = false;
  Instant purges_from_;  // because their time is over
  std::set<kafka::Route> out_of_space_;
  Instant make_room_at_ = Instant::never();
  std::optional<Uuid> gave_way_;  // the last that was to make room
  std::vector<std::string> published_;
  const control::ClusterController* cluster_ = nullptr;
  const control::State* state_ = nullptr;  // its
  control::DataDirectory disk_;
};

}  // namespace magpie::node
