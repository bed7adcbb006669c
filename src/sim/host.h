// The machine that one node runs on: it starts, steps, stops and crashes the node and carries out
// its effects on its simulated disk, on the network and, if there is one, on the control store.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "node/node.h"
#include "port/effect.h"
#include "port/event.h"
#include "sim/disk.h"
#include "sim/knobs.h"
#include "sim/network.h"
#include "sim/scene.h"
#include "sim/sim_store.h"

namespace magpie::sim {

struct HostSettings {
  node::NodeConfig config;
  Place place = 0;
  // How this machine's clock that only goes forward differs from the simulator's.
  Duration clock_offset;
  int64_t clock_drift = 0;  // in a million
};

// A node that is alone.
HostSettings host_settings(const Knobs& knobs, Place place);
// What of a node's configuration the knobs decide.
void set_node_knobs(node::NodeConfig& config, const Knobs& knobs);

class Host {
 public:
  // Listens on the addresses that the configuration announces. `store` may be null.
  Host(Scene& scene, HostSettings settings, Disk& disk, Network& network, SimStore* store);

  // REQUIRES: down.
  void boot();
  // The process ends at once. REQUIRES: up.
  void crash(Crash crash);
  // The power of its machine fails, whether it is up or not.
  void lose_power();
  // SIGTERM; the host is down when the node has stopped.
  void request_stop();
  // The process does nothing for a while (SIGSTOP), and then all at once.
  void pause(Duration duration);

  bool is_up() const { return node_ != nullptr; }
  bool is_stopping() const { return stopping_; }
  bool is_serving() const { return node_ && node_->phase() == node::Phase::kRunning; }
  uint64_t boots() const { return boots_; }
  NodeId id() const { return settings_.config.node_id; }
  Place place() const { return settings_.place; }
  const std::string& region() const { return settings_.config.region; }
  Disk& disk() { return disk_; }
  // Its directory is an earlier one from now on: a start has to refuse it. REQUIRES: down.
  void put_back(std::map<std::string, SimFile> files);
  bool refuses_directory() const { return refuses_directory_; }
  // It is down, and begins empty.
  void empty_directory();

  using HttpAnswer = std::function<void(std::optional<port::HttpRespond>)>;
  // Asks the admin port; `then` hears nothing if the process ends first.
  void request(std::string method, std::string target, std::string body, HttpAnswer then);
  // What it answers at once to a GET. REQUIRES: up.
  port::HttpRespond ask(const std::string& path);

  // The wall clock is set, by people or NTP.
  void set_clock(int64_t offset_millis) { wall_offset_ = offset_millis; }
  Now now() const;

 private:
  void step(port::Event event);
  void tick_when_due();
  void plan_tick();
  Instant scene_time(Instant node_time) const;
  void carry_out();
  void carry_out(port::Effect& effect);
  void answer(port::HttpRespond respond);
  void look_at_phase();
  void look_at_line(const port::LogLine& line);
  void go_down(Crash crash);

  Scene& scene_;
  HostSettings settings_;
  Disk& disk_;
  Network& network_;
  SimStore* store_;
  Network::Machine machine_;
  SimStore::Caller caller_ = 0;
  Random random_;
  std::unique_ptr<node::Node> node_;
  port::Effects effects_;
  std::vector<port::Effect> carried_;
  std::map<port::HttpExchangeId, HttpAnswer> exchanges_;
  uint64_t next_exchange_ = 1;
  Instant planned_tick_ = Instant::never();
  uint64_t boots_ = 0;
  uint64_t power_losses_ = 0;
  bool stopping_ = false;
  bool was_put_back_ = false;  // its directory
  bool refuses_directory_ = false;
  int64_t wall_offset_ = 0;
  bool paused_ = false;
  std::vector<port::Event> held_;  // that came during a pause
};

}  // namespace magpie::sim
