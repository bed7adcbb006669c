#include "sim/region_faults.h"

#include <algorithm>
#include <utility>

#include "control/directory_age.h"
#include "control/directory_opening.h"
#include "control/identity.h"
#include "control/member.h"

namespace magpie::sim {
namespace {

// How often somebody looks whether a leader that is alone has been replaced, until when, and how
// long it stays alone with its clients after that.
constexpr Duration kLonelyLook = Duration::seconds(1);
constexpr Duration kLonelyAfterwards = Duration::seconds(4);
constexpr Duration kLonelyLongest = Duration::seconds(60);
// How long its copies get nothing before that.
constexpr Duration kFallBehind = Duration::seconds(2);
// Of the kinds of partitions: machines, store and clients lose the other regions.
constexpr uint64_t kOtherMachines = 0;
constexpr uint64_t kAllOfTheSite = 3;

// How often somebody looks whether a node has said that its directory is not to be used.
constexpr Duration kRefusalLook = Duration::milliseconds(500);

using Files = std::map<std::string, SimFile>;

// Of a directory; nobody's identity if there is none.
control::Identity identity_in(const Files& files) {
  const auto file = files.find(std::string(control::kIdentityPath));
  if (file == files.end()) return {};
  auto identity = control::decode_identity(control::kIdentityPath, file->second.content());
  return identity ? *identity : control::Identity{};
}

Uuid incarnation_on(const Files& files) {
  return identity_in(files).incarnation;
}

// Whether the store knows the directory as an older one.
bool is_put_back(const control::State& state, NodeId node, const Files& files) {
  const auto& entries = state.entries();
  const auto known = entries.find(control::directory_age_key(node, identity_in(files).first()));
  if (known == entries.end()) return false;
  const auto file = files.find(std::string(control::kDirectoryAgePath));
  if (file == files.end()) return true;
  const auto age = control::decode_age_file(control::kDirectoryAgePath, file->second.content());
  return age && *age < control::decode_known_age(known->second.value);
}

}  // namespace

RegionFaults::RegionFaults(Scene& scene, const RegionKnobs& knobs, Cluster& cluster)
    : scene_(scene),
      knobs_(knobs),
      cluster_(cluster),
      random_(scene.random.fork()),
      rollbacks_left_(knobs.store_rollbacks) {
  for (SimRegion& region : cluster.regions()) {
    nodes_.push_back(std::make_unique<Faults>(scene, knobs.common, *region.disk, cluster.network(),
                                              *region.host));
    nodes_.back()->set_may_lose_power(
        [this, index = nodes_.size() - 1] { return expect_power_loss(index); });
  }
}

void RegionFaults::every(Duration rate, Action action) {
  if (rate == Duration{}) return;
  const Duration pause = Duration::nanoseconds(random_.between(rate.nanos / 4, rate.nanos * 7 / 4));
  scene_.queue.after(pause, [this, rate, action = std::move(action)] {
    if (scene_.healed) return;
    action();
    every(rate, action);
  });
}

void RegionFaults::later(Duration shortest, Duration longest, Action end) {
  scene_.queue.after(Duration::nanoseconds(random_.between(shortest.nanos, longest.nanos)),
                     std::move(end));
}

void RegionFaults::start() {
  for (const auto& node : nodes_) node->start();
  every(knobs_.outage_every, [this] { begin_outage(); });
  every(knobs_.pause_every, [this] {
    scene_.probe("process_paused");
    cluster_.region(some_region())
        .host->pause(Duration::milliseconds(random_.between(200, 15'000)));
  });
  every(knobs_.disk_loss_every, [this] { lose_disk(); });
  every(knobs_.disk_restore_every, [this] { keep_backup(); });
  every(knobs_.disk_restore_every, [this] { restore_disk(); });
  every(knobs_.damage_every, [this] { damage(); });
  every(knobs_.partition_every, [this] { partition(); });
  every(knobs_.one_way_every, [this] { one_way(); });
  every(knobs_.flap_every, [this] { flap(); });
  every(knobs_.break_every, [this] { break_links(); });
  every(knobs_.store_site_every, [this] { store_site(); });
  every(knobs_.store_loss_every, [this] { lose_store(); });
  every(knobs_.store_restart_every, [this] {
    scene_.probe("store_restarted");
    cluster_.store().restart();
  });
  if (rollbacks_left_ > 0) every(knobs_.common.chaos, [this] { roll_store_back(); });
  every(knobs_.lone_leader_every, [this] { isolate_leader(); });
}

// --- nodes ---------------------------------------------------------------------------------------

void RegionFaults::begin_outage() {
  const size_t region = some_region();
  Host& host = *cluster_.region(region).host;
  if (!host.is_up()) return;
  scene_.probe("region_down");
  const bool power = random_.chance(1, 2) && expect_power_loss(region);
  host.crash(power ? Crash::kPower : Crash::kProcess);
  nodes_[region]->hold_down(true);
  later(Duration::seconds(1), Duration::seconds(30), [this, region] { end_outage(region); });
}

void RegionFaults::end_outage(size_t region) {
  nodes_[region]->hold_down(false);
}

bool RegionFaults::is_spare(NodeId node) {
  const control::State state = cluster_.state();
  const control::Node* known = state.find_node(node);
  // Two losses in a row may meet what the first one has not even told yet.
  if (known == nullptr || !is_whole(known->incarnation)) return false;
  for (const auto& [name, group] : state.groups()) {
    const control::Leadership& term = state.leadership(name);
    if (!term.exists()) continue;
    const control::Members& holders = term.promotable;
    if (!control::contains(holders, {node, known->incarnation})) continue;
    const bool elsewhere =
        std::any_of(holders.begin(), holders.end(), [&](const control::Member& holder) {
          return holder.node != node && is_whole(holder.incarnation);
        });
    if (!elsewhere) return false;
  }
  return true;
}

bool RegionFaults::expect_power_loss(size_t index) {
  SimRegion& region = cluster_.region(index);
  // Who stopped in order has nothing to lose.
  const bool has_mark = region.disk->files().contains(std::string(control::kUnsyncedPath));
  if (!knobs_.is_weak(index) || !has_mark) return true;
  if (!is_spare(region.host->id())) return false;
  scene_.probe("power_loss_of_weak_member");
  doubted_[incarnation_on(region.disk->files())] = region.host->id();
  if (end_lost_) end_lost_();
  return true;
}

bool RegionFaults::is_lost(const Uuid& incarnation) const {
  if (lost_.contains(incarnation)) return true;
  const auto doubted = doubted_.find(incarnation);
  if (doubted == doubted_.end()) return false;
  Host* host = cluster_.find(doubted->second);
  return !host->is_serving() || incarnation_on(host->disk().files()) != incarnation;
}

void RegionFaults::lose_disk() {
  SimRegion& region = cluster_.region(some_region());
  // Whoever begins empty uses whatever store there is.
  if (cluster_.store().is_rolled_back()) return;
  // Records of which this is the only copy are not what a queue can keep.
  if (!is_spare(region.host->id())) return;
  scene_.probe("disk_lost");
  scene_.note("disk lost", region.host->id().value);
  const control::State state = cluster_.state();
  lost_.insert(state.find_node(region.host->id())->incarnation);
  region.host->empty_directory();
  if (disk_lost_) disk_lost_(region.host->id());
}

void RegionFaults::keep_backup() {
  SimRegion& region = cluster_.region(some_region());
  if (incarnation_on(region.disk->files()) == Uuid{}) return;
  region.backup = region.disk->files();
}

// As a snapshot of a disk comes back. What is as old as the store knows the directory is not
// noticed, and nobody says that it would be.
void RegionFaults::restore_disk() {
  const size_t index = some_region();
  SimRegion& region = cluster_.region(index);
  const NodeId node = region.host->id();
  if (region.backup.empty() || cluster_.store().is_rolled_back() || !is_spare(node)) return;
  const control::State state = cluster_.state();
  if (!is_put_back(state, node, region.backup)) return;
  scene_.probe("disk_restored");
  scene_.note("disk restored", node.value);
  if (region.host->is_up()) region.host->crash(Crash::kPower);
  lost_.insert(state.find_node(node)->incarnation);
  lost_.insert(incarnation_on(region.backup));
  region.host->put_back(region.backup);
  if (disk_lost_) disk_lost_(node);
  await_refusal(index, identity_in(region.backup).first());
}

void RegionFaults::await_refusal(size_t index, const Uuid& directory) {
  scene_.queue.after(kRefusalLook, [this, index, directory] {
    SimRegion& region = cluster_.region(index);
    if (identity_in(region.disk->files()).first() != directory) return;
    // As in lose_disk(): whoever begins empty uses whatever store there is.
    const bool may_begin = region.host->refuses_directory() && !cluster_.store().is_rolled_back();
    if (!may_begin) return await_refusal(index, directory);
    scene_.probe("old_directory_refused");
    region.host->empty_directory();
    if (disk_lost_) disk_lost_(region.host->id());
  });
}

// --- paths ---------------------------------------------------------------------------------------

Place RegionFaults::some_place() {
  const SimRegion& region = cluster_.region(some_region());
  const uint64_t which = random_.below(4);
  return which == 0 ? region.clients : which == 1 ? region.store : region.machines;
}

void RegionFaults::cut_for_a_while(const PlacePairs& pairs) {
  for (const auto& [a, b] : pairs) cluster_.paths().cut(a, b);
  later(Duration::milliseconds(100), Duration::seconds(20), [this, pairs] {
    if (scene_.healed) return;
    for (const auto& [a, b] : pairs) cluster_.paths().mend(a, b);
  });
}

RegionFaults::PlacePairs RegionFaults::paths_around(size_t index, uint64_t what) {
  const SimRegion& region = cluster_.region(index);
  PlacePairs pairs;
  const auto both = [&](Place a, Place b) {
    pairs.emplace_back(a, b);
    pairs.emplace_back(b, a);
  };
  for (size_t i = 0; i < cluster_.size(); ++i) {
    const SimRegion& other = cluster_.region(i);
    if (what == 0 || what >= 3) {
      if (i != index) both(region.machines, other.machines);
    }
    if (what == 1) both(region.machines, other.store);
    if (what == 2) both(region.machines, other.clients);
    if (what >= 3 && i != index) {
      // All of the site is alone.
      both(region.machines, other.store);
      both(region.machines, other.clients);
      both(region.store, other.machines);
      both(region.store, other.store);
      both(region.clients, other.machines);
    }
  }
  return pairs;
}

// A region loses the others, the store, clients, or everything.
void RegionFaults::partition() {
  const size_t index = some_region();
  const uint64_t what = random_.below(5);
  static constexpr const char* kProbes[] = {"region_cut_from_regions", "region_cut_from_store",
                                            "region_cut_from_clients", "region_isolated",
                                            "region_isolated"};
  scene_.probe(kProbes[what]);
  scene_.note("partition", index, what);
  cut_for_a_while(paths_around(index, what));
}

// Of a group without copies: nobody else has to hear of what it acknowledges.
void RegionFaults::isolate_leader() {
  if (leader_is_alone_ || cluster_.store().is_rolled_back()) return;
  const control::State state = cluster_.state();
  for (const auto& [name, group] : state.groups()) {
    const control::Leadership& term = state.leadership(name);
    if (group.copies > 0 || !term.exists()) continue;
    const auto index = static_cast<size_t>(term.leader.node.value - 1);
    if (!cluster_.region(index).host->is_serving()) continue;
    scene_.probe("leader_isolated");
    scene_.note("leader isolated", index);
    leader_is_alone_ = true;
    // With consumers its copies fall behind first, so that somebody commits what will be lost.
    if (knobs_.common.groups == 0) return leave_alone(name, index);
    scene_.probe("copies_fall_behind");
    for (const auto& [a, b] : paths_around(index, kOtherMachines)) cluster_.paths().cut(a, b);
    scene_.queue.after(kFallBehind, [=, this, group = name] {
      if (scene_.healed) return;
      for (const auto& [a, b] : paths_around(index, kOtherMachines)) cluster_.paths().mend(a, b);
      leave_alone(group, index);
    });
    return;
  }
}

void RegionFaults::leave_alone(const std::string& group, size_t index) {
  for (const auto& [a, b] : paths_around(index, kAllOfTheSite)) cluster_.paths().cut(a, b);
  end_isolation(group, index, scene_.now() + kLonelyLongest);
}

void RegionFaults::end_isolation(const std::string& group, size_t index, Instant give_up) {
  scene_.queue.after(kLonelyLook, [=, this] {
    if (scene_.healed) return;
    const NodeId leader = cluster_.state().leadership(group).leader.node;
    if (leader == cluster_.region(index).host->id() && scene_.now() < give_up) {
      return end_isolation(group, index, give_up);
    }
    scene_.queue.after(kLonelyAfterwards, [=, this] {
      if (scene_.healed) return;
      leader_is_alone_ = false;
      for (const auto& [a, b] : paths_around(index, kAllOfTheSite)) cluster_.paths().mend(a, b);
    });
  });
}

void RegionFaults::one_way() {
  const Place from = some_place();
  const Place to = some_place();
  if (from == to) return;
  scene_.probe("path_cut_one_way");
  scene_.note("one way", from, to);
  cut_for_a_while({{from, to}});
}

void RegionFaults::flap() {
  const Place from = some_place();
  const Place to = some_place();
  if (from == to) return;
  scene_.probe("path_flaps");
  scene_.note("flap", from, to);
  const Duration period = Duration::milliseconds(random_.between(20, 3'000));
  flap_on(from, to, static_cast<int>(random_.between(3, 30)), period);
}

void RegionFaults::flap_on(Place a, Place b, int times, Duration period) {
  if (scene_.healed || times == 0) return;
  cluster_.cut(a, b);
  scene_.queue.after(period, [=, this] {
    if (scene_.healed) return;
    cluster_.mend(a, b);
    scene_.queue.after(period, [=, this] { flap_on(a, b, times - 1, period); });
  });
}

void RegionFaults::break_links() {
  const size_t a = some_region();
  const size_t b = some_region();
  if (a == b) return;
  scene_.probe("links_broken");
  cluster_.network().cut_between(cluster_.region(a).machines, cluster_.region(b).machines);
}

// --- the store -----------------------------------------------------------------------------------

void RegionFaults::store_site() {
  const size_t site = some_region();
  scene_.probe("store_site_down");
  cluster_.store().set_site_up(site, false);
  later(Duration::milliseconds(500), Duration::seconds(15),
        [this, site] { cluster_.store().set_site_up(site, true); });
}

void RegionFaults::lose_store() {
  const bool all = random_.chance(1, 2);
  scene_.probe(all ? "store_down" : "store_minority");
  const size_t spared = all ? cluster_.size() : some_region();
  for (size_t i = 0; i < cluster_.size(); ++i) {
    if (i != spared) cluster_.store().set_site_up(i, false);
  }
  later(Duration::milliseconds(500), Duration::seconds(20), [this] {
    for (size_t i = 0; i < cluster_.size(); ++i) cluster_.store().set_site_up(i, true);
  });
}

void RegionFaults::roll_store_back() {
  const control::State state = cluster_.state();
  for (SimRegion& region : cluster_.regions()) {
    // As in lose_disk(): one that has just begun empty.
    const control::Node* node = state.find_node(region.host->id());
    if (node == nullptr || node->incarnation != incarnation_on(region.disk->files())) return;
  }
  if (rollbacks_left_ == 0 || !cluster_.store().roll_back()) return;
  --rollbacks_left_;
  scene_.probe("store_rolled_back");
}

void RegionFaults::heal() {
  for (const auto& node : nodes_) {
    node->hold_down(false);
    node->heal();
  }
  end_rot();
  cluster_.paths().mend_all();
  const bool rolled_back = cluster_.store().is_rolled_back();
  cluster_.store().heal();
  if (!rolled_back) return;
  // Those that froze have to look anew.
  for (SimRegion& region : cluster_.regions()) {
    if (region.host->is_up()) region.host->crash(Crash::kProcess);
  }
}

}  // namespace magpie::sim
