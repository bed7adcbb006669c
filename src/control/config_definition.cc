#include "control/config_definition.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "control/group_list.h"

namespace magpie::control {
namespace {

constexpr int64_t kMillion = 1'000'000;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

bool is_choice(std::string_view choices, std::string_view value) {
  bool found = false;
  for_each_element(choices, [&](std::string_view choice) { found = found || choice == value; });
  return found;
}

std::string in_millionths(int64_t value) {
  if (value % kMillion == 0) return fmt::format("{}", value / kMillion);
  return fmt::format("{}.{:06}", value / kMillion, value % kMillion);
}

std::optional<std::string> range_problem(const ConfigDefinition& definition, int64_t value) {
  if (value >= definition.low && value <= definition.high) return std::nullopt;
  const auto print = [&](int64_t bound) {
    return definition.type == ConfigType::kDouble ? in_millionths(bound) : fmt::format("{}", bound);
  };
  if (value < definition.low) return fmt::format("it must be at least {}", print(definition.low));
  return fmt::format("it must be at most {}", print(definition.high));
}

std::optional<std::string> number_problem(const ConfigDefinition& definition,
                                          std::string_view value) {
  const bool decimal = definition.type == ConfigType::kDouble;
  const std::optional<int64_t> number = decimal ? parse_millionths(value) : parse_integer(value);
  if (!number) {
    return decimal ? "it must be a decimal number such as 0.5" : "it must be a whole number";
  }
  if (definition.type == ConfigType::kInt && (*number < INT32_MIN || *number > INT32_MAX)) {
    return fmt::format("it must be a number of 32 bits, so at most {}", INT32_MAX);
  }
  if (definition.type == ConfigType::kShort && (*number < INT16_MIN || *number > INT16_MAX)) {
    return fmt::format("it must be a number of 16 bits, so at most {}", INT16_MAX);
  }
  return range_problem(definition, *number);
}

// "3:1": replica of partition 3 on node 1.
bool is_replica(std::string_view element) {
  const size_t colon = element.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view partition = element.substr(0, colon);
  const std::string_view node = element.substr(colon + 1);
  return !partition.empty() && !node.empty() &&
         std::all_of(partition.begin(), partition.end(), is_digit) &&
         std::all_of(node.begin(), node.end(), is_digit);
}

std::optional<std::string> list_problem(const ConfigDefinition& definition,
                                        std::string_view value) {
  std::optional<std::string> problem;
  std::set<std::string_view> seen;
  for_each_element(value, [&](std::string_view element) {
    if (!is_choice(definition.choices, element)) {
      problem = fmt::format("it must be a comma-separated list of: {}", definition.choices);
    } else if (!seen.insert(element).second) {
      problem = fmt::format("it names '{}' twice", element);
    }
  });
  return problem;
}

std::optional<std::string> replica_list_problem(std::string_view value) {
  if (value == "*") return std::nullopt;
  bool good = true;
  for_each_element(value, [&](std::string_view element) { good = good && is_replica(element); });
  if (good) return std::nullopt;
  return "it must be '*' or a comma-separated list of partition:node";
}

}  // namespace

const char* to_string(ConfigType type) {
  switch (type) {
    case ConfigType::kBoolean:
      return "BOOLEAN";
    case ConfigType::kString:
      return "STRING";
    case ConfigType::kInt:
      return "INT";
    case ConfigType::kShort:
      return "SHORT";
    case ConfigType::kLong:
      return "LONG";
    case ConfigType::kDouble:
      return "DOUBLE";
    case ConfigType::kList:
      return "LIST";
    case ConfigType::kClass:
      return "CLASS";
    case ConfigType::kPassword:
      return "PASSWORD";
  }
  return "UNKNOWN";
}

std::optional<std::string> config_value_problem(const ConfigDefinition& definition,
                                                std::string_view value) {
  value = trim(value);
  if (value.size() > kConfigValueBytesMax) {
    return fmt::format("it has {} bytes; at most {} are allowed", value.size(),
                       kConfigValueBytesMax);
  }
  switch (definition.rule) {
    case ConfigRule::kOneOf:
      if (is_choice(definition.choices, value)) return std::nullopt;
      return fmt::format("it must be one of: {}", definition.choices);
    case ConfigRule::kListOf:
      return list_problem(definition, value);
    case ConfigRule::kReplicaList:
      return replica_list_problem(value);
    case ConfigRule::kGroupList:
      return group_list_problem(value);
    case ConfigRule::kRange:
      break;
  }
  if (definition.type == ConfigType::kBoolean) {
    if (equals_ignoring_case(value, "true") || equals_ignoring_case(value, "false")) {
      return std::nullopt;
    }
    return "it must be true or false";
  }
  return number_problem(definition, value);
}

std::string_view trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<int64_t> parse_integer(std::string_view text) {
  text = trim(text);
  if (text.size() > 1 && text.front() == '+' && is_digit(text[1])) text.remove_prefix(1);
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || text.empty()) return std::nullopt;
  return value;
}

std::optional<int64_t> parse_millionths(std::string_view text) {
  text = trim(text);
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  const size_t point = text.find('.');
  const std::string_view whole_digits = text.substr(0, point);
  const std::string_view fraction_digits =
      point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  if (whole_digits.empty() && fraction_digits.empty()) return std::nullopt;
  if (!std::all_of(whole_digits.begin(), whole_digits.end(), is_digit) ||
      !std::all_of(fraction_digits.begin(), fraction_digits.end(), is_digit)) {
    return std::nullopt;
  }
  const std::optional<int64_t> whole = whole_digits.empty() ? 0 : parse_integer(whole_digits);
  if (!whole || *whole > INT64_MAX / kMillion - 1) return std::nullopt;
  int64_t fraction = 0;
  for (size_t i = 0; i < 6; ++i) {
    fraction = fraction * 10 + (i < fraction_digits.size() ? fraction_digits[i] - '0' : 0);
  }
  const int64_t value = *whole * kMillion + fraction;
  return negative ? -value : value;
}

}  // namespace magpie::control
