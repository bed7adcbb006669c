#include "store/transactor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "store/key_range.h"

namespace magpie::store {
namespace {

// An answer is late if it takes so many times longer than they did, and at least so long.
constexpr int64_t kLateFactor = 4;
constexpr Duration kLateAtLeast = Duration::milliseconds(200);
constexpr Duration kLateAtMost = Duration::seconds(60);

Compare unchanged(const std::string& key, Revision revision) {
  return {key, CompareTarget::kMod, CompareResult::kEqual, revision, ""};
}

// The key-value of a range over one key; an empty one if the key does not exist.
KeyValue single(const OperationResponse& response) {
  const auto* range = std::get_if<RangeResponse>(&response);
  return range == nullptr || range->kvs.empty() ? KeyValue{} : range->kvs[0];
}

// A lease that is gone never comes back, and a malformed request never becomes well-formed.
bool refuses_every_copy(const StoreError& error) {
  const bool about_user = error.message.find("user") != std::string::npos ||
                          error.message.find("auth") != std::string::npos;
  return error.code == ErrorCode::kNotFound ||
         (error.code == ErrorCode::kInvalidArgument && !about_user);
}

Error to_error(const StoreError& error) {
  const bool no_space = error.code == ErrorCode::kResourceExhausted;
  return {no_space ? ErrorKind::kNoSpace : ErrorKind::kInvalidArgument,
          "the store refused the transaction: " + error.message};
}

}  // namespace

Transactor::Transactor(TransactorConfig config, Random random)
    : config_(std::move(config)), random_(random) {}

std::optional<Error> Transactor::problem_of(const StateTransaction& transaction) const {
  if (config_.writer_prefix.empty()) {
    return Error{ErrorKind::kUnsupported, "this client of the store only reads"};
  }
  if (phase_ == Phase::kReplaced) {
    return Error{ErrorKind::kUnavailable, "another process writes under this writer's name"};
  }
  if (waiting_.size() >= config_.waiting_max) {
    return Error{ErrorKind::kLimit, fmt::format("{} transactions wait already", waiting_.size())};
  }
  const size_t operations = std::max(transaction.compares.size(), transaction.changes.size());
  if (operations > config_.operations_max) {
    return Error{ErrorKind::kLimit, fmt::format("a transaction of {} compares or changes; {} are "
                                                "allowed",
                                                operations, config_.operations_max)};
  }
  size_t bytes = 0;
  std::vector<std::string_view> keys;
  for (const StateChange& change : transaction.changes) {
    bytes += change.key.size() + change.value.value_or("").size();
    keys.push_back(change.key);
  }
  for (const Compare& compare : transaction.compares) {
    bytes += compare.key.size() + compare.value.size();
  }
  if (bytes > config_.transaction_bytes_max) {
    return Error{ErrorKind::kLimit, fmt::format("a transaction of {} bytes; {} are allowed", bytes,
                                                config_.transaction_bytes_max)};
  }
  std::sort(keys.begin(), keys.end());
  if (std::adjacent_find(keys.begin(), keys.end()) != keys.end()) {
    return Error{ErrorKind::kInvalidArgument, "a transaction changes a key twice"};
  }
  return std::nullopt;
}

void Transactor::submit(uint64_t ticket, StateTransaction transaction,
                        const ClientContext& context) {
  if (auto problem = problem_of(transaction)) {
    context.out.events.push_back(
        TransactionDone{ticket, Outcome::kRefused, 0, std::move(*problem)});
    return;
  }
  waiting_.push_back({ticket, std::move(transaction), false});
}

void Transactor::new_token() {
  token_ = fmt::format("{:016x}{:016x}", random_.next(), random_.next());
  attempts_ = 0;
}

TxnRequest Transactor::build(const StateTransaction& transaction) const {
  TxnRequest request;
  request.compare = {unchanged(applied_key(), applied_), unchanged(refused_key(), refused_)};
  for (const Compare& compare : transaction.compares) {
    request.compare.push_back(compare);
    request.compare.back().key = config_.state_prefix + compare.key;
  }
  for (const StateChange& change : transaction.changes) {
    const std::string key = config_.state_prefix + change.key;
    if (change.value) {
      request.success.push_back(PutRequest{key, *change.value, change.lease});
    } else {
      request.success.push_back(DeleteRangeRequest{key, ""});
    }
  }
  request.success.push_back(PutRequest{applied_key(), token_, 0});
  // Read before the put: what a copy that came earlier has left.
  request.failure = {RangeRequest{applied_key()}, RangeRequest{refused_key()},
                     PutRequest{refused_key(), token_, 0}};
  return request;
}

void Transactor::pump(const ClientContext& context) {
  if (config_.writer_prefix.empty() || call_ || !context.may_send()) return;
  if (phase_ == Phase::kReading) {
    call_ = context.send(RangeRequest{config_.writer_prefix, prefix_end(config_.writer_prefix)});
    return;
  }
  const bool taking = phase_ == Phase::kTaking;
  if (!taking && (phase_ != Phase::kReady || waiting_.empty())) return;
  if (token_.empty()) new_token();
  ++attempts_;
  if (!taking) waiting_.front().sent = true;
  call_ = context.send(build(taking ? StateTransaction{} : waiting_.front().transaction),
                       patience(context));
}

// Twice as long with every copy: the store may just have become slow.
Duration Transactor::patience(const ClientContext& context) const {
  if (usual_ == Duration{} || !context.courier.has_other_endpoints()) return Duration::max();
  Duration patience = std::max(Duration{usual_.nanos * kLateFactor}, kLateAtLeast);
  for (uint32_t i = 1; i < attempts_ && patience < kLateAtMost; ++i) patience = patience + patience;
  return patience;
}

bool Transactor::on_reply(const ClientContext& context, port::HttpCallId call, const Reply& reply) {
  if (call_ != call) return false;
  call_.reset();
  if (phase_ != Phase::kReading) {
    on_transaction_reply(context, reply);
    return true;
  }
  if (reply.kind == Reply::Kind::kRefused) context.trouble(reply.error.message);
  if (reply.kind != Reply::Kind::kAnswered) return true;
  const auto response = decode_response<RangeResponse>(reply.body);
  if (!response) {
    context.trouble(response.error().message);
  } else if (context.check(response->header, reply.known_when_sent)) {
    on_keys_read(context, *response);
  }
  return true;
}

void Transactor::on_keys_read(const ClientContext&, const RangeResponse& response) {
  applied_ = refused_ = 0;
  for (const KeyValue& kv : response.kvs) {
    if (kv.key == applied_key()) applied_ = kv.mod_revision;
    if (kv.key == refused_key()) refused_ = kv.mod_revision;
  }
  phase_ = Phase::kTaking;
  token_.clear();
}

void Transactor::on_transaction_reply(const ClientContext& context, const Reply& reply) {
  if (reply.kind == Reply::Kind::kLost) return;  // sent again as soon as possible
  if (reply.kind == Reply::Kind::kRefused) return on_refusal(context, reply.error);
  usual_ = std::max(context.now - reply.sent_at, Duration{usual_.nanos - usual_.nanos / 8});
  const auto response = decode_response<TxnResponse>(reply.body);
  const bool complete = response && (response->succeeded || response->responses.size() == 3);
  if (!complete) return context.trouble("the answer to a transaction cannot be read");
  if (!context.check(response->header, reply.known_when_sent)) return;
  if (response->succeeded) return committed(context, response->header.revision);
  on_not_carried_out(context, *response);
}

// This copy was refused. What became of an earlier one, only a copy that is carried out can tell;
// unless every copy must have been refused for the same reason.
void Transactor::on_refusal(const ClientContext& context, const StoreError& error) {
  const bool only_copy = attempts_ == 1 || refuses_every_copy(error);
  if (phase_ == Phase::kTaking || !only_copy) return context.trouble(error.message);
  token_.clear();
  settle(Outcome::kRefused, 0, to_error(error), context.out);
}

void Transactor::on_not_carried_out(const ClientContext& context, const TxnResponse& response) {
  const KeyValue applied = single(response.responses[0]);
  const KeyValue refused = single(response.responses[1]);
  const bool refused_unchanged = refused.mod_revision == refused_;
  refused_ = response.header.revision;
  if (applied.value == token_ && applied.mod_revision > applied_) {
    return committed(context, applied.mod_revision);
  }
  if (applied.mod_revision < applied_) {
    context.sight.went_back(
        fmt::format("the store has gone back: our last transaction was committed at revision {} "
                    "and is no longer there",
                    applied_));
    return;
  }
  if (applied.mod_revision > applied_) {
    if (phase_ != Phase::kTaking) return replaced(context);
    // What an earlier run had on its way has just arrived.
    applied_ = applied.mod_revision;
    return token_.clear();
  }
  token_.clear();
  // In the empty transaction nothing else can fail.
  if (refused_unchanged && phase_ == Phase::kReady) {
    settle(Outcome::kCompareFailed, response.header.revision, std::nullopt, context.out);
  }
}

void Transactor::committed(const ClientContext& context, Revision revision) {
  applied_ = revision;
  token_.clear();
  if (phase_ == Phase::kTaking) {
    phase_ = Phase::kReady;
    return;
  }
  settle(Outcome::kCommitted, revision, std::nullopt, context.out);
}

void Transactor::settle(Outcome outcome, Revision revision, std::optional<Error> error,
                        ClientOutput& out) {
  CHECK(!waiting_.empty());
  out.events.push_back(
      TransactionDone{waiting_.front().ticket, outcome, revision, std::move(error)});
  waiting_.pop_front();
}

void Transactor::replaced(const ClientContext& context) {
  phase_ = Phase::kReplaced;
  const std::string message =
      fmt::format("another process writes under {}: two processes have the same node id",
                  config_.writer_prefix);
  context.out.events.push_back(WriterReplaced{message});
  // The one under way may have been committed before the other took the keys over.
  give_up(Error{ErrorKind::kUnavailable, message}, context.out);
}

void Transactor::give_up(const Error& error, ClientOutput& out) {
  call_.reset();
  token_.clear();
  while (!waiting_.empty()) {
    const Outcome outcome = waiting_.front().sent ? Outcome::kUnknown : Outcome::kRefused;
    settle(outcome, 0, error, out);
  }
}

}  // namespace magpie::store
