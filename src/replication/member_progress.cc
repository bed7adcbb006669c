#include "replication/member_progress.h"

#include <algorithm>

#include "base/check.h"

namespace magpie::replication {
namespace {

bool covers(const std::vector<Offset>& positions, const std::vector<Offset>& mark) {
  for (size_t i = 0; i < mark.size(); ++i) {
    if (positions[i] < mark[i]) return false;
  }
  return true;
}

bool are_compared(const std::vector<Offset>& positions) {
  return std::all_of(positions.begin(), positions.end(),
                     [](Offset held) { return held >= Offset{0}; });
}

}  // namespace

void MemberProgress::look(Instant now, const std::vector<Offset>& ends,
                          const std::vector<Offset>& positions) {
  CHECK(ends.size() == positions.size());
  if (!marked_ || mark_.size() != ends.size()) {
    // Whoever stands still does so also while topics come and go.
    if (!marked_ || reached_) marked_at_ = now;
    mark_ = ends;
    marked_ = true;
    reached_ = caught_up_ = false;
    held_until_.reset();
  }
  if (!covers(positions, mark_)) {
    // A position that went back belongs to a log that is compared again.
    if (reached_ || !are_compared(positions)) held_until_.reset();
    if (reached_) marked_at_ = now;
    reached_ = caught_up_ = false;
    return;
  }
  caught_up_ = true;
  reached_ = covers(positions, ends);
  held_until_ = reached_ ? now : marked_at_;
  mark_ = ends;
  marked_at_ = now;
}

Duration MemberProgress::behind(Instant now) const {
  return !marked_ || reached_ ? Duration{} : now - marked_at_;
}

Duration MemberProgress::exposed(Instant now) const {
  if (!held_until_) return Duration::max();
  return reached_ ? Duration{} : now - *held_until_;
}

}  // namespace magpie::replication
