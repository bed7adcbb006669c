#include "control/exposure.h"

#include <gtest/gtest.h>

#include "control/decide_groups.h"
#include "control/keys.h"
#include "control/promotion.h"
#include "control/region_values.h"
#include "control/replication.h"

namespace magpie::control {
namespace {

// Three regions with a node each; group `logs` wants one copy and goes on without.
class Exposure : public ::testing::Test {
 protected:
  Exposure() {
    for (int32_t id = 1; id <= 3; ++id) commit(decide_register_node(state_, node(id)));
    FailoverGroup group = *preset("standard");
    group.name = "logs";
    group.regions = {"r1", "r2", "r3"};
    commit(decide_create_group(state_, group));
    commit(decide_take_leadership(state_, "logs", member(1), {10}, false));
    commit(decide_open_epoch(state_, term(), {member(2)}, {20}));
  }
  static Node node(int32_t id) {
    Node node{NodeId{id}, "r" + std::to_string(id), {}, {"host", 1}, {}, "0.1"};
    node.incarnation.bytes.fill(1);
    return node;
  }
  static Member member(int32_t id) { return {NodeId{id}, node(id).incarnation}; }
  Term term() const {
    const Leadership& held = state_.leadership("logs");
    return {"logs", held.epoch, held.leader};
  }
  template <typename Answer>
  void commit(const Decided<Answer>& decided) {
    ASSERT_TRUE(decided) << decided.error().message;
    ASSERT_TRUE(state_.allows(decided->transaction));
    const auto applied = state_.apply(state_.revision() + 1, decided->transaction.changes);
    ASSERT_TRUE(applied) << applied.error().message;
  }
  void leave(int32_t id, int64_t at) {
    commit(decide_shrink_sync(state_, term(), member(id), {at}));
  }
  void join(int32_t id, int64_t at) {
    commit(decide_begin_joining(state_, term(), member(id), {at}));
    commit(decide_finish_joining(state_, term(), {at + 10}));
  }
  void count(int64_t episode, int64_t records, bool complete, int64_t at) {
    const Episode& held = episodes().at(episode);
    commit(decide_count_exposure(
        state_, "logs", {episode, held.epoch, held.leader, records, records * 100, complete},
        {at}));
  }
  Episodes episodes() const { return episodes_of(state_, "logs"); }

