#include "node/regions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/planted_bug.h"
#include "control/decide_regions.h"

namespace magpie::node {

Regions::Regions(const NodeConfig& config, const control::StoreController& controller,
                 kafka::PartitionTable& partitions, log::FileIds& files, Random random)
    : config_(config),
      controller_(controller),
      partitions_(partitions),
      copies_(partitions, controller.state()),
      links_(controller.state(), copies_, random),
      terms_(controller.state(), partitions, links_,
             Duration::seconds(config.cluster->lease_seconds)),
      votes_(
          std::make_shared<const port::FileName>(port::FileName{files.next(), kAcceptedEpochsPath}),
          controller.state(), partitions, sight_, config.driver),
      tails_(files),
      operations_(controller.state(), links_, votes_),
      hand_overs_(controller.state(), terms_) {
  CHECK(config.cluster);
}

void Regions::start(kafka::Broker& broker, const control::Identity& identity) {
  CHECK(!started_);
  started_ = true;
  self_ = {identity.node_id, identity.incarnation};
  links_.start({config_.cluster_id, identity.node_id, config_.region, identity.incarnation,
                config_.cluster->build},
               config_.cluster->link_limits, config_.cluster->catch_up_limits);
  if (config_.cluster->compress_links) links_.compress_batches();
  votes_.start(broker.effects);
  terms_.start(broker, {identity.node_id, identity.incarnation});
  operations_.start({identity.node_id, identity.incarnation});
  begin_turn(broker);
  look_at_membership(broker);
  links_.look_at_nodes(broker.now, broker.effects);
}

bool Regions::leave(kafka::Broker& broker) {
  return started_ && hand_overs_.leave(broker);
}

void Regions::stop(kafka::Broker& broker) {
  hand_overs_.stop();
  terms_.stop(broker);
  operations_.stop();
  links_.stop(broker.effects);
}

void Regions::begin_turn(kafka::Broker& broker) {
  if (started_) terms_.set_lease(broker, controller_.lease_valid_until());
}

// --- events --------------------------------------------------------------------------------------

bool Regions::owns(const port::ConnectionOpened& event) const {
  return (event.connection.value & port::kOwnConnectionBit) != 0 ||
         event.listener == config_.cluster->link_listener;
}

void Regions::on(kafka::Broker& broker, const port::ConnectionOpened& event) {
  // Whoever calls before this node knows who it is calls again.
  if (!started_) return broker.effects.add(port::CloseConnection{event.connection, false});
  links_.opened(broker.now, event, broker.effects);
}

void Regions::on(kafka::Broker& broker, const port::FrameReceived& event) {
  links_.received(broker.now, event.connection, event.frame, broker.effects);
}

void Regions::on(kafka::Broker& broker, const port::ConnectionClosed& event) {
  links_.closed(broker.now, event.connection, event.reason, broker.effects);
}

bool Regions::on(kafka::Broker& broker, const port::DiskDone& event) {
  if (event.then.owner == kVotesOwner) {
    votes_.step(broker, event);
  } else if (event.then.owner == kTailKeeperOwner) {
    tails_.step(broker, event);
  } else {
    return false;
  }
  return true;
}

void Regions::applied(kafka::Broker& broker, const control::Difference& difference) {
  if (!started_) return;
  terms_.applied(broker, difference);
  operations_.state_changed();
  if (std::holds_alternative<control::NodeChanged>(difference)) {
    look_at_membership(broker);
    links_.look_at_nodes(broker.now, broker.effects);
  } else if (const auto* lease = std::get_if<control::NodeAliveChanged>(&difference)) {
    sight_.lease_changed(lease->node, controller_.state().alive(lease->node).has_value(),
                         broker.now.instant);
  }
}

// Whether this node is still one of the cluster's.
void Regions::look_at_membership(kafka::Broker& broker) {
  const control::State& state = controller_.state();
  const bool removed = control::is_removed(state, config_.region);
  if (std::exchange(removed_, removed) == removed) return;
  if (!removed) {
    links_.go_on();
    return broker.effects.add(
        port::LogLine{port::Severity::kInfo, "region_readmitted",
                      fmt::format("region '{}' is one of the cluster again", config_.region)});
  }
  links_.stop(broker.effects);
  broker.effects.add(port::LogLine{
      port::Severity::kError, "region_removed",
      fmt::format("region '{0}' was removed from the cluster: this node serves nothing any more, "
                  "and what it holds stays on its disk. Stop it, or take the region in again, at a "
                  "node of another one, with: magpie region readmit {0}",
                  config_.region)});
}

void Regions::look_at_leaders(const Now& now) {
  for (const NodeId node : links_.take_heard()) sight_.heard(node, now.instant);
  if (now.instant < next_sight_) return;
  next_sight_ = now.instant + kSightInterval;
  for (const auto& [group, end] : terms_.followed_ends()) {
    sight_.look(group, controller_.state().leadership(group).leader.node, end, now.instant);
  }
}

void Regions::published(kafka::Broker& broker, const std::string& topic) {
  terms_.topic_changed(broker, topic);
}

bool Regions::read_done(kafka::Broker& broker, const partition::ReadDone& done) {
  return links_.read_done(broker.now, done, broker.effects) || tails_.read_done(broker, done);
}

void Regions::on_partition(kafka::Broker& broker, const kafka::HostedPartition& hosted,
                           const partition::Event& event) {
  const kafka::Route route = hosted.route;
  if (std::holds_alternative<partition::LogMoved>(event) ||
      std::holds_alternative<partition::HighWatermarkMoved>(event) ||
      std::holds_alternative<partition::Trimmed>(event)) {
    links_.moved(route);
  } else if (std::holds_alternative<partition::CutDone>(event) ||
             std::holds_alternative<partition::BegunAnew>(event)) {
    links_.cut_done(route);
    terms_.partition_changed(route);
  } else if (std::holds_alternative<partition::Damaged>(event)) {
    hand_overs_.damaged(broker, terms_.group_of(route), hosted.partition->label());
    links_.unreadable(route);
  } else if (std::holds_alternative<partition::EpochSpent>(event)) {
    terms_.epoch_spent(route);
  } else if (std::holds_alternative<partition::StorageFailed>(event)) {
    links_.storage_failed(route);
  } else if (std::holds_alternative<partition::OpenFailed>(event)) {
    links_.storage_failed(route);
    terms_.partition_changed(route);
    links_.wake();
  } else if (std::holds_alternative<partition::StorageRecovered>(event) ||
             std::holds_alternative<partition::Opened>(event)) {
    terms_.partition_changed(route);
    links_.wake();
  }
}

// --- between the machines ------------------------------------------------------------------------

bool Regions::settle(kafka::Broker& broker) {
  bool more = false;
  for (LinkEvent& event : std::exchange(links_.events(), {})) {
    hear(broker, event);
    more = true;
  }
  for (const kafka::Route route : tails_.take_unreadable()) {
    links_.tail_unreadable(broker.now, route);
    more = true;
  }
  for (const kafka::Route route : tails_.take_kept()) {
    links_.tail_exported(broker.now, route, broker.effects);
    more = true;
  }
  more |= operations_.settle(broker);
  more |= terms_.settle(broker);
  for (const auto& [group, partition] : terms_.take_unable()) {
    hand_overs_.cannot_lead(broker, group, partition);
  }
  return more;
}

void Regions::hear(kafka::Broker& broker, LinkEvent& event) {
  if (auto* asked = std::get_if<Asked>(&event)) {
    votes_.answer(broker, asked->question,
                  [this, connection = asked->connection](const link::Message& answer,
                                                         port::Effects& effects) {
                    links_.answer(connection, answer, effects);
                  });
  } else if (auto* answered = std::get_if<Answered>(&event)) {
    if (const auto* promise = std::get_if<wire::LinkPromiseAnswer>(&answered->answer)) {
      terms_.promised(answered->node, *promise);
    } else {
      operations_.answered(answered->node, answered->answer);
    }
  } else if (const auto* lost = std::get_if<PeerLost>(&event)) {
    operations_.peer_lost(lost->node);
  } else if (auto* heard_of = std::get_if<Heard>(&event)) {
    heard(broker, heard_of->event);
  } else if (std::holds_alternative<FollowerMoved>(event)) {
    terms_.follower_moved();
  }
}

void Regions::heard(kafka::Broker& broker, const link::ReceiverEvent& event) {
  if (const auto* differs = std::get_if<link::TailDiffers>(&event)) {
    const kafka::HostedPartition* hosted = partitions_.find(differs->route);
    if (hosted == nullptr) return;
    if (planted(PlantedBug::kCutBeforeExport)) {
      return links_.tail_exported(broker.now, differs->route, broker.effects);
    }
    tails_.keep(broker, *hosted, terms_.group_of(differs->route), *differs);
  } else if (const auto* outdated = std::get_if<link::CopyOutdated>(&event)) {
    begin_anew(broker, *outdated);
  } else if (const auto* unreadable = std::get_if<link::CopyUnreadable>(&event)) {
    put_away(broker, *unreadable);
  }
}

// What lies between is gone everywhere: retention was faster than this copy (G10).
void Regions::begin_anew(kafka::Broker& broker, const link::CopyOutdated& outdated) {
  const kafka::HostedPartition* hosted = partitions_.find(outdated.route);
  if (hosted == nullptr) return;
  if (outdated.at > outdated.end) {
    const auto gap = static_cast<uint64_t>(outdated.at - outdated.end);
    missed_offsets_ += gap;
    broker.effects.add(port::LogLine{
        port::Severity::kWarning, "copy_begun_anew",
        fmt::format("partition {}: its leader no longer has what follows offset {}; this copy "
                    "begins anew at {} and will never hold the {} offsets between",
                    hosted->partition->label(), outdated.end.value, outdated.at.value, gap)});
  }
  links_.begin_anew(broker.now, outdated.route, broker.effects);
}

// What the leader said may be old by now, or be of an old leader: a node that has not read the
// store since its start, or accepted another epoch, knows no better.
void Regions::put_away(kafka::Broker& broker, const link::CopyUnreadable& copy) {
  const std::string& group = terms_.group_of(copy.route);
  const control::Leadership& held = controller_.state().leadership(group);
  const bool relied_on = control::contains(held.promotable, self_) || held.joining == self_;
  const bool holds = controller_.is_current() && held.epoch == copy.epoch &&
                     held.leader.node != self_.node && !relied_on &&
                     votes_.accepted(group) <= copy.epoch;
  if (!holds) return links_.copy_stays(broker.now, copy.route);
  unreadable_.push_back({copy.route, copy.tail_kept});
}

admin::RegionsStatus Regions::status() const {
  admin::RegionsStatus status;
  status.led = terms_.led_groups();
  status.links = links_.status();
  status.records_kept = tails_.records_kept();
  status.missed_offsets = missed_offsets_;
  return status;
}

admin::StoreStatus Regions::store_status() const {
  admin::StoreStatus status;
  status.self = self_;
  status.store_id = controller_.store_id();
  status.current = controller_.is_current();
  status.frozen = controller_.frozen();
  status.trouble = controller_.trouble().value_or("");
  if (const control::StoreScout* scout = controller_.scout()) {
    status.found = scout->found();
    status.adopted = scout->adopted();
  }
  status.complete = started_ && votes_.votes();
  for (const auto& [name, policy] : controller_.state().groups()) {
    status.highest[name] = votes_.accepted(name);
  }
  for (const auto& [route, hosted] : partitions_.all()) {
    const std::string& group = terms_.group_of(route);
    if (!hosted.partition->is_readable()) {
      status.complete = false;
    } else if (!group.empty()) {
      LeaderEpoch& highest = status.highest[group];
      highest = std::max(highest, hosted.partition->epochs().latest());
    }
  }
  return status;
}

void Regions::tick(kafka::Broker& broker) {
  if (!started_) return;
  terms_.tick(broker);
  votes_.tick(broker);
  tails_.tick(broker);
  hand_overs_.tick(broker);
  operations_.tick(broker.now);
  look_at_leaders(broker.now);
  if (links_.next_deadline() <= broker.now.instant) links_.tick(broker.now, broker.effects);
}

Instant Regions::next_deadline() const {
  if (!started_) return Instant::never();
  return std::min({terms_.next_deadline(), tails_.next_deadline(), links_.next_deadline(),
                   operations_.next_deadline(), hand_overs_.next_deadline(),
                   votes_.next_deadline()});
}

}  // namespace magpie::node
