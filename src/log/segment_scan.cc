#include "log/segment_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/check.h"
#include "log/batch_scan.h"

namespace magpie::log {
namespace {

class Scan : public std::enable_shared_from_this<Scan> {
 public:
  Scan(DiskCalls& disk, ScanRange range, std::function<bool(Step&, const ScannedBatch&)> visit,
       std::function<void(Step&, const ScanEnd&)> done)
      : disk_(disk),
        range_(std::move(range)),
        visit_(std::move(visit)),
        done_(std::move(done)),
        position_(range_.from),
        next_(range_.lowest),
        epoch_(range_.epoch) {}

  // Reads on from position_, at least `needed` bytes if the range has them.
  void read(Step& step, uint64_t needed) {
    if (position_ == range_.to) return finish_range(step);
    const uint64_t left = range_.to - position_;
    if (needed > left) return finish(step, ScanEnd::Kind::kDamaged, "the file ends inside a batch");
    requested_ = std::min(left, std::max(needed, range_.chunk_bytes));
    auto then = disk_.then([self = shared_from_this()](Step& later, const port::DiskDone& done) {
      self->on_read(later, done);
    });
    step.ask(port::ReadFile{range_.file, position_, requested_, then});
  }

 private:
  // Before the first batch nothing is known of the epoch before.
  bool begins_epoch(const record::BatchHeader& header) const {
    return header.leader_epoch > epoch_;
  }

  void on_read(Step& step, const port::DiskDone& done) {
    if (!done.status) {
      ScanEnd end = end_of(ScanEnd::Kind::kReadFailed, "");
      end.error = done.status.error();
      return done_(step, end);
    }
    size_t at = 0;
    while (at < done.data.size()) {
      const BatchLook look = look_at_batch(done.data.bytes(), at, next_);
      if (look.kind == BatchLook::Kind::kShort) {
        // A read that brought less than it could is a file shorter than the range.
        if (at == 0 && done.data.size() < requested_) {
          return finish(step, ScanEnd::Kind::kDamaged, "the file is shorter than it should be");
        }
        return read(step, look.needed);
      }
      if (look.kind == BatchLook::Kind::kDamaged) {
        return finish(step, ScanEnd::Kind::kDamaged, look.damage);
      }
      if (look.header.leader_epoch < epoch_) {
        return finish(step, ScanEnd::Kind::kDamaged, "epochs run backwards");
      }
      if (look.header.next_offset() > range_.limit) {
        return finish(step, ScanEnd::Kind::kDamaged, "offsets are too high");
      }
      if (range_.contiguous && look.header.base_offset != next_ && !begins_epoch(look.header)) {
        return finish(step, ScanEnd::Kind::kDamaged, "offsets are missing");
      }
      const size_t size = look.header.size_bytes();
      if (!visit_(step, {look.header, position_, done.data.slice(at, size)})) {
        return finish(step, ScanEnd::Kind::kStopped, "");
      }
      next_ = look.header.next_offset();
      epoch_ = look.header.leader_epoch;
      position_ += size;
      at += size;
    }
    if (done.data.empty()) {
      return finish(step, ScanEnd::Kind::kDamaged, "the file is shorter than it should be");
    }
    read(step, 0);
  }

  ScanEnd end_of(ScanEnd::Kind kind, const char* what) const {
    return ScanEnd{.kind = kind, .position = position_, .next = next_, .what = what};
  }
  void finish_range(Step& step) {
    const bool some = position_ > range_.from;
    if (some && range_.ends_at_limit && next_ != range_.limit) {
      return finish(step, ScanEnd::Kind::kDamaged, "the last offset is another than was stored");
    }
    finish(step, ScanEnd::Kind::kComplete, "");
  }
  void finish(Step& step, ScanEnd::Kind kind, const char* what) { done_(step, end_of(kind, what)); }

  DiskCalls& disk_;
  const ScanRange range_;
  const std::function<bool(Step&, const ScannedBatch&)> visit_;
  const std::function<void(Step&, const ScanEnd&)> done_;
  uint64_t position_;
  Offset next_;
  LeaderEpoch epoch_;  // of the batch before
  uint64_t requested_ = 0;
};

}  // namespace

void scan_segment(Step& step, DiskCalls& disk, ScanRange range,
                  std::function<bool(Step&, const ScannedBatch&)> visit,
                  std::function<void(Step&, const ScanEnd&)> done) {
  CHECK(range.from <= range.to);
  std::make_shared<Scan>(disk, std::move(range), std::move(visit), std::move(done))->read(step, 0);
}

Error to_error(const ScanEnd& end, const std::string& path) {
  if (end.kind == ScanEnd::Kind::kReadFailed) return end.error;
  return {ErrorKind::kCorrupt, fmt::format("{} is damaged at byte {} (offset {}): {}", path,
                                           end.position, end.next.value, end.what)};
}

}  // namespace magpie::log
