// Runs a SegmentLog on a fake disk, for tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "engine/engine_conformance.h"
#include "log/fake_disk.h"
#include "log/file_ids.h"
#include "log/segment_log.h"

namespace magpie::log {

class LogHarness final : public engine::EngineHarness {
 public:
  explicit LogHarness(uint64_t seed, Crash mode = Crash::kTear) : disk_(seed), mode_(mode) {}

  void boot() override {
    effects.clear();
    log_ = std::make_unique<SegmentLog>("topics/t-0", 7, file_ids_, recent_pool_, config);
  }
  engine::Engine& engine() override { return *log_; }
  SegmentLog& segment_log() { return *log_; }
  FakeDisk& disk() { return disk_; }

  // Carries out one effect; false if there is none.
  bool step() {
    disk_.submit(effects);
    const auto done = disk_.carry_out_one();
    if (!done) return false;
    EXPECT_EQ(done->then.owner, 7u);
    engine::Output output = out();
    log_->step(now, *done, output);
    return true;
  }
  void settle() override {
    while (step()) {
    }
  }
  void crash() override { crash(mode_); }
  void crash(Crash mode) {
    log_.reset();
    disk_.submit(effects);
    disk_.crash(mode);
  }

 private:
  FakeDisk disk_;
  FileIds file_ids_;
  RecentPool recent_pool_{64 * 1024};
  Crash mode_;
  std::unique_ptr<SegmentLog> log_;
};

}  // namespace magpie::log
