// A control state with regions, groups and topics, for tests of what is decided about them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "control/decide_groups.h"
#include "control/decide_topic.h"
#include "control/test_support.h"

namespace magpie::control {

class GroupsFixture : public ::testing::Test {
 protected:
  static Node node(int32_t id, std::string region, uint8_t incarnation = 1) {
    Node node{NodeId{id}, std::move(region), {}, {"host", 1}, {}, "0.1"};
    node.incarnation.bytes.fill(incarnation);
    return node;
  }
  static Member member(int32_t id) { return {NodeId{id}, node(id, "").incarnation}; }
  template <typename Answer>
  void commit(const Decided<Answer>& decided) {
    ASSERT_TRUE(decided) << decided.error().message;
    ASSERT_TRUE(state_.allows(decided->transaction));
    if (decided->transaction.empty()) return;
    const auto applied = state_.apply(state_.revision() + 1, decided->transaction.changes);
    ASSERT_TRUE(applied) << applied.error().message;
  }
  template <typename Answer>
  static std::string refusal(const Decided<Answer>& decided) {
    return decided ? "accepted" : decided.error().message;
  }
  void three_regions() {
    commit(decide_register_node(state_, node(1, "bj")));
    commit(decide_register_node(state_, node(2, "sh")));
    commit(decide_register_node(state_, node(3, "gz")));
  }
  void create_group(const std::string& name, std::vector<std::string> regions) {
    FailoverGroup group;
    group.name = name;
    group.regions = std::move(regions);
    commit(decide_create_group(state_, group));
  }
  const Topic& create_topic(const std::string& name, const std::string& groups) {
    CreateTopic request;
    request.name = name;
    request.partitions = 4;
    request.configs = {{"magpie.failover.group", groups}};
    commit(decide_create_topic(state_, testing::one_node(), request, random_));
    return *state_.find_topic(name);
  }

  State state_;
  Random random_{4};
};

}  // namespace magpie::control
