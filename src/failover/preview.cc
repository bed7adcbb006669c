#include "failover/preview.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/uuid.h"
#include "control/followers.h"

namespace magpie::failover {
namespace {

// A disk that is full sooner than this is warned of.
constexpr Duration kDiskLastsMin = Duration::seconds(24 * 3'600);

}  // namespace

PreviewRun::PreviewRun(uint64_t token, control::OperationRequest request)
    : token_(token), request_(std::move(request)) {}

void PreviewRun::start(const Now& now, const control::State& state, uint64_t& next_ticket,
                       std::vector<Question>& questions) {
  started_ = now.instant;
  plan_ = control::plan_operation(state, request_, now.wall);
  for (const control::PlannedGroup& group : plan_.groups) {
    std::vector<NodeId> nodes = control::possible_leaders(state, group.group);
    nodes.push_back(group.leader);
    for (const NodeId node : nodes) {
      const control::Node* known = state.find_node(node);
      if (known == nullptr) continue;
      const uint64_t ticket = next_ticket++;
      asked_[ticket] = {group.group, node};
      wire::LinkInspect look;
      look.number = static_cast<int64_t>(ticket);
      look.group = group.group;
      questions.push_back({ticket, known->region, node, std::move(look)});
    }
  }
}

bool PreviewRun::take_answer(uint64_t ticket, const Answer& answer) {
  const auto found = asked_.find(ticket);
  if (found == asked_.end()) return false;
  const auto* held = std::get_if<wire::LinkInspectAnswer>(&answer);
  if (held != nullptr) {
    holdings_[found->second.group][found->second.node] = *held;
  } else {
    silent_.push_back(found->second);
  }
  asked_.erase(found);
  return true;
}

bool PreviewRun::done(Instant now, Duration patience) const {
  return asked_.empty() || now >= started_ + patience;
}

Preview PreviewRun::result(const control::State& state, int64_t lag_max) const {
  Preview preview{token_, plan_, {}, request_.overrides};
  for (const control::PlannedGroup& planned : plan_.groups) {
    GroupPreview group;
    group.planned = planned;
    for (const auto& [ticket, asked] : asked_) {
      if (asked.group == planned.group) group.silent.push_back(asked.node);
    }
    for (const Asked& asked : silent_) {
      if (asked.group == planned.group) group.silent.push_back(asked.node);
    }
    std::sort(group.silent.begin(), group.silent.end());
    const auto found = holdings_.find(planned.group);
    const Holdings holdings = found == holdings_.end() ? Holdings() : found->second;
    NodeId& target = group.planned.target;
    if (target.value < 0) {
      std::vector<NodeId> candidates;
      for (const NodeId node : control::possible_leaders(state, planned.group)) {
        if (control::is_alive(state, node)) candidates.push_back(node);
      }
      target = most_advanced(holdings, candidates).value_or(NodeId{-1});
    }
    const auto leader = holdings.find(planned.leader);
    const auto held = holdings.find(target);
    if (leader != holdings.end() && held != holdings.end()) {
      group.target_lag = lag_between(leader->second, held->second);
    }
    group.range = loss_of(state, planned.group, holdings, target);
    group.capacity = capacity_of(holdings, planned.leader, target);
    if (held != holdings.end()) {
      for (const auto& partition : held->second.partitions) {
        group.ends[{partition.topic_id, partition.index}] = Offset{partition.durable_end};
      }
    }
    const bool all_said = std::all_of(group.silent.begin(), group.silent.end(),
                                      [&](NodeId node) { return node == planned.leader; });
    if (planned.lossless) {
      group.loss = control::LossKind::kZero;
      group.range = {0, 0, true};
    } else if (all_said && group.range.lag_limit &&
               control::lag_limit_is_kept(state, planned.group)) {
      group.loss = control::LossKind::kBounded;
      group.time_max = control::loss_time_max(*group.range.lag_limit);
    }
    const bool switchover = request_.kind == control::OperationKind::kSwitchover;
    if (switchover && group.target_lag.value_or(0) > lag_max) {
      preview.plan.objections.push_back(
          {std::string(control::kRuleLag), planned.group,
           fmt::format("failover group '{}': node {} lacks {} records, and writes would stop until "
                       "it has them",
                       planned.group, target.value, *group.target_lag)});
    }
    preview.groups.push_back(std::move(group));
  }
  return preview;
}

namespace {

std::optional<int64_t> known(int64_t value) {
  return value < 0 ? std::nullopt : std::optional(value);
}

// At the pace at which the node's copies grew of late; nothing if they did not, or not measurably.
std::optional<Duration> disk_lasts(const wire::LinkInspectAnswer& answer) {
  int64_t records = 0;
  for (const auto& partition : answer.partitions) {
    records += std::max<int64_t>(0, partition.durable_end - partition.log_start);
  }
  if (answer.disk_free_bytes < 0 || answer.group_bytes <= 0 || records == 0) return std::nullopt;
  if (answer.seen_ms <= 0 || answer.seen_records <= 0) return std::nullopt;
  // In whole bytes of a record and records of a second, at least one: it is shown, and decides
  // nothing.
  constexpr int64_t kMost = 1'000'000'000;
  const int64_t record_bytes = std::clamp<int64_t>(answer.group_bytes / records, 1, kMost);
  const int64_t seen = std::min(answer.seen_records, kMost) * 1'000;
  const int64_t per_second = std::clamp<int64_t>(seen / answer.seen_ms, 1, kMost);
  constexpr int64_t kLongest = int64_t{100} * 365 * 24 * 3'600;
  return Duration::seconds(
      std::min(answer.disk_free_bytes / (record_bytes * per_second), kLongest));
}

}  // namespace

Capacity capacity_of(const Holdings& holdings, NodeId leader, NodeId target) {
  Capacity capacity;
  if (const auto found = holdings.find(leader); found != holdings.end()) {
    capacity.leader_group_bytes = known(found->second.group_bytes);
    capacity.leader_connections = known(found->second.connections);
  }
  const auto found = holdings.find(target);
  if (found == holdings.end()) return capacity;
  const wire::LinkInspectAnswer& answer = found->second;
  capacity.disk_free_bytes = known(answer.disk_free_bytes);
  capacity.group_bytes = known(answer.group_bytes);
  capacity.connections = known(answer.connections);
  capacity.connections_max = known(answer.connections_max);
  capacity.disk_lasts = disk_lasts(answer);
  const int64_t missing =
      capacity.leader_group_bytes.value_or(0) - capacity.group_bytes.value_or(0);
  if (capacity.group_bytes && capacity.disk_free_bytes && missing > *capacity.disk_free_bytes) {
    capacity.warnings.push_back(
        fmt::format("node {} lacks {} bytes of the group and has {} bytes free", target.value,
                    missing, *capacity.disk_free_bytes));
  }
  if (capacity.disk_lasts && *capacity.disk_lasts < kDiskLastsMin) {
    capacity.warnings.push_back(
        fmt::format("at the rate of the last minute the disk of node {} is full in {} minutes",
                    target.value, capacity.disk_lasts->to_milliseconds() / 60'000));
  }
  const int64_t clients =
      capacity.connections.value_or(0) + capacity.leader_connections.value_or(0);
  if (capacity.connections_max && clients > *capacity.connections_max) {
    capacity.warnings.push_back(
        fmt::format("nodes {} and {} have {} connections of clients together, and node {} takes {}",
                    leader.value, target.value, clients, target.value, *capacity.connections_max));
  }
  return capacity;
}

int64_t lag_between(const wire::LinkInspectAnswer& leader, const wire::LinkInspectAnswer& target) {
  std::map<std::pair<Uuid, int32_t>, int64_t> ends;
  for (const auto& partition : target.partitions) {
    ends[{partition.topic_id, partition.index}] = partition.durable_end;
  }
  int64_t lag = 0;
  for (const auto& partition : leader.partitions) {
    const int64_t end = ends[{partition.topic_id, partition.index}];
    lag += std::max<int64_t>(0, partition.durable_end - end);
  }
  return lag;
}

}  // namespace magpie::failover
