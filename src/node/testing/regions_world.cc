#include "node/testing/regions_world.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/big_endian.h"
#include "base/check.h"
#include "store/base64.h"

namespace magpie::node::testing {
namespace {

constexpr const char* kStoreUrl = "http://store:2379";
constexpr const char* kCluster = "magpie";

std::string host_of(size_t index) {
  return "node-" + std::to_string(index + 1);
}

NodeConfig config_of(size_t index, const std::string& region) {
  NodeConfig config;
  config.node_id = NodeId{static_cast<int32_t>(index + 1)};
  config.region = region;
  config.cluster_id = kCluster;
  config.listeners = {{"client", host_of(index), 9092}};
  config.group_initial_rebalance_delay = Duration{};
  ClusterConfig cluster;
  cluster.store.endpoints = {kStoreUrl};
  cluster.link = {host_of(index), 9095};
  cluster.link_listener = port::ListenerIndex{1};
  cluster.build = "test";
  if (region.starts_with("witness")) cluster.region_role = control::RegionRole::kWitness;
  config.cluster = cluster;
  return config;
}

}  // namespace

RegionsWorld::RegionsWorld(const std::vector<std::string>& regions)
    : now_{Instant{1'000'000'000'000}, WallTime{1'767'225'600'000}} {
  image_.cluster_id = 7;
  image_.member_id = 1;
  image_.raft_term = 1;
  service_ = std::make_unique<store::StoreService>(store::ServiceConfig{}, image_, random_.fork(),
                                                   now_.instant);
  for (size_t i = 0; i < regions.size(); ++i) {
    auto member = std::make_unique<Member>();
    member->harness = std::make_unique<NodeHarness>();
    member->harness->config = config_of(i, regions[i]);
    member->harness->outside = [this, i](port::Effect& effect) { return take(i, effect); };
    nodes_.push_back(std::move(member));
  }
}

RegionsWorld::~RegionsWorld() = default;

void RegionsWorld::boot(size_t index) {
  Member& member = *nodes_[index];
  ++member.life;
  member.harness->set_now(now_);
  member.client = std::make_unique<TestClient>(*member.harness);
  member.harness->boot();
}

void RegionsWorld::boot_all() {
  for (size_t i = 0; i < nodes_.size(); ++i) boot(i);
  EXPECT_TRUE(run_until([this] {
    return std::all_of(nodes_.begin(), nodes_.end(), [](const auto& member) {
      return member->harness->phase() == Phase::kRunning;
    });
  })) << "not all nodes serve";
}

void RegionsWorld::crash(size_t index) {
  Member& member = *nodes_[index];
  ++member.life;
  std::vector<EndKey> gone;
  for (const auto& [key, end] : ends_) {
    if (key.first == index) gone.push_back(key);
  }
  for (const EndKey& key : gone) close(index, key.second);
  for (const auto& [call, exchange] : std::exchange(member.calls, {})) {
    exchanges_.erase(exchange);
    service_->step(now_, port::HttpExchangeClosed{exchange});
  }
  member.client.reset();
  member.harness->crash();
}

void RegionsWorld::lose(size_t index) {
  crash(index);
  nodes_[index]->harness->disk.files().clear();
}

// --- between the nodes ---------------------------------------------------------------------------

void RegionsWorld::cut(size_t one, size_t other) {
  cuts_.insert(std::minmax(one, other));
}

void RegionsWorld::join(size_t one, size_t other) {
  cuts_.erase(std::minmax(one, other));
}

bool RegionsWorld::is_cut(size_t one, size_t other) const {
  return cuts_.contains(std::minmax(one, other));
}

std::string RegionsWorld::stored(const std::string& key) const {
  const auto found = image_.kvs.find(std::string("magpie/") + kCluster + "/state/" + key);
  return found == image_.kvs.end() ? "" : found->second.value;
}

void RegionsWorld::later(Duration after, std::function<void()> action) {
  queue_.emplace(now_.instant + after, std::move(action));
}

void RegionsWorld::deliver(size_t index, uint64_t life, port::Event event) {
  Member& member = *nodes_[index];
  if (member.life != life || !member.harness->is_up()) return;
  member.harness->deliver(std::move(event));
}

bool RegionsWorld::take(size_t index, port::Effect& effect) {
  if (const auto* dial = std::get_if<port::Connect>(&effect)) {
    connect(index, *dial);
  } else if (const auto* bytes = std::get_if<port::Send>(&effect)) {
    if (!ends_.contains({index, bytes->connection})) {
      return (bytes->connection.value & port::kOwnConnectionBit) != 0 ||
             bytes->connection.value >= 1'000'000;
    }
    send(index, *bytes);
  } else if (const auto* end = std::get_if<port::CloseConnection>(&effect)) {
    if (!ends_.contains({index, end->connection})) {
      return (end->connection.value & port::kOwnConnectionBit) != 0 ||
             end->connection.value >= 1'000'000;
    }
    close(index, end->connection);
  } else if (const auto* wanted = std::get_if<port::HttpCall>(&effect)) {
    call(index, *wanted);
  } else if (const auto* given_up = std::get_if<port::CancelHttpCall>(&effect)) {
    auto& calls = nodes_[index]->calls;
    const auto found = calls.find(given_up->call);
    if (found == calls.end()) return true;
    exchanges_.erase(found->second);
    service_->step(now_, port::HttpExchangeClosed{found->second});
    calls.erase(found);
  } else {
    return false;
  }
  return true;
}

void RegionsWorld::connect(size_t index, const port::Connect& effect) {
  size_t peer = nodes_.size();
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (host_of(i) == effect.host) peer = i;
  }
  const uint64_t life = nodes_[index]->life;
  later(Duration::nanoseconds(2 * link_delay.nanos),
        [this, index, peer, life, ours = effect.connection] {
          if (nodes_[index]->life != life) return;
          if (peer == nodes_.size() || !nodes_[peer]->harness->is_up() || is_cut(index, peer)) {
            return deliver(index, life, port::ConnectionClosed{ours, "connection refused"});
          }
          const port::ConnectionId theirs{next_connection_++};
          ends_[{index, ours}] = {peer, theirs, ""};
          ends_[{peer, theirs}] = {index, ours, ""};
          deliver(peer, nodes_[peer]->life,
                  port::ConnectionOpened{theirs, port::ListenerIndex{1}, host_of(index), ""});
          deliver(index, life, port::ConnectionOpened{ours, {}, host_of(peer), ""});
        });
}

