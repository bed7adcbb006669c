// Keeps a tail before it is cut (G10).
//
// The problem: records that a new leader does not have are about to leave the log, and they may be
// the only ones of their kind. The idea: copy their batches, byte for byte, to a folder of their
// own, sync them, and only then write the file that says what they are; without that file the
// folder counts as nothing and is written again. The cut comes after done().
//
// What it does not do: it does not read the log (whoever owns the partition hands in batches), cut,
// or judge the records (classify.h).
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "port/effect.h"
#include "port/event.h"
#include "salvage/tail.h"

namespace magpie::salvage {

class TailExport {
 public:
  // `tail` without its counts. The files are those of folder_of(tail); `owner` and `cookie` come
  // back in every completion.
  TailExport(Tail tail, port::FileRef records, port::FileRef about, uint32_t owner,
             uint64_t cookie);

  // Removes what an earlier attempt left: first what describes it, so that the folder never says
  // more than it holds.
  void start(port::Effects& effects);

  // The offset of the next batches to be handed in; nothing while the disk is busy, or when all are
  // there.
  std::optional<Offset> wants() const;

  // Batches from wants() on. Those at and beyond the tail's end are ignored; an empty chain means
  // that there are no more. REQUIRES: wants().
  void take(const BufferChain& batches, port::Effects& effects);
  // They could not be read.
  void give_up(Error error);

  void step(const port::DiskDone& done, port::Effects& effects);

  bool done() const { return step_ == Step::kDone; }
  // Why the tail could not be kept. The cut must not happen; whoever owns this tries again.
  const std::optional<Error>& error() const { return error_; }
  const Tail& tail() const { return tail_; }

 private:
  enum class Step {
    kNew,
    kUncovering,
    kRemoving,
    kWanting,
    kWriting,
    kSyncing,
    kDescribing,
    kDone,
    kFailed
  };

  port::Completion completion() const { return {owner_, 0, cookie_}; }
  void finish(port::Effects& effects);

  Tail tail_;
  port::FileRef records_;
  port::FileRef about_;
  uint32_t owner_;
  uint64_t cookie_;
  Step step_ = Step::kNew;
  Offset next_;
  std::optional<Error> error_;
};

}  // namespace magpie::salvage
