#include "control/exposure.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "control/group_values.h"
#include "control/keys.h"
#include "control/transaction_builder.h"
#include "control/value_fields.h"

namespace magpie::control {
namespace {

constexpr std::array<const char*, 3> kStates = {"sync", "degraded", "catching-up"};
constexpr std::array<const char*, 2> kEnds = {"enough-copies", "term-ended"};

std::optional<int64_t> number_in(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number <= 0) return std::nullopt;
  return number;
}

void read_changes(const Json& json, Episode& episode, Fields& fields) {
  const Json list = fields.list("changes", kEpisodeChangesMax);
  for (const Json& element : list) {
    const Json one = element.is_object() ? element : Json::object();
    Fields inner(one);
    ExposureChange change;
    change.at = {inner.integer("at", INT64_MIN, INT64_MAX)};
    change.state = inner.choice<ReplicationState>("state", kStates);
    change.copies = static_cast<int32_t>(inner.integer("copies", 0, INT32_MAX));
    if (inner.problem()) return fields.wrong("of a change " + *inner.problem());
    episode.changes.push_back(change);
  }
  if (json.contains("changes_dropped")) {
    episode.changes_dropped = fields.integer("changes_dropped", 0, INT64_MAX);
  }
}

void add_change(const Leadership& next, WallTime now, Episode& episode) {
  const ExposureChange change{now, next.state, static_cast<int32_t>(next.sync.size())};
  episode.fewest = std::min(episode.fewest, change.copies);
  if (episode.changes.size() < kEpisodeChangesMax) {
    episode.changes.push_back(change);
  } else {
    ++episode.changes_dropped;
  }
}

void end(Episode& episode, EpisodeEnd how, WallTime now) {
  episode.ended = std::max(now, episode.began);
  episode.how = how;
}

bool is_as_before(const Leadership& held, const Leadership& next) {
  return held.open && held.epoch == next.epoch && held.state == next.state &&
         held.sync.size() == next.sync.size();
}

using Numbered = std::pair<int64_t, Episode>;

std::optional<int64_t> number_of(std::string_view key, std::string_view prefix) {
  return key.starts_with(prefix) ? number_in(key.substr(prefix.size())) : std::nullopt;
}

// The newest that this version can read.
std::optional<Numbered> last_episode(const State& state, std::string_view group) {
  const std::string prefix = exposure_prefix(group);
  const auto& entries = state.entries();
  auto at = entries.lower_bound(std::string(kExposurePrefix).append(group) + char('/' + 1));
  while (at != entries.begin() && (--at)->first.starts_with(prefix)) {
    const auto number = number_of(at->first, prefix);
    auto episode = decode_episode(at->first, at->second.value);
    if (number && episode) return Numbered(*number, std::move(*episode));
  }
  return std::nullopt;
}

// Where an episode ended with its term and the next term lacks copies from its start, there is no
// time between them. Otherwise an episode begins when its term may acknowledge with too few.
WallTime beginning(const std::optional<Numbered>& last, const Leadership& next, WallTime now) {
  if (!last || last->second.how != EpisodeEnd::kTermEnded || !next.exposed_since) return now;
  return std::max(*next.exposed_since, last->second.ended.value_or(now));
}

// Drops the oldest of too many, also what only a newer version can read.
void begin(const State& state, std::string_view group, const Episode& episode,
           Transaction& transaction) {
  std::vector<std::string> held;
  int64_t number = 1;
  const std::string prefix = exposure_prefix(group);
  for (auto at = state.entries().lower_bound(prefix);
       at != state.entries().end() && at->first.starts_with(prefix); ++at) {
    held.push_back(at->first);
    number = std::max(number, number_of(at->first, prefix).value_or(0) + 1);
  }
  change_key(state, episode_key(group, number), encode_episode(episode), transaction);
  for (size_t i = 0; i + kEpisodesKept <= held.size(); ++i) {
    transaction.changes.push_back({held[i], std::nullopt});
  }
}

}  // namespace

std::string exposure_prefix(std::string_view group) {
  return std::string(kExposurePrefix).append(group) + "/";
}

// Ten digits, so that the order of the keys is that of the episodes.
std::string episode_key(std::string_view group, int64_t number) {
  return fmt::format("{}{:010}", exposure_prefix(group), number);
}

std::string encode_episode(const Episode& episode) {
  Json changes = Json::array();
  for (const ExposureChange& change : episode.changes) {
    changes.push_back({{"at", change.at.millis},
                       {"state", word(kStates, change.state)},
                       {"copies", change.copies}});
  }
  Json json = {{"epoch", episode.epoch.value},
               {"leader", member_json(episode.leader)},
               {"wanted", episode.wanted},
               {"fewest", episode.fewest},
               {"began", episode.began.millis},
               {"changes", std::move(changes)},
               {"records", episode.records},
               {"bytes", episode.bytes},
               {"counted_at", episode.counted_at.millis}};
  if (episode.ended) {
    json["ended"] = episode.ended->millis;
    json["how"] = word(kEnds, episode.how);
  }
  if (episode.changes_dropped > 0) json["changes_dropped"] = episode.changes_dropped;
  if (episode.complete) json["complete"] = true;
  return dump_value(std::move(json));
}

