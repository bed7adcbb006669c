#include "partition/commitment.h"

#include <gtest/gtest.h>

namespace magpie::partition {
namespace {

constexpr NodeId kNear{2};
constexpr NodeId kFar{3};

TEST(Commitment, NothingIsCommittedBeforeTheSyncSetIsKnown) {
  Commitment commitment;
  commitment.begin();
  commitment.reconciled(kNear, {10});
  EXPECT_EQ(commitment.end({10}), Offset{-1});
}

TEST(Commitment, TheSlowestOfTheRequiredDecides) {
  Commitment commitment;
  commitment.begin();
  commitment.require({kNear, kFar});
  commitment.reconciled(kNear, {7});
  commitment.reconciled(kFar, {4});
  EXPECT_EQ(commitment.end({9}), Offset{4});
  commitment.durable(kFar, {9});
  EXPECT_EQ(commitment.end({9}), Offset{7});
  commitment.durable(kNear, {12});
  EXPECT_EQ(commitment.end({9}), Offset{9});
}

TEST(Commitment, APositionCountsOnlyOnceReconciled) {
  Commitment commitment;
  commitment.begin();
  commitment.require({kNear});
  commitment.durable(kNear, {100});
  EXPECT_EQ(commitment.end({9}), Offset{-1});
  commitment.reconciled(kNear, {5});
  EXPECT_EQ(commitment.end({9}), Offset{5});
  commitment.begin();
  commitment.require({kNear});
  EXPECT_EQ(commitment.end({9}), Offset{-1});
}

TEST(Commitment, PositionsDoNotGoBack) {
  Commitment commitment;
  commitment.begin();
  commitment.require({kNear});
  commitment.reconciled(kNear, {5});
  commitment.durable(kNear, {3});
  EXPECT_EQ(commitment.end({9}), Offset{5});
  commitment.forget(kNear);
  EXPECT_EQ(commitment.end({9}), Offset{-1});
}

TEST(Commitment, TheLogBeginsWhereTheLastOfTheRequiredSaysSo) {
  Commitment commitment;
  commitment.begin();
  EXPECT_EQ(commitment.start({5}), Offset{0}) << "not open";
  commitment.require({});
  EXPECT_EQ(commitment.start({5}), Offset{5}) << "nobody else";
  commitment.require({kNear});
  commitment.starts_at(kNear, {4});
  EXPECT_EQ(commitment.start({5}), Offset{0}) << "not compared with the leader's yet";
  commitment.reconciled(kNear, {9});
  commitment.starts_at(kNear, {4});
  commitment.reconciled(kFar, {9});
  commitment.starts_at(kFar, {1});
  EXPECT_EQ(commitment.start({5}), Offset{4});
  commitment.require({kNear, kFar});
  EXPECT_EQ(commitment.start({5}), Offset{1});
  commitment.forget(kFar);
  EXPECT_EQ(commitment.start({5}), Offset{0});
  commitment.begin();
  commitment.require({kNear});
  EXPECT_EQ(commitment.start({5}), Offset{0}) << "what was said in an earlier epoch";
}

TEST(Commitment, WhatIsDroppedWaitsForWhoeverIsAboutToLead) {
  Commitment commitment;
  commitment.begin();
  commitment.require({});
  commitment.reconciled(kNear, {9});
  commitment.starts_at(kNear, {4});
  commitment.set_successor(kNear);
  EXPECT_EQ(commitment.start({5}), Offset{4});
  EXPECT_EQ(commitment.end({10}), Offset{10}) << "commits do not wait for it";
  commitment.set_successor(std::nullopt);
  EXPECT_EQ(commitment.start({5}), Offset{5}) << "the hand-over was given up";
  commitment.set_successor(kNear);
  commitment.begin();
  commitment.require({});
  EXPECT_EQ(commitment.start({5}), Offset{5}) << "of an earlier epoch";
}

TEST(Commitment, TombstonesWaitForEveryMemberThatFollows) {
  Commitment commitment;
  commitment.begin();
  commitment.require({kNear});
  commitment.reconciled(kNear, {8});
  commitment.reconciled(kFar, {3});
  EXPECT_EQ(commitment.end({9}), Offset{8});
  EXPECT_EQ(commitment.lowest({9}), Offset{3});
}

}  // namespace
}  // namespace magpie::partition
