#include "admin/group_policy.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "control/group_values.h"

namespace magpie::admin {
namespace {

using control::FailoverGroup;
using nlohmann::json;

// Reads one of the words of an enum whose last value is `last`.
template <typename Enum>
bool read_word(const json& value, Enum last, Enum& word) {
  if (!value.is_string()) return false;
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    if (value.get<std::string>() != control::to_string(static_cast<Enum>(i))) continue;
    word = static_cast<Enum>(i);
    return true;
  }
  return false;
}

std::optional<int64_t> number(const json& value, int64_t low, int64_t high) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(high)) {
    return std::nullopt;
  }
  const auto found = value.get<int64_t>();
  return found < low || found > high ? std::nullopt : std::optional(found);
}

bool read_int(const json& value, int32_t& into) {
  const auto found = number(value, 0, INT32_MAX);
  if (found) into = static_cast<int32_t>(*found);
  return found.has_value();
}

bool read_texts(const json& value, std::vector<std::string>& into) {
  if (!value.is_array()) return false;
  into.clear();
  for (const json& text : value) {
    if (!text.is_string()) return false;
    into.push_back(text.get<std::string>());
  }
  return true;
}

bool read_copies(const json& value, FailoverGroup& group) {
  if (value == "all") {
    group.copies = control::kAllCopies;
    return true;
  }
  return read_int(value, group.copies);
}

bool read_timeout(const json& value, FailoverGroup& group) {
  const auto found = number(value, 1, INT32_MAX);
  if (found) group.timeout = Duration::milliseconds(*found);
  return found.has_value();
}

bool read_after_failover(const json& value, FailoverGroup& group) {
  group.after_failover.reset();
  if (value.is_null()) return true;
  control::TooFewCopies read{};
  if (!read_word(value, control::TooFewCopies::kDegrade, read)) return false;
  group.after_failover = read;
  return true;
}

bool read_max_lag_time(const json& value, FailoverGroup& group) {
  group.max_lag_time.reset();
  if (value.is_null()) return true;
  const auto found = number(value, 1, INT32_MAX);
  if (found) group.max_lag_time = Duration::milliseconds(*found);
  return found.has_value();
}

bool read_max_lag_records(const json& value, FailoverGroup& group) {
  group.max_lag_records.reset();
  if (value.is_null()) return true;
  group.max_lag_records = number(value, 1, INT64_MAX);
  return group.max_lag_records.has_value();
}

struct Field {
  const char* name;
  const char* takes;
  bool (*read)(const json&, FailoverGroup&);
};

const Field kFields[] = {
    {"mode", "standby, dual-active or multi-active",
     [](const json& value, FailoverGroup& group) {
       return read_word(value, control::GroupMode::kMultiActive, group.mode);
     }},
    {"regions", "a list of names",
     [](const json& value, FailoverGroup& group) { return read_texts(value, group.regions); }},
    {"copies", "a number or \"all\"", read_copies},
    {"min", "a number",
     [](const json& value, FailoverGroup& group) { return read_int(value, group.min); }},
    {"timeout_ms", "at least 1 (milliseconds)", read_timeout},
    {"below_min", "block or degrade",
     [](const json& value, FailoverGroup& group) {
       return read_word(value, control::TooFewCopies::kDegrade, group.below_min);
     }},
    {"after_failover", "block, degrade or null", read_after_failover},
    {"max_lag_ms", "at least 1 (milliseconds), or null", read_max_lag_time},
    {"max_lag_records", "at least 1, or null", read_max_lag_records},
    {"failover", "manual, semi-automatic or automatic",
     [](const json& value, FailoverGroup& group) {
       return read_word(value, control::FailoverBy::kAutomatic, group.failover);
     }},
    {"view", "leader or local",
     [](const json& value, FailoverGroup& group) {
       return read_word(value, control::View::kLocal, group.view);
     }},
    {"consistency", "strong, prefix, causal or eventual",
     [](const json& value, FailoverGroup& group) {
       return read_word(value, control::Consistency::kEventual, group.consistency);
     }},
    {"priority", "a number",
     [](const json& value, FailoverGroup& group) { return read_int(value, group.priority); }},
    {"topics", "a list of names or patterns of topics",
     [](const json& value, FailoverGroup& group) { return read_texts(value, group.topics); }},
};

}  // namespace

json policy_json(const FailoverGroup& group) {
  json policy = {{"mode", control::to_string(group.mode)},
                 {"regions", group.regions},
                 {"min", group.min},
                 {"timeout_ms", group.timeout.to_milliseconds()},
                 {"below_min", control::to_string(group.below_min)},
                 {"after_failover", nullptr},
                 {"max_lag_ms", nullptr},
                 {"max_lag_records", nullptr},
                 {"failover", control::to_string(group.failover)},
                 {"view", control::to_string(group.view)},
                 {"consistency", control::to_string(group.consistency)},
                 {"priority", group.priority},
                 {"topics", group.topics}};
  policy["copies"] = group.copies == control::kAllCopies ? json("all") : json(group.copies);
  if (group.after_failover) policy["after_failover"] = control::to_string(*group.after_failover);
  if (group.max_lag_time) policy["max_lag_ms"] = group.max_lag_time->to_milliseconds();
  if (group.max_lag_records) policy["max_lag_records"] = *group.max_lag_records;
  return policy;
}

Status read_policy(const json& body, FailoverGroup& group) {
  for (const auto& [key, value] : body.items()) {
    const Field* known = nullptr;
    std::string names;
    for (const Field& field : kFields) {
      if (key == field.name) known = &field;
      names += (names.empty() ? "" : ", ") + std::string(field.name);
    }
    if (known == nullptr) {
      return fail(ErrorKind::kInvalidArgument,
                  fmt::format("field '{}' is unknown; known are {}", key, names));
    }
    if (!known->read(value, group)) {
      return fail(ErrorKind::kInvalidArgument,
                  fmt::format("field '{}' must be {}", key, known->takes));
    }
  }
  return {};
}

}  // namespace magpie::admin
