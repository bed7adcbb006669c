// Clients under every fault at once, against what the store itself knows: nothing is applied twice,
// every answer is true, every view is the state of its revision, no lease ends before its time.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>

#include "store/store_world.h"

namespace magpie::store {
namespace {

constexpr size_t kWriters = 3;
constexpr std::string_view kPrefix = "magpie/c/state/";

// One process: it dies with its client, and the next one of the same writer is another.
struct Process {
  size_t index = 0;
  std::string writer;
  bool alive = true;
  bool loaded = false;
  Revision revision = 0;
  std::map<std::string, KeyValue> state;
  std::map<uint64_t, std::optional<TransactionDone>> transactions;
  std::optional<LeaseHeld> lease;
  uint64_t lease_handle = 0;
};

class Walk {
 public:
  explicit Walk(uint64_t seed) : world_(seed, small_history()) {
    for (size_t i = 0; i < kWriters; ++i) start_process(std::to_string(i));
  }

  void run() {
    for (int i = 0; i < 150 && !testing::Test::HasFailure(); ++i) {
      step();
      run_checked(Duration::milliseconds(world_.random.between(0, 200)));
    }
    heal();
    check_outcomes();
    check_views();
  }

  size_t committed() const { return committed_; }
  size_t failed() const { return failed_; }
  size_t unknown() const { return unknown_; }

 private:
  static ServiceConfig small_history() {
    ServiceConfig config;
    config.history_revisions = 30;
    return config;
  }

  void start_process(const std::string& writer) {
    processes_.push_back(std::make_unique<Process>());
    Process& process = *processes_.back();
    process.writer = writer;
    ClientConfig config = world_.client_config(writer);
    config.follower.page_keys = 2;
    process.index =
        world_.add_client(config, [this, &process](const ClientEvent& e) { hear(process, e); });
  }

  void hear(Process& process, const ClientEvent& event) {
    if (const auto* loaded = std::get_if<Loaded>(&event)) {
      process.state.clear();
      for (const KeyValue& kv : loaded->entries) process.state[kv.key] = kv;
      if (!process.loaded) check_no_late_copies(process, loaded->revision);
      process.loaded = true;
      process.revision = loaded->revision;
      check_view(process);
    } else if (const auto* changed = std::get_if<Changed>(&event)) {
      EXPECT_GT(changed->revision, process.revision);
      process.revision = changed->revision;
      for (const WatchEvent& change : changed->changes) {
        if (change.deleted) process.state.erase(change.kv.key);
        if (!change.deleted) process.state[change.kv.key] = change.kv;
      }
      check_view(process);
    } else if (const auto* done = std::get_if<TransactionDone>(&event)) {
      EXPECT_FALSE(process.transactions[done->ticket].has_value());
      process.transactions[done->ticket] = *done;
    } else if (const auto* held = std::get_if<LeaseHeld>(&event)) {
      process.lease = *held;
    } else if (std::holds_alternative<LeaseGone>(event)) {
      process.lease.reset();
      process.lease_handle = 0;
    }
    EXPECT_FALSE(std::holds_alternative<StoreFrozen>(event));
    EXPECT_FALSE(std::holds_alternative<WriterReplaced>(event));
  }

  // What an earlier process of this writer did, it did before this one loaded.
  void check_no_late_copies(const Process& process, Revision loaded) {
    for (const auto& earlier : processes_) {
      if (earlier->writer == process.writer && earlier.get() != &process) {
        replaced_at_[earlier->index] = loaded;
      }
    }
  }

  void check_view(const Process& process) {
    std::map<std::string, KeyValue> expected;
    for (const auto& [key, kv] : world_.snapshot(process.revision)) {
      if (!key.starts_with(kPrefix)) continue;
      KeyValue& copy = expected[key.substr(kPrefix.size())] = kv;
      copy.key = key.substr(kPrefix.size());
    }
    EXPECT_TRUE(process.state == expected) << "at revision " << process.revision;
  }

  Process& pick() {
    while (true) {
      Process& process = *processes_[world_.random.below(processes_.size())];
      if (process.alive) return process;
    }
  }

  void step() {
    const uint64_t action = world_.random.below(20);
    if (action < 10) return transact(pick());
    if (action == 10) return set_faults();
    if (action == 11) return world_.restart_store();
    if (action == 12) return world_.set_endpoint(world_.random.below(3), false);
    if (action == 13) return world_.set_endpoint(world_.random.below(3), true);
    if (action == 14 && world_.image().revision > 2) {
      return world_.change(CompactionRequest{world_.random.between(1, world_.image().revision)});
    }
    if (action == 15 && world_.random.chance(1, 3)) {
      Process& process = pick();
      process.alive = false;
      world_.kill_client(process.index);
      return start_process(process.writer);
    }
    if (action == 16) hold_lease(pick());
  }

