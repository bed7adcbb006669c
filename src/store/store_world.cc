#include "store/store_world.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace magpie::store {
namespace {

constexpr Duration kPersistTime = Duration::milliseconds(3);
constexpr const char* kBase = "http://store";

Status broken(const char* what) {
  return magpie::fail(ErrorKind::kUnavailable, what);
}

// "http://store2/v3/kv/put" → 2 and the path.
std::pair<size_t, std::string> split(const std::string& url) {
  const size_t digit = std::string_view(kBase).size();
  return {static_cast<size_t>(url[digit] - '0'), url.substr(digit + 1)};
}

}  // namespace

StoreWorld::StoreWorld(uint64_t seed, ServiceConfig config)
    : random(seed), now(Instant{} + Duration::seconds(1000)), config_(std::move(config)) {
  image_.cluster_id = 7;
  image_.member_id = 1;
  snapshots_[1] = {};
  restart_store();
}

// --- the store ----------------------------------------------------------------------------------

void StoreWorld::restart_store() {
  ++life_;
  ++image_.raft_term;
  const auto exchanges = std::exchange(exchanges_, {});
  for (const auto& [id, exchange] : exchanges) {
    end_call(exchange.client, exchange.call, {exchange.call, broken("connection reset"), 0, ""});
  }
  service_ = std::make_unique<StoreService>(config_, image_, random.fork(), now);
}

void StoreWorld::restart_store_from(Image image) {
  image_ = std::move(image);
  snapshots_[image_.revision] = image_.kvs;
  restart_store();
}

void StoreWorld::change(const Request& request) {
  service_->step(
      {now, {}},
      port::HttpRequestReceived{{next_exchange_++}, "POST", path_of(request), encode(request)},
      store_effects_);
  carry_out_store();
}

void StoreWorld::record(const ImageChanges& changes) {
  for (const ImageChange& change : changes) {
    image_.apply({change});
    if (const auto* put = std::get_if<KeyPut>(&change)) {
      applied_[put->kv.value].push_back(put->kv.mod_revision);
    }
    if (std::holds_alternative<RevisionReached>(change)) snapshots_[image_.revision] = image_.kvs;
  }
}

void StoreWorld::persist() {
  auto batch = service_->take_batch();
  if (!batch) return;
  later(kPersistTime, [this, life = life_, batch = std::move(*batch)] {
    if (life != life_) return;
    record(batch.changes);
    service_->persisted({now, {}}, batch.number, store_effects_);
    carry_out_store();
  });
}

void StoreWorld::carry_out_store() {
  port::Effects effects;
  std::swap(effects, store_effects_);
  for (const port::Effect& effect : effects.list()) {
    if (const auto* respond = std::get_if<port::HttpRespond>(&effect)) {
      deliver(respond->exchange, [this, respond = *respond](Client& client, Exchange& exchange) {
        if (client.calls.erase(exchange.call) == 0) return;
        ClientOutput out{client.effects, client.events};
        client.client->step(
            now, port::HttpCallDone{exchange.call, {}, respond.status, respond.body}, out);
      });
    }
    if (const auto* part = std::get_if<port::HttpStreamPart>(&effect)) stream_part(*part);
  }
  persist();
}

void StoreWorld::stream_part(const port::HttpStreamPart& part) {
  deliver(part.exchange, [this, part](Client& client, Exchange& exchange) {
    if (!client.calls.contains(exchange.call)) return;
    exchange.began = true;
    ClientOutput out{client.effects, client.events};
    // Cut anywhere, as the network does.
    const size_t cut = random.below(part.bytes.size() + 1);
    for (const std::string& piece : {part.bytes.substr(0, cut), part.bytes.substr(cut)}) {
      client.client->step(now, port::HttpCallPart{exchange.call, piece}, out);
    }
    const bool cut_off = !part.last && happens(faults.cut_watch);
    // The client may have given the watch up meanwhile.
    if ((!part.last && !cut_off) || client.calls.erase(exchange.call) == 0) return;
    if (cut_off) service_->step({now, {}}, port::HttpExchangeClosed{part.exchange});
    const Status status = part.last ? Status() : broken("connection reset");
    client.client->step(now, port::HttpCallDone{exchange.call, status, 200, ""}, out);
  });
}

// Brings one piece of an answer to the client, in the order of the pieces.
void StoreWorld::deliver(port::HttpExchangeId id,
                         const std::function<void(Client&, Exchange&)>& action) {
  const auto found = exchanges_.find(id);
  if (found == exchanges_.end() || found->second.answer_lost) return;
  Exchange& exchange = found->second;
  exchange.last_answer = std::max(exchange.last_answer, now + delay());
  queue_.emplace(exchange.last_answer, [this, id, action, life = life_] {
    const auto still = exchanges_.find(id);
    if (still == exchanges_.end() || life != life_) return;
    // A connection that has lost bytes brings nothing more.
    still->second.answer_lost |= !up_[still->second.endpoint] || faults.mute;
    if (still->second.answer_lost) return;
    const size_t index = still->second.client;
    action(clients_[index], still->second);
    carry_out_client(index);
  });
}

// --- clients ------------------------------------------------------------------------------------

