// Fetch (key 1): read what is there, or wait until there is enough.
//
// A fetch asks many partitions for at least min_bytes within max_wait. What lies below the high
// watermark is read at once (from memory, or by a disk read that comes back later); if that is too
// little the request is parked and tried again when the high watermark of one of its partitions
// moves, or answered with what there is when its time is up (pitfall: a broker that ignores
// max_wait makes clients spin). Woken fetches are tried once per turn of the driver's loop, in
// tick(), so that a burst of appends wakes a consumer once.
//
// Sessions (KIP-227) are not offered: every answer says session 0, which clients must accept. A
// request that goes on with a session names only the partitions that changed; as no session is
// known here it is answered FETCH_SESSION_ID_NOT_FOUND, and the client asks for everything.
//
// With several regions a follower answers too, up to its own high watermark, and a leader may send
// a consumer to a follower in its region (serving.h, read_replicas.h). What a consumer wants may
// lie beyond the log: on a follower, because it lags; on a leader, because an epoch that follows a
// loss begins above every offset that was given out, and the consumer read what was lost. Both wait
// for what comes next, and are never told OFFSET_OUT_OF_RANGE, which would make the consumer start
// over or skip records (pitfall 17). A client that says in which epoch it read last learns where it
// parts from the leader's log (KIP-595).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kafka/broker.h"
#include "kafka/read_replicas.h"
#include "kafka/ticket.h"
#include "partition/messages.h"
#include "wire/fetch.h"

namespace magpie::kafka {

class FetchRequests {
 public:
  void start(Broker& broker, const Request& request, wire::FetchRequest body);

  // A disk read of one of our requests finished.
  void read_done(Broker& broker, const Ticket& ticket, partition::ReadDone& done);

  // The high watermark of `hosted` moved: look at its waiting fetches in the next tick.
  void wake(HostedPartition& hosted);

  // `hosted` is about to be removed, went offline or has another role (role_changes.h): whoever
  // waits for it is looked at again, and what is being read is refused.
  void partition_lost(Broker& broker, HostedPartition& hosted);

  void connection_closed(Broker& broker, port::ConnectionId connection);

  // Answers everything that is parked with what there is; the node stops.
  void answer_parked(Broker& broker);

  void tick(Broker& broker);
  // The past if a woken fetch waits to be tried.
  Instant next_deadline() const;

  size_t in_progress() const { return operations_.size(); }

 private:
  using PartitionAnswer = wire::FetchResponse::Partition;
  using PartitionAsked = wire::FetchRequest::Partition;
  struct Item {
    const std::string* topic = nullptr;
    const PartitionAsked* asked = nullptr;
    PartitionAnswer* answer = nullptr;
    Route route = 0;
    bool reading = false;
    bool takes_any_size = false;  // its first batch comes however large it is
  };
  struct Operation {
    Request request;
    wire::FetchRequest body;
    wire::FetchResponse response;
    std::vector<Item> items;
    std::set<NodeId> near;  // replicas in the consumer's region, if that is another one
    Instant deadline;
    size_t reads = 0;           // disk reads under way
    uint64_t gathered = 0;      // bytes in the answer so far
    uint64_t reserved = 0;      // bytes that disk reads under way may still bring
    uint64_t size_at_park = 0;  // of all its partitions, to see how much came since
    bool more_is_held = false;  // when it parked there were records above a high watermark
    bool urgent = false;        // some partition has an error or a hint: answer at once
    bool parked = false;
    bool lost = false;       // a partition it waits for was removed or has another role
    bool abandoned = false;  // the connection closed while reads were under way
  };
  using Operations = std::map<uint64_t, Operation>;

  void gather(Broker& broker, uint64_t id, Operation& operation);
  void gather_item(Broker& broker, uint64_t id, Operation& operation, uint32_t index);
  bool may_read(Broker& broker, Operation& operation, Item& item, HostedPartition* hosted);
  void read_item(Broker& broker, uint64_t id, Operation& operation, uint32_t index,
                 HostedPartition& hosted);
  void settle(Broker& broker, Operations::iterator operation);
  void park(Broker& broker, uint64_t id, Operation& operation);
  void unpark(Broker& broker, uint64_t id, Operation& operation);
  void finish(Broker& broker, Operations::iterator operation);
  static uint64_t wanted_bytes(const Operation& operation);
  // Whether more could be read already than the limits of the request allow.
  static bool is_cut_short(const Operation& operation);
  uint64_t size_of_partitions(Broker& broker, const Operation& operation) const;

  uint64_t next_operation_ = 0;
  Operations operations_;
  std::set<std::pair<Instant, uint64_t>> deadlines_;  // of parked operations
  std::set<uint64_t> woken_;
  ReadReplicas read_replicas_;
};

}  // namespace magpie::kafka
