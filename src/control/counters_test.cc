#include "control/counters.h"

#include <gtest/gtest.h>

#include <set>

#include "control/keys.h"
#include "control/values.h"

namespace magpie::control {
namespace {

const Member kFive{NodeId{5}, {{5}}};

void commit(State& state, const Transaction& transaction) {
  ASSERT_TRUE(state.allows(transaction));
  ASSERT_TRUE(state.apply(state.revision() + 1, transaction.changes));
}

TEST(Counters, EveryLeadershipHasItsOwnEpoch) {
  State state;
  for (int32_t expected = 1; expected <= 3; ++expected) {
    const auto decided = decide_leadership(state, kFive, {});
    ASSERT_TRUE(decided);
    EXPECT_EQ(decided->answer.epoch, LeaderEpoch{expected});
    commit(state, decided->transaction);
    EXPECT_EQ(state.leadership(), decided->answer);
    EXPECT_EQ(state.leadership(kSystemGroup), decided->answer);
    EXPECT_EQ(state.next_epoch(), expected + 1);
    EXPECT_FALSE(state.allows(decided->transaction)) << "an epoch given out twice";
  }
}

TEST(Counters, StopsWhenEpochsAreUsedUp) {
  State state;
  ASSERT_TRUE(state.apply(1, {{std::string(kEpochsKey), encode_counter(INT32_MAX)}}));
  const auto last = decide_leadership(state, kFive, {});
  ASSERT_TRUE(last);
  EXPECT_EQ(last->answer.epoch, LeaderEpoch{INT32_MAX});
  commit(state, last->transaction);
  EXPECT_EQ(decide_leadership(state, kFive, {}).error().code, RefusalCode::kUnavailable);
}

TEST(Counters, BlocksOfProducerIdsDoNotOverlap) {
  State state;
  const auto first = decide_producer_id_block(state);
  EXPECT_EQ(first->answer, (ProducerIdBlock{0, kProducerIdBlockSize}));
  commit(state, first->transaction);
  const auto second = decide_producer_id_block(state);
  EXPECT_EQ(second->answer.first, kProducerIdBlockSize);
  ASSERT_TRUE(state.apply(9, {{std::string(kProducerIdsKey), encode_counter(INT64_MAX - 10)}}));
  EXPECT_EQ(decide_producer_id_block(state).error().code, RefusalCode::kUnavailable);
}

TEST(ProducerIdAllocator, AsksAheadAndOnlyOnce) {
  ProducerIdAllocator ids;
  EXPECT_EQ(ids.allocate(), std::nullopt);
  EXPECT_TRUE(ids.take_request());
  EXPECT_FALSE(ids.take_request());
  ids.request_failed();
  EXPECT_TRUE(ids.take_request());
  ids.add_block({0, 1'000});
  EXPECT_FALSE(ids.take_request());
  for (int i = 0; i < 499; ++i) ASSERT_EQ(ids.allocate(), ProducerId{i});
  EXPECT_FALSE(ids.take_request());
  ASSERT_EQ(ids.allocate(), ProducerId{499});
  EXPECT_TRUE(ids.take_request()) << "half of the block is left";
  ids.add_block({7'000, 1'000});
  for (int i = 500; i < 1'000; ++i) ASSERT_EQ(ids.allocate(), ProducerId{i});
  EXPECT_EQ(ids.allocate(), ProducerId{7'000});
}

TEST(ProducerIdAllocator, NeverGivesAnIdTwice) {
  State state;
  ProducerIdAllocator ids;
  Random random(3);
  std::set<int64_t> seen;
  std::optional<ProducerIdBlock> on_its_way;
  for (int i = 0; i < 20'000; ++i) {
    if (random.chance(1, 50)) ids = {};  // a restart
    if (ids.take_request()) {
      const auto decided = decide_producer_id_block(state);
      commit(state, decided->transaction);
      on_its_way = decided->answer;
      if (random.chance(1, 4)) {
        ids.request_failed();
      } else {
        ids.add_block(*on_its_way);
      }
    }
    const auto id = ids.allocate();
    if (id) {
      ASSERT_TRUE(seen.insert(id->value).second);
    }
  }
  EXPECT_GT(seen.size(), 10'000u);
}

}  // namespace
}  // namespace magpie::control
