#include "group/timers.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace magpie::group {
namespace {

TimerKey key(const std::string& group, const std::string& member = "",
             TimerKind kind = TimerKind::kMember) {
  return {group, kind, member};
}

TEST(Timers, FireInOrderOfDeadlineAndThenOfKey) {
  Timers timers;
  timers.arm(key("b"), Instant{5});
  timers.arm(key("a", "", TimerKind::kJoin), Instant{5});
  timers.arm(key("c"), Instant{4});
  EXPECT_EQ(timers.next(), Instant{4});
  EXPECT_FALSE(timers.take_due(Instant{3}));
  EXPECT_EQ(timers.take_due(Instant{5}), key("c"));
  EXPECT_EQ(timers.take_due(Instant{5}), key("a", "", TimerKind::kJoin));
  EXPECT_EQ(timers.take_due(Instant{5}), key("b"));
  EXPECT_FALSE(timers.take_due(Instant{5}));
  EXPECT_EQ(timers.next(), Instant::never());
}

TEST(Timers, CancellingAGroupSparesItsNeighbours) {
  Timers timers;
  for (const char* group : {"a", "ab", "b"}) {
    timers.arm(key(group, "m"), Instant{1});
    timers.arm(key(group, "", TimerKind::kSync), Instant{2});
  }
  timers.cancel_group("ab");
  EXPECT_FALSE(timers.is_armed(key("ab", "m")));
  EXPECT_FALSE(timers.is_armed(key("ab", "", TimerKind::kSync)));
  EXPECT_TRUE(timers.is_armed(key("a", "", TimerKind::kSync)));
  EXPECT_TRUE(timers.is_armed(key("b", "m")));
}

// Against a list that is searched from end to end.
TEST(Timers, BehaveLikeAListOfDeadlines) {
  Random random(3);
  Timers timers;
  std::map<TimerKey, Instant> naive;
  for (int step = 0; step < 5'000; ++step) {
    const TimerKey some = key(std::string(1, static_cast<char>('a' + random.below(4))),
                              std::string(1, static_cast<char>('m' + random.below(4))));
    const Instant when{random.between(0, 50)};
    switch (random.below(4)) {
      case 0:
      case 1:
        timers.arm(some, when);
        naive[some] = when;
        break;
      case 2:
        timers.cancel(some);
        naive.erase(some);
        break;
      default: {
        auto first = naive.end();
        for (auto timer = naive.begin(); timer != naive.end(); ++timer) {
          const bool due = timer->second <= when;
          if (due && (first == naive.end() || timer->second < first->second)) first = timer;
        }
        const auto taken = timers.take_due(when);
        ASSERT_EQ(taken.has_value(), first != naive.end());
        if (taken) {
          ASSERT_EQ(*taken, first->first);
          naive.erase(first);
        }
      }
    }
    Instant next = Instant::never();
    for (const auto& [timer, deadline] : naive) next = std::min(next, deadline);
    ASSERT_EQ(timers.next(), next);
  }
}

}  // namespace
}  // namespace magpie::group
