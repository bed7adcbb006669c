#include "kafka/group_requests.h"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "control/deleted_topic.h"
#include "control/topic_name.h"
#include "kafka/cluster_control.h"
#include "kafka/positions_aside.h"
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
  const auto kept = control::deleted_by_name(broker.control.state());
  const std::set<std::string> topics = coordinator_.topics_with_positions();
  const std::set<std::string> deleted_early = std::exchange(deleted_early_, {});
  // What must leave a name first: then what comes back to it meets only its own.
  for (const std::string& topic : topics) {
    if (is_aside(topic)) continue;
    const auto of_name = kept.find(topic);
    settle_name(broker, topic, of_name == kept.end() ? std::vector<Uuid>() : of_name->second,
                deleted_early.contains(topic));
  }
  for (const std::string& topic : topics) {
    if (is_aside(topic)) settle_aside(broker, topic);
  }
}

// Positions stand under this name. `kept` had it, the last that was deleted first: a position
// belongs to the first that was deleted after its commit, or else to the topic that exists. What
// is left is a topic's that went for good, if one did while groups were loaded: nobody has
// committed anything to the one that exists since.
void GroupRequests::settle_name(Broker& broker, const std::string& name,
                                const std::vector<Uuid>& kept, bool deleted_early) {
  const control::State& state = broker.control.state();
  const bool exists = state.find_topic(name) != nullptr;
  std::map<Uuid, control::DeletedTopic> deleted;
  if (!kept.empty()) deleted = control::deleted_topics(state);
  for (auto id = kept.rbegin(); id != kept.rend(); ++id) {
    const WallTime before{deleted.at(*id).deleted_at.millis - 1};
    step(broker, group::TopicRenamed{name, aside_name(*id), before});
  }
  if (deleted_early || (kept.empty() && !exists)) return topic_deleted(broker, name);
  if (exists) return;
  // Nobody else is left, whatever the clock said that stamped them. But that is a guess, and what
  // stands there was put aside when that topic went.
  group::TopicRenamed left{name, aside_name(kept.front())};
  left.yields = true;
  step(broker, std::move(left));
}

// Positions are put aside under this name.
void GroupRequests::settle_aside(Broker& broker, const std::string& name) {
  const control::State& state = broker.control.state();
  const auto id = topic_aside(name);
  if (!id) return topic_deleted(broker, name);
  if (control::is_kept(state, *id)) return;
  const control::Topic* restored = state.find_topic(*id);
  if (restored == nullptr) return topic_purged(broker, *id);
  topic_restored(broker, restored->name, *id);
}

void GroupRequests::stop(Broker& broker) {
  is_ours_ = false;
  deleted_early_.clear();
  group::Output out;
  coordinator_.stop(out);
  carry_out(broker, out);
}

void GroupRequests::topic_deleted(Broker& broker, const std::string& topic) {
  if (coordinator_.is_serving()) return step(broker, group::TopicDeleted{topic});
  if (is_ours_) deleted_early_.insert(topic);
}

void GroupRequests::topic_put_aside(Broker& broker, const std::string& topic, const Uuid& id) {
  if (coordinator_.is_serving()) step(broker, group::TopicRenamed{topic, aside_name(id)});
}

void GroupRequests::topic_restored(Broker& broker, const std::string& topic, const Uuid& id) {
  if (coordinator_.is_serving()) step(broker, group::TopicRenamed{aside_name(id), topic});
}

void GroupRequests::topic_purged(Broker& broker, const Uuid& id) {
  topic_deleted(broker, aside_name(id));
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
