// What a Kafka configuration key is: its type, its default, what it may be set to and what Magpie
// does with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace magpie::control {

// The numbers are those of the protocol (DescribeConfigs v3, KIP-569).
enum class ConfigType : int8_t {
  kBoolean = 1,
  kString = 2,
  kInt = 3,
  kShort = 4,
  kLong = 5,
  kDouble = 6,
  kList = 7,
  kClass = 8,
  kPassword = 9,
};

// Kafka's name of the type: "LONG".
const char* to_string(ConfigType type);

// What may be set, beyond what the type says.
enum class ConfigRule {
  kRange,        // numbers: low <= value <= high; decimals are compared in millionths
  kOneOf,        // exactly one of `choices`
  kListOf,       // a comma-separated list of `choices`, none of them twice; may be empty
  kReplicaList,  // "*", or a comma-separated list of partition:node; may be empty
  kGroupList,    // a comma-separated list of names of failover groups
};

enum class ConfigSupport {
  kHonoured,  // does what Kafka's documentation says
  kAccepted,  // may be set, so that tools and scripts work, but does something else or nothing
};

struct ConfigDefinition {
  std::string_view name{};
  ConfigType type = ConfigType::kString;
  std::string_view default_value{};
  ConfigRule rule = ConfigRule::kRange;
  int64_t low = INT64_MIN;
  int64_t high = INT64_MAX;
  std::string_view choices{};      // comma-separated, in the order they are listed to people
  std::string_view broker_name{};  // the broker-wide config that gives the default; may be empty
  ConfigSupport support = ConfigSupport::kHonoured;
  std::string_view documentation{};  // what the key is for
  std::string_view effect{};         // what Magpie does with it, where that needs saying
  bool hidden = false;               // can be set, but is not listed; it has no default
};

// Longest value, as in Kafka.
inline constexpr size_t kConfigValueBytesMax = 32'767;

// What is wrong with `value` for this key, as a sentence without the key's name; nothing if it may
// be set. Spaces around the value do not matter.
std::optional<std::string> config_value_problem(const ConfigDefinition& definition,
                                                std::string_view value);

// `text` without the spaces around it.
std::string_view trim(std::string_view text);

// Calls `visit` with every element of a comma-separated list, trimmed; not at all if it is empty.
template <typename Visit>
void for_each_element(std::string_view list, Visit visit) {
  list = trim(list);
  while (!list.empty()) {
    const size_t comma = list.find(',');
    visit(trim(list.substr(0, comma)));
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
    if (list.empty()) visit(std::string_view());
  }
}

// The number that `text` spells, as Java's Integer and Long do: an optional sign, then digits.
// Nothing if it is anything else or does not fit.
std::optional<int64_t> parse_integer(std::string_view text);

// A decimal such as "0.5" in millionths; digits beyond the sixth are dropped. Nothing if it is
// anything else (exponents are not taken) or does not fit.
std::optional<int64_t> parse_millionths(std::string_view text);

}  // namespace magpie::control
