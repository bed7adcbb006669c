#include "store/lease_table.h"

#include "base/check.h"

namespace magpie::store {

void LeaseTable::grant(LeaseId id, int64_t ttl, Instant now) {
  Lease& lease = leases_[id];
  by_expiry_.erase({lease.expires, id});
  lease.ttl = ttl;
  lease.expires = now + Duration::seconds(ttl);
  by_expiry_.insert({lease.expires, id});
}

std::optional<int64_t> LeaseTable::renew(LeaseId id, Instant now) {
  const auto found = leases_.find(id);
  if (found == leases_.end()) return std::nullopt;
  grant(id, found->second.ttl, now);
  return found->second.ttl;
}

std::vector<std::string> LeaseTable::remove(LeaseId id) {
  const auto found = leases_.find(id);
  CHECK(found != leases_.end());
  std::vector<std::string> keys(found->second.keys.begin(), found->second.keys.end());
  by_expiry_.erase({found->second.expires, id});
  leases_.erase(found);
  return keys;
}

void LeaseTable::attach(LeaseId id, const std::string& key) {
  const auto found = leases_.find(id);
  CHECK(found != leases_.end());
  found->second.keys.insert(key);
}

void LeaseTable::detach(LeaseId id, const std::string& key) {
  const auto found = leases_.find(id);
  if (found != leases_.end()) found->second.keys.erase(key);
}

std::vector<LeaseId> LeaseTable::expired(Instant now) const {
  std::set<LeaseId> ids;
  for (const auto& [expires, id] : by_expiry_) {
    if (expires > now) break;
    ids.insert(id);
  }
  return {ids.begin(), ids.end()};
}

Instant LeaseTable::next_expiry() const {
  return by_expiry_.empty() ? Instant::never() : by_expiry_.begin()->first;
}

std::optional<LeaseTimeToLiveResponse> LeaseTable::describe(LeaseId id, bool with_keys,
                                                            Instant now) const {
  const auto found = leases_.find(id);
  if (found == leases_.end()) return std::nullopt;
  const Lease& lease = found->second;
  LeaseTimeToLiveResponse response;
  response.id = id;
  response.granted_ttl = lease.ttl;
  response.ttl = (lease.expires - now).to_milliseconds() / 1000;
  if (with_keys) response.keys.assign(lease.keys.begin(), lease.keys.end());
  return response;
}

}  // namespace magpie::store
