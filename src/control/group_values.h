// The values of failover groups: their policies and their leadership; see values.h and
// docs/formats/control-store.md.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "control/failover_group.h"
#include "control/leadership.h"

namespace magpie::control {

std::string encode_group(const FailoverGroup& group);
Result<FailoverGroup> decode_group(std::string_view key, std::string_view name,
                                   std::string_view value);

std::string encode_leadership(const Leadership& leadership);
// Checked too is what decisions rely on: an open epoch has exactly its sync set and its leader
// promotable, one that is not open has no sync set and nobody joining.
Result<Leadership> decode_leadership(std::string_view key, std::string_view value);

// The words that stand in values and that commands take: "standby", "block", "manual".
const char* to_string(GroupMode mode);
const char* to_string(TooFewCopies what);
const char* to_string(FailoverBy who);
const char* to_string(View view);
const char* to_string(Consistency consistency);
const char* to_string(ReplicationState state);
const char* to_string(OpenedWith with);

}  // namespace magpie::control
