// One group: its members, its generation and where it stands in a rebalance.
//
// The group keeps the rules that need no time and no disk: who may join, who leads, which protocol
// wins, which state may follow which. It answers nobody and arms no timer; rebalance.h and the
// request files drive it. All of it is lost in a crash except what `snapshot` wrote.
//
//   Empty ──join──▶ PreparingRebalance ──all joined──▶ CompletingRebalance ──leader synced──▶
//   Stable
//     ▲                │  ▲                                  │                                  │
//     └── all left ────┘  └──────────── member came, left, changed or fell silent ──────────────┘
//
// Dead is a group whose removal is being written.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "group/events.h"
#include "group/member.h"

namespace magpie::group {

enum class GroupState {
  kEmpty,
  kPreparingRebalance,
  kCompletingRebalance,
  kStable,
  kDead,
};

// Kafka's name, as ListGroups shows it.
const char* to_string(GroupState state);

class Group {
 public:
  using Members = std::map<std::string, Member, std::less<>>;

  Group(std::string id, WallTime now);
  // A group as it was stored: Stable with its members, or Empty.
  Group(std::string id, const GroupMetadata& metadata);

  const std::string& id() const { return id_; }
  GroupState state() const { return state_; }
  bool is(GroupState state) const { return state_ == state; }
  int32_t generation() const { return generation_; }
  const std::optional<std::string>& protocol_type() const { return protocol_type_; }
  const std::optional<std::string>& protocol_name() const { return protocol_name_; }
  const std::optional<std::string>& leader() const { return leader_; }
  // Wall time of the last change of state; -1 if it is not known.
  int64_t state_since_millis() const { return state_since_millis_; }
  const Members& members() const { return members_; }
  Members& members() { return members_; }

  // The first rebalance of a group waits for stragglers instead of finishing as soon as it can.
  bool is_initial_rebalance() const { return is(GroupState::kPreparingRebalance) && was_empty_; }

  // --- members ---------------------------------------------------------------------------------

  Member* find(std::string_view member_id);
  const Member* find(std::string_view member_id) const;
  bool has(std::string_view member_id) const { return find(member_id) != nullptr; }
  bool is_leader(std::string_view member_id) const { return leader_ && *leader_ == member_id; }
  // The member id that an instance id stands for now.
  const std::string* static_member(const std::string& instance_id) const;

  // kUnknownMemberId, or kFencedInstanceId if the instance has a newer member id.
  GroupError check_member(const std::string& member_id,
                          const std::optional<std::string>& instance_id) const;

  // True if a member of that protocol type with these protocols fits the others.
  bool supports(const std::string& protocol_type, const std::vector<Protocol>& protocols) const;

  // The first member decides the protocol type. REQUIRES: neither the member nor its instance is
  // known, and `supports` holds.
  Member& add(Member member, const std::string& protocol_type);
  // Forgets the member; the longest-standing other one leads if it led. Its parked requests are the
  // caller's to answer first.
  void remove(const std::string& member_id);
  // The same static member under a new id: everything stays but the id and parked requests.
  Member& replace_static(const std::string& old_member_id, const std::string& new_member_id);

  // --- ids that were given out and not yet used ------------------------------------------------

  const std::set<std::string>& pending_members() const { return pending_members_; }
  bool is_pending(const std::string& member_id) const {
    return pending_members_.count(member_id) != 0;
  }
  void add_pending(const std::string& member_id) { pending_members_.insert(member_id); }
  void remove_pending(const std::string& member_id) { pending_members_.erase(member_id); }

  // --- rebalance -------------------------------------------------------------------------------

  // Members that have rejoined, and static ones, which may do so later.
  size_t staying_count() const;
  bool has_all_joined() const;
  bool owes_any_sync() const;
  // The longest time any member wants for rejoining.
  Duration rebalance_timeout() const;
  // Makes sure that the leader is one of those who joined; false if nobody did.
  bool elect_joined_leader();
  // What all members support and most want. REQUIRES: there are members.
  std::string select_protocol() const;
  void begin_next_generation(WallTime now);
  // REQUIRES: the diagram above allows it.
  void transition_to(GroupState state, WallTime now);

  // Topics of a "consumer" group's members. None if that is not known: then any topic may be
  // subscribed (if the type is "consumer") or none is (if not).
  bool is_subscribed_to(const std::string& topic) const;
  bool knows_subscriptions() const { return subscribed_topics_.has_value(); }
  bool is_consumer_group() const;

  // The group as it is to be stored, with these assignments by member id.
  GroupMetadata snapshot(const std::map<std::string, Buffer>& assignments) const;
  std::map<std::string, Buffer> assignments() const;

  // --- what is under way, kept by the request files --------------------------------------------

  struct InitialDelay {
    Duration delay;
    Duration remaining;
    bool member_added = false;
  };
  std::optional<InitialDelay> initial_delay;  // set while the initial rebalance waits

  std::optional<AppendId> assignment_append;   // the leader's assignments, being stored
  std::optional<AppendId> replacement_append;  // a static member's new id, being stored
  std::deque<JoinGroup> waiting_joins;         // static members behind that one

  std::deque<AppendId> appends;            // all of the group, in the order handed out
  std::map<TopicPartition, int> changing;  // positions in them, with how many changes each

 private:
  std::set<std::string> common_protocols() const;
  void compute_subscribed_topics();

  std::string id_;
  GroupState state_ = GroupState::kEmpty;
  bool was_empty_ = true;  // before the current state
  int32_t generation_ = 0;
  std::optional<std::string> protocol_type_;
  std::optional<std::string> protocol_name_;
  std::optional<std::string> leader_;
  int64_t state_since_millis_ = -1;
  Members members_;
  std::map<std::string, std::string> static_members_;  // instance id to member id
  std::set<std::string> pending_members_;
  std::optional<std::set<std::string>> subscribed_topics_;
  uint64_t arrivals_ = 0;
};

}  // namespace magpie::group
