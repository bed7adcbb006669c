// The simple twin: an engine that keeps its batches in memory.
//
// It answers every request at once and does nothing clever, so it says what the answers of a real
// engine must be (engine_conformance.h). Tests of what lies above use it instead of files; they can
// hold back durability and make the storage fail.
//
// What it does not do: it writes nothing, so it survives only as long as its MemoryImage.
#pragma once

#include <deque>

#include "engine/engine.h"

namespace magpie::engine {

// What would be on a disk. Outlives engines, so that a test can open the same log again.
struct MemoryImage {
  struct Batch {
    record::BatchHeader header;
    Buffer bytes;
  };

  bool exists = false;
  std::deque<Batch> batches;  // all from the checkpoint on or from the start, whichever is lower
  Offset start;
  Offset end;
  Offset checkpoint_at;
  Buffer checkpoint;  // empty: none was saved
  bool expects_gaps = false;
};

class MemoryEngine : public Engine {
 public:
  // `image` must outlive the engine.
  explicit MemoryEngine(MemoryImage& image, const EngineConfig& config = {});

  // From now on appends stay volatile until `settle`.
  void hold() { held_ = true; }
  // Makes all appends so far durable, and later ones at once.
  void settle(Output& out);
  // As if a write had failed: drops what is not durable. `reopen_works` tells what the next
  // reopen() does.
  void fail_writes(const Error& error, bool reopen_works, Output& out);

  void open(const Now& now, OpenMode mode, Output& out) override;
  void reopen(const Now& now, Output& out) override;
  void append(const Now& now, Append append, Output& out) override;
  std::optional<BufferChain> read(const Now& now, const Read& read, Output& out) override;
  void find_timestamp(const Now& now, uint64_t ticket, int64_t timestamp, Offset limit,
                      Output& out) override;
  void find_max_timestamp(const Now& now, uint64_t ticket, Offset limit, Output& out) override;
  void cut(const Now& now, Offset end, Output& out) override;
  void begin_anew(const Now& now, Offset at, Output& out) override;
  void trim(const Now& now, Offset start, Output& out) override;
  Offset retained_start(const Now& now, const Retention& retention, Offset limit) const override;
  void compact(const Now& now, Offset limit, Duration tombstone_age, Output& out) override;
  void expect_gaps(const Now&, Output&) override { image_.expects_gaps = true; }
  bool expects_gaps() const override { return image_.expects_gaps; }
  void save_checkpoint(const Now& now, Offset at, Buffer state, Output& out) override;
  bool wants_checkpoint() const override;
  void close(const Now& now, Output& out) override;
  void step(const Now& now, const port::DiskDone& done, Output& out) override;
  void tick(const Now& now, Output& out) override;
  Instant next_deadline() const override { return Instant::never(); }
  void configure(const EngineConfig& config) override { config_ = config; }
  Offset start() const override { return image_.start; }
  Offset end() const override;
  uint64_t size_bytes() const override;
  int64_t max_timestamp() const override;

 private:
  void replay(Output& out);
  void drop_old();
  const std::deque<MemoryImage::Batch>& batches() const { return image_.batches; }

  MemoryImage& image_;
  EngineConfig config_;
  std::deque<MemoryImage::Batch> volatile_;  // appended, not yet durable
  bool held_ = false;
  std::optional<Error> failure_;
  bool reopen_works_ = true;
  uint64_t appended_bytes_ = 0;  // since the last checkpoint
};

}  // namespace magpie::engine
