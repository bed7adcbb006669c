// What a client may do, as bit sets of Kafka's ACL operation codes (KIP-430). Without access
// control everybody may do everything that the resource knows.
#pragma once

#include <cstdint>

namespace magpie::kafka {

namespace operation {
inline constexpr int kRead = 3;
inline constexpr int kWrite = 4;
inline constexpr int kCreate = 5;
inline constexpr int kDelete = 6;
inline constexpr int kAlter = 7;
inline constexpr int kDescribe = 8;
inline constexpr int kClusterAction = 9;
inline constexpr int kDescribeConfigs = 10;
inline constexpr int kAlterConfigs = 11;
inline constexpr int kIdempotentWrite = 12;
}  // namespace operation

inline constexpr int32_t kAllTopicOperations =
    1 << operation::kRead | 1 << operation::kWrite | 1 << operation::kCreate |
    1 << operation::kDelete | 1 << operation::kAlter | 1 << operation::kDescribe |
    1 << operation::kDescribeConfigs | 1 << operation::kAlterConfigs;

inline constexpr int32_t kAllClusterOperations =
    1 << operation::kCreate | 1 << operation::kAlter | 1 << operation::kDescribe |
    1 << operation::kClusterAction | 1 << operation::kDescribeConfigs |
    1 << operation::kAlterConfigs | 1 << operation::kIdempotentWrite;

inline constexpr int32_t kAllGroupOperations =
    1 << operation::kRead | 1 << operation::kDelete | 1 << operation::kDescribe;

}  // namespace magpie::kafka