  State state_;
};

TEST_F(Exposure, AGroupWithEnoughCopiesHasNoHistory) {
  EXPECT_TRUE(episodes().empty()) << "nothing was acknowledged before the epoch was opened";
  commit(decide_promote_without_loss(state_, "logs", NodeId{2}, {30}));
  commit(decide_open_epoch(state_, term(), {member(3)}, {40}));
  EXPECT_TRUE(episodes().empty());
}

TEST_F(Exposure, AnEpisodeHasEveryChangeAndItsCount) {
  leave(2, 100);
  EXPECT_EQ(lasting_episode(state_, "logs", term().epoch), 1);
  EXPECT_FALSE(lasting_episode(state_, "logs", LeaderEpoch{99}));
  count(1, 5, false, 150);
  count(1, 3, false, 160);
  EXPECT_EQ(episodes().at(1).records, 5) << "a count never goes back";
  EXPECT_EQ(episodes().at(1).counted_at, WallTime{150});
  join(3, 200);
  Episode episode = episodes().at(1);
  EXPECT_EQ(episode.epoch, term().epoch);
  EXPECT_EQ(episode.leader, member(1));
  EXPECT_EQ(episode.wanted, 1);
  EXPECT_EQ(episode.fewest, 0);
  EXPECT_EQ(episode.began, WallTime{100});
  EXPECT_EQ(episode.ended, WallTime{210});
  EXPECT_EQ(episode.how, EpisodeEnd::kEnoughCopies);
  EXPECT_EQ(episode.changes,
            (std::vector<ExposureChange>{{{100}, ReplicationState::kDegraded, 0},
                                         {{200}, ReplicationState::kCatchingUp, 0}}));
  EXPECT_FALSE(episode.complete) << "more may have been acknowledged since the last count";
  count(1, 8, true, 220);
  EXPECT_EQ(episodes().at(1).records, 8);
  EXPECT_EQ(episodes().at(1).bytes, 800);
  EXPECT_TRUE(episodes().at(1).complete);
}

TEST_F(Exposure, AnEpisodeEndsWithItsTermAndIsALowerBoundThen) {
  leave(2, 100);
  count(1, 5, false, 150);
  commit(decide_renew_epoch(state_, "logs", member(1), {300}));
  Episode episode = episodes().at(1);
  EXPECT_EQ(episode.ended, WallTime{300});
  EXPECT_EQ(episode.how, EpisodeEnd::kTermEnded);
  EXPECT_EQ(episode.records, 5);
  EXPECT_FALSE(episode.complete);
  // The next term lacks copies too; its episode follows without a gap.
  commit(decide_open_epoch(state_, term(), {}, {350}));
  ASSERT_EQ(episodes().size(), 2u);
  EXPECT_EQ(episodes().at(2).began, WallTime{300});
  EXPECT_EQ(episodes().at(2).epoch, term().epoch);
  // Who led before may still say what it knows; who never led in that term may not.
  count(1, 7, true, 400);
  EXPECT_TRUE(episodes().at(1).complete);
  EXPECT_FALSE(decide_count_exposure(state_, "logs",
                                     {1, episodes().at(1).epoch, member(2), 9, 9, true}, {400}));
  EXPECT_FALSE(
      decide_count_exposure(state_, "logs", {1, term().epoch, member(1), 9, 9, true}, {400}));
  EXPECT_FALSE(
      decide_count_exposure(state_, "logs", {7, term().epoch, member(1), 9, 9, true}, {400}));
}

TEST_F(Exposure, BetweenTermsThatHadEnoughCopiesNothingLacks) {
  commit(decide_promote_without_loss(state_, "logs", NodeId{2}, {300}));
  commit(decide_open_epoch(state_, term(), {}, {350}));
  EXPECT_EQ(episodes().at(1).began, WallTime{350}) << "nothing was acknowledged before";
}

TEST_F(Exposure, WhatALeaderOfAnOlderVersionLeftIsMended) {
  EXPECT_TRUE(is_exposure_recorded(state_, "logs"));
  leave(2, 100);
  EXPECT_TRUE(is_exposure_recorded(state_, "logs"));
  // It degraded without a word.
  const Episode said = episodes().at(1);
  ASSERT_TRUE(state_.apply(state_.revision() + 1, {{episode_key("logs", 1), std::nullopt}}));
  EXPECT_FALSE(is_exposure_recorded(state_, "logs"));
  commit(decide_note_state(state_, term(), {500}));
  ASSERT_EQ(episodes().size(), 1u);
  EXPECT_EQ(episodes().at(1).began, WallTime{500}) << "what was before is not in it";
  EXPECT_TRUE(is_exposure_recorded(state_, "logs"));
  // It took members in, or a new term, and left the episode as it was.
  join(3, 600);
  EXPECT_TRUE(is_exposure_recorded(state_, "logs"));
  Episode left = said;
  for (const LeaderEpoch epoch : {said.epoch, LeaderEpoch{0}}) {
    left.epoch = epoch;
    ASSERT_TRUE(
        state_.apply(state_.revision() + 1, {{episode_key("logs", 2), encode_episode(left)}}));
    EXPECT_FALSE(is_exposure_recorded(state_, "logs"));
    commit(decide_note_state(state_, term(), {700}));
    EXPECT_EQ(episodes().at(2).ended, WallTime{700});
    EXPECT_TRUE(is_exposure_recorded(state_, "logs"));
  }
}

TEST_F(Exposure, AFailoverIsNotDelayedByACount) {
  leave(2, 100);
  const auto promoted = decide_promote_without_loss(state_, "logs", NodeId{1}, {300});
  EXPECT_FALSE(promoted) << "it leads";
  const auto renewed = decide_renew_epoch(state_, "logs", member(1), {300});
  count(1, 5, false, 290);
  EXPECT_TRUE(state_.allows(renewed->transaction));
}

TEST_F(Exposure, AnAlteredPolicyIsNoticed) {
  FailoverGroup more = *state_.find_group("logs");
  more.copies = 2;
  commit(decide_alter_group(state_, more));
  EXPECT_TRUE(episodes().empty());
  commit(decide_note_state(state_, term(), {500}));
  EXPECT_EQ(state_.leadership("logs").state, ReplicationState::kDegraded);
  EXPECT_EQ(episodes().at(1).began, WallTime{500});
  EXPECT_EQ(episodes().at(1).wanted, 2);
  EXPECT_EQ(episodes().at(1).fewest, 1);
  EXPECT_TRUE(decide_note_state(state_, term(), {600})->transaction.empty());
  more.copies = 1;
  commit(decide_alter_group(state_, more));
  commit(decide_note_state(state_, term(), {700}));
  EXPECT_EQ(episodes().at(1).ended, WallTime{700});
}

TEST_F(Exposure, WhatIsKeptHasALimit) {
  for (int64_t i = 0; i < 105; ++i) {
    leave(i == 0 ? 2 : 3, 1'000 * i + 1'000);
    join(3, 1'000 * i + 1'500);
  }
  EXPECT_EQ(episodes().size(), kEpisodesKept);
  EXPECT_EQ(episodes().begin()->first, 6);
  EXPECT_EQ(episodes().rbegin()->first, 105);
  // Somebody who comes and goes does not make one episode grow without end.
  leave(3, 900'000);
  for (int64_t i = 0; i < 15; ++i) {
    commit(decide_begin_joining(state_, term(), member(2), {900'001 + 2 * i}));
    commit(decide_shrink_sync(state_, term(), member(2), {900'002 + 2 * i}));
  }
  const Episode& last = episodes().rbegin()->second;
  EXPECT_EQ(last.changes.size(), kEpisodeChangesMax);
  EXPECT_EQ(last.changes_dropped, 11);
}

TEST_F(Exposure, WhatOnlyANewerVersionReadsIsWithinTheLimit) {
  std::vector<Change> newer;
  for (int64_t i = 1; i <= 100; ++i) newer.push_back({episode_key("logs", i), R"({"v":2})"});
  ASSERT_TRUE(state_.apply(state_.revision() + 1, newer));
  leave(2, 100);
  EXPECT_EQ(episodes().begin()->first, 101);
  const auto& entries = state_.entries();
  EXPECT_FALSE(entries.contains(episode_key("logs", 1)));
  EXPECT_TRUE(entries.contains(episode_key("logs", 2)));
  const auto gone = decide_delete_group(state_, "logs");
  ASSERT_TRUE(gone);
  EXPECT_LT(gone->transaction.changes.size(), 120u) << "what a transaction may change at most";
}

TEST_F(Exposure, AGroupTakesItsHistoryWithIt) {
  leave(2, 100);
  commit(decide_delete_group(state_, "logs"));
  EXPECT_TRUE(episodes().empty());
}

TEST_F(Exposure, ValuesAreRead) {
  Episode episode;
  episode.epoch = LeaderEpoch{7};
  episode.leader = member(1);
  episode.wanted = 2;
  episode.fewest = 1;
  episode.began = {1'000};
  episode.ended = WallTime{3'000};
  episode.how = EpisodeEnd::kTermEnded;
  episode.changes = {{{1'000}, ReplicationState::kDegraded, 1}};
  episode.changes_dropped = 3;
  episode.records = 12;
  episode.bytes = 1'200;
  episode.counted_at = {2'900};
  episode.complete = true;
  const std::string text = encode_episode(episode);
  EXPECT_EQ(text,
            R"({"began":1000,"bytes":1200,"changes":[{"at":1000,"copies":1,"state":"degraded"}],)"
            R"("changes_dropped":3,"complete":true,"counted_at":2900,"ended":3000,"epoch":7,)"
            R"("fewest":1,"how":"term-ended","leader":{"incarnation":"AQEBAQEBAQEBAQEBAQEBAQ",)"
            R"("node":1},"records":12,"v":1,"wanted":2})");
  EXPECT_EQ(*decode_episode("e", text), episode);
  Episode lasting = episode;
  lasting.ended.reset();
  lasting.how = EpisodeEnd::kEnoughCopies;
  lasting.complete = false;
  lasting.changes_dropped = 0;
  EXPECT_EQ(*decode_episode("e", encode_episode(lasting)), lasting);
  EXPECT_FALSE(decode_episode("e", "{}"));
  EXPECT_FALSE(decode_episode("e", R"({"v":1,"epoch":-1})"));

  // What a newer version wrote is left out and not written over.
  ASSERT_TRUE(state_.apply(state_.revision() + 1, {{episode_key("logs", 4), R"({"v":2})"}}));
  EXPECT_TRUE(episodes().empty());
  leave(2, 100);
  EXPECT_EQ(episodes().begin()->first, 5);
}

}  // namespace
}  // namespace magpie::control
