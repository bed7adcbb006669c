// How a leader keeps the sync set of one failover group: who must hold a record before it is
// acknowledged, and what happens when a member falls behind.
//
// The problem: acknowledgements need every member of the sync set, so one that has stopped stops
// all writes; but a member may leave the set only by a change in the control store, and another may
// enter only when it holds everything acknowledged. The idea: look at what the members hold,
// compare with the policy, and wish for one change at a time. The wish becomes a transaction of the
// control store (control/), and only when that is committed is it acted upon.
//
// Rules (DESIGN section 7):
//  - an epoch is opened with members that were reconciled in it and hold the whole log as it was
//    when the epoch began;
//  - who enters has dropped what the leader has: records whose deletion was answered must not come
//    back when a member leads;
//  - a member leaves when it has not kept up for the policy's timeout: in exchange for another that
//    keeps up, if there is one; alone, if the policy allows fewer copies; else writes are blocked;
//  - who is gone (stopped in order, or lost long enough) is not waited for, as long as `min`
//    members are left or another takes the place: a short absence does not cost a copy too many;
//  - who is to leave stays until another has taken the place, if there is one who may; an epoch
//    opens with it only where the others are too few;
//  - a member enters in two steps: first it is required, then, once it holds everything up to the
//    high watermark in every partition, it belongs to the set.
//
// What it does not do: it sends nothing, changes no partition, and does not know the store.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "replication/member_progress.h"

namespace magpie::replication {

struct MaxLag {
  Duration time;
  std::vector<NodeId> among;
};

struct SyncPolicy {
  int32_t copies = 1;  // wanted members of the sync set
  int32_t min = 1;     // with fewer, writes are blocked, unless it degrades
  bool degrade = false;
  Duration timeout = Duration::seconds(5);
  // Without required copies: how long what is acknowledged may exist here only, and whose copies
  // count. Nothing: any time.
  std::optional<MaxLag> max_lag = std::nullopt;
  // As the term promises it to whoever fails over, perhaps by an earlier policy.
  std::optional<MaxLag> promised_lag = std::nullopt;
};

// The group's leadership as committed.
struct Term {
  LeaderEpoch epoch;
  bool open = false;
  std::vector<NodeId> sync;
  std::optional<NodeId> joining;
  std::vector<NodeId> members;       // all that may follow, nearest first; without the leader
  std::vector<NodeId> leaving = {};  // these follow, too, and are to leave the sync set

  bool operator==(const Term&) const = default;
};

// The partitions of the group that are led here.
class LedPartitions {
 public:
  virtual ~LedPartitions() = default;
  virtual size_t count() const = 0;
  virtual Offset log_start(size_t partition) const = 0;
  virtual Offset log_end(size_t partition) const = 0;
  virtual Offset high_watermark(size_t partition) const = 0;
  // What the member holds durably, -1 if its log was not compared in this epoch.
  virtual Offset position(size_t partition, NodeId member) const = 0;
  // The member's log has nothing any more of what lies below the start of the log here.
  virtual bool has_dropped_all(size_t partition, NodeId member) const = 0;
  // It cannot read all of its copies: to be relied on by nobody, if others can be.
  virtual bool is_unreadable(NodeId member) const = 0;
  // It has neither a connection to the leader nor a lease.
  virtual bool is_gone(NodeId member) const = 0;
};

// --- wishes --------------------------------------------------------------------------------------

struct OpenEpoch {
  std::vector<NodeId> sync;
  bool operator==(const OpenEpoch&) const = default;
};
struct BeginJoining {
  NodeId member;
  bool operator==(const BeginJoining&) const = default;
};
struct AbandonJoining {
  NodeId member;
  bool operator==(const AbandonJoining&) const = default;
};
// `instead_of` leaves in the same step.
struct FinishJoining {
  NodeId member;
  std::optional<NodeId> instead_of;
  bool operator==(const FinishJoining&) const = default;
};
struct ShrinkSync {
  NodeId member;
  bool operator==(const ShrinkSync&) const = default;
};
using Wish = std::variant<OpenEpoch, BeginJoining, AbandonJoining, FinishJoining, ShrinkSync>;

// --- the group -----------------------------------------------------------------------------------

class GroupLeader {
 public:
  // A term of this node. What was known of members in another epoch is forgotten. To be called
  // before look() whenever the policy or the group's members change, and with `joining` only after
  // every partition requires that member.
  void set_term(Instant now, const Term& term, const SyncPolicy& policy,
                const LedPartitions& partitions);

  // Looks at the partitions and returns what should change, if anything. May repeat a wish until
  // the term shows that it came true.
  std::optional<Wish> look(Instant now, const LedPartitions& partitions);

  // As of the last look: new writes could not be committed, or not within max_lag.
  bool blocked() const { return blocked_; }
  // As of the last look: one of those whose copies count holds everything older than max_lag, so
  // that it can be promised; what was promised before is kept meanwhile.
  bool keeps_max_lag() const { return keeps_max_lag_; }
  // How old the oldest record may be that no other member holds; at most the age of this term,
  // because what was here before is not known until a member has caught up. Without any other
  // member that is everything, from the term's begin on; nothing while no record is acknowledged.
  Duration exposure() const { return exposure_; }
  // Every member of the group keeps up, so compaction may drop what all have passed.
  bool all_caught_up() const { return all_caught_up_; }

 private:
  std::optional<Wish> open(Instant now, const LedPartitions& partitions) const;
  std::optional<Wish> join(Instant now, const LedPartitions& partitions) const;
  std::optional<Wish> replace(Instant now, const LedPartitions& partitions);
  std::optional<NodeId> slow_member(Instant now) const;
  std::optional<NodeId> gone_member(const LedPartitions& partitions) const;
  // It is taken out of the group, or not all of its copy can be read.
  bool leaves(NodeId member, const LedPartitions& partitions) const;
  std::optional<NodeId> leaving_member(const LedPartitions& partitions) const;
  std::optional<NodeId> candidate(Instant now, const LedPartitions& partitions) const;
  bool keeps_up(NodeId member, Instant now) const;
  bool is_required(NodeId member) const;
  bool is_within(Instant now, const MaxLag& limit) const;

  Term term_;
  SyncPolicy policy_;
  Instant since_;                     // of the term
  std::vector<Offset> opening_ends_;  // ends of the logs when the term began
  std::map<NodeId, MemberProgress> progress_;
  bool blocked_ = false;
  bool keeps_max_lag_ = false;
  bool all_caught_up_ = false;
  Duration exposure_;
};

}  // namespace magpie::replication
