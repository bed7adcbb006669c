// Makes this node coordinate consumer groups for as long as it leads the partition that holds them.
//
// When a term of this node begins, the groups' records are read from the internal topic into the
// coordinator; when it ends, everything in memory is forgotten, also if the next term is this
// node's own, because what was under way at its end may or may not be in the log. The reading
// begins once the high watermark has reached the end that the log had when the term began: a
// position that was acknowledged in an earlier term is then never missed.
//
// Records are read in pieces, one per turn of the driver's loop, so that a large topic does not
// hold up the rest of the node. Until it has finished the coordinator answers NOT_COORDINATOR,
// which every client retries. When the disk refuses, it waits and tries again every second. A
// record that is damaged stops the loading until the next term: serving groups from half of their
// positions would skip records or deliver them again without a word.
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

  // The node serves from now on; look() means something.
  void start(kafka::Broker& broker);

  // Follows the leadership of the groups' partition. To be called whenever that may have changed:
  // after a change of the cluster state (who leads, who is alive), after its partition got another
  // role, began or ceased to hold commits, and when its high watermark moved. Cheap if nothing did.
  void look(kafka::Broker& broker);

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
  // The partition, if the cluster wants this node to coordinate groups and it can be read; puts the
  // loading off if it cannot.
  kafka::HostedPartition* find_ours(kafka::Broker& broker);
  void begin_term(kafka::Broker& broker, LeaderEpoch term);
  void end_term(kafka::Broker& broker);
  void read_next(kafka::Broker& broker);
  void take(kafka::Broker& broker, const BufferChain& batches);
  Status load(const Buffer& batch);
  void finish(kafka::Broker& broker);
  void put_off(kafka::Broker& broker, const std::string& reason);
  void fail(kafka::Broker& broker, const std::string& reason);

  group::GroupCoordinator& coordinator_;
  bool started_ = false;
  LeaderEpoch term_ = kNoLeaderEpoch;  // the one that is loaded, being loaded, or not loadable
  uint64_t load_ = 0;                  // counts terms, to tell late reads of earlier ones
  Offset next_;
  bool running_ = false;
  Instant due_ = Instant::never();  // when to read on
  std::string failure_;
};

}  // namespace magpie::node
