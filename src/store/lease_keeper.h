// Holds leases: grants them, renews them in time, and says until when each is certainly held.
//
// The instant that is reported counts from when the request was sent, which is before the store
// started its own clock for it, less a margin for clocks that run at different speeds. Ids are
// chosen here, so that a grant whose answer was lost can be asked for again.
#pragma once

#include <map>
#include <optional>

#include "base/random.h"
#include "store/client_part.h"

namespace magpie::store {

struct LeaseConfig {
  // Taken off every validity.
  Duration margin = Duration::milliseconds(500);
  // Leases at once; one more is refused at once with LeaseGone.
  size_t leases_max = 16;
};

class LeaseKeeper {
 public:
  LeaseKeeper(LeaseConfig config, Random random) : config_(config), random_(random) {}

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
  struct Lease {
    LeaseId id = 0;
    int64_t seconds = 0;
    Phase phase = Phase::kGranting;
    std::optional<port::HttpCallId> call;
    bool call_releases = false;
    Instant renew_at;
  };
  using Leases = std::map<uint64_t, Lease>;

  Request next_request(const Lease& lease) const;
  void on_refusal(const ClientContext& context, Leases::iterator found, const StoreError& error);
  void on_answer(const ClientContext& context, Leases::iterator found, const Reply& reply);
  void held(const ClientContext& context, Leases::iterator found, int64_t ttl, Instant sent_at);
  void gone(const ClientContext& context, Leases::iterator found);

  LeaseConfig config_;
  Random random_;
  Leases leases_;
};

}  // namespace magpie::store
