#include "node/promises.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "control/promotion.h"
#include "replication/epoch_gate.h"

namespace magpie::node {
namespace {

constexpr Duration kAskIntervalMax = Duration::seconds(2);
// Taken off every promise.
constexpr Duration kMargin = Duration::milliseconds(500);

}  // namespace

Promises::Promises(const control::State& state, Links& links, Duration lease)
    : state_(state), links_(links), time_(std::min(lease, replication::kPromiseMax)) {}

void Promises::ask(const Now& now, const std::string& group, LeaderEpoch epoch,
                   port::Effects& effects) {
  Group& asked = groups_[group];
  if (asked.epoch != epoch) asked = {epoch, {}, {}};
  const Duration pause = std::min(kAskIntervalMax, Duration::nanoseconds(time_.nanos / 3));
  if (asked.asked_at != Instant{} && now.instant < asked.asked_at + pause) return;
  asked.asked_at = now.instant;
  // What was not answered within a promise's time says nothing any more.
  std::erase_if(questions_, [&](const auto& entry) {
    return entry.second.sent_at + replication::kPromiseMax < now.instant;
  });
  for (const std::string& site : control::acceptance_quorum(state_, group).sites) {
    for (const auto& [id, node] : state_.nodes()) {
      if (node.region != site) continue;
      wire::LinkPromise question;
      question.number = next_number_++;
      question.group = group;
      question.epoch = epoch.value;
      question.duration_ms = static_cast<int32_t>(time_.to_milliseconds());
      if (!links_.ask(id, question, effects)) continue;
      questions_[question.number] = {group, site, epoch, id, now.instant};
      break;
    }
  }
}

void Promises::answered(NodeId node, const wire::LinkPromiseAnswer& answer) {
  const auto found = questions_.find(answer.number);
  if (found == questions_.end() || found->second.node != node) return;
  const Question question = found->second;
  questions_.erase(found);
  const auto group = groups_.find(question.group);
  if (group == groups_.end() || group->second.epoch != question.epoch || !answer.granted) return;
  const Duration time = std::clamp(Duration::milliseconds(answer.duration_ms), Duration{}, time_);
  if (time <= kMargin) return;
  Instant& until = group->second.promised[question.site];
  until = std::max(until, question.sent_at + (time - kMargin));
}

Instant Promises::valid_until(const std::string& group, LeaderEpoch epoch) const {
  const auto found = groups_.find(group);
  if (found == groups_.end() || found->second.epoch != epoch) return {};
  const control::Quorum quorum = control::acceptance_quorum(state_, group);
  std::vector<Instant> ends;
  for (const std::string& site : quorum.sites) {
    const auto promised = found->second.promised.find(site);
    if (promised != found->second.promised.end()) ends.push_back(promised->second);
  }
  if (quorum.needed == 0 || ends.size() < quorum.needed) return {};
  std::sort(ends.begin(), ends.end(), std::greater<>());
  return ends[quorum.needed - 1];
}

}  // namespace magpie::node
