#include "control/absent_nodes.h"

#include <fmt/format.h>
#include <stdlib.h>

#include "control/topic_settings.h"
#include "control/transaction_builder.h"
#include "control/value_json.h"

namespace magpie::control {

std::string absent_key(NodeId node) {
  return std::string(kAbsentNodePrefix) + std::to_string(node.value);
}

std::string encode_absent_node(const AbsentNode& absent) {
  return dump_value({{"directory", to_string(absent.directory)}, {"since", absent.since.millis}});
}

std::optional<AbsentNode> decode_absent_node(std::string_view value) {
  const auto json = parse_value(kAbsentNodePrefix, value);
  if (!json) return std::nullopt;
  const auto directory = uuid_field(*json, "directory");
  const auto since = integer_field(*json, "since", 0, INT64_MAX);
  if (!directory || !since) return std::nullopt;
  return AbsentNode{*directory, {*since}};
}

void forget_absence(const State& state, const Node& node, Transaction& transaction) {
  const auto noted = state.entries().find(absent_key(node.id));
  if (noted == state.entries().end()) return;
  const auto absent = decode_absent_node(noted->second.value);
  if (absent && absent->directory != node.first_incarnation()) return;
  change_key(state, absent_key(node.id), std::nullopt, transaction);
}

std::optional<Refusal> absence_problem(const State& state, NodeId node, const Uuid& directory,
                                       const ConfigValues& defaults, WallTime now) {
  const auto noted = state.entries().find(absent_key(node));
  if (noted == state.entries().end()) return std::nullopt;
  const auto absent = decode_absent_node(noted->second.value);
  if (absent && absent->directory != directory) return std::nullopt;
  for (const auto& [name, topic] : state.topics()) {
    const TopicSettings settings = effective_settings(state.topic_configs(name), defaults);
    if (!settings.compacts) continue;
    // Clocks of nodes differ.
    const int64_t kept = settings.tombstone_age.to_milliseconds();
    const int64_t away = absent ? std::abs(now.millis - absent->since.millis) : INT64_MAX;
    if (away < kept) continue;
    return Refusal{
        RefusalCode::kInvalidRequest,
        fmt::format("node {} was out of the cluster for longer than deletions of the compacted "
                    "topic '{}' are kept (delete.retention.ms), so deleted keys could come back "
                    "with what it holds. Start it with an empty data directory",
                    node.value, name)};
  }
  return std::nullopt;
}

}  // namespace magpie::control
