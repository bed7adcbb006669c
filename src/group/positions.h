// OffsetDelete and OffsetFetch. Internal to `group`.
#pragma once

#include <optional>

#include "group/turn.h"

namespace magpie::group {

void delete_positions(Turn& turn, const OffsetDelete& request);
OffsetFetchAnswer fetch(const CoordinatorState& state, const OffsetFetch& request);

// The removals of an OffsetDelete were stored, or could not be.
void finish_offset_delete(Turn& turn, HeldOffsetDelete held, std::optional<AppendFailure> failure);

}  // namespace magpie::group
