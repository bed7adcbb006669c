// Who may take over without loss and lacks something must be noticed, and nobody else.
#include "sim/promotable_watch.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>

#include "control/decide_groups.h"
#include "control/decide_topic.h"
#include "control/policy.h"
#include "record/builder.h"

namespace magpie::sim {
namespace {

constexpr const char* kLog = "topics/plain-0-0/00000000000000000000.log";

class PromotableWatchTest : public testing::Test {
 protected:
  PromotableWatchTest() {
    cluster_.store().start();
    for (int32_t id = 1; id <= 3; ++id) {
      logs_.watch(NodeId{id}, *cluster_.region(static_cast<size_t>(id - 1)).disk);
      control::Node node{
          NodeId{id}, "r" + std::to_string(id), member(id).incarnation, {"host", 1}, {}, "0.1"};
      commit([&](const control::State& state) {
        return control::decide_register_node(state, node, control::RegionRole::kData);
      });
    }
    control::CreateTopic topic;
    topic.name = "plain-0";
    topic.partitions = 1;
    commit([&](const control::State& state) {
      return control::decide_create_topic(state, control::Policy{{NodeId{1}}}, topic, random_);
    });
  }
  template <typename Decide>
  void commit(const Decide& decide) {
    const auto refused = cluster_.store().commit(Cluster::kId, [&](const control::State& state) {
      auto decided = decide(state);
      using Made = tl::expected<control::Transaction, control::Refusal>;
      return decided ? Made(std::move(decided->transaction))
                     : Made(tl::unexpected<control::Refusal>(decided.error()));
    });
    ASSERT_FALSE(refused) << refused->message;
  }
  static control::Member member(int32_t id) {
    control::Member member{NodeId{id}, {}};
    member.incarnation.bytes.fill(static_cast<uint8_t>(id));
    return member;
  }
  static control::Leadership led_by(int32_t leader, control::Members promotable) {
    control::Leadership term;
    term.epoch = LeaderEpoch{7};
    term.leader = member(leader);
    term.promotable = std::move(promotable);
    return term;
  }
  static Buffer batch(const std::string& value, int32_t epoch) {
    record::BatchBuilder builder;
    builder.add({.timestamp = 1, .key = "k", .value = value});
    Buffer bytes = builder.build();
    record::stamp(bytes.mutable_bytes(), Offset{0}, LeaderEpoch{epoch});
    return bytes;
  }
  // The record becomes safe on the disk of that node, as the first of its log.
  void write(int32_t id, const std::string& value, int32_t epoch = 7) {
    const auto file = std::make_shared<const port::FileName>(port::FileName{port::FileId{1}, kLog});
    cluster_.region(static_cast<size_t>(id - 1))
        .disk->submit(port::WriteFile{file, 0, {batch(value, epoch)}, true, {1, 0, 0}});
    const Instant end = scene_.now() + Duration::seconds(1);
    scene_.queue.at(end, [] {});
    while (scene_.now() < end) ASSERT_TRUE(scene_.queue.run_one());
  }
  // A client hears that the record is stored at offset 0.
  void acknowledge(const std::string& value, const control::Leadership& term) {
    const uint32_t crc = record::parse_header(batch(value, 7).bytes()).crc;
    Ledger& ledger = topics_.ledger("plain-0", 0);
    ledger.sent({1, 0});
    ledger.acknowledged(0, {1, 0}, true, crc);
    watch_.acknowledged("plain-0", 0, {0, crc}, term);
  }
  std::string broken() const { return scene_.violation ? scene_.violation->guarantee : ""; }

  Scene scene_{3};
  Random random_{1};
  RegionKnobs knobs_;
  Topics topics_{scene_, knobs_.common};
  Cluster cluster_{scene_, knobs_};
  LogWatch logs_{scene_};
  std::set<Uuid> lost_;
  PromotableWatch watch_{scene_, cluster_, topics_, logs_,
                         [this](const Uuid& incarnation) { return lost_.contains(incarnation); }};
};

TEST_F(PromotableWatchTest, WhoHoldsItMayTakeOver) {
  write(1, "one");
  write(2, "one");
  acknowledge("one", led_by(1, {member(1), member(2)}));
  watch_.changed("default", led_by(2, {member(1), member(2)}));
  EXPECT_EQ(broken(), "");
}

TEST_F(PromotableWatchTest, WhoLacksItMayNot) {
  write(1, "one");
  acknowledge("one", led_by(1, {member(1), member(2)}));
  EXPECT_EQ(broken(), "G1");
}

TEST_F(PromotableWatchTest, WhoHoldsAnotherRecordInItsPlaceMayNot) {
  write(1, "one");
  write(2, "another", 6);
  acknowledge("one", led_by(1, {member(1), member(2)}));
  EXPECT_EQ(broken(), "G1");
}

TEST_F(PromotableWatchTest, NobodyWhoLacksItIsCalledPromotableLater) {
  write(1, "one");
  write(2, "another", 6);
  acknowledge("one", led_by(1, {member(1)}));
  EXPECT_EQ(broken(), "");
  watch_.changed("system", led_by(1, {member(1), member(2)}));
  EXPECT_EQ(broken(), "") << "another group";
  watch_.changed("default", led_by(1, {member(1), member(2)}));
  EXPECT_EQ(broken(), "G1");
}

TEST_F(PromotableWatchTest, ALeaderHoldsItToo) {
  write(1, "one");
  acknowledge("one", led_by(1, {member(1)}));
  watch_.changed("default", led_by(3, {member(1)}));
  EXPECT_EQ(broken(), "G1");
}

TEST_F(PromotableWatchTest, WhoIsGoneTakesNothingOver) {
  write(1, "one");
  control::Member before = member(2);
  before.incarnation.bytes.fill(9);
  lost_.insert(member(3).incarnation);
  acknowledge("one", led_by(1, {member(1), before, member(3)}));
  watch_.changed("default", led_by(1, {member(1), before, member(3)}));
  EXPECT_EQ(broken(), "");
}

}  // namespace
}  // namespace magpie::sim
