#include "admin/exposure.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "admin/regions.h"
#include "control/exposure.h"
#include "control/group_values.h"

namespace magpie::admin {
namespace {

using control::Episode;
using nlohmann::json;

json changes_json(const Episode& episode) {
  json changes = json::array();
  for (const control::ExposureChange& change : episode.changes) {
    changes.push_back({{"at_ms", change.at.millis},
                       {"state", control::to_string(change.state)},
                       {"copies", change.copies}});
  }
  return changes;
}

json episode_json(const control::State& state, int64_t number, const Episode& episode,
                  WallTime now) {
  const int64_t until = episode.ended.value_or(now).millis;
  return {{"number", number},
          {"epoch", episode.epoch.value},
          {"leader", member_json(state, episode.leader)},
          {"began_ms", episode.began.millis},
          {"ended_ms", episode.ended ? json(episode.ended->millis) : json(nullptr)},
          {"end", episode.ended ? json(control::to_string(episode.how)) : json(nullptr)},
          {"duration_ms", std::max<int64_t>(until - episode.began.millis, 0)},
          {"wanted_copies", episode.wanted},
          {"fewest_copies", episode.fewest},
          {"records", episode.records},
          {"bytes_estimate", episode.bytes},
          {"complete", episode.complete},
          {"counted_at_ms", episode.counted_at.millis},
          {"changes", changes_json(episode)},
          {"changes_dropped", episode.changes_dropped}};
}

}  // namespace

json describe_exposure(const control::State& state, const std::string& name, WallTime now) {
  const control::FailoverGroup* group = state.find_group(name);
  if (group == nullptr) return nullptr;
  const control::Leadership& led = state.leadership(name);
  json episodes = json::array();
  const control::Episodes kept = control::episodes_of(state, name);
  for (auto each = kept.rbegin(); each != kept.rend(); ++each) {
    episodes.push_back(episode_json(state, each->first, each->second, now));
  }
  return {{"name", name},
          {"single_node", is_alone(state)},
          {"wanted_copies", control::wanted_copies(*group, state.regions())},
          {"copies", led.sync.size()},
          {"state", led.exists() ? json(control::to_string(led.state)) : json(nullptr)},
          {"episodes_kept", control::kEpisodesKept},
          {"episodes", std::move(episodes)}};
}

}  // namespace magpie::admin
