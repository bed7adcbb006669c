#include "control/operation.h"

#include <algorithm>

namespace magpie::control {

bool is_over(OperationStep step) {
  return step == OperationStep::kDone || step == OperationStep::kAbandoned ||
         step == OperationStep::kFailed;
}

bool is_over(const Operation& operation) {
  return std::all_of(operation.groups.begin(), operation.groups.end(),
                     [](const OperationGroup& group) { return is_over(group.step); });
}

bool can_be_abandoned(OperationStep step) {
  return step == OperationStep::kPlanned || step == OperationStep::kDraining ||
         step == OperationStep::kFencing;
}

std::string overall_step(const Operation& operation) {
  if (operation.awaiting_approval && !is_over(operation)) return "awaiting-approval";
  const auto any = [&](OperationStep step) {
    return std::any_of(operation.groups.begin(), operation.groups.end(),
                       [&](const OperationGroup& group) { return group.step == step; });
  };
  for (const OperationStep step :
       {OperationStep::kPlanned, OperationStep::kDraining, OperationStep::kFencing,
        OperationStep::kVerifying, OperationStep::kFailed, OperationStep::kAbandoned}) {
    if (any(step)) return to_string(step);
  }
  return to_string(OperationStep::kDone);
}

const OperationGroup* find_group(const Operation& operation, std::string_view group) {
  const auto found = std::find_if(operation.groups.begin(), operation.groups.end(),
                                  [&](const OperationGroup& each) { return each.group == group; });
  return found == operation.groups.end() ? nullptr : &*found;
}

bool overrides_rule(const Operation& operation, std::string_view rule) {
  return std::find(operation.overrides.begin(), operation.overrides.end(), rule) !=
         operation.overrides.end();
}

}  // namespace magpie::control
