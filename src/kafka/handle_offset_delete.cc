// OffsetDelete (key 47): forget positions of a group (KIP-496).
#include <map>
#include <utility>
#include <variant>

#include "kafka/errors.h"
#include "kafka/group_requests.h"
#include "kafka/handlers.h"
#include "kafka/reply.h"
#include "wire/offset_delete.h"

namespace magpie::kafka {
namespace {

wire::OffsetDeleteResponse to_wire(const group::OffsetDeleteReply& deleted) {
  wire::OffsetDeleteResponse response;
  response.error_code = error_of(deleted.error);
  for (const group::PositionResult& position : deleted.positions) {
    if (response.topics.empty() || response.topics.back().name != position.at.topic) {
      response.topics.emplace_back().name = position.at.topic;
    }
    response.topics.back().partitions.push_back(
        {.partition_index = position.at.partition, .error_code = error_of(position.error)});
  }
  return response;
}

}  // namespace

void handle(Broker& broker, const Request& request, wire::OffsetDeleteRequest body) {
  group::OffsetDelete wanted;
  wanted.group_id = std::move(body.group_id);
  for (const auto& topic : body.topics) {
    for (const auto& partition : topic.partitions) {
      wanted.positions.push_back({topic.name, partition.partition_index});
    }
  }
  broker.groups.submit(broker, std::move(wanted),
                       [request](Broker& late, const group::Reply& answer) {
                         const auto& deleted = std::get<group::OffsetDeleteReply>(answer.body);
                         reply(late, request, to_wire(deleted));
                       });
}

}  // namespace magpie::kafka
