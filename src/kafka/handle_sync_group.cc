// SyncGroup (key 14): the leader hands in the assignment, every member gets its share.
#include <utility>
#include <variant>

#include "kafka/errors.h"
#include "kafka/group_requests.h"
#include "kafka/handlers.h"
#include "kafka/reply.h"
#include "wire/sync_group.h"

namespace magpie::kafka {

void handle(Broker& broker, const Request& request, wire::SyncGroupRequest body) {
  group::SyncGroup sync;
  sync.group_id = std::move(body.group_id);
  sync.generation = body.generation_id;
  sync.member_id = std::move(body.member_id);
  sync.instance_id = std::move(body.group_instance_id);
  sync.protocol_type = std::move(body.protocol_type);
  sync.protocol_name = std::move(body.protocol_name);
  for (auto& assignment : body.assignments) {
    sync.assignments.push_back({std::move(assignment.member_id), std::move(assignment.assignment)});
  }
  broker.groups.submit(broker, std::move(sync),
                       [request](Broker& late, const group::Reply& answer) {
                         const auto& synced = std::get<group::SyncGroupReply>(answer.body);
                         wire::SyncGroupResponse response;
                         response.error_code = error_of(synced.error);
                         response.protocol_type = synced.protocol_type;
                         response.protocol_name = synced.protocol_name;
                         response.assignment = synced.assignment;
                         reply(late, request, response);
                       });
}

}  // namespace magpie::kafka
