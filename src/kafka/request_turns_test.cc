// Which requests of a connection begin when: the part of Connections that bounds the memory of
// answers.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kafka/connections.h"

namespace magpie::kafka {
namespace {

constexpr port::ConnectionId kFirst{1};
constexpr port::ConnectionId kSecond{2};

class RequestTurns : public ::testing::Test {
 protected:
  RequestTurns() : connections_({1'000, 2'500}) {
    connections_.set_serving(true, effects_);
    for (const port::ConnectionId id : {kFirst, kSecond}) {
      connections_.opened({id, {0}, "10.0.0.1:5"}, effects_);
    }
  }

  // A request that begins with the key of its API.
  void receive(port::ConnectionId id, int16_t api, size_t size = 10) {
    std::string frame(size, '\0');
    frame[1] = static_cast<char>(api);
    connections_.receive(id, Buffer::copy_of(frame), effects_);
  }
  void receive_fetch(port::ConnectionId id = kFirst) { receive(id, 1); }
  void receive_produce(port::ConnectionId id = kFirst) { receive(id, 0); }

  // Begins whatever may begin, and says how many requests those were.
  size_t begin_all() {
    size_t count = 0;
    while (auto next = connections_.next_frame()) {
      begun_.push_back(connections_.begin(next->first, next->second.size(), effects_));
      ++count;
    }
    return count;
  }
  void answer(size_t index, size_t bytes = 5) {
    connections_.answer(begun_.at(index), {Buffer::copy_of(std::string(bytes, 'a'))}, effects_);
  }
  size_t sent_bytes() const {
    size_t bytes = 0;
    for (const port::Effect& effect : effects_.list()) {
      if (const auto* send = std::get_if<port::Send>(&effect)) bytes += size_of(send->bytes);
    }
    return bytes;
  }

  port::Effects effects_;
  Connections connections_;
  std::vector<RequestId> begun_;
};

TEST_F(RequestTurns, ProducesAreWorkedOnSideBySide) {
  for (int i = 0; i < 5; ++i) receive_produce();
  EXPECT_EQ(begin_all(), 5u);
}

TEST_F(RequestTurns, AnyOtherRequestWaitsForWhatCameBefore) {
  receive_produce();
  receive_fetch();
  receive_fetch();
  EXPECT_EQ(begin_all(), 1u);
  answer(0);
  EXPECT_EQ(begin_all(), 1u);
  EXPECT_EQ(begin_all(), 0u);
  answer(1);
  EXPECT_EQ(begin_all(), 1u);
}

// Answers leave in the order of the requests, so nothing may overtake.
TEST_F(RequestTurns, AProduceDoesNotOvertakeAFetchThatWaits) {
  receive_fetch();
  receive_fetch();
  receive_produce();
  EXPECT_EQ(begin_all(), 1u);
  answer(0);
  EXPECT_EQ(begin_all(), 2u);
}

TEST_F(RequestTurns, ConnectionsDoNotWaitForEachOther) {
  receive_fetch(kFirst);
  receive_fetch(kSecond);
  EXPECT_EQ(begin_all(), 2u);
}

TEST_F(RequestTurns, NothingBeginsForAPeerThatDoesNotTakeItsAnswers) {
  connections_.send_queue_changed({kFirst, 5'000'000, true}, effects_);
  receive_fetch();
  EXPECT_EQ(begin_all(), 0u);
  connections_.send_queue_changed({kFirst, 1'000, false}, effects_);
  EXPECT_EQ(begin_all(), 1u);
}

TEST_F(RequestTurns, AConnectionHasAShareUntilTheNextTick) {
  for (int i = 0; i < 4; ++i) receive_fetch();
  ASSERT_EQ(begin_all(), 1u);
  answer(0, kAnswersPerTurn / 2);
  EXPECT_FALSE(connections_.wants_tick());
  ASSERT_EQ(begin_all(), 1u);
  answer(1, kAnswersPerTurn / 2);
  EXPECT_EQ(begin_all(), 0u);
  EXPECT_TRUE(connections_.wants_tick());
  connections_.tick();
  EXPECT_FALSE(connections_.wants_tick());
  EXPECT_EQ(begin_all(), 1u);
  answer(2);
  EXPECT_EQ(begin_all(), 1u);
}

TEST_F(RequestTurns, RequestsThatWaitCountAsUnanswered) {
  for (int i = 0; i < 3; ++i) receive(kFirst, 1, 400);
  EXPECT_EQ(connections_.unanswered_bytes(), 1'200u);
  const auto* reading = std::get_if<port::SetReading>(&effects_.list().back());
  ASSERT_NE(reading, nullptr);
  EXPECT_FALSE(reading->enabled) << "beyond the limit of 1,000 nothing more is read";
  EXPECT_EQ(begin_all(), 1u);
  EXPECT_EQ(connections_.unanswered_bytes(), 1'200u) << "and each of them counts once";
  for (size_t i = 0; i < 3; ++i) {
    answer(i);
    begin_all();
  }
  EXPECT_EQ(connections_.unanswered_bytes(), 0u);
}

TEST_F(RequestTurns, WhatWaitsGoesWithItsConnection) {
  receive_fetch();
  receive_fetch();
  ASSERT_EQ(begin_all(), 1u);
  receive_fetch(kSecond);
  connections_.closed(kFirst);
  connections_.closed(kSecond);
  EXPECT_EQ(begin_all(), 0u);
  EXPECT_EQ(connections_.unanswered_bytes(), 0u);
}

// However little a client asks with, and however much it asks for.
TEST_F(RequestTurns, ManyRequestsInOneReadDoNotMakeAllTheirAnswersAtOnce) {
  for (int i = 0; i < 10'000; ++i) receive(kFirst, 3, 30);
  size_t next = 0;
  while (begin_all() > 0) answer(next++, 100'000);
  EXPECT_LT(sent_bytes(), kAnswersPerTurn + 100'000);
  EXPECT_GT(sent_bytes(), kAnswersPerTurn / 2);
}

}  // namespace
}  // namespace magpie::kafka
