#include "admin/test_bench.h"

#include <gtest/gtest.h>

#include <utility>
#include <variant>

#include "admin/routes.h"
#include "base/check.h"
#include "record/builder.h"

namespace magpie::admin {
namespace {

std::string label_of(const std::string& topic, int partition) {
  return topic + "-" + std::to_string(partition);
}

// Its disk fails when the bench says so.
class BenchEngine final : public engine::MemoryEngine {
 public:
  using MemoryEngine::MemoryEngine;

  void step(const Now&, const port::DiskDone& done, engine::Output& out) override {
    fail_writes(done.status.error(), false, out);
  }
};

}  // namespace

BenchControl::BenchControl(CarryOut carry_out) : carry_out_(std::move(carry_out)) {
  policy_.nodes = {NodeId{1}};
  policy_.keep_deleted = Duration::seconds(60);
}

void BenchControl::propose(kafka::Broker& broker, Decide decide, Then then) {
  if (refuse_with) return then(broker, refuse_with);
  const tl::expected<control::Transaction, control::Refusal> decided = decide(state_);
  if (!decided) return then(broker, decided.error());
  if (!decided->empty()) {
    const auto differences = state_.apply(state_.revision() + 1, decided->changes);
    CHECK(differences.has_value());
    for (const control::Difference& difference : *differences) carry_out_(broker, difference);
  }
  then(broker, std::nullopt);
}

TestBench::TestBench()
    : control([this](kafka::Broker& broker, const control::Difference& difference) {
        carry_out(broker, difference);
      }) {
  config.cluster_id = "bench";
  config.region = "here";
  group::Output out;
  coordinator_.finish_loading(now_, out);
}

NodeView TestBench::view() const {
  NodeView view{phase, serving, groups_failure, storage_error, coordinator_};
  view.regions = regions;
  view.store = store;
  return view;
}

kafka::Broker TestBench::broker() {
  return {now_,      effects_, config,          connections_,      partitions_, control,   cluster_,
          produces_, fetches_, offset_lookups_, record_deletions_, groups_,     statistics};
}

HttpAnswer TestBench::ask(std::string_view method, std::string_view target, std::string_view body) {
  const port::HttpExchangeId exchange{++exchanges_};
  kafka::Broker at_hand = broker();
  effects_.clear();
  serve(at_hand, view(), {exchange, std::string(method), std::string(target), std::string(body)});
  std::vector<HttpAnswer> answers;
  for (const port::Effect& effect : effects_.list()) {
    const auto* response = std::get_if<port::HttpRespond>(&effect);
    if (response == nullptr) continue;
    EXPECT_EQ(response->exchange, exchange);
    nlohmann::json parsed = nlohmann::json::parse(response->body, nullptr, false);
    if (parsed.is_discarded()) parsed = nullptr;
    answers.push_back(
        {response->status, response->content_type, response->body, std::move(parsed)});
  }
  drain_events();
  EXPECT_EQ(answers.size(), 1u) << method << " " << target;
  return answers.empty() ? HttpAnswer{} : answers.front();
}

void TestBench::create_topic(const std::string& name, int partitions) {
  const nlohmann::json body = {{"name", name}, {"partitions", partitions}};
  const HttpAnswer created = ask("POST", "/v1/topics", body.dump());
  ASSERT_EQ(created.status, 201) << created.text;
}

void TestBench::carry_out(kafka::Broker& at_hand, const control::Difference& difference) {
  if (const auto* added = std::get_if<control::TopicAdded>(&difference)) {
    open_partitions(at_hand, added->name, 0);
  } else if (const auto* more = std::get_if<control::PartitionsAdded>(&difference)) {
    open_partitions(at_hand, more->name, more->first_new.value);
  } else if (const auto* removed = std::get_if<control::TopicRemoved>(&difference)) {
    partitions_.remove_topic(removed->topic.name, effects_);
  }
}

void TestBench::open_partitions(kafka::Broker& at_hand, const std::string& topic, int32_t first) {
  const control::Topic& known = *control.state().find_topic(topic);
  for (int32_t index = first; index < known.partition_count(); ++index) {
    const std::string label = label_of(topic, index);
    engine::MemoryImage& image = images_[label];
    image = {};
    kafka::HostedPartition hosted;
    hosted.route = partitions_.next_route();
    hosted.topic = topic;
    hosted.topic_id = known.id;
    hosted.index = PartitionIndex{index};
    hosted.partition = std::make_unique<partition::Partition>(
        label, partition::PartitionConfig{}, std::make_unique<BenchEngine>(image), slot_);
    hosted.published = true;
    // A partition that is not there is as good as a damaged one.
    const auto mode = storage_is_damaged ? engine::OpenMode::kExisting : engine::OpenMode::kCreate;
    partitions_.call(
        partitions_.add(std::move(hosted)), at_hand.effects,
        [&](auto& partition, auto& out) { partition.open(now_, mode, LeaderEpoch{4}, out); });
  }
  drain_events();
}

// Keeps of what partitions say only why they are not well, as the node does.
void TestBench::drain_events() {
  while (auto event = partitions_.next_event()) {
    kafka::HostedPartition* hosted = partitions_.find(event->route);
    if (hosted == nullptr) continue;
    if (const auto* failed = std::get_if<partition::OpenFailed>(&event->event)) {
      hosted->failure = failed->error.message;
    } else if (const auto* refused = std::get_if<partition::StorageFailed>(&event->event)) {
      hosted->failure = refused->error.message;
    }
  }
}

void TestBench::produce(const std::string& topic, int partition, int records) {
  record::BatchBuilder builder;
  for (int i = 0; i < records; ++i) builder.add({.timestamp = 1, .key = "k", .value = "v"});
  partitions_.call(*partitions_.find(topic, PartitionIndex{partition}), effects_,
                   [&](auto& one, auto& out) { one.append(now_, 1, builder.build(), out); });
  drain_events();
}

void TestBench::fail_disk(const std::string& topic, int partition, const std::string& reason) {
  const port::DiskDone done{.status = fail(ErrorKind::kNoSpace, reason)};
  partitions_.call(*partitions_.find(topic, PartitionIndex{partition}), effects_,
                   [&](auto& one, auto& out) { one.step(now_, done, out); });
  drain_events();
}

void TestBench::deliver(const group::Event& event) {
  group::Output out;
  coordinator_.step(now_, event, out);
  for (const group::Append& append : out.appends) {
    group::Output ignored;
    coordinator_.step(now_, group::AppendCommitted{append.id}, ignored);
  }
}

void TestBench::commit(const std::string& group, const std::string& topic, int partition,
                       int64_t offset) {
  group::OffsetCommit request;
  request.token = group::ReplyToken{++tokens_};
  request.group_id = group;
  request.positions = {{{topic, partition}, Offset{offset}, kNoLeaderEpoch, std::nullopt}};
  deliver(request);
}

void TestBench::join(const std::string& group, const std::string& client) {
  group::JoinGroup request;
  request.token = group::ReplyToken{++tokens_};
  request.group_id = group;
  request.client_id = client;
  request.client_host = "/127.0.0.1";
  request.protocol_type = "consumer";
  request.protocols = {{"range", Buffer::copy_of("")}};
  request.session_timeout_ms = 10'000;
  request.rebalance_timeout_ms = 60'000;
  deliver(request);
}

void TestBench::accept_connection(uint64_t id) {
  connections_.opened({port::ConnectionId{id}, port::ListenerIndex{0}, "127.0.0.1:5"}, effects_);
  ++statistics.connections_opened;
}

}  // namespace magpie::admin
