#include "failover/step_batch.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "control/transaction_builder.h"

namespace magpie::failover {
namespace {

using control::Refusal;
using control::RefusalCode;
using control::State;
using control::Transaction;

// Adds `text` to what a key holds.
Proposal append(uint64_t ticket, const std::string& key, const std::string& text) {
  return {ticket, [key, text](const State& state) -> tl::expected<Transaction, Refusal> {
            const auto found = state.entries().find(key);
            const std::string held = found == state.entries().end() ? "" : found->second.value;
            Transaction transaction;
            control::change_key(state, key, held + text, transaction);
            return transaction;
          }};
}

Proposal refused(uint64_t ticket) {
  return {ticket, [ticket](const State&) -> tl::expected<Transaction, Refusal> {
            return control::refuse(RefusalCode::kPolicyViolation, std::to_string(ticket));
          }};
}

// Keys that no version knows are kept as they are.
State with_keys() {
  State state;
  EXPECT_TRUE(state.apply(5, {{"a/1", "x"}, {"a/2", "y"}}));
  return state;
}

TEST(StepBatch, EachStepSeesWhatTheOnesBeforeItDid) {
  const State state = with_keys();
  StepBatch batch({append(1, "a/1", "1"), append(2, "a/2", "2"), append(3, "a/1", "3")});
  const auto decided = batch.decide(state);
  ASSERT_TRUE(decided);
  EXPECT_EQ(decided->changes, (std::vector<control::Change>{{"a/1", "x13"}, {"a/2", "y2"}}));
  EXPECT_EQ(decided->compares, (std::vector<control::Compare>{{"a/1", 5}, {"a/2", 5}}));
  EXPECT_TRUE(state.allows(*decided)) << "what is compared is what is there, not what was seen";
}

TEST(StepBatch, AStepThatIsRefusedHoldsNobodyUp) {
  const State state = with_keys();
  StepBatch batch({refused(7), append(8, "a/1", "1")});
  const auto decided = batch.decide(state);
  ASSERT_TRUE(decided);
  EXPECT_EQ(decided->changes.size(), 1u);
  const auto settled = batch.settled(std::nullopt);
  ASSERT_EQ(settled.size(), 2u);
  EXPECT_EQ(settled[0].ticket, 7u);
  EXPECT_EQ(settled[0].refusal->message, "7");
  EXPECT_EQ(settled[1].ticket, 8u);
  EXPECT_FALSE(settled[1].refusal);
  const auto failed = batch.settled(Refusal{RefusalCode::kUnavailable, "gone"});
  EXPECT_EQ(failed[0].refusal->message, "7");
  EXPECT_EQ(failed[1].refusal->message, "gone");
  StepBatch none({refused(7), refused(8)});
  EXPECT_EQ(none.decide(state).error().message, "7");
  StepBatch one({refused(7)});
  EXPECT_FALSE(one.decide(state));
  EXPECT_EQ(one.settled(Refusal{RefusalCode::kPolicyViolation, "said"})[0].refusal->message,
            "said");
}

// A store refuses a transaction that looks at too many keys.
TEST(StepBatch, LooksAtAsManyKeysAsAStoreTakes) {
  const State state = with_keys();
  std::vector<Proposal> steps;
  for (uint64_t i = 0; i < 24; ++i) {
    steps.push_back({i, [i](const State& at) -> tl::expected<Transaction, Refusal> {
                       Transaction transaction;
                       for (int key = 0; key < 6; ++key) {
                         control::compare_key(at, fmt::format("b/{}/{}", i, key), transaction);
                       }
                       control::change_key(at, fmt::format("c/{}", i), "x", transaction);
                       return transaction;
                     }});
  }
  StepBatch batch(std::move(steps));
  const auto decided = batch.decide(state);
  ASSERT_TRUE(decided);
  EXPECT_EQ(decided->changes.size(), 18u);
  EXPECT_EQ(decided->compares.size(), 126u);
}

TEST(StepBatch, WhatHasNoRoomIsTakenTheNextTime) {
  const State state = with_keys();
  const std::string large(kBatchBytes / 2 + 1, 'z');
  StepBatch batch({append(1, "a/1", large), append(2, "a/2", large), append(3, "a/3", "c")});
  const auto decided = batch.decide(state);
  ASSERT_TRUE(decided);
  ASSERT_EQ(decided->changes.size(), 1u);
  EXPECT_EQ(decided->changes[0].key, "a/1");
  for (const ProposalSettled& settled : batch.settled(std::nullopt)) EXPECT_FALSE(settled.refusal);
}

}  // namespace
}  // namespace magpie::failover
