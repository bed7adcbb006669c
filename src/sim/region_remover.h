// Somebody who takes regions out of the cluster while it runs, and takes them in again
// (control/decide_regions.h). Half of what is decided comes to the store late, as from a node that
// is behind.
#pragma once

#include <string>

#include "base/random.h"
#include "control/change.h"
#include "control/state.h"
#include "sim/cluster.h"
#include "sim/region_knobs.h"
#include "sim/scene.h"

namespace magpie::sim {

class RegionRemover {
 public:
  RegionRemover(Scene& scene, const RegionKnobs& knobs, Cluster& cluster);

  void start();

 private:
  void act_now_and_then();
  void act(const control::State& state);
  void remove(const control::State& state, const std::string& region);
  void readmit(const control::State& state, const std::string& region);
  void commit(control::Transaction transaction, const char* what);
  // When everything has healed all regions are taken in again.
  void settle();

  Scene& scene_;
  const RegionKnobs& knobs_;
  Cluster& cluster_;
  Random random_;  // of its own, so that what others draw does not depend on it
};

}  // namespace magpie::sim
