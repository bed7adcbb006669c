// What `magpie failover-group create` and `alter` take, as the body of a request.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "server/admin_client.h"

namespace CLI {
class App;
}

namespace magpie::server {

// Absent options change nothing; "none" takes an optional setting away.
struct GroupOptions {
  std::vector<std::string> regions;
  std::optional<std::string> mode;
  std::optional<std::string> copies;
  std::optional<int> min;
  std::optional<std::string> timeout;
  std::optional<std::string> below_min;
  std::optional<std::string> after_failover;
  std::optional<std::string> max_lag;
  std::optional<std::string> max_lag_records;
  std::optional<std::string> failover;
  std::optional<std::string> view;
  std::optional<std::string> consistency;
  std::optional<int> priority;
  std::vector<std::string> topics;
};

void add_group_options(CLI::App& command, GroupOptions& options);

// The fields of the policy that the options name. The error names the option.
tl::expected<nlohmann::json, CommandError> policy_of(const GroupOptions& options);

// "orders" or "orders:0,2,5-7".
struct PlacedPartitions {
  std::string topic;
  std::vector<int> partitions;  // all if empty
};
tl::expected<PlacedPartitions, CommandError> parse_placed(const std::string& text);

}  // namespace magpie::server
