// The value of an operation; see values.h and docs/formats/control-store.md.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "control/operation.h"

namespace magpie::control {

std::string encode_operation(const Operation& operation);
// Refused with kCorrupt too: a group that comes twice, or that has moved without saying to whom.
Result<Operation> decode_operation(std::string_view key, OperationId id, std::string_view value);

}  // namespace magpie::control
