// Holds leases: grants them, renews them in time, and says until when each is certainly held.
//
// The instant that is reported counts from when the request was sent, which is before the store
// started its own clock for it, less a margin for clocks that run at different speeds. Ids are
// chosen here, so that a grant whose answer was lost can be asked for again.
//
// An etcd member that has lost its leadership without knowing still renews leases, which its
// successor then ends by its own clock (https://github.com/etcd-io/etcd/issues/15247; versions
// before the fix are widespread). A renewal therefore counts only once a linearizable read, asked
// afterwards, was answered by the same member in the same term: then the leader that renewed was
// still leader. (That an old leader of such a version may also end leases that its successor
// renewed cannot be seen from here; docs/operations/control-store.md says which versions do not.)
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/random.h"
#include "store/client_part.h"

namespace magpie::store {

struct LeaseConfig {
  // Taken off every validity.
  Duration margin = Duration::milliseconds(500);
  // Leases at once; one more is refused at once with LeaseGone.
  size_t leases_max = 16;
  // A key that this client may read; which one does not matter.
  std::string read_key;
};

class LeaseKeeper {
 public:
  LeaseKeeper(LeaseConfig config, Random random) : config_(std::move(config)), random_(random) {}

  // Holds a lease of so many seconds until it is released or the store ends it; LeaseHeld tells
  // when it is held and after each renewal. A lease that is gone is not granted again by itself.
  // REQUIRES: `handle` is not in use.
  void hold(uint64_t handle, int64_t seconds, const ClientContext& context);
  // Ends it in the store. LeaseGone follows. Nothing happens if there is no such handle.
  void release(uint64_t handle);

  void pump(const ClientContext& context);
  // False if the call is not this part's.
  bool on_reply(const ClientContext& context, port::HttpCallId call, const Reply& reply);
  Instant next_deadline() const;

 private:
  enum class Phase { kGranting, kHeld, kReleasing };
  enum class Step { kGrant, kRenew, kConfirm, kRevoke };
  // A renewal that is not confirmed yet.
  struct Renewal {
    int64_t ttl = 0;
    Instant sent_at;
    uint64_t member_id = 0;
    uint64_t raft_term = 0;
  };
  struct Lease {
    LeaseId id = 0;
    int64_t seconds = 0;
    Phase phase = Phase::kGranting;
    std::optional<port::HttpCallId> call;
    Step step = Step::kGrant;  // what the call is for
    std::optional<Renewal> renewal;
    Instant renew_at;
  };
  using Leases = std::map<uint64_t, Lease>;

  static Step next_step(const Lease& lease);
  Request request_of(const Lease& lease) const;
  void on_refusal(const ClientContext& context, Leases::iterator found, const StoreError& error);
  void on_answer(const ClientContext& context, Leases::iterator found, const Reply& reply);
  void on_granted(const ClientContext& context, Leases::iterator found, const Reply& reply);
  void on_renewed(const ClientContext& context, Leases::iterator found, const Reply& reply);
  void on_confirmed(const ClientContext& context, Leases::iterator found, const Reply& reply);
  void held(const ClientContext& context, Leases::iterator found, int64_t ttl, Instant sent_at);
  void gone(const ClientContext& context, Leases::iterator found);

  LeaseConfig config_;
  Random random_;
  Leases leases_;
};

}  // namespace magpie::store
