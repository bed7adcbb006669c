#include "sim/group_ledger.h"

#include <fmt/format.h>

#include <algorithm>

namespace magpie::sim {
namespace {

// A request on a broken connection may still be read for this long.
constexpr Duration kStragglers = Duration::seconds(10);

}  // namespace

void GroupLedger::add_partition(int32_t partition, Ledger& ledger) {
  Partition& added = partitions_[partition];
  added.ledger = &ledger;
  // Before the first commit there is no position.
  added.commits.push_back({-1, -1, -1, Instant{}, Instant{}, Outcome::kAcknowledged});
}

void GroupLedger::stable_in(int32_t generation) {
  generation_ = std::max(generation_, generation);
}

size_t GroupLedger::commit_sent(int32_t partition, int64_t position, int32_t generation) {
  Partition& there = partitions_.at(partition);
  there.commits.push_back(
      {position, generation, generation_, scene_.now(), Instant::never(), Outcome::kUnknown});
  return there.commits.size() - 1;
}

void GroupLedger::commit_settled(int32_t partition, size_t index, Outcome outcome) {
  Partition& there = partitions_.at(partition);
  Commit& commit = there.commits.at(index);
  commit.settled = scene_.now();
  commit.outcome = outcome;
  if (outcome != Outcome::kAcknowledged) return;
  const bool is_new = commit.sent >= lost_at_;
  if (there.sure_from == Instant::never() && is_new) there.sure_from = scene_.now();
  if (commit.generation < commit.known) {
    scene_.violate("G9", fmt::format("group {}: a member of generation {} could commit after {} "
                                     "had begun",
                                     name_, commit.generation, commit.known));
  }
}

bool GroupLedger::replaces(const Commit& later, const Commit& earlier, Instant asked) {
  if (later.outcome != Outcome::kAcknowledged || later.settled > asked) return false;
  if (earlier.outcome == Outcome::kRefused) return true;
  const bool known = earlier.outcome == Outcome::kAcknowledged;
  if (earlier.settled == Instant::never()) return false;
  return later.sent > earlier.settled + (known ? Duration{} : kStragglers);
}

bool GroupLedger::may_stand(const Partition& there, const Commit& commit, Instant asked) {
  if (commit.outcome == Outcome::kRefused) return false;
  return std::none_of(there.commits.begin(), there.commits.end(),
                      [&](const Commit& later) { return replaces(later, commit, asked); });
}

// Whether a position that stands points beyond this one into what a failover may have taken.
bool GroupLedger::is_clamped(Partition& there, int64_t position, Instant asked) {
  if (position < 0 || !there.ledger->may_end_at(position)) return false;
  int64_t committed = INT64_MAX;
  for (const Commit& commit : there.commits) {
    if (commit.position <= position || !may_stand(there, commit, asked)) continue;
    committed = std::min(committed, commit.position);
  }
  if (committed == INT64_MAX) return false;
  there.clamped.push_back({position, committed, asked});
  return true;
}

void GroupLedger::found(int32_t partition, int64_t position, Instant asked) {
  Partition& there = partitions_.at(partition);
  if (asked < there.sure_from) return;
  const bool possible =
      std::any_of(there.commits.begin(), there.commits.end(), [&](const Commit& commit) {
        return commit.position == position && may_stand(there, commit, asked);
      });
  if (possible) return;
  if (is_clamped(there, position, asked)) return scene_.probe("position_clamped");
  scene_.violate(
      "G9", fmt::format("group {} finds position {} of {}; the last confirmed is {}", name_,
                        position, there.ledger->settings().name, there.commits.back().position));
}

void GroupLedger::processed(int32_t partition, int64_t from, int64_t to) {
  Partition& there = partitions_.at(partition);
  const bool may_skip = there.ledger->settings().may_trim || there.ledger->lost_power() ||
                        from <= there.ledger->trim_asked();
  if (from > there.processed_to && !may_skip) {
    scene_.violate("G9", fmt::format("group {} goes on at {} of {}, but nobody processed {}", name_,
                                     from, there.ledger->settings().name, there.processed_to));
  }
  there.processed_to = std::max(there.processed_to, to);
  check_clamped(there);
}

void GroupLedger::positions_lost() {
  generation_ = -1;
  lost_at_ = scene_.now();
  for (auto& [index, partition] : partitions_) partition.sure_from = Instant::never();
}

void GroupLedger::check_clamped() {
  for (const auto& [index, there] : partitions_) check_clamped(there);
}

void GroupLedger::check_clamped(const Partition& there) {
  for (const Clamped& clamped : there.clamped) {
    const Ledger& ledger = *there.ledger;
    const auto left = ledger.left_between(clamped.position, clamped.committed, clamped.asked);
    if (!left) continue;
    scene_.violate("G9", fmt::format("group {} had committed {} of {} and was sent back to {}, "
                                     "but the record at {} was not lost",
                                     name_, clamped.committed, ledger.settings().name,
                                     clamped.position, *left));
  }
}

bool GroupLedger::is_done() const {
  return std::all_of(partitions_.begin(), partitions_.end(), [](const auto& entry) {
    const Ledger& log = *entry.second.ledger;
    return std::max(entry.second.processed_to, log.log_start()) >= log.high_watermark();
  });
}

std::string GroupLedger::describe() const {
  std::string text = fmt::format("group {}:", name_);
  for (const auto& [index, partition] : partitions_) {
    text += fmt::format(" {} at {} of {}", partition.ledger->settings().name,
                        partition.processed_to, partition.ledger->high_watermark());
  }
  return text;
}

}  // namespace magpie::sim
