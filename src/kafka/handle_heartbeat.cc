// Heartbeat (key 12): a member is alive, and learns of rebalances.
#include <utility>
#include <variant>

#include "kafka/errors.h"
#include "kafka/group_requests.h"
#include "kafka/handlers.h"
#include "kafka/reply.h"
#include "wire/heartbeat.h"

namespace magpie::kafka {

void handle(Broker& broker, const Request& request, wire::HeartbeatRequest body) {
  group::Heartbeat heartbeat;
  heartbeat.group_id = std::move(body.group_id);
  heartbeat.generation = body.generation_id;
  heartbeat.member_id = std::move(body.member_id);
  heartbeat.instance_id = std::move(body.group_instance_id);
  broker.groups.submit(broker, std::move(heartbeat),
                       [request](Broker& late, const group::Reply& answer) {
                         const auto& beaten = std::get<group::HeartbeatReply>(answer.body);
                         wire::HeartbeatResponse response;
                         response.error_code = error_of(beaten.error);
                         reply(late, request, response);
                       });
}

}  // namespace magpie::kafka
