#include "store/courier.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace magpie::store {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// The token is not known, or no longer.
bool needs_token(const StoreError& error) {
  return error.code == ErrorCode::kUnauthenticated ||
         contains(error.message, "user name is empty") ||
         contains(error.message, "invalid auth token") ||
         contains(error.message, "revision of auth store is old");
}

// Refused whatever the state of the store, now and later, so that it was not and will not be done.
bool is_final(const StoreError& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kFailedPrecondition:
    case ErrorCode::kOutOfRange:
    case ErrorCode::kUnimplemented:
      return true;
    case ErrorCode::kResourceExhausted:
      return contains(error.message, "space exceeded");
    default:
      return false;
  }
}

}  // namespace

Courier::Courier(CourierConfig config, Random random)
    : config_(std::move(config)), random_(random), next_call_(config_.first_call) {
  CHECK(!config_.endpoints.empty());
  // Clients start at different endpoints, so that one store member does not serve all.
  endpoint_ = random_.below(config_.endpoints.size());
  if (config_.user.empty()) token_ = "";
}

bool Courier::may_send(Instant now) const {
  return token_.has_value() && (!pausing_ || now >= pause_until_);
}

port::HttpCallId Courier::send(Instant now, const Request& request, Revision known,
                               port::Effects& effects, Duration timeout) {
  CHECK(may_send(now));
  return post(request, {endpoint_, now, known, false, token_number_}, timeout, effects);
}

port::HttpCallId Courier::post(const Request& request, Call call, Duration timeout,
                               port::Effects& effects) {
  port::HttpCall effect;
  effect.call = {next_call_++};
  effect.url = config_.endpoints[endpoint_] + path_of(request);
  effect.authorization = token_.value_or("");
  effect.body = encode(request);
  effect.streaming = std::holds_alternative<WatchCreateRequest>(request);
  effect.timeout = std::min(timeout, config_.request_timeout);
  calls_.emplace(effect.call, call);
  const port::HttpCallId id = effect.call;
  effects.add(std::move(effect));
  return id;
}

void Courier::pump(Instant now, port::Effects& effects) {
  if (pausing_ && now >= pause_until_) pausing_ = false;
  if (token_ || authenticating_ || pausing_) return;
  authenticating_ = true;
  post(AuthenticateRequest{config_.user, config_.password}, {endpoint_, now, 0, true, 0},
       Duration::max(), effects);
}

void Courier::cancel(port::HttpCallId call, port::Effects& effects) {
  if (calls_.erase(call) > 0) effects.add(port::CancelHttpCall{call});
}

void Courier::cancel_all(port::Effects& effects) {
  for (const auto& [id, call] : calls_) effects.add(port::CancelHttpCall{id});
  calls_.clear();
  authenticating_ = false;
}

// --- what comes back ----------------------------------------------------------------------------

std::optional<Reply> Courier::finish(Instant now, const port::HttpCallDone& done,
                                     std::string_view stream_rest) {
  const auto found = calls_.find(done.call);
  CHECK(found != calls_.end());
  const Call call = found->second;
  calls_.erase(found);
  if (call.is_authentication) {
    finish_authentication(now, done, call);
    return std::nullopt;
  }
  Reply reply;
  if (!done.status) {
    failed(now, call.endpoint, done.status.error().message);
    reply.error = {ErrorCode::kUnavailable, done.status.error().message};
  } else if (done.http_status >= 200 && done.http_status < 300) {
    answered(now);
    reply.kind = Reply::Kind::kAnswered;
    reply.body = done.body;
  } else {
    const std::string_view body = done.body.empty() ? stream_rest : std::string_view(done.body);
    reply = sort_refusal(now, call, decode_error(done.http_status, body));
  }
  reply.sent_at = call.sent_at;
  reply.known_when_sent = call.known;
  return reply;
}

Reply Courier::sort_refusal(Instant now, const Call& call, StoreError error) {
  Reply reply;
  if (!config_.user.empty() && needs_token(error)) {
    // Calls that were under way with an old token fail after there is a new one. One that is
    // refused at once is no way forward.
    if (call.token == token_number_) token_.reset();
    if (call.token == token_number_ && !token_proven_) failed(now, call.endpoint, error.message);
  } else if (is_final(error)) {
    answered(now);
    reply.kind = Reply::Kind::kRefused;
  } else {
    failed(now, call.endpoint, error.message);
  }
  reply.error = std::move(error);
  return reply;
}

void Courier::finish_authentication(Instant now, const port::HttpCallDone& done, const Call& call) {
  authenticating_ = false;
  if (!done.status) return failed(now, call.endpoint, done.status.error().message);
  if (done.http_status == 200) {
    const auto response = decode_response<AuthenticateResponse>(done.body);
    if (!response || response->token.empty()) {
      return failed(now, call.endpoint, "the store's answer holds no token");
    }
    token_ = response->token;
    ++token_number_;
    token_proven_ = false;
    return;
  }
  const StoreError error = decode_error(done.http_status, done.body);
  if (contains(error.message, "authentication is not enabled")) {
    token_ = "";
    return;
  }
  failed(now, call.endpoint, fmt::format("user {} is not let in: {}", config_.user, error.message));
}

void Courier::answered(Instant now) {
  failures_ = 0;
  token_proven_ = true;
  if (now - last_trouble_ > config_.pause_max + config_.pause_max) troubles_ = 0;
  if (troubles_ == 0) unreachable_.reset();
}

void Courier::note_trouble(Instant now, std::string message) {
  ++troubles_;
  last_trouble_ = now;
  if (troubles_ > config_.endpoints.size()) {
    unreachable_ = Error{ErrorKind::kUnavailable, std::move(message)};
  }
  endpoint_ = (endpoint_ + 1) % config_.endpoints.size();
  pause(now, troubles_ - 1);
}

// Calls that were under way to an endpoint often fail together; that counts once.
void Courier::failed(Instant now, size_t endpoint, std::string message) {
  if (endpoint != endpoint_) return;
  const size_t count = config_.endpoints.size();
  std::string text = config_.endpoints[endpoint] + ": " + message;
  endpoint_ = (endpoint_ + 1) % count;
  ++failures_;
  if (failures_ < count) return;
  unreachable_ = Error{ErrorKind::kUnavailable, std::move(text)};
  pause(now, static_cast<uint32_t>((failures_ - count) / count));
}

void Courier::pause(Instant now, uint32_t doublings) {
  Duration length = config_.pause_min;
  for (uint32_t i = 0; i < doublings && length < config_.pause_max; ++i) length = length + length;
  length = std::min(length, config_.pause_max);
  pausing_ = true;
  pause_until_ = now + Duration{random_.between(length.nanos / 2, length.nanos)};
}

}  // namespace magpie::store
