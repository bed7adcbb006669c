// What goes wrong between regions and with whole regions, on top of what goes wrong with each node
// (faults.h).
#pragma once

#include <functional>
#include <memory>
#include <set>
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
  // Whether the directory of this incarnation is gone.
  bool is_lost(const Uuid& incarnation) const { return lost_.contains(incarnation); }

 private:
  using Action = std::function<void()>;

  void every(Duration rate, Action action);
  void later(Duration shortest, Duration longest, Action end);
  size_t some_region() { return random_.below(cluster_.size()); }
  Place some_place();

  void begin_outage();
  void end_outage(size_t region);
  void lose_disk();
  void keep_backup();
  void restore_disk();
  void partition();
  void cut_for_a_while(const std::vector<std::pair<Place, Place>>& pairs);
  void one_way();
  void flap();
  void flap_on(Place a, Place b, int times, Duration period);
  void break_links();
  void store_site();
  void lose_store();
  void roll_store_back();
  // Whether what is acknowledged is also somewhere else.
  bool is_spare(NodeId node);

  Scene& scene_;
  const RegionKnobs& knobs_;
  Cluster& cluster_;
  Random random_;
  std::vector<std::unique_ptr<Faults>> nodes_;
  std::function<void(NodeId)> disk_lost_;
  int rollbacks_left_;
  std::set<Uuid> lost_;  // incarnations whose disks are gone
};

}  // namespace magpie::sim