Result<Episode> decode_episode(std::string_view key, std::string_view value) {
  auto json = parse_value(key, value);
  if (!json) return fail(json.error());
  Fields fields(*json);
  Episode episode;
  episode.epoch = {static_cast<int32_t>(fields.integer("epoch", 0, INT32_MAX))};
  episode.leader = fields.member(json->value("leader", Json())).value_or(Member{});
  episode.wanted = static_cast<int32_t>(fields.integer("wanted", 0, INT32_MAX));
  episode.fewest = static_cast<int32_t>(fields.integer("fewest", 0, INT32_MAX));
  episode.began = {fields.integer("began", INT64_MIN, INT64_MAX)};
  if (fields.has("ended")) {
    episode.ended = WallTime{fields.integer("ended", INT64_MIN, INT64_MAX)};
    episode.how = fields.choice<EpisodeEnd>("how", kEnds);
  }
  read_changes(*json, episode, fields);
  episode.records = fields.integer("records", 0, INT64_MAX);
  episode.bytes = fields.integer("bytes", 0, INT64_MAX);
  episode.counted_at = {fields.integer("counted_at", INT64_MIN, INT64_MAX)};
  if (fields.has("complete")) episode.complete = fields.boolean("complete");
  if (fields.problem()) return malformed(key, *fields.problem());
  return episode;
}

Episodes episodes_of(const State& state, std::string_view group) {
  Episodes episodes;
  const std::string prefix = exposure_prefix(group);
  for (auto at = state.entries().lower_bound(prefix);
       at != state.entries().end() && at->first.starts_with(prefix); ++at) {
    const auto number = number_of(at->first, prefix);
    auto episode = decode_episode(at->first, at->second.value);
    if (number && episode) episodes.emplace(*number, std::move(*episode));
  }
  return episodes;
}

std::optional<int64_t> lasting_episode(const State& state, std::string_view group,
                                       LeaderEpoch epoch) {
  const auto last = last_episode(state, group);
  if (!last || last->second.ended || last->second.epoch != epoch) return std::nullopt;
  return last->first;
}

bool is_exposure_recorded(const State& state, std::string_view group) {
  const Leadership& held = state.leadership(group);
  const auto last = last_episode(state, group);
  const bool lasts = last && !last->second.ended;
  if (!held.open || held.state == ReplicationState::kSync) return !lasts;
  return lasts && last->second.epoch == held.epoch;
}

void record_exposure(const State& state, std::string_view group, int32_t wanted,
                     const Leadership& next, WallTime now, Transaction& transaction) {
  std::optional<Numbered> last = last_episode(state, group);
  const bool exposed = next.open && next.state != ReplicationState::kSync;
  if (last && !last->second.ended) {
    Episode& episode = last->second;
    const bool goes_on = exposed && episode.epoch == next.epoch;
    if (goes_on && is_as_before(state.leadership(group), next)) return;
    if (goes_on) {
      add_change(next, now, episode);
    } else {
      const bool same_term = episode.epoch == next.epoch;
      end(episode, same_term ? EpisodeEnd::kEnoughCopies : EpisodeEnd::kTermEnded, now);
    }
    change_key(state, episode_key(group, last->first), encode_episode(episode), transaction);
    if (goes_on) return;
  }
  if (!exposed) return;
  Episode episode;
  episode.epoch = next.epoch;
  episode.leader = next.leader;
  episode.wanted = wanted;
  episode.fewest = static_cast<int32_t>(next.sync.size());
  episode.began = beginning(last, next, now);
  episode.counted_at = now;
  add_change(next, now, episode);
  begin(state, group, episode, transaction);
}

void end_exposure(const State& state, std::string_view group, WallTime now,
                  Transaction& transaction) {
  auto last = last_episode(state, group);
  if (!last || last->second.ended) return;
  end(last->second, EpisodeEnd::kTermEnded, now);
  transaction.changes.push_back({episode_key(group, last->first), encode_episode(last->second)});
}

void forget_exposure(const State& state, std::string_view group, Transaction& transaction) {
  const std::string prefix = exposure_prefix(group);
  for (auto at = state.entries().lower_bound(prefix);
       at != state.entries().end() && at->first.starts_with(prefix); ++at) {
    transaction.changes.push_back({at->first, std::nullopt});
  }
}

Decided<Episode> decide_count_exposure(const State& state, std::string_view group,
                                       const ExposureCount& count, WallTime now) {
  const Episodes episodes = episodes_of(state, group);
  const auto found = episodes.find(count.episode);
  if (found == episodes.end() || found->second.epoch != count.epoch ||
      found->second.leader != count.leader) {
    return refuse(RefusalCode::kInvalidRequest,
                  fmt::format("failover group '{}' has no episode {} of node {} in epoch {}", group,
                              count.episode, count.leader.node.value, count.epoch.value));
  }
  Decision<Episode> decision;
  decision.answer = found->second;
  Episode& episode = decision.answer;
  episode.records = std::max(episode.records, count.records);
  episode.bytes = std::max(episode.bytes, count.bytes);
  episode.complete = episode.complete || count.complete;
  if (episode == found->second) return decision;
  episode.counted_at = now;
  change_key(state, episode_key(group, count.episode), encode_episode(episode),
             decision.transaction);
  return decision;
}

const char* to_string(EpisodeEnd how) {
  return word(kEnds, how);
}

}  // namespace magpie::control
