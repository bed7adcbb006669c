#include "group/group.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "group/consumer_protocol.h"

namespace magpie::group {
namespace {

bool may_follow(GroupState from, GroupState to) {
  switch (to) {
    case GroupState::kEmpty:
      // From Dead when the removal could not be written.
      return from == GroupState::kPreparingRebalance || from == GroupState::kDead;
    case GroupState::kPreparingRebalance:
      return from == GroupState::kEmpty || from == GroupState::kStable ||
             from == GroupState::kCompletingRebalance;
    case GroupState::kCompletingRebalance:
      return from == GroupState::kPreparingRebalance;
    case GroupState::kStable:
      return from == GroupState::kCompletingRebalance;
    case GroupState::kDead:
      return from == GroupState::kEmpty;
  }
  return false;
}

}  // namespace

const char* to_string(GroupState state) {
  switch (state) {
    case GroupState::kEmpty:
      return "Empty";
    case GroupState::kPreparingRebalance:
      return "PreparingRebalance";
    case GroupState::kCompletingRebalance:
      return "CompletingRebalance";
    case GroupState::kStable:
      return "Stable";
    case GroupState::kDead:
      return "Dead";
  }
  CHECK(false);
}

Group::Group(std::string id, WallTime now) : id_(std::move(id)), state_since_millis_(now.millis) {}

Group::Group(std::string id, const GroupMetadata& metadata)
    : id_(std::move(id)),
      generation_(metadata.generation),
      protocol_name_(metadata.protocol_name),
      state_since_millis_(metadata.state_since_millis) {
  if (!metadata.protocol_type.empty()) protocol_type_ = metadata.protocol_type;
  for (const MemberMetadata& stored : metadata.members) {
    CHECK(protocol_name_.has_value());
    Member member = Member::from_metadata(stored, *protocol_name_);
    member.arrival = arrivals_++;
    if (member.instance_id) static_members_[*member.instance_id] = member.member_id;
    members_.emplace(member.member_id, std::move(member));
  }
  if (!members_.empty()) {
    CHECK(metadata.leader && has(*metadata.leader));
    leader_ = metadata.leader;
    state_ = GroupState::kStable;
    was_empty_ = false;
  }
  compute_subscribed_topics();
}

Member* Group::find(std::string_view member_id) {
  const auto found = members_.find(member_id);
  return found == members_.end() ? nullptr : &found->second;
}

const Member* Group::find(std::string_view member_id) const {
  const auto found = members_.find(member_id);
  return found == members_.end() ? nullptr : &found->second;
}

const std::string* Group::static_member(const std::string& instance_id) const {
  const auto found = static_members_.find(instance_id);
  return found == static_members_.end() ? nullptr : &found->second;
}

GroupError Group::check_member(const std::string& member_id,
                               const std::optional<std::string>& instance_id) const {
  if (instance_id) {
    const std::string* current = static_member(*instance_id);
    if (current == nullptr) return GroupError::kUnknownMemberId;
    if (*current != member_id) return GroupError::kFencedInstanceId;
  }
  return has(member_id) ? GroupError::kNone : GroupError::kUnknownMemberId;
}

bool Group::supports(const std::string& protocol_type,
                     const std::vector<Protocol>& protocols) const {
  if (protocol_type.empty() || protocols.empty()) return false;
  if (members_.empty()) return true;
  if (protocol_type_ != protocol_type) return false;
  const std::set<std::string> common = common_protocols();
  return std::any_of(protocols.begin(), protocols.end(),
                     [&](const Protocol& protocol) { return common.count(protocol.name) != 0; });
}

Member& Group::add(Member member, const std::string& protocol_type) {
  CHECK(!has(member.member_id));
  if (members_.empty()) protocol_type_ = protocol_type;
  CHECK(protocol_type_ == protocol_type);
  if (member.instance_id) {
    const bool is_new = static_members_.emplace(*member.instance_id, member.member_id).second;
    CHECK(is_new);
  }
  if (!leader_) leader_ = member.member_id;
  member.arrival = arrivals_++;
  pending_members_.erase(member.member_id);
  std::string key = member.member_id;
  return members_.emplace(std::move(key), std::move(member)).first->second;
}

void Group::remove(const std::string& member_id) {
  const auto found = members_.find(member_id);
  CHECK(found != members_.end());
  CHECK(!found->second.awaiting_join && !found->second.awaiting_sync);
  if (found->second.instance_id) static_members_.erase(*found->second.instance_id);
  const bool led = is_leader(member_id);
  members_.erase(found);
  if (!led) return;
  leader_.reset();
  const auto next = std::min_element(
      members_.begin(), members_.end(),
      [](const auto& a, const auto& b) { return a.second.arrival < b.second.arrival; });
  if (next != members_.end()) leader_ = next->first;
}

Member& Group::replace_static(const std::string& old_member_id, const std::string& new_member_id) {
  auto node = members_.extract(old_member_id);
  CHECK(!node.empty() && node.mapped().is_static());
  Member& member = node.mapped();
  CHECK(!member.awaiting_join && !member.awaiting_sync);
  if (is_leader(old_member_id)) leader_ = new_member_id;
  static_members_[*member.instance_id] = new_member_id;
  member.member_id = new_member_id;
  node.key() = new_member_id;
  const auto placed = members_.insert(std::move(node));
  CHECK(placed.inserted);
  return placed.position->second;
}

size_t Group::staying_count() const {
  return static_cast<size_t>(std::count_if(members_.begin(), members_.end(), [](const auto& entry) {
    return entry.second.awaiting_join || entry.second.is_static();
  }));
}

bool Group::has_all_joined() const {
  return pending_members_.empty() &&
         std::all_of(members_.begin(), members_.end(),
                     [](const auto& entry) { return entry.second.awaiting_join.has_value(); });
}

bool Group::owes_any_sync() const {
  return std::any_of(members_.begin(), members_.end(),
                     [](const auto& entry) { return entry.second.owes_sync; });
}

Duration Group::rebalance_timeout() const {
  int32_t longest = 0;
  for (const auto& [id, member] : members_) {
    longest = std::max(longest, member.rebalance_timeout_ms);
  }
  return Duration::milliseconds(longest);
}

bool Group::elect_joined_leader() {
  if (!leader_) return false;
  const Member* leader = find(*leader_);
  CHECK(leader != nullptr);
  if (leader->awaiting_join) return true;
  const Member* elected = nullptr;
  for (const auto& [id, member] : members_) {
    if (!member.awaiting_join) continue;
    if (elected == nullptr || member.arrival < elected->arrival) elected = &member;
  }
  if (elected == nullptr) return false;
  leader_ = elected->member_id;
  return true;
}

std::set<std::string> Group::common_protocols() const {
  std::set<std::string> common;
  if (members_.empty()) return common;
  for (const Protocol& protocol : members_.begin()->second.protocols) {
    const bool all = std::all_of(members_.begin(), members_.end(), [&](const auto& entry) {
      return entry.second.supports(protocol.name);
    });
    if (all) common.insert(protocol.name);
  }
  return common;
}

std::string Group::select_protocol() const {
  CHECK(!members_.empty());
  const std::set<std::string> candidates = common_protocols();
  std::map<std::string, int> votes;
  for (const auto& [id, member] : members_) ++votes[member.vote(candidates)];
  // Of equally wanted ones the first by name, so that every run decides alike.
  const auto winner = std::max_element(
      votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return winner->first;
}

void Group::begin_next_generation(WallTime now) {
  // Kafka's clients take any negative number for "no generation".
  generation_ = generation_ == INT32_MAX ? 1 : generation_ + 1;
  if (members_.empty()) {
    protocol_name_.reset();
    transition_to(GroupState::kEmpty, now);
  } else {
    protocol_name_ = select_protocol();
    transition_to(GroupState::kCompletingRebalance, now);
  }
  compute_subscribed_topics();
}

void Group::transition_to(GroupState state, WallTime now) {
  CHECK(may_follow(state_, state));
  was_empty_ = state_ == GroupState::kEmpty;
  // A removal that could not be written leaves the group as empty, and for as long, as it was.
  const bool is_removal = state == GroupState::kDead || state_ == GroupState::kDead;
  if (!is_removal) state_since_millis_ = now.millis;
  state_ = state;
}

bool Group::is_consumer_group() const {
  return protocol_type_ == kConsumerProtocolType;
}

bool Group::is_subscribed_to(const std::string& topic) const {
  if (!subscribed_topics_) return is_consumer_group();
  return subscribed_topics_->count(topic) != 0;
}

void Group::compute_subscribed_topics() {
  subscribed_topics_.reset();
  if (!is_consumer_group()) return;
  std::set<std::string> all;
  for (const auto& [id, member] : members_) {
    CHECK(protocol_name_.has_value());
    const auto topics = subscribed_topics(member.metadata_for(*protocol_name_));
    if (!topics) return;
    all.insert(topics->begin(), topics->end());
  }
  subscribed_topics_ = std::move(all);
}

GroupMetadata Group::snapshot(const std::map<std::string, Buffer>& assignments) const {
  CHECK(members_.empty() || protocol_name_.has_value());
  GroupMetadata metadata;
  metadata.protocol_type = protocol_type_.value_or("");
  metadata.generation = generation_;
  metadata.protocol_name = protocol_name_;
  metadata.leader = leader_;
  metadata.state_since_millis = state_since_millis_;
  for (const auto& [id, member] : members_) {
    const auto assignment = assignments.find(id);
    metadata.members.push_back({id, member.instance_id, member.client_id, member.client_host,
                                member.rebalance_timeout_ms, member.session_timeout_ms,
                                member.metadata_for(*protocol_name_),
                                assignment == assignments.end() ? Buffer() : assignment->second});
  }
  return metadata;
}

std::map<std::string, Buffer> Group::assignments() const {
  std::map<std::string, Buffer> all;
  for (const auto& [id, member] : members_) all[id] = member.assignment;
  return all;
}

}  // namespace magpie::group
