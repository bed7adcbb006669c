// Deadlines by name, in one order.
//
// Two timers that are due at the same moment fire in the order of their keys, so a run does not
// depend on when they were armed.
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/time.h"

namespace magpie::group {

enum class TimerKind {
  kMember,  // a member, or one that was given an id, must be heard of
  kJoin,    // the joining phase ends
  kSync,    // members that never asked for their assignment are removed
};

struct TimerKey {
  std::string group_id;
  TimerKind kind = TimerKind::kMember;
  std::string member_id;  // only for kMember

  auto operator<=>(const TimerKey&) const = default;
};

class Timers {
 public:
  // Replaces the deadline if the timer is armed already.
  void arm(const TimerKey& key, Instant deadline);
  void cancel(const TimerKey& key);
  void cancel_group(const std::string& group_id);
  bool is_armed(const TimerKey& key) const { return deadlines_.count(key) != 0; }

  // Instant::never() if nothing is armed.
  Instant next() const;
  // Disarms and returns the first timer with a deadline at or before `now`.
  std::optional<TimerKey> take_due(Instant now);

 private:
  std::map<TimerKey, Instant> deadlines_;
  std::set<std::pair<Instant, TimerKey>> order_;  // the same timers, by deadline
};

}  // namespace magpie::group
