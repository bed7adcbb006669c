// DescribeGroups (key 15): state, members and assignments.
#include <string>
#include <utility>

#include "kafka/authorized_operations.h"
#include "kafka/errors.h"
#include "kafka/group_requests.h"
#include "kafka/handlers.h"
#include "kafka/reply.h"
#include "wire/describe_groups.h"

namespace magpie::kafka {
namespace {

wire::DescribeGroupsResponse::Group to_wire(const group::GroupDescription& description) {
  wire::DescribeGroupsResponse::Group group;
  group.error_code = error_of(description.error);
  group.group_id = description.group_id;
  group.group_state = description.state;
  group.protocol_type = description.protocol_type;
  group.protocol_data = description.protocol_name;
  for (const group::DescribedMember& member : description.members) {
    group.members.push_back({.member_id = member.member_id,
                             .group_instance_id = member.instance_id,
                             .client_id = member.client_id,
                             .client_host = member.client_host,
                             .member_metadata = member.metadata,
                             .member_assignment = member.assignment});
  }
  return group;
}

}  // namespace

void handle(Broker& broker, const Request& request, wire::DescribeGroupsRequest body) {
  wire::DescribeGroupsResponse response;
  for (const std::string& id : body.groups) {
    response.groups.push_back(to_wire(broker.groups.coordinator().describe(id)));
    auto& group = response.groups.back();
    // Up to version 5 a group that does not exist is "Dead"; later it is an error (KIP-1043).
    if (request.version >= 6 && group.group_state == "Dead") {
      group.error_code = wire::ErrorCode::kGroupIdNotFound;
      group.error_message = "there is no group with this id";
    }
    if (body.include_authorized_operations) {
      group.authorized_operations = kAllGroupOperations;
    }
  }
  reply(broker, request, response);
}

}  // namespace magpie::kafka
