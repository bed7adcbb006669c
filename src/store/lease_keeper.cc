#include "store/lease_keeper.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace magpie::store {
namespace {

// Attempts to renew in the life of a lease.
constexpr int64_t kRenewals = 3;

Duration renewal_interval(int64_t seconds) {
  return Duration{Duration::seconds(seconds).nanos / kRenewals};
}

}  // namespace

void LeaseKeeper::hold(uint64_t handle, int64_t seconds, const ClientContext& context) {
  CHECK(!leases_.contains(handle) && seconds > 0);
  if (leases_.size() >= config_.leases_max) {
    context.out.events.push_back(LeaseGone{handle});
    return;
  }
  Lease lease;
  lease.id = static_cast<LeaseId>((random_.next() >> 1) | 1);
  lease.seconds = seconds;
  lease.renew_at = context.now;
  leases_.emplace(handle, lease);
}

void LeaseKeeper::release(uint64_t handle) {
  const auto found = leases_.find(handle);
  if (found != leases_.end()) found->second.phase = Phase::kReleasing;
}

LeaseKeeper::Step LeaseKeeper::next_step(const Lease& lease) {
  if (lease.phase == Phase::kReleasing) return Step::kRevoke;
  if (lease.phase == Phase::kGranting) return Step::kGrant;
  return lease.renewal ? Step::kConfirm : Step::kRenew;
}

Request LeaseKeeper::request_of(const Lease& lease) const {
  switch (lease.step) {
    case Step::kGrant:
      return LeaseGrantRequest{lease.seconds, lease.id};
    case Step::kRenew:
      return LeaseKeepAliveRequest{lease.id};
    case Step::kConfirm:
      return RangeRequest{config_.read_key};
    case Step::kRevoke:
      return LeaseRevokeRequest{lease.id};
  }
  CHECK(false);
}

void LeaseKeeper::pump(const ClientContext& context) {
  for (auto& [handle, lease] : leases_) {
    const Step step = next_step(lease);
    const bool at_once = step == Step::kRevoke || step == Step::kConfirm;
    const bool due = at_once || context.now >= lease.renew_at;
    if (lease.call || !due || !context.may_send()) continue;
    lease.step = step;
    lease.call = context.send(request_of(lease), renewal_interval(lease.seconds));
  }
}

Instant LeaseKeeper::next_deadline() const {
  Instant next = Instant::never();
  for (const auto& [handle, lease] : leases_) {
    if (!lease.call) next = std::min(next, lease.renew_at);
  }
  return next;
}

bool LeaseKeeper::on_reply(const ClientContext& context, port::HttpCallId call,
                           const Reply& reply) {
  const auto found = std::find_if(leases_.begin(), leases_.end(),
                                  [&](const auto& entry) { return entry.second.call == call; });
  if (found == leases_.end()) return false;
  Lease& lease = found->second;
  lease.call.reset();
  lease.renew_at = context.now;  // unless the answer is good
  if (reply.kind == Reply::Kind::kAnswered) {
    on_answer(context, found, reply);
    return true;
  }
  // Another endpoint cannot confirm it.
  lease.renewal.reset();
  if (reply.kind == Reply::Kind::kRefused) on_refusal(context, found, reply.error);
  return true;
}

void LeaseKeeper::on_refusal(const ClientContext& context, Leases::iterator found,
                             const StoreError& error) {
  Lease& lease = found->second;
  if (lease.step == Step::kRevoke && error.code == ErrorCode::kNotFound) {
    return gone(context, found);
  }
  if (lease.step == Step::kGrant && error.code == ErrorCode::kFailedPrecondition) {
    // An earlier request, whose answer was lost, has granted it; a renewal tells for how long.
    if (lease.phase == Phase::kGranting) lease.phase = Phase::kHeld;
    return;
  }
  context.trouble(error.message);
}

void LeaseKeeper::on_answer(const ClientContext& context, Leases::iterator found,
                            const Reply& reply) {
  switch (found->second.step) {
    case Step::kGrant:
      return on_granted(context, found, reply);
    case Step::kRenew:
      return on_renewed(context, found, reply);
    case Step::kConfirm:
      return on_confirmed(context, found, reply);
    case Step::kRevoke:
      return gone(context, found);
  }
}

void LeaseKeeper::on_granted(const ClientContext& context, Leases::iterator found,
                             const Reply& reply) {
  const auto response = decode_response<LeaseGrantResponse>(reply.body);
  if (!response) return context.trouble(response.error().message);
  if (context.check(response->header, 0)) held(context, found, response->ttl, reply.sent_at);
}

void LeaseKeeper::on_renewed(const ClientContext& context, Leases::iterator found,
                             const Reply& reply) {
  const auto response = decode_response<LeaseKeepAliveResponse>(reply.body);
  if (!response) return context.trouble(response.error().message);
  if (!context.check(response->header, 0)) return;
  if (response->ttl <= 0) return gone(context, found);
  found->second.renewal =
      Renewal{response->ttl, reply.sent_at, response->header.member_id, response->header.raft_term};
}

void LeaseKeeper::on_confirmed(const ClientContext& context, Leases::iterator found,
                               const Reply& reply) {
  const auto renewal = std::exchange(found->second.renewal, std::nullopt);
  const auto response = decode_response<RangeResponse>(reply.body);
  if (!response) return context.trouble(response.error().message);
  if (!context.check(response->header, reply.known_when_sent)) return;
  if (!renewal || renewal->member_id != response->header.member_id ||
      renewal->raft_term != response->header.raft_term) {
    return;  // renewed anew
  }
  held(context, found, renewal->ttl, renewal->sent_at);
}

void LeaseKeeper::held(const ClientContext& context, Leases::iterator found, int64_t ttl,
                       Instant sent_at) {
  Lease& lease = found->second;
  if (lease.phase == Phase::kReleasing) return;
  lease.phase = Phase::kHeld;
  lease.renew_at = sent_at + renewal_interval(ttl);
  const Instant end = sent_at + Duration::seconds(ttl);
  context.out.events.push_back(
      LeaseHeld{found->first, lease.id, Instant{end.nanos - config_.margin.nanos}});
}

void LeaseKeeper::gone(const ClientContext& context, Leases::iterator found) {
  context.out.events.push_back(LeaseGone{found->first});
  leases_.erase(found);
}

}  // namespace magpie::store
