#include "kafka/connections.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/random.h"

namespace magpie::kafka {
namespace {

constexpr port::ConnectionId kFirst{1};
constexpr port::ConnectionId kSecond{2};

class ConnectionsTest : public ::testing::Test {
 protected:
  explicit ConnectionsTest(ConnectionLimits limits = {100, 250}) : connections_(limits) {
    connections_.set_serving(true, effects_);
    open(kFirst);
    open(kSecond);
  }

  void open(port::ConnectionId id) { connections_.opened({id, {0}, "10.0.0.1:5"}, effects_); }
  RequestId begin(port::ConnectionId id, size_t bytes) {
    return connections_.begin(id, bytes, effects_);
  }
  void answer(RequestId request, const std::string& text) {
    connections_.answer(request, {Buffer::copy_of(text)}, effects_);
  }
  // What was sent since the last call, all connections one after the other.
  std::vector<std::string> sent() {
    std::vector<std::string> texts;
    for (const port::Effect& effect : effects_.list()) {
      if (const auto* send = std::get_if<port::Send>(&effect)) {
        texts.emplace_back(flatten(send->bytes).text());
      }
    }
    effects_.clear();
    return texts;
  }
  // The last word about reading from the connection since the last call; "" if there was none.
  std::string reading(port::ConnectionId id) {
    std::string last;
    for (const port::Effect& effect : effects_.list()) {
      const auto* set = std::get_if<port::SetReading>(&effect);
      if (set != nullptr && set->connection == id) last = set->enabled ? "on" : "off";
    }
    effects_.clear();
    return last;
  }

  port::Effects effects_;
  Connections connections_;
};

TEST_F(ConnectionsTest, AnswersLeaveInTheOrderOfTheRequests) {
  const RequestId a = begin(kFirst, 1);
  const RequestId b = begin(kFirst, 1);
  const RequestId c = begin(kFirst, 1);
  const RequestId other = begin(kSecond, 1);
  answer(c, "c");
  answer(b, "b");
  EXPECT_TRUE(sent().empty());
  answer(other, "other");
  EXPECT_EQ(sent(), std::vector<std::string>{"other"});
  answer(a, "a");
  EXPECT_EQ(sent(), (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(ConnectionsTest, ARequestWithoutAnAnswerHoldsNobodyUp) {
  const RequestId silent = begin(kFirst, 1);
  const RequestId next = begin(kFirst, 1);
  answer(next, "next");
  EXPECT_TRUE(sent().empty());
  connections_.skip(silent, effects_);
  EXPECT_EQ(sent(), std::vector<std::string>{"next"});
}

TEST_F(ConnectionsTest, AnswersToWhoIsGoneAreDropped) {
  const RequestId request = begin(kFirst, 60);
  connections_.closed(kFirst);
  EXPECT_EQ(connections_.unanswered_bytes(), 0u);
  answer(request, "late");
  EXPECT_TRUE(sent().empty());
  connections_.closed(kFirst);  // and again, as a driver may
  EXPECT_EQ(connections_.find(kFirst), nullptr);
  EXPECT_EQ(connections_.size(), 1u);
}

TEST_F(ConnectionsTest, ReadingStopsAboveTheLimitAndGoesOnBelowHalfOfIt) {
  const RequestId big = begin(kFirst, 60);
  EXPECT_EQ(reading(kFirst), "");
  const RequestId more = begin(kFirst, 41);
  EXPECT_EQ(reading(kFirst), "off");
  answer(more, "more");
  EXPECT_EQ(reading(kFirst), "") << "the answer waits for its turn, and so do its bytes";
  answer(big, "big");
  EXPECT_EQ(reading(kFirst), "on");
  EXPECT_EQ(connections_.unanswered_bytes(), 0u);
}

TEST_F(ConnectionsTest, WhoHasNothingUnansweredMaySendWhateverTheOthersHold) {
  open({3});
  begin(kFirst, 100);
  begin(kSecond, 100);
  begin({3}, 60);
  EXPECT_EQ(connections_.unanswered_bytes(), 260u);
  EXPECT_EQ(reading({3}), "off") << "together they hold too much";
  open({4});
  EXPECT_EQ(reading({4}), "");
  const RequestId request = begin({4}, 1);
  EXPECT_EQ(reading({4}), "off");
  answer(request, "done");
  EXPECT_EQ(reading({4}), "on");
}

TEST_F(ConnectionsTest, ASlowPeerIsNotReadUntilItTookItsAnswers) {
  connections_.send_queue_changed({kFirst, 1'000, true}, effects_);
  EXPECT_EQ(reading(kFirst), "off");
  const RequestId request = begin(kFirst, 1);
  answer(request, "one that was on its way");
  EXPECT_EQ(reading(kFirst), "");
  connections_.send_queue_changed({kFirst, 10, false}, effects_);
  EXPECT_EQ(reading(kFirst), "on");
}

TEST_F(ConnectionsTest, NobodyIsReadWhileTheNodeDoesNotServe) {
  connections_.set_serving(false, effects_);
  EXPECT_EQ(reading(kFirst), "off");
  open({3});
  EXPECT_EQ(reading({3}), "off");
  connections_.set_serving(true, effects_);
  EXPECT_EQ(reading({3}), "on");
}

// Random requests and answers against a memory of what each connection has to receive.
TEST_F(ConnectionsTest, EveryAnswerArrivesOnceAndInTurn) {
  Random random(3);
  std::map<uint64_t, std::vector<std::pair<RequestId, std::string>>> waiting;
  std::map<uint64_t, std::string> expected;
  std::map<uint64_t, std::string> received;
  for (int step = 0; step < 2'000; ++step) {
    const uint64_t id = 1 + random.below(2);
    auto& open_requests = waiting[id];
    if (open_requests.size() < 5 && random.chance(1, 2)) {
      const std::string text = std::to_string(step) + ";";
      open_requests.emplace_back(begin({id}, 1 + random.below(40)), text);
      expected[id] += text;
    } else if (!open_requests.empty()) {
      const size_t which = random.below(open_requests.size());
      answer(open_requests[which].first, open_requests[which].second);
      open_requests.erase(open_requests.begin() + static_cast<ptrdiff_t>(which));
    }
    for (const port::Effect& effect : effects_.list()) {
      const auto* send = std::get_if<port::Send>(&effect);
      if (send != nullptr) received[send->connection.value] += flatten(send->bytes).text();
    }
    effects_.clear();
    ASSERT_TRUE(expected[id].starts_with(received[id]));
  }
  EXPECT_GT(received[1].size(), 1'000u);
}

}  // namespace
}  // namespace magpie::kafka
