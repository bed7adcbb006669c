// Whether a member keeps up with the leader.
//
// The problem: a member that is a few records behind may be as fast as the network allows or may
// have stopped, and the distance alone does not tell which. The idea: now and then remember where
// the logs ended. A member that holds all of that within the time allowed keeps up, however far the
// logs have grown meanwhile; when it has reached the mark, the next one is set.
#pragma once

#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace magpie::replication {

class MemberProgress {
 public:
  // Looks at the member: `ends` are the ends of the leader's logs, `positions` what the member
  // holds of them (-1: not compared yet), by partition. Another number of partitions begins a new
  // mark, but no new time for a member that has not reached the one before.
  void look(Instant now, const std::vector<Offset>& ends, const std::vector<Offset>& positions);

  // For how long the member has not reached the mark; 0 if it has, or has nothing to reach.
  Duration behind(Instant now) const;
  // How old the oldest record may be that it lacks: everything older it holds. 0 if it holds all;
  // Duration::max() before it has caught up once, because then nobody can say.
  Duration exposed(Instant now) const;
  // It holds everything that was there when the mark was set; false before it did so once.
  bool has_caught_up() const { return caught_up_; }

 private:
  std::vector<Offset> mark_;
  Instant marked_at_;
  // It holds everything that was appended before this.
  std::optional<Instant> held_until_;
  bool marked_ = false;
  bool reached_ = false;
  bool caught_up_ = false;
};

}  // namespace magpie::replication
