// What is committed: held durably by everyone who must hold it.
//
// The leader of an epoch may acknowledge a record only when it and every required member hold it
// durably (G1). A member's position counts only in the epoch in which its log was compared with the
// leader's and cut where it differed; before that a high position may speak of other records.
//
// A closed commitment commits nothing: that is a leader whose sync set is not yet in the control
// store.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/ids.h"

namespace magpie::partition {

class Commitment {
 public:
  // A new epoch: closed, nobody reconciled.
  void begin();

  // Who must hold a record besides the leader. Opens it.
  void require(const std::vector<NodeId>& members);
  bool is_open() const { return open_; }
  // Who is about to lead: deletions wait for it as for a required member, though commits do not.
  void set_successor(std::optional<NodeId> successor) { successor_ = successor; }
  // Nobody is going to say that the member holds all: neither is it required, nor about to lead.
  bool can_spare(NodeId member) const {
    return open_ && !required_.contains(member) && successor_ != member && last_copy_ != member;
  }
  // A promise of how much may be lost rests on this member alone.
  void set_last_copy(std::optional<NodeId> member) { last_copy_ = member; }
  bool requires_members() const { return !required_.empty(); }
  bool requires_member(NodeId member) const { return required_.contains(member); }

  // The member's log agrees with the leader's below `durable`, all of which it holds.
  void reconciled(NodeId member, Offset durable);
  // A reconciled member now holds everything below `durable`. Ignored from others, and if it is
  // lower than what was said before.
  void durable(NodeId member, Offset durable);
  // The member has to be compared again before it counts.
  void forget(NodeId member);

  // A reconciled member's log begins at `start`, durably: what lies below is gone there. Ignored
  // from others.
  void starts_at(NodeId member, Offset start);
  // The member said that it cannot read some of its log, or that it can. Its position counts as
  // before.
  void set_unreadable(NodeId member, bool unreadable);
  bool is_unreadable(NodeId member) const { return unreadable_.contains(member); }
  // As last said; 0 of others.
  Offset start_of(NodeId member) const;
  // Below this neither the leader, whose log begins at `leader_start`, nor a required member, nor
  // the successor has anything. 0 if one of them has not said where its log begins, and while
  // closed.
  Offset start(Offset leader_start) const;

  // Up to where a reconciled member holds the log; nothing (-1) for others.
  Offset position(NodeId member) const;

  // End of what is committed, given what the leader itself holds durably. -1 while closed.
  Offset end(Offset leader_durable) const;
  // The lowest position of all reconciled members: what compaction may take tombstones below.
  Offset lowest(Offset leader_durable) const;

 private:
  bool open_ = false;
  std::set<NodeId> required_;
  std::optional<NodeId> successor_;
  std::optional<NodeId> last_copy_;
  std::set<NodeId> unreadable_;
  std::map<NodeId, Offset> positions_;  // of reconciled members
  std::map<NodeId, Offset> starts_;     // of those that have said it
};

}  // namespace magpie::partition
