#include "control/broker_configs.h"

#include <algorithm>
#include <iterator>

namespace magpie::control {
namespace {

constexpr ConfigDefinition kDefinitions[] = {
    {.name = "advertised.listeners",
     .type = ConfigType::kString,
     .documentation = "The addresses that clients are told to connect to, one per listener."},
    {.name = "auto.create.topics.enable",
     .type = ConfigType::kBoolean,
     .default_value = "true",
     .documentation = "Whether a topic is created when a client asks for its metadata."},
    {.name = "broker.id", .type = ConfigType::kInt, .documentation = "The node's id."},
    {.name = "broker.rack",
     .type = ConfigType::kString,
     .documentation = "The node's region; consumers name theirs to read from a near copy."},
    {.name = "connections.max.idle.ms",
     .type = ConfigType::kLong,
     .default_value = "600000",
     .documentation = "Connections on which nothing was heard for this long are closed."},
    {.name = "default.replication.factor",
     .type = ConfigType::kInt,
     .default_value = "1",
     .support = ConfigSupport::kAccepted,
     .documentation = "Copies of a topic whose creator did not say how many.",
     .effect = "How many regions hold a copy is the policy of the topic's failover group."},
    {.name = "delete.topic.enable",
     .type = ConfigType::kBoolean,
     .default_value = "true",
     .documentation = "Whether topics can be deleted."},
    {.name = "group.initial.rebalance.delay.ms",
     .type = ConfigType::kInt,
     .default_value = "3000",
     .documentation = "How long a new consumer group waits for more members before its first "
                      "assignment."},
    {.name = "group.max.session.timeout.ms",
     .type = ConfigType::kInt,
     .default_value = "1800000",
     .documentation = "Longest session timeout a member of a consumer group may ask for."},
    {.name = "group.max.size",
     .type = ConfigType::kInt,
     .default_value = "1000",
     .documentation = "Most members a consumer group can have."},
    {.name = "group.min.session.timeout.ms",
     .type = ConfigType::kInt,
     .default_value = "6000",
     .documentation = "Shortest session timeout a member of a consumer group may ask for."},
    {.name = "listeners",
     .type = ConfigType::kString,
     .documentation = "The addresses on which the node listens."},
    {.name = "log.cleaner.enable",
     .type = ConfigType::kBoolean,
     .default_value = "true",
     .documentation = "Whether compacted topics are compacted."},
    {.name = "log.dirs", .type = ConfigType::kString, .documentation = "The data directory."},
    {.name = "log.retention.check.interval.ms",
     .type = ConfigType::kLong,
     .default_value = "300000",
     .documentation = "How often partitions are looked through for records to drop or compact."},
    {.name = "node.id", .type = ConfigType::kInt, .documentation = "The node's id."},
    {.name = "num.partitions",
     .type = ConfigType::kInt,
     .default_value = "1",
     .documentation = "Partitions of a topic whose creator did not say how many."},
    {.name = "offset.metadata.max.bytes",
     .type = ConfigType::kInt,
     .default_value = "4096",
     .documentation = "Longest metadata text that can be committed with a position."},
    {.name = "offsets.retention.minutes",
     .type = ConfigType::kInt,
     .default_value = "10080",
     .documentation = "How long the positions of a consumer group without members are kept."},
    {.name = "offsets.topic.num.partitions",
     .type = ConfigType::kInt,
     .default_value = "50",
     .documentation = "Partitions of the internal topic that holds committed positions."},
    {.name = "offsets.topic.replication.factor",
     .type = ConfigType::kShort,
     .default_value = "1",
     .support = ConfigSupport::kAccepted,
     .documentation = "Copies of the internal topic that holds committed positions.",
     .effect = "How many regions hold a copy is the policy of the failover group."},
    {.name = "producer.id.expiration.ms",
     .type = ConfigType::kInt,
     .default_value = "86400000",
     .documentation = "How long an idle idempotent producer is remembered."},
    {.name = "socket.request.max.bytes",
     .type = ConfigType::kInt,
     .default_value = "104857600",
     .documentation = "Largest request a client may send."},
};

constexpr bool is_sorted_by_name() {
  for (size_t i = 1; i < std::size(kDefinitions); ++i) {
    if (!(kDefinitions[i - 1].name < kDefinitions[i].name)) return false;
  }
  return true;
}
static_assert(is_sorted_by_name(), "find_broker_config searches by halves");

}  // namespace

std::span<const ConfigDefinition> broker_config_definitions() {
  return kDefinitions;
}

const ConfigDefinition* find_broker_config(std::string_view name) {
  const auto* found =
      std::lower_bound(std::begin(kDefinitions), std::end(kDefinitions), name,
                       [](const ConfigDefinition& a, std::string_view b) { return a.name < b; });
  return found != std::end(kDefinitions) && found->name == name ? found : nullptr;
}

}  // namespace magpie::control
