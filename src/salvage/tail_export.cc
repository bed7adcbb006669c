#include "salvage/tail_export.h"

#include <utility>

#include "base/check.h"
#include "record/batch.h"

namespace magpie::salvage {

TailExport::TailExport(Tail tail, port::FileRef records, port::FileRef about, uint32_t owner,
                       uint64_t cookie)
    : tail_(std::move(tail)),
      records_(std::move(records)),
      about_(std::move(about)),
      owner_(owner),
      cookie_(cookie),
      next_(tail_.from) {}

void TailExport::start(port::Effects& effects) {
  CHECK(step_ == Step::kNew);
  step_ = Step::kUncovering;
  effects.add(port::RemoveFile{about_, completion()});
}

std::optional<Offset> TailExport::wants() const {
  if (step_ != Step::kWanting) return std::nullopt;
  return next_;
}

void TailExport::take(const BufferChain& batches, port::Effects& effects) {
  CHECK(step_ == Step::kWanting);
  BufferChain kept;
  for (const Buffer& batch : batches) {
    const record::BatchHeader header = record::parse_header(batch.bytes());
    if (header.base_offset >= tail_.to) break;
    next_ = header.next_offset();
    ++tail_.batches;
    tail_.records += header.record_count;
    kept.push_back(batch);
  }
  if (kept.empty()) return finish(effects);
  step_ = Step::kWriting;
  const uint64_t position = tail_.bytes;
  tail_.bytes += size_of(kept);
  effects.add(port::WriteFile{records_, position, std::move(kept), false, completion()});
}

void TailExport::give_up(Error error) {
  error_ = std::move(error);
  step_ = Step::kFailed;
}

void TailExport::finish(port::Effects& effects) {
  if (tail_.batches == 0) {
    step_ = Step::kDone;  // compaction left nothing between the two offsets
    return;
  }
  step_ = Step::kSyncing;
  effects.add(port::SyncFile{records_, completion()});
}

void TailExport::step(const port::DiskDone& done, port::Effects& effects) {
  if (step_ == Step::kFailed) return;
  if (!done.status) return give_up(done.status.error());
  switch (step_) {
    case Step::kUncovering:
      step_ = Step::kRemoving;
      effects.add(port::RemoveFile{records_, completion()});
      return;
    case Step::kRemoving:
    case Step::kWriting:
      step_ = Step::kWanting;
      if (next_ >= tail_.to) finish(effects);
      return;
    case Step::kSyncing:
      step_ = Step::kDescribing;
      effects.add(port::ReplaceFile{about_, {Buffer::copy_of(encode_about(tail_))}, completion()});
      return;
    case Step::kDescribing:
      step_ = Step::kDone;
      return;
    default:
      CHECK(false);
  }
}

}  // namespace magpie::salvage
