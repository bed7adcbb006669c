// The exposure history of a failover group (control/exposure.h), as the admin port shows it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/time.h"
#include "control/state.h"

namespace magpie::admin {

// Episodes newest first. Null if there is no such group.
nlohmann::json describe_exposure(const control::State& state, const std::string& group,
                                 WallTime now);

}  // namespace magpie::admin
