// One partition's records in segment files: the engine of an ordinary node.
//
// The problem: what was acknowledged must survive a power loss, come back byte for byte and fast,
// and never be mistaken for nothing when it is damaged. The idea: Kafka's own segment format, so
// that any Kafka tool reads the files, written only at the end; beside it one small checkpoint file
// that says what is durable, so that a start reads nothing after a clean stop and only the tail
// after a crash. Everything is planned as disk effects; nothing here touches a disk.
//
// Guarantees: those of engine.h. In particular an acknowledged batch is never cut off as a torn
// tail (tail_examiner.h), and every operation may be interrupted by a crash between any two of its
// effects (docs/formats/recovery.md goes through them one by one).
//
// What it does not do: it does not check batches at the door (partition does), and it shares
// nothing with other partitions but the memory for recent batches (recent_pool.h). Compaction of
// several at once multiplies its memory (compactor.h); whoever calls compact keeps it to one at a
// time.
//
// Parts: appender.h (writing, durability, new segments), cold_reader.h and recent_batches.h
// (reading), index_loader.h, timestamp_search.h, checkpointer.h, opening.h with recovery_plan.h and
// tail_examiner.h, tail_cutter.h (cut, reopen), compactor.h. log_state.h is what they share.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/engine.h"
#include "log/appender.h"
#include "log/checkpointer.h"
#include "log/cold_reader.h"
#include "log/compactor.h"
#include "log/file_ids.h"
#include "log/index_loader.h"
#include "log/log_state.h"
#include "log/opening.h"
#include "log/tail_cutter.h"
#include "log/timestamp_search.h"

namespace magpie::log {

class SegmentLog final : public engine::Engine {
 public:
  // `folder` is the partition's, relative to the data directory ("topics/orders-0"); nobody else
  // writes there. `owner` goes into every completion. `file_ids` and `recent_pool` must outlive the
  // log. `seed` should not be known to whoever writes records of a compacted topic (key_hash.h).
  SegmentLog(std::string folder, uint32_t owner, FileIds& file_ids, RecentPool& recent_pool,
             const engine::EngineConfig& config, const HashSeed& seed = {});

  void open(const Now& now, engine::OpenMode mode, engine::Output& out) override;
  void reopen(const Now& now, engine::Output& out) override;
  void append(const Now& now, engine::Append append, engine::Output& out) override;
  std::optional<BufferChain> read(const Now& now, const engine::Read& read,
                                  engine::Output& out) override;
  void find_timestamp(const Now& now, uint64_t ticket, int64_t timestamp, Offset limit,
                      engine::Output& out) override;
  void find_max_timestamp(const Now& now, uint64_t ticket, Offset limit,
                          engine::Output& out) override;
  void cut(const Now& now, Offset end, engine::Output& out) override;
  void begin_anew(const Now& now, Offset at, engine::Output& out) override;
  void trim(const Now& now, Offset start, engine::Output& out) override;
  Offset retained_start(const Now& now, const engine::Retention& retention,
                        Offset limit) const override;
  void compact(const Now& now, Offset limit, Duration tombstone_age, engine::Output& out) override;
  void expect_gaps(const Now& now, engine::Output& out) override;
  bool expects_gaps() const override { return state_.gaps_are_noted; }
  void save_checkpoint(const Now& now, Offset at, Buffer state, engine::Output& out) override;
  bool wants_checkpoint() const override;
  void close(const Now& now, engine::Output& out) override;
  void step(const Now& now, const port::DiskDone& done, engine::Output& out) override;
  void tick(const Now& now, engine::Output& out) override;
  Instant next_deadline() const override { return appender_.next_deadline(); }
  void configure(const engine::EngineConfig& config) override;
  Offset start() const override { return state_.start; }
  Offset end() const override { return appender_.end(); }
  uint64_t size_bytes() const override;
  int64_t max_timestamp() const override;

  // Bytes of recent batches held in memory.
  uint64_t recent_bytes() const { return state_.recent.held_bytes(); }

 private:
  void on_opened(Step& step, Result<OpenedFiles> opened);
  void finish_opening(Step& step, const OpenedFiles& opened);
  void finish_close(Step& step, const Status& status);
  bool is_readable() const;

  LogState state_;
  Appender appender_;
  Checkpointer checkpointer_;
  IndexLoader indexes_;
  ColdReader cold_reader_;
  TimestampSearch search_;
  TailCutter tail_cutter_;
  Compactor compactor_;
  std::unique_ptr<Opening> opening_;  // while opening
  bool closing_ = false;
};

}  // namespace magpie::log
