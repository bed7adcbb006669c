#include "store/store_client.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "store/store_world.h"

namespace magpie::store {
namespace {

// A client and what it has reported.
struct Node {
  size_t index = 0;
  bool loaded = false;
  int loads = 0;
  bool after_compaction = false;
  Revision revision = 0;
  std::map<std::string, KeyValue> state;
  std::map<uint64_t, TransactionDone> done;
  std::map<uint64_t, LeaseHeld> leases;
  int renewals = 0;
  int leases_gone = 0;
  int unreachable = 0;
  int reachable = 0;
  std::optional<StoreFrozen> frozen;
  bool replaced = false;

  void hear(const ClientEvent& event) {
    if (const auto* load = std::get_if<Loaded>(&event)) {
      loaded = true;
      ++loads;
      after_compaction = load->after_compaction;
      revision = load->revision;
      state.clear();
      for (const KeyValue& kv : load->entries) state[kv.key] = kv;
    } else if (const auto* changed = std::get_if<Changed>(&event)) {
      EXPECT_GT(changed->revision, revision);
      revision = changed->revision;
      for (const WatchEvent& change : changed->changes) {
        if (change.deleted) state.erase(change.kv.key);
        if (!change.deleted) state[change.kv.key] = change.kv;
      }
    } else if (const auto* settled = std::get_if<TransactionDone>(&event)) {
      EXPECT_TRUE(done.emplace(settled->ticket, *settled).second) << "settled twice";
    } else if (const auto* held = std::get_if<LeaseHeld>(&event)) {
      leases[held->handle] = *held;
      ++renewals;
    } else if (std::holds_alternative<LeaseGone>(event)) {
      ++leases_gone;
    } else if (const auto* stopped = std::get_if<StoreFrozen>(&event)) {
      frozen = *stopped;
    }
    unreachable += std::holds_alternative<StoreUnreachable>(event) ? 1 : 0;
    reachable += std::holds_alternative<StoreReachable>(event) ? 1 : 0;
    replaced |= std::holds_alternative<WriterReplaced>(event);
  }
  std::string value(const std::string& key) const {
    const auto found = state.find(key);
    return found == state.end() ? "" : found->second.value;
  }
};

StateTransaction put(const std::string& key, const std::string& value, LeaseId lease = 0) {
  return {{}, {{key, value, lease}}};
}
StateTransaction put_if(const std::string& key, Revision modified, const std::string& value) {
  return {{{key, CompareTarget::kMod, CompareResult::kEqual, modified, ""}}, {{key, value}}};
}

class StoreClientTest : public testing::Test {
 protected:
  Node& add(const std::string& writer) { return add(world.client_config(writer)); }
  Node& add(ClientConfig config) {
    nodes.push_back(std::make_unique<Node>());
    Node& node = *nodes.back();
    node.index =
        world.add_client(std::move(config), [&node](const ClientEvent& e) { node.hear(e); });
    return node;
  }
  Node& add_loaded(const std::string& writer) {
    Node& node = add(writer);
    EXPECT_TRUE(world.run_until([&] { return node.loaded; }));
    return node;
  }
  void submit(Node& node, uint64_t ticket, StateTransaction transaction) {
    world.with_client(node.index, [&](StoreClient& client, ClientOutput& out) {
      client.submit(world.now, ticket, std::move(transaction), out);
    });
  }
  TransactionDone outcome(Node& node, uint64_t ticket) {
    EXPECT_TRUE(world.run_until([&] { return node.done.contains(ticket); })) << "never decided";
    return node.done[ticket];
  }
  TransactionDone commit(Node& node, uint64_t ticket, StateTransaction transaction) {
    submit(node, ticket, std::move(transaction));
    return outcome(node, ticket);
  }
  void set_all_endpoints(bool up) {
    for (size_t i = 0; i < StoreWorld::kEndpoints; ++i) world.set_endpoint(i, up);
  }
  void hold(Node& node, uint64_t handle, int64_t seconds) {
    world.with_client(node.index, [&](StoreClient& client, ClientOutput& out) {
      client.hold_lease(world.now, handle, seconds, out);
    });
  }

