#include "log/disk_calls.h"

#include <utility>

#include "base/check.h"

namespace magpie::log {

port::Completion DiskCalls::then(Then then) {
  waiting_.emplace(++last_, std::move(then));
  return {owner_, kCall, last_};
}

void DiskCalls::resume(Step& step, const port::DiskDone& done) {
  const auto found = waiting_.find(done.then.cookie);
  CHECK(found != waiting_.end());
  const Then then = std::move(found->second);
  waiting_.erase(found);
  then(step, done);
}

}  // namespace magpie::log
