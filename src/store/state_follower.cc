#include "store/state_follower.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "store/key_range.h"

namespace magpie::store {
namespace {

// Between the end of a watch and the next one.
constexpr Duration kReopenPause = Duration::milliseconds(100);

bool is_about_token(const std::string& reason) {
  return reason.find("auth") != std::string::npos || reason.find("ermission") != std::string::npos;
}

}  // namespace

StateFollower::StateFollower(FollowerConfig config)
    : config_(std::move(config)), next_key_(config_.prefix), lines_(config_.line_bytes_max) {
  CHECK(config_.state_prefix.starts_with(config_.prefix));
}

void StateFollower::pump(const ClientContext& context) {
  if (phase_ == Phase::kLoading) load_next_page(context);
  if (phase_ == Phase::kWatching) pump_watch(context);
}

Instant StateFollower::next_deadline() const {
  if (phase_ != Phase::kWatching) return Instant::never();
  Instant next = probe_call_ ? Instant::never() : probe_at_;
  if (!watch_call_) next = std::min(next, reopen_at_);
  if (wanted_ > 0) next = std::min(next, wanted_by_);
  return next;
}

bool StateFollower::on_reply(const ClientContext& context, port::HttpCallId call,
                             const Reply& reply) {
  if (page_call_ == call) {
    page_call_.reset();
    on_page(context, reply);
    return true;
  }
  if (probe_call_ == call) {
    probe_call_.reset();
    probe_at_ = context.now + config_.probe_interval;
    on_probe(context, reply);
    return true;
  }
  if (watch_call_ != call) return false;
  watch_call_.reset();
  reopen_at_ = context.now + kReopenPause;
  if (reply.kind == Reply::Kind::kRefused) context.trouble(reply.error.message);
  return true;
}

std::optional<std::string> StateFollower::state_key(const std::string& key) const {
  if (!key.starts_with(config_.state_prefix)) return std::nullopt;
  return key.substr(config_.state_prefix.size());
}

// --- loading ------------------------------------------------------------------------------------

void StateFollower::load_next_page(const ClientContext& context) {
  if (page_call_ || !context.may_send()) return;
  RangeRequest request;
  request.key = next_key_;
  request.range_end = prefix_end(config_.prefix);
  request.limit = config_.page_keys;
  request.revision = load_revision_;
  page_call_ = context.send(request);
}

void StateFollower::reload(bool after_compaction) {
  phase_ = Phase::kLoading;
  load_revision_ = 0;
  next_key_ = config_.prefix;
  loaded_.clear();
  loaded_bytes_ = 0;
  after_compaction_ |= after_compaction;
}

void StateFollower::on_page(const ClientContext& context, const Reply& reply) {
  if (reply.kind == Reply::Kind::kLost) return;
  if (reply.kind == Reply::Kind::kRefused) {
    // Compacted between two pages: from the beginning.
    if (reply.error.code != ErrorCode::kOutOfRange) context.trouble(reply.error.message);
    return reload(false);
  }
  auto response = decode_response<RangeResponse>(reply.body);
  if (!response) return context.trouble(response.error().message);
  if (!context.check(response->header, reply.known_when_sent)) return;
  if (load_revision_ == 0) load_revision_ = response->header.revision;
  for (KeyValue& kv : response->kvs) {
    next_key_ = key_after(kv.key);
    loaded_bytes_ += kv.key.size() + kv.value.size();
    auto key = state_key(kv.key);
    if (!key) continue;
    kv.key = std::move(*key);
    loaded_.push_back(std::move(kv));
  }
  if (loaded_bytes_ > config_.state_bytes_max) {
    context.trouble(fmt::format("the state in the store is larger than {} bytes, the limit",
                                config_.state_bytes_max));
    return reload(false);
  }
  if (!response->more || response->kvs.empty()) finish_load(context);
}

void StateFollower::finish_load(const ClientContext& context) {
  phase_ = Phase::kWatching;
  position_ = load_revision_;
  wanted_ = 0;
  reopen_at_ = context.now;
  probe_at_ = context.now + config_.probe_interval;
  context.out.events.push_back(Loaded{context.sight.cluster_id(), load_revision_,
                                      std::exchange(loaded_, {}),
                                      std::exchange(after_compaction_, false)});
}

// --- watching -----------------------------------------------------------------------------------

void StateFollower::pump_watch(const ClientContext& context) {
  drop_stale_watch(context);
  if (!watch_call_ && context.now >= reopen_at_ && context.may_send()) {
    lines_ = LineSplitter(config_.line_bytes_max);
    watch_endpoint_ = context.courier.endpoint();
    watch_call_ = context.send(
        WatchCreateRequest{config_.prefix, prefix_end(config_.prefix), position_ + 1, true});
  }
  if (!probe_call_ && context.now >= probe_at_ && context.may_send()) {
    RangeRequest request{config_.prefix};
    request.count_only = true;
    probe_call_ = context.send(request);
  }
}

void StateFollower::drop_stale_watch(const ClientContext& context) {
  const Revision highest = context.sight.highest();
  if (position_ >= wanted_) wanted_ = 0;
  if (wanted_ == 0 && highest > position_ && highest > reopened_for_) {
    wanted_ = highest;
    wanted_by_ = context.now + config_.watch_grace;
  }
  const bool late = wanted_ > 0 && context.now >= wanted_by_;
  if (late) {
    reopened_for_ = wanted_;
    wanted_ = 0;
  }
  // The endpoint of the watch failed somebody else: it may be silent for the same reason.
  const bool moved = watch_call_ && watch_endpoint_ != context.courier.endpoint();
  if (watch_call_ && (late || moved)) close_watch(context);
}

void StateFollower::close_watch(const ClientContext& context) {
  context.courier.cancel(*watch_call_, context.out.effects);
  watch_call_.reset();
  reopen_at_ = context.now;
}

std::string_view StateFollower::stream_rest(port::HttpCallId call) const {
  return watch_call_ == call ? lines_.rest() : std::string_view();
}

bool StateFollower::on_part(const ClientContext& context, const port::HttpCallPart& part) {
  if (watch_call_ != part.call) return false;
  if (!lines_.add(part.bytes)) {
    close_watch(context);
    reload(true);
    return true;
  }
  // A line may end the watch.
  while (watch_call_ == part.call) {
    const auto line = lines_.next();
    if (!line) break;
    if (!line->empty()) on_line(context, *line);
  }
  return true;
}

void StateFollower::on_line(const ClientContext& context, const std::string& line) {
  if (const auto error = decode_stream_error(line)) {
    close_watch(context);
    return context.trouble(error->message);
  }
  auto response = decode_response<WatchResponse>(line);
  if (!response) {
    close_watch(context);
    return context.trouble(response.error().message);
  }
  if (!context.check(response->header, 0)) return;
  if (response->canceled) {
    close_watch(context);
    if (response->compact_revision > 0) return reload(true);
    if (is_about_token(response->cancel_reason)) context.courier.forget_token();
    return context.trouble("the watch was ended: " + response->cancel_reason);
  }
  on_events(context, response->events);
  const bool is_progress = !response->created && response->events.empty();
  if (is_progress) position_ = std::max(position_, response->header.revision);
  context.sight.saw(position_);
}

void StateFollower::on_events(const ClientContext& context, std::vector<WatchEvent>& events) {
  for (size_t i = 0; i < events.size();) {
    Changed changed{events[i].kv.mod_revision, {}};
    for (; i < events.size() && events[i].kv.mod_revision == changed.revision; ++i) {
      auto key = state_key(events[i].kv.key);
      if (!key) continue;
      events[i].kv.key = std::move(*key);
      changed.changes.push_back(std::move(events[i]));
    }
    if (changed.revision <= position_) continue;  // told twice
    position_ = changed.revision;
    if (!changed.changes.empty()) context.out.events.push_back(std::move(changed));
  }
}

void StateFollower::on_probe(const ClientContext& context, const Reply& reply) {
  if (reply.kind == Reply::Kind::kRefused) return context.trouble(reply.error.message);
  if (reply.kind == Reply::Kind::kLost) {
    probe_at_ = context.now;  // as soon as something may be sent again
    return;
  }
  const auto response = decode_response<RangeResponse>(reply.body);
  if (!response) return context.trouble(response.error().message);
  context.check(response->header, reply.known_when_sent);
}

}  // namespace magpie::store
