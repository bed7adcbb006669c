#include "control/group_values.h"

#include <gtest/gtest.h>

#include "control/region_values.h"
#include "control/test_support.h"

namespace magpie::control {
namespace {

Member member(int32_t node) {
  Member member{NodeId{node}, {}};
  member.incarnation.bytes.fill(0x11);
  return member;
}

// The examples in docs/formats/control-store.md.
TEST(GroupValues, AreAsDocumented) {
  FailoverGroup group = *preset("critical");
  group.name = "pay";
  group.regions = {"bj", "sh", "gz"};
  EXPECT_EQ(encode_group(group),
            R"({"below_min":"block","consistency":"strong","copies":1,"failover":"manual","min":1,)"
            R"("mode":"standby","priority":10,"regions":["bj","sh","gz"],"timeout_ms":10000,"v":1,)"
            R"("view":"leader"})");
  Leadership leadership;
  leadership.epoch = LeaderEpoch{7};
  leadership.leader = member(1);
  leadership.open = true;
  leadership.sync = {member(2)};
  leadership.promotable = {member(1), member(2)};
  leadership.state = ReplicationState::kSync;
  leadership.state_since = WallTime{1'000};
  EXPECT_EQ(encode_leadership(leadership),
            R"({"epoch":7,"leader":{"incarnation":"EREREREREREREREREREREQ","node":1},"open":true,)"
            R"("opened_with":"lossless","promotable":[{"incarnation":"EREREREREREREREREREREQ",)"
            R"("node":1},{"incarnation":"EREREREREREREREREREREQ","node":2}],"state":"sync",)"
            R"("state_since":1000,"sync":[{"incarnation":"EREREREREREREREREREREQ","node":2}],)"
            R"("v":1})");
  EXPECT_EQ(encode_region({"bj", RegionRole::kData}), R"({"role":"data","v":1})");
  EXPECT_EQ(encode_alive(member(1).incarnation),
            R"({"incarnation":"EREREREREREREREREREREQ","v":1})");
  EXPECT_EQ(encode_ceilings({{Offset{10}, Offset{20}}, {}}), R"({"offsets":[10,20],"v":1})");
  Node node{NodeId{1}, "bj", member(1).incarnation, {"a", 2}, {{"outside", {"b", 3}}}, "0.1"};
  EXPECT_EQ(encode_node(node),
            R"({"build":"0.1","incarnation":"EREREREREREREREREREREQ","link":{"host":"a","port":2},)"
            R"("listeners":[{"host":"b","name":"outside","port":3}],"region":"bj","v":1})");
}

TEST(GroupValues, ComeBackAsTheyWere) {
  FailoverGroup group = *preset("bulk");
  group.name = "logs";
  group.copies = 0;
  group.max_lag_time = Duration::seconds(5);
  group.max_lag_records = 100;
  group.after_failover = TooFewCopies::kDegrade;
  EXPECT_EQ(*decode_group("k", "logs", encode_group(group)), group);
  group.copies = kAllCopies;
  EXPECT_EQ(*decode_group("k", "logs", encode_group(group)), group);

  Leadership leadership;
  leadership.epoch = LeaderEpoch{INT32_MAX};
  leadership.leader = member(3);
  leadership.open = true;
  leadership.sync = {member(1)};
  leadership.joining = member(2);
  leadership.promotable = {member(1), member(3)};
  leadership.exposed_since = WallTime{5};
  leadership.failed_over = true;
  leadership.opened_with = OpenedWith::kLossy;
  leadership.draining = Draining{"op-1", NodeId{1}, true};
  leadership.lag_limit = LagLimit{Duration::seconds(2), {member(1), member(2)}};
  EXPECT_EQ(*decode_leadership("k", encode_leadership(leadership)), leadership);
  leadership.open = false;
  leadership.lag_limit.reset();
  leadership.sync.clear();
  leadership.joining.reset();
  leadership.open_before = member(2);
  EXPECT_EQ(*decode_leadership("k", encode_leadership(leadership)), leadership);

  Node node{NodeId{1}, "bj", member(1).incarnation, {"a", 2}, {{"outside", {"b", 3}}}, "0.1"};
  EXPECT_EQ(*decode_node("k", NodeId{1}, encode_node(node)), node);
  node.directory = member(2).incarnation;
  node.incarnation.bytes.fill(9);
  EXPECT_EQ(*decode_node("k", NodeId{1}, encode_node(node)), node);
  const Ceilings ceilings = {{Offset{0}, Offset{INT64_MAX}}, {Offset{7}}};
  EXPECT_EQ(*decode_ceilings("k", encode_ceilings(ceilings)), ceilings);
}

// Each of them would break what decisions rely on.
TEST(GroupValues, RefuseLeadershipsThatContradictThemselves) {
  Leadership good = testing::alone(3);
  good.sync = {member(2)};
  good.promotable = with(good.promotable, member(2));
  ASSERT_TRUE(decode_leadership("k", encode_leadership(good)));
  const auto refused = [&](auto change) {
    Leadership bad = good;
    change(bad);
    const auto result = decode_leadership("leadership/a", encode_leadership(bad));
    return !result && result.error().kind == ErrorKind::kCorrupt &&
           result.error().message.find("leadership/a") != std::string::npos;
  };
  EXPECT_TRUE(refused([](Leadership& bad) { bad.promotable.pop_back(); }));
  EXPECT_TRUE(refused([](Leadership& bad) { bad.promotable.clear(); }));
  EXPECT_TRUE(refused([](Leadership& bad) { bad.open = false; }));
  EXPECT_TRUE(refused([](Leadership& bad) { bad.sync = {bad.leader}; }));
  EXPECT_TRUE(refused([](Leadership& bad) { bad.joining = bad.leader; }));
  EXPECT_TRUE(refused([](Leadership& bad) { bad.joining = member(2); }));
  EXPECT_TRUE(refused([](Leadership& bad) { bad.sync = {member(2), member(2)}; }));
  EXPECT_TRUE(refused([](Leadership& bad) {
    bad.open = false;
    bad.sync.clear();
    bad.lag_limit = LagLimit{Duration::seconds(1), {}};
  }));
  EXPECT_TRUE(refused([](Leadership& bad) { bad.lag_limit = LagLimit{Duration{}, {}}; }));
}

TEST(GroupValues, RefuseMalformedTextsAndNewerVersions) {
  for (const char* bad : {"{}", R"({"v":1})", R"({"v":1,"role":"both"})"}) {
    EXPECT_FALSE(decode_region("regions/a", "a", bad)) << bad;
    EXPECT_FALSE(decode_node("nodes/1", NodeId{1}, bad)) << bad;
    EXPECT_FALSE(decode_alive("alive/1", bad)) << bad;
    EXPECT_FALSE(decode_group("failover_groups/a", "a", bad)) << bad;
    EXPECT_FALSE(decode_leadership("leadership/a", bad)) << bad;
    EXPECT_FALSE(decode_ceilings("ceilings/a/b", bad)) << bad;
  }
  EXPECT_FALSE(decode_region("regions/a b", "a b", R"({"v":1,"role":"data"})"));
  const auto newer = decode_region("regions/a", "a", R"({"v":2,"role":"data"})");
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().kind, ErrorKind::kUnsupported);
}

}  // namespace
}  // namespace magpie::control
