// The person who moves failover groups from region to region: planned, or because a leader is gone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "base/random.h"
#include "sim/cluster.h"
#include "sim/region_knobs.h"
#include "sim/requester.h"
#include "sim/scene.h"

namespace magpie::sim {

class Operator {
 public:
  Operator(Scene& scene, const RegionKnobs& knobs, Cluster& cluster);

  void start();
  // Ends what is under way, and gives groups whose leader will not come back another one.
  void settle();
  // A node's directory is gone. To be called before another one is known.
  void disk_lost(NodeId node);
  uint64_t operations() const { return operations_; }

 private:
  struct Switchover {
    std::string operation;
    NodeId target{-1};
    Instant begun;
  };

  void act_now_and_then();
  void look_after();
  void act(const std::string& group, const control::State& state);
  // True if there was one.
  bool fail_over_lone_leader(const control::State& state);
  void switch_over(const std::string& group, const control::State& state);
  void fail_over(const std::string& group, const control::State& state);
  // A leader that cannot read its copies says so, and nobody leads until a person chooses another.
  bool stays_unopened(const std::string& group, const control::Leadership& term);
  bool is_stranded(const control::State& state, const std::string& group) const;
  bool spoke_late(const control::State& state, const std::string& group) const;
  bool promote(const std::string& group, NodeId target);
  void continue_switchover(const std::string& group, Switchover& switchover);
  void abandon(const std::string& group, const Switchover& switchover);

  Scene& scene_;
  const RegionKnobs& knobs_;
  Cluster& cluster_;
  Random random_;
  Requester requester_;
  std::map<std::string, Switchover> switchovers_;  // by group
  // By group: the epoch that is not open, and since when it was seen so.
  std::map<std::string, std::pair<LeaderEpoch, Instant>> unopened_;
  std::map<Uuid, control::Revision> lost_disks_;  // by incarnation; when that was
  uint64_t operations_ = 0;
  uint64_t looks_ = 0;
};

}  // namespace magpie::sim
