#include "group/appends.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "group/commit.h"
#include "group/positions.h"
#include "group/removal.h"
#include "group/static_join.h"
#include "group/sync.h"
#include "group/turn.h"

namespace magpie::group {
namespace {

const TopicPartition* position_of(const Change& change) {
  if (const auto* stored = std::get_if<PositionStored>(&change.what)) return &stored->at;
  if (const auto* removed = std::get_if<PositionRemoved>(&change.what)) return &removed->at;
  return nullptr;
}

void mark_changing(Group& group, const std::vector<Change>& changes) {
  for (const Change& change : changes) {
    if (const TopicPartition* at = position_of(change)) ++group.changing[*at];
  }
}

void unmark_changing(Group& group, const std::vector<Change>& changes) {
  for (const Change& change : changes) {
    const TopicPartition* at = position_of(change);
    if (at == nullptr) continue;
    const auto found = group.changing.find(*at);
    CHECK(found != group.changing.end());
    if (--found->second == 0) group.changing.erase(found);
  }
}

const char* to_text(AppendFailure failure) {
  switch (failure) {
    case AppendFailure::kNotDurable:
      return "the partition did not make them durable";
    case AppendFailure::kNotLeader:
      return "this node does not lead the partition";
    case AppendFailure::kTooLarge:
      return "they do not fit into one batch";
  }
  CHECK(false);
}

struct Continue {
  Turn& turn;
  Group& group;
  AppendId id;
  std::optional<AppendFailure> failure;

  void operator()(NobodyWaits&) const {
    if (!failure) go_on_in(turn, group);
  }
  void operator()(HeldCommit& held) const { finish_commit(turn, std::move(held), failure); }
  void operator()(HeldOffsetDelete& held) const {
    finish_offset_delete(turn, std::move(held), failure);
  }
  void operator()(HeldAssignments& held) const {
    finish_assignments(turn, group, id, std::move(held), failure);
  }
  void operator()(HeldReplacement& held) const {
    finish_replacement(turn, group, std::move(held), failure);
  }
  void operator()(HeldRemoval& held) const { finish_removal(turn, group, held, failure); }
};

}  // namespace

bool has_room_for_append(const Turn& turn) {
  return turn.state.appends.size() < turn.state.config.limits.pending_appends;
}

AppendId append(Turn& turn, Group& group, std::vector<Change> changes, Continuation then) {
  CHECK(!changes.empty());
  const AppendId id{turn.state.next_append++};
  Append append{id, group.id(), {}};
  append.records.reserve(changes.size());
  for (const Change& change : changes) {
    CHECK(change.group_id == group.id());
    append.records.push_back(encode(change));
  }
  mark_changing(group, changes);
  group.appends.push_back(id);
  turn.state.appends.emplace(id, PendingAppend{group.id(), std::move(changes), std::move(then)});
  turn.out.appends.push_back(std::move(append));
  return id;
}

void finish_append(Turn& turn, AppendId id, std::optional<AppendFailure> failure) {
  CHECK(id.value < turn.state.next_append);
  auto node = turn.state.appends.extract(id);
  if (node.empty()) return;
  PendingAppend& pending = node.mapped();
  Group* group = turn.find(pending.group_id);
  CHECK(group != nullptr);
  // Positions are applied in log order; that is the order in which commits are reported.
  CHECK(failure || group->appends.front() == id);
  group->appends.erase(std::find(group->appends.begin(), group->appends.end(), id));
  unmark_changing(*group, pending.changes);
  if (failure) {
    ++turn.state.statistics.appends_failed;
    turn.log(port::Severity::kWarning, "group.append_failed",
             "group '" + pending.group_id + "': records could not be stored (" + to_text(*failure) +
                 "); whoever waits for them is told so");
  } else {
    for (const Change& change : pending.changes) turn.state.durable.apply(change);
  }
  std::visit(Continue{turn, *group, id, failure}, pending.then);
  forget_if_unused(turn, pending.group_id);
}

GroupError member_error(AppendFailure failure) {
  switch (failure) {
    case AppendFailure::kNotDurable:
      return GroupError::kCoordinatorNotAvailable;
    case AppendFailure::kNotLeader:
      return GroupError::kNotCoordinator;
    case AppendFailure::kTooLarge:
      return GroupError::kUnknownServerError;
  }
  CHECK(false);
}

GroupError position_error(AppendFailure failure) {
  if (failure == AppendFailure::kTooLarge) return GroupError::kInvalidCommitOffsetSize;
  return member_error(failure);
}

}  // namespace magpie::group
