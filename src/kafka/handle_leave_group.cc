// LeaveGroup (key 13): one member (up to version 2) or several (KIP-345) go.
#include <utility>
#include <variant>

#include "kafka/errors.h"
#include "kafka/group_requests.h"
#include "kafka/handlers.h"
#include "kafka/reply.h"
#include "wire/leave_group.h"

namespace magpie::kafka {
namespace {

wire::LeaveGroupResponse to_wire(const group::LeaveGroupReply& left, int version) {
  wire::LeaveGroupResponse response;
  response.error_code = error_of(left.error);
  if (version < 3) {
    // There is one member, and its error is that of the whole request.
    if (left.error == group::GroupError::kNone && !left.members.empty()) {
      response.error_code = error_of(left.members.front().error);
    }
    return response;
  }
  for (const group::LeftMember& member : left.members) {
    response.members.push_back({.member_id = member.member_id,
                                .group_instance_id = member.instance_id,
                                .error_code = error_of(member.error)});
  }
  return response;
}

}  // namespace

void handle(Broker& broker, const Request& request, wire::LeaveGroupRequest body) {
  group::LeaveGroup leave;
  leave.group_id = std::move(body.group_id);
  if (request.version < 3) leave.members.push_back({.member_id = std::move(body.member_id)});
  for (auto& member : body.members) {
    leave.members.push_back({.member_id = std::move(member.member_id),
                             .instance_id = std::move(member.group_instance_id),
                             .reason = std::move(member.reason).value_or("")});
  }
  broker.groups.submit(broker, std::move(leave),
                       [request](Broker& late, const group::Reply& answer) {
                         const auto& left = std::get<group::LeaveGroupReply>(answer.body);
                         reply(late, request, to_wire(left, request.version));
                       });
}

}  // namespace magpie::kafka
