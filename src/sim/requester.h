// The same person at the admin port of some node: asks for switchovers and failovers, with and
// without loss, approves and abandons them; and what may happen to them meanwhile: the node that
// carries one out is killed, at any step.
#pragma once

#include <cstdint>
#include <string>

#include "base/random.h"
#include "control/operation.h"
#include "sim/cluster.h"
#include "sim/region_knobs.h"
#include "sim/scene.h"

namespace magpie::sim {

// Whether an operation that stands still in a healthy cluster says that a person has to decide: a
// rule speaks against it that it may not override. Whatever else it waits for must come.
bool needs_a_person(const control::Operation& operation);

class Requester {
 public:
  Requester(Scene& scene, const RegionKnobs& knobs, Cluster& cluster)
      : scene_(scene), knobs_(knobs), cluster_(cluster), random_(scene.random.fork()) {}

  void switch_over(const std::string& group, const control::State& state);
  void fail_over(const std::string& group, const control::State& state);
  // Whatever it costs, and whatever rules say.
  void fail_over_with_loss(const std::string& group);
  // Does to the operations under way what people and accidents do.
  void look_after(const control::State& state);
  // Nothing is under way.
  static bool all_over(const control::State& state);
  // What is under way, and what it waits for.
  static std::string describe(const control::State& state);

 private:
  // `insists`: over all rules, and without waiting for an approval.
  void begin(const std::string& group, const std::string& kind, const std::string& to,
             bool allow_loss, bool insists = false);
  void change(control::OperationId id, const char* what);
  void ask(std::string method, std::string target, std::string body, const char* what);
  std::string some_region(const std::string& but);
  void kill_executor(const control::Operation& operation);

  Scene& scene_;
  const RegionKnobs& knobs_;
  Cluster& cluster_;
  Random random_;
  Instant healed_at_ = Instant::never();  // looked at first after that
};

}  // namespace magpie::sim
