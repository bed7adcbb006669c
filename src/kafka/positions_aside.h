// Committed positions in a topic that was deleted and can be restored.
//
// They stand in the log of positions under a name that no topic can have, made of the topic's id:
// so they do not count for another topic of the name, and come back with the topic.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/uuid.h"

namespace magpie::kafka {

inline constexpr std::string_view kAsidePrefix = "deleted/";

inline std::string aside_name(const Uuid& topic) {
  return std::string(kAsidePrefix) + to_string(topic);
}

// Clients and operators are not shown these.
inline bool is_aside(std::string_view topic) {
  return topic.starts_with(kAsidePrefix);
}

inline std::optional<Uuid> topic_aside(std::string_view topic) {
  if (!is_aside(topic)) return std::nullopt;
  return parse_uuid(topic.substr(kAsidePrefix.size()));
}

}  // namespace magpie::kafka
