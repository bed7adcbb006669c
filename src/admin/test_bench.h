// A broker on a bench, for tests of the admin port: cluster state that changes at once, partitions
// in memory, a group coordinator whose records are always stored.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/view.h"
#include "engine/memory_engine.h"
#include "group/group_coordinator.h"
#include "kafka/broker.h"
#include "kafka/cluster_control.h"
#include "kafka/cluster_view.h"
#include "kafka/fetch_requests.h"
#include "kafka/group_requests.h"
#include "kafka/offset_lookups.h"
#include "kafka/produce_requests.h"
#include "kafka/record_deletions.h"

namespace magpie::admin {

// Decides like the real one and carries out before it answers, unless it is told to refuse.
class BenchControl final : public kafka::ClusterControl {
 public:
  // What changes of topics do to the partitions.
  using CarryOut = std::function<void(kafka::Broker&, const control::Difference&)>;
  explicit BenchControl(CarryOut carry_out);

  const control::State& state() const override { return state_; }
  const control::Policy& policy() const override { return policy_; }
  void propose(kafka::Broker& broker, Decide decide, Then then) override;
  Random& random() override { return random_; }
  std::optional<ProducerId> next_producer_id(kafka::Broker&) override { return std::nullopt; }

  std::optional<control::Refusal> refuse_with;

 private:
  CarryOut carry_out_;
  control::State state_;
  control::Policy policy_;
  Random random_{1};
};

struct HttpAnswer {
  int status = 0;
  std::string content_type;
  std::string text;
  nlohmann::json body;  // null if the text is no JSON
};

class TestBench {
 public:
  TestBench();

  // One request, answered exactly once.
  HttpAnswer ask(std::string_view method, std::string_view target, std::string_view body = "");
  HttpAnswer get(std::string_view target) { return ask("GET", target); }

  void create_topic(const std::string& name, int partitions);
  // Appends one batch of that many records.
  void produce(const std::string& topic, int partition, int records);
  // From now on the partition's disk refuses writes.
  void fail_disk(const std::string& topic, int partition, const std::string& reason);
  // The next topics to be created have partitions that cannot be opened.
  bool storage_is_damaged = false;

  void commit(const std::string& group, const std::string& topic, int partition, int64_t offset);
  // A consumer that joins, and may be on its way to a generation.
  void join(const std::string& group, const std::string& client);

  void accept_connection(uint64_t id);

  NodeView view() const;
  kafka::Broker broker();

  std::string phase = "running";
  bool serving = true;
  std::string groups_failure;
  std::string storage_error;
  std::function<RegionsStatus()> regions;
  std::function<StoreStatus()> store;
  kafka::BrokerConfig config;
  kafka::Statistics statistics;
  BenchControl control;

 private:
  void carry_out(kafka::Broker& broker, const control::Difference& difference);
  void open_partitions(kafka::Broker& broker, const std::string& topic, int32_t first);
  void drain_events();
  void deliver(const group::Event& event);

  Now now_{Instant{1'000'000}, WallTime{1'700'000'000'000}};
  port::Effects effects_;
  std::map<std::string, engine::MemoryImage> images_;  // by label; outlive the partitions
  partition::CompactionSlot slot_;
  kafka::Connections connections_{kafka::ConnectionLimits{}};
  kafka::PartitionTable partitions_;
  kafka::OneNodeView cluster_{config, partitions_};
  group::GroupCoordinator coordinator_{group::GroupConfig{}, 7};
  kafka::ProduceRequests produces_;
  kafka::FetchRequests fetches_;
  kafka::OffsetLookups offset_lookups_;
  kafka::RecordDeletions record_deletions_;
  kafka::GroupRequests groups_{coordinator_};
  uint64_t exchanges_ = 0;
  uint64_t tokens_ = 0;
};

}  // namespace magpie::admin
