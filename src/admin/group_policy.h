// The policy of a failover group as the admin port shows and takes it.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "control/failover_group.h"

namespace magpie::admin {

nlohmann::json policy_json(const control::FailoverGroup& group);

// Sets the fields that stand in `body`; null takes an optional one away. The error names the field
// and what it takes.
Status read_policy(const nlohmann::json& body, control::FailoverGroup& group);

}  // namespace magpie::admin
