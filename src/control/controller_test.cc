#include "control/controller.h"

#include <gtest/gtest.h>

#include <memory>

#include "control/describe_configs.h"
#include "control/test_support.h"

namespace magpie::control {
namespace {

using testing::MemoryDisk;
using testing::one_node;

class ControllerTest : public ::testing::Test {
 protected:
  ControllerConfig config() {
    ControllerConfig config;
    config.owner = 3;
    config.identity_file = MemoryDisk::file(kIdentityPath);
    config.journal_file = MemoryDisk::file(kJournalPath);
    config.cluster_id = cluster_id_;
    config.node_id = node_id_;
    config.data_folders = {"partitions"};
    config.waiting_max = 3;
    return config;
  }
  // Starts a new process on the same disk and returns its first event.
  ControllerEvent start() {
    controller_ = std::make_unique<Controller>(config(), Random(++seed_));
    controller_->start(out_);
    settle_disk();
    if (events_.empty()) return Settled{};
    return events_.front();
  }
  LeaderEpoch start_well() {
    const ControllerEvent event = start();
    EXPECT_TRUE(std::holds_alternative<Applied>(event)) << "the new epoch is a change";
    for (const ControllerEvent& each : events_) {
      if (const auto* ready = std::get_if<Ready>(&each)) {
        const Ready found = *ready;
        events_.clear();
        return found.leadership.epoch;
      }
      if (const auto* failed = std::get_if<StartFailed>(&each))
        ADD_FAILURE() << failed->error.message;
    }
    return kNoLeaderEpoch;
  }
  Error start_badly() {
    const auto before = disk_.files;
    const ControllerEvent event = start();
    EXPECT_EQ(disk_.files, before) << "a refused start wrote something";
    const auto* failed = std::get_if<StartFailed>(&event);
    EXPECT_NE(failed, nullptr);
    const Error error = failed == nullptr ? Error{} : failed->error;
    events_.clear();
    return error;
  }
  // One completion at a time, until nothing is under way.
  void settle_disk() {
    while (!effects_.empty()) {
      for (const port::DiskDone& done : disk_.run(effects_)) controller_->step(now_, done, out_);
    }
  }
  void propose(uint64_t ticket, const std::string& topic) {
    controller_->propose(
        ticket,
        [this, topic](const State& state) -> tl::expected<Transaction, Refusal> {
          CreateTopic request;
          request.name = topic;
          auto decided = decide_create_topic(state, one_node(), request, random_);
          if (!decided) return tl::unexpected<Refusal>(decided.error());
          return decided->transaction;
        },
        out_);
  }
  // The outcome of each ticket, in order: "1 ok", "2 topic_already_exists".
  std::vector<std::string> settled() {
    std::vector<std::string> outcomes;
    for (const ControllerEvent& event : events_) {
      const auto* each = std::get_if<Settled>(&event);
      if (each == nullptr) continue;
      outcomes.push_back(std::to_string(each->ticket) + " " +
                         (each->refusal ? to_string(each->refusal->code) : "ok"));
    }
    events_.clear();
    return outcomes;
  }

