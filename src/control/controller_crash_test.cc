// A controller through random proposals, disk errors, power losses and restarts. What must hold: a
// change that was settled is there ever after, a change that was refused is not seen while the
// process lives, every start leads in a higher epoch, and the identity never changes.
#include <gtest/gtest.h>

#include <memory>

#include "base/planted_bug.h"
#include "control/controller.h"
#include "control/test_support.h"

namespace magpie::control {
namespace {

using testing::MemoryDisk;
using testing::one_node;

class Story {
 public:
  explicit Story(uint64_t seed) : random_(seed) {}

  // The first rule that was broken; empty if none was.
  std::string violation(int steps) {
    restart();
    for (int i = 0; i < steps && violation_.empty(); ++i) step();
    disk_.write_error.reset();
    restart();
    finish_disk();
    if (!ready_) note("a healthy disk did not lead to a start");
    return violation_;
  }
  size_t acknowledged() const { return acknowledged_.size(); }
  int32_t starts() const { return epoch_.value; }

 private:
  void note(const std::string& what) {
    if (violation_.empty()) violation_ = what;
  }

  void step() {
    if (failed_) restart();
    switch (random_.below(8)) {
      case 0:
        if (random_.chance(1, 4)) restart();
        return;
      case 1:
        disk_.write_error.reset();
        if (random_.chance(1, 3)) disk_.write_error = Error{ErrorKind::kNoSpace, "full"};
        return;
      case 2:
        now_.instant = std::max(now_.instant, Instant{now_.instant.nanos + 1'000'000'000});
        controller_->tick(now_, out_);
        return;
      case 3:
      case 4:
        return finish_disk();
      default:
        return propose();
    }
  }

  void propose() {
    const uint64_t ticket = next_ticket_++;
    const std::string name = "topic-" + std::to_string(ticket);
    controller_->propose(
        ticket,
        [this, name](const State& state) -> tl::expected<Transaction, Refusal> {
          CreateTopic request;
          request.name = name;
          return decide_create_topic(state, one_node(), request, random_)->transaction;
        },
        out_);
    look();
  }

  void finish_disk() {
    while (!effects_.empty()) {
      for (const port::DiskDone& done : disk_.run(effects_)) controller_->step(now_, done, out_);
      look();
    }
  }

  void restart() {
    disk_.crash(effects_, random_);
    events_.clear();
    ready_ = false;
    failed_ = false;
    ControllerConfig config;
    config.identity_file = MemoryDisk::file(kIdentityPath);
    config.journal_file = MemoryDisk::file(kJournalPath);
    config.cluster_id = "bridge";
    config.node_id = NodeId{1};
    controller_ = std::make_unique<Controller>(config, random_.fork());
    controller_->start(out_);
  }

  // Looks at what the controller said and shows, and holds it against what it said before.
  void look() {
    for (const ControllerEvent& event : events_) {
      if (const auto* settled = std::get_if<Settled>(&event)) on_settled(*settled);
      if (const auto* ready = std::get_if<Ready>(&event)) on_ready(*ready);
      if (!std::holds_alternative<StartFailed>(event)) continue;
      // A full disk delays a start; nothing here makes one fail.
      note("a start failed");
      failed_ = true;
    }
    events_.clear();
  }

  void on_settled(const Settled& settled) {
    const std::string name = "topic-" + std::to_string(settled.ticket);
    const bool shown = controller_->state().find_topic(name) != nullptr;
    if (!settled.refusal) acknowledged_.push_back(name);
    if (shown != !settled.refusal) note("the state does not show what was settled: " + name);
  }

  void on_ready(const Ready& ready) {
    ready_ = true;
    if (ready.leadership.epoch <= epoch_) note("an epoch was used again");
    epoch_ = ready.leadership.epoch;
    if (incarnation_ && *incarnation_ != ready.identity.incarnation) note("another identity");
    incarnation_ = ready.identity.incarnation;
    for (const std::string& name : acknowledged_) {
      if (controller_->state().find_topic(name) == nullptr) note("lost " + name);
    }
  }

  Random random_;
  MemoryDisk disk_;
  Now now_;
  port::Effects effects_;
  std::vector<ControllerEvent> events_;
  ControllerOutput out_{effects_, events_};
  std::unique_ptr<Controller> controller_;

  uint64_t next_ticket_ = 0;
  std::vector<std::string> acknowledged_;
  LeaderEpoch epoch_ = kNoLeaderEpoch;
  std::optional<Uuid> incarnation_;
  bool ready_ = false;
  bool failed_ = false;
  std::string violation_;
};

TEST(ControllerCrash, KeepsItsPromisesThroughFaults) {
  size_t acknowledged = 0;
  int32_t starts = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Story story(seed);
    ASSERT_EQ(story.violation(300), "") << "seed " << seed;
    acknowledged += story.acknowledged();
    starts += story.starts();
  }
  EXPECT_GT(acknowledged, 1'000u) << "the stories say little";
  EXPECT_GT(starts, 400) << "the stories say little";
}

// A story can fail: with these bugs it does.
TEST(ControllerCrash, NoticesPlantedBugs) {
  for (const PlantedBug bug : {PlantedBug::kEpochReused, PlantedBug::kMetadataBeforeDurable}) {
    plant(bug);
    bool noticed = false;
    for (uint64_t seed = 0; seed < 10 && !noticed; ++seed) {
      noticed = !Story(seed).violation(300).empty();
    }
    plant(PlantedBug::kNone);
    EXPECT_TRUE(noticed) << static_cast<int>(bug);
  }
}

}  // namespace
}  // namespace magpie::control