void RegionsWorld::send(size_t index, const port::Send& effect) {
  End& end = ends_.at({index, effect.connection});
  end.unsent += flatten(effect.bytes).text();
  while (end.unsent.size() >= 4) {
    ByteReader in(Buffer::copy_of(end.unsent.substr(0, 4)));
    const auto size = static_cast<size_t>(in.read_int32());
    if (end.unsent.size() < 4 + size) return;
    const Buffer frame = Buffer::copy_of(end.unsent.substr(4, size));
    end.unsent.erase(0, 4 + size);
    later(link_delay, [this, index, peer = end.peer, at_peer = end.at_peer, frame,
                       life = nodes_[end.peer]->life] {
      if (is_cut(index, peer) || !ends_.contains({peer, at_peer})) return;
      deliver(peer, life, port::FrameReceived{at_peer, frame});
    });
  }
}

void RegionsWorld::close(size_t index, port::ConnectionId connection) {
  const auto found = ends_.find({index, connection});
  if (found == ends_.end()) return;
  const End end = found->second;
  ends_.erase(found);
  later(Duration{}, [this, index, connection, life = nodes_[index]->life] {
    deliver(index, life, port::ConnectionClosed{connection, "as asked"});
  });
  later(link_delay, [this, end, index, life = nodes_[end.peer]->life] {
    if (is_cut(index, end.peer) || ends_.erase({end.peer, end.at_peer}) == 0) return;
    deliver(end.peer, life, port::ConnectionClosed{end.at_peer, "the peer closed it"});
  });
}

// --- the control store ---------------------------------------------------------------------------

