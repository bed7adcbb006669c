#include "sim/cluster.h"

#include <fmt/format.h>

#include <utility>

namespace magpie::sim {
namespace {

constexpr int32_t kClientPort = 9092;
constexpr uint16_t kLinkPort = 9192;
// Kafka listeners come first.
constexpr uint32_t kLinkListener = 1;
// Often enough for directories that are put back by less than the length of a run.
constexpr Duration kAgeInterval = Duration::seconds(3);

}  // namespace

Cluster::Cluster(Scene& scene, const RegionKnobs& knobs)
    : scene_(scene),
      knobs_(knobs),
      random_(scene.random.fork()),
      network_(scene, knobs.common),
      store_(scene, network_.paths(), knobs.store) {
  bootstrap_.alone = false;
  bootstrap_.patience = Duration::seconds(8);
  // The store has all its sites before a node is told where they are.
  for (int i = 0; i < knobs.regions; ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    SimRegion region;
    region.name = name;
    region.machines = paths().add_place(name);
    region.clients = paths().add_place("clients-" + name);
    region.store = paths().add_place("store-" + name);
    store_.add_site(region.store);
    regions_.push_back(std::move(region));
  }
  set_distances();
  regions_.back().is_witness = knobs.witness;
  for (int i = 0; i < knobs.regions; ++i) add_region(i);
}

node::NodeConfig Cluster::config_of(int number, const std::string& region) const {
  node::NodeConfig config;
  set_node_knobs(config, knobs_.common);
  if (!knobs_.fsync.empty()) config.fsync = knobs_.fsync.at(static_cast<size_t>(number - 1));
  config.cluster_id = kId;
  config.node_id = NodeId{number};
  config.region = region;
  config.listeners = {{"client", fmt::format("node-{}.example", number), kClientPort}};
  node::ClusterConfig cluster;
  cluster.store.endpoints = store_.endpoints();
  cluster.link = {fmt::format("node-{}.link", number), kLinkPort};
  cluster.link_listener = port::ListenerIndex{kLinkListener};
  cluster.lease_seconds = knobs_.lease_seconds;
  cluster.compress_links = knobs_.compress_links;
  if (knobs_.disk_restore_every != Duration{}) cluster.age_interval = kAgeInterval;
  config.cluster = std::move(cluster);
  return config;
}

void Cluster::add_region(int index) {
  SimRegion& region = regions_[static_cast<size_t>(index)];
  HostSettings settings;
  settings.config = config_of(index + 1, region.name);
  settings.place = region.machines;
  settings.clock_offset = Duration::seconds(random_.between(1, 1'000'000));
  settings.clock_drift = random_.between(-knobs_.clock_drift, knobs_.clock_drift);
  if (region.is_witness) {
    settings.config.cluster->region_role = control::RegionRole::kWitness;
  } else {
    bootstrap_.addresses.push_back(
        {settings.config.listeners[0].host, settings.config.listeners[0].port});
  }
  region.disk = std::make_unique<Disk>(scene_, knobs_.common);
  region.host =
      std::make_unique<Host>(scene_, std::move(settings), *region.disk, network_, &store_);
}

void Cluster::set_distances() {
  for (size_t a = 0; a < regions_.size(); ++a) {
    for (size_t b = 0; b < a; ++b) {
      const Duration there =
          Duration::microseconds(random_.between(200, knobs_.distance_max.nanos / 1'000));
      const SimRegion& x = regions_[a];
      const SimRegion& y = regions_[b];
      for (const Place from : {x.machines, x.clients, x.store}) {
        for (const Place to : {y.machines, y.clients, y.store}) {
          paths().set_distance(from, to, there);
          paths().set_distance(to, from, there);
        }
      }
    }
  }
}

Host* Cluster::find(NodeId node) {
  for (SimRegion& region : regions_) {
    if (region.host->id() == node) return region.host.get();
  }
  return nullptr;
}

void Cluster::boot_all() {
  for (SimRegion& region : regions_) {
    if (!region.host->is_up()) region.host->boot();
  }
}

bool Cluster::is_alive(const control::State& state, NodeId node) {
  const Host* host = find(node);
  return host != nullptr && host->is_serving() && state.alive(node).has_value();
}

void Cluster::cut(Place a, Place b) {
  paths().cut(a, b);
  paths().cut(b, a);
}

void Cluster::mend(Place a, Place b) {
  paths().mend(a, b);
  paths().mend(b, a);
}

}  // namespace magpie::sim