  StoreWorld world{1};
  std::vector<std::unique_ptr<Node>> nodes;
};

TEST_F(StoreClientTest, LoadsCommitsAndHearsChanges) {
  world.change(PutRequest{"magpie/c/state/old", "1"});
  world.change(PutRequest{"magpie/other/state/foreign", "1"});
  Node& a = add_loaded("a");
  Node& reader = add_loaded("");
  EXPECT_EQ(a.state.size(), 1U);
  EXPECT_EQ(a.value("old"), "1");

  const TransactionDone done = commit(a, 1, put_if("new", 0, "2"));
  EXPECT_EQ(done.outcome, Outcome::kCommitted);
  ASSERT_TRUE(world.run_until([&] { return reader.value("new") == "2"; }));
  EXPECT_EQ(reader.state["new"].mod_revision, done.revision);
  EXPECT_EQ(commit(a, 2, {{}, {{"old", std::nullopt}}}).outcome, Outcome::kCommitted);
  ASSERT_TRUE(world.run_until([&] { return !reader.state.contains("old"); }));
  EXPECT_EQ(commit(reader, 1, put("x", "1")).outcome, Outcome::kRefused);
  EXPECT_EQ(a.unreachable, 0);
}

TEST_F(StoreClientTest, SaysWhenACompareFails) {
  Node& a = add_loaded("a");
  Node& b = add_loaded("b");
  const Revision first = commit(a, 1, put_if("k", 0, "a")).revision;
  EXPECT_EQ(commit(b, 1, put_if("k", 0, "b")).outcome, Outcome::kCompareFailed);
  EXPECT_EQ(commit(b, 2, put_if("k", first, "b")).outcome, Outcome::kCommitted);
  EXPECT_EQ(commit(a, 2, put_if("k", first, "a2")).outcome, Outcome::kCompareFailed);
  EXPECT_EQ(commit(a, 3, put("k", "a3")).outcome, Outcome::kCommitted);
  EXPECT_TRUE(world.applied("a2").empty());
}

TEST_F(StoreClientTest, CommitsInTheOrderOfSubmission) {
  Node& a = add_loaded("a");
  for (uint64_t i = 1; i <= 20; ++i) submit(a, i, put("k", std::to_string(i)));
  ASSERT_TRUE(world.run_until([&] { return a.done.size() == 20; }));
  for (uint64_t i = 2; i <= 20; ++i) EXPECT_GT(a.done[i].revision, a.done[i - 1].revision);
}

TEST_F(StoreClientTest, LoadsOneMomentPageByPage) {
  for (int i = 0; i < 50; ++i) {
    world.change(PutRequest{"magpie/c/state/k" + std::to_string(i), "0"});
  }
  ClientConfig config = world.client_config("");
  config.follower.page_keys = 7;
  Node& node = add(config);
  // Changes behind and before the reader's place, while it reads.
  for (int i = 0; i < 30 && !node.loaded; ++i) {
    world.change(PutRequest{"magpie/c/state/k" + std::to_string(i), "1"});
    world.change(DeleteRangeRequest{"magpie/c/state/k" + std::to_string(49 - i), ""});
    world.run_for(Duration::milliseconds(10));
  }
  ASSERT_TRUE(node.loaded);
  world.run_for(Duration::seconds(1));
  EXPECT_EQ(node.loads, 1);
  EXPECT_EQ(node.state.size(), world.image().kvs.size());
}

TEST_F(StoreClientTest, ReadsAnewAfterCompaction) {
  Node& a = add_loaded("a");
  Node& reader = add_loaded("");
  set_all_endpoints(false);
  world.run_for(Duration::seconds(2));
  for (int i = 0; i < 5; ++i) world.change(PutRequest{"magpie/c/state/k", std::to_string(i)});
  world.run_for(Duration::seconds(10));
  EXPECT_EQ(reader.unreachable, 1);
  world.change(CompactionRequest{world.image().revision});
  set_all_endpoints(true);
  ASSERT_TRUE(world.run_until([&] { return reader.value("k") == "4" && a.value("k") == "4"; }));
  EXPECT_EQ(reader.loads, 2);
  EXPECT_TRUE(reader.after_compaction);
  EXPECT_EQ(reader.reachable, 1);
  EXPECT_EQ(commit(a, 1, put("k", "x")).outcome, Outcome::kCommitted);
  ASSERT_TRUE(world.run_until([&] { return reader.value("k") == "x"; }));
}

TEST_F(StoreClientTest, ResumesAWatchWithoutReadingAnew) {
  Node& reader = add_loaded("");
  Node& a = add_loaded("a");
  world.faults.cut_watch = 500;
  for (uint64_t i = 1; i <= 30; ++i) commit(a, i, put("k", std::to_string(i)));
  world.faults.cut_watch = 0;
  ASSERT_TRUE(world.run_until([&] { return reader.value("k") == "30"; }));
  EXPECT_EQ(reader.loads, 1);
}

TEST_F(StoreClientTest, NoticesASilentWatch) {
  Node& reader = add_loaded("");
  world.run_for(Duration::seconds(1));
  world.faults.mute = true;
  world.change(PutRequest{"magpie/c/state/k", "1"});
  world.run_for(Duration::milliseconds(300));
  EXPECT_EQ(reader.value("k"), "");
  world.faults.mute = false;
  // What the old watch was sent is gone, and it is silent but for progress; a new one must come.
  ASSERT_TRUE(world.run_until([&] { return reader.value("k") == "1"; }, Duration::seconds(6)));
  EXPECT_EQ(reader.loads, 1);
}

TEST_F(StoreClientTest, DoesNotAskForMoreOfAQuietStore) {
  Node& reader = add_loaded("");
  world.run_for(Duration::seconds(1));
  // Somebody else's keys make the store go on, not the watch.
  world.change(PutRequest{"elsewhere", "1"});
  const uint64_t before = world.requests();
  world.run_for(Duration::seconds(60));
  EXPECT_LT(world.requests() - before, 25U) << "a probe every 3 s, and one new watch";
  EXPECT_EQ(reader.loads, 1);
}

TEST_F(StoreClientTest, UsesAnotherEndpointWhenOneIsSilent) {
  Node& a = add_loaded("a");
  for (size_t down = 0; down < StoreWorld::kEndpoints; ++down) {
    world.set_endpoint(down, false);
    EXPECT_EQ(commit(a, down, put("k", std::to_string(down))).outcome, Outcome::kCommitted);
    ASSERT_TRUE(world.run_until([&] { return a.value("k") == std::to_string(down); }));
    world.set_endpoint(down, true);
  }
  EXPECT_EQ(a.unreachable, 0);
}

TEST_F(StoreClientTest, KnowsWhatBecameOfATransactionWhoseAnswerWasLost) {
  Node& a = add_loaded("a");
  world.faults.lose_answer = 500;
  for (uint64_t i = 1; i <= 40; ++i) {
    // Compares that a second application would meet as well.
    const TransactionDone done = commit(a, i, put("k", "v" + std::to_string(i)));
    EXPECT_EQ(done.outcome, Outcome::kCommitted);
    EXPECT_EQ(world.applied("v" + std::to_string(i)), (std::vector<Revision>{done.revision}));
  }
}

// As when a member of etcd passes it on to a leader that has just died.
TEST_F(StoreClientTest, AsksAnotherEndpointLongBeforeALostTransactionTimesOut) {
  ClientConfig one_endpoint = world.client_config("b");
  one_endpoint.courier.endpoints.resize(1);
  Node& a = add_loaded("a");
  Node& b = add(one_endpoint);
  ASSERT_TRUE(world.run_until([&] { return b.loaded; }));
  const auto time_of = [&](Node& node) {
    EXPECT_EQ(commit(node, 1, put("k", "v")).outcome, Outcome::kCommitted);
    world.run_for(Duration::seconds(5));
    const Instant begin = world.now;
    world.faults.lose_request = 1000;
    submit(node, 2, put("k", "lost"));
    world.run_for(Duration::milliseconds(100));
    world.faults.lose_request = 0;
    EXPECT_EQ(outcome(node, 2).outcome, Outcome::kCommitted);
    return world.now - begin;
  };
  EXPECT_LT(time_of(a), Duration::milliseconds(400)) << "a request times out after a second";
  EXPECT_EQ(a.unreachable, 0);
  EXPECT_GE(time_of(b), Duration::seconds(1)) << "there is nobody else to ask";
}

TEST_F(StoreClientTest, GetsUsedToAStoreThatHasBecomeSlow) {
  Node& a = add_loaded("a");
  EXPECT_EQ(commit(a, 1, put("k", "1")).outcome, Outcome::kCommitted);
  world.faults.delay_max = Duration::milliseconds(400);  // each way
  for (uint64_t i = 2; i <= 40; ++i) {
    const TransactionDone done = commit(a, i, put("k", std::to_string(i)));
    EXPECT_EQ(done.outcome, Outcome::kCommitted);
    EXPECT_EQ(world.applied(std::to_string(i)), (std::vector<Revision>{done.revision}));
  }
  const uint64_t before = world.requests();
  for (uint64_t i = 41; i <= 50; ++i) commit(a, i, put("k", std::to_string(i)));
  EXPECT_LE(world.requests() - before, 16U) << "a copy of each, and a look now and then";
}

TEST_F(StoreClientTest, LateCopiesOfAnEarlierRunAreWithoutEffect) {
  Node& first = add_loaded("a");
  world.faults.long_delay = 1000;
  submit(first, 1, put("k", "late"));
  world.run_for(Duration::milliseconds(900));
  world.faults.long_delay = 0;
  world.kill_client(first.index);
  Node& second = add_loaded("a");
  const Revision loaded = second.revision;
  world.run_for(Duration::seconds(20));
  for (const Revision revision : world.applied("late")) EXPECT_LE(revision, loaded);
  EXPECT_EQ(commit(second, 1, put("k", "new")).outcome, Outcome::kCommitted);
}

TEST_F(StoreClientTest, SurvivesRestartsOfTheStore) {
  Node& a = add_loaded("a");
  for (uint64_t i = 1; i <= 20; ++i) {
    submit(a, i, put("k", "v" + std::to_string(i)));
    world.run_for(Duration::milliseconds(world.random.between(0, 40)));
    world.restart_store();
    const TransactionDone done = outcome(a, i);
    EXPECT_EQ(done.outcome, Outcome::kCommitted);
    EXPECT_EQ(world.applied("v" + std::to_string(i)), (std::vector<Revision>{done.revision}));
  }
  ASSERT_TRUE(world.run_until([&] { return a.value("k") == "v20"; }));
  EXPECT_FALSE(a.frozen);
}

TEST_F(StoreClientTest, StopsWhenTheStoreHasGoneBack) {
  Node& a = add_loaded("a");
  commit(a, 1, put("k", "1"));
  const Image backup = world.image();
  commit(a, 2, put("k", "2"));
  world.restart_store_from(backup);
  submit(a, 3, put("k", "3"));
  ASSERT_TRUE(world.run_until([&] { return a.frozen.has_value(); }));
  EXPECT_EQ(a.frozen->reason, FrozenReason::kWentBack);
  EXPECT_NE(outcome(a, 3).outcome, Outcome::kCommitted);
  EXPECT_EQ(commit(a, 4, put("k", "4")).outcome, Outcome::kRefused);
  EXPECT_EQ(world.client(a.index).next_deadline(), Instant::never());
}

TEST_F(StoreClientTest, FindsARollbackThatNewWritesHaveOvertaken) {
  Node& a = add_loaded("a");
  const Image backup = world.image();
  commit(a, 1, put("k", "1"));
  world.restart_store_from(backup);
  for (int i = 0; i < 20; ++i) world.change(PutRequest{"magpie/c/state/x", "1"});
  world.run_for(Duration::milliseconds(5));
  submit(a, 2, put("k", "2"));
  ASSERT_TRUE(world.run_until([&] { return a.frozen.has_value(); }));
  EXPECT_EQ(a.frozen->reason, FrozenReason::kWentBack);
}

TEST_F(StoreClientTest, StopsAtAnotherStore) {
  Node& a = add_loaded("a");
  Image other = world.image();
  other.cluster_id = 8;
  world.restart_store_from(other);
  ASSERT_TRUE(world.run_until([&] { return a.frozen.has_value(); }));
  EXPECT_EQ(a.frozen->reason, FrozenReason::kOtherStore);
  ClientConfig config = world.client_config("");
  config.known_cluster_id = 7;
  Node& known = add(config);
  ASSERT_TRUE(world.run_until([&] { return known.frozen.has_value(); }));
  EXPECT_FALSE(known.loaded);
  config.known_cluster_id = 8;
  config.known_revision = 1000;
  Node& ahead = add(config);
  ASSERT_TRUE(world.run_until([&] { return ahead.frozen.has_value(); }));
  EXPECT_EQ(ahead.frozen->reason, FrozenReason::kWentBack);
}

TEST_F(StoreClientTest, NoticesASecondWriterOfTheSameName) {
  Node& first = add_loaded("a");
  commit(first, 1, put("k", "1"));
  Node& second = add_loaded("a");
  submit(first, 2, put("k", "2"));
  submit(first, 3, put("k", "3"));
  ASSERT_TRUE(world.run_until([&] { return first.done.size() == 3; }));
  EXPECT_TRUE(first.replaced);
  EXPECT_EQ(first.done[2].outcome, Outcome::kUnknown);
  EXPECT_EQ(first.done[3].outcome, Outcome::kRefused);
  EXPECT_EQ(commit(second, 1, put("k", "4")).outcome, Outcome::kCommitted);
  EXPECT_TRUE(world.applied("2").empty());
}

TEST_F(StoreClientTest, HoldsALeaseNoLongerThanTheStore) {
  Node& a = add_loaded("a");
  hold(a, 5, 6);
  ASSERT_TRUE(world.run_until([&] { return a.leases.contains(5); }));
  EXPECT_LE(a.leases[5].valid_until, world.now + Duration::milliseconds(5500));
  commit(a, 1, put("here", "1", a.leases[5].lease));
  world.run_for(Duration::seconds(30));
  EXPECT_GE(a.renewals, 14);
  EXPECT_EQ(a.value("here"), "1");

  set_all_endpoints(false);
  const Instant last = a.leases[5].valid_until;
  ASSERT_TRUE(world.run_until([&] { return !world.image().kvs.contains("magpie/c/state/here"); }));
  EXPECT_GE(world.now, last) << "the store ended the lease while it was reported as held";
  set_all_endpoints(true);
  ASSERT_TRUE(world.run_until([&] { return a.leases_gone == 1; }));
  ASSERT_TRUE(world.run_until([&] { return !a.state.contains("here"); }));
  EXPECT_EQ(commit(a, 2, put("here", "2", a.leases[5].lease)).outcome, Outcome::kRefused);
}

TEST_F(StoreClientTest, ReleasesLeases) {
  Node& a = add_loaded("a");
  world.faults.lose_answer = 300;
  for (uint64_t handle = 1; handle <= 10; ++handle) {
    hold(a, handle, 20);
    ASSERT_TRUE(world.run_until([&] { return a.leases.contains(handle); }));
    world.with_client(a.index, [&](StoreClient& client, ClientOutput& out) {
      client.release_lease(world.now, handle, out);
    });
    ASSERT_TRUE(world.run_until([&] { return a.leases_gone == static_cast<int>(handle); }));
  }
  EXPECT_TRUE(world.image().leases.empty());
}

TEST_F(StoreClientTest, RefusesWhatIsTooLarge) {
  ClientConfig config = world.client_config("a");
  config.transactor.waiting_max = 2;
  config.transactor.operations_max = 3;
  config.transactor.transaction_bytes_max = 100;
  config.lease.leases_max = 1;
  Node& a = add(config);
  EXPECT_EQ(commit(a, 1, put("k", std::string(100, 'x'))).error->kind, ErrorKind::kLimit);
  EXPECT_EQ(commit(a, 2, {{}, {{"a", ""}, {"b", ""}, {"c", ""}, {"d", ""}}}).error->kind,
            ErrorKind::kLimit);
  EXPECT_EQ(commit(a, 3, {{}, {{"a", ""}, {"a", ""}}}).error->kind, ErrorKind::kInvalidArgument);
  for (uint64_t i = 4; i <= 6; ++i) submit(a, i, put("k", "1"));
  EXPECT_EQ(a.done[6].error->kind, ErrorKind::kLimit);
  EXPECT_EQ(outcome(a, 5).outcome, Outcome::kCommitted);
  hold(a, 1, 10);
  hold(a, 2, 10);
  EXPECT_EQ(a.leases_gone, 1);
}

TEST_F(StoreClientTest, DoesNotLoadAStateThatIsTooLarge) {
  for (int i = 0; i < 20; ++i) {
    world.change(PutRequest{"magpie/c/state/" + std::to_string(i), std::string(1000, 'x')});
  }
  ClientConfig config = world.client_config("");
  config.follower.state_bytes_max = 10'000;
  config.follower.page_keys = 3;
  Node& node = add(config);
  ASSERT_TRUE(world.run_until([&] { return node.unreachable == 1; }));
  world.run_for(Duration::seconds(60));
  EXPECT_FALSE(node.loaded);
  EXPECT_LT(world.requests(), 300U) << "with pauses";
}

}  // namespace
}  // namespace magpie::store
