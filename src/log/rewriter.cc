#include "log/rewriter.h"

#include <utility>

#include "base/check.h"

namespace magpie::log {
namespace {

constexpr uint64_t kPieceBytes = 256 * 1024;

}  // namespace

void Rewriter::add(Step& step, const ScannedBatch& batch) {
  if (unwritten_.empty()) position_ = batch.position;
  CHECK(position_ + unwritten_bytes_ == batch.position);
  unwritten_.push_back(batch.bytes);
  unwritten_bytes_ += batch.bytes.size();
  if (unwritten_bytes_ >= kPieceBytes) flush(step);
}

void Rewriter::flush(Step& step) {
  if (unwritten_.empty()) return;
  unwritten_bytes_ = 0;
  auto on_done = [status = status_](Step&, const port::DiskDone& done) {
    if (!done.status) *status = done.status;
  };
  step.ask(port::WriteFile{file_, position_, std::exchange(unwritten_, {}), false,
                           disk_.then(std::move(on_done))});
}

}  // namespace magpie::log
