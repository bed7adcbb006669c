#include "store/service.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace magpie::store {
namespace {

constexpr const char* kJson = "application/json";

port::HttpRespond refusal(port::HttpExchangeId exchange, const StoreError& error) {
  return {exchange, http_status_of(error.code), kJson, encode_error(error)};
}

template <typename T>
port::HttpRespond respond(port::HttpExchangeId exchange, const Answer<T>& answer) {
  if (!answer) return refusal(exchange, answer.error());
  return {exchange, 200, kJson, encode_response(*answer)};
}

}  // namespace

// Hands one request to the store.
struct StoreService::Carry {
  StoreService& service;
  const Now& now;
  port::HttpExchangeId exchange;

  port::HttpRespond operator()(const RangeRequest& request) const {
    return respond(exchange, service.store_.range(request));
  }
  port::HttpRespond operator()(const PutRequest& request) const {
    return respond(exchange, service.store_.put(request));
  }
  port::HttpRespond operator()(const DeleteRangeRequest& request) const {
    return respond(exchange, service.store_.delete_range(request));
  }
  port::HttpRespond operator()(const TxnRequest& request) const {
    return respond(exchange, service.store_.txn(request));
  }
  port::HttpRespond operator()(const CompactionRequest& request) const {
    // Watches have not yet been sent what is not durable.
    if (request.revision > service.durable_revision_) {
      return refusal(exchange, {ErrorCode::kOutOfRange,
                                "etcdserver: mvcc: required revision is a future revision"});
    }
    return respond(exchange, service.store_.compact(request));
  }
  port::HttpRespond operator()(const LeaseGrantRequest& request) const {
    return respond(exchange, service.store_.grant(request, now.instant));
  }
  port::HttpRespond operator()(const LeaseKeepAliveRequest& request) const {
    return respond(exchange, service.store_.keep_alive(request, now.instant));
  }
  port::HttpRespond operator()(const LeaseRevokeRequest& request) const {
    return respond(exchange, service.store_.revoke(request));
  }
  port::HttpRespond operator()(const LeaseTimeToLiveRequest& request) const {
    return respond(exchange, service.store_.time_to_live(request, now.instant));
  }
  port::HttpRespond operator()(const StatusRequest&) const {
    const ResponseHeader header = service.store_.header();
    return respond(exchange, Answer<StatusResponse>(StatusResponse{header, service.config_.version,
                                                                   0, header.member_id}));
  }
  port::HttpRespond operator()(const AuthenticateRequest&) const {
    return refusal(exchange,
                   {ErrorCode::kFailedPrecondition, "etcdserver: authentication is not enabled"});
  }
  port::HttpRespond operator()(const WatchCreateRequest&) const { CHECK(false); }
};

StoreService::StoreService(ServiceConfig config, const Image& image, Random random, Instant now)
    : config_(std::move(config)),
      store_(image, random, now),
      durable_revision_(store_.revision()) {}

// --- requests -----------------------------------------------------------------------------------

void StoreService::step(const Now& now, const port::HttpRequestReceived& request,
                        port::Effects& effects) {
  store_.expire(now.instant);
  if (request.method == "GET" && request.target == "/health") {
    return answer({request.exchange, 200, kJson, R"({"health":"true"})"}, effects);
  }
  if (request.method != "POST") {
    effects.add(port::HttpRespond{request.exchange, 405, "text/plain", "Method Not Allowed\n"});
    return;
  }
  if (waiting_.size() >= config_.waiting_max) {
    effects.add(refusal(request.exchange,
                        {ErrorCode::kResourceExhausted, "etcdserver: too many requests"}));
    return;
  }
  const auto decoded = decode_request(request.target, request.body);
  if (!decoded) {
    effects.add(refusal(request.exchange, decoded.error()));
    return;
  }
  if (const auto* watch = std::get_if<WatchCreateRequest>(&*decoded)) {
    return create_watch(now, request.exchange, *watch, effects);
  }
  answer(std::visit(Carry{*this, now, request.exchange}, *decoded), effects);
}

// Sends it once everything that it could have seen is durable.
void StoreService::answer(port::HttpRespond respond, port::Effects& effects) {
  collect();
  const uint64_t batch = collected_.empty() ? next_batch_ - 1 : next_batch_;
  if (batch <= durable_batch_) {
    effects.add(std::move(respond));
  } else {
    waiting_.push_back({batch, std::move(respond)});
  }
}

