// The machine that one node runs on: it starts, steps, stops and crashes the node and carries out
// its effects on the simulated disk and network.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "node/node.h"
#include "port/effect.h"
#include "port/event.h"
#include "sim/disk.h"
#include "sim/knobs.h"
#include "sim/network.h"
#include "sim/scene.h"

namespace magpie::sim {

class Host {
 public:
  Host(Scene& scene, const Knobs& knobs, Disk& disk, Network& network);

  // REQUIRES: down.
  void boot();
  // The process ends at once. REQUIRES: up.
  void crash(Crash crash);
  // SIGTERM; the host is down when the node has stopped.
  void request_stop();

  bool is_up() const { return node_ != nullptr; }
  bool is_stopping() const { return stopping_; }
  uint64_t boots() const { return boots_; }

  // What the admin port answers to a GET: the status and the body. REQUIRES: up.
  port::HttpRespond ask(const std::string& path);

  // The wall clock is set, by people or NTP.
  void set_clock(int64_t offset_millis) { wall_offset_ = offset_millis; }
  Now now() const;

 private:
  void step(port::Event event);
  void tick_when_due();
  void plan_tick();
  void carry_out();
  void carry_out(port::Effect& effect);
  void look_at_phase();
  void look_at_line(const port::LogLine& line);

  Scene& scene_;
  const Knobs& knobs_;
  Disk& disk_;
  Network& network_;
  Random random_;
  std::unique_ptr<node::Node> node_;
  port::Effects effects_;
  std::vector<port::Effect> carried_;
  port::HttpRespond answer_;  // of the admin port, the last one
  Instant planned_tick_ = Instant::never();
  uint64_t boots_ = 0;
  bool stopping_ = false;
  int64_t wall_offset_ = 0;
};

}  // namespace magpie::sim
