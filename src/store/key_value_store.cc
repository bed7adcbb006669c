#include "store/key_value_store.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "store/key_range.h"

namespace magpie::store {
namespace {

tl::unexpected<StoreError> no_such_lease() {
  return refuse(ErrorCode::kNotFound, "etcdserver: requested lease not found");
}
tl::unexpected<StoreError> no_key() {
  return refuse(ErrorCode::kInvalidArgument, "etcdserver: key is not provided");
}
tl::unexpected<StoreError> future() {
  return refuse(ErrorCode::kOutOfRange, "etcdserver: mvcc: required revision is a future revision");
}
tl::unexpected<StoreError> compacted() {
  return refuse(ErrorCode::kOutOfRange, "etcdserver: mvcc: required revision has been compacted");
}
tl::unexpected<StoreError> key_twice() {
  return refuse(ErrorCode::kInvalidArgument, "etcdserver: duplicate key given in txn request");
}

template <typename T>
bool compare_values(CompareResult result, const T& left, const T& right) {
  switch (result) {
    case CompareResult::kEqual:
      return left == right;
    case CompareResult::kGreater:
      return left > right;
    case CompareResult::kLess:
      return left < right;
    case CompareResult::kNotEqual:
      return left != right;
  }
  CHECK(false);
}

int64_t number_of(const KeyValue& kv, CompareTarget target) {
  switch (target) {
    case CompareTarget::kVersion:
      return kv.version;
    case CompareTarget::kCreate:
      return kv.create_revision;
    case CompareTarget::kMod:
      return kv.mod_revision;
    case CompareTarget::kLease:
      return kv.lease;
    case CompareTarget::kValue:
      break;
  }
  CHECK(false);
}

// A branch may not change a key twice: which change came last would be a matter of taste.
bool changes_key_twice(const std::vector<Operation>& operations) {
  std::vector<std::string> puts;
  for (const Operation& operation : operations) {
    if (const auto* put = std::get_if<PutRequest>(&operation)) puts.push_back(put->key);
  }
  std::sort(puts.begin(), puts.end());
  if (std::adjacent_find(puts.begin(), puts.end()) != puts.end()) return true;
  for (const Operation& operation : operations) {
    const auto* erased = std::get_if<DeleteRangeRequest>(&operation);
    if (erased == nullptr) continue;
    for (const std::string& key : puts) {
      if (in_range(key, erased->key, erased->range_end)) return true;
    }
  }
  return false;
}

bool is_deleted(const KeyValue& kv) {
  return kv.version == 0;
}

}  // namespace

KeyValueStore::KeyValueStore(const Image& image, Random random, Instant now)
    : cluster_id_(image.cluster_id),
      member_id_(image.member_id),
      raft_term_(image.raft_term),
      random_(random),
      revision_(image.revision),
      compact_revision_(image.revision > 1 ? image.revision : 0),
      first_known_(image.revision > 1 ? image.revision + 1 : 1) {
  for (const auto& [id, ttl] : image.leases) leases_.grant(id, ttl, now);
  for (const auto& [key, kv] : image.kvs) {
    keys_[key].push_back(kv);
    if (kv.lease != 0 && leases_.contains(kv.lease)) leases_.attach(kv.lease, key);
  }
}

ResponseHeader KeyValueStore::header() const {
  return {cluster_id_, member_id_, revision_, raft_term_};
}

ImageChanges KeyValueStore::take_changes() {
  return std::exchange(changes_, {});
}

const KeyValue* KeyValueStore::find(const Versions& versions, Revision revision) const {
  const auto after = std::upper_bound(
      versions.begin(), versions.end(), revision,
      [](Revision wanted, const KeyValue& kv) { return wanted < kv.mod_revision; });
  if (after == versions.begin()) return nullptr;
  const KeyValue& kv = *std::prev(after);
  return is_deleted(kv) ? nullptr : &kv;
}

// As seen inside a transaction: with what it has written so far.
const KeyValue* KeyValueStore::current(const std::string& key) const {
  const auto found = keys_.find(key);
  return found == keys_.end() ? nullptr : find(found->second, revision_ + 1);
}

// --- reading ------------------------------------------------------------------------------------

Answer<void> KeyValueStore::check_range(const RangeRequest& request) const {
  if (request.key.empty()) return no_key();
  if (request.revision > revision_) return future();
  if (request.revision > 0 && request.revision < compact_revision_) return compacted();
  return {};
}

Answer<RangeResponse> KeyValueStore::range(const RangeRequest& request) const {
  if (auto checked = check_range(request); !checked) return tl::unexpected(checked.error());
  RangeResponse response = read(request);
  response.header = header();
  return response;
}

RangeResponse KeyValueStore::read(const RangeRequest& request) const {
  const Revision at = request.revision > 0 ? request.revision : revision_ + 1;
  RangeResponse response;
  for (auto i = keys_.lower_bound(request.key); i != keys_.end(); ++i) {
    if (!in_range(i->first, request.key, request.range_end)) break;
    const KeyValue* kv = find(i->second, at);
    if (kv == nullptr) continue;
    ++response.count;
    if (request.count_only) continue;
    if (request.limit > 0 && response.kvs.size() == static_cast<size_t>(request.limit)) {
      response.more = true;
      continue;
    }
    response.kvs.push_back(*kv);
    if (request.keys_only) response.kvs.back().value.clear();
  }
  return response;
}

// --- writing ------------------------------------------------------------------------------------

Answer<void> KeyValueStore::check_put(const PutRequest& request) const {
  if (request.key.empty()) return no_key();
  if (request.lease != 0 && !leases_.contains(request.lease)) return no_such_lease();
  return {};
}

Answer<PutResponse> KeyValueStore::put(const PutRequest& request) {
  if (auto checked = check_put(request); !checked) return tl::unexpected(checked.error());
  write(request);
  finish_revision();
  return PutResponse{header()};
}

void KeyValueStore::write(const PutRequest& request) {
  const KeyValue* before = current(request.key);
  KeyValue kv;
  kv.key = request.key;
  kv.value = request.value;
  kv.mod_revision = revision_ + 1;
  kv.create_revision = before != nullptr ? before->create_revision : kv.mod_revision;
  kv.version = before != nullptr ? before->version + 1 : 1;
  kv.lease = request.lease;
  if (before != nullptr && before->lease != 0) leases_.detach(before->lease, request.key);
  if (kv.lease != 0) leases_.attach(kv.lease, request.key);
  changes_.push_back(KeyPut{kv});
  writing_.push_back({false, kv});
  keys_[request.key].push_back(std::move(kv));
}

Answer<DeleteRangeResponse> KeyValueStore::delete_range(const DeleteRangeRequest& request) {
  if (request.key.empty()) return no_key();
  const int64_t deleted = erase(request);
  finish_revision();
  return DeleteRangeResponse{header(), deleted};
}

int64_t KeyValueStore::erase(const DeleteRangeRequest& request) {
  int64_t deleted = 0;
  for (auto i = keys_.lower_bound(request.key); i != keys_.end(); ++i) {
    if (!in_range(i->first, request.key, request.range_end)) break;
    if (find(i->second, revision_ + 1) == nullptr) continue;
    erase_key(i->first, i->second);
    ++deleted;
  }
  return deleted;
}

void KeyValueStore::erase_key(const std::string& key, Versions& versions) {
  const LeaseId lease = versions.back().lease;
  if (lease != 0) leases_.detach(lease, key);
  KeyValue tombstone;
  tombstone.key = key;
  tombstone.mod_revision = revision_ + 1;
  changes_.push_back(KeyDeleted{key});
  writing_.push_back({true, tombstone});
  versions.push_back(std::move(tombstone));
}

void KeyValueStore::finish_revision() {
  if (writing_.empty()) return;
  ++revision_;
  changes_.push_back(RevisionReached{revision_});
  history_.emplace(revision_, std::exchange(writing_, {}));
}

// --- transactions -------------------------------------------------------------------------------

bool KeyValueStore::holds(const Compare& compare) const {
  const KeyValue* found = current(compare.key);
  if (compare.target == CompareTarget::kValue) {
    return found != nullptr && compare_values(compare.result, found->value, compare.value);
  }
  const int64_t number = found == nullptr ? 0 : number_of(*found, compare.target);
  return compare_values(compare.result, number, compare.number);
}

Answer<void> KeyValueStore::check_operations(const std::vector<Operation>& operations) const {
  for (const Operation& operation : operations) {
    Answer<void> checked;
    if (const auto* put = std::get_if<PutRequest>(&operation)) checked = check_put(*put);
    if (const auto* range = std::get_if<RangeRequest>(&operation)) checked = check_range(*range);
    const auto* erased = std::get_if<DeleteRangeRequest>(&operation);
    if (erased != nullptr && erased->key.empty()) return no_key();
    if (!checked) return checked;
  }
  return {};
}

OperationResponse KeyValueStore::carry_out(const Operation& operation) {
  if (const auto* range = std::get_if<RangeRequest>(&operation)) return read(*range);
  if (const auto* erased = std::get_if<DeleteRangeRequest>(&operation)) {
    return DeleteRangeResponse{{}, erase(*erased)};
  }
  write(std::get<PutRequest>(operation));
  return PutResponse{};
}

Answer<TxnResponse> KeyValueStore::txn(const TxnRequest& request) {
  if (std::max({request.compare.size(), request.success.size(), request.failure.size()}) >
      kTxnOperationsMax) {
    return refuse(ErrorCode::kInvalidArgument, "etcdserver: too many operations in txn request");
  }
  for (const Compare& compare : request.compare) {
    if (compare.key.empty()) return no_key();
  }
  if (changes_key_twice(request.success) || changes_key_twice(request.failure)) return key_twice();
  TxnResponse response;
  response.succeeded = std::all_of(request.compare.begin(), request.compare.end(),
                                   [this](const Compare& compare) { return holds(compare); });
  const auto& operations = response.succeeded ? request.success : request.failure;
  if (auto checked = check_operations(operations); !checked) {
    return tl::unexpected(checked.error());
  }
  for (const Operation& operation : operations) {
    response.responses.push_back(carry_out(operation));
  }
  finish_revision();
  for (OperationResponse& each : response.responses) {
    std::visit([this](auto& operation) { operation.header.revision = revision_; }, each);
  }
  response.header = header();
  return response;
}

// --- history ------------------------------------------------------------------------------------

Answer<CompactionResponse> KeyValueStore::compact(const CompactionRequest& request) {
  if (request.revision > revision_) return future();
  if (request.revision <= compact_revision_) return compacted();
  compact_revision_ = request.revision;
  first_known_ = std::max(first_known_, compact_revision_);
  history_.erase(history_.begin(), history_.lower_bound(first_known_));
  for (auto i = keys_.begin(); i != keys_.end();) {
    Versions& versions = i->second;
    const auto after = std::upper_bound(
        versions.begin(), versions.end(), compact_revision_,
        [](Revision wanted, const KeyValue& kv) { return wanted < kv.mod_revision; });
    if (after != versions.begin()) {
      const auto last = std::prev(after);
      versions.erase(versions.begin(), is_deleted(*last) ? after : last);
    }
    i = versions.empty() ? keys_.erase(i) : std::next(i);
  }
  return CompactionResponse{header()};
}

std::vector<WatchEvent> KeyValueStore::events(Revision first, Revision last, const std::string& key,
                                              const std::string& range_end) const {
  CHECK(first >= first_known_);
  std::vector<WatchEvent> events;
  for (auto i = history_.lower_bound(first); i != history_.end() && i->first <= last; ++i) {
    for (const WatchEvent& event : i->second) {
      if (in_range(event.kv.key, key, range_end)) events.push_back(event);
    }
  }
  return events;
}

// --- leases -------------------------------------------------------------------------------------

Answer<LeaseGrantResponse> KeyValueStore::grant(const LeaseGrantRequest& request, Instant now) {
  if (request.ttl > kLeaseSecondsMax) {
    return refuse(ErrorCode::kOutOfRange, "etcdserver: too large lease TTL");
  }
  if (request.id < 0) return no_such_lease();
  if (leases_.contains(request.id)) {
    return refuse(ErrorCode::kFailedPrecondition, "etcdserver: lease already exists");
  }
  LeaseId id = request.id;
  while (id == 0 || leases_.contains(id)) id = static_cast<LeaseId>(random_.next() >> 1);
  const int64_t ttl = std::max<int64_t>(request.ttl, 1);
  leases_.grant(id, ttl, now);
  changes_.push_back(LeaseAdded{id, ttl});
  return LeaseGrantResponse{header(), id, ttl};
}

Answer<LeaseKeepAliveResponse> KeyValueStore::keep_alive(const LeaseKeepAliveRequest& request,
                                                         Instant now) {
  return LeaseKeepAliveResponse{header(), request.id, leases_.renew(request.id, now).value_or(0)};
}

Answer<LeaseRevokeResponse> KeyValueStore::revoke(const LeaseRevokeRequest& request) {
  if (!leases_.contains(request.id)) return no_such_lease();
  end_lease(request.id);
  return LeaseRevokeResponse{header()};
}

void KeyValueStore::end_lease(LeaseId id) {
  for (const std::string& key : leases_.remove(id)) {
    const auto found = keys_.find(key);
    CHECK(found != keys_.end());
    erase_key(key, found->second);
  }
  changes_.push_back(LeaseEnded{id});
  finish_revision();
}

Answer<LeaseTimeToLiveResponse> KeyValueStore::time_to_live(const LeaseTimeToLiveRequest& request,
                                                            Instant now) const {
  auto response = leases_.describe(request.id, request.keys, now);
  if (!response) response = LeaseTimeToLiveResponse{{}, request.id, -1, 0, {}};
  response->header = header();
  return *response;
}

void KeyValueStore::expire(Instant now) {
  for (const LeaseId id : leases_.expired(now)) end_lease(id);
}

}  // namespace magpie::store
