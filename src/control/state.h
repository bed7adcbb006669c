// Cluster state: what every node must agree on.
//
// The problem: topics, their settings, leadership and the counters behind epochs and producer ids
// must be the same wherever they are read, must survive any crash, and must never go back. The
// idea: state is nothing but keys with values, each stamped with the revision that last changed it.
// It is built only by apply(), from changes that are already durable; requests are answered by
// decide functions (decide_topic.h, decide_configs.h, counters.h), which read the state and return
// a transaction, but change nothing. Today the node's own journal commits the transaction; with
// several regions a control store does, and nothing here needs to know.
//
// Guarantees: apply() takes all changes of a revision or none; revisions only rise; counters and
// the leader epoch never go back; the same changes give the same state, byte for byte.
//
// What it does not do: it does not judge requests, wait, or write. Keys it does not know are kept,
// so that a copy of the state made by this node is complete for a newer one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/uuid.h"
#include "control/change.h"
#include "control/failover_group.h"
#include "control/leadership.h"
#include "control/operation.h"
#include "control/region.h"
#include "control/region_values.h"
#include "control/topic.h"

namespace magpie::control {

// What an apply() changed, for those who act on it: open and remove partitions, take over settings.
struct TopicAdded {
  std::string name;
};
// A topic that is replaced under its name (another id) is reported as removed, then added.
struct TopicRemoved {
  Topic topic;
};
// The topic now has more partitions; those from `first_new` on are new.
struct PartitionsAdded {
  std::string name;
  PartitionIndex first_new;
};
struct TopicConfigsChanged {
  std::string name;
};
struct LeadershipChanged {
  std::string group;
};
struct GroupChanged {
  std::string group;
};
struct RegionChanged {
  std::string region;
};
struct NodeChanged {
  NodeId node;
};
// The node got its lease, or lost it.
struct NodeAliveChanged {
  NodeId node;
};
struct CeilingsChanged {
  std::string group;
  Uuid topic;
};
struct OperationChanged {
  OperationId operation;
};

using Difference = std::variant<TopicAdded, TopicRemoved, PartitionsAdded, TopicConfigsChanged,
                                LeadershipChanged, GroupChanged, RegionChanged, NodeChanged,
                                NodeAliveChanged, CeilingsChanged, OperationChanged>;

// Somewhere a partition is: at most one node of each region of its group.
struct Place {
  std::string region;  // empty on a single node
  NodeId node;

  bool operator==(const Place&) const = default;
};

// Who leads a partition, and in which epoch.
struct PartitionLeader {
  NodeId node;
  LeaderEpoch epoch;

  bool operator==(const PartitionLeader&) const = default;
};

struct HostedPartition {
  Uuid topic;
  PartitionIndex partition;

  auto operator<=>(const HostedPartition&) const = default;
};

class State {
 public:
  struct Entry {
    std::string value;
    Revision modified = 0;

    bool operator==(const Entry&) const = default;
  };
  using Entries = std::map<std::string, Entry, std::less<>>;
  using Topics = std::map<std::string, Topic, std::less<>>;
  using Groups = std::map<std::string, FailoverGroup, std::less<>>;

  // Takes over the changes committed at `revision`. On error nothing has changed: kCorrupt if a
  // value is malformed, a key comes twice, two topics share an id, a counter would go back or
  // `revision` is not above revision(); kUnsupported if a value is of a newer version. The message
  // names the key.
  Result<std::vector<Difference>> apply(Revision revision, const std::vector<Change>& changes);

  // Becomes what a control store holds at `revision`, whatever was here before, and says what is
  // different. Errors as apply(); a revision below revision() is one.
  Result<std::vector<Difference>> replace(Revision revision, const Entries& entries);

  // What apply() would say, without taking anything over.
  Status check(Revision revision, const std::vector<Change>& changes) const;

  // True if all compares of the transaction hold.
  bool allows(const Transaction& transaction) const;

  Revision revision() const { return revision_; }
  // Revision at which the key was last changed; 0 if it does not exist.
  Revision modified(std::string_view key) const;
  // All keys, also those this version does not understand, sorted.
  const Entries& entries() const { return entries_; }

  // All topics, sorted by name.
  const Topics& topics() const { return topics_; }
  // Null if there is none.
  const Topic* find_topic(std::string_view name) const;
  const Topic* find_topic(const Uuid& id) const;
  // A topic with another name and the same metric name (topic_name.h); null if there is none.
  const Topic* find_collision(std::string_view name) const;
  // Values set for a topic; empty if none are.
  const ConfigValues& topic_configs(std::string_view topic) const;

  // Partitions of the whole cluster, and of one node.
  int64_t partition_count() const { return partition_count_; }
  int64_t partition_count(NodeId node) const;

  // How many of a topic's partitions, from the first on, were looked at when it was recorded which
  // exist in a node's data directory (created_partitions.h); and whether one of them does. What
  // another directory of the node holds does not.
  int32_t created_partitions(const DataDirectory& disk, const Uuid& topic) const;
  bool is_created(const DataDirectory& disk, const Uuid& topic, int32_t index) const;

