// DeleteGroups (key 42): remove empty groups with their positions (KIP-229).
#include <utility>
#include <variant>

#include "kafka/errors.h"
#include "kafka/group_requests.h"
#include "kafka/handlers.h"
#include "kafka/reply.h"
#include "wire/delete_groups.h"

namespace magpie::kafka {

void handle(Broker& broker, const Request& request, wire::DeleteGroupsRequest body) {
  group::DeleteGroups wanted;
  wanted.group_ids = std::move(body.groups_names);
  broker.groups.submit(broker, std::move(wanted),
                       [request](Broker& late, const group::Reply& answer) {
                         const auto& deleted = std::get<group::DeleteGroupsReply>(answer.body);
                         wire::DeleteGroupsResponse response;
                         for (const group::DeletedGroup& group : deleted.groups) {
                           response.results.push_back(
                               {.group_id = group.group_id, .error_code = error_of(group.error)});
                         }
                         reply(late, request, response);
                       });
}

}  // namespace magpie::kafka
