#include "partition/jump_offers.h"

#include <gtest/gtest.h>

namespace magpie::partition {
namespace {

constexpr ProducerId kProducer{7};
constexpr ProducerEpoch kEpoch{0};

TEST(JumpOffers, AJumpIsTakenWhenItIsOfferedAgain) {
  JumpOffers offers(10);
  EXPECT_FALSE(offers.repeats(Instant{}, kProducer, kEpoch, 5));
  EXPECT_TRUE(offers.repeats(Instant{}, kProducer, kEpoch, 5));
  EXPECT_TRUE(offers.repeats(Instant{}, kProducer, kEpoch, 5)) << "it could not be stored then";
}

// 4 was refused before; 5 and 6 were under way behind it.
TEST(JumpOffers, WhatComesFromBeforeItGoesFirst) {
  JumpOffers offers(10);
  EXPECT_FALSE(offers.repeats(Instant{}, kProducer, kEpoch, 5));
  EXPECT_FALSE(offers.repeats(Instant{}, kProducer, kEpoch, 6));
  EXPECT_FALSE(offers.repeats(Instant{}, kProducer, kEpoch, 4));
  EXPECT_FALSE(offers.repeats(Instant{}, kProducer, kEpoch, 5));
  EXPECT_FALSE(offers.repeats(Instant{}, kProducer, kEpoch, 6));
  EXPECT_TRUE(offers.repeats(Instant{}, kProducer, kEpoch, 4));
}

TEST(JumpOffers, BeforeMeansTheNearerWayRoundTheWrap) {
  JumpOffers offers(10);
  EXPECT_FALSE(offers.repeats(Instant{}, kProducer, kEpoch, 2));
  EXPECT_FALSE(offers.repeats(Instant{}, kProducer, kEpoch, INT32_MAX));
  EXPECT_FALSE(offers.repeats(Instant{}, kProducer, kEpoch, 2));
  EXPECT_TRUE(offers.repeats(Instant{}, kProducer, kEpoch, INT32_MAX));
}

TEST(JumpOffers, ABatchThatItsClientGaveUpHoldsNobodyBackForLong) {
  JumpOffers offers(10);
  EXPECT_FALSE(offers.repeats(Instant{}, kProducer, kEpoch, 4));
  const Instant later = Instant{} + JumpOffers::kPatience;
  EXPECT_FALSE(offers.repeats(later, kProducer, kEpoch, 6));
  EXPECT_TRUE(offers.repeats(later, kProducer, kEpoch, 6));
}

TEST(JumpOffers, AnotherEpochOffersAnew) {
  JumpOffers offers(10);
  EXPECT_FALSE(offers.repeats(Instant{}, kProducer, kEpoch, 4));
  EXPECT_FALSE(offers.repeats(Instant{}, kProducer, ProducerEpoch{1}, 4));
  EXPECT_TRUE(offers.repeats(Instant{}, kProducer, ProducerEpoch{1}, 4));
}

TEST(JumpOffers, WhenItIsFullEveryoneIsAskedOnceMore) {
  JumpOffers offers(2);
  for (int64_t id : {1, 2, 3}) EXPECT_FALSE(offers.repeats(Instant{}, ProducerId{id}, kEpoch, 4));
  EXPECT_LE(offers.size(), 2U);
  EXPECT_FALSE(offers.repeats(Instant{}, ProducerId{1}, kEpoch, 4));
  EXPECT_TRUE(offers.repeats(Instant{}, ProducerId{1}, kEpoch, 4));
}

}  // namespace
}  // namespace magpie::partition
