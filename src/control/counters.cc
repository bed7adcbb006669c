#include "control/counters.h"

#include <string>

#include "base/check.h"
#include "control/group_values.h"
#include "control/keys.h"
#include "control/values.h"

namespace magpie::control {
namespace {

void replace(const State& state, std::string_view name, std::string value,
             Transaction& transaction) {
  const std::string key(name);
  transaction.compares.push_back({key, state.modified(key)});
  transaction.changes.push_back({key, std::move(value)});
}

}  // namespace

std::optional<LeaderEpoch> take_epoch(const State& state, Transaction& transaction) {
  const int64_t epoch = state.next_epoch();
  if (epoch > INT32_MAX) return std::nullopt;
  replace(state, kEpochsKey, encode_counter(epoch + 1), transaction);
  return LeaderEpoch{static_cast<int32_t>(epoch)};
}

Refusal no_epochs_left() {
  return {RefusalCode::kUnavailable,
          "all leader epochs are used up; the cluster's records must be copied to a new one"};
}

Decided<Leadership> decide_leadership(const State& state, const Member& leader, WallTime now) {
  CHECK(leader.node.value >= 0);
  Decision<Leadership> decision;
  const auto epoch = take_epoch(state, decision.transaction);
  if (!epoch) return tl::unexpected<Refusal>(no_epochs_left());
  Leadership& leadership = decision.answer;
  leadership.epoch = *epoch;
  leadership.leader = leader;
  leadership.open = true;
  leadership.promotable = {leader};
  leadership.state = ReplicationState::kSync;
  leadership.state_since = now;
  for (const auto& [name, group] : state.groups()) {
    replace(state, leadership_key(name), encode_leadership(leadership), decision.transaction);
  }
  return decision;
}

Decided<ProducerIdBlock> decide_producer_id_block(const State& state) {
  const int64_t first = state.next_producer_id();
  if (first > INT64_MAX - kProducerIdBlockSize) {
    return refuse(RefusalCode::kUnavailable, "all producer ids are used up");
  }
  Decision<ProducerIdBlock> decision;
  decision.answer = {first, kProducerIdBlockSize};
  replace(state, kProducerIdsKey, encode_counter(first + kProducerIdBlockSize),
          decision.transaction);
  return decision;
}

std::optional<ProducerId> ProducerIdAllocator::allocate() {
  if (current_.count == 0) std::swap(current_, next_);
  if (current_.count == 0) return std::nullopt;
  --current_.count;
  return ProducerId{current_.first++};
}

bool ProducerIdAllocator::take_request() {
  if (requested_ || remaining() > kProducerIdBlockSize / 2) return false;
  requested_ = true;
  return true;
}

void ProducerIdAllocator::add_block(ProducerIdBlock block) {
  CHECK(requested_ && block.count > 0);
  requested_ = false;
  if (current_.count == 0) std::swap(current_, next_);
  ProducerIdBlock& place = current_.count == 0 ? current_ : next_;
  CHECK(place.count == 0);
  place = block;
}

}  // namespace magpie::control
