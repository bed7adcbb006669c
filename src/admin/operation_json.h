// Operations as JSON, and requests for them out of it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "control/operation.h"
#include "control/operation_plan.h"
#include "control/state.h"
#include "failover/preview.h"
#include "group/group_coordinator.h"

namespace magpie::admin {

nlohmann::json operation_json(const control::State& state, const control::Operation& operation);
// With what it means for consumer groups, if `coordinator` serves them here.
nlohmann::json preview_json(const control::State& state, const group::GroupCoordinator& coordinator,
                            const failover::Preview& preview);

struct OperationBody {
  control::OperationRequest request;
  bool dry_run = false;
};
// The error says which field is wrong and what it takes.
Result<OperationBody> read_operation(const std::string& body);

// {"by": "anna"}, or nothing: then `by` is "the admin port".
Result<std::string> read_by(const std::string& body);

}  // namespace magpie::admin
