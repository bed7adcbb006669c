#include "sim/leadership_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "control/group_values.h"
#include "control/keys.h"

namespace magpie::sim {

void LeadershipWatch::changed(const store::ImageChanges& changes) {
  const std::string prefix = std::string("magpie/") + Cluster::kId + "/state/";
  for (const store::ImageChange& change : changes) {
    const auto* put = std::get_if<store::KeyPut>(&change);
    if (put == nullptr || !put->kv.key.starts_with(prefix)) continue;
    const std::string key = put->kv.key.substr(prefix.size());
    const auto group = control::without_prefix(key, control::kLeadershipPrefix);
    if (key.starts_with(control::kCeilingsPrefix)) reserved(key, put->kv.value);
    if (!group) continue;
    const auto term = control::decode_leadership(key, put->kv.value);
    if (!term) return scene_.violate("metadata", "a leadership: " + term.error().message);
    took(std::string(*group), *term);
  }
}

// "ceilings/<group>/<topic id>"
void LeadershipWatch::reserved(const std::string& key, const std::string& value) {
  const auto found = control::decode_ceilings(key, value);
  const auto topic = parse_uuid(key.substr(key.rfind('/') + 1));
  if (!found || !topic) return scene_.violate("metadata", key + " cannot be read");
  std::vector<Offset>& known = ceilings_[*topic];
  known.resize(std::max(known.size(), found->offsets.size()));
  for (size_t i = 0; i < found->offsets.size(); ++i) {
    known[i] = std::max(known[i], found->offsets[i]);
  }
}

void LeadershipWatch::written(const std::string& topic, int32_t partition, int64_t last_offset) {
  const std::vector<Offset>& known = ceilings_[topics_.find(topic).id];
  const auto place = static_cast<size_t>(partition);
  const int64_t ceiling = place < known.size() ? known[place].value : 0;
  if (last_offset < ceiling) return;
  scene_.violate("ceilings", fmt::format("{}-{}: offset {} is written, the ceiling is {}", topic,
                                         partition, last_offset, ceiling));
}

void LeadershipWatch::took(const std::string& group, const control::Leadership& term) {
  const int32_t epoch = term.epoch.value;
  control::Leadership& before = terms_[group];
  const bool begins = before.epoch != term.epoch;
  if (begins) {
    scene_.trace.say(
        scene_.now(),
        fmt::format("{}: node {} leads in epoch {}{}", group, term.leader.node.value, epoch,
                    term.opened_with == control::OpenedWith::kLossy ? ", with loss" : ""));
    if (!epochs_.empty() && epoch <= epochs_.rbegin()->first) {
      scene_.violate("epochs", fmt::format("{} takes epoch {}, but {} was taken before", group,
                                           epoch, epochs_.rbegin()->first));
    }
    if (before.exists() && before.leader.node != term.leader.node) scene_.probe("leader_moved");
  }
  const auto [known, fresh] = epochs_.emplace(epoch, std::pair{group, term.leader});
  if (known->second != std::pair{group, term.leader}) {
    scene_.violate("G2",
                   fmt::format("epoch {} of {} has node {} for its leader, and had node {}", epoch,
                               group, term.leader.node.value, known->second.second.node.value));
  }
  if (!begins && before.open && term.sync != before.sync) scene_.probe("sync_set_changed");
  if (!begins && term.joining && !before.joining) scene_.probe("member_joins");
  before = term;
  if (begins && term.opened_with == control::OpenedWith::kLossy) declare_loss(group, term);
  if (hear_) hear_(group, term);
}

void LeadershipWatch::declare_loss(const std::string& group, const control::Leadership& term) {
  ++losses_;
  scene_.probe("failover_with_loss");
  const control::State& state = cluster_.state();
  for (auto& [key, ledger] : topics_.ledgers()) {
    const control::Topic* topic = state.find_topic(key.first);
    if (topic == nullptr) continue;
    const PartitionIndex index{key.second};
    if (state.group_of(*topic, index) != group) continue;
    const control::Ceilings& reserved = state.ceilings(group, topic->id);
    const Offset floor = std::max(reserved.ceiling(index), reserved.floor(index));
    ledger->failed_over_with_loss(term.epoch.value, floor.value);
  }
}

}  // namespace magpie::sim
