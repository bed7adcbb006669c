#include "sim/event_queue.h"

#include <algorithm>
#include <utility>

namespace magpie::sim {

bool EventQueue::later(const Entry& a, const Entry& b) {
  return a.when != b.when ? a.when > b.when : a.sequence > b.sequence;
}

void EventQueue::at(Instant when, Action action) {
  heap_.push_back({std::max(when, now_), next_sequence_++, std::move(action)});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

bool EventQueue::run_one() {
  if (heap_.empty()) return false;
  std::pop_heap(heap_.begin(), heap_.end(), later);
  const Entry next = std::move(heap_.back());
  heap_.pop_back();
  now_ = next.when;
  ++events_;
  next.action();
  return true;
}

}  // namespace magpie::sim
