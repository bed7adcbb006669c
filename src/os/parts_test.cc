// The small parts of this folder: send queue, limits, log lines, locks, signals.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/random.h"
#include "os/accept_limits.h"
#include "os/data_lock.h"
#include "os/log_sink.h"
#include "os/send_queue.h"
#include "os/signals.h"
#include "os/testing.h"

namespace magpie::os {
namespace {

std::string text_of(const std::vector<iovec>& pieces) {
  std::string text;
  for (const iovec& piece : pieces) text.append(static_cast<char*>(piece.iov_base), piece.iov_len);
  return text;
}

TEST(SendQueue, GathersFromWhereSendingStopped) {
  SendQueue queue;
  queue.push({Buffer::copy_of("abc"), Buffer(), Buffer::copy_of("defg")});
  queue.push({Buffer::copy_of("h")});
  std::vector<iovec> pieces;
  queue.gather(pieces, 2);
  EXPECT_EQ(text_of(pieces), "abcdefg");
  queue.consume(4);
  EXPECT_EQ(queue.bytes(), 4u);
  queue.gather(pieces, 10);
  EXPECT_EQ(text_of(pieces), "efgh");
  queue.consume(4);
  EXPECT_TRUE(queue.empty());
}

TEST(SendQueue, SendsTheSameBytesInWhateverPieces) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Random random(seed);
    SendQueue queue;
    std::string expected;
    std::string sent;
    std::vector<iovec> pieces;
    while (expected.size() < 2'000 || !queue.empty()) {
      if (expected.size() < 2'000 && random.chance(1, 2)) {
        const std::string text(random.below(50), static_cast<char>('a' + random.below(26)));
        queue.push({Buffer::copy_of(text)});
        expected += text;
      }
      queue.gather(pieces, random.between(1, 8));
      const std::string ready = text_of(pieces);
      const uint64_t count = random.below(ready.size() + 1);
      sent += ready.substr(0, count);
      queue.consume(count);
      ASSERT_EQ(queue.bytes(), expected.size() - sent.size());
    }
    EXPECT_EQ(sent, expected);
  }
}

TEST(ConnectionCount, CountsInAllAndByAddress) {
  ConnectionCount count(3, 2);
  EXPECT_TRUE(count.add("a"));
  EXPECT_TRUE(count.add("a"));
  EXPECT_EQ(count.add("a").error().message, "a has all 2 connections that one address may have");
  EXPECT_TRUE(count.add("b"));
  EXPECT_EQ(count.add("c").error().message, "all 3 connections are in use");
  count.remove("a");
  EXPECT_TRUE(count.add("c"));
  EXPECT_EQ(count.total(), 3u);
}

TEST(RateLimit, LetsABurstPassAndThenTheRate) {
  const Instant begin{1'000'000'000};
  RateLimit rate(100, begin);
  int burst = 0;
  while (rate.take(begin)) ++burst;
  EXPECT_EQ(burst, 11);
  EXPECT_GT(rate.next(), begin);
  EXPECT_TRUE(rate.take(rate.next()));
  EXPECT_FALSE(rate.take(rate.next() + Duration::nanoseconds(-1)));
  // Over ten seconds: the rate, and the burst once.
  int passed = 0;
  for (int64_t ms = 0; ms < 10'000; ++ms) {
    while (rate.take(begin + Duration::milliseconds(ms))) ++passed;
  }
  EXPECT_NEAR(passed, 1'000, 12);
}

TEST(LogLine, AsJsonAndAsText) {
  const port::LogLine line{port::Severity::kWarning, "disk.full", "topic \"a\"\nb\xff"};
  const WallTime time{1'700'000'000'123};
  EXPECT_EQ(
      to_json(time, line),
      "{\"time\":\"2023-11-14T22:13:20.123Z\",\"severity\":\"warning\",\"code\":\"disk.full\","
      "\"text\":\"topic \\\"a\\\"\\nb\xEF\xBF\xBD\"}");
  // Names that clients choose must not be able to forge a line.
  EXPECT_EQ(to_text(time, line), "2023-11-14T22:13:20.123Z WARNING disk.full topic \"a\" b\xff");
  EXPECT_EQ(parse_severity("error"), port::Severity::kError);
  EXPECT_FALSE(parse_severity("loud").has_value());
}

TEST(LogLimiter, CountsWhatItLeavesOut) {
  LogLimiter limiter(2, Duration::seconds(10));
  uint64_t suppressed = 0;
  const auto at = [](int64_t seconds) { return Instant{seconds * 1'000'000'000}; };
  EXPECT_TRUE(limiter.admit(at(0), "a", &suppressed));
  EXPECT_TRUE(limiter.admit(at(1), "a", &suppressed));
  EXPECT_FALSE(limiter.admit(at(2), "a", &suppressed));
  EXPECT_FALSE(limiter.admit(at(9), "a", &suppressed));
  EXPECT_TRUE(limiter.admit(at(9), "b", &suppressed));  // codes do not share
  EXPECT_EQ(suppressed, 0u);
  EXPECT_TRUE(limiter.admit(at(10), "a", &suppressed));
  EXPECT_EQ(suppressed, 2u);
  EXPECT_TRUE(limiter.admit(at(11), "a", &suppressed));
  EXPECT_EQ(suppressed, 0u);
}

TEST(DataLock, IsFreeAgainAfterItsHolder) {
  TempFolder folder;
  const std::string directory = folder.file("made/for/it");
  {
    const auto first = DataLock::take(directory);
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(DataLock::take(directory).error().kind, ErrorKind::kUnavailable);
  }
  EXPECT_TRUE(DataLock::take(directory).has_value());
}

TEST(DataLock, SaysWhyADirectoryCannotBeUsed) {
  const auto lock = DataLock::take("/proc/magpie");
  ASSERT_FALSE(lock.has_value());
  EXPECT_EQ(lock.error().kind, ErrorKind::kIo);
  EXPECT_TRUE(lock.error().message.starts_with("cannot create the data directory /proc/magpie: "));
}

TEST(StopSignals, TheFirstAsksTheSecondEnds) {
  const int descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  {
    const StopSignals signals(descriptor);
    ::raise(SIGPIPE);
    ::raise(SIGHUP);
    eventfd_t count = 0;
    EXPECT_NE(::eventfd_read(descriptor, &count), 0);
    ::raise(SIGTERM);
    EXPECT_EQ(::eventfd_read(descriptor, &count), 0);
    EXPECT_EXIT(::raise(SIGINT), ::testing::ExitedWithCode(kExitInterrupted), "second signal");
  }
  ::close(descriptor);
}

}  // namespace
}  // namespace magpie::os
