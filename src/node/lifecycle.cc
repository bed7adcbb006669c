// From the first read of the data directory to serving, and back to a clean stop.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "control/decide_topic.h"
#include "control/topic_name.h"
#include "kafka/regions_view.h"
#include "log/segment_log.h"
#include "node/machines.h"
#include "node/settings.h"

namespace magpie::node {
namespace {

constexpr const char* kCleanMarkPath = "control/clean-stop";
// How long a stop waits for requests under way before it closes the partitions all the same.
constexpr Duration kDrainLimit = Duration::seconds(10);
// After the disk could not take the mark or the internal topic: until the next try.
constexpr Duration kStartRetryDelay = Duration::seconds(1);

port::FileRef name_file(log::FileIds& files, std::string_view path) {
  return std::make_shared<const port::FileName>(port::FileName{files.next(), std::string(path)});
}

void fill_directory(const NodeConfig& config, log::FileIds& files,
                    control::DirectoryConfig& directory) {
  directory.owner = kControllerOwner;
  directory.identity_file = name_file(files, control::kIdentityPath);
  directory.journal_file = name_file(files, control::kJournalPath);
  directory.cluster_id = config.cluster_id;
  directory.node_id = config.node_id;
  directory.data_folders = {"topics", "deleted", "quarantine"};
}

std::unique_ptr<control::Controller> make_own_state(const NodeConfig& config, log::FileIds& files,
                                                    Random& random) {
  if (config.cluster) return nullptr;
  control::ControllerConfig controller;
  fill_directory(config, files, controller);
  return std::make_unique<control::Controller>(std::move(controller), random.fork());
}

std::unique_ptr<control::StoreController> make_store_state(const NodeConfig& config,
                                                           log::FileIds& files, Random& random) {
  if (!config.cluster) return nullptr;
  const ClusterConfig& cluster = *config.cluster;
  control::StoreControllerConfig controller;
  fill_directory(config, files, controller);
  controller.store.courier = cluster.store;
  controller.store.prefix = fmt::format("magpie/{}/", config.cluster_id);
  controller.node.region = config.region;
  controller.node.link = cluster.link;
  for (const AdvertisedListener& listener : config.listeners) {
    controller.node.listeners.push_back(
        {listener.name, {listener.host, static_cast<uint16_t>(listener.port)}});
  }
  controller.node.build = cluster.build;
  controller.role = cluster.region_role;
  controller.unsynced = {name_file(files, control::kUnsyncedPath), cluster.machine_run};
  controller.age_file = name_file(files, control::kDirectoryAgePath);
  controller.age_interval = cluster.age_interval;
  controller.lease_seconds = cluster.lease_seconds;
  controller.topic_defaults = policy(config).topic_defaults;
  return std::make_unique<control::StoreController>(std::move(controller), random.fork());
}

control::ClusterController& chosen(const std::unique_ptr<control::Controller>& own,
                                   const std::unique_ptr<control::StoreController>& store) {
  if (own != nullptr) return *own;
  return *store;
}

std::unique_ptr<kafka::ClusterView> cluster_view(const NodeConfig& config,
                                                 const kafka::BrokerConfig& broker,
                                                 kafka::PartitionTable& partitions,
                                                 const control::ClusterController& controller) {
  if (!config.cluster) return std::make_unique<kafka::OneNodeView>(broker, partitions);
  return std::make_unique<kafka::RegionsView>(broker, partitions, controller.state());
}

EngineFactory segment_logs(log::FileIds& files, log::RecentPool& recent, log::HashSeed seed) {
  return [&files, &recent, seed](const std::string& folder, uint32_t owner,
                                 const engine::EngineConfig& config) {
    return std::make_unique<log::SegmentLog>(folder, owner, files, recent, config, seed);
  };
}

}  // namespace

Node::Machines::Machines(NodeConfig config, uint64_t seed)
    : config_(std::move(config)),
      broker_config_(broker_config(config_)),
      random_(seed),
      recent_pool_(config_.limits.recent_batches_bytes),
      clean_mark_(name_file(file_ids_, kCleanMarkPath)),
      unsynced_mark_(name_file(file_ids_, control::kUnsyncedPath)),
      connections_(connection_limits(config_)),
      own_state_(make_own_state(config_, file_ids_, random_)),
      store_state_(make_store_state(config_, file_ids_, random_)),
      controller_(chosen(own_state_, store_state_)),
      storage_(config_, partitions_, compaction_slot_,
               segment_logs(file_ids_, recent_pool_, {random_.next(), random_.next()})),
      control_(controller_, storage_, policy(config_), random_.fork()),
      coordinator_(group_config(config_), random_.next()),
      group_loader_(coordinator_),
      cluster_view_(cluster_view(config_, broker_config_, partitions_, controller_)),
      groups_(coordinator_) {
  if (store_state_ != nullptr) {
    regions_ =
        std::make_unique<Regions>(config_, *store_state_, partitions_, file_ids_, random_.fork());
  }
}

void Node::Machines::start(const Now& now, port::Effects& effects) {
  kafka::Broker broker = broker_at(now, effects);
  control::ControllerOutput out{effects, control_.events()};
  if (own_state_ != nullptr) own_state_->start(out);
  if (store_state_ != nullptr) store_state_->start(now, out);
  hand_around(broker);
}

Phase Node::Machines::phase() const {
  switch (stage_) {
    case Stage::kReadingState:
    case Stage::kOpening:
    case Stage::kCreatingGroups:
      return Phase::kStarting;
    case Stage::kRunning:
      return Phase::kRunning;
    case Stage::kLeaving:
    case Stage::kDraining:
    case Stage::kClosing:
    case Stage::kMarking:
      return Phase::kStopping;
    case Stage::kStopped:
      return Phase::kStopped;
    case Stage::kFailed:
      return Phase::kFailed;
  }
  CHECK(false);
}

admin::NodeView Node::Machines::node_view() const {
  static constexpr const char* kNames[] = {"starting", "running", "stopping", "stopped", "failed"};
  const auto& storage_error = controller_.storage_error();
  admin::NodeView view{kNames[static_cast<size_t>(phase())], stage_ == Stage::kRunning,
                       group_loader_.failure(), storage_error ? storage_error->message : "",
                       coordinator_};
  view.stuck_folders = storage_.problems();
  if (regions_ == nullptr) return view;
  view.operations = regions_->operations();
  view.sign = config_.cluster->sign;
  view.lease = Duration::seconds(config_.cluster->lease_seconds);
  view.regions = [this] { return regions_->status(); };
  view.store = [this] { return regions_->store_status(); };
  view.store_trouble = store_state_->trouble().value_or("");
  return view;
}

void Node::Machines::fail(kafka::Broker& broker, std::string reason) {
  broker.effects.add(port::LogLine{port::Severity::kError, "start_failed", reason});
  failure_ = std::move(reason);
  stage_ = Stage::kFailed;
}

// --- starting -----------------------------------------------------------------------------------

// Whether it says that it holds what is not synced.
bool Node::Machines::is_weak_member() const {
  return config_.cluster && config_.cluster->region_role == control::RegionRole::kData &&
         config_.fsync != engine::FsyncPolicy::kAlways;
}

// A weak member leaves a mark first, so that whoever finds it need not believe what was said
// (control/directory_opening.h).
void Node::Machines::ready(kafka::Broker& broker, const control::Ready& ready) {
  CHECK(stage_ == Stage::kReadingState);
  if (!is_weak_member()) return open(broker, ready);
  ready_ = ready;
  leave_mark(broker);
}

void Node::Machines::leave_mark(kafka::Broker& broker) {
  start_retry_ = Instant::never();
  broker.effects.add(port::ReplaceFile{unsynced_mark_,
                                       {Buffer::copy_of(config_.cluster->machine_run + "\n")},
                                       {kLifecycleOwner, kUnsyncedMarkWritten, 0}});
}

void Node::Machines::open(kafka::Broker& broker, const control::Ready& ready) {
  stage_ = Stage::kOpening;
  broker.effects.add(port::LogLine{
      port::Severity::kInfo, "state_read",
      fmt::format("node {} of cluster {}{}{}", config_.node_id.value, config_.cluster_id,
                  regions_ == nullptr
                      ? fmt::format(" leads in epoch {}", ready.leadership.epoch.value)
                      : fmt::format(" in region {}", config_.region),
                  ready.created ? "; the data directory is new" : "")});
  if (!ready.created) {
    broker.effects.add(port::ReadFile{clean_mark_, 0, 1, {kLifecycleOwner, kCleanMarkRead, 0}});
    broker.effects.add(port::RemoveFile{clean_mark_, {kLifecycleOwner, kCleanMarkRemoved, 0}});
  }
  const LeaderEpoch alone = regions_ == nullptr ? ready.leadership.epoch : kNoLeaderEpoch;
  control::DataDirectory disk{config_.node_id};
  if (regions_ != nullptr) disk.incarnation = ready.identity.first();
  storage_.start(broker, controller_, alone, disk);
  if (regions_ != nullptr) regions_->start(broker, ready.identity);
}

// Takes the next stage whose time has come; called whenever everything has been handed around.
void Node::Machines::advance(kafka::Broker& broker) {
  switch (stage_) {
    case Stage::kReadingState:
      if (start_retry_ <= broker.now.instant) leave_mark(broker);
      return;
    case Stage::kOpening:
      if (storage_.idle()) create_groups_topic(broker);
      return;
    case Stage::kCreatingGroups:
      if (start_retry_ <= broker.now.instant) create_groups_topic(broker);
      return;
    case Stage::kLeaving:
      if (regions_->has_left() || drain_deadline_ <= broker.now.instant) stop_serving(broker);
      return;
    case Stage::kDraining:
      if (produces_.in_progress() == 0 || drain_deadline_ <= broker.now.instant) {
        close_partitions(broker);
      }
      return;
    case Stage::kClosing:
      if (!all_closed() || !controller_.idle()) return;
      // What was never opened is as the stop before has left it.
      if (!opened_all_) {
        stage_ = Stage::kStopped;
        return;
      }
      if (config_.cluster && has_closed_well()) {
        broker.effects.add(
            port::RemoveFile{unsynced_mark_, {kLifecycleOwner, kUnsyncedMarkRemoved, 0}});
      }
      stage_ = Stage::kMarking;
      broker.effects.add(port::ReplaceFile{
          clean_mark_, {Buffer::copy_of("1\n")}, {kLifecycleOwner, kCleanMarkWritten, 0}});
      return;
    default:
      return;
  }
}

void Node::Machines::create_groups_topic(kafka::Broker& broker) {
  stage_ = Stage::kCreatingGroups;
  start_retry_ = Instant::never();
  const std::string name(control::kConsumerOffsetsTopic);
  const bool witness =
      config_.cluster && config_.cluster->region_role == control::RegionRole::kWitness;
  if (witness || controller_.state().find_topic(name) != nullptr) return serve(broker);
  control::CreateTopic wanted;
  wanted.name = name;
  wanted.partitions = kGroupsTopicPartitions;
  wanted.configs = {{"cleanup.policy", "compact"}, {"segment.bytes", "104857600"}};
  wanted.by_node = true;
  kafka::propose<control::TopicCreated>(
      broker,
      [this, wanted](const control::State& state) {
        return control::decide_create_topic(state, control_.policy(), wanted, control_.random());
      },
      [this](kafka::Broker& late,
             const tl::expected<control::TopicCreated, control::Refusal>& created) {
        if (stage_ != Stage::kCreatingGroups) return;  // stopped meanwhile
        const auto code = created ? control::RefusalCode{} : created.error().code;
        const bool other_was_faster = code == control::RefusalCode::kTopicAlreadyExists;
        const bool may_pass = code == control::RefusalCode::kStorage ||
                              code == control::RefusalCode::kUnavailable ||
                              code == control::RefusalCode::kThrottled;
        if (!created && other_was_faster) return serve(late);
        if (!created && may_pass) {
          // Said in the log already, and tried again.
          start_retry_ = late.now.instant + kStartRetryDelay;
          return;
        }
        if (!created) {
          return fail(late, fmt::format("cannot create the internal topic {}: {}",
                                        control::kConsumerOffsetsTopic, created.error().message));
        }
        serve(late);
      });
}

void Node::Machines::serve(kafka::Broker& broker) {
  stage_ = Stage::kRunning;
  control_.prepare_producer_ids(broker);
  group_loader_.start(broker);
  connections_.set_serving(true, broker.effects);
  broker.effects.add(
      port::LogLine{port::Severity::kInfo, "serving",
                    fmt::format("serving {} partitions of {} topics", partitions_.size(),
                                controller_.state().topics().size())});
  for (auto& [connection, frame] : std::exchange(held_, {})) {
    if (connections_.find(connection) == nullptr) continue;
    connections_.receive(connection, std::move(frame), broker.effects);
  }
}

// --- stopping -----------------------------------------------------------------------------------

void Node::Machines::begin_stop(kafka::Broker& broker) {
  if (stage_ == Stage::kFailed) return;
  opened_all_ = stage_ == Stage::kRunning;
  broker.effects.add(port::LogLine{port::Severity::kInfo, "stopping", "asked to stop"});
  damaged_partitions_ = count_damaged();
  held_.clear();
  drain_deadline_ = broker.now.instant + kDrainLimit;
  const bool leads = stage_ == Stage::kRunning && regions_ != nullptr && regions_->leave(broker);
  if (!leads) return stop_serving(broker);
  stage_ = Stage::kLeaving;
}

// Some clients give up on records if a connection ends before its first answer (franz-go takes that
// for a lack of SASL), so nobody is to open one that will not be answered.
void Node::Machines::stop_serving(kafka::Broker& broker) {
  broker.effects.add(port::StopListening{});
  connections_.set_serving(false, broker.effects);
  // Before the lease is given up.
  if (regions_ != nullptr) regions_->stop(broker);
  control::ControllerOutput out{broker.effects, control_.events()};
  controller_.stop(out);
  groups_.stop(broker);
  group_loader_.stop();
  storage_.stop();
  start_retry_ = Instant::never();
  fetches_.answer_parked(broker);
  // Without links nothing more is committed; what is still under way is settled when its partition
  // closes.
  if (regions_ != nullptr) drain_deadline_ = broker.now.instant;
  stage_ = Stage::kDraining;
}

void Node::Machines::close_partitions(kafka::Broker& broker) {
  drain_deadline_ = Instant::never();
  stage_ = Stage::kClosing;
  for (auto& [route, hosted] : partitions_.all()) {
    if (hosted.partition->state() == partition::PartitionState::kClosed) continue;
    partitions_.call(hosted, broker.effects,
                     [&](auto& partition, auto& out) { partition.close(broker.now, out); });
  }
}

// A partition that only takes no writes holds everything it acknowledged.
size_t Node::Machines::count_damaged() const {
  const auto& all = partitions_.all();
  return static_cast<size_t>(std::count_if(all.begin(), all.end(), [](const auto& entry) {
    const kafka::HostedPartition& hosted = entry.second;
    return !hosted.failure.empty() &&
           hosted.partition->state() != partition::PartitionState::kReadOnly;
  }));
}

bool Node::Machines::all_closed() const {
  return std::all_of(partitions_.all().begin(), partitions_.all().end(), [](const auto& entry) {
    return entry.second.partition->state() == partition::PartitionState::kClosed;
  });
}

// Everything that the partitions hold is durable now.
bool Node::Machines::has_closed_well() const {
  return std::all_of(partitions_.all().begin(), partitions_.all().end(),
                     [](const auto& entry) { return entry.second.failure.empty(); });
}

void Node::Machines::lifecycle_done(kafka::Broker& broker, const port::DiskDone& done) {
  switch (static_cast<LifecycleStep>(done.then.kind)) {
    case kCleanMarkRead:
      broker.effects.add(port::LogLine{port::Severity::kInfo, "previous_stop",
                                       done.status ? "the previous stop was clean"
                                                   : "the previous run was not stopped cleanly; "
                                                     "the ends of the logs are checked"});
      return;
    case kCleanMarkRemoved:
    case kUnsyncedMarkRemoved:
      return;
    case kUnsyncedMarkWritten:
      if (stage_ != Stage::kReadingState) return;  // stopped meanwhile
      if (done.status) return open(broker, *ready_);
      start_retry_ = broker.now.instant + kStartRetryDelay;
      broker.effects.add(
          port::LogLine{port::Severity::kWarning, "start_delayed",
                        fmt::format("{} cannot be written: {}. It is tried again every second",
                                    control::kUnsyncedPath, done.status.error().message)});
      return;
    case kCleanMarkWritten:
      stage_ = Stage::kStopped;
      return;
  }
}

}  // namespace magpie::node