void RegionsWorld::call(size_t index, const port::HttpCall& effect) {
  const port::HttpExchangeId id{next_exchange_++};
  const uint64_t life = nodes_[index]->life;
  nodes_[index]->calls[effect.call] = id;
  later(store_delay, [this, index, id, life, effect] {
    if (without_store_.contains(index) || nodes_[index]->life != life) return;
    exchanges_[id] = {index, effect.call};
    const std::string path = effect.url.substr(std::string(kStoreUrl).size());
    service_->step(now_, port::HttpRequestReceived{id, "POST", path, effect.body}, store_effects_);
    carry_out_store();
  });
  if (effect.streaming) return;
  later(effect.timeout, [this, index, id, life, wanted = effect.call] {
    if (nodes_[index]->life != life || nodes_[index]->calls.erase(wanted) == 0) return;
    exchanges_.erase(id);
    deliver(index, life, port::HttpCallDone{wanted, fail(ErrorKind::kIo, "timed out"), 0, ""});
  });
}

void RegionsWorld::store_value(const std::string& key, const std::string& value) {
  const std::string path = std::string("magpie/") + kCluster + "/state/" + key;
  const std::string body = fmt::format(R"({{"key":"{}","value":"{}"}})", store::encode_base64(path),
                                       store::encode_base64(value));
  const port::HttpExchangeId id{next_exchange_++};
  service_->step(now_, port::HttpRequestReceived{id, "POST", "/v3/kv/put", body}, store_effects_);
  carry_out_store();
}

void RegionsWorld::carry_out_store() {
  if (auto batch = service_->take_batch()) {
    image_.apply(batch->changes);
    service_->persisted(now_, batch->number, store_effects_);
  }
  port::Effects effects;
  std::swap(effects, store_effects_);
  for (const port::Effect& effect : effects.list()) {
    const auto* respond = std::get_if<port::HttpRespond>(&effect);
    const auto* part = std::get_if<port::HttpStreamPart>(&effect);
    if (respond == nullptr && part == nullptr) continue;
    const port::HttpExchangeId id = respond != nullptr ? respond->exchange : part->exchange;
    const auto found = exchanges_.find(id);
    if (found == exchanges_.end()) continue;
    const auto [node, call] = found->second;
    const uint64_t life = nodes_[node]->life;
    later(store_delay, [this, node = node, call = call, life, id, effect] {
      if (without_store_.contains(node) || nodes_[node]->life != life) return;
      if (!exchanges_.contains(id) || !nodes_[node]->calls.contains(call)) return;
      if (const auto* whole = std::get_if<port::HttpRespond>(&effect)) {
        nodes_[node]->calls.erase(call);
        exchanges_.erase(id);
        return deliver(node, life, port::HttpCallDone{call, {}, whole->status, whole->body});
      }
      deliver(node, life, port::HttpCallPart{call, std::get<port::HttpStreamPart>(effect).bytes});
    });
  }
}

// --- time ----------------------------------------------------------------------------------------

void RegionsWorld::set_clocks() {
  for (auto& member : nodes_) member->harness->set_now(now_);
}

// Everything that is due now.
void RegionsWorld::settle() {
  while (!queue_.empty() && queue_.begin()->first <= now_.instant) {
    const auto action = std::move(queue_.begin()->second);
    queue_.erase(queue_.begin());
    action();
  }
  if (service_->next_deadline() <= now_.instant) {
    service_->tick(now_, store_effects_);
    carry_out_store();
  }
  for (auto& member : nodes_) {
    if (member->harness->is_up()) member->harness->settle();
  }
}

bool RegionsWorld::run_until(const std::function<bool()>& done, Duration limit) {
  const Instant end = now_.instant + limit;
  while (!done()) {
    Instant next = queue_.empty() ? Instant::never() : queue_.begin()->first;
    next = std::min(next, service_->next_deadline());
    for (auto& member : nodes_) {
      if (member->harness->is_up()) next = std::min(next, member->harness->node().next_deadline());
    }
    if (next > end) {
      now_.wall.millis += (end - now_.instant).to_milliseconds();
      now_.instant = end;
      set_clocks();
      return done();
    }
    if (next > now_.instant) {
      now_.wall.millis += (next - now_.instant).to_milliseconds();
      now_.instant = next;
      set_clocks();
    }
    settle();
  }
  return true;
}

void RegionsWorld::run_for(Duration duration) {
  run_until([] { return false; }, duration);
}

}  // namespace magpie::node::testing
