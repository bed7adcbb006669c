// IncrementalAlterConfigs (key 44): set, delete, append to or subtract from single keys (KIP-339).
#include <utility>

#include "kafka/config_alteration.h"
#include "kafka/handlers.h"
#include "wire/incremental_alter_configs.h"

namespace magpie::kafka {

void handle(Broker& broker, const Request& request, wire::IncrementalAlterConfigsRequest body) {
  const auto pending = gather<wire::IncrementalAlterConfigsResponse>(request);
  begin_alterations(body, pending->response);
  for (size_t i = 0; i < body.resources.size(); ++i) {
    if (pending->response.responses[i].error_code != wire::ErrorCode::kNone) continue;
    control::IncrementalAlterConfigs wanted;
    wanted.topic = body.resources[i].resource_name;
    wanted.validate_only = body.validate_only;
    for (auto& config : body.resources[i].configs) {
      wanted.alterations.push_back({std::move(config.name),
                                    static_cast<control::AlterOperation>(config.config_operation),
                                    std::move(config.value)});
    }
    alter(broker, pending, i,
          [wanted = std::move(wanted), &control = broker.control](const control::State& state) {
            return control::decide_incremental_alter_configs(state, control.policy(), wanted);
          });
  }
  one_done(broker, *pending);
}

}  // namespace magpie::kafka
