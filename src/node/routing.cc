// Events to machines, and what machines say to each other.
#include <fmt/format.h>

#include <utility>
#include <variant>

#include "admin/routes.h"
#include "base/check.h"
#include "control/topic_name.h"
#include "kafka/dispatch.h"
#include "kafka/role_changes.h"
#include "node/machines.h"

namespace magpie::node {

kafka::Broker Node::Machines::broker_at(const Now& now, port::Effects& effects) {
  return {now,         effects,         broker_config_,    connections_,
          partitions_, control_,        *cluster_view_,    produces_,
          fetches_,    offset_lookups_, record_deletions_, groups_,
          statistics_};
}

void Node::Machines::step(const Now& now, port::Event event, port::Effects& effects) {
  kafka::Broker broker = broker_at(now, effects);
  if (regions_ != nullptr) regions_->begin_turn(broker);
  std::visit([&](auto& concrete) { on(broker, concrete); }, event);
  hand_around(broker);
}

void Node::Machines::tick(const Now& now, port::Effects& effects) {
  kafka::Broker broker = broker_at(now, effects);
  if (regions_ != nullptr) regions_->begin_turn(broker);
  if (controller_.next_deadline() <= now.instant) {
    control::ControllerOutput out{effects, control_.events()};
    controller_.tick(now, out);
  }
  partitions_.tick(now, effects);
  storage_.tick(broker);
  if (produces_.next_deadline() <= now.instant) produces_.tick(broker);
  if (record_deletions_.next_deadline() <= now.instant) record_deletions_.tick(broker);
  group_loader_.tick(broker);
  if (groups_.next_deadline() <= now.instant) groups_.tick(broker);
  if (connections_.wants_tick()) connections_.tick();
  hand_around(broker);
  // Late, so that one look sends everything that was appended in this turn.
  if (regions_ != nullptr) regions_->tick(broker);
  hand_around(broker);
  // Last, so that one look serves everything that became readable in this turn.
  if (fetches_.next_deadline() <= now.instant) fetches_.tick(broker);
  hand_around(broker);
}

Instant Node::Machines::next_deadline() const {
  if (connections_.wants_tick()) return Instant{};
  const Instant regions = regions_ == nullptr ? Instant::never() : regions_->next_deadline();
  return std::min({regions, controller_.next_deadline(), partitions_.next_deadline(),
                   storage_.next_deadline(), produces_.next_deadline(), fetches_.next_deadline(),
                   groups_.next_deadline(), group_loader_.next_deadline(), drain_deadline_,
                   start_retry_, record_deletions_.next_deadline()});
}

// --- from the world -----------------------------------------------------------------------------

void Node::Machines::on(kafka::Broker& broker, port::ConnectionOpened& event) {
  if (regions_ != nullptr && regions_->owns(event)) return regions_->on(broker, event);
  ++statistics_.connections_opened;
  connections_.opened(event, broker.effects);
}

void Node::Machines::on(kafka::Broker& broker, port::FrameReceived& event) {
  if (regions_ != nullptr && regions_->owns(event.connection)) return regions_->on(broker, event);
  if (connections_.find(event.connection) == nullptr) return;
  if (serves()) {
    return connections_.receive(event.connection, std::move(event.frame), broker.effects);
  }
  // A few frames may be on their way when reading is switched off. Those that come before the node
  // serves wait; those that come when it stops are never answered, as if they had come a moment
  // later.
  const bool starting = phase() == Phase::kStarting;
  if (starting) held_.emplace_back(event.connection, std::move(event.frame));
}

void Node::Machines::on(kafka::Broker& broker, port::ConnectionClosed& event) {
  if (regions_ != nullptr && regions_->owns(event.connection)) return regions_->on(broker, event);
  connections_.closed(event.connection);
  fetches_.connection_closed(broker, event.connection);
}

void Node::Machines::on(kafka::Broker& broker, port::SendQueueChanged& event) {
  // What a link may have on its way is limited by its follower's credit.
  if (regions_ != nullptr && regions_->owns(event.connection)) return;
  connections_.send_queue_changed(event, broker.effects);
}

void Node::Machines::on(kafka::Broker& broker, port::HttpCallPart& event) {
  control::ControllerOutput out{broker.effects, control_.events()};
  if (store_state_ != nullptr) store_state_->step(broker.now, event, out);
}

void Node::Machines::on(kafka::Broker& broker, port::HttpCallDone& event) {
  control::ControllerOutput out{broker.effects, control_.events()};
  if (store_state_ != nullptr) store_state_->step(broker.now, event, out);
}

void Node::Machines::on(kafka::Broker& broker, port::HttpRequestReceived& event) {
  admin::serve(broker, node_view(), event);
}

void Node::Machines::on(kafka::Broker& broker, port::DiskDone& event) {
  if (event.then.owner == kControllerOwner) {
    control::ControllerOutput out{broker.effects, control_.events()};
    return controller_.step(broker.now, event, out);
  }
  if (event.then.owner == kTopicStorageOwner) return storage_.step(broker, event);
  if (event.then.owner == kLifecycleOwner) return lifecycle_done(broker, event);
  if (regions_ != nullptr && regions_->on(broker, event)) return;
  kafka::HostedPartition* hosted = partitions_.find(event.then.owner);
  if (hosted == nullptr) return;  // of a partition that was removed meanwhile
  partitions_.call(*hosted, broker.effects,
                   [&](auto& partition, auto& out) { partition.step(broker.now, event, out); });
}

void Node::Machines::on(kafka::Broker& broker, port::StopRequested&) {
  if (stop_requested_) return;
  stop_requested_ = true;
  begin_stop(broker);
}

// --- between the machines -----------------------------------------------------------------------

void Node::Machines::hand_around(kafka::Broker& broker) {
  for (;;) {
    if (auto event = partitions_.next_event()) {
      on_partition(broker, std::move(*event));
      continue;
    }
    if (!control_.events().empty()) {
      std::vector<control::ControllerEvent> events = std::exchange(control_.events(), {});
      for (control::ControllerEvent& event : events) on_controller(broker, event);
      continue;
    }
    control_.check_carried_out(broker);
    const Stage before = stage_;
    advance(broker);
    const bool more = settle_regions(broker);
    begin_requests(broker);
    if (stage_ == before && !more && control_.events().empty() && !partitions_.has_events()) {
      return;
    }
  }
}

// True if there may be more to do.
bool Node::Machines::settle_regions(kafka::Broker& broker) {
  if (regions_ == nullptr) return false;
  for (const std::string& topic : storage_.take_published()) regions_->published(broker, topic);
  const bool more = regions_->settle(broker);
  for (const Regions::Unreadable& copy : regions_->take_unreadable()) {
    storage_.begin_anew(broker, copy.route, copy.tail_kept);
  }
  for (const kafka::Route route : regions_->take_role_changes()) {
    kafka::HostedPartition* hosted = partitions_.find(route);
    if (hosted != nullptr) kafka::role_changed(broker, *hosted);
  }
  group_loader_.look(broker);
  return more;
}

// The requests whose turn has come; those that wait when the node stops are never answered.
void Node::Machines::begin_requests(kafka::Broker& broker) {
  while (serves()) {
    auto next = connections_.next_frame();
    if (!next) return;
    kafka::dispatch(broker, next->first, std::move(next->second));
  }
}

void Node::Machines::on_partition(kafka::Broker& broker, kafka::PartitionEvent event) {
  kafka::HostedPartition* hosted = partitions_.find(event.route);
  // Whoever waits for an answer gets it, also when the partition is gone.
  if (auto* settled = std::get_if<partition::Settled>(&event.event)) {
    return on_settled(broker, hosted, *settled);
  }
  if (hosted == nullptr) return;
  if (regions_ != nullptr) regions_->on_partition(broker, *hosted, event.event);
  if (std::get_if<partition::HighWatermarkMoved>(&event.event) != nullptr) {
    fetches_.wake(*hosted);
    if (hosted->topic == control::kConsumerOffsetsTopic) group_loader_.look(broker);
  } else if (auto* read = std::get_if<partition::ReadDone>(&event.event)) {
    if (regions_ != nullptr && regions_->read_done(broker, *read)) return;
    on_read_done(broker, *read);
  } else if (const auto* damaged = std::get_if<partition::Damaged>(&event.event)) {
    on_damaged(broker, *hosted, damaged->error);
  } else if (auto* found = std::get_if<partition::TimestampFound>(&event.event)) {
    offset_lookups_.found(broker, hosted, kafka::Ticket::unpack(found->ticket), *found);
  } else if (auto* trimmed = std::get_if<partition::Trimmed>(&event.event)) {
    record_deletions_.trimmed(broker, *hosted, *trimmed);
  } else if (std::get_if<partition::TrimmedEverywhere>(&event.event) != nullptr) {
    record_deletions_.trimmed_everywhere(broker, *hosted);
  } else if (auto* opened = std::get_if<partition::Opened>(&event.event)) {
    storage_.opened(broker, *hosted, *opened);
  } else if (auto* not_opened = std::get_if<partition::OpenFailed>(&event.event)) {
    storage_.open_failed(broker, *hosted, *not_opened);
  } else if (auto* failed = std::get_if<partition::StorageFailed>(&event.event)) {
    hosted->failure = failed->error.message;
    if (failed->error.kind == ErrorKind::kNoSpace) storage_.disk_full(broker.now, event.route);
    broker.effects.add(port::LogLine{
        port::Severity::kError, "storage_failed",
        fmt::format("partition {} takes no writes: {}. Reads go on; it is tried again every second",
                    hosted->partition->label(), failed->error.message)});
  } else if (const auto* closed = std::get_if<partition::Closed>(&event.event)) {
    if (!closed->status) hosted->failure = closed->status.error().message;
  } else if (std::get_if<partition::StorageRecovered>(&event.event) != nullptr) {
    storage_.has_room(event.route);
    hosted->failure.clear();
    broker.effects.add(
        port::LogLine{port::Severity::kInfo, "storage_recovered",
                      fmt::format("partition {} takes writes again", hosted->partition->label())});
  }
}

void Node::Machines::on_settled(kafka::Broker& broker, const kafka::HostedPartition* hosted,
                                partition::Settled& settled) {
  const kafka::Ticket ticket = kafka::Ticket::unpack(settled.ticket);
  if (ticket.kind == kafka::TicketKind::kInternal) return groups_.settled(broker, ticket, settled);
  CHECK(ticket.kind == kafka::TicketKind::kProduce);
  produces_.settled(broker, hosted, ticket, settled);
}

void Node::Machines::on_read_done(kafka::Broker& broker, partition::ReadDone& done) {
  const kafka::Ticket ticket = kafka::Ticket::unpack(done.ticket);
  if (ticket.kind == kafka::TicketKind::kGroupLoad) return group_loader_.read_done(broker, done);
  CHECK(ticket.kind == kafka::TicketKind::kFetch);
  fetches_.read_done(broker, ticket, done);
}

// Whoever fetches is refused and never gets the records behind the damage; the operator hears of it
// once. What is not damaged is served on.
void Node::Machines::on_damaged(kafka::Broker& broker, kafka::HostedPartition& hosted,
                                const Error& error) {
  hosted.failure = error.message;
  broker.effects.add(port::LogLine{
      port::Severity::kError, "partition_damaged",
      fmt::format("partition {}: {}. Fetches of these records are refused; the others go on",
                  hosted.partition->label(), error.message)});
}

void Node::Machines::on_controller(kafka::Broker& broker, control::ControllerEvent& event) {
  if (auto* came_up = std::get_if<control::Ready>(&event)) {
    if (stage_ == Stage::kReadingState) ready(broker, *came_up);  // else: stopped meanwhile
  } else if (auto* failed = std::get_if<control::StartFailed>(&event)) {
    fail(broker, failed->error.message);
  } else if (auto* applied = std::get_if<control::Applied>(&event)) {
    control_.applied(*applied);
    if (stage_ == Stage::kReadingState) return;  // start() looks at the whole state
    for (const control::Difference& difference : applied->differences) {
      storage_.apply(broker, difference);
      if (regions_ != nullptr) regions_->applied(broker, difference);
    }
    group_loader_.look(broker);
  } else if (auto* settled = std::get_if<control::Settled>(&event)) {
    control_.settled(broker, *settled);
  }
}

}  // namespace magpie::node
