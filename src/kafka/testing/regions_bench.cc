#include "kafka/testing/regions_bench.h"

#include <algorithm>

#include "base/check.h"
#include "control/decide_topic.h"
#include "control/group_values.h"
#include "control/keys.h"
#include "control/region_values.h"
#include "control/values.h"
#include "kafka/dispatch.h"
#include "kafka/role_changes.h"
#include "record/builder.h"

namespace magpie::kafka::testing {
namespace {

constexpr const char* kRegions[] = {"bj", "sh", "gz"};

Buffer batch_of(int count) {
  record::BatchBuilder builder;
  for (int i = 0; i < count; ++i) builder.add({.timestamp = 1'000 + i, .key = "k", .value = "v"});
  return builder.build();
}

}  // namespace

void BenchControl::propose(Broker& broker, Decide decide, Then then) {
  const auto decided = decide(state_);
  if (!decided) return then(broker, decided.error());
  if (!decided->empty()) CHECK(state_.apply(state_.revision() + 1, decided->changes));
  then(broker, std::nullopt);
}

void BenchControl::put(const std::string& key, std::optional<std::string> value) {
  const auto applied = state_.apply(state_.revision() + 1, {{key, std::move(value)}});
  ASSERT_TRUE(applied) << applied.error().message;
}

control::Member member(int32_t node) {
  control::Member made{NodeId{node}, {}};
  made.incarnation.bytes.fill(static_cast<uint8_t>(node));
  return made;
}

RegionsBench::RegionsBench() {
  config.cluster_id = "bench";
  config.node_id = NodeId{1};
  config.region = kRegions[0];
  config.addresses = {{"bj.example", 9092}};
  config.listeners = {"client"};
  for (int32_t id = 1; id <= 3; ++id) {
    const std::string region = kRegions[id - 1];
    control.put(control::region_key(region),
                control::encode_region({region, control::RegionRole::kData}));
    control::Node node;
    node.id = NodeId{id};
    node.region = region;
    node.incarnation = member(id).incarnation;
    node.listeners = {{"client", {region + ".example", 9092}}};
    control.put(control::node_key(node.id), control::encode_node(node));
    set_alive(id, true);
  }
  connections_.set_serving(true, effects);
}

Broker RegionsBench::broker() {
  return {now,       effects, config,          connections_,      partitions, control,   view,
          produces_, fetches, offset_lookups_, record_deletions_, groups,     statistics};
}

// --- the cluster state ---------------------------------------------------------------------------

void RegionsBench::set_alive(int32_t node, bool alive) {
  std::optional<std::string> value;
  if (alive) value = control::encode_alive(member(node).incarnation);
  control.put(control::alive_key(NodeId{node}), std::move(value));
}

void RegionsBench::create_topic(const std::string& name, int32_t partitions_wanted,
                                const std::string& group) {
  control::Topic topic{name, {}, {}};
  topic.id = Uuid::random(control.random());
  topic.placement.assign(static_cast<size_t>(partitions_wanted), NodeId{1});
  control.put(control::topic_key(name), control::encode_topic(topic));
  if (group.empty()) return;
  control.put(control::topic_configs_key(name),
              control::encode_configs({{"magpie.failover.group", group}}));
}

void RegionsBench::set_group(const control::FailoverGroup& group) {
  control.put(control::group_key(group.name), control::encode_group(group));
}

void RegionsBench::lead_in_state(const std::string& group, int32_t leader, int32_t epoch,
                                 const std::vector<int32_t>& sync) {
  control::Leadership led;
  led.epoch = LeaderEpoch{epoch};
  led.leader = member(leader);
  led.open = true;
  for (const int32_t node : sync) led.sync = control::with(led.sync, member(node));
  led.promotable = control::with(led.sync, led.leader);
  control.put(control::leadership_key(group), control::encode_leadership(led));
}

// --- copies --------------------------------------------------------------------------------------

HostedPartition& RegionsBench::host(const std::string& topic, int32_t index) {
  const std::string label = topic + "-" + std::to_string(index);
  HostedPartition fresh;
  fresh.route = partitions.next_route();
  fresh.topic = topic;
  fresh.index = PartitionIndex{index};
  fresh.partition = std::make_unique<partition::Partition>(
      label, partition::PartitionConfig{}, std::make_unique<engine::MemoryEngine>(images_[label]),
      slot_);
  fresh.published = true;
  HostedPartition& added = partitions.add(std::move(fresh));
  partitions.call(added, effects, [&](auto& partition, auto& out) {
    const bool exists = images_[label].exists;
    partition.open(now, exists ? engine::OpenMode::kExisting : engine::OpenMode::kCreate,
                   kNoLeaderEpoch, out);
  });
  run();
  return added;
}

HostedPartition& RegionsBench::hosted(const std::string& topic, int32_t index) {
  HostedPartition* found = partitions.find(topic, PartitionIndex{index});
  CHECK(found != nullptr);
  return *found;
}

void RegionsBench::lead(const std::string& topic, int32_t epoch,
                        const std::vector<int32_t>& required, bool open, int64_t floor) {
  call(topic, [&](auto& partition, auto& out) {
    partition.lead(now, {LeaderEpoch{epoch}, Offset{floor}, floor > 0}, out);
    std::vector<NodeId> nodes;
    for (const int32_t node : required) nodes.push_back(NodeId{node});
    if (open) partition.require(now, nodes, out);
  });
}

void RegionsBench::follow(const std::string& topic, int32_t epoch) {
  call(topic, [&](auto& partition, auto& out) {
    partition.follow(now, LeaderEpoch{epoch}, out);
    partition.reconciled(now, {}, out);
  });
}

void RegionsBench::append(const std::string& topic, int count) {
  const uint64_t ticket = Ticket{TicketKind::kGroupLoad, 0, 0}.pack();  // nobody waits for it
  call(topic, [&](auto& partition, auto& out) {
    partition.append_internal(now, ticket, batch_of(count), out);
  });
}

void RegionsBench::copy_batch(const std::string& topic, int64_t offset, int count, int32_t epoch) {
  Buffer batch = batch_of(count);
  record::stamp(batch.mutable_bytes(), Offset{offset}, LeaderEpoch{epoch});
  call(topic, [&](auto& partition, auto& out) {
    const Status appended = partition.append_copied(now, std::move(batch), out);
    EXPECT_TRUE(appended) << appended.error().message;
  });
}

void RegionsBench::role_changed(const std::string& topic) {
  Broker at_hand = broker();
  kafka::role_changed(at_hand, hosted(topic));
  run();
}

// --- clients -------------------------------------------------------------------------------------

void RegionsBench::receive(uint64_t id, Buffer frame) {
  const port::ConnectionId connection{id};
  if (connections_.find(connection) == nullptr) {
    connections_.opened({connection, port::ListenerIndex{0}, "127.0.0.1:5"}, effects);
  }
  Broker at_hand = broker();
  dispatch(at_hand, connection, std::move(frame));
  run();
}

std::optional<std::string> RegionsBench::take_frame(uint64_t connection) {
  std::string& received = received_[connection];
  if (received.size() < 4) return std::nullopt;
  ByteReader prefix(Buffer::copy_of(received.substr(0, 4)));
  const auto size = static_cast<size_t>(prefix.read_int32());
  std::string frame = received.substr(4, size);
  received.erase(0, 4 + size);
  return frame;
}

wire::FetchRequest RegionsBench::fetch_request(const std::string& topic, int64_t offset,
                                               const std::string& rack, int32_t max_wait_ms) {
  wire::FetchRequest request;
  request.max_bytes = 1'000'000;
  request.min_bytes = 1;
  request.max_wait_ms = max_wait_ms;
  request.rack_id = rack;
  auto& asked = request.topics.emplace_back();
  asked.topic = topic;
  auto& partition = asked.partitions.emplace_back();
  partition.fetch_offset = offset;
  partition.partition_max_bytes = 1'000'000;
  return request;
}

wire::FetchResponse::Partition RegionsBench::fetch(const std::string& topic, int64_t offset,
                                                   const std::string& rack, int version) {
  const auto response = call_api<wire::FetchResponse>(fetch_request(topic, offset, rack), version);
  if (response.responses.size() != 1) return {};
  return response.responses[0].partitions.at(0);
}

// --- events --------------------------------------------------------------------------------------

void RegionsBench::on_partition(Broker& at_hand, PartitionEvent event) {
  HostedPartition* from = partitions.find(event.route);
  if (auto* settled = std::get_if<partition::Settled>(&event.event)) {
    const Ticket ticket = Ticket::unpack(settled->ticket);
    if (ticket.kind == TicketKind::kInternal) groups.settled(at_hand, ticket, *settled);
    if (ticket.kind == TicketKind::kProduce) produces_.settled(at_hand, from, ticket, *settled);
  } else if (std::get_if<partition::HighWatermarkMoved>(&event.event) != nullptr) {
    fetches.wake(*from);
    if (when_moved) when_moved(*from);
  } else if (auto* found = std::get_if<partition::TimestampFound>(&event.event)) {
    offset_lookups_.found(at_hand, from, Ticket::unpack(found->ticket), *found);
  } else if (auto* trimmed = std::get_if<partition::Trimmed>(&event.event)) {
    record_deletions_.trimmed(at_hand, *from, *trimmed);
  } else if (std::get_if<partition::TrimmedEverywhere>(&event.event) != nullptr) {
    record_deletions_.trimmed_everywhere(at_hand, *from);
  }
}

void RegionsBench::run() {
  Broker at_hand = broker();
  while (auto event = partitions.next_event()) on_partition(at_hand, std::move(*event));
  if (produces_.next_deadline() <= now.instant) produces_.tick(at_hand);
  if (record_deletions_.next_deadline() <= now.instant) record_deletions_.tick(at_hand);
  if (fetches.next_deadline() <= now.instant) fetches.tick(at_hand);
  if (groups.next_deadline() <= now.instant) groups.tick(at_hand);
  collect();
}

void RegionsBench::advance(Duration duration) {
  now.instant = now.instant + duration;
  now.wall.millis += duration.to_milliseconds();
  run();
}

void RegionsBench::collect() {
  for (port::Effect& effect : effects.list()) {
    if (auto* send = std::get_if<port::Send>(&effect)) {
      received_[send->connection.value] += flatten(send->bytes).text();
    } else if (auto* line = std::get_if<port::LogLine>(&effect)) {
      lines_.push_back(std::move(*line));
    }
  }
  effects.clear();
}

bool RegionsBench::has_logged(const std::string& code) const {
  return std::any_of(lines_.begin(), lines_.end(),
                     [&](const port::LogLine& line) { return line.code == code; });
}

}  // namespace magpie::kafka::testing
