// Writes bytes that were just read once more, in place.
//
// After a failed sync the kernel may hold bytes in memory that never reached the disk, and count
// them as clean: the next sync says "done" and writes nothing (Rebello et al., ATC 2020). It also
// outlives the process. Writing the same bytes again makes the kernel take them to the disk; and
// since they are the same, a crash in the middle changes nothing.
#pragma once

#include <cstdint>
#include <memory>

#include "base/buffer.h"
#include "base/result.h"
#include "log/disk_calls.h"
#include "log/segment_scan.h"
#include "port/file.h"

namespace magpie::log {

class Rewriter {
 public:
  Rewriter(DiskCalls& disk, port::FileRef file) : disk_(disk), file_(std::move(file)) {}

  // The next batch of the file. REQUIRES: it follows the last one.
  void add(Step& step, const ScannedBatch& batch);

  // Hands everything over to the disk. A sync asked for after this covers it.
  void flush(Step& step);

  // Whether all writes went well, once that sync has finished.
  const Status& status() const { return *status_; }

 private:
  DiskCalls& disk_;
  port::FileRef file_;
  uint64_t position_ = 0;
  BufferChain unwritten_;
  uint64_t unwritten_bytes_ = 0;
  std::shared_ptr<Status> status_ = std::make_shared<Status>();
};

}  // namespace magpie::log
