// The routes of failover groups: what they are set to, who leads them, and which partitions they
// have. A node without a control store shows the groups that always exist and says that it is
// alone; it changes none, because there is nowhere to fail over to.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "admin/regions_status.h"
#include "base/time.h"
#include "control/state.h"
#include "kafka/broker.h"
#include "port/event.h"

namespace magpie::admin {

nlohmann::json list_failover_groups(const control::State& state);
// Null if there is no such group.
nlohmann::json describe_failover_group(const control::State& state, const std::string& group);
// The same, with what this node knows if it leads the group: that writes wait for copies, which the
// control store does not show.
nlohmann::json describe_failover_group(const control::State& state, const std::string& group,
                                       const RegionsStatus& local);

// Those that were deleted and can be restored.
nlohmann::json list_deleted_groups(const control::State& state, WallTime now);

// Each answers the exchange once, now or when the change is committed.
void create_failover_group(kafka::Broker& broker, port::HttpExchangeId exchange,
                           const std::string& body);
void alter_failover_group(kafka::Broker& broker, port::HttpExchangeId exchange,
                          const std::string& group, const std::string& body);
void delete_failover_group(kafka::Broker& broker, port::HttpExchangeId exchange,
                           const std::string& group);
void restore_failover_group(kafka::Broker& broker, port::HttpExchangeId exchange,
                            const std::string& group);
// {"topic": "orders", "partitions": [0, 1]}: moves partitions into the group, all without a list.
void place_partitions(kafka::Broker& broker, port::HttpExchangeId exchange,
                      const std::string& group, const std::string& body);

}  // namespace magpie::admin
