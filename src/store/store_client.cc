#include "store/store_client.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace magpie::store {

ClientConfig StoreClient::with_prefixes(ClientConfig config) {
  CHECK(config.prefix.ends_with('/'));
  config.follower.prefix = config.prefix;
  config.follower.state_prefix = config.prefix + "state/";
  config.transactor.state_prefix = config.follower.state_prefix;
  config.lease.read_key = config.prefix;
  if (!config.writer.empty()) {
    config.transactor.writer_prefix = config.prefix + "writers/" + config.writer + "/";
  }
  return config;
}

StoreClient::StoreClient(ClientConfig config, Random random)
    : config_(with_prefixes(std::move(config))),
      sight_(config_.known_cluster_id, config_.known_revision),
      courier_(config_.courier, random.fork()),
      follower_(config_.follower),
      transactor_(config_.transactor, random.fork()),
      leases_(config_.lease, random.fork()) {}

ClientContext StoreClient::context(Instant now, ClientOutput& out) {
  return {now, courier_, sight_, out};
}

void StoreClient::start(Instant now, ClientOutput& out) {
  CHECK(!working_ && !follower_.started());
  working_ = true;
  advance(context(now, out));
}

void StoreClient::submit(Instant now, uint64_t ticket, StateTransaction transaction,
                         ClientOutput& out) {
  if (!working_) {
    out.events.push_back(
        TransactionDone{ticket, Outcome::kRefused, 0,
                        Error{ErrorKind::kUnavailable, "the client of the store has stopped"}});
    return;
  }
  transactor_.submit(ticket, std::move(transaction), context(now, out));
  advance(context(now, out));
}

void StoreClient::hold_lease(Instant now, uint64_t handle, int64_t seconds, ClientOutput& out) {
  if (!working_) return out.events.push_back(LeaseGone{handle});
  leases_.hold(handle, seconds, context(now, out));
  advance(context(now, out));
}

void StoreClient::release_lease(Instant now, uint64_t handle, ClientOutput& out) {
  if (!working_) return;
  leases_.release(handle);
  advance(context(now, out));
}

void StoreClient::step(Instant now, const port::HttpCallPart& part, ClientOutput& out) {
  if (!working_ || !owns(part.call)) return;
  follower_.on_part(context(now, out), part);
  advance(context(now, out));
}

void StoreClient::step(Instant now, const port::HttpCallDone& done, ClientOutput& out) {
  if (!working_ || !owns(done.call)) return;
  const ClientContext here = context(now, out);
  const auto reply = courier_.finish(now, done, follower_.stream_rest(done.call));
  if (reply && !transactor_.on_reply(here, done.call, *reply) &&
      !leases_.on_reply(here, done.call, *reply)) {
    follower_.on_reply(here, done.call, *reply);
  }
  advance(here);
}

void StoreClient::tick(Instant now, ClientOutput& out) {
  if (working_) advance(context(now, out));
}

void StoreClient::advance(const ClientContext& context) {
  if (sight_.problem()) return freeze(context.out);
  courier_.pump(context.now, context.out.effects);
  transactor_.pump(context);
  leases_.pump(context);
  if (!follower_.started() && transactor_.ready()) follower_.start();
  follower_.pump(context);
  report_reachability(context.out);
}

Instant StoreClient::next_deadline() const {
  if (!working_ || courier_.authenticating()) return Instant::never();
  const Instant parts = std::min(follower_.next_deadline(), leases_.next_deadline());
  // What is due during a pause waits for its end.
  const Instant pause = courier_.next_deadline();
  return pause == Instant::never() ? parts : pause;
}

void StoreClient::report_reachability(ClientOutput& out) {
  const bool unreachable = courier_.unreachable().has_value();
  if (unreachable == reported_unreachable_) return;
  reported_unreachable_ = unreachable;
  if (unreachable) {
    out.events.push_back(StoreUnreachable{*courier_.unreachable()});
  } else {
    out.events.push_back(StoreReachable{});
  }
}

void StoreClient::freeze(ClientOutput& out) {
  if (!working_) return;
  out.events.push_back(*sight_.problem());
  stop(out);
}

void StoreClient::stop(ClientOutput& out) {
  working_ = false;
  courier_.cancel_all(out.effects);
  transactor_.give_up(Error{ErrorKind::kUnavailable, "the client of the store has stopped"}, out);
}

}  // namespace magpie::store
