// JoinGroup (key 11): become a member, or take part in a rebalance.
#include <utility>
#include <variant>

#include "kafka/errors.h"
#include "kafka/group_requests.h"
#include "kafka/handlers.h"
#include "kafka/reply.h"
#include "wire/join_group.h"

namespace magpie::kafka {
namespace {

group::JoinGroup to_group(const Request& request, wire::JoinGroupRequest body) {
  group::JoinGroup join;
  join.group_id = std::move(body.group_id);
  join.member_id = std::move(body.member_id);
  join.instance_id = std::move(body.group_instance_id);
  join.client_id = request.client_id;
  join.client_host = host_of(request.peer);
  join.protocol_type = std::move(body.protocol_type);
  for (auto& protocol : body.protocols) {
    join.protocols.push_back({std::move(protocol.name), std::move(protocol.metadata)});
  }
  join.session_timeout_ms = body.session_timeout_ms;
  join.rebalance_timeout_ms = body.rebalance_timeout_ms;
  join.requires_member_id = request.version >= 4;
  join.supports_skip_assignment = request.version >= 9;
  join.reason = std::move(body.reason).value_or("");
  return join;
}

wire::JoinGroupResponse to_wire(const group::JoinGroupReply& joined) {
  wire::JoinGroupResponse response;
  response.error_code = error_of(joined.error);
  response.generation_id = joined.generation;
  response.protocol_type = joined.protocol_type;
  response.protocol_name = joined.protocol_name;
  response.leader = joined.leader;
  response.skip_assignment = joined.skip_assignment;
  response.member_id = joined.member_id;
  for (const group::JoinedMember& member : joined.members) {
    response.members.push_back({.member_id = member.member_id,
                                .group_instance_id = member.instance_id,
                                .metadata = member.metadata});
  }
  return response;
}

}  // namespace

void handle(Broker& broker, const Request& request, wire::JoinGroupRequest body) {
  broker.groups.submit(broker, to_group(request, std::move(body)),
                       [request](Broker& late, const group::Reply& answer) {
                         const auto& joined = std::get<group::JoinGroupReply>(answer.body);
                         reply(late, request, to_wire(joined));
                       });
}

}  // namespace magpie::kafka