ClientConfig StoreWorld::client_config(const std::string& writer) const {
  ClientConfig config;
  for (size_t i = 0; i < kEndpoints; ++i) {
    config.courier.endpoints.push_back(kBase + std::to_string(i));
  }
  config.prefix = "magpie/c/";
  config.writer = writer;
  config.courier.request_timeout = Duration::seconds(1);
  return config;
}

size_t StoreWorld::add_client(ClientConfig config, Listener listener) {
  clients_.emplace_back();
  clients_.back().listener = std::move(listener);
  clients_.back().client = std::make_unique<StoreClient>(std::move(config), random.fork());
  const size_t index = clients_.size() - 1;
  with_client(index, [this](StoreClient& client, ClientOutput& out) { client.start(now, out); });
  return index;
}

void StoreWorld::kill_client(size_t index) {
  clients_[index].client.reset();
  clients_[index].calls.clear();
}

void StoreWorld::with_client(size_t index,
                             const std::function<void(StoreClient&, ClientOutput&)>& action) {
  Client& client = clients_[index];
  CHECK(client.client != nullptr);
  ClientOutput out{client.effects, client.events};
  action(*client.client, out);
  carry_out_client(index);
}

void StoreWorld::carry_out_client(size_t index) {
  port::Effects effects;
  std::swap(effects, clients_[index].effects);
  for (const port::Effect& effect : effects.list()) {
    if (const auto* wanted = std::get_if<port::HttpCall>(&effect)) call(index, *wanted);
    if (const auto* cancel = std::get_if<port::CancelHttpCall>(&effect)) {
      const auto found = clients_[index].calls.find(cancel->call);
      if (found == clients_[index].calls.end()) continue;
      service_->step({now, {}}, port::HttpExchangeClosed{found->second});
      clients_[index].calls.erase(found);
    }
  }
  apply_events(index);
}

// A listener may make the client say more.
void StoreWorld::apply_events(size_t index) {
  std::vector<ClientEvent> events;
  std::swap(events, clients_[index].events);
  for (const ClientEvent& event : events) clients_[index].listener(event);
}

void StoreWorld::call(size_t index, const port::HttpCall& call) {
  ++requests_;
  const size_t endpoint = split(call.url).first;
  Exchange exchange{index, call.call, endpoint};
  exchange.answer_lost = happens(faults.lose_answer);
  const port::HttpExchangeId id{next_exchange_++};
  clients_[index].calls[call.call] = id;
  if (!happens(faults.lose_request)) {
    request(call, id, exchange,
            happens(faults.long_delay) ? Duration::seconds(random.between(1, 8)) : delay());
  }
  if (happens(faults.duplicate)) {
    // The answer to a copy reaches nobody.
    exchange.answer_lost = true;
    request(call, {next_exchange_++}, exchange, Duration::milliseconds(random.between(0, 8000)));
  }
  later(call.timeout, [this, index, wanted = call.call, id] {
    const auto found = exchanges_.find(id);
    if (found != exchanges_.end() && found->second.began) return;
    end_call(index, wanted, {wanted, broken("timed out"), 0, ""});
    if (clients_[index].client != nullptr) carry_out_client(index);
  });
}

void StoreWorld::request(const port::HttpCall& call, port::HttpExchangeId id, Exchange exchange,
                         Duration after) {
  later(after, [this, call, exchange, id] {
    if (!up_[exchange.endpoint]) return;
    exchanges_[id] = exchange;
    service_->step({now, {}},
                   port::HttpRequestReceived{id, "POST", split(call.url).second, call.body},
                   store_effects_);
    carry_out_store();
  });
}

void StoreWorld::end_call(size_t index, port::HttpCallId call, port::HttpCallDone done) {
  Client& client = clients_[index];
  if (client.calls.erase(call) == 0 || client.client == nullptr) return;
  ClientOutput out{client.effects, client.events};
  client.client->step(now, done, out);
  later(Duration{}, [this, index] {
    if (clients_[index].client != nullptr) carry_out_client(index);
  });
}

// --- time ---------------------------------------------------------------------------------------

bool StoreWorld::run_until(const std::function<bool()>& done, Duration limit) {
  const Instant end = now + limit;
  while (!done()) {
    Instant next = queue_.empty() ? Instant::never() : queue_.begin()->first;
    next = std::min(next, service_->next_deadline());
    for (Client& client : clients_) {
      if (client.client != nullptr) next = std::min(next, client.client->next_deadline());
    }
    if (next > end) {
      now = end;
      return done();
    }
    now = std::max(now, next);
    settle();
  }
  return true;
}

void StoreWorld::run_for(Duration duration) {
  run_until([] { return false; }, duration);
}

// Everything that is due now.
void StoreWorld::settle() {
  while (!queue_.empty() && queue_.begin()->first <= now) {
    const auto action = std::move(queue_.begin()->second);
    queue_.erase(queue_.begin());
    action();
  }
  if (service_->next_deadline() <= now) {
    service_->tick({now, {}}, store_effects_);
    carry_out_store();
  }
  for (size_t i = 0; i < clients_.size(); ++i) {
    if (clients_[i].client == nullptr || clients_[i].client->next_deadline() > now) continue;
    with_client(i, [this](StoreClient& client, ClientOutput& out) { client.tick(now, out); });
    CHECK(clients_[i].client->next_deadline() > now);  // or it would spin
  }
}

}  // namespace magpie::store
