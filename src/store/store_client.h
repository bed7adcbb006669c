// One node's view of the control store, and its pen.
//
// The problem: what regions agree on lives in a store reached over a network that loses requests
// and answers, through endpoints that fail, and that an operator may restore from an old backup. A
// node must nevertheless know at every moment what is certain. The idea: a machine over HTTP calls,
// in four parts, each with one duty: the courier picks endpoints (courier.h), the follower loads
// the state and keeps up with it (state_follower.h), the transactor commits exactly once
// (transactor.h), the keeper holds leases (lease_keeper.h). All trust one record of which store
// this is and how far it has come (store_sight.h).
//
// Guarantees:
// - Loaded is the state of one revision; then every change under the prefix is reported once, in
//   order, however often the connection breaks.
// - What an earlier run of the same writer had on its way is in Loaded or will never be.
// - Of a transaction that is reported as committed, all was applied, once; of one whose compare
//   failed, or that was refused, nothing was applied, and nothing will be.
// - A lease is held by the store at every instant before the `valid_until` that was reported last,
//   unless it was released (for the one exception, a fault of old etcds, see lease_keeper.h).
// - If the store is another one, or is older than what was seen, the client stops at once and says
//   so (StoreFrozen). A rollback that was overtaken by new writes before anybody looked is found
//   with the next transaction of a writer whose last one is missing.
//
// What it does not do: it interprets no key. It does not compact the store's history, and it does
// not make anything durable here. A transaction is not given up after some time: it is decided as
// soon as the store answers again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "port/event.h"
#include "store/client_events.h"
#include "store/client_part.h"
#include "store/courier.h"
#include "store/lease_keeper.h"
#include "store/state_follower.h"
#include "store/store_sight.h"
#include "store/transactor.h"

namespace magpie::store {

struct ClientConfig {
  CourierConfig courier;
  // Everything of one cluster; ends with '/'. The state lies under "<prefix>state/", what each
  // writer needs for itself under "<prefix>writers/<writer>/".
  std::string prefix;
  // Unique among all processes of the cluster, such as the node id; empty: this client only reads.
  std::string writer;
  // What is known from earlier runs; zeros if nothing is.
  uint64_t known_cluster_id = 0;
  Revision known_revision = 0;
  // Their prefixes are set by the client.
  FollowerConfig follower;
  TransactorConfig transactor;
  LeaseConfig lease;
};

class StoreClient {
 public:
  // `random` must differ from run to run: the tokens of transactions come from it.
  StoreClient(ClientConfig config, Random random);

  // Connects. Loaded follows as soon as the store answers.
  void start(Instant now, ClientOutput& out);

  // Commits a transaction; TransactionDone tells. Those submitted earlier are decided earlier.
  void submit(Instant now, uint64_t ticket, StateTransaction transaction, ClientOutput& out);

  // See LeaseKeeper. Seconds must be more than twice the margin.
  void hold_lease(Instant now, uint64_t handle, int64_t seconds, ClientOutput& out);
  void release_lease(Instant now, uint64_t handle, ClientOutput& out);

  // Whether the event of a call is for this client.
  bool owns(port::HttpCallId call) const { return courier_.owns(call); }
  // REQUIRES: owns() the call, except after stop() or StoreFrozen, when events are ignored.
  void step(Instant now, const port::HttpCallPart& part, ClientOutput& out);
  void step(Instant now, const port::HttpCallDone& done, ClientOutput& out);
  void tick(Instant now, ClientOutput& out);
  Instant next_deadline() const;

  // Gives up all calls and settles all transactions.
  void stop(ClientOutput& out);

  bool frozen() const { return sight_.problem().has_value(); }
  uint64_t cluster_id() const { return sight_.cluster_id(); }
  // The highest revision seen.
  Revision highest_revision() const { return sight_.highest(); }
  // Transactions not yet decided.
  size_t undecided() const { return transactor_.waiting(); }

 private:
  static ClientConfig with_prefixes(ClientConfig config);
  ClientContext context(Instant now, ClientOutput& out);
  // After every event: sends what can be sent, reports what has changed.
  void advance(const ClientContext& context);
  void report_reachability(ClientOutput& out);
  void freeze(ClientOutput& out);

  ClientConfig config_;
  StoreSight sight_;
  Courier courier_;
  StateFollower follower_;
  Transactor transactor_;
  LeaseKeeper leases_;
  bool working_ = false;
  bool reported_unreachable_ = false;
};

}  // namespace magpie::store
