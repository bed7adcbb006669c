#include "group/timers.h"

#include "base/check.h"

namespace magpie::group {

void Timers::arm(const TimerKey& key, Instant deadline) {
  const auto [place, is_new] = deadlines_.emplace(key, deadline);
  if (!is_new) {
    order_.erase({place->second, key});
    place->second = deadline;
  }
  order_.emplace(deadline, key);
  CHECK(order_.size() == deadlines_.size());
}

void Timers::cancel(const TimerKey& key) {
  const auto found = deadlines_.find(key);
  if (found == deadlines_.end()) return;
  order_.erase({found->second, key});
  deadlines_.erase(found);
}

void Timers::cancel_group(const std::string& group_id) {
  auto timer = deadlines_.lower_bound(TimerKey{group_id, TimerKind::kMember, ""});
  while (timer != deadlines_.end() && timer->first.group_id == group_id) {
    order_.erase({timer->second, timer->first});
    timer = deadlines_.erase(timer);
  }
}

Instant Timers::next() const {
  return order_.empty() ? Instant::never() : order_.begin()->first;
}

std::optional<TimerKey> Timers::take_due(Instant now) {
  if (order_.empty() || order_.begin()->first > now) return std::nullopt;
  TimerKey key = order_.begin()->second;
  order_.erase(order_.begin());
  CHECK(deadlines_.erase(key) == 1);
  return key;
}

}  // namespace magpie::group
