#include "control/topic_name.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/limits.h"

namespace magpie::control {
namespace {

bool is_legal(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

}  // namespace

std::optional<std::string> topic_name_problem(std::string_view name) {
  if (name.empty()) return "the topic name is empty";
  if (name == "." || name == "..") return "a topic name cannot be '.' or '..'";
  if (name.size() > limits::kTopicNameBytes) {
    return fmt::format("the topic name has {} characters; at most {} are allowed", name.size(),
                       limits::kTopicNameBytes);
  }
  if (!std::all_of(name.begin(), name.end(), is_legal)) {
    return "a topic name may contain only ASCII letters and digits, '.', '_' and '-'";
  }
  return std::nullopt;
}

std::string metric_topic_name(std::string_view name) {
  std::string metric(name);
  std::replace(metric.begin(), metric.end(), '.', '_');
  return metric;
}

bool is_internal_topic(std::string_view name) {
  return name == kConsumerOffsetsTopic || name == kTransactionStateTopic ||
         name.starts_with(kInternalTopicPrefix);
}

}  // namespace magpie::control
