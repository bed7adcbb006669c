#include "admin/store_copy.h"

#include <nlohmann/json.hpp>
#include <string>

#include "base/uuid.h"
#include "kafka/cluster_control.h"

namespace magpie::admin {
namespace {

using nlohmann::json;

// As text: programs that read JSON lose digits of numbers this large.
json id_json(uint64_t id) {
  return id == 0 ? json(nullptr) : json(std::to_string(id));
}

const char* state_word(const StoreStatus& status) {
  if (status.frozen) return "frozen";
  if (!status.trouble.empty()) return "unreachable";
  return status.current ? "current" : "starting";
}

json groups_json(const NodeView& view, const StoreStatus& status) {
  json groups = json::object();
  for (const auto& [name, epoch] : status.highest) {
    groups[name] = {{"highest_epoch", epoch.value}, {"leads_in_epoch", nullptr}};
  }
  if (!view.regions) return groups;
  for (const LedGroupStatus& led : view.regions().led) {
    groups[led.group]["leads_in_epoch"] = led.epoch.value;
  }
  return groups;
}

}  // namespace

json describe_store(kafka::Broker& broker, const NodeView& view) {
  const StoreStatus status = view.store();
  const control::State& state = broker.control.state();
  json shown = {{"cluster", broker.config.cluster_id},
                {"node", broker.config.node_id.value},
                {"region", broker.config.region},
                {"incarnation", nullptr},
                {"phase", view.phase},
                {"state", state_word(status)},
                {"trouble", status.trouble.empty() ? json(nullptr) : json(status.trouble)},
                {"store", id_json(status.store_id)},
                {"revision", state.revision()},
                {"found", id_json(status.found)},
                {"adopted_up_to", nullptr},
                {"complete", status.complete},
                {"groups", groups_json(view, status)}};
  if (status.self.node.value >= 0) shown["incarnation"] = to_string(status.self.incarnation);
  if (status.adopted) shown["adopted_up_to"] = *status.adopted;
  return shown;
}

json describe_store_copy(kafka::Broker& broker, const NodeView& view) {
  json shown = describe_store(broker, view);
  json entries = json::object();
  for (const auto& [key, entry] : broker.control.state().entries()) entries[key] = entry.value;
  shown["entries"] = std::move(entries);
  return shown;
}

}  // namespace magpie::admin
