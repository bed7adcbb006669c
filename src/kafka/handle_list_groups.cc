// ListGroups (key 16): the groups of this coordinator, by state if asked (KIP-518).
#include "kafka/errors.h"
#include "kafka/group_requests.h"
#include "kafka/handlers.h"
#include "kafka/reply.h"
#include "wire/list_groups.h"

namespace magpie::kafka {

void handle(Broker& broker, const Request& request, wire::ListGroupsRequest body) {
  const group::ListGroupsAnswer answer = broker.groups.coordinator().list(body.states_filter);
  wire::ListGroupsResponse response;
  response.error_code = error_of(answer.error);
  for (const group::ListedGroup& listed : answer.groups) {
    response.groups.push_back({.group_id = listed.group_id,
                               .protocol_type = listed.protocol_type,
                               .group_state = listed.state,
                               .group_type = "classic"});
  }
  reply(broker, request, response);
}

}  // namespace magpie::kafka
