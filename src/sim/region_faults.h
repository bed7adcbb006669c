// What goes wrong between regions and with whole regions, on top of what goes wrong with each node
// (faults.h).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "sim/cluster.h"
#include "sim/faults.h"
#include "sim/region_knobs.h"
#include "sim/scene.h"

namespace magpie::sim {

class RegionFaults {
 public:
  RegionFaults(Scene& scene, const RegionKnobs& knobs, Cluster& cluster);

  void start();
  // Everything works from now on.
  void heal();
  // Who hears that a node's records are gone, all or those since a moment.
  void set_disk_lost(std::function<void(NodeId)> tell) { disk_lost_ = std::move(tell); }
  // Who hears that the power took what a node had not synced and said that it holds.
  void set_end_lost(std::function<void()> tell) { end_lost_ = std::move(tell); }
  // Whether the directory of this incarnation is gone, or may have lost its end and has not come
  // back as who it was.
  bool is_lost(const Uuid& incarnation) const;

 private:
  using Action = std::function<void()>;

  void every(Duration rate, Action action);
  void later(Duration shortest, Duration longest, Action end);
  size_t some_region() { return random_.below(cluster_.size()); }
  Place some_place();

  // What lies on a disk changes or goes: once in a run, and only what is also somewhere else.
  void damage();
  bool lose_files(size_t region);
  bool rot(size_t region);
  void end_rot();
  void begin_outage();
  void end_outage(size_t region);
  void lose_disk();
  void keep_backup();
  void restore_disk();
  // Somebody reads why the node does not start.
  void await_refusal(size_t region, const Uuid& directory);
  using PlacePairs = std::vector<std::pair<Place, Place>>;

  // All paths, both ways, that a partition of this kind takes from a region.
  PlacePairs paths_around(size_t index, uint64_t what);
  void partition();
  void isolate_leader();
  // Until somebody else has led the group for a moment.
  void leave_alone(const std::string& group, size_t index);
  void end_isolation(const std::string& group, size_t index, Instant give_up);
  void cut_for_a_while(const PlacePairs& pairs);
  void one_way();
  void flap();
  void flap_on(Place a, Place b, int times, Duration period);
  void break_links();
  void store_site();
  void lose_store();
  void roll_store_back();
  // Whether what is acknowledged is also somewhere else.
  bool is_spare(NodeId node);
  // Whether the power of a region may fail: whoever does not sync what it says it holds may only
  // lose what is also somewhere else, because a queue can keep no more. If so, it is expected.
  bool expect_power_loss(size_t region);
  // Whether nothing has been taken from this incarnation.
  bool is_whole(const Uuid& incarnation) const {
    return !lost_.contains(incarnation) && !doubted_.contains(incarnation) &&
           incarnation != damaged_;
  }

  Scene& scene_;
  const RegionKnobs& knobs_;
  Cluster& cluster_;
  Random random_;
  std::vector<std::unique_ptr<Faults>> nodes_;
  std::function<void(NodeId)> disk_lost_;
  int rollbacks_left_;
  bool leader_is_alone_ = false;
  std::function<void()> end_lost_;
  std::set<Uuid> lost_;             // incarnations whose disks are gone
  std::map<Uuid, NodeId> doubted_;  // those that may have lost their ends
  // A bit that changed, until faults end.
  struct Rot {
    size_t region = 0;
    std::string path;
    uint64_t batch = 0;  // where it begins
    uint64_t bit = 0;
  };
  std::optional<Rot> rot_;
  bool has_damaged_ = false;
  Uuid damaged_;  // the incarnation
};

}  // namespace magpie::sim