  std::string cluster_id_ = "bridge";
  NodeId node_id_{1};
  uint64_t seed_ = 0;
  Random random_{99};
  MemoryDisk disk_;
  Now now_{{1'000}, {2'000}};
  port::Effects effects_;
  std::vector<ControllerEvent> events_;
  ControllerOutput out_{effects_, events_};
  std::unique_ptr<Controller> controller_;
};

using Outcomes = std::vector<std::string>;

TEST_F(ControllerTest, AFullDiskDelaysTheFirstStart) {
  disk_.write_error = Error{ErrorKind::kNoSpace, "no space left"};
  start();
  EXPECT_TRUE(events_.empty());
  ASSERT_TRUE(controller_->storage_error());
  for (int i = 0; i < 2; ++i) {
    if (i == 1) disk_.write_error.reset();
    ASSERT_NE(controller_->next_deadline(), Instant::never());
    now_.instant = controller_->next_deadline();
    controller_->tick(now_, out_);
    settle_disk();
  }
  ASSERT_EQ(events_.size(), 2u);
  EXPECT_TRUE(std::get<Ready>(events_.back()).created);
  EXPECT_FALSE(controller_->storage_error());
}

TEST_F(ControllerTest, BeginsAnEmptyDirectory) {
  start();
  ASSERT_EQ(events_.size(), 2u);
  const auto& ready = std::get<Ready>(events_.back());
  EXPECT_TRUE(ready.created);
  EXPECT_EQ(ready.identity.cluster_id, "bridge");
  EXPECT_FALSE(ready.identity.incarnation.is_zero());
  EXPECT_EQ(ready.leadership.epoch, LeaderEpoch{1});
  EXPECT_EQ(ready.leadership.leader, (Member{NodeId{1}, ready.identity.incarnation}));
  EXPECT_TRUE(ready.leadership.open);
  EXPECT_EQ(disk_.files.size(), 2u);
}

TEST_F(ControllerTest, EveryStartHasANewEpochAndKeepsTheIdentity) {
  start();
  const Uuid incarnation = std::get<Ready>(events_.back()).identity.incarnation;
  events_.clear();
  for (int32_t epoch = 2; epoch < 6; ++epoch) {
    start();
    const auto& ready = std::get<Ready>(events_.back());
    EXPECT_EQ(ready.leadership.epoch, LeaderEpoch{epoch});
    EXPECT_EQ(ready.identity.incarnation, incarnation);
    EXPECT_FALSE(ready.created);
    events_.clear();
  }
}

TEST_F(ControllerTest, SettlesOnlyWhatIsDurable) {
  start_well();
  propose(1, "a");
  EXPECT_TRUE(events_.empty()) << "settled before the write";
  EXPECT_EQ(controller_->state().find_topic("a"), nullptr) << "shown before the write";
  settle_disk();
  ASSERT_EQ(events_.size(), 2u);
  EXPECT_EQ(std::get<TopicAdded>(std::get<Applied>(events_[0]).differences.front()).name, "a");
  EXPECT_EQ(settled(), Outcomes{"1 ok"});
  const State before = controller_->state();
  start_well();
  EXPECT_EQ(controller_->state().topics(), before.topics());
}

TEST_F(ControllerTest, DecidesInOrderAgainstWhatIsCommitted) {
  start_well();
  propose(1, "a");
  propose(2, "a");
  propose(3, "b");
  settle_disk();
  EXPECT_EQ(settled(), (Outcomes{"1 ok", "2 topic_already_exists", "3 ok"}));
}

TEST_F(ControllerTest, SettlesAtOnceWhereNothingIsToBeCommitted) {
  start_well();
  controller_->propose(
      7, [](const State&) { return tl::expected<Transaction, Refusal>(Transaction{}); }, out_);
  EXPECT_EQ(settled(), Outcomes{"7 ok"});
  EXPECT_TRUE(effects_.empty());
}

TEST_F(ControllerTest, RefusesWhenTooManyWait) {
  start_well();
  for (uint64_t ticket = 0; ticket < 6; ++ticket) propose(ticket, "t" + std::to_string(ticket));
  EXPECT_EQ(settled(), (Outcomes{"4 throttled", "5 throttled"}));
  settle_disk();
  EXPECT_EQ(settled(), (Outcomes{"0 ok", "1 ok", "2 ok", "3 ok"}));
}

TEST_F(ControllerTest, HoldsProposalsUntilItIsReady) {
  controller_ = std::make_unique<Controller>(config(), Random(1));
  controller_->start(out_);
  propose(1, "a");
  EXPECT_TRUE(events_.empty());
  settle_disk();
  EXPECT_EQ(settled(), Outcomes{"1 ok"});
}

TEST_F(ControllerTest, StopsAfterTheCommitUnderWay) {
  start_well();
  propose(1, "a");
  propose(2, "b");
  controller_->stop(out_);
  EXPECT_EQ(settled(), Outcomes{"2 unavailable"});
  EXPECT_FALSE(controller_->idle());
  propose(3, "c");
  EXPECT_EQ(settled(), Outcomes{"3 unavailable"});
  settle_disk();
  EXPECT_EQ(settled(), Outcomes{"1 ok"});
  EXPECT_TRUE(controller_->idle());
}

TEST_F(ControllerTest, RefusesWritesWhileTheDiskDoesAndRecovers) {
  start_well();
  disk_.write_error = Error{ErrorKind::kNoSpace, "no space left on device"};
  propose(1, "a");
  settle_disk();
  EXPECT_EQ(settled(), Outcomes{"1 storage"});
  EXPECT_TRUE(controller_->storage_error().has_value());
  EXPECT_EQ(disk_.log.back().code, "control.storage_failed");
  const size_t lines = disk_.log.size();

  // It tries again by itself, and says nothing more while nothing changes.
  now_.instant = controller_->next_deadline();
  EXPECT_EQ(now_.instant, Instant{1'000} + Duration::seconds(5));
  controller_->tick(now_, out_);
  settle_disk();
  EXPECT_TRUE(controller_->storage_error().has_value());
  EXPECT_EQ(disk_.log.size(), lines);

  disk_.write_error.reset();
  now_.instant = controller_->next_deadline();
  controller_->tick(now_, out_);
  settle_disk();
  EXPECT_FALSE(controller_->storage_error().has_value());
  EXPECT_EQ(disk_.log.back().code, "control.storage_recovered");
  EXPECT_EQ(controller_->next_deadline(), Instant::never());
  propose(2, "a");
  settle_disk();
  EXPECT_EQ(settled(), Outcomes{"2 ok"});
  start_well();
  EXPECT_EQ(controller_->state().topics().size(), 1u);
}

TEST_F(ControllerTest, WaitsForTheDiskBeforeItLeads) {
  start_well();
  disk_.write_error = Error{ErrorKind::kNoSpace, "no space left on device"};
  start();
  EXPECT_TRUE(events_.empty());
  disk_.write_error.reset();
  now_.instant = controller_->next_deadline();
  controller_->tick(now_, out_);
  settle_disk();
  ASSERT_EQ(events_.size(), 2u);
  EXPECT_EQ(std::get<Ready>(events_.back()).leadership.epoch, LeaderEpoch{2});
}

TEST_F(ControllerTest, RefusesAnotherDirectory) {
  start_well();
  cluster_id_ = "river";
  EXPECT_NE(start_badly().message.find("cluster_id 'bridge'"), std::string::npos);
  cluster_id_ = "bridge";
  node_id_ = NodeId{2};
  EXPECT_NE(start_badly().message.find("node_id '1'"), std::string::npos);
  node_id_ = NodeId{1};
  EXPECT_EQ(start_well(), LeaderEpoch{2});
}

TEST_F(ControllerTest, RefusesAClusterIdThatCannotBeStored) {
  for (const std::string& bad : {std::string(), std::string(256, 'x'), std::string("a b")}) {
    cluster_id_ = bad;
    EXPECT_NE(start_badly().message.find("cluster_id"), std::string::npos);
  }
  cluster_id_ = std::string(255, 'x');
  EXPECT_EQ(start_well(), LeaderEpoch{1});
}

TEST_F(ControllerTest, NeverReadsAMissingFileAsEmpty) {
  start_well();
  const auto files = disk_.files;
  disk_.files.erase(std::string(kJournalPath));
  EXPECT_NE(start_badly().message.find("control/journal is missing"), std::string::npos);
  disk_.files = files;
  disk_.files.erase(std::string(kIdentityPath));
  EXPECT_NE(start_badly().message.find("identity is missing"), std::string::npos);
  disk_.files.clear();
  disk_.folders = {"lost+found", "partitions"};
  EXPECT_NE(start_badly().message.find("there is a folder partitions"), std::string::npos);
  disk_.folders = {"lost+found"};
  EXPECT_EQ(start_well(), LeaderEpoch{1});
}

TEST_F(ControllerTest, RefusesADamagedJournal) {
  start_well();
  disk_.files[std::string(kJournalPath)][40] ^= 1;
  EXPECT_EQ(start_badly().kind, ErrorKind::kCorrupt);
  disk_.files[std::string(kJournalPath)] = "";
  EXPECT_EQ(start_badly().kind, ErrorKind::kCorrupt);
}

TEST_F(ControllerTest, CutsATornEndAndSaysSo) {
  start_well();
  disk_.files[std::string(kJournalPath)] += "MJR";
  EXPECT_EQ(start_well(), LeaderEpoch{2});
  ASSERT_EQ(disk_.log.size(), 1u);
  EXPECT_EQ(disk_.log.back().code, "control.journal_torn");
  EXPECT_NE(disk_.log.back().text.find("the last 3 bytes"), std::string::npos);
}

TEST_F(ControllerTest, FinishesAStartThatWasInterrupted) {
  // The journal was created, the identity was not.
  disk_.files[std::string(kJournalPath)] = encode_journal_header("bridge").text();
  start();
  EXPECT_TRUE(std::get<Ready>(events_.back()).created);
}

}  // namespace
}  // namespace magpie::control
