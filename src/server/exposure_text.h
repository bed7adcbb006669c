// The exposure history of a failover group for people.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace magpie::server {

// `answer` is what GET /v1/failover-groups/NAME/exposure answers.
std::string exposure_text(const nlohmann::json& answer);

}  // namespace magpie::server
