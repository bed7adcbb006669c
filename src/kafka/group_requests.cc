#include "kafka/group_requests.h"

#include <string>
#include <utility>

#include "base/check.h"
#include "control/topic_name.h"
#include "kafka/cluster_control.h"
#include "record/builder.h"

namespace magpie::kafka {
namespace {

// All groups live in the first partition: one node coordinates all of them.
constexpr PartitionIndex kGroupsPartition{0};

group::AppendFailure failure_of(partition::Refusal refusal) {
  const bool moved =
      refusal == partition::Refusal::kNotOpen || refusal == partition::Refusal::kNotLeader;
  return moved ? group::AppendFailure::kNotLeader : group::AppendFailure::kNotDurable;
}

Buffer build_batch(const std::vector<group::Record>& records, WallTime now) {
  record::BatchBuilder builder;
  for (const group::Record& stored : records) {
    record::NewRecord added{.timestamp = now.millis, .key = stored.key.text()};
    if (stored.value) added.value = stored.value->text();
    builder.add(added);
  }
  return builder.build();
}

}  // namespace

void GroupRequests::finish_loading(Broker& broker) {
  group::Output out;
  coordinator_.finish_loading(broker.now, out);
  carry_out(broker, out);
  for (const std::string& topic : coordinator_.topics_with_positions()) {
    if (broker.control.state().find_topic(topic) == nullptr) topic_deleted(broker, topic);
  }
}

void GroupRequests::stop(Broker& broker) {
  is_ours_ = false;
  group::Output out;
  coordinator_.stop(out);
  carry_out(broker, out);
}

void GroupRequests::topic_deleted(Broker& broker, const std::string& topic) {
  if (is_ours_ || coordinator_.is_serving()) step(broker, group::TopicDeleted{topic});
}

void GroupRequests::step(Broker& broker, group::Event event) {
  group::Output out;
  coordinator_.step(broker.now, event, out);
  carry_out(broker, out);
}

void GroupRequests::tick(Broker& broker) {
  group::Output out;
  coordinator_.tick(broker.now, out);
  carry_out(broker, out);
}

void GroupRequests::carry_out(Broker& broker, group::Output& out) {
  for (port::LogLine& line : out.log) broker.effects.add(std::move(line));
  for (const group::Append& wanted : out.appends) append(broker, wanted);
  for (const group::Reply& reply : out.replies) {
    auto node = waiting_.extract(reply.token);
    CHECK(!node.empty());
    node.mapped()(broker, reply);
  }
}

void GroupRequests::append(Broker& broker, const group::Append& append) {
  HostedPartition* hosted =
      broker.partitions.find(control::kConsumerOffsetsTopic, kGroupsPartition);
  if (hosted == nullptr) {
    return step(broker, group::AppendFailed{append.id, group::AppendFailure::kNotLeader});
  }
  const uint64_t operation = next_append_++;
  appends_.emplace_hint(appends_.end(), operation, append.id);
  const uint64_t ticket = Ticket{TicketKind::kInternal, operation, 0}.pack();
  Buffer batch = build_batch(append.records, broker.now.wall);
  broker.partitions.call(*hosted, broker.effects, [&](auto& partition, auto& out) {
    partition.append_internal(broker.now, ticket, std::move(batch), out);
  });
}

void GroupRequests::settled(Broker& broker, const Ticket& ticket,
                            const partition::Settled& settled) {
  auto node = appends_.extract(ticket.operation);
  CHECK(!node.empty());
  if (settled.refusal == partition::Refusal::kNone) {
    return step(broker, group::AppendCommitted{node.mapped()});
  }
  step(broker, group::AppendFailed{node.mapped(), failure_of(settled.refusal)});
}

}  // namespace magpie::kafka
