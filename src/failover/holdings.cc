#include "failover/holdings.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/uuid.h"
#include "control/topic.h"

namespace magpie::failover {
namespace {

using Place = std::pair<Uuid, int32_t>;
using Held = wire::LinkInspectAnswerPartition;

// By place; those that cannot be opened are left out.
std::map<Place, Held> opened(const wire::LinkInspectAnswer& answer) {
  std::map<Place, Held> held;
  for (const Held& partition : answer.partitions) {
    if (partition.error_code != wire::ErrorCode::kNone) continue;
    held[{partition.topic_id, partition.index}] = partition;
  }
  return held;
}

bool is_later(const Held& a, const Held& b) {
  return std::pair(a.last_epoch, a.durable_end) > std::pair(b.last_epoch, b.durable_end);
}

struct Rank {
  int64_t damaged = 0;  // negative: fewer is better
  int64_t latest_in = 0;
  int64_t records = 0;

  auto operator<=>(const Rank&) const = default;
};

}  // namespace

std::optional<NodeId> most_advanced(const Holdings& holdings,
                                    const std::vector<NodeId>& candidates) {
  std::map<Place, Held> latest;
  std::vector<std::pair<NodeId, std::map<Place, Held>>> answered;
  for (const NodeId node : candidates) {
    const auto found = holdings.find(node);
    if (found == holdings.end()) continue;
    answered.emplace_back(node, opened(found->second));
    for (const auto& [place, held] : answered.back().second) {
      const auto [known, added] = latest.try_emplace(place, held);
      if (!added && is_later(held, known->second)) known->second = held;
    }
  }
  std::optional<NodeId> best;
  Rank best_rank;
  for (const auto& [node, held] : answered) {
    Rank rank;
    rank.damaged = static_cast<int64_t>(held.size()) - static_cast<int64_t>(latest.size());
    for (const auto& [place, partition] : held) {
      if (!is_later(latest.at(place), partition)) ++rank.latest_in;
      rank.records += partition.durable_end - partition.log_start;
    }
    if (best && rank <= best_rank) continue;
    best = node;
    best_rank = rank;
  }
  return best;
}

namespace {

// What was written after the last moment at which somebody heard of the leader; nothing if nobody
// has.
std::optional<int64_t> unseen_records(const Holdings& holdings) {
  std::optional<int64_t> unheard_ms;
  for (const auto& [node, answer] : holdings) {
    if (answer.unheard_ms < 0) continue;
    unheard_ms = std::min(unheard_ms.value_or(INT64_MAX), answer.unheard_ms);
  }
  if (!unheard_ms) return std::nullopt;
  // Neither more records in a minute nor more milliseconds are worth an estimate.
  constexpr int64_t kMost = 1'000'000'000;
  int64_t most = 0;
  for (const auto& [node, answer] : holdings) {
    if (answer.unheard_ms < 0 || answer.seen_ms <= 0) continue;
    const int64_t seen = std::clamp<int64_t>(answer.seen_records, 0, kMost);
    const int64_t product = seen * std::min(*unheard_ms, kMost);
    most = std::max(most, product / answer.seen_ms + (product % answer.seen_ms > 0 ? 1 : 0));
  }
  return most;
}

bool has_caught_up(const control::State& state, const std::string& group,
                   const wire::LinkInspectAnswer& answer) {
  if (LeaderEpoch{answer.epoch} != state.leadership(group).epoch) return false;
  const auto held = opened(answer);
  for (const auto& [name, topic] : state.topics()) {
    for (int32_t i = 0; i < topic.partition_count(); ++i) {
      if (state.group_of(topic, PartitionIndex{i}) != group) continue;
      const auto copy = held.find({topic.id, i});
      if (copy == held.end() || !copy->second.caught_up) return false;
    }
  }
  return true;
}

}  // namespace

LossRange loss_of(const control::State& state, const std::string& group, const Holdings& holdings,
                  NodeId target) {
  LossRange loss;
  const auto answer = holdings.find(target);
  const auto held = answer == holdings.end() ? std::map<Place, Held>() : opened(answer->second);
  const auto end_of = [&](const Place& place) {
    const auto found = held.find(place);
    return found == held.end() ? int64_t{0} : found->second.durable_end;
  };
  std::map<Place, int64_t> acknowledged;
  std::map<Place, int64_t> ends;
  for (const auto& [node, other] : holdings) {
    for (const auto& [place, partition] : opened(other)) {
      int64_t& mark = acknowledged[place];
      mark = std::max(mark, partition.high_watermark);
      int64_t& end = ends[place];
      end = std::max(end, partition.durable_end);
      const auto own = held.find(place);
      if (own == held.end() || is_later(partition, own->second)) loss.target_is_ahead = false;
    }
  }
  for (const auto& [place, mark] : acknowledged) {
    loss.at_least += std::max<int64_t>(0, mark - end_of(place));
  }
  const auto& promised = state.leadership(group).lag_limit;
  for (const control::Member& member : promised ? promised->among : control::Members()) {
    const auto other = holdings.find(member.node);
    const bool said = other != holdings.end() && has_caught_up(state, group, other->second);
    if (!said) loss.may_have_lost.push_back(member.node);
  }
  const bool counts = promised && !promised->among.empty() && loss.may_have_lost.empty();
  if (counts && loss.target_is_ahead) loss.lag_limit = promised;
  loss.at_most = 0;
  for (const auto& [name, topic] : state.topics()) {
    for (int32_t i = 0; i < topic.partition_count(); ++i) {
      if (state.group_of(topic, PartitionIndex{i}) != group) continue;
      const control::Ceilings& ceilings = state.ceilings(group, topic.id);
      const int64_t ceiling = ceilings.ceiling(PartitionIndex{i}).value;
      const int64_t end = end_of({topic.id, i});
      const bool known = static_cast<size_t>(i) < ceilings.offsets.size() && ceiling >= end;
      if (!known) loss.at_most.reset();
      if (!loss.at_most) continue;
      *loss.at_most += ceiling - end;
    }
  }
  loss.estimate = unseen_records(holdings);
  if (!loss.estimate) return loss;
  for (const auto& [place, end] : ends) {
    *loss.estimate += std::max<int64_t>(0, end - end_of(place));
  }
  loss.estimate = std::max(*loss.estimate, loss.at_least);
  if (loss.at_most) loss.estimate = std::min(*loss.estimate, *loss.at_most);
  return loss;
}

std::vector<control::HeldPartition> held_by(const control::State& state,
                                            const wire::LinkInspectAnswer& answer) {
  std::map<std::pair<std::string, int32_t>, control::HeldPartition> sorted;
  for (const auto& [place, held] : opened(answer)) {
    const control::Topic* topic = state.find_topic(place.first);
    if (topic == nullptr) continue;
    sorted[{topic->name, place.second}] = {
        topic->name,
        topic->id,
        PartitionIndex{place.second},
        Offset{std::max<int64_t>(0, held.log_start)},
        Offset{std::max<int64_t>(0, held.durable_end)},
        Offset{std::max<int64_t>(0, held.high_watermark)},
        held.may_have_gaps < 0 ? std::nullopt : std::optional(held.may_have_gaps > 0),
    };
  }
  std::vector<control::HeldPartition> partitions;
  for (auto& [place, held] : sorted) partitions.push_back(std::move(held));
  return partitions;
}

std::string contradiction(const control::State& state, const std::string& group,
                          const Holdings& holdings, NodeId target) {
  const auto answer = holdings.find(target);
  if (answer == holdings.end()) {
    return fmt::format("node {} did not say what it holds", target.value);
  }
  const auto held = opened(answer->second);
  std::map<NodeId, std::map<Place, Held>> others;
  for (const auto& [node, other] : holdings) others[node] = opened(other);
  for (const auto& [name, topic] : state.topics()) {
    for (int32_t i = 0; i < topic.partition_count(); ++i) {
      if (state.group_of(topic, PartitionIndex{i}) != group) continue;
      const auto own = held.find({topic.id, i});
      if (own == held.end()) {
        return fmt::format("node {} cannot open partition {} of topic '{}'", target.value, i, name);
      }
      for (const auto& [node, theirs] : others) {
        const auto known = theirs.find({topic.id, i});
        if (known == theirs.end()) continue;
        if (known->second.high_watermark <= own->second.durable_end) continue;
        return fmt::format(
            "node {} knows records of partition {} of topic '{}' up to offset {} to have been "
            "acknowledged, and node {} holds it up to {}",
            node.value, i, name, known->second.high_watermark, target.value,
            own->second.durable_end);
      }
    }
  }
  return "";
}

}  // namespace magpie::failover
