#include "sim/region_remover.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "control/decide_regions.h"

namespace magpie::sim {
namespace {

constexpr Duration kNextStep = Duration::milliseconds(300);
constexpr Duration kLatestMax = Duration::seconds(3);

std::vector<std::string> names_leaving(const control::State& state) {
  std::vector<std::string> names;
  for (const auto& [name, region] : state.regions()) {
    if (control::is_leaving(state, name)) names.push_back(name);
  }
  return names;
}

std::vector<std::string> names_removed(const control::State& state) {
  std::vector<std::string> names;
  for (const auto& [name, removed] : control::removed_regions(state)) names.push_back(name);
  return names;
}

}  // namespace

RegionRemover::RegionRemover(Scene& scene, const RegionKnobs& knobs, Cluster& cluster)
    : scene_(scene), knobs_(knobs), cluster_(cluster), random_(knobs.removals) {}

void RegionRemover::start() {
  if (knobs_.removals == 0) return;
  act_now_and_then();
}

void RegionRemover::act_now_and_then() {
  // A removal that has begun goes on soon.
  const bool begun = !names_leaving(cluster_.state()).empty();
  const Duration pause =
      begun || scene_.healed ? kNextStep : Duration::milliseconds(random_.between(500, 8'000));
  scene_.queue.after(pause, [this] {
    if (!cluster_.store().is_rolled_back()) {
      if (scene_.healed) {
        settle();
      } else {
        act(control::State(cluster_.state()));
      }
    }
    act_now_and_then();
  });
}

void RegionRemover::act(const control::State& state) {
  const std::vector<std::string> leaving = names_leaving(state);
  const std::vector<std::string> removed = names_removed(state);
  if (!leaving.empty()) {
    if (random_.chance(1, 60)) return readmit(state, leaving.front());
    return remove(state, leaving.front());
  }
  if (!removed.empty() && random_.chance(2, 3)) {
    return readmit(state, removed[random_.below(removed.size())]);
  }
  remove(state, cluster_.region(random_.below(cluster_.size())).name);
}

void RegionRemover::remove(const control::State& state, const std::string& region) {
  auto decided = control::decide_remove_region(state, region, scene_.wall(),
                                               Duration::seconds(knobs_.lease_seconds));
  if (!decided) return scene_.probe("removal_refused");
  commit(std::move(decided->transaction),
         decided->answer.removed ? "region_removed" : "region_leaving");
}

void RegionRemover::readmit(const control::State& state, const std::string& region) {
  auto decided = control::decide_readmit_region(state, region, scene_.wall(),
                                                Duration::seconds(knobs_.lease_seconds));
  if (!decided) return scene_.probe("readmission_refused");
  commit(std::move(decided->transaction), "region_readmitted");
}

void RegionRemover::commit(control::Transaction transaction, const char* what) {
  if (transaction.empty()) return;
  const bool late = !scene_.healed && random_.chance(1, 2);
  const Duration delay =
      late ? Duration::nanoseconds(random_.between(0, kLatestMax.nanos)) : Duration{};
  scene_.queue.after(delay, [this, transaction = std::move(transaction), what] {
    using Made = tl::expected<control::Transaction, control::Refusal>;
    const auto refused = cluster_.store().commit(Cluster::kId, [&](const control::State& now) {
      if (now.allows(transaction)) return Made(transaction);
      return Made(control::refuse(control::RefusalCode::kPolicyViolation, "overtaken"));
    });
    if (refused) return scene_.probe("region_change_overtaken");
    scene_.trace.say(scene_.now(), what);
    scene_.probe(what);
  });
}

void RegionRemover::settle() {
  const control::State state = cluster_.state();
  for (const std::string& region : names_leaving(state)) readmit(state, region);
  for (const std::string& region : names_removed(state)) readmit(state, region);
}

}  // namespace magpie::sim
