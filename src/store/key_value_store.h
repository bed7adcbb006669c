// A key-value store with etcd's rules: the state that `magpie store` serves and the simulator uses.
//
// The problem: regions must agree on little, but on that exactly: who leads, who is in sync. Where
// no etcd runs (a laptop, a test, a simulated cluster) something must answer like one. The idea: a
// map from keys to their versions, a counter of revisions, and the list of what each revision
// changed, which is what watches read. Requests are answered at once; what must be made durable is
// collected as changes (image.h), and whoever serves requests holds each answer back until the
// changes before it are durable (service.h).
//
// Guarantees, as etcd gives them: every request sees all earlier ones; a transaction is carried out
// whole, at one revision, or not at all; revisions never go back; keys end with their lease, at one
// revision. Errors have etcd's codes and texts.
//
// What it does not do: no clock (the time comes in), no replication, no users, and of etcd's
// requests only those of messages.h, without the fields left out there.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "store/image.h"
#include "store/lease_table.h"
#include "store/messages.h"

namespace magpie::store {

// Longest time to live, as in etcd.
inline constexpr int64_t kLeaseSecondsMax = 9'000'000'000;
// Operations of one branch, and compares, of a transaction; etcd's --max-txn-ops.
inline constexpr size_t kTxnOperationsMax = 128;

class KeyValueStore {
 public:
  // `random` chooses the ids of leases. Leases of the image get their full time again.
  KeyValueStore(const Image& image, Random random, Instant now);

  // Errors of range: kOutOfRange if the revision is in the future or compacted.
  Answer<RangeResponse> range(const RangeRequest& request) const;
  // Errors of those that write: kInvalidArgument without a key, kNotFound for an unknown lease.
  Answer<PutResponse> put(const PutRequest& request);
  Answer<DeleteRangeResponse> delete_range(const DeleteRangeRequest& request);
  // Further errors: kInvalidArgument if a key is changed twice or there are too many operations.
  Answer<TxnResponse> txn(const TxnRequest& request);
  // Error: kOutOfRange if the revision is in the future or was compacted before.
  Answer<CompactionResponse> compact(const CompactionRequest& request);

  Answer<LeaseGrantResponse> grant(const LeaseGrantRequest& request, Instant now);
  Answer<LeaseKeepAliveResponse> keep_alive(const LeaseKeepAliveRequest& request, Instant now);
  Answer<LeaseRevokeResponse> revoke(const LeaseRevokeRequest& request);
  Answer<LeaseTimeToLiveResponse> time_to_live(const LeaseTimeToLiveRequest& request,
                                               Instant now) const;
  // Ends the leases that have run out, each at a revision of its own. To be called before a request
  // is looked at, so that no answer shows a key whose time is over.
  void expire(Instant now);
  Instant next_expiry() const { return leases_.next_expiry(); }

  // The changes of revisions [first, last] in a key range. REQUIRES: first >= first_known().
  std::vector<WatchEvent> events(Revision first, Revision last, const std::string& key,
                                 const std::string& range_end) const;
  // Changes before this revision are forgotten; a watch cannot begin earlier.
  Revision first_known() const { return first_known_; }

  ResponseHeader header() const;
  Revision revision() const { return revision_; }
  Revision compact_revision() const { return compact_revision_; }

  // What was changed since the last call, in order. Nothing if nothing was.
  ImageChanges take_changes();

 private:
  // Oldest first. Of a deletion only mod_revision is set, and version is 0.
  using Versions = std::vector<KeyValue>;

  const KeyValue* find(const Versions& versions, Revision revision) const;
  const KeyValue* current(const std::string& key) const;
  bool holds(const Compare& compare) const;
  Answer<void> check_operations(const std::vector<Operation>& operations) const;
  Answer<void> check_put(const PutRequest& request) const;
  Answer<void> check_range(const RangeRequest& request) const;

  // Each returns whether something changed; the revision is the one being made, revision_ + 1.
  RangeResponse read(const RangeRequest& request) const;
  void write(const PutRequest& request);
  int64_t erase(const DeleteRangeRequest& request);
  void erase_key(const std::string& key, Versions& versions);
  OperationResponse carry_out(const Operation& operation);
  void end_lease(LeaseId id);
  // Makes what was written since the last call the next revision.
  void finish_revision();

  uint64_t cluster_id_;
  uint64_t member_id_;
  uint64_t raft_term_;
  Random random_;
  Revision revision_;
  Revision compact_revision_;  // reads at earlier revisions are refused; 0: none was
  Revision first_known_;
  std::map<std::string, Versions> keys_;
  std::map<Revision, std::vector<WatchEvent>> history_;
  std::vector<WatchEvent> writing_;  // of the revision being made
  LeaseTable leases_;
  ImageChanges changes_;
};

}  // namespace magpie::store
