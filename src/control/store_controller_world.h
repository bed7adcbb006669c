// A control store and StoreControllers that use it, for tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/adoption.h"
#include "control/keys.h"
#include "control/store_controller.h"
#include "control/test_support.h"
#include "store/service.h"

namespace magpie::control::testing {

// One control store and nodes on one clock; everything arrives at once, or not at all.
class StoreControllerWorld {
 public:
  struct Host {
    MemoryDisk disk;
    std::unique_ptr<StoreController> controller;
    port::Effects effects;
    std::vector<ControllerEvent> events;
    std::map<uint64_t, std::optional<Refusal>> settled;
    std::optional<Ready> ready;
    std::optional<Error> failed;
    std::vector<Revision> applied;
    bool cut_off = false;      // nothing reaches the store
    bool lose_answer = false;  // of the next call that is answered
    std::map<port::HttpExchangeId, port::HttpCallId> calls;
  };

  StoreControllerWorld() { restart_store(7); }

  void restart_store(uint64_t cluster_id, store::Revision revision = 1) {
    image_ = {};
    image_.cluster_id = cluster_id;
    image_.member_id = 1;
    image_.revision = revision;
    service_ = std::make_unique<store::StoreService>(store::ServiceConfig{}, image_, Random(5),
                                                     now_.instant);
  }

  // Under the nodes that run: what they have asked is lost with it.
  void replace_store(uint64_t cluster_id) {
    restart_store(cluster_id);
    for (auto& [id, host] : hosts_) {
      const auto calls = std::exchange(host.calls, {});
      for (const auto& [exchange, call] : calls) {
        ControllerOutput out{host.effects, host.events};
        const Status lost = fail(ErrorKind::kUnavailable, "connection reset");
        host.controller->step(now_, port::HttpCallDone{call, lost, 0, ""}, out);
      }
    }
    run_for(Duration::seconds(15));
  }
  // As `magpie store adopt` does it.
  void put(const std::string& key, const std::string& value) {
    const store::Request request = store::PutRequest{"magpie/bridge/state/" + key, value};
    service_->step(now_,
                   port::HttpRequestReceived{port::HttpExchangeId{++next_exchange_}, "POST",
                                             store::path_of(request), store::encode(request)},
                   store_effects_);
    settle();
  }
  void adopt(const State::Entries& entries, uint64_t from, Revision revision) {
    for (const auto& [key, entry] : entries) {
      if (!key.starts_with(kAlivePrefix)) put(key, entry.value);
    }
    put(adopted_key(from), encode_adopted({revision, {}}));
  }

  Host& start(int32_t id) {
    Host& host = hosts_[id];
    host.ready.reset();
    host.failed.reset();
    host.events.clear();
    host.effects = {};
    host.calls.clear();
    StoreControllerConfig config;
    config.identity_file = MemoryDisk::file(kIdentityPath);
    config.journal_file = MemoryDisk::file(kJournalPath);
    config.age_file = MemoryDisk::file(kDirectoryAgePath);
    config.cluster_id = "bridge";
    config.node_id = NodeId{id};
    config.waiting_max = 3;
    config.store.courier.endpoints = {"http://store"};
    config.store.prefix = "magpie/bridge/";
    config.node.region = "r" + std::to_string(id);
    config.node.link = {"host", 1};
    host.controller = std::make_unique<StoreController>(std::move(config), Random(++seed_));
    ControllerOutput out{host.effects, host.events};
    host.controller->start(now_, out);
    settle();
    return host;
  }
  void kill(int32_t id) {
    hosts_[id].controller.reset();
    hosts_[id].calls.clear();
  }
  Host& host(int32_t id) { return hosts_[id]; }

  void propose(int32_t id, uint64_t ticket, ClusterController::Decide decide) {
    Host& host = hosts_[id];
    ControllerOutput out{host.effects, host.events};
    host.controller->propose(ticket, std::move(decide), out);
  }
  void propose_topic(int32_t id, uint64_t ticket, const std::string& name) {
    propose(id, ticket, [this, name](const State& state) -> tl::expected<Transaction, Refusal> {
      CreateTopic request;
      request.name = name;
      auto decided = decide_create_topic(state, one_node(), request, random_);
      if (!decided) return tl::unexpected<Refusal>(decided.error());
      return decided->transaction;
    });
  }

