// One node of several regions on a bench, for tests: a cluster state that tests write, copies of
// partitions in memory whose roles tests choose, and Kafka clients that ask the node.
//
// Three regions (bj, sh, gz) with one node each (1, 2, 3); the node on the bench is number 1. All
// are alive. Its clients' listener is called "client", and so are those of the others.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/byte_reader.h"
#include "control/state.h"
#include "engine/memory_engine.h"
#include "group/group_coordinator.h"
#include "kafka/broker.h"
#include "kafka/cluster_control.h"
#include "kafka/fetch_requests.h"
#include "kafka/group_requests.h"
#include "kafka/offset_lookups.h"
#include "kafka/produce_requests.h"
#include "kafka/record_deletions.h"
#include "kafka/regions_view.h"
#include "wire/fetch.h"
#include "wire/request_frame.h"
#include "wire/response_frame.h"

namespace magpie::kafka::testing {

// Commits at once.
class BenchControl final : public ClusterControl {
 public:
  const control::State& state() const override { return state_; }
  const control::Policy& policy() const override { return policy_; }
  void propose(Broker& broker, Decide decide, Then then) override;
  Random& random() override { return random_; }
  std::optional<ProducerId> next_producer_id(Broker&) override { return ProducerId{7}; }

  void put(const std::string& key, std::optional<std::string> value);

 private:
  control::State state_;
  control::Policy policy_;
  Random random_{1};
};

// A member: node `n` with its directory.
control::Member member(int32_t node);

class RegionsBench {
  // Before the partitions that live on them.
  std::map<std::string, engine::MemoryImage> images_;
  partition::CompactionSlot slot_;

 public:
  RegionsBench();

  // --- the cluster state ---
  void set_alive(int32_t node, bool alive);
  void create_topic(const std::string& name, int32_t partitions, const std::string& group = "");
  void set_group(const control::FailoverGroup& group);
  // A term that is open, with these members in the sync set.
  void lead_in_state(const std::string& group, int32_t leader, int32_t epoch,
                     const std::vector<int32_t>& sync = {});

  // --- this node's copies ---
  // Opens one without a role.
  HostedPartition& host(const std::string& topic, int32_t index = 0);
  HostedPartition& hosted(const std::string& topic, int32_t index = 0);
  partition::Partition& copy(const std::string& topic, int32_t index = 0) {
    return *hosted(topic, index).partition;
  }
  // Begins a term that needs these members; nothing is committed if `open` is false.
  void lead(const std::string& topic, int32_t epoch, const std::vector<int32_t>& required = {},
            bool open = true, int64_t floor = 0);
  // Follows, and agrees with the leader.
  void follow(const std::string& topic, int32_t epoch);
  void append(const std::string& topic, int count);
  // As the leader would send them: records from `offset` on, written in `epoch`.
  void copy_batch(const std::string& topic, int64_t offset, int count, int32_t epoch);
  template <typename Action>
  void call(const std::string& topic, Action action) {
    partitions.call(hosted(topic), effects, action);
    run();
  }
  void role_changed(const std::string& topic);

  // --- clients ---
  // Sends a request; its answer comes with take(), now or later.
  template <typename Body>
  void send(const Body& body, int version, uint64_t connection = 1) {
    const Buffer frame = flatten(wire::frame_request(body, version, 1, "test"));
    receive(connection, frame.slice(4, frame.size() - 4));
  }
  template <typename Response>
  std::optional<Response> take(int version, uint64_t connection = 1) {
    std::optional<std::string> frame = take_frame(connection);
    if (!frame) return std::nullopt;
    ByteReader in(Buffer::copy_of(*frame));
    in.read_int32();  // correlation id
    if (wire::response_header_version(Response::kApi, version) >= 1) in.read_unsigned_varint();
    Response response;
    EXPECT_TRUE(decode(in, response, version) && in.ok());
    return response;
  }
  template <typename Response, typename Body>
  Response call_api(const Body& body, int version, uint64_t connection = 1) {
    send(body, version, connection);
    auto response = take<Response>(version, connection);
    EXPECT_TRUE(response) << "not answered at once";
    return response ? std::move(*response) : Response();
  }
  // One partition of one topic, from a consumer that stands in `rack`.
  wire::FetchResponse::Partition fetch(const std::string& topic, int64_t offset,
                                       const std::string& rack = "", int version = 12);
  static wire::FetchRequest fetch_request(const std::string& topic, int64_t offset,
                                          const std::string& rack = "", int32_t max_wait_ms = 0);

  // Hands around what the machines say until nobody has anything to say, then ticks.
  void run();
  void advance(Duration duration);
  bool has_logged(const std::string& code) const;

  // Also told of every high watermark that moves.
  std::function<void(HostedPartition&)> when_moved;

  Broker broker();
  Now now{Instant{1'000'000}, WallTime{1'700'000'000'000}};
  BrokerConfig config;
  BenchControl control;
  port::Effects effects;
  PartitionTable partitions;
  Statistics statistics;
  group::GroupCoordinator coordinator{group::GroupConfig{}, 7};
  GroupRequests groups{coordinator};
  FetchRequests fetches;
  RegionsView view{config, partitions, control.state()};

 private:
  void receive(uint64_t connection, Buffer frame);
  std::optional<std::string> take_frame(uint64_t connection);
  void on_partition(Broker& broker, PartitionEvent event);
  void collect();

  Connections connections_{ConnectionLimits{}};
  ProduceRequests produces_;
  OffsetLookups offset_lookups_;
  RecordDeletions record_deletions_;
  std::map<uint64_t, std::string> received_;  // by connection
  std::vector<port::LogLine> lines_;
};

}  // namespace magpie::kafka::testing
