#include "relay/conditions.h"

#include <gtest/gtest.h>

namespace magpie::relay {
namespace {

TEST(Conditions, WhatIsNamedChangesAndTheRestStays) {
  Conditions conditions;
  ASSERT_TRUE(change(conditions, "delay=20ms rate=1.5MB loss=0.1% silent=yes"));
  EXPECT_EQ(conditions.delay, Duration::milliseconds(20));
  EXPECT_EQ(conditions.rate, 1'500'000u);
  EXPECT_EQ(conditions.loss, 100u);
  EXPECT_TRUE(conditions.silent);
  ASSERT_TRUE(change(conditions, "silent=no"));
  EXPECT_EQ(conditions.rate, 1'500'000u);
  EXPECT_FALSE(conditions.silent);
}

TEST(Conditions, AWordThatIsNotUnderstoodIsNamedAndChangesNothing) {
  for (const char* word :
       {"delay=20", "delay", "speed=3", "loss=101%", "rate=-1", "silent=1", "="}) {
    Conditions conditions;
    const Status changed = change(conditions, std::string("delay=1s ") + word);
    ASSERT_FALSE(changed) << word;
    EXPECT_NE(changed.error().message.find(word), std::string::npos);
    EXPECT_EQ(conditions, Conditions());
  }
}

}  // namespace
}  // namespace magpie::relay
