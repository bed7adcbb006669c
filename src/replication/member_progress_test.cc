#include "replication/member_progress.h"

#include <gtest/gtest.h>

namespace magpie::replication {
namespace {

constexpr Instant kStart{1'000'000'000'000};

Instant after(int64_t seconds) {
  return kStart + Duration::seconds(seconds);
}

TEST(MemberProgress, NobodyKnowsWhatAMemberLacksBeforeItHasCaughtUp) {
  MemberProgress progress;
  EXPECT_EQ(progress.exposed(kStart), Duration::max());
  progress.look(kStart, {{10}}, {{5}});
  EXPECT_EQ(progress.exposed(after(1)), Duration::max());
  progress.look(after(2), {{10}}, {{10}});
  EXPECT_EQ(progress.exposed(after(2)), Duration{});
}

// A member that always reaches the last mark is never late, but what it lacks may be as old as the
// mark before: a distance in time that behind() does not show.
TEST(MemberProgress, TheOldestRecordItLacksIsOlderThanTheMark) {
  MemberProgress progress;
  progress.look(kStart, {{10}}, {{10}});
  progress.look(after(2), {{30}}, {{10}});
  progress.look(after(4), {{50}}, {{30}});
  EXPECT_EQ(progress.behind(after(4)), Duration{});
  EXPECT_EQ(progress.exposed(after(4)), Duration::seconds(2));
  progress.look(after(5), {{50}}, {{50}});
  EXPECT_EQ(progress.exposed(after(5)), Duration{});
}

TEST(MemberProgress, AMemberThatIsComparedAnewMayLackAnything) {
  MemberProgress progress;
  progress.look(kStart, {{10}, {10}}, {{10}, {10}});
  progress.look(after(1), {{20}, {10}}, {{-1}, {10}});
  EXPECT_EQ(progress.exposed(after(1)), Duration::max());
}

TEST(MemberProgress, APartitionThatComesIsHeldByNobody) {
  MemberProgress progress;
  progress.look(kStart, {{10}}, {{10}});
  progress.look(after(1), {{10}, {0}}, {{10}, {-1}});
  EXPECT_EQ(progress.exposed(after(1)), Duration::max());
  progress.look(after(2), {{10}, {0}}, {{10}, {0}});
  EXPECT_EQ(progress.exposed(after(2)), Duration{});
}

}  // namespace
}  // namespace magpie::replication
