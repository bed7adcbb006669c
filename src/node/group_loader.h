// Reads the groups' records from the internal topic into the coordinator when the node starts.
//
// In pieces, one per turn of the driver's loop, so that a large topic does not hold up the rest of
// the node. Until it has finished the coordinator answers NOT_COORDINATOR, which every client
// retries. When the disk refuses, it waits and tries again every second. A record that is damaged
// stops the loading for good: serving groups from half of their positions would skip records or
// deliver them again without a word.
#pragma once

#include <optional>
#include <string>

#include "group/group_coordinator.h"
#include "kafka/broker.h"
#include "kafka/partition_table.h"
#include "partition/messages.h"

namespace magpie::node {

class GroupLoader {
 public:
  explicit GroupLoader(group::GroupCoordinator& coordinator) : coordinator_(coordinator) {}

  // Begins to read the partition that holds the groups.
  void start(kafka::Broker& broker);

  // A disk read of ours finished.
  void read_done(kafka::Broker& broker, partition::ReadDone& done);

  // Reads the next piece if it is time.
  void tick(kafka::Broker& broker);
  Instant next_deadline() const { return due_; }

  // The node stops: nothing more is read.
  void stop();

  bool running() const { return running_; }
  // Why groups are not served; empty if they are, or are on their way.
  const std::string& failure() const { return failure_; }

 private:
  void read_next(kafka::Broker& broker);
  void take(kafka::Broker& broker, const BufferChain& batches);
  Status load(const Buffer& batch);
  void finish(kafka::Broker& broker);
  void put_off(kafka::Broker& broker, const std::string& reason);
  void fail(kafka::Broker& broker, const std::string& reason);

  group::GroupCoordinator& coordinator_;
  Offset next_;
  bool running_ = false;
  Instant due_ = Instant::never();  // when to read on
  std::string failure_;
};

}  // namespace magpie::node
