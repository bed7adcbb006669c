#include "group/group_coordinator.h"

#include <gtest/gtest.h>

#include "group/test_bench.h"

namespace magpie::group {
namespace {

const TopicPartition kOrders0{"orders", 0};

TEST(Coordinator, WhileLoadingEveryRequestIsAnsweredNotCoordinator) {
  GroupCoordinator coordinator({}, 1);
  const Now now{};
  Output out;
  const auto ask = [&](Event event) {
    out = {};
    coordinator.step(now, event, out);
    CHECK(out.replies.size() == 1 && out.appends.empty());
    return out.replies[0].body;
  };
  const GroupError expected = GroupError::kNotCoordinator;
  EXPECT_EQ(std::get<JoinGroupReply>(ask(joining("g", "a", "a-1"))).error, expected);
  EXPECT_EQ(std::get<JoinGroupReply>(out.replies[0].body).member_id, "a-1");
  EXPECT_EQ(std::get<SyncGroupReply>(ask(syncing("g", "a-1", 1))).error, expected);
  EXPECT_EQ(std::get<HeartbeatReply>(ask(beating("g", "a-1", 1))).error, expected);
  EXPECT_EQ(std::get<LeaveGroupReply>(ask(leaving("g", "a-1"))).error, expected);
  EXPECT_EQ(
      std::get<OffsetCommitReply>(ask(committing("g", "", -1, kOrders0, 1))).positions.at(0).error,
      expected);
  EXPECT_EQ(std::get<OffsetDeleteReply>(ask(OffsetDelete{{}, "g", {kOrders0}})).error, expected);
  EXPECT_EQ(std::get<DeleteGroupsReply>(ask(DeleteGroups{{}, {"g"}})).groups.at(0).error, expected);
  EXPECT_EQ(coordinator.fetch_positions({"g", std::nullopt, false}).error, expected);
  EXPECT_EQ(coordinator.list({}).error, expected);
  EXPECT_EQ(coordinator.describe("g").error, expected);
  EXPECT_EQ(coordinator.next_deadline(), Instant::never());
}

TEST(Coordinator, ARestartKeepsPositionsGenerationMembersAndAssignments) {
  TestBench bench;
  const FormedGroup group =
      form_group_of(bench, "g", {joining("g", "a"), joining_static("g", "i")});
  bench.send(committing("g", group.members[0], 1, kOrders0, 42));
  const DurableGroups before = bench.coordinator->durable();
  bench.restart();
  EXPECT_EQ(bench.coordinator->durable(), before);
  EXPECT_EQ(state_of(bench, "g"), "Stable");
  for (const std::string& member : group.members) {
    EXPECT_EQ(bench.ask<HeartbeatReply>(beating("g", member, 1)).error, GroupError::kNone);
    EXPECT_EQ(bench.ask<SyncGroupReply>(syncing("g", member, 1)).assignment.text(),
              "for " + member);
  }
  EXPECT_EQ(position(bench, "g", kOrders0), 42);
  const GroupDescription description = bench.coordinator->describe("g");
  EXPECT_EQ(description.leader, group.members[0]);
  EXPECT_EQ(description.protocol_name, "range");
  EXPECT_EQ(description.members.at(1).instance_id, "i");
}

TEST(Coordinator, AfterARestartSessionsBeginAnew) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a"});
  bench.advance(Duration::milliseconds(9'000));
  bench.restart();
  bench.advance(Duration::milliseconds(9'999));
  EXPECT_EQ(state_of(bench, "g"), "Stable");
  bench.advance(Duration::milliseconds(1));
  EXPECT_EQ(state_of(bench, "g"), "Empty");
}

TEST(Coordinator, AfterARestartAMemberCanRejoinUnderItsId) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a", "b"});
  bench.restart();
  const ReplyToken a = bench.send(joining("g", "a", group.members[0]));
  bench.send(joining("g", "b", group.members[1]));
  EXPECT_EQ(bench.reply<JoinGroupReply>(a).generation, group.generation + 1);
}

TEST(Coordinator, AGroupLoadedOverALowerLimitRebalancesIntoIt) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a", "b"});
  bench.config.limits.members_per_group = 1;
  bench.restart();
  EXPECT_EQ(state_of(bench, "g"), "PreparingRebalance");
  const ReplyToken b = bench.send(joining("g", "b", group.members[1]));
  EXPECT_EQ(bench.ask<JoinGroupReply>(joining("g", "a", group.members[0])).error,
            GroupError::kGroupMaxSizeReached);
  EXPECT_EQ(bench.reply<JoinGroupReply>(b).error, GroupError::kNone);
}

TEST(Coordinator, DamagedRecordsStopTheLoading) {
  GroupCoordinator coordinator({}, 1);
  const Status status = coordinator.load({Buffer::copy_of("\0\x01junk"), std::nullopt});
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().kind, ErrorKind::kCorrupt);
}

TEST(Coordinator, ATopicDeletedWhileLoadingIsRememberedUntilTheEnd) {
  TestBench bench;
  bench.send(committing("g", "", -1, kOrders0, 1));
  bench.send(committing("g", "", -1, {"returns", 0}, 2));
  bench.stop();
  bench.deliver(TopicDeleted{"orders"});
  for (const Record& record : bench.log) ASSERT_TRUE(bench.coordinator->load(record));
  bench.finish_loading();
  bench.settle();
  EXPECT_EQ(position(bench, "g", kOrders0), -1);
  EXPECT_EQ(position(bench, "g", {"returns", 0}), 2);
}

TEST(Coordinator, StopAnswersWhateverWaits) {
  TestBench bench;
  const FormedGroup two = form_group_of(
      bench, "static", {joining_static("static", "i1"), joining_static("static", "i2")});
  bench.send(committing("idle", "", -1, kOrders0, 1));
  const ReplyToken first = bench.send(joining("syncing", "a"));
  const ReplyToken second = bench.send(joining("syncing", "b"));
  bench.advance(Duration::milliseconds(6'000));
  bench.holds_appends = true;
  const std::string leader = bench.reply<JoinGroupReply>(first).member_id;
  const std::string follower = bench.reply<JoinGroupReply>(second).member_id;

  std::vector<ReplyToken> joins = {bench.send(joining("joining", "a")),
                                   bench.send(joining_static("static", "i1")),
                                   bench.send(joining_static("static", "i2"))};
  std::vector<ReplyToken> syncs = {bench.send(syncing("syncing", leader, 1)),
                                   bench.send(syncing("syncing", follower, 1))};
  const ReplyToken commit = bench.send(committing("other", "", -1, kOrders0, 2));
  const ReplyToken removal = bench.send(DeleteGroups{{}, {"idle", "unknown"}});
  bench.stop();
  for (const ReplyToken token : joins) {
    EXPECT_EQ(bench.reply<JoinGroupReply>(token).error, GroupError::kNotCoordinator);
  }
  for (const ReplyToken token : syncs) {
    EXPECT_EQ(bench.reply<SyncGroupReply>(token).error, GroupError::kNotCoordinator);
  }
  EXPECT_EQ(bench.reply<OffsetCommitReply>(commit).positions.at(0).error,
            GroupError::kNotCoordinator);
  EXPECT_EQ(bench.reply<DeleteGroupsReply>(removal).groups.at(0).error,
            GroupError::kNotCoordinator);
  EXPECT_EQ(bench.reply<DeleteGroupsReply>(removal).groups.at(1).error,
            GroupError::kGroupIdNotFound);
  bench.settle();  // outcomes that come too late are ignored
  EXPECT_FALSE(bench.coordinator->is_serving());
}

TEST(Coordinator, ListsGroupsByIdAndFiltersByState) {
  TestBench bench;
  form_group(bench, "b", {"a"});
  bench.send(committing("a", "", -1, kOrders0, 1));
  const auto ids = [&](const std::vector<std::string>& states) {
    std::string all;
    for (const ListedGroup& group : bench.coordinator->list(states).groups) {
      all += group.group_id + ":" + group.protocol_type + ":" + group.state + " ";
    }
    return all;
  };
  EXPECT_EQ(ids({}), "a::Empty b:consumer:Stable ");
  EXPECT_EQ(ids({"stable"}), "b:consumer:Stable ");
  EXPECT_EQ(ids({"Empty", "Dead"}), "a::Empty ");
  EXPECT_EQ(ids({"PreparingRebalance"}), "");
}

TEST(Coordinator, DescribesMembersAndTheirBytesWhileStable) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a"});
  GroupDescription description = bench.coordinator->describe("g");
  EXPECT_EQ(description.state, "Stable");
  EXPECT_EQ(description.protocol_type, "consumer");
  EXPECT_EQ(description.protocol_name, "range");
  ASSERT_EQ(description.members.size(), 1u);
  EXPECT_EQ(description.members[0].client_id, "a");
  EXPECT_EQ(description.members[0].client_host, "/127.0.0.1");
  EXPECT_EQ(description.members[0].metadata.text(), subscription({"orders"}).text());
  EXPECT_EQ(description.members[0].assignment.text(), "for " + group.members[0]);
  bench.send(joining("g", "b"));
  description = bench.coordinator->describe("g");
  EXPECT_EQ(description.state, "PreparingRebalance");
  EXPECT_EQ(description.protocol_name, "");
  EXPECT_TRUE(description.members[0].metadata.empty());
  EXPECT_EQ(bench.coordinator->describe("unknown").state, "Dead");
  EXPECT_EQ(bench.coordinator->describe("unknown").error, GroupError::kNone);
}

TEST(Coordinator, TheSameSeedMakesTheSameIds) {
  const auto first_id = [](uint64_t seed) {
    TestBench bench({}, seed);
    JoinGroup request = joining("g", "a");
    request.requires_member_id = true;
    return bench.ask<JoinGroupReply>(request).member_id;
  };
  EXPECT_EQ(first_id(1), first_id(1));
  EXPECT_NE(first_id(1), first_id(2));
}

}  // namespace
}  // namespace magpie::group
