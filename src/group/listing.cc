// ListGroups and DescribeGroups: the questions of GroupCoordinator about live groups.
#include <algorithm>
#include <string>
#include <string_view>

#include "group/group_coordinator.h"
#include "group/turn.h"

namespace magpie::group {
namespace {

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& letter : lower) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return lower;
}

bool is_wanted(const Group& group, const std::vector<std::string>& states) {
  if (states.empty()) return true;
  const std::string state = lower_case(to_string(group.state()));
  return std::any_of(states.begin(), states.end(),
                     [&](const std::string& wanted) { return lower_case(wanted) == state; });
}

DescribedMember describe_member(const Group& group, const Member& member) {
  DescribedMember described{member.member_id,   member.instance_id, member.client_id,
                            member.client_host, Buffer(),           member.assignment};
  if (group.is(GroupState::kStable)) {
    described.metadata = member.metadata_for(group.protocol_name().value_or(""));
  }
  return described;
}

}  // namespace

ListGroupsAnswer GroupCoordinator::list(const std::vector<std::string>& states) const {
  ListGroupsAnswer answer;
  if (!state_->serving) answer.error = GroupError::kNotCoordinator;
  for (const auto& [id, group] : state_->groups) {
    if (!is_wanted(group, states)) continue;
    answer.groups.push_back({id, group.protocol_type().value_or(""), to_string(group.state())});
  }
  return answer;
}

GroupDescription GroupCoordinator::describe(const std::string& group_id) const {
  GroupDescription description;
  description.group_id = group_id;
  if (!state_->serving) {
    description.error = GroupError::kNotCoordinator;
    return description;
  }
  description.state = to_string(GroupState::kDead);
  const auto found = state_->groups.find(group_id);
  if (found == state_->groups.end()) return description;
  const Group& group = found->second;
  description.state = to_string(group.state());
  description.protocol_type = group.protocol_type().value_or("");
  description.generation = group.generation();
  description.leader = group.leader().value_or("");
  if (group.is(GroupState::kStable)) {
    description.protocol_name = group.protocol_name().value_or("");
  }
  for (const auto& [id, member] : group.members()) {
    description.members.push_back(describe_member(group, member));
  }
  return description;
}

}  // namespace magpie::group
