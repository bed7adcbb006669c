#include "node/exposure_notes.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "control/exposure.h"
#include "kafka/cluster_control.h"

namespace magpie::node {
namespace {

// The count is written down this long after an episode began, then after twice as long, and so on:
// it is never older than the episode is long, nor than a minute.
constexpr Duration kFirstWrite = Duration::milliseconds(1'000);
constexpr Duration kWriteDelayMax = Duration::seconds(60);

replication::LedLog led_log(const partition::Partition& log) {
  return {log.log_start(), log.log_end(), log.term_first(), log.high_watermark(), log.size_bytes()};
}

// Nothing while there are as many copies as wanted, or while the term is not open.
std::optional<int64_t> lasting(const control::State& state, const control::Term& term) {
  const control::Leadership& held = state.leadership(term.group);
  const bool exposed = held.epoch == term.epoch && held.leader == term.leader && held.open &&
                       held.state != control::ReplicationState::kSync;
  return exposed ? control::lasting_episode(state, term.group, term.epoch) : std::nullopt;
}

void log(kafka::Broker& broker, port::Severity severity, const char* code, std::string text) {
  broker.effects.add(port::LogLine{severity, code, std::move(text)});
}

}  // namespace

void ExposureNotes::follow(kafka::Broker& broker, const control::Term& term,
                           const std::set<kafka::Route>& routes, bool late) {
  const control::State& state = broker.control.state();
  const std::optional<int64_t> now = lasting(state, term);
  if (now == episode_) return;
  if (episode_) {
    finish(broker, term);
    if (state.leadership(term.group).state == control::ReplicationState::kSync) {
      log(broker, port::Severity::kInfo, "copies_restored",
          fmt::format("failover group '{}' has as many copies as it wants again", term.group));
    }
  }
  episode_ = now;
  lasts_ = Duration();
  if (!now) return;
  saw_all_ = !late;
  began_ = broker.now.instant;
  for (const kafka::Route route : routes) {
    const kafka::HostedPartition* hosted = broker.partitions.find(route);
    if (hosted != nullptr) added(route, *hosted->partition);
  }
  delay_ = kFirstWrite;
  next_write_ = broker.now.instant + delay_;
  log(broker, port::Severity::kWarning, "copies_missing",
      fmt::format("failover group '{}' acknowledges with fewer copies than it wants: {} besides "
                  "the leader's are in sync. How many records that concerns is counted: magpie "
                  "failover-group exposure {}",
                  term.group, state.leadership(term.group).sync.size(), term.group));
}

void ExposureNotes::added(kafka::Route route, const partition::Partition& partition) {
  if (!episode_) return;
  routes_.insert(route);
  count_.mark(route, led_log(partition));
}

// Nobody else acknowledges in it in the same turn, so a partition that is still here was seen to
// the end.
void ExposureNotes::removed(kafka::Broker& broker, kafka::Route route) {
  if (routes_.erase(route) == 0) return;
  const kafka::HostedPartition* hosted = broker.partitions.find(route);
  if (hosted == nullptr) {
    saw_all_ = false;
  } else {
    count_.look(route, led_log(*hosted->partition));
  }
}

void ExposureNotes::count(kafka::Broker& broker) {
  for (const kafka::Route route : routes_) {
    const kafka::HostedPartition* hosted = broker.partitions.find(route);
    if (hosted != nullptr) count_.look(route, led_log(*hosted->partition));
  }
}

void ExposureNotes::look(kafka::Broker& broker, const control::Term& term) {
  if (!episode_) return;
  lasts_ = broker.now.instant - began_;
  count(broker);
  if (broker.now.instant < next_write_ || *writing_) return;
  delay_ = std::min(Duration::nanoseconds(delay_.nanos * 2), kWriteDelayMax);
  next_write_ = broker.now.instant + delay_;
  write(broker, term, false);
}

void ExposureNotes::end(kafka::Broker& broker, const control::Term& term) {
  if (episode_) finish(broker, term);
  episode_.reset();
}

void ExposureNotes::finish(kafka::Broker& broker, const control::Term& term) {
  count(broker);
  write(broker, term, saw_all_);
  count_.clear();
  routes_.clear();
}

void ExposureNotes::write(kafka::Broker& broker, const control::Term& term, bool complete) {
  const control::ExposureCount counted = {*episode_,        term.epoch,     term.leader,
                                          count_.records(), count_.bytes(), complete};
  *writing_ = true;
  kafka::propose<control::Episode>(
      broker,
      [group = term.group, counted, now = broker.now.wall](const control::State& state) {
        return control::decide_count_exposure(state, group, counted, now);
      },
      [writing = writing_](kafka::Broker&,
                           const tl::expected<control::Episode, control::Refusal>&) {
        *writing = false;
      });
}

}  // namespace magpie::node