  // Regions, nodes and failover groups by name. The groups `default` and `system` are always there.
  const Regions& regions() const { return regions_; }
  const std::map<NodeId, Node>& nodes() const { return nodes_; }
  const Groups& groups() const { return groups_; }
  // Null if there is none.
  const Node* find_node(NodeId node) const;
  const FailoverGroup* find_group(std::string_view group) const;
  // With which incarnation a node holds its lease; nothing if it does not.
  std::optional<Uuid> alive(NodeId node) const;
  // Of a group that was never led it does not exist().
  const Leadership& leadership(std::string_view group = kDefaultGroup) const;
  // Empty if nothing was reserved.
  const Ceilings& ceilings(std::string_view group, const Uuid& topic) const;
  // Its floors, each the highest in any group that the partition was ever in.
  std::vector<Offset> floors(const Uuid& topic) const;

  // Switchovers and failovers, those that are over included.
  const Operations& operations() const { return operations_; }

  // --- where partitions are ---
  // The group that a partition belongs to. REQUIRES: the topic exists.
  const std::string& group_of(const Topic& topic, PartitionIndex partition) const;
  // In the order of the group's regions. In each region it is the node that the topic's placement
  // names, if it is one of that region, and otherwise the region's node with the lowest id.
  std::vector<Place> nodes_hosting(const Topic& topic, PartitionIndex partition) const;
  // Nothing while the group was never led.
  std::optional<PartitionLeader> leader_of(const Topic& topic, PartitionIndex partition) const;
  // Sorted by topic id.
  std::vector<HostedPartition> partitions_of(NodeId node) const;

  // Numbers that were never given out. The first epoch is 1: none is ever mistaken for a default.
  int64_t next_epoch() const { return next_epoch_; }
  int64_t next_producer_id() const { return next_producer_id_; }

  // Equal keys, values and revisions; everything else follows from these.
  bool operator==(const State& other) const {
    return revision_ == other.revision_ && entries_ == other.entries_;
  }

 private:
  struct Counter {
    int64_t next;
  };
  struct Created {
    int32_t partitions;
    std::optional<Uuid> incarnation;
    std::vector<int32_t> absent;
  };
  struct Alive {
    Uuid incarnation;
  };
  // What a change means; the empty alternative is a deletion or a key of a newer version.
  using Meaning = std::variant<std::monostate, Topic, ConfigValues, Counter, Leadership, Created,
                               Region, Node, Alive, FailoverGroup, Ceilings, Operation>;

  static Result<Meaning> decode(const Change& change);
  static Result<Meaning> decode_regional(const Change& change);
  Result<std::vector<Meaning>> understand(Revision revision,
                                          const std::vector<Change>& changes) const;
  Status check_topic_ids(const std::vector<Change>& changes,
                         const std::vector<Meaning>& meanings) const;
  const Created* created(const DataDirectory& disk, const Uuid& topic) const;
  Status check_not_going_back(const Change& change, const Meaning& meaning) const;
  void take_over(const Change& change, Meaning meaning, std::vector<Difference>& differences);
  void take_over_regional(const Change& change, Meaning meaning,
                          std::vector<Difference>& differences);
  void replace_topic(std::string_view name, Topic* topic, std::vector<Difference>& differences);
  static Groups built_in_groups();
  void count_partitions(const Topic& topic, int64_t sign);
  void note_groups_of(const std::string& topic);

  Revision revision_ = 0;
  Entries entries_;

  // Views of the entries.
  Topics topics_;
  std::map<Uuid, std::string> names_by_id_;
  std::set<std::pair<std::string, std::string>> metric_names_;  // with the topic's name
  std::map<std::string, ConfigValues, std::less<>> topic_configs_;
  // Of those topics whose configs name failover groups: with many partitions they are asked for all
  // the time.
  std::map<std::string, std::vector<std::string>, std::less<>> group_lists_;
  // These stay as they are.
  std::string default_group_ = std::string(kDefaultGroup);
  std::string system_group_ = std::string(kSystemGroup);
  ConfigValues no_configs_;
  Leadership no_leadership_;
  Ceilings no_ceilings_;
  std::map<NodeId, int64_t> partitions_by_node_;
  std::map<std::string, Created, std::less<>> created_partitions_;  // by key
  int64_t partition_count_ = 0;
  Regions regions_;
  std::map<NodeId, Node> nodes_;
  std::map<NodeId, Uuid> alive_;
  Groups groups_ = built_in_groups();
  std::map<std::string, Leadership, std::less<>> leaderships_;
  std::map<std::string, Ceilings, std::less<>> ceilings_;  // by key
  Operations operations_;
  int64_t next_epoch_ = 1;
  int64_t next_producer_id_ = 0;
};

}  // namespace magpie::control
