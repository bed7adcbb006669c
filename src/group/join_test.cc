#include "group/join.h"

#include <gtest/gtest.h>

#include "group/test_bench.h"

namespace magpie::group {
namespace {

GroupError join_error(TestBench& bench, JoinGroup request) {
  return bench.ask<JoinGroupReply>(std::move(request)).error;
}

TEST(Join, AnEmptyGroupIdIsInvalid) {
  TestBench bench;
  EXPECT_EQ(join_error(bench, joining("", "a")), GroupError::kInvalidGroupId);
}

TEST(Join, SessionTimeoutMustLieBetweenTheBrokersLimits) {
  TestBench bench;
  JoinGroup request = joining("g", "a");
  request.requires_member_id = true;
  request.session_timeout_ms = 5'999;
  EXPECT_EQ(join_error(bench, request), GroupError::kInvalidSessionTimeout);
  request.session_timeout_ms = 1'800'001;
  EXPECT_EQ(join_error(bench, request), GroupError::kInvalidSessionTimeout);
  request.session_timeout_ms = 6'000;
  EXPECT_EQ(join_error(bench, request), GroupError::kMemberIdRequired);
  request.session_timeout_ms = 1'800'000;
  EXPECT_EQ(join_error(bench, request), GroupError::kMemberIdRequired);
}

TEST(Join, ANameThatFitsNoRecordIsRefused) {
  TestBench bench;
  JoinGroup request = joining(std::string(32'768, 'g'), "a");
  EXPECT_EQ(join_error(bench, request), GroupError::kInvalidRequest);
  request = joining("g", "a");
  request.instance_id = std::string(32'768, 'i');
  EXPECT_EQ(join_error(bench, request), GroupError::kInvalidRequest);
}

TEST(Join, ALongClientIdIsCutInTheMemberIdBetweenCharacters) {
  TestBench bench;
  JoinGroup request = joining("g", "x");
  request.client_id += std::string(200, 'y');
  for (int i = 0; i < 100; ++i) request.client_id += "\xC3\xA4";
  request.requires_member_id = true;
  const auto reply = bench.ask<JoinGroupReply>(request);
  const std::string prefix = reply.member_id.substr(0, reply.member_id.size() - 23);
  EXPECT_EQ(prefix.size(), 255u);
  EXPECT_EQ(prefix.back(), '\xA4');
}

// KIP-394.
TEST(Join, ANewMemberIsSentAwayWithAnIdAndComesBackWithIt) {
  TestBench bench;
  JoinGroup request = joining("g", "a");
  request.requires_member_id = true;
  const auto first = bench.ask<JoinGroupReply>(request);
  EXPECT_EQ(first.error, GroupError::kMemberIdRequired);
  EXPECT_EQ(first.member_id.substr(0, 2), "a-");
  EXPECT_EQ(first.generation, -1);

  request.member_id = first.member_id;
  const ReplyToken second = bench.send(request);
  EXPECT_FALSE(bench.is_answered(second));
  bench.advance(Duration::milliseconds(3'000));
  const auto& joined = bench.reply<JoinGroupReply>(second);
  EXPECT_EQ(joined.error, GroupError::kNone);
  EXPECT_EQ(joined.member_id, first.member_id);
  EXPECT_EQ(joined.leader, first.member_id);
  EXPECT_EQ(joined.generation, 1);
}

TEST(Join, AMemberIdThatWasGivenOutIsForgottenAfterTheSessionTimeout) {
  TestBench bench;
  JoinGroup request = joining("g", "a");
  request.requires_member_id = true;
  request.member_id = bench.ask<JoinGroupReply>(request).member_id;
  EXPECT_EQ(state_of(bench, "g"), "Empty");
  bench.advance(Duration::milliseconds(10'000));
  EXPECT_EQ(state_of(bench, "g"), "Dead");
  EXPECT_EQ(join_error(bench, request), GroupError::kUnknownMemberId);
}

TEST(Join, BeforeVersion4AMemberIsAddedAtOnce) {
  TestBench bench;
  const ReplyToken token = bench.send(joining("g", "a"));
  bench.advance(Duration::milliseconds(3'000));
  EXPECT_EQ(bench.reply<JoinGroupReply>(token).error, GroupError::kNone);
}

TEST(Join, AnUnknownMemberIdIsRefusedAndCreatesNoGroup) {
  TestBench bench;
  EXPECT_EQ(join_error(bench, joining("g", "a", "a-gone")), GroupError::kUnknownMemberId);
  EXPECT_EQ(state_of(bench, "g"), "Dead");
  form_group(bench, "g", {"a"});
  EXPECT_EQ(join_error(bench, joining("g", "a", "a-gone")), GroupError::kUnknownMemberId);
}

TEST(Join, AllMembersShareTypeAndOneProtocol) {
  TestBench bench;
  form_group(bench, "g", {"a"});
  JoinGroup other_type = joining("g", "b");
  other_type.protocol_type = "connect";
  EXPECT_EQ(join_error(bench, other_type), GroupError::kInconsistentGroupProtocol);
  JoinGroup other_protocol = joining("g", "b");
  other_protocol.protocols = {{"sticky", bytes("")}};
  EXPECT_EQ(join_error(bench, other_protocol), GroupError::kInconsistentGroupProtocol);
}

TEST(Join, AGroupNeedsATypeAndAProtocol) {
  TestBench bench;
  JoinGroup no_type = joining("g", "a");
  no_type.protocol_type = "";
  EXPECT_EQ(join_error(bench, no_type), GroupError::kInconsistentGroupProtocol);
  JoinGroup no_protocols = joining("g", "a");
  no_protocols.protocols.clear();
  EXPECT_EQ(join_error(bench, no_protocols), GroupError::kInconsistentGroupProtocol);
  EXPECT_EQ(state_of(bench, "g"), "Dead");
}

TEST(Join, TheProtocolWithMostVotesAmongTheCommonOnesWins) {
  TestBench bench;
  const auto with = [](const std::string& client, std::vector<std::string> names) {
    JoinGroup request = joining("g", client);
    request.protocols.clear();
    for (const std::string& name : names) request.protocols.push_back({name, bytes(client + name)});
    return request;
  };
  const ReplyToken a = bench.send(with("a", {"alone", "range", "sticky"}));
  bench.send(with("b", {"sticky", "range"}));
  bench.send(with("c", {"sticky", "range"}));
  bench.advance(Duration::milliseconds(6'000));
  const auto& joined = bench.reply<JoinGroupReply>(a);
  EXPECT_EQ(joined.protocol_name, "sticky");
  ASSERT_EQ(joined.members.size(), 3u);
  for (const JoinedMember& member : joined.members) {
    EXPECT_EQ(member.metadata.text(), member.member_id.substr(0, 1) + "sticky");
  }
}

TEST(Join, OnlyTheLeaderLearnsAboutTheOthers) {
  TestBench bench;
  const ReplyToken a = bench.send(joining("g", "a"));
  const ReplyToken b = bench.send(joining("g", "b"));
  bench.advance(Duration::milliseconds(6'000));
  const auto& leader = bench.reply<JoinGroupReply>(a);
  const auto& follower = bench.reply<JoinGroupReply>(b);
  EXPECT_EQ(leader.leader, leader.member_id);
  EXPECT_EQ(follower.leader, leader.member_id);
  EXPECT_EQ(leader.members.size(), 2u);
  EXPECT_TRUE(follower.members.empty());
  EXPECT_EQ(follower.protocol_type, "consumer");
}

TEST(Join, AFollowerThatRejoinsAStableGroupUnchangedIsAnsweredAtOnce) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a", "b"});
  const auto reply = bench.ask<JoinGroupReply>(joining("g", "b", group.members[1]));
  EXPECT_EQ(reply.error, GroupError::kNone);
  EXPECT_EQ(reply.generation, group.generation);
  EXPECT_EQ(state_of(bench, "g"), "Stable");
}

TEST(Join, AFollowerThatChangedWhatItSupportsBeginsARebalance) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a", "b"});
  JoinGroup changed = joining("g", "b", group.members[1]);
  changed.protocols = {{"range", subscription({"orders", "returns"})}};
  EXPECT_FALSE(bench.is_answered(bench.send(changed)));
  EXPECT_EQ(state_of(bench, "g"), "PreparingRebalance");
}

TEST(Join, ALeaderThatRejoinsBeginsARebalance) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a", "b"});
  const ReplyToken a = bench.send(joining("g", "a", group.members[0]));
  EXPECT_FALSE(bench.is_answered(a));
  EXPECT_EQ(bench.ask<HeartbeatReply>(beating("g", group.members[1], group.generation)).error,
            GroupError::kRebalanceInProgress);
  const ReplyToken b = bench.send(joining("g", "b", group.members[1]));
  EXPECT_EQ(bench.reply<JoinGroupReply>(a).generation, group.generation + 1);
  EXPECT_EQ(bench.reply<JoinGroupReply>(b).generation, group.generation + 1);
}

TEST(Join, AMemberThatLostTheAnswerGetsItAgainBeforeTheSync) {
  TestBench bench;
  const ReplyToken first = bench.send(joining("g", "a"));
  bench.advance(Duration::milliseconds(3'000));
  const std::string id = bench.reply<JoinGroupReply>(first).member_id;
  const auto again = bench.ask<JoinGroupReply>(joining("g", "a", id));
  EXPECT_EQ(again.generation, 1);
  EXPECT_EQ(again.members.size(), 1u);
  EXPECT_EQ(state_of(bench, "g"), "CompletingRebalance");
}

TEST(Join, ARepeatedJoinAnswersTheOneItReplaces) {
  TestBench bench;
  const FormedGroup group = form_group(bench, "g", {"a", "b"});
  const ReplyToken first = bench.send(joining("g", "a", group.members[0]));
  const ReplyToken second = bench.send(joining("g", "a", group.members[0]));
  EXPECT_EQ(bench.reply<JoinGroupReply>(first).error, GroupError::kRebalanceInProgress);
  EXPECT_FALSE(bench.is_answered(second));
}

TEST(Join, AFullGroupTakesNoMoreMembers) {
  GroupConfig config;
  config.limits.members_per_group = 2;
  TestBench bench(config);
  const FormedGroup group = form_group(bench, "g", {"a", "b"});
  EXPECT_EQ(join_error(bench, joining("g", "c")), GroupError::kGroupMaxSizeReached);
  EXPECT_EQ(join_error(bench, joining("g", "b", group.members[1])), GroupError::kNone);
}

TEST(Join, AFullGroupThatRebalancesTakesThoseWhoComeFirst) {
  GroupConfig config;
  config.limits.members_per_group = 2;
  TestBench bench(config);
  const FormedGroup group = form_group(bench, "g", {"a", "b"});
  const ReplyToken a = bench.send(joining("g", "a", group.members[0]));
  const ReplyToken c = bench.send(joining("g", "c"));
  EXPECT_FALSE(bench.is_answered(c));
  EXPECT_EQ(join_error(bench, joining("g", "b", group.members[1])),
            GroupError::kGroupMaxSizeReached);
  EXPECT_EQ(bench.reply<JoinGroupReply>(a).error, GroupError::kNone);
  EXPECT_EQ(bench.reply<JoinGroupReply>(c).error, GroupError::kNone);
}

TEST(Join, IdsThatAreGivenOutAreLimitedToo) {
  GroupConfig config;
  config.limits.members_per_group = 2;
  TestBench bench(config);
  JoinGroup request = joining("g", "a");
  request.requires_member_id = true;
  EXPECT_EQ(join_error(bench, request), GroupError::kMemberIdRequired);
  EXPECT_EQ(join_error(bench, request), GroupError::kMemberIdRequired);
  EXPECT_EQ(join_error(bench, request), GroupError::kGroupMaxSizeReached);
}

TEST(Join, TheNumberOfGroupsIsLimited) {
  GroupConfig config;
  config.limits.groups = 1;
  TestBench bench(config);
  form_group(bench, "g", {"a"});
  EXPECT_EQ(join_error(bench, joining("h", "a")), GroupError::kGroupMaxSizeReached);
  EXPECT_EQ(state_of(bench, "h"), "Dead");
}

}  // namespace
}  // namespace magpie::group
