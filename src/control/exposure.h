// When a failover group acknowledged records with fewer copies than its policy wants, for how long,
// and how many.
//
// The problem: a group that degrades rather than blocks goes on alone while a region is away; once
// the region is back nothing shows that for an hour every record was in one place only. The idea:
// each such time is an episode, a record of its own under `exposure/<group>/<number>`. The
// transaction that changes the sync set begins it, notes each change of state in it and ends it, so
// its times are as true as the sync set itself. How many records were acknowledged meanwhile only
// the leader knows, so it writes that down now and then, and once more when the episode is over.
//
// Guarantees: while a group is open and its state says that it has fewer copies than wanted, there
// is an episode that lasts; a count is never above what the leader has seen acknowledged, and is
// called complete only if the leader that acknowledged has said so after the last of them. When a
// leader is lost, its episode ends with what was written down last: a lower bound. So does an
// episode that the leader began only once it noticed that the policy, or a leader of an older
// version, had left copies lacking.
//
// What it does not do: it says nothing of the time before such a notice; nor of records that no
// copy was waited for, in groups that want none (`copies: 0`): those are measured
// (docs/operations/metrics.md), not recorded.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "control/leadership.h"
#include "control/refusal.h"
#include "control/state.h"

namespace magpie::control {

// Episodes of a group that are kept; when another one begins, the oldest goes.
inline constexpr size_t kEpisodesKept = 100;
// Changes within one episode that are kept, from the first on; later ones are counted.
inline constexpr size_t kEpisodeChangesMax = 20;

// The sync set, or whether somebody is joining, became another one.
struct ExposureChange {
  WallTime at;
  ReplicationState state = ReplicationState::kDegraded;
  int32_t copies = 0;  // besides the leader's

  bool operator==(const ExposureChange&) const = default;
};

enum class EpisodeEnd {
  kEnoughCopies,  // there are as many as wanted again, or fewer are wanted
  kTermEnded,     // another term of leadership began; if copies lack there, so does an episode
};

struct Episode {
  LeaderEpoch epoch = kNoLeaderEpoch;  // of the term; an episode lies in one term
  Member leader;
  int32_t wanted = 0;  // copies, when it began
  int32_t fewest = 0;  // that there were
  WallTime began;  // when the one before ended, if that ended with its term and copies lacked since
  std::optional<WallTime> ended;  // none while it lasts
  EpisodeEnd how = EpisodeEnd::kEnoughCopies;
  std::vector<ExposureChange> changes;
  int64_t changes_dropped = 0;
  // Acknowledged in it; the bytes are an estimate from the size of the logs.
  int64_t records = 0;
  int64_t bytes = 0;
  WallTime counted_at;
  // Nothing was acknowledged in it beyond `records`; otherwise they are a lower bound.
  bool complete = false;

  bool operator==(const Episode&) const = default;
};

// By number, which rises with every episode of the group.
using Episodes = std::map<int64_t, Episode>;

std::string exposure_prefix(std::string_view group);
std::string episode_key(std::string_view group, int64_t number);
std::string encode_episode(const Episode& episode);
Result<Episode> decode_episode(std::string_view key, std::string_view value);

// What is kept of a group. What this version cannot read is left out.
Episodes episodes_of(const State& state, std::string_view group);
// The number of the episode that lasts in a term; nothing if none does.
std::optional<int64_t> lasting_episode(const State& state, std::string_view group,
                                       LeaderEpoch epoch);

// Whether an episode lasts in the present term, and in no other, exactly while the group's state
// says that copies are lacking. If not, a leader of a version without episodes was at work, or a
// term ended unseen; decide_note_state() mends it.
bool is_exposure_recorded(const State& state, std::string_view group);

// --- what decisions about leadership add to their transactions ----------------------------------

// The group's leadership becomes `next`, in a term that goes on or is opened: begins, continues or
// ends an episode. The group's leadership is changed or compared by the same transaction.
void record_exposure(const State& state, std::string_view group, int32_t wanted,
                     const Leadership& next, WallTime now, Transaction& transaction);
// The term is over. Compares nothing, so that no count that is being written can delay a failover.
void end_exposure(const State& state, std::string_view group, WallTime now,
                  Transaction& transaction);
// The group is deleted.
void forget_exposure(const State& state, std::string_view group, Transaction& transaction);

// --- by the leader of the term -------------------------------------------------------------------

struct ExposureCount {
  int64_t episode = 0;
  LeaderEpoch epoch;
  Member leader;
  int64_t records = 0;
  int64_t bytes = 0;
  bool complete = false;
};
// Writes down how many records were acknowledged. Refused if there is no such episode any more, or
// it is another leader's. Also after the term, by a leader that has heard of its end.
Decided<Episode> decide_count_exposure(const State& state, std::string_view group,
                                       const ExposureCount& count, WallTime now);

const char* to_string(EpisodeEnd how);

}  // namespace magpie::control
