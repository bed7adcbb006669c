#include "sim/requester.h"

#include <gtest/gtest.h>

namespace magpie::sim {
namespace {

TEST(Requester, PeopleGiveUpOnlyWhatWaitsForThem) {
  control::Operation operation;
  operation.groups.resize(1);
  control::OperationGroup& group = operation.groups[0];
  group.step = control::OperationStep::kFencing;
  EXPECT_FALSE(needs_a_person(operation)) << "it does not say why";
  group.waiting_for = "more sites to accept the new epoch: c";
  EXPECT_FALSE(needs_a_person(operation)) << "they must accept it";
  group.waiting_for = "node 2 holds everything. Promote it instead, or override if it is lost";
  EXPECT_TRUE(needs_a_person(operation));
  group.step = control::OperationStep::kVerifying;
  EXPECT_FALSE(needs_a_person(operation));
}

}  // namespace
}  // namespace magpie::sim
