#include "replication/member_progress.h"

#include "base/check.h"

namespace magpie::replication {
namespace {

bool covers(const std::vector<Offset>& positions, const std::vector<Offset>& mark) {
  for (size_t i = 0; i < mark.size(); ++i) {
    if (positions[i] < mark[i]) return false;
  }
  return true;
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
  }
  if (!covers(positions, mark_)) {
    // A position that went back belongs to a log that is compared again.
    if (reached_) marked_at_ = now;
    reached_ = caught_up_ = false;
    return;
  }
  caught_up_ = true;
  reached_ = covers(positions, ends);
  mark_ = ends;
  marked_at_ = now;
}

Duration MemberProgress::behind(Instant now) const {
  return !marked_ || reached_ ? Duration{} : now - marked_at_;
}

}  // namespace magpie::replication
