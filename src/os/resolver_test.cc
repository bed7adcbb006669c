#include "os/resolver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace magpie::os {
namespace {

// A name that cannot exist, because a label has at most 63 bytes; no name server is asked.
std::string impossible_name() {
  return std::string(70, 'x');
}

class ResolverTest : public testing::Test {
 protected:
  Resolver::OnDone note(const std::string& what) {
    return [this, what](const Result<Resolver::Endpoints>& found) {
      answers_.push_back(what + (found ? " found" : " " + found.error().message));
      if (found) endpoints_ = *found;
    };
  }
  void run_until(size_t answers) {
    while (answers_.size() < answers) loop_.run_turn(Duration::seconds(1), 10);
  }

  EventLoop loop_;
  Resolver resolver_{loop_};
  std::vector<std::string> answers_;
  Resolver::Endpoints endpoints_;
};

TEST_F(ResolverTest, AnswersNumbersAsTheyAre) {
  resolver_.resolve("10.1.2.3", 9095, note("v4"));
  EXPECT_TRUE(answers_.empty());  // never from within
  run_until(1);
  EXPECT_EQ(endpoints_, (Resolver::Endpoints{{asio::ip::make_address("10.1.2.3"), 9095}}));
  resolver_.resolve("::1", 9095, note("v6"));
  run_until(2);
  EXPECT_EQ(endpoints_, (Resolver::Endpoints{{asio::ip::make_address("::1"), 9095}}));
}

TEST_F(ResolverTest, FindsTheAddressesOfANameWithThePort) {
  resolver_.resolve("localhost", 9095, note("name"));
  run_until(1);
  ASSERT_EQ(answers_, std::vector<std::string>{"name found"});
  for (const tcp::endpoint& endpoint : endpoints_) {
    EXPECT_TRUE(endpoint.address().is_loopback());
    EXPECT_EQ(endpoint.port(), 9095);
  }
}

TEST_F(ResolverTest, SaysWhichNameItDoesNotFind) {
  resolver_.resolve(impossible_name(), 9095, note("name"));
  run_until(1);
  EXPECT_TRUE(answers_[0].starts_with("name cannot find the address of '" + impossible_name()))
      << answers_[0];
}

TEST_F(ResolverTest, AnswersMoreQuestionsThanItHasThreads) {
  const size_t questions = 3 * Resolver::kThreads;
  for (size_t i = 0; i < questions; ++i) {
    resolver_.resolve(i % 2 == 0 ? "localhost" : impossible_name(), 9095, note(std::to_string(i)));
  }
  run_until(questions);
  EXPECT_EQ(std::count_if(answers_.begin(), answers_.end(),
                          [](const std::string& answer) { return answer.ends_with(" found"); }),
            static_cast<ptrdiff_t>(questions / 2));
}

TEST_F(ResolverTest, ForgetsWhatIsCancelledWhereverItIs) {
  std::vector<uint64_t> cancelled;
  for (size_t i = 0; i < 2 * Resolver::kThreads; ++i) {
    cancelled.push_back(resolver_.resolve("localhost", 9095, note("cancelled")));
  }
  for (const uint64_t question : cancelled) resolver_.cancel(question);
  resolver_.resolve("localhost", 9095, note("kept"));
  run_until(1);
  EXPECT_EQ(answers_, std::vector<std::string>{"kept found"});
}

TEST(Resolver, MayEndBeforeItsThreads) {
  EventLoop loop;
  for (int round = 0; round < 20; ++round) {
    Resolver resolver(loop);
    resolver.resolve("localhost", 9095, [](const Result<Resolver::Endpoints>&) { FAIL(); });
  }
  // Answers that arrive now find nobody.
  Resolver other(loop);
  bool answered = false;
  other.resolve("localhost", 9095, [&](const Result<Resolver::Endpoints>&) { answered = true; });
  while (!answered) loop.run_turn(Duration::seconds(1), 10);
}

}  // namespace
}  // namespace magpie::os
