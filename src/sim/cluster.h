// Several regions on one clock: a node with its own disk in each, the store's sites, the paths
// between all of them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/brokers.h"
#include "sim/disk.h"
#include "sim/host.h"
#include "sim/network.h"
#include "sim/region_knobs.h"
#include "sim/scene.h"
#include "sim/sim_store.h"

namespace magpie::sim {

struct SimRegion {
  std::string name;
  Place machines = 0;
  Place clients = 0;
  Place store = 0;  // its site of the control store
  bool is_witness = false;
  std::unique_ptr<Disk> disk;
  std::unique_ptr<Host> host;
  // The directory that was lost last is gone for good; files of an earlier moment.
  std::map<std::string, SimFile> backup;
};

class Cluster {
 public:
  static constexpr const char* kId = "simulated";

  Cluster(Scene& scene, const RegionKnobs& knobs);

  std::vector<SimRegion>& regions() { return regions_; }
  SimRegion& region(size_t index) { return regions_[index]; }
  size_t size() const { return regions_.size(); }
  Network& network() { return network_; }
  Paths& paths() { return network_.paths(); }
  SimStore& store() { return store_; }
  const Bootstrap& bootstrap() const { return bootstrap_; }

  // See SimStore::state().
  const control::State& state() const { return store_.state(kId); }
  // The host of a node; null if there is none.
  Host* find(NodeId node);

  void boot_all();
  // What of this cluster is up and holds its lease.
  bool is_alive(const control::State& state, NodeId node);

  // Cuts or mends both directions between two places.
  void cut(Place a, Place b);
  void mend(Place a, Place b);

 private:
  void add_region(int number);
  void set_distances();
  node::NodeConfig config_of(int number, const std::string& region) const;

  Scene& scene_;
  const RegionKnobs& knobs_;
  Random random_;
  Network network_;
  SimStore store_;
  std::vector<SimRegion> regions_;
  Bootstrap bootstrap_;
};

}  // namespace magpie::sim
