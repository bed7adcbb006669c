// What AlterConfigs and IncrementalAlterConfigs have in common: for each resource a decision, for
// each decision a line in the answer.
#pragma once

#include <memory>
#include <utility>

#include "control/decide_configs.h"
#include "kafka/cluster_control.h"
#include "kafka/config_resource.h"
#include "kafka/errors.h"
#include "kafka/gathering.h"

namespace magpie::kafka {

// Writes why a resource's configuration was not altered into its line of the answer.
template <typename Answer>
void refuse_alteration(Answer& answer, const control::Refusal& refusal) {
  answer.error_code = error_of(refusal.code);
  answer.error_message = refusal.message;
}

// Proposes `decide` for resource number `position` of the request.
template <typename Response, typename Decide>
void alter(Broker& broker, const std::shared_ptr<Gathering<Response>>& pending, size_t position,
           Decide decide) {
  ++pending->missing;
  propose<control::ConfigsAltered>(
      broker, std::move(decide),
      [pending, position](Broker& late,
                          const tl::expected<control::ConfigsAltered, control::Refusal>& altered) {
        if (!altered) refuse_alteration(pending->response.responses[position], altered.error());
        one_done(late, *pending);
      });
}

// Lines of the answer for all resources. Only those of topics are left to be decided; brokers take
// their configuration from their files.
template <typename Request, typename Response>
void begin_alterations(const Request& body, Response& response) {
  response.responses.resize(body.resources.size());
  for (size_t i = 0; i < body.resources.size(); ++i) {
    auto& answer = response.responses[i];
    answer.resource_type = body.resources[i].resource_type;
    answer.resource_name = body.resources[i].resource_name;
    if (answer.resource_type == kBrokerResource) {
      refuse_alteration(answer, control::refuse_broker_configs());
    } else if (answer.resource_type != kTopicResource) {
      refuse_alteration(answer, {control::RefusalCode::kInvalidRequest,
                                 "only topics have configurations that can be altered"});
    }
  }
}

}  // namespace magpie::kafka