void StoreService::tick(const Now& now, port::Effects& effects) {
  store_.expire(now.instant);
  collect();
  for (auto& [exchange, watch] : watches_) {
    const bool silent = now.instant >= watch.last_sent + config_.progress_interval;
    if (!watch.request.progress_notify || !silent) continue;
    watch.last_sent = now.instant;
    if (watch.next != durable_revision_ + 1) continue;
    WatchResponse progress;
    progress.header = durable_header();
    effects.add(port::HttpStreamPart{exchange, encode_response(progress)});
  }
}

Instant StoreService::next_deadline() const {
  Instant next = store_.next_expiry();
  for (const auto& [exchange, watch] : watches_) {
    if (!watch.request.progress_notify) continue;
    next = std::min(next, watch.last_sent + config_.progress_interval);
  }
  return next;
}

// --- durability ---------------------------------------------------------------------------------

void StoreService::collect() {
  ImageChanges changes = store_.take_changes();
  std::move(changes.begin(), changes.end(), std::back_inserter(collected_));
}

std::optional<Batch> StoreService::take_batch() {
  collect();
  if (collected_.empty()) return std::nullopt;
  in_flight_.push_back(store_.revision());
  return Batch{next_batch_++, std::exchange(collected_, {})};
}

void StoreService::persisted(const Now& now, uint64_t number, port::Effects& effects) {
  CHECK(number < next_batch_);
  while (durable_batch_ < number) {
    ++durable_batch_;
    durable_revision_ = in_flight_.front();
    in_flight_.pop_front();
  }
  while (!waiting_.empty() && waiting_.front().batch <= durable_batch_) {
    effects.add(std::move(waiting_.front().answer));
    waiting_.pop_front();
  }
  for (auto& [exchange, watch] : watches_) send_events(now, exchange, watch, effects);
  compact_history();
}

// In steps of a tenth, so that not every write sweeps through all keys.
void StoreService::compact_history() {
  const Revision oldest = durable_revision_ - config_.history_revisions;
  if (oldest <= store_.compact_revision() + config_.history_revisions / 10) return;
  CHECK(store_.compact({oldest}).has_value());
}

ResponseHeader StoreService::durable_header() const {
  ResponseHeader header = store_.header();
  header.revision = durable_revision_;
  return header;
}

// --- watches ------------------------------------------------------------------------------------

void StoreService::create_watch(const Now& now, port::HttpExchangeId exchange,
                                const WatchCreateRequest& request, port::Effects& effects) {
  if (watches_.size() >= config_.watches_max) {
    effects.add(refusal(exchange, {ErrorCode::kResourceExhausted,
                                   "too many watches: the store's limit is reached"}));
    return;
  }
  WatchResponse response;
  response.header = durable_header();
  response.created = true;
  effects.add(port::HttpStream{exchange, 200, kJson});
  effects.add(port::HttpStreamPart{exchange, encode_response(response)});
  Watch watch{request, request.start_revision, now.instant};
  // What is not durable yet happens later, for a watch.
  if (watch.next == 0) watch.next = durable_revision_ + 1;
  if (watch.next < store_.first_known()) {
    response.created = false;
    response.canceled = true;
    response.compact_revision = store_.compact_revision();
    effects.add(port::HttpStreamPart{exchange, encode_response(response), true});
    return;
  }
  Watch& kept = watches_.insert_or_assign(exchange, std::move(watch)).first->second;
  send_events(now, exchange, kept, effects);
}

void StoreService::send_events(const Now& now, port::HttpExchangeId exchange, Watch& watch,
                               port::Effects& effects) {
  if (watch.next > durable_revision_) return;
  WatchResponse response;
  response.header = durable_header();
  response.events =
      store_.events(watch.next, durable_revision_, watch.request.key, watch.request.range_end);
  watch.next = durable_revision_ + 1;
  if (response.events.empty()) return;
  watch.last_sent = now.instant;
  effects.add(port::HttpStreamPart{exchange, encode_response(response)});
}

void StoreService::step(const Now&, const port::HttpExchangeClosed& closed) {
  watches_.erase(closed.exchange);
}

void StoreService::stop(port::Effects& effects) {
  for (const auto& [exchange, watch] : watches_) {
    effects.add(port::HttpStreamPart{exchange, "", true});
  }
  watches_.clear();
}

}  // namespace magpie::store
