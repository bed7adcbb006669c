// A disk that refuses for a while: the node starts, waits and recovers without a restart.
#include <gtest/gtest.h>

#include <string>

#include "sim/disk.h"
#include "sim/host.h"
#include "sim/network.h"
#include "sim/setup.h"
#include "sim/topics.h"

namespace magpie::sim {
namespace {

const Error kBroken{ErrorKind::kIo, "input/output error"};
const Error kFull{ErrorKind::kNoSpace, "no space left on device"};

class RecoveryTest : public testing::Test {
 protected:
  static Knobs two_partitions() {
    Knobs knobs;
    knobs.partitions = 2;
    return knobs;
  }
  void run(int64_t milliseconds) {
    const Instant end = scene_.now() + Duration::milliseconds(milliseconds);
    scene_.queue.at(end, [] {});
    while (scene_.now() < end) ASSERT_TRUE(scene_.queue.run_one());
    ASSERT_FALSE(scene_.violation) << scene_.violation->text;
  }
  // How often the node logged this line so far.
  uint64_t said(const std::string& code) { return scene_.probes["log." + code]; }
  void create_topics() {
    setup_.start();
    run(2'000);
  }
  // Whether /readyz says 200, and whether what it says names this.
  bool is_ready() { return host_.ask("/readyz").status == 200; }
  bool names(const std::string& what) {
    return host_.ask("/readyz").body.find(what) != std::string::npos;
  }
  void restart() {
    host_.request_stop();
    run(1'000);
    ASSERT_FALSE(host_.is_up());
    host_.boot();
  }

  Scene scene_{5};
  Knobs knobs_ = two_partitions();
  Topics topics_{scene_, knobs_};
  Disk disk_{scene_, knobs_};
  Network network_{scene_, knobs_};
  const Place here_ = network_.paths().add_place("here");
  const HostSettings settings_ = host_settings(knobs_, here_);
  Host host_{scene_, settings_, disk_, network_, nullptr};
  const Bootstrap bootstrap_ = bootstrap_of(settings_);
  sim::Setup setup_{{scene_, knobs_, network_, topics_, bootstrap_, here_, &host_}};
};

TEST_F(RecoveryTest, AFullDiskDelaysTheFirstStart) {
  disk_.set_write_error(kFull);
  host_.boot();
  run(12'000);
  EXPECT_TRUE(host_.is_up());
  EXPECT_EQ(said("control.start_delayed"), 1u) << "once, not with every try";
  EXPECT_TRUE(!is_ready() && names("no space left"));
  EXPECT_EQ(said("serving"), 0u);
  disk_.set_write_error(std::nullopt);
  run(6'000);
  EXPECT_EQ(said("serving"), 1u);
}

TEST_F(RecoveryTest, AnUnreadableStateDelaysALaterStart) {
  host_.boot();
  create_topics();
  disk_.set_failing_part("control/");
  disk_.set_read_error(kBroken);
  restart();
  run(6'000);
  EXPECT_EQ(said("control.start_delayed"), 1u);
  EXPECT_EQ(said("serving"), 1u);
  disk_.set_read_error(std::nullopt);
  run(6'000);
  EXPECT_EQ(said("serving"), 2u);
}

TEST_F(RecoveryTest, AStopBeforeEverythingIsOpenIsNoCleanStop) {
  host_.boot();
  create_topics();
  host_.crash(Crash::kPower);
  disk_.set_read_error(kBroken);
  host_.boot();
  run(1'000);
  host_.request_stop();
  run(1'000);
  ASSERT_FALSE(host_.is_up());
  EXPECT_FALSE(disk_.files().contains("control/clean-stop"));
  disk_.set_read_error(std::nullopt);
  host_.boot();
  run(2'000);
  EXPECT_EQ(said("serving"), 2u);
  host_.request_stop();
  run(1'000);
  EXPECT_TRUE(disk_.files().contains("control/clean-stop"));
}

TEST_F(RecoveryTest, AJournalThatCannotTakeTheInternalTopicDelaysTheStart) {
  host_.boot();
  while (said("state_read") == 0) ASSERT_TRUE(scene_.queue.run_one());
  disk_.set_write_error(kFull);
  run(4'000);
  EXPECT_TRUE(host_.is_up());
  EXPECT_EQ(said("serving"), 0u);
  disk_.set_write_error(std::nullopt);
  run(6'000);
  EXPECT_EQ(said("serving"), 1u);
}

TEST_F(RecoveryTest, APartitionIsOpenedOnceItCanBeRead) {
  host_.boot();
  create_topics();
  disk_.set_failing_part("topics/plain-0-1/");
  disk_.set_read_error(kBroken);
  restart();
  run(5'000);
  EXPECT_EQ(said("serving"), 2u) << "the others are served";
  EXPECT_EQ(said("partition_offline"), 1u) << "once, not with every try";
  EXPECT_TRUE(!is_ready() && names("plain-0-1") && !names("plain-0-0"));
  disk_.set_read_error(std::nullopt);
  run(1'500);
  EXPECT_EQ(said("partition_online"), 1u);
  EXPECT_TRUE(is_ready());
}

TEST_F(RecoveryTest, MissingFilesAreNotTriedAgain) {
  host_.boot();
  create_topics();
  host_.crash(Crash::kProcess);
  std::erase_if(disk_.files(),
                [](const auto& entry) { return entry.first.starts_with("topics/plain-0-1/"); });
  scene_.damaged = true;
  host_.boot();
  run(5'000);
  EXPECT_EQ(said("partition_offline"), 1u);
  EXPECT_EQ(said("partition_online"), 0u) << "started empty";
  EXPECT_TRUE(!is_ready() && names("plain-0-1"));
}

TEST_F(RecoveryTest, GroupsAreLoadedOnceTheirTopicCanBeRead) {
  host_.boot();
  create_topics();
  disk_.set_failing_part("topics/__consumer_offsets-0/");
  disk_.set_read_error(kBroken);
  restart();
  run(5'000);
  EXPECT_EQ(said("serving"), 2u);
  EXPECT_EQ(said("groups_delayed"), 1u);
  EXPECT_EQ(said("groups_loaded"), 0u);
  EXPECT_TRUE(!is_ready() && names("consumer groups"));
  disk_.set_read_error(std::nullopt);
  run(3'000);
  EXPECT_EQ(said("groups_loaded"), 1u);
  EXPECT_TRUE(is_ready());
}

// A new topic of which one partition cannot be created is kept from clients until it is, because
// what is not marked as created is emptied by the next start.
TEST_F(RecoveryTest, ANewTopicComesUpOnceAllOfItIsThere) {
  host_.boot();
  run(1'000);
  disk_.set_failing_part("topics/plain-0-1/");
  disk_.set_write_error(kFull);
  create_topics();
  EXPECT_EQ(said("partition_offline"), 1u);
  EXPECT_EQ(said("partition_online"), 0u);
  disk_.set_write_error(std::nullopt);
  run(1'500);
  EXPECT_EQ(said("partition_online"), 1u);
  // It is known now: a missing folder is not made anew.
  host_.crash(Crash::kPower);
  std::erase_if(disk_.files(),
                [](const auto& entry) { return entry.first.starts_with("topics/plain-0-0/"); });
  scene_.damaged = true;
  host_.boot();
  run(3'000);
  EXPECT_EQ(said("partition_offline"), 2u);
}

}  // namespace
}  // namespace magpie::sim
