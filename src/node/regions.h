// What a node of several regions has beside what every node has: links, terms, votes, tails.
//
// It takes the events of the node to the machines that are about other regions, and hands around
// what those say to each other; routing.cc calls it, and nobody else.
#pragma once

#include <string>
#include <vector>

#include "admin/store_status.h"
#include "base/random.h"
#include "control/identity.h"
#include "control/store_controller.h"
#include "kafka/broker.h"
#include "kafka/partition_table.h"
#include "log/file_ids.h"
#include "node/copies.h"
#include "node/hand_overs.h"
#include "node/leader_sight.h"
#include "node/links.h"
#include "node/node_config.h"
#include "node/operation_runner.h"
#include "node/tail_keeper.h"
#include "node/terms.h"
#include "node/votes.h"
#include "partition/messages.h"
#include "port/event.h"

namespace magpie::node {

class Regions {
 public:
  // All but `random` must outlive this object. REQUIRES: config.cluster.
  Regions(const NodeConfig& config, const control::StoreController& controller,
          kafka::PartitionTable& partitions, log::FileIds& files, Random random);

  // The cluster state is read and says who this node is.
  void start(kafka::Broker& broker, const control::Identity& identity);
  // The node is to stop, but not before has_left(). False if there is nothing to wait for.
  bool leave(kafka::Broker& broker);
  bool has_left() const { return hand_overs_.has_left(); }
  void stop(kafka::Broker& broker);

  // Before anything else in every step and tick: whether the lease still holds.
  void begin_turn(kafka::Broker& broker);

  // --- events -----------------------------------------------------------------------------------

  bool owns(const port::ConnectionOpened& event) const;
  bool owns(port::ConnectionId connection) const { return links_.owns(connection); }
  void on(kafka::Broker& broker, const port::ConnectionOpened& event);
  void on(kafka::Broker& broker, const port::FrameReceived& event);
  void on(kafka::Broker& broker, const port::ConnectionClosed& event);
  // True if the effect was made here.
  bool on(kafka::Broker& broker, const port::DiskDone& event);
  void applied(kafka::Broker& broker, const control::Difference& difference);
  void published(kafka::Broker& broker, const std::string& topic);
  // True if the read was made here, for a follower or for a tail.
  bool read_done(kafka::Broker& broker, const partition::ReadDone& done);
  // What a partition says that concerns its role or its copies.
  void on_partition(kafka::Broker& broker, const kafka::HostedPartition& hosted,
                    const partition::Event& event);

  // Brings everything up to date; true if there may be more to do.
  bool settle(kafka::Broker& broker);
  void tick(kafka::Broker& broker);
  Instant next_deadline() const;

  // For the admin port; null before start().
  failover::Operations* operations() const { return operations_.operations(); }
  admin::RegionsStatus status() const;
  admin::StoreStatus store_status() const;
  const Terms& terms() const { return terms_; }
  // Copies that may be put away, because not all of them can be read.
  struct Unreadable {
    kafka::Route route = 0;
    bool tail_kept = false;  // nothing that only this copy holds goes with it
  };
  std::vector<Unreadable> take_unreadable() { return std::exchange(unreadable_, {}); }
  std::vector<kafka::Route> take_role_changes() { return terms_.take_changed(); }

 private:
  void hear(kafka::Broker& broker, LinkEvent& event);
  void heard(kafka::Broker& broker, const link::ReceiverEvent& event);
  void begin_anew(kafka::Broker& broker, const link::CopyOutdated& outdated);
  void put_away(kafka::Broker& broker, const link::CopyUnreadable& copy);
  void look_at_membership(kafka::Broker& broker);
  void look_at_leaders(const Now& now);

  const NodeConfig& config_;
  const control::StoreController& controller_;
  kafka::PartitionTable& partitions_;
  NodeCopies copies_;
  LeaderSight sight_;
  Links links_;
  Terms terms_;
  Votes votes_;
  TailKeeper tails_;
  OperationRunner operations_;
  HandOvers hand_overs_;
  bool started_ = false;
  control::Member self_;
  bool removed_ = false;  // its region is none of the cluster's any more
  Instant next_sight_;
  std::vector<Unreadable> unreadable_;
  uint64_t missed_offsets_ = 0;  // that copies here will never hold
};

}  // namespace magpie::node
