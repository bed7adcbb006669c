// ListGroups (key 16): the groups of this coordinator, by state if asked (KIP-518). Tools ask every
// broker and add the answers up, so a broker that coordinates none says so without an error.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ascii.h"
#include "kafka/cluster_view.h"
#include "kafka/errors.h"
#include "kafka/group_requests.h"
#include "kafka/handlers.h"
#include "kafka/reply.h"
#include "wire/list_groups.h"

namespace magpie::kafka {

namespace {

constexpr std::string_view kClassic = "classic";

bool wants_classic(const std::vector<std::string>& types) {
  return types.empty() || std::any_of(types.begin(), types.end(), [](const std::string& type) {
           return equal_ignoring_ascii_case(type, kClassic);
         });
}

}  // namespace

void handle(Broker& broker, const Request& request, wire::ListGroupsRequest body) {
  wire::ListGroupsResponse response;
  // Every group is of the classic type; version 5 can ask for others only (KIP-848).
  if (!wants_classic(body.types_filter)) return reply(broker, request, response);
  const std::optional<NodeId> coordinator = broker.cluster.coordinator();
  if (!coordinator) response.error_code = wire::ErrorCode::kCoordinatorNotAvailable;
  if (coordinator != broker.config.node_id) return reply(broker, request, response);
  const group::ListGroupsAnswer answer = broker.groups.coordinator().list(body.states_filter);
  // NOT_COORDINATOR, which others answer while groups are loading, tools would take for final.
  const bool is_loading = answer.error == group::GroupError::kNotCoordinator;
  response.error_code =
      is_loading ? wire::ErrorCode::kCoordinatorLoadInProgress : error_of(answer.error);
  for (const group::ListedGroup& listed : answer.groups) {
    response.groups.push_back({.group_id = listed.group_id,
                               .protocol_type = listed.protocol_type,
                               .group_state = listed.state,
                               .group_type = std::string(kClassic)});
  }
  reply(broker, request, response);
}

}  // namespace magpie::kafka
