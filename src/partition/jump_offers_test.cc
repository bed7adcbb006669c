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

TEST(JumpOffers, ABreakIsOneOnceItWasOfferedForLongEnough) {
  constexpr Duration kApart = Duration::seconds(40);
  JumpOffers offers(10);
  Instant now;
  const auto repeats = [&](int32_t sequence) {
    return offers.repeats(now, kProducer, kEpoch, sequence, kApart);
  };
  for (; now < Instant{} + kApart; now = now + Duration::seconds(10)) {
    EXPECT_FALSE(repeats(5)) << now.nanos;
    EXPECT_FALSE(repeats(6)) << "behind it";
  }
  EXPECT_TRUE(repeats(5));
  EXPECT_FALSE(repeats(4)) << "this one only just came";
  now = now + Duration::seconds(10);
  EXPECT_FALSE(repeats(4));
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
