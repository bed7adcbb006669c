// Whose configuration a request is about: Kafka's resource types, as far as they are offered.
#pragma once

#include <cstdint>

namespace magpie::kafka {

inline constexpr int8_t kTopicResource = 2;
inline constexpr int8_t kBrokerResource = 4;

}  // namespace magpie::kafka
