// OffsetCommit. Internal to `group`.
#pragma once

#include <optional>

#include "group/turn.h"

namespace magpie::group {

void commit(Turn& turn, const OffsetCommit& request);

// The positions of a commit were stored, or could not be.
void finish_commit(Turn& turn, HeldCommit held, std::optional<AppendFailure> failure);

}  // namespace magpie::group
