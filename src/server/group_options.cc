#include "server/group_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "server/command.h"
#include "server/config_text.h"

namespace magpie::server {
namespace {

using nlohmann::json;
constexpr int kPartitionMax = 1'000'000;

tl::unexpected<CommandError> wrong(const std::string& what, const std::string& next_step) {
  return tl::unexpected<CommandError>({"wrong_argument", what, next_step, kExitUsage});
}

// Puts milliseconds, or null for "none".
std::optional<CommandError> put_duration(const char* option, const char* field,
                                         const std::optional<std::string>& text, json& body) {
  if (!text) return std::nullopt;
  if (*text == "none") {
    body[field] = nullptr;
    return std::nullopt;
  }
  const auto duration = parse_duration(*text);
  if (!duration) {
    return CommandError{"wrong_argument", fmt::format("{}: {}", option, duration.error().message),
                        "write a duration such as 5s or 500ms", kExitUsage};
  }
  body[field] = duration->to_milliseconds();
  return std::nullopt;
}

std::optional<CommandError> put_number(const char* option, const char* field,
                                       const std::optional<std::string>& text, const char* instead,
                                       const json& instead_value, json& body) {
  if (!text) return std::nullopt;
  if (*text == instead) {
    body[field] = instead_value;
    return std::nullopt;
  }
  const auto number = parse_number(*text, 0, INT64_MAX);
  if (!number) {
    return CommandError{"wrong_argument",
                        fmt::format("{}: {}, found '{}'", option, number.error().message, *text),
                        fmt::format("write a number, or {}", instead), kExitUsage};
  }
  body[field] = *number;
  return std::nullopt;
}

}  // namespace

void add_group_options(CLI::App& command, GroupOptions& options) {
  command
      .add_option("--regions", options.regions,
                  "Regions of the group, the home first; all data regions if never named")
      ->delimiter(',');
  command.add_option("--mode", options.mode, "standby");
  command.add_option("--copies", options.copies, "Copies besides the leader's: a number or all");
  command.add_option("--min", options.min, "With fewer copies below-min applies");
  command.add_option("--ack-timeout", options.timeout,
                     "How long a member may keep acknowledgements waiting");
  command.add_option("--below-min", options.below_min, "block or degrade");
  command.add_option("--after-failover", options.after_failover,
                     "The same after a failover: block, degrade or none");
  command.add_option("--max-lag", options.max_lag,
                     "Without copies: how long records may be in one region only, or none");
  command.add_option("--max-lag-records", options.max_lag_records,
                     "Reserved: a limit in records cannot be kept yet");
  command.add_option("--failover", options.failover, "manual");
  command.add_option("--view", options.view, "leader");
  command.add_option("--consistency", options.consistency, "strong or prefix");
  command.add_option("--priority", options.priority, "Order of restoration; lower first");
  command
      .add_option("--topics", options.topics,
                  "New topics that come into the group, separated by commas: 'ord*,pay.*', or none")
      ->delimiter(',');
}

tl::expected<json, CommandError> policy_of(const GroupOptions& options) {
  json body = json::object();
  const auto put_text = [&](const char* field, const std::optional<std::string>& text) {
    if (text) body[field] = *text;
  };
  if (!options.regions.empty()) body["regions"] = options.regions;
  if (!options.topics.empty()) {
    const bool none = options.topics == std::vector<std::string>{"none"};
    body["topics"] = none ? json::array() : json(options.topics);
  }
  put_text("mode", options.mode);
  put_text("below_min", options.below_min);
  put_text("failover", options.failover);
  put_text("view", options.view);
  put_text("consistency", options.consistency);
  if (options.min) body["min"] = *options.min;
  if (options.priority) body["priority"] = *options.priority;
  if (options.after_failover) {
    body["after_failover"] =
        *options.after_failover == "none" ? json(nullptr) : json(*options.after_failover);
  }
  for (auto& error : {put_duration("--ack-timeout", "timeout_ms", options.timeout, body),
                      put_duration("--max-lag", "max_lag_ms", options.max_lag, body),
                      put_number("--copies", "copies", options.copies, "all", "all", body),
                      put_number("--max-lag-records", "max_lag_records", options.max_lag_records,
                                 "none", nullptr, body)}) {
    if (error) return tl::unexpected<CommandError>(*error);
  }
  return body;
}

tl::expected<PlacedPartitions, CommandError> parse_placed(const std::string& text) {
  const size_t colon = text.find(':');
  PlacedPartitions placed{text.substr(0, colon), {}};
  if (colon == std::string::npos) return placed;
  std::string rest = text.substr(colon + 1);
  while (true) {
    const size_t comma = rest.find(',');
    const std::string range = rest.substr(0, comma);
    const size_t dash = range.find('-');
    const auto first = parse_number(range.substr(0, dash), 0, kPartitionMax);
    const auto last =
        dash == std::string::npos ? first : parse_number(range.substr(dash + 1), 0, kPartitionMax);
    if (!first || !last || *last < *first) {
      return wrong(fmt::format("'{}' does not name partitions", text),
                   "write TOPIC:0,2,5-7, or only TOPIC for all its partitions");
    }
    for (int64_t i = *first; i <= *last; ++i) placed.partitions.push_back(static_cast<int>(i));
    if (comma == std::string::npos) return placed;
    rest = rest.substr(comma + 1);
  }
}

}  // namespace magpie::server
