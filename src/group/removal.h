// How whole groups end. Internal to `group`.
//
// A group whose removal is being written is Dead: it serves nobody, and if the write fails it is
// Empty again.
#pragma once

#include <optional>
#include <vector>

#include "group/turn.h"

namespace magpie::group {

void delete_groups(Turn& turn, const DeleteGroups& request);

// Writes the removal of an empty group. REQUIRES: the changes remove everything stored about it.
void begin_removal(Turn& turn, Group& group, std::vector<Change> changes, HeldRemoval held);

// A group's removal was stored, or could not be.
void finish_removal(Turn& turn, Group& group, const HeldRemoval& held,
                    std::optional<AppendFailure> failure);

}  // namespace magpie::group
