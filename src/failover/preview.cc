#include "failover/preview.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/uuid.h"

namespace magpie::failover {

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
  if (held == nullptr) return true;
  holdings_[found->second.group][found->second.node] = *held;
  asked_.erase(found);
  return true;
}

bool PreviewRun::done(Instant now, Duration patience) const {
  return asked_.empty() || now >= started_ + patience;
}

Preview PreviewRun::result(const control::State& state, int64_t lag_max) const {
  Preview preview{token_, plan_, {}};
  for (const control::PlannedGroup& planned : plan_.groups) {
    GroupPreview group;
    group.planned = planned;
    for (const auto& [ticket, asked] : asked_) {
      if (asked.group == planned.group) group.silent.push_back(asked.node);
    }
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
    if (planned.lossless) {
      group.loss = control::LossKind::kZero;
      group.range = {0, 0, true};
    } else if (group.range.target_is_ahead && control::max_lag_is_kept(state, planned.group)) {
      group.loss = control::LossKind::kBounded;
      group.time_max = control::loss_time_max(*state.find_group(planned.group));
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
