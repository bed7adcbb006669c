// The simulated store under its faults: what its clients may rely on still holds.
#include "sim/sim_store.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "store/store_client.h"

namespace magpie::sim {
namespace {

class SimStoreTest : public testing::Test {
 protected:
  // A process that counts: each of its transactions puts one number more under its own key.
  struct Counter {
    std::unique_ptr<store::StoreClient> client;
    SimStore::Caller caller = 0;
    std::string name;
    port::Effects effects;
    std::vector<store::ClientEvent> events;
    uint64_t submitted = 0;
    uint64_t committed = 0;
    uint64_t loaded = 0;
    std::map<std::string, std::string> view;
    store::Revision seen = 0;
    Instant planned = Instant::never();
  };

  SimStoreTest() {
    for (int i = 0; i < 3; ++i) places_.push_back(paths_.add_place(std::to_string(i)));
    for (const Place place : places_) store_.add_site(place);
    store_.start();
  }

  void add_counter(size_t place) {
    counters_.push_back(std::make_unique<Counter>());
    Counter& counter = *counters_.back();
    counter.name = "w" + std::to_string(place);
    store::ClientConfig config;
    config.courier.endpoints = store_.endpoints();
    config.prefix = "magpie/test/";
    config.writer = counter.name;
    counter.client = std::make_unique<store::StoreClient>(config, scene_.random.fork());
    counter.caller = store_.add_caller(places_[place], [&counter, this](port::Event event) {
      store::ClientOutput out{counter.effects, counter.events};
      if (auto* part = std::get_if<port::HttpCallPart>(&event)) {
        counter.client->step(scene_.now(), *part, out);
      } else {
        counter.client->step(scene_.now(), std::get<port::HttpCallDone>(event), out);
      }
      settle(counter);
    });
    store::ClientOutput out{counter.effects, counter.events};
    counter.client->start(scene_.now(), out);
    settle(counter);
  }

  void settle(Counter& counter) {
    for (;;) {
      port::Effects effects;
      std::swap(effects, counter.effects);
      for (port::Effect& effect : effects.list()) {
        if (auto* call = std::get_if<port::HttpCall>(&effect)) store_.call(counter.caller, *call);
        if (auto* cancel = std::get_if<port::CancelHttpCall>(&effect)) {
          store_.cancel(counter.caller, cancel->call);
        }
      }
      if (counter.events.empty()) break;
      for (const store::ClientEvent& event : std::exchange(counter.events, {}))
        hear(counter, event);
    }
    const Instant when =
        std::max(counter.client->next_deadline(), scene_.now() + Duration::microseconds(10));
    if (counter.client->next_deadline() == Instant::never() || when >= counter.planned) return;
    counter.planned = when;
    scene_.queue.at(when, [this, &counter, when] {
      if (counter.planned != when) return;
      counter.planned = Instant::never();
      store::ClientOutput out{counter.effects, counter.events};
      counter.client->tick(scene_.now(), out);
      settle(counter);
    });
  }

  void hear(Counter& counter, const store::ClientEvent& event) {
    if (const auto* loaded = std::get_if<store::Loaded>(&event)) {
      EXPECT_GE(loaded->revision, counter.seen);
      counter.seen = loaded->revision;
      counter.view.clear();
      for (const store::KeyValue& kv : loaded->entries) counter.view[kv.key] = kv.value;
      if (++counter.loaded == 1) submit(counter);
    } else if (const auto* changed = std::get_if<store::Changed>(&event)) {
      EXPECT_GT(changed->revision, counter.seen);
      counter.seen = changed->revision;
      for (const auto& change : changed->changes) counter.view[change.kv.key] = change.kv.value;
    } else if (const auto* done = std::get_if<store::TransactionDone>(&event)) {
      if (counter.client->frozen()) return;
      EXPECT_EQ(done->outcome, store::Outcome::kCommitted);
      ++counter.committed;
      scene_.queue.after(Duration::milliseconds(20), [this, &counter] { submit(counter); });
    }
  }

  void submit(Counter& counter) {
    if (stopped_) return;
    ++counter.submitted;
    store::StateTransaction transaction;
    transaction.changes.push_back({counter.name, std::to_string(counter.submitted), 0});
    store::ClientOutput out{counter.effects, counter.events};
    counter.client->submit(scene_.now(), counter.submitted, std::move(transaction), out);
    settle(counter);
  }

  void run(int64_t milliseconds) {
    const Instant end = scene_.now() + Duration::milliseconds(milliseconds);
    scene_.queue.at(end, [] {});
    while (scene_.now() < end) ASSERT_TRUE(scene_.queue.run_one());
  }

  Scene scene_{11};
  Paths paths_;
  std::vector<Place> places_;
  SimStore store_{scene_, paths_, {50, 50, 50}};
  std::vector<std::unique_ptr<Counter>> counters_;
  bool stopped_ = false;
};

TEST_F(SimStoreTest, TransactionsAreCommittedOnceWhateverGoesWrong) {
  for (size_t i = 0; i < 3; ++i) add_counter(i);
  for (int round = 0; round < 20; ++round) {
    const size_t one = scene_.random.below(3);
    const size_t other = scene_.random.below(3);
    if (one != other) paths_.cut(places_[one], places_[other]);
    store_.set_site_up(one, false);
    if (round % 3 == 0) store_.restart();
    run(1'500);
    paths_.mend_all();
    store_.set_site_up(one, true);
    run(1'500);
  }
  scene_.healed = true;
  run(10'000);
  stopped_ = true;
  run(2'000);
  for (const auto& counter : counters_) {
    EXPECT_GT(counter->committed, 100u);
    EXPECT_EQ(counter->committed, counter->submitted);
    EXPECT_EQ(counter->view, counters_[0]->view);
    EXPECT_EQ(counter->view[counter->name], std::to_string(counter->submitted));
  }
}

TEST_F(SimStoreTest, ASiteThatIsAloneAnswersNothing) {
  scene_.healed = true;
  add_counter(0);
  run(1'000);
  const uint64_t before = counters_[0]->committed;
  EXPECT_GT(before, 5u);
  store_.set_site_up(1, false);
  store_.set_site_up(2, false);
  run(5'000);
  EXPECT_LE(counters_[0]->committed, before + 1);
  store_.set_site_up(1, true);
  run(5'000);
  EXPECT_GT(counters_[0]->committed, before + 5);
}

TEST_F(SimStoreTest, AnOlderImageFreezesItsClients) {
  scene_.healed = true;
  add_counter(0);
  run(10'000);
  ASSERT_TRUE(store_.roll_back());
  run(5'000);
  EXPECT_TRUE(counters_[0]->client->frozen());
  const uint64_t restored = store_.image().cluster_id;
  store_.roll_forward();
  EXPECT_FALSE(store_.is_rolled_back());
  EXPECT_NE(store_.image().cluster_id, restored) << "a backup has an id of its own";
}

}  // namespace
}  // namespace magpie::sim