  void set_faults() {
    WorldFaults& faults = world_.faults;
    const auto chance = [this](uint64_t most) {
      return world_.random.chance(1, 2) ? 0 : world_.random.below(most);
    };
    faults = {chance(300),
              chance(300),
              chance(400),
              chance(400),
              chance(200),
              world_.random.chance(1, 6),
              Duration::milliseconds(world_.random.between(1, 100))};
  }

  void transact(Process& process) {
    const uint64_t ticket = ++next_ticket_;
    const std::string key(1, static_cast<char>('a' + world_.random.below(4)));
    StateTransaction transaction;
    // Blind ones would be met again by a copy, and "does not exist" may become true again.
    const auto found = process.state.find(key);
    const Revision modified = found == process.state.end() ? 0 : found->second.mod_revision;
    if (world_.random.chance(2, 3)) {
      transaction.compares = {{key, CompareTarget::kMod, CompareResult::kEqual, modified, ""}};
    }
    const bool erase = world_.random.chance(1, 4);
    if (erase) transaction.changes.push_back({key, std::nullopt});
    if (!erase) transaction.changes.push_back({key, std::to_string(ticket)});
    // Every transaction leaves a trace by which its applications can be counted.
    transaction.changes.push_back({"trace/" + process.writer, "t" + std::to_string(ticket)});
    process.transactions[ticket];
    world_.with_client(process.index, [&](StoreClient& client, ClientOutput& out) {
      client.submit(world_.now, ticket, std::move(transaction), out);
    });
  }

  void hold_lease(Process& process) {
    if (process.lease_handle != 0) return;
    process.lease_handle = ++next_ticket_;
    world_.with_client(process.index, [&](StoreClient& client, ClientOutput& out) {
      client.hold_lease(world_.now, process.lease_handle, world_.random.between(2, 6), out);
    });
  }

  // In small steps, so that the end of a lease is seen when it happens.
  void run_checked(Duration duration) {
    const Instant end = world_.now + duration;
    while (world_.now < end) {
      world_.run_for(std::min(Duration::milliseconds(20), end - world_.now));
      for (const auto& process : processes_) {
        if (!process->alive || !process->lease) continue;
        if (world_.now >= process->lease->valid_until) continue;
        EXPECT_TRUE(world_.image().leases.contains(process->lease->lease))
            << "ended before its time";
      }
    }
  }

  void heal() {
    world_.faults = {};
    for (size_t i = 0; i < StoreWorld::kEndpoints; ++i) world_.set_endpoint(i, true);
    const auto all_decided = [this] {
      for (const auto& process : processes_) {
        if (process->alive && world_.client(process->index).undecided() > 0) return false;
      }
      return true;
    };
    EXPECT_TRUE(world_.run_until(all_decided)) << "transactions stay undecided";
    world_.run_for(Duration::seconds(20));  // the last copies arrive
  }

  void check_outcomes() {
    for (const auto& process : processes_) {
      for (const auto& [ticket, done] : process->transactions) {
        const auto& applied = world_.applied("t" + std::to_string(ticket));
        EXPECT_LE(applied.size(), 1U) << "ticket " << ticket;
        if (!done) {
          EXPECT_FALSE(process->alive);
          ++unknown_;
        } else if (done->outcome == Outcome::kCommitted) {
          EXPECT_EQ(applied, (std::vector<Revision>{done->revision})) << "ticket " << ticket;
          ++committed_;
        } else {
          EXPECT_EQ(done->outcome, Outcome::kCompareFailed);
          EXPECT_TRUE(applied.empty()) << "ticket " << ticket;
          ++failed_;
        }
        const auto replaced = replaced_at_.find(process->index);
        if (replaced == replaced_at_.end()) continue;
        for (const Revision revision : applied) EXPECT_LE(revision, replaced->second);
      }
    }
  }

  void check_views() {
    for (const auto& process : processes_) {
      if (!process->alive) continue;
      EXPECT_TRUE(process->loaded);
      const Revision seen = process->revision;
      process->revision = world_.image().revision;
      check_view(*process);
      process->revision = seen;
    }
  }

  StoreWorld world_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::map<size_t, Revision> replaced_at_;  // by client
  uint64_t next_ticket_ = 0;
  size_t committed_ = 0;
  size_t failed_ = 0;
  size_t unknown_ = 0;
};

TEST(StoreClientWalk, EveryAnswerIsTrueUnderEveryFault) {
  size_t committed = 0;
  size_t failed = 0;
  size_t unknown = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Walk walk(seed);
    walk.run();
    committed += walk.committed();
    failed += walk.failed();
    unknown += walk.unknown();
    if (testing::Test::HasFailure()) break;
  }
  EXPECT_GT(committed, 1000U);
  EXPECT_GT(failed, 200U);
  EXPECT_GT(unknown, 10U);
}

}  // namespace
}  // namespace magpie::store