  // Lets everything that is under way arrive.
  void settle() {
    for (bool busy = true; busy;) {
      busy = false;
      for (auto& [id, host] : hosts_) busy = carry_out(host) || busy;
      busy = carry_out_store() || busy;
    }
  }
  void run_for(Duration duration) {
    const Instant end = now_.instant + duration;
    while (now_.instant < end) {
      Instant next = std::min(end, service_->next_deadline());
      for (auto& [id, host] : hosts_) {
        if (host.controller) next = std::min(next, host.controller->next_deadline());
      }
      now_.instant = std::max(next, now_.instant + Duration::milliseconds(1));
      service_->tick(now_, store_effects_);
      for (auto& [id, host] : hosts_) {
        if (!host.controller) continue;
        ControllerOutput out{host.effects, host.events};
        host.controller->tick(now_, out);
      }
      settle();
    }
  }
  Now now() const { return now_; }

 private:
  bool carry_out(Host& host) {
    if (!host.controller) return false;
    bool busy = hear(host);
    port::Effects effects;
    std::swap(effects, host.effects);
    port::Effects disk;
    for (port::Effect& effect : effects.list()) {
      busy = true;
      if (const auto* call = std::get_if<port::HttpCall>(&effect)) {
        request(host, *call);
      } else if (const auto* cancel = std::get_if<port::CancelHttpCall>(&effect)) {
        std::erase_if(host.calls, [&](const auto& each) {
          if (each.second != cancel->call) return false;
          service_->step(now_, port::HttpExchangeClosed{each.first});
          return true;
        });
      } else {
        disk.list().push_back(std::move(effect));
      }
    }
    for (const port::DiskDone& done : host.disk.run(disk)) {
      ControllerOutput out{host.effects, host.events};
      host.controller->step(now_, done, out);
    }
    return busy;
  }

  bool hear(Host& host) {
    const bool any = !host.events.empty();
    for (ControllerEvent& event : std::exchange(host.events, {})) {
      if (auto* ready = std::get_if<Ready>(&event)) host.ready = std::move(*ready);
      if (auto* failed = std::get_if<StartFailed>(&event)) host.failed = std::move(failed->error);
      if (auto* applied = std::get_if<Applied>(&event)) host.applied.push_back(applied->revision);
      if (auto* settled = std::get_if<Settled>(&event)) {
        EXPECT_TRUE(host.settled.emplace(settled->ticket, settled->refusal).second)
            << "settled twice";
      }
    }
    return any;
  }

  void request(Host& host, const port::HttpCall& call) {
    if (host.cut_off) {
      ControllerOutput out{host.effects, host.events};
      const Status refused = fail(ErrorKind::kUnavailable, "connection refused");
      return host.controller->step(now_, port::HttpCallDone{call.call, refused, 0, ""}, out);
    }
    const port::HttpExchangeId id{++next_exchange_};
    host.calls[id] = call.call;
    const std::string path = call.url.substr(std::string_view("http://store").size());
    service_->step(now_, port::HttpRequestReceived{id, "POST", path, call.body}, store_effects_);
  }

  bool carry_out_store() {
    if (auto batch = service_->take_batch()) {
      service_->persisted(now_, batch->number, store_effects_);
    }
    port::Effects effects;
    std::swap(effects, store_effects_);
    for (const port::Effect& effect : effects.list()) {
      if (const auto* respond = std::get_if<port::HttpRespond>(&effect)) {
        answer(respond->exchange, respond->status, respond->body);
      }
      if (const auto* part = std::get_if<port::HttpStreamPart>(&effect)) {
        for (auto& [id, host] : hosts_) {
          const auto call = host.calls.find(part->exchange);
          if (call == host.calls.end() || !host.controller) continue;
          if (host.cut_off) {
            host.calls.erase(call);  // a connection that has lost bytes brings nothing more
            continue;
          }
          ControllerOutput out{host.effects, host.events};
          host.controller->step(now_, port::HttpCallPart{call->second, part->bytes}, out);
        }
      }
    }
    return !effects.list().empty();
  }

  void answer(port::HttpExchangeId exchange, int status, const std::string& body) {
    for (auto& [id, host] : hosts_) {
      const auto found = host.calls.find(exchange);
      if (found == host.calls.end()) continue;
      const port::HttpCallId call = found->second;
      host.calls.erase(found);
      if (!host.controller) return;
      ControllerOutput out{host.effects, host.events};
      if (std::exchange(host.lose_answer, false) || host.cut_off) {
        const Status lost = fail(ErrorKind::kUnavailable, "connection reset");
        return host.controller->step(now_, port::HttpCallDone{call, lost, 0, ""}, out);
      }
      return host.controller->step(now_, port::HttpCallDone{call, {}, status, body}, out);
    }
  }

  Now now_{Instant{} + Duration::seconds(100), {5'000}};
  Random random_{3};
  uint64_t seed_ = 0;
  uint64_t next_exchange_ = 0;
  store::Image image_;
  std::unique_ptr<store::StoreService> service_;
  port::Effects store_effects_;
  std::map<int32_t, Host> hosts_;
};

}  // namespace magpie::control::testing
