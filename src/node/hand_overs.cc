#include "node/hand_overs.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "kafka/cluster_control.h"

namespace magpie::node {
namespace {

// If the whole cluster is being stopped, those who lead nothing are gone after this time, and no
// group is moved for nothing.
constexpr Duration kStopPatience = Duration::milliseconds(300);
constexpr Duration kLookInterval = Duration::milliseconds(10);
// For a leader that goes on if it cannot hand over: how long writes stand still for it, and when it
// is tried again.
constexpr Duration kDamagePatience = Duration::seconds(2);
constexpr Duration kRetryInterval = Duration::seconds(30);

}  // namespace

bool HandOvers::leave(kafka::Broker& broker) {
  leaving_ = true;
  const Instant begins = broker.now.instant + kStopPatience;
  wanted_.clear();
  for (const std::string& name : terms_.leave()) {
    Wanted& wanted = wanted_[name];
    wanted.epoch = terms_.led(name)->epoch();
    wanted.why = "which stops";
    wanted.since = broker.now.wall;
    wanted.patience_ends = Instant::never();
  }
  next_look_ = wanted_.empty() ? Instant::never() : begins;
  return !wanted_.empty();
}

bool HandOvers::has_left() const {
  return !takes_writes_ && std::all_of(wanted_.begin(), wanted_.end(), [](const auto& entry) {
    const Wanted& wanted = entry.second;
    return wanted.moved || (wanted.stays && wanted.is_quiet);
  });
}

void HandOvers::damaged(kafka::Broker& broker, const std::string& group,
                        const std::string& partition) {
  const LedGroup* const led = terms_.led(group);
  if (led == nullptr || leaving_) return;
  const auto [found, is_new] = wanted_.try_emplace(group);
  if (!is_new && !found->second.unled) return;
  found->second = {};
  found->second.epoch = led->epoch();
  found->second.why = fmt::format("whose copy of {} is damaged", partition);
  found->second.since = broker.now.wall;
  next_look_ = broker.now.instant;
}

void HandOvers::cannot_lead(kafka::Broker& broker, const std::string& group,
                            const std::string& partition) {
  if (leaving_) return;
  const auto [found, is_new] = wanted_.try_emplace(group);
  if (!is_new) return;
  found->second.epoch = state_.leadership(group).epoch;
  found->second.why = fmt::format("which cannot read its copy of {}", partition);
  found->second.since = broker.now.wall;
  found->second.unled = true;
  next_look_ = broker.now.instant;
}

void HandOvers::tick(kafka::Broker& broker) {
  if (broker.now.instant < next_look_) return;
  if (leaving_ && has_left()) return stop();
  takes_writes_ = !leaving_;
  Instant next = Instant::never();
  for (auto& [name, wanted] : wanted_) {
    if (broker.now.instant >= wanted.again_at) look_at(broker, name, wanted);
    next = std::min(next, std::max(wanted.again_at, broker.now.instant + kLookInterval));
  }
  if (!leaving_) std::erase_if(wanted_, [](const auto& entry) { return entry.second.moved; });
  next_look_ = wanted_.empty() ? Instant::never() : next;
}

void HandOvers::look_at(kafka::Broker& broker, const std::string& name, Wanted& wanted) {
  if (wanted.unled) return look_at_unled(broker, name, wanted);
  LedGroup* const led = terms_.led(name);
  wanted.moved = led == nullptr || (leaving_ && led->epoch() != wanted.epoch);
  if (wanted.moved) return;
  wanted.is_quiet = led->is_quiet(broker.partitions);
  if (leaving_) led->stop_writes(broker, true);
  if (wanted.stays) return;
  if (wanted.proposing) {
    // The control store may be away for long. Whatever has become of the proposal, who takes over
    // holds everything that is acknowledged meanwhile.
    if (broker.now.instant >= wanted.patience_ends) led->stop_writes(broker, false);
    return;
  }
  const Choice choice = choose(broker, *led, wanted);
  if (choice.target.value < 0) return keep(broker, name, wanted, choice.why_not);
  if (!leaving_ && !led->has_stopped_writes()) {
    wanted.patience_ends = broker.now.instant + kDamagePatience;
    led->stop_writes(broker, true);
  }
  const bool may_leave = wanted.is_quiet && choice.holds_all;
  if (may_leave) return hand_over(broker, led->term(), wanted, choice.target);
  if (broker.now.instant < wanted.patience_ends) return;
  keep(broker, name, wanted, fmt::format("node {} does not catch up", choice.target.value));
}

void HandOvers::look_at_unled(kafka::Broker& broker, const std::string& name, Wanted& wanted) {
  const control::Leadership& held = state_.leadership(name);
  wanted.moved = held.epoch != wanted.epoch || terms_.led(name) != nullptr;
  if (wanted.moved || wanted.proposing) return;
  const control::Term term{name, held.epoch, held.leader};
  std::string why_not = "nobody is in its sync set";
  for (const control::Member& member : held.sync) {
    const auto decided =
        control::decide_hand_over(state_, request(term, wanted, member.node), broker.now.wall);
    if (decided) return hand_over(broker, term, wanted, member.node);
    why_not = decided.error().message;
  }
  keep(broker, name, wanted, why_not);
}

control::HandOver HandOvers::request(const control::Term& term, const Wanted& wanted,
                                     NodeId target) const {
  return {term, target, wanted.since, wanted.why, leaving_};
}

HandOvers::Choice HandOvers::choose(kafka::Broker& broker, const LedGroup& led,
                                    const Wanted& wanted) const {
  Choice choice;
  choice.why_not = "nobody is in its sync set";
  for (const control::Member& member : state_.leadership(led.group()).sync) {
    const auto decided = control::decide_hand_over(state_, request(led.term(), wanted, member.node),
                                                   broker.now.wall);
    if (!decided) {
      choice.why_not = decided.error().message;
    } else if (!led.is_linked(member.node)) {
      choice.why_not = fmt::format("there is no link to node {}", member.node.value);
    } else if (led.is_unreadable(broker, member.node)) {
      choice.why_not = fmt::format("node {} cannot read its copy", member.node.value);
    } else if (!choice.holds_all) {
      choice.target = member.node;
      choice.holds_all = led.holds_all(broker, member.node);
    }
  }
  return choice;
}

void HandOvers::keep(kafka::Broker& broker, const std::string& name, Wanted& wanted,
                     const std::string& why) {
  const bool news = std::exchange(wanted.complaint, why) != why;
  if (leaving_) {
    wanted.stays = true;
  } else {
    wanted.again_at = broker.now.instant + kRetryInterval;
    if (LedGroup* const led = terms_.led(name)) led->stop_writes(broker, false);
  }
  if (!news) return;
  broker.effects.add(port::LogLine{
      port::Severity::kWarning, "group_not_handed_over",
      fmt::format("failover group '{}' is not handed over by this node, {}: {}. {}", name,
                  wanted.why, why,
                  leaving_ ? "Nobody leads it until the node is back or somebody fails it over"
                  : wanted.unled ? "Nobody leads it until somebody fails it over; it is tried again"
                                 : "It is led here on, and tried again")});
}

void HandOvers::hand_over(kafka::Broker& broker, const control::Term& term, Wanted& wanted,
                          NodeId target) {
  wanted.proposing = true;
  kafka::propose<control::Operation>(
      broker,
      [asked = request(term, wanted, target), now = broker.now.wall](const control::State& state) {
        return control::decide_hand_over(state, asked, now);
      },
      [this, name = term.group, target](
          kafka::Broker& late, const tl::expected<control::Operation, control::Refusal>& done) {
        const auto found = wanted_.find(name);
        if (found != wanted_.end()) found->second.proposing = false;
        if (!done && found != wanted_.end()) {
          return keep(late, name, found->second, done.error().message);
        }
        if (!done) return;
        late.effects.add(port::LogLine{
            port::Severity::kInfo, "group_handed_over",
            fmt::format("failover group '{}': node {} leads it from now on; operation {}", name,
                        target.value, done->id)});
      });
}

}  // namespace magpie::node
