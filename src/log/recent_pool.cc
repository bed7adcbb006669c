#include "log/recent_pool.h"

#include "base/check.h"
#include "log/recent_batches.h"

namespace magpie::log {
namespace {

// Partitions asked at most each time. Those whose batches wait for the disk have nothing to give.
constexpr int kAskedAtOnce = 16;

}  // namespace

RecentPool::~RecentPool() {
  CHECK(first_ == nullptr);
}

void RecentPool::touch(RecentBatches& who) {
  if (last_ == &who) return;
  remove(who);
  who.before_ = last_;
  (last_ == nullptr ? first_ : last_->after_) = &who;
  last_ = &who;
}

void RecentPool::remove(RecentBatches& who) {
  if (who.before_ == nullptr && first_ != &who) return;
  (who.before_ == nullptr ? first_ : who.before_->after_) = who.after_;
  (who.after_ == nullptr ? last_ : who.after_->before_) = who.before_;
  who.before_ = who.after_ = nullptr;
}

void RecentPool::make_room() {
  RecentBatches* each = first_;
  for (int asked = 0; asked < kAskedAtOnce && each != nullptr && held_ > limit_; ++asked) {
    RecentBatches* const next = each->after_;
    each->give_up();
    each = next;
  }
}

}  // namespace magpie::log
