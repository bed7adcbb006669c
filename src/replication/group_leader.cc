#include "replication/group_leader.h"

#include <algorithm>

#include "base/planted_bug.h"

namespace magpie::replication {
namespace {

bool contains(const std::vector<NodeId>& members, NodeId member) {
  return std::find(members.begin(), members.end(), member) != members.end();
}

bool covers(const LedPartitions& partitions, NodeId member, const std::vector<Offset>& ends) {
  for (size_t i = 0; i < ends.size(); ++i) {
    if (partitions.position(i, member) < ends[i]) return false;
    if (!partitions.has_dropped_all(i, member)) return false;
  }
  return true;
}

std::vector<Offset> log_ends(const LedPartitions& partitions) {
  std::vector<Offset> ends;
  for (size_t i = 0; i < partitions.count(); ++i) ends.push_back(partitions.log_end(i));
  return ends;
}

// A record that was acknowledged.
bool holds_any(const LedPartitions& partitions) {
  for (size_t i = 0; i < partitions.count(); ++i) {
    if (partitions.high_watermark(i) > partitions.log_start(i)) return true;
  }
  return false;
}

}  // namespace

void GroupLeader::set_term(Instant now, const Term& term, const SyncPolicy& policy,
                           const LedPartitions& partitions) {
  policy_ = policy;
  if (term.epoch != term_.epoch || opening_ends_.empty()) {
    since_ = now;
    opening_ends_ = log_ends(partitions);
    progress_.clear();
  }
  term_ = term;
  std::erase_if(progress_, [&](const auto& entry) {
    return !contains(term_.members, entry.first) && !contains(term_.leaving, entry.first);
  });
}

std::optional<Wish> GroupLeader::look(Instant now, const LedPartitions& partitions) {
  const std::vector<Offset> ends = log_ends(partitions);
  std::vector<Offset> positions(ends.size());
  exposure_ = term_.members.empty() && !holds_any(partitions) ? Duration{} : Duration::max();
  all_caught_up_ = true;
  for (const NodeId member : term_.members) {
    for (size_t i = 0; i < ends.size(); ++i) positions[i] = partitions.position(i, member);
    MemberProgress& progress = progress_[member];
    progress.look(now, ends, positions);
    exposure_ = std::min(exposure_, progress.exposed(now));
    all_caught_up_ = all_caught_up_ && progress.has_caught_up();
  }
  for (const NodeId member : term_.leaving) {
    for (size_t i = 0; i < ends.size(); ++i) positions[i] = partitions.position(i, member);
    progress_[member].look(now, ends, positions);
  }
  keeps_max_lag_ = !policy_.max_lag || is_within(now, *policy_.max_lag);
  const bool keeps_promise = !policy_.promised_lag || is_within(now, *policy_.promised_lag);
  const bool may_lose_too_much = !keeps_promise || !keeps_max_lag_;
  exposure_ = std::min(exposure_, now - since_);
  blocked_ = false;
  // Partitions came or went: the ends remembered are those of others now. Today's ask for more.
  if (!term_.open && opening_ends_.size() != ends.size()) opening_ends_ = ends;
  if (!term_.open) return open(now, partitions);
  if (may_lose_too_much) blocked_ = true;
  if (term_.joining) return join(now, partitions);
  return replace(now, partitions);
}

// --- opening an epoch ----------------------------------------------------------------------------

// Who is to leave still counts, after all others: until somebody takes the place, its copy is one.
std::optional<Wish> GroupLeader::open(Instant now, const LedPartitions& partitions) const {
  OpenEpoch wish;
  const auto wanted = static_cast<size_t>(std::max(policy_.copies, 0));
  std::vector<NodeId> candidates = term_.members;
  std::stable_partition(candidates.begin(), candidates.end(),
                        [&](NodeId member) { return !partitions.is_unreadable(member); });
  candidates.insert(candidates.end(), term_.leaving.begin(), term_.leaving.end());
  for (const NodeId member : candidates) {
    if (wish.sync.size() == wanted) break;
    const bool holds_all = covers(partitions, member, opening_ends_);
    if (holds_all || planted(PlantedBug::kOpensWithLacking)) wish.sync.push_back(member);
  }
  if (wish.sync.size() == wanted) return wish;
  // Others may still come; after a while fewer will have to do, if they may.
  const bool waited = now - since_ >= policy_.timeout;
  const bool nobody_comes = std::all_of(candidates.begin(), candidates.end(), [&](NodeId member) {
    return contains(wish.sync, member) || partitions.is_gone(member);
  });
  const bool enough = wish.sync.size() >= static_cast<size_t>(std::max(policy_.min, 0));
  if (enough && (waited || nobody_comes)) return wish;
  if (policy_.degrade && waited) return wish;
  return std::nullopt;
}

// --- members that come and go --------------------------------------------------------------------

bool GroupLeader::is_required(NodeId member) const {
  return contains(term_.sync, member);
}

// While nobody has caught up, records of earlier terms may be here only, and their age is not
// known.
bool GroupLeader::is_within(Instant now, const MaxLag& limit) const {
  return std::any_of(term_.members.begin(), term_.members.end(), [&](NodeId member) {
    const auto progress = progress_.find(member);
    return contains(limit.among, member) && progress != progress_.end() &&
           progress->second.exposed(now) <= limit.time;
  });
}

bool GroupLeader::keeps_up(NodeId member, Instant now) const {
  const auto found = progress_.find(member);
  return found != progress_.end() && found->second.has_caught_up() &&
         found->second.behind(now) <= policy_.timeout;
}

std::optional<NodeId> GroupLeader::slow_member(Instant now) const {
  for (const NodeId member : term_.sync) {
    const auto found = progress_.find(member);
    if (found == progress_.end() || found->second.behind(now) > policy_.timeout) return member;
  }
  return std::nullopt;
}

std::optional<NodeId> GroupLeader::gone_member(const LedPartitions& partitions) const {
  for (const NodeId member : term_.sync) {
    if (partitions.is_gone(member)) return member;
  }
  return std::nullopt;
}

bool GroupLeader::leaves(NodeId member, const LedPartitions& partitions) const {
  return contains(term_.leaving, member) || partitions.is_unreadable(member);
}

std::optional<NodeId> GroupLeader::leaving_member(const LedPartitions& partitions) const {
  const auto found = std::find_if(term_.sync.begin(), term_.sync.end(),
                                  [&](NodeId member) { return leaves(member, partitions); });
  return found == term_.sync.end() ? std::nullopt : std::optional(*found);
}

std::optional<NodeId> GroupLeader::candidate(Instant now, const LedPartitions& partitions) const {
  for (const NodeId member : term_.members) {
    if (partitions.is_unreadable(member)) continue;
    const bool fresh = keeps_up(member, now) || planted(PlantedBug::kJoiningCountsAtOnce);
    if (!is_required(member) && fresh) return member;
  }
  return std::nullopt;
}

std::optional<Wish> GroupLeader::join(Instant now, const LedPartitions& partitions) const {
  const NodeId member = *term_.joining;
  const auto progress = progress_.find(member);
  const bool slow = progress == progress_.end() || progress->second.behind(now) > policy_.timeout;
  if (slow || leaves(member, partitions) || partitions.is_gone(member))
    return AbandonJoining{member};
  for (size_t i = 0; i < partitions.count(); ++i) {
    if (partitions.position(i, member) < partitions.high_watermark(i)) return std::nullopt;
    if (!partitions.has_dropped_all(i, member)) return std::nullopt;
  }
  FinishJoining wish{member, std::nullopt};
  const auto wanted = static_cast<size_t>(std::max(policy_.copies, 0));
  if (term_.sync.size() >= wanted) {
    wish.instead_of = slow_member(now);
    if (!wish.instead_of) wish.instead_of = gone_member(partitions);
    if (!wish.instead_of) wish.instead_of = leaving_member(partitions);
  }
  return wish;
}

std::optional<Wish> GroupLeader::replace(Instant now, const LedPartitions& partitions) {
  const std::optional<NodeId> fresh = candidate(now, partitions);
  const auto wanted = static_cast<size_t>(std::max(policy_.copies, 0));
  // Also without one of them.
  const bool enough = term_.sync.size() > static_cast<size_t>(std::max(policy_.min, 0));
  std::optional<NodeId> slow = slow_member(now);
  if (!slow && (fresh || enough)) slow = gone_member(partitions);
  if (slow) {
    if (fresh) return BeginJoining{*fresh};
    if (enough || policy_.degrade) return ShrinkSync{*slow};
    blocked_ = true;
    return std::nullopt;
  }
  const std::optional<NodeId> leaving = leaving_member(partitions);
  if (term_.sync.size() > wanted) return ShrinkSync{leaving.value_or(term_.sync.back())};
  if ((leaving || term_.sync.size() < wanted) && fresh) return BeginJoining{*fresh};
  if (!leaving || !(enough || policy_.degrade)) return std::nullopt;
  // Until somebody else holds as much; if nobody can, it is known to leave a copy less.
  const bool nobody_comes =
      std::all_of(term_.members.begin(), term_.members.end(), [&](NodeId member) {
        return is_required(member) || partitions.is_gone(member) ||
               partitions.is_unreadable(member);
      });
  return nobody_comes ? std::optional<Wish>(ShrinkSync{*leaving}) : std::nullopt;
}

}  // namespace magpie::replication
