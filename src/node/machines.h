// The machines of one node and how events travel between them.
//
// routing.cc takes an event to the machine it is for and then hands around what the machines say
// until nobody has anything to say; lifecycle.cc leads the node from the first read of its data
// directory to serving and back to a clean stop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admin/view.h"
#include "control/controller.h"
#include "control/store_controller.h"
#include "group/group_coordinator.h"
#include "kafka/broker.h"
#include "kafka/cluster_view.h"
#include "kafka/connections.h"
#include "kafka/fetch_requests.h"
#include "kafka/group_requests.h"
#include "kafka/offset_lookups.h"
#include "kafka/partition_table.h"
#include "kafka/produce_requests.h"
#include "kafka/record_deletions.h"
#include "log/file_ids.h"
#include "log/recent_pool.h"
#include "node/group_loader.h"
#include "node/node.h"
#include "node/node_control.h"
#include "node/regions.h"
#include "node/topic_storage.h"

namespace magpie::node {

inline constexpr uint32_t kControllerOwner = 1;
inline constexpr uint32_t kLifecycleOwner = 3;

class Node::Machines {
 public:
  Machines(NodeConfig config, uint64_t seed);

  void start(const Now& now, port::Effects& effects);
  void step(const Now& now, port::Event event, port::Effects& effects);
  void tick(const Now& now, port::Effects& effects);
  Instant next_deadline() const;

  Phase phase() const;
  const std::string& failure() const { return failure_; }
  size_t damaged_partitions() const { return damaged_partitions_; }

 private:
  enum class Stage {
    kReadingState,    // identity and journal
    kOpening,         // partitions
    kCreatingGroups,  // the internal topic of consumer groups, if it does not exist
    kRunning,         // serving; groups may still be loading
    kLeaving,         // stopping: what is led here is handed over, and everything else served
    kDraining,        // stopping: requests under way are finished
    kClosing,         // stopping: partitions are made durable
    kMarking,         // stopping: the mark of a clean stop is written
    kStopped,
    kFailed,
  };
  enum LifecycleStep : uint32_t {
    kCleanMarkRead,
    kCleanMarkRemoved,
    kCleanMarkWritten,
    kUnsyncedMarkWritten,
    kUnsyncedMarkRemoved,
  };

  kafka::Broker broker_at(const Now& now, port::Effects& effects);

  // --- routing.cc ---
  void on(kafka::Broker& broker, port::ConnectionOpened& event);
  void on(kafka::Broker& broker, port::FrameReceived& event);
  void on(kafka::Broker& broker, port::ConnectionClosed& event);
  void on(kafka::Broker& broker, port::SendQueueChanged& event);
  void on(kafka::Broker& broker, port::HttpRequestReceived& event);
  void on(kafka::Broker& broker, port::DiskDone& event);
  void on(kafka::Broker& broker, port::StopRequested& event);
  void on(kafka::Broker& broker, port::HttpCallPart& event);
  void on(kafka::Broker& broker, port::HttpCallDone& event);
  // No machine here streams.
  void on(kafka::Broker&, port::HttpExchangeClosed&) {}

  void hand_around(kafka::Broker& broker);
  bool settle_regions(kafka::Broker& broker);
  void begin_requests(kafka::Broker& broker);
  void on_partition(kafka::Broker& broker, kafka::PartitionEvent event);
  void on_settled(kafka::Broker& broker, const kafka::HostedPartition* hosted,
                  partition::Settled& settled);
  void on_read_done(kafka::Broker& broker, partition::ReadDone& done);
  void on_damaged(kafka::Broker& broker, kafka::HostedPartition& hosted, const Error& error);
  void on_controller(kafka::Broker& broker, control::ControllerEvent& event);

  // --- lifecycle.cc ---
  void ready(kafka::Broker& broker, const control::Ready& ready);
  void leave_mark(kafka::Broker& broker);
  void open(kafka::Broker& broker, const control::Ready& ready);
  void advance(kafka::Broker& broker);
  void create_groups_topic(kafka::Broker& broker);
  void serve(kafka::Broker& broker);
  void begin_stop(kafka::Broker& broker);
  void stop_serving(kafka::Broker& broker);
  bool serves() const { return stage_ == Stage::kRunning || stage_ == Stage::kLeaving; }
  void close_partitions(kafka::Broker& broker);
  void lifecycle_done(kafka::Broker& broker, const port::DiskDone& done);
  void fail(kafka::Broker& broker, std::string reason);
  size_t count_damaged() const;
  bool all_closed() const;
  bool has_closed_well() const;
  bool is_weak_member() const;
  admin::NodeView node_view() const;

  const NodeConfig config_;
  const kafka::BrokerConfig broker_config_;
  Random random_;
  log::FileIds file_ids_;
  log::RecentPool recent_pool_;
  port::FileRef clean_mark_;
  port::FileRef unsynced_mark_;

  kafka::Connections connections_;
  partition::CompactionSlot compaction_slot_;
  kafka::PartitionTable partitions_;
  // One of the two, by configuration.
  std::unique_ptr<control::Controller> own_state_;
  std::unique_ptr<control::StoreController> store_state_;
  control::ClusterController& controller_;
  TopicStorage storage_;
  NodeControl control_;
  group::GroupCoordinator coordinator_;
  GroupLoader group_loader_;
  std::unique_ptr<kafka::ClusterView> cluster_view_;
  kafka::ProduceRequests produces_;
  kafka::FetchRequests fetches_;
  kafka::OffsetLookups offset_lookups_;
  kafka::RecordDeletions record_deletions_;
  kafka::GroupRequests groups_;
  kafka::Statistics statistics_;
  std::unique_ptr<Regions> regions_;  // none if the node is alone

  Stage stage_ = Stage::kReadingState;
  std::string failure_;
  bool stop_requested_ = false;
  std::optional<control::Ready> ready_;  // while the mark of unsynced records is written
  bool opened_all_ = false;              // before the stop was asked for
  size_t damaged_partitions_ = 0;        // when the stop began
  Instant drain_deadline_ = Instant::never();
  Instant start_retry_ = Instant::never();
  // Frames that came before the node served.
  std::vector<std::pair<port::ConnectionId, Buffer>> held_;
};

}  // namespace magpie::node
