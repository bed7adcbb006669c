#include "control/decide_topic.h"

#include <gtest/gtest.h>

namespace magpie::control {
namespace {

TEST(CreateTopic, Smoke) {
  State state;
  Policy policy;
  policy.nodes = {NodeId{1}};
  Random random(1);
  CreateTopic request;
  request.name = "orders";
  auto decided = decide_create_topic(state, policy, request, random);
  ASSERT_TRUE(decided) << decided.error().message;
  ASSERT_TRUE(state.apply(1, decided->transaction.changes));
  EXPECT_EQ(state.find_topic("orders")->id, decided->answer.id);
}

}  // namespace
}  // namespace magpie::control
