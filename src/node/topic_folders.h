// Where partitions lie in the data directory.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "base/uuid.h"

namespace magpie::node {

inline constexpr const char* kTopicsFolder = "topics";
inline constexpr const char* kDeletedFolder = "deleted";

inline std::string folder_name(const std::string& topic, int32_t index) {
  return fmt::format("{}-{}", topic, index);
}

inline std::string folder_path(const std::string& topic, int32_t index) {
  return fmt::format("{}/{}", kTopicsFolder, folder_name(topic, index));
}

// Of a topic that was deleted: by its id, as another one may have its name.
inline std::string deleted_path(const Uuid& topic, int32_t index) {
  return fmt::format("{}/{}-{}", kDeletedFolder, to_string(topic), index);
}

}  // namespace magpie::node
