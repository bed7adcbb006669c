// The leases of a store: until when each lives, and which keys go with it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "store/messages.h"

namespace magpie::store {

class LeaseTable {
 public:
  // Also renews a lease that is there.
  void grant(LeaseId id, int64_t ttl, Instant now);
  bool contains(LeaseId id) const { return leases_.contains(id); }
  // Granted seconds from `now` on; nothing if there is no such lease.
  std::optional<int64_t> renew(LeaseId id, Instant now);
  // Its keys, sorted. REQUIRES: contains(id).
  std::vector<std::string> remove(LeaseId id);

  // REQUIRES: contains(id). No key is attached to two leases.
  void attach(LeaseId id, const std::string& key);
  void detach(LeaseId id, const std::string& key);

  // Leases that have run out at `now`, sorted by id.
  std::vector<LeaseId> expired(Instant now) const;
  Instant next_expiry() const;

  // Nothing if there is no such lease. The header stays empty.
  std::optional<LeaseTimeToLiveResponse> describe(LeaseId id, bool with_keys, Instant now) const;
  size_t size() const { return leases_.size(); }

 private:
  struct Lease {
    int64_t ttl = 0;
    Instant expires;
    std::set<std::string> keys;
  };

  std::map<LeaseId, Lease> leases_;
  std::set<std::pair<Instant, LeaseId>> by_expiry_;
};

}  // namespace magpie::store
