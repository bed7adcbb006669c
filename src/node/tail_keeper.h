// Brings records to safety before they are cut (G10).
//
// When a follower's log differs from its leader's, what differs is read from the log and handed to
// an export (salvage/tail_export.h), one per partition at a time, once all of it is written; only
// when that is done is the receiver told that it may cut. If the disk refuses, it is tried again
// every second, and nothing is cut meanwhile.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "kafka/broker.h"
#include "kafka/partition_table.h"
#include "link/receiver.h"
#include "log/file_ids.h"
#include "partition/messages.h"
#include "port/event.h"
#include "salvage/tail_export.h"

namespace magpie::node {

inline constexpr uint32_t kTailKeeperOwner = 5;

class TailKeeper {
 public:
  explicit TailKeeper(log::FileIds& files) : files_(files) {}

  // Keeps what differs from the leader's log.
  void keep(kafka::Broker& broker, const kafka::HostedPartition& hosted, const std::string& group,
            const link::TailDiffers& differs);
  // Nothing of this partition is to be kept any more.
  void forget(kafka::Route route);

  // True if the read was made here.
  bool read_done(kafka::Broker& broker, const partition::ReadDone& done);
  void step(kafka::Broker& broker, const port::DiskDone& done);
  void tick(kafka::Broker& broker);
  Instant next_deadline() const;

  // Partitions whose tail is kept now, and may be cut; given once.
  std::vector<kafka::Route> take_kept() { return std::exchange(kept_, {}); }
  // Partitions whose tail is damaged, so that it cannot be kept. It is tried again all the same.
  std::vector<kafka::Route> take_unreadable() { return std::exchange(unreadable_, {}); }
  uint64_t records_kept() const { return records_kept_; }

 private:
  struct Export {
    salvage::Tail tail;  // as asked
    salvage::TailExport work;
    uint64_t number = 0;
    std::string complaint;  // the error that was logged last
    Instant retry_at = Instant::never();
    Instant look_at = Instant::never();  // whether it is all written
  };

  // `complaint`: what was logged about an attempt before.
  void begin(kafka::Broker& broker, kafka::Route route, const salvage::Tail& tail,
             std::string complaint);
  // Whatever comes next.
  void go_on(kafka::Broker& broker, kafka::Route route, Export& one);

  log::FileIds& files_;
  std::map<kafka::Route, Export> exports_;
  std::map<uint64_t, kafka::Route> by_number_;
  uint64_t next_number_ = 1;
  std::vector<kafka::Route> kept_;
  std::vector<kafka::Route> unreadable_;
  uint64_t records_kept_ = 0;
};

}  // namespace magpie::node
