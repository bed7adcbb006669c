#include "sim/sim_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "store/codec.h"
#include "store/key_range.h"

namespace magpie::sim {
namespace {

constexpr const char* kBase = "http://store-";
constexpr Duration kAgain = Duration::milliseconds(100);
constexpr Duration kSnapshotPause = Duration::milliseconds(1'500);
constexpr size_t kSnapshots = 30;

Status broken(const char* what) {
  return magpie::fail(ErrorKind::kUnavailable, what);
}

// "http://store-2:2379/v3/kv/txn" → 2 and the path.
std::pair<size_t, std::string> split(const std::string& url) {
  const size_t begin = std::string_view(kBase).size();
  size_t site = 0;
  std::from_chars(url.data() + begin, url.data() + url.size(), site);
  return {site, url.substr(url.find('/', begin))};
}

}  // namespace

SimStore::SimStore(Scene& scene, Paths& paths, StoreFaults faults)
    : scene_(scene), paths_(paths), faults_(faults), random_(scene.random.fork()) {
  image_.cluster_id = 7;
  image_.member_id = 1;
}

std::vector<std::string> SimStore::endpoints() const {
  std::vector<std::string> urls;
  for (size_t i = 0; i < sites_.size(); ++i) urls.push_back(fmt::format("{}{}:2379", kBase, i));
  return urls;
}

SimStore::Exchange* SimStore::find(ExchangeId id) {
  const auto found = exchanges_.find(id);
  return found == exchanges_.end() ? nullptr : &found->second;
}

Duration SimStore::draw_delay(Place from, Place to) {
  const Duration own = Duration::microseconds(random_.between(50, 3'000));
  return from == to ? own : own + paths_.distance(from, to);
}

// --- sites ---------------------------------------------------------------------------------------

bool SimStore::is_connected(size_t site, size_t other) const {
  return sites_[other].up && paths_.is_open(sites_[site].place, sites_[other].place) &&
         paths_.is_open(sites_[other].place, sites_[site].place);
}

bool SimStore::serves(size_t site) const {
  size_t reached = 0;
  for (size_t other = 0; other < sites_.size(); ++other) reached += is_connected(site, other);
  return sites_[site].up && reached * 2 > sites_.size();
}

// --- callers -------------------------------------------------------------------------------------

SimStore::Caller SimStore::add_caller(Place place, Deliver deliver) {
  callers_.push_back({place, std::move(deliver)});
  return callers_.size() - 1;
}

void SimStore::call(Caller caller, port::HttpCall call) {
  const ExchangeId id{next_exchange_++};
  Exchange exchange;
  exchange.caller = caller;
  exchange.site = split(call.url).first;
  exchange.last_answer = scene_.now();
  const Place from = callers_[caller].place;
  Duration delay = draw_delay(from, sites_[exchange.site].place);
  if (happens(faults_.late_request)) {
    scene_.probe("store_request_late");
    delay = delay + Duration::milliseconds(random_.between(500, 8'000));
  }
  const Instant give_up = scene_.now() + call.timeout + Duration::seconds(random_.between(0, 8));
  scene_.queue.after(call.timeout, [this, id] { time_out(id); });
  const bool fresh = calls_.emplace(std::pair{caller, call.call}, id).second;
  CHECK(fresh);
  exchange.call = std::move(call);
  exchanges_.emplace(id, std::move(exchange));
  scene_.queue.after(delay, [this, id, give_up] { arrive(id, give_up); });
}

// A request waits for its path, as its bytes do in a socket, and for a store that has a majority.
void SimStore::arrive(ExchangeId id, Instant give_up) {
  Exchange* exchange = find(id);
  if (exchange == nullptr) return;
  const Site& site = sites_[exchange->site];
  const bool open = paths_.is_open(callers_[exchange->caller].place, site.place);
  if (open && !site.up) return end(id, broken("connection refused"), 0, "");
  const bool serves_now = open && serves(exchange->site);
  if (open && !serves_now && !exchange->abandoned && random_.chance(1, 10)) return refuse(id);
  if (!serves_now) {
    if (scene_.now() >= give_up) {
      if (exchange->abandoned) exchanges_.erase(id);
      return;
    }
    scene_.queue.after(kAgain, [this, id, give_up] { arrive(id, give_up); });
    return;
  }
  if (exchange->abandoned) scene_.probe("store_request_of_nobody");
  exchange->arrived = true;
  exchange->lost |= happens(faults_.lose_answer);
  if (exchange->lost) scene_.probe("store_answer_lost");
  const port::HttpRequestReceived received{id, "POST", split(exchange->call.url).second,
                                           exchange->call.body};
  if (exchange->abandoned) exchanges_.erase(id);
  service_->step(now(), received, effects_);
  carry_out();
}

// As etcd does without a leader. Nothing was carried out.
void SimStore::refuse(ExchangeId id) {
  const store::StoreError error{store::ErrorCode::kUnavailable, "etcdserver: no leader"};
  answer(id, [this, id, error](Exchange&) {
    end(id, {}, store::http_status_of(error.code), store::encode_error(error));
  });
}

void SimStore::time_out(ExchangeId id) {
  Exchange* exchange = find(id);
  if (exchange == nullptr || exchange->abandoned || exchange->began) return;
  end(id, broken("timed out"), 0, "");
}

// Its bytes may still be on their way.
void SimStore::abandon(ExchangeId id, Exchange& exchange) {
  calls_.erase({exchange.caller, exchange.call.call});
  if (!exchange.arrived) {
    exchange.abandoned = true;
    return;
  }
  exchanges_.erase(id);
  service_->step(now(), port::HttpExchangeClosed{id});
}

void SimStore::cancel(Caller caller, port::HttpCallId call) {
  const auto found = calls_.find({caller, call});
  if (found != calls_.end()) abandon(found->second, *find(found->second));
}

void SimStore::forget(Caller caller) {
  std::vector<ExchangeId> gone;
  for (auto it = calls_.lower_bound({caller, port::HttpCallId{0}});
       it != calls_.end() && it->first.first == caller; ++it) {
    gone.push_back(it->second);
  }
  for (const ExchangeId id : gone) abandon(id, *find(id));
}

void SimStore::end(ExchangeId id, Status status, int http_status, std::string body) {
  Exchange* exchange = find(id);
  if (exchange == nullptr) return;
  if (exchange->abandoned) {
    exchanges_.erase(id);
    return;
  }
  const Caller caller = exchange->caller;
  const port::HttpCallId call = exchange->call.call;
  scene_.note("store answer", caller, call.value, http_status, body.size());
  abandon(id, *exchange);
  callers_[caller].deliver(
      port::HttpCallDone{call, std::move(status), http_status, std::move(body)});
}

// --- answers -------------------------------------------------------------------------------------

void SimStore::carry_out() {
  port::Effects effects;
  std::swap(effects, effects_);
  for (port::Effect& effect : effects.list()) {
    if (auto* respond = std::get_if<port::HttpRespond>(&effect)) {
      answer(respond->exchange, [this, respond = std::move(*respond)](Exchange&) {
        end(respond.exchange, {}, respond.status, respond.body);
      });
    } else if (auto* part = std::get_if<port::HttpStreamPart>(&effect)) {
      send_part(*part);
    }
  }
  persist();
  plan_tick();
}

void SimStore::send_part(const port::HttpStreamPart& part) {
  // Cut anywhere, as the network does.
  const size_t cut = random_.below(part.bytes.size() + 1);
  const bool cut_off = !part.last && happens(faults_.cut_watch);
  answer(part.exchange, [this, part, cut, cut_off](Exchange& exchange) {
    exchange.began = true;
    const Deliver& deliver = callers_[exchange.caller].deliver;
    const Caller caller = exchange.caller;
    const port::HttpCallId call = exchange.call.call;
    for (const std::string& bytes : {part.bytes.substr(0, cut), part.bytes.substr(cut)}) {
      // It may have given the call up after the first.
      if (bytes.empty() || !calls_.contains({caller, call})) continue;
      scene_.note("store part", caller, call.value, bytes.size());
      deliver(port::HttpCallPart{call, bytes});
    }
    if (part.last) end(part.exchange, {}, 200, "");
    if (cut_off) end(part.exchange, broken("connection reset"), 200, "");
  });
}

void SimStore::answer(ExchangeId id, Piece piece) {
  Exchange* exchange = find(id);
  if (exchange == nullptr) return;
  const Duration delay = draw_delay(sites_[exchange->site].place, callers_[exchange->caller].place);
  exchange->last_answer = std::max(exchange->last_answer, scene_.now() + delay);
  exchange->pieces.emplace_back(exchange->last_answer, std::move(piece));
  scene_.queue.at(exchange->last_answer, [this, id] { bring(id); });
}

void SimStore::bring(ExchangeId id) {
  for (;;) {
    Exchange* exchange = find(id);
    if (exchange == nullptr || exchange->abandoned || exchange->lost) return;
    if (exchange->stalled || exchange->pieces.empty()) return;
    if (exchange->pieces.front().first > scene_.now()) return;
    if (!is_audible(*exchange)) {
      exchange->stalled = true;
      return look_again(id, scene_.now() + Duration::seconds(random_.between(3, 30)));
    }
    const Piece piece = std::move(exchange->pieces.front().second);
    exchange->pieces.pop_front();
    piece(*exchange);
  }
}

// Whether an answer arrives. A member that is alone hears of nothing, and so do its watches.
bool SimStore::is_audible(const Exchange& exchange) const {
  const Site& site = sites_[exchange.site];
  if (!site.up || !paths_.is_open(site.place, callers_[exchange.caller].place)) return false;
  return !exchange.began || serves(exchange.site);
}

void SimStore::look_again(ExchangeId id, Instant give_up) {
  Exchange* exchange = find(id);
  if (exchange == nullptr) return;
  if (is_audible(*exchange)) {
    exchange->stalled = false;
    return bring(id);
  }
  if (!sites_[exchange->site].up || scene_.now() >= give_up) {
    return end(id, broken("connection reset"), 0, "");
  }
  scene_.queue.after(kAgain, [this, id, give_up] { look_again(id, give_up); });
}

// --- the service ---------------------------------------------------------------------------------

void SimStore::start() {
  CHECK(!sites_.empty());
  ++life_;
  ++image_.raft_term;
  persisting_ = false;
  planned_tick_ = Instant::never();
  effects_.clear();
  store::ServiceConfig config;
  config.history_revisions = 200;
  service_ = std::make_unique<store::StoreService>(config, image_, random_.fork(), scene_.now());
  read_.reset();
  if (life_ == 1) take_snapshot();
  plan_tick();
}

void SimStore::restart() {
  std::vector<ExchangeId> all;
  for (const auto& [id, exchange] : exchanges_) {
    if (exchange.arrived) all.push_back(id);
  }
  start();
  for (const ExchangeId id : all) end(id, broken("connection reset"), 0, "");
}

// Nor does what is still on its way reach another store: its connection leads nowhere.
void SimStore::replaced() {
  for (auto& [id, exchange] : exchanges_) exchange.arrived = true;
  restart();
}

void SimStore::persist() {
  if (persisting_) return;
  auto batch = service_->take_batch();
  if (!batch) return;
  persisting_ = true;
  const Duration disk = Duration::microseconds(random_.between(200, 8'000));
  scene_.queue.after(disk, [this, life = life_, batch = std::move(*batch)] {
    if (life == life_) persisted(batch);
  });
}

void SimStore::persisted(const store::Batch& batch) {
  persisting_ = false;
  image_.apply(batch.changes);
  scene_.note("store revision", image_.revision);
  if (observer_) observer_(batch.changes);
  service_->persisted(now(), batch.number, effects_);
  carry_out();
}

void SimStore::plan_tick() {
  const Instant deadline = service_->next_deadline();
  if (deadline >= planned_tick_) return;
  planned_tick_ = std::max(deadline, scene_.now());
  scene_.queue.at(planned_tick_, [this, life = life_, when = planned_tick_] {
    if (life != life_ || when != planned_tick_) return;
    planned_tick_ = Instant::never();
    service_->tick(now(), effects_);
    carry_out();
  });
}

// --- images --------------------------------------------------------------------------------------

void SimStore::take_snapshot() {
  if (!newest_) snapshots_.push_back(image_);
  if (snapshots_.size() > kSnapshots) snapshots_.erase(snapshots_.begin());
  scene_.queue.after(kSnapshotPause, [this] { take_snapshot(); });
}

bool SimStore::roll_back() {
  if (newest_ || snapshots_.size() < 2) return false;
  const auto age = random_.below(std::min<size_t>(snapshots_.size(), 8)) + 1;
  const store::Image& old = snapshots_[snapshots_.size() - age];
  if (old.revision >= image_.revision) return false;
  scene_.note("store rolled back", image_.revision, old.revision);
  newest_ = image_;
  image_ = old;
  // As a backup is to be restored.
  ++image_.cluster_id;
  replaced();
  return true;
}

void SimStore::roll_forward() {
  if (!newest_) return;
  scene_.note("store rolled forward", image_.revision, newest_->revision);
  const uint64_t term = image_.raft_term;
  image_ = std::move(*newest_);
  image_.raft_term = term;
  newest_.reset();
  replaced();
}

void SimStore::heal() {
  for (Site& site : sites_) site.up = true;
  roll_forward();
}

}  // namespace magpie::sim
