// One failover group that this node leads, in one term.
//
// It brings what the partitions hold, what the policy wants and what the cluster state says
// together: the sync set's wishes (replication/group_leader.h) become proposals, and what was
// committed becomes what the partitions require. Everything that is acted upon was read from the
// cluster state as applied here; a proposal by itself changes nothing.
//
// Guarantees: a member is required in every partition before it can be taken into the sync set, and
// until its leaving is applied; offsets are given out below what was reserved only; while the group
// drains, cannot commit within its policy, or is to be handed over, new writes are refused.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "admin/regions_status.h"
#include "base/time.h"
#include "control/leadership.h"
#include "control/replication.h"
#include "kafka/broker.h"
#include "kafka/partition_table.h"
#include "node/exposure_notes.h"
#include "node/links.h"
#include "replication/group_leader.h"

namespace magpie::node {

// Offsets reserved at a time in each partition, and how many are left when more are reserved.
inline constexpr int64_t kCeilingBlock = 10'000'000;
inline constexpr int64_t kCeilingLow = 5'000'000;

class LedGroup {
 public:
  // The term is `term`; partitions are added with lead(). `links` must outlive this object.
  LedGroup(control::Term term, const Links& links) : term_(std::move(term)), links_(links) {}

  const control::Term& term() const { return term_; }
  const std::string& group() const { return term_.group; }
  LeaderEpoch epoch() const { return term_.epoch; }
  const std::set<kafka::Route>& routes() const { return routes_; }

  // Begins the term in a partition, which is readable. Commits are held at first if `held`.
  void lead(kafka::Broker& broker, kafka::HostedPartition& hosted, Offset floor, bool held);
  void remove(kafka::Broker& broker, kafka::Route route) {
    if (routes_.erase(route) > 0) exposure_.removed(broker, route);
  }
  bool leads(kafka::Route route) const { return routes_.contains(route); }

  // The cluster state, or the partitions of the group, may have changed.
  void refresh(kafka::Broker& broker);
  // Looks at what the members hold and proposes what should change. To be called now and then, and
  // at once when a member moved and wants_looks().
  void look(kafka::Broker& broker);
  // Something waits for a member.
  bool wants_looks(const control::State& state) const;
  // Another term began, here or elsewhere; nothing is called afterwards.
  void end(kafka::Broker& broker) { exposure_.end(broker, term_); }
  void hold_commits(kafka::Broker& broker, bool held);
  void reserved(kafka::Broker& broker, const Uuid& topic);

  // The group is to be led elsewhere: new writes are refused, what was taken goes on.
  void stop_writes(kafka::Broker& broker, bool stopped);
  bool has_stopped_writes() const { return stopped_writes_; }
  // Nobody waits for what was taken.
  bool is_quiet(kafka::PartitionTable& partitions) const;
  bool is_linked(NodeId member) const { return links_.has_follower(member); }
  // The member is reconciled and holds durably everything that is stored here.
  bool holds_all(const kafka::Broker& broker, NodeId member) const;

  // It said that it cannot read all of its copies.
  bool is_unreadable(const kafka::Broker& broker, NodeId member) const;

  // For operators; looks at every partition.
  admin::LedGroupStatus status(kafka::PartitionTable& partitions) const;

 private:
  class Partitions;

  template <typename Decide>
  void propose(kafka::Broker& broker, Decide decide);
  void carry_out(kafka::Broker& broker, const replication::Wish& wish);
  void require(kafka::Broker& broker, std::vector<NodeId> members);
  // Whose copy alone keeps what was promised of a loss.
  std::optional<NodeId> last_copy() const;
  void set_successor(kafka::Broker& broker, std::optional<NodeId> successor);
  void finish_draining(kafka::Broker& broker, const control::Leadership& held);
  void promise_lag(kafka::Broker& broker, const control::Leadership& held);
  void set_blocked(kafka::Broker& broker, bool blocked);
  void reserve(kafka::Broker& broker);
  control::Members members_of(const control::State& state, const std::vector<NodeId>& nodes) const;

  // What is on its way to the control store; outlives the term, as the proposals may.
  struct Pending {
    bool change = false;
    std::set<Uuid> reserving;  // topics
  };

  control::Term term_;
  const Links& links_;
  std::shared_ptr<Pending> pending_ = std::make_shared<Pending>();
  replication::GroupLeader leader_;
  ExposureNotes exposure_;
  std::set<kafka::Route> routes_;
  std::vector<NodeId> members_;      // that may follow
  std::vector<NodeId> required_;     // as last told to every partition
  bool opened_ = false;              // required_ was told
  std::optional<NodeId> successor_;  // as last told to every partition
  bool unnoted_ = false;             // the cluster state does not say that copies lack, or do not
  std::optional<control::LagLimit> lag_limit_;  // as the policy asks for it
  bool blocked_ = false;
  bool stopped_writes_ = false;
  bool tombstones_may_go_ = false;
};

}  // namespace magpie::node
