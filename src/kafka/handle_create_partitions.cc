// CreatePartitions (key 37): more partitions for a topic (KIP-195). Every topic named in the
// request is named in the answer; some clients crash otherwise (pitfall 35).
#include <utility>

#include "control/decide_topic.h"
#include "kafka/cluster_control.h"
#include "kafka/errors.h"
#include "kafka/gathering.h"
#include "kafka/handlers.h"
#include "wire/create_partitions.h"

namespace magpie::kafka {
namespace {

using Pending = Gathering<wire::CreatePartitionsResponse>;

control::CreatePartitions to_control(wire::CreatePartitionsRequest::Topic& asked,
                                     bool validate_only) {
  control::CreatePartitions wanted;
  wanted.topic = asked.name;
  wanted.count = asked.count;
  wanted.validate_only = validate_only;
  if (asked.assignments) {
    auto& assignments = wanted.assignments.emplace();
    for (auto& assignment : *asked.assignments) {
      assignments.push_back(std::move(assignment.broker_ids));
    }
  }
  return wanted;
}

void grow(Broker& broker, const std::shared_ptr<Pending>& pending, size_t position,
          control::CreatePartitions wanted) {
  ++pending->missing;
  propose<control::PartitionsCreated>(
      broker,
      [wanted = std::move(wanted), &control = broker.control](const control::State& state) {
        return control::decide_create_partitions(state, control.policy(), wanted);
      },
      [pending, position](Broker& late,
                          const tl::expected<control::PartitionsCreated, control::Refusal>& grown) {
        auto& answer = pending->response.results[position];
        if (!grown) {
          answer.error_code = error_of(grown.error().code);
          answer.error_message = grown.error().message;
        }
        one_done(late, *pending);
      });
}

}  // namespace

void handle(Broker& broker, const Request& request, wire::CreatePartitionsRequest body) {
  const auto pending = gather<wire::CreatePartitionsResponse>(request);
  pending->response.results.resize(body.topics.size());
  for (size_t i = 0; i < body.topics.size(); ++i) {
    pending->response.results[i].name = body.topics[i].name;
    grow(broker, pending, i, to_control(body.topics[i], body.validate_only));
  }
  one_done(broker, *pending);
}

}  // namespace magpie::kafka
