// Topics that were deleted and are kept for a while, so that a mistake can be undone.
//
// The problem: a deletion takes a second and cannot be taken back, and scripts delete the wrong
// topic. The idea: for clients the topic is gone at once, but `deleted_topics/<topic id>` remembers
// what it was, and every node moves its records out of the way instead of removing them. Until the
// time is over the topic can be restored under its old id; then, or when somebody cannot wait for
// the room, it is purged.
//
// Safety: what was acknowledged before the deletion is held by those who were promotable then, and
// by nobody else for certain, whoever has led the group since. The record names them. A topic is
// restored only if its groups are led by one of them, and in a new term in which nobody else is
// promotable, as when partitions move between groups (decide_placing.h).
//
// A topic that is restored keeps its record until its groups are led with it. If a leader finds
// that it cannot open a partition, it gives the topic back: the restore has failed, the record says
// why, and the group goes on without it.
//
// What it does not do: it moves no folder and no position of a consumer group
// (node/topic_storage.h, kafka/group_requests.h). A topic created anew under the name is another
// topic, and stands in the way of the old one.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "base/uuid.h"
#include "control/member.h"
#include "control/policy.h"
#include "control/refusal.h"
#include "control/state.h"
#include "control/topic.h"

namespace magpie::control {

// Kept at once; when another one is deleted, the one that would go first is purged.
inline constexpr size_t kDeletedTopicsMax = 1'000;
// A topic that was given back is kept for at least as long, whatever was left of its time.
inline constexpr Duration kGivenBackKept = Duration::seconds(3'600);

struct DeletedTopic {
  Topic topic;
  ConfigValues configs;
  WallTime deleted_at;  // or given back, after a restore that failed
  WallTime kept_until;
  // Of each failover group that led partitions of it: who could lead without loss.
  std::map<std::string, Members> holders;
  // As the node knew that took the deletion; 0: it did not.
  int64_t bytes = 0;
  // While it is being restored: of each of these groups the term that began with it.
  std::map<std::string, LeaderEpoch> restored;
  // Why the last restore failed; empty if none did.
  std::string problem;

  bool operator==(const DeletedTopic&) const = default;
};

std::string encode_deleted_topic(const DeletedTopic& deleted);
Result<DeletedTopic> decode_deleted_topic(std::string_view key, const Uuid& id,
                                          std::string_view value);

// What this version cannot read is left out. Also those that are being restored.
std::map<Uuid, DeletedTopic> deleted_topics(const State& state);
// It can be restored.
bool is_kept(const State& state, const Uuid& topic);
// It exists, but not all of its groups are led with it yet.
bool is_being_restored(const State& state, const Uuid& topic);
// Those that can be restored, by the name they had; the last that was deleted comes first.
std::map<std::string, std::vector<Uuid>> deleted_by_name(const State& state);

// Adds to the transaction that deletes a topic what keeps it; or, without a time, what leaves
// nothing of it.
struct Keep {
  Duration time;
  WallTime now;
  int64_t bytes = 0;
};
void keep_topic(const State& state, const Topic& topic, const Keep& keep, Transaction& transaction);
void forget_topic(const State& state, const Topic& topic, Transaction& transaction);

// Which one is meant: a topic's name, if only one that is kept had it, or its id.
Decided<DeletedTopic> find_deleted_topic(const State& state, std::string_view which);

// The topic is there again, with its id, settings and records. Refused if its name is taken, if a
// failover group of it is gone, is being moved, or is led by a node that may lack records: the
// message says what to do.
Decided<DeletedTopic> decide_restore_topic(const State& state, const Policy& policy,
                                           std::string_view which);

// What a restore left to do for the leader `self` of one of the topic's groups:
enum class RestoreStep {
  kNothing,   // here, or at all
  kOpening,   // a term with the topic waits until its partitions can be read
  kFinished,  // all its groups are led with it: the record can go
};
RestoreStep restore_step(const State& state, const DeletedTopic& restored, NodeId self);

// The topic is taken away again, because the leader `self` cannot read it. Refused with
// kInvalidRequest if its restore is not kOpening for `self`.
Decided<DeletedTopic> decide_give_back_topic(const State& state, const Uuid& topic, NodeId self,
                                             const std::string& problem, WallTime now);
// Refused if its restore is not kFinished.
Decided<DeletedTopic> decide_finish_restore(const State& state, const Uuid& topic, NodeId self);

// It goes for good.
Decided<DeletedTopic> decide_purge_topic(const State& state, std::string_view which);

}  // namespace magpie::control
