// A copy of a partition for tests, on a memory engine whose durability the test controls. What is
// sent between copies is handed over directly.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/memory_engine.h"
#include "partition/partition.h"
#include "record/builder.h"

namespace magpie::partition {

inline Buffer batch_of(int records, std::optional<int32_t> sequence = std::nullopt,
                       ProducerId producer = ProducerId{7}) {
  record::BatchBuilder builder;
  if (sequence) builder.set_producer(producer, ProducerEpoch{0}, *sequence);
  for (int i = 0; i < records; ++i) builder.add({.timestamp = 1, .key = "k", .value = "v"});
  return builder.build();
}

class Copy {
 public:
  explicit Copy(int32_t id) : id_{id} { open(); }

  void open() {
    partition_.reset();
    auto engine = std::make_unique<Engine>(image_);
    engine_ = engine.get();
    partition_ =
        std::make_unique<Partition>("orders-0", PartitionConfig{}, std::move(engine), slot_);
    const auto mode = image_.exists ? engine::OpenMode::kExisting : engine::OpenMode::kCreate;
    partition_->open(now_, mode, kNoLeaderEpoch, out_);
  }

  Partition& partition() { return *partition_; }
  NodeId id() const { return id_; }
  Output& out() { return out_; }
  const Now& now() const { return now_; }

  void lead(int32_t epoch, std::vector<NodeId> required, int64_t floor = 0, bool loss = false) {
    partition_->lead(now_, {LeaderEpoch{epoch}, Offset{floor}, loss}, out_);
    partition_->require(now_, required, out_);
  }
  void append(uint64_t ticket, Buffer batch) {
    partition_->append(now_, ticket, std::move(batch), out_);
  }
  // Writes are volatile until settle().
  void hold() { engine_->hold(); }
  void settle() { partition_->step(now_, {}, out_); }
  // Cuts, too.
  void hold_cuts() { engine_->slow_cuts = true; }
  void compact() { engine_->compact(now_, partition_->high_watermark(), Duration{}, engine_out_); }
  void fail_writes() {
    partition_->step(now_, {.status = fail(ErrorKind::kNoSpace, "full")}, out_);
  }
  void pass(Duration time) { now_.instant = now_.instant + time; }
  void set_break_patience(Duration patience) {
    PartitionConfig config;
    config.break_patience = patience;
    partition_->configure(now_, config);
  }
  void reopen() {
    now_.instant = now_.instant + Duration::seconds(2);
    partition_->tick(now_, out_);
  }

  // Compares with the leader, cuts, and copies `batches` at most.
  void follow(Copy& leader, size_t batches = SIZE_MAX) {
    Partition& source = leader.partition();
    if (partition_->leader_epoch() != source.leader_epoch() ||
        partition_->role() != Role::kFollower)
      partition_->follow(now_, source.leader_epoch(), out_);
    const Divergence parted = find_divergence(source.copy_state(), partition_->copy_state());
    ASSERT_FALSE(parted.restart);
    if (parted.common_end < partition_->log_end()) partition_->cut(now_, parted.common_end, out_);
    partition_->reconciled(
        now_, {source.copy_state().epochs, source.producers().last_loss(), source.may_have_gaps()},
        out_);
    source.member_reconciled(id_, partition_->durable_end(), leader.out());
    copy_from(leader, batches);
    acknowledge(leader);
  }
  void copy_from(Copy& leader, size_t batches = SIZE_MAX) {
    Partition& source = leader.partition();
    const auto chain =
        source.read_for_member(now_, 0, partition_->log_end(), 1 << 20, leader.out());
    ASSERT_TRUE(chain);
    for (const Buffer& batch : *chain) {
      if (batches-- == 0) break;
      ASSERT_TRUE(partition_->append_copied(now_, batch, out_));
    }
    partition_->learn(now_, source.high_watermark(), source.log_start(), out_);
  }
  void acknowledge(Copy& leader) {
    leader.partition().member_durable(id_, partition_->durable_end(), leader.out());
  }

  // Every answer so far, by ticket.
  std::map<uint64_t, Refusal> answers() const {
    std::map<uint64_t, Refusal> found;
    for (const Event& event : said_) {
      if (const auto* settled = std::get_if<Settled>(&event)) {
        found[settled->ticket] = settled->refusal;
      }
    }
    return found;
  }
  // What TrimmedEverywhere said last.
  Offset trimmed_everywhere() const {
    Offset start;
    for (const Event& event : said_) {
      if (const auto* trimmed = std::get_if<TrimmedEverywhere>(&event)) start = trimmed->start;
    }
    return start;
  }
  size_t times_trimmed_everywhere() const {
    size_t times = 0;
    for (const Event& event : said_) {
      times += std::holds_alternative<TrimmedEverywhere>(event) ? 1 : 0;
    }
    return times;
  }
  bool said_epoch_spent() const {
    for (const Event& event : said_) {
      if (std::holds_alternative<EpochSpent>(event)) return true;
    }
    return false;
  }

 private:
  class Engine : public engine::MemoryEngine {
   public:
    using MemoryEngine::MemoryEngine;
    void cut(const Now& now, Offset end, engine::Output& out) override {
      if (!slow_cuts) return MemoryEngine::cut(now, end, out);
      cut_to_ = end;
    }
    void step(const Now& now, const port::DiskDone& done, engine::Output& out) override {
      if (cut_to_) {
        MemoryEngine::cut(now, *std::exchange(cut_to_, std::nullopt), out);
      } else if (done.status) {
        settle(out);
      } else {
        fail_writes(done.status.error(), true, out);
      }
    }

    bool slow_cuts = false;

   private:
    std::optional<Offset> cut_to_;
  };

  NodeId id_;
  Now now_;
  CompactionSlot slot_;
  engine::MemoryImage image_;
  port::Effects effects_;
  std::vector<Event> said_;
  Output out_{effects_, said_};
  std::vector<engine::Event> engine_said_;
  engine::Output engine_out_{effects_, engine_said_};
  Engine* engine_ = nullptr;
  std::unique_ptr<Partition> partition_;
};

using Answers = std::map<uint64_t, Refusal>;

}  // namespace magpie::partition
