#include "control/adoption.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "control/absent_nodes.h"
#include "control/decide_groups.h"
#include "control/decide_regions.h"
#include "control/decide_topic.h"
#include "control/deleted_topic.h"
#include "control/exposure.h"
#include "control/group_values.h"
#include "control/keys.h"
#include "control/promotion.h"
#include "control/region_values.h"
#include "control/replication.h"
#include "control/test_support.h"
#include "control/values.h"

namespace magpie::control {
namespace {

using testing::one_node;
using testing::random_transaction;

constexpr uint64_t kLost = 77;  // the store that the copies are of

Member member(int32_t node) {
  return {NodeId{node}, {{static_cast<uint8_t>(node)}}};
}

Node registered(int32_t id, const char* region) {
  Node node;
  node.id = NodeId{id};
  node.region = region;
  node.incarnation = member(id).incarnation;
  node.link = {"host", 1};
  return node;
}

Values values_of(const State& state) {
  Values values;
  for (const auto& [key, entry] : state.entries()) values[key] = entry.value;
  return values;
}

void put(State& state, const std::string& key, std::string value) {
  ASSERT_TRUE(state.apply(state.revision() + 1, {{key, std::move(value)}}));
}

// Three regions with a node each; node 1 leads `default` in epoch 1 with node 2 in sync, and has a
// topic there.
State three_regions() {
  State state;
  const char* const regions[] = {"bj", "gz", "sh"};
  for (int32_t id = 1; id <= 3; ++id) {
    const Node node = registered(id, regions[id - 1]);
    const auto decided = decide_register_node(state, node, RegionRole::kData);
    EXPECT_TRUE(decided.has_value());
    EXPECT_TRUE(state.apply(state.revision() + 1, decided->transaction.changes));
  }
  Leadership led;
  led.epoch = LeaderEpoch{1};
  led.leader = member(1);
  led.open = true;
  led.sync = {member(2)};
  led.promotable = {member(1), member(2)};
  led.state = ReplicationState::kSync;
  put(state, leadership_key("default"), encode_leadership(led));
  put(state, std::string(kEpochsKey), encode_counter(2));
  const Topic orders = testing::topic("orders", 9, {1, 1});
  put(state, topic_key("orders"), encode_topic(orders));
  put(state, ceilings_key("default", orders.id), encode_ceilings({{Offset{100}, Offset{50}}, {}}));
  return state;
}

CopyReport report(int32_t node) {
  CopyReport made;
  made.member = member(node);
  made.store_id = kLost;
  made.revision = 20;
  made.complete = true;
  made.highest["default"] = LeaderEpoch{1};
  if (node == 1) made.leads["default"] = LeaderEpoch{1};
  return made;
}

AdoptionInput input_of(const State& newest, const State& backup) {
  return {kLost,
          newest.revision(),
          values_of(newest),
          values_of(backup),
          {report(1), report(2), report(3)},
          WallTime{5'000}};
}

// What the store holds afterwards.
Values carried_out(const AdoptionInput& input, const Adoption& adoption) {
  Values store = input.store;
  std::vector<Change> changes = adoption.changes;
  changes.push_back(adoption.mark);
  for (const Change& change : changes) {
    store.erase(change.key);
    if (change.value) store[change.key] = *change.value;
  }
  return store;
}

State state_with(const Values& values) {
  State state;
  std::vector<Change> changes;
  for (const auto& [key, value] : values) changes.push_back({key, value});
  EXPECT_TRUE(state.apply(1, changes));
  return state;
}

const AdoptedGroup& only_group(const Adoption& adoption) {
  EXPECT_EQ(adoption.groups.size(), 1u);
  return adoption.groups.front();
}

TEST(Adoption, ARunningLeaderGoesOnInItsTerm) {
  const State newest = three_regions();
  const AdoptionInput input = input_of(newest, State());
  const auto adoption = decide_adoption(input);
  ASSERT_TRUE(adoption) << adoption.error().message;
  EXPECT_EQ(only_group(*adoption).standing, Standing::kKept);
  const State after = state_with(carried_out(input, *adoption));
  EXPECT_EQ(after.leadership(), newest.leadership());
  EXPECT_EQ(after.topics(), newest.topics());
  EXPECT_EQ(after.nodes(), newest.nodes());
  EXPECT_GE(after.next_epoch(), newest.next_epoch() + kEpochMargin);
  EXPECT_GE(after.next_producer_id(), kProducerIdMargin);
  const auto mark = decode_adopted(adoption->mark.key, *adoption->mark.value);
  ASSERT_TRUE(mark);
  EXPECT_EQ(adoption->mark.key, "adopted/77");
  EXPECT_EQ(*mark, (Adopted{newest.revision(), WallTime{5'000}}));
}

// Otherwise a region that was removed would be let in by the restored store.
TEST(Adoption, RegionsThatLeftStayOut) {
  State newest = three_regions();
  const WallTime now{1'000'000};
  const auto remove = [&](const char* region) {
    const auto step = decide_remove_region(newest, region, now, Duration::seconds(10));
    ASSERT_TRUE(step) << step.error().message;
    ASSERT_TRUE(newest.apply(newest.revision() + 1, step->transaction.changes));
  };
  State backup = newest;
  put(newest, alive_key(NodeId{1}), encode_alive(member(1).incarnation));
  remove("sh");
  const State leaving = newest;
  remove("sh");
  ASSERT_TRUE(is_removed(newest, "sh"));
  for (const State& copy : {leaving, newest}) {
    AdoptionInput input = input_of(copy, backup);
    const auto adoption = decide_adoption(input);
    ASSERT_TRUE(adoption) << adoption.error().message;
    const Values after = carried_out(input, *adoption);
    const State state = state_with(after);
    EXPECT_EQ(is_removed(state, "sh"), is_removed(copy, "sh"));
    EXPECT_EQ(is_leaving(state, "sh"), is_leaving(copy, "sh"));
    for (const std::string& key : {std::string(kRegionChangeKey), absent_key(NodeId{3})}) {
      EXPECT_EQ(after.contains(key), copy.modified(key) > 0) << key;
    }
  }
  EXPECT_EQ(only_group(*decide_adoption(input_of(newest, backup))).standing, Standing::kKept)
      << "the node that left need not report";
  AdoptionInput without = input_of(newest, backup);
  without.reports.pop_back();
  EXPECT_EQ(only_group(*decide_adoption(without)).standing, Standing::kKept);
  EXPECT_EQ(*missing_nodes(without.copy, without.reports), std::vector<NodeId>{});
}

TEST(Adoption, WhatTheBackupHasTooMuchGoes) {
  const State newest = three_regions();
  State backup = newest;
  put(backup, topic_key("deleted"), encode_topic(testing::topic("deleted", 4, {1})));
  put(backup, alive_key(NodeId{1}), encode_alive(member(1).incarnation));
  const AdoptionInput input = input_of(newest, backup);
  const auto adoption = decide_adoption(input);
  ASSERT_TRUE(adoption);
  const Values after = carried_out(input, *adoption);
  EXPECT_FALSE(after.contains(topic_key("deleted")));
  EXPECT_TRUE(after.contains(alive_key(NodeId{1}))) << "goes with its lease";
}

TEST(Adoption, NothingThatIsCountedGoesDown) {
  State newest = three_regions();
  State backup = newest;
  const Uuid orders = newest.find_topic("orders")->id;
  put(backup, ceilings_key("default", orders), encode_ceilings({{Offset{70}, Offset{500}}, {}}));
  put(backup, std::string(kEpochsKey), encode_counter(900));
  put(backup, std::string(kProducerIdsKey), encode_counter(3'000));
  AdoptionInput input = input_of(newest, backup);
  input.reports[1].highest["other"] = LeaderEpoch{2'000};
  const auto adoption = decide_adoption(input);
  ASSERT_TRUE(adoption);
  const State after = state_with(carried_out(input, *adoption));
  EXPECT_EQ(after.ceilings("default", orders).offsets,
            (std::vector<Offset>{Offset{100}, Offset{500}}));
  EXPECT_GT(after.next_epoch(), 2'000 + kEpochMargin);
  EXPECT_EQ(after.next_producer_id(), 3'000 + kProducerIdMargin);
  // The counters come first, so that an adoption that is interrupted and begun again is above this.
  ASSERT_GE(adoption->changes.size(), 2u);
  EXPECT_EQ(adoption->changes[0].key, kEpochsKey);
  EXPECT_EQ(adoption->changes[1].key, kProducerIdsKey);
}

TEST(Adoption, ALeaderThatWasRestartedLeadsInANewEpochFromTheBeginning) {
  const State newest = three_regions();
  AdoptionInput input = input_of(newest, newest);
  input.reports[0].leads.clear();
  const auto adoption = decide_adoption(input);
  ASSERT_TRUE(adoption);
  const AdoptedGroup& group = only_group(*adoption);
  EXPECT_EQ(group.standing, Standing::kRenewed);
  EXPECT_EQ(group.leadership.leader, member(1));
  EXPECT_EQ(group.leadership.promotable, Members{member(1)}) << "node 2 may have been let go";
  EXPECT_FALSE(group.leadership.open);
  EXPECT_EQ(group.leadership.opened_with, OpenedWith::kLossless);
  EXPECT_GT(group.leadership.epoch.value, kEpochMargin);
  const State after = state_with(carried_out(input, *adoption));
  EXPECT_EQ(after.leadership(), group.leadership);
  EXPECT_GT(after.next_epoch(), group.leadership.epoch.value);
  // Its last reservation may be in no copy.
  EXPECT_EQ(after.ceilings("default", newest.find_topic("orders")->id).offsets,
            (std::vector<Offset>{Offset{100} + kOffsetMargin, Offset{50} + kOffsetMargin}));
}

TEST(Adoption, ATermThatEndsTakesItsEpisodeWithIt) {
  State newest = three_regions();
  const Term term{"default", LeaderEpoch{1}, member(1)};
  const auto alone = decide_shrink_sync(newest, term, member(2), WallTime{1'000});
  ASSERT_TRUE(alone);
  ASSERT_TRUE(newest.apply(newest.revision() + 1, alone->transaction.changes));
  AdoptionInput input = input_of(newest, newest);
  const State kept = state_with(carried_out(input, *decide_adoption(input)));
  EXPECT_FALSE(episodes_of(kept, "default").at(1).ended) << "the leader goes on";
  input.reports[0].leads.clear();
  const State after = state_with(carried_out(input, *decide_adoption(input)));
  const Episode episode = episodes_of(after, "default").at(1);
  EXPECT_EQ(episode.ended, WallTime{5'000});
  EXPECT_EQ(episode.how, EpisodeEnd::kTermEnded);
}

TEST(Adoption, DeletedTopicsCanStillBeRestored) {
  State newest = three_regions();
  const Uuid orders = newest.find_topic("orders")->id;
  const auto removed =
      decide_delete_topic(newest, {"orders", std::nullopt, Duration::seconds(60), {1'000}});
  ASSERT_TRUE(removed);
  ASSERT_TRUE(newest.apply(newest.revision() + 1, removed->transaction.changes));
  const DeletedTopic deleted = deleted_topics(newest).at(orders);
  ASSERT_EQ(deleted.holders.at("default"), (Members{member(1), member(2)}));
  State backup = three_regions();
  put(backup, ceilings_key("default", orders), encode_ceilings({{Offset{70}, Offset{500}}, {}}));
  AdoptionInput input = input_of(newest, backup);
  const State kept = state_with(carried_out(input, *decide_adoption(input)));
  EXPECT_EQ(kept.find_topic("orders"), nullptr) << "the backup is older than the deletion";
  EXPECT_EQ(deleted_topics(kept).at(orders), deleted);
  EXPECT_EQ(kept.ceilings("default", orders).offsets,
            (std::vector<Offset>{Offset{100}, Offset{500}}));
  // A leader that was restarted may have led with it, and without node 2, unseen.
  input.reports[0].leads.clear();
  const State renewed = state_with(carried_out(input, *decide_adoption(input)));
  EXPECT_EQ(deleted_topics(renewed).at(orders).holders.at("default"), Members{member(1)});
  EXPECT_EQ(renewed.ceilings("default", orders).offsets,
            (std::vector<Offset>{Offset{100} + kOffsetMargin, Offset{50} + kOffsetMargin}));
}

struct Doubt {
  const char* name;
  void (*make)(AdoptionInput&);
};

void forget(AdoptionInput& input, int32_t node) {
  std::erase_if(input.reports,
                [&](const CopyReport& each) { return each.member.node.value == node; });
}

TEST(Adoption, WhereSomebodyMayHaveLedUnseenNobodyLeads) {
  const Doubt doubts[] = {
      {"the leader has not reported", [](AdoptionInput& input) { forget(input, 1); }},
      {"who could take over has not", [](AdoptionInput& input) { forget(input, 2); }},
      {"it has, and cannot read its logs",
       [](AdoptionInput& input) { input.reports[1].complete = false; }},
      {"it has, with another directory",
       [](AdoptionInput& input) { input.reports[1].member.incarnation = {{8}}; }},
      {"somebody has accepted a later epoch",
       [](AdoptionInput& input) { input.reports[2].highest["default"] = LeaderEpoch{2}; }},
      {"the leader was restarted, and not everybody reported",
       [](AdoptionInput& input) {
         input.reports[0].leads.clear();
         forget(input, 3);
       }},
      {"the leader was restarted, and somebody cannot read its logs",
       [](AdoptionInput& input) {
         input.reports[0].leads.clear();
         input.reports[2].complete = false;
       }},
      {"somebody leads in the restored store",
       [](AdoptionInput& input) {
         Leadership led = three_regions().leadership();
         led.epoch = LeaderEpoch{5};
         led.leader = member(3);
         led.sync = {};
         led.promotable = {member(3)};
         input.store[leadership_key("default")] = encode_leadership(led);
       }},
  };
  const State newest = three_regions();
  const Uuid orders = newest.find_topic("orders")->id;
  for (const Doubt& doubt : doubts) {
    SCOPED_TRACE(doubt.name);
    AdoptionInput input = input_of(newest, newest);
    doubt.make(input);
    const auto adoption = decide_adoption(input);
    ASSERT_TRUE(adoption);
    const AdoptedGroup& group = only_group(*adoption);
    EXPECT_EQ(group.standing, Standing::kUnknown);
    EXPECT_FALSE(group.why.empty());
    const State after = state_with(carried_out(input, *adoption));
    const Leadership& led = after.leadership();
    EXPECT_GT(led.epoch.value, kEpochMargin);
    EXPECT_FALSE(led.open);
    // No node can go on with it or take it over without loss.
    for (const int32_t node : {1, 2, 3}) {
      EXPECT_FALSE(decide_renew_epoch(after, "default", member(node), {}).has_value());
      EXPECT_FALSE(decide_promote_without_loss(after, "default", NodeId{node}, {}).has_value());
    }
    EXPECT_EQ(after.ceilings("default", orders).offsets,
              (std::vector<Offset>{Offset{100} + kOffsetMargin, Offset{50} + kOffsetMargin}));
    // With loss any node can, the one that led before included.
    for (const int32_t node : {1, 2, 3}) {
      PromoteWithLoss request{"default", NodeId{node}, {}, false};
      const Quorum quorum = acceptance_quorum(after, "default");
      for (const std::string& site : quorum.sites) {
        request.acceptances.push_back({site, LeaderEpoch{led.epoch.value + 1}});
      }
      const auto promoted = decide_promote_with_loss(after, request, {});
      ASSERT_TRUE(promoted.has_value()) << promoted.error().message;
      EXPECT_EQ(promoted->answer.opened_with, OpenedWith::kLossy);
    }
  }
}

TEST(Adoption, WhoCannotHaveLedMayBeMissing) {
  const State newest = three_regions();
  AdoptionInput input = input_of(newest, newest);
  forget(input, 3);  // not in sync, and one of two other sites has reported
  const auto adoption = decide_adoption(input);
  ASSERT_TRUE(adoption);
  EXPECT_EQ(only_group(*adoption).standing, Standing::kKept);
  // With both others gone nobody knows whether they have accepted a later epoch.
  State alone = newest;
  Leadership led = newest.leadership();
  led.sync = {};
  led.promotable = {member(1)};
  put(alone, leadership_key("default"), encode_leadership(led));
  input = input_of(alone, newest);
  forget(input, 2);
  forget(input, 3);
  const auto doubted = decide_adoption(input);
  ASSERT_TRUE(doubted);
  EXPECT_EQ(only_group(*doubted).standing, Standing::kUnknown);
}

TEST(Adoption, WhoIsJoiningCounts) {
  State newest = three_regions();
  Leadership led = newest.leadership();
  led.joining = member(3);
  put(newest, leadership_key("default"), encode_leadership(led));
  AdoptionInput input = input_of(newest, newest);
  forget(input, 3);
  EXPECT_EQ(only_group(*decide_adoption(input)).standing, Standing::kUnknown);
}

TEST(Adoption, CanBeBegunAgain) {
  const State newest = three_regions();
  for (const bool restarted : {false, true}) {
    AdoptionInput input = input_of(newest, State());
    if (restarted) input.reports[0].leads.clear();
    const auto whole = decide_adoption(input);
    ASSERT_TRUE(whole);
    for (size_t made = 0; made <= whole->changes.size(); ++made) {
      AdoptionInput again = input;
      for (size_t i = 0; i < made; ++i)
        again.store[whole->changes[i].key] = *whole->changes[i].value;
      const auto adoption = decide_adoption(again);
      ASSERT_TRUE(adoption);
      EXPECT_EQ(only_group(*adoption).standing, restarted ? Standing::kRenewed : Standing::kKept);
      const State after = state_with(carried_out(again, *adoption));
      EXPECT_EQ(after.leadership().leader, member(1));
      if (restarted && made == whole->changes.size()) {
        EXPECT_GT(after.leadership().epoch, only_group(*whole).leadership.epoch);
      }
    }
  }
}

TEST(Adoption, KnowsWhoIsMissingAndWhoIsAStranger) {
  const State newest = three_regions();
  const Values copy = values_of(newest);
  EXPECT_EQ(*missing_nodes(copy, {report(1), report(3)}), std::vector<NodeId>{NodeId{2}});
  CopyReport other = report(2);
  other.member.incarnation = {{8}};
  EXPECT_EQ(missing_nodes(copy, {report(1), other, report(3)})->size(), 1u);
  Values store = copy;
  store[alive_key(NodeId{1})] = encode_alive(member(1).incarnation);
  EXPECT_TRUE(strangers(copy, store)->empty()) << "left from the backup";
  store[alive_key(NodeId{2})] = encode_alive({{8}});
  store[alive_key(NodeId{9})] = encode_alive({{9}});
  EXPECT_EQ(*strangers(copy, store), (std::vector<NodeId>{NodeId{2}, NodeId{9}}));
}

TEST(Adoption, TheNewestCopyIsOfTheStoreThatWasAdoptedLast) {
  const Values old;
  Values next;
  next[adopted_key(1)] = encode_adopted({10, {}});
  const OfferedCopy first{1, 10, &old};
  const OfferedCopy second{2, 3, &next};
  EXPECT_EQ(newest_copy({first, second})->store_id, 2u);
  EXPECT_EQ(newest_copy({{1, 4, &old}, first})->revision, 10);
  EXPECT_FALSE(newest_copy({{1, 11, &old}, second})) << "that one was left out";
  EXPECT_FALSE(newest_copy({first, {3, 30, &old}})) << "of two clusters";
  EXPECT_FALSE(newest_copy({}));
}

TEST(Adoption, MarksAreReadBack) {
  const Adopted mark{12, WallTime{99}};
  EXPECT_EQ(encode_adopted(mark), R"({"at":99,"revision":12,"v":1})");
  EXPECT_EQ(*decode_adopted("adopted/1", encode_adopted(mark)), mark);
  EXPECT_FALSE(decode_adopted("adopted/1", R"({"at":99,"v":1})"));
  EXPECT_FALSE(decode_adopted("adopted/1", R"({"at":99,"revision":12,"v":2})"));
}

// Whatever happened, wherever the backup was taken and however far each node has seen it.
TEST(Adoption, AnyBackupWithAllCopiesBecomesTheNewestState) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    State state = three_regions();
    std::vector<State> history = {State(), state};
    for (int i = 0; i < 40; ++i) {
      const Transaction transaction = random_transaction(state, one_node(), random);
      if (transaction.empty()) continue;
      ASSERT_TRUE(state.apply(state.revision() + 1, transaction.changes));
      if (random.chance(1, 4)) {
        put(state, alive_key(NodeId{2}), encode_alive(member(2).incarnation));
      }
      history.push_back(state);
    }
    const auto any = [&](size_t from) -> const State& {
      return history[random.between(static_cast<int64_t>(from),
                                    static_cast<int64_t>(history.size()) - 1)];
    };
    const State& backup = any(0);
    const std::vector<State> copies = {any(1), any(1), any(1)};
    const State& newest = *std::max_element(
        copies.begin(), copies.end(),
        [](const State& one, const State& other) { return one.revision() < other.revision(); });
    AdoptionInput input = input_of(newest, backup);
    for (CopyReport& each : input.reports) each.leads.clear();
    for (const auto& [group, policy] : newest.groups()) {
      if (!newest.leadership(group).exists()) continue;
      input.reports[0].leads[group] = newest.leadership(group).epoch;
    }
    // A backup that is newer than every copy shows what none has seen.
    if (backup.revision() > newest.revision()) continue;
    const auto adoption = decide_adoption(input);
    ASSERT_TRUE(adoption) << adoption.error().message;
    Values after = carried_out(input, *adoption);
    const State result = state_with(after);
    EXPECT_GE(result.next_epoch(), newest.next_epoch() + kEpochMargin);
    EXPECT_GE(result.next_producer_id(), newest.next_producer_id() + kProducerIdMargin);
    Values expected = values_of(newest);
    for (Values* values : {&after, &expected}) {
      values->erase(adoption->mark.key);
      std::erase_if(*values, [](const auto& entry) {
        return entry.first == kEpochsKey || entry.first == kProducerIdsKey ||
               entry.first.starts_with(kAlivePrefix);
      });
    }
    EXPECT_EQ(after, expected);
    // Every node can go over to it: nothing goes back that may not.
    for (const State& copy : copies) {
      State node;
      ASSERT_TRUE(node.replace(1, copy.entries()));
      const auto over = node.replace(2, result.entries());
      EXPECT_TRUE(over) << over.error().message;
    }
  }
}

}  // namespace
}  // namespace magpie::control
